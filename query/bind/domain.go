package bind

import (
	"cmp"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// undomained is the type below a domain: that of values which are not known to be of it.
func undomained(t datum.Type) datum.Type {
	t.Domain = 0
	return t
}

// sliceType is the type of a part of an array: the elements are of the domain that they were
// of, but the part need not be of that of the array.
func sliceType(t datum.Type) datum.Type {
	if t.Domain.IsUserArray() {
		return t
	}
	return undomained(t)
}

// genericDomain is the type of a function's result with the domain that it has from arguments: if it
// is polymorphic, and all of them that its type follows from are of one.
func genericDomain(t datum.Type, ret datum.OID, args []expr.Expr, declared []datum.OID) datum.Type {
	if !polymorphic(ret) {
		return t
	}
	domain, known := datum.OID(0), false // of elements
	for i, d := range declared {
		a := args[i].Type()
		if !polymorphic(d) || a.OID == datum.Unknown {
			continue
		}
		if d == datum.AnyArray || d == datum.AnyCompatibleArray {
			if !a.Domain.IsUserArray() {
				return t
			}
			a, _ = a.Elem()
		}
		if known && a.Domain != domain {
			return t
		}
		domain, known = a.Domain, true
	}
	elem := t
	if ret == datum.AnyArray || ret == datum.AnyCompatibleArray {
		elem, _ = t.Elem()
	}
	if elem.Domain = domain; elem.OID != t.OID && domain != 0 {
		t, _ = datum.ArrayOf(elem)
		return t
	}
	t.Domain = elem.Domain
	return t
}

// toDomain makes a value, which is of the type that a domain is over, one of the domain.
func (b *binder) toDomain(e expr.Expr, t datum.Type) (expr.Expr, error) {
	if t.Domain.IsUserArray() {
		elem, _ := t.Elem()
		x, err := b.toDomain(&expr.CaseBase{T: undomained(elem)}, elem)
		if err != nil {
			return nil, err
		}
		return &expr.ArrayCast{Arg: e, Elem: x, T: t}, nil
	}
	out := &expr.ToDomain{Arg: e, T: t, Name: b.typeText(t.Domain)}
	for oid := t.Domain; oid != 0; {
		d := b.env.Catalog.Types[oid]
		if d == nil {
			return nil, pgerr.New(pgerr.UndefinedObject, "type with OID %d does not exist", oid)
		}
		out.NotNull = out.NotNull || d.NotNull
		checks, err := b.domainChecks(d)
		if err != nil {
			return nil, err
		}
		out.Checks = append(checks, out.Checks...) // those of the domain below come first
		oid = d.Base.Domain
	}
	return out, nil
}

// domainChecks binds the constraints of a domain, by name.
func (b *binder) domainChecks(d *schema.Type) (out []expr.DomainCheck, err error) {
	checks := slices.SortedFunc(slices.Values(d.Checks), func(a, b schema.Check) int { return cmp.Compare(a.Name, b.Name) })
	for _, c := range checks {
		e, err := b.parseExpr(c.Expr)
		if err != nil {
			return nil, err
		}
		x, err := b.domainCheck(e, d)
		if err != nil {
			return nil, err
		}
		out = append(out, expr.DomainCheck{Name: c.Name, Cond: x})
	}
	return out, nil
}

// domainCheck binds the condition of a domain, in which VALUE is the value.
func (b *binder) domainCheck(e ast.Expr, d *schema.Type) (expr.Expr, error) {
	x, err := b.condition(e, domainScope(d), "CHECK")
	if err != nil {
		return nil, err
	}
	if plan.HasSubquery(x) {
		return nil, pgerr.Unsupported("cannot use subquery in check constraint").At(subqueryPosition(e))
	}
	return x, nil
}

// domainScope has what a constraint of a domain is over.
func domainScope(d *schema.Type) *scope {
	value := &item{colsVisible: true, cols: []itemCol{{name: "value", e: &expr.Column{Index: 0, Name: "VALUE", T: d.Base}}}}
	return &scope{frame: &frame{items: []*item{value}}, clause: clauseCheck}
}

// domainDefault is the default of a domain, NULL if it has none.
func (b *binder) domainDefault(t datum.Type) (expr.Expr, error) {
	if d := b.env.Catalog.Types[t.Domain]; d != nil && d.Default != "" {
		e, err := b.parseExpr(d.Default)
		if err != nil {
			return nil, err
		}
		return b.bindDefault(e, &schema.Column{Type: t})
	}
	return b.assign(&expr.Const{T: undomained(t)}, t, "", 0)
}

// DomainDef checks CREATE DOMAIN and returns the definition without OIDs and namespace.
func DomainDef(env *Env, s *ast.CreateDomain) (*schema.Type, error) {
	b := newBinder(env)
	base, err := b.typeName(s.Type)
	if err != nil {
		return nil, err
	}
	if category(base.OID) == 'P' {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "%q is not a valid base type for a domain", typeDisplay(s.Type)).At(s.Type.Position())
	}
	if err := checkColumn(&schema.Column{Type: base}); err != nil {
		return nil, err
	}
	if s.Collation != nil {
		if _, err := b.collate(&ast.Collate{Arg: &ast.Cast{Arg: &ast.Literal{}, Type: s.Type}, Name: s.Collation}, &scope{frame: &frame{}}); err != nil {
			return nil, err
		}
	}
	d := &schema.Type{Name: s.Name.Name, Base: base}
	if below := env.Catalog.Types[base.Domain]; below != nil {
		d.Default = below.Default // as it is now; later it may become another one
	}
	seen := map[ast.ConstraintKind]bool{}
	for _, k := range s.Constraints {
		switch k.Kind {
		case ast.DefaultConstraint:
			if seen[k.Kind] {
				return nil, pgerr.New(pgerr.SyntaxError, "multiple default expressions").At(k.Position())
			}
			err = b.setDomainDefault(d, k.Expr)
		case ast.NotNullConstraint, ast.NullConstraint:
			if seen[ast.NotNullConstraint+ast.NullConstraint-k.Kind] {
				return nil, pgerr.New(pgerr.SyntaxError, "conflicting NULL/NOT NULL constraints").At(k.Position())
			}
			d.NotNull = k.Kind == ast.NotNullConstraint
		default:
			err = b.addDomainCheck(d, k)
		}
		if err != nil {
			return nil, err
		}
		seen[k.Kind] = true
	}
	return d, nil
}

