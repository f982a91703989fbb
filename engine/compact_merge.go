package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
)

// A merging reads the rows of chunks of one slice in the order of the sort key: of a
// keyed table the newest of each key, of others all. Of each run of chunks that do not
// overlap it has one batch in memory, and the blobs of one chunk. It is used by one
// goroutine.
type merging struct {
	in      *tableInfo
	mem     *meter
	streams []*mergeStream
	read    int64  // bytes of blobs
	last    []byte // key of the last row that came out
	started bool
	marks   *markMerge    // nil if no chunk has marks, and of history
	past    *pastRows     // nil if no history is kept
	order   *chunk.Layout // by which rows come
}

// A mergeStream is a run being read.
type mergeStream struct {
	chunks []*chunk.Entry // that are left; the first one is being read
	split  func(*chunk.Entry) chunk.Split
	reader chunk.BatchReader
	stats  chunk.ScanStats
	batch  arrow.RecordBatch // nil: the next one is to be read
	max    []byte            // key of its last row
}

// A meter counts what is allocated.
type meter struct {
	memory.Allocator
	used, peak atomic.Int64
}

func newMeter(mem memory.Allocator) *meter { return &meter{Allocator: mem} }

func (m *meter) add(n int) {
	used := m.used.Add(int64(n))
	for {
		peak := m.peak.Load()
		if used <= peak || m.peak.CompareAndSwap(peak, used) {
			return
		}
	}
}

func (m *meter) Allocate(size int) []byte {
	m.add(size)
	return m.Allocator.Allocate(size)
}

func (m *meter) Reallocate(size int, b []byte) []byte {
	m.add(size - len(b))
	return m.Allocator.Reallocate(size, b)
}

func (m *meter) Free(b []byte) {
	m.add(-len(b))
	m.Allocator.Free(b)
}

// newMerging opens as many of the runs, in their order, as memory allows, but at least
// two. It returns the chunks that it merges.
func newMerging(ctx context.Context, in *tableInfo, mem *meter, runs []sortedRun, fetch func(*chunk.Entry) chunk.Fetch, limit int64) (*merging, []*chunk.Entry, error) {
	m := &merging{in: in, mem: mem, order: in.layout}
	past := runs[0].chunks[0].History()
	if past {
		m.order = in.layout.ByVersion()
	}
	spec := chunk.ScanSpec{}
	for _, c := range in.layout.Columns {
		spec.Columns = append(spec.Columns, c.ID)
	}
	var inputs []*chunk.Entry
	blobs := int64(0)
	for i, r := range runs {
		whole := i == 0 || !past || r.chunks[0].Replaced != runs[i-1].chunks[0].Replaced // see chooser.pastRuns
		if len(m.streams) >= 2 && mem.used.Load()+blobs >= limit && whole {
			break
		}
		s := &mergeStream{chunks: r.chunks, split: func(e *chunk.Entry) chunk.Split {
			return chunk.NewSplit(e, in.layout, spec, fetch(e))
		}}
		m.streams = append(m.streams, s)
		inputs = append(inputs, r.chunks...)
		if err := s.fill(ctx, m); err != nil {
			m.close()
			return nil, nil, err
		}
		most := int64(0)
		for _, e := range r.chunks {
			most = max(most, entryBytes(e))
		}
		blobs += most
	}
	if !past && slices.ContainsFunc(inputs, (*chunk.Entry).Marked) {
		m.marks = newMarkMerge(in, mem, limit)
	}
	return m, inputs, nil
}

// fill reads the next batch, if there is one and it is not there.
func (s *mergeStream) fill(ctx context.Context, m *merging) error {
	for s.batch == nil && len(s.chunks) > 0 {
		if s.reader == nil {
			r, err := s.split(s.chunks[0]).Scan(ctx, chunk.NewRoom(m.mem), &s.stats)
			if err != nil {
				return err
			}
			s.reader = r
		}
		before := s.stats.BytesRead
		b, err := s.reader.Next(ctx)
		m.read += s.stats.BytesRead - before
		switch {
		case errors.Is(err, io.EOF):
			if err := s.reader.Close(); err != nil {
				return err
			}
			s.reader, s.chunks = nil, s.chunks[1:]
		case err != nil:
			return err
		default:
			s.batch, s.max = b, m.order.AppendSortKey(s.max[:0], b, int(b.NumRows())-1)
		}
	}
	return nil
}

// take returns the rows up to a key, nil if there are none.
func (s *mergeStream) take(l *chunk.Layout, upTo []byte) arrow.RecordBatch {
	rows := int(s.batch.NumRows())
	n := rows
	if bytes.Compare(s.max, upTo) > 0 {
		var key []byte
		n = sort.Search(rows, func(i int) bool {
			key = l.AppendSortKey(key[:0], s.batch, i)
			return bytes.Compare(key, upTo) > 0
		})
	}
	if n == 0 {
		return nil
	}
	all := s.batch
	if n == rows {
		s.batch = nil
		return all
	}
	s.batch = all.NewSlice(int64(n), int64(rows))
	defer all.Release()
	return all.NewSlice(0, int64(n))
}

