package chunk

import (
	"errors"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// TestMarkedNulls wants columns with NULLs here and there without a mask, whatever their
// extremes, and each row as it was.
func TestMarkedNulls(t *testing.T) {
	r := newRand(t)
	const rows = 3000
	for _, c := range []struct {
		name string
		typ  datum.Type
		// value returns that of a row that is not NULL.
		value func() datum.Value
		whole bool // there is no number left for NULLs
	}{
		{"few integers", datum.Of(datum.Int8), func() datum.Value { return int64(r.IntN(9)) }, false},
		{"multiples", datum.Of(datum.Int8), func() datum.Value { return int64(r.IntN(9))*60e6 - 120e6 }, false},
		{"from the least", datum.Of(datum.Int8), func() datum.Value { return math.MinInt64 + int64(r.IntN(3)) }, false},
		{"from the least, down", datum.Of(datum.Int8), func() datum.Value { return math.MinInt64 + int64(r.IntN(3))<<61 }, false},
		{"to the greatest", datum.Of(datum.Int8), func() datum.Value { return math.MaxInt64 - int64(r.IntN(3)) }, false},
		{"both", datum.Of(datum.Int8), func() datum.Value { return []int64{math.MinInt64, 0, math.MaxInt64}[r.IntN(3)] }, true},
		{"smallint from the least", datum.Of(datum.Int2), func() datum.Value { return math.MinInt16 + int16(r.IntN(3)) }, false},
		{"integer from the least", datum.Of(datum.Int4), func() datum.Value { return math.MinInt32 + int32(r.IntN(3)) }, false},
		{"doubles", datum.Of(datum.Float8), func() datum.Value { return float64(r.IntN(90)) / 10 }, false},
		{"doubles from 1", datum.Of(datum.Float8), func() datum.Value { return 1 + float64(r.IntN(9)) }, false},
		{"odd doubles", datum.Of(datum.Float8), func() datum.Value {
			return []float64{math.Inf(-1), math.NaN(), math.Copysign(0, -1), -3.5, 0}[r.IntN(5)]
		}, false},
		{"doubles without a finite one", datum.Of(datum.Float8), func() datum.Value { return []float64{math.Inf(-1), math.NaN()}[r.IntN(2)] }, true},
		{"great doubles", datum.Of(datum.Float8), func() datum.Value { return []float64{-1e300, 5}[r.IntN(2)] }, true},
		{"reals", datum.Of(datum.Float4), func() datum.Value { return float32(r.IntN(90)) / 4 }, false},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, c.typ.Arrow())
		var want []datum.Value
		for range rows {
			if r.IntN(3) > 0 {
				b.AppendNull()
				want = append(want, nil)
				continue
			}
			v := c.value()
			datum.Append(b, c.typ, v)
			want = append(want, v)
		}
		a := b.NewArray()
		blob, _, err := encodeColumn(&Column{ID: 1, Type: c.typ}, a, codec.Thorough)
		if err != nil {
			t.Fatal(err)
		}
		col, err := openBlob(blob, c.typ)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := col.null.Describe().Scheme == codec.Marks; got == c.whole {
			t.Errorf("%s: a mask of marks: %v", c.name, got)
		} else if got && blob[2] != 4 {
			t.Errorf("%s: marks in a blob of version %d", c.name, blob[2])
		}
		for v := range codec.Vectors(rows) {
			sameValues(t, c.name, c.typ, must(col.array(memory.DefaultAllocator, c.typ, v)), want[v*VectorRows:])
		}
	}
}

func sameValues(t *testing.T, name string, typ datum.Type, got arrow.Array, want []datum.Value) {
	t.Helper()
	defer got.Release()
	for i := range got.Len() {
		switch {
		case want[i] == nil || got.IsNull(i):
			if (want[i] == nil) != got.IsNull(i) {
				t.Fatalf("%s: row %d: NULL %v, want %v", name, i, got.IsNull(i), want[i])
			}
		case datum.Compare(typ, datum.ValueAt(typ, got, i), want[i]) != 0:
			t.Fatalf("%s: row %d: %v, want %v", name, i, datum.ValueAt(typ, got, i), want[i])
		}
	}
}

// TestMarksOfOtherForms refuses masks of marks where values have no mark, and marks that are
// several values.
func TestMarksOfOtherForms(t *testing.T) {
	room := newChunkRoom()
	ints, floats := codec.AppendInts(nil, []int64{1, 2}), codec.AppendFloats(nil, []float64{1, 2})
	node := func(mask, values []byte) []byte { return append(append([]byte{byte(len(mask))}, mask...), values...) }
	for _, c := range []struct {
		name string
		typ  datum.Type
		f    form
		b    []byte
		ok   bool
	}{
		{"integers", datum.Of(datum.Int8), formInts, node(codec.AppendIntMarks(nil, 2), ints), true},
		{"doubles", datum.Of(datum.Float8), formFloat64, node(codec.AppendFloatMarks(nil, 2.0), floats), true},
		{"zero", datum.Of(datum.Float8), formFloat64, node(codec.AppendFloatMarks(nil, 0.0), floats), false},
		{"NaN", datum.Of(datum.Float8), formFloat64, node(codec.AppendFloatMarks(nil, math.NaN()), floats), false},
		{"a real among doubles", datum.Of(datum.Float8), formFloat64, node(codec.AppendFloatMarks(nil, float32(2)), floats), false},
		{"nothing", datum.Of(datum.Int8), formInts, node([]byte{byte(codec.Marks)}, ints), false},
		{"bits", datum.Of(datum.Bool), formBits, node(codec.AppendIntMarks(nil, 1), codec.AppendBits(nil, []uint64{1}, 2)), false},
		{"strings", datum.Of(datum.Text), formBytes, node(codec.AppendIntMarks(nil, 1), codec.AppendBytes(nil, &codec.Strings{Offsets: []int64{0, 1, 2}, Data: []byte("ab")})), false},
	} {
		_, err := room.openValues(c.typ, c.f, 2, 1, c.b)
		if c.ok && err != nil || !c.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
