package engine

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// rowModes are the locks of rows.
var rowModes = map[locking.Strength]lock.Modes{
	locking.KeyShare: lock.ForKeyShare, locking.ShareRow: lock.ForShare,
	locking.NoKeyUpdate: lock.ForNoKeyUpdate, locking.UpdateRow: lock.ForUpdate,
}

// BeginRowLocks prepares a statement that locks rows of a table (FOR UPDATE and its kin), and
// starts its snapshot. The rows of a table without a key have no names, so all are locked
// here; none says that somebody else has them, and that they are to be skipped.
func (t *Txn) BeginRowLocks(ctx context.Context, table datum.OID, strength locking.Strength, wait locking.Wait) (none bool, err error) {
	if err := t.writable(); err != nil {
		return false, err
	}
	if _, err := t.owner.Lock(ctx, lock.Table(table), lock.RowShare); err != nil {
		return false, err
	}
	in, err := t.info(table)
	if err != nil {
		return false, err
	}
	if !in.keyed() {
		if none, err = t.lockWhole(ctx, in, strength, wait); none || err != nil {
			return none, err
		}
	}
	if err := t.claimWithin(ctx, in, wait); err != nil {
		return false, err
	}
	if err := t.Snapshot(ctx); err != nil {
		return false, err
	}
	if !in.keyed() && t.opt.RepeatableRead && t.changedSince(in) {
		return false, errConcurrentUpdate()
	}
	return false, nil
}

// lockWhole locks the rows of a table without a key, all as one.
func (t *Txn) lockWhole(ctx context.Context, in *tableInfo, strength locking.Strength, wait locking.Wait) (none bool, err error) {
	if wait == locking.Block {
		return false, t.owner.Keys(ctx, in.def.OID, wholeTable, rowModes[strength])
	}
	got, _ := t.owner.TryKey(in.def.OID, wholeTable[0], rowModes[strength])
	switch {
	case got:
		return false, nil
	case wait == locking.SkipLocked:
		return true, nil
	}
	return false, errRowLocked(in)
}

// noWaitClaim bounds how long NOWAIT waits until another node, which may have no use for
// it, gives the claim of a table back.
const noWaitClaim = time.Second

// claimWithin takes a table's claim. Nodes do not know which rows others have locked, so
// SKIP LOCKED waits for the table.
func (t *Txn) claimWithin(ctx context.Context, in *tableInfo, wait locking.Wait) error {
	if wait != locking.NoWait {
		return t.claim(ctx, in.def.OID)
	}
	bound, cancel := context.WithTimeoutCause(ctx, noWaitClaim, errRowLocked(in))
	defer cancel()
	return t.claim(bound, in.def.OID)
}

func errRowLocked(in *tableInfo) error {
	return pgerr.New(pgerr.LockNotAvailable, "could not obtain lock on row in relation %q", in.name())
}

// LockVersions locks rows of a table with a key as the snapshot that BeginRowLocks started
// has them: keys has the columns of their primary keys, in key order. kept are those that it has
// locked, of those that may be skipped; nil: all. again says that one of the rows was changed since by
// a transaction that has committed: the statement is to be begun again, from BeginRowLocks on.
// (A REPEATABLE READ transaction fails with 40001 instead.)
func (t *Txn) LockVersions(ctx context.Context, table datum.OID, keys arrow.RecordBatch, strength locking.Strength, wait locking.Wait) (kept []int32, again bool, err error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	if err := t.writable(); err != nil {
		return nil, false, err
	}
	in, err := t.info(table)
	if err != nil {
		return nil, false, err
	}
	encoded := in.encodeKeys(keys.Columns(), int(keys.NumRows()))
	if kept, err = t.lockKeys(ctx, in, encoded, rowModes[strength], wait); err != nil || kept != nil && len(kept) == 0 {
		return kept, false, err
	}
	if kept != nil {
		if keys, err = in.takeKeys(t, keys.Columns(), kept); err != nil {
			return nil, false, err
		}
		defer keys.Release()
		encoded = in.encodeKeys(keys.Columns(), len(kept))
	}
	again, err = t.checkVersions(ctx, in, keys.Columns(), encoded, func(row int) error {
		return pgerr.New(pgerr.InternalError, "engine: row %d of table %s is not there to be locked", row, in.name())
	})
	return kept, again, err
}

