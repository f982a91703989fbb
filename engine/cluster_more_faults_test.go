package engine_test

import (
	"context"
	"strings"
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
	"github.com/phyllodb/phyllo/internal/vfs"
)

// Each of these is a fault that a look at the code had found, as in
// cluster_faults_test.go.

// hasLog says whether a node has a source log.
func hasLog(t *testing.T, shared *memstore.Store, node string) bool {
	t.Helper()
	logs, err := sourceLogs(shared)
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		if strings.HasPrefix(log.Key, node+"/") {
			return true
		}
	}
	return false
}

// register returns what one of the nodes' registers holds.
func register(t *testing.T, shared *memstore.Store, scope, name string) string {
	t.Helper()
	all, err := shared.Registers(context.Background(), scope)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range all {
		if strings.HasPrefix(key, name) {
			return string(value)
		}
	}
	return ""
}

// TestClusterRejoinBesideDrop has a log that a node has read to its end be written to
// chunks and dropped while that node begins anew: after it has read the commit logs, before
// it looks which logs there are.
func TestClusterRejoinBesideDrop(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b, c := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet), newNode(t, shared, "c", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, c.db, table, row{"of c", 0, 1})
	noChunks := func(call memstore.Call) bool { return call.Op == memstore.OpPutChunks }
	a.fail(memstore.Verdict{Outcome: memstore.Fail}, noChunks)
	mend := b.fail(memstore.Verdict{Outcome: memstore.Fail}, noChunks)
	c.kill()
	await(t, "node a has read the log of c", func() bool { return strings.Contains(register(t, shared, "nodes/phyllo", "a"), `["c/`) })
	resume := a.pause()
	await(t, "node b takes over both", func() bool {
		return strings.HasPrefix(register(t, shared, "owners/phyllo", "a/"), "b/") &&
			strings.HasPrefix(register(t, shared, "owners/phyllo", "c/"), "b/")
	})
	var anew atomic.Bool
	var once sync.Once
	reached, goOn := make(chan struct{}), make(chan struct{})
	fate := func(call memstore.Call) memstore.Verdict {
		switch {
		case noChunks(call):
			return memstore.Verdict{Outcome: memstore.Fail}
		case isAppend(store.SourceLog)(call) && call.Seq == 1:
			anew.Store(true)
		case call.Op == memstore.OpRead && call.Log.Kind == store.CatalogueLog && anew.Load():
			once.Do(func() { close(reached); <-goOn })
		}
		return memstore.Verdict{}
	}
	a.fate.Store(&fate)
	resume()
	added := make(chan bool)
	go func() {
		for tryInsert(context.Background(), a, table, row{"of a", 0, 2}) != nil {
			time.Sleep(5 * time.Millisecond)
		}
		close(added)
	}()
	<-reached
	mend()
	await(t, "node b drops the log of c", func() bool { checkpoint(t, b.db); return !hasLog(t, shared, "c") })
	close(goOn)
	<-added
	want := counts(row{"of c", 0, 1}, row{"of a", 0, 2})
	sameRows(t, "node a", a.latest(table), want)
	a.fate.Store(nil)
	sameRows(t, "node b", b.latest(table), want)
	a.close()
	b.close()
}

// undecidedTable makes a table, with rows, in a transaction whose outcome is not known.
func undecidedTable(t *testing.T, db *engine.DB, rows ...row) datum.OID {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	oid, err := tx.TakeOIDs(ctx, 5)
	if err == nil {
		err = tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, "undecided", false, 0)})
	}
	if err == nil && len(rows) > 0 {
		_, _, err = tx.Insert(ctx, oid, batchOf(rows...), chunk.InsertDefault)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if codeOf(err) != pgerr.OutcomeUnknown {
		t.Fatalf("create table: %v, want 40003", err)
	}
	return oid
}

