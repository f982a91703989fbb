package psqlscript

import (
	"strings"
	"unicode"
)

// A Kind says what a token is.
type Kind byte

const (
	Word     Kind = iota // a key word or a name, in lower case
	Quoted               // a name in double quotes, without them
	String               // a constant in quotes or dollars, as it stands
	Number               // digits and what belongs to them
	Operator             // characters of operators, as many as belong together
	Mark                 // a bracket, comma, semicolon, dot or colon
	Space                // white space and comments
)

// A Token is a piece of a statement.
type Token struct {
	Kind Kind
	Text string // as Kind says
	size int    // bytes in the source
}

// Tokens splits a statement, and leaves out spaces and comments.
func Tokens(sql string) []Token {
	var out []Token
	for sql != "" {
		t := next(sql, true)
		sql = sql[t.size:]
		if t.Kind != Space {
			out = append(out, t)
		}
	}
	return out
}

const operators = "+-*/<>=~!@#%^&|`?"

// next reads the token at the start of s, which is not empty. With standard strings a
// backslash in ” is but a character.
func next(s string, standard bool) Token {
	c := s[0]
	switch {
	case strings.HasPrefix(s, "--"):
		return Token{Kind: Space, size: lineLength(s)}
	case strings.HasPrefix(s, "/*"):
		return Token{Kind: Space, size: commentLength(s)}
	case unicode.IsSpace(rune(c)):
		n := 1
		for n < len(s) && unicode.IsSpace(rune(s[n])) {
			n++
		}
		return Token{Kind: Space, size: n}
	case c == '\'':
		return whole(String, s, quotedLength(s, '\'', !standard))
	case c == '"':
		n := quotedLength(s, '"', false)
		return Token{Quoted, strings.ReplaceAll(strings.Trim(s[:n], `"`), `""`, `"`), n}
	case (c == 'e' || c == 'E') && len(s) > 1 && s[1] == '\'':
		return whole(String, s, 1+quotedLength(s[1:], '\'', true))
	case strings.ContainsRune("bBxXnN", rune(c)) && len(s) > 1 && s[1] == '\'':
		return whole(String, s, 1+quotedLength(s[1:], '\'', false))
	case (c == 'u' || c == 'U') && len(s) > 2 && s[1] == '&' && (s[2] == '\'' || s[2] == '"'):
		return whole(String, s, 2+quotedLength(s[2:], s[2], false))
	case c == '$':
		if n := dollarLength(s); n > 0 {
			return whole(String, s, n)
		}
		return whole(Word, s, 1+wordLength(s[1:]))
	case isWordStart(c):
		n := wordLength(s)
		return Token{Word, strings.ToLower(s[:n]), n}
	case isDigit(c) || c == '.' && len(s) > 1 && isDigit(s[1]):
		n := 1
		for n < len(s) && (isDigit(s[n]) || s[n] == '.' || isWordStart(s[n])) {
			n++
		}
		return whole(Number, s, n)
	case strings.HasPrefix(s, "::"):
		return whole(Mark, s, 2)
	case strings.IndexByte(operators, c) >= 0:
		n := 1
		for n < len(s) && strings.IndexByte(operators, s[n]) >= 0 && !strings.HasPrefix(s[n:], "--") && !strings.HasPrefix(s[n:], "/*") {
			n++
		}
		return whole(Operator, s, n)
	}
	return whole(Mark, s, 1)
}

func whole(k Kind, s string, n int) Token { return Token{k, s[:n], n} }

func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' }

func wordLength(s string) int {
	n := 0
	for n < len(s) && (isWordStart(s[n]) || isDigit(s[n]) || s[n] == '$') {
		n++
	}
	return n
}

func lineLength(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quotedLength is of the constant at the start of s; two quotes in a row are one of it.
func quotedLength(s string, quote byte, backslash bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && backslash:
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollarLength is of a constant in dollars at the start of s, or 0.
func dollarLength(s string) int {
	n := 1
	for n < len(s) && s[n] != '$' && (isWordStart(s[n]) || n > 1 && isDigit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return 0
	}
	end := strings.Index(s[n+1:], s[:n+1])
	if end < 0 {
		return len(s)
	}
	return n + 1 + end + n + 1
}
