package engine_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// upward is CREATE SEQUENCE.
func upward(storage string) *schema.Sequence {
	return &schema.Sequence{Name: storage, Namespace: schema.PublicOID, Type: datum.Int8, Start: 1, Increment: 1, Min: 1,
		Max: math.MaxInt64, Cache: 1, Storage: storage, Last: 1}
}

// nextValues takes n values, in as many calls as it takes.
func nextValues(ctx context.Context, db *engine.DB, def *schema.Sequence, n int) (out []int64, err error) {
	for n > 0 {
		first, count, err := db.NextValues(ctx, def, n)
		if err != nil {
			return out, err
		}
		if count < 1 || count > n {
			return out, fmt.Errorf("%d values of %d", count, n)
		}
		for i := range count {
			out = append(out, first+int64(i)*def.Increment)
		}
		n -= count
	}
	return out, nil
}

func mustNext(t testing.TB, db *engine.DB, def *schema.Sequence, n int) []int64 {
	t.Helper()
	out, err := nextValues(context.Background(), db, def, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSequenceCrash takes values, sets sequences, fails appends with and without doing them,
// restarts and crashes: values rise, and after a clean restart or a failure that did nothing
// none is left out.
func TestSequenceCrash(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		rng := newRand(t)
		ctx := context.Background()
		db := p.open(t, engine.Options{})
		def := upward("s")
		last, gaps := int64(0), false
		for range 300 {
			switch rng.IntN(12) {
			case 0:
				p.crash(t)
				db, gaps = p.open(t, engine.Options{}), true
			case 1:
				p.close(t)
				db = p.open(t, engine.Options{})
			case 2:
				if err := db.SetValue(ctx, def, last+int64(rng.IntN(50))+1, true); err != nil {
					t.Fatal(err)
				}
				v, called, err := db.LastValue(ctx, def)
				if err != nil || !called {
					t.Fatalf("after setval: %d, %v, %v", v, called, err)
				}
				last, gaps = v, false
			case 3:
				failed := func(c call) error {
					if c.op == "append" && c.log.Kind == store.SequenceLog {
						return errHook
					}
					return nil
				}
				if rng.IntN(2) == 0 {
					p.hook().set(failed)
				} else {
					p.hook().setAfter(failed)
					gaps = true
				}
				out, err := nextValues(ctx, db, def, 1+rng.IntN(100))
				p.hook().set(nil)
				p.hook().setAfter(nil)
				for _, v := range out {
					if v <= last {
						t.Fatalf("%d after %d", v, last)
					}
					last = v
				}
				gaps = gaps || err != nil
			default:
				for _, v := range mustNext(t, db, def, 1+rng.IntN(100)) {
					if v <= last || v != last+1 && !gaps {
						t.Fatalf("%d after %d", v, last)
					}
					last, gaps = v, false
				}
			}
		}
		p.close(t)
	})
}

// TestSequenceLimits walks up and down to the ends, around, and by steps that do not fit.
func TestSequenceLimits(t *testing.T) {
	db := (&memPlace{}).open(t, engine.Options{})
	defer db.Close()
	ctx := context.Background()
	for _, c := range []struct {
		start, step, low, high int64
		cycle                  bool
		want                   []int64
		fails                  bool
	}{
		{1, 1, 1, 3, false, []int64{1, 2, 3}, true},
		{3, 1, 1, 3, true, []int64{3, 1, 2, 3, 1}, false},
		{-1, -2, -6, -1, false, []int64{-1, -3, -5}, true},
		{-6, -2, -6, -1, true, []int64{-6, -1, -3, -5, -1}, false},
		{math.MaxInt64 - 1, 1, 1, math.MaxInt64, false, []int64{math.MaxInt64 - 1, math.MaxInt64}, true},
		{math.MaxInt64 - 1, 5, math.MinInt64, math.MaxInt64, true, []int64{math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 5}, false},
		{math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64, false, []int64{math.MinInt64, -1, math.MaxInt64 - 1}, true},
		{math.MaxInt64, math.MinInt64, math.MinInt64, math.MaxInt64, false, []int64{math.MaxInt64, -1}, true},
		{0, 1, math.MinInt64, math.MaxInt64, false, []int64{0, 1}, false},
	} {
		for _, together := range []bool{false, true} {
			def := upward(fmt.Sprint(c, together))
			def.Start, def.Last, def.Increment, def.Min, def.Max, def.Cycle = c.start, c.start, c.step, c.low, c.high, c.cycle
			n := 1
			if together {
				n = len(c.want)
			}
			var got []int64
			for len(got) < len(c.want) {
				got = append(got, mustNext(t, db, def, n)...)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%+v: %v", c, got)
			}
			if _, err := nextValues(ctx, db, def, 1); c.fails != (codeOf(err) == pgerr.SequenceLimitExceeded) {
				t.Errorf("%+v: then %v", c, err)
			}
		}
	}
}

