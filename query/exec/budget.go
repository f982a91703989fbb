package exec

import (
	"math"
	"sync/atomic"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Budget limits the bytes that operators hold: one per query, below one that
// the whole server shares. It is safe for concurrent use. A nil Budget has no
// limit.
type Budget struct {
	name   string
	by     string // the setting that is the limit; empty: none is
	limit  int64
	soft   int64 // bytes in use from which operators should spill
	work   int64 // what each may hold even then
	parent *Budget
	used   atomic.Int64
	peak   atomic.Int64
}

// NewBudget returns a budget of limitBytes (0: no limit) that also counts
// against parent, if there is one. The name says in errors whose limit it is.
func NewBudget(name string, limitBytes int64, parent *Budget) *Budget {
	b := &Budget{name: name, limit: limitBytes, soft: math.MaxInt64, work: minWorkBytes, parent: parent}
	if limitBytes > 0 {
		b.soft = limitBytes - limitBytes/4 // the rest is for what cannot
	}
	return b
}

// SetBy names the setting that errors tell to raise.
func (b *Budget) SetBy(setting string) *Budget {
	b.by = setting
	return b
}

// full is the error of a request for n bytes that there is no room for.
func (b *Budget) full(n, used int64) error {
	err := pgerr.New(pgerr.OutOfMemory, "out of memory").
		WithDetail("Failed on request of %d bytes: %d of the %d bytes of the %s's memory are in use.", n, used, b.limit, b.name)
	if b.by != "" {
		err = err.WithHint("Raise %s, or ask for less at a time.", b.by)
	}
	return err
}

// spillFrom has operators spill when they hold n bytes, for tests.
func (b *Budget) spillFrom(n int64) { b.soft, b.work = n-1, n }

// Used and Peak return the bytes in use and the most there have been.
func (b *Budget) Used() int64 { return b.used.Load() }
func (b *Budget) Peak() int64 { return b.peak.Load() }

// grow takes n bytes, or none and an out_of_memory error.
func (b *Budget) grow(n int64) error {
	for p := b; p != nil; p = p.parent {
		used := p.used.Add(n)
		if p.limit > 0 && used > p.limit {
			for q := b; ; q = q.parent {
				q.used.Add(-n)
				if q == p {
					break
				}
			}
			return p.full(n, used-n)
		}
		for {
			peak := p.peak.Load()
			if used <= peak || p.peak.CompareAndSwap(peak, used) {
				break
			}
		}
	}
	return nil
}

// take takes n bytes, as grow does, or gives them back if n is negative.
func (b *Budget) take(n int64) error {
	if n <= 0 {
		b.force(n)
		return nil
	}
	return b.grow(n)
}

// force takes or gives back n bytes without regard to the limits.
func (b *Budget) force(n int64) {
	for p := b; p != nil; p = p.parent {
		p.used.Add(n)
	}
}

// pressed says that so much is in use that operators should spill.
func (b *Budget) pressed() bool {
	for p := b; p != nil; p = p.parent {
		if p.used.Load() > p.soft {
			return true
		}
	}
	return false
}

// room returns the bytes that may be taken before pressed.
func (b *Budget) room() int64 {
	room := int64(1) << 62
	for p := b; p != nil; p = p.parent {
		room = min(room, p.soft-p.used.Load())
	}
	return room
}

// An account is what one operator holds of a budget. It is used by one goroutine.
type account struct {
	budget *Budget
	held   int64
	peak   int64
}

// freeBytes is what every operator may hold however much the others have taken,
// so that one with a small state does not fail for one with a large.
const freeBytes = 64 << 10

// set changes what the operator holds to n bytes.
func (a *account) set(n int64) error {
	if d := n - a.held; d > 0 && n > freeBytes {
		if err := a.budget.grow(d); err != nil {
			return err
		}
	} else {
		a.budget.force(d)
	}
	a.held = n
	a.peak = max(a.peak, n)
	return nil
}

func (a *account) add(n int64) error { return a.set(a.held + n) }

// force sets what the operator holds even beyond the limit.
func (a *account) force(n int64) {
	a.budget.force(n - a.held)
	a.held = n
	a.peak = max(a.peak, n)
}

// minWorkBytes is what an operator may hold before it must spill, so that all
// make progress however little is left.
const minWorkBytes = 256 << 10

// mustSpill says that the operator should write out what it holds.
func (a *account) mustSpill() bool {
	return a.budget != nil && a.held >= a.budget.work && a.budget.pressed()
}

func (a *account) close() { a.force(0) }
