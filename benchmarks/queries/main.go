// Command queries measures what the query engine promises, against a server process of its own:
// how long planning takes, what a query costs over the wire, that queries over more rows than
// fit into memory complete, with right answers and bounded memory, and that short
// queries stay short beside long ones. It fails if one does not hold.
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
	"github.com/phyllodb/phyllo/tools/testprocess"
)

type options struct {
	Program  string   `help:"The phyllo program." default:"bin/phyllo"`
	Sections []string `help:"What to measure." default:"plan,wire,fair,large" enum:"plan,wire,fair,large"`
	Groups   int      `help:"Groups of the large aggregate, and rows of each side of the large join." default:"10000000"`
	Sorted   int      `help:"Rows of the large sort." default:"100000000"`
	Sessions int      `help:"Sessions with long queries that short ones run beside." default:"100"`
	Runs     int      `help:"Timed runs of what is short." default:"500"`
}

func main() {
	var opt options
	kong.Parse(&opt, kong.Name("queries"), kong.Description("Planning, wire, large queries and fairness of a server."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opt); err != nil {
		fmt.Fprintln(os.Stderr, "queries:", err)
		os.Exit(1)
	}
}

// A bench is a running server and what did not hold.
type bench struct {
	opt    options
	server *testprocess.Process
	conn   *pgx.Conn
	failed int
}

func run(ctx context.Context, opt options) (err error) {
	dir, err := os.MkdirTemp("", "phyllo-queries-")
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
	b := &bench{opt: opt, server: p}
	if b.conn, err = pgx.Connect(ctx, p.DSN()); err != nil {
		return err
	}
	defer b.conn.Close(context.Background())
	sections := map[string]func(context.Context) error{"plan": b.plans, "wire": b.wire, "fair": b.fair, "large": b.large}
	for _, name := range opt.Sections {
		if err := sections[name](ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if b.failed > 0 {
		return fmt.Errorf("%d promises do not hold", b.failed)
	}
	return nil
}

// promise prints a measurement beside what it must be below.
func (b *bench) promise(what string, got, below float64, unit string) {
	verdict := ""
	if got >= below {
		verdict = "   TOO MUCH"
		b.failed++
	}
	fmt.Printf("%-56s %10.3f %-3s (below %g)%s\n", what, got, unit, below, verdict)
}

func (b *bench) exec(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := b.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
