package query

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/storage"
)

// createDomain is CREATE DOMAIN.
func (s *Session) createDomain(ctx context.Context, st *ast.CreateDomain) error {
	at, err := s.newType(ctx, st.Name)
	if err != nil {
		return err
	}
	def, err := bind.DomainDef(s.bindEnv(ctx, nil, true), st)
	if err != nil {
		return unplaced(err)
	}
	def.Namespace, def.Owner = at.Namespace, at.Owner
	first, err := s.takeOIDs(ctx, 1+len(def.Checks))
	if err != nil {
		return err
	}
	for i := range def.Checks {
		def.Checks[i].OID = first + 1 + datum.OID(i)
	}
	return s.putType(ctx, def, datum.DomainClass, first)
}

// domainAction does one action of ALTER DOMAIN, and says what rows that are there must obey
// from now on, nil if nothing.
func (s *Session) domainAction(ctx context.Context, def *schema.Type, x *ast.AlterAction) (rule *schema.Type, err error) {
	env := s.bindEnv(ctx, nil, true)
	switch x.Kind {
	case ast.SetDefault, ast.DropDefault:
		return nil, bind.SetDomainDefault(env, def, x.Expr)
	case ast.SetNotNull:
		if !def.NotNull {
			rule = &schema.Type{NotNull: true}
		}
		def.NotNull = true
	case ast.DropNotNull:
		def.NotNull = false
	case ast.AddConstraint:
		if err := bind.AddDomainCheck(env, def, x.Constraint); err != nil {
			return nil, err
		}
		c := &def.Checks[len(def.Checks)-1]
		if c.OID, err = s.takeOIDs(ctx, 1); err == nil && !c.NotValid {
			rule = &schema.Type{Checks: []schema.Check{*c}}
		}
	case ast.DropConstraint:
		if def.Check(x.NewName) == nil {
			if x.IfExists {
				s.notify("constraint %q of domain %q does not exist, skipping", x.NewName, def.Name)
				return nil, nil
			}
			return nil, noDomainConstraint(def, x.NewName)
		}
		def.Checks = slices.DeleteFunc(slices.Clone(def.Checks), func(c schema.Check) bool { return c.Name == x.NewName })
	case ast.ValidateConstraint:
		def.Checks = slices.Clone(def.Checks)
		c := def.Check(x.NewName)
		if c == nil {
			return nil, noDomainConstraint(def, x.NewName)
		}
		if c.NotValid {
			rule = &schema.Type{Checks: []schema.Check{*c}}
		}
		c.NotValid = false
	case ast.RenameConstraint:
		def.Checks = slices.Clone(def.Checks)
		switch c := def.Check(x.Column); {
		case c == nil:
			return nil, pgerr.New(pgerr.UndefinedObject, "constraint %q for domain %s does not exist", x.Column, s.typeText(datum.Of(def.OID)))
		case def.Check(x.NewName) != nil:
			return nil, pgerr.New(pgerr.DuplicateObject, "constraint %q for domain %s already exists", x.NewName, s.typeText(datum.Of(def.OID)))
		default:
			c.Name = x.NewName
		}
	default:
		err = s.typeAction(ctx, def, x)
	}
	return rule, err
}

func noDomainConstraint(def *schema.Type, name string) error {
	return pgerr.New(pgerr.UndefinedObject, "constraint %q of domain %q does not exist", name, def.Name)
}

// checkDomainRows looks for rows that do not obey what a domain newly asks for. The tables
// are locked first: nobody else's rows can be on their way by the old definition.
func (s *Session) checkDomainRows(ctx context.Context, def *schema.Type, rule *schema.Type) error {
	users := s.domainUsers(def)
	if len(users) == 0 {
		return nil
	}
	if isolation(s.level) == storage.RepeatableRead { // whose snapshot may lack the newest rows
		return pgerr.Unsupported("NOT NULL and CHECK for rows that are there are not supported in a REPEATABLE READ transaction")
	}
	for _, u := range users {
		if c := u.table.Column(u.column); c.Type.Domain.IsUserArray() {
			return pgerr.Unsupported("cannot alter type %q because column \"%s.%s\" uses it", def.Name, u.table.Name, c.Name)
		}
	}
	locked := map[datum.OID]bool{}
	for _, u := range users {
		if locked[u.table.OID] {
			continue
		}
		locked[u.table.OID] = true
		t := *s.txn.Catalog().Tables[u.table.OID]
		if err := s.txn.Apply(ctx, schema.Change{PutTable: &t}); err != nil {
			return err
		}
	}
	if err := s.txn.Snapshot(ctx); err != nil {
		return err
	}
	for _, u := range users {
		if err := s.checkDomainColumn(ctx, def, rule, u); err != nil {
			return err
		}
	}
	return nil
}

// domainUsers are the columns whose values are of a domain, of one over it, or arrays of such.
func (s *Session) domainUsers(def *schema.Type) (out []dependent) {
	c := s.txn.Catalog()
	over := func(oid datum.OID) bool {
		for oid != 0 && oid != def.OID {
			t := c.Types[oid]
			if t == nil {
				return false
			}
			oid = t.Base.Domain
		}
		return oid != 0
	}
	for _, t := range s.tables() {
		for _, col := range t.Live() {
			elem := col.Type.Domain
			if e, ok := col.Type.Elem(); ok && elem.IsUserArray() {
				elem = e.Domain
			}
			if over(elem) {
				out = append(out, dependent{table: t, column: col.ID})
			}
		}
	}
	return out
}

// checkDomainColumn casts the values of a column to the domain as if it asked for the rule alone.
func (s *Session) checkDomainColumn(ctx context.Context, def, rule *schema.Type, u dependent) error {
	c := u.table.Column(u.column)
	base := c.Type
	base.Domain, base.Mod = 0, -1
	probe := *def
	probe.NotNull, probe.Checks = rule.NotNull, rule.Checks
	catalog := *s.txn.Catalog()
	catalog.Types = maps.Clone(catalog.Types)
	probe.Base = base
	catalog.Types[def.OID] = &probe
	env := s.bindEnv(ctx, nil, true)
	env.Catalog = &catalog
	bound, err := bind.AsDomain(env, u.table, c, probe.Domain())
	if err != nil {
		return err
	}
	return s.drain(ctx, bound, func(err error) error {
		switch pgerr.Code(err) {
		case pgerr.NotNullViolation:
			return pgerr.New(pgerr.NotNullViolation, "column %q of table %q contains null values", c.Name, u.table.Name)
		case pgerr.CheckViolation:
			return pgerr.New(pgerr.CheckViolation, "column %q of table %q contains values that violate the new constraint", c.Name, u.table.Name)
		}
		return err
	})
}

// drain runs a query for its errors.
func (s *Session) drain(ctx context.Context, root plan.Node, explain func(error) error) error {
	op, err := s.open(ctx, root, nil, nil)
	if err != nil {
		return explain(err)
	}
	defer op.Close()
	for {
		b, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explain(err)
		}
		b.Release()
	}
}
