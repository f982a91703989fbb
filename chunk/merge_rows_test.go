package chunk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// checkRows compares a batch with reference rows, bit for bit.
func checkRows(t *testing.T, l *Layout, what string, b arrow.RecordBatch, want []plainRow) {
	t.Helper()
	var got, texts []string
	for _, row := range boxed(l, b) {
		got = append(got, rowText(l, row))
	}
	for _, row := range want {
		texts = append(texts, rowText(l, row.values))
	}
	if !slices.Equal(got, texts) {
		t.Fatalf("%s, key %v: got %d rows, want %d; first difference %s", what, keyOf(l), len(got), len(want), firstDifference(got, texts))
	}
}

func TestMergeRows(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		for round := range 8 {
			var runs []arrow.RecordBatch
			var rows []plainRow
			for k := range r.IntN(5) {
				n := []int{0, 1, 3, 40, 700, 2100}[r.IntN(6)]
				run := randomRun(r, mem, l, n, versions(r.IntN(2)))
				if r.IntN(2) == 0 { // a run without old rows, as the write buffer has them
					less := must(MergeRows(mem, l, []arrow.RecordBatch{run}))
					run.Release()
					run = less
				}
				if r.IntN(2) == 0 {
					part := sliced(mem, run)
					run.Release()
					run = part
				}
				runs = append(runs, run)
				rows = append(rows, plainRows(l, run, k)...)
			}
			out, err := MergeRows(mem, l, runs)
			if err != nil {
				t.Fatal(err)
			}
			if (out == nil) != (len(runs) == 0) {
				t.Fatalf("%d runs: got %v", len(runs), out)
			}
			if out != nil {
				checkRows(t, l, fmt.Sprint("round ", round), out, newest(rows))
				out.Release()
			}
			for _, b := range runs {
				b.Release()
			}
		}
	}
}

// TestMergeRowsRounds has more rows than are gathered at a time, the last of them
// in one piece, and NULLs among the first alone.
func TestMergeRowsRounds(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "id", Type: datum.Of(datum.Int8)}, {ID: 2, Name: "v", Type: datum.Of(datum.Text)},
		{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)}}, SortKey: []schema.ColumnID{1}}
	run := func(rows, step int, version int64) arrow.RecordBatch {
		b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, 2, schema.RowVersionColumn})))
		defer b.Release()
		for i := range rows {
			b.Field(0).(*array.Int64Builder).Append(int64(i * step))
			if v := b.Field(1).(*array.StringBuilder); i < 100 && i%3 == 0 {
				v.AppendNull()
			} else {
				v.Append(fmt.Sprint(version, " of ", i*step))
			}
			b.Field(2).(*array.Int64Builder).Append(version)
		}
		return b.NewRecordBatch()
	}
	for _, rows := range []int{gatherRows - 1, gatherRows, gatherRows + 1, 2 * gatherRows, 3*gatherRows - 5} {
		runs := []arrow.RecordBatch{run(rows, 1, 7), run(rows/4, 2, 9)}
		out := must(MergeRows(mem, l, runs))
		checkRows(t, l, fmt.Sprint(rows, " rows"), out, newest(append(plainRows(l, runs[0], 0), plainRows(l, runs[1], 1)...)))
		for _, b := range append(runs, out) {
			b.Release()
		}
	}
}

// TestInsertRows has a few rows go into many, above and below them in rank.
func TestInsertRows(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		for round := range 6 {
			var runs []arrow.RecordBatch
			var rows []plainRow
			for k := range 2 {
				n := 900
				if k == round%2 {
					n = 1 + r.IntN(9)
				}
				run := randomRun(r, mem, l, n, versions(r.IntN(2)))
				less := must(MergeRows(mem, l, []arrow.RecordBatch{run}))
				run.Release()
				runs = append(runs, less)
				rows = append(rows, plainRows(l, less, k)...)
			}
			out := must(MergeRows(mem, l, runs))
			checkRows(t, l, "insert", out, newest(rows))
			var batchRuns []*batchRun
			columns, parts, _ := keyColumns(l)
			for _, b := range runs {
				batchRuns = append(batchRuns, must(newBatchRun(l, columns, b)))
			}
			if smallRun(runs) >= 0 {
				// Both ways make the same pieces.
				m := newMerger([]*mergeSource{newMergeSource(batchRuns[0], 0, newKeyWindow(columns, parts, false)),
					newMergeSource(batchRuns[1], 1, newKeyWindow(columns, parts, false))}, false)
				must(m.fill(context.Background(), 6000))
				if a := insertRows(l, runs, batchRuns, smallRun(runs)); !slices.Equal(a, m.pieces) {
					t.Errorf("insert %v, merge %v", a, m.pieces)
				}
			}
			out.Release()
			for _, b := range runs {
				b.Release()
			}
		}
	}
}

