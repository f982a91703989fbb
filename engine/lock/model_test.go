package lock

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0: a new one")

func newSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	return seed
}

// A model is the rules of doc.go written down as plainly as they come.
type model struct {
	maxKeys int
	held    []modelLock // in the order in which they were granted
	queue   []modelLock // of all tables
}

type modelLock struct {
	owner int
	table datum.OID
	level level
	key   string
	mode  Modes // one, or those of a request for all keys
}

func (l modelLock) conflicts(x modelLock) bool {
	if l.owner == x.owner || l.table != x.table || (l.level == whole) != (x.level == whole) {
		return false
	}
	if l.level == oneKey && x.level == oneKey && l.key != x.key {
		return false
	}
	for a := range l.mode.each {
		for b := range x.mode.each {
			if slices.Contains(modelConflicts[a], b) || slices.Contains(modelConflicts[b], a) {
				return true
			}
		}
	}
	return false
}

// modelConflicts has each pair of modes at least once.
var modelConflicts = map[Modes][]Modes{
	AccessExclusive:      {Read, AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive},
	Define:               {AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive, Define},
	Exclusive:            {RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive},
	ShareRowExclusive:    {RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive},
	Share:                {RowExclusive, ShareUpdateExclusive},
	ShareUpdateExclusive: {ShareUpdateExclusive},
	ForUpdate:            {ForKeyShare, ForShare, ForNoKeyUpdate, ForUpdate},
	ForNoKeyUpdate:       {ForShare, ForNoKeyUpdate},
	Key:                  {Key},
}

func (m *model) has(l modelLock) bool {
	for _, h := range m.held {
		if h.owner != l.owner || h.table != l.table {
			continue
		}
		covers := h.level == allKeys && h.mode == l.mode || h.level == whole && (h.mode == Exclusive || h.mode == AccessExclusive || h.mode == Define)
		if h == l || l.level == oneKey && covers {
			return true
		}
	}
	return false
}

func (m *model) keys(owner int, table datum.OID) int {
	keys := map[string]bool{}
	for _, h := range m.held {
		if h.owner == owner && h.table == table && h.level == oneKey {
			keys[h.key] = true
		}
	}
	return len(keys)
}

func (m *model) hasKey(l modelLock) bool {
	return slices.ContainsFunc(m.held, func(h modelLock) bool {
		return h.owner == l.owner && h.table == l.table && h.level == oneKey && h.key == l.key
	})
}

// covered says whether a request for all keys asks for nothing.
func (m *model) covered(l modelLock) bool {
	l.level = oneKey
	return m.has(l)
}

// blockers returns the owners that l waits for if before stands before it in the queue.
func (m *model) blockers(l modelLock, before []modelLock) (owners []int) {
	for _, x := range append(before[:len(before):len(before)], m.held...) {
		if l.conflicts(x) {
			owners = append(owners, x.owner)
		}
	}
	return owners
}

func (m *model) grant(l modelLock) {
	if l.level == allKeys {
		kept := m.held[:0:0]
		for _, h := range m.held {
			if h.owner == l.owner && h.table == l.table && h.level == oneKey {
				h.level, h.key = allKeys, ""
			}
			if !slices.Contains(kept, h) {
				kept = append(kept, h)
			}
		}
		m.held = kept
	}
	for mode := range l.mode.each {
		if l.mode = mode; !slices.Contains(m.held, l) {
			m.held = append(m.held, l)
		}
	}
}

// take returns how a request begins: granted, waits or deadlock.
func (m *model) take(l modelLock) string {
	if m.has(l) {
		return "granted"
	}
	if l.level == oneKey && !m.hasKey(l) && m.keys(l.owner, l.table) >= m.maxKeys {
		l.level, l.key = allKeys, ""
	}
	if l.level == allKeys {
		for _, h := range m.of(l.owner) {
			if h.table == l.table && h.level != whole {
				l.mode |= h.mode
			}
		}
	}
	at := len(m.queue)
	for i := range m.queue {
		for _, h := range m.held {
			if h.owner == l.owner && h.table == l.table && h.conflicts(m.queue[i]) {
				at = min(at, i)
			}
		}
	}
	if len(m.blockers(l, m.queue[:at])) == 0 {
		m.grant(l)
		return "granted"
	}
	old := m.queue
	m.queue = append(append(append([]modelLock{}, old[:at]...), l), old[at:]...)
	if m.reaches(l.owner, l.owner, map[int]bool{}) {
		m.queue = old
		return "deadlock"
	}
	return "waits"
}

