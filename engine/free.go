package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
)

// How the space of chunks comes back that compaction and retention removed. The blobs are
// deleted first, then the commit log is told; a crash in between costs a repetition.
//
// An embedded store's are deleted as soon as no open transaction has a state that names
// them (snapshots); in a cluster other nodes may read, so they stay for the lifetime of
// snapshots, and whoever compacts the partition then frees them.

// tellAfter is of how many freed chunks a commit log is told at once.
const tellAfter = 256

// freeRemoved deletes chunks that nobody reads any more.
func (db *DB) freeRemoved(part *partition, removed []*chunk.Entry) {
	db.deleteChunks(part.id, removed)
	part.freedMu.Lock()
	for _, e := range removed {
		part.freedIDs = append(part.freedIDs, e.ID)
	}
	n := len(part.freedIDs)
	part.freedMu.Unlock()
	if n >= tellAfter {
		db.tellFreed(part)
	}
}

// tellFreed notes in the commit log which chunks are gone. What fails is told with the
// next ones, or found by the sweep of the next start.
func (db *DB) tellFreed(part *partition) {
	part.freedMu.Lock()
	ids := part.freedIDs
	part.freedIDs = nil
	part.freedMu.Unlock()
	if len(ids) == 0 {
		return
	}
	err := db.commitPublished(context.Background(), part, freedCommit(part.log.Manifest(), ids))
	if err == nil {
		return
	}
	part.freedMu.Lock()
	part.freedIDs = append(part.freedIDs, ids...)
	part.freedMu.Unlock()
	db.opt.Logger.Warn("a commit log could not be told which chunks are gone", slog.String("error", err.Error()))
}

func freedCommit(m *commitlog.Manifest, ids []chunk.ID) *commitlog.Commit {
	c := &commitlog.Commit{Kind: commitlog.Horizon, Schema: m.Schema(), Horizon: m.Horizon(), Freed: ids}
	if c.Horizon == (chunk.ID{}) {
		c.Horizon[len(c.Horizon)-1] = 1 // no chunk is below it
	}
	return c
}

// garbageAge is how long removed chunks stay in a cluster: longer than a node goes on with
// the manifest of a partition.
func (db *DB) garbageAge() time.Duration { return max(db.opt.SnapshotLifetime, 2*idleAge) }

// anyToFree says whether a partition of a cluster has removed chunks that nobody may read
// any more.
func (db *DB) anyToFree(m *commitlog.Manifest, now time.Time) bool {
	for g := range m.Garbage() {
		if now.Sub(g.Removed) >= db.garbageAge() {
			return true
		}
	}
	return false
}

// freeOld frees them.
func (db *DB) freeOld(ctx context.Context, part *partition) error {
	m := part.log.Manifest()
	now := db.opt.Now()
	var old []*chunk.Entry
	var ids []chunk.ID
	for g := range m.Garbage() {
		if now.Sub(g.Removed) >= db.garbageAge() {
			old, ids = append(old, g.Entry), append(ids, g.Entry.ID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := db.store.DeleteChunks(ctx, part.id, old); err != nil {
		return err
	}
	return db.commitPublished(ctx, part, freedCommit(m, ids))
}
