package chunk

import (
	"context"
	"io"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A batchSplit reads rows in memory.
type batchSplit struct {
	batch  arrow.RecordBatch
	layout *Layout
	spec   ScanSpec
}

// NewBatchSplit returns a split of the rows of a batch whose columns are those
// of the layout, in its order. The batch is not retained: the caller keeps it
// until the readers are closed.
func NewBatchSplit(batch arrow.RecordBatch, l *Layout, spec ScanSpec) Split {
	return &batchSplit{batch: batch, layout: l, spec: spec.of(nil)}
}

func (s *batchSplit) Rows() int64 { return s.batch.NumRows() }

func (s *batchSplit) Time() (TimeRange, bool) {
	k := s.layout.Index(s.layout.TimeColumn)
	if k < 0 || s.layout.TimeColumn == 0 {
		return TimeRange{Min: 1, Max: 0}, false
	}
	r, nulls, infinite := timeRange(s.batch.Column(k))
	return r, nulls == 0 && infinite == 0
}

// batchScan walks over the batch in windows of VectorRows rows.
type batchScan struct {
	*batchSplit
	filters []*filter
	columns []int // of the filters
	stats   *ScanStats
	windows int
	next    int
}

// start begins a scan, whose batch close releases.
func (s *batchSplit) start(mem memory.Allocator, stats *ScanStats) (*batchScan, error) {
	batch, err := s.layout.withPaths(mem, s.batch, s.spec.Filter)
	if err != nil {
		return nil, err
	}
	c, err := (&batchSplit{batch: batch, layout: s.layout, spec: s.spec}).scan(stats)
	if err != nil {
		batch.Release()
	}
	return c, err
}

func (c *batchScan) close() { c.batch.Release() }

func (s *batchSplit) scan(stats *ScanStats) (*batchScan, error) {
	if int(s.batch.NumCols()) != len(s.layout.Columns) {
		return nil, pgerr.New(pgerr.InternalError, "chunk: batch of %d columns for a layout of %d", s.batch.NumCols(), len(s.layout.Columns))
	}
	filters, err := compile(s.layout, s.spec.Filter)
	if err != nil {
		return nil, err
	}
	c := &batchScan{batchSplit: s, filters: filters, stats: stats, windows: codec.Vectors(int(s.batch.NumRows()))}
	for _, f := range filters {
		c.columns = append(c.columns, s.layout.Index(f.pred.Column))
	}
	return c, nil
}

// window finds the rows of window w that pass and returns their number.
func (c *batchScan) window(w int, sel *codec.Bits) int {
	rows := int(c.batch.NumRows())
	n := codec.VectorLen(rows, w)
	c.stats.BufferRows += int64(n)
	sel.Fill(n)
	var out codec.Bits
	for i, f := range c.filters {
		f.evalArray(c.batch.Column(c.columns[i]), w*VectorRows, n, &out)
		sel.And(&out)
		if *sel == (codec.Bits{}) {
			break
		}
	}
	k := sel.Count()
	c.stats.RowsFiltered += int64(n - k)
	return k
}

type batchReader struct {
	*batchScan
	mem    memory.Allocator
	schema *arrow.Schema
	closed bool
}

func (s *batchSplit) Scan(_ context.Context, room *Room, stats *ScanStats) (BatchReader, error) {
	sch, err := room.schemaOf(s.layout, s.spec.Columns)
	if err != nil {
		return nil, err
	}
	c, err := s.start(room.mem, stats)
	if err != nil {
		return nil, err
	}
	return &batchReader{batchScan: c, mem: room.mem, schema: sch}, nil
}

func (r *batchReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.closed {
		return nil, io.EOF
	}
	// MaxBatchRows is a whole number of windows, so a batch never overflows.
	var rows []int32
	var sel codec.Bits
	for looked := 0; r.next < r.windows; looked++ {
		if len(rows)+VectorRows > MaxBatchRows {
			break
		}
		w := r.next
		if r.spec.Descending {
			w = r.windows - 1 - w
		}
		r.next++
		if r.window(w, &sel) == 0 {
			continue
		}
		at := len(rows)
		rows = sel.Rows(rows)
		for i := range rows[at:] {
			rows[at+i] += int32(w * VectorRows)
		}
		if r.spec.Descending {
			slices.Reverse(rows[at:])
		}
	}
	if len(rows) == 0 {
		return nil, io.EOF
	}
	r.stats.RowsReturned += int64(len(rows))
	return r.gather(rows)
}

func (r *batchReader) gather(rows []int32) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, len(r.spec.Columns))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	first, n := rows[0], len(rows)
	whole := int(rows[n-1]-first) == n-1 && !r.spec.Descending
	for _, id := range r.spec.Columns {
		k := r.layout.Index(id)
		if whole { // neighbouring rows are shared, not copied
			columns = append(columns, array.NewSlice(r.batch.Column(k), int64(first), int64(first)+int64(n)))
			continue
		}
		a, err := Take(r.mem, r.layout.Columns[k].Type, r.batch.Column(k), rows)
		if err != nil {
			return nil, err
		}
		columns = append(columns, a)
	}
	return array.NewRecordBatch(r.schema, columns, int64(n)), nil
}