func (m *model) reaches(from, to int, seen map[int]bool) bool {
	for i, w := range m.queue {
		if w.owner != from {
			continue
		}
		for _, o := range m.blockers(w, m.queue[:i]) {
			if o == to {
				return true
			}
			if !seen[o] {
				seen[o] = true
				if m.reaches(o, to, seen) {
					return true
				}
			}
		}
	}
	return false
}

// of returns what an owner has.
func (m *model) of(owner int) (out []modelLock) {
	for _, l := range m.held {
		if l.owner == owner {
			out = append(out, l)
		}
	}
	return out
}

// keep takes away what an owner has beside some.
func (m *model) keep(owner int, kept []modelLock) {
	m.held = slices.DeleteFunc(slices.Clone(m.held), func(l modelLock) bool { return l.owner == owner && !slices.Contains(kept, l) })
	m.drop(owner, false)
}

// drop takes away what an owner waits for, and what it has if released.
func (m *model) drop(owner int, released bool) {
	without := func(locks []modelLock) (kept []modelLock) {
		for _, l := range locks {
			if l.owner != owner {
				kept = append(kept, l)
			}
		}
		return kept
	}
	m.queue = without(m.queue)
	if released {
		m.held = without(m.held)
	}
	for i := 0; i < len(m.queue); {
		if l := m.queue[i]; len(m.blockers(l, m.queue[:i])) == 0 {
			m.queue = append(m.queue[:i:i], m.queue[i+1:]...)
			m.grant(l)
		} else {
			i++
		}
	}
}

func (m *model) waits(owner int) bool {
	for _, l := range m.queue {
		if l.owner == owner {
			return true
		}
	}
	return false
}

func (m *model) stats() (s Stats) {
	s.Waiting = len(m.queue)
	tables, keys, all := map[modelLock]bool{}, map[modelLock]bool{}, map[modelLock]bool{}
	for _, h := range m.held {
		switch h.level {
		case oneKey:
			keys[modelLock{table: h.table, key: h.key}] = true
		case allKeys:
			all[modelLock{owner: h.owner, table: h.table}] = true
		default:
			tables[modelLock{owner: h.owner, table: h.table}] = true
		}
	}
	s.Tables, s.Keys, s.AllKeys = len(tables), len(keys), len(all)
	return s
}

// TestAgainstModel runs random requests one after the other on a Manager and
// on the model; both must grant, queue and refuse the same.
func TestAgainstModel(t *testing.T) {
	seed := newSeed(t)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	outcomes := map[string]int{}
	for round := range rounds {
		rnd := rand.New(rand.NewPCG(seed, uint64(round)))
		synctest.Test(t, func(t *testing.T) { compareWithModel(t, rnd, outcomes) })
	}
	t.Log(outcomes)
	for _, o := range []string{"granted", "waits", "deadlock", "canceled", "all keys", "rolled back"} {
		if outcomes[o] == 0 {
			t.Errorf("never seen: %s", o)
		}
	}
}

// modelRun is a Manager and its model at work.
type modelRun struct {
	t      *testing.T
	rnd    *rand.Rand
	m      *Manager
	model  *model
	owners []*Owner
	calls  []chan error // nil unless the owner waits
	cancel []context.CancelFunc
	mark   []int32 // of the last savepoint of each
	marked [][]modelLock
}

func compareWithModel(t *testing.T, rnd *rand.Rand, outcomes map[string]int) {
	n, maxKeys := 2+rnd.IntN(6), 1+rnd.IntN(4)
	r := &modelRun{t: t, rnd: rnd, m: New(Options{MaxKeysPerTable: maxKeys}), model: &model{maxKeys: maxKeys},
		calls: make([]chan error, n), cancel: make([]context.CancelFunc, n),
		mark: make([]int32, n), marked: make([][]modelLock, n)}
	for range n {
		r.owners = append(r.owners, r.m.NewOwner())
	}
	for step := range 400 {
		what := r.step(rnd.IntN(n))
		outcomes[what]++
		for i := range n {
			if (r.calls[i] != nil) != r.model.waits(i) {
				t.Fatalf("step %d, %s: owner %d waits: %v; in the model: %v", step, what, i, r.calls[i] != nil, r.model.waits(i))
			}
		}
		got, want := r.m.Stats(), r.model.stats()
		if got.Tables != want.Tables || got.Keys != want.Keys || got.AllKeys != want.AllKeys || got.Waiting != want.Waiting {
			t.Fatalf("step %d, %s: stats %+v; of the model %+v", step, what, got, want)
		}
		if got.AllKeys > 0 {
			outcomes["all keys"]++
		}
		validate(t, r.m)
	}
	for i := 0; i < n; i = (i + 1) % n {
		if r.calls[i] == nil {
			r.release(i)
		}
		if len(r.model.held) == 0 {
			break
		}
	}
	if len(r.m.tables) > 0 {
		t.Fatalf("%d tables kept", len(r.m.tables))
	}
}

