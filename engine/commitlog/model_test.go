package commitlog

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// The model test runs random histories of processes that insert, flush, take
// over, compact, retain, truncate, checkpoint and sweep on one partition. Each is a
// coroutine that stops before every call to the store, so that calls of all
// processes interleave in any order; calls fail, are done without an answer, or
// are done later; processes stop anywhere. After each call that changed
// something the rows that a snapshot would show are compared with what the
// source logs and the removals say (model_reference_test.go).

var (
	seedFlag      = flag.Uint64("seed", 0, "seed of the only history to run; 0: many, from a seed by chance")
	historiesFlag = flag.Int("histories", 0, "how many histories to run; 0: the default")
)

// modelPart is the partition that the histories are about.
var modelPart = chunk.PartitionID{Table: 77, Key: "\x00p/@"}

// backing is a store under test, and what its machine does when the power fails.
type backing struct {
	store store.Store
	late  bool               // calls may be done after they have failed
	crash func() store.Store // nil: only processes stop
	quiet func(quiet bool)   // switches the disk's faults off and on; may be nil
	close func()             // at the end of the history; may be nil
}

func TestModelMemstore(t *testing.T) {
	runModel(t, 2500, func(*testing.T, *rand.Rand) *backing {
		return &backing{store: memstore.New(nil), late: true}
	})
}

func TestModelLocal(t *testing.T) {
	runModel(t, 250, newLocalBacking)
}

