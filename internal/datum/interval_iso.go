package datum

import (
	"math"
	"strconv"
)

// An isoScanner reads the numbers and letters of an ISO 8601 interval.
type isoScanner struct {
	s string
}

// number reads a number as strtod does and splits it.
func (p *isoScanner) number() (whole int64, frac float64, err dateError) {
	if p.s == "" || !isDigit(p.s[0]) && p.s[0] != '-' && p.s[0] != '.' {
		return 0, 0, badFormat
	}
	end := floatPrefix(p.s)
	v, e := strconv.ParseFloat(p.s[:end], 64)
	if e != nil {
		return 0, 0, badFormat
	}
	p.s = p.s[end:]
	if v < -1e15 || v > 1e15 {
		return 0, 0, fieldOverflow
	}
	t := math.Trunc(v)
	return int64(t), v - t, dateOK
}

// floatPrefix returns the length of the number that s starts with.
func floatPrefix(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i < len(s) && s[i] == '.' {
		i++
		for i < len(s) && isDigit(s[i]) {
			i++
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			i = j
		}
	}
	return i
}

// unit takes the letter after a number, 0 at the end.
func (p *isoScanner) unit() byte {
	if p.s == "" {
		return 0
	}
	c := p.s[0]
	p.s = p.s[1:]
	return c
}

// leadingDigits counts the digits that s starts with, after a minus.
func leadingDigits(s string) int {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func overflowUnless(ok bool) dateError {
	if ok {
		return dateOK
	}
	return fieldOverflow
}

// parseISO reads P1Y2M3DT4H5M6S, P2W, and the alternative forms P0001-02-03T04:05:06
// and P00010203T040506.
func (a *intervalSum) parseISO(s string) dateError {
	if len(s) < 2 || s[0] != 'P' {
		return badFormat
	}
	p := isoScanner{s: s[1:]}
	inDate, any := true, false
	for p.s != "" {
		if p.s[0] == 'T' {
			inDate, any = false, false
			p.s = p.s[1:]
			continue
		}
		width := leadingDigits(p.s)
		val, frac, err := p.number()
		if err != dateOK {
			return err
		}
		u := p.unit()
		var done bool
		if inDate {
			var toTime bool
			done, toTime, err = a.isoDatePart(&p, u, val, frac, width == 8 && !any, any)
			if toTime {
				inDate, any = false, false
				continue
			}
		} else {
			done, err = a.isoTimePart(&p, u, val, frac, width == 6 && !any, any)
		}
		if err != dateOK || done {
			return err
		}
		any = true
	}
	return dateOK
}

func (a *intervalSum) isoDatePart(p *isoScanner, u byte, val int64, frac float64, basic, any bool) (done, toTime bool, err dateError) {
	switch u {
	case 'Y':
		return false, false, overflowUnless(a.addYears(val, frac, 1))
	case 'M':
		return false, false, overflowUnless(a.addMonths(val, frac))
	case 'W':
		return false, false, overflowUnless(a.addDays(val, 7) && a.addDayFraction(frac, 7))
	case 'D':
		return false, false, overflowUnless(a.addDays(val, 1) && a.addFraction(frac, microsPerDay))
	case 'T', 0:
		if basic {
			ok := a.addYears(val/10000, 0, 1) && a.addMonths(val/100%100, 0) && a.addDays(val%100, 1) && a.addFraction(frac, microsPerDay)
			return u == 0, u == 'T', overflowUnless(ok)
		}
	case '-':
	default:
		return false, false, badFormat
	}
	if any {
		return false, false, badFormat
	}
	if !a.addYears(val, frac, 1) {
		return false, false, fieldOverflow
	}
	if u != '-' {
		return u == 0, u == 'T', dateOK
	}
	if val, frac, err = p.number(); err != dateOK {
		return false, false, err
	}
	if !a.addMonths(val, frac) {
		return false, false, fieldOverflow
	}
	if u = p.unit(); u != '-' {
		return u == 0, u == 'T', endOfISO(u)
	}
	if val, frac, err = p.number(); err != dateOK {
		return false, false, err
	}
	if !a.addDays(val, 1) || !a.addFraction(frac, microsPerDay) {
		return false, false, fieldOverflow
	}
	u = p.unit()
	return u == 0, u == 'T', endOfISO(u)
}

func endOfISO(u byte) dateError {
	if u == 0 || u == 'T' {
		return dateOK
	}
	return badFormat
}

func (a *intervalSum) isoTimePart(p *isoScanner, u byte, val int64, frac float64, basic, any bool) (done bool, err dateError) {
	switch u {
	case 'H':
		return false, overflowUnless(a.addMicros(val, frac, microsPerHour))
	case 'M':
		return false, overflowUnless(a.addMicros(val, frac, microsPerMinute))
	case 'S':
		return false, overflowUnless(a.addMicros(val, frac, microsPerSecond))
	case 0:
		if basic {
			return true, overflowUnless(a.addMicros(val/10000, 0, microsPerHour) && a.addMicros(val/100%100, 0, microsPerMinute) &&
				a.addMicros(val%100, 0, microsPerSecond) && a.addFraction(frac, 1))
		}
	case ':':
	default:
		return false, badFormat
	}
	if any {
		return false, badFormat
	}
	for i, unitMicros := range [...]int64{microsPerHour, microsPerMinute, microsPerSecond} {
		if i > 0 {
			if val, frac, err = p.number(); err != dateOK {
				return false, err
			}
			u = p.unit()
		}
		if !a.addMicros(val, frac, unitMicros) {
			return false, fieldOverflow
		}
		if u == 0 {
			return true, dateOK
		}
		if u != ':' || i == 2 {
			return false, badFormat
		}
	}
	return false, badFormat
}
