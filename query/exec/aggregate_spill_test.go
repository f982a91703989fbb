package exec

import (
	"slices"
	"testing"
)

// When memory is short no groups are added any more. The rows of batches whose
// groups are all there already must still be counted.
func TestAggregateFrozen(t *testing.T) {
	const sql = `SELECT count(*), min(c), max(c), sum(c) FROM (
  SELECT k, count(*) AS c FROM (SELECT g % 20000 AS k FROM generate_series(0, 59999) AS g) AS s GROUP BY k) AS t`
	for _, budget := range []int64{1 << 20, 3 << 20, 64 << 20} {
		got, err := runCase(t, sql, config{splitRows: 1000, batchRows: maxBatchRows, workers: 1, budget: budget}, nil)
		if want := []string{"20000|3|3|60000"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("budget of %d bytes: got %q, %v; want %q", budget, got, err, want)
		}
	}
}
