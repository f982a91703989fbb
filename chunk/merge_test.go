package chunk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// keyTypes are the keys that merges are tested with.
var keyTypes = [][]datum.Type{
	{datum.Of(datum.Text)},
	{datum.Of(datum.TimestampTZ)},
	{datum.Of(datum.Int4)},
	{datum.Of(datum.Int8)},
	{datum.Of(datum.Numeric)},
	{datum.Of(datum.UUID)},
	{datum.Of(datum.Float8)},
	{datum.Of(datum.Bytea)},
	{datum.Of(datum.Interval)},
	{datum.Of(datum.TextArray)},
	{datum.Type{OID: datum.BPChar, Mod: 12}, datum.Of(datum.Date)},
	{datum.Of(datum.Text), datum.Of(datum.TimestampTZ)},
	{datum.Of(datum.UUID), datum.Of(datum.Text), datum.Of(datum.Int2)},
	{datum.Of(datum.Bool), datum.Of(datum.Numeric), datum.Of(datum.Float4)},
	{datum.Of(datum.JSONB), datum.Of(datum.OIDType)},
}

// keyedLayout is a table with the given key, columns of all forms and row versions.
func keyedLayout(key []datum.Type) *Layout {
	l := &Layout{}
	types := append(slices.Clone(key), datum.Of(datum.Text), datum.Of(datum.Float8), datum.Of(datum.Bool), datum.Of(datum.Numeric),
		datum.Of(datum.Int4Array), datum.Of(datum.TextArray), datum.Of(datum.UUID), datum.Of(datum.TimeTZ), datum.Of(datum.Int2), datum.Of(datum.Float4))
	for i, t := range types {
		id := schema.ColumnID(i + 1)
		l.Columns = append(l.Columns, Column{ID: id, Name: fmt.Sprintf("c%d", id), Type: t})
		if i < len(key) {
			l.SortKey = append(l.SortKey, id)
		}
		if l.TimeColumn == 0 && t.OID == datum.TimestampTZ {
			l.TimeColumn = id
		}
	}
	l.Columns = append(l.Columns, Column{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)})
	return l
}

// randomKey makes values that meet again, and strings that part late.
func randomKey(r *rand.Rand, t datum.Type) datum.Value {
	text := func(alphabet string) string {
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
			if r.IntN(3) > 0 {
				b[i] = alphabet[0]
			}
		}
		return string(b)
	}
	switch {
	case t.OID == datum.Text && r.IntN(2) == 0:
		return text("aab")
	case t.OID == datum.Text && r.IntN(2) == 0:
		return fmt.Sprintf("a long way in common %d", r.IntN(400))
	case t.OID == datum.Bytea:
		return []byte(text("\x00\x00\x01\xff"))
	case t.OID == datum.Int8 && r.IntN(2) == 0:
		return int64(r.IntN(3000) - 1500)
	}
	return randomValue(r, t)
}

type versions uint8

const (
	manyVersions versions = iota // of rows
	oneVersion
	entryVersionOnly // chunks without the column
)

// randomRun makes sorted rows. Several may have one key.
func randomRun(r *rand.Rand, mem memory.Allocator, l *Layout, rows int, v versions) arrow.RecordBatch {
	batch := randomBatch(r, memory.DefaultAllocator, l, rows, []int{0, 100, 1000}[r.IntN(3)])
	columns := slices.Clone(batch.Columns())
	for k, c := range l.Columns {
		key := slices.Contains(l.SortKey, c.ID)
		if !key && c.ID != schema.RowVersionColumn {
			continue
		}
		b := array.NewBuilder(memory.DefaultAllocator, c.Type.Arrow())
		one := int64(r.IntN(4))
		for range rows {
			switch {
			case key:
				datum.Append(b, c.Type, randomKey(r, c.Type))
			case v == manyVersions:
				datum.Append(b, c.Type, int64(r.IntN(4)))
			default:
				datum.Append(b, c.Type, one)
			}
		}
		columns[k] = b.NewArray()
	}
	order := make([]int32, rows)
	for i := range order {
		order[i] = int32(i)
	}
	all := array.NewRecordBatch(batch.Schema(), columns, int64(rows))
	sortRows(l, all, order)
	for k := range columns {
		columns[k] = must(Take(mem, l.Columns[k].Type, all.Column(k), order))
		defer columns[k].Release()
	}
	return array.NewRecordBatch(batch.Schema(), columns, int64(rows))
}

// sliced is the batch as a part of a longer one.
func sliced(mem memory.Allocator, b arrow.RecordBatch) arrow.RecordBatch {
	if b.NumRows() == 0 {
		b.Retain()
		return b
	}
	long := must(concatenate(mem, []arrow.RecordBatch{b, b, b}))
	defer long.Release()
	return long.NewSlice(b.NumRows(), 2*b.NumRows())
}

