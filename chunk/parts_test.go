package chunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// documentLayout has an order, a device and documents.
func documentLayout() *Layout {
	return &Layout{SortKey: []schema.ColumnID{1}, Columns: []Column{
		{ID: 1, Name: "k", Type: datum.Of(datum.Int8)},
		{ID: 2, Name: "doc", Type: datum.Of(datum.JSONB)},
	}}
}

// randomDocument makes documents whose paths are frequent or rare, of one type or of
// several, with keys and values of all kinds.
func randomDocument(r *rand.Rand, i int) string {
	switch r.IntN(100) {
	case 0:
		return []string{`"text"`, `12.50`, `[1, {"device": "x"}]`, `null`, `{}`, `true`}[r.IntN(6)]
	case 1:
		return strings.Repeat(`{"device": `, 40) + `1` + strings.Repeat(`}`, 40)
	}
	var m []string
	add := func(percent int, key, value string) {
		if r.IntN(100) < percent {
			m = append(m, `"`+key+`": `+value)
		}
	}
	add(100, "id", fmt.Sprint(100000+i))
	add(98, "device", fmt.Sprintf(`"sensor-%d"`, r.IntN(40)))
	add(95, "v", fmt.Sprintf("%.*f", r.IntN(4), r.Float64()*100))
	add(60, "sometimes", []string{"true", "false", "null"}[r.IntN(3)])
	add(90, "mixed", []string{"1", `"1"`, "null", `{"a": 1.0}`, `[1, 2]`, "1.00", "-0.5", `"a\"b"`, "{}"}[r.IntN(9)])
	add(90, `q\"uo\\te\n`, fmt.Sprintf(`"\u0001 \t %d é \\ \" \/"`, r.IntN(9)))
	add(90, "", fmt.Sprint(r.IntN(3)))
	add(90, "ключ", `"значение"`)
	add(1, fmt.Sprintf("rare-%d", r.IntN(1000)), `"x"`)
	add(80, "tags", fmt.Sprintf(`["a", %d, {"b": [null]}]`, r.IntN(4)))
	add(90, "big", "1"+strings.Repeat("0", r.IntN(30))+".000")
	if r.IntN(10) > 0 {
		inner := []string{fmt.Sprintf(`"name": "n%d"`, r.IntN(1000))}
		if r.IntN(2) == 0 {
			inner = append(inner, `"deep": {"x": `+fmt.Sprint(r.IntN(9))+`, "longer key": {"y": "z", "only": [], "n": null}}`)
		}
		if r.IntN(4) == 0 {
			inner = append(inner, `"other": 5e2`)
		}
		add(97, "inner", "{"+strings.Join(inner, ", ")+"}")
	} else {
		add(90, "inner", []string{"null", "7", `"none"`, `{}`, `[{"name": "in an array"}]`}[r.IntN(5)])
	}
	r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	return "{" + strings.Join(m, ", ") + "}"
}

// randomDocuments makes a batch of documentLayout; nulls in a hundred are NULL.
func randomDocuments(r *rand.Rand, mem memory.Allocator, rows, nulls int) arrow.RecordBatch {
	k := array.NewInt64Builder(mem)
	d := array.NewStringBuilder(mem)
	defer k.Release()
	defer d.Release()
	for i := range rows {
		k.Append(int64(i))
		if r.IntN(100) < nulls {
			d.AppendNull()
		} else {
			d.Append(must(datum.CanonicalJSON(randomDocument(r, i))))
		}
	}
	a, b := k.NewArray(), d.NewArray()
	defer a.Release()
	defer b.Release()
	return array.NewRecordBatch(must(documentLayout().Schema([]schema.ColumnID{1, 2})), []arrow.Array{a, b}, int64(rows))
}

// testPaths are paths that the documents have, or not.
func testPaths() (out []PathColumn) {
	for _, keys := range [][]string{
		{"id"}, {"device"}, {"v"}, {"sometimes"}, {"mixed"}, {"mixed", "a"}, {"q\"uo\\te\n"}, {""}, {"ключ"}, {"tags"}, {"tags", "0"}, {"big"},
		{"inner"}, {"inner", "name"}, {"inner", "deep"}, {"inner", "deep", "longer key", "y"}, {"inner", "deep", "longer key", "n"},
		{"inner", "other"}, {"inner", "name", "x"}, {"device", "device"}, {"nowhere"}, {"rare-1"},
	} {
		for _, json := range []bool{false, true} {
			out = append(out, PathColumn{ID: schema.FirstPathColumn + schema.ColumnID(len(out)), Name: "p", Column: 2, Keys: keys, JSON: json})
		}
	}
	return out
}

