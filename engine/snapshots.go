package engine

import (
	"sync"
	"time"
)

// snapshots knows which states open transactions may still read, so that what
// was removed since can be freed when nobody needs it. It is safe for concurrent
// use.
type snapshots struct {
	shared  bool            // other nodes may read as well: only the lifetime counts
	mu      sync.Mutex      // guards the fields below
	txns    map[*Txn]uint64 // number of the oldest state that each reads
	removed []removal       // by rising state
}

// A removal is something that states before number still read.
type removal struct {
	state uint64
	at    time.Time
	free  func()
}

// open registers a transaction and returns the state that it begins with.
func (s *snapshots) open(db *DB, t *Txn) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := db.current.Load()
	s.txns[t] = cur.number
	return cur
}

// close forgets a transaction.
func (s *snapshots) close(t *Txn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.txns, t)
}

// remove frees something that states before number may read, once none of those
// is being read, or after the snapshots' lifetime.
func (s *snapshots) remove(number uint64, now time.Time, free func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = append(s.removed, removal{number, now, free})
}

// due takes the removals that can be freed now.
func (s *snapshots) due(now time.Time, lifetime time.Duration) []removal {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := ^uint64(0)
	for _, n := range s.txns {
		oldest = min(oldest, n)
	}
	var due, rest []removal
	for _, r := range s.removed {
		if r.state <= oldest && !s.shared || now.Sub(r.at) >= lifetime {
			due = append(due, r)
		} else {
			rest = append(rest, r)
		}
	}
	s.removed = rest
	return due
}

// count returns how many transactions are open.
func (s *snapshots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.txns)
}
