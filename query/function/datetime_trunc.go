package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// datetimeTruncation is date_trunc.
func datetimeTruncation(k kernels) {
	k.add(truncTimestamp, "timestamp_trunc")
	k.add(truncTimestampTZ, "timestamptz_trunc")
	k.add(truncTimestampZone, "timestamptz_trunc_zone")
	k.add(fn2(truncInterval), "interval_trunc")
}

func truncTimestamp(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	return truncRows(c, args, n, ret, func(int) (zoneOffsets, error) { return nil, nil })
}

func truncTimestampTZ(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	clock := newZoneClock(c.Env.Location())
	return truncRows(c, args, n, ret, func(int) (zoneOffsets, error) { return clock, nil })
}

// truncTimestampZone is date_trunc with a zone as its third argument.
func truncTimestampZone(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if anyNull(args[:3]) {
		return allNull(c.Mem, ret, n), nil
	}
	zones := args[2].Array.(*array.String)
	clocks := wordCache[zoneOffsets]{find: zoneNamed}
	return truncRows(c, args, n, ret, func(i int) (zoneOffsets, error) { return clocks.of(zones.Value(args[2].At(i))) })
}

// zoneOffsets are what truncation asks of a zone: a zoneClock, or the zone of an
// abbreviation.
type zoneOffsets interface {
	local(datum.Micros) (datum.Micros, error)
	utc(datum.Micros) (datum.Micros, error)
}

// truncRows cuts the second argument to the unit that the first one names, in
// the zone that zone tells for a row (nil: timestamps have none). Infinities
// stay, whatever the unit.
func truncRows(c *Context, args []Vec, n int, ret datum.Type, zone func(row int) (zoneOffsets, error)) (arrow.Array, error) {
	if anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	words := args[0].Array.(*array.String)
	units := wordCache[timeUnit]{find: func(word string) (timeUnit, error) { return truncationUnit(word, ret.OID) }}
	at, out := colOf[datum.Micros](args[1]), newOut[datum.Micros](c.Mem, args, n)
	var last truncated
	for i := range out.v {
		m := at.v[i&at.mask]
		if out.v[i] = m; !m.Finite() || out.mask.null(i) {
			continue
		}
		z, err := zone(i)
		var u timeUnit
		if err == nil {
			u, err = units.of(words.Value(args[0].At(i)))
		}
		if err == nil {
			out.v[i], err = last.cut(m, u, z)
		}
		if err != nil {
			out.release()
			return nil, err
		}
	}
	return out.array(ret), nil
}

// A truncated is the last stretch of time that was cut to its beginning: rows
// near each other mostly fall into the same.
type truncated struct {
	unit     timeUnit
	zone     zoneOffsets
	from, to datum.Micros
}

func (t *truncated) cut(m datum.Micros, u timeUnit, z zoneOffsets) (datum.Micros, error) {
	if m >= t.from && m < t.to && t.unit == u && t.zone == z {
		return t.from, nil
	}
	*t = truncated{unit: u, zone: z}
	if z == nil {
		from, err := truncLocal(m, u)
		if err == nil {
			t.from = from
			if t.to, err = nextUnit(from, u); err != nil {
				t.to, err = from, nil // at the end of time
			}
		}
		return from, err
	}
	from, err := truncMoment(m, u, z)
	if err != nil {
		return 0, err
	}
	t.keepMoments(from, z)
	return from, nil
}

// keepMoments remembers the stretch that begins at from, if the zone's offset
// does not change in it.
func (t *truncated) keepMoments(from datum.Micros, z zoneOffsets) {
	clock, ok := z.(*zoneClock)
	if !ok {
		return
	}
	local, err := clock.local(from)
	if err != nil {
		return
	}
	// The clock need not show the beginning of the unit: it may have been set forward there.
	begin, err := truncLocal(local, t.unit)
	if err != nil {
		return
	}
	next, err := nextUnit(begin, t.unit)
	if err != nil {
		return
	}
	if end := int64(next) - clock.offset; int64(from) >= clock.from && end <= clock.to {
		t.from, t.to = from, datum.Micros(end)
	}
}

