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

// kept notes the batches of a table that keeps rows for a minute, in slices of a minute: a
// batch lies in one slice, and goes with it.
type kept struct {
	mu      sync.Mutex
	next    int64
	batches map[int64]*keptBatch
	expired int // batches that were gone when they had to be
}

type keptBatch struct {
	goes  time.Time // from then on it is not seen
	acked bool
}

const (
	keptRows  = 15 // of a batch
	keptTable = `CREATE TABLE kept (batch bigint, n int, ts timestamptz) PARTITION BY HASH (n) WITH (partitions = 2, slice = '1 minute', retention = '1 minute')`
)

func newKept() *kept { return &kept{batches: map[int64]*keptBatch{}} }

// begin notes a batch of a time.
func (k *kept) begin(at time.Time) (int64, *keptBatch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	b := &keptBatch{goes: at.Truncate(time.Minute).Add(2 * time.Minute)}
	k.batches[k.next] = b
	return k.next, b
}

// insertBatch inserts batches of which many are nearly too old.
func (k *kept) insertBatch(p *process, _ *ledger, rng *rand.Rand) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		at := time.Now().UTC().Add(-time.Duration(rng.IntN(50_000)) * time.Millisecond)
		batch, b := k.begin(at)
		_, err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO kept SELECT %d, n, '%s' FROM generate_series(1, %d) AS n`, batch, at.Format(time.RFC3339Nano), keptRows))
		if err != nil {
			return err
		}
		k.mu.Lock()
		b.acked = true
		k.mu.Unlock()
	}
}

// verify checks every batch: whole, or gone because it is too old or was never acknowledged.
func (k *kept) verify(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	before := time.Now()
	rows, err := conn.Query(context.Background(), `SELECT batch, count(*), count(DISTINCT n) FROM kept GROUP BY batch`)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int64]bool{}
	for rows.Next() {
		var batch, n, distinct int64
		if err := rows.Scan(&batch, &n, &distinct); err != nil {
			t.Fatal(err)
		}
		if n != keptRows || distinct != n {
			t.Errorf("kept: batch %d has %d rows, %d of them different", batch, n, distinct)
		}
		found[batch] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	for batch, b := range k.batches {
		switch {
		case found[batch] && b.goes.Before(before):
			t.Errorf("kept: batch %d is there and was to go at %v", batch, b.goes)
		case !found[batch] && b.acked && b.goes.After(after):
			t.Errorf("kept: batch %d is not there and is to stay until %v", batch, b.goes)
		case !found[batch] && b.goes.Before(before):
			if b.acked {
				k.expired++
			}
			delete(k.batches, batch) // it does not come back: found has it no more
		case !found[batch] && !b.acked:
			delete(k.batches, batch)
		default:
			b.acked = found[batch] // so it stays
		}
	}
	for batch := range found {
		if k.batches[batch] == nil && batch <= k.next {
			t.Errorf("kept: batch %d came back", batch)
		}
	}
}
