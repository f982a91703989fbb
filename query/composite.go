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

// createComposite is CREATE TYPE ... AS (...).
func (s *Session) createComposite(ctx context.Context, def *schema.Type, st *ast.CreateType) (err error) {
	if s.txn.Catalog().RelationNamed(def.Namespace, def.Name) != 0 { // an index, or a sequence
		return pgerr.New(pgerr.DuplicateTable, "relation %q already exists", def.Name)
	}
	if def.Attributes, err = bind.CompositeType(s.bindEnv(ctx, nil, true), st.Attributes); err != nil {
		return unplaced(err)
	}
	first, err := s.takeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	return s.putType(ctx, def, datum.CompositeClass, first)
}

// attributeAction does one action of ALTER TYPE on an attribute.
func (s *Session) attributeAction(ctx context.Context, def *schema.Type, x *ast.AlterAction) error {
	if def.OID.Class() != datum.CompositeClass {
		return pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", def.Name) // of its attributes
	}
	env := s.bindEnv(ctx, nil, true)
	at := slices.IndexFunc(def.Attributes, func(a datum.Attribute) bool { return a.Name == x.Column })
	switch {
	case x.Kind == ast.AddColumn && at >= 0:
		return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.Column, def.Name)
	case x.Kind == ast.AddColumn:
		a, err := bind.NewAttribute(env, x.Def, def.Attributes)
		if err != nil {
			return err
		}
		def.Attributes = append(slices.Clone(def.Attributes), a)
		return s.notInItself(def, a.Type)
	case at < 0 && x.IfExists:
		s.notify("column %q of relation %q does not exist, skipping", x.Column, def.Name)
		return nil
	case at < 0 && x.Kind == ast.RenameColumn:
		return pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", x.Column)
	case at < 0:
		return pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", x.Column, def.Name)
	case x.Kind == ast.RenameColumn:
		if slices.ContainsFunc(def.Attributes, func(a datum.Attribute) bool { return a.Name == x.NewName }) {
			return pgerr.New(pgerr.DuplicateColumn, "column %q of relation %q already exists", x.NewName, def.Name)
		}
		def.Attributes = slices.Clone(def.Attributes)
		def.Attributes[at].Name = x.NewName
	case x.Kind == ast.DropColumn:
		def.Attributes = slices.Delete(slices.Clone(def.Attributes), at, at+1)
	case x.Kind == ast.AlterColumnType:
		a, err := bind.NewAttribute(env, x.Def, nil)
		if err != nil {
			return err
		}
		def.Attributes = slices.Clone(def.Attributes)
		def.Attributes[at] = a
		return s.notInItself(def, a.Type)
	}
	return nil
}

// notInItself refuses an attribute whose values hold rows of the type that it is one of.
func (s *Session) notInItself(def *schema.Type, t datum.Type) error {
	if s.txn.Catalog().Holds(t, def.OID) {
		return pgerr.New(pgerr.InvalidTableDefinition, "composite type %s cannot be made a member of itself", s.typeText(datum.Of(def.OID)))
	}
	return nil
}

// dropAttribute drops an attribute whose type goes.
func (s *Session) dropAttribute(ctx context.Context, d dependent, dropped *dropping) error {
	t := s.txn.Catalog().Types[d.typ.OID]
	if t == nil {
		return nil // with another
	}
	def := *t
	def.Attributes = slices.DeleteFunc(slices.Clone(t.Attributes), func(a datum.Attribute) bool { return a.Name == d.attribute })
	dropped.names = append(dropped.names, d.String())
	return s.txn.Apply(ctx, schema.Change{PutType: &def})
}
