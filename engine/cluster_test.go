package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A node is one of several on a store that they share. Its store can be cut off,
// as if its process had died or stood still.
type node struct {
	t     testing.TB
	name  string
	store *memstore.Store
	db    *engine.DB

	mu   sync.Mutex // guards held
	held chan struct{}
	dead atomic.Bool
	fate atomic.Pointer[func(memstore.Call) memstore.Verdict]
}

// fastCluster has short times.
func fastCluster() *engine.ClusterOptions {
	return &engine.ClusterOptions{Lease: 2 * time.Second, Poll: 5 * time.Millisecond, Insist: 500 * time.Millisecond}
}

func newNode(t testing.TB, shared *memstore.Store, name string, opt engine.Options) *node {
	t.Helper()
	n := &node{t: t, name: name}
	n.store = shared.Node(n.hook)
	opt.Writer = name
	if opt.Cluster == nil {
		opt.Cluster = fastCluster()
	}
	db, err := engine.Open(context.Background(), n.store, opt)
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	n.db = db
	return n
}

var errNodeDead = errors.New("the node is dead")

func (n *node) hook(c memstore.Call) memstore.Verdict {
	n.mu.Lock()
	held := n.held
	n.mu.Unlock()
	if held != nil {
		<-held
	}
	if n.dead.Load() {
		return memstore.Verdict{Outcome: memstore.Fail, Err: errNodeDead}
	}
	if fate := n.fate.Load(); fate != nil {
		return (*fate)(c)
	}
	return memstore.Verdict{}
}

// pause holds up the node's calls until the function that it returns is called.
func (n *node) pause() (resume func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	held := make(chan struct{})
	n.held = held
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.held = nil
		close(held)
	}
}

// kill cuts the node off for good and frees what it has in memory.
func (n *node) kill() {
	n.dead.Store(true)
	n.db.Close()
	n.store.Close()
}

func (n *node) close() {
	n.t.Helper()
	if err := n.db.Close(); err != nil {
		n.t.Errorf("close node %s: %v", n.name, err)
	}
	n.store.Close()
}

// latest reads a table as of now.
func (n *node) latest(table datum.OID) map[row]int {
	n.t.Helper()
	ctx := reading.With(context.Background(), reading.Options{Latest: true})
	tx, err := n.db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		n.t.Fatalf("node %s: begin: %v", n.name, err)
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		n.t.Fatalf("node %s: snapshot: %v", n.name, err)
	}
	got, err := read(tx, table)
	if err != nil {
		n.t.Fatalf("node %s: read: %v", n.name, err)
	}
	return got
}

func TestClusterSees(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", keyed, schema.DuplicateReplace)
			want := map[row]int{}
			add := func(n *node, rows ...row) {
				insert(t, n.db, table, rows...)
				for _, r := range rows {
					want[r]++
				}
			}
			check := func(what string) {
				t.Helper()
				for _, n := range []*node{a, b} {
					sameRows(t, "node "+n.name+": "+what, n.latest(table), want)
				}
			}
			for i := range 40 {
				n := a
				if i%2 == 1 {
					n = b
				}
				add(n, row{fmt.Sprint("k", i%7), int64(i) * hour / 3, int64(i)}, row{fmt.Sprint("l", i), int64(i), int64(i)})
				check(fmt.Sprint("after insert ", i))
				switch i % 10 {
				case 3:
					checkpoint(t, a.db)
				case 6:
					checkpoint(t, b.db)
				case 9:
					checkpoint(t, a.db)
					checkpoint(t, b.db)
				default:
					continue
				}
				check("after a flush")
			}
			a.close()
			sameRows(t, "after node a left", b.latest(table), want)
			c := newNode(t, shared, "c", quiet)
			sameRows(t, "a node that starts", c.latest(table), want)
			b.close()
			c.close()
		})
	}
}

// TestClusterTakeover kills a node: another one has its rows, once, also when it
// comes back.
func TestClusterTakeover(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", keyed, schema.DuplicateReplace)
			want := map[row]int{}
			for i := range 30 {
				r := row{fmt.Sprint("k", i), int64(i), int64(i)}
				insert(t, a.db, table, r)
				want[r]++
				if i == 10 {
					checkpoint(t, a.db)
				}
			}
			a.kill()
			sameRows(t, "right after the death", b.latest(table), want)
			await(t, "node b flushes what node a left", func() bool {
				checkpoint(t, b.db)
				logs, err := sourceLogs(shared)
				return err == nil && len(logs) <= 1
			})
			sameRows(t, "after the takeover", b.latest(table), want)
			a = newNode(t, shared, "a", quiet)
			sameRows(t, "node a again", a.latest(table), want)
			r := row{"again", 1, 1}
			insert(t, a.db, table, r)
			want[r]++
			sameRows(t, "node b", b.latest(table), want)
			a.close()
			b.close()
			c := newNode(t, shared, "c", quiet)
			sameRows(t, "a node that starts", c.latest(table), want)
			c.close()
		})
	}
}

