package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// wholeTable is the key that transactions lock which change rows of a table without
// a key.
var wholeTable = [][]byte{{}}

// BeginChange prepares a statement that deletes or updates rows of a table, and
// starts its snapshot. In a table without a key it waits for other transactions that
// do so: rows have no name by which two could tell that they mean the same one. strength is
// how the rows are locked: locking.NoKeyUpdate if all stay and keep their keys.
func (t *Txn) BeginChange(ctx context.Context, table datum.OID, strength locking.Strength) error {
	if t.done.Load() {
		return errTxnDone
	}
	modes := lock.Key | rowModes[strength]
	in, err := t.lockTable(ctx, table, true)
	if err != nil {
		return err
	}
	if !in.keyed() {
		if err := t.owner.Keys(ctx, table, wholeTable, modes); err != nil {
			return err
		}
	}
	if err := t.claim(ctx, table); err != nil {
		return err
	}
	if err := t.Snapshot(ctx); err != nil {
		return err
	}
	if err := t.LockRows(ctx, table); err != nil { // from now on the statement's
		return err
	}
	if !in.keyed() && t.opt.RepeatableRead && t.changedSince(in) {
		return errConcurrentUpdate()
	}
	if t.changing == nil {
		t.changing = map[datum.OID]lock.Modes{}
	}
	t.changing[table] = modes
	return nil
}

// changedSince says whether rows of a table without a key may have been deleted since the
// snapshot. What other nodes did is known by their logs, if these are not trimmed, and
// by versions that need not be above those of the snapshot; so anything of theirs
// that came since counts.
func (t *Txn) changedSince(in *tableInfo) bool {
	now, then := t.db.current.Load(), t.snap
	st, old := now.storages[in.def.Storage], then.storages[in.def.Storage]
	if st == nil {
		return false
	}
	if t.db.cluster == nil {
		return st.changed > then.upTo
	}
	if st.changed > then.upTo || !maps.Equal(now.heads, then.heads) {
		return true
	}
	return !slices.EqualFunc(st.parts, old.parts, func(a, b *partState) bool { return a.manifest.Seq() == b.manifest.Seq() })
}

func errConcurrentUpdate() error {
	return pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update")
}

// Delete takes away rows: all live columns, in definition order, as the snapshot that
// BeginChange started has them, each once. again says that one of them was changed
// since by a transaction that has committed: the statement is to be rolled back and
// begun again. (A REPEATABLE READ transaction fails with 40001 instead.)
func (t *Txn) Delete(ctx context.Context, table datum.OID, rows arrow.RecordBatch) (again bool, err error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	in, err := t.lockRows(ctx, table)
	if err != nil {
		return false, err
	}
	if int(rows.NumCols()) != len(in.live) || t.changing[table] == 0 {
		return false, pgerr.New(pgerr.InternalError, "engine: delete of %d columns in table %s with %d, begun: %t",
			rows.NumCols(), in.name(), len(in.live), t.changing[table] != 0)
	}
	if rows.NumRows() == 0 {
		return false, nil
	}
	if err := t.db.admit(ctx, t); err != nil {
		return false, err
	}
	if in.keyed() {
		if again, err := t.lockVersions(ctx, in, rows); again || err != nil {
			return again, err
		}
	}
	return false, t.add(ctx, in, rows, true)
}

// lockVersions locks the keys of rows, and says whether one of them is not as the
// snapshot has it any more.
func (t *Txn) lockVersions(ctx context.Context, in *tableInfo, rows arrow.RecordBatch) (again bool, err error) {
	cols := in.keyColumns(rows)
	keys := in.encodeKeys(cols, int(rows.NumRows()))
	if err := t.owner.Keys(ctx, in.def.OID, keys, t.changing[in.def.OID]); err != nil {
		return false, err
	}
	return t.checkVersions(ctx, in, cols, keys, func(row int) error {
		return pgerr.New(pgerr.InternalError, "engine: row %d of table %s is deleted twice by one transaction", row, in.name())
	})
}

// checkVersions says whether one of the rows whose keys are locked is not as the snapshot has it
// any more. gone makes the error for one that is not there because of the transaction itself.
func (t *Txn) checkVersions(ctx context.Context, in *tableInfo, cols []arrow.Array, keys [][]byte, gone func(row int) error) (again bool, err error) {
	found, err := t.find(ctx, in, cols, keys, false)
	if err != nil {
		return false, err
	}
	defer found.release()
	changed := slices.ContainsFunc(found.at, func(r foundRow) bool { return r.newer(t.snap) || r.source < 0 && !r.own() })
	if !changed && t.opt.RepeatableRead && t.db.cluster != nil {
		if changed, err = t.changedElsewhere(ctx, in, cols, keys, found); err != nil {
			return false, err
		}
	}
	switch {
	case changed && t.opt.RepeatableRead:
		return false, errConcurrentUpdate()
	case changed:
		return true, nil
	}
	if i := slices.IndexFunc(found.at, func(r foundRow) bool { return r.source < 0 }); i >= 0 {
		return false, gone(i)
	}
	return false, t.noteReads(in, found)
}

// changedElsewhere says whether rows that were found are of other versions than those
// in the snapshot. Versions of other nodes may be below the clock of a snapshot that
// does not have them.
func (t *Txn) changedElsewhere(ctx context.Context, in *tableInfo, cols []arrow.Array, keys [][]byte, now *finding) (bool, error) {
	then, err := t.findAt(ctx, t.snap, in, cols, keys, false)
	if err != nil {
		return false, err
	}
	defer then.release()
	return !slices.EqualFunc(now.at, then.at, func(a, b foundRow) bool { return a.version == b.version }), nil
}

// marksRows says whether a part of a record deletes rows.
func marksRows(p *ingest.Part) bool {
	return slices.Contains(p.Columns, schema.RowDeletedColumn) || slices.ContainsFunc(p.Staged, (*chunk.Entry).Marked)
}
