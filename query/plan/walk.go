package plan

import (
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/query/expr"
)

// Children returns the direct parts of an expression, as expr.Children does.
func Children(e expr.Expr) []expr.Expr { return expr.Children(e) }

// WithChildren returns e with its parts replaced, in the order of Children.
func WithChildren(e expr.Expr, c []expr.Expr) expr.Expr {
	switch e := e.(type) {
	case *expr.Const, *expr.Column, *expr.Param, *expr.CaseBase:
		return e
	case *expr.Call:
		return &expr.Call{Fn: e.Fn, Args: c, T: e.T}
	case *expr.And:
		return &expr.And{Args: c}
	case *expr.Or:
		return &expr.Or{Args: c}
	case *expr.Not:
		return &expr.Not{Arg: c[0]}
	case *expr.IsNull:
		return &expr.IsNull{Arg: c[0], Not: e.Not}
	case *expr.IsDistinct:
		return &expr.IsDistinct{Eq: e.Eq, L: c[0], R: c[1], Not: e.Not}
	case *expr.Case:
		return caseWith(e, c)
	case *expr.Coalesce:
		return &expr.Coalesce{Args: c, T: e.T}
	case *expr.ArrayCtor:
		return &expr.ArrayCtor{Elems: c, T: e.T}
	case *expr.RowCtor:
		return &expr.RowCtor{Fields: c, Names: e.Names, T: e.T}
	case *expr.FieldSelect:
		return &expr.FieldSelect{Arg: c[0], Index: e.Index, T: e.T}
	case *expr.AnyAll:
		return &expr.AnyAll{Op: e.Op, L: c[0], R: c[1], All: e.All}
	case *expr.IOCast:
		return &expr.IOCast{Arg: c[0], T: e.T}
	case *expr.ToDomain:
		return &expr.ToDomain{Arg: c[0], T: e.T, Name: e.Name, NotNull: e.NotNull, Checks: e.Checks}
	case *expr.Relabel:
		return &expr.Relabel{Arg: c[0], T: e.T}
	case *expr.ArrayCast:
		return &expr.ArrayCast{Arg: c[0], Elem: c[1], T: e.T}
	case *expr.Subscript:
		return &expr.Subscript{Arg: c[0], Index: c[1:], T: e.T}
	case *expr.Slice:
		s := &expr.Slice{Arg: c[0], Lower: slices.Clone(e.Lower), Upper: slices.Clone(e.Upper), T: e.T}
		c = c[1:]
		for i := range s.Lower {
			for _, bound := range []*expr.Expr{&s.Lower[i], &s.Upper[i]} {
				if *bound != nil {
					*bound, c = c[0], c[1:]
				}
			}
		}
		return s
	case *expr.Subquery:
		s := *e
		s.L, s.Outer = c[:len(e.L):len(e.L)], c[len(e.L):]
		return &s
	case expr.Composite:
		return e.WithChildren(c)
	}
	panic(fmt.Sprintf("plan: bug: unknown expression %T", e))
}

func caseWith(e *expr.Case, c []expr.Expr) expr.Expr {
	n := &expr.Case{T: e.T, Whens: make([]expr.When, len(e.Whens))}
	if e.Base != nil {
		n.Base, c = c[0], c[1:]
	}
	for i := range n.Whens {
		n.Whens[i] = expr.When{Cond: c[0], Then: c[1]}
		c = c[2:]
	}
	if e.Else != nil {
		n.Else = c[0]
	}
	return n
}

// MapChildren returns e with f applied to its direct parts, or e itself if that
// changes nothing.
func MapChildren(e expr.Expr, f func(expr.Expr) expr.Expr) expr.Expr {
	old := Children(e)
	var c []expr.Expr
	for i, x := range old {
		y := f(x)
		if y != x && c == nil {
			c = append(make([]expr.Expr, 0, len(old)), old[:i]...)
		}
		if c != nil {
			c = append(c, y)
		}
	}
	if c == nil {
		return e
	}
	return WithChildren(e, c)
}

// Replace rewrites an expression from the top: where f returns a replacement it
// stands as it is, elsewhere Replace goes on with the parts.
func Replace(e expr.Expr, f func(expr.Expr) (expr.Expr, bool)) expr.Expr {
	if e == nil {
		return nil
	}
	if r, ok := f(e); ok {
		return r
	}
	return MapChildren(e, func(x expr.Expr) expr.Expr { return Replace(x, f) })
}

// Walk calls f for e and all its parts, from the top; where f returns false the
// parts are left out.
func Walk(e expr.Expr, f func(expr.Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	for _, c := range Children(e) {
		Walk(c, f)
	}
}

// Any says whether f holds for e or a part of it.
func Any(e expr.Expr, f func(expr.Expr) bool) bool {
	found := false
	Walk(e, func(x expr.Expr) bool {
		if !found && f(x) {
			found = true
		}
		return !found
	})
	return found
}

// MapColumns renumbers the columns of an expression.
func MapColumns(e expr.Expr, f func(c *expr.Column) expr.Expr) expr.Expr {
	return Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		if c, ok := x.(*expr.Column); ok {
			return f(c), true
		}
		return nil, false
	})
}

// Shift adds by to the column numbers of an expression.
func Shift(e expr.Expr, by int) expr.Expr {
	if by == 0 {
		return e
	}
	return MapColumns(e, func(c *expr.Column) expr.Expr {
		return &expr.Column{Index: c.Index + by, Name: c.Name, T: c.T, Record: c.Record}
	})
}

// Columns adds the numbers of the columns that e refers to, to set.
func Columns(e expr.Expr, set map[int]bool) {
	Walk(e, func(x expr.Expr) bool {
		if c, ok := x.(*expr.Column); ok {
			set[c.Index] = true
		}
		return true
	})
}

// And returns the conjunction of the expressions that are not nil, flattened;
// nil if there is none.
func And(es ...expr.Expr) expr.Expr {
	var all []expr.Expr
	for _, e := range es {
		all = append(all, Conjuncts(e)...)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &expr.And{Args: all}
}

// Conjuncts splits a condition at its top-level ANDs.
func Conjuncts(e expr.Expr) []expr.Expr {
	if e == nil {
		return nil
	}
	a, ok := e.(*expr.And)
	if !ok {
		return []expr.Expr{e}
	}
	var all []expr.Expr
	for _, x := range a.Args {
		all = append(all, Conjuncts(x)...)
	}
	return all
}
