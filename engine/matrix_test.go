package engine_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/internal/vfs"
)

var allFaults = flag.Bool("all-faults", false, "fail every call in every way, not each place in the code once in two ways")

// A run is one scenario with faults.
type run struct {
	scenario scenario
	triggers []trigger
	seed     uint64
}

// do returns what ran and what is wrong. bed makes what it runs on.
func (r run) do(bed func(f *faults, seed uint64) bed) (m *machine, err error) {
	f := &faults{pending: r.triggers, hits: map[string]int{}, ops: map[string]string{}}
	m = &machine{name: r.scenario.name, bed: bed(f, r.seed), faults: f, brief: r.seed%2 == 0}
	defer func() {
		if p := recover(); p != nil {
			b, ok := p.(broken)
			if !ok {
				panic(p)
			}
			err = errors.Join(b.error, m.stop())
		}
	}()
	m.play(r.scenario.steps)
	m.crash()
	m.recovers()
	return m, nil
}

// A matrix is all places that scenarios reach.
type matrix struct {
	t    *testing.T
	rng  *rand.Rand
	bed  func(f *faults, seed uint64) bed
	ways []way
	// waits: what a fault has left undecided keeps its locks, so that a statement waits for
	// as long as the store does not answer.
	waits  bool
	places map[string][]reached
	order  []string // of the places, as they were found
	runs   int
}

// reached says how a place is reached: by a scenario with some faults before.
type reached struct {
	scenario scenario
	before   []trigger
	hits     int
	op       string
}

// note adds what a run reached.
func (x *matrix) note(r run, f *faults) {
	for _, site := range slices.Sorted(maps.Keys(f.hits)) {
		if x.places[site] == nil {
			x.order = append(x.order, site)
		} else if len(r.triggers) > 0 {
			continue // it is reached with fewer
		}
		x.places[site] = append(x.places[site], reached{r.scenario, r.triggers, f.hits[site], f.ops[site]})
	}
}

// atOnce is how many runs are under way at once: those on a dead disk mostly wait before
// they try again.
const atOnce = 16

// do runs runs and notes what they reach.
func (x *matrix) do(runs []run) {
	if *allFaults {
		fmt.Printf("%d runs of faults\n", len(runs)) // for it takes long
	}
	reached := make([]*faults, len(runs)) // and nothing else of the machines, which are large
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, r := range runs {
		slots <- struct{}{}
		wg.Go(func() {
			m, err := r.do(x.bed)
			if err != nil {
				x.t.Error(err)
			}
			reached[i] = m.faults
			<-slots
		})
	}
	wg.Wait()
	for i, r := range runs {
		if n := len(r.triggers); n == 0 || !r.triggers[n-1].way.ever {
			x.note(r, reached[i])
		}
	}
	x.runs += len(runs)
}

// waysOf returns the ways in which calls fail; but for -all-faults it is two of them, and a
// full disk, which has code of its own.
func (x *matrix) waysOf(op string) (out []way) {
	var full []way
	for _, w := range x.ways {
		switch {
		case !w.on(op):
		case w.name == "full":
			full = append(full, w)
		default:
			out = append(out, w)
		}
	}
	if *allFaults {
		return append(out, full...)
	}
	x.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if testing.Short() { // one place in five, as under the race detector
		return out[:x.rng.IntN(5)/4]
	}
	return append(full, out[:min(2, len(out))]...)
}

// faultsAt returns the runs with a fault at a place.
func (x *matrix) faultsAt(site string) (out []run) {
	for _, w := range x.waysOf(x.places[site][0].op) {
		for _, p := range choose(x.rng, x.places[site]) {
			if len(p.before) == 2 || len(p.before) > 0 && x.waits && (w.ever || w.power) {
				continue
			}
			for _, hit := range hitsOf(x.rng, p.hits) {
				out = append(out, run{p.scenario, append(slices.Clone(p.before), trigger{site, hit, w}), x.rng.Uint64()})
			}
		}
	}
	return out
}

// TestMatrix fails calls to the disk while each scenario runs, and while what a crash left
// of it is opened again: each place in the code that calls the disk, in each way in which
// a disk fails, then loses power, so that nothing is left but what was made durable, or
// that and any part of the rest. What was acknowledged is there once, a transaction that
// failed is not there at all, and one of which it is not known is there whole or not at all.
//
// A place is a way through the code of the store to a call; some are only reached by what
// follows a fault. In the end every call in the code must have been made.
func TestMatrix(t *testing.T) {
	all := newSites("engine/local", "internal/vfs/vfs.go")
	x := &matrix{t: t, rng: newRand(t), ways: diskWays, places: map[string][]reached{}, bed: func(f *faults, seed uint64) bed {
		return &diskBed{faults: f, sites: all, disk: vfs.NewMem(), mode: vfs.CrashModes[seed>>8%uint64(len(vfs.CrashModes))], seed: seed}
	}}
	x.fill()
	if !t.Failed() && !testing.Short() {
		all.complete(t)
	}
}

// fill runs all scenarios without faults, then with one at each place, and at each place
// that only faults lead to.
func (x *matrix) fill() {
	x.t.Helper()
	var plain []run
	for _, s := range scenarios {
		plain = append(plain, run{scenario: s, seed: x.rng.Uint64()})
	}
	x.do(plain)
	for done := 0; done < len(x.order) && !x.t.Failed(); {
		var runs []run
		for ; done < len(x.order); done++ {
			runs = append(runs, x.faultsAt(x.order[done])...)
		}
		x.do(runs)
	}
	x.t.Logf("%d scenarios, %d places, %d runs with faults", len(scenarios), len(x.order), x.runs)
}

// choose returns one of a list, or all of it.
func choose[T any](rng *rand.Rand, list []T) []T {
	if *allFaults {
		return list
	}
	i := rng.IntN(len(list))
	return list[i : i+1]
}

// hitsOf returns which of n calls to strike.
func hitsOf(rng *rand.Rand, n int) []int {
	if !*allFaults {
		return []int{1 + rng.IntN(n)}
	}
	var out []int
	every := max(7, n/10) // of a poll there are many
	for i := range n {
		if i < 4 || n-i < 3 || i%every == 0 {
			out = append(out, i+1)
		}
	}
	return out
}
