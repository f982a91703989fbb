package difftest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestDatabases makes, uses and drops databases as PostgreSQL does.
func TestDatabases(t *testing.T) {
	p := open(t)
	one := fmt.Sprintf("One %d", time.Now().UnixNano())
	quoted, two := pgx.Identifier{one}.Sanitize(), fmt.Sprintf("two_%d", time.Now().UnixNano())
	all := func(p *pair, statements ...string) {
		t.Helper()
		for _, s := range statements {
			p.compare(t, strings.ReplaceAll(s, "$one", quoted))
		}
	}
	t.Cleanup(func() {
		for _, name := range []string{quoted, two} {
			p.pg.Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		}
	})
	all(p, "CREATE DATABASE $one WITH TEMPLATE template0 ENCODING = 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT -1", "CREATE DATABASE $one",
		"BEGIN", "CREATE DATABASE other", "ROLLBACK", "CREATE DATABASE other OWNER nobody", "CREATE DATABASE other SIZE 3",
		"DROP DATABASE nosuch", "DROP DATABASE IF EXISTS nosuch", "ALTER DATABASE nosuch RENAME TO b", "BEGIN", "DROP DATABASE $one", "ROLLBACK",
		"COMMENT ON DATABASE $one IS 'text'", "SELECT d.description FROM pg_shdescription d JOIN pg_database b ON b.oid = d.objoid WHERE b.datname LIKE 'One %'",
		"CREATE TABLE t (a int PRIMARY KEY, b text)", "INSERT INTO t VALUES (1, 'here')", "CREATE SCHEMA s", "CREATE TYPE mood AS ENUM ('x', 'y')")
	q := p.to(t, one)
	all(q, "SELECT current_database() = '"+one+"', current_schema()", "SELECT count(*) FROM pg_class WHERE relname = 't'", "SELECT * FROM t", "SELECT 'x'::mood",
		"CREATE TABLE t (a int PRIMARY KEY, b text, c text)", "INSERT INTO t VALUES (1, 'there', 'x'), (2, 'too', NULL)", "CREATE SCHEMA s",
		"CREATE TABLE s.u (x int REFERENCES t (a), n serial)", "INSERT INTO s.u (x) VALUES (1), (2)", "CREATE VIEW s.v AS SELECT * FROM s.u JOIN t ON x = a",
		"CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM s.v", "CREATE TYPE mood AS ENUM ('z')", "CREATE DOMAIN d AS int CHECK (VALUE > 0)", "CREATE TABLE e (m mood, d d)",
		"CREATE TEMP TABLE tt AS SELECT 1 AS one", "SELECT * FROM t ORDER BY a", "SELECT * FROM s.v ORDER BY n", "SELECT * FROM m", "SELECT * FROM tt", "SELECT 'z'::mood",
		"SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 's') ORDER BY 1, 2",
		"SELECT 'public'::regnamespace::text, 't'::regclass::text, to_regclass('nosuch')",
		"DROP DATABASE $one", "SELECT * FROM postgres.public.t", "REINDEX DATABASE postgres", "CREATE SCHEMA s", "BEGIN", "CREATE TABLE gone (a int)", "ROLLBACK", "SELECT * FROM gone")
	all(p, "SELECT * FROM t", "SELECT * FROM s.v",
		"SET statement_timeout = '300ms'", "ALTER DATABASE $one RENAME TO "+two, "DROP DATABASE $one", "RESET statement_timeout") // they wait for who uses it
	q.close()
	all(p, "ALTER DATABASE $one RENAME TO "+two, "SELECT count(*) FROM pg_database WHERE datname = '"+two+"'")
	q = p.to(t, two)
	p.checkpoint(t)
	all(q, "SELECT * FROM t ORDER BY a", "UPDATE t SET b = 'new' WHERE a = 1", "SELECT * FROM s.v ORDER BY n", "DROP TABLE t", "DROP SCHEMA public CASCADE", "CREATE TABLE t (a int)", "CREATE TABLE s.t (a int)")
	q.close()
	// Nobody comes in while it is about to go.
	all(p, "BEGIN", "ALTER DATABASE "+two+" RENAME TO three")
	cfg := p.ours.Config()
	cfg.Database = two
	var refused *pgconn.PgError
	if conn, err := pgx.ConnectConfig(context.Background(), cfg); !errors.As(err, &refused) || refused.Code != "57P03" {
		t.Errorf("a session beside RENAME: %v", err)
		if err == nil {
			conn.Close(context.Background())
		}
	}
	all(p, "ROLLBACK")
	q = p.to(t, two)
	all(p, "DROP DATABASE "+two+" WITH (FORCE)", "SELECT count(*) FROM pg_database WHERE datname = '"+two+"'", "SELECT count(*) FROM pg_class WHERE relname IN ('u', 'v', 'e')")
	for name, conn := range map[string]*pgx.Conn{"postgresql": q.pg, "phyllo": q.ours} {
		if _, err := conn.Exec(context.Background(), "SELECT 1"); err == nil {
			t.Errorf("%s: a session goes on in a database that was dropped", name)
		}
	}
	q.close()
}

// to connects to another database of both servers.
func (p *pair) to(t *testing.T, database string) *pair {
	t.Helper()
	q := &pair{}
	for from, to := range map[*pgx.Conn]**pgx.Conn{p.pg: &q.pg, p.ours: &q.ours} {
		cfg := from.Config()
		cfg.Database = database
		conn, err := pgx.ConnectConfig(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		*to = conn
	}
	return q
}

func (p *pair) close() {
	p.pg.Close(context.Background())
	p.ours.Close(context.Background())
}
