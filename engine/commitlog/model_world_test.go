package commitlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
)

// world is a history: a store, the processes that use it, and the reference.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	backing *backing
	now     time.Time
	procs   []*process
	late    []lateCall
	faults  int // of 1,000 calls fail; as many get no answer; as many are late
	every   int // Options.CheckpointEvery
	retries int // Options.Retries
	// lifetime is Options.PageLifetime: none, or longer than any history.
	lifetime time.Duration
	ops      int // begun
	ids      uint64
	values   int
	readers  int // snapshots under way
	// powerless: calls under way end with the machine.
	powerless bool
	gone      map[Source]bool // logs dropped
	// checkpoints are those that the store has, and their pages.
	checkpoints map[store.LogID]bool
	counts      counts
	reference

	failure error
	tracing bool
	trace   strings.Builder
}

func newWorld(t *testing.T, seed uint64, open func(*testing.T, *rand.Rand) *backing, tracing bool) *world {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		t: t, rng: rng, tracing: tracing, procs: make([]*process, 2+rng.IntN(2)),
		now: time.UnixMilli(1_700_000_000_000).UTC(), gone: map[Source]bool{}, checkpoints: map[store.LogID]bool{}, counts: counts{}, values: 1,
		faults: []int{0, 10, 40}[rng.IntN(3)], every: []int{-1, 3, 9}[rng.IntN(3)],
		retries: []int{-1, 1, 6}[rng.IntN(3)], lifetime: []time.Duration{-1, time.Hour}[rng.IntN(2)],
	}
	w.backing = open(t, rng)
	w.reference = newReference()
	return w
}

func (w *world) tracef(format string, args ...any) {
	if w.tracing {
		fmt.Fprintf(&w.trace, format+"\n", args...)
	}
}

// failf notes the first violation.
func (w *world) failf(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.tracef("VIOLATION: %v", w.failure)
	}
}

// process is one process that has the log open, as a coroutine.
type process struct {
	w      *world
	source Source
	head   uint64 // last acknowledged position of its own source log
	owned  map[Source]*owned
	log    *Log
	ctx    context.Context
	cancel context.CancelFunc
	// unknown are commits whose outcome it does not know.
	unknown   []*Commit
	inserting bool
	dead      bool // stopped: no call does anything any more
	last      bool // the one that settles the history
	done      bool

	yield  func(struct{}) bool
	resume func()
	stop   func()
}

// owned is a source that a process flushes: its own, or one taken over.
type owned struct {
	head uint64
	rows []row // not flushed yet, as far as the process knows
}

// row is a row with its place in a source log.
type row struct {
	source Source
	pos    uint64
	value  int
}

// start makes process i anew, with a new epoch.
func (w *world) start(i int) {
	p := &process{w: w, source: Source{Writer: fmt.Sprintf("w/%d", i), Epoch: w.rng.Uint64()}, owned: map[Source]*owned{}}
	p.owned[p.source] = &owned{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		p.run()
		p.done = true
	})
	p.resume = func() { next() }
	p.stop = stop
	w.procs[i] = p
}

// pause lets other processes run. After it the process may be dead.
func (p *process) pause() {
	if !p.dead && !p.yield(struct{}{}) {
		p.dead = true
	}
}

// stop ends process i at the call it is at.
func (w *world) stop(i int) {
	p := w.procs[i]
	if p == nil || p.done || p.dead {
		return
	}
	w.counts["crashes"]++
	p.cancel()
	p.dead = true
	p.stop()
}

func (w *world) stopAll() {
	w.powerless = w.backing.crash != nil
	for i := range w.procs {
		w.stop(i)
	}
	w.powerless = false
}

func (p *process) options() Options {
	return Options{
		CheckpointEvery: p.w.every, Retries: p.w.retries, PageLifetime: p.w.lifetime,
		Pages: NewPageCache([]int64{0, 1000, 1 << 20}[p.w.rng.IntN(3)]),
		pages: pageSizes{most: 2 + p.w.rng.IntN(4), least: 1 + p.w.rng.IntN(2)},
		Live:  func(s Source) bool { return !p.w.gone[s] },
		Now:   func() time.Time { return p.w.now },
		Wait: func(ctx context.Context, _ time.Duration) error {
			p.pause()
			return ctx.Err()
		},
	}
}

// open opens the log; false if it failed.
func (p *process) open() bool {
	l, err := Open(p.ctx, modelStore{p}, modelPart, p.options())
	if err != nil {
		p.w.expect("open", err)
		return false
	}
	p.log = l
	return true
}

// Slices and records of the model.

func sliceOf(value int) int64 { return int64(value % 2) }

// Kinds of records of source logs.
const (
	recordRows = 'r' // values, perhaps none
	recordSeal = 's' // the log has ended
)

func rowsRecord(values []int) []byte {
	b := []byte{recordRows}
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func recordValues(b []byte) (values []int) {
	if b[0] != recordRows {
		return nil
	}
	for b = b[1:]; len(b) > 0; {
		v, n := binary.Uvarint(b)
		values = append(values, int(v))
		b = b[n:]
	}
	return values
}

func (w *world) nextID() (id chunk.ID) {
	w.ids++
	binary.BigEndian.PutUint64(id[:8], uint64(w.now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(id[8:], w.ids)
	return id
}

// sealed makes chunks of rows, one or two a slice, from the state after a commit.
func (p *process) sealed(values []int, from uint64) (out []*chunk.Sealed) {
	for slice := range int64(2) {
		var mine []int
		for _, v := range values {
			if sliceOf(v) == slice {
				mine = append(mine, v)
			}
		}
		for len(mine) > 0 {
			n := 1 + p.w.rng.IntN(len(mine))
			blob := rowsRecord(mine[:n])
			out = append(out, &chunk.Sealed{Blobs: [][]byte{blob}, Entry: chunk.Entry{
				ID: p.w.nextID(), Version: 1, Slice: slice, Rows: n, From: from,
				KeyMin: []byte(fmt.Sprintf("%06d", mine[0])), KeyMax: []byte(fmt.Sprintf("%06d", mine[n-1])),
				Columns: []chunk.ColumnEntry{{ID: 1, Type: datum.Of(datum.Int8), Size: int64(len(blob))}},
			}})
			mine = mine[n:]
		}
	}
	return out
}

func chunkNames(chunks []*chunk.Sealed) string {
	s := ""
	for _, c := range chunks {
		s += fmt.Sprintf(" %v=%v", c.Entry.ID, recordValues(c.Blobs[0]))
	}
	return s
}

func name(log store.LogID, seq uint64) string { return fmt.Sprintf("%d:%q %d", log.Kind, log.Key, seq) }

func sourceLog(s Source) store.LogID { return store.LogID{Kind: store.SourceLog, Key: s.String()} }
