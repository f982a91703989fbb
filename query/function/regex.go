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

// This file reads PostgreSQL's advanced regular expressions (its documentation,
// section 9.7.3). It makes expressions of package regexp of them, which match in
// linear time, and trees for what these cannot say (regex_tree.go): back-references,
// look-around, and how a match is divided among captures.

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
	linear *regexp.Regexp // nil: only the tree will do
	groups int
	tree   *regexNode
	// captureNodes are the nodes of captures.
	captureNodes map[int]*regexNode
	// filter, if there is no linear, matches what the tree matches and more; it may be nil.
	filter *regexp.Regexp
	// divides says that linear may divide a match otherwise than the tree.
	divides bool
	// behind says that it looks at what stands before a match (^, \A, \b...).
	behind bool
	// edges says that it looks for edges of words, which linear knows only of ASCII.
	edges  bool
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
	var tree *regexNode
	if t.flags.literal {
		tree = t.literal()
	} else {
		var err error
		if overall, tree, err = t.alternatives(0); err != nil {
			return nil, err
		}
		if t.at < len(t.in) {
			return nil, badRegex("parentheses () not balanced")
		}
	}
	tree.number(0)
	out := &regex{tree: tree, groups: t.groups, captureNodes: t.captures, behind: t.behind, divides: t.groups > 0 && !tree.plain()}
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
	if prefix != "" {
		src = "(?" + prefix + ":" + src + ")"
	}
	linear, err := regexp.Compile(src)
	if err != nil { // it is too large for the package
		return out, nil
	}
	if t.treeOnly || overall == lazy && !tree.shortest() {
		if !t.edges {
			out.filter = linear
		}
		return out, nil
	}
	if overall != lazy {
		linear.Longest()
	}
	out.linear, out.source, out.edges = linear, src, t.edges
	return out, nil
}

func badRegex(format string, args ...any) error {
	return pgerr.New(pgerr.InvalidRegexp, "invalid regular expression: %s", fmt.Sprintf(format, args...))
}

