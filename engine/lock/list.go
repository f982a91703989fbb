package lock

import (
	"slices"
	"time"
)

// Info is a lock that is held or waited for.
type Info struct {
	Object  Object
	Row     bool  // a row of the table
	Mode    Modes // one
	PID     int32 // of the session, 0 if there is none
	Granted bool
	Since   time.Time // of who waits
}

// List returns the locks on tables and advisory locks that are held, and all that are waited
// for. Rows that are locked are not among them, as they are not in PostgreSQL.
func (m *Manager) List() []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Info
	for _, t := range m.tables {
		held := map[*Process]Modes{}
		for o, h := range t.holders {
			held[o.p] |= h.modes
		}
		for p, modes := range held {
			for mode := range modes.each {
				if mode == Read && modes&AccessShare != 0 {
					continue // which pg_locks calls the same
				}
				out = append(out, Info{Object: t.object, Mode: mode, PID: p.pid, Granted: true})
			}
		}
		for w := t.first; w != nil; w = w.next {
			out = append(out, Info{Object: t.object, Row: w.level != whole, Mode: w.modes.strongest(), PID: w.owner.p.pid, Since: w.since})
		}
	}
	return out
}

// Blocking returns the sessions that keep one from going on, 0 for what is no session.
func (m *Manager) Blocking(pid int32) []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []int32
	for _, t := range m.tables {
		for w := t.first; w != nil; w = w.next {
			if w.owner.p.pid != pid {
				continue
			}
			for p := range t.blockers(w) {
				if !slices.Contains(out, p.pid) {
					out = append(out, p.pid)
				}
			}
		}
	}
	return out
}
