package datum

import "github.com/phyllodb/phyllo/internal/pgerr"

func parseDate(s string, env *Env) (Days, error) {
	if d, ok := isoDate(s); ok && len(s) == 10 {
		return Days(d), nil
	}
	return 0, pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type date: "%s"`, s)
}
func parseTime(s string, env *Env) (Micros, error) {
	if d, e, ok := isoTime(s, 0); ok && e == len(s) {
		return Micros(d), nil
	}
	return 0, pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type time: "%s"`, s)
}
func parseTimeTZ(s string, env *Env) (TimeTZValue, error) {
	return TimeTZValue{}, pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type time with time zone: "%s"`, s)
}
func parseTimestamp(s string, zoned bool, env *Env) (Micros, error) {
	local, off, has, ok := isoTimestamp(s)
	if !ok {
		return 0, pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type timestamp: "%s"`, s)
	}
	if zoned && has {
		local -= off * microsPerSecond
	} else if zoned {
		local -= int64(LocalOffset(Micros(local), env.Zone)) * microsPerSecond
	}
	return Micros(local), nil
}

// ParseInterval reads an interval.
func ParseInterval(s string, mod int32, env *Env) (IntervalValue, error) {
	return IntervalValue{}, pgerr.New(pgerr.InvalidDatetimeFormat, `invalid input syntax for type interval: "%s"`, s)
}
