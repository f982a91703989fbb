package lock

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Process is what waits: a client's session, or something of the server's own.
// Its owners do not stand in each other's way; each is used by one goroutine at a time.
type Process struct {
	m    *Manager
	pid  int32      // 0: of no session
	turn sync.Mutex // of who asks: one request of a process waits at a time

	// m.mu guards the following.
	number  uint64 // for messages about those of no session; 0 until needed
	waiting *waiter
	seen    uint64 // the last search for a ring of waits that came by
}

// NewOwner returns an owner without locks, for one transaction, or for what a
// session keeps beyond them. It needs no Release if it never asks for a lock.
func (p *Process) NewOwner() *Owner { return &Owner{m: p.m, p: p} }

// An Owner has the locks of one transaction, or those of a session. It is used by one
// goroutine at a time. After an error it still has what it had before the call, and of
// Keys what it got until then.
type Owner struct {
	// LockTimeout bounds each wait for a single lock, as PostgreSQL's
	// lock_timeout does; 0: no bound. It may be changed between calls.
	LockTimeout time.Duration

	m     *Manager
	stamp int32 // how many savepoints there were so far

	// m.mu guards the writing of the following. While the owner does not wait
	// only its goroutine writes them, so that this may read held without m.mu.
	p    *Process
	held map[Object]*holding // nil until the first lock
}

// holding is what an owner has of one object.
type holding struct {
	modes Modes  // of the object
	log   []mark // what modes was, before it grew

	keys     []heldKey // each time that a key got modes; none if all has them
	keyCount int       // keys in it
	keyModes Modes     // of its keys
	keyBytes int64     // the sum of their lengths
	all      Modes     // of all keys of the table
}

// mark is what modes were, before a request that was granted after stamp savepoints.
type mark struct {
	before Modes
	stamp  int32
}

type heldKey struct {
	key string
	mark
}

func (h *holding) hasKeys() bool { return h.all != 0 || h.keyCount > 0 }

// Detach makes an owner that keeps its locks after its session goes on one of its own.
func (o *Owner) Detach() {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.p = &Process{m: o.m, pid: o.p.pid}
}

// Lock locks an object. It returns at once if the owner has the modes. waited says that
// others had to let go first. Errors are 40P01 (deadlock), 55P03 (LockTimeout) and ctx.Err().
func (o *Owner) Lock(ctx context.Context, object Object, modes Modes) (waited bool, err error) {
	if o.Has(object, modes) {
		return false, nil
	}
	return o.take(ctx, object, &waiter{owner: o, modes: modes}, true)
}

// TryLock is Lock if nobody is in the way; else it has done nothing.
func (o *Owner) TryLock(object Object, modes Modes) bool {
	if o.Has(object, modes) {
		return true
	}
	_, err := o.take(context.Background(), object, &waiter{owner: o, modes: modes}, false)
	return err == nil
}

// Has says whether the owner has modes of an object.
func (o *Owner) Has(object Object, modes Modes) bool {
	h := o.held[object]
	return h != nil && h.modes&modes == modes
}

// keysPerHold bounds how many keys are looked at before others get at the manager.
const keysPerHold = 1024

// Keys locks primary keys of a table, of which the owner has a mode that lets it change
// or lock rows, in their encoded form. It copies what it keeps; keys may be in any
// order and repeat. Within a call they are taken in rising order, so that calls for the
// same keys do not deadlock with one another. Errors are those of Lock.
//
// An owner that would get more keys of the table than Options allow waits
// until nobody else has any that conflict and then gets all. One that knows that it will
// write that many does well to say so in its first call: two that have keys
// when they come to ask for all are a deadlock.
func (o *Owner) Keys(ctx context.Context, table datum.OID, keys [][]byte, modes Modes) error {
	object := Table(table)
	if o.covers(object, modes) {
		return nil
	}
	keys, sizeBytes := sortedSet(keys)
	full := len(keys) > o.m.opts.MaxKeysPerTable || sizeBytes > o.m.opts.MaxKeyBytesPerTable
	for !full && len(keys) > 0 {
		hold := keys[:min(len(keys), keysPerHold)]
		var n int
		n, full = o.takeFree(object, hold, modes)
		keys = keys[n:]
		if n == len(hold) || full {
			continue
		}
		if _, err := o.take(ctx, object, &waiter{owner: o, modes: modes, level: oneKey, key: string(keys[0])}, true); err != nil {
			return err
		}
		keys = keys[1:]
	}
	if full {
		_, err := o.take(ctx, object, o.escalation(object, modes), true)
		return err
	}
	return nil
}

