package difftest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestAsofJoins joins random tables by nearest times and compares with LATERAL in PostgreSQL, while the
// rows lie in buffers and in chunks of several partitions and slices.
func TestAsofJoins(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 2))
	p := open(t)
	p.both(t, "CREATE TABLE trades (k int, ts timestamptz, price numeric)", " PARTITION BY HASH (k) WITH (partitions = 2, time_column = 'ts', slice = '1 day')")
	p.both(t, "CREATE TABLE quotes (k int, ts timestamptz, bid double precision, venue text)", " PARTITION BY HASH (k) WITH (partitions = 3, time_column = 'ts', slice = '6 hours')")
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		p.both(t, asofRows(rng, "trades", func() string { return fmt.Sprint(rng.IntN(50)) }), "")
		p.both(t, asofRows(rng, "quotes", func() string {
			bid := []string{"NULL", "'NaN'", fmt.Sprint(rng.IntN(4))}[rng.IntN(3)]
			venue := []string{"NULL", "''", "'x'", "'y'"}[rng.IntN(4)]
			return bid + ", " + venue
		}), "")
		if rng.IntN(2) == 0 {
			p.checkpoint(t)
		}
		for range 12 {
			ours, theirs := asofQuery(rng)
			if p.compareWith(t, ours, theirs); t.Failed() {
				t.FailNow()
			}
		}
	}
}

// asofRows inserts rows of few keys and times, so that many are equal.
func asofRows(rng *rand.Rand, table string, rest func() string) string {
	var rows []string
	for range rng.IntN(60) {
		k := []string{"NULL", fmt.Sprint(rng.IntN(5))}[min(1, rng.IntN(9))]
		ts := fmt.Sprintf("timestamptz '2026-03-28 00:00Z' + interval '%d minutes'", rng.IntN(240)*15)
		rows = append(rows, "("+k+", "+ts+", "+rest()+")")
	}
	if len(rows) == 0 {
		return "DELETE FROM " + table + " WHERE k = 3"
	}
	return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
}

// asofQuery is a random join and its equivalent.
func asofQuery(rng *rand.Rand) (ours, theirs string) {
	op := []string{">=", ">", "<=", "<"}[rng.IntN(4)]
	conds := []string{"a.ts " + op + " b.ts"}
	if rng.IntN(4) > 0 {
		conds = append(conds, "a.k = b.k")
	}
	difference, order := "a.ts - b.ts", "b.ts DESC"
	if op[0] == '<' {
		difference, order = "b.ts - a.ts", "b.ts"
	}
	if rng.IntN(2) == 0 {
		tolerance := []string{"interval '15 min'", "interval '3 hours'", "interval '1 day'", "a.k * interval '1 hour'"}[rng.IntN(4)]
		conds = append(conds, difference+[]string{" <= ", " < "}[rng.IntN(2)]+tolerance)
	}
	if rng.IntN(3) == 0 {
		conds = append(conds, []string{"b.venue <> 'x'", "b.bid IS NOT NULL", "a.price > 20"}[rng.IntN(3)])
	}
	rng.Shuffle(len(conds), func(i, j int) { conds[i], conds[j] = conds[j], conds[i] })
	on := strings.Join(conds, " AND ")
	kind, from := []string{"", "LEFT "}[rng.IntN(2)], []string{"trades", "quotes"}[rng.IntN(2)]
	if from == "quotes" {
		on = strings.ReplaceAll(on, "a.price", "a.bid")
	}
	where := []string{"", " WHERE a.ts >= '2026-03-28 12:00Z' AND a.ts < '2026-03-29 06:00Z'", " WHERE a.k = 2", " WHERE a.k IN (1, 3) AND a.ts > '2026-03-29 00:00Z'",
		" WHERE b.bid < 2", " WHERE b.ts IS NULL", " WHERE b.ts > '2026-03-29 00:00Z'", " WHERE a.ts = '2026-03-28 06:00Z'"}[rng.IntN(8)]
	ours = fmt.Sprintf("SELECT a.*, b.* FROM %s a ASOF %sJOIN quotes b ON %s%s", from, kind, on, where)
	theirs = fmt.Sprintf("SELECT a.*, b.* FROM %s a %sJOIN LATERAL (SELECT * FROM quotes b WHERE %s ORDER BY %s, b.k DESC, b.bid DESC, b.venue DESC LIMIT 1) b ON true%s",
		from, kind, on, order, where)
	return ours, theirs
}
