package engine

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

var standingSeed = flag.Uint64("standing.seed", 1, "seed of the random chunks of TestStandings")

// counted counts the chunks on top of each other where most do in the range of a chunk: just
// after the least key of one. Chunks of equal keys follow each other without a key of the table.
func counted(keyed bool, of *chunk.Entry, all []*chunk.Entry) int {
	covers := func(e *chunk.Entry, key []byte) bool {
		to := bytes.Compare(key, e.KeyMax)
		return bytes.Compare(key, e.KeyMin) >= 0 && (to < 0 || to == 0 && keyed)
	}
	most := 0
	for _, at := range all {
		if at != of && !covers(of, at.KeyMin) {
			continue
		}
		n := 0
		for _, e := range all {
			follows := !keyed && bytes.Equal(at.KeyMin, at.KeyMax) && bytes.Equal(e.KeyMin, at.KeyMin)
			if e == at || covers(e, at.KeyMin) && !follows {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestStandings compares depths with counting, and what is due with what compaction chooses.
func TestStandings(t *testing.T) {
	t.Logf("-standing.seed=%d", *standingSeed)
	r := rand.New(rand.NewPCG(*standingSeed, 0))
	for range 300 {
		w := newChoiceWorld()
		for range 1 + r.IntN(12) {
			low := r.Uint64N(40)
			w.add(0, low, low+1+r.Uint64N(12), 1+r.IntN(chunk.MaxRows))
		}
		def := &schema.Table{}
		if r.IntN(2) == 0 {
			def.PrimaryKey = []schema.ColumnID{1}
		}
		entries := w.slices[0]
		due := 0
		for _, s := range Standings(def, entries) {
			want := counted(def.Keyed(), s.Entry, entries)
			if s.Depth != want {
				t.Fatalf("keyed %v: chunk of keys %x to %x: depth %d, counted %d", def.Keyed(), s.Entry.KeyMin, s.Entry.KeyMax, s.Depth, want)
			}
			if s.Due {
				due++
			}
		}
		c := chooser{keyed: def.Keyed()}
		if in, _ := c.choose(entries, compacted); len(in) > due || (in == nil) != (due == 0) {
			t.Fatalf("%d chunks are due, compaction would merge %d", due, len(in))
		}
	}
}

// TestOutline checks that chunks stand as before when nothing but an outline is known of them.
func TestOutline(t *testing.T) {
	w := newChoiceWorld()
	for i := range uint64(20) {
		for _, e := range w.add(0, i*10, i*10+5+i%3*5, chunk.MaxRows/2+int(i)) {
			e.Columns = []chunk.ColumnEntry{{ID: 1, Size: 1000}, {ID: 2, Size: 234, Quick: i%3 == 0}}
			if i%4 == 0 {
				e.Columns = append(e.Columns, chunk.ColumnEntry{ID: schema.RowDeletedColumn, Size: 10})
			}
		}
	}
	def := &schema.Table{}
	var outlines []*chunk.Entry
	for _, e := range w.slices[0] {
		o := Outline(e)
		if entryBytes(o) != entryBytes(e) || o.Marked() != e.Marked() || o.Quick() != e.Quick() {
			t.Errorf("outline of %d bytes, marks %v, quick %v; the entry has %d, %v, %v", entryBytes(o), o.Marked(), o.Quick(), entryBytes(e), e.Marked(), e.Quick())
		}
		outlines = append(outlines, o)
	}
	full, lean := Standings(def, w.slices[0]), Standings(def, outlines)
	for i := range full {
		if full[i].Entry.ID != lean[i].Entry.ID || full[i].Depth != lean[i].Depth || full[i].Due != lean[i].Due {
			t.Errorf("chunk %v: %+v, by its outline %+v", full[i].Entry.ID, full[i], lean[i])
		}
	}
}
