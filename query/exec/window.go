package exec

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// window computes window functions: the rows are sorted by partition and order
// here, then go by as a stream, or are taken in segments of whole partitions where a function needs that.
type window struct {
	fr     *frame
	node   *plan.Window
	in     Operator
	schema *arrow.Schema
	ev     *evaluator
	sorter *sorter
	part   *sortKeys
	order  *sortKeys
	acct   *account
	stream *windowStream // nil: whole partitions are taken

	held  []arrow.RecordBatch // rows of the partition that has not ended
	marks []rowMark           // of the held rows
	lastP []byte              // keys of the last row
	lastO []byte
	ended bool
	out   arrow.RecordBatch // a segment with its results, handed out in slices
	at    int64
	begun bool
	done  bool
}

// A rowMark says how a row relates to the one before.
type rowMark uint8

const (
	samePeers    rowMark = iota // equal in partition and order
	newPeers                    // equal in partition
	newPartition                // another partition
)

func (f *frame) buildWindow(n *plan.Window) (Operator, error) {
	in, err := f.build(n.Input)
	if err != nil {
		return nil, err
	}
	var part []plan.SortKey
	for _, e := range n.PartitionBy {
		part = append(part, plan.SortKey{Expr: e})
	}
	w := &window{
		fr: f, node: n, in: in, schema: schemaOf(n.Out), ev: f.evaluator(),
		sorter: newSorter(f, in.Schema(), f.rt.Stats.node(n)),
		part:   f.sortKeys(part), order: f.sortKeys(n.OrderBy), acct: f.account(),
	}
	w.stream = newWindowStream(w)
	return w, nil
}

func (w *window) Schema() *arrow.Schema { return w.schema }

func (w *window) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !w.begun {
		w.begun = true
		if err := w.sort(ctx); err != nil {
			return nil, err
		}
	}
	for {
		if w.out != nil {
			if n := w.out.NumRows(); w.at < n {
				to := min(w.at+maxBatchRows, n)
				b := w.out.NewSlice(w.at, to)
				w.at = to
				return b, nil
			}
			w.out.Release()
			w.out = nil
		}
		if w.done {
			return nil, io.EOF
		}
		fill := w.fill
		if w.stream != nil {
			fill = w.stream.fill
		}
		if err := fill(ctx); err != nil {
			return nil, err
		}
	}
}

// sort reads and sorts the input.
func (w *window) sort(ctx context.Context) error {
	if len(w.part.exprs)+len(w.order.exprs) == 0 {
		return nil // in the order in which the rows come
	}
	keys := &sortKeys{
		ev:    w.ev,
		exprs: append(append([]expr.Expr(nil), w.part.exprs...), w.order.exprs...),
		types: append(append(keys0(w.part.types), w.part.types...), w.order.types...),
		order: append(append(keys0(w.part.order), w.part.order...), w.order.order...),
	}
	err := Drain(ctx, w.in, func(b arrow.RecordBatch) error { return w.sorter.addBatch(ctx, b, keys) })
	if err != nil {
		return err
	}
	if err := w.in.Close(); err != nil {
		return err
	}
	return w.sorter.sorted(ctx)
}

// keys0 is an empty list of the type of its argument.
func keys0[T any]([]T) []T { return nil }

// next returns the next rows in order.
func (w *window) next(ctx context.Context) (arrow.RecordBatch, error) {
	if len(w.part.exprs)+len(w.order.exprs) == 0 {
		return w.in.Next(ctx)
	}
	return w.sorter.next(ctx)
}

// fill reads until at least one partition is complete and computes it.
func (w *window) fill(ctx context.Context) error {
	for {
		b, err := w.next(ctx)
		if errors.Is(err, io.EOF) {
			w.done = true
			return w.segment(ctx, nil, nil)
		}
		if err != nil {
			return err
		}
		marks, err := w.mark(ctx, b)
		if err != nil {
			b.Release()
			return err
		}
		last := -1 // start of the last partition that begins in b
		for i, m := range marks {
			if m == newPartition {
				last = i
			}
		}
		if last > 0 || last == 0 && len(w.held) > 0 {
			err := w.segment(ctx, b.NewSlice(0, int64(last)), marks[:last])
			if err == nil {
				err = w.hold(b.NewSlice(int64(last), b.NumRows()), marks[last:])
			}
			b.Release()
			return err
		}
		if err := w.hold(b, marks); err != nil {
			return err
		}
	}
}

// hold keeps rows, whose reference it takes over.
func (w *window) hold(b arrow.RecordBatch, marks []rowMark) error {
	w.held = append(w.held, b)
	w.marks = append(w.marks, marks...)
	return w.acct.add(batchBytes(b) + int64(len(marks)))
}

