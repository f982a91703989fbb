package exec

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

const (
	// runBatchRows is the size of the batches in sorted runs: merging holds one
	// of each run.
	runBatchRows = 1024
	// mergeWays is how many runs are merged at once.
	mergeWays = 64
)

// runSchema is the schema of sorted runs: the rows and their keys.
func (s *sorter) runSchema() *arrow.Schema {
	return arrow.NewSchema(append(s.store.schema.Fields(), arrow.Field{Name: "key", Type: arrow.BinaryTypes.Binary}), nil)
}

// spill writes what is in memory as a sorted run.
func (s *sorter) spill() error {
	s.sortRows()
	refs, err := s.refs()
	if err != nil {
		return err
	}
	run, err := newSpillFile(s.fr, s.stats)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, run)
	schema := s.runSchema()
	keys := array.NewBinaryBuilder(s.fr.mem(), arrow.BinaryTypes.Binary)
	defer keys.Release()
	for at := 0; at < len(refs); at += runBatchRows {
		to := min(at+runBatchRows, len(refs))
		for _, r := range s.rows[at:to] {
			keys.Append(s.arena[r.from:r.to])
		}
		if err := writeRun(run, schema, s.store.gatherAll(refs[at:to]), keys.NewArray()); err != nil {
			return err
		}
	}
	s.store.release()
	s.rows, s.arena = nil, nil
	s.acct.force(0)
	return nil
}

// writeRun writes a batch and its keys, taking over both references.
func writeRun(run *spillFile, schema *arrow.Schema, b arrow.RecordBatch, keys arrow.Array) error {
	defer b.Release()
	defer keys.Release()
	out := batchOf(schema, append(append([]arrow.Array(nil), b.Columns()...), keys), b.NumRows())
	defer out.Release()
	return run.write(out)
}

// mergeRuns merges runs until few enough are left, and returns the last merge.
func (s *sorter) mergeRuns(ctx context.Context) (sortedRows, error) {
	schema := s.runSchema()
	for len(s.runs) > mergeWays {
		m, err := newRunMerge(ctx, s, s.runs[:mergeWays], schema)
		if err != nil {
			return nil, err
		}
		err = s.mergeInto(ctx, m)
		m.close()
		if err != nil {
			return nil, err
		}
	}
	m, err := newRunMerge(ctx, s, s.runs, s.store.schema)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// mergeInto writes the merge of the first runs as a new first run: rows of
// equal keys stay in the order of the runs.
func (s *sorter) mergeInto(ctx context.Context, m *runMerge) error {
	m.limit = runBatchRows
	run, err := newSpillFile(s.fr, s.stats)
	if err != nil {
		return err
	}
	for {
		b, err := m.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = run.write(b)
			b.Release()
		}
		if err != nil {
			return errors.Join(err, run.close())
		}
	}
	for _, r := range s.runs[:mergeWays] {
		if err := r.close(); err != nil {
			return errors.Join(err, run.close())
		}
	}
	s.runs = append([]*spillFile{run}, s.runs[mergeWays:]...)
	return nil
}

// runMerge merges sorted runs.
type runMerge struct {
	s       *sorter
	schema  *arrow.Schema // of the output: with the keys or without
	limit   int
	cursors []*runCursor // a heap
	batches []arrow.RecordBatch
	columns [][]arrow.Array
}

// A runCursor stands at a row of a run.
type runCursor struct {
	run   *spillFile
	order int // of the run
	next  int // batch to read next
	keys  *array.Binary
	slot  int // of the batch in runMerge.batches
	row   int
	key   []byte
}

func newRunMerge(ctx context.Context, s *sorter, runs []*spillFile, schema *arrow.Schema) (*runMerge, error) {
	m := &runMerge{s: s, schema: schema, limit: maxBatchRows, columns: make([][]arrow.Array, schema.NumFields())}
	for i, r := range runs {
		c := &runCursor{run: r, order: i}
		ok, err := m.load(ctx, c)
		if err != nil {
			m.close()
			return nil, err
		}
		if ok {
			m.cursors = append(m.cursors, c)
		}
	}
	heap.Init((*runHeap)(m))
	return m, nil
}

// load reads the next batch of a run. The batches before stay until the output
// that may refer to them has been made.
func (m *runMerge) load(ctx context.Context, c *runCursor) (bool, error) {
	if c.next == c.run.batches() {
		return false, nil
	}
	b, err := c.run.read(ctx, c.next)
	if err != nil {
		return false, err
	}
	c.next++
	c.keys = b.Column(int(b.NumCols()) - 1).(*array.Binary)
	c.slot, c.row, c.key = len(m.batches), 0, c.keys.Value(0)
	m.batches = append(m.batches, b)
	for i := range m.columns {
		m.columns[i] = append(m.columns[i], b.Column(i))
	}
	return true, nil
}

func (m *runMerge) next(ctx context.Context) (arrow.RecordBatch, error) {
	m.dropUsed()
	var refs []rowRef
	for len(refs) < m.limit && len(m.cursors) > 0 {
		c := m.cursors[0]
		refs = append(refs, makeRef(c.slot, c.row))
		c.row++
		if c.row < c.keys.Len() {
			c.key = c.keys.Value(c.row)
			heap.Fix((*runHeap)(m), 0)
			continue
		}
		ok, err := m.load(ctx, c)
		if err != nil {
			return nil, err
		}
		if ok {
			heap.Fix((*runHeap)(m), 0)
		} else {
			heap.Pop((*runHeap)(m))
		}
	}
	if len(refs) == 0 {
		return nil, io.EOF
	}
	cols := make([]arrow.Array, len(m.columns))
	for i := range cols {
		cols[i] = gatherRefs(m.s.fr.mem(), m.schema.Field(i).Type, m.columns[i], refs)
	}
	defer releaseAll(cols)
	return batchOf(m.schema, cols, int64(len(refs))), nil
}

// dropUsed releases the batches that no cursor stands in and renumbers the rest.
func (m *runMerge) dropUsed() {
	if len(m.batches) <= len(m.cursors) {
		return
	}
	live := make([]arrow.RecordBatch, 0, len(m.cursors))
	used := make([]bool, len(m.batches))
	for _, c := range m.cursors {
		used[c.slot] = true
		live = append(live, m.batches[c.slot])
		c.slot = len(live) - 1
	}
	for i, b := range m.batches {
		if !used[i] {
			b.Release()
		}
	}
	m.batches = live
	for i := range m.columns {
		m.columns[i] = m.columns[i][:0]
		for _, b := range live {
			m.columns[i] = append(m.columns[i], b.Column(i))
		}
	}
}

func (m *runMerge) close() {
	releaseAll(m.batches)
	m.batches, m.cursors, m.columns = nil, nil, nil
}

// runHeap orders a merge's cursors by key, then by run.
type runHeap runMerge

func (h *runHeap) Len() int { return len(h.cursors) }

func (h *runHeap) Less(i, j int) bool {
	a, b := h.cursors[i], h.cursors[j]
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.order < b.order
}

func (h *runHeap) Swap(i, j int) { h.cursors[i], h.cursors[j] = h.cursors[j], h.cursors[i] }
func (h *runHeap) Push(any)      { panic("exec: bug: a merge gains no runs") }

func (h *runHeap) Pop() any {
	last := h.cursors[len(h.cursors)-1]
	h.cursors = h.cursors[:len(h.cursors)-1]
	return last
}
