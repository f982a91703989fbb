package engine

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
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
	// Locks are those of the session whose transaction it is; nil: of none.
	Locks *Locks
	// Database is that of which Txn.Catalog shows the objects, 0: the first one.
	Database datum.OID
}

// A Txn is a transaction. It is used by one goroutine, but that its statements
// and several splits of its scans may be read at once, and that Insert, Lookup, Delete,
// LockVersions and LockAdvisory may be called beside each other.
type Txn struct {
	db    *DB
	opt   TxnOptions
	owner *lock.Owner
	snap  *state    // of the statement
	asOf  time.Time // when that was taken: slices that were too old then are left out

	// turn is held by calls that lock or change rows, of which operators of one plan may make
	// several at once.
	turn sync.Mutex

	work    work
	visible map[chunk.PartitionID]*ownPart // of work, as of the statement's start; never changed
	marks   []work                         // by savepoint

	// What follows from the snapshot and the changes.
	catalog *schema.Catalog
	tables  tableCache // of tables that the transaction changed

	claimed   []datum.OID              // see claim
	claimedAs commitlog.Source         // ours when the first claim was taken
	alone     bool                     // one of the claims is not only shared
	bound     map[datum.OID]bool       // tables of LockRows, of the statement
	changing  map[datum.OID]lock.Modes // how rows of tables of which BeginChange was called are locked
	onlyNode  bool                     // what it has locked other nodes do not know of
	handed    *commitRequest           // to the committer
	refusing  []datum.OID              // tables of which others heard that NULLs are refused
	done      atomic.Bool
}

// owner makes what has the locks of a transaction.
func (opt *TxnOptions) owner(db *DB) *lock.Owner {
	if opt.Locks != nil {
		return opt.Locks.process.NewOwner()
	}
	return db.locks.NewOwner()
}

// Begin starts a transaction.
func (db *DB) Begin(ctx context.Context, opt TxnOptions) (*Txn, error) {
	if db.closed.Load() {
		return nil, errClosed
	}
	if opt.RepeatableRead { // else each statement sees to that
		if err := db.fresh(ctx); err != nil {
			return nil, err
		}
	}
	t := &Txn{db: db, opt: opt, owner: opt.owner(db), work: work{parts: map[chunk.PartitionID]*ownPart{}}}
	t.snap, t.asOf = db.snapshots.open(db, t), db.opt.Now()
	t.catalog = t.snap.catalog
	if err := t.checkDatabase(); err != nil {
		t.Rollback()
		return nil, err
	}
	return t, nil
}

// Snapshot starts a statement: from now on reads see everything committed so
// far plus this transaction's own writes. A REPEATABLE READ transaction keeps
// its first snapshot.
func (t *Txn) Snapshot(ctx context.Context) error {
	if t.done.Load() {
		return errTxnDone
	}
	t.visible = maps.Clone(t.work.parts)
	clear(t.bound)
	if t.opt.RepeatableRead {
		return nil
	}
	if err := t.db.fresh(ctx); err != nil {
		return err
	}
	return t.refresh()
}

// refresh moves the snapshot to the current state.
func (t *Txn) refresh() error {
	s := t.db.current.Load()
	t.asOf = t.db.opt.Now() // later than the state: what was removed in it is left out in all partitions
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
	t.catalog = t.snap.catalog
	if len(t.work.changes) == 0 {
		return t.checkDatabase()
	}
	c, err := t.catalog.Apply(t.catalog.Seq+1, t.work.changes...)
	if err != nil {
		return pgerr.New(pgerr.SerializationFailure, "the catalogue was changed by another transaction").WithDetail("%v", err)
	}
	t.catalog = c
	return t.checkDatabase()
}

var errTxnDone = pgerr.New(pgerr.NoActiveTransaction, "the transaction has ended")

// Catalog returns the objects of the transaction's database as of the snapshot, with the
// transaction's own changes.
func (t *Txn) Catalog() *schema.Catalog { return t.catalog.In(t.opt.Database) }

// checkDatabase refuses to go on in a database that was dropped.
func (t *Txn) checkDatabase() error {
	if t.catalog.DatabaseOf(t.opt.Database) == nil {
		return pgerr.New(pgerr.InvalidCatalogName, "the database does not exist any more").WithDetail("Another session dropped it.")
	}
	return nil
}

