package ingest

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// stagedEntries are the entries of real chunks.
func stagedEntries(r *rand.Rand, n int) []*chunk.Entry {
	l := busLayout(true)
	var out []*chunk.Entry
	ids := chunk.NewIDs(nil)
	for i := range n {
		b := busBatch(r, memory.DefaultAllocator, l, 1+r.IntN(50), 0, int64(i))
		s := must(chunk.Seal(l, chunk.SealOptions{IDs: ids, Schema: 3, Slice: int64(i)}, b))
		out = append(out, &s[0].Entry)
	}
	return out
}

// decodeEntry is DecodeEntry for entries that hold records or a seal.
func decodeEntry(mem memory.Allocator, src []byte) (records []*Record, sealedBy string, err error) {
	e, err := DecodeEntry(mem, src)
	return e.Records, e.SealedBy, err
}

func sameRecords(t testing.TB, got, want []*Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := *got[i], *want[i]
		gp, wp := g.Parts, w.Parts
		g.Parts, w.Parts = nil, nil
		if !reflect.DeepEqual(g, w) || len(gp) != len(wp) {
			t.Fatalf("record %d is %+v with %d parts, want %+v with %d", i, g, len(gp), w, len(wp))
		}
		for k := range wp {
			samePart(t, &gp[k], &wp[k])
		}
	}
}

func samePart(t testing.TB, got, want *Part) {
	t.Helper()
	if got.Partition != want.Partition || len(got.Staged) != len(want.Staged) || (got.Rows == nil) != (want.Rows == nil) {
		t.Fatalf("part %+v, want %+v", got, want)
	}
	for i := range want.Staged {
		if g, w := chunk.AppendEntry(nil, got.Staged[i]), chunk.AppendEntry(nil, want.Staged[i]); string(g) != string(w) {
			t.Fatalf("staged chunk %d: %x, want %x", i, g, w)
		}
	}
	if want.Rows == nil {
		if got.Columns != nil || got.Types != nil {
			t.Fatalf("columns without rows: %v", got.Columns)
		}
		return
	}
	if got.Rows.NumRows() != want.Rows.NumRows() || !slices.Equal(got.Columns, want.Columns) || !slices.Equal(got.Types, want.Types) {
		t.Fatalf("%d rows of %v %v, want %d of %v %v", got.Rows.NumRows(), got.Columns, got.Types, want.Rows.NumRows(), want.Columns, want.Types)
	}
	for i, typ := range want.Types {
		sameArrays(t, typ, got.Rows.Column(i), want.Rows.Column(i))
	}
}

// TestForwarded reads entries of a journal that were forwarded, whole and damaged.
func TestForwarded(t *testing.T) {
	one := []*Record{{ID: [16]byte{1}, Version: 7, Versions: 2}}
	two := []*Record{{ID: [16]byte{2}, Version: 9, Versions: 1}, {ID: [16]byte{3}, Version: 10, Versions: 1, Condition: &Condition{Seq: 4}}}
	src := AppendForwarded([]byte{9}, "a/1", 1<<40, [][]byte{must(AppendRecords(nil, one)), must(AppendRecords(nil, two))})[1:]
	e, err := DecodeEntry(memory.DefaultAllocator, src)
	if err != nil || e.Journal != "a/1" || e.Position != 1<<40 || e.SealedBy != "" {
		t.Fatalf("%+v, %v", e, err)
	}
	sameRecords(t, e.Records, append(one, two...))
	for n := range src {
		decodeDamaged(t, src[:n], true)
	}
	decodeDamaged(t, append(slices.Clone(src), 0), true)
	for _, inner := range [][]byte{nil, {FormatVersion}, AppendSeal(nil, "x"), src} {
		decodeDamaged(t, AppendForwarded(nil, "a/1", 1, [][]byte{inner}), true)
	}
	if _, err := DecodeEntry(memory.DefaultAllocator, AppendForwarded(nil, "a/1", 1, [][]byte{{FormatVersion + 1}})); !errors.Is(err, chunk.ErrNewerFormat) {
		t.Errorf("an entry of a newer format: %v", err)
	}
}

