package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Each of these is a fault that TestClusterStress or a look at the code had found.

// fail makes the node's calls that match fail; the function that it returns ends that.
func (n *node) fail(v memstore.Verdict, match func(memstore.Call) bool) (end func()) {
	f := func(c memstore.Call) memstore.Verdict {
		if match(c) {
			return v
		}
		return memstore.Verdict{}
	}
	n.fate.Store(&f)
	return func() { n.fate.Store(nil) }
}

func isAppend(kind store.LogKind) func(memstore.Call) bool {
	return func(c memstore.Call) bool { return c.Op == memstore.OpAppend && c.Log.Kind == kind }
}

// tookOver waits until a node owns the logs of another one.
func tookOver(t *testing.T, shared *memstore.Store) {
	t.Helper()
	await(t, "a log is taken over", func() bool {
		owners, err := shared.Registers(context.Background(), "owners/phyllo")
		return err == nil && len(owners) > 0
	})
}

// TestClusterZombieReads has a node that was taken over read, and commit nothing: what it
// had in memory is in chunks now.
func TestClusterZombieReads(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(8) {
		r := row{fmt.Sprint("k", i), i, i}
		insert(t, a.db, table, r)
		want[r]++
	}
	resume := a.pause()
	tookOver(t, shared)
	await(t, "node b flushes what node a left", func() bool { checkpoint(t, b.db); return b.db.Buffered() == 0 })
	resume()
	for i := range int64(15) { // rows of others have it read the commit logs
		r := row{fmt.Sprint("b", i), i, i}
		insert(t, b.db, table, r)
		want[r]++
		sameRows(t, "the zombie", a.latest(table), want)
		time.Sleep(100 * time.Millisecond)
	}
	a.close()
	b.close()
}

// TestClusterTakeoverBesideFlush has a flush of a node that is taken over reach the commit
// log late, after the other one has read its rows from its log.
func TestClusterTakeoverBesideFlush(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(8) {
		r := row{fmt.Sprint("k", i), i, i}
		insert(t, a.db, table, r)
		want[r]++
	}
	end := a.fail(memstore.Verdict{Outcome: memstore.Delay}, func(c memstore.Call) bool {
		return isAppend(store.CommitLog)(c) || c.Op == memstore.OpSwap
	})
	defer end()
	flushed := make(chan error, 1)
	go func() { flushed <- a.db.Checkpoint(context.Background()) }()
	hold := b.fail(memstore.Verdict{Outcome: memstore.Fail}, isAppend(store.CommitLog)) // not flushed at once
	tookOver(t, shared)
	sameRows(t, "taken over", b.latest(table), want)
	a.store.Deliver()
	sameRows(t, "and flushed late", b.latest(table), want)
	hold()
	await(t, "node b flushes", func() bool { return b.db.Checkpoint(context.Background()) == nil && b.db.Buffered() == 0 })
	sameRows(t, "node b", b.latest(table), want)
	end()
	<-flushed
	sameRows(t, "node a", a.latest(table), want)
	a.close()
	b.close()
}

// TestClusterComesAndGoes has a node write to a partition that nobody knows, and leave,
// while another one does not look.
func TestClusterComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", kill), func(t *testing.T) {
			shared := memstore.New(nil)
			a, b, c := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet), newNode(t, shared, "c", quiet)
			table := createTable(t, a.db, "events", false, 0)
			sameRows(t, "nothing yet", b.latest(table), counts())
			resume := b.pause()
			r := row{"new", 1, 1}
			insert(t, c.db, table, r)
			checkpoint(t, c.db)
			if kill {
				c.kill()
				tookOver(t, shared)
			} else {
				c.close()
			}
			checkpoint(t, a.db)
			resume()
			sameRows(t, "the node that did not look", b.latest(table), counts(r))
			a.close()
			b.close()
		})
	}
}

// TestClusterJoinBesideTheDead has a node start while the lease of one that died lasts,
// which it does not wait for.
func TestClusterJoinBesideTheDead(t *testing.T) {
	t.Parallel()
	opt := quiet
	opt.Cluster = &engine.ClusterOptions{Lease: 10 * time.Second, Poll: 5 * time.Millisecond}
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", opt)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"of a", 1, 1})
	a.kill()
	b := newNode(t, shared, "b", opt)
	leases, err := shared.Registers(context.Background(), "nodes/phyllo")
	if err != nil || leases["a"] == nil {
		t.Errorf("node b waited for the lease of a: %v", err)
	}
	sameRows(t, "the new node", b.latest(table), counts(row{"of a", 1, 1}))
	b.close()
}

