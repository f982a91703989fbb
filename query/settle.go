package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
)

// settled locks the table that a statement writes to against changes of its definition,
// and returns the statement bound to the definition as it is then.
func settled[S plan.Statement](ctx context.Context, s *Session, p *Portal, st S, table *schema.Table) (S, error) {
	for {
		catalog := s.txn.Catalog()
		if err := s.txn.LockRows(ctx, table.OID); err != nil {
			return st, err
		}
		if s.txn.Catalog() == catalog {
			return st, nil
		}
		bound, err := bind.Statement(s.bindEnv(ctx, p.stmt.params, true), p.stmt.stmt)
		if err != nil {
			return st, err
		}
		again, ok := bound.(S)
		if !ok {
			return st, pgerr.New(pgerr.InternalError, "a statement is another one when it is bound again")
		}
		if err := sameFields(p, bound.Fields()); err != nil {
			return st, err
		}
		st, table = again, writtenBy(bound)
	}
}

// writtenBy returns the table that INSERT or COPY FROM writes to.
func writtenBy(st plan.Statement) *schema.Table {
	if c, ok := st.(*plan.Copy); ok {
		return c.Table
	}
	return st.(*plan.Insert).Table
}
