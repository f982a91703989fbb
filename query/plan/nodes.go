package plan

import (
	"fmt"

	"github.com/phyllodb/phyllo/query/expr"
)

// WalkNodes calls f for n and the nodes below it; where f returns false those are left out.
// Plans of subqueries are not visited.
func WalkNodes(n Node, f func(Node) bool) {
	if n == nil || !f(n) {
		return
	}
	for _, in := range n.Inputs() {
		WalkNodes(in, f)
	}
}

// Exprs returns the expressions that a node holds itself.
func Exprs(n Node) []expr.Expr {
	var out []expr.Expr
	MapExprs(n, func(e expr.Expr) expr.Expr {
		out = append(out, e)
		return e
	})
	return out
}

// MapExprs returns a copy of n with f applied to the expressions that it holds
// itself (none of them nil). The inputs stay.
func MapExprs(n Node, f func(expr.Expr) expr.Expr) Node {
	one := func(e expr.Expr) expr.Expr {
		if e == nil {
			return nil
		}
		return f(e)
	}
	list := func(es []expr.Expr) []expr.Expr {
		if es == nil {
			return nil
		}
		out := make([]expr.Expr, len(es))
		for i, e := range es {
			out[i] = one(e)
		}
		return out
	}
	keys := func(ks []SortKey) []SortKey {
		if ks == nil {
			return nil
		}
		out := make([]SortKey, len(ks))
		for i, k := range ks {
			out[i] = SortKey{Expr: one(k.Expr), Desc: k.Desc, NullsFirst: k.NullsFirst}
		}
		return out
	}
	call := func(c *SetCall) *SetCall {
		if c == nil {
			return nil
		}
		d := *c
		d.Args = list(c.Args)
		return &d
	}
	switch n := n.(type) {
	case *Scan:
		c := *n
		c.Filter, c.AsOf = list(n.Filter), one(n.AsOf)
		c.Dynamic = append([]DynamicPredicate(nil), n.Dynamic...)
		for i := range c.Dynamic {
			c.Dynamic[i].Values = list(c.Dynamic[i].Values)
		}
		return &c
	case *Sample:
		c := *n
		c.Percent, c.Seed, c.Keys = one(n.Percent), one(n.Seed), list(n.Keys)
		return &c
	case *VirtualScan, *CTEScan, *SetOp, *CTE, *Number, *FirstOf:
		return n
	case *Values:
		c := *n
		c.Rows = make([][]expr.Expr, len(n.Rows))
		for i, r := range n.Rows {
			if c.Rows[i] = list(r); r == nil {
				c.Rows[i] = []expr.Expr{}
			}
		}
		return &c
	case *FunctionScan:
		c := *n
		c.Calls = make([]*SetCall, len(n.Calls))
		for i, s := range n.Calls {
			c.Calls[i] = call(s)
		}
		return &c
	case *Filter:
		return &Filter{Input: n.Input, Cond: one(n.Cond)}
	case *Project:
		return &Project{Input: n.Input, Exprs: list(n.Exprs), Out: n.Out}
	case *ProjectSet:
		c := &ProjectSet{Input: n.Input, Exprs: list(n.Exprs), Out: n.Out, Sets: make([]*SetCall, len(n.Sets))}
		for i, s := range n.Sets {
			c.Sets[i] = call(s)
		}
		return c
	case *Aggregate:
		c := *n
		c.Keys = list(n.Keys)
		c.Calls = make([]AggCall, len(n.Calls))
		for i, a := range n.Calls {
			a.Args, a.Filter, a.OrderBy, a.Direct = list(a.Args), one(a.Filter), keys(a.OrderBy), list(a.Direct)
			c.Calls[i] = a
		}
		return &c
	case *ScanAggregate:
		c := *n
		c.Finish = list(n.Finish)
		return &c
	case *Gapfill:
		c := *n
		c.Width, c.Zone = one(n.Width), one(n.Zone)
		bounds := func(bs []FillBound) (out []FillBound) {
			for _, b := range bs {
				out = append(out, FillBound{At: one(b.At), After: b.After})
			}
			return out
		}
		c.Start, c.Finish = bounds(n.Start), bounds(n.Finish)
		c.Calls = make([]FillCall, len(n.Calls))
		for i, k := range n.Calls {
			k.Arg, k.NullIsMissing = one(k.Arg), one(k.NullIsMissing)
			k.Prev, k.PrevAt, k.Next, k.NextAt = one(k.Prev), one(k.PrevAt), one(k.Next), one(k.NextAt)
			c.Calls[i] = k
		}
		return &c
	case *Window:
		c := *n
		c.PartitionBy, c.OrderBy = list(n.PartitionBy), keys(n.OrderBy)
		c.Calls = make([]WindowCall, len(n.Calls))
		for i, w := range n.Calls {
			w.Args, w.Filter = list(w.Args), one(w.Filter)
			w.Frame.Start.Offset, w.Frame.End.Offset = one(w.Frame.Start.Offset), one(w.Frame.End.Offset)
			c.Calls[i] = w
		}
		return &c
	case *Sort:
		return &Sort{Input: n.Input, Keys: keys(n.Keys), TopK: one(n.TopK)}
	case *Limit:
		return &Limit{Input: n.Input, Count: one(n.Count), Offset: one(n.Offset), WithTies: keys(n.WithTies)}
	case *LockRows:
		c := &LockRows{Input: n.Input, Count: one(n.Count), Offset: one(n.Offset), Locks: append([]RowLock(nil), n.Locks...)}
		for i := range c.Locks {
			c.Locks[i].Keys = list(c.Locks[i].Keys)
		}
		return c
	case *Distinct:
		return &Distinct{Input: n.Input, On: list(n.On)}
	case *Join:
		c := *n
		c.EquiLeft, c.EquiRight, c.Cond = list(n.EquiLeft), list(n.EquiRight), one(n.Cond)
		return &c
	case *AsofJoin:
		c := *n
		c.EquiLeft, c.EquiRight, c.Cond = list(n.EquiLeft), list(n.EquiRight), one(n.Cond)
		c.TimeLeft, c.TimeRight = one(n.TimeLeft), one(n.TimeRight)
		return &c
	case *Apply:
		c := *n
		c.Outer, c.Cond = list(n.Outer), one(n.Cond)
		return &c
	}
	panic(fmt.Sprintf("plan: bug: unknown node %T", n))
}

