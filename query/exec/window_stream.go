package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A windowStream computes window functions that look back only, or a few rows ahead, while the rows
// go by: it holds no partition, but a few rows before and behind, and the peers of
// the last row where frames end with them.
type windowStream struct {
	w     *window
	calls []streamCall
	// before and after are how many rows beside its own a row's results are made of.
	before, after int
	peers         bool // frames end with a row's peers

	held    []arrow.RecordBatch // rows that are looked back at, then those that are not ready
	rows    int
	marks   []rowMark
	history int // how many of the rows have been handed on
	ready   int // how many can be computed, those of history included
	begins  int // where the last partition begins among them
	group   int // where the last group of peers does
}

// A streamCall computes one window function. It is given the rows in order, from to to (exclusive) of
// a segment that may hold others, and keeps what it must know of those before.
type streamCall interface {
	next(ctx context.Context, s *segment, from, to int) (arrow.Array, error)
	sizeBytes() int64
	close()
}

// maxShift is how far lag and lead may look in a stream.
const maxShift = 1 << 16

// newWindowStream returns nil if one of the functions needs its whole partition.
func newWindowStream(w *window) *windowStream {
	st := &windowStream{w: w}
	for i := range w.node.Calls {
		c := st.call(&w.node.Calls[i])
		if c == nil {
			return nil
		}
		st.calls = append(st.calls, c)
	}
	return st
}

func (st *windowStream) call(c *plan.WindowCall) streamCall {
	// The rows that are held are computed again.
	if !parallelSafe(c.Args...) || !parallelSafe(c.Filter) {
		return nil
	}
	if c.Agg != nil {
		if !growsByRow(&c.Frame, len(st.w.node.OrderBy)) {
			return nil
		}
		st.peers = st.peers || c.Frame.Mode != plan.FrameRows
		return newGrowing(c)
	}
	switch c.Fn {
	case "row_number", "rank", "dense_rank":
		return &numbering{fn: c.Fn}
	case "lag", "lead":
		return st.shift(c)
	case "first_value":
		if c.Frame.Start.Kind != plan.UnboundedPreceding || c.Frame.Exclude != excludeNone || c.Frame.End.Kind != plan.CurrentRow && c.Frame.End.Kind != plan.UnboundedFollowing {
			return nil
		}
		return &firstValue{call: c}
	}
	return nil
}

// growsByRow says that frames begin with their partition and end with their row or its peers.
func growsByRow(f *plan.Frame, order int) bool {
	return f.Start.Kind == plan.UnboundedPreceding && f.End.Kind == plan.CurrentRow && f.Exclude == excludeNone &&
		(f.Mode == plan.FrameRows || order > 0)
}

// shift is lag or lead by a constant.
func (st *windowStream) shift(c *plan.WindowCall) streamCall {
	by := int64(1)
	if len(c.Args) > 1 {
		k, ok := c.Args[1].(*expr.Const)
		if !ok {
			return nil
		}
		switch v := k.Value.(type) {
		case nil:
			by = 0
		case int32:
			by = int64(v)
		default:
			return nil
		}
	}
	if by < -maxShift || by > maxShift {
		return nil
	}
	sign := int64(1)
	if c.Fn == "lag" {
		sign = -1
	}
	st.before, st.after = max(st.before, int(-sign*by)), max(st.after, int(sign*by))
	return &shifting{call: c, sign: sign}
}

