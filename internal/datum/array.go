package datum

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// ValueAt boxes element i of an array; nil if it is NULL. The value does not
// share memory with the array.
func ValueAt(t Type, a arrow.Array, i int) Value {
	if a.IsNull(i) {
		return nil
	}
	switch t.kind() {
	case kBool:
		return a.(*array.Boolean).Value(i)
	case kInt16:
		return a.(*array.Int16).Value(i)
	case kInt32:
		return a.(*array.Int32).Value(i)
	case kInt64:
		return a.(*array.Int64).Value(i)
	case kLabel:
		return Label(a.(*array.Int64).Value(i))
	case kUint32:
		return OID(a.(*array.Uint32).Value(i))
	case kFloat32:
		return a.(*array.Float32).Value(i)
	case kFloat64:
		return a.(*array.Float64).Value(i)
	case kNumeric:
		return mustDecodeNumeric(a.(*array.Binary).Value(i))
	case kBytes:
		return append([]byte{}, a.(*array.Binary).Value(i)...)
	case kDate:
		return Days(a.(*array.Date32).Value(i))
	case kTime:
		return Micros(a.(*array.Time64).Value(i))
	case kTimestamp, kTimestampTZ:
		return Micros(a.(*array.Timestamp).Value(i))
	case kTimeTZ:
		return DecodeTimeTZ(a.(*array.FixedSizeBinary).Value(i))
	case kInterval:
		return DecodeInterval(a.(*array.FixedSizeBinary).Value(i))
	case kUUID:
		return UUIDValue(a.(*array.FixedSizeBinary).Value(i))
	case kArray:
		return mustLists(a).at(t, i)
	case kRecord:
		return rowAt(a.(*array.Struct), i)
	case kRow:
		return mustDecodeRow(t, a.(*array.Binary).Value(i))
	}
	return strings.Clone(a.(*array.String).Value(i))
}

func rowAt(s *array.Struct, i int) Row {
	dt := s.DataType().(*arrow.StructType)
	types := RecordTypes(dt)
	row := Row{Types: types, Values: make([]Value, len(types)), Names: recordNames(dt)}
	for f := range types {
		row.Values[f] = ValueAt(types[f], s.Field(f), i)
	}
	return row
}

// PutTimeTZ and PutInterval write the in-memory forms, DecodeTimeTZ and
// DecodeInterval read them.
func PutTimeTZ(b *[12]byte, v TimeTZValue) {
	binary.LittleEndian.PutUint64(b[:], uint64(v.Micros))
	binary.LittleEndian.PutUint32(b[8:], uint32(v.Zone))
}

func DecodeTimeTZ(b []byte) TimeTZValue {
	_ = b[11]
	return TimeTZValue{Micros: int64(binary.LittleEndian.Uint64(b)), Zone: int32(binary.LittleEndian.Uint32(b[8:]))}
}

func PutInterval(b *[16]byte, v IntervalValue) {
	binary.LittleEndian.PutUint32(b[:], uint32(v.Months))
	binary.LittleEndian.PutUint32(b[4:], uint32(v.Days))
	binary.LittleEndian.PutUint64(b[8:], uint64(v.Micros))
}

func DecodeInterval(b []byte) IntervalValue {
	_ = b[15]
	return IntervalValue{
		Months: int32(binary.LittleEndian.Uint32(b)),
		Days:   int32(binary.LittleEndian.Uint32(b[4:])),
		Micros: int64(binary.LittleEndian.Uint64(b[8:])),
	}
}

// Append appends a value (nil: NULL) to a builder of t's Arrow type. A value of
// another Go type than t's is the caller's bug and panics.
func Append(b array.Builder, t Type, v Value) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int16Builder:
		b.Append(v.(int16))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		if v, ok := v.(Label); ok {
			b.Append(int64(v))
			return
		}
		b.Append(v.(int64))
	case *array.Uint32Builder:
		b.Append(uint32(v.(OID)))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.BinaryBuilder:
		var buf [64]byte
		switch v := v.(type) {
		case Decimal:
			b.Append(AppendNumeric(buf[:0], v))
		case Row:
			b.Append(AppendValue(buf[:0], t, v))
		default:
			b.Append(v.([]byte))
		}
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(Days)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(Micros)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(Micros)))
	case *array.FixedSizeBinaryBuilder:
		appendFixed(b, v)
	case *array.StructBuilder:
		if t.kind() == kArray {
			appendLists(b, t, v.(Array))
			return
		}
		row := v.(Row)
		b.Append(true)
		for f := range row.Values {
			Append(b.FieldBuilder(f), row.Types[f], row.Values[f])
		}
	case *array.NullBuilder:
		b.AppendNull()
	default:
		panic(fmt.Sprintf("datum: bug: no values of %v go into %T", t, b))
	}
}

func appendFixed(b *array.FixedSizeBinaryBuilder, v Value) {
	switch v := v.(type) {
	case UUIDValue:
		b.Append(v[:])
	case IntervalValue:
		var buf [16]byte
		PutInterval(&buf, v)
		b.Append(buf[:])
	case TimeTZValue:
		var buf [12]byte
		PutTimeTZ(&buf, v)
		b.Append(buf[:])
	default:
		panic(fmt.Sprintf("datum: bug: %T is not of fixed size", v))
	}
}

// NewArray makes an array of one value (nil: NULL) repeated n times.
func NewArray(mem memory.Allocator, t Type, v Value, n int) arrow.Array {
	b := array.NewBuilder(mem, ArrowOf(t, v))
	defer b.Release()
	b.Reserve(n)
	for range n {
		Append(b, t, v)
	}
	return b.NewArray()
}
