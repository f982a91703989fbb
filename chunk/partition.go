package chunk

// A PartitionInfo describes a partition of a table as it is stored, for people
// and their tools.
type PartitionInfo struct {
	ID       PartitionID
	Sequence uint64 // of the last commit
	// BufferedRows is the number of rows that no commit has put into chunks yet.
	BufferedRows int64
	// Chunks are those that the commits name, by slice, least key and ID. They are
	// shared and not to be modified.
	Chunks []*Entry
}
