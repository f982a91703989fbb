package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// until waits for something that another goroutine is about to do.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited a minute until %s", what)
		}
	}
}

// A gate holds the appends to source logs until it is opened.
type gate struct {
	arrived chan struct{} // gets one value from the first
	opened  chan struct{}
	once    sync.Once
}

func newGate(p place) *gate {
	g := &gate{arrived: make(chan struct{}, 1), opened: make(chan struct{})}
	p.hook().set(func(c call) error {
		if c.op == "append" && c.log.Kind == store.SourceLog {
			select {
			case g.arrived <- struct{}{}:
			default:
			}
			<-g.opened
		}
		return nil
	})
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

// groupOf commits transactions in one group, in their order, and returns what
// became of them.
func groupOf(t *testing.T, p place, db *engine.DB, other datum.OID, txns ...*engine.Txn) []error {
	t.Helper()
	g := newGate(p)
	defer g.open()
	var wg sync.WaitGroup
	wg.Go(func() { insert(t, db, other, row{"first", 1, 1}) })
	<-g.arrived
	errs := make([]error, len(txns))
	for i, tx := range txns {
		wg.Go(func() { errs[i] = tx.Commit(context.Background()) })
		until(t, "a commit waits", func() bool { return db.Queued() == i+1 })
	}
	g.open()
	wg.Wait()
	p.hook().set(nil)
	return errs
}

func put(t testing.TB, tx *engine.Txn, table datum.OID, mode chunk.InsertMode, rows ...row) {
	t.Helper()
	if _, _, err := tx.Insert(context.Background(), table, batchOf(rows...), mode); err != nil {
		t.Fatalf("insert: %v", err)
	}
}

// TestLookupInOneGroup replaces a row that another transaction of the same group
// commit has looked up.
func TestLookupInOneGroup(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		table, other := createTable(t, db, "state", true, schema.DuplicateReplace), createTable(t, db, "other", false, 0)
		k := func(v int64) row { return row{"a", 1, v} }
		for _, staged := range []bool{false, true} {
			for _, blindFirst := range []bool{false, true} {
				insert(t, db, table, k(1))
				counter := begin(t, db, engine.TxnOptions{})
				if _, _, err := counter.Lookup(ctx, table, keyBatch(k(0))); err != nil {
					t.Fatal(err)
				}
				put(t, counter, table, chunk.InsertReplace, k(2))
				blind := begin(t, db, engine.TxnOptions{})
				put(t, blind, table, chunk.InsertReplace, k(100))
				if staged {
					rows := make([]row, 15_000)
					for i := range rows {
						rows[i] = row{"a", int64(10 + i), 0}
					}
					put(t, blind, table, chunk.InsertReplace, rows...)
					if db.Buffered() > 256<<10 {
						t.Fatal("it was not staged")
					}
				}
				what := fmt.Sprintf("staged=%v, the blind write first=%v", staged, blindFirst)
				if blindFirst {
					errs := groupOf(t, p, db, other, blind, counter)
					if errs[0] != nil || pgerr.Code(errs[1]) != pgerr.SerializationFailure {
						t.Fatalf("%s: %v; want nil and 40001", what, errs)
					}
				} else if errs := groupOf(t, p, db, other, counter, blind); errors.Join(errs...) != nil {
					t.Fatalf("%s: %v", what, errs)
				}
				at := chunk.Predicate{Column: 2, Op: chunk.OpEQ, Values: []datum.Value{datum.Micros(1)}}
				sameRows(t, what, mustRead(t, db, table, at), counts(k(100)))
			}
		}
		p.close(t)
	})
}

// badText is a batch whose text is not UTF-8.
func badText() arrow.RecordBatch {
	b := batchOf(row{"\xff\xfe", 1, 1})
	return array.NewRecordBatch(b.Schema(), b.Columns(), 1)
}

