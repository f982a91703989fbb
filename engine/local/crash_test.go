package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// alarm is a logger that remembers that something was found corrupt: nothing
// that a crash leaves may look so.
type alarm struct {
	slog.Handler
	mu   sync.Mutex
	text string
}

func (a *alarm) Enabled(context.Context, slog.Level) bool { return true }

func (a *alarm) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "the directory of a segment is corrupt" {
		a.mu.Lock()
		defer a.mu.Unlock()
		r.Attrs(func(at slog.Attr) bool { a.text += at.String() + " "; return true })
	}
	return nil
}

func smallFiles(fs vfs.FS) (local.Options, *alarm) {
	a := &alarm{Handler: slog.DiscardHandler}
	return local.Options{Dir: "/srv/data", FS: fs, LogFileBytes: 4096, Logger: slog.New(a)}, a
}

func newDisk() *vfs.Mem {
	return vfs.NewMem() // not even the folders above are durable
}

// survives opens what a crash left, compares it with the ledger, and then cuts
// the power right after the opening: what a reader has seen must stay.
func survives(disk *vfs.Mem, before, after *ledger) error {
	ctx := context.Background()
	opts, alarm := smallFiles(disk)
	s, err := local.Open(opts)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	err = before.check(ctx, s, after)
	seen := after.clone()
	for id, log := range seen.logs { // a trim of meanwhile may have come too late
		log.first = 1
		if b := before.logs[id]; b != nil {
			log.first = b.first
		}
	}
	if err == nil {
		err = seen.adopt(ctx, s)
	}
	again := disk.Crash(vfs.CrashDrop, 0)
	if err == nil { // a little more work, with files rolling and being cleaned
		more := &workload{ledger: seen.clone(), rng: rand.New(rand.NewPCG(1, 1)), tag: "more"}
		if err = more.run(ctx, s, 10); err == nil && more.errs > 0 {
			err = fmt.Errorf("%d calls failed after recovery", more.errs)
		}
	}
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err == nil && alarm.text != "" {
		err = fmt.Errorf("found corrupt: %s", alarm.text)
	}
	if err != nil {
		return err
	}
	opts.FS = again
	s, err = local.Open(opts)
	if err != nil {
		return fmt.Errorf("open after a second crash: %w", err)
	}
	seen.chunks = nil // their deletion is not remembered; checked above
	if err = seen.check(ctx, s, seen); err != nil {
		err = fmt.Errorf("after a second crash: %w", err)
	}
	return errors.Join(err, s.Close())
}

// crashes returns what may be left of a disk.
func crashes(disk *vfs.Mem, seed uint64) map[string]*vfs.Mem {
	out := map[string]*vfs.Mem{}
	for kind := range 1 + len(vfs.CrashModes) {
		name, left := crashOne(disk, kind, seed)
		out[name] = left
	}
	return out
}

// crashOne returns what one kind of crash may leave of a disk.
func crashOne(disk *vfs.Mem, kind int, seed uint64) (name string, left *vfs.Mem) {
	if kind %= 1 + len(vfs.CrashModes); kind > 0 {
		mode := vfs.CrashModes[kind-1]
		return mode.String(), disk.Crash(mode, seed)
	}
	return "kill", disk.Kill()
}

