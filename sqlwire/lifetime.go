package sqlwire

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// past is a deadline that has gone by: it wakes blocked reads and writes.
var past = time.Unix(1, 0)

// errTerminate is the client's Terminate message.
var errTerminate = errors.New("sqlwire: client has left")

// errHandled ends a connection that needs no further answer.
var errHandled = errors.New("sqlwire: connection handled")

// An idleLimit is how long a client may be silent, and what it is told then.
type idleLimit struct {
	after time.Duration // 0: for ever
	err   *pgerr.Error
}

// idleTimeout is the limit for the next message; inside a cycle of extended
// messages there is none, as in PostgreSQL.
func (c *conn) idleTimeout() idleLimit {
	if c.extended {
		return idleLimit{}
	}
	after, err := c.session.IdleTimeout()
	return idleLimit{after, err}
}

// explain replaces the error of a read that ended at the limit.
func (l idleLimit) explain(err error) error {
	if l.after > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return fatal(l.err)
	}
	return err
}

// await marks the connection as waiting for its client, for the given time if
// that is not 0; false says that the connection is to end now.
func (c *conn) await(limit time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if c.draining && !c.inTxn && !c.extended && c.cause == nil {
		c.cause = errShutdown
	}
	if c.cause != nil {
		return false
	}
	deadline := time.Time{}
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	c.idle = !c.inTxn && !c.extended
	if c.notified && c.idle {
		deadline = past
	}
	c.raw.SetReadDeadline(deadline)
	return true
}

// notify wakes the connection if it waits for its client outside of a transaction: there are
// notifications for it. It may be called from any goroutine.
func (c *conn) notify() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notified = true
	if c.idle && c.cause == nil {
		c.raw.SetReadDeadline(past)
	}
}

// woken says whether a read was ended by notify. What it has read of a message is kept.
func (c *conn) woken(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notified && c.idle && c.cause == nil && errors.Is(err, os.ErrDeadlineExceeded)
}

// work marks the connection as busy with a message.
func (c *conn) work() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy, c.idle = true, false
	if c.cause == nil {
		c.raw.SetReadDeadline(time.Time{}) // COPY data may take their time
	}
}

// drain ends the connection when it is idle outside of a transaction.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy && !c.inTxn {
		c.stopLocked(errShutdown)
	}
}

// terminate ends the connection whatever it does. It may be called from any
// goroutine.
func (c *conn) terminate(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopLocked(cause)
}

func (c *conn) stopLocked(cause error) {
	if c.cause == nil {
		c.cause = cause
	}
	if c.cancel != nil {
		c.cancel(cause)
	}
	c.raw.SetDeadline(past)
}

// stopped returns why the connection is being ended, nil if it is not.
func (c *conn) stopped() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// goodbyeTime bounds what is done for a client that is being left.
const goodbyeTime = 2 * time.Second

// end says goodbye where there is somebody to hear it.
func (c *conn) end(err error) {
	if cause := c.stopped(); cause != nil {
		err = cause
	}
	words := lastWords(err)
	if words == nil || c.writeErr != nil {
		return
	}
	c.raw.SetDeadline(time.Now().Add(goodbyeTime))
	c.sendError(fatal(words))
	if c.flush() == nil && !isAnswer(err) {
		c.linger()
	}
}

// isAnswer says whether an error answers the client or the operator; others
// come of what was read, in the middle of it.
func isAnswer(err error) bool {
	var f *fatalError
	var pe *pgerr.Error
	return errors.As(err, &f) || errors.As(err, &pe)
}

// lastWords is the error that the client is told of before the connection is
// closed; nil if it has left, or knows.
func lastWords(err error) error {
	var f *fatalError
	var pe *pgerr.Error
	var ne net.Error
	var large *pgproto3.ExceededMaxBodyLenErr
	switch {
	case err == nil, errors.Is(err, errHandled), errors.Is(err, errTerminate):
		return nil
	case errors.As(err, &f):
		return f.err
	case errors.As(err, &pe):
		return pe
	case errors.As(err, &large):
		return pgerr.New(pgerr.ProgramLimitExceeded, "message of %d bytes is too long: the limit is %d", large.ActualBodyLen, large.MaxExpectedBodyLen).
			WithHint("Send less at once, or raise limits.message_mib of the server.")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &ne), errors.Is(err, net.ErrClosed):
		return nil
	}
	return pgerr.New(pgerr.ProtocolViolation, "%v", err)
}

// maxLinger bounds what is read of a client that is still sending.
const maxLinger = 1 << 30

// linger waits until a client that may still be sending has hung up: if a
// connection is closed while there is input that nobody read, TCP throws away
// the last words as well.
func (c *conn) linger() {
	if h, ok := c.net.(interface{ CloseWrite() error }); !ok || h.CloseWrite() != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c.net, maxLinger); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.server.opt.Logger.Debug("connection lost after the last message", slog.String("error", err.Error()))
	}
}

// fail answers an error; it returns one that ends the connection.
func (c *conn) fail(err error) error {
	if cause := c.stopped(); cause != nil {
		return cause
	}
	if c.writeErr != nil {
		return c.writeErr
	}
	var f *fatalError
	if errors.As(err, &f) {
		return err
	}
	c.sendError(err)
	return nil
}
