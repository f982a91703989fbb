package engine

import (
	"bytes"
	"cmp"
	"container/heap"
	"iter"
	"math/bits"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// Which chunks of a slice are merged, and when. docs/design/compaction.md has the
// reasons and what it costs.

const (
	// tierRows is the size of the runs of the lowest tier; those of each tier above
	// are tierFactor times as large.
	tierRows = 1024
	// coldest is how many times limits.cold is waited for at most.
	coldest = 24
)

// limits say when chunks are merged.
type limits struct {
	// lowest and others are how many runs of the lowest tier, and of each other, there
	// may be before they are merged. Small ones cost little to rewrite, and less so the
	// fewer commits.
	lowest, others int
	// cold is how long no chunk may have come to a slice before it is merged as a whole;
	// if that rewrites many times the rows that came since the last time it waits as
	// many times longer.
	cold time.Duration
}

// usual are the limits, but in tests that want more to happen.
var usual = limits{lowest: 8, others: 4, cold: 15 * time.Minute}

// An aim is how far a slice is to be compacted.
type aim uint8

const (
	// tidy keeps the number of runs of a slice bounded.
	tidy aim = iota
	// compacted merges all that overlaps and all neighbours that fit in one chunk.
	compacted
	// packed is compacted with no chunk but the last that has room for a row.
	packed
	// dense leaves no chunk as the flush encoded it that wrote it.
	dense
)

// A chooser chooses chunks of one slice to be merged.
type chooser struct {
	// keyed says that rows of one key have to come together: chunks that share one
	// key overlap. Else they may, where a run of equal keys is cut.
	keyed  bool
	now    time.Time
	limits limits
}

// choose returns chunks to be merged, nil if none are. If there are none but for
// the time, wait says when to ask again; else it is 0.
func (c *chooser) choose(entries []*chunk.Entry, to aim) (inputs []*chunk.Entry, wait time.Duration) {
	switch to {
	case packed:
		if in := c.overlapping(entries); in != nil {
			return in, 0
		}
		return c.unpacked(entries), 0
	case compacted:
		return c.overlapping(entries), 0
	case dense:
		return hasty(entries), 0
	}
	if in := c.tier(entries); in != nil {
		return in, 0
	}
	in := c.overlapping(entries)
	idle, wanted := c.idle(entries), time.Duration(0)
	if in != nil {
		wanted = c.patience(in)
	} else if in = hasty(entries); in != nil {
		// What this has encoded anew does not keep the rest of the slice waiting.
		idle, wanted = c.idle(quick(entries)), c.limits.cold
	}
	if idle < wanted {
		return nil, wanted - idle
	}
	return in, 0
}

// mostHasty is how many chunks are encoded anew by one commit: so much is lost if it fails.
const mostHasty = 16

// hasty returns neighbours to be encoded anew, for flushes try few encodings: the first
// that are worth it, nil if none are. Each chunk is once.
func hasty(entries []*chunk.Entry) []*chunk.Entry {
	sorted := byKey(entries)
	worth := func(e *chunk.Entry) bool { return e.Quick() && e.Rows >= tierRows }
	first := slices.IndexFunc(sorted, worth)
	if first < 0 {
		return nil
	}
	n := 1
	for n < mostHasty && first+n < len(sorted) && worth(sorted[first+n]) {
		n++
	}
	return sorted[first : first+n]
}

// quick returns the chunks that flushes have encoded.
func quick(entries []*chunk.Entry) []*chunk.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *chunk.Entry) bool { return !e.Quick() })
}

// idle is for how long no chunk has been made.
func (c *chooser) idle(entries []*chunk.Entry) time.Duration {
	newest := time.Time{}
	for _, e := range entries {
		if at := e.ID.Time(); at.After(newest) {
			newest = at
		}
	}
	return c.now.Sub(newest)
}

// patience is how long chunks are not merged in the hope of more.
func (c *chooser) patience(inputs []*chunk.Entry) time.Duration {
	all, most := int64(0), int64(0)
	for _, r := range c.runs(inputs) {
		all += r.rows
		most = max(most, r.rows)
	}
	times := coldest
	if rest := all - most; rest > 0 {
		times = int(min(all/rest, coldest))
	}
	return c.limits.cold * time.Duration(max(times, 1))
}

