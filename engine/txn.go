package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TxnOptions say how a transaction reads and whether it writes.
type TxnOptions struct {
	// RepeatableRead keeps the first snapshot for all statements; else each
	// statement has its own (READ COMMITTED).
	RepeatableRead bool
	ReadOnly       bool
}

// A Txn is a transaction. It is used by one goroutine, but that several splits
// of its scans may be read at once.
type Txn struct {
	db    *DB
	opt   TxnOptions
	owner *lock.Owner
	snap  *state // of the statement
	first uint64 // number of the oldest state that the transaction may still read

	work    work
	visible map[chunk.PartitionID]*ownPart // of work, as of the statement's start
	marks   []work                         // by savepoint

	// What follows from the snapshot and the changes.
	catalog *schema.Catalog
	tables  map[datum.OID]*tableInfo // of tables that the transaction changed

	reads    []readKeys // what the transaction looked up and builds on
	readRows int
	done     bool
}

// work is what a transaction has done so far. Its maps and slices are not
// changed in place once a savepoint holds them.
type work struct {
	parts   map[chunk.PartitionID]*ownPart
	changes []schema.Change
	stages  int // staged chunks of the partition with most
}

// An ownPart is what a transaction adds to a partition. It is immutable.
type ownPart struct {
	info *tableInfo
	*delta
}

// Begin starts a transaction.
func (db *DB) Begin(_ context.Context, opt TxnOptions) (*Txn, error) {
	if db.closed.Load() {
		return nil, errClosed
	}
	t := &Txn{db: db, opt: opt, owner: db.locks.NewOwner(), work: work{parts: map[chunk.PartitionID]*ownPart{}}}
	t.snap = db.snapshots.open(db, t)
	t.catalog = t.snap.catalog
	t.visible = t.work.parts
	return t, nil
}

// Snapshot starts a statement: from now on reads see everything committed so
// far plus this transaction's own writes. A REPEATABLE READ transaction keeps
// its first snapshot.
func (t *Txn) Snapshot(context.Context) error {
	if t.done {
		return errTxnDone
	}
	t.visible = maps.Clone(t.work.parts)
	if t.opt.RepeatableRead {
		return nil
	}
	return t.refresh()
}

// refresh moves the snapshot to the current state.
func (t *Txn) refresh() error {
	s := t.db.current.Load()
	if s == t.snap {
		return nil
	}
	old := t.snap
	t.snap = s
	if s.catalog != old.catalog {
		return t.rebase()
	}
	return nil
}

// rebase makes the transaction's catalogue of the snapshot's and its changes.
func (t *Txn) rebase() error {
	t.catalog, t.tables = t.snap.catalog, nil
	if len(t.work.changes) == 0 {
		return nil
	}
	c, err := t.catalog.Apply(t.catalog.Seq+1, t.work.changes...)
	if err != nil {
		return pgerr.New(pgerr.SerializationFailure, "the catalogue was changed by another transaction").WithDetail("%v", err)
	}
	t.catalog = c
	return nil
}

var errTxnDone = pgerr.New(pgerr.NoActiveTransaction, "the transaction has ended")

// Catalog returns the objects as of the snapshot, with the transaction's own
// changes.
func (t *Txn) Catalog() *schema.Catalog { return t.catalog }

// info returns a table as the transaction sees it.
func (t *Txn) info(table datum.OID) (*tableInfo, error) {
	def := t.catalog.Tables[table]
	if def == nil {
		return nil, pgerr.New(pgerr.UndefinedTable, "relation with OID %d does not exist", table)
	}
	if in := t.snap.tables[table]; in != nil && in.def == def {
		return in, nil
	}
	if in := t.tables[table]; in != nil && in.def == def {
		return in, nil
	}
	in, err := t.db.newTableInfo(def)
	if err != nil {
		return nil, err
	}
	if t.tables == nil {
		t.tables = map[datum.OID]*tableInfo{}
	}
	t.tables[table] = in
	return in, nil
}

// TableRows returns about how many rows a table has, for the planner.
func (t *Txn) TableRows(table datum.OID) int64 {
	def := t.catalog.Tables[table]
	if def == nil {
		return 0
	}
	n := int64(0)
	if st := t.snap.storages[def.Storage]; st != nil {
		for _, p := range st.parts {
			n += p.rows()
		}
	}
	for id, p := range t.visible {
		if id.Table == def.Storage {
			n += p.rows()
		}
	}
	return n
}

