package datum

import "time"

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
	Types            UserTypes // nil: no user has defined any
}

// DateOrder is the second part of DateStyle: how 01/02/03 is read.
type DateOrder uint8

const (
	MDY DateOrder = iota
	DMY
	YMD
)

// DateFormat is the first part of DateStyle: how dates are written.
type DateFormat uint8

const (
	ISO DateFormat = iota
	SQLDates
	PostgresDates
	German
)

// IntervalFormat is IntervalStyle.
type IntervalFormat uint8

const (
	PostgresIntervals IntervalFormat = iota
	PostgresVerbose
	SQLStandard
	ISO8601
)

var zeroEnv = &Env{ExtraFloatDigits: 1}

func (e *Env) orDefault() *Env {
	if e == nil {
		return zeroEnv
	}
	return e
}

// Location returns the session's zone.
func (e *Env) Location() *time.Location {
	if e == nil || e.Zone == nil {
		return time.UTC
	}
	return e.Zone
}

// now is the transaction's start, or the present if there is none.
func (e *Env) now() Micros {
	if e.Now.IsZero() {
		return Micros(time.Now().UnixMicro())
	}
	return Micros(e.Now.UnixMicro())
}
