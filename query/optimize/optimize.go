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

	"github.com/phyllodb/phyllo/chunk"
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
	// Statistics estimates the values of a table; nil, or one that returns nil: unknown. It is
	// asked of tables that are joined.
	Statistics func(table datum.OID) *chunk.Statistics
	// Registry says what functions mean; nil: function.Builtins().
	Registry *function.Registry
	// Off switches rules off, for tests.
	Off Rules
}

// Rules names the rules that can be switched off.
type Rules struct {
	Fold, InlineCTE, Decorrelate, Pushdown, JoinOrder, ScanPath, ScanPredicate, Prune, TopK, ScanAggregate bool
}

// zone is the session's time zone.
func (c *Context) zone() *time.Location {
	if c.Eval == nil || c.Eval.Context == nil || c.Eval.Env == nil || c.Eval.Env.Zone == nil {
		return time.UTC
	}
	return c.Eval.Env.Zone
}

// Optimize rewrites a plan and the plans of the subqueries in it. It fails only when
// the statement is cancelled.
func Optimize(c *Context, n plan.Node) (_ plan.Node, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interrupted:
			err = p.err
		default:
			panic(p)
		}
	}()
	c.prepare()
	if !c.Off.InlineCTE {
		n = inlineCTEs(n)
	}
	return c.optimize(n, allColumns(n)), nil
}

func (c *Context) prepare() {
	if c.Registry == nil {
		c.Registry = function.Builtins()
	}
}

// interrupted carries the end of a cancelled statement from any rule to Optimize.
type interrupted struct{ err error }

// poll is called by the rules where a large statement makes them take long.
func (c *Context) poll() {
	if c.Eval == nil || c.Eval.Context == nil || c.Eval.Context.Context == nil {
		return
	}
	if err := c.Eval.Context.Context.Err(); err != nil {
		panic(interrupted{err})
	}
}

// rewrite is plan.Rewrite that a cancelled statement ends.
func (c *Context) rewrite(n plan.Node, f func(plan.Node) plan.Node) plan.Node {
	return plan.Rewrite(n, func(m plan.Node) plan.Node {
		c.poll()
		return f(m)
	})
}

// optimize runs the rules over a plan of which the parent needs some columns;
// the others become NULL constants or keep their place, so that numbers stay.
func (c *Context) optimize(n plan.Node, need []bool) plan.Node {
	c.poll()
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
	if !c.Off.ScanPath {
		n = c.scanPaths(n)
	}
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
	return c.rewrite(n, func(m plan.Node) plan.Node {
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

// operator returns the operator that a binary call is, or nil.
func (c *Context) operator(e expr.Expr) (*function.Operator, *expr.Call) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return nil, nil
	}
	op := c.Registry.OperatorOf(call.Fn)
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
