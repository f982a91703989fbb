package datum

import (
	"math"
	"strconv"
	"strings"
)

// number takes in a field of digits, perhaps with a point.
func (d *dateTimeDecoder) number(i int, f string) dateError {
	if d.label != noUnit {
		return d.labelled(f)
	}
	point := strings.IndexByte(f, '.')
	have := d.have
	if d.timeOnly {
		have |= partDate
		switch {
		case point >= 0 && i == 0 && len(d.fields) >= 2 && d.fields[len(d.fields)-1].kind == dateField:
			return d.splitDate(f)
		case point > 2 || point < 0 && len(f) > 4:
			return d.numberField(f, have)
		case point >= 0:
			return badFormat
		}
		return d.bareNumber(f, have)
	}
	switch {
	case point >= 0 && have&partDate == 0:
		return d.splitDate(f)
	case point > 2:
		return d.numberField(f, have)
	case len(f) >= 6 && (have&partDate == 0 || have&partTime == 0):
		// Six digits and more are a date or a time, unless both are there.
		return d.numberField(f, have)
	}
	return d.bareNumber(f, have)
}

// labelled takes in a number that the field before it has named: "y2024 m02".
func (d *dateTimeDecoder) labelled(f string) dateError {
	label := d.label
	if d.timeOnly {
		// Dates are for timetz alone; time is read as timetz is.
		if label == unitOther {
			return badFormat
		}
	}
	end := 0
	for end < len(f) && isDigit(f[end]) {
		end++
	}
	whole, rest := f[:end], f[end:]
	val := int64(0)
	if whole != "" {
		v, err := dateInt(whole)
		if err != dateOK && !(label == unitTime && err == fieldOverflow) {
			return err
		}
		if err == fieldOverflow {
			return err
		}
		val = v
	}
	if rest != "" && label != unitJulian && label != unitTime && label != unitSecond {
		return badFormat
	}
	d.label, d.special = noUnit, noUnit
	switch label {
	case unitYear:
		d.c.Year, d.got = val, partYear
	case unitMonth:
		if d.have&partMonth != 0 && d.have&partHour != 0 {
			d.c.Minute, d.got = val, partMinute
		} else {
			d.c.Month, d.got = val, partMonth
		}
	case unitDay:
		d.c.Day, d.got = val, partDay
	case unitHour:
		d.c.Hour, d.got = val, partHour
	case unitMinute:
		d.c.Minute, d.got = val, partMinute
	case unitSecond:
		d.c.Second, d.got = val, partSecond
		if rest != "" {
			micros, err := fractionMicros(rest)
			d.c.Micros, d.got = micros, partSeconds
			return err
		}
	case unitJulian:
		d.setJulian(val)
		d.got = partDate
		if rest != "" {
			frac, err := fraction(rest)
			t := int64(frac * microsPerDay)
			d.c.Hour, t = t/microsPerHour, t%microsPerHour
			d.c.Minute, t = t/microsPerMinute, t%microsPerMinute
			d.c.Second, d.c.Micros = t/microsPerSecond, t%microsPerSecond
			d.got |= partTime
			return err
		}
	case unitTime:
		if err := d.numberField(f, d.have|partDate); err != dateOK {
			return err
		}
		if d.got != partTime {
			return badFormat
		}
	default:
		return badFormat
	}
	return dateOK
}

