package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// witness is what transactions believe to have, to catch two that have the same.
type witness struct {
	exclusive atomic.Pointer[Owner]
	writers   atomic.Int64
	keys      [40]atomic.Pointer[Owner]
}

// TestStress runs transactions side by side that lock at random, wait with
// time limits, are canceled and deadlock. No two may have the same, and all
// must end.
func TestStress(t *testing.T) {
	seed := newSeed(t)
	transactions := 1500
	if testing.Short() {
		transactions = 300
	}
	m := New(Options{MaxKeysPerTable: 12})
	var tables [3]witness
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for worker := range 10 {
		rnd := rand.New(rand.NewPCG(seed, uint64(worker)))
		wg.Go(func() {
			for range transactions {
				if err := stressTransaction(t.Context(), m, rnd, &tables); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	deadline := time.Now().Add(2 * time.Minute)
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case err := <-errs:
			t.Error(err)
		default:
			validate(t, m)
			if runtime.Gosched(); time.Now().After(deadline) {
				panic(fmt.Sprintf("transactions hang: %+v", m.Stats()))
			}
		}
	}
	st := m.Stats()
	t.Logf("%+v", st)
	if st.Waiting+st.Tables+st.Keys+st.AllKeys > 0 || len(m.tables) > 0 {
		t.Errorf("left at the end: %+v", st)
	}
	if st.Waits == 0 || st.Deadlocks == 0 || st.Escalations == 0 || st.Timeouts == 0 || st.Cancels == 0 {
		t.Errorf("something never happened: %+v", st)
	}
}

func stressTransaction(ctx context.Context, m *Manager, rnd *rand.Rand, tables *[3]witness) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := m.NewOwner()
	defer o.Release()
	var undo []func() // of what the witnesses have been told
	defer func() {
		for _, f := range undo {
			f()
		}
	}()
	switch rnd.IntN(10) {
	case 0:
		o.LockTimeout = time.Duration(rnd.IntN(200)) * time.Microsecond
	case 1:
		timer := time.AfterFunc(time.Duration(rnd.IntN(200))*time.Microsecond, cancel)
		defer timer.Stop()
	}
	for range 1 + rnd.IntN(6) {
		i := rnd.IntN(len(tables))
		w, id := &tables[i], tableA+datum.OID(i)
		mode, keys := RowExclusive, []int(nil)
		switch p := rnd.IntN(30); {
		case p == 0:
			mode = Define
		case p > 5:
			keys = rnd.Perm(len(w.keys))[:1+rnd.IntN(5)]
		}
		_, err := o.Lock(ctx, Table(id), mode)
		if err == nil {
			err = w.locked(o, mode, &undo)
			if err != nil {
				return err
			}
			err = o.Keys(ctx, id, encode(keys), Key)
		}
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled), pgerr.Code(err) == pgerr.LockNotAvailable, pgerr.Code(err) == pgerr.DeadlockDetected:
			return nil // the transaction is rolled back
		default:
			return err
		}
		if err := w.gotKeys(o, keys, &undo); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

func encode(keys []int) (b [][]byte) {
	for _, k := range keys {
		b = append(b, []byte{byte(k)})
	}
	return b
}

func (w *witness) locked(o *Owner, mode Modes, undo *[]func()) error {
	w.writers.Add(1)
	*undo = append(*undo, func() { w.writers.Add(-1) })
	if x := w.exclusive.Load(); x != nil && x != o {
		return fmt.Errorf("owner %p has the table, %p has it exclusively", o, x)
	}
	if mode == Define && w.exclusive.Load() == nil {
		if !w.exclusive.CompareAndSwap(nil, o) {
			return fmt.Errorf("two owners have the table exclusively")
		}
		*undo = append(*undo, func() { w.exclusive.Store(nil) })
	}
	return nil
}

func (w *witness) gotKeys(o *Owner, keys []int, undo *[]func()) error {
	for _, k := range keys {
		if w.keys[k].Load() == o {
			continue
		}
		if !w.keys[k].CompareAndSwap(nil, o) {
			return fmt.Errorf("two owners have key %d", k)
		}
		*undo = append(*undo, func() { w.keys[k].Store(nil) })
	}
	return nil
}

// Transactions of one call each never deadlock, however much they overlap.
func TestSingleCallsNeverDeadlock(t *testing.T) {
	seed := newSeed(t)
	m := New(Options{})
	var wg sync.WaitGroup
	for worker := range 8 {
		rnd := rand.New(rand.NewPCG(seed, uint64(worker)))
		wg.Go(func() {
			for range 300 {
				o := m.NewOwner()
				if err := keysOf(t.Context(), o, tableA, encode(rnd.Perm(30)[:1+rnd.IntN(20)])); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
				o.Release()
			}
		})
	}
	wg.Wait()
	if st := m.Stats(); st.Waits == 0 {
		t.Error("nothing ever waited")
	}
}