// nextUnit returns the beginning of the next unit after the beginning of one.
func nextUnit(local datum.Micros, u timeUnit) (datum.Micros, error) {
	if int(u) < len(truncSteps) {
		return shiftTimestamp(local, truncSteps[u])
	}
	day := floorDiv(int64(local), microsPerDay)
	if u == unitWeek {
		return datum.TimestampOf(day+7, 0)
	}
	return datum.TimestampOf(addToDay(day, datum.IntervalValue{Months: monthsOf[u]}), 0)
}

// monthsOf are the units that are months.
var monthsOf = map[timeUnit]int32{unitMonth: 1, unitQuarter: 3, unitYear: 12, unitDecade: 120, unitCentury: 1200, unitMillennium: 12000}

// truncationUnit finds a unit that date_trunc cuts timestamps to.
func truncationUnit(word string, t datum.OID) (timeUnit, error) {
	u, lower := intervalUnit(word)
	if u >= unitMicrosecond && u <= unitMillennium {
		return u, nil
	}
	return u, badUnit(u, lower, t)
}

// intervalUnit finds a unit among those that intervals are written in, which
// are the only ones that date_trunc knows.
func intervalUnit(word string) (u timeUnit, lower string) {
	u, lower = unitNamed(word)
	switch u {
	case unitJulian, unitDayOfWeek, unitISODayOfWeek, unitDayOfYear, unitISOYear, unitEpoch, unitReserved:
		u = unknownUnit
	case unitMinute:
		if lower == "mm" {
			u = unknownUnit
		}
	}
	return u, lower
}

// truncMoment cuts in a zone: hours and less keep the offset that holds at the
// moment, days and more take that of the day's beginning.
func truncMoment(m datum.Micros, u timeUnit, z zoneOffsets) (datum.Micros, error) {
	local, err := z.local(m)
	if err != nil {
		return 0, err
	}
	cut, err := truncLocal(local, u)
	if err != nil {
		return 0, err
	}
	if u < unitDay {
		return shiftTimestamp(m, int64(cut-local))
	}
	return z.utc(cut)
}

// truncSteps are the units of one length in microseconds.
var truncSteps = [...]int64{unitMicrosecond: 1, unitMillisecond: 1000, unitSecond: microsPerSecond,
	unitMinute: microsPerMinute, unitHour: microsPerHour, unitDay: microsPerDay}

func truncLocal(m datum.Micros, u timeUnit) (datum.Micros, error) {
	if int(u) < len(truncSteps) {
		return shiftTimestamp(m, -floorMod(int64(m), truncSteps[u]))
	}
	day := floorDiv(int64(m), microsPerDay)
	if u == unitWeek {
		day -= int64(isoWeekday(day) - 1)
	} else {
		day = truncDay(day, u)
	}
	return datum.TimestampOf(day, 0)
}

// truncDay returns the first day of a month or a unit of months.
func truncDay(day int64, u timeUnit) int64 {
	year, month, _ := datum.DateOf(day)
	switch u {
	case unitMonth:
		return datum.DaysOf(year, month, 1)
	case unitQuarter:
		return datum.DaysOf(year, (month-1)/3*3+1, 1)
	case unitDecade:
		year = floorDiv(year, 10) * 10
	case unitCentury:
		year = floorDiv(year-1, 100)*100 + 1
	case unitMillennium:
		year = floorDiv(year-1, 1000)*1000 + 1
	}
	return datum.DaysOf(year, 1, 1)
}

// isoWeekday returns 1 for Mondays to 7 for Sundays.
func isoWeekday(day int64) int { return (datum.Weekday(day)+6)%7 + 1 }

func truncInterval(word string, v datum.IntervalValue) (datum.IntervalValue, error) {
	u, lower := intervalUnit(word)
	switch {
	case monthsOf[u] != 0:
		return datum.IntervalValue{Months: v.Months / monthsOf[u] * monthsOf[u]}, nil
	case u == unitDay:
		return datum.IntervalValue{Months: v.Months, Days: v.Days}, nil
	case u >= unitMicrosecond && u <= unitHour:
		v.Micros -= v.Micros % truncSteps[u]
		return v, nil
	case u == unitWeek:
		return v, badUnit(u, lower, datum.Interval).WithDetail("Months usually have fractional weeks.")
	}
	return v, badUnit(u, lower, datum.Interval)
}
