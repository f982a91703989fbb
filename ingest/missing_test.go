package ingest

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// column makes an array of values.
func column(mem memory.Allocator, t datum.Type, values ...datum.Value) arrow.Array {
	b := array.NewBuilder(mem, t.Arrow())
	defer b.Release()
	for _, v := range values {
		datum.Append(b, t, v)
	}
	return b.NewArray()
}

func batchOf(types []datum.Type, columns ...arrow.Array) arrow.RecordBatch {
	fields := make([]arrow.Field, len(types))
	for i, t := range types {
		fields[i] = datum.Field("", t)
	}
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(columns[0].Len()))
}

// TestConform reads rows of an older schema: columns in another order, widened,
// dropped, and added with and without a value.
func TestConform(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	of := datum.Of
	l := &chunk.Layout{Columns: []chunk.Column{
		{ID: 2, Name: "small", Type: of(datum.Int4)}, {ID: 1, Name: "text", Type: of(datum.Text)}, {ID: 3, Name: "smaller", Type: of(datum.Int8)},
		{ID: 4, Name: "int", Type: of(datum.Int8)}, {ID: 5, Name: "real", Type: of(datum.Float8)}, {ID: 7, Name: "added", Type: of(datum.Text), Missing: "old"},
		{ID: 8, Name: "nothing", Type: of(datum.Int4Array)}, {ID: 9, Name: "list", Type: of(datum.Int4Array), Missing: datum.Array{Elem: of(datum.Int4), Values: []datum.Value{int32(1), nil}}},
		{ID: schema.RowVersionColumn, Name: "row_version", Type: of(datum.Int8)},
	}}
	types := []datum.Type{of(datum.Text), of(datum.Int2), of(datum.Int2), of(datum.Int4), of(datum.Float4), of(datum.Bool)}
	whole := batchOf(types, column(mem, types[0], "x", "a", nil, "b"), column(mem, types[1], nil, int16(-1), nil, int16(32767)),
		column(mem, types[2], int16(9), int16(-32768), int16(0), int16(1)), column(mem, types[3], nil, int32(-1<<31), nil, int32(5)),
		column(mem, types[4], float32(0), float32(0.5), nil, float32(-1)), column(mem, types[5], true, true, nil, false))
	defer whole.Release()
	rows := whole.NewSlice(1, 4)
	defer rows.Release()
	got, err := Conform(mem, l, []schema.ColumnID{1, 2, 3, 4, 5, 6}, rows, 77)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	list := l.Columns[7].Missing
	for i, want := range [][]datum.Value{
		{int32(-1), nil, int32(32767)}, {"a", nil, "b"}, {int64(-32768), int64(0), int64(1)}, {int64(-1 << 31), nil, int64(5)},
		{0.5, nil, -1.0}, {"old", "old", "old"}, {nil, nil, nil}, {list, list, list}, {int64(77), int64(77), int64(77)},
	} {
		c := l.Columns[i]
		if name := got.ColumnName(i); name != c.Name {
			t.Errorf("column %d is called %q", i, name)
		}
		w := column(mem, c.Type, want...)
		sameArrays(t, c.Type, got.Column(i), w)
		w.Release()
	}
	if got.Column(1).Data().Buffers()[2] != rows.Column(0).Data().Buffers()[2] {
		t.Error("a column that needs no change was copied")
	}
}

// TestConformVersions keeps the row versions of rows that have them.
func TestConformVersions(t *testing.T) {
	l := busLayout(true)
	batch := busBatch(newRand(t), heap, l, 5, 0, 3)
	var ids []schema.ColumnID
	for _, c := range l.Columns {
		ids = append(ids, c.ID)
	}
	got := must(Conform(heap, l, ids, batch, 77))
	for i, c := range l.Columns {
		sameArrays(t, c.Type, got.Column(i), batch.Column(i))
	}
	if empty := must(Conform(heap, l, ids, batch.NewSlice(2, 2), 1)); empty.NumRows() != 0 {
		t.Errorf("%d rows of none", empty.NumRows())
	}
}

func TestConformRefuses(t *testing.T) {
	of := datum.Of
	for _, c := range []struct {
		name          string
		stored, wants datum.Type
	}{
		{"narrower", of(datum.Int8), of(datum.Int4)}, {"integer to float", of(datum.Int4), of(datum.Float8)},
		{"text to bytes", of(datum.Text), of(datum.Bytea)}, {"timestamp to timestamptz", of(datum.Timestamp), of(datum.TimestampTZ)},
		{"array of wider", of(datum.Int4Array), of(datum.Int8Array)}, {"float to integer", of(datum.Float4), of(datum.Int8)},
	} {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		l := &chunk.Layout{Columns: []chunk.Column{{ID: 2, Type: of(datum.Bool)}, {ID: 1, Name: "x", Type: c.wants}}}
		rows := batchOf([]datum.Type{c.stored}, column(mem, c.stored, nil, nil))
		got, err := Conform(mem, l, []schema.ColumnID{1}, rows, 0)
		if got != nil || pgerr.Code(err) != pgerr.InternalError {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		if _, err := Conform(mem, l, nil, rows, 0); err == nil {
			t.Errorf("%s: columns without IDs were taken", c.name)
		}
		rows.Release()
		mem.AssertSize(t, 0)
	}
}
