package parse

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// A kind is a token's kind. Punctuation ( ) [ ] , ; . : is its own character.
type kind uint8

const (
	tEOF kind = iota
	tIdent
	tKeyword
	tString
	tBits // B'...'
	tHex  // X'...'
	tInt
	tFloat // number with a point or an exponent
	tParam
	tOp       // any operator; text has != as <>
	tTypecast // ::
	tDotDot   // ..
	tAssign   // :=
	tArrow    // =>
)

// A token is a word of the input. text is what it stands for: identifiers
// folded, strings unescaped, keywords in lower case.
type token struct {
	kind  kind
	class ast.KeywordClass // of keywords
	bare  bool             // keywords that may be a label without AS
	// off and end are byte offsets, pos is the 1-based character position.
	off, end, pos int32
	text          string
}

// A lexer cuts SQL into tokens as PostgreSQL's scan.l does with
// standard_conforming_strings on.
type lexer struct {
	ctx   context.Context // nil: nothing ends it
	words int             // read so far
	src   string
	off   int
	ascii bool
	// counted is the offset up to which extra counts the bytes that do not
	// begin a character.
	counted, extra int
}

// identifierBytes is what is kept of a name (NAMEDATALEN - 1).
const identifierBytes = 63

// position converts a byte offset to a character position. Offsets mostly
// rise, so the count goes on from the last one.
func (l *lexer) position(off int) int {
	if l.ascii {
		return off + 1
	}
	if off < l.counted {
		return utf8.RuneCountInString(l.src[:off]) + 1
	}
	for ; l.counted < off; l.counted++ {
		if !utf8.RuneStart(l.src[l.counted]) {
			l.extra++
		}
	}
	return off - l.extra + 1
}

// fail raises a lexical error about src[off:end].
func (l *lexer) fail(msg string, off, end int) {
	panic(bailout{pgerr.New(pgerr.SyntaxError, "%s at or near \"%s\"", msg, l.src[off:end]).At(l.position(off))})
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }

const operatorChars = "~!@#^&|`?+-*/%<>="

func isOperator(c byte) bool { return strings.IndexByte(operatorChars, c) >= 0 }

