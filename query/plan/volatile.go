package plan

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
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

// TakeTurns says whether expressions of one row see what others of it do to a sequence, so
// that a row must be done with before the next one begins.
func TakeTurns(exprs []expr.Expr) bool {
	takes, looks := 0, 0
	for _, e := range exprs {
		Any(e, func(x expr.Expr) bool {
			for _, f := range functionsOf(x) {
				switch f.Name {
				case "nextval", "setval":
					takes++
				case "currval", "lastval":
					looks++
				}
			}
			return false
		})
	}
	return takes > 1 || takes > 0 && looks > 0
}

// NodeIsVolatile says whether an expression of a plan is volatile, or the plan locks rows.
func NodeIsVolatile(n Node) bool {
	found := false
	WalkNodes(n, func(m Node) bool {
		found = found || Once(m)
		for _, e := range Exprs(m) {
			found = found || IsVolatile(e)
		}
		return !found
	})
	return found
}

// IsImmutable says whether an expression depends on its columns and on nothing else.
func IsImmutable(e expr.Expr) bool {
	return !Any(e, func(x expr.Expr) bool {
		switch x.(type) {
		case *expr.Param, *expr.Subquery:
			return true
		}
		return mutable(x)
	})
}

// mutable says whether what an expression node does itself depends on more than its arguments.
func mutable(x expr.Expr) bool {
	switch x := x.(type) {
	case *expr.IOCast:
		return !immutableText(x.T) || !immutableText(x.Arg.Type())
	case *expr.Call:
		// A text and a value of another type: stable only for the sake of the value's text.
		if x.Fn.Name == "textanycat" || x.Fn.Name == "anytextcat" {
			return slices.ContainsFunc(x.Args, func(a expr.Expr) bool { return !immutableText(a.Type()) })
		}
	}
	return slices.ContainsFunc(functionsOf(x), func(f *function.Function) bool { return f.Volatility != function.Immutable })
}

// immutableText says whether the text of a type depends on no setting of the session: dates,
// times, floats and bytea are shown as the session likes.
func immutableText(t datum.Type) bool {
	if e, ok := t.Elem(); ok {
		t = e
	}
	switch t.OID {
	case datum.Bool, datum.Int2, datum.Int4, datum.Int8, datum.Numeric, datum.UUID, datum.Unknown,
		datum.Text, datum.Varchar, datum.BPChar, datum.Name, datum.Char, datum.JSON, datum.JSONB, datum.OIDType:
		return true
	}
	return false
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
		_, param := x.(*expr.Param)
		return param || mutable(x)
	})
}

// Once says that a node itself must not run twice for one result: it locks rows, or draws others
// each time.
func Once(n Node) bool {
	switch n := n.(type) {
	case *LockRows:
		return true
	case *Sample:
		return n.Seed == nil
	}
	return false
}
