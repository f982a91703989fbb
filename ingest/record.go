package ingest

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Record is one transaction as the source log keeps it: the commit point.
type Record struct {
	ID     [16]byte // of the transaction, random
	Schema uint64   // catalogue sequence number it was written under
	// Version is the first of the row versions that the transaction took,
	// Versions how many it took, at least 1.
	Version  int64
	Versions int
	// Condition, if not nil, says when the record counts.
	Condition *Condition
	Parts     []Part
}

// A Condition makes a record count only if entry Seq of the catalogue log has
// the ID of the record's transaction.
type Condition struct{ Seq uint64 }

// A Part is what a transaction adds to one partition.
type Part struct {
	Partition chunk.PartitionID
	// Columns and Types are of Rows, by ascending place in the table's
	// definition; empty if Rows is nil. The row version is never among them: it
	// follows from the record. If some rows are marks, schema.RowDeletedColumn is
	// the last one. Decoded parts of one entry may share them.
	Columns []schema.ColumnID
	Types   []datum.Type
	Rows    arrow.RecordBatch // nil if there are none
	// Staged are chunks that lie in the blob store already and become the
	// partition's by this record.
	Staged []*chunk.Entry
	// History says that history is kept of the rows: who commits them then notes in
	// Staged which versions came together (chunk.Entry.Together). It is not written.
	History bool
}

// Release releases the rows of the record's parts, once.
func (r *Record) Release() {
	for i := range r.Parts {
		if r.Parts[i].Rows != nil {
			r.Parts[i].Rows.Release()
		}
	}
}

func releaseAll(records []*Record) {
	for _, r := range records {
		r.Release()
	}
}