// info returns a table as the transaction sees it.
func (t *Txn) info(table datum.OID) (*tableInfo, error) { return t.Statement().info(table) }

// Position returns the greatest row version in the snapshot, and not less than that from which
// on a table has a history.
func (t *Txn) Position() int64 { return t.snap.position() }

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

// Rollback forgets everything; after Commit or Rollback it does nothing.
func (t *Txn) Rollback() {
	if t.done.Load() {
		return
	}
	t.dropStaged(t.work, work{})
	t.acceptNulls(func(datum.OID) bool { return false })
	t.end()
}

// end lets go of what the transaction holds.
func (t *Txn) end() {
	t.done.Store(true)
	t.grow(-t.work.bytes)
	t.db.snapshots.close(t)
	if t.handed == nil || !t.handed.open {
		t.release()
	} else {
		t.owner.Detach() // its session goes on
	}
	t.work, t.visible, t.marks, t.snap = work{}, nil, nil, t.db.current.Load()
}

// release lets go of what the transaction has locked and claimed.
func (t *Txn) release() {
	t.owner.Release()
	t.unclaim()
}

// commitBytes is how many bytes of rows go into a record: more would hold up the
// other transactions, and be written twice.
const commitBytes = 4 << 20

// Commit makes the writes durable and visible, all or none. After an error
// there is nothing of them, unless it says that the outcome is unknown. The
// transaction has ended in any case.
func (t *Txn) Commit(ctx context.Context) error {
	if t.done.Load() {
		return errTxnDone
	}
	if t.undecided() {
		t.Rollback()
		return errSilent(errUndecided)
	}
	if t.work.bytes > commitBytes {
		if err := t.stage(ctx); err != nil {
			t.Rollback()
			return err
		}
	}
	if err := t.claimReplaced(ctx); err != nil {
		t.Rollback()
		return err
	}
	err := t.settleReads(ctx)
	if err == nil {
		err = t.checkOnlyNode()
	}
	if err != nil {
		t.Rollback()
		return err
	}
	r := t.request()
	if r == nil {
		t.acceptNulls(func(datum.OID) bool { return false })
		t.end()
		return nil
	}
	if ctx.Err() != nil {
		t.Rollback()
		return context.Cause(ctx)
	}
	r.release = t.release
	t.handed = r
	err = t.db.committer.commit(r)
	if err != nil && pgerr.Code(err) != pgerr.OutcomeUnknown {
		t.Rollback()
		return err
	}
	if err == nil && r.changes != nil && t.db.cluster != nil {
		t.db.cluster.members.agree(t.db.current.Load().catalog.Seq)
	}
	if err == nil {
		for _, id := range r.gone {
			t.db.deleteChunks(id, t.work.parts[id].staged())
		}
		t.acceptNulls(func(datum.OID) bool { return false }) // where it came to nothing
	}
	t.end()
	return err
}

// request makes what the committer needs, nil if the transaction wrote nothing.
func (t *Txn) request() *commitRequest {
	r := &commitRequest{parts: t.work.parts, bytes: t.work.bytes}
	live := t.storages()
	versions := 1
	var parts []ingest.Part
	for _, id := range sortedIDs(t.work.parts) {
		if live != nil && !live[id.Table] {
			r.gone = append(r.gone, id)
			continue
		}
		p := t.work.parts[id]
		versions = max(versions, p.stages()+1)
		parts = append(parts, p.parts(id)...)
	}
	if len(parts) > 0 {
		r.record = &ingest.Record{ID: newTxnID(), Schema: t.catalog.Seq, Versions: versions, Parts: parts}
	}
	if len(t.work.changes) > 0 {
		t.settleGone()
		r.changes, r.catalogueSeq = t.work.changes, t.catalog.Seq
	}
	if r.record == nil && r.changes == nil {
		return nil
	}
	if len(t.work.reads) > 0 {
		r.check = t.checkReads
	}
	if len(t.claimed) > 0 {
		r.claimedAs, r.alone = t.claimedAs, t.alone
	}
	return r
}

// storages are those of the tables that there are with the transaction's changes;
// nil if it changed none, for it has locked those that it wrote to.
func (t *Txn) storages() map[datum.OID]bool {
	if len(t.work.changes) == 0 {
		return nil
	}
	live := make(map[datum.OID]bool, len(t.catalog.Tables))
	for _, def := range t.catalog.Tables {
		live[def.Storage] = true
	}
	return live
}
