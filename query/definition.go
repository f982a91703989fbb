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
	case *ast.CreateDatabase:
		return "CREATE DATABASE", s.createDatabase(ctx, st)
	case *ast.AlterDatabase:
		return "ALTER DATABASE", s.alterDatabase(ctx, st)
	case *ast.CreateSequence:
		return "CREATE SEQUENCE", s.createSequence(ctx, st)
	case *ast.CreateType:
		return "CREATE TYPE", s.createType(ctx, st)
	case *ast.CreateDomain:
		return "CREATE DOMAIN", s.createDomain(ctx, st)
	case *ast.AlterType:
		return "ALTER " + string(st.Kind), s.alterType(ctx, st)
	case *ast.Reindex:
		return "REINDEX", s.reindex(st)
	case *ast.CreateIndex:
		return "CREATE INDEX", s.createIndex(ctx, st)
	case *ast.Drop:
		return "DROP " + string(st.Kind), s.drop(ctx, st)
	case *ast.Truncate:
		return "TRUNCATE TABLE", s.truncate(ctx, st)
	case *ast.AlterTable:
		switch st.Kind {
		case ast.SequenceObject:
			return "ALTER SEQUENCE", s.alterSequence(ctx, st)
		case ast.IndexObject:
			return "ALTER INDEX", s.alterIndex(ctx, st)
		}
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
		if st.Materialized {
			return "CREATE MATERIALIZED VIEW"
		}
		return "CREATE TABLE AS"
	case *ast.RefreshView:
		return "REFRESH MATERIALIZED VIEW"
	case *ast.CreateView:
		return "CREATE VIEW"
	case *ast.CreateSchema:
		return "CREATE SCHEMA"
	case *ast.CreateIndex:
		return "CREATE INDEX"
	case *ast.CreateSequence:
		return "CREATE SEQUENCE"
	case *ast.CreateType:
		return "CREATE TYPE"
	case *ast.CreateDomain:
		return "CREATE DOMAIN"
	case *ast.AlterType:
		return "ALTER " + string(st.Kind)
	case *ast.Reindex:
		return "REINDEX"
	case *ast.CreateExtension:
		return "CREATE EXTENSION"
	case *ast.CreateDatabase:
		return "CREATE DATABASE"
	case *ast.AlterDatabase:
		return "ALTER DATABASE"
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
	if name.Catalog != "" && name.Catalog != s.Database() {
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

// A relation is one of these.
type relation struct {
	table    *schema.Table
	view     *schema.View
	sequence *schema.Sequence
}

// kind is the relation's class.
func (r relation) kind() ast.ObjectKind {
	switch {
	case r.table != nil && r.table.Materialized != nil:
		return ast.MatViewObject
	case r.table != nil:
		return ast.TableObject
	case r.view != nil:
		return ast.ViewObject
	}
	return ast.SequenceObject
}

// lookup finds a relation in one namespace.
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
	for _, q := range c.Sequences {
		if q.Namespace == namespace && q.Name == name {
			return relation{sequence: q}, true
		}
	}
	return relation{}, false
}

// path is where the relation of a name is looked up, in order.
func (s *Session) path(name ast.Name) []string {
	switch name.Schema {
	case "":
		return s.SearchPath(true)
	case bind.TempAlias:
		return []string{s.temporarySchema()}
	}
	return []string{name.Schema}
}

// findRelation resolves a name by the search path.
func (s *Session) findRelation(name ast.Name) (relation, error) {
	for _, ns := range s.path(name) {
		for oid, n := range s.txn.Catalog().Namespaces {
			if n.Name == ns {
				if r, ok := s.lookup(oid, name.Name); ok {
					return r, nil
				}
			}
		}
	}
	if s.compositeNamed(name) {
		return relation{}, pgerr.New(pgerr.WrongObjectType, "%q is a composite type", name.Name).WithHint("Use ALTER TYPE instead.")
	}
	full := name.Name
	if name.Schema != "" {
		full = name.Schema + "." + full
	}
	return relation{}, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", full)
}

// compositeNamed says whether a name, which no relation has, is that of a composite type.
func (s *Session) compositeNamed(name ast.Name) bool {
	c := s.txn.Catalog()
	for _, ns := range s.path(name) {
		for oid, n := range c.Namespaces {
			if t := c.TypeNamed(oid, name.Name); n.Name == ns && c.Types[t] != nil && t.Class() == datum.CompositeClass {
				return true
			}
		}
	}
	return false
}

