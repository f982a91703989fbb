package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
)

// arrayExpr binds ARRAY[...]; elem, if its OID is set, is the element type that
// a cast around it asks for.
func (b *binder) arrayExpr(e *ast.ArrayExpr, s *scope, elem datum.Type) (expr.Expr, error) {
	elems, pos, nested, err := b.arrayElements(e, s, elem)
	if err != nil {
		return nil, err
	}
	t := elem
	if nested && elem.OID != 0 {
		t, _ = datum.ArrayOf(elem)
	}
	switch {
	case elem.OID != 0:
		for i, x := range elems {
			if elems[i], err = b.explicit(x, t, posAt(pos, i)); err != nil {
				return nil, err
			}
		}
	case len(elems) == 0:
		return nil, pgerr.New(pgerr.IndeterminateType, "cannot determine type of empty array").
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].").At(e.Position())
	default:
		if elems, t, err = b.unify(elems, "ARRAY", pos); err != nil {
			return nil, err
		}
	}
	if nested {
		if !trueArray(t.OID) {
			return nil, pgerr.New(pgerr.UndefinedObject, "could not find element type for data type %s", datum.Of(t.OID)).At(e.Position())
		}
		return &expr.ArrayCtor{Elems: elems, T: t}, nil
	}
	arr, ok := datum.ArrayOf(t)
	if !ok {
		return nil, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", b.typeText(t.OID)).At(e.Position())
	}
	return arrayOfExprs(elems, arr), nil
}

// arrayElements binds the elements of ARRAY[...]; nested says that they are arrays.
func (b *binder) arrayElements(e *ast.ArrayExpr, s *scope, elem datum.Type) (elems []expr.Expr, pos []int, nested bool, err error) {
	for _, x := range e.Elems {
		var y expr.Expr
		if sub, ok := x.(*ast.ArrayExpr); ok {
			nested = true
			y, err = b.arrayExpr(sub, s, elem)
		} else {
			y, err = b.expr(x, s)
		}
		if err != nil {
			return nil, nil, false, err
		}
		nested = nested || trueArray(y.Type().OID)
		elems, pos = append(elems, y), append(pos, position(x))
	}
	return elems, pos, nested, nil
}

// arrayOfExprs makes an array, constant if its elements are.
func arrayOfExprs(elems []expr.Expr, t datum.Type) expr.Expr {
	elem, _ := t.Elem()
	values := make([]datum.Value, len(elems))
	for i, e := range elems {
		c, ok := e.(*expr.Const)
		if !ok {
			return &expr.ArrayCtor{Elems: elems, T: t}
		}
		values[i] = c.Value
	}
	return &expr.Const{Value: datum.Array{Elem: elem, Values: values}, T: t}
}

func (b *binder) subscript(e *ast.Subscript, s *scope) (expr.Expr, error) {
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	if x.Type().OID == datum.JSONB {
		for _, sub := range e.Subs {
			if x, err = b.jsonSubscript(x, sub, s, e.Position()); err != nil {
				return nil, err
			}
		}
		return x, nil
	}
	elem := elemOf(x.Type().OID)
	if elem == 0 {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting",
			b.typeText(x.Type().OID)).At(position(e))
	}
	lower, upper, slice, err := b.arrayIndices(e.Subs, s)
	if err != nil {
		return nil, err
	}
	if !slice {
		t, ok := x.Type().Elem()
		if !ok { // of int2vector or oidvector
			t = datum.Of(elem)
		}
		return &expr.Subscript{Arg: x, Index: upper, T: t}, nil
	}
	t := sliceType(x.Type())
	if !trueArray(t.OID) { // of int2vector or oidvector
		t, _ = datum.ArrayOf(datum.Of(elem))
	}
	return &expr.Slice{Arg: x, Lower: lower, Upper: upper, T: t}, nil
}

// arrayIndices binds the subscripts of an array. If one is a slice all are: [n] is [1:n] then.
func (b *binder) arrayIndices(subs []ast.Sub, s *scope) (lower, upper []expr.Expr, slice bool, err error) {
	if len(subs) > datum.MaxDimensions {
		return nil, nil, false, datum.TooManyDimensions(len(subs))
	}
	for _, sub := range subs {
		slice = slice || sub.Slice
	}
	for _, sub := range subs {
		lo, err := b.arrayIndex(sub.Lower, s)
		if err != nil {
			return nil, nil, false, err
		}
		hi, err := b.arrayIndex(sub.Upper, s)
		if err != nil {
			return nil, nil, false, err
		}
		if slice && !sub.Slice {
			lo = &expr.Const{Value: int32(1), T: datum.Of(datum.Int4)}
		}
		lower, upper = append(lower, lo), append(upper, hi)
	}
	return lower, upper, slice, nil
}

// arrayIndex binds a subscript of an array, nil if it is left out.
func (b *binder) arrayIndex(i ast.Expr, s *scope) (expr.Expr, error) {
	if i == nil {
		return nil, nil
	}
	n, err := b.expr(i, s)
	if err != nil {
		return nil, err
	}
	source := n.Type().OID
	n, err = b.coerceTo(n, datum.Of(datum.Int4), 'a', position(i))
	if n == nil && err == nil {
		err = pgerr.New(pgerr.DatatypeMismatch, "array subscript must have type integer, not %s", b.typeText(source)).At(position(i))
	}
	return n, err
}

// jsonSubscript is jsonb's subscripting, which for reading is a path of one step: a text, which may
// be a number.
func (b *binder) jsonSubscript(x expr.Expr, sub ast.Sub, s *scope, pos int) (expr.Expr, error) {
	if sub.Slice {
		return nil, errJSONSlice(sub)
	}
	i, err := b.expr(sub.Upper, s)
	if err != nil {
		return nil, err
	}
	at := position(sub.Upper)
	switch from := i.Type().OID; from {
	case datum.Unknown, datum.Text, datum.Int4:
	default:
		n, err := b.coerceTo(i, datum.Of(datum.Int4), 'i', at)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, pgerr.New(pgerr.DatatypeMismatch, "subscript type %s is not supported", b.typeText(from)).
				WithHint("jsonb subscript must be coercible to either integer or text.").At(at)
		}
		i = n
	}
	if i, err = b.explicit(i, datum.Of(datum.Text), at); err != nil {
		return nil, err
	}
	path := &expr.ArrayCtor{Elems: []expr.Expr{i}, T: datum.Of(datum.TextArray)}
	return b.binaryOp(ast.OpName{Name: "#>"}, x, path, pos)
}

func errJSONSlice(sub ast.Sub) error {
	at := sub.Upper
	if at == nil {
		at = sub.Lower
	}
	e := pgerr.New(pgerr.DatatypeMismatch, "jsonb subscript does not support slices")
	if at == nil {
		return e
	}
	return e.At(position(at))
}
