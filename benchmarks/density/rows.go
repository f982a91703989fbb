package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

//go:embed peers.py
var peersScript []byte

// cpuRows generates readings of CPUs, of integers or of doubles.
func cpuRows(seed uint64, rows int, integers bool) arrow.RecordBatch {
	fields := []arrow.Field{{Name: "host", Type: arrow.BinaryTypes.String}, {Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us}}
	typ := arrow.DataType(arrow.PrimitiveTypes.Float64)
	if integers {
		typ = arrow.PrimitiveTypes.Int64
	}
	for _, m := range measure.Metrics {
		fields = append(fields, arrow.Field{Name: m, Type: typ})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for r := range measure.Readings(seed, rows) {
		b.Field(0).(*array.StringBuilder).Append(r.Host)
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(r.At.UnixMicro()))
		for m, x := range r.Values {
			if integers {
				b.Field(2 + m).(*array.Int64Builder).Append(x)
			} else {
				b.Field(2 + m).(*array.Float64Builder).Append(float64(x))
			}
		}
	}
	return b.NewRecordBatch()
}

// readArrow reads an Arrow file as one batch.
func readArrow(path string) (arrow.RecordBatch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	parts := make([][]arrow.Array, r.Schema().NumFields())
	rows := int64(0)
	for i := range r.NumRecords() {
		b, err := r.RecordBatchAt(i)
		if err != nil {
			return nil, err
		}
		for k := range parts {
			parts[k] = append(parts[k], b.Column(k))
		}
		rows += b.NumRows()
	}
	columns := make([]arrow.Array, len(parts))
	for k := range parts {
		if columns[k], err = array.Concatenate(parts[k], memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(r.Schema(), columns, rows), nil
}

// layoutOf makes a table of the columns.
func layoutOf(d *dataset, s *arrow.Schema) (*chunk.Layout, error) {
	l := &chunk.Layout{Slice: d.slice}
	id := map[string]schema.ColumnID{}
	for i, f := range s.Fields() {
		t, err := typeOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		id[f.Name] = schema.ColumnID(i + 1)
		l.Columns = append(l.Columns, chunk.Column{ID: id[f.Name], Name: f.Name, Type: t})
	}
	for _, k := range d.key {
		if id[k] == 0 {
			return nil, fmt.Errorf("no column %s", k)
		}
		l.SortKey = append(l.SortKey, id[k])
	}
	l.TimeColumn = id[d.time]
	return l, nil
}

// partitioned sorts the rows of each partition by slice and key, one partition after the other.
func partitioned(d *dataset, l *chunk.Layout, rows arrow.RecordBatch) ([]chunk.SliceRows, error) {
	if d.parts < 2 {
		return chunk.SortRows(memory.DefaultAllocator, l, []arrow.RecordBatch{rows})
	}
	buckets := make([][]int32, d.parts)
	by := l.Index(l.SortKey[0])
	for row := range int(rows.NumRows()) {
		h := datum.Hash(l.Columns[by].Type, rows.Column(by), row, 0)
		b := int((h >> 32) * uint64(d.parts) >> 32)
		buckets[b] = append(buckets[b], int32(row))
	}
	var out []chunk.SliceRows
	for _, b := range buckets {
		part, err := chunk.TakeBatch(memory.DefaultAllocator, l, rows, b)
		if err != nil {
			return nil, err
		}
		sorted, err := chunk.SortRows(memory.DefaultAllocator, l, []arrow.RecordBatch{part})
		part.Release()
		if err != nil {
			return nil, err
		}
		out = append(out, sorted...)
	}
	return out, nil
}

func typeOf(t arrow.DataType) (datum.Type, error) {
	switch t := t.(type) {
	case *arrow.Int16Type:
		return datum.Of(datum.Int2), nil
	case *arrow.Int32Type:
		return datum.Of(datum.Int4), nil
	case *arrow.Int64Type:
		return datum.Of(datum.Int8), nil
	case *arrow.Float32Type:
		return datum.Of(datum.Float4), nil
	case *arrow.Float64Type:
		return datum.Of(datum.Float8), nil
	case *arrow.BooleanType:
		return datum.Of(datum.Bool), nil
	case *arrow.StringType:
		return datum.Of(datum.Text), nil
	case *arrow.Date32Type:
		return datum.Of(datum.Date), nil
	case *arrow.Time64Type:
		return datum.Of(datum.Time), nil
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return datum.Of(datum.Timestamp), nil
		}
		return datum.Of(datum.TimestampTZ), nil
	}
	return datum.Type{}, fmt.Errorf("type %v has no counterpart", t)
}

// An arrowFile takes the sorted rows for the peers.
type arrowFile struct {
	schema *arrow.Schema
	f      *os.File
	w      *ipc.FileWriter
}

func newArrowFile(path string, s *arrow.Schema) (*arrowFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(s))
	if err != nil {
		return nil, err
	}
	return &arrowFile{s, f, w}, nil
}

func (a *arrowFile) write(b arrow.RecordBatch) error {
	return a.w.Write(array.NewRecordBatch(a.schema, b.Columns(), b.NumRows()))
}

func (a *arrowFile) close() error {
	if err := a.w.Close(); err != nil {
		return err
	}
	return a.f.Close()
}
