package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// recover folds the logs: first the catalogue, then the commit logs, then the
// source logs of this node's earlier processes, of which it replays what the
// partitions have not folded in.
func (db *DB) recover(ctx context.Context) error {
	begin := time.Now()
	if err := refuseRestoring(ctx, db.store); err != nil {
		return err
	}
	if db.cluster != nil {
		if err := db.joinCluster(ctx); err != nil {
			return err
		}
	}
	var err error
	if db.catalogue, err = openCatalogue(ctx, db.store, db.opt.Database); err != nil {
		return err
	}
	s := &state{catalog: schema.NewCatalog(db.opt.Database), storages: map[datum.OID]*storageState{}}
	if s, _, err = s.withCatalog(db, db.catalogue.catalog); err != nil {
		return err
	}
	db.current.Store(s)
	orphans, err := db.openPartitions(ctx, s)
	if err != nil {
		return err
	}
	replayed := 0
	if db.cluster == nil {
		replayed, err = db.replayAll(ctx)
	} else {
		replayed, err = db.followAll(ctx)
		if err == nil {
			var n int
			n, err = db.cluster.openJournal(ctx)
			replayed += n
		}
	}
	if err != nil {
		return err
	}
	db.catalogue.open = true
	if c := db.catalogue.catalog; c.Seq > s.catalog.Seq { // there were undecided records
		db.apply(0, commitlog.Source{}, nil, c)
	}
	db.clock.Observe(db.current.Load().position())
	db.sweep(ctx, orphans)
	db.opt.Logger.Info("recovered", slog.Int("tables", len(s.tables)), slog.Int("replayed_rows", replayed), slog.Duration("took", time.Since(begin)))
	return nil
}

// joinCluster takes this node's lease and begins its log, and notes up to where
// source logs are trimmed before the commit logs are read.
func (db *DB) joinCluster(ctx context.Context) error {
	if err := db.cluster.begin(db.own()); err != nil {
		return err
	}
	if err := db.cluster.members.join(ctx); err != nil {
		return err
	}
	db.cluster.start(db.cluster.members.run) // recovery may take longer than a lease
	if err := db.cluster.openLog(ctx, db.own()); err != nil {
		return err
	}
	db.committer.next = firstCommit
	return db.cluster.follower.scout(ctx)
}

// followAll reads what nodes that are alive or dead have committed and not yet
// written to chunks; it returns how many rows that is. Those of the dead are taken
// over later.
func (db *DB) followAll(ctx context.Context) (rows int, err error) {
	c := db.cluster
	db.catalogue.shared = true
	db.catalogue.reached(0)
	fresh := db.own()
	first := func() error {
		c.follower.round.Lock()
		defer c.follower.round.Unlock()
		return c.follower.rounds(ctx, nil, &fresh)
	}
	if err := db.untilRoom(ctx, first); err != nil {
		return 0, err
	}
	for _, st := range db.current.Load().storages {
		for _, p := range st.parts {
			for _, f := range p.others {
				rows += int(f.delta.rows())
			}
		}
	}
	return rows, nil
}

// untilRoom repeats a round as long as there is more to read than memory is for:
// the nodes that are alive flush what they hold.
func (db *DB) untilRoom(ctx context.Context, round func() error) error {
	for {
		err := round()
		if !errors.Is(err, errBehind) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(refreshAge):
		}
	}
}

// openPartitions opens the commit logs of the state's storages; s is not
// published yet to anybody. It returns the partitions whose table is gone.
func (db *DB) openPartitions(ctx context.Context, s *state) (orphans []chunk.PartitionID, err error) {
	own := map[datum.OID]bool{}
	err = eachCommitLog(ctx, db.store, func(id chunk.PartitionID) error {
		st := s.storage(id.Table, own)
		if st == nil {
			orphans = append(orphans, id)
			return nil
		}
		p, err := db.ensurePartition(ctx, id)
		if err != nil {
			return fmt.Errorf("table %s: %w", st.info.name(), err)
		}
		st.put(p)
		db.ids.Observe(p.manifest.Horizon())
		if st.info.versioned() {
			s.clock = max(s.clock, int64(p.manifest.VersionMax()))
			s.upTo = s.clock
		}
		return nil
	})
	return orphans, err
}

