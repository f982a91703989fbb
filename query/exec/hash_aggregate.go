package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// hashAggregate is GROUP BY, and aggregates without it. Parallel over a scan
// where the aggregates can be merged; groups that do not fit in memory go to
// temporary files by the hash of their key.
type hashAggregate struct {
	fr     *frame
	node   *plan.Aggregate
	in     *pipeline
	schema *arrow.Schema
	sets   []groupSet // one, or the grouping sets
	total  *aggregation
	out    *aggregation     // handed out at present
	spills []*spilledGroups // a stack: what did not fit, still to be aggregated
	begun  bool
	closed bool
}

// A groupSet is one grouping: the keys (by number) that rows are grouped by.
type groupSet struct {
	number int
	keys   []int
	exprs  []expr.Expr
}

func (f *frame) buildAggregate(n *plan.Aggregate) (Operator, error) {
	h := &hashAggregate{fr: f, node: n, schema: schemaOf(n.Out)}
	if n.Sets == nil {
		all := make([]int, len(n.Keys))
		for i := range all {
			all[i] = i
		}
		h.sets = []groupSet{{keys: all, exprs: n.Keys}}
	}
	for i, keys := range n.Sets {
		s := groupSet{number: i, keys: keys}
		for _, k := range keys {
			s.exprs = append(s.exprs, n.Keys[k])
		}
		h.sets = append(h.sets, s)
	}
	in, err := f.input(n.Input)
	if err != nil {
		return nil, err
	}
	h.in = in
	in.sink = h
	if in.scan != nil && !h.mergeable() {
		in.sink = nil
		h.in = &pipeline{fr: f, input: &exchange{p: in}, schema: in.schema}
	}
	return h, nil
}

// mergeable says that the aggregates may be computed in parts and merged.
func (h *hashAggregate) mergeable() bool {
	if !parallelSafe(h.node.Keys...) {
		return false
	}
	for _, c := range h.node.Calls {
		if c.Agg.Ordered || c.Agg.OrderedSet || c.Distinct || len(c.OrderBy) > 0 ||
			!parallelSafe(c.Args...) || !parallelSafe(c.Filter) {
			return false
		}
	}
	return true
}

func (h *hashAggregate) Schema() *arrow.Schema { return h.schema }

func (h *hashAggregate) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !h.begun {
		h.begun = true
		if err := h.run(ctx); err != nil {
			return nil, err
		}
	}
	for {
		if h.out != nil {
			b, err := h.out.next(ctx)
			if !errors.Is(err, io.EOF) {
				return b, err
			}
			h.out.discard()
			h.out = nil
		}
		if len(h.spills) == 0 {
			return nil, io.EOF
		}
		top := h.spills[len(h.spills)-1]
		a, err := top.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			h.spills = h.spills[:len(h.spills)-1]
		case err != nil:
			return nil, err
		default:
			h.handOut(a)
		}
	}
}

// handOut makes the groups of a the next ones, and what it spilled those after.
func (h *hashAggregate) handOut(a *aggregation) {
	h.out = a
	if a.spill != nil {
		h.spills = append(h.spills, a.spill)
		a.spill = nil
	}
}

func (h *hashAggregate) run(ctx context.Context) error {
	if err := h.fr.prepareSubqueries(ctx, h.exprs()...); err != nil {
		return err
	}
	newPart := func() part { return newAggregation(h, 0) }
	err := h.in.fold(ctx, newPart, func(ctx context.Context, p part) error {
		a := p.(*aggregation)
		if h.total == nil {
			h.total = a
			return nil
		}
		defer a.discard()
		return h.total.merge(ctx, a)
	})
	if err != nil {
		return err
	}
	if err := h.in.close(); err != nil {
		return err
	}
	if h.total == nil {
		h.total = newAggregation(h, 0)
	}
	a := h.total
	h.total = nil
	if a.merged {
		if err := a.takeBack(ctx); err != nil {
			a.discard()
			return err
		}
	}
	h.handOut(a)
	return a.finish(ctx)
}

// codedExprs implements codedSink: a column may be coded if it is the only key, or
// the argument of a call that counts values.
func (h *hashAggregate) codedExprs() (exprs, columns []expr.Expr) {
	if len(h.node.Keys) == 1 {
		columns = h.node.Keys
	}
	if h.oneGroup() {
		for i := range h.node.Calls {
			c := &h.node.Calls[i]
			if args := callArgsOf(c); countedOf(c, c.Agg.New(exprTypes(args), c.T)) != nil {
				columns = append(columns, args...)
			}
		}
	}
	return h.exprs(), columns
}

// oneGroup says that all rows are of one group.
func (h *hashAggregate) oneGroup() bool { return len(h.sets) == 1 && len(h.sets[0].exprs) == 0 }

// exprs are all expressions that are evaluated over the input.
func (h *hashAggregate) exprs() []expr.Expr {
	es := append([]expr.Expr(nil), h.node.Keys...)
	for _, c := range h.node.Calls {
		es = append(append(es, c.Args...), c.Filter)
	}
	return es
}

