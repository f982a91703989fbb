package datum

import (
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// parseInt is int2in, int4in and int8in. Blanks around the number are allowed.
func parseInt(s string, bits int, name string) (int64, error) {
	t := trimSpace(s)
	v, digits, overflow := int64(0), 0, false
	i, neg := 0, false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg = t[0] == '-'
		i = 1
	}
	for ; i < len(t); i++ {
		d := int64(t[i] - '0')
		if t[i]-'0' > 9 {
			return 0, invalidInput(name, s)
		}
		digits++
		// Negative numbers reach one further.
		if v < (math.MinInt64+d)/10 {
			overflow = true
		}
		v = v*10 - d
	}
	if digits == 0 {
		return 0, invalidInput(name, s)
	}
	if !neg {
		if v == math.MinInt64 {
			overflow = true
		}
		v = -v
	}
	if overflow || v != v<<(64-bits)>>(64-bits) {
		return 0, pgerr.New(pgerr.NumericOutOfRange, `value "%s" is out of range for type %s`, s, name)
	}
	return v, nil
}

// parseOID is oidin: strtoul in any base that C knows, negative numbers wrap.
func parseOID(s, name string) (OID, error) {
	t := trimSpace(s)
	digits := strings.TrimPrefix(strings.TrimPrefix(t, "-"), "+")
	u, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		if digits == "" || strings.Trim(digits, "0123456789") != "" {
			return 0, invalidInput(name, s)
		}
		u = math.MaxUint64
	}
	neg := strings.HasPrefix(t, "-")
	if neg && u <= 1<<31 {
		return OID(-uint32(u)), nil
	}
	if neg || u > math.MaxUint32 {
		return 0, pgerr.New(pgerr.NumericOutOfRange, `value "%s" is out of range for type %s`, s, name)
	}
	return OID(u), nil
}

// parseFloat is float4in and float8in.
func parseFloat(s string, bits int, name string) (float64, error) {
	t := trimSpace(s)
	if t == "" || strings.IndexByte(t, '_') >= 0 {
		return 0, invalidInput(name, s)
	}
	number := t
	if strings.ContainsAny(t, "xX") && !strings.ContainsAny(t, "pP") {
		number += "p0" // C's strtod does without
	}
	v, err := strconv.ParseFloat(number, bits)
	if err == nil {
		if v == 0 && nonzeroMantissa(t) {
			return 0, pgerr.New(pgerr.NumericOutOfRange, `"%s" is out of range for type %s`, t, name)
		}
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return specialFloat(t, s, name)
		}
		return v, nil
	}
	if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
		return 0, pgerr.New(pgerr.NumericOutOfRange, `"%s" is out of range for type %s`, t, name)
	}
	return specialFloat(t, s, name)
}

// nonzeroMantissa says whether a number that was read as 0 is not 0.
func nonzeroMantissa(t string) bool {
	if len(t) > 1 && (t[1]|0x20 == 'x' || len(t) > 2 && t[2]|0x20 == 'x') {
		return strings.ContainsAny(strings.SplitN(strings.ToLower(t), "p", 2)[0][2:], "123456789abcdef")
	}
	m, _, _ := strings.Cut(strings.ToLower(t), "e")
	return strings.ContainsAny(m, "123456789")
}

func specialFloat(t, s, name string) (float64, error) {
	switch strings.ToLower(t) {
	case "nan", "+nan", "-nan":
		return math.NaN(), nil
	case "infinity", "+infinity", "inf", "+inf":
		return math.Inf(1), nil
	case "-infinity", "-inf":
		return math.Inf(-1), nil
	}
	return 0, invalidInput(name, s)
}

// appendFloat is float8out and float4out: with extra_float_digits above 0 the
// shortest text that reads back the same, else so many significant digits.
func appendFloat(dst []byte, v float64, bits, extraDigits int) []byte {
	switch {
	case v != v:
		return append(dst, "NaN"...)
	case v > math.MaxFloat64:
		return append(dst, "Infinity"...)
	case v < -math.MaxFloat64:
		return append(dst, "-Infinity"...)
	case v == 0:
		if math.Signbit(v) {
			return append(dst, "-0"...)
		}
		return append(dst, '0')
	}
	digits := -1
	limit := 15 // numbers of 10^limit and above are written with an exponent
	if bits == 32 {
		limit = 6
	}
	if extraDigits <= 0 {
		digits = max(limit+extraDigits, 1)
		limit = digits
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], v, 'e', digits-sign(digits), bits)
	return layoutFloat(dst, e, limit, digits < 0)
}

// sign is 1 for positive numbers (the digit before the point) and 0 for -1.
func sign(digits int) int {
	if digits > 0 {
		return 1
	}
	return 0
}

// layoutFloat turns d.ddde±dd into what C's %g prints (exponents below -4 and
// from limit on stay), or into what PostgreSQL's shortest output prints, which
// differs only in that it keeps no trailing zeros either.
func layoutFloat(dst, e []byte, limit int, shortest bool) []byte {
	if e[0] == '-' {
		dst = append(dst, '-')
		e = e[1:]
	}
	mark := len(e) - 1
	for e[mark] != 'e' {
		mark--
	}
	exponent := 0
	for _, c := range e[mark+2:] {
		exponent = exponent*10 + int(c-'0')
	}
	if e[mark+1] == '-' {
		exponent = -exponent
	}
	var buf [24]byte
	digits := append(buf[:0], e[0])
	if mark > 2 {
		digits = append(digits, e[2:mark]...)
	}
	if !shortest {
		for len(digits) > 1 && digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
	}
	if exponent < -4 || exponent >= limit {
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		return append(dst, e[mark:]...) // both write e±dd with two digits at least
	}
	if exponent < 0 {
		dst = append(dst, '0', '.')
		for range -exponent - 1 {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	for i := 0; i <= exponent; i++ {
		if i < len(digits) {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	if len(digits) > exponent+1 {
		dst = append(append(dst, '.'), digits[exponent+1:]...)
	}
	return dst
}

// parseBool is boolin: unique prefixes of true, false, yes, no, and on, off, 1, 0.
func parseBool(s string) (bool, error) {
	t := strings.ToLower(trimSpace(s))
	if t == "" {
		return false, invalidInput("boolean", s)
	}
	switch {
	case strings.HasPrefix("true", t), strings.HasPrefix("yes", t), t == "on", t == "1":
		return true, nil
	case strings.HasPrefix("false", t), strings.HasPrefix("no", t), t == "of", t == "off", t == "0":
		return false, nil
	}
	return false, invalidInput("boolean", s)
}
