// Command recovery measures how long a Phyllo server with an empty disk takes from
// its start to the answer of its first query, on a table of many chunks, and how much
// memory it takes then: embedded and on Cassandra. The query is of one slice, so that
// it shows what is read of the manifest for it; a count of all rows follows.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
	"github.com/phyllodb/phyllo/benchmarks/measure"
)

type options struct {
	Program string   `help:"The phyllo program." default:"bin/phyllo"`
	Chunks  int      `help:"Chunks of the table: one row each." default:"10000"`
	Batch   int      `help:"Chunks of a commit." default:"250"`
	Starts  int      `help:"Timed starts." default:"5"`
	Stores  []string `help:"Which stores." default:"embedded,cassandra" enum:"embedded,cassandra"`
	Heap    int      `help:"Heap of Cassandra in MiB." default:"1024"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("recovery"), kong.Description("Time from the start of a server to its first answer."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, store := range opt.Stores {
		if err := run(ctx, opt, store); err != nil {
			fmt.Fprintf(os.Stderr, "recovery: %s: %v\n", store, err)
			os.Exit(1)
		}
	}
}

// run measures one store.
func run(ctx context.Context, opt options, store string) error {
	return measure.OnStore(ctx, store, opt.Program, opt.Heap, func(servers measure.Servers) error {
		return runOn(ctx, opt, store, servers)
	})
}

func runOn(ctx context.Context, opt options, store string, servers measure.Servers) error {
	begin := time.Now()
	if err := load(ctx, opt, servers); err != nil {
		return err
	}
	fmt.Printf("%s: %d chunks loaded in %.1f s\n", store, opt.Chunks, time.Since(begin).Seconds())
	var first, all, memory, peaks []float64
	for n := range opt.Starts {
		f, a, m, peak, err := recovery(ctx, opt, servers, n+1)
		if err != nil {
			return err
		}
		first, all, memory = append(first, f), append(all, a), append(memory, m)
		peaks = append(peaks, peak)
	}
	fmt.Printf("%s: start to first answer %.0f ms (%.0f), count of all rows %.0f ms, heap before it %.1f MiB, peak of the process %.0f MiB before it\n", store,
		measure.Median(first), first, measure.Median(all), measure.Median(memory), measure.Median(peaks))
	return nil
}

// load makes the table, with a chunk an hour.
func load(ctx context.Context, opt options, servers measure.Servers) error {
	p, conn, err := servers.Start(ctx, 0)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE TABLE readings (sensor text, ts timestamptz, a real, b double precision, c bigint, d integer, e text, f boolean, g numeric(12,2),
		h timestamptz, PRIMARY KEY (sensor, ts)) WITH (slice = '1 hour')`)
	for from := 0; from < opt.Chunks && err == nil; from += opt.Batch {
		_, err = conn.Exec(ctx, fmt.Sprintf(`INSERT INTO readings SELECT 'sensor-' || i, '2020-01-01'::timestamptz + i * interval '1 hour',
			i / 7.0, i / 3.0, i * 1000, i, 'state ' || i %% 5, i %% 2 = 0, i / 100.0, '2021-01-01'::timestamptz + i * interval '1 second'
			FROM generate_series(%d, %d) AS i`, from, min(from+opt.Batch, opt.Chunks)-1))
		if err == nil {
			_, err = conn.Exec(ctx, "CHECKPOINT")
		}
	}
	return errors.Join(err, conn.Close(ctx), p.Stop(time.Minute))
}

// recovery starts a server and returns the milliseconds to its first answer, those
// of a count of all, and the MiB of the heap and of the process at its peak, both before the count.
func recovery(ctx context.Context, opt options, servers measure.Servers, n int) (first, all, heap, peak float64, err error) {
	begin := time.Now()
	p, conn, err := servers.Start(ctx, n)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx), p.Stop(time.Minute)) }()
	rows, _, err := measure.Fetch(ctx, conn, "SELECT sum(c) FROM readings WHERE ts >= '2020-01-02' AND ts < '2020-01-02 01:00'")
	first = time.Since(begin).Seconds() * 1000
	if err == nil && (len(rows) != 1 || rows[0] != "24000") {
		err = fmt.Errorf("the first answer is %q", rows)
	}
	if err != nil {
		return 0, 0, 0, 0, err
	}
	if heap, err = p.Metric("go_memstats_heap_alloc_bytes"); err != nil {
		return 0, 0, 0, 0, err
	}
	heap /= 1 << 20
	mib, err := p.PeakMiB()
	if err != nil {
		return 0, 0, 0, 0, err
	}
	peak = float64(mib)
	rows, all, err = measure.Fetch(ctx, conn, "SELECT count(*) FROM readings")
	if err == nil && (len(rows) != 1 || rows[0] != fmt.Sprint(opt.Chunks)) {
		err = fmt.Errorf("count(*) is %q", rows)
	}
	return first, all, heap, peak, err
}
