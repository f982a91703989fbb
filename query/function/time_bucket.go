package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// dateBins is date_bin: the beginning of the step of a grid that a time lies in.
func dateBins(k kernels) {
	k.add(fn3(func(step datum.IntervalValue, m, origin datum.Micros) (datum.Micros, error) {
		switch {
		case !m.Finite():
			return m, nil
		case !origin.Finite():
			return 0, pgerr.New(pgerr.DatetimeOverflow, "origin out of range")
		case step.Months != 0:
			return 0, pgerr.Unsupported("timestamps cannot be binned into intervals containing months or years")
		}
		width, err := fixedWidth(step)
		if err != nil {
			return 0, err
		}
		if width <= 0 {
			return 0, pgerr.New(pgerr.DatetimeOverflow, "stride must be greater than zero")
		}
		return gridStart(m, origin, width)
	}), "timestamp_bin", "timestamptz_bin")
}

// fixedWidth is the length in microseconds of an interval without months.
func fixedWidth(v datum.IntervalValue) (int64, error) {
	days := int64(v.Days) * microsPerDay
	if days/microsPerDay != int64(v.Days) || addOverflows(days, v.Micros) {
		return 0, intervalRange()
	}
	return days + v.Micros, nil
}

// gridStart returns the beginning of the step of width microseconds that m lies
// in, on the grid that origin is a point of.
func gridStart(m, origin datum.Micros, width int64) (datum.Micros, error) {
	diff := int64(m) - int64(origin)
	if (m < origin) != (diff < 0) {
		return 0, intervalRange()
	}
	return shiftTimestamp(m, -floorMod(diff, width))
}

// timeBucketFunctions is time_bucket, as TimescaleDB has it. Buckets of days or
// less count from Monday 2000-01-03 unless an origin is given, those of months
// from 2000-01; an offset moves the grid. Moments are put into buckets of UTC
// unless a zone is given.
func timeBucketFunctions() []*Function {
	iv, ts, tz, date := datum.Interval, datum.Timestamp, datum.TimestampTZ, datum.Date
	withOrigin, withOffset := []string{"bucket_width", "ts", "origin"}, []string{"bucket_width", "ts", "offset"}
	inUTC := fn2(func(w datum.IntervalValue, m datum.Micros) (datum.Micros, error) {
		return bucket(w, m, defaultOrigin(w))
	})
	next := datum.OID(9901)
	var fns []*Function
	add := func(eval evalFunc, names []string, args ...datum.OID) *Function {
		f := &Function{OID: next, Name: "time_bucket", Args: args, ArgNames: names, Ret: args[1], Volatility: Immutable, Strict: true, Eval: eval}
		fns = append(fns, f)
		next++
		return f
	}
	add(inUTC, withOrigin[:2], iv, ts)
	add(inUTC, withOrigin[:2], iv, tz)
	add(fn2(func(w datum.IntervalValue, d datum.Days) (datum.Days, error) {
		return bucketDay(w, d, timestampToDate(defaultOrigin(w)))
	}), withOrigin[:2], iv, date)
	add(fn3(bucket), withOrigin, iv, ts, ts)
	add(fn3(bucket), withOrigin, iv, tz, tz)
	add(fn3(bucketDay), withOrigin, iv, date, date)
	add(fn3(bucketMoved), withOffset, iv, ts, iv)
	add(fn3(bucketMoved), withOffset, iv, tz, iv)
	add(fn3(bucketDayMoved), withOffset, iv, date, iv)
	zoned := add(strictOn(3, bucketInZone), []string{"bucket_width", "ts", "timezone", "origin", "offset"}, iv, tz, datum.Text, tz, iv)
	zoned.Strict, zoned.Defaults = false, 2
	add(integerBuckets[int16](), withOffset, datum.Int2, datum.Int2, datum.Int2).Defaults = 1
	add(integerBuckets[int32](), withOffset, datum.Int4, datum.Int4, datum.Int4).Defaults = 1
	add(integerBuckets[int64](), withOffset, datum.Int8, datum.Int8, datum.Int8).Defaults = 1
	return fns
}

// defaultOrigin is what buckets of a width are counted from.
func defaultOrigin(width datum.IntervalValue) datum.Micros {
	if width.Months != 0 {
		return datum.PostgresEpochMicros
	}
	return datum.PostgresEpochMicros + 2*microsPerDay // a Monday
}

// bucketWidth is the width in microseconds of buckets that are not of months.
func bucketWidth(w datum.IntervalValue) (int64, error) {
	width, err := fixedWidth(w)
	if err != nil {
		return 0, err
	}
	return width, positiveWidth(width)
}

func positiveWidth(width int64) error {
	if width <= 0 {
		return pgerr.New(pgerr.InvalidParameterValue, "period must be greater than 0")
	}
	return nil
}

