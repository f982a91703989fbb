package commitlog

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// Apply returns the state after commit c at sequence number seq, which is the
// one after m's. The preconditions are judged against m; an error wraps
// ErrPrecondition, unless c is malformed or a page could not be read, as chunks
// that c removes, or seems to add for the second time, may make necessary.
func (m *Manifest) Apply(ctx context.Context, seq uint64, c *Commit) (*Manifest, error) {
	if seq != m.seq+1 {
		return nil, malformed("commit %d for a log of %d", seq, m.seq)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	next := new(Manifest)
	*next = *m
	next.seq = seq
	if err := next.fold(ctx, c); err != nil {
		return nil, err
	}
	next.schema = max(m.schema, c.Schema)
	next.recent = appendLimited(m.recent, c.ID, recentLimit)
	return next, nil
}

// With returns the state with a flush that is further on in the log than m: who made
// it may take it in although others have committed between, of which m knows
// nothing. It has m's sequence number. Nothing is read from the store, unless the
// fingerprint of a chunk is that of another.
func (m *Manifest) With(ctx context.Context, c *Commit) (*Manifest, error) {
	next, err := m.Apply(ctx, m.seq+1, c)
	if err != nil {
		return nil, err
	}
	next.seq = m.seq
	next.recent = m.recent
	return next, nil
}

// Has tells whether the sources of a commit are folded in as far as it does that.
func (m *Manifest) Has(c *Commit) bool {
	for _, i := range c.Sources {
		if m.Folded(i.Source) < i.To && !m.Ended(i.Source) {
			return false
		}
	}
	return true
}

// appendLimited returns a new slice of the last items, at most limit, and item.
func appendLimited[T any](items []T, item T, limit int) []T {
	items = items[max(0, len(items)+1-limit):]
	return append(append(make([]T, 0, len(items)+1), items...), item)
}

// fold changes m, which is a shallow copy that is not published yet: what
// hangs below it is replaced, never changed.
func (m *Manifest) fold(ctx context.Context, c *Commit) error {
	switch c.Kind {
	case Flush:
		return m.flush(ctx, c)
	case Compaction:
		return m.compact(ctx, c)
	case Retention:
		return m.retain(ctx, c)
	case Horizon:
		m.raiseHorizon(c)
		return nil
	default:
		return m.checkpoint(c)
	}
}

func (m *Manifest) flush(ctx context.Context, c *Commit) error {
	if err := m.takeOver(c); err != nil {
		return err
	}
	for _, i := range c.Sources {
		if owner := m.Owner(i.Source); owner != c.By {
			return unmet(SourceOwner, "%v flushes source %v, which %v has taken over", c.By, i.Source, owner)
		}
	}
	if err := m.advance(c.Sources); err != nil {
		return err
	}
	return m.add(ctx, c.Adds)
}

// takeOver makes the committer the owner of the sources that it seals.
func (m *Manifest) takeOver(c *Commit) error {
	if m.Ended(c.By) {
		return unmet(SourceAlive, "the committer %v has been forgotten", c.By)
	}
	if owner := m.Owner(c.By); owner != c.By {
		return unmet(SourceOwner, "the committer %v has been sealed by %v", c.By, owner)
	}
	if len(c.Seals) == 0 {
		return nil
	}
	m.sources = slices.Clone(m.sources)
	for _, s := range c.Seals {
		if m.Ended(s) {
			return unmet(SourceAlive, "source %v has been forgotten", s)
		}
		m.know(s).Owner = c.By
	}
	return nil
}

// know returns the state of a source in m.sources, which must be m's own.
func (m *Manifest) know(s Source) *SourceState {
	i, ok := m.source(s)
	if !ok {
		m.sources = slices.Insert(m.sources, i, SourceState{Source: s, Owner: s})
	}
	return &m.sources[i]
}

// advance folds the intervals in.
func (m *Manifest) advance(intervals []Interval) error {
	if len(intervals) == 0 {
		return nil
	}
	m.sources = slices.Clone(m.sources)
	for _, i := range intervals {
		if m.Ended(i.Source) {
			return unmet(SourceAlive, "source %v has been forgotten", i.Source)
		}
		if folded := m.Folded(i.Source); folded != i.From {
			return unmet(SourcePosition, "source %v is folded up to %d, the commit begins at %d", i.Source, folded, i.From)
		}
		if i.From < i.To {
			m.know(i.Source).Folded = i.To
		}
	}
	return nil
}

func (m *Manifest) compact(ctx context.Context, c *Commit) error {
	inputs, err := m.live(ctx, c.Removes)
	if err != nil {
		return err
	}
	if err := m.add(ctx, c.Adds); err != nil {
		return err
	}
	m.remove(inputs, c.Time)
	return nil
}

func (m *Manifest) retain(ctx context.Context, c *Commit) error {
	if c.Schema < m.schema {
		return unmet(SchemaCurrent, "made under version %d, the log has seen %d", c.Schema, m.schema)
	}
	if err := m.advance(c.Sources); err != nil {
		return err
	}
	removed, err := m.live(ctx, c.Removes)
	if err != nil {
		return err
	}
	m.remove(removed, c.Time)
	m.forgetHistory(removed)
	return nil
}

// live returns chunks that a commit removes.
func (m *Manifest) live(ctx context.Context, ids []chunk.ID) ([]*chunk.Entry, error) {
	entries := make([]*chunk.Entry, len(ids))
	for i, id := range ids {
		e, err := m.Chunk(ctx, id)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, unmet(ChunkLive, "chunk %v is not live", id)
		}
		entries[i] = e
	}
	return entries, nil
}

