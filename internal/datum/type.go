// Package datum holds PostgreSQL's data types and values: their OIDs and names,
// their text and binary formats, their order, and how each lies in an Arrow
// array. It knows nothing of tables, storage or SQL; every other package
// builds on it.
//
// In memory a column is an Arrow array:
//
//	boolean                        Boolean
//	smallint integer bigint        Int16 Int32 Int64
//	enums                          Int64, the places of Labels
//	oid reg* xid cid               Uint32
//	real, double precision         Float32 Float64
//	numeric                        Binary, each value in the form of AppendNumeric
//	text varchar char name "char"  String (UTF-8, no NUL)
//	json jsonb xml unknown, others String (jsonb in PostgreSQL's canonical text)
//	bytea                          Binary
//	date                           Date32, days since 1970-01-01; ±infinity is MaxInt32/MinInt32
//	time                           Time64 in microseconds
//	timetz                         FixedSizeBinary(12): microseconds int64, zone int32 (seconds west), little endian
//	timestamp                      Timestamp(us), no zone; ±infinity is MaxInt64/MinInt64
//	timestamptz                    Timestamp(us, "UTC"); the same
//	interval                       FixedSizeBinary(16): months int32, days int32, microseconds int64, little endian
//	uuid                           FixedSizeBinary(16)
//	arrays                         List of the element's array (one dimension, lower bound 1)
//	record                         Struct
//	composite types                Binary, each value in the form of AppendValue
//	void                           Null
//
// A single value (a literal, a parameter, a bound in a manifest) is a Value.
package datum

import "github.com/apache/arrow-go/v18/arrow"

// An OID names a PostgreSQL object. Those below 16384 are PostgreSQL's own.
type OID uint32

// OIDs of PostgreSQL's built-in types, as in its pg_type.dat.
const (
	Bool                  OID = 16
	Bytea                 OID = 17
	Char                  OID = 18 // "char", one byte
	Name                  OID = 19
	Int8                  OID = 20
	Int2                  OID = 21
	Int2Vector            OID = 22
	Int4                  OID = 23
	RegProc               OID = 24
	Text                  OID = 25
	OIDType               OID = 26
	TID                   OID = 27
	XID                   OID = 28
	CID                   OID = 29
	OIDVector             OID = 30
	JSON                  OID = 114
	PGNodeTree            OID = 194
	Float4                OID = 700
	Float8                OID = 701
	Unknown               OID = 705
	ACLItem               OID = 1033
	BPChar                OID = 1042
	Varchar               OID = 1043
	Date                  OID = 1082
	Time                  OID = 1083
	Timestamp             OID = 1114
	TimestampTZ           OID = 1184
	Interval              OID = 1186
	TimeTZ                OID = 1266
	Bit                   OID = 1560
	VarBit                OID = 1562
	Numeric               OID = 1700
	RefCursor             OID = 1790
	RegProcedure          OID = 2202
	RegOper               OID = 2203
	RegOperator           OID = 2204
	RegClass              OID = 2205
	RegType               OID = 2206
	Record                OID = 2249
	CString               OID = 2275
	AnyOID                OID = 2276 // "any"
	AnyArray              OID = 2277
	Void                  OID = 2278
	AnyElement            OID = 2283
	AnyNonArray           OID = 2776
	UUID                  OID = 2950
	AnyEnum               OID = 3500
	RegNamespace          OID = 4089
	RegRole               OID = 4096
	RegCollation          OID = 4191
	JSONB                 OID = 3802
	JSONPath              OID = 4072
	AnyCompatible         OID = 5077
	AnyCompatibleArray    OID = 5078
	AnyCompatibleNonArray OID = 5079

	BoolArray        OID = 1000
	ByteaArray       OID = 1001
	CharArray        OID = 1002
	NameArray        OID = 1003
	Int2Array        OID = 1005
	Int4Array        OID = 1007
	TextArray        OID = 1009
	OIDArray         OID = 1028
	Int8Array        OID = 1016
	Float4Array      OID = 1021
	Float8Array      OID = 1022
	ACLItemArray     OID = 1034
	BPCharArray      OID = 1014
	VarcharArray     OID = 1015
	DateArray        OID = 1182
	TimeArray        OID = 1183
	TimestampArray   OID = 1115
	TimestampTZArray OID = 1185
	IntervalArray    OID = 1187
	NumericArray     OID = 1231
	TimeTZArray      OID = 1270
	UUIDArray        OID = 2951
	JSONArray        OID = 199
	JSONBArray       OID = 3807
	RegClassArray    OID = 2210
	RegTypeArray     OID = 2211
	RecordArray      OID = 2287
	CStringArray     OID = 1263
	XIDArray         OID = 1011
)

// A Type is a PostgreSQL type with its modifier. It is comparable.
type Type struct {
	OID OID
	// Mod is PostgreSQL's atttypmod: for varchar(n) and char(n) n+4, for
	// numeric(p,s) ((p<<16)|s)+4, for time types the precision; -1 is none.
	Mod int32
	// Domain is the domain that values belong to, or of arrays the type of arrays of one; 0 is
	// none. OID and Mod are those of the type below the domain: what its values are made of.
	Domain OID `json:",omitempty"`
}

// Declared is the type as it is declared: the domain, if there is one.
func (t Type) Declared() OID {
	if t.Domain != 0 {
		return t.Domain
	}
	return t.OID
}

// Of returns the type without a modifier.
func Of(oid OID) Type { return Type{OID: oid, Mod: -1} }

// A Value is one value of some Type, by Go type:
//
//	nil               NULL, of any type
//	bool              boolean
//	int16 int32 int64 smallint, integer, bigint
//	Label             enums
//	OID               oid, reg*, xid, cid
//	float32 float64   real, double precision
//	Decimal           numeric
//	string            text, varchar, char, name, "char", json, jsonb, unknown
//	[]byte            bytea
//	Days              date
//	Micros            time, timestamp, timestamptz
//	TimeTZValue       timetz
//	IntervalValue     interval
//	UUIDValue         uuid
//	Array             arrays
//	Row               record, composite types
type Value any

// Days counts days since 1970-01-01; MaxInt32 and MinInt32 are the infinities.
type Days int32

// Micros counts microseconds since midnight (time) or since 1970-01-01 00:00:00
// (UTC for timestamptz); MaxInt64 and MinInt64 are the infinities of timestamps.
type Micros int64

// TimeTZValue is a time of day with a zone, Zone in seconds west of Greenwich.
type TimeTZValue struct {
	Micros int64
	Zone   int32
}

// IntervalValue is PostgreSQL's interval: its three fields do not mix.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// UUIDValue is a uuid in network byte order.
type UUIDValue [16]byte

// A Row is a record.
type Row struct {
	Types  []Type
	Values []Value
	Names  []string // of the fields; nil: f1, f2 and so on
}

// Name returns the name of a field.
func (r *Row) Name(i int) string {
	if i < len(r.Names) {
		return r.Names[i]
	}
	return fieldName(i)
}

// Timestamps' infinities, as in Micros and Days.
const (
	InfinityMicros    = Micros(1<<63 - 1)
	NegInfinityMicros = Micros(-1 << 63)
	InfinityDays      = Days(1<<31 - 1)
	NegInfinityDays   = Days(-1 << 31)
)

// Field returns the Arrow field of a column of type t. Fields carry no
// PostgreSQL type: who needs it carries a Type beside the Arrow schema.
func Field(name string, t Type) arrow.Field {
	return arrow.Field{Name: name, Type: t.Arrow(), Nullable: true}
}
