package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
)

func startServer(t testing.TB) (*testserver.Phyllo, *pgx.Conn) {
	t.Helper()
	p := testserver.Start(t, func(*server.Config) {})
	return p, connect(t, p)
}

func execute(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// textOf returns the rows of a query as text.
func textOf(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	found, err := rows(context.Background(), conn.PgConn(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var out strings.Builder
	for _, r := range found {
		fmt.Fprintf(&out, "%q\n", r)
	}
	return out.String()
}

func exportTo(t testing.TB, p *testserver.Phyllo, table, path string) {
	t.Helper()
	c := exportCommand{Args: []string{table, path}, Quiet: true, Group: 1, sessionFlags: sessionFlags{Database: p.DSN()}}
	if _, err := c.export(t.Context()); err != nil {
		t.Fatalf("export to %s: %v", path, err)
	}
	if _, err := os.Stat(path + ".partial"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s.partial was left: %v", path, err)
	}
}

func importFrom(t testing.TB, p *testserver.Phyllo, table, path string, change func(*importCommand)) (int64, error) {
	t.Helper()
	c := importCommand{Table: table, Files: []string{path}, Quiet: true, Attempts: 3, sessionFlags: sessionFlags{Database: p.DSN()}}
	c.TxnMiB = 1
	if change != nil {
		change(&c)
	}
	return c.one(t.Context(), path)
}

var formats = []string{"parquet", "arrow", "arrows"}

// everyType is a table with a column of each type, its rows with NULLs and the
// values at the edges.
var everyType = []string{
	`CREATE TABLE every_type (id int, b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric, n5 numeric(5, 2), n60 numeric(60, 10),
  t text, v varchar(10), c char(3), x bytea, d date, tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, o oid,
  ba boolean[], ia int[], ta text[], na numeric(5, 2)[], fa double precision[], tsa timestamptz[], ua uuid[], xa bytea[], "Odd name" int)`,
	`INSERT INTO every_type (id) VALUES (0)`,
	`INSERT INTO every_type VALUES (1, true, -32768, -2147483648, -9223372036854775808, '-0.0', '-0.0', '-123456789012345678901234567890.123456789', -999.99,
  '-12345678901234567890123456789012345678901234567890.0123456789', '', '', '', '', '4713-11-24 BC', '00:00', '00:00+15:59', '4713-11-24 00:00:00 BC', '4713-11-24 00:00:00+00 BC',
  '-1 year -2 days -00:00:00.000001', '00000000-0000-0000-0000-000000000000', '{"b": 1,  "a": NaN0}'::text::json, '{"b": 1, "a": [null]}', 0,
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', -1)`,
	`INSERT INTO every_type VALUES (2, false, 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', 'NaN', 999.99, 0, E'ünï\n"\\', 'ten chars!', 'abc', '\x00ff', '5874897-12-31', '24:00',
  '23:59:59.999999-15:59', '294247-01-10 04:00:54.775806', '294247-01-10 04:00:54.775806+00', '1 mon', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[]', '"x"', 4294967295,
  '{t,NULL,f}', '{1,NULL,-1}', '{"a b",NULL,"NULL",""}', '{1.50,NULL}', '{NaN,-0,Infinity,NULL}', '{infinity,NULL,"2020-01-01 00:00:00+00"}', '{ffffffff-ffff-ffff-ffff-ffffffffffff}', '{"\\x00",NULL}', 2)`,
	`INSERT INTO every_type VALUES (3, NULL, 1, 1, 1, 'Infinity', '-Infinity', 'Infinity', 0.01, 0.0000000001, 'x', 'x', 'x', 'x', 'infinity', '12:34:56.789', '12:34:56.789+00', 'infinity', '-infinity',
  '3 days', gen_random_uuid(), '1', '1.50', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3)`,
	`INSERT INTO every_type (id, f4, f8, d, ts, tstz, n) VALUES (4, 3.4028235e38, 5e-324, '-infinity', '-infinity', 'infinity', '0.000'), (5, 1e-45, 0.1, '1970-01-01', '1969-12-31 23:59:59.999999', '1970-01-01 00:00:00+00', 1e20)`,
}

func TestColumnarRoundTrip(t *testing.T) {
	p, conn := startServer(t)
	everyType[2] = strings.Replace(everyType[2], `NaN0`, `0`, 1)
	execute(t, conn, everyType...)
	want := textOf(t, conn, "SELECT * FROM every_type ORDER BY id")
	for _, f := range formats {
		path := filepath.Join(t.TempDir(), "every."+f)
		exportTo(t, p, "every_type", path)
		// Into a table that the file makes, and into one that is there.
		execute(t, conn, "CREATE TABLE there_"+f+" AS SELECT * FROM every_type LIMIT 0")
		for _, table := range []string{"made_" + f, "there_" + f} {
			n, err := importFrom(t, p, table, path, func(c *importCommand) { c.Create = strings.HasPrefix(table, "made") })
			if err != nil || n != 6 {
				t.Fatalf("%s: %d rows, %v", table, n, err)
			}
			if got := textOf(t, conn, "SELECT * FROM "+table+" ORDER BY id"); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", table, got, want)
			}
		}
	}
}
