package jsonpath

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// MaxDepth bounds how deep the items of a path may be nested, and so what it takes of the stack to
// evaluate it. A parser may go deeper, as each item may be in parentheses: the text that a path is
// written as must be readable.
const (
	MaxDepth    = 5000
	parserDepth = 3 * MaxDepth
)

func errTooDeep() error { return pgerr.New(pgerr.StatementTooComplex, "stack depth limit exceeded") }

// A parser is one of recursive descent. Items that are predicates and those that have values are
// read by the same functions, which check what they get where PostgreSQL's grammar would fail.
type parser struct {
	lexer
	number func(string) (string, error)
	depth  int
}

// Parse reads a path. number is numeric's input and output, which numbers of a path are brought
// into their canonical form by. Errors are those of PostgreSQL.
func Parse(src string, number func(string) (string, error)) (*Path, error) {
	p := &parser{lexer: lexer{src: src}, number: number}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.tok == tEnd {
		return nil, pgerr.New(pgerr.InvalidText, "invalid input syntax for type jsonpath: \"%s\"", src)
	}
	path := &Path{Strict: p.word == "strict"}
	if p.word == "strict" || p.word == "lax" {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	var err error
	if path.Root, _, err = p.either(); err != nil {
		return nil, err
	}
	if p.tok != tEnd {
		return nil, p.unexpected()
	}
	return path, check(path.Root, 0, false, false)
}

// check refuses @ outside of filters and last outside of subscripts.
func check(it *Item, depth int, filtered, subscript bool) error {
	if depth > MaxDepth {
		return errTooDeep()
	}
	for ; it != nil; it = it.Next {
		if it.Op == Current && !filtered {
			return pgerr.New(pgerr.SyntaxError, "@ is not allowed in root expressions")
		}
		if it.Op == Last && !subscript {
			return pgerr.New(pgerr.SyntaxError, "LAST is allowed only in array subscripts")
		}
		for _, arg := range [...]*Item{it.Left, it.Right} {
			if err := check(arg, depth+1, filtered || it.Op == Filter, subscript); err != nil {
				return err
			}
		}
		for _, r := range it.Ranges {
			if err := check(r.From, depth+1, filtered, true); err != nil {
				return err
			}
			if err := check(r.To, depth+1, filtered, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) unexpected() error { return p.fail("syntax error") }

// is says whether the token is a special character.
func (p *parser) is(c string) bool { return p.tok == tSpecial && p.text == c }

func (p *parser) expect(c string) error {
	if !p.is(c) {
		return p.unexpected()
	}
	return p.next()
}

func (p *parser) expectWord(w string) error {
	if p.word != w {
		return p.unexpected()
	}
	return p.next()
}

func (p *parser) enter() error {
	if p.depth++; p.depth > parserDepth {
		return errTooDeep()
	}
	return nil
}

// A shape says what may be done with an item.
type shape uint8

const (
	value     shape = iota
	predicate       // only where a truth value is asked for
	delimited       // a predicate in parentheses, or exists
)

// either reads a value or a predicate: a chain of ||.
func (p *parser) either() (*Item, shape, error) {
	return p.logic(tOr, Or, func() (*Item, shape, error) { return p.logic(tAnd, And, p.comparison) })
}

func (p *parser) logic(t token, op Op, operand func() (*Item, shape, error)) (*Item, shape, error) {
	left, s, err := operand()
	for err == nil && p.tok == t {
		if s == value {
			return nil, s, p.unexpected()
		}
		if err = p.next(); err != nil {
			break
		}
		var right *Item
		if right, s, err = operand(); err != nil {
			break
		}
		if s == value {
			return nil, s, p.unexpected()
		}
		left, s = &Item{Op: op, Left: left, Right: right}, predicate
	}
	return left, s, err
}

var comparisons = map[token]Op{tEqual: Equal, tNotEqual: NotEqual, tLess: Less, tGreater: Greater, tLessOrEqual: LessOrEqual, tGreaterOrEqual: GreaterOrEqual}

func (p *parser) comparison() (*Item, shape, error) {
	if p.tok == tNot {
		return p.negation()
	}
	left, s, err := p.sum()
	if err != nil || s != value {
		return left, s, err
	}
	op, ok := comparisons[p.tok]
	switch {
	case ok:
		if err := p.next(); err != nil {
			return nil, s, err
		}
		right, err := p.valueOf(p.sum())
		return &Item{Op: op, Left: left, Right: right}, predicate, err
	case p.word == "starts":
		return p.startsWith(left)
	case p.word == "like_regex":
		return p.likeRegex(left)
	}
	return left, s, nil
}

// valueOf refuses a predicate.
func (p *parser) valueOf(it *Item, s shape, err error) (*Item, error) {
	if err == nil && s != value {
		err = p.unexpected()
	}
	return it, err
}

func (p *parser) negation() (*Item, shape, error) {
	if err := p.next(); err != nil {
		return nil, predicate, err
	}
	var arg *Item
	var err error
	switch {
	case p.is("("):
		arg, err = p.inParentheses()
	case p.word == "exists":
		arg, err = p.exists()
	default:
		err = p.unexpected()
	}
	return &Item{Op: Not, Left: arg}, predicate, err
}

// inParentheses reads a predicate in parentheses.
func (p *parser) inParentheses() (*Item, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	it, s, err := p.either()
	if err != nil {
		return nil, err
	}
	if s == value {
		return nil, p.unexpected()
	}
	return it, p.expect(")")
}

func (p *parser) exists() (*Item, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	arg, err := p.valueOf(p.either())
	if err != nil {
		return nil, err
	}
	return &Item{Op: Exists, Left: arg}, p.expect(")")
}

func (p *parser) startsWith(left *Item) (*Item, shape, error) {
	if err := p.next(); err != nil {
		return nil, predicate, err
	}
	if err := p.expectWord("with"); err != nil {
		return nil, predicate, err
	}
	right := &Item{Op: String, Text: p.text}
	switch p.tok {
	case tString:
	case tVariable:
		right.Op = Variable
	default:
		return nil, predicate, p.unexpected()
	}
	return &Item{Op: StartsWith, Left: left, Right: right}, predicate, p.next()
}

func (p *parser) likeRegex(left *Item) (*Item, shape, error) {
	it := &Item{Op: LikeRegex, Left: left}
	if err := p.next(); err != nil {
		return nil, predicate, err
	}
	if p.tok != tString {
		return nil, predicate, p.unexpected()
	}
	it.Text = p.text
	if err := p.next(); err != nil || p.word != "flag" {
		return it, predicate, err
	}
	if err := p.next(); err != nil {
		return nil, predicate, err
	}
	if p.tok != tString {
		return nil, predicate, p.unexpected()
	}
	if err := it.Flags.set(p.text); err != nil {
		return nil, predicate, err
	}
	return it, predicate, p.next()
}

func (f *RegexFlags) set(s string) error {
	for _, r := range s {
		switch r {
		case 'i':
			f.Fold = true
		case 's':
			f.DotAll = true
		case 'm':
			f.Lines = true
		case 'x':
			f.Expanded = true
		case 'q':
			f.Literal = true
		default:
			return pgerr.New(pgerr.SyntaxError, "invalid input syntax for type jsonpath").
				WithDetail("Unrecognized flag character \"%c\" in LIKE_REGEX predicate.", r)
		}
	}
	if f.Expanded && !f.Literal {
		return pgerr.Unsupported("XQuery \"x\" flag (expanded regular expressions) is not implemented")
	}
	return nil
}

var (
	sums     = map[string]Op{"+": Add, "-": Sub}
	products = map[string]Op{"*": Mul, "/": Div, "%": Mod}
	signs    = map[string]Op{"+": Plus, "-": Minus}
)

func (p *parser) sum() (*Item, shape, error) { return p.arithmetic(sums, p.product) }

func (p *parser) product() (*Item, shape, error) { return p.arithmetic(products, p.signed) }

func (p *parser) arithmetic(ops map[string]Op, operand func() (*Item, shape, error)) (*Item, shape, error) {
	left, s, err := operand()
	for err == nil && s == value && p.tok == tSpecial {
		op, ok := ops[p.text]
		if !ok {
			break
		}
		if err = p.next(); err != nil {
			break
		}
		var right *Item
		right, err = p.valueOf(operand())
		left = &Item{Op: op, Left: left, Right: right}
	}
	return left, s, err
}

func (p *parser) signed() (*Item, shape, error) {
	op, ok := signs[p.text]
	if p.tok != tSpecial || !ok {
		return p.accessed()
	}
	if err := p.enter(); err != nil {
		return nil, value, err
	}
	defer func() { p.depth-- }()
	if err := p.next(); err != nil {
		return nil, value, err
	}
	arg, err := p.valueOf(p.signed())
	if err != nil {
		return nil, value, err
	}
	if arg.Op != Number || arg.Next != nil {
		return &Item{Op: op, Left: arg}, value, nil
	}
	if op == Plus {
		return arg, value, nil
	}
	if positive, ok := strings.CutPrefix(arg.Text, "-"); ok {
		arg.Text = positive
	} else {
		arg.Text, err = p.number("-" + arg.Text)
	}
	return arg, value, err
}

// accessed reads a primary item with its accessors.
func (p *parser) accessed() (*Item, shape, error) {
	it, s, err := p.primary()
	if err != nil {
		return nil, s, err
	}
	end := it
	for end.Next != nil {
		end = end.Next
	}
	for s != predicate {
		step, err := p.accessor()
		if err != nil {
			return nil, s, err
		}
		if step == nil {
			return it, s, nil
		}
		end.Next = step
		end, s = step, value
	}
	return it, s, nil
}

func (p *parser) primary() (*Item, shape, error) {
	it := &Item{Text: p.text}
	switch {
	case p.tok == tString:
		it.Op = String
	case p.tok == tVariable:
		it.Op = Variable
	case p.tok == tInt, p.tok == tNumber:
		it.Op = Number
		var err error
		if it.Text, err = p.number(p.text); err != nil {
			return nil, value, err
		}
	case p.word == "null":
		it.Op = Null
	case p.word == "true", p.word == "false":
		it.Op, it.Bool = Bool, p.word == "true"
	case p.word == "last":
		it.Op = Last
	case p.word == "exists":
		it, err := p.exists()
		return it, predicate, err
	case p.is("$"):
		it.Op = Root
	case p.is("@"):
		it.Op = Current
	case p.is("("):
		return p.parentheses()
	default:
		return nil, value, p.unexpected()
	}
	return it, value, p.next()
}

// parentheses reads what is in parentheses, and what makes a predicate of one.
func (p *parser) parentheses() (*Item, shape, error) {
	if err := p.enter(); err != nil {
		return nil, value, err
	}
	defer func() { p.depth-- }()
	if err := p.next(); err != nil {
		return nil, value, err
	}
	it, s, err := p.either()
	if err != nil {
		return nil, value, err
	}
	if err := p.expect(")"); err != nil {
		return nil, value, err
	}
	if s == value {
		return it, value, nil
	}
	if p.word != "is" {
		return it, delimited, nil
	}
	if err := p.next(); err != nil {
		return nil, value, err
	}
	return &Item{Op: IsUnknown, Left: it}, predicate, p.expectWord("unknown")
}

var methods = map[string]Op{"abs": Abs, "size": Size, "type": Type, "floor": Floor, "double": Double, "ceiling": Ceiling, "keyvalue": KeyValue, "datetime": Datetime}

// accessor reads an accessor, or returns nil if there is none.
func (p *parser) accessor() (*Item, error) {
	switch {
	case p.is("."):
		if err := p.next(); err != nil {
			return nil, err
		}
		return p.member()
	case p.is("["):
		if err := p.next(); err != nil {
			return nil, err
		}
		return p.subscripts()
	case p.is("?"):
		if err := p.next(); err != nil {
			return nil, err
		}
		arg, err := p.inParentheses()
		return &Item{Op: Filter, Left: arg}, err
	}
	return nil, nil
}

// member reads what follows a dot.
func (p *parser) member() (*Item, error) {
	it := &Item{Op: Key, Text: p.text}
	switch {
	case p.tok == tString:
		return it, p.next()
	case p.tok == tAny:
		return p.levels()
	case p.is("*"):
		return &Item{Op: AnyKey}, p.next()
	case p.tok != tIdent:
		return nil, p.unexpected()
	}
	method, ok := methods[p.word]
	if err := p.next(); err != nil || !ok || !p.is("(") {
		return it, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	it = &Item{Op: method}
	if method == Datetime && p.tok == tString {
		it.Text, it.HasTemplate = p.text, true
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return it, p.expect(")")
}

// levels reads the bounds of **.
func (p *parser) levels() (*Item, error) {
	it := &Item{Op: Any, Last: Deepest}
	if err := p.next(); err != nil || !p.is("{") {
		return it, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	var err error
	if it.First, err = p.level(); err != nil {
		return nil, err
	}
	it.Last = it.First
	if p.word == "to" {
		if err := p.next(); err != nil {
			return nil, err
		}
		if it.Last, err = p.level(); err != nil {
			return nil, err
		}
	}
	return it, p.expect("}")
}

func (p *parser) level() (uint32, error) {
	if p.word == "last" {
		return Deepest, p.next()
	}
	if p.tok != tInt {
		return 0, p.unexpected()
	}
	n, err := strconv.ParseInt(p.text, 10, 32)
	if err != nil {
		return 0, pgerr.New(pgerr.NumericOutOfRange, "value \"%s\" is out of range for type integer", p.text)
	}
	return uint32(n), p.next()
}

func (p *parser) subscripts() (*Item, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.is("*") {
		if err := p.next(); err != nil {
			return nil, err
		}
		return &Item{Op: AnyElement}, p.expect("]")
	}
	it := &Item{Op: Index}
	for {
		var r Range
		var err error
		if r.From, err = p.valueOf(p.sum()); err != nil {
			return nil, err
		}
		if p.word == "to" {
			if err := p.next(); err != nil {
				return nil, err
			}
			if r.To, err = p.valueOf(p.sum()); err != nil {
				return nil, err
			}
		}
		it.Ranges = append(it.Ranges, r)
		if !p.is(",") {
			return it, p.expect("]")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
}