// replayAll ends the source logs of this node's earlier processes and replays
// them; it returns how many rows were replayed.
func (db *DB) replayAll(ctx context.Context) (rows int, err error) {
	// All are known before the first is replayed: a flush on the way may write a
	// checkpoint, which forgets the sources that are not.
	err = eachSourceLog(ctx, db.store, func(log store.LogID, src commitlog.Source) error {
		if src.Writer == db.opt.Writer {
			db.ended.add(endedSource{source: src, log: log})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, e := range db.ended.list() {
		n, err := db.replay(ctx, e.log, e.source)
		rows += n
		if err != nil {
			return rows, fmt.Errorf("source log %s: %w", e.source, err)
		}
		db.ended.finish(e.source)
	}
	return rows, nil
}

// endSource ends an earlier process's source log, so that nothing that is still on
// its way can be appended.
func (db *DB) endSource(ctx context.Context, log store.LogID) error {
	for {
		head, err := db.store.Head(ctx, log)
		if err != nil {
			return err
		}
		err = db.store.Append(ctx, log, head+1, ingest.AppendSeal(nil, db.own().String()))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if code := pgerr.Code(err); db.cluster == nil && (code == pgerr.DiskFull || code == pgerr.OutcomeUnknown) {
			// The folder's lock keeps others out as well; reading must be possible.
			db.opt.Logger.Warn("the source log of an earlier process could not be sealed", slog.String("error", err.Error()))
			return nil
		}
		return err
	}
}

// replay reads one source log to its end and puts what partitions have not
// folded in into their deltas, which are flushed on the way if they grow large.
func (db *DB) replay(ctx context.Context, log store.LogID, src commitlog.Source) (rows int, err error) {
	if err := db.endSource(ctx, log); err != nil {
		return 0, err
	}
	err = readSource(ctx, db.store, db.mem, log, func(seq uint64, records []*ingest.Record, sealedBy string) error {
		n, err := db.replayEntry(ctx, src, seq, records)
		rows += n
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		db.ended.reach(src, seq)
		return db.makeRoom(ctx)
	})
	return rows, err
}

// makeRoom flushes what was replayed if it takes too much memory. On a full disk
// it may take as much as it did in the process before, and more, for reading must
// be possible.
func (db *DB) makeRoom(ctx context.Context) error {
	if db.buffered.Load() <= db.replayBytes {
		return nil
	}
	err := db.flusher.once(ctx)
	if pgerr.Code(err) == pgerr.DiskFull && db.replayBytes < 2*db.opt.BufferBytes {
		db.opt.Logger.Warn("what is replayed stays in the buffers", slog.String("error", err.Error()))
		db.replayBytes = 2 * db.opt.BufferBytes
		return nil
	}
	return err
}

// replayEntry applies one entry's records.
func (db *DB) replayEntry(ctx context.Context, src commitlog.Source, seq uint64, records []*ingest.Record) (rows int, err error) {
	for _, r := range records {
		counts, err := db.counts(ctx, src, seq, r)
		if err != nil {
			return rows, err
		}
		db.publish(func(s *state) *state { // the version was taken, whatever became of it
			s = s.clone()
			s.clock = max(s.clock, r.Version+int64(r.Versions)-1)
			return s
		})
		if !counts {
			continue
		}
		kept := r.Parts[:0]
		for _, p := range r.Parts {
			if db.current.Load().storages[p.Partition.Table] == nil {
				continue
			}
			ps, err := db.ensurePartition(ctx, p.Partition)
			if err != nil {
				return rows, err
			}
			if !unfolded(ps.part.log.Manifest(), src, seq) {
				continue
			}
			rows += partRows(&p)
			kept = append(kept, p)
		}
		r.Parts = kept
		db.apply(seq, src, []*ingest.Record{r}, nil)
	}
	return rows, nil
}

// counts says whether a record's transaction committed: without a condition by
// being there, else by the entry of the catalogue that it names. If there is no
// such entry, one is written that says that it did not.
func (db *DB) counts(ctx context.Context, src commitlog.Source, seq uint64, r *ingest.Record) (bool, error) {
	if r.Condition == nil {
		return true, nil
	}
	committed, known := db.catalogue.decided(r.Condition.Seq, r.ID)
	if !known {
		_, err := db.catalogue.append(ctx, r.Condition.Seq, catalogueEntry{ID: newTxnID()})
		if err != nil {
			return false, err
		}
		return false, nil
	}
	if committed {
		db.catalogue.need(sourcePosition{src, seq}, r.Condition.Seq)
	}
	return committed, nil
}
