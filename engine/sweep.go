package engine

import (
	"context"
	"log/slog"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// sweep frees what no log names: partitions of tables that are gone, and blobs
// of flushes and transactions that never came to their commit. Failures are left
// to the next start.
func (db *DB) sweep(ctx context.Context, orphans []chunk.PartitionID) {
	for _, id := range orphans {
		if db.current.Load().storages[id.Table] != nil {
			continue // of a table that was made after the catalogue was read
		}
		free := func() {
			if err := commitlog.Drop(context.WithoutCancel(ctx), db.store, id); err != nil {
				db.opt.Logger.Warn("a dropped table could not be freed", slog.String("error", err.Error()))
			}
		}
		if db.cluster != nil { // another node may read it
			db.snapshots.remove(db.current.Load().number, db.opt.Now(), free)
			continue
		}
		free()
	}
	db.findUnnamed(ctx)
	db.sweepSequences(ctx)
	for _, st := range db.current.Load().storages {
		for _, p := range st.parts {
			before := db.opt.Now()
			if db.cluster != nil { // chunks of other nodes are on their way into logs
				before = before.Add(-sweepAge)
			}
			for _, d := range p.deltas() {
				for _, e := range d.staged {
					if at := e.ID.Time(); at.Before(before) {
						before = at
					}
				}
			}
			if p.flushing != nil {
				continue // nothing of it is known to be garbage
			}
			if _, err := p.part.log.Sweep(ctx, before); err != nil {
				db.opt.Logger.Warn("garbage could not be swept", slog.String("table", st.info.name()), slog.String("error", err.Error()))
			}
			db.ids.Observe(p.part.log.Manifest().Horizon()) // no chunk may be made below it, should the clock be set back
		}
	}
}

// findUnnamed opens the partitions without a log that have blobs, as the first
// transaction that writes to them leaves them if it crashes. Keys of LIST
// partitions are not known before there is a log.
func (db *DB) findUnnamed(ctx context.Context) {
	var found []*partState
	for oid, st := range db.current.Load().storages {
		for _, key := range st.info.partitionKeys() {
			if st.part(key) != nil {
				continue
			}
			id := chunk.PartitionID{Table: oid, Key: key}
			ids, err := db.store.Chunks(ctx, id)
			if err == nil && len(ids) > 0 {
				var p *partState
				if p, err = db.ensurePartition(ctx, id); err == nil {
					found = append(found, p)
				}
			}
			if err != nil {
				db.opt.Logger.Warn("garbage could not be looked for", slog.String("table", st.info.name()), slog.String("error", err.Error()))
			}
		}
	}
	if len(found) == 0 {
		return
	}
	if db.cluster != nil {
		ids := make([]chunk.PartitionID, len(found))
		for i, p := range found {
			ids[i] = p.part.id
		}
		if err := db.cluster.follower.add(ctx, ids...); err != nil {
			db.opt.Logger.Warn("garbage could not be looked for", slog.String("error", err.Error()))
		}
		return
	}
	db.publish(func(s *state) *state {
		s = s.clone()
		own := map[datum.OID]bool{}
		for _, p := range found {
			s.storage(p.part.id.Table, own).put(p)
		}
		return s
	})
}

// partitionKeys returns the keys that a table's partitions can have, none if
// they depend on the rows.
func (in *tableInfo) partitionKeys() (keys []string) {
	for _, g := range in.all() {
		switch in.def.PartitionKind {
		case schema.PartitionNone:
			keys = append(keys, g.partition("").Key)
		case schema.PartitionHash:
			for i := range g.buckets {
				keys = append(keys, g.partition(bucketKey(i)).Key)
			}
		}
	}
	return keys
}
