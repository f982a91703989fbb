package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A locker locks rows of one attempt at a statement.
type locker struct {
	session *Session
	skipped map[datum.OID]bool // tables without a key whose rows somebody else has locked
}

// LockRows is that of exec.Locker.
func (l *locker) LockRows(ctx context.Context, lock *plan.RowLock, keys arrow.RecordBatch) (kept []int32, err error) {
	switch {
	case l.skipped[lock.Table.OID]:
		return []int32{}, nil
	case len(lock.Keys) == 0:
		return nil, nil // they were locked when the statement began
	}
	kept, again, err := l.session.txn.LockVersions(ctx, lock.Table.OID, keys, lock.Strength, lock.Wait)
	if again {
		return nil, exec.ErrAgain
	}
	return kept, err
}

// beginRowLocks begins the snapshot of a statement that locks rows, if it does, and returns
// the tables without a key whose rows it is to skip.
func (s *Session) beginRowLocks(ctx context.Context, st plan.Statement) (skipped map[datum.OID]bool, err error) {
	_, locks := plan.Uses(st)
	for _, l := range locks {
		none, err := s.txn.BeginRowLocks(ctx, l.Table.OID, l.Strength, l.Wait)
		if err != nil {
			return nil, err
		}
		if none {
			if skipped == nil {
				skipped = map[datum.OID]bool{}
			}
			skipped[l.Table.OID] = true
		}
	}
	return skipped, nil
}

// lockReads locks the tables that a statement reads, and begins another snapshot if it had to
// wait: what was done meanwhile is seen.
func (s *Session) lockReads(ctx context.Context, st plan.Statement) error {
	reads, _ := plan.Uses(st)
	if len(reads) == 0 {
		return nil
	}
	waited, err := s.txn.LockReads(ctx, reads)
	if err != nil || !waited {
		return err
	}
	return s.txn.Snapshot(ctx)
}

// bound binds a portal's statement.
func (s *Session) bound(ctx context.Context, p *Portal) (plan.Statement, error) {
	st, err := bind.Statement(s.bindEnv(ctx, p.stmt.params, true), p.stmt.stmt)
	if err != nil {
		return nil, err
	}
	return st, sameFields(p, st.Fields())
}

// readable locks what a statement reads, and returns it bound to the definitions as they are
// then.
func (s *Session) readable(ctx context.Context, p *Portal, st plan.Statement) (plan.Statement, error) {
	for {
		catalog := s.txn.Catalog()
		if err := s.lockReads(ctx, st); err != nil {
			return nil, err
		}
		if s.txn.Catalog() == catalog {
			return st, nil
		}
		var err error
		if st, err = s.bound(ctx, p); err != nil {
			return nil, err
		}
	}
}

// errLocksRows refuses a statement that locks rows where their rows are not kept.
func errLocksRows(st plan.Statement, command string) error {
	if _, locks := plan.Uses(st); len(locks) > 0 {
		return pgerr.Unsupported("%s in %s is not supported", locks[0].Strength, command)
	}
	return nil
}
