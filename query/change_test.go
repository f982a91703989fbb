package query_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query"
	"github.com/phyllodb/phyllo/query/plan"
)

// A recorder is a client that keeps what it hears: rows as a|b, then tags.
type recorder struct {
	heard []string
	rows  bool // heard rows or their description since the last statement
}

func (r *recorder) Describe([]plan.Field, bool) error { r.rows = true; return nil }

func (r *recorder) Rows(fields []plan.Field, b arrow.RecordBatch) error {
	for row := range int(b.NumRows()) {
		cells := make([]string, len(fields))
		for i, f := range fields {
			if b.Column(i).IsNull(row) {
				cells[i] = "NULL"
			} else {
				cells[i] = string(datum.AppendText(nil, f.Type, datum.ValueAt(f.Type, b.Column(i), row), &datum.Env{}))
			}
		}
		r.heard = append(r.heard, strings.Join(cells, "|"))
	}
	return nil
}

func (r *recorder) Complete(tag string) error { r.heard = append(r.heard, tag); return nil }
func (r *recorder) Empty() error              { return nil }
func (r *recorder) CopyIn(context.Context, bool, int) (io.ReadCloser, error) {
	return nil, errors.New("no COPY")
}
func (r *recorder) CopyOut(bool, int) (io.WriteCloser, error) {
	return nil, errors.New("no COPY")
}
func (r *recorder) Notice(*pgerr.Error)            {}
func (r *recorder) ParameterStatus(string, string) {}

// A fakeSession is a session over a fakeStore.
type fakeSession struct {
	*query.Session
	client *recorder
}

