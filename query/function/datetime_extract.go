package function

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// datetimeExtraction is extract, whose results are numeric, and date_part, which
// has the same in double precision.
func datetimeExtraction(k kernels) {
	addExtraction(k, "date", datum.Date, func(*Context) partFunc[datum.Days] { return datePart })
	addExtraction(k, "timestamp", datum.Timestamp, func(*Context) partFunc[datum.Micros] { return timestampPart })
	addExtraction(k, "timestamptz", datum.TimestampTZ, func(c *Context) partFunc[datum.Micros] {
		return momentPart(newZoneClock(c.Env.Location()))
	})
	addExtraction(k, "time", datum.Time, func(*Context) partFunc[datum.Micros] {
		return func(u timeUnit, t datum.Micros) (part, bool) {
			return timePart(u, datum.TimeTZValue{Micros: int64(t)}, false)
		}
	})
	addExtraction(k, "timetz", datum.TimeTZ, func(*Context) partFunc[datum.TimeTZValue] {
		return func(u timeUnit, t datum.TimeTZValue) (part, bool) { return timePart(u, t, true) }
	})
	addExtraction(k, "interval", datum.Interval, func(*Context) partFunc[datum.IntervalValue] { return intervalPart })
	// date_part of a date is that of its timestamp.
	k.add(extraction(datum.Timestamp, func(*Context) partFunc[datum.Days] {
		return func(u timeUnit, d datum.Days) (part, bool) {
			m, err := dateToTimestamp(d)
			if err != nil {
				return part{err: err}, true
			}
			return timestampPart(u, m)
		}
	}, part.appendFloat), "oid1384")
}

// A partFunc finds a field of a value; ok is false if its type has none such.
type partFunc[T scalar] func(u timeUnit, v T) (p part, ok bool)

func addExtraction[T scalar](k kernels, name string, t datum.OID, find func(*Context) partFunc[T]) {
	k.add(extraction(t, find, part.appendNumeric), "extract_"+name)
	if t != datum.Date {
		k.add(extraction(t, find, part.appendFloat), name+"_part")
	}
}

// extraction makes a kernel that writes fields in one of the two types.
func extraction[T scalar](t datum.OID, find func(*Context) partFunc[T], write func(part, array.Builder)) evalFunc {
	type field struct {
		unit  timeUnit
		lower string
	}
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		mask := strictNulls(c.Mem, args[:2], n)
		defer mask.release()
		fields := wordCache[field]{find: func(word string) (field, error) {
			u, lower := unitNamed(word)
			return field{u, lower}, nil
		}}
		b := array.NewBuilder(c.Mem, ret.Arrow())
		defer b.Release()
		b.Reserve(n)
		of, words, values := find(c), args[0].Array.(*array.String), reader[T](args[1])
		for i := range n {
			if mask.null(i) {
				b.AppendNull()
				continue
			}
			f, _ := fields.of(words.Value(args[0].At(i)))
			if f.unit == unknownUnit {
				return nil, badUnit(f.unit, f.lower, t)
			}
			p, ok := of(f.unit, values(i))
			if p.err != nil {
				return nil, p.err
			}
			if !ok {
				return nil, partError(f.unit, f.lower, t)
			}
			write(p, b)
		}
		return b.NewArray(), nil
	}
}

// partError is the error for a field that a type does not have. Times and
// intervals know no reserved words but epoch.
func partError(u timeUnit, lower string, t datum.OID) error {
	if u == unitReserved && (t == datum.Time || t == datum.TimeTZ || t == datum.Interval) {
		u = unknownUnit
	}
	return badUnit(u, lower, t)
}

// A part is the value of a field: kind says what v and rest are.
type part struct {
	kind    partKind
	v, rest int64
	span    datum.IntervalValue
	err     error
}

type partKind uint8

const (
	wholePart    partKind = iota // v
	millisPart                   // v microseconds, in milliseconds
	secondsPart                  // v microseconds of a minute, in seconds
	epochPart                    // v microseconds, in seconds
	julianPart                   // v days and rest microseconds, in days
	spanPart                     // span, in seconds
	infinitePart                 // +infinity
	negInfinitePart
	nullPart
)