// mark compares each row with the one before.
func (w *window) mark(ctx context.Context, b arrow.RecordBatch) ([]rowMark, error) {
	ps, err := w.part.eval(ctx, b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(ps)
	os, err := w.order.eval(ctx, b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(os)
	marks := make([]rowMark, b.NumRows())
	var p, o []byte
	for i := range marks {
		p, o = w.part.append(p[:0], ps, i), w.order.append(o[:0], os, i)
		switch {
		case !w.ended || !bytes.Equal(p, w.lastP):
			marks[i] = newPartition
		case !bytes.Equal(o, w.lastO):
			marks[i] = newPeers
		}
		w.ended = true
		p, w.lastP = w.lastP, p
		o, w.lastO = w.lastO, o
	}
	return marks, nil
}

// segment computes the held rows and those of b, which it takes over.
func (w *window) segment(ctx context.Context, b arrow.RecordBatch, marks []rowMark) error {
	parts := w.held
	if b != nil {
		if b.NumRows() > 0 {
			parts = append(parts, b)
		} else {
			b.Release()
		}
	}
	marks = append(w.marks, marks...)
	w.held, w.marks = nil, nil
	if len(parts) == 0 {
		return nil
	}
	all, err := concatBatches(w.fr.mem(), w.sorterSchema(), parts)
	releaseAll(parts)
	if err != nil {
		return err
	}
	defer all.Release()
	if err := w.acct.set(batchBytes(all) + 17*all.NumRows()); err != nil {
		return err
	}
	s := newSegment(w, all, marks)
	cols := append([]arrow.Array(nil), all.Columns()...)
	for _, c := range cols {
		c.Retain()
	}
	for i := range w.node.Calls {
		col, err := s.call(ctx, &w.node.Calls[i])
		if err != nil {
			releaseAll(cols)
			return err
		}
		cols = append(cols, col)
	}
	w.out, err = newBatch(w.schema, cols, int(all.NumRows()))
	w.at = 0
	if err == nil {
		w.acct.force(batchBytes(w.out))
	}
	return err
}

func (w *window) sorterSchema() *arrow.Schema { return w.sorter.store.schema }

func (w *window) Close() error {
	w.done = true
	releaseAll(w.held)
	w.held = nil
	if w.stream != nil {
		w.stream.close()
	}
	if w.out != nil {
		w.out.Release()
		w.out = nil
	}
	w.acct.close()
	return errors.Join(w.in.Close(), w.sorter.close())
}

// A segment is some whole partitions in order, or what a stream has of some.
type segment struct {
	w     *window
	b     arrow.RecordBatch
	rows  int
	marks []rowMark
	parts []int32 // first row of each partition, and the end
	peers []int32 // first row of each group of peers, and the end
	part  []int32 // by row: its partition
	peer  []int32 // by row: its group of peers
}

func newSegment(w *window, b arrow.RecordBatch, marks []rowMark) *segment {
	n := int(b.NumRows())
	s := &segment{w: w, b: b, rows: n, marks: marks, part: make([]int32, n), peer: make([]int32, n)}
	for i, m := range marks {
		if m == newPartition || i == 0 {
			s.parts = append(s.parts, int32(i))
		}
		if m != samePeers || i == 0 {
			s.peers = append(s.peers, int32(i))
		}
		s.part[i], s.peer[i] = int32(len(s.parts)-1), int32(len(s.peers)-1)
	}
	s.parts, s.peers = append(s.parts, int32(n)), append(s.peers, int32(n))
	return s
}

// bounds returns the partition of row i.
func (s *segment) bounds(i int) (from, to int32) {
	p := s.part[i]
	return s.parts[p], s.parts[p+1]
}

// peersOf returns the peers of row i.
func (s *segment) peersOf(i int) (from, to int32) {
	g := s.peer[i]
	return s.peers[g], s.peers[g+1]
}

// call computes one window function for all rows.
func (s *segment) call(ctx context.Context, c *plan.WindowCall) (arrow.Array, error) {
	args, err := s.w.ev.evalAll(ctx, c.Args, s.b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(args)
	if c.Agg != nil {
		return s.aggregate(ctx, c, args)
	}
	return s.function(ctx, c, args)
}

// arrayOf makes an array of the segment's length of a Vec, which stays.
func (s *segment) arrayOf(v function.Vec) arrow.Array {
	v.Retain()
	return expand(s.w.fr.mem(), v, s.rows)
}

// pick returns a's elements at idx; -1 is NULL.
func (s *segment) pick(a arrow.Array, idx []int32) arrow.Array {
	return gather(s.w.fr.mem(), a, idx)
}

func int64Result(s *segment, f func(i int) int64) arrow.Array {
	b := array.NewInt64Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(s.rows)
	for i := range s.rows {
		b.UnsafeAppend(f(i))
	}
	return b.NewArray()
}

func float64Result(s *segment, f func(i int) float64) arrow.Array {
	b := array.NewFloat64Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(s.rows)
	for i := range s.rows {
		b.UnsafeAppend(f(i))
	}
	return b.NewArray()
}
