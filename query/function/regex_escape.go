package function

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape translates a backslash and what follows it; n is nil if that is a character.
func (t *regexTranslator) escape() (n *regexNode, constraint bool, err error) {
	if t.at+1 == len(t.in) {
		return nil, false, badRegex("invalid escape \\ sequence")
	}
	c := t.in[t.at+1]
	if l := escapedClass(c); l != nil {
		t.at += 2
		t.out.WriteString("[" + l.text + "]")
		return &regexNode{op: opChar, set: &runeSet{l.list}}, false, nil
	}
	switch c {
	case 'A', 'Z', 'y', 'Y':
		t.at += 2
		t.behind, t.edges = true, t.edges || c|0x20 == 'y'
		t.out.WriteString(map[byte]string{'A': `\A`, 'Z': `\z`, 'y': `\b`, 'Y': `\B`}[c])
		n = t.anchor(map[byte]regexOp{'A': opTextBegin, 'Z': opTextEnd, 'y': opEdge, 'Y': opEdge}[c])
		n.negate = c == 'Y'
		return n, true, nil
	case 'm', 'M':
		t.at += 2
		return t.wordEdge(c == 'm'), true, nil
	}
	if isASCIIDigit(c) && c != '0' {
		if n, err := t.backref(); n != nil || err != nil {
			return n, false, err
		}
	}
	r, err := t.escapedRune()
	if err != nil {
		return nil, false, err
	}
	return t.char(r), false, nil
}

// backref reads a back-reference. More than one digit are one only if there are so many captures; else it
// returns nil, and they are octal.
func (t *regexTranslator) backref() (*regexNode, error) {
	end := t.at + 1
	for end < len(t.in) && end < t.at+4 && isASCIIDigit(t.in[end]) {
		end++
	}
	k, _ := strconv.Atoi(t.in[t.at+1 : end])
	if k > t.groups && end > t.at+2 {
		return nil, nil
	}
	if t.looking > 0 || t.captures[k] == nil {
		return nil, badRegex("invalid backreference number")
	}
	t.at = end
	t.treeOnly = true
	t.out.WriteString("(?s:.*)")
	return &regexNode{op: opBackref, capture: k, low: 1, high: 1, fold: t.flags.fold, bits: bitBackref | t.captures[k].bits&bitsPrefer}, nil
}

// wordEdge translates the start or the end of a word, which is a boundary with a
// letter or digit known to stand at the inner side, or else only the tree can find.
func (t *regexTranslator) wordEdge(start bool) *regexNode {
	t.behind = true
	inner := false
	if start {
		rest := t.in[t.at:]
		for _, class := range []string{`\w`, `\d`} {
			if strings.HasPrefix(rest, class) {
				inner, rest = true, rest[1:] // and the character behind it
			}
		}
		inner = (inner || rest != "" && isWordByte(rest[0])) && !(len(rest) > 1 && strings.IndexByte("?*{", rest[1]) >= 0)
	} else {
		inner = strings.HasSuffix(t.in[:t.at-2], `\w+`)
	}
	t.treeOnly, t.edges = t.treeOnly || !inner, true
	t.out.WriteString(`\b`)
	if start {
		return t.anchor(opWordBegin)
	}
	return t.anchor(opWordEnd)
}

func isWordByte(c byte) bool {
	return isASCIIDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
}

// escapedRune reads an escape that stands for one character.
func (t *regexTranslator) escapedRune() (rune, error) {
	c, size := utf8.DecodeRuneInString(t.in[t.at+1:])
	t.at += 1 + size
	switch c {
	case 'a':
		return '\a', nil
	case 'b':
		return '\b', nil
	case 'B':
		return '\\', nil
	case 'e':
		return 0x1b, nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case 'c':
		if !t.more() {
			return 0, badRegex("invalid escape \\ sequence")
		}
		t.at++
		return rune(t.in[t.at-1] & 0x1f), nil
	case 'u':
		return t.hexRune(4, 4)
	case 'U':
		return t.hexRune(8, 8)
	case 'x':
		return t.hexRune(1, 255)
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if !isOctal(byte(c)) {
			return 0, badRegex("invalid escape \\ sequence")
		}
		v, n := c-'0', 0
		for n < 2 && t.more() && isOctal(t.in[t.at]) {
			v = v<<3 | rune(t.in[t.at]-'0')
			t.at++
			n++
		}
		return v, nil
	}
	if c < utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c)) { // letters of other alphabets stand for themselves
		return 0, badRegex("invalid escape \\ sequence")
	}
	return c, nil
}

func (t *regexTranslator) hexRune(least, most int) (rune, error) {
	v, n := uint32(0), 0
	for n < most && t.more() {
		d, ok := hexDigit(t.in[t.at])
		if !ok {
			break
		}
		v = v<<4 | uint32(d)
		t.at++
		n++
	}
	if n < least || v > unicode.MaxRune {
		return 0, badRegex("invalid escape \\ sequence")
	}
	return rune(v), nil
}
