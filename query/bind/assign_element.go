package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// assignElement binds col[1] = value of SET: the whole column, old, with the element changed.
func (b *setBinder) assignElement(old expr.Expr, src setSource, c *schema.Column) (expr.Expr, error) {
	e, ok := src.target.Indirection.(*ast.Subscript)
	pos := src.target.Position()
	if !ok {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "cannot assign to field %q of column %q because its type %s is not a composite type",
			fieldName(src.target.Indirection), c.Name, b.typeText(c.Type.OID)).At(pos)
	}
	if _, whole := e.Arg.(*ast.ColumnRef); !whole {
		return nil, pgerr.Unsupported("assignment to a field of an element is not supported").At(pos)
	}
	if c.Type.Domain != 0 && !c.Type.Domain.IsUserArray() {
		return b.assignInDomain(old, src, c)
	}
	if c.Type.OID == datum.JSONB {
		return b.assignJSONB(old, src, e, c)
	}
	elem, ok := c.Type.Elem()
	if !ok {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", b.typeText(c.Type.OID)).At(pos)
	}
	lower, upper, slice, err := b.arrayIndices(e.Subs, b.scope)
	if err != nil {
		return nil, err
	}
	t := elem
	if slice {
		t = c.Type
	}
	value, err := b.assign(src.value, t, c.Name, src.pos)
	if err != nil {
		return nil, err
	}
	args := []expr.Expr{old, value}
	fn := function.AssignElement(c.Type, len(upper))
	if slice {
		bounds := make([]datum.Bounds, len(upper))
		for i := range bounds {
			if lower[i] != nil {
				bounds[i].HasLower, args = true, append(args, lower[i])
			}
			if upper[i] != nil {
				bounds[i].HasUpper, args = true, append(args, upper[i])
			}
		}
		fn = function.AssignSlice(c.Type, bounds)
	} else {
		args = append(args, upper...)
	}
	return &expr.Call{Fn: fn, Args: args, T: c.Type}, nil
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
func (b *setBinder) assignJSONB(old expr.Expr, src setSource, e *ast.Subscript, c *schema.Column) (expr.Expr, error) {
	value, err := b.assign(src.value, c.Type, c.Name, src.pos)
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
	return &expr.Call{Fn: function.AssignJSONB(len(e.Subs), first), Args: args, T: c.Type}, nil
}
