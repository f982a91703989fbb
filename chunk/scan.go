package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Fetch returns the blob of column number i of an entry, which stays valid and
// unchanged as long as the scan. checked says that its checksum is known to hold
// (ChecksumHolds); else readers compare it. With a ctx that is done it returns what is
// in memory, or else fails at once.
type Fetch func(ctx context.Context, column int) (blob []byte, checked bool, err error)

// A chunkSplit reads one chunk.
type chunkSplit struct {
	entry  *Entry
	layout *Layout
	spec   ScanSpec
	fetch  Fetch
}

// NewSplit returns a split of one chunk. Its statistics count the vectors and
// bytes it touches and the rows it skips, ChunksSkipped among them if the entry
// excludes the chunk; totals of chunks, rows and bytes are the planner's. The layout holds every column that
// spec names; those that the entry does not list read as Column.Missing, the row
// version as Entry.VersionMin.
func NewSplit(e *Entry, l *Layout, spec ScanSpec, fetch Fetch) Split {
	return &chunkSplit{entry: e, layout: l, spec: spec.of(e), fetch: fetch}
}

func (s *chunkSplit) Rows() int64 { return int64(s.entry.Rows) }

func (s *chunkSplit) Time() (TimeRange, bool) {
	all := s.entry.TimeNulls == 0 && s.layout.TimeColumn != 0
	if all {
		c := entryColumn(s.entry, s.layout.TimeColumn)
		if c < 0 {
			return s.entry.Time, false
		}
		lo, ok1 := s.entry.Columns[c].Min.(datum.Micros)
		hi, ok2 := s.entry.Columns[c].Max.(datum.Micros)
		all = ok1 && ok2 && lo != datum.NegInfinityMicros && hi != datum.InfinityMicros
	}
	return s.entry.Time, all
}

func entryColumn(e *Entry, id schema.ColumnID) int {
	return slices.IndexFunc(e.Columns, func(c ColumnEntry) bool { return c.ID == id })
}

// A chunkScan is the reading of one chunk.
type chunkScan struct {
	*chunkSplit
	mem     memory.Allocator
	room    *chunkRoom
	stats   *ScanStats
	columns map[schema.ColumnID]*blobColumn
	filters []*blobFilter
	vectors int
	next    int // vectors looked at so far
	sel     codec.Bits
	more    codec.Bits // of a further filter
	empty   bool       // the entry excludes every row
}

// judged compiles the filters and judges them by the entry. Those that the entry
// decides for all rows are dropped; empty says that it excludes every row.
func (s *chunkSplit) judged() (filters []*filter, empty bool, err error) {
	filters, err = compile(s.layout, s.spec.Filter)
	if err != nil || s.spec.Pruning.Manifest {
		return filters, false, err
	}
	left := filters[:0]
	for _, f := range filters {
		switch f.judgeEntry(s.entry, s.layout) {
		case none:
			return nil, true, nil
		case maybe:
			left = append(left, f)
		}
	}
	return left, false, nil
}

// start returns a scan whose columns lie in the room, and the filters that are left.
func (s *chunkSplit) start(mem memory.Allocator, room *chunkRoom, stats *ScanStats) (*chunkScan, []*filter, error) {
	filters, empty, err := s.judged()
	if err != nil {
		return nil, nil, err
	}
	if empty {
		stats.ChunksSkipped++
		stats.RowsSkippedChunks += int64(s.entry.Rows)
	}
	return &chunkScan{chunkSplit: s, mem: mem, room: room, stats: stats, columns: room.byID,
		vectors: codec.Vectors(s.entry.Rows), empty: empty}, filters, nil
}

// wrap says where a corrupt blob was found.
func (s *chunkSplit) wrap(err error, id schema.ColumnID) error {
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("chunk %v column %d: %w", s.entry.ID, id, err)
}

// column opens a column, once.
func (c *chunkScan) column(ctx context.Context, id schema.ColumnID) (*blobColumn, error) {
	if col := c.columns[id]; col != nil {
		return col, nil
	}
	k := c.layout.Index(id)
	if k < 0 {
		return nil, pgerr.New(pgerr.InternalError, "chunk: no column %d in the layout", id)
	}
	col, err := c.openColumn(ctx, k)
	if err != nil {
		return nil, err
	}
	c.columns[id] = col
	return col, nil
}

// openColumn opens column number k of the layout.
func (c *chunkScan) openColumn(ctx context.Context, k int) (*blobColumn, error) {
	l := &c.layout.Columns[k]
	if l.Path != nil {
		return c.pathColumn(ctx, l)
	}
	i := entryColumn(c.entry, l.ID)
	if i < 0 {
		return c.missing(k)
	}
	col, err := c.blob(ctx, i, l.Type)
	if err != nil {
		return nil, err
	}
	if places := c.entry.partsOf(l.ID); len(places) > 0 {
		return c.documents(ctx, col, places, l.ID)
	}
	return col, nil
}

