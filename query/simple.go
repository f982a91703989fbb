package query

import (
	"context"
	"time"

	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/parse"
)

// Simple runs the statements of a string, one after the other, in one implicit
// transaction unless they open blocks. An error ends the string.
func (s *Session) Simple(ctx context.Context, sql string) (err error) {
	defer s.caught(&err)
	s.setState("active", sql)
	defer s.settle()
	delete(s.prepared, "")
	s.ClosePortal("")
	if err := s.cancellable(ctx, func(ctx context.Context, _ context.CancelCauseFunc) error { return s.simpleStatements(ctx, sql) }); err != nil {
		return s.Fail(err)
	}
	return nil
}

// parse parses a string, which cancel requests and statement_timeout end.
func (s *Session) parse(ctx context.Context, sql string) (stmts []parse.Stmt, err error) {
	err = s.interruptible(ctx, func(ctx context.Context) error {
		stmts, err = parse.ParseContext(ctx, sql)
		return err
	})
	return stmts, err
}

func (s *Session) simpleStatements(ctx context.Context, sql string) error {
	stmts, err := s.parse(ctx, sql)
	if err != nil {
		return err
	}
	if len(stmts) == 0 {
		return s.client.Empty()
	}
	s.implicitBlock = len(stmts) > 1
	defer func() { s.implicitBlock = false }()
	for i, st := range stmts {
		if err := ctx.Err(); err != nil { // a cancel request that came between two statements
			return err
		}
		if err := s.simpleStatement(ctx, st, i == len(stmts)-1); err != nil {
			return err
		}
	}
	return nil
}

// simpleStatement runs one statement. The transaction is committed before the
// client hears that its last statement is complete.
func (s *Session) simpleStatement(ctx context.Context, st parse.Stmt, last bool) error {
	if err := s.checkBlock(st.Node); err != nil {
		return err
	}
	p := &Portal{stmt: &Prepared{text: st.Text, stmt: st.Node}}
	defer p.close()
	err := s.interruptible(ctx, func(ctx context.Context) error {
		if err := s.start(ctx, p); err != nil {
			return err
		}
		if p.fields != nil {
			if err := s.client.Describe(p.fields, p.binary); err != nil {
				return err
			}
		}
		_, err := s.send(ctx, p, 0)
		return err
	})
	if err != nil {
		return err
	}
	p.close()
	if s.block == noBlock && (last || isTransaction(st.Node)) {
		if err := s.commit(ctx); err != nil {
			return err
		}
	}
	return s.client.Complete(p.completion())
}

func isTransaction(stmt ast.Node) bool {
	_, ok := stmt.(*ast.Transaction)
	return ok
}

// Sync ends a cycle of the extended protocol: an implicit transaction is
// committed.
func (s *Session) Sync(ctx context.Context) (err error) {
	defer s.settle()
	defer s.caught(&err)
	if s.block != noBlock || s.txn == nil {
		return nil
	}
	return s.commit(ctx)
}

// settle notes that the session waits for its client.
func (s *Session) settle() {
	switch s.block {
	case openBlock:
		s.setState("idle in transaction", "")
	case failedBlock:
		s.setState("idle in transaction (aborted)", "")
	default:
		s.setState("idle", "")
	}
}

// startStatement opens a transaction if there is none and takes a snapshot.
func (s *Session) startStatement(ctx context.Context) error {
	if err := s.ensureTxn(ctx); err != nil {
		return err
	}
	s.stmtStart, s.env = time.Now(), nil
	s.txn.SetLockTimeout(s.lockTimeout())
	return s.txn.Snapshot(ctx)
}
