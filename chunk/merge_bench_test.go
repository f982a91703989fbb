package chunk

import (
	"context"
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

// benchLayout is a keyed table of readings of vehicles.
func benchLayout() *Layout {
	l := &Layout{SortKey: []schema.ColumnID{1, 2}, TimeColumn: 2}
	for i, t := range []datum.OID{datum.Text, datum.TimestampTZ, datum.Float4, datum.Text, datum.Float8, datum.Float8} {
		l.Columns = append(l.Columns, Column{ID: schema.ColumnID(i + 1), Name: fmt.Sprint("c", i+1), Type: datum.Of(t)})
	}
	l.Columns = append(l.Columns, Column{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)})
	return l
}

// benchRuns makes runs that together have rows rows, of vehicles whose readings come
// every 15 s: mixed, any reading is in any run; in blocks, an hour's readings of all
// vehicles are in one run. One row in a hundred is in two runs.
func benchRuns(rows, runs, vehicles int, blocks bool) []arrow.RecordBatch {
	l := benchLayout()
	r := rand.New(rand.NewPCG(7, 8))
	ids := make([]schema.ColumnID, len(l.Columns))
	for i := range ids {
		ids[i] = l.Columns[i].ID
	}
	builders := make([]*array.RecordBuilder, runs)
	for i := range builders {
		builders[i] = array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema(ids)))
		defer builders[i].Release()
	}
	add := func(run, vehicle int, ts int64) {
		b := builders[run]
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("bus-%06d", vehicle))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(ts))
		b.Field(2).(*array.Float32Builder).Append(float32(r.IntN(60)) * 0.44704)
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprint(r.IntN(80)))
		b.Field(4).(*array.Float64Builder).Append(30 + float64(r.IntN(1e6))/1e6)
		b.Field(5).(*array.Float64Builder).Append(-97 - float64(r.IntN(1e6))/1e6)
		b.Field(6).(*array.Int64Builder).Append(int64(run))
	}
	for v := range vehicles {
		for i := range rows / vehicles {
			run := r.IntN(runs)
			if blocks {
				run = i / 240 % runs
			}
			ts := 1425708000e6 + int64(i)*15e6
			add(run, v, ts)
			if runs > 1 && r.IntN(100) == 0 {
				add((run+1)%runs, v, ts)
			}
		}
	}
	out := make([]arrow.RecordBatch, runs)
	for i := range out {
		out[i] = builders[i].NewRecordBatch()
	}
	return out
}

func BenchmarkMergeRows(b *testing.B) {
	l := benchLayout()
	for _, c := range []struct {
		rows, runs, vehicles int
		blocks               bool
	}{{1 << 20, 2, 500, false}, {1 << 20, 4, 500, false}, {1 << 20, 4, 500, true}, {1 << 14, 4, 50, false}, {256, 4, 8, false}, {32, 2, 4, false}} {
		runs := benchRuns(c.rows, c.runs, c.vehicles, c.blocks)
		b.Run(fmt.Sprintf("rows=%d/runs=%d/blocks=%v", c.rows, c.runs, c.blocks), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(MergeRows(memory.DefaultAllocator, l, runs)).Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.rows), "ns/row")
		})
	}
	large, small := benchRuns(1<<16, 1, 64, false)[0], benchRuns(1<<10, 1, 64, false)[0].NewSlice(100, 110)
	b.Run("rows=65536/insert=10", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(MergeRows(memory.DefaultAllocator, l, []arrow.RecordBatch{large, small})).Release()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(1<<16)), "ns/row")
	})
}

func BenchmarkMergeSplit(b *testing.B) {
	l := benchLayout()
	all := []schema.ColumnID{1, 2, 3, 4, 5, 6}
	for _, c := range []struct {
		runs   int
		blocks bool
	}{{2, false}, {4, false}, {4, true}} {
		var inputs [2][]MergeInput
		rows := 0
		for i, run := range benchRuns(1<<18, c.runs, 125, c.blocks) {
			rows += int(run.NumRows())
			inputs[0] = append(inputs[0], MergeInput{Batch: run, Rank: i})
			for _, s := range must(Seal(l, SealOptions{IDs: NewIDs(nil)}, run)) {
				inputs[1] = append(inputs[1], MergeInput{Entry: &s.Entry, Fetch: fetcher(s), Rank: i})
			}
		}
		for name, in := range map[string][]MergeInput{"batches": inputs[0], "chunks": inputs[1]} {
			for what, spec := range map[string]ScanSpec{
				"key":   {Columns: []schema.ColumnID{1, 2}},
				"count": {},
				"all":   {Columns: all},
				"few":   {Columns: all, Filter: []Predicate{{Column: 3, Op: OpGT, Values: []datum.Value{float32(26)}}}},
			} {
				b.Run(fmt.Sprintf("in=%s/runs=%d/blocks=%v/columns=%s", name, c.runs, c.blocks, what), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						readAll(b, NewMergeSplit(in, l, spec))
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
				})
			}
		}
	}
}

func readAll(b *testing.B, s Split) {
	r, err := s.Scan(context.Background(), NewRoom(memory.DefaultAllocator), &ScanStats{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for {
		batch, err := r.Next(context.Background())
		if err == io.EOF {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
}

func BenchmarkSortRun(b *testing.B) {
	l := benchLayout()
	run := benchRuns(1<<14, 1, 64, false)[0]
	order := make([]int32, run.NumRows())
	for i, x := range rand.New(rand.NewPCG(5, 6)).Perm(len(order)) {
		order[i] = int32(x)
	}
	mixed := must(TakeBatch(memory.DefaultAllocator, l, run, order))
	for _, rows := range []int{16384, 256, 16} {
		part := mixed.NewSlice(0, min(int64(rows), mixed.NumRows()))
		b.Run(fmt.Sprint("rows=", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(SortRun(memory.DefaultAllocator, l, part)).Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}

func BenchmarkLookupRun(b *testing.B) {
	l := benchLayout()
	run := benchRuns(1<<18, 1, 128, false)[0]
	order := make([]int32, 1000)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range order {
		order[i] = int32(r.IntN(1 << 18))
	}
	picked := must(TakeBatch(memory.DefaultAllocator, l, run, order))
	keys := array.NewRecordBatch(must(l.Schema(l.SortKey)), keyArrays(l, picked), 1000)
	for b.Loop() {
		LookupRun(l, run, keys)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(order)), "ns/key")
}