// fill reads until some rows are computed, or to the end.
func (st *windowStream) fill(ctx context.Context) error {
	for st.w.out == nil && !st.w.done {
		b, err := st.w.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			st.w.done, st.ready = true, st.rows
		case err != nil:
			return err
		default:
			if err := st.hold(ctx, b); err != nil {
				return err
			}
		}
		if st.ready > st.history {
			if err := st.compute(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold takes over a batch and finds out which rows are ready now.
func (st *windowStream) hold(ctx context.Context, b arrow.RecordBatch) error {
	marks, err := st.w.mark(ctx, b)
	if err != nil {
		b.Release()
		return err
	}
	for i, m := range marks {
		if m == newPartition {
			st.begins = st.rows + i
		}
		if m != samePeers {
			st.group = st.rows + i
		}
	}
	st.held, st.marks, st.rows = append(st.held, b), append(st.marks, marks...), st.rows+len(marks)
	ready := st.rows
	if st.after > 0 {
		ready = max(st.rows-st.after, st.begins)
	}
	if st.peers {
		ready = min(ready, st.group)
	}
	st.ready = max(st.ready, ready)
	return st.w.acct.add(batchBytes(b) + int64(len(marks)))
}

// compute hands on the rows that are ready, and forgets those that nobody looks back at.
func (st *windowStream) compute(ctx context.Context) error {
	all, err := concatBatches(st.w.fr.mem(), st.w.sorterSchema(), st.held)
	if err != nil {
		return err
	}
	defer all.Release()
	releaseAll(st.held)
	st.held = nil
	s := newSegment(st.w, all, st.marks)
	part := all.NewSlice(int64(st.history), int64(st.ready))
	defer part.Release()
	cols := append([]arrow.Array(nil), part.Columns()...)
	for _, c := range cols {
		c.Retain()
	}
	size := int64(0)
	for _, c := range st.calls {
		col, err := c.next(ctx, s, st.history, st.ready)
		if err != nil {
			releaseAll(cols)
			return err
		}
		cols = append(cols, col)
		size += c.sizeBytes()
	}
	if st.w.out, err = newBatch(st.w.schema, cols, st.ready-st.history); err != nil {
		return err
	}
	st.w.at = 0
	size += batchBytes(st.w.out)
	from := max(0, st.ready-st.before)
	if from < st.rows {
		st.held = []arrow.RecordBatch{all.NewSlice(int64(from), int64(st.rows))}
		size += batchBytes(st.held[0])
	}
	st.marks = append(st.marks[:0], st.marks[from:]...)
	st.rows, st.history, st.ready = st.rows-from, st.ready-from, st.ready-from
	st.begins, st.group = max(0, st.begins-from), max(0, st.group-from)
	return st.w.acct.set(size + int64(cap(st.marks)))
}

func (st *windowStream) close() {
	releaseAll(st.held)
	st.held = nil
	for _, c := range st.calls {
		c.close()
	}
}

// numbering is row_number, rank and dense_rank.
type numbering struct {
	fn              string
	row, rank, rise int64
}

func (n *numbering) sizeBytes() int64 { return 0 }
func (n *numbering) close()           {}

func (n *numbering) next(_ context.Context, s *segment, from, to int) (arrow.Array, error) {
	b := array.NewInt64Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(to - from)
	of := map[string]*int64{"row_number": &n.row, "rank": &n.rank, "dense_rank": &n.rise}[n.fn]
	for _, m := range s.marks[from:to] {
		if m == newPartition {
			n.row, n.rise = 0, 0
		}
		n.row++
		if m != samePeers {
			n.rank = n.row
			n.rise++
		}
		b.UnsafeAppend(*of)
	}
	return b.NewArray(), nil
}

// shifting is lag and lead: the rows that it looks at are in the segment.
type shifting struct {
	call *plan.WindowCall
	sign int64
}

func (l *shifting) sizeBytes() int64 { return 0 }
func (l *shifting) close()           {}

func (l *shifting) next(ctx context.Context, s *segment, from, to int) (arrow.Array, error) {
	args, err := s.w.ev.evalAll(ctx, l.call.Args, s.b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(args)
	a, err := s.shift(args, l.sign)
	if err != nil {
		return nil, err
	}
	defer a.Release()
	return array.NewSlice(a, int64(from), int64(to)), nil
}

// firstValue is first_value of frames that begin with their partition.
type firstValue struct {
	call  *plan.WindowCall
	first arrow.Array // of the last partition
}

func (f *firstValue) sizeBytes() int64 {
	if f.first == nil {
		return 0
	}
	return arrayBytes(f.first)
}

func (f *firstValue) close() {
	if f.first != nil {
		f.first.Release()
		f.first = nil
	}
}

func (f *firstValue) next(ctx context.Context, s *segment, from, to int) (arrow.Array, error) {
	v, err := s.w.ev.eval(ctx, f.call.Args[0], s.b)
	if err != nil {
		return nil, err
	}
	values := expand(s.w.fr.mem(), v, s.rows)
	defer values.Release()
	all, before := values, 0
	if f.first != nil {
		before = 1
		if all, err = array.Concatenate([]arrow.Array{f.first, values}, s.w.fr.mem()); err != nil {
			return nil, err
		}
		defer all.Release()
	}
	idx := make([]int32, to-from)
	at := int32(0)
	for i := range idx {
		if s.marks[from+i] == newPartition {
			at = int32(from + i + before)
		}
		idx[i] = at
	}
	f.close()
	f.first = s.pick(all, []int32{at})
	return s.pick(all, idx), nil
}
