package chunk

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestBloomIsParquets compares bits with those of another implementation of the same filter.
func TestBloomIsParquets(t *testing.T) {
	r := newRand(t)
	const size = 1024
	ours, theirs := &bloom{blocks: make([]byte, size)}, metadata.NewBloomFilter(size, size, memory.DefaultAllocator)
	for range 500 {
		h := r.Uint64()
		ours.add(h)
		theirs.InsertHash(h)
	}
	var file bytes.Buffer
	if _, err := theirs.WriteTo(&file, nil); err != nil {
		t.Fatal(err)
	}
	if got := file.Bytes()[file.Len()-size:]; !bytes.Equal(got, ours.blocks) {
		t.Errorf("blocks\n%x\nParquet's are\n%x", ours.blocks, got)
	}
}

// TestBloomRates measures how many values pass that are not there.
func TestBloomRates(t *testing.T) {
	r := newRand(t)
	for _, n := range []int{1, 30, 1024, 65536} {
		b := &bloom{blocks: make([]byte, bloomBlocks(n)*bloomBlock)}
		in := make([]uint64, n)
		for i := range in {
			in[i] = r.Uint64()
			b.add(in[i])
		}
		for _, h := range in {
			if !b.has(h) {
				t.Fatalf("%d values: one of them is missing", n)
			}
		}
		wrong := 0
		for range 100_000 {
			if b.has(r.Uint64()) {
				wrong++
			}
		}
		if share := float64(wrong) / 100_000; share > 0.02 || n > 1000 && (share < b.falsePositives()/1.3 || share > b.falsePositives()*1.3) {
			t.Errorf("%d values: %.4f of others pass, estimated %.4f", n, share, b.falsePositives())
		}
	}
}

// bloomLayout has a key, and columns of all types that have filters.
func bloomLayout() *Layout {
	l := &Layout{SortKey: []schema.ColumnID{1}}
	for i, t := range []datum.Type{datum.Of(datum.Text), datum.Of(datum.UUID), datum.Of(datum.Text), {OID: datum.Varchar, Mod: 44},
		{OID: datum.BPChar, Mod: 44}, datum.Of(datum.Bytea), datum.Of(datum.Int8), datum.Of(datum.Numeric)} {
		l.Columns = append(l.Columns, Column{ID: schema.ColumnID(i + 1), Name: fmt.Sprintf("c%d", i+1), Type: t})
	}
	return l
}

// bloomValue is a value of one of these types by a number.
func bloomValue(t datum.Type, seed uint64) datum.Value {
	r := rand.New(rand.NewPCG(seed, uint64(t.OID)))
	long := fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	switch t.OID {
	case datum.UUID:
		var u datum.UUIDValue
		binary.BigEndian.PutUint64(u[:], r.Uint64())
		binary.BigEndian.PutUint64(u[8:], r.Uint64())
		return u
	case datum.Bytea:
		return []byte(long)
	case datum.Int8:
		return int64(r.Uint64())
	case datum.Numeric:
		return must(datum.ParseDecimal(fmt.Sprintf("%d%d.%d", r.Uint64N(1<<50), r.Uint64N(1<<50), r.Uint64N(100))))
	}
	return long
}

// bloomBatch has rows of values 2 * row by the numbers of bloomValue, some of them NULL.
func bloomBatch(l *Layout, rows int) arrow.RecordBatch {
	var ids []schema.ColumnID
	for _, c := range l.Columns {
		ids = append(ids, c.ID)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema(ids)))
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("key %06d", i))
		for k, c := range l.Columns[1:] {
			if i%50 == 7 {
				b.Field(k + 1).AppendNull()
			} else {
				datum.Append(b.Field(k+1), c.Type, bloomValue(c.Type, uint64(2*i)))
			}
		}
	}
	return b.NewRecordBatch()
}