// atPath is what PostgreSQL's -> and ->> give.
func atPath(doc string, p *PathColumn) (string, bool) {
	v := must(datum.ParseJSON(doc))
	for _, k := range p.Keys {
		var ok bool
		if v, ok = v.Field(k); !ok {
			return "", false
		}
	}
	switch {
	case p.JSON:
	case v.Kind == datum.KindNull:
		return "", false
	case v.Kind == datum.KindString:
		return v.Text, true
	}
	return string(v.AppendText(nil)), true
}

// wantedRows are the rows of a scan of the key, the documents and paths.
func wantedRows(docs arrow.RecordBatch, paths []PathColumn) []string {
	out := make([]string, docs.NumRows())
	for i := range out {
		var b strings.Builder
		fmt.Fprint(&b, docs.Column(0).(*array.Int64).Value(i))
		a := docs.Column(1).(*array.String)
		if a.IsNull(i) {
			b.WriteString(strings.Repeat("\x00-", 1+len(paths)))
			out[i] = b.String()
			continue
		}
		b.WriteString("\x00+" + a.Value(i))
		for k := range paths {
			if text, ok := atPath(a.Value(i), &paths[k]); ok {
				b.WriteString("\x00+" + text)
			} else {
				b.WriteString("\x00-")
			}
		}
		out[i] = b.String()
	}
	return out
}

// rowsOf are the rows that a scan found.
func rowsOf(batches []arrow.RecordBatch) (out []string) {
	for _, batch := range batches {
		for i := range int(batch.NumRows()) {
			var b strings.Builder
			for k, c := range batch.Columns() {
				switch c := c.(type) {
				case *array.Int64:
					fmt.Fprint(&b, c.Value(i))
				case *array.String:
					if c.IsNull(i) {
						b.WriteString("\x00-")
					} else {
						b.WriteString("\x00+" + c.Value(i))
					}
				default:
					panic(fmt.Sprint("column ", k, " is ", c.DataType()))
				}
			}
			out = append(out, b.String())
		}
		batch.Release()
	}
	return out
}

func sameRows(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			g, w := strings.Split(got[i], "\x00"), strings.Split(want[i], "\x00")
			for k := range min(len(g), len(w)) {
				if g[k] != w[k] {
					t.Fatalf("row %d, column %d:\n got %q\nwant %q", i, k, g[k], w[k])
				}
			}
			t.Fatalf("row %d:\n got %q\nwant %q", i, got[i], want[i])
		}
	}
	t.Fatalf("%d rows, want %d", len(got), len(want))
}

// partedChunk is a chunk whose documents must have parts.
func partedChunk(t *testing.T, l *Layout, docs arrow.RecordBatch) *Sealed {
	t.Helper()
	sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, docs))
	if len(sealed) != 1 || len(sealed[0].Entry.partsOf(2)) < 5 {
		t.Fatalf("%d chunks, the first with columns %v", len(sealed), sealed[0].Entry.Columns)
	}
	return sealed[0]
}

// TestParts reads documents and paths of them from parts, from whole documents and
// from memory.
func TestParts(t *testing.T) {
	r := newRand(t)
	for _, nulls := range []int{0, 20} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		l := documentLayout()
		docs := randomDocuments(r, mem, 3000, nulls)
		parted := partedChunk(t, l, docs)
		whole := must(Seal(l, SealOptions{IDs: NewIDs(nil), Effort: codec.Quick}, docs))[0]
		if whole.Entry.parted() {
			t.Fatal("a quick chunk has parts")
		}
		if err := Verify(context.Background(), &parted.Entry, fetcher(parted)); err != nil {
			t.Fatal(err)
		}
		paths := testPaths()
		want := wantedRows(docs, paths)
		layout := must(l.WithPaths(paths))
		for _, spec := range []ScanSpec{{}, {Descending: true}, {Pruning: PruningOff{Late: true, Vectors: true}}} {
			spec.Columns = []schema.ColumnID{1, 2}
			for _, p := range paths {
				spec.Columns = append(spec.Columns, p.ID)
			}
			for _, s := range []Split{
				NewSplit(&parted.Entry, layout, spec, fetcher(parted)), NewSplit(&whole.Entry, layout, spec, fetcher(whole)), NewBatchSplit(docs, layout, spec),
			} {
				got := rowsOf(scanAll(t, mem, s, &ScanStats{}))
				if spec.Descending {
					slices.Reverse(got)
				}
				sameRows(t, got, want)
			}
		}
		docs.Release()
		mem.AssertSize(t, 0)
	}
}

