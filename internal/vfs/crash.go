package vfs

import (
	"math/rand/v2"
	"slices"
)

// CrashMode says what a power cut leaves of what was not synced.
type CrashMode uint8

const (
	// CrashDrop leaves nothing of it.
	CrashDrop CrashMode = iota
	// CrashTorn leaves of each file and folder the first changes, the last of
	// them cut at a byte.
	CrashTorn
	// CrashSubset leaves of each file any set of its unsynced sectors, the
	// others zero, and of each folder any set of the changes.
	CrashSubset
	// CrashKeep leaves all.
	CrashKeep
)

func (c CrashMode) String() string {
	return [...]string{"drop", "torn", "subset", "keep"}[c]
}

// CrashModes lists all modes.
var CrashModes = []CrashMode{CrashDrop, CrashTorn, CrashSubset, CrashKeep}

// sectorBytes is what disks write in one piece.
const sectorBytes = 512

// Crash returns what would be on the disk if the power failed now. m goes on
// as if nothing had happened. seed chooses among what the mode allows.
func (m *Mem) Crash(mode CrashMode, seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{mode: mode, rng: rand.New(rand.NewPCG(seed, uint64(mode))), done: map[*node]*node{}}
	return &Mem{root: c.node(m.root), locks: map[string]bool{}}
}

// Kill returns what another process would find if all users of m had been
// killed now: everything written, of which the unsynced part is still at risk.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{root: cloneNode(m.root, map[*node]*node{}), locks: map[string]bool{}}
}

type crash struct {
	mode CrashMode
	rng  *rand.Rand
	done map[*node]*node // a node may have several names
}

func (c *crash) node(n *node) *node {
	if have, ok := c.done[n]; ok {
		return have
	}
	out := &node{dir: n.dir}
	c.done[n] = out
	if !n.dir {
		out.data = c.content(n)
		out.durable = slices.Clone(out.data)
		return out
	}
	out.entries, out.durableEntries = map[string]*node{}, map[string]*node{}
	names := map[string]*node{}
	for name, child := range n.durableEntries {
		names[name] = child
	}
	upTo := c.rng.IntN(len(n.pendingNames) + 1)
	for i, change := range n.pendingNames {
		if c.keeps(i, upTo) {
			applyNaming(names, change)
		}
	}
	// In the order of the names, so that a seed means one outcome.
	for _, name := range sortedKeys(names) {
		child := c.node(names[name])
		out.entries[name], out.durableEntries[name] = child, child
	}
	return out
}

// keeps tells whether unsynced change i survives.
func (c *crash) keeps(i, upTo int) bool {
	switch c.mode {
	case CrashDrop:
		return false
	case CrashTorn:
		return i < upTo
	case CrashSubset:
		return c.rng.IntN(2) == 0
	default:
		return true
	}
}

func (c *crash) content(n *node) []byte {
	content := slices.Clone(n.durable)
	upTo := c.rng.IntN(len(n.pending) + 1)
	for i, w := range n.pending {
		switch {
		case c.mode == CrashTorn && i == upTo && !w.truncate && len(w.data) > 0:
			w.data = w.data[:c.rng.IntN(len(w.data))]
			content = w.apply(content)
		case c.mode == CrashSubset && !w.truncate:
			content = c.sectors(content, w)
		case c.keeps(i, upTo):
			content = w.apply(content)
		}
	}
	return content
}

// sectors applies some sectors of a write. What is beyond them may or may not
// be part of the file.
func (c *crash) sectors(content []byte, w write) []byte {
	for start := w.off; start < w.off+int64(len(w.data)); {
		end := min((start/sectorBytes+1)*sectorBytes, w.off+int64(len(w.data)))
		if c.rng.IntN(2) == 0 {
			content = write{off: start, data: w.data[start-w.off : end-w.off]}.apply(content)
		}
		start = end
	}
	return content
}

func sortedKeys(m map[string]*node) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func cloneNode(n *node, done map[*node]*node) *node {
	if have, ok := done[n]; ok {
		return have
	}
	out := &node{
		dir:     n.dir,
		data:    slices.Clone(n.data),
		durable: slices.Clone(n.durable),
		pending: slices.Clone(n.pending),
	}
	done[n] = out
	if n.dir {
		out.entries, out.durableEntries = map[string]*node{}, map[string]*node{}
		for name, child := range n.entries {
			out.entries[name] = cloneNode(child, done)
		}
		for name, child := range n.durableEntries {
			out.durableEntries[name] = cloneNode(child, done)
		}
		for _, c := range n.pendingNames {
			if c.node != nil {
				c.node = cloneNode(c.node, done)
			}
			out.pendingNames = append(out.pendingNames, c)
		}
	}
	return out
}
