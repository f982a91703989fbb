package chunk

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// An output gathers decoded values into the buffers of one Arrow array. Its
// memory comes from the allocator; release it on every path, finish included.
type output struct {
	mem   memory.Allocator
	typ   datum.Type
	dt    arrow.DataType
	rows  int
	nulls int
	valid *memory.Buffer // bit per row; nil until the first NULL
	data  *memory.Buffer // values, bits, or bytes
	offs  *memory.Buffer // int32, one more than rows
	child *output
	lists []int32 // scratch: element rows
	// Arrays have neither data nor offsets, but two outputs without NULLs: of lists of their elements, and
	// of their dimensions.
	list, shape *output
}

func newOutput(mem memory.Allocator, t datum.Type) *output { return new(output).start(mem, t) }

// start makes o, which is new or released, an output of another array.
func (o *output) start(mem memory.Allocator, t datum.Type) *output {
	*o = output{mem: mem, typ: t, dt: t.Arrow(), lists: o.lists[:0]}
	switch o.dt.ID() {
	case arrow.STRUCT:
		elem, _ := t.Elem()
		o.list = &output{mem: mem, typ: t, dt: arrow.ListOf(elem.Arrow()), child: newOutput(mem, elem)}
		o.list.offs = memory.NewResizableBuffer(mem)
		o.list.offs.Resize(4)
		clear(o.list.offs.Bytes())
		o.shape = newOutput(mem, datum.Of(datum.Bytea))
	case arrow.STRING, arrow.BINARY:
		o.offs = memory.NewResizableBuffer(mem)
		o.offs.Resize(4)
		clear(o.offs.Bytes())
		o.data = memory.NewResizableBuffer(mem)
	default:
		o.data = memory.NewResizableBuffer(mem)
	}
	return o
}

func (o *output) release() {
	for _, b := range []*memory.Buffer{o.valid, o.data, o.offs} {
		if b != nil {
			b.Release()
		}
	}
	o.valid, o.data, o.offs = nil, nil, nil
	for _, c := range []*output{o.child, o.list, o.shape} {
		if c != nil {
			c.release()
		}
	}
	o.child, o.list, o.shape = nil, nil, nil
}

// extend lengthens the buffer by n bytes and returns them.
func extend(b *memory.Buffer, n int) []byte {
	at := b.Len()
	if c := b.Cap(); at+n > c && at > 0 {
		b.Reserve(max(at+n, 2*c))
	}
	b.ResizeNoShrink(at + n)
	return b.Bytes()[at:]
}

// reserve makes room for n rows, so that buffers do not grow step by step.
func (o *output) reserve(n int) {
	if o.list != nil {
		o.list.reserve(n)
		o.shape.reserve(n)
		return
	}
	if o.offs != nil {
		o.offs.Reserve(4 * (n + 1))
		return
	}
	if f, ok := o.dt.(arrow.FixedWidthDataType); ok {
		o.data.Reserve((n*f.BitWidth() + 7) / 8)
	}
}

// numbers lengthens the data by n values of T and returns them.
func numbers[T any](o *output, n int) []T {
	var x T
	p := extend(o.data, n*int(unsafe.Sizeof(x)))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&p[0])), n)
}

// gather copies the values of the given rows, nil meaning all.
func gather[T, S int16 | int32 | int64 | uint32 | float32 | float64](dst []T, src []S, rows []int32) {
	if rows == nil {
		dst = dst[:len(src)]
		for i, x := range src {
			dst[i] = T(x)
		}
		return
	}
	dst = dst[:len(rows)]
	for i, r := range rows {
		dst[i] = T(src[r])
	}
}

