package function

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

func textEdits(k kernels) {
	for _, t := range []struct {
		name string
		trim func(s, cut string) string
	}{
		{"btrim", func(s, cut string) string { return trimLeft(trimRight(s, cut), cut) }},
		{"ltrim", trimLeft},
		{"rtrim", trimRight},
	} {
		k.add(fn2(func(s, cut string) (string, error) { return t.trim(s, cut), nil }), t.name)
		k.add(fn1(func(s string) (string, error) { return t.trim(s, " "), nil }), t.name+"1")
	}
	k.add(fn3(lpad), "lpad")
	k.add(fn3(rpad), "rpad")
	k.add(fn2(func(s string, n int32) (string, error) { return lpad(s, n, " ") }), "oid879")
	k.add(fn2(func(s string, n int32) (string, error) { return rpad(s, n, " ") }), "oid880")
	k.add(fn2(repeatText), "repeat")
	k.add(fn3(func(s, from, to string) (string, error) { return translate(s, from, to), nil }), "translate")
	k.add(fn1(func(s string) (string, error) { return initcap(s), nil }), "initcap")
	k.add(fn1(func(s string) (string, error) { return reverseText(s), nil }), "text_reverse")
	k.add(fn3(splitPart), "split_part")
	k.add(fn4(overlay), "textoverlay")
	k.add(fn3(func(s, with string, from int32) (string, error) {
		return overlay(s, with, from, int32(utf8.RuneCountInString(with)))
	}), "textoverlay_no_len")
	k.add(fn1(func(s string) (int32, error) {
		if s == "" {
			return 0, nil
		}
		r, _ := utf8.DecodeRuneInString(s)
		return int32(r), nil
	}), "ascii")
	k.add(fn1(chr), "chr")
	k.add(fn1(unistr), "unistr")
}

// trimLeft and trimRight remove the characters of a set from an end.
func trimLeft(s, cut string) string {
	if cut == " " {
		return strings.TrimLeft(s, " ")
	}
	return strings.TrimLeftFunc(s, func(r rune) bool { return strings.ContainsRune(cut, r) })
}

func trimRight(s, cut string) string {
	if cut == " " {
		return strings.TrimRight(s, " ")
	}
	return strings.TrimRightFunc(s, func(r rune) bool { return strings.ContainsRune(cut, r) })
}

// padding returns what fills s up to n characters, and s cut to n.
func padding(s string, n int32, fill string) (pad, cut string, err error) {
	if n <= 0 {
		return "", "", nil
	}
	length := int64(utf8.RuneCountInString(s))
	missing := int64(n) - length
	if missing < 0 {
		return "", substring(s, 1, int64(n)+1), nil
	}
	per := int64(utf8.RuneCountInString(fill))
	if per == 0 || missing == 0 {
		return "", s, nil
	}
	if int64(n) > maxText/4 || (missing/per+1)*int64(len(fill))+int64(len(s)) > maxText {
		return "", "", errTextTooLong
	}
	full := strings.Repeat(fill, int(missing/per))
	return full + substring(fill, 1, missing%per+1), s, nil
}

func lpad(s string, n int32, fill string) (string, error) {
	pad, s, err := padding(s, n, fill)
	return pad + s, err
}

func rpad(s string, n int32, fill string) (string, error) {
	pad, s, err := padding(s, n, fill)
	return s + pad, err
}

func repeatText(s string, n int32) (string, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if int64(len(s))*int64(n) > maxText {
		return "", errTextTooLong
	}
	return strings.Repeat(s, int(n)), nil
}

// translate replaces each character of from by the one at its place in to, and
// removes those that have none; of a repeated character the first counts.
func translate(s, from, to string) string {
	if s == "" {
		return ""
	}
	targets := []rune(to)
	m := map[rune]rune{}
	for i, r := range []rune(from) {
		if _, ok := m[r]; ok {
			continue
		}
		m[r] = -1
		if i < len(targets) {
			m[r] = targets[i]
		}
	}
	return strings.Map(func(r rune) rune {
		if t, ok := m[r]; ok {
			return t
		}
		return r
	}, s)
}

