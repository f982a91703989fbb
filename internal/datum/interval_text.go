package datum

import "strconv"

// interval parts as they are written: all of one sign only if the fields are.
type intervalParts struct {
	year, month, day             int64
	hour, minute, second, micros int64
}

func (v IntervalValue) parts() intervalParts {
	m := v.Micros
	return intervalParts{
		year: int64(v.Months / 12), month: int64(v.Months % 12), day: int64(v.Days),
		hour: m / microsPerHour, minute: m / microsPerMinute % 60,
		second: m / microsPerSecond % 60, micros: m % microsPerSecond,
	}
}

func (p *intervalParts) timeNegative() bool {
	return p.hour < 0 || p.minute < 0 || p.second < 0 || p.micros < 0
}

func (p *intervalParts) timeZero() bool {
	return p.hour == 0 && p.minute == 0 && p.second == 0 && p.micros == 0
}

// appendInterval is interval_out.
func appendInterval(dst []byte, v IntervalValue, style IntervalFormat) []byte {
	p := v.parts()
	switch style {
	case PostgresVerbose:
		return p.appendVerbose(dst)
	case SQLStandard:
		return p.appendSQL(dst)
	case ISO8601:
		return p.appendISO(dst)
	}
	return p.appendPostgres(dst)
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// appendSeconds appends ss[.ffffff] of the absolute values, filled to two digits or not.
func (p *intervalParts) appendSeconds(dst []byte, fill bool) []byte {
	if fill {
		dst = append2(dst, abs(p.second))
	} else {
		dst = strconv.AppendInt(dst, abs(p.second), 10)
	}
	return appendFraction(dst, abs(p.micros))
}

func (p *intervalParts) appendPostgres(dst []byte) []byte {
	zero, before := true, false
	for _, f := range [...]struct {
		v    int64
		unit string
	}{{p.year, " year"}, {p.month, " mon"}, {p.day, " day"}} {
		if f.v == 0 {
			continue
		}
		if !zero {
			dst = append(dst, ' ')
		}
		if before && f.v > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, f.v, 10), f.unit...)
		if f.v != 1 {
			dst = append(dst, 's')
		}
		zero, before = false, f.v < 0
	}
	if !zero && p.timeZero() {
		return dst
	}
	if !zero {
		dst = append(dst, ' ')
	}
	if p.timeNegative() {
		dst = append(dst, '-')
	} else if before {
		dst = append(dst, '+')
	}
	dst = append(appendPadded(dst, abs(p.hour), 2), ':')
	return p.appendSeconds(append(append2(dst, abs(p.minute)), ':'), true)
}

func (p *intervalParts) appendVerbose(dst []byte) []byte {
	zero, before := true, false
	dst = append(dst, '@')
	for _, f := range [...]struct {
		v    int64
		unit string
	}{{p.year, " year"}, {p.month, " mon"}, {p.day, " day"}, {p.hour, " hour"}, {p.minute, " min"}} {
		v := f.v
		if v == 0 {
			continue
		}
		if zero {
			before = v < 0
			v = abs(v)
		} else if before {
			v = -v
		}
		dst = append(strconv.AppendInt(append(dst, ' '), v, 10), f.unit...)
		if v != 1 {
			dst = append(dst, 's')
		}
		zero = false
	}
	if p.second != 0 || p.micros != 0 {
		dst = append(dst, ' ')
		if p.second < 0 || p.second == 0 && p.micros < 0 {
			if zero {
				before = true
			} else if !before {
				dst = append(dst, '-')
			}
		} else if before {
			dst = append(dst, '-')
		}
		dst = append(p.appendSeconds(dst, false), " sec"...)
		if abs(p.second) != 1 || p.micros != 0 {
			dst = append(dst, 's')
		}
		zero = false
	}
	if zero {
		dst = append(dst, " 0"...)
	}
	if before {
		dst = append(dst, " ago"...)
	}
	return dst
}

func (p *intervalParts) appendSQL(dst []byte) []byte {
	negative := p.year < 0 || p.month < 0 || p.day < 0 || p.timeNegative()
	positive := p.year > 0 || p.month > 0 || p.day > 0 ||
		p.hour > 0 || p.minute > 0 || p.second > 0 || p.micros > 0
	yearMonth := p.year != 0 || p.month != 0
	dayTime := p.day != 0 || !p.timeZero()
	if !negative && !positive {
		return append(dst, '0')
	}
	if negative && positive || yearMonth && dayTime {
		return p.appendSQLMixed(dst)
	}
	if negative {
		dst = append(dst, '-')
	}
	if yearMonth {
		dst = append(strconv.AppendInt(dst, abs(p.year), 10), '-')
		return strconv.AppendInt(dst, abs(p.month), 10)
	}
	if p.day != 0 {
		dst = append(strconv.AppendInt(dst, abs(p.day), 10), ' ')
	}
	dst = append(strconv.AppendInt(dst, abs(p.hour), 10), ':')
	return p.appendSeconds(append(append2(dst, abs(p.minute)), ':'), true)
}

// appendSQLMixed writes all fields with signs, where the standard has no form.
func (p *intervalParts) appendSQLMixed(dst []byte) []byte {
	sign := func(negative bool) byte {
		if negative {
			return '-'
		}
		return '+'
	}
	dst = append(dst, sign(p.year < 0 || p.month < 0))
	dst = append(strconv.AppendInt(dst, abs(p.year), 10), '-')
	dst = append(strconv.AppendInt(dst, abs(p.month), 10), ' ', sign(p.day < 0))
	dst = append(strconv.AppendInt(dst, abs(p.day), 10), ' ', sign(p.timeNegative()))
	dst = append(strconv.AppendInt(dst, abs(p.hour), 10), ':')
	return p.appendSeconds(append(append2(dst, abs(p.minute)), ':'), true)
}

func (p *intervalParts) appendISO(dst []byte) []byte {
	if *p == (intervalParts{}) {
		return append(dst, "PT0S"...)
	}
	part := func(v int64, unit byte) {
		if v != 0 {
			dst = append(strconv.AppendInt(dst, v, 10), unit)
		}
	}
	dst = append(dst, 'P')
	part(p.year, 'Y')
	part(p.month, 'M')
	part(p.day, 'D')
	if p.timeZero() {
		return dst
	}
	dst = append(dst, 'T')
	part(p.hour, 'H')
	part(p.minute, 'M')
	if p.second != 0 || p.micros != 0 {
		if p.second < 0 || p.micros < 0 {
			dst = append(dst, '-')
		}
		dst = append(p.appendSeconds(dst, false), 'S')
	}
	return dst
}