func (h *hashAggregate) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	err := h.in.close()
	if h.total != nil {
		h.total.discard()
	}
	if h.out != nil {
		h.out.discard()
	}
	for _, s := range h.spills {
		err = errors.Join(err, s.close())
	}
	h.spills = nil
	return err
}

// An aggregation is the state of an aggregate over a part of the input: its
// groups, by grouping set, and what did not fit.
type aggregation struct {
	op     *hashAggregate
	ev     *evaluator
	acct   *account
	level  int // of spilling
	sets   []*setState
	frozen bool  // no more groups are added: rows of others are spilled
	most   int64 // what a frozen aggregation may still grow to, in bytes
	merged bool  // from several parts
	spill  *spilledGroups
	groups []int32
	values []int32 // groups of the distinct values of a key

	set, group int // next to hand out
	reader     *keyReader
}

// A setState is the groups of one grouping set.
type setState struct {
	groupSet
	table *keyTable
	calls []*callState
}

func newAggregation(h *hashAggregate, level int) *aggregation {
	a := &aggregation{op: h, ev: h.fr.evaluator(), acct: h.fr.account(), level: level}
	for _, s := range h.sets {
		st := &setState{groupSet: s, table: newKeyTable(h.fr.mem(), exprTypes(s.exprs))}
		for i := range h.node.Calls {
			st.calls = append(st.calls, newCallState(h.fr, &h.node.Calls[i]))
		}
		if len(s.exprs) == 0 { // one group, also of no rows
			st.table.n = 1
			st.grow()
		}
		a.sets = append(a.sets, st)
	}
	return a
}

func (s *setState) grow() {
	for _, c := range s.calls {
		c.acc.Grow(s.table.len())
	}
}

func (a *aggregation) add(ctx context.Context, b arrow.RecordBatch) error {
	args, err := a.evalArgs(ctx, b)
	if err != nil {
		return err
	}
	defer args.release()
	for _, s := range a.sets {
		if err := a.addSet(ctx, s, b, args); err != nil {
			return err
		}
	}
	return a.count()
}

// groupsOf returns room for the groups of n rows, until the next call.
func (a *aggregation) groupsOf(n int) []int32 {
	if cap(a.groups) < n {
		a.groups = make([]int32, n)
	}
	return a.groups[:n]
}

// count brings the account up to date and stops taking in groups when memory is
// short. The states of the groups that are there may still grow somewhat.
func (a *aggregation) count() error {
	size := a.sizeBytes()
	if a.frozen && size <= a.most {
		a.acct.force(size)
		return nil
	}
	err := a.acct.set(size)
	if !a.canSpill() || err == nil && !a.acct.mustSpill() {
		return err
	}
	a.acct.force(size)
	a.frozen, a.most = true, size+size/4
	return nil
}

func (a *aggregation) canSpill() bool {
	return !a.frozen && a.op.fr.rt.Temp != nil && len(a.op.node.Keys) > 0 && a.level < maxSpillLevel
}

func (a *aggregation) sizeBytes() int64 {
	n := int64(4 * (cap(a.groups) + cap(a.values)))
	for _, s := range a.sets {
		n += s.table.sizeBytes()
		for _, c := range s.calls {
			n += c.sizeBytes()
		}
	}
	return n
}

func (a *aggregation) addSet(ctx context.Context, s *setState, b arrow.RecordBatch, args *callArgs) error {
	n := int(b.NumRows())
	if len(s.exprs) == 0 {
		return a.addAll(ctx, s, n, args)
	}
	if done, err := a.addCoded(ctx, s, b, args); done || err != nil {
		return err
	}
	keys, err := a.ev.evalAll(ctx, s.exprs, b)
	if err != nil {
		return err
	}
	defer releaseVecs(keys)
	groups := a.groupsOf(n)
	var rows []int32 // nil: all
	if !a.frozen {
		s.table.groups(keys, n, groups)
	} else {
		s.table.lookup(keys, n, groups)
		var out []int32
		rows, out = splitKnown(groups)
		if len(out) > 0 {
			if a.spill == nil {
				a.spill = newSpilledGroups(a.op, a.level)
			}
			if err := a.spill.add(s, b, keys, out); err != nil {
				return err
			}
		}
		if len(out) == n {
			return nil
		}
	}
	return a.addRows(ctx, s, groups, args, n, rows)
}

// addRows folds in the rows (nil: all) of a batch of n, given their groups.
func (a *aggregation) addRows(ctx context.Context, s *setState, groups []int32, args *callArgs, n int, rows []int32) error {
	s.grow()
	for i, c := range s.calls {
		if err := c.add(ctx, a.ev, groups, &args.calls[i], n, rows); err != nil {
			return err
		}
	}
	return nil
}

// addAll is addSet without keys: all rows are of one group.
func (a *aggregation) addAll(ctx context.Context, s *setState, n int, args *callArgs) error {
	var groups []int32
	for i, c := range s.calls {
		if !c.takesAll() && groups == nil {
			groups = a.groupsOf(n)
			clear(groups)
		}
		of := groups
		if c.takesAll() {
			of = nil
		}
		if err := c.add(ctx, a.ev, of, &args.calls[i], n, nil); err != nil {
			return err
		}
	}
	return nil
}

