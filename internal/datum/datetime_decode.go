package datum

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// parts is a set of the parts of a date that fields have given; a part that is
// given twice is an error.
type parts uint32

const (
	partYear parts = 1 << iota
	partMonth
	partDay
	partDayOfYear
	partHour
	partMinute
	partSecond
	partMillisecond
	partMicrosecond
	partZone
	partDaylight // the zone is one of summer
	partDynamic  // the zone is an abbreviation that changed its meaning
	partDST      // the word DST
	partAMPM
	partEra
	partWeekday
	partReserved

	partDate    = partYear | partMonth | partDay
	partSeconds = partSecond | partMillisecond | partMicrosecond
	partTime    = partHour | partMinute | partSeconds
)

// dateError says why a date was not read; dateErrorFor makes PostgreSQL's error of it.
type dateError uint8

const (
	dateOK dateError = iota
	badFormat
	fieldOverflow
	monthDayOverflow // perhaps the DateStyle is wrong
	intervalOverflow
	zoneOverflow
)

// A dateTimeDecoder puts the fields of a date together. The rules are
// PostgreSQL's: words say what they are, numbers are taken in the order that
// DateOrder says, and what is left over is refused.
type dateTimeDecoder struct {
	env      *Env
	fields   []dateTimeField
	timeOnly bool // for time and timetz: a date is there only to find an offset

	c            Civil
	dayOfYear    int64
	have, got    parts // of all fields before, of this field
	label        unit  // the unit that the field before gave to this one
	special      unit  // reservedEpoch and so on; noUnit: a date
	textMonth    bool
	twoDigitYear bool
	julian, bc   bool
	meridian     int // -1: a clock of 24 hours
	zone         *time.Location
	abbrev       string // of abbrevZone
	abbrevZone   *time.Location
	offset       int // seconds east
	failed       error
}

func (d *dateTimeDecoder) decode() dateError {
	d.meridian = -1
	for i := range d.fields {
		d.got = 0
		ignored, err := d.field(i)
		if err != dateOK {
			return err
		}
		if ignored {
			continue
		}
		if d.got&d.have != 0 {
			return badFormat
		}
		d.have |= d.got
	}
	if err := d.validate(); err != dateOK {
		return err
	}
	if d.meridian >= 0 && d.c.Hour > 12 {
		return fieldOverflow
	}
	if d.meridian == 0 && d.c.Hour == 12 {
		d.c.Hour = 0
	} else if d.meridian == 1 && d.c.Hour != 12 {
		d.c.Hour += 12
	}
	if d.timeOnly {
		return d.finishTime()
	}
	return d.finishDate()
}

// finishDate finds the offset when the date is known.
func (d *dateTimeDecoder) finishDate() dateError {
	if d.special != noUnit {
		return dateOK
	}
	if d.have&partDate != partDate {
		return badFormat
	}
	return d.resolveZone(d.c)
}

func (d *dateTimeDecoder) finishTime() dateError {
	if d.c.timeOverflows() {
		return fieldOverflow
	}
	if d.have&partTime != partTime {
		return badFormat
	}
	if d.zone != nil {
		if seconds, fixed := fixedOffset(d.zone); fixed {
			d.offset, d.zone = seconds, nil
		} else if d.have&partDate != partDate {
			return badFormat
		}
	}
	at := d.c
	if d.have&partDate == 0 {
		now := CivilIn(d.env.now(), d.env.Zone)
		at.Year, at.Month, at.Day = now.Year, now.Month, now.Day
	} else if d.have&partDate != partDate && (d.abbrevZone != nil || d.have&partZone == 0) {
		return badFormat
	}
	return d.resolveZone(at)
}

func (d *dateTimeDecoder) resolveZone(at Civil) dateError {
	if (d.zone != nil || d.abbrevZone != nil || d.have&partZone == 0) && d.have&partDST != 0 {
		return badFormat
	}
	if at.Year < -4713 || at.Year == -4713 && at.Month < 11 || at.Year > 5874898 || at.Year == 5874898 && at.Month >= 6 {
		if d.zone != nil || d.have&partZone == 0 {
			d.offset = 0 // no zone has such times
		}
		return dateOK
	}
	local := civilDays(at.Year, at.Month, at.Day)*secondsPerDay + at.TimeOfDay()/microsPerSecond
	switch {
	case d.zone != nil:
		d.offset = localOffset(local, d.zone)
	case d.abbrevZone != nil:
		d.offset = abbrevOffset(strings.ToUpper(d.abbrev), d.abbrevZone, local)
	case d.have&partZone == 0:
		d.offset = localOffset(local, d.env.Zone)
	}
	return dateOK
}

