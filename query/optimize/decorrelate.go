package optimize

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// decorrelatePlan turns EXISTS, IN and their negations in conditions into semi and
// anti joins.
func (c *Context) decorrelatePlan(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		f, ok := m.(*plan.Filter)
		if !ok {
			return m
		}
		input := f.Input
		var rest []expr.Expr
		for _, cond := range plan.Conjuncts(f.Cond) {
			if j := c.semiJoin(input, cond); j != nil {
				input = j
			} else {
				rest = append(rest, cond)
			}
		}
		if input == f.Input {
			return f
		}
		if cond := plan.And(rest...); cond != nil {
			// The plain conditions go below the joins: pushdown brings them there.
			return &plan.Filter{Input: input, Cond: cond}
		}
		return input
	})
}

// semiJoin makes a join of a condition over input, or returns nil.
func (c *Context) semiJoin(input plan.Node, cond expr.Expr) plan.Node {
	negated := false
	if not, ok := cond.(*expr.Not); ok {
		negated, cond = true, not.Arg
	}
	s, ok := cond.(*expr.Subquery)
	if !ok || plan.IsVolatile(s) {
		return nil
	}
	for _, e := range append(s.L[:len(s.L):len(s.L)], s.Outer...) {
		if plan.HasSubquery(e) {
			return nil
		}
	}
	switch s.Kind {
	case expr.ExistsSubquery:
		return c.existsJoin(input, s, negated)
	case expr.AnySubquery:
		return c.anyJoin(input, s, negated)
	case expr.AllSubquery:
		if !negated && allNegated(c, s) {
			any := *s
			any.Kind = expr.AnySubquery
			any.Ops = nil
			for _, op := range s.Ops {
				o := c.Registry.OperatorOf(op)
				any.Ops = append(any.Ops, c.find("=", o.Left, o.Right).Fn)
			}
			return c.anyJoin(input, &any, true)
		}
	}
	return nil
}

// allNegated says whether L <> ALL (subquery) is NOT IN.
func allNegated(c *Context, s *expr.Subquery) bool {
	if len(s.Ops) != 1 {
		return false
	}
	op := c.Registry.OperatorOf(s.Ops[0])
	return op != nil && op.Name == "<>" && c.find("=", op.Left, op.Right) != nil
}

// existsJoin joins with a correlated EXISTS; an uncorrelated one runs once as it is.
func (c *Context) existsJoin(input plan.Node, s *expr.Subquery, negated bool) plan.Node {
	if len(s.Outer) == 0 {
		return nil
	}
	inner := skipForExists(s.Plan.(plan.Node))
	right, conds, ok := liftConditions(inner, s, len(input.Fields()))
	if !ok {
		return nil
	}
	kind := plan.SemiJoin
	if negated {
		kind = plan.AntiJoin
	}
	return &plan.Join{Kind: kind, Left: input, Right: right, Cond: plan.And(conds...), Out: input.Fields()}
}

// skipForExists leaves out nodes that do not decide whether there are rows.
func skipForExists(n plan.Node) plan.Node {
	for {
		switch m := n.(type) {
		case *plan.Project:
			n = m.Input
		case *plan.Sort:
			if m.TopK != nil {
				return n
			}
			n = m.Input
		case *plan.Distinct:
			n = m.Input
		case *plan.Limit:
			v, ok := constant(m.Count)
			count, isInt := v.(int64)
			if m.Offset != nil || m.Count != nil && (!ok || !isInt || count <= 0) || len(m.WithTies) > 0 {
				return n
			}
			n = m.Input
		default:
			return n
		}
	}
}

