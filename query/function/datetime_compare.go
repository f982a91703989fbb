package function

import (
	"cmp"

	"github.com/phyllodb/phyllo/internal/datum"
)

// datetimeCrossComparisons compares dates, timestamps and timestamptzs with one
// another. A date or local time beyond the range of timestamps is greater or
// less than all finite ones, not an error.
func datetimeCrossComparisons(k kernels) {
	addCross(k, "date", "timestamp", func(_ *Context, d datum.Days, m datum.Micros) int { return compareDate(d, m, 0) })
	addCross(k, "date", "timestamptz", func(c *Context, d datum.Days, m datum.Micros) int {
		local, err := dateToTimestamp(d)
		if err != nil || !local.Finite() {
			return compareDate(d, m, 0)
		}
		return compareDate(d, m, datum.LocalOffset(local, c.Env.Location()))
	})
	addCross(k, "timestamp", "timestamptz", func(c *Context, a, b datum.Micros) int {
		if a.Finite() && b.Finite() {
			return compareShifted(a, datum.LocalOffset(a, c.Env.Location()), b)
		}
		return cmp.Compare(a, b)
	})
}

// addCross registers the comparisons of two types, in both orders.
func addCross[A, B fixed](k kernels, a, b string, compare func(*Context, A, B) int) {
	for op, name := range [...]string{"eq", "ne", "lt", "le", "gt", "ge"} {
		k.add(compareWith(cmpOp(op), compare), a+"_"+name+"_"+b)
		k.add(compareWith(cmpOp(op), func(c *Context, x B, y A) int { return -compare(c, y, x) }), b+"_"+name+"_"+a)
	}
	k.add(threeWayWith(compare), a+"_cmp_"+b)
	k.add(threeWayWith(func(c *Context, x B, y A) int { return -compare(c, y, x) }), b+"_cmp_"+a)
}

// compareDate compares midnight of a date, in a zone so many seconds east, with a moment.
func compareDate(d datum.Days, m datum.Micros, offset int) int {
	switch {
	case d == datum.InfinityDays:
		return cmp.Compare(datum.InfinityMicros, m)
	case d == datum.NegInfinityDays:
		return cmp.Compare(datum.NegInfinityMicros, m)
	case m == datum.InfinityMicros:
		return -1
	case m == datum.NegInfinityMicros:
		return 1
	}
	seconds := int64(d)*86400 - int64(offset)
	at := floorDiv(int64(m), microsPerSecond)
	if c := cmp.Compare(seconds, at); c != 0 {
		return c
	}
	return cmp.Compare(0, int64(m)-at*microsPerSecond)
}

// compareShifted compares a local time so many seconds east with a moment.
func compareShifted(local datum.Micros, offset int, m datum.Micros) int {
	a := floorDiv(int64(local), microsPerSecond)
	b := floorDiv(int64(m), microsPerSecond)
	if c := cmp.Compare(a-int64(offset), b); c != 0 {
		return c
	}
	return cmp.Compare(int64(local)-a*microsPerSecond, int64(m)-b*microsPerSecond)
}
