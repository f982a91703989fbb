package difftest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/citybus"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
)

// busRows is how many rows of history are loaded: enough for several chunks in
// each partition.
const busRows = 150_000

// A pair is the two servers, one connection to each.
type pair struct {
	pg, ours       *pgx.Conn
	pgDSN, oursDSN string
}

// open starts Phyllo on an empty folder and makes an empty database in PostgreSQL.
func open(t *testing.T) *pair {
	t.Helper()
	admin := os.Getenv("PHYLLO_TEST_PG")
	if admin == "" {
		t.Fatal("PHYLLO_TEST_PG is not set: run make test, which starts a PostgreSQL")
	}
	ctx := context.Background()
	srv := testserver.Start(t, func(c *server.Config) {})
	name := fmt.Sprintf("difftest_%d", time.Now().UnixNano())
	conn := connect(t, admin)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); conn.Close(ctx) })
	p := &pair{pgDSN: strings.Replace(admin, "/postgres?", "/"+name+"?", 1), oursDSN: srv.DSN()}
	p.pg, p.ours = connect(t, p.pgDSN), connect(t, p.oursDSN)
	t.Cleanup(func() { p.pg.Close(ctx); p.ours.Close(ctx) })
	p.both(t, "SET statement_timeout = '60s'", "")
	return p
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	return conn
}

// both runs a statement on both servers; ours may get a suffix that PostgreSQL
// does not know, such as PARTITION BY HASH.
func (p *pair) both(t *testing.T, sql, suffix string) {
	t.Helper()
	if _, err := p.pg.Exec(context.Background(), sql); err != nil {
		t.Fatalf("postgresql: %s: %v", sql, err)
	}
	if _, err := p.ours.Exec(context.Background(), sql+suffix); err != nil {
		t.Fatalf("phyllo: %s: %v", sql+suffix, err)
	}
}

func (p *pair) checkpoint(t *testing.T) {
	t.Helper()
	if _, err := p.ours.Exec(context.Background(), "CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
}

// psql runs the same psql commands against both.
func (p *pair) psql(t *testing.T, commands ...string) {
	t.Helper()
	program := os.Getenv("PHYLLO_TEST_PSQL")
	if program == "" {
		t.Fatal("PHYLLO_TEST_PSQL is not set: run make test")
	}
	for _, dsn := range []string{p.pgDSN, p.oursDSN} {
		args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", dsn}
		for _, c := range commands {
			args = append(args, "-c", c)
		}
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("psql %s: %v\n%s", dsn, err, out)
		}
	}
}

// run compares every statement of a file.
func (p *pair) run(t *testing.T, file string) { p.runWith(t, file, func(*pair) {}) }

// runWith calls after after each statement.
func (p *pair) runWith(t *testing.T, file string, after func(p *pair)) {
	statements := readStatements(t, filepath.Join("testdata", file))
	for _, s := range statements {
		t.Run(fmt.Sprintf("%s:%d", strings.TrimSuffix(s.file, ".sql"), s.line), func(t *testing.T) {
			p.compare(t, s.sql)
			after(p)
		})
	}
	t.Logf("%s: %d statements", file, len(statements))
}

func (p *pair) compare(t *testing.T, sql string) {
	t.Helper()
	p.compareWith(t, sql, sql)
}

// compareWith compares a statement that PostgreSQL does not have with its equivalent there.
func (p *pair) compareWith(t *testing.T, sql, postgres string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	want, err := compare.Query(ctx, p.pg, postgres)
	if err != nil {
		t.Fatalf("postgresql: %s: %v", postgres, err)
	}
	got, err := compare.Query(ctx, p.ours, sql)
	if err != nil {
		t.Fatalf("phyllo: %s: %v", sql, err)
	}
	if d := compare.Differ(want, got, compare.Ordered(sql)); d != "" {
		t.Errorf("%s\n%s", sql, d)
	}
}

