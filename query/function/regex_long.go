package function

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"
)

// Nothing interrupts package regexp at work on a text, which takes seconds for a long one. So it is
// given long ones as readers, which end when the statement does.

// longText is from how many bytes on a text is read in this way: those that are shorter take
// milliseconds, and the package has faster ways through them.
const longText = 64 << 10

// A pollingReader reads a text by characters. It ends early with a cancelled statement.
type pollingReader struct {
	ctx  context.Context
	text string
	read int
}

// ReadRune implements io.RuneReader.
func (r *pollingReader) ReadRune() (rune, int, error) {
	const often = 4096
	if r.read++; r.read%often == 0 && r.ctx.Err() != nil || r.text == "" {
		return 0, 0, io.EOF
	}
	ch, size := rune(r.text[0]), 1
	if ch >= utf8.RuneSelf {
		ch, size = utf8.DecodeRuneInString(r.text)
	}
	r.text = r.text[size:]
	return ch, size, nil
}

func (re *regex) linearMatches(ctx context.Context, s string) (bool, error) {
	if len(s) < longText {
		return re.linear.MatchString(s), nil
	}
	at := re.begin(s)
	if at < 0 {
		return false, nil
	}
	return re.linear.MatchReader(&pollingReader{ctx: ctx, text: s[at:]}), ctx.Err()
}

// linearFind is FindStringSubmatchIndex.
func (re *regex) linearFind(ctx context.Context, s string) ([]int, error) {
	if len(s) < longText {
		return re.linear.FindStringSubmatchIndex(s), nil
	}
	at := re.begin(s)
	if at < 0 {
		return nil, nil
	}
	m := re.linear.FindReaderSubmatchIndex(&pollingReader{ctx: ctx, text: s[at:]})
	return shifted(m, at), ctx.Err()
}

// begin is where the first match of s begins at the earliest, -1 if nowhere.
func (re *regex) begin(s string) int {
	prefix, _ := re.linear.LiteralPrefix()
	if prefix == "" || re.behind {
		return 0
	}
	return strings.Index(s, prefix)
}

// linearFindAll is FindAllStringSubmatchIndex. A reader does not tell what stands before it: where that
// matters, the package has the text.
func (re *regex) linearFindAll(ctx context.Context, s string, most int) ([][]int, error) {
	if len(s) < longText || re.behind {
		return re.linear.FindAllStringSubmatchIndex(s, most), nil
	}
	var out [][]int
	for at, end := 0, -1; at <= len(s) && len(out) < most; {
		m, err := re.linearFind(ctx, s[at:])
		if m == nil || err != nil {
			return out, err
		}
		shifted(m, at)
		if m[0] < m[1] || m[0] != end { // an empty match that follows another is none
			out = append(out, m)
		}
		end = m[1]
		if at = m[1]; m[0] == m[1] {
			_, size := utf8.DecodeRuneInString(s[at:])
			at += max(size, 1)
		}
	}
	return out, nil
}
