package chunk

import (
	"encoding/binary"
	"math"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Take returns the given rows of an array of type t, in their order, as a new
// array that the caller releases. A nil allocator is the default one.
func Take(mem memory.Allocator, t datum.Type, a arrow.Array, rows []int32) (arrow.Array, error) {
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	o := newOutput(mem, t)
	defer o.release()
	if err := o.take(a, rows); err != nil {
		return nil, err
	}
	return o.finish(), nil
}

// TakeBatch returns the given rows of a batch, in their order, as a new batch that
// the caller releases. The batch's columns are the layout's, or the first of
// them. A nil allocator is the default one.
func TakeBatch(mem memory.Allocator, l *Layout, batch arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	return takeBatches(mem, l, []arrow.RecordBatch{batch}, rows)
}

// takeBatches is TakeBatch for rows that are counted through several batches of
// one schema. Rows that are neighbours are copied at once. A single batch of which
// all rows are taken in order is shared.
func takeBatches(mem memory.Allocator, l *Layout, batches []arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	pieces := piecesOf(batches, rows)
	if len(batches) == 1 && len(pieces) == 1 && len(rows) == int(batches[0].NumRows()) {
		batches[0].Retain()
		return batches[0], nil
	}
	columns := make([]arrow.Array, 0, batches[0].NumCols())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	arrays := make([]arrow.Array, len(batches))
	for k := range int(batches[0].NumCols()) {
		for i, b := range batches {
			arrays[i] = b.Column(k)
		}
		c, err := takePieces(mem, l.Columns[k].Type, arrays, pieces, len(rows))
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return array.NewRecordBatch(batches[0].Schema(), columns, int64(len(rows))), nil
}

// piecesOf finds the pieces of rows that are counted through the batches.
func piecesOf(batches []arrow.RecordBatch, rows []int32) []piece {
	starts := make([]int32, len(batches)+1)
	for i, b := range batches {
		starts[i+1] = starts[i] + int32(b.NumRows())
	}
	var out []piece
	src := 0
	for i := 0; i < len(rows); {
		first := rows[i]
		if first < starts[src] || first >= starts[src+1] {
			src = sort.Search(len(batches), func(k int) bool { return first < starts[k+1] })
		}
		n := int32(1)
		for most := min(starts[src+1]-first, int32(len(rows)-i)); n < most && rows[i+int(n)] == first+n; {
			n++
		}
		out = append(out, piece{int32(src), first - starts[src], n})
		i += int(n)
	}
	return out
}

func (o *output) take(a arrow.Array, rows []int32) error {
	n := len(rows)
	if n == 0 {
		return nil
	}
	if a.NullN() > 0 {
		o.takeValid(a, rows)
	}
	at := o.rows
	o.rows += n
	switch a := a.(type) {
	case *array.Boolean:
		if need := (o.rows + 7) / 8; need > o.data.Len() {
			clear(extend(o.data, need-o.data.Len()))
		}
		dst := o.data.Bytes()
		for i, r := range rows {
			if a.Value(int(r)) {
				dst[(at+i)/8] |= 1 << ((at + i) % 8)
			}
		}
	case *array.Int16:
		gather(numbers[int16](o, n), a.Int16Values(), rows)
	case *array.Int32:
		gather(numbers[int32](o, n), a.Int32Values(), rows)
	case *array.Int64:
		gather(numbers[int64](o, n), a.Int64Values(), rows)
	case *array.Uint32:
		gather(numbers[uint32](o, n), a.Uint32Values(), rows)
	case *array.Float32:
		takeFixed(o, a.Float32Values(), rows)
	case *array.Float64:
		takeFixed(o, a.Float64Values(), rows)
	case *array.Date32:
		takeFixed(o, a.Date32Values(), rows)
	case *array.Time64:
		takeFixed(o, a.Time64Values(), rows)
	case *array.Timestamp:
		takeFixed(o, a.TimestampValues(), rows)
	case *array.String, *array.Binary:
		return o.takeBytes(a, rows)
	case *array.FixedSizeBinary:
		w := a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth
		p := extend(o.data, n*w)
		for i, r := range rows {
			if a.IsNull(int(r)) {
				clear(p[i*w : (i+1)*w])
			} else {
				copy(p[i*w:], a.Value(int(r)))
			}
		}
	case *array.Struct:
		if o.list == nil {
			return pgerr.Unsupported("columns of type %v cannot be stored", o.typ)
		}
		l, _ := datum.ListsOf(a)
		o.list.rows += n
		o.shape.rows += n
		if err := o.shape.takeBytes(l.Shapes, rows); err != nil {
			return err
		}
		return o.list.takeLists(l.Elements, rows)
	default:
		return pgerr.Unsupported("columns of type %v cannot be stored", o.typ)
	}
	return nil
}

func takeFixed[T any](o *output, src []T, rows []int32) {
	dst := numbers[T](o, len(rows))
	for i, r := range rows {
		dst[i] = src[r]
	}
}

func (o *output) takeValid(a arrow.Array, rows []int32) {
	o.startValid()
	if need := (o.rows + len(rows) + 7) / 8; need > o.valid.Len() {
		clear(extend(o.valid, need-o.valid.Len()))
	}
	dst := o.valid.Bytes()
	for i, r := range rows {
		if a.IsNull(int(r)) {
			o.nulls++
		} else {
			dst[(o.rows+i)/8] |= 1 << ((o.rows + i) % 8)
		}
	}
}

func (o *output) takeBytes(a arrow.Array, rows []int32) error {
	src := arrayStrings(a)
	total := int64(0)
	for _, r := range rows {
		total += int64(src.offsets[r+1] - src.offsets[r])
	}
	last, offs := o.space(len(rows))
	if last+total > math.MaxInt32 {
		return tooLarge()
	}
	data := extend(o.data, int(total))
	end := uint32(last)
	for i, r := range rows {
		n := copy(data, src.data[src.offsets[r]:src.offsets[r+1]])
		data = data[n:]
		end += uint32(n)
		binary.LittleEndian.PutUint32(offs[4*i:], end)
	}
	return nil
}

func (o *output) takeLists(a *array.List, rows []int32) error {
	last, offs := o.space(len(rows))
	var elems []int32
	for i, r := range rows {
		if a.IsValid(int(r)) {
			from, to := a.ValueOffsets(int(r))
			for k := from; k < to; k++ {
				elems = append(elems, int32(k))
			}
		}
		if last+int64(len(elems)) > math.MaxInt32 {
			return tooLarge()
		}
		binary.LittleEndian.PutUint32(offs[4*i:], uint32(last)+uint32(len(elems)))
	}
	return o.child.take(a.ListValues(), elems)
}
