package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A callState is one aggregate call over the groups of one grouping set.
type callState struct {
	fr   *frame
	call *plan.AggCall
	acc  function.Accumulator
	args []expr.Expr // direct ones first
	// seen holds, for DISTINCT, the combinations of group and arguments met.
	seen   *keyTable
	seenAt []int32
	// sorter holds, for ORDER BY, groups and arguments until all are there.
	sorter *sorter
	order  *sortKeys
}

func newCallState(f *frame, c *plan.AggCall) *callState {
	s := &callState{fr: f, call: c, args: callArgsOf(c)}
	types := exprTypes(s.args)
	s.acc = c.Agg.New(types, c.T)
	if c.Distinct {
		s.seen = newKeyTable(f.mem(), append([]datum.Type{datum.Of(datum.Int4)}, types...))
	}
	if keys := callOrder(c); len(keys) > 0 {
		fields := []arrow.Field{{Name: "group", Type: arrow.PrimitiveTypes.Int32}}
		for _, t := range types {
			fields = append(fields, datum.Field("arg", t))
		}
		s.sorter = newSorter(f, arrow.NewSchema(fields, nil), nil)
		s.order = f.sortKeys(keys)
	}
	return s
}

// callArgsOf returns the arguments that the accumulator takes.
func callArgsOf(c *plan.AggCall) []expr.Expr {
	if len(c.Direct) == 0 {
		return c.Args
	}
	return append(append([]expr.Expr(nil), c.Direct...), c.Args...)
}

// callOrder returns the order in which the accumulator wants its rows. DISTINCT
// sorts, as in PostgreSQL, where the order can be seen in the result.
func callOrder(c *plan.AggCall) []plan.SortKey {
	if len(c.OrderBy) > 0 {
		return c.OrderBy
	}
	if !c.Distinct || !c.Agg.Ordered {
		return nil
	}
	var keys []plan.SortKey
	for _, a := range c.Args {
		keys = append(keys, plan.SortKey{Expr: a})
	}
	return keys
}

// callArgs are the arguments of all calls over one batch.
type callArgs struct{ calls []callInput }

type callInput struct {
	args  []function.Vec
	order []function.Vec
	rows  []int32 // that FILTER passes
	all   bool    // FILTER passes all
	// counts, if not nil, says how many rows have each of the values that args are.
	counts []int32
}

func (c *callArgs) release() {
	for _, x := range c.calls {
		releaseVecs(x.args)
		releaseVecs(x.order)
	}
}

// evalArgs computes the arguments, filters and sort keys of all calls. The rows
// that a FILTER leaves out are not computed: their arguments might fail.
func (a *aggregation) evalArgs(ctx context.Context, b arrow.RecordBatch) (*callArgs, error) {
	out := &callArgs{calls: make([]callInput, 0, len(a.op.node.Calls))}
	for i := range a.op.node.Calls {
		in, err := a.evalCall(ctx, a.sets[0].calls[i], b)
		if err != nil {
			out.release()
			return nil, err
		}
		out.calls = append(out.calls, in)
	}
	return out, nil
}

func (a *aggregation) evalCall(ctx context.Context, c *callState, b arrow.RecordBatch) (in callInput, err error) {
	in.all = true
	if batch, ok := b.(*chunk.CodedBatch); ok && a.op.oneGroup() && c.counted() != nil {
		col, v, err := a.ev.evalValues(ctx, c.args[0], batch)
		if err != nil {
			return in, err
		}
		if col != nil {
			in.args, in.counts = []function.Vec{v}, col.Counts()
			return in, nil
		}
	}
	sub := b
	if c.call.Filter != nil {
		in.rows, in.all, err = a.ev.keep(ctx, c.call.Filter, b)
		if err != nil || len(in.rows) == 0 {
			return in, err
		}
		if !in.all && !onlyColumns(c.args) {
			if sub, err = selectRows(a.op.fr.mem(), b, in.rows); err != nil {
				return in, err
			}
			defer sub.Release()
		}
	}
	if in.args, err = a.ev.evalAll(ctx, c.args, sub); err != nil {
		return in, err
	}
	if c.order != nil {
		if in.order, err = c.order.eval(ctx, sub); err != nil {
			releaseVecs(in.args)
			return in, err
		}
	}
	if sub != b {
		spread(a.op.fr.mem(), in.args, in.rows, int(b.NumRows()))
		spread(a.op.fr.mem(), in.order, in.rows, int(b.NumRows()))
	}
	return in, nil
}

func onlyColumns(es []expr.Expr) bool {
	for _, e := range es {
		switch e.(type) {
		case *expr.Column, *expr.Const, *expr.Param:
		default:
			return false
		}
	}
	return true
}

// spread moves values computed for some rows to their places among n rows.
func spread(mem memory.Allocator, vs []function.Vec, rows []int32, n int) {
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = -1
	}
	for k, i := range rows {
		idx[i] = int32(k)
	}
	for i, v := range vs {
		if !v.Const {
			vs[i].Array = gather(mem, v.Array, idx)
			v.Release()
		}
	}
}

// takesAll says that add needs no groups if there is one only.
func (c *callState) takesAll() bool { return c.seen == nil && c.sorter == nil }

