package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// work is what a transaction has done so far. A savepoint has one of its own.
type work struct {
	parts   map[chunk.PartitionID]*ownPart
	changes []schema.Change
	bytes   int64 // of the rows that are not staged

	locked int32 // a savepoint of the locks

	reads    []readKeys // what was looked up and is built on
	readRows int
}

// clone returns a copy to go on with.
func (w work) clone() work {
	w.parts = maps.Clone(w.parts)
	w.changes = slices.Clip(w.changes)
	w.reads = slices.Clip(w.reads)
	return w
}

// Savepoint marks the present state; RollbackTo returns to the mark, which
// stays.
func (t *Txn) Savepoint() int {
	t.work.locked = t.owner.Savepoint()
	t.marks = append(t.marks, t.work)
	t.work = t.work.clone()
	return len(t.marks) - 1
}

// Release forgets a mark and those after it, but not what was done since. An
// unknown mark is none.
func (t *Txn) Release(mark int) {
	if t.done.Load() || mark < 0 || mark >= len(t.marks) {
		return
	}
	clear(t.marks[mark:])
	t.marks = t.marks[:mark]
	for id, p := range t.work.parts {
		merged, err := p.merge(t.db.mem, t.held(id))
		if err != nil {
			continue // it is as good in several deltas
		}
		t.work.parts[id] = merged
		t.grow(merged.bytes() - p.bytes())
	}
}

// RollbackTo forgets what was done since a mark, and lets go of what was locked. Later marks
// are void.
func (t *Txn) RollbackTo(_ context.Context, mark int) error {
	if err := t.undo(mark); err != nil {
		return err
	}
	t.owner.RollbackTo(t.work.locked)
	return nil
}

// undo is RollbackTo, but that what was locked stays so.
func (t *Txn) undo(mark int) error {
	if t.done.Load() {
		return errTxnDone
	}
	if mark < 0 || mark >= len(t.marks) {
		return pgerr.New(pgerr.InvalidSavepoint, "no savepoint %d", mark)
	}
	undone := t.work
	clear(t.marks[mark+1:])
	t.marks = t.marks[:mark+1]
	t.work = t.marks[mark].clone()
	t.db.buffered.Add(t.work.bytes - undone.bytes)
	t.dropStaged(undone, t.work)
	t.visible = maps.Clone(t.work.parts)
	if t.acceptNulls(t.changed) {
		if err := t.redefine(); err != nil {
			return err
		}
	}
	return t.rebase()
}

// held returns how many deltas of a partition are the last savepoint's too.
func (t *Txn) held(id chunk.PartitionID) int {
	if len(t.marks) == 0 {
		return 0
	}
	if p := t.marks[len(t.marks)-1].parts[id]; p != nil {
		return len(p.deltas)
	}
	return 0
}

// grow counts bytes of rows that came, or went if it is negative.
func (t *Txn) grow(bytes int64) {
	t.work.bytes += bytes
	t.db.buffered.Add(bytes)
}

// dropStaged frees the staged chunks that only the undone work has: those of the
// kept work are the first ones. A failure leaves garbage, which the sweeper finds.
func (t *Txn) dropStaged(undone, kept work) {
	for id, p := range undone.parts {
		staged := p.staged()
		t.db.deleteChunks(id, staged[min(len(kept.parts[id].staged()), len(staged)):])
	}
}