// splitDate takes in a date in one field, such as 2024-02-03, 3.2.2024 or 3-feb-24.
func (d *dateTimeDecoder) splitDate(s string) dateError {
	var pieces []string
	for s != "" && len(pieces) < maxDateFields {
		for s != "" && !isAlnum(s[0]) {
			s = s[1:]
		}
		if s == "" {
			return badFormat // it ends with a separator
		}
		end := 1
		same := isDigit
		if isAlpha(s[0]) {
			same = isAlpha
		}
		for end < len(s) && same(s[end]) {
			end++
		}
		pieces = append(pieces, s[:end])
		s = s[min(end+1, len(s)):] // one separator, whatever it is, goes too
	}
	// Whether there is a month's name is asked of this field alone.
	outer := d.textMonth
	d.textMonth = false
	defer func() { d.textMonth = outer }()
	have, got := d.have, parts(0)
	take := func(p parts) bool {
		if have&p != 0 {
			return false
		}
		have |= p
		got |= p
		return true
	}
	for i, p := range pieces {
		if !isAlpha(p[0]) {
			continue
		}
		t, _ := lookupToken(dateTokens, p)
		if t.class == tokenIgnored {
			continue
		}
		if t.class != tokenMonth || !take(partMonth) {
			return badFormat
		}
		d.c.Month, d.textMonth = int64(t.value), true
		pieces[i] = ""
	}
	for _, p := range pieces {
		if p == "" {
			continue
		}
		if err := d.bareNumber(p, have); err != dateOK {
			return err
		}
		if !take(d.got) {
			return badFormat
		}
	}
	d.got = got
	if have&^(partDayOfYear|partZone) != partDate {
		return badFormat
	}
	return dateOK
}

// bareNumber takes in a number that is told what it is by what there is
// already, in the order of DateOrder.
func (d *dateTimeDecoder) bareNumber(s string, have parts) dateError {
	d.got = 0
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == 0 {
		return badFormat
	}
	val, err := dateInt(s[:end])
	if err != dateOK {
		return err
	}
	if end < len(s) {
		if s[end] != '.' {
			return badFormat
		}
		if end > 2 {
			return d.numberField(s, have|partDate)
		}
		if d.c.Micros, err = fractionMicros(s[end:]); err != dateOK {
			return err
		}
	}
	if len(s) == 3 && have&partDate == partYear && val >= 1 && val <= 366 {
		d.dayOfYear = val
		d.got = partDayOfYear | partMonth | partDay
		return dateOK
	}
	part, err := d.nextPart(have&partDate, len(s))
	if err != dateOK || part == 0 {
		if part == 0 && err == dateOK {
			return d.numberField(s, have)
		}
		return err
	}
	if part == partDay && d.textMonth && have&partDate == partYear|partMonth && len(s) >= 3 && d.twoDigitYear {
		d.c.Day, d.c.Year = d.c.Year, val // the first number was the day after all
		d.twoDigitYear = false
		d.got = partDay
		return dateOK
	}
	switch part {
	case partYear:
		d.c.Year = val
		d.twoDigitYear = len(s) <= 2
	case partMonth:
		d.c.Month = val
	case partDay:
		d.c.Day = val
	}
	d.got = part
	return dateOK
}

// nextPart says which part of the date a number of n digits is, 0 for none: the
// date is complete.
func (d *dateTimeDecoder) nextPart(have parts, n int) (parts, dateError) {
	switch have {
	case 0:
		switch {
		case n >= 3 || d.env.DateOrder == YMD:
			return partYear, dateOK
		case d.env.DateOrder == DMY:
			return partDay, dateOK
		}
		return partMonth, dateOK
	case partYear:
		return partMonth, dateOK
	case partMonth:
		if d.textMonth && (n >= 3 || d.env.DateOrder == YMD) {
			return partYear, dateOK
		}
		return partDay, dateOK
	case partYear | partMonth:
		return partDay, dateOK
	case partDay:
		return partMonth, dateOK
	case partMonth | partDay:
		return partYear, dateOK
	case partDate:
		return 0, dateOK
	}
	return 0, badFormat
}

// numberField takes in digits without separators: yymmdd, yyyymmdd, hhmmss, hhmm.
func (d *dateTimeDecoder) numberField(s string, have parts) dateError {
	if point := strings.IndexByte(s, '.'); point >= 0 {
		frac, err := strconv.ParseFloat("0"+leadingFraction(s[point:]), 64)
		if err != nil {
			return badFormat
		}
		d.c.Micros = int64(math.RoundToEven(frac * 1e6))
		s = s[:point]
	} else if have&partDate != partDate && len(s) >= 6 {
		n := len(s)
		d.c.Day, d.c.Month = atoi(s[n-2:]), atoi(s[n-4:n-2])
		d.c.Year = atoi(s[:n-4])
		if n == 6 {
			d.twoDigitYear = true
		}
		d.got = partDate
		return dateOK
	}
	if have&partTime == partTime {
		return badFormat
	}
	switch len(s) {
	case 6:
		d.c.Second = atoi(s[4:])
	case 4:
		d.c.Second = 0
	default:
		return badFormat
	}
	d.c.Minute, d.c.Hour = atoi(s[2:4]), atoi(s[:2])
	d.got = partTime
	return dateOK
}

