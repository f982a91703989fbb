package chunk

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// MaxRows is the most rows of a chunk, VectorRows the rows of a vector and
// MaxBatchRows the most rows of a batch that a reader or an operator hands on.
const (
	MaxRows      = 65536
	VectorRows   = 1024
	MaxBatchRows = 8 * VectorRows
)

// A PartitionID names a partition of a table. Key is opaque to the stores:
// empty for an unpartitioned table, two big-endian bytes of the bucket for HASH,
// the order-preserving keys (datum.AppendKey) of the values for LIST.
type PartitionID struct {
	Table datum.OID
	Key   string
}

// A TimeRange holds the microseconds t with Min <= t <= Max. Rows whose time is
// NULL lie outside of every range; whether they are wanted is said apart.
type TimeRange struct{ Min, Max datum.Micros }

// PredicateOp is what a Predicate asks of a column.
type PredicateOp uint8

const (
	OpEQ PredicateOp = iota // column = Values[0]
	OpNE                    // column <> Values[0]
	OpLT                    // column < Values[0]
	OpLE
	OpGT
	OpGE
	OpIn        // column = one of Values
	OpPrefix    // text column starts with Values[0].(string)
	OpIsNull    // column IS NULL
	OpIsNotNull // column IS NOT NULL
)

// A Predicate is a condition on one column that scans evaluate on encoded
// data and prune by. NULL never passes but for OpIsNull. Values are of the
// column's own type, non-NULL, and compared in datum.Compare's order.
type Predicate struct {
	Column schema.ColumnID
	Op     PredicateOp
	Values []datum.Value
}

// A ScanSpec says what a scan reads.
type ScanSpec struct {
	// Columns are those whose values are returned, in this order; it may be
	// empty (count(*)).
	Columns []schema.ColumnID
	// Paths are columns beside the table's, which Columns, Coded and Filter may name.
	Paths []PathColumn
	// Coded are those of Columns that the reader can use as Coded: where chunks have
	// a dictionary of them, batches are CodedBatches.
	Coded []schema.ColumnID
	// Filter is a conjunction, applied exactly: only rows that pass come back.
	Filter []Predicate
	// Pruning switches stages off, for tests and for EXPLAIN's what-if; the
	// zero value has all on. Answers never depend on it.
	Pruning PruningOff
	// Descending asks for splits and batches in falling sort-key order where
	// that is free (a hint for top-k and last-value operators).
	Descending bool
	// AsOf asks for the rows as they were when this row version was the newest; 0: as they
	// are now. The layout must have versions.
	AsOf int64
	// Edge asks for one row of each run of equal keys.
	Edge Edge
}

// PruningOff names stages of pruning to switch off.
type PruningOff struct {
	Partitions, Slices, Chunks, Manifest, Blooms, Vectors, Encoded, Late bool
}

// ScanStats counts what a scan touched and what each stage skipped, for
// EXPLAIN (ANALYZE) and metrics. A value belongs to one split until merged.
type ScanStats struct {
	PartitionsTotal, PartitionsSkipped int64
	SlicesTotal, SlicesSkipped         int64
	ChunksTotal, ChunksSkipped         int64
	ChunksSkippedBloom                 int64 // of ChunksSkipped, by Bloom filters
	ChunksFromManifest                 int64 // aggregates answered without a blob
	VectorsTotal, VectorsSkipped       int64
	RowsTotal                          int64 // in all chunks and buffers of the table
	RowsSkippedPartitions              int64
	RowsSkippedSlices                  int64
	RowsSkippedChunks                  int64
	RowsSkippedVectors                 int64
	RowsFiltered                       int64 // looked at and not passed
	RowsNotEdges                       int64 // passed, and left out as ScanSpec.Edge allows
	RowsReturned                       int64
	BytesTotal                         int64 // of all column blobs of the table
	BytesRead                          int64 // of blobs fetched from the store or its cache
	BytesDecoded                       int64 // of encoded payload decoded
	BufferRows                         int64 // read from write buffers
	MergedRows                         int64 // that went through a newest-wins merge
}

// AggregateFunc is an aggregate that scans fold on encoded data.
type AggregateFunc uint8

const (
	AggCountStar AggregateFunc = iota
	AggCount                   // of non-NULL values
	AggSum                     // integers and floats
	AggMin
	AggMax
)

// An Aggregate is one aggregate over a column (none for AggCountStar).
type Aggregate struct {
	Func   AggregateFunc
	Column schema.ColumnID
}

// A Partial is the state of one Aggregate after one split. For AggSum over
// integers the 128-bit sum is Hi:Lo (two's complement); over floats it is
// Float. Value is the extreme of AggMin and AggMax, nil if no row counted.
type Partial struct {
	Count int64
	Hi    int64
	Lo    uint64
	Float float64
	Value datum.Value
}
