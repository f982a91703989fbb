package chunk

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A MergeInput is a sorted run of a keyed table: a chunk (Entry and Fetch), or
// rows in memory (Batch) in the order of the sort key. Rows of one key lie next to
// each other; of equal versions the later one is the newer.
type MergeInput struct {
	Entry *Entry
	Fetch Fetch
	Batch arrow.RecordBatch // the layout's columns; not retained
	// Rank orders rows of one key and version: that of the greater rank wins. Inputs
	// of one rank are ordered as they are given.
	Rank int
}

// A mergeSplit merges runs.
type mergeSplit struct {
	inputs []MergeInput
	layout *Layout
	spec   ScanSpec
}

// NewMergeSplit returns a split of the rows of runs that may overlap: of the rows
// of each key only the newest, if it passes the filter, in rising order of the
// sort key, falling with ScanSpec.Descending. The newest is the row with the
// greatest version (schema.RowVersionColumn), then that of the greatest rank, then
// the last one of its run.
//
// Predicates on key columns prune and filter the inputs; all others are asked of
// the newest rows alone. A batch of text and arrays is cut at mergeBatchBytes; a
// scan holds about a vector of each input and two copies of a batch's column. The
// caller keeps the batches until the readers are closed. Aggregate is not offered.
func NewMergeSplit(inputs []MergeInput, l *Layout, spec ScanSpec) Split {
	spec.Edge = Edge{} // what a filter after the merge rejects may have hidden what it keeps
	return &mergeSplit{inputs: inputs, layout: l, spec: spec}
}

// split returns the split of one input with the given filter.
func (s *mergeSplit) split(in *MergeInput, filter []Predicate) Split {
	spec := s.spec
	spec.Filter = filter
	if in.Batch != nil {
		return NewBatchSplit(in.Batch, s.layout, spec)
	}
	return NewSplit(in.Entry, s.layout, spec, in.Fetch)
}

func (s *mergeSplit) Rows() int64 {
	rows := int64(0)
	for i := range s.inputs {
		rows += s.split(&s.inputs[i], nil).Rows()
	}
	return rows
}

func (s *mergeSplit) Time() (TimeRange, bool) {
	out, all := TimeRange{Min: 1, Max: 0}, true
	for i := range s.inputs {
		r, ok := s.split(&s.inputs[i], nil).Time()
		all = all && ok
		out = out.union(r)
	}
	return out, all
}

// Aggregate is left to operators above Scan: which rows count is known after the
// merge only.
func (s *mergeSplit) Aggregate(context.Context, *Room, []Aggregate, *ScanStats) ([]Partial, bool, error) {
	return nil, false, nil
}

// A mergeReader yields the batches of a mergeSplit.
type mergeReader struct {
	*mergeSplit
	mem    memory.Allocator
	schema *arrow.Schema
	stats  *ScanStats
	runs   []mergeRun
	// batches are those of runs, which the reader has references to.
	batches []arrow.RecordBatch
	merger  *merger
	coders  coders
	merged  int64 // counted in stats
	closed  bool
}

func (r *mergeReader) release() {
	for _, b := range r.batches {
		b.Release()
	}
	r.batches = nil
}

// A mergeRun is one of a chunk and a batch.
type mergeRun struct {
	chunk *chunkRun
	batch arrow.RecordBatch
}

