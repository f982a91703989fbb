package exec

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A rowRef names a row of a list of batches: batch<<batchBits | row. noRow
// stands for a row of NULLs.
type rowRef uint32

const (
	batchBits = 13 // log2(maxBatchRows)
	rowMask   = 1<<batchBits - 1
	noRow     = ^rowRef(0)
	// maxRefBatches is how many batches references can tell apart.
	maxRefBatches = 1<<(32-batchBits) - 1
)

func makeRef(batch, row int) rowRef { return rowRef(batch<<batchBits | row) }
func (r rowRef) batch() int         { return int(r >> batchBits) }
func (r rowRef) row() int           { return int(r & rowMask) }

// gatherBatch returns the rows of b at idx, in that order.
func gatherBatch(mem memory.Allocator, b arrow.RecordBatch, idx []int32) arrow.RecordBatch {
	cols := make([]arrow.Array, b.NumCols())
	for i := range cols {
		cols[i] = gather(mem, b.Column(i), idx)
	}
	defer releaseAll(cols)
	return batchOf(b.Schema(), cols, int64(len(idx)))
}

// gather returns the elements of a at idx; a negative index gives NULL.
func gather(mem memory.Allocator, a arrow.Array, idx []int32) arrow.Array {
	switch a := a.(type) {
	case *array.Null:
		return array.NewNull(len(idx))
	case *array.Boolean:
		return gatherBool(mem, a, idx)
	case *array.List:
		return gatherList(mem, a, idx)
	case *array.Struct:
		return gatherStruct(mem, a, idx)
	case array.BinaryLike:
		return gatherBinary(mem, a, idx)
	}
	w := byteWidth(a.DataType())
	values := memory.NewResizableBuffer(mem)
	values.Resize(len(idx) * w)
	src, dst := fixedBytes(a, w), values.Bytes()
	switch w {
	case 2:
		gatherFixed(view[uint16](dst), view[uint16](src), idx)
	case 4:
		gatherFixed(view[uint32](dst), view[uint32](src), idx)
	case 8:
		gatherFixed(view[uint64](dst), view[uint64](src), idx)
	case 12:
		gatherFixed(view[[12]byte](dst), view[[12]byte](src), idx)
	case 16:
		gatherFixed(view[[16]byte](dst), view[[16]byte](src), idx)
	default:
		panic(fmt.Sprintf("exec: bug: no gather for %s", a.DataType()))
	}
	valid, nulls := gatherValidity(mem, a, idx)
	return makeArray(a.DataType(), len(idx), nulls, valid, values)
}

func gatherFixed[T any](dst, src []T, idx []int32) {
	dst = dst[:len(idx)]
	for k, i := range idx {
		if i >= 0 {
			dst[k] = src[i]
		} else {
			var zero T
			dst[k] = zero
		}
	}
}

func gatherBool(mem memory.Allocator, a *array.Boolean, idx []int32) arrow.Array {
	values := newBitmap(mem, len(idx))
	bits := values.Bytes()
	for k, i := range idx {
		if i >= 0 && a.Value(int(i)) {
			bitutil.SetBit(bits, k)
		}
	}
	valid, nulls := gatherValidity(mem, a, idx)
	return makeArray(a.DataType(), len(idx), nulls, valid, values)
}

func gatherBinary(mem memory.Allocator, a array.BinaryLike, idx []int32) arrow.Array {
	offsets, data := binaryParts(a)
	total := 0
	for _, i := range idx {
		if i >= 0 {
			total += int(offsets[i+1] - offsets[i])
		}
	}
	checkBinaryBytes(total)
	obuf, vbuf := memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
	obuf.Resize(4 * (len(idx) + 1))
	vbuf.Resize(total)
	out, at := view[int32](obuf.Bytes()), 0
	dst := vbuf.Bytes()
	out[0] = 0
	for k, i := range idx {
		if i >= 0 {
			at += copy(dst[at:], data[offsets[i]:offsets[i+1]])
		}
		out[k+1] = int32(at)
	}
	valid, nulls := gatherValidity(mem, a, idx)
	return makeArray(a.DataType(), len(idx), nulls, valid, obuf, vbuf)
}

