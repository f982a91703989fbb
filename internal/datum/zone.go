package datum

import (
	"encoding/binary"
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones where the system has none
)

var zonesByLower = sync.OnceValue(func() map[string]string {
	m := make(map[string]string, 700)
	for name := range strings.FieldsSeq(zoneNames) {
		m[strings.ToLower(name)] = name
	}
	return m
})

// ZoneNames lists the zones of the IANA database by name.
func ZoneNames() []string { return strings.Fields(zoneNames) }

// loadedZones keeps what LoadZone has found; there are only so many names, and
// POSIX zones are not kept.
var loadedZones sync.Map // string -> *time.Location

// LoadZone finds a time zone by its IANA name in any case, or by a POSIX
// specification ("EST5EDT,M3.2.0,M11.1.0", "<+02>-02"); name is its spelling.
func LoadZone(s string) (loc *time.Location, name string, ok bool) {
	name, ok = zonesByLower()[strings.ToLower(s)]
	if !ok {
		if s == "" || len(s) > 255 {
			return nil, "", false
		}
		loc, ok = posixZone(s)
		return loc, s, ok
	}
	if name == "UTC" || name == "Etc/UTC" {
		return time.UTC, name, true
	}
	if l, ok := loadedZones.Load(name); ok {
		return l.(*time.Location), name, true
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, "", false
	}
	loadedZones.Store(name, loc)
	return loc, name, true
}

var posixForm = regexp.MustCompile(
	`^(<[^>]+>|[^<0-9,+-][^0-9,+-]*|)([+-]?\d+(:\d+){0,2})` +
		`((<[^>]+>|[^<0-9,+-][^0-9,+-]*)([+-]?\d+(:\d+){0,2})?(,[JM0-9./:+-]+,[JM0-9./:+-]+)?)?$`)

// posixZone makes a zone from a POSIX specification. The time package reads
// such only at the end of a zone file, so this makes a file with nothing else.
func posixZone(s string) (*time.Location, bool) {
	m := posixForm.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	offset, ok := posixOffset(m[2])
	if !ok {
		return nil, false
	}
	std := strings.Trim(m[1], "<>")
	if m[4] == "" {
		return time.FixedZone(std, -offset), true
	}
	if _, ok := posixOffset(m[6]); m[6] != "" && !ok {
		return nil, false
	}
	rules := m[8]
	if rules == "" {
		rules = ",M3.2.0,M11.1.0" // PostgreSQL's default
	}
	rule := "<" + std + ">" + m[2] + "<" + strings.Trim(m[5], "<>") + ">" + m[6] + rules
	loc, err := time.LoadLocationFromTZData(s, zoneFile(std, -offset, rule))
	return loc, err == nil
}

// posixOffset reads [+-]hh[:mm[:ss]], seconds west of Greenwich.
func posixOffset(s string) (int, bool) {
	neg := strings.HasPrefix(s, "-")
	unit, total := 3600, 0
	for part := range strings.SplitSeq(strings.TrimLeft(s, "+-"), ":") {
		n := 0
		for _, c := range part {
			n = min(n*10+int(c-'0'), 1000)
		}
		if unit == 3600 && n > 167 || unit < 3600 && n > 59 {
			return 0, false
		}
		total += n * unit
		unit /= 60
	}
	if neg {
		total = -total
	}
	return total, true
}

