package local_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"path"
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

// crashes returns what may be left of a disk. Modes that leave the same, as most
// do when little is unsynced, are there once.
func crashes(disk *vfs.Mem, seed uint64) (map[string]*vfs.Mem, error) {
	out := map[string]*vfs.Mem{"kill": disk.Kill()} // unlike the others, with unsynced parts
	seen := map[uint64]bool{}
	for _, mode := range vfs.CrashModes {
		left := disk.Crash(mode, seed)
		var h maphash.Hash
		h.SetSeed(contentSeed)
		if err := hashContent(&h, left, "/"); err != nil {
			return nil, err
		}
		if !seen[h.Sum64()] {
			seen[h.Sum64()] = true
			out[mode.String()] = left
		}
	}
	return out, nil
}

var contentSeed = maphash.MakeSeed()

// hashContent hashes the names and files below a folder.
func hashContent(h *maphash.Hash, disk *vfs.Mem, dir string) error {
	entries, err := disk.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		maphash.WriteComparable(h, name)
		if e.Dir {
			if err := hashContent(h, disk, name); err != nil {
				return err
			}
			continue
		}
		f, err := disk.Open(name)
		if err != nil {
			return err
		}
		size, err := f.Size()
		b := make([]byte, size)
		if err == nil && size > 0 {
			_, err = f.ReadAt(b, 0)
		}
		maphash.WriteComparable(h, size)
		h.Write(b)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
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
	for _, seed := range storetest.Seeds()[:1] {
		t.Logf("seed %d", seed)
		ctx := context.Background()
		disk := newDisk()
		w := &workload{ledger: newLedger(), rng: rand.New(rand.NewPCG(seed, 0)), tag: "w"}
		var mu sync.Mutex // the hook's: there are two committers
		var failure error
		points, survived := 0, 0
		fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
			mu.Lock()
			defer mu.Unlock()
			if failure != nil || !c.Op.Changes() {
				return vfs.Fate{}
			}
			points++
			before := w.ledger.clone()
			images, err := crashes(disk, seed+uint64(c.N))
			if err != nil {
				failure = err
			}
			for mode, left := range images {
				survived++
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
		t.Logf("%d crash points, %d different crashes", points, survived)
		if w.errs > 0 || points < 300 || survived < 2*points {
			t.Fatalf("%d errors, %d crash points, %d different crashes", w.errs, points, survived)
		}
	}
}

// TestCrashConcurrent stops writers that share batches.
func TestCrashConcurrent(t *testing.T) {
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
			images, err := crashes(disk, seed+uint64(c.N))
			if err != nil {
				failure = err
			}
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

// TestFailEverywhere fails each call of a workload once, or it and the next
// nine, or all from it on.
func TestFailEverywhere(t *testing.T) {
	const seed = 4
	calls := failAt(t, seed, 1<<30, 0, failures[0].fate)
	t.Logf("seed %d, %d calls", seed, len(calls))
	for _, way := range failures {
		for _, span := range []int{1, 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s/calls=%d", way.name, span), func(t *testing.T) {
				done := 0
				for n := 1; n <= len(calls) && !t.Failed(); n++ {
					if !way.on(calls[n-1]) || span > 1 && n%5 != 0 {
						continue
					}
					done++
					failAt(t, seed, n, span, way.fate)
				}
				if done < 5 {
					t.Errorf("only %d calls failed", done)
				}
			})
		}
	}
}

// failAt runs a workload whose calls n to n+span-1 fail, and checks what the
// store says then, after a restart and after crashes.
func failAt(t *testing.T, seed uint64, n, span int, fate func(vfs.Call) vfs.Fate) []vfs.Op {
	t.Helper()
	ctx := context.Background()
	disk := newDisk()
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
	w := &workload{ledger: newLedger(), rng: rand.New(rand.NewPCG(seed, 0)), tag: "w"}
	where := func() string { return fmt.Sprintf("seed %d, call %d failed, and %d after it", seed, n, span-1) }
	for round := range 2 {
		s, err := local.Open(opts)
		if err != nil {
			if fault.Calls() < n {
				t.Errorf("%s: open: %v", where(), err)
				return nil
			}
			continue // it may fail; the disk is looked at below
		}
		if round > 0 { // what failed in the last round is settled now
			if err := w.ledger.check(ctx, s, w.ledger); err != nil {
				if fault.Calls() < n || fault.Calls() >= n+span {
					t.Errorf("%s: after a restart: %v", where(), err)
				}
			} else if err := w.ledger.adopt(ctx, s); err != nil && fault.Calls() >= n+span {
				t.Errorf("%s: after a restart: %v", where(), err)
			}
		}
		if err := w.run(ctx, s, 40); err != nil {
			t.Errorf("%s: %v", where(), err)
		}
		mode, left := crashOne(disk, n/max(1, min(span, 5)), seed+uint64(n)) // all in turn
		if err := survives(left, w.ledger, w.ledger); err != nil {
			t.Errorf("%s: crash %s: %v", where(), mode, err)
		}
		if err := s.Close(); err != nil && fault.Calls() < n {
			t.Errorf("%s: close: %v", where(), err)
		}
	}
	if fault.Calls() < n && w.errs > 0 {
		t.Errorf("%s: %d errors before", where(), w.errs)
	}
	fault.Set(nil)
	if err := survives(disk, w.ledger, w.ledger); err != nil {
		t.Errorf("%s: at the end: %v", where(), err)
	}
	return calls
}

// lastSeeds are a fixed seed and one by chance, or the one of the flag.
func lastSeeds() []uint64 {
	seeds := storetest.Seeds()
	return seeds[max(0, len(seeds)-2):]
}
