package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
)

// evalFunc, setFunc and recordFunc are Function's Eval, EvalSet and EvalRecord.
type (
	recordFunc = func(c *Context, args []datum.Value, cols datum.Row) (SetResult, error)
	evalFunc   = func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error)
	setFunc    = func(c *Context, args []datum.Value, argTypes []datum.Type, ret datum.Type) (SetResult, error)
)

// fixed are the Go types of the values of fixed-width Arrow arrays.
type fixed interface {
	~int16 | ~int32 | ~int64 | ~uint32 | ~float32 | ~float64
}

type integer interface{ int16 | int32 | int64 }

// A col reads a fixed-width argument: row i is v[i&mask].
type col[T fixed] struct {
	v    []T
	mask int
}

// colOf views an argument, whose Arrow type has values as wide as T.
func colOf[T fixed](v Vec) col[T] {
	c := col[T]{mask: rowMask(v)}
	data := v.Array.Data()
	if bufs := data.Buffers(); len(bufs) > 1 && bufs[1] != nil {
		all := arrow.GetData[T](bufs[1].Bytes())
		c.v = all[data.Offset() : data.Offset()+data.Len()]
	} else {
		c.v = make([]T, data.Len()) // all NULL: nothing to read
	}
	return c
}

// eight returns a constant eight times.
func (c col[T]) eight() (out [8]T) {
	if c.mask == 0 {
		for i := range out {
			out[i] = c.v[0]
		}
	}
	return out
}

// eightAt returns the values of eight rows, which may be those of eight.
func (c col[T]) eightAt(row int, eight *[8]T) *[8]T {
	if c.mask == 0 {
		return eight
	}
	return (*[8]T)(c.v[row:])
}

// rowMask is 0 for a constant and -1 otherwise: row i is element i&rowMask.
func rowMask(v Vec) int {
	if v.Const {
		return 0
	}
	return -1
}

// A nullMask tells which rows of a strict function's result are NULL.
type nullMask struct {
	bits  *memory.Buffer // nil: none is, or all are
	nulls int
	n     int
	mem   memory.Allocator
}

// strictNulls makes the mask of n rows that are NULL where an argument is.
func strictNulls(mem memory.Allocator, args []Vec, n int) nullMask {
	m := nullMask{n: n, mem: mem}
	for _, a := range args {
		if a.Const && a.IsNull(0) || a.DataType().ID() == arrow.NULL {
			m.release()
			m.nulls = n
			return m
		}
		if a.Const || a.NullN() == 0 {
			continue
		}
		m.and(a.Array)
	}
	if m.bits != nil {
		m.nulls = n - bitutil.CountSetBits(m.bits.Bytes(), 0, n)
	}
	return m
}

func (m *nullMask) and(a arrow.Array) {
	if m.bits == nil {
		m.bits = newBitmap(m.mem, m.n)
		bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), m.n, m.bits.Bytes(), 0)
		return
	}
	bitutil.BitmapAnd(m.bits.Bytes(), a.NullBitmapBytes(), 0, int64(a.Data().Offset()), m.bits.Bytes(), 0, int64(m.n))
}

func (m *nullMask) all() bool { return m.nulls == m.n && m.n > 0 }

// null says whether row i is NULL.
func (m *nullMask) null(i int) bool {
	if m.bits == nil {
		return m.nulls != 0
	}
	return !bitutil.BitIsSet(m.bits.Bytes(), i)
}

func (m *nullMask) release() {
	if m.bits != nil {
		m.bits.Release()
		m.bits = nil
	}
}

// newBitmap returns a zeroed bitmap of n bits.
func newBitmap(mem memory.Allocator, n int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(int(bitutil.BytesForBits(int64(n))))
	clear(b.Bytes())
	return b
}

// allNull returns n NULLs.
func allNull(mem memory.Allocator, t datum.Type, n int) arrow.Array {
	return array.MakeArrayOfNull(mem, t.Arrow(), n)
}

