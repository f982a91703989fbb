package chunk

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// someOf picks some of columns.
func someOf(r *rand.Rand, columns []schema.ColumnID) (out []schema.ColumnID) {
	for _, id := range columns {
		if r.IntN(2) == 0 {
			out = append(out, id)
		}
	}
	return out
}

// checkCoded checks what Coded says of itself, and some rows of it.
func checkCoded(t *testing.T, b arrow.RecordBatch) {
	t.Helper()
	batch, ok := b.(*CodedBatch)
	if !ok {
		return
	}
	for i := range int(b.NumCols()) {
		if c := batch.Coded(i); c != nil {
			c.Counts() // before there are codes of all rows
		}
	}
	var rows []int32
	for i := range b.NumRows() {
		if i%3 != 1 {
			rows = append(rows, int32(i))
		}
	}
	some, err := batch.Select(rows, func(a arrow.Array, rows []int32) arrow.Array {
		a.Retain() // not looked at
		return a
	})
	if err != nil {
		t.Fatal(err)
	}
	defer some.Release()
	coded := 0
	for i := range int(b.NumCols()) {
		c := batch.Coded(i)
		if c == nil {
			continue
		}
		coded++
		checkFirsts(t, c)
		checkFirsts(t, some.Coded(i))
		for k, row := range rows {
			if got, want := valueText(some.Column(i), k), valueText(b.Column(i), int(row)); got != want {
				t.Fatalf("column %d: row %d selected is %s, it was %s", i, row, got, want)
			}
		}
	}
	if coded == 0 {
		t.Fatal("a coded batch without a coded column")
	}
}

func valueText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "NULL"
	}
	return a.ValueStr(i)
}

// checkFirsts checks that codes name all values, in the order in which they are met.
func checkFirsts(t *testing.T, c *Coded) {
	t.Helper()
	next, counts := int32(0), make([]int32, c.Values.Len())
	told := slices.Clone(c.Counts())
	for _, x := range c.Codes() {
		counts[x]++
		if x > next {
			t.Fatalf("code %d before %d", x, next)
		}
		if x == next {
			next++
		}
	}
	if int(next) != c.Values.Len() {
		t.Fatalf("%d of %d values are used", next, c.Values.Len())
	}
	if !slices.Equal(told, counts) {
		t.Fatalf("counts %v, should be %v", told, counts)
	}
}

// Texts of few values, with NULLs and a column of NULLs alone, come as codes, from
// one chunk and from merged ones.
func TestCoded(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := keyedLayout([]datum.Type{datum.Of(datum.Int4)})
	few, none := schema.ColumnID(2), schema.ColumnID(8) // text and uuid
	make1 := func(from, step int32, rows int) *Sealed {
		b := array.NewRecordBuilder(mem, must(l.Schema(layoutColumns(l))))
		defer b.Release()
		for i := range rows {
			for k, col := range l.Columns {
				var v datum.Value
				switch {
				case k == 0:
					v = from + int32(i)*step
				case col.ID == few && r.IntN(4) > 0:
					v = []string{"north", "south", "", "ünd"}[r.IntN(4)]
				case col.ID == schema.RowVersionColumn:
					v = int64(from)
				}
				datum.Append(b.Field(k), col.Type, v)
			}
		}
		batch := b.NewRecordBatch()
		defer batch.Release()
		return must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	}
	one, two := make1(0, 2, 3000), make1(1, 3, 2000)
	for _, descending := range []bool{false, true} {
		spec := ScanSpec{Columns: []schema.ColumnID{few, 1, none}, Descending: descending}
		for name, split := range map[string]func(ScanSpec) Split{
			"one chunk": func(s ScanSpec) Split { return NewSplit(&one.Entry, l, s, fetcher(one)) },
			"merged": func(s ScanSpec) Split {
				return NewMergeSplit([]MergeInput{{Entry: &one.Entry, Fetch: fetcher(one)}, {Entry: &two.Entry, Fetch: fetcher(two), Rank: 1}}, l, s)
			},
		} {
			var stats ScanStats
			want := scanAll(t, mem, split(spec), &stats)
			spec.Coded = []schema.ColumnID{few, none}
			got := scanAll(t, mem, split(spec), &stats)
			spec.Coded = nil
			if len(got) != len(want) {
				t.Fatalf("%s: %d batches, without codes %d", name, len(got), len(want))
			}
			for i, b := range got {
				coded, ok := b.(*CodedBatch)
				if !ok || coded.Coded(0) == nil || coded.Coded(1) != nil || coded.Coded(2) == nil {
					t.Fatalf("%s: texts and NULLs do not come as codes", name)
				}
				if n := coded.Coded(0).Values.Len(); name == "one chunk" && n != 5 {
					t.Fatalf("%s: %d values of text, want 4 and NULL", name, n)
				}
				flat := coded.Flat()
				if !array.RecordEqual(flat, want[i]) {
					t.Fatalf("%s: batch %d differs", name, i)
				}
				flat.Release()
				b.Release()
				want[i].Release()
			}
		}
	}
}

