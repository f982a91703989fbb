package chunk

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// FuzzBlob decodes blobs whose checksum has been made right.
func FuzzBlob(f *testing.F) {
	l := everyType()
	r := newRand(f)
	for _, rows := range []int{2, 1100} {
		batch := randomBatch(r, memory.DefaultAllocator, l, rows, 100)
		for _, b := range must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0].Blobs {
			f.Add(b)
		}
		batch.Release()
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < blobHeaderSize+blobCRCSize {
			return
		}
		src = slices.Clone(src)
		binary.LittleEndian.PutUint32(src[len(src)-4:], crc32.Checksum(src[:len(src)-4], castagnoli))
		typ := datum.Type{OID: datum.OID(binary.LittleEndian.Uint32(src[4:])), Mod: -1}
		if _, ok := datum.Lookup(typ.OID); !ok {
			return
		}
		c, err := openBlob(src, typ)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !(errors.Is(err, ErrNewerFormat) && src[2] > BlobVersion) {
				t.Fatal(err)
			}
			return
		}
		if c.rows > 3000 {
			return // the loop would only be longer
		}
		for v := range codec.Vectors(c.rows) {
			a, err := c.array(memory.DefaultAllocator, typ, v)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				continue
			}
			if a.Len() != codec.VectorLen(c.rows, v) {
				t.Fatalf("vector %d has %d rows", v, a.Len())
			}
			a.Release()
		}
		if _, err := Inspect(src); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		e := ColumnEntry{ID: 1, Type: typ, Nulls: c.nulls, Size: int64(len(src))}
		if err := verifyColumn(context.Background(), &e, c.rows, src); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	l := everyType()
	r := newRand(f)
	for _, rows := range []int{1, 50, 1100} {
		batch := randomBatch(r, memory.DefaultAllocator, l, rows, 100)
		s := must(Seal(l, SealOptions{IDs: NewIDs(nil), Slice: -7, Schema: 9, From: 3}, batch))[0]
		f.Add(AppendEntry(nil, &s.Entry))
		batch.Release()
	}
	docs := randomDocuments(r, memory.DefaultAllocator, minPartedRows, 5)
	defer docs.Release()
	f.Add(AppendEntry(nil, &must(Seal(documentLayout(), SealOptions{IDs: NewIDs(nil)}, docs))[0].Entry))
	paths := must((&Layout{Columns: []Column{{ID: 2, Type: datum.Of(datum.JSONB)}}}).WithPaths([]PathColumn{{ID: schema.FirstPathColumn, Column: 2, Keys: []string{"inner", "name"}}}))
	f.Fuzz(func(t *testing.T, src []byte) {
		e, rest, err := DecodeEntry(src)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !(errors.Is(err, ErrNewerFormat) && src[0] > partedEntry) {
				t.Fatal(err)
			}
			return
		}
		if len(rest) > len(src) {
			t.Fatal("more left than there was")
		}
		again, _, err := DecodeEntry(AppendEntry(nil, e))
		if err != nil || string(AppendEntry(nil, again)) != string(AppendEntry(nil, e)) {
			t.Fatalf("entry does not survive: %v", err)
		}
		// Whatever an entry says, judging by it must not fail.
		if _, err := l.MayMatch(e, []Predicate{{Column: 2, Op: OpEQ, Values: []datum.Value{"x"}}, {Column: 8, Op: OpGT, Values: []datum.Value{1.5}},
			{Column: 9, Op: OpLE, Values: []datum.Value{datum.DecimalFromInt(4)}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := paths.MayMatch(e, []Predicate{{Column: schema.FirstPathColumn, Op: OpEQ, Values: []datum.Value{"x"}}}); err != nil {
			t.Fatal(err)
		}
	})
}