// TestClusterDefinitionForgotten has a node be cut off that does not know whether its change
// of the catalogue was made, until others have folded the entry into a checkpoint.
func TestClusterDefinitionForgotten(t *testing.T) {
	defer engine.SetCheckpointChanges(3)()
	for _, c := range []struct {
		name    string
		outcome memstore.Outcome
		rows    []row
		made    bool
	}{
		{"not made", memstore.Fail, nil, false},
		{"made", memstore.Lose, nil, true},
		{"not made, with rows", memstore.Fail, []row{{"k", 0, 0}}, false},
		{"made, with rows", memstore.Lose, []row{{"k", 0, 0}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", false, 0)
			heal := a.fail(memstore.Verdict{Outcome: c.outcome}, isAppend(store.CatalogueLog))
			undecidedTable(t, a.db, c.rows...)
			resume := a.pause()
			tookOver(t, shared)
			catalogue := store.LogID{Kind: store.CatalogueLog, Key: "phyllo"}
			head, err := shared.Head(context.Background(), catalogue)
			if err != nil {
				t.Fatal(err)
			}
			last := "t"
			await(t, "the entry is trimmed", func() bool {
				_ = b.db.Checkpoint(context.Background())
				last += "x"
				createTable(t, b.db, last, false, 0)
				first, err := shared.First(context.Background(), catalogue)
				return err == nil && first > head+1
			})
			heal()
			resume()
			await(t, "node a commits", func() bool { return tryInsert(context.Background(), a, table, row{"k", 0, 1}) == nil })
			createTable(t, a.db, "of a", false, 0)
			for _, n := range []*node{a, b} {
				sameRows(t, "node "+n.name, n.latest(table), counts(row{"k", 0, 1}))
				tx := begin(t, n.db, engine.TxnOptions{})
				there := false
				for oid, def := range tx.Catalog().Tables {
					if def.Name == "undecided" {
						there = true
						sameRows(t, "the table on node "+n.name, n.latest(oid), counts(c.rows...))
					}
				}
				tx.Rollback()
				if there != c.made {
					t.Errorf("the table is there on node %s: %v, want %v", n.name, there, c.made)
				}
			}
			a.close()
			b.close()
		})
	}
}

// TestJournalBesideDefinition has the only node die when it has written the rows of a
// transaction that makes a table, and not yet the entry of the catalogue: it starts again,
// although what waits for that entry is in the way of what its journal has to come after.
func TestJournalBesideDefinition(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	a := newJournaled(t, shared, "a", vfs.NewMem(), never)
	table := createTable(t, a.db, "events", false, 0)
	want := warm(t, a.db, table)
	a.fail(memstore.Verdict{Outcome: memstore.Fail}, isAppend(store.CatalogueLog))
	undecidedTable(t, a.db, row{"k", 0, 1})
	disk := a.crash(rng)
	started := make(chan *journaled, 1)
	go func() {
		n, err := tryJournaled(t, shared, "a", disk, true, never)
		if err != nil {
			t.Error(err)
		}
		started <- n
	}()
	select {
	case n := <-started:
		if t.Failed() {
			return
		}
		sameRows(t, "the node", n.latest(table), want)
		createTable(t, n.db, "undecided", false, 0)
		n.close()
	case <-time.After(10 * time.Second):
		t.Error("the node does not start")
	}
}