// put appends rows of vector v of the column; nil is all of them.
func (o *output) put(c *blobColumn, v int, rows []int32) error {
	n := len(rows)
	if rows == nil {
		n = codec.VectorLen(c.rows, v)
	}
	c.touch(v)
	var null codec.Bits
	some, err := c.nullBits(v, &null)
	if err != nil {
		return err
	}
	if some || o.valid != nil {
		o.putValid(n, rows, &null, some)
	}
	o.rows += n
	if c.nulls == c.rows {
		o.putNothing(n)
		return nil
	}
	switch c.form {
	case formInts:
		if rows == nil && o.dt.(arrow.FixedWidthDataType).BitWidth() == 64 {
			_, err := c.ints.Vector(v, numbers[int64](o, n))
			return err
		}
		x, err := c.ints.Shared(v)
		if err != nil {
			return err
		}
		o.putInts(x, rows, n)
	case formFloat32:
		if rows == nil && o.dt.ID() == arrow.FLOAT32 {
			_, err := c.f32.Vector(v, numbers[float32](o, n))
			return err
		}
		x, err := c.f32.Shared(v)
		if err != nil {
			return err
		}
		if o.dt.ID() == arrow.FLOAT64 {
			gather(numbers[float64](o, n), x, rows)
		} else {
			// As bits: converting would touch signalling NaNs.
			gather(numbers[uint32](o, n), unsafe.Slice((*uint32)(unsafe.Pointer(&x[0])), len(x)), rows)
		}
	case formFloat64:
		if rows == nil {
			_, err := c.f64.Vector(v, numbers[float64](o, n))
			return err
		}
		x, err := c.f64.Shared(v)
		if err != nil {
			return err
		}
		gather(numbers[float64](o, n), x, rows)
	case formBits:
		var b codec.Bits
		if err := c.bits.Vector(v, &b); err != nil {
			return err
		}
		o.putBits(o.data, o.rows-n, n, rows, &b)
	case formScaled:
		x, err := c.ints.Shared(v)
		if err != nil {
			return err
		}
		return o.putScaled(x, rows, n, c.scale)
	case formBytes:
		return o.putBytes(c, v, rows, n, &null, some)
	case formList:
		o.list.rows += n
		if err := o.list.putLists(c, v, rows, n, &null, some); err != nil {
			return err
		}
		return o.putShapes(c, v, rows, n, &null, some)
	}
	return nil
}

func (o *output) putInts(x []int64, rows []int32, n int) {
	switch o.dt.ID() {
	case arrow.INT16:
		gather(numbers[int16](o, n), x, rows)
	case arrow.INT32, arrow.DATE32:
		gather(numbers[int32](o, n), x, rows)
	case arrow.UINT32:
		gather(numbers[uint32](o, n), x, rows)
	default:
		gather(numbers[int64](o, n), x, rows)
	}
}

// putNothing appends n slots of NULLs.
func (o *output) putNothing(n int) {
	switch {
	case o.list != nil:
		for _, c := range []*output{o.list, o.shape} {
			c.rows += n
			c.putNothing(n)
		}
	case o.offs != nil:
		end := int32(binary.LittleEndian.Uint32(o.offs.Bytes()[o.offs.Len()-4:]))
		p := extend(o.offs, 4*n)
		for i := range n {
			binary.LittleEndian.PutUint32(p[4*i:], uint32(end))
		}
	case o.dt.ID() == arrow.BOOL:
		o.putBits(o.data, o.rows-n, n, nil, &codec.Bits{})
	default:
		clear(extend(o.data, n*o.dt.(arrow.FixedWidthDataType).Bytes()))
	}
}

// putBits appends n bits from bit at of the buffer on.
func (o *output) putBits(b *memory.Buffer, at, n int, rows []int32, bits *codec.Bits) {
	if need := (at + n + 7) / 8; need > b.Len() {
		clear(extend(b, need-b.Len()))
	}
	dst := b.Bytes()
	if rows == nil && at%8 == 0 {
		for i := 0; i < n; i += 8 {
			dst[(at+i)/8] = byte(bits[i>>6] >> (i & 63))
		}
		if n%8 != 0 {
			dst[(at+n)/8] &= 1<<(n%8) - 1
		}
		return
	}
	for i := range n {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		if bits.Has(r) {
			dst[(at+i)/8] |= 1 << ((at + i) % 8)
		}
	}
}

