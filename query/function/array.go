package function

import (
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// typedFunc is a function over boxed values with the actual types.
type typedFunc = func(c *Context, args []datum.Value, types []datum.Type, ret datum.Type) (datum.Value, error)

func arrayKernels(k kernels) {
	k.add(boxedTyped(func(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
		return arrayExtend(ret, a[0], a[1], true)
	}), "array_append")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
		return arrayExtend(ret, a[1], a[0], false)
	}), "array_prepend")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		if a[0] == nil || a[1] == nil {
			return firstNotNull(a...), nil
		}
		return a[0].(datum.Array).Concat(a[1].(datum.Array))
	}), "array_cat")
	arrayDimensions(k)
	arraySearch(k)
	arraySets(k)
	arrayTexts(k)
	k.add(boxedTyped(arrayFill), "array_fill", "array_fill_with_lower_bounds")
	k.add(strictBoxed(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		arr, n := a[0].(datum.Array), a[1].(int32)
		first := datum.Dim{}
		if dims := arr.Shape(); len(dims) > 0 {
			first = dims[0]
		}
		if n < 0 || n > first.Len {
			return nil, pgerr.New(pgerr.ArraySubscript, "number of elements to trim must be between 0 and %d", first.Len)
		}
		return arr.Slice([]datum.Bounds{{Upper: first.Upper() - n, HasUpper: true}}), nil
	}), "trim_array")
	k.add(strictBoxed(widthBucketArray), "width_bucket_array")
}

func firstNotNull(vs ...datum.Value) datum.Value {
	for _, v := range vs {
		if v != nil {
			return v
		}
	}
	return nil
}

func elemTypeOf(t datum.Type) datum.Type {
	e, _ := elemOf(t)
	return e
}

// arrayExtend adds an element before or after the others.
func arrayExtend(ret datum.Type, array, v datum.Value, after bool) (datum.Value, error) {
	arr, _ := array.(datum.Array)
	dims := arr.Shape()
	if len(dims) > 1 {
		return nil, pgerr.New("22000", "argument must be empty or one-dimensional array")
	}
	if len(dims) == 0 {
		dims = []datum.Dim{{Lower: 1}}
	}
	if after && dims[0].Upper() == math.MaxInt32 || !after && dims[0].Lower == math.MinInt32 {
		return nil, pgerr.New(pgerr.NumericOutOfRange, "integer out of range")
	}
	values := make([]datum.Value, 0, len(arr.Values)+1)
	if !after {
		values = append(values, v)
	}
	if values = append(values, arr.Values...); after {
		values = append(values, v)
	}
	dims = []datum.Dim{{Len: int32(len(values)), Lower: dims[0].Lower}}
	if _, err := datum.CheckDims(dims); err != nil {
		return nil, err
	}
	return datum.NewArrayOf(elemTypeOf(ret), values, dims), nil
}

func arrayDimensions(k kernels) {
	dimension := func(f func(d datum.Dim) int32) evalFunc {
		return strictBoxed(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			dims, i := a[0].(datum.Array).Shape(), int(a[1].(int32))
			if i < 1 || i > len(dims) {
				return nil, nil
			}
			return f(dims[i-1]), nil
		}, datum.AnyArray, datum.Int4)
	}
	k.add(dimension(func(d datum.Dim) int32 { return d.Len }), "array_length")
	k.add(dimension(func(d datum.Dim) int32 { return d.Lower }), "array_lower")
	k.add(dimension(datum.Dim.Upper), "array_upper")
	whole := func(f func(a datum.Array) datum.Value) evalFunc {
		return strictBoxed(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			return f(a[0].(datum.Array)), nil
		})
	}
	k.add(whole(func(a datum.Array) datum.Value { return int32(len(a.Values)) }), "array_cardinality")
	k.add(whole(func(a datum.Array) datum.Value {
		if len(a.Values) == 0 {
			return nil
		}
		return int32(len(a.Shape()))
	}), "array_ndims")
	k.add(whole(func(a datum.Array) datum.Value {
		if len(a.Values) == 0 {
			return nil
		}
		return string(datum.AppendDims(nil, a.Shape()))
	}), "array_dims")
}

// sameValue is IS NOT DISTINCT FROM.
func sameValue(t datum.Type, a, b datum.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return datum.Compare(t, a, b) == 0
}

