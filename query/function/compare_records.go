package function

import (
	"cmp"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// recordComparisons compare anonymous records, which need not be of like fields.
func recordComparisons(k kernels) {
	for op, name := range cmpNames("record_") {
		k[name] = kernel{eval: compareRecords(cmpOp(op))}
	}
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		order, err := recordOrder(c, args[0].(datum.Row), args[1].(datum.Row))
		return int32(order), err
	}, datum.Record), "btrecordcmp")
}

func compareRecords(op cmpOp) evalFunc {
	t := datum.Of(datum.Record)
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		bits := out.Bytes()
		for i := range n {
			if mask.null(i) {
				continue
			}
			order, err := recordOrder(c, valueAt(t, args[0], i).(datum.Row), valueAt(t, args[1], i).(datum.Row))
			if err != nil {
				boolArray(out, mask).Release()
				return nil, err
			}
			bits[i>>3] |= bit(op.holds(order)) << (i & 7)
		}
		return boolArray(out, mask), nil
	}
}

// recordOrder compares the fields of two records, which must be of the same types up to the first that
// differs.
func recordOrder(c *Context, a, b datum.Row) (int, error) {
	for i := range min(len(a.Values), len(b.Values)) {
		t := a.Types[i]
		if t.OID != b.Types[i].OID {
			return 0, pgerr.New(pgerr.DatatypeMismatch, "cannot compare dissimilar column types %s and %s at record column %d",
				TypeText(c, datum.Of(t.OID)), TypeText(c, datum.Of(b.Types[i].OID)), i+1)
		}
		x, y := a.Values[i], b.Values[i]
		order := 0
		if x == nil || y == nil {
			order = cmp.Compare(bit(x == nil), bit(y == nil))
		} else {
			order = datum.Compare(t, x, y)
		}
		if order != 0 {
			return order, nil
		}
	}
	if len(a.Values) != len(b.Values) {
		return 0, pgerr.New(pgerr.DatatypeMismatch, "cannot compare record types with different numbers of columns")
	}
	return 0, nil
}
