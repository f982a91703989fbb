package parse

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// quoted lexes a string whose first character is at off; start is where its
// token begins. Doubled quotes stand for one; with escapes, backslashes work
// too. Strings with a newline between them are one.
func (l *lexer) quoted(start, off int, escapes bool) string {
	var b strings.Builder
	plain := true // nothing has been copied to b: the value is a part of src
	from := off
	for i := off; i < len(l.src); {
		switch c := l.src[i]; {
		case c == '\'' && l.at(i+1) == '\'':
			b.WriteString(l.src[from : i+1])
			plain, i = false, i+2
			from = i
		case c == '\'':
			more := l.continued(i + 1)
			if more < 0 {
				l.off = i + 1
				if plain {
					return l.src[from:i]
				}
				b.WriteString(l.src[from:i])
				if escapes {
					checkUTF8(b.String())
				}
				return b.String()
			}
			b.WriteString(l.src[from:i])
			plain, i = false, more
			from = i
		case c == '\\' && escapes:
			b.WriteString(l.src[from:i])
			plain, i = false, l.escape(&b, start, i)
			from = i
		default:
			i++
		}
	}
	l.fail("unterminated quoted string", start, len(l.src))
	return ""
}

// continued returns the offset after the opening quote of a string that
// continues the one that ended before off, or -1: white space with a newline
// must stand between.
func (l *lexer) continued(off int) int {
	newline := false
	for i := off; i < len(l.src); {
		switch c := l.src[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case isSpace(c):
			i++
		case c == '-' && l.at(i+1) == '-':
			n := strings.IndexAny(l.src[i:], "\n\r")
			if n < 0 {
				return -1
			}
			i += n
		case c == '\'' && newline:
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

// escape handles the backslash at off and returns the offset after the escape.
func (l *lexer) escape(b *strings.Builder, start, off int) int {
	if off+1 >= len(l.src) {
		l.fail("unterminated quoted string", start, len(l.src))
	}
	c := l.src[off+1]
	switch {
	case c >= '0' && c <= '7':
		return l.byteEscape(b, off+1, 3, 8)
	case c == 'x' && hexValue(l.at(off+2)) >= 0:
		return l.byteEscape(b, off+2, 2, 16)
	case c == 'u':
		return l.runeEscape(b, off, 4)
	case c == 'U':
		return l.runeEscape(b, off, 8)
	}
	if i := strings.IndexByte("bfnrtv", c); i >= 0 {
		b.WriteByte("\b\f\n\r\tv"[i])
		return off + 2
	}
	_, n := utf8.DecodeRuneInString(l.src[off+1:])
	b.WriteString(l.src[off+1 : off+1+n])
	return off + 1 + n
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// byteEscape reads up to maxDigits digits of \ooo or \xhh and returns the
// offset after them. Whether the bytes make characters is seen at the end of
// the string.
func (l *lexer) byteEscape(b *strings.Builder, off, maxDigits, base int) int {
	v, end := 0, off+maxDigits
	for ; off < end; off++ {
		h := hexValue(l.at(off))
		if h < 0 || h >= base {
			break
		}
		v = v*base + h
	}
	b.WriteByte(byte(v))
	return off
}

func invalidUTF8(s string, off int) *pgerr.Error {
	hex := ""
	n := 1
	for n < 4 && off+n < len(s) && !utf8.RuneStart(s[off+n]) {
		n++
	}
	for _, c := range []byte(s[off : off+n]) {
		hex += " 0x" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
	}
	return pgerr.New(pgerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\":%s", hex)
}

// runeEscape reads \uXXXX or \UXXXXXXXX at off, or a pair of surrogates.
func (l *lexer) runeEscape(b *strings.Builder, off, digits int) int {
	r := l.hexRune(off, off+2, digits)
	end := off + 2 + digits
	if isHighSurrogate(r) {
		if l.at(end) != '\\' || l.at(end+1) != 'u' && l.at(end+1) != 'U' {
			_, n := utf8.DecodeRuneInString(l.src[min(end, len(l.src)):])
			l.failUnicode("invalid Unicode surrogate pair", end, end+n)
		}
		n := 4
		if l.at(end+1) == 'U' {
			n = 8
		}
		low := l.hexRune(off, end+2, n)
		if !isLowSurrogate(low) {
			l.failUnicode("invalid Unicode surrogate pair", end, end+2+n)
		}
		r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
		end += 2 + n
	} else if isLowSurrogate(r) {
		l.failUnicode("invalid Unicode surrogate pair", off, end)
	}
	if r == 0 || r > utf8.MaxRune {
		l.failUnicode("invalid Unicode escape value", off, end)
	}
	b.WriteRune(r)
	return end
}

func isHighSurrogate(r rune) bool { return r >= 0xD800 && r < 0xDC00 }
func isLowSurrogate(r rune) bool  { return r >= 0xDC00 && r < 0xE000 }

func (l *lexer) failUnicode(msg string, off, end int) {
	l.fail(msg, min(off, len(l.src)), min(end, len(l.src)))
}

func (l *lexer) hexRune(start, off, digits int) rune {
	var r rune
	for i := range digits {
		h := hexValue(l.at(off + i))
		if h < 0 {
			panic(bailout{pgerr.New(pgerr.InvalidEscape, "invalid Unicode escape").
				WithHint(`Unicode escapes must be \uXXXX or \UXXXXXXXX.`).At(l.position(start))})
		}
		if r > utf8.MaxRune {
			continue // refused below; do not overflow
		}
		r = r<<4 | rune(h)
	}
	return r
}

// digits lexes the inside of B'..' or X'..' whose letter is at start. Whether
// they are digits is for the type's input to say.
func (l *lexer) digits(start int, what string) string {
	i := strings.IndexByte(l.src[start+2:], '\'')
	if i < 0 {
		l.fail("unterminated "+what+" string literal", start, len(l.src))
	}
	text := l.src[start+2 : start+2+i]
	l.off = start + 2 + i + 1
	return text
}

// quotedIdent lexes a quoted name whose first character is at off.
func (l *lexer) quotedIdent(start, off int) string {
	i := off
	doubled := false
	for ; ; i++ {
		n := strings.IndexByte(l.src[i:], '"')
		if n < 0 {
			l.fail("unterminated quoted identifier", start, len(l.src))
		}
		i += n
		if l.at(i+1) != '"' {
			break
		}
		doubled = true
		i++
	}
	l.off = i + 1
	if i == off {
		l.fail("zero-length delimited identifier", start, l.off)
	}
	if doubled {
		return strings.ReplaceAll(l.src[off:i], `""`, `"`)
	}
	return l.src[off:i]
}

// unicodeEscapes decodes the inside of a U& string or name, with the escape
// character that UESCAPE after it may set.
func (l *lexer) unicodeEscapes(start int, raw string) string {
	escape := byte('\\')
	saved := *l
	l.skipSpace()
	if word := l.src[l.off:]; len(word) >= 7 && strings.EqualFold(word[:7], "uescape") && !isIdentPart(l.at(l.off+7)) {
		l.off += 7
		t := l.next()
		if t.kind != tString {
			l.failAt("UESCAPE must be followed by a simple string literal", t)
		}
		if len(t.text) != 1 || hexValue(t.text[0]) >= 0 || t.text[0] == '+' || t.text[0] == '\'' || t.text[0] == '"' ||
			isSpace(t.text[0]) {
			l.fail("invalid Unicode escape character", int(t.off), int(t.end))
		}
		escape = t.text[0]
	} else {
		*l = saved
	}
	return l.decodeUnicode(start, raw, escape)
}

func (l *lexer) decodeUnicode(start int, raw string, escape byte) string {
	var b strings.Builder
	i := 0
	bad := func(msg string) { // PostgreSQL counts bytes here, and always from U&'
		panic(bailout{pgerr.New(pgerr.SyntaxError, "%s", msg).At(l.position(start) + 3 + i)})
	}
	var high rune
	for i < len(raw) {
		if raw[i] != escape || i+1 < len(raw) && raw[i+1] == escape {
			if high != 0 {
				bad("invalid Unicode surrogate pair")
			}
			if raw[i] == escape {
				i++
			}
			b.WriteByte(raw[i])
			i++
			continue
		}
		digits, off := 4, i+1
		if off < len(raw) && raw[off] == '+' {
			digits, off = 6, i+2
		}
		var r rune
		for j := off; j < off+digits; j++ {
			if j >= len(raw) || hexValue(raw[j]) < 0 {
				bad("invalid Unicode escape")
			}
			r = r<<4 | rune(hexValue(raw[j]))
		}
		i = off + digits
		switch {
		case high != 0 && !isLowSurrogate(r), high == 0 && isLowSurrogate(r):
			bad("invalid Unicode surrogate pair")
		case high != 0:
			r = 0x10000 + (high-0xD800)<<10 + (r - 0xDC00)
			high = 0
		case isHighSurrogate(r):
			high = r
			continue
		}
		if r == 0 || r > utf8.MaxRune {
			bad("invalid Unicode escape value")
		}
		b.WriteRune(r)
	}
	if high != 0 {
		bad("invalid Unicode surrogate pair")
	}
	return b.String()
}
