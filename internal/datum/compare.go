package datum

import (
	"bytes"
	"cmp"
	"math/bits"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Compare orders two non-NULL values of one type as PostgreSQL's default btree
// class does: NaN is greatest and equal to itself, -0.0 equals 0.0, text is in
// byte order (collation "C"), char(n) ignores trailing blanks. NULLs inside of
// arrays and records are greater than all else.
func Compare(t Type, a, b Value) int {
	switch a := a.(type) {
	case bool:
		return compareBool(a, b.(bool))
	case int16:
		return cmp.Compare(a, b.(int16))
	case int32:
		return cmp.Compare(a, b.(int32))
	case int64:
		return cmp.Compare(a, b.(int64))
	case Label:
		return cmp.Compare(a, b.(Label))
	case OID:
		return cmp.Compare(a, b.(OID))
	case float32:
		return CompareFloat(float64(a), float64(b.(float32)))
	case float64:
		return CompareFloat(a, b.(float64))
	case Decimal:
		b := b.(Decimal)
		return a.Cmp(&b)
	case string:
		switch t.kind() {
		case kPadded:
			return strings.Compare(trimBlanks(a), trimBlanks(b.(string)))
		case kJSONB:
			return compareJSONB(a, b.(string))
		}
		return strings.Compare(a, b.(string))
	case []byte:
		return bytes.Compare(a, b.([]byte))
	case Days:
		return cmp.Compare(a, b.(Days))
	case Micros:
		return cmp.Compare(a, b.(Micros))
	case TimeTZValue:
		return a.Compare(b.(TimeTZValue))
	case IntervalValue:
		return a.Compare(b.(IntervalValue))
	case UUIDValue:
		b := b.(UUIDValue)
		return bytes.Compare(a[:], b[:])
	case Array:
		b := b.(Array)
		if c := compareLists(a.Elem, a.Values, b.Values); c != 0 {
			return c
		}
		return compareShapes(a.Dims, b.Dims, len(a.Values))
	case Row:
		return compareRows(a, b.(Row))
	}
	return 0
}

// CompareFloat is the order of double precision: -0.0 equals 0.0, and NaN is
// equal to itself and greater than all else.
func CompareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case a == a: // b is NaN
		return -1
	case b == b:
		return 1
	}
	return 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func trimBlanks(s string) string { return strings.TrimRight(s, " ") }

func compareNullable(t Type, a, b Value) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return Compare(t, a, b)
}