// TestSequenceDefinition changes the step and the limits while a range is reserved.
func TestSequenceDefinition(t *testing.T) {
	db := (&memPlace{}).open(t, engine.Options{})
	defer db.Close()
	def := upward("s")
	mustNext(t, db, def, 5)
	next := *def
	next.Increment = 10
	if got := mustNext(t, db, &next, 2); fmt.Sprint(got) != "[15 25]" {
		t.Errorf("with another step: %v", got)
	}
	next.Max = 40
	if got := mustNext(t, db, &next, 1); got[0] != 35 {
		t.Errorf("with a limit: %v", got)
	}
	if _, err := nextValues(context.Background(), db, &next, 1); codeOf(err) != pgerr.SequenceLimitExceeded {
		t.Errorf("beyond the limit: %v", err)
	}
	next.Max, next.Increment = 100, 1
	if got := mustNext(t, db, &next, 1); got[0] != 36 {
		t.Errorf("with the limit gone: %v", got)
	}
}

// TestSequenceAppends counts appends to the log: many rows take few.
func TestSequenceAppends(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, engine.Options{})
	defer db.Close()
	appends := 0
	p.hook().set(func(c call) error {
		if c.op == "append" && c.log.Kind == store.SequenceLog {
			appends++
		}
		return nil
	})
	def := upward("s")
	for range 1_000_000 {
		mustNext(t, db, def, 1)
	}
	if appends > 40 {
		t.Errorf("%d appends for a million values", appends)
	}
}

// TestSequenceNodes has several nodes take values and set the sequence: none is handed out
// twice, and after setval all nodes go on from there.
func TestSequenceNodes(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	nodes := []*node{newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet), newNode(t, shared, "c", quiet)}
	def := upward("s")
	var mu sync.Mutex
	floor, seen := int64(0), map[int64]bool{}
	round := func() {
		var wg sync.WaitGroup
		for _, n := range nodes {
			for range 3 {
				wg.Go(func() {
					for i := range 50 {
						got, err := nextValues(context.Background(), n.db, def, 1+i%7)
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						for _, v := range got {
							if v <= floor || seen[v] {
								t.Errorf("node %s got %d, after %d; before: %v", n.name, v, floor, seen[v])
							}
							seen[v] = true
						}
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
	}
	round()
	for i := range 2 {
		floor += 1_000_000
		if err := nodes[i].db.SetValue(context.Background(), def, floor, true); err != nil {
			t.Fatal(err)
		}
		round()
	}
	nodes[2].kill()
	nodes = nodes[:2]
	round()
	for _, n := range nodes {
		n.close()
	}
}

// TestSequenceUnknown takes values while appends fail, some of them done all the same, now or later.
func TestSequenceUnknown(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	def := upward("s")
	var mu sync.Mutex
	fate := func(c memstore.Call) memstore.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if c.Op != memstore.OpAppend || c.Log.Kind != store.SequenceLog {
			return memstore.Verdict{}
		}
		switch rng.IntN(8) {
		case 0:
			return memstore.Verdict{Outcome: memstore.Fail, Err: errHook}
		case 1:
			return memstore.Verdict{Outcome: memstore.Lose, Err: errHook}
		case 2:
			return memstore.Verdict{Outcome: memstore.Delay, Err: errHook}
		}
		return memstore.Verdict{}
	}
	a.fate.Store(&fate)
	b.fate.Store(&fate)
	seen := map[int64]bool{}
	for i := range 2000 {
		n := []*node{a, b}[i%2]
		if i%9 == 0 {
			n.store.Deliver()
		}
		got, _ := nextValues(context.Background(), n.db, def, 1+i%5)
		for _, v := range got {
			if seen[v] {
				t.Fatalf("node %s got %d again", n.name, v)
			}
			seen[v] = true
		}
	}
	if len(seen) < 1000 {
		t.Errorf("only %d values", len(seen))
	}
	none := func(memstore.Call) memstore.Verdict { return memstore.Verdict{} }
	a.fate.Store(&none)
	b.fate.Store(&none)
	a.close()
	b.close()
}
