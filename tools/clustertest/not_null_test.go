package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// notNullTime is for how long TestNotNull alters a table.
const notNullTime = 10 * time.Second

// TestNotNull makes a column NOT NULL on one of two nodes, which is killed on the way, while
// both insert rows, some with NULL: once it is, there is none and none comes.
func TestNotNull(t *testing.T) {
	t.Logf("seed %d (give it back with -seed)", *seed)
	store := newKeyspace(t, theServer.get(t))
	s := &scene{t: t}
	for i, name := range []string{"a", "b"} {
		n := newNode(t, i, name, store)
		if err := n.start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, n)
	}
	s.exec(`CREATE TABLE IF NOT EXISTS events (ts timestamptz, k text, v int) PARTITION BY HASH (k) WITH (partitions = 4, slice = '1 hour')`)
	a := s.nodes[0]
	ctx, end := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var none, some atomic.Int64 // rows that were committed without a value, and with one
	for i := range 4 {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		writers.Go(func() {
			l := &link{to: s.nodes[i%2]}
			defer l.close()
			for await(ctx, time.Duration(rng.IntN(20))*time.Millisecond) == nil {
				null := rng.IntN(10) == 0
				if insertMaybeNull(ctx, l, rng, null) != nil {
					continue
				}
				if null {
					none.Add(1)
				} else {
					some.Add(1)
				}
			}
		})
	}
	made, found, killed := 0, 0, 0
	rng := rand.New(rand.NewPCG(*seed, 4))
	l := &link{to: a}
	for start := time.Now(); time.Since(start) < notNullTime || made == 0 && time.Since(start) < recoverLimit; {
		if made+found > 2 && killed == 0 { // once, in the middle of it
			killed++
			ended := make(chan error, 1)
			go func() { ended <- alterNotNull(ctx, &link{to: a}, "SET") }()
			await(ctx, 30*time.Millisecond)
			a.kill()
			t.Logf("killed while it altered: %v", <-ended)
			if err := a.start(ctx, "a"); err != nil {
				t.Fatal(err)
			}
		}
		_ = await(ctx, time.Duration(rng.IntN(300))*time.Millisecond)
		if rng.IntN(3) > 0 {
			_ = deleteNulls(ctx, l)
		}
		switch err := alterNotNull(ctx, l, "SET"); {
		case err == nil:
			made++
			refuse(t, s.nodes)
		case code(err) == "23502":
			found++
		default:
			t.Logf("SET NOT NULL: %v", err)
		}
		if err := alterNotNull(ctx, l, "DROP"); err != nil {
			t.Logf("DROP NOT NULL: %v", err)
		}
	}
	l.close()
	end()
	writers.Wait()
	t.Logf("%d times NOT NULL, %d times NULLs found; %d rows without a value were committed, %d with one", made, found, none.Load(), some.Load())
	if made == 0 || none.Load() == 0 {
		t.Error("the test did not test")
	}
	for _, n := range s.nodes {
		if n.current() != nil && !n.current().Alive() {
			t.Errorf("node %v ended by itself:\n%s", n, lastLines(n.current().Log(), 30))
		}
	}
}

// insertMaybeNull inserts a row in a transaction that stays open for a moment.
func insertMaybeNull(ctx context.Context, l *link, rng *rand.Rand, null bool) error {
	conn, err := l.get(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var v *int
		if one := 1; !null {
			v = &one
		}
		if _, err := tx.Exec(ctx, `INSERT INTO events VALUES (now(), $1, $2)`, fmt.Sprint(rng.IntN(100)), v); err != nil {
			return err
		}
		return await(ctx, time.Duration(rng.IntN(100))*time.Millisecond)
	})
}

func deleteNulls(ctx context.Context, l *link) error {
	conn, err := l.get(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, `DELETE FROM events WHERE v IS NULL`)
	}
	return err
}

func alterNotNull(ctx context.Context, l *link, what string) error {
	conn, err := l.get(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, fmt.Sprintf(`ALTER TABLE events ALTER COLUMN v %s NOT NULL`, what))
	}
	return err
}

// refuse looks that no node has a NULL or takes one.
func refuse(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		conn, err := n.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var nulls int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE v IS NULL`).Scan(&nulls); err != nil || nulls > 0 {
			t.Errorf("node %v: %d NULLs in a column that is NOT NULL, error %v", n, nulls, err)
		}
		if _, err := conn.Exec(t.Context(), `INSERT INTO events VALUES (now(), 'late', NULL)`); code(err) != "23502" {
			t.Errorf("node %v: a NULL in a column that is NOT NULL: %v", n, err)
		}
		conn.Close(t.Context())
	}
}
