package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
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
	if _, nested := e.Elems[0].Type().Elem(); nested {
		return function.Vec{}, pgerr.Unsupported("multidimensional arrays are not supported")
	}
	vs, err := c.evalAll(e.Elems, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	n, isConst := rowsOf(f.n, vs...)
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
	offsets := memory.NewResizableBuffer(c.Mem)
	offsets.Resize(4 * (n + 1))
	for i := range arrow.GetData[int32](offsets.Bytes()) {
		arrow.GetData[int32](offsets.Bytes())[i] = int32(i * len(vs))
	}
	a := makeArray(arrow.ListOf(values.DataType()), n, 0, nil, []arrow.Array{values}, offsets)
	return function.Vec{Array: a, Const: isConst, T: e.T}, nil
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
	list, ok := v.Array.(*array.List)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	// Only the elements of rows that are not NULL are converted.
	offsets := memory.NewResizableBuffer(c.Mem)
	offsets.Resize(4 * (list.Len() + 1))
	out := arrow.GetData[int32](offsets.Bytes())
	out[0] = 0
	var idx []int32
	for i := range list.Len() {
		if list.IsValid(i) {
			from, to := list.ValueOffsets(i)
			for j := from; j < to; j++ {
				idx = append(idx, int32(j))
			}
		}
		out[i+1] = int32(len(idx))
	}
	values, err := c.castElements(e, list, idx)
	if err != nil {
		offsets.Release()
		return function.Vec{}, err
	}
	defer values.Release()
	valid, nulls := gatherValidity(c.Mem, list, allRows(list.Len()))
	a := makeArray(arrow.ListOf(values.DataType()), list.Len(), nulls, valid, []arrow.Array{values}, offsets)
	return function.Vec{Array: a, Const: v.Const, T: e.T}, nil
}

func (c *Context) castElements(e *ArrayCast, list *array.List, idx []int32) (arrow.Array, error) {
	elems, err := gather(c.Mem, list.ListValues(), idx)
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

// lowerBound is the index of the first element: the vectors of the catalogue count from 0.
func lowerBound(t datum.Type) int64 {
	if t.OID == datum.OIDVector || t.OID == datum.Int2Vector {
		return 0
	}
	return 1
}

func (c *Context) subscript(e *Subscript, f *frame) (function.Vec, error) {
	vs, err := c.evalAll([]Expr{e.Arg, e.Index}, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	list, ok := vs[0].Array.(*array.List)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	n, isConst := rowsOf(f.n, vs...)
	lower, idx := lowerBound(e.Arg.Type()), make([]int32, n)
	for i := range idx {
		idx[i] = -1
		index, ok := int32At(vs[1], i)
		row := vs[0].At(i)
		if !ok || list.IsNull(row) {
			continue
		}
		from, to := list.ValueOffsets(row)
		if j := from + int64(index) - lower; j >= from && j < to {
			idx[i] = int32(j)
		}
	}
	a, err := gather(c.Mem, list.ListValues(), idx)
	return function.Vec{Array: a, Const: isConst, T: e.T}, err
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
	vs := make([]function.Vec, 0, 3)
	defer func() { releaseVecs(vs) }()
	for _, x := range []Expr{e.Arg, e.Lower, e.Upper} {
		if x == nil {
			vs = append(vs, function.Vec{Array: array.NewNull(1), Const: true})
			continue
		}
		v, err := c.eval(x, f)
		if err != nil {
			return function.Vec{}, err
		}
		vs = append(vs, v)
	}
	list, ok := vs[0].Array.(*array.List)
	if !ok {
		return c.constant(e.T, nil), nil
	}
	n, isConst := rowsOf(f.n, vs...)
	first := lowerBound(e.Arg.Type())
	offsets := memory.NewResizableBuffer(c.Mem)
	offsets.Resize(4 * (n + 1))
	out := arrow.GetData[int32](offsets.Bytes())
	out[0] = 0
	rows, idx := make([]int32, n), []int32(nil)
	for i := range n {
		rows[i] = int32(vs[0].At(i))
		lower, okLower := int32At(vs[1], i)
		upper, okUpper := int32At(vs[2], i)
		if e.Lower != nil && !okLower || e.Upper != nil && !okUpper || list.IsNull(int(rows[i])) {
			rows[i] = -1
		} else {
			from, to := list.ValueOffsets(int(rows[i]))
			lo, hi := from, to
			if e.Lower != nil {
				lo = max(lo, from+int64(lower)-first)
			}
			if e.Upper != nil {
				hi = min(hi, from+int64(upper)-first+1)
			}
			for j := lo; j < hi; j++ {
				idx = append(idx, int32(j))
			}
		}
		out[i+1] = int32(len(idx))
	}
	values, err := gather(c.Mem, list.ListValues(), idx)
	if err != nil {
		offsets.Release()
		return function.Vec{}, err
	}
	defer values.Release()
	valid, nulls := gatherValidity(c.Mem, list, rows)
	a := makeArray(list.DataType(), n, nulls, valid, []arrow.Array{values}, offsets)
	return function.Vec{Array: a, Const: isConst, T: e.T}, nil
}
