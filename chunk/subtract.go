package chunk

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A subtractSplit reads rows less marks, in a table without a key.
type subtractSplit struct {
	rows, marks []Split
	layout      *Layout
	columns     []schema.ColumnID
}

// NewSubtractSplit returns a split of the rows of some splits, one after the other,
// less those of others: each row of marks takes away one that is equal to it in
// the columns read, bit for bit. The splits are of the specs of ScanSpec.WithMarks.
//
// That is also right where columns are left out: as every mark has its row, the
// rows that are left are, as a multiset, those of the whole rows that are left.
//
// A reader holds the distinct marks until each has found its row, for which it asks
// Room.Limit. Aggregate is not offered.
func NewSubtractSplit(rows, marks []Split, l *Layout, columns []schema.ColumnID) Split {
	return &subtractSplit{rows: rows, marks: marks, layout: l, columns: columns}
}

// WithMarks returns the spec of the splits of NewSubtractSplit: for rows, and for
// marks.
func (s ScanSpec) WithMarks() (rows, marks ScanSpec) {
	s.Edge, s.Coded = Edge{}, nil // a row that is taken away may have hidden one that is not
	rows, marks = s, s
	rows.Filter = append(slices.Clip(s.Filter), IsMark(false))
	marks.Filter = append(slices.Clip(s.Filter), IsMark(true))
	return rows, marks
}

func (s *subtractSplit) Rows() int64 {
	rows := int64(0)
	for _, r := range s.rows {
		rows += r.Rows()
	}
	return rows
}

func (s *subtractSplit) Time() (TimeRange, bool) {
	out, all := TimeRange{Min: 1, Max: 0}, true
	for _, r := range s.rows {
		t, ok := r.Time()
		all = all && ok
		out = out.union(t)
	}
	return out, all
}

// union returns the least range that holds two; one with Min > Max is empty.
func (r TimeRange) union(o TimeRange) TimeRange {
	switch {
	case o.Min > o.Max:
		return r
	case r.Min > r.Max:
		return o
	}
	return TimeRange{Min: min(r.Min, o.Min), Max: max(r.Max, o.Max)}
}

func (s *subtractSplit) Aggregate(context.Context, *Room, []Aggregate, *ScanStats) ([]Partial, bool, error) {
	return nil, false, nil
}

func (s *subtractSplit) Scan(ctx context.Context, room *Room, stats *ScanStats) (BatchReader, error) {
	r := &subtractReader{subtractSplit: s, room: room, stats: stats, rest: s.rows, counts: map[string]int{}}
	for _, m := range s.marks {
		if err := r.collect(ctx, m); err != nil {
			r.forget()
			return nil, err
		}
	}
	return r, nil
}

// A subtractReader yields the batches of a subtractSplit.
type subtractReader struct {
	*subtractSplit
	room   *Room
	stats  *ScanStats
	rest   []Split        // of rows
	open   BatchReader    // of the split that is being read; nil: none
	counts map[string]int // of marks that are left, by image
	left   int            // marks
	held   int64          // bytes taken of the room's limit
	buf    []byte
}

// collect counts the marks of a split.
func (r *subtractReader) collect(ctx context.Context, s Split) error {
	returned := r.stats.RowsReturned
	reader, err := s.Scan(ctx, r.room, r.stats)
	if err != nil {
		return err
	}
	defer func() {
		reader.Close()
		r.stats.RowsReturned = returned // marks are no rows
	}()
	for {
		b, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.count(b)
		b.Release()
		if err != nil {
			return err
		}
	}
}

func (r *subtractReader) count(b arrow.RecordBatch) error {
	const entryBytes = 64 // of a map, beside the key's bytes
	bytes := int64(0)
	for row := range int(b.NumRows()) {
		r.buf = appendImages(r.buf[:0], b, row)
		if n, ok := r.counts[string(r.buf)]; ok {
			r.counts[string(r.buf)] = n + 1
		} else {
			r.counts[string(r.buf)] = 1
			bytes += int64(len(r.buf)) + entryBytes
		}
		r.left++
	}
	if err := r.room.reserve(bytes); err != nil {
		var e *pgerr.Error
		if errors.As(err, &e) {
			err = e.WithHint("The marks of deleted rows are held in memory: VACUUM the table.")
		}
		return err
	}
	r.held += bytes
	return nil
}

