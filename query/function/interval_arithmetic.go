package function

import (
	"math"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func intervalKernels(k kernels) {
	k.add(fn2(addIntervals), "interval_pl")
	k.add(fn2(func(a, b datum.IntervalValue) (datum.IntervalValue, error) {
		if err := subtractable(b); err != nil {
			// The difference may yet be in range: -1 - least is.
			return subtractIntervals(a, b)
		}
		return addIntervals(a, negated(b))
	}), "interval_mi")
	k.add(fn1(func(v datum.IntervalValue) (datum.IntervalValue, error) { return negated(v), subtractable(v) }), "interval_um")
	k.add(fn2(mulInterval), "interval_mul")
	k.add(fn2(func(f float64, v datum.IntervalValue) (datum.IntervalValue, error) { return mulInterval(v, f) }), "mul_d_interval")
	k.add(fn2(divInterval), "interval_div")
	k.add(fn1(justifyHours), "interval_justify_hours")
	k.add(fn1(justifyDays), "interval_justify_days")
	k.add(fn1(justifyInterval), "interval_justify_interval")
	k.add(fn1(func(datum.IntervalValue) (bool, error) { return true, nil }), "interval_finite")
	k.add(fn2(func(v datum.IntervalValue, mod int32) (datum.IntervalValue, error) { return v.Fit(mod) }), "interval_scale")
}

// narrowInterval checks that months and days fit.
func narrowInterval(months, days, micros int64) (datum.IntervalValue, error) {
	if months != int64(int32(months)) || days != int64(int32(days)) {
		return datum.IntervalValue{}, intervalRange()
	}
	return datum.IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}, nil
}

func addIntervals(a, b datum.IntervalValue) (datum.IntervalValue, error) {
	if addOverflows(a.Micros, b.Micros) {
		return datum.IntervalValue{}, intervalRange()
	}
	return narrowInterval(int64(a.Months)+int64(b.Months), int64(a.Days)+int64(b.Days), a.Micros+b.Micros)
}

func subtractIntervals(a, b datum.IntervalValue) (datum.IntervalValue, error) {
	r := a.Micros - b.Micros
	if (a.Micros < b.Micros) != (r < 0) {
		return datum.IntervalValue{}, intervalRange()
	}
	return narrowInterval(int64(a.Months)-int64(b.Months), int64(a.Days)-int64(b.Days), r)
}

// toMicrosecond rounds seconds or days to six digits.
func toMicrosecond(v float64) float64 { return math.RoundToEven(v*1e6) / 1e6 }

func mulInterval(v datum.IntervalValue, f float64) (datum.IntervalValue, error) {
	return scaleInterval(v, func(x float64) float64 { return x * f })
}

func divInterval(v datum.IntervalValue, f float64) (datum.IntervalValue, error) {
	if f == 0 {
		return v, pgerr.New(pgerr.DivisionByZero, "division by zero")
	}
	return scaleInterval(v, func(x float64) float64 { return x / f })
}

// scaleInterval scales each field; what is left of months goes to days of which
// a month has 30, what is left of days to seconds.
func scaleInterval(v datum.IntervalValue, scale func(float64) float64) (datum.IntervalValue, error) {
	months, days := scale(float64(v.Months)), scale(float64(v.Days))
	if !fitsInt32(months) || !fitsInt32(days) {
		return v, intervalRange()
	}
	restDays := toMicrosecond((months - math.Trunc(months)) * 30)
	restSeconds := toMicrosecond((days - math.Trunc(days) + restDays - math.Trunc(restDays)) * 86400)
	wholeDays := int64(days) + int64(restDays)
	if math.Abs(restSeconds) >= 86400 {
		carry := math.Trunc(restSeconds / 86400)
		wholeDays += int64(carry)
		restSeconds -= carry * 86400
	}
	micros := math.RoundToEven(scale(float64(v.Micros)) + restSeconds*1e6)
	if !(micros >= -1<<63 && micros < 1<<63) {
		return v, intervalRange()
	}
	return narrowInterval(int64(months), wholeDays, int64(micros))
}

func fitsInt32(f float64) bool { return f >= math.MinInt32 && f <= math.MaxInt32 }

// justifyHours makes days of each 24 hours, with one sign for both.
func justifyHours(v datum.IntervalValue) (datum.IntervalValue, error) {
	days := int64(v.Days) + v.Micros/microsPerDay
	micros := v.Micros % microsPerDay
	if days > 0 && micros < 0 {
		days--
		micros += microsPerDay
	} else if days < 0 && micros > 0 {
		days++
		micros -= microsPerDay
	}
	return narrowInterval(int64(v.Months), days, micros)
}

// justifyDays makes months of each 30 days, with one sign for both.
func justifyDays(v datum.IntervalValue) (datum.IntervalValue, error) {
	months, days := int64(v.Months)+int64(v.Days/30), int64(v.Days%30)
	if months > 0 && days < 0 {
		months--
		days += 30
	} else if months < 0 && days > 0 {
		months++
		days -= 30
	}
	return narrowInterval(months, days, v.Micros)
}

// justifyInterval does both, with one sign for all.
func justifyInterval(v datum.IntervalValue) (datum.IntervalValue, error) {
	days := int64(v.Days) + v.Micros/microsPerDay
	micros := v.Micros % microsPerDay
	months := int64(v.Months) + days/30
	days %= 30
	if months > 0 && (days < 0 || days == 0 && micros < 0) {
		months--
		days += 30
	} else if months < 0 && (days > 0 || days == 0 && micros > 0) {
		months++
		days -= 30
	}
	if days > 0 && micros < 0 {
		days--
		micros += microsPerDay
	} else if days < 0 && micros > 0 {
		days++
		micros -= microsPerDay
	}
	return narrowInterval(months, days, micros)
}
