package exec

import (
	"context"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// freeTime is for how long a query runs without asking anybody: what takes less never waits.
	freeTime = 20 * time.Millisecond
	// quantum is for how long a query runs each time that it is its turn.
	quantum = 10 * time.Millisecond
	// agedGrants is after how many turns one goes to the query that has waited longest, whatever it
	// has had: those that have run for long go on beside any number of shorter ones.
	agedGrants = 8
)

// Turns lets few queries run at a time of those that have run for long, in quanta: those that have had
// less come first. A query that ends within freeTime has nothing to do with it. A turn ends with its
// time also where the query does not hear of it, because it waits for its client or computes
// something long, so that nobody waits for ever for somebody who waits for him. It is safe for concurrent use.
type Turns struct {
	mu      sync.Mutex // guards the fields below, and Turn.ran
	free    int        // how many more may run
	running map[*Turn]time.Time
	waiting []*waiter // as they came
	grants  int
	timer   *time.Timer // ends turns while somebody waits; nil: nobody does
}

// A waiter is a goroutine that waits for a turn of its query.
type waiter struct {
	turn    *Turn
	granted chan struct{} // closed when it is its turn
}

// NewTurns returns turns of which n may be taken at a time.
func NewTurns(n int) *Turns { return &Turns{free: n, running: map[*Turn]time.Time{}} }

// A Turn is one query's. All its goroutines share it; a nil Turn is always on.
type Turn struct {
	turns *Turns
	until atomic.Int64 // when it ends, in nanoseconds since begun
	begun time.Time
	ask   chan struct{} // holds one token: who has it asks for the next turn
	ran   time.Duration
}

// NewTurn returns a turn for a query that begins now.
func (ts *Turns) NewTurn() *Turn {
	t := &Turn{turns: ts, begun: time.Now(), ask: make(chan struct{}, 1)}
	t.until.Store(int64(freeTime))
	t.ran = freeTime
	return t
}

// yield is called between batches: it gives the processor to whoever waits for it, and waits if the
// query's turn is over. It fails only if the context ends.
func (t *Turn) yield(ctx context.Context) error {
	// A short query that waits beside long ones then waits for a batch of each that runs, not for the
	// ten milliseconds after which Go's scheduler takes the processor away.
	runtime.Gosched()
	for t != nil && int64(time.Since(t.begun)) > t.until.Load() {
		select {
		case t.ask <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		if int64(time.Since(t.begun)) > t.until.Load() { // nobody has asked meanwhile
			err = t.turns.next(ctx, t)
		}
		<-t.ask
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends the turn for good.
func (t *Turn) close() {
	if t == nil {
		return
	}
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	t.turns.end(t)
}

// next waits for the query's next turn.
func (ts *Turns) next(ctx context.Context, t *Turn) error {
	w := &waiter{turn: t, granted: make(chan struct{})}
	ts.mu.Lock()
	ts.end(t)
	ts.waiting = append(ts.waiting, w)
	ts.grant()
	ts.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.waiting = slices.DeleteFunc(ts.waiting, func(o *waiter) bool { return o == w })
	return ctx.Err()
}

// end takes a query's turn away, if it has one. mu is held.
func (ts *Turns) end(t *Turn) {
	since, ok := ts.running[t]
	if !ok {
		return
	}
	t.ran += min(time.Since(since), 2*quantum)
	delete(ts.running, t)
	ts.free++
	ts.grant()
}

// grant gives turns to those that wait, as far as there are any. mu is held.
func (ts *Turns) grant() {
	for ts.free > 0 && len(ts.waiting) > 0 {
		ts.grants++
		i := 0
		if ts.grants%agedGrants != 0 {
			i = ts.shortest()
		}
		w := ts.waiting[i]
		ts.waiting = slices.Delete(ts.waiting, i, i+1)
		ts.free--
		ts.running[w.turn] = time.Now()
		w.turn.until.Store(int64(time.Since(w.turn.begun) + quantum))
		close(w.granted)
	}
	if len(ts.waiting) > 0 && ts.timer == nil {
		ts.timer = time.AfterFunc(quantum, ts.expire)
	}
}

// shortest is the waiter whose query has run for least, of those that have run for about as long the
// first.
func (ts *Turns) shortest() int {
	best, least := 0, 64
	for i, w := range ts.waiting {
		if level := bits.Len64(uint64(w.turn.ran / freeTime)); level < least {
			best, least = i, level
		}
	}
	return best
}

// expire ends the turns whose time is over.
func (ts *Turns) expire() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.timer = nil
	now := time.Now()
	for t, since := range ts.running {
		if now.Sub(since) >= quantum {
			ts.end(t)
		}
	}
	ts.grant()
}