// initcap makes the first letter of each word upper case and the others lower
// case; words are runs of letters and digits.
func initcap(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func reverseText(s string) string {
	b := make([]byte, len(s))
	at := len(s)
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		at -= size
		copy(b[at:], s[i:i+size])
		i += size
	}
	return string(b)
}

// splitPart returns the field with 1-based number n, counted from the end if negative.
func splitPart(s, sep string, n int32) (string, error) {
	if n == 0 {
		return "", pgerr.New(pgerr.InvalidParameterValue, "field position must not be zero")
	}
	if s == "" {
		return "", nil
	}
	if sep == "" {
		if n == 1 || n == -1 {
			return s, nil
		}
		return "", nil
	}
	i := int64(n) - 1
	if n < 0 {
		i = int64(strings.Count(s, sep)) + 1 + int64(n)
	}
	if i < 0 {
		return "", nil
	}
	for ; i > 0; i-- {
		_, rest, ok := strings.Cut(s, sep)
		if !ok {
			return "", nil
		}
		s = rest
	}
	s, _, _ = strings.Cut(s, sep)
	return s, nil
}

// overlay replaces count characters of s from from on.
func overlay(s, with string, from, count int32) (string, error) {
	if from <= 0 {
		return "", errNegativeSubstring
	}
	end, err := addInt(from, count)
	if err != nil {
		return "", err
	}
	return substring(s, 1, int64(from)) + with + substring(s, int64(end), math.MaxInt64), nil
}

func chr(n int32) (string, error) {
	switch {
	case n < 0:
		return "", pgerr.New(pgerr.InvalidParameterValue, "character number must be positive")
	case n == 0:
		return "", pgerr.New(pgerr.ProgramLimitExceeded, "null character not permitted")
	case n > unicode.MaxRune:
		return "", pgerr.New(pgerr.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
	case n >= 0xD800 && n <= 0xDFFF:
		return "", pgerr.New(pgerr.ProgramLimitExceeded, "requested character not valid for encoding: %d", n)
	}
	return string(rune(n)), nil
}

// unistr decodes \XXXX, \+XXXXXX, \uXXXX and \UXXXXXXXX.
func unistr(s string) (string, error) {
	var b strings.Builder
	var high rune // of a surrogate pair
	for i := 0; i < len(s); {
		if s[i] != '\\' || strings.HasPrefix(s[i:], `\\`) {
			if high != 0 {
				return "", errSurrogate
			}
			b.WriteByte(s[i])
			if s[i] == '\\' {
				i++
			}
			i++
			continue
		}
		r, size, ok := unicodeEscape(s[i:])
		if !ok {
			return "", pgerr.New(pgerr.SyntaxError, "invalid Unicode escape").
				WithHint(`Unicode escapes must be \XXXX, \+XXXXXX, \uXXXX, or \UXXXXXXXX.`)
		}
		i += size
		switch {
		case high != 0:
			if r < 0xDC00 || r > 0xDFFF {
				return "", errSurrogate
			}
			b.WriteRune((high-0xD800)<<10 | (r - 0xDC00) + 0x10000)
			high = 0
		case r >= 0xD800 && r < 0xDC00:
			high = r
		case r >= 0xDC00 && r <= 0xDFFF:
			return "", errSurrogate
		case r == 0 || r > unicode.MaxRune:
			return "", pgerr.New(pgerr.InvalidParameterValue, "invalid Unicode code point: %04X", r)
		default:
			b.WriteRune(r)
		}
	}
	if high != 0 {
		return "", errSurrogate
	}
	return b.String(), nil
}

var errSurrogate = pgerr.New(pgerr.SyntaxError, "invalid Unicode surrogate pair")

func unicodeEscape(s string) (r rune, size int, ok bool) {
	start, digits := 1, 4
	if len(s) > 1 {
		switch s[1] {
		case '+':
			start, digits = 2, 6
		case 'u':
			start = 2
		case 'U':
			start, digits = 2, 8
		}
	}
	if len(s) < start+digits {
		return 0, 0, false
	}
	var v uint32
	for _, c := range []byte(s[start : start+digits]) {
		d, ok := hexDigit(c)
		if !ok {
			return 0, 0, false
		}
		v = v<<4 | uint32(d)
	}
	if v > math.MaxInt32 {
		return unicode.MaxRune + 1, start + digits, true
	}
	return rune(v), start + digits, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
