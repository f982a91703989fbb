package chunk

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// IDs makes chunk IDs that rise within one process and that no other process
// makes: UUIDv7 with 48 bits of milliseconds, a 12-bit counter and 62 random
// bits. It is safe for concurrent use.
type IDs struct {
	now func() time.Time

	mu      sync.Mutex
	millis  int64  // of the last ID
	counter uint16 // within the millisecond
}

// NewIDs returns a maker of IDs by the clock; nil is time.Now.
func NewIDs(now func() time.Time) *IDs {
	if now == nil {
		now = time.Now
	}
	return &IDs{now: now}
}

// Next returns an ID greater than all before. A clock that steps back or a full
// counter borrows from the next millisecond.
func (g *IDs) Next() ID {
	ms := g.now().UnixMilli()
	g.mu.Lock()
	if ms > g.millis {
		g.millis, g.counter = ms, 0
	} else if g.counter++; g.counter == 1<<12 {
		g.millis++
		g.counter = 0
	}
	ms, counter := g.millis, g.counter
	g.mu.Unlock()
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(ms)<<16|0x7000|uint64(counter))
	rand.Read(id[8:]) // never fails
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Time returns when the ID was made, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// Observe makes later IDs greater than one that was made elsewhere, whatever
// the clock says.
func (g *IDs) Observe(id ID) {
	ms := int64(binary.BigEndian.Uint64(id[:8]) >> 16)
	g.mu.Lock()
	defer g.mu.Unlock()
	if ms >= g.millis {
		g.millis, g.counter = ms+1, 0
	}
}
