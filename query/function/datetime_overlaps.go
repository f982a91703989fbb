package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
)

// datetimeOverlaps is OVERLAPS: whether two stretches of time have a moment in
// common. Each is given by its ends, in any order, or by one end and a length.
func datetimeOverlaps(k kernels) {
	timestamp := func(_ *Context, v datum.Value, l datum.IntervalValue) (datum.Value, error) {
		return addToTimestamp(v.(datum.Micros), l)
	}
	clock := func(_ *Context, v datum.Value, l datum.IntervalValue) (datum.Value, error) {
		return addToTime(v.(datum.Micros), l)
	}
	moment := func(c *Context, v datum.Value, l datum.IntervalValue) (datum.Value, error) {
		return addToTimestampTZ(v.(datum.Micros), l, c.Env.Location())
	}
	k.add(overlapping(datum.Timestamp, nil, datum.Timestamp, datum.Timestamp), "overlaps_timestamp")
	k.add(overlapping(datum.Timestamp, timestamp, datum.Interval, datum.Interval), "oid2042")
	k.add(overlapping(datum.Timestamp, timestamp, datum.Timestamp, datum.Interval), "oid2043")
	k.add(overlapping(datum.Timestamp, timestamp, datum.Interval, datum.Timestamp), "oid2044")
	k.add(overlapping(datum.TimestampTZ, moment, datum.Interval, datum.Interval), "oid1305")
	k.add(overlapping(datum.TimestampTZ, moment, datum.TimestampTZ, datum.Interval), "oid1306")
	k.add(overlapping(datum.TimestampTZ, moment, datum.Interval, datum.TimestampTZ), "oid1307")
	k.add(overlapping(datum.Time, nil, datum.Time, datum.Time), "overlaps_time")
	k.add(overlapping(datum.Time, clock, datum.Interval, datum.Interval), "oid1309")
	k.add(overlapping(datum.Time, clock, datum.Time, datum.Interval), "oid1310")
	k.add(overlapping(datum.Time, clock, datum.Interval, datum.Time), "oid1311")
	k.add(overlapping(datum.TimeTZ, nil, datum.TimeTZ, datum.TimeTZ), "overlaps_timetz")
}

// A plusFunc adds a length to a beginning.
type plusFunc func(*Context, datum.Value, datum.IntervalValue) (datum.Value, error)

// setEnd replaces the length of a stretch by its end.
func setEnd(c *Context, v []datum.Value, plus plusFunc) (err error) {
	length, ok := v[1].(datum.IntervalValue)
	if !ok {
		return nil
	}
	if v[1] = nil; v[0] != nil {
		v[1], err = plus(c, v[0], length)
	}
	return err
}

// overlapping makes the kernel for times of a type, where the second and the
// fourth argument have the types end1 and end2.
func overlapping(t datum.OID, plus plusFunc, end1, end2 datum.OID) evalFunc {
	compare := func(a, b datum.Value) int { return datum.Compare(datum.Of(t), a, b) }
	return boxed(func(c *Context, v []datum.Value) (datum.Value, error) {
		if err := setEnd(c, v[:2], plus); err != nil {
			return nil, err
		}
		if err := setEnd(c, v[2:4], plus); err != nil {
			return nil, err
		}
		from1, to1, ok1 := inOrder(v[0], v[1], compare)
		from2, to2, ok2 := inOrder(v[2], v[3], compare)
		if !ok1 || !ok2 {
			return nil, nil
		}
		return overlap(from1, to1, from2, to2, compare), nil
	}, t, end1, t, end2)
}

// inOrder sorts the ends of a stretch; one that is not known comes last, as nil.
// ok is false if neither is known.
func inOrder(a, b datum.Value, compare func(a, b datum.Value) int) (from, to datum.Value, ok bool) {
	if a == nil || b != nil && compare(a, b) > 0 {
		a, b = b, a
	}
	return a, b, a != nil
}

// overlap says whether two stretches do, NULL where that hangs on an end that
// is not known. An end is not part of its stretch, unless it is the beginning too.
func overlap(from1, to1, from2, to2 datum.Value, compare func(a, b datum.Value) int) datum.Value {
	switch c := compare(from1, from2); {
	case c > 0:
		return before(from1, to2, to1, compare)
	case c < 0:
		return before(from2, to1, to2, compare)
	case to1 == nil || to2 == nil:
		return nil
	}
	return true
}

// before says whether the later beginning lies before the end of the earlier stretch.
func before(laterFrom, earlierTo, laterTo datum.Value, compare func(a, b datum.Value) int) datum.Value {
	switch {
	case earlierTo == nil:
		return nil
	case compare(laterFrom, earlierTo) < 0:
		return true
	case laterTo == nil:
		return nil
	}
	// The later stretch begins at or after the other's end.
	return false
}