// A sortedRun is chunks that do not overlap, by rising keys.
type sortedRun struct {
	chunks []*chunk.Entry
	rows   int64
}

func (r *sortedRun) min() []byte { return r.chunks[0].KeyMin }
func (r *sortedRun) max() []byte { return r.chunks[len(r.chunks)-1].KeyMax }

// follows says whether a chunk may come, in a run, after others of which the greatest
// key is given. Rows of a key that go on in the next chunk are none to be merged, unless
// one of them may be taken away by a mark.
func (c *chooser) follows(next *chunk.Entry, before []*chunk.Entry, keyMax []byte) bool {
	x := bytes.Compare(next.KeyMin, keyMax)
	if x != 0 || c.keyed {
		return x > 0
	}
	return !slices.ContainsFunc(before, func(e *chunk.Entry) bool { return mustMeet(e, next) && bytes.Equal(e.KeyMax, keyMax) })
}

// mustMeet says whether marks of one of two chunks may be of rows of the other. They are
// not if both were made at once, by a merge that would have found them.
func mustMeet(a, b *chunk.Entry) bool {
	return (a.Marked() || b.Marked()) && (a.From == 0 || a.From != b.From)
}

// small says that a chunk is worth merging with others like it, unless it was cut.
func small(e *chunk.Entry) bool { return e.Rows < chunk.MaxRows/2 }

// cut says whether a chunk ends before another one, the next by its keys, because of its
// bytes: who makes several goes on with one when that before it is full. Chunks that were
// made together have the same number in From, which otherwise says nothing here: it
// is that of the last commit that who made them knew. Flushes of two nodes may have the same
// one; those that are large and lie beside each other are not merged.
func cut(e, next *chunk.Entry) bool {
	return e.From > 0 && e.From == next.From && bytes.Compare(e.ID[:], next.ID[:]) < 0 &&
		(e.Rows == chunk.MaxRows || entryBytes(e) >= minCutBytes)
}

// minCutBytes is less than what a chunk that was cut because of its bytes has when encoded,
// unless all its rows are alike.
const minCutBytes = 32 << 10

// tier returns the runs of the lowest tier that has too many, and those below.
func (c *chooser) tier(entries []*chunk.Entry) []*chunk.Entry {
	runs := c.runs(entries)
	slices.SortStableFunc(runs, func(a, b sortedRun) int { return cmp.Compare(a.rows, b.rows) })
	count := 0
	for i, r := range runs {
		if i > 0 && tierOf(r.rows) != tierOf(runs[i-1].rows) {
			count = 0
		}
		count++
		limit := c.limits.others
		if tierOf(r.rows) == 0 {
			limit = c.limits.lowest
		}
		last := i+1 == len(runs) || tierOf(runs[i+1].rows) != tierOf(r.rows)
		if last && count >= limit {
			var out []*chunk.Entry
			for _, r := range runs[:i+1] {
				out = append(out, r.chunks...)
			}
			return out
		}
	}
	return nil
}

// tierOf returns the tier of a run.
func tierOf(rows int64) int {
	return (bits.Len64(uint64(rows/tierRows)) + 1) / 2
}

