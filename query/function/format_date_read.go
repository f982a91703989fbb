package function

import (
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A dateReader reads a text by a picture. What it accepts is what PostgreSQL
// does: blanks and separators count for little unless the picture begins with FX.
type dateReader struct {
	text  string // what is left
	begun string // the whole text
	parts []picturePart
	at    int  // of the part that is read
	exact bool // after FX
	// standard: text and separators must be those of the picture, and nothing may remain of either.
	standard bool
	extra    int // characters skipped beyond those of the picture

	set readFields
}

// readFields are the values of the fields that were read; 0 is not given.
type readFields struct {
	conventions               dateConvention
	year, yearDigits, century int64
	bc, pm                    int64
	month, day, dayOfYear     int64
	weekday                   int64 // from 1, Sunday
	week, weekOfMonth, julian int64
	hour, minute, second      int64
	secondOfDay               int64
	millis, micros            int64
	precision                 int64 // of FF1 to FF6
	halfDay                   bool  // a clock of 12 hours
	zoneSign, zoneHour        int64
	zoneMinute                int64
}

type dateConvention uint8

const (
	anyConvention dateConvention = iota
	gregorian
	isoWeeks
)

var conventionOf = func() map[string]dateConvention {
	m := map[string]dateConvention{}
	for f := range strings.FieldsSeq("DDD DD D MM MONTH MON RM WW W Y,YYY YYYY YYY YY Y") {
		m[f] = gregorian
	}
	for f := range strings.FieldsSeq("IDDD ID IW IYYY IYY IY I") {
		m[f] = isoWeeks
	}
	return m
}()

func badDateText(format string, args ...any) *pgerr.Error {
	return pgerr.New(pgerr.InvalidDatetimeFormat, format, args...)
}

// read goes through the picture until it or the text ends.
func (r *dateReader) read() error {
	for ; r.at < len(r.parts) && r.text != ""; r.at++ {
		p := &r.parts[r.at]
		if !r.exact && p.field != "FX" && (p.kind == fieldPart || r.at == 0) {
			r.extra += r.skipSpaces()
		}
		switch {
		case r.standard && p.kind != fieldPart:
			if err := r.same(p); err != nil {
				return err
			}
			continue
		case p.kind == separatorPart || p.kind == spacePart:
			r.separator()
			continue
		case p.kind == textPart:
			// Any character will do, or one that was skipped before.
			if !r.exact && r.extra > 0 {
				r.extra--
			} else {
				r.skipRune()
			}
			continue
		}
		if err := r.convention(p); err != nil {
			return err
		}
		if err := r.field(p); err != nil {
			return err
		}
		if !r.exact {
			r.extra = r.skipSpaces()
		}
	}
	if !r.standard {
		return nil
	}
	if r.at < len(r.parts) {
		return badDateText("input string is too short for datetime format")
	}
	if r.skipSpaces(); r.text != "" {
		return badDateText("trailing characters remain in input string after datetime format")
	}
	return nil
}

// same takes what a picture has besides fields.
func (r *dateReader) same(p *picturePart) error {
	rest, ok := strings.CutPrefix(r.text, p.text)
	r.text = rest
	switch {
	case ok:
		return nil
	case p.kind == textPart:
		return badDateText("unmatched format character \"%s\"", p.text)
	}
	return badDateText("unmatched format separator \"%s\"", p.text)
}

func (r *dateReader) skipSpaces() int {
	n := 0
	for n < len(r.text) && isSpaceByte(r.text[n]) {
		n++
	}
	r.text = r.text[n:]
	return n
}

func (r *dateReader) skipRune() {
	if r.text != "" {
		r.text = r.text[runeSize(r.text):]
	}
}

// separator takes one separator or blank, if there is one.
func (r *dateReader) separator() {
	if r.exact {
		r.skipRune()
		return
	}
	r.extra--
	if r.text != "" && (isSpaceByte(r.text[0]) || isSeparator(r.text[0])) {
		r.text = r.text[1:]
		r.extra++
	}
}

func (r *dateReader) convention(p *picturePart) error {
	c := conventionOf[p.field]
	switch {
	case c == anyConvention:
	case r.set.conventions == anyConvention:
		r.set.conventions = c
	case r.set.conventions != c:
		return badDateText("invalid combination of date conventions").
			WithHint("Do not mix Gregorian and ISO week date conventions in a formatting template.")
	}
	return nil
}

// store sets a field; one that was set to something else before is an error.
func (p *picturePart) store(dst *int64, v int64) error {
	if *dst != 0 && *dst != v {
		return badDateText("conflicting values for \"%s\" field in formatting string", p.name).
			WithDetail("This value contradicts a previous setting for the same field type.")
	}
	*dst = v
	return nil
}

// fieldWidths are the digits of fields that are not as long as their names.
var fieldWidths = map[string]int{"HH24": 2, "HH12": 2, "MS": 3, "US": 6, "FF1": 1, "FF2": 2, "FF3": 3, "FF4": 4, "FF5": 5, "FF6": 6,
	"IDDD": 3, "ID": 1, "TZH": 2, "TZM": 2}

// integer reads a number into dst (nil: it does not matter) and returns how many
// characters that took, blanks before it included.
func (r *dateReader) integer(p *picturePart, dst *int64) (int, error) {
	before := r.text
	width := fieldWidths[p.field]
	if width == 0 {
		width = len(p.field)
	}
	r.skipSpaces()
	// The shown text is for errors.
	shown := r.text[:min(width, len(r.text))]
	var v int64
	var used int
	if p.fill || r.endsHere() {
		v, used = leadingInt(before)
		r.text = before[used:]
	} else {
		if len(r.text) < width {
			return 0, badDateText("source string too short for \"%s\" formatting field", p.name).
				WithDetail("Field requires %d characters, but only %d remain.", width, len(r.text)).WithHint(fillHint)
		}
		v, used = leadingInt(shown)
		if used > 0 && used < width {
			return 0, badDateText("invalid value \"%s\" for \"%s\"", shown, p.name).
				WithDetail("Field requires %d characters, but only %d could be parsed.", width, used).WithHint(fillHint)
		}
		r.text = r.text[used:]
	}
	taken := len(before) - len(r.text)
	if taken == 0 {
		return 0, badDateText("invalid value \"%s\" for \"%s\"", shown, p.name).WithDetail("Value must be an integer.")
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "value for \"%s\" in source string is out of range", p.name).
			WithDetail("Value must be in the range %d to %d.", math.MinInt32, math.MaxInt32)
	}
	if dst == nil {
		return taken, nil
	}
	return taken, p.store(dst, v)
}

