package ingest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var heap = memory.DefaultAllocator

// seqs returns the values of busLayout's seq of all runs.
func seqs(runs []arrow.RecordBatch) []int64 {
	var out []int64
	for _, run := range runs {
		out = append(out, run.Column(7).(*array.Int64).Int64Values()...)
	}
	return out
}

// winners finds the row that counts of each key, as readers of runs do; it
// fails if a run is not sorted or has a key twice.
func winners(t testing.TB, l *chunk.Layout, runs []arrow.RecordBatch) map[string]int64 {
	t.Helper()
	seq, version := map[string]int64{}, map[string]int64{}
	for i, run := range runs {
		last := ""
		for row := range int(run.NumRows()) {
			key := string(l.AppendSortKey(nil, run, row))
			if row > 0 && key <= last {
				t.Fatalf("run %d, row %d: key %x after %x", i, row, key, last)
			}
			last = key
			v := run.Column(l.Index(schema.RowVersionColumn)).(*array.Int64).Value(row)
			if was, ok := version[key]; !ok || v >= was {
				version[key], seq[key] = v, run.Column(7).(*array.Int64).Value(row)
			}
		}
	}
	return seq
}

// checkRuns fails if there are more runs than there should be, or if the counts
// are wrong.
func checkRuns(t testing.TB, r Rows) {
	t.Helper()
	count, bytes := int64(0), int64(0)
	for i, run := range r.runs {
		count += run.NumRows()
		bytes += batchFootprint(run).bytes(run)
		if run.NumRows() == 0 || run.NumRows() > chunk.MaxRows {
			t.Fatalf("run %d of %d rows", i, run.NumRows())
		}
		if i > 0 {
			a, b := r.runs[i-1].NumRows(), run.NumRows()
			if a < 2*b && a+b <= chunk.MaxRows && r.sizes[i-1]+r.sizes[i] <= maxRunBytes {
				t.Fatalf("run of %d rows after one of %d", b, a)
			}
		}
	}
	if count != r.count || bytes != r.bytes {
		t.Fatalf("counted %d rows and %d bytes, there are %d and %d", r.count, r.bytes, count, bytes)
	}
	if r.tail != nil && (r.tail.rows > tailRows || r.Count() != count+r.tail.rows) {
		t.Fatalf("tail of %d rows", r.tail.rows)
	}
}

// TestRowsOfEvents adds batches of many sizes and keeps old values, which must
// stay as they were.
func TestRowsOfEvents(t *testing.T) {
	r := newRand(t)
	l := busLayout(false)
	for range rounds(4) {
		var rows Rows
		old := map[int64]Rows{}
		next := int64(0)
		for range 400 {
			n := []int{0, 1, 1, 1, 1, 2, 5, 17, 40, 300, 9000}[r.IntN(11)]
			batch := busBatch(r, heap, l, n, next, 0)
			next += int64(n)
			rows = must(rows.Add(heap, l, batch))
			checkRuns(t, rows)
			if rows.Count() != next {
				t.Fatalf("%d rows, want %d", rows.Count(), next)
			}
			if r.IntN(20) == 0 {
				old[next] = rows
				if got := int64(len(seqs(rows.Runs()))); got != next {
					t.Fatalf("runs hold %d rows, want %d", got, next)
				}
			}
		}
		old[next] = rows
		for count, rows := range old {
			got := seqs(rows.Runs())
			if int64(len(got)) != count {
				t.Fatalf("%d rows, want %d", len(got), count)
			}
			for i, s := range got {
				if s != int64(i) {
					t.Fatalf("row %d of %d is %d", i, count, s)
				}
			}
		}
	}
}

