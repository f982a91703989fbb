package function

import (
	"math"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeCasts are the casts between the types of dates and times, and the
// coercions to a precision.
func datetimeCasts(k kernels) {
	k.add(map1Err(dateToTimestamp), "date_timestamp")
	k.add(fn1c(func(c *Context, d datum.Days) (datum.Micros, error) {
		return dateToTimestampTZ(d, c.Env.Location())
	}), "date_timestamptz")
	k.add(map1(timestampToDate), "timestamp_date")
	k.add(fn1c(func(c *Context, m datum.Micros) (datum.Days, error) {
		local, err := localMicros(c, m)
		return timestampToDate(local), err
	}), "timestamptz_date")
	k.add(fn1c(func(c *Context, m datum.Micros) (datum.Micros, error) { return datum.ToUTC(m, c.Env.Location()) }), "timestamp_timestamptz")
	k.add(fn1c(localMicros), "timestamptz_timestamp")

	// Infinite timestamps have no time of day: the result is NULL.
	k.add(strictBoxed(func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		return clockOf(args[0].(datum.Micros)), nil
	}, datum.Timestamp), "timestamp_time")
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		local, err := localMicros(c, args[0].(datum.Micros))
		return clockOf(local), err
	}, datum.TimestampTZ), "timestamptz_time")
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		m := args[0].(datum.Micros)
		if !m.Finite() {
			return nil, nil
		}
		offset := datum.OffsetAt(m, c.Env.Location())
		return datum.TimeTZValue{Micros: timeOfDay(int64(m) + int64(offset)*microsPerSecond), Zone: -int32(offset)}, nil
	}, datum.TimestampTZ), "timestamptz_timetz")

	k.add(fn1c(timeToTimeTZ), "time_timetz")
	k.add(fn1(func(t datum.TimeTZValue) (datum.Micros, error) { return datum.Micros(t.Micros), nil }), "timetz_time")
	k.add(fn1(func(t datum.Micros) (datum.IntervalValue, error) {
		return datum.IntervalValue{Micros: int64(t)}, nil
	}), "time_interval")
	k.add(fn1(func(v datum.IntervalValue) (datum.Micros, error) { return datum.Micros(timeOfDay(v.Micros)), nil }), "interval_time")
	k.add(fn1(floatToTimestamp), "float8_timestamptz")
	precisionCoercions(k)
}

// timeToTimeTZ is a time of day with the offset that it has today in the session's zone.
func timeToTimeTZ(c *Context, t datum.Micros) (datum.TimeTZValue, error) {
	today, err := localMicros(c, nowMicros(c))
	if err != nil {
		return datum.TimeTZValue{}, err
	}
	local := today - datum.Micros(timeOfDay(int64(today))) + t
	return datum.TimeTZValue{Micros: int64(t), Zone: -int32(datum.LocalOffset(local, c.Env.Location()))}, nil
}

func clockOf(m datum.Micros) datum.Value {
	if !m.Finite() {
		return nil
	}
	return datum.Micros(timeOfDay(int64(m)))
}

func precisionCoercions(k kernels) {
	round := func(name string) func(m datum.Micros, mod int32) (datum.Micros, error) {
		return func(m datum.Micros, mod int32) (datum.Micros, error) {
			if mod > 6 {
				return 0, pgerr.New(pgerr.InvalidParameterValue, "%s(%d) precision must be between 0 and 6", name, mod)
			}
			return m.Round(mod)
		}
	}
	k.add(fn2(round("timestamp")), "timestamp_scale")
	k.add(fn2(round("timestamp")), "timestamptz_scale")
	k.add(fn2(func(t datum.Micros, mod int32) (datum.Micros, error) {
		v, err := datum.Coerce(datum.Type{OID: datum.Time, Mod: mod}, t, true)
		if err != nil {
			return 0, err
		}
		return v.(datum.Micros), nil
	}), "time_scale")
	k.add(fn2(func(t datum.TimeTZValue, mod int32) (datum.TimeTZValue, error) {
		v, err := datum.Coerce(datum.Type{OID: datum.TimeTZ, Mod: mod}, t, true)
		if err != nil {
			return t, err
		}
		return v.(datum.TimeTZValue), nil
	}), "timetz_scale")
}

// floatToTimestamp is to_timestamp of seconds since 1970. They are counted from
// 2000 before they are rounded, as PostgreSQL does.
func floatToTimestamp(seconds float64) (datum.Micros, error) {
	switch {
	case math.IsNaN(seconds):
		return 0, pgerr.New(pgerr.DatetimeOverflow, "timestamp cannot be NaN")
	case math.IsInf(seconds, 1):
		return datum.InfinityMicros, nil
	case math.IsInf(seconds, -1):
		return datum.NegInfinityMicros, nil
	}
	micros := math.RoundToEven((seconds - datum.PostgresEpochMicros/1e6) * 1e6)
	if micros > float64(datum.MaxMicros)-datum.PostgresEpochMicros || micros < float64(datum.MinMicros)-datum.PostgresEpochMicros {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "timestamp out of range: \"%s\"", strconv.FormatFloat(seconds, 'g', 6, 64))
	}
	return datum.Micros(micros) + datum.PostgresEpochMicros, nil
}
