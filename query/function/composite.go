package function

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// The functions of this file go between records, which are structs, and rows of composite types, which
// are bytes. pg_proc does not list them.
const packOID, unpackOID, setFieldOID, rowNullOID datum.OID = 9944, 9945, 9946, 9947

// PackRow returns the function that makes a row of a composite type of a record whose fields are of
// the types of its attributes.
func PackRow(t datum.Type) *Function {
	return &Function{OID: packOID, Name: "row", Args: []datum.OID{datum.Record}, Ret: t.OID, Volatility: Immutable, Strict: true,
		Eval: func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
			b := array.NewBuilder(c.Mem, ret.Arrow())
			defer b.Release()
			for i := range n {
				datum.Append(b, ret, valueAt(datum.Of(datum.Record), args[0], i))
			}
			return b.NewArray(), nil
		}}
}

// IsPacked says whether a function is one that PackRow returns.
func IsPacked(f *Function) bool { return f.OID == packOID }

// UnpackRow returns the function that makes a record of a row of a composite type.
func UnpackRow(t datum.Type, attrs []datum.Attribute) *Function {
	shape := datum.NewRow(attrs)
	return &Function{OID: unpackOID, Name: "record", Args: []datum.OID{t.OID}, Ret: datum.Record, Volatility: Immutable, Strict: true,
		Eval: func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
			b := array.NewBuilder(c.Mem, datum.RecordArrow(shape.Types, shape.Names...))
			defer b.Release()
			for i := range n {
				datum.Append(b, datum.Of(datum.Record), valueAt(t, args[0], i))
			}
			return b.NewArray(), nil
		}}
}

// SetField returns the function that sets a field of a row of a composite type, as col.field = value in
// SET does. Its arguments are the row and the value. The other fields of a NULL are NULL.
func SetField(t datum.Type, attrs []datum.Attribute, field int) *Function {
	f := attrs[field].Type
	return &Function{OID: setFieldOID, Name: "set_field", Args: []datum.OID{t.OID, f.OID}, Ret: t.OID, Volatility: Immutable,
		Eval: func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
			b := array.NewBuilder(c.Mem, ret.Arrow())
			defer b.Release()
			for i := range n {
				row := datum.NewRow(attrs)
				if old, ok := valueAt(t, args[0], i).(datum.Row); ok {
					copy(row.Values, old.Values)
				}
				row.Values[field] = valueAt(f, args[1], i)
				datum.Append(b, ret, row)
			}
			return b.NewArray(), nil
		}}
}

// RowIsNull and RowIsNotNull are the functions for IS NULL and IS NOT NULL of a record or a row: a row is
// NULL if all fields are, and not NULL if none is.
var (
	RowIsNull    = rowNull("row_is_null", false)
	RowIsNotNull = rowNull("row_is_not_null", true)
)

func rowNull(name string, not bool) *Function {
	return &Function{OID: rowNullOID, Name: name, Args: []datum.OID{datum.AnyOID}, Ret: datum.Bool, Volatility: Immutable, Total: true,
		Eval: func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
			b := array.NewBooleanBuilder(c.Mem)
			defer b.Release()
			b.Reserve(n)
			for i := range n {
				row, ok := valueAt(args[0].T, args[0], i).(datum.Row)
				b.Append(allFields(row, ok, not))
			}
			return b.NewArray(), nil
		}}
}

// allFields says whether no field of a row, which exists if ok is set, is NULL; or whether all are.
func allFields(row datum.Row, ok, not bool) bool {
	if !ok {
		return !not
	}
	return !slices.ContainsFunc(row.Values, func(v datum.Value) bool { return (v == nil) == not })
}