// TestJournalShareOfTheUnsure has the disk of a node fail while a transaction on it waits to
// have a table for itself: what only replaces rows goes on past the journal.
func TestJournalShareOfTheUnsure(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	var broken atomic.Bool
	appending, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	disk := memstore.New(func(c memstore.Call) memstore.Verdict {
		if !broken.Load() {
			return memstore.Verdict{}
		}
		if c.Op == memstore.OpAppend {
			once.Do(func() { close(appending) })
			<-goOn
		}
		return memstore.Verdict{Outcome: memstore.Fail}
	})
	opt := quiet
	opt.Cluster = fastCluster()
	opt.Cluster.Journal, opt.Cluster.CommitToJournal, opt.Cluster.Forward = disk, true, never
	a := newNode(t, shared, "a", opt)
	table := createTable(t, a.db, "state", true, schema.DuplicateReplace)
	warm(t, a.db, table)
	broken.Store(true)
	r := row{"warm0", 0, 1}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- tryInsert(context.Background(), a, table, r) }()
	<-appending
	go func() {
		tx := begin(t, a.db, engine.TxnOptions{})
		defer tx.Rollback()
		_, _, err := tx.Insert(context.Background(), table, batchOf(row{"new", 0, 1}), chunk.InsertIgnore)
		second <- err
	}()
	time.Sleep(200 * time.Millisecond) // in which the second one asks for the claim
	close(goOn)
	if err := <-first; codeOf(err) != pgerr.OutcomeUnknown {
		t.Fatalf("the commit that the disk did not answer: %v, want 40003", err)
	}
	if err := <-second; codeOf(err) != pgerr.IOError {
		t.Fatalf("the transaction that looks for a key: %v, want 58030", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tryInsert(ctx, a, table, r); err != nil {
		t.Errorf("a transaction that replaces a row: %v", err)
	}
	a.kill()
}

// TestClusterDefinitionOfTheDead has a node die when it has written the rows of a
// transaction that makes a table, and not yet the entry of the catalogue: others read its
// log to the end and change the catalogue.
func TestClusterDefinitionOfTheDead(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"k", 0, 1})
	a.fail(memstore.Verdict{Outcome: memstore.Fail}, isAppend(store.CatalogueLog))
	undecidedTable(t, a.db, row{"k", 0, 2})
	a.kill()
	await(t, "the log is dropped", func() bool { _ = b.db.Checkpoint(context.Background()); return !hasLog(t, shared, "a") })
	createTable(t, b.db, "undecided", false, 0)
	sameRows(t, "node b", b.latest(table), counts(row{"k", 0, 1}))
	b.close()
}