// SetDomainDefault is ALTER DOMAIN SET and DROP DEFAULT, for which e is nil.
func SetDomainDefault(env *Env, d *schema.Type, e ast.Expr) error {
	return newBinder(env).setDomainDefault(d, e)
}

func (b *binder) setDomainDefault(d *schema.Type, e ast.Expr) (err error) {
	d.Default = ""
	if e == nil {
		return nil
	}
	if l, ok := e.(*ast.Literal); ok && l.Kind == ast.Null {
		return nil
	}
	if _, err = b.bindDefault(e, &schema.Column{Name: d.Name, Type: undomained(d.Base)}); err != nil {
		return err
	}
	d.Default, err = b.storedExpr(e)
	return err
}

// AddDomainCheck is ALTER DOMAIN ADD of a constraint, which is the last of d then.
func AddDomainCheck(env *Env, d *schema.Type, k *ast.Constraint) error {
	return newBinder(env).addDomainCheck(d, k)
}

func (b *binder) addDomainCheck(d *schema.Type, k *ast.Constraint) error {
	what := map[ast.ConstraintKind]string{ast.UniqueConstraint: "unique", ast.PrimaryKeyConstraint: "primary key",
		ast.ExcludeConstraint: "exclusion", ast.ForeignKeyConstraint: "foreign key"}[k.Kind]
	switch {
	case what != "":
		return pgerr.New(pgerr.SyntaxError, "%s constraints not possible for domains", what).At(k.Position())
	case k.Kind != ast.CheckConstraint:
		return pgerr.Unsupported("constraints of this kind are not supported for domains").At(k.Position())
	case k.NoInherit:
		return pgerr.New(pgerr.InvalidObjectDefinition, "check constraints for domains cannot be marked NO INHERIT").At(k.Position())
	}
	if _, err := b.domainCheck(k.Expr, d); err != nil {
		return err
	}
	c := schema.Check{Name: k.Name, NotValid: k.NotValid}
	var err error
	if c.Expr, err = b.storedExpr(k.Expr); err != nil {
		return err
	}
	if c.Name != "" && d.Check(c.Name) != nil {
		return pgerr.New(pgerr.DuplicateObject, "constraint %q for domain %q already exists", c.Name, d.Name)
	}
	if c.Name == "" {
		c.Name = d.FreeCheck(func(word string) string { return ObjectName(d.Name, "", word) })
	}
	d.Checks = append(slices.Clone(d.Checks), c)
	return nil
}

// RecheckDomain checks that the expressions of a domain can still be bound.
func RecheckDomain(env *Env, d *schema.Type) error {
	b := newBinder(env)
	if _, err := b.domainChecks(d); err != nil || d.Default == "" {
		return err
	}
	e, err := b.parseExpr(d.Default)
	if err != nil {
		return err
	}
	_, err = b.bindDefault(e, &schema.Column{Type: undomained(d.Base)})
	return err
}

// AsDomain is a query for the values of a column of a table as those of a domain, whatever
// domain they are of.
func AsDomain(env *Env, t *schema.Table, c *schema.Column, domain datum.Type) (plan.Node, error) {
	b := newBinder(env)
	stmt, err := env.Parse("SELECT " + ast.QuoteIdent(c.Name) + " FROM " + ast.QuoteIdent(b.namespaceName(t.Namespace)) + "." + ast.QuoteIdent(t.Name))
	if err != nil {
		return nil, err
	}
	n, err := b.selectStmt(stmt.(*ast.Select), &level{}, nil)
	if err != nil {
		return nil, err
	}
	x, err := b.toDomain(&expr.Column{Index: 0, Name: c.Name, T: undomained(domain)}, domain)
	if err != nil {
		return nil, err
	}
	return &plan.Project{Input: n, Exprs: []expr.Expr{x}, Out: []plan.Field{{Name: c.Name, Type: domain}}}, nil
}