// passing are the numbers of the documents whose text at a path, nil if there is none, passes.
func passing(texts []*string, f Predicate) (out []string) {
	keeps := must(compileOne(datum.Of(datum.Text), f))
	for i, s := range texts {
		if f.Op == OpIsNull && s == nil || f.Op == OpIsNotNull && s != nil || f.Op < OpIsNull && s != nil && keeps.keepsBytes([]byte(*s)) {
			out = append(out, fmt.Sprint(i))
		}
	}
	return out
}

// textsAt are what the documents of a batch have at a path.
func textsAt(docs arrow.RecordBatch, p *PathColumn) []*string {
	a := docs.Column(1).(*array.String)
	out := make([]*string, a.Len())
	for i := range out {
		if a.IsNull(i) {
			continue
		}
		if text, ok := atPath(a.Value(i), p); ok {
			out[i] = &text
		}
	}
	return out
}

// TestPathFilters asks for rows by what their documents have at a path.
func TestPathFilters(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := documentLayout()
	docs := randomDocuments(r, mem, 3000, 3)
	defer docs.Release()
	parted := partedChunk(t, l, docs)
	whole := must(Seal(l, SealOptions{IDs: NewIDs(nil), Effort: codec.Quick}, docs))[0]
	paths := testPaths()
	for i := range paths {
		p := &paths[i]
		if p.JSON {
			continue
		}
		texts := textsAt(docs, p)
		layout := must(l.WithPaths(paths[i : i+1]))
		for _, f := range []Predicate{
			{Op: OpIsNull}, {Op: OpIsNotNull}, {Op: OpEQ, Values: []datum.Value{"sensor-7"}}, {Op: OpEQ, Values: []datum.Value{"1"}},
			{Op: OpNE, Values: []datum.Value{"true"}}, {Op: OpLT, Values: []datum.Value{"4"}}, {Op: OpIn, Values: []datum.Value{"n17", "2", "sensor-3", "false"}},
			{Op: OpPrefix, Values: []datum.Value{"sensor-1"}}, {Op: OpGE, Values: []datum.Value{"zzz"}},
		} {
			f.Column = p.ID
			want := passing(texts, f)
			spec := ScanSpec{Columns: []schema.ColumnID{1}, Filter: []Predicate{f}}
			for n, s := range []Split{
				NewSplit(&parted.Entry, layout, spec, fetcher(parted)), NewSplit(&whole.Entry, layout, spec, fetcher(whole)), NewBatchSplit(docs, layout, spec),
			} {
				if got := rowsOf(scanAll(t, mem, s, &ScanStats{})); !slices.Equal(got, want) {
					t.Fatalf("%q op %d %v, split %d: %d rows, want %d", p.Keys, f.Op, f.Values, n, len(got), len(want))
				}
				partial, ok, err := s.Aggregate(context.Background(), roomFor(mem), []Aggregate{{Func: AggCountStar}, {Func: AggCount, Column: p.ID}}, &ScanStats{})
				if !ok || err != nil || partial[0].Count != int64(len(want)) {
					t.Fatalf("%q op %d, split %d: %v rows, want %d: %v, %v", p.Keys, f.Op, n, partial, len(want), ok, err)
				}
			}
		}
	}
}

// TestPathReads pins which blobs are read for a path.
func TestPathReads(t *testing.T) {
	r := newRand(t)
	l := documentLayout()
	docs := randomDocuments(r, memory.DefaultAllocator, 3000, 0)
	defer docs.Release()
	s := partedChunk(t, l, docs)
	for _, c := range []struct {
		keys []string
		json bool
		want string // the paths that are read; "all" with the rest
	}{
		{[]string{"device"}, false, "device"},
		{[]string{"device"}, true, "device"},
		{[]string{"inner", "name"}, false, "inner/name"},
		{[]string{"mixed", "a"}, false, "mixed"},
		{[]string{"mixed"}, true, "all"}, // some are JSON's null
		{[]string{"inner"}, false, "all"},
		{[]string{"nowhere"}, false, "rest"},
	} {
		paths := []PathColumn{{ID: schema.FirstPathColumn, Column: 2, Keys: c.keys, JSON: c.json}}
		layout := must(l.WithPaths(paths))
		var read []string
		fetch := func(_ context.Context, i int) ([]byte, bool, error) {
			if p := s.Entry.Columns[i].Part; p != nil {
				read = append(read, strings.Join(p.Path, "/"))
			} else {
				read = append(read, "rest")
			}
			return s.Blobs[i], false, nil
		}
		scanAll(t, memory.DefaultAllocator, NewSplit(&s.Entry, layout, ScanSpec{Columns: []schema.ColumnID{schema.FirstPathColumn}}, fetch), &ScanStats{})
		if got := strings.Join(read, " "); got != c.want && (c.want != "all" || len(read) != 1+len(s.Entry.partsOf(2))) {
			t.Errorf("%q, json %v: reads %s, want %s", c.keys, c.json, got, c.want)
		}
		if got := layout.places(&s.Entry, []schema.ColumnID{schema.FirstPathColumn}); len(got) != len(read) {
			t.Errorf("%q, json %v: would fetch %v ahead, reads %v", c.keys, c.json, got, read)
		}
	}
}

