package chunk

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// takePieces returns the rows of pieces of several arrays of type t, in the order
// of the pieces and by rising row within each, as a new array that the caller
// releases. Arrays that no piece names may be nil; rows is the sum of the pieces.
func takePieces(mem memory.Allocator, t datum.Type, arrays []arrow.Array, pieces []piece, rows int) (arrow.Array, error) {
	o := newOutput(mem, t)
	defer o.release()
	o.reserve(rows)
	if err := o.takePieces(arrays, pieces, rows); err != nil {
		return nil, err
	}
	return o.finish(), nil
}

func (o *output) takePieces(arrays []arrow.Array, pieces []piece, rows int) error {
	if rows == 0 {
		return nil
	}
	o.validPieces(arrays, pieces, rows)
	o.rows += rows
	switch o.dt.ID() {
	case arrow.BOOL:
		o.boolPieces(arrays, pieces)
		return nil
	case arrow.STRING, arrow.BINARY:
		src := make([]stringSource, len(arrays))
		for i, a := range arrays {
			src[i] = arrayStrings(a)
		}
		return o.stringPieces(src, pieces, rows)
	case arrow.STRUCT:
		return o.arrayPieces(arrays, pieces, rows)
	}
	f, ok := o.dt.(arrow.FixedWidthDataType)
	if !ok {
		return pgerr.Unsupported("columns of type %v cannot be stored", o.typ)
	}
	switch f.Bytes() {
	case 2:
		fixedPieces[uint16](o, arrays, pieces, rows)
	case 4:
		fixedPieces[uint32](o, arrays, pieces, rows)
	case 8:
		fixedPieces[uint64](o, arrays, pieces, rows)
	case 16:
		fixedPieces[[16]byte](o, arrays, pieces, rows)
	case 12:
		fixedPieces[[12]byte](o, arrays, pieces, rows)
	default:
		return pgerr.Unsupported("columns of type %v cannot be stored", o.typ)
	}
	return nil
}

// validPieces appends the validity of the rows, if there is a NULL anywhere.
func (o *output) validPieces(arrays []arrow.Array, pieces []piece, rows int) {
	some := o.valid != nil
	for _, a := range arrays {
		some = some || a != nil && a.NullN() > 0
	}
	if !some {
		return
	}
	o.startValid()
	if need := (o.rows + rows + 7) / 8; need > o.valid.Len() {
		clear(extend(o.valid, need-o.valid.Len()))
	}
	dst := o.valid.Bytes()
	at := o.rows
	for _, p := range pieces {
		n, row := int(p.n), int(p.row)
		a := arrays[p.src]
		if a.NullN() == 0 {
			bitutil.SetBitsTo(dst, int64(at), int64(n), true)
			at += n
			continue
		}
		null := a.NullBitmapBytes()
		from := a.Data().Offset() + row
		for i := range n {
			if bitutil.BitIsSet(null, from+i) {
				bitutil.SetBit(dst, at+i)
			} else {
				o.nulls++
			}
		}
		at += n
	}
}

func (o *output) boolPieces(arrays []arrow.Array, pieces []piece) {
	if need := (o.rows + 7) / 8; need > o.data.Len() {
		clear(extend(o.data, need-o.data.Len()))
	}
	dst := o.data.Bytes()
	at := o.rows
	for _, p := range pieces {
		at -= int(p.n)
	}
	for _, p := range pieces {
		a := arrays[p.src].(*array.Boolean)
		for i := range int(p.n) {
			if a.Value(int(p.row) + i) {
				bitutil.SetBit(dst, at+i)
			}
		}
		at += int(p.n)
	}
}

// fixedValues returns the values of an array of fixed width, NULL slots included.
func fixedValues[T any](a arrow.Array) []T {
	b := a.Data().Buffers()[1]
	if a.Len() == 0 || b == nil {
		return nil
	}
	p := (*T)(unsafe.Pointer(unsafe.SliceData(b.Bytes())))
	return unsafe.Slice(p, a.Data().Offset()+a.Len())[a.Data().Offset():]
}

func fixedPieces[T any](o *output, arrays []arrow.Array, pieces []piece, rows int) {
	src := make([][]T, len(arrays))
	for i, a := range arrays {
		if a != nil {
			src[i] = fixedValues[T](a)
		}
	}
	dst := numbers[T](o, rows)
	for _, p := range pieces {
		from := src[p.src][p.row:]
		if p.n == 1 {
			dst[0], dst = from[0], dst[1:]
			continue
		}
		dst = dst[copy(dst, from[:p.n]):]
	}
}

