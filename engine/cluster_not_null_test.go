package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// withoutValue makes rows of keys whose v is NULL.
func withoutValue(keys ...string) arrow.RecordBatch {
	rows := make([]row, len(keys))
	for i, k := range keys {
		rows[i].k = k
	}
	b := batchOf(rows...)
	v := array.NewInt64Builder(memory.DefaultAllocator)
	defer v.Release()
	v.AppendNulls(len(keys))
	return array.NewRecordBatch(b.Schema(), []arrow.Array{b.Column(0), b.Column(1), v.NewArray()}, b.NumRows())
}

// insertBatch adds rows in a transaction of its own.
func insertBatch(db *engine.DB, table datum.OID, rows arrow.RecordBatch) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	if _, _, err := tx.Insert(ctx, table, rows, chunk.InsertDefault); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

var isNull = chunk.Predicate{Column: 3, Op: chunk.OpIsNull}

var errNullsFound = pgerr.New(pgerr.NotNullViolation, "there are NULLs")

// notNull is ALTER TABLE ... ALTER v SET NOT NULL, or DROP NOT NULL, up to the commit.
func notNull(ctx context.Context, tx *engine.Txn, table datum.OID, set bool) error {
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	def := *tx.Catalog().Tables[table]
	def.Columns = slices.Clone(def.Columns)
	def.Columns[2].NotNull = set
	if err := tx.Apply(ctx, schema.Change{PutTable: &def}); err != nil || !set {
		return err
	}
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	found, err := read(tx, table, isNull)
	if err == nil && len(found) > 0 {
		err = errNullsFound
	}
	return err
}

func setNotNull(db *engine.DB, table datum.OID, set bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := notNull(ctx, tx, table, set); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// eventually calls f until it returns no error.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestClusterNotNull makes a column NOT NULL while another node has transactions open that
// began before.
func TestClusterNotNull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, keyed := range map[string]bool{"events": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			defer b.close()
			defer a.close()
			table := createTable(t, a.db, name, keyed, schema.DuplicateReplace)
			insert(t, a.db, table, row{"a", 1, 1})
			begun := func(rows arrow.RecordBatch) *engine.Txn {
				eventually(t, "insert", func() error { // b may have to hear of a definition yet
					tx := begin(t, b.db, engine.TxnOptions{})
					defer tx.Rollback()
					_, _, err := tx.Insert(ctx, table, rows, chunk.InsertDefault)
					return err
				})
				tx := begin(t, b.db, engine.TxnOptions{})
				if _, _, err := tx.Insert(ctx, table, rows, chunk.InsertDefault); err != nil {
					t.Fatal(err)
				}
				return tx
			}
			many := make([]string, 80_000) // more than is committed in a record: they are staged
			for i := range many {
				many[i] = fmt.Sprintf("%s%d", strings.Repeat("x", 60), i)
			}

			// A NULL that another node has in its buffers counts, and all is as before then.
			if err := insertBatch(b.db, table, withoutValue("null")); err != nil {
				t.Fatal(err)
			}
			if err := setNotNull(a.db, table, true); err != errNullsFound {
				t.Fatalf("NOT NULL of a column with NULLs: %v", err)
			}
			open := begun(withoutValue("null"))
			if err := open.Commit(ctx); err != nil {
				t.Errorf("a NULL after NOT NULL was refused: %v", err)
			}

			// Until it is found out NULLs are refused, and may go.
			half := begin(t, a.db, engine.TxnOptions{})
			if err := notNull(ctx, half, table, true); err != errNullsFound {
				t.Fatal(err)
			}
			if err := insertBatch(b.db, table, withoutValue("more")); pgerr.Code(err) != pgerr.SerializationFailure {
				t.Errorf("a NULL while it is found out whether there are any: %v", err)
			}
			if err := insertBatch(b.db, table, batchOf(row{"c", 3, 3})); err != nil {
				t.Errorf("no NULL meanwhile: %v", err)
			}
			if err := deleteNulls(b.db, table); err != nil {
				t.Errorf("deleting NULLs meanwhile: %v", err)
			}
			half.Rollback()

			// What began before and has NULLs is not committed after, the rest is.
			short, long, good := begun(withoutValue("short")), begun(withoutValue(many...)), begun(batchOf(row{"b", 2, 2}))
			if err := setNotNull(a.db, table, true); err != nil {
				t.Fatalf("NOT NULL: %v", err)
			}
			for _, tx := range []*engine.Txn{short, long} {
				if err := tx.Commit(ctx); pgerr.Code(err) != pgerr.SerializationFailure {
					t.Errorf("commit of a NULL that was inserted before: %v", err)
				}
			}
			if err := good.Commit(ctx); err != nil {
				t.Errorf("commit of what has no NULL: %v", err)
			}
			if err := insertBatch(b.db, table, withoutValue("late")); pgerr.Code(err) != pgerr.NotNullViolation {
				t.Errorf("a NULL in a column that is NOT NULL: %v", err)
			}
			for _, n := range []*node{a, b} {
				sameRows(t, n.name, n.latest(table), counts(row{"a", 1, 1}, row{"b", 2, 2}, row{"c", 3, 3}))
			}
		})
	}
}