// counted returns the accumulator if it may be given each value of the argument once
// for all rows that have it, else nil.
func (c *callState) counted() function.Counted { return countedOf(c.call, c.acc) }

func countedOf(c *plan.AggCall, a function.Accumulator) function.Counted {
	if c.Distinct || len(callOrder(c)) > 0 || c.Filter != nil || len(callArgsOf(c)) != 1 {
		return nil
	}
	counted, _ := a.(function.Counted)
	return counted
}

// add folds in the rows (nil: all) of a batch of n. groups may be nil if takesAll
// says so: all rows are of the first group then.
func (c *callState) add(ctx context.Context, ev *evaluator, groups []int32, in *callInput, n int, rows []int32) error {
	if in.counts != nil {
		return c.counted().AddCounted(ev.context(ctx), in.args[0], in.counts)
	}
	if !in.all {
		rows = intersect(in.rows, rows)
		if len(rows) == 0 {
			return nil
		}
	}
	if c.seen != nil {
		rows = c.unseen(groups, in.args, n, rows)
		if len(rows) == 0 {
			return nil
		}
	}
	if c.sorter != nil {
		return c.hold(groups, in, n, rows)
	}
	return c.acc.Add(ev.context(ctx), groups, in.args, n, rows)
}

// intersect returns the rows that are in both rising lists; nil b is all rows.
func intersect(a, b []int32) []int32 {
	if b == nil {
		return a
	}
	out := make([]int32, 0, min(len(a), len(b)))
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			out = append(out, a[i])
			i++
			j++
		}
	}
	return out
}

// unseen returns the rows whose group and arguments are met for the first time.
func (c *callState) unseen(groups []int32, args []function.Vec, n int, rows []int32) []int32 {
	if rows != nil {
		// Only these may count as seen.
		sub := make([]function.Vec, len(args))
		for i, v := range args {
			sub[i] = v
			if !v.Const {
				sub[i].Array = gather(c.fr.mem(), v.Array, rows)
			} else {
				v.Retain()
			}
		}
		defer releaseVecs(sub)
		gs := make([]int32, len(rows))
		for k, i := range rows {
			gs[k] = groups[i]
		}
		fresh := c.unseen(gs, sub, len(rows), nil)
		for k, i := range fresh {
			fresh[k] = rows[i]
		}
		return fresh
	}
	g := int32Array(groups[:n])
	defer g.Release()
	if cap(c.seenAt) < n {
		c.seenAt = make([]int32, n)
	}
	at := c.seenAt[:n]
	next := int32(c.seen.len())
	c.seen.groups(append([]function.Vec{{Array: g}}, args...), n, at)
	fresh := make([]int32, 0, n)
	for i, k := range at {
		if k == next {
			next++
			fresh = append(fresh, int32(i))
		}
	}
	return fresh
}

// int32Array views numbers as an array without copying.
func int32Array(v []int32) *array.Int32 {
	d := array.NewData(arrow.PrimitiveTypes.Int32, len(v),
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.GetBytes(v))}, nil, 0, 0)
	defer d.Release()
	return array.NewInt32Data(d)
}

// hold keeps rows for finish.
func (c *callState) hold(groups []int32, in *callInput, n int, rows []int32) error {
	if rows == nil {
		rows = make([]int32, n)
		for i := range rows {
			rows[i] = int32(i)
		}
	}
	mem := c.fr.mem()
	g := int32Array(groups[:n])
	defer g.Release()
	cols := []arrow.Array{gather(mem, g, rows)}
	for _, v := range in.args {
		if v.Const {
			cols = append(cols, gather(mem, v.Array, make([]int32, len(rows))))
		} else {
			cols = append(cols, gather(mem, v.Array, rows))
		}
	}
	b, err := newBatch(c.sorter.store.schema, cols, len(rows))
	if err != nil {
		return err
	}
	defer b.Release()
	return c.sorter.add(b, func(dst []byte, i int) []byte {
		row := int(rows[i])
		g := uint32(groups[row])
		dst = append(dst, byte(g>>24), byte(g>>16), byte(g>>8), byte(g))
		return c.order.append(dst, in.order, row)
	})
}

// finish folds in the rows that were held, in order.
func (c *callState) finish(ctx context.Context, ev *evaluator) error {
	if c.sorter == nil {
		return nil
	}
	if err := c.sorter.sorted(ctx); err != nil {
		return err
	}
	for {
		b, err := c.sorter.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		groups := b.Column(0).(*array.Int32).Int32Values()
		args := make([]function.Vec, len(c.args))
		for i, e := range c.args {
			args[i] = function.Vec{Array: b.Column(i + 1), T: e.Type()}
		}
		err = c.acc.Add(ev.context(ctx), groups, args, int(b.NumRows()), nil)
		b.Release()
		if err != nil {
			return err
		}
	}
}

func (c *callState) sizeBytes() int64 {
	n := c.acc.SizeBytes()
	if c.seen != nil {
		n += c.seen.sizeBytes()
	}
	return n // a sorter counts for itself
}

func (c *callState) release() {
	if c.seen != nil {
		c.seen.release()
	}
	if c.sorter != nil {
		_ = c.sorter.close() // closing a nameless temporary file loses nothing
	}
}