// lockKeys locks keys and returns which it has got, of those that may be skipped; nil: all.
func (t *Txn) lockKeys(ctx context.Context, in *tableInfo, keys [][]byte, modes lock.Modes, wait locking.Wait) (got []int32, err error) {
	if wait == locking.Block {
		return nil, t.owner.Keys(ctx, in.def.OID, keys, modes)
	}
	got = []int32{}
	for row, k := range keys {
		switch ok, full := t.owner.TryKey(in.def.OID, k, modes); {
		case ok:
			got = append(got, int32(row))
		case wait == locking.NoWait:
			return nil, errRowLocked(in)
		case full:
			return nil, pgerr.New(pgerr.ConfigLimitExceeded, "too many rows of table %q are locked by one transaction", in.name()).
				WithHint("Lock fewer rows at a time.")
		}
	}
	return got, nil
}

// LockReads locks tables that a statement reads against those who want them for themselves
// (LOCK TABLE), until the transaction ends. waited says that it had to wait, so that the
// statement is to have a new snapshot.
func (t *Txn) LockReads(ctx context.Context, tables []datum.OID) (waited bool, err error) {
	if t.done.Load() {
		return false, errTxnDone
	}
	for _, table := range tables {
		w, err := t.owner.Lock(ctx, lock.Table(table), lock.Read)
		if err != nil {
			return false, err
		}
		waited = waited || w
	}
	return waited, nil
}

// LockTable is LOCK TABLE. unread says that no statement of the transaction has read
// anything: the snapshot of a REPEATABLE READ one is then that of after the lock. What other nodes
// do knows nothing of the lock: weak modes keep them from changing definitions, and others
// are refused while there are any, here and at the commit.
func (t *Txn) LockTable(ctx context.Context, table datum.OID, mode locking.TableMode, nowait, unread bool) error {
	if t.done.Load() {
		return errTxnDone
	}
	def := t.catalog.Tables[table]
	if def == nil {
		return pgerr.New(pgerr.UndefinedTable, "relation with OID %d does not exist", table)
	}
	if mode > locking.RowExclusive {
		if err := t.db.onlyNode("LOCK TABLE in this mode"); err != nil {
			return err
		}
		t.onlyNode = true
	}
	object, modes := lock.Table(table), lock.AccessShare<<mode
	if nowait && !t.owner.TryLock(object, modes) {
		return pgerr.New(pgerr.LockNotAvailable, "could not obtain lock on relation %q", def.Name)
	}
	if _, err := t.owner.Lock(ctx, object, modes); err != nil {
		return err
	}
	if t.db.cluster != nil {
		if err := t.claim(ctx, catalogueLock); err != nil {
			return err
		}
	}
	if t.db.current.Load().catalog.Tables[table] == nil && !t.changed(table) {
		return pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", def.Name)
	}
	if unread {
		return t.refresh()
	}
	return nil
}

// onlyNode refuses what other nodes would have to know of, if there are any.
func (db *DB) onlyNode(what string) error {
	if db.cluster == nil || len(db.cluster.members.alive()) == 0 {
		return nil
	}
	return pgerr.Unsupported("%s is not supported while other nodes use the same store", what).
		WithHint("Other nodes do not know of the lock.")
}

// checkOnlyNode fails if another node may have come to change tables that were locked against
// its changes.
func (t *Txn) checkOnlyNode() error {
	if !t.onlyNode || t.db.onlyNode("LOCK TABLE") == nil {
		return nil
	}
	return pgerr.New(pgerr.SerializationFailure, "another node has come while a table was locked against its changes")
}