// forgetHistory notes that chunks of history are gone, but for those of which the whole slice
// is.
func (m *Manifest) forgetHistory(removed []*chunk.Entry) {
	for _, e := range removed {
		if e.Replaced <= m.historyFrom {
			continue
		}
		of := func(s SliceInfo) int { return cmp.Compare(s.Slice, e.Slice) }
		if _, there := m.slices.find(of); there {
			m.historyFrom = e.Replaced
		}
	}
}

// raiseHorizon never lowers it. Freed chunks are not listed any more, also those at or
// above the horizon: no commit adds them again, for flushes begin where their sources
// are folded up to and inputs of compactions are live.
func (m *Manifest) raiseHorizon(c *Commit) {
	if compareIDs(c.Horizon, m.horizon) > 0 {
		m.horizon = c.Horizon
	}
	if len(c.Freed) == 0 {
		return
	}
	garbage := m.garbage.edit(compareGarbage)
	for _, id := range c.Freed {
		garbage.remove(Garbage{Entry: &chunk.Entry{ID: id}})
	}
	m.garbage = garbage.done()
}

func (m *Manifest) checkpoint(c *Commit) error {
	if c.Base <= m.base.seq || c.Base >= m.seq {
		return unmet(CheckpointNewer, "checkpoint %d at commit %d, %d is in use", c.Base, m.seq, m.base.seq)
	}
	m.previous, m.base = m.base, storedName{c.Base, c.BaseHash}
	for _, s := range c.Forget {
		m.forget(s)
	}
	return nil
}

// forget removes a source that will have no more rows. The end of the list of
// ended ones keeps it in mind.
func (m *Manifest) forget(s Source) {
	if i, ok := m.source(s); ok {
		m.sources = slices.Delete(slices.Clone(m.sources), i, i+1)
	}
	if !m.Ended(s) {
		m.ended = appendLimited(m.ended, s, endedLimit)
	}
}

// add makes chunks live.
func (m *Manifest) add(ctx context.Context, entries []*chunk.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	pages, infos := m.editPages(), m.slices.edit(compareSlices)
	for _, e := range entries {
		if compareIDs(e.ID, m.horizon) < 0 {
			return unmet(ChunkAge, "chunk %v is older than the horizon %v", e.ID, m.horizon)
		}
		there, err := m.knows(ctx, e.ID)
		if err != nil {
			return err
		}
		if there {
			return unmet(ChunkNew, "chunk %v has been added before", e.ID)
		}
		if e.From >= m.seq {
			return unmet(ChunkFrom, "chunk %v was made from the state after commit %d, this is commit %d", e.ID, e.From, m.seq)
		}
		pages.add(e)
		m.tally(infos, e, 1)
	}
	pages.done(m)
	m.slices = infos.done()
	return nil
}

// knows tells whether a chunk is live, or was and has not been freed.
func (m *Manifest) knows(ctx context.Context, id chunk.ID) (bool, error) {
	if _, gone := m.discarded(id); gone {
		return true, nil
	}
	e, err := m.Chunk(ctx, id)
	return e != nil, err
}

// remove makes live chunks, each given once, garbage.
func (m *Manifest) remove(entries []*chunk.Entry, now time.Time) {
	if len(entries) == 0 {
		return
	}
	pages, infos, garbage := m.editPages(), m.slices.edit(compareSlices), m.garbage.edit(compareGarbage)
	removed := time.UnixMicro(now.UnixMicro()).UTC() // as a reader of the log finds it
	for _, e := range entries {
		pages.remove(e)
		m.tally(infos, e, -1)
		garbage.put(Garbage{Entry: e, Removed: removed})
	}
	pages.done(m)
	m.slices, m.garbage = infos.done(), garbage.done()
}

// tally adds a chunk to the sums, or takes it away (n = -1).
func (m *Manifest) tally(infos *editor[SliceInfo], e *chunk.Entry, n int) {
	size := blobBytes(e)
	m.count += n
	m.loose++
	m.rows += int64(n * e.Rows)
	m.bytes += int64(n) * size
	info := SliceInfo{Slice: e.Slice}
	if bi, i, ok := infos.find(info); ok {
		info = infos.blocks[bi][i]
	}
	info.Chunks += n
	info.Rows += int64(n * e.Rows)
	info.Bytes += int64(n) * size
	if info.Chunks == 0 {
		infos.remove(info)
		return
	}
	infos.put(info)
}
