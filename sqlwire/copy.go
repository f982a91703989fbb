package sqlwire

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// CopyIn asks the client for COPY data and returns a reader over it, which
// must be read to its end or closed. It is query.Client's.
func (c *conn) CopyIn(ctx context.Context, binary bool, columns int) (io.ReadCloser, error) {
	format := formatCode(binary)
	resp := &pgproto3.CopyInResponse{OverallFormat: byte(format), ColumnFormatCodes: make([]uint16, columns)}
	for i := range resp.ColumnFormatCodes {
		resp.ColumnFormatCodes[i] = format
	}
	c.send(resp)
	if err := c.flush(); err != nil {
		return nil, err
	}
	c.in.wide = true
	r := &copyReader{conn: c, ctx: ctx}
	context.AfterFunc(ctx, r.wake)
	return r, nil
}

func formatCode(binary bool) uint16 {
	if binary {
		return 1
	}
	return 0
}

// A copyReader yields the bytes of CopyData messages.
type copyReader struct {
	conn *conn
	ctx  context.Context
	rest []byte // of the last message; lies in the backend's buffer
	err  error

	closed bool // guarded by conn.mu
}

// wake ends a read that waits for the client when the statement is cancelled. What has come of a
// message stays in the backend, which goes on from there.
func (r *copyReader) wake() {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if !r.closed && r.conn.cause == nil {
		r.conn.raw.SetReadDeadline(past)
	}
}

func (r *copyReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err == nil && r.ctx.Err() != nil {
			r.err = context.Cause(r.ctx)
		}
		if r.err != nil {
			return 0, r.err
		}
		r.next()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *copyReader) next() {
	msg, err := r.conn.backend.Receive()
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && r.ctx.Err() != nil && r.conn.stopped() == nil {
		r.err = context.Cause(r.ctx)
		return
	}
	if err != nil {
		r.err = fatal(brokenOff(err))
		return
	}
	switch m := msg.(type) {
	case *pgproto3.CopyData:
		r.rest = m.Data
	case *pgproto3.CopyDone:
		r.err = io.EOF
	case *pgproto3.CopyFail:
		r.err = pgerr.New(pgerr.QueryCanceled, "COPY from stdin failed: %s", m.Message)
	case *pgproto3.Flush, *pgproto3.Sync: // PostgreSQL ignores them during COPY
	case *pgproto3.Terminate:
		r.err = fatal(brokenOff(errTerminate))
	default:
		r.err = pgerr.New(pgerr.ProtocolViolation, "unexpected message type %T during COPY from stdin", msg)
	}
}

// brokenOff is the error of a client that left in the middle of COPY. Nothing
// above may take it for the end of the data, so it does not wrap io.EOF.
func brokenOff(err error) error {
	if words := lastWords(err); words != nil {
		return words
	}
	return errGone
}

var errGone = pgerr.New(pgerr.ConnectionFailure, "unexpected EOF on client connection with an open transaction")

// Close stops reading. In the simple protocol the client sends the rest of its
// data before it sees the error: the message loop drops it. In the extended
// protocol all is dropped until Sync.
func (r *copyReader) Close() error {
	r.rest = nil
	r.conn.in.wide = false
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	r.closed = true
	if r.conn.cause == nil {
		r.conn.raw.SetReadDeadline(time.Time{})
	}
	return nil
}

// CopyOut announces COPY data; the writer's Close ends it. It is query.Client's.
func (c *conn) CopyOut(binary bool, columns int) (io.WriteCloser, error) {
	format := formatCode(binary)
	resp := &pgproto3.CopyOutResponse{OverallFormat: byte(format), ColumnFormatCodes: make([]uint16, columns)}
	for i := range resp.ColumnFormatCodes {
		resp.ColumnFormatCodes[i] = format
	}
	c.send(resp)
	return &copyWriter{c}, nil
}

type copyWriter struct{ conn *conn }

// Write sends p, which holds whole rows, as one message.
func (w *copyWriter) Write(p []byte) (int, error) {
	w.conn.send(&pgproto3.CopyData{Data: p})
	return len(p), w.conn.flushIfLarge()
}

func (w *copyWriter) Close() error {
	w.conn.send(&pgproto3.CopyDone{})
	return nil
}
