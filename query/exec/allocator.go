package exec

import (
	"context"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// An Allocator bounds the bytes of the arrays that one query has at a time. The
// Budget counts what operators keep; this is for what expressions make of a batch, whose
// size nobody knows before: repeat('x', 1000000) of 8,192 rows. Where it would
// exceed the bound it panics with out_of_memory, for allocators return no errors.
// For the same reason it panics where a cancelled statement asks for
// a large buffer: whatever takes long over values takes memory for them, so this
// reaches all of it. It is safe for concurrent use.
type Allocator struct {
	ctx   atomic.Pointer[context.Context] // of the call that is under way; nil: none is
	mem   memory.Allocator
	limit int64
	used  atomic.Int64
}

// pollBytes is from which size on a request asks whether the statement is cancelled, and
// how much is copied between two such questions.
const pollBytes = 1 << 20

// minValues is what the values of a query may take however little work_mem is: builders double their
// buffers, and one batch may have a column of more than 128 MiB.
const minValues = 640 << 20

// ValuesLimit is what the values of a query may take, by the bytes of its work_mem.
func ValuesLimit(workMem int64) int64 { return max(2*workMem, minValues) }

// NewAllocator returns an allocator of at most limit bytes (0: no limit) over mem.
func NewAllocator(mem memory.Allocator, limit int64) *Allocator {
	return &Allocator{mem: mem, limit: limit}
}

// During has the allocator ask ctx, until the call of what it returns. A query outlives the calls
// that ask for its rows, and each has a context of its own.
func (a *Allocator) During(ctx context.Context) (end func()) {
	before := a.ctx.Swap(&ctx)
	return func() { a.ctx.Store(before) }
}

// ended says that the statement is cancelled.
func (a *Allocator) ended() bool {
	ctx := a.ctx.Load()
	return ctx != nil && (*ctx).Err() != nil
}

var errCanceled = pgerr.New(pgerr.QueryCanceled, "canceling statement due to user request")

// poll panics if the statement is cancelled and the request is large.
func (a *Allocator) poll(size int) {
	if size < pollBytes || !a.ended() {
		return
	}
	panic(errCanceled)
}

func (a *Allocator) take(n int64) {
	used := a.used.Add(n)
	if n > 0 && a.limit > 0 && used > a.limit {
		a.used.Add(-n)
		panic(pgerr.New(pgerr.OutOfMemory, "out of memory").
			WithDetail("Failed on request of %d bytes: %d of the %d bytes that a query's values may take are in use.", n, used-n, a.limit).
			WithHint("The limit is twice work_mem, but at least %d MiB. Ask for fewer large values at a time, or raise work_mem.", minValues>>20))
	}
}

// Allocate implements memory.Allocator.
func (a *Allocator) Allocate(size int) []byte {
	a.poll(size)
	a.take(int64(size))
	return a.mem.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *Allocator) Reallocate(size int, b []byte) []byte {
	a.poll(size)
	a.take(int64(size - len(b)))
	if len(b) < pollBytes || size <= cap(b) {
		return a.mem.Reallocate(size, b)
	}
	return a.move(size, b)
}

// Free implements memory.Allocator.
func (a *Allocator) Free(b []byte) {
	a.take(-int64(len(b)))
	a.mem.Free(b)
}

// move is Reallocate of a large buffer: it copies in pieces, so that a cancelled statement does not
// wait for a gigabyte.
func (a *Allocator) move(size int, b []byte) []byte {
	out := a.mem.Allocate(size)
	for at := 0; at < min(size, len(b)); at += pollBytes {
		if a.ended() {
			a.take(int64(len(b) - size))
			a.mem.Free(out)
			panic(errCanceled)
		}
		copy(out[at:], b[at:min(at+pollBytes, len(b))])
	}
	a.mem.Free(b)
	return out
}
