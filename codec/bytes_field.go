package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

// A fieldKind says how a field of a template becomes integers and back. Every kind
// restores the exact bytes: what it would spell otherwise does not match.
type fieldKind uint8

// Numbers are part of the format.
const (
	fieldText     fieldKind = 0  // any bytes, a string node
	fieldInt      fieldKind = 1  // decimal integer as parseDecimal takes it
	fieldPadded   fieldKind = 2  // width digits with leading zeros
	fieldDecimal  fieldKind = 3  // decimal number of up to scale digits after the point
	fieldTime     fieldKind = 4  // text of a time layout
	fieldHex      fieldKind = 5  // width digits 0-9a-f
	fieldHexUpper fieldKind = 6  // width digits 0-9A-F
	fieldUUID     fieldKind = 7  // 8-4-4-4-12 digits 0-9a-f; integers of 48, 16 and 64 bits
	fieldBig      fieldKind = 8  // width bytes, an unsigned number, big endian
	fieldLittle   fieldKind = 9  // width bytes, a signed number, little endian
	fieldRest     fieldKind = 10 // up to 8 bytes without a zero at the end, an unsigned number, little endian
)

// A field is a part of a template that differs from row to row, with the bytes
// before it that do not.
type field struct {
	before []byte
	kind   fieldKind
	width  int // of padded, hex, big and little
	// A decimal number has scale digits after the point, less zeros at the end as
	// long as more than least are left. Without a digit there is no point.
	scale, least int
	layout       []byte
}

// nodes returns the number of integer nodes of a field.
func (f *field) nodes() int {
	switch f.kind {
	case fieldText:
		return 0
	case fieldUUID:
		return 3
	}
	return 1
}

// valid checks what was read.
func (f *field) valid() bool {
	switch f.kind {
	case fieldText, fieldInt, fieldUUID, fieldRest:
		return true
	case fieldPadded:
		return f.width >= 1 && f.width <= 18
	case fieldDecimal:
		return f.scale >= 1 && f.scale <= 18 && f.least <= f.scale
	case fieldTime:
		return timeWidth(f.layout) > 0
	case fieldHex, fieldHexUpper:
		return f.width >= 1 && f.width <= 16
	case fieldBig, fieldLittle:
		return f.width >= 1 && f.width <= 8
	}
	return false
}

func (f *field) appendHeader(dst []byte) []byte {
	dst = append(appendPart(dst, f.before), byte(f.kind))
	switch f.kind {
	case fieldPadded, fieldHex, fieldHexUpper, fieldBig, fieldLittle:
		dst = append(dst, byte(f.width))
	case fieldDecimal:
		dst = append(dst, byte(f.scale), byte(f.least))
	case fieldTime:
		dst = appendPart(dst, f.layout)
	}
	return dst
}

func (c *cursor) field() (f field) {
	f.before = c.part()
	f.kind = fieldKind(c.byte())
	switch f.kind {
	case fieldPadded, fieldHex, fieldHexUpper, fieldBig, fieldLittle:
		f.width = int(c.byte())
	case fieldDecimal:
		f.scale, f.least = int(c.byte()), int(c.byte())
	case fieldTime:
		f.layout = c.part()
	}
	c.bad = c.bad || !f.valid()
	return f
}

// parse reads what the field matches at the start of b into its integers and returns
// the number of bytes. It is for all kinds but text.
func (f *field) parse(b []byte, out []int64) (n int, ok bool) {
	switch f.kind {
	case fieldInt:
		if len(b) > 0 && b[0] == '-' {
			n = 1
		}
		n += leadingDigits(b[n:])
		out[0], ok = parseDecimal(b[:n])
		return n, ok
	case fieldPadded:
		if len(b) < f.width {
			return 0, false
		}
		out[0], ok = digits(b[:f.width])
		return f.width, ok
	case fieldDecimal:
		return f.parseNumber(b, out)
	case fieldTime:
		w := timeWidth(f.layout)
		if len(b) < w {
			return 0, false
		}
		out[0], ok = parseTime(f.layout, b[:w])
		return w, ok
	case fieldHex, fieldHexUpper:
		if len(b) < f.width {
			return 0, false
		}
		x, ok := parseHex(b[:f.width], f.kind == fieldHexUpper)
		out[0] = int64(x)
		return f.width, ok
	case fieldUUID:
		return 36, parseUUID(b, out)
	case fieldBig:
		if len(b) < f.width {
			return 0, false
		}
		out[0] = 0
		for _, c := range b[:f.width] {
			out[0] = out[0]<<8 | int64(c)
		}
		return f.width, true
	case fieldLittle:
		if len(b) < f.width {
			return 0, false
		}
		var w [8]byte
		copy(w[8-f.width:], b)
		out[0] = int64(binary.LittleEndian.Uint64(w[:])) >> (64 - 8*f.width)
		return f.width, true
	case fieldRest:
		if len(b) > 8 || len(b) > 0 && b[len(b)-1] == 0 {
			return 0, false
		}
		var w [8]byte
		copy(w[:], b)
		out[0] = int64(binary.LittleEndian.Uint64(w[:]))
		return len(b), true
	}
	return 0, false
}

