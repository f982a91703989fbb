package function

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// This file turns Go functions of plain values into kernels: fn1 to fn4 for
// strict functions, boxed for the others. They call the function row by row;
// what must be faster has a loop of its own.

// scalar are the Go types that such functions take and return. A []byte or
// string argument lies in the array and is not to be kept. datum.Value takes
// any type, boxed.
type scalar interface {
	bool | int16 | int32 | int64 | datum.OID | float32 | float64 | string | []byte |
		datum.Decimal | datum.Days | datum.Micros | datum.IntervalValue | datum.TimeTZValue |
		datum.UUIDValue | datum.Array
}

// reader returns a function that reads a row of an argument, which is not NULL.
func reader[T scalar](v Vec) func(i int) T {
	m := rowMask(v)
	var z T
	var f any
	switch any(z).(type) {
	case bool:
		a := v.Array.(*array.Boolean)
		f = func(i int) bool { return a.Value(i & m) }
	case int16:
		f = fixedReader[int16](v)
	case int32:
		f = fixedReader[int32](v)
	case int64:
		f = fixedReader[int64](v)
	case datum.OID:
		f = fixedReader[datum.OID](v)
	case float32:
		f = fixedReader[float32](v)
	case float64:
		f = fixedReader[float64](v)
	case datum.Days:
		f = fixedReader[datum.Days](v)
	case datum.Micros:
		f = fixedReader[datum.Micros](v)
	case string:
		a := v.Array.(*array.String)
		f = func(i int) string { return a.Value(i & m) }
	case []byte:
		a := v.Array.(*array.Binary)
		f = func(i int) []byte { return a.Value(i & m) }
	case datum.Decimal:
		f = boxedReader[datum.Decimal](v, datum.Of(datum.Numeric))
	case datum.IntervalValue:
		f = boxedReader[datum.IntervalValue](v, datum.Of(datum.Interval))
	case datum.TimeTZValue:
		f = boxedReader[datum.TimeTZValue](v, datum.Of(datum.TimeTZ))
	case datum.UUIDValue:
		f = boxedReader[datum.UUIDValue](v, datum.Of(datum.UUID))
	case datum.Array:
		f = boxedReader[datum.Array](v, v.T)
	}
	return f.(func(i int) T)
}

func fixedReader[T fixed](v Vec) func(i int) T {
	c := colOf[T](v)
	return func(i int) T { return c.v[i&c.mask] }
}

func boxedReader[T any](v Vec, t datum.Type) func(i int) T {
	if v.Const {
		value := datum.ValueAt(t, v.Array, 0).(T)
		return func(int) T { return value }
	}
	return func(i int) T { return datum.ValueAt(t, v.Array, v.At(i)).(T) }
}

// A writer appends results of type T.
type writer[T scalar] struct {
	array.Builder
	append func(T)
	bytes  int // appended, of variable-width types
	polled int // how many of them when it was asked whether the statement is cancelled
}

func newWriter[T scalar](c *Context, n int, t datum.Type) *writer[T] {
	b := array.NewBuilder(c.Mem, t.Arrow())
	b.Reserve(n)
	w := &writer[T]{Builder: b}
	var z T
	var f any
	switch any(z).(type) {
	case bool:
		f = b.(*array.BooleanBuilder).Append
	case int16:
		f = b.(*array.Int16Builder).Append
	case int32:
		f = b.(*array.Int32Builder).Append
	case int64:
		f = b.(*array.Int64Builder).Append
	case datum.OID:
		ub := b.(*array.Uint32Builder)
		f = func(v datum.OID) { ub.Append(uint32(v)) }
	case float32:
		f = b.(*array.Float32Builder).Append
	case float64:
		f = b.(*array.Float64Builder).Append
	case string:
		sb := b.(*array.StringBuilder)
		f = func(s string) { sb.Append(s); w.bytes += len(s) }
	case []byte:
		bb := b.(*array.BinaryBuilder)
		f = func(s []byte) { bb.Append(s); w.bytes += len(s) }
	case datum.Decimal:
		bb := b.(*array.BinaryBuilder)
		var buf []byte
		f = func(d datum.Decimal) { buf = datum.AppendNumeric(buf[:0], d); bb.Append(buf); w.bytes += len(buf) }
	default:
		f = func(v T) { datum.Append(b, t, v) }
	}
	w.append = f.(func(T))
	return w
}

