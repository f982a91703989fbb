package engine

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
)

// maxRecords is how many compactions that have ended are remembered.
const maxRecords = 256

// compactionRecords are the running and the recent compactions. It is safe for concurrent
// use.
type compactionRecords struct {
	now     func() time.Time
	metrics *metrics

	mu      sync.Mutex          // guards the fields below, and the records' info
	running []*compactionRecord // by their beginning
	ended   []chunk.CompactionInfo
}

// A compactionRecord is one of them.
type compactionRecord struct {
	all  *compactionRecords
	info chunk.CompactionInfo
}

func (r *compactionRecords) begin(id chunk.PartitionID, slice int64, kind string) *compactionRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &compactionRecord{all: r, info: chunk.CompactionInfo{ID: id, Slice: slice, Kind: kind, State: "running", Started: r.now()}}
	r.running = append(r.running, c)
	return c
}

// list returns them by their beginning.
func (r *compactionRecords) list() []chunk.CompactionInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.ended)
	for _, c := range r.running {
		out = append(out, c.info)
	}
	slices.SortStableFunc(out, func(a, b chunk.CompactionInfo) int { return a.Started.Compare(b.Started) })
	return out
}

func (c *compactionRecord) change(f func(i *chunk.CompactionInfo)) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	f(&c.info)
}

// began notes what is to be merged, or removed.
func (c *compactionRecord) began(inputs []*chunk.Entry) {
	c.change(func(i *chunk.CompactionInfo) {
		i.ChunksIn = len(inputs)
		for _, e := range inputs {
			i.RowsIn += int64(e.Rows)
			i.BytesIn += entryBytes(e)
		}
	})
}

func (c *compactionRecord) read(bytes int64) { c.all.metrics.compactedRead.Add(float64(bytes)) }

func (c *compactionRecord) wrote(chunks []*chunk.Sealed, bytes int64) {
	c.all.metrics.compactedWritten.Add(float64(bytes))
	c.change(func(i *chunk.CompactionInfo) {
		i.ChunksOut += len(chunks)
		i.BytesOut += bytes
		for _, s := range chunks {
			i.RowsOut += int64(s.Entry.Rows)
		}
	})
}

func (c *compactionRecord) peak(bytes int64) {
	c.change(func(i *chunk.CompactionInfo) { i.MemoryPeak = bytes })
}

// end notes how it went.
func (c *compactionRecord) end(err error) {
	r := c.all
	r.mu.Lock()
	defer r.mu.Unlock()
	c.info.Ended = r.now()
	switch {
	case err == nil:
		c.info.State = "done"
		r.metrics.compactions.Inc()
	case errors.Is(err, commitlog.ErrPrecondition):
		c.info.State, c.info.Error = "discarded", err.Error()
	case errors.Is(err, commitlog.ErrUnknown):
		c.info.State, c.info.Error = "unknown", err.Error()
	default:
		c.info.State, c.info.Error = "failed", err.Error()
	}
	r.running = slices.DeleteFunc(r.running, func(o *compactionRecord) bool { return o == c })
	if len(r.ended) == maxRecords {
		r.ended = slices.Clone(r.ended[1:])
	}
	r.ended = append(r.ended, c.info)
}
