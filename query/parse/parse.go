// Package parse reads SQL as PostgreSQL 15 writes it and makes ast trees.
//
// It is a recursive-descent parser over its own lexer: lex.go cuts words,
// expr.go climbs operator precedence, and the other files each hold a group of
// statements. What PostgreSQL's grammar accepts is accepted, what is not
// offered later becomes ast.Unsupported, and errors have PostgreSQL's words,
// SQLSTATEs and positions. Input is untrusted: nesting is bounded, chains of
// operators are read in loops, memory is a small multiple of the input.
package parse

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// A Stmt is one statement of a string of them.
type Stmt struct {
	Node ast.Stmt
	// Text is the statement's source without the semicolon and without space
	// around it; Offset is where it begins, in bytes. Positions in Node count
	// from the beginning of the whole string.
	Text   string
	Offset int
}

const (
	// maxDepth bounds how deep expressions and queries nest.
	maxDepth = 5000
	// MaxBytes is the longest string that is parsed.
	MaxBytes = 1 << 28
)

// bailout carries an error from anywhere in the parser to its entry: the
// grammar would drown in error returns. It never leaves the package.
type bailout struct{ err error }

// A parser reads one string. t is the token to be looked at next, ahead holds
// those that were peeked at beyond it.
type parser struct {
	lex    lexer
	t      token
	ahead  [4]token
	aheadN int
	last   int32 // end of the token consumed last
	depth  int
}

func (p *parser) init(sql string) {
	if len(sql) > MaxBytes {
		panic(bailout{pgerr.New(pgerr.ProgramLimitExceeded, "query string of %d bytes is too long", len(sql))})
	}
	p.lex.src, p.lex.ascii = sql, true
	for i := 0; i < len(sql); i++ {
		if sql[i] == 0 || sql[i] >= utf8.RuneSelf {
			p.lex.ascii = false
			break
		}
	}
	if !p.lex.ascii {
		checkUTF8(sql)
	}
	p.t = p.lex.next()
}

func checkUTF8(sql string) {
	for i, r := range sql {
		if r == 0 {
			panic(bailout{invalidUTF8(sql, i)})
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(sql[i:]); n <= 1 {
				panic(bailout{invalidUTF8(sql, i)})
			}
		}
	}
}

func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case bailout:
		*err = r.err
	default:
		panic(r)
	}
}

// Parse parses a string of statements separated by semicolons. Empty
// statements are left out. Errors are *pgerr.Error; one in any statement
// fails the whole string.
func Parse(sql string) ([]Stmt, error) { return ParseContext(context.Background(), sql) }

// ParseContext is Parse that fails with the error of a context that ends meanwhile.
func ParseContext(ctx context.Context, sql string) (stmts []Stmt, err error) {
	defer caught(&err)
	p := parser{lex: lexer{ctx: ctx}}
	p.init(sql)
	for {
		for p.t.kind == ';' {
			p.advance()
		}
		if p.t.kind == tEOF {
			return stmts, nil
		}
		start := int(p.t.off)
		node := p.statement()
		if p.t.kind != ';' && p.t.kind != tEOF {
			p.fail()
		}
		stmts = append(stmts, Stmt{Node: node, Text: sql[start:p.last], Offset: start})
	}
}

// ParseExpr parses one expression, such as a stored default.
func ParseExpr(sql string) (e ast.Expr, err error) {
	defer caught(&err)
	var p parser
	p.init(sql)
	e = p.expr()
	p.end()
	return e, nil
}

// ParseType parses the name of a type, as regtype's input and format_type's
// output have it.
func ParseType(sql string) (t *ast.TypeName, err error) {
	defer caught(&err)
	var p parser
	p.init(sql)
	t = p.typeName()
	p.end()
	return t, nil
}

// ParseSelect parses one query, such as a view's.
func ParseSelect(sql string) (q *ast.Select, err error) {
	defer caught(&err)
	var p parser
	p.init(sql)
	q = p.selectStmt()
	p.end()
	return q, nil
}

func (p *parser) end() {
	if p.t.kind != tEOF {
		p.fail()
	}
}

// advance consumes the current token and returns it.
func (p *parser) advance() token {
	t := p.t
	p.last = t.end
	if p.aheadN > 0 {
		p.t = p.ahead[0]
		copy(p.ahead[:], p.ahead[1:p.aheadN])
		p.aheadN--
	} else {
		p.t = p.lex.next()
	}
	return t
}

// peek returns the token n after the current one, 1 to 4.
func (p *parser) peek(n int) token {
	for p.aheadN < n {
		p.ahead[p.aheadN] = p.lex.next()
		p.aheadN++
	}
	return p.ahead[n-1]
}

// fail raises the syntax error about the current token.
func (p *parser) fail() {
	p.failAt(p.t)
}

func (p *parser) failAt(t token) { p.lex.failAt("syntax error", t) }

// failWith raises another error in the words of one of syntax.
func (p *parser) failWith(msg string) { p.lex.failAt(msg, p.t) }

func (l *lexer) failAt(msg string, t token) {
	if t.kind == tEOF {
		panic(bailout{pgerr.New(pgerr.SyntaxError, "%s at end of input", msg).At(int(t.pos))})
	}
	panic(bailout{pgerr.New(pgerr.SyntaxError, "%s at or near \"%s\"", msg, l.src[t.off:t.end]).At(int(t.pos))})
}

