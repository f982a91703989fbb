package chunk

import (
	"context"
	"github.com/phyllodb/phyllo/codec"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

func busChunk(b testing.TB) (*Layout, *Sealed) {
	l := busLayout()
	l.Slice = 0
	batch := busRows(rand.New(rand.NewPCG(3, 4)), 65536, 64)
	defer batch.Release()
	sorted := must(SortRows(memory.DefaultAllocator, l, []arrow.RecordBatch{batch}))
	defer sorted[0].Batch.Release()
	return l, must(Seal(l, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch))[0]
}

// filters that no bounds decide
var busFilters = []struct {
	name   string
	filter []Predicate
}{
	{"none", nil},
	{"speed>10", []Predicate{{Column: 3, Op: OpGT, Values: []datum.Value{float32(10)}}}},
	{"latitude>30.3", []Predicate{{Column: 6, Op: OpGT, Values: []datum.Value{30.3}}}},
	{"route=7", []Predicate{{Column: 4, Op: OpEQ, Values: []datum.Value{"7"}}}},
	{"time-and-speed", []Predicate{{Column: 2, Op: OpGE, Values: []datum.Value{datum.Micros(1425750000e6)}}, {Column: 3, Op: OpLT, Values: []datum.Value{float32(20)}}}},
}

func BenchmarkAggregate(b *testing.B) {
	l, s := busChunk(b)
	for _, c := range busFilters {
		b.Run("sum=longitude/filter="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				spec := ScanSpec{Filter: c.filter, Pruning: PruningOff{Manifest: true}}
				_, ok, err := NewSplit(&s.Entry, l, spec, fetcher(s)).Aggregate(context.Background(), NewRoom(memory.DefaultAllocator),
					[]Aggregate{{Func: AggCount, Column: 7}, {Func: AggSum, Column: 7}}, &ScanStats{})
				if err != nil || !ok {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Entry.Rows), "ns/row")
		})
	}
}

func BenchmarkScan(b *testing.B) {
	l, s := busChunk(b)
	all := []schema.ColumnID{1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range busFilters {
		for name, columns := range map[string][]schema.ColumnID{"all": all, "one": {7}} {
			b.Run("columns="+name+"/filter="+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					spec := ScanSpec{Columns: columns, Filter: c.filter}
					r, err := NewSplit(&s.Entry, l, spec, fetcher(s)).Scan(context.Background(), NewRoom(memory.DefaultAllocator), &ScanStats{})
					if err != nil {
						b.Fatal(err)
					}
					for {
						batch, err := r.Next(context.Background())
						if err == io.EOF {
							break
						}
						if err != nil {
							b.Fatal(err)
						}
						batch.Release()
					}
					r.Close()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Entry.Rows), "ns/row")
			})
		}
	}
}

func BenchmarkSortAndSeal(b *testing.B) {
	l := busLayout()
	l.Slice = 0
	batch := busRows(rand.New(rand.NewPCG(3, 4)), 65536, 64)
	rows := rand.New(rand.NewPCG(5, 6)).Perm(int(batch.NumRows()))
	shuffled := make([]int32, len(rows))
	for i, r := range rows {
		shuffled[i] = int32(r)
	}
	mixed := must(TakeBatch(memory.DefaultAllocator, l, batch, shuffled))
	b.Run("step=sort", func(b *testing.B) {
		for b.Loop() {
			s := must(SortRows(memory.DefaultAllocator, l, []arrow.RecordBatch{mixed}))
			s[0].Batch.Release()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
	})
	b.Run("step=seal", func(b *testing.B) {
		for b.Loop() {
			must(Seal(l, SealOptions{Effort: codec.Quick, IDs: NewIDs(nil)}, batch))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
	})
}
