package datum

// This file lists what the package offers while it is being written; each
// function moves to the file of its idea.

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cockroachdb/apd/v3"
)

// A Decimal is PostgreSQL's numeric: Kind, and for finite ones Coeff x
// 10^-Scale with the display scale kept (1.50 is 150, scale 2). Immutable.
type Decimal struct {
	Kind  DecimalKind
	Neg   bool
	Coeff apd.BigInt
	Scale int32
}

type DecimalKind uint8

const (
	Finite DecimalKind = iota
	NaN
	Infinite // sign in Neg
)

// Env is what a session contributes to input and output of values. Immutable
// once shared; the zero value is UTC with PostgreSQL's defaults.
type Env struct {
	Zone             *time.Location // TimeZone; nil: UTC
	ZoneName         string
	DateOrder        DateOrder
	DateFormat       DateFormat
	IntervalStyle    IntervalFormat
	ExtraFloatDigits int // 1: shortest exact
	ByteaEscape      bool
	Now              time.Time // transaction start, for 'now' and current_*
	StatementNow     time.Time
}

type DateOrder uint8

const (
	MDY DateOrder = iota
	DMY
	YMD
)

type DateFormat uint8

const (
	ISO DateFormat = iota
	SQLDates
	PostgresDates
	German
)

type IntervalFormat uint8

const (
	PostgresIntervals IntervalFormat = iota
	PostgresVerbose
	SQLStandard
	ISO8601
)

// Arrow returns the Arrow type of a column of type t (see the package comment).
func (t Type) Arrow() arrow.DataType { panic("todo") }

// String is PostgreSQL's format_type: "character varying(10)", "integer[]".
func (t Type) String() string { panic("todo") }

// Elem returns the element type of an array type; ok is false for others.
func (t Type) Elem() (Type, bool) { panic("todo") }

// ArrayOf returns the array type of t's values.
func ArrayOf(t Type) (Type, bool) { panic("todo") }

// Info describes a built-in type as a row of pg_type does; Types lists all,
// by OID. LookupName finds a type by its pg_type name or an SQL name
// ("integer", "timestamp with time zone", "_int4").
type Info struct {
	OID, Array, Elem             OID
	Name                         string // typname
	Len                          int16
	ByVal                        bool
	Category                     byte
	Preferred                    bool
	Kind                         byte // b base, p pseudo, c composite
	Align, Storage               byte
	Delim                        byte
	Input, Output, Receive, Send string
}

func Types() []Info                      { panic("todo") }
func Lookup(oid OID) (Info, bool)        { panic("todo") }
func LookupName(name string) (OID, bool) { panic("todo") }

// Parse is the type's input function; errors are *pgerr.Error as PostgreSQL's.
// The modifier is applied (varchar(3) refuses 'abcd', numeric(5,2) rounds).
func Parse(t Type, s string, env *Env) (Value, error) { panic("todo") }

// Coerce applies a type modifier to a value; explicit casts cut silently.
func Coerce(t Type, v Value, explicit bool) (Value, error) { panic("todo") }

// AppendText appends the output function's text of a non-NULL value.
func AppendText(dst []byte, t Type, v Value, env *Env) []byte { panic("todo") }

// AppendTextAt and AppendBinaryAt do the same for element i of an array, which is
// not NULL, without boxing it.
func AppendTextAt(dst []byte, t Type, a arrow.Array, i int, env *Env) []byte { panic("todo") }
func AppendBinaryAt(dst []byte, t Type, a arrow.Array, i int) []byte         { panic("todo") }

// ParseBinary is the type's receive function.
func ParseBinary(t Type, b []byte) (Value, error) { panic("todo") }

// ValueAt boxes element i of an array; nil if it is NULL.
func ValueAt(t Type, a arrow.Array, i int) Value { panic("todo") }

// Append appends a value (nil: NULL) to a builder of t's Arrow type.
func Append(b array.Builder, t Type, v Value) { panic("todo") }

// NewArray makes an array of one value repeated n times.
func NewArray(mem memory.Allocator, t Type, v Value, n int) arrow.Array { panic("todo") }

// A TextAppender parses text straight into a builder, with no boxing for the
// common types: the fast path of COPY, CSV and NDJSON. Text is not kept.
type TextAppender func(text []byte) error

func NewTextAppender(t Type, b array.Builder, env *Env) TextAppender { panic("todo") }

// Compare orders two non-NULL values of one type as PostgreSQL's default btree
// class does: NaN is greatest and equal to itself, -0.0 equals 0.0, text is in
// byte order (collation "C"), char(n) ignores trailing blanks.
func Compare(t Type, a, b Value) int { panic("todo") }

// CompareAt compares elements of arrays, which are not NULL.
func CompareAt(t Type, a arrow.Array, i int, b arrow.Array, j int) int { panic("todo") }

// AppendKey appends an encoding of element i whose byte order is the order of
// Compare, and which is equal exactly where Compare says 0; it is
// self-delimiting, so that keys of several columns are concatenated. NULL sorts
// last (PostgreSQL's default), or first with nullsFirst; desc inverts the order
// of the values.
func AppendKey(dst []byte, t Type, a arrow.Array, i int, o KeyOrder) []byte { panic("todo") }

// AppendValueKey does the same for a Value.
func AppendValueKey(dst []byte, t Type, v Value, o KeyOrder) []byte { panic("todo") }

type KeyOrder struct{ Desc, NullsFirst bool }

// Hash hashes element i so that elements equal by Compare hash equally; NULL
// has a hash of its own.
func Hash(t Type, a arrow.Array, i int, seed uint64) uint64 { panic("todo") }

// AppendNumeric appends the in-memory form of a numeric, NumericAt reads it.
func AppendNumeric(dst []byte, d Decimal) []byte { panic("todo") }
func DecodeNumeric(b []byte) (Decimal, error)    { panic("todo") }

// AppendValue appends a self-describing binary encoding of a value for logs and
// manifests; DecodeValue reads it, trusting nothing, and returns the rest.
func AppendValue(dst []byte, t Type, v Value) []byte        { panic("todo") }
func DecodeValue(t Type, src []byte) (Value, []byte, error) { panic("todo") }
