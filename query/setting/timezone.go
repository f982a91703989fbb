package setting

import (
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// checkTimeZone accepts what LoadZone accepts and returns the zone's proper name.
func checkTimeZone(v string) (string, error) {
	_, name, err := LoadZone(v)
	return name, err
}

// LoadZone finds a time zone by its IANA name in any case, by a POSIX specification, or by a number
// of hours east of Greenwich as SET TIME ZONE takes it; name is what SHOW prints.
func LoadZone(v string) (loc *time.Location, name string, err error) {
	s := strings.TrimSpace(v)
	switch strings.ToUpper(s) {
	case "UTC", "":
		return time.UTC, "UTC", nil
	case "GMT", "Z", "ZULU":
		return time.UTC, strings.ToUpper(s), nil
	case "DEFAULT", "LOCAL":
		return time.UTC, "UTC", nil
	}
	if h, err := strconv.ParseFloat(s, 64); err == nil && h > -24 && h < 24 {
		secs := int(h * 3600)
		return time.FixedZone(posixName(secs), secs), posixName(secs), nil
	}
	if loc, name, ok := datum.LoadZone(s); ok {
		return loc, name, nil
	}
	return nil, "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": %q", v)
}

// posixName is how PostgreSQL shows a zone that was set as an offset: "<+02>-02".
func posixName(secs int) string {
	sign, inverse := "+", "-"
	if secs < 0 {
		sign, inverse, secs = "-", "+", -secs
	}
	text := pad(secs / 3600)
	if rest := secs % 3600; rest != 0 {
		text += ":" + pad(rest/60)
		if rest%60 != 0 {
			text += ":" + pad(rest%60)
		}
	}
	return "<" + sign + text + ">" + inverse + text
}

func pad(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
