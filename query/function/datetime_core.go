package function

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

const (
	microsPerDay    = datum.MicrosPerDay
	microsPerSecond = datum.MicrosPerSecond
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 3600 * microsPerSecond
	unixEpochJulian = 2440588
)

func timestampRange() *pgerr.Error {
	return pgerr.New(pgerr.DatetimeOverflow, "timestamp out of range")
}

func intervalRange() *pgerr.Error {
	return pgerr.New(pgerr.DatetimeOverflow, "interval out of range")
}

func datetimeKernels(k kernels) {
	datetimeArithmetic(k)
	intervalKernels(k)
	datetimeCasts(k)
	datetimeCrossComparisons(k)
	datetimeTruncation(k)
	datetimeExtraction(k)
	datetimeConstructors(k)
	datetimeZones(k)
	datetimeClocks(k)
	datetimeAges(k)
	datetimeOverlaps(k)
	dateBins(k)
	datetimeFormats(k)
	k.add(fn1(func(d datum.Days) (bool, error) { return d.Finite(), nil }), "date_finite")
	k.add(fn1(func(m datum.Micros) (bool, error) { return m.Finite(), nil }), "timestamp_finite")
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// floorMod is a - floorDiv(a, b)*b: 0 or of b's sign.
func floorMod(a, b int64) int64 {
	r := a % b
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r
}

func addOverflows(a, b int64) bool {
	r := a + b
	return (r > a) != (b > 0) && b != 0
}

// shiftTimestamp adds microseconds to a finite timestamp.
func shiftTimestamp(m datum.Micros, micros int64) (datum.Micros, error) {
	r := m + datum.Micros(micros)
	if addOverflows(int64(m), micros) || r < datum.MinMicros || r > datum.MaxMicros {
		return 0, timestampRange()
	}
	return r, nil
}

// addToTimestamp adds an interval to a timestamp without a zone: months, cut to
// the length of the month they end in, then days, then time.
func addToTimestamp(m datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	if v.Months != 0 || v.Days != 0 {
		day := floorDiv(int64(m), microsPerDay)
		r, err := datum.TimestampOf(addToDay(day, v), int64(m)-day*microsPerDay)
		if err != nil {
			return 0, err
		}
		m = r
	}
	return shiftTimestamp(m, v.Micros)
}

// addToDay adds months and days to a day since 1970.
func addToDay(day int64, v datum.IntervalValue) int64 {
	if v.Months != 0 {
		year, month, d := datum.DateOf(day)
		month += int64(v.Months)
		year, month = year+floorDiv(month-1, 12), floorMod(month-1, 12)+1
		day = datum.DaysOf(year, month, min(d, datum.DaysInMonth(year, month)))
	}
	return day + int64(v.Days)
}

// addToTimestampTZ does the same for a moment: months and days move the local
// date and keep the time of day, time moves the moment.
func addToTimestampTZ(m datum.Micros, v datum.IntervalValue, loc *time.Location) (datum.Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	for _, step := range [...]datum.IntervalValue{{Months: v.Months}, {Days: v.Days}} {
		if step == (datum.IntervalValue{}) {
			continue
		}
		local, err := datum.ToLocal(m, loc)
		if err != nil {
			return 0, err
		}
		if local, err = addToTimestamp(local, step); err != nil {
			return 0, err
		}
		if m, err = datum.ToUTC(local, loc); err != nil {
			return 0, err
		}
	}
	return shiftTimestamp(m, v.Micros)
}

func negated(v datum.IntervalValue) datum.IntervalValue {
	return datum.IntervalValue{Months: -v.Months, Days: -v.Days, Micros: -v.Micros}
}

// subtractable refuses the intervals that have no negative.
func subtractable(v datum.IntervalValue) error {
	const min32 = -1 << 31
	if v.Months == min32 || v.Days == min32 || v.Micros == -1<<63 {
		return intervalRange()
	}
	return nil
}

// dateToTimestamp is midnight of a date.
func dateToTimestamp(d datum.Days) (datum.Micros, error) {
	switch d {
	case datum.InfinityDays:
		return datum.InfinityMicros, nil
	case datum.NegInfinityDays:
		return datum.NegInfinityMicros, nil
	}
	m, err := datum.TimestampOf(int64(d), 0)
	if err != nil {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "date out of range for timestamp")
	}
	return m, nil
}

// dateToTimestampTZ is midnight of a date in a zone.
func dateToTimestampTZ(d datum.Days, loc *time.Location) (datum.Micros, error) {
	local, err := dateToTimestamp(d)
	if err != nil {
		return 0, err
	}
	m, err := datum.ToUTC(local, loc)
	if err != nil {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "date out of range for timestamp")
	}
	return m, nil
}

func timestampToDate(m datum.Micros) datum.Days {
	switch m {
	case datum.InfinityMicros:
		return datum.InfinityDays
	case datum.NegInfinityMicros:
		return datum.NegInfinityDays
	}
	return datum.Days(floorDiv(int64(m), microsPerDay))
}

// localMicros is what a clock in the session's zone shows.
func localMicros(c *Context, m datum.Micros) (datum.Micros, error) {
	return datum.ToLocal(m, c.Env.Location())
}

// nowMicros is the transaction's start.
func nowMicros(c *Context) datum.Micros { return datum.Micros(c.Env.Now.UnixMicro()) }