func TestSortRun(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		for _, n := range []int{0, 1, 2, 50, 1500} {
			run := randomRun(r, mem, l, n, versions(r.IntN(2)))
			order := make([]int32, n)
			for i, x := range r.Perm(n) {
				order[i] = int32(x)
			}
			mixed := must(TakeBatch(mem, l, run, order))
			out := must(SortRun(mem, l, mixed))
			checkRows(t, l, "sort", out, newest(plainRows(l, mixed, 0)))
			again := must(SortRun(mem, l, out))
			if again != out {
				t.Errorf("key %v: a run of %d rows was copied", key, n)
			}
			for _, b := range []arrow.RecordBatch{run, mixed, out, again} {
				b.Release()
			}
		}
	}
}

func TestLookupRun(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		for _, n := range []int{0, 1, 5, 2000} {
			run := randomRun(r, mem, l, n, manyVersions)
			part := sliced(mem, run)
			other := randomRun(r, mem, l, 500, manyVersions)
			want := map[string]int{}
			rows := plainRows(l, run, 0)
			for i, row := range rows {
				if old, ok := want[row.key]; !ok || row.version >= rows[old].version {
					want[row.key] = i
				}
			}
			for _, from := range []arrow.RecordBatch{run, other} {
				order := make([]int32, from.NumRows())
				for i, x := range r.Perm(len(order)) {
					order[i] = int32(x)
				}
				mixed := must(TakeBatch(mem, l, from, order))
				for _, rows := range []arrow.RecordBatch{from, mixed} {
					keys := array.NewRecordBatch(must(l.Schema(l.SortKey)), keyArrays(l, rows), rows.NumRows())
					for i, got := range LookupRun(l, part, keys) {
						w, ok := want[string(l.AppendSortKey(nil, rows, i))]
						if !ok {
							w = -1
						}
						if int(got) != w {
							t.Fatalf("key %v: row %d of %d: got %d, want %d", key, i, rows.NumRows(), got, w)
						}
					}
					keys.Release()
				}
				mixed.Release()
			}
			run.Release()
			part.Release()
			other.Release()
		}
	}
	l := keyedLayout(keyTypes[2])
	run := randomRun(r, mem, l, 100, manyVersions)
	defer run.Release()
	b := array.NewInt32Builder(mem)
	defer b.Release()
	b.AppendNull()
	column := b.NewArray()
	defer column.Release()
	keys := array.NewRecordBatch(must(l.Schema(l.SortKey)), []arrow.Array{column}, 1)
	defer keys.Release()
	if got := LookupRun(l, run, keys); got[0] != -1 {
		t.Errorf("a NULL key is in row %d", got[0])
	}
}

// TestTakePieces gathers all types from several arrays, NULLs and offsets among them.
func TestTakePieces(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := everyType()
	for range 8 {
		var batches []arrow.RecordBatch
		for _, nulls := range []int{0, 300, 1000, 0} {
			b := randomBatch(r, mem, l, 1+r.IntN(200), []int{0, nulls}[r.IntN(2)])
			batches = append(batches, sliced(mem, b))
			b.Release()
		}
		var pieces []piece
		rows := 0
		for i := range r.IntN(80) {
			src := r.IntN(len(batches))
			if i > 40 {
				src = 3 // without NULLs
			}
			n := 1 + r.IntN(min(int(batches[src].NumRows()), []int{1, 1, 9, 100}[r.IntN(4)]))
			pieces = append(pieces, piece{int32(src), int32(r.IntN(int(batches[src].NumRows()) - n + 1)), int32(n)})
			rows += n
		}
		for k, c := range l.Columns {
			arrays := make([]arrow.Array, len(batches))
			for i, b := range batches {
				arrays[i] = b.Column(k)
			}
			// In two calls: NULLs may come in either or in both.
			o := newOutput(mem, c.Type)
			cut, first := r.IntN(len(pieces)+1), 0
			for _, p := range pieces[:cut] {
				first += int(p.n)
			}
			for _, part := range []struct {
				pieces []piece
				rows   int
			}{{pieces[:cut], first}, {pieces[cut:], rows - first}} {
				used := make([]arrow.Array, len(arrays))
				for _, p := range part.pieces {
					used[p.src] = arrays[p.src]
				}
				if err := o.takePieces(used, part.pieces, part.rows); err != nil {
					t.Fatal(err)
				}
			}
			a := o.finish()
			o.release()
			if a.Len() != rows {
				t.Fatalf("%v: %d rows, want %d", c.Type, a.Len(), rows)
			}
			at := 0
			for _, p := range pieces {
				for i := range int(p.n) {
					want := text(c.Type, datum.ValueAt(c.Type, arrays[p.src], int(p.row)+i))
					if got := text(c.Type, datum.ValueAt(c.Type, a, at)); got != want {
						t.Fatalf("%v: row %d: got %s, want %s", c.Type, at, got, want)
					}
					at++
				}
			}
			a.Release()
		}
		for _, b := range batches {
			b.Release()
		}
	}
}

