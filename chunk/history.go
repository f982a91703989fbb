package chunk

import (
	"cmp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Chunks of history (Entry.Replaced) hold rows that others have replaced, and those that
// were deleted with their marks, for reads of an earlier state. Who reads the newest one
// does not look at them. The state as of a row version is that of all rows up to it, of
// chunks of history and of others, merged or subtracted as ever.

// A VersionRange is the row versions First to Last of one transaction that took several: they
// are visible together, from Last on.
type VersionRange struct{ First, Last uint64 }

// JoinRanges returns the ranges of several entries as one has them. Two nodes may have taken the
// same versions, each by its own clock: ranges that share some become one. Of more than an entry
// may have the oldest are left out. It sorts what it is given.
func JoinRanges(ranges []VersionRange) []VersionRange {
	slices.SortFunc(ranges, func(a, b VersionRange) int { return cmp.Compare(a.First, b.First) })
	var out []VersionRange
	for _, r := range ranges {
		if n := len(out); n > 0 && r.First <= out[n-1].Last {
			out[n-1].Last = max(out[n-1].Last, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out[max(0, len(out)-maxTogether):]
}

// History says whether the chunk is one of history.
func (e *Entry) History() bool { return e.Replaced > 0 }

// Taken returns the greatest row version that the transactions of the chunk have taken, as far as
// it is known.
func (e *Entry) Taken() uint64 {
	v := e.VersionMax
	if n := len(e.Together); n > 0 {
		v = max(v, e.Together[n-1].Last)
	}
	return v
}

// AsOf returns the version up to which rows of the chunk are there as of another one: that, or
// that before a transaction of which the chunk has rows and which was not over.
func (e *Entry) AsOf(version int64) int64 {
	for _, r := range e.Together {
		if uint64(version) >= r.First && uint64(version) < r.Last {
			return int64(r.First) - 1
		}
	}
	return version
}

// of returns the spec of the rows of a chunk, or of a batch (nil), as of AsOf.
func (s ScanSpec) of(e *Entry) ScanSpec {
	if s.AsOf == 0 {
		return s
	}
	version := s.AsOf
	if e != nil {
		version = e.AsOf(version)
	}
	s.Filter = append(slices.Clip(s.Filter), Predicate{Column: schema.RowVersionColumn, Op: OpLE, Values: []datum.Value{version}})
	return s
}

// ByVersion is the layout by which runs in memory and chunks of history are sorted, and their
// rows told apart: where there may be several versions of a key they are in their order.
func (l *Layout) ByVersion() *Layout {
	if !l.History || !l.Keyed() {
		return l
	}
	out := *l
	out.SortKey = append(slices.Clip(l.SortKey), schema.RowVersionColumn)
	return &out
}

// SplitVersions parts a run of a keyed table with Layout.History, as MergeRows makes it, into
// the newest row of each key and those that it replaced, nil if there are none. replaced is the
// greatest version that replaced a row. The caller releases the results.
func SplitVersions(mem memory.Allocator, l *Layout, run arrow.RecordBatch) (newest, older arrow.RecordBatch, replaced uint64, err error) {
	n := int(run.NumRows())
	c := newKeyComparer(l, run, keyArrays(l, run))
	versions, err := batchVersions(l, run)
	if err != nil {
		return nil, nil, 0, err
	}
	kept, gone := make([]int32, 0, n), []int32(nil)
	for i := range n {
		if i+1 == n || c.compare(i, i+1) != 0 {
			kept = append(kept, int32(i))
		} else {
			gone = append(gone, int32(i))
			replaced = max(replaced, uint64(versions[i+1]))
		}
	}
	if gone == nil {
		run.Retain()
		return run, nil, 0, nil
	}
	if newest, err = TakeBatch(mem, l, run, kept); err != nil {
		return nil, nil, 0, err
	}
	if older, err = TakeBatch(mem, l, run, gone); err != nil {
		newest.Release()
		return nil, nil, 0, err
	}
	return newest, older, replaced, nil
}