// missing makes column number k of the layout, which the entry does not list.
func (c *chunkScan) missing(k int) (*blobColumn, error) {
	missing, err := c.layout.absent(k, c.entry)
	if err != nil {
		return nil, err
	}
	col, err := c.room.missingColumn(&missing, c.entry.Rows)
	if err != nil {
		return nil, err
	}
	col.size = 0
	return col, nil
}

// asStored marks, among the IDs of columns that are open, that of a blob which several
// columns of the scan read: documents, their rest and their parts.
const asStored schema.ColumnID = 1 << 28

// blob opens column number i of the entry.
func (c *chunkScan) blob(ctx context.Context, i int, want datum.Type) (*blobColumn, error) {
	e := &c.entry.Columns[i]
	shared := e.Part != nil || e.Type.OID == datum.JSONB
	if col := c.columns[e.ID|asStored]; shared && col != nil {
		return col, nil
	}
	blob, checked, err := c.fetch(ctx, i)
	if err != nil {
		return nil, fmt.Errorf("chunk %v column %d: %w", c.entry.ID, e.ID, err)
	}
	c.stats.BytesRead += int64(len(blob))
	open := c.room.openBlob
	if checked {
		open = c.room.openChecked
	}
	col, err := open(blob, want)
	if err != nil {
		return nil, c.wrap(err, e.ID)
	}
	if col.rows != c.entry.Rows || col.nulls != e.Nulls {
		return nil, c.wrap(corrupt("blob has %d rows and %d NULLs, its entry %d and %d", col.rows, col.nulls, c.entry.Rows, e.Nulls), e.ID)
	}
	if shared {
		c.columns[e.ID|asStored] = col
	}
	return col, nil
}

// open opens the columns of the filters.
func (c *chunkScan) open(ctx context.Context, filters []*filter) error {
	for _, f := range filters {
		col, err := c.column(ctx, f.pred.Column)
		if err != nil {
			return err
		}
		if err := col.loadIndex(); err != nil {
			return c.wrap(err, f.pred.Column)
		}
		c.filters = append(c.filters, &blobFilter{filter: f, col: col, encoded: !c.spec.Pruning.Encoded})
	}
	return nil
}

// judge decides vector v by the vector indexes of the filters' columns.
func (c *chunkScan) judge(v int) verdict {
	if c.spec.Pruning.Vectors {
		return maybe
	}
	verdictOf := all
	for _, f := range c.filters {
		if f.col.index == nil || !readableIndex(f) {
			verdictOf = maybe
			continue
		}
		switch w := f.decide(&f.col.index[v], f.col.scale); {
		case f.pred.Op == OpIsNull || f.pred.Op == OpIsNotNull:
			verdictOf = maybe
		case w == none:
			return none
		case w == maybe || f.col.nulls > 0:
			verdictOf = maybe
		}
	}
	return verdictOf
}

// readableIndex says whether the index is in the terms of the filter.
func readableIndex(f *blobFilter) bool { return f.col.order == f.order }

// vector finds the rows of vector v that pass, in c.sel; it returns their number.
func (c *chunkScan) vector(v int) (int, error) {
	n := codec.VectorLen(c.entry.Rows, v)
	c.stats.VectorsTotal++
	verdict := all
	if len(c.filters) > 0 {
		verdict = c.judge(v)
	}
	if verdict == none {
		c.stats.VectorsSkipped++
		c.stats.RowsSkippedVectors += int64(n)
		return 0, nil
	}
	if err := c.evaluate(v, verdict); err != nil {
		return 0, err
	}
	k := c.sel.Count()
	c.stats.RowsFiltered += int64(n - k)
	return k, nil
}

// evaluate sets c.sel to the rows of vector v that pass, given judge's verdict.
func (c *chunkScan) evaluate(v int, verdict verdict) error {
	switch {
	case verdict == none:
		c.sel = codec.Bits{}
		return nil
	case verdict == all || len(c.filters) == 0:
		c.sel.Fill(codec.VectorLen(c.entry.Rows, v))
		return nil
	}
	if err := c.filters[0].eval(v, &c.sel); err != nil {
		return c.wrap(err, c.filters[0].pred.Column)
	}
	for _, f := range c.filters[1:] {
		if c.sel == (codec.Bits{}) && !c.spec.Pruning.Late {
			break
		}
		if err := f.eval(v, &c.more); err != nil {
			return c.wrap(err, f.pred.Column)
		}
		c.sel.And(&c.more)
	}
	return nil
}

// close adds up what the columns decoded.
func (c *chunkScan) close() {
	for _, col := range c.columns {
		c.stats.BytesDecoded += col.decoded
		col.decoded = 0
	}
}

// A chunkReader yields the batches of a chunk.
type chunkReader struct {
	*chunkScan // nil once it is closed
	lender     *Room
	schema     *arrow.Schema
	coders     coders
	held       []held // vectors for the next batch
}