func leadingDigits(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}

// decimalShape returns the bytes of the decimal number that b starts with and the
// digits after its point, which it may do without.
func decimalShape(b []byte) (n, after int) {
	if len(b) > 0 && b[0] == '-' {
		n = 1
	}
	k := leadingDigits(b[n:])
	if k == 0 {
		return 0, 0
	}
	n += k
	if n < len(b) && b[n] == '.' {
		if after = leadingDigits(b[n+1:]); after > 0 {
			n += 1 + after
		}
	}
	return n, after
}

func (f *field) parseNumber(b []byte, out []int64) (n int, ok bool) {
	n, after := decimalShape(b)
	if n == 0 || after > f.scale || after < f.least || after > f.least && b[n-1] == '0' {
		return 0, false
	}
	whole := b[:n]
	var fraction int64
	if after > 0 {
		whole = b[:n-1-after]
		fraction, _ = digits(b[n-after : n])
	}
	d := whole
	negative := d[0] == '-'
	if negative {
		d = d[1:]
	}
	if len(d)+f.scale > 18 || d[0] == '0' && len(d) > 1 {
		return 0, false
	}
	x, _ := digits(d)
	x = x*powersOf10[f.scale] + fraction*powersOf10[f.scale-after]
	if negative {
		if x == 0 {
			return 0, false
		}
		x = -x
	}
	out[0] = x
	return n, true
}

func parseHex(b []byte, upper bool) (x uint64, ok bool) {
	letter := byte('a')
	if upper {
		letter = 'A'
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			if d = c - letter; d > 5 {
				return 0, false
			}
			d += 10
		}
		x = x<<4 | uint64(d)
	}
	return x, true
}

func parseUUID(b []byte, out []int64) bool {
	if len(b) < 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return false
	}
	var part [5]uint64
	for i, at := range [5][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		var ok bool
		if part[i], ok = parseHex(b[at[0]:at[1]], false); !ok {
			return false
		}
	}
	out[0], out[1], out[2] = int64(part[0]<<16|part[1]), int64(part[2]), int64(part[3]<<48|part[4])
	return true
}

// hexPairs are the two digits of each byte.
type hexPairs [256][2]byte

func newHexPairs(alphabet string) *hexPairs {
	p := new(hexPairs)
	for i := range p {
		p[i] = [2]byte{alphabet[i>>4], alphabet[i&15]}
	}
	return p
}

var (
	hexLower = newHexPairs("0123456789abcdef")
	hexUpper = newHexPairs("0123456789ABCDEF")
)

func appendHex(dst []byte, x uint64, width int, pairs *hexPairs) []byte {
	at := len(dst)
	dst = slices.Grow(dst, width)[:at+width]
	out := dst[at:]
	for ; len(out) >= 2; x >>= 8 {
		*(*[2]byte)(out[len(out)-2:]) = pairs[byte(x)]
		out = out[:len(out)-2]
	}
	if len(out) == 1 {
		out[0] = pairs[x&15][1]
	}
	return dst
}

// maxSpelt bounds the numbers that text of 18 digits spells.
const maxSpelt = 1e18

// append spells the integers of row i; false if they are not those that parse makes
// of any text. It is for all kinds but text and time.
func (f *field) append(dst []byte, x *[3][]int64, i int) ([]byte, bool) {
	v := x[0][i]
	switch f.kind {
	case fieldInt:
		return strconv.AppendInt(dst, v, 10), -maxSpelt < v && v < maxSpelt
	case fieldPadded:
		return appendPadded(dst, v, f.width), uint64(v) < uint64(powersOf10[f.width])
	case fieldDecimal:
		return f.appendNumber(dst, v), -maxSpelt < v && v < maxSpelt
	case fieldHex:
		return appendHex(dst, uint64(v), f.width, hexLower), bits.Len64(uint64(v)) <= 4*f.width
	case fieldHexUpper:
		return appendHex(dst, uint64(v), f.width, hexUpper), bits.Len64(uint64(v)) <= 4*f.width
	case fieldUUID:
		a, b, c := uint64(v), uint64(x[1][i]), uint64(x[2][i])
		return appendUUID(dst, a, b, c), a>>48 == 0 && b>>16 == 0
	case fieldBig:
		var w [8]byte
		binary.BigEndian.PutUint64(w[:], uint64(v))
		return append(dst, w[8-f.width:]...), bits.Len64(uint64(v)) <= 8*f.width
	case fieldLittle:
		over := 64 - 8*f.width
		return binary.LittleEndian.AppendUint64(dst, uint64(v))[:len(dst)+f.width], v<<over>>over == v
	case fieldRest:
		return binary.LittleEndian.AppendUint64(dst, uint64(v))[:len(dst)+(bits.Len64(uint64(v))+7)/8], true
	}
	return dst, false
}

