package bind

import (
	"context"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// ExprText writes an expression that the definition of a table has as PostgreSQL's
// pg_get_expr does: with the casts that binding adds, and relations by their names; pretty
// without some parentheses.
func ExprText(env *Env, t *schema.Table, sql string, pretty bool) (string, error) {
	b := newBinder(env)
	e, err := b.parseExpr(sql)
	if err != nil {
		return "", err
	}
	s := &scope{frame: &frame{}, clause: clauseDefault}
	var columns []string
	if t != nil {
		s = &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: clausePartition}
		for _, c := range t.Live() {
			columns = append(columns, c.Name)
		}
	}
	x, err := b.expr(e, s)
	if err != nil {
		return "", err
	}
	if k, ok := x.(*expr.Const); ok && t != nil && k.T.OID == datum.Unknown {
		if i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Default == sql }); i >= 0 {
			x, err = b.assign(x, t.Columns[i].Type, "", 0)
		}
	}
	if err == nil {
		x, err = b.resolveUnknown(x)
	}
	if err == nil {
		x, err = b.settleRow(x)
	}
	if err != nil {
		return "", err
	}
	return plan.DefinitionText(x, columns, env.Session, func(oid datum.OID) string {
		return function.RelationText(b.functionContext(), oid)
	}, pretty), nil
}

// DomainText is ExprText for an expression of a domain: a constraint or its default.
func DomainText(env *Env, d *schema.Type, sql string, pretty bool) (string, error) {
	b := newBinder(env)
	e, err := b.parseExpr(sql)
	if err != nil {
		return "", err
	}
	x, err := b.expr(e, domainScope(d))
	if err != nil {
		return "", err
	}
	if k, ok := x.(*expr.Const); ok && k.T.OID == datum.Unknown {
		x, err = b.assign(x, undomained(d.Base), "", 0)
	} else {
		x, err = b.resolveUnknown(x)
	}
	if err != nil {
		return "", err
	}
	return plan.DomainText(x, env.Session, func(oid datum.OID) string {
		return function.RelationText(b.functionContext(), oid)
	}, pretty), nil
}

// functionContext is what names are looked up in while binding.
func (b *binder) functionContext() *function.Context {
	ctx := b.env.Context
	if ctx == nil {
		ctx = context.Background()
	}
	return &function.Context{Context: ctx, Env: b.env.Session, Catalog: b.env.Catalog, Session: bindSession{b: b}, System: bindSystem{b}}
}
