package exec

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// volatilePlan says that a plan's rows may differ between two runs with the same
// parameters, or that it locks them: they must not be used twice.
func volatilePlan(n plan.Node) bool {
	for _, e := range nodeExprs(n) {
		if e != nil && plan.Any(e, isVolatile) {
			return true
		}
	}
	if plan.Once(n) {
		return true
	}
	if f, ok := n.(*plan.FunctionScan); ok {
		for _, c := range f.Calls {
			if c.Fn.Volatility == function.Volatile {
				return true
			}
		}
	}
	if p, ok := n.(*plan.ProjectSet); ok {
		for _, c := range p.Sets {
			if c != nil && c.Fn.Volatility == function.Volatile {
				return true
			}
		}
	}
	for _, in := range n.Inputs() {
		if volatilePlan(in) {
			return true
		}
	}
	return false
}

func isVolatile(e expr.Expr) bool {
	switch e := e.(type) {
	case *expr.Call:
		return e.Fn.Volatility == function.Volatile
	case *expr.Subquery:
		return volatilePlan(e.Plan.(plan.Node))
	}
	return false
}

// nodeExprs returns the expressions of a node itself.
func nodeExprs(n plan.Node) []expr.Expr {
	var es []expr.Expr
	add := func(x ...expr.Expr) { es = append(es, x...) }
	keys := func(ks []plan.SortKey) {
		for _, k := range ks {
			add(k.Expr)
		}
	}
	switch n := n.(type) {
	case *plan.Scan:
		add(n.Filter...)
		if n.AsOf != nil {
			add(n.AsOf)
		}
	case *plan.Sample:
		add(plan.Exprs(n)...)
	case *plan.Values:
		for _, r := range n.Rows {
			add(r...)
		}
	case *plan.FunctionScan:
		for _, c := range n.Calls {
			add(c.Args...)
		}
	case *plan.Filter:
		add(n.Cond)
	case *plan.Project:
		add(n.Exprs...)
	case *plan.ProjectSet:
		add(n.Exprs...)
		for _, c := range n.Sets {
			if c != nil {
				add(c.Args...)
			}
		}
	case *plan.Aggregate:
		add(n.Keys...)
		for _, c := range n.Calls {
			add(c.Args...)
			add(c.Filter)
			keys(c.OrderBy)
		}
	case *plan.ScanAggregate:
		add(n.Finish...)
	case *plan.Gapfill:
		add(plan.Exprs(n)...)
	case *plan.Window:
		add(n.PartitionBy...)
		keys(n.OrderBy)
		for _, c := range n.Calls {
			add(c.Args...)
			add(c.Filter)
		}
	case *plan.Sort:
		keys(n.Keys)
	case *plan.Distinct:
		add(n.On...)
	case *plan.Join:
		add(append(append([]expr.Expr{n.Cond}, n.EquiLeft...), n.EquiRight...)...)
	case *plan.AsofJoin:
		add(append(append([]expr.Expr{n.Cond, n.TimeLeft, n.TimeRight}, n.EquiLeft...), n.EquiRight...)...)
	case *plan.Apply:
		add(append([]expr.Expr{n.Cond}, n.Outer...)...)
	}
	return es
}