// TestCrashEverywhere stops a workload before each of its calls to the disk.
func TestCrashEverywhere(t *testing.T) {
	t.Parallel()
	for _, seed := range storetest.Seeds()[:1] {
		t.Logf("seed %d", seed)
		ctx := context.Background()
		disk := newDisk()
		w := &workload{ledger: newLedger(), rng: rand.New(rand.NewPCG(seed, 0)), tag: "w"}
		var mu sync.Mutex // the hook's: there are two committers
		var failure error
		points := 0
		fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
			mu.Lock()
			defer mu.Unlock()
			if failure != nil || !c.Op.Changes() {
				return vfs.Fate{}
			}
			if points++; testing.Short() && points%3 > 0 {
				return vfs.Fate{}
			}
			before := w.ledger.clone()
			for mode, left := range crashes(disk, seed+uint64(c.N)) {
				if err := survives(left, before, before); err != nil {
					failure = fmt.Errorf("seed %d, call %d (%s %s), crash %s: %w", seed, c.N, c.Op, c.Name, mode, err)
				}
			}
			return vfs.Fate{}
		})
		opts, _ := smallFiles(fault)
		for range 3 { // with restarts
			s := mustOpen(t, opts)
			if err := w.run(ctx, s, 45); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if failure != nil {
			t.Fatal(failure)
		}
		if w.errs > 0 || points < 300 {
			t.Fatalf("%d errors, %d crash points", w.errs, points)
		}
	}
}

// TestCrashConcurrent stops writers that share batches.
func TestCrashConcurrent(t *testing.T) {
	t.Parallel()
	for _, seed := range lastSeeds() {
		t.Logf("seed %d", seed)
		ctx := context.Background()
		disk := newDisk()
		all := newLedger()
		var mu sync.Mutex // the hook's: files are written by several goroutines
		var failure error
		rng := rand.New(rand.NewPCG(seed, 3))
		fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
			mu.Lock()
			defer mu.Unlock()
			if failure != nil || !c.Op.Changes() || rng.IntN(4) > 0 {
				return vfs.Fate{}
			}
			before := all.clone()
			images := crashes(disk, seed+uint64(c.N))
			after := all.clone()
			for mode, left := range images {
				if err := survives(left, before, after); err != nil {
					failure = fmt.Errorf("seed %d, call %d (%s %s), crash %s: %w", seed, c.N, c.Op, c.Name, mode, err)
				}
			}
			return vfs.Fate{}
		})
		opts, _ := smallFiles(fault)
		s := mustOpen(t, opts)
		var wg sync.WaitGroup
		for i := range 4 {
			w := &workload{ledger: all, rng: rand.New(rand.NewPCG(seed, uint64(i))), tag: fmt.Sprint("w", i, "-")}
			wg.Go(func() {
				for range 30 {
					var err error
					switch id := w.logID(); w.rng.IntN(4) {
					case 0:
						w.trim(ctx, s, id)
					default:
						err = w.append(ctx, s, id)
					}
					w.n++
					if err != nil || w.errs > 0 {
						t.Errorf("%v, %d errors", err, w.errs)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if failure != nil {
			t.Fatal(failure)
		}
	}
}

// failures are the ways in which a call goes wrong.
var failures = []struct {
	name string
	on   func(vfs.Op) bool // the calls that can go wrong in this way
	fate func(c vfs.Call) vfs.Fate
}{
	{"error", func(vfs.Op) bool { return true }, func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO} }},
	{"applied", vfs.Op.Changes, func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO, Applied: true} }},
	{"short", func(op vfs.Op) bool { return op == vfs.OpWrite }, func(c vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.ENOSPC, Keep: c.Size / 2} }},
	{"lost", func(op vfs.Op) bool { return op == vfs.OpSync }, func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO, Lose: true} }},
}

// start is where a run of failAt begins. It is copied, never changed.
type start struct {
	disk   *vfs.Mem
	ledger *ledger
	chance rand.PCG
	n      int // steps of the workload so far
	rounds int // to do, each with an open and a close
}

func (s start) workload() *workload {
	chance := s.chance
	return &workload{ledger: s.ledger.clone(), rng: rand.New(&chance), tag: "w", n: s.n}
}

// starts returns a new disk, and one on which a store was closed.
func starts(t *testing.T, seed uint64) map[string]start {
	t.Helper()
	fresh := start{disk: newDisk(), ledger: newLedger(), chance: *rand.NewPCG(seed, 0), rounds: 2}
	used := fresh
	used.disk, used.rounds = newDisk(), 1
	w := used.workload()
	w.rng = rand.New(&used.chance)
	opts, _ := smallFiles(used.disk)
	s := mustOpen(t, opts)
	if err := errors.Join(w.run(context.Background(), s, failSteps), s.Close()); err != nil {
		t.Fatal(err)
	}
	used.ledger, used.n = w.ledger, w.n
	return map[string]start{"new": fresh, "used": used}
}

