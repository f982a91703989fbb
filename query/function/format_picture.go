package function

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Pictures are the formats of to_char, to_date and to_timestamp: fields such as
// YYYY, with modifiers around them, and text between them.

// A picturePart is a field or a character of a picture.
type picturePart struct {
	kind pictureKind
	text string // the character, of parts that are not fields
	// Of fields: the name, and the field it stands for (in capitals).
	name, field string
	style       letterCase
	fill        bool   // FM: no padding
	translate   bool   // TM: names in the session's language, which is English, and no padding
	ordinal     string // TH or th, in which case the ending is written
}

type pictureKind uint8

const (
	fieldPart pictureKind = iota
	textPart              // a character, quoted or of no meaning
	separatorPart
	spacePart
)

// maxPicture is the most bytes of a picture: each of its characters becomes a part.
const maxPicture = 64 << 10

var errPictureTooLong = pgerr.New(pgerr.ProgramLimitExceeded, "a format of more than %d bytes is too long", maxPicture)

// letterCase is how a field's name is written, and so are the names that it yields.
type letterCase uint8

const (
	upperCase letterCase = iota
	lowerCase
	titleCase
)

func (l letterCase) apply(s string) string {
	switch l {
	case upperCase:
		return strings.ToUpper(s)
	case lowerCase:
		return strings.ToLower(s)
	}
	return s
}

// Fields by what they do to the rest of a picture.
const (
	digitFields = "CC DDD DD D HH24 HH12 HH IDDD ID IW IYYY IYY IY I J MI MM MS Q SSSSS SSSS SS US WW W Y,YYY YYYY YYY YY Y TZM"
	wordFields  = "A.D. A.M. AD AM B.C. BC DAY DY FF1 FF2 FF3 FF4 FF5 FF6 FX MONTH MON OF P.M. PM RM TZH TZ"
	titleFields = "Day Dy Month Mon" // known in mixed letters as well
)

// pictureFields has all spellings of fields.
var pictureFields = func() map[string]picturePart {
	m := map[string]picturePart{}
	add := func(list string, styles ...letterCase) {
		for f := range strings.FieldsSeq(list) {
			upper := strings.ToUpper(f)
			for _, s := range styles {
				name := f
				if s != titleCase {
					name = s.apply(f)
				}
				m[name] = picturePart{name: name, field: upper, style: s}
			}
		}
	}
	add(digitFields+" "+wordFields, upperCase, lowerCase)
	add(titleFields, titleCase)
	return m
}()

// takesDigits are the fields that are read as numbers.
var takesDigits = func() map[string]bool {
	m := map[string]bool{}
	for f := range strings.FieldsSeq(digitFields + " FF1 FF2 FF3 FF4 FF5 FF6") {
		m[f] = true
	}
	return m
}()

const longestField = 5

// parsePicture splits a picture into its parts.
func parsePicture(s string) ([]picturePart, error) { return splitPicture(s, false) }

// parseStandardPicture does the same as the SQL standard has it, to which only some characters are separators.
func parseStandardPicture(s string) ([]picturePart, error) { return splitPicture(s, true) }

const standardSeparators = "-./,':; "

func splitPicture(s string, standard bool) ([]picturePart, error) {
	if len(s) > maxPicture {
		return nil, errPictureTooLong
	}
	var parts []picturePart
	for s != "" {
		var mods picturePart
		switch {
		case hasAnyPrefix(s, "FM", "fm"):
			mods.fill, s = true, s[2:]
		case hasAnyPrefix(s, "TM", "tm"):
			mods.translate, s = true, s[2:]
		}
		if f, ok := fieldAt(s); ok {
			s = s[len(f.name):]
			f.fill, f.translate = mods.fill, mods.translate
			switch {
			case hasAnyPrefix(s, "TH", "th"):
				f.ordinal, s = s[:2], s[2:]
			case strings.HasPrefix(s, "SP"):
				s = s[2:] // spelled out: PostgreSQL does not either
			}
			parts = append(parts, f)
			continue
		}
		if standard && s != "" && s[0] != '"' && strings.IndexByte(standardSeparators, s[0]) < 0 {
			return nil, pgerr.New(pgerr.InvalidDatetimeFormat, "invalid datetime format separator: \"%s\"", s[:runeSize(s)])
		}
		if s != "" {
			parts, s = pictureText(parts, s)
		}
	}
	return parts, nil
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// fieldAt finds the longest field that s begins with.
func fieldAt(s string) (picturePart, bool) {
	for n := min(longestField, len(s)); n > 0; n-- {
		if f, ok := pictureFields[s[:n]]; ok {
			return f, true
		}
	}
	return picturePart{}, false
}

// pictureText appends the character or quoted text that s begins with, and
// returns what follows.
func pictureText(parts []picturePart, s string) ([]picturePart, string) {
	if s[0] == '"' {
		return quotedText(parts, s[1:])
	}
	if strings.HasPrefix(s, `\"`) {
		s = s[1:]
	}
	size := runeSize(s)
	p := picturePart{kind: textPart, text: s[:size]}
	switch {
	case isSeparator(s[0]):
		p.kind = separatorPart
	case isSpaceByte(s[0]):
		p.kind = spacePart
	}
	return append(parts, p), s[size:]
}

// quotedText appends the characters up to a closing quote; a backslash takes
// the next one as it is.
func quotedText(parts []picturePart, s string) ([]picturePart, string) {
	for s != "" {
		if s[0] == '"' {
			return parts, s[1:]
		}
		if s[0] == '\\' && len(s) > 1 {
			s = s[1:]
		}
		size := runeSize(s)
		parts = append(parts, picturePart{kind: textPart, text: s[:size]})
		s = s[size:]
	}
	return parts, s
}

func runeSize(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// isSeparator says whether a byte is a printable ASCII character, but no letter,
// digit or blank.
func isSeparator(c byte) bool {
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(c|0x20 >= 'a' && c|0x20 <= 'z')
}

func isSpaceByte(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// ordinalEnding returns ST, ND, RD or TH for a number in decimal digits, in the
// letters of how it is asked for.
func ordinalEnding(number, how string) (string, error) {
	last := byte(0)
	if number != "" {
		last = number[len(number)-1]
	}
	if last < '0' || last > '9' {
		return "", pgerr.New(pgerr.InvalidText, "\"%s\" is not a number", number)
	}
	if len(number) > 1 && number[len(number)-2] == '1' {
		last = '0' // 11th
	}
	ending := "TH"
	switch last {
	case '1':
		ending = "ST"
	case '2':
		ending = "ND"
	case '3':
		ending = "RD"
	}
	if how == "th" {
		ending = strings.ToLower(ending)
	}
	return ending, nil
}
