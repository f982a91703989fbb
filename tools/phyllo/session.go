package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// sessionFlags say how a command connects to a running server by PostgreSQL's
// protocol.
type sessionFlags struct {
	Database string `help:"Where the server is, for Parquet and Arrow: a URL of PostgreSQL's." default:"postgres://127.0.0.1:5433/phyllo" env:"PHYLLO_DATABASE" placeholder:"URL"`
}

// connect opens a session, again while the server is starting.
func (s sessionFlags) connect(ctx context.Context, user, application string, attempts int) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(s.Database)
	if err != nil {
		return nil, fmt.Errorf("the URL of the server: %w", err)
	}
	if user != "" {
		config.User = user
	}
	if config.Password == "" {
		config.Password = os.Getenv("PHYLLO_PASSWORD")
	}
	config.RuntimeParams["application_name"] = application
	for attempt := 1; ; attempt++ {
		conn, err := pgconn.ConnectConfig(ctx, config)
		if err == nil || !isBusy(err) || attempt >= attempts {
			return conn, err
		}
		if err := breath(ctx); err != nil {
			return nil, err
		}
	}
}

// breath waits before something is tried again.
func breath(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
		return nil
	}
}

// sqlState is the SQLSTATE of a server's error, or "".
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// isBusy says whether a transaction that failed has changed nothing and may be
// tried again.
func isBusy(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01", "57P03", pgerr.OutOfMemory, pgerr.TooManyConnections, pgerr.LockNotAvailable:
		return true
	}
	return false
}

// explained adds what a server's error has beside its message.
func explained(err error) error {
	var e *pgconn.PgError
	var done *serverError
	if errors.As(err, &done) || !errors.As(err, &e) {
		return err
	}
	text := fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code)
	if e.Detail != "" {
		text += "\ndetail: " + e.Detail
	}
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return &serverError{text, err}
}

// A serverError is an error of the server in words for a terminal.
type serverError struct {
	text  string
	cause error
}

func (e *serverError) Error() string { return e.text }
func (e *serverError) Unwrap() error { return e.cause }

// run runs statements without parameters.
func run(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	return conn.Exec(ctx, sql).Close()
}

// rows runs a statement and returns its rows as text.
func rows(ctx context.Context, conn *pgconn.PgConn, sql string, args ...string) ([][]string, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, sql, params, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	out := make([][]string, len(result.Rows))
	for i, r := range result.Rows {
		for _, v := range r {
			out[i] = append(out[i], string(v))
		}
	}
	return out, nil
}

// A tablePath is a table as the command line names it, as it is written.
type tablePath struct{ schema, name string }

func parseTablePath(s string) tablePath {
	if schema, name, ok := strings.Cut(s, "."); ok {
		return tablePath{schema, name}
	}
	return tablePath{"public", s}
}

// sql is the name in a statement.
func (t tablePath) sql() string { return ast.QuoteIdent(t.schema) + "." + ast.QuoteIdent(t.name) }

func (t tablePath) String() string { return t.schema + "." + t.name }

// idents joins names for a statement.
func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ast.QuoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}
