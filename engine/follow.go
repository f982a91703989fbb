package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// A follower reads what other nodes commit and puts it into our states. It works
// in rounds, each of which reads the commit logs of partitions, then the
// catalogue, then the source logs, and publishes all of it in one state. The
// order is what makes that state whole: what a manifest or the catalogue tells of
// was in a source log before, so that each transaction is in all of the state or
// in none of it.
type follower struct {
	c    *cluster
	wake chan struct{}

	round sync.Mutex // held over a round; guards the fields below
	full  bool       // all commit logs are to be read, not only those that are due
	// floors are positions of sources up to which everything is in chunks, as was
	// found when the log had been trimmed up to there. A source whose log is gone
	// has the greatest.
	floors    map[commitlog.Source]uint64
	sealed    map[commitlog.Source]bool // read to the seal at their end
	refreshed map[chunk.PartitionID]time.Time
	opened    map[chunk.PartitionID]bool // for records to come; not in a state yet
	decide    map[commitlog.Source]bool  // their undecided records are decided by us

	mu    sync.Mutex    // guards the fields below
	began time.Time     // when the last round that went well began
	err   error         // of the last round
	ended chan struct{} // closed and replaced at the end of each round
}

const (
	gone = ^uint64(0) // the floor of a source whose log is gone
	// refreshAge is how often the commit log of a partition with rows of other
	// nodes is read, to free the memory of those that are in chunks; idleAge, that
	// of any other.
	refreshAge = time.Second
	idleAge    = time.Minute
	// maxReaders bounds the logs that are read at a time.
	maxReaders = 16
	// maxTries is how often a round begins again because logs moved on under it.
	maxTries = 20
)

