package storetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// ChunkID makes an ID that sorts by i.
func ChunkID(i int) (id chunk.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(i)+1)
	id[15] = 0x5a
	return id
}

// Sealed makes a chunk with the blobs; only what stores look at is set. If there are three or more the
// last one's column has an ID as Bloom filters have.
func Sealed(id chunk.ID, blobs ...string) *chunk.Sealed {
	c := &chunk.Sealed{Entry: chunk.Entry{ID: id, Rows: 1}}
	for i, b := range blobs {
		c.Blobs = append(c.Blobs, []byte(b))
		column := chunk.ColumnEntry{ID: schema.ColumnID(i + 1), Size: int64(len(b))}
		if i > 1 && i == len(blobs)-1 {
			column.ID = chunk.BloomColumn(1)
		}
		c.Entry.Columns = append(c.Entry.Columns, column)
	}
	return c
}

func (f *fixture) column(p chunk.PartitionID, e *chunk.Entry, column int, want string) {
	f.t.Helper()
	for range 2 { // from the store, then from its cache
		if b, _, err := f.s.Column(f.ctx, p, e, column); err != nil || string(b) != want {
			f.t.Fatalf("column %d of chunk %x: %.100q, %v; want %.100q", column, e.ID, b, err, want)
		}
	}
}

func (f *fixture) chunks(p chunk.PartitionID, want ...chunk.ID) {
	f.t.Helper()
	if ids, err := f.s.Chunks(f.ctx, p); err != nil || !slices.Equal(ids, want) {
		f.t.Fatalf("chunks of %v: %x, %v; want %x", p, ids, err, want)
	}
}

func testChunks(t *testing.T, f *fixture) {
	p, other := chunk.PartitionID{Table: datum.OID(16384), Key: "\x00\x01"}, chunk.PartitionID{Table: datum.OID(16385), Key: "\x00\x01"}
	f.chunks(p)
	a, b := Sealed(ChunkID(1), "one", "", "three"), Sealed(ChunkID(2), "four", string(bytes.Repeat([]byte("big"), 1<<18)))
	c, none := Sealed(ChunkID(3), "in the other table"), Sealed(ChunkID(4))
	f.do("put nothing", f.s.PutChunks(f.ctx, p, nil))
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a, b}))
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{none})) // a chunk without columns
	f.do("put", f.s.PutChunks(f.ctx, other, []*chunk.Sealed{c}))
	for range 2 {
		f.chunks(p, ChunkID(1), ChunkID(2), ChunkID(4))
		f.chunks(other, ChunkID(3))
		for i, want := range []string{"one", "", "three"} {
			f.column(p, &a.Entry, i, want)
		}
		f.column(p, &b.Entry, 0, "four")
		f.column(p, &b.Entry, 1, string(bytes.Repeat([]byte("big"), 1<<18)))
		f.column(other, &c.Entry, 0, "in the other table")
		f.restart()
	}
	wrong := Sealed(ChunkID(5), "x")
	wrong.Entry.Columns[0].Size = 2
	if err := f.s.PutChunks(f.ctx, p, []*chunk.Sealed{wrong}); err == nil {
		t.Fatal("a chunk whose entry and blobs do not agree was stored")
	}
}

func testPutAgain(t *testing.T, f *fixture) {
	p := chunk.PartitionID{Table: 1}
	a, b := Sealed(ChunkID(1), "a"), Sealed(ChunkID(2), "b")
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a, b}))
	first := b.Entry
	f.do("put again", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a, b}))
	f.column(p, &first, 0, "b")
	f.column(p, &a.Entry, 0, "a")
	// Put again in other company: what was acknowledged must stay where it is.
	b2, c := Sealed(ChunkID(2), "b"), Sealed(ChunkID(3), "c")
	f.restart()
	f.do("put in other company", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{b2, c}))
	for range 2 {
		f.column(p, &first, 0, "b")
		f.column(p, &b2.Entry, 0, "b")
		f.column(p, &a.Entry, 0, "a")
		f.column(p, &c.Entry, 0, "c")
		f.chunks(p, ChunkID(1), ChunkID(2), ChunkID(3))
		f.restart()
	}
}

func (f *fixture) gone(p chunk.PartitionID, e *chunk.Entry) {
	f.t.Helper()
	if b, _, err := f.s.Column(f.ctx, p, e, 0); !errors.Is(err, store.ErrNotFound) {
		f.t.Fatalf("column of deleted chunk %x: %q, %v; want ErrNotFound", e.ID, b, err)
	}
}

func testDeleteChunks(t *testing.T, f *fixture) {
	p := chunk.PartitionID{Table: 1, Key: "k"}
	a, b, c := Sealed(ChunkID(1), "a"), Sealed(ChunkID(2), "b"), Sealed(ChunkID(3), "c")
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a, b}))
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{c}))
	f.column(p, &a.Entry, 0, "a")
	f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{&a.Entry}))
	f.gone(p, &a.Entry)
	f.chunks(p, ChunkID(2), ChunkID(3))
	f.column(p, &b.Entry, 0, "b")
	f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{&a.Entry, &b.Entry})) // a again
	f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{&a.Entry, &b.Entry})) // both again
	f.do("delete nothing", f.s.DeleteChunks(f.ctx, p, nil))
	for range 2 {
		f.gone(p, &a.Entry)
		f.gone(p, &b.Entry)
		f.column(p, &c.Entry, 0, "c")
		f.chunks(p, ChunkID(3))
		f.restart()
	}
	f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{&a.Entry, &c.Entry}))
	f.chunks(p)
	f.do("put back", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a, b}))
	f.column(p, &a.Entry, 0, "a")
}

