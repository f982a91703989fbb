package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeArithmetic is + and - of dates, times and timestamps with each other
// and with intervals.
func datetimeArithmetic(k kernels) {
	k.add(map2Err(addDays), "date_pli")
	k.add(map2Err(func(d datum.Days, n int32) (datum.Days, error) {
		if n == -1<<31 && d.Finite() {
			return 0, dateRange()
		}
		return addDays(d, -n)
	}), "date_mii")
	k.add(map2Err(func(n int32, d datum.Days) (datum.Days, error) { return addDays(d, n) }), "oid2550")
	k.add(map2Err(func(a, b datum.Days) (int32, error) {
		if !a.Finite() || !b.Finite() {
			return 0, pgerr.New(pgerr.DatetimeOverflow, "cannot subtract infinite dates")
		}
		return int32(a - b), nil
	}), "date_mi")

	plus := func(d datum.Days, v datum.IntervalValue) (datum.Micros, error) {
		m, err := dateToTimestamp(d)
		if err != nil {
			return 0, err
		}
		return addToTimestamp(m, v)
	}
	k.add(fn2(plus), "date_pl_interval")
	k.add(fn2(func(v datum.IntervalValue, d datum.Days) (datum.Micros, error) { return plus(d, v) }), "oid2546")
	k.add(fn2(minus(plus)), "date_mi_interval")

	k.add(fn2(addToTimestamp), "timestamp_pl_interval")
	k.add(fn2(func(v datum.IntervalValue, m datum.Micros) (datum.Micros, error) { return addToTimestamp(m, v) }), "oid2548")
	k.add(fn2(minus(addToTimestamp)), "timestamp_mi_interval")

	zoned := func(c *Context, m datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
		return addToTimestampTZ(m, v, c.Env.Location())
	}
	k.add(fn2c(zoned), "timestamptz_pl_interval")
	k.add(fn2c(func(c *Context, v datum.IntervalValue, m datum.Micros) (datum.Micros, error) { return zoned(c, m, v) }), "oid2549")
	k.add(fn2c(func(c *Context, m datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
		if err := subtractable(v); err != nil {
			return 0, err
		}
		return zoned(c, m, negated(v))
	}), "timestamptz_mi_interval")
	k.add(fn2(subtractTimestamps), "timestamp_mi")
	timeArithmetic(k)
	dateAndTime(k)
}

func minus[T any](plus func(T, datum.IntervalValue) (datum.Micros, error)) func(T, datum.IntervalValue) (datum.Micros, error) {
	return func(a T, v datum.IntervalValue) (datum.Micros, error) {
		if err := subtractable(v); err != nil {
			return 0, err
		}
		return plus(a, negated(v))
	}
}

func dateRange() *pgerr.Error { return pgerr.New(pgerr.DatetimeOverflow, "date out of range") }

func addDays(d datum.Days, n int32) (datum.Days, error) {
	if !d.Finite() {
		return d, nil
	}
	r := int64(d) + int64(n)
	if r < int64(datum.MinDays) || r > int64(datum.MaxDays) {
		return 0, dateRange()
	}
	return datum.Days(r), nil
}

func subtractTimestamps(a, b datum.Micros) (datum.IntervalValue, error) {
	if !a.Finite() || !b.Finite() {
		return datum.IntervalValue{}, pgerr.New(pgerr.DatetimeOverflow, "cannot subtract infinite timestamps")
	}
	r := int64(a - b)
	if (a > b) != (r > 0) && a != b {
		return datum.IntervalValue{}, intervalRange()
	}
	return justifyHours(datum.IntervalValue{Micros: r})
}

func timeArithmetic(k kernels) {
	k.add(fn2(addToTime), "time_pl_interval")
	k.add(fn2(func(v datum.IntervalValue, t datum.Micros) (datum.Micros, error) { return addToTime(t, v) }), "oid1848")
	k.add(fn2(func(t datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
		return datum.Micros(timeOfDay(int64(t) - v.Micros%microsPerDay)), nil
	}), "time_mi_interval")
	zoned := func(t datum.TimeTZValue, v datum.IntervalValue) (datum.TimeTZValue, error) {
		return datum.TimeTZValue{Micros: timeOfDay(t.Micros + v.Micros%microsPerDay), Zone: t.Zone}, nil
	}
	k.add(fn2(zoned), "timetz_pl_interval")
	k.add(fn2(func(v datum.IntervalValue, t datum.TimeTZValue) (datum.TimeTZValue, error) { return zoned(t, v) }), "oid2547")
	k.add(fn2(func(t datum.TimeTZValue, v datum.IntervalValue) (datum.TimeTZValue, error) {
		return datum.TimeTZValue{Micros: timeOfDay(t.Micros - v.Micros%microsPerDay), Zone: t.Zone}, nil
	}), "timetz_mi_interval")
	k.add(fn2(func(a, b datum.Micros) (datum.IntervalValue, error) {
		return datum.IntervalValue{Micros: int64(a - b)}, nil
	}), "time_mi_time")
}

func addToTime(t datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
	return datum.Micros(timeOfDay(int64(t) + v.Micros%microsPerDay)), nil
}

// timeOfDay brings a time into 00:00 to 23:59:59.999999.
func timeOfDay(t int64) int64 {
	if t %= microsPerDay; t < 0 {
		t += microsPerDay
	}
	return t
}

// dateAndTime puts dates and times together.
func dateAndTime(k kernels) {
	join := func(d datum.Days, t datum.Micros) (datum.Micros, error) {
		m, err := dateToTimestamp(d)
		if err != nil || !m.Finite() {
			return m, err
		}
		return shiftTimestamp(m, int64(t))
	}
	k.add(fn2(join), "datetime_timestamp")
	k.add(fn2(func(t datum.Micros, d datum.Days) (datum.Micros, error) { return join(d, t) }), "oid1296")
	k.add(fn2c(func(c *Context, d datum.Days, t datum.Micros) (datum.Micros, error) {
		m, err := join(d, t)
		if err != nil {
			return 0, err
		}
		return datum.ToUTC(m, c.Env.Location())
	}), "oid1176")
	joinTZ := func(d datum.Days, t datum.TimeTZValue) (datum.Micros, error) {
		m, err := dateToTimestamp(d)
		if err != nil || !m.Finite() {
			return m, err
		}
		return shiftTimestamp(m, t.Micros+int64(t.Zone)*microsPerSecond)
	}
	k.add(fn2(joinTZ), "datetimetz_timestamptz")
	k.add(fn2(func(t datum.TimeTZValue, d datum.Days) (datum.Micros, error) { return joinTZ(d, t) }), "oid1298")
}
