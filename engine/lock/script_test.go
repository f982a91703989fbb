package lock

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tableA datum.OID = 16384 + iota
	tableB
)

// script runs requests of named owners in a bubble of synctest, in which all
// goroutines block before a step is judged.
type script struct {
	t      *testing.T
	m      *Manager
	owners map[string]*Owner
	calls  map[string]chan error // of calls that wait
}

func run(t *testing.T, opts Options, f func(s *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, m: New(opts), owners: map[string]*Owner{}, calls: map[string]chan error{}}
		f(s)
		if len(s.calls) > 0 {
			t.Errorf("calls that still wait at the end: %v", s.calls)
		}
		for _, o := range s.owners {
			o.Release()
		}
		validate(t, s.m)
		if len(s.m.tables) > 0 {
			t.Errorf("%d tables kept after the last release", len(s.m.tables))
		}
	})
}

func (s *script) owner(name string) *Owner {
	if s.owners[name] == nil {
		s.owners[name] = s.m.NewOwner()
	}
	return s.owners[name]
}

// A call is something an owner asks for.
type call func(ctx context.Context, o *Owner) error

func lockTable(id datum.OID, mode Modes) call {
	return func(ctx context.Context, o *Owner) error { _, err := o.Lock(ctx, Table(id), mode); return err }
}

// keysOf locks keys as who writes them does.
func keysOf(ctx context.Context, o *Owner, id datum.OID, keys [][]byte) error {
	if _, err := o.Lock(ctx, Table(id), RowExclusive); err != nil {
		return err
	}
	return o.Keys(ctx, id, keys, Key)
}

// lockKeys asks for keys of one letter each.
func lockKeys(id datum.OID, letters string) call { return lockKeysAs(id, letters, Key) }

func lockKeysAs(id datum.OID, letters string, modes Modes) call {
	return func(ctx context.Context, o *Owner) error {
		var ks [][]byte
		for _, l := range []byte(letters) {
			ks = append(ks, []byte{l})
		}
		if _, err := o.Lock(ctx, Table(id), RowExclusive); err != nil {
			return err
		}
		err := o.Keys(ctx, id, ks, modes)
		for _, k := range ks {
			k[0] = '!' // they are the caller's again
		}
		return err
	}
}

func (s *script) start(ctx context.Context, name string, c call) {
	s.t.Helper()
	if s.calls[name] != nil {
		s.t.Fatalf("%s waits already", name)
	}
	o, done := s.owner(name), make(chan error, 1)
	s.calls[name] = done
	go func() { done <- c(ctx, o) }()
	synctest.Wait()
	validate(s.t, s.m)
}

// result returns how a call ended; it must have.
func (s *script) result(name string) error {
	s.t.Helper()
	synctest.Wait()
	validate(s.t, s.m)
	select {
	case err := <-s.calls[name]:
		delete(s.calls, name)
		return err
	default:
		s.t.Fatalf("%s waits", name)
		return nil
	}
}

func (s *script) gets(name string, c call) {
	s.t.Helper()
	s.start(s.t.Context(), name, c)
	s.got(name)
}

func (s *script) got(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := s.result(name); err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
	}
}

func (s *script) waits(name string, c call) {
	s.t.Helper()
	s.start(s.t.Context(), name, c)
	s.stillWait(name)
}

func (s *script) stillWait(names ...string) {
	s.t.Helper()
	synctest.Wait()
	for _, name := range names {
		if len(s.calls[name]) > 0 {
			s.t.Fatalf("%s does not wait: %v", name, <-s.calls[name])
		}
	}
	if n := s.m.Waiting(); n != len(s.calls) {
		s.t.Fatalf("Waiting() = %d, want %d", n, len(s.calls))
	}
}

func (s *script) deadlocks(name string, c call) *pgerr.Error {
	s.t.Helper()
	s.start(s.t.Context(), name, c)
	err := s.result(name)
	var e *pgerr.Error
	if !errors.As(err, &e) || e.Code != pgerr.DeadlockDetected || e.Message != "deadlock detected" {
		s.t.Fatalf("%s: %v, want a deadlock", name, err)
	}
	return e
}

func (s *script) release(name string) {
	s.t.Helper()
	s.owner(name).Release()
	synctest.Wait()
	validate(s.t, s.m)
}

// validate checks what must hold whenever m.mu is free.
func validate(t *testing.T, m *Manager) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.invariants(); err != nil {
		t.Fatal(err)
	}
}

