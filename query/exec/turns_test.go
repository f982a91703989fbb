package exec

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns: of queries that have run for long as many run as there are turns, and those that have run
// for less come first.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := NewTurns(1)
		first, old, young := ts.NewTurn(), ts.NewTurn(), ts.NewTurn()
		if err := first.yield(t.Context()); err != nil { // the free time has not passed
			t.Fatal(err)
		}
		old.ran = time.Minute
		time.Sleep(2 * freeTime)
		if err := first.yield(t.Context()); err != nil {
			t.Fatal(err)
		}
		order := make(chan *Turn, 2)
		for _, turn := range []*Turn{old, young} {
			go func() {
				if err := turn.yield(t.Context()); err != nil {
					t.Error(err)
				}
				order <- turn
			}()
			synctest.Wait()
		}
		if len(order) > 0 {
			t.Fatal("two run at a time")
		}
		begin := time.Now()
		if got := <-order; got != young {
			t.Error("the one that has run for longer comes first")
		}
		young.close()
		if got := <-order; got != old {
			t.Error("the other one does not come")
		}
		// The first one is not heard of again: its turn ends with its time.
		if waited := time.Since(begin); waited > quantum {
			t.Errorf("they wait for %v", waited)
		}
		old.close()
		first.close()
		if ts.free != 1 || len(ts.running) > 0 {
			t.Errorf("%d are free, %d run", ts.free, len(ts.running))
		}
	})
}

// TestTurnsAge: one that has run for very long comes to its turn beside any number of shorter ones.
func TestTurnsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := NewTurns(1)
		ctx, stop := context.WithCancel(t.Context())
		run := func(ran time.Duration, turns *int) {
			turn := ts.NewTurn()
			stay := func() { // as old as it is
				ts.mu.Lock()
				defer ts.mu.Unlock()
				turn.ran = ran
			}
			stay()
			for ctx.Err() == nil && turn.yield(ctx) == nil {
				*turns++
				stay()
				time.Sleep(quantum / 4)
			}
			turn.close()
		}
		var old int
		young := make([]int, 10)
		var all sync.WaitGroup
		all.Go(func() { run(time.Hour, &old) })
		for i := range young {
			all.Go(func() { run(freeTime, &young[i]) })
		}
		time.Sleep(10 * time.Second)
		stop()
		all.Wait()
		if old < 100 {
			t.Errorf("in ten seconds it gets on %d times", old)
		}
	})
}

// TestTurnsCancelled: who waits hears of the end of its context, and leaves no trace.
func TestTurnsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := NewTurns(1)
		ts.free = 0 // somebody has it for ever
		turn := ts.NewTurn()
		time.Sleep(2 * freeTime)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		for range 2 { // two goroutines of one query
			go func() { errs <- turn.yield(ctx) }()
		}
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("it ends with %v", err)
			}
		}
		if len(ts.waiting) > 0 {
			t.Error("it still waits")
		}
		turn.close()
	})
}
