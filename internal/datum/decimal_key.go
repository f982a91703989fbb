package datum

import (
	"encoding/binary"
	"strconv"
)

// Keys of numerics: a class byte, and for finite numbers other than zero the
// decimal exponent and the digits two by two, without trailing zeros, then an
// end byte below all pairs. Negative numbers have exponent and digits inverted.
const (
	keyNumericNegInfinity = iota
	keyNumericNegative
	keyNumericZero
	keyNumericPositive
	keyNumericInfinity
	keyNumericNaN
)

const keyDigitsEnd = 0 // pairs are 1 to 100

func appendNumericKey(dst, b []byte) []byte {
	if c, scale, ok := NumericInt(b); ok {
		return appendSmallDecimalKey(dst, c, scale)
	}
	return appendDecimalKey(dst, mustDecodeNumeric(b))
}

func appendSmallDecimalKey(dst []byte, c int64, scale int32) []byte {
	if c == 0 {
		return append(dst, keyNumericZero)
	}
	var buf [20]byte
	digits := strconv.AppendInt(buf[:0], c, 10)
	neg := c < 0
	if neg {
		digits = digits[1:]
	}
	return appendDigitsKey(dst, neg, digits, scale)
}

func appendDecimalKey(dst []byte, d Decimal) []byte {
	if c, ok := d.Small(); ok {
		return appendSmallDecimalKey(dst, c, d.Scale)
	}
	switch {
	case d.Kind == NaN:
		return append(dst, keyNumericNaN)
	case d.Kind == Infinite && d.Neg:
		return append(dst, keyNumericNegInfinity)
	case d.Kind == Infinite:
		return append(dst, keyNumericInfinity)
	}
	var buf [64]byte
	return appendDigitsKey(dst, d.Neg, d.Coeff.Append(buf[:0], 10), d.Scale)
}

// appendDigitsKey encodes digits x 10^-scale, which is not zero.
func appendDigitsKey(dst []byte, neg bool, digits []byte, scale int32) []byte {
	class := byte(keyNumericPositive)
	if neg {
		class = keyNumericNegative
	}
	dst = append(dst, class)
	base := len(dst)
	exponent := int32(len(digits)) - scale // of the number as 0.digits
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(exponent)^1<<31)
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		dst = append(dst, pair+1)
	}
	dst = append(dst, keyDigitsEnd)
	if neg {
		invert(dst[base:])
	}
	return dst
}