// TestClusterNotNullUndone takes back to a savepoint, and ends, transactions that have
// made a column NOT NULL.
func TestClusterNotNullUndone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	defer b.close()
	defer a.close()
	table := createTable(t, a.db, "events", false, 0)
	tx := begin(t, a.db, engine.TxnOptions{})
	mark := tx.Savepoint()
	if err := notNull(ctx, tx, table, true); err != nil {
		t.Fatal(err)
	}
	if err := tx.RollbackTo(ctx, mark); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tx.Insert(ctx, table, withoutValue("own"), chunk.InsertDefault); err != nil {
		t.Errorf("a NULL after ROLLBACK TO: %v", err)
	}
	eventually(t, "a NULL of another node after ROLLBACK TO", func() error { return insertBatch(b.db, table, withoutValue("other")) })
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	tx = begin(t, a.db, engine.TxnOptions{})
	if err := deleteNulls(a.db, table); err != nil {
		t.Fatal(err)
	}
	for _, set := range []bool{true, false} {
		if err := notNull(ctx, tx, table, set); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	eventually(t, "a NULL after SET and DROP", func() error { return insertBatch(b.db, table, withoutValue("other")) })
	if err := setNotNull(a.db, table, true); err != errNullsFound {
		t.Errorf("NOT NULL: %v", err)
	}
}

// TestClusterNotNullTwice makes two columns NOT NULL in one transaction, one after the other.
func TestClusterNotNullTwice(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	defer b.close()
	defer a.close()
	table := createTable(t, a.db, "events", false, 0)
	tx := begin(t, a.db, engine.TxnOptions{})
	for _, column := range []int{2, 1} {
		def := *tx.Catalog().Tables[table]
		def.Columns = slices.Clone(def.Columns)
		def.Columns[column].NotNull = true
		if err := tx.Apply(ctx, schema.Change{PutTable: &def}); err != nil {
			t.Fatal(err)
		}
	}
	if err := insertBatch(b.db, table, withoutValue("null")); pgerr.Code(err) != pgerr.SerializationFailure {
		t.Errorf("a NULL in the first column while the second is looked at: %v", err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := insertBatch(b.db, table, withoutValue("null")); pgerr.Code(err) != pgerr.NotNullViolation {
		t.Errorf("a NULL: %v", err)
	}
}

// TestClusterAddNotNull adds a column that is NOT NULL and has no default.
func TestClusterAddNotNull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	defer b.close()
	defer a.close()
	table := createTable(t, a.db, "events", false, 0)
	b.latest(table)
	open := begin(t, b.db, engine.TxnOptions{})
	if _, _, err := open.Insert(ctx, table, batchOf(row{"a", 1, 1}), chunk.InsertDefault); err != nil {
		t.Fatal(err)
	}
	if err := alter(t, a.db, table, func(def *schema.Table) {
		def.Columns = append(def.Columns, schema.Column{ID: 4, Name: "extra", Type: datum.Of(datum.Int8), NotNull: true})
	}); err != nil {
		t.Fatal(err)
	}
	if err := open.Commit(ctx); pgerr.Code(err) != pgerr.SerializationFailure {
		t.Errorf("a row without the column: %v", err)
	}
	sameRows(t, "b", b.latest(table), nil)
}

// deleteNulls deletes the rows whose v is NULL.
func deleteNulls(db *engine.DB, table datum.OID) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for again := true; again; {
		mark := tx.Savepoint()
		if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
			return err
		}
		found, err := read(tx, table, isNull)
		if err != nil {
			return err
		}
		again = false
		for r, n := range found {
			keys := slices.Repeat([]string{r.k}, n)
			if again, err = tx.Delete(ctx, table, withoutValue(keys...)); again || err != nil {
				break
			}
		}
		if err != nil {
			return err
		}
		if again {
			if err := tx.RollbackTo(ctx, mark); err != nil {
				return err
			}
		}
	}
	return tx.Commit(ctx)
}

