package datum

import "time"

// sameOffset returns the local times around local for which LocalOffset answers
// offset too. It keeps two days away from the changes of the zone, so that the
// hours that come twice or never are always asked for.
func sameOffset(local, offset int64, loc *time.Location) (from, to int64) {
	const margin = 2 * microsPerDay
	at := time.UnixMicro(local - offset*microsPerSecond).In(loc)
	start, end := at.ZoneBounds()
	from, to = local-365*microsPerDay, local+365*microsPerDay
	if !start.IsZero() {
		from = max(from, start.UnixMicro()+offset*microsPerSecond+margin)
	}
	if !end.IsZero() {
		to = min(to, end.UnixMicro()+offset*microsPerSecond-margin)
	}
	return from, to
}
