package optimize

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

var boolType = datum.Of(datum.Bool)

// pushdown moves conditions as near to the tables as they may go.
func (c *Context) pushdown(n plan.Node) plan.Node { return c.push(n, nil) }

// push puts conditions, over the columns of n, on n or below it.
func (c *Context) push(n plan.Node, conds []expr.Expr) plan.Node {
	c.poll()
	switch m := n.(type) {
	case *plan.Filter:
		return c.push(m.Input, append(conds[:len(conds):len(conds)], plan.Conjuncts(m.Cond)...))
	case *plan.Scan:
		return c.pushScan(m, conds)
	case *plan.Project:
		return c.pushProject(m, conds)
	case *plan.Join:
		return c.pushJoin(m, conds)
	case *plan.AsofJoin:
		return c.pushAsofJoin(m, conds)
	case *plan.Apply:
		return c.pushApply(m, conds)
	case *plan.Aggregate:
		return c.pushAggregate(m, conds)
	case *plan.Gapfill:
		return c.pushGapfill(m, conds)
	case *plan.Window:
		return c.pushPart(m, conds, func(col int) bool { return windowKey(m, col) })
	case *plan.Sample:
		safe, rest := split(conds, func(e expr.Expr) bool { return !plan.IsVolatile(e) })
		return filtered(plan.WithInputs(m, []plan.Node{c.push(m.Input, safe)}), rest)
	case *plan.Number:
		return c.pushPart(m, conds, func(col int) bool { return col < len(m.Input.Fields()) })
	case *plan.ProjectSet:
		return c.pushPart(m, conds, func(col int) bool {
			if m.Exprs[col] == nil {
				return false
			}
			in, ok := m.Exprs[col].(*expr.Column)
			return ok && in.Index == col
		})
	case *plan.Sort:
		if m.TopK == nil {
			return &plan.Sort{Input: c.push(m.Input, stay(conds)), Keys: m.Keys}
		}
	case *plan.Distinct:
		if m.On == nil {
			return c.pushPart(m, conds, func(int) bool { return true })
		}
		return c.pushPart(m, conds, func(col int) bool { return listed(m.On, col) })
	case *plan.SetOp:
		out := *m
		safe, rest := split(conds, func(e expr.Expr) bool { return !plan.IsVolatile(e) && !plan.HasSubquery(e) })
		out.Left, out.Right = c.push(m.Left, safe), c.push(m.Right, safe)
		return filtered(&out, rest)
	case *plan.CTE:
		out := &plan.CTE{Defs: append([]plan.CTEDef(nil), m.Defs...), Body: c.push(m.Body, conds)}
		for i := range out.Defs {
			out.Defs[i].Init = c.push(out.Defs[i].Init, nil)
			if out.Defs[i].Step != nil {
				out.Defs[i].Step = c.push(out.Defs[i].Step, nil)
			}
		}
		return out
	}
	return filtered(plan.MapInputs(n, func(in plan.Node) plan.Node { return c.push(in, nil) }), conds)
}

// stay is where volatile conditions could be kept above a node; sorting does not
// change how often they are computed.
func stay(conds []expr.Expr) []expr.Expr { return conds }

// filtered puts a Filter on n if there are conditions.
func filtered(n plan.Node, conds []expr.Expr) plan.Node {
	if cond := plan.And(conds...); cond != nil {
		return &plan.Filter{Input: n, Cond: cond}
	}
	return n
}

func split(conds []expr.Expr, ok func(expr.Expr) bool) (yes, no []expr.Expr) {
	for _, e := range conds {
		if ok(e) {
			yes = append(yes, e)
		} else {
			no = append(no, e)
		}
	}
	return yes, no
}

func listed(es []expr.Expr, col int) bool {
	for _, e := range es {
		if c, ok := e.(*expr.Column); ok && c.Index == col {
			return true
		}
	}
	return false
}

func windowKey(w *plan.Window, col int) bool {
	return col < len(w.Input.Fields()) && listed(w.PartitionBy, col)
}

// columnsAre says whether all columns of e pass, and it has one at least.
func columnsAre(e expr.Expr, ok func(col int) bool) bool {
	used := map[int]bool{}
	plan.Columns(e, used)
	for col := range used {
		if !ok(col) {
			return false
		}
	}
	return len(used) > 0
}

