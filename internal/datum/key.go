package datum

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// KeyOrder is the order of one column of a key.
type KeyOrder struct {
	Desc, NullsFirst bool
	// Passing is set for keys that are not stored, in which the order of arrays is Compare's whatever
	// their dimensions. DecodeKey does not read them.
	Passing bool
}

func (o KeyOrder) marks() listMarks {
	if o.Passing {
		return passingMarks
	}
	return storedMarks
}

// A key starts with a byte that places NULLs.
const (
	keyNullFirst = 0
	keyValue     = 1
	keyNullLast  = 2
)

// Strings end with keyEscape keyEnd; a NUL in them is keyEscape keyNUL.
const (
	keyEscape = 0x00
	keyEnd    = 0x01
	keyNUL    = 0xff
)

// listMarks are the bytes between the elements of a list: element comes before one, null instead of one
// that is NULL. At the end stands end or, before the dimensions of an array that has some of its own, lesser or
// greater, as it is less or greater than the array of one dimension counted from 1 with the same elements.
type listMarks struct{ end, element, null, lesser, greater byte }

// In keys that are stored, arrays with dimensions of their own come after all that begin with their elements:
// there was no room before. Keys are equal where they must be, but the order of such arrays is not Compare's.
var (
	storedMarks  = listMarks{end: keyListEnd, element: keyElement, null: keyNullElement, lesser: keyShapedEnd, greater: keyShapedEnd}
	passingMarks = listMarks{lesser: 0, end: 1, greater: 2, element: 3, null: 4}
)

const (
	keyListEnd     = 0
	keyElement     = 1
	keyNullElement = 2
	keyShapedEnd   = 3
)

// AppendKey appends an encoding of element i whose byte order is the order of
// Compare, and which is equal exactly where Compare says 0; it is
// self-delimiting, so that keys of several columns are concatenated. NULL sorts
// last (PostgreSQL's default), or first with NullsFirst; Desc inverts the order
// of the values but not the place of NULL.
func AppendKey(dst []byte, t Type, a arrow.Array, i int, o KeyOrder) []byte {
	if a.IsNull(i) {
		return appendNullKey(dst, o)
	}
	dst = append(dst, keyValue)
	base := len(dst)
	dst = appendKeyAt(dst, t, a, i, o.marks())
	if o.Desc {
		invert(dst[base:])
	}
	return dst
}

// AppendValueKey does the same for a Value.
func AppendValueKey(dst []byte, t Type, v Value, o KeyOrder) []byte {
	if v == nil {
		return appendNullKey(dst, o)
	}
	dst = append(dst, keyValue)
	base := len(dst)
	dst = appendValueKey(dst, t, v, o.marks())
	if o.Desc {
		invert(dst[base:])
	}
	return dst
}