// TestClusterZombie holds a node up for longer than its lease, with a commit under
// way: it goes on, and what it acknowledges is there once.
func TestClusterZombie(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, schema.DuplicateReplace)
	want := map[row]int{}
	for i := range 10 {
		r := row{fmt.Sprint("k", i), int64(i), int64(i)}
		insert(t, a.db, table, r)
		want[r]++
	}
	tx := begin(t, a.db, engine.TxnOptions{})
	late := row{"late", 1, 1}
	if _, _, err := tx.Insert(context.Background(), table, batchOf(late), chunk.InsertDefault); err != nil {
		t.Fatal(err)
	}
	resume := a.pause()
	done := make(chan error)
	go func() { done <- tx.Commit(context.Background()) }()
	await(t, "node b takes over", func() bool {
		owners, err := shared.Registers(context.Background(), "owners/phyllo")
		return err == nil && len(owners) > 0
	})
	checkpoint(t, b.db)
	resume()
	if err := <-done; codeOf(err) != pgerr.SerializationFailure {
		t.Errorf("commit after the takeover: %v, want 40001", err)
	}
	for i := range 10 {
		r := row{fmt.Sprint("again", i), int64(i), int64(i)}
		insert(t, a.db, table, r)
		want[r]++
		sameRows(t, "node a", a.latest(table), want)
		sameRows(t, "node b", b.latest(table), want)
		checkpoint(t, a.db)
	}
	a.close()
	sameRows(t, "node b at last", b.latest(table), want)
	b.close()
}

// TestClusterUnique has two nodes insert the same keys where a second one is an
// error: each key is taken once.
func TestClusterUnique(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "items", true, schema.DuplicateError)
	var mu sync.Mutex
	want := map[row]int{}
	var wg sync.WaitGroup
	for v, n := range []*node{a, b} {
		wg.Go(func() {
			for i := range 15 {
				r := row{fmt.Sprint("k", i), 0, int64(v)}
				tx := begin(t, n.db, engine.TxnOptions{})
				_, _, err := tx.Insert(context.Background(), table, batchOf(r), chunk.InsertDefault)
				if err == nil {
					err = tx.Commit(context.Background())
				}
				tx.Rollback()
				switch codeOf(err) {
				case pgerr.UniqueViolation:
				case "":
					mu.Lock()
					want[r]++
					mu.Unlock()
				default:
					t.Errorf("node %s: %v", n.name, err)
				}
			}
		})
	}
	wg.Wait()
	if len(want) != 15 {
		t.Errorf("%d keys were taken, want 15", len(want))
	}
	sameRows(t, "node a", a.latest(table), want)
	sameRows(t, "node b", b.latest(table), want)
	a.close()
	b.close()
}

// TestClusterDefinitions changes tables on one node: the next statement on the
// other one knows.
func TestClusterDefinitions(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	nodes := []*node{newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet), newNode(t, shared, "c", quiet)}
	var tables []datum.OID
	for i := range 9 {
		n := nodes[i%3]
		table := createTable(t, n.db, fmt.Sprint("t", i), i%2 == 0, schema.DuplicateReplace)
		if len(tables) > 0 && tables[len(tables)-1] >= table {
			t.Fatalf("OID %d after %d", table, tables[len(tables)-1])
		}
		tables = append(tables, table)
		other := nodes[(i+1)%3]
		r := row{"k", int64(i), 1}
		insert(t, other.db, table, r)
		sameRows(t, "the third node", nodes[(i+2)%3].latest(table), counts(r))
		tx := begin(t, n.db, engine.TxnOptions{})
		if err := tx.Truncate(context.Background(), table); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if got := mustRead(t, n.db, table); len(got) != 0 {
				t.Fatalf("node %s sees %v after TRUNCATE", n.name, maps.Keys(got))
			}
		}
	}
	for _, n := range nodes {
		n.close()
	}
}

func sourceLogs(s *memstore.Store) ([]store.LogID, error) {
	return s.List(context.Background(), store.SourceLog)
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute) // much, for busy machines
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting for: %s", what)
		}
	}
}
