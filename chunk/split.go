package chunk

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Split is a part of a scan that can be read by itself: a chunk, a run of
// chunks that overlap and are merged, or a piece of a write buffer. Splits of
// one scan share no rows. A Split may be read once, by one goroutine; several
// splits may be read at the same time.
type Split interface {
	// Rows is an upper bound of the rows that Scan returns.
	Rows() int64
	// Time bounds the finite times of the rows. all says that no row has a NULL
	// or infinite time, so that the range bounds every row.
	Time() (r TimeRange, all bool)
	// Scan reads the rows that pass the scan's filter. stats is the caller's
	// and is written until Close, and the room is used until then.
	Scan(ctx context.Context, room *Room, stats *ScanStats) (BatchReader, error)
	// Aggregate folds the rows that pass the filter, without making batches:
	// from the manifest, on encoded data, or over decoded vectors. ok is false
	// if this split cannot do that; then nothing was read and Scan must be used.
	Aggregate(ctx context.Context, room *Room, aggs []Aggregate, stats *ScanStats) (p []Partial, ok bool, err error)
}

// A BatchReader yields the batches of a split. It is used by one goroutine.
type BatchReader interface {
	// Next returns a batch of 1 to MaxBatchRows rows with the columns of
	// ScanSpec.Columns, which the caller releases, or io.EOF.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close releases what is held; repeat calls do nothing.
	Close() error
}

// InsertMode says what a row whose key exists does.
type InsertMode uint8

const (
	InsertDefault InsertMode = iota // as the table's OnDuplicate says
	InsertError                     // 23505
	InsertIgnore                    // keep the old row
	InsertReplace                   // the new row wins
)
