package optimize

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// orderJoins orders the inputs of neighbouring inner joins: the largest one is
// read as it comes (the probe side), the others are built into hash tables,
// smallest first among those that a condition connects. Outer joins keep their
// place; a left join whose left side is much the smaller one becomes a right join.
func (c *Context) orderJoins(n plan.Node) plan.Node {
	if j, ok := n.(*plan.Join); ok && j.Kind == plan.InnerJoin {
		return c.orderCluster(j)
	}
	n = plan.MapInputs(n, c.orderJoins)
	if j, ok := n.(*plan.Join); ok && j.Kind == plan.LeftJoin {
		return c.swapLeft(j)
	}
	return n
}

// A cluster is a set of inputs joined by inner joins: the columns of the inputs
// follow each other in the order of the inputs.
type cluster struct {
	inputs []plan.Node
	start  []int // first column of each input
	width  int
	conds  []expr.Expr // over the columns of all
}

func (c *Context) collect(n plan.Node, cl *cluster) {
	j, ok := n.(*plan.Join)
	if !ok || j.Kind != plan.InnerJoin {
		cl.inputs = append(cl.inputs, c.orderJoins(n))
		cl.start = append(cl.start, cl.width)
		cl.width += len(n.Fields())
		return
	}
	base := cl.width
	c.collect(j.Left, cl)
	c.collect(j.Right, cl)
	for _, e := range plan.Conjuncts(j.Cond) {
		cl.conds = append(cl.conds, plan.Shift(e, base))
	}
}

// maxCluster bounds the work of ordering; larger clusters stay as written.
const maxCluster = 64

func (c *Context) orderCluster(j *plan.Join) plan.Node {
	cl := &cluster{}
	c.collect(j, cl)
	n := len(cl.inputs)
	for _, e := range cl.conds {
		if plan.IsVolatile(e) {
			n = 0
		}
	}
	if n < 2 || n > maxCluster {
		return plan.MapInputs(j, c.orderJoins)
	}
	size := make([]float64, n)
	first := 0
	for i, in := range cl.inputs {
		size[i] = c.estimate(in)
		if size[i] > size[first]*1.2 {
			first = i
		}
	}
	order := []int{first}
	used := map[int]bool{first: true}
	for len(order) < n {
		best, bestConnected := -1, false
		for i := range cl.inputs {
			if used[i] {
				continue
			}
			connected := c.connected(cl, used, i)
			if best < 0 || connected && !bestConnected || connected == bestConnected && size[i] < size[best] {
				best, bestConnected = i, connected
			}
		}
		order, used[best] = append(order, best), true
	}
	return cl.build(order, j.Out)
}

// inputOf returns the number of the input that a column belongs to.
func (cl *cluster) inputOf(col int) int {
	i := len(cl.start) - 1
	for cl.start[i] > col {
		i--
	}
	return i
}

// connected says whether an equality joins input i with those used.
func (c *Context) connected(cl *cluster, used map[int]bool, i int) bool {
	for _, e := range cl.conds {
		op, _ := c.operator(e)
		if op == nil || op.Name != "=" {
			continue
		}
		cols := map[int]bool{}
		plan.Columns(e, cols)
		hasI, others, ok := false, false, true
		for col := range cols {
			in := cl.inputOf(col)
			switch {
			case in == i:
				hasI = true
			case used[in]:
				others = true
			default:
				ok = false
			}
		}
		if hasI && others && ok {
			return true
		}
	}
	return false
}

// build makes a left-deep tree of joins in the order given, and brings the
// columns back into the order of out.
func (cl *cluster) build(order []int, out []plan.Field) plan.Node {
	at := make([]int, cl.width) // of each column in the tree so far, -1 if not there
	for i := range at {
		at[i] = -1
	}
	place := func(in, from int) {
		for k := range cl.inputs[in].Fields() {
			at[cl.start[in]+k] = from + k
		}
	}
	n := cl.inputs[order[0]]
	place(order[0], 0)
	done := make([]bool, len(cl.conds))
	for _, i := range order[1:] {
		left := n.Fields()
		place(i, len(left))
		var conds []expr.Expr
		for k, e := range cl.conds {
			cols := map[int]bool{}
			plan.Columns(e, cols)
			ready := !done[k]
			for col := range cols {
				ready = ready && at[col] >= 0
			}
			if ready {
				done[k] = true
				conds = append(conds, plan.MapColumns(e, func(col *expr.Column) expr.Expr {
					return &expr.Column{Index: at[col.Index], Name: col.Name, T: col.T}
				}))
			}
		}
		n = &plan.Join{Kind: plan.InnerJoin, Left: n, Right: cl.inputs[i], Cond: plan.And(conds...),
			Out: append(append([]plan.Field(nil), left...), cl.inputs[i].Fields()...)}
	}
	same := true
	es := make([]expr.Expr, cl.width)
	for col := range es {
		es[col] = &expr.Column{Index: at[col], Name: out[col].Name, T: out[col].Type}
		same = same && at[col] == col
	}
	if same {
		return n
	}
	return &plan.Project{Input: n, Exprs: es, Out: out}
}

