package sqlwire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func data(s string) pgproto3.FrontendMessage { return &pgproto3.CopyData{Data: []byte(s)} }

// copyIn runs a COPY by a simple query with all its data sent at once.
func (c *client) copyIn(sql string, messages ...pgproto3.FrontendMessage) string {
	c.t.Helper()
	c.send(append([]pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}, messages...)...)
	return c.untilReady()
}

const binaryHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestCopyIn(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	done, fail := &pgproto3.CopyDone{}, &pgproto3.CopyFail{Message: "changed my mind"}
	cases := []struct {
		name string
		sql  string
		send []pgproto3.FrontendMessage
		want string
		rows int64 // committed
	}{
		{"text", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\n2\t\\N\n"), done}, "CopyInResponse, COPY 2, ready I", 2},
		{"rows over messages", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\t"), data("a"), data("\n2"), data(""), data("\tb\n3\tc"), done}, "CopyInResponse, COPY 3, ready I", 3},
		{"nothing", "COPY events FROM STDIN", []pgproto3.FrontendMessage{done}, "CopyInResponse, COPY 0, ready I", 0},
		{"end of data", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\n\\.\nrubbish\n"), done}, "CopyInResponse, COPY 1, ready I", 1},
		{"csv", "COPY events FROM STDIN (FORMAT csv, HEADER)", []pgproto3.FrontendMessage{data("n,s\n1,\"a\nb\"\n"), done}, "CopyInResponse, COPY 1, ready I", 1},
		{"csv, other columns", "COPY events (s, n) FROM STDIN (FORMAT csv, HEADER match)", []pgproto3.FrontendMessage{data("s,n\nx,1\n"), done}, "CopyInResponse, COPY 1, ready I", 1},
		{"csv, wrong header", "COPY events FROM STDIN (FORMAT csv, HEADER match)", []pgproto3.FrontendMessage{data("s,n\nx,1\n"), done}, "CopyInResponse, ERROR 22P04, ready I", 0},
		{"one column", "COPY events (n) FROM STDIN", []pgproto3.FrontendMessage{data("1\n2\n"), done}, "CopyInResponse, COPY 2, ready I", 2},
		{"where", "COPY events FROM STDIN WHERE n % 2 = 0", []pgproto3.FrontendMessage{data("1\ta\n2\tb\n4\tc\n"), done}, "CopyInResponse, COPY 2, ready I", 2},
		{"binary", "COPY events FROM STDIN (FORMAT binary)", []pgproto3.FrontendMessage{data(binaryHeader + "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\x01a\xff\xff"), done}, "CopyInResponse, COPY 1, ready I", 1},
		{"binary, null", "COPY events FROM STDIN (FORMAT binary)", []pgproto3.FrontendMessage{data(binaryHeader + "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\xff\xff\xff\xff\xff\xff"), done}, "CopyInResponse, COPY 1, ready I", 1},
		{"binary, no signature", "COPY events FROM STDIN (FORMAT binary)", []pgproto3.FrontendMessage{data("1\ta\n"), done}, "CopyInResponse, ERROR 22P04, ready I", 0},
		{"binary, cut off", "COPY events FROM STDIN (FORMAT binary)", []pgproto3.FrontendMessage{data(binaryHeader + "\x00\x02\x00\x00\x00\x04\x00\x00"), done}, "CopyInResponse, ERROR 22P04, ready I", 0},
		{"binary, short int", "COPY events FROM STDIN (FORMAT binary)", []pgproto3.FrontendMessage{data(binaryHeader + "\x00\x02\x00\x00\x00\x02\x00\x00\xff\xff\xff\xff\xff\xff"), done}, "CopyInResponse, ERROR 08P01, ready I", 0},
		{"client fails", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\n"), fail}, "CopyInResponse, ERROR 57014, ready I", 0},
		{"bad value", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\nx\tb\n"), data("3\tc\n"), done}, "CopyInResponse, ERROR 22P02, ready I", 0},
		{"too few fields", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\n"), done}, "CopyInResponse, ERROR 22P04, ready I", 0},
		{"too many fields", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\tb\n"), done}, "CopyInResponse, ERROR 22P04, ready I", 0},
		{"storage refuses", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("\\N\ta\n"), done}, "CopyInResponse, ERROR 23502, ready I", 0},
		{"a query instead", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\n"), &pgproto3.Query{String: "SELECT 1"}}, "CopyInResponse, ERROR 08P01, ready I", 0},
		{"flush and sync are passed over", "COPY events FROM STDIN", []pgproto3.FrontendMessage{data("1\ta\n"), &pgproto3.Flush{}, &pgproto3.Sync{}, data("2\tb\n"), done}, "CopyInResponse, COPY 2, ready I", 2},
		{"among others", "SELECT 1; COPY events FROM STDIN; SELECT 2", []pgproto3.FrontendMessage{data("1\ta\n"), done}, `RowDescription, "1", SELECT 1, CopyInResponse, COPY 1, RowDescription, "2", SELECT 1, ready I`, 1},
		{"undone by what follows", "COPY events FROM STDIN; SELECT nope", []pgproto3.FrontendMessage{data("1\ta\n"), done}, "CopyInResponse, COPY 1, ERROR 42703, ready I", 0},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			before := fx.store.rows()
			c.t = t
			want(t, "answers", c.copyIn(test.sql, test.send...), test.want)
			if got := fx.store.rows() - before; got != test.rows {
				t.Errorf("%d rows are committed, want %d", got, test.rows)
			}
			want(t, "the next query", c.query("SELECT 5"), `RowDescription, "5", SELECT 1, ready I`)
		})
	}
}

func TestCopyInExtended(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	start := []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "COPY events FROM STDIN"}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}}
	with := func(more ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
		return append(append([]pgproto3.FrontendMessage(nil), start...), more...)
	}
	c.send(with(data("1\ta\n"), &pgproto3.CopyDone{}, &pgproto3.Sync{})...)
	want(t, "good", c.untilReady(), "ParseComplete, BindComplete, NoData, CopyInResponse, COPY 1, ready I")
	c.send(with(data("x\ta\n"), data("2\tb\n"), &pgproto3.CopyDone{}, &pgproto3.Sync{})...)
	want(t, "bad value", c.untilReady(), "ParseComplete, BindComplete, NoData, CopyInResponse, ERROR 22P02, ready I")
	c.send(with(data("1\ta\n"), &pgproto3.CopyFail{}, &pgproto3.Sync{})...)
	want(t, "client fails", c.untilReady(), "ParseComplete, BindComplete, NoData, CopyInResponse, ERROR 57014, ready I")
	c.query("BEGIN")
	c.send(with(data("1\ta\n"), &pgproto3.CopyFail{}, &pgproto3.Sync{})...)
	want(t, "in a block", c.untilReady(), "ParseComplete, BindComplete, NoData, CopyInResponse, ERROR 57014, ready E")
	want(t, "rolled back", c.query("ROLLBACK"), "ROLLBACK, ready I")
	if got := fx.store.rows(); got != 1 {
		t.Errorf("%d rows are committed, want 1", got)
	}
}

// TestCopyInBrokenOff has clients that leave in the middle: nothing of what they
// sent may stay.
func TestCopyInBrokenOff(t *testing.T) {
	fx := serve(t, nil)
	for _, test := range []struct {
		name  string
		leave func(c *client)
	}{
		{"hang up", func(c *client) { c.net.Close() }},
		{"terminate", func(c *client) { c.send(&pgproto3.Terminate{}); c.untilClosed() }},
		{"nonsense", func(c *client) { c.net.Write([]byte{'?', 0, 0, 0, 4}); c.untilClosed() }},
		{"half a message", func(c *client) { c.net.Write([]byte{'d', 0, 0, 0, 9, '2'}); c.net.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			fx.store.mu.Lock()
			before, inserted := fx.store.rollbacks, fx.store.inserted
			fx.store.mu.Unlock()
			c := fx.connect(t)
			// More than a batch, so that storage has seen rows.
			var rows strings.Builder
			for n := range 70_000 {
				fmt.Fprintf(&rows, "%d\tx\n", n)
			}
			c.send(&pgproto3.Query{String: "COPY events FROM STDIN"}, data(rows.String()))
			eventually(t, "rows in storage", func() bool {
				fx.store.mu.Lock()
				defer fx.store.mu.Unlock()
				return fx.store.inserted > inserted
			})
			test.leave(c)
			eventually(t, "rolled back", func() bool {
				fx.store.mu.Lock()
				defer fx.store.mu.Unlock()
				return fx.store.rollbacks == before+1
			})
			if got := fx.store.rows(); got != 0 {
				t.Errorf("%d rows are committed", got)
			}
		})
	}
}

// TestCopyError checks the context of an error.
func TestCopyError(t *testing.T) {
	c := serve(t, nil).connect(t)
	c.send(&pgproto3.Query{String: "COPY events FROM STDIN"}, data("1\ta\nabc\tb\n"), &pgproto3.CopyDone{})
	for {
		m, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			want(t, "where", e.Where, `COPY events, line 2, column n: "abc"`)
			want(t, "message", e.Message, `invalid input syntax for type integer: "abc"`)
			break
		}
	}
	c.untilReady()
}

// TestCopyCancel cancels a COPY whose client sends on and on.
func TestCopyCancel(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	c.query("SET statement_timeout = 30")
	c.send(&pgproto3.Query{String: "COPY events FROM STDIN"})
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for {
			m, err := c.receive()
			if err != nil {
				return
			}
			if _, ok := m.(*pgproto3.ReadyForQuery); ok {
				return
			}
		}
	}()
	message, err := data(strings.Repeat("1\tabcdefgh\n", 1000)).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for ended := false; !ended; {
		if _, err := c.net.Write(message); err != nil {
			t.Fatal(err)
		}
		select {
		case <-stop:
			ended = true
		default:
		}
	}
	want(t, "answers", strings.Join(c.seen, ", "), "CopyInResponse, ERROR 57014, ready I")
	want(t, "the next query", c.query("RESET statement_timeout"), "RESET, ready I")
	if got := fx.store.rows(); got != 0 {
		t.Errorf("%d rows are committed", got)
	}
}
