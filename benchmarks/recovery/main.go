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
	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

type options struct {
	Program string   `help:"The phyllo program." default:"bin/phyllo"`
	Chunks  int      `help:"Chunks of the table: one row each." default:"10000"`
	Batch   int      `help:"Chunks of a commit." default:"250"`
	Starts  int      `help:"Timed starts." default:"5"`
	Stores  []string `help:"Which stores." default:"embedded,cassandra" enum:"embedded,cassandra"`
	Heap    int      `help:"Heap of Cassandra in MiB." default:"1024"`
}

const keyspace = "phyllo"

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
func run(ctx context.Context, opt options, store string) (err error) {
	dir, err := os.MkdirTemp("", "phyllo-recovery-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := func(int) []string { return []string{"--data", dir} }
	if store == "cassandra" {
		c, err := testenv.StartCassandra(ctx, testenv.CassandraOptions{HeapMiB: opt.Heap, FullJIT: true})
		if err != nil {
			return err
		}
		defer c.Stop()
		address := fmt.Sprintf("%s:%d", c.Hosts()[0], c.Port)
		if err := cassandra.Migrate(ctx, cassandra.Options{Hosts: []string{address}, Keyspace: keyspace}, cassandra.MigrateOptions{Replication: "datacenter1:1"}, nil); err != nil {
			return err
		}
		args = func(n int) []string { // each start has a folder of its own
			return []string{"--data", fmt.Sprintf("%s/%d", dir, n), "--cassandra", address, "--keyspace", keyspace, "--node", "bench"}
		}
	}
	begin := time.Now()
	if err := load(ctx, opt, args(0)); err != nil {
		return err
	}
	fmt.Printf("%s: %d chunks loaded in %.1f s\n", store, opt.Chunks, time.Since(begin).Seconds())
	var first, all, memory []float64
	for n := range opt.Starts {
		f, a, m, err := recovery(ctx, opt, args(n+1))
		if err != nil {
			return err
		}
		first, all, memory = append(first, f), append(all, a), append(memory, m)
	}
	fmt.Printf("%s: start to first answer %.0f ms (%.0f), count of all rows %.0f ms, heap after it %.1f MiB\n", store,
		measure.Median(first), first, measure.Median(all), measure.Median(memory))
	return nil
}

// load makes the table, with a chunk an hour.
func load(ctx context.Context, opt options, args []string) error {
	p, conn, err := serve(ctx, opt, args)
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

func serve(ctx context.Context, opt options, args []string) (*testprocess.Process, *pgx.Conn, error) {
	p, err := testprocess.Start(testprocess.Options{Program: opt.Program, Args: args, Env: []string{"PHYLLO_LOG_LEVEL=warn"}})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w (run make build first)", opt.Program, err)
	}
	if err := p.Ready(ctx); err != nil {
		return nil, nil, err
	}
	conn, err := pgx.Connect(ctx, p.DSN())
	return p, conn, err
}

// recovery starts a server and returns the milliseconds to its first answer, those
// of a count of all, and the heap's MiB.
func recovery(ctx context.Context, opt options, args []string) (first, all, heap float64, err error) {
	begin := time.Now()
	p, conn, err := serve(ctx, opt, args)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx), p.Stop(time.Minute)) }()
	rows, _, err := measure.Fetch(ctx, conn, "SELECT sum(c) FROM readings WHERE ts >= '2020-01-02' AND ts < '2020-01-02 01:00'")
	first = time.Since(begin).Seconds() * 1000
	if err == nil && (len(rows) != 1 || rows[0] != "24000") {
		err = fmt.Errorf("the first answer is %q", rows)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	if heap, err = p.Metric("go_memstats_heap_alloc_bytes"); err != nil {
		return 0, 0, 0, err
	}
	heap /= 1 << 20
	rows, all, err = measure.Fetch(ctx, conn, "SELECT count(*) FROM readings")
	if err == nil && (len(rows) != 1 || rows[0] != fmt.Sprint(opt.Chunks)) {
		err = fmt.Errorf("count(*) is %q", rows)
	}
	return first, all, heap, err
}