// TestRecordsRoundTrip sends records with columns of every type through an
// entry: no, one and many rows, NULLs, arrays that start within larger buffers,
// and NULLs whose slots hold bytes.
func TestRecordsRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, rows := range []int{0, 1, 2, 7, 8, 9, 63, 64, 65, 200, 1500} {
		for round := range max(1, 12-rows/100) {
			in := memory.NewCheckedAllocator(memory.DefaultAllocator)
			var records []*Record
			for i := range 1 + r.IntN(3) {
				rec := &Record{Schema: r.Uint64() >> r.IntN(64), Version: int64(r.Uint64()) >> 1, Versions: 1 + r.IntN(1000)}
				rec.ID[0] = byte(i)
				if r.IntN(3) == 0 {
					rec.Condition = &Condition{Seq: r.Uint64() >> r.IntN(64)}
				}
				for range r.IntN(3) {
					p := Part{Partition: chunk.PartitionID{Table: 5, Key: "k\x00"}}
					if r.IntN(5) > 0 {
						types := slices.Clone(storableTypes)
						r.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
						p = randomPart(r, in, types[:r.IntN(len(types)+1)], rows)
					}
					if r.IntN(3) == 0 {
						p.Staged = stagedEntries(r, 1+r.IntN(3))
					}
					rec.Parts = append(rec.Parts, p)
				}
				records = append(records, rec)
			}
			prefix := []byte("before")
			src, err := AppendRecords(slices.Clone(prefix), records)
			if err != nil {
				t.Fatalf("rows %d, round %d: %v", rows, round, err)
			}
			if string(src[:len(prefix)]) != "before" {
				t.Fatal("what was there has changed")
			}
			src = src[len(prefix):]
			out := memory.NewCheckedAllocator(memory.DefaultAllocator)
			got, sealedBy, err := decodeEntry(out, src)
			if err != nil || sealedBy != "" {
				t.Fatalf("rows %d, round %d: sealed by %q, %v", rows, round, sealedBy, err)
			}
			copied := slices.Clone(src)
			clear(src) // nothing may lie in it
			sameRecords(t, got, records)
			again := must(AppendRecords(nil, got))
			if len(again) > len(copied) {
				t.Fatalf("%d bytes, and %d when written again", len(copied), len(again))
			}
			releaseAll(got)
			releaseAll(records)
			out.AssertSize(t, 0)
		}
	}
}

// TestExample makes the entry that format.md draws, which also holds the line on
// the bytes that a transaction of one row costs.
func TestExample(t *testing.T) {
	l := busLayout(false)
	p := Part{Partition: chunk.PartitionID{Table: 16390, Key: "\x00\x03"}}
	var arrays []arrow.Array
	for i, v := range []datum.Value{"bus 7", datum.Micros(1), float32(1), "320", 1.0, 2.0, true, int64(5)} {
		p.Columns, p.Types = append(p.Columns, l.Columns[i].ID), append(p.Types, l.Columns[i].Type)
		arrays = append(arrays, column(heap, l.Columns[i].Type, v))
	}
	p.Rows = batchOf(p.Types, arrays...)
	got := must(AppendRecords(nil, []*Record{{ID: [16]byte{0xa0, 15: 0x0f}, Schema: 1000, Version: 1 << 60, Versions: 1, Parts: []Part{p}}}))
	want := must(hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(`
		010101
		a000000000000000000000000000000f
		e807 808080808080808020 01
		02 868001 020003
		01 0108
		01190100 02a0090100 03bc050100
		04190100 05bd050100 06bd050100
		07100100 08140100
		05 6275732037 0100000000000000 0000803f 03 333230 000000000000f03f 0000000000000040 01 0500000000000000
		00 00`)))
	if string(got) != string(want) {
		t.Errorf("got %x\nwant %x", got, want)
	}
}