// errorf raises another error at a position.
func (p *parser) errorf(pos int32, code, format string, args ...any) {
	panic(bailout{pgerr.New(code, format, args...).At(int(pos))})
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		panic(bailout{pgerr.New(pgerr.StatementTooComplex, "stack depth limit exceeded").
			WithHint("Write the statement with less nesting.").At(int(p.t.pos))})
	}
}

func (p *parser) leave() { p.depth-- }

// is says whether the current token is the keyword.
func (p *parser) is(word string) bool { return p.t.kind == tKeyword && p.t.text == word }

func (t token) is(word string) bool { return t.kind == tKeyword && t.text == word }

// isOp says whether the current token is the operator.
func (p *parser) isOp(op string) bool { return p.t.kind == tOp && p.t.text == op }

// accept consumes the keywords if all of them come next.
func (p *parser) accept(words ...string) bool {
	if !p.is(words[0]) {
		return false
	}
	for i, w := range words[1:] {
		if !p.peek(i + 1).is(w) {
			return false
		}
	}
	for range words {
		p.advance()
	}
	return true
}

// expect consumes the keywords, or fails at the one that is not there.
func (p *parser) expect(words ...string) token {
	first := p.t
	for _, w := range words {
		if !p.is(w) {
			p.fail()
		}
		p.advance()
	}
	return first
}

func (p *parser) acceptKind(k kind) bool {
	if p.t.kind != k {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expectKind(k kind) token {
	if p.t.kind != k {
		p.fail()
	}
	return p.advance()
}

func (p *parser) acceptOp(op string) bool {
	if !p.isOp(op) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expectOp(op string) {
	if !p.acceptOp(op) {
		p.fail()
	}
}

// oneOf consumes one of the keywords and returns it, or "".
func (p *parser) oneOf(words ...string) string {
	if p.t.kind == tKeyword {
		for _, w := range words {
			if p.t.text == w {
				p.advance()
				return w
			}
		}
	}
	return ""
}

// at sets a node's position to a token's.
func at[N interface{ SetPos(int) }](t token, n N) N {
	n.SetPos(int(t.pos))
	return n
}

func pos(t token) ast.Pos { return ast.Pos(t.pos) }

// isColID says whether a token may name a column or a table.
func (t token) isColID() bool {
	return t.kind == tIdent || t.kind == tKeyword && (t.class == ast.Unreserved || t.class == ast.ColumnKeyword)
}

// isFuncName says whether a token may name a function or a type.
func (t token) isFuncName() bool {
	return t.kind == tIdent || t.kind == tKeyword && (t.class == ast.Unreserved || t.class == ast.TypeFunction)
}

// isWord says whether a token is an identifier or any keyword.
func (t token) isWord() bool { return t.kind == tIdent || t.kind == tKeyword }

func (p *parser) colID() string {
	if !p.t.isColID() {
		p.fail()
	}
	return p.advance().text
}

// label reads a name that may be any keyword.
func (p *parser) label() string {
	if !p.t.isWord() {
		p.fail()
	}
	return p.advance().text
}

// nonReserved reads a name that may be any keyword but the reserved ones.
func (p *parser) nonReserved() string {
	if !p.t.isWord() || p.t.class == ast.Reserved {
		p.fail()
	}
	return p.advance().text
}

func (p *parser) colIDs() []string {
	list := []string{p.colID()}
	for p.acceptKind(',') {
		list = append(list, p.colID())
	}
	return list
}

// columnList reads (a, b) if it is there.
func (p *parser) columnList() []string {
	if !p.acceptKind('(') {
		return nil
	}
	list := p.colIDs()
	p.expectKind(')')
	return list
}

// qualifiedName reads [[catalog.]schema.]name.
func (p *parser) qualifiedName() ast.Name {
	start := p.t
	parts := []string{p.colID()}
	for p.acceptKind('.') {
		parts = append(parts, p.label())
	}
	return p.nameOf(start, parts)
}

func (p *parser) nameOf(start token, parts []string) ast.Name {
	n := ast.Name{Pos: pos(start), Name: parts[len(parts)-1]}
	switch len(parts) {
	case 1:
	case 2:
		n.Schema = parts[0]
	case 3:
		n.Catalog, n.Schema = parts[0], parts[1]
	default:
		p.errorf(start.pos, pgerr.SyntaxError, "improper qualified name (too many dotted names): %s", strings.Join(parts, "."))
	}
	return n
}

func (p *parser) qualifiedNames() []ast.Name {
	list := []ast.Name{p.qualifiedName()}
	for p.acceptKind(',') {
		list = append(list, p.qualifiedName())
	}
	return list
}

// anyName reads a dotted name of any length.
func (p *parser) anyName() []string {
	parts := []string{p.colID()}
	for p.acceptKind('.') {
		parts = append(parts, p.label())
	}
	return parts
}

func (p *parser) str() string { return p.expectKind(tString).text }

// integer reads an integer constant of 32 bits.
func (p *parser) integer() int {
	if p.t.kind != tInt {
		p.fail()
	}
	n, err := strconv.ParseInt(p.t.text, 10, 32)
	if err != nil {
		p.fail()
	}
	p.advance()
	return int(n)
}