// a plainRow is a row of the reference.
type plainRow struct {
	values  []datum.Value
	key     string
	version int64
	rank    int
}

// newest is the reference: the newest row of each key, by key.
func newest(rows []plainRow) []plainRow {
	byKey := map[string]plainRow{}
	for _, row := range rows {
		old, ok := byKey[row.key]
		if !ok || row.version > old.version || row.version == old.version && row.rank >= old.rank {
			byKey[row.key] = row
		}
	}
	out := make([]plainRow, 0, len(byKey))
	for _, row := range byKey {
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b plainRow) int { return cmp.Compare(a.key, b.key) })
	return out
}

func plainRows(l *Layout, b arrow.RecordBatch, rank int) []plainRow {
	var out []plainRow
	for i, row := range boxed(l, b) {
		out = append(out, plainRow{row, string(l.AppendSortKey(nil, b, i)), row[len(row)-1].(int64), rank})
	}
	return out
}

// A mergeCase is inputs and their rows.
type mergeCase struct {
	layout  *Layout
	inputs  []MergeInput
	rows    []plainRow
	release []arrow.RecordBatch
}

func (c *mergeCase) close() {
	for _, b := range c.release {
		b.Release()
	}
}

func randomMerge(t testing.TB, r *rand.Rand, mem memory.Allocator, l *Layout) *mergeCase {
	c := &mergeCase{layout: l}
	ranks := r.Perm(8)
	for i := range 1 + r.IntN(4) {
		v := versions(r.IntN(3))
		run := randomRun(r, mem, l, []int{1, 7, 300, 1024, 2500}[r.IntN(5)], v)
		c.release = append(c.release, run)
		c.rows = append(c.rows, plainRows(l, run, ranks[i])...)
		in := MergeInput{Rank: ranks[i]}
		if r.IntN(2) == 0 {
			in.Batch = sliced(mem, run)
			c.release = append(c.release, in.Batch)
		} else {
			s := must(Seal(l, SealOptions{IDs: NewIDs(nil), OmitVersion: v == entryVersionOnly}, run))
			if len(s) != 1 {
				t.Fatalf("%d chunks", len(s))
			}
			if v == entryVersionOnly {
				version := uint64(run.Column(len(l.Columns) - 1).(*array.Int64).Value(0))
				s[0].Entry.VersionMin, s[0].Entry.VersionMax = version, version
			}
			checkEntry(t, l, s[0])
			in.Entry, in.Fetch = &s[0].Entry, fetcher(s[0])
		}
		c.inputs = append(c.inputs, in)
	}
	if r.IntN(4) == 0 {
		empty := randomRun(r, mem, l, 0, oneVersion)
		c.release = append(c.release, empty)
		c.inputs = append(c.inputs, MergeInput{Batch: empty})
	}
	r.Shuffle(len(c.inputs), func(i, j int) { c.inputs[i], c.inputs[j] = c.inputs[j], c.inputs[i] })
	return c
}

func projected(l *Layout, spec ScanSpec, row []datum.Value) string {
	var b strings.Builder
	for _, id := range spec.Columns {
		k := l.Index(id)
		b.WriteString(text(l.Columns[k].Type, row[k]))
		b.WriteByte(' ')
	}
	return b.String()
}

// checkMerge compares a scan with the reference.
func checkMerge(t *testing.T, mem memory.Allocator, c *mergeCase, spec ScanSpec) {
	t.Helper()
	l := c.layout
	var want []string
	for _, row := range newest(c.rows) {
		if !slices.ContainsFunc(spec.Filter, func(p Predicate) bool { return !passes(l, p, row.values) }) {
			want = append(want, projected(l, spec, row.values))
		}
	}
	if spec.Descending {
		slices.Reverse(want)
	}
	out := &Layout{}
	for _, id := range spec.Columns {
		out.Columns = append(out.Columns, l.Columns[l.Index(id)])
	}
	var got []string
	var stats ScanStats
	for _, b := range scanAll(t, mem, NewMergeSplit(c.inputs, l, spec), &stats) {
		for _, row := range boxed(out, b) {
			line := ""
			for k, v := range row {
				line += text(out.Columns[k].Type, v) + " "
			}
			got = append(got, line)
		}
		b.Release()
	}
	if !slices.Equal(got, want) {
		t.Fatalf("key %v, spec %+v: got %d rows, want %d; first difference %s", keyOf(l), spec, len(got), len(want), firstDifference(got, want))
	}
	if stats.RowsReturned != int64(len(want)) {
		t.Fatalf("spec %+v: %d rows returned by the statistics, %d in truth", spec, stats.RowsReturned, len(want))
	}
	if len(spec.Filter) == 0 && (stats.MergedRows != int64(len(c.rows)) || stats.RowsFiltered != 0) {
		t.Fatalf("spec %+v: %d of %d rows merged, %d filtered", spec, stats.MergedRows, len(c.rows), stats.RowsFiltered)
	}
}

