package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// The values of the rows are a permutation of their numbers: multiples of a prime
// by which all but its own can be divided, so that every answer is known.
const (
	prime  = 1_000_000_007
	factor = 7919
)

// large runs queries whose state does not fit into the memory of queries, 128 MiB.
func (b *bench) large(ctx context.Context) error {
	n := b.opt.Groups
	if err := b.exec(ctx, "CREATE TABLE numbers (id bigint PRIMARY KEY, v bigint) PARTITION BY HASH (id) WITH (partitions = 4)"); err != nil {
		return err
	}
	sum := int64(0)
	for i := int64(1); i <= int64(n); i++ {
		sum += i * factor % prime
	}
	if err := b.timed(fmt.Sprintf("INSERT of %d rows", n), func() error {
		return b.exec(ctx, fmt.Sprintf("INSERT INTO numbers SELECT g, g::bigint * %d %% %d FROM generate_series(1, %d) AS g", factor, prime, n))
	}); err != nil {
		return err
	}
	if err := b.answers(ctx, fmt.Sprintf("aggregate of %d groups", n), "SELECT count(*), sum(c), max(c), sum(v) FROM (SELECT v, count(*) AS c FROM numbers GROUP BY v) AS g",
		fmt.Sprintf("%d\x00%d\x001\x00%d", n, n, sum)); err != nil {
		return err
	}
	if err := b.answers(ctx, fmt.Sprintf("join of %d with %d rows", n, n), fmt.Sprintf("SELECT count(*), sum(a.v), sum(b.v) FROM numbers AS a JOIN numbers AS b ON a.v = b.id * %d %% %d", factor, prime),
		fmt.Sprintf("%d\x00%d\x00%d", n, sum, sum)); err != nil {
		return err
	}
	if err := b.timed(fmt.Sprintf("sort of %d rows, fetched", b.opt.Sorted), func() error { return b.sort(ctx) }); err != nil {
		return err
	}
	peak, err := b.server.PeakMiB()
	if err != nil {
		return err
	}
	b.promise("peak memory of the server", float64(peak), 1024, "MiB")
	return nil
}

func (b *bench) timed(what string, f func() error) error {
	begin := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	peak, err := b.server.PeakMiB()
	if err == nil {
		fmt.Printf("%-56s %10.1f s, peak memory %d MiB\n", what, time.Since(begin).Seconds(), peak)
	}
	return err
}

func (b *bench) answers(ctx context.Context, what, sql, want string) error {
	return b.timed(what, func() error {
		rows, _, err := b.round(ctx, sql)
		if err == nil && (len(rows) != 1 || rows[0] != want) {
			err = fmt.Errorf("it is %q, not %q", rows, want)
		}
		return err
	})
}

// sort fetches sorted rows and checks that each is larger than the one before, and their number and sum.
func (b *bench) sort(ctx context.Context) error {
	n := int64(b.opt.Sorted)
	want := int64(0)
	for i := int64(1); i <= n; i++ {
		want += i * factor % prime
	}
	rows := b.conn.PgConn().ExecParams(ctx, fmt.Sprintf("SELECT g::bigint * %d %% %d AS v FROM generate_series(1, %d) AS g ORDER BY v", factor, prime, n), nil, nil, nil, []int16{1})
	count, sum, last := int64(0), int64(0), int64(-1)
	for rows.NextRow() {
		v := int64(binary.BigEndian.Uint64(rows.Values()[0]))
		if v <= last {
			return fmt.Errorf("row %d is %d after %d", count, v, last)
		}
		count, sum, last = count+1, sum+v, v
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	if count != n || sum != want {
		return fmt.Errorf("%d rows with the sum %d, not %d with %d", count, sum, n, want)
	}
	return nil
}