// forget lets go of the marks.
func (r *subtractReader) forget() {
	r.room.reserve(-r.held)
	r.counts, r.held = nil, 0
}

func (r *subtractReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for {
		b, err := r.next(ctx)
		if err != nil || r.left == 0 {
			return b, err
		}
		kept, err := r.subtract(b)
		b.Release()
		if r.left == 0 {
			r.forget()
		}
		if err != nil {
			return nil, err
		}
		if kept.NumRows() > 0 {
			return kept, nil
		}
		kept.Release()
	}
}

// next returns the next batch of rows, marks not taken away.
func (r *subtractReader) next(ctx context.Context) (arrow.RecordBatch, error) {
	for {
		if r.open == nil {
			if len(r.rest) == 0 {
				return nil, io.EOF
			}
			var err error
			if r.open, err = r.rest[0].Scan(ctx, r.room, r.stats); err != nil {
				return nil, err
			}
			r.rest = r.rest[1:]
		}
		b, err := r.open.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		if err := r.closeSplit(); err != nil {
			return nil, err
		}
	}
}

// subtract returns the rows that no mark takes away.
func (r *subtractReader) subtract(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	n := int(b.NumRows())
	r.stats.MergedRows += int64(n)
	kept := make([]int32, 0, n)
	for row := range n {
		if r.left > 0 {
			r.buf = appendImages(r.buf[:0], b, row)
			if k := r.counts[string(r.buf)]; k > 0 {
				r.counts[string(r.buf)] = k - 1
				r.left--
				continue
			}
		}
		kept = append(kept, int32(row))
	}
	if len(kept) == n {
		b.Retain()
		return b, nil
	}
	r.stats.RowsReturned -= int64(n - len(kept))
	return r.take(b, kept)
}

func (r *subtractReader) take(b arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	out := make([]arrow.Array, 0, len(r.columns))
	defer func() {
		for _, c := range out {
			c.Release()
		}
	}()
	for i, id := range r.columns {
		a, err := Take(r.room.mem, r.layout.Columns[r.layout.Index(id)].Type, b.Column(i), rows)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return array.NewRecordBatch(b.Schema(), out, int64(len(rows))), nil
}

// Close may be called again.
func (r *subtractReader) Close() error {
	r.forget()
	r.left, r.rest = 0, nil
	return r.closeSplit()
}

func (r *subtractReader) closeSplit() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

func appendImages(dst []byte, b arrow.RecordBatch, row int) []byte {
	for _, c := range b.Columns() {
		dst = AppendImage(dst, c, row)
	}
	return dst
}

// AppendImage appends what is equal for equal values, and for no others of their
// type: the value as it lies in memory.
func AppendImage(dst []byte, a arrow.Array, row int) []byte {
	if a.IsNull(row) {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	switch a := a.(type) {
	case *array.Boolean:
		return append(dst, byte(bit(a.Value(row))))
	case *array.String, *array.Binary:
		x := bytesAt(a, row)
		return append(binary.AppendUvarint(dst, uint64(len(x))), x...)
	case *array.Struct:
		l, _ := datum.ListsOf(a)
		from, to := l.Range(row)
		dst = binary.AppendUvarint(dst, uint64(to-from))
		for i := from; i < to; i++ {
			dst = AppendImage(dst, l.Values(), i)
		}
		return AppendImage(dst, l.Shapes, row)
	}
	width := a.DataType().(arrow.FixedWidthDataType).Bytes()
	at := (a.Data().Offset() + row) * width
	return append(dst, a.Data().Buffers()[1].Bytes()[at:at+width]...)
}