// pushPart pushes the conditions over columns that pass through a node with one
// input unchanged, and whose removal of rows the node does not see otherwise.
func (c *Context) pushPart(n plan.Node, conds []expr.Expr, through func(col int) bool) plan.Node {
	down, rest := split(conds, func(e expr.Expr) bool { return !plan.IsVolatile(e) && columnsAre(e, through) })
	in := c.push(n.Inputs()[0], down)
	return filtered(plan.WithInputs(n, []plan.Node{in}), rest)
}

// pushScan gives conditions to a scan; those with subqueries stay outside.
func (c *Context) pushScan(s *plan.Scan, conds []expr.Expr) plan.Node {
	in, out := split(conds, func(e expr.Expr) bool { return !plan.HasSubquery(e) && !plan.IsVolatile(e) })
	if len(in) > 0 {
		d := *s
		d.Filter = append(s.Filter[:len(s.Filter):len(s.Filter)], in...)
		return filtered(&d, out)
	}
	return filtered(s, out)
}

func (c *Context) pushProject(p *plan.Project, conds []expr.Expr) plan.Node {
	down, rest := split(conds, func(e expr.Expr) bool {
		if plan.IsVolatile(e) {
			return false
		}
		ok := true
		plan.Walk(e, func(x expr.Expr) bool {
			if col, is := x.(*expr.Column); is {
				src := p.Exprs[col.Index]
				ok = ok && !plan.IsVolatile(src) && !plan.HasSubquery(src)
			}
			return ok
		})
		return ok
	})
	for i, e := range down {
		down[i] = c.refold(plan.MapColumns(e, func(col *expr.Column) expr.Expr { return p.Exprs[col.Index] }))
	}
	return filtered(&plan.Project{Input: c.push(p.Input, down), Exprs: p.Exprs, Out: p.Out}, rest)
}

// refold simplifies a condition after columns became expressions.
func (c *Context) refold(e expr.Expr) expr.Expr {
	if c.Off.Fold {
		return e
	}
	return c.fold(e)
}

func (c *Context) pushAggregate(a *plan.Aggregate, conds []expr.Expr) plan.Node {
	if len(a.Keys) == 0 || a.Sets != nil {
		return filtered(plan.WithInputs(a, []plan.Node{c.push(a.Input, nil)}), conds)
	}
	down, rest := split(conds, func(e expr.Expr) bool {
		return !plan.IsVolatile(e) && columnsAre(e, func(col int) bool {
			return col < len(a.Keys) && !plan.IsVolatile(a.Keys[col]) && !plan.HasSubquery(a.Keys[col])
		})
	})
	for i, e := range down {
		down[i] = plan.MapColumns(e, func(col *expr.Column) expr.Expr { return a.Keys[col.Index] })
	}
	return filtered(plan.WithInputs(a, []plan.Node{c.push(a.Input, down)}), rest)
}

// sides says which inputs of a join an expression uses.
func sides(e expr.Expr, width int) (left, right bool) {
	used := map[int]bool{}
	plan.Columns(e, used)
	for col := range used {
		if col < width {
			left = true
		} else {
			right = true
		}
	}
	return left, right
}

func (c *Context) pushJoin(j *plan.Join, conds []expr.Expr) plan.Node {
	width := len(j.Left.Fields())
	kind := c.reduceOuter(j.Kind, conds, width)
	var toLeft, toRight, on, above []expr.Expr
	leftOK := kind == plan.InnerJoin || kind == plan.LeftJoin || kind == plan.SemiJoin || kind == plan.AntiJoin || kind == plan.NullAntiJoin
	rightOK := kind == plan.InnerJoin || kind == plan.RightJoin
	for _, e := range conds {
		l, r := sides(e, width)
		switch {
		case plan.IsVolatile(e):
			above = append(above, e)
		case !r && leftOK && (l || kind != plan.NullAntiJoin):
			toLeft = append(toLeft, e)
		case !l && r && rightOK:
			toRight = append(toRight, plan.Shift(e, -width))
		case kind == plan.InnerJoin && !plan.HasSubquery(e):
			on = append(on, e)
		default:
			above = append(above, e)
		}
	}
	for _, e := range plan.Conjuncts(j.Cond) {
		l, r := sides(e, width)
		switch {
		case plan.IsVolatile(e):
			on = append(on, e)
		case !r && (kind == plan.InnerJoin || kind == plan.RightJoin || kind == plan.SemiJoin) && l:
			toLeft = append(toLeft, e)
		case !l && r && kind != plan.RightJoin && kind != plan.FullJoin && kind != plan.NullAntiJoin:
			toRight = append(toRight, plan.Shift(e, -width))
		case !l && !r && kind == plan.InnerJoin:
			toLeft = append(toLeft, e)
		default:
			on = append(on, e)
		}
	}
	out := *j
	out.Kind = kind
	if kind == plan.InnerJoin {
		// A subquery in a condition of an inner join is a filter above it.
		var subs []expr.Expr
		on, subs = split(on, func(e expr.Expr) bool { return !plan.HasSubquery(e) })
		above = append(above, subs...)
	}
	out.Cond = plan.And(on...)
	out.Left, out.Right = c.push(j.Left, toLeft), c.push(j.Right, toRight)
	return filtered(&out, above)
}

