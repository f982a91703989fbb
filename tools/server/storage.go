package server

import (
	"context"
	"errors"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/ingest/httpapi"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
	qs "github.com/phyllodb/phyllo/query/storage"
)

// storage makes an engine what the query engine reads through. Only what returns
// an interface needs a word: Go wants that very interface as its result.
type storage struct{ *engine.DB }

func (s storage) NewLocks(pid int32) qs.Locks { return s.DB.NewLocks(pid) }

func (s storage) Begin(ctx context.Context, opt qs.TxnOptions) (qs.Txn, error) {
	locks, _ := opt.Locks.(*engine.Locks)
	t, err := s.DB.Begin(ctx, engine.TxnOptions{RepeatableRead: opt.Isolation == qs.RepeatableRead, ReadOnly: opt.ReadOnly, Locks: locks, Database: opt.Database})
	if err != nil {
		return nil, err
	}
	return txn{t}, nil
}

// txn makes a transaction of the engine what the query engine runs in.
type txn struct{ *engine.Txn }

func (t txn) Statement() qs.Reader { return t.Txn.Statement() }

// router makes the partition keys of the query engine what the storage engine
// routes rows by.
func router(t *schema.Table) (engine.Router, error) {
	r, err := query.Router(t)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// loads makes the SQL engine what HTTP ingest writes through.
type loads struct{ server *Server }

func (l loads) Load(ctx context.Context, user, table string) (httpapi.Load, error) {
	if !l.server.ready.Load() {
		return nil, errNotReady
	}
	if err := l.server.db.Admit(); err != nil {
		if errors.Is(err, engine.ErrBusy) {
			return nil, httpapi.ErrBusy
		}
		return nil, err
	}
	loader, err := l.server.sql.NewLoader(ctx, user, table)
	if err != nil {
		return nil, err
	}
	return loader, nil
}

var _ httpapi.Load = (*query.Loader)(nil)
