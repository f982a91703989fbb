package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
)

// A materialized view is a table whose rows come from a query. REFRESH truncates it and fills it
// anew in one transaction: who reads goes on with the old rows until it commits, so that
// CONCURRENTLY needs nothing of its own.

func (s *Session) checkMaterialized(m *schema.Materialized, st *plan.CreateTableAs) error {
	if st.Persistence == ast.Unlogged {
		return pgerr.Unsupported("materialized views cannot be unlogged")
	}
	query, err := parseOne(m.SQL)
	if err == nil && s.readsTemporary(query) {
		err = pgerr.Unsupported("materialized views must not use temporary tables or views")
	}
	return err
}

// refresh is REFRESH MATERIALIZED VIEW.
func (s *Session) refresh(ctx context.Context, p *Portal, st *ast.RefreshView) error {
	const command = "REFRESH MATERIALIZED VIEW"
	if err := s.writable(command); err != nil {
		return err
	}
	r, err := s.findRelation(st.Name)
	if err != nil {
		return err
	}
	old := r.table
	switch {
	case old == nil:
		name, _ := r.describe()
		return pgerr.New(pgerr.WrongObjectType, "%q is not a table or materialized view", name)
	case old.Materialized == nil:
		return pgerr.Unsupported("%q is not a materialized view", old.Name)
	case st.Concurrently && st.NoData:
		return pgerr.New(pgerr.SyntaxError, "CONCURRENTLY and WITH NO DATA options cannot be used together")
	case st.Concurrently:
		if err := s.checkConcurrently(old); err != nil {
			return err
		}
	}
	s.ran = true
	if err := s.txn.Truncate(ctx, old.OID); err != nil {
		return err
	}
	def := *s.txn.Catalog().Tables[old.OID]
	if populated := !st.NoData; populated != def.Materialized.Populated {
		def.Materialized = &schema.Materialized{SQL: def.Materialized.SQL, Populated: populated}
		if err := s.txn.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
			return err
		}
	}
	p.tag = command
	if st.NoData {
		return nil
	}
	query, err := parseOne(def.Materialized.SQL)
	if err != nil {
		return err
	}
	rows, err := bind.Statement(s.bindEnv(ctx, nil, true), query)
	if err != nil {
		return err
	}
	_, err = s.fill(ctx, p, &def, rows)
	return err
}

// checkConcurrently asks of a view what PostgreSQL does, so that what is refreshed CONCURRENTLY
// here can be there.
func (s *Session) checkConcurrently(t *schema.Table) error {
	if !t.Materialized.Populated {
		return pgerr.Unsupported("CONCURRENTLY cannot be used when the materialized view is not populated")
	}
	whole := func(x schema.Index) bool { return x.Unique && x.Where == "" && !slices.Contains(x.Columns(), 0) }
	if !slices.ContainsFunc(t.Indexes, whole) {
		return pgerr.New(pgerr.ObjectNotInState, "cannot refresh materialized view \"%s\" concurrently", ast.Name{Schema: s.schemaName(t), Name: t.Name}).
			WithHint("Create a unique index with no WHERE clause on one or more columns of the materialized view.")
	}
	return nil
}

// queries are all views, materialized ones among them, by OID.
func (s *Session) queries() []*schema.View {
	var out []*schema.View
	for _, v := range s.txn.Catalog().Views {
		out = append(out, v)
	}
	for _, t := range s.txn.Catalog().Tables {
		if v := t.AsView(); v != nil {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *schema.View) int { return cmp.Compare(a.OID, b.OID) })
	return out
}

// ofView is the relation of a view, which may be a materialized one; none if it is gone.
func (s *Session) ofView(v *schema.View) relation {
	if t := s.txn.Catalog().Tables[v.OID]; t != nil {
		return relation{table: t}
	}
	if v = s.txn.Catalog().Views[v.OID]; v == nil {
		return relation{}
	}
	return relation{view: v}
}
