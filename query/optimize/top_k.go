package optimize

import (
	"math"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// pushLimits tells sorts how many rows are wanted of them (top-k), and scans when
// they may stop.
func (c *Context) pushLimits(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		l, ok := m.(*plan.Limit)
		if !ok || l.Count == nil || len(l.WithTies) > 0 {
			return m
		}
		return c.pushLimit(l)
	})
}

func (c *Context) pushLimit(l *plan.Limit) plan.Node {
	if p, ok := l.Input.(*plan.Project); ok {
		// Only the rows that stay are computed.
		below := c.pushLimit(&plan.Limit{Input: p.Input, Count: l.Count, Offset: l.Offset})
		return &plan.Project{Input: below, Exprs: p.Exprs, Out: p.Out}
	}
	bound := c.rowsWanted(l)
	if bound == nil {
		return l
	}
	in := limitInput(l.Input, bound)
	if in == l.Input {
		return l
	}
	return &plan.Limit{Input: in, Count: l.Count, Offset: l.Offset}
}

// rowsWanted is count + offset, nil if that may not be a number of rows.
func (c *Context) rowsWanted(l *plan.Limit) expr.Expr {
	if l.Offset == nil {
		return l.Count
	}
	count, ok1 := constant(l.Count)
	offset, ok2 := constant(l.Offset)
	if !ok1 || !ok2 {
		return nil
	}
	n, isInt := count.(int64)
	o, isInt2 := offset.(int64)
	if !isInt || !isInt2 || n < 0 || o < 0 || n > math.MaxInt64-o {
		return nil
	}
	return &expr.Const{Value: n + o, T: datum.Of(datum.Int8)}
}

// limitInput passes a bound down through nodes that keep the number of rows.
func limitInput(n plan.Node, bound expr.Expr) plan.Node {
	switch m := n.(type) {
	case *plan.Project:
		if in := limitInput(m.Input, bound); in != m.Input {
			return &plan.Project{Input: in, Exprs: m.Exprs, Out: m.Out}
		}
	case *plan.Sort:
		if m.TopK == nil {
			return &plan.Sort{Input: m.Input, Keys: m.Keys, TopK: bound}
		}
	case *plan.Scan:
		v, ok := constant(bound)
		k, isInt := v.(int64)
		if ok && isInt && k > 0 && m.Limit == 0 {
			s := *m
			s.Limit = k
			return &s
		}
	case *plan.SetOp:
		if m.Kind == plan.UnionAll {
			out := *m
			out.Left, out.Right = limitInput(m.Left, bound), limitInput(m.Right, bound)
			if out.Left != m.Left || out.Right != m.Right {
				return &out
			}
		}
	}
	return n
}
