package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeAges is age: the difference of two times in years, months, days and
// time, as a person counts. With one argument it is the age at midnight today.
func datetimeAges(k kernels) {
	k.add(fn2(func(a, b datum.Micros) (datum.IntervalValue, error) { return age(a, b, a < b) }), "timestamp_age")
	k.add(fn2c(ageIn), "timestamptz_age")
	k.add(fn1c(func(c *Context, m datum.Micros) (datum.IntervalValue, error) {
		today, err := localMidnight(c)
		if err != nil {
			return datum.IntervalValue{}, err
		}
		return age(today, m, today < m)
	}), "oid2059")
	k.add(fn1c(func(c *Context, m datum.Micros) (datum.IntervalValue, error) {
		today, err := localMidnight(c)
		if err != nil {
			return datum.IntervalValue{}, err
		}
		moment, err := datum.ToUTC(today, c.Env.Location())
		if err != nil {
			return datum.IntervalValue{}, err
		}
		return ageIn(c, moment, m)
	}), "oid1386")
}

// ageIn counts by the clocks of the session's zone; which is the earlier time
// the moments tell, for a clock may be set back.
func ageIn(c *Context, a, b datum.Micros) (datum.IntervalValue, error) {
	la, err := localMicros(c, a)
	if err != nil {
		return datum.IntervalValue{}, err
	}
	lb, err := localMicros(c, b)
	if err != nil {
		return datum.IntervalValue{}, err
	}
	return age(la, lb, a < b)
}

// localMidnight is the beginning of today in the session's zone.
func localMidnight(c *Context) (datum.Micros, error) {
	now, err := localMicros(c, nowMicros(c))
	return now - datum.Micros(timeOfDay(int64(now))), err
}

// age counts from the earlier time on: whole months first, then days, where a
// month that is begun has the length of the earlier time's month.
func age(a, b datum.Micros, negative bool) (datum.IntervalValue, error) {
	if !a.Finite() || !b.Finite() {
		return datum.IntervalValue{}, pgerr.New(pgerr.DatetimeOverflow, "cannot subtract infinite timestamps")
	}
	late, early := datum.CivilOf(a), datum.CivilOf(b)
	if negative {
		late, early = early, late
	}
	months := (late.Year-early.Year)*12 + late.Month - early.Month
	days := late.Day - early.Day
	micros := late.TimeOfDay() - early.TimeOfDay()
	if micros < 0 {
		micros += microsPerDay
		days--
	}
	for days < 0 {
		days += datum.DaysInMonth(early.Year, early.Month)
		months--
	}
	if negative {
		months, days, micros = -months, -days, -micros
	}
	return narrowInterval(months, days, micros)
}
