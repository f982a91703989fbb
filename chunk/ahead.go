package chunk

import (
	"context"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An Ahead fetches blobs before readers ask for them, many at a time, so that these
// wait for one answer of the store and not for one after the other. What is in memory
// it takes at once, for less than a goroutine costs. Its methods are called by one
// goroutine.
type Ahead struct {
	ctx     context.Context
	cancel  context.CancelFunc
	memory  context.Context // done: with it, Fetch looks no further than memory
	running sync.WaitGroup
	fetches []aheadFetch
}

// A Prefetcher is a Split whose blobs can be fetched ahead.
type Prefetcher interface {
	// Prefetch begins to fetch the blobs that Scan reads whatever rows it finds, and
	// returns their bytes. It is called before Scan, at most once, and nothing is
	// fetched for what entries exclude.
	Prefetch(a *Ahead) int64
}

// NewAhead returns an Ahead that reads as ctx says until Close, whatever becomes
// of ctx.
func NewAhead(ctx context.Context) *Ahead {
	a := &Ahead{}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	memory, done := context.WithCancel(context.WithoutCancel(ctx))
	done()
	a.memory = memory
	return a
}

// Close ends what is under way and waits for it. It returns the bytes of blobs
// that came and that nobody asked for.
func (a *Ahead) Close() (unused int64) {
	a.cancel()
	a.running.Wait()
	for _, f := range a.fetches {
		for i := range f {
			unused += int64(len(f[i].blob))
		}
	}
	a.fetches = nil
	return unused
}

// An aheadFetch are the blobs of one chunk.
type aheadFetch []aheadBlob

// An aheadBlob is what Fetch gave for a column, once done is closed.
type aheadBlob struct {
	column  int
	taken   bool          // somebody asked for it
	done    chan struct{} // nil: it was in memory
	blob    []byte
	checked bool
	err     error
}

// of returns the blob of a column that nobody asked for yet, or nil.
func (f aheadFetch) of(column int) *aheadBlob {
	for i := range f {
		if f[i].column == column && !f[i].taken {
			return &f[i]
		}
	}
	return nil
}

// begin starts to fetch columns and returns a Fetch that hands them out.
func (a *Ahead) begin(fetch Fetch, columns []int) Fetch {
	f := make(aheadFetch, len(columns))
	a.fetches = append(a.fetches, f)
	for i, column := range columns {
		b := &f[i]
		b.column = column
		if b.blob, b.checked, b.err = fetch(a.memory, column); b.err == nil {
			continue
		}
		b.done = make(chan struct{})
		a.running.Go(func() {
			defer close(b.done)
			defer panics.Catch(&b.err)
			b.blob, b.checked, b.err = fetch(a.ctx, column)
		})
	}
	return func(ctx context.Context, column int) ([]byte, bool, error) {
		b := f.of(column)
		if b == nil {
			return fetch(ctx, column)
		}
		if b.done != nil {
			select {
			case <-b.done:
			case <-ctx.Done():
				return nil, false, ctx.Err()
			}
		}
		blob := b.blob
		b.taken, b.blob = true, nil
		return blob, b.checked, b.err
	}
}

// prefetch begins to fetch columns of an entry, given by their places.
func (a *Ahead) prefetch(e *Entry, fetch Fetch, columns []int) (Fetch, int64) {
	size := int64(0)
	for _, i := range columns {
		size += e.Columns[i].Size
	}
	if len(columns) == 0 {
		return fetch, 0
	}
	return a.begin(fetch, columns), size
}

// Prefetch implements Prefetcher: the columns of filters, and if there is none left
// after a look at the entry, all columns.
func (s *chunkSplit) Prefetch(a *Ahead) (size int64) {
	filters, empty, err := s.judged()
	if err != nil || empty {
		return 0 // Scan says what is wrong
	}
	ids := s.blooms(filters) // which may say that nothing else is read
	if len(ids) == 0 {
		ids = wanted(s.spec, filters)
	}
	s.fetch, size = a.prefetch(s.entry, s.fetch, s.layout.places(s.entry, ids))
	return size
}

// wanted returns the columns that are read whatever rows there are.
func wanted(spec ScanSpec, filters []*filter) (ids []schema.ColumnID) {
	for _, f := range filters {
		ids = append(ids, f.pred.Column)
	}
	if len(filters) == 0 || spec.Pruning.Late {
		ids = append(ids, spec.Columns...)
	}
	return ids
}

// mergeAhead bounds what a merge has fetched ahead beside keys, which it needs of all
// its chunks: of many it reads the rest as it comes to them.
const mergeAhead = 4 << 20

// Prefetch implements Prefetcher: key columns are read to merge, others if no
// filter may turn out to leave no row.
func (s *mergeSplit) Prefetch(a *Ahead) (size int64) {
	onKey, rest := splitFilter(s.layout, s.spec.Filter)
	for i := range s.inputs {
		in := &s.inputs[i]
		if in.Entry == nil || in.Fetch == nil {
			continue
		}
		part := s.split(in, onKey).(*chunkSplit)
		filters, empty, err := part.judged()
		if err != nil || empty {
			continue
		}
		ids := slices.Clone(s.layout.SortKey)
		if len(rest) == 0 && size < mergeAhead {
			ids = append(ids, wanted(s.spec, filters)...)
		}
		var n int64
		in.Fetch, n = a.prefetch(in.Entry, in.Fetch, s.layout.places(in.Entry, ids))
		size += n
	}
	return size
}
