package datum

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ParseInterval is interval_in; the modifier says what a number without a unit
// is, and is applied.
func ParseInterval(s string, mod int32, env *Env) (IntervalValue, error) {
	env = env.orDefault()
	rng := int32(intervalFullRange)
	if mod >= 0 {
		rng = mod >> 16 & intervalFullRange
	}
	var acc intervalSum
	e := badFormat
	if fields, ok := splitDateTime(s); ok {
		d := intervalDecoder{fields: fields, rng: rng, style: env.IntervalStyle}
		e = d.decode()
		acc = d.intervalSum
	}
	if e == badFormat {
		acc = intervalSum{}
		e = acc.parseISO(s)
	}
	switch e {
	case dateOK:
	case fieldOverflow:
		return IntervalValue{}, dateErrorFor(intervalOverflow, s, "interval")
	default:
		return IntervalValue{}, dateErrorFor(e, s, "interval")
	}
	v, ok := acc.value()
	if !ok {
		return v, intervalOutOfRange()
	}
	return v.Fit(mod)
}

func intervalOutOfRange() *pgerr.Error {
	return pgerr.New(pgerr.DatetimeOverflow, "interval out of range")
}

// An intervalSum adds up the fields of an interval, each checked for overflow.
type intervalSum struct {
	years, months, days int64 // in 32 bits each
	micros              int64
}

func (a *intervalSum) value() (IntervalValue, bool) {
	months := a.years*12 + a.months
	return IntervalValue{Months: int32(months), Days: int32(a.days), Micros: a.micros}, months == int64(int32(months))
}

func add32(sum *int64, v int64) bool {
	if r := *sum + v; v == int64(int32(v)) && r == int64(int32(r)) {
		*sum = r
		return true
	}
	return false
}

func mul64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(abs(a)), uint64(abs(b)))
	if (a < 0) != (b < 0) {
		return -int64(lo), hi == 0 && lo <= -math.MinInt64
	}
	return int64(lo), hi == 0 && lo <= math.MaxInt64
}

func add64(a, b int64) (int64, bool) {
	r := a + b
	return r, (r > a) == (b > 0)
}

// addMicros adds (v + frac) units of so many microseconds.
func (a *intervalSum) addMicros(v int64, frac float64, unitMicros int64) bool {
	p, ok := mul64(v, unitMicros)
	if !ok {
		return false
	}
	if a.micros, ok = add64(a.micros, p); !ok {
		return false
	}
	return a.addFraction(frac, unitMicros)
}

// addFraction adds a part of a unit, rounded to microseconds.
func (a *intervalSum) addFraction(frac float64, unitMicros int64) bool {
	if frac == 0 {
		return true
	}
	frac *= float64(unitMicros)
	usec := int64(frac)
	frac -= float64(usec)
	if frac > 0.5 {
		usec++
	} else if frac < -0.5 {
		usec--
	}
	var ok bool
	a.micros, ok = add64(a.micros, usec)
	return ok
}

func (a *intervalSum) addDays(v, unitDays int64) bool {
	return v == int64(int32(v)) && add32(&a.days, v*unitDays)
}

// addDayFraction adds a part of a unit of days: whole days, the rest as time.
func (a *intervalSum) addDayFraction(frac float64, unitDays int64) bool {
	if frac == 0 {
		return true
	}
	frac *= float64(unitDays)
	days := int64(frac)
	return add32(&a.days, days) && a.addFraction(frac-float64(days), microsPerDay)
}

func (a *intervalSum) addMonths(v int64, frac float64) bool {
	return add32(&a.months, v) && a.addDayFraction(frac, 30)
}

func (a *intervalSum) addYears(v int64, frac float64, unitYears int64) bool {
	if v != int64(int32(v)) || !add32(&a.years, v*unitYears) {
		return false
	}
	return add32(&a.months, int64(math.RoundToEven(frac*float64(unitYears)*12)))
}

func (a *intervalSum) negate() bool {
	if a.years == math.MinInt32 || a.months == math.MinInt32 || a.days == math.MinInt32 || a.micros == math.MinInt64 {
		return false
	}
	a.years, a.months, a.days, a.micros = -a.years, -a.months, -a.days, -a.micros
	return true
}

// An intervalDecoder reads "1 year 2 mons -3 days 04:05:06.7" and its many
// kin from right to left, so that the unit is known before its number.
type intervalDecoder struct {
	intervalSum
	fields        []dateTimeField
	rng           int32
	style         IntervalFormat
	forceNegative bool
	unit          unit // of the next number to the left
	have          parts
	parts         parts // of the field at hand
}

// Parts of an interval that a date has not share the bits of those that
// intervals have not.
const (
	partWeek       = partDayOfYear
	partDecade     = partZone
	partCentury    = partDST
	partMillennium = partAMPM
)

