package engine

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

// How a table without a key is read of which rows were deleted: chunks and runs that
// marks overlap are read together, less the rows that the marks take away.

// marked says whether some of the rows of a chunk or a run are marks.
func (in *tableInfo) marked(x scanInput) bool {
	if x.entry != nil {
		return x.entry.Marked()
	}
	return in.layout.Marked(x.run)
}

// markedSlice plans the reading of a slice in which there are marks. Runs are not
// sorted, so that each may have rows like any mark.
func (p *scanPlan) markedSlice(all []scanInput) error {
	var chunks []keyedInput
	var runs []scanInput
	for i, in := range all {
		if in.entry != nil {
			chunks = append(chunks, p.keyed(in, i))
		} else {
			runs = append(runs, in)
		}
	}
	low, high, some := p.in.markRange(runs)
	var together []scanInput // with the runs
	for group := range overlaps(chunks) {
		var inputs []scanInput
		marked := false
		for _, in := range group {
			inputs = append(inputs, in.scanInput)
			marked = marked || in.entry.Marked() ||
				some && bytes.Compare(in.min, high) <= 0 && bytes.Compare(low, in.max) <= 0
		}
		switch {
		case marked && len(runs) > 0:
			together = append(together, inputs...)
		case marked:
			if err := p.subtract(inputs); err != nil {
				return err
			}
		default:
			for _, in := range inputs {
				if err := p.alone(p.spec, in); err != nil {
					return err
				}
			}
		}
	}
	if len(runs) == 0 {
		return nil
	}
	return p.subtract(append(together, runs...))
}

// markRange returns the range of the sort keys of the marks in runs.
func (in *tableInfo) markRange(runs []scanInput) (low, high []byte, some bool) {
	at := in.layout.Index(schema.RowDeletedColumn)
	for _, x := range runs {
		r := x.run
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
func (p *scanPlan) subtract(inputs []scanInput) error {
	forRows, forMarks := p.spec.WithMarks()
	var rows, marks []chunk.Split
	for _, in := range inputs {
		if in.entry == nil {
			rows = append(rows, chunk.NewBatchSplit(in.run, p.layout, forRows))
			if p.in.marked(in) {
				marks = append(marks, chunk.NewBatchSplit(in.run, p.layout, forMarks))
			}
			continue
		}
		may, err := p.mayMatch(in.entry, forRows.Filter)
		if err != nil {
			return err
		}
		if may {
			rows = append(rows, chunk.NewSplit(in.entry, p.layout, forRows, p.fetch(in)))
		}
		if !in.entry.Marked() {
			continue
		}
		if may, err = p.layout.MayMatch(in.entry, forMarks.Filter); err != nil {
			return err
		}
		if may || p.spec.Pruning.Chunks {
			marks = append(marks, chunk.NewSplit(in.entry, p.layout, forMarks, p.fetch(in)))
		}
	}
	if len(marks) == 0 || len(rows) == 0 {
		p.splits = append(p.splits, rows...)
		return nil
	}
	p.splits = append(p.splits, chunk.NewSubtractSplit(rows, marks, p.layout, p.spec.Columns))
	return nil
}
