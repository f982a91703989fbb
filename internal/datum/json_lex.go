package datum

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

type jsonToken uint8

const (
	jsonEnd jsonToken = iota
	jsonObjectStart
	jsonObjectEnd
	jsonArrayStart
	jsonArrayEnd
	jsonComma
	jsonColon
	jsonStringToken
	jsonNumberToken
	jsonTrue
	jsonFalse
	jsonNullToken
)

// A jsonLexer splits JSON as PostgreSQL's does, so that its errors say the same.
// The current token is src[start:end].
type jsonLexer struct {
	src        string
	start, end int
	token      jsonToken
	line       int
	lineStart  int
	unescape   bool   // strings are wanted in str; they must be valid for text
	str        string // of a string token
}

// next moves to the next token.
func (l *jsonLexer) next() error {
	p := l.end
	for p < len(l.src) && (l.src[p] == ' ' || l.src[p] == '\t' || l.src[p] == '\n' || l.src[p] == '\r') {
		if l.src[p] == '\n' {
			l.line++
			l.lineStart = p + 1
		}
		p++
	}
	l.start = p
	if p >= len(l.src) {
		l.end, l.token = p, jsonEnd
		return nil
	}
	l.end = p + 1
	switch c := l.src[p]; c {
	case '{':
		l.token = jsonObjectStart
	case '}':
		l.token = jsonObjectEnd
	case '[':
		l.token = jsonArrayStart
	case ']':
		l.token = jsonArrayEnd
	case ',':
		l.token = jsonComma
	case ':':
		l.token = jsonColon
	case '"':
		l.token = jsonStringToken
		return l.string()
	case '-':
		l.token = jsonNumberToken
		return l.number(p + 1)
	default:
		if c >= '0' && c <= '9' {
			l.token = jsonNumberToken
			return l.number(p)
		}
		return l.word()
	}
	return nil
}

func jsonWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func (l *jsonLexer) word() error {
	p := l.start
	for p < len(l.src) && jsonWordByte(l.src[p]) {
		p++
	}
	if p == l.start {
		return l.invalidToken(p + 1)
	}
	l.end = p
	switch l.src[l.start:p] {
	case "true":
		l.token = jsonTrue
	case "false":
		l.token = jsonFalse
	case "null":
		l.token = jsonNullToken
	default:
		return l.invalidToken(p)
	}
	return nil
}

func (l *jsonLexer) digits(p int) int {
	for p < len(l.src) && l.src[p] >= '0' && l.src[p] <= '9' {
		p++
	}
	return p
}

func (l *jsonLexer) at(p int) byte {
	if p < len(l.src) {
		return l.src[p]
	}
	return 0
}

func (l *jsonLexer) number(p int) error {
	ok := true
	if l.at(p) == '0' {
		p++
	} else {
		q := l.digits(p)
		ok = q > p
		p = q
	}
	if l.at(p) == '.' {
		q := l.digits(p + 1)
		ok = ok && q > p+1
		p = q
	}
	if c := l.at(p); c == 'e' || c == 'E' {
		p++
		if c := l.at(p); c == '+' || c == '-' {
			p++
		}
		q := l.digits(p)
		ok = ok && q > p
		p = q
	}
	for p < len(l.src) && jsonWordByte(l.src[p]) {
		ok = false
		p++
	}
	l.end = p
	if !ok {
		return l.invalidToken(p)
	}
	return nil
}

// string reads a string token; the text without escapes is a part of src.
func (l *jsonLexer) string() error {
	for p := l.start + 1; p < len(l.src); p++ {
		switch c := l.src[p]; {
		case c == '"':
			l.end = p + 1
			l.str = l.src[l.start+1 : p]
			return nil
		case c < 0x20:
			return l.mustEscape(p)
		case c == '\\':
			return l.escapedString(p)
		}
	}
	return l.invalidToken(len(l.src))
}