func arraySearch(k kernels) {
	position := func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
		arr, dims, err := searchedArray(a[0])
		if err != nil || len(dims) == 0 || a[1] == nil && !slices.Contains(arr.Values, nil) {
			return nil, err // whatever the start
		}
		from := 0
		if len(a) > 2 {
			if a[2] == nil {
				return nil, pgerr.New(pgerr.NullNotAllowed, "initial position must not be null")
			}
			from = max(0, int(a[2].(int32))-int(dims[0].Lower))
		}
		for i := from; i < len(arr.Values); i++ {
			if sameValue(t[1], arr.Values[i], a[1]) {
				return int32(i) + dims[0].Lower, nil
			}
		}
		return nil, nil
	}
	k.add(boxedTyped(position, 0, 0, datum.Int4), "array_position", "array_position_start")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
		arr, dims, err := searchedArray(a[0])
		if err != nil || a[0] == nil {
			return nil, err
		}
		out := datum.Array{Elem: datum.Of(datum.Int4)}
		for i, v := range arr.Values {
			if sameValue(t[1], v, a[1]) {
				out.Values = append(out.Values, int32(i)+dims[0].Lower)
			}
		}
		return out, nil
	}), "array_positions")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, ret datum.Type) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		arr := a[0].(datum.Array)
		dims := arr.Shape()
		if len(dims) > 1 {
			return nil, pgerr.Unsupported("removing elements from multidimensional arrays is not supported")
		}
		var values []datum.Value
		for _, v := range arr.Values {
			if !sameValue(t[1], v, a[1]) {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return datum.Array{Elem: elemTypeOf(ret)}, nil
		}
		return datum.NewArrayOf(elemTypeOf(ret), values, []datum.Dim{{Len: int32(len(values)), Lower: dims[0].Lower}}), nil
	}), "array_remove")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, ret datum.Type) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		arr := a[0].(datum.Array)
		out := arr.With(elemTypeOf(ret), make([]datum.Value, len(arr.Values)))
		for i, v := range arr.Values {
			if sameValue(t[1], v, a[1]) {
				v = a[2]
			}
			out.Values[i] = v
		}
		return out, nil
	}), "array_replace")
}

// searchedArray returns an array whose elements have one position each, and its dimensions.
func searchedArray(v datum.Value) (datum.Array, []datum.Dim, error) {
	arr, _ := v.(datum.Array)
	dims := arr.Shape()
	if len(dims) > 1 {
		return arr, nil, pgerr.Unsupported("searching for elements in multidimensional arrays is not supported")
	}
	return arr, dims, nil
}

// arraySets are containment and overlap, for which NULL elements equal nothing.
func arraySets(k kernels) {
	contains := func(t datum.Type, x, y datum.Array) bool {
		has := memberTest(t, x.Values, len(y.Values))
		for _, v := range y.Values {
			if v == nil || !has(v) {
				return false
			}
		}
		return true
	}
	sets := func(f func(t datum.Type, x, y datum.Array) bool) evalFunc {
		return strictBoxed(func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
			return f(elemTypeOf(t[0]), a[0].(datum.Array), a[1].(datum.Array)), nil
		})
	}
	k.add(sets(contains), "arraycontains")
	k.add(sets(func(t datum.Type, x, y datum.Array) bool { return contains(t, y, x) }), "arraycontained")
	k.add(sets(func(t datum.Type, x, y datum.Array) bool {
		has := memberTest(t, x.Values, len(y.Values))
		for _, v := range y.Values {
			if v != nil && has(v) {
				return true
			}
		}
		return false
	}), "arrayoverlap")
}

// memberTest returns a test for membership, by keys if it pays for so many calls.
func memberTest(t datum.Type, vals []datum.Value, calls int) func(v datum.Value) bool {
	if len(vals)*calls < 64 {
		return func(v datum.Value) bool {
			for _, x := range vals {
				if x != nil && datum.Compare(t, x, v) == 0 {
					return true
				}
			}
			return false
		}
	}
	set := make(map[string]struct{}, len(vals))
	for _, x := range vals {
		if x != nil {
			set[string(datum.AppendValueKey(nil, t, x, datum.KeyOrder{}))] = struct{}{}
		}
	}
	var key []byte
	return func(v datum.Value) bool {
		key = datum.AppendValueKey(key[:0], t, v, datum.KeyOrder{})
		_, ok := set[string(key)]
		return ok
	}
}