func keyOf(l *Layout) (out []datum.Type) {
	for _, id := range l.SortKey {
		out = append(out, l.Columns[l.Index(id)].Type)
	}
	return out
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			g, w := "none", "none"
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			return fmt.Sprintf("in row %d:\n got %s\nwant %s", i, g, w)
		}
	}
	return "none"
}

// randomColumns picks columns, the row version and those of the key among them.
func randomColumns(r *rand.Rand, l *Layout) []schema.ColumnID {
	var out []schema.ColumnID
	for range r.IntN(len(l.Columns) + 2) {
		out = append(out, l.Columns[r.IntN(len(l.Columns))].ID)
	}
	return out
}

func TestMergeSplit(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for _, key := range keyTypes {
		t.Run(fmt.Sprint(key), func(t *testing.T) {
			l := keyedLayout(key)
			for range rounds {
				c := randomMerge(t, r, mem, l)
				var values [][]datum.Value
				for _, row := range c.rows {
					values = append(values, row.values)
				}
				for i := range 24 {
					spec := ScanSpec{Columns: randomColumns(r, l), Descending: r.IntN(2) == 0}
					for range r.IntN(3) {
						spec.Filter = append(spec.Filter, randomPredicate(r, l, values))
					}
					for b, flag := range []*bool{&spec.Pruning.Manifest, &spec.Pruning.Vectors, &spec.Pruning.Encoded, &spec.Pruning.Late,
						&spec.Pruning.Partitions, &spec.Pruning.Slices, &spec.Pruning.Chunks} {
						*flag = i == b || i > 12 && r.IntN(2) == 0
					}
					checkMerge(t, mem, c, spec)
				}
				c.close()
			}
		})
	}
}

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
		return func(ctx context.Context, i int) ([]byte, error) {
			fetched[fmt.Sprint(name, " ", i)]++
			return s.Blobs[i], nil
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
	if _, ok, err := NewMergeSplit(inputs, l, spec).Aggregate(context.Background(), mem, []Aggregate{{Func: AggCountStar}}, &stats); ok || err != nil {
		t.Errorf("aggregate: %v, %v", ok, err)
	}
	if s := NewMergeSplit(inputs, l, spec); s.Rows() != 6000 {
		t.Errorf("%d rows", s.Rows())
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
	reader, err := NewMergeSplit(inputs, l, ScanSpec{Columns: all}).Scan(ctx, mem, &ScanStats{})
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
			bad[i].Fetch = func(ctx context.Context, c int) ([]byte, error) {
				if left--; left < 0 {
					return nil, broken
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
	r, err := s.Scan(context.Background(), mem, &ScanStats{})
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
		turned := must(takeBatch(mem, l, run, rows))
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
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, run))[0]
	if err := drain(NewMergeSplit([]MergeInput{{Entry: &s.Entry, Fetch: fetcher(s)}}, l, ScanSpec{}), mem); !errors.Is(err, ErrCorrupt) {
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

// TestMergeLargeRows has batches cut by bytes: all but those of one row hold about
// mergeBatchBytes at most.
func TestMergeLargeRows(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "id", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "doc", Type: datum.Of(datum.Text)},
		{ID: 3, Name: "tags", Type: datum.Of(datum.TextArray)}, {ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)}},
		SortKey: []schema.ColumnID{1}}
	r := newRand(t)
	const runs, rows, size = 4, 40, 600_000
	var inputs []MergeInput
	var release []arrow.RecordBatch
	for k := range runs {
		b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, 2, 3, schema.RowVersionColumn})))
		for i := range rows {
			b.Field(0).(*array.Int32Builder).Append(int32(runs*i + k))
			doc, tag := make([]byte, size), make([]byte, size/8)
			for j := range doc {
				doc[j] = 'a' + byte(r.IntN(3))
			}
			copy(tag, doc)
			if k == 1 { // repeats itself
				doc, tag = make([]byte, size), make([]byte, size/8)
			}
			if k == 1 && i == 3 {
				doc = make([]byte, mergeBatchBytes+9)
			}
			b.Field(1).(*array.StringBuilder).Append(string(doc))
			tags := b.Field(2).(*array.ListBuilder)
			tags.Append(true)
			for range 2 {
				tags.ValueBuilder().(*array.StringBuilder).Append(string(tag))
			}
			b.Field(3).(*array.Int64Builder).Append(1)
		}
		batch := b.NewRecordBatch()
		b.Release()
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
