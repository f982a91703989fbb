package chunk

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// values are the values of an Arrow array in the form that codec takes. Slots
// of NULLs repeat a neighbour, which costs least in every encoding.
type values struct {
	form  form
	rows  int
	nulls int
	null  []uint64 // bit i: row i is NULL; nil if none is
	ints  []int64  // formInts, formScaled; the lengths of formList
	f32   []float32
	f64   []float64
	bits  []uint64
	strs  codec.Strings
	scale int32 // of formScaled
	wide  *wide // of formWide
	child *values
	shape *codec.Strings // of formShaped: the dimensions of each list
}

func (v *values) isNull(i int) bool { return v.null != nil && v.null[i>>6]>>(i&63)&1 != 0 }

// repeats says whether string i, which is not NULL, is the one before, which is
// not NULL either: what looks for extremes or for different values has seen it.
func (v *values) repeats(i int) bool {
	return i > 0 && !v.isNull(i-1) && bytes.Equal(v.strs.At(i), v.strs.At(i-1))
}

// extract copies the values of an array of type t, but for the bytes of strings,
// which it shares if it can.
func extract(t datum.Type, a arrow.Array) (*values, error) {
	f, ok := formOf(t)
	if !ok {
		return nil, pgerr.Unsupported("columns of type %v cannot be stored", t)
	}
	v := &values{form: f, rows: a.Len(), nulls: a.NullN()}
	if v.nulls > 0 {
		v.null = make([]uint64, (v.rows+63)/64)
		for i := range v.rows {
			if a.IsNull(i) {
				v.null[i>>6] |= 1 << (i & 63)
			}
		}
	}
	switch f {
	case formInts:
		v.ints = intsOf(a)
		fillNulls(v, v.ints)
	case formFloat32:
		v.f32 = append([]float32(nil), a.(*array.Float32).Float32Values()...)
		fillNulls(v, v.f32)
	case formFloat64:
		v.f64 = append([]float64(nil), a.(*array.Float64).Float64Values()...)
		fillNulls(v, v.f64)
	case formBits:
		v.bits = make([]uint64, (v.rows+63)/64)
		b := a.(*array.Boolean)
		last := false
		for i := range v.rows {
			if !v.isNull(i) {
				last = b.Value(i)
			}
			if last {
				v.bits[i>>6] |= 1 << (i & 63)
			}
		}
	case formBytes:
		v.extractBytes(t, a)
	case formList:
		return v, v.extractList(t, a)
	}
	return v, nil
}

// intsOf copies the integers of an array of an integer-like type.
func intsOf(a arrow.Array) []int64 {
	out := make([]int64, a.Len())
	copyInts(out, a, 0)
	return out
}

// copyInts copies the integers from row from on, NULL slots as they are.
func copyInts(out []int64, a arrow.Array, from int) {
	n := len(out)
	switch a := a.(type) {
	case *array.Int16:
		widenInts(out, a.Int16Values()[from:from+n])
	case *array.Int32:
		widenInts(out, a.Int32Values()[from:from+n])
	case *array.Int64:
		copy(out, a.Int64Values()[from:from+n])
	case *array.Uint32:
		widenInts(out, a.Uint32Values()[from:from+n])
	case *array.Date32:
		widenInts(out, a.Date32Values()[from:from+n])
	case *array.Time64:
		widenInts(out, a.Time64Values()[from:from+n])
	case *array.Timestamp:
		widenInts(out, a.TimestampValues()[from:from+n])
	default:
		panic("chunk: bug: not integers: " + a.DataType().String())
	}
}

func widenInts[T ~int16 | ~int32 | ~int64 | ~uint32](out []int64, in []T) {
	for i, x := range in {
		out[i] = int64(x)
	}
}

// fillNulls sets NULL slots to the value before, or the first one to come.
func fillNulls[T any](v *values, x []T) {
	if v.nulls == 0 || v.nulls == v.rows {
		return
	}
	first := 0
	for v.isNull(first) {
		first++
	}
	last := x[first]
	for i := range x {
		if v.isNull(i) {
			x[i] = last
		} else {
			last = x[i]
		}
	}
}

