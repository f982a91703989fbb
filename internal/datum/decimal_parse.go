package datum

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

func invalidInput(typeName, s string) error {
	return pgerr.New(pgerr.InvalidText, `invalid input syntax for type %s: "%s"`, typeName, s)
}

func numericOverflow() error {
	return pgerr.New(pgerr.NumericOutOfRange, "value overflows numeric format")
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isDigit(c byte) bool { return c-'0' < 10 }

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func trimSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// ParseDecimal is numeric's input function without a modifier.
func ParseDecimal(s string) (Decimal, error) {
	t := trimSpace(s)
	if c, scale, ok := parseSmallDecimal(t); ok {
		return decimalFromParts(c, scale), nil
	}
	switch strings.ToLower(t) {
	case "nan":
		return Decimal{Kind: NaN}, nil
	case "infinity", "+infinity", "inf", "+inf":
		return Decimal{Kind: Infinite}, nil
	case "-infinity", "-inf":
		return Decimal{Kind: Infinite, Neg: true}, nil
	}
	d, ok, err := parseFinite(t)
	if err == nil && !ok {
		err = invalidInput("numeric", s)
	}
	return d, err
}

// parseSmallDecimal reads plain numbers of up to 18 digits.
func parseSmallDecimal[T string | []byte](s T) (c int64, scale int32, ok bool) {
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		i = 1
	}
	if len(s)-i > 19 {
		return 0, 0, false
	}
	digits, point := 0, -1
	for ; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			if s[i] != '.' || point >= 0 {
				return 0, 0, false
			}
			point = digits
			continue
		}
		c = c*10 + int64(d)
		digits++
	}
	if digits == 0 || digits > 18 {
		return 0, 0, false
	}
	if point >= 0 {
		scale = int32(digits - point)
	}
	if neg {
		c = -c
	}
	return c, scale, true
}

// parseFinite reads [sign] digits [. digits] [e [sign] digits].
func parseFinite(s string) (d Decimal, ok bool, err error) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	whole := 0
	for whole < len(s) && isDigit(s[whole]) {
		whole++
	}
	end, frac := whole, ""
	if end < len(s) && s[end] == '.' {
		end++
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		frac = s[whole+1 : end]
	}
	if whole+len(frac) == 0 {
		return d, false, nil
	}
	exponent := int64(0)
	if end < len(s) {
		if s[end]|0x20 != 'e' {
			return d, false, nil
		}
		if exponent, ok = parseExponent(s[end+1:]); !ok {
			return d, false, nil
		}
		if exponent >= 1<<30-1 || exponent <= -(1<<30-1) {
			return d, false, numericOverflow()
		}
	}
	d, err = makeDecimal(neg, s[:whole]+frac, int64(len(frac))-exponent)
	return d, true, err
}

// parseExponent reads an integer as strtol does, blanks before it and all.
func parseExponent(s string) (int64, bool) {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	var v int64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		v = min(v*10+int64(s[i]-'0'), 1<<40)
	}
	if neg {
		v = -v
	}
	return v, true
}

// makeDecimal returns digits x 10^-scale, where scale may be beyond the limits
// or negative (the number is an integer with so many zeros more).
func makeDecimal(neg bool, digits string, scale int64) (Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	if scale > MaxDecimalScale || digits != "" && int64(len(digits))-scale > MaxDecimalDigits {
		return Decimal{}, numericOverflow()
	}
	if digits == "" {
		return Decimal{Scale: int32(max(scale, 0))}, nil
	}
	if scale < 0 {
		digits += strings.Repeat("0", int(-scale))
		scale = 0
	}
	d := Decimal{Neg: neg, Scale: int32(scale)}
	d.Coeff.SetString(digits, 10)
	return d, nil
}

// Fit rounds to a column's numeric(p,s); numbers too big for it are 22003.
func (d Decimal) Fit(precision, scale int) (Decimal, error) {
	if d.Kind == NaN {
		return d, nil
	}
	if d.Kind == Infinite {
		return d, pgerr.New(pgerr.NumericOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	r := d.Round(int32(scale))
	if r.Coeff.Sign() == 0 || r.wholeDigits() <= precision-scale {
		return r, nil
	}
	bound := "1"
	if precision != scale {
		bound = "10^" + DecimalFromInt(int64(precision-scale)).String()
	}
	return d, pgerr.New(pgerr.NumericOutOfRange, "numeric field overflow").
		WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.", precision, scale, bound)
}

// fitSmall is Fit for coeff x 10^-from; ok is false where the long way is needed.
func fitSmall(coeff int64, from int32, precision, scale int) (int64, bool) {
	if scale < 0 || precision > 18 {
		return 0, false
	}
	switch shift := int(from) - scale; {
	case shift > 18 || shift < -18:
		return 0, false
	case shift > 0:
		p := pow10s[shift]
		q, r := coeff/p, coeff%p
		if r >= p-r {
			q++
		} else if -r >= p+r {
			q--
		}
		coeff = q
	case shift < 0:
		p := pow10s[-shift]
		if coeff > pow10s[18]/p || coeff < -pow10s[18]/p {
			return 0, false
		}
		coeff *= p
	}
	if limit := pow10s[precision]; coeff >= limit || coeff <= -limit {
		return 0, false
	}
	return coeff, true
}
