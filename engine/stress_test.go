package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	engine.EagerCompaction() // where tests have it work at all
	goleak.VerifyTestMain(m)
}

// TestCounters has transactions that look counters up and write them back, as ON
// CONFLICT DO UPDATE does: in the end each counter is the number of commits that
// added to it, also where plain inserts come between.
func TestCounters(t *testing.T) {
	for _, dup := range []schema.OnDuplicate{schema.DuplicateError, schema.DuplicateReplace} {
		for _, iso := range []engine.TxnOptions{{}, {RepeatableRead: true}} {
			t.Run(fmt.Sprintf("duplicate=%v/%+v", dup, iso), func(t *testing.T) {
				eachPlace(t, func(t *testing.T, p place) {
					c := &counter{t: t, iso: iso, blind: dup == schema.DuplicateReplace}
					c.db = p.open(t, engine.Options{SealAge: 5 * time.Millisecond, BufferBytes: 1 << 20, CompactionInterval: time.Millisecond})
					c.table = createTable(t, c.db, "counters", true, dup)
					c.run(newRand(t))
					settled(t, c.db)
					p.crash(t)
					c.db = p.open(t, quiet)
					c.check("after a crash")
					p.close(t)
				})
			})
		}
	}
}

type counter struct {
	t       *testing.T
	db      *engine.DB
	table   datum.OID
	iso     engine.TxnOptions
	blind   bool       // a plain insert, which takes no lock, sets the last counter now and then
	mu      sync.Mutex // guards want
	want    [5]int64
	retries atomic.Int64
}

func counterKey(i int) row { return row{fmt.Sprint("counter ", i), int64(i) * hour, 0} }

