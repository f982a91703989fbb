// Package recycle is an allocator of Arrow buffers that uses memory again. A scan
// makes and releases some megabytes for each chunk; taken from the Go heap, all of
// it is fresh memory, cold in the caches, and work for the garbage collector.
package recycle

import (
	"bytes"
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

const (
	// Buffers of 2^minClass to 2^maxClass bytes are kept, by powers of two. Arrow makes
	// none that are smaller, and larger ones are rare.
	minClass = 6
	maxClass = 21
)

// A Pool allocates buffers and keeps those that are freed, up to a number of
// bytes. What is freed twice, or used after it was freed, corrupts: Poison shows
// it. What is never freed, the garbage collector takes. It is safe for concurrent
// use.
type Pool struct {
	limit int

	mu   sync.Mutex
	free [maxClass + 1][][]byte
	held int // bytes in free
}

// Poison makes all pools, and whoever else uses memory again, overwrite what is freed:
// tests set it at their start, so that whoever uses released memory answers nonsense.
var Poison bool

var poison = bytes.Repeat([]byte{0xa5}, 4<<10)

// Spoil overwrites memory that is to be used again, if Poison says so.
func Spoil(b []byte) {
	if !Poison {
		return
	}
	for len(b) > 0 {
		b = b[copy(b, poison):] // a loop over bytes takes ages under the race detector
	}
}

// New returns a pool that keeps up to limit bytes of freed buffers.
func New(limit int) *Pool { return &Pool{limit: limit} }

// Allocate implements memory.Allocator. The bytes are zero, as those of the Go
// heap, and aligned to 64.
func (p *Pool) Allocate(size int) []byte {
	class := classOf(size)
	if class < minClass || class > maxClass {
		return memory.DefaultAllocator.Allocate(size)
	}
	if b := p.take(class); b != nil {
		b = b[:size]
		clear(b)
		return b
	}
	// The heap lays blocks of 2^n bytes end to end from the start of a page.
	return make([]byte, size, 1<<class)
}

func (p *Pool) take(class int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free[class])
	if n == 0 {
		return nil
	}
	b := p.free[class][n-1]
	p.free[class] = p.free[class][:n-1]
	p.held -= 1 << class
	return b
}

// Reallocate implements memory.Allocator. What lies beyond the bytes of b is zero.
func (p *Pool) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) && pooled(b) {
		old := len(b)
		b = b[:size]
		if size > old {
			clear(b[old:])
		}
		return b
	}
	out := p.Allocate(size)
	copy(out, b)
	p.Free(b)
	return out
}

// Free implements memory.Allocator.
func (p *Pool) Free(b []byte) {
	Spoil(b)
	if !pooled(b) {
		return
	}
	b = b[:cap(b)]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+len(b) <= p.limit {
		class := classOf(len(b))
		p.free[class] = append(p.free[class], b)
		p.held += len(b)
	}
}

// classOf returns the power of two that size bytes fit in.
func classOf(size int) int {
	if size <= 0 {
		return 0
	}
	return bits.Len(uint(size - 1))
}

// pooled says whether a buffer is one of Allocate's own: those of the Go heap are
// smaller, or larger, than any of them.
func pooled(b []byte) bool {
	c := cap(b)
	return c >= 1<<minClass && c <= 1<<maxClass && c&(c-1) == 0
}
