package engine

import (
	"context"
	"errors"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Vacuum writes the buffers of a table to chunks, drops the slices that are older than its
// retention, and merges chunks until none overlap and no neighbours fit in one; with full,
// until each chunk but the last of a slice is filled, and none of some size is as a flush
// encoded it, but for those of history. It works as fast as it can, also while compaction in the background is paused. The space of
// what it replaced is free when it returns, unless open transactions still read it (in a
// cluster: for the lifetime of snapshots).
func (db *DB) Vacuum(ctx context.Context, table datum.OID, full bool) (chunk.VacuumInfo, error) {
	var out chunk.VacuumInfo
	ctx, leave, err := db.compactor.enter(ctx)
	if err != nil {
		return out, err
	}
	defer leave()
	if err := db.forwardNow(); err != nil {
		return out, err
	}
	def := db.current.Load().catalog.Tables[table]
	if def == nil {
		return out, pgerr.New(pgerr.UndefinedTable, "relation with OID %d does not exist", table)
	}
	st := db.current.Load().storages[def.Storage]
	if st == nil {
		return out, nil
	}
	for _, p := range st.parts {
		if err := db.vacuumPartition(ctx, p.part, full, &out); err != nil && !errors.Is(err, errGone) {
			if ctx.Err() != nil {
				return out, context.Cause(ctx)
			}
			return out, err
		}
	}
	db.reclaim()
	for _, p := range st.parts {
		if err := db.repackPartition(ctx, p.part, full); err != nil && !errors.Is(err, errGone) {
			return out, err
		}
	}
	db.reclaim()
	for _, p := range st.parts {
		if db.cluster == nil {
			db.tellFreed(p.part)
		}
		if err := db.foldLog(ctx, p.part); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (db *DB) vacuumPartition(ctx context.Context, part *partition, full bool, out *chunk.VacuumInfo) error {
	if err := db.flush(ctx, part.id); err != nil {
		return err
	}
	if err := part.compacting.take(ctx); err != nil {
		return err
	}
	defer part.compacting.give()
	release, err := db.awaitCompaction(ctx, part.id)
	if err != nil {
		return err
	}
	defer release()
	_, m, err := db.compactable(ctx, part)
	if err != nil {
		return err
	}
	out.ChunksBefore, out.RowsBefore, out.BytesBefore = out.ChunksBefore+m.Len(), out.RowsBefore+m.Rows(), out.BytesBefore+m.Bytes()
	dropped, err := db.retain(ctx, part)
	if err != nil {
		return err
	}
	out.SlicesDropped += dropped
	if _, m, err = db.compactable(ctx, part); err != nil {
		return err
	}
	for info := range m.Slices() {
		aims := []aim{compacted}
		switch {
		case full && info.Chunks > 1:
			aims = []aim{packed, dense}
		case full:
			aims = []aim{dense}
		case info.Chunks == 1:
			continue
		}
		for _, to := range aims {
			n, err := db.compactUntil(ctx, part, info.Slice, to)
			out.Compactions += n
			if err != nil {
				return err
			}
		}
	}
	if db.cluster != nil {
		if err := db.freeOld(ctx, part); err != nil {
			return err
		}
		if err := db.cluster.follower.once(ctx, part); err != nil { // what others compacted shows, too
			return err
		}
	}
	if _, m, err = db.compactable(ctx, part); err != nil {
		return err
	}
	out.ChunksAfter, out.RowsAfter, out.BytesAfter = out.ChunksAfter+m.Len(), out.RowsAfter+m.Rows(), out.BytesAfter+m.Bytes()
	return nil
}

// compactUntil compacts a slice until an aim is reached and returns by how many commits. The
// caller holds what compactSlice wants held.
func (db *DB) compactUntil(ctx context.Context, part *partition, slice int64, to aim) (n int, err error) {
	for {
		did, _, err := db.compactSlice(ctx, part, slice, to, nil)
		if err != nil && !errors.Is(err, errNoGain) {
			return n, err
		}
		if !did {
			return n, nil
		}
		n++
	}
}

// leaseWait is how often it is looked whether a lease has become free.
const leaseWait = 100 * time.Millisecond

// awaitCompaction takes the lease of a partition when no other node has it.
func (db *DB) awaitCompaction(ctx context.Context, id chunk.PartitionID) (release func(), err error) {
	for {
		if st := db.current.Load().storages[id.Table]; st == nil {
			return nil, errGone
		}
		release, held, err := db.leaseCompaction(ctx, id)
		if err != nil || held {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(leaseWait):
		}
	}
}

// repackPartition gives back the space in files that have deleted chunks beside others.
func (db *DB) repackPartition(ctx context.Context, part *partition, all bool) error {
	if err := part.compacting.take(ctx); err != nil {
		return err
	}
	defer part.compacting.give()
	if err := db.settleDoubtful(ctx, part); err != nil {
		return err
	}
	return db.repack(ctx, part, all)
}
