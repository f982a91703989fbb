package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestMarksAreCounted: marks that a reader holds count against its room's limit, and are given
// back when they have found their rows, when the reader is closed and when there are too many.
func TestMarksAreCounted(t *testing.T) {
	const rows = 10000
	l, err := NewLayout(&schema.Table{Columns: []schema.Column{{ID: 1, Name: "x", Type: datum.Of(datum.Text)}}})
	if err != nil {
		t.Fatal(err)
	}
	sch, err := l.Schema([]schema.ColumnID{1, schema.RowDeletedColumn})
	if err != nil {
		t.Fatal(err)
	}
	batch := func(marks bool, n int) arrow.RecordBatch {
		b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
		defer b.Release()
		for i := range n {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("row ", i))
			b.Field(1).(*array.BooleanBuilder).Append(marks)
		}
		return b.NewRecordBatch()
	}
	spec := ScanSpec{Columns: []schema.ColumnID{1}}
	forRows, forMarks := spec.WithMarks()
	split := NewSubtractSplit([]Split{NewBatchSplit(batch(false, rows+1), l, forRows)}, []Split{NewBatchSplit(batch(true, rows), l, forMarks)}, l, spec.Columns)
	for _, limit := range []int64{1 << 30, 100 << 10} {
		held, most := int64(0), int64(0)
		room := NewRoom(memory.DefaultAllocator)
		room.Limit(func(n int64) error {
			if held+n > limit {
				return pgerr.New(pgerr.OutOfMemory, "out of memory")
			}
			held += n
			most = max(most, held)
			return nil
		})
		var stats ScanStats
		r, err := split.Scan(context.Background(), room, &stats)
		if limit < 1<<20 {
			if pgerr.Code(err) != pgerr.OutOfMemory || held != 0 {
				t.Errorf("beyond the limit: %v, %d bytes are held", err, held)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		left := int64(0)
		for {
			b, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			left += b.NumRows()
			b.Release()
		}
		if left != 1 || held != 0 || most < rows*64 {
			t.Errorf("%d rows are left, %d bytes are held, %d at the most", left, held, most)
		}
		if r, err = split.Scan(context.Background(), room, &stats); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil || held != 0 {
			t.Errorf("closed early: %v, %d bytes are held", err, held)
		}
	}
}
