package datum

import (
	"strconv"
)

var (
	monthNames = [13]string{"", "January", "February", "March", "April", "May", "June", "July",
		"August", "September", "October", "November", "December"}
	dayNames = [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// MonthName returns the English name of month 1 to 12, DayName that of day 0
// (Sunday) to 6.
func MonthName(month int) string { return monthNames[month] }
func DayName(day int) string     { return dayNames[day] }

// Weekday returns 0 for Sundays to 6 of a day since 1970-01-01.
func Weekday(days int64) int { return int(floorMod(days+4, 7)) }

func append2(dst []byte, v int64) []byte {
	return append(dst, byte('0'+v/10%10), byte('0'+v%10))
}

// appendPadded appends a number that is not negative with at least width digits.
func appendPadded(dst []byte, v int64, width int) []byte {
	limit := int64(1)
	for range width - 1 {
		limit *= 10
	}
	for v < limit && limit > 1 {
		dst = append(dst, '0')
		limit /= 10
	}
	return strconv.AppendInt(dst, v, 10)
}

// appendYear appends the year of an era, at least four digits.
func appendYear(dst []byte, year int64) []byte {
	if year <= 0 {
		year = 1 - year
	}
	if year < 10000 {
		return append2(append2(dst, year/100), year%100)
	}
	return strconv.AppendInt(dst, year, 10)
}

func appendEra(dst []byte, year int64) []byte {
	if year <= 0 {
		return append(dst, " BC"...)
	}
	return dst
}

// appendFraction appends micros as .ffffff without trailing zeros.
func appendFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	dst = append(dst, '.')
	for scale := int64(100_000); micros != 0; scale /= 10 {
		dst = append(dst, byte('0'+micros/scale))
		micros %= scale
	}
	return dst
}

func appendClock(dst []byte, hour, minute, second, micros int64) []byte {
	dst = append(append2(dst, hour), ':')
	dst = append(append2(dst, minute), ':')
	return appendFraction(append2(dst, second), micros)
}

// appendOffset appends +HH[:MM[:SS]], seconds being east of Greenwich.
func appendOffset(dst []byte, seconds int64) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	if dst = append(dst, sign); seconds < 100*3600 {
		dst = append2(dst, seconds/3600)
	} else { // of an interval as a zone
		dst = strconv.AppendInt(dst, seconds/3600, 10)
	}
	if minutes := seconds / 60 % 60; minutes != 0 || seconds%60 != 0 {
		dst = append2(append(dst, ':'), minutes)
		if seconds%60 != 0 {
			dst = append2(append(dst, ':'), seconds%60)
		}
	}
	return dst
}

// appendTime is time_out.
func appendTime(dst []byte, micros int64) []byte {
	return appendClock(dst, micros/microsPerHour, micros/microsPerMinute%60, micros/microsPerSecond%60, micros%microsPerSecond)
}

func appendTimeTZ(dst []byte, v TimeTZValue) []byte {
	return appendOffset(appendTime(dst, v.Micros), -int64(v.Zone))
}

// appendDate is date_out.
func appendDate(dst []byte, d Days, env *Env) []byte {
	if !d.Finite() {
		return appendInfinity(dst, d == NegInfinityDays)
	}
	year, month, day := civil(int64(d))
	first, second := month, day
	if env.DateOrder == DMY {
		first, second = day, month
	}
	switch env.DateFormat {
	case SQLDates:
		dst = append(append2(append(append2(dst, first), '/'), second), '/')
		dst = appendYear(dst, year)
	case PostgresDates:
		dst = append(append2(append(append2(dst, first), '-'), second), '-')
		dst = appendYear(dst, year)
	case German:
		dst = append(append2(append(append2(dst, day), '.'), month), '.')
		dst = appendYear(dst, year)
	default:
		dst = appendISODate(dst, year, month, day)
	}
	return appendEra(dst, year)
}

func appendISODate(dst []byte, year, month, day int64) []byte {
	dst = append(appendYear(dst, year), '-')
	return append2(append(append2(dst, month), '-'), day)
}

func appendInfinity(dst []byte, negative bool) []byte {
	if negative {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

// appendTimestamp is timestamp_out and, zoned, timestamptz_out.
func appendTimestamp(dst []byte, m Micros, zoned bool, env *Env) []byte {
	if !m.Finite() {
		return appendInfinity(dst, m == NegInfinityMicros)
	}
	var c Civil
	if zoned {
		c = CivilIn(m, env.Zone)
	} else {
		c = CivilOf(m)
	}
	if env.DateFormat == ISO {
		dst = append(appendISODate(dst, c.Year, c.Month, c.Day), ' ')
		dst = appendClock(dst, c.Hour, c.Minute, c.Second, c.Micros)
		if zoned {
			dst = appendOffset(dst, int64(c.Offset))
		}
		return appendEra(dst, c.Year)
	}
	return appendEra(appendStyledTimestamp(dst, &c, zoned, env), c.Year)
}

func appendStyledTimestamp(dst []byte, c *Civil, zoned bool, env *Env) []byte {
	switch env.DateFormat {
	case PostgresDates:
		dst = append(append(dst, dayNames[Weekday(civilDays(c.Year, c.Month, c.Day))][:3]...), ' ')
		if env.DateOrder == DMY {
			dst = append(append(append2(dst, c.Day), ' '), monthNames[c.Month][:3]...)
		} else {
			dst = append2(append(append(dst, monthNames[c.Month][:3]...), ' '), c.Day)
		}
		dst = appendClock(append(dst, ' '), c.Hour, c.Minute, c.Second, c.Micros)
		dst = appendYear(append(dst, ' '), c.Year)
	default:
		first, second, sep := c.Month, c.Day, byte('/')
		if env.DateFormat == German {
			sep = '.'
		}
		if env.DateOrder == DMY || env.DateFormat == German {
			first, second = second, first
		}
		dst = append(append2(append(append2(dst, first), sep), second), sep)
		dst = appendClock(append(appendYear(dst, c.Year), ' '), c.Hour, c.Minute, c.Second, c.Micros)
	}
	if zoned {
		abbrev := c.Abbrev
		if len(abbrev) > 10 {
			abbrev = abbrev[:10]
		}
		dst = append(append(dst, ' '), abbrev...)
	}
	return dst
}
