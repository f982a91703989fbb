package ingest

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Conform makes a batch of the layout's columns from rows that were written
// under an older schema and have the given columns. Columns that the rows lack
// are as rows without them read (chunk.Column.Missing, else NULL); those that the
// layout lacks are left out; types that have been widened since are converted;
// the row version, if the layout has one, is version for all rows, unless it
// is among columns; and rows are marks if columns says so. Columns that need no
// change are shared with rows.
//
// The caller releases the result. A column that cannot be read as what it has
// become is an error with SQLSTATE XX000: no ALTER TABLE makes such. For many
// batches of one layout, a Conformer saves some work.
func Conform(mem memory.Allocator, l *chunk.Layout, columns []schema.ColumnID, rows arrow.RecordBatch, version int64) (arrow.RecordBatch, error) {
	return NewConformer(l).Conform(mem, columns, rows, version)
}

// A Conformer conforms batches to one layout. It is immutable and safe for
// concurrent use.
type Conformer struct {
	layout *chunk.Layout
	schema *arrow.Schema
}

// NewConformer returns the Conformer of a layout.
func NewConformer(l *chunk.Layout) *Conformer {
	fields := make([]arrow.Field, len(l.Columns))
	for i, c := range l.Columns {
		fields[i] = datum.Field(c.Name, c.Type)
	}
	return &Conformer{layout: l, schema: arrow.NewSchema(fields, nil)}
}

// Conform is the function of that name.
func (f *Conformer) Conform(mem memory.Allocator, columns []schema.ColumnID, rows arrow.RecordBatch, version int64) (arrow.RecordBatch, error) {
	if int(rows.NumCols()) != len(columns) {
		return nil, bug("a batch of %d columns with %d column IDs", rows.NumCols(), len(columns))
	}
	arrays := make([]arrow.Array, 0, len(f.layout.Columns))
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	n := int(rows.NumRows())
	for i := range f.layout.Columns {
		c := &f.layout.Columns[i]
		var a arrow.Array
		switch at := slices.Index(columns, c.ID); {
		case at >= 0:
			if a = widen(mem, rows.Column(at), c.Type.Arrow()); a == nil {
				return nil, bug("column %s: cannot read %v as %v", c.Name, rows.Column(at).DataType(), c.Type)
			}
		case c.ID == schema.RowVersionColumn:
			a = constantInts(mem, version, n)
		case c.ID == schema.RowDeletedColumn:
			a = allFalse(mem, n)
		case c.Missing == nil:
			a = array.MakeArrayOfNull(mem, c.Type.Arrow(), n)
		default:
			a = datum.NewArray(mem, c.Type, c.Missing, n)
		}
		arrays = append(arrays, a)
	}
	return array.NewRecordBatch(f.schema, arrays, int64(n)), nil
}

// constantInts makes an array of n times x.
func constantInts(mem memory.Allocator, x int64, n int) arrow.Array {
	return numbers(mem, arrow.PrimitiveTypes.Int64, n, nil, 0, func(out []int64) {
		for i := range out {
			out[i] = x
		}
	})
}

// allFalse makes an array of n times false.
func allFalse(mem memory.Allocator, n int) arrow.Array {
	buf := memory.NewResizableBuffer(mem)
	defer buf.Release()
	buf.Resize(bitmapBytes(n))
	clear(buf.Bytes())
	d := array.NewData(arrow.FixedWidthTypes.Boolean, n, []*memory.Buffer{nil, buf}, nil, 0, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// widen returns the array as one of the wanted type, the same if that is its
// own; nil if there is no such widening. Slots of NULLs are converted too.
func widen(mem memory.Allocator, a arrow.Array, wanted arrow.DataType) arrow.Array {
	if arrow.TypeEqual(a.DataType(), wanted) {
		a.Retain()
		return a
	}
	switch a := a.(type) {
	case *array.Int16:
		switch wanted.ID() {
		case arrow.INT32:
			return converted[int32](mem, a, a.Int16Values(), wanted)
		case arrow.INT64:
			return converted[int64](mem, a, a.Int16Values(), wanted)
		}
	case *array.Int32:
		if wanted.ID() == arrow.INT64 {
			return converted[int64](mem, a, a.Int32Values(), wanted)
		}
	case *array.Float32:
		if wanted.ID() == arrow.FLOAT64 {
			return converted[float64](mem, a, a.Float32Values(), wanted)
		}
	}
	return nil
}

func converted[T int32 | int64 | float64, S int16 | int32 | float32](mem memory.Allocator, a arrow.Array, values []S, wanted arrow.DataType) arrow.Array {
	var valid *memory.Buffer
	if a.NullN() > 0 {
		valid = memory.NewResizableBuffer(mem)
		defer valid.Release()
		valid.Resize(bitmapBytes(a.Len()))
		bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), valid.Bytes(), 0)
	}
	return numbers(mem, wanted, a.Len(), valid, a.NullN(), func(out []T) {
		for i, x := range values {
			out[i] = T(x)
		}
	})
}

// numbers makes an array of n numbers that fill sets.
func numbers[T int32 | int64 | float64](mem memory.Allocator, t arrow.DataType, n int, valid *memory.Buffer, nulls int, fill func([]T)) arrow.Array {
	buf := memory.NewResizableBuffer(mem)
	defer buf.Release()
	buf.Resize(n * t.(arrow.FixedWidthDataType).Bytes())
	fill(arrow.GetData[T](buf.Bytes()))
	d := array.NewData(t, n, []*memory.Buffer{valid, buf}, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}
