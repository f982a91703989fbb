package query

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/function"
)

// drop is DROP.
func (s *Session) drop(ctx context.Context, st *ast.Drop) error {
	switch st.Kind {
	case ast.TableObject, ast.ViewObject, ast.MatViewObject, ast.SequenceObject:
		return s.dropRelations(ctx, st)
	case ast.TypeObject, ast.DomainObject:
		return s.dropTypes(ctx, st)
	case ast.IndexObject:
		for _, name := range st.Names {
			if err := s.dropIndex(ctx, st, name); err != nil {
				return err
			}
		}
		return nil
	case ast.DatabaseObject:
		return s.dropDatabase(ctx, st)
	case ast.SchemaObject:
		for _, name := range st.Names {
			if err := s.dropSchema(ctx, st, name); err != nil {
				return err
			}
		}
		return nil
	}
	return pgerr.Unsupported("DROP %s is not supported", st.Kind)
}

// dropRelations drops relations, which may depend on each other.
func (s *Session) dropRelations(ctx context.Context, st *ast.Drop) error {
	listed := map[datum.OID]bool{}
	var list []relation
	for _, name := range st.Names {
		r, err := s.relationToDrop(st, name)
		if err != nil {
			return err
		}
		if r != (relation{}) {
			list, listed[r.oid()] = append(list, r), true
		}
	}
	dropped := dropping{listed: listed}
	for _, r := range list {
		if r = s.current(r); r == (relation{}) {
			continue // with one before it
		}
		dependents, err := s.dependents(ctx, r)
		if err != nil {
			return err
		}
		dependents = slices.DeleteFunc(dependents, func(d dependent) bool { return listed[d.oid()] })
		if name, kind := r.describe(); len(dependents) > 0 && !st.Cascade {
			return refuseDependents(kind+" "+name, dependents)
		}
		if err := s.dropAll(ctx, r, &dropped); err != nil {
			return err
		}
	}
	s.notifyDropped(dropped.names)
	return nil
}

// relationToDrop finds what DROP names; it is none if there is none and need not be.
func (s *Session) relationToDrop(st *ast.Drop, name ast.Name) (relation, error) {
	r, err := s.findRelation(name)
	kind := st.Kind.Lower()
	if pgerr.Code(err) == pgerr.WrongObjectType {
		return relation{}, pgerr.New(pgerr.WrongObjectType, "%q is not a %s", name.Name, kind).WithHint("Use DROP TYPE to remove a type.")
	}
	if err != nil {
		full := name.Name
		if name.Schema != "" {
			full = name.Schema + "." + full
		}
		if st.IfExists {
			s.notify("%s %q does not exist, skipping", kind, full)
			return relation{}, nil
		}
		return relation{}, pgerr.New(pgerr.UndefinedTable, "%s %q does not exist", kind, full)
	}
	if is := r.kind(); is != st.Kind {
		return relation{}, pgerr.New(pgerr.WrongObjectType, "%q is not a %s", name.Name, kind).WithHint("Use DROP %s to remove a %s.", is, is.Lower())
	}
	if r.sequence != nil && r.sequence.OwnedBy.Identity {
		t := s.txn.Catalog().Tables[r.sequence.OwnedBy.Table]
		column := "column " + t.Column(r.sequence.OwnedBy.Column).Name + " of table " + t.Name
		return relation{}, pgerr.New(pgerr.DependentObjects, "cannot drop sequence %s because %s requires it", r.sequence.Name, column).WithHint("You can drop %s instead.", column)
	}
	return r, nil
}

// current is a relation as its definition is by now, none if it is gone.
func (s *Session) current(r relation) relation {
	c := s.txn.Catalog()
	switch {
	case r.table != nil:
		return relation{table: c.Tables[r.table.OID]}
	case r.view != nil:
		return relation{view: c.Views[r.view.OID]}
	}
	return relation{sequence: c.Sequences[r.sequence.OID]}
}

// A dependent goes with something that is dropped: a view over a relation, the default of a
// column that takes its values from it, or a generated column.
type dependent struct {
	view *schema.View // or a materialized one, as a view
	kind string       // of the view
	typ  *schema.Type
	// attribute names one of typ, a composite type, which goes alone.
	attribute string
	table     *schema.Table // of the column
	column    schema.ColumnID
	// generated names a column that is computed from another one of its table.
	generated string
	// foreignKey names one of table.
	foreignKey string
	// check names one of table.
	check string
	// whole: the column itself goes, not its default.
	whole bool
}

// oid is that of the view, or of the column's table.
func (d dependent) oid() datum.OID {
	switch {
	case d.view != nil:
		return d.view.OID
	case d.typ != nil:
		return d.typ.OID
	}
	return d.table.OID
}

func names(list []dependent) (out []string) {
	for _, d := range list {
		out = append(out, d.String())
	}
	return out
}

