package lock

import (
	"iter"
	"math/bits"
	"slices"
	"time"
)

// level is what of a table a request asks for.
type level uint8

const (
	whole level = iota // the table itself, or the advisory lock
	oneKey
	allKeys
)

// waiter is a request, in the queue of its table if it waits.
type waiter struct {
	owner      *Owner
	table      *table
	modes      Modes
	level      level
	key        string        // of oneKey
	granted    chan struct{} // closed when it is granted; nil if it need not wait
	since      time.Time
	prev, next *waiter
}

// conflicts says whether two requests of different processes cannot both be
// granted.
func (w *waiter) conflicts(x *waiter) bool {
	if w.modes.conflicts()&x.modes == 0 {
		return false
	}
	return w.level != oneKey || x.level != oneKey || w.key == x.key
}

// keyLock is who has one key. Most have one owner.
type keyLock struct {
	share
	others []share
}

type share struct {
	owner *Owner
	modes Modes
}

// of returns the modes that an owner has.
func (k keyLock) of(o *Owner) Modes {
	if k.owner == o {
		return k.modes
	}
	for _, s := range k.others {
		if s.owner == o {
			return s.modes
		}
	}
	return 0
}

// with returns the lock after an owner's modes have become others, maybe none.
func (k keyLock) with(o *Owner, modes Modes) keyLock {
	all := k.others
	if k.owner != nil {
		all = append([]share{k.share}, k.others...)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s share) bool { return s.owner == o })
	if modes != 0 {
		all = append(all, share{o, modes})
	}
	switch len(all) {
	case 0:
		return keyLock{}
	case 1:
		return keyLock{share: all[0]}
	}
	return keyLock{share: all[0], others: all[1:]}
}

// each yields the shares.
func (k keyLock) each(yield func(share) bool) {
	if k.owner == nil || !yield(k.share) {
		return
	}
	for _, s := range k.others {
		if !yield(s) {
			return
		}
	}
}

// table is the locks on one table and its keys, or on another object. Manager.mu guards it.
//
// Between calls no request in the queue could be granted.
type table struct {
	m          *Manager
	object     Object
	holders    map[*Owner]*holding // each has a mode
	granted    [modeCount]int      // how many have each mode of the table
	keys       map[string]keyLock  // single keys
	keyHolders int                 // owners that have keys, single ones or all
	all        []*Owner            // who have all keys

	first, last *waiter // the queue
	allWaiters  int     // those in it that want all keys
}

// othersAll says whether another owner has all keys.
func (t *table) othersAll(o *Owner) bool {
	return slices.ContainsFunc(t.all, func(x *Owner) bool { return x != o })
}

// holdersAgainst yields the owners of other processes whose locks keep w from being granted.
func (t *table) holdersAgainst(w *waiter) iter.Seq[*Owner] {
	against := w.modes.conflicts()
	return func(yield func(*Owner) bool) {
		switch w.level {
		case whole:
			if t.grantedModes()&against == 0 {
				return
			}
			for o, h := range t.holders {
				if o.p != w.owner.p && h.modes&against != 0 && !yield(o) {
					return
				}
			}
		case oneKey:
			for s := range t.keys[w.key].each {
				if s.owner.p != w.owner.p && s.modes&against != 0 && !yield(s.owner) {
					return
				}
			}
			for _, o := range t.all {
				if o.p != w.owner.p && t.holders[o].all&against != 0 && !yield(o) {
					return
				}
			}
		case allKeys:
			for o, h := range t.holders {
				if o.p != w.owner.p && (h.all|h.keyModes)&against != 0 && !yield(o) {
					return
				}
			}
		}
	}
}

func (t *table) grantedModes() (out Modes) {
	for i, n := range t.granted {
		if n > 0 {
			out |= 1 << i
		}
	}
	return out
}

// queuedAgainst yields the requests before the place before at that w waits for.
func (t *table) queuedAgainst(w, at *waiter) iter.Seq[*waiter] {
	return func(yield func(*waiter) bool) {
		x := t.last
		if at != nil {
			x = at.prev
		}
		for ; x != nil; x = x.prev {
			if w.conflicts(x) && !yield(x) {
				return
			}
		}
	}
}

