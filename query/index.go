package query

import (
	"context"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// notEnforced tells that something is declared only.
func (s *Session) notEnforced(what, name string) {
	n := pgerr.New("00000", "%s %q is declared and not enforced", what, name).
		WithHint("Phyllo enforces primary keys, NOT NULL and CHECK.")
	n.Severity = "NOTICE"
	s.notice(n)
}

// createIndex is CREATE INDEX.
func (s *Session) createIndex(ctx context.Context, st *ast.CreateIndex) error {
	if st.Concurrently && s.inBlock() {
		return pgerr.New(pgerr.ActiveTransaction, "CREATE INDEX CONCURRENTLY cannot run inside a transaction block")
	}
	if st.Tablespace != "" && st.Tablespace != "pg_default" {
		return pgerr.New(pgerr.UndefinedObject, "tablespace %q does not exist", st.Tablespace)
	}
	r, err := s.findRelation(st.Table)
	if err != nil {
		return err
	}
	if r.table == nil {
		return pgerr.New(pgerr.WrongObjectType, "cannot create index on relation %q", st.Table.Name).WithDetail("This operation is not supported for %ss.", r.kind().Lower())
	}
	t := *r.table
	if st.Name != "" && s.txn.Catalog().RelationNamed(t.Namespace, st.Name) != 0 {
		if !st.IfNotExists {
			return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", st.Name)
		}
		n := pgerr.New(pgerr.DuplicateTable, "relation %q already exists, skipping", st.Name)
		n.Severity = "NOTICE"
		s.notice(n)
		return nil
	}
	x, column, err := bind.Index(s.bindEnv(ctx, nil, true), &t, st)
	if err != nil {
		return err
	}
	if x.Name == "" {
		x.Name = s.freeName(&t, column, "idx")
	}
	if x.OID, err = s.takeOIDs(ctx, 1); err != nil {
		return err
	}
	if x.Unique {
		s.notEnforced("unique index", x.Name)
	}
	t.Indexes = append(slices.Clone(t.Indexes), *x)
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

// likeIndexes gives a new table the indexes that LIKE copies.
func (s *Session) likeIndexes(ctx context.Context, t *schema.Table, list []bind.LikeIndex) (err error) {
	for _, l := range list {
		x := l.Index
		x.Name = s.freeName(t, l.Text, "idx")
		if x.OID, err = s.takeOIDs(ctx, 1); err != nil {
			return err
		}
		if x.Unique {
			s.notEnforced("unique index", x.Name)
		}
		t.Indexes = append(t.Indexes, x)
	}
	return nil
}

// addDeclared adds a UNIQUE constraint or a foreign key to a definition, which has its OID.
func (s *Session) addDeclared(ctx context.Context, t *schema.Table, k *ast.Constraint) error {
	if k.Kind == ast.ForeignKeyConstraint {
		return s.addForeignKey(ctx, t, k)
	}
	x, err := bind.Unique(t, k)
	if err != nil {
		return err
	}
	if x.Name == "" {
		x.Name = s.freeName(t, bind.ColumnsText(t, x.Columns()), "key")
	} else if x.Name == t.Name || s.txn.Catalog().RelationNamed(t.Namespace, x.Name) != 0 {
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", x.Name)
	}
	if x.OID, err = s.takeOIDs(ctx, 2); err != nil {
		return err
	}
	x.Constraint = x.OID + 1
	s.notEnforced("unique constraint", x.Name)
	t.Indexes = append(slices.Clone(t.Indexes), *x)
	return nil
}

func (s *Session) addForeignKey(ctx context.Context, t *schema.Table, k *ast.Constraint) error {
	ref := t
	if k.RefTable.Name != t.Name || k.RefTable.Schema != "" && k.RefTable.Schema != s.schemaName(t) {
		r, err := s.findRelation(k.RefTable)
		if err != nil {
			return err
		}
		if r.table == nil {
			return pgerr.New(pgerr.WrongObjectType, "referenced relation %q is not a table", k.RefTable.Name)
		}
		ref = r.table
	}
	kind := func(o *schema.Table) string {
		if ns := s.txn.Catalog().Namespaces[o.Namespace]; ns != nil && ns.Temporary {
			return "temporary"
		}
		return "permanent"
	}
	if of := kind(t); of != kind(ref) { // which goes, or stays, without the other
		return pgerr.New(pgerr.InvalidTableDefinition, "constraints on %s tables may reference only %s tables", of, of)
	}
	f, err := bind.ForeignKey(t, ref, k)
	if err != nil {
		return err
	}
	if f.Name == "" {
		f.Name = bind.FreeConstraint(t, bind.ColumnsText(t, f.Columns), "fkey")
	}
	if err := bind.Comparable(s.bindEnv(ctx, nil, true), t, ref, f); err != nil {
		return err
	}
	if f.OID, err = s.takeOIDs(ctx, 1); err != nil {
		return err
	}
	s.notEnforced("foreign key constraint", f.Name)
	t.ForeignKeys = append(slices.Clone(t.ForeignKeys), *f)
	return nil
}

// findIndex resolves the name of an index by the search path.
func (s *Session) findIndex(name ast.Name) (*schema.Table, *schema.Index, bool) {
	for _, ns := range s.path(name) {
		for _, t := range s.tables() {
			if s.schemaName(t) != ns {
				continue
			}
			for _, x := range t.AllIndexes() {
				if x.Name == name.Name {
					return t, &x, true
				}
			}
		}
	}
	return nil, nil, false
}

// dropIndex is DROP INDEX.
func (s *Session) dropIndex(ctx context.Context, st *ast.Drop, name ast.Name) error {
	if st.Concurrently && s.inBlock() {
		return pgerr.New(pgerr.ActiveTransaction, "DROP INDEX CONCURRENTLY cannot run inside a transaction block")
	}
	old, x, ok := s.findIndex(name)
	switch {
	case !ok:
		if r, err := s.findRelation(name); err == nil {
			return pgerr.New(pgerr.WrongObjectType, "%q is not an index", name.Name).WithHint("Use DROP %s to remove a %s.", r.kind(), r.kind().Lower())
		}
		full := name.Name
		if name.Schema != "" {
			full = name.Schema + "." + full
		}
		if st.IfExists {
			s.notify("index %q does not exist, skipping", full)
			return nil
		}
		return pgerr.New(pgerr.UndefinedObject, "index %q does not exist", full)
	case x.Constraint != 0:
		constraint := "constraint " + x.Name + " on table " + old.Name
		return pgerr.New(pgerr.DependentObjects, "cannot drop index %s because %s requires it", x.Name, constraint).WithHint("You can drop %s instead.", constraint)
	}
	var dropped dropping
	err := s.dropKeyUsers(ctx, "index "+x.Name, x.OID, st.Cascade, &dropped)
	if err != nil {
		return err
	}
	s.notifyDropped(dropped.names)
	t := *s.txn.Catalog().Tables[old.OID]
	t.Indexes = slices.DeleteFunc(slices.Clone(t.Indexes), func(o schema.Index) bool { return o.OID == x.OID })
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

// keyUsers are the foreign keys that refer to a table or, if index is not 0, to columns by one of its unique indexes.
func (s *Session) keyUsers(table, index datum.OID) (out []dependent) {
	for _, t := range s.tables() {
		for _, k := range t.ForeignKeys {
			if k.RefTable == table && t.OID != table || index != 0 && k.RefIndex == index {
				out = append(out, dependent{table: t, foreignKey: k.Name})
			}
		}
	}
	return out
}

// dropKeyUsers drops the foreign keys that rely on a unique index, or refuses to.
func (s *Session) dropKeyUsers(ctx context.Context, what string, index datum.OID, cascade bool, dropped *dropping) error {
	users := s.keyUsers(0, index)
	if len(users) > 0 && !cascade {
		return refuseDependents(what, users)
	}
	return s.dropDependents(ctx, users, dropped)
}

// alterIndex is ALTER INDEX.
func (s *Session) alterIndex(ctx context.Context, st *ast.AlterTable) error {
	old, x, ok := s.findIndex(st.Table.Name)
	if !ok {
		if r, err := s.findRelation(st.Table.Name); err == nil {
			return pgerr.New(pgerr.WrongObjectType, "%q is not an index", st.Table.Name.Name).WithHint("Use ALTER %s instead.", r.kind())
		}
		if st.IfExists {
			s.notify("relation %q does not exist, skipping", st.Table.Name.Name)
			return nil
		}
		return pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", st.Table.Name.Name)
	}
	t := *old
	t.Indexes = slices.Clone(t.Indexes)
	for i := range st.Actions {
		a := &st.Actions[i]
		if a.Kind != ast.RenameTable {
			return pgerr.Unsupported("ALTER INDEX ... %s is not supported", a.Text).At(a.Position())
		}
		if s.txn.Catalog().RelationNamed(t.Namespace, a.NewName) != 0 {
			return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", a.NewName)
		}
		if x.Primary {
			t.PrimaryKeyName = a.NewName
		} else {
			t.Index(x.Name).Name = a.NewName
		}
	}
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

// reindex is REINDEX, which has nothing to do: what it names must exist.
func (s *Session) reindex(st *ast.Reindex) error {
	name := st.Name.Name
	switch st.Kind {
	case ast.IndexObject:
		if _, _, ok := s.findIndex(st.Name); ok {
			return nil
		}
		if _, err := s.findRelation(st.Name); err != nil {
			return err
		}
		return pgerr.New(pgerr.WrongObjectType, "%q is not an index", name)
	case ast.TableObject:
		r, err := s.findRelation(st.Name)
		if err == nil && r.table == nil {
			err = pgerr.New(pgerr.WrongObjectType, "%q is not a table or materialized view", name)
		}
		return err
	case ast.SchemaObject:
		if !s.hasNamespace(name) {
			return pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name)
		}
		return nil
	}
	if name != s.Database() {
		return pgerr.Unsupported("can only reindex the currently open database")
	}
	return nil
}

// commentIndex is COMMENT ON INDEX.
func (s *Session) commentIndex(ctx context.Context, st *ast.Comment, text string) error {
	old, x, ok := s.findIndex(st.Name)
	switch {
	case !ok:
		return pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", st.Name.Name)
	case x.Primary:
		return pgerr.Unsupported("comments on the index of a primary key are not supported")
	}
	t := *old
	t.Indexes = slices.Clone(t.Indexes)
	t.Index(x.Name).Comment = text
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

// truncated returns the tables that TRUNCATE empties: with CASCADE those that refer to them too.
func (s *Session) truncated(tables []*schema.Table, cascade bool) ([]*schema.Table, error) {
	for i := 0; i < len(tables); i++ {
		for _, user := range s.keyUsers(tables[i].OID, 0) {
			if slices.ContainsFunc(tables, func(t *schema.Table) bool { return t.OID == user.table.OID }) {
				continue
			}
			if !cascade {
				return nil, pgerr.Unsupported("cannot truncate a table referenced in a foreign key constraint").
					WithDetail("Table \"%s\" references \"%s\".", user.table.Name, tables[i].Name).
					WithHint("Truncate table \"%s\" at the same time, or use TRUNCATE ... CASCADE.", user.table.Name)
			}
			s.notify("truncate cascades to table \"%s\"", user.table.Name)
			tables = append(tables, user.table)
		}
	}
	return tables, nil
}
