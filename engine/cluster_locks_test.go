package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// lockRow locks a row as FOR UPDATE does.
func lockRow(ctx context.Context, tx *engine.Txn, table datum.OID, k row, wait locking.Wait) (again bool, err error) {
	if _, err := tx.BeginRowLocks(ctx, table, locking.UpdateRow, wait); err != nil {
		return false, err
	}
	_, again, err = tx.LockVersions(ctx, table, keyBatch(k), locking.UpdateRow, wait)
	return again, err
}

// TestClusterRowLocks locks a row on one node: another one waits for it, and sees then what
// has become of it.
func TestClusterRowLocks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	defer a.close()
	defer b.close()
	table := createTable(t, a.db, "items", true, schema.DuplicateError)
	k := row{"k", 1, 1}
	insert(t, a.db, table, k)
	for i := range int64(4) {
		here, there := a, b
		if i%2 == 1 {
			here, there = b, a
		}
		tx := begin(t, here.db, engine.TxnOptions{})
		if again, err := lockRow(ctx, tx, table, k, locking.Block); again || err != nil {
			t.Fatalf("%d: %t, %v", i, again, err)
		}
		other := begin(t, there.db, engine.TxnOptions{})
		if _, err := lockRow(ctx, other, table, k, locking.NoWait); codeOf(err) != pgerr.LockNotAvailable {
			t.Fatalf("%d: NOWAIT: %v", i, err)
		}
		other.SetLockTimeout(50 * time.Millisecond)
		if _, err := lockRow(ctx, other, table, k, locking.SkipLocked); codeOf(err) != pgerr.LockNotAvailable {
			t.Fatalf("%d: lock_timeout: %v", i, err)
		}
		other.SetLockTimeout(0)
		done, waited := make(chan error, 1), k
		go func() {
			_, err := lockRow(ctx, other, table, waited, locking.Block)
			done <- err
		}()
		if err := tx.BeginChange(ctx, table, locking.NoKeyUpdate); err != nil {
			t.Fatal(err)
		}
		if again, err := tx.Delete(ctx, table, batchOf(k)); again || err != nil {
			t.Fatalf("%d: %t, %v", i, again, err)
		}
		k.v++
		if _, _, err := tx.Insert(ctx, table, batchOf(k), 0); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		got, err := read(other, table)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "after the wait", got, counts(k))
		other.Rollback()
	}
}

// TestClusterTableLocks locks what other nodes know nothing of: it is refused while there
// are any, and a transaction does not commit if one has come since.
func TestClusterTableLocks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	defer a.close()
	table := createTable(t, a.db, "items", true, schema.DuplicateError)
	alone := begin(t, a.db, engine.TxnOptions{})
	if err := alone.LockTable(ctx, table, locking.Exclusive, false, true); err != nil {
		t.Fatal(err)
	}
	locks := a.db.NewLocks(7)
	if got, err := locks.LockAdvisory(ctx, locking.Advisory{Key: 1}, false, true, 0); !got || err != nil {
		t.Fatalf("advisory lock: %t, %v", got, err)
	}
	if _, _, err := alone.Insert(ctx, table, batchOf(row{"k", 1, 1}), 0); err != nil {
		t.Fatal(err)
	}
	b := newNode(t, shared, "b", quiet)
	defer b.close()
	await(t, "node a to see node b", func() bool {
		_, err := locks.LockAdvisory(ctx, locking.Advisory{Key: 2}, false, false, 0)
		return codeOf(err) == pgerr.FeatureNotSupported
	})
	if err := alone.Commit(ctx); codeOf(err) != pgerr.SerializationFailure {
		t.Fatalf("commit: %v", err)
	}
	tx := begin(t, b.db, engine.TxnOptions{})
	defer tx.Rollback()
	if _, err := tx.LockAdvisory(ctx, locking.Advisory{Key: 1}, false, false); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("advisory lock on node b: %v", err)
	}
	if err := tx.LockTable(ctx, table, locking.Share, false, true); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("LOCK TABLE IN SHARE MODE on node b: %v", err)
	}
	// A weak one keeps definitions of the other node waiting.
	if err := tx.LockTable(ctx, table, locking.AccessShare, false, true); err != nil {
		t.Fatal(err)
	}
	other := begin(t, a.db, engine.TxnOptions{})
	defer other.Rollback()
	other.SetLockTimeout(100 * time.Millisecond)
	if err := other.Truncate(ctx, table); codeOf(err) != pgerr.LockNotAvailable {
		t.Errorf("TRUNCATE on node a: %v", err)
	}
	locks.UnlockAll()
}
