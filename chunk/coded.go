package chunk

import (
	"encoding/json"
	"math"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
)

// Coded is a column as its distinct values and, for each row, the number of its
// value: what a dictionary is in a blob. It has the values of its rows and no
// others, NULL among them if a row has it, in the order in which rows first have
// them. So what is computed over the values fails where it would over the rows, with
// the same error. A value may be there more than once.
type Coded struct {
	Values arrow.Array

	typ    datum.Type
	mem    memory.Allocator // of the following, which nobody else has
	rows   int
	codes  []byte // int32 by row; nil as long as nobody wants more than runs
	runs   []byte // codeRuns, if codes were nil at first
	counts []byte // int32 by value; nil until asked for
}

// A codeRun is rows that follow each other and have one value.
type codeRun struct {
	code int32
	end  int32 // row after the last one
}

// Release gives up the memory.
func (c *Coded) Release() {
	c.Values.Release()
	for _, b := range [][]byte{c.codes, c.runs, c.counts} {
		if b != nil {
			c.mem.Free(b)
		}
	}
}

// pays says whether the values are few enough to be worth their codes.
func (c *Coded) pays() bool { return 2*c.Values.Len() <= c.rows }

// Codes returns the numbers of the rows' values, in range.
func (c *Coded) Codes() []int32 {
	if c.codes == nil {
		c.codes = spreadRuns(c.mem, runsIn(c.runs), c.rows)
	}
	return arrow.GetData[int32](c.codes)
}

// copyRuns returns a copy of runs.
func copyRuns(mem memory.Allocator, runs []codeRun) []byte {
	b := mem.Allocate(len(runs) * int(unsafe.Sizeof(codeRun{})))
	copy(runsIn(b), runs)
	return b
}

// runsIn returns the runs that lie in memory.
func runsIn(b []byte) []codeRun {
	return unsafe.Slice((*codeRun)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(codeRun{})))
}

// spreadRuns makes codes of so many rows, of which the first have runs.
func spreadRuns(mem memory.Allocator, runs []codeRun, rows int) []byte {
	buf := mem.Allocate(4 * rows)
	codes := arrow.GetData[int32](buf)
	at := int32(0)
	for _, r := range runs {
		part := codes[at:r.end]
		for i := range part {
			part[i] = r.code
		}
		at = r.end
	}
	return buf
}

// Counts returns how many rows have each value.
func (c *Coded) Counts() []int32 {
	if c.counts != nil {
		return arrow.GetData[int32](c.counts)
	}
	c.counts = c.mem.Allocate(4 * c.Values.Len())
	counts := arrow.GetData[int32](c.counts)
	clear(counts)
	if c.codes == nil {
		at := int32(0)
		for _, r := range runsIn(c.runs) {
			counts[r.code] += r.end - at
			at = r.end
		}
		return counts
	}
	for _, x := range c.Codes() {
		counts[x]++
	}
	return counts
}

// array spells the column out. It fails if the text does not fit in one array.
func (c *Coded) array() (arrow.Array, error) { return Take(c.mem, c.typ, c.Values, c.Codes()) }

// fits says whether the column can be spelt out.
func (c *Coded) fits() bool {
	var offsets []int32
	switch c.Values.(type) {
	case *array.String, *array.Binary:
		offsets = offsetsOf(c.Values)
	default:
		return true
	}
	longest := int32(0)
	for i, end := range offsets[1:] {
		longest = max(longest, end-offsets[i])
	}
	if int64(longest)*int64(c.rows) <= math.MaxInt32 {
		return true
	}
	total := int64(0)
	for x, n := range c.Counts() {
		total += int64(n) * int64(offsets[x+1]-offsets[x])
	}
	return total <= math.MaxInt32
}

// Select returns the column of some rows, each once; the caller releases it.
func (c *Coded) Select(rows []int32) (*Coded, error) {
	place := make([]int32, c.Values.Len()) // of a value among those picked, plus one
	picked := make([]int32, 0, c.Values.Len())
	buf := c.mem.Allocate(4 * len(rows))
	from, codes := c.Codes(), arrow.GetData[int32](buf)
	for i, r := range rows {
		x := from[r]
		if place[x] == 0 {
			picked = append(picked, x)
			place[x] = int32(len(picked))
		}
		codes[i] = place[x] - 1
	}
	if len(picked) == len(place) && slices.IsSorted(picked) {
		c.Values.Retain()
		return &Coded{Values: c.Values, typ: c.typ, mem: c.mem, rows: len(rows), codes: buf}, nil
	}
	values, err := Take(c.mem, c.typ, c.Values, picked)
	if err != nil {
		c.mem.Free(buf)
		return nil, err
	}
	return &Coded{Values: values, typ: c.typ, mem: c.mem, rows: len(rows), codes: buf}, nil
}

