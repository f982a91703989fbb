package difftest

import (
	"context"
	"fmt"
	"testing"

	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// TestClock compares rows at the ends of time, at leap seconds and where clocks are set with
// PostgreSQL, in short and long slices, in buffers and in chunks. PostgreSQL's last 29 years, 294247 to
// 294276, are more than microseconds since 1970 can be in 64 bits: those we refuse.
func TestClock(t *testing.T) {
	p := open(t)
	for _, with := range []string{
		" WITH (slice = '1 hour', time_column = 'wall')",
		" WITH (slice = '1 minute', time_column = 'at')",
		" WITH (slice = '36500 days', time_column = 'at')",
		" PARTITION BY LIST (date_trunc('day', wall)) WITH (slice = '1 day', time_column = 'wall')",
	} {
		t.Run(with, func(t *testing.T) {
			p.both(t, "CREATE TABLE ends (at timestamptz, wall timestamp, n int)", with)
			for _, sql := range []string{"INSERT INTO ends VALUES ('294247-01-10 04:00:54.775807+00', NULL, 1)", "INSERT INTO ends VALUES (NULL, '294276-12-31 23:59:59.999999', 1)"} {
				if got, err := compare.Query(t.Context(), p.ours, sql); err != nil || got.Code != "22008" {
					t.Errorf("%s: %q (%s), %v; want 22008", sql, got.Code, got.Message, err)
				}
			}
			n := 0
			p.runWith(t, "clock.sql", func(p *pair) {
				if n++; n%5 == 0 {
					p.checkpoint(t)
				}
			})
			p.checkpoint(t)
			if _, err := p.ours.Exec(context.Background(), "VACUUM FULL ends"); err != nil {
				t.Error(err)
			}
			for _, off := range pruning() {
				if _, err := p.ours.Exec(context.Background(), fmt.Sprintf("SET phyllo.pruning = '%s'", off)); err != nil {
					t.Fatal(err)
				}
				p.compare(t, "SELECT * FROM ends ORDER BY n, at")
				p.compare(t, "SELECT n FROM ends WHERE at >= '294246-01-01 00:00:00+00' ORDER BY n")
				p.compare(t, "SELECT n FROM ends WHERE at < '1970-01-01 00:00:00+00' ORDER BY n")
			}
			if _, err := p.ours.Exec(context.Background(), "RESET phyllo.pruning"); err != nil {
				t.Error(err)
			}
			p.both(t, "DROP TABLE ends", "")
		})
	}
}
