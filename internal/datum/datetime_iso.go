package datum

// Fast paths for what programs write: ISO dates and times, with or without an
// offset. They say ok only for what the full parser reads in the same way under
// every DateStyle (a year of four digits comes first); all else is left to it.

func twoDigits[T string | []byte](s T, i int) int64 {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int64(a)*10 + int64(b)
}

// isoDate reads YYYY-MM-DD at the start of s.
func isoDate[T string | []byte](s T) (days int64, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	century, year := twoDigits(s, 0), twoDigits(s, 2)
	month, day := twoDigits(s, 5), twoDigits(s, 8)
	if century < 0 || year < 0 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += century * 100
	if year == 0 || day > 28 && day > daysInMonth(year, month) {
		return 0, false
	}
	return civilDays(year, month, day), true
}

// isoTime reads HH:MM[:SS[.ffffff]] at s[i:] and returns where it ends.
func isoTime[T string | []byte](s T, i int) (micros int64, end int, ok bool) {
	if len(s) < i+5 || s[i+2] != ':' {
		return 0, 0, false
	}
	hour, minute := twoDigits(s, i), twoDigits(s, i+3)
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, 0, false
	}
	micros = (hour*60 + minute) * microsPerMinute
	i += 5
	if len(s) < i+3 || s[i] != ':' {
		return micros, i, true
	}
	second := twoDigits(s, i+1)
	if second < 0 || second > 59 {
		return 0, 0, false
	}
	micros += second * microsPerSecond
	i += 3
	if i >= len(s) || s[i] != '.' {
		return micros, i, true
	}
	scale := int64(100_000)
	for i++; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			break
		}
		if scale == 0 {
			return 0, 0, false // more than six digits are rounded elsewhere
		}
		micros += int64(d) * scale
		scale /= 10
	}
	return micros, i, true
}

// isoOffset reads Z, or +HH[:MM] or +HHMM, at s[i:], which must be all the rest.
func isoOffset[T string | []byte](s T, i int) (seconds int64, ok bool) {
	if len(s) == i+1 && s[i] == 'Z' {
		return 0, true
	}
	n := len(s) - i
	if n < 3 || s[i] != '+' && s[i] != '-' {
		return 0, false
	}
	hour, minute := twoDigits(s, i+1), int64(0)
	switch {
	case n == 3:
	case n == 5:
		minute = twoDigits(s, i+3)
	case n == 6 && s[i+3] == ':':
		minute = twoDigits(s, i+4)
	default:
		return 0, false
	}
	if hour < 0 || hour > 15 || minute < 0 || minute > 59 {
		return 0, false
	}
	seconds = hour*3600 + minute*60
	if s[i] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// isoTimestamp reads an ISO date, alone or with a time, and perhaps an offset.
func isoTimestamp[T string | []byte](s T) (local, offset int64, zoned, ok bool) {
	days, ok := isoDate(s)
	if !ok {
		return 0, 0, false, false
	}
	local = days * microsPerDay
	if len(s) == 10 {
		return local, 0, false, true
	}
	if s[10] != ' ' && s[10] != 'T' {
		return 0, 0, false, false
	}
	micros, end, ok := isoTime(s, 11)
	if !ok {
		return 0, 0, false, false
	}
	local += micros
	if end == len(s) {
		return local, 0, false, true
	}
	offset, ok = isoOffset(s, end)
	return local, offset, true, ok
}

// roundMicros rounds to a precision of 0 to 6 digits, half away from zero.
func roundMicros(v int64, precision int32) int64 {
	if precision < 0 || precision >= 6 {
		return v
	}
	unit := pow10s[6-precision]
	r := v % unit
	v -= r
	switch {
	case r >= unit-r:
		v += unit
	case -r >= unit+r:
		v -= unit
	}
	return v
}
