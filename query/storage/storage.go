// Package storage declares the storage that the query engine reads and writes
// through. The engine satisfies it without importing it.
package storage

import (
	"context"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Reader reads the tables as one statement sees them, until its transaction
// ends. It is safe for concurrent use, as are the splits of its scans.
type Reader interface {
	// Scan plans the reading of a table: its splits and what was pruned so far.
	Scan(ctx context.Context, table datum.OID, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error)
}

// A Txn is a transaction of the storage. It is used by one goroutine.
type Txn interface {
	// Snapshot starts a statement: from now on reads see everything committed
	// so far plus this transaction's own writes; a REPEATABLE READ transaction
	// keeps its first snapshot.
	Snapshot(ctx context.Context) error
	// Catalog returns the objects as of the snapshot, with the transaction's own changes.
	Catalog() *schema.Catalog
	// Statement returns what the statement that Snapshot began reads. It stays
	// the same while later statements read and write, as cursors need it.
	Statement() Reader
	// Position returns the row version of the newest transaction that the snapshot has, for
	// chunk.ScanSpec.AsOf; 0 if there is none.
	Position() int64
	// TableRows returns about how many rows a table has, for the planner.
	TableRows(table datum.OID) int64
	// Statistics returns estimates of a table's values, for the planner; nil if nothing is known.
	Statistics(ctx context.Context, table datum.OID) *chunk.Statistics
	// Partitions describes how a table is stored as of the snapshot.
	Partitions(ctx context.Context, table datum.OID) ([]chunk.PartitionInfo, error)

	// Define has the catalogue for the transaction alone until that ends, which changes of it
	// do as well; Catalog is then the newest one, with the transaction's own changes.
	Define(ctx context.Context) error
	// TakeOIDs reserves n OIDs for new objects and returns the first.
	TakeOIDs(ctx context.Context, n int) (datum.OID, error)
	// Apply makes a change of the catalogue, visible to this transaction at
	// once and to others at Commit.
	Apply(ctx context.Context, c schema.Change) error
	// Truncate empties a table.
	Truncate(ctx context.Context, table datum.OID) error
	// LockRows keeps the definition of a table that the statement writes to as it is until
	// the transaction ends, after waiting for transactions that change it. Catalog has
	// then what it has become, and the statement goes on with that.
	LockRows(ctx context.Context, table datum.OID) error
	// Insert adds the rows of batch, whose columns are the table's live columns in
	// definition order; the callee keeps its own reference. It returns how
	// many rows went in, and for InsertIgnore which (nil: all).
	Insert(ctx context.Context, table datum.OID, batch arrow.RecordBatch, mode chunk.InsertMode) (n int64, kept []int32, err error)
	// Lookup locks the primary keys in keys (columns in key order) until the
	// transaction ends and returns the rows that exist, all live columns, with
	// for each key the index of its row or -1.
	Lookup(ctx context.Context, table datum.OID, keys arrow.RecordBatch) (rows arrow.RecordBatch, at []int32, err error)

	// BeginChange prepares a statement that deletes or updates rows of a table. It waits for
	// transactions that must not change rows beside this one, and starts the statement's
	// snapshot, so it is called instead of Snapshot, before the statement is planned for execution.
	// strength is how the rows are locked: locking.NoKeyUpdate if all stay and keep their keys.
	BeginChange(ctx context.Context, table datum.OID, strength locking.Strength) error
	// Delete takes away rows: all live columns, in definition order, as the statement's snapshot
	// has them, each once. again says that one of them was changed since by a transaction that has
	// committed: the caller rolls back to before the statement and begins it again, from BeginChange on. (A
	// REPEATABLE READ transaction fails with 40001 instead.)
	Delete(ctx context.Context, table datum.OID, rows arrow.RecordBatch) (again bool, err error)

	// BeginRowLocks is BeginChange for a statement that locks rows of a table. In a table without a key
	// it locks all; none says that they are to be skipped.
	BeginRowLocks(ctx context.Context, table datum.OID, strength locking.Strength, wait locking.Wait) (none bool, err error)
	// LockVersions locks rows of a table with a key: keys has the columns of their primary keys, in
	// key order. kept are those that it has locked, of those that may be skipped; nil: all. again is
	// that of Delete. It is safe for use beside Delete, Insert and Lookup.
	LockVersions(ctx context.Context, table datum.OID, keys arrow.RecordBatch, strength locking.Strength, wait locking.Wait) (kept []int32, again bool, err error)
	// LockReads locks tables that a statement reads against LOCK TABLE. waited says that the
	// statement is to have a new snapshot.
	LockReads(ctx context.Context, tables []datum.OID) (waited bool, err error)
	// LockTable is LOCK TABLE. unread says that no statement of the transaction has read anything.
	LockTable(ctx context.Context, table datum.OID, mode locking.TableMode, nowait, unread bool) error
	// LockAdvisory locks until the transaction ends, and says whether it has; it waits if it may.
	LockAdvisory(ctx context.Context, key locking.Advisory, shared, wait bool) (bool, error)
	// SetLockTimeout bounds each wait for a lock from now on; 0: no bound.
	SetLockTimeout(d time.Duration)

	// Backup writes what a backup of the snapshot consists of: everything but most
	// chunks, which it names; BackupChunks writes those that are asked for. The formats
	// are those of the storage engine.
	Backup(ctx context.Context, out io.Writer) error
	BackupChunks(ctx context.Context, names []byte, out io.Writer) error

	// Savepoint marks the present state; RollbackTo returns to the mark, which stays, and lets
	// go of what was locked since. Retry does not, for a statement that is to begin again.
	Savepoint() int
	RollbackTo(ctx context.Context, mark int) error
	Retry(ctx context.Context, mark int) error
	// Release forgets a mark and those after it, but not what was done since.
	Release(mark int)
	// Commit makes the writes durable and visible, all or none; on error none
	// unless the error says that the outcome is unknown.
	Commit(ctx context.Context) error
	// Rollback forgets everything; after Commit or Rollback it does nothing.
	Rollback()
}

// Locks are what a session has locked beyond its transactions. They are used by one goroutine
// at a time.
type Locks interface {
	// LockAdvisory locks until it was unlocked as often, and says whether it has; it waits if it
	// may, for no longer than timeout if that is not 0.
	LockAdvisory(ctx context.Context, key locking.Advisory, shared, wait bool, timeout time.Duration) (bool, error)
	// UnlockAdvisory takes one LockAdvisory back; false: there was none.
	UnlockAdvisory(key locking.Advisory, shared bool) bool
	// UnlockAll takes all back, as the end of the session must.
	UnlockAll()
}

// TxnOptions are the modes of a transaction, and of which session it is.
type TxnOptions struct {
	Isolation Isolation
	ReadOnly  bool
	Locks     Locks // nil: of none
	// Database is that of which Txn.Catalog shows the objects, 0: the first one.
	Database datum.OID
}

// Isolation is a transaction's isolation level.
type Isolation uint8

const (
	ReadCommitted Isolation = iota
	RepeatableRead
)

// Sequences hand out values, beside all transactions: what was taken stays taken. They are
// safe for concurrent use.
type Sequences interface {
	// NextValues takes up to n values of a sequence, at least one: the first, and how many,
	// each the definition's Increment after the one before it. It fails with 2200H if none is left.
	NextValues(ctx context.Context, s *schema.Sequence, n int) (first int64, count int, err error)
	// SetValue sets a sequence: its next value is value, or if called the one after it.
	SetValue(ctx context.Context, s *schema.Sequence, value int64, called bool) error
	// LastValue returns the value that was handed out last or, if not called, that comes next.
	LastValue(ctx context.Context, s *schema.Sequence) (value int64, called bool, err error)
}

// Storage begins transactions.
type Storage interface {
	Sequences
	Begin(ctx context.Context, opt TxnOptions) (Txn, error)
	// NewLocks returns those of a new session.
	NewLocks(pid int32) Locks
	// LockList lists what is locked and waited for on this node, and Blocking the sessions that one
	// waits for, 0 for what is no session.
	LockList() []locking.Info
	Blocking(pid int32) []int32
	// Checkpoint seals and flushes every buffer and folds the logs.
	Checkpoint(ctx context.Context) error
	// Vacuum merges the chunks of a table and drops what is older than its retention; with
	// full it fills all chunks of a slice but the last.
	Vacuum(ctx context.Context, table datum.OID, full bool) (chunk.VacuumInfo, error)
	// Compactions lists those that are running and those that have ended lately.
	Compactions() []chunk.CompactionInfo
	// PauseCompaction stops compactions in the background, or lets them go on.
	PauseCompaction(pause bool)
	CompactionPaused() bool
	// TableSize returns the bytes on disk of a table's chunks and manifests.
	TableSize(table datum.OID) int64
}