func (o *output) arrayPieces(arrays []arrow.Array, pieces []piece, rows int) error {
	lists, shapes := make([]arrow.Array, len(arrays)), make([]stringSource, len(arrays))
	for i, a := range arrays {
		if a != nil {
			l, _ := datum.ListsOf(a)
			lists[i], shapes[i] = l.Elements, arrayStrings(l.Shapes)
		}
	}
	o.list.rows += rows
	o.shape.rows += rows
	if err := o.shape.stringPieces(shapes, pieces, rows); err != nil {
		return err
	}
	return o.list.listPieces(lists, pieces, rows)
}

func offsetsOf(a arrow.Array) []int32 {
	switch a := a.(type) {
	case *array.String:
		return a.ValueOffsets()
	case *array.Binary:
		return a.ValueOffsets()
	case *array.List:
		return a.Offsets()[a.Data().Offset():]
	}
	panic("chunk: bug: no offsets: " + a.DataType().String())
}

// A stringSource holds strings that pieces are taken from: those of an array, or
// entries of a dictionary by the codes of rows.
type stringSource struct {
	offsets []int32 // one more than rows
	data    []byte
	entries *codec.Strings // nil: not a dictionary
	codes   []int32
}

func arrayStrings(a arrow.Array) (s stringSource) {
	if a == nil || a.Len() == 0 {
		return s
	}
	s.offsets = offsetsOf(a)
	if b := a.Data().Buffers()[2]; b != nil {
		s.data = b.Bytes()
	}
	return s
}

// size returns the bytes of a piece's strings.
func (s *stringSource) size(p piece) (n int64) {
	if s.entries == nil {
		x := s.offsets[p.row:]
		return int64(x[p.n] - x[0])
	}
	for _, c := range s.codes[p.row:][:p.n] {
		n += s.entries.Offsets[c+1] - s.entries.Offsets[c]
	}
	return n
}

// stringPieces appends the strings of pieces.
func (o *output) stringPieces(src []stringSource, pieces []piece, rows int) error {
	total := int64(0)
	for _, p := range pieces {
		total += src[p.src].size(p)
	}
	last, offs := o.space(rows)
	if last+total > math.MaxInt32 {
		return tooLarge()
	}
	data := extend(o.data, int(total))
	end := int32(last)
	for _, p := range pieces {
		s := &src[p.src]
		if s.entries == nil {
			x := s.offsets[p.row:][:p.n+1]
			data = data[copy(data, s.data[x[0]:x[p.n]]):]
			end, offs = putOffsets(offs, end, x)
			continue
		}
		for _, c := range s.codes[p.row:][:p.n] {
			n := copy(data, s.entries.Data[s.entries.Offsets[c]:s.entries.Offsets[c+1]])
			data = data[n:]
			end += int32(n)
			binary.LittleEndian.PutUint32(offs, uint32(end))
			offs = offs[4:]
		}
	}
	return nil
}

// putOffsets writes the ends of strings, given their offsets in the source, after
// a string that ends at end.
func putOffsets(dst []byte, end int32, x []int32) (int32, []byte) {
	delta := end - x[0]
	for _, y := range x[1:] {
		binary.LittleEndian.PutUint32(dst, uint32(y+delta))
		dst = dst[4:]
	}
	return x[len(x)-1] + delta, dst
}

// listPieces appends lists; their elements are pieces of the elements.
func (o *output) listPieces(arrays []arrow.Array, pieces []piece, rows int) error {
	offsets := make([][]int32, len(arrays))
	children := make([]arrow.Array, len(arrays))
	for i, a := range arrays {
		if a != nil && a.Len() > 0 {
			offsets[i] = offsetsOf(a)
			children[i] = a.(*array.List).ListValues()
		}
	}
	elements := make([]piece, 0, len(pieces))
	total := int64(0)
	last, offs := o.space(rows)
	end := int32(last)
	for _, p := range pieces {
		x := offsets[p.src][p.row:][:p.n+1]
		n := x[p.n] - x[0]
		if total += int64(n); last+total > math.MaxInt32 {
			return tooLarge()
		}
		if n > 0 {
			elements = append(elements, piece{p.src, x[0], n})
		}
		end, offs = putOffsets(offs, end, x)
	}
	return o.child.takePieces(children, elements, int(total))
}