func gatherList(mem memory.Allocator, a *array.List, idx []int32) arrow.Array {
	offsets := memory.NewResizableBuffer(mem)
	offsets.Resize(4 * (len(idx) + 1))
	out := view[int32](offsets.Bytes())
	out[0] = 0
	var child []int32
	for k, i := range idx {
		if i >= 0 && a.IsValid(int(i)) {
			from, to := a.ValueOffsets(int(i))
			for j := from; j < to; j++ {
				child = append(child, int32(j))
			}
		}
		out[k+1] = int32(len(child))
	}
	values := gather(mem, a.ListValues(), child)
	defer values.Release()
	valid, nulls := gatherValidity(mem, a, idx)
	return makeNested(a.DataType(), len(idx), nulls, []*memory.Buffer{valid, offsets}, values)
}

func gatherStruct(mem memory.Allocator, a *array.Struct, idx []int32) arrow.Array {
	fields := make([]arrow.Array, a.NumField())
	for i := range fields {
		fields[i] = gather(mem, a.Field(i), idx)
	}
	defer releaseAll(fields)
	valid, nulls := gatherValidity(mem, a, idx)
	return makeNested(a.DataType(), len(idx), nulls, []*memory.Buffer{valid}, fields...)
}

// gatherValidity returns the bitmap of the gathered rows, nil if none is NULL.
func gatherValidity(mem memory.Allocator, a arrow.Array, idx []int32) (*memory.Buffer, int) {
	none := a.NullN() == 0
	if none {
		missing := int32(0)
		for _, i := range idx {
			missing |= i
		}
		if missing >= 0 {
			return nil, 0
		}
	}
	valid := newBitmap(mem, len(idx))
	bits, nulls := valid.Bytes(), 0
	for k, i := range idx {
		if i >= 0 && (none || a.IsValid(int(i))) {
			bitutil.SetBit(bits, k)
		} else {
			nulls++
		}
	}
	return valid, nulls
}

// gatherRefs returns the elements that refs name of one column of several
// batches; srcs[i] is the column in batch i.
func gatherRefs(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, refs []rowRef) arrow.Array {
	switch dt.ID() {
	case arrow.NULL:
		return array.NewNull(len(refs))
	case arrow.BOOL:
		return gatherBoolRefs(mem, dt, srcs, refs)
	case arrow.LIST:
		return gatherSlices(mem, dt, srcs, refs)
	case arrow.STRUCT:
		return gatherStructRefs(mem, dt, srcs, refs)
	case arrow.STRING, arrow.BINARY:
		return gatherBinaryRefs(mem, dt, srcs, refs)
	}
	w := byteWidth(dt)
	values := memory.NewResizableBuffer(mem)
	values.Resize(len(refs) * w)
	raw := make([][]byte, len(srcs))
	for i, s := range srcs {
		if s != nil {
			raw[i] = fixedBytes(s, w)
		}
	}
	dst := values.Bytes()
	switch w {
	case 2:
		gatherFixedRefs[uint16](dst, raw, refs)
	case 4:
		gatherFixedRefs[uint32](dst, raw, refs)
	case 8:
		gatherFixedRefs[uint64](dst, raw, refs)
	case 12:
		gatherFixedRefs[[12]byte](dst, raw, refs)
	case 16:
		gatherFixedRefs[[16]byte](dst, raw, refs)
	default:
		panic(fmt.Sprintf("exec: bug: no gather for %s", dt))
	}
	valid, nulls := gatherValidityRefs(mem, srcs, refs)
	return makeArray(dt, len(refs), nulls, valid, values)
}