// addCoded is addSet by one key that is a coded column: the groups of its distinct
// values are those of the rows. done is false for other keys.
func (a *aggregation) addCoded(ctx context.Context, s *setState, b arrow.RecordBatch, args *callArgs) (done bool, err error) {
	batch, ok := b.(*chunk.CodedBatch)
	if !ok || a.frozen || len(s.exprs) != 1 {
		return false, nil
	}
	key, ok := s.exprs[0].(*expr.Column)
	if !ok || batch.Coded(key.Index) == nil {
		return false, nil
	}
	col := batch.Coded(key.Index)
	if cap(a.values) < col.Values.Len() {
		a.values = make([]int32, col.Values.Len())
	}
	values := a.values[:col.Values.Len()]
	s.table.groups([]function.Vec{{Array: col.Values, T: key.T}}, len(values), values)
	codes := col.Codes()
	groups := a.groupsOf(len(codes))
	for i, c := range codes {
		groups[i] = values[c]
	}
	return true, a.addRows(ctx, s, groups, args, len(groups), nil)
}

// splitKnown separates the rows whose group is known; rows is nil if all are.
func splitKnown(groups []int32) (rows, unknown []int32) {
	for i, g := range groups {
		if g < 0 {
			unknown = append(unknown, int32(i))
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	rows = make([]int32, 0, len(groups)-len(unknown))
	for i, g := range groups {
		if g >= 0 {
			rows = append(rows, int32(i))
		}
	}
	return rows, unknown
}

// merge folds in the groups of a part that comes after this one.
func (a *aggregation) merge(ctx context.Context, o *aggregation) error {
	fc := a.ev.context(ctx)
	for i, s := range a.sets {
		dst := s.table.merge(o.sets[i].table)
		s.grow()
		src := make([]int32, len(dst))
		for g := range src {
			src[g] = int32(g)
		}
		for j, c := range s.calls {
			if err := c.acc.Merge(fc, o.sets[i].calls[j].acc, src, dst); err != nil {
				return err
			}
		}
	}
	a.merged = true
	if o.spill != nil {
		if a.spill == nil {
			a.spill, o.spill = o.spill, nil
		} else {
			a.spill.absorb(o.spill)
		}
	}
	size := a.sizeBytes()
	a.acct.force(size)
	if o.frozen {
		a.frozen, a.most = true, size+size/4
	}
	return nil
}

// discard releases everything.
func (a *aggregation) discard() {
	if a.reader != nil {
		a.reader.release()
		a.reader = nil
	}
	for _, s := range a.sets {
		s.table.release()
		for _, c := range s.calls {
			c.release()
		}
	}
	a.sets = nil
	_ = a.spill.close() // the files have no names: nothing is left behind
	a.spill = nil
	a.acct.close()
}

// finish computes what could only be once all rows are there. The next method
// then hands out the groups.
func (a *aggregation) finish(ctx context.Context) error {
	a.op.fr.rt.Stats.node(a.op.node).notePeak(a.acct.peak)
	for _, s := range a.sets {
		for _, c := range s.calls {
			if err := c.finish(ctx, a.ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// next returns the next groups, or io.EOF.
func (a *aggregation) next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for ; a.set < len(a.sets); a.set, a.group = a.set+1, 0 {
		s := a.sets[a.set]
		from, to := a.group, min(a.group+maxBatchRows, s.table.len())
		if from == to || a.level > 0 && len(s.exprs) == 0 {
			continue // the grand total is not spilled
		}
		if from == 0 {
			if a.reader != nil {
				a.reader.release()
			}
			a.reader = s.table.reader()
		}
		a.group = to
		return a.batch(ctx, s, from, to)
	}
	return nil, io.EOF
}

func (a *aggregation) batch(ctx context.Context, s *setState, from, to int) (arrow.RecordBatch, error) {
	h := a.op
	n := to - from
	cols := make([]arrow.Array, 0, h.schema.NumFields())
	at := make([]int, len(h.node.Keys)) // key number to place in the set, plus one
	for j, k := range s.keys {
		at[k] = j + 1
	}
	for k, e := range h.node.Keys {
		if at[k] == 0 {
			cols = append(cols, array.MakeArrayOfNull(h.fr.mem(), e.Type().Arrow(), n))
		} else {
			cols = append(cols, a.reader.array(at[k]-1, from, to))
		}
	}
	fc := a.ev.context(ctx)
	for _, c := range s.calls {
		col, err := c.acc.Result(fc, from, to, c.call.T)
		if err != nil {
			releaseAll(cols)
			return nil, err
		}
		cols = append(cols, col)
	}
	if h.node.Sets != nil {
		cols = append(cols, datum.NewArray(h.fr.mem(), datum.Of(datum.Int4), int32(s.number), n))
	}
	return newBatch(h.schema, cols, n)
}

// context returns the evaluator's function context for one call.
func (ev *evaluator) context(ctx context.Context) *function.Context {
	ev.c.Context.Context = ctx
	return ev.c.Context
}