// Runs of a value stay runs as long as all rows of a batch are; chunks with runs, of
// one value and without either make one batch, a hundred rows of each in turn.
func TestCodedRuns(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := keyedLayout([]datum.Type{datum.Of(datum.Int4)})
	words := []string{"north", "south", "", "ünd"}
	chunkOf := func(from int32, word func(i int) string) MergeInput {
		b := array.NewRecordBuilder(mem, must(l.Schema(layoutColumns(l))))
		defer b.Release()
		for i := range 2500 {
			for k, col := range l.Columns {
				var v datum.Value
				switch {
				case k == 0:
					v = from + int32(i/100*300+i%100)
				case col.ID == 2:
					if w := word(i); w != "NULL" {
						v = w
					}
				case col.ID == schema.RowVersionColumn:
					v = int64(from)
				}
				datum.Append(b.Field(k), col.Type, v)
			}
		}
		batch := b.NewRecordBatch()
		defer batch.Release()
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
		return MergeInput{Entry: &s.Entry, Fetch: fetcher(s)}
	}
	runs := chunkOf(0, func(i int) string { return words[i/300%4] })
	same := chunkOf(100, func(int) string { return "south" })
	mixed := chunkOf(200, func(int) string { return words[r.IntN(4)] })
	gap := func(i int) bool { return i/170%3 == 0 || i >= 1000 && i < 2100 }
	gaps := chunkOf(100, func(i int) string {
		if gap(i) {
			return "NULL"
		}
		return words[i/130%4]
	})
	sameGaps := chunkOf(200, func(i int) string {
		if gap(i) {
			return "NULL"
		}
		return "south"
	})
	for _, in := range [][]MergeInput{{runs}, {same}, {mixed}, {gaps}, {sameGaps}, {runs, same}, {runs, mixed, same}, {same, runs, mixed}, {runs, gaps}, {gaps, sameGaps}} {
		spec := ScanSpec{Columns: []schema.ColumnID{2, 1}}
		split := func() Split {
			if len(in) == 1 {
				return NewSplit(in[0].Entry, l, spec, in[0].Fetch)
			}
			return NewMergeSplit(slices.Clone(in), l, spec)
		}
		var stats ScanStats
		want := scanAll(t, mem, split(), &stats)
		spec.Coded = []schema.ColumnID{2}
		for i, b := range scanAll(t, mem, split(), &stats) {
			coded, ok := b.(*CodedBatch)
			if !ok {
				t.Fatalf("batch %d is not coded", i)
			}
			if len(in) == 1 && (in[0].Entry == gaps.Entry || in[0].Entry == sameGaps.Entry) && coded.Coded(0).runs == nil {
				t.Fatal("runs of values and NULLs do not come as runs")
			}
			flat := b.(*CodedBatch).Flat()
			if !array.RecordEqual(flat, want[i]) {
				t.Fatalf("batch %d differs", i)
			}
			flat.Release()
			b.Release()
			want[i].Release()
		}
	}
}

func layoutColumns(l *Layout) (out []schema.ColumnID) {
	for _, c := range l.Columns {
		out = append(out, c.ID)
	}
	return slices.Clip(out)
}
