package engine_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// fill writes rows with flushes between, and returns what the table then has.
func fill(t testing.TB, table datum.OID, rounds int, nodes ...*node) map[row]int {
	t.Helper()
	rng := newRand(t)
	want := map[row]int{}
	for range rounds {
		for _, n := range nodes {
			rows := randomRows(rng, 50, false)
			insert(t, n.db, table, rows...)
			for _, r := range rows {
				want[r]++
			}
			checkpoint(t, n.db)
		}
	}
	return want
}

// states counts the compactions of a node by state.
func states(db *engine.DB) map[string]int {
	out := map[string]int{}
	for _, c := range db.Compactions() {
		out[c.State]++
	}
	return out
}

// TestClusterCompaction has two nodes compact the same partitions at once, in the
// background and by VACUUM, while both write.
func TestClusterCompaction(t *testing.T) {
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := fill(t, table, 4, a, b)
	var wg sync.WaitGroup
	var over atomic.Bool
	for _, n := range []*node{a, b} {
		wg.Go(func() {
			for !over.Load() {
				if err := n.db.CompactNow(context.Background()); err != nil {
					t.Errorf("node %s: %v", n.name, err)
					return
				}
			}
		})
	}
	more := fill(t, table, 6, a, b)
	for r, k := range more {
		want[r] += k
	}
	over.Store(true)
	wg.Wait()
	for _, n := range []*node{a, b} {
		wg.Go(func() {
			if _, err := n.db.Vacuum(context.Background(), table, false); err != nil {
				t.Errorf("node %s: %v", n.name, err)
			}
		})
	}
	wg.Wait()
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), want)
		t.Logf("node %s: %v", n.name, states(n.db))
	}
	vacuum(t, a.db, table, false) // takes in what b did last
	checkCompacted(t, a.db, table, false)
	a.close()
	b.close()
	c := newNode(t, shared, "c", quiet)
	sameRows(t, "a node that starts later", c.latest(table), want)
	checkCompacted(t, c.db, table, false)
	c.close()
	shared.Close()
}

// TestClusterCompactionsMeet has two nodes believe that they may compact a partition:
// the one that comes second throws its chunks away.
func TestClusterCompactionsMeet(t *testing.T) {
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := fill(t, table, 3, a, b)
	a.latest(table)
	b.latest(table)
	// The first put of a waits until b has compacted all.
	var once sync.Once
	waiting, goOn := make(chan struct{}), make(chan struct{})
	f := func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpPutChunks {
			once.Do(func() { close(waiting); <-goOn })
		}
		return memstore.Verdict{}
	}
	a.fate.Store(&f)
	done := make(chan error)
	go func() {
		_, err := a.db.Vacuum(ctx, table, false)
		done <- err
	}()
	<-waiting
	held, err := shared.Registers(ctx, "compactions/phyllo")
	if err != nil || len(held) != 1 {
		t.Fatalf("%d leases: %v", len(held), err)
	}
	for name, value := range held {
		if _, ok, err := shared.Swap(ctx, store.Register{Scope: "compactions/phyllo", Name: name}, value, nil, 0); !ok || err != nil {
			t.Fatal(err)
		}
	}
	vacuum(t, b.db, table, false)
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := states(a.db)["discarded"]; n != 1 {
		t.Errorf("%d compactions of a were thrown away: %v", n, states(a.db))
	}
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), want)
	}
	live := 0
	for _, list := range chunksOf(t, b.db, table) {
		live += len(list)
	}
	if n := blobs(t, shared, table); n != live+b.db.Garbage(table) {
		t.Errorf("%d chunks in the store, %d are live, %d removed: chunks of what was thrown away are left", n, live, b.db.Garbage(table))
	}
	a.close()
	b.close()
	shared.Close()
}

// A testClock is the wall clock of nodes.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *testClock) add(d time.Duration) { c.ahead.Add(int64(d)) }

// TestClusterFrees compacts and waits for the lifetime of snapshots.
func TestClusterFrees(t *testing.T) {
	clock := &testClock{}
	opt := quiet
	opt.Now = clock.now
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", opt), newNode(t, shared, "b", opt)
	table := createTable(t, a.db, "events", false, 0)
	want := fill(t, table, 3, a, b)
	b.latest(table)
	reader := begin(t, b.db, engine.TxnOptions{ReadOnly: true, RepeatableRead: true})
	before := blobs(t, shared, table)
	out := vacuum(t, a.db, table, false)
	if n := blobs(t, shared, table); n < before+1 || out.Compactions == 0 {
		t.Errorf("%d chunks of %d, which others may read; %+v", n, before, out)
	}
	got, err := read(reader, table)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "a snapshot of another node", got, want)
	clock.add(2 * time.Hour)
	if err := a.db.CompactNow(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n, live := blobs(t, shared, table), out.ChunksAfter; n != live || a.db.Garbage(table) != 0 {
		t.Errorf("%d chunks are in the store, %d are live, %d are listed as removed", n, live, a.db.Garbage(table))
	}
	if _, err := read(reader, table); pgerr.Code(err) != pgerr.SnapshotTooOld {
		t.Errorf("an old snapshot: %v, want 72000", err)
	}
	reader.Rollback()
	vacuum(t, b.db, table, false) // which has not looked at the commit logs for the two hours
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), want)
	}
	a.close()
	b.close()
	shared.Close()
}

