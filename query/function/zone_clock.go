package function

import (
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A zoneClock turns moments into local times and back in one zone. It keeps the
// stretch between two changes of the zone that it was last asked for. It is used
// by one goroutine.
type zoneClock struct {
	loc      *time.Location
	from, to int64 // microseconds since 1970 between which the offset holds
	offset   int64 // microseconds east of Greenwich
}

func newZoneClock(loc *time.Location) *zoneClock {
	if loc == time.UTC {
		return &zoneClock{loc: loc, from: -1 << 63, to: 1<<63 - 1}
	}
	return &zoneClock{loc: loc}
}

// offsetAt returns the microseconds that local time is ahead at a moment.
func (z *zoneClock) offsetAt(m datum.Micros) int64 {
	if int64(m) < z.from || int64(m) >= z.to {
		at := time.Unix(floorDiv(int64(m), microsPerSecond), 0).In(z.loc)
		_, seconds := at.Zone()
		z.offset = int64(seconds) * microsPerSecond
		start, end := at.ZoneBounds()
		z.from, z.to = -1<<63, 1<<63-1
		if !start.IsZero() {
			z.from = boundMicros(start)
		}
		if !end.IsZero() {
			z.to = boundMicros(end)
		}
	}
	return z.offset
}

// boundMicros is a time's microseconds, or the nearest that there are.
func boundMicros(t time.Time) int64 {
	const far = 1<<63 - 1
	switch sec := t.Unix(); {
	case sec > far/microsPerSecond:
		return far
	case sec < -far/microsPerSecond:
		return -far
	default:
		return sec * microsPerSecond
	}
}

// local returns what a clock shows at a moment; infinities stay.
func (z *zoneClock) local(m datum.Micros) (datum.Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	return shiftTimestamp(m, z.offsetAt(m))
}

// utc returns the moment at which a clock shows a local time; infinities stay.
func (z *zoneClock) utc(local datum.Micros) (datum.Micros, error) {
	// Far enough from the changes the offset that held last is the right one.
	const margin = 2 * microsPerDay
	guess := int64(local) - z.offset
	if local.Finite() && z.from < z.to && z.to-margin > z.from && guess > z.from+margin && guess < z.to-margin {
		return shiftTimestamp(local, -z.offset)
	}
	return datum.ToUTC(local, z.loc)
}
