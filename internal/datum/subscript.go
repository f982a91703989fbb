package datum

import (
	"math"
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Bounds is one subscript of a slice; the array's own bound counts where none is given.
type Bounds struct {
	Lower, Upper       int32
	HasLower, HasUpper bool
}

// ElementAt returns the place among n elements of the one with these subscripts; ok is false if there is none.
func ElementAt(dims []Dim, n int, subscripts []int32) (at int, ok bool) {
	if dims == nil { // without looking at more
		if len(subscripts) != 1 || subscripts[0] < 1 || int64(subscripts[0]) > int64(n) {
			return 0, false
		}
		return int(subscripts[0]) - 1, true
	}
	if len(subscripts) != len(dims) {
		return 0, false
	}
	for i, d := range dims {
		k := int64(subscripts[i]) - int64(d.Lower)
		if k < 0 || k >= int64(d.Len) {
			return 0, false
		}
		at = at*int(d.Len) + int(k)
	}
	return at, true
}

// SliceOf returns the dimensions of a slice of an array of n elements, and calls each with the places of
// its elements. It has none if the bounds leave nothing.
func SliceOf(dims []Dim, n int, bounds []Bounds, each func(at int)) []Dim {
	dims = shapeOf(dims, n)
	if len(dims) < len(bounds) || len(dims) == 0 {
		return nil
	}
	ranges := make([]Dim, len(dims)) // within the array, from 0
	out := make([]Dim, len(dims))
	for i, d := range dims {
		lower, upper := int64(d.Lower), int64(d.Upper())
		if i < len(bounds) {
			if b := bounds[i]; b.HasLower {
				lower = max(lower, int64(b.Lower))
			}
			if b := bounds[i]; b.HasUpper {
				upper = min(upper, int64(b.Upper))
			}
		}
		if lower > upper {
			return nil
		}
		ranges[i] = Dim{Len: int32(upper - lower + 1), Lower: int32(lower - int64(d.Lower))}
		out[i] = Dim{Len: ranges[i].Len, Lower: 1}
	}
	eachOf(dims, ranges, 0, each)
	return out
}

// eachOf calls each with the places of the elements within ranges; at counts those of the dimensions before.
func eachOf(dims, ranges []Dim, at int, each func(at int)) {
	if len(dims) == 0 {
		each(at)
		return
	}
	for k := range int(ranges[0].Len) {
		eachOf(dims[1:], ranges[1:], at*int(dims[0].Len)+int(ranges[0].Lower)+k, each)
	}
}

// Slice returns a part of an array, which counts from 1 whatever the array does.
func (a Array) Slice(bounds []Bounds) Array {
	values := []Value{}
	dims := SliceOf(a.Dims, len(a.Values), bounds, func(at int) { values = append(values, a.Values[at]) })
	return NewArrayOf(a.Elem, values, dims)
}

func wrongSubscripts() error {
	return pgerr.New(pgerr.ArraySubscript, "wrong number of array subscripts")
}

// WithElement returns a copy of the array with another element, to hold which an array of one dimension, or
// none, grows; most bounds what it grows by.
func (a Array) WithElement(subscripts []int32, v Value, most int) (Array, error) {
	dims := a.Shape()
	if len(dims) == 0 {
		dims = make([]Dim, len(subscripts))
		for i, s := range subscripts {
			dims[i] = Dim{Len: 1, Lower: s}
		}
		_, err := CheckDims(dims)
		return NewArrayOf(a.Elem, []Value{v}, dims), err
	}
	if len(dims) != len(subscripts) {
		return a, wrongSubscripts()
	}
	out, err := a.extended(dims, subscripts[0], subscripts[0], most)
	if err != nil {
		return a, err
	}
	at, ok := ElementAt(out.Dims, len(out.Values), subscripts)
	if !ok {
		return a, pgerr.New(pgerr.ArraySubscript, "array subscript out of range")
	}
	out.Values[at] = v
	return out, nil
}

// extended returns a copy of the array; one of one dimension has NULLs down to and up to these subscripts.
func (a Array) extended(dims []Dim, lower, upper int32, most int) (Array, error) {
	before, after := 0, 0
	if len(dims) == 1 {
		before = max(0, int(dims[0].Lower)-int(lower))
		after = max(0, int(upper)-int(dims[0].Upper()))
	}
	if before+after > 0 {
		if int64(dims[0].Len)+int64(before+after) > MaxElements {
			return a, ArrayTooLarge()
		}
		if before+after > most {
			return a, pgerr.New(pgerr.ProgramLimitExceeded, "an assignment to an element cannot add more than %d elements before it", most)
		}
		dims = []Dim{{Len: dims[0].Len + int32(before+after), Lower: dims[0].Lower - int32(before)}}
		if _, err := CheckDims(dims); err != nil {
			return a, err
		}
	}
	values := make([]Value, before+len(a.Values)+after)
	copy(values[before:], a.Values)
	return NewArrayOf(a.Elem, values, dims), nil
}

// WithSlice returns a copy of the array with other elements in a slice, those of source as they come. An array
// of one dimension, or none, grows as it does for WithElement.
func (a Array) WithSlice(bounds []Bounds, source Array, most int) (Array, error) {
	dims := a.Shape()
	if len(dims) == 0 {
		return a.newSlice(bounds, source)
	}
	if len(dims) < len(bounds) {
		return a, wrongSubscripts()
	}
	full := make([]Bounds, len(dims))
	for i, d := range dims {
		b := Bounds{Lower: d.Lower, Upper: d.Upper()}
		if i < len(bounds) && bounds[i].HasLower {
			b.Lower = bounds[i].Lower
		}
		if i < len(bounds) && bounds[i].HasUpper {
			b.Upper = bounds[i].Upper
		}
		b.HasLower, b.HasUpper = true, true
		if b.Lower > b.Upper {
			return a, pgerr.New(pgerr.ArraySubscript, "upper bound cannot be less than lower bound")
		}
		if len(dims) > 1 && (b.Lower < d.Lower || b.Upper > d.Upper()) {
			return a, pgerr.New(pgerr.ArraySubscript, "array subscript out of range")
		}
		full[i] = b
	}
	out, err := a.extended(dims, full[0].Lower, full[0].Upper, most)
	if err != nil {
		return a, err
	}
	k := 0
	SliceOf(out.Dims, len(out.Values), full, func(at int) {
		if k < len(source.Values) {
			out.Values[at] = source.Values[k]
		}
		k++
	})
	if k > len(source.Values) {
		return a, sourceTooSmall()
	}
	return out, nil
}

func sourceTooSmall() error { return pgerr.New(pgerr.ArraySubscript, "source array too small") }

// newSlice makes an array of what is assigned to a slice of an empty one.
func (a Array) newSlice(bounds []Bounds, source Array) (Array, error) {
	dims := make([]Dim, len(bounds))
	for i, b := range bounds {
		if !b.HasLower || !b.HasUpper {
			return a, pgerr.New(pgerr.ArraySubscript, "array slice subscript must provide both boundaries").
				WithDetail("When assigning to a slice of an empty array value, slice boundaries must be fully specified.")
		}
		n := int64(b.Upper) - int64(b.Lower) + 1
		if n > math.MaxInt32 {
			return a, ArrayTooLarge()
		}
		dims[i] = Dim{Len: int32(n), Lower: b.Lower}
	}
	n, err := CheckDims(dims)
	if err != nil {
		return a, err
	}
	if n > len(source.Values) {
		return a, sourceTooSmall()
	}
	return NewArrayOf(a.Elem, source.Values[:n:n], dims), nil
}

// Concat is array || array: two of the same number of dimensions, or one and an element of its.
func (a Array) Concat(b Array) (Array, error) {
	da, db := a.Shape(), b.Shape()
	switch {
	case len(db) == 0:
		return a, nil
	case len(da) == 0:
		return b, nil
	}
	incompatible := func(format string, args ...any) (Array, error) {
		return a, pgerr.New(pgerr.ArraySubscript, "cannot concatenate incompatible arrays").WithDetail(format, args...)
	}
	var dims []Dim
	switch len(da) - len(db) {
	case 0:
		dims = append(dims, Dim{Len: da[0].Len + db[0].Len, Lower: da[0].Lower})
		if !slices.Equal(da[1:], db[1:]) {
			return incompatible("Arrays with differing element dimensions are not compatible for concatenation.")
		}
		dims = append(dims, da[1:]...)
	case -1:
		dims = append(dims, Dim{Len: db[0].Len + 1, Lower: db[0].Lower})
		if !slices.Equal(da, db[1:]) {
			return incompatible("Arrays with differing dimensions are not compatible for concatenation.")
		}
		dims = append(dims, da...)
	case 1:
		dims = append(dims, Dim{Len: da[0].Len + 1, Lower: da[0].Lower})
		if !slices.Equal(da[1:], db) {
			return incompatible("Arrays with differing dimensions are not compatible for concatenation.")
		}
		dims = append(dims, db...)
	default:
		return incompatible("Arrays of %d and %d dimensions are not compatible for concatenation.", len(da), len(db))
	}
	if _, err := CheckDims(dims); err != nil {
		return a, err
	}
	values := make([]Value, 0, len(a.Values)+len(b.Values))
	return NewArrayOf(a.Elem, append(append(values, a.Values...), b.Values...), dims), nil
}

// A Stack puts arrays of the same dimensions into one of one dimension more. Empty arrays fit only
// with each other, and make an empty one.
type Stack struct {
	Elem   Type
	values []Value
	dims   []Dim // of each
	n      int
	empty  bool
}

// ErrMismatch is returned by Add and Array for arrays of different dimensions, for callers to say it better.
var ErrMismatch = pgerr.New(pgerr.ArraySubscript, "multidimensional arrays must have array expressions with matching dimensions")

// Add adds an array.
func (s *Stack) Add(a Array) error {
	s.n++
	dims := a.Shape()
	switch {
	case len(dims) == 0:
		s.empty = true
		return nil
	case s.dims == nil:
		if len(dims) >= MaxDimensions {
			return TooManyDimensions(len(dims) + 1)
		}
		s.dims = dims
	case !slices.Equal(s.dims, dims):
		return ErrMismatch
	}
	if len(s.values)+len(a.Values) > MaxElements {
		return ArrayTooLarge()
	}
	s.values = append(s.values, a.Values...)
	return nil
}

// Array returns the array of the arrays that were added.
func (s *Stack) Array() (Array, error) {
	if s.dims == nil {
		return Array{Elem: s.Elem, Values: []Value{}}, nil
	}
	if s.empty {
		return Array{}, ErrMismatch
	}
	return NewArrayOf(s.Elem, s.values, append([]Dim{{Len: int32(s.n), Lower: 1}}, s.dims...)), nil
}

// Items returns the parts of an array along its first dimension: elements, or arrays of one dimension less.
func (a Array) Items() []Value {
	dims := a.Shape()
	if len(dims) <= 1 {
		return a.Values
	}
	items := make([]Value, dims[0].Len)
	size := len(a.Values) / len(items)
	for i := range items {
		items[i] = NewArrayOf(a.Elem, a.Values[i*size:(i+1)*size:(i+1)*size], dims[1:])
	}
	return items
}