// nullWriter inserts rows, half of them with NULL, few while few is set, in transactions that
// stay open for a moment.
func nullWriter(table datum.OID, few *atomic.Bool) func(*stressNode, *engine.DB, *rand.Rand) {
	return func(n *stressNode, db *engine.DB, rng *rand.Rand) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		tx, err := db.Begin(ctx, engine.TxnOptions{})
		if err != nil {
			return
		}
		defer tx.Rollback()
		if tx.Snapshot(ctx) != nil {
			return
		}
		rows := withoutValue(fmt.Sprint(n.s.last.Add(1)))
		if one := rng.IntN(200); one < 100 || few.Load() && one > 100 {
			rows = batchOf(row{fmt.Sprint(n.s.last.Add(1)), 0, 1})
		}
		if _, _, err := tx.Insert(ctx, table, rows, chunk.InsertDefault); err != nil {
			return
		}
		time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
		if tx.Commit(ctx) == nil {
			n.s.whole.Add(1)
		}
	}
}

// nullReader looks that no state has a NULL in a column that is NOT NULL in it.
func nullReader(table datum.OID) func(*stressNode, *engine.DB, *rand.Rand) {
	return func(n *stressNode, db *engine.DB, rng *rand.Rand) {
		time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		tx, err := db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
		if err != nil {
			return
		}
		defer tx.Rollback()
		if tx.Snapshot(ctx) != nil || !tx.Catalog().Tables[table].Columns[2].NotNull {
			return
		}
		found, err := read(tx, table, isNull)
		if err != nil {
			return
		}
		n.s.reads.Add(1)
		if len(found) > 0 {
			n.s.t.Errorf("node %s has NULLs in a column that is NOT NULL: %v", n.name, found)
			n.s.stop.Store(true)
		}
	}
}

// TestClusterNotNullStress has nodes, one of them with a journal, insert NULLs while one
// makes the column NOT NULL and takes that back, under faults.
func TestClusterNotNullStress(t *testing.T) {
	for name, keyed := range map[string]bool{"events": false, "state": true} {
		t.Run(name, func(t *testing.T) {
			s := newStress(t, "a")
			table := createTable(t, s.nodes[0].db, name, keyed, schema.DuplicateReplace)
			var made, found atomic.Int64
			var few atomic.Bool
			alterer := func(_ *stressNode, db *engine.DB, rng *rand.Rand) {
				few.Store(true)
				defer few.Store(false)
				if deleteNulls(db, table) != nil {
					return
				}
				switch err := setNotNull(db, table, true); err {
				case nil:
					made.Add(1)
				case errNullsFound:
					found.Add(1)
				}
				few.Store(false)
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
				_ = setNotNull(db, table, false)
			}
			for i := range s.nodes {
				s.start(i, nullWriter(table, &few), nullWriter(table, &few), nullReader(table))
			}
			s.start(2, alterer)
			s.run()
			t.Logf("%d times NOT NULL, %d times NULLs found, %d commits, %d reads", made.Load(), found.Load(), s.whole.Load(), s.reads.Load())
			eventually(t, "NOT NULL when nothing fails any more", func() error {
				if err := deleteNulls(s.nodes[1].db, table); err != nil {
					return err
				}
				return setNotNull(s.nodes[1].db, table, true)
			})
			for _, n := range s.nodes {
				if err := insertBatch(n.db, table, withoutValue("late")); pgerr.Code(err) != pgerr.NotNullViolation {
					t.Errorf("node %s: a NULL in a column that is NOT NULL: %v", n.name, err)
				}
				n.close()
			}
		})
		if testing.Short() {
			break // one of the two, by chance
		}
	}
}