// failSteps are the steps of a round of failAt.
const failSteps = 40

// TestFailEverywhere fails each call of a workload once, or it and the next
// nine, or all from it on.
func TestFailEverywhere(t *testing.T) {
	t.Parallel()
	const seed = 4
	for name, from := range starts(t, seed) {
		calls := failAt(t, from, 1<<30, 0, failures[0].fate)
		t.Logf("seed %d, %d calls on a %s disk", seed, len(calls), name)
		for _, way := range failures {
			for _, span := range []int{1, 10, 1 << 20} {
				t.Run(fmt.Sprintf("disk=%s/%s/calls=%d", name, way.name, span), func(t *testing.T) {
					t.Parallel()
					every, done := 1, 0
					if span > 1 {
						every = 5
					} else if testing.Short() {
						every = 3
					}
					for n := every; n <= len(calls) && !t.Failed(); n += every {
						if way.on(calls[n-1]) {
							done++
							failAt(t, from, n, span, way.fate)
						}
					}
					if done == 0 {
						t.Error("no call failed")
					}
				})
			}
		}
	}
}

// failAt runs a workload whose calls n to n+span-1 fail, and checks what the
// store says then, after a restart and after crashes. It returns the calls of
// the first round.
func failAt(t *testing.T, from start, n, span int, fate func(vfs.Call) vfs.Fate) (first []vfs.Op) {
	t.Helper()
	ctx := context.Background()
	disk := from.disk.Kill()
	var mu sync.Mutex
	var calls []vfs.Op
	fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
		mu.Lock()
		calls = append(calls, c.Op)
		mu.Unlock()
		if c.N >= n && c.N-n < span {
			return fate(c)
		}
		return vfs.Fate{}
	})
	opts, _ := smallFiles(fault)
	w := from.workload()
	where := func() string { return fmt.Sprintf("call %d failed, and %d after it", n, span-1) }
	for round := range from.rounds {
		s, err := local.Open(opts)
		if err != nil {
			if fault.Calls() < n {
				t.Errorf("%s: open: %v", where(), err)
				return nil
			}
			continue // it may fail; the disk is looked at below
		}
		if w.n > 0 { // what failed in the last round is settled now
			if err := w.ledger.check(ctx, s, w.ledger); err != nil {
				if fault.Calls() < n || fault.Calls() >= n+span {
					t.Errorf("%s: after a restart: %v", where(), err)
				}
			} else if err := w.ledger.adopt(ctx, s); err != nil && fault.Calls() >= n+span {
				t.Errorf("%s: after a restart: %v", where(), err)
			}
		}
		if err := w.run(ctx, s, failSteps); err != nil {
			t.Errorf("%s: %v", where(), err)
		}
		mode, left := crashOne(disk, n/max(1, min(span, 5)), uint64(n)) // all in turn
		if err := survives(left, w.ledger, w.ledger); err != nil {
			t.Errorf("%s: crash %s: %v", where(), mode, err)
		}
		if err := s.Close(); err != nil && fault.Calls() < n {
			t.Errorf("%s: close: %v", where(), err)
		}
		if round == 0 {
			mu.Lock()
			first = calls
			mu.Unlock()
		}
	}
	if fault.Calls() < n && w.errs > 0 {
		t.Errorf("%s: %d errors before", where(), w.errs)
	}
	fault.Set(nil)
	if err := survives(disk, w.ledger, w.ledger); err != nil {
		t.Errorf("%s: at the end: %v", where(), err)
	}
	return first
}

// lastSeeds are a fixed seed and one by chance, or the one of the flag.
func lastSeeds() []uint64 {
	seeds := storetest.Seeds()
	return seeds[max(0, len(seeds)-2):]
}