// WithInputs returns n over other inputs, in the order of Inputs.
func WithInputs(n Node, in []Node) Node {
	switch n := n.(type) {
	case *Scan, *VirtualScan, *Values, *FunctionScan, *CTEScan:
		return n
	case *Filter:
		return &Filter{Input: in[0], Cond: n.Cond}
	case *Project:
		c := *n
		c.Input = in[0]
		return &c
	case *ProjectSet:
		c := *n
		c.Input = in[0]
		return &c
	case *Aggregate:
		c := *n
		c.Input = in[0]
		return &c
	case *ScanAggregate:
		c := *n
		c.Scan = in[0].(*Scan)
		return &c
	case *Gapfill:
		c := *n
		c.Input = in[0]
		return &c
	case *Window:
		c := *n
		c.Input = in[0]
		return &c
	case *Sort:
		c := *n
		c.Input = in[0]
		return &c
	case *Limit:
		c := *n
		c.Input = in[0]
		return &c
	case *Sample:
		c := *n
		c.Input = in[0]
		return &c
	case *LockRows:
		c := *n
		c.Input = in[0]
		return &c
	case *Distinct:
		c := *n
		c.Input = in[0]
		return &c
	case *Join:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *AsofJoin:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *Apply:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *Number:
		return &Number{Input: in[0], Out: n.Out}
	case *FirstOf:
		return &FirstOf{Input: in[0], Column: n.Column}
	case *SetOp:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *CTE:
		c := &CTE{Body: in[0], Defs: append([]CTEDef(nil), n.Defs...)}
		in = in[1:]
		for i := range c.Defs {
			c.Defs[i].Init, in = in[0], in[1:]
			if c.Defs[i].Step != nil {
				c.Defs[i].Step, in = in[0], in[1:]
			}
		}
		return c
	}
	panic(fmt.Sprintf("plan: bug: unknown node %T", n))
}

// MapInputs returns n with f applied to its inputs.
func MapInputs(n Node, f func(Node) Node) Node {
	old := n.Inputs()
	if len(old) == 0 {
		return n
	}
	in := make([]Node, len(old))
	changed := false
	for i, x := range old {
		in[i] = f(x)
		changed = changed || in[i] != x
	}
	if !changed {
		return n
	}
	return WithInputs(n, in)
}

// Rewrite rebuilds a plan from the leaves up: f sees each node with its inputs rewritten.
func Rewrite(n Node, f func(Node) Node) Node {
	return f(MapInputs(n, func(in Node) Node { return Rewrite(in, f) }))
}

// RewriteDeep does the same for the plans of subqueries in expressions as well.
func RewriteDeep(n Node, f func(Node) Node) Node {
	return Rewrite(n, func(m Node) Node {
		if hasSubquery(m) {
			m = MapExprs(m, func(e expr.Expr) expr.Expr { return deepExpr(e, f) })
		}
		return f(m)
	})
}

func deepExpr(e expr.Expr, f func(Node) Node) expr.Expr {
	return Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		s, ok := x.(*expr.Subquery)
		if !ok {
			return nil, false
		}
		c := *s
		c.Plan = RewriteDeep(s.Plan.(Node), f)
		return MapChildren(&c, func(y expr.Expr) expr.Expr { return deepExpr(y, f) }), true
	})
}

func hasSubquery(n Node) bool {
	for _, e := range Exprs(n) {
		if HasSubquery(e) {
			return true
		}
	}
	return false
}

// HasSubquery says whether a part of e is a subquery.
func HasSubquery(e expr.Expr) bool {
	return Any(e, func(x expr.Expr) bool { _, ok := x.(*expr.Subquery); return ok })
}