// at returns the byte at offset i, 0 beyond the end. The input has no NUL.
func (l *lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// skipSpace passes white space and comments.
func (l *lexer) skipSpace() {
	for {
		c := l.at(l.off)
		switch {
		case isSpace(c):
			l.off++
		case c == '-' && l.at(l.off+1) == '-':
			if i := strings.IndexAny(l.src[l.off:], "\n\r"); i >= 0 {
				l.off += i
			} else {
				l.off = len(l.src)
			}
		case c == '/' && l.at(l.off+1) == '*':
			l.skipComment()
		default:
			return
		}
	}
}

// skipComment passes a comment, which may contain others.
func (l *lexer) skipComment() {
	start, depth := l.off, 0
	for l.off < len(l.src) {
		switch {
		case l.src[l.off] == '/' && l.at(l.off+1) == '*':
			depth++
			l.off += 2
		case l.src[l.off] == '*' && l.at(l.off+1) == '/':
			depth--
			l.off += 2
			if depth == 0 {
				return
			}
		default:
			l.off++
		}
	}
	l.fail("unterminated /* comment", start, len(l.src))
}

// pollTokens is how many tokens are read before the context is asked whether to go on.
const pollTokens = 256

func (l *lexer) poll() {
	if l.words++; l.words%pollTokens != 0 || l.ctx == nil {
		return
	}
	if err := l.ctx.Err(); err != nil {
		panic(bailout{err})
	}
}

// next returns the next token.
func (l *lexer) next() token {
	l.poll()
	l.skipSpace()
	start := l.off
	t := token{off: int32(start), pos: int32(l.position(start))}
	if start >= len(l.src) {
		t.end = t.off
		return t
	}
	c := l.src[start]
	switch {
	case isIdentStart(c):
		l.word(&t)
	case isDigit(c) || c == '.' && isDigit(l.at(start+1)):
		l.number(&t)
	case c == '\'':
		t.kind, t.text = tString, l.quoted(start, start+1, false)
	case c == '"':
		t.kind, t.text = tIdent, truncate(l.quotedIdent(start, start+1))
	case c == '$':
		l.dollar(&t)
	case strings.IndexByte("()[],;", c) >= 0:
		t.kind = kind(c)
		l.off++
	case c == '.':
		l.oneOf(&t, '.', tDotDot, ".")
	case c == ':':
		if l.at(start+1) == '=' {
			t.kind, t.text, l.off = tAssign, ":=", start+2
			break
		}
		l.oneOf(&t, ':', tTypecast, ":")
	case isOperator(c):
		l.operator(&t)
	default:
		l.off++
		l.fail("syntax error", start, l.off)
	}
	t.end = int32(l.off)
	return t
}

// oneOf lexes a punctuation mark, which doubled is another token.
func (l *lexer) oneOf(t *token, second byte, double kind, text string) {
	t.kind, t.text = kind(text[0]), text
	l.off++
	if l.at(l.off) == second {
		t.kind = double
		l.off++
	}
}

// word lexes an identifier, a keyword, or a string with a letter before it.
func (l *lexer) word(t *token) {
	start := l.off
	if l.prefixedString(t) {
		return
	}
	upper, i := false, start
	for i < len(l.src) && isIdentPart(l.src[i]) {
		upper = upper || l.src[i] >= 'A' && l.src[i] <= 'Z'
		i++
	}
	l.off = i
	text := l.src[start:i]
	if upper {
		text = foldASCII(text)
	}
	if k, ok := ast.LookupKeyword(text); ok {
		t.kind, t.text, t.class, t.bare = tKeyword, k.Word, k.Class, k.BareLabel
		return
	}
	t.kind, t.text = tIdent, truncate(text)
}

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// truncate cuts a name to the length of names, between characters.
func truncate(s string) string {
	if len(s) <= identifierBytes {
		return s
	}
	n := identifierBytes
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// prefixedString lexes E'..', B'..', X'..', N'..', U&'..' and U&"..".
func (l *lexer) prefixedString(t *token) bool {
	start := l.off
	next := l.at(start + 1)
	switch c := l.src[start] | 0x20; {
	case next == '\'' && c == 'e':
		t.kind, t.text = tString, l.quoted(start, start+2, true)
	case next == '\'' && c == 'b':
		t.kind, t.text = tBits, l.digits(start, "bit")
	case next == '\'' && c == 'x':
		t.kind, t.text = tHex, l.digits(start, "hexadecimal")
	case next == '\'' && c == 'n':
		// The type nchar before an ordinary string.
		l.off = start + 1
		t.kind, t.text, t.class, t.bare = tKeyword, "nchar", ast.ColumnKeyword, true
	case next == '&' && c == 'u' && l.at(start+2) == '\'':
		raw := l.quoted(start, start+3, false)
		t.kind, t.text = tString, l.unicodeEscapes(start, raw)
	case next == '&' && c == 'u' && l.at(start+2) == '"':
		raw := l.quotedIdent(start, start+3)
		t.kind, t.text = tIdent, truncate(l.unicodeEscapes(start, raw))
	default:
		return false
	}
	return true
}

// number lexes a number and refuses letters that touch it.
func (l *lexer) number(t *token) {
	start := l.off
	i := start
	for isDigit(l.at(i)) {
		i++
	}
	t.kind = tInt
	if l.at(i) == '.' && l.at(i+1) != '.' {
		t.kind = tFloat
		for i++; isDigit(l.at(i)); i++ {
		}
	}
	if c := l.at(i); c == 'e' || c == 'E' {
		j := i + 1
		if s := l.at(j); s == '+' || s == '-' {
			j++
			if !isDigit(l.at(j)) {
				l.fail("trailing junk after numeric literal", start, j)
			}
		}
		if isDigit(l.at(j)) {
			t.kind = tFloat
			for i = j; isDigit(l.at(i)); i++ {
			}
		}
	}
	l.noJunk("numeric literal", start, i)
	l.off, t.text = i, l.src[start:i]
}

// noJunk refuses a word that touches the end of a number.
func (l *lexer) noJunk(what string, start, end int) {
	if !isIdentStart(l.at(end)) {
		return
	}
	for isIdentPart(l.at(end)) {
		end++
	}
	l.fail("trailing junk after "+what, start, end)
}

// dollar lexes $1 and $tag$...$tag$.
func (l *lexer) dollar(t *token) {
	start := l.off
	i := start + 1
	if isDigit(l.at(i)) {
		for isDigit(l.at(i)) {
			i++
		}
		l.noJunk("parameter", start, i)
		t.kind, t.text, l.off = tParam, l.src[start+1:i], i
		return
	}
	if isIdentStart(l.at(i)) {
		for isIdentStart(l.at(i)) || isDigit(l.at(i)) {
			i++
		}
	}
	if l.at(i) != '$' {
		l.fail("syntax error", start, start+1)
	}
	tag := l.src[start : i+1]
	n := strings.Index(l.src[i+1:], tag)
	if n < 0 {
		l.fail("unterminated dollar-quoted string", start, len(l.src))
	}
	t.kind, t.text = tString, l.src[i+1:i+1+n]
	l.off = i + 1 + n + len(tag)
}

// operator lexes the longest operator, less a comment that begins in it, and
// less trailing signs unless a character that SQL has no operators of stands
// before them (so that "a=-1" is two operators, "@-" one).
func (l *lexer) operator(t *token) {
	start, i := l.off, l.off
	for i < len(l.src) && isOperator(l.src[i]) {
		if i > start && (l.src[i] == '-' && l.at(i+1) == '-' || l.src[i] == '/' && l.at(i+1) == '*') {
			break
		}
		i++
	}
	if c := l.src[i-1]; i-start > 1 && (c == '+' || c == '-') && !strings.ContainsAny(l.src[start:i-1], "~!@#^&|`?%") {
		for i-start > 1 && (l.src[i-1] == '+' || l.src[i-1] == '-') {
			i--
		}
	}
	if i-start > identifierBytes {
		l.fail("operator too long", start, i)
	}
	l.off = i
	t.kind, t.text = tOp, l.src[start:i]
	switch t.text {
	case "!=":
		t.text = "<>"
	case "=>":
		t.kind = tArrow
	}
}
