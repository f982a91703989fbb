package engine

import (
	"context"
	"errors"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A table with a retention loses whole slices when their last moment is older than it. Two
// things happen. A statement leaves out the slices that are too old when its snapshot is
// taken, so that it sees all of a slice or nothing, in all partitions and on all nodes.
// Later the chunks are removed from the manifests, partition by partition. Rows in buffers
// go where the others are: they are written to chunks of their slice, which goes with them.
//
// In a table with several generations (placement.go) slices go by whole frames, so that of
// rows with one key, or of a row and its mark, a statement sees all or none.

// retentionGrace is how much later chunks are removed than statements leave them out:
// more than the clocks of nodes differ.
const retentionGrace = time.Minute

// outdated says whether a slice has only rows that a table does not keep at a time. Those
// of NULL and infinite times have no age.
func (in *tableInfo) outdated(slice int64, at time.Time) bool {
	if in.retention <= 0 && in.def.Gone == nil || in.timeAt < 0 || in.layout.Slice <= 0 {
		return false
	}
	r := chunk.SliceRange(in.layout.Slice, slice)
	if r.Min > r.Max {
		return false
	}
	if in.def.Gone != nil && r.Max < *in.def.Gone {
		return true
	}
	if in.retention <= 0 {
		return false
	}
	if in.frame != in.layout.Slice {
		r = chunk.SliceRange(in.frame, chunk.SliceOf(in.frame, r.Max, false))
	}
	return r.Max < datum.Micros(at.Add(-in.retention).UnixMicro())
}

// oldest returns the time before which a table does not keep rows; ok is false if it
// keeps all.
func (in *tableInfo) oldest(now time.Time) (t datum.Micros, ok bool) {
	if in.timeAt < 0 || in.def.Retention <= 0 && in.def.Gone == nil {
		return 0, false
	}
	t = datum.NegInfinityMicros + 1
	if in.def.Retention > 0 {
		t = datum.Micros(now.Add(-in.def.Retention).UnixMicro())
	}
	if in.def.Gone != nil {
		t = max(t, *in.def.Gone)
	}
	return t, true
}

// expired returns the slices of a manifest that can be removed.
func (db *DB) expired(in *tableInfo, m *commitlog.Manifest, now time.Time) []int64 {
	if db.opt.KeepOutdated || in.retention <= 0 && in.def.Gone == nil {
		return nil
	}
	var out []int64
	for info := range m.Slices() {
		if in.outdated(info.Slice, now.Add(-retentionGrace)) {
			out = append(out, info.Slice)
		} else if r := chunk.SliceRange(in.layout.Slice, info.Slice); r.Min <= r.Max {
			break // slices come by rising time
		}
	}
	return out
}

// maxRetained bounds the chunks that one commit removes.
const maxRetained = 4096

// retain removes the slices of a partition that are too old; it returns how many. The
// caller holds part.compacting, and in a cluster the lease.
func (db *DB) retain(ctx context.Context, part *partition) (dropped int, err error) {
	if err := db.settleDoubtful(ctx, part); err != nil {
		return 0, err
	}
	// Before what is awaited: who changes the retention relies on it (goneBefore).
	now := db.opt.Now()
	in, m, err := db.compactable(ctx, part)
	if err != nil {
		return 0, err
	}
	if db.cluster != nil && len(db.expired(in, m, now)) > 0 {
		// Another node may have changed the retention.
		if err := db.cluster.follower.wait(ctx, time.Now()); err != nil {
			return 0, err
		}
		if in, m, err = db.compactable(ctx, part); err != nil {
			return 0, err
		}
	}
	var removed []*chunk.Entry
	remove := func(slice int64) error {
		if len(removed) == 0 {
			return nil
		}
		r := db.compactor.begin(part.id, slice, "retention")
		r.began(removed)
		c := &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Retention, By: db.own(), Schema: max(in.def.Version, m.Schema())}
		for _, e := range removed {
			c.Removes = append(c.Removes, e.ID)
		}
		err := db.replace(ctx, part, &replacement{commit: c, removed: removed, seen: m.Seq()})
		r.end(err)
		removed = nil
		return err
	}
	last := int64(0)
	for _, slice := range db.expired(in, m, now) {
		list, err := entries(m.ChunksOf(ctx, slice))
		if err != nil {
			return dropped, in.unread(err)
		}
		removed, last = append(removed, list...), slice
		dropped++
		if len(removed) >= maxRetained {
			if err := remove(slice); err != nil {
				return dropped, err
			}
		}
	}
	if err = remove(last); err == nil && in.versions() {
		err = db.forget(ctx, part, in, m)
	}
	if errors.Is(err, commitlog.ErrPrecondition) && db.cluster != nil {
		err = nil // another node has removed some of them; the next round looks again
	}
	return dropped, err
}
