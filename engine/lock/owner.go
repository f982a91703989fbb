package lock

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Mode is how a table is locked. A higher mode includes the lower ones.
type Mode uint8

const (
	// Write is the lock of INSERT, UPDATE, DELETE and COPY: PostgreSQL's ROW
	// EXCLUSIVE. Any number of owners may have it.
	Write Mode = iota + 1
	// Exclusive is the lock of DDL and TRUNCATE: nobody else may write.
	Exclusive
)

// An Owner has the locks of one transaction. It is used by one goroutine at a
// time. After an error it still has what it had before the call, and of Keys
// what it got until then.
type Owner struct {
	// LockTimeout bounds each wait for a single lock, as PostgreSQL's
	// lock_timeout does; 0: no bound. It may be changed between calls.
	LockTimeout time.Duration

	m *Manager

	// m.mu guards the writing of the following. While the owner does not wait
	// only its goroutine writes them, so that this may read held without m.mu.
	number  uint64                 // for messages; 0 until the first request
	held    map[datum.OID]*holding // nil until the first lock
	waiting *waiter                // nil unless a request waits
	seen    uint64                 // the last search for a ring of waits that came by
}

// holding is what an owner has in one table.
type holding struct {
	mode     Mode
	keys     []string // single keys, none if all
	keyBytes int64    // the sum of their lengths
	all      bool     // all keys of the table
}

func (h *holding) hasKeys() bool { return h.all || len(h.keys) > 0 }

// Table locks a table. It returns at once if the owner has the mode or a
// higher one. Owners that both have Write and ask for Exclusive are a
// deadlock. Errors are 40P01 (deadlock), 55P03 (LockTimeout) and ctx.Err().
func (o *Owner) Table(ctx context.Context, table datum.OID, mode Mode) error {
	if h := o.held[table]; h != nil && h.mode >= mode {
		return nil
	}
	w := &waiter{owner: o, want: wantWrite}
	if mode == Exclusive {
		w.want = wantExclusive
	}
	return o.take(ctx, table, w)
}

// keysPerHold bounds how many keys are looked at before others get at the manager.
const keysPerHold = 1024

// Keys locks primary keys of a table in their encoded form, and the table for
// Write. It copies what it keeps; keys may be in any order and repeat. Within
// a call they are taken in rising order, so that calls for the same keys do
// not deadlock with one another. Errors are those of Table.
//
// An owner that would get more keys of the table than Options allow waits
// until nobody else has any and then gets all. One that knows that it will
// write that many does well to say so in its first call: two that have keys
// when they come to ask for all are a deadlock.
func (o *Owner) Keys(ctx context.Context, table datum.OID, keys [][]byte) error {
	if err := o.Table(ctx, table, Write); err != nil {
		return err
	}
	h := o.held[table]
	if h.all || h.mode == Exclusive {
		return nil // nobody else gets a key without Write
	}
	keys, sizeBytes := sortedSet(keys)
	full := len(keys) > o.m.opts.MaxKeysPerTable || sizeBytes > o.m.opts.MaxKeyBytesPerTable
	for !full && len(keys) > 0 {
		hold := keys[:min(len(keys), keysPerHold)]
		var n int
		n, full = o.takeFree(table, hold)
		keys = keys[n:]
		if n == len(hold) || full {
			continue
		}
		if err := o.take(ctx, table, &waiter{owner: o, want: wantKey, key: string(keys[0])}); err != nil {
			return err
		}
		keys = keys[1:]
	}
	if full {
		return o.take(ctx, table, &waiter{owner: o, want: wantAllKeys})
	}
	return nil
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

// takeFree locks keys up to the first for which the owner has to wait, or
// which is one too many (full). It returns how many it has got.
func (o *Owner) takeFree(table datum.OID, keys [][]byte) (n int, full bool) {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	t, h := m.tables[table], o.held[table]
	for i, k := range keys {
		holder := t.keys[string(k)]
		switch {
		case holder == o:
		case o.isFull(h, k):
			return i, true
		case holder != nil || t.all != nil || t.allWaiters > 0: // take finds out whether to wait
			return i, false
		default:
			t.giveKey(o, h, string(k))
		}
	}
	return len(keys), false
}

// isFull says whether one more key is too many.
func (o *Owner) isFull(h *holding, key []byte) bool {
	return len(h.keys) >= o.m.opts.MaxKeysPerTable || h.keyBytes+int64(len(key)) > o.m.opts.MaxKeyBytesPerTable
}

// take gets what w wants, or waits for it.
func (o *Owner) take(ctx context.Context, oid datum.OID, w *waiter) error {
	m := o.m
	m.mu.Lock()
	if o.number == 0 {
		m.lastNumber++
		o.number = m.lastNumber
	}
	t := m.table(oid)
	w.table = t
	at := t.place(w)
	if t.free(w, at) {
		t.grant(w)
		m.mu.Unlock()
		return nil
	}
	w.granted = make(chan struct{})
	t.enqueue(w, at)
	m.stats.Waits++
	if ring := m.ring(w); ring != nil {
		t.dequeue(w) // nobody had come to wait for it
		m.stats.Deadlocks++
		m.mu.Unlock()
		return m.deadlock(ring)
	}
	m.mu.Unlock()
	return o.wait(ctx, w)
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
	if o.waiting == nil {
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
	return pgerr.New(pgerr.LockNotAvailable, "canceling statement due to lock timeout")
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
	if o.waiting != nil {
		panic("lock: bug: Release of an owner that waits")
	}
	for oid, h := range o.held {
		t := m.tables[oid]
		for len(h.keys) > keysPerHold {
			t.takeBackKeys(h, keysPerHold)
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