func appendNullKey(dst []byte, o KeyOrder) []byte {
	if o.NullsFirst {
		return append(dst, keyNullFirst)
	}
	return append(dst, keyNullLast)
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendKeyAt(dst []byte, t Type, a arrow.Array, i int, m listMarks) []byte {
	switch t.kind() {
	case kBool:
		return appendBoolKey(dst, a.(*array.Boolean).Value(i))
	case kInt16:
		return binary.BigEndian.AppendUint16(dst, uint16(a.(*array.Int16).Value(i))^1<<15)
	case kInt32:
		return appendInt32Key(dst, a.(*array.Int32).Value(i))
	case kInt64, kLabel:
		return appendInt64Key(dst, a.(*array.Int64).Value(i))
	case kUint32:
		return binary.BigEndian.AppendUint32(dst, a.(*array.Uint32).Value(i))
	case kFloat32:
		return appendFloat32Key(dst, a.(*array.Float32).Value(i))
	case kFloat64:
		return appendFloat64Key(dst, a.(*array.Float64).Value(i))
	case kNumeric:
		return appendNumericKey(dst, a.(*array.Binary).Value(i))
	case kPadded:
		return appendStringKey(dst, trimBlanks(a.(*array.String).Value(i)))
	case kJSONB:
		return appendJSONBKey(dst, a.(*array.String).Value(i))
	case kBytes:
		return appendBytesKey(dst, a.(*array.Binary).Value(i))
	case kDate:
		return appendInt32Key(dst, int32(a.(*array.Date32).Value(i)))
	case kTime:
		return appendInt64Key(dst, int64(a.(*array.Time64).Value(i)))
	case kTimestamp, kTimestampTZ:
		return appendInt64Key(dst, int64(a.(*array.Timestamp).Value(i)))
	case kTimeTZ:
		return appendTimeTZKey(dst, DecodeTimeTZ(a.(*array.FixedSizeBinary).Value(i)))
	case kInterval:
		return appendIntervalKey(dst, DecodeInterval(a.(*array.FixedSizeBinary).Value(i)))
	case kUUID:
		return append(dst, a.(*array.FixedSizeBinary).Value(i)...)
	case kArray:
		return appendListKeyAt(dst, t, mustLists(a), i, m)
	case kRecord, kRow:
		return appendValueKey(dst, t, ValueAt(t, a, i), m)
	case kVoid:
		return dst
	}
	return appendStringKey(dst, a.(*array.String).Value(i))
}

func appendValueKey(dst []byte, t Type, v Value, m listMarks) []byte {
	switch v := v.(type) {
	case bool:
		return appendBoolKey(dst, v)
	case int16:
		return binary.BigEndian.AppendUint16(dst, uint16(v)^1<<15)
	case int32:
		return appendInt32Key(dst, v)
	case int64:
		return appendInt64Key(dst, v)
	case Label:
		return appendInt64Key(dst, int64(v))
	case OID:
		return binary.BigEndian.AppendUint32(dst, uint32(v))
	case float32:
		return appendFloat32Key(dst, v)
	case float64:
		return appendFloat64Key(dst, v)
	case Decimal:
		return appendDecimalKey(dst, v)
	case string:
		switch t.kind() {
		case kPadded:
			return appendStringKey(dst, trimBlanks(v))
		case kJSONB:
			return appendJSONBKey(dst, v)
		}
		return appendStringKey(dst, v)
	case []byte:
		return appendBytesKey(dst, v)
	case Days:
		return appendInt32Key(dst, int32(v))
	case Micros:
		return appendInt64Key(dst, int64(v))
	case TimeTZValue:
		return appendTimeTZKey(dst, v)
	case IntervalValue:
		return appendIntervalKey(dst, v)
	case UUIDValue:
		return append(dst, v[:]...)
	case Array:
		for _, e := range v.Values {
			dst = appendElementKey(dst, v.Elem, e, m)
		}
		return appendShapeKey(dst, v.Dims, m)
	case Row:
		for i, e := range v.Values {
			dst = appendElementKey(dst, v.Types[i], e, m)
		}
		return append(dst, m.end)
	}
	return dst
}

func appendElementKey(dst []byte, t Type, v Value, m listMarks) []byte {
	if v == nil {
		return append(dst, m.null)
	}
	return appendValueKey(append(dst, m.element), t, v, m)
}

// appendShapeKey ends the key of an array.
func appendShapeKey(dst []byte, dims []Dim, m listMarks) []byte {
	if dims == nil {
		return append(dst, m.end)
	}
	mark := m.greater
	if len(dims) == 1 && dims[0].Lower < 1 {
		mark = m.lesser
	}
	dst = append(dst, mark, byte(len(dims)))
	for _, d := range dims {
		dst = appendInt32Key(dst, d.Len)
	}
	for _, d := range dims {
		dst = appendInt32Key(dst, d.Lower)
	}
	return dst
}

func appendListKeyAt(dst []byte, t Type, l Lists, i int, m listMarks) []byte {
	elem, _ := t.Elem()
	from, to := l.Range(i)
	vals := l.Values()
	for j := from; j < to; j++ {
		if vals.IsNull(j) {
			dst = append(dst, m.null)
			continue
		}
		dst = appendKeyAt(append(dst, m.element), elem, vals, j, m)
	}
	return appendShapeKey(dst, l.Dims(i), m)
}

func appendBoolKey(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendInt32Key(dst []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(v)^1<<31)
}

func appendInt64Key(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

// appendFloat64Key uses that the bits of positive floats are ordered as integers
// and those of negative ones the other way round.
func appendFloat64Key(dst []byte, v float64) []byte {
	if v != v {
		return binary.BigEndian.AppendUint64(dst, math.MaxUint64)
	}
	u := math.Float64bits(v)
	if v == 0 {
		u = 0 // -0.0
	}
	if u>>63 != 0 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

func appendFloat32Key(dst []byte, v float32) []byte {
	if v != v {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	}
	u := math.Float32bits(v)
	if v == 0 {
		u = 0
	}
	if u>>31 != 0 {
		u = ^u
	} else {
		u |= 1 << 31
	}
	return binary.BigEndian.AppendUint32(dst, u)
}

func appendTimeTZKey(dst []byte, v TimeTZValue) []byte {
	return appendInt32Key(appendInt64Key(dst, v.moment()), v.Zone)
}

func appendIntervalKey(dst []byte, v IntervalValue) []byte {
	hi, lo := v.span()
	return binary.BigEndian.AppendUint64(appendInt64Key(dst, hi), lo)
}

func appendStringKey(dst []byte, s string) []byte {
	base := len(dst)
	dst = append(dst, s...)
	if bytes.IndexByte(dst[base:], 0) >= 0 {
		dst = escapeNULs(dst[:base], s)
	}
	return append(dst, keyEscape, keyEnd)
}

func appendBytesKey(dst, s []byte) []byte {
	if bytes.IndexByte(s, 0) < 0 {
		dst = append(dst, s...)
	} else {
		dst = escapeNULs(dst, string(s))
	}
	return append(dst, keyEscape, keyEnd)
}

func escapeNULs(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == keyEscape {
			dst = append(dst, keyNUL)
		}
	}
	return dst
}