// TestExpressions compares what needs no tables.
func TestExpressions(t *testing.T) {
	p := open(t)
	for _, file := range []string{"expressions.sql", "casts.sql", "numbers.sql", "strings.sql", "datetime.sql", "arrays.sql", "hypothetical.sql", "regexes.sql", "dimensions.sql",
		"calls.sql", "joins.sql", "subqueries.sql", "grouping.sql", "sets.sql", "with.sql", "collations.sql", "windows.sql", "setops.sql"} {
		p.run(t, file)
	}
}

// TestSamples compares TABLESAMPLE; a sample stays the same where its rows are stored anew.
func TestSamples(t *testing.T) {
	p := open(t)
	p.run(t, "samples.sql")
	drawn := func() (ids string) {
		const sql = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sk TABLESAMPLE BERNOULLI (10) REPEATABLE (7)"
		if err := p.ours.QueryRow(context.Background(), sql).Scan(&ids); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	before := drawn()
	p.checkpoint(t)
	if after := drawn(); after != before {
		t.Errorf("a sample has other rows after a checkpoint: %s, before: %s", after, before)
	}
}

// TestFound compares what was once answered in another way.
func TestFound(t *testing.T) { open(t).run(t, "found.sql") }

// TestUnsupported holds what is missing to an honest answer.
func TestUnsupported(t *testing.T) {
	p := open(t)
	for _, s := range readStatements(t, filepath.Join("testdata", "unsupported.sql")) {
		t.Run(fmt.Sprintf("line %d", s.line), func(t *testing.T) {
			got, err := compare.Query(t.Context(), p.ours, s.sql)
			if err != nil {
				t.Fatal(err)
			}
			if got.Code != "0A000" {
				t.Errorf("%s\nanswers %q (%s), not 0A000; if it works now, compare it with PostgreSQL in another file", s.sql, got.Code, got.Message)
			}
		})
	}
}

// TestBus compares queries over rows that lie in several chunks of several
// partitions and in buffers.
func TestBus(t *testing.T) {
	p := open(t)
	const columns = `(vehicle_id text, timestamp timestamptz, speed real, route_id text,
		trip_id text, latitude double precision, longitude double precision, trip_headsign text)`
	p.both(t, "CREATE TABLE bus_positions "+columns, " PARTITION BY HASH (vehicle_id) WITH (partitions = 4, time_column = 'timestamp', slice = '2 days')")
	p.both(t, "CREATE TABLE routes (route_id text PRIMARY KEY, name text)", "")
	p.both(t, "CREATE TABLE buses (vehicle_id text, timestamp timestamptz, route_id text, PRIMARY KEY (vehicle_id, timestamp))",
		" PARTITION BY HASH (vehicle_id) WITH (partitions = 3)")
	dir := t.TempDir()
	history := filepath.Join(dir, "bus.csv")
	f, err := os.Create(history)
	if err != nil {
		t.Fatal(err)
	}
	if err := citybus.WriteHistory(f, 42, busRows); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p.psql(t, `\copy bus_positions FROM '`+history+`' WITH (FORMAT csv, HEADER)`)
	for _, r := range citybus.NewCity(42, 40).Routes[5:] {
		p.both(t, fmt.Sprintf("INSERT INTO routes VALUES ('%s', '%s')", r.ID, r.Name), "")
	}
	p.both(t, `INSERT INTO buses SELECT vehicle_id, timestamp, min(route_id) FROM bus_positions WHERE timestamp < '2015-03-02 12:00Z' GROUP BY 1, 2`, "")
	p.checkpoint(t)
	// A second load stays in the buffers.
	p.both(t, `INSERT INTO bus_positions SELECT vehicle_id, timestamp + interval '1 second', speed, route_id, trip_id, latitude, longitude, trip_headsign
		FROM bus_positions WHERE vehicle_id < '2030'`, "")
	p.both(t, `INSERT INTO buses SELECT vehicle_id, timestamp, min(route_id) FROM bus_positions WHERE timestamp >= '2015-03-02 12:00Z' GROUP BY 1, 2`, "")
	p.run(t, "bus.sql")
	p.run(t, "values.sql")
}
