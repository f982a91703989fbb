package difftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// changedTables makes the tables that UPDATE and DELETE are tried on: with a key that
// holds a time, with one that does not, and without a key.
func (p *pair) changedTables(t *testing.T) {
	p.both(t, "CREATE TABLE stock (sku text PRIMARY KEY, status text, amount numeric(10,2), parts int DEFAULT 3, ok boolean NOT NULL DEFAULT true)", "")
	p.both(t, "CREATE TABLE orders (id int, at timestamptz, mark text, amount double precision, n bigint, PRIMARY KEY (id, at))",
		" PARTITION BY HASH (id) WITH (partitions = 3, slice = '6 hours')")
	p.both(t, "CREATE TABLE events (id int, kind text, value numeric, day date)", " PARTITION BY LIST (kind)")
	p.both(t, "CREATE TABLE rates (status text, rate numeric)", "")
}

// TestChanges compares UPDATE and DELETE with PostgreSQL.
func TestChanges(t *testing.T) {
	p := open(t)
	p.changedTables(t)
	p.run(t, "changes.sql")
}

// TestMerge compares MERGE, and WITH that changes rows, with PostgreSQL.
func TestMerge(t *testing.T) {
	p := open(t)
	p.changedTables(t)
	p.run(t, "merge.sql")
}

// TestChangeHistories changes rows at random, in transactions too, while they lie in
// buffers and in chunks of several layouts of their table, and compares filtered reads
// with PostgreSQL with each stage of pruning switched on and off.
func TestChangeHistories(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 1))
	p := open(t)
	p.changedTables(t)
	p.both(t, "INSERT INTO rates VALUES ('new', 1.5), ('paid', 2), ('paid', 3), (NULL, 4), ('e1', 5)", "")
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for range rounds {
		p.changeRound(t, rng)
		if rng.IntN(3) == 0 {
			p.checkpoint(t)
		}
		for _, sql := range changeReads(rng) {
			stages := pruning()
			if _, err := p.ours.Exec(context.Background(), fmt.Sprintf("SET phyllo.pruning = '%s'", stages[rng.IntN(len(stages))])); err != nil {
				t.Fatal(err)
			}
			if p.compare(t, sql); t.Failed() {
				t.FailNow()
			}
		}
	}
}

// changeRound runs some statements, perhaps as a transaction with a savepoint.
func (p *pair) changeRound(t *testing.T, rng *rand.Rand) {
	var list []string
	for range 1 + rng.IntN(5) {
		list = append(list, changeStatement(rng))
	}
	if rng.IntN(2) == 0 {
		at := rng.IntN(len(list) + 1)
		list = append(list[:at:at], append([]string{"SAVEPOINT s"}, list[at:]...)...)
		if rng.IntN(2) == 0 {
			list = append(list, "ROLLBACK TO s", changeStatement(rng))
		}
		list = append(append([]string{"BEGIN"}, list...), []string{"COMMIT", "COMMIT", "COMMIT", "ROLLBACK"}[rng.IntN(4)])
	}
	for _, sql := range list {
		if rng.IntN(4) == 0 {
			p.relayOrders(t, rng)
		}
		if p.compare(t, sql); t.Failed() {
			t.Fatalf("in %s", strings.Join(list, ";\n"))
		}
	}
}

// relayOrders changes where rows of orders to come are put, which PostgreSQL knows
// nothing of, in the transaction that is open.
func (p *pair) relayOrders(t *testing.T, rng *rand.Rand) {
	t.Helper()
	sql := fmt.Sprintf("ALTER TABLE orders SET (slice = '%d hours', partitions = %d)", []int{2, 6, 12, 24}[rng.IntN(4)], 1+rng.IntN(6))
	_, err := p.ours.Exec(context.Background(), sql)
	var failed *pgconn.PgError
	if err != nil && (!errors.As(err, &failed) || failed.Code != "25P02") {
		t.Fatalf("%s: %v", sql, err)
	}
}

