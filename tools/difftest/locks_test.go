package difftest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// TestLocking compares statements of one session that lock rows, tables and numbers.
func TestLocking(t *testing.T) { open(t).run(t, "locking.sql") }

// TestConcurrentLocks runs scripts of several sessions of which one may wait for another, and
// compares what each statement answers.
func TestConcurrentLocks(t *testing.T) {
	p := open(t)
	const reset = "DELETE FROM k; DELETE FROM e; INSERT INTO k VALUES (1, 10), (2, 20), (3, 30); INSERT INTO e VALUES (1, 10), (2, 20)"
	p.both(t, "CREATE TABLE k (id int PRIMARY KEY, n int)", "")
	p.both(t, "CREATE TABLE e (id int, n int)", "")
	scripts := map[string]string{
		"newer":        "a BEGIN; a UPDATE k SET n = 11 WHERE id = 1; b? SELECT * FROM k WHERE id = 1 FOR UPDATE; a COMMIT; b SELECT 1",
		"no match":     "a BEGIN; a UPDATE k SET n = 11 WHERE id = 1; b? SELECT * FROM k WHERE n = 10 FOR UPDATE; a COMMIT; b SELECT 1",
		"deleted":      "a BEGIN; a DELETE FROM k WHERE id = 1; b? SELECT * FROM k WHERE id < 3 ORDER BY id FOR SHARE; a COMMIT; b SELECT 1",
		"rolled back":  "a BEGIN; a DELETE FROM k WHERE id = 1; b? SELECT * FROM k WHERE id < 3 ORDER BY id FOR SHARE; a ROLLBACK; b SELECT 1",
		"repeatable":   "b BEGIN ISOLATION LEVEL REPEATABLE READ; b SELECT count(*) FROM k; a UPDATE k SET n = 0 WHERE id = 1; b SELECT * FROM k WHERE id = 2 FOR UPDATE; b SELECT * FROM k WHERE id = 1 FOR SHARE; b ROLLBACK",
		"shared":       "a BEGIN; a SELECT * FROM k WHERE id = 1 FOR SHARE; b SELECT * FROM k WHERE id = 1 FOR SHARE; b SELECT * FROM k WHERE id = 1 FOR KEY SHARE; b SELECT * FROM k WHERE id = 1 FOR UPDATE NOWAIT; b? UPDATE k SET n = n + 1 WHERE id = 1 RETURNING n; a COMMIT; b SELECT 1",
		"key share":    "a BEGIN; a SELECT * FROM k WHERE id = 1 FOR KEY SHARE; b UPDATE k SET n = n + 1 WHERE id = 1 RETURNING n; b SELECT * FROM k WHERE id = 1 FOR UPDATE NOWAIT; b? DELETE FROM k WHERE id = 1; a COMMIT; b SELECT count(*) FROM k",
		"no key":       "a BEGIN; a UPDATE k SET n = n + 1 WHERE id = 1; b SELECT id FROM k WHERE id = 1 FOR KEY SHARE; b SELECT id FROM k WHERE id = 1 FOR SHARE NOWAIT; a COMMIT",
		"skip locked":  "a BEGIN; a SELECT id FROM k ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED; b BEGIN; b SELECT id FROM k ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED; c SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; c SELECT id FROM k ORDER BY id DESC FOR UPDATE NOWAIT; a ROLLBACK; c SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; b COMMIT",
		"offset":       "a BEGIN; a SELECT id FROM k ORDER BY id LIMIT 1 OFFSET 1 FOR UPDATE; b SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; a COMMIT",
		"queue":        "a BEGIN; a DELETE FROM k WHERE id = (SELECT id FROM k ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id; b DELETE FROM k WHERE id IN (SELECT id FROM k ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id; c WITH next AS (SELECT id FROM k ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE k SET n = -1 FROM next WHERE k.id = next.id RETURNING k.*; a COMMIT; a SELECT * FROM k ORDER BY id",
		"savepoint":    "a BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; a SAVEPOINT s; a SELECT id FROM k WHERE id = 2 FOR UPDATE; a ROLLBACK TO s; b SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; a COMMIT",
		"upgrade":      "a BEGIN; a SELECT id FROM k WHERE id = 1 FOR KEY SHARE; a SELECT id FROM k WHERE id = 1 FOR UPDATE; b SELECT id FROM k WHERE id = 1 FOR KEY SHARE SKIP LOCKED; a COMMIT",
		"joined":       "a BEGIN; a SELECT k.id FROM k JOIN e ON e.id = k.id ORDER BY 1 FOR UPDATE OF k; b SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; b SELECT id FROM e ORDER BY id FOR UPDATE SKIP LOCKED; a COMMIT",
		"keyless":      "a BEGIN; a SELECT id FROM e ORDER BY id FOR UPDATE; b SELECT id FROM e FOR UPDATE SKIP LOCKED; b SELECT id FROM e FOR SHARE NOWAIT; b INSERT INTO e VALUES (9, 9); b? UPDATE e SET n = 0 WHERE id = 1; a COMMIT; b SELECT * FROM e ORDER BY id",
		"timeout":      "a BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; b SET lock_timeout = '100ms'; b SELECT id FROM k WHERE id = 1 FOR SHARE; b UPDATE k SET n = 0; b LOCK TABLE k; b BEGIN; b LOCK TABLE k; b ROLLBACK; a COMMIT",
		"deadlock":     "a BEGIN; b BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; b SELECT id FROM k WHERE id = 2 FOR UPDATE; a SET deadlock_timeout = '1min'; a? SELECT id FROM k WHERE id = 2 FOR UPDATE; b SELECT id FROM k WHERE id = 1 FOR UPDATE; b ROLLBACK; a COMMIT",
		"failed":       "a BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; a SELECT pg_advisory_xact_lock(9); a SELECT 1 / 0; b SELECT id FROM k WHERE id = 1 FOR UPDATE NOWAIT; b SELECT pg_try_advisory_xact_lock(9); b UPDATE k SET n = 0 WHERE id = 1; a ROLLBACK; a SELECT n FROM k WHERE id = 1",
		"failed inner": "a BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; a SAVEPOINT s; a UPDATE k SET n = 99 WHERE id = 2; a SELECT 1 / 0; b SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; a ROLLBACK TO s; a UPDATE k SET n = n + 1 WHERE id = 2 RETURNING n; b SELECT id FROM k ORDER BY id FOR UPDATE SKIP LOCKED; a COMMIT; b SELECT n FROM k ORDER BY id",
		"victim":       "a BEGIN; b BEGIN; a SELECT id FROM k WHERE id = 1 FOR UPDATE; b SELECT id FROM k WHERE id = 2 FOR UPDATE; a SET deadlock_timeout = '1min'; a? UPDATE k SET n = 5 WHERE id = 2; b SELECT id FROM k WHERE id = 1 FOR UPDATE; a COMMIT; a SELECT n FROM k WHERE id = 2; b COMMIT",
		"table":        "a BEGIN; a LOCK TABLE k IN EXCLUSIVE MODE; b SELECT count(*) FROM k; b? UPDATE k SET n = 0 WHERE id = 1; a COMMIT; b SELECT * FROM k ORDER BY id",
		"readers":      "a BEGIN; a LOCK k; a UPDATE k SET n = 1; b? SELECT sum(n) FROM k; a COMMIT; b SELECT 1",
		"repeatable 2": "a BEGIN; a LOCK k; a UPDATE k SET n = 1; b BEGIN ISOLATION LEVEL REPEATABLE READ; b? LOCK TABLE k IN SHARE MODE; a COMMIT; b SELECT sum(n) FROM k; b COMMIT",
		"upgraders":    "a BEGIN; b BEGIN; a LOCK k IN SHARE MODE; b LOCK k IN SHARE MODE; a SET deadlock_timeout = '1min'; a? UPDATE k SET n = 0; b UPDATE k SET n = 0; b ROLLBACK; a COMMIT",
		"numbers":      "a SELECT pg_advisory_lock(1); b SELECT pg_try_advisory_lock(1), pg_try_advisory_lock(2), pg_try_advisory_lock_shared(1), pg_try_advisory_lock(0, 1); a SELECT pg_advisory_lock(1); a SELECT pg_advisory_unlock(1); b SELECT pg_try_advisory_lock(1); a SELECT pg_advisory_unlock(1), pg_advisory_unlock(1); b SELECT pg_try_advisory_lock(1)",
		"number waits": "a SELECT pg_advisory_lock(7); b? SELECT pg_advisory_xact_lock(7); a SELECT pg_advisory_unlock(7); b SELECT pg_try_advisory_lock(7); a SELECT pg_try_advisory_lock(7)",
		"transaction":  "a BEGIN; a SELECT pg_advisory_xact_lock(3); b SELECT pg_try_advisory_xact_lock(3); a SELECT pg_advisory_unlock(3); a COMMIT; b SELECT pg_try_advisory_xact_lock(3)",
		"discard":      "a SELECT pg_advisory_lock(4), pg_advisory_lock_shared(5, 6); b SELECT pg_try_advisory_lock(4), pg_try_advisory_lock_shared(5, 6), pg_try_advisory_lock(5, 6); a DISCARD ALL; b SELECT pg_try_advisory_lock(4)",
		"mixed ring":   "a SELECT pg_advisory_lock(8); b BEGIN; b SELECT id FROM k WHERE id = 1 FOR UPDATE; a SET deadlock_timeout = '1min'; a? UPDATE k SET n = 0 WHERE id = 1; b SELECT pg_advisory_lock(8); b ROLLBACK; a SELECT n FROM k WHERE id = 1",
	}
	for mode := range modes {
		for other := range modes {
			scripts[modes[mode]+" and "+modes[other]] = "a BEGIN; a LOCK TABLE e IN " + modes[mode] + " MODE; b BEGIN; b LOCK TABLE e IN " + modes[other] + " MODE NOWAIT; b ROLLBACK; a ROLLBACK"
		}
		scripts[modes[mode]+" and changes"] = "a BEGIN; a LOCK TABLE e IN " + modes[mode] + " MODE; b SET lock_timeout = '50ms'; b INSERT INTO e VALUES (3, 3); b SELECT count(*) >= 0 FROM e; b SELECT id FROM e WHERE id = 1 FOR UPDATE; b DELETE FROM e WHERE id = 2; b TRUNCATE e; a ROLLBACK"
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			for _, sql := range strings.Split(reset, "; ") {
				p.both(t, sql, "")
			}
			p.playBoth(t, script)
		})
	}
}

