// Package storage declares the storage that the query engine reads and writes
// through. The engine satisfies it without importing it.
package storage

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
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
	// Stats returns estimates for the planner: rows, and per column its bounds.
	TableRows(table datum.OID) int64
	// Partitions describes how a table is stored as of the snapshot.
	Partitions(ctx context.Context, table datum.OID) ([]chunk.PartitionInfo, error)

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
	BeginChange(ctx context.Context, table datum.OID) error
	// Delete takes away rows: all live columns, in definition order, as the statement's snapshot
	// has them, each once. again says that one of them was changed since by a transaction that has
	// committed: the caller rolls back to before the statement and begins it again, from BeginChange on. (A
	// REPEATABLE READ transaction fails with 40001 instead.)
	Delete(ctx context.Context, table datum.OID, rows arrow.RecordBatch) (again bool, err error)

	// Savepoint marks the present state; RollbackTo returns to the mark, which stays.
	Savepoint() int
	RollbackTo(ctx context.Context, mark int) error
	// Release forgets a mark and those after it, but not what was done since.
	Release(mark int)
	// Commit makes the writes durable and visible, all or none; on error none
	// unless the error says that the outcome is unknown.
	Commit(ctx context.Context) error
	// Rollback forgets everything; after Commit or Rollback it does nothing.
	Rollback()
}

// Isolation is a transaction's isolation level.
type Isolation uint8

const (
	ReadCommitted Isolation = iota
	RepeatableRead
)

// Storage begins transactions.
type Storage interface {
	Begin(ctx context.Context, iso Isolation, readOnly bool) (Txn, error)
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
