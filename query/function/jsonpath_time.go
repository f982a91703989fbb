package function

import (
	"cmp"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpath"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A pathTime is a date or time that datetime() has made of a string.
type pathTime struct {
	t      datum.Type // date, time, timetz, timestamp or timestamptz
	v      datum.Value
	offset int // of a timestamptz, seconds east of Greenwich, as it was written
}

// isoPictures are the formats that datetime() tries without a template, in the standard's order; T
// may stand in place of the blank.
var isoPictures = func() []string {
	zoned := []string{"HH24:MI:SS.USTZH:TZM", "HH24:MI:SS.USTZH", "HH24:MI:SSTZH:TZM", "HH24:MI:SSTZH"}
	plain := []string{"HH24:MI:SS.US", "HH24:MI:SS"}
	list := append(append([]string{"yyyy-mm-dd"}, zoned...), plain...)
	for _, clocks := range [][]string{zoned, plain} {
		for _, between := range []string{" ", `"T"`} {
			for _, c := range clocks {
				list = append(list, "yyyy-mm-dd"+between+c)
			}
		}
	}
	return list
}()

func (r *pathRun) datetime(it *jsonpath.Item, v pathItem) (*pathTime, error) {
	if !v.is(datum.KindString) {
		return nil, pathError(pgerr.JSONDatetimeArgument, "jsonpath item method .datetime() can only be applied to a string")
	}
	if it.HasTemplate {
		return pathTimeBy(v.Text, it.Text)
	}
	for _, picture := range isoPictures {
		t, err := pathTimeBy(v.Text, picture)
		if !isFault(err) {
			return t, err
		}
	}
	return nil, pathFault{pgerr.New(pgerr.JSONDatetimeArgument, "datetime format is not recognized: \"%s\"", v.Text).
		WithHint("Use a datetime template argument to specify the input data format.")}
}

// pathTimeBy reads a text by a template, whose fields say which type it has.
func pathTimeBy(s, picture string) (*pathTime, error) {
	parts, err := parseStandardPicture(picture)
	if err != nil {
		return nil, err
	}
	read, err := readTimeStrictly(s, parts)
	if err != nil {
		return nil, asFault(err)
	}
	dated, timed, zoned, err := pictureContents(parts)
	if err != nil {
		return nil, asFault(err)
	}
	t, err := read.typed(s, dated, timed, zoned)
	return t, asFault(err)
}

// pictureContents says what the fields of a picture are about.
func pictureContents(parts []picturePart) (dated, timed, zoned bool, err error) {
	for _, p := range parts {
		if p.kind != fieldPart {
			continue
		}
		switch p.field {
		case "FX":
		case "TZ", "OF":
			return false, false, false, pgerr.Unsupported("formatting field \"%s\" is only supported in to_char", p.name)
		case "TZH", "TZM":
			zoned = true
		case "A.M.", "P.M.", "AM", "PM", "HH", "HH12", "HH24", "MI", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "SSSS", "SSSSS":
			timed = true
		default:
			dated = true
		}
	}
	return dated, timed, zoned, nil
}

// typed makes a value of what was read.
func (t *readTime) typed(s string, dated, timed, zoned bool) (*pathTime, error) {
	mod := int32(-1)
	if t.precision > 0 {
		mod = t.precision
	}
	of := func(oid datum.OID, v datum.Value) (*pathTime, error) {
		v, err := datum.Coerce(datum.Type{OID: oid, Mod: mod}, v, false)
		return &pathTime{t: datum.Of(oid), v: v, offset: t.Offset}, err
	}
	switch {
	case dated && timed:
		local, err := t.Timestamp()
		if err != nil {
			return nil, err
		}
		if !zoned {
			return of(datum.Timestamp, local)
		}
		if !t.hasZone {
			return nil, badDateText("missing time zone in input string for type timestamptz")
		}
		at, err := shiftTimestamp(local, -int64(t.Offset)*microsPerSecond)
		if err != nil {
			return nil, err
		}
		return of(datum.TimestampTZ, at)
	case dated && zoned:
		return nil, badDateText("datetime format is zoned but not timed")
	case dated:
		days, err := t.days(s)
		return &pathTime{t: datum.Of(datum.Date), v: days}, err
	case !timed:
		return nil, badDateText("datetime format is not dated and not timed")
	case !zoned:
		return of(datum.Time, datum.Micros(t.TimeOfDay()))
	case !t.hasZone:
		return nil, badDateText("missing time zone in input string for type timetz")
	}
	return of(datum.TimeTZ, datum.TimeTZValue{Micros: t.TimeOfDay(), Zone: int32(-t.Offset)})
}

// text is how JSON has it: a timestamptz in the zone that it was written in.
func (t *pathTime) text() string {
	env := &datum.Env{}
	switch t.t.OID {
	case datum.TimestampTZ:
		local := t.v.(datum.Micros) + datum.Micros(int64(t.offset)*microsPerSecond)
		s := isoText(datum.Of(datum.Timestamp), local, env)
		s, era, bc := strings.Cut(s, " ")
		s += offsetText(t.offset)
		if bc {
			s += " " + era
		}
		return s
	case datum.TimeTZ:
		v := t.v.(datum.TimeTZValue)
		return string(datum.AppendText(nil, datum.Of(datum.Time), datum.Micros(v.Micros), env)) + offsetText(int(-v.Zone))
	case datum.Time:
		return string(datum.AppendText(nil, t.t, t.v, env))
	}
	return isoText(t.t, t.v, env)
}

// offsetText is +hh:mm.
func offsetText(seconds int) string {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	two := func(n int) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }
	s := string(sign) + two(seconds/3600) + ":" + two(seconds/60%60)
	if seconds%60 != 0 {
		s += ":" + two(seconds%60)
	}
	return s
}