func (s *mergeSplit) Scan(ctx context.Context, room *Room, stats *ScanStats) (BatchReader, error) {
	mem := room.mem
	sch, err := room.schemaOf(s.layout, s.spec.Columns)
	if err != nil {
		return nil, err
	}
	columns, parts, err := keyColumns(s.layout)
	if err != nil {
		return nil, err
	}
	// Compiled here so that a bad predicate is found whatever the inputs are.
	if _, err := compile(s.layout, s.spec.Filter); err != nil {
		return nil, err
	}
	r := &mergeReader{mergeSplit: s, mem: mem, schema: sch, stats: stats, coders: newChunkRoom().codersOf(mem, s.layout, s.spec.Coded)}
	var sources []*mergeSource
	onKey, rest := splitFilter(s.layout, s.spec.Filter)
	for place, i := range s.ranked() {
		in := &s.inputs[i]
		var keys keyRun
		run := mergeRun{}
		if in.Batch != nil {
			if run.batch, err = s.layout.withPaths(mem, in.Batch, onKey); err == nil {
				r.batches = append(r.batches, run.batch)
				keys, err = s.openBatch(run.batch, columns, onKey, rest, stats)
			}
		} else if in.Entry == nil || in.Fetch == nil {
			err = pgerr.New(pgerr.InternalError, "chunk: merge input without entry and fetch, or batch")
		} else if run.chunk, err = newChunkRun(ctx, s.split(in, onKey).(*chunkSplit), rest, mem, stats); run.chunk != nil {
			keys = run.chunk
			if s.spec.Pruning.Late {
				err = run.chunk.open(ctx, s.spec.Columns)
			}
		}
		if err != nil {
			r.release()
			return nil, err
		}
		if keys == nil {
			continue // the entry excludes it
		}
		r.runs = append(r.runs, run)
		sources = append(sources, newMergeSource(keys, place, newKeyWindow(columns, parts, s.spec.Descending)))
	}
	r.merger = newMerger(sources, s.spec.Descending)
	return r, nil
}

// ranked returns the numbers of the inputs by rising rank.
func (s *mergeSplit) ranked() []int {
	order := make([]int, len(s.inputs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.inputs[a].Rank, s.inputs[b].Rank) })
	return order
}

func (s *mergeSplit) openBatch(batch arrow.RecordBatch, columns []keyColumn, onKey, rest []Predicate, stats *ScanStats) (keyRun, error) {
	r, err := newBatchRun(s.layout, columns, batch)
	if err != nil {
		return nil, err
	}
	if r.scan, err = s.split(&MergeInput{Batch: batch}, onKey).(*batchSplit).scan(stats); err != nil {
		return nil, err
	}
	if r.rest, err = compile(s.layout, rest); err != nil {
		return nil, err
	}
	for _, f := range r.rest {
		r.columns = append(r.columns, s.layout.Index(f.pred.Column))
	}
	return r, nil
}

func (r *mergeReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.closed {
		return nil, io.EOF
	}
	m := r.merger
	_, err := m.fill(ctx, MaxBatchRows)
	r.count()
	if err != nil {
		return nil, err
	}
	if m.rows == 0 {
		return nil, io.EOF
	}
	p := r.plan(m.pieces, m.rows)
	n, err := r.fitting(ctx, p)
	if err != nil {
		return nil, err
	}
	if n < p.rows {
		p = r.plan(m.head(n), n)
	}
	batch, err := r.gather(ctx, p)
	if err != nil {
		return nil, err
	}
	m.drop(n)
	r.stats.RowsReturned += int64(n)
	r.letGo()
	return batch, nil
}

// count brings the statistics up to date.
func (r *mergeReader) count() {
	total := int64(0)
	for _, s := range r.merger.sources {
		total += s.merged
	}
	r.stats.MergedRows += total - r.merged
	r.merged = total
	r.stats.RowsFiltered += r.merger.filtered
	r.merger.filtered = 0
}

func (r *mergeReader) gather(ctx context.Context, p *mergePlan) (arrow.RecordBatch, error) {
	out := newBatchMaker(r.schema, p.rows)
	defer out.release()
	for _, id := range r.spec.Columns {
		if coder := r.coders[id]; coder != nil {
			done, err := r.code(ctx, out, coder, p, id)
			if err != nil {
				return nil, err
			}
			if done {
				continue
			}
		}
		a, err := r.column(ctx, p, id, r.layout.Index(id))
		if err != nil {
			return nil, err
		}
		out.add(a)
	}
	return out.batch(), nil
}

// letGo closes the chunks that have no row left, so that a merge of many that
// follow one another does not hold the blobs of all.
func (r *mergeReader) letGo() {
	m := r.merger
	if m.rows > 0 {
		return
	}
	for i := range r.runs {
		if m.heads[i].code == codeEnd && !(m.found && m.best.src == int32(i)) && r.runs[i].chunk != nil {
			for id, o := range r.coders {
				delete(o.places, r.runs[i].chunk.scan.columns[id])
			}
			r.runs[i].chunk.close()
		}
	}
}

func (r *mergeReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	for i := range r.runs {
		if r.runs[i].chunk != nil {
			r.runs[i].chunk.close()
		}
	}
	r.merger = nil
	r.release()
	return nil
}
