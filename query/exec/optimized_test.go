package exec

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/optimize"
	"github.com/phyllodb/phyllo/query/plan"
)

// optimized is the plan as a session runs it.
func optimized(rt *Runtime, n plan.Node) (plan.Node, error) {
	return optimize.Optimize(&optimize.Context{
		Eval: &expr.Context{Context: rt.Function, Params: rt.Params}, Rows: rt.Reader.(*fakeTxn).TableRows,
	}, n)
}