// TestPathsOfRowsWanted reads paths of rows in memory that other predicates leave over: the
// documents of all others are not looked at, here because they would be found to be none.
func TestPathsOfRowsWanted(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	docs := randomDocuments(r, mem, 3000, 5)
	defer docs.Release()
	d := array.NewStringBuilder(mem)
	defer d.Release()
	const from, to = 1500, 2600
	for i := range int(docs.NumRows()) {
		switch a := docs.Column(1).(*array.String); {
		case i < from || i >= to:
			d.Append("{broken")
		case a.IsNull(i):
			d.AppendNull()
		default:
			d.Append(a.Value(i))
		}
	}
	a := d.NewArray()
	defer a.Release()
	broken := array.NewRecordBatch(docs.Schema(), []arrow.Array{docs.Column(0), a}, docs.NumRows())
	defer broken.Release()
	wanted := docs.NewSlice(from, to)
	defer wanted.Release()
	some := []Predicate{{Column: 1, Op: OpGE, Values: []datum.Value{int64(from)}}, {Column: 1, Op: OpLT, Values: []datum.Value{int64(to)}}}
	for _, p := range testPaths() {
		layout := must(documentLayout().WithPaths([]PathColumn{p}))
		for _, filter := range [][]Predicate{nil, {{Column: p.ID, Op: OpIsNull}}, {{Column: p.ID, Op: OpIsNotNull}}} {
			spec := ScanSpec{Columns: []schema.ColumnID{1, 2, p.ID}, Filter: filter}
			want := rowsOf(scanAll(t, mem, NewBatchSplit(wanted, layout, spec), &ScanStats{}))
			spec.Filter = append(slices.Clip(filter), some...)
			for _, s := range []Split{
				NewBatchSplit(broken, layout, spec),
				NewMergeSplit([]MergeInput{{Batch: broken, Rank: 1}, {Batch: wanted}}, layout, spec),
			} {
				sameRows(t, rowsOf(scanAll(t, mem, s, &ScanStats{})), want)
			}
		}
	}
}

// TestPartsMerge merges versions of documents in chunks, with parts and without, and
// memory.
func TestPartsMerge(t *testing.T) {
	r := newRand(t)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := documentLayout()
	var inputs []MergeInput
	var newest arrow.RecordBatch
	for rank, effort := range []codec.Effort{codec.Thorough, codec.Quick, codec.Thorough} {
		docs := randomDocuments(r, mem, 2500, 5)
		defer docs.Release()
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil), Effort: effort}, docs))[0]
		if s.Entry.parted() != (effort == codec.Thorough) {
			t.Fatalf("effort %d: %v", effort, s.Entry.Columns)
		}
		inputs = append(inputs, MergeInput{Entry: &s.Entry, Fetch: fetcher(s), Rank: rank})
		newest = docs
	}
	run := newest.NewSlice(100, 1900)
	defer run.Release()
	inputs = append(inputs, MergeInput{Batch: run, Rank: 3})
	paths := testPaths()
	spec := ScanSpec{Columns: []schema.ColumnID{1, 2}}
	for _, p := range paths {
		spec.Columns = append(spec.Columns, p.ID)
	}
	got := rowsOf(scanAll(t, mem, NewMergeSplit(inputs, must(l.WithPaths(paths)), spec), &ScanStats{}))
	sameRows(t, got, wantedRows(newest, paths))
}

