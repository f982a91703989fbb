package function

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// bracket translates a bracket expression; it returns a node if that is the edge of a word.
func (t *regexTranslator) bracket() (*regexNode, error) {
	switch {
	case t.peek("[[:<:]]"), t.peek("[[:>:]]"):
		start := t.peek("[[:<:]]")
		t.at += len("[[:<:]]")
		t.treeOnly = true
		return t.wordEdge(start), nil
	}
	t.at++
	t.out.WriteByte('[')
	if t.more() && t.in[t.at] == '^' {
		t.at++
		t.out.WriteByte('^')
		if !t.flags.newlineDot {
			t.out.WriteString(`\n`)
		}
	}
	for first := true; ; first = false {
		if !t.more() {
			return nil, badRegex("brackets [] not balanced")
		}
		if t.in[t.at] == ']' && !first {
			t.at++
			t.out.WriteByte(']')
			return nil, nil
		}
		if err := t.bracketItem(); err != nil {
			return nil, err
		}
	}
}

// bracketItem translates a class, a character or a range.
func (t *regexTranslator) bracketItem() error {
	if t.peek("[:") {
		end := strings.Index(t.in[t.at:], ":]")
		if end < 0 {
			return badRegex("brackets [] not balanced")
		}
		class, ok := t.flags.classText(t.in[t.at+2 : t.at+end])
		if !ok {
			return badRegex("invalid character class")
		}
		t.at += end + 2
		t.out.WriteString(class)
		return nil
	}
	if t.in[t.at] == '\\' && t.at+1 < len(t.in) {
		if l := escapedClass(t.in[t.at+1]); l != nil {
			t.at += 2
			t.out.WriteString(l.text)
			return nil
		}
	}
	low, err := t.bracketRune()
	if err != nil {
		return err
	}
	high := low
	if t.peek("-") && !t.peek("-]") {
		t.at++
		if !t.more() {
			return badRegex("brackets [] not balanced")
		}
		if high, err = t.bracketRune(); err != nil {
			return err
		}
		if high < low {
			return badRegex("invalid character range")
		}
	}
	t.out.WriteString(t.flags.folded(low, high).text())
	return nil
}

// escapedClass returns what a letter stands for behind a backslash, nil if that is no class.
func escapedClass(c byte) *charClass {
	name := map[byte]string{'d': "digit", 'w': "word", 's': "space", 'D': "^digit", 'W': "^word", 'S': "^space"}[c]
	return classes()[name]
}

func bracketLiteral(r rune) string { return `\x{` + strconv.FormatInt(int64(r), 16) + `}` }

func (t *regexTranslator) bracketRune() (rune, error) {
	for _, d := range []string{".", "="} {
		if t.peek("[" + d) {
			end := strings.Index(t.in[t.at:], d+"]")
			if end < 0 {
				return 0, badRegex("brackets [] not balanced")
			}
			r, size := utf8.DecodeRuneInString(t.in[t.at+2 : t.at+end])
			if size != end-2 {
				return 0, badRegex("invalid collating element")
			}
			t.at += end + 2
			return r, nil
		}
	}
	if t.in[t.at] == '\\' {
		if t.at+1 == len(t.in) {
			return 0, badRegex("invalid escape \\ sequence")
		}
		return t.escapedRune()
	}
	r, size := utf8.DecodeRuneInString(t.in[t.at:])
	t.at += size
	return r, nil
}