// blocks says whether a lock that o has keeps x from being granted.
func (t *table) blocks(o *Owner, h *holding, x *waiter) bool {
	against := x.modes.conflicts()
	switch x.level {
	case whole:
		return h.modes&against != 0
	case oneKey:
		return (h.all|t.keys[x.key].of(o))&against != 0
	default:
		return (h.all|h.keyModes)&against != 0
	}
}

// place returns the request before which w belongs, nil for the end.
func (t *table) place(w *waiter) *waiter {
	if t.first == nil {
		return nil
	}
	var own []*Owner
	for o := range t.holders {
		if o.p == w.owner.p {
			own = append(own, o)
		}
	}
	for x := t.first; x != nil; x = x.next {
		if slices.ContainsFunc(own, func(o *Owner) bool { return t.blocks(o, t.holders[o], x) }) {
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
	for range t.queuedAgainst(w, at) {
		return false
	}
	return true
}

// grant gives w's owner what it wants.
func (t *table) grant(w *waiter) {
	o := w.owner
	h := t.holders[o]
	if h == nil {
		h = &holding{}
		t.holders[o] = h
		if o.held == nil {
			o.held = map[Object]*holding{}
		}
		o.held[t.object] = h
	}
	switch w.level {
	case whole:
		h.log = append(h.log, mark{h.modes, o.stamp})
		t.setModes(h, h.modes|w.modes)
	case oneKey:
		t.giveKey(o, h, w.key, w.modes)
	case allKeys:
		t.m.stats.Escalations++
		if !h.hasKeys() {
			t.keyHolders++
		}
		if h.all == 0 {
			t.all = append(t.all, o)
		}
		h.all = w.modes
		t.takeBackKeys(o, h, len(h.keys))
	}
}

// setModes makes the modes of the table that an owner has others.
func (t *table) setModes(h *holding, modes Modes) {
	for m := range (h.modes ^ modes).each {
		n := 1
		if modes&m == 0 {
			n = -1
		}
		t.granted[bits.TrailingZeros16(uint16(m))] += n
	}
	h.modes = modes
}

func (t *table) giveKey(o *Owner, h *holding, key string, modes Modes) {
	if !h.hasKeys() {
		t.keyHolders++
	}
	if t.keys == nil {
		t.keys = map[string]keyLock{}
	}
	lock, taken := t.keys[key]
	before := Modes(0)
	if !taken { // as most are
		t.keys[key] = keyLock{share: share{o, modes}}
	} else {
		before = lock.of(o)
		t.keys[key] = lock.with(o, before|modes)
	}
	if before == 0 {
		h.keyCount++
		h.keyBytes += int64(len(key))
	}
	h.keyModes |= modes
	h.keys = append(h.keys, heldKey{key, mark{before, o.stamp}})
}

// takeBackKeys undoes the last n times that single keys of a holding got modes.
func (t *table) takeBackKeys(o *Owner, h *holding, n int) {
	had := h.hasKeys()
	rest := len(h.keys) - n
	for i := len(h.keys) - 1; i >= rest; i-- {
		k := &h.keys[i]
		if lock := t.keys[k.key]; k.before == 0 && len(lock.others) == 0 {
			delete(t.keys, k.key)
		} else {
			t.keys[k.key] = lock.with(o, k.before)
		}
		if k.before == 0 {
			h.keyCount--
			h.keyBytes -= int64(len(k.key))
		}
	}
	clear(h.keys[rest:])
	h.keys = h.keys[:rest]
	if rest == 0 {
		h.keys, h.keyModes = nil, 0
	}
	if had && !h.hasKeys() {
		t.keyHolders--
	}
	if len(t.keys) == 0 {
		t.keys = nil // a map never shrinks
	}
}

// takeBack frees all that an owner has.
func (t *table) takeBack(o *Owner, h *holding) {
	t.takeBackKeys(o, h, len(h.keys))
	if h.all != 0 {
		t.all = slices.DeleteFunc(t.all, func(x *Owner) bool { return x == o })
		h.all = 0
		t.keyHolders--
	}
	t.setModes(h, 0)
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
	if w.level == allKeys {
		t.allWaiters++
	}
	w.owner.p.waiting = w
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
	if w.level == allKeys {
		t.allWaiters--
	}
	w.owner.p.waiting = nil
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
		delete(t.m.tables, t.object)
	}
}
