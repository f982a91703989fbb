package function

import (
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeConstructors are make_date and its like.
func datetimeConstructors(k kernels) {
	k.add(fn3(makeDate), "make_date")
	k.add(fn3(func(hour, minute int32, second float64) (datum.Micros, error) {
		t, ok := makeTimeOfDay(hour, minute, second)
		if !ok {
			return 0, fieldRange("time field value", clockText(hour, minute, second))
		}
		return datum.Micros(t), nil
	}), "make_time")
	k.add(madeTimestamp(func(_ *Context, m datum.Micros, _ string) (datum.Micros, error) { return m, nil }), "make_timestamp")
	k.add(madeTimestamp(func(c *Context, m datum.Micros, _ string) (datum.Micros, error) {
		return datum.ToUTC(m, c.Env.Location())
	}), "make_timestamptz")
	k.add(madeTimestamp(func(_ *Context, m datum.Micros, zone string) (datum.Micros, error) {
		z, err := argumentZone(zone)
		if err != nil {
			return 0, err
		}
		return z.ToUTC(m)
	}), "make_timestamptz_at_timezone")
	k.add(makeIntervals, "make_interval")
}

func fieldRange(what, text string) error {
	return pgerr.New(pgerr.DatetimeOverflow, "%s out of range: %s", what, text)
}

// makeDay returns the days since 1970 of a date; negative years are BC. Of the
// range it checks only that of Julian days, by months. Errors show the text.
func makeDay(year, month, day int32, text string) (int64, error) {
	y := astronomicalYear(year)
	if year == 0 || year == math.MinInt32 || month < 1 || month > 12 || day < 1 || int64(day) > datum.DaysInMonth(y, int64(month)) {
		return 0, fieldRange("date field value", text)
	}
	days := datum.DaysOf(y, int64(month), int64(day))
	if days < datum.DaysOf(-4713, 11, 1) || days >= datum.DaysOf(5874898, 6, 1) {
		return 0, fieldRange("date", text)
	}
	return days, nil
}

// astronomicalYear counts 1 BC, here -1, as 0.
func astronomicalYear(year int32) int64 {
	if year < 0 {
		return int64(year) + 1
	}
	return int64(year)
}

func makeDate(year, month, day int32) (datum.Days, error) {
	shown := year
	if year != math.MinInt32 {
		shown = int32(astronomicalYear(year))
	}
	text := dateText(shown, month, day)
	d, err := makeDay(year, month, day, text)
	if err == nil && (d < int64(datum.MinDays) || d > int64(datum.MaxDays)) {
		err = fieldRange("date", text)
	}
	return datum.Days(d), err
}

func dateText(year, month, day int32) string {
	return strconv.Itoa(int(year)) + "-" + twoDigits(month) + "-" + twoDigits(day)
}

func clockText(hour, minute int32, second float64) string {
	s := strconv.FormatFloat(second, 'g', 6, 64)
	switch {
	case math.IsNaN(second):
		s = "NaN"
	case math.IsInf(second, 0):
		s = map[bool]string{false: "Infinity", true: "-Infinity"}[second < 0]
	case len(s) < 2:
		s = "0" + s
	}
	return strconv.Itoa(int(hour)) + ":" + twoDigits(minute) + ":" + s
}

// twoDigits is C's %02d.
func twoDigits(v int32) string {
	s := strconv.Itoa(int(v))
	if len(s) < 2 {
		s = "0" + s
	}
	return s
}

// makeTimeOfDay returns the microseconds since midnight; 24:00:00 is allowed.
func makeTimeOfDay(hour, minute int32, second float64) (int64, bool) {
	if hour < 0 || hour > 24 || minute < 0 || minute > 59 || math.IsNaN(second) {
		return 0, false
	}
	micros := math.RoundToEven(second * microsPerSecond)
	if micros < 0 || micros > microsPerMinute {
		return 0, false
	}
	t := int64(hour)*microsPerHour + int64(minute)*microsPerMinute + int64(micros)
	return t, t <= microsPerDay
}

// madeTimestamp makes a kernel of what becomes of the local timestamp; zone is
// the seventh argument, if there is one.
func madeTimestamp(finish func(c *Context, m datum.Micros, zone string) (datum.Micros, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		var ints [5]func(int) int32
		for i := range ints {
			ints[i] = reader[int32](args[i])
		}
		seconds, zone := reader[float64](args[5]), func(int) string { return "" }
		if len(args) > 6 {
			zone = reader[string](args[6])
		}
		return rows(c, args, n, ret, func(i int) (datum.Micros, error) {
			m, err := makeTimestamp(ints[0](i), ints[1](i), ints[2](i), ints[3](i), ints[4](i), seconds(i))
			if err != nil {
				return 0, err
			}
			return finish(c, m, zone(i))
		})
	}
}

func makeTimestamp(year, month, day, hour, minute int32, second float64) (datum.Micros, error) {
	days, err := makeDay(year, month, day, dateText(year, month, day))
	if err != nil {
		return 0, err
	}
	t, ok := makeTimeOfDay(hour, minute, second)
	if !ok {
		return 0, fieldRange("time field value", clockText(hour, minute, second))
	}
	m, err := datum.TimestampOf(days, t)
	if err != nil {
		return 0, fieldRange("timestamp", dateText(year, month, day)+" "+clockText(hour, minute, second))
	}
	return m, nil
}

// argumentZone reads a zone that may be an offset, +hh:mm, as well as a name.
func argumentZone(name string) (datum.ZoneSpec, error) {
	if len(name) > maxZoneName {
		name = name[:maxZoneName]
	}
	bad := func(format string, args ...any) (datum.ZoneSpec, error) {
		return datum.ZoneSpec{}, pgerr.New(pgerr.InvalidParameterValue, format, args...)
	}
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return datum.ZoneSpec{}, pgerr.New(pgerr.InvalidParameterValue, "invalid input syntax for type %s: \"%s\"", "numeric time zone", name).
			WithHint("Numeric time zones must have \"-\" or \"+\" as first character.")
	}
	z, ok, overflow := datum.ParseZoneOffset(name)
	switch {
	case ok:
		return z, nil
	case overflow:
		return bad("numeric time zone \"%s\" out of range", name)
	}
	return zoneSpec(name)
}

// makeIntervals is make_interval, whose arguments may be left out from the right.
func makeIntervals(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	var ints [6]func(int) int32
	for i := range ints {
		ints[i] = func(int) int32 { return 0 }
		if i < len(args) {
			ints[i] = reader[int32](args[i])
		}
	}
	seconds := func(int) float64 { return 0 }
	if len(args) > 6 {
		seconds = reader[float64](args[6])
	}
	return rows(c, args, n, ret, func(i int) (datum.IntervalValue, error) {
		years, months, weeks, days := ints[0](i), ints[1](i), ints[2](i), ints[3](i)
		micros := math.RoundToEven(seconds(i) * microsPerSecond)
		clock := int64(ints[4](i))*microsPerHour + int64(ints[5](i))*microsPerMinute
		if !(micros >= -1<<63 && micros < 1<<63) || addOverflows(clock, int64(micros)) {
			return datum.IntervalValue{}, intervalRange()
		}
		return narrowInterval(int64(years)*12+int64(months), int64(weeks)*7+int64(days), clock+int64(micros))
	})
}