// anyJoin joins with IN (subquery), or with NOT IN if that cannot meet NULLs of a
// correlated condition.
func (c *Context) anyJoin(input plan.Node, s *expr.Subquery, negated bool) plan.Node {
	right := s.Plan.(plan.Node)
	width := len(input.Fields())
	for _, op := range s.Ops {
		if o := c.Registry.OperatorOf(op); o == nil || negated && o.Name != "=" {
			return nil
		}
	}
	if len(s.Outer) == 0 {
		fields := right.Fields()
		if negated {
			if len(s.L) != 1 || !sameKind(s.L[0].Type(), fields[0].Type) {
				return nil
			}
			j := &plan.Join{Kind: plan.NullAntiJoin, Left: input, Right: right, Out: input.Fields()}
			j.EquiLeft = []expr.Expr{s.L[0]}
			j.EquiRight = []expr.Expr{column(fields, 0)}
			return j
		}
		var conds []expr.Expr
		for i, op := range s.Ops {
			col := &expr.Column{Index: width + i, Name: fields[i].Name, T: fields[i].Type}
			conds = append(conds, &expr.Call{Fn: op, Args: []expr.Expr{s.L[i], col}, T: boolType})
		}
		return &plan.Join{Kind: plan.SemiJoin, Left: input, Right: right, Cond: plan.And(conds...), Out: input.Fields()}
	}
	if negated {
		return nil
	}
	p, ok := right.(*plan.Project)
	if !ok {
		return nil
	}
	below, conds, ok := liftConditions(p.Input, s, width)
	if !ok {
		return nil
	}
	for i, op := range s.Ops {
		e := p.Exprs[i]
		if plan.HasSubquery(e) || plan.IsVolatile(e) {
			return nil
		}
		e = outward(plan.Shift(e, width), s)
		conds = append(conds, &expr.Call{Fn: op, Args: []expr.Expr{s.L[i], e}, T: boolType})
	}
	return &plan.Join{Kind: plan.SemiJoin, Left: input, Right: below, Cond: plan.And(conds...), Out: input.Fields()}
}

// liftConditions takes the conditions that use the outer row out of a subquery's
// plan, so that they can be a join's. They come back over the left row (of width
// columns) and the rows of the plan that is left.
func liftConditions(n plan.Node, s *expr.Subquery, width int) (plan.Node, []expr.Expr, bool) {
	var conds []expr.Expr
	f, ok := n.(*plan.Filter)
	if !ok {
		return n, nil, !usesParams(n, s)
	}
	var rest []expr.Expr
	for _, e := range plan.Conjuncts(f.Cond) {
		if !usesParamsIn(e, s) {
			rest = append(rest, e)
			continue
		}
		if plan.HasSubquery(e) {
			return nil, nil, false
		}
		conds = append(conds, outward(plan.Shift(e, width), s))
	}
	input := f.Input
	if usesParams(input, s) {
		return nil, nil, false
	}
	if r := plan.And(rest...); r != nil {
		input = &plan.Filter{Input: input, Cond: r}
	}
	return input, conds, true
}

// outward puts the outer expressions in the place of a subquery's parameters.
func outward(e expr.Expr, s *expr.Subquery) expr.Expr {
	return plan.Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		p, ok := x.(*expr.Param)
		if !ok || !isParamOf(p, s) {
			return nil, false
		}
		return s.Outer[p.Index-s.FirstParam], true
	})
}

func isParamOf(p *expr.Param, s *expr.Subquery) bool {
	return p.Outer && p.Index >= s.FirstParam && p.Index < s.FirstParam+len(s.Outer)
}

func usesParamsIn(e expr.Expr, s *expr.Subquery) bool {
	return plan.Any(e, func(x expr.Expr) bool {
		if p, ok := x.(*expr.Param); ok {
			return isParamOf(p, s)
		}
		if q, ok := x.(*expr.Subquery); ok {
			return usesParams(q.Plan.(plan.Node), s)
		}
		return false
	})
}

func usesParams(n plan.Node, s *expr.Subquery) bool {
	found := false
	plan.WalkDeep(n, func(m plan.Node) {
		for _, e := range plan.Exprs(m) {
			found = found || plan.Any(e, func(x expr.Expr) bool {
				p, ok := x.(*expr.Param)
				return ok && isParamOf(p, s)
			})
		}
	})
	return found
}
