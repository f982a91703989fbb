package function

import (
	"sort"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// typedFunc is a function over boxed values with the actual types.
type typedFunc = func(c *Context, args []datum.Value, types []datum.Type, ret datum.Type) (datum.Value, error)

func arrayKernels(k kernels) {
	k.add(boxedTyped(arrayAppend), "array_append")
	k.add(boxedTyped(func(c *Context, a []datum.Value, t []datum.Type, ret datum.Type) (datum.Value, error) {
		arr := datum.Array{Elem: elemTypeOf(ret), Values: []datum.Value{a[0]}}
		if a[1] != nil {
			arr.Values = append(arr.Values, a[1].(datum.Array).Values...)
		}
		return arr, nil
	}), "array_prepend")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
		if a[0] == nil || a[1] == nil {
			return firstNotNull(a...), nil
		}
		x, y := a[0].(datum.Array), a[1].(datum.Array)
		vals := make([]datum.Value, 0, len(x.Values)+len(y.Values))
		return datum.Array{Elem: elemTypeOf(ret), Values: append(append(vals, x.Values...), y.Values...)}, nil
	}), "array_cat")
	arrayDimensions(k)
	arraySearch(k)
	arraySets(k)
	arrayTexts(k)
	k.add(boxedTyped(arrayFill), "array_fill")
	k.add(strictBoxed(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		arr, n := a[0].(datum.Array), a[1].(int32)
		if n < 0 || int(n) > len(arr.Values) {
			return nil, pgerr.New("2202E", "number of elements to trim must be between 0 and %d", len(arr.Values))
		}
		arr.Values = arr.Values[:len(arr.Values)-int(n)]
		return arr, nil
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

// baseIndex is the index of an array's first element; the catalogue's vectors count from 0.
func baseIndex(t datum.Type) int32 {
	if t.OID == datum.OIDVector || t.OID == datum.Int2Vector {
		return 0
	}
	return 1
}

func arrayAppend(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
	arr := datum.Array{Elem: elemTypeOf(ret)}
	if a[0] != nil {
		arr.Values = append(arr.Values, a[0].(datum.Array).Values...)
	}
	arr.Values = append(arr.Values, a[1])
	return arr, nil
}

func arrayDimensions(k kernels) {
	dimension := func(f func(n int, base int32) int32) evalFunc {
		return strictBoxed(func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
			n := len(a[0].(datum.Array).Values)
			if n == 0 || a[1].(int32) != 1 {
				return nil, nil
			}
			return f(n, baseIndex(t[0])), nil
		}, datum.Int4)
	}
	k.add(dimension(func(n int, _ int32) int32 { return int32(n) }), "array_length")
	k.add(dimension(func(_ int, base int32) int32 { return base }), "array_lower")
	k.add(dimension(func(n int, base int32) int32 { return int32(n) - 1 + base }), "array_upper")
	whole := func(f func(n int, base int32) datum.Value) evalFunc {
		return strictBoxed(func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
			return f(len(a[0].(datum.Array).Values), baseIndex(t[0])), nil
		})
	}
	k.add(whole(func(n int, _ int32) datum.Value { return int32(n) }), "array_cardinality")
	k.add(whole(func(n int, _ int32) datum.Value {
		if n == 0 {
			return nil
		}
		return int32(1)
	}), "array_ndims")
	k.add(whole(func(n int, base int32) datum.Value {
		if n == 0 {
			return nil
		}
		return "[" + strconv.Itoa(int(base)) + ":" + strconv.Itoa(n-1+int(base)) + "]"
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
		if a[0] == nil {
			return nil, nil
		}
		base, from := baseIndex(t[0]), 0
		if len(a) > 2 {
			if a[2] == nil {
				return nil, pgerr.New(pgerr.NullNotAllowed, "initial position must not be null")
			}
			from = max(0, int(a[2].(int32)-base))
		}
		vals := a[0].(datum.Array).Values
		for i := from; i < len(vals); i++ {
			if sameValue(t[1], vals[i], a[1]) {
				return int32(i) + base, nil
			}
		}
		return nil, nil
	}
	k.add(boxedTyped(position, 0, 0, datum.Int4), "array_position", "array_position_start")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		out := datum.Array{Elem: datum.Of(datum.Int4)}
		for i, v := range a[0].(datum.Array).Values {
			if sameValue(t[1], v, a[1]) {
				out.Values = append(out.Values, int32(i)+baseIndex(t[0]))
			}
		}
		return out, nil
	}), "array_positions")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, ret datum.Type) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		out := datum.Array{Elem: elemTypeOf(ret)}
		for _, v := range a[0].(datum.Array).Values {
			if !sameValue(t[1], v, a[1]) {
				out.Values = append(out.Values, v)
			}
		}
		return out, nil
	}), "array_remove")
	k.add(boxedTyped(func(_ *Context, a []datum.Value, t []datum.Type, ret datum.Type) (datum.Value, error) {
		if a[0] == nil {
			return nil, nil
		}
		out := datum.Array{Elem: elemTypeOf(ret)}
		for _, v := range a[0].(datum.Array).Values {
			if sameValue(t[1], v, a[1]) {
				v = a[2]
			}
			out.Values = append(out.Values, v)
		}
		return out, nil
	}), "array_replace")
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
		return datum.Array{Elem: datum.Of(datum.Text), Values: splitText(a)}, nil
	}, datum.Text), "text_to_array", "text_to_array_null")
	k.addSet(func(_ *Context, a []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		if a[0] == nil {
			return &valueRows{}, nil
		}
		return &valueRows{vals: splitText(a)}, nil
	}, "text_to_table", "text_to_table_null")
}

