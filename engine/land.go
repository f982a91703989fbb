package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
)

// How what a round has read, or a flush has committed, becomes a state. What is in
// chunks follows from the manifests alone: rows of others up to the position that
// one has folded in go, and so does a delta of ours that it has.

// publish makes a state of what was read.
func (f *follower) publish(r *findings, src commitlog.Source, fresh bool) {
	db := f.c.db
	var went []*storageState
	own := map[datum.OID]bool{}
	forwarded := f.c.journal.forwardedIn(r)
	s := db.publish(func(old *state) *state {
		s := old.clone()
		if r.catalog.Seq > s.catalog.Seq {
			var err error
			if s, went, err = s.withCatalog(db, r.catalog); err != nil {
				panic(fmt.Sprintf("engine: bug: catalogue entry %d does not apply: %v", r.catalog.Seq, err))
			}
			db.relayout(s, old)
			db.clock.Observe(s.position())
		}
		if fresh {
			db.reset(s, own)
		}
		for id, m := range r.manifests {
			db.applyManifest(s, own, src, id, m)
		}
		s.heads = f.headsOf(s)
		for _, sr := range r.sources {
			db.applyReading(s, own, sr)
		}
		db.cutForwarded(s, own, forwarded)
		if f.full {
			s.clock = max(s.clock, newestVersion(s, r.manifests))
		}
		db.clock.Observe(s.clock) // before anybody can build on what is in the state
		return s
	})
	if forwarded > 0 {
		f.c.journal.reach(forwarded)
	}
	for _, sr := range r.sources {
		if sr.sealed {
			f.sealed[sr.source] = true
		}
	}
	clear(f.opened)
	f.note(r.there)
	db.reclaimStorages(s.number, went)
	f.c.members.saw(s.catalog.Seq)
}

// headsOf returns the heads for a state under construction, with the sources that
// are gone. Those that no manifest knows any more are forgotten in full rounds.
func (f *follower) headsOf(s *state) map[commitlog.Source]uint64 {
	heads := maps.Clone(s.heads)
	if heads == nil {
		heads = map[commitlog.Source]uint64{}
	}
	known := map[commitlog.Source]bool{}
	if f.full {
		for _, st := range s.storages {
			for _, p := range st.parts {
				for _, src := range p.manifest.Sources() {
					known[src.Source] = true
				}
			}
		}
	}
	for src, floor := range f.floors {
		switch {
		case floor != gone:
		case f.full && !known[src]:
			delete(f.floors, src)
			delete(heads, src)
		default:
			heads[src] = gone
		}
	}
	return heads
}

// newestVersion returns the greatest row version in the chunks of tables that have them. A
// round that has not read all records does not know it from them.
func newestVersion(s *state, manifests map[chunk.PartitionID]*commitlog.Manifest) int64 {
	version := uint64(0)
	for id, m := range manifests {
		if st := s.storages[id.Table]; st == nil || !st.info.versioned() {
			continue
		}
		version = max(version, m.VersionMax())
	}
	return int64(version)
}

// reset makes the partitions of a state as they are for a node that has not
// committed anything, but to its journal, and follows nobody.
func (db *DB) reset(s *state, own map[datum.OID]bool) {
	for oid := range s.storages {
		st := s.storage(oid, own)
		st.changed = s.clock + 1 // for all that is known
		for i, p := range st.parts {
			db.unbuffer(p)
			st.parts[i] = &partState{part: p.part, manifest: p.manifest, pending: emptyDelta, journaled: p.journaled}
			db.buffered.Add(p.journaled.bytes())
		}
	}
	s.head, s.heads = 0, nil
}

// applyManifest gives a partition what its commit log says, and takes from it what
// that has of rows in memory. src is our source.
func (db *DB) applyManifest(s *state, own map[datum.OID]bool, src commitlog.Source, id chunk.PartitionID, m *commitlog.Manifest) {
	st := s.storage(id.Table, own)
	if st == nil {
		return
	}
	old := st.part(id.Key)
	if old == nil {
		if old = db.newPartState(id); old == nil {
			return
		}
	}
	p := *old
	if m.Seq() >= p.manifest.Seq() {
		p.advance(m)
	}
	db.settle(st, src, &p)
}

