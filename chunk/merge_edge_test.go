package chunk

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestMergeOldValues has a filter that only an old row of the key passes.
func TestMergeOldValues(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "id", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "status", Type: datum.Of(datum.Text)},
		{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)}}, SortKey: []schema.ColumnID{1}}
	run := func(status string, version int64) *Sealed {
		b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, 2, schema.RowVersionColumn})))
		defer b.Release()
		for i := range 3000 {
			b.Field(0).(*array.Int32Builder).Append(int32(i))
			b.Field(1).(*array.StringBuilder).Append(status)
			b.Field(2).(*array.Int64Builder).Append(version)
		}
		batch := b.NewRecordBatch()
		defer batch.Release()
		return must(Seal(l, SealOptions{IDs: NewIDs(nil), Mem: mem}, batch))[0]
	}
	old, young := run("open", 5), run("done", 9)
	fetched := map[string]int{}
	fetch := func(name string, s *Sealed) Fetch {
		return func(ctx context.Context, i int) ([]byte, bool, error) {
			fetched[fmt.Sprint(name, " ", i)]++
			return s.Blobs[i], false, nil
		}
	}
	inputs := []MergeInput{{Entry: &old.Entry, Fetch: fetch("old", old), Rank: 2}, {Entry: &young.Entry, Fetch: fetch("young", young), Rank: 1}}
	for _, c := range []struct {
		status string
		want   int64
	}{{"open", 0}, {"done", 3000}} {
		spec := ScanSpec{Columns: []schema.ColumnID{1, 2}, Filter: []Predicate{{Column: 2, Op: OpEQ, Values: []datum.Value{c.status}}}}
		var stats ScanStats
		for _, b := range scanAll(t, mem, NewMergeSplit(inputs, l, spec), &stats) {
			b.Release()
		}
		if stats.RowsReturned != c.want || stats.RowsReturned+stats.RowsFiltered != 3000 || stats.MergedRows != 6000 {
			t.Errorf("status %s: statistics %+v", c.status, stats)
		}
	}
	// The key of both is read, the status of the newer alone and only if the entry
	// leaves a doubt or the rows come back; versions are in the entries.
	if want := map[string]int{"old 0": 2, "young 0": 2, "young 1": 1}; fmt.Sprint(fetched) != fmt.Sprint(want) {
		t.Errorf("fetched %v, want %v", fetched, want)
	}
	spec := ScanSpec{Filter: []Predicate{{Column: 1, Op: OpIn, Values: []datum.Value{int32(2999), int32(7000)}}}}
	var stats ScanStats
	for _, b := range scanAll(t, mem, NewMergeSplit(inputs, l, spec), &stats) {
		b.Release()
	}
	if stats.RowsReturned != 1 || stats.VectorsSkipped != 4 || stats.MergedRows != 2 {
		t.Errorf("point look-up: %+v", stats)
	}
	if _, ok, err := NewMergeSplit(inputs, l, spec).Aggregate(context.Background(), roomFor(mem), []Aggregate{{Func: AggCountStar}}, &stats); ok || err != nil {
		t.Errorf("aggregate: %v, %v", ok, err)
	}
	if s := NewMergeSplit(inputs, l, spec); s.Rows() != 6000 {
		t.Errorf("%d rows", s.Rows())
	}
}

// TestMergePadded asks for a prefix with a blank of char(n): 'a ' has the key of
// 'a', so the question is for the newest row.
func TestMergePadded(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "id", Type: datum.Type{OID: datum.BPChar, Mod: 12}},
		{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)}}, SortKey: []schema.ColumnID{1}}
	run := func(id string, version int64) arrow.RecordBatch {
		b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, schema.RowVersionColumn})))
		defer b.Release()
		b.Field(0).(*array.StringBuilder).Append(id)
		b.Field(1).(*array.Int64Builder).Append(version)
		return b.NewRecordBatch()
	}
	for _, c := range []struct{ old, young, prefix, want string }{
		{"a ", "a", "a ", ""}, {"a", "a ", "a ", "a "}, {"a", "a ", "a", "a "}, {"a ", "a", "a", "a"}, {"a", "b", "a", "a"},
	} {
		old, young := run(c.old, 1), run(c.young, 2)
		got := ""
		for _, b := range scanAll(t, mem, NewMergeSplit([]MergeInput{{Batch: old}, {Batch: young}}, l, ScanSpec{Columns: []schema.ColumnID{1},
			Filter: []Predicate{{Column: 1, Op: OpPrefix, Values: []datum.Value{c.prefix}}}}), &ScanStats{}) {
			got += b.Column(0).(*array.String).Value(0)
			b.Release()
		}
		if got != c.want {
			t.Errorf("%q after %q, prefix %q: got %q, want %q", c.young, c.old, c.prefix, got, c.want)
		}
		old.Release()
		young.Release()
	}
}

