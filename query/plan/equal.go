package plan

import (
	"bytes"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
)

// Equal says whether two expressions are written alike, so that they have the
// same value for the same row unless they are volatile. Column names do not
// count. Two subqueries are never alike unless they are the same one.
func Equal(a, b expr.Expr) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Type() != b.Type() || !sameHead(a, b) {
		return false
	}
	ca, cb := Children(a), Children(b)
	if len(ca) != len(cb) {
		return false
	}
	for i := range ca {
		if !Equal(ca[i], cb[i]) {
			return false
		}
	}
	return true
}

// EqualAll compares lists of expressions.
func EqualAll(a, b []expr.Expr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// sameHead compares two nodes without their children.
func sameHead(a, b expr.Expr) bool {
	switch a := a.(type) {
	case *expr.Const:
		b, ok := b.(*expr.Const)
		return ok && SameValue(a.T, a.Value, b.Value)
	case *expr.Column:
		b, ok := b.(*expr.Column)
		return ok && a.Index == b.Index
	case *expr.Param:
		b, ok := b.(*expr.Param)
		return ok && a.Index == b.Index && a.Outer == b.Outer
	case *expr.CaseBase:
		_, ok := b.(*expr.CaseBase)
		return ok
	case *expr.Call:
		b, ok := b.(*expr.Call)
		return ok && a.Fn == b.Fn
	case *expr.And:
		_, ok := b.(*expr.And)
		return ok
	case *expr.Or:
		_, ok := b.(*expr.Or)
		return ok
	case *expr.Not:
		_, ok := b.(*expr.Not)
		return ok
	case *expr.IsNull:
		b, ok := b.(*expr.IsNull)
		return ok && a.Not == b.Not
	case *expr.IsDistinct:
		b, ok := b.(*expr.IsDistinct)
		return ok && a.Eq == b.Eq && a.Not == b.Not
	case *expr.Case:
		b, ok := b.(*expr.Case)
		return ok && len(a.Whens) == len(b.Whens) && (a.Base == nil) == (b.Base == nil)
	case *expr.Coalesce:
		_, ok := b.(*expr.Coalesce)
		return ok
	case *expr.ArrayCtor:
		_, ok := b.(*expr.ArrayCtor)
		return ok
	case *expr.RowCtor:
		b, ok := b.(*expr.RowCtor)
		return ok && slices.Equal(a.Names, b.Names)
	case *expr.FieldSelect:
		b, ok := b.(*expr.FieldSelect)
		return ok && a.Index == b.Index
	case *expr.AnyAll:
		b, ok := b.(*expr.AnyAll)
		return ok && a.Op == b.Op && a.All == b.All
	case *expr.IOCast:
		_, ok := b.(*expr.IOCast)
		return ok
	case *expr.ToDomain:
		_, ok := b.(*expr.ToDomain)
		return ok
	case *expr.Relabel:
		_, ok := b.(*expr.Relabel)
		return ok
	case *expr.ArrayCast:
		_, ok := b.(*expr.ArrayCast)
		return ok
	case *expr.Subscript:
		b, ok := b.(*expr.Subscript)
		return ok && len(a.Index) == len(b.Index)
	case *expr.Slice:
		b, ok := b.(*expr.Slice)
		return ok && sameBounds(a.Lower, b.Lower) && sameBounds(a.Upper, b.Upper)
	case Placeholder:
		return a.SameHead(b)
	}
	return false
}

// A Placeholder stands for something while a query is bound, and compares itself with another
// expression as sameHead does.
type Placeholder interface {
	SameHead(e expr.Expr) bool
}

// sameBounds says whether the same bounds of slices are given.
func sameBounds(a, b []expr.Expr) bool {
	return slices.EqualFunc(a, b, func(x, y expr.Expr) bool { return (x == nil) == (y == nil) })
}

// SameValue says whether two values of a type are the same to the last bit of
// what can be seen of them: 1.0 and 1.00 are not.
func SameValue(t datum.Type, a, b datum.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch a := a.(type) {
	case bool, int16, int32, int64, datum.OID, string, datum.Days, datum.Micros,
		datum.TimeTZValue, datum.IntervalValue, datum.UUIDValue: // not floats, of which NaN is not itself
		return a == b && string(datum.AppendText(nil, t, a, nil)) == string(datum.AppendText(nil, t, b, nil))
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	}
	return string(datum.AppendText(nil, t, a, nil)) == string(datum.AppendText(nil, t, b, nil))
}
