package datum

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// parseInt is int2in, int4in and int8in. Blanks around the number are allowed;
// a number is out of range as soon as its digits are, whatever follows them.
func parseInt(s string, bits int, name string) (int64, error) {
	t := trimSpace(s)
	i, neg := 0, false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg = t[0] == '-'
		i = 1
	}
	least := int64(math.MinInt64) >> (64 - bits)
	start := i
	v := int64(0) // negative, because those reach one further
	for ; i < len(t) && isDigit(t[i]); i++ {
		d := int64(t[i] - '0')
		if v < (least+d)/10 {
			return 0, outOfRange(s, name)
		}
		v = v*10 - d
	}
	if i == start || i < len(t) {
		return 0, invalidInput(name, s)
	}
	if neg {
		return v, nil
	}
	if v == least {
		return 0, outOfRange(s, name)
	}
	return -v, nil
}

func outOfRange(s, name string) error {
	return pgerr.New(pgerr.NumericOutOfRange, `value "%s" is out of range for type %s`, s, name)
}

// parseOID is oidin: what strtoul reads, where -1 is 4294967295.
func parseOID(s, name string) (OID, error) {
	t := trimSpace(s)
	neg := strings.HasPrefix(t, "-")
	if neg || strings.HasPrefix(t, "+") {
		t = t[1:]
	}
	end := 0
	for end < len(t) && isDigit(t[end]) {
		end++
	}
	if end == 0 {
		return 0, invalidInput(name, s)
	}
	u, err := strconv.ParseUint(t[:end], 10, 64)
	if err != nil {
		return 0, outOfRange(s, name)
	}
	if end < len(t) {
		return 0, invalidInput(name, s)
	}
	if neg {
		u = -u
	}
	if u > math.MaxUint32 && u != uint64(int32(u)) {
		return 0, outOfRange(s, name)
	}
	return OID(u), nil
}

// parseFloat is float4in and float8in, which read what C's strtod reads.
func parseFloat(s string, bits int, name string) (float64, error) {
	t := s
	for t != "" && isSpace(t[0]) {
		t = t[1:]
	}
	end := numberPrefix(t)
	if end == 0 {
		return specialFloat(trimSpace(t), s, name)
	}
	number := t[:end]
	if strings.ContainsAny(number, "xX") && !strings.ContainsAny(number, "pP") {
		number += "p0" // strtod does without
	}
	v, err := strconv.ParseFloat(number, bits)
	if err != nil || v == 0 && nonzeroMantissa(number) {
		shown := s // float4in shows all of it
		if bits == 64 {
			shown = t[:end]
		}
		return 0, pgerr.New(pgerr.NumericOutOfRange, `"%s" is out of range for type %s`, shown, name)
	}
	if trimSpace(t[end:]) != "" {
		return 0, invalidInput(name, s)
	}
	return v, nil
}

// numberPrefix returns the length of the number that s starts with, 0 for none.
func numberPrefix(s string) int {
	sign := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign = 1
	}
	t := s[sign:]
	if len(t) > 2 && t[0] == '0' && t[1]|0x20 == 'x' {
		if n := hexFloatPrefix(t[2:]); n > 0 {
			return sign + 2 + n
		}
	}
	if t == "" || !isDigit(t[0]) && (t[0] != '.' || len(t) < 2 || !isDigit(t[1])) {
		return 0
	}
	return sign + floatPrefix(t)
}

func hexFloatPrefix(s string) int {
	i, digits := 0, 0
	for ; i < len(s) && (hexDigit(s[i]) >= 0 || s[i] == '.' && strings.IndexByte(s[:i], '.') < 0); i++ {
		if s[i] != '.' {
			digits++
		}
	}
	if digits == 0 {
		return 0
	}
	if i < len(s) && s[i]|0x20 == 'p' {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			return j
		}
	}
	return i
}

// nonzeroMantissa says whether a number that was read as 0 is not 0.
func nonzeroMantissa(t string) bool {
	t = strings.ToLower(strings.TrimLeft(t, "+-"))
	if hex, ok := strings.CutPrefix(t, "0x"); ok {
		m, _, _ := strings.Cut(hex, "p")
		return strings.Trim(m, "0.") != ""
	}
	m, _, _ := strings.Cut(t, "e")
	return strings.Trim(m, "0.") != ""
}

func specialFloat(t, s, name string) (float64, error) {
	switch strings.ToLower(t) {
	case "nan", "+nan":
		return quietNaN, nil
	case "-nan":
		return math.Copysign(quietNaN, -1), nil
	case "infinity", "+infinity", "inf", "+inf":
		return math.Inf(1), nil
	case "-infinity", "-inf":
		return math.Inf(-1), nil
	}
	return 0, invalidInput(name, s)
}

// quietNaN has the bits of C's NaN; those of math.NaN are others.
var quietNaN = math.Float64frombits(0x7ff8 << 48)

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
	if digits < 0 && mayBeHalfway(v, bits) {
		e = notHalfway(e, v, bits)
	}
	return layoutFloat(dst, e, limit, digits < 0)
}

// PostgreSQL's shortest text lies strictly between the middles to the next
// floats, while strconv also takes a middle that rounds to the number itself
// (1e23). A middle has few enough digits only in the range given here: below, it
// has too many binary places, above, too few factors of 5.
func mayBeHalfway(v float64, bits int) bool {
	v = math.Abs(v)
	if bits == 32 {
		return v >= 1<<21 && v < 1e20 && math.Float32bits(float32(v))&1 == 0
	}
	return v >= 1<<52 && v < 1e41 && math.Float64bits(v)&1 == 0
}

// notHalfway returns the shortest text of v that is in no middle, e if it is none.
func notHalfway(e []byte, v float64, bits int) []byte {
	mark := strings.IndexByte(string(e), 'e')
	digits := mark - 1
	if e[0] == '-' {
		digits--
	}
	if digits > 1 {
		digits-- // the point
	}
	for n := digits; ; n++ {
		e = strconv.AppendFloat(e[:0], v, 'e', n-1, bits)
		f, _, err := big.ParseFloat(string(e), 10, 256, big.ToNearestEven)
		if err != nil {
			return e
		}
		back, accuracy := f.Float64()
		if bits == 32 {
			var f32 float32
			f32, accuracy = f.Float32()
			back = float64(f32)
		}
		if back == v && (accuracy == big.Exact || !isMiddle(f, v, bits)) {
			return e
		}
	}
}

// isMiddle says whether f is halfway between v and one of its neighbours.
func isMiddle(f *big.Float, v float64, bits int) bool {
	for _, to := range [...]float64{math.Inf(-1), math.Inf(1)} {
		next := math.Nextafter(v, to)
		if bits == 32 {
			next = float64(math.Nextafter32(float32(v), float32(to)))
		}
		sum := new(big.Float).SetPrec(256).Add(big.NewFloat(v), big.NewFloat(next))
		if sum.Quo(sum, big.NewFloat(2)).Cmp(f) == 0 {
			return true
		}
	}
	return false
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
