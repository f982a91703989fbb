package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// ownVersion is the row version of rows before their commit: above all others.
// Staged chunks have the ones before it, in the order of staging.
const (
	ownVersion       = math.MaxInt64 - 1
	ownStagedVersion = uint64(ownVersion) - maxStages
	maxStages        = 1 << 20
)

// Insert adds the rows of batch, whose columns are the table's live columns in
// definition order; the engine keeps its own reference. It returns how many rows
// went in, and for InsertIgnore which (nil: all). It waits while write buffers
// are full.
func (t *Txn) Insert(ctx context.Context, table datum.OID, batch arrow.RecordBatch, mode chunk.InsertMode) (int64, []int32, error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	in, err := t.lockRows(ctx, table)
	if err != nil {
		return 0, nil, err
	}
	if err := in.checkBatch(batch, t.catalog); err != nil {
		return 0, nil, err
	}
	if err := t.checkRetention(in, batch, t.changing[table] != 0); err != nil {
		return 0, nil, err
	}
	if batch.NumRows() == 0 {
		return 0, nil, nil
	}
	if err := t.db.admit(ctx, t); err != nil {
		return 0, nil, err
	}
	batch.Retain()
	var kept []int32
	if in.keyed() && in.mode(mode) != chunk.InsertReplace {
		kept, err = t.unique(ctx, in, batch, in.mode(mode))
		if err != nil || kept != nil && len(kept) == 0 {
			batch.Release()
			return 0, kept, err
		}
		if kept != nil {
			part, err := in.take(t.db.mem, batch, kept)
			batch.Release()
			if err != nil {
				return 0, nil, err
			}
			batch = part
		}
	}
	defer batch.Release()
	if err := t.add(ctx, in, batch, false); err != nil {
		return 0, nil, err
	}
	t.db.metrics.rows.Add(float64(batch.NumRows()))
	return batch.NumRows(), kept, nil
}

// mode resolves InsertDefault.
func (in *tableInfo) mode(m chunk.InsertMode) chunk.InsertMode {
	if m != chunk.InsertDefault {
		return m
	}
	switch in.def.OnDuplicate {
	case schema.DuplicateReplace:
		return chunk.InsertReplace
	case schema.DuplicateIgnore:
		return chunk.InsertIgnore
	}
	return chunk.InsertError
}

// lockRows locks a table against changes of its definition and returns it as it is then,
// for a call whose rows are those of Catalog: if they would be others it fails.
func (t *Txn) lockRows(ctx context.Context, table datum.OID) (*tableInfo, error) {
	return t.lockTable(ctx, table, false)
}

// lockTable is lockRows; begin says that no rows are given, so that they may have become
// others.
func (t *Txn) lockTable(ctx context.Context, table datum.OID, begin bool) (*tableInfo, error) {
	if err := t.writable(); err != nil {
		return nil, err
	}
	if _, err := t.owner.Lock(ctx, lock.Table(table), lock.RowExclusive); err != nil {
		return nil, err
	}
	in, err := t.info(table)
	if err != nil {
		return nil, err
	}
	// The definition may have changed before the lock was granted, or those of its types.
	now := t.db.current.Load()
	cur := now.catalog.Tables[table]
	switch {
	case t.changed(table), cur == in.def && (!begin || t.snap.catalog.SameDomains(now.catalog, cur)):
		return in, nil
	case cur == nil:
		return nil, pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", in.name())
	case t.bound[table] && cur.Storage == in.def.Storage:
		return in, nil // another node changed it since, which its rows can be conformed to
	case !t.opt.RepeatableRead && (begin || sameRows(cur, in.def)):
		if err := t.refresh(); err != nil {
			return nil, err
		}
		return t.info(table)
	case begin && cur.Storage == in.def.Storage && sameRows(cur, in.def): // the snapshot keeps the rows, and they what was asked of them
		if err := t.redefine(); err != nil {
			return nil, err
		}
		return t.info(table)
	case cur.Storage == in.def.Storage && sameRows(cur, in.def):
		if len(cur.Placements) != len(in.def.Placements) || cur.Generation != in.def.Generation {
			return in, nil // whose generation is as good, and known to the snapshot
		}
		return t.tables.info(t.db, cur)
	}
	return nil, pgerr.New(pgerr.SerializationFailure, "could not serialize access due to a concurrent change of table %q", in.name())
}