// splitText cuts a[0] at a[1] (NULL: into characters); a part equal to a[2] is NULL.
func splitText(a []datum.Value) []datum.Value {
	s := a[0].(string)
	if s == "" {
		return nil
	}
	var parts []string
	switch {
	case a[1] == nil:
		parts = strings.Split(s, "")
	case a[1].(string) == "":
		parts = []string{s}
	default:
		parts = strings.Split(s, a[1].(string))
	}
	vals := make([]datum.Value, len(parts))
	for i, p := range parts {
		if len(a) > 2 && a[2] != nil && p == a[2].(string) {
			continue
		}
		vals[i] = p
	}
	return vals
}

// maxArray is PostgreSQL's bound on the elements of an array.
const maxArray = 134217727

func arrayFill(_ *Context, a []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
	if a[1] == nil {
		return nil, pgerr.New(pgerr.NullNotAllowed, "dimension array or low bound array cannot be null")
	}
	arr, dims := datum.Array{Elem: elemTypeOf(ret)}, a[1].(datum.Array).Values
	if len(dims) > 1 {
		return nil, pgerr.Unsupported("multidimensional arrays are not supported")
	}
	if len(dims) == 0 {
		return arr, nil
	}
	if dims[0] == nil {
		return nil, pgerr.New(pgerr.NullNotAllowed, "dimension values cannot be null")
	}
	n := dims[0].(int32)
	if n < 0 || n > maxArray {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", maxArray)
	}
	arr.Values = make([]datum.Value, n)
	for i := range arr.Values {
		arr.Values[i] = a[0]
	}
	return arr, nil
}

// widthBucketArray finds the bucket of a value among sorted lower bounds.
func widthBucketArray(_ *Context, a []datum.Value, t []datum.Type, _ datum.Type) (datum.Value, error) {
	vals := a[1].(datum.Array).Values
	for _, v := range vals {
		if v == nil {
			return nil, pgerr.New(pgerr.NullNotAllowed, "thresholds array must not contain NULLs")
		}
	}
	n := sort.Search(len(vals), func(i int) bool { return datum.Compare(t[0], vals[i], a[0]) > 0 })
	return int32(n), nil
}