// TestRowsOfKeys compares the winners of runs with a map, when versions rise as
// transactions make them, and when they come in any order.
func TestRowsOfKeys(t *testing.T) {
	r := newRand(t)
	l := busLayout(true)
	for _, order := range []string{"rising", "any", "equal"} {
		var rows Rows
		want, version := map[string]int64{}, map[string]int64{}
		next := int64(0)
		for i := range 300 {
			n := []int{1, 1, 1, 1, 2, 5, 17, 40, 300, 5000}[r.IntN(10)]
			v := int64(i)
			switch order {
			case "any":
				v = r.Int64N(50)
			case "equal":
				v = 7
			}
			batch := busBatch(r, heap, l, n, next, v)
			next += int64(n)
			for row := range n {
				key := string(l.AppendSortKey(nil, batch, row))
				if was, ok := version[key]; !ok || v >= was {
					version[key], want[key] = v, batch.Column(7).(*array.Int64).Value(row)
				}
			}
			before := rows
			count := before.Count()
			rows = must(rows.Add(heap, l, batch))
			checkRuns(t, rows)
			if i%10 != 0 {
				continue
			}
			if got := winners(t, l, rows.Runs()); !maps.Equal(got, want) {
				t.Fatalf("%s, batch %d: %d keys, want %d", order, i, len(got), len(want))
			}
			if before.Count() != count {
				t.Fatal("an older value has changed")
			}
		}
	}
}

// TestManySingleRows holds the line on the number of runs.
func TestManySingleRows(t *testing.T) {
	r := newRand(t)
	for _, keyed := range []bool{false, true} {
		l := busLayout(keyed)
		var rows Rows
		for i := range 20_000 {
			rows = must(rows.Add(heap, l, busBatch(r, heap, l, 1, int64(i), int64(i))))
			if n := len(rows.runs); n > 12 {
				t.Fatalf("keyed %v: %d runs of %d rows", keyed, n, i+1)
			}
		}
	}
}

// A countingAllocator adds up what was allocated.
type countingAllocator struct {
	memory.GoAllocator
	bytes int64
}

func (a *countingAllocator) Allocate(n int) []byte {
	a.bytes += int64(n)
	return a.GoAllocator.Allocate(n)
}

// TestRowsAreCopiedSeldom adds up what merging copies: each row as often as runs
// double, not once for each row that comes after it.
func TestRowsAreCopiedSeldom(t *testing.T) {
	r := newRand(t)
	l := busLayout(false)
	for _, c := range []struct{ batches, rows, times int }{{20_000, 1, 14}, {64, 2000, 7}, {40, 8192, 5}} {
		var rows Rows
		mem := &countingAllocator{}
		var used int64
		for range c.batches {
			b := busBatch(r, heap, l, c.rows, 0, 0)
			used += batchFootprint(b).used
			rows = must(rows.Add(mem, l, b))
		}
		if times := float64(mem.bytes) / float64(used); times > float64(c.times) {
			t.Errorf("%d batches of %d rows: copied %.1f times, allowed are %d", c.batches, c.rows, times, c.times)
		}
	}
}

// TestBranches adds different rows to one value, as a failed commit does.
func TestBranches(t *testing.T) {
	r := newRand(t)
	l := busLayout(false)
	var base Rows
	for i := range 45 {
		base = must(base.Add(heap, l, busBatch(r, heap, l, 1, int64(i), 0)))
	}
	a, b := base, base
	for i := range 200 {
		a = must(a.Add(heap, l, busBatch(r, heap, l, 1, int64(45+i), 0)))
		b = must(b.Add(heap, l, busBatch(r, heap, l, 1, int64(-45-i), 0)))
	}
	for i, s := range seqs(b.Runs()) {
		if want := int64(i); s != want && s != -want {
			t.Fatalf("row %d is %d", i, s)
		}
	}
	for name, x := range map[string]Rows{"base": base, "a": a} {
		for i, s := range seqs(x.Runs()) {
			if s != int64(i) {
				t.Fatalf("%s: row %d is %d", name, i, s)
			}
		}
	}
}

