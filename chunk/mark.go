package chunk

import (
	"cmp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Marks are rows that say that a row like them is gone (schema.RowDeletedColumn).
// In keyed tables a mark is the newest version of its key, or does not count; in
// others it takes away one row that is equal to it in all columns. Chunks and
// records without a mark do not have the column.

// Marked says whether some of the chunk's rows are marks.
func (e *Entry) Marked() bool { return entryColumn(e, schema.RowDeletedColumn) >= 0 }

// Marked says whether some of the rows of a batch of the layout's columns are marks.
func (l *Layout) Marked(batch arrow.RecordBatch) bool {
	k := l.Index(schema.RowDeletedColumn)
	return k >= 0 && anySet(batch.Column(k))
}

// IsMark is the predicate that only marks pass, or, if marks is false, only rows.
func IsMark(marks bool) Predicate {
	return Predicate{Column: schema.RowDeletedColumn, Op: OpEQ, Values: []datum.Value{marks}}
}

// marksOf says which rows, counted through batches, are marks; nil if none is.
func marksOf(l *Layout, batches []arrow.RecordBatch) []bool {
	var out []bool
	at := 0
	for _, b := range batches {
		if l.Marked(b) {
			if out == nil {
				out = make([]bool, at, totalRows(batches))
			}
			marks := b.Column(l.Index(schema.RowDeletedColumn)).(*array.Boolean)
			for i := range marks.Len() {
				out = append(out, marks.Value(i))
			}
		} else if out != nil {
			out = append(out, make([]bool, b.NumRows())...)
		}
		at += int(b.NumRows())
	}
	return out
}

func totalRows(batches []arrow.RecordBatch) (n int64) {
	for _, b := range batches {
		n += b.NumRows()
	}
	return n
}

// marksFirst puts marks before other rows, both in their order: who merges chunks is to
// meet a mark before the row that it takes away.
func marksFirst(marks []bool, rows []int32) {
	if marks == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(bit(marks[b]), bit(marks[a])) })
}

// anySet says whether an array of booleans, none of them NULL, has a true one.
func anySet(a arrow.Array) bool {
	b := a.(*array.Boolean)
	return b.Len() > 0 && bitutil.CountSetBits(b.Data().Buffers()[1].Bytes(), b.Data().Offset(), b.Len()) > 0
}
