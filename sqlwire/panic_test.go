package sqlwire

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestPanics has each stage of a statement panic: the statement fails, the transaction
// with it, the stack is logged, and the session goes on.
func TestPanics(t *testing.T) {
	said := &panicLog{}
	fx := serve(t, func(o *Options) { o.Logger = slog.New(said) })
	c := fx.connect(t)
	for _, test := range []struct{ call, sql string }{
		{"Snapshot", "INSERT INTO events VALUES (1)"},
		{"TableRows", "SELECT a.n FROM events AS a, events AS b, events AS c WHERE a.n = b.n AND b.n = c.n"}, // optimising
		{"Scan", "SELECT count(s) FROM events"},                                                              // the nil reader's
		{"Insert", "INSERT INTO events VALUES (1)"},
		{"Commit", "INSERT INTO events VALUES (1)"},
	} {
		t.Run(test.call, func(t *testing.T) {
			strike := func() { fx.store.strikes = map[string]bool{test.call: true} }
			heal := func() { fx.store.strikes = nil }
			logged := func() {
				t.Helper()
				if s := said.take(); !strings.Contains(s, "struck "+test.call) && test.call != "Scan" || !strings.Contains(s, ".go:") {
					t.Errorf("it logged %q", s)
				}
			}
			strike()
			got := c.query(test.sql)
			heal()
			if !strings.HasSuffix(got, "ERROR XX000, ready I") {
				t.Errorf("it is %s", got)
			}
			logged()
			want(t, "then", c.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready I`)

			c.query("BEGIN; INSERT INTO events VALUES (7)")
			strike()
			got = c.query(test.sql)
			if test.call == "Commit" {
				got = c.query("COMMIT")
			}
			heal()
			logged()
			if test.call == "Commit" {
				want(t, "commit", got, "ERROR XX000, ready I")
			} else {
				if !strings.HasSuffix(got, "ERROR XX000, ready E") {
					t.Errorf("in a block it is %s", got)
				}
				want(t, "then", c.query("SELECT 1"), "ERROR 25P02, ready E")
				want(t, "rollback", c.query("ROLLBACK"), "ROLLBACK, ready I")
			}

			strike()
			c.send(&pgproto3.Parse{Query: test.sql}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
			got = c.untilReady()
			heal()
			if !strings.HasSuffix(got, "ERROR XX000, ready I") {
				t.Errorf("extended, it is %s", got)
			}
			logged()
			if fx.store.rows() != 0 {
				t.Errorf("%d rows are committed", fx.store.rows())
			}
		})
	}
	// COPY inserts in a goroutine of its own.
	fx.store.strikes = map[string]bool{"Insert": true}
	c.send(&pgproto3.Query{String: "COPY events FROM STDIN"}, data("1\ta\n"), &pgproto3.CopyDone{})
	got := c.untilReady()
	fx.store.strikes = nil
	want(t, "COPY", got, "CopyInResponse, ERROR XX000, ready I")
	want(t, "then", c.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready I`)
}