// held are the rows of one vector that passed.
type held struct {
	vector, rows int
	sel          codec.Bits
}

func (s *chunkSplit) Scan(ctx context.Context, room *Room, stats *ScanStats) (BatchReader, error) {
	sch, err := room.schemaOf(s.layout, s.spec.Columns)
	if err != nil {
		return nil, err
	}
	taken := room.take()
	c, filters, err := s.begin(ctx, room.mem, taken, stats)
	if err == nil && !c.empty {
		err = c.openAll(ctx, filters)
	}
	if err != nil {
		room.give(taken)
		return nil, err
	}
	return &chunkReader{chunkScan: c, lender: room, schema: sch, coders: taken.codersOf(room.mem, s.layout, s.spec.Coded), held: taken.held}, nil
}

// openAll opens what is read in any case.
func (c *chunkScan) openAll(ctx context.Context, filters []*filter) error {
	if err := c.open(ctx, filters); err != nil || !c.spec.Pruning.Late {
		return err
	}
	for _, id := range c.spec.Columns {
		if _, err := c.column(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *chunkReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.chunkScan == nil || r.empty {
		return nil, io.EOF
	}
	total := 0
	for i := range r.held {
		total += r.held[i].rows
	}
	var over held // has rows if they are one vector too many
	for ; r.next < r.vectors; r.next++ {
		v := r.next
		if r.spec.Descending {
			v = r.vectors - 1 - v
		}
		n, err := r.vector(v)
		if err != nil {
			return nil, err
		}
		if n > 1 && r.spec.Edge.Columns > 0 {
			if n, err = r.edge(ctx, v, n); err != nil {
				return nil, err
			}
		}
		if n == 0 {
			continue
		}
		h := held{vector: v, rows: n, sel: r.sel}
		if total+n > MaxBatchRows {
			over = h
			r.next++
			break
		}
		r.held = append(r.held, h)
		total += n
	}
	if total == 0 {
		return nil, io.EOF
	}
	batch, err := r.batch(ctx, total)
	r.held = r.held[:0]
	if over.rows > 0 {
		r.held = append(r.held, over)
	}
	return batch, err
}

// batch gathers the held rows.
func (r *chunkReader) batch(ctx context.Context, total int) (arrow.RecordBatch, error) {
	lists := r.lists(total)
	out := newBatchMaker(r.schema, total)
	defer out.release()
	for _, id := range r.spec.Columns {
		col, err := r.column(ctx, id)
		if err != nil {
			return nil, err
		}
		if coder := r.coders[id]; coder != nil {
			done, err := r.code(out, coder, col, lists, total)
			if err != nil {
				return nil, r.wrap(err, id)
			}
			if done {
				continue
			}
		}
		a, err := r.gather(col, r.layout.Columns[r.layout.Index(id)].Type, lists, total)
		if err != nil {
			return nil, r.wrap(err, id)
		}
		out.add(a)
	}
	r.stats.RowsReturned += int64(total)
	return out.batch(), nil
}

// lists returns the rows of each vector that is held, nil for all of them.
func (r *chunkReader) lists(total int) [][]int32 {
	room := r.room
	room.lists, room.rows = room.lists[:0], slices.Grow(room.rows[:0], total)
	for i := range r.held {
		h := &r.held[i]
		if h.rows == codec.VectorLen(r.entry.Rows, h.vector) && !r.spec.Descending {
			room.lists = append(room.lists, nil)
			continue
		}
		from := len(room.rows)
		room.rows = h.sel.Rows(room.rows)
		list := room.rows[from:]
		if r.spec.Descending {
			slices.Reverse(list)
		}
		room.lists = append(room.lists, list)
	}
	return room.lists
}

// code adds a column to a batch as Coded, if it has a dictionary.
func (r *chunkReader) code(out *batchMaker, o *coder, col *blobColumn, lists [][]int32, rows int) (bool, error) {
	if ok, err := col.codable(); !ok {
		return false, err
	}
	o.start(rows)
	defer o.reset()
	for i := range r.held {
		if err := o.put(col, r.held[i].vector, lists[i]); err != nil {
			return false, err
		}
	}
	return true, out.addCoded(o)
}

func (r *chunkReader) gather(col *blobColumn, t datum.Type, lists [][]int32, rows int) (arrow.Array, error) {
	o := r.room.output.start(r.mem, t)
	defer o.release()
	o.reserve(rows)
	for i := range r.held {
		if err := o.put(col, r.held[i].vector, lists[i]); err != nil {
			return nil, err
		}
	}
	return o.finish(), nil
}

func (r *chunkReader) Close() error {
	if r.chunkScan == nil {
		return nil
	}
	r.close()
	r.room.held = r.held
	r.lender.give(r.room)
	r.chunkScan, r.held = nil, nil
	return nil
}