// asked counts the rows of a chunk that pass a predicate, with Bloom filters or without.
func asked(t *testing.T, l *Layout, s *Sealed, p Predicate, without bool) (rows int64, stats ScanStats) {
	t.Helper()
	spec := ScanSpec{Columns: []schema.ColumnID{1}, Filter: []Predicate{p}, Pruning: PruningOff{Blooms: without}}
	for _, b := range scanAll(t, memory.DefaultAllocator, NewSplit(&s.Entry, l, spec, fetcher(s)), &stats) {
		rows += b.NumRows()
		b.Release()
	}
	var again ScanStats
	got, ok, err := NewSplit(&s.Entry, l, spec, fetcher(s)).Aggregate(context.Background(), NewRoom(memory.DefaultAllocator), []Aggregate{{Func: AggCountStar}}, &again)
	if err != nil || !ok || got[0].Count != rows || again.ChunksSkippedBloom != stats.ChunksSkippedBloom {
		t.Fatalf("%+v: %d rows in a scan, counted %v, %v, %v", p, rows, got, ok, err)
	}
	return rows, stats
}

// TestBloomScan asks a chunk for values that it has and others: answers do not depend on
// filters, and of what is not there next to nothing is read.
func TestBloomScan(t *testing.T) {
	l := bloomLayout()
	batch := bloomBatch(l, 9000)
	defer batch.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	if n := len(s.Entry.Columns); n != 2*len(l.Columns)-1 {
		t.Fatalf("%d columns", n)
	}
	if err := Verify(context.Background(), &s.Entry, fetcher(s)); err != nil {
		t.Fatal(err)
	}
	for k, c := range l.Columns[1:] {
		size := s.Entry.Columns[bloomIndex(&s.Entry, c.ID)].Size
		skipped := 0
		for i := range uint64(40) {
			for _, there := range []bool{true, false} {
				seed := 2 * (i*211 + 1)
				if !there {
					seed++
				}
				want := int64(0)
				if there && (seed/2)%50 != 7 {
					want = 1
				}
				p := Predicate{Column: c.ID, Op: OpEQ, Values: []datum.Value{bloomValue(c.Type, seed)}}
				if i%3 == 0 {
					p.Op, p.Values = OpIn, append(p.Values, bloomValue(c.Type, 1_000_001+2*i), bloomValue(c.Type, 2_000_001+2*i))
				}
				rows, stats := asked(t, l, s, p, false)
				if rows != want {
					t.Fatalf("%v, value %d: %d rows, want %d", c.Type, seed, rows, want)
				}
				if stats.ChunksSkippedBloom > 0 {
					skipped++
					if stats.BytesRead != size || stats.BytesDecoded != 0 || stats.ChunksSkipped != 1 || stats.RowsSkippedChunks != 9000 {
						t.Fatalf("%v: skipped with %+v", c.Type, stats)
					}
				}
				if i < 3 {
					if rows, stats := asked(t, l, s, p, true); rows != want || stats.ChunksSkippedBloom > 0 {
						t.Fatalf("%v, value %d, without filters: %d rows, %+v", c.Type, seed, rows, stats)
					}
				}
			}
		}
		if skipped < 37 {
			t.Errorf("column %d, %v: %d of 40 values are seen not to be there", k+2, c.Type, skipped)
		}
		// What filters do not answer.
		many := Predicate{Column: c.ID, Op: OpIn}
		for i := range uint64(maxBloomValues + 1) {
			many.Values = append(many.Values, bloomValue(c.Type, 2*i+1))
		}
		for _, p := range []Predicate{many, {Column: c.ID, Op: OpNE, Values: many.Values[:1]}, {Column: c.ID, Op: OpIsNull}, {Column: c.ID, Op: OpGT, Values: many.Values[:1]}} {
			with, stats := asked(t, l, s, p, false)
			if without, _ := asked(t, l, s, p, true); with != without || stats.ChunksSkippedBloom > 0 {
				t.Errorf("%v: %d rows, %d without filters; %+v", p.Op, with, without, stats)
			}
		}
	}
}

