package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// A SharedHarness makes the stores of one test of RunShared.
type SharedHarness struct {
	// Node opens a store on the state of the test, as one more node; the test closes it.
	Node func() store.Shared
	// Pass returns when the time has passed on the clock that registers run out by.
	Pass func(time.Duration)
}

// RunShared runs the part of the suite that is about stores that several nodes
// use at once. open makes a harness with an empty state for each test.
func RunShared(t *testing.T, open func(t *testing.T) SharedHarness) {
	tests := []struct {
		name string
		run  func(*testing.T, *nodes)
	}{
		{"Swap", testSwap},
		{"SwapRunsOut", testSwapRunsOut},
		{"OneSwapWins", testOneSwapWins},
		{"NodesShareLogs", testNodesShareLogs},
		{"NodesShareBlobs", testNodesShareBlobs},
		{"NodesAppendInTurn", testNodesAppendInTurn},
		{"NodesTrimAndDrop", testNodesTrimAndDrop},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			n := &nodes{t: t, ctx: context.Background(), pass: h.Pass}
			for i := range n.s {
				n.s[i] = h.Node()
				t.Cleanup(func() {
					if err := n.s[i].Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			test.run(t, n)
		})
	}
}

// nodes are two stores on one state.
type nodes struct {
	t    *testing.T
	ctx  context.Context
	s    [2]store.Shared
	pass func(time.Duration)
}

// fixture returns a node's store with the calls of Run's tests.
func (n *nodes) fixture(node int) *fixture { return &fixture{t: n.t, ctx: n.ctx, s: n.s[node]} }

func (n *nodes) swapped(node int, r store.Register, old, value []byte, ttl time.Duration) {
	n.t.Helper()
	if held, ok, err := n.s[node].Swap(n.ctx, r, old, value, ttl); !ok || err != nil {
		n.t.Fatalf("swap of %v from %q to %q: %v, %v, held %q", r, old, value, ok, err, held)
	}
}

func (n *nodes) refused(node int, r store.Register, old, value, want []byte) {
	n.t.Helper()
	held, ok, err := n.s[node].Swap(n.ctx, r, old, value, 0)
	if ok || err != nil || !bytes.Equal(held, want) || (held == nil) != (want == nil) {
		n.t.Fatalf("swap of %v from %q to %q: %v, %v, held %#v, want %#v", r, old, value, ok, err, held, want)
	}
}

func (n *nodes) registers(scope string, want map[string]string) {
	n.t.Helper()
	for node := range n.s {
		got, err := n.s[node].Registers(n.ctx, scope)
		if err != nil || !maps.EqualFunc(got, want, func(b []byte, s string) bool { return b != nil && string(b) == s }) {
			n.t.Fatalf("registers of scope %q: %q, %v; want %q", scope, got, err, want)
		}
	}
}

func testSwap(t *testing.T, n *nodes) {
	a, b := store.Register{Scope: "scope", Name: "a"}, store.Register{Scope: "scope", Name: "b"}
	other := store.Register{Scope: "other", Name: "a"}
	n.registers("scope", nil)
	n.refused(0, a, []byte("x"), []byte("y"), nil)
	n.refused(1, a, []byte{}, []byte("y"), nil) // empty is not absent
	n.swapped(0, a, nil, nil, 0)                // absent stays absent
	n.registers("scope", nil)
	n.swapped(0, a, nil, []byte("1"), 0)
	n.refused(1, a, nil, []byte("2"), []byte("1"))
	n.refused(1, a, []byte("2"), []byte("3"), []byte("1"))
	n.refused(1, a, []byte{}, []byte("3"), []byte("1"))
	n.swapped(1, a, []byte("1"), []byte("2"), 0)
	n.swapped(0, b, nil, []byte("\x00\xff"), 0)
	n.swapped(0, other, nil, []byte("o"), 0)
	n.registers("scope", map[string]string{"a": "2", "b": "\x00\xff"})
	n.registers("other", map[string]string{"a": "o"})
	n.registers("none", nil)
	n.swapped(0, a, []byte("2"), []byte{}, 0)
	n.refused(1, a, nil, []byte("3"), []byte{})
	n.registers("scope", map[string]string{"a": "", "b": "\x00\xff"})
	n.swapped(1, a, []byte{}, nil, 0)
	n.refused(0, a, []byte{}, []byte("3"), nil)
	n.registers("scope", map[string]string{"b": "\x00\xff"})
	n.swapped(1, a, nil, []byte("4"), time.Hour)
	n.swapped(1, a, []byte("4"), []byte("4"), time.Hour)
	n.registers("scope", map[string]string{"a": "4", "b": "\x00\xff"})
	strange := store.Register{Scope: "\x00\xff/", Name: ""}
	n.swapped(0, strange, nil, []byte("s"), 0)
	n.registers("\x00\xff/", map[string]string{"": "s"})
	for _, ttl := range []time.Duration{-time.Second, time.Millisecond} {
		if _, _, err := n.s[0].Swap(n.ctx, b, nil, []byte("x"), ttl); err == nil {
			t.Fatalf("a ttl of %v was taken", ttl)
		}
	}
	ctx, cancel := context.WithCancel(n.ctx)
	cancel()
	if _, _, err := n.s[0].Swap(ctx, a, []byte("4"), []byte("5"), 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("swap with a cancelled context: %v", err)
	}
	if _, err := n.s[0].Registers(ctx, "scope"); !errors.Is(err, context.Canceled) {
		t.Fatalf("registers with a cancelled context: %v", err)
	}
}

func testSwapRunsOut(t *testing.T, n *nodes) {
	a, b := store.Register{Scope: "lease", Name: "a"}, store.Register{Scope: "lease", Name: "b"}
	c := store.Register{Scope: "lease", Name: "c"}
	n.swapped(0, b, nil, []byte("once"), 0) // then with a time to live: it runs out as one that always had
	n.swapped(0, c, nil, []byte("leased"), 2*time.Second)
	n.swapped(0, c, []byte("leased"), []byte("for good"), 0)
	n.swapped(0, b, []byte("once"), []byte("leased"), 2*time.Second)
	n.swapped(0, a, nil, []byte("1"), 2*time.Second)
	n.pass(3 * time.Second)
	n.registers("lease", map[string]string{"c": "for good"})
	n.refused(1, a, []byte("1"), []byte("2"), nil)
	n.swapped(1, a, nil, []byte("2"), time.Hour)
	n.swapped(1, b, nil, []byte("again"), 0)
	n.refused(0, a, []byte("1"), []byte("1"), []byte("2"))
	n.registers("lease", map[string]string{"a": "2", "b": "again", "c": "for good"})
}

func testOneSwapWins(t *testing.T, n *nodes) {
	const swappers, rounds = 4, 10
	r := store.Register{Scope: "counter", Name: "n"}
	n.swapped(0, r, nil, []byte("0"), 0)
	var wins [swappers*rounds + 1]atomic.Int32
	var wg sync.WaitGroup
	for w := range swappers {
		wg.Go(func() {
			held := []byte("0")
			for done := 0; done < rounds; {
				var at int
				if _, err := fmt.Sscan(string(held), &at); err != nil {
					t.Errorf("register holds %q", held)
					return
				}
				next := fmt.Append(nil, at+1)
				now, ok, err := n.s[w%2].Swap(n.ctx, r, held, next, 0)
				switch {
				case err != nil:
					t.Errorf("swap: %v", err)
					return
				case ok:
					wins[at+1].Add(1)
					held = next
					done++
				default:
					held = now
				}
			}
		})
	}
	wg.Wait()
	for i := 1; i <= swappers*rounds; i++ {
		if got := wins[i].Load(); got != 1 {
			t.Errorf("%d swaps to %d", got, i)
		}
	}
	n.registers("counter", map[string]string{"n": fmt.Sprint(swappers * rounds)})
}

func testNodesShareLogs(t *testing.T, n *nodes) {
	a, b := n.fixture(0), n.fixture(1)
	b.head(wal, 0) // what it remembers from here on is old
	b.read(wal, 1)
	a.append(wal, 1, "a1")
	b.read(wal, 1, "a1")
	b.conflict(wal, 1)
	b.append(wal, 2, "b2")
	a.conflict(wal, 2)
	a.append(wal, 3, "a3")
	for _, f := range []*fixture{a, b} {
		f.head(wal, 3)
		f.read(wal, 1, "a1", "b2", "a3")
		f.read(wal, 4)
	}
	if ids, err := n.s[1].List(n.ctx, store.SourceLog); err != nil || !slices.Equal(ids, []store.LogID{wal}) {
		t.Fatalf("list: %v, %v", ids, err)
	}
}

func testNodesShareBlobs(t *testing.T, n *nodes) {
	a, b := n.fixture(0), n.fixture(1)
	p := chunk.PartitionID{Table: 1, Key: "k"}
	x, y := Sealed(ChunkID(1), "x"), Sealed(ChunkID(2), "y")
	a.do("put", n.s[0].PutChunks(n.ctx, p, []*chunk.Sealed{x}))
	b.do("put", n.s[1].PutChunks(n.ctx, p, []*chunk.Sealed{y}))
	for _, f := range []*fixture{a, b} {
		f.chunks(p, ChunkID(1), ChunkID(2))
		f.column(p, &x.Entry, 0, "x")
		f.column(p, &y.Entry, 0, "y")
	}
	b.do("delete", n.s[1].DeleteChunks(n.ctx, p, []*chunk.Entry{&x.Entry}))
	b.gone(p, &x.Entry)
	for _, f := range []*fixture{a, b} {
		f.chunks(p, ChunkID(2))
	}
	a.do("put checkpoint", n.s[0].PutCheckpoint(n.ctx, part, []byte("one")))
	b.do("put checkpoint", n.s[1].PutCheckpoint(n.ctx, part, []byte("two")))
	if got, err := n.s[0].Checkpoint(n.ctx, part); err != nil || string(got) != "two" {
		t.Fatalf("checkpoint: %q, %v", got, err)
	}
}

// testNodesAppendInTurn has both nodes append to one log at once; each follows
// it by reading from where it is, as tailing does.
func testNodesAppendInTurn(t *testing.T, n *nodes) {
	const each = 60
	var got [2][]string
	var wg sync.WaitGroup
	for node := range n.s {
		wg.Go(func() {
			s := n.s[node]
			last := uint64(0)
			tail := func() {
				for e, err := range s.Read(n.ctx, part, last+1) {
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
					if e.Seq != last+1 {
						t.Errorf("entry %d after %d", e.Seq, last)
						return
					}
					last = e.Seq
					got[node] = append(got[node], string(e.Data))
				}
			}
			for done := 0; done < each && !t.Failed(); {
				err := s.Append(n.ctx, part, last+1, fmt.Appendf(nil, "%d-%d", node, done))
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Errorf("append: %v", err)
					return
				}
				before := last
				if tail(); last == before && !t.Failed() {
					t.Errorf("nothing at %d after an append there was decided: %v", last+1, err)
				}
			}
		})
	}
	wg.Wait()
	want, err := Collect(n.ctx, n.s[0], part, 1)
	if err != nil || len(want) != 2*each {
		t.Fatalf("%d entries, %v", len(want), err)
	}
	for node := range got {
		if !slices.Equal(got[node], want[:len(got[node])]) {
			t.Fatalf("node %d saw %q, the log is %q", node, got[node], want)
		}
	}
}

func testNodesTrimAndDrop(t *testing.T, n *nodes) {
	a, b := n.fixture(0), n.fixture(1)
	for i := range 6 {
		a.append(part, uint64(i+1), fmt.Sprint("e", i+1))
	}
	b.read(part, 5, "e5", "e6")
	a.do("trim", n.s[0].Trim(n.ctx, part, 4))
	b.trimmed(part, 3)
	b.first(part, 4)
	b.read(part, 4, "e4", "e5", "e6")
	b.append(part, 7, "e7")
	a.read(part, 7, "e7")
	a.do("drop", n.s[0].Drop(n.ctx, part))
	b.head(part, 0)
	b.read(part, 1)
	b.conflict(part, 8)
	b.append(part, 1, "new")
	a.read(part, 1, "new")
	a.conflict(part, 8)
}