func (p part) appendNumeric(b array.Builder) {
	bb := b.(*array.BinaryBuilder)
	var buf [24]byte
	switch p.kind {
	case wholePart:
		bb.Append(datum.AppendNumericInt(buf[:0], p.v, 0))
	case millisPart:
		bb.Append(datum.AppendNumericInt(buf[:0], p.v, 3))
	case secondsPart, epochPart:
		bb.Append(datum.AppendNumericInt(buf[:0], p.v, 6))
	case julianPart:
		bb.Append(datum.AppendNumeric(nil, julianNumeric(p.v, p.rest)))
	case spanPart:
		bb.Append(datum.AppendNumeric(buf[:0], spanNumeric(p.span)))
	case infinitePart, negInfinitePart:
		bb.Append(datum.AppendNumeric(buf[:0], decimalInf(p.kind == negInfinitePart)))
	default:
		bb.AppendNull()
	}
}

// julianNumeric is a day's number with the time of day as its fraction.
func julianNumeric(day, micros int64) datum.Decimal {
	fraction, err := divDecimal(datum.DecimalFromInt(micros), datum.DecimalFromInt(microsPerDay))
	if err != nil {
		panic("function: bug: " + err.Error())
	}
	d, _ := addDecimal(datum.DecimalFromInt(day), fraction)
	return d
}

// spanNumeric is the seconds of an interval, which may exceed 64 bits in
// microseconds. A year has 365.25 days, a month 30.
func spanNumeric(v datum.IntervalValue) datum.Decimal {
	quarterDays := int64(v.Months/12)*1461 + int64(v.Months%12)*120 + int64(v.Days)*4
	days, _ := mulDecimal(datum.DecimalFromInt(quarterDays), datum.DecimalFromInt(microsPerDay/4))
	sum, _ := addDecimal(days, datum.DecimalFromInt(v.Micros))
	return fromScaled(signed(&sum), 6)
}

// spanFloat is the same in double precision.
func spanFloat(v datum.IntervalValue) float64 {
	seconds := float64(v.Micros) / 1e6
	seconds += 365.25 * 86400 * float64(v.Months/12)
	seconds += 30 * 86400 * float64(v.Months%12)
	return seconds + 86400*float64(v.Days)
}

// appendFloat computes as PostgreSQL does, so that the last digit is the same.
func (p part) appendFloat(b array.Builder) {
	fb := b.(*array.Float64Builder)
	switch p.kind {
	case wholePart:
		fb.Append(float64(p.v))
	case millisPart:
		fb.Append(float64(p.v/microsPerSecond)*1000 + float64(p.v%microsPerSecond)/1000)
	case secondsPart:
		fb.Append(float64(p.v/microsPerSecond) + float64(p.v%microsPerSecond)/1e6)
	case epochPart:
		fb.Append(float64(p.v) / 1e6)
	case julianPart:
		seconds := float64(p.rest/microsPerSecond) + float64(p.rest%microsPerSecond)/1e6
		fb.Append(float64(p.v) + seconds/86400)
	case spanPart:
		fb.Append(spanFloat(p.span))
	case infinitePart:
		fb.Append(math.Inf(1))
	case negInfinitePart:
		fb.Append(math.Inf(-1))
	default:
		fb.AppendNull()
	}
}

func whole(v int64) part { return part{v: v} }

// infinitePartOf is a field of an infinity: fields that grow for ever are
// infinite, those that come around are NULL.
func infinitePartOf(u timeUnit, negative bool) part {
	switch u {
	case unitYear, unitDecade, unitCentury, unitMillennium, unitJulian, unitISOYear, unitEpoch:
		if negative {
			return part{kind: negInfinitePart}
		}
		return part{kind: infinitePart}
	}
	return part{kind: nullPart}
}

// dayPart finds the fields that a date has.
func dayPart(u timeUnit, day int64) (part, bool) {
	year, month, dom := datum.DateOf(day)
	switch u {
	case unitDay:
		return whole(dom), true
	case unitMonth:
		return whole(month), true
	case unitQuarter:
		return whole((month-1)/3 + 1), true
	case unitWeek:
		_, week := isoWeek(day)
		return whole(week), true
	case unitYear:
		return whole(noYearZero(year)), true
	case unitISOYear:
		y, _ := isoWeek(day)
		return whole(noYearZero(y)), true
	case unitDecade:
		return whole(floorDiv(year, 10)), true
	case unitCentury:
		return whole(countedFrom1(year, 100)), true
	case unitMillennium:
		return whole(countedFrom1(year, 1000)), true
	case unitJulian:
		return whole(day + unixEpochJulian), true
	case unitDayOfWeek:
		return whole(int64(datum.Weekday(day))), true
	case unitISODayOfWeek:
		return whole(int64(isoWeekday(day))), true
	case unitDayOfYear:
		return whole(day - datum.DaysOf(year, 1, 1) + 1), true
	}
	return part{}, false
}

