package datum

import (
	"encoding/binary"
	"strings"
)

// numeric's binary format: digits to base 10000, their number, the weight of
// the first one, the sign and the display scale, each in two bytes.
const (
	wirePositive    = 0x0000
	wireNegative    = 0x4000
	wireNaN         = 0xc000
	wireInfinity    = 0xd000
	wireNegInfinity = 0xf000

	// wireInfinityScale is what PostgreSQL sends for the scale of infinities.
	wireInfinityScale = 0x20
)

func appendNumericHeader(dst []byte, digits, weight int, sign, scale uint16) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(digits))
	dst = binary.BigEndian.AppendUint16(dst, uint16(weight))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	return binary.BigEndian.AppendUint16(dst, scale)
}

// appendNumericBinary is numeric_send.
func appendNumericBinary(dst []byte, d *Decimal) []byte {
	switch {
	case d.Kind == NaN:
		return appendNumericHeader(dst, 0, 0, wireNaN, 0)
	case d.Kind == Infinite && d.Neg:
		return appendNumericHeader(dst, 0, 0, wireNegInfinity, wireInfinityScale)
	case d.Kind == Infinite:
		return appendNumericHeader(dst, 0, 0, wireInfinity, wireInfinityScale)
	case d.Coeff.Sign() == 0:
		return appendNumericHeader(dst, 0, 0, wirePositive, uint16(d.Scale))
	}
	var buf [64]byte
	digits := d.Coeff.Append(buf[:0], 10)
	scale := int(d.Scale)
	// Fill up so that the point falls between two groups of four.
	for scale%4 != 0 {
		digits = append(digits, '0')
		scale++
	}
	lead := (4 - len(digits)%4) % 4
	groups := (len(digits) + lead) / 4
	weight := groups - scale/4 - 1
	for groups > 0 && digitGroup(digits, (groups-1)*4-lead) == 0 {
		groups--
	}
	sign := uint16(wirePositive)
	if d.Neg {
		sign = wireNegative
	}
	dst = appendNumericHeader(dst, groups, weight, sign, uint16(d.Scale))
	for g := range groups {
		dst = binary.BigEndian.AppendUint16(dst, digitGroup(digits, g*4-lead))
	}
	return dst
}

// digitGroup reads the four digits from i on; those before the first are 0.
func digitGroup(digits []byte, i int) uint16 {
	v := uint16(0)
	for j := i; j < i+4; j++ {
		v *= 10
		if j >= 0 {
			v += uint16(digits[j] - '0')
		}
	}
	return v
}

// parseNumericBinary is numeric_recv.
func parseNumericBinary(b []byte) (Decimal, error) {
	if len(b) < 8 {
		return Decimal{}, shortMessage()
	}
	n, weight := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:])))
	sign, scale := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	b = b[8:]
	switch sign {
	case wirePositive, wireNegative:
	case wireNaN:
		return Decimal{Kind: NaN}, nil
	case wireInfinity, wireNegInfinity:
		return Decimal{Kind: Infinite, Neg: sign == wireNegInfinity}, nil
	default:
		return Decimal{}, badBinary("invalid sign in external \"numeric\" value")
	}
	if scale > MaxDecimalScale {
		return Decimal{}, badBinary("invalid scale in external \"numeric\" value")
	}
	if len(b) < 2*n {
		return Decimal{}, shortMessage()
	}
	if len(b) > 2*n {
		return Decimal{}, badBinary("incorrect binary data format")
	}
	var text strings.Builder
	for i := range n {
		d := binary.BigEndian.Uint16(b[2*i:])
		if d > 9999 {
			return Decimal{}, badBinary("invalid digit in external \"numeric\" value")
		}
		text.Write([]byte{byte('0' + d/1000), byte('0' + d/100%10), byte('0' + d/10%10), byte('0' + d%10)})
	}
	d, err := makeWide(sign == wireNegative, text.String(), int64(n-weight-1)*4, int64(scale))
	if err != nil {
		return d, err
	}
	return d, nil
}

// makeWide returns digits x 10^-have with the display scale want: what is
// beyond it is cut, as numeric_recv does.
func makeWide(neg bool, digits string, have, want int64) (Decimal, error) {
	if have > want {
		cut := min(have-want, int64(len(digits)))
		digits = digits[:int64(len(digits))-cut]
		have = want
		if digits == "" {
			return Decimal{Scale: int32(want)}, nil
		}
	}
	d, err := makeDecimal(neg, digits, have)
	if err != nil {
		return d, err
	}
	return d.Round(int32(want)), nil
}