// swapLeft builds the hash table of a left join from its left side, if that is
// much the smaller one.
func (c *Context) swapLeft(j *plan.Join) plan.Node {
	l, r := c.estimate(j.Left), c.estimate(j.Right)
	if l*4 > r {
		return j
	}
	lw, rw := len(j.Left.Fields()), len(j.Right.Fields())
	move := func(col int) int {
		if col < lw {
			return col + rw
		}
		return col - lw
	}
	cond := j.Cond
	if cond != nil {
		cond = plan.MapColumns(cond, func(col *expr.Column) expr.Expr {
			return &expr.Column{Index: move(col.Index), Name: col.Name, T: col.T}
		})
	}
	swapped := &plan.Join{Kind: plan.RightJoin, Left: j.Right, Right: j.Left, Cond: cond,
		Out: append(append([]plan.Field(nil), j.Out[lw:]...), j.Out[:lw]...)}
	es := make([]expr.Expr, lw+rw)
	for col := range es {
		es[col] = &expr.Column{Index: move(col), Name: j.Out[col].Name, T: j.Out[col].Type}
	}
	return &plan.Project{Input: swapped, Exprs: es, Out: j.Out}
}

// Guesses where nothing is known.
const (
	virtualRows   = 200
	functionRows  = 100
	recursiveRows = 1000
)

// estimate guesses how many rows a node yields.
func (c *Context) estimate(n plan.Node) float64 {
	switch m := n.(type) {
	case *plan.Scan:
		rows := 1000.0
		if c.Rows != nil {
			rows = float64(max(c.Rows(m.Table.OID), 1))
		}
		for _, e := range m.Filter {
			rows *= c.selectivity(e)
		}
		for _, p := range m.Spec.Filter {
			if p.Op == chunk.OpEQ {
				rows *= 0.01
			} else {
				rows *= 0.3
			}
		}
		return max(rows, 1)
	case *plan.VirtualScan:
		return virtualRows
	case *plan.Values:
		return float64(len(m.Rows))
	case *plan.FunctionScan:
		return functionRows
	case *plan.Filter:
		rows := c.estimate(m.Input)
		for _, e := range plan.Conjuncts(m.Cond) {
			rows *= c.selectivity(e)
		}
		return max(rows, 1)
	case *plan.Aggregate:
		if len(m.Keys) == 0 {
			return 1
		}
		return max(c.estimate(m.Input)*0.1, 1)
	case *plan.ScanAggregate:
		return 1
	case *plan.Limit:
		rows := c.estimate(m.Input)
		if v, ok := constant(m.Count); ok {
			if k, isInt := v.(int64); isInt {
				return min(rows, float64(k))
			}
		}
		return rows
	case *plan.Distinct:
		return max(c.estimate(m.Input)*0.2, 1)
	case *plan.Join:
		l, r := c.estimate(m.Left), c.estimate(m.Right)
		switch m.Kind {
		case plan.SemiJoin, plan.AntiJoin, plan.NullAntiJoin:
			return max(l*0.5, 1)
		}
		if m.Cond == nil && len(m.EquiLeft) == 0 {
			return l * r
		}
		return max(l, r)
	case *plan.Apply:
		return c.estimate(m.Left) * 2
	case *plan.SetOp:
		return c.estimate(m.Left) + c.estimate(m.Right)
	case *plan.CTE:
		return c.estimate(m.Body)
	case *plan.CTEScan:
		return recursiveRows
	}
	if in := n.Inputs(); len(in) == 1 {
		return c.estimate(in[0])
	}
	return recursiveRows
}

// selectivity guesses which part of the rows passes a condition.
func (c *Context) selectivity(e expr.Expr) float64 {
	switch x := e.(type) {
	case *expr.AnyAll:
		return 0.05
	case *expr.IsNull:
		if x.Not {
			return 0.9
		}
		return 0.1
	case *expr.Or:
		p := 1.0
		for _, a := range x.Args {
			p *= 1 - c.selectivity(a)
		}
		return 1 - p
	}
	if op, _ := c.operator(e); op != nil {
		switch op.Name {
		case "=":
			return 0.01
		case "<>":
			return 0.9
		}
	}
	return 0.3
}
