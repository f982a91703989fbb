package optimize

import (
	"math/bits"
	"slices"

	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// orderJoins orders the inputs of neighbouring inner joins. It begins with the largest one
// and joins next, of those that a condition connects, the one that leaves the fewest rows.
// The smaller side of each join is built into a hash table, the larger one is read as it
// comes. Outer joins keep their place; a left join whose left side is much the smaller one
// becomes a right join.
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
	// uses are the inputs whose columns a condition has, as bits; equal says that it is an equality.
	uses  []uint64
	equal []bool
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
	c.poll()
	if n, ok := orderable(j); !ok || n > maxCluster {
		return plan.MapInputs(j, c.orderJoins)
	}
	cl := &cluster{}
	c.collect(j, cl)
	n := len(cl.inputs)
	c.describe(cl)
	t := &tree{context: c, cluster: cl, done: make([]bool, len(cl.conds)), at: make([]int, cl.width)}
	for i := range t.at {
		t.at[i] = -1
	}
	for _, in := range cl.inputs {
		t.sizes = append(t.sizes, c.estimate(in))
	}
	t.begin(t.largest())
	for bits.OnesCount64(t.used) < n {
		t.join(t.next())
	}
	return t.result(j.Out)
}

// A tree is what of a cluster has been joined.
type tree struct {
	context *Context
	*cluster
	sizes []*estimated // of the inputs
	used  uint64       // inputs, as bits
	done  []bool       // of the conditions
	at    []int        // of each column in node, -1 if it is not there
	node  plan.Node
	size  *estimated
}

// largest returns the first of the inputs that are the largest by far.
func (t *tree) largest() int {
	first := 0
	for i, s := range t.sizes {
		if s.rows > t.sizes[first].rows*1.2 {
			first = i
		}
	}
	return first
}

func (t *tree) begin(i int) {
	t.node, t.size, t.used = t.inputs[i], t.sizes[i], 1<<i
	for k := range t.inputs[i].Fields() {
		t.at[t.start[i]+k] = k
	}
}

// next returns the input to be joined next.
func (t *tree) next() int {
	best, bestConnected, bestRows := -1, false, 0.0
	for i := range t.inputs {
		if t.used>>i&1 == 1 {
			continue
		}
		connected := t.connected(i)
		if best >= 0 && bestConnected && !connected {
			continue
		}
		rows := t.rowsWith(i)
		if best < 0 || connected && !bestConnected || rows < bestRows || rows == bestRows && t.sizes[i].rows < t.sizes[best].rows {
			best, bestConnected, bestRows = i, connected, rows
		}
	}
	return best
}

// rowsWith guesses how many rows there are when an input is joined.
func (t *tree) rowsWith(i int) float64 {
	both := &estimated{rows: t.size.rows * t.sizes[i].rows, columns: append(slices.Clone(t.size.columns), t.sizes[i].columns...)}
	_, conds := t.ready(i, len(t.node.Fields()))
	return bounded(both.rows * t.context.pairs(t.size, t.sizes[i], both, nil, conds))
}

// ready returns the conditions that can be asked when an input is joined, over the columns of the
// tree and, from column width on, of the input.
func (t *tree) ready(i, width int) (which []int, conds []expr.Expr) {
	place := func(col int) int {
		if t.inputOf(col) == i {
			return col - t.start[i] + width
		}
		return t.at[col]
	}
	for k, e := range t.conds {
		if !t.done[k] && t.uses[k]&^(t.used|1<<i) == 0 {
			which = append(which, k)
			conds = append(conds, plan.MapColumns(e, func(col *expr.Column) expr.Expr {
				return &expr.Column{Index: place(col.Index), Name: col.Name, T: col.T}
			}))
		}
	}
	return which, conds
}

// join joins an input.
func (t *tree) join(i int) {
	left, right := t.node, t.inputs[i]
	lw, rw := len(left.Fields()), len(right.Fields())
	which, conds := t.ready(i, lw)
	for _, k := range which {
		t.done[k] = true
	}
	for k := range rw {
		t.at[t.start[i]+k] = lw + k
	}
	if t.used |= 1 << i; t.size.rows < t.sizes[i].rows { // the right side is the one that is built
		left, right = right, left
		swap := func(col int) int { return (col + rw) % (lw + rw) }
		for k, e := range conds {
			conds[k] = plan.MapColumns(e, func(col *expr.Column) expr.Expr {
				return &expr.Column{Index: swap(col.Index), Name: col.Name, T: col.T}
			})
		}
		for col, at := range t.at {
			if at >= 0 {
				t.at[col] = swap(at)
			}
		}
	}
	t.node = &plan.Join{Kind: plan.InnerJoin, Left: left, Right: right, Cond: plan.And(conds...),
		Out: append(append([]plan.Field(nil), left.Fields()...), right.Fields()...)}
	t.size = t.context.estimate(t.node)
}

// result brings the columns back into the order of out.
func (t *tree) result(out []plan.Field) plan.Node {
	same := true
	es := make([]expr.Expr, t.width)
	for col := range es {
		es[col] = &expr.Column{Index: t.at[col], Name: out[col].Name, T: out[col].Type}
		same = same && t.at[col] == col
	}
	if same {
		return t.node
	}
	return &plan.Project{Input: t.node, Exprs: es, Out: out}
}

// orderable counts the inputs of a cluster; ok is false if a condition is volatile.
func orderable(n plan.Node) (inputs int, ok bool) {
	j, isJoin := n.(*plan.Join)
	if !isJoin || j.Kind != plan.InnerJoin {
		return 1, true
	}
	if j.Cond != nil && plan.IsVolatile(j.Cond) {
		return 0, false
	}
	l, ok1 := orderable(j.Left)
	r, ok2 := orderable(j.Right)
	return l + r, ok1 && ok2
}

// inputOf returns the number of the input that a column belongs to.
func (cl *cluster) inputOf(col int) int {
	i := len(cl.start) - 1
	for cl.start[i] > col {
		i--
	}
	return i
}

// describe finds out what the conditions use.
func (c *Context) describe(cl *cluster) {
	for _, e := range cl.conds {
		cols, uses := map[int]bool{}, uint64(0)
		plan.Columns(e, cols)
		for col := range cols {
			uses |= 1 << cl.inputOf(col)
		}
		op, _ := c.operator(e)
		cl.uses, cl.equal = append(cl.uses, uses), append(cl.equal, op != nil && op.Name == "=")
	}
}

// connected says whether an equality joins input i with those that are joined.
func (t *tree) connected(i int) bool {
	for k, uses := range t.uses {
		if t.equal[k] && uses>>i&1 == 1 && uses&t.used != 0 && uses&^(t.used|1<<i) == 0 {
			return true
		}
	}
	return false
}

// swapLeft builds the hash table of a left join from its left side, if that is
// much the smaller one.
func (c *Context) swapLeft(j *plan.Join) plan.Node {
	if c.estimate(j.Left).rows*4 > c.estimate(j.Right).rows {
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
