package copyformat

import (
	"bytes"
	"encoding/binary"
)

// AppendHeader appends what stands before the first row: the names of the
// columns if asked for, or the binary signature.
func (o Options) AppendHeader(dst []byte, names []string) []byte {
	if o.Format == Binary {
		dst = append(dst, signature...)
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	if o.Header == NoHeader {
		return dst
	}
	for i, name := range names {
		if i > 0 {
			dst = append(dst, o.Delimiter)
		}
		if o.Format == CSV {
			dst = o.appendCSV(dst, []byte(name), false, len(names) == 1)
		} else {
			dst = o.appendText(dst, []byte(name))
		}
	}
	return append(dst, '\n')
}

// AppendTrailer appends what stands after the last row.
func (o Options) AppendTrailer(dst []byte) []byte {
	if o.Format == Binary {
		return append(dst, 0xff, 0xff)
	}
	return dst
}

// BeginRow starts a row of n fields.
func (o Options) BeginRow(dst []byte, n int) []byte {
	if o.Format == Binary {
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	}
	return dst
}

// EndRow ends it.
func (o Options) EndRow(dst []byte) []byte {
	if o.Format == Binary {
		return dst
	}
	return append(dst, '\n')
}

// AppendField appends field i of n; value is in the type's text form, or its
// binary one for Binary, and must not overlap dst; null says that it is NULL.
func (o Options) AppendField(dst []byte, i, n int, value []byte, null bool) []byte {
	if o.Format == Binary {
		if null {
			return append(dst, 0xff, 0xff, 0xff, 0xff)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
		return append(dst, value...)
	}
	if i > 0 {
		dst = append(dst, o.Delimiter)
	}
	switch {
	case null:
		return append(dst, o.Null...)
	case o.Format == CSV:
		return o.appendCSV(dst, value, o.ForceAll || i < len(o.ForceQuote) && o.ForceQuote[i], n == 1)
	}
	return o.appendText(dst, value)
}

func (o Options) appendText(dst, value []byte) []byte {
	for _, ch := range value {
		switch name := controlName(ch); {
		case name != 0: // also of a delimiter: a tab is always \t
			dst = append(dst, '\\', name)
		case ch == '\\' || ch == o.Delimiter:
			dst = append(dst, '\\', ch)
		default:
			dst = append(dst, ch)
		}
	}
	return dst
}

// controlName is the letter that stands for a control character after a
// backslash, 0 if there is none.
func controlName(ch byte) byte {
	if ch >= ' ' {
		return 0
	}
	for name, c := range controls {
		if c == ch {
			return name
		}
	}
	return 0
}

// appendCSV quotes a value that would read as something else. A lone "\." would
// read as the end of data.
func (o Options) appendCSV(dst, value []byte, force, single bool) []byte {
	if !force && string(value) != o.Null && !(single && string(value) == `\.`) &&
		bytes.IndexByte(value, o.Delimiter) < 0 && bytes.IndexByte(value, o.Quote) < 0 && bytes.IndexAny(value, "\r\n") < 0 {
		return append(dst, value...)
	}
	dst = append(dst, o.Quote)
	for _, ch := range value {
		if ch == o.Quote || ch == o.Escape {
			dst = append(dst, o.Escape)
		}
		dst = append(dst, ch)
	}
	return append(dst, o.Quote)
}