// noYearZero turns the year 0 and those before into -1 (1 BC) and so on.
func noYearZero(year int64) int64 {
	if year <= 0 {
		return year - 1
	}
	return year
}

// countedFrom1 numbers centuries and millennia: the first began with the year
// 1, the one before it is -1.
func countedFrom1(year, years int64) int64 {
	return noYearZero(floorDiv(year-1, years) + 1)
}

// isoWeek returns the year and number of the ISO week that a day lies in: the
// year that has the week's Thursday.
func isoWeek(day int64) (year, week int64) {
	thursday := day - int64(isoWeekday(day)) + 4
	year, _, _ = datum.DateOf(thursday)
	return year, (thursday-datum.DaysOf(year, 1, 1))/7 + 1
}

// clockPart finds the fields that a time of day has.
func clockPart(u timeUnit, t int64) (part, bool) {
	switch u {
	case unitMicrosecond:
		return whole(t % microsPerMinute), true
	case unitMillisecond:
		return part{kind: millisPart, v: t % microsPerMinute}, true
	case unitSecond:
		return part{kind: secondsPart, v: t % microsPerMinute}, true
	case unitMinute:
		return whole(t / microsPerMinute % 60), true
	case unitHour:
		return whole(t / microsPerHour), true
	}
	return part{}, false
}

// zonePart finds the fields of an offset in seconds east of Greenwich.
func zonePart(u timeUnit, offset int64) (part, bool) {
	switch u {
	case unitZone:
		return whole(offset), true
	case unitZoneHour:
		return whole(offset / 3600), true
	case unitZoneMinute:
		return whole(offset / 60 % 60), true
	}
	return part{}, false
}

func datePart(u timeUnit, d datum.Days) (part, bool) {
	if u == unitEpoch && d.Finite() {
		return whole(int64(d) * 86400), true
	}
	p, ok := dayPart(u, int64(d))
	if !d.Finite() {
		return infinitePartOf(u, d == datum.NegInfinityDays), ok || u == unitEpoch
	}
	return p, ok
}

func timestampPart(u timeUnit, m datum.Micros) (part, bool) {
	if !m.Finite() {
		_, ofDay := dayPart(u, 0)
		_, ofClock := clockPart(u, 0)
		_, ofZone := zonePart(u, 0)
		return infinitePartOf(u, m == datum.NegInfinityMicros), ofDay || ofClock || ofZone || u == unitEpoch
	}
	day := floorDiv(int64(m), microsPerDay)
	t := int64(m) - day*microsPerDay
	switch u {
	case unitEpoch:
		return part{kind: epochPart, v: int64(m)}, true
	case unitJulian:
		return part{kind: julianPart, v: day + unixEpochJulian, rest: t}, true
	case unitMicrosecond, unitMillisecond, unitSecond, unitMinute, unitHour:
		return clockPart(u, t)
	}
	return dayPart(u, day)
}

// momentPart finds the fields that a clock in a zone shows.
func momentPart(z *zoneClock) partFunc[datum.Micros] {
	return func(u timeUnit, m datum.Micros) (part, bool) {
		if u == unitEpoch || !m.Finite() {
			return timestampPart(u, m)
		}
		offset := z.offsetAt(m)
		if p, ok := zonePart(u, offset/microsPerSecond); ok {
			return p, true
		}
		local, err := shiftTimestamp(m, offset)
		if err != nil {
			return part{err: err}, true
		}
		return timestampPart(u, local)
	}
}

func timePart(u timeUnit, t datum.TimeTZValue, zoned bool) (part, bool) {
	if u == unitEpoch {
		return part{kind: epochPart, v: t.Micros + int64(t.Zone)*microsPerSecond}, true
	}
	if zoned {
		if p, ok := zonePart(u, -int64(t.Zone)); ok {
			return p, true
		}
	}
	return clockPart(u, t.Micros)
}

func intervalPart(u timeUnit, v datum.IntervalValue) (part, bool) {
	years, months := int64(v.Months/12), int64(v.Months%12)
	switch u {
	case unitDay:
		return whole(int64(v.Days)), true
	case unitMonth:
		return whole(months), true
	case unitQuarter:
		return whole(months/3 + 1), true
	case unitYear:
		return whole(years), true
	case unitDecade:
		return whole(years / 10), true
	case unitCentury:
		return whole(years / 100), true
	case unitMillennium:
		return whole(years / 1000), true
	case unitEpoch:
		return part{kind: spanPart, span: v}, true
	}
	return clockPart(u, v.Micros)
}