func (d dependent) String() string {
	switch {
	case d.view != nil:
		return d.kind + " " + d.view.Name
	case d.attribute != "":
		return "column " + d.attribute + " of composite type " + d.typ.Name
	case d.typ != nil:
		return "type " + d.typ.Name
	case d.generated != "":
		return d.generated
	case d.whole:
		return "column " + d.table.Column(d.column).Name + " of table " + d.table.Name
	case d.check != "":
		return "constraint " + d.check + " on table " + d.table.Name
	case d.foreignKey != "":
		return "constraint " + d.foreignKey + " on table " + d.table.Name
	}
	return "default value for column " + d.table.Column(d.column).Name + " of table " + d.table.Name
}

// dependents returns what depends on a relation and on the sequences that go with it.
func (s *Session) dependents(ctx context.Context, r relation) ([]dependent, error) {
	if r.sequence != nil {
		return s.takers([]*schema.Sequence{r.sequence}, func(*schema.Table, schema.ColumnID) bool { return false })
	}
	views, err := s.viewsOver(r)
	if err != nil {
		return nil, err
	}
	out := s.dependentViews(views)
	rows, err := s.typeUsers(ctx, datum.UserType(datum.CompositeClass, r.oid()))
	if err != nil {
		return nil, err
	}
	out = append(out, rows...)
	if r.table == nil {
		return out, nil
	}
	out = append(out, s.keyUsers(r.table.OID, 0)...)
	more, err := s.takers(s.ownedSequences(r.table.OID, 0), func(t *schema.Table, _ schema.ColumnID) bool { return t.OID == r.table.OID })
	return append(out, more...), err
}

func (s *Session) dependentViews(views []*schema.View) (out []dependent) {
	for _, v := range views {
		out = append(out, dependent{view: v, kind: s.ofView(v).kind().Lower()})
	}
	return out
}

// takers returns what takes values from sequences, without columns that go anyway.
func (s *Session) takers(list []*schema.Sequence, goes func(*schema.Table, schema.ColumnID) bool) (out []dependent, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	sequences := map[datum.OID]bool{}
	for _, q := range list {
		sequences[q.OID] = true
		views, err := s.viewsOver(relation{sequence: q})
		if err != nil {
			return nil, err
		}
		out = append(out, s.dependentViews(views)...)
	}
	for _, t := range s.tables() {
		for _, c := range t.Live() {
			if !goes(t, c.ID) && slices.ContainsFunc(function.StoredRelations(c.Default), func(oid datum.OID) bool { return sequences[oid] }) {
				out = append(out, dependent{table: t, column: c.ID})
			}
		}
	}
	return out, nil
}

// tables are all tables, by OID.
func (s *Session) tables() []*schema.Table {
	return slices.SortedFunc(maps.Values(s.txn.Catalog().Tables), func(a, b *schema.Table) int { return cmp.Compare(a.OID, b.OID) })
}