// next returns the next rows, with the layout's columns, which the caller releases, or
// io.EOF; there may be none. Each call merges the rows up to the least of the keys that the batches in
// memory end with, so that at least one of them is used up.
func (m *merging) next(ctx context.Context) (arrow.RecordBatch, error) {
	var upTo []byte
	for _, s := range m.streams {
		if err := s.fill(ctx, m); err != nil {
			return nil, err
		}
		if s.batch != nil && (upTo == nil || bytes.Compare(s.max, upTo) < 0) {
			upTo = s.max
			if upTo == nil {
				upTo = []byte{} // of a table without a sort key
			}
		}
	}
	type piece struct {
		rows arrow.RecordBatch
		from chunk.ID
	}
	var pieces []piece
	defer func() {
		for _, p := range pieces {
			p.rows.Release()
		}
	}()
	upTo = bytes.Clone(upTo)
	for _, s := range m.streams {
		if s.batch == nil {
			continue
		}
		if rows := s.take(m.order, upTo); rows != nil {
			pieces = append(pieces, piece{rows, s.chunks[0].ID})
		}
	}
	if len(pieces) == 0 {
		return m.marks.rest()
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return bytes.Compare(a.from[:], b.from[:]) })
	batches := make([]arrow.RecordBatch, len(pieces))
	for i, p := range pieces {
		batches[i] = p.rows
	}
	out, err := m.merge(batches, upTo)
	if err != nil {
		return nil, err
	}
	if out.NumRows() == 0 {
		return out, nil
	}
	if err := m.inOrder(out); err != nil {
		out.Release()
		return nil, err
	}
	return out, nil
}

// merge makes one sorted run of sorted runs, the oldest first, which have all rows up to
// a key that are left of the slice's chunks being merged, but for equal keys of tables
// without a primary key, of which the next call may bring more. It is the one place where
// rows meet, and marks take rows away.
//
// Rows keep their versions: others with the same keys may be in chunks that are not
// merged, in buffers, or in logs of other nodes, and versions decide between them.
func (m *merging) merge(runs []arrow.RecordBatch, upTo []byte) (arrow.RecordBatch, error) {
	if m.in.keyed() {
		rows, err := chunk.MergeRows(m.mem, m.in.layout, runs)
		if err == nil && m.past != nil {
			rows, err = m.past.split(rows)
		}
		if err != nil || m.marks == nil {
			return rows, err
		}
		defer rows.Release()
		return m.marks.drop(rows)
	}
	if m.marks == nil {
		return m.sort(runs)
	}
	rows, err := m.sort(m.marks.with(runs))
	if err != nil {
		return nil, err
	}
	defer rows.Release()
	return m.marks.subtract(rows, upTo)
}

// sort makes one run of runs of a table without a primary key.
func (m *merging) sort(runs []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(runs) == 1 {
		runs[0].Retain()
		return runs[0], nil
	}
	sorted, err := chunk.SortRows(m.mem, m.in.layout, runs)
	if err != nil {
		return nil, err
	}
	if len(sorted) != 1 {
		for _, s := range sorted {
			s.Batch.Release()
		}
		return nil, fmt.Errorf("%w: rows of %d slices in chunks of one", chunk.ErrCorrupt, len(sorted))
	}
	return sorted[0].Batch, nil
}

// inOrder checks that rows come after those before them.
func (m *merging) inOrder(rows arrow.RecordBatch) error {
	l := m.order
	first := l.AppendSortKey(nil, rows, 0)
	if x := bytes.Compare(first, m.last); m.started && (x < 0 || x == 0 && m.in.keyed()) {
		return fmt.Errorf("%w: rows of a chunk are not in the order of the key", chunk.ErrCorrupt)
	}
	m.started, m.last = true, l.AppendSortKey(m.last[:0], rows, int(rows.NumRows())-1)
	return nil
}

func (m *merging) close() {
	m.marks.release()
	m.past.release()
	for _, s := range m.streams {
		if s.batch != nil {
			s.batch.Release()
		}
		if s.reader != nil {
			s.reader.Close()
		}
	}
	m.streams = nil
}

// entryBytes is the size of a chunk's blobs.
func entryBytes(e *chunk.Entry) int64 {
	n := int64(0)
	for i := range e.Columns {
		n += e.Columns[i].Size
	}
	return n
}

// smallestFirst sorts runs so that those that cost little are merged if not all can be.
func smallestFirst(runs []sortedRun) {
	slices.SortStableFunc(runs, func(a, b sortedRun) int { return cmp.Compare(a.rows, b.rows) })
}