func (m *Manager) invariants() error {
	waiting := 0
	for object, tab := range m.tables {
		n, err := tab.invariants()
		if err != nil {
			return fmt.Errorf("%v: %w", object, err)
		}
		waiting += n
	}
	if waiting != m.stats.Waiting {
		return fmt.Errorf("%d waiters are queued, %d counted", waiting, m.stats.Waiting)
	}
	return m.noRings()
}

// noRings looks for rings in the whole waits-for graph, with all its edges.
func (m *Manager) noRings() error {
	done := map[*Process]bool{} // false while its edges are being followed
	var visit func(w *waiter) error
	visit = func(w *waiter) error {
		done[w.owner.p] = false
		for p := range w.table.blockers(w) {
			if over, seen := done[p]; seen && !over {
				return fmt.Errorf("a ring of waits was let pass: it leads to process %d", p.number)
			} else if seen || p.waiting == nil {
				continue
			}
			if err := visit(p.waiting); err != nil {
				return err
			}
		}
		done[w.owner.p] = true
		return nil
	}
	for _, t := range m.tables {
		for w := t.first; w != nil; w = w.next {
			if _, seen := done[w.owner.p]; seen {
				continue
			}
			if err := visit(w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) invariants() (waiting int, err error) {
	withKeys, withAll := 0, 0
	var granted [modeCount]int
	shares := map[string]int{}
	for o, h := range t.holders {
		if h.modes == 0 || o.held[t.object] != h {
			return 0, fmt.Errorf("owner %p: modes %b, or not its holding", o, h.modes)
		}
		for x, g := range t.holders {
			if x.p != o.p && (h.modes.conflicts()&g.modes != 0 || h.all.conflicts()&g.all != 0) {
				return 0, fmt.Errorf("owners %p and %p have %b and %b, all keys: %b and %b", o, x, h.modes, g.modes, h.all, g.all)
			}
		}
		for m := range h.modes.each {
			granted[bits.TrailingZeros16(uint16(m))]++
		}
		if h.hasKeys() {
			withKeys++
		}
		if h.all != 0 {
			withAll++
		}
		bytes, count := int64(0), 0
		for _, k := range h.keys {
			if k.before == 0 {
				bytes += int64(len(k.key))
				count++
				shares[k.key]++
			}
			if t.keys[k.key].of(o) == 0 {
				return 0, fmt.Errorf("owner %p: key %q is not its own", o, k.key)
			}
		}
		if bytes != h.keyBytes || count != h.keyCount || count > t.m.opts.MaxKeysPerTable || bytes > t.m.opts.MaxKeyBytesPerTable {
			return 0, fmt.Errorf("owner %p: %d keys of %d bytes, counted %d of %d", o, count, bytes, h.keyCount, h.keyBytes)
		}
		if (h.all != 0) != slices.Contains(t.all, o) || h.all != 0 && len(h.keys) > 0 && h.all&h.keyModes == h.keyModes {
			return 0, fmt.Errorf("owner %p: all = %v and %d keys", o, h.all, len(h.keys))
		}
	}
	if granted != t.granted {
		return 0, fmt.Errorf("modes %v are held, %v counted", granted, t.granted)
	}
	if len(shares) != len(t.keys) || withKeys != t.keyHolders || withAll != len(t.all) {
		return 0, fmt.Errorf("%d keys, %d counted; %d owners with keys, %d counted", len(shares), len(t.keys), withKeys, t.keyHolders)
	}
	for key, lock := range t.keys {
		n := 0
		for s := range lock.each {
			n++
			for x := range lock.each {
				if s.owner.p != x.owner.p && s.modes.conflicts()&x.modes != 0 {
					return 0, fmt.Errorf("two owners have key %q", key)
				}
			}
			for _, o := range t.all {
				if o.p != s.owner.p && t.holders[o].all.conflicts()&s.modes != 0 {
					return 0, fmt.Errorf("one has key %q, another all", key)
				}
			}
		}
		if n != shares[key] {
			return 0, fmt.Errorf("key %q: %d owners, %d of holdings", key, n, shares[key])
		}
	}
	all := 0
	var prev *waiter
	for w := t.first; w != nil; prev, w = w, w.next {
		waiting++
		if w.prev != prev || w.owner.p.waiting != w || w.table != t {
			return 0, fmt.Errorf("the queue is broken at its waiter %d", waiting)
		}
		if t.free(w, w) {
			return 0, fmt.Errorf("waiter %d of the queue could be granted", waiting)
		}
		if w.level == allKeys {
			all++
		}
	}
	if t.last != prev || all != t.allWaiters || len(t.holders) == 0 {
		return 0, fmt.Errorf("%d waiters for all keys, %d counted; %d holders", all, t.allWaiters, len(t.holders))
	}
	return waiting, nil
}
