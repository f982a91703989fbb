package chunk

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// cpuRows are ten metrics of hosts as random walks, as TSBS has them.
func cpuRows(r *rand.Rand, rows, hosts int) (*Layout, arrow.RecordBatch) {
	l := &Layout{SortKey: []schema.ColumnID{1, 2}, TimeColumn: 2}
	l.Columns = []Column{{ID: 1, Name: "host", Type: datum.Of(datum.Text)}, {ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)}}
	ids := []schema.ColumnID{1, 2}
	for i := range 10 {
		id := schema.ColumnID(i + 3)
		l.Columns = append(l.Columns, Column{ID: id, Name: fmt.Sprintf("usage_%d", i), Type: datum.Of(datum.Float8)})
		ids = append(ids, id)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema(ids)))
	defer b.Release()
	for i := range rows {
		host := i * hosts / rows
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("host_%d", host))
		datum.Append(b.Field(1), datum.Of(datum.TimestampTZ), datum.Micros(1451606400e6+int64(i-host*rows/hosts)*10e6))
		for k := range 10 {
			b.Field(k + 2).(*array.Float64Builder).Append(float64(r.IntN(101)))
		}
	}
	return l, b.NewRecordBatch()
}

// TestEntrySize holds the line on what a manifest keeps of a chunk.
func TestEntrySize(t *testing.T) {
	r := newRand(t)
	bus := busRows(r, 65536, 64)
	defer bus.Release()
	cpuLayout, cpu := cpuRows(r, 65536, 100)
	defer cpu.Release()
	for _, c := range []struct {
		name   string
		layout *Layout
		rows   arrow.RecordBatch
		most   int
	}{{"bus", busLayout(), bus, 640}, {"cpu", cpuLayout, cpu, 640}} {
		sorted := must(SortRows(memory.DefaultAllocator, c.layout, []arrow.RecordBatch{c.rows}))
		s := must(Seal(c.layout, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch))[0]
		sorted[0].Batch.Release()
		e := &s.Entry
		e.Location.Segment = e.ID
		size, blobs := len(AppendEntry(nil, e)), 0
		for _, b := range s.Blobs {
			blobs += len(b)
		}
		t.Logf("%s: an entry of %d bytes for %d columns, %d a column; blobs of %d bytes", c.name, size, len(e.Columns), size/len(e.Columns), blobs)
		if size > c.most {
			t.Errorf("%s: an entry of %d bytes for %d columns, at most %d are expected", c.name, size, len(e.Columns), c.most)
		}
		for _, col := range e.Columns {
			if col.Distinct == 0 || col.Min == nil || col.Max == nil {
				t.Errorf("%s, column %d: %+v", c.name, col.ID, col)
			}
		}
	}
}
