package chunk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// busLayout is the table of city buses' positions.
func busLayout() *Layout {
	l := &Layout{SortKey: []schema.ColumnID{1, 2}, TimeColumn: 2, Slice: 30 * 24 * time.Hour}
	for i, c := range []struct {
		name string
		oid  datum.OID
	}{{"vehicle_id", datum.Text}, {"timestamp", datum.TimestampTZ}, {"speed", datum.Float4}, {"route_id", datum.Text},
		{"trip_id", datum.Text}, {"latitude", datum.Float8}, {"longitude", datum.Float8}, {"trip_headsign", datum.Text}} {
		l.Columns = append(l.Columns, Column{ID: schema.ColumnID(i + 1), Name: c.name, Type: datum.Of(c.oid)})
	}
	return l
}

// busRows generates positions of buses: polls about every half minute, speeds in
// steps of one mile an hour, positions on a grid of a millionth of a degree
// that stand still at stops, trips that change every 40 polls.
func busRows(r *rand.Rand, rows, vehicles int) arrow.RecordBatch {
	l := busLayout()
	ids := make([]schema.ColumnID, len(l.Columns))
	for i := range ids {
		ids[i] = l.Columns[i].ID
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(l.Schema(ids)))
	defer b.Release()
	for v := range vehicles {
		at := int64(1425708000) + r.Int64N(86400)
		lat, lon := 30.2+r.Float64()/4, -97.8+r.Float64()/4
		trip := 1388000 + r.IntN(5000)
		route := r.IntN(80)
		for i := range rows / vehicles {
			at += []int64{30, 30, 30, 60, 60, 90, 120, r.Int64N(60)}[r.IntN(8)]
			if i%400 == 399 {
				at += r.Int64N(40000)
			}
			if i%40 == 39 {
				trip, route = 1388000+r.IntN(5000), r.IntN(80)
			}
			speed := 0
			if r.IntN(5) > 0 {
				speed = r.IntN(60)
				lat += r.NormFloat64() / 400
				lon += r.NormFloat64() / 400
			}
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint(2000 + v))
			b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(at * 1e6))
			b.Field(2).(*array.Float32Builder).Append(float32(math.Round(float64(speed)*0.44704*1e5) / 1e5))
			b.Field(3).(*array.StringBuilder).Append(fmt.Sprint(route))
			b.Field(4).(*array.StringBuilder).Append(fmt.Sprint(trip))
			b.Field(5).(*array.Float64Builder).Append(math.Round(lat*1e6) / 1e6)
			b.Field(6).(*array.Float64Builder).Append(math.Round(lon*1e6) / 1e6)
			b.Field(7).(*array.StringBuilder).Append([]string{"NORTHBOUND", "SOUTHBOUND", "EASTBOUND", fmt.Sprint(route) + " TO DOWNTOWN"}[route%4])
		}
	}
	return b.NewRecordBatch()
}

// reportDensity prints what each column takes and returns the bytes a row.
func reportDensity(t testing.TB, l *Layout, sealed []*Sealed) float64 {
	rows, total := 0, int64(0)
	for _, s := range sealed {
		rows += s.Entry.Rows
	}
	for k, c := range l.Columns {
		size := int64(0)
		codecs := map[string]int{}
		for _, s := range sealed {
			size += s.Entry.Columns[k].Size
			codecs[s.Entry.Columns[k].Codec] += s.Entry.Rows
		}
		total += size
		best := ""
		for name, n := range codecs {
			if best == "" || n > codecs[best] {
				best = name
			}
		}
		t.Logf("%-14s %6.3f bytes a row, %5.2f bits, mostly %s", c.Name, float64(size)/float64(rows), float64(size)*8/float64(rows), best)
	}
	entries := 0
	for _, s := range sealed {
		entries += len(AppendEntry(nil, &s.Entry))
	}
	all := float64(total+int64(entries)) / float64(rows)
	t.Logf("%d rows in %d chunks: %.3f bytes a row with entries, which take %d bytes a chunk", rows, len(sealed), all, entries/len(sealed))
	return all
}

// TestBusDensity holds the line on the bytes that rows of buses take.
func TestBusDensity(t *testing.T) {
	r := newRand(t)
	batch := busRows(r, 60000, 60)
	defer batch.Release()
	sorted := must(SortRows(memory.DefaultAllocator, busLayout(), []arrow.RecordBatch{batch}))
	var sealed []*Sealed
	for _, s := range sorted {
		sealed = append(sealed, must(Seal(busLayout(), SealOptions{Slice: s.Slice, IDs: NewIDs(nil)}, s.Batch))...)
		s.Batch.Release()
	}
	if got := reportDensity(t, busLayout(), sealed); got > 7.2 {
		t.Errorf("%.3f bytes a row", got)
	}
}
