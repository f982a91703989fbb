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
	replayed, err := db.replayAll(ctx)
	if err != nil {
		return err
	}
	db.clock.Observe(db.current.Load().clock)
	db.sweep(ctx, orphans)
	db.opt.Logger.Info("recovered", slog.Int("tables", len(s.tables)), slog.Int("replayed_rows", replayed), slog.Duration("took", time.Since(begin)))
	return nil
}

// openPartitions opens the commit logs of the state's storages; s is not
// published yet to anybody. It returns the partitions whose table is gone.
func (db *DB) openPartitions(ctx context.Context, s *state) (orphans []chunk.PartitionID, err error) {
	logs, err := db.store.List(ctx, store.CommitLog)
	if err != nil {
		return nil, err
	}
	own := map[datum.OID]bool{}
	for _, log := range logs {
		id, err := commitlog.ParseLogID(log)
		if err != nil {
			return nil, err
		}
		st := s.storage(id.Table, own)
		if st == nil {
			orphans = append(orphans, id)
			continue
		}
		p, err := db.ensurePartition(id)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", st.info.name(), err)
		}
		st.put(p)
		db.ids.Observe(p.manifest.Horizon())
		for e := range p.manifest.Chunks() {
			if st.info.keyed() {
				s.clock = max(s.clock, int64(e.VersionMax))
			}
		}
	}
	return orphans, nil
}

// replayAll ends the source logs of this node's earlier processes and replays
// them; it returns how many rows were replayed.
func (db *DB) replayAll(ctx context.Context) (rows int, err error) {
	logs, err := db.store.List(ctx, store.SourceLog)
	if err != nil {
		return 0, err
	}
	for _, log := range logs {
		src, err := commitlog.ParseSource(log.Key)
		if err != nil {
			return rows, err
		}
		if src.Writer != db.opt.Writer {
			continue
		}
		n, err := db.replay(ctx, log, src)
		rows += n
		if err != nil {
			return rows, fmt.Errorf("source log %s: %w", src, err)
		}
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
		err = db.store.Append(ctx, log, head+1, ingest.AppendSeal(nil, db.committer.source.String()))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil && pgerr.Code(err) == pgerr.DiskFull {
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
	first, err := db.store.First(ctx, log)
	if err != nil {
		return 0, err
	}
	db.ended.add(endedSource{source: src, log: log})
	for e, err := range db.store.Read(ctx, log, first) {
		if err != nil {
			return rows, err
		}
		records, sealed, err := ingest.DecodeRecords(db.mem, e.Data)
		if err != nil {
			return rows, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		if sealed == "" {
			n, err := db.replayEntry(ctx, src, e.Seq, records)
			rows += n
			if err != nil {
				return rows, fmt.Errorf("entry %d: %w", e.Seq, err)
			}
		}
		db.ended.reach(src, e.Seq)
		if db.buffered.Load() > db.opt.BufferBytes/2 {
			if err := db.flusher.once(ctx); err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
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
			ps, err := db.ensurePartition(p.Partition)
			if err != nil {
				return rows, err
			}
			if ps.part.log.Manifest().Folded(src) >= seq {
				continue
			}
			if p.Rows != nil {
				rows += int(p.Rows.NumRows())
			}
			for _, e := range p.Staged {
				rows += e.Rows
			}
			kept = append(kept, p)
		}
		r.Parts = kept
		db.applyRecords(seq, src, []*ingest.Record{r})
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

// sweep frees what no log names: partitions of tables that are gone, and blobs
// of flushes and transactions that never came to their commit. Failures are left
// to the next start.
func (db *DB) sweep(ctx context.Context, orphans []chunk.PartitionID) {
	for _, id := range orphans {
		if err := commitlog.Drop(ctx, db.store, id); err != nil {
			db.opt.Logger.Warn("a dropped table could not be freed", slog.String("error", err.Error()))
		}
	}
	for _, st := range db.current.Load().storages {
		for _, p := range st.parts {
			before := db.opt.Now()
			for _, e := range p.pending.staged {
				if at := e.ID.Time(); at.Before(before) {
					before = at
				}
			}
			if _, err := p.part.log.Sweep(ctx, before); err != nil {
				db.opt.Logger.Warn("garbage could not be swept", slog.String("table", st.info.name()), slog.String("error", err.Error()))
			}
		}
	}
}
