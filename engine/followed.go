package engine

import (
	"iter"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/ingest"
)

// A followed is what a source log of another node has for a partition and the
// partition's manifest has not. Its owner writes it to chunks; here it is cut off
// as the manifest tells of that. It is immutable.
type followed struct {
	source commitlog.Source
	delta  *delta
	steps  followedSteps
}

// A followedStep is what one entry of the log added, so that it can be taken away
// again.
type followedStep struct {
	pos     uint64
	version int64 // greatest row version of the entry's records
	staged  int
	rows    []sliceCount // in tables without a key, whose runs keep the order of rows
}

type sliceCount struct{ slice, rows int64 }

// followedSteps are steps by rising position, in blocks, so that adding one to
// immutable ones copies few.
type followedSteps [][]followedStep

const stepBlock = 256

func (s followedSteps) add(step followedStep) followedSteps {
	n := len(s)
	if n == 0 || len(s[n-1]) == stepBlock {
		return append(s[:n:n], []followedStep{step})
	}
	s = slices.Clone(s)
	last := s[n-1]
	s[n-1] = append(last[:len(last):len(last)], step)
	return s
}

// cut divides steps into those up to a position and those above it.
func (s followedSteps) cut(pos uint64) (upTo, above followedSteps) {
	for i, block := range s {
		n := sort.Search(len(block), func(i int) bool { return block[i].pos > pos })
		if n > 0 {
			upTo = append(upTo, block[:n])
		}
		if n < len(block) {
			above = append(append(above, block[n:]), s[i+1:]...)
			break
		}
	}
	return upTo, above
}

// all returns the steps one after the other.
func (s followedSteps) all() iter.Seq[followedStep] {
	return func(yield func(followedStep) bool) {
		for _, block := range s {
			for _, step := range block {
				if !yield(step) {
					return
				}
			}
		}
	}
}

func (f followed) bytes() int64 {
	if f.delta == nil {
		return 0
	}
	return f.delta.bytes()
}

// add adds a part of an entry's record: rows of all the layout's columns, or nil,
// and staged chunks. Parts come by rising position.
func (f followed) add(mem memory.Allocator, in *tableInfo, pos uint64, version int64, rows arrow.RecordBatch, staged []*chunk.Entry) (followed, error) {
	step := followedStep{pos: pos, version: version, staged: len(staged)}
	d := f.delta
	if rows != nil {
		next, err := d.add(mem, in.layout, rows)
		if err != nil {
			return f, err
		}
		if !in.keyed() {
			for _, s := range next.slices {
				if n := s.rows.Count() - d.slice(s.slice).Count(); n > 0 {
					step.rows = append(step.rows, sliceCount{s.slice, n})
				}
			}
		}
		d = next
	}
	if len(staged) > 0 {
		d = d.attach(staged)
	}
	return followed{source: f.source, delta: d, steps: f.steps.add(step)}, nil
}

// after returns what came after a position.
func (f followed) after(mem memory.Allocator, in *tableInfo, pos uint64) (followed, error) {
	cut, rest := f.steps.cut(pos)
	switch {
	case len(cut) == 0:
		return f, nil
	case len(rest) == 0:
		return followed{source: f.source, delta: emptyDelta}, nil
	}
	gone := map[int64]int64{} // rows by slice
	out := followed{source: f.source, steps: rest}
	d := *f.delta
	version := int64(0)
	staged := 0
	for s := range cut.all() {
		version = max(version, s.version)
		staged += s.staged
		for _, c := range s.rows {
			gone[c.slice] += c.rows
		}
	}
	d.staged = slices.Clone(d.staged[staged:])
	d.slices = nil
	for _, s := range f.delta.slices {
		rest := s
		var err error
		if in.keyed() {
			rest.rows, err = newerRows(mem, in, s.rows, version)
		} else {
			rest.rows, err = laterRows(mem, in, s.rows, gone[s.slice])
		}
		if err != nil {
			return f, err
		}
		if rest.rows.Count() > 0 {
			d.slices = append(d.slices, rest)
		}
	}
	out.delta = &d
	return out, nil
}

// laterRows returns the rows without the first n.
func laterRows(mem memory.Allocator, in *tableInfo, rows ingest.Rows, n int64) (ingest.Rows, error) {
	if n == 0 {
		return rows, nil
	}
	out := ingest.Rows{}
	for _, run := range rows.Runs() {
		if n >= run.NumRows() {
			n -= run.NumRows()
			continue
		}
		rest := run.NewSlice(n, run.NumRows())
		n = 0
		var err error
		out, err = out.Add(mem, in.layout, rest)
		rest.Release()
		if err != nil {
			return rows, err
		}
	}
	return out, nil
}

// newerRows returns the rows of a keyed table that are newer than a version.
// Versions rise with the position in a log. Rows that newer ones of the same key
// replaced are not there any more, which is as well: they are in chunks.
func newerRows(mem memory.Allocator, in *tableInfo, rows ingest.Rows, version int64) (ingest.Rows, error) {
	out := ingest.Rows{}
	for _, run := range rows.Runs() {
		versions := run.Column(int(run.NumCols()) - 1).(*array.Int64)
		var kept []int32
		for row := range versions.Len() {
			if versions.Value(row) > version {
				kept = append(kept, int32(row))
			}
		}
		if len(kept) == 0 {
			continue
		}
		rest, err := in.take(mem, run, kept)
		if err != nil {
			return rows, err
		}
		out, err = out.Add(mem, in.layout, rest)
		rest.Release()
		if err != nil {
			return rows, err
		}
	}
	return out, nil
}

// followedOf returns what a partition has of a followed source, empty if nothing.
func (p *partState) followedOf(src commitlog.Source) followed {
	for _, f := range p.others {
		if f.source == src {
			return f
		}
	}
	return followed{source: src, delta: emptyDelta}
}

// putFollowed sets what a partition, which is the caller's own, has of a source.
func (p *partState) putFollowed(f followed) {
	others := make([]followed, 0, len(p.others)+1)
	found := false
	for _, o := range p.others {
		if o.source == f.source {
			o, found = f, true
		}
		if !o.delta.empty() {
			others = append(others, o)
		}
	}
	if !found && !f.delta.empty() {
		others = append(others, f)
	}
	p.others = others
}

// cutFollowed takes away what the manifest has. It returns how many bytes fewer
// the partition holds.
func (p *partState) cutFollowed(mem memory.Allocator, in *tableInfo) (freed int64, err error) {
	for _, f := range p.others {
		pos := p.manifest.Folded(f.source)
		if p.manifest.Ended(f.source) {
			pos = ^uint64(0) - 1
		}
		rest, err := f.after(mem, in, pos)
		if err != nil {
			return freed, err
		}
		if rest.delta != f.delta {
			freed += f.delta.bytes() - rest.delta.bytes()
			p.putFollowed(rest)
		}
	}
	return freed, nil
}

// deltas are what a partition has above its chunks, from old to new as far as
// that is known: versions tell the order between nodes.
func (p *partState) deltas() []*delta {
	out := make([]*delta, 0, len(p.others)+3)
	for _, f := range p.others {
		out = append(out, f.delta)
	}
	if p.flushing != nil {
		out = append(out, p.flushing)
	}
	if !p.pending.empty() {
		out = append(out, p.pending)
	}
	if p.journaled.delta != nil {
		out = append(out, p.journaled.delta)
	}
	return out
}
