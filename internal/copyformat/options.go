// Package copyformat reads and writes the row formats of PostgreSQL's COPY:
// text, csv and binary. It splits streams into rows of fields and joins fields
// into rows; what a field means is its caller's business. COPY over the
// PostgreSQL protocol and CSV over HTTP share it.
package copyformat

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Format is a row format.
type Format uint8

const (
	Text Format = iota
	CSV
	Binary
)

// Header says what the first line is.
type Header uint8

const (
	NoHeader    Header = iota
	SkipHeader         // names that are passed over (reading) or written (writing)
	MatchHeader        // names that must be the columns' (reading)
)

// Options are COPY's options. DefaultOptions fills in what a format implies.
type Options struct {
	Format       Format
	Delimiter    byte
	Null         string
	Header       Header
	Quote        byte // csv
	Escape       byte // csv
	ForceQuote   []bool
	ForceAll     bool // FORCE_QUOTE *
	ForceNotNull []bool
	ForceNull    []bool
	// MaxRowBytes bounds a row's text. Default 1 GiB, as in PostgreSQL.
	MaxRowBytes int
}

// DefaultOptions returns the format's defaults.
func DefaultOptions(f Format) Options {
	o := Options{Format: f, Delimiter: '\t', Null: `\N`, Quote: '"', Escape: '"', MaxRowBytes: 1 << 30}
	if f == CSV {
		o.Delimiter, o.Null = ',', ""
	}
	return o
}

// Validate reports combinations that PostgreSQL refuses, in its words.
func (o Options) Validate() error {
	invalid := func(format string, args ...any) error {
		return pgerr.New(pgerr.InvalidParameterValue, format, args...)
	}
	switch {
	case o.Delimiter == '\n' || o.Delimiter == '\r':
		return invalid("COPY delimiter cannot be newline or carriage return")
	case strings.ContainsAny(o.Null, "\r\n"):
		return invalid("COPY null representation cannot use newline or carriage return")
	case o.Format == Text && strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, o.Delimiter) >= 0:
		return invalid("COPY delimiter cannot be %q", string(o.Delimiter))
	case o.Format != Binary && strings.IndexByte(o.Null, o.Delimiter) >= 0:
		return pgerr.Unsupported("COPY delimiter must not appear in the NULL specification")
	case o.Format == CSV && o.Delimiter == o.Quote:
		return invalid("COPY delimiter and quote must be different")
	case o.Format == CSV && strings.IndexByte(o.Null, o.Quote) >= 0:
		return pgerr.Unsupported("CSV quote character must not appear in the NULL specification")
	}
	return nil
}
