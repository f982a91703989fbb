package exec

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A sorter orders rows by byte-string keys: in memory, or in sorted runs in
// temporary files that are merged. Rows with equal keys keep their order. It is
// used by one goroutine.
type sorter struct {
	fr    *frame
	acct  *account
	stats *OperatorStats
	store *rowStore
	rows  []sortRow
	arena []byte
	runs  []*spillFile
	out   sortedRows
}

// A sortRow is a row to be sorted: its number in the store (rows are numbered as
// they come; refs are known when the store is complete) and its key in the arena.
type sortRow struct {
	prefix   uint64
	from, to uint32 // in units of the arena; see sortArena
	row      uint32
}

// maxArenaBytes keeps offsets in the arena within 32 bits.
const maxArenaBytes = 1<<32 - 1

func newSorter(fr *frame, schema *arrow.Schema, stats *OperatorStats) *sorter {
	return &sorter{fr: fr, acct: fr.account(), stats: stats, store: newRowStore(fr.mem(), schema)}
}

// add appends the rows of b with their keys: key(dst, i) appends that of row i.
func (s *sorter) add(b arrow.RecordBatch, key func(dst []byte, i int) []byte) error {
	n := int(b.NumRows())
	base := uint32(s.store.rows)
	if err := s.store.add(b); err != nil {
		return err
	}
	for i := range n {
		from := len(s.arena)
		s.arena = key(s.arena, i)
		if len(s.arena) > maxArenaBytes {
			panic(tooLarge(len(s.arena)))
		}
		s.rows = append(s.rows, sortRow{prefix(s.arena[from:]), uint32(from), uint32(len(s.arena)), base + uint32(i)})
	}
	if err := s.acct.set(s.sizeBytes()); err != nil {
		if s.fr.rt.Temp == nil {
			return err
		}
		s.acct.force(s.sizeBytes())
		return s.spill()
	}
	if s.acct.mustSpill() && s.fr.rt.Temp != nil || len(s.arena) > maxArenaBytes/2 {
		return s.spill()
	}
	return nil
}

func (s *sorter) sizeBytes() int64 {
	return s.store.bytes + int64(24*cap(s.rows)+cap(s.arena))
}

func (s *sorter) sortRows() {
	arena := s.arena
	slices.SortFunc(s.rows, func(a, b sortRow) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if c := bytes.Compare(arena[a.from:a.to], arena[b.from:b.to]); c != 0 {
			return c
		}
		return cmp.Compare(a.row, b.row)
	})
}

// refs turns the sorted rows' numbers into references.
func (s *sorter) refs() ([]rowRef, error) {
	if err := s.store.flush(); err != nil {
		return nil, err
	}
	starts := make([]uint32, len(s.store.batches))
	at := uint32(0)
	for i, b := range s.store.batches {
		starts[i] = at
		at += uint32(b.NumRows())
	}
	refs := make([]rowRef, len(s.rows))
	for i, r := range s.rows {
		b, found := slices.BinarySearch(starts, r.row)
		if !found {
			b--
		}
		refs[i] = makeRef(b, int(r.row-starts[b]))
	}
	return refs, nil
}

// sorted ends the input; next then yields the rows in order.
func (s *sorter) sorted(ctx context.Context) error {
	s.stats.notePeak(s.acct.peak)
	if len(s.runs) > 0 {
		if len(s.rows) > 0 {
			if err := s.spill(); err != nil {
				return err
			}
		}
		m, err := s.mergeRuns(ctx)
		s.out = m
		return err
	}
	s.sortRows()
	refs, err := s.refs()
	if err != nil {
		return err
	}
	s.rows, s.arena = nil, nil
	s.acct.force(s.store.bytes + int64(4*len(refs)))
	s.out = &memoryRows{store: s.store, refs: refs}
	return nil
}

// next returns the next rows in order, or io.EOF.
func (s *sorter) next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := s.fr.yield(ctx); err != nil {
		return nil, err
	}
	return s.out.next(ctx)
}

func (s *sorter) close() error {
	if s.out != nil {
		s.out.close()
	}
	s.store.release()
	s.rows, s.arena = nil, nil
	s.acct.close()
	var first error
	for _, r := range s.runs {
		if err := r.close(); first == nil {
			first = err
		}
	}
	s.runs = nil
	return first
}

// sortedRows yields rows in order.
type sortedRows interface {
	next(ctx context.Context) (arrow.RecordBatch, error)
	close()
}

// memoryRows are rows of a store in the order of their references.
type memoryRows struct {
	store *rowStore
	refs  []rowRef
}

func (m *memoryRows) next(context.Context) (arrow.RecordBatch, error) {
	if len(m.refs) == 0 {
		return nil, io.EOF
	}
	n := min(len(m.refs), maxBatchRows)
	b := m.store.gatherAll(m.refs[:n])
	m.refs = m.refs[n:]
	return b, nil
}

func (m *memoryRows) close() {}

// sortOp is ORDER BY.
type sortOp struct {
	in     *pipeline
	keys   *sortKeys
	sorter *sorter
	begun  bool
	closed bool
}

// buildSort builds ORDER BY, as a top-k if the bound is small.
func (f *frame) buildSort(n *plan.Sort) (Operator, error) {
	in, err := f.input(n.Input)
	if err != nil {
		return nil, err
	}
	if n.TopK != nil {
		return newTopK(f, n, in), nil
	}
	return newSort(f, n, in), nil
}

func newSort(f *frame, n *plan.Sort, in *pipeline) *sortOp {
	return &sortOp{in: in, keys: f.sortKeys(n.Keys), sorter: newSorter(f, in.schema, f.rt.Stats.node(n))}
}

func (s *sortOp) Schema() *arrow.Schema { return s.in.schema }

func (s *sortOp) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !s.begun {
		s.begun = true
		source := &exchange{p: s.in}
		err := Drain(ctx, source, func(b arrow.RecordBatch) error { return s.sorter.addBatch(ctx, b, s.keys) })
		if cerr := source.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = s.sorter.sorted(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.sorter.next(ctx)
}

// addBatch appends the rows of b with the keys that k computes.
func (s *sorter) addBatch(ctx context.Context, b arrow.RecordBatch, k *sortKeys) error {
	vs, err := k.eval(ctx, b)
	if err != nil {
		return err
	}
	defer releaseVecs(vs)
	return s.add(b, func(dst []byte, i int) []byte { return k.append(dst, vs, i) })
}

func (s *sortOp) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.in.close()
	if cerr := s.sorter.close(); err == nil {
		err = cerr
	}
	return err
}

// bound computes a row count such as LIMIT's; ok is false if there is none (NULL).
func (ev *evaluator) bound(ctx context.Context, e expr.Expr) (n int64, ok bool, err error) {
	if e == nil {
		return 0, false, nil
	}
	v, err := ev.scalar(ctx, e)
	if err != nil || v == nil {
		return 0, false, err
	}
	switch v := v.(type) {
	case int64:
		return v, true, nil
	case int32:
		return int64(v), true, nil
	case int16:
		return int64(v), true, nil
	}
	panic("exec: bug: a row count that is no integer")
}
