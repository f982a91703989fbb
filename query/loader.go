package query

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Loader inserts batches into one table in one transaction, with the
// defaults of columns that are left out: ingest that does not come as SQL. It
// is used by one goroutine.
type Loader struct {
	session *Session
	table   *schema.Table
	columns []int
	done    *completer
}

// NewLoader starts a load into table or schema.table.
func (e *Engine) NewLoader(ctx context.Context, user, table string) (*Loader, error) {
	s, err := e.NewSession(SessionOptions{User: user, Database: e.opt.Database, Client: silent{}, Settings: map[string]string{"application_name": "ingest"}})
	if err != nil {
		return nil, err
	}
	l := &Loader{session: s}
	if err := s.startStatement(ctx); err != nil {
		l.Rollback()
		return nil, err
	}
	name := ast.Name{Name: table}
	if ns, rest, ok := strings.Cut(table, "."); ok {
		name = ast.Name{Schema: ns, Name: rest}
	}
	l.table, err = s.findTable(name)
	if err == nil {
		err = s.txn.LockRows(ctx, l.table.OID)
	}
	if err == nil { // as it is now
		l.table, err = s.findTable(name)
	}
	if err != nil {
		l.Rollback()
		return nil, err
	}
	return l, nil
}

// Table is what is loaded into.
func (l *Loader) Table() *schema.Table { return l.table }

// Types are those that users have defined.
func (l *Loader) Types() datum.UserTypes { return l.session.Env().Types }

// Insert adds rows; columns are indexes into the table's columns, in the order
// of the batch's. It returns how many rows went in.
func (l *Loader) Insert(ctx context.Context, columns []int, batch arrow.RecordBatch) (int64, error) {
	if l.done == nil || !slices.Equal(columns, l.columns) {
		st, err := bind.CopyColumns(l.session.bindEnv(ctx, nil, true), l.table, columns)
		if err != nil {
			return 0, err
		}
		if l.done, err = l.session.newCompleter(ctx, &Portal{}, st); err != nil {
			return 0, err
		}
		l.columns = slices.Clone(columns)
	}
	return l.done.insert(ctx, batch)
}

// Commit makes the rows durable and visible.
func (l *Loader) Commit(ctx context.Context) error {
	err := l.session.commit(ctx)
	l.session.Close()
	return err
}

// Rollback forgets them; after Commit it does nothing.
func (l *Loader) Rollback() { l.session.Close() }

// silent is the client of sessions that nobody listens to.
type silent struct{}

func (silent) Describe([]plan.Field, bool) error          { return nil }
func (silent) Rows([]plan.Field, arrow.RecordBatch) error { return nil }
func (silent) Complete(string) error                      { return nil }
func (silent) Empty() error                               { return nil }
func (silent) Notice(*pgerr.Error)                        {}
func (silent) ParameterStatus(string, string)             {}
func (silent) CopyIn(context.Context, bool, int) (io.ReadCloser, error) {
	return nil, pgerr.Unsupported("COPY is not supported here")
}
func (silent) CopyOut(bool, int) (io.WriteCloser, error) {
	return nil, pgerr.Unsupported("COPY is not supported here")
}