// Savepoint marks the present state; RollbackTo returns to the mark, which
// stays.
func (t *Txn) Savepoint() int {
	t.marks = append(t.marks, t.work)
	t.work.parts = maps.Clone(t.work.parts)
	t.work.changes = slices.Clip(t.work.changes)
	return len(t.marks) - 1
}

// RollbackTo forgets what was done since a mark. Later marks are void.
func (t *Txn) RollbackTo(ctx context.Context, mark int) error {
	if t.done {
		return errTxnDone
	}
	if mark < 0 || mark >= len(t.marks) {
		return pgerr.New(pgerr.InvalidSavepoint, "no savepoint %d", mark)
	}
	undone := t.work
	t.work = t.marks[mark]
	t.work.parts = maps.Clone(t.work.parts)
	t.marks = t.marks[:mark+1]
	t.count(undone, -1)
	t.count(t.work, 1)
	t.dropStaged(undone, t.work)
	t.visible = maps.Clone(t.work.parts)
	return t.rebase()
}

// count adds a transaction's rows to what is buffered in all, or takes them off.
func (t *Txn) count(w work, sign int64) {
	t.db.buffered.Add(sign * w.bytes())
}

func (w *work) bytes() int64 {
	n := int64(0)
	for _, p := range w.parts {
		n += p.bytes()
	}
	return n
}

// dropStaged frees the staged chunks that only the undone work has. A failure
// leaves garbage, which the sweeper finds.
func (t *Txn) dropStaged(undone, kept work) {
	for id, p := range undone.parts {
		have := 0
		if k := kept.parts[id]; k != nil {
			have = len(k.staged)
		}
		if drop := p.staged[min(have, len(p.staged)):]; len(drop) > 0 {
			t.db.deleteChunks(id, drop)
		}
	}
}

// Rollback forgets everything; after Commit or Rollback it does nothing.
func (t *Txn) Rollback() {
	if t.done {
		return
	}
	t.dropStaged(t.work, work{})
	t.end()
}

// end lets go of what the transaction holds.
func (t *Txn) end() {
	t.done = true
	t.count(t.work, -1)
	t.db.snapshots.close(t)
	t.owner.Release()
	t.work, t.visible, t.marks, t.reads, t.snap = work{}, nil, nil, nil, t.db.current.Load()
}

// Commit makes the writes durable and visible, all or none. After an error
// there is nothing of them, unless it says that the outcome is unknown.
func (t *Txn) Commit(ctx context.Context) error {
	if t.done {
		return errTxnDone
	}
	r := t.request()
	if r == nil {
		t.end()
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	err := t.db.committer.commit(r)
	if err != nil && pgerr.Code(err) != pgerr.OutcomeUnknown {
		t.Rollback()
		return err
	}
	t.end()
	return err
}

// request makes what the committer needs, nil if the transaction wrote nothing.
func (t *Txn) request() *commitRequest {
	var rec *ingest.Record
	for _, id := range sortedIDs(t.work.parts) {
		if p := t.work.parts[id]; !p.empty() {
			if rec == nil {
				rec = &ingest.Record{ID: newTxnID(), Schema: t.catalog.Seq, Versions: t.work.stages + 1}
			}
			rec.Parts = append(rec.Parts, p.parts(id)...)
		}
	}
	if rec == nil && len(t.work.changes) == 0 {
		return nil
	}
	r := &commitRequest{record: rec, bytes: t.work.bytes(), changes: t.work.changes}
	if len(r.changes) == 0 {
		r.changes = nil
	} else {
		r.catalogueSeq = t.catalog.Seq
	}
	if len(t.reads) > 0 {
		r.check = t.checkReads
	}
	return r
}

func sortedIDs(m map[chunk.PartitionID]*ownPart) []chunk.PartitionID {
	return slices.SortedFunc(maps.Keys(m), func(a, b chunk.PartitionID) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key))
	})
}

// parts makes the record's parts of what was added to a partition. The order of
// rows in the record is that in which they came.
func (p *ownPart) parts(id chunk.PartitionID) []ingest.Part {
	var out []ingest.Part
	if len(p.staged) > 0 {
		out = append(out, ingest.Part{Partition: id, Staged: slices.Clone(p.staged)})
	}
	for _, s := range p.slices {
		for _, run := range s.rows.Runs() {
			out = append(out, ingest.Part{Partition: id, Columns: p.info.live, Types: p.info.types, Rows: p.info.liveBatch(run)})
		}
	}
	return out
}