// bytesAt returns the bytes of row i of a string, binary or fixed-size array.
func bytesAt(a arrow.Array, i int) []byte {
	switch a := a.(type) {
	case *array.String:
		s := a.Value(i)
		return unsafe.Slice(unsafe.StringData(s), len(s)) // read only, as all that arrays hold
	case *array.Binary:
		return a.Value(i)
	case *array.FixedSizeBinary:
		return a.Value(i)
	}
	panic("chunk: bug: no bytes: " + a.DataType().String())
}

// stringOf is b as a string in b's memory, which is not modified as long as the
// string is in use.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (v *values) extractBytes(t datum.Type, a arrow.Array) {
	if t.OID == datum.Numeric && v.extractScaled(a.(*array.Binary)) {
		return
	}
	v.extractStrings(a)
	if t.OID == datum.Numeric {
		v.extractWide(a.(*array.Binary))
	}
}

func (v *values) extractStrings(a arrow.Array) {
	if a.DataType().ID() != arrow.FIXED_SIZE_BINARY {
		v.strs = sharedStrings(a)
		if v.nulls == 0 {
			return
		}
	}
	v.strs = codec.Strings{Offsets: make([]int64, 1, v.rows+1), Data: make([]byte, 0, len(v.strs.Data))}
	var last []byte
	width := 0
	if f, ok := a.DataType().(*arrow.FixedSizeBinaryType); ok {
		width = f.ByteWidth
		last = make([]byte, width) // keeps the lengths constant before the first value
	}
	for i := range v.rows {
		// A long string before a NULL is not worth repeating.
		if v.isNull(i) && width == 0 && len(last) > 64 {
			last = nil
		} else if !v.isNull(i) {
			last = bytesAt(a, i)
		}
		v.strs.Append(last)
	}
}

// sharedStrings returns the strings of an array with the bytes in its memory:
// the encoders only read them.
func sharedStrings(a arrow.Array) codec.Strings {
	src := arrayStrings(a)
	if len(src.offsets) == 0 {
		return codec.Strings{Offsets: []int64{0}}
	}
	first, last := src.offsets[0], src.offsets[len(src.offsets)-1]
	s := codec.Strings{Offsets: make([]int64, len(src.offsets)), Data: src.data[first:last:last]}
	for i, o := range src.offsets {
		s.Offsets[i] = int64(o - first)
	}
	return s
}

// extractScaled takes numerics as integers if all are finite, of one scale and
// small enough; the bytes must come back the same.
func (v *values) extractScaled(a *array.Binary) bool {
	ints := make([]int64, v.rows)
	seen := false
	var scale int32
	var back [16]byte
	for i := range ints {
		if v.isNull(i) {
			continue
		}
		x, s, ok := datum.NumericInt(a.Value(i))
		if !ok || seen && s != scale {
			return false
		}
		if !bytes.Equal(datum.AppendNumericInt(back[:0], x, s), a.Value(i)) {
			return false
		}
		ints[i], scale, seen = x, s, true
	}
	v.form, v.ints, v.scale = formScaled, ints, scale
	fillNulls(v, v.ints)
	return true
}

// maxElements bounds the elements of a chunk's lists; a Builder cuts chunks so
// that only a single array can reach it (maxChunkBytes).
const maxElements = maxChunkBytes / 4

func (v *values) extractList(t datum.Type, arrays arrow.Array) error {
	elem, _ := t.Elem()
	lists, _ := datum.ListsOf(arrays)
	a := lists.Elements
	v.extractShapes(lists.Shapes)
	v.ints = make([]int64, v.rows)
	total := 0
	whole := v.nulls == 0
	for i := range v.rows {
		if v.isNull(i) {
			continue
		}
		from, to := a.ValueOffsets(i)
		v.ints[i] = to - from
		total += int(to - from)
	}
	child := a.ListValues()
	if v.rows > 0 && whole {
		from, _ := a.ValueOffsets(0)
		child = array.NewSlice(child, from, from+int64(total))
		defer child.Release()
	} else if v.rows > 0 {
		// Elements of NULL rows are left out.
		rows := make([]int32, 0, total)
		for i := range v.rows {
			if !v.isNull(i) {
				from, to := a.ValueOffsets(i)
				for k := from; k < to; k++ {
					rows = append(rows, int32(k))
				}
			}
		}
		taken, err := Take(nil, elem, child, rows)
		if err != nil {
			return err
		}
		defer taken.Release()
		child = taken
	}
	if total > maxElements {
		return pgerr.New(pgerr.ProgramLimitExceeded, "arrays with more than %d elements cannot be stored", maxElements)
	}
	var err error
	v.child, err = extract(elem, child)
	return err
}

