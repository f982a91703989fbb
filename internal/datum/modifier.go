package datum

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Coerce applies a type modifier to a value; explicit casts cut silently.
func Coerce(t Type, v Value, explicit bool) (Value, error) {
	if v == nil || t.Mod < 0 {
		return v, nil
	}
	switch v := v.(type) {
	case string:
		switch t.OID {
		case Varchar:
			return fitVarchar(v, t, explicit)
		case BPChar:
			return fitChar(v, t, explicit)
		case Bit, VarBit:
			return fitBits(v, t, explicit)
		}
	case Decimal:
		if p, s, ok := t.NumericMod(); ok {
			return v.Fit(p, s)
		}
	case Micros:
		if t.OID == Time {
			return Micros(roundMicros(int64(v), t.Mod)), nil
		}
		return v.Round(t.Mod)
	case TimeTZValue:
		return TimeTZValue{Micros: roundMicros(v.Micros, t.Mod), Zone: v.Zone}, nil
	case IntervalValue:
		return v.Fit(t.Mod)
	case Array:
		out := v.With(v.Elem, make([]Value, len(v.Values)))
		elem, _ := t.Elem()
		for i, e := range v.Values {
			c, err := Coerce(elem, e, explicit)
			if err != nil {
				return nil, err
			}
			out.Values[i] = c
		}
		return out, nil
	}
	return v, nil
}

// Round rounds a timestamp to a precision of 0 to 6 digits; half goes away from
// 2000-01-01, where PostgreSQL counts from.
func (m Micros) Round(precision int32) (Micros, error) {
	if precision < 0 || precision >= 6 || !m.Finite() {
		return m, nil
	}
	r := Micros(roundMicros(int64(m)-PostgresEpochMicros, precision) + PostgresEpochMicros)
	if r > MaxMicros || r < MinMicros {
		return 0, timestampOutOfRange()
	}
	return r, nil
}

func fitVarchar(s string, t Type, explicit bool) (Value, error) {
	n, ok := t.CharMod()
	if !ok || len(s) <= n {
		return s, nil
	}
	cut := cutRunes(s, n)
	if cut < len(s) && !explicit && strings.Trim(s[cut:], " ") != "" {
		return nil, pgerr.New(pgerr.StringTruncation, "value too long for type character varying(%d)", n)
	}
	return s[:cut], nil
}

// fitChar cuts or pads to n characters.
func fitChar(s string, t Type, explicit bool) (Value, error) {
	n, ok := t.CharMod()
	if !ok {
		return s, nil
	}
	if runes := utf8.RuneCountInString(s); runes < n {
		return s + strings.Repeat(" ", n-runes), nil
	}
	cut := cutRunes(s, n)
	if cut < len(s) && !explicit && strings.Trim(s[cut:], " ") != "" {
		return nil, pgerr.New(pgerr.StringTruncation, "value too long for type character(%d)", n)
	}
	return s[:cut], nil
}

// cutRunes returns how many bytes the first n characters have.
func cutRunes(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func fitBits(s string, t Type, explicit bool) (Value, error) {
	n := int(t.Mod)
	switch {
	case t.Mod <= 0 || len(s) == n || t.OID == VarBit && len(s) < n:
		return s, nil
	case explicit && len(s) > n:
		return s[:n], nil
	case explicit:
		return s + strings.Repeat("0", n-len(s)), nil
	}
	return nil, checkBits(t, len(s))
}

// checkBits refuses a number of bits that a modifier does not allow.
func checkBits(t Type, n int) error {
	switch {
	case t.Mod <= 0 || n == int(t.Mod):
	case t.OID == Bit:
		return pgerr.New("22026", "bit string length %d does not match type bit(%d)", n, t.Mod)
	case n > int(t.Mod):
		return pgerr.New(pgerr.StringTruncation, "bit string too long for type bit varying(%d)", t.Mod)
	}
	return nil
}

// Bits of interval's range modifier: the fields that the type keeps.
const (
	intervalMonth     = 1 << 1
	intervalYear      = 1 << 2
	intervalDay       = 1 << 3
	intervalHour      = 1 << 10
	intervalMinute    = 1 << 11
	intervalSecond    = 1 << 12
	intervalFullRange = 0x7fff
	intervalFullPrec  = 0xffff
)

var intervalRanges = map[int32]string{
	intervalYear:                 " year",
	intervalMonth:                " month",
	intervalDay:                  " day",
	intervalHour:                 " hour",
	intervalMinute:               " minute",
	intervalSecond:               " second",
	intervalYear | intervalMonth: " year to month",
	intervalDay | intervalHour:   " day to hour",
	intervalDay | intervalHour | intervalMinute:                  " day to minute",
	intervalHour | intervalMinute:                                " hour to minute",
	intervalMinute | intervalSecond:                              " minute to second",
	intervalHour | intervalMinute | intervalSecond:               " hour to second",
	intervalDay | intervalHour | intervalMinute | intervalSecond: " day to second",
}

// IntervalMod makes interval's modifier from the SQL name of the range ("" or
// " year to month") and the precision, -1 for none.
func IntervalMod(fields string, precision int32) (mod int32, ok bool) {
	rng := int32(intervalFullRange)
	if fields != "" {
		rng = 0
		for bits, name := range intervalRanges {
			if name == fields {
				rng = bits
			}
		}
		if rng == 0 {
			return 0, false
		}
	} else if precision < 0 {
		return -1, true
	}
	if precision < 0 {
		precision = intervalFullPrec
	}
	return rng<<16 | precision, true
}

func intervalModName(mod int32) string {
	if mod < 0 {
		return ""
	}
	name := intervalRanges[mod>>16&0x7fff]
	if p := mod & 0xffff; p != intervalFullPrec {
		name += "(" + string(rune('0'+p%10)) + ")"
	}
	return name
}

// Fit applies interval's modifier: fields below the least one of the range are
// dropped, and the seconds are rounded.
func (v IntervalValue) Fit(mod int32) (IntervalValue, error) {
	if mod < 0 {
		return v, nil
	}
	switch mod >> 16 & 0x7fff {
	case intervalYear:
		v.Months, v.Days, v.Micros = v.Months/12*12, 0, 0
	case intervalMonth, intervalYear | intervalMonth:
		v.Days, v.Micros = 0, 0
	case intervalDay:
		v.Micros = 0
	case intervalHour, intervalDay | intervalHour:
		v.Micros = v.Micros / microsPerHour * microsPerHour
	case intervalMinute, intervalHour | intervalMinute, intervalDay | intervalHour | intervalMinute:
		v.Micros = v.Micros / microsPerMinute * microsPerMinute
	}
	if p := mod & 0xffff; p < 6 {
		const reach = microsPerSecond // rounding moves by less
		if v.Micros > math.MaxInt64-reach || v.Micros < math.MinInt64+reach {
			return v, intervalOutOfRange()
		}
		v.Micros = roundMicros(v.Micros, p)
	}
	return v, nil
}
