package engine

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
)

// pastRows gets what a compaction of a table with a history takes away, batch by batch: rows
// that newer ones replaced, and marks that go, with their rows. It becomes chunks of history.
type pastRows struct {
	in    *tableInfo
	mem   memory.Allocator
	parts []arrow.RecordBatch
}

// split returns the newest row of each key of a merged run, which it releases, and keeps the
// others.
func (p *pastRows) split(rows arrow.RecordBatch) (arrow.RecordBatch, error) {
	defer rows.Release()
	newest, older, _, err := chunk.SplitVersions(p.mem, p.in.layout, rows)
	if older != nil {
		p.parts = append(p.parts, older)
	}
	return newest, err
}

// take keeps rows of a batch. Nothing is kept by nil.
func (p *pastRows) take(batch arrow.RecordBatch, rows []int32) error {
	if p == nil || len(rows) == 0 {
		return nil
	}
	b, err := p.in.take(p.mem, batch, rows)
	if err == nil {
		p.parts = append(p.parts, b)
	}
	return err
}

// next returns what came since the last call, sorted; nil if there is nothing. The caller
// releases it.
func (p *pastRows) next() (arrow.RecordBatch, error) {
	if p == nil || len(p.parts) == 0 {
		return nil, nil
	}
	parts := p.parts
	p.parts = nil
	if len(parts) == 1 {
		return parts[0], nil
	}
	defer releaseBatches(parts)
	return chunk.MergeRows(p.mem, p.in.layout, parts) // of tables without a key there is one part
}

func (p *pastRows) release() {
	if p != nil {
		releaseBatches(p.parts)
		p.parts = nil
	}
}

func releaseBatches(batches []arrow.RecordBatch) {
	for _, b := range batches {
		b.Release()
	}
}

// historyWindows is into how many parts the time of a history is divided: chunks of history
// are merged with those of their part, so that they can be forgotten when it is over.
const historyWindows = 8

// A choice is chunks of a slice to be merged.
type choice struct {
	inputs []*chunk.Entry
	past   bool // they are of history
	// beside are the chunks of history that are there.
	beside []*chunk.Entry
}

// choose returns the chunks of a slice to be merged, none if there is nothing to do; wait is as
// in chooser.choose. Chunks of history and others are never merged.
func (c *compactor) choose(in *tableInfo, list []*chunk.Entry, to aim) (out choice, wait time.Duration) {
	ch := c.chooser(in)
	current := make([]*chunk.Entry, 0, len(list))
	for _, e := range list {
		if e.History() {
			out.beside = append(out.beside, e)
		} else {
			current = append(current, e)
		}
	}
	if out.inputs, wait = ch.choose(current, to); len(out.inputs) > 0 || in.history <= 0 {
		return out, wait
	}
	// Those of before it begins are forgotten, and go into none that is kept.
	begins := uint64(max(0, c.db.historyBegins(in)))
	kept := slices.DeleteFunc(slices.Clone(out.beside), func(e *chunk.Entry) bool { return e.Replaced <= begins })
	out.inputs, out.past = ch.history(kept, in.history), true
	return out, wait
}

// history returns chunks of history to be merged.
func (c *chooser) history(past []*chunk.Entry, keep time.Duration) []*chunk.Entry {
	window := uint64(max(1, keep.Microseconds()/historyWindows))
	of := *c
	of.keyed = false // versions of a key may lie side by side
	for len(past) > 0 {
		at := past[0].Replaced / window
		i := slices.IndexFunc(past, func(e *chunk.Entry) bool { return e.Replaced/window != at })
		var same, rest []*chunk.Entry
		if i < 0 {
			same = past
		} else {
			for _, e := range past {
				if e.Replaced/window == at {
					same = append(same, e)
				} else {
					rest = append(rest, e)
				}
			}
		}
		if in := of.tier(same); in != nil {
			return withBetween(in, same)
		}
		past = rest
	}
	return nil
}

// withBetween returns chosen ones of chunks of history with those whose numbers lie between
// theirs. What is merged gets the greatest number, and what had a greater one than another must
// not have a smaller one then: a mark is not forgotten before a row that it took away.
func withBetween(chosen, all []*chunk.Entry) []*chunk.Entry {
	low, high := chosen[0].Replaced, chosen[0].Replaced
	for _, e := range chosen {
		low, high = min(low, e.Replaced), max(high, e.Replaced)
	}
	return slices.DeleteFunc(slices.Clone(all), func(e *chunk.Entry) bool { return e.Replaced < low || e.Replaced > high })
}

// pastRuns divides chunks of history into runs to be merged, by rising numbers: the first of
// them can be merged without the others, but not some of one number.
func (c *chooser) pastRuns(past []*chunk.Entry) []sortedRun {
	var out []sortedRun
	for same := range byReplaced(past) {
		out = append(out, c.streams(same)...)
	}
	return out
}

// byReplaced divides chunks of history into those of each number, by rising numbers.
func byReplaced(past []*chunk.Entry) iter.Seq[[]*chunk.Entry] {
	sorted := slices.Clone(past)
	slices.SortStableFunc(sorted, func(a, b *chunk.Entry) int { return cmp.Compare(a.Replaced, b.Replaced) })
	return func(yield func([]*chunk.Entry) bool) {
		for len(sorted) > 0 {
			n := slices.IndexFunc(sorted, func(e *chunk.Entry) bool { return e.Replaced != sorted[0].Replaced })
			if n < 0 {
				n = len(sorted)
			}
			if !yield(sorted[:n:n]) {
				return
			}
			sorted = sorted[n:]
		}
	}
}

// keepPast gets a job ready to keep what it takes away, as the table's history.
func (j *compactionJob) keepPast(m *merging) {
	since := j.db.forgetBefore(j.in)
	var together []chunk.VersionRange
	for _, e := range j.inputs {
		j.replaced = max(j.replaced, e.Replaced)
		for _, r := range e.Together {
			if r.Last > since && j.in.history > 0 {
				together = append(together, r)
			}
		}
	}
	j.together = chunk.JoinRanges(together)
	if j.choice.past {
		return
	}
	j.replaced = 0
	if j.in.history <= 0 {
		return
	}
	m.past = &pastRows{in: j.in, mem: j.mem}
	if m.marks != nil {
		m.marks.past = m.past
	}
	// A mark that goes must be remembered as long as rows that it deleted are: not less than
	// all that there is of history. What replaced rows may be ahead of our state: the chunks are
	// those that the log has now.
	j.pastReplaced = uint64(j.db.current.Load().clock)
	for _, e := range j.inputs {
		j.pastReplaced = max(j.pastReplaced, e.VersionMax)
	}
	for _, e := range j.choice.beside {
		j.pastReplaced = max(j.pastReplaced, e.Replaced)
	}
}