func arrayTexts(k kernels) {
	toText := func(c *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
		if a[0] == nil || a[1] == nil {
			return nil, nil
		}
		elem, sep := elemTypeOf(t[0]), a[1].(string)
		var parts []string
		size := 0
		for _, v := range a[0].(datum.Array).Values {
			switch {
			case v != nil:
				parts = append(parts, outText(c, elem, v))
			case len(a) > 2 && a[2] != nil:
				parts = append(parts, a[2].(string))
			default:
				continue
			}
			if size += len(parts[len(parts)-1]) + len(sep); size > maxText {
				return nil, errTextTooLong
			}
		}
		return strings.Join(parts, sep), nil
	}
	k.add(boxedTyped(toText, 0, datum.Text), "array_to_text", "array_to_text_null")
	k.add(boxed(func(_ *Context, a []datum.Value) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		vals, err := splitText(a)
		if err != nil {
			return nil, err
		}
		return datum.Array{Elem: datum.Of(datum.Text), Values: vals}, nil
	}, datum.Text), "text_to_array", "text_to_array_null")
	k.addSet(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		if a[0] == nil {
			return &valueRows{}, nil
		}
		vals, err := splitText(a)
		return &valueRows{vals: vals}, err
	}, "text_to_table", "text_to_table_null")
}

// splitText cuts a[0] at a[1] (NULL: into characters); a part equal to a[2] is NULL.
func splitText(a []datum.Value) ([]datum.Value, error) {
	s := a[0].(string)
	if s == "" {
		return nil, nil
	}
	sep, _ := a[1].(string)
	if strings.Count(s, sep) >= datum.MaxElements {
		return nil, datum.ArrayTooLarge()
	}
	var parts []string
	switch {
	case a[1] == nil:
		parts = strings.Split(s, "")
	case a[1].(string) == "":
		parts = []string{s}
	default:
		parts = strings.Split(s, sep)
	}
	vals := make([]datum.Value, len(parts))
	for i, p := range parts {
		if len(a) > 2 && a[2] != nil && p == a[2].(string) {
			continue
		}
		vals[i] = p
	}
	return vals, nil
}

func arrayFill(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
	if slices.Contains(a[1:], nil) {
		return nil, pgerr.New(pgerr.NullNotAllowed, "dimension array or low bound array cannot be null")
	}
	lengths, err := dimensionValues(a[1].(datum.Array))
	if err != nil {
		return nil, err
	}
	if len(lengths) > datum.MaxDimensions {
		return nil, datum.TooManyDimensions(len(lengths))
	}
	dims := make([]datum.Dim, len(lengths))
	for i, n := range lengths {
		dims[i] = datum.Dim{Len: n.(int32), Lower: 1}
	}
	if len(a) > 2 {
		lower, err := dimensionValues(a[2].(datum.Array))
		if err != nil {
			return nil, err
		}
		if len(lower) != len(dims) {
			return nil, pgerr.New(pgerr.ArraySubscript, "wrong number of array subscripts").
				WithDetail("Low bound array has different size than dimensions array.")
		}
		for i, n := range lower {
			dims[i].Lower = n.(int32)
		}
	}
	n, err := datum.CheckDims(dims)
	if err != nil {
		return nil, err
	}
	values := make([]datum.Value, n)
	for i := range values {
		values[i] = a[0]
	}
	return datum.NewArrayOf(elemTypeOf(ret), values, dims), nil
}

func dimensionValues(a datum.Array) ([]datum.Value, error) {
	switch {
	case len(a.Shape()) > 1:
		return nil, pgerr.New(pgerr.ArraySubscript, "wrong number of array subscripts").WithDetail("Dimension array must be one dimensional.")
	case slices.Contains(a.Values, nil):
		return nil, pgerr.New(pgerr.NullNotAllowed, "dimension values cannot be null")
	}
	return a.Values, nil
}

// widthBucketArray finds the bucket of a value among sorted lower bounds.
func widthBucketArray(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
	vals := a[1].(datum.Array).Values
	if len(a[1].(datum.Array).Shape()) > 1 {
		return nil, pgerr.New(pgerr.ArraySubscript, "thresholds must be one-dimensional array")
	}
	for _, v := range vals {
		if v == nil {
			return nil, pgerr.New(pgerr.NullNotAllowed, "thresholds array must not contain NULLs")
		}
	}
	n := sort.Search(len(vals), func(i int) bool { return datum.Compare(t[0], vals[i], a[0]) > 0 })
	return int32(n), nil
}
