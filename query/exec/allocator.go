package exec

import (
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// An Allocator bounds the bytes of the arrays that one query has at a time. The
// Budget counts what operators keep; this is for what expressions make of a batch, whose
// size nobody knows before: repeat('x', 1000000) of 8,192 rows. Where it would
// exceed the bound it panics with out_of_memory, for allocators return no errors.
// It is safe for concurrent use.
type Allocator struct {
	mem   memory.Allocator
	limit int64
	used  atomic.Int64
}

// NewAllocator returns an allocator of at most limit bytes (0: no limit) over mem.
func NewAllocator(mem memory.Allocator, limit int64) *Allocator {
	return &Allocator{mem: mem, limit: limit}
}

func (a *Allocator) take(n int64) {
	used := a.used.Add(n)
	if n > 0 && a.limit > 0 && used > a.limit {
		a.used.Add(-n)
		panic(pgerr.New(pgerr.OutOfMemory, "out of memory").
			WithDetail("Failed on request of %d bytes: %d of the %d bytes that a query's values may take are in use.", n, used-n, a.limit))
	}
}

// Allocate implements memory.Allocator.
func (a *Allocator) Allocate(size int) []byte {
	a.take(int64(size))
	return a.mem.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *Allocator) Reallocate(size int, b []byte) []byte {
	a.take(int64(size - len(b)))
	return a.mem.Reallocate(size, b)
}

// Free implements memory.Allocator.
func (a *Allocator) Free(b []byte) {
	a.take(-int64(len(b)))
	a.mem.Free(b)
}