// An outCol is a fixed-width result in the making.
type outCol[T fixed] struct {
	v    []T
	buf  *memory.Buffer
	mask nullMask
}

// newOut makes an uninitialised result of n rows with the NULLs of args.
func newOut[T fixed](mem memory.Allocator, args []Vec, n int) outCol[T] {
	var z T
	buf := memory.NewResizableBuffer(mem)
	buf.Resize(n * sizeOf(z))
	return outCol[T]{v: arrow.GetData[T](buf.Bytes()), buf: buf, mask: strictNulls(mem, args, n)}
}

func sizeOf[T fixed](z T) int {
	switch any(z).(type) {
	case int16:
		return 2
	case int32, uint32, float32, datum.Days, datum.OID:
		return 4
	default:
		return 8
	}
}

// array hands the result over.
func (o *outCol[T]) array(t datum.Type) arrow.Array {
	if o.mask.all() {
		o.release()
		return allNull(o.mask.mem, t, o.mask.n)
	}
	data := array.NewData(t.Arrow(), o.mask.n, []*memory.Buffer{o.mask.bits, o.buf}, nil, o.mask.nulls, 0)
	o.release()
	defer data.Release()
	return array.MakeFromData(data)
}

func (o *outCol[T]) release() {
	o.buf.Release()
	o.mask.release()
}

// map1 applies a function that cannot fail to each row of one argument.
func map1[A, R fixed](f func(A) R) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		a, out := colOf[A](args[0]), newOut[R](c.Mem, args[:1], n)
		for i := range out.v {
			out.v[i] = f(a.v[i&a.mask])
		}
		return out.array(ret), nil
	}
}

// map1Err applies a function that may fail; it fails for rows that are not NULL only.
func map1Err[A, R fixed](f func(A) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		a, out := colOf[A](args[0]), newOut[R](c.Mem, args[:1], n)
		for i := range out.v {
			r, err := f(a.v[i&a.mask])
			if err != nil && !out.mask.null(i) {
				out.release()
				return nil, err
			}
			out.v[i] = r
		}
		return out.array(ret), nil
	}
}

// map2 and map2Err do the same for two arguments.
func map2[A, B, R fixed](f func(A, B) R) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		a, b, out := colOf[A](args[0]), colOf[B](args[1]), newOut[R](c.Mem, args[:2], n)
		for i := range out.v {
			out.v[i] = f(a.v[i&a.mask], b.v[i&b.mask])
		}
		return out.array(ret), nil
	}
}

func map2Err[A, B, R fixed](f func(A, B) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		a, b, out := colOf[A](args[0]), colOf[B](args[1]), newOut[R](c.Mem, args[:2], n)
		for i := range out.v {
			r, err := f(a.v[i&a.mask], b.v[i&b.mask])
			if err != nil && !out.mask.null(i) {
				out.release()
				return nil, err
			}
			out.v[i] = r
		}
		return out.array(ret), nil
	}
}

// boolArray makes a boolean array of bits, which it takes over, and a mask.
func boolArray(bits *memory.Buffer, m nullMask) arrow.Array {
	if m.all() {
		bits.Release()
		m.release()
		return array.MakeArrayOfNull(m.mem, arrow.FixedWidthTypes.Boolean, m.n)
	}
	data := array.NewData(arrow.FixedWidthTypes.Boolean, m.n, []*memory.Buffer{m.bits, bits}, nil, m.nulls, 0)
	bits.Release()
	m.release()
	defer data.Release()
	return array.NewBooleanData(data)
}

// bit is 1 for true, without a branch.
func bit(b bool) byte {
	var x byte
	if b {
		x = 1
	}
	return x
}

// retained returns an argument as n rows of the result, for functions that
// change nothing: the array itself, or a constant repeated.
func retained(c *Context, v Vec, n int, t datum.Type) arrow.Array {
	if !v.Const {
		v.Retain()
		return v.Array
	}
	return datum.NewArray(c.Mem, t, datum.ValueAt(t, v.Array, 0), n)
}
