package engine

import (
	"bytes"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Standing is how a chunk stands among the others of its slice, for people.
type Standing struct {
	Entry *chunk.Entry
	// Depth is how many chunks, this one included, lie on top of each other at the key of
	// this one's range where most do: who reads them merges so many.
	Depth int
	// Due says that the chunk waits to be merged with others, which a compaction of the
	// whole slice (VACUUM) would do.
	Due bool
}

// Standings returns how the chunks of one slice stand, by rising least keys. Those of history
// stand by themselves: others are not merged with them. Of an entry it reads what Outline keeps.
func Standings(def *schema.Table, entries []*chunk.Entry) []Standing {
	current := slices.DeleteFunc(slices.Clone(entries), (*chunk.Entry).History)
	out := standings(def, current)
	if len(current) == len(entries) {
		return out
	}
	for _, e := range entries {
		if e.History() {
			out = append(out, Standing{Entry: e, Depth: 1})
		}
	}
	slices.SortStableFunc(out, func(a, b Standing) int { return bytes.Compare(a.Entry.KeyMin, b.Entry.KeyMin) })
	return out
}

func standings(def *schema.Table, entries []*chunk.Entry) []Standing {
	c := chooser{keyed: def.Keyed()}
	sorted := byKey(entries)
	out := make([]Standing, 0, len(sorted))
	for group := range c.groups(sorted) {
		for _, e := range group {
			out = append(out, Standing{Entry: e, Due: len(group) > 1})
		}
	}
	c.depths(sorted, func(i, depth int) { out[i].Depth = depth })
	return out
}

// depths calls f with how many chunks overlap each one, itself included, where most do.
func (c *chooser) depths(sorted []*chunk.Entry, f func(i, depth int)) {
	// Most overlap where one begins: begun[i] are there just after the least key of chunk i.
	// One whose range is empty is there alone, on top of others.
	begun := make([]int, len(sorted))
	var ends [][]byte
	for _, e := range sorted {
		if !c.past(e.KeyMin, e.KeyMax) {
			ends = append(ends, e.KeyMax)
		}
	}
	slices.SortFunc(ends, bytes.Compare)
	wide, ended := 0, 0
	for i, e := range sorted {
		for ended < len(ends) && c.past(e.KeyMin, ends[ended]) {
			ended++
		}
		if c.past(e.KeyMin, e.KeyMax) {
			begun[i] = wide - ended + 1
		} else {
			wide++
			begun[i] = wide - ended
		}
	}
	highest := newMaxima(begun)
	for i, e := range sorted {
		to, _ := slices.BinarySearchFunc(sorted[i+1:], e.KeyMax, func(next *chunk.Entry, end []byte) int {
			if c.past(next.KeyMin, end) {
				return 1
			}
			return -1
		})
		f(i, highest.of(i, i+1+to))
	}
}

// past says whether a chunk that begins with one key is beyond one that ends with the other.
func (c *chooser) past(begin, end []byte) bool {
	x := bytes.Compare(begin, end)
	return x > 0 || x == 0 && !c.keyed
}

// maxima answer which is the greatest of neighbours: level k has those of 1<<k of them.
type maxima [][]int

func newMaxima(values []int) maxima {
	m := maxima{values}
	for wide := 1; 2*wide <= len(values); wide *= 2 {
		below := m[len(m)-1]
		level := make([]int, len(values)-2*wide+1)
		for i := range level {
			level[i] = max(below[i], below[i+wide])
		}
		m = append(m, level)
	}
	return m
}

// of returns the greatest of values from to before to, of which there is one at least.
func (m maxima) of(from, to int) int {
	k := 0
	for 2<<k <= to-from {
		k++
	}
	return max(m[k][from], m[k][to-1<<k])
}

// Outline returns an entry without what it says of columns, but their size in all, whether
// there are marks and whether a flush encoded them: little memory for who holds many.
func Outline(e *chunk.Entry) *chunk.Entry {
	out := *e
	size := chunk.ColumnEntry{Size: entryBytes(e), Quick: e.Quick()}
	if e.Marked() {
		size.ID = schema.RowDeletedColumn
	}
	out.Columns = []chunk.ColumnEntry{size}
	return &out
}
