package expr

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// A Context is what expressions are evaluated with, besides the batch. It is
// used by one goroutine; several may share what its fields point to.
type Context struct {
	*function.Context
	Params []datum.Value // $1 is Params[0]
	Outer  []datum.Value // by Param.Index
	// Subqueries runs Subquery expressions; nil in surroundings that have none.
	Subqueries SubqueryRunner

	sets map[*AnyAll]*valueSet // of constant lists, made once
	sole map[Expr]int          // what soleColumn says of expressions, found out once
}

// A SubqueryRunner runs subqueries; exec is one.
type SubqueryRunner interface {
	// RunSubquery returns the subquery's value for each of n rows, which the
	// caller releases. l and outer are the values of s.L and s.Outer.
	RunSubquery(c *Context, s *Subquery, l, outer []function.Vec, n int) (function.Vec, error)
}