func (d *intervalDecoder) decode() dateError {
	if d.style == SQLStandard && len(d.fields) > 0 && d.fields[0].text[0] == '-' {
		d.forceNegative = true // one sign for all, if there is no other
		for _, f := range d.fields[1:] {
			if f.text[0] == '-' || f.text[0] == '+' {
				d.forceNegative = false
			}
		}
	}
	ago := false
	for i := len(d.fields) - 1; i >= 0; i-- {
		f := d.fields[i]
		d.parts = 0
		switch f.kind {
		case textField, specialField:
			t, _ := lookupToken(intervalTokens, f.text)
			switch t.class {
			case tokenIgnored:
				continue
			case tokenUnit:
				d.unit = t.unit
			case tokenAgo:
				ago = true
				d.unit = unitOther
			default:
				return badFormat
			}
		case timeField:
			if err := d.clock(f.text, false); err != dateOK {
				return err
			}
		case zoneField:
			if strings.IndexByte(f.text[1:], ':') >= 0 && d.clock(f.text[1:], f.text[0] == '-') == dateOK {
				break
			}
			fallthrough
		default:
			if err := d.number(f.text); err != dateOK {
				return err
			}
		}
		if d.parts&d.have != 0 {
			return badFormat
		}
		d.have |= d.parts
	}
	if d.have == 0 {
		return badFormat
	}
	if ago && !d.negate() {
		return fieldOverflow
	}
	return dateOK
}

// clock takes in a time, which says all below days.
func (d *intervalDecoder) clock(s string, negative bool) dateError {
	hour, minute, second, micros, err := decodeClock(s, d.rng == intervalMinute|intervalSecond)
	if err != dateOK {
		return err
	}
	d.parts = partTime
	sum := intervalSum{micros: micros}
	if !sum.addMicros(hour, 0, microsPerHour) || !sum.addMicros(minute, 0, microsPerMinute) || !sum.addMicros(second, 0, microsPerSecond) {
		return fieldOverflow
	}
	d.micros = sum.micros
	if negative || d.forceNegative && d.micros > 0 {
		d.micros = -d.micros
	}
	d.unit = unitDay
	return dateOK
}

// defaultUnit is the unit of a last number without one.
func (d *intervalDecoder) defaultUnit() unit {
	switch d.rng {
	case intervalYear:
		return unitYear
	case intervalMonth, intervalYear | intervalMonth:
		return unitMonth
	case intervalDay:
		return unitDay
	case intervalHour, intervalDay | intervalHour:
		return unitHour
	case intervalMinute, intervalHour | intervalMinute, intervalDay | intervalHour | intervalMinute:
		return unitMinute
	}
	return unitSecond
}

func (d *intervalDecoder) number(s string) dateError {
	if d.unit == noUnit {
		d.unit = d.defaultUnit()
	}
	negative := s[0] == '-'
	end := 0
	if s[0] == '-' || s[0] == '+' {
		end = 1
	}
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	val := int64(0)
	if whole := s[:end]; whole != "" && whole != "-" && whole != "+" {
		v, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return fieldOverflow
		}
		val = v
	}
	frac, rest := 0.0, s[end:]
	switch {
	case rest == "":
	case rest[0] == '-': // years-months
		months, err := dateInt(rest[1:])
		if err == badFormat && rest == "-" {
			months, err = 0, dateOK
		}
		if err != dateOK {
			return err
		}
		if months >= 12 || months < 0 {
			return fieldOverflow
		}
		if negative {
			months = -months
		}
		d.unit = unitMonth
		var ok bool
		if val, ok = mul64(val, 12); !ok {
			return fieldOverflow
		}
		if val, ok = add64(val, months); months != 0 && !ok {
			return fieldOverflow
		}
	case rest[0] == '.':
		var err dateError
		if frac, err = fraction(rest); err != dateOK {
			return err
		}
		if negative {
			frac = -frac
		}
	default:
		return badFormat
	}
	if d.forceNegative && val > 0 {
		val = -val
	}
	if d.forceNegative && frac > 0 {
		frac = -frac
	}
	return d.add(val, frac)
}

// add takes in val + frac of the unit.
func (d *intervalDecoder) add(val int64, frac float64) dateError {
	ok := false
	switch d.unit {
	case unitMicrosecond:
		ok, d.parts = d.addMicros(val, frac, 1), partMicrosecond
	case unitMillisecond:
		ok, d.parts = d.addMicros(val, frac, 1000), partMillisecond
	case unitSecond:
		ok, d.parts = d.addMicros(val, frac, microsPerSecond), partSecond
		if frac != 0 {
			d.parts = partSeconds
		}
	case unitMinute:
		ok, d.parts = d.addMicros(val, frac, microsPerMinute), partMinute
	case unitHour:
		ok, d.parts = d.addMicros(val, frac, microsPerHour), partHour
		d.unit = unitDay // of the next number, if it has no unit
	case unitDay:
		ok, d.parts = d.addDays(val, 1) && d.addFraction(frac, microsPerDay), partDay
	case unitWeek:
		ok, d.parts = d.addDays(val, 7) && d.addDayFraction(frac, 7), partWeek
	case unitMonth:
		ok, d.parts = d.addMonths(val, frac), partMonth
	case unitYear:
		ok, d.parts = d.addYears(val, frac, 1), partYear
	case unitDecade:
		ok, d.parts = d.addYears(val, frac, 10), partDecade
	case unitCentury:
		ok, d.parts = d.addYears(val, frac, 100), partCentury
	case unitMillennium:
		ok, d.parts = d.addYears(val, frac, 1000), partMillennium
	default:
		return badFormat
	}
	if !ok {
		return fieldOverflow
	}
	return dateOK
}