// TestBadRowsFailAlone commits rows that cannot be stored in one group with good
// ones.
func TestBadRowsFailAlone(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table, other := createTable(t, db, "events", false, 0), createTable(t, db, "other", false, 0)
		good, bad, alsoGood := begin(t, db, engine.TxnOptions{}), begin(t, db, engine.TxnOptions{}), begin(t, db, engine.TxnOptions{})
		put(t, good, table, chunk.InsertDefault, row{"a", 1, 1})
		if _, _, err := bad.Insert(ctx, table, badText(), chunk.InsertDefault); err != nil {
			t.Fatal(err)
		}
		put(t, alsoGood, table, chunk.InsertDefault, row{"b", 1, 2})
		errs := groupOf(t, p, db, other, good, bad, alsoGood)
		if errs[0] != nil || errs[2] != nil || pgerr.Code(errs[1]) != pgerr.CharacterNotInRepertoire {
			t.Fatalf("%v; want nil, 22021, nil", errs)
		}
		want := counts(row{"a", 1, 1}, row{"b", 1, 2})
		sameRows(t, "committed", mustRead(t, db, table), want)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "replayed", mustRead(t, db, table), want)
		p.close(t)
	})
}

// TestTruncateAndFill replaces a table's rows in transactions, as reloads do:
// readers see all rows of one load, never none.
func TestTruncateAndFill(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: 5 * time.Millisecond})
		table := createTable(t, db, "events", false, 0)
		const rows = 20
		load := func(n int64) error {
			tx, err := db.Begin(ctx, engine.TxnOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := tx.Truncate(ctx, table); err != nil {
				return err
			}
			batch := make([]row, rows)
			for i := range batch {
				batch[i] = row{fmt.Sprint(i), int64(i) * hour, n}
			}
			if _, _, err := tx.Insert(ctx, table, batchOf(batch...), chunk.InsertDefault); err != nil {
				return err
			}
			return tx.Commit(ctx)
		}
		if err := load(0); err != nil {
			t.Fatal(err)
		}
		loads := int64(150)
		if testing.Short() {
			loads = 40
		}
		done := make(chan struct{})
		var wg sync.WaitGroup
		reads := 0
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got := mustRead(t, db, table)
				seen := map[int64]int{}
				for r := range got {
					seen[r.v]++
				}
				if len(seen) != 1 || len(got) != rows {
					t.Errorf("%d rows of the loads %v", len(got), seen)
					return
				}
				reads++
			}
		})
		for n := range loads {
			if err := load(n + 1); err != nil {
				t.Fatal(err)
			}
		}
		close(done)
		wg.Wait()
		if reads == 0 {
			t.Error("nobody looked")
		}
		until(t, "all is flushed", func() bool {
			db.Poke()
			return db.Buffered() == 0
		})
		p.close(t)
	})
}

// TestCloseWhileOthersWait closes a database whose buffers are full and cannot be
// flushed: whoever waits for room, or begins to, hears of it.
func TestCloseWhileOthersWait(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		table := createTable(t, db, "events", false, 0)
		p.hook().set(func(c call) error {
			if c.op == "put" {
				return errHook
			}
			return nil
		})
		open := make([]*engine.Txn, 4)
		for i := range open {
			open[i] = begin(t, db, engine.TxnOptions{})
		}
		for i := int64(0); db.Buffered() < 1<<20; i++ {
			insert(t, db, table, make([]row, 1000)...)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for _, tx := range open[:2] {
			wg.Go(func() {
				for {
					_, _, err := tx.Insert(ctx, table, batchOf(row{"a", 1, 1}), chunk.InsertDefault)
					if errors.Is(err, errHook) {
						continue // a round of the flusher failed
					}
					if err == nil || ctx.Err() != nil {
						t.Errorf("insert into a database that closes: %v", err)
					}
					return
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		for _, tx := range open[2:] {
			if _, _, err := tx.Insert(ctx, table, batchOf(row{"a", 1, 1}), chunk.InsertDefault); err == nil || ctx.Err() != nil {
				t.Errorf("insert into a closed database: %v", err)
			}
			if err := tx.Commit(ctx); err != nil {
				t.Errorf("commit of nothing: %v", err)
			}
		}
		for _, tx := range open {
			tx.Rollback()
		}
		p.hook().set(nil)
		p.crash(t)
		db = p.open(t, quiet)
		if n := len(mustRead(t, db, table)); n != 1 {
			t.Errorf("%d different rows are left", n)
		}
		p.close(t)
	})
}
