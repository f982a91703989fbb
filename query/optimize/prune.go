package optimize

import (
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// pruneColumns leaves out columns that nobody reads, down to the scans. The root
// keeps its columns: those that are not needed become NULLs at most.
func pruneColumns(n plan.Node, need []bool) plan.Node {
	m, at := prune(n, need)
	if len(m.Fields()) == len(at) {
		same := true
		for i, k := range at {
			same = same && i == k
		}
		if same {
			return m
		}
	}
	fields := n.Fields()
	es := make([]expr.Expr, len(fields))
	for i, f := range fields {
		if at[i] < 0 {
			es[i] = &expr.Const{T: f.Type}
		} else {
			es[i] = &expr.Column{Index: at[i], Name: f.Name, T: f.Type}
		}
	}
	return &plan.Project{Input: m, Exprs: es, Out: fields}
}

// use marks the columns of expressions.
func use(need []bool, es ...expr.Expr) {
	for _, e := range es {
		plan.Walk(e, func(x expr.Expr) bool {
			if c, ok := x.(*expr.Column); ok {
				need[c.Index] = true
			}
			return true
		})
	}
}

// moved renumbers the columns of an expression.
func moved(e expr.Expr, at []int) expr.Expr {
	if e == nil {
		return nil
	}
	return plan.MapColumns(e, func(c *expr.Column) expr.Expr {
		if at[c.Index] < 0 {
			panic("optimize: bug: a column that is used was pruned")
		}
		if at[c.Index] == c.Index {
			return c
		}
		return &expr.Column{Index: at[c.Index], Name: c.Name, T: c.T}
	})
}

func numbers(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// keep returns the new numbers of the columns that are kept.
func keep(need []bool) []int {
	at := make([]int, len(need))
	k := 0
	for i, ok := range need {
		if at[i] = -1; ok {
			at[i] = k
			k++
		}
	}
	return at
}

func pick[T any](all []T, need []bool) []T {
	out := make([]T, 0, len(all))
	for i, x := range all {
		if need[i] {
			out = append(out, x)
		}
	}
	return out
}

// prune returns a node that yields at least the columns needed, and where each of
// the old columns is in it (-1: nowhere).
func prune(n plan.Node, need []bool) (plan.Node, []int) {
	need = append([]bool(nil), need...)
	switch m := n.(type) {
	case *plan.Scan:
		return pruneScan(m, need)
	case *plan.Sample:
		use(need, m.Keys...)
		in, at := prune(m.Input, need)
		out := *m
		out.Input, out.Keys = in, movedAll(m.Keys, at)
		return &out, at
	case *plan.VirtualScan:
		out := *m
		out.Columns, out.Out = pick(m.Columns, need), pick(m.Out, need)
		return &out, keep(need)
	case *plan.Values:
		out := &plan.Values{Out: pick(m.Out, need)}
		for _, r := range m.Rows {
			if len(m.Out) < len(r) {
				return m, numbers(len(need))
			}
			out.Rows = append(out.Rows, pick(r, need))
		}
		return out, keep(need)
	case *plan.Filter:
		use(need, m.Cond)
		in, at := prune(m.Input, need)
		return &plan.Filter{Input: in, Cond: moved(m.Cond, at)}, at
	case *plan.Project:
		return pruneProject(m, need)
	case *plan.ProjectSet:
		return pruneProjectSet(m, need)
	case *plan.Aggregate:
		return pruneAggregate(m, need)
	case *plan.Window:
		return pruneWindow(m, need)
	case *plan.Sort:
		for _, k := range m.Keys {
			use(need, k.Expr)
		}
		in, at := prune(m.Input, need)
		return &plan.Sort{Input: in, Keys: movedKeys(m.Keys, at), TopK: m.TopK}, at
	case *plan.Limit:
		for _, k := range m.WithTies {
			use(need, k.Expr)
		}
		in, at := prune(m.Input, need)
		return &plan.Limit{Input: in, Count: m.Count, Offset: m.Offset, WithTies: movedKeys(m.WithTies, at)}, at
	case *plan.LockRows:
		for _, l := range m.Locks {
			use(need, l.Keys...)
		}
		in, at := prune(m.Input, need)
		return plan.MapExprs(plan.WithInputs(m, []plan.Node{in}), func(e expr.Expr) expr.Expr { return moved(e, at) }), at
	case *plan.Distinct:
		if m.On == nil {
			return pruneAll(n)
		}
		use(need, m.On...)
		in, at := prune(m.Input, need)
		return &plan.Distinct{Input: in, On: movedAll(m.On, at)}, at
	case *plan.Number:
		return pruneNumber(m, need)
	case *plan.FirstOf:
		need[m.Column] = true
		in, at := prune(m.Input, need)
		return &plan.FirstOf{Input: in, Column: at[m.Column]}, at
	case *plan.Join:
		return pruneJoin(m, need)
	case *plan.AsofJoin:
		return pruneAsofJoin(m, need)
	case *plan.Apply:
		return pruneApply(m, need)
	case *plan.SetOp:
		if m.Kind != plan.UnionAll {
			return pruneAll(n)
		}
		out := *m
		out.Left, out.Right, out.Out = narrowed(m.Left, need), narrowed(m.Right, need), pick(m.Out, need)
		return &out, keep(need)
	case *plan.CTE:
		out := &plan.CTE{Defs: append([]plan.CTEDef(nil), m.Defs...)}
		for i := range out.Defs {
			d := &out.Defs[i]
			d.Init = pruneColumns(d.Init, allColumns(d.Init))
			if d.Step != nil {
				d.Step = pruneColumns(d.Step, allColumns(d.Step))
			}
		}
		var at []int
		out.Body, at = prune(m.Body, need)
		return out, at
	}
	return pruneAll(n)
}

// pruneAll prunes below a node that needs all columns of its inputs.
func pruneAll(n plan.Node) (plan.Node, []int) {
	return plan.MapInputs(n, func(in plan.Node) plan.Node { return pruneColumns(in, allColumns(in)) }), numbers(len(n.Fields()))
}

// narrowed yields exactly the columns needed, in order.
func narrowed(n plan.Node, need []bool) plan.Node {
	m, at := prune(n, need)
	k, same := 0, true
	fields := n.Fields()
	var es []expr.Expr
	var out []plan.Field
	for i, ok := range need {
		if !ok {
			continue
		}
		same = same && at[i] == k
		k++
		es = append(es, &expr.Column{Index: at[i], Name: fields[i].Name, T: fields[i].Type})
		out = append(out, fields[i])
	}
	if same && len(m.Fields()) == k {
		return m
	}
	return &plan.Project{Input: m, Exprs: es, Out: out}
}

func movedAll(es []expr.Expr, at []int) []expr.Expr {
	if es == nil {
		return nil
	}
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		out[i] = moved(e, at)
	}
	return out
}

func movedKeys(keys []plan.SortKey, at []int) []plan.SortKey {
	if keys == nil {
		return nil
	}
	out := make([]plan.SortKey, len(keys))
	for i, k := range keys {
		out[i] = plan.SortKey{Expr: moved(k.Expr, at), Desc: k.Desc, NullsFirst: k.NullsFirst}
	}
	return out
}

func pruneScan(s *plan.Scan, need []bool) (plan.Node, []int) {
	use(need, s.Filter...)
	at := keep(need)
	out := *s
	out.Out = pick(s.Out, need)
	out.Spec.Columns = pick[schema.ColumnID](s.Spec.Columns, need)
	out.Spec.Paths = usedPaths(&out)
	out.Filter = movedAll(s.Filter, at)
	return &out, at
}

// usedPaths are the paths of a scan that it returns or filters by.
func usedPaths(s *plan.Scan) (used []chunk.PathColumn) {
	for _, p := range s.Spec.Paths {
		if slices.Contains(s.Spec.Columns, p.ID) ||
			slices.ContainsFunc(s.Spec.Filter, func(f chunk.Predicate) bool { return f.Column == p.ID }) ||
			slices.ContainsFunc(s.Dynamic, func(d plan.DynamicPredicate) bool { return d.Column == p.ID }) {
			used = append(used, p)
		}
	}
	return used
}

func pruneProject(p *plan.Project, need []bool) (plan.Node, []int) {
	inNeed := make([]bool, len(p.Input.Fields()))
	for i, e := range p.Exprs {
		need[i] = need[i] || plan.IsVolatile(e)
		if need[i] {
			use(inNeed, e)
		}
	}
	in, at := prune(p.Input, inNeed)
	return &plan.Project{Input: in, Exprs: movedAll(pick(p.Exprs, need), at), Out: pick(p.Out, need)}, keep(need)
}

func pruneProjectSet(p *plan.ProjectSet, need []bool) (plan.Node, []int) {
	inNeed := make([]bool, len(p.Input.Fields()))
	for i := range p.Out {
		if p.Sets[i] != nil {
			need[i] = true // how many rows there are depends on it
			use(inNeed, p.Sets[i].Args...)
		} else if need[i] {
			use(inNeed, p.Exprs[i])
		}
	}
	in, at := prune(p.Input, inNeed)
	out := &plan.ProjectSet{Input: in, Exprs: pick(p.Exprs, need), Sets: pick(p.Sets, need), Out: pick(p.Out, need)}
	for i := range out.Exprs {
		if out.Sets[i] == nil {
			out.Exprs[i] = moved(out.Exprs[i], at)
			continue
		}
		call := *out.Sets[i]
		call.Args = movedAll(call.Args, at)
		out.Sets[i] = &call
	}
	return out, keep(need)
}

func pruneAggregate(a *plan.Aggregate, need []bool) (plan.Node, []int) {
	inNeed := make([]bool, len(a.Input.Fields()))
	use(inNeed, a.Keys...)
	k := len(a.Keys)
	for i := range need {
		if i < k || i >= k+len(a.Calls) {
			need[i] = true
		}
	}
	calls := pick(a.Calls, need[k:k+len(a.Calls)])
	for _, c := range calls {
		use(inNeed, c.Args...)
		use(inNeed, c.Direct...)
		use(inNeed, c.Filter)
		for _, s := range c.OrderBy {
			use(inNeed, s.Expr)
		}
	}
	in, at := prune(a.Input, inNeed)
	for i := range calls {
		c := &calls[i]
		c.Args, c.Direct, c.Filter, c.OrderBy = movedAll(c.Args, at), movedAll(c.Direct, at), moved(c.Filter, at), movedKeys(c.OrderBy, at)
	}
	return &plan.Aggregate{Input: in, Keys: movedAll(a.Keys, at), Sets: a.Sets, Calls: calls, Out: pick(a.Out, need)}, keep(need)
}

func pruneWindow(w *plan.Window, need []bool) (plan.Node, []int) {
	width := len(w.Input.Fields())
	inNeed := append([]bool(nil), need[:width]...)
	callNeed := need[width:]
	calls := pick(w.Calls, callNeed)
	use(inNeed, w.PartitionBy...)
	for _, k := range w.OrderBy {
		use(inNeed, k.Expr)
	}
	for _, c := range calls {
		use(inNeed, c.Args...)
		use(inNeed, c.Filter, c.Frame.Start.Offset, c.Frame.End.Offset)
	}
	if len(calls) == 0 {
		in, at := prune(w.Input, need[:width])
		full := append(at, make([]int, len(w.Calls))...)
		for i := width; i < len(full); i++ {
			full[i] = -1
		}
		return in, full
	}
	in, at := prune(w.Input, inNeed)
	out := &plan.Window{Input: in, PartitionBy: movedAll(w.PartitionBy, at), OrderBy: movedKeys(w.OrderBy, at), Calls: calls}
	for i := range calls {
		c := &calls[i]
		c.Args, c.Filter = movedAll(c.Args, at), moved(c.Filter, at)
		c.Frame.Start.Offset, c.Frame.End.Offset = moved(c.Frame.Start.Offset, at), moved(c.Frame.End.Offset, at)
	}
	inFields := in.Fields()
	out.Out = append(append([]plan.Field(nil), inFields...), pick(w.Out[width:], callNeed)...)
	full := append([]int(nil), at...)
	k := len(inFields)
	for _, ok := range callNeed {
		if ok {
			full = append(full, k)
			k++
		} else {
			full = append(full, -1)
		}
	}
	return out, full
}

func pruneNumber(n *plan.Number, need []bool) (plan.Node, []int) {
	width := len(n.Input.Fields())
	in, at := prune(n.Input, need[:width])
	if !need[width] {
		return in, append(at[:width:width], -1)
	}
	fields := in.Fields()
	out := append(fields[:len(fields):len(fields)], n.Out[width])
	return &plan.Number{Input: in, Out: out}, append(at[:width:width], len(fields))
}

// joined puts the numbers of two inputs' columns side by side.
func joined(la, ra []int, leftWidth int) []int {
	at := append([]int(nil), la...)
	for _, k := range ra {
		if k >= 0 {
			k += leftWidth
		}
		at = append(at, k)
	}
	return at
}

func pruneJoin(j *plan.Join, need []bool) (plan.Node, []int) {
	lw, rw := len(j.Left.Fields()), len(j.Right.Fields())
	both := make([]bool, lw+rw)
	copy(both, need)
	use(both, j.Cond)
	use(both[:lw], j.EquiLeft...)
	right := append([]bool(nil), both[lw:]...)
	use(right, j.EquiRight...)
	l, la := prune(j.Left, both[:lw])
	r, ra := prune(j.Right, right)
	at := joined(la, ra, len(l.Fields()))
	out := &plan.Join{Kind: j.Kind, Left: l, Right: r, EquiLeft: movedAll(j.EquiLeft, la), EquiRight: movedAll(j.EquiRight, ra), Cond: moved(j.Cond, at)}
	out.Out = append([]plan.Field(nil), l.Fields()...)
	switch j.Kind {
	case plan.SemiJoin, plan.AntiJoin, plan.NullAntiJoin:
		return out, la
	}
	out.Out = append(out.Out, r.Fields()...)
	return out, at
}

func pruneApply(a *plan.Apply, need []bool) (plan.Node, []int) {
	lw := len(a.Left.Fields())
	both := append([]bool(nil), need...)
	use(both, a.Cond)
	use(both[:lw], a.Outer...)
	l, la := prune(a.Left, both[:lw])
	r, ra := prune(a.Right, both[lw:])
	at := joined(la, ra, len(l.Fields()))
	out := &plan.Apply{Kind: a.Kind, Left: l, Right: r, Outer: movedAll(a.Outer, la), FirstParam: a.FirstParam, Cond: moved(a.Cond, at)}
	out.Out = append(append([]plan.Field(nil), l.Fields()...), r.Fields()...)
	return out, at
}

// pruneAsofJoin keeps the order of the right columns, which decides between rows of one time.
func pruneAsofJoin(j *plan.AsofJoin, need []bool) (plan.Node, []int) {
	lw := len(j.Left.Fields())
	both := append([]bool(nil), need...)
	use(both, j.Cond)
	use(both[:lw], append(j.EquiLeft[:len(j.EquiLeft):len(j.EquiLeft)], j.TimeLeft)...)
	use(both[lw:], append(j.EquiRight[:len(j.EquiRight):len(j.EquiRight)], j.TimeRight)...)
	l, la := prune(j.Left, both[:lw])
	r, ra := prune(j.Right, both[lw:])
	at := joined(la, ra, len(l.Fields()))
	out := *j
	out.Left, out.Right = l, r
	out.EquiLeft, out.EquiRight = movedAll(j.EquiLeft, la), movedAll(j.EquiRight, ra)
	out.TimeLeft, out.TimeRight, out.Cond = moved(j.TimeLeft, la), moved(j.TimeRight, ra), moved(j.Cond, at)
	out.Out = append(append([]plan.Field(nil), l.Fields()...), r.Fields()...)
	return &out, at
}
