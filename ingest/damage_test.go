package ingest

import (
	"encoding/binary"
	"errors"
	"maps"
	"runtime"
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

// TestNewerFormats covers entries that a later version may write: they are
// refused with a way out, and not taken for damage.
func TestNewerFormats(t *testing.T) {
	record := string(make([]byte, 16)) + "\x05\x02\x01"
	head := "\x01\x01\x01" + record
	rows := head + "\x02\x09\x00\x01\x01\x01\x01"
	for _, c := range []struct{ name, src string }{
		{"version", "\x02anything"},
		{"version 255", "\xff"},
		{"kind", "\x01\x04"},
		{"section of a record", head + "\x03\x00"},
		{"section of a part", head + "\x02\x09\x00\x05\x00\x00"},
		{"column flag", rows + "\x17\x01\x20\x00\x00"},
		{"length of 8 bytes", rows + "\x19\x01\x0c\x00\x00"},
		{"type", rows + "\xe6\x11\x01\x00\x00\x00"},
	} {
		_, _, err := decodeEntry(memory.DefaultAllocator, []byte(c.src))
		var pe *pgerr.Error
		if !errors.Is(err, chunk.ErrNewerFormat) || errors.Is(err, chunk.ErrCorrupt) || !errors.As(err, &pe) || pe.Code != pgerr.FeatureNotSupported || pe.Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestDamage cuts entries short and changes each of their bytes.
func TestDamage(t *testing.T) {
	r := newRand(t)
	for range rounds(6) {
		p := randomPart(r, memory.DefaultAllocator, storableTypes, 1+r.IntN(4))
		p.Staged = stagedEntries(r, 1)
		src := must(AppendRecords(nil, []*Record{{Versions: 1, Condition: &Condition{Seq: 4}, Parts: []Part{p}}}))
		for n := range src {
			decodeDamaged(t, src[:n:n], true)
		}
		decodeDamaged(t, append(slices.Clone(src), 0), true)
		for i := range src {
			bad := slices.Clone(src)
			bad[i] ^= 1 << r.IntN(8)
			decodeDamaged(t, bad, false)
		}
	}
}

// rounds is n, or 1 with -short, which the run under the race detector has: one
// goroutine has little to show it, and takes ten times as long.
func rounds(n int) int {
	if testing.Short() {
		return 1
	}
	return n
}

// decodeDamaged decodes and releases; an error must be one of the two kinds, and
// memory in proportion.
func decodeDamaged(t testing.TB, src []byte, mustFail bool) []*Record {
	t.Helper()
	mem := &limitedAllocator{left: MaxDecodeFactor * len(src), t: t}
	checked := memory.NewCheckedAllocator(mem)
	records, _, err := decodeEntry(checked, src)
	if err == nil && mustFail {
		t.Fatalf("%x was taken", src)
	}
	if err != nil {
		if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
			t.Fatalf("%x: %v", src, err)
		}
		if records != nil {
			t.Fatal("records beside an error")
		}
		checked.AssertSize(t, 0)
		return nil
	}
	return records
}

// A limitedAllocator fails the test when more is allocated than it has left,
// not counting what was freed.
type limitedAllocator struct {
	memory.GoAllocator
	left int
	t    testing.TB
}

func (a *limitedAllocator) Allocate(n int) []byte {
	if a.left -= n; a.left < 0 {
		a.t.Fatal("decoding takes too much memory")
	}
	return a.GoAllocator.Allocate(n)
}

func (a *limitedAllocator) Reallocate(n int, b []byte) []byte {
	if n > len(b) {
		if a.left -= n - len(b); a.left < 0 {
			a.t.Fatal("decoding takes too much memory")
		}
	}
	return a.GoAllocator.Reallocate(n, b)
}

// decodeFactor returns how many bytes are allocated for each byte of an entry,
// garbage included, beyond what an error costs.
func decodeFactor(t testing.TB, src []byte, mustFail bool) float64 {
	t.Helper()
	const slack = 16 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := decodeEntry(memory.DefaultAllocator, src)
	runtime.ReadMemStats(&after)
	if (err != nil) != mustFail || mustFail && !errors.Is(err, chunk.ErrCorrupt) {
		t.Fatalf("%.100x: %v", src, err)
	}
	return max(0, float64(after.TotalAlloc-before.TotalAlloc)-slack) / float64(len(src))
}

// rowsEntry makes an entry of one record with one part with rows, of which text
// is what follows the number of rows.
func rowsEntry(tag byte, rows uint64, text string) []byte {
	b := []byte("\x01\x01\x01" + string(make([]byte, 16)) + "\x05\x02\x01" + "\x02\x09\x00")
	return append(append(binary.AppendUvarint(append(b, tag), rows), text...), "\x00\x00"...)
}

// TestHugeClaims covers entries that claim much more than they hold.
func TestHugeClaims(t *testing.T) {
	zeros := make([]byte, 64<<20)
	frame := zstdEncoder().EncodeAll(zeros, nil)
	small := zstdEncoder().EncodeAll(zeros[:80_000], nil)
	bigint := "\x01\x01\x14\x01\x00" // one column
	packed := func(raw uint64, frame []byte, fill int) string {
		b := binary.AppendUvarint([]byte(bigint), raw)
		return string(append(appendPart(b, frame), make([]byte, fill)...))
	}
	if _, _, err := decodeEntry(heap, rowsEntry(partZstd, 10_000, packed(80_000, small, 80_000/maxRatio-len(small)))); err != nil {
		t.Fatal(err) // the cases below are as they should be but for one thing
	}
	const huge = "\xff\xff\xff\xff\x07" // 2^31-1
	claims := map[string][]byte{
		"records":               []byte("\x01\x01" + huge),
		"key":                   rowsEntry(partRows, 0, "")[:24],
		"columns":               rowsEntry(partRows, 1, huge),
		"chunks":                rowsEntry(partStaged, 1<<31-1, ""),
		"rows of bigint":        rowsEntry(partRows, 1<<31-1, bigint+"12345678"),
		"NULLs":                 rowsEntry(partRows, 1<<31-1, "\x01\x01\x14\x01\x02"),
		"booleans":              rowsEntry(partRows, 1<<31-1, "\x01\x01\x10\x01\x00\x00\x00"),
		"texts":                 rowsEntry(partRows, 1<<31-1, "\x01\x01\x19\x01\x00\x00\x00"),
		"text":                  rowsEntry(partRows, 1, "\x01\x01\x19\x01\x08\xff\xff\xff\x7f"),
		"lengths beyond int32":  rowsEntry(partRows, 2, "\x01\x01\x19\x01\x08\xff\xff\xff\xff\x02\x00\x00\x00"),
		"integer[]":             rowsEntry(partRows, 1, "\x01\x01\xef\x07\x01\x08\x00\xff\xff\xff\x7f"),
		"NULLs in integer[]":    rowsEntry(partRows, 1, "\x01\x01\xef\x07\x01\x08\x02\xff\xff\xff\x7f"),
		"compressed: nothing":   rowsEntry(partZstd, 1<<27, packed(1<<30, nil, 0)),
		"compressed: no fill":   rowsEntry(partZstd, 8<<20, packed(64<<20, frame, 0)),
		"compressed: more":      rowsEntry(partZstd, 2500, packed(20_000, frame, 0)),
		"compressed: twice":     rowsEntry(partZstd, 10_000, packed(80_000, append(slices.Clone(small), frame...), 0)),
		"compressed: other end": rowsEntry(partZstd, 9_999, packed(80_000, small, 80_000/maxRatio-len(small))),
	}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		src := claims[name]
		decodeDamaged(t, src, true)
		if f := decodeFactor(t, src, true); f > MaxDecodeFactor {
			t.Errorf("%s: %.0f bytes for each", name, f)
		}
	}
}

// TestDecodeMemory measures entries that take the most memory for their size.
func TestDecodeMemory(t *testing.T) {
	nulls := func(t datum.Type, columns, rows int) []byte {
		p := Part{}
		var arrays []arrow.Array
		for i := range columns {
			p.Columns, p.Types = append(p.Columns, schema.ColumnID(i%100)), append(p.Types, t)
			arrays = append(arrays, array.MakeArrayOfNull(heap, t.Arrow(), rows))
		}
		p.Rows = batchOf(p.Types, arrays...)
		return must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{p}}}))
	}
	lists := column(heap, datum.Of(datum.UUIDArray), slices.Repeat([]datum.Value{datum.Array{Elem: datum.Of(datum.UUID)}}, 100_000)...)
	empty := column(heap, datum.Of(datum.Text), slices.Repeat([]datum.Value{""}, 100_000)...)
	entries := map[string][]byte{
		"NULLs, 1 row":       nulls(datum.Of(datum.Int8), 4000, 1),
		"NULL uuid, 64 rows": nulls(datum.Of(datum.UUID), 4000, 64),
		"NULL uuid[]":        nulls(datum.Of(datum.UUIDArray), 4000, 64),
		"empty text[] ": rowsEntry(partRows, 1, "\xa0\x1f"+strings.Repeat("\x01\xf1\x07\x01\x00\x02", 4000)+
			strings.Repeat("\x40", 4000)), // 64 NULLs each
		"empty lists":   must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{{Columns: []schema.ColumnID{1}, Types: []datum.Type{datum.Of(datum.UUIDArray)}, Rows: batchOf([]datum.Type{datum.Of(datum.UUIDArray)}, lists)}}}})),
		"empty texts":   must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{{Columns: []schema.ColumnID{1}, Types: []datum.Type{datum.Of(datum.Text)}, Rows: batchOf([]datum.Type{datum.Of(datum.Text)}, empty)}}}})),
		"empty records": must(AppendRecords(nil, slices.Repeat([]*Record{{Versions: 1}}, 10_000))),
		"empty parts":   must(AppendRecords(nil, []*Record{{Versions: 1, Parts: make([]Part, 10_000)}})),
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		src := entries[name]
		decodeFactor(t, src, false) // makes the decoder of zstd
		f := decodeFactor(t, src, false)
		t.Logf("%s: %d bytes, %.0f for each", name, len(src), f)
		if f > MaxDecodeFactor {
			t.Errorf("%s: %.0f bytes for each", name, f)
		}
	}
}