// TestBloomAfterALTER reads chunks of columns whose type was widened since.
func TestBloomAfterALTER(t *testing.T) {
	l := bloomLayout()
	batch := bloomBatch(l, 5000)
	defer batch.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	wide := *l
	wide.Columns = slices.Clone(l.Columns)
	wide.Columns[3].Type = datum.Of(datum.Text)
	wide.Columns[7].Type = datum.Type{OID: datum.Numeric, Mod: (60<<16 | 10) + 4}
	for _, k := range []int{3, 7} {
		c := &wide.Columns[k]
		for i := range uint64(50) {
			v := bloomValue(l.Columns[k].Type, 2*i)
			if d, ok := v.(datum.Decimal); ok { // as a constant of the new type is: with more zeros
				v = must(datum.ParseDecimal(d.String() + "00000000"))
			}
			want := int64(1)
			if i%50 == 7 {
				want = 0
			}
			if rows, _ := asked(t, &wide, s, Predicate{Column: c.ID, Op: OpEQ, Values: []datum.Value{v}}, false); rows != want {
				t.Errorf("%v, value %d: %d rows, want %d", c.Type, i, rows, want)
			}
		}
	}
	var ints []byte
	for _, x := range []datum.Value{int16(-5), int32(-5), int64(-5)} {
		h, _ := bloomInts.hash(x)
		ints = binary.LittleEndian.AppendUint64(ints, h)
	}
	if string(ints[:8]) != string(ints[8:16]) || string(ints[:8]) != string(ints[16:]) {
		t.Errorf("-5 has different hashes as integers of different sizes")
	}
}