func (c *Civil) timeOverflows() bool {
	return c.Hour < 0 || c.Hour > 24 || c.Minute < 0 || c.Minute > 59 || c.Second < 0 || c.Second > 60 ||
		c.Micros < 0 || c.Micros > microsPerSecond || c.TimeOfDay() > microsPerDay
}

// field takes in field i.
func (d *dateTimeDecoder) field(i int) (ignored bool, err dateError) {
	f := d.fields[i].text
	switch d.fields[i].kind {
	case dateField:
		return false, d.date(i, f)
	case timeField:
		if !d.timeOnly && d.label != noUnit {
			if d.label != unitTime {
				return false, badFormat
			}
			d.label = noUnit
		}
		if err := d.clock(f); err != dateOK {
			return false, err
		}
		if !d.timeOnly && d.c.timeOverflows() {
			return false, fieldOverflow
		}
		return false, dateOK
	case zoneField:
		d.got = partZone
		return false, d.zoneOffset(f)
	case numberField:
		return false, d.number(i, f)
	}
	return d.word(i, f)
}

// date takes in digits or letters with punctuation between.
func (d *dateTimeDecoder) date(i int, f string) dateError {
	if d.timeOnly {
		last := len(d.fields) - 1
		if i == 0 && last >= 1 && (d.fields[last].kind == dateField || d.fields[1].kind == timeField) {
			return d.splitDate(f)
		}
		if isDigit(f[0]) {
			return d.timeWithZone(f)
		}
		return d.namedZone(f)
	}
	if d.label == unitJulian {
		end := 0
		for end < len(f) && isDigit(f[end]) {
			end++
		}
		val, err := dateInt(f[:end])
		if err != dateOK {
			return err
		}
		d.setJulian(val)
		d.got = partDate | partTime | partZone
		d.label = noUnit
		return d.zoneOffset(f[end:])
	}
	if d.label == noUnit && d.have&(partMonth|partDay) != partMonth|partDay {
		return d.splitDate(f)
	}
	if !isDigit(f[0]) && d.label == noUnit {
		return d.namedZone(f)
	}
	if d.label != noUnit && d.label != unitTime {
		return badFormat
	}
	d.label = noUnit
	return d.timeWithZone(f)
}

// timeWithZone takes in hhmmss-zz.
func (d *dateTimeDecoder) timeWithZone(f string) dateError {
	dash := strings.IndexByte(f, '-')
	if d.have&partTime == partTime || dash < 0 {
		return badFormat
	}
	if err := d.zoneOffset(f[dash:]); err != dateOK {
		return err
	}
	have := d.have
	if d.timeOnly {
		have |= partDate
	}
	if err := d.numberField(f[:dash], have); err != dateOK {
		return err
	}
	d.got |= partZone
	return dateOK
}

func (d *dateTimeDecoder) namedZone(f string) dateError {
	loc, _, ok := LoadZone(f)
	if !ok {
		d.failed = pgerr.New(pgerr.InvalidParameterValue, `time zone "%s" not recognized`, f)
		return badFormat
	}
	d.zone = loc
	d.got = partZone
	return dateOK
}

func (d *dateTimeDecoder) setJulian(day int64) {
	d.c.Year, d.c.Month, d.c.Day = civil(day - julianUnixEpoch)
	d.julian = true
}

// word takes in a month, weekday, zone, unit or the like.
func (d *dateTimeDecoder) word(i int, f string) (ignored bool, err dateError) {
	t := token{}
	if a, ok := zoneAbbrevs[f]; ok {
		return false, d.abbreviation(f, a)
	} else if t, ok = lookupToken(dateTokens, f); !ok {
		loc, _, ok := LoadZone(f)
		if !ok {
			return false, badFormat
		}
		d.zone, d.got = loc, partZone
		return false, dateOK
	}
	switch t.class {
	case tokenIgnored:
		return true, dateOK
	case tokenReserved:
		return false, d.reserved(t.unit)
	case tokenMonth:
		d.got = partMonth
		if !d.textMonth && d.have&partMonth != 0 && d.have&partDay == 0 && d.c.Month >= 1 && d.c.Month <= 31 {
			d.c.Day, d.got = d.c.Month, partDay // the number before was the day
		}
		d.textMonth, d.c.Month = true, int64(t.value)
		if d.timeOnly {
			return false, badFormat
		}
	case tokenDST:
		d.got = partDST | partDaylight
		d.offset += 3600
	case tokenAMPM:
		d.got, d.meridian = partAMPM, t.value
	case tokenEra:
		d.got, d.bc = partEra, t.value == 1
	case tokenWeekday:
		d.got = partWeekday
		if d.timeOnly {
			return false, badFormat
		}
	case tokenUnit:
		d.label = t.unit
	case tokenISOTime:
		if !d.timeOnly && d.have&partDate != partDate || i+1 >= len(d.fields) {
			return false, badFormat
		}
		if k := d.fields[i+1].kind; k != numberField && k != timeField && k != dateField {
			return false, badFormat
		}
		d.label = t.unit
	}
	return false, dateOK
}