// TestUnknownCompaction has the store not answer a compaction's commit, which was made or
// was not: it is found out, nothing is lost, and nothing is left behind.
func TestUnknownCompaction(t *testing.T) {
	for _, outcome := range []memstore.Outcome{memstore.Fail, memstore.Lose, memstore.Delay} {
		if testing.Short() && outcome == memstore.Fail { // each takes some seconds of tries
			continue
		}
		shared := memstore.New(nil)
		a := newNode(t, shared, "a", quiet)
		table := createTable(t, a.db, "events", false, 0)
		want := fill(t, table, 3, a)
		// The append of the compaction fails, and so does all that would tell what came of it.
		var failing atomic.Bool
		f := func(c memstore.Call) memstore.Verdict {
			if c.Op == memstore.OpPutChunks {
				failing.Store(true)
			}
			if failing.Load() && c.Log.Kind == store.CommitLog {
				switch c.Op {
				case memstore.OpAppend:
					return memstore.Verdict{Outcome: outcome}
				case memstore.OpRead, memstore.OpHead:
					return memstore.Verdict{Outcome: memstore.Fail}
				}
			}
			return memstore.Verdict{}
		}
		a.fate.Store(&f)
		if _, err := a.db.Vacuum(context.Background(), table, false); pgerr.Code(err) != pgerr.OutcomeUnknown {
			t.Fatalf("outcome %v: %v, want 40003", outcome, err)
		}
		if n := states(a.db)["unknown"]; n != 1 {
			t.Errorf("compactions: %v", states(a.db))
		}
		a.fate.Store(nil)
		if outcome == memstore.Delay {
			a.store.Deliver()
		}
		vacuum(t, a.db, table, false)
		sameRows(t, "afterwards", a.latest(table), want)
		checkCompacted(t, a.db, table, false)
		live := 0
		for _, list := range chunksOf(t, a.db, table) {
			live += len(list)
		}
		if n := blobs(t, shared, table); n != live+a.db.Garbage(table) {
			t.Errorf("outcome %v: %d chunks in the store, %d are live, %d removed", outcome, n, live, a.db.Garbage(table))
		}
		a.close()
		shared.Close()
	}
}

// retentionTable is eventsTable with rows kept for two hours.
func retentionTable(t testing.TB, db *engine.DB, keyed bool) datum.OID {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	oid, err := tx.TakeOIDs(ctx, 5)
	if err == nil {
		def := eventsTable(oid, "kept", keyed, schema.DuplicateReplace)
		def.Retention = 2 * time.Hour
		err = tx.Apply(ctx, schema.Change{PutTable: def})
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// TestRetention has slices become too old, with rows in chunks and in buffers: from one
// moment on they are not seen, and then they go.
func TestRetention(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		clock := &testClock{}
		opt := quiet
		opt.Now = clock.now
		db := p.open(t, opt)
		table := retentionTable(t, db, false)
		start := clock.now().Truncate(time.Hour)
		at := func(d time.Duration) int64 { return start.Add(d).UnixMicro() }
		old := []row{{"a", at(-time.Hour), 1}, {"b", at(-time.Hour), 2}, {"c", at(-time.Minute), 3}}
		young := []row{{"a", at(0), 4}, {"b", at(time.Minute), 5}}
		insert(t, db, table, append(slices.Clone(old[:2]), young...)...)
		checkpoint(t, db)
		insert(t, db, table, old[2])
		sameRows(t, "at first", mustRead(t, db, table), counts(append(old, young...)...))
		reader := begin(t, db, engine.TxnOptions{ReadOnly: true, RepeatableRead: true})
		clock.add(start.Add(2*time.Hour + time.Second).Sub(clock.now()))
		sameRows(t, "when a slice is too old", mustRead(t, db, table), counts(young...))
		if err := db.CompactNow(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := db.TableSize(table); n == 0 {
			t.Error("nothing is left")
		}
		clock.add(2 * time.Minute)
		out := vacuum(t, db, table, false)
		if out.SlicesDropped == 0 {
			t.Errorf("no slice was dropped: %+v", out)
		}
		sameRows(t, "when it was dropped", mustRead(t, db, table), counts(young...))
		got, err := read(reader, table)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "a snapshot of before", got, counts(append(old, young...)...))
		reader.Rollback()
		vacuum(t, db, table, false)
		for part, list := range chunksOf(t, db, table) {
			for _, e := range list {
				if e.Time.Max < datum.Micros(at(0)) {
					t.Errorf("partition %x: a chunk of %d rows is left", part, e.Rows)
				}
			}
		}
		live := 0
		for _, list := range chunksOf(t, db, table) {
			live += len(list)
		}
		if n := blobs(t, storeOf(p), table); n != live {
			t.Errorf("%d chunks are in the store, %d are live", n, live)
		}
		p.crash(t)
		db = p.open(t, opt)
		sameRows(t, "after a crash", mustRead(t, db, table), counts(young...))
		clock.add(3 * time.Hour)
		sameRows(t, "when all is too old", mustRead(t, db, table), counts())
		vacuum(t, db, table, false)
		if n := db.TableSize(table); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
		p.close(t)
	})
}

