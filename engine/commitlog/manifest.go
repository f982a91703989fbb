package commitlog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// A Manifest is the folded state of a commit log up to one entry. It is
// immutable and safe for concurrent use; so are the things it hands out, which
// nobody may modify. The zero value is the state of a log without entries.
//
// Of the live chunks it has summaries in memory, a page of some hundred a time;
// what walks over chunks reads the pages that it comes to from the store, through
// a PageCache, and fails if one cannot be read: with the store's error, with one
// that wraps chunk.ErrCorrupt, or with 72000 (snapshot too old) if chunks that it
// has were removed and freed.
type Manifest struct {
	seq uint64
	// base is the checkpoint that readers begin with, the zero value for none;
	// previous is the one before it, which may not have been deleted yet.
	base, previous storedName
	schema         uint64
	horizon        chunk.ID

	pages   []*page         // the live chunks, by compareChunks
	count   int             // of live chunks
	slices  list[SliceInfo] // by Slice
	rows    int64
	bytes   int64
	sources []SourceState // by Source
	ended   []Source      // forgotten ones, the latest last, at most endedLimit
	garbage list[Garbage] // by ID
	recent  []CommitID    // of the last commits up to seq, at most recentLimit
	// historyFrom is the row version from which on the chunks of history are complete.
	historyFrom uint64

	// What follows is of the pages in the store, and not of the log's state: it
	// depends on which checkpoint the manifest was read from, and is what makes it
	// descend from it.
	pager   *pager        // nil if none of the pages is in the store
	anchor  storedName    // the checkpoint that has the stored pages
	loose   int           // chunks added and removed since
	retired []retiredPage // of the anchor: pages that checkpoints do not need any more
	dropped []*storedName // of the anchor, that no page refers to any more
}

// A retiredPage is in the store for readers of older states only.
type retiredPage struct {
	storedName
	at time.Time // when the first checkpoint without it was written
}

// endedLimit is how many forgotten sources a log remembers: a zombie's commit
// is refused even if so many others have ended since.
const endedLimit = 64

// recentLimit is how many IDs of commits a log remembers, so that a writer that
// was cut off finds out what became of its commit although its entry was trimmed.
const recentLimit = 256

// A SourceState is what a log knows of a source.
type SourceState struct {
	Source Source
	Folded uint64 // all positions up to this one are in chunks, or deleted
	// Owner is the source that flushes this one: itself, or who took it over.
	Owner Source
}

// A SliceInfo sums up the live chunks of a slice.
type SliceInfo struct {
	Slice  int64
	Chunks int
	Rows   int64
	Bytes  int64 // of column blobs
}

// Garbage is a removed chunk whose blobs have not been freed, as far as the log knows.
type Garbage struct {
	Entry   *chunk.Entry
	Removed time.Time // the time of the commit that removed it
}

// Seq returns the sequence number of the last folded commit, 0 if there is none.
func (m *Manifest) Seq() uint64 { return m.seq }

// Schema returns the highest schema version of the folded commits.
func (m *Manifest) Schema() uint64 { return m.schema }

// Horizon returns the least chunk ID that may still be added.
func (m *Manifest) Horizon() chunk.ID { return m.horizon }

// Len returns the number of live chunks.
func (m *Manifest) Len() int { return m.count }

// Rows returns the number of rows of the live chunks, marks of deletes and the rows
// that they delete included.
func (m *Manifest) Rows() int64 { return m.rows }

// Bytes returns the size of the live chunks' blobs.
func (m *Manifest) Bytes() int64 { return m.bytes }

// VersionMax returns the greatest row version that the transactions of the live chunks, or of
// some that were live, have taken.
func (m *Manifest) VersionMax() uint64 {
	v := uint64(0)
	for _, p := range m.pages {
		v = max(v, p.versionMax)
	}
	return v
}