// TestClusterClaimOfTheDead has a node that wrote no row die, or leave, with the claim of
// the catalogue.
func TestClusterClaimOfTheDead(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", kill), func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			createTable(t, a.db, "first", false, 0)
			if kill {
				a.kill()
			} else {
				a.close()
			}
			createTable(t, b.db, "second", false, 0)
			b.close()
		})
	}
}

// uniqueTable makes a table whose keys are unique, and a row in it, so that node n
// has the claim.
func uniqueTable(t *testing.T, n *node) datum.OID {
	t.Helper()
	table := createTable(t, n.db, "items", true, schema.DuplicateError)
	insert(t, n.db, table, row{"first", 0, 0})
	return table
}

func tryInsert(ctx context.Context, n *node, table datum.OID, r row) error {
	tx, err := n.db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, _, err := tx.Insert(ctx, table, batchOf(r), chunk.InsertDefault); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// TestClusterClaimGivenUp has a node want a claim and give up: it does not keep others from
// it.
func TestClusterClaimGivenUp(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := uniqueTable(t, a)
	tx := begin(t, a.db, engine.TxnOptions{})
	put(t, tx, table, chunk.InsertDefault, row{"x", 0, 1})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := tryInsert(ctx, b, table, row{"y", 0, 1}); err == nil {
		t.Error("two nodes had the claim")
	}
	if err := tx.Commit(context.Background()); err != nil {
		t.Error(err)
	}
	time.Sleep(200 * time.Millisecond) // in which node a gives back what node b wanted
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tryInsert(ctx, a, table, row{"z", 0, 1}); err != nil {
		t.Errorf("node a cannot have the claim again: %v", err)
	}
	a.close()
	b.close()
}

// TestClusterClaimUnderLoad has a node that uses a claim all the time give it to another
// one.
func TestClusterClaimUnderLoad(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := uniqueTable(t, a)
	var stop atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				tx := begin(t, a.db, engine.TxnOptions{})
				if _, _, err := tx.Insert(context.Background(), table, batchOf(row{fmt.Sprint(n.Add(1)), 0, 0}), chunk.InsertDefault); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond) // others begin to use it meanwhile
				if err := tx.Commit(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if err := tryInsert(ctx, b, table, row{"b", 0, 0}); err != nil {
		t.Errorf("node b does not get the claim: %v", err)
	}
	stop.Store(true)
	wg.Wait()
	a.close()
	b.close()
}

// TestClusterUnknownKeepsKeys has the outcome of a commit be unknown: its keys are not free
// for others, here or on other nodes, before that is decided.
func TestClusterUnknownKeepsKeys(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"decided", "closed", "killed"} {
		for _, other := range []bool{false, true} {
			if end != "decided" && !other {
				continue
			}
			t.Run(fmt.Sprintf("%s, other node %v", end, other), func(t *testing.T) {
				shared := memstore.New(nil)
				a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
				table := uniqueTable(t, a)
				heal := a.fail(memstore.Verdict{Outcome: memstore.Delay}, isAppend(store.SourceLog))
				if err := tryInsert(context.Background(), a, table, row{"k", 0, 1}); codeOf(err) != pgerr.OutcomeUnknown {
					t.Fatalf("insert: %v, want 40003", err)
				}
				n := a
				if other {
					n = b
				}
				second := make(chan error, 1)
				go func() {
					for { // what cannot be is tried again
						err := tryInsert(context.Background(), n, table, row{"k", 0, 2})
						if code := codeOf(err); err == nil || code == pgerr.UniqueViolation || code == pgerr.OutcomeUnknown {
							second <- err
							return
						}
						time.Sleep(5 * time.Millisecond)
					}
				}()
				select {
				case err := <-second:
					t.Errorf("a second insert while the first is not decided: %v", err)
				case <-time.After(500 * time.Millisecond):
				}
				switch end {
				case "decided":
					a.store.Deliver()
					heal()
				case "closed":
					a.db.Close()
					a.store.Deliver()
				case "killed":
					a.store.Deliver()
					a.kill()
				}
				if err := <-second; codeOf(err) != pgerr.UniqueViolation {
					t.Errorf("a second insert: %v, want 23505", err)
				}
				heal()
				if end == "decided" {
					a.close()
				}
				sameRows(t, "node b", b.latest(table), counts(row{"first", 0, 0}, row{"k", 0, 1}))
				b.close()
			})
		}
	}
}