// bucket returns the beginning of the bucket that a time lies in.
func bucket(w datum.IntervalValue, m, origin datum.Micros) (datum.Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	if !origin.Finite() {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "origin must be finite")
	}
	if w.Months != 0 {
		d, err := bucketMonth(w, timestampToDate(m), timestampToDate(origin))
		if err != nil {
			return 0, err
		}
		return dateToTimestamp(d)
	}
	width, err := bucketWidth(w)
	if err != nil {
		return 0, err
	}
	return gridStart(m, origin, width)
}

// bucketMonth puts a day into buckets of months; of the origin only the month counts.
func bucketMonth(w datum.IntervalValue, d, origin datum.Days) (datum.Days, error) {
	if w.Days != 0 || w.Micros != 0 {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "month intervals cannot have day or time component")
	}
	if err := positiveWidth(int64(w.Months)); err != nil {
		return 0, err
	}
	year, month, _ := datum.DateOf(int64(d))
	originYear, originMonth, _ := datum.DateOf(int64(origin))
	from := originYear*12 + originMonth
	months := from + floorDiv(year*12+month-from, int64(w.Months))*int64(w.Months)
	day := datum.DaysOf(floorDiv(months-1, 12), floorMod(months-1, 12)+1, 1)
	if day < int64(datum.MinDays) {
		return 0, dateRange()
	}
	return datum.Days(day), nil
}

func bucketDay(w datum.IntervalValue, d, origin datum.Days) (datum.Days, error) {
	if !d.Finite() {
		return d, nil
	}
	if !origin.Finite() {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "origin must be finite")
	}
	if w.Months != 0 {
		return bucketMonth(w, d, origin)
	}
	width, err := bucketWidth(w)
	if err != nil {
		return 0, err
	}
	if width%microsPerDay != 0 {
		return 0, pgerr.Unsupported("interval must not have sub-day precision")
	}
	days := width / microsPerDay
	start := int64(origin) + floorDiv(int64(d)-int64(origin), days)*days
	if start < int64(datum.MinDays) {
		return 0, dateRange()
	}
	return datum.Days(start), nil
}

// bucketMoved uses a grid that is moved by an offset.
func bucketMoved(w datum.IntervalValue, m datum.Micros, offset datum.IntervalValue) (datum.Micros, error) {
	return bucketMovedFrom(w, m, defaultOrigin(w), offset)
}

func bucketMovedFrom(w datum.IntervalValue, m, origin datum.Micros, offset datum.IntervalValue) (datum.Micros, error) {
	m, err := minus(addToTimestamp)(m, offset)
	if err != nil {
		return 0, err
	}
	if m, err = bucket(w, m, origin); err != nil {
		return 0, err
	}
	return addToTimestamp(m, offset)
}

func bucketDayMoved(w datum.IntervalValue, d datum.Days, offset datum.IntervalValue) (datum.Days, error) {
	m, err := dateToTimestamp(d)
	if err != nil {
		return 0, err
	}
	m, err = bucketMoved(w, m, offset)
	return timestampToDate(m), err
}

// bucketInZone puts moments into buckets by the clocks of a zone; the origin and
// the offset may be NULL.
func bucketInZone(_ *Context, args []datum.Value) (datum.Value, error) {
	w, m := args[0].(datum.IntervalValue), args[1].(datum.Micros)
	z, err := zoneSpec(args[2].(string))
	if err != nil || !m.Finite() {
		return m, err
	}
	local, err := z.ToLocal(m)
	if err != nil {
		return nil, err
	}
	origin := defaultOrigin(w)
	if len(args) > 3 && args[3] != nil {
		if origin, err = z.ToLocal(args[3].(datum.Micros)); err != nil {
			return nil, err
		}
	}
	var offset datum.IntervalValue
	if len(args) > 4 && args[4] != nil {
		offset = args[4].(datum.IntervalValue)
	}
	if local, err = bucketMovedFrom(w, local, origin, offset); err != nil {
		return nil, err
	}
	return z.ToUTC(local)
}

// strictOn makes a kernel that is NULL where one of the first arguments is.
func strictOn(first int, f func(*Context, []datum.Value) (datum.Value, error)) evalFunc {
	return boxed(func(c *Context, args []datum.Value) (datum.Value, error) {
		for _, a := range args[:first] {
			if a == nil {
				return nil, nil
			}
		}
		return f(c, args)
	}, datum.Interval, datum.TimestampTZ, datum.Text, datum.TimestampTZ, datum.Interval)
}

// integerBuckets is time_bucket of integers, whose grid has 0 or the offset as a point.
func integerBuckets[T integer]() evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		width, value, offset := reader[T](args[0]), reader[T](args[1]), func(int) T { return 0 }
		if len(args) > 2 {
			offset = reader[T](args[2])
		}
		return rows(c, args, n, ret, func(i int) (T, error) {
			w, v := int64(width(i)), int64(value(i))
			if err := positiveWidth(w); err != nil {
				return 0, err
			}
			rest := floorMod(v, w) - floorMod(int64(offset(i)), w)
			if rest < 0 {
				rest += w
			}
			r := v - rest
			if r > v || int64(T(r)) != r {
				return 0, timestampRange()
			}
			return T(r), nil
		})
	}
}
