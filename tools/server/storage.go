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

// storage makes an engine what the query engine reads through. Only Begin needs
// a word: Go wants the interface as its result.
type storage struct{ *engine.DB }

func (s storage) Begin(ctx context.Context, iso qs.Isolation, readOnly bool) (qs.Txn, error) {
	return s.DB.Begin(ctx, engine.TxnOptions{RepeatableRead: iso == qs.RepeatableRead, ReadOnly: readOnly})
}

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