// TestClusterUnknownIsDecided has a commit whose outcome is unknown be decided although
// nobody commits after it.
func TestClusterUnknownIsDecided(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	table := createTable(t, a.db, "events", false, 0)
	heal := a.fail(memstore.Verdict{Outcome: memstore.Fail}, isAppend(store.SourceLog))
	r := row{"k", 0, 1}
	if err := tryInsert(context.Background(), a, table, r); codeOf(err) != pgerr.OutcomeUnknown {
		t.Fatalf("insert: %v, want 40003", err)
	}
	heal()
	await(t, "the commit is made", func() bool { return a.latest(table)[r] == 1 })
	a.close()
}

// TestClusterLeaseAnswersLost has several answers of renewals in a row be lost.
func TestClusterLeaseAnswersLost(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	var lost atomic.Int64
	end := a.fail(memstore.Verdict{Outcome: memstore.Lose}, func(c memstore.Call) bool {
		return c.Op == memstore.OpSwap && c.Register.Scope == "nodes/phyllo" && lost.Add(1) > 0
	})
	createTable(t, b.db, "t1", false, 0) // each time node a has another thing to tell
	first := lost.Load()
	var wg sync.WaitGroup
	wg.Go(func() { createTable(t, b.db, "t2", false, 0) })
	await(t, "more answers are lost", func() bool { return lost.Load() > first })
	end()
	wg.Wait()
	insert(t, a.db, table, row{"k", 1, 1})
	a.close()
	b.close()
}

// TestClusterLateCatalogueCheckpoint has checkpoints of the catalogue of one node arrive
// after later ones of another.
func TestClusterLateCatalogueCheckpoint(t *testing.T) {
	defer engine.SetCheckpointChanges(3)()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	isCheckpoint := func(c memstore.Call) bool {
		return c.Op == memstore.OpPutCheckpoint && c.Log.Kind == store.CatalogueLog
	}
	a.fail(memstore.Verdict{Outcome: memstore.Delay}, isCheckpoint)
	for i := range 5 {
		createTable(t, a.db, fmt.Sprint("a", i), false, 0)
	}
	for i := range 8 {
		createTable(t, b.db, fmt.Sprint("b", i), false, 0)
	}
	if a.store.Deliver() == 0 {
		t.Error("no checkpoint was late")
	}
	c := newNode(t, shared, "c", quiet)
	tx := begin(t, c.db, engine.TxnOptions{})
	if n := len(tx.Catalog().Tables); n != 13 {
		t.Errorf("%d tables, want 13", n)
	}
	tx.Rollback()
	createTable(t, c.db, "c", false, 0)
	for _, n := range []*node{a, b, c} {
		n.close()
	}
}

// TestClusterMadeDuringStart has a table be made while another node starts, between its
// looks at the catalogue and at the commit logs: its rows are no garbage.
func TestClusterMadeDuringStart(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	createTable(t, a.db, "before", false, 0)
	r := row{"k", 1, 1}
	var table datum.OID
	var once sync.Once
	opt := quiet
	opt.SnapshotLifetime = time.Nanosecond
	b := &node{t: t, name: "b"}
	b.store = shared.Node(func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpList && c.Log.Kind == store.CommitLog {
			once.Do(func() {
				table = datum.OID(0)
				done := make(chan datum.OID)
				go func() {
					oid := createTable(t, a.db, "during", false, 0)
					insert(t, a.db, oid, r)
					checkpoint(t, a.db)
					done <- oid
				}()
				table = <-done
			})
		}
		return memstore.Verdict{}
	})
	opt.Writer, opt.Cluster = "b", fastCluster()
	var err error
	if b.db, err = engine.Open(context.Background(), b.store, opt); err != nil {
		t.Fatal(err)
	}
	b.db.Reclaim()
	sameRows(t, "node a", a.latest(table), counts(r))
	c := newNode(t, shared, "c", quiet)
	sameRows(t, "a node that starts later", c.latest(table), counts(r))
	for _, n := range []*node{a, b, c} {
		n.close()
	}
}

