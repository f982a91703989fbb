package difftest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestGapfill fills gaps of random tables, also through views that take their bounds from outside, and compares
// with generate_series in PostgreSQL.
func TestGapfill(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 3))
	p := open(t)
	p.both(t, "CREATE TABLE quotes (k int, ts timestamptz, v int, s text)", " PARTITION BY HASH (k) WITH (partitions = 2, time_column = 'ts', slice = '1 day')")
	widths := []bucketWidth{
		{"'15 min'", "", "date_bin('15 min', TS, '2000-01-03Z')", "15 min"},
		{"'7 hours'", "", "date_bin('7 hours', TS, '2000-01-03Z')", "15 min"},
		{"'1 week'", "", "date_trunc('week', TS, 'UTC')", "1 day"},
		{"'1 month'", "", "date_trunc('month', TS, 'UTC')", "1 day"},
		{"'3 months'", "", "date_trunc('quarter', TS, 'UTC')", "1 day"},
		{"'1 day'", "'Europe/Berlin'", "date_trunc('day', TS, 'Europe/Berlin')", "1 hour"},
		{"'1 month'", "'America/New_York'", "date_trunc('month', TS, 'America/New_York')", "1 hour"},
	}
	for i, w := range widths {
		sql := fmt.Sprintf("CREATE VIEW w%d AS SELECT k, %s AS b, sum(v) AS s, locf(sum(v)) AS l, locf(sum(v), treat_null_as_missing => true) AS m FROM quotes GROUP BY 1, 2", i, w.gapfill(""))
		if _, err := p.ours.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		p.both(t, asofRows(rng, "quotes", func() string {
			return []string{"NULL", fmt.Sprint(rng.IntN(9))}[min(1, rng.IntN(4))] + ", ''"
		}), "")
		if rng.IntN(2) == 0 {
			p.checkpoint(t)
		}
		for range 8 {
			i := rng.IntN(len(widths))
			from := rng.IntN(100) - 20
			start, finish := gapfillTime(from), gapfillTime(from+rng.IntN(200))
			if rng.IntN(2) == 0 {
				p.compareWith(t, widths[i].query(start, finish), widths[i].equivalent(start, finish))
			} else {
				// The bounds are the buckets' own: those of times that begin none hold for the buckets only.
				start, finish = widths[i].begin(start), widths[i].begin(finish)
				p.compareWith(t, fmt.Sprintf("SELECT * FROM w%d WHERE b >= %s AND b < %s ORDER BY k, b", i, start, finish), widths[i].equivalent(start, finish))
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// gapfillTime is a time around those of asofRows and the days on which clocks are put forward.
func gapfillTime(hours int) string {
	at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours) * 37 * time.Minute)
	return "timestamptz '" + at.Format(time.RFC3339) + "'"
}

// A bucketWidth is a width of buckets, and how PostgreSQL puts times into them; step is one that misses no bucket.
type bucketWidth struct{ width, zone, bin, step string }

func (w bucketWidth) gapfill(more string) string {
	if w.zone != "" {
		return "time_bucket_gapfill(" + w.width + ", ts, " + w.zone + more + ")"
	}
	return "time_bucket_gapfill(" + w.width + ", ts" + more + ")"
}

func (w bucketWidth) begin(ts string) string { return strings.ReplaceAll(w.bin, "TS", ts) }

func (w bucketWidth) query(start, finish string) string {
	return fmt.Sprintf(`SELECT k, %s AS b, sum(v) AS s, locf(sum(v)) AS l, locf(sum(v), treat_null_as_missing => true) AS m
		FROM quotes WHERE ts >= %s AND ts < %s GROUP BY 1, 2 ORDER BY 1, 2`, w.gapfill(""), start, finish)
}

func (w bucketWidth) equivalent(start, finish string) string {
	return fmt.Sprintf(`WITH q AS (SELECT k, %s AS b, sum(v) AS s FROM quotes WHERE ts >= %s AND ts < %s GROUP BY 1, 2),
		g AS (SELECT DISTINCT k FROM q),
		bs AS (SELECT %s AS b FROM generate_series(%s, %s - interval '1 us', '%s') AS x UNION SELECT b FROM q)
		SELECT g.k, bs.b, q.s,
			(SELECT o.s FROM q AS o WHERE o.k IS NOT DISTINCT FROM g.k AND o.b <= bs.b ORDER BY o.b DESC LIMIT 1) AS l,
			(SELECT o.s FROM q AS o WHERE o.k IS NOT DISTINCT FROM g.k AND o.b <= bs.b AND o.s IS NOT NULL ORDER BY o.b DESC LIMIT 1) AS m
		FROM g CROSS JOIN bs LEFT JOIN q ON q.k IS NOT DISTINCT FROM g.k AND q.b = bs.b ORDER BY 1, 2`,
		w.begin("ts"), start, finish, w.begin("x"), w.begin(start), finish, w.step)
}
