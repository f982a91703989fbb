package ingest

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// readChunk returns the rows of a sealed chunk as one batch of the layout.
func readChunk(t testing.TB, l *chunk.Layout, s *chunk.Sealed) arrow.RecordBatch {
	t.Helper()
	var spec chunk.ScanSpec
	for _, c := range l.Columns {
		spec.Columns = append(spec.Columns, c.ID)
	}
	fetch := func(_ context.Context, i int) ([]byte, bool, error) { return s.Blobs[i], false, nil }
	r := must(chunk.NewSplit(&s.Entry, l, spec, fetch).Scan(context.Background(), chunk.NewRoom(heap), &chunk.ScanStats{}))
	defer r.Close()
	var batches []arrow.RecordBatch
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return must(concatenate(heap, batches))
		}
		batches = append(batches, must(b, err))
	}
}

// checkChunk fails unless the entry says what the rows are.
func checkChunk(t testing.TB, l *chunk.Layout, s *chunk.Sealed, rows arrow.RecordBatch) {
	t.Helper()
	e, n := &s.Entry, int(rows.NumRows())
	if n != e.Rows || e.Schema != 9 || e.From != 4 {
		t.Fatalf("%d rows, entry %+v", n, e)
	}
	last := ""
	var lo, hi int64
	for row := range n {
		key := string(l.AppendSortKey(nil, rows, row))
		if key < last || l.Keyed() && key == last {
			t.Fatalf("row %d is out of order", row)
		}
		last = key
		times := rows.Column(1).(*array.Timestamp)
		if got := chunk.SliceOf(l.Slice, datum.Micros(times.Value(row)), times.IsNull(row)); l.Slice > 0 && got != e.Slice {
			t.Fatalf("row %d of slice %d in a chunk of slice %d", row, got, e.Slice)
		}
		if l.Keyed() {
			v := rows.Column(l.Index(schema.RowVersionColumn)).(*array.Int64).Value(row)
			if row == 0 {
				lo, hi = v, v
			}
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if e.VersionMin != uint64(lo) || e.VersionMax != uint64(hi) {
		t.Fatalf("versions %d to %d, entry says %d to %d", lo, hi, e.VersionMin, e.VersionMax)
	}
}

// TestSealRows seals random rows of tables with and without a key, with and without
// slices, in chunks and sorts of several sizes, and reads the chunks back.
func TestSealRows(t *testing.T) {
	r := newRand(t)
	for _, isKeyed := range []bool{false, true} {
		for round := range 12 {
			l := busLayout(isKeyed)
			switch round % 3 {
			case 1:
				l.Slice = 0
			case 2:
				l.TimeColumn = 0
				l.Slice = 0
			}
			var rows Rows
			for i := range 1 + r.IntN(40) {
				rows = must(rows.Add(heap, l, busBatch(r, heap, l, 1+r.IntN([]int{3, 300, 3000}[r.IntN(3)]), int64(i)*10_000, int64(i))))
			}
			want := winnersOrAll(t, l, rows.Runs())
			o := SealOptions{Schema: 9, From: 4, IDs: chunk.NewIDs(nil), MaxRows: []int{0, 100, 1000}[r.IntN(3)],
				GroupBytes: []int64{0, 1, 5000}[r.IntN(3)], SortBytes: []int64{0, 50_000}[r.IntN(2)]}
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			o.Mem = mem
			var sealed []*chunk.Sealed
			for group, err := range Seal(l, rows, o) {
				if err != nil {
					t.Fatal(err)
				}
				size := int64(0)
				for _, s := range group {
					for _, b := range s.Blobs {
						size += int64(len(b))
					}
				}
				if len(group) == 0 || o.GroupBytes > 0 && size > o.GroupBytes && len(group) > 1 {
					t.Fatalf("a group of %d chunks and %d bytes, allowed are %d", len(group), size, o.GroupBytes)
				}
				sealed = append(sealed, group...)
			}
			mem.AssertSize(t, 0)
			checkSealed(t, l, sealed, want, o)
		}
	}
}

// winnersOrAll returns the seq of the rows that count, with their versions' order applied.
func winnersOrAll(t testing.TB, l *chunk.Layout, runs []arrow.RecordBatch) []int64 {
	if l.Keyed() {
		return slices.Sorted(maps.Values(winners(t, l, runs)))
	}
	return slices.Sorted(slices.Values(seqs(runs)))
}

func checkSealed(t *testing.T, l *chunk.Layout, sealed []*chunk.Sealed, want []int64, o SealOptions) {
	t.Helper()
	var batches []arrow.RecordBatch
	for i, s := range sealed {
		b := readChunk(t, l, s)
		checkChunk(t, l, s, b)
		batches = append(batches, b)
		if o.MaxRows > 0 && s.Entry.Rows > o.MaxRows {
			t.Fatalf("a chunk of %d rows", s.Entry.Rows)
		}
		if i == 0 {
			continue
		}
		before := &sealed[i-1].Entry
		if before.Slice > s.Entry.Slice {
			t.Fatal("slices do not rise")
		}
		if o.SortBytes == 0 && before.Slice == s.Entry.Slice && string(before.KeyMax) > string(s.Entry.KeyMin) {
			t.Fatal("chunks of one slice overlap")
		}
	}
	// Goes of their own may leave older rows of a key, which lose when read.
	if got := winnersOrAll(t, l, batches); !slices.Equal(got, want) {
		t.Fatalf("%d rows count, want %d", len(got), len(want))
	}
	if o.SortBytes == 0 && len(seqs(batches)) != len(want) {
		t.Fatalf("%d rows, want %d", len(seqs(batches)), len(want))
	}
}

// TestSealOddTimes puts NULL and infinite times in slices of their own.
func TestSealOddTimes(t *testing.T) {
	l := busLayout(false)
	b := array.NewRecordBuilder(heap, busBatch(newRand(t), heap, l, 1, 0, 0).Schema())
	for i, v := range []datum.Value{datum.InfinityMicros, nil, datum.Micros(0), datum.NegInfinityMicros, datum.Micros(-1)} {
		for k, c := range l.Columns {
			switch c.ID {
			case 2:
				datum.Append(b.Field(k), c.Type, v)
			case 8:
				datum.Append(b.Field(k), c.Type, int64(i))
			default:
				b.Field(k).AppendNull()
			}
		}
	}
	rows := must(Rows{}.Add(heap, l, b.NewRecordBatch()))
	var slicesSeen, order []int64
	for group, err := range Seal(l, rows, SealOptions{IDs: chunk.NewIDs(nil), Schema: 9, From: 4}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range group {
			slicesSeen = append(slicesSeen, s.Entry.Slice)
			order = append(order, seqs([]arrow.RecordBatch{readChunk(t, l, s)})...)
		}
	}
	if want := []int64{chunk.SliceNull, chunk.SliceNegInfinity, -1, 0, chunk.SliceInfinity}; !slices.Equal(slicesSeen, want) {
		t.Errorf("slices %v, want %v", slicesSeen, want)
	}
	if want := []int64{1, 3, 4, 2, 0}; !slices.Equal(order, want) {
		t.Errorf("rows %v, want %v", order, want)
	}
}

// TestSealStops leaves the loop early.
func TestSealStops(t *testing.T) {
	r := newRand(t)
	l := busLayout(false)
	var rows Rows
	for i := range 10 {
		rows = must(rows.Add(heap, l, busBatch(r, heap, l, 1000, int64(i), 0)))
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	groups := 0
	for _, err := range Seal(l, rows, SealOptions{IDs: chunk.NewIDs(nil), MaxRows: 100, GroupBytes: 1, Mem: mem}) {
		if err != nil {
			t.Fatal(err)
		}
		if groups++; groups == 3 {
			break
		}
	}
	mem.AssertSize(t, 0)
	for range Seal(l, Rows{}, SealOptions{IDs: chunk.NewIDs(nil)}) {
		t.Fatal("a group of nothing")
	}
}

// TestTableWithoutColumns sends rows of a table without columns all the way.
func TestTableWithoutColumns(t *testing.T) {
	batch := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 3)
	src := must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{{Rows: batch}}}}))
	records, _, err := decodeEntry(heap, src)
	if err != nil {
		t.Fatal(err)
	}
	l := &chunk.Layout{}
	var rows Rows
	for range 100 {
		got := must(Conform(heap, l, records[0].Parts[0].Columns, records[0].Parts[0].Rows, 1))
		rows = must(rows.Add(heap, l, got))
	}
	n := 0
	for group, err := range Seal(l, rows, SealOptions{IDs: chunk.NewIDs(nil)}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range group {
			n += s.Entry.Rows
		}
	}
	if rows.Count() != 300 || n != 300 {
		t.Errorf("%d rows in the buffer, %d in chunks, want 300", rows.Count(), n)
	}
}