// TestClusterFollowerBound has a node buffer more than another one has memory for: that
// stops following, says so, and goes on when there is room.
func TestClusterFollowerBound(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	large := quiet
	large.BufferBytes = 64 << 20
	a, b := newNode(t, shared, "a", engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}), newNode(t, shared, "b", large)
	table := createTable(t, b.db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(40) {
		rows := make([]row, 500)
		for j := range rows {
			rows[j] = row{strings.Repeat("x", 100), i, int64(j)}
			want[rows[j]]++
		}
		insert(t, b.db, table, rows...)
		if n := a.db.Buffered(); n > 3<<19 {
			t.Fatalf("node a has %d bytes in memory", n)
		}
	}
	if b.db.Buffered() < 2<<20 {
		t.Fatalf("node b has only %d bytes in memory: the test does not test", b.db.Buffered())
	}
	look := func() error {
		_, err := readAll(a.db, true, []datum.OID{table})
		return err
	}
	if err := look(); codeOf(err) != pgerr.OutOfMemory {
		t.Errorf("node a: %v, want 53200", err)
	}
	checkpoint(t, b.db)
	await(t, "node a can read again", func() bool { return look() == nil })
	sameRows(t, "node a", a.latest(table), want)
	a.close()
	b.close()
}

// TestClusterForgetsSources restarts a node often: commit logs do not remember each of its
// processes for ever.
func TestClusterForgetsSources(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(8) {
		b := newNode(t, shared, "b", quiet)
		r := row{"k", i, i}
		insert(t, b.db, table, r)
		want[r]++
		b.close()
	}
	await(t, "logs are dropped", func() bool {
		logs, err := sourceLogs(shared)
		return err == nil && len(logs) == 1
	})
	sameRows(t, "node a", a.latest(table), want)
	insert(t, a.db, table, row{"k", 9, 9})
	checkpoint(t, a.db)
	a.close()
	v, err := engine.OpenView(context.Background(), shared.Node(nil), engine.ViewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Tables[0].Partitions {
		if n := len(p.Manifest.Sources()); n > 3 {
			t.Errorf("partition %x remembers %d sources", p.ID.Key, n)
		}
	}
}

// TestClusterTakenOverTwice has a node taken over again before it could begin anew.
func TestClusterTakenOverTwice(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"k", 0, 1})
	ofA := func() (keys []string) {
		logs, err := sourceLogs(shared)
		if err != nil {
			t.Fatal(err)
		}
		for _, log := range logs {
			if strings.HasPrefix(log.Key, "a/") {
				keys = append(keys, log.Key)
			}
		}
		return keys
	}
	before := ofA()
	// It gets a new log, and then neither reads nor keeps its lease.
	begun := func() bool {
		return slices.ContainsFunc(ofA(), func(key string) bool { return !slices.Contains(before, key) })
	}
	a.fail(memstore.Verdict{Outcome: memstore.Fail}, func(c memstore.Call) bool {
		return c.Op == memstore.OpRead && c.Log.Kind == store.CatalogueLog
	})
	resume := a.pause()
	tookOver(t, shared)
	resume()
	await(t, "node a has a new log", begun)
	heal := a.fail(memstore.Verdict{Outcome: memstore.Fail}, func(memstore.Call) bool { return true })
	await(t, "that is taken over", func() bool { return !begun() })
	heal()
	await(t, "node a commits", func() bool { return tryInsert(context.Background(), a, table, row{"k", 0, 2}) == nil })
	want := counts(row{"k", 0, 1}, row{"k", 0, 2})
	sameRows(t, "node a", a.latest(table), want)
	sameRows(t, "node b", b.latest(table), want)
	a.close()
	b.close()
}

// TestClusterVersionsOfChunks has a node whose clock is behind see a row that it knows from
// a chunk only, and replace it.
func TestClusterVersionsOfChunks(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	ahead := quiet
	ahead.Now = func() time.Time { return time.Now().Add(time.Hour) }
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", ahead)
	table := createTable(t, a.db, "state", true, schema.DuplicateReplace)
	insert(t, a.db, table, row{"k", 1, 0})
	sameRows(t, "node b", b.latest(table), counts(row{"k", 1, 0}))
	resume := a.pause()
	insert(t, b.db, table, row{"k", 1, 1})
	checkpoint(t, b.db)
	resume()
	sameRows(t, "the row", a.latest(table), counts(row{"k", 1, 1}))
	insert(t, a.db, table, row{"k", 1, 2})
	sameRows(t, "the row that replaced it", a.latest(table), counts(row{"k", 1, 2}))
	a.close()
	b.close()
}