// Time returns the range of the finite times in the live chunks, Min > Max if
// there are none. It reads the pages that chunks were removed from since the last
// checkpoint.
func (m *Manifest) Time(ctx context.Context) (chunk.TimeRange, error) {
	r := noTime
	for _, p := range m.pages {
		if !p.shrunk {
			r = union(r, p.time)
			continue
		}
		entries, err := p.entries(ctx, m.pager)
		if err != nil {
			return noTime, err
		}
		for _, e := range entries {
			r = union(r, e.Time)
		}
	}
	return r, nil
}

// Chunks yields the live chunks by slice, then KeyMin, then ID. A failure is the
// last pair.
func (m *Manifest) Chunks(ctx context.Context) iter.Seq2[*chunk.Entry, error] {
	return func(yield func(*chunk.Entry, error) bool) {
		for _, p := range m.pages {
			if !m.yieldPage(ctx, p, yield) {
				return
			}
		}
	}
}

// yieldPage yields the chunks of a page. It returns false if the walk is over.
func (m *Manifest) yieldPage(ctx context.Context, p *page, yield func(*chunk.Entry, error) bool) bool {
	entries, err := p.entries(ctx, m.pager)
	if err != nil {
		yield(nil, err)
		return false
	}
	for _, e := range entries {
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// ChunksOf yields the live chunks of a slice by KeyMin, then ID. A failure is the
// last pair.
func (m *Manifest) ChunksOf(ctx context.Context, slice int64) iter.Seq2[*chunk.Entry, error] {
	return m.ChunksIn(ctx, ChunkRange{Slice: slice})
}

// A ChunkRange says which chunks of a slice are wanted.
type ChunkRange struct {
	Slice int64
	// KeyMin and KeyMax are keys that a chunk's have to overlap, both inclusive; nil
	// is no bound.
	KeyMin, KeyMax []byte
	// Newer is a row version that a chunk's have to exceed; 0 for chunks without.
	Newer uint64
}

// may tells whether a page may have such a chunk.
func (r *ChunkRange) may(p *page) bool {
	return p.first.slice <= r.Slice && r.Slice <= p.last.slice && (r.Newer == 0 || p.versionMax > r.Newer) &&
		(r.KeyMin == nil || bytes.Compare(p.keyMax, r.KeyMin) >= 0)
}

// over tells whether neither the page nor any after it has such a chunk.
func (r *ChunkRange) over(p *page) bool {
	return p.first.slice > r.Slice || p.first.slice == r.Slice && r.KeyMax != nil && bytes.Compare(p.first.key, r.KeyMax) > 0
}

// ChunksIn yields the live chunks of a slice that are in a range, and perhaps
// others of the slice, by KeyMin, then ID. Pages that have none in the range are not
// read. A failure is the last pair.
func (m *Manifest) ChunksIn(ctx context.Context, r ChunkRange) iter.Seq2[*chunk.Entry, error] {
	return func(yield func(*chunk.Entry, error) bool) {
		if len(m.pages) == 0 {
			return
		}
		for _, p := range m.pages[pageAt(m.pages, place{slice: r.Slice}):] {
			if r.over(p) {
				return
			}
			if !r.may(p) {
				continue
			}
			entries, err := p.entries(ctx, m.pager)
			if err != nil {
				yield(nil, err)
				return
			}
			at, _ := slices.BinarySearchFunc(entries, r.Slice, func(e *chunk.Entry, slice int64) int { return cmp.Compare(e.Slice, slice) })
			for _, e := range entries[at:] {
				if e.Slice != r.Slice {
					break
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Chunk returns a live chunk, nil if there is none with the ID.
func (m *Manifest) Chunk(ctx context.Context, id chunk.ID) (*chunk.Entry, error) {
	print := fingerprint(id)
	for _, p := range m.pages {
		if !p.mayHave(print) {
			continue
		}
		entries, err := p.entries(ctx, m.pager)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(entries, func(e *chunk.Entry) bool { return e.ID == id }); i >= 0 {
			return entries[i], nil
		}
	}
	return nil, nil
}

// fingerprints returns those of all live chunks' IDs, sorted.
func (m *Manifest) fingerprints() []uint64 {
	out := make([]uint64, 0, m.count)
	for _, p := range m.pages {
		out = append(out, p.prints...)
	}
	slices.Sort(out)
	return out
}

// Slices yields the slices that have live chunks, in order.
func (m *Manifest) Slices() iter.Seq[SliceInfo] { return m.slices.all() }

// Folded returns the position up to which a source is folded, 0 if the log does
// not know the source.
func (m *Manifest) Folded(s Source) uint64 {
	if i, ok := m.source(s); ok {
		return m.sources[i].Folded
	}
	return 0
}

// Owner returns the source that flushes s: s itself unless it was taken over.
func (m *Manifest) Owner(s Source) Source {
	if i, ok := m.source(s); ok {
		return m.sources[i].Owner
	}
	return s
}

// Ended tells whether the log remembers that the source was forgotten: what
// still turns up under its name does not count.
func (m *Manifest) Ended(s Source) bool { return slices.Contains(m.ended, s) }

// HistoryFrom returns the least row version as of which the rows can be told, as far as
// chunks of history have been removed.
func (m *Manifest) HistoryFrom() uint64 { return m.historyFrom }

// Sources returns what the log knows of sources, sorted.
func (m *Manifest) Sources() []SourceState { return m.sources }

// Garbage yields the removed chunks that have not been freed, by ID.
func (m *Manifest) Garbage() iter.Seq[Garbage] { return m.garbage.all() }

// Recent tells whether the commit is among the last recentLimit ones.
func (m *Manifest) Recent(id CommitID) bool { return slices.Contains(m.recent, id) }

// String sums the manifest up for logs and tests.
func (m *Manifest) String() string {
	return fmt.Sprintf("seq %d: %d chunks, %d rows, %d bytes, %d sources, %d garbage",
		m.seq, m.count, m.rows, m.bytes, len(m.sources), m.garbage.n)
}

func (m *Manifest) source(s Source) (int, bool) {
	return slices.BinarySearchFunc(m.sources, s, func(have SourceState, s Source) int { return have.Source.Compare(s) })
}

func (m *Manifest) discarded(id chunk.ID) (Garbage, bool) {
	return m.garbage.find(func(g Garbage) int { return compareIDs(g.Entry.ID, id) })
}

// remembers tells whether the log would know a commit with that sequence number by its ID.
func (m *Manifest) remembers(seq uint64) bool {
	return seq <= m.seq && m.seq-seq < uint64(len(m.recent))
}

func compareIDs(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) }

func compareChunks(a, b *chunk.Entry) int {
	return cmp.Or(cmp.Compare(a.Slice, b.Slice), bytes.Compare(a.KeyMin, b.KeyMin), compareIDs(a.ID, b.ID))
}

func compareSlices(a, b SliceInfo) int { return cmp.Compare(a.Slice, b.Slice) }

func compareGarbage(a, b Garbage) int { return compareIDs(a.Entry.ID, b.Entry.ID) }

// blobBytes is the size of a chunk's blobs.
func blobBytes(e *chunk.Entry) int64 {
	total := int64(0)
	for i := range e.Columns {
		total += e.Columns[i].Size
	}
	return total
}

// Sample returns about n live chunks, from places all over the manifest. It reads a quarter
// as many pages at most.
func (m *Manifest) Sample(ctx context.Context, n int) ([]*chunk.Entry, error) {
	pages := min(len(m.pages), max(n/4, 1))
	var out []*chunk.Entry
	for i := range pages {
		entries, err := m.pages[i*len(m.pages)/pages].entries(ctx, m.pager)
		if err != nil {
			return nil, err
		}
		take := min(len(entries), max(n/pages, 1))
		for k := range take {
			out = append(out, entries[k*len(entries)/take])
		}
	}
	return out, nil
}
