package ingest

import (
	"iter"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// SealOptions say what Seal cannot tell from the rows.
type SealOptions struct {
	Schema  uint64           // schema version the rows are conformed to
	From    uint64           // see chunk.Entry.From
	MaxRows int              // of a chunk; 0: chunk.MaxRows
	IDs     *chunk.IDs       // required
	Mem     memory.Allocator // nil: memory.DefaultAllocator
	Effort  codec.Effort     // to find encodings
	// OmitVersion leaves the row version out of the chunks, as
	// chunk.SealOptions.OmitVersion does.
	OmitVersion bool
	// GroupBytes bounds the blobs of one group of chunks; 0: 32 MiB. A chunk that
	// is larger is a group of its own.
	GroupBytes int64
	// SortBytes bounds the rows that are sorted at once; 0: 256 MiB.
	SortBytes int64
}

const (
	defaultGroupBytes = 32 << 20
	defaultSortBytes  = 256 << 20
)

// Seal makes chunks of the rows, whose batches are of the layout: sorted by sort
// key, slice by slice, the earliest first. Of a keyed table's rows with one key
// only the winner is left. Chunks come in groups, so that the caller can put
// away one group before the next is made; no group is empty, and an error is the
// last pair. With Layout.History the rows that others replaced come in chunks of history.
//
// Rows of one slice make chunks whose keys do not overlap, unless they take more
// than SortBytes: then the runs are sealed in several goes. Beside the rows and
// one group, Seal takes about twice the memory of the rows of a slice, or of
// SortBytes if that is less, and 4 bytes for each row.
func Seal(l *chunk.Layout, rows Rows, o SealOptions) iter.Seq2[[]*chunk.Sealed, error] {
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	if o.GroupBytes <= 0 {
		o.GroupBytes = defaultGroupBytes
	}
	if o.SortBytes <= 0 {
		o.SortBytes = defaultSortBytes
	}
	return func(yield func([]*chunk.Sealed, error) bool) {
		s := sealer{layout: l, options: o, yield: yield}
		if err := s.seal(rows.Runs()); err != nil && !s.stopped {
			yield(nil, err)
		}
	}
}

// A sealer makes the chunks of one Seal.
type sealer struct {
	layout  *chunk.Layout
	options SealOptions
	yield   func([]*chunk.Sealed, error) bool
	stopped bool // the caller wants no more
	group   []*chunk.Sealed
	bytes   int64 // of the group's blobs
}

// A piece is the rows of a run that lie in one slice.
type piece struct {
	run  arrow.RecordBatch
	rows []int32 // rising
}

func (s *sealer) seal(runs []arrow.RecordBatch) error {
	pieces := splitBySlice(s.layout, runs)
	for _, slice := range slices.Sorted(maps.Keys(pieces)) {
		if err := s.sealSlice(slice, pieces[slice]); err != nil || s.stopped {
			return err
		}
		delete(pieces, slice)
	}
	s.flush()
	return nil
}

// splitBySlice finds the rows of each slice, by run.
func splitBySlice(l *chunk.Layout, runs []arrow.RecordBatch) map[int64][]piece {
	out := map[int64][]piece{}
	k := l.Index(l.TimeColumn)
	for _, run := range runs {
		n := int(run.NumRows())
		var times *array.Timestamp
		if l.TimeColumn != 0 && k >= 0 && l.Slice > 0 {
			times = run.Column(k).(*array.Timestamp)
		}
		found := map[int64]*[]int32{}
		finder := chunk.SliceFinder{Length: l.Slice}
		var last int64
		var rows *[]int32
		for i := range n {
			slice := int64(0)
			if times != nil {
				slice = finder.Find(datum.Micros(times.Value(i)), times.IsNull(i))
			}
			if rows == nil || slice != last {
				last = slice
				if rows = found[slice]; rows == nil {
					rows = new([]int32)
					found[slice] = rows
				}
			}
			*rows = append(*rows, int32(i))
		}
		for slice, rows := range found {
			out[slice] = append(out[slice], piece{run: run, rows: *rows})
		}
	}
	return out
}

// sealSlice seals the rows of a slice, as many runs at once as SortBytes allows.
func (s *sealer) sealSlice(slice int64, pieces []piece) error {
	var parts []arrow.RecordBatch
	release := func() {
		for _, p := range parts {
			p.Release()
		}
		parts = parts[:0]
	}
	defer release()
	bytes := int64(0)
	for _, p := range pieces {
		part, err := p.take(s.options.Mem, s.layout)
		if err != nil {
			return err
		}
		size := batchFootprint(part).used
		if len(parts) > 0 && bytes+size > s.options.SortBytes {
			if err := s.sealSorted(slice, parts); err != nil || s.stopped {
				part.Release()
				return err
			}
			release()
			bytes = 0
		}
		parts = append(parts, part)
		bytes += size
	}
	return s.sealSorted(slice, parts)
}

// take returns the rows of a piece, shared if they are neighbours.
func (p *piece) take(mem memory.Allocator, l *chunk.Layout) (arrow.RecordBatch, error) {
	n := len(p.rows)
	if first, last := p.rows[0], p.rows[n-1]; int(last-first) == n-1 {
		return p.run.NewSlice(int64(first), int64(last)+1), nil
	}
	return chunk.TakeBatch(mem, l, p.run, p.rows)
}

// sealSorted sorts parts of a slice, the oldest first, and encodes them.
func (s *sealer) sealSorted(slice int64, parts []arrow.RecordBatch) error {
	sorted, err := s.sort(parts)
	if err != nil {
		return err
	}
	if !s.layout.History || !s.layout.Keyed() {
		defer sorted.Release()
		return s.encode(slice, sorted, 0)
	}
	newest, older, replaced, err := chunk.SplitVersions(s.options.Mem, s.layout, sorted)
	sorted.Release()
	if err != nil {
		return err
	}
	defer newest.Release()
	if err := s.encode(slice, newest, 0); err != nil || s.stopped || older == nil {
		if older != nil {
			older.Release()
		}
		return err
	}
	defer older.Release()
	return s.encode(slice, older, replaced)
}

// encode makes chunks of sorted rows, of history if replaced is set.
func (s *sealer) encode(slice int64, sorted arrow.RecordBatch, replaced uint64) error {
	o := s.options
	b := chunk.NewBuilder(s.layout, chunk.SealOptions{
		Slice: slice, Schema: o.Schema, From: o.From, MaxRows: o.MaxRows, IDs: o.IDs, Mem: o.Mem, OmitVersion: o.OmitVersion,
		Effort: o.Effort, Replaced: replaced,
	})
	defer b.Release()
	rows := sorted.NumRows()
	for from := int64(0); from < rows; from += chunk.MaxRows {
		part := sorted.NewSlice(from, min(from+chunk.MaxRows, rows))
		err := b.Add(part)
		part.Release()
		if err != nil {
			return err
		}
		if !s.add(b.Take()) {
			return nil
		}
	}
	rest, err := b.Finish()
	if err != nil {
		return err
	}
	s.add(rest)
	return nil
}

func (s *sealer) sort(parts []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if s.layout.Keyed() {
		return chunk.MergeRows(s.options.Mem, s.layout, parts)
	}
	sorted, err := chunk.SortRows(s.options.Mem, s.layout, parts)
	if err != nil {
		return nil, err
	}
	if len(sorted) != 1 {
		for _, x := range sorted {
			x.Batch.Release()
		}
		return nil, bug("rows of one slice lie in %d", len(sorted))
	}
	return sorted[0].Batch, nil
}

// add puts chunks into the group and hands on groups that are full; it reports
// whether to go on.
func (s *sealer) add(chunks []*chunk.Sealed) bool {
	for _, c := range chunks {
		size := int64(0)
		for _, b := range c.Blobs {
			size += int64(len(b))
		}
		if s.bytes+size > s.options.GroupBytes {
			s.flush()
		}
		s.group = append(s.group, c)
		s.bytes += size
	}
	return !s.stopped
}

func (s *sealer) flush() {
	if len(s.group) > 0 && !s.stopped {
		s.stopped = !s.yield(s.group, nil)
	}
	s.group, s.bytes = nil, 0
}
