package datum

import "github.com/apache/arrow-go/v18/arrow"

// kind says how the values of a type lie in memory. It is what most functions
// of this package switch on, because several types share one.
type kind uint8

const (
	kString kind = iota // also every type that we do not know
	kBool
	kInt16
	kInt32
	kInt64
	kLabel
	kUint32
	kFloat32
	kFloat64
	kNumeric
	kPadded // char(n): trailing blanks do not count
	kBytes
	kDate
	kTime
	kTimeTZ
	kTimestamp
	kTimestampTZ
	kInterval
	kUUID
	kJSONB
	kArray
	kRecord // anonymous
	kRow    // of a composite type
	kVoid
)

// kinds maps the OIDs of PostgreSQL's own types. Types() is the list of them.
var kinds = [...]kind{
	Bool: kBool,
	Int2: kInt16, Int4: kInt32, Int8: kInt64,
	OIDType: kUint32, XID: kUint32, CID: kUint32,
	RegProc: kUint32, RegProcedure: kUint32, RegOper: kUint32, RegOperator: kUint32,
	RegClass: kUint32, RegType: kUint32, RegNamespace: kUint32, RegRole: kUint32, RegCollation: kUint32,
	Float4: kFloat32, Float8: kFloat64,
	Numeric: kNumeric,
	BPChar:  kPadded,
	Bytea:   kBytes,
	Date:    kDate, Time: kTime, TimeTZ: kTimeTZ,
	Timestamp: kTimestamp, TimestampTZ: kTimestampTZ,
	Interval: kInterval,
	UUID:     kUUID,
	JSONB:    kJSONB,
	Record:   kRecord,
	Void:     kVoid,

	Int2Vector: kArray, OIDVector: kArray,
	BoolArray: kArray, ByteaArray: kArray, CharArray: kArray, NameArray: kArray,
	Int2Array: kArray, Int4Array: kArray, TextArray: kArray, OIDArray: kArray, Int8Array: kArray,
	Float4Array: kArray, Float8Array: kArray, ACLItemArray: kArray, BPCharArray: kArray,
	VarcharArray: kArray, DateArray: kArray, TimeArray: kArray, TimestampArray: kArray,
	TimestampTZArray: kArray, IntervalArray: kArray, NumericArray: kArray, TimeTZArray: kArray,
	UUIDArray: kArray, JSONArray: kArray, JSONBArray: kArray, RegClassArray: kArray,
	RegTypeArray: kArray, RecordArray: kArray, CStringArray: kArray, XIDArray: kArray,

	1006: kArray, 1013: kArray, // int2vector[], oidvector[]
	1008: kArray, 2207: kArray, 2208: kArray, 2209: kArray, // regproc[], regprocedure[], regoper[], regoperator[]
	1010: kArray, 1012: kArray, // tid[], cid[]
	1561: kArray, 1563: kArray, // bit[], bit varying[]
	2201: kArray, 4073: kArray, // refcursor[], jsonpath[]
	4090: kArray, 4097: kArray, 4192: kArray, // regnamespace[], regrole[], regcollation[]
}

func (t Type) kind() kind {
	if int(t.OID) < len(kinds) {
		return kinds[t.OID]
	}
	if t.OID.IsUserArray() {
		return kArray
	}
	switch t.OID.Class() {
	case EnumClass:
		return kLabel
	case CompositeClass:
		return kRow
	}
	return kString
}

var (
	timeType        arrow.DataType = arrow.FixedWidthTypes.Time64us
	timestampType   arrow.DataType = &arrow.TimestampType{Unit: arrow.Microsecond}
	timestampTZType arrow.DataType = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	timeTZType      arrow.DataType = &arrow.FixedSizeBinaryType{ByteWidth: 12}
	sixteenBytes    arrow.DataType = &arrow.FixedSizeBinaryType{ByteWidth: 16}
)

// Arrow returns the Arrow type of a column of type t (see the package comment).
// A record has no fixed fields: it is the empty struct until RecordArrow is told them.
func (t Type) Arrow() arrow.DataType {
	switch t.kind() {
	case kBool:
		return arrow.FixedWidthTypes.Boolean
	case kInt16:
		return arrow.PrimitiveTypes.Int16
	case kInt32:
		return arrow.PrimitiveTypes.Int32
	case kInt64, kLabel:
		return arrow.PrimitiveTypes.Int64
	case kUint32:
		return arrow.PrimitiveTypes.Uint32
	case kFloat32:
		return arrow.PrimitiveTypes.Float32
	case kFloat64:
		return arrow.PrimitiveTypes.Float64
	case kNumeric, kBytes, kRow:
		return arrow.BinaryTypes.Binary
	case kDate:
		return arrow.FixedWidthTypes.Date32
	case kTime:
		return timeType
	case kTimeTZ:
		return timeTZType
	case kTimestamp:
		return timestampType
	case kTimestampTZ:
		return timestampTZType
	case kInterval, kUUID:
		return sixteenBytes
	case kArray:
		elem, _ := t.Elem()
		return ArraysOf(elem.Arrow())
	case kRecord:
		return arrow.StructOf()
	case kVoid:
		return arrow.Null
	}
	return arrow.BinaryTypes.String
}