// TestBloomEquality hashes what compares equal, and what does not.
func TestBloomEquality(t *testing.T) {
	var all []datum.Value
	for _, s := range []string{"1", "1.0", "1.00", "100", "1e2", "100.000", "0", "0.00", "-0", "-1", "-1.50", "-700", "-7e2", "9223372036854775807", "-9223372036854775808", "-9223372036854775808.0", "-1.5", "0.001", "1e-3", "NaN", "Infinity", "-Infinity",
		"123456789012345678901234567890", "123456789012345678901234567890.0", "12345678901234567890123456789e1", "9223372036854775808", "1e400", "1" + strings.Repeat("0", 400)} {
		all = append(all, must(datum.ParseDecimal(s)))
	}
	num := datum.Of(datum.Numeric)
	for _, x := range all {
		for _, y := range all {
			hx, ok1 := bloomNumeric.hash(x)
			hy, ok2 := bloomNumeric.hash(y)
			if !ok1 || !ok2 || (hx == hy) != (datum.Compare(num, x, y) == 0) {
				t.Errorf("%v and %v: hashes %x, %x", x, y, hx, hy)
			}
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, num.Arrow())
	for _, x := range all {
		datum.Append(b, num, x)
	}
	a := b.NewArray()
	defer a.Release()
	i := 0
	eachHash(num, a, func(stored uint64) {
		if h, _ := bloomNumeric.hash(all[i]); h != stored {
			t.Errorf("%v has another hash where it is stored", all[i])
		}
		i++
	})
	if i != len(all) {
		t.Errorf("%d of %d values are hashed", i, len(all))
	}
	if bloomPadded.hashBytes([]byte("a  ")) != bloomPadded.hashBytes([]byte("a")) || bloomBytes.hashBytes([]byte("a  ")) == bloomBytes.hashBytes([]byte("a")) {
		t.Error("blanks at the end count in text, not in char(n)")
	}
	for _, oid := range []datum.OID{datum.JSONB, datum.JSON, datum.Float8, datum.Float4, datum.Bool, datum.Interval, datum.TimestampTZ, datum.TextArray} {
		if k := bloomKindOf(datum.Of(oid)); k != 0 {
			t.Errorf("%v has filters of kind %d", datum.Of(oid), k)
		}
	}
}

// TestBloomWorthwhile seals columns that get no filter.
func TestBloomWorthwhile(t *testing.T) {
	const rows = 20000
	r := newRand(t)
	uuid := func(seed uint64) datum.Value { return bloomValue(datum.Of(datum.UUID), seed) }
	for _, c := range []struct {
		name  string
		typ   datum.Type
		value func(i int) datum.Value
		want  bool
		o     SealOptions
	}{
		{"random uuids", datum.Of(datum.UUID), func(i int) datum.Value { return uuid(uint64(i)) }, true, SealOptions{}},
		{"each six times", datum.Of(datum.UUID), func(i int) datum.Value { return uuid(uint64(i) % (rows / 6)) }, true, SealOptions{}},
		{"each thirty times", datum.Of(datum.UUID), func(i int) datum.Value { return uuid(uint64(i) % (rows / 30)) }, false, SealOptions{}},
		{"by time", datum.Of(datum.UUID), func(i int) datum.Value {
			u := uuid(uint64(i)).(datum.UUIDValue)
			binary.BigEndian.PutUint64(u[:], uint64(i))
			return u
		}, false, SealOptions{}},
		{"numbers of a sequence", datum.Of(datum.Int8), func(i int) datum.Value { return int64(1<<40) + int64(i*7919%rows) }, false, SealOptions{}},
		{"32 bits", datum.Of(datum.Int4), func(i int) datum.Value { return int32(r.Uint32()) }, false, SealOptions{}},
		{"64 bits", datum.Of(datum.Int8), func(i int) datum.Value { return int64(r.Uint64()) }, true, SealOptions{}},
		{"all NULL", datum.Of(datum.UUID), func(i int) datum.Value { return nil }, false, SealOptions{}},
		{"few rows that are not NULL", datum.Of(datum.UUID), func(i int) datum.Value {
			if i%40 > 0 {
				return nil
			}
			return uuid(uint64(i))
		}, false, SealOptions{}},
		{"by a flush", datum.Of(datum.UUID), func(i int) datum.Value { return uuid(uint64(i)) }, false, SealOptions{Effort: codec.Quick}},
	} {
		l := &Layout{SortKey: []schema.ColumnID{1}, Columns: []Column{{ID: 1, Name: "k", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "v", Type: c.typ}}}
		b := array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema([]schema.ColumnID{1, 2})))
		for i := range rows {
			b.Field(0).(*array.Int32Builder).Append(int32(i))
			if v := c.value(i); v == nil {
				b.Field(1).AppendNull()
			} else {
				datum.Append(b.Field(1), c.typ, v)
			}
		}
		batch := b.NewRecordBatch()
		c.o.IDs = NewIDs(nil)
		s := must(Seal(l, c.o, batch))[0]
		at := bloomIndex(&s.Entry, 2)
		if (at >= 0) != c.want {
			t.Errorf("%s: filter %v, want %v; %d distinct in %d bytes", c.name, at >= 0, c.want, s.Entry.Columns[1].Distinct, s.Entry.Columns[1].Size)
		}
		if at >= 0 && s.Entry.Columns[at].Size*bloomShare > s.Entry.Columns[1].Size+bloomShare*100 {
			t.Errorf("%s: a filter of %d bytes for %d", c.name, s.Entry.Columns[at].Size, s.Entry.Columns[1].Size)
		}
		batch.Release()
		b.Release()
	}
}

// TestBloomPrefetch checks that nothing but filters is fetched ahead where there are some.
func TestBloomPrefetch(t *testing.T) {
	l := bloomLayout()
	batch := bloomBatch(l, 5000)
	defer batch.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	for _, there := range []uint64{0, 1} {
		var read []schema.ColumnID
		fetch := func(ctx context.Context, i int) ([]byte, bool, error) {
			read = append(read, s.Entry.Columns[i].ID)
			return s.Blobs[i], true, nil
		}
		split := NewSplit(&s.Entry, l, ScanSpec{Columns: []schema.ColumnID{1}, Filter: []Predicate{{Column: 2, Op: OpEQ, Values: []datum.Value{bloomValue(datum.Of(datum.UUID), there)}}}}, fetch)
		a := NewAhead(context.Background())
		if n := split.(Prefetcher).Prefetch(a); n != s.Entry.Columns[bloomIndex(&s.Entry, 2)].Size {
			t.Errorf("%d bytes fetched ahead", n)
		}
		var stats ScanStats
		for _, b := range scanAll(t, memory.DefaultAllocator, split, &stats) {
			b.Release()
		}
		want := []schema.ColumnID{2 | bloomColumn}
		if there == 0 {
			want = append(want, 2, 1)
		}
		if unused := a.Close(); unused != 0 || !slices.Equal(read, want) {
			t.Errorf("read %v, want %v; %d bytes for nobody", read, want, unused)
		}
	}
}