// SetLockTimeout bounds each wait for a lock from now on; 0: no bound.
func (t *Txn) SetLockTimeout(d time.Duration) { t.owner.LockTimeout = d }

// Retry is RollbackTo for a statement that is to begin again: what was locked stays so.
func (t *Txn) Retry(_ context.Context, mark int) error { return t.undo(mark) }

// LockAdvisory locks what clients have agreed on, until the transaction ends, and says
// whether it has; it waits if it may.
func (t *Txn) LockAdvisory(ctx context.Context, key locking.Advisory, shared, wait bool) (bool, error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.done.Load() {
		return false, errTxnDone
	}
	return t.db.lockAdvisory(ctx, t.owner, key, shared, wait)
}

func (db *DB) lockAdvisory(ctx context.Context, o *lock.Owner, key locking.Advisory, shared, wait bool) (bool, error) {
	if err := db.onlyNode("an advisory lock"); err != nil {
		return false, err
	}
	object, modes := advisory(key, shared)
	if !wait {
		return o.TryLock(object, modes), nil
	}
	_, err := o.Lock(ctx, object, modes)
	return err == nil, err
}

func advisory(key locking.Advisory, shared bool) (lock.Object, lock.Modes) {
	object := lock.Object{Kind: lock.Advisory, Database: key.Database, Number: uint64(key.Key), Pair: key.Pair}
	if shared {
		return object, lock.Share
	}
	return object, lock.Exclusive
}

// Locks are what a session has locked beyond its transactions, which begin with it
// (TxnOptions). They are used by one goroutine at a time.
type Locks struct {
	db      *DB
	process *lock.Process
	owner   *lock.Owner
	times   map[heldAdvisory]int // how often each was locked
}

type heldAdvisory struct {
	object lock.Object
	mode   lock.Modes
}

// NewLocks returns those of a session that has a process ID.
func (db *DB) NewLocks(pid int32) *Locks {
	p := db.locks.NewProcess(pid)
	return &Locks{db: db, process: p, owner: p.NewOwner(), times: map[heldAdvisory]int{}}
}

// LockAdvisory locks what clients have agreed on, until it was unlocked as often, and says
// whether it has; it waits if it may, each time for no longer than timeout if that is not 0.
func (l *Locks) LockAdvisory(ctx context.Context, key locking.Advisory, shared, wait bool, timeout time.Duration) (bool, error) {
	l.owner.LockTimeout = timeout
	got, err := l.db.lockAdvisory(ctx, l.owner, key, shared, wait)
	if got {
		object, mode := advisory(key, shared)
		l.times[heldAdvisory{object, mode}]++
	}
	return got, err
}

// UnlockAdvisory takes one LockAdvisory back; false: there was none.
func (l *Locks) UnlockAdvisory(key locking.Advisory, shared bool) bool {
	object, mode := advisory(key, shared)
	held := heldAdvisory{object, mode}
	switch l.times[held] {
	case 0:
		return false
	case 1:
		delete(l.times, held)
		l.owner.Unlock(object, mode)
	default:
		l.times[held]--
	}
	return true
}

// UnlockAll takes all back, as the end of the session does.
func (l *Locks) UnlockAll() {
	l.owner.Release()
	clear(l.times)
}

// LockList lists what is locked and waited for on this node.
func (db *DB) LockList() []locking.Info {
	var out []locking.Info
	for _, i := range db.locks.List() {
		info := locking.Info{Relation: i.Object.Table, Row: i.Row, Mode: i.Mode.String(), PID: i.PID, Granted: i.Granted, Since: i.Since}
		if i.Object.Kind == lock.Advisory {
			info.Advisory = locking.Advisory{Database: i.Object.Database, Key: int64(i.Object.Number), Pair: i.Object.Pair}
		} else if i.Object.Table == catalogueLock {
			continue // which PostgreSQL has none of
		}
		out = append(out, info)
	}
	return out
}

// Blocking returns the sessions that one waits for, 0 for what is no session.
func (db *DB) Blocking(pid int32) []int32 { return db.locks.Blocking(pid) }
