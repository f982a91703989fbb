// Package blobcache keeps blobs in memory up to a budget of bytes. Callers that
// ask for one blob at once share one read of it.
package blobcache

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/prometheus/client_golang/prometheus"
)

// A Cache keeps blobs by key and drops those first that were not asked for
// longest. It is safe for concurrent use.
type Cache[K comparable] struct {
	budget   int64
	counters Counters

	mu      sync.Mutex // guards the following
	used    int64
	entries map[K]*list.Element // of *cached[K]
	recent  *list.List          // front: asked for last
	loading map[K]*load
}

type cached[K comparable] struct {
	key K
	content
}

// content is a blob, and whether its own checksum was compared and holds.
type content struct {
	blob    []byte
	checked bool
}

// load is a read under way; its content and err are set when done is closed.
type load struct {
	waiters int // guarded by the cache's mu; the read is given up when none is left
	cancel  context.CancelFunc
	void    bool // guarded by the cache's mu: what is read is not kept
	keep    bool // guarded by the cache's mu: one of who wait may ask for it again
	done    chan struct{}
	content
	err error
}

// Counters count what a cache does. Bytes is what it holds now.
type Counters struct {
	Hits, Misses, Evictions, Bytes atomic.Int64
}

// New returns a cache for that many bytes; with 0 or less it keeps nothing, but
// reads are shared all the same.
func New[K comparable](budgetBytes int64) *Cache[K] {
	return &Cache[K]{budget: budgetBytes, entries: map[K]*list.Element{}, recent: list.New(), loading: map[K]*load{}}
}

// Counters returns the cache's counters.
func (c *Cache[K]) Counters() *Counters { return &c.counters }

// Get returns the blob of a column by its key, which nobody may change, from the
// cache, also if ctx is done, or by read. The context that read gets ends when nobody
// waits for it any more. What is read only Once (reading.Options) is not kept.
// checked says that the blob's checksum holds: it is compared once, when the blob was
// read. One that is wrong is returned all the same, for who reads the column says what
// is wrong.
func (c *Cache[K]) Get(ctx context.Context, key K, read func(context.Context) ([]byte, error)) (blob []byte, checked bool, err error) {
	once := reading.From(ctx).Once
	c.mu.Lock()
	if in, ok := c.look(key, once); ok {
		c.mu.Unlock()
		return in.blob, in.checked, nil
	}
	if err := ctx.Err(); err != nil {
		c.mu.Unlock()
		return nil, false, err
	}
	l, shared := c.loading[key]
	if shared {
		l.waiters++
		c.counters.Hits.Add(1)
	} else {
		c.counters.Misses.Add(1)
		var loading context.Context
		l = &load{waiters: 1, done: make(chan struct{})}
		loading, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
		c.loading[key] = l
		go c.run(loading, key, l, read)
	}
	l.keep = l.keep || !once
	c.mu.Unlock()
	select {
	case <-l.done:
		return l.blob, l.checked, l.err
	case <-ctx.Done():
		c.leave(key, l)
		return nil, false, ctx.Err()
	}
}

// Peek is Get of what is in the cache, for who would have to make read; ok is false if
// it is not.
func (c *Cache[K]) Peek(key K) (blob []byte, checked, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in, ok := c.look(key, false)
	return in.blob, in.checked, ok
}

// look returns what is kept of a key, and counts that it was asked for, as used just
// now unless that is but once; c.mu is held.
func (c *Cache[K]) look(key K, once bool) (content, bool) {
	e, ok := c.entries[key]
	if !ok {
		return content{}, false
	}
	if !once {
		c.recent.MoveToFront(e)
	}
	c.counters.Hits.Add(1)
	return e.Value.(*cached[K]).content, true
}

func (c *Cache[K]) run(ctx context.Context, key K, l *load, read func(context.Context) ([]byte, error)) {
	defer l.cancel()
	l.blob, l.err = read(ctx)
	l.checked = l.err == nil && chunk.ChecksumHolds(l.blob)
	c.mu.Lock()
	if c.loading[key] == l {
		delete(c.loading, key)
	}
	if l.err == nil && !l.void && l.keep {
		c.put(key, l.content)
	}
	c.mu.Unlock()
	close(l.done)
}

// leave is called by who does not wait for a read any more.
func (c *Cache[K]) leave(key K, l *load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.waiters--; l.waiters > 0 {
		return
	}
	l.cancel()
	if c.loading[key] == l {
		delete(c.loading, key) // the next caller must not share what was given up
	}
}

// put keeps a blob if it fits; c.mu is held.
func (c *Cache[K]) put(key K, in content) {
	if int64(len(in.blob)) > c.budget {
		return
	}
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
	c.entries[key] = c.recent.PushFront(&cached[K]{key, in})
	c.used += int64(len(in.blob))
	for c.used > c.budget {
		c.remove(c.recent.Back())
		c.counters.Evictions.Add(1)
	}
	c.counters.Bytes.Store(c.used)
}

func (c *Cache[K]) remove(e *list.Element) {
	old := c.recent.Remove(e).(*cached[K])
	delete(c.entries, old.key)
	c.used -= int64(len(old.blob))
}

// Forget drops a blob that is not wanted any more. One that is being read now
// goes to who waits for it, and is not kept.
func (c *Cache[K]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.remove(e)
		c.counters.Bytes.Store(c.used)
	}
	if l, ok := c.loading[key]; ok {
		l.void = true
		delete(c.loading, key)
	}
}

// Collectors returns the counters as metrics, to register or unregister.
func (n *Counters) Collectors() []prometheus.Collector {
	counter := func(name, help string, v *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "phyllo_blob_cache_" + name, Help: help}, func() float64 { return float64(v.Load()) })
	}
	return []prometheus.Collector{
		counter("hits_total", "Column blobs that were in memory.", &n.Hits),
		counter("misses_total", "Column blobs that had to be read.", &n.Misses),
		counter("evictions_total", "Column blobs dropped from memory to make room.", &n.Evictions),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "phyllo_blob_cache_bytes", Help: "Bytes of column blobs in memory."},
			func() float64 { return float64(n.Bytes.Load()) }),
	}
}
