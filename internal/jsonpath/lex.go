package jsonpath

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

type token uint8

const (
	tEnd token = iota
	tSpecial
	tIdent // also keywords: word says which
	tString
	tVariable
	tNumber
	tInt
	tAnd
	tOr
	tNot
	tAny
	tLess
	tLessOrEqual
	tEqual
	tNotEqual
	tGreater
	tGreaterOrEqual
)

// A lexer reads tokens as PostgreSQL's does, whose errors name what it has read last.
type lexer struct {
	src  string
	at   int
	tok  token
	text string // of a string or name, without quotes and escapes; of numbers and special characters as they are
	word string // the keyword that tIdent is, or nothing
	last string // what errors say they are near to; nothing: the end
}

const specials = "?%$.[]{}()|&!=<>@#,*:-+/"

func isSpecial(c byte) bool { return strings.IndexByte(specials, c) >= 0 }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// isOther says that a character may be part of a name.
func isOther(c byte) bool { return !isSpecial(c) && !isBlank(c) && c != '"' && c != '\\' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// keywords are found in any case, but for those that say true.
var keywords = map[string]bool{
	"is": false, "to": false, "abs": false, "lax": false, "flag": false, "last": false, "null": true, "size": false, "true": true,
	"type": false, "with": false, "false": true, "floor": false, "double": false, "exists": false, "starts": false, "strict": false,
	"ceiling": false, "unknown": false, "datetime": false, "keyvalue": false, "like_regex": false,
}

func (l *lexer) fail(message string) error {
	if l.last == "" {
		return pgerr.New(pgerr.SyntaxError, "%s at end of jsonpath input", message)
	}
	return pgerr.New(pgerr.SyntaxError, "%s at or near \"%s\" of jsonpath input", message, l.last)
}

// operators are the tokens of more than one character, and those of one that have a token.
var operators = []struct {
	text string
	tok  token
}{
	{"&&", tAnd}, {"||", tOr}, {"**", tAny}, {"<=", tLessOrEqual}, {"==", tEqual}, {"<>", tNotEqual}, {"!=", tNotEqual},
	{">=", tGreaterOrEqual}, {"!", tNot}, {"<", tLess}, {">", tGreater},
}

// next reads the next token.
func (l *lexer) next() error {
	if err := l.skip(); err != nil {
		return err
	}
	l.text, l.word = "", ""
	if l.at == len(l.src) {
		l.tok, l.last = tEnd, ""
		return nil
	}
	c, rest := l.src[l.at], l.src[l.at:]
	switch {
	case c == '"':
		return l.quoted(tString, 1)
	case c == '$' && len(rest) > 1 && rest[1] == '"':
		return l.quoted(tVariable, 2)
	case c == '$' && len(rest) > 1 && isOther(rest[1]):
		n := 1 + others(rest[1:])
		l.text = rest[1:n]
		l.take(tVariable, n)
		return nil
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number()
	}
	for _, o := range operators {
		if strings.HasPrefix(rest, o.text) {
			l.take(o.tok, len(o.text))
			return nil
		}
	}
	if isSpecial(c) {
		l.text = rest[:1]
		l.take(tSpecial, 1)
		return nil
	}
	return l.name()
}

func (l *lexer) take(t token, n int) {
	l.tok, l.last = t, l.src[l.at:l.at+n]
	l.at += n
}

// skip passes over blanks and comments.
func (l *lexer) skip() error {
	for l.at < len(l.src) {
		switch {
		case isBlank(l.src[l.at]):
			l.at++
		case strings.HasPrefix(l.src[l.at:], "/*"):
			n := strings.Index(l.src[l.at+2:], "*/")
			if n < 0 {
				l.last = ""
				return l.fail("unexpected end of comment")
			}
			l.at += n + 4
		default:
			return nil
		}
	}
	return nil
}

func others(s string) int {
	n := 0
	for n < len(s) && isOther(s[n]) {
		n++
	}
	return n
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// number reads 0, 12, 1.5, 1., .5 and the same with an exponent.
func (l *lexer) number() error {
	s, n := l.src[l.at:], 0
	kind := tInt
	switch {
	case s[0] == '0':
		n = 1
	default:
		n = digits(s)
	}
	if n < len(s) && s[n] == '.' {
		kind = tNumber
		n++
		n += digits(s[n:])
	}
	if n < len(s) && s[n]|0x20 == 'e' {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		d := digits(s[m:])
		switch {
		case d > 0:
			kind, n = tNumber, m+d
		case m > n+1:
			l.take(tNumber, m)
			return l.fail("invalid numeric literal")
		}
	}
	if n < len(s) && isOther(s[n]) {
		_, size := utf8.DecodeRuneInString(s[n:])
		l.take(kind, n+size)
		return l.fail("trailing junk after numeric literal")
	}
	l.text = s[:n]
	l.take(kind, n)
	return nil
}

// quoted reads a string or a variable's name in quotes.
func (l *lexer) quoted(t token, open int) error {
	l.take(t, open)
	var b strings.Builder
	for {
		if l.at == len(l.src) {
			l.last = ""
			return l.fail("unterminated quoted string")
		}
		if l.src[l.at] == '"' {
			l.text = b.String()
			l.take(t, 1)
			return nil
		}
		if l.src[l.at] == '\\' {
			if err := l.escape(&b); err != nil {
				return err
			}
			continue
		}
		n := strings.IndexAny(l.src[l.at:], `"\`)
		if n < 0 {
			n = len(l.src) - l.at
		}
		b.WriteString(l.src[l.at : l.at+n])
		l.take(t, n)
	}
}

// name reads a name without quotes, which may hold escapes.
func (l *lexer) name() error {
	var b strings.Builder
	for {
		if l.at == len(l.src) {
			l.last = ""
			break
		}
		c := l.src[l.at]
		if c == '\\' {
			if err := l.escape(&b); err != nil {
				return err
			}
			continue
		}
		if n := others(l.src[l.at:]); n > 0 {
			b.WriteString(l.src[l.at : l.at+n])
			l.at += n
			continue
		}
		l.last = ""
		if isBlank(c) {
			n := 0
			for l.at+n < len(l.src) && isBlank(l.src[l.at+n]) {
				n++
			}
			l.take(tIdent, n)
		}
		break
	}
	l.tok, l.text = tIdent, b.String()
	lower := strings.ToLower(l.text)
	if exact, ok := keywords[lower]; ok && (!exact || l.text == lower) {
		l.word = lower
	}
	return nil
}

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escape reads what a backslash begins.
func (l *lexer) escape(b *strings.Builder) error {
	if l.at+1 == len(l.src) {
		l.take(l.tok, 1)
		return l.fail("unexpected end after backslash")
	}
	c := l.src[l.at+1]
	switch c {
	case 'u':
		return l.unicode(b)
	case 'x':
		n := hexDigits(l.src[l.at+2:], 2)
		l.take(l.tok, 2+n)
		if n < 2 {
			return l.fail("invalid hex character sequence")
		}
		return appendRune(b, hexValue(l.last[2:]))
	}
	if r, ok := escapes[c]; ok {
		b.WriteByte(r)
		l.take(l.tok, 2)
		return nil
	}
	_, size := utf8.DecodeRuneInString(l.src[l.at+1:])
	b.WriteString(l.src[l.at+1 : l.at+1+size])
	l.take(l.tok, 1+size)
	return nil
}

func hexDigits(s string, most int) int {
	n := 0
	for n < most && n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[n]) >= 0 {
		n++
	}
	return n
}

func hexValue(s string) rune {
	var v rune
	for i := range len(s) {
		d := s[i]
		switch {
		case d >= 'a':
			d -= 'a' - 10
		case d >= 'A':
			d -= 'A' - 10
		default:
			d -= '0'
		}
		v = v<<4 | rune(d)
	}
	return v
}

// unicode reads a run of \uXXXX and \u{X...}, of which two may make a pair of surrogates.
func (l *lexer) unicode(b *strings.Builder) error {
	start, high := l.at, rune(-1)
	for strings.HasPrefix(l.src[l.at:], `\u`) {
		rest := l.src[l.at+2:]
		var text string
		used := 0
		if strings.HasPrefix(rest, "{") {
			n := hexDigits(rest[1:], 6)
			text, used = rest[1:1+n], n+2
			if n == 0 || n+1 >= len(rest) || rest[n+1] != '}' {
				l.last = l.src[start : l.at+3+n]
				return l.fail("invalid unicode sequence")
			}
		} else {
			n := hexDigits(rest, 4)
			text, used = rest[:n], n
			if n < 4 {
				l.last = l.src[start : l.at+2+n]
				return l.fail("invalid unicode sequence")
			}
		}
		l.at += 2 + used
		l.last = l.src[start:l.at]
		r := hexValue(text)
		switch {
		case r >= 0xD800 && r <= 0xDBFF:
			if high >= 0 {
				return badInput("Unicode high surrogate must not follow a high surrogate.")
			}
			high = r
			continue
		case r >= 0xDC00 && r <= 0xDFFF:
			if high < 0 {
				return errLowSurrogate()
			}
			r, high = 0x10000+(high-0xD800)<<10+(r-0xDC00), -1
		case high >= 0:
			return errLowSurrogate()
		}
		if err := appendRune(b, r); err != nil {
			return err
		}
	}
	if high >= 0 {
		return errLowSurrogate()
	}
	return nil
}

func badInput(detail string) error {
	return pgerr.New(pgerr.InvalidText, "invalid input syntax for type jsonpath").WithDetail("%s", detail)
}

func errLowSurrogate() error { return badInput("Unicode low surrogate must follow a high surrogate.") }

func appendRune(b *strings.Builder, r rune) error {
	switch {
	case r == 0:
		return pgerr.New(pgerr.UntranslatableCharacter, "unsupported Unicode escape sequence").WithDetail(`\u0000 cannot be converted to text.`)
	case r > utf8.MaxRune:
		return pgerr.New(pgerr.SyntaxError, "invalid Unicode code point")
	}
	b.WriteRune(r)
	return nil
}