// TestMergeTime compares the range of time with that of the inputs' rows.
func TestMergeTime(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := keyedLayout([]datum.Type{datum.Of(datum.Text), datum.Of(datum.TimestampTZ)})
	for range 20 {
		c := randomMerge(t, r, mem, l)
		want, wantAll := TimeRange{Min: datum.InfinityMicros, Max: datum.NegInfinityMicros}, true
		for _, row := range c.rows {
			x := row.values[1].(datum.Micros)
			if x == datum.InfinityMicros || x == datum.NegInfinityMicros {
				wantAll = false
				continue
			}
			want.Min, want.Max = min(want.Min, x), max(want.Max, x)
		}
		got, all := NewMergeSplit(c.inputs, l, ScanSpec{}).Time()
		if got != want && !(got.Min > got.Max && want.Min > want.Max) || all != wantAll {
			t.Errorf("got %v %v, want %v %v", got, all, want, wantAll)
		}
		c.close()
	}
}

// TestMergeStops closes readers early, cancels them and fails their fetches.
func TestMergeStops(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := keyedLayout([]datum.Type{datum.Of(datum.Int8)})
	all := make([]schema.ColumnID, len(l.Columns))
	for i := range all {
		all[i] = l.Columns[i].ID
	}
	var inputs []MergeInput
	var parts []arrow.RecordBatch
	for i := range 3 {
		run := randomRun(r, mem, l, 9000, manyVersions)
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, run))[0]
		inputs = append(inputs, MergeInput{Entry: &s.Entry, Fetch: fetcher(s), Rank: i})
		parts = append(parts, run)
	}
	inputs = append(inputs, MergeInput{Batch: parts[0], Rank: 9})
	ctx, cancel := context.WithCancel(context.Background())
	reader, err := NewMergeSplit(inputs, l, ScanSpec{Columns: all}).Scan(ctx, roomFor(mem), &ScanStats{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := reader.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	cancel()
	if _, err := reader.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	for range 2 {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := reader.Next(context.Background()); err != io.EOF {
		t.Errorf("after close: %v", err)
	}
	broken := errors.New("disk on fire")
	spec := ScanSpec{Columns: all, Filter: []Predicate{{Column: 1, Op: OpLT, Values: []datum.Value{int64(1e9)}}, {Column: 2, Op: OpIsNull}}}
	for good := 0; ; good++ {
		left := good
		bad := slices.Clone(inputs)
		for i := range bad[:3] {
			fetch := bad[i].Fetch
			bad[i].Fetch = func(ctx context.Context, c int) ([]byte, bool, error) {
				if left--; left < 0 {
					return nil, false, broken
				}
				return fetch(ctx, c)
			}
		}
		err := drain(NewMergeSplit(bad, l, spec), mem)
		if left >= 0 { // none failed
			if err != nil || good < 10 {
				t.Errorf("%d fetches: %v", good, err)
			}
			break
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d fetches: %v", good, err)
		}
	}
	for _, b := range parts {
		b.Release()
	}
}

// drain reads a split to its end.
func drain(s Split, mem memory.Allocator) error {
	r, err := s.Scan(context.Background(), roomFor(mem), &ScanStats{})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next(context.Background())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		b.Release()
	}
}

// TestMergeRefuses has inputs that break the rules.
func TestMergeRefuses(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, key := range keyTypes {
		l := keyedLayout(key)
		run := randomRun(r, mem, l, 2000, manyVersions)
		rows := make([]int32, 2000)
		for i := range rows {
			rows[i] = int32(1999 - i)
		}
		turned := must(TakeBatch(mem, l, run, rows))
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, turned))[0]
		if err := drain(NewMergeSplit([]MergeInput{{Entry: &s.Entry, Fetch: fetcher(s)}}, l, ScanSpec{}), mem); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), s.Entry.ID.String()) {
			t.Errorf("%v: chunk out of order: %v", key, err)
		}
		if err := drain(NewMergeSplit([]MergeInput{{Batch: turned}}, l, ScanSpec{}), mem); err == nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: batch out of order: %v", key, err)
		}
		if b, err := MergeRows(mem, l, []arrow.RecordBatch{turned}); err == nil {
			t.Errorf("%v: MergeRows took rows out of order", key)
			b.Release()
		}
		turned.Release()
		run.Release()
	}
	l := keyedLayout(keyTypes[2])
	run := randomBatch(r, mem, l, 100, 300)
	defer run.Release()
	// In order, with NULLs last.
	sorted := must(SortRows(mem, l, []arrow.RecordBatch{run}))[0].Batch
	defer sorted.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, sorted))[0]
	if err := drain(NewMergeSplit([]MergeInput{{Entry: &s.Entry, Fetch: fetcher(s)}}, l, ScanSpec{}), mem); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "NULLs in the key") {
		t.Errorf("chunk with NULLs in the key: %v", err)
	}
	for name, inputs := range map[string][]MergeInput{"NULL keys": {{Batch: run}}, "nothing": {{}}, "no fetch": {{Entry: &s.Entry}}} {
		if err := drain(NewMergeSplit(inputs, l, ScanSpec{}), mem); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := drain(NewMergeSplit(nil, &Layout{Columns: l.Columns}, ScanSpec{}), mem); err == nil {
		t.Error("no key: no error")
	}
	if err := drain(NewMergeSplit(nil, l, ScanSpec{Columns: []schema.ColumnID{1}}), mem); err != nil {
		t.Errorf("no input: %v", err)
	}
}

