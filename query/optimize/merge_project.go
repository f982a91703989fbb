package optimize

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// mergeProjects makes one projection of two and drops those that change nothing
// but names below the root.
func mergeProjects(root plan.Node) plan.Node {
	out := plan.Rewrite(root, func(n plan.Node) plan.Node {
		p, ok := n.(*plan.Project)
		if !ok {
			return dropIdentity(n)
		}
		for {
			in, ok := p.Input.(*plan.Project)
			if !ok || !mergeable(p, in) {
				return p
			}
			es := make([]expr.Expr, len(p.Exprs))
			for i, e := range p.Exprs {
				es[i] = plan.MapColumns(e, func(c *expr.Column) expr.Expr { return in.Exprs[c.Index] })
			}
			p = &plan.Project{Input: in.Input, Exprs: es, Out: p.Out}
		}
	})
	return out
}

// mergeable says whether the inner projection's expressions may stand in the outer
// one: none is computed more often than before, none is volatile.
func mergeable(p, in *plan.Project) bool {
	uses := make([]int, len(in.Exprs))
	for _, e := range p.Exprs {
		plan.Walk(e, func(x expr.Expr) bool {
			if c, ok := x.(*expr.Column); ok {
				uses[c.Index]++
			}
			return true
		})
	}
	for i, e := range in.Exprs {
		switch e.(type) {
		case *expr.Column, *expr.Const, *expr.Param:
			continue
		}
		if uses[i] > 1 || plan.IsVolatile(e) || plan.HasSubquery(e) {
			return false
		}
	}
	return true
}

// dropIdentity removes projections below n that hand on all columns as they are.
func dropIdentity(n plan.Node) plan.Node {
	switch n.(type) {
	case *plan.CTE, *plan.SetOp:
		return n // names and types of their inputs are looked at
	}
	return plan.MapInputs(n, func(in plan.Node) plan.Node {
		p, ok := in.(*plan.Project)
		if !ok || !identity(p) {
			return in
		}
		return p.Input
	})
}

// identity says whether a projection is its input, names included.
func identity(p *plan.Project) bool {
	in := p.Input.Fields()
	if len(p.Exprs) != len(in) {
		return false
	}
	for i, e := range p.Exprs {
		c, ok := e.(*expr.Column)
		if !ok || c.Index != i || p.Out[i].Name != in[i].Name || p.Out[i].Type != in[i].Type {
			return false
		}
	}
	return true
}