// settle takes from a partition, which is the caller's own, the rows in memory that
// its manifest has, and puts it into a storage under construction.
func (db *DB) settle(st *storageState, src commitlog.Source, p *partState) {
	if p.flushing != nil && p.landed(src) {
		db.buffered.Add(-p.flushing.bytes())
		p.flushing, p.covers = nil, nil
	}
	freed, err := p.cutFollowed(db.mem, st.info)
	if err != nil {
		panic(fmt.Sprintf("engine: rows of another node of table %s: %v", st.info.name(), err))
	}
	db.followed.Add(-freed)
	st.put(p)
}

// advance gives the partition a later state of its log, with the flushes of ours that
// are further on.
func (p *partState) advance(m *commitlog.Manifest) {
	var ahead []*commitlog.Commit
	for _, c := range p.ahead {
		if m.Has(c) {
			continue
		}
		next, err := m.With(context.Background(), c)
		if err != nil {
			panic(fmt.Sprintf("engine: bug: a flush of ours that was made does not fit the log before it: %v", err))
		}
		m, ahead = next, append(ahead, c)
	}
	p.manifest, p.ahead = m, ahead
}

// landed says whether the manifest has the flush that is under way.
func (p *partState) landed(src commitlog.Source) bool {
	for _, at := range p.covers {
		if at.Source == src {
			return p.manifest.Folded(src) >= at.Pos
		}
	}
	return false
}

// applyReading adds what was read of a source to a state under construction.
func (db *DB) applyReading(s *state, own map[datum.OID]bool, sr *sourceReading) {
	for _, e := range sr.entries {
		for _, rec := range e.records {
			for i := range rec.Parts {
				db.applyFollowed(s, own, sr.source, e.seq, rec, &rec.Parts[i])
			}
			s.clock = max(s.clock, rec.Version+int64(rec.Versions)-1)
		}
	}
	s.heads[sr.source] = sr.head()
}

// applyFollowed adds a part of another node's record to a state under
// construction, unless it is in chunks or its table is gone.
func (db *DB) applyFollowed(s *state, own map[datum.OID]bool, src commitlog.Source, seq uint64, r *ingest.Record, part *ingest.Part) {
	st := s.storage(part.Partition.Table, own)
	if st == nil {
		return
	}
	if marksRows(part) {
		st.changed = max(st.changed, r.Version+int64(r.Versions)-1)
	}
	old := st.part(part.Partition.Key)
	if old == nil {
		old = db.newPartState(part.Partition)
	}
	if !unfolded(old.manifest, src, seq) {
		return
	}
	f := old.followedOf(src)
	before := f.bytes()
	f = db.follow(f, st.info.of(part.Partition.Key), seq, r, part)
	db.followed.Add(f.bytes() - before)
	p := *old
	p.putFollowed(f)
	st.put(&p)
}

// follow adds a part of the record of an entry to what a partition has of a log.
func (db *DB) follow(f followed, in *tableInfo, seq uint64, r *ingest.Record, part *ingest.Part) followed {
	if f.delta == nil {
		f.delta = emptyDelta
	}
	version := r.Version + int64(r.Versions) - 1
	err := func() error {
		if part.Rows == nil {
			var err error
			f, err = f.add(db.mem, in, seq, version, nil, part.Staged)
			return err
		}
		rows, err := ingest.Conform(db.mem, in.layout, part.Columns, part.Rows, version)
		if err != nil {
			return err
		}
		defer rows.Release()
		f, err = f.add(db.mem, in, seq, version, rows, part.Staged)
		return err
	}()
	if err != nil {
		panic(fmt.Sprintf("engine: rows of a durable record of table %s: %v", in.name(), err))
	}
	return f
}

// land publishes a flush of ours that is in the commit log. What others committed
// before it is not taken in: for that their logs have to be read, which may need
// memory that only flushes make free.
func (c *cluster) land(id chunk.PartitionID, commit *commitlog.Commit) {
	db, own := c.db, c.db.own()
	db.publish(func(s *state) *state {
		st := s.storages[id.Table]
		if st == nil || st.part(id.Key) == nil {
			return s
		}
		p := *st.part(id.Key)
		if p.manifest.Has(commit) {
			return s // a round was faster
		}
		m, err := p.manifest.With(context.Background(), commit)
		if err != nil {
			return s // a round will see it
		}
		p.manifest, p.ahead = m, append(slices.Clip(p.ahead), commit)
		s = s.clone()
		db.settle(s.storage(id.Table, map[datum.OID]bool{}), own, &p)
		return s
	})
}
