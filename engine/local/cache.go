package local

import (
	"container/list"
	"context"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
)

// cache keeps blobs in memory up to a budget and drops those first that were
// not asked for longest. Callers that ask for one blob at once share a read.
// It is safe for concurrent use.
type cache struct {
	budget  int64
	metrics *Metrics

	mu      sync.Mutex // guards the following
	used    int64
	entries map[blobKey]*list.Element // of *cached
	recent  *list.List                // front: asked for last
	loading map[blobKey]*load
}

// blobKey names a blob: segments have names of their own in all the store.
type blobKey struct {
	segment chunk.ID
	offset  int64
}

// content is a blob, and whether its own checksum was compared and holds.
type content struct {
	blob    []byte
	checked bool
}

type cached struct {
	key blobKey
	content
}

// load is a read under way; the rest is set when done is closed.
type load struct {
	done chan struct{}
	content
	err error
}

func newCache(budget int64, m *Metrics) *cache {
	return &cache{budget: budget, metrics: m, entries: map[blobKey]*list.Element{}, recent: list.New(), loading: map[blobKey]*load{}}
}

// get returns a blob, from the cache or by read, which does not depend on ctx.
func (c *cache) get(ctx context.Context, key blobKey, read func() (content, error)) (content, error) {
	c.mu.Lock()
	if e, ok := c.entries[key]; ok {
		c.recent.MoveToFront(e)
		in := e.Value.(*cached).content
		c.mu.Unlock()
		c.metrics.CacheHits.Add(1)
		return in, nil
	}
	if l, ok := c.loading[key]; ok {
		c.mu.Unlock()
		c.metrics.CacheHits.Add(1)
		select {
		case <-l.done:
			return l.content, l.err
		case <-ctx.Done():
			return content{}, ctx.Err()
		}
	}
	l := &load{done: make(chan struct{})}
	c.loading[key] = l
	c.mu.Unlock()

	c.metrics.CacheMisses.Add(1)
	l.content, l.err = read()
	c.mu.Lock()
	delete(c.loading, key)
	if l.err == nil {
		c.put(key, l.content)
	}
	c.mu.Unlock()
	close(l.done)
	return l.content, l.err
}

// put keeps a blob if it fits; c.mu is held.
func (c *cache) put(key blobKey, in content) {
	if int64(len(in.blob)) > c.budget {
		return
	}
	c.entries[key] = c.recent.PushFront(&cached{key, in})
	c.used += int64(len(in.blob))
	for c.used > c.budget {
		c.evict(c.recent.Back())
	}
	c.metrics.CacheBytes.Store(c.used)
}

func (c *cache) evict(e *list.Element) {
	old := c.recent.Remove(e).(*cached)
	delete(c.entries, old.key)
	c.used -= int64(len(old.blob))
}

// forget drops a blob that is not wanted any more.
func (c *cache) forget(key blobKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.evict(e)
		c.metrics.CacheBytes.Store(c.used)
	}
}
