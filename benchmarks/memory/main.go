// Command memory has a Phyllo server on the embedded store take in many rows by COPY, a part
// of them late, while it compacts in the background, then VACUUM FULL the table and read all
// of it. It prints the peak memory of the server's process after each step, as the kernel counts it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/benchmarks/measure"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

type options struct {
	Program string  `help:"The phyllo program." default:"bin/phyllo"`
	Rows    int     `help:"Rows to take in." default:"20000000"`
	Hosts   int     `help:"Hosts that send them." default:"400"`
	Late    float64 `help:"Share of rows that are up to 24 hours late." default:"0.1"`
	Batch   int     `help:"Rows of a COPY." default:"500000"`
	Seed    uint64  `help:"Seed of the rows." default:"1"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("memory"), kong.Description("Peak memory of a server that takes in and compacts many rows."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opt options) (err error) {
	dir, err := os.MkdirTemp("", "phyllo-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := testprocess.Start(testprocess.Options{Program: opt.Program, Args: []string{"--data", dir}, Env: []string{"PHYLLO_LOG_LEVEL=warn"}})
	if err != nil {
		return fmt.Errorf("%s: %w (run make build first)", opt.Program, err)
	}
	defer func() { err = errors.Join(err, p.Stop(time.Minute)) }()
	if err := p.Ready(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE TABLE cpu (host text, ts timestamptz, used integer, system integer, idle integer, load double precision, note text,
		PRIMARY KEY (host, ts)) PARTITION BY HASH (host) WITH (partitions = 4, slice = '1 day')`); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(opt.Seed, 1))
	if err := step(p, "COPY", func() error { return load(ctx, conn, opt, rng) }); err != nil {
		return err
	}
	for _, sql := range []string{"VACUUM cpu", "VACUUM FULL cpu"} {
		if err := step(p, sql, func() error { _, err := conn.Exec(ctx, sql); return err }); err != nil {
			return err
		}
	}
	return step(p, "SELECT of all", func() error {
		rows, _, err := measure.Fetch(ctx, conn, "SELECT count(*), count(DISTINCT host), max(note) > '' FROM cpu")
		if want := fmt.Sprintf("%d\x00%d\x00t", opt.Rows, opt.Hosts); err == nil && (len(rows) != 1 || rows[0] != want) {
			err = fmt.Errorf("it is %q, want %s", rows, want)
		}
		return err
	})
}

// step does something and says how long it took, and what memory the server has needed so far.
func step(p *testprocess.Process, name string, f func() error) error {
	begin := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	peak, err := p.PeakMiB()
	if err == nil {
		fmt.Printf("%-16s %6.1f s, peak memory %d MiB\n", name, time.Since(begin).Seconds(), peak)
	}
	return err
}

// load sends the rows, batch by batch.
func load(ctx context.Context, conn *pgx.Conn, opt options, rng *rand.Rand) error {
	for from := 0; from < opt.Rows; from += opt.Batch {
		r, w := io.Pipe()
		go func() {
			out := bufio.NewWriterSize(w, 1<<16)
			write(out, opt, rng, from, min(from+opt.Batch, opt.Rows))
			w.CloseWithError(out.Flush())
		}()
		if _, err := conn.PgConn().CopyFrom(ctx, r, "COPY cpu FROM STDIN"); err != nil {
			return err
		}
	}
	return nil
}

// write writes rows: each host sends one every ten seconds; some come up to a day late, at
// times that no other row of the host has.
func write(w io.Writer, opt options, rng *rand.Rand, from, to int) {
	const start = 1767225600 // 2026-01-01
	for i := from; i < to; i++ {
		at := time.Unix(start+int64(i/opt.Hosts)*10, 0).UTC()
		if rng.Float64() < opt.Late {
			at = at.Add(-time.Duration(rng.Int64N(86400))*time.Second + time.Duration(1+i/opt.Hosts)*time.Microsecond)
		}
		fmt.Fprintf(w, "host-%d\t%s\t%d\t%d\t%d\t%.2f\tstate %d of %d\n", i%opt.Hosts, at.Format("2006-01-02 15:04:05.999999"),
			rng.IntN(100), rng.IntN(100), rng.IntN(100), rng.Float64()*16, rng.IntN(5), i%1000)
	}
}
