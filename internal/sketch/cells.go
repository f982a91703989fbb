package sketch

import (
	"encoding/binary"
	"maps"
	"slices"
)

// cells are n numbers, most of which are zero at first: those that are not are in a map until an array
// is smaller, so that memory is bounded by what was added, also of groups with few values and large parameters.
type cells struct {
	n      int
	sparse map[uint32]uint64
	dense  []uint64
}

const (
	sparseBytes = 40 // of an entry of the map
	denseFrom   = 8  // the part of all cells from which on they are an array: sparseBytes / 8 would be even
)

func (c *cells) at(i uint32) uint64 {
	if c.dense != nil {
		return c.dense[i]
	}
	return c.sparse[i]
}

func (c *cells) set(i uint32, v uint64) {
	if c.dense != nil {
		c.dense[i] = v
		return
	}
	if c.sparse == nil {
		c.sparse = map[uint32]uint64{}
	}
	c.sparse[i] = v
	if len(c.sparse) > c.n/denseFrom {
		c.dense = make([]uint64, c.n)
		for i, v := range c.sparse {
			c.dense[i] = v
		}
		c.sparse = nil
	}
}

// each calls f for all cells that are not zero; in order if sorted.
func (c *cells) each(sorted bool, f func(i uint32, v uint64)) {
	for i, v := range c.dense {
		if v != 0 {
			f(uint32(i), v)
		}
	}
	if !sorted {
		for i, v := range c.sparse {
			f(i, v)
		}
		return
	}
	for _, i := range slices.Sorted(maps.Keys(c.sparse)) {
		f(i, c.sparse[i])
	}
}

func (c *cells) bytes() int64 { return 8*int64(len(c.dense)) + sparseBytes*int64(len(c.sparse)) }

// append writes how many cells are not zero, and of each how many are zero before it, and its value.
func (c *cells) append(dst []byte, appendValue func(dst []byte, v uint64) []byte) []byte {
	count := 0
	c.each(false, func(uint32, uint64) { count++ })
	dst = binary.AppendUvarint(dst, uint64(count))
	next := uint32(0)
	c.each(true, func(i uint32, v uint64) {
		dst = appendValue(binary.AppendUvarint(dst, uint64(i-next)), v)
		next = i + 1
	})
	return dst
}

// read reads what append wrote, of values of size bytes at least.
func (c *cells) read(r *reader, size int, value func() uint64) {
	count, next := r.count(1+size), uint64(0)
	for range count {
		gap := r.uvarint()
		v := value()
		if !r.check(gap < uint64(c.n) && next+gap < uint64(c.n) && v != 0) {
			return
		}
		c.set(uint32(next+gap), v)
		next += gap + 1
	}
}