func gatherFixedRefs[T any](dst []byte, srcs [][]byte, refs []rowRef) {
	out := view[T](dst)[:len(refs)]
	vals := make([][]T, len(srcs))
	for i, s := range srcs {
		vals[i] = view[T](s)
	}
	for k, r := range refs {
		if r != noRow {
			out[k] = vals[r.batch()][r.row()]
		} else {
			var zero T
			out[k] = zero
		}
	}
}

func gatherBoolRefs(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, refs []rowRef) arrow.Array {
	values := newBitmap(mem, len(refs))
	bits := values.Bytes()
	for k, r := range refs {
		if r != noRow && srcs[r.batch()].(*array.Boolean).Value(r.row()) {
			bitutil.SetBit(bits, k)
		}
	}
	valid, nulls := gatherValidityRefs(mem, srcs, refs)
	return makeArray(dt, len(refs), nulls, valid, values)
}

func gatherBinaryRefs(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, refs []rowRef) arrow.Array {
	type part struct {
		offsets []int32
		data    []byte
	}
	parts := make([]part, len(srcs))
	for i, s := range srcs {
		if s != nil {
			parts[i].offsets, parts[i].data = binaryParts(s.(array.BinaryLike))
		}
	}
	total := 0
	for _, r := range refs {
		if r != noRow {
			o := parts[r.batch()].offsets
			total += int(o[r.row()+1] - o[r.row()])
		}
	}
	checkBinaryBytes(total)
	obuf, vbuf := memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
	obuf.Resize(4 * (len(refs) + 1))
	vbuf.Resize(total)
	out, at := view[int32](obuf.Bytes()), 0
	dst := vbuf.Bytes()
	out[0] = 0
	for k, r := range refs {
		if r != noRow {
			p := &parts[r.batch()]
			at += copy(dst[at:], p.data[p.offsets[r.row()]:p.offsets[r.row()+1]])
		}
		out[k+1] = int32(at)
	}
	valid, nulls := gatherValidityRefs(mem, srcs, refs)
	return makeArray(dt, len(refs), nulls, valid, obuf, vbuf)
}

// gatherSlices gathers lists, whose elements references cannot name: the sources
// that are used are joined first.
func gatherSlices(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, refs []rowRef) arrow.Array {
	start := make([]int32, len(srcs))
	for i := range start {
		start[i] = -1
	}
	var used []arrow.Array
	next := int32(0)
	idx := make([]int32, len(refs))
	for k, r := range refs {
		if r == noRow {
			idx[k] = -1
			continue
		}
		b := r.batch()
		if start[b] < 0 {
			start[b] = next
			next += int32(srcs[b].Len())
			used = append(used, srcs[b])
		}
		idx[k] = start[b] + int32(r.row())
	}
	if len(used) == 0 {
		return array.MakeArrayOfNull(mem, dt, len(refs))
	}
	all, err := array.Concatenate(used, mem)
	if err != nil {
		panic(fmt.Sprintf("exec: bug: concatenate %s: %v", dt, err))
	}
	defer all.Release()
	return gather(mem, all, idx)
}

func gatherStructRefs(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, refs []rowRef) arrow.Array {
	for _, s := range srcs { // what records are made of only the values know
		if s != nil && s.(*array.Struct).NumField() > dt.(*arrow.StructType).NumFields() {
			dt = s.DataType()
		}
	}
	types := dt.(*arrow.StructType).Fields()
	fields := make([]arrow.Array, len(types))
	part := make([]arrow.Array, len(srcs))
	var empty []arrow.Array
	defer func() { releaseAll(empty) }()
	for i := range fields {
		for j, s := range srcs {
			switch {
			case s == nil:
			case s.(*array.Struct).NumField() == 0: // nothing but NULLs
				part[j] = array.MakeArrayOfNull(mem, types[i].Type, s.Len())
				empty = append(empty, part[j])
			default:
				part[j] = s.(*array.Struct).Field(i)
			}
		}
		fields[i] = gatherRefs(mem, types[i].Type, part, refs)
	}
	defer releaseAll(fields)
	valid, nulls := gatherValidityRefs(mem, srcs, refs)
	return makeNested(dt, len(refs), nulls, []*memory.Buffer{valid}, fields...)
}