// TestCompression covers rows that are compressed, those that are not worth it,
// and those that become so small that the frame is filled up.
func TestCompression(t *testing.T) {
	r := newRand(t)
	ints := func(n int, f func(i int) int64) Part {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for i := range n {
			b.Append(f(i))
		}
		a := b.NewArray()
		return Part{Columns: []schema.ColumnID{1}, Types: []datum.Type{datum.Of(datum.Int8)}, Rows: array.NewRecordBatch(
			arrow.NewSchema([]arrow.Field{datum.Field("x", datum.Of(datum.Int8))}, nil), []arrow.Array{a}, int64(n))}
	}
	random := func(int) int64 { return int64(r.Uint64()) }
	for _, c := range []struct {
		name     string
		part     Part
		min, max int // bytes of the entry
	}{
		{"small", ints(2048, func(int) int64 { return 0 }), 16384, 16500},
		{"constant", ints(100_000, func(int) int64 { return 77 }), 800_000 / maxRatio, 800_000/maxRatio + 100},
		{"rising", ints(100_000, func(i int) int64 { return int64(i) }), 1, 400_000},
		{"random", ints(100_000, random), 800_000, 800_100},
	} {
		want := []*Record{{Versions: 1, Parts: []Part{c.part}}}
		src := must(AppendRecords(nil, want))
		if len(src) < c.min || len(src) > c.max {
			t.Errorf("%s: %d bytes, want %d to %d", c.name, len(src), c.min, c.max)
		}
		got, _, err := decodeEntry(memory.DefaultAllocator, src)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		sameRecords(t, got, want)
	}
}

func TestSeal(t *testing.T) {
	src := AppendSeal([]byte{9}, "node ü")
	records, by, err := decodeEntry(memory.DefaultAllocator, src[1:])
	if records != nil || by != "node ü" || err != nil {
		t.Fatalf("got %v, %q, %v", records, by, err)
	}
	for _, bad := range []string{"", "\x01\x02", "\x01\x02\x00", "\x01\x02\x02a", "\x01\x02\x01ab", "\x01\x02\x01\xff"} {
		if _, _, err := decodeEntry(memory.DefaultAllocator, []byte(bad)); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// TestEncodeRefuses covers what AppendRecords does not write, because it could
// not be read back.
func TestEncodeRefuses(t *testing.T) {
	one := func(t datum.Type, a arrow.Array) []*Record {
		f := arrow.Field{Name: "x", Type: a.DataType(), Nullable: true}
		return []*Record{{Versions: 1, Parts: []Part{{Columns: []schema.ColumnID{1}, Types: []datum.Type{t},
			Rows: array.NewRecordBatch(arrow.NewSchema([]arrow.Field{f}, nil), []arrow.Array{a}, int64(a.Len()))}}}}
	}
	text := func(v ...string) arrow.Array {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		b.AppendValues(v, nil)
		return b.NewArray()
	}
	binary := func(v []byte) arrow.Array {
		b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
		b.Append(v)
		return b.NewArray()
	}
	short := one(datum.Of(datum.Text), text("a"))
	short[0].Parts[0].Types = nil
	for _, c := range []struct {
		name    string
		records []*Record
		code    string
	}{
		{"bad UTF-8", one(datum.Of(datum.Text), text("a", "\xff")), pgerr.CharacterNotInRepertoire},
		{"NUL", one(datum.Of(datum.Text), text("a\x00")), pgerr.CharacterNotInRepertoire},
		{"half a character", one(datum.Of(datum.Text), text("\xc3", "\xbc")), pgerr.CharacterNotInRepertoire},
		{"bad numeric", one(datum.Of(datum.Numeric), binary([]byte{9})), pgerr.InternalError},
		{"other type", one(datum.Of(datum.Int4), text("a")), pgerr.InternalError},
		{"record", one(datum.Of(datum.Record), array.MakeArrayOfNull(memory.DefaultAllocator, arrow.StructOf(), 1)), pgerr.FeatureNotSupported},
		{"missing types", short, pgerr.InternalError},
		{"no versions", []*Record{{}}, pgerr.InternalError},
		{"versions overflow", []*Record{{Version: math.MaxInt64, Versions: 1}}, pgerr.InternalError},
	} {
		dst, err := AppendRecords([]byte("x"), c.records)
		if err == nil || pgerr.Code(err) != c.code || string(dst) != "x" {
			t.Errorf("%s: %q, %v (%s), want %s", c.name, dst, err, pgerr.Code(err), c.code)
		}
	}
}

// goldenEntries are entries whose bytes are pinned.
func goldenEntries() (names []string, entries [][]byte) {
	add := func(name string, b []byte) { names, entries = append(names, name), append(entries, b) }
	add("seal", AppendSeal(nil, "node-7"))
	id := [16]byte{0xa0, 15: 0x0f}
	add("empty", must(AppendRecords(nil, []*Record{{ID: id, Schema: 3, Version: -1, Versions: 1}})))
	add("two records, one with a condition", must(AppendRecords(nil, []*Record{
		{ID: id, Schema: 300, Version: 1 << 40, Versions: 2, Condition: &Condition{Seq: 299}}, {Versions: 1}})))
	entry := &chunk.Entry{ID: chunk.ID{1, 2, 15: 9}, Version: 1, Rows: 100, Schema: 7, Time: chunk.TimeRange{Min: 10, Max: 500},
		KeyMin: []byte("a"), KeyMax: []byte("b"), Columns: []chunk.ColumnEntry{{ID: 1, Type: datum.Of(datum.Int8), Size: 9, Codec: "FOR"}}}
	add("staged", must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{
		{Partition: chunk.PartitionID{Table: 16384}, Staged: []*chunk.Entry{entry}}}}})))
	r := rand.New(rand.NewPCG(3, 4))
	for _, typ := range storableTypes[:len(storableTypes)-2] { // the last two came later
		p := goldenPart(r, typ, 3)
		add(fmt.Sprint(typ), must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{p}}})))
	}
	for _, rows := range []int{1, 64, 65} {
		b := array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int16, rows)
		p := Part{Columns: []schema.ColumnID{4}, Types: []datum.Type{datum.Of(datum.Int2)}, Rows: array.NewRecordBatch(
			arrow.NewSchema([]arrow.Field{datum.Field("x", datum.Of(datum.Int2))}, nil), []arrow.Array{b}, int64(rows))}
		add(fmt.Sprintf("%d NULLs", rows), must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{p}}})))
	}
	marked := goldenPart(r, datum.Of(datum.Bool), 3)
	marked.Columns = []schema.ColumnID{schema.RowDeletedColumn}
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	b.AppendValues([]bool{true, false, true}, nil)
	marked.Rows = array.NewRecordBatch(marked.Rows.Schema(), []arrow.Array{b.NewArray()}, 3)
	add("marks", must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{marked}}})))
	add("forwarded", AppendForwarded(nil, "a/00000000000000ff", 300, [][]byte{entries[1], entries[2]}))
	for i, name := range []string{"rows", "arrays of rows"} {
		p := goldenPart(r, storableTypes[len(storableTypes)-2+i], 3)
		add(name, must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{p}}})))
	}
	return names, entries
}

