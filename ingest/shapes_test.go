package ingest

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestShapedArrays sends arrays with dimensions of their own among plain ones through an entry, from
// larger buffers and with NULLs whose slots hold elements, and an entry that is cut off anywhere.
func TestShapedArrays(t *testing.T) {
	r := newRand(t)
	for range 50 {
		p := randomPart(r, memory.DefaultAllocator, nil, 0)
		p.Types = []datum.Type{datum.Of(datum.Int4Array), datum.Of(datum.TextArray)}
		rows := 1 + r.IntN(20)
		arrays, fields := make([]arrow.Array, len(p.Types)), make([]arrow.Field, len(p.Types))
		for i, typ := range p.Types {
			b := array.NewBuilder(memory.DefaultAllocator, typ.Arrow())
			for range rows {
				a := randomValue(r, typ).(datum.Array)
				if r.IntN(3) > 0 {
					a = datum.NewArrayOf(a.Elem, a.Values, []datum.Dim{{Len: 1, Lower: int32(r.IntN(3) - 1)}, {Len: int32(len(a.Values)), Lower: 1}})
				}
				datum.Append(b, typ, a)
			}
			arrays[i] = sliced(r, memory.DefaultAllocator, typ, b.NewArray())
			if r.IntN(2) == 0 {
				arrays[i] = hidden(r, arrays[i])
			}
			fields[i] = datum.Field(fmt.Sprint("c", i), typ)
			p.Columns = append(p.Columns, schema.ColumnID(i+1))
		}
		p.Rows = array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(rows))
		want := []*Record{{ID: [16]byte{1}, Versions: 1, Parts: []Part{p}}}
		src := must(AppendRecords(nil, want))
		got, _, err := decodeEntry(memory.DefaultAllocator, src)
		if err != nil {
			t.Fatal(err)
		}
		sameRecords(t, got, want)
		for n := range src {
			decodeDamaged(t, src[:n], true)
		}
	}
}