// TestClusterNotNullKill kills a node at some call to the store while it makes a column
// NOT NULL and others insert NULLs: it is, and has none, or it is not, and they come in again.
func TestClusterNotNullKill(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	calls := notNullCalls(t, -1, memstore.Do)
	t.Logf("%d calls that change the store, if nothing is killed", calls)
	for at := range calls + 2 {
		last := []memstore.Outcome{memstore.Fail, memstore.Lose, memstore.Delay}[rng.IntN(3)]
		t.Run(fmt.Sprintf("%d %d", at, last), func(t *testing.T) {
			t.Parallel()
			notNullCalls(t, at, last)
		})
	}
}

// notNullCalls makes a column NOT NULL and returns how many calls of the node that does
// changed the store. Call at comes out as last says, and after it none is done.
func notNullCalls(t *testing.T, at int, last memstore.Outcome) (calls int) {
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	b.latest(table)
	var n atomic.Int64
	var over atomic.Bool
	fate := func(c memstore.Call) memstore.Verdict {
		if over.Load() {
			return memstore.Verdict{Outcome: memstore.Fail, Err: errNodeDead}
		}
		if c.Op != memstore.OpAppend && c.Op != memstore.OpSwap {
			return memstore.Verdict{}
		}
		if int(n.Add(1))-1 != at {
			return memstore.Verdict{}
		}
		over.Store(true)
		return memstore.Verdict{Outcome: last, Err: errNodeDead}
	}
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; !stop.Load(); i++ {
			_ = insertBatch(b.db, table, batchOf(row{fmt.Sprint("some", i), 0, 1}))
			if i%10 == 0 && i > 50 || at != -1 && i > 0 && i%25 == 0 {
				_ = insertBatch(b.db, table, withoutValue(fmt.Sprint("none", i)))
			}
		}
	}()
	a.fate.Store(&fate)
	err := setNotNull(a.db, table, true)
	made := n.Load()
	if last == memstore.Delay {
		time.Sleep(time.Duration(at) * 100 * time.Millisecond) // before its log is sealed, or after
		a.store.Deliver()
	}
	a.kill()
	stop.Store(true)
	<-ended
	var def *schema.Table
	eventually(t, "a definition that is certain", func() error {
		if err := insertBatch(b.db, table, batchOf(row{"end", 0, 1})); err != nil {
			return err
		}
		tx, err := b.db.Begin(context.Background(), engine.TxnOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if def = tx.Catalog().Tables[table]; len(def.NullsRefused) > 0 {
			return fmt.Errorf("NULLs are refused still in %v", def.NullsRefused)
		}
		return nil
	})
	nulls := mustRead(t, b.db, table, isNull)
	late := insertBatch(b.db, table, withoutValue("late"))
	switch {
	case def.Columns[2].NotNull && (len(nulls) > 0 || pgerr.Code(late) != pgerr.NotNullViolation):
		t.Errorf("NOT NULL: %v; there are %d NULLs, and another one: %v", err, len(nulls), late)
	case !def.Columns[2].NotNull && (err == nil || late != nil):
		t.Errorf("NOT NULL: %v; it is not, and a NULL: %v", err, late)
	}
	b.close()
	return int(made)
}

// TestClusterNotNullBehind has a node commit a NULL that it took in before the column is to
// be NOT NULL, and that is in its log only after: because the log is slow, or because the
// node stands still for longer than its lease.
func TestClusterNotNullBehind(t *testing.T) {
	t.Parallel()
	for _, still := range []bool{false, true} {
		t.Run(fmt.Sprintf("still=%t", still), func(t *testing.T) {
			t.Parallel()
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			defer b.close()
			defer a.close()
			table := createTable(t, a.db, "events", false, 0)
			b.latest(table)
			came, held := make(chan struct{}), make(chan struct{})
			goOn := sync.OnceFunc(func() { close(held) })
			defer goOn()
			var once atomic.Bool
			fate := func(c memstore.Call) memstore.Verdict {
				if c.Op == memstore.OpAppend && c.Log.Kind == store.SourceLog && once.CompareAndSwap(false, true) {
					close(came)
					<-held
				}
				return memstore.Verdict{}
			}
			b.fate.Store(&fate)
			committed, made := make(chan error, 1), make(chan error, 1)
			go func() { committed <- insertBatch(b.db, table, withoutValue("late")) }()
			<-came
			resume := func() {}
			if still {
				resume = b.pause()
			}
			go func() { made <- setNotNull(a.db, table, true) }()
			if still { // a takes the log over
				if err := <-made; err != nil {
					t.Errorf("NOT NULL: %v", err)
				}
				resume()
				goOn()
				if err := <-committed; err == nil {
					t.Error("the NULL was committed after that")
				}
				return
			}
			eventually(t, "the definition that refuses NULLs", func() error {
				tx := begin(t, b.db, engine.TxnOptions{ReadOnly: true})
				defer tx.Rollback()
				if len(tx.Catalog().Tables[table].NullsRefused) == 0 {
					return fmt.Errorf("is not here")
				}
				return nil
			})
			goOn()
			if err := <-committed; err != nil {
				t.Errorf("a NULL that was on its way: %v", err)
			}
			if err := <-made; err != errNullsFound {
				t.Errorf("NOT NULL while a NULL is on its way: %v", err)
			}
		})
	}
}

