package chunk

import (
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// maxChunkBytes bounds the values of a chunk in memory; a row that is larger is
// a chunk of its own.
const maxChunkBytes = 64 << 20

// SealOptions say what a Builder cannot tell from the rows.
type SealOptions struct {
	Slice    int64
	Schema   uint64         // schema version the rows are written under
	From     uint64         // see Entry.From
	Replaced uint64         // of chunks of history: see Entry.Replaced
	Together []VersionRange // see Entry.Together
	MaxRows  int            // of a chunk; 0: MaxRows
	IDs      *IDs           // required
	Mem      memory.Allocator
	// Effort says how much is tried to find the best encoding of each column.
	Effort codec.Effort
	// OmitVersion leaves the row version out of the chunks: for rows that all get
	// one version, which is not known yet. Whoever commits the chunks sets the
	// entries' VersionMin and VersionMax to it. Batches may have the column, whose
	// values do not matter then, or lack it.
	OmitVersion bool
}

// A Builder turns the rows of one slice into chunks. It is used by one
// goroutine; Release it on every path.
type Builder struct {
	layout  *Layout // of the chunks
	version int     // place of the column that is left out of batches; -1: none
	options SealOptions
	pending []arrow.RecordBatch
	rows    int // in pending
	bytes   int64
	sealed  []*Sealed
}

// NewBuilder returns a builder of chunks of a table.
func NewBuilder(l *Layout, o SealOptions) *Builder {
	if o.MaxRows <= 0 || o.MaxRows > MaxRows {
		o.MaxRows = MaxRows
	}
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	if o.IDs == nil {
		panic("chunk: bug: a builder without IDs")
	}
	b := &Builder{layout: l, version: -1, options: o}
	if k := l.Index(schema.RowVersionColumn); k >= 0 && o.OmitVersion {
		less := *l
		less.Columns = slices.Delete(slices.Clone(l.Columns), k, k+1)
		b.layout, b.version = &less, k
	}
	return b
}

// Seal makes chunks of sorted batches of one slice, whose columns are those of
// the layout.
func Seal(l *Layout, o SealOptions, batches ...arrow.RecordBatch) ([]*Sealed, error) {
	b := NewBuilder(l, o)
	defer b.Release()
	for _, r := range batches {
		if err := b.Add(r); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// Add appends rows, which continue in sort-key order. The batch is retained as
// long as it is needed.
func (b *Builder) Add(batch arrow.RecordBatch) error {
	if b.version >= 0 && int(batch.NumCols()) == len(b.layout.Columns)+1 {
		less := withoutColumn(batch, b.version)
		defer less.Release()
		return b.add(less)
	}
	if int(batch.NumCols()) != len(b.layout.Columns) {
		return pgerr.New(pgerr.InternalError, "chunk: batch of %d columns for a layout of %d", batch.NumCols(), len(b.layout.Columns))
	}
	return b.add(batch)
}

// withoutColumn returns the batch, which is not copied, without a column.
func withoutColumn(batch arrow.RecordBatch, k int) arrow.RecordBatch {
	fields := slices.Delete(slices.Clone(batch.Schema().Fields()), k, k+1)
	columns := slices.Delete(slices.Clone(batch.Columns()), k, k+1)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, batch.NumRows())
}

func (b *Builder) add(batch arrow.RecordBatch) error {
	rows := int(batch.NumRows())
	size := batchBytes(batch)
	if rows > 1 && size > maxChunkBytes/4 {
		for _, part := range []arrow.RecordBatch{batch.NewSlice(0, int64(rows/2)), batch.NewSlice(int64(rows/2), int64(rows))} {
			err := b.add(part)
			part.Release()
			if err != nil {
				return err
			}
		}
		return nil
	}
	if b.rows > 0 && b.bytes+size > maxChunkBytes {
		if err := b.seal(); err != nil {
			return err
		}
	}
	for from := 0; from < rows; {
		n := min(rows-from, b.options.MaxRows-b.rows)
		b.pending = append(b.pending, batch.NewSlice(int64(from), int64(from+n)))
		b.rows += n
		b.bytes += size * int64(n) / int64(rows)
		from += n
		if b.rows == b.options.MaxRows {
			if err := b.seal(); err != nil {
				return err
			}
		}
	}
	return nil
}

// batchBytes estimates the memory of the batch's values, slices by their part.
func batchBytes(batch arrow.RecordBatch) int64 {
	total := int64(0)
	for i := range int(batch.NumCols()) {
		total += arrayBytes(batch.Column(i))
	}
	return total
}

func arrayBytes(a arrow.Array) int64 {
	switch a := a.(type) {
	case *array.String:
		return offsetBytes(a.Len(), a.ValueOffsets())
	case *array.Binary:
		return offsetBytes(a.Len(), a.ValueOffsets())
	case *array.Struct:
		l, _ := datum.ListsOf(a)
		if a.Len() == 0 {
			return 0
		}
		from, _ := l.Range(0)
		_, to := l.Range(a.Len() - 1)
		child := array.NewSlice(l.Values(), int64(from), int64(to))
		defer child.Release()
		shapes := l.Shapes.ValueOffsets()
		return max(arrayBytes(child), 4*int64(child.Len())) + 4*int64(a.Len()) + int64(shapes[a.Len()]-shapes[0])
	}
	if f, ok := a.DataType().(arrow.FixedWidthDataType); ok {
		return int64(a.Len()) * int64(f.BitWidth()+7) / 8
	}
	return int64(a.Len())
}

func offsetBytes(n int, offsets []int32) int64 {
	if n == 0 {
		return 0
	}
	return int64(offsets[n]-offsets[0]) + 4*int64(n)
}

// Finish seals what is left and returns all chunks, in key order. The builder
// is empty then.
func (b *Builder) Finish() ([]*Sealed, error) {
	if err := b.seal(); err != nil {
		return nil, err
	}
	out := b.sealed
	b.sealed = nil
	return out, nil
}

// Release drops what was added and not sealed.
func (b *Builder) Release() {
	for _, r := range b.pending {
		r.Release()
	}
	b.pending, b.rows, b.bytes = nil, 0, 0
}

// Take returns the chunks sealed so far and forgets them, so that a stream of
// rows needs the memory of one chunk.
func (b *Builder) Take() []*Sealed {
	out := b.sealed
	b.sealed = nil
	return out
}

func (b *Builder) seal() error {
	if b.rows == 0 {
		return nil
	}
	rows, err := concatenate(b.options.Mem, b.pending)
	if err != nil {
		return err
	}
	defer rows.Release()
	b.Release()
	s, err := b.encode(rows)
	if err != nil {
		return err
	}
	b.sealed = append(b.sealed, s)
	return nil
}

func (b *Builder) encode(rows arrow.RecordBatch) (*Sealed, error) {
	n := int(rows.NumRows())
	s := &Sealed{Entry: Entry{
		ID: b.options.IDs.Next(), Version: 1, Slice: b.options.Slice, Rows: n, Schema: b.options.Schema,
		From: b.options.From, Replaced: b.options.Replaced, Together: b.options.Together, Time: TimeRange{Min: 1, Max: 0},
	}}
	e := &s.Entry
	for i := range b.layout.Columns {
		if b.layout.Columns[i].ID == schema.RowDeletedColumn && !anySet(rows.Column(i)) {
			continue // as most chunks have it
		}
		blob, c, err := encodeColumn(&b.layout.Columns[i], rows.Column(i), b.options.Effort)
		if err != nil {
			return nil, err
		}
		e.Version = max(e.Version, blob[2])
		e.Columns = append(e.Columns, c)
		s.Blobs = append(s.Blobs, blob)
	}
	if err := b.part(s, rows); err != nil {
		return nil, err
	}
	if b.options.Effort == codec.Thorough {
		b.addBlooms(s, rows)
	}
	e.KeyMin = b.layout.AppendSortKey(nil, rows, 0)
	e.KeyMax = b.layout.AppendSortKey(nil, rows, n-1)
	if k := b.layout.Index(b.layout.TimeColumn); k >= 0 && b.layout.TimeColumn != 0 {
		e.Time, e.TimeNulls, _ = timeRange(rows.Column(k))
	}
	if k := entryColumn(e, schema.RowVersionColumn); k >= 0 {
		lo, _ := intOf(e.Columns[k].Min)
		hi, _ := intOf(e.Columns[k].Max)
		e.VersionMin, e.VersionMax = uint64(lo), uint64(hi)
	}
	return s, nil
}

// part takes documents apart where that pays; keys stay whole.
func (b *Builder) part(s *Sealed, rows arrow.RecordBatch) error {
	next := schema.FirstPartColumn
	for i := range b.layout.Columns {
		left := maxEntryParts - int(next-schema.FirstPartColumn)
		if left == 0 {
			break
		}
		c := &b.layout.Columns[i]
		if c.Type.OID != datum.JSONB || slices.Contains(b.layout.SortKey, c.ID) {
			continue
		}
		at := entryColumn(&s.Entry, c.ID)
		p, err := part(c, rows.Column(i), s.Entry.Columns[at].Size, min(maxChosenParts, left), next, b.options.Effort)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		next += schema.ColumnID(len(p.entries) - 1)
		s.Blobs[at], s.Entry.Columns[at] = p.blobs[0], p.entries[0]
		s.Blobs, s.Entry.Columns = append(s.Blobs, p.blobs[1:]...), append(s.Entry.Columns, p.entries[1:]...)
		for _, blob := range p.blobs {
			s.Entry.Version = max(s.Entry.Version, blob[2])
		}
	}
	return nil
}

// timeRange returns the range of the finite times and the numbers of NULL and
// of infinite ones.
func timeRange(a arrow.Array) (r TimeRange, nulls, infinite int) {
	r = TimeRange{Min: math.MaxInt64, Max: math.MinInt64}
	times, ok := a.(*array.Timestamp)
	if !ok {
		return TimeRange{Min: 1, Max: 0}, 0, 0
	}
	found := false
	for i, t := range times.TimestampValues() {
		switch {
		case times.IsNull(i):
			nulls++
		case datum.Micros(t) == datum.InfinityMicros || datum.Micros(t) == datum.NegInfinityMicros:
			infinite++
		default:
			found = true
			r.Min, r.Max = min(r.Min, datum.Micros(t)), max(r.Max, datum.Micros(t))
		}
	}
	if !found {
		return TimeRange{Min: 1, Max: 0}, nulls, infinite
	}
	return r, nulls, infinite
}

// BatchBytes estimates the memory of a batch's values; of a slice of one, its part.
func BatchBytes(batch arrow.RecordBatch) int64 { return batchBytes(batch) }