func TestBloomDamage(t *testing.T) {
	l := bloomLayout()
	batch := bloomBatch(l, 3000)
	defer batch.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	at := bloomIndex(&s.Entry, 2)
	good := s.Blobs[at]
	seal := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		return b
	}
	p := Predicate{Column: 2, Op: OpEQ, Values: []datum.Value{bloomValue(datum.Of(datum.UUID), 1)}}
	for name, damage := range map[string]func([]byte) []byte{
		"a bit":           func(b []byte) []byte { b[100] ^= 4; return b },
		"the end":         func(b []byte) []byte { return b[:len(b)-9] },
		"all":             func(b []byte) []byte { return nil },
		"a kind":          func(b []byte) []byte { b[3] = 9; return seal(b) },
		"a version":       func(b []byte) []byte { b[2] = 0; return seal(b) },
		"a newer version": func(b []byte) []byte { b[2] = 9; return seal(b) },
		"values":          func(b []byte) []byte { b[7] = 9; return seal(b) },
	} {
		s.Blobs[at] = damage(slices.Clone(good))
		_, err := NewSplit(&s.Entry, l, ScanSpec{Filter: []Predicate{p}}, fetcher(s)).Scan(context.Background(), NewRoom(memory.DefaultAllocator), &ScanStats{})
		if name == "a newer version" {
			if !errors.Is(err, ErrNewerFormat) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), s.Entry.ID.String()) || !strings.Contains(err.Error(), "column 2") {
			t.Errorf("%s: %v", name, err)
		}
		if err := Verify(context.Background(), &s.Entry, fetcher(s)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, verified: %v", name, err)
		}
	}
	// A whole filter that lacks a value is found by who compares it with the column.
	b := must(openBloom(slices.Clone(good), true))
	clear(b.blocks[:64])
	s.Blobs[at] = b.appendTo(nil)
	if err := VerifyColumn(context.Background(), &s.Entry, at, s.Blobs[at]); err != nil {
		t.Error(err)
	}
	if err := Verify(context.Background(), &s.Entry, fetcher(s)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "are not in the Bloom filter") {
		t.Errorf("a filter without some values: %v", err)
	}
}

// TestGoldenBloom pins the bytes of a filter.
func TestGoldenBloom(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues([]int64{1, 300, -5}, nil)
	b.AppendNull()
	a := b.NewArray()
	defer a.Release()
	got := hex.EncodeToString(buildBloom(datum.Of(datum.Int8), a, 3).appendTo(nil))
	if want := "50660101030000000010000800005002400000220840020020008004040000284001400000430000448d4682"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func FuzzBloom(f *testing.F) {
	l := bloomLayout()
	batch := bloomBatch(l, 1500)
	defer batch.Release()
	s := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	for i, c := range s.Entry.Columns {
		if _, ok := BloomOf(c.ID); ok {
			f.Add(s.Blobs[i])
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := openBloom(src, true)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		for _, h := range []uint64{0, 1, 1 << 63, ^uint64(0)} {
			b.has(h)
		}
		if p := b.falsePositives(); p < 0 || p > 1 {
			t.Fatalf("%v of other values pass", p)
		}
		again, err := openBloom(b.appendTo(nil), false)
		if err != nil || again.kind != b.kind || again.values != b.values || string(again.blocks) != string(b.blocks) {
			t.Fatalf("it does not survive: %v", err)
		}
	})
}
