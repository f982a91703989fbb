package setting

import (
	"strconv"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// checkTimeZone accepts what LoadZone accepts and returns the zone's proper name.
func checkTimeZone(v string) (string, error) {
	_, name, err := LoadZone(v)
	return name, err
}

// LoadZone finds a time zone by its IANA name in any case, or by a number of
// hours east of Greenwich as SET TIME ZONE takes it; name is what SHOW prints.
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
	if loc, name, ok := parsePosix(s); ok {
		return loc, name, nil
	}
	for _, candidate := range []string{s, titleZone(s), strings.ToUpper(s)} {
		if loc, err := time.LoadLocation(candidate); err == nil && candidate != "Local" {
			return loc, candidate, nil
		}
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

// parsePosix reads "<+02>-02" back, and the plain POSIX forms "UTC+3", "GMT-3"
// (whose sign is the inverse of ISO's).
func parsePosix(s string) (*time.Location, string, bool) {
	rest := s
	switch {
	case strings.HasPrefix(s, "<"):
		end := strings.IndexByte(s, '>')
		if end < 0 {
			return nil, "", false
		}
		rest = s[end+1:]
	default:
		i := strings.IndexAny(s, "+-0123456789")
		if i < 3 || strings.ContainsAny(s[:i], "/_") {
			return nil, "", false
		}
		rest = s[i:]
	}
	sign := -1
	if strings.HasPrefix(rest, "-") {
		sign = 1
	}
	rest = strings.TrimLeft(rest, "+-")
	secs, unit := 0, 3600
	for _, part := range strings.Split(rest, ":") {
		n, err := strconv.Atoi(part)
		if err != nil || unit == 0 || n > 167 {
			return nil, "", false
		}
		secs += n * unit
		unit /= 60
	}
	return time.FixedZone(s, sign*secs), s, true
}

// titleZone turns america/new_york into America/New_York.
func titleZone(s string) string {
	b := []byte(strings.ToLower(s))
	up := true
	for i, c := range b {
		if up && c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}