func openFake(t *testing.T, store *fakeStore, opt query.Options) *fakeSession {
	t.Helper()
	opt.Storage, opt.TempDir = store, t.TempDir()
	client := &recorder{}
	s, err := query.NewEngine(opt).NewSession(query.SessionOptions{User: "tester", Database: "phyllo", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &fakeSession{s, client}
}

// run runs statements by the simple protocol and returns what the client heard, or the
// SQLSTATE and message at the end.
func (s *fakeSession) run(sql string) []string {
	s.client.heard = nil
	if err := s.Simple(context.Background(), sql); err != nil {
		return append(s.client.heard, failure(err))
	}
	return s.client.heard
}

func failure(err error) string {
	var e *pgerr.Error
	if errors.As(err, &e) {
		return e.Code + " " + e.Message
	}
	return err.Error()
}

func (s *fakeSession) expect(t *testing.T, sql string, want ...string) {
	t.Helper()
	if got := s.run(sql); !slices.Equal(got, want) {
		t.Fatalf("%s\n got %q\nwant %q", sql, got, want)
	}
}

// sorted is for rows whose order is not fixed; tags come after digits.
func sorted(heard []string) []string { return slices.Sorted(slices.Values(heard)) }

func twoTables(t *testing.T) (*fakeStore, *fakeSession) {
	t.Helper()
	store := newFakeStore()
	s := openFake(t, store, query.Options{})
	s.expect(t, "CREATE TABLE k (id int PRIMARY KEY, n int, s text NOT NULL DEFAULT 'new')", "CREATE TABLE")
	s.expect(t, "CREATE TABLE e (id int, n int)", "CREATE TABLE")
	s.expect(t, "INSERT INTO k VALUES (1, 10, 'a'), (2, 20, 'b'), (3, NULL, 'c')", "INSERT 0 3")
	s.expect(t, "INSERT INTO e VALUES (1, 10), (1, 10), (2, 20), (2, NULL)", "INSERT 0 4")
	return store, s
}

func TestChange(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "UPDATE k SET n = n + 1 WHERE n > 15 RETURNING *", "2|21|b", "UPDATE 1")
	s.expect(t, "UPDATE k SET id = id + 1, s = DEFAULT", "UPDATE 3")
	s.expect(t, "TABLE k ORDER BY id", "2|10|new", "3|21|new", "4|NULL|new", "SELECT 3")
	s.expect(t, "UPDATE k SET id = 3 WHERE id = 2", `23505 duplicate key value violates unique constraint "k_pkey"`)
	s.expect(t, "UPDATE k SET id = 9", `23505 duplicate key value violates unique constraint "k_pkey"`)
	s.expect(t, "UPDATE k SET s = NULL", `23502 null value in column "s" of relation "k" violates not-null constraint`)
	if got := sorted(s.run("UPDATE k SET n = e.n FROM e WHERE e.id < k.id RETURNING k.id")); !slices.Equal(got, []string{"2", "3", "4", "UPDATE 3"}) {
		t.Errorf("%q", got)
	}
	s.expect(t, "UPDATE e SET n = 7 FROM k WHERE k.id > e.id", "UPDATE 4")
	s.expect(t, "DELETE FROM e USING k WHERE e.id = 1 RETURNING e.*", "1|7", "1|7", "DELETE 2")
	s.expect(t, "DELETE FROM k", "DELETE 3")
	s.expect(t, "DELETE FROM k RETURNING *", "DELETE 0")
}

func TestChangeRefused(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "CREATE VIEW v AS SELECT * FROM k", "CREATE VIEW")
	for sql, want := range map[string]string{
		"DELETE FROM k WHERE CURRENT OF c":                                                                   "0A000 WHERE CURRENT OF is not supported",
		"UPDATE k SET n = 1 WHERE CURRENT OF c":                                                              "0A000 WHERE CURRENT OF is not supported",
		"UPDATE pg_class SET relname = 'x'":                                                                  `42501 permission denied: "pg_class" is a system catalog`,
		"UPDATE k SET s[1] = 'x'":                                                                            "42804 cannot subscript type text because it does not support subscripting",
		"MERGE INTO v USING e ON v.id = e.id WHEN MATCHED THEN DELETE":                                       `0A000 cannot execute MERGE on relation "v"`,
		"MERGE INTO k USING e ON e.n WHEN MATCHED THEN DELETE":                                               "42804 argument of JOIN/ON must be type boolean, not type integer",
		"WITH d AS (DELETE FROM k) UPDATE k SET n = 1":                                                       `0A000 changing rows of table "k" twice in one statement is not supported`,
		"WITH d AS (INSERT INTO k VALUES (9) ON CONFLICT (id) DO UPDATE SET n = 1) INSERT INTO k VALUES (9)": `0A000 changing rows of table "k" twice in one statement is not supported`,
		"BEGIN READ ONLY; WITH d AS (DELETE FROM k RETURNING *) SELECT * FROM d":                             "25006 cannot execute DELETE in a read-only transaction",
		"BEGIN READ ONLY; MERGE INTO k USING e ON k.id = e.id WHEN MATCHED THEN DELETE":                      "25006 cannot execute MERGE in a read-only transaction",
		"COPY (DELETE FROM k) TO STDOUT":                                                                     "0A000 COPY query must have a RETURNING clause",
		"INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET (n, s) = (SELECT 1, 'x')":                   "0A000 a subquery of several columns is not supported in ON CONFLICT DO UPDATE",
		"INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET (n) = (1)":                                  "0A000 source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
		"INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 1, n = 2":                               `42601 multiple assignments to same column "n"`,
		"BEGIN READ ONLY; UPDATE k SET n = 1":                                                                "25006 cannot execute UPDATE in a read-only transaction",
		"BEGIN READ ONLY; DELETE FROM k":                                                                     "25006 cannot execute DELETE in a read-only transaction",
		"BEGIN READ ONLY; EXPLAIN ANALYZE DELETE FROM k":                                                     "25006 cannot execute DELETE in a read-only transaction",
		"BEGIN; UPDATE k SET nothing = 1":                                                                    `42703 column "nothing" of relation "k" does not exist`,
	} {
		got := s.run(sql)
		if got[len(got)-1] != want {
			t.Errorf("%s\n got %q\nwant %q", sql, got, want)
		}
		if s.TxStatus() == 'E' {
			s.expect(t, "DELETE FROM k", "25P02 current transaction is aborted, commands ignored until end of transaction block")
			s.expect(t, "ROLLBACK", "ROLLBACK")
		}
	}
	s.expect(t, "SELECT count(*), sum(n) FROM k", "3|30", "SELECT 1")
}

