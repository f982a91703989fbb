package lock

import (
	"iter"

	"github.com/phyllodb/phyllo/internal/datum"
)

// want is what a request asks for.
type want uint8

const (
	wantWrite want = iota
	wantExclusive
	wantKey
	wantAllKeys
)

// waiter is a request, in the queue of its table if it waits.
type waiter struct {
	owner      *Owner
	table      *table
	want       want
	key        string        // of wantKey
	granted    chan struct{} // closed when it is granted; nil if it need not wait
	prev, next *waiter
}

// conflicts says whether two requests of different owners cannot both be
// granted.
func (w *waiter) conflicts(x *waiter) bool {
	switch w.want {
	case wantWrite:
		return x.want == wantExclusive
	case wantExclusive:
		return x.want == wantWrite || x.want == wantExclusive
	case wantKey:
		return x.want == wantAllKeys || x.want == wantKey && x.key == w.key
	default:
		return x.want == wantAllKeys || x.want == wantKey
	}
}

// table is the locks on one table and its keys. Manager.mu guards it.
//
// Between calls no request in the queue could be granted. So a key that nobody
// has is wanted only by those who wait behind one that wants all keys.
type table struct {
	m          *Manager
	oid        datum.OID
	holders    map[*Owner]*holding // each has at least Write
	exclusive  *Owner              // has Exclusive
	keys       map[string]*Owner   // single keys
	keyHolders int                 // owners that have keys, single ones or all
	all        *Owner              // has all keys

	first, last *waiter // the queue
	allWaiters  int     // those in it that want all keys
}

// holdersAgainst yields the other owners whose locks keep w from being granted.
func (t *table) holdersAgainst(w *waiter) iter.Seq[*Owner] {
	return func(yield func(*Owner) bool) {
		switch w.want {
		case wantWrite:
			if t.exclusive != nil && t.exclusive != w.owner {
				yield(t.exclusive)
			}
		case wantKey:
			o := t.keys[w.key]
			if o == nil {
				o = t.all
			}
			if o != nil && o != w.owner {
				yield(o)
			}
		case wantExclusive, wantAllKeys:
			for o, h := range t.holders {
				if o != w.owner && (w.want == wantExclusive || h.hasKeys()) && !yield(o) {
					return
				}
			}
		}
	}
}

// queuedAgainst returns the last request before the place before at that w
// waits for, nil if there is none. For deadlocks it stands for those further
// ahead: it waits for them too, or for what they wait for.
func (t *table) queuedAgainst(w, at *waiter) *waiter {
	x := t.last
	if at != nil {
		x = at.prev
	}
	for x != nil && !w.conflicts(x) {
		x = x.prev
	}
	return x
}

// blocks says whether a lock that o has keeps x from being granted.
func (t *table) blocks(o *Owner, h *holding, x *waiter) bool {
	switch x.want {
	case wantWrite:
		return h.mode == Exclusive
	case wantExclusive:
		return true
	case wantKey:
		return h.all || t.keys[x.key] == o
	default:
		return h.hasKeys()
	}
}

// place returns the request before which w belongs, nil for the end.
func (t *table) place(w *waiter) *waiter {
	h := t.holders[w.owner]
	if h == nil {
		return nil
	}
	for x := t.first; x != nil; x = x.next {
		if t.blocks(w.owner, h, x) {
			return x
		}
	}
	return nil
}

// free says whether w can be granted in the place before at.
func (t *table) free(w, at *waiter) bool {
	for range t.holdersAgainst(w) {
		return false
	}
	return t.queuedAgainst(w, at) == nil
}

// grant gives w's owner what it wants.
func (t *table) grant(w *waiter) {
	o := w.owner
	h := t.holders[o]
	if h == nil {
		h = &holding{}
		t.holders[o] = h
		if o.held == nil {
			o.held = map[datum.OID]*holding{}
		}
		o.held[t.oid] = h
	}
	switch w.want {
	case wantWrite:
		h.mode = max(h.mode, Write)
	case wantExclusive:
		h.mode = Exclusive
		t.exclusive = o
	case wantKey:
		t.giveKey(o, h, w.key)
	case wantAllKeys:
		t.m.stats.Escalations++
		if !h.hasKeys() {
			t.keyHolders++
		}
		t.takeBackKeys(h, len(h.keys))
		h.all = true
		t.all = o
	}
}

func (t *table) giveKey(o *Owner, h *holding, key string) {
	if !h.hasKeys() {
		t.keyHolders++
	}
	if t.keys == nil {
		t.keys = map[string]*Owner{}
	}
	t.keys[key] = o
	h.keys = append(h.keys, key)
	h.keyBytes += int64(len(key))
}

// takeBackKeys frees the last n single keys of a holding, which goes on
// counting as one with keys.
func (t *table) takeBackKeys(h *holding, n int) {
	rest := len(h.keys) - n
	for _, k := range h.keys[rest:] {
		delete(t.keys, k)
		h.keyBytes -= int64(len(k))
	}
	h.keys = h.keys[:rest]
	if rest == 0 {
		h.keys = nil
	}
	if len(t.keys) == 0 {
		t.keys = nil // a map never shrinks
	}
}

// takeBack frees all that an owner has.
func (t *table) takeBack(o *Owner, h *holding) {
	if h.hasKeys() {
		t.keyHolders--
	}
	t.takeBackKeys(h, len(h.keys))
	if t.all == o {
		t.all = nil
	}
	if t.exclusive == o {
		t.exclusive = nil
	}
	delete(t.holders, o)
}

// enqueue puts w into the queue before at, or at the end.
func (t *table) enqueue(w, at *waiter) {
	w.next = at
	if at == nil {
		w.prev, t.last = t.last, w
	} else {
		w.prev, at.prev = at.prev, w
	}
	if w.prev == nil {
		t.first = w
	} else {
		w.prev.next = w
	}
	if w.want == wantAllKeys {
		t.allWaiters++
	}
	w.owner.waiting = w
	t.m.stats.Waiting++
}

func (t *table) dequeue(w *waiter) {
	if w.prev == nil {
		t.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		t.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	if w.want == wantAllKeys {
		t.allWaiters--
	}
	w.owner.waiting = nil
	t.m.stats.Waiting--
}

// wake grants, in the order of the queue, what can be granted after something
// was freed.
func (t *table) wake() {
	for w := t.first; w != nil; {
		next := w.next
		if t.free(w, w) {
			t.dequeue(w)
			t.grant(w)
			close(w.granted)
		}
		w = next
	}
}

// forgetIfIdle removes a table without holders and waiters from the manager.
func (t *table) forgetIfIdle() {
	if len(t.holders) == 0 && t.first == nil {
		delete(t.m.tables, t.oid)
	}
}
