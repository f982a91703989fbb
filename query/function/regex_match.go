package function

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A regexCache keeps the last pattern compiled, for patterns that are the same
// in all rows.
type regexCache struct {
	pattern string
	flags   string
	re      *regex
	parsed  regexFlags
	ctx     context.Context // of the statement
}

func (c *regexCache) get(pattern, flags string) (*regex, error) {
	if c.re != nil && c.pattern == pattern && c.flags == flags {
		return c.re, nil
	}
	f, err := parseRegexFlags(flags)
	if err != nil {
		return nil, err
	}
	re, err := compileRegex(pattern, f)
	if err != nil {
		return nil, err
	}
	c.pattern, c.flags, c.re, c.parsed = strings.Clone(pattern), flags, re, f
	return re, nil
}

// onlyTree says that linear will not do for a text.
func (re *regex) onlyTree(s string) bool {
	return re.linear == nil || re.edges && strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0
}

// matches says whether there is a match.
func (re *regex) matches(ctx context.Context, s string) (bool, error) {
	if !re.onlyTree(s) {
		return re.linearMatches(ctx, s)
	}
	m, err := re.treeFind(ctx, s, 0)
	return m != nil, err
}

// find returns the first match and its captures, as regexp.FindStringSubmatchIndex does, or nil.
func (re *regex) find(ctx context.Context, s string) ([]int, error) {
	if re.onlyTree(s) {
		return re.treeFind(ctx, s, 0)
	}
	m, err := re.linearFind(ctx, s)
	if m == nil || err != nil || !re.divides {
		return m, err
	}
	return re.divided(ctx, s, m)
}

func shifted(m []int, by int) []int {
	for i := range m {
		if m[i] >= 0 {
			m[i] += by
		}
	}
	return m
}

// maxMatches is how many matches may be found in one text. Each takes some 64 bytes.
const maxMatches = 1 << 20

var errTooManyMatches = pgerr.New(pgerr.ProgramLimitExceeded, "too many regular expression matches").
	WithDetail("In one text there may be %d.", maxMatches)