// TestMergeCorrupt merges chunks with bits turned behind the checksum's back: what
// comes is rows or ErrCorrupt.
func TestMergeCorrupt(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	refused := 0
	for _, key := range keyTypes {
		l := keyedLayout(key)
		var inputs []MergeInput
		for range 2 {
			run := randomRun(r, mem, l, 1500, manyVersions)
			s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, run))[0]
			run.Release()
			inputs = append(inputs, MergeInput{Entry: &s.Entry, Fetch: fetcher(s)})
		}
		for range 60 {
			bad := slices.Clone(inputs)
			seed := r.Uint64()
			column := r.IntN(len(inputs[0].Entry.Columns))
			bad[0].Fetch = func(ctx context.Context, i int) ([]byte, bool, error) {
				blob, _, err := inputs[0].Fetch(ctx, i)
				if i != column || err != nil {
					return blob, false, err
				}
				r := rand.New(rand.NewPCG(seed, 0))
				blob = slices.Clone(blob)
				blob[blobHeaderSize+r.IntN(len(blob)-blobHeaderSize-blobCRCSize)] ^= 1 << r.IntN(8)
				binary.LittleEndian.PutUint32(blob[len(blob)-4:], crc32.Checksum(blob[:len(blob)-4], castagnoli))
				return blob, false, nil
			}
			spec := ScanSpec{Columns: randomColumns(r, l), Descending: r.IntN(2) == 0}
			err := drain(NewMergeSplit(bad, l, spec), mem)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("key %v, column %d: %v", key, column, err)
			}
			if err != nil {
				refused++
			}
		}
	}
	if refused < 50 {
		t.Errorf("only %d scans were refused", refused)
	}
}

// TestMergeLargeRows has batches cut by bytes: all but those of one row hold about
// mergeBatchBytes at most.
func TestMergeLargeRows(t *testing.T) {
	for _, mixed := range []bool{true, false} {
		t.Run(fmt.Sprint("mixed=", mixed), func(t *testing.T) { testLargeRows(t, mixed) })
	}
}

