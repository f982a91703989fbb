// Command retention compares queries over a table whose retention has dropped many slices
// with the same queries over a table that never had them: embedded and on Cassandra, with
// a server that has just started and has nothing in memory, and with one that has.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
)

type options struct {
	Program string   `help:"The phyllo program." default:"bin/phyllo"`
	Dropped int      `help:"Slices that the retention drops." default:"1000"`
	Kept    int      `help:"Slices that are left." default:"100"`
	Rows    int      `help:"Rows of a slice." default:"60"`
	Starts  int      `help:"Servers that are started anew." default:"7"`
	Runs    int      `help:"Timed runs of each query on a server." default:"31"`
	Stores  []string `help:"Which stores." default:"embedded,cassandra" enum:"embedded,cassandra"`
	Heap    int      `help:"Heap of Cassandra in MiB." default:"1024"`
}

// queries are asked of both tables.
var queries = []struct{ name, sql string }{
	{"all rows", "SELECT count(*), sum(c), min(ts) FROM %s"},
	{"one column, grouped", "SELECT sensor, avg(b) FROM %s GROUP BY sensor"},
	{"one hour", "SELECT * FROM %s WHERE ts >= date_trunc('hour', now()) - interval '20 hours' AND ts < date_trunc('hour', now()) - interval '19 hours'"},
	{"last of each", "SELECT DISTINCT ON (sensor) * FROM %s ORDER BY sensor, ts DESC"},
	{"what is gone", "SELECT count(*) FROM %s WHERE ts < now() - interval '200 hours'"},
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("retention"), kong.Description("Queries over a table whose retention has dropped slices, and over a fresh one."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, store := range opt.Stores {
		err := measure.OnStore(ctx, store, opt.Program, opt.Heap, func(s measure.Servers) error { return run(ctx, opt, store, s) })
		if err != nil {
			fmt.Fprintf(os.Stderr, "retention: %s: %v\n", store, err)
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, opt options, store string, servers measure.Servers) error {
	if err := load(ctx, opt, servers); err != nil {
		return err
	}
	cold, warm := [2][][]float64{}, [2][][]float64{}
	for t := range 2 {
		cold[t], warm[t] = make([][]float64, len(queries)), make([][]float64, len(queries))
	}
	for n := range opt.Starts {
		if err := ask(ctx, opt, servers, n, &cold, &warm); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d slices dropped, %d left; milliseconds (times those of the fresh table)\n", store, opt.Dropped, opt.Kept)
	for q := range queries {
		c, w := measure.Median(cold[1][q]), measure.Median(warm[1][q])
		fmt.Printf("  %-20s cold %7.2f (%.2f)   warm %7.2f (%.2f)\n", queries[q].name, c, c/measure.Median(cold[0][q]), w, w/measure.Median(warm[0][q]))
	}
	return nil
}

// load makes both tables, with a chunk an hour, and has the retention of one drop slices.
func load(ctx context.Context, opt options, servers measure.Servers) (err error) {
	p, conn, err := servers.Start(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx), p.Stop(time.Minute)) }()
	for _, t := range tables(opt) {
		_, err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (sensor text, ts timestamptz, a real, b double precision, c bigint, d text, PRIMARY KEY (sensor, ts)) WITH (slice = '1 hour')", t.name))
		if err != nil {
			return err
		}
		const hours = 100 // of a checkpoint
		for from := t.hours; from > 0; from -= hours {
			if err := fill(ctx, conn, t.name, opt.Rows, from-hours, from-1); err != nil {
				return err
			}
		}
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE aged SET (retention = '%d hours')", opt.Kept-1)); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM aged")
	return err
}

type table struct {
	name  string
	hours int
}

func tables(opt options) []table {
	return []table{{"fresh", opt.Kept}, {"aged", opt.Kept + opt.Dropped}}
}

// fill adds rows of some hours before now, from the oldest, and flushes them.
func fill(ctx context.Context, conn *pgx.Conn, table string, rows, newest, oldest int) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO %s SELECT 'sensor-' || m %% 10, date_trunc('hour', now()) - h * interval '1 hour' + m * interval '3600 seconds' / %d,
		m / 7.0, h / 3.0 + m, h * 1000 + m, 'state ' || m %% 5 FROM generate_series(%d, %d) AS h, generate_series(0, %d) AS m`, table, rows, max(newest, 0), oldest, rows-1))
	if err == nil {
		_, err = conn.Exec(ctx, "CHECKPOINT")
	}
	return err
}

// ask starts a server and asks all queries of both tables, which have the same rows, in turn.
func ask(ctx context.Context, opt options, servers measure.Servers, n int, cold, warm *[2][][]float64) (err error) {
	p, conn, err := servers.Start(ctx, n+1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx), p.Stop(time.Minute)) }()
	for q, query := range queries {
		for run := range opt.Runs + 1 {
			var answers [2][]string
			for i := range 2 {
				t := (i + n) % 2 // which is first, in turn
				var ms float64
				if answers[t], ms, err = measure.Fetch(ctx, conn, fmt.Sprintf(query.sql, tables(opt)[t].name)); err != nil {
					return fmt.Errorf("%s: %w", query.name, err)
				}
				times := warm
				if run == 0 {
					times = cold
				}
				times[t][q] = append(times[t][q], ms)
			}
			if err := measure.Same(answers[0], answers[1]); err != nil {
				return fmt.Errorf("%s: %w", query.name, err)
			}
		}
	}
	return nil
}