// maxBytes bounds the bytes of one text or bytea result over a batch, as the
// 32-bit offsets of Arrow's arrays do.
const maxBytes = math.MaxInt32

// full is called after each row: it fails if the result becomes too large, or when the statement is
// cancelled.
func (w *writer[T]) full(c *Context) error {
	if w.bytes > maxBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "result of a batch exceeds %d bytes", maxBytes)
	}
	if w.bytes-w.polled < largeValue*pollRows {
		return nil
	}
	w.polled = w.bytes
	return c.ended()
}

// rows runs f over the rows of a strict function that are not NULL.
func rows[R scalar](c *Context, args []Vec, n int, ret datum.Type, f func(i int) (R, error)) (arrow.Array, error) {
	switch f := any(f).(type) {
	case func(int) (int16, error):
		return fixedRows(c, args, n, ret, f)
	case func(int) (int32, error):
		return fixedRows(c, args, n, ret, f)
	case func(int) (int64, error):
		return fixedRows(c, args, n, ret, f)
	case func(int) (float32, error):
		return fixedRows(c, args, n, ret, f)
	case func(int) (float64, error):
		return fixedRows(c, args, n, ret, f)
	}
	mask := strictNulls(c.Mem, args, n)
	defer mask.release()
	if mask.all() {
		return allNull(c.Mem, ret, n), nil
	}
	w := newWriter[R](c, n, ret)
	defer w.Release()
	poll := c.poller(args, n)
	for i := range n {
		if mask.null(i) {
			w.AppendNull()
			continue
		}
		r, err := f(i)
		if err == nil {
			err = poll(i)
		}
		if err != nil {
			return nil, err
		}
		w.append(r)
		if err := w.full(c); err != nil {
			return nil, err
		}
	}
	return w.NewArray(), nil
}

// fixedRows is rows of numbers, which are put where they belong without a builder.
func fixedRows[R fixed](c *Context, args []Vec, n int, ret datum.Type, f func(i int) (R, error)) (arrow.Array, error) {
	out := newOut[R](c.Mem, args, n)
	if out.mask.all() {
		return out.array(ret), nil
	}
	poll := c.poller(args, n)
	for i := range out.v {
		if out.mask.null(i) {
			out.v[i] = 0
			continue
		}
		r, err := f(i)
		if err == nil {
			err = poll(i)
		}
		if err != nil {
			out.release()
			return nil, err
		}
		out.v[i] = r
	}
	return out.array(ret), nil
}

// anyNull says that a constant argument is NULL: then the others may be of the Null type.
func anyNull(args []Vec) bool {
	for _, a := range args {
		if a.DataType().ID() == arrow.NULL || a.Const && a.IsNull(0) {
			return true
		}
	}
	return false
}

func fn0[R scalar](f func(c *Context) (R, error)) evalFunc {
	return func(c *Context, _ []Vec, n int, ret datum.Type) (arrow.Array, error) {
		return rows(c, nil, n, ret, func(int) (R, error) { return f(c) })
	}
}

func fn1[A, R scalar](f func(A) (R, error)) evalFunc {
	return fn1c(func(_ *Context, a A) (R, error) { return f(a) })
}

func fn2[A, B, R scalar](f func(A, B) (R, error)) evalFunc {
	return fn2c(func(_ *Context, a A, b B) (R, error) { return f(a, b) })
}

func fn3[A, B, C, R scalar](f func(A, B, C) (R, error)) evalFunc {
	return fn3c(func(_ *Context, a A, b B, x C) (R, error) { return f(a, b, x) })
}

func fn4[A, B, C, D, R scalar](f func(A, B, C, D) (R, error)) evalFunc {
	return fn4c(func(_ *Context, a A, b B, x C, d D) (R, error) { return f(a, b, x, d) })
}

