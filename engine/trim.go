package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
)

// endedSources are the source logs of earlier processes that still hold records
// which some partition has not folded in. It is safe for concurrent use.
type endedSources struct {
	mu      sync.Mutex // guards the fields below
	sources []endedSource
}

type endedSource struct {
	source commitlog.Source
	log    store.LogID
	head   uint64 // replayed so far
	done   bool   // replayed to its end
}

func (e *endedSources) list() []endedSource {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sources)
}

func (e *endedSources) has(src commitlog.Source) bool {
	return slices.ContainsFunc(e.list(), func(s endedSource) bool { return s.source == src })
}

func (e *endedSources) add(s endedSource) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sources = append(e.sources, s)
}

// reach notes how far a source was replayed.
func (e *endedSources) reach(src commitlog.Source, seq uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.sources {
		if e.sources[i].source == src {
			e.sources[i].head = seq
		}
	}
}

// finish notes that a source was replayed to its end.
func (e *endedSources) finish(src commitlog.Source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.sources {
		if e.sources[i].source == src {
			e.sources[i].done = true
		}
	}
}

func (e *endedSources) remove(src commitlog.Source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sources = slices.DeleteFunc(e.sources, func(s endedSource) bool { return s.source == src })
}

// live says whether a source may still have records to fold in.
func (db *DB) live(src commitlog.Source) bool {
	if db.cluster != nil {
		return !db.cluster.follower.isGone(src)
	}
	if src == db.own() {
		return true
	}
	return db.ended.has(src)
}

// trim forgets the records that all partitions have in chunks.
func (db *DB) trim(ctx context.Context) error {
	defer db.hold()()
	s := db.current.Load()
	below := s.head + 1
	for _, st := range s.storages {
		for _, p := range st.parts {
			if first := p.unflushed(); first > 0 {
				below = min(below, first)
			}
		}
	}
	if seq, ok := db.catalogue.undecided(db.own()); ok {
		below = min(below, seq)
	}
	var errs []error
	if below > 1 {
		if err := db.trimJournals(ctx); err != nil {
			return err
		}
		if err := db.store.Trim(ctx, sourceLog(db.own()), below); err != nil {
			errs = append(errs, err)
		} else {
			db.catalogue.forget(db.own(), below)
		}
	}
	errs = append(errs, db.dropEnded(ctx, s))
	return errors.Join(errs...)
}

// dropEnded drops the earlier source logs that were replayed to their end, once
// all that was replayed is in chunks.
func (db *DB) dropEnded(ctx context.Context, s *state) error {
	for _, st := range s.storages {
		for _, p := range st.parts {
			if p.replayed() {
				return nil
			}
		}
	}
	var errs []error
	for _, e := range db.ended.list() {
		if !e.done {
			continue // a flush in the middle of its replay
		}
		if err := db.store.Drop(ctx, e.log); err != nil {
			errs = append(errs, err)
			continue
		}
		db.catalogue.forget(e.source, e.head+1)
		db.ended.remove(e.source)
	}
	return errors.Join(errs...)
}

// retire drops our own source log, if nothing of it is needed any more. After a
// commit of which nobody knows the outcome it is: the next start decides. In a
// cluster another node takes it over, and drops it when all have read it.
func (db *DB) retire(ctx context.Context) error {
	if db.cluster != nil || db.committer.stopped() != nil {
		return nil
	}
	if _, ok := db.catalogue.undecided(db.own()); ok {
		return nil
	}
	s := db.current.Load()
	for _, st := range s.storages {
		for _, p := range st.parts {
			if p.unflushed() > 0 || p.replayed() {
				return nil
			}
		}
	}
	if s.head == 0 {
		return nil
	}
	return db.store.Drop(ctx, sourceLog(db.own()))
}

// reclaim frees what was removed and is not read any more.
func (db *DB) reclaim() {
	for _, r := range db.snapshots.due(db.opt.Now(), db.opt.SnapshotLifetime) {
		r.free()
	}
}

// reclaimStorages frees the storages of tables that were dropped or truncated,
// which states before number have, once no snapshot has them.
func (db *DB) reclaimStorages(number uint64, gone []*storageState) {
	if len(gone) == 0 {
		return
	}
	for _, st := range gone {
		for _, p := range st.parts {
			db.unbuffer(p)
			db.snapshots.remove(number, db.opt.Now(), func() { db.freePartition(p) })
		}
	}
	db.flusher.poke()
}

// freePartition deletes a partition with all that it has in the store.
func (db *DB) freePartition(p *partState) {
	if !p.part.compacting.tryTake() { // a compaction sees soon that the table is gone
		db.snapshots.remove(0, time.Time{}, func() { db.freePartition(p) })
		return
	}
	defer p.part.compacting.give()
	p.part.flush.Lock() // a flush that is under way ends first
	defer p.part.flush.Unlock()
	p.part.freed, p.part.unsettled, p.part.doubtful = true, nil, nil
	if err := commitlog.Drop(context.Background(), db.store, p.part.id); err != nil {
		db.opt.Logger.Warn("a dropped table could not be freed; the next start tries again", slog.String("error", err.Error()))
	}
	db.partMu.Lock()
	delete(db.parts, p.part.id)
	db.partMu.Unlock()
}

// unbuffer takes the rows of a partition that are not in chunks off the accounts.
func (db *DB) unbuffer(p *partState) {
	n := p.pending.bytes()
	if p.flushing != nil {
		n += p.flushing.bytes()
	}
	db.buffered.Add(-n - p.journaled.bytes())
	for _, f := range p.others {
		db.followed.Add(-f.delta.bytes())
	}
}
