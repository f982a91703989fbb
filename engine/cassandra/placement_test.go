package cassandra

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

func entry(id byte, slice int64, sizes ...int64) *chunk.Entry {
	e := &chunk.Entry{ID: chunk.ID{id}, Slice: slice}
	for i, size := range sizes {
		e.Columns = append(e.Columns, chunk.ColumnEntry{ID: schema.ColumnID(i + 1), Size: size})
	}
	return e
}

func TestPlace(t *testing.T) {
	var b buckets
	l := Limits{Chunks: 3, ColumnBytes: 100}
	p, q := chunk.PartitionID{Table: 1}, chunk.PartitionID{Table: 2}
	for i, step := range []struct {
		part  chunk.PartitionID
		entry *chunk.Entry
		want  byte
	}{
		{p, entry(1, 0, 40, 1), 1},
		{p, entry(2, 0, 60, 1), 1},
		{p, entry(3, 0, 1, 1), 3},    // the first column is full
		{p, entry(4, 1, 1), 4},       // another slice
		{q, entry(5, 0, 1), 5},       // another partition
		{p, entry(6, 0, 1, 99), 3},   //
		{p, entry(7, 0, 0, 0, 7), 3}, // the third chunk
		{p, entry(8, 0), 8},          //
		{p, entry(9, 0, 1000), 8},    // a column that is alone may be large
		{p, entry(10, 0, 0), 8},
		{p, entry(11, 1, 1), 4},
		{p, entry(12, 0, 1), 12},
	} {
		if got := b.place(step.part, step.entry, l); got != (chunk.ID{step.want}) {
			t.Fatalf("step %d: bucket %x, want %x", i, got[0], step.want)
		}
	}
}

func TestOpenBucketsAreBounded(t *testing.T) {
	var b buckets
	for i := range 3 * maxOpenBuckets {
		b.place(chunk.PartitionID{}, entry(1, int64(i)), Limits{Chunks: 2})
		b.place(chunk.PartitionID{}, entry(1, 0), Limits{Chunks: 1 << 30}) // used all the time
	}
	if len(b.open) != maxOpenBuckets || b.recent.Len() != maxOpenBuckets {
		t.Fatalf("%d buckets, %d in their order", len(b.open), b.recent.Len())
	}
	if at := b.open[bucketKey{slice: 0}]; at == nil || at.Value.(*bucket).chunks < 3*maxOpenBuckets {
		t.Fatal("the bucket in use was closed")
	}
}

func TestParts(t *testing.T) {
	for _, test := range []struct {
		size  int64
		parts int
	}{{0, 1}, {1, 1}, {99, 1}, {100, 1}, {101, 2}, {200, 2}, {201, 3}} {
		if got := partCount(test.size, 100); got != test.parts {
			t.Errorf("%d bytes: %d parts, want %d", test.size, got, test.parts)
		}
		data := bytes.Repeat([]byte{7}, int(test.size))
		parts := partsOf(data, 100)
		if len(parts) != test.parts || !bytes.Equal(bytes.Join(parts, nil), data) {
			t.Errorf("%d bytes: %d parts", test.size, len(parts))
		}
	}
	id := chunk.ID{1}
	if a, b := bucketColumn(id, 0), bucketColumn(id, partsPerGroup-1); !bytes.Equal(a, id[:]) || !bytes.Equal(b, id[:]) {
		t.Errorf("first group: %x, %x", a, b)
	}
	if a, b := bucketColumn(id, partsPerGroup), bucketColumn(id, 2*partsPerGroup); len(a) != 17 || bytes.Equal(a, b) {
		t.Errorf("later groups: %x, %x", a, b)
	}
}

func TestBatches(t *testing.T) {
	s := &Store{text: newStatements("k")}
	var all []statement
	for _, size := range []int{60, 50, 10, 40, 101, 1, 0, 99} {
		all = append(all, s.partStatement(chunk.PartitionID{}, nil, 1, chunk.ID{}, 0, make([]byte, size), 0))
	}
	var got []int64
	n := 0
	for _, batch := range batches(all, 100) {
		got = append(got, batchBytes(batch))
		n += len(batch)
	}
	if !slices.Equal(got, []int64{60, 100, 101, 100}) || n != len(all) {
		t.Fatalf("batches of %v bytes, %d writes", got, n)
	}
	small := slices.Repeat(all[6:7], 2*maxBatchRows+1)
	if b := batches(small, 100); len(b) != 3 || len(b[2]) != 1 {
		t.Fatalf("%d batches of small writes", len(b))
	}
}

func TestIndexCodec(t *testing.T) {
	columns := []indexedColumn{{1, 1}, {schema.RowVersionColumn, 3}, {1<<32 - 1, maxPartsOfOneBlob}}
	for n := range len(columns) + 1 {
		b := appendIndex(nil, columns[:n])
		got, err := decodeIndex(b)
		if err != nil || !slices.Equal(got, columns[:n]) {
			t.Fatalf("%v became %v, %v", columns[:n], got, err)
		}
		for cut := range b {
			if _, err := decodeIndex(b[:cut]); !errors.Is(err, chunk.ErrCorrupt) {
				t.Errorf("cut to %d of %d bytes: %v", cut, len(b), err)
			}
		}
		if _, err := decodeIndex(append(b, 0)); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("a byte too many: %v", err)
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add(appendIndex(nil, []indexedColumn{{1, 1}, {2, 300}}))
	f.Add([]byte{1, 255, 255, 3})
	f.Fuzz(func(t *testing.T, src []byte) {
		columns, err := decodeIndex(src)
		if errors.Is(err, chunk.ErrCorrupt) {
			return
		}
		again, err2 := decodeIndex(appendIndex(nil, columns))
		if err != nil || err2 != nil || !slices.Equal(again, columns) {
			t.Fatalf("decode: %v; again: %v, %v", err, again, err2)
		}
	})
}

func TestClock(t *testing.T) {
	var c clock
	last := int64(0)
	for range 10_000 {
		now := c.now()
		if now <= last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
	ahead := last + 1e9
	if got := c.after(ahead); got != ahead+1 {
		t.Fatalf("after %d comes %d", ahead, got)
	}
	if got := c.now(); got != ahead+2 {
		t.Fatalf("the clock went back to %d", got)
	}
}