// runs divides chunks into runs as merges and flushes made them, which is what
// tiers are about: one after the other by rising keys, until a chunk that was not
// filled. Runs of chunks that are, and whose ranges of keys do not overlap, count
// as one, for there is nothing to be won by merging them.
func (c *chooser) runs(entries []*chunk.Entry) []sortedRun {
	byAge := slices.Clone(entries)
	slices.SortFunc(byAge, func(a, b *chunk.Entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	var single, dense []sortedRun
	for i := 0; i < len(byAge); {
		r := sortedRun{chunks: byAge[i : i+1 : i+1], rows: int64(byAge[i].Rows)}
		for i++; i < len(byAge) && (!small(byAge[i-1]) || cut(byAge[i-1], byAge[i])) && c.follows(byAge[i], byAge[i-1:i], byAge[i-1].KeyMax); i++ {
			r.chunks = append(r.chunks, byAge[i])
			r.rows += int64(byAge[i].Rows)
		}
		if len(r.chunks) == 1 && small(r.chunks[0]) {
			single = append(single, r)
		} else {
			dense = append(dense, r)
		}
	}
	return append(single, c.join(dense)...)
}

// join makes as few runs as possible of those whose ranges do not overlap.
func (c *chooser) join(runs []sortedRun) []sortedRun {
	slices.SortStableFunc(runs, func(a, b sortedRun) int {
		return cmp.Or(bytes.Compare(a.min(), b.min()), bytes.Compare(a.max(), b.max()))
	})
	var out runHeap
	for _, r := range runs {
		if len(out) > 0 && c.follows(r.chunks[0], out[0].chunks, out[0].max()) {
			out[0].chunks = append(slices.Clip(out[0].chunks), r.chunks...)
			out[0].rows += r.rows
			heap.Fix(&out, 0)
			continue
		}
		heap.Push(&out, r)
	}
	return out
}

// streams divides chunks into the fewest runs, to be merged.
func (c *chooser) streams(entries []*chunk.Entry) []sortedRun {
	one := make([]sortedRun, len(entries))
	for i, e := range entries {
		one[i] = sortedRun{chunks: entries[i : i+1 : i+1], rows: int64(e.Rows)}
	}
	return c.join(one)
}

// A runHeap has on top the run that ends with the least key.
type runHeap []sortedRun

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return bytes.Compare(h[i].max(), h[j].max()) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(sortedRun)) }
func (h *runHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// byKey returns the chunks by least key.
func byKey(entries []*chunk.Entry) []*chunk.Entry {
	out := slices.Clone(entries)
	slices.SortFunc(out, func(a, b *chunk.Entry) int {
		return cmp.Or(bytes.Compare(a.KeyMin, b.KeyMin), bytes.Compare(a.KeyMax, b.KeyMax), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return out
}

// overlapping returns the first chunks that overlap or are neighbours which fit in
// one, nil if there are none: then the slice is compacted.
func (c *chooser) overlapping(entries []*chunk.Entry) []*chunk.Entry {
	for group := range c.groups(byKey(entries)) {
		if len(group) > 1 {
			return group
		}
	}
	return nil
}

// groups divides chunks, which are sorted by their keys, into those that overlap or are
// neighbours which fit in one.
func (c *chooser) groups(sorted []*chunk.Entry) iter.Seq[[]*chunk.Entry] {
	room := capacities(sorted)
	return func(yield func([]*chunk.Entry) bool) {
		for i := 0; i < len(sorted); {
			n := i + 1
			reach, rows, most := sorted[i].KeyMax, sorted[i].Rows, room[i]
			for n < len(sorted) {
				e := sorted[n]
				most = min(most, room[n])
				if c.follows(e, sorted[i:n], reach) && rows+e.Rows > most {
					break
				}
				if bytes.Compare(e.KeyMax, reach) > 0 {
					reach = e.KeyMax
				}
				rows += e.Rows
				n++
			}
			if !yield(sorted[i:n]) {
				return
			}
			i = n
		}
	}
}

// unpacked returns the chunks from the first one that has room on, of chunks that do not
// overlap.
func (c *chooser) unpacked(entries []*chunk.Entry) []*chunk.Entry {
	sorted := byKey(entries)
	for i, most := range capacities(sorted) {
		full := sorted[i].Rows == most || most < chunk.MaxRows && sorted[i].Rows >= most/2 // rows differ in size
		if !full && i+1 < len(sorted) {
			return sorted[i:]
		}
	}
	return nil
}

// capacities returns, of chunks by their keys, how many rows there is room for in each, as
// far as it shows in them or in what was made with them.
func capacities(sorted []*chunk.Entry) []int {
	out := make([]int, len(sorted))
	for i, e := range sorted {
		most := 0
		if i > 0 && cut(sorted[i-1], e) {
			most = sorted[i-1].Rows
		}
		if i+1 < len(sorted) && cut(e, sorted[i+1]) {
			most = max(most, e.Rows)
		}
		if out[i] = most; most == 0 {
			out[i] = chunk.MaxRows
		}
	}
	return out
}

// depth returns how many chunks overlap at the key where most do.
func (c *chooser) depth(entries []*chunk.Entry) int { return len(c.streams(entries)) }
