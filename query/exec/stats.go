package exec

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/plan"
)

// Stats collects what the operators of a statement did, by plan node. It is
// safe for concurrent use.
type Stats struct {
	mu    sync.Mutex
	nodes map[plan.Node]*OperatorStats // guarded by mu
}

// NewStats returns an empty collector for Runtime.Stats.
func NewStats() *Stats { return &Stats{nodes: make(map[plan.Node]*OperatorStats)} }

// Of returns what is known of a node, nil if it never ran.
func (s *Stats) Of(n plan.Node) *OperatorStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[n]
}

// node returns the entry of a node, making it; nil if s is.
func (s *Stats) node(n plan.Node) *OperatorStats {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.nodes[n]
	if st == nil {
		st = &OperatorStats{}
		s.nodes[n] = st
	}
	return st
}

// OperatorStats is what one plan node did, summed over its runs (a subquery's
// nodes may run many times). Read it after the operators are closed.
type OperatorStats struct {
	rows, batches, loops, nanos, spilled, peak atomic.Int64

	mu      sync.Mutex
	scan    chunk.ScanStats // guarded by mu, as are those below
	splits  int
	skipped int
	workers int
}

// Rows and Batches were handed upwards, in Loops runs.
func (s *OperatorStats) Rows() int64    { return s.rows.Load() }
func (s *OperatorStats) Batches() int64 { return s.batches.Load() }
func (s *OperatorStats) Loops() int64   { return s.loops.Load() }

// Time is that spent in the node and its inputs; of nodes that run inside of
// scan workers, the sum over the workers of the node alone.
func (s *OperatorStats) Time() time.Duration { return time.Duration(s.nanos.Load()) }

// SpilledBytes were written to temporary files; PeakBytes is the most memory
// that was held.
func (s *OperatorStats) SpilledBytes() int64 { return s.spilled.Load() }
func (s *OperatorStats) PeakBytes() int64    { return s.peak.Load() }

// Scan returns what a scan's storage did, ok false for other nodes. Splits is the
// number of its splits, Skipped those never opened because the answer
// was known before, Workers how many goroutines read them.
func (s *OperatorStats) Scan() (st chunk.ScanStats, splits, skipped, workers int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scan, s.splits, s.skipped, s.workers, s.workers > 0
}

func (s *OperatorStats) addSpill(n int64) { s.spilled.Add(n) }

func (s *OperatorStats) addOutput(rows int64) {
	if s != nil {
		s.rows.Add(rows)
		s.batches.Add(1)
	}
}

func (s *OperatorStats) addTime(since time.Time) {
	if s != nil {
		s.nanos.Add(int64(time.Since(since)))
	}
}

func (s *OperatorStats) notePeak(n int64) {
	if s == nil {
		return
	}
	for {
		p := s.peak.Load()
		if n <= p || s.peak.CompareAndSwap(p, n) {
			return
		}
	}
}

func (s *OperatorStats) addScan(st *chunk.ScanStats, splits, skipped, workers int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mergeScanStats(&s.scan, st)
	s.splits += splits
	s.skipped += skipped
	s.workers = max(s.workers, workers)
}

// mergeScanStats adds b to a.
func mergeScanStats(a, b *chunk.ScanStats) {
	a.PartitionsTotal += b.PartitionsTotal
	a.PartitionsSkipped += b.PartitionsSkipped
	a.SlicesTotal += b.SlicesTotal
	a.SlicesSkipped += b.SlicesSkipped
	a.ChunksTotal += b.ChunksTotal
	a.ChunksSkipped += b.ChunksSkipped
	a.ChunksSkippedBloom += b.ChunksSkippedBloom
	a.ChunksFromManifest += b.ChunksFromManifest
	a.VectorsTotal += b.VectorsTotal
	a.VectorsSkipped += b.VectorsSkipped
	a.RowsTotal += b.RowsTotal
	a.RowsSkippedPartitions += b.RowsSkippedPartitions
	a.RowsSkippedSlices += b.RowsSkippedSlices
	a.RowsSkippedChunks += b.RowsSkippedChunks
	a.RowsSkippedVectors += b.RowsSkippedVectors
	a.RowsFiltered += b.RowsFiltered
	a.RowsNotEdges += b.RowsNotEdges
	a.RowsReturned += b.RowsReturned
	a.BytesTotal += b.BytesTotal
	a.BytesRead += b.BytesRead
	a.BytesDecoded += b.BytesDecoded
	a.BufferRows += b.BufferRows
	a.MergedRows += b.MergedRows
}

// measured counts and times what an operator hands up.
type measured struct {
	Operator
	stats   *OperatorStats
	started bool
}

func (m *measured) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !m.started {
		m.started = true
		m.stats.loops.Add(1)
	}
	begin := time.Now()
	b, err := m.Operator.Next(ctx)
	m.stats.addTime(begin)
	if err == nil {
		m.stats.addOutput(b.NumRows())
	}
	return b, err
}
