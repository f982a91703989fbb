package function

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeZones is timezone(zone, time), which AT TIME ZONE calls.
func datetimeZones(k kernels) {
	k.add(inNamedZone(zoneOffsets.utc), "timestamp_zone")
	k.add(inNamedZone(zoneOffsets.local), "timestamptz_zone")
	k.add(fn2(func(zone datum.IntervalValue, m datum.Micros) (datum.Micros, error) {
		if !m.Finite() { // as every zone sees it
			return m, nil
		}
		offset, err := intervalZone(zone)
		if err != nil {
			return m, err
		}
		return shiftTimestamp(m, -offset*microsPerSecond)
	}), "timestamp_izone")
	k.add(fn2(func(zone datum.IntervalValue, m datum.Micros) (datum.Micros, error) {
		if !m.Finite() { // as every zone sees it
			return m, nil
		}
		offset, err := intervalZone(zone)
		if err != nil {
			return m, err
		}
		return shiftTimestamp(m, offset*microsPerSecond)
	}), "timestamptz_izone")
	k.add(fn2c(func(c *Context, zone string, t datum.TimeTZValue) (datum.TimeTZValue, error) {
		z, err := zoneSpec(zone)
		if err != nil {
			return t, err
		}
		return timeAt(t, int64(z.OffsetAt(nowMicros(c)))), nil
	}), "timetz_zone")
	k.add(fn2(func(zone datum.IntervalValue, t datum.TimeTZValue) (datum.TimeTZValue, error) {
		offset, err := intervalZone(zone)
		return timeAt(t, offset), err
	}), "timetz_izone")
}

// inNamedZone turns timestamps between local time and UTC, in the zones that
// the first argument names.
func inNamedZone(turn func(zoneOffsets, datum.Micros) (datum.Micros, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		zones := wordCache[zoneOffsets]{find: zoneNamed}
		names := args[0].Array.(*array.String)
		at, out := colOf[datum.Micros](args[1]), newOut[datum.Micros](c.Mem, args, n)
		for i := range out.v {
			m := at.v[i&at.mask]
			if out.v[i] = m; !m.Finite() || out.mask.null(i) {
				continue
			}
			z, err := zones.of(names.Value(args[0].At(i)))
			if err == nil {
				out.v[i], err = turn(z, m)
			}
			if err != nil {
				out.release()
				return nil, err
			}
		}
		return out.array(ret), nil
	}
}

// An abbreviation of a zone, or an offset: datum.ZoneSpec as zoneOffsets.
type specOffsets struct{ datum.ZoneSpec }

func (z specOffsets) local(m datum.Micros) (datum.Micros, error) { return z.ToLocal(m) }
func (z specOffsets) utc(m datum.Micros) (datum.Micros, error)   { return z.ToUTC(m) }

func zoneNamed(name string) (zoneOffsets, error) {
	z, err := zoneSpec(name)
	if err != nil {
		return nil, err
	}
	if loc, ok := z.Location(); ok {
		return newZoneClock(loc), nil
	}
	return specOffsets{z}, nil
}

// maxZoneName is how much of a zone's name counts.
const maxZoneName = 255

func zoneSpec(name string) (datum.ZoneSpec, error) {
	if len(name) > maxZoneName {
		name = name[:maxZoneName]
	}
	z, ok := datum.ParseZone(name)
	if !ok {
		return z, pgerr.New(pgerr.InvalidParameterValue, "time zone \"%s\" not recognized", name)
	}
	return z, nil
}

// intervalZone reads an interval as the seconds that a zone is east of Greenwich.
func intervalZone(v datum.IntervalValue) (int64, error) {
	if v.Months != 0 || v.Days != 0 {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "interval time zone \"%s\" must not include months or days",
			datum.AppendText(nil, datum.Of(datum.Interval), v, nil))
	}
	return v.Micros / microsPerSecond, nil
}

// timeAt is a time of day as clocks so many seconds east of Greenwich show it.
func timeAt(t datum.TimeTZValue, offset int64) datum.TimeTZValue {
	return datum.TimeTZValue{Micros: timeOfDay(t.Micros + (int64(t.Zone)+offset)*microsPerSecond), Zone: int32(-offset)}
}

// datetimeClocks are the functions that tell the time. Each answers one moment
// for all rows of a batch but clock_timestamp and timeofday.
func datetimeClocks(k kernels) {
	k.add(fn0(func(c *Context) (datum.Micros, error) { return nowMicros(c), nil }), "now")
	k.add(fn0(func(c *Context) (datum.Micros, error) { return datum.Micros(c.Env.StatementNow.UnixMicro()), nil }), "statement_timestamp")
	k.add(fn0(func(*Context) (datum.Micros, error) { return datum.Micros(time.Now().UnixMicro()), nil }), "clock_timestamp")
	k.add(fn0(func(c *Context) (string, error) {
		return time.Now().In(c.Env.Location()).Format("Mon Jan 02 15:04:05.000000 2006 MST"), nil
	}), "timeofday")
}
