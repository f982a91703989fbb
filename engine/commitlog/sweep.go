package commitlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// Swept counts the chunks whose blobs a sweep deleted.
type Swept struct {
	Removed int // that commits had removed
	Unnamed int // that no commit had named
}

// Sweep deletes the blobs of chunks that commits removed before the time, and of
// those that were made before it and are named by no commit. No snapshot of
// before that time may be in use any more. Flushes and compactions whose chunks
// are older, such as staged ones, fail from then on (ChunkAge).
//
// Before anything unnamed is deleted a Horizon commit makes sure that it will
// never be named. Removed chunks are deleted first, and the same commit notes
// that they are gone; a crash in between costs a repetition. After an error some
// may be left, for the next sweep.
func (l *Log) Sweep(ctx context.Context, before time.Time) (Swept, error) {
	var swept Swept
	m, err := l.Refresh(ctx)
	if err != nil {
		return swept, err
	}
	horizon := firstID(before)
	removed, freed := removedBefore(m, before, horizon)
	stored, err := l.st.Chunks(ctx, l.part)
	if err != nil {
		return swept, fmt.Errorf("chunks of %s: %w", partName(l.part), err)
	}
	unnamed := unnamedBefore(m, stored, horizon)
	if len(removed) == 0 && len(unnamed) == 0 {
		return swept, nil
	}
	if err := l.delete(ctx, removed); err != nil {
		return swept, err
	}
	swept.Removed = len(removed)
	if len(freed) > 0 || compareIDs(m.horizon, horizon) < 0 {
		c := &Commit{Kind: Horizon, Schema: m.schema, Horizon: horizon, Freed: freed}
		if m, err = l.Commit(ctx, c); err != nil {
			return swept, err
		}
	}
	// What was named before the horizon stays.
	unnamed = unnamedBefore(m, unnamed, horizon)
	if err := l.delete(ctx, entriesOf(unnamed)); err != nil {
		return swept, err
	}
	swept.Unnamed = len(unnamed)
	return swept, nil
}

func (l *Log) delete(ctx context.Context, entries []*chunk.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := l.st.DeleteChunks(ctx, l.part, entries); err != nil {
		return fmt.Errorf("chunks of %s: %w", partName(l.part), err)
	}
	return nil
}

// removedBefore returns the garbage of before the time. Chunks above the
// horizon are left to a later sweep: by their IDs they were made after that time.
func removedBefore(m *Manifest, before time.Time, horizon chunk.ID) (entries []*chunk.Entry, ids []chunk.ID) {
	for g := range m.Garbage() {
		if g.Removed.Before(before) && compareIDs(g.Entry.ID, horizon) < 0 {
			entries = append(entries, g.Entry)
			ids = append(ids, g.Entry.ID)
		}
	}
	return entries, ids
}

// unnamedBefore returns the chunks below the horizon that the log does not name. One
// with the fingerprint of a live chunk would be left.
func unnamedBefore(m *Manifest, ids []chunk.ID, horizon chunk.ID) []chunk.ID {
	var out []chunk.ID
	live := m.fingerprints()
	for _, id := range ids {
		if _, gone := m.discarded(id); gone || compareIDs(id, horizon) >= 0 {
			continue
		}
		if _, named := slices.BinarySearch(live, fingerprint(id)); !named {
			out = append(out, id)
		}
	}
	return out
}

// firstID returns an ID that is below all that are made at the time or later,
// and above all of milliseconds before it.
func firstID(t time.Time) (id chunk.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return id
}