// TestOmitVersion writes chunks whose version is filled in later.
func TestOmitVersion(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := keyedLayout([]datum.Type{datum.Of(datum.Text), datum.Of(datum.TimestampTZ)})
	run := randomRun(r, mem, l, 3000, manyVersions)
	defer run.Release()
	less := withoutColumn(run, len(l.Columns)-1)
	defer less.Release()
	for _, in := range []arrow.RecordBatch{run, less} {
		sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil), Mem: mem, OmitVersion: true, MaxRows: 2000}, in))
		if len(sealed) != 2 {
			t.Fatalf("%d chunks", len(sealed))
		}
		at := 0
		for _, s := range sealed {
			if entryColumn(&s.Entry, schema.RowVersionColumn) >= 0 || len(s.Blobs) != len(l.Columns)-1 {
				t.Fatal("the chunk has row versions")
			}
			checkEntry(t, l, s) // before the commit as well
			s.Entry.VersionMin, s.Entry.VersionMax = 1<<40, 1<<40
			checkEntry(t, l, s)
			e, _, err := DecodeEntry(AppendEntry(nil, &s.Entry))
			if err != nil {
				t.Fatal(err)
			}
			rows := boxed(l, run)[at : at+e.Rows]
			at += e.Rows
			for i := range rows {
				rows[i][len(rows[i])-1] = int64(1 << 40)
			}
			for range 60 {
				spec := ScanSpec{Columns: randomColumns(r, l)}
				spec.Filter = append(spec.Filter, randomPredicate(r, l, rows))
				p := Predicate{Column: schema.RowVersionColumn, Op: PredicateOp(r.IntN(int(OpGE) + 1)), Values: []datum.Value{int64(1<<40 + r.IntN(3) - 1)}}
				spec.Filter = append(spec.Filter, p)
				spec.Pruning = PruningOff{Manifest: r.IntN(2) == 0, Encoded: r.IntN(2) == 0, Late: r.IntN(2) == 0}
				checkSplit(t, mem, l, spec, NewSplit(e, l, spec, fetcher(s)), rows)
			}
			e.VersionMax++
			if err := Verify(context.Background(), e, fetcher(s)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("two versions without their column: %v", err)
			}
			spec := ScanSpec{Columns: []schema.ColumnID{schema.RowVersionColumn}}
			if err := drain(NewSplit(e, l, spec, fetcher(s)), mem); !errors.Is(err, ErrCorrupt) {
				t.Errorf("two versions without their column: %v", err)
			}
		}
	}
	// A chunk with versions whose entry says otherwise.
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, run))[0]
	s.Entry.VersionMin--
	if err := Verify(context.Background(), &s.Entry, fetcher(s)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("bounds that are not those of the versions: %v", err)
	}
	if _, err := Seal(l, SealOptions{IDs: NewIDs(nil)}, less); err == nil {
		t.Error("a batch without versions was taken")
	}
}

// TestSplitSlices compares a merged run, cut by slice, with SortRows.
func TestSplitSlices(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		l.Slice = 1 << 44 // about five hours
		run := randomRun(r, mem, l, 1200, oneVersion)
		got := must(SplitSlices(mem, l, run))
		want := must(SortRows(mem, l, []arrow.RecordBatch{run}))
		if len(got) != len(want) || l.TimeColumn != 0 && len(got) < 4 {
			t.Fatalf("key %v: %d slices, want %d", key, len(got), len(want))
		}
		for i := range got {
			if got[i].Slice != want[i].Slice {
				t.Fatalf("key %v: slice %d, want %d", key, got[i].Slice, want[i].Slice)
			}
			checkRows(t, l, "slice", got[i].Batch, plainRows(l, want[i].Batch, 0))
			got[i].Batch.Release()
			want[i].Batch.Release()
		}
		run.Release()
	}
}
