package crashtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	rounds = flag.Int("rounds", 20, "how often the server is killed")
	seed   = flag.Uint64("seed", 0, "seed of the random choices; 0 takes one from the clock")
)

// A ledger notes what was sent and what was acknowledged.
type ledger struct {
	mu      sync.Mutex
	next    int64
	rows    map[int64]int  // by batch: how many rows it has
	acked   map[int64]bool // by batch
	changes *changes
	kept    *kept
}

func (l *ledger) begin(rows int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.rows[l.next] = rows
	return l.next
}

func (l *ledger) ack(batch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[batch] = true
}

// TestKill kills the server under concurrent COPY, INSERT, HTTP, UPDATE, DELETE and VACUUM,
// while rows get too old to be kept.
func TestKill(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	store := newStore(t)
	l := &ledger{rows: map[int64]int{}, acked: map[int64]bool{}, changes: newChanges(), kept: newKept()}
	// Buffers that seal often put flushes and commits into the way of the kill.
	env := []string{"PHYLLO_SEAL_AGE=150ms", "PHYLLO_MEMORY_BUFFERS_MIB=16"}
	p := start(t, store, env...)
	create(t, p)
	sent, acked, changed := 0, 0, 0
	for round := range *rounds {
		work(t, p, l, time.Duration(200+rng.IntN(600))*time.Millisecond, rng.Uint64())
		p = start(t, store, env...)
		verify(t, p, l)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
		// Each round reads all rows: many rounds begin anew now and then.
		if (round+1)%roundsKept == 0 || round+1 == *rounds {
			sent, acked, changed = sent+len(l.rows), acked+len(l.acked), changed+len(l.changes.batches)
			clear(l.rows)
			clear(l.acked)
			clear(l.changes.batches)
			truncate(t, p)
		}
	}
	p.stop()
	t.Logf("%d rounds, %d batches sent, %d acknowledged, %d changed, %d too old", *rounds, sent, acked, changed, l.kept.expired)
	if acked < *rounds || changed < *rounds {
		t.Errorf("only %d batches were acknowledged: the test did not test", acked)
	}
}

// roundsKept is over how many rounds rows are kept and looked at again.
const roundsKept = 20

// truncate empties the tables; the server is killed soon after.
func truncate(t *testing.T, p *process) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "TRUNCATE events, keyed, moved, state"); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, p *process) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range append([]string{
		`CREATE TABLE events (batch bigint, n int, ts timestamptz, value double precision) PARTITION BY HASH (n) WITH (partitions = 4, slice = '1 hour')`,
		`CREATE TABLE keyed (n int, ts timestamptz, batch bigint, PRIMARY KEY (n, batch, ts)) PARTITION BY HASH (n) WITH (partitions = 2)`,
		keptTable,
	}, changeTables...) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// work runs writers until the kill, and returns when all have noticed it.
func work(t *testing.T, p *process, l *ledger, d time.Duration, seed uint64) {
	var wg sync.WaitGroup
	for i, writer := range []func(*process, *ledger, *rand.Rand) error{copyBatch, copyBatch, insertBatch, insertBatch, httpBatch, httpBatch, largeCopy,
		l.changes.changeBatch, l.changes.changeBatch, l.kept.insertBatch, vacuum} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for writer(p, l, rng) == nil {
			}
		}()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.Done():
		t.Errorf("the server ended by itself\n%s", p.Log())
	}
	p.Kill()
	wg.Wait()
}

// rowTime spreads rows over slices, some of them late.
func rowTime(rng *rand.Rand) time.Time {
	return time.Unix(1_700_000_000+rng.Int64N(4*3600), 0).UTC()
}

func copyRows(p *process, l *ledger, rng *rand.Rand, rows int) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for range 5 {
		batch := l.begin(rows)
		n := 0
		_, err := conn.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"batch", "n", "ts", "value"}, pgx.CopyFromFunc(func() ([]any, error) {
			if n == rows {
				return nil, nil
			}
			n++
			return []any{batch, int32(n), rowTime(rng), rng.Float64()}, nil
		}))
		if err != nil {
			return err
		}
		l.ack(batch)
	}
	return nil
}

func copyBatch(p *process, l *ledger, rng *rand.Rand) error {
	return copyRows(p, l, rng, 1+rng.IntN(3000))
}

// largeCopy is large enough to be staged before its commit.
func largeCopy(p *process, l *ledger, rng *rand.Rand) error { return copyRows(p, l, rng, 60_000) }

// insertBatch writes one batch into both tables in one transaction.
func insertBatch(p *process, l *ledger, rng *rand.Rand) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		const rows = 10
		batch := l.begin(2 * rows)
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		for n := range rows {
			at := rowTime(rng)
			if _, err := tx.Exec(ctx, `INSERT INTO events VALUES ($1, $2, $3, $4)`, batch, n, at, rng.Float64()); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO keyed VALUES ($1, $2, $3)`, n, at, batch); err != nil {
				return err
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		l.ack(batch)
	}
}

func httpBatch(p *process, l *ledger, rng *rand.Rand) error {
	rows := 1 + rng.IntN(500)
	batch := l.begin(rows)
	var body bytes.Buffer
	for n := range rows {
		fmt.Fprintf(&body, `{"batch":%d,"n":%d,"ts":%q,"value":%g}`+"\n", batch, n, rowTime(rng).Format(time.RFC3339), rng.Float64())
	}
	resp, err := http.Post("http://"+p.HTTP+"/api/v1/ingest/events", "application/x-ndjson", &body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		l.ack(batch)
		return nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return nil
	}
	return fmt.Errorf("%s: %s", resp.Status, text)
}

// verify checks every batch: an acknowledged one is there whole, another one
// whole or not at all, and none more than once.
func verify(t *testing.T, p *process, l *ledger) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	verifyBatches(t, conn, l)
	l.changes.verify(t, conn)
	l.kept.verify(t, conn)
}

// verifyBatches checks those that are only inserted.
func verifyBatches(t *testing.T, conn *pgx.Conn, l *ledger) {
	t.Helper()
	ctx := context.Background()
	found := map[int64]int{}
	for _, table := range []string{"events", "keyed"} {
		rows, err := conn.Query(ctx, `SELECT batch, sum(times)::bigint, count(*) FROM (SELECT batch, n, count(*) AS times FROM `+table+` GROUP BY batch, n) AS r GROUP BY batch`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var batch, n, distinct int64
			if err := rows.Scan(&batch, &n, &distinct); err != nil {
				t.Fatal(err)
			}
			if n != distinct {
				t.Errorf("batch %d has %d rows, %d of them different", batch, n, distinct)
			}
			found[batch] += int(n)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	for batch, want := range l.rows {
		switch got := found[batch]; {
		case got == want:
		case got == 0 && !l.acked[batch]:
		default:
			t.Errorf("batch %d (acknowledged: %v) has %d of %d rows", batch, l.acked[batch], got, want)
		}
	}
	for batch := range found {
		if _, sent := l.rows[batch]; !sent {
			t.Errorf("batch %d was never sent", batch)
		}
	}
}
