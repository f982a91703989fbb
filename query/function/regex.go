package function

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// This file translates PostgreSQL's advanced regular expressions (its
// documentation, section 9.7.3) to those of package regexp, which match in
// linear time. What these cannot say fails with 0A000: back-references,
// look-around, and captures where greedy and non-greedy quantifiers are mixed so
// that the two engines would divide a match differently.

// regexFlags are the options of a regular expression.
type regexFlags struct {
	global     bool
	fold       bool // i
	newlineDot bool // . and [^...] match a newline (not with n, m, p)
	multiline  bool // ^ and $ match at lines (n, m, w)
	literal    bool // q
	expanded   bool // x
}

func parseRegexFlags(s string) (regexFlags, error) {
	f := regexFlags{newlineDot: true}
	for _, r := range s {
		if r == 'g' {
			f.global = true
			continue
		}
		if err := f.set(r); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *regexFlags) set(r rune) error {
	switch r {
	case 'i':
		f.fold = true
	case 'c':
		f.fold = false
	case 'n', 'm':
		f.newlineDot, f.multiline = false, true
	case 'p':
		f.newlineDot, f.multiline = false, false
	case 's':
		f.newlineDot, f.multiline = true, false
	case 'w':
		f.newlineDot, f.multiline = true, true
	case 'q':
		f.literal = true
	case 'x':
		f.expanded = true
	case 't':
		f.expanded = false
	case 'b', 'e':
		return pgerr.Unsupported("regular expression option %q is not supported", string(r))
	default:
		return pgerr.New(pgerr.InvalidParameterValue, "invalid regular expression option: %q", string(r))
	}
	return nil
}

// A regex is a compiled regular expression.
type regex struct {
	*regexp.Regexp
	groups int
	// captures are only right where the engines agree how to divide a match.
	ambiguous bool
	// behind says that it looks at what stands before a match (^, \A, \b...).
	behind bool
	source string
	// after matches at one place only, behind one character; made when needed.
	after *regexp.Regexp
}

// greed is how a part of a regular expression prefers to match.
type greed uint8

const (
	noGreed greed = iota
	greedy
	lazy
)

// compileRegex translates and compiles a pattern.
func compileRegex(pattern string, flags regexFlags) (*regex, error) {
	t := &regexTranslator{in: pattern, flags: flags}
	if err := t.directives(); err != nil {
		return nil, err
	}
	overall := greedy
	if t.flags.literal {
		t.out.WriteString(regexp.QuoteMeta(t.in))
	} else {
		var err error
		if overall, err = t.alternatives(0); err != nil {
			return nil, err
		}
		if t.at < len(t.in) {
			return nil, badRegex("parentheses () not balanced")
		}
	}
	src := t.out.String()
	if overall == lazy {
		src = t.allLazy()
	}
	prefix := ""
	if t.flags.newlineDot {
		prefix += "s"
	}
	if t.flags.multiline {
		prefix += "m"
	}
	if t.flags.fold {
		prefix += "i"
	}
	if prefix != "" {
		src = "(?" + prefix + ":" + src + ")"
	}
	re, err := regexp.Compile(src)
	if err != nil {
		return nil, pgerr.New(pgerr.InvalidRegexp, "invalid regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if overall != lazy {
		re.Longest()
	}
	return &regex{
		Regexp: re, groups: t.groups, behind: t.behind, source: src,
		ambiguous: overall != lazy && t.anyLazy,
	}, nil
}

func badRegex(format string, args ...any) error {
	return pgerr.New(pgerr.InvalidRegexp, "invalid regular expression: %s", fmt.Sprintf(format, args...))
}

type regexTranslator struct {
	in      string
	at      int
	flags   regexFlags
	out     strings.Builder
	groups  int
	behind  bool
	anyLazy bool
	// quantifiers are the places in out right behind the quantifiers that are greedy.
	quantifiers []int
}

// allLazy returns the output with all quantifiers non-greedy: of an expression
// that as a whole prefers the shortest match.
func (t *regexTranslator) allLazy() string {
	s := t.out.String()
	var b strings.Builder
	from := 0
	for _, q := range t.quantifiers {
		b.WriteString(s[from:q] + "?")
		from = q
	}
	return b.String() + s[from:]
}

// directives reads ***: , ***= and (?flags) at the start.
func (t *regexTranslator) directives() error {
	if rest, ok := strings.CutPrefix(t.in, "***="); ok {
		t.in, t.flags.literal = rest, true
		return nil
	}
	if rest, ok := strings.CutPrefix(t.in, "***:"); ok {
		t.in = rest
	} else if strings.HasPrefix(t.in, "***") {
		return badRegex("quantifier operand invalid")
	}
	if !t.flags.literal && strings.HasPrefix(t.in, "(?") && len(t.in) > 2 && unicode.IsLetter(rune(t.in[2])) {
		end := strings.IndexByte(t.in, ')')
		if end < 0 {
			return badRegex("invalid embedded option")
		}
		for _, r := range t.in[2:end] {
			if t.flags.set(r) != nil {
				return badRegex("invalid embedded option")
			}
		}
		t.in = t.in[end+1:]
	}
	return nil
}

func (t *regexTranslator) more() bool { return t.at < len(t.in) }

func (t *regexTranslator) peek(s string) bool { return strings.HasPrefix(t.in[t.at:], s) }

// maxRegexDepth bounds the nesting of parentheses.
const maxRegexDepth = 250

// alternatives translates branches up to a closing parenthesis or the end. With
// more than one branch an expression is greedy.
func (t *regexTranslator) alternatives(depth int) (greed, error) {
	if depth > maxRegexDepth {
		return 0, badRegex("regular expression is too complex")
	}
	g, err := t.branch(depth)
	if err != nil {
		return 0, err
	}
	for t.more() && t.in[t.at] == '|' {
		t.out.WriteByte('|')
		t.at++
		if _, err := t.branch(depth); err != nil {
			return 0, err
		}
		g = greedy
	}
	return g, nil
}

// branch translates a concatenation; it has the preference of its first part
// that has one.
func (t *regexTranslator) branch(depth int) (greed, error) {
	g := noGreed
	for t.more() && t.in[t.at] != '|' && (t.in[t.at] != ')' || depth == 0) {
		if t.skipExpanded() {
			continue
		}
		if t.in[t.at] == ')' {
			return 0, badRegex("parentheses () not balanced")
		}
		ag, constraint, err := t.atom(depth)
		if err != nil {
			return 0, err
		}
		for t.skipExpanded() {
		}
		q, err := t.quantifier(constraint)
		if err != nil {
			return 0, err
		}
		if q != noGreed {
			ag = q
		}
		if g == noGreed {
			g = ag
		}
	}
	return g, nil
}

// skipExpanded skips white space and comments in expanded syntax, and (?#...) always.
func (t *regexTranslator) skipExpanded() bool {
	if t.peek("(?#") {
		if end := strings.IndexByte(t.in[t.at:], ')'); end >= 0 {
			t.at += end + 1
			return true
		}
	}
	if !t.flags.expanded || !t.more() {
		return false
	}
	switch c := t.in[t.at]; {
	case strings.IndexByte(identSpace, c) >= 0:
		t.at++
		return true
	case c == '#':
		if end := strings.IndexByte(t.in[t.at:], '\n'); end >= 0 {
			t.at += end + 1
		} else {
			t.at = len(t.in)
		}
		return true
	}
	return false
}

// atom translates one atom or constraint.
func (t *regexTranslator) atom(depth int) (g greed, constraint bool, err error) {
	switch c := t.in[t.at]; c {
	case '(':
		g, err = t.group(depth)
		return g, false, err
	case '[':
		return t.bracket()
	case '.':
		t.at++
		t.out.WriteByte('.')
		return noGreed, false, nil
	case '^':
		t.at++
		t.behind = true
		t.out.WriteByte('^')
		return noGreed, true, nil
	case '$':
		t.at++
		t.out.WriteByte('$')
		return noGreed, true, nil
	case '\\':
		constraint, err = t.escape()
		return noGreed, constraint, err
	case '*', '+', '?':
		return 0, false, badRegex("quantifier operand invalid")
	case '{':
		if t.at+1 < len(t.in) && isASCIIDigit(t.in[t.at+1]) {
			return 0, false, badRegex("quantifier operand invalid")
		}
	}
	r, size := utf8.DecodeRuneInString(t.in[t.at:])
	t.at += size
	t.out.WriteString(regexp.QuoteMeta(string(r)))
	return noGreed, false, nil
}

func isASCIIDigit(c byte) bool { return c >= '0' && c <= '9' }

func (t *regexTranslator) group(depth int) (greed, error) {
	switch {
	case t.peek("(?:"):
		t.at += 3
		t.out.WriteString("(?:")
	case t.peek("(?=") || t.peek("(?!") || t.peek("(?<"):
		return 0, pgerr.Unsupported("look-around in regular expressions is not supported")
	case t.peek("(?"):
		return 0, badRegex("quantifier operand invalid")
	default:
		t.at++
		t.groups++
		t.out.WriteByte('(')
	}
	g, err := t.alternatives(depth + 1)
	if err != nil {
		return 0, err
	}
	if !t.more() {
		return 0, badRegex("parentheses () not balanced")
	}
	t.at++
	t.out.WriteByte(')')
	return g, nil
}

// quantifier translates what follows an atom.
func (t *regexTranslator) quantifier(constraint bool) (greed, error) {
	if !t.more() {
		return noGreed, nil
	}
	q, fixed := "", false
	switch c := t.in[t.at]; {
	case c == '*' || c == '+' || c == '?':
		q = string(c)
		t.at++
	case c == '{' && t.at+1 < len(t.in) && isASCIIDigit(t.in[t.at+1]):
		var err error
		if q, fixed, err = t.bounds(); err != nil {
			return 0, err
		}
	default:
		return noGreed, nil
	}
	if constraint {
		return 0, badRegex("quantifier operand invalid")
	}
	isLazy := t.more() && t.in[t.at] == '?'
	if isLazy {
		t.at++
	}
	if t.more() && strings.IndexByte("*+?", t.in[t.at]) >= 0 {
		return 0, badRegex("quantifier operand invalid")
	}
	t.out.WriteString(q)
	switch {
	case fixed:
		return noGreed, nil
	case isLazy:
		t.out.WriteByte('?')
		t.anyLazy = true
		return lazy, nil
	}
	t.quantifiers = append(t.quantifiers, t.out.Len())
	return greedy, nil
}

// bounds reads {m}, {m,} and {m,n}; fixed says that it is {m}.
func (t *regexTranslator) bounds() (q string, fixed bool, err error) {
	end := strings.IndexByte(t.in[t.at:], '}')
	if end < 0 {
		return "", false, badRegex("braces {} not balanced")
	}
	body := t.in[t.at+1 : t.at+end]
	t.at += end + 1
	low, high, ranged := strings.Cut(body, ",")
	m, err := strconv.Atoi(low)
	if err != nil || m > 255 {
		return "", false, badRegex("invalid repetition count(s)")
	}
	if ranged && high != "" {
		if n, err := strconv.Atoi(high); err != nil || n > 255 || n < m {
			return "", false, badRegex("invalid repetition count(s)")
		}
	}
	return "{" + body + "}", !ranged, nil
}

// Classes of characters, as package regexp writes them inside of brackets.
const (
	classDigit = `\p{Nd}`
	classWord  = `\pL\p{Nd}\pN\pM_`
	classSpace = `\t-\r \x{85}\x{2028}\x{2029}\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{205f}\x{3000}`
)

// escape translates a backslash and what follows it.
func (t *regexTranslator) escape() (constraint bool, err error) {
	if t.at+1 == len(t.in) {
		return false, badRegex("invalid escape \\ sequence")
	}
	c := t.in[t.at+1]
	switch c {
	case 'd', 'w', 's', 'D', 'W', 'S':
		t.at += 2
		class := map[byte]string{'d': classDigit, 'w': classWord, 's': classSpace}[c|0x20]
		if c < 'a' {
			t.out.WriteString("[^" + class + "]")
		} else {
			t.out.WriteString("[" + class + "]")
		}
		return false, nil
	case 'A', 'Z', 'y', 'Y':
		t.at += 2
		t.behind = true
		t.out.WriteString(map[byte]string{'A': `\A`, 'Z': `\z`, 'y': `\b`, 'Y': `\B`}[c])
		return true, nil
	case 'm', 'M':
		t.at += 2
		t.behind = true
		return true, t.wordEdge(c == 'm')
	}
	if isASCIIDigit(c) && c != '0' {
		return false, pgerr.Unsupported("back-references in regular expressions are not supported")
	}
	r, err := t.escapedRune()
	if err != nil {
		return false, err
	}
	t.out.WriteString(regexp.QuoteMeta(string(r)))
	return false, nil
}

// wordEdge translates the start or the end of a word, which is a boundary with a
// letter or digit known to stand at the inner side.
func (t *regexTranslator) wordEdge(start bool) error {
	inner := false
	if start {
		rest := t.in[t.at:]
		inner = rest != "" && isWordByte(rest[0]) || strings.HasPrefix(rest, `\w`) || strings.HasPrefix(rest, `\d`)
	} else if before := t.in[:t.at-2]; before != "" {
		inner = isWordByte(before[len(before)-1]) || strings.HasSuffix(before, `\w+`)
	}
	if !inner {
		return pgerr.Unsupported("this use of a word boundary in a regular expression is not supported")
	}
	t.out.WriteString(`\b`)
	return nil
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
	case '0':
		v, n := rune(0), 0
		for n < 2 && t.more() && isOctal(t.in[t.at]) {
			v = v<<3 | rune(t.in[t.at]-'0')
			t.at++
			n++
		}
		return v, nil
	}
	if unicode.IsLetter(c) || unicode.IsDigit(c) {
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

// namedClasses are the POSIX classes, which in PostgreSQL know Unicode.
var namedClasses = map[string]string{
	"alpha": `\pL`, "digit": classDigit, "alnum": `\pL\pN`, "upper": `\p{Lu}`, "lower": `\p{Ll}`,
	"space": classSpace, "blank": ` \t`, "punct": `!-/:-@\[-` + "`" + `{-~\pP\pS`, "cntrl": `\pC`,
	"graph": `\pL\pM\pN\pP\pS`, "print": `\pL\pM\pN\pP\pS `, "xdigit": `0-9A-Fa-f`, "word": classWord,
}

// bracket translates a bracket expression.
func (t *regexTranslator) bracket() (greed, bool, error) {
	switch {
	case t.peek("[[:<:]]"):
		t.at += len("[[:<:]]")
		t.behind = true
		return noGreed, true, t.wordEdge(true)
	case t.peek("[[:>:]]"):
		t.at += len("[[:>:]]")
		return noGreed, true, pgerr.Unsupported("this use of a word boundary in a regular expression is not supported")
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
			return 0, false, badRegex("brackets [] not balanced")
		}
		if t.in[t.at] == ']' && !first {
			t.at++
			t.out.WriteByte(']')
			return noGreed, false, nil
		}
		if err := t.bracketItem(); err != nil {
			return 0, false, err
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
		class, ok := namedClasses[t.in[t.at+2:t.at+end]]
		if !ok {
			return badRegex("invalid character class")
		}
		t.at += end + 2
		t.out.WriteString(class)
		return nil
	}
	if t.in[t.at] == '\\' && t.at+1 < len(t.in) {
		class := ""
		switch t.in[t.at+1] {
		case 'd':
			class = classDigit
		case 'w':
			class = classWord
		case 's':
			class = classSpace
		case 'D', 'W', 'S':
			return pgerr.Unsupported("complemented classes inside of brackets are not supported in regular expressions")
		}
		if class != "" {
			t.at += 2
			t.out.WriteString(class)
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
	t.out.WriteString(bracketLiteral(low))
	if high != low {
		t.out.WriteString("-" + bracketLiteral(high))
	}
	return nil
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
