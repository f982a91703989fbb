package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

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
		batch := busBatch(r, heap, l, rows, 0, 0)
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
				got, _, err := decodeEntry(heap, src)
				if err != nil {
					b.Fatal(err)
				}
				releaseAll(got)
			}
		})
	}
}

// distinctKeys gives the rows of a batch times of their own, from first on, in
// no order, so that no key comes twice.
func distinctKeys(r *rand.Rand, batch arrow.RecordBatch, first int64) arrow.RecordBatch {
	b := array.NewTimestampBuilder(heap, batch.Schema().Field(1).Type.(*arrow.TimestampType))
	for _, i := range r.Perm(int(batch.NumRows())) {
		b.Append(arrow.Timestamp(1425708022000000 + (first+int64(i))*1e6))
	}
	return must(batch.SetColumn(1, b.NewArray()))
}

// BenchmarkAdd adds batches to an empty buffer: many of one row, some of many.
// The keys of keyed tables repeat (2,000 of them) or do not.
func BenchmarkAdd(b *testing.B) {
	for _, table := range []string{"events", "keyed", "keyed-distinct"} {
		l := busLayout(table != "events")
		for _, c := range []struct{ batches, rows int }{{100_000, 1}, {100, 8192}} {
			if table == "keyed-distinct" {
				c.batches = min(c.batches, 20_000) // each is made before
			}
			r := rand.New(rand.NewPCG(1, 2))
			n := c.batches
			if table != "keyed-distinct" {
				n = min(n, 256) // in the cache, as a batch that was just made is
			}
			batches := make([]arrow.RecordBatch, n)
			for i := range batches {
				batches[i] = busBatch(r, heap, l, c.rows, int64(i*c.rows), int64(i))
				if table == "keyed-distinct" {
					batches[i] = distinctKeys(r, batches[i], int64(i*c.rows))
				}
			}
			b.Run(fmt.Sprintf("table=%s/batches=%d/rows=%d", table, c.batches, c.rows), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var rows Rows
					for i := range c.batches {
						rows = must(rows.Add(heap, l, batches[i%len(batches)]))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.batches), "ns/add")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.batches*c.rows), "ns/row")
			})
		}
	}
}

// BenchmarkSeal makes chunks of 200,000 rows over three slices.
func BenchmarkSeal(b *testing.B) {
	for _, kind := range []string{"events", "keyed"} {
		l := busLayout(kind == "keyed")
		r := rand.New(rand.NewPCG(1, 2))
		var rows Rows
		for i := range 25 {
			batch := distinctKeys(r, busBatch(r, heap, l, 8000, int64(i*8000), int64(i)), int64(i*8000))
			rows = must(rows.Add(heap, l, batch))
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
		batch := busBatch(r, heap, plain, rows, 0, 0)
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(Conform(heap, l, columns, batch, 7)).Release()
			}
		})
	}
}