// reduceOuter makes an outer join an inner one, or one of one side, if a
// condition above it drops the rows that it would fill with NULLs.
func (c *Context) reduceOuter(kind plan.JoinKind, conds []expr.Expr, width int) plan.JoinKind {
	if kind != plan.LeftJoin && kind != plan.RightJoin && kind != plan.FullJoin {
		return kind
	}
	rejectsLeft, rejectsRight := false, false
	for _, e := range conds {
		for col := range rejected(e) {
			if col < width {
				rejectsLeft = true
			} else {
				rejectsRight = true
			}
		}
	}
	switch {
	case kind == plan.LeftJoin && rejectsRight, kind == plan.RightJoin && rejectsLeft,
		kind == plan.FullJoin && rejectsLeft && rejectsRight:
		return plan.InnerJoin
	case kind == plan.FullJoin && rejectsLeft:
		return plan.LeftJoin
	case kind == plan.FullJoin && rejectsRight:
		return plan.RightJoin
	}
	return kind
}

// rejected returns the columns that cannot be NULL where e is true.
func rejected(e expr.Expr) map[int]bool {
	switch x := e.(type) {
	case *expr.And:
		all := map[int]bool{}
		for _, a := range x.Args {
			for col := range rejected(a) {
				all[col] = true
			}
		}
		return all
	case *expr.Or:
		all := rejected(x.Args[0])
		for _, a := range x.Args[1:] {
			r := rejected(a)
			for col := range all {
				if !r[col] {
					delete(all, col)
				}
			}
		}
		return all
	case *expr.IsNull:
		if x.Not {
			return strictColumns(x.Arg)
		}
		return map[int]bool{}
	case *expr.Not:
		return strictColumns(x.Arg)
	}
	return strictColumns(e)
}

// strictColumns returns the columns whose NULL makes e NULL.
func strictColumns(e expr.Expr) map[int]bool {
	out := map[int]bool{}
	var visit func(x expr.Expr)
	visit = func(x expr.Expr) {
		switch y := x.(type) {
		case *expr.Column:
			out[y.Index] = true
		case *expr.Call:
			if y.Fn.Strict {
				for _, a := range y.Args {
					visit(a)
				}
			}
		case *expr.Relabel:
			visit(y.Arg)
		case *expr.IOCast:
			visit(y.Arg)
		case *expr.Not:
			visit(y.Arg)
		case *expr.AnyAll:
			// NULL = ANY ('{}') is false, which rejects as well.
			if y.Op.Strict && !y.All {
				visit(y.L)
			}
		}
	}
	visit(e)
	return out
}

func (c *Context) pushApply(a *plan.Apply, conds []expr.Expr) plan.Node {
	width := len(a.Left.Fields())
	toLeft, rest := split(conds, func(e expr.Expr) bool {
		_, r := sides(e, width)
		return !r && !plan.IsVolatile(e)
	})
	var toRight []expr.Expr
	if a.Kind == plan.InnerJoin {
		toRight, rest = split(rest, func(e expr.Expr) bool {
			l, r := sides(e, width)
			return r && !l && !plan.IsVolatile(e)
		})
		for i := range toRight {
			toRight[i] = plan.Shift(toRight[i], -width)
		}
	}
	out := *a
	out.Left, out.Right = c.push(a.Left, toLeft), c.push(a.Right, toRight)
	return filtered(&out, rest)
}
