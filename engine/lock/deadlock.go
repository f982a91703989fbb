package lock

import (
	"fmt"
	"iter"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// wait is an edge of the waits-for graph in words.
type wait struct {
	process, blocker string
	what             waiter // its modes, level and key
	object           Object
}

// blockers yields the processes that w waits for.
func (t *table) blockers(w *waiter) iter.Seq[*Process] {
	return func(yield func(*Process) bool) {
		for o := range t.holdersAgainst(w) {
			if !yield(o.p) {
				return
			}
		}
		for x := range t.queuedAgainst(w, w) {
			if !yield(x.owner.p) {
				return
			}
		}
	}
}

// ring returns a ring of waits through w, which has just been queued, nil if
// there is none; m.mu is held.
//
// It is enough to look when a request is queued. An edge towards a process comes
// into being only by a request of its own: by the place of the request in a
// queue, or by what it was granted at once. So none is added while all processes
// of a ring wait, and the last of them to be queued has closed it.
func (m *Manager) ring(w *waiter) []wait {
	m.search++
	var path []wait
	var visit func(x *waiter) bool
	visit = func(x *waiter) bool {
		for p := range x.table.blockers(x) {
			if p != w.owner.p && (p.waiting == nil || p.seen == m.search) {
				continue
			}
			p.seen = m.search
			path = append(path, wait{process: m.name(x.owner.p), blocker: m.name(p), what: *x, object: x.table.object})
			if p == w.owner.p || visit(p.waiting) {
				return true
			}
			path = path[:len(path)-1]
		}
		return false
	}
	if visit(w) {
		return path
	}
	return nil
}

// name is what a process is called in messages; m.mu is held.
func (m *Manager) name(p *Process) string {
	if p.pid != 0 {
		return fmt.Sprintf("process %d", p.pid)
	}
	if p.number == 0 {
		m.lastNumber++
		p.number = m.lastNumber
	}
	return fmt.Sprintf("transaction %d", p.number)
}

// deadlock returns the error of the request that would close the ring.
func (m *Manager) deadlock(ring []wait) error {
	lines := make([]string, len(ring))
	for i, w := range ring {
		what := m.text(w.object)
		switch w.what.level {
		case oneKey:
			what = "a row of " + what
		case allKeys:
			what = "all rows of " + what
		}
		lines[i] = fmt.Sprintf("%s waits for %s on %s; blocked by %s.", strings.ToUpper(w.process[:1])+w.process[1:], w.what.modes, what, w.blocker)
	}
	return pgerr.New(pgerr.DeadlockDetected, "deadlock detected").WithDetail("%s", strings.Join(lines, "\n"))
}
