// Package pgerr holds errors as PostgreSQL's clients see them: a SQLSTATE, a
// message and the places that it is about.
package pgerr

import (
	"errors"
	"fmt"
)

// An Error is an error with a SQLSTATE (PostgreSQL's documentation, appendix A).
type Error struct {
	Code     string // SQLSTATE
	Severity string // empty: ERROR
	Message  string
	Detail   string
	Hint     string
	// Position is the 1-based character offset in the statement, 0 if unknown.
	Position                                int
	Schema, Table, Column, Type, Constraint string
	Where                                   string // context, such as COPY's line and column
	// Row is the row of a batch that the error is about, from 1; 0 if that is not
	// one row. Who knows where the batch came from says so to the user.
	Row   int
	Cause error
}

func (e *Error) Error() string {
	if e.Where != "" {
		return e.Message + " (" + e.Where + ")"
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// New returns an error with the SQLSTATE and message.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// At returns a copy of e at a 1-based character position, if it has none yet.
func (e *Error) At(pos int) *Error {
	c := *e
	if c.Position == 0 {
		c.Position = pos
	}
	return &c
}

// WithHint and WithDetail return copies with the field set.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

func (e *Error) WithDetail(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Code returns the SQLSTATE of err: that of the first Error in its chain, else XX000.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return InternalError
}

// Unsupported returns a feature_not_supported error.
func Unsupported(format string, args ...any) *Error {
	return New(FeatureNotSupported, format, args...)
}

// SQLSTATEs that the code raises by name.
const (
	FeatureNotSupported      = "0A000"
	SyntaxError              = "42601"
	UndefinedColumn          = "42703"
	UndefinedTable           = "42P01"
	UndefinedFunction        = "42883"
	UndefinedObject          = "42704"
	UndefinedParameter       = "42P02"
	AmbiguousColumn          = "42702"
	AmbiguousFunction        = "42725"
	AmbiguousAlias           = "42P09"
	AmbiguousParameter       = "42P08"
	DuplicateTable           = "42P07"
	DuplicateColumn          = "42701"
	DuplicateAlias           = "42712"
	DuplicateSchema          = "42P06"
	DuplicateDatabase        = "42P04"
	DuplicateObject          = "42710"
	DuplicateCursor          = "42P03"
	DuplicatePrepared        = "42P05"
	InvalidSchemaName        = "3F000"
	InvalidCatalogName       = "3D000"
	GroupingError            = "42803"
	WindowingError           = "42P20"
	InvalidRecursion         = "42P19"
	CollationMismatch        = "42P21"
	DatatypeMismatch         = "42804"
	CannotCoerce             = "42846"
	IndeterminateType        = "42P18"
	WrongObjectType          = "42809"
	InvalidColumnReference   = "42P10"
	InvalidTableDefinition   = "42P16"
	InvalidSchemaDefinition  = "42P15"
	InvalidName              = "42602"
	NameTooLong              = "42622"
	ReservedName             = "42939"
	InsufficientPrivilege    = "42501"
	DependentObjects         = "2BP01"
	NotNullViolation         = "23502"
	UniqueViolation          = "23505"
	CheckViolation           = "23514"
	CheckOptionViolation     = "44000"
	SequenceLimitExceeded    = "2200H"
	GeneratedAlways          = "428C9"
	InvalidObjectDefinition  = "42P17"
	InvalidForeignKey        = "42830"
	CardinalityViolation     = "21000"
	NumericOutOfRange        = "22003"
	DivisionByZero           = "22012"
	InvalidText              = "22P02"
	InvalidBinary            = "22P03"
	BadCopyFormat            = "22P04"
	UntranslatableCharacter  = "22P05"
	CharacterNotInRepertoire = "22021"
	StringTruncation         = "22001"
	DatetimeOverflow         = "22008"
	InvalidDatetimeFormat    = "22007"
	IntervalOverflow         = "22015"
	InvalidTimeZone          = "22009"
	InvalidParameterValue    = "22023"
	InvalidEscape            = "22025"
	InvalidRegexp            = "2201B"
	InvalidRowCountLimit     = "2201W"
	InvalidRowCountOffset    = "2201X"
	InvalidLogArgument       = "2201E"
	InvalidPowerArgument     = "2201F"
	ArraySubscript           = "2202E"
	InvalidTablesampleRepeat = "2202G"
	InvalidTablesampleArg    = "2202H"
	NullNotAllowed           = "22004"
	SubstringError           = "22011"
	JSONDatetimeArgument     = "22031"
	JSONSubscript            = "22033"
	JSONNotNumeric           = "22036"
	JSONNotSingleton         = "22038"
	JSONArrayNotFound        = "22039"
	JSONMemberNotFound       = "2203A"
	JSONNumberNotFound       = "2203B"
	JSONObjectNotFound       = "2203C"
	ProgramLimitExceeded     = "54000"
	StatementTooComplex      = "54001"
	TooManyColumns           = "54011"
	TooManyArguments         = "54023"
	OutOfMemory              = "53200"
	DiskFull                 = "53100"
	TooManyConnections       = "53300"
	ConfigLimitExceeded      = "53400"
	ObjectNotInState         = "55000"
	ObjectInUse              = "55006"
	LockNotAvailable         = "55P03"
	UnsafeNewEnumValue       = "55P04"
	CantChangeParam          = "55P02"
	QueryCanceled            = "57014"
	AdminShutdown            = "57P01"
	CannotConnectNow         = "57P03"
	IOError                  = "58030"
	SnapshotTooOld           = "72000"
	InFailedTransaction      = "25P02"
	ActiveTransaction        = "25001"
	NoActiveTransaction      = "25P01"
	ReadOnlyTransaction      = "25006"
	IdleInTransactionTimeout = "25P03"
	IdleSessionTimeout       = "57P05"
	ConnectionFailure        = "08006"
	InvalidSavepoint         = "3B001"
	InvalidCursorName        = "34000"
	InvalidStatementName     = "26000"
	SerializationFailure     = "40001"
	DeadlockDetected         = "40P01"
	OutcomeUnknown           = "40003"
	ProtocolViolation        = "08P01"
	InvalidPassword          = "28P01"
	InvalidAuthorization     = "28000"
	DataCorrupted            = "XX001"
	InternalError            = "XX000"
)
