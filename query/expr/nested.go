package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// This file evaluates what makes and takes apart arrays and records.

func concatenate(c *Context, arrays []arrow.Array) (arrow.Array, error) {
	all, err := array.Concatenate(arrays, c.Mem)
	if err != nil {
		return nil, fmt.Errorf("join partial results: %w", err)
	}
	return all, nil
}

// rowsOf is the number of rows that the result of vs has: one if all are constant.
func rowsOf(n int, vs ...function.Vec) (rows int, isConst bool) {
	for _, v := range vs {
		if !v.Const {
			return n, false
		}
	}
	return 1, true
}

func (c *Context) arrayCtor(e *ArrayCtor, f *frame) (function.Vec, error) {
	elem, ok := e.T.Elem()
	if !ok {
		panic("expr: bug: array constructor of a type that is none")
	}
	if len(e.Elems) == 0 {
		return c.constant(e.T, datum.Array{Elem: elem}), nil
	}
	vs, err := c.evalAll(e.Elems, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	n, isConst := rowsOf(f.n, vs...)
	if e.Nested() {
		return c.nestedArrays(e, vs, n, isConst)
	}
	arrays, start := make([]arrow.Array, len(vs)), make([]int32, len(vs))
	total := int32(0)
	for j, v := range vs {
		arrays[j], start[j] = v.Array, total
		total += int32(v.Len())
	}
	all, err := concatenate(c, arrays)
	if err != nil {
		return function.Vec{}, err
	}
	defer all.Release()
	idx := make([]int32, 0, n*len(vs))
	for i := range n {
		for j, v := range vs {
			idx = append(idx, start[j]+int32(v.At(i)))
		}
	}
	values, err := gather(c.Mem, all, idx)
	if err != nil {
		return function.Vec{}, err
	}
	defer values.Release()
	lists := datum.NewListsMaker(c.Mem)
	defer lists.Release()
	for i := range n {
		lists.Append((i+1)*len(vs), nil)
	}
	return function.Vec{Array: lists.Make(values), Const: isConst, T: e.T}, nil
}

// nestedArrays puts arrays together to arrays of one dimension more; NULLs count as empty.
func (c *Context) nestedArrays(e *ArrayCtor, vs []function.Vec, n int, isConst bool) (function.Vec, error) {
	elem, _ := e.T.Elem()
	b := array.NewBuilder(c.Mem, nestedType(e.T, vs))
	defer b.Release()
	for i := range n {
		stack := datum.Stack{Elem: elem}
		for _, v := range vs {
			a, _ := valueAt(e.T, v, i).(datum.Array)
			if err := stack.Add(a); err != nil {
				return function.Vec{}, err
			}
		}
		a, err := stack.Array()
		if err != nil {
			return function.Vec{}, err
		}
		datum.Append(b, e.T, a)
	}
	return function.Vec{Array: b.NewArray(), Const: isConst, T: e.T}, nil
}

// nestedType is the Arrow type of arrays of arrays: that of the first which says what records are made of.
func nestedType(t datum.Type, vs []function.Vec) arrow.DataType {
	for _, v := range vs {
		if elem, ok := datum.ElementsOf(v.DataType()); ok {
			if row, ok := elem.(*arrow.StructType); ok && row.NumFields() > 0 {
				return v.DataType()
			}
		}
	}
	return t.Arrow()
}

func (c *Context) rowCtor(e *RowCtor, f *frame) (function.Vec, error) {
	vs, err := c.evalAll(e.Fields, f)
	if err != nil {
		return function.Vec{}, err
	}
	n, isConst := rowsOf(f.n, vs...)
	types, fields := make([]datum.Type, len(vs)), make([]arrow.Array, len(vs))
	defer func() { releaseArrays(fields) }()
	for j, v := range vs {
		types[j] = e.Fields[j].Type()
		if isConst {
			fields[j] = v.Array
			continue
		}
		if fields[j], err = Expand(c, v, n); err != nil {
			releaseVecs(vs[j+1:])
			return function.Vec{}, err
		}
	}
	dt := datum.RecordArrow(types, e.Names...)
	for j, field := range dt.(*arrow.StructType).Fields() {
		if !arrow.TypeEqual(field.Type, fields[j].DataType()) {
			dt = structLike(dt.(*arrow.StructType), fields)
			break
		}
	}
	return function.Vec{Array: makeArray(dt, n, 0, nil, fields), Const: isConst, T: e.T}, nil
}

// structLike is dt with the fields' actual types: a record in a record knows
// its own fields only at run time.
func structLike(dt *arrow.StructType, fields []arrow.Array) arrow.DataType {
	fs := make([]arrow.Field, dt.NumFields())
	for j := range fs {
		fs[j] = dt.Field(j)
		fs[j].Type = fields[j].DataType()
	}
	return arrow.StructOf(fs...)
}

func (c *Context) fieldSelect(e *FieldSelect, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	defer v.Release()
	if rows, ok := v.Array.(*array.Binary); ok {
		return c.fieldOfRows(e, rows, v.Const), nil
	}
	s, ok := v.Array.(*array.Struct)
	if !ok || e.Index >= s.NumField() {
		if ok && s.NullN() < s.Len() {
			panic(fmt.Sprintf("expr: bug: record without a field %d", e.Index))
		}
		return c.constant(e.T, nil), nil
	}
	field := s.Field(e.Index)
	if s.NullN() == 0 {
		field.Retain()
		return function.Vec{Array: field, Const: v.Const, T: e.T}, nil
	}
	idx := make([]int32, s.Len())
	for i := range idx {
		if idx[i] = int32(i); s.IsNull(i) {
			idx[i] = -1
		}
	}
	a, err := gather(c.Mem, field, idx)
	return function.Vec{Array: a, Const: v.Const, T: e.T}, err
}

// fieldOfRows is fieldSelect of rows of a composite type.
func (c *Context) fieldOfRows(e *FieldSelect, rows *array.Binary, isConst bool) function.Vec {
	b := array.NewBuilder(c.Mem, e.T.Arrow())
	defer b.Release()
	b.Reserve(rows.Len())
	for i := range rows.Len() {
		if rows.IsNull(i) {
			b.AppendNull()
			continue
		}
		datum.Append(b, e.T, datum.FieldOf(rows.Value(i), e.Index))
	}
	return function.Vec{Array: b.NewArray(), Const: isConst, T: e.T}
}

// relabel hands an argument on as another type.
func (c *Context) relabel(e *Relabel, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	v.T = e.T
	if want := e.T.Arrow(); v.Array.DataType().ID() != want.ID() && want.ID() != arrow.STRUCT {
		// int4 and oid have the same bits under different Arrow types.
		d := v.Array.Data()
		seen := array.NewData(want, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
		old := v.Array
		v.Array = array.MakeFromData(seen)
		seen.Release()
		old.Release()
	}
	return v, nil
}

func (c *Context) arrayCast(e *ArrayCast, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	defer v.Release()
	arrays, ok := datum.ListsOf(v.Array)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	// Only the elements of rows that are not NULL are converted.
	lists := datum.NewListsMaker(c.Mem)
	defer lists.Release()
	var idx []int32
	for i := range arrays.Len() {
		if arrays.IsNull(i) {
			lists.AppendNull(len(idx))
			continue
		}
		from, to := arrays.Range(i)
		for j := from; j < to; j++ {
			idx = append(idx, int32(j))
		}
		lists.AppendLike(len(idx), arrays, i)
	}
	values, err := c.castElements(e, arrays.Values(), idx)
	if err != nil {
		return function.Vec{}, err
	}
	defer values.Release()
	return function.Vec{Array: lists.Make(values), Const: v.Const, T: e.T}, nil
}

func (c *Context) castElements(e *ArrayCast, values arrow.Array, idx []int32) (arrow.Array, error) {
	elems, err := gather(c.Mem, values, idx)
	if err != nil {
		return nil, err
	}
	defer elems.Release()
	t, _ := elemType(e.Arg.Type())
	f := &frame{n: len(idx), base: function.Vec{Array: elems, T: t}, hasBase: true}
	defer f.release()
	v, err := c.eval(e.Elem, f)
	if err != nil {
		return nil, err
	}
	return Expand(c, v, len(idx))
}

// elemType is the element type of an array or of an oidvector or int2vector.
func elemType(t datum.Type) (datum.Type, bool) {
	switch t.OID {
	case datum.OIDVector:
		return datum.Of(datum.OIDType), true
	case datum.Int2Vector:
		return datum.Of(datum.Int2), true
	}
	return t.Elem()
}

func (c *Context) subscript(e *Subscript, f *frame) (function.Vec, error) {
	vs, err := c.evalAll(Children(e), f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	arrays, ok := datum.ListsOf(vs[0].Array)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	n, isConst := rowsOf(f.n, vs...)
	idx, at := make([]int32, n), make([]int32, len(e.Index))
	for i := range idx {
		idx[i] = -1
		row := vs[0].At(i)
		if arrays.IsNull(row) || !int32sAt(at, vs[1:], i) {
			continue
		}
		from, to := arrays.Range(row)
		if j, ok := datum.ElementAt(arrays.Dims(row), to-from, at); ok {
			idx[i] = int32(from + j)
		}
	}
	a, err := gather(c.Mem, arrays.Values(), idx)
	return function.Vec{Array: a, Const: isConst, T: e.T}, err
}

// int32sAt reads int4 arguments; it returns false if one is NULL.
func int32sAt(dst []int32, vs []function.Vec, i int) (ok bool) {
	for k, v := range vs {
		if dst[k], ok = int32At(v, i); !ok {
			return false
		}
	}
	return true
}

// int32At reads an int4 argument; ok is false for NULL.
func int32At(v function.Vec, i int) (n int32, ok bool) {
	a, isInt := v.Array.(*array.Int32)
	if j := v.At(i); isInt && a.IsValid(j) {
		return a.Value(j), true
	}
	return 0, false
}

func (c *Context) slice(e *Slice, f *frame) (function.Vec, error) {
	vs, err := c.evalAll(Children(e), f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	arrays, ok := datum.ListsOf(vs[0].Array)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	n, isConst := rowsOf(f.n, vs...)
	lists := datum.NewListsMaker(c.Mem)
	defer lists.Release()
	idx, bounds := []int32(nil), make([]datum.Bounds, len(e.Lower))
	for i := range n {
		row := vs[0].At(i)
		if arrays.IsNull(row) || !e.boundsAt(bounds, vs[1:], i) {
			lists.AppendNull(len(idx))
			continue
		}
		from, to := arrays.Range(row)
		dims := datum.SliceOf(arrays.Dims(row), to-from, bounds, func(at int) { idx = append(idx, int32(from+at)) })
		lists.Append(len(idx), datum.PlainDims(dims))
	}
	values, err := gather(c.Mem, arrays.Values(), idx)
	if err != nil {
		return function.Vec{}, err
	}
	defer values.Release()
	return function.Vec{Array: lists.Make(values), Const: isConst, T: e.T}, nil
}

// boundsAt reads the bounds of row i from the values of those that are given; it returns false if one is NULL.
func (e *Slice) boundsAt(dst []datum.Bounds, vs []function.Vec, i int) (ok bool) {
	for k := range dst {
		b := datum.Bounds{HasLower: e.Lower[k] != nil, HasUpper: e.Upper[k] != nil}
		if b.HasLower {
			if b.Lower, ok = int32At(vs[0], i); !ok {
				return false
			}
			vs = vs[1:]
		}
		if b.HasUpper {
			if b.Upper, ok = int32At(vs[0], i); !ok {
				return false
			}
			vs = vs[1:]
		}
		dst[k] = b
	}
	return true
}
