package optimize

import (
	"slices"

	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// pushGapfill hands conditions on the groups down: what is filled in of one group has nothing to do
// with the others. A gapfill without a bound of its own, such as that of a view, takes it from the
// conditions on its buckets, as though they stood in its own WHERE.
func (c *Context) pushGapfill(g *plan.Gapfill, conds []expr.Expr) plan.Node {
	down, rest := split(conds, func(e expr.Expr) bool {
		return !plan.IsVolatile(e) && columnsAre(e, func(col int) bool { return slices.Contains(g.Groups, col) })
	})
	out := *g
	for _, e := range rest {
		op, at := c.bucketBound(g, e)
		start, finish := op == "=" || op == ">=" || op == ">", op == "=" || op == "<" || op == "<="
		start, finish = start && g.Start == nil, finish && g.Finish == nil
		if start {
			out.Start = append(out.Start, plan.FillBound{At: at, After: op == ">"})
		}
		if finish {
			out.Finish = append(out.Finish, plan.FillBound{At: at, After: op == "<=" || op == "="})
		}
		if start || finish {
			down = append(down, e)
		}
	}
	out.Input = c.push(g.Input, down)
	return filtered(&out, rest)
}

// bucketBound returns the comparison of the bucket with something without columns that e is.
func (c *Context) bucketBound(g *plan.Gapfill, e expr.Expr) (string, expr.Expr) {
	op, call := c.operator(e)
	if op == nil || plan.HasSubquery(e) || plan.IsVolatile(e) {
		return "", nil
	}
	name, l, r := op.Name, call.Args[0], call.Args[1]
	if flipped, ok := flippedOps[name]; ok && isColumn(r, g.Time) {
		name, l, r = flipped, r, l
	}
	used := map[int]bool{}
	plan.Columns(r, used)
	if !isColumn(l, g.Time) || len(used) > 0 || r.Type().OID != g.Out[g.Time].Type.OID {
		return "", nil
	}
	return name, r
}

func isColumn(e expr.Expr, index int) bool {
	c, ok := e.(*expr.Column)
	return ok && c.Index == index
}