// step does one thing with owner i and returns what came of it.
func (r *modelRun) step(i int) string {
	if r.calls[i] != nil {
		if r.rnd.IntN(4) > 0 {
			return "none"
		}
		r.cancel[i]()
		synctest.Wait()
		if err := <-r.calls[i]; !errors.Is(err, context.Canceled) {
			r.t.Fatalf("owner %d, canceled: %v", i, err)
		}
		r.calls[i] = nil
		r.model.drop(i, false)
		r.settle()
		return "canceled"
	}
	switch r.rnd.IntN(10) {
	case 0:
		r.release(i)
		return "released"
	case 1:
		r.mark[i], r.marked[i] = r.owners[i].Savepoint(), r.model.of(i)
		return "marked"
	case 2:
		return r.rollback(i)
	}
	return r.request(i)
}

// rollback goes back to a savepoint. Locks on all keys, and what they need, stay.
func (r *modelRun) rollback(i int) string {
	for _, h := range r.model.of(i) {
		if h.level == allKeys || r.mark[i] == 0 {
			return "none"
		}
	}
	r.owners[i].RollbackTo(r.mark[i])
	r.model.keep(i, r.marked[i])
	r.settle()
	return "rolled back"
}

func (r *modelRun) release(i int) {
	r.mark[i] = 0
	r.owners[i].Release()
	r.model.drop(i, true)
	r.settle()
}

// settle collects the calls that were granted.
func (r *modelRun) settle() {
	synctest.Wait()
	for i, c := range r.calls {
		if len(c) > 0 {
			if err := <-c; err != nil {
				r.t.Fatalf("owner %d: %v", i, err)
			}
			r.cancel[i]()
			r.calls[i] = nil
		}
	}
}

func (r *modelRun) request(i int) string {
	o, l := r.owners[i], modelLock{owner: i, table: tableA + datum.OID(r.rnd.IntN(2))}
	var c call
	tableModes := []Modes{Read, AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive, Define}
	rowModes := []Modes{ForKeyShare, ForShare, ForNoKeyUpdate, ForUpdate, Key}
	switch p := r.rnd.IntN(20); {
	case p == 0:
		l.mode = tableModes[r.rnd.IntN(len(tableModes))]
		c = lockTable(l.table, l.mode)
	case p < 4 || !o.Has(Table(l.table), RowExclusive):
		l.mode, c = RowExclusive, lockTable(l.table, RowExclusive)
	case p == 4:
		l.level, l.mode = allKeys, rowModes[r.rnd.IntN(len(rowModes))]
		c = lockKeysAs(l.table, "abcdefgh"[:r.model.maxKeys+1], l.mode)
		if r.model.covered(l) {
			return "none"
		}
	default:
		l.level, l.mode, l.key = oneKey, rowModes[r.rnd.IntN(len(rowModes))], string(rune('a'+r.rnd.IntN(8)))
		c = lockKeysAs(l.table, l.key, l.mode)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- c(ctx, o) }()
	synctest.Wait()
	want, got := r.model.take(l), "waits"
	if len(done) > 0 {
		cancel()
		switch err := <-done; {
		case err == nil:
			got = "granted"
		case pgerr.Code(err) == pgerr.DeadlockDetected:
			got = "deadlock"
		default:
			r.t.Fatalf("owner %d, %+v: %v", i, l, err)
		}
	} else {
		r.calls[i], r.cancel[i] = done, cancel
	}
	if got != want {
		r.t.Fatalf("owner %d, %+v: %s; in the model: %s\nheld %+v\nqueue %+v", i, l, got, want, r.model.held, r.model.queue)
	}
	return got
}
