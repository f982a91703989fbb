package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestEdge checks that scans with an edge return rows that pass, and among them
// the last or first of each key.
func TestEdge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	l := &Layout{SortKey: []schema.ColumnID{1, 2, 3}, TimeColumn: 3, Columns: []Column{
		{ID: 1, Name: "k", Type: datum.Of(datum.Text)}, {ID: 2, Name: "n", Type: datum.Of(datum.Int4)},
		{ID: 3, Name: "ts", Type: datum.Of(datum.TimestampTZ)}, {ID: 4, Name: "v", Type: datum.Of(datum.Int8)},
	}}
	type key struct {
		k string
		n int32
	}
	for _, keys := range []int{1, 3, 40, 2000, 100_000} {
		for _, nulls := range []bool{false, true} {
			sch, err := l.Schema([]schema.ColumnID{1, 2, 3, 4})
			if err != nil {
				t.Fatal(err)
			}
			b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
			for range 9000 {
				x := rng.IntN(keys)
				if nulls && x%17 == 3 {
					b.Field(0).AppendNull()
				} else {
					b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("key ", x/2))
				}
				b.Field(1).(*array.Int32Builder).Append(int32(x % 2))
				b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(rng.Int64N(1 << 40)))
				b.Field(3).(*array.Int64Builder).Append(rng.Int64N(100))
			}
			sorted, err := SortRows(memory.DefaultAllocator, l, []arrow.RecordBatch{b.NewRecordBatch()})
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := Seal(l, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range []ScanSpec{
				{Edge: Edge{Columns: 2}}, {Edge: Edge{Columns: 2, First: true}}, {Edge: Edge{Columns: 1}}, {Edge: Edge{Columns: 2}, Descending: true},
				{Edge: Edge{Columns: 2}, Filter: []Predicate{{Column: 4, Op: OpLT, Values: []datum.Value{int64(30)}}}},
				{Edge: Edge{Columns: 2, First: true}, Filter: []Predicate{{Column: 3, Op: OpGT, Values: []datum.Value{datum.Micros(1 << 39)}}}},
			} {
				spec.Columns = []schema.ColumnID{1, 2, 3}
				edges := func(edge Edge) (map[key]int64, int) {
					s := spec
					s.Edge = edge
					var stats ScanStats
					r, err := NewSplit(&sealed[0].Entry, l, s, fetcher(sealed[0])).
						Scan(context.Background(), roomFor(memory.DefaultAllocator), &stats)
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					out, rows := map[key]int64{}, 0
					for {
						b, err := r.Next(context.Background())
						if errors.Is(err, io.EOF) {
							return out, rows
						}
						if err != nil {
							t.Fatal(err)
						}
						rows += int(b.NumRows())
						for i := range int(b.NumRows()) {
							k := key{b.Column(0).ValueStr(i), b.Column(1).(*array.Int32).Value(i)}
							if spec.Edge.Columns == 1 {
								k.n = 0
							}
							ts := int64(b.Column(2).(*array.Timestamp).Value(i))
							if old, ok := out[k]; !ok || (spec.Edge.Columns == 2 && (ts < old) == spec.Edge.First) {
								out[k] = ts
							}
						}
						b.Release()
					}
				}
				want, all := edges(Edge{})
				got, some := edges(spec.Edge)
				what := fmt.Sprintf("%d keys, nulls %v, %+v", keys, nulls, spec)
				if len(got) != len(want) {
					t.Fatalf("%s: %d keys, want %d", what, len(got), len(want))
				}
				for k, ts := range want {
					if spec.Edge.Columns == 2 && got[k] != ts {
						t.Fatalf("%s: key %v at %d, want %d", what, k, got[k], ts)
					}
				}
				if keys <= 40 && !nulls && some > all/4 {
					t.Errorf("%s: %d of %d rows: nothing was saved", what, some, all)
				}
			}
		}
	}
}
