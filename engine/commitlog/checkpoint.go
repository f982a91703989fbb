package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Checkpoint writes the folded state, so that readers need not fold the
// entries up to it, which it trims. It forgets the sources that are not live
// (Options.Live). If hardly anything was appended since the last checkpoint it
// does no more than to remove what that one replaced. An error leaves the log
// as good as it was.
//
// The way of a checkpoint: it is written under a name of its own; a Checkpoint
// commit makes it the one to begin with; only then the entries that it covers
// and the checkpoint before it are removed. So whatever is slow or fails, the
// last entry of the log names a checkpoint that is there.
func (l *Log) Checkpoint(ctx context.Context) error {
	if err := l.checkpointing.take(ctx); err != nil {
		return err
	}
	defer l.checkpointing.give()
	return l.checkpoint(ctx)
}

// checkpointIfDue writes a checkpoint if there are enough entries after the
// last one and nobody is at it. It returns the latest state.
func (l *Log) checkpointIfDue(ctx context.Context, m *Manifest) *Manifest {
	if !l.due(m) || !l.checkpointing.tryTake() {
		return m
	}
	defer l.checkpointing.give()
	if m.seq < l.retryAt {
		return m
	}
	if err := l.checkpoint(ctx); err != nil {
		l.retryAt = m.seq + uint64(l.opt.CheckpointEvery)/4 + 1
		l.opt.Logger.Warn("a checkpoint of a commit log failed", slog.Uint64("table", uint64(l.part.Table)),
			slog.String("partition", fmt.Sprintf("%x", l.part.Key)), slog.Uint64("seq", m.seq), slog.Any("error", err))
	}
	return l.Manifest()
}

// due weighs the cost of a checkpoint, which is of all chunks, against that of
// folding entries when the log is opened.
func (l *Log) due(m *Manifest) bool {
	every := l.opt.CheckpointEvery
	if every < 0 {
		return false
	}
	entries := min(max(every, (m.chunks.n+m.garbage.n)/chunksPerCommit), maxTailFactor*every)
	return m.seq-m.base >= uint64(entries)
}

func (l *Log) checkpoint(ctx context.Context) error {
	m := l.Manifest()
	dead := l.dead(m)
	// The last entry has to stay in any case, often it is a Checkpoint commit.
	if m.seq-m.base > 1 || m.seq > 0 && len(dead) > 0 {
		if err := l.writeCheckpoint(ctx, m, dead); err != nil {
			return err
		}
	}
	return l.removeOld(ctx)
}

// dead returns the sources that are not live. One whose rows are still being
// folded by a taker is: the taker knows it as its own.
func (l *Log) dead(m *Manifest) []Source {
	var dead []Source
	for _, s := range m.sources {
		if !l.opt.Live(s.Source) {
			dead = append(dead, s.Source)
		}
	}
	return dead
}

func (l *Log) writeCheckpoint(ctx context.Context, m *Manifest, dead []Source) error {
	id := checkpointID(l.part, m.seq)
	if err := l.st.PutCheckpoint(ctx, id, appendCheckpoint(nil, l.id, m)); err != nil {
		return fmt.Errorf("checkpoint %d of the commit log of %s: %w", m.seq, partName(l.part), err)
	}
	if !slices.Contains(l.tried, m.seq) {
		l.tried = append(l.tried, m.seq)
	}
	c := &Commit{Kind: Checkpoint, Base: m.seq, Forget: dead}
	l.complete(c)
	_, err := l.commit(ctx, c)
	if errors.Is(err, ErrPrecondition) {
		return nil // another process was faster
	}
	return err
}

// removeOld trims the entries that the checkpoint in use covers and deletes
// the checkpoints before it. One that is later may yet come into use.
func (l *Log) removeOld(ctx context.Context) error {
	m := l.Manifest()
	if m.base == 0 {
		return nil
	}
	if err := l.st.Trim(ctx, l.id, m.base+1); err != nil {
		return wrapLog(l.part, err)
	}
	old := l.tried
	if m.previous > 0 && !slices.Contains(old, m.previous) {
		old = append(slices.Clip(old), m.previous)
	}
	for _, seq := range old {
		if seq >= m.base {
			continue
		}
		if err := l.st.DeleteCheckpoint(ctx, checkpointID(l.part, seq)); err != nil {
			return fmt.Errorf("checkpoint %d of the commit log of %s: %w", seq, partName(l.part), err)
		}
	}
	l.tried = slices.DeleteFunc(slices.Clone(l.tried), func(seq uint64) bool { return seq < m.base })
	return nil
}

// Drop removes all that a store has of a partition: blobs, checkpoints and, at
// last, the log, so that a Drop that failed can be repeated. Nobody may have the
// log open. It does not need the log to be readable.
func Drop(ctx context.Context, st store.Store, part chunk.PartitionID) error {
	ids, err := st.Chunks(ctx, part)
	if err != nil {
		return fmt.Errorf("chunks of %s: %w", partName(part), err)
	}
	if err := st.DeleteChunks(ctx, part, entriesOf(ids)); err != nil {
		return fmt.Errorf("chunks of %s: %w", partName(part), err)
	}
	checkpoints, err := checkpointsOf(ctx, st, part)
	if err != nil {
		return err
	}
	for _, seq := range checkpoints {
		if err := st.DeleteCheckpoint(ctx, checkpointID(part, seq)); err != nil {
			return fmt.Errorf("checkpoint %d of the commit log of %s: %w", seq, partName(part), err)
		}
	}
	return wrapLog(part, st.Drop(ctx, LogID(part)))
}

// checkpointsOf returns the checkpoint in use and the one before it, as far as
// they can be read.
func checkpointsOf(ctx context.Context, st store.Store, part chunk.PartitionID) ([]uint64, error) {
	base, _, err := lastBase(ctx, st, part)
	if errors.Is(err, chunk.ErrCorrupt) || err == nil && base == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := st.Checkpoint(ctx, checkpointID(part, base))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, chunk.ErrCorrupt) {
		return []uint64{base}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %d of the commit log of %s: %w", base, partName(part), err)
	}
	m, err := parseCheckpoint(LogID(part), base, data)
	if err != nil || m.base == 0 {
		return []uint64{base}, nil // a damaged one goes as well
	}
	return []uint64{m.base, base}, nil
}

// entriesOf makes entries that name chunks wherever they lie.
func entriesOf(ids []chunk.ID) []*chunk.Entry {
	entries := make([]*chunk.Entry, len(ids))
	for i, id := range ids {
		entries[i] = &chunk.Entry{ID: id}
	}
	return entries
}