// A CodedBatch is a batch of which some columns are held as Coded. They are spelt
// out when they are asked for as arrays, so that it can stand wherever a batch can.
// It is used by one goroutine.
type CodedBatch struct {
	schema *arrow.Schema
	rows   int64
	refs   atomic.Int64
	arrays []arrow.Array // nil: coded, and not spelt out yet
	coded  []*Coded      // nil: not coded
}

var _ arrow.RecordBatch = (*CodedBatch)(nil)

// newCodedBatch takes over the columns, each of which is an array or coded.
func newCodedBatch(s *arrow.Schema, arrays []arrow.Array, coded []*Coded, rows int64) *CodedBatch {
	b := &CodedBatch{schema: s, rows: rows, arrays: arrays, coded: coded}
	b.refs.Store(1)
	return b
}

// Coded returns column i as it is coded, which lives as long as the batch; nil if
// it is not.
func (b *CodedBatch) Coded(i int) *Coded { return b.coded[i] }

// Retain implements arrow.RecordBatch.
func (b *CodedBatch) Retain() { b.refs.Add(1) }

// Release implements arrow.RecordBatch.
func (b *CodedBatch) Release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	for i := range b.arrays {
		if b.arrays[i] != nil {
			b.arrays[i].Release()
		}
		if b.coded[i] != nil {
			b.coded[i].Release()
		}
	}
	b.arrays, b.coded = nil, nil
}

// Schema implements arrow.RecordBatch.
func (b *CodedBatch) Schema() *arrow.Schema { return b.schema }

// Relabel gives the batch another schema of the same types.
func (b *CodedBatch) Relabel(s *arrow.Schema) { b.schema = s }

// NumRows implements arrow.RecordBatch.
func (b *CodedBatch) NumRows() int64 { return b.rows }

// NumCols implements arrow.RecordBatch.
func (b *CodedBatch) NumCols() int64 { return int64(len(b.arrays)) }

// Column implements arrow.RecordBatch.
func (b *CodedBatch) Column(i int) arrow.Array {
	if b.arrays[i] == nil {
		a, err := b.coded[i].array()
		if err != nil {
			panic("chunk: bug: a coded column does not fit: " + err.Error()) // its maker looked
		}
		b.arrays[i] = a
	}
	return b.arrays[i]
}

// Columns implements arrow.RecordBatch.
func (b *CodedBatch) Columns() []arrow.Array {
	for i := range b.arrays {
		b.Column(i)
	}
	return b.arrays
}

// ColumnName implements arrow.RecordBatch.
func (b *CodedBatch) ColumnName(i int) string { return b.schema.Field(i).Name }

// Flat returns the batch with all columns spelt out, which the caller releases.
func (b *CodedBatch) Flat() arrow.RecordBatch {
	return array.NewRecordBatch(b.schema, b.Columns(), b.rows)
}

// SetColumn implements arrow.RecordBatch.
func (b *CodedBatch) SetColumn(i int, a arrow.Array) (arrow.RecordBatch, error) {
	flat := b.Flat()
	defer flat.Release()
	return flat.SetColumn(i, a)
}

// NewSlice implements arrow.RecordBatch.
func (b *CodedBatch) NewSlice(i, j int64) arrow.RecordBatch {
	flat := b.Flat()
	defer flat.Release()
	return flat.NewSlice(i, j)
}

// MarshalJSON implements arrow.RecordBatch.
func (b *CodedBatch) MarshalJSON() ([]byte, error) {
	flat := b.Flat()
	defer flat.Release()
	return json.Marshal(flat)
}

// Select returns some rows, each once; take returns those of an array. The caller
// releases the result.
func (b *CodedBatch) Select(rows []int32, take func(a arrow.Array, rows []int32) arrow.Array) (*CodedBatch, error) {
	out := newCodedBatch(b.schema, make([]arrow.Array, len(b.arrays)), make([]*Coded, len(b.arrays)), int64(len(rows)))
	for i := range b.arrays {
		if b.coded[i] == nil {
			out.arrays[i] = take(b.arrays[i], rows)
			continue
		}
		c, err := b.coded[i].Select(rows)
		if err != nil {
			out.Release()
			return nil, err
		}
		out.coded[i] = c
	}
	return out, nil
}
