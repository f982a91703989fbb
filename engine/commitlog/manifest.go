package commitlog

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// A Manifest is the folded state of a commit log up to one entry. It is
// immutable and safe for concurrent use; so are the things it hands out, which
// nobody may modify. The zero value is the state of a log without entries.
type Manifest struct {
	seq uint64
	// base is the checkpoint that readers begin with, 0 for none; previous is
	// the one before it, which may not have been deleted yet.
	base, previous uint64
	schema         uint64
	horizon        chunk.ID

	chunks     list[*chunk.Entry] // by compareChunks
	byID       list[*chunk.Entry] // the same, by ID
	slices     list[SliceInfo]    // by Slice
	rows       int64
	bytes      int64
	sources    []SourceState // by Source
	ended      []Source      // forgotten ones, the latest last, at most endedLimit
	tombstones []tombstone   // by Seq
	garbage    list[Garbage] // by ID
	recent     []CommitID    // of the last commits up to seq, at most recentLimit
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

type tombstone struct {
	*Tombstone
	pending int // live chunks that it concerns
}

// Seq returns the sequence number of the last folded commit, 0 if there is none.
func (m *Manifest) Seq() uint64 { return m.seq }

// Schema returns the highest schema version of the folded commits.
func (m *Manifest) Schema() uint64 { return m.schema }

// Horizon returns the least chunk ID that may still be added.
func (m *Manifest) Horizon() chunk.ID { return m.horizon }

// Len returns the number of live chunks.
func (m *Manifest) Len() int { return m.chunks.n }

// Rows returns the number of rows of the live chunks, deleted ones that
// tombstones still have to take away included.
func (m *Manifest) Rows() int64 { return m.rows }

// Bytes returns the size of the live chunks' blobs.
func (m *Manifest) Bytes() int64 { return m.bytes }

// Chunks yields the live chunks by slice, then KeyMin, then ID.
func (m *Manifest) Chunks() iter.Seq[*chunk.Entry] { return m.chunks.all() }

// ChunksOf yields the live chunks of a slice by KeyMin, then ID.
func (m *Manifest) ChunksOf(slice int64) iter.Seq[*chunk.Entry] {
	return func(yield func(*chunk.Entry) bool) {
		for e := range m.chunks.from(func(e *chunk.Entry) int { return cmp.Compare(e.Slice, slice) }) {
			if e.Slice != slice || !yield(e) {
				return
			}
		}
	}
}

// Chunk returns a live chunk, nil if there is none with the ID.
func (m *Manifest) Chunk(id chunk.ID) *chunk.Entry {
	e, _ := m.byID.find(func(e *chunk.Entry) int { return compareIDs(e.ID, id) })
	return e
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

// Sources returns what the log knows of sources, sorted.
func (m *Manifest) Sources() []SourceState { return m.sources }

// Tombstones returns the tombstones that concern live chunks or rows that are
// not in chunks yet, the oldest first.
func (m *Manifest) Tombstones() []*Tombstone {
	out := make([]*Tombstone, len(m.tombstones))
	for i, t := range m.tombstones {
		out[i] = t.Tombstone
	}
	return out
}

// Garbage yields the removed chunks that have not been freed, by ID.
func (m *Manifest) Garbage() iter.Seq[Garbage] { return m.garbage.all() }

// Recent tells whether the commit is among the last recentLimit ones.
func (m *Manifest) Recent(id CommitID) bool { return slices.Contains(m.recent, id) }

// String sums the manifest up for logs and tests.
func (m *Manifest) String() string {
	return fmt.Sprintf("seq %d: %d chunks, %d rows, %d bytes, %d sources, %d tombstones, %d garbage",
		m.seq, m.chunks.n, m.rows, m.bytes, len(m.sources), len(m.tombstones), m.garbage.n)
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

// lastTombstone returns the sequence number of the newest tombstone, 0 if there is none.
func (m *Manifest) lastTombstone() uint64 {
	if n := len(m.tombstones); n > 0 {
		return m.tombstones[n-1].Seq
	}
	return 0
}

func compareIDs(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) }

func compareChunks(a, b *chunk.Entry) int {
	return cmp.Or(cmp.Compare(a.Slice, b.Slice), bytes.Compare(a.KeyMin, b.KeyMin), compareIDs(a.ID, b.ID))
}

func compareByID(a, b *chunk.Entry) int { return compareIDs(a.ID, b.ID) }

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
