package exec

import (
	"slices"
	"testing"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TestWindowStreams: functions that look back only need no memory for their partition, however long it
// is; one that needs all of it says so.
func TestWindowStreams(t *testing.T) {
	cfg := config{splitRows: 1000, batchRows: maxBatchRows, workers: 1, budget: 1 << 20}
	for _, c := range []struct{ sql, want string }{
		{"SELECT max(n), sum(n) FROM (SELECT row_number() OVER () AS n FROM generate_series(1, 100000) AS g) AS t", "100000|5000050000"},
		{"SELECT max(r), max(d) FROM (SELECT rank() OVER w AS r, dense_rank() OVER w AS d FROM generate_series(1, 100000) AS g WINDOW w AS (ORDER BY g / 7)) AS t", "99995|14286"},
		{"SELECT sum(a), sum(b), max(f) FROM (SELECT lag(g, 5) OVER w AS a, lead(g, 10000, 0) OVER w AS b, first_value(g) OVER w AS f FROM generate_series(1, 100000) AS g WINDOW w AS (ORDER BY g)) AS t",
			"4999550010|4950045000|1"},
		{"SELECT max(s) FROM (SELECT sum(g::numeric) OVER (ORDER BY g) AS s FROM generate_series(1, 30000) AS g) AS t", "450015000"},
		{"SELECT count(*), sum(n) FROM (SELECT count(*) OVER (PARTITION BY g % 3 ORDER BY g / 9) AS n FROM generate_series(0, 89999) AS g) AS t", "90000|1350135000"},
	} {
		got, err := runCase(t, c.sql, cfg, nil)
		if err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: got %q, %v; want %q", c.sql, got, err, c.want)
		}
	}
	got, err := runCase(t, "SELECT max(n) FROM (SELECT ntile(4) OVER (ORDER BY g) AS n FROM generate_series(1, 100000) AS g) AS t", cfg, nil)
	if e, ok := err.(*pgerr.Error); !ok || e.Code != pgerr.OutOfMemory {
		t.Errorf("ntile: %q, %v", got, err)
	}
}