func (l *jsonLexer) escapedString(p int) error {
	var b strings.Builder
	b.WriteString(l.src[l.start+1 : p])
	high := rune(-1) // a surrogate that waits for its second half
	for p < len(l.src) {
		c := l.src[p]
		if c == '\\' && l.at(p+1) == 'u' && p+1 < len(l.src) {
			r, err := l.hex(p + 2)
			if err != nil {
				return err
			}
			p += 6
			if l.unescape {
				if high, err = l.unicode(&b, r, high, p-1); err != nil {
					return err
				}
			}
			continue
		}
		if c == '\\' && p+1 >= len(l.src) {
			return l.invalidToken(len(l.src))
		}
		if high >= 0 {
			return l.fail(p, "Unicode low surrogate must follow a high surrogate.")
		}
		switch {
		case c == '"':
			l.end = p + 1
			l.str = b.String()
			return nil
		case c < 0x20:
			return l.mustEscape(p)
		case c == '\\':
			i := strings.IndexByte(`"\/bfnrt`, l.src[p+1])
			if i < 0 {
				return l.badEscape(p + 1)
			}
			b.WriteByte("\"\\/\b\f\n\r\t"[i])
			p += 2
		default:
			b.WriteByte(c)
			p++
		}
	}
	return l.invalidToken(len(l.src))
}

func (l *jsonLexer) badEscape(p int) error {
	_, n := utf8.DecodeRuneInString(l.src[p:])
	l.start = p
	return l.fail(p+n, `Escape sequence "\`+l.src[p:p+n]+`" is invalid.`)
}

func (l *jsonLexer) hex(p int) (rune, error) {
	var r rune
	for i := p; i < p+4; i++ {
		if i >= len(l.src) {
			return 0, l.invalidToken(len(l.src))
		}
		d := hexDigit(l.src[i])
		if d < 0 {
			_, n := utf8.DecodeRuneInString(l.src[i:])
			return 0, l.fail(i+n, `"\u" must be followed by four hexadecimal digits.`)
		}
		r = r<<4 | rune(d)
	}
	return r, nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// unicode adds an escaped code unit and returns the surrogate to wait for, or -1.
func (l *jsonLexer) unicode(b *strings.Builder, r, high rune, p int) (rune, error) {
	switch {
	case r >= 0xd800 && r <= 0xdbff:
		if high >= 0 {
			return 0, l.fail(p, "Unicode high surrogate must not follow a high surrogate.")
		}
		return r, nil
	case r >= 0xdc00 && r <= 0xdfff:
		if high < 0 {
			return 0, l.fail(p, "Unicode low surrogate must follow a high surrogate.")
		}
		b.WriteRune((high-0xd800)<<10 + (r - 0xdc00) + 0x10000)
		return -1, nil
	case high >= 0:
		return 0, l.fail(p, "Unicode low surrogate must follow a high surrogate.")
	case r == 0:
		return 0, l.failWith(pgerr.UntranslatableCharacter, "unsupported Unicode escape sequence", p, `\u0000 cannot be converted to text.`)
	}
	b.WriteRune(r)
	return -1, nil
}

func (l *jsonLexer) mustEscape(p int) error {
	const digits = "0123456789abcdef"
	c := l.src[p]
	return l.fail(p, "Character with value 0x"+string(digits[c>>4])+string(digits[c&15])+" must be escaped.")
}

func (l *jsonLexer) invalidToken(end int) error {
	return l.fail(end, `Token "`+l.src[l.start:end]+`" is invalid.`)
}

// unexpected reports the current token where something else was expected.
func (l *jsonLexer) unexpected(expected string) error {
	if l.token == jsonEnd {
		return l.fail(l.end, "The input string ended unexpectedly.")
	}
	return l.fail(l.end, "Expected "+expected+`, but found "`+l.src[l.start:l.end]+`".`)
}

// fail reports an error in what ends at end.
func (l *jsonLexer) fail(end int, detail string) error {
	return l.failWith(pgerr.InvalidText, "invalid input syntax for type json", end, detail)
}

func (l *jsonLexer) failWith(code, message string, end int, detail string) error {
	from := l.lineStart
	for end-from >= 50 {
		_, n := utf8.DecodeRuneInString(l.src[from:])
		from += n
	}
	prefix, suffix := "...", ""
	if from-l.lineStart <= 3 {
		from, prefix = l.lineStart, ""
	}
	if l.token != jsonEnd && end < len(l.src) && l.src[end] != '\n' && l.src[end] != '\r' {
		suffix = "..."
	}
	err := pgerr.New(code, "%s", message).WithDetail("%s", detail)
	err.Where = pgerr.New("", "JSON data, line %d: %s%s%s", l.line, prefix, l.src[from:end], suffix).Message
	return err
}
