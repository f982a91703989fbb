package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// assignElement binds col[1].field = value of SET: the whole column, old, with the part changed.
func (b *setBinder) assignElement(old expr.Expr, src setSource, c *schema.Column) (expr.Expr, error) {
	if c.Type.Domain != 0 && !c.Type.Domain.IsUserArray() {
		return b.assignInDomain(old, src, c)
	}
	p := &partSetter{setBinder: b, src: src, column: c}
	x, _, err := p.set(old, c.Type, partSteps(src.target.Indirection))
	return x, err
}

// partSteps are the fields and subscripts of col[1].field, from the column on.
func partSteps(e ast.Expr) (steps []ast.Expr) {
	for {
		switch x := e.(type) {
		case *ast.Subscript:
			steps, e = append(steps, x), x.Arg
		case *ast.FieldSelect:
			steps, e = append(steps, x), x.Arg
		default:
			slices.Reverse(steps)
			return steps
		}
	}
}

// A partSetter binds the assignment to a part of a column.
type partSetter struct {
	*setBinder
	src    setSource
	column *schema.Column
}

// set returns old, which is of a type, with the part that steps lead to changed, and what type the part is of.
func (p *partSetter) set(old expr.Expr, t datum.Type, steps []ast.Expr) (x expr.Expr, part datum.Type, err error) {
	if len(steps) == 0 {
		x, err = p.assign(p.src.value, t, p.column.Name, p.src.pos)
		return x, t, err
	}
	if e, ok := steps[0].(*ast.Subscript); ok {
		return p.setElement(old, t, e, steps[1:])
	}
	return p.setField(old, t, steps[0].(*ast.FieldSelect), steps[1:])
}

func (p *partSetter) setField(old expr.Expr, t datum.Type, e *ast.FieldSelect, rest []ast.Expr) (x expr.Expr, part datum.Type, err error) {
	pos := p.src.target.Position()
	if !isRow(t.OID) {
		return nil, part, pgerr.New(pgerr.DatatypeMismatch, "cannot assign to field %q of column %q because its type %s is not a composite type",
			e.Field, p.column.Name, p.typeText(t.OID)).At(pos)
	}
	attrs, err := p.attributes(t.OID)
	if err != nil {
		return nil, part, err
	}
	i := attributeAt(attrs, e.Field)
	if i < 0 {
		return nil, part, pgerr.New(pgerr.UndefinedColumn, "cannot assign to field %q of column %q because there is no such column in data type %s",
			e.Field, p.column.Name, p.typeText(t.OID)).At(pos)
	}
	f := attrs[i].Type
	value, part, err := p.set(&expr.FieldSelect{Arg: old, Index: i, T: f}, f, rest)
	if err != nil {
		return nil, part, err
	}
	return &expr.Call{Fn: function.SetField(t, attrs, i), Args: []expr.Expr{old, value}, T: t}, part, nil
}

func (p *partSetter) setElement(old expr.Expr, t datum.Type, e *ast.Subscript, rest []ast.Expr) (x expr.Expr, part datum.Type, err error) {
	if t.OID == datum.JSONB {
		if len(rest) > 0 {
			return nil, part, pgerr.New(pgerr.DatatypeMismatch, "cannot assign to field %q of column %q because its type jsonb is not a composite type",
				fieldName(rest[0]), p.column.Name).At(p.src.target.Position())
		}
		x, err = p.assignJSONB(old, p.src, e, p.column, t)
		return x, t, err
	}
	elem, ok := t.Elem()
	if !ok {
		return nil, part, pgerr.New(pgerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", p.typeText(t.OID)).
			At(p.src.target.Position())
	}
	lower, upper, slice, err := p.arrayIndices(e.Subs, p.scope)
	switch {
	case err != nil:
		return nil, part, err
	case slice && len(rest) > 0:
		return nil, part, pgerr.Unsupported("assignment to a part of a slice is not supported").At(p.src.target.Position())
	case slice:
		value, part, err := p.set(nil, t, nil)
		if err != nil {
			return nil, part, err
		}
		return assignSlice(old, value, t, lower, upper), part, nil
	}
	value, part, err := p.set(&expr.Subscript{Arg: old, Index: upper, T: elem}, elem, rest)
	if err != nil {
		return nil, part, err
	}
	return &expr.Call{Fn: function.AssignElement(t, len(upper)), Args: append([]expr.Expr{old, value}, upper...), T: t}, part, nil
}

func assignSlice(old, value expr.Expr, t datum.Type, lower, upper []expr.Expr) expr.Expr {
	args, bounds := []expr.Expr{old, value}, make([]datum.Bounds, len(upper))
	for i := range bounds {
		if lower[i] != nil {
			bounds[i].HasLower, args = true, append(args, lower[i])
		}
		if upper[i] != nil {
			bounds[i].HasUpper, args = true, append(args, upper[i])
		}
	}
	return &expr.Call{Fn: function.AssignSlice(t, bounds), Args: args, T: t}
}

// assignInDomain is assignElement for a column of a domain: what comes of all assignments to it has
// to be of the domain.
func (b *setBinder) assignInDomain(old expr.Expr, src setSource, c *schema.Column) (expr.Expr, error) {
	below := *c
	below.Type = undomained(c.Type)
	if x, ok := old.(*expr.ToDomain); ok && x.T == c.Type {
		old = x.Arg
	} else {
		old = relabel(old, below.Type)
	}
	x, err := b.assignElement(old, src, &below)
	if err != nil {
		return nil, err
	}
	return b.toDomain(x, c.Type)
}

func fieldName(e ast.Expr) string {
	if f, ok := e.(*ast.FieldSelect); ok {
		return f.Field
	}
	return ""
}

// assignJSONB binds col['a'][1] = value, whose subscripts are texts or integers.
func (b *setBinder) assignJSONB(old expr.Expr, src setSource, e *ast.Subscript, c *schema.Column, t datum.Type) (expr.Expr, error) {
	value, err := b.assign(src.value, t, c.Name, src.pos)
	if err != nil {
		return nil, err
	}
	args, first := []expr.Expr{old, value}, false
	for i, sub := range e.Subs {
		if sub.Slice {
			return nil, errJSONSlice(sub)
		}
		x, err := b.expr(sub.Upper, b.scope)
		if err != nil {
			return nil, err
		}
		number := category(x.Type().OID) == 'N'
		first = first || i == 0 && number
		if number {
			if x, err = b.assign(x, datum.Of(datum.Int4), "", position(sub.Upper)); err != nil {
				return nil, err
			}
			x, err = b.explicit(x, datum.Of(datum.Text), position(sub.Upper))
		} else {
			x, err = b.assign(x, datum.Of(datum.Text), "", position(sub.Upper))
		}
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	return &expr.Call{Fn: function.AssignJSONB(len(e.Subs), first), Args: args, T: t}, nil
}
