package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A timeUnit is a unit that date_trunc cuts to or a field that extract finds.
type timeUnit uint8

const (
	unknownUnit timeUnit = iota
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
	unitDayOfWeek
	unitISODayOfWeek
	unitDayOfYear
	unitISOYear
	unitZone
	unitZoneHour
	unitZoneMinute
	unitEpoch
	unitReserved // a word such as "now", which has no value to extract
)

// unitWords are PostgreSQL's words; it looks at their first ten characters only.
var unitWords = map[timeUnit]string{
	unitMicrosecond:  "microsecon us usec usecond useconds usecs",
	unitMillisecond:  "millisecon ms msec msecond mseconds msecs",
	unitSecond:       "s sec second seconds secs",
	unitMinute:       "m min mins minute minutes mm",
	unitHour:         "h hour hours hr hrs",
	unitDay:          "d day days",
	unitWeek:         "w week weeks",
	unitMonth:        "mon mons month months",
	unitQuarter:      "qtr quarter",
	unitYear:         "y year years yr yrs",
	unitDecade:       "dec decade decades decs",
	unitCentury:      "c cent centuries century",
	unitMillennium:   "mil millennia millennium mils",
	unitJulian:       "j jd julian",
	unitDayOfWeek:    "dow",
	unitISODayOfWeek: "isodow",
	unitDayOfYear:    "doy",
	unitISOYear:      "isoyear",
	unitZone:         "timezone",
	unitZoneHour:     "timezone_h",
	unitZoneMinute:   "timezone_m",
	unitEpoch:        "epoch",
	unitReserved:     "now today tomorrow yesterday allballs infinity -infinity",
}

var unitsByWord = func() map[string]timeUnit {
	m := map[string]timeUnit{}
	for u, words := range unitWords {
		for w := range strings.FieldsSeq(words) {
			m[w] = u
		}
	}
	return m
}()

// unitNamed finds a unit by its word in any case; lower is the word as errors show it.
func unitNamed(word string) (u timeUnit, lower string) {
	const wordLength, nameLength = 10, 63
	lower = lowerASCII(word)
	if len(lower) > nameLength {
		lower = strings.ToValidUTF8(lower[:nameLength], "")
	}
	return unitsByWord[lower[:min(len(lower), wordLength)]], lower
}

// lowerASCII lowers the letters that identifiers are lowered by.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// badUnit is the error for a unit that a type does not have, or that no type has.
func badUnit(u timeUnit, lower string, t datum.OID) *pgerr.Error {
	if u == unknownUnit {
		return pgerr.New(pgerr.InvalidParameterValue, "unit \"%s\" not recognized for type %s", lower, datum.Of(t))
	}
	return pgerr.Unsupported("unit \"%s\" not supported for type %s", lower, datum.Of(t))
}

// A wordCache keeps what the last of a column of words meant: mostly it is the
// same one in all rows.
type wordCache[T any] struct {
	find  func(word string) (T, error)
	word  string
	value T
	err   error
	known bool
}

func (w *wordCache[T]) of(word string) (T, error) {
	if !w.known || w.word != word {
		w.value, w.err = w.find(word)
		w.word, w.known = strings.Clone(word), true
	}
	return w.value, w.err
}