func (c *counter) run(rng *rand.Rand) {
	adds := 150
	if testing.Short() {
		adds = 25
	}
	var wg sync.WaitGroup
	for range 4 {
		local := rand.New(rand.NewPCG(rng.Uint64(), 1))
		wg.Go(func() {
			for n := 0; n < adds; {
				i, j := local.IntN(5), local.IntN(5)
				err := c.add(i, j)
				switch codeOf(err) {
				case "":
					n++
				case pgerr.SerializationFailure, pgerr.DeadlockDetected:
					c.retries.Add(1)
				default:
					c.t.Errorf("add: %v", err)
					return
				}
			}
		})
	}
	places := rand.New(rand.NewPCG(rng.Uint64(), 1))
	wg.Go(func() { // where rows go changes meanwhile
		for range 6 {
			err := alter(c.t, c.db, c.table, func(def *schema.Table) {
				def.Slice = []time.Duration{time.Hour, 2 * time.Hour, 6 * time.Hour}[places.IntN(3)]
				def.Partitions = 1 + places.IntN(4)
			})
			if err != nil && codeOf(err) != pgerr.SerializationFailure && codeOf(err) != pgerr.DeadlockDetected {
				c.t.Errorf("alter: %v", err)
			}
		}
	})
	if c.blind {
		wg.Go(func() {
			for n := range int64(adds) {
				if err := c.set(1_000_000 * (n + 1)); err != nil {
					c.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	c.check("at the end")
	c.t.Logf("%d transactions tried again", c.retries.Load())
}

// add adds one to counter i, and to j if that is another, in one transaction.
func (c *counter) add(i, j int) error {
	ctx := context.Background()
	tx, err := c.db.Begin(ctx, c.iso)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	keys := []row{counterKey(i)}
	if j != i {
		keys = append(keys, counterKey(j))
	}
	old, at, err := tx.Lookup(ctx, c.table, keyBatch(keys...))
	if err != nil {
		return err
	}
	for n, k := range at {
		keys[n].v = 1
		if k >= 0 {
			keys[n].v += old.Column(2).(*array.Int64).Value(int(k))
		}
	}
	if _, _, err := tx.Insert(ctx, c.table, batchOf(keys...), chunk.InsertReplace); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want[i]++
	if j != i {
		c.want[j]++
	}
	return nil
}

// set sets the last counter without looking. Whoever added to what was there
// before must not overwrite it.
func (c *counter) set(v int64) error {
	k := counterKey(4)
	k.v = v
	insert(c.t, c.db, c.table, k)
	at := chunk.Predicate{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{k.k}}
	for r := range mustRead(c.t, c.db, c.table, at) {
		if r.v < v {
			return fmt.Errorf("the counter was set to %d and is %d", v, r.v)
		}
	}
	return nil
}

func (c *counter) check(what string) {
	c.t.Helper()
	got := map[string]int64{}
	for r, n := range mustRead(c.t, c.db, c.table) {
		got[r.k] = r.v
		if n != 1 {
			c.t.Errorf("%s: %v is there %d times", what, r, n)
		}
	}
	for i, want := range c.want {
		if i == 4 && c.blind {
			continue // see set
		}
		if k := counterKey(i).k; got[k] != want {
			c.t.Errorf("%s: %s is %d after %d commits", what, k, got[k], want)
		}
	}
}

// TestBudget has many writers of transactions that are each larger than the
// budget for buffers: they get on, and the budget holds.
func TestBudget(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		const budget, writers = 1 << 20, 8
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: 20 * time.Millisecond, BufferBytes: budget, CompactionInterval: 5 * time.Millisecond})
		tables := []datum.OID{createTable(t, db, "events", false, 0), createTable(t, db, "state", true, schema.DuplicateReplace)}
		peak := atomic.Int64{}
		look := func() {
			n := db.Buffered()
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
		}
		p.hook().set(func(call) error { look(); return nil })
		batches := 40
		if testing.Short() {
			batches = 15
		}
		var wg sync.WaitGroup
		pad := strings.Repeat("x", 200)
		for w := range writers {
			wg.Go(func() {
				tx, err := db.Begin(ctx, engine.TxnOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				defer tx.Rollback()
				for i := range batches {
					rows := make([]row, 200) // some 50 kB
					for j := range rows {
						rows[j] = row{fmt.Sprint(pad, j%7), int64(j%3) * hour, int64(w*1_000_000 + i*1000 + j)}
					}
					if _, _, err := tx.Insert(ctx, tables[w%2], batchOf(rows...), chunk.InsertDefault); err != nil {
						t.Error(err)
						return
					}
					look()
				}
				if err := tx.Commit(ctx); err != nil {
					t.Error(err)
				}
				look()
			})
		}
		wg.Wait()
		p.hook().set(nil)
		t.Logf("at most %d bytes were buffered", peak.Load())
		if n := peak.Load(); n > 2*budget {
			t.Errorf("%d bytes were buffered, the budget is %d", n, budget)
		}
		got := mustRead(t, db, tables[0])
		if len(got) != writers/2*batches*200 {
			t.Errorf("%d rows of one table, want %d", len(got), writers/2*batches*200)
		}
		settled(t, db)
		p.close(t)
	})
}

// TestEntriesDoNotHoldBlobs checks that what the database keeps of a chunk is its
// entry, not the blobs beside it.
func TestEntriesDoNotHoldBlobs(t *testing.T) {
	for _, stage := range []bool{false, true} {
		p := &memPlace{}
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		table := createTable(t, db, "events", false, 0)
		var blobs []weak.Pointer[byte]
		p.hook().mu.Lock()
		p.hook().sealed = func(chunks []*chunk.Sealed) {
			for _, c := range chunks {
				for _, b := range c.Blobs {
					blobs = append(blobs, weak.Make(&b[0]))
				}
			}
		}
		p.hook().mu.Unlock()
		rows := make([]row, 200)
		if stage {
			rows = make([]row, 30_000)
		}
		for i := range rows {
			rows[i] = row{fmt.Sprint(i), int64(i), int64(i)}
		}
		insert(t, db, table, rows...)
		checkpoint(t, db)
		if len(blobs) < 3 {
			t.Fatalf("%d blobs were written", len(blobs))
		}
		until(t, "blobs are collected", func() bool {
			runtime.GC()
			for _, b := range blobs {
				if b.Value() != nil {
					return false
				}
			}
			return true
		})
		if n := len(mustRead(t, db, table)); n != len(rows) {
			t.Errorf("%d rows, want %d", n, len(rows))
		}
		p.close(t)
	}
}

// TestCancel cancels transactions wherever they call the store or wait, and then
// rolls them back: nothing is left of them, not a lock and not a byte.
func TestCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		table := createTable(t, db, "dim", true, schema.DuplicateError)
		want := counts(row{"there", 1, 1})
		insert(t, db, table, row{"there", 1, 1})
		checkpoint(t, db)
		work := func(ctx context.Context) error {
			tx, err := db.Begin(ctx, engine.TxnOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := tx.Snapshot(ctx); err != nil {
				return err
			}
			if _, _, err := tx.Lookup(ctx, table, keyBatch(row{"there", 1, 0}, row{"not there", 1, 0})); err != nil {
				return err
			}
			for i := range int64(8) {
				rows := make([]row, 500)
				for j := range rows {
					rows[j] = row{fmt.Sprintf("k%0200d", j), i * hour, i}
				}
				if _, _, err := tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault); err != nil {
					return err
				}
			}
			splits, _, err := tx.Statement().Scan(ctx, table, chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}})
			if err != nil {
				return err
			}
			got := map[row]int{}
			for _, s := range splits {
				if err := readSplit(ctx, s, []schema.ColumnID{1, 2, 3}, got); err != nil {
					return err
				}
			}
			return context.Canceled // had it not been canceled before
		}
		canceled := 0
		for n, again := int64(1), true; again; n++ {
			ctx, cancel := context.WithCancel(context.Background())
			var struck atomic.Bool
			var calls atomic.Int64 // partitions are staged side by side
			p.hook().set(func(call) error {
				if calls.Add(1) == n {
					struck.Store(true)
					cancel()
				}
				return nil
			})
			if err := work(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("canceled at call %d: %v", n, err)
			}
			cancel()
			if again = struck.Load(); again {
				canceled++
			}
			p.hook().set(nil)
			if b := db.Buffered(); b != 0 {
				t.Fatalf("canceled at call %d: %d bytes are buffered", n, b)
			}
			tx := begin(t, db, engine.TxnOptions{}) // all keys and the table are free
			if _, _, err := tx.Lookup(context.Background(), table, keyBatch(row{"there", 1, 0}, row{fmt.Sprintf("k%0200d", 1), 0, 0})); err != nil {
				t.Fatal(err)
			}
			if err := tx.Truncate(context.Background(), table); err != nil {
				t.Fatal(err)
			}
			tx.Rollback()
			sameRows(t, "after a cancellation", mustRead(t, db, table), want)
		}
		if canceled < 5 {
			t.Errorf("only %d calls: the test did not test", canceled)
		}
		if n := blobs(t, storeOf(p), table); n != 1 {
			t.Errorf("%d chunks are stored, want that of the row", n)
		}
		p.close(t)
	})
}

// TestCancelWaits cancels a transaction that waits for a lock, and one whose
// commit has not begun.
func TestCancelWaits(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	table := createTable(t, db, "dim", true, schema.DuplicateError)
	first, second := begin(t, db, engine.TxnOptions{}), begin(t, db, engine.TxnOptions{})
	put(t, first, table, chunk.InsertDefault, row{"a", 1, 1})
	put(t, second, table, chunk.InsertDefault, row{"b", 1, 1})
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { _, _, err = second.Insert(ctx, table, batchOf(row{"a", 1, 2}), chunk.InsertDefault) })
	until(t, "the second waits", func() bool { return db.Waiting() == 1 })
	cancel()
	wg.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled insert: %v", err)
	}
	if err := second.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled commit: %v", err)
	}
	put(t, first, table, chunk.InsertDefault, row{"b", 1, 3}) // its lock is free
	if err := first.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "committed", mustRead(t, db, table), counts(row{"a", 1, 1}, row{"b", 1, 3}))
	settled(t, db)
	p.close(t)
}
