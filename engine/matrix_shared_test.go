package engine_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
)

// sharedBed is a store that nodes share, as Cassandra is one, whose calls fail: each process
// is a node of its own on it, which takes over from the one before.
type sharedBed struct {
	faults *faults
	sites  *sites
	shared *memstore.Store
	late   bool // calls that were delayed are done when the next process has begun, not before

	mu          sync.Mutex // guards the fields below
	dead        *bool      // of the node's process, guarded by mu too
	predecessor string
	delayed     []*memstore.Store
}

func (b *sharedBed) String() string { return fmt.Sprintf("delayed calls are done late: %v", b.late) }

// sharedWays are the ways in which a call of a store fails: it is not done, it is done, it is
// done later; or the store answers nothing any more.
var sharedWays = []way{
	{name: "fail", on: anyCall, how: memstore.Fail},
	{name: "lose", on: anyCall, how: memstore.Lose},
	{name: "delay", on: changesStore, how: memstore.Delay},
	{name: "cut off", on: changesStore, how: memstore.Fail, ever: true},
	{name: "dead before", on: changesStore, how: memstore.Fail, power: true},
	{name: "dead after", on: changesStore, how: memstore.Lose, power: true},
	{name: "dead, and done later", on: changesStore, how: memstore.Delay, power: true},
}

func changesStore(op string) bool {
	return slices.Contains([]memstore.Op{memstore.OpAppend, memstore.OpTrim, memstore.OpDrop, memstore.OpPutChunks, memstore.OpDeleteChunks,
		memstore.OpPutCheckpoint, memstore.OpDeleteCheckpoint, memstore.OpSwap}, memstore.Op(op))
}

func (b *sharedBed) open(opt *engine.Options) (store.Store, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dead := new(bool)
	node := b.shared.Node(func(c memstore.Call) memstore.Verdict {
		b.mu.Lock()
		gone := *dead
		b.mu.Unlock()
		if gone {
			return memstore.Verdict{Outcome: memstore.Fail, Err: errNodeDead}
		}
		w := b.faults.ask(b.sites.of()+fmt.Sprintf(" for %s of %d", c.Op, c.Log.Kind), string(c.Op), c.Log.Key+c.Part.Key+c.Register.Name, changesStore(string(c.Op)))
		if w == nil {
			return memstore.Verdict{}
		}
		if w.power {
			b.mu.Lock()
			*dead = true
			b.mu.Unlock()
		}
		return memstore.Verdict{Outcome: w.how.(memstore.Outcome)}
	})
	b.dead = dead
	b.delayed = append(b.delayed, node)
	opt.Writer = "node"
	opt.Cluster = &engine.ClusterOptions{Lease: 20 * time.Second, Poll: 5 * time.Millisecond, Insist: 2 * time.Second, Predecessor: b.predecessor,
		Began: func(source string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.predecessor = source
			return nil
		}}
	return node, nil
}

func (b *sharedBed) crash(stop func()) {
	b.mu.Lock()
	if b.dead != nil {
		*b.dead = true
	}
	b.mu.Unlock()
	stop()
	if !b.late {
		b.deliver()
	}
}

func (b *sharedBed) begun() { b.deliver() }

// deliver does what was delayed.
func (b *sharedBed) deliver() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range b.delayed {
		node.Deliver()
	}
}

func (b *sharedBed) verify(store.Store, func(error)) error { return nil }

// TestClusterMatrix is TestMatrix on a store that nodes share, where the calls of the store
// are what fails: before they are done, after it, or done when nobody expects them any more.
func TestClusterMatrix(t *testing.T) {
	t.Parallel()
	x := &matrix{t: t, rng: newRand(t), ways: sharedWays, waits: true, places: map[string][]reached{}, bed: func(f *faults, seed uint64) bed {
		return &sharedBed{faults: f, sites: newSites("engine/commitlog", "engine"), shared: memstore.New(nil), late: seed>>8%2 == 0}
	}}
	x.fill()
	reached := map[string]bool{}
	for _, list := range x.places {
		for _, p := range list {
			reached[p.op] = true
		}
	}
	for _, op := range []memstore.Op{memstore.OpAppend, memstore.OpRead, memstore.OpHead, memstore.OpTrim, memstore.OpList, memstore.OpDrop, memstore.OpPutChunks,
		memstore.OpColumn, memstore.OpDeleteChunks, memstore.OpChunks, memstore.OpPutCheckpoint, memstore.OpCheckpoint, memstore.OpDeleteCheckpoint,
		memstore.OpSwap, memstore.OpRegisters} {
		if !reached[string(op)] {
			t.Errorf("%s of the store was never called", op)
		}
	}
}