func (d *dateTimeDecoder) abbreviation(f string, a zoneAbbrev) dateError {
	d.got = partZone
	if a.zone == "" {
		d.offset = int(a.seconds)
		if a.dst {
			d.got |= partDaylight
		}
		return dateOK
	}
	loc, _, ok := LoadZone(a.zone)
	if !ok {
		return badFormat
	}
	d.abbrev, d.abbrevZone = f, loc
	d.got |= partDynamic
	return dateOK
}

func (d *dateTimeDecoder) reserved(u unit) dateError {
	if d.timeOnly && u != reservedNow && u != reservedMidnight {
		return badFormat
	}
	now := CivilIn(d.env.now(), d.env.Zone)
	switch u {
	case reservedNow:
		if d.timeOnly {
			d.c.Hour, d.c.Minute, d.c.Second, d.c.Micros = now.Hour, now.Minute, now.Second, now.Micros
			d.got = partTime
			return dateOK
		}
		d.c, d.offset = now, now.Offset
		d.got = partDate | partTime | partZone
	case reservedToday, reservedTomorrow, reservedYesterday:
		day := civilDays(now.Year, now.Month, now.Day)
		if u == reservedTomorrow {
			day++
		} else if u == reservedYesterday {
			day--
		}
		d.c.Year, d.c.Month, d.c.Day = civil(day)
		d.got = partDate
	case reservedMidnight:
		d.c.Hour, d.c.Minute, d.c.Second, d.c.Micros = 0, 0, 0, 0
		d.offset = 0
		d.got = partTime | partZone
	default:
		d.special = u
		d.got = partReserved
		return dateOK
	}
	d.special = noUnit
	return dateOK
}

// validate checks year, month and day when all of them are known.
func (d *dateTimeDecoder) validate() dateError {
	c := &d.c
	if d.have&partYear != 0 && !d.julian {
		switch {
		case d.bc && c.Year <= 0:
			return fieldOverflow
		case d.bc:
			c.Year = 1 - c.Year
		case d.twoDigitYear && c.Year < 0:
			return fieldOverflow
		case d.twoDigitYear && c.Year < 70:
			c.Year += 2000
		case d.twoDigitYear && c.Year < 100:
			c.Year += 1900
		case !d.twoDigitYear && c.Year <= 0:
			return fieldOverflow
		}
	}
	if d.have&partDayOfYear != 0 {
		c.Year, c.Month, c.Day = civil(civilDays(c.Year, 1, 1) + d.dayOfYear - 1)
	}
	if d.have&partMonth != 0 && (c.Month < 1 || c.Month > 12) {
		return monthDayOverflow
	}
	if d.have&partDay != 0 && (c.Day < 1 || c.Day > 31) {
		return monthDayOverflow
	}
	if d.have&partDate == partDate && c.Day > daysInMonth(c.Year, c.Month) {
		return fieldOverflow
	}
	return dateOK
}

// dateInt reads a number of 32 bits, all of s.
func dateInt(s string) (int64, dateError) {
	v, err := strconv.ParseInt(s, 10, 32)
	if err == nil {
		return v, dateOK
	}
	if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
		return 0, fieldOverflow
	}
	return 0, badFormat
}

// fraction reads ".123" (and "." as 0).
func fraction(s string) (float64, dateError) {
	if s == "." {
		return 0, dateOK
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, badFormat
	}
	return v, dateOK
}

func fractionMicros(s string) (int64, dateError) {
	v, err := fraction(s)
	return int64(math.RoundToEven(v * 1e6)), err
}

// dateErrorFor makes the error for a value s of a type.
func dateErrorFor(e dateError, s, typeName string) error {
	switch e {
	case fieldOverflow:
		return pgerr.New(pgerr.DatetimeOverflow, `date/time field value out of range: "%s"`, s)
	case monthDayOverflow:
		return pgerr.New(pgerr.DatetimeOverflow, `date/time field value out of range: "%s"`, s).
			WithHint(`Perhaps you need a different "datestyle" setting.`)
	case intervalOverflow:
		return pgerr.New(pgerr.IntervalOverflow, `interval field value out of range: "%s"`, s)
	case zoneOverflow:
		return pgerr.New(pgerr.InvalidTimeZone, `time zone displacement out of range: "%s"`, s)
	}
	return pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type %s: "%s"`, typeName, s)
}