// TestClusterNotNullJournal has a node acknowledge a NULL that is only in its journal, go on
// or end, and come back.
func TestClusterNotNullJournal(t *testing.T) {
	t.Parallel()
	rng, shared := newRand(t), memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newJournaled(t, shared, "b", vfs.NewMem(), never)
	defer a.close()
	table := createTable(t, a.db, "events", false, 0)
	insert(t, b.db, table, row{"a", 1, 1}, row{"b", 1, 1}, row{"c", 1, 1}, row{"d", 1, 1})
	b.latest(table)
	if err := insertBatch(b.db, table, withoutValue("a")); err != nil {
		t.Fatal(err)
	}
	if err := setNotNull(a.db, table, true); err != errNullsFound {
		t.Errorf("NOT NULL while a NULL is in a journal: %v", err)
	}
	eventually(t, "a NULL in the journal", func() error { return insertBatch(b.db, table, withoutValue("a")) })
	if waiting(t, b.disk.Crash(vfs.CrashModes[0], 0)) == 0 {
		t.Error("the journal is empty")
	}
	disk := b.crash(rng)
	eventually(t, "what is told while the node is down", func() error {
		if err := setNotNull(a.db, table, true); pgerr.Code(err) != pgerr.ObjectNotInState {
			return fmt.Errorf("NOT NULL: %w", err)
		}
		return nil
	})
	b = newJournaled(t, shared, "b", disk, never)
	defer b.close()
	if err := setNotNull(a.db, table, true); err != errNullsFound {
		t.Errorf("NOT NULL when the node is back: %v", err)
	}
	// What was in the journal is told to others when it is in the cluster's log.
	eventually(t, "both NULLs are read", func() error {
		if n := mustRead(t, a.db, table, isNull)[row{"a", 0, 0}]; n != 2 {
			return fmt.Errorf("%d NULLs, want 2", n)
		}
		return nil
	})
}

// TestNotNullOutdated makes a column NOT NULL of which rows have NULL that are older than
// the retention, and then lengthens that: they do not come back.
func TestNotNullOutdated(t *testing.T) {
	p, clock := &memPlace{}, &moment{}
	opt := quiet
	opt.Now = clock.now
	db := p.open(t, opt)
	defer p.close(t)
	table := createTable(t, db, "events", false, 0)
	keep := func(d time.Duration) {
		t.Helper()
		if err := alter(t, db, table, func(def *schema.Table) { def.Retention = d }); err != nil {
			t.Fatal(err)
		}
	}
	keep(2 * time.Hour)
	if err := insertBatch(db, table, withoutValue("old")); err != nil {
		t.Fatal(err)
	}
	if err := setNotNull(db, table, true); err != errNullsFound {
		t.Errorf("NOT NULL: %v", err)
	}
	clock.micros.Store(5 * hour)
	if err := setNotNull(db, table, true); err != nil {
		t.Errorf("NOT NULL when the NULLs are too old: %v", err)
	}
	keep(1000 * time.Hour)
	sameRows(t, "with a longer retention", mustRead(t, db, table), nil)
	insert(t, db, table, row{"new", 5 * hour, 1})
	sameRows(t, "with a longer retention", mustRead(t, db, table), counts(row{"new", 5 * hour, 1}))
}
