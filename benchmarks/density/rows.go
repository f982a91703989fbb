package main

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

//go:embed peers.py
var peersScript []byte

// metrics are those of a CPU.
var metrics = []string{"usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait", "usage_irq", "usage_softirq",
	"usage_steal", "usage_guest", "usage_guest_nice"}

// cpuRows generates readings of 100 hosts every 10 seconds: each metric walks
// between 0 and 100 in normally distributed steps and is cut to an integer.
func cpuRows(seed uint64, rows int, integers bool) arrow.RecordBatch {
	const hosts, start, step = 100, 1451606400, 10
	r := rand.New(rand.NewPCG(seed, 1))
	fields := []arrow.Field{{Name: "host", Type: arrow.BinaryTypes.String}, {Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us}}
	typ := arrow.DataType(arrow.PrimitiveTypes.Float64)
	if integers {
		typ = arrow.PrimitiveTypes.Int64
	}
	for _, m := range metrics {
		fields = append(fields, arrow.Field{Name: m, Type: typ})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	var state [hosts][]float64
	for h := range state {
		for range metrics {
			state[h] = append(state[h], r.Float64()*100)
		}
	}
	for i := range rows {
		h := i % hosts
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("host_%d", h))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(start+i/hosts*step) * 1e6)
		for m := range metrics {
			x := min(max(state[h][m]+r.NormFloat64(), 0), 100)
			state[h][m] = x
			if integers {
				b.Field(2 + m).(*array.Int64Builder).Append(int64(x))
			} else {
				b.Field(2 + m).(*array.Float64Builder).Append(float64(int64(x)))
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
