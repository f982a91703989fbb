package exec

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A rowStore keeps rows in memory and finds them by rowRef. Small batches are
// joined, so that references suffice for two billion rows however they come. It
// is used by one goroutine until it is complete; then many may read it.
type rowStore struct {
	mem     memory.Allocator
	schema  *arrow.Schema
	batches []arrow.RecordBatch
	columns [][]arrow.Array // by column, then batch: what gatherRefs takes
	rows    int64
	bytes   int64
	pending []arrow.RecordBatch // less than half a batch of rows together
	waiting int
}

func newRowStore(mem memory.Allocator, schema *arrow.Schema) *rowStore {
	return &rowStore{mem: mem, schema: schema, columns: make([][]arrow.Array, schema.NumFields())}
}

// add appends the rows of b, whose references are valid after flush: those of
// earlier rows stay.
func (s *rowStore) add(b arrow.RecordBatch) error {
	n := int(b.NumRows())
	if n == 0 {
		return nil
	}
	if s.waiting+n > maxBatchRows {
		if err := s.flush(); err != nil {
			return err
		}
	}
	b.Retain()
	s.rows += int64(n)
	s.bytes += batchBytes(b)
	s.pending = append(s.pending, b)
	s.waiting += n
	if s.waiting > maxBatchRows/2 {
		return s.flush()
	}
	return nil
}

// flush joins what waits into a batch.
func (s *rowStore) flush() error {
	if len(s.pending) == 0 {
		return nil
	}
	b, err := concatBatches(s.mem, s.schema, s.pending)
	if err != nil {
		return err
	}
	for _, p := range s.pending {
		s.bytes -= batchBytes(p)
	}
	releaseAll(s.pending)
	s.pending, s.waiting = s.pending[:0], 0
	if len(s.batches) >= maxRefBatches {
		b.Release()
		panic(tooLarge(len(s.batches)))
	}
	datum.CountNulls(b) // workers read it side by side
	s.batches = append(s.batches, b)
	s.bytes += batchBytes(b)
	for i := range s.columns {
		s.columns[i] = append(s.columns[i], b.Column(i))
	}
	return nil
}

// gather returns column i of the rows.
func (s *rowStore) gather(i int, refs []rowRef) arrow.Array {
	return gatherRefs(s.mem, s.schema.Field(i).Type, s.columns[i], refs)
}

// gatherAll returns the rows as a batch.
func (s *rowStore) gatherAll(refs []rowRef) arrow.RecordBatch {
	cols := make([]arrow.Array, len(s.columns))
	for i := range cols {
		cols[i] = s.gather(i, refs)
	}
	defer releaseAll(cols)
	return batchOf(s.schema, cols, int64(len(refs)))
}

// release forgets all rows; the store may be used again.
func (s *rowStore) release() {
	releaseAll(s.batches)
	releaseAll(s.pending)
	s.batches, s.pending, s.waiting, s.rows, s.bytes = nil, nil, 0, 0, 0
	for i := range s.columns {
		s.columns[i] = nil
	}
}

// concatBatches joins batches into one of the given schema, which the caller
// releases; theirs stay.
func concatBatches(mem memory.Allocator, schema *arrow.Schema, bs []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(bs) == 1 {
		return batchOf(schema, bs[0].Columns(), bs[0].NumRows()), nil
	}
	rows := int64(0)
	for _, b := range bs {
		rows += b.NumRows()
	}
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() { releaseAll(cols) }()
	parts := make([]arrow.Array, len(bs))
	for i := range schema.NumFields() {
		for j, b := range bs {
			parts[j] = b.Column(i)
		}
		made := sameRecords(mem, parts)
		c, err := array.Concatenate(parts, mem)
		releaseAll(made)
		if err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return batchOf(schema, cols, rows), nil
}

// sameRecords gives parts that are records without fields, all of them NULL, the type of the others:
// what records are made of only the values know. It returns what it made, for the caller to release.
func sameRecords(mem memory.Allocator, parts []arrow.Array) (made []arrow.Array) {
	known := -1
	for i, p := range parts {
		if s, ok := p.(*array.Struct); ok && s.NumField() > 0 {
			known = i
			break
		}
	}
	if known < 0 {
		return nil
	}
	for i, p := range parts {
		if s, ok := p.(*array.Struct); ok && s.NumField() == 0 && s.NullN() == s.Len() {
			parts[i] = array.MakeArrayOfNull(mem, parts[known].DataType(), s.Len())
			made = append(made, parts[i])
		}
	}
	return made
}