// refuseDependents is the error for dropping something without CASCADE.
func refuseDependents(what string, list []dependent) error {
	var lines []string
	for _, d := range list {
		lines = append(lines, d.String()+" depends on "+what)
	}
	return pgerr.New(pgerr.DependentObjects, "cannot drop %s because other objects depend on it", what).
		WithDetail("%s", strings.Join(lines, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
}

// A dropping is what goes with CASCADE: names of what is gone and was not listed, and the
// views that are being dropped, for views may read each other in a circle.
type dropping struct {
	names  []string
	views  map[datum.OID]bool
	listed map[datum.OID]bool
}

// enter says whether the dropping of a view begins.
func (c *dropping) enter(v *schema.View) bool {
	if c.views[v.OID] {
		return false
	}
	if c.views == nil {
		c.views = map[datum.OID]bool{}
	}
	c.views[v.OID] = true
	return true
}

// dropAll drops what depends on a relation, then the relation with the sequences that go
// with it, and adds to dropped what it drops.
func (s *Session) dropAll(ctx context.Context, r relation, dropped *dropping) error {
	if r.view != nil {
		dropped.enter(r.view)
	}
	dependents, err := s.dependents(ctx, r)
	if err != nil {
		return err
	}
	if err := s.dropDependents(ctx, dependents, dropped); err != nil {
		return err
	}
	if !dropped.listed[r.oid()] {
		name, kind := r.describe()
		dropped.names = append(dropped.names, kind+" "+name)
	}
	switch {
	case r.view != nil:
		return s.txn.Apply(ctx, schema.Change{DropView: r.view.OID})
	case r.sequence != nil:
		return s.txn.Apply(ctx, schema.Change{DropSequence: r.sequence.OID})
	}
	for _, q := range s.ownedSequences(r.table.OID, 0) {
		if err := s.txn.Apply(ctx, schema.Change{DropSequence: q.OID}); err != nil {
			return err
		}
	}
	return s.txn.Apply(ctx, schema.Change{DropTable: r.table.OID})
}

// dropDependents drops views, with what depends on them, and defaults.
func (s *Session) dropDependents(ctx context.Context, list []dependent, dropped *dropping) error {
	for _, d := range list {
		if d.view != nil {
			if r := s.ofView(d.view); r != (relation{}) && dropped.enter(d.view) {
				if err := s.dropAll(ctx, r, dropped); err != nil {
					return err
				}
			}
			continue
		}
		if d.attribute != "" {
			if err := s.dropAttribute(ctx, d, dropped); err != nil {
				return err
			}
			continue
		}
		if d.typ != nil {
			if t := s.txn.Catalog().Types[d.typ.OID]; t != nil {
				if err := s.dropType(ctx, t, dropped); err != nil {
					return err
				}
			}
			continue
		}
		if s.txn.Catalog().Tables[d.table.OID] == nil {
			continue // with another
		}
		if d.whole {
			if err := s.dropColumnOf(ctx, d, dropped); err != nil {
				return err
			}
			continue
		}
		t := *s.txn.Catalog().Tables[d.table.OID]
		t.Columns = slices.Clone(t.Columns)
		if d.check != "" {
			t.Checks = slices.DeleteFunc(slices.Clone(t.Checks), func(k schema.Check) bool { return k.Name == d.check })
		} else if d.foreignKey != "" {
			t.ForeignKeys = slices.DeleteFunc(slices.Clone(t.ForeignKeys), func(k schema.ForeignKey) bool { return k.Name == d.foreignKey })
		} else {
			t.Column(d.column).Default = ""
		}
		if err := s.txn.Apply(ctx, schema.Change{PutTable: &t}); err != nil {
			return err
		}
		if !dropped.listed[t.OID] {
			dropped.names = append(dropped.names, d.String())
		}
	}
	return nil
}

// notifyDropped tells what CASCADE dropped as well, in one notice.
func (s *Session) notifyDropped(objects []string) {
	switch len(objects) {
	case 0:
	case 1:
		s.notify("drop cascades to %s", objects[0])
	default:
		n := pgerr.New("00000", "drop cascades to %d other objects", len(objects)).WithDetail("drop cascades to %s", strings.Join(objects, "\ndrop cascades to "))
		n.Severity = "NOTICE"
		s.notice(n)
	}
}

func (r relation) oid() datum.OID {
	switch {
	case r.table != nil:
		return r.table.OID
	case r.view != nil:
		return r.view.OID
	}
	return r.sequence.OID
}

func (r relation) describe() (name, kind string) {
	switch {
	case r.table != nil:
		return r.table.Name, r.kind().Lower()
	case r.view != nil:
		return r.view.Name, "view"
	}
	return r.sequence.Name, "sequence"
}

// viewsOver returns the views whose queries read a relation, by OID.
func (s *Session) viewsOver(r relation) ([]*schema.View, error) {
	var out []*schema.View
	for _, v := range s.queries() {
		stmt, err := parseOne(v.SQL)
		if err != nil {
			return nil, err
		}
		for _, name := range relationNames(stmt) {
			if found, err := s.findRelation(name); err == nil && found == r {
				out = append(out, v)
				break
			}
		}
	}
	return out, nil
}

// dropSchema is DROP SCHEMA.
func (s *Session) dropSchema(ctx context.Context, st *ast.Drop, name ast.Name) error {
	var ns *schema.Namespace
	for _, n := range s.txn.Catalog().Namespaces {
		if n.Name == name.Name {
			ns = n
		}
	}
	if ns == nil {
		if st.IfExists {
			s.notify("schema %q does not exist, skipping", name.Name)
			return nil
		}
		return pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name.Name)
	}
	if ns.OID < schema.FirstUserOID {
		return pgerr.New(pgerr.DependentObjects, "cannot drop schema %s because it is required by the database system", ns.Name)
	}
	var inside []relation
	var types []*schema.Type
	for _, t := range s.userTypes() {
		if t.Namespace == ns.OID {
			types = append(types, t)
		}
	}
	for _, t := range s.txn.Catalog().Tables {
		if t.Namespace == ns.OID {
			inside = append(inside, relation{table: t})
		}
	}
	for _, v := range s.txn.Catalog().Views {
		if v.Namespace == ns.OID {
			inside = append(inside, relation{view: v})
		}
	}
	for _, q := range s.txn.Catalog().Sequences {
		if q.Namespace == ns.OID && q.OwnedBy.Table == 0 {
			inside = append(inside, relation{sequence: q})
		}
	}
	if len(inside)+len(types) > 0 && !st.Cascade {
		return pgerr.New(pgerr.DependentObjects, "cannot drop schema %s because other objects depend on it", ns.Name).
			WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	var dropped dropping
	for _, r := range inside {
		if r = s.current(r); r == (relation{}) {
			continue // with one before it
		}
		if err := s.dropAll(ctx, r, &dropped); err != nil {
			return err
		}
	}
	for _, t := range types {
		if err := s.dropType(ctx, t, &dropped); err != nil {
			return err
		}
	}
	s.notifyDropped(dropped.names)
	return s.txn.Apply(ctx, schema.Change{DropNamespace: ns.OID})
}
