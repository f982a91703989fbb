package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/phyllodb/phyllo/chunk"
)

// ErrConflict reports that a log already has an entry at the sequence number
// of an append: the writer must read what it missed.
var ErrConflict = errors.New("store: log has moved on")

// ErrTrimmed reports a read below a log's first retained entry.
var ErrTrimmed = errors.New("store: log entries trimmed")

// ErrNotFound reports a blob that the store does not have.
var ErrNotFound = errors.New("store: no such blob")

// LogKind is what a log holds.
type LogKind uint8

const (
	SourceLog    LogKind = iota + 1 // a writer's WAL: one record a transaction
	CommitLog                       // of one table partition
	CatalogueLog                    // of one database
	SequenceLog                     // of one sequence
)

// A LogID names a log. Key is the writer and epoch of a source log, the table
// and partition key of a commit log, the database of a catalogue log, the
// storage of a sequence.
type LogID struct {
	Kind LogKind
	Key  string
}

// An Entry is one record of a log. Data may be kept but not modified.
type Entry struct {
	Seq  uint64
	Data []byte
}

// Logs keeps ordered logs that grow by compare-and-append. Sequence numbers
// start at 1. It is safe for concurrent use.
//
// What Append acknowledged is durable: it survives kill -9 and power loss. A
// failed Append leaves the outcome unknown (the entry may be found later) and
// says so by not wrapping ErrConflict; the caller reads the log before it
// goes on.
type Logs interface {
	// Append writes entry seq of the log; it returns an error wrapping
	// ErrConflict if seq is not the one after the last.
	Append(ctx context.Context, log LogID, seq uint64, data []byte) error
	// Read yields the entries from seq on, up to the last one at the time of
	// the call. It fails with ErrTrimmed if entries at or above seq were trimmed.
	Read(ctx context.Context, log LogID, seq uint64) iter.Seq2[Entry, error]
	// Head returns the last sequence number, 0 if the log has never had one.
	Head(ctx context.Context, log LogID) (uint64, error)
	// First returns the sequence number of the first retained entry, that of the
	// entry to come if there is none.
	First(ctx context.Context, log LogID) (uint64, error)
	// Trim forgets the entries below seq; the head stays for ever.
	Trim(ctx context.Context, log LogID, seq uint64) error
	// List yields the logs of a kind that have ever had an entry.
	List(ctx context.Context, kind LogKind) ([]LogID, error)
	// Drop forgets a log altogether. Nobody may be appending to it any more: an
	// append by who has not heard of it begins the log again.
	Drop(ctx context.Context, log LogID) error
}

// Blobs keeps the column blobs of chunks, and checkpoints. Chunks are
// immutable and named by unique IDs, so a retried Put is harmless. It is safe
// for concurrent use.
type Blobs interface {
	// PutChunks makes the blobs of the chunks durable, all or an error, and
	// fills in each Entry's Location.
	PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error
	// Column returns the blob of one column of a chunk, read only; ErrNotFound
	// if it is not there, chunk.ErrCorrupt if the store can tell that it is bad.
	// checked says that the blob's own checksum was compared when it got into
	// memory, and holds. With a ctx that is done it gives what is in memory, if anything.
	Column(ctx context.Context, part chunk.PartitionID, e *chunk.Entry, column int) (blob []byte, checked bool, err error)
	// DeleteChunks frees the chunks' blobs; missing ones are no error.
	DeleteChunks(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) error
	// Chunks yields every chunk ID stored for the partition, named or not, for the sweeper.
	Chunks(ctx context.Context, part chunk.PartitionID) ([]chunk.ID, error)

	// PutCheckpoint makes data durable under the name, replacing what was
	// there in one step; Checkpoint reads it (ErrNotFound if there is none).
	PutCheckpoint(ctx context.Context, log LogID, data []byte) error
	Checkpoint(ctx context.Context, log LogID) ([]byte, error)
	DeleteCheckpoint(ctx context.Context, log LogID) error
}

// A Store is where an engine keeps its state.
type Store interface {
	Logs
	Blobs
	Close() error
}

// A Register names a small value that changes by compare-and-set. The
// registers of one scope are read together and written one after another.
type Register struct{ Scope, Name string }

// Registers keeps small values that change by compare-and-set; they hold
// leases and claims. It is safe for concurrent use.
type Registers interface {
	// Swap sets a register to value (nil removes it) if it holds old (nil: it is
	// absent), and reports what it held if it did not swap. ttl is how long the
	// value stays, a whole number of seconds; 0 is for good. An error leaves the
	// outcome unknown: the swap may be found done, now or later.
	Swap(ctx context.Context, r Register, old, value []byte, ttl time.Duration) (held []byte, swapped bool, err error)
	// Registers returns the registers of a scope by name, with what swaps that
	// returned before the call have done. One whose outcome is unknown, or that is
	// under way, may not show yet: who acts on what it read does so by a swap.
	Registers(ctx context.Context, scope string) (map[string][]byte, error)
}

// Shared is a store that several nodes use at once.
type Shared interface {
	Store
	Registers
}

// CheckTTL refuses a ttl that Swap does not take.
func CheckTTL(ttl time.Duration) error {
	if ttl < 0 || ttl%time.Second != 0 {
		return fmt.Errorf("store: a register's ttl is a whole number of seconds, not %v", ttl)
	}
	return nil
}

// A FileUse is a file of a store that has several chunks in one, of which some have been
// deleted: their space comes back with the last of the others.
type FileUse struct {
	Chunks     []chunk.ID // that are left, in order
	Live, Dead int64      // bytes of the blobs of those, and of the deleted ones
}