// changeStatement is a random INSERT, UPDATE or DELETE.
func changeStatement(rng *rand.Rand) string {
	n := rng.IntN(40)
	from, to := rng.IntN(200), rng.IntN(200)
	switch rng.IntN(17) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO stock SELECT 'sku ' || g, (ARRAY['new', 'paid', 'sent', NULL])[g %% 4 + 1], g * 0.25, g %% 7 FROM generate_series(%d, %d) g ON CONFLICT DO NOTHING", from, from+n)
	case 2, 3:
		return fmt.Sprintf("INSERT INTO orders SELECT g %% 20, timestamptz '2026-03-01 00:00Z' + g * interval '30 minutes', 'm' || g %% 3, g * 0.5, g FROM generate_series(%d, %d) g ON CONFLICT DO NOTHING", from, from+2*n)
	case 4, 5:
		return fmt.Sprintf("INSERT INTO events SELECT g %% 9, 'e' || g %% 3, g %% 4, date '2026-01-01' + g %% 2 FROM generate_series(%d, %d) g", from, from+2*n)
	case 6:
		return fmt.Sprintf("UPDATE stock SET amount = amount + 1, parts = parts %% 5 + 1 WHERE parts = %d RETURNING *", n%7)
	case 7:
		return fmt.Sprintf("UPDATE stock SET sku = sku || 'x', status = 'moved' WHERE sku LIKE '%%%d' RETURNING sku", n)
	case 8:
		return "UPDATE stock SET parts = parts + 1 FROM rates WHERE rates.status = stock.status RETURNING stock.*"
	case 9:
		return fmt.Sprintf("DELETE FROM stock WHERE parts = %d OR sku = 'sku %d'", n%7, from)
	case 10:
		// Some time more that no other statement adds, so that no row comes to where another one of the statement has
		// been: PostgreSQL's error would depend on the order of its rows, for it looks at one row after another.
		return fmt.Sprintf("UPDATE orders SET at = at + interval '1 day %d microseconds', mark = mark || n %% 10 WHERE n BETWEEN %d AND %d AND mark < 'm2' RETURNING *",
			rng.Int64N(1e9), from, from+n)
	case 11:
		return fmt.Sprintf("UPDATE orders SET amount = -amount, n = n + 1 WHERE id = %d", n%20)
	case 12:
		return fmt.Sprintf("DELETE FROM orders WHERE at < timestamptz '2026-03-01 00:00Z' + interval '%d minutes' AND id %% 2 = %d RETURNING id, at", min(from, to)*20, n%2)
	case 13:
		return fmt.Sprintf("UPDATE events SET value = value + 1, kind = CASE WHEN id > 4 THEN 'e1' ELSE kind END WHERE id = %d RETURNING *", n%9)
	case 14:
		return fmt.Sprintf("DELETE FROM events WHERE id = %d AND value = %d", n%9, n%4)
	case 15:
		return fmt.Sprintf("UPDATE events SET day = day + 1 FROM rates WHERE kind = rates.status AND id < %d", n%9)
	}
	return fmt.Sprintf("DELETE FROM events USING stock WHERE stock.parts = events.id AND stock.sku = 'sku %d' RETURNING events.*", from)
}

func changeReads(rng *rand.Rand) []string {
	n := rng.IntN(40)
	return []string{
		"SELECT * FROM stock ORDER BY sku", "SELECT * FROM orders ORDER BY id, at", "SELECT * FROM events ORDER BY id, kind, value, day",
		"SELECT count(*), count(status), min(amount), max(parts) FROM stock",
		"SELECT count(*), sum(n), min(at), max(at), count(mark) FROM orders",
		"SELECT kind, count(*), sum(value), min(day), max(id) FROM events GROUP BY kind ORDER BY kind",
		fmt.Sprintf("SELECT id, count(*) FROM events WHERE value > %d AND day = '2026-01-02' GROUP BY id ORDER BY id", n%4),
		fmt.Sprintf("SELECT * FROM orders WHERE id = %d AND at > timestamptz '2026-03-01 00:00Z' + interval '%d hours' ORDER BY at DESC LIMIT 5", n%20, n),
		fmt.Sprintf("SELECT sku, amount FROM stock WHERE parts = %d OR status = 'moved' ORDER BY sku", n%7),
		fmt.Sprintf("SELECT DISTINCT ON (id) id, at, amount FROM orders WHERE n %% 3 = %d ORDER BY id, at DESC", n%3),
	}
}

// A step is a statement of one of the sessions of a script; it may wait for another session.
type step struct {
	session, sql string
	waits        bool
}

