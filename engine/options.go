package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/prometheus/client_golang/prometheus"
)

// A Router computes the keys of LIST partitions. It is safe for concurrent use.
type Router interface {
	// Keys returns the partition key of each row of a batch, whose columns are
	// the table's live columns in definition order: the order-preserving forms of
	// the first exprs partition expressions, of all if exprs is 0.
	Keys(ctx context.Context, mem memory.Allocator, batch arrow.RecordBatch, exprs int) ([]string, error)
	// Rising returns the place of the live column that partition expression i is
	// over, if it is over no other and does not fall where that rises.
	Rising(i int) (column int, ok bool)
}

// Options configure a DB. The zero value of each field but Router is its default.
type Options struct {
	// Writer names this node among those that share the store. Default "local".
	Writer string
	// Database is the name of the one database. Default DefaultDatabase.
	Database string
	// BufferBytes bounds the rows that are not yet in chunks, those of open
	// transactions included. Default 96 MiB, at least 1 MiB.
	BufferBytes int64
	// SealAge is how long rows may stay in a buffer before they are written to
	// chunks. Default a minute.
	SealAge time.Duration
	// ManifestBytes bounds what of manifests is kept in memory beside their
	// summaries. Default 16 MiB.
	ManifestBytes int64
	// SnapshotLifetime is how long the chunks that a snapshot reads are kept
	// after they were removed. Default an hour.
	SnapshotLifetime time.Duration
	// CompactionBytes bounds the rows that a compaction has in memory; two chunks are,
	// however large. Default 64 MiB, at least 1 MiB.
	CompactionBytes int64
	// CompactionRate bounds what compactions in the background read and write, in bytes
	// a second. Default 64 MiB, negative: no bound.
	CompactionRate int64
	// CompactionInterval is how often it is looked for what to compact. Default 5 s.
	CompactionInterval time.Duration
	// CompactionPaused has the background compact nothing until PauseCompaction(false).
	CompactionPaused bool
	// KeepOutdated has this node neither leave out nor drop what is older than the retention
	// of its table. Such rows are refused all the same.
	KeepOutdated bool
	// Cluster, if not nil, makes this one of several nodes on the store, which has
	// to be a store.Shared.
	Cluster *ClusterOptions
	// Router makes the router of a table that is partitioned by LIST.
	// Without it such tables fail with 0A000.
	Router func(t *schema.Table) (Router, error)
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Logger hears of recovery and of flushes that fail. Default: nobody does.
	Logger *slog.Logger
	// Registerer takes the metrics. Default: nobody does.
	Registerer prometheus.Registerer
}

// DefaultDatabase is the name of the database unless options give another.
const DefaultDatabase = "phyllo"

// minBufferBytes is the least that a buffer can work with.
const minBufferBytes = 1 << 20

const (
	minCompactionBytes     = 1 << 20
	defaultCompactionBytes = 64 << 20
	defaultCompactionRate  = 64 << 20
)

// Validate names the first field whose value is out of its limits.
func (o Options) Validate() error {
	switch {
	case o.BufferBytes != 0 && o.BufferBytes < minBufferBytes:
		return fmt.Errorf("engine: BufferBytes = %d: must be at least %d", o.BufferBytes, minBufferBytes)
	case o.ManifestBytes < 0:
		return fmt.Errorf("engine: ManifestBytes = %d: must not be negative", o.ManifestBytes)
	case o.SealAge < 0:
		return fmt.Errorf("engine: SealAge = %v: must not be negative", o.SealAge)
	case o.SnapshotLifetime < 0:
		return fmt.Errorf("engine: SnapshotLifetime = %v: must not be negative", o.SnapshotLifetime)
	case o.CompactionBytes != 0 && o.CompactionBytes < minCompactionBytes:
		return fmt.Errorf("engine: CompactionBytes = %d: must be at least %d", o.CompactionBytes, minCompactionBytes)
	case o.CompactionInterval < 0:
		return fmt.Errorf("engine: CompactionInterval = %v: must not be negative", o.CompactionInterval)
	}
	if o.Cluster != nil {
		return o.Cluster.validate()
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Writer == "" {
		o.Writer = "local"
	}
	if o.Database == "" {
		o.Database = DefaultDatabase
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = 96 << 20
	}
	if o.ManifestBytes == 0 {
		o.ManifestBytes = 16 << 20
	}
	if o.SealAge == 0 {
		o.SealAge = time.Minute
	}
	if o.SnapshotLifetime == 0 {
		o.SnapshotLifetime = time.Hour
	}
	if o.CompactionBytes == 0 {
		o.CompactionBytes = defaultCompactionBytes
	}
	if o.CompactionRate == 0 {
		o.CompactionRate = defaultCompactionRate
	}
	if o.CompactionInterval == 0 {
		o.CompactionInterval = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