// LockRows keeps the definition of a table that the statement writes to as it is until the
// transaction ends. Catalog has then what it has become, and the statement goes on with
// that, whatever other nodes do.
func (t *Txn) LockRows(ctx context.Context, table datum.OID) error {
	if _, err := t.lockTable(ctx, table, true); err != nil {
		return err
	}
	if t.bound == nil {
		t.bound = map[datum.OID]bool{}
	}
	t.bound[table] = true
	return nil
}

// checkRetention refuses rows that are older than the table keeps; of new versions of rows
// that can be seen those whose slice cannot.
func (t *Txn) checkRetention(in *tableInfo, batch arrow.RecordBatch, changed bool) error {
	now := t.db.opt.Now()
	oldest, ok := in.oldest(now)
	if !ok {
		return nil
	}
	limit := arrow.Timestamp(oldest)
	times := batch.Column(in.timeAt).(*array.Timestamp)
	for row, v := range times.TimestampValues() {
		if v < limit && !times.IsNull(row) {
			if changed && !in.outdated(chunk.SliceOf(in.layout.Slice, datum.Micros(v), false), now) {
				continue
			}
			t.db.metrics.refused.Inc()
			e := pgerr.New(pgerr.CheckViolation, "row is older than the retention of table %q", in.name()).
				WithDetail("Failing row contains (%s); %s.", in.rowText(batch, row, t.catalog), in.kept())
			e.Table, e.Column, e.Row = in.name(), in.layout.Columns[in.timeAt].Name, row+1
			return e
		}
	}
	return nil
}

// kept says for how long rows are kept.
func (in *tableInfo) kept() string {
	if in.def.Gone == nil {
		return fmt.Sprintf("rows are kept for %v", in.def.Retention)
	}
	gone := datum.AppendText(nil, datum.Of(datum.TimestampTZ), *in.def.Gone, &datum.Env{})
	if in.def.Retention <= 0 {
		return fmt.Sprintf("those before %s were dropped", gone)
	}
	return fmt.Sprintf("rows are kept for %v, and those before %s were dropped", in.def.Retention, gone)
}

// add routes rows, or marks, into the transaction's deltas, all or none.
func (t *Txn) add(ctx context.Context, in *tableInfo, batch arrow.RecordBatch, marks bool) error {
	if err := t.gather(ctx, in); err != nil {
		return err
	}
	groups, err := in.route(ctx, t.db.mem, batch)
	if err != nil {
		return err
	}
	defer releaseRouted(groups)
	next := make([]*ownPart, len(groups))
	grown := int64(0)
	for i, g := range groups {
		if _, err := t.db.ensurePartition(ctx, g.id); err != nil {
			return err
		}
		rows, err := in.conform(t.db.mem, g.batch, marks)
		if err != nil {
			return err
		}
		old := t.work.parts[g.id]
		if old == nil {
			old = &ownPart{info: in}
		}
		same, err := old.conformed(t.db.mem, in)
		if err != nil {
			return err
		}
		next[i], err = same.add(t.db.mem, in, t.held(g.id), rows)
		rows.Release()
		if err != nil {
			return err
		}
		grown += next[i].bytes() - old.bytes()
	}
	for i, g := range groups {
		t.work.parts[g.id] = next[i]
	}
	t.grow(grown)
	if t.work.bytes > t.db.stageBytes {
		return t.stage(ctx)
	}
	return nil
}

// conform makes rows, or marks, of live columns those of a transaction.
func (in *tableInfo) conform(mem memory.Allocator, batch arrow.RecordBatch, marks bool) (arrow.RecordBatch, error) {
	if !marks {
		return ingest.Conform(mem, in.layout, in.live, batch, ownVersion)
	}
	set := datum.NewArray(mem, datum.Of(datum.Bool), true, int(batch.NumRows()))
	defer set.Release()
	fields := append(slices.Clip(batch.Schema().Fields()), datum.Field("row_deleted", datum.Of(datum.Bool)))
	with := array.NewRecordBatch(arrow.NewSchema(fields, nil), append(slices.Clip(batch.Columns()), set), batch.NumRows())
	defer with.Release()
	return ingest.Conform(mem, in.layout, append(slices.Clip(in.live), schema.RowDeletedColumn), with, ownVersion)
}

// liveBatch returns a run of the layout's columns without the hidden ones.
func (in *tableInfo) liveBatch(run arrow.RecordBatch) arrow.RecordBatch {
	if int(run.NumCols()) == len(in.live) {
		return run
	}
	return array.NewRecordBatch(in.schema, run.Columns()[:len(in.live)], run.NumRows())
}
