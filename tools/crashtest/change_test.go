package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// changes notes what UPDATE and DELETE were to make of batches of rows, each of which
// lies in a table without a key and in one with one: all its rows have one generation,
// and are of the same in both.
type changes struct {
	mu      sync.Mutex
	next    int64
	batches map[int64]*generations
}

// generations are what a batch was last known to be, and what a transaction of which
// nobody heard may have made of it.
type generations struct{ acked, tried int }

// absent is the generation of a batch that is not there.
const absent = -1

const changedRows = 12 // of a batch, in each table

func newChanges() *changes { return &changes{batches: map[int64]*generations{}} }

func (c *changes) begin() (int64, *generations) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	g := &generations{acked: absent}
	c.batches[c.next] = g
	return c.next, g
}

func (c *changes) to(g *generations, tried int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.tried = tried
}

func (c *changes) ack(g *generations) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.acked = g.tried
}

var changeTables = []string{
	`CREATE TABLE moved (batch bigint, n int, ts timestamptz, gen int) PARTITION BY HASH (n) WITH (partitions = 2, slice = '1 hour')`,
	`CREATE TABLE state (n int, batch bigint, ts timestamptz, gen int, PRIMARY KEY (n, batch, ts)) PARTITION BY HASH (n) WITH (partitions = 2)`,
}

// changeBatch inserts a batch, changes it some times and, as a rule, deletes it.
func (c *changes) changeBatch(p *process, _ *ledger, rng *rand.Rand) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		batch, g := c.begin()
		at := rowTime(rng)
		insert := fmt.Sprintf(`SELECT %d, n, timestamptz '%s' + n * interval '20 minutes', 0 FROM generate_series(1, %d) n`, batch, at.Format(time.RFC3339), changedRows)
		err := c.try(ctx, conn, g, 0, "INSERT INTO moved (batch, n, ts, gen) "+insert, "INSERT INTO state (batch, n, ts, gen) "+insert)
		for gen := 1; err == nil && gen <= 1+rng.IntN(4); gen++ {
			set := fmt.Sprintf(" SET gen = gen + 1 WHERE batch = %d", batch)
			err = c.try(ctx, conn, g, gen, "UPDATE moved"+set, "UPDATE state"+set)
		}
		if err == nil && rng.IntN(3) > 0 {
			where := fmt.Sprintf(" WHERE batch = %d", batch)
			err = c.try(ctx, conn, g, absent, "DELETE FROM moved"+where, "DELETE FROM state"+where)
		}
		if err != nil {
			return err
		}
	}
}

// try runs statements in one transaction.
func (c *changes) try(ctx context.Context, conn *pgx.Conn, g *generations, gen int, statements ...string) error {
	c.to(g, gen)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	c.ack(g)
	return nil
}

// vacuum merges chunks while others write.
func vacuum(p *process, _ *ledger, rng *rand.Rand) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
	_, err = conn.Exec(ctx, []string{"VACUUM", "VACUUM moved, state, kept", "VACUUM FULL state", "CHECKPOINT"}[rng.IntN(4)])
	return err
}

// verify checks every batch that was changed.
func (c *changes) verify(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for _, table := range []string{"moved", "state"} {
		rows, err := conn.Query(context.Background(), `SELECT batch, min(gen), max(gen), count(*), count(DISTINCT n) FROM `+table+` GROUP BY batch`)
		if err != nil {
			t.Fatal(err)
		}
		found := map[int64]int{}
		for rows.Next() {
			var batch, least, most, n, distinct int64
			if err := rows.Scan(&batch, &least, &most, &n, &distinct); err != nil {
				t.Fatal(err)
			}
			if least != most || n != changedRows || distinct != n {
				t.Errorf("%s: batch %d has %d rows, %d of them different, of generations %d to %d", table, batch, n, distinct, least, most)
			}
			found[batch] = int(least)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		for batch, g := range c.batches {
			got, ok := found[batch]
			if !ok {
				got = absent
			}
			if got != g.acked && got != g.tried {
				t.Errorf("%s: batch %d is of generation %d, acknowledged %d, tried %d", table, batch, got, g.acked, g.tried)
			}
			g.acked, g.tried = got, got // so it stays, and so it has to be in the other table
		}
	}
}
