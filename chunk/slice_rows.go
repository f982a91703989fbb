package chunk

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// SplitSlices divides the rows of a batch, whose columns are those of the
// layout, by slice. Rows keep their order; the results come by rising slice and
// are the receiver's to release. A batch within one slice is shared, not copied.
func SplitSlices(mem memory.Allocator, l *Layout, batch arrow.RecordBatch) ([]SliceRows, error) {
	if batch.NumRows() == 0 {
		return nil, nil
	}
	groups := groupBySlice(l, batch)
	if len(groups) == 1 {
		batch.Retain()
		return []SliceRows{{Slice: groups[0].slice, Batch: batch}}, nil
	}
	out := make([]SliceRows, 0, len(groups))
	for _, g := range groups {
		b, err := TakeBatch(mem, l, batch, g.rows)
		if err != nil {
			for _, s := range out {
				s.Batch.Release()
			}
			return nil, err
		}
		out = append(out, SliceRows{Slice: g.slice, Batch: b})
	}
	return out, nil
}