// startValid marks all rows so far as valid, if there was no NULL among them.
func (o *output) startValid() {
	if o.valid != nil {
		return
	}
	o.valid = memory.NewResizableBuffer(o.mem)
	b := extend(o.valid, (o.rows+7)/8)
	for i := range b {
		b[i] = 0xff
	}
	if o.rows%8 != 0 {
		b[len(b)-1] = 1<<(o.rows%8) - 1
	}
}

// putValid appends validity; the first call marks all rows before as valid.
func (o *output) putValid(n int, rows []int32, null *codec.Bits, some bool) {
	o.startValid()
	var ok codec.Bits
	ok.Fill(VectorRows)
	if some {
		ok.AndNot(null)
		if rows == nil {
			o.nulls += null.Count()
		} else {
			for _, r := range rows {
				if null.Has(int(r)) {
					o.nulls++
				}
			}
		}
	}
	o.putBits(o.valid, o.rows, n, rows, &ok)
}

// space appends n offsets after the last one and returns them with it.
func (o *output) space(n int) (last int64, p []byte) {
	last = int64(binary.LittleEndian.Uint32(o.offs.Bytes()[o.offs.Len()-4:]))
	return last, extend(o.offs, 4*n)
}

func tooLarge() error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "the values of a column in one batch take more than 2 GiB")
}

func (o *output) putBytes(c *blobColumn, v int, rows []int32, n int, null *codec.Bits, some bool) error {
	entries, codes, err := c.strs.Dictionary()
	if err != nil {
		return err
	}
	if entries != nil && codes == nil {
		at := entries.At(0)
		return o.putStrings(n, func(i int) []byte {
			if some && null.Has(rowAt(rows, i)) {
				return nil
			}
			return at
		})
	}
	if entries != nil {
		k, err := codes.Codes(v, entries.Len())
		if err != nil {
			return err
		}
		if !some && o.offs != nil {
			return o.putCodes(entries, k, rows, n)
		}
		return o.putStrings(n, func(i int) []byte {
			r := rowAt(rows, i)
			if some && null.Has(r) {
				return nil
			}
			return entries.At(int(k[r]))
		})
	}
	s, err := c.strs.Vector(v)
	if err != nil {
		return err
	}
	return o.putStrings(n, func(i int) []byte {
		r := rowAt(rows, i)
		if some && null.Has(r) {
			return nil
		}
		return s.At(r)
	})
}

// putCodes appends entries of a dictionary by their codes, which are in range.
func (o *output) putCodes(entries *codec.Strings, codes []int64, rows []int32, n int) error {
	if rows != nil {
		picked := make([]int64, n)
		for i, r := range rows {
			picked[i] = codes[r]
		}
		codes = picked
	}
	total := int64(0)
	for _, c := range codes {
		total += entries.Offsets[c+1] - entries.Offsets[c]
	}
	last, offs := o.space(n)
	if last+total > math.MaxInt32 {
		return tooLarge()
	}
	data := extend(o.data, int(total))
	end := uint32(last)
	for i, c := range codes {
		s := entries.Data[entries.Offsets[c]:entries.Offsets[c+1]]
		data = data[copy(data, s):]
		end += uint32(len(s))
		binary.LittleEndian.PutUint32(offs[4*i:], end)
	}
	return nil
}

func rowAt(rows []int32, i int) int {
	if rows == nil {
		return i
	}
	return int(rows[i])
}

func (o *output) putStrings(n int, at func(i int) []byte) error {
	if o.offs == nil { // fixed size
		width := o.dt.(*arrow.FixedSizeBinaryType).ByteWidth
		p := extend(o.data, n*width)
		for i := range n {
			b := at(i)
			if b == nil {
				clear(p[i*width : (i+1)*width])
			} else if copy(p[i*width:(i+1)*width], b); len(b) != width {
				return corrupt("%v of %d bytes", o.typ, len(b))
			}
		}
		return nil
	}
	total := 0
	for i := range n {
		total += len(at(i))
	}
	last, offs := o.space(n)
	if last+int64(total) > math.MaxInt32 {
		return tooLarge()
	}
	data := extend(o.data, total)
	pos := 0
	for i := range n {
		pos += copy(data[pos:], at(i))
		binary.LittleEndian.PutUint32(offs[4*i:], uint32(last)+uint32(pos))
	}
	return nil
}

