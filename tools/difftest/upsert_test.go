package difftest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 0, "seed of the random choices; 0 takes one from the clock")

// pruning are values of phyllo.pruning: all stages, each one alone switched off, none.
func pruning() []string {
	stages := []string{"partitions", "slices", "chunks", "manifest", "blooms", "vectors", "encoded", "late"}
	out := []string{"all"}
	for i := range stages {
		out = append(out, strings.Join(append(append([]string(nil), stages[:i]...), stages[i+1:]...), ","))
	}
	return append(out, "none")
}

// TestUpserts replaces and updates rows at random so that filtered columns
// change, and compares filtered reads with PostgreSQL, with each stage of
// pruning switched on and off. The rows lie in buffers and in chunks that overlap.
func TestUpserts(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	p := open(t)
	const columns = `(id int, at timestamptz, status text, amount numeric(10,2), weight double precision, flags int[], PRIMARY KEY (id, at))`
	p.both(t, "CREATE TABLE orders "+columns, " PARTITION BY HASH (id) WITH (partitions = 3, slice = '6 hours')")
	p.both(t, "CREATE TABLE stock (sku text PRIMARY KEY, status text, amount numeric(10,2), weight double precision, flags int[])", "")
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		for range 1 + rng.IntN(3) {
			p.both(t, upsertOrders(rng), "")
			p.both(t, upsertStock(rng), "")
		}
		if rng.IntN(2) == 0 {
			p.checkpoint(t)
		}
		for range 3 {
			where := upsertFilter(rng)
			for _, sql := range upsertReads(where) {
				for _, stages := range pruning() {
					if _, err := p.ours.Exec(context.Background(), fmt.Sprintf("SET phyllo.pruning = '%s'", stages)); err != nil {
						t.Fatal(err)
					}
					if p.compare(t, sql); t.Failed() {
						t.Fatalf("with phyllo.pruning = '%s'", stages)
					}
				}
			}
		}
	}
}

// upsertReads are queries with a condition; of stock only if it has the columns.
func upsertReads(where string) []string {
	out := []string{
		"SELECT * FROM orders WHERE " + where + " ORDER BY id, at",
		"SELECT status, count(*), sum(amount), min(amount), max(weight) FROM orders WHERE " + where + " GROUP BY status ORDER BY status",
		"SELECT count(*), min(status), max(amount), count(weight) FROM orders WHERE " + where,
	}
	if !strings.Contains(where, "id ") && !strings.Contains(where, "at ") {
		out = append(out, "SELECT * FROM stock WHERE "+where+" ORDER BY sku")
	}
	return out
}

func upsertValues(rng *rand.Rand) string {
	status := []string{"'new'", "'paid'", "'sent'", "'lost'", "NULL"}[rng.IntN(5)]
	amount := []string{fmt.Sprintf("%d.%02d", rng.IntN(300), rng.IntN(100)), "NULL", "0", "-1.5"}[min(3, rng.IntN(8)/2)]
	weight := []string{fmt.Sprint(rng.Float64() * 100), "'NaN'", "NULL", "'-Infinity'"}[min(3, rng.IntN(12)/3)]
	flags := []string{"NULL", "'{}'", "'{1,2}'", "'{NULL,7}'"}[rng.IntN(4)]
	return fmt.Sprintf("%s, %s, %s, %s", status, amount, weight, flags)
}

const upsertSet = " DO UPDATE SET status = excluded.status, amount = excluded.amount, weight = excluded.weight, flags = excluded.flags"

// upsertOrders is a statement with rows of different keys, as PostgreSQL wants it.
func upsertOrders(rng *rand.Rand) string {
	var rows []string
	for _, key := range rng.Perm(400)[:1+rng.IntN(120)] {
		rows = append(rows, fmt.Sprintf("(%d, timestamptz '2026-03-01 00:00Z' + interval '%d minutes', %s)", key%40, key/40*150, upsertValues(rng)))
	}
	return "INSERT INTO orders VALUES " + strings.Join(rows, ", ") + " ON CONFLICT (id, at)" + upsertSet
}

func upsertStock(rng *rand.Rand) string {
	var rows []string
	for _, key := range rng.Perm(60)[:1+rng.IntN(20)] {
		rows = append(rows, fmt.Sprintf("('sku %d', %s)", key, upsertValues(rng)))
	}
	if rng.IntN(3) == 0 {
		return "INSERT INTO stock VALUES " + strings.Join(rows, ", ") + " ON CONFLICT DO NOTHING"
	}
	return "INSERT INTO stock VALUES " + strings.Join(rows, ", ") + " ON CONFLICT (sku)" + upsertSet +
		[]string{"", " WHERE stock.status IS DISTINCT FROM 'lost'", " WHERE excluded.amount > stock.amount"}[rng.IntN(3)]
}

// upsertFilter is a random condition over both tables' columns, or over the key of orders.
func upsertFilter(rng *rand.Rand) string {
	terms := []string{
		fmt.Sprintf("status = '%s'", []string{"new", "paid", "sent", "lost"}[rng.IntN(4)]),
		"status IS NULL", "status IN ('new', 'lost')", "status <> 'paid'", "status LIKE 'p%'",
		fmt.Sprintf("amount > %d", rng.IntN(300)), fmt.Sprintf("amount BETWEEN %d AND %d", rng.IntN(150), 150+rng.IntN(150)), "amount = 0", "amount IS NULL",
		fmt.Sprintf("weight < %d", rng.IntN(100)), "weight = 'NaN'", "weight IS NOT NULL", "flags IS NULL", "2 = ANY(flags)",
		fmt.Sprintf("id = %d", rng.IntN(45)), fmt.Sprintf("id IN (%d, %d)", rng.IntN(45), rng.IntN(45)),
		fmt.Sprintf("at >= timestamptz '2026-03-01 00:00Z' + interval '%d hours'", rng.IntN(28)),
		fmt.Sprintf("at < timestamptz '2026-03-01 00:00Z' + interval '%d hours'", rng.IntN(28)),
	}
	n := 1 + rng.IntN(3)
	var out []string
	for _, i := range rng.Perm(len(terms))[:n] {
		out = append(out, terms[i])
	}
	return strings.Join(out, " AND ")
}