type regexTranslator struct {
	in     string
	at     int
	flags  regexFlags
	out    strings.Builder
	groups int
	behind bool
	// treeOnly says that there is something that out cannot say: it matches more then, but for
	// edges of words, which package regexp knows only of ASCII.
	treeOnly bool
	edges    bool
	looking  int // how many look-arounds we are in, where parentheses do not capture
	captures map[int]*regexNode
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
func (t *regexTranslator) alternatives(depth int) (greed, *regexNode, error) {
	if depth > maxRegexDepth {
		return 0, nil, badRegex("regular expression is too complex")
	}
	g, n, err := t.branch(depth)
	if err != nil {
		return 0, nil, err
	}
	branches := []*regexNode{n}
	for t.more() && t.in[t.at] == '|' {
		t.out.WriteByte('|')
		t.at++
		if _, n, err = t.branch(depth); err != nil {
			return 0, nil, err
		}
		branches = append(branches, n)
		g = greedy
	}
	return g, altNode(branches), nil
}

// branch translates a concatenation; it has the preference of its first part
// that has one.
func (t *regexTranslator) branch(depth int) (greed, *regexNode, error) {
	g := noGreed
	var pieces []regexPiece
	for t.more() && t.in[t.at] != '|' && (t.in[t.at] != ')' || depth == 0) {
		if t.skipExpanded() {
			continue
		}
		if t.in[t.at] == ')' {
			return 0, nil, badRegex("parentheses () not balanced")
		}
		ag, n, constraint, err := t.atom(depth)
		if err != nil {
			return 0, nil, err
		}
		for t.skipExpanded() {
		}
		p := regexPiece{node: n, low: 1, high: 1, grouped: n.op == opCapture || n.op == opBackref}
		if err := t.quantifier(&p, constraint); err != nil {
			return 0, nil, err
		}
		pieces = append(pieces, p)
		if p.high == 0 { // as if it was not there
			continue
		}
		if p.prefer != noGreed {
			ag = p.prefer
		}
		if g == noGreed {
			g = ag
		}
	}
	return g, branchNode(pieces), nil
}

// literal translates an expression that is no more than its characters.
func (t *regexTranslator) literal() *regexNode {
	var pieces []regexPiece
	for _, r := range t.in {
		pieces = append(pieces, regexPiece{node: t.char(r), low: 1, high: 1})
	}
	return branchNode(pieces)
}

// char writes a character.
func (t *regexTranslator) char(r rune) *regexNode {
	text := t.flags.foldedText(r)
	t.out.WriteString(text)
	return t.charNode(text)
}

func quoteRune(r rune) string { return regexp.QuoteMeta(string(r)) }

// charNode is the node of what is one character, as package regexp writes it.
func (t *regexTranslator) charNode(text string) *regexNode {
	return &regexNode{op: opChar, set: setOf(text, t.flags)}
}

// anchor is the node of a constraint.
func (t *regexTranslator) anchor(op regexOp) *regexNode {
	return &regexNode{op: op, multiline: t.flags.multiline}
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
func (t *regexTranslator) atom(depth int) (g greed, n *regexNode, constraint bool, err error) {
	from := t.out.Len()
	switch c := t.in[t.at]; c {
	case '(':
		return t.group(depth)
	case '[':
		if n, err := t.bracket(); n != nil || err != nil {
			return noGreed, n, true, err
		}
		return noGreed, t.charNode(t.out.String()[from:]), false, nil
	case '.':
		t.at++
		t.out.WriteByte('.')
		return noGreed, t.charNode("."), false, nil
	case '^':
		t.at++
		t.behind = true
		t.out.WriteByte('^')
		return noGreed, t.anchor(opBegin), true, nil
	case '$':
		t.at++
		t.out.WriteByte('$')
		return noGreed, t.anchor(opEnd), true, nil
	case '\\':
		n, constraint, err = t.escape()
		if n == nil && err == nil {
			n = t.charNode(t.out.String()[from:])
		}
		return noGreed, n, constraint, err
	case '*', '+', '?':
		return 0, nil, false, badRegex("quantifier operand invalid")
	case '{':
		if t.at+1 < len(t.in) && isASCIIDigit(t.in[t.at+1]) {
			return 0, nil, false, badRegex("quantifier operand invalid")
		}
	}
	r, size := utf8.DecodeRuneInString(t.in[t.at:])
	t.at += size
	return noGreed, t.char(r), false, nil
}

func isASCIIDigit(c byte) bool { return c >= '0' && c <= '9' }

// lookStarts are the beginnings of look-around.
var lookStarts = []struct {
	text           string
	behind, negate bool
}{{"(?=", false, false}, {"(?!", false, true}, {"(?<=", true, false}, {"(?<!", true, true}}

func (t *regexTranslator) group(depth int) (g greed, n *regexNode, constraint bool, err error) {
	for _, l := range lookStarts {
		if t.peek(l.text) {
			t.at += len(l.text)
			t.treeOnly = true
			t.looking++
			from, quantifiers := t.out.String(), len(t.quantifiers)
			_, sub, err := t.inParentheses(depth)
			t.out.Reset()
			t.out.WriteString(from)
			t.quantifiers = t.quantifiers[:quantifiers]
			t.looking--
			return noGreed, &regexNode{op: opLook, subs: []*regexNode{sub}, behind: l.behind, negate: l.negate}, true, err
		}
	}
	capture := 0
	switch {
	case t.peek("(?:"):
		t.at += 3
		t.out.WriteString("(?:")
	case t.peek("(?"):
		return 0, nil, false, badRegex("quantifier operand invalid")
	case t.looking > 0:
		t.at++
		t.out.WriteString("(?:")
	default:
		t.at++
		t.groups++
		capture = t.groups
		t.out.WriteByte('(')
	}
	if g, n, err = t.inParentheses(depth); err != nil {
		return 0, nil, false, err
	}
	t.out.WriteByte(')')
	if capture > 0 {
		n = &regexNode{op: opCapture, subs: []*regexNode{n}, capture: capture, bits: n.bits | bitCapture}
		if t.captures == nil {
			t.captures = map[int]*regexNode{}
		}
		t.captures[capture] = n
	}
	return g, n, false, nil
}

// inParentheses translates what stands before the closing parenthesis, and passes that.
func (t *regexTranslator) inParentheses(depth int) (greed, *regexNode, error) {
	g, n, err := t.alternatives(depth + 1)
	if err != nil {
		return 0, nil, err
	}
	if !t.more() {
		return 0, nil, badRegex("parentheses () not balanced")
	}
	t.at++
	return g, n, nil
}

// quantifier translates what follows an atom.
func (t *regexTranslator) quantifier(p *regexPiece, constraint bool) error {
	if !t.more() {
		return nil
	}
	q, fixed := "", false
	switch c := t.in[t.at]; {
	case c == '*':
		q, p.low, p.high = "*", 0, unbounded
		t.at++
	case c == '+':
		q, p.low, p.high = "+", 1, unbounded
		t.at++
	case c == '?':
		q, p.low, p.high = "?", 0, 1
		t.at++
	case c == '{' && t.at+1 < len(t.in) && isASCIIDigit(t.in[t.at+1]):
		var err error
		if q, fixed, err = t.bounds(p); err != nil {
			return err
		}
	default:
		return nil
	}
	if constraint {
		return badRegex("quantifier operand invalid")
	}
	isLazy := t.more() && t.in[t.at] == '?'
	if isLazy {
		t.at++
	}
	if t.more() && strings.IndexByte("*+?", t.in[t.at]) >= 0 {
		return badRegex("quantifier operand invalid")
	}
	t.out.WriteString(q)
	switch {
	case fixed:
	case isLazy:
		t.out.WriteByte('?')
		p.prefer = lazy
	default:
		t.quantifiers = append(t.quantifiers, t.out.Len())
		p.prefer = greedy
	}
	return nil
}

// bounds reads {m}, {m,} and {m,n}; fixed says that it is {m}.
func (t *regexTranslator) bounds(p *regexPiece) (q string, fixed bool, err error) {
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
	p.low, p.high = m, m
	if ranged {
		p.high = unbounded
	}
	if ranged && high != "" {
		n, err := strconv.Atoi(high)
		if err != nil || n > 255 || n < m {
			return "", false, badRegex("invalid repetition count(s)")
		}
		p.high = n
	}
	return "{" + body + "}", !ranged, nil
}