// TestPartsCorrupt reads parts that do not fit together.
func TestPartsCorrupt(t *testing.T) {
	r := newRand(t)
	l := documentLayout()
	a, b := randomDocuments(r, memory.DefaultAllocator, 2000, 0), randomDocuments(r, memory.DefaultAllocator, 2000, 0)
	defer a.Release()
	defer b.Release()
	s, o := partedChunk(t, l, a), partedChunk(t, l, b)
	at, inner := s.Entry.partsOf(2)[0], 0
	for _, i := range s.Entry.partsOf(2) {
		if len(s.Entry.Columns[i].Part.Path) > 1 {
			inner = i
		}
	}
	read := func(e *Entry, fetch Fetch) error {
		r, err := NewSplit(e, l, ScanSpec{Columns: []schema.ColumnID{2}}, fetch).Scan(context.Background(), NewRoom(memory.DefaultAllocator), &ScanStats{})
		for err == nil {
			_, err = r.Next(context.Background())
		}
		return err
	}
	// The parts of another chunk have rows that the rest here has no place for.
	if err := read(&s.Entry, func(_ context.Context, i int) ([]byte, bool, error) {
		for _, k := range o.Entry.partsOf(2) {
			if i == inner && slices.Equal(o.Entry.Columns[k].Part.Path, s.Entry.Columns[i].Part.Path) {
				s.Entry.Columns[i].Nulls = o.Entry.Columns[k].Nulls
				return o.Blobs[k], false, nil
			}
		}
		return s.Blobs[i], false, nil
	}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a part of another chunk: %v", err)
	}
	e := s.Entry
	e.Columns = slices.Clone(e.Columns)
	p := *e.Columns[at].Part
	p.Path = append(slices.Clip(s.Entry.Columns[at+1].Part.Path), "below")
	e.Columns[at].Part = &p
	if err := read(&e, fetcher(s)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a path through another: %v", err)
	}
}

// TestPartsOfManyColumns makes a chunk of more columns with documents than an entry could list
// the parts of, had each as many as one column may have.
func TestPartsOfManyColumns(t *testing.T) {
	r := newRand(t)
	d := array.NewStringBuilder(memory.DefaultAllocator)
	defer d.Release()
	for range minPartedRows {
		var m []string
		for k := range maxChosenParts {
			m = append(m, fmt.Sprintf(`"k%02d": %d`, k, r.IntN(1000)))
		}
		d.Append("{" + strings.Join(m, ", ") + "}")
	}
	a := d.NewArray()
	defer a.Release()
	l := &Layout{}
	var columns []arrow.Array
	var ids []schema.ColumnID
	for i := range maxEntryParts/maxChosenParts + 2 {
		id := schema.ColumnID(i + 1)
		l.Columns = append(l.Columns, Column{ID: id, Name: fmt.Sprint("doc", i), Type: datum.Of(datum.JSONB)})
		ids, columns = append(ids, id), append(columns, a)
	}
	docs := array.NewRecordBatch(must(l.Schema(ids)), columns, int64(a.Len()))
	defer docs.Release()
	sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, docs))
	if len(sealed) != 1 || len(sealed[0].Entry.partsOf(1)) != maxChosenParts {
		t.Fatalf("%d chunks, the first with %d parts of its first column", len(sealed), len(sealed[0].Entry.partsOf(1)))
	}
	e := &sealed[0].Entry
	if parts := len(e.Columns) - len(l.Columns); parts > maxEntryParts {
		t.Fatalf("%d parts", parts)
	}
	if _, _, err := DecodeEntry(AppendEntry(nil, e)); err != nil {
		t.Fatal(err)
	}
	got := scanAll(t, memory.DefaultAllocator, NewSplit(e, l, ScanSpec{Columns: ids}, fetcher(sealed[0])), &ScanStats{})
	if len(got) != 1 || !array.RecordEqual(got[0], docs) {
		t.Fatal("other documents")
	}
}

// TestPartedEntry pins the bytes of an entry with parts, which older programs refuse.
func TestPartedEntry(t *testing.T) {
	e := &Entry{ID: ID{1}, Version: 1, Rows: 100, Columns: []ColumnEntry{
		{ID: 2, Type: datum.Of(datum.JSONB), Size: 40, Codec: "constant", MinCut: true, MaxCut: true},
		{ID: schema.FirstPartColumn, Type: datum.Of(datum.Text), Size: 77, Codec: "plain", Nulls: 3, Min: "a", Max: "b", Distinct: 2,
			Part: &Part{Column: 2, Path: []string{"a", ""}, Kind: PartBare, Nulls: true}},
	}}
	b := AppendEntry(nil, e)
	if want := []byte{2, 5, 2, 1, 'a', 0}; b[0] != partedEntry || !bytes.HasSuffix(b, want) {
		t.Errorf("version %d, ends in %x, want %x", b[0], b[len(b)-len(want):], want)
	}
	got, rest, err := DecodeEntry(b)
	if err != nil || len(rest) > 0 || !reflect.DeepEqual(got.Columns[1].Part, e.Columns[1].Part) || got.Columns[0].Part != nil {
		t.Fatalf("%+v, %d, %v", got, len(rest), err)
	}
}
