package chunk

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Rows of several batches, in stretches and one by one, must come out as they
// went in.
func TestTakeBatches(t *testing.T) {
	r := newRand(t)
	for _, nulls := range []int{0, 200} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer mem.AssertSize(t, 0)
		l := everyType()
		batch := randomBatch(r, mem, l, 300, nulls)
		defer batch.Release()
		all := boxed(l, batch)
		parts := []arrow.RecordBatch{batch.NewSlice(0, 100), batch.NewSlice(100, 101), batch.NewSlice(101, 300)}
		var rows []int32
		for len(rows) < 500 {
			first := r.Int32N(300)
			for row := first; row < min(300, first+1+r.Int32N(40)); row++ {
				rows = append(rows, row)
			}
		}
		for _, from := range [][]arrow.RecordBatch{{batch}, parts} {
			got := must(takeBatches(mem, l, from, rows))
			for i, row := range boxed(l, got) {
				if a, b := rowText(l, row), rowText(l, all[rows[i]]); a != b {
					t.Fatalf("row %d of %d batches: got %s, want %s", i, len(from), a, b)
				}
			}
			got.Release()
		}
		for _, p := range parts {
			p.Release()
		}
	}
}

// SortRows must order as the keys say, equal ones by place, however few or many
// the first words are and however they are spread over batches.
func TestSortRowsIsStable(t *testing.T) {
	r := newRand(t)
	l := &Layout{SortKey: []schema.ColumnID{1, 2}}
	for i, oid := range []datum.OID{datum.Int8, datum.TimestampTZ, datum.Int4} {
		l.Columns = append(l.Columns, Column{ID: schema.ColumnID(i + 1), Name: fmt.Sprint("c", i), Type: datum.Of(oid)})
	}
	for range 50 {
		n, spread := 2+r.IntN(3000), int64(1)<<r.IntN(62)
		rows := make([][]datum.Value, n)
		for i := range rows {
			first := r.Int64N(spread)
			if spread > 1<<60 {
				first = int64(r.Uint64())
			}
			rows[i] = []datum.Value{first, datum.Micros(r.IntN(5)), int32(i)}
		}
		batch := batchOf(l, rows)
		cut := r.Int64N(int64(n))
		parts := []arrow.RecordBatch{batch.NewSlice(0, cut), batch.NewSlice(cut, int64(n))}
		sorted := must(SortRows(memory.DefaultAllocator, l, parts))
		slices.SortStableFunc(rows, func(a, b []datum.Value) int {
			if c := datum.Compare(l.Columns[0].Type, a[0], b[0]); c != 0 {
				return c
			}
			return datum.Compare(l.Columns[1].Type, a[1], b[1])
		})
		for i, row := range boxed(l, sorted[0].Batch) {
			if a, b := rowText(l, row), rowText(l, rows[i]); a != b {
				t.Fatalf("row %d of %d: got %s, want %s", i, n, a, b)
			}
		}
	}
}

func batchOf(l *Layout, rows [][]datum.Value) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema(layoutColumns(l))))
	defer b.Release()
	for _, row := range rows {
		for i, v := range row {
			if v == nil {
				b.Field(i).AppendNull()
			} else {
				datum.Append(b.Field(i), l.Columns[i].Type, v)
			}
		}
	}
	return b.NewRecordBatch()
}

func TestSliceFinder(t *testing.T) {
	r := newRand(t)
	ends := []datum.Micros{datum.NegInfinityMicros, datum.InfinityMicros, datum.NegInfinityMicros + 1, datum.InfinityMicros - 1, 0, -1}
	for _, length := range []time.Duration{0, time.Microsecond, time.Hour, 30 * 24 * time.Hour, math.MaxInt64} {
		f := SliceFinder{Length: length}
		at := datum.Micros(r.Int64N(1 << 50))
		for range 20000 {
			switch r.IntN(20) {
			case 0:
				at = ends[r.IntN(len(ends))]
			case 1:
				at = datum.Micros(r.Int64N(1<<51) - 1<<50)
			case 2: // the edges of a slice
				s := SliceRange(length, SliceOf(length, at, false))
				at = []datum.Micros{s.Min, s.Max, s.Min - 1, s.Max + 1}[r.IntN(4)]
			}
			null := r.IntN(10) == 0
			if got, want := f.Find(at, null), SliceOf(length, at, null); got != want {
				t.Fatalf("slices of %v: %d (NULL: %v) lies in %d, want %d", length, at, null, got, want)
			}
		}
	}
}

// What repeats must not change bounds or the number of different values.
func TestRepeatedStrings(t *testing.T) {
	r := newRand(t)
	text := datum.Of(datum.Text)
	l := &Layout{Columns: []Column{{ID: 1, Name: "s", Type: text}}}
	for range 200 {
		var rows, once [][]datum.Value
		seen := map[datum.Value]bool{nil: true}
		for range 1 + r.IntN(200) {
			v := []datum.Value{nil}
			if r.IntN(4) > 0 {
				v[0] = fmt.Sprint("value ", r.IntN(20))
			}
			if !seen[v[0]] {
				seen[v[0]] = true
				once = append(once, v)
			}
			for range 1 + r.IntN(5) {
				rows = append(rows, v)
			}
		}
		skip := r.IntN(len(rows))
		batch := batchOf(l, append(slices.Repeat([][]datum.Value{{"elsewhere"}}, skip), rows...))
		v := must(extract(text, batch.NewSlice(int64(skip), batch.NumRows()).Column(0)))
		for i, row := range rows {
			if row[0] != nil && string(v.strs.At(i)) != row[0] {
				t.Fatalf("row %d is %q, want %q", i, v.strs.At(i), row[0])
			}
		}
		want := must(extract(text, batchOf(l, once).Column(0)))
		if a, b := v.distinct(), want.distinct(); a != b {
			t.Fatalf("%d different values, want %d", a, b)
		}
		a, b := boundsOf(orderBytes, v, 0, v.rows), boundsOf(orderBytes, want, 0, want.rows)
		if !bytes.Equal(a.minB, b.minB) || !bytes.Equal(a.maxB, b.maxB) {
			t.Fatalf("bounds %q to %q, want %q to %q", a.minB, a.maxB, b.minB, b.maxB)
		}
	}
}
