package exec

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// maxTopK is the largest bound for which a heap pays; above it all is sorted.
const maxTopK = 64 << 10

// topK is ORDER BY with a small LIMIT: each worker keeps the best rows it has met.
type topK struct {
	fr     *frame
	node   *plan.Sort
	in     *pipeline
	keys   *sortKeys
	full   *sortOp // used instead for large bounds
	best   *topRows
	out    sortedRows
	begun  bool
	closed bool
}

func newTopK(f *frame, n *plan.Sort, in *pipeline) *topK {
	return &topK{fr: f, node: n, in: in, keys: f.sortKeys(n.Keys)}
}

func (t *topK) Schema() *arrow.Schema { return t.in.schema }

func (t *topK) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !t.begun {
		t.begun = true
		err := t.run(ctx)
		if err != nil && pgerr.Code(err) == pgerr.OutOfMemory && t.fr.rt.Temp != nil {
			err = t.fallBack()
		}
		if err != nil {
			return nil, err
		}
	}
	if t.full != nil {
		return t.full.Next(ctx)
	}
	if t.out == nil {
		return nil, io.EOF
	}
	return t.out.next(ctx)
}

func (t *topK) run(ctx context.Context) error {
	k, bounded, err := t.keys.ev.bound(ctx, t.node.TopK)
	if err != nil {
		return err
	}
	if bounded && k <= 0 {
		return nil
	}
	if !bounded || k > maxTopK {
		t.full = newSort(t.fr, t.node, t.in)
		return nil
	}
	limit := &rankLimit{}
	limit.worst.Store(math.MaxUint64)
	if r, ok := t.keys.ranker(); ok {
		limit.ranker, limit.used = r, true
		t.pruneSplits(limit)
	}
	newPart := func() part { return newTopRows(t.fr, t.in.schema, t.node.Keys, int(k), limit) }
	err = t.in.fold(ctx, newPart, func(_ context.Context, p part) error {
		rows := p.(*topRows)
		if t.best == nil {
			t.best = rows
			return nil
		}
		defer rows.discard()
		return t.best.merge(rows)
	})
	if err != nil || t.best == nil {
		return err
	}
	t.fr.rt.Stats.node(t.node).notePeak(t.best.acct.peak)
	t.out, err = t.best.sorted()
	return err
}

// fallBack starts again with a sort of all rows, which can spill. The snapshot is
// the same.
func (t *topK) fallBack() error {
	if t.best != nil {
		t.best.discard()
		t.best = nil
	}
	if err := t.in.close(); err != nil {
		return err
	}
	in, err := t.fr.input(t.node.Input)
	if err != nil {
		return err
	}
	t.in = in
	t.full = newSort(t.fr, t.node, in)
	return nil
}

func (t *topK) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	err := t.in.close()
	if t.full != nil {
		if cerr := t.full.Close(); err == nil {
			err = cerr
		}
	}
	if t.best != nil {
		t.best.discard()
	}
	if t.out != nil {
		t.out.close()
	}
	return err
}

// A rankLimit is the rank that a row must not exceed to be among the best k: some
// worker already has k rows up to it. It only leaves out rows that are worse, so
// answers do not depend on when it falls.
type rankLimit struct {
	used   bool
	ranker ranker
	worst  atomic.Uint64
}

func (l *rankLimit) lower(rank uint64) {
	for {
		w := l.worst.Load()
		if rank >= w || l.worst.CompareAndSwap(w, rank) {
			return
		}
	}
}

// pruneSplits has the splits read from the best end, and those left out that
// cannot have one of the best rows, when the first sort key is the time column.
func (t *topK) pruneSplits(limit *rankLimit) {
	c, ok := t.node.Keys[0].Expr.(*expr.Column)
	if !ok || t.in.scan == nil {
		return
	}
	scan, col, ok := traceColumn(t.node.Input, c.Index)
	if !ok || scan.Table.TimeColumn == 0 || scan.Spec.Columns[col] != scan.Table.TimeColumn {
		return
	}
	best := func(sp chunk.Split) uint64 {
		r, all := sp.Time()
		if !all {
			return 0
		}
		if limit.ranker.desc {
			return ^(uint64(int64(r.Max)) ^ 1<<63)
		}
		return uint64(int64(r.Min)) ^ 1<<63
	}
	t.in.scan.order = func(a, b chunk.Split) int { return cmp.Compare(best(a), best(b)) }
	t.in.scan.skip = func(sp chunk.Split) bool { return best(sp) > limit.worst.Load() }
	t.in.scan.descending = limit.ranker.desc
}

// traceColumn follows an output column of a node down to the scan's column that
// it is unchanged.
func traceColumn(n plan.Node, col int) (*plan.Scan, int, bool) { return trace(n, col, true) }

// traceProjected is traceColumn where nothing filters on the way.
func traceProjected(n plan.Node, col int) (*plan.Scan, int, bool) { return trace(n, col, false) }

func trace(n plan.Node, col int, filtered bool) (*plan.Scan, int, bool) {
	for {
		switch x := n.(type) {
		case *plan.Scan:
			return x, col, col < len(x.Spec.Columns)
		case *plan.Filter:
			if !filtered {
				return nil, 0, false
			}
			n = x.Input
		case *plan.Project:
			c, ok := x.Exprs[col].(*expr.Column)
			if !ok {
				return nil, 0, false
			}
			n, col = x.Input, c.Index
		case *plan.Number:
			if col == len(x.Input.Fields()) {
				return nil, 0, false
			}
			n = x.Input
		default:
			return nil, 0, false
		}
	}
}

