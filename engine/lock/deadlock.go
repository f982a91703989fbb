package lock

import (
	"fmt"
	"iter"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// wait is an edge of the waits-for graph in words.
type wait struct {
	owner, blocker uint64
	want           want
	table          datum.OID
}

// blockers yields the owners that w waits for.
func (t *table) blockers(w *waiter) iter.Seq[*Owner] {
	return func(yield func(*Owner) bool) {
		for o := range t.holdersAgainst(w) {
			if !yield(o) {
				return
			}
		}
		if x := t.queuedAgainst(w, w); x != nil {
			yield(x.owner)
		}
	}
}

// ring returns a ring of waits through w, which has just been queued, nil if
// there is none; m.mu is held.
//
// It is enough to look when a request is queued. An edge towards an owner comes
// into being only by a request of its own: by the place of the request in a
// queue, or by what it was granted at once. So none is added while all owners
// of a ring wait, and the last of them to be queued has closed it.
func (m *Manager) ring(w *waiter) []wait {
	m.search++
	var path []wait
	var visit func(x *waiter) bool
	visit = func(x *waiter) bool {
		for o := range x.table.blockers(x) {
			if o != w.owner && (o.waiting == nil || o.seen == m.search) {
				continue
			}
			o.seen = m.search
			path = append(path, wait{owner: x.owner.number, blocker: o.number, want: x.want, table: x.table.oid})
			if o == w.owner || visit(o.waiting) {
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

// deadlock returns the error of the request that would close the ring.
func (m *Manager) deadlock(ring []wait) error {
	lines := make([]string, len(ring))
	for i, w := range ring {
		what := map[want]string{
			wantWrite:     "RowExclusiveLock on",
			wantExclusive: "ExclusiveLock on",
			wantKey:       "a key of",
			wantAllKeys:   "all keys of",
		}[w.want]
		lines[i] = fmt.Sprintf("Transaction %d waits for %s table %s; blocked by transaction %d.",
			w.owner, what, m.opts.TableName(w.table), w.blocker)
	}
	return pgerr.New(pgerr.DeadlockDetected, "deadlock detected").WithDetail("%s", strings.Join(lines, "\n"))
}
