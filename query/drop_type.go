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
	"github.com/phyllodb/phyllo/query/bind"
)

// userTypes are all types that users have defined, by OID.
func (s *Session) userTypes() []*schema.Type {
	return slices.SortedFunc(maps.Values(s.txn.Catalog().Types), func(a, b *schema.Type) int { return cmp.Compare(a.OID, b.OID) })
}

// dropTypes is DROP TYPE and DROP DOMAIN, whose types may depend on each other.
func (s *Session) dropTypes(ctx context.Context, st *ast.Drop) error {
	dropped := dropping{listed: map[datum.OID]bool{}}
	var list []*schema.Type
	for _, name := range st.Names {
		t, err := s.typeToDrop(ctx, st, name)
		if err != nil {
			return err
		}
		if t != nil {
			list = append(list, t)
			dropped.listed[t.OID] = true
		}
	}
	for _, t := range list {
		if s.txn.Catalog().Types[t.OID] == nil {
			continue // with one before it
		}
		users, err := s.typeUsers(ctx, t.OID)
		if err != nil {
			return err
		}
		users = slices.DeleteFunc(users, func(d dependent) bool { return dropped.listed[d.oid()] })
		if len(users) > 0 && !st.Cascade {
			return refuseDependents("type "+s.typeText(datum.Of(t.OID)), users)
		}
		if err := s.dropType(ctx, t, &dropped); err != nil {
			return err
		}
	}
	s.notifyDropped(dropped.names)
	return nil
}

// typeToDrop finds what DROP names; it is nil if there is none and need not be.
func (s *Session) typeToDrop(ctx context.Context, st *ast.Drop, name ast.Name) (*schema.Type, error) {
	t, oid, err := s.typeNamed(ctx, name)
	switch code := pgerr.Code(err); {
	case st.IfExists && (code == pgerr.UndefinedObject || code == pgerr.InvalidSchemaName):
		s.notify("%s, skipping", strings.TrimPrefix(err.Error(), "ERROR: "))
		return nil, nil
	case err != nil:
		return nil, withoutPosition(err)
	case st.Kind == ast.DomainObject && oid.Class() != datum.DomainClass:
		return nil, pgerr.New(pgerr.WrongObjectType, "%q is not a domain", name.Name)
	case t != nil:
		return t, nil
	}
	text := s.typeText(datum.Of(oid))
	if oid.Class() == datum.NotUserClass {
		return nil, pgerr.New(pgerr.DependentObjects, "cannot drop type %s because it is required by the database system", text)
	}
	r, err := s.findRelation(name)
	if err != nil {
		return nil, err
	}
	relation, kind := r.describe()
	return nil, pgerr.New(pgerr.DependentObjects, "cannot drop type %s because %s %s requires it", text, kind, relation).
		WithHint("You can drop %s %s instead.", kind, relation)
}

// typeUsers returns what depends on a type: columns, attributes, views, defaults and constraints.
func (s *Session) typeUsers(ctx context.Context, t datum.OID) (out []dependent, err error) {
	env := s.bindEnv(ctx, nil, true)
	names := func(sql string) bool { return slices.Contains(bind.UserTypesIn(env, sql), t) }
	uses := func(v datum.Type) bool { return schema.UsesType(v, t) }
	for _, tb := range s.tables() {
		for _, c := range tb.Live() {
			switch {
			case uses(c.Type):
				out = append(out, dependent{table: tb, column: c.ID, whole: true})
			case c.Generated != "" && names(c.Generated):
				out = append(out, dependent{table: tb, column: c.ID, whole: true})
			case names(c.Default):
				out = append(out, dependent{table: tb, column: c.ID})
			}
		}
		for _, k := range tb.Checks {
			if names(k.Expr) {
				out = append(out, dependent{table: tb, check: k.Name})
			}
		}
	}
	for _, d := range s.userTypes() {
		for i, a := range d.Attributes {
			if uses(a.Type) {
				out = append(out, dependent{typ: d, attribute: d.Attributes[i].Name})
			}
		}
		if d.OID.Class() == datum.DomainClass && d.OID != t && (uses(d.Base) || names(d.Default) || slices.ContainsFunc(d.Checks, func(c schema.Check) bool { return names(c.Expr) })) {
			out = append(out, dependent{typ: d})
		}
	}
	for _, v := range slices.SortedFunc(maps.Values(s.txn.Catalog().Views), func(a, b *schema.View) int { return cmp.Compare(a.OID, b.OID) }) {
		stmt, err := parseOne(v.SQL)
		if err != nil {
			return nil, err
		}
		if slices.Contains(bind.UserTypes(env, stmt), t) {
			out = append(out, dependent{view: v, kind: s.ofView(v).kind().Lower()})
		}
	}
	return out, nil
}

// dropType drops what depends on a type, then the type, and adds to dropped what it drops.
func (s *Session) dropType(ctx context.Context, t *schema.Type, dropped *dropping) error {
	users, err := s.typeUsers(ctx, t.OID)
	if err != nil {
		return err
	}
	if err := s.dropDependents(ctx, users, dropped); err != nil {
		return err
	}
	if !dropped.listed[t.OID] {
		dropped.names = append(dropped.names, "type "+s.typeText(datum.Of(t.OID)))
	}
	return s.txn.Apply(ctx, schema.Change{DropType: t.OID})
}

// dropColumnOf drops a column whose type goes, with the views that read it.
func (s *Session) dropColumnOf(ctx context.Context, d dependent, dropped *dropping) error {
	def := *s.txn.Catalog().Tables[d.table.OID]
	def.Columns = slices.Clone(def.Columns)
	views, err := s.viewsOver(relation{table: s.txn.Catalog().Tables[d.table.OID]})
	if err != nil {
		return err
	}
	a := &alteration{Session: s, def: &def, views: views}
	if err := a.dropColumn(ctx, &ast.AlterAction{Kind: ast.DropColumn, Cascade: true}, def.Column(d.column)); err != nil {
		return err
	}
	if err := s.txn.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
		return err
	}
	dropped.names = append(dropped.names, d.String())
	return a.checkViews(ctx, "alter table "+def.Name, true)
}
