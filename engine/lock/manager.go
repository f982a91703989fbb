package lock

import (
	"strconv"
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
)

// Defaults of Options.
const (
	DefaultMaxKeysPerTable     = 65_536
	DefaultMaxKeyBytesPerTable = 16 << 20
)

// Options sets up a Manager. The zero value means defaults.
type Options struct {
	// MaxKeysPerTable is the number of keys of one table that an owner may
	// have before it gets the lock on all of them instead. Default (0 or
	// less): DefaultMaxKeysPerTable.
	MaxKeysPerTable int
	// MaxKeyBytesPerTable bounds the bytes of these keys in the same way.
	// Default (0 or less): DefaultMaxKeyBytesPerTable.
	MaxKeyBytesPerTable int64
	// TableName names a table in the detail of an error. It is called without
	// a lock of the manager held. Default: the OID in decimal.
	TableName func(table datum.OID) string
}

func (o Options) withDefaults() Options {
	if o.MaxKeysPerTable <= 0 {
		o.MaxKeysPerTable = DefaultMaxKeysPerTable
	}
	if o.MaxKeyBytesPerTable <= 0 {
		o.MaxKeyBytesPerTable = DefaultMaxKeyBytesPerTable
	}
	if o.TableName == nil {
		o.TableName = func(table datum.OID) string { return strconv.FormatUint(uint64(table), 10) }
	}
	return o
}

// A Manager keeps the locks of one node's transactions. It is safe for
// concurrent use.
type Manager struct {
	opts Options

	// mu guards the following, and everything in tables, waiters and what
	// owners hold. It is never held while something waits.
	mu         sync.Mutex
	tables     map[Object]*table // those with a holder or a waiter
	lastNumber uint64            // of a process
	search     uint64            // number of the last search for a ring of waits
	stats      Stats             // its counters, and Waiting
}

// New returns a Manager without locks.
func New(opts Options) *Manager {
	return &Manager{opts: opts.withDefaults(), tables: map[Object]*table{}}
}

// NewProcess returns a process, that of a session if pid is not 0.
func (m *Manager) NewProcess(pid int32) *Process { return &Process{m: m, pid: pid} }

// NewOwner returns an owner that is a process of its own.
func (m *Manager) NewOwner() *Owner { return m.NewProcess(0).NewOwner() }

// Stats is what a Manager holds, and counters since it was made.
type Stats struct {
	Waiting int // requests that wait
	Tables  int // tables and advisory locks that are held, by each owner
	Keys    int // locks on single keys that are held
	AllKeys int // locks on all keys of a table that are held

	Waits       uint64 // requests that had to wait
	Escalations uint64 // locks taken on all keys of a table
	Deadlocks   uint64 // requests refused because of a deadlock
	Timeouts    uint64 // requests given up because of LockTimeout
	Cancels     uint64 // requests given up because of their context
}

// Stats returns the present numbers.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	for _, t := range m.tables {
		s.Tables += len(t.holders)
		s.Keys += len(t.keys)
		s.AllKeys += len(t.all)
	}
	return s
}

// Waiting returns how many requests wait at present.
func (m *Manager) Waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats.Waiting
}

// KeysHeld says whether an owner has keys of the table, single ones or all.
func (m *Manager) KeysHeld(table datum.OID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tables[Table(table)]
	return t != nil && t.keyHolders > 0
}

// table returns the state of an object, new if nobody uses it; m.mu is held.
func (m *Manager) table(object Object) *table {
	t := m.tables[object]
	if t == nil {
		t = &table{m: m, object: object, holders: map[*Owner]*holding{}}
		m.tables[object] = t
	}
	return t
}
