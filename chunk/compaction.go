package chunk

import "time"

// A CompactionInfo is a compaction, or what is done beside, for people and their tools.
type CompactionInfo struct {
	ID    PartitionID
	Slice int64
	// Kind is compaction, retention (slices that are too old are removed), or repacking
	// (chunks are copied out of files of which much is deleted).
	Kind string
	// State is running, done, failed, discarded (somebody else changed the chunks
	// meanwhile), or unknown (whether it was committed shows later).
	State               string
	ChunksIn, ChunksOut int
	RowsIn, RowsOut     int64
	BytesIn, BytesOut   int64
	MemoryPeak          int64     // bytes of rows in memory
	Started, Ended      time.Time // Ended is zero while it runs
	Error               string
}

// A VacuumInfo sums up what VACUUM did with a table.
type VacuumInfo struct {
	ChunksBefore, ChunksAfter int
	RowsBefore, RowsAfter     int64
	BytesBefore, BytesAfter   int64
	Compactions               int
	SlicesDropped             int // older than the retention
}
