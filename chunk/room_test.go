package chunk

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/recycle"
)

func init() { recycle.Poison = true }

// usedRoom is where all tests of the package read, one after the other: nothing of
// what one leaves behind may show in the next.
var usedRoom = NewRoom(nil)

func roomFor(mem memory.Allocator) *Room {
	usedRoom.mem = mem
	return usedRoom
}

// TestRoomOutlived reads a chunk, then others in the same room, and then looks at the
// batches of the first. A closed reader stays closed, whoever has its memory.
func TestRoomOutlived(t *testing.T) {
	l := everyType()
	mem := memory.NewCheckedAllocator(recycle.New(1 << 20))
	defer mem.AssertSize(t, 0)
	spec := ScanSpec{}
	for _, c := range l.Columns {
		spec.Columns = append(spec.Columns, c.ID)
		if f, _ := formOf(c.Type); f == formBytes {
			spec.Coded = append(spec.Coded, c.ID)
		}
	}
	var chunks []*Sealed
	r := newRand(t)
	for _, nulls := range []int{0, 200, 1000} {
		batch := randomBatch(r, mem, l, 2500, nulls)
		defer batch.Release()
		chunks = append(chunks, must(Seal(l, SealOptions{IDs: NewIDs(nil), Mem: mem}, batch))...)
	}
	room := NewRoom(mem)
	read := func(s *Sealed, room *Room) (BatchReader, []string) {
		reader := must(NewSplit(&s.Entry, l, spec, fetcher(s)).Scan(context.Background(), room, &ScanStats{}))
		var rows []string
		for {
			b, err := reader.Next(context.Background())
			if errors.Is(err, io.EOF) {
				return reader, rows
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range boxed(l, b) {
				rows = append(rows, rowText(l, row))
			}
			b.Release()
		}
	}
	var want [][]string
	for _, s := range chunks {
		reader, rows := read(s, NewRoom(mem))
		want = append(want, rows)
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	first := must(NewSplit(&chunks[0].Entry, l, spec, fetcher(chunks[0])).Scan(context.Background(), room, &ScanStats{}))
	kept := must(first.Next(context.Background()))
	defer kept.Release()
	closeTwice := func(reader BatchReader) {
		for range 2 {
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeTwice(first)
	for range 2 {
		for i, s := range chunks {
			reader, rows := read(s, room)
			if len(rows) != len(want[i]) {
				t.Fatalf("%d rows, want %d", len(rows), len(want[i]))
			}
			for k := range rows {
				if rows[k] != want[i][k] {
					t.Fatalf("chunk %d, row %d: got %s, want %s", i, k, rows[k], want[i][k])
				}
			}
			closeTwice(first) // no memory of the reader that is open goes back
			other, _ := read(chunks[0], room)
			closeTwice(other)
			closeTwice(reader)
		}
	}
	if b, err := first.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Fatalf("a closed reader returned %v and %v", b, err)
	}
	for k, row := range boxed(l, kept) {
		if got := rowText(l, row); got != want[0][k] {
			t.Fatalf("row %d of a batch of a closed reader: got %s, want %s", k, got, want[0][k])
		}
	}
}
