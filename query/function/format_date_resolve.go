package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A readTime is the date and time that fields make.
type readTime struct {
	datum.Civil
	hasZone   bool // Offset was given
	precision int32
}

func textToTimestamp(c *Context, s, picture string) (datum.Micros, error) {
	t, err := readTimeBy(s, picture)
	if err != nil {
		return 0, err
	}
	local, err := t.Timestamp()
	if err != nil {
		return 0, err
	}
	if t.hasZone {
		local, err = shiftTimestamp(local, -int64(t.Offset)*microsPerSecond)
	} else {
		local, err = datum.ToUTC(local, c.Env.Location())
	}
	if err != nil || t.precision == 0 {
		return local, err
	}
	return local.Round(t.precision)
}

func textToDate(s, picture string) (datum.Days, error) {
	t, err := readTimeBy(s, picture)
	if err != nil {
		return 0, err
	}
	return t.days(s)
}

// days is the date of what was read from a text.
func (t *readTime) days(s string) (datum.Days, error) {
	days := datum.DaysOf(t.Year, t.Month, t.Day)
	if days < int64(datum.MinDays) || days > int64(datum.MaxDays) {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "date out of range: \"%s\"", s)
	}
	return datum.Days(days), nil
}

// readTimeBy reads a text by a picture. What is not given is the first of its
// kind: the year 1 BC, January, the first, midnight.
func readTimeBy(s, picture string) (readTime, error) {
	parts, err := parsePicture(picture)
	if err != nil {
		return readTime{}, err
	}
	return (&dateReader{text: s, begun: s, parts: parts}).time()
}

// readTimeStrictly does the same as the SQL standard has it: text and separators must be those of the
// picture, and nothing may remain of either.
func readTimeStrictly(s string, parts []picturePart) (readTime, error) {
	return (&dateReader{text: s, begun: s, parts: parts, exact: true, standard: true}).time()
}

// time reads the text and makes a time of its fields.
func (r *dateReader) time() (readTime, error) {
	s := r.text
	if err := r.read(); err != nil {
		return readTime{}, err
	}
	t := readTime{Civil: datum.Civil{Month: 1, Day: 1}, precision: int32(r.set.precision)}
	if err := r.set.clock(&t); err != nil {
		return t, err
	}
	valid, err := r.set.date(&t)
	if err != nil {
		return t, err
	}
	if !valid || t.Hour < 0 || t.Hour > 23 || t.Minute < 0 || t.Minute > 59 || t.Second < 0 || t.Second > 59 ||
		t.Micros < 0 || t.Micros >= microsPerSecond {
		return t, pgerr.New(pgerr.DatetimeOverflow, "date/time field value out of range: \"%s\"", s)
	}
	if r.set.zoneSign == 0 {
		return t, nil
	}
	if r.set.zoneHour < 0 || r.set.zoneHour > 15 || r.set.zoneMinute < 0 || r.set.zoneMinute > 59 {
		return t, pgerr.New(pgerr.InvalidTimeZone, "time zone displacement out of range: \"%s\"", s)
	}
	t.hasZone = true
	t.Offset = int(r.set.zoneSign * (r.set.zoneHour*3600 + r.set.zoneMinute*60))
	return t, nil
}

// clock sets the time of day.
func (f *readFields) clock(t *readTime) error {
	if x := f.secondOfDay; x != 0 {
		t.Hour, t.Minute, t.Second = x/3600, x%3600/60, x%60
	}
	if f.second != 0 {
		t.Second = f.second
	}
	if f.minute != 0 {
		t.Minute = f.minute
	}
	if f.hour != 0 {
		t.Hour = f.hour
	}
	if f.halfDay {
		if t.Hour < 1 || t.Hour > 12 {
			return badDateText("hour \"%d\" is invalid for the 12-hour clock", t.Hour).
				WithHint("Use the 24-hour clock, or give an hour between 1 and 12.")
		}
		t.Hour = t.Hour%12 + 12*f.pm
	}
	t.Micros = f.millis*1000 + f.micros
	return nil
}

// date sets the date; valid is false if a part of it is out of range.
func (f *readFields) date(t *readTime) (valid bool, err error) {
	f.years(t)
	hasYear, hasMonth, hasDay := f.year != 0 || f.century != 0, false, false
	whole := func(day int64) {
		t.Year, t.Month, t.Day = datum.DateOf(day)
		hasYear, hasMonth, hasDay = true, true, true
	}
	if f.julian != 0 {
		whole(f.julian - unixEpochJulian)
	}
	dayOfYear, day := f.dayOfYear, f.day
	if f.week != 0 {
		if f.conventions == isoWeeks {
			start := isoWeekStart(t.Year, f.week)
			if f.weekday != 0 {
				start += (f.weekday + 5) % 7
			}
			whole(start)
		} else {
			dayOfYear = (f.week-1)*7 + 1
		}
	}
	if f.weekOfMonth != 0 {
		day = (f.weekOfMonth-1)*7 + 1
	}
	if day != 0 {
		t.Day, hasDay = day, true
	}
	if f.month != 0 {
		t.Month, hasMonth = f.month, true
	}
	if dayOfYear != 0 && (t.Month <= 1 || t.Day <= 1) {
		if t.Year == 0 && f.bc == 0 {
			return false, badDateText("cannot calculate day of year without year information")
		}
		if f.conventions == isoWeeks {
			whole(isoWeekStart(t.Year, 1) + dayOfYear - 1)
		} else {
			t.setDayOfYear(dayOfYear)
			hasMonth, hasDay = true, true
		}
	}
	if hasMonth && (t.Month < 1 || t.Month > 12) || hasDay && (t.Day < 1 || t.Day > 31) {
		return false, nil
	}
	if hasYear && hasMonth && hasDay {
		return t.Day <= datum.DaysInMonth(t.Year, t.Month), nil
	}
	return true, nil
}

// isoWeekStart is the Monday of a week of an ISO year.
func isoWeekStart(year, week int64) int64 {
	january4 := datum.DaysOf(year, 1, 4)
	return january4 - int64(isoWeekday(january4)-1) + (week-1)*7
}

// years sets the year from year and century: a century alone means its first
// year, and with a year of two digits that year of it.
func (f *readFields) years(t *readTime) {
	century := f.century
	if f.bc != 0 {
		century = -century
	}
	switch {
	case f.year != 0 && century != 0 && f.yearDigits <= 2:
		switch year := f.year % 100; {
		case year == 0 && century >= 0:
			t.Year = century * 100
		case year == 0:
			t.Year = century*100 + 1
		case century >= 0:
			t.Year = year + (century-1)*100
		default:
			t.Year = (century+1)*100 - year + 1
		}
	case f.year != 0:
		t.Year = f.year
		if f.bc != 0 {
			t.Year = -t.Year
		}
		if t.Year < 0 {
			t.Year++
		}
	case century > 0:
		t.Year = (century-1)*100 + 1
	case century < 0:
		t.Year = century*100 + 1
	}
}

// setDayOfYear sets what of the month and the day is not given. A day beyond the
// year's last leads to a month 13, which is out of range.
func (t *readTime) setDayOfYear(day int64) {
	month, before := int64(1), int64(0)
	for month <= 12 && day > before+datum.DaysInMonth(t.Year, month) {
		before += datum.DaysInMonth(t.Year, month)
		month++
	}
	if t.Month <= 1 {
		t.Month = month
	}
	if t.Day <= 1 {
		t.Day = day - before
	}
}