// appendPadded appends the last width digits of v.
func appendPadded(dst []byte, v int64, width int) []byte {
	at := len(dst)
	dst = slices.Grow(dst, width)[:at+width]
	u := uint64(v)
	i := at + width
	for ; i >= at+2; i -= 2 {
		p := u % 100 * 2
		u /= 100
		copy(dst[i-2:i], digitPairs[p:p+2])
	}
	if i > at {
		dst[at] = byte('0' + u%10)
	}
	return dst
}

func (f *field) appendNumber(dst []byte, v int64) []byte {
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	unit := uint64(powersOf10[f.scale])
	dst = strconv.AppendUint(dst, u/unit, 10)
	at := len(dst)
	dst = appendPadded(append(dst, '.'), int64(u%unit), f.scale)
	for len(dst)-at-1 > f.least && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if len(dst) == at+1 {
		dst = dst[:at]
	}
	return dst
}

func appendUUID(dst []byte, a, b, c uint64) []byte {
	dst = append(appendHex(dst, a>>16, 8, hexLower), '-')
	dst = append(appendHex(dst, a, 4, hexLower), '-')
	dst = append(appendHex(dst, b, 4, hexLower), '-')
	dst = append(appendHex(dst, c>>48, 4, hexLower), '-')
	return appendHex(dst, c, 12, hexLower)
}

// classify returns the fields that spell every one of the strings but skipped ones:
// one field, or some of fixed width. It returns nil if there are none but text.
func classify(s *Strings, skip func(i int) bool) []field {
	first := -1
	for i := range s.Len() {
		if !skip(i) {
			first = i
			break
		}
	}
	if first < 0 || len(s.At(first)) == 0 {
		return nil
	}
	for _, fields := range candidateFields(s, first, skip) {
		t := template{fields: fields}
		m := t.matcher()
		ok := true
		for i := range s.Len() {
			if !skip(i) && !m.match(s.At(i)) {
				ok = false
				break
			}
		}
		if ok {
			return fields
		}
	}
	return nil
}

// candidateFields looks at all the strings for what they have in common: their
// length, the digits after points.
func candidateFields(s *Strings, first int, skip func(i int) bool) (out [][]field) {
	b := s.At(first)
	fixed, scale, least := true, 0, 18
	for i := range s.Len() {
		if skip(i) {
			continue
		}
		x := s.At(i)
		fixed = fixed && len(x) == len(b)
		n, after := decimalShape(x)
		if n != len(x) {
			least = -1
		}
		scale, least = max(scale, after), min(least, after)
	}
	if least >= 0 {
		if scale == 0 {
			out = append(out, []field{{kind: fieldInt}})
		} else if scale <= 17 {
			out = append(out, []field{{kind: fieldDecimal, scale: scale, least: least}})
		}
	}
	if !fixed {
		return out
	}
	if len(b) == 36 {
		out = append(out, []field{{kind: fieldUUID}})
	}
	if layout, n := findTime(b, nil); n == len(b) {
		out = append(out, []field{{kind: fieldTime, layout: layout}})
	}
	if len(b) <= 18 && leadingDigits(b) == len(b) {
		out = append(out, []field{{kind: fieldPadded, width: len(b)}})
	}
	if len(b) >= 4 && len(b) <= 128 {
		out = append(out, hexFields(len(b), fieldHex), hexFields(len(b), fieldHexUpper))
	}
	return out
}

func hexFields(width int, kind fieldKind) (out []field) {
	for width > 0 {
		w := min(width, 16)
		out = append(out, field{kind: kind, width: w})
		width -= w
	}
	return out
}

// wordFields returns fields for bytes of a fixed width that are numbers one after the
// other: what a uuid, an interval, a timetz are.
func wordFields(kind fieldKind, widths ...int) (out []field) {
	for _, w := range widths {
		out = append(out, field{kind: kind, width: w})
	}
	return out
}
