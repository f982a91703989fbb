package function

import (
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// datetimeFormats are to_char of times and intervals, to_date and to_timestamp.
func datetimeFormats(k kernels) {
	k.add(formatted(func(c *Context, v datum.Value) (*shownTime, error) {
		return shownTimestamp(v.(datum.Micros), datum.Civil{}), nil
	},
		datum.Timestamp), "timestamp_to_char")
	k.add(formatted(func(c *Context, v datum.Value) (*shownTime, error) {
		m := v.(datum.Micros)
		if !m.Finite() {
			return nil, nil
		}
		at := datum.CivilIn(m, c.Env.Location())
		local, err := shiftTimestamp(m, int64(at.Offset)*microsPerSecond)
		return shownTimestamp(local, at), err
	}, datum.TimestampTZ), "timestamptz_to_char")
	k.add(formatted(func(_ *Context, v datum.Value) (*shownTime, error) {
		return shownInterval(v.(datum.IntervalValue)), nil
	},
		datum.Interval), "interval_to_char")
	k.add(fn2c(func(c *Context, s, picture string) (datum.Micros, error) { return textToTimestamp(c, s, picture) }), "to_timestamp")
	k.add(fn2(textToDate), "to_date")
}

// formatted makes the kernel of to_char for a type. The result is NULL where the
// picture is empty or show returns nil.
func formatted(show func(c *Context, v datum.Value) (*shownTime, error), t datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		pictures := wordCache[[]picturePart]{find: parsePicture}
		return strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			picture := args[1].(string)
			if picture == "" {
				return nil, nil
			}
			parts, err := pictures.of(picture)
			if err != nil {
				return nil, err
			}
			at, err := show(c, args[0])
			if err != nil || at == nil {
				return nil, err
			}
			return at.format(parts)
		}, t, datum.Text)(c, args, n, ret)
	}
}

// A shownTime is what to_char shows of a timestamp or an interval, whose fields
// may be of any size and sign.
type shownTime struct {
	datum.Civil       // Year 0 is 1 BC
	yearDay     int64 // from 1
	zoned       bool
	interval    bool
}

// shownTimestamp takes a local time apart; zone tells the offset and abbreviation.
func shownTimestamp(local datum.Micros, zone datum.Civil) *shownTime {
	if !local.Finite() {
		return nil
	}
	t := &shownTime{Civil: datum.CivilOf(local)}
	t.Offset, t.Abbrev, t.zoned = zone.Offset, zone.Abbrev, zone.Abbrev != ""
	t.yearDay = t.day() - datum.DaysOf(t.Year, 1, 1) + 1
	return t
}

func shownInterval(v datum.IntervalValue) *shownTime {
	t := &shownTime{interval: true}
	t.Year, t.Month, t.Day = int64(v.Months/12), int64(v.Months%12), int64(v.Days)
	t.Hour, t.Minute = v.Micros/microsPerHour, v.Micros/microsPerMinute%60
	t.Second, t.Micros = v.Micros/microsPerSecond%60, v.Micros%microsPerSecond
	t.yearDay = int64(v.Months)*30 + int64(v.Days)
	return t
}

// day is the number of the date since 1970.
func (t *shownTime) day() int64 { return datum.DaysOf(t.Year, t.Month, t.Day) }

func (t *shownTime) format(parts []picturePart) (string, error) {
	var dst []byte
	for i := range parts {
		p := &parts[i]
		if p.kind != fieldPart {
			dst = append(dst, p.text...)
			continue
		}
		if t.interval && !intervalFields[p.field] {
			return "", pgerr.New(pgerr.InvalidDatetimeFormat, "invalid format specification for an interval value").
				WithHint("Intervals are not tied to specific calendar dates.")
		}
		s, isNumber := t.number(p)
		if !isNumber {
			s = t.word(p)
		}
		dst = append(dst, s...)
		if isNumber && s != "" && p.ordinal != "" {
			ending, err := ordinalEnding(s, p.ordinal)
			if err != nil {
				return "", err
			}
			dst = append(dst, ending...)
		}
	}
	return string(dst), nil
}

// intervalFields are the fields that intervals have.
var intervalFields = func() map[string]bool {
	m := map[string]bool{}
	for f := range strings.FieldsSeq("A.M. AM P.M. PM HH HH12 HH24 MI SS FF1 FF2 FF3 FF4 FF5 FF6 MS US SSSS SSSSS MM DDD IDDD DD WW IW Q CC " +
		"Y,YYY YYYY YYY YY Y IYYY IYY IY I RM W J FX") {
		m[f] = true
	}
	return m
}()

// padded writes a number with zeros up to a width that counts the sign of a
// negative one as well; with FM there is none.
func (p *picturePart) padded(v int64, width int) string {
	s := strconv.FormatInt(v, 10)
	if p.fill {
		return s
	}
	return zeroFilled(s, width)
}

// signedWidth is padded where a negative number gets one place more.
func (p *picturePart) signedWidth(v, sign int64, width int) string {
	if sign < 0 {
		width++
	}
	return p.padded(v, width)
}

// zeroFilled is C's %0*d of a number in digits.
func zeroFilled(s string, width int) string {
	if len(s) >= width {
		return s
	}
	zeros := strings.Repeat("0", width-len(s))
	if strings.HasPrefix(s, "-") {
		return "-" + zeros + s[1:]
	}
	return zeros + s
}