func (s *Session) findTable(name ast.Name) (*schema.Table, error) {
	r, err := s.findRelation(name)
	if err != nil {
		return nil, err
	}
	if r.table == nil || r.table.Materialized != nil {
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
	exists, ns, err := s.checkNew(ctx, st.Name, st.Persistence, st.IfNotExists)
	if err != nil || exists {
		return err
	}
	def, parts, err := bind.TableDef(s.bindEnv(ctx, nil, true), st)
	if err != nil {
		return err
	}
	if err := s.putTable(ctx, def, ns, parts); err != nil {
		return err
	}
	s.noteOnCommit(def.OID, st.OnCommit)
	return nil
}

// checkNew says whether a relation of that name exists where it would be made.
func (s *Session) checkNew(ctx context.Context, name ast.Name, p ast.Persistence, ifNotExists bool) (bool, *schema.Namespace, error) {
	ns, err := s.creationNamespace(ctx, name, p)
	if err != nil {
		return false, nil, err
	}
	if s.txn.Catalog().RelationNamed(ns.OID, name.Name) == 0 {
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

// putTable gives a definition its OIDs and owner and stores it, with what comes with it.
func (s *Session) putTable(ctx context.Context, def *schema.Table, ns *schema.Namespace, parts *bind.TableParts) error {
	if err := s.rowTypeFree(ns.OID, def.Name); err != nil {
		return err
	}
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	const own = 3
	first, err := s.takeOIDs(ctx, own+len(def.Checks))
	if err != nil {
		return err
	}
	for i := range def.Checks {
		def.Checks[i].OID = first + own + datum.OID(i)
	}
	def.OID = first
	if def.Keyed() {
		def.PrimaryKeyOID, def.IndexOID = first+1, first+2
	}
	def.Namespace, def.Owner = ns.OID, s.opt.User
	for _, k := range parts.Declared {
		if err := s.addDeclared(ctx, def, k); err != nil {
			return err
		}
	}
	if err := s.likeIndexes(ctx, def, parts.Indexes); err != nil {
		return err
	}
	if err := s.columnSequences(ctx, def, parts.Sequences); err != nil {
		return err
	}
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
	if st.Recursive {
		var err error
		if st, err = recursiveView(st); err != nil {
			return err
		}
	}
	persistence := st.Persistence
	if persistence != ast.Temporary && s.readsTemporary(st.Query) {
		s.notify("view %q will be a temporary view", st.Name.Name)
		persistence = ast.Temporary
	}
	ns, err := s.creationNamespace(ctx, st.Name, persistence)
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
	var over []*schema.View
	if exists {
		if over, err = s.viewsOver(old); err != nil {
			return err
		}
		def.OID, def.Comment = old.view.OID, old.view.Comment
		if err := sameViewColumns(old.view, def); err != nil {
			return err
		}
		for i, c := range old.view.Columns {
			def.Columns[i].Default, def.Columns[i].Comment = c.Default, c.Comment
		}
	} else {
		if s.txn.Catalog().RelationNamed(ns.OID, def.Name) != 0 {
			return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", def.Name)
		}
		if err := s.rowTypeFree(ns.OID, def.Name); err != nil {
			return err
		}
		if def.OID, err = s.takeOIDs(ctx, 1); err != nil {
			return err
		}
	}
	if err := s.txn.Apply(ctx, schema.Change{PutView: def}); err != nil {
		return err
	}
	if !exists || len(def.Columns) == len(old.view.Columns) {
		return nil
	}
	return s.sameViews(ctx, "replace view "+def.Name, over, true)
}

// recursiveView is CREATE RECURSIVE VIEW as what it stands for.
func recursiveView(st *ast.CreateView) (*ast.CreateView, error) {
	name, columns := ast.QuoteIdent(st.Name.Name), make([]string, len(st.Columns))
	for i, c := range st.Columns {
		columns[i] = ast.QuoteIdent(c)
	}
	list := strings.Join(columns, ", ")
	out := *st
	out.QueryText = "WITH RECURSIVE " + name + " (" + list + ") AS (" + st.QueryText + ") SELECT " + list + " FROM " + name
	query, err := parseOne(out.QueryText)
	if err == nil {
		out.Query = query.(*ast.Select)
	}
	return &out, err
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
	if strings.HasPrefix(name, "pg_") {
		return pgerr.New(pgerr.ReservedName, "unacceptable schema name %q", name).WithDetail("The prefix \"pg_\" is reserved for system schemas.")
	}
	if st.IfNotExists && len(st.Elements) > 0 {
		return pgerr.Unsupported("CREATE SCHEMA IF NOT EXISTS cannot include schema elements").At(st.Elements[0].Position())
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
	if err := s.txn.Apply(ctx, schema.Change{PutNamespace: &schema.Namespace{OID: oid, Name: name, Owner: s.opt.User, Database: s.database}}); err != nil {
		return err
	}
	return s.schemaElements(ctx, name, st.Elements)
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
	tables, err := s.truncated(tables, st.Cascade)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := s.txn.Truncate(ctx, t.OID); err != nil {
			return err
		}
		if st.RestartIdentity {
			if err := s.restartSequences(ctx, t.OID); err != nil {
				return err
			}
		}
	}
	return nil
}

// comment is COMMENT ON.
func (s *Session) comment(ctx context.Context, st *ast.Comment) error {
	text := ""
	if st.Text != nil {
		text = *st.Text
	}
	switch st.Kind {
	case ast.TableObject, ast.ViewObject, ast.MatViewObject, ast.SequenceObject, ast.ColumnObject:
	case ast.IndexObject:
		return s.commentIndex(ctx, st, text)
	case ast.TypeObject, ast.DomainObject:
		return s.commentType(ctx, st, text)
	case ast.DatabaseObject:
		return s.commentDatabase(ctx, st, text)
	case ast.ConstraintKindO:
		return s.commentConstraint(ctx, st, text)
	default:
		return pgerr.Unsupported("COMMENT ON %s is not supported", st.Kind)
	}
	r, err := s.findRelation(st.Name)
	if err != nil {
		return err
	}
	if st.Kind != ast.ColumnObject && st.Kind != r.kind() {
		name, _ := r.describe()
		return pgerr.New(pgerr.WrongObjectType, "%q is not a %s", name, st.Kind.Lower())
	}
	switch {
	case r.view != nil:
		return s.commentView(ctx, r.view, st, text)
	case r.sequence != nil && st.Kind == ast.ColumnObject:
		return pgerr.New(pgerr.WrongObjectType, "cannot set comment on relation %q", r.sequence.Name).WithDetail("This operation is not supported for sequences.")
	case r.sequence != nil:
		q := *r.sequence
		q.Comment = text
		return s.txn.Apply(ctx, schema.Change{PutSequence: &q})
	}
	t := *r.table
	if st.Kind != ast.ColumnObject {
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
