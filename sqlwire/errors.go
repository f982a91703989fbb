package sqlwire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A fatalError is answered with severity FATAL and ends the connection.
type fatalError struct{ err error }

func fatal(err error) error         { return &fatalError{err} }
func (e *fatalError) Error() string { return fmt.Sprintf("fatal: %v", e.err) }
func (e *fatalError) Unwrap() error { return e.err }

// sendError answers an error. What the client cannot have caused is logged.
func (c *conn) sendError(err error) {
	severity := "ERROR"
	var f *fatalError
	if errors.As(err, &f) {
		severity, err = "FATAL", f.err
	}
	pe := asPGError(err)
	var bug *panics.Error
	switch {
	case errors.As(err, &bug):
		c.server.opt.Logger.Error("panic in a statement", slog.Any("panic", bug.Value), slog.String("stack", string(bug.Stack)))
	case strings.HasPrefix(pe.Code, "XX") || strings.HasPrefix(pe.Code, "58"):
		c.server.opt.Logger.Error("statement failed", slog.String("sqlstate", pe.Code), slog.String("error", err.Error()))
	}
	c.send(errorResponse(pe, severity))
}

// asPGError chooses the SQLSTATE: the one place where errors of other packages get theirs.
func asPGError(err error) *pgerr.Error {
	var e *pgerr.Error
	switch {
	case errors.As(err, &e):
		if wrapped := err.Error(); e.Where == "" && err != error(e) && wrapped != e.Error() && e.Code == pgerr.DataCorrupted {
			c := *e
			c.Message = wrapped
			return &c
		}
		return e
	case errors.Is(err, codec.ErrCorrupt):
		return pgerr.New(pgerr.DataCorrupted, "%v", err).WithHint("Run phyllo inspect --verify on the data folder to see what else is damaged.")
	case errors.Is(err, context.Canceled):
		return pgerr.New(pgerr.QueryCanceled, "canceling statement due to user request")
	case errors.Is(err, context.DeadlineExceeded):
		return pgerr.New(pgerr.QueryCanceled, "canceling statement due to statement timeout")
	}
	return pgerr.New(pgerr.InternalError, "%v", err)
}

func errorResponse(e *pgerr.Error, severity string) *pgproto3.ErrorResponse {
	if e.Severity != "" {
		severity = e.Severity
	}
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: e.Code, Message: field(e.Message),
		Detail: field(e.Detail), Hint: field(e.Hint), Position: int32(e.Position), Where: field(e.Where),
		SchemaName: e.Schema, TableName: e.Table, ColumnName: e.Column, DataTypeName: e.Type, ConstraintName: e.Constraint,
	}
}

// field makes a text fit into a message's field, which ends with a zero byte.
func field(s string) string { return strings.ReplaceAll(s, "\x00", "\\0") }