const fillHint = "If your source string is not fixed-width, try using the \"FM\" modifier."

// leadingInt reads blanks, a sign and digits, as strtol does; used is 0 if there
// are no digits. What does not fit is one of the extremes.
func leadingInt(s string) (v int64, used int) {
	i := 0
	for i < len(s) && isSpaceByte(s[i]) {
		i++
	}
	start := i
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	digits := i
	for i < len(s) && s[i]-'0' < 10 {
		i++
	}
	if i == digits {
		return 0, 0
	}
	v, _ = strconv.ParseInt(s[start:i], 10, 64) // the extreme, if out of range
	return v, i
}

// endsHere says whether no digit of another field follows the present one.
func (r *dateReader) endsHere() bool {
	if r.parts[r.at].ordinal != "" || r.at+1 == len(r.parts) {
		return true
	}
	next := &r.parts[r.at+1]
	if next.kind == fieldPart {
		return !takesDigits[next.field]
	}
	return next.text < "0" || next.text > "9" || len(next.text) > 1
}

// words finds the one of a list that the text begins with, in any letters.
func (r *dateReader) words(p *picturePart, list []string) (int, error) {
	for i, w := range list {
		if len(r.text) >= len(w) && w != "" && lowerASCII(r.text[:len(w)]) == w {
			r.text = r.text[len(w):]
			return i, nil
		}
	}
	shown := r.text
	if i := strings.IndexAny(shown, " \t\n\r\f"); i >= 0 {
		shown = shown[:i]
	}
	return 0, badDateText("invalid value \"%s\" for \"%s\"", shown, p.name).
		WithDetail("The given value did not match any of the allowed values for this field.")
}

var (
	monthWords, monthShort = lowered(12, func(i int) string { return datum.MonthName(i + 1) })
	dayWords, dayShort     = lowered(7, datum.DayName)
	romanWords             = func() []string {
		var out []string
		for i := len(romanMonths) - 1; i >= 0; i-- { // VIII before V
			out = append(out, strings.ToLower(romanMonths[i]))
		}
		return out
	}()
)

func lowered(n int, name func(int) string) (full, short []string) {
	for i := range n {
		s := strings.ToLower(name(i))
		full, short = append(full, s), append(short, s[:3])
	}
	return full, short
}

// field reads the field that a part stands for.
func (r *dateReader) field(p *picturePart) error {
	f := &r.set
	switch p.field {
	case "FX":
		r.exact = true
		return nil
	case "A.M.", "P.M.", "AM", "PM":
		f.halfDay = true
		return r.choice(p, &f.pm, "am", "pm")
	case "A.D.", "B.C.", "AD", "BC":
		return r.choice(p, &f.bc, "ad", "bc")
	case "MONTH":
		return r.word(p, &f.month, monthWords, func(i int) int64 { return int64(i) + 1 })
	case "MON":
		return r.word(p, &f.month, monthShort, func(i int) int64 { return int64(i) + 1 })
	case "RM":
		return r.word(p, &f.month, romanWords, func(i int) int64 { return 12 - int64(i) })
	case "DAY", "DY":
		names := dayWords
		if p.field == "DY" {
			names = dayShort
		}
		if err := r.word(p, &f.weekday, names, func(i int) int64 { return int64(i) }); err != nil {
			return err
		}
		f.weekday++
		return nil
	case "TZ", "OF":
		return pgerr.Unsupported("formatting field \"%s\" is only supported in to_char", p.name)
	case "TZH":
		return r.zoneHour(p)
	case "TZM":
		if f.zoneSign == 0 {
			f.zoneSign = 1
		}
		_, err := r.integer(p, &f.zoneMinute)
		return err
	}
	if err := r.numberField(p); err != nil {
		return err
	}
	if p.ordinal != "" {
		r.skipRune()
		r.skipRune()
	}
	return nil
}