// largeRun makes rows of long text and of arrays of it; in run 1 the text repeats
// itself, and one is longer than a batch may be.
func largeRun(r *rand.Rand, mem memory.Allocator, l *Layout, rows, size, run int, id func(i int) int32) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, 2, 3, schema.RowVersionColumn})))
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int32Builder).Append(id(i))
		doc, tag := make([]byte, size), make([]byte, size/8)
		if run != 1 {
			for j := range doc {
				doc[j] = 'a' + byte(r.IntN(3))
			}
			copy(tag, doc)
		} else if i == 3 {
			doc = make([]byte, mergeBatchBytes+9)
		}
		b.Field(1).(*array.StringBuilder).Append(string(doc))
		tags := datum.Array{Elem: datum.Of(datum.Text), Values: []datum.Value{string(tag), string(tag)}}
		datum.Append(b.Field(2), datum.Of(datum.TextArray), tags)
		b.Field(3).(*array.Int64Builder).Append(1)
	}
	return b.NewRecordBatch()
}

func testLargeRows(t *testing.T, mixed bool) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "id", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "doc", Type: datum.Of(datum.Text)},
		{ID: 3, Name: "tags", Type: datum.Of(datum.TextArray)}, {ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)}},
		SortKey: []schema.ColumnID{1}}
	r := newRand(t)
	const runs, rows, size = 4, 40, 250_000
	var inputs []MergeInput
	var release []arrow.RecordBatch
	for k := range runs {
		batch := largeRun(r, mem, l, rows, size, k, func(i int) int32 {
			if mixed {
				return int32(i*runs + k)
			}
			return int32(k*rows + i)
		})
		if k == 2 {
			inputs = append(inputs, MergeInput{Batch: batch})
			release = append(release, batch)
			continue
		}
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil), Mem: mem}, batch))
		batch.Release()
		for _, x := range s {
			inputs = append(inputs, MergeInput{Entry: &x.Entry, Fetch: fetcher(x)})
		}
	}
	for _, columns := range [][]schema.ColumnID{{1, 2, 3}, {1, 2}, {1, 3}} {
		for _, descending := range []bool{false, true} {
			next, total := 0, int64(0)
			for _, b := range scanAll(t, mem, NewMergeSplit(inputs, l, ScanSpec{Columns: columns, Descending: descending}), &ScanStats{}) {
				if n := batchBytes(b); n > mergeBatchBytes+4096 && b.NumRows() > 1 {
					t.Errorf("columns %v: batch of %d rows holds %d bytes", columns, b.NumRows(), n)
				}
				total += batchBytes(b)
				for _, id := range b.Column(0).(*array.Int32).Int32Values() {
					want := next
					if descending {
						want = runs*rows - 1 - next
					}
					if int(id) != want {
						t.Fatalf("row %d after %d rows", id, next)
					}
					next++
				}
				b.Release()
			}
			if next != runs*rows || total < runs*rows*size/8 {
				t.Errorf("columns %v: %d rows of %d bytes", columns, next, total)
			}
		}
	}
	for _, b := range release {
		b.Release()
	}
}

// TestMergeWords compares the order of words with that of strings.
func TestMergeWords(t *testing.T) {
	r := newRand(t)
	words := func(s string) (out []uint64) {
		for {
			x := segWord(s)
			out = append(out, x)
			if x&0xff != segMore {
				return out
			}
			s = s[segBytes:]
		}
	}
	for range 200_000 {
		a := string(randomKey(r, datum.Of(datum.Bytea)).([]byte))
		b := string(randomKey(r, datum.Of(datum.Bytea)).([]byte))
		if got, want := slices.Compare(words(a), words(b)), strings.Compare(a, b); got != want {
			t.Fatalf("%q and %q: words %d, strings %d", a, b, got, want)
		}
		seg, x, y, ok := differ(a, b)
		if ok != (a != b) {
			t.Fatalf("differ(%q, %q) = %v", a, b, ok)
		}
		if ok && (words(a)[seg] != x || words(b)[seg] != y || cmp.Compare(x, y) != strings.Compare(a, b)) {
			t.Fatalf("differ(%q, %q) = %d, %x, %x", a, b, seg, x, y)
		}
	}
}
