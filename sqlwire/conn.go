package sqlwire

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query"
)

// flushBytes is how much output is gathered before it goes to the socket.
const flushBytes = 64 << 10

// A conn is one client connection, owned by the goroutine in serve. It is the
// query.Client of its session.
type conn struct {
	server  *Server
	raw     net.Conn    // the TCP connection, whose deadlines others may set
	net     net.Conn    // raw, or TLS over it
	in      *wideReader // of net, once start-up is over
	backend *pgproto3.Backend
	session *query.Session
	full    bool // the server has no room: refuse after start-up

	out      []byte // messages not yet written
	writeErr error  // of an earlier write: nothing more can be said

	reported map[string]string // settings as the client knows them
	changed  map[string]string // set since the last ReadyForQuery

	formats    []int16 // result formats of the rows that are being sent; nil: text
	skipToSync bool    // after an error in the extended protocol
	extended   bool    // inside a cycle of extended messages that Sync will end

	mu       sync.Mutex // guards the fields below
	busy     bool       // a message is being worked on
	inTxn    bool       // as of the last ReadyForQuery
	draining bool
	idle     bool  // it waits for its client, outside of transactions and of cycles of messages
	notified bool  // notifications have come
	cause    error // why the connection is being ended
	cancel   context.CancelCauseFunc
}

func newConn(s *Server, nc net.Conn) *conn {
	if t, ok := nc.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 4})
	}
	return &conn{server: s, raw: nc, net: nc, reported: map[string]string{}, changed: map[string]string{}}
}

// serve runs the connection to its end.
func (c *conn) serve() {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	defer c.raw.Close()
	defer func() {
		if c.session != nil {
			c.session.Close()
		}
	}()
	c.end(c.run(ctx))
}

// run is the connection from start-up to the last message. A panic outside of a
// statement, which has its own (query.Session), ends this session only: what was in flight
// is rolled back, and the write path below never leaves shared state half changed.
func (c *conn) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.server.opt.Logger.Error("panic in session", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fatal(pgerr.New(pgerr.InternalError, "internal error: %v", p))
		}
	}()
	if err := c.startup(); err != nil {
		return err
	}
	return c.loop(ctx)
}

// loop reads and runs messages until the client leaves.
func (c *conn) loop(ctx context.Context) error {
	for {
		idle := c.idleTimeout()
		if !c.await(idle.after) {
			return nil
		}
		msg, err := c.backend.Receive()
		if err != nil && c.woken(err) {
			c.work()
			c.sendNotifications()
			if err := c.flush(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return idle.explain(err)
		}
		c.work()
		if err := c.handle(ctx, msg); err != nil {
			return err
		}
	}
}

func (c *conn) handle(ctx context.Context, msg pgproto3.FrontendMessage) error {
	if c.skipToSync {
		switch msg.(type) {
		case *pgproto3.Sync, *pgproto3.Terminate:
		default:
			return nil
		}
	}
	switch m := msg.(type) {
	case *pgproto3.Query:
		return c.simpleQuery(ctx, m.String)
	case *pgproto3.Terminate:
		return errTerminate
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // left over from a COPY that failed
	default:
		return c.extendedMessage(ctx, msg)
	}
}

func (c *conn) simpleQuery(ctx context.Context, sql string) error {
	begin, stop := time.Now(), c.watch()
	err := c.session.Simple(ctx, sql)
	stop()
	c.observe(begin, err)
	if err != nil {
		if err := c.fail(err); err != nil {
			return err
		}
	}
	return c.ready()
}

func (c *conn) observe(begin time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	c.server.metrics.statements.WithLabelValues(outcome).Observe(time.Since(begin).Seconds())
}

// ready ends a cycle: the client may send again.
func (c *conn) ready() error {
	status := c.session.TxStatus()
	c.mu.Lock()
	c.inTxn = status != 'I'
	c.mu.Unlock()
	c.sendChanged()
	if status == 'I' {
		c.sendNotifications()
	}
	c.send(&pgproto3.ReadyForQuery{TxStatus: status})
	return c.flush()
}

// send encodes a message; it goes out with the next flush.
func (c *conn) send(m pgproto3.BackendMessage) {
	out, err := m.Encode(c.out)
	if err != nil { // larger than the protocol can say
		if c.writeErr == nil {
			c.writeErr = fmt.Errorf("encoding %T: %w", m, err)
		}
		return
	}
	c.out = out
}

// maxKept is how large an output buffer is kept for the next messages.
const maxKept = 4 * flushBytes

// flush writes what was sent. After an error nothing more is written: the
// client may have got a part of a message.
func (c *conn) flush() error {
	if c.writeErr != nil {
		return c.writeErr
	}
	if len(c.out) == 0 {
		return nil
	}
	_, c.writeErr = c.net.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > maxKept {
		c.out = nil
	}
	return c.writeErr
}

// flushIfLarge bounds the output that is gathered.
func (c *conn) flushIfLarge() error {
	if len(c.out) < flushBytes {
		return nil
	}
	return c.flush()
}