// choice reads the second of two words as 1, dots between the letters or not as
// the picture has it.
func (r *dateReader) choice(p *picturePart, dst *int64, words ...string) error {
	if strings.Contains(p.field, ".") {
		for i, w := range words {
			words[i] = w[:1] + "." + w[1:] + "."
		}
	}
	return r.word(p, dst, words, func(i int) int64 { return int64(i) })
}

func (r *dateReader) word(p *picturePart, dst *int64, words []string, value func(int) int64) error {
	i, err := r.words(p, words)
	if err != nil {
		return err
	}
	return p.store(dst, value(i))
}

// zoneHour reads a sign and hours; the sign may have been skipped as a separator.
func (r *dateReader) zoneHour(p *picturePart) error {
	f := &r.set
	f.zoneSign = 1
	switch before := r.begun[:len(r.begun)-len(r.text)]; {
	case r.text != "" && (r.text[0] == '+' || r.text[0] == '-' || r.text[0] == ' '):
		if r.text[0] == '-' {
			f.zoneSign = -1
		}
		r.text = r.text[1:]
	case r.extra > 0 && strings.HasSuffix(before, "-"):
		f.zoneSign = -1
	}
	_, err := r.integer(p, &f.zoneHour)
	return err
}

// numberField reads the fields that are numbers.
func (r *dateReader) numberField(p *picturePart) error {
	f := &r.set
	plain := map[string]*int64{"HH": &f.hour, "HH12": &f.hour, "HH24": &f.hour, "MI": &f.minute, "SS": &f.second,
		"SSSS": &f.secondOfDay, "SSSSS": &f.secondOfDay, "MM": &f.month, "DD": &f.day, "DDD": &f.dayOfYear, "IDDD": &f.dayOfYear,
		"D": &f.weekday, "ID": &f.weekday, "WW": &f.week, "IW": &f.week, "W": &f.weekOfMonth, "CC": &f.century, "J": &f.julian,
		"Q": nil} // a quarter says no date
	switch p.field {
	case "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		return r.fraction(p)
	case "Y,YYY":
		return r.yearWithComma(p)
	case "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "I":
		n, err := r.integer(p, &f.year)
		if err != nil {
			return err
		}
		f.yearDigits = int64(len(p.field))
		if n < 4 && f.yearDigits < 4 {
			f.year = near2020(f.year)
		}
		return nil
	}
	if _, err := r.integer(p, plain[p.field]); err != nil {
		return err
	}
	switch p.field {
	case "HH", "HH12":
		f.halfDay = true
	case "ID": // Sunday is 1 in weekday
		if f.weekday++; f.weekday > 7 {
			f.weekday = 1
		}
	}
	return nil
}

// fraction reads digits of a second: those that are missing at the end are zeros.
func (r *dateReader) fraction(p *picturePart) error {
	dst, digits := &r.set.micros, 6
	switch p.field {
	case "MS":
		dst, digits = &r.set.millis, 3
	case "US":
	default:
		r.set.precision = int64(p.field[2] - '0')
	}
	n, err := r.integer(p, dst)
	for ; n < digits; n++ {
		*dst *= 10
	}
	return err
}

// near2020 completes years of less than four digits: 70 is 1970, 69 is 2069.
func near2020(year int64) int64 {
	switch {
	case year < 70, year >= 100 && year < 520:
		return year + 2000
	case year < 100:
		return year + 1900
	case year < 1000:
		return year + 1000
	}
	return year
}

func (r *dateReader) yearWithComma(p *picturePart) error {
	bad := badDateText("invalid input string for \"Y,YYY\"")
	thousands, used := leadingInt(r.text)
	if used == 0 || used >= len(r.text) || r.text[used] != ',' {
		return bad
	}
	rest := strings.TrimLeft(r.text[used+1:], " \t\n\v\f\r")
	years, digits := leadingInt(rest[:min(3, len(rest))])
	if digits == 0 {
		return bad
	}
	if thousands > math.MaxInt32/1000 || thousands < math.MinInt32/1000 {
		return pgerr.New(pgerr.DatetimeOverflow, "value for \"Y,YYY\" in source string is out of range")
	}
	if err := p.store(&r.set.year, thousands*1000+years); err != nil {
		return err
	}
	r.set.yearDigits = 4
	r.text = rest[digits:]
	return nil
}
