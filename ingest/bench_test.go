package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

func busRecord(l *chunk.Layout, batch arrow.RecordBatch) *Record {
	p := Part{Partition: chunk.PartitionID{Table: 16390, Key: "\x00\x03"}, Rows: batch}
	for _, c := range l.Columns {
		p.Columns, p.Types = append(p.Columns, c.ID), append(p.Types, c.Type)
	}
	return &Record{Schema: 1000, Version: 1 << 60, Versions: 1, Parts: []Part{p}}
}

// BenchmarkRecords encodes and decodes an entry of one transaction.
func BenchmarkRecords(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	l := busLayout(false)
	for _, rows := range []int{1, 100, 100_000} {
		batch := busBatch(r, memory.DefaultAllocator, l, rows, 0, 0)
		records := []*Record{busRecord(l, batch)}
		values := batchFootprint(batch).used
		src := must(AppendRecords(nil, records))
		b.Run(fmt.Sprintf("op=encode/rows=%d", rows), func(b *testing.B) {
			b.SetBytes(values)
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = must(AppendRecords(dst[:0], records))
			}
			b.ReportMetric(float64(len(src))/float64(rows), "B/row")
		})
		b.Run(fmt.Sprintf("op=decode/rows=%d", rows), func(b *testing.B) {
			b.SetBytes(values)
			b.ReportAllocs()
			for b.Loop() {
				got, _, err := DecodeRecords(memory.DefaultAllocator, src)
				if err != nil {
					b.Fatal(err)
				}
				releaseAll(got)
			}
		})
	}
}

// BenchmarkAdd adds batches to an empty buffer: many of one row, some of many.
func BenchmarkAdd(b *testing.B) {
	for _, kind := range []string{"events", "keyed"} {
		l := busLayout(kind == "keyed")
		for _, c := range []struct{ batches, rows int }{{100_000, 1}, {100, 8192}} {
			r := rand.New(rand.NewPCG(1, 2))
			batches := make([]arrow.RecordBatch, min(c.batches, 5000))
			for i := range batches {
				batches[i] = busBatch(r, memory.DefaultAllocator, l, c.rows, int64(i*c.rows), int64(i))
			}
			b.Run(fmt.Sprintf("table=%s/batches=%d/rows=%d", kind, c.batches, c.rows), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var rows Rows
					for i := range c.batches {
						rows = must(rows.Add(memory.DefaultAllocator, l, batches[i%len(batches)]))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.batches), "ns/add")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.batches*c.rows), "ns/row")
			})
		}
	}
}

// BenchmarkSeal makes chunks of 200,000 rows over five slices.
func BenchmarkSeal(b *testing.B) {
	for _, kind := range []string{"events", "keyed"} {
		l := busLayout(kind == "keyed")
		r := rand.New(rand.NewPCG(1, 2))
		var rows Rows
		for i := range 25 {
			rows = must(rows.Add(memory.DefaultAllocator, l, busBatch(r, memory.DefaultAllocator, l, 8000, int64(i*8000), int64(i))))
		}
		b.Run("table="+kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range Seal(l, rows, SealOptions{IDs: chunk.NewIDs(nil)}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows.Count()), "ns/row")
		})
	}
}

// BenchmarkConform adds the row version to rows that lack nothing else.
func BenchmarkConform(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	plain, l := busLayout(false), busLayout(true)
	var columns []schema.ColumnID
	for _, c := range plain.Columns {
		columns = append(columns, c.ID)
	}
	for _, rows := range []int{1, 8192} {
		batch := busBatch(r, memory.DefaultAllocator, plain, rows, 0, 0)
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(Conform(memory.DefaultAllocator, l, columns, batch, 7)).Release()
			}
		})
	}
}