// TestCompactionMemory merges more than memory is for: in several goes, each of which keeps
// to the budget.
func TestCompactionMemory(t *testing.T) {
	opt := engine.Options{SealAge: time.Hour, BufferBytes: 64 << 20, CompactionBytes: 16 << 20, CompactionPaused: true}
	const flushes, rows = int64(24), int64(40_000)
	p := &memPlace{}
	db := p.open(t, opt)
	table := createTable(t, db, "events", true, schema.DuplicateReplace)
	sum := int64(0)
	for i := range flushes {
		batch := make([]row, rows)
		for j := range batch {
			v := i*rows + int64(j)
			batch[j] = row{"a key that takes a few bytes", (v*7919)%(flushes*rows) + hour, v}
			sum += v
		}
		insert(t, db, table, batch...)
		checkpoint(t, db)
	}
	out := vacuum(t, db, table, true)
	t.Logf("%+v", out)
	peak := int64(0)
	for _, c := range db.Compactions() {
		peak = max(peak, c.MemoryPeak)
		if c.State != "done" {
			t.Errorf("%+v", c)
		}
	}
	t.Logf("%d compactions, at most %d KiB at once", out.Compactions, peak>>10)
	if peak > opt.CompactionBytes {
		t.Errorf("%d KiB at once, the budget is %d", peak>>10, opt.CompactionBytes>>10)
	}
	if out.Compactions < 2 {
		t.Error("all was merged at once: the budget was not reached")
	}
	checkCompacted(t, db, table, true)
	for _, list := range chunksOf(t, db, table) {
		for i, e := range list {
			if e.Rows < chunk.MaxRows && i+1 < len(list) {
				t.Errorf("a chunk of %d rows", e.Rows)
			}
		}
	}
	total, n := int64(0), 0
	for r, k := range mustRead(t, db, table) {
		total, n = total+r.v*int64(k), n+k
	}
	if total != sum || int64(n) != flushes*rows {
		t.Errorf("%d rows with sum %d, want %d with %d", n, total, flushes*rows, sum)
	}
	p.close(t)
}

func countRows(db *engine.DB, table datum.OID) (int, error) {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return 0, err
	}
	got, err := read(tx, table)
	return len(got), err
}

// TestClusterRetention has one of two nodes drop slices, one partition after the other:
// neither sees half of one, whatever its state has.
func TestClusterRetention(t *testing.T) {
	clock := &testClock{}
	opt := quiet
	opt.Now = clock.now
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", opt), newNode(t, shared, "b", opt)
	table := retentionTable(t, a.db, true)
	start := clock.now().Truncate(time.Hour)
	want := map[row]int{}
	for i, n := range []*node{a, b} {
		var rows []row
		for j := range int64(20) {
			k := string(rune('a' + j))
			rows = append(rows, row{k, start.Add(-time.Hour).UnixMicro() + int64(i), j}, row{k, start.UnixMicro() + int64(i), j})
		}
		insert(t, n.db, table, rows...)
		if n == a { // b's rows are in buffers when they become too old
			checkpoint(t, a.db)
		}
		for j, r := range rows {
			if j%2 == 1 {
				want[r] = 1
			}
		}
	}
	for _, n := range []*node{a, b} {
		if got := len(n.latest(table)); got != 80 {
			t.Fatalf("node %s sees %d rows at first", n.name, got)
		}
	}
	clock.add(start.Add(2*time.Hour + 2*time.Minute).Sub(clock.now()))
	var over atomic.Bool
	var readers sync.WaitGroup
	for _, n := range []*node{a, b} {
		readers.Go(func() {
			for !over.Load() {
				if got, err := countRows(n.db, table); err != nil || got != len(want) {
					t.Errorf("node %s sees %d rows, want %d; %v", n.name, got, len(want), err)
					return
				}
			}
		})
	}
	if err := a.db.CompactNow(context.Background()); err != nil {
		t.Error(err)
	}
	checkpoint(t, b.db)
	dropped := vacuum(t, a.db, table, false).SlicesDropped + vacuum(t, b.db, table, false).SlicesDropped
	over.Store(true)
	readers.Wait()
	if dropped == 0 {
		t.Error("what b had in buffers was not dropped later")
	}
	for _, n := range []*node{a, b} {
		sameRows(t, "node "+n.name, n.latest(table), want)
		n.close()
	}
	c := newNode(t, shared, "c", opt)
	sameRows(t, "a node that starts later", c.latest(table), want)
	for part, list := range chunksOf(t, c.db, table) {
		for _, e := range list {
			if e.Time.Max < datum.Micros(start.UnixMicro()) {
				t.Errorf("partition %x: a chunk of %d rows is left", part, e.Rows)
			}
		}
	}
	c.close()
	shared.Close()
}
