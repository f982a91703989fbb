// Package pgtest compares datum's formats with those of a real PostgreSQL 15,
// whose DSN is in PHYLLO_TEST_PG. Without it the tests fail: run them by make.
package pgtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var (
	seed   = flag.Uint64("seed", 1, "seed of the random values")
	rounds = flag.Int("rounds", 300, "random values per type")
)

func connect(t testing.TB) *pgconn.PgConn {
	t.Helper()
	dsn := os.Getenv("PHYLLO_TEST_PG")
	if dsn == "" {
		t.Fatal("PHYLLO_TEST_PG is not set: it must hold the DSN of a PostgreSQL 15")
	}
	conn, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatal(sql, err)
	}
}

// An answer is what a value became, or the error.
type answer struct {
	text   string
	binary string
	err    string
}

func (a answer) String() string {
	if a.err != "" {
		return a.err
	}
	return fmt.Sprintf("%q %x", a.text, a.binary)
}

func describe(code, message, detail, hint string) string {
	s := code + " " + message
	if detail != "" {
		s += " | " + detail
	}
	if hint != "" {
		s += " | " + hint
	}
	return s
}

// theirs asks PostgreSQL for text and binary output of an input.
func theirs(t testing.TB, conn *pgconn.PgConn, typ datum.Type, s string) answer {
	t.Helper()
	name := typ.String()
	sql := fmt.Sprintf("select v, v from (select cast(cast($1 as text) as %s) as v) x", name)
	if strings.HasPrefix(name, "interval") || typ.Mod >= 0 {
		// A cast applies the modifier in a second step; input functions take it.
		sql = fmt.Sprintf("select v, v from (select %s as v) x", inputCall(typ))
	}
	r := conn.ExecParams(context.Background(), sql, [][]byte{[]byte(s)}, []uint32{25}, []int16{0}, []int16{0, 1}).Read()
	if r.Err != nil {
		var pe *pgconn.PgError
		if !errors.As(r.Err, &pe) {
			t.Fatalf("%q: %v", s, r.Err)
		}
		return answer{err: describe(pe.Code, pe.Message, pe.Detail, pe.Hint)}
	}
	return answer{text: string(r.Rows[0][0]), binary: string(r.Rows[0][1])}
}

func inputCall(typ datum.Type) string {
	in := map[datum.OID]string{datum.Interval: "interval_in", datum.Numeric: "numeric_in", datum.Varchar: "varcharin",
		datum.BPChar: "bpcharin", datum.Timestamp: "timestamp_in", datum.TimestampTZ: "timestamptz_in",
		datum.Time: "time_in", datum.TimeTZ: "timetz_in", datum.Bit: "bit_in", datum.VarBit: "varbit_in"}[typ.OID]
	return fmt.Sprintf("%s(textout(cast($1 as text)), 0, %d)", in, typ.Mod)
}

func ours(typ datum.Type, s string, env *datum.Env) answer {
	v, err := datum.Parse(typ, s, env)
	if err != nil {
		var pe *pgerr.Error
		if !errors.As(err, &pe) {
			return answer{err: "not a pgerr.Error: " + err.Error()}
		}
		return answer{err: describe(pe.Code, pe.Message, pe.Detail, pe.Hint)}
	}
	return answer{
		text:   string(datum.AppendText(nil, typ, v, env)),
		binary: string(datum.AppendBinary(nil, typ, v, nil)),
	}
}

// A setup is a session's settings, here and there.
type setup struct {
	sql string
	env datum.Env
}

func newSetup(t testing.TB, zone, dateStyle, intervalStyle string, floatDigits int) setup {
	loc, name, ok := datum.LoadZone(zone)
	if !ok {
		t.Fatal("no zone ", zone)
	}
	s := setup{
		sql: fmt.Sprintf("set timezone='%s'; set datestyle='%s'; set intervalstyle='%s'; set extra_float_digits=%d",
			zone, dateStyle, intervalStyle, floatDigits),
		env: datum.Env{Zone: loc, ZoneName: name, ExtraFloatDigits: floatDigits},
	}
	for part := range strings.SplitSeq(dateStyle, ",") {
		switch strings.TrimSpace(part) {
		case "SQL":
			s.env.DateFormat = datum.SQLDates
		case "Postgres":
			s.env.DateFormat = datum.PostgresDates
		case "German":
			s.env.DateFormat = datum.German
		case "DMY":
			s.env.DateOrder = datum.DMY
		case "YMD":
			s.env.DateOrder = datum.YMD
		}
	}
	s.env.IntervalStyle = map[string]datum.IntervalFormat{"postgres": datum.PostgresIntervals,
		"postgres_verbose": datum.PostgresVerbose, "sql_standard": datum.SQLStandard, "iso_8601": datum.ISO8601}[intervalStyle]
	return s
}

func compare(t *testing.T, conn *pgconn.PgConn, set setup, typ datum.Type, inputs []string) {
	t.Helper()
	exec(t, conn, set.sql)
	bad := 0
	for _, in := range inputs {
		if strings.IndexByte(in, 0) >= 0 {
			continue // the protocol has no such text
		}
		want, got := theirs(t, conn, typ, in), ours(typ, in, &set.env)
		if want == got || known(typ, in, want, got) {
			continue
		}
		if bad++; bad <= 25 {
			t.Errorf("%v %q (%s)\n got %v\nwant %v", typ, in, set.sql, got, want)
		}
	}
	if bad > 25 {
		t.Errorf("%v: %d differences in all", typ, bad)
	}
}

// known pins the differences that we mean to have.
func known(typ datum.Type, in string, want, got answer) bool {
	switch typ.OID {
	case datum.Interval:
		// PostgreSQL wraps around when the greatest times are rounded.
		return got.err == pgerr.DatetimeOverflow+" interval out of range" && want.err == ""
	case datum.Timestamp, datum.TimestampTZ:
		// Timestamps end thirty years earlier here.
		return want.err == "" && strings.HasPrefix(got.err, pgerr.DatetimeOverflow+" timestamp out of range") &&
			(strings.Contains(want.text, "29424") || strings.Contains(want.text, "2942"))
	}
	if _, ok := typ.Elem(); ok {
		// One dimension only, lower bound 1.
		return strings.HasPrefix(got.err, pgerr.FeatureNotSupported)
	}
	return false
}