func (r *batchReader) Close() error {
	if !r.closed {
		r.close()
	}
	r.closed = true
	return nil
}

func (s *batchSplit) Aggregate(ctx context.Context, room *Room, aggs []Aggregate, stats *ScanStats) ([]Partial, bool, error) {
	folds := make([]*fold, len(aggs))
	out := make([]Partial, len(aggs))
	for i, a := range aggs {
		folds[i] = &fold{Aggregate: a, out: &out[i]}
		if a.Func == AggCountStar {
			continue
		}
		k := s.layout.Index(a.Column)
		if k < 0 || !canFold(a.Func, s.layout.Columns[k].Type) {
			return nil, false, nil
		}
		folds[i].typ = s.layout.Columns[k].Type
	}
	c, err := s.start(room.mem, stats)
	if err != nil {
		return nil, true, err
	}
	defer c.close()
	var sel codec.Bits
	for w := range c.windows {
		if err := ctx.Err(); err != nil {
			return nil, true, err
		}
		n := c.window(w, &sel)
		stats.RowsReturned += int64(n)
		if n == 0 {
			continue
		}
		for _, f := range folds {
			if f.Func == AggCountStar {
				f.out.Count += int64(n)
				continue
			}
			f.addArray(c.batch.Column(s.layout.Index(f.Column)), w*VectorRows, codec.VectorLen(int(s.batch.NumRows()), w), sel)
		}
	}
	for _, f := range folds {
		f.finish()
	}
	return out, true, nil
}

// addArray adds the selected rows of a window of an array.
func (f *fold) addArray(a arrow.Array, from, n int, sel codec.Bits) {
	var null codec.Bits
	nullRows(a, from, n, &null)
	sel.AndNot(&null)
	k := sel.Count()
	f.out.Count += int64(k)
	if f.Func == AggCount || k == 0 {
		return
	}
	switch a := a.(type) {
	case *array.Float64:
		foldFloats(f, a.Float64Values()[from:from+n], &sel)
	case *array.Float32:
		foldFloats(f, a.Float32Values()[from:from+n], &sel)
	case *array.String, *array.Binary, *array.FixedSizeBinary:
		for w, word := range sel {
			for ; word != 0; word &= word - 1 {
				f.extreme(bytesAt(a, from+(w<<6)+bits.TrailingZeros64(word)))
			}
		}
	default:
		var x [VectorRows]int64
		copyInts(x[:n], a, from)
		if f.Func == AggSum {
			hi, lo := sumInts(x[:n], &sel, k == n)
			f.out.Hi, f.out.Lo = add128(f.out.Hi, f.out.Lo, hi, lo)
		} else {
			f.extremeInts(x[:n], &sel)
		}
	}
}
