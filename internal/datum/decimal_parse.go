package datum

import (
	"strconv"
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
func ParseDecimal(s string) (Decimal, error) { return parseDecimal(s, -1) }

// parseDecimal is numeric_in; a modifier is applied before the limits of
// numeric are, so that numeric(5,2) reads 1e-20000.
func parseDecimal(s string, mod int32) (Decimal, error) {
	precision, scale, fit := Type{OID: Numeric, Mod: mod}.NumericMod()
	t := trimSpace(s)
	d, ok := parseSpecialDecimal(t)
	if !ok {
		digits, err := parseFinite(t)
		if err != nil {
			return d, err
		}
		if !digits.ok {
			return d, invalidInput("numeric", s)
		}
		if fit {
			digits.cut(int64(scale) + 1)
			if digits.whole() > MaxDecimalDigits {
				return d, fieldOverflowError(precision, scale)
			}
		}
		if d, err = makeDecimal(digits.neg, digits.text, digits.scale); err != nil {
			return d, err
		}
	}
	if fit {
		return d.Fit(precision, scale)
	}
	return d, nil
}

func parseSpecialDecimal(t string) (Decimal, bool) {
	if c, scale, ok := parseSmallDecimal(t); ok {
		return decimalFromParts(c, scale), true
	}
	switch strings.ToLower(t) {
	case "nan":
		return Decimal{Kind: NaN}, true
	case "infinity", "+infinity", "inf", "+inf":
		return Decimal{Kind: Infinite}, true
	case "-infinity", "-inf":
		return Decimal{Kind: Infinite, Neg: true}, true
	}
	return Decimal{}, false
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

// decimalDigits is a number as text: text x 10^-scale, of any size.
type decimalDigits struct {
	ok    bool // it is a number
	neg   bool
	text  string // without leading zeros
	scale int64
}

// cut drops the digits after so many behind the point.
func (d *decimalDigits) cut(scale int64) {
	if drop := d.scale - scale; drop > 0 {
		drop = min(drop, int64(len(d.text)))
		d.text = d.text[:int64(len(d.text))-drop]
		d.scale -= drop
		if d.text == "" {
			d.scale = 0
		}
	}
}

// whole returns the number of digits before the point.
func (d *decimalDigits) whole() int64 {
	if d.text == "" {
		return 0
	}
	return int64(len(d.text)) - d.scale
}

// parseFinite reads [sign] digits [. digits] [e [sign] digits].
func parseFinite(s string) (d decimalDigits, err error) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.neg = s[0] == '-'
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
		return d, nil
	}
	exponent := int64(0)
	if end < len(s) {
		if s[end]|0x20 != 'e' {
			return d, nil
		}
		var rest string
		if exponent, rest, d.ok = parseExponent(s[end+1:]); !d.ok {
			return d, nil
		}
		if exponent >= 1<<30-1 || exponent <= -(1<<30-1) {
			return d, numericOverflow()
		}
		if rest != "" {
			d.ok = false
			return d, nil
		}
	}
	d.ok = true
	d.text, d.scale = strings.TrimLeft(s[:whole]+frac, "0"), int64(len(frac))-exponent
	return d, nil
}

// parseExponent reads an integer as strtol does, blanks before it and all.
func parseExponent(s string) (v int64, rest string, ok bool) {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	i := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		v = min(v*10+int64(s[i]-'0'), 1<<40)
	}
	if neg {
		v = -v
	}
	return v, s[i:], i > 0
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
	return d, fieldOverflowError(precision, scale)
}

func fieldOverflowError(precision, scale int) error {
	bound := "1"
	if precision != scale {
		bound = "10^" + strconv.Itoa(precision-scale)
	}
	return pgerr.New(pgerr.NumericOutOfRange, "numeric field overflow").
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
