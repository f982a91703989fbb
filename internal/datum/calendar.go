package datum

import (
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// MicrosPerDay and MicrosPerSecond are units of Micros.
const (
	MicrosPerDay    = microsPerDay
	MicrosPerSecond = microsPerSecond
)

const (
	microsPerSecond = 1_000_000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour
	secondsPerDay   = 86400

	// maxZoneSeconds is the farthest from Greenwich a zone may be: 15:59:59.
	maxZoneSeconds = 15*3600 + 59*60 + 59

	// julianUnixEpoch is the Julian day of 1970-01-01, postgresEpochDays the day
	// from which PostgreSQL's binary formats count, 2000-01-01.
	julianUnixEpoch   = 2440588
	postgresEpochDays = 10957
	// PostgresEpochMicros is 2000-01-01 in our count.
	PostgresEpochMicros = postgresEpochDays * microsPerDay
)

// The first and last dates and timestamps: from 4714-11-24 BC, Julian day 0, as
// in PostgreSQL; dates to 5874897-12-31 as there, timestamps to
// 294247-01-10 04:00:54.775806, thirty years less than there, because we count
// from 1970 and not from 2000.
const (
	MinDays   = Days(-julianUnixEpoch)
	MaxDays   = Days(2147483493 - julianUnixEpoch)
	MinMicros = Micros(-julianUnixEpoch * microsPerDay)
	MaxMicros = InfinityMicros - 1
)

// Finite says whether a date is neither infinity.
func (d Days) Finite() bool { return d != InfinityDays && d != NegInfinityDays }

// Finite says whether a timestamp is neither infinity.
func (m Micros) Finite() bool { return m != InfinityMicros && m != NegInfinityMicros }

func timestampOutOfRange() *pgerr.Error {
	return pgerr.New(pgerr.DatetimeOverflow, "timestamp out of range")
}

// civilDays returns the days from 1970-01-01 to a date of the proleptic
// Gregorian calendar; year 0 is 1 BC. The month may be beyond 1 to 12.
func civilDays(year, month, day int64) int64 {
	month--
	year += floorDiv(month, 12)
	month = floorMod(month, 12) + 1
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// DaysOf is civilDays for other packages, DateOf its inverse.
func DaysOf(year, month, day int64) int64        { return civilDays(year, month, day) }
func DateOf(days int64) (year, month, day int64) { return civil(days) }

// DaysInMonth returns the length of month 1 to 12.
func DaysInMonth(year, month int64) int64 { return daysInMonth(year, month) }

// TimestampOf returns the moment micros after midnight of a day since 1970; it
// checks the range.
func TimestampOf(days, micros int64) (Micros, error) { return timestampOf(days, micros) }

// civil is the inverse of civilDays.
func civil(days int64) (year, month, day int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

func isLeap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

var monthDays = [13]int64{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysInMonth(year, month int64) int64 {
	if month == 2 && isLeap(year) {
		return 29
	}
	return monthDays[month]
}

// A Civil is a moment in parts, as PostgreSQL's struct pg_tm: Year 0 is 1 BC.
type Civil struct {
	Year, Month, Day     int64
	Hour, Minute, Second int64
	Micros               int64
	Offset               int // of the zone, seconds east of Greenwich
	Abbrev               string
}

// CivilOf takes a finite timestamp apart; Offset and Abbrev stay empty.
func CivilOf(m Micros) Civil { return civilAt(m, 0) }

// civilAt takes a timestamp apart that is so many seconds later, which need not
// be in range.
func civilAt(m Micros, seconds int) Civil {
	days := floorDiv(int64(m), microsPerDay)
	t := int64(m) - days*microsPerDay + int64(seconds)*microsPerSecond
	if t < 0 || t >= microsPerDay {
		more := floorDiv(t, microsPerDay)
		days += more
		t -= more * microsPerDay
	}
	var c Civil
	c.Year, c.Month, c.Day = civil(days)
	c.Hour, t = t/microsPerHour, t%microsPerHour
	c.Minute, t = t/microsPerMinute, t%microsPerMinute
	c.Second, c.Micros = t/microsPerSecond, t%microsPerSecond
	return c
}

// CivilIn takes a finite timestamptz apart as a clock in loc shows it.
func CivilIn(m Micros, loc *time.Location) Civil {
	name, offset := zoneAt(m, loc)
	c := civilAt(m, offset)
	c.Offset, c.Abbrev = offset, name
	return c
}

// zoneAt returns the abbreviation and the seconds east of Greenwich at a moment.
func zoneAt(m Micros, loc *time.Location) (abbrev string, offset int) {
	if loc == nil || loc == time.UTC {
		return "UTC", 0
	}
	return time.Unix(floorDiv(int64(m), microsPerSecond), 0).In(loc).Zone()
}

// OffsetAt returns the seconds east of Greenwich at a moment in loc.
func OffsetAt(m Micros, loc *time.Location) int {
	_, offset := zoneAt(m, loc)
	return offset
}

// LocalOffset returns the offset that a local time has in loc. As in PostgreSQL
// a time in the gap of spring takes the offset before it, and one that comes
// twice in autumn the offset after the change.
func LocalOffset(local Micros, loc *time.Location) int {
	return localOffset(floorDiv(int64(local), microsPerSecond), loc)
}

// localOffset is LocalOffset for a local time in seconds since 1970.
func localOffset(sec int64, loc *time.Location) int {
	if loc == nil || loc == time.UTC {
		return 0
	}
	prev := time.Unix(sec-secondsPerDay, 0).In(loc)
	_, before := prev.Zone()
	_, end := prev.ZoneBounds()
	if end.IsZero() {
		return before
	}
	boundary := end.Unix()
	_, after := end.Zone()
	beforeTime, afterTime := sec-int64(before), sec-int64(after)
	switch {
	case beforeTime < boundary && afterTime < boundary:
		return before
	case beforeTime >= boundary && afterTime >= boundary:
		return after
	case beforeTime > afterTime:
		return before
	}
	return after
}

// ToUTC turns a local time into the moment it means in loc; infinities stay.
func ToUTC(local Micros, loc *time.Location) (Micros, error) {
	if !local.Finite() {
		return local, nil
	}
	return shiftMicros(local, -int64(LocalOffset(local, loc)))
}

// ToLocal is what a clock in loc shows at a moment; infinities stay.
func ToLocal(m Micros, loc *time.Location) (Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	return shiftMicros(m, int64(OffsetAt(m, loc)))
}

func shiftMicros(m Micros, seconds int64) (Micros, error) {
	r := m + Micros(seconds*microsPerSecond)
	if r < MinMicros || r > MaxMicros || (r > m) != (seconds > 0) && seconds != 0 {
		return 0, timestampOutOfRange()
	}
	return r, nil
}

// Timestamp puts a local date and time of day together.
func (c *Civil) Timestamp() (Micros, error) {
	days := civilDays(c.Year, c.Month, c.Day)
	return timestampOf(days, c.TimeOfDay())
}

// TimeOfDay returns the microseconds since midnight.
func (c *Civil) TimeOfDay() int64 {
	return ((c.Hour*60+c.Minute)*60+c.Second)*microsPerSecond + c.Micros
}

// timestampOf checks the range; micros may be a little beyond a day.
func timestampOf(days, micros int64) (Micros, error) {
	if days < int64(MinDays)-1 || days > int64(MaxMicros)/microsPerDay+1 {
		return 0, timestampOutOfRange()
	}
	// The product of the last day may overflow: work from one day before it.
	if days > 0 {
		days--
		micros += microsPerDay
	}
	m := days * microsPerDay
	if micros > 0 && m > int64(MaxMicros)-micros {
		return 0, timestampOutOfRange()
	}
	r := Micros(m + micros)
	if r < MinMicros {
		return 0, timestampOutOfRange()
	}
	return r, nil
}