// zoneFile is a version 2 zone file with one type, no changes and a rule for ever.
func zoneFile(abbrev string, offset int, rule string) []byte {
	header := func(b []byte) []byte {
		b = append(b, "TZif2"...)
		b = append(b, make([]byte, 15)...)
		for _, n := range [...]int{0, 0, 0, 0, 1, len(abbrev) + 1} {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		b = binary.BigEndian.AppendUint32(b, uint32(int32(offset)))
		b = append(b, 0, 0)
		return append(append(b, abbrev...), 0)
	}
	return append(header(header(nil)), "\n"+rule+"\n"...)
}

// abbrevOffset returns the offset that an abbreviation means in a zone: that of
// its last use up to a local time in seconds, or else of its first use after it,
// or else what the zone's clocks show.
func abbrevOffset(abbrev string, loc *time.Location, local int64) int {
	offset := localOffset(local, loc)
	if off, ok := abbrevOffsetAt(abbrev, time.Unix(local-int64(offset), 0).In(loc)); ok {
		return off
	}
	return offset
}

func abbrevOffsetAt(abbrev string, at time.Time) (offset int, ok bool) {
	const limit = 500 // changes of a zone, either way
	t := at
	for range limit {
		if name, off := t.Zone(); name == abbrev {
			return off, true
		}
		start, _ := t.ZoneBounds()
		if start.IsZero() {
			break
		}
		t = start.Add(-time.Second)
	}
	t = at
	for range limit {
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		if name, off := end.Zone(); name == abbrev {
			return off, true
		}
		t = end
	}
	return 0, false
}

// fixedOffset returns the offset of a zone whose clocks were never changed.
func fixedOffset(loc *time.Location) (seconds int, fixed bool) {
	t := time.Unix(0, 0).In(loc)
	start, end := t.ZoneBounds()
	_, seconds = t.Zone()
	return seconds, start.IsZero() && end.IsZero()
}

// A ZoneSpec is a zone as AT TIME ZONE takes it: an abbreviation of a fixed
// offset, one whose meaning changed, or a zone's name.
type ZoneSpec struct {
	seconds int // east of Greenwich, if loc is nil
	loc     *time.Location
	abbrev  string // means something in loc
}

// FixedZone is a zone so many seconds east of Greenwich.
func FixedZone(seconds int) ZoneSpec { return ZoneSpec{seconds: seconds} }

// LocationZone is the zone of a location; nil is UTC.
func LocationZone(loc *time.Location) ZoneSpec {
	if loc == nil {
		loc = time.UTC
	}
	return ZoneSpec{loc: loc}
}

// Location returns the zone's location; ok is false for fixed offsets and for
// abbreviations, which mean one offset of their zone.
func (z ZoneSpec) Location() (loc *time.Location, ok bool) {
	return z.loc, z.loc != nil && z.abbrev == ""
}

// ParseZone finds an abbreviation or a zone by its name.
func ParseZone(s string) (ZoneSpec, bool) {
	if a, ok := zoneAbbrevs[strings.ToLower(s)]; ok {
		if a.zone == "" {
			return FixedZone(int(a.seconds)), true
		}
		if loc, _, ok := LoadZone(a.zone); ok {
			return ZoneSpec{loc: loc, abbrev: strings.ToUpper(s)}, true
		}
	}
	loc, _, ok := LoadZone(s)
	return ZoneSpec{loc: loc}, ok
}

// ParseZoneOffset reads +hh[:mm[:ss]]; overflow says that it is one, but beyond
// what zones may be.
func ParseZoneOffset(s string) (z ZoneSpec, ok, overflow bool) {
	var d dateTimeDecoder
	err := d.zoneOffset(s)
	return FixedZone(d.offset), err == dateOK, err == zoneOverflow
}

// LocalOffset returns the seconds east of Greenwich for a local time.
func (z ZoneSpec) LocalOffset(local Micros) int {
	switch {
	case z.loc == nil:
		return z.seconds
	case z.abbrev != "":
		return abbrevOffset(z.abbrev, z.loc, floorDiv(int64(local), microsPerSecond))
	}
	return LocalOffset(local, z.loc)
}

// OffsetAt returns the seconds east of Greenwich at a moment.
func (z ZoneSpec) OffsetAt(m Micros) int {
	if z.loc == nil {
		return z.seconds
	}
	if z.abbrev != "" {
		if off, ok := abbrevOffsetAt(z.abbrev, time.Unix(floorDiv(int64(m), microsPerSecond), 0).In(z.loc)); ok {
			return off
		}
	}
	return OffsetAt(m, z.loc)
}

// ToUTC and ToLocal turn local times into moments and back; infinities stay.
func (z ZoneSpec) ToUTC(local Micros) (Micros, error) {
	if !local.Finite() {
		return local, nil
	}
	return shiftMicros(local, -int64(z.LocalOffset(local)))
}

func (z ZoneSpec) ToLocal(m Micros) (Micros, error) {
	if !m.Finite() {
		return m, nil
	}
	return shiftMicros(m, int64(z.OffsetAt(m)))
}
