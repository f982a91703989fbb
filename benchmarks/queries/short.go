package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
)

// dashboard is what a panel of a dashboard asks.
const dashboard = `WITH late AS (
  SELECT route_id, time_bucket('5 minutes', ts) AS bucket, avg(speed) AS speed, count(*) AS events
  FROM positions WHERE ts >= now() - interval '6 hours' AND speed > 1 GROUP BY 1, 2)
SELECT l.bucket, r.name, d.depot, round(l.speed::numeric, 1) AS speed, l.events
FROM late AS l JOIN routes AS r ON r.route_id = l.route_id LEFT JOIN depots AS d ON d.depot_id = r.depot_id
WHERE r.active AND d.depot IS NOT NULL ORDER BY l.bucket DESC, l.events DESC LIMIT 100`

var planningTime = regexp.MustCompile(`Planning Time: ([0-9.]+) ms`)

// plans measures parsing, binding and planning: the server's own figure for the last two, and for
// all three how much longer EXPLAIN of the query takes than an empty statement.
func (b *bench) plans(ctx context.Context) error {
	if err := b.exec(ctx,
		"CREATE TABLE positions (vehicle_id text, ts timestamptz, route_id text, speed real, PRIMARY KEY (vehicle_id, ts)) PARTITION BY HASH (vehicle_id) WITH (partitions = 4, slice = '1 day')",
		"CREATE TABLE routes (route_id text PRIMARY KEY, name text, depot_id int, active bool)", "CREATE TABLE depots (depot_id int PRIMARY KEY, depot text)"); err != nil {
		return err
	}
	for _, q := range []struct {
		name, sql string
		below     float64
	}{{"parse and plan a dashboard's query", dashboard, 0.3}, {"parse and plan 50 joins", joins(50), 50}} {
		var planned, all []float64
		for range b.opt.Runs {
			lines, took, err := measure.Fetch(ctx, b.conn, "EXPLAIN (SUMMARY) "+q.sql)
			if err != nil {
				return err
			}
			_, empty, err := b.round(ctx, "SELECT 1")
			if err != nil {
				return err
			}
			m := planningTime.FindStringSubmatch(strings.Join(lines, "\n"))
			if m == nil {
				return fmt.Errorf("EXPLAIN does not say the planning time:\n%s", strings.Join(lines, "\n"))
			}
			ms, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return err
			}
			planned, all = append(planned, ms), append(all, took-empty)
		}
		fmt.Printf("%s: %.3f ms of them for optimising\n", q.name, measure.Median(planned))
		b.promise(q.name, measure.Median(all), q.below, "ms")
	}
	return nil
}

// joins joins a table n times with itself.
func joins(n int) string {
	var sql strings.Builder
	sql.WriteString("SELECT count(*) FROM routes AS r0")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&sql, " JOIN routes AS r%d ON r%d.depot_id = r%d.depot_id AND r%d.active", i, i, i-1, i)
	}
	return sql.String()
}

func (b *bench) round(ctx context.Context, sql string) ([]string, float64, error) {
	return measure.Fetch(ctx, b.conn, sql)
}

// wire measures what any query costs, whatever it asks.
func (b *bench) wire(ctx context.Context) error {
	var simple, prepared []float64
	for range b.opt.Runs {
		_, took, err := b.round(ctx, "SELECT 1")
		if err != nil {
			return err
		}
		simple = append(simple, took)
		begin := time.Now()
		var n int
		if err := b.conn.QueryRow(ctx, "SELECT $1::int", 7).Scan(&n); err != nil || n != 7 {
			return fmt.Errorf("it is %d: %w", n, err)
		}
		prepared = append(prepared, float64(time.Since(begin).Microseconds())/1000)
	}
	b.promise("SELECT 1 over the wire", measure.Median(simple), 1, "ms")
	b.promise("a prepared SELECT over the wire", measure.Median(prepared), 1, "ms")
	return nil
}

// fair runs short queries beside sessions that have long ones all the time.
func (b *bench) fair(ctx context.Context) error {
	if err := b.exec(ctx, "CREATE TABLE short (id int PRIMARY KEY, v text)", "INSERT INTO short SELECT g, 'v' || g FROM generate_series(1, 1000) AS g"); err != nil {
		return err
	}
	alone, err := b.lookups(ctx)
	if err != nil {
		return err
	}
	long, end := context.WithCancel(ctx)
	var sessions sync.WaitGroup
	errs := make(chan error, b.opt.Sessions)
	for range b.opt.Sessions {
		conn, err := pgx.Connect(ctx, b.server.DSN())
		if err != nil {
			end()
			return err
		}
		sessions.Go(func() {
			defer conn.Close(context.Background())
			_, err := conn.Exec(long, "SELECT sum(sqrt(g)) FROM generate_series(1, 1000000000000) AS g")
			if long.Err() == nil {
				errs <- fmt.Errorf("a long query ends: %w", err)
			}
		})
	}
	time.Sleep(time.Second)
	beside, err := b.lookups(ctx)
	end()
	sessions.Wait()
	if err != nil {
		return err
	}
	select {
	case err := <-errs:
		return err
	default:
	}
	fmt.Printf("a short query alone: half within %.2f ms, 99%% within %.2f ms\n", alone[len(alone)/2], alone[len(alone)*99/100])
	b.promise(fmt.Sprintf("a short query beside %d long ones, half", b.opt.Sessions), beside[len(beside)/2], 50, "ms")
	b.promise(fmt.Sprintf("a short query beside %d long ones, 99%%", b.opt.Sessions), beside[len(beside)*99/100], 500, "ms")
	return nil
}

// lookups are the times of short queries, sorted.
func (b *bench) lookups(ctx context.Context) ([]float64, error) {
	var times []float64
	for i := range min(b.opt.Runs, 200) {
		rows, took, err := b.round(ctx, fmt.Sprintf("SELECT v FROM short WHERE id = %d", i+1))
		if err != nil {
			return nil, err
		}
		if len(rows) != 1 || rows[0] != fmt.Sprintf("v%d", i+1) {
			return nil, fmt.Errorf("row %d is %q", i+1, rows)
		}
		times = append(times, took)
	}
	measure.Median(times) // sorts
	return times, nil
}