func fn1c[A, R scalar](f func(*Context, A) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		args = args[:1]
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		ra := reader[A](args[0])
		return rows(c, args, n, ret, func(i int) (R, error) { return f(c, ra(i)) })
	}
}

func fn2c[A, B, R scalar](f func(*Context, A, B) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		args = args[:2]
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		ra, rb := reader[A](args[0]), reader[B](args[1])
		return rows(c, args, n, ret, func(i int) (R, error) { return f(c, ra(i), rb(i)) })
	}
}

func fn3c[A, B, C, R scalar](f func(*Context, A, B, C) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		args = args[:3]
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		ra, rb, rc := reader[A](args[0]), reader[B](args[1]), reader[C](args[2])
		return rows(c, args, n, ret, func(i int) (R, error) { return f(c, ra(i), rb(i), rc(i)) })
	}
}

func fn4c[A, B, C, D, R scalar](f func(*Context, A, B, C, D) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		args = args[:4]
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		ra, rb, rc, rd := reader[A](args[0]), reader[B](args[1]), reader[C](args[2]), reader[D](args[3])
		return rows(c, args, n, ret, func(i int) (R, error) { return f(c, ra(i), rb(i), rc(i), rd(i)) })
	}
}

// boxed makes a kernel of a function over boxed values, NULLs included. types
// gives the types of the arguments where their Vecs do not; a shorter list
// repeats its last entry.
func boxed(f func(c *Context, args []datum.Value) (datum.Value, error), types ...datum.OID) evalFunc {
	return boxedTyped(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		return f(c, args)
	}, types...)
}

// boxedTyped passes the actual types of the arguments and of the result as well.
func boxedTyped(f func(c *Context, args []datum.Value, argTypes []datum.Type, ret datum.Type) (datum.Value, error), types ...datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		argTypes := make([]datum.Type, len(args))
		for j := range args {
			argTypes[j] = args[j].T
			if argTypes[j].OID == 0 && len(types) > 0 {
				argTypes[j] = datum.Of(types[min(j, len(types)-1)])
			}
		}
		b := array.NewBuilder(c.Mem, resultType(ret, args))
		defer b.Release()
		b.Reserve(n)
		vals := make([]datum.Value, len(args))
		poll := c.poller(args, n)
		for i := range n {
			for j, a := range args {
				vals[j] = valueAt(argTypes[j], a, i)
			}
			v, err := f(c, vals, argTypes, ret)
			if err == nil {
				err = poll(i)
			}
			if err != nil {
				return nil, err
			}
			datum.Append(b, ret, v)
		}
		return b.NewArray(), nil
	}
}

// resultType is the Arrow type of a result: an array of records has them as an argument that
// is one does, or as one that becomes its element, for the type does not say of what.
func resultType(ret datum.Type, args []Vec) arrow.DataType {
	if ret.OID != datum.RecordArray {
		return ret.Arrow()
	}
	for _, a := range args {
		t, ok := a.DataType().(*arrow.StructType)
		if !ok {
			continue
		}
		elem, isArray := datum.ElementsOf(t)
		if !isArray {
			return datum.ArraysOf(t)
		}
		if row, ok := elem.(*arrow.StructType); ok && row.NumFields() > 0 {
			return t
		}
	}
	return ret.Arrow()
}

// strictBoxed is boxedTyped for strict functions: f sees no NULL.
func strictBoxed(f func(c *Context, args []datum.Value, argTypes []datum.Type, ret datum.Type) (datum.Value, error), types ...datum.OID) evalFunc {
	return boxedTyped(func(c *Context, args []datum.Value, argTypes []datum.Type, ret datum.Type) (datum.Value, error) {
		for _, a := range args {
			if a == nil {
				return nil, nil
			}
		}
		return f(c, args, argTypes, ret)
	}, types...)
}

func valueAt(t datum.Type, v Vec, i int) datum.Value {
	j := v.At(i)
	if v.DataType().ID() == arrow.NULL || v.IsNull(j) {
		return nil
	}
	return datum.ValueAt(t, v.Array, j)
}
