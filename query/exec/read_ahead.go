package exec

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
)

const (
	// aheadSplits is for how many splits after the one that is read blobs are under
	// way, and aheadBytes how many bytes they have at most, for each worker: enough
	// for a store that takes milliseconds to answer.
	aheadSplits = 4
	aheadBytes  = 4 << 20
)

// A readAhead has blobs fetched before the splits that they are of are read. It is
// used by one goroutine.
type readAhead struct {
	src    *scanSource
	splits []chunk.Split // nil: nothing is fetched ahead
	ahead  *chunk.Ahead
	next   int     // the first split that is not begun
	sizes  []int64 // of the blobs of those that are
	held   int64   // of the blobs of splits that are not read yet
}

// readAhead is for reading splits in turn. Where some of them may not be read at
// all, none is touched before its turn.
func (s *scanSource) readAhead(ctx context.Context, splits []chunk.Split) *readAhead {
	r := &readAhead{src: s}
	if s.node.Limit <= 0 && s.skip == nil {
		r.splits, r.ahead = splits, chunk.NewAhead(ctx)
	}
	return r
}

// reach is called before split i is read; those before it have been.
func (r *readAhead) reach(i int) {
	if r.splits == nil {
		return
	}
	if i > 0 {
		r.held -= r.sizes[i-1]
	}
	for r.next < len(r.splits) && r.next <= i+aheadSplits && (r.next == i || r.held < aheadBytes) {
		size := int64(0)
		if p, ok := r.splits[r.next].(chunk.Prefetcher); ok {
			size = p.Prefetch(r.ahead)
		}
		r.sizes = append(r.sizes, size)
		r.held += size
		r.next++
	}
}

// close ends what is under way. What was fetched in vain counts as read.
func (r *readAhead) close() {
	if r.splits == nil {
		return
	}
	unused := r.ahead.Close()
	r.src.mu.Lock()
	r.src.total.BytesRead += unused
	r.src.mu.Unlock()
}