func compareLists(elem Type, a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := compareNullable(elem, a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareRows(a, b Row) int {
	for i := range min(len(a.Values), len(b.Values)) {
		if c := compareNullable(a.Types[i], a.Values[i], b.Values[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.Values), len(b.Values))
}

// Compare orders times with zones: by the moment they mean, then by zone.
func (v TimeTZValue) Compare(w TimeTZValue) int {
	if c := cmp.Compare(v.moment(), w.moment()); c != 0 {
		return c
	}
	return cmp.Compare(v.Zone, w.Zone)
}

func (v TimeTZValue) moment() int64 { return v.Micros + int64(v.Zone)*microsPerSecond }

// Compare orders intervals by length, with months of 30 days of 24 hours.
func (v IntervalValue) Compare(w IntervalValue) int {
	vh, vl := v.span()
	wh, wl := w.span()
	if c := cmp.Compare(vh, wh); c != 0 {
		return c
	}
	return cmp.Compare(vl, wl)
}

// span returns the length of an interval in microseconds as a 128-bit number.
func (v IntervalValue) span() (hi int64, lo uint64) {
	days := int64(v.Months)*30 + int64(v.Days)
	neg := days < 0
	u := uint64(days)
	if neg {
		u = -u
	}
	h, l := bits.Mul64(u, microsPerDay)
	if neg {
		var borrow uint64
		l, borrow = bits.Sub64(0, l, 0)
		h, _ = bits.Sub64(0, h, borrow)
	}
	l, carry := bits.Add64(l, uint64(v.Micros), 0)
	h, _ = bits.Add64(h, uint64(v.Micros>>63), carry)
	return int64(h), l
}

// CompareAt compares elements of arrays, which are not NULL.
func CompareAt(t Type, a arrow.Array, i int, b arrow.Array, j int) int {
	switch t.kind() {
	case kBool:
		return compareBool(a.(*array.Boolean).Value(i), b.(*array.Boolean).Value(j))
	case kInt16:
		return cmp.Compare(a.(*array.Int16).Value(i), b.(*array.Int16).Value(j))
	case kInt32:
		return cmp.Compare(a.(*array.Int32).Value(i), b.(*array.Int32).Value(j))
	case kInt64, kLabel:
		return cmp.Compare(a.(*array.Int64).Value(i), b.(*array.Int64).Value(j))
	case kUint32:
		return cmp.Compare(a.(*array.Uint32).Value(i), b.(*array.Uint32).Value(j))
	case kFloat32:
		return CompareFloat(float64(a.(*array.Float32).Value(i)), float64(b.(*array.Float32).Value(j)))
	case kFloat64:
		return CompareFloat(a.(*array.Float64).Value(i), b.(*array.Float64).Value(j))
	case kNumeric:
		return CompareNumeric(a.(*array.Binary).Value(i), b.(*array.Binary).Value(j))
	case kPadded:
		return strings.Compare(trimBlanks(a.(*array.String).Value(i)), trimBlanks(b.(*array.String).Value(j)))
	case kJSONB:
		return compareJSONB(a.(*array.String).Value(i), b.(*array.String).Value(j))
	case kBytes:
		return bytes.Compare(a.(*array.Binary).Value(i), b.(*array.Binary).Value(j))
	case kDate:
		return cmp.Compare(a.(*array.Date32).Value(i), b.(*array.Date32).Value(j))
	case kTime:
		return cmp.Compare(a.(*array.Time64).Value(i), b.(*array.Time64).Value(j))
	case kTimestamp, kTimestampTZ:
		return cmp.Compare(a.(*array.Timestamp).Value(i), b.(*array.Timestamp).Value(j))
	case kTimeTZ:
		return DecodeTimeTZ(a.(*array.FixedSizeBinary).Value(i)).Compare(DecodeTimeTZ(b.(*array.FixedSizeBinary).Value(j)))
	case kInterval:
		return DecodeInterval(a.(*array.FixedSizeBinary).Value(i)).Compare(DecodeInterval(b.(*array.FixedSizeBinary).Value(j)))
	case kUUID:
		return bytes.Compare(a.(*array.FixedSizeBinary).Value(i), b.(*array.FixedSizeBinary).Value(j))
	case kArray:
		return compareListsAt(t, mustLists(a), i, mustLists(b), j)
	case kRecord, kRow:
		return Compare(t, ValueAt(t, a, i), ValueAt(t, b, j))
	case kVoid:
		return 0
	}
	return strings.Compare(a.(*array.String).Value(i), b.(*array.String).Value(j))
}

func compareListsAt(t Type, a Lists, i int, b Lists, j int) int {
	elem, _ := t.Elem()
	ai, aEnd := a.Range(i)
	bi, bEnd := b.Range(j)
	n := aEnd - ai
	av, bv := a.Values(), b.Values()
	for ; ai < aEnd && bi < bEnd; ai, bi = ai+1, bi+1 {
		an, bn := av.IsNull(ai), bv.IsNull(bi)
		c := 0
		if an || bn {
			c = compareBool(an, bn)
		} else {
			c = CompareAt(elem, av, ai, bv, bi)
		}
		if c != 0 {
			return c
		}
	}
	if c := cmp.Compare(aEnd-ai, bEnd-bi); c != 0 {
		return c
	}
	return compareShapes(a.Dims(i), b.Dims(j), n)
}