func gatherValidityRefs(mem memory.Allocator, srcs []arrow.Array, refs []rowRef) (*memory.Buffer, int) {
	none := true
	for _, s := range srcs {
		none = none && (s == nil || s.NullN() == 0)
	}
	if none {
		missing := false
		for _, r := range refs {
			missing = missing || r == noRow
		}
		if !missing {
			return nil, 0
		}
	}
	valid := newBitmap(mem, len(refs))
	bits, nulls := valid.Bytes(), 0
	for k, r := range refs {
		if r != noRow && srcs[r.batch()].IsValid(r.row()) {
			bitutil.SetBit(bits, k)
		} else {
			nulls++
		}
	}
	return valid, nulls
}

// byteWidth is the size of a fixed-width value in bytes.
func byteWidth(dt arrow.DataType) int {
	if w, ok := dt.(arrow.FixedWidthDataType); ok {
		return w.BitWidth() / 8
	}
	return 0
}

// fixedBytes returns the values of a fixed-width array, w bytes each.
func fixedBytes(a arrow.Array, w int) []byte {
	d := a.Data()
	if d.Len() == 0 || d.Buffers()[1] == nil {
		return make([]byte, d.Len()*w) // an array of NULLs may come without values
	}
	return d.Buffers()[1].Bytes()[d.Offset()*w : (d.Offset()+d.Len())*w]
}

// binaryParts returns the offsets (one more than rows) and the bytes they point into.
func binaryParts(a arrow.Array) ([]int32, []byte) {
	d := a.Data()
	bufs := d.Buffers()
	if d.Len() == 0 || bufs[1] == nil || bufs[1].Len() == 0 {
		return make([]int32, d.Len()+1), nil
	}
	offsets := view[int32](bufs[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1]
	if bufs[2] == nil {
		return offsets, nil
	}
	return offsets, bufs[2].Bytes()
}

// checkBinaryBytes panics on columns that 32-bit offsets cannot address: 8,192
// rows of more than 256 KiB each. It is turned into an error at the query's root.
func checkBinaryBytes(n int) {
	if n > 1<<31-1 {
		panic(tooLarge(n))
	}
}

// tooLarge is the panic of what exceeds the 32 bits that number it, such as text of 2 GiB.
func tooLarge[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64](n T) *pgerr.Error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "a batch of rows is too large").
		WithDetail("%d bytes or values do not fit in one column of a batch.", n)
}

// view reinterprets bytes as values without copying.
func view[T any](b []byte) []T {
	var zero T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

func newBitmap(mem memory.Allocator, n int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(int(bitutil.BytesForBits(int64(n))))
	clear(b.Bytes())
	return b
}

// makeArray makes an array of buffers, whose references it takes over; valid may be nil.
func makeArray(dt arrow.DataType, rows, nulls int, valid *memory.Buffer, values ...*memory.Buffer) arrow.Array {
	return makeNested(dt, rows, nulls, append([]*memory.Buffer{valid}, values...))
}

func makeNested(dt arrow.DataType, rows, nulls int, bufs []*memory.Buffer, children ...arrow.Array) arrow.Array {
	var data []arrow.ArrayData
	for _, c := range children {
		data = append(data, c.Data())
	}
	d := array.NewData(dt, rows, bufs, data, nulls, 0)
	defer d.Release()
	for _, b := range bufs {
		if b != nil {
			b.Release()
		}
	}
	return array.MakeFromData(d)
}

// TakeRows copies rows of a batch, by number and in the given order, into a new
// batch with a schema of the same types, which the caller releases.
func TakeRows(b arrow.RecordBatch, rows []int32, schema *arrow.Schema) arrow.RecordBatch {
	return relabel(schema, gatherBatch(memory.DefaultAllocator, b, rows))
}