// leadingFraction returns "." and the digits after it.
func leadingFraction(s string) string {
	end := 1
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	return s[:end]
}

// atoi reads the digits that s starts with, as C's atoi does; what does not fit
// wraps, as there.
func atoi(s string) int64 {
	v := int64(0)
	for i := 0; i < len(s) && isDigit(s[i]); i++ {
		v = min(v*10+int64(s[i]-'0'), math.MaxInt64/16)
	}
	return int64(int32(v))
}

// clock takes in hh:mm[:ss[.ffffff]] or mm:ss.ffffff.
func (d *dateTimeDecoder) clock(s string) dateError {
	d.got = partTime
	h, m, sec, micros, err := decodeClock(s, false)
	if err != dateOK {
		return err
	}
	if h > math.MaxInt32 {
		return fieldOverflow
	}
	d.c.Hour, d.c.Minute, d.c.Second, d.c.Micros = h, m, sec, micros
	return dateOK
}

// decodeClock reads a time of day; two numbers are hours and minutes, or, with
// minuteSecond or a fraction, minutes and seconds.
func decodeClock(s string, minuteSecond bool) (hour, minute, second, micros int64, err dateError) {
	bad := func(e dateError) (int64, int64, int64, int64, dateError) { return 0, 0, 0, 0, e }
	rest := s
	take := func(bits int) (int64, dateError) {
		end := 0
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		if end == 0 {
			rest = rest[end:]
			return 0, dateOK // an empty number is 0, as for strtol
		}
		v, e := strconv.ParseInt(rest[:end], 10, bits)
		rest = rest[end:]
		if e != nil {
			return 0, fieldOverflow
		}
		return v, dateOK
	}
	if hour, err = take(64); err != dateOK {
		return bad(err)
	}
	if rest == "" || rest[0] != ':' {
		return bad(badFormat)
	}
	rest = rest[1:]
	if minute, err = take(32); err != dateOK {
		return bad(err)
	}
	switch {
	case rest == "":
		if minuteSecond {
			hour, minute, second = 0, hour, minute
		}
	case rest[0] == '.':
		if micros, err = fractionMicros(rest); err != dateOK {
			return bad(err)
		}
		hour, minute, second = 0, hour, minute
	case rest[0] == ':':
		rest = rest[1:]
		if second, err = take(32); err != dateOK {
			return bad(err)
		}
		if rest != "" {
			if rest[0] != '.' {
				return bad(badFormat)
			}
			if micros, err = fractionMicros(rest); err != dateOK {
				return bad(err)
			}
		}
	default:
		return bad(badFormat)
	}
	if minute > 59 || second > 60 || micros > microsPerSecond {
		return bad(fieldOverflow)
	}
	return hour, minute, second, micros, dateOK
}

// zoneOffset takes in +hh[mm], +hh:mm[:ss].
func (d *dateTimeDecoder) zoneOffset(s string) dateError {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return badFormat
	}
	rest := s[1:]
	var v [3]int64
	n := 0
	for ; n < len(v); n++ {
		if n > 0 {
			if rest == "" || rest[0] != ':' {
				break
			}
			rest = rest[1:]
		}
		end := 0
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			end = 1
		}
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		if end > 0 && isDigit(rest[end-1]) {
			val, err := dateInt(rest[:end])
			if err != dateOK || val < 0 {
				return zoneOverflow
			}
			v[n] = val
		}
		rest = rest[end:]
	}
	if n == 1 && rest == "" && len(s) > 3 {
		v[0], v[1] = v[0]/100, v[0]%100
	}
	if v[0] > 15 || v[1] > 59 || v[2] > 59 {
		return zoneOverflow
	}
	d.offset = int((v[0]*60+v[1])*60 + v[2])
	if s[0] == '-' {
		d.offset = -d.offset
	}
	if rest != "" {
		return badFormat
	}
	return dateOK
}
