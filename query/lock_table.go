package query

import (
	"context"
	"errors"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

var tableModes = map[string]locking.TableMode{
	"ACCESS SHARE": locking.AccessShare, "ROW SHARE": locking.RowShare, "ROW EXCLUSIVE": locking.RowExclusive,
	"SHARE UPDATE EXCLUSIVE": locking.ShareUpdateExclusive, "SHARE": locking.Share,
	"SHARE ROW EXCLUSIVE": locking.ShareRowExclusive, "EXCLUSIVE": locking.Exclusive,
	"ACCESS EXCLUSIVE": locking.AccessExclusive, "": locking.AccessExclusive,
}

// lockTable is LOCK TABLE. A view stands for the tables that it reads.
func (s *Session) lockTable(ctx context.Context, st *ast.Lock) (string, error) {
	if !s.inBlock() {
		return "", noTransaction("LOCK TABLE")
	}
	s.lockedTables = true
	for _, ref := range st.Tables {
		tables, err := s.lockable(ctx, ref)
		if err != nil {
			return "", err
		}
		for _, table := range tables {
			if err := s.txn.LockTable(ctx, table, tableModes[st.Mode], st.NoWait, !s.ran); err != nil {
				return "", err
			}
		}
	}
	return "LOCK TABLE", nil
}

// lockable returns the tables that a name of LOCK TABLE stands for.
func (s *Session) lockable(ctx context.Context, ref *ast.TableRef) ([]datum.OID, error) {
	if rel := s.relationKind(ref.Name); rel != "" {
		return nil, pgerr.New(pgerr.WrongObjectType, "cannot lock relation %q", ref.Name.Name).WithDetail("This operation is not supported for %s.", rel)
	}
	all := &ast.Select{Targets: []ast.Target{{Expr: &ast.ColumnRef{Star: true}}}, From: []ast.TableExpr{&ast.TableRef{Name: ref.Name}}}
	bound, err := bind.Statement(s.bindEnv(ctx, nil, true), all)
	var e *pgerr.Error
	if errors.As(err, &e) { // as PostgreSQL does, without the place
		c := *e
		c.Position = 0
		return nil, &c
	}
	if err != nil {
		return nil, err
	}
	tables, _ := plan.Uses(bound)
	if len(tables) == 0 {
		return nil, pgerr.Unsupported("locking %q, which is no table, is not supported", ref.Name.Name)
	}
	slices.Sort(tables)
	return tables, nil
}

// relationKind says what a relation is that cannot be locked, in the plural.
func (s *Session) relationKind(n ast.Name) string {
	catalog := s.txn.Catalog()
	in := func(ns datum.OID) bool {
		space := catalog.Namespaces[ns]
		if space == nil {
			return false
		}
		if n.Schema != "" {
			return space.Name == n.Schema
		}
		return slices.Contains(s.SearchPath(true), space.Name)
	}
	for _, seq := range catalog.Sequences {
		if seq.Name == n.Name && in(seq.Namespace) {
			return "sequences"
		}
	}
	return ""
}

// sessionLocks are the advisory locks as functions see them. Expressions of one statement may
// call it from several goroutines.
type sessionLocks struct{ *Session }

// Locks are the advisory locks of the session and its transaction.
func (s *Session) Locks() function.Locks { return sessionLocks{s} }

// LockAdvisory locks, and says whether it has.
func (s sessionLocks) LockAdvisory(ctx context.Context, how function.AdvisoryLock) (bool, error) {
	how.Database = s.txn.Catalog().DatabaseOID
	if how.Transaction {
		return s.txn.LockAdvisory(ctx, how.Advisory, how.Shared, how.Wait)
	}
	s.locking.Lock()
	defer s.locking.Unlock()
	return s.locks.LockAdvisory(ctx, how.Advisory, how.Shared, how.Wait, s.lockTimeout())
}

// UnlockAdvisory takes one lock of the session back; false: it has none.
func (s sessionLocks) UnlockAdvisory(how function.AdvisoryLock) bool {
	how.Database = s.txn.Catalog().DatabaseOID
	s.locking.Lock()
	defer s.locking.Unlock()
	if s.locks.UnlockAdvisory(how.Advisory, how.Shared) {
		return true
	}
	s.warn("01000", "you don't own a lock of type %s", map[bool]string{false: "ExclusiveLock", true: "ShareLock"}[how.Shared])
	return false
}

// UnlockAll takes all locks of the session back.
func (s sessionLocks) UnlockAll() {
	s.locking.Lock()
	defer s.locking.Unlock()
	s.locks.UnlockAll()
}

// Blocking returns the sessions that one waits for.
func (s sessionLocks) Blocking(pid int32) []int32 { return s.engine.opt.Storage.Blocking(pid) }