var modes = []string{"ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"}

// playBoth runs a script on both servers and compares what each statement answers.
func (p *pair) playBoth(t *testing.T, script string) {
	t.Helper()
	steps := stepsOf(script)
	want, got := play(t, p.pgDSN, steps), play(t, p.oursDSN, steps)
	for i, s := range steps {
		want[i].Pos = got[i].Pos
		if d := compare.Differ(want[i], got[i], compare.Ordered(s.sql)); d != "" {
			t.Errorf("step %d, %s: %s\n%s", i+1, s.session, s.sql, d)
		}
	}
}

// TestQueue has workers take jobs by SKIP LOCKED side by side: each job is done once.
func TestQueue(t *testing.T) {
	p := open(t)
	const jobs, workers = 120, 6
	p.both(t, "CREATE TABLE jobs (id int PRIMARY KEY, done_by int)", "")
	p.both(t, fmt.Sprintf("INSERT INTO jobs SELECT g, NULL FROM generate_series(1, %d) g", jobs), "")
	for _, dsn := range []string{p.pgDSN, p.oursDSN} {
		var mu sync.Mutex
		var done []int
		sideBySide(t, dsn, workers, func(ctx context.Context, conn *pgx.Conn, worker int) error {
			for {
				tx, err := conn.Begin(ctx)
				if err != nil {
					return err
				}
				var id int
				err = tx.QueryRow(ctx, "SELECT id FROM jobs WHERE done_by IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&id)
				if err == pgx.ErrNoRows {
					return tx.Rollback(ctx)
				}
				if err == nil {
					_, err = tx.Exec(ctx, "UPDATE jobs SET done_by = $1 WHERE id = $2", worker, id)
				}
				if err == nil {
					err = tx.Commit(ctx)
				}
				if err != nil {
					return err
				}
				mu.Lock()
				done = append(done, id)
				mu.Unlock()
			}
		})
		slices.Sort(done)
		if len(done) != jobs || len(slices.Compact(slices.Clone(done))) != jobs {
			t.Errorf("%s: %d jobs were done: %v", dsn, len(done), done)
		}
	}
}

// TestCounter has sessions read a number FOR UPDATE and write the next one: none is lost.
func TestCounter(t *testing.T) {
	p := open(t)
	const sessions, times = 5, 20
	p.both(t, "CREATE TABLE counter (id int PRIMARY KEY, n int)", "")
	p.both(t, "CREATE TABLE plain (n int)", "")
	p.both(t, "INSERT INTO counter VALUES (1, 0)", "")
	p.both(t, "INSERT INTO plain VALUES (0)", "")
	for _, dsn := range []string{p.pgDSN, p.oursDSN} {
		for _, table := range []string{"counter", "plain"} {
			sideBySide(t, dsn, sessions, func(ctx context.Context, conn *pgx.Conn, _ int) error {
				for range times {
					tx, err := conn.Begin(ctx)
					if err != nil {
						return err
					}
					var n int
					if err := tx.QueryRow(ctx, "SELECT n FROM "+table+" FOR UPDATE").Scan(&n); err != nil {
						return err
					}
					if _, err := tx.Exec(ctx, "UPDATE "+table+" SET n = $1", n+1); err != nil {
						return err
					}
					if err := tx.Commit(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	p.compare(t, "SELECT n FROM counter UNION ALL SELECT n FROM plain")
}

// sideBySide runs f in several sessions.
func sideBySide(t *testing.T, dsn string, sessions int, f func(ctx context.Context, conn *pgx.Conn, session int) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i := range sessions {
		conn := connect(t, dsn)
		wg.Go(func() {
			defer conn.Close(context.Background())
			if err := f(ctx, conn, i); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
