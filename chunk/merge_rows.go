package chunk

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// MergeRows merges sorted runs, whose columns are those of the layout, into one
// sorted run with the newest row of each key: that with the greatest version, then
// that of the later run, then the later row of a run. With Layout.History that is
// said of each key and version: none that has been visible is left out. Slices do not matter. The
// runs are not kept, but the result may share memory with them (all of it, if one
// run holds every row); the caller releases it. It is nil if there are no runs.
func MergeRows(mem memory.Allocator, l *Layout, runs []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	l = l.ByVersion()
	columns, parts, err := keyColumns(l)
	if err != nil {
		return nil, err
	}
	var batches []arrow.RecordBatch
	var read []*batchRun
	total := int64(0)
	for _, b := range runs {
		r, err := newBatchRun(l, columns, b)
		if err != nil {
			return nil, err
		}
		if b.NumRows() > 0 {
			batches, read = append(batches, b), append(read, r)
			total += b.NumRows()
		}
	}
	if total > math.MaxInt32 {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "cannot merge %d rows at once", total)
	}
	if len(batches) == 0 {
		runs[0].Retain()
		return runs[0], nil
	}
	g := &rowGatherer{mem: mem, layout: l, batches: batches, total: int(total)}
	defer g.release()
	if small := smallRun(batches); small >= 0 {
		if pieces := insertRows(l, batches, read, small); pieces != nil {
			return g.finish(pieces)
		}
	}
	sources := make([]*mergeSource, len(read))
	for i, r := range read {
		sources[i] = newMergeSource(r, i, newKeyWindow(columns, parts, false))
	}
	m := newMerger(sources, false)
	for {
		done, err := m.fill(context.Background(), gatherRows)
		if err != nil {
			return nil, err
		}
		if done {
			return g.finish(m.pieces)
		}
		if err := g.add(m.pieces); err != nil {
			return nil, err
		}
		m.drop(m.rows)
	}
}

// gatherRows is how many merged rows are gathered at a time: few enough for their
// pieces to stay in the cache over all columns.
const gatherRows = 16384

// A rowGatherer makes a batch of pieces of batches.
type rowGatherer struct {
	mem     memory.Allocator
	layout  *Layout
	batches []arrow.RecordBatch
	total   int // rows of the batches, which bound those of the result
	rows    int
	outputs []*output // by column; nil before the first call of add
	arrays  []arrow.Array
}

// add appends rows.
func (g *rowGatherer) add(pieces []piece) error {
	if g.outputs == nil {
		g.arrays = make([]arrow.Array, len(g.batches))
		for k := range g.layout.Columns {
			o := newOutput(g.mem, g.layout.Columns[k].Type)
			g.outputs = append(g.outputs, o)
			o.reserve(g.total)
			if o.offs != nil && o.data != nil {
				size := int64(0)
				for _, b := range g.batches {
					size += arrayBytes(b.Column(k)) - 4*b.NumRows()
				}
				o.data.Reserve(int(min(size, math.MaxInt32)))
			}
		}
	}
	rows := 0
	for _, p := range pieces {
		rows += int(p.n)
	}
	for k, o := range g.outputs {
		for i, b := range g.batches {
			g.arrays[i] = b.Column(k)
		}
		if err := o.takePieces(g.arrays, pieces, rows); err != nil {
			return err
		}
	}
	g.rows += rows
	return nil
}

// finish appends the last rows and returns all. What is one piece is shared, not
// copied.
func (g *rowGatherer) finish(pieces []piece) (arrow.RecordBatch, error) {
	if g.rows == 0 && len(pieces) == 1 {
		p := pieces[0]
		return g.batches[p.src].NewSlice(int64(p.row), int64(p.row)+int64(p.n)), nil
	}
	if err := g.add(pieces); err != nil {
		return nil, err
	}
	columns := make([]arrow.Array, len(g.outputs))
	for k, o := range g.outputs {
		columns[k] = o.finish()
		defer columns[k].Release()
	}
	return array.NewRecordBatch(g.batches[0].Schema(), columns, int64(g.rows)), nil
}

func (g *rowGatherer) release() {
	for _, o := range g.outputs {
		o.release()
	}
}

// insertRatio is how many times longer one of two runs must be for its rows to be
// searched rather than read.
const insertRatio = 16

// smallRun returns the number of the run, of two, that is inserted into the other,
// or -1.
func smallRun(b []arrow.RecordBatch) int {
	switch {
	case len(b) != 2:
		return -1
	case b[0].NumRows()*insertRatio <= b[1].NumRows():
		return 0
	case b[1].NumRows()*insertRatio <= b[0].NumRows():
		return 1
	}
	return -1
}

// insertRows merges two runs by searching the place of each row of the small one
// in the large one. It returns nil if a run has several rows of a key.
func insertRows(l *Layout, batches []arrow.RecordBatch, runs []*batchRun, small int) []piece {
	large := 1 - small
	for _, b := range batches {
		if !newKeyComparer(l, b, keyArrays(l, b)).strict(int(b.NumRows())) {
			return nil
		}
	}
	c := newKeyComparer(l, batches[large], keyArrays(l, batches[small]))
	n, ns := int(batches[large].NumRows()), int(batches[small].NumRows())
	var m merger // for its pieces only
	m.step = 1
	at := 0
	for j := range ns {
		to := c.gallop(at, n, j)
		if to > at {
			m.append(piece{int32(large), int32(at), int32(to - at)})
			at = to
		}
		if at < n && c.compare(at, j) == 0 {
			v, _ := runs[large].version(context.Background(), int32(at))
			w, _ := runs[small].version(context.Background(), int32(j))
			if v > w || v == w && large > small {
				continue // the large run's row comes with its neighbours
			}
			at++
		}
		m.append(piece{int32(small), int32(j), 1})
	}
	if at < n {
		m.append(piece{int32(large), int32(at), int32(n - at)})
	}
	return m.pieces
}

// SortRun sorts the rows of a batch, whose columns are those of the layout, by the
// sort key and keeps the newest row of each key: that with the greatest version,
// then the last one; with Layout.History of each key and version. Slices do not matter. The batch is not kept, but returned
// itself if it is such a run already; the caller releases the result.
func SortRun(mem memory.Allocator, l *Layout, batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	l = l.ByVersion()
	columns, _, err := keyColumns(l)
	if err != nil {
		return nil, err
	}
	run, err := newBatchRun(l, columns, batch)
	if err != nil {
		return nil, err
	}
	n := int(batch.NumRows())
	c := newKeyComparer(l, batch, keyArrays(l, batch))
	if c.strict(n) {
		batch.Retain()
		return batch, nil
	}
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	sortRows(l, batch, rows)
	kept := rows[:1]
	for _, r := range rows[1:] {
		last := &kept[len(kept)-1]
		switch {
		case c.compare(int(*last), int(r)) != 0:
			kept = append(kept, r)
		case run.versions == nil || run.versions[r] >= run.versions[*last]:
			*last = r
		}
	}
	return TakeBatch(mem, l, batch, kept)
}
