package chunk

import (
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An ID names a chunk for ever. IDs sort by the time of their making (UUIDv7).
type ID [16]byte

// A Location is where the store put a chunk: opaque to all but the store that
// filled it in. Segment is the ID of the chunk that the segment is named after.
type Location struct {
	Segment ID
	Offset  int64
}

// An Entry is what a partition's manifest knows of a chunk. It is immutable
// once committed.
type Entry struct {
	ID       ID
	Version  uint8  // of the blob format
	Slice    int64  // number of the slice: floor(time / slice length); see SliceOf
	Rows     int    // 1 to MaxRows
	Schema   uint64 // schema version the rows were written under
	Location Location

	// Time spans the finite, non-NULL times of the rows; Min > Max if none.
	Time      TimeRange
	TimeNulls int // rows whose time is NULL; infinite ones are in slices of their own
	// KeyMin and KeyMax bound the sort keys of the rows (datum.AppendKey of the
	// table's sort-key columns), both inclusive, never cut.
	KeyMin, KeyMax []byte
	// VersionMin and VersionMax bound the row versions of a keyed table's rows. If
	// Columns has no schema.RowVersionColumn they are equal, and the version of
	// every row: whoever commits the chunk fills them in (SealOptions.OmitVersion).
	VersionMin, VersionMax uint64
	// Replaced, of a chunk of history, is the greatest row version by which a row of it
	// was replaced or deleted; of others it is 0.
	Replaced uint64
	// Together are the transactions with several row versions that have rows here, as
	// long as history is kept of them; by rising versions.
	Together []VersionRange
	// From is the number of the last commit that who made the chunk knew of: those that were made
	// together have the same.
	From uint64

	Columns []ColumnEntry
}

// Quick says whether columns of the chunk were encoded with codec.Quick.
func (e *Entry) Quick() bool {
	return slices.ContainsFunc(e.Columns, func(c ColumnEntry) bool { return c.Quick })
}

// A ColumnEntry is what a manifest knows of one column of a chunk. Blobs lie
// in the order of Columns, so a blob's offset is the sum of the sizes before it.
type ColumnEntry struct {
	ID    schema.ColumnID
	Type  datum.Type
	Size  int64  // bytes of the blob
	Codec string // short description of the encoding, for people
	// Quick says that the encoding was found with codec.Quick: another may be smaller.
	Quick bool
	Nulls int
	// Min and Max bound the non-NULL values in datum.Compare's order; nil if all
	// are NULL. Text and bytea are cut at 16 bytes: MinCut and MaxCut say so (a
	// cut Max is rounded up, or nil with MaxCut where that is impossible); a cut
	// bound prunes but never answers. Float columns that hold a NaN have Max NaN.
	Min, Max       datum.Value
	MinCut, MaxCut bool
	// Sum is of the non-NULL values: of integers in 128 bits (SumHi:SumLo), of
	// floats in SumFloat (added in row order); meaningless for other types.
	SumHi    int64
	SumLo    uint64
	SumFloat float64
	Distinct int // estimate, 0 if unknown
	// Part is set for a column that was taken out of one of the table's; see parts.go.
	Part *Part
}

// Sealed is an encoded chunk on its way to a store: its entry and its blobs in
// the order of Entry.Columns.
type Sealed struct {
	Entry Entry
	Blobs [][]byte
}

// Check refuses a chunk whose blobs do not agree with its entry, by which stores
// find them again.
func (c *Sealed) Check() error {
	if len(c.Blobs) != len(c.Entry.Columns) {
		return fmt.Errorf("chunk %v has %d columns and %d blobs", c.Entry.ID, len(c.Entry.Columns), len(c.Blobs))
	}
	for i, b := range c.Blobs {
		if int64(len(b)) != c.Entry.Columns[i].Size {
			return fmt.Errorf("chunk %v, column number %d: a blob of %d bytes, the entry says %d", c.Entry.ID, i, len(b), c.Entry.Columns[i].Size)
		}
	}
	return nil
}
