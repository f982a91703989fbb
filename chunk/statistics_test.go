package chunk

import (
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// sampled is an entry of 1,000 rows with one column.
func sampled(t datum.Type, from, to datum.Value, distinct, nulls int) *Entry {
	return &Entry{Rows: 1000, Columns: []ColumnEntry{{ID: 1, Type: t, Min: from, Max: to, Distinct: distinct, Nulls: nulls}}}
}

func TestEstimateStatistics(t *testing.T) {
	int8, int4 := datum.Of(datum.Int8), datum.Of(datum.Int4)
	key := []schema.ColumnID{1}
	for name, c := range map[string]struct {
		apart   []schema.ColumnID
		samples []Sample
		want    ColumnStatistics
	}{
		"times, half of the chunks": {nil, []Sample{{4000, []*Entry{sampled(int8, int64(0), int64(999), 1000, 0), sampled(int8, int64(2000), int64(2999), 1000, 0)}}},
			ColumnStatistics{int64(0), int64(2999), 0, 4000}},
		"the same hosts in each chunk": {nil, []Sample{{4000, []*Entry{sampled(int8, int64(0), int64(19), 20, 0), sampled(int8, int64(0), int64(18), 19, 0)}}},
			ColumnStatistics{int64(0), int64(19), 0, 20}},
		"ids at random": {nil, []Sample{{2000, []*Entry{sampled(int8, int64(0), int64(1<<40), 1000, 0), sampled(int8, int64(5), int64(1<<41), 1000, 0)}}},
			ColumnStatistics{int64(0), int64(1 << 41), 0, 2000}},
		"hosts told apart by partition": {key, []Sample{{1000, []*Entry{sampled(int8, int64(0), int64(9), 5, 0)}}, {1000, []*Entry{sampled(int8, int64(1), int64(8), 4, 0)}}},
			ColumnStatistics{int64(0), int64(9), 0, 9}},
		"hosts in all partitions": {nil, []Sample{{1000, []*Entry{sampled(int8, int64(0), int64(9), 5, 0)}}, {1000, []*Entry{sampled(int8, int64(1), int64(8), 4, 0)}}},
			ColumnStatistics{int64(0), int64(9), 0, 5}},
		"NULLs": {nil, []Sample{{2000, []*Entry{sampled(int8, nil, nil, 0, 1000), sampled(int8, int64(7), int64(7), 1, 500)}}},
			ColumnStatistics{int64(7), int64(7), 0.75, 1}},
		"before the column was widened": {nil, []Sample{{2000, []*Entry{sampled(int4, int32(-5), int32(5), 11, 0), sampled(int8, int64(7), int64(9), 3, 0)}}},
			ColumnStatistics{int64(7), int64(9), 0, 3}},
	} {
		got := EstimateStatistics([]schema.Column{{ID: 1, Type: int8}}, c.apart, c.samples).Columns[1]
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if got := EstimateStatistics([]schema.Column{{ID: 2, Type: int8}}, nil, []Sample{{5, nil}}); got.Rows != 5 || len(got.Columns) > 0 {
		t.Errorf("without chunks: %+v", got)
	}
}