// TryKey is Keys for one key if nobody is in the way; else it has done nothing. Full says
// that it is one too many, and that not all keys could be had.
func (o *Owner) TryKey(table datum.OID, key []byte, modes Modes) (got, full bool) {
	object := Table(table)
	if o.covers(object, modes) {
		return true, false
	}
	n, full := o.takeFree(object, [][]byte{key}, modes)
	if n == 1 {
		return true, false
	}
	w := &waiter{owner: o, modes: modes, level: oneKey, key: string(key)}
	if full {
		w = o.escalation(object, modes)
	}
	_, err := o.take(context.Background(), object, w, false)
	return err == nil, full
}

// escalation is the request for all keys, in the modes that the owner has of single ones too.
func (o *Owner) escalation(object Object, modes Modes) *waiter {
	h := o.held[object]
	return &waiter{owner: o, modes: modes | h.all | h.keyModes, level: allKeys}
}

// covers says whether the owner needs no single key of a table, which it must have locked.
func (o *Owner) covers(object Object, modes Modes) bool {
	h := o.held[object]
	return h.all&modes == modes || h.modes&excluding != 0
}

// sortedSet returns the keys in rising order, each once, and the sum of their lengths.
func sortedSet(keys [][]byte) (set [][]byte, sizeBytes int64) {
	set = slices.Clone(keys)
	if !slices.IsSortedFunc(set, bytes.Compare) {
		slices.SortFunc(set, bytes.Compare)
	}
	set = slices.CompactFunc(set, bytes.Equal)
	for _, k := range set {
		sizeBytes += int64(len(k))
	}
	return set, sizeBytes
}

// takeFree locks keys up to the first for which the owner may have to wait, or
// which is one too many (full). It returns how many it has got.
func (o *Owner) takeFree(object Object, keys [][]byte, modes Modes) (n int, full bool) {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t, h := m.tables[object], o.held[object]
	for i, k := range keys {
		lock, taken := t.keys[string(k)]
		own := lock.of(o)
		switch {
		case own&modes == modes:
		case own == 0 && o.isFull(h, k):
			return i, true
		case taken && (own == 0 || len(lock.others) > 0), t.othersAll(o), t.allWaiters > 0: // take finds out whether to wait
			return i, false
		default:
			t.giveKey(o, h, string(k), modes)
		}
	}
	return len(keys), false
}

// isFull says whether one more key is too many.
func (o *Owner) isFull(h *holding, key []byte) bool {
	return h.keyCount >= o.m.opts.MaxKeysPerTable || h.keyBytes+int64(len(key)) > o.m.opts.MaxKeyBytesPerTable
}

// maxObjects bounds how many objects are locked at a time.
const maxObjects = 1 << 18

// errTaken says that somebody is in the way of who does not want to wait.
var errTaken = pgerr.New(pgerr.LockNotAvailable, "could not obtain lock")

