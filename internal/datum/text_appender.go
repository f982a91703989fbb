package datum

import (
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// A TextAppender parses text straight into a builder, with no boxing for the
// common types: the fast path of COPY, CSV and NDJSON. Text is not kept. After
// an error nothing was appended.
type TextAppender func(text []byte) error

// NewTextAppender returns an appender of values of type t to a builder of t's Arrow type.
func NewTextAppender(t Type, b array.Builder, env *Env) TextAppender {
	env = env.orDefault()
	slow := func(text []byte) error {
		v, err := Parse(t, string(text), env)
		if err == nil {
			Append(b, t, v)
		}
		return err
	}
	if t.kind() == kLabel {
		return slow // the integers are places, and the text is a name
	}
	switch b := b.(type) {
	case *array.Int16Builder:
		return func(text []byte) error {
			v, ok := smallInt(text)
			if !ok || v != int64(int16(v)) {
				return slow(text)
			}
			b.Append(int16(v))
			return nil
		}
	case *array.Int32Builder:
		return func(text []byte) error {
			v, ok := smallInt(text)
			if !ok || v != int64(int32(v)) {
				return slow(text)
			}
			b.Append(int32(v))
			return nil
		}
	case *array.Int64Builder:
		return func(text []byte) error {
			v, ok := smallInt(text)
			if !ok {
				return slow(text)
			}
			b.Append(v)
			return nil
		}
	case *array.Float32Builder:
		return func(text []byte) error {
			v, ok := plainFloat(text, 32)
			if !ok {
				return slow(text)
			}
			b.Append(float32(v))
			return nil
		}
	case *array.Float64Builder:
		return func(text []byte) error {
			v, ok := plainFloat(text, 64)
			if !ok {
				return slow(text)
			}
			b.Append(v)
			return nil
		}
	case *array.BooleanBuilder:
		return func(text []byte) error {
			if len(text) == 1 && (text[0] == 't' || text[0] == 'f' || text[0] == '1' || text[0] == '0') {
				b.Append(text[0] == 't' || text[0] == '1')
				return nil
			}
			return slow(text)
		}
	case *array.StringBuilder:
		if t.OID == Text || t.OID == Varchar {
			return stringAppender(t, b, slow)
		}
	case *array.BinaryBuilder:
		if t.kind() == kNumeric {
			return numericAppender(t, b, slow)
		}
	case *array.Date32Builder:
		return func(text []byte) error {
			days, ok := isoDate(text)
			if !ok || len(text) != 10 {
				return slow(text)
			}
			b.Append(arrow.Date32(days))
			return nil
		}
	case *array.TimestampBuilder:
		return timestampAppender(t, b, env, slow)
	}
	return slow
}

// smallInt reads integers of up to 18 digits.
func smallInt(s []byte) (int64, bool) {
	i := 0
	if len(s) > 0 && s[0] == '-' {
		i = 1
	}
	if n := len(s) - i; n == 0 || n > 18 {
		return 0, false
	}
	v := int64(0)
	for _, c := range s[i:] {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int64(d)
	}
	if s[0] == '-' {
		v = -v
	}
	return v, true
}

// float64 has all integers up to 2^53 and all powers of ten up to 10^22, so
// that one division of such numbers is rounded once: exact as strtod is.
var floatPow10s = [19]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// plainFloat reads decimal numbers whose value can be had exactly and at once,
// and leaves the rest to strconv; ok is false for all that is not a finite number.
func plainFloat(s []byte, bits int) (float64, bool) {
	if c, scale, ok := parseSmallDecimal(s); ok {
		switch {
		case c == 0 && s[0] == '-': // the sign of zero is lost in c
		case c >= 1<<53 || c <= -1<<53:
		case bits == 64:
			return float64(c) / floatPow10s[scale], true
		default:
			if v, ok := roundOnce(float64(c) / floatPow10s[scale]); ok {
				return v, true
			}
		}
	}
	if len(s) == 0 || !isDigit(s[len(s)-1]) || len(s) > 1 && s[1]|0x20 == 'x' {
		return 0, false
	}
	for _, c := range s {
		if c == '_' || isAlpha(c) && c|0x20 != 'e' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(unsafe.String(&s[0], len(s)), bits)
	return v, err == nil && v != 0 // underflow is an error, which 0 may hide
}

// roundOnce rounds a quotient, which was rounded to float64, to float32. The two
// make what one rounding makes unless the first ended in the middle between two
// neighbours of float32, which it then may have come to from either side; ok is
// false there. The quotients of plainFloat are in float32's normal range, or 0.
func roundOnce(v float64) (float64, bool) {
	const below = 52 - 23 // bits of float64 that float32 does not have
	return float64(float32(v)), math.Float64bits(v)&(1<<below-1) != 1<<(below-1)
}

func stringAppender(t Type, b *array.StringBuilder, slow TextAppender) TextAppender {
	limit, limited := t.CharMod()
	return func(text []byte) error {
		if limited && len(text) > limit {
			return slow(text)
		}
		if !plainASCII(text) && (!utf8.Valid(text) || hasNUL(text)) {
			return badText(string(text))
		}
		if b.Len() < b.Cap() && len(text) <= b.DataCap()-b.DataLen() {
			b.UnsafeAppend(text)
		} else {
			b.BinaryBuilder.Append(text)
		}
		return nil
	}
}

// plainASCII says whether there are only bytes from 1 to 127.
func plainASCII(s []byte) bool {
	for len(s) >= 8 {
		w := *(*uint64)(unsafe.Pointer(&s[0]))
		// A zero byte borrows into its highest bit.
		if (w|(w-0x0101010101010101))&0x8080808080808080 != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c-1 >= 0x7f {
			return false
		}
	}
	return true
}

func hasNUL(s []byte) bool {
	for _, c := range s {
		if c == 0 {
			return true
		}
	}
	return false
}

func numericAppender(t Type, b *array.BinaryBuilder, slow TextAppender) TextAppender {
	precision, scale, fit := t.NumericMod()
	var buf [16]byte
	return func(text []byte) error {
		c, s, ok := parseSmallDecimal(text)
		if ok && fit {
			c, ok = fitSmall(c, s, precision, scale)
			s = int32(scale)
		}
		if !ok {
			return slow(text)
		}
		b.Append(AppendNumericInt(buf[:0], c, s))
		return nil
	}
}

func timestampAppender(t Type, b *array.TimestampBuilder, env *Env, slow TextAppender) TextAppender {
	zoned := t.OID == TimestampTZ
	var cache zoneCache
	return func(text []byte) error {
		local, offset, hasOffset, ok := isoTimestamp(text)
		if !ok || t.Mod >= 0 && t.Mod < 6 {
			return slow(text)
		}
		if zoned {
			if hasOffset {
				local -= offset * microsPerSecond
			} else {
				local -= cache.offset(local, env) * microsPerSecond
			}
		}
		b.Append(arrow.Timestamp(local))
		return nil
	}
}

// A zoneCache remembers the stretch of local time that shares one offset with
// the last time asked for.
type zoneCache struct {
	from, to int64 // local microseconds; every time between has off
	off      int64
}

func (z *zoneCache) offset(local int64, env *Env) int64 {
	if env.Zone == nil || env.ZoneName == "UTC" {
		return 0
	}
	if local >= z.from && local < z.to {
		return z.off
	}
	z.off = int64(LocalOffset(Micros(local), env.Zone))
	z.from, z.to = sameOffset(local, z.off, env.Zone)
	return z.off
}