// testDeleteByID deletes as the sweeper does, which has IDs and no more, also
// after a restart between the deletions of neighbours.
func testDeleteByID(t *testing.T, f *fixture) {
	p := chunk.PartitionID{Table: 1, Key: "k"}
	var all []*chunk.Sealed
	for i := range 4 {
		all = append(all, Sealed(ChunkID(i), fmt.Sprint("blob ", i)))
	}
	f.do("put", f.s.PutChunks(f.ctx, p, all))
	f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{{ID: ChunkID(1)}, {ID: ChunkID(77)}}))
	f.gone(p, &all[1].Entry)
	f.column(p, &all[2].Entry, 0, "blob 2")
	f.restart()
	for range 2 {
		// A store may have forgotten the deletion; the sweeper then repeats it.
		ids, err := f.s.Chunks(f.ctx, p)
		f.do("chunks", err)
		for _, id := range ids {
			if id != ChunkID(0) {
				f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{{ID: id}}))
			}
		}
		f.chunks(p, ChunkID(0))
		f.column(p, &all[0].Entry, 0, "blob 0")
		f.restart()
	}
	ids, err := f.s.Chunks(f.ctx, p)
	f.do("chunks", err)
	for _, id := range ids {
		f.do("delete", f.s.DeleteChunks(f.ctx, p, []*chunk.Entry{{ID: id}}))
	}
	f.restart()
	f.chunks(p)
	for _, c := range all {
		f.gone(p, &c.Entry)
	}
}

func testMissingChunk(t *testing.T, f *fixture) {
	p := chunk.PartitionID{Table: 1, Key: "k"}
	a := Sealed(ChunkID(1), "a")
	f.gone(p, &a.Entry)
	f.do("put", f.s.PutChunks(f.ctx, p, []*chunk.Sealed{a}))
	f.gone(chunk.PartitionID{Table: 1, Key: "l"}, &a.Entry)
	e := a.Entry
	e.ID = ChunkID(2)
	f.gone(p, &e)
	for _, column := range []int{-1, 1} {
		if _, _, err := f.s.Column(f.ctx, p, &a.Entry, column); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("column %d: %v, want ErrNotFound", column, err)
		}
	}
	f.do("delete", f.s.DeleteChunks(f.ctx, chunk.PartitionID{Table: 9}, []*chunk.Entry{&a.Entry, {ID: ChunkID(3)}}))
	f.column(p, &a.Entry, 0, "a")
}

func testCheckpoints(t *testing.T, f *fixture) {
	missing := func(log store.LogID) {
		t.Helper()
		if _, err := f.s.Checkpoint(f.ctx, log); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("checkpoint of %v: %v, want ErrNotFound", log, err)
		}
	}
	has := func(log store.LogID, want string) {
		t.Helper()
		if b, err := f.s.Checkpoint(f.ctx, log); err != nil || string(b) != want {
			t.Fatalf("checkpoint of %v: %.100q, %v; want %.100q", log, b, err, want)
		}
	}
	missing(part)
	f.do("delete", f.s.DeleteCheckpoint(f.ctx, part))
	f.do("put", f.s.PutCheckpoint(f.ctx, part, []byte("one")))
	f.do("put", f.s.PutCheckpoint(f.ctx, cat, nil))
	same := store.LogID{Kind: store.CatalogueLog, Key: part.Key}
	missing(same)
	big := string(bytes.Repeat([]byte("0123456789"), 1<<17))
	f.do("put", f.s.PutCheckpoint(f.ctx, part, []byte(big)))
	for range 2 {
		has(part, big)
		has(cat, "")
		missing(same)
		f.restart()
	}
	f.do("put", f.s.PutCheckpoint(f.ctx, part, []byte("two")))
	has(part, "two")
	f.do("delete", f.s.DeleteCheckpoint(f.ctx, part))
	missing(part)
	f.restart()
	missing(part)
	f.alike()
}

// alike keeps checkpoints side by side whose names differ in their last bytes, as
// those of the pages of a partition with a long key do in the midst.
func (f *fixture) alike() {
	f.t.Helper()
	const names = 12
	name := func(i int) store.LogID {
		return store.LogID{Kind: store.CommitLog, Key: fmt.Sprintf("7@%d.%032x/%s%d", i/4, i, strings.Repeat("k", 150*(i%2)), i)}
	}
	for i := range names {
		f.do("put", f.s.PutCheckpoint(f.ctx, name(i), fmt.Append(nil, "page ", i)))
	}
	for i := 0; i < names; i += 3 {
		f.do("delete", f.s.DeleteCheckpoint(f.ctx, name(i)))
	}
	for range 2 {
		for i := range names {
			b, err := f.s.Checkpoint(f.ctx, name(i))
			switch {
			case i%3 == 0 && !errors.Is(err, store.ErrNotFound):
				f.t.Fatalf("checkpoint %d was deleted: %q, %v", i, b, err)
			case i%3 != 0 && (err != nil || string(b) != fmt.Sprint("page ", i)):
				f.t.Fatalf("checkpoint %d: %q, %v", i, b, err)
			}
		}
		f.restart()
	}
	for i := range names {
		f.do("delete", f.s.DeleteCheckpoint(f.ctx, name(i)))
	}
}