// goldenPart makes a column of rows values, the second of them NULL.
func goldenPart(r *rand.Rand, typ datum.Type, rows int) Part {
	b := array.NewBuilder(memory.DefaultAllocator, typ.Arrow())
	for i := range rows {
		if i == 1 {
			b.AppendNull()
			continue
		}
		v := randomValue(r, typ)
		for len(datum.AppendValue(nil, typ, v)) > 100 {
			v = randomValue(r, typ)
		}
		datum.Append(b, typ, v)
	}
	return Part{Partition: chunk.PartitionID{Table: 16385, Key: "ab"}, Columns: []schema.ColumnID{7}, Types: []datum.Type{typ},
		Rows: array.NewRecordBatch(arrow.NewSchema([]arrow.Field{datum.Field("x", typ)}, nil), []arrow.Array{b.NewArray()}, int64(rows))}
}

// TestGoldenEntries pins the bytes of entries: a change of a line is a new
// version of the format, and every line must be readable for ever.
func TestGoldenEntries(t *testing.T) {
	const file = "testdata/entries.txt"
	names, entries := goldenEntries()
	if *rewriteFlag {
		var out strings.Builder
		for i, name := range names {
			fmt.Fprintf(&out, "%s: %x\n", name, entries[i])
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		name, text, _ := strings.Cut(s.Text(), ": ")
		want := must(hex.DecodeString(text))
		if lines >= len(names) || names[lines] != name || string(entries[lines]) != string(want) {
			t.Errorf("line %d, %s: want %x", lines+1, name, want)
			continue
		}
		e, err := DecodeEntry(memory.DefaultAllocator, want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		records := e.Records
		if e.SealedBy == "" && e.Journal == "" {
			if again := must(AppendRecords(nil, records)); string(again) != string(want) {
				t.Errorf("%s: read and written: %x, want %x", name, again, want)
			}
		}
	}
	if lines != len(names) {
		t.Errorf("%d lines for %d entries", lines, len(names))
	}
}