// topRows are the best k rows of a part of the input.
type topRows struct {
	fr    *frame
	keys  *sortKeys
	k     int
	limit *rankLimit
	acct  *account
	heap  topHeap
	seq   int64
	rows  *heldRows
	ranks []uint64
	key   []byte
}

// A topRow is one of the best rows so far; seq orders equals.
type topRow struct {
	key  []byte
	rank uint64
	seq  int64
	ref  heldRef
}

func newTopRows(f *frame, s *arrow.Schema, keys []plan.SortKey, k int, limit *rankLimit) *topRows {
	return &topRows{fr: f, keys: f.sortKeys(keys), k: k, limit: limit, acct: f.account(), rows: newHeldRows(f, s)}
}

func (t *topRows) add(ctx context.Context, b arrow.RecordBatch) error {
	vs, err := t.keys.eval(ctx, b)
	if err != nil {
		return err
	}
	defer releaseVecs(vs)
	n := int(b.NumRows())
	if cap(t.ranks) < n {
		t.ranks = make([]uint64, n)
	}
	ranks := t.ranks[:n]
	ranked := t.limit.used && t.limit.ranker.ranks(vs[0], n, ranks)
	slot := int32(len(t.rows.slots))
	kept := 0
	for i := range n {
		rank := uint64(0)
		if ranked {
			if rank = ranks[i]; rank > t.limit.worst.Load() {
				continue
			}
		}
		t.key = t.keys.append(t.key[:0], vs, i)
		if t.push(topRow{key: t.key, rank: rank, ref: heldRef{slot, int32(i)}}) {
			kept++
		}
	}
	if kept == 0 {
		return nil
	}
	return t.hold(b, slot)
}

// push adds a row unless k better or equal ones are there. The key is copied.
func (t *topRows) push(r topRow) bool {
	r.seq = t.seq
	t.seq++
	if len(t.heap) < t.k {
		r.key = bytes.Clone(r.key)
		heap.Push(&t.heap, r)
	} else {
		if bytes.Compare(r.key, t.heap[0].key) >= 0 {
			return false
		}
		r.key = append(t.heap[0].key[:0], r.key...)
		t.heap[0] = r
		heap.Fix(&t.heap, 0)
	}
	if len(t.heap) == t.k && t.limit.used {
		t.limit.lower(t.heap[0].rank)
	}
	return true
}

// hold keeps the rows of b that are in the heap as slot.
func (t *topRows) hold(b arrow.RecordBatch, slot int32) error {
	var idx []int32
	for i := range t.heap {
		if r := &t.heap[i]; r.ref.slot == slot {
			idx = append(idx, r.ref.row)
			r.ref.row = int32(len(idx) - 1)
		}
	}
	t.rows.hold(b, idx)
	if t.rows.count > 4*t.k+1024 || len(t.rows.slots) > 256 {
		t.compact()
	}
	return t.acct.set(t.sizeBytes())
}

func (t *topRows) sizeBytes() int64 { return t.rows.bytes + int64(len(t.heap))*96 }

// compact drops the rows that are no longer in the heap.
func (t *topRows) compact() {
	refs := t.refs()
	t.rows.compact(refs)
	for i := range t.heap {
		t.heap[i].ref = refs[i]
	}
}

func (t *topRows) refs() []heldRef {
	refs := make([]heldRef, len(t.heap))
	for i, r := range t.heap {
		refs[i] = r.ref
	}
	return refs
}

// merge takes over the rows of a part that comes after this one.
func (t *topRows) merge(o *topRows) error {
	slices.SortFunc(o.heap, compareTop)
	base := t.rows.absorb(o.rows)
	for _, r := range o.heap {
		r.ref.slot += base
		t.push(r)
	}
	o.heap = nil
	t.compact()
	return t.acct.set(t.sizeBytes())
}

// sorted returns the rows in order and gives them up.
func (t *topRows) sorted() (sortedRows, error) {
	slices.SortFunc(t.heap, compareTop)
	out := &batchList{}
	err := t.rows.each(t.refs(), func(b arrow.RecordBatch) error {
		b.Retain()
		out.batches = append(out.batches, b)
		return nil
	})
	t.discard()
	return out, err
}

func (t *topRows) discard() {
	t.rows.release()
	t.heap = nil
	t.acct.close()
}

func compareTop(a, b topRow) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Compare(a.seq, b.seq)
}

// topHeap has the worst row first.
type topHeap []topRow

func (h topHeap) Len() int           { return len(h) }
func (h topHeap) Less(i, j int) bool { return compareTop(h[i], h[j]) > 0 }
func (h topHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *topHeap) Push(x any)        { *h = append(*h, x.(topRow)) }
func (h *topHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// batchList yields batches that it owns.
type batchList struct{ batches []arrow.RecordBatch }

func (l *batchList) next(context.Context) (arrow.RecordBatch, error) {
	if len(l.batches) == 0 {
		return nil, io.EOF
	}
	b := l.batches[0]
	l.batches = l.batches[1:]
	return b, nil
}

func (l *batchList) close() {
	releaseAll(l.batches)
	l.batches = nil
}