// extractShapes takes the dimensions of lists, if any has some of its own.
func (v *values) extractShapes(a *array.Binary) {
	var shape codec.Strings
	for i := range v.rows {
		if v.isNull(i) || len(a.Value(i)) == 0 {
			if v.shape != nil {
				shape.Append(nil)
			}
			continue
		}
		if v.shape == nil {
			v.form, v.shape = formShaped, &shape
			for range i {
				shape.Append(nil)
			}
		}
		shape.Append(a.Value(i))
	}
}

// appendTo appends the null mask and the values.
func (v *values) appendTo(dst []byte, e codec.Effort) []byte {
	var mask []byte
	if v.nulls > 0 && v.nulls < v.rows {
		mask = codec.AppendBits(nil, v.null, v.rows)
	}
	var encoded []byte
	if v.nulls < v.rows {
		encoded = v.appendValues(nil, e)
		if m, marked, ok := v.encodeMarked(e, mask, encoded); ok {
			mask, encoded = m, marked
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(mask)))
	return append(append(dst, mask...), encoded...)
}

// appendValues appends the values, NULL slots as they are.
func (v *values) appendValues(dst []byte, e codec.Effort) []byte {
	switch v.form {
	case formInts:
		return e.AppendInts(dst, v.ints)
	case formScaled:
		return e.AppendInts(binary.AppendVarint(dst, int64(v.scale)), v.ints)
	case formFloat32:
		return codec.AppendFloatsBy(e, dst, v.f32)
	case formFloat64:
		return codec.AppendFloatsBy(e, dst, v.f64)
	case formBits:
		return codec.AppendBits(dst, v.bits, v.rows)
	case formBytes:
		return e.AppendBytes(dst, &v.strs)
	case formWide:
		return v.wide.appendTo(dst)
	}
	if v.shape != nil {
		shapes := e.AppendBytes(nil, v.shape)
		dst = append(binary.AppendUvarint(dst, uint64(len(shapes))), shapes...)
	}
	lengths := e.AppendInts(nil, v.ints)
	dst = binary.AppendUvarint(dst, uint64(len(lengths)))
	dst = append(dst, lengths...)
	dst = binary.AppendUvarint(dst, uint64(v.child.rows))
	dst = binary.AppendUvarint(dst, uint64(v.child.nulls))
	dst = append(dst, byte(v.child.form))
	return v.child.appendTo(dst, e)
}

// sumInts adds the selected integers in 128 bits.
func sumInts(v []int64, sel *codec.Bits, all bool) (hi int64, lo uint64) {
	// The halves are added apart: neither can overflow within a vector.
	var low, high int64
	if all {
		for _, x := range v {
			low += int64(uint32(x))
			high += x >> 32
		}
	} else {
		for i, x := range v {
			m := -int64(sel[i>>6] >> (i & 63) & 1)
			x &= m
			low += int64(uint32(x))
			high += x >> 32
		}
	}
	hi, lo = high>>32, uint64(high)<<32
	return add128(hi, lo, 0, uint64(low))
}

func add128(hi int64, lo uint64, hi2 int64, lo2 uint64) (int64, uint64) {
	sum := lo + lo2
	hi += hi2
	if sum < lo {
		hi++
	}
	return hi, sum
}

// nullRows copies the null bits of an array's rows from..from+n-1 as a set.
func nullRows(a arrow.Array, from, n int, out *codec.Bits) {
	*out = codec.Bits{}
	if a.NullN() == 0 {
		return
	}
	if a.DataType().ID() == arrow.NULL {
		out.Fill(n)
		return
	}
	bitmap := a.NullBitmapBytes()
	at := a.Data().Offset() + from
	for i := range n {
		if !bitutil.BitIsSet(bitmap, at+i) {
			out.Set(i)
		}
	}
}