// compareTimes compares dates and times; times of day do not compare with dates. What depends on
// the session's zone needs the functions that say so in their name.
func (r *pathRun) compareTimes(a, b *pathTime) (order int, comparable bool, err error) {
	if a.t == b.t {
		return datum.Compare(a.t, a.v, b.v), true, nil
	}
	clock := func(t *pathTime) bool { return t.t.OID == datum.Time || t.t.OID == datum.TimeTZ }
	if clock(a) != clock(b) {
		return 0, false, nil
	}
	if clock(a) {
		x, err := r.zonedTime(a)
		if err != nil {
			return 0, false, err
		}
		y, err := r.zonedTime(b)
		return datum.Compare(datum.Of(datum.TimeTZ), x, y), true, err
	}
	zoned := a.t.OID == datum.TimestampTZ || b.t.OID == datum.TimestampTZ
	x, err := r.moment(a, zoned)
	if err != nil {
		return 0, false, err
	}
	y, err := r.moment(b, zoned)
	return cmp.Compare(x, y), true, err
}

func (r *pathRun) needsZone(from, to string) error {
	if r.zones {
		return nil
	}
	return pgerr.Unsupported("cannot convert value from %s to %s without time zone usage", from, to).
		WithHint("Use *_tz() function for time zone support.")
}

// zonedTime is a time of day in the session's zone, as it is now.
func (r *pathRun) zonedTime(t *pathTime) (datum.TimeTZValue, error) {
	if v, ok := t.v.(datum.TimeTZValue); ok {
		return v, nil
	}
	if err := r.needsZone("time", "timetz"); err != nil {
		return datum.TimeTZValue{}, err
	}
	return timeToTimeTZ(r.c, t.v.(datum.Micros))
}

// moment is a date or timestamp as one of the latter; days that are out of its range are
// before or behind all others.
func (r *pathRun) moment(t *pathTime, zoned bool) (datum.Micros, error) {
	name := "timestamp"
	var local datum.Micros
	switch v := t.v.(type) {
	case datum.Days:
		name = "date"
		if int64(v) > int64(datum.MaxMicros)/microsPerDay {
			local = datum.InfinityMicros
		} else {
			local = datum.Micros(int64(v) * microsPerDay)
		}
	case datum.Micros:
		local = v
	}
	if !zoned || t.t.OID == datum.TimestampTZ {
		return local, nil
	}
	if err := r.needsZone(name, "timestamptz"); err != nil {
		return 0, err
	}
	return datum.ToUTC(local, r.c.Env.Location())
}