// number writes the fields that are numbers, which an ordinal ending may follow.
func (t *shownTime) number(p *picturePart) (string, bool) {
	switch p.field {
	case "HH", "HH12":
		h := t.Hour % 12
		if h == 0 {
			h = 12
		}
		return p.signedWidth(h, t.Hour, 2), true
	case "HH24":
		return p.signedWidth(t.Hour, t.Hour, 2), true
	case "MI":
		return p.signedWidth(t.Minute, t.Minute, 2), true
	case "SS":
		return p.signedWidth(t.Second, t.Second, 2), true
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "MS", "US":
		return t.fraction(p.field), true
	case "SSSS", "SSSSS":
		return strconv.FormatInt(t.Hour*3600+t.Minute*60+t.Second, 10), true
	case "MM":
		return p.signedWidth(t.Month, t.Month, 2), true
	case "DDD":
		return p.padded(t.yearDay, 3), true
	case "IDDD":
		day := t.day()
		_, week := isoWeek(day)
		return p.padded((week-1)*7+int64(isoWeekday(day)), 3), true
	case "DD":
		return p.padded(t.Day, 2), true
	case "D":
		return strconv.Itoa(datum.Weekday(t.day()) + 1), true
	case "ID":
		return strconv.Itoa(isoWeekday(t.day())), true
	case "WW":
		return p.padded((t.yearDay-1)/7+1, 2), true
	case "IW":
		_, week := isoWeek(t.day())
		return p.padded(week, 2), true
	case "W":
		return strconv.FormatInt((t.Day-1)/7+1, 10), true
	case "Q":
		if t.Month == 0 {
			return "", true
		}
		return strconv.FormatInt((t.Month-1)/3+1, 10), true
	case "J":
		return strconv.FormatInt(t.day()+unixEpochJulian, 10), true
	}
	return t.yearNumber(p)
}

func (t *shownTime) fraction(field string) string {
	digits := map[string]int{"MS": 3, "US": 6}[field]
	if digits == 0 {
		digits = int(field[2] - '0')
	}
	v := t.Micros
	for range 6 - digits {
		v /= 10
	}
	return zeroFilled(strconv.FormatInt(v, 10), digits)
}

func (t *shownTime) yearNumber(p *picturePart) (string, bool) {
	shown := t.shownYear(t.Year)
	year := shown
	if p.field != "" && p.field[0] == 'I' {
		iso, _ := isoWeek(t.day())
		year = t.shownYear(iso)
	}
	switch p.field {
	case "CC":
		c := t.Year / 100
		if !t.interval {
			if c = t.Year/100 - 1; t.Year > 0 {
				c = (t.Year-1)/100 + 1
			}
		}
		if c > 99 || c < -99 {
			return strconv.FormatInt(c, 10), true
		}
		return p.signedWidth(c, c, 2), true
	case "Y,YYY":
		thousands := year / 1000
		return strconv.FormatInt(thousands, 10) + "," + zeroFilled(strconv.FormatInt(year-thousands*1000, 10), 3), true
	case "YYYY", "IYYY":
		return p.signedWidth(year, shown, 4), true
	case "YYY", "IYY":
		return p.signedWidth(year%1000, shown, 3), true
	case "YY", "IY":
		return p.signedWidth(year%100, shown, 2), true
	case "Y", "I":
		return strconv.FormatInt(year%10, 10), true
	}
	return "", false
}

// shownYear counts years before Christ from 1.
func (t *shownTime) shownYear(year int64) int64 {
	if !t.interval && year <= 0 {
		return 1 - year
	}
	return year
}

// word writes the fields that are names, signs and the like.
func (t *shownTime) word(p *picturePart) string {
	half := func(am, pm string) string {
		if t.Hour%24 >= 12 {
			return p.style.apply(pm)
		}
		return p.style.apply(am)
	}
	era := func(ad, bc string) string {
		if t.Year <= 0 {
			return p.style.apply(bc)
		}
		return p.style.apply(ad)
	}
	switch p.field {
	case "AM", "PM":
		return half("AM", "PM")
	case "A.M.", "P.M.":
		return half("A.M.", "P.M.")
	case "AD", "BC":
		return era("AD", "BC")
	case "A.D.", "B.C.":
		return era("A.D.", "B.C.")
	case "MONTH":
		return p.nameIn(datum.MonthName(int(t.Month)), 9)
	case "MON":
		return p.style.apply(datum.MonthName(int(t.Month))[:3])
	case "DAY":
		return p.nameIn(datum.DayName(datum.Weekday(t.day())), 9)
	case "DY":
		return p.style.apply(datum.DayName(datum.Weekday(t.day()))[:3])
	case "RM":
		return t.romanMonth(p)
	case "TZ":
		return p.style.apply(t.Abbrev)
	case "TZH", "TZM", "OF":
		return t.offset(p)
	}
	return "" // FX
}

// nameIn writes a name, filled with blanks to a width.
func (p *picturePart) nameIn(name string, width int) string {
	name = p.style.apply(name)
	if p.fill || p.translate || len(name) >= width {
		return name
	}
	return name + strings.Repeat(" ", width-len(name))
}

func (t *shownTime) offset(p *picturePart) string {
	sign, seconds := "+", t.Offset
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	minutes := zeroFilled(strconv.Itoa(seconds%3600/60), 2)
	switch p.field {
	case "TZH":
		return sign + zeroFilled(strconv.Itoa(seconds/3600), 2)
	case "TZM":
		return minutes
	}
	s := sign + p.padded(int64(seconds/3600), 2)
	if seconds%3600 != 0 {
		s += ":" + minutes
	}
	return s
}

var romanMonths = [...]string{"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"}

// romanMonth writes a month; those of negative intervals count back from December,
// and whole years are December, or January if negative.
func (t *shownTime) romanMonth(p *picturePart) string {
	month := t.Month
	switch {
	case t.Month == 0 && t.Year == 0:
		return ""
	case t.Month < 0:
		month = 13 + t.Month
	case t.Month == 0 && t.Year > 0:
		month = 12
	case t.Month == 0:
		month = 1
	}
	return p.nameIn(romanMonths[month-1], 4)
}
