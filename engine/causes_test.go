package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
)

// TestClusterCauses has a node read the log of another one late, when that has a
// transaction which builds on one of a third node, whose log was read before: it does not
// show the effect without its cause.
func TestClusterCauses(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	stale := quiet
	stale.Cluster = fastCluster()
	stale.Cluster.Staleness = time.Minute // whatever node c has it shows
	a, b, c := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet), newNode(t, shared, "c", stale)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, b.db, table, row{"k", 0, 0})
	sameRows(t, "node c", c.latest(table), counts(row{"k", 0, 0})) // it has opened the partition

	held, late, again := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once, blocked atomic.Bool
	fate := func(call memstore.Call) memstore.Verdict {
		if call.Op != memstore.OpRead || call.Log.Kind != store.SourceLog {
			return memstore.Verdict{}
		}
		switch {
		case strings.HasPrefix(call.Log.Key, "b/") && blocked.Load():
			<-again
		case strings.HasPrefix(call.Log.Key, "a/"):
			if once.CompareAndSwap(false, true) {
				close(held)
			}
			<-late
		}
		return memstore.Verdict{}
	}
	c.fate.Store(&fate)
	<-held
	time.Sleep(50 * time.Millisecond) // the log of node b is read
	blocked.Store(true)
	cause, effect := row{"k", 0, 1}, row{"k", 0, 2}
	insert(t, b.db, table, cause)
	await(t, "node a sees the cause", func() bool { return a.latest(table)[cause] == 1 })
	insert(t, a.db, table, effect)
	close(late)
	look := func() map[row]int { return c.shows(table) }
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if got := look(); got[effect] > got[cause] {
			t.Fatalf("node c has %v", got)
		}
	}
	close(again)
	await(t, "node c sees both", func() bool { got := look(); return got[effect] == 1 && got[cause] == 1 })
	c.fate.Store(nil)
	for _, n := range []*node{a, b, c} {
		n.close()
	}
}

// shows reads a table as the node has it, however old that may be.
func (n *node) shows(table datum.OID) map[row]int {
	n.t.Helper()
	got, err := readAll(n.db, false, []datum.OID{table})
	if err != nil {
		n.t.Fatal(err)
	}
	return got[0]
}

// TestClusterOwnCause has a node not know what became of a commit of its own, on which
// another one builds: it does not show that without its own.
func TestClusterOwnCause(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	stale := quiet
	stale.Cluster = fastCluster()
	stale.Cluster.Staleness = time.Minute // whatever node a has it shows
	a, b := newNode(t, shared, "a", stale), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, b.db, table, row{"k", 0, 0})
	sameRows(t, "node a", a.latest(table), counts(row{"k", 0, 0}))

	cause, effect := row{"k", 0, 1}, row{"k", 0, 2}
	heal := a.fail(memstore.Verdict{Outcome: memstore.Lose}, isAppend(store.SourceLog))
	done := make(chan error, 1)
	go func() { done <- tryInsert(context.Background(), a, table, cause) }()
	await(t, "node b sees the cause", func() bool { return b.latest(table)[cause] == 1 })
	insert(t, b.db, table, effect)
	look := func() map[row]int { return a.shows(table) }
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		if got := look(); got[effect] > got[cause] {
			t.Fatalf("node a has %v", got)
		}
	}
	heal()
	<-done // it may have heard that the outcome is unknown
	await(t, "node a has both", func() bool { got := look(); return got[effect] == 1 && got[cause] == 1 })
	a.close()
	b.close()
}

// TestClusterOwnLate has a node not get a commit of its own into its log: it reads on
// what others commit, and waits for its own but once.
func TestClusterOwnLate(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	insert(t, b.db, table, row{"k", 0, 0})
	sameRows(t, "node a", a.latest(table), counts(row{"k", 0, 0}))
	heal := a.fail(memstore.Verdict{Outcome: memstore.Fail}, isAppend(store.SourceLog))
	own := row{"k", 0, -1}
	if err := tryInsert(context.Background(), a, table, own); err == nil {
		t.Fatal("a commit that is not in the log was answered")
	}
	begun := time.Now()
	for i := range int64(8) {
		r := row{"k", 0, 1 + i}
		insert(t, b.db, table, r)
		if a.latest(table)[r] != 1 {
			t.Fatalf("node a does not have %v", r)
		}
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("8 reads took %v", took)
	}
	heal()
	await(t, "the commit is made", func() bool { return b.latest(table)[own] == 1 })
	a.close()
	b.close()
}
