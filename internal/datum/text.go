package datum

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// AppendText appends the output function's text of a non-NULL value.
func AppendText(dst []byte, t Type, v Value, env *Env) []byte {
	env = env.orDefault()
	switch v := v.(type) {
	case bool:
		return appendBool(dst, v)
	case int16:
		return strconv.AppendInt(dst, int64(v), 10)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case Label:
		return appendLabel(dst, t, v, env)
	case OID:
		return appendOID(dst, t, uint32(v))
	case float32:
		return appendFloat(dst, float64(v), 32, env.ExtraFloatDigits)
	case float64:
		return appendFloat(dst, v, 64, env.ExtraFloatDigits)
	case Decimal:
		return v.AppendText(dst)
	case string:
		return append(dst, v...)
	case []byte:
		return appendBytea(dst, v, env.ByteaEscape)
	case Days:
		return appendDate(dst, v, env)
	case Micros:
		if t.kind() == kTime {
			return appendTime(dst, int64(v))
		}
		return appendTimestamp(dst, v, t.kind() == kTimestampTZ, env)
	case TimeTZValue:
		return appendTimeTZ(dst, v)
	case IntervalValue:
		return appendInterval(dst, v, env.IntervalStyle)
	case UUIDValue:
		return appendUUID(dst, v[:])
	case Array:
		return appendArray(dst, t, v, env)
	case Row:
		if t.kind() == kRow && env.Types == nil {
			return appendStoredRow(dst, t, v)
		}
		return appendRow(dst, v, env)
	}
	return dst
}

// AppendTextAt does the same for element i of an array, which is not NULL,
// without boxing it.
func AppendTextAt(dst []byte, t Type, a arrow.Array, i int, env *Env) []byte {
	env = env.orDefault()
	switch t.kind() {
	case kBool:
		return appendBool(dst, a.(*array.Boolean).Value(i))
	case kInt16:
		return strconv.AppendInt(dst, int64(a.(*array.Int16).Value(i)), 10)
	case kInt32:
		return strconv.AppendInt(dst, int64(a.(*array.Int32).Value(i)), 10)
	case kInt64:
		return strconv.AppendInt(dst, a.(*array.Int64).Value(i), 10)
	case kLabel:
		return appendLabel(dst, t, Label(a.(*array.Int64).Value(i)), env)
	case kUint32:
		return appendOID(dst, t, a.(*array.Uint32).Value(i))
	case kFloat32:
		return appendFloat(dst, float64(a.(*array.Float32).Value(i)), 32, env.ExtraFloatDigits)
	case kFloat64:
		return appendFloat(dst, a.(*array.Float64).Value(i), 64, env.ExtraFloatDigits)
	case kNumeric:
		return appendNumericText(dst, a.(*array.Binary).Value(i))
	case kBytes:
		return appendBytea(dst, a.(*array.Binary).Value(i), env.ByteaEscape)
	case kDate:
		return appendDate(dst, Days(a.(*array.Date32).Value(i)), env)
	case kTime:
		return appendTime(dst, int64(a.(*array.Time64).Value(i)))
	case kTimestamp:
		return appendTimestamp(dst, Micros(a.(*array.Timestamp).Value(i)), false, env)
	case kTimestampTZ:
		return appendTimestamp(dst, Micros(a.(*array.Timestamp).Value(i)), true, env)
	case kTimeTZ:
		return appendTimeTZ(dst, DecodeTimeTZ(a.(*array.FixedSizeBinary).Value(i)))
	case kInterval:
		return appendInterval(dst, DecodeInterval(a.(*array.FixedSizeBinary).Value(i)), env.IntervalStyle)
	case kUUID:
		return appendUUID(dst, a.(*array.FixedSizeBinary).Value(i))
	case kArray:
		return appendArrayAt(dst, t, mustLists(a), i, env)
	case kRecord:
		return appendRow(dst, rowAt(a.(*array.Struct), i), env)
	case kRow:
		return AppendText(dst, t, ValueAt(t, a, i), env)
	case kVoid:
		return dst
	}
	return append(dst, a.(*array.String).Value(i)...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 't')
	}
	return append(dst, 'f')
}

// appendOID writes no object as "-", where the type is one of names.
func appendOID(dst []byte, t Type, v uint32) []byte {
	if v == 0 {
		switch t.OID {
		case RegClass, RegProc, RegProcedure, RegType, RegNamespace, RegRole, RegCollation:
			return append(dst, '-')
		}
	}
	return strconv.AppendUint(dst, uint64(v), 10)
}