// TestClusterDefinitionUnderWay has a node not know for a while that its change of the
// catalogue was made, on which others build meanwhile: what they wrote it does not
// overlook.
func TestClusterDefinitionUnderWay(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := uniqueTable(t, a)
	heal := a.fail(memstore.Verdict{Outcome: memstore.Lose}, isAppend(store.CatalogueLog))
	oid := undecidedTable(t, a.db)
	await(t, "node b has the table", func() bool {
		_, err := readAll(b.db, true, []datum.OID{oid})
		return err == nil
	})
	if err := tryInsert(context.Background(), b, table, row{"k", 0, 2}); err != nil {
		t.Fatal(err)
	}
	err := tryInsert(context.Background(), a, table, row{"k", 0, 1})
	heal()
	if codeOf(err) == pgerr.CannotConnectNow {
		await(t, "the definition is decided", func() bool {
			err = tryInsert(context.Background(), a, table, row{"k", 0, 1})
			return codeOf(err) != pgerr.CannotConnectNow
		})
	}
	if codeOf(err) != pgerr.UniqueViolation {
		t.Errorf("insert of a key that is there: %v, want 23505", err)
	}
	a.close()
	b.close()
}

// TestClusterDefinitionBesideFlush has a node not know for a while that its change of the
// catalogue was made, while another one, which knows, writes one of two tables to chunks:
// of a transaction on both the first node never shows only what is in the chunks.
func TestClusterDefinitionBesideFlush(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	stale := quiet
	stale.Cluster = fastCluster()
	stale.Cluster.Staleness = time.Minute // whatever node a has it shows
	a, b := newNode(t, shared, "a", stale), newNode(t, shared, "b", quiet)
	one, two := createTable(t, a.db, "one", false, 0), createTable(t, a.db, "two", false, 0)
	both := func(r row) {
		t.Helper()
		tx := begin(t, b.db, engine.TxnOptions{})
		for _, table := range []datum.OID{one, two} {
			if _, _, err := tx.Insert(context.Background(), table, batchOf(r), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	both(row{"k", 0, 1}) // so that node a looks at what becomes of it
	sameRows(t, "node a", a.latest(one), counts(row{"k", 0, 1}))
	heal := a.fail(memstore.Verdict{Outcome: memstore.Lose}, isAppend(store.CatalogueLog))
	oid := undecidedTable(t, a.db)
	await(t, "node b has the table", func() bool {
		_, err := readAll(b.db, true, []datum.OID{oid})
		return err == nil
	})
	both(row{"k", 0, 2})
	mend := b.fail(memstore.Verdict{Outcome: memstore.Fail}, func(c memstore.Call) bool {
		return c.Op == memstore.OpPutChunks && c.Part.Table == two
	})
	if err := b.db.Checkpoint(context.Background()); err == nil {
		t.Fatal("table two was flushed: the test does not test")
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		got, err := readAll(a.db, false, []datum.OID{one, two})
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got[0], got[1]) {
			t.Fatalf("node a has %v in one table and %v in the other", got[0], got[1])
		}
	}
	heal()
	mend()
	want := counts(row{"k", 0, 1}, row{"k", 0, 2})
	await(t, "node a has both", func() bool {
		got, err := readAll(a.db, true, []datum.OID{one, two})
		return err == nil && maps.Equal(got[0], want) && maps.Equal(got[1], want)
	})
	a.close()
	b.close()
}

// TestClusterNewerFormat has a node of a newer version write what this one cannot read:
// nothing is acknowledged beside it, and nothing is answered without it.
func TestClusterNewerFormat(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"old", 1, 1})
	sameRows(t, "b", b.latest(table), counts(row{"old", 1, 1}))

	log := store.LogID{Kind: store.SourceLog, Key: commitlog.Source{Writer: "z", Epoch: 2}.String()}
	if err := shared.Append(ctx, log, 1, []byte{ingest.FormatVersion + 1, 0, 0}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		var pe *pgerr.Error
		if !errors.Is(err, chunk.ErrNewerFormat) || !errors.As(err, &pe) || pe.Code != pgerr.FeatureNotSupported || pe.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, n := range []*node{a, b} {
		await(t, "node "+n.name+" refuses to write", func() bool {
			return tryInsert(ctx, n, table, row{"new", 1, 1}) != nil
		})
		check("insert on "+n.name, tryInsert(ctx, n, table, row{"new", 1, 1}))
		tx := begin(t, n.db, engine.TxnOptions{ReadOnly: true})
		check("read on "+n.name, tx.Snapshot(reading.With(ctx, reading.Options{Latest: true})))
		tx.Rollback()
	}
	_, err := engine.Open(ctx, shared.Node(nil), engine.Options{Writer: "c", Cluster: fastCluster()})
	check("start of c", err)
	a.kill()
	b.kill()
}
