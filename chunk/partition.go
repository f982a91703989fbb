package chunk

import (
	"context"
	"iter"
)

// A PartitionInfo describes a partition of a table as it is stored, for people
// and their tools.
type PartitionInfo struct {
	ID       PartitionID
	Sequence uint64 // of the last commit
	// BufferedRows is the number of rows that no commit has put into chunks yet.
	BufferedRows int64
	// Chunks counts those that the commits name; Rows, Bytes and Time are of them.
	Chunks      int
	Rows, Bytes int64
	Time        TimeRange // Min > Max if there are no times
	// Entries yields the chunks by slice, least key and ID, shared and not to be
	// modified; nil if there are none. A failure is the last pair.
	Entries func(ctx context.Context) iter.Seq2[*Entry, error]
}
