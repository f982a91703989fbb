package engine

import (
	"bytes"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

// How a table without a key is read of which rows were deleted: chunks and runs that
// marks overlap are read together, less the rows that the marks take away.

// marked says whether some of the rows of a slice are marks.
func (in *tableInfo) marked(chunks []*chunk.Entry, runs []arrow.RecordBatch) bool {
	return slices.ContainsFunc(chunks, (*chunk.Entry).Marked) || slices.ContainsFunc(runs, in.layout.Marked)
}

// markedSlice plans the reading of a slice in which there are marks. Runs are not
// sorted, so that each may have rows like any mark.
func (p *scanPlan) markedSlice(id chunk.PartitionID, chunks []*chunk.Entry, runs []arrow.RecordBatch) error {
	inputs := make([]keyedInput, len(chunks))
	for i, e := range chunks {
		inputs[i] = keyedInput{e.KeyMin, e.KeyMax, i, e, nil}
	}
	low, high, some := p.in.markRange(runs)
	var together []*chunk.Entry // with the runs
	for group := range overlaps(inputs) {
		var entries []*chunk.Entry
		marked := false
		for _, in := range group {
			entries = append(entries, in.entry)
			marked = marked || in.entry.Marked() ||
				some && bytes.Compare(in.min, high) <= 0 && bytes.Compare(low, in.max) <= 0
		}
		switch {
		case marked && len(runs) > 0:
			together = append(together, entries...)
		case marked:
			if err := p.subtract(id, entries, nil); err != nil {
				return err
			}
		default:
			for _, e := range entries {
				if err := p.chunk(id, p.spec, e); err != nil {
					return err
				}
			}
		}
	}
	if len(runs) == 0 {
		return nil
	}
	return p.subtract(id, together, runs)
}

// markRange returns the range of the sort keys of the marks in runs.
func (in *tableInfo) markRange(runs []arrow.RecordBatch) (low, high []byte, some bool) {
	at := in.layout.Index(schema.RowDeletedColumn)
	for _, r := range runs {
		if !in.layout.Marked(r) {
			continue
		}
		marks := r.Column(at).(*array.Boolean)
		for row := range marks.Len() {
			if !marks.Value(row) {
				continue
			}
			k := in.layout.AppendSortKey(nil, r, row)
			if !some || bytes.Compare(k, low) < 0 {
				low = k
			}
			if !some || bytes.Compare(k, high) > 0 {
				high = k
			}
			some = true
		}
	}
	return low, high, some
}

// subtract plans the reading of chunks and runs less the rows that their marks take
// away. What the filter says of a row it says of its mark.
func (p *scanPlan) subtract(id chunk.PartitionID, entries []*chunk.Entry, runs []arrow.RecordBatch) error {
	forRows, forMarks := p.spec.WithMarks()
	var rows, marks []chunk.Split
	for _, e := range entries {
		may, err := p.mayMatch(e, forRows.Filter)
		if err != nil {
			return err
		}
		if may {
			rows = append(rows, chunk.NewSplit(e, p.in.layout, forRows, p.db.fetch(id, p.in, e)))
		}
		if !e.Marked() {
			continue
		}
		if may, err = p.in.layout.MayMatch(e, forMarks.Filter); err != nil {
			return err
		}
		if may || p.spec.Pruning.Chunks {
			marks = append(marks, chunk.NewSplit(e, p.in.layout, forMarks, p.db.fetch(id, p.in, e)))
		}
	}
	for _, r := range runs {
		rows = append(rows, chunk.NewBatchSplit(r, p.in.layout, forRows))
		if p.in.layout.Marked(r) {
			marks = append(marks, chunk.NewBatchSplit(r, p.in.layout, forMarks))
		}
	}
	if len(marks) == 0 || len(rows) == 0 {
		p.splits = append(p.splits, rows...)
		return nil
	}
	p.splits = append(p.splits, chunk.NewSubtractSplit(rows, marks, p.in.layout, p.spec.Columns))
	return nil
}
