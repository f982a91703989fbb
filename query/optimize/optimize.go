// Package optimize rewrites plans so that they touch less: it folds constants,
// moves conditions towards the tables, turns subqueries into joins, orders joins,
// tells scans what they may skip and which columns they need. Each rule has a file
// of its own and keeps the plan's result, its columns' names, types and order.
//
// Plans are optimised for one run: parameters and what is stable during a statement
// (now()) count as constants if Context.Eval is set.
package optimize

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Context is what the rules may know. It is used by one goroutine.
type Context struct {
	// Eval evaluates constants; nil switches folding off.
	Eval *expr.Context
	// Rows estimates how many rows a table has; nil: unknown.
	Rows func(table datum.OID) int64
	// Registry says what functions mean; nil: function.Builtins().
	Registry *function.Registry
	// Off switches rules off, for tests.
	Off Rules

	ops map[*function.Function]*function.Operator
}

// Rules names the rules that can be switched off.
type Rules struct {
	Fold, InlineCTE, Decorrelate, Pushdown, JoinOrder, ScanPredicate, Prune, TopK, ScanAggregate bool
}

// zone is the session's time zone.
func (c *Context) zone() *time.Location {
	if c.Eval == nil || c.Eval.Context == nil || c.Eval.Env == nil || c.Eval.Env.Zone == nil {
		return time.UTC
	}
	return c.Eval.Env.Zone
}

// Optimize rewrites a plan and the plans of the subqueries in it.
func Optimize(c *Context, n plan.Node) plan.Node {
	if c.Registry == nil {
		c.Registry = function.Builtins()
	}
	if c.ops == nil {
		c.ops = operatorsByFunction(c.Registry)
	}
	if !c.Off.InlineCTE {
		n = inlineCTEs(n)
	}
	return c.optimize(n, allColumns(n))
}

// optimize runs the rules over a plan of which the parent needs some columns;
// the others become NULL constants or keep their place, so that numbers stay.
func (c *Context) optimize(n plan.Node, need []bool) plan.Node {
	if !c.Off.Fold {
		n = c.foldPlan(n)
	}
	if !c.Off.Decorrelate {
		n = c.decorrelatePlan(n)
	}
	if !c.Off.Pushdown {
		n = c.pushdown(n)
	}
	n = mergeProjects(n)
	if !c.Off.Pushdown {
		// Merging may have brought filters and scans together.
		n = c.pushdown(n)
	}
	if !c.Off.JoinOrder {
		n = c.orderJoins(n)
	}
	n = c.equiJoins(n)
	if !c.Off.ScanPredicate {
		n = c.scanPredicates(n)
	}
	if !c.Off.Prune {
		n = pruneColumns(n, need)
	}
	n = mergeProjects(n)
	if !c.Off.TopK {
		n = c.pushLimits(n)
	}
	if !c.Off.ScanAggregate {
		n = c.scanAggregates(n)
	}
	return c.subqueries(n)
}

// subqueries optimises the plans of subqueries in expressions.
func (c *Context) subqueries(n plan.Node) plan.Node {
	return plan.Rewrite(n, func(m plan.Node) plan.Node {
		has := false
		for _, e := range plan.Exprs(m) {
			has = has || plan.HasSubquery(e)
		}
		if !has {
			return m
		}
		return plan.MapExprs(m, c.subqueriesOf)
	})
}

func (c *Context) subqueriesOf(e expr.Expr) expr.Expr {
	return plan.Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		s, ok := x.(*expr.Subquery)
		if !ok {
			return nil, false
		}
		d := *s
		p := s.Plan.(plan.Node)
		need := allColumns(p)
		if s.Kind == expr.ExistsSubquery {
			need = make([]bool, len(p.Fields()))
		}
		d.Plan = c.optimize(p, need)
		return plan.MapChildren(&d, c.subqueriesOf), true
	})
}

func allColumns(n plan.Node) []bool {
	need := make([]bool, len(n.Fields()))
	for i := range need {
		need[i] = true
	}
	return need
}

func operatorsByFunction(r *function.Registry) map[*function.Function]*function.Operator {
	m := map[*function.Function]*function.Operator{}
	for _, op := range r.AllOperators() {
		if _, taken := m[op.Fn]; !taken {
			m[op.Fn] = op
		}
	}
	return m
}

// operator returns the operator that a binary call is, or nil.
func (c *Context) operator(e expr.Expr) (*function.Operator, *expr.Call) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return nil, nil
	}
	op := c.ops[call.Fn]
	if op == nil || op.Left == 0 {
		return nil, nil
	}
	return op, call
}

// find returns the operator of a name and operand types, or nil.
func (c *Context) find(name string, left, right datum.OID) *function.Operator {
	for _, op := range c.Registry.Operators(name) {
		if op.Left == left && op.Right == right {
			return op
		}
	}
	return nil
}

// emptyOf yields no rows with the columns of n.
func emptyOf(n plan.Node) plan.Node { return &plan.Values{Out: n.Fields()} }
