package commitlog

import (
	lru "container/list"
	"context"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/prometheus/client_golang/prometheus"
)

// A PageCache keeps pages of manifests in memory, decoded, up to a budget of
// bytes, and drops those first that were not asked for longest. All logs of a
// store may share one. It is safe for concurrent use.
type PageCache struct {
	budget   int64
	counters PageCounters

	mu      sync.Mutex // guards the fields below
	used    int64
	pages   map[storedName]*lru.Element // of *cachedPage
	recent  *lru.List                   // front: asked for last
	loading map[storedName]*pageLoad
}

// PageCounters count what a PageCache does. Misses are pages that were read from
// the store; Bytes is what it holds now.
type PageCounters struct {
	Hits, Misses, Evictions, Bytes atomic.Int64
}

type cachedPage struct {
	name    storedName
	entries []*chunk.Entry
	bytes   int64
}

// pageLoad is a read under way; ok and entries are set when done is closed.
type pageLoad struct {
	done    chan struct{}
	entries []*chunk.Entry
	ok      bool
}

// NewPageCache returns a cache for that many bytes; with 0 or less it keeps nothing.
func NewPageCache(budgetBytes int64) *PageCache {
	return &PageCache{budget: budgetBytes, pages: map[storedName]*lru.Element{}, recent: lru.New(), loading: map[storedName]*pageLoad{}}
}

// Counters returns the cache's counters.
func (c *PageCache) Counters() *PageCounters { return &c.counters }

// get returns a page's chunks from the cache, or by read, which runs on the
// caller's goroutine. Callers that ask for one page at once share a read that
// goes well.
func (c *PageCache) get(ctx context.Context, name storedName, read func() ([]*chunk.Entry, error)) ([]*chunk.Entry, error) {
	for {
		c.mu.Lock()
		if e, ok := c.pages[name]; ok {
			c.recent.MoveToFront(e)
			entries := e.Value.(*cachedPage).entries
			c.mu.Unlock()
			c.counters.Hits.Add(1)
			return entries, nil
		}
		l, shared := c.loading[name]
		if !shared {
			l = &pageLoad{done: make(chan struct{})}
			c.loading[name] = l
		}
		c.mu.Unlock()
		if !shared {
			return c.load(name, l, read)
		}
		select {
		case <-l.done:
			if l.ok {
				c.counters.Hits.Add(1)
				return l.entries, nil
			}
			// Who read may have been cancelled: read ourselves.
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *PageCache) load(name storedName, l *pageLoad, read func() ([]*chunk.Entry, error)) ([]*chunk.Entry, error) {
	c.counters.Misses.Add(1)
	entries, err := read()
	l.entries, l.ok = entries, err == nil
	c.mu.Lock()
	delete(c.loading, name)
	if err == nil {
		c.put(&cachedPage{name, entries, memoryOf(entries)})
	}
	c.mu.Unlock()
	close(l.done)
	return entries, err
}

// put keeps a page if it fits; c.mu is held.
func (c *PageCache) put(p *cachedPage) {
	if p.bytes > c.budget {
		return
	}
	c.pages[p.name] = c.recent.PushFront(p)
	c.used += p.bytes
	for c.used > c.budget {
		old := c.recent.Remove(c.recent.Back()).(*cachedPage)
		delete(c.pages, old.name)
		c.used -= old.bytes
		c.counters.Evictions.Add(1)
	}
	c.counters.Bytes.Store(c.used)
}

// memoryOf estimates what decoded entries take.
func memoryOf(entries []*chunk.Entry) int64 {
	// A value behind an interface takes up to 16 bytes, and so does the name of a
	// codec; longer ones are cut or rare.
	const column = int64(unsafe.Sizeof(chunk.ColumnEntry{})) + 3*16
	n := int64(0)
	for _, e := range entries {
		n += int64(unsafe.Sizeof(*e)) + int64(unsafe.Sizeof(e)) + int64(len(e.KeyMin)+len(e.KeyMax)) + column*int64(len(e.Columns))
	}
	return n
}

// Collectors returns the counters as metrics, to register or unregister.
func (n *PageCounters) Collectors() []prometheus.Collector {
	counter := func(name, help string, v *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "phyllo_manifest_" + name, Help: help}, func() float64 { return float64(v.Load()) })
	}
	return []prometheus.Collector{
		counter("page_hits_total", "Pages of manifests that were in memory.", &n.Hits),
		counter("page_misses_total", "Pages of manifests that had to be read.", &n.Misses),
		counter("page_evictions_total", "Pages of manifests dropped from memory to make room.", &n.Evictions),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "phyllo_manifest_page_bytes", Help: "Bytes of pages of manifests in memory."},
			func() float64 { return float64(n.Bytes.Load()) }),
	}
}