// TestClusterBehindOfTheDead has a node hold more rows of one that died than it has memory
// for. When another one has written them to chunks it goes on, although there are always
// some rows of a third one that it would have to take in.
func TestClusterBehindOfTheDead(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	large := quiet
	large.BufferBytes = 64 << 20
	a := newNode(t, shared, "a", engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
	b, c := newNode(t, shared, "b", large), newNode(t, shared, "c", large)
	one, two := createTable(t, b.db, "one", false, 0), createTable(t, b.db, "two", false, 0)
	a.fail(memstore.Verdict{Outcome: memstore.Fail}, func(call memstore.Call) bool {
		return call.Op == memstore.OpSwap && call.Register.Scope == "owners/phyllo"
	})
	hold := b.fail(memstore.Verdict{Outcome: memstore.Fail}, func(call memstore.Call) bool { return call.Op == memstore.OpPutChunks })
	want := map[row]int{}
	for i := range int64(40) {
		rows := make([]row, 500)
		for j := range rows {
			rows[j] = row{strings.Repeat("x", 100), i, int64(j)}
			want[rows[j]]++
		}
		insert(t, c.db, one, rows...)
	}
	c.kill()
	await(t, "node a has the rows of the dead", func() bool { return a.db.Buffered() > 2<<20 })
	r := row{"k", 0, 1}
	insert(t, b.db, two, r)
	if _, err := readAll(a.db, true, []datum.OID{two}); codeOf(err) != pgerr.OutOfMemory {
		t.Errorf("node a: %v, want 53200", err)
	}
	hold()
	b.fail(memstore.Verdict{Outcome: memstore.Fail}, func(call memstore.Call) bool {
		return call.Op == memstore.OpPutChunks && call.Part.Table == two
	})
	await(t, "node a can read", func() bool {
		_ = b.db.Checkpoint(context.Background()) // fails for table two
		_, err := readAll(a.db, true, []datum.OID{two})
		return err == nil
	})
	sameRows(t, "table one", a.latest(one), want)
	sameRows(t, "table two", a.latest(two), counts(r))
	b.fate.Store(nil)
	a.fate.Store(nil)
	a.close()
	b.close()
}

// TestClusterSealOfTheDropped has a node find a log without an owner just before the one
// that owns it drops it, and a third one start meanwhile, which has seen the log, and that
// it was trimmed: nobody begins it again.
func TestClusterSealOfTheDropped(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	b, c, x := newNode(t, shared, "b", quiet), newNode(t, shared, "c", quiet), newNode(t, shared, "x", quiet)
	table := createTable(t, b.db, "events", false, 0)
	insert(t, x.db, table, row{"k", 0, 1})
	checkpoint(t, x.db)
	isOwners := func(call memstore.Call) bool { return call.Register.Scope == "owners/phyllo" }
	b.fail(memstore.Verdict{Outcome: memstore.Fail}, func(call memstore.Call) bool { return call.Op == memstore.OpSwap && isOwners(call) })
	// hold stops a node at the first call that matches, and tells of it.
	hold := func(match func(memstore.Call) bool) (fate func(memstore.Call) memstore.Verdict, reached, goOn chan struct{}) {
		reached, goOn = make(chan struct{}), make(chan struct{})
		var once sync.Once
		return func(call memstore.Call) memstore.Verdict {
			if match(call) {
				once.Do(func() { close(reached); <-goOn })
			}
			return memstore.Verdict{}
		}, reached, goOn
	}
	drop, dropping, dropIt := hold(func(call memstore.Call) bool { return call.Op == memstore.OpDrop && call.Log.Kind == store.SourceLog })
	c.fate.Store(&drop)
	x.kill()
	<-dropping
	look, looking, lookOn := hold(func(call memstore.Call) bool { return call.Op == memstore.OpRegisters && isOwners(call) })
	b.fate.Store(&look)
	<-looking
	start, starting, startOn := hold(func(call memstore.Call) bool { return call.Log.Kind == store.CatalogueLog })
	d := &node{t: t, name: "d"}
	d.store = shared.Node(d.hook)
	d.fate.Store(&start)
	opened := make(chan error, 1)
	go func() {
		opt := quiet
		opt.Writer, opt.Cluster = "d", fastCluster()
		var err error
		d.db, err = engine.Open(ctx, d.store, opt)
		opened <- err
	}()
	<-starting
	close(dropIt)
	await(t, "the log is dropped", func() bool { return !hasLog(t, shared, "x") && register(t, shared, "owners/phyllo", "x/") == "" })
	close(lookOn)
	await(t, "node b has looked after it", func() bool { return register(t, shared, "owners/phyllo", "x/") != "" })
	time.Sleep(100 * time.Millisecond) // in which it would seal it
	close(startOn)
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	await(t, "there is no log of x", func() bool { return !hasLog(t, shared, "x") })
	for _, n := range []*node{b, c, d} {
		sameRows(t, "node "+n.name, n.latest(table), counts(row{"k", 0, 1}))
		n.close()
	}
}

// TestClusterFlushLongInDoubt has a node not know whether a flush was made until others have
// committed so often that the commit log does not remember by whom: it is made after all.
func TestClusterFlushLongInDoubt(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, made := range []bool{false, true} {
		t.Run(map[bool]string{false: "not made", true: "made"}[made], func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", false, 0)
			insert(t, a.db, table, row{"k", 0, 0})
			sameRows(t, "node b", b.latest(table), counts(row{"k", 0, 0}))
			outcome := memstore.Fail
			if made {
				outcome = memstore.Lose
			}
			heal := a.fail(memstore.Verdict{Outcome: outcome}, func(c memstore.Call) bool {
				return isAppend(store.CommitLog)(c) || c.Op == memstore.OpRead && c.Log.Kind == store.CommitLog ||
					c.Op == memstore.OpList && c.Log.Kind == store.SourceLog // its rounds fail, so that it does not read the commit log either
			})
			if err := a.db.Checkpoint(ctx); codeOf(err) != pgerr.OutcomeUnknown {
				t.Fatalf("flush: %v, want 40003", err)
			}
			want := counts(row{"k", 0, 0})
			for i := range int64(300) {
				r := row{"k", 0, i + 1}
				insert(t, b.db, table, r)
				checkpoint(t, b.db)
				want[r]++
			}
			heal()
			await(t, "node a flushes", func() bool { return a.db.Checkpoint(ctx) == nil })
			sameRows(t, "node a", a.latest(table), want)
			sameRows(t, "node b", b.latest(table), want)
			a.close()
			b.close()
		})
	}
}