func newFollower(c *cluster) *follower {
	return &follower{c: c, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		floors: map[commitlog.Source]uint64{}, sealed: map[commitlog.Source]bool{}, refreshed: map[chunk.PartitionID]time.Time{},
		opened: map[chunk.PartitionID]bool{}, decide: map[commitlog.Source]bool{}}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	failing := false
	every(ctx, f.c.opt.Poll, f.wake, func() {
		err := f.once(ctx, nil)
		if err == nil {
			err = f.c.claims.yield(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			f.c.db.opt.Logger.Warn("other nodes' logs cannot be read", slog.String("error", err.Error()))
		} else if err == nil && failing {
			f.c.db.opt.Logger.Info("other nodes' logs can be read again")
		}
		failing = err != nil
	})
}

// wait returns once a round that began at since or later has ended.
func (f *follower) wait(ctx context.Context, since time.Time) error {
	for {
		f.mu.Lock()
		began, ended, err := f.began, f.ended, f.err
		f.mu.Unlock()
		if !began.Before(since) {
			return nil
		}
		poke(f.wake)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
		}
		f.mu.Lock()
		err = f.err
		f.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// fresh waits until what we know of other nodes is as new as a statement needs.
func (db *DB) fresh(ctx context.Context) error {
	if db.cluster == nil {
		return nil
	}
	since := time.Now()
	if !reading.From(ctx).Latest && db.cluster.members.leased() {
		since = since.Add(-db.cluster.opt.Staleness)
	}
	err := db.cluster.follower.wait(ctx, since)
	if err != nil && ctx.Err() == nil && relaxed(store.ReadConsistency(ctx)) {
		return nil // what we have is what a replica that lags may have
	}
	return err
}

// relaxed says whether a level of consistency does with one replica.
func relaxed(level string) bool { return level == "ONE" || level == "LOCAL_ONE" }

// A landing is a change of a partition that waits for a round, because its
// manifest tells of what we have not read yet.
type landing struct {
	part     *partition
	manifest *commitlog.Manifest
	change   func(p *partState)
}

// once makes a round.
func (f *follower) once(ctx context.Context, l *landing) error {
	f.round.Lock()
	defer f.round.Unlock()
	return f.rounds(ctx, l, nil)
}

// rounds tries until a state was published; f.round is held.
func (f *follower) rounds(ctx context.Context, l *landing, fresh *commitlog.Source) error {
	begin := time.Now()
	err := errors.New("logs move on faster than they can be read")
	for range maxTries {
		var again bool
		again, err = f.try(ctx, l, fresh)
		if err != nil || !again {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	if err == nil {
		f.began = begin
	}
	close(f.ended)
	f.ended = make(chan struct{})
	return err
}

// findings are what a round has read.
type findings struct {
	manifests map[chunk.PartitionID]*commitlog.Manifest
	catalog   *schema.Catalog
	sources   []*sourceReading
	stopped   bool // at a record that the catalogue read before does not suffice for
}

type sourceReading struct {
	source  commitlog.Source
	from    uint64 // everything up to it is known
	entries []sourceEntry
	sealed  bool
}

type sourceEntry struct {
	seq     uint64
	records []*ingest.Record // those that count
}

func (r *sourceReading) head() uint64 {
	if n := len(r.entries); n > 0 {
		return r.entries[n-1].seq
	}
	return r.from
}

// try reads once and publishes what it read. It returns again if something was
// found that has to be known before the reading began. With fresh, our source is
// a new one, and nothing of what we had counts any more.
func (f *follower) try(ctx context.Context, l *landing, fresh *commitlog.Source) (again bool, err error) {
	db := f.c.db
	s := db.current.Load()
	r := &findings{}
	if r.manifests, err = f.refresh(ctx, s, fresh != nil); err != nil {
		return false, err
	}
	if l != nil {
		r.manifests[l.part.id] = l.part.log.Manifest()
	}
	if r.catalog, err = db.catalogue.follow(ctx); err != nil {
		return false, err
	}
	if r.catalog == nil { // a definition of ours is on its way
		r.catalog = s.catalog
	}
	heads := s.heads
	own := db.own()
	if fresh != nil {
		heads, own = nil, *fresh
	}
	if again, err = f.readSources(ctx, r, own, heads); again || err != nil {
		return again, err
	}
	if again, err = f.openPartitions(ctx, s, r); again || err != nil {
		return again, err
	}
	if busy := f.publish(r, l, fresh); busy {
		// A flush of ours is about to publish its manifest, and has to do so first.
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		return true, nil
	}
	f.full = false
	db.catalogue.reached(r.catalog.Seq)
	if r.stopped {
		poke(f.wake)
	}
	return false, nil
}

// refresh reads the commit logs that are due.
func (f *follower) refresh(ctx context.Context, s *state, all bool) (map[chunk.PartitionID]*commitlog.Manifest, error) {
	now := time.Now()
	out := map[chunk.PartitionID]*commitlog.Manifest{}
	var due []*partition
	for _, st := range s.storages {
		for _, p := range st.parts {
			age := now.Sub(f.refreshed[p.part.id])
			if all || f.full || len(p.others) > 0 && age >= refreshAge || age >= idleAge {
				due = append(due, p.part)
			}
		}
	}
	for id := range f.opened {
		if p := f.c.db.newPartState(id); p != nil {
			due = append(due, p.part)
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReaders)
	for _, p := range due {
		g.Go(func() error {
			m, err := p.log.Refresh(gctx)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[p.id] = m
			f.refreshed[p.id] = now
			return nil
		})
	}
	return out, g.Wait()
}

// scout notes up to where the source logs have been trimmed. Commit logs that are
// read after it tell of all that is below.
func (f *follower) scout(ctx context.Context) error {
	db := f.c.db
	return eachSourceLog(ctx, db.store, func(log store.LogID, src commitlog.Source) error {
		first, err := db.store.First(ctx, log)
		if err == nil {
			f.floors[src] = max(f.floors[src], first-1)
		}
		return err
	})
}

// readSources reads what is new in the source logs of others.
func (f *follower) readSources(ctx context.Context, r *findings, own commitlog.Source, heads map[commitlog.Source]uint64) (again bool, err error) {
	db := f.c.db
	there := map[commitlog.Source]bool{own: true}
	err = eachSourceLog(ctx, db.store, func(_ store.LogID, src commitlog.Source) error {
		there[src] = true
		_, known := heads[src]
		if src != own && (!known || !f.sealed[src]) {
			r.sources = append(r.sources, &sourceReading{source: src, from: max(heads[src], f.floors[src])})
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if f.vanished(r, there, heads) {
		return true, nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReaders)
	var mu sync.Mutex
	for _, sr := range r.sources {
		g.Go(func() error {
			trimmed, stopped, err := f.readSource(gctx, sr, heads, r.catalog)
			mu.Lock()
			defer mu.Unlock()
			again = again || trimmed
			r.stopped = r.stopped || stopped
			return err
		})
	}
	err = g.Wait()
	f.full = f.full || again
	return again, err
}

// vanished looks for sources whose logs are gone, which is when all that was in
// them is in chunks: the commit logs have to be read again to know of it.
func (f *follower) vanished(r *findings, there map[commitlog.Source]bool, heads map[commitlog.Source]uint64) (again bool) {
	lost := func(src commitlog.Source) {
		if !there[src] && f.floors[src] != gone {
			f.floors[src] = gone
			f.full, again = true, true
		}
	}
	for src := range heads {
		lost(src)
	}
	for _, m := range r.manifests {
		for _, s := range m.Sources() {
			lost(s.Source)
		}
	}
	return again
}

// readSource reads the new entries of one source log. It reports trimmed if some
// of them are gone, since they are in chunks.
func (f *follower) readSource(ctx context.Context, sr *sourceReading, heads map[commitlog.Source]uint64, catalog *schema.Catalog) (trimmed, stopped bool, err error) {
	db := f.c.db
	log := sourceLog(sr.source)
	trim := func() (bool, bool, error) {
		first, err := db.store.First(ctx, log)
		if err == nil {
			f.raise(sr.source, first-1)
		}
		return true, false, err
	}
	for e, err := range db.store.Read(ctx, log, sr.from+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return trim()
		}
		if err != nil {
			return false, false, err
		}
		records, sealedBy, err := ingest.DecodeRecords(db.mem, e.Data)
		if err != nil {
			return false, false, fmt.Errorf("source log %s: entry %d: %w", sr.source, e.Seq, err)
		}
		entry := sourceEntry{seq: e.Seq}
		for _, rec := range records {
			counts, known, err := f.counts(ctx, sr.source, e.Seq, rec, catalog)
			if err != nil {
				return false, false, err
			}
			if !known {
				return false, true, nil
			}
			if counts {
				entry.records = append(entry.records, rec)
			}
		}
		sr.entries = append(sr.entries, entry)
		if sealedBy != "" {
			sr.sealed = true
			break
		}
	}
	return false, false, nil
}

// raise notes that a log was trimmed.
func (f *follower) raise(src commitlog.Source, floor uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floors[src] = max(f.floors[src], floor)
}

// counts says whether a record's transaction committed, as far as that is known
// under a catalogue.
func (f *follower) counts(ctx context.Context, src commitlog.Source, seq uint64, rec *ingest.Record, catalog *schema.Catalog) (counts, known bool, err error) {
	if rec.Schema > catalog.Seq {
		return false, false, nil
	}
	if rec.Condition == nil {
		return true, true, nil
	}
	cat := f.c.db.catalogue
	if rec.Condition.Seq > catalog.Seq {
		if f.decide[src] {
			return false, false, cat.fill(ctx, rec.Condition.Seq)
		}
		return false, false, nil
	}
	counts = cat.committed(rec.Condition.Seq, rec.ID)
	if counts {
		cat.need(sourcePosition{src, seq}, rec.Condition.Seq)
	}
	return counts, true, nil
}

// openPartitions opens those that records tell of and that we have not seen. The
// round begins again, since their commit logs come first.
func (f *follower) openPartitions(ctx context.Context, s *state, r *findings) (again bool, err error) {
	live := map[datum.OID]bool{}
	for _, def := range r.catalog.Tables {
		live[def.Storage] = true
	}
	for _, sr := range r.sources {
		for _, e := range sr.entries {
			for _, rec := range e.records {
				for _, p := range rec.Parts {
					id := p.Partition
					st := s.storages[id.Table]
					if !live[id.Table] || st != nil && st.part(id.Key) != nil || f.opened[id] {
						continue
					}
					if _, err := f.c.db.ensurePartition(ctx, id); err != nil {
						return false, err
					}
					f.opened[id], again = true, true
				}
			}
		}
	}
	return again, nil
}

// publish makes a state of what was read. It reports busy, and does nothing, if
// all commit logs count and one has a commit of ours that is not published yet.
func (f *follower) publish(r *findings, l *landing, fresh *commitlog.Source) (busy bool) {
	db := f.c.db
	var went []*storageState
	own := map[datum.OID]bool{}
	s := db.publish(func(old *state) *state {
		if busy = f.full && fresh == nil && old.landsSoon(r.manifests, l); busy {
			return old
		}
		s := old.clone()
		if r.catalog.Seq > s.catalog.Seq {
			var err error
			if s, went, err = s.withCatalog(db, r.catalog); err != nil {
				panic(fmt.Sprintf("engine: bug: catalogue entry %d does not apply: %v", r.catalog.Seq, err))
			}
		}
		if fresh != nil {
			db.reset(s, own)
		}
		for id, m := range r.manifests {
			db.applyManifest(s, own, id, m, l)
		}
		s.heads = maps.Clone(s.heads)
		if s.heads == nil {
			s.heads = map[commitlog.Source]uint64{}
		}
		for src, floor := range f.floors {
			if floor == gone {
				s.heads[src] = gone
			}
		}
		for _, sr := range r.sources {
			db.applyReading(s, own, sr)
		}
		return s
	})
	if busy {
		return true
	}
	for _, sr := range r.sources {
		if sr.sealed {
			f.sealed[sr.source] = true
		}
	}
	clear(f.opened)
	db.clock.Observe(s.clock)
	db.reclaimStorages(s.number, went)
	f.c.members.saw(s.catalog.Seq)
	return false
}

// reset makes the partitions of a state as they are for a node that has not
// committed anything and follows nobody.
func (db *DB) reset(s *state, own map[datum.OID]bool) {
	for oid := range s.storages {
		st := s.storage(oid, own)
		for i, p := range st.parts {
			db.buffered.Add(-p.bufferedBytes())
			st.parts[i] = &partState{part: p.part, manifest: p.manifest, pending: emptyDelta}
		}
	}
	s.head, s.heads = 0, nil
}

// landsSoon says whether one of the manifests has a flush of ours that is not
// published yet.
func (s *state) landsSoon(manifests map[chunk.PartitionID]*commitlog.Manifest, l *landing) bool {
	for id, m := range manifests {
		if st := s.storages[id.Table]; st != nil && (l == nil || l.part.id != id) {
			if p := st.part(id.Key); p != nil && p.landsWith(m) {
				return true
			}
		}
	}
	return false
}

// landsWith says whether a manifest has the flush that is under way.
func (p *partState) landsWith(m *commitlog.Manifest) bool {
	return p.flushing != nil && slices.ContainsFunc(p.covers, func(at commitlog.Position) bool {
		return m.Folded(at.Source) > p.manifest.Folded(at.Source)
	})
}

// applyManifest gives a partition what its commit log says, and takes from it
// what that has of other nodes' rows. If the manifest has a flush of ours it waits
// until that is published with what it replaces.
func (db *DB) applyManifest(s *state, own map[datum.OID]bool, id chunk.PartitionID, m *commitlog.Manifest, l *landing) {
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
	if l != nil && l.part.id == id {
		l.change(&p)
	} else if p.landsWith(m) {
		return
	}
	if m.Seq() >= p.manifest.Seq() {
		p.manifest = m
	}
	freed, err := p.cutFollowed(db.mem, st.info)
	if err != nil {
		panic(fmt.Sprintf("engine: rows of another node of table %s: %v", st.info.name(), err))
	}
	db.buffered.Add(-freed)
	st.put(&p)
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
	old := st.part(part.Partition.Key)
	if old == nil {
		old = db.newPartState(part.Partition)
	}
	if !unfolded(old.manifest, src, seq) {
		return
	}
	version := r.Version + int64(r.Versions) - 1
	f := old.followedOf(src)
	before := f.delta.bytes()
	err := func() error {
		if part.Rows == nil {
			var err error
			f, err = f.add(db.mem, st.info, seq, version, nil, part.Staged)
			return err
		}
		rows, err := ingest.Conform(db.mem, st.info.layout, part.Columns, part.Rows, version)
		if err != nil {
			return err
		}
		defer rows.Release()
		f, err = f.add(db.mem, st.info, seq, version, rows, part.Staged)
		return err
	}()
	if err != nil {
		panic(fmt.Sprintf("engine: rows of a durable record of table %s: %v", st.info.name(), err))
	}
	db.buffered.Add(f.delta.bytes() - before)
	p := *old
	p.putFollowed(f)
	st.put(&p)
}

// land publishes a change of a partition that comes with a manifest, once all
// that the manifest tells of other nodes has been read.
func (c *cluster) land(ctx context.Context, part *partition, m *commitlog.Manifest, change func(p *partState)) error {
	landed := false
	l := &landing{part, m, change}
	c.db.publish(func(s *state) *state {
		if c.lags(s, m) {
			return s
		}
		landed = true
		s = s.clone()
		c.db.applyManifest(s, map[datum.OID]bool{}, part.id, m, l)
		return s
	})
	if landed {
		return nil
	}
	return c.follower.once(ctx, l)
}

// lags says whether a manifest has something of another node that s has not.
func (c *cluster) lags(s *state, m *commitlog.Manifest) bool {
	own := c.db.own()
	for _, src := range m.Sources() {
		if src.Source != own && s.heads[src.Source] < src.Folded && !c.db.ended.has(src.Source) {
			return true
		}
	}
	return false
}

var errSealed = pgerr.New(pgerr.SerializationFailure, "another node has taken over from this one, which was not heard of for too long").
	WithDetail("Nothing of this transaction was written.").WithHint("Try the transaction again.")
