package datum

import (
	"strconv"
)

// AppendText appends numeric_out's text: all digits, as many after the point as
// the display scale says.
func (d *Decimal) AppendText(dst []byte) []byte {
	switch {
	case d.Kind == NaN:
		return append(dst, "NaN"...)
	case d.Kind == Infinite && d.Neg:
		return append(dst, "-Infinity"...)
	case d.Kind == Infinite:
		return append(dst, "Infinity"...)
	}
	var buf [64]byte
	var digits []byte
	if d.Coeff.IsUint64() {
		digits = strconv.AppendUint(buf[:0], d.Coeff.Uint64(), 10)
	} else {
		digits = d.Coeff.Append(buf[:0], 10)
	}
	return appendDigits(dst, d.Neg, digits, int(d.Scale))
}

// appendNumericText is AppendText for the in-memory form.
func appendNumericText(dst, b []byte) []byte {
	if c, scale, ok := NumericInt(b); ok {
		var buf [24]byte
		u := uint64(c)
		if c < 0 {
			u = -u
		}
		return appendDigits(dst, c < 0, strconv.AppendUint(buf[:0], u, 10), int(scale))
	}
	d := mustDecodeNumeric(b)
	return d.AppendText(dst)
}

func appendDigits(dst []byte, neg bool, digits []byte, scale int) []byte {
	if neg {
		dst = append(dst, '-')
	}
	whole := len(digits) - scale
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; whole < 0; whole++ {
		dst = append(dst, '0')
	}
	return append(dst, digits[whole:]...)
}

// String is AppendText's text.
func (d Decimal) String() string { return string(d.AppendText(nil)) }