// all returns the matches from a byte offset on, at most limit (negative: all). A match ends
// where the next may begin, also an empty one; behind an empty one the search goes
// on with the next character. (package regexp leaves out an empty match that
// follows another; these are put back in.) Their captures count only with captures.
func (re *regex) all(ctx context.Context, s string, from, limit int, captures bool) ([][]int, error) {
	if re.onlyTree(s) || from > 0 && re.behind {
		return re.treeAll(ctx, s, from, limit)
	}
	found, err := re.linearAll(ctx, s, from, limit)
	if err != nil || !captures || !re.divides {
		return found, err
	}
	for i, m := range found {
		if found[i], err = re.divided(ctx, s, m); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (re *regex) linearAll(ctx context.Context, s string, from, limit int) ([][]int, error) {
	most := limit
	if most < 0 {
		most = maxMatches + 1
	}
	found, err := re.linearFindAll(ctx, s[from:], most)
	if err != nil {
		return nil, err
	}
	if len(found) > maxMatches {
		return nil, errTooManyMatches
	}
	for _, m := range found {
		shifted(m, from)
	}
	if !re.behind && !re.linear.MatchString("") && !strings.Contains(re.source, "$") && !strings.Contains(re.source, `\z`) {
		return found, nil // it matches nothing empty
	}
	out := make([][]int, 0, len(found))
	for i, m := range found {
		out = append(out, m)
		if m[0] == m[1] || i+1 < len(found) && found[i+1][0] == m[1] {
			continue
		}
		if e := re.emptyAt(s, m[1]); e != nil {
			out = append(out, e)
		}
	}
	if limit >= 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

// emptyAt returns the empty match at a byte offset behind the first character, or nil.
func (re *regex) emptyAt(s string, at int) []int {
	if re.after == nil {
		re.after = regexp.MustCompile(`\A(?s:.)(?:` + re.source + `)`)
		re.after.Longest()
	}
	_, size := utf8.DecodeLastRuneInString(s[:at])
	start := at - size
	m := shifted(re.after.FindStringSubmatchIndex(s[start:]), start)
	if m == nil || m[1] != at {
		return nil
	}
	m[0] = at
	return m
}

func group(s string, m []int, g int) (string, bool) {
	if 2*g+1 >= len(m) || m[2*g] < 0 {
		return "", false
	}
	return s[m[2*g]:m[2*g+1]], true
}

// matchArray is what regexp_match returns: the captures, or the match if there are none.
func (re *regex) matchArray(s string, m []int) datum.Array {
	arr := datum.Array{Elem: datum.Of(datum.Text)}
	if re.groups == 0 {
		arr.Values = []datum.Value{s[m[0]:m[1]]}
		return arr
	}
	for g := 1; g <= re.groups; g++ {
		if text, ok := group(s, m, g); ok {
			arr.Values = append(arr.Values, text)
		} else {
			arr.Values = append(arr.Values, nil)
		}
	}
	return arr
}

// A replacement is regexp_replace's third argument, parsed: texts and numbers of
// captures, in turn.
type replacement struct {
	parts  []replacementPart
	groups bool
}

type replacementPart struct {
	text  string
	group int // -1: none
}

func parseReplacement(s string) replacement {
	var r replacement
	var lit strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			lit.WriteByte(s[i])
			continue
		}
		switch c := s[i+1]; {
		case c >= '1' && c <= '9' || c == '&':
			g := 0
			if c != '&' {
				g = int(c - '0')
				r.groups = true
			}
			r.parts = append(r.parts, replacementPart{lit.String(), g})
			lit.Reset()
			i++
		case c == '\\':
			lit.WriteByte('\\')
			i++
		default:
			lit.WriteByte('\\')
		}
	}
	r.parts = append(r.parts, replacementPart{lit.String(), -1})
	return r
}

// replace replaces the n-th match from a character position on, or all with n 0.
func (re *regex) replace(ctx context.Context, s, with string, from, n int) (string, error) {
	r := parseReplacement(with)
	limit := n
	if n == 0 {
		limit = -1
	}
	matches, err := re.all(ctx, s, from, limit, r.groups)
	if err != nil {
		return "", err
	}
	if n > 0 {
		if len(matches) < n {
			return s, nil
		}
		matches = matches[n-1 : n]
	}
	var b strings.Builder
	end := 0
	for _, m := range matches {
		b.WriteString(s[end:m[0]])
		for _, p := range r.parts {
			b.WriteString(p.text)
			if p.group >= 0 {
				text, _ := group(s, m, p.group)
				b.WriteString(text)
			}
		}
		end = m[1]
		if b.Len() > maxText {
			return "", errTextTooLong
		}
	}
	b.WriteString(s[end:])
	return b.String(), nil
}

// split cuts s at the matches. An empty match at the start, at the end or right
// behind another match does not count.
func (re *regex) split(ctx context.Context, s string) ([]datum.Value, error) {
	matches, err := re.all(ctx, s, 0, -1, false)
	if err != nil {
		return nil, err
	}
	var out []datum.Value
	start, prev := 0, 0
	for _, m := range matches {
		if m[0] < len(s) && m[1] > prev {
			out = append(out, s[start:m[0]])
			start = m[1]
		}
		prev = m[1]
	}
	return append(out, s[start:]), nil
}

// similarToRegex translates a pattern of SIMILAR TO to a regular expression, as
// PostgreSQL's similar_escape does.
func similarToRegex(pattern, escape string) (string, error) {
	e := rune(-1)
	if escape != "" {
		r, size := utf8.DecodeRuneInString(escape)
		if size != len(escape) {
			return "", pgerr.New(pgerr.InvalidEscape, "invalid escape string").
				WithHint("Escape string must be empty or one character.")
		}
		e = r
	}
	var b strings.Builder
	b.WriteString("^(?:")
	escaped, inClass := false, false
	separators := 0
	for _, r := range pattern {
		switch {
		case escaped:
			escaped = false
			if r == '"' && !inClass {
				switch separators++; separators {
				case 1:
					b.WriteString("){1,1}?(")
				case 2:
					b.WriteString("){1,1}(?:")
				default:
					return "", pgerr.New("2200C", "SQL regular expression may not contain more than two escape-double-quote separators")
				}
				continue
			}
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == e:
			escaped = true
		case inClass:
			if r == '\\' {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
			inClass = r != ']'
		default:
			inClass = r == '['
			b.WriteString(similarRune(r))
		}
	}
	b.WriteString(")$")
	return b.String(), nil
}

func similarRune(r rune) string {
	switch r {
	case '%':
		return ".*"
	case '_':
		return "."
	case '(':
		return "(?:"
	case '\\', '.', '^', '$':
		return `\` + string(r)
	}
	return string(r)
}

func checkStart(start int32) error {
	if start <= 0 {
		return paramError("start", start)
	}
	return nil
}

func paramError(name string, v int32) error {
	return pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter %q: %s", name, strconv.Itoa(int(v)))
}