// newLocalBacking opens an embedded store on a disk that fails now and then.
func newLocalBacking(t *testing.T, rng *rand.Rand) *backing {
	disk := vfs.NewMem()
	fault := vfs.NewFault(disk, nil)
	opts := func() local.Options {
		return local.Options{Dir: "/data", FS: fault, LogFileBytes: 4096 << rng.IntN(4)}
	}
	open := func() *local.Store {
		s, err := local.Open(opts())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	b := &backing{store: s}
	faults := newDiskFaults(rng.Uint64())
	b.quiet = func(quiet bool) {
		fault.Set(faults.hook)
		if quiet {
			fault.Set(nil)
		}
	}
	b.crash = func() store.Store {
		left := disk.Crash(vfs.CrashModes[rng.IntN(len(vfs.CrashModes))], rng.Uint64())
		fault.Set(nil)
		_ = s.Close() // of a machine that is gone
		disk = left
		fault = vfs.NewFault(disk, nil)
		s = open()
		return s
	}
	b.close = func() { _ = s.Close() }
	return b
}

// runModel runs histories, and the first one that fails again with a trace.
func runModel(t *testing.T, histories int, open func(*testing.T, *rand.Rand) *backing) {
	first, n := rand.Uint64()>>1, uint64(histories)
	if *historiesFlag > 0 {
		n = uint64(*historiesFlag)
	}
	if testing.Short() {
		n = n/10 + 1
	}
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	t.Logf("%d histories, seeds from %d (-seed runs one)", n, first)
	var total counts
	for seed := first; seed < first+n; seed++ {
		w := newWorld(t, seed, open, *seedFlag != 0)
		err := w.run()
		total.add(&w.counts)
		if err == nil {
			continue
		}
		if !w.tracing {
			w = newWorld(t, seed, open, true)
			if again := w.run(); again == nil {
				t.Errorf("seed %d passed when repeated", seed)
			}
		}
		t.Fatalf("seed %d: %v\n%s", seed, err, w.trace.String())
	}
	t.Log(total.String())
	total.check(t, n)
}

// counts tells how much of what the histories are meant to do they did.
type counts map[string]int

func (c *counts) add(d *counts) {
	if *c == nil {
		*c = counts{}
	}
	for k, v := range *d {
		(*c)[k] += v
	}
}

func (c counts) String() string { return fmt.Sprint(map[string]int(c)) }

// check fails a run that tested little.
func (c counts) check(t *testing.T, histories uint64) {
	if histories < 1000 {
		return
	}
	for _, what := range []string{
		"flush", "compaction", "retention", "horizon", "checkpoint", "seals", "unknown", "retried", "crashes",
		"snapshots", "swept", "ended", "unmet position of a source", "unmet owner of a source",
		"unmet chunk is live", "stored pages", "retired pages",
	} {
		if c[what] == 0 {
			t.Errorf("no history had: %s", what)
		}
	}
}

// opsPerHistory is how many operations a history has, about five calls each.
const opsPerHistory = 60

func (w *world) run() error {
	if w.backing.close != nil {
		defer func() { w.backing.close() }()
	}
	defer w.stopAll()
	for i := range w.procs {
		w.start(i)
	}
	for w.ops < opsPerHistory && w.failure == nil {
		w.now = w.now.Add(time.Millisecond)
		switch p := w.rng.IntN(200); {
		case p < 12:
			if len(w.late) > 0 {
				w.deliver(w.rng.IntN(len(w.late)))
			}
		case p < 14:
			i := w.rng.IntN(len(w.procs))
			w.tracef("process %d stops", i)
			w.stop(i)
			w.start(i)
		case p == 14 && w.backing.crash != nil:
			w.powerCut()
		default:
			w.procs[w.rng.IntN(len(w.procs))].resume()
		}
	}
	w.settle()
	return w.failure
}

// powerCut stops all processes and the machine below them.
func (w *world) powerCut() {
	w.tracef("power cut")
	w.stopAll()
	w.backing.store = w.backing.crash()
	w.check(true)
	for i := range w.procs {
		w.start(i)
	}
}

// settle ends a history without failures: one process takes over all sources,
// flushes them, and sweeps; then nothing is left but what the log names.
func (w *world) settle() {
	for len(w.late) > 0 {
		w.deliver(0)
	}
	w.stopAll()
	w.faults = 0
	if w.backing.quiet != nil {
		w.backing.quiet(true)
		w.backing.quiet = nil
	}
	w.start(0)
	p := w.procs[0]
	p.last = true
	for !p.done && w.failure == nil {
		p.resume()
	}
}

// finish is what the last process does.
func (p *process) finish() {
	w := p.w
	if !p.open() {
		w.failf("cannot open the log without failures")
		return
	}
	p.takeOverAll()
	for s := range p.owned {
		p.load(s)
	}
	p.flushAll()
	m := p.log.Manifest()
	for s, o := range p.owned {
		if m.Folded(s) != o.head {
			w.failf("at the end source %v is folded up to %d of %d", s, m.Folded(s), o.head)
		}
	}
	w.now = w.now.Add(time.Hour)
	if _, err := p.log.Sweep(p.ctx, w.now); err != nil {
		w.failf("last sweep: %v", err)
	}
	m = p.log.Manifest()
	stored, err := w.backing.store.Chunks(p.ctx, modelPart)
	if err != nil || len(stored) != m.Len() || m.garbage.n > 0 {
		w.failf("the store has %d chunks (%v), the log names %d and %d removed ones", len(stored), err, m.Len(), m.garbage.n)
	}
	if err := p.log.Checkpoint(p.ctx); err != nil {
		w.failf("last checkpoint: %v", err)
	}
	if m = p.log.Manifest(); m.seq > 1 && m.seq-m.base.seq != 1 {
		w.failf("the last checkpoint is %v, the log ends at %d", m.base, m.seq)
	}
	for name := range w.checkpoints {
		w.counts["checkpoints and pages left"]++
		if m.names(name) {
			w.counts["of them in use"]++
		}
	}
	if err := Drop(p.ctx, w.backing.store, modelPart); err != nil {
		w.failf("drop: %v", err)
	}
	stored, err = w.backing.store.Chunks(p.ctx, modelPart)
	if l, oerr := Open(p.ctx, w.backing.store, modelPart, Options{}); err != nil || oerr != nil || len(stored) > 0 || l.Manifest().seq != 0 {
		w.failf("dropped, and %d chunks left: %v, %v", len(stored), err, oerr)
	}
}

// names tells whether a manifest, of a log that is checkpointed to its end, says of
// a checkpoint or a page that it is there.
func (m *Manifest) names(name store.LogID) bool {
	for _, p := range m.pages {
		if p.stored != nil && p.stored.id(modelPart) == name {
			return true
		}
	}
	for _, p := range m.retired {
		if p.id(modelPart) == name {
			return true
		}
	}
	return name == m.base.id(modelPart)
}

// Errors that calls of the model fail with.
var (
	errLost = errors.New("model: no answer")
	errDead = fmt.Errorf("model: the process has been stopped: %w", context.Canceled)
)
