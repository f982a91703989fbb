package sqlwire

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// endless is a query that ends only if somebody ends it, without output.
const endless = "SELECT count(*) FROM generate_series(1, 1000000000000)"

// flood is one with output without end.
const flood = "SELECT g, repeat('x', 1000) FROM generate_series(1, 1000000000000) g"

func (fx *fixture) cancel(t testing.TB, pid uint32, secret []byte) {
	t.Helper()
	nc := fx.dial(t)
	defer nc.Close()
	b, err := (&pgproto3.CancelRequest{ProcessID: pid, SecretKey: secret}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	over(t, nc).untilClosed() // the server hangs up when it has done it
}

// cancelUntilGone sends cancel requests until the client's query has ended: one
// that comes before the query runs has no effect.
func cancelUntilGone(t testing.TB, fx *fixture, c *client) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.untilReady()
	}()
	for {
		fx.cancel(t, c.key.ProcessID, c.key.SecretKey)
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestCancel(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)

	c.send(&pgproto3.Query{String: endless})
	cancelUntilGone(t, fx, c)
	want(t, "simple", strings.TrimPrefix(strings.Join(c.seen, ", "), "RowDescription, "), "ERROR 57014, ready I")

	c.send(&pgproto3.Parse{Query: endless}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	cancelUntilGone(t, fx, c)
	// Parsing and binding can be cancelled, too.
	seen := strings.TrimPrefix(strings.TrimPrefix(strings.Join(c.seen, ", "), "ParseComplete, "), "BindComplete, ")
	want(t, "extended", seen, "ERROR 57014, ready I")

	fx.cancel(t, c.key.ProcessID, c.key.SecretKey)
	want(t, "a cancel of nothing", c.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready I`)

	other := append([]byte(nil), c.key.SecretKey...)
	other[0]++
	c.send(&pgproto3.Query{String: "SET statement_timeout = 100; " + endless})
	fx.cancel(t, c.key.ProcessID, other) // must not be what ends it
	if got := c.untilReady(); !strings.HasSuffix(got, "ERROR 57014, ready I") {
		t.Errorf("statement_timeout: %s", got)
	}
}

// TestCancelCopy: COPY ends when it is cancelled, or takes too long, while it waits for its client.
func TestCancelCopy(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	c.send(&pgproto3.Query{String: "COPY events FROM STDIN"}, data("1\ta\n2"))
	cancelUntilGone(t, fx, c)
	want(t, "cancelled", strings.Join(c.seen, ", "), "CopyInResponse, ERROR 57014, ready I")
	c.send(data("\tb\n"), &pgproto3.CopyDone{}) // the client had not heard of it yet
	want(t, "the next query", c.query("SET statement_timeout = 20"), "SET, ready I")
	want(t, "a timeout", c.copyIn("COPY events FROM STDIN", data("1\ta\n")), "CopyInResponse, ERROR 57014, ready I")
	want(t, "the query after that", c.query("SELECT 5"), `RowDescription, "5", SELECT 1, ready I`)
	if n := fx.store.rows(); n != 0 {
		t.Errorf("%d rows are committed", n)
	}
}

func TestStatementTimeout(t *testing.T) {
	c := serve(t, nil).connect(t)
	c.query("SET statement_timeout = 20")
	c.send(&pgproto3.Query{String: endless})
	for {
		m, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			want(t, "message", e.Message, "canceling statement due to statement timeout")
			break
		}
	}
	c.untilReady()
	want(t, "in a block", strings.ReplaceAll(c.query("BEGIN; "+endless), "RowDescription, ", ""), "BEGIN, ERROR 57014, ready E")
	want(t, "afterwards", c.query("ROLLBACK; SET statement_timeout = 0; SELECT 1"), `ROLLBACK, SET, RowDescription, "1", SELECT 1, ready I`)
}

func TestIdleTimeouts(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	c.query("SET idle_in_transaction_session_timeout = 20; SELECT 1")
	want(t, "outside of a block", c.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready I`)
	c.query("BEGIN")
	want(t, "in a block", c.untilClosed(), "FATAL 25P03")

	c = fx.connect(t)
	c.query("SET idle_session_timeout = 20")
	want(t, "idle", c.untilClosed(), "FATAL 57P05")
}

// TestSlowClient has a client that does not read: the server must not gather
// its answers, and must be able to leave it.
func TestSlowClient(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	c.send(&pgproto3.Query{String: flood})
	if _, err := c.receive(); err != nil { // it has begun
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); fx.server.Shutdown(ctx) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Shutdown waits for a client that does not read")
	}
}

// TestDrain shuts down a server with clients in all states.
func TestDrain(t *testing.T) {
	fx := serve(t, nil)
	idle, block, busy := fx.connect(t), fx.connect(t), fx.connect(t)
	starting := over(t, fx.dial(t)) // says nothing
	block.query("BEGIN")
	busy.send(&pgproto3.Query{String: "SELECT count(*) FROM generate_series(1, 3000000)"})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); fx.server.Shutdown(ctx) }()
	want(t, "idle", idle.untilClosed(), "FATAL 57P01")
	want(t, "starting", starting.untilClosed(), "FATAL 57P01")
	want(t, "in a block", block.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready T`)
	select {
	case <-done:
		t.Error("Shutdown did not wait for the block")
	default:
	}
	block.send(&pgproto3.Query{String: "COMMIT"})
	want(t, "commit", block.untilClosed(), "COMMIT, ready I, FATAL 57P01")
	// Busy may have been asked before the drain began or after it.
	got := strings.TrimPrefix(busy.untilClosed(), "RowDescription, ")
	if got != `"3000000", SELECT 1, ready I, FATAL 57P01` && got != "FATAL 57P01" {
		t.Errorf("busy: %s", got)
	}
	<-done
	if nc, err := net.Dial("tcp", fx.addr); err == nil {
		nc.SetDeadline(time.Now().Add(patience))
		want(t, "after the drain", over(t, nc).untilClosed(), "")
		nc.Close()
	}
}

// TestDrainIsImpatient ends a block that is never finished.
func TestDrainIsImpatient(t *testing.T) {
	fx := serve(t, nil)
	block, busy := fx.connect(t), fx.connect(t)
	block.query("BEGIN")
	busy.send(&pgproto3.Query{String: endless})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fx.server.Shutdown(ctx)
	want(t, "in a block", block.untilClosed(), "FATAL 57P01")
	if got := busy.untilClosed(); !strings.HasSuffix(got, "FATAL 57P01") {
		t.Errorf("busy: %s", got)
	}
}

// TestHangUp has clients that leave while their query runs: it ends with them.
func TestHangUp(t *testing.T) {
	fx := serve(t, nil)
	for _, start := range [][]pgproto3.FrontendMessage{
		{&pgproto3.Query{String: endless}},
		{&pgproto3.Parse{Query: endless}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}},
	} {
		c := fx.connect(t)
		c.send(start...)
		c.net.Close()
		eventually(t, "the session has ended", func() bool {
			fx.server.mu.Lock()
			defer fx.server.mu.Unlock()
			return len(fx.server.conns) == 0
		})
	}
}
