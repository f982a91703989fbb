package plan

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// functionsOf yields the functions that an expression node calls itself.
func functionsOf(e expr.Expr) []*function.Function {
	switch e := e.(type) {
	case *expr.Call:
		return []*function.Function{e.Fn}
	case *expr.IsDistinct:
		return []*function.Function{e.Eq}
	case *expr.AnyAll:
		return []*function.Function{e.Op}
	case *expr.Subquery:
		return e.Ops
	}
	return nil
}

// IsVolatile says whether an expression may have another value each time it is
// computed, or does something. Subqueries count by their plans.
func IsVolatile(e expr.Expr) bool {
	return Any(e, func(x expr.Expr) bool {
		for _, f := range functionsOf(x) {
			if f.Volatility == function.Volatile {
				return true
			}
		}
		if s, ok := x.(*expr.Subquery); ok {
			if n, ok := s.Plan.(Node); ok && NodeIsVolatile(n) {
				return true
			}
		}
		return false
	})
}

// NodeIsVolatile says whether an expression of a plan is volatile.
func NodeIsVolatile(n Node) bool {
	found := false
	WalkNodes(n, func(m Node) bool {
		for _, e := range Exprs(m) {
			found = found || IsVolatile(e)
		}
		return !found
	})
	return found
}

// IsStableConst says whether an expression has one value during a statement: no
// columns, no volatile functions and no subqueries. Parameters are allowed.
func IsStableConst(e expr.Expr) bool {
	return !Any(e, func(x expr.Expr) bool {
		switch x.(type) {
		case *expr.Column, *expr.Subquery, *expr.CaseBase:
			return true
		case expr.Composite:
			return true
		}
		for _, f := range functionsOf(x) {
			if f.Volatility == function.Volatile || f.RetSet {
				return true
			}
		}
		return false
	})
}

// IsImmutableConst says whether an expression has the same value always: it may
// be computed when the plan is made.
func IsImmutableConst(e expr.Expr) bool {
	if !IsStableConst(e) {
		return false
	}
	return !Any(e, func(x expr.Expr) bool {
		switch x := x.(type) {
		case *expr.Param:
			return true
		case *expr.IOCast:
			return !immutableIO(x)
		}
		for _, f := range functionsOf(x) {
			if f.Volatility != function.Immutable {
				return true
			}
		}
		return false
	})
}
