package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/phyllodb/phyllo/tools/citybus"
	"golang.org/x/term"
)

// show asks the questions and draws the answers until ctx ends. In a terminal
// the screen is redrawn, elsewhere each round is printed below the last.
func show(ctx context.Context, opt options, pool *pgxpool.Pool, city *citybus.City, feed *stream) error {
	tick := time.NewTicker(opt.Every)
	defer tick.Stop()
	tty := term.IsTerminal(int(os.Stdout.Fd()))
	start, last, lastSent := time.Now(), time.Now(), int64(0)
	asked := questions(city)
	for {
		answers := make([]answer, len(asked))
		for i, q := range asked {
			answers[i] = ask(ctx, pool, q)
			if ctx.Err() != nil {
				return nil
			}
		}
		stored := ask(ctx, pool, question{sql: `SELECT count(*), pg_size_pretty(pg_total_relation_size('bus_positions')) FROM bus_positions`, lines: 1})
		sent, now := feed.sent.Load(), time.Now()
		var b strings.Builder
		if tty {
			b.WriteString("\x1b[H\x1b[2J")
		}
		fmt.Fprintf(&b, "Phyllo: %d buses of a simulated city (seed %d), live for %s\n", opt.Vehicles, opt.Seed, time.Since(start).Round(time.Second))
		fmt.Fprintf(&b, "connect:  psql -h %s -p %s phyllo        stop: Ctrl-C, the data stay in %s\n\n", host(opt.PG), port(opt.PG), opt.Data)
		fmt.Fprintf(&b, "events in %d (%.0f/s), %d late, %d retries, last batch durable in %d ms", sent,
			float64(sent-lastSent)/now.Sub(last).Seconds(), feed.late.Load(), feed.retries.Load(), feed.ackMS.Load())
		if len(stored.rows) == 1 {
			fmt.Fprintf(&b, "; stored %s rows, %s in chunks", stored.rows[0][0], stored.rows[0][1])
		}
		b.WriteString("\n")
		last, lastSent = now, sent
		for i, q := range asked {
			drawAnswer(&b, q, answers[i], tty)
		}
		fmt.Print(b.String())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// drawAnswer draws a question, its SQL and its answer as a table.
func drawAnswer(b *strings.Builder, q question, a answer, tty bool) {
	bold, dim, plain := "", "", ""
	if tty {
		bold, dim, plain = "\x1b[1m", "\x1b[2m", "\x1b[0m"
	}
	fmt.Fprintf(b, "\n%s%s%s   %.1f ms, %d rows\n", bold, q.title, plain, float64(a.took.Microseconds())/1000, a.total)
	for _, line := range strings.Split(q.sql, "\n") {
		fmt.Fprintf(b, "%s  %s%s\n", dim, line, plain)
	}
	if a.err != nil {
		fmt.Fprintf(b, "  error: %v\n", a.err)
		return
	}
	widths := make([]int, len(a.header))
	for _, row := range append([][]string{a.header}, a.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for n, row := range append([][]string{a.header}, a.rows...) {
		b.WriteString("  ")
		for i, cell := range row {
			fmt.Fprintf(b, " %-*s ", widths[i], cell)
		}
		b.WriteString("\n")
		if n == 0 {
			b.WriteString("  ")
			for _, w := range widths {
				b.WriteString(" " + strings.Repeat("-", w) + " ")
			}
			b.WriteString("\n")
		}
	}
	if a.total > len(a.rows) {
		fmt.Fprintf(b, "   ... %d more\n", a.total-len(a.rows))
	}
}

func host(address string) string { h, _, _ := strings.Cut(address, ":"); return h }
func port(address string) string { _, p, _ := strings.Cut(address, ":"); return p }
