package chunk

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// TestShapedArrays writes arrays with dimensions of their own, plain ones and NULLs into a blob and reads them, whole
// and by rows; blobs without any are of the version before.
func TestShapedArrays(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	r := newRand(t)
	typ := datum.Of(datum.TextArray)
	for _, shaped := range []bool{false, true} {
		b := array.NewBuilder(mem, typ.Arrow())
		defer b.Release()
		const rows = 2*VectorRows + 7
		for range rows {
			a := randomValue(r, typ).(datum.Array)
			if shaped && r.IntN(3) == 0 {
				a = datum.NewArrayOf(a.Elem, a.Values, []datum.Dim{{Len: 1, Lower: int32(r.IntN(3) - 1)}, {Len: int32(len(a.Values)), Lower: 1}})
			}
			if r.IntN(5) == 0 {
				b.AppendNull()
			} else {
				datum.Append(b, typ, a)
			}
		}
		want := b.NewArray()
		defer want.Release()
		blob, _, err := encodeColumn(&Column{ID: 1, Name: "a", Type: typ}, want, codec.Quick)
		if err != nil {
			t.Fatal(err)
		}
		if got := blob[2] == shapedVersion; got != shaped {
			t.Errorf("shaped %v: version %d", shaped, blob[2])
		}
		col := must(openBlob(blob, typ))
		for v := range codec.Vectors(col.rows) {
			got := must(col.array(mem, typ, v))
			picked := make([]int32, 0, got.Len())
			for i := range got.Len() {
				sameValue(t, typ, datum.ValueAt(typ, got, i), datum.ValueAt(typ, want, v*VectorRows+i))
				if r.IntN(2) == 0 {
					picked = append(picked, int32(i))
				}
			}
			taken := must(Take(mem, typ, got, picked))
			for i, row := range picked {
				sameValue(t, typ, datum.ValueAt(typ, taken, i), datum.ValueAt(typ, got, int(row)))
			}
			taken.Release()
			got.Release()
		}
	}
}

func sameValue(t *testing.T, typ datum.Type, got, want datum.Value) {
	t.Helper()
	if string(datum.AppendValue(nil, typ, got)) != string(datum.AppendValue(nil, typ, want)) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