// TestConcurrentChanges runs scripts of several sessions of which one waits for another,
// and compares what each statement answers. The scripts are such that it does not matter
// whether a statement looks at a changed row again, as PostgreSQL does, or begins again.
func TestConcurrentChanges(t *testing.T) {
	p := open(t)
	const reset = "DELETE FROM k; DELETE FROM e; INSERT INTO k VALUES (1, 10), (2, 20), (3, 30); INSERT INTO e VALUES (1, 10), (1, 10), (2, 20)"
	p.both(t, "CREATE TABLE k (id int PRIMARY KEY, n int)", "")
	p.both(t, "CREATE TABLE e (id int, n int)", "")
	for name, script := range map[string]string{
		"lost update": "a BEGIN; a UPDATE k SET n = n + 1 WHERE id = 1; b? UPDATE k SET n = n + 1 WHERE id = 1 RETURNING n; a COMMIT; b SELECT n FROM k WHERE id = 1",
		"deleted":     "a BEGIN; a DELETE FROM k WHERE id = 1; b? UPDATE k SET n = n + 1 WHERE id = 1; a COMMIT; b SELECT * FROM k ORDER BY id",
		"rolled back": "a BEGIN; a DELETE FROM k WHERE id = 1; b? UPDATE k SET n = n + 1 WHERE id = 1; a ROLLBACK; b SELECT * FROM k ORDER BY id",
		"no match":    "a BEGIN; a UPDATE k SET n = 99 WHERE id = 1; b? DELETE FROM k WHERE n = 10; a COMMIT; b SELECT * FROM k ORDER BY id",
		"other rows":  "a BEGIN; a UPDATE k SET n = 99 WHERE id = 1; b UPDATE k SET n = n + 1 WHERE id = 2; a COMMIT; b SELECT * FROM k ORDER BY id",
		"block":       "a BEGIN; a UPDATE k SET n = n * 2; b BEGIN; b? UPDATE k SET n = n + 1 RETURNING n; a COMMIT; b SELECT * FROM k ORDER BY id; b COMMIT",
		"savepoint":   "a BEGIN; a UPDATE k SET n = n * 2; b BEGIN; b INSERT INTO k VALUES (9, 9); b? UPDATE k SET n = n + 1 WHERE id IN (1, 9) RETURNING n; a COMMIT; b SELECT * FROM k ORDER BY id; b COMMIT",
		"repeatable":  "b BEGIN ISOLATION LEVEL REPEATABLE READ; b SELECT count(*) FROM k; a UPDATE k SET n = 0 WHERE id = 1; b UPDATE k SET n = n + 1 WHERE id = 2; b UPDATE k SET n = n + 1 WHERE id = 1; b ROLLBACK; b SELECT * FROM k ORDER BY id",
		"same key":    "a BEGIN; a UPDATE k SET id = 7 WHERE id = 1; b? UPDATE k SET id = 7 WHERE id = 2; a COMMIT; b SELECT * FROM k ORDER BY id",
		"no key":      "a BEGIN; a UPDATE e SET n = n + 1 WHERE id = 1; b? UPDATE e SET n = n + 1 WHERE id = 1; a COMMIT; b SELECT * FROM e ORDER BY id, n",
		"both delete": "a BEGIN; a DELETE FROM e WHERE id = 1; b? DELETE FROM e; a COMMIT; b SELECT * FROM e",
		"inserted":    "a BEGIN; a DELETE FROM e WHERE id = 1; b INSERT INTO e VALUES (1, 10); a COMMIT; b SELECT * FROM e ORDER BY id, n",
		"upsert":      "a BEGIN; a DELETE FROM k WHERE id = 1; b? INSERT INTO k VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = k.n + 1; a COMMIT; b SELECT * FROM k ORDER BY id",
		"cursor":      "a BEGIN; a DECLARE c CURSOR FOR SELECT id, n FROM k ORDER BY id; a FETCH 1 FROM c; a UPDATE k SET n = 0; a DELETE FROM k WHERE id = 3; a FETCH ALL FROM c; a COMMIT",
	} {
		t.Run(name, func(t *testing.T) {
			for _, sql := range strings.Split(reset, "; ") {
				p.both(t, sql, "")
			}
			steps := stepsOf(script)
			want, got := play(t, p.pgDSN, steps), play(t, p.oursDSN, steps)
			for i, s := range steps {
				want[i].Pos = got[i].Pos
				if d := compare.Differ(want[i], got[i], compare.Ordered(s.sql)); d != "" {
					t.Errorf("step %d, %s: %s\n%s", i+1, s.session, s.sql, d)
				}
			}
		})
	}
}

// stepsOf reads a script: statements behind the names of their sessions, with ? if they may wait.
func stepsOf(script string) (steps []step) {
	for _, s := range strings.Split(script, "; ") {
		session, sql, _ := strings.Cut(s, " ")
		session, waits := strings.CutSuffix(session, "?")
		steps = append(steps, step{session, sql, waits})
	}
	return steps
}

// play runs a script. A statement that may wait is left alone, until its session has
// another one to run.
func play(t *testing.T, dsn string, steps []step) []compare.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out := make([]compare.Result, len(steps))
	conns, running := map[string]*pgx.Conn{}, map[string]chan error{}
	wait := func(session string) {
		if done := running[session]; done != nil {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			running[session] = nil
		}
	}
	for i, s := range steps {
		if conns[s.session] == nil {
			conns[s.session] = connect(t, dsn)
			defer conns[s.session].Close(context.Background())
		}
		wait(s.session)
		done := make(chan error, 1)
		running[s.session] = done
		go func() {
			var err error
			out[i], err = compare.Query(ctx, conns[s.session], s.sql)
			done <- err
		}()
		if s.waits { // until it does
			time.Sleep(200 * time.Millisecond)
		} else {
			wait(s.session)
		}
	}
	for session := range running {
		wait(session)
	}
	return out
}