// TestRowsWhileRead reads every value from several goroutines while more is added.
func TestRowsWhileRead(t *testing.T) {
	r := newRand(t)
	for _, keyed := range []bool{false, true} {
		l := busLayout(keyed)
		var wg sync.WaitGroup
		values := make(chan Rows)
		for range 3 {
			wg.Go(func() {
				for rows := range values {
					seen := map[int64]bool{}
					for _, s := range seqs(rows.Runs()) {
						seen[s] = true
					}
					if !keyed && int64(len(seen)) != rows.Count() || int64(len(seen)) > rows.Count() {
						t.Errorf("%d rows, want %d", len(seen), rows.Count())
					}
				}
			})
		}
		var rows Rows
		for i := range 300 {
			rows = must(rows.Add(heap, l, busBatch(r, heap, l, 1, int64(i), int64(i))))
			values <- rows
			values <- rows
		}
		close(values)
		wg.Wait()
	}
}

// TestRowsDoNotPin adds small slices of large batches.
func TestRowsDoNotPin(t *testing.T) {
	r := newRand(t)
	for _, keyed := range []bool{false, true} {
		l := busLayout(keyed)
		large := must(concatenate(heap, []arrow.RecordBatch{busBatch(r, heap, l, 20_000, 0, 0)})) // buffers without unused ends
		for _, n := range []int64{1, 20, 500} {
			part := large.NewSlice(5000, 5000+n)
			rows := must(Rows{}.Add(heap, l, part))
			held := int64(0)
			for _, run := range rows.Runs() {
				held += batchFootprint(run).held
			}
			if limit := n*200 + 16<<10; held > limit || rows.Bytes() > limit || rows.Bytes() < n*40 {
				t.Errorf("keyed %v: %d rows hold %d bytes and say %d", keyed, n, held, rows.Bytes())
			}
			if got := rows.Count(); got > n || !keyed && got != n {
				t.Errorf("%d rows of %d", got, n)
			}
		}
		// A batch that is used as a whole is not copied.
		if !keyed {
			rows := must(Rows{}.Add(heap, l, large))
			if rows.Runs()[0].Column(0).Data().Buffers()[2] != large.Column(0).Data().Buffers()[2] {
				t.Error("a batch was copied")
			}
		}
	}
}

// TestLargeBatches adds batches beyond the size of a run.
func TestLargeBatches(t *testing.T) {
	r := newRand(t)
	for _, keyed := range []bool{false, true} {
		l := busLayout(keyed)
		batch := busBatch(r, heap, l, 150_000, 0, 3)
		rows := must(Rows{}.Add(heap, l, batch))
		checkRuns(t, rows)
		if keyed {
			winners(t, l, rows.Runs())
		} else if got := seqs(rows.Runs()); len(got) != 150_000 || !slices.IsSorted(got) {
			t.Fatalf("%d rows", len(got))
		}
	}
}

// TestRowsOfEveryType merges columns of all types, sliced and with NULLs.
func TestRowsOfEveryType(t *testing.T) {
	r := newRand(t)
	l := &chunk.Layout{}
	for i, typ := range storableTypes {
		l.Columns = append(l.Columns, chunk.Column{ID: schema.ColumnID(i + 1), Name: fmt.Sprint("c", i), Type: typ})
	}
	var rows Rows
	var want []arrow.RecordBatch
	for range 40 {
		b := randomPart(r, heap, storableTypes, 1+r.IntN(30)).Rows
		want = append(want, b)
		rows = must(rows.Add(heap, l, b))
	}
	got, all := must(concatenate(heap, rows.Runs())), must(concatenate(heap, want))
	for i, typ := range storableTypes {
		sameArrays(t, typ, got.Column(i), all.Column(i))
	}
}

func TestAddRefuses(t *testing.T) {
	l := busLayout(true)
	rows := must(Rows{}.Add(heap, l, busBatch(newRand(t), heap, l, 3, 0, 0)))
	short := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{datum.Field("x", datum.Of(datum.Bool))}, nil),
		[]arrow.Array{array.MakeArrayOfNull(heap, arrow.FixedWidthTypes.Boolean, 1)}, 1)
	again, err := rows.Add(heap, l, short)
	if err == nil || again.Count() != 3 {
		t.Errorf("%d rows, %v", again.Count(), err)
	}
}
