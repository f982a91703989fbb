package clock

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0: a new one")

// wall is a time of day that tests set, in microseconds since the Unix epoch.
type wall struct{ micros atomic.Int64 }

func (w *wall) now() time.Time { return time.UnixMicro(w.micros.Load()) }

func TestTake(t *testing.T) {
	var w wall
	c := New(w.now)
	for i, step := range []struct {
		wall    int64
		observe int64
		n       int
		want    int64
	}{
		{wall: -5, n: 1, want: 1}, // before 1970
		{wall: 0, n: 2, want: 2},
		{wall: 1000, n: 3, want: 1000},
		{wall: 1000, n: 1, want: 1003},
		{wall: 2000, n: 1, want: 2000},
		{wall: 1500, n: 1, want: 2001}, // set back
		{wall: 1500, n: 100, want: 2002},
		{wall: 2050, n: 1, want: 2102}, // borrowed from the time to come
		{wall: 2103, n: 1, want: 2103},
		{wall: 2200, observe: 5000, n: 1, want: 5001},
		{wall: 2200, observe: 4000, n: 1, want: 5002},
		{wall: 2200, observe: 5002, n: 1, want: 5003},
		{wall: 9000, observe: -1, n: 1, want: 9000},
		{wall: 1_700_000_000_000_000, n: 1 << 20, want: 1_700_000_000_000_000},
		{wall: 1_700_000_000_000_000, n: 1, want: 1_700_000_001_048_576},
	} {
		w.micros.Store(step.wall)
		c.Observe(step.observe)
		if got := c.Take(step.n); got != step.want {
			t.Fatalf("step %d, %+v: %d", i, step, got)
		}
		if got := c.Last(); got != step.want+int64(step.n)-1 {
			t.Fatalf("step %d, %+v: last %d", i, step, got)
		}
	}
}

func TestLimits(t *testing.T) {
	panics := func(f func()) (p any) {
		defer func() { p = recover() }()
		f()
		return nil
	}
	var w wall
	c := New(w.now)
	if c.Last() != 0 {
		t.Errorf("last of a new clock: %d", c.Last())
	}
	for _, n := range []int{0, -1} {
		if panics(func() { c.Take(n) }) == nil {
			t.Errorf("Take(%d) did not panic", n)
		}
	}
	c.Observe(math.MaxInt64 - 11)
	if got := c.Take(10); got != math.MaxInt64-10 {
		t.Errorf("Take(10) = %d", got)
	}
	for _, n := range []int{1, 2, math.MaxInt} {
		if panics(func() { c.Take(n) }) == nil {
			t.Errorf("Take(%d) after %d did not panic", n, c.Last())
		}
	}
	c = New(w.now)
	w.micros.Store(math.MaxInt64 - 3)
	if panics(func() { c.Take(5) }) == nil {
		t.Error("Take at the end of time did not panic")
	}
}

// Every value is given to one caller only, and to each caller in rising order,
// above all that it has observed, while the time of day jumps about.
func TestConcurrent(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	var w wall
	c := New(w.now)
	const workers, takes = 8, 3000
	taken := make([][]int64, workers)
	var wg sync.WaitGroup
	for i := range workers {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			above := int64(0)
			for range takes {
				switch rnd.IntN(10) {
				case 0:
					w.micros.Store(rnd.Int64N(100_000))
				case 1:
					above = max(above, c.Last()+rnd.Int64N(20)-10)
					c.Observe(above)
				}
				wall := w.micros.Load()
				n := 1 + rnd.IntN(5)
				first := c.Take(n)
				if first <= above {
					t.Errorf("took %d after %d; the time of day was %d", first, above, wall)
					return
				}
				for v := first; v < first+int64(n); v++ {
					taken[i] = append(taken[i], v)
				}
				above = first + int64(n) - 1
			}
		})
	}
	wg.Wait()
	all := slices.Concat(taken...)
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d values were taken twice", len(all)-n)
	}
}

func BenchmarkTake(b *testing.B) {
	c := New(time.Now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Take(1)
		}
	})
}
