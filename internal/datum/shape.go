package datum

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// MaxDimensions is PostgreSQL's bound on the dimensions of an array. MaxElements is the most elements, which take
// as much memory as the longest text; PostgreSQL's bound is 134217727.
const (
	MaxDimensions = 6
	MaxElements   = 8388608
)

// An Array is an array of any number of dimensions: its elements with the last subscript running fastest.
type Array struct {
	Elem   Type
	Values []Value
	// Dims are the dimensions. Nil is what most arrays have: one dimension counted from 1 or, without
	// values, none. Shape reads both, NewArrayOf makes nil of what nil means.
	Dims []Dim
}

// A Dim is one dimension of an array: how many subscripts it has, and the first.
type Dim struct{ Len, Lower int32 }

// Upper is the last subscript.
func (d Dim) Upper() int32 { return d.Lower + d.Len - 1 }

// NewArrayOf returns an array of these dimensions, whose elements values are.
func NewArrayOf(elem Type, values []Value, dims []Dim) Array {
	return Array{Elem: elem, Values: values, Dims: unlessPlain(dims, len(values))}
}

func unlessPlain(dims []Dim, n int) []Dim {
	if n == 0 || len(dims) == 1 && dims[0].Lower == 1 {
		return nil
	}
	return dims
}

// PlainDims returns dims as Array.Dims has them, nil for one dimension counted from 1.
func PlainDims(dims []Dim) []Dim { return unlessPlain(dims, 1) }

// Shape returns the dimensions; there are none in an array without elements.
func (a Array) Shape() []Dim { return shapeOf(a.Dims, len(a.Values)) }

func shapeOf(dims []Dim, n int) []Dim {
	if dims == nil && n > 0 {
		return []Dim{{Len: int32(n), Lower: 1}}
	}
	return dims
}

// With returns an array of the same dimensions with other elements.
func (a Array) With(elem Type, values []Value) Array {
	return Array{Elem: elem, Values: values, Dims: a.Dims}
}

// Vector returns an int2vector or oidvector, which count from 0.
func Vector(elem Type, values []Value) Array {
	return NewArrayOf(elem, values, []Dim{{Len: int32(len(values))}})
}

// CheckDims returns how many elements an array of these dimensions has.
func CheckDims(dims []Dim) (n int, err error) {
	if len(dims) > MaxDimensions {
		return 0, TooManyDimensions(len(dims))
	}
	if len(dims) == 0 {
		return 0, nil
	}
	total := int64(1)
	for _, d := range dims {
		if total *= int64(d.Len); d.Len < 0 || total > MaxElements {
			return 0, ArrayTooLarge()
		}
	}
	for _, d := range dims {
		if int64(d.Lower)+int64(d.Len) > math.MaxInt32 {
			return 0, pgerr.New(pgerr.ProgramLimitExceeded, "array lower bound is too large: %d", d.Lower)
		}
	}
	return int(total), nil
}

// TooManyDimensions and ArrayTooLarge are PostgreSQL's errors for what is beyond its bounds.
func TooManyDimensions(n int) error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", n, MaxDimensions)
}

func ArrayTooLarge() error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", MaxElements)
}

// compareShapes orders arrays of equal elements, of which there are n.
func compareShapes(a, b []Dim, n int) int {
	if a == nil && b == nil {
		return 0
	}
	a, b = shapeOf(a, n), shapeOf(b, n)
	return cmp.Or(cmp.Compare(len(a), len(b)),
		slices.CompareFunc(a, b, func(x, y Dim) int { return cmp.Compare(x.Len, y.Len) }),
		slices.CompareFunc(a, b, func(x, y Dim) int { return cmp.Compare(x.Lower, y.Lower) }))
}

// appendShape appends the stored form of dimensions, which nil has nothing of.
func appendShape(dst []byte, dims []Dim) []byte {
	for _, d := range dims {
		dst = binary.AppendVarint(binary.AppendUvarint(dst, uint64(d.Len)), int64(d.Lower))
	}
	return dst
}

// CheckShape returns an error, which wraps ErrCorrupt, if b is not the stored form of the dimensions of an
// array of n elements.
func CheckShape(b []byte, n int) error {
	dims, ok := readShape(b)
	if !ok {
		return fmt.Errorf("%w: dimensions in %d bytes", ErrCorrupt, len(b))
	}
	if dims == nil {
		return nil
	}
	if total, err := CheckDims(dims); err != nil || total != n || unlessPlain(dims, n) == nil {
		return fmt.Errorf("%w: dimensions %v of an array of %d elements", ErrCorrupt, dims, n)
	}
	return nil
}

func readShape(b []byte) (dims []Dim, ok bool) {
	for len(b) > 0 {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > MaxElements {
			return nil, false
		}
		lower, m := binary.Varint(b[n:])
		if m <= 0 || lower != int64(int32(lower)) {
			return nil, false
		}
		dims = append(dims, Dim{int32(length), int32(lower)})
		b = b[n+m:]
	}
	return dims, true
}

func mustReadShape(b []byte) []Dim {
	if len(b) == 0 {
		return nil
	}
	dims, ok := readShape(b)
	if !ok {
		panic("datum: bug: dimensions that nobody checked")
	}
	return dims
}