// TestChangeAgain has another transaction change rows after a statement has seen them.
func TestChangeAgain(t *testing.T) {
	store, s := twoTables(t)
	other := openFake(t, store, query.Options{})
	// The fake lets one transaction at a time change rows: the other one inserts, over the
	// key of a row of a table where the newest row wins.
	s.expect(t, "CREATE TABLE r (ts timestamptz PRIMARY KEY, n int)", "CREATE TABLE")
	s.expect(t, "INSERT INTO r SELECT timestamptz '2026-01-01Z' + g * interval '1 s', g FROM generate_series(1, 3) g", "INSERT 0 3")
	quicker := func(sql string) { store.beforeDelete = func() { other.run(sql) } }
	const newer = "INSERT INTO r SELECT timestamptz '2026-01-01Z' + interval '2 s', 100"
	quicker(newer)
	begun := store.begun
	s.expect(t, "UPDATE r SET n = n + 1 RETURNING n", "2", "4", "101", "UPDATE 3")
	if n := store.begun - begun; n != 2 {
		t.Errorf("the statement began %d times, not twice", n)
	}
	s.expect(t, "BEGIN; INSERT INTO r VALUES ('2026-02-01Z', 5); SAVEPOINT a", "BEGIN", "INSERT 0 1", "SAVEPOINT")
	quicker(newer)
	s.expect(t, "DELETE FROM r WHERE n < 50 RETURNING n", "2", "4", "5", "DELETE 3")
	s.expect(t, "SELECT n FROM r", "100", "SELECT 1")
	s.expect(t, "ROLLBACK TO a; SELECT n FROM r ORDER BY n; ROLLBACK", "ROLLBACK", "2", "4", "5", "100", "SELECT 4", "ROLLBACK")
	s.expect(t, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM r", "BEGIN", "3", "SELECT 1")
	quicker(newer)
	s.expect(t, "DELETE FROM r", "40001 could not serialize access due to concurrent update")
	s.expect(t, "ROLLBACK; SELECT count(*) FROM r", "ROLLBACK", "3", "SELECT 1")
}

// TestChangeDefinition has another transaction change the catalogue before a statement's snapshot.
func TestChangeDefinition(t *testing.T) {
	store, s := twoTables(t)
	other := openFake(t, store, query.Options{})
	quicker := func(sql string) { store.beforeChange = func() { other.run(sql) } }
	quicker("CREATE TABLE another (a int)")
	s.expect(t, "DELETE FROM e WHERE id = 2", "DELETE 2")
	quicker("DROP TABLE e; CREATE TABLE e (n int, id text); INSERT INTO e VALUES (8, 'x')")
	s.expect(t, "UPDATE e SET n = n + 1", "UPDATE 1")
	s.expect(t, "SELECT * FROM e", "9|x", "SELECT 1")
	quicker("DROP TABLE e")
	s.expect(t, "DELETE FROM e", `42P01 relation "e" does not exist`)
	if err := s.Parse(t.Context(), "p", "DELETE FROM k RETURNING n", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	quicker("DROP TABLE k; CREATE TABLE k (n text)")
	p, err := s.Prepared("p")
	if err != nil {
		t.Fatal(err)
	}
	portal, err := s.Bind(t.Context(), "", p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Execute(t.Context(), portal, 0); err == nil || failure(err) != "0A000 cached plan must not change result type" {
		t.Fatal(err)
	}
}

// TestChangeExtended prepares statements with parameters, whose types come from the columns.
func TestChangeExtended(t *testing.T) {
	_, s := twoTables(t)
	ctx := t.Context()
	execute := func(sql string, max int64, types, fields string, params ...datum.Value) []string {
		t.Helper()
		if err := s.Parse(ctx, "", sql, nil); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		p, err := s.Prepared("")
		if err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, f := range p.Fields() {
			shown = append(shown, f.Name+" "+f.Type.String())
		}
		if got := fmt.Sprint(p.ParamTypes()); got != types || strings.Join(shown, ", ") != fields {
			t.Fatalf("%s: parameters %s, columns %s", sql, got, strings.Join(shown, ", "))
		}
		portal, err := s.Bind(ctx, "", p, params)
		if err != nil {
			t.Fatal(err)
		}
		s.client.heard = nil
		for more := true; more; {
			if more, err = s.Execute(ctx, portal, max); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		return s.client.heard
	}
	got := execute("UPDATE k SET n = $1, s = $2 WHERE id = $3", 0, "[integer text integer]", "", int32(5), "x", int32(2))
	if !slices.Equal(got, []string{"UPDATE 1"}) {
		t.Errorf("%q", got)
	}
	got = execute("UPDATE k SET (n, s) = (SELECT $1::int, $2 || s) WHERE id > $3 RETURNING id, s AS name", 1, "[integer text integer]",
		"id integer, name text", int32(5), "y", int32(1))
	if !slices.Equal(sorted(got), []string{"2|yx", "3|yc", "UPDATE 2"}) {
		t.Errorf("%q", got)
	}
	got = execute("DELETE FROM e USING k WHERE k.id = e.id AND k.n = $1 RETURNING e.n", 0, "[integer]", "n integer", int32(5))
	if !slices.Equal(got, []string{"20", "NULL", "DELETE 2"}) {
		t.Errorf("%q", got)
	}
	s.expect(t, "PREPARE d (int) AS DELETE FROM k WHERE id = $1 RETURNING id; EXECUTE d (3); EXECUTE d (3)", "PREPARE", "3", "DELETE 1", "DELETE 0")
}

// TestChangeWaits cancels statements that wait for another transaction.
func TestChangeWaits(t *testing.T) {
	store, s := twoTables(t)
	other := openFake(t, store, query.Options{})
	other.expect(t, "BEGIN; UPDATE k SET n = 1", "BEGIN", "UPDATE 3")
	s.expect(t, "SET statement_timeout = '50ms'", "SET")
	s.expect(t, "DELETE FROM k", "57014 canceling statement due to statement timeout")
	s.expect(t, "SET statement_timeout = 0", "SET")
	done := make(chan []string)
	go func() { done <- s.run("UPDATE k SET n = n + 1 RETURNING n") }()
	select {
	case got := <-done:
		t.Errorf("did not wait: %q", got)
	case <-time.After(50 * time.Millisecond):
		other.expect(t, "COMMIT", "COMMIT")
		if got := <-done; !slices.Equal(got, []string{"2", "2", "2", "UPDATE 3"}) {
			t.Errorf("%q", got)
		}
	}
}

// TestChangeMemory moves keys of more rows than fit in memory, which wait in a file, and
// returns more than fits in memory.
func TestChangeMemory(t *testing.T) {
	store := newFakeStore()
	s := openFake(t, store, query.Options{Workers: 1})
	s.expect(t, "CREATE TABLE k (id int PRIMARY KEY, s text)", "CREATE TABLE")
	s.expect(t, "INSERT INTO k SELECT g, repeat('x', 4000) FROM generate_series(1, 400) g", "INSERT 0 400")
	s.expect(t, "SET work_mem = '1MB'", "SET")
	s.expect(t, "UPDATE k SET id = id + 1", "UPDATE 400")
	s.expect(t, "SELECT count(*), min(id), max(id) FROM k", "400|2|401", "SELECT 1")
	s.expect(t, "WITH u AS (UPDATE k SET s = s RETURNING repeat(s, 100) AS long) SELECT count(*), sum(length(long)) FROM u", "400|160000000", "SELECT 1")
	s.expect(t, "SELECT count(*) FROM k WHERE length(s) = 4000", "400", "SELECT 1")
}

func TestChangeExplained(t *testing.T) {
	_, s := twoTables(t)
	text := func(sql string) string { return strings.Join(s.run(sql), "\n") }
	plans := text("EXPLAIN (COSTS off) UPDATE k SET n = e.n FROM e WHERE e.id = k.id") +
		"\n" + text("EXPLAIN (COSTS off) DELETE FROM e WHERE id = 1 RETURNING *")
	const want = `Update on k
  ->  Project
        Expressions: id, n, s, id, n, s
        ->  First Of
              Key: row_number
              ->  Project
                    Expressions: id, n, s, row_number, n
                    ->  Hash Join
                          Hash Cond: (id = id)
                          ->  Scan on e
                                Columns: id, n
                          ->  Number
                                ->  Scan on k
                                      Columns: id, n, s
EXPLAIN
Delete on e
  ->  Project
        Expressions: id, n, id, n
        ->  Scan on e
              Columns: id, n
              Pushed Filter: (id = 1)
EXPLAIN`
	if plans != want {
		t.Errorf("got\n%s", plans)
	}
	ran := text("EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) DELETE FROM e WHERE id = 1 RETURNING *")
	for _, part := range []string{"Delete on e (actual rows=0 loops=1)", "Scan on e (actual rows=2 loops=1)"} {
		if !strings.Contains(ran, part) {
			t.Errorf("%q is not in\n%s", part, ran)
		}
	}
	s.expect(t, "SELECT count(*) FROM e", "2", "SELECT 1")
	if got := text("EXPLAIN (FORMAT JSON) DELETE FROM e"); !strings.Contains(got, `"Node Type": "ModifyTable"`) || !strings.Contains(got, `"Operation": "Delete"`) {
		t.Error(got)
	}
}
