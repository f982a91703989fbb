package datum

import (
	"strings"
)

// fieldKind is what a field of a date looks like before it is understood.
type fieldKind uint8

const (
	numberField  fieldKind = iota
	dateField              // digits or letters with -, / or . between: also a zone's name
	timeField              // with a colon
	textField              // letters
	zoneField              // a sign and digits: an offset, or a signed number
	specialField           // a sign and letters
)

type dateTimeField struct {
	kind fieldKind
	text string // in lower case
}

// PostgreSQL's limits of the number of fields, and of their length together.
const (
	maxDateFields   = 25
	maxDateTextSize = 128 + maxDateFields
)

// splitDateTime cuts a date, time or interval into fields. All punctuation that
// means nothing to a field separates; ok is false where a character has no place.
func splitDateTime(s string) (fields []dateTimeField, ok bool) {
	size := 0
	for i := 0; i < len(s); {
		c := s[i]
		if isSpace(c) {
			i++
			continue
		}
		if len(fields) >= maxDateFields {
			return nil, false
		}
		var f dateTimeField
		switch {
		case isDigit(c):
			f, i = splitDigits(s, i)
		case c == '.':
			end := i + 1
			for end < len(s) && isDigit(s[end]) {
				end++
			}
			f, i = dateTimeField{numberField, s[i:end]}, end
		case isAlpha(c):
			f, i = splitText(s, i)
		case c == '+' || c == '-':
			if f, i, ok = splitSigned(s, i); !ok {
				return nil, false
			}
		case c > ' ' && c < 0x7f:
			i++ // other punctuation only separates
			continue
		default:
			return nil, false
		}
		if size += len(f.text) + 1; size > maxDateTextSize {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }

func splitDigits(s string, i int) (dateTimeField, int) {
	end := i
	digits := func() {
		for end < len(s) && isDigit(s[end]) {
			end++
		}
	}
	digits()
	if end == len(s) {
		return dateTimeField{numberField, s[i:end]}, end
	}
	switch sep := s[end]; sep {
	case ':':
		for end < len(s) && (isDigit(s[end]) || s[end] == ':' || s[end] == '.') {
			end++
		}
		return dateTimeField{timeField, s[i:end]}, end
	case '-', '/', '.':
		end++
		kind := dateField
		if end < len(s) && isDigit(s[end]) {
			if sep == '.' {
				kind = numberField
			}
			digits()
			if end < len(s) && s[end] == sep {
				kind = dateField
				for end < len(s) && (isDigit(s[end]) || s[end] == sep) {
					end++
				}
			}
		} else {
			for end < len(s) && (isAlnum(s[end]) || s[end] == sep) {
				end++
			}
		}
		return dateTimeField{kind, strings.ToLower(s[i:end])}, end
	}
	return dateTimeField{numberField, s[i:end]}, end
}

func splitText(s string, i int) (dateTimeField, int) {
	end := i
	for end < len(s) && isAlpha(s[end]) {
		end++
	}
	if end == len(s) {
		return dateTimeField{textField, strings.ToLower(s[i:end])}, end
	}
	inDate := false
	switch c := s[end]; {
	case c == '-' || c == '/' || c == '.':
		inDate = true
	case c == '+' || isDigit(c):
		_, known := lookupToken(dateTokens, strings.ToLower(s[i:end]))
		inDate = !known
	}
	if !inDate {
		return dateTimeField{textField, strings.ToLower(s[i:end])}, end
	}
	for end < len(s) && (isAlnum(s[end]) || strings.IndexByte("+-/_.:", s[end]) >= 0) {
		end++
	}
	return dateTimeField{dateField, strings.ToLower(s[i:end])}, end
}

func splitSigned(s string, i int) (dateTimeField, int, bool) {
	sign := s[i : i+1]
	for i++; i < len(s) && isSpace(s[i]); i++ {
	}
	end := i
	switch {
	case i == len(s):
	case isDigit(s[i]):
		for end < len(s) && (isDigit(s[end]) || s[end] == ':' || s[end] == '.' || s[end] == '-') {
			end++
		}
		return dateTimeField{zoneField, sign + s[i:end]}, end, true
	case isAlpha(s[i]):
		for end < len(s) && isAlpha(s[end]) {
			end++
		}
		return dateTimeField{specialField, sign + strings.ToLower(s[i:end])}, end, true
	}
	return dateTimeField{}, 0, false
}

// tokenClass is what a word is; the values of units and the reserved words are units.
type tokenClass uint8

const (
	tokenUnknown tokenClass = iota
	tokenIgnored
	tokenReserved
	tokenMonth
	tokenZone
	tokenDSTZone
	tokenDynamicZone
	tokenDST // DST after a zone
	tokenAMPM
	tokenEra
	tokenWeekday
	tokenUnit
	tokenAgo
	tokenISOTime // T before a time
)

type unit int

const (
	noUnit unit = iota
	unitMicrosecond
	unitMillisecond
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitQuarter
	unitYear
	unitDecade
	unitCentury
	unitMillennium
	unitJulian
	unitTime // what follows T
	unitZone
	unitOther // known, but of no use in input

	reservedNow
	reservedToday
	reservedTomorrow
	reservedYesterday
	reservedMidnight // allballs
	reservedEpoch
	reservedInfinity
	reservedNegInfinity
)

type token struct {
	class tokenClass
	unit  unit
	value int // of months, weekdays, AM (0) and PM (1), AD (0) and BC (1)
}

// tokenLength is how much of a word counts.
const tokenLength = 10

func lookupToken(table map[string]token, word string) (token, bool) {
	t, ok := table[word[:min(len(word), tokenLength)]]
	return t, ok
}

var dateTokens = map[string]token{
	"infinity":  {tokenReserved, reservedInfinity, 0},
	"-infinity": {tokenReserved, reservedNegInfinity, 0}, "epoch": {tokenReserved, reservedEpoch, 0},
	"now": {tokenReserved, reservedNow, 0}, "today": {tokenReserved, reservedToday, 0},
	"tomorrow": {tokenReserved, reservedTomorrow, 0}, "yesterday": {tokenReserved, reservedYesterday, 0},
	"allballs": {tokenReserved, reservedMidnight, 0},

	"at": {class: tokenIgnored}, "on": {class: tokenIgnored},
	"am": {class: tokenAMPM, value: 0}, "pm": {class: tokenAMPM, value: 1},
	"ad": {class: tokenEra, value: 0}, "bc": {class: tokenEra, value: 1},
	"dst": {class: tokenDST}, "t": {class: tokenISOTime, unit: unitTime},

	"d": {tokenUnit, unitDay, 0}, "h": {tokenUnit, unitHour, 0}, "m": {tokenUnit, unitMonth, 0},
	"mm": {tokenUnit, unitMinute, 0}, "s": {tokenUnit, unitSecond, 0}, "y": {tokenUnit, unitYear, 0},
	"j": {tokenUnit, unitJulian, 0}, "jd": {tokenUnit, unitJulian, 0}, "julian": {tokenUnit, unitJulian, 0},
	"dow": {tokenUnit, unitOther, 0}, "doy": {tokenUnit, unitOther, 0},
	"isodow": {tokenUnit, unitOther, 0}, "isoyear": {tokenUnit, unitOther, 0},

	"jan": month(1), "january": month(1), "feb": month(2), "february": month(2), "mar": month(3), "march": month(3),
	"apr": month(4), "april": month(4), "may": month(5), "jun": month(6), "june": month(6), "jul": month(7),
	"july": month(7), "aug": month(8), "august": month(8), "sep": month(9), "sept": month(9), "september": month(9),
	"oct": month(10), "october": month(10), "nov": month(11), "november": month(11), "dec": month(12), "december": month(12),

	"sun": weekday(0), "sunday": weekday(0), "mon": weekday(1), "monday": weekday(1), "tue": weekday(2),
	"tues": weekday(2), "tuesday": weekday(2), "wed": weekday(3), "weds": weekday(3), "wednesday": weekday(3),
	"thu": weekday(4), "thur": weekday(4), "thurs": weekday(4), "thursday": weekday(4), "fri": weekday(5),
	"friday": weekday(5), "sat": weekday(6), "saturday": weekday(6),
}

func month(n int) token   { return token{class: tokenMonth, value: n} }
func weekday(n int) token { return token{class: tokenWeekday, value: n} }

var intervalTokens = func() map[string]token {
	m := map[string]token{"@": {class: tokenIgnored}, "ago": {class: tokenAgo}}
	for u, names := range map[unit]string{
		unitMicrosecond: "microsecon us usec usecond useconds usecs",
		unitMillisecond: "millisecon ms msec msecond mseconds msecs",
		unitSecond:      "s sec second seconds secs",
		unitMinute:      "m min mins minute minutes",
		unitHour:        "h hour hours hr hrs",
		unitDay:         "d day days",
		unitWeek:        "w week weeks",
		unitMonth:       "mon mons month months",
		unitQuarter:     "qtr quarter",
		unitYear:        "y year years yr yrs",
		unitDecade:      "dec decade decades decs",
		unitCentury:     "c cent centuries century",
		unitMillennium:  "mil millennia millennium mils",
		unitOther:       "timezone timezone_h timezone_m",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = token{tokenUnit, u, 0}
		}
	}
	return m
}()