// take gets what w wants, or waits for it if it may.
func (o *Owner) take(ctx context.Context, object Object, w *waiter, mayWait bool) (waited bool, err error) {
	m, p := o.m, o.p
	p.turn.Lock()
	defer p.turn.Unlock()
	m.mu.Lock()
	if m.tables[object] == nil && len(m.tables) >= maxObjects {
		m.mu.Unlock()
		return false, pgerr.New(pgerr.OutOfMemory, "out of shared memory").WithHint("%d tables and advisory locks are locked; release some.", maxObjects)
	}
	t := m.table(object)
	w.table = t
	at := t.place(w)
	if t.free(w, at) {
		t.grant(w)
		m.mu.Unlock()
		return false, nil
	}
	if !mayWait {
		t.forgetIfIdle()
		m.mu.Unlock()
		return false, errTaken
	}
	w.granted, w.since = make(chan struct{}), time.Now()
	t.enqueue(w, at)
	m.stats.Waits++
	if ring := m.ring(w); ring != nil {
		t.dequeue(w) // nobody had come to wait for it
		t.forgetIfIdle()
		m.stats.Deadlocks++
		m.mu.Unlock()
		return true, m.deadlock(ring)
	}
	m.mu.Unlock()
	return true, o.wait(ctx, w)
}

// wait waits until w is granted, or gives it up.
func (o *Owner) wait(ctx context.Context, w *waiter) error {
	var timeout <-chan time.Time
	if o.LockTimeout > 0 {
		timer := time.NewTimer(o.LockTimeout)
		defer timer.Stop()
		timeout = timer.C
	}
	canceled := false
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		canceled = true
	case <-timeout:
	}
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.p.waiting == nil {
		return nil // granted in the meantime
	}
	w.table.dequeue(w)
	w.table.wake() // those who waited for it only
	w.table.forgetIfIdle()
	if canceled {
		m.stats.Cancels++
		return ctx.Err()
	}
	m.stats.Timeouts++
	return ErrTimeout
}

// ErrTimeout ends a wait at LockTimeout.
var ErrTimeout error = pgerr.New(pgerr.LockNotAvailable, "canceling statement due to lock timeout")

// Savepoint returns a mark for RollbackTo.
func (o *Owner) Savepoint() int32 {
	o.stamp++
	return o.stamp
}

// RollbackTo frees what was locked since a mark, but for all keys of a table.
func (o *Owner) RollbackTo(mark int32) {
	if len(o.held) == 0 {
		return
	}
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for object, h := range o.held {
		if o.freeSince(m.tables[object], h, mark) {
			delete(o.held, object)
		}
	}
}

// freeSince frees what was locked of one object since a mark, and says whether nothing is left.
func (o *Owner) freeSince(t *table, h *holding, mark int32) (gone bool) {
	freed, had := false, len(h.keys)
	for n := len(h.keys); n > 0 && h.keys[n-1].stamp >= mark; n = len(h.keys) {
		t.takeBackKeys(o, h, 1)
	}
	if len(h.keys) < had {
		freed, h.keyModes = true, 0
		for _, k := range h.keys {
			h.keyModes |= t.keys[k.key].of(o)
		}
	}
	for n := len(h.log); n > 0 && h.log[n-1].stamp >= mark && (h.log[n-1].before != 0 || !h.hasKeys()); n = len(h.log) {
		t.setModes(h, h.log[n-1].before)
		h.log = h.log[:n-1]
		freed = true
	}
	if gone = h.modes == 0; gone {
		delete(t.holders, o)
	}
	if freed {
		t.wake()
		t.forgetIfIdle()
	}
	return gone
}

// Unlock frees modes of an object, whenever they were locked.
func (o *Owner) Unlock(object Object, modes Modes) {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t, h := m.tables[object], o.held[object]
	t.setModes(h, h.modes&^modes)
	if h.modes == 0 {
		delete(t.holders, o)
		delete(o.held, object)
	}
	t.wake()
	t.forgetIfIdle()
}

// Release frees all locks of the owner and grants others what they waited for.
// The owner is then as new. It must not be called while a call of it waits.
func (o *Owner) Release() {
	if o.held == nil {
		return
	}
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.p.waiting != nil && o.p.waiting.owner == o {
		panic("lock: bug: Release of an owner that waits")
	}
	for object, h := range o.held {
		t := m.tables[object]
		for len(h.keys) > keysPerHold {
			t.takeBackKeys(o, h, keysPerHold)
			t.wake()
			m.mu.Unlock() // others need not wait for all of it
			m.mu.Lock()
		}
		t.takeBack(o, h)
		t.wake()
		t.forgetIfIdle()
	}
	o.held = nil
}