func (o *output) putScaled(x []int64, rows []int32, n int, scale int32) error {
	var buf []byte
	ends := make([]int, n)
	for i := range n {
		buf = datum.AppendNumericInt(buf, x[rowAt(rows, i)], scale)
		ends[i] = len(buf)
	}
	return o.putStrings(n, func(i int) []byte {
		if i == 0 {
			return buf[:ends[0]]
		}
		return buf[ends[i-1]:ends[i]]
	})
}

func (o *output) putLists(c *blobColumn, v int, rows []int32, n int, null *codec.Bits, some bool) error {
	if err := c.loadStarts(); err != nil {
		return err
	}
	l, err := c.ints.Shared(v)
	if err != nil {
		return err
	}
	starts := make([]int64, len(l)+1)
	starts[0] = c.starts[v]
	for i, x := range l {
		starts[i+1] = starts[i] + x
	}
	last, offs := o.space(n)
	at := int64(o.child.rows)
	if at != last {
		return corrupt("list offsets at %d of %d elements", last, at)
	}
	for i := range n {
		r := rowAt(rows, i)
		if !(some && null.Has(r)) {
			at += l[r]
		}
		if at > math.MaxInt32 {
			return tooLarge()
		}
		binary.LittleEndian.PutUint32(offs[4*i:], uint32(at))
	}
	for i := 0; i < n; i++ {
		r := rowAt(rows, i)
		if some && null.Has(r) || l[r] == 0 {
			continue
		}
		from, to := starts[r], starts[r+1]
		// Neighbouring lists are read as one piece.
		for i+1 < n && rowAt(rows, i+1) == r+1 && !(some && null.Has(r+1)) {
			i++
			r++
			to = starts[r+1]
		}
		if err := o.putElements(c.child, from, to); err != nil {
			return err
		}
	}
	return nil
}

// putShapes appends the dimensions of lists.
func (o *output) putShapes(c *blobColumn, v int, rows []int32, n int, null *codec.Bits, some bool) error {
	o.shape.rows += n
	if c.shapes == nil {
		o.shape.putNothing(n)
		return nil
	}
	s, err := c.shapes.Vector(v)
	if err != nil {
		return err
	}
	l, err := c.ints.Shared(v)
	if err != nil {
		return err
	}
	for i := range n {
		if r := rowAt(rows, i); !(some && null.Has(r)) {
			if err := datum.CheckShape(s.At(r), int(l[r])); err != nil {
				return corrupt("list %d: %v", r, err)
			}
		}
	}
	return o.shape.putStrings(n, func(i int) []byte {
		r := rowAt(rows, i)
		if some && null.Has(r) {
			return nil
		}
		return s.At(r)
	})
}

// putElements appends elements from..to-1 of a list's child.
func (o *output) putElements(child *blobColumn, from, to int64) error {
	for from < to {
		v := int(from / VectorRows)
		first := int64(v) * VectorRows
		end := min(to, first+VectorRows)
		o.lists = o.lists[:0]
		for r := from; r < end; r++ {
			o.lists = append(o.lists, int32(r-first))
		}
		if err := o.child.put(child, v, o.lists); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// finish makes the array, which the caller releases, and leaves o empty.
func (o *output) finish() arrow.Array {
	d := o.arrayData()
	defer d.Release()
	return array.MakeFromData(d)
}

func (o *output) arrayData() arrow.ArrayData {
	var children []arrow.ArrayData
	for _, c := range []*output{o.child, o.list, o.shape} {
		if c != nil {
			cd := c.arrayData()
			defer cd.Release()
			children = append(children, cd)
		}
	}
	buffers := append(make([]*memory.Buffer, 0, 3), o.valid)
	if o.offs != nil {
		buffers = append(buffers, o.offs)
	}
	if o.data != nil {
		buffers = append(buffers, o.data)
	}
	return array.NewData(o.dt, o.rows, buffers, children, o.nulls, 0)
}
