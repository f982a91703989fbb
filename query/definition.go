package query

import (
	"context"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// definition runs DDL and returns its tag.
func (s *Session) definition(ctx context.Context, stmt ast.Stmt) (string, error) {
	if s.readOnly {
		if c := commandName(stmt); c != "" {
			return "", pgerr.New(pgerr.ReadOnlyTransaction, "cannot execute %s in a read-only transaction", c)
		}
	}
	s.ran = true
	switch st := stmt.(type) {
	case *ast.CreateTable:
		return "CREATE TABLE", s.createTable(ctx, st)
	case *ast.CreateView:
		return "CREATE VIEW", s.createView(ctx, st)
	case *ast.CreateSchema:
		return "CREATE SCHEMA", s.createSchema(ctx, st)
	case *ast.Drop:
		return "DROP " + string(st.Kind), s.drop(ctx, st)
	case *ast.Truncate:
		return "TRUNCATE TABLE", s.truncate(ctx, st)
	case *ast.AlterTable:
		return "ALTER " + string(st.Kind), s.alterTable(ctx, st)
	case *ast.Comment:
		return "COMMENT", s.comment(ctx, st)
	case *ast.Unsupported:
		return "", pgerr.Unsupported("%s is not supported", st.Command)
	}
	name := commandName(stmt)
	if name == "" {
		name = "this statement"
	}
	return "", pgerr.Unsupported("%s is not supported", name)
}

// commandName is the command of statements that change objects.
func commandName(stmt ast.Stmt) string {
	switch st := stmt.(type) {
	case *ast.CreateTable:
		return "CREATE TABLE"
	case *ast.CreateTableAs:
		return "CREATE TABLE AS"
	case *ast.CreateView:
		return "CREATE VIEW"
	case *ast.CreateSchema:
		return "CREATE SCHEMA"
	case *ast.CreateIndex:
		return "CREATE INDEX"
	case *ast.CreateSequence:
		return "CREATE SEQUENCE"
	case *ast.CreateExtension:
		return "CREATE EXTENSION"
	case *ast.CreateDatabase:
		return "CREATE DATABASE"
	case *ast.CreateRole:
		return "CREATE ROLE"
	case *ast.AlterRole:
		return "ALTER ROLE"
	case *ast.AlterTable:
		return "ALTER " + string(st.Kind)
	case *ast.Drop:
		return "DROP " + string(st.Kind)
	case *ast.Truncate:
		return "TRUNCATE TABLE"
	case *ast.Comment:
		return "COMMENT"
	case *ast.Grant:
		if st.Revoke {
			return "REVOKE"
		}
		return "GRANT"
	case *ast.Lock:
		return "LOCK TABLE"
	case *ast.Listen:
		return "LISTEN"
	case *ast.Notify:
		return "NOTIFY"
	case *ast.Unlisten:
		return "UNLISTEN"
	case *ast.Call:
		return "CALL"
	case *ast.Do:
		return "DO"
	}
	return ""
}

// targetNamespace is where a new object of that name goes.
func (s *Session) targetNamespace(name ast.Name) (*schema.Namespace, error) {
	if name.Catalog != "" && name.Catalog != s.opt.Database {
		return nil, pgerr.Unsupported("cross-database references are not implemented: \"%s.%s.%s\"", name.Catalog, name.Schema, name.Name).At(name.Position())
	}
	want := name.Schema
	if want == "" {
		path := s.SearchPath(false)
		if len(path) == 0 {
			return nil, pgerr.New(pgerr.InvalidSchemaName, "no schema has been selected to create in").At(name.Position())
		}
		want = path[0]
	}
	for _, n := range s.txn.Catalog().Namespaces {
		if n.Name != want {
			continue
		}
		if n.OID < schema.FirstUserOID && n.OID != schema.PublicOID {
			return nil, pgerr.New(pgerr.InsufficientPrivilege, "permission denied to create \"%s.%s\"", want, name.Name).
				WithDetail("System catalog modifications are currently disallowed.")
		}
		return n, nil
	}
	return nil, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", want).At(name.Position())
}

// A relation is a table or a view by OID.
type relation struct {
	table *schema.Table
	view  *schema.View
}

// lookup finds a table or view in one namespace.
func (s *Session) lookup(namespace datum.OID, name string) (relation, bool) {
	c := s.txn.Catalog()
	for _, t := range c.Tables {
		if t.Namespace == namespace && t.Name == name {
			return relation{table: t}, true
		}
	}
	for _, v := range c.Views {
		if v.Namespace == namespace && v.Name == name {
			return relation{view: v}, true
		}
	}
	return relation{}, false
}

// findRelation resolves a name by the search path.
func (s *Session) findRelation(name ast.Name) (relation, error) {
	path := []string{name.Schema}
	if name.Schema == "" {
		path = s.SearchPath(false)
	}
	for _, ns := range path {
		for oid, n := range s.txn.Catalog().Namespaces {
			if n.Name == ns {
				if r, ok := s.lookup(oid, name.Name); ok {
					return r, nil
				}
			}
		}
	}
	full := name.Name
	if name.Schema != "" {
		full = name.Schema + "." + full
	}
	return relation{}, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", full)
}

func (s *Session) findTable(name ast.Name) (*schema.Table, error) {
	r, err := s.findRelation(name)
	if err != nil {
		return nil, err
	}
	if r.table == nil {
		return nil, pgerr.New(pgerr.WrongObjectType, "%q is not a table", name.Name)
	}
	return r.table, nil
}

// takeOIDs reserves n consecutive OIDs and returns the first.
func (s *Session) takeOIDs(ctx context.Context, n int) (datum.OID, error) {
	return s.txn.TakeOIDs(ctx, n)
}

// createTable is CREATE TABLE.
func (s *Session) createTable(ctx context.Context, st *ast.CreateTable) error {
	exists, ns, err := s.checkNew(st.Name, st.IfNotExists)
	if err != nil || exists {
		return err
	}
	def, err := bind.TableDef(s.bindEnv(ctx, nil, true), st)
	if err != nil {
		return err
	}
	return s.putTable(ctx, def, ns)
}

// checkNew says whether a relation of that name exists where it would be made.
func (s *Session) checkNew(name ast.Name, ifNotExists bool) (bool, *schema.Namespace, error) {
	ns, err := s.targetNamespace(name)
	if err != nil {
		return false, nil, err
	}
	if _, exists := s.lookup(ns.OID, name.Name); !exists {
		return false, ns, nil
	}
	if ifNotExists {
		n := pgerr.New(pgerr.DuplicateTable, "relation %q already exists, skipping", name.Name)
		n.Severity = "NOTICE"
		s.notice(n)
		return true, ns, nil
	}
	return true, ns, pgerr.New(pgerr.DuplicateTable, "relation %q already exists", name.Name)
}

// putTable gives a definition its OIDs and owner and stores it.
func (s *Session) putTable(ctx context.Context, def *schema.Table, ns *schema.Namespace) error {
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	first, err := s.takeOIDs(ctx, 5)
	if err != nil {
		return err
	}
	def.OID, def.RowTypeOID, def.ArrayTypeOID = first, first+1, first+2
	if def.Keyed() {
		def.PrimaryKeyOID, def.IndexOID = first+3, first+4
	}
	def.Namespace, def.Owner = ns.OID, s.opt.User
	return s.txn.Apply(ctx, schema.Change{PutTable: def})
}

// ensureRole makes a role of the session's user when it first owns something.
func (s *Session) ensureRole(ctx context.Context) error {
	if s.txn.Catalog().Roles[s.opt.User] != nil {
		return nil
	}
	oid, err := s.takeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	if s.txn.Catalog().Roles[s.opt.User] != nil {
		return nil // another session of the user made it before this one had the catalogue for itself
	}
	return s.txn.Apply(ctx, schema.Change{PutRole: &schema.Role{OID: oid, Name: s.opt.User, Superuser: true}})
}

// createView is CREATE VIEW.
func (s *Session) createView(ctx context.Context, st *ast.CreateView) error {
	if st.Recursive || st.Persistence != ast.Permanent || st.CheckOption != "" || len(st.Options) > 0 {
		return pgerr.Unsupported("this form of CREATE VIEW is not supported")
	}
	ns, err := s.targetNamespace(st.Name)
	if err != nil {
		return err
	}
	old, exists := s.lookup(ns.OID, st.Name.Name)
	if exists && (!st.OrReplace || old.view == nil) {
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", st.Name.Name)
	}
	def, err := bind.ViewDef(s.bindEnv(ctx, nil, true), st)
	if err != nil {
		return err
	}
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	def.Namespace, def.Owner = ns.OID, s.opt.User
	if exists {
		def.OID, def.RowTypeOID, def.Comment = old.view.OID, old.view.RowTypeOID, old.view.Comment
		if err := sameViewColumns(old.view, def); err != nil {
			return err
		}
	} else {
		first, err := s.takeOIDs(ctx, 2)
		if err != nil {
			return err
		}
		def.OID, def.RowTypeOID = first, first+1
	}
	return s.txn.Apply(ctx, schema.Change{PutView: def})
}

// sameViewColumns checks that CREATE OR REPLACE VIEW only adds columns.
func sameViewColumns(old, now *schema.View) error {
	if len(now.Columns) < len(old.Columns) {
		return pgerr.New(pgerr.InvalidTableDefinition, "cannot drop columns from view")
	}
	for i := range old.Columns {
		o, n := old.Columns[i], now.Columns[i]
		if o.Name != n.Name {
			return pgerr.New(pgerr.InvalidTableDefinition, "cannot change name of view column %q to %q", o.Name, n.Name)
		}
		if o.Type != n.Type {
			return pgerr.New(pgerr.InvalidTableDefinition, "cannot change data type of view column %q from %s to %s", o.Name, o.Type, n.Type)
		}
	}
	return nil
}

// createSchema is CREATE SCHEMA.
func (s *Session) createSchema(ctx context.Context, st *ast.CreateSchema) error {
	name := st.Name
	if name == "" {
		name = st.Authorization
	}
	if len(st.Elements) > 0 {
		return pgerr.Unsupported("CREATE SCHEMA with elements is not supported")
	}
	if strings.HasPrefix(name, "pg_") {
		return pgerr.New(pgerr.ReservedName, "unacceptable schema name %q", name).WithDetail("The prefix \"pg_\" is reserved for system schemas.")
	}
	if s.hasNamespace(name) {
		if st.IfNotExists {
			s.notify("schema %q already exists, skipping", name)
			return nil
		}
		return pgerr.New(pgerr.DuplicateSchema, "schema %q already exists", name)
	}
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	oid, err := s.takeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	return s.txn.Apply(ctx, schema.Change{PutNamespace: &schema.Namespace{OID: oid, Name: name, Owner: s.opt.User}})
}

// truncate is TRUNCATE.
func (s *Session) truncate(ctx context.Context, st *ast.Truncate) error {
	var tables []*schema.Table
	for _, ref := range st.Tables {
		t, err := s.findTable(ref.Name)
		if err != nil {
			return err
		}
		tables = append(tables, t)
	}
	for _, t := range tables {
		if err := s.txn.Truncate(ctx, t.OID); err != nil {
			return err
		}
	}
	return nil
}

// comment is COMMENT ON TABLE, VIEW and COLUMN.
func (s *Session) comment(ctx context.Context, st *ast.Comment) error {
	text := ""
	if st.Text != nil {
		text = *st.Text
	}
	switch st.Kind {
	case ast.TableObject, ast.ViewObject, ast.ColumnObject:
	default:
		return pgerr.Unsupported("COMMENT ON %s is not supported", st.Kind)
	}
	r, err := s.findRelation(st.Name)
	if err != nil {
		return err
	}
	if r.view != nil {
		return s.commentView(ctx, r.view, st, text)
	}
	t := *r.table
	if st.Kind == ast.ViewObject {
		return pgerr.New(pgerr.WrongObjectType, "%q is not a view", t.Name)
	}
	if st.Kind == ast.TableObject {
		t.Comment = text
	} else if t.Columns, err = commentColumn(t.Columns, t.Name, st.Column, text); err != nil {
		return err
	}
	return s.txn.Apply(ctx, schema.Change{PutTable: &t})
}

func (s *Session) commentView(ctx context.Context, old *schema.View, st *ast.Comment, text string) error {
	v := *old
	var err error
	switch st.Kind {
	case ast.TableObject:
		return pgerr.New(pgerr.WrongObjectType, "%q is not a table", v.Name)
	case ast.ViewObject:
		v.Comment = text
	default:
		if v.Columns, err = commentColumn(v.Columns, v.Name, st.Column, text); err != nil {
			return err
		}
	}
	return s.txn.Apply(ctx, schema.Change{PutView: &v})
}

func commentColumn(columns []schema.Column, relation, name, text string) ([]schema.Column, error) {
	out := append([]schema.Column(nil), columns...)
	for i := range out {
		if out[i].Name == name {
			out[i].Comment = text
			return out, nil
		}
	}
	return nil, pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name, relation)
}
