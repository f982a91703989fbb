package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// Binding powers, from loose to tight, as in PostgreSQL's gram.y.
const (
	powerOr = iota + 1
	powerAnd
	powerNot
	powerIs
	powerCompare
	powerLike // BETWEEN, IN, LIKE
	_         // ESCAPE
	powerOp   // all other operators
	powerAdd
	powerMultiply
	powerExponent
	powerAt
	powerCollate
	powerMinus
)

// operatorPower returns the binding power of an infix operator; generic
// operators may also stand before an operand.
func operatorPower(op string) (power int, generic bool) {
	switch op {
	case "<", ">", "=", "<=", ">=", "<>":
		return powerCompare, false
	case "+", "-":
		return powerAdd, false
	case "*", "/", "%":
		return powerMultiply, false
	case "^":
		return powerExponent, false
	}
	return powerOp, true
}

// mode restricts an expression to PostgreSQL's b_expr: no logical operators and
// none that are words, for places where these words mean something else.
type mode bool

const (
	full       mode = false
	restricted mode = true
)

// expr reads an expression.
func (p *parser) expr() ast.Expr { return p.exprFrom(0, full) }

func (p *parser) exprs() []ast.Expr {
	list := []ast.Expr{p.expr()}
	for p.acceptKind(',') {
		list = append(list, p.expr())
	}
	return list
}

// exprFrom reads an expression of operators that bind at least as tightly as power.
func (p *parser) exprFrom(power int, m mode) ast.Expr {
	p.enter()
	e := p.infix(p.prefix(m), power, m)
	p.leave()
	return e
}

func (p *parser) prefix(m mode) ast.Expr {
	t := p.t
	switch {
	case t.kind == tOp && (t.text == "-" || t.text == "+"):
		p.advance()
		arg := p.exprFrom(powerMinus, m)
		if lit, ok := arg.(*ast.Literal); ok && lit.Kind == ast.Number && t.text == "-" {
			return at(t, negate(lit))
		}
		return at(t, &ast.Unary{Op: ast.OpName{Name: t.text}, Arg: arg})
	case t.kind == tOp:
		if _, generic := operatorPower(t.text); !generic {
			p.fail()
		}
		p.advance()
		return at(t, &ast.Unary{Op: ast.OpName{Name: t.text}, Arg: p.exprFrom(powerOp+1, m)})
	case t.is("operator") && p.peek(1).kind == '(':
		op := p.qualifiedOperator()
		return at(t, &ast.Unary{Op: op, Arg: p.exprFrom(powerOp+1, m)})
	case t.is("not") && m == full:
		p.advance()
		return at(t, &ast.Not{Arg: p.exprFrom(powerNot, m)})
	}
	return p.primary()
}

func negate(lit *ast.Literal) *ast.Literal {
	text, had := strings.CutPrefix(lit.Text, "-")
	if !had {
		text = "-" + text
	}
	return &ast.Literal{Kind: ast.Number, Text: text}
}

// infix extends left by the operators after it.
func (p *parser) infix(left ast.Expr, power int, m mode) ast.Expr {
	// chained is the power of a non-associative operator that left ends in:
	// a second of the kind is an error, as in a < b < c.
	chained := 0
	check := func(own int) bool {
		if own < power {
			return false
		}
		if own == chained {
			p.fail()
		}
		return true
	}
	for {
		t := p.t
		switch {
		case t.kind == tTypecast:
			p.advance()
			left, chained = at(t, &ast.Cast{Arg: left, Type: p.typeName()}), 0
		case t.kind == tOp:
			own, _ := operatorPower(t.text)
			if !check(own) {
				return left
			}
			p.advance()
			left, chained = p.operand(t, ast.OpName{Name: t.text}, left, own, m)
		case t.kind != tKeyword:
			return left
		case t.text == "operator" && p.peek(1).kind == '(':
			if !check(powerOp) {
				return left
			}
			left, chained = p.operand(t, p.qualifiedOperator(), left, powerOp, m)
		case t.text == "is":
			if !check(powerIs) {
				return left
			}
			p.advance()
			left, chained = p.isTest(t, left, m)
		case m == restricted:
			return left
		default:
			own := p.wordPower()
			if own == 0 || !check(own) {
				return left
			}
			left, chained = p.wordOperator(left, own)
		}
	}
}

// operand reads what follows an infix operator: ANY, ALL or an expression.
func (p *parser) operand(t token, op ast.OpName, left ast.Expr, own int, m mode) (ast.Expr, int) {
	if m == full && (p.is("any") || p.is("some") || p.is("all")) {
		return p.anyAll(t, op, left), 0
	}
	e := at(t, &ast.Binary{Op: op, L: left, R: p.exprFrom(own+1, m)})
	if own == powerCompare {
		return e, powerCompare
	}
	return e, 0
}

// wordPower returns the power of the operator that the keywords here make, 0 if none.
func (p *parser) wordPower() int {
	switch p.t.text {
	case "or":
		return powerOr
	case "and":
		return powerAnd
	case "isnull", "notnull":
		return powerIs
	case "between", "in", "like", "ilike":
		return powerLike
	case "similar":
		if p.peek(1).is("to") {
			return powerLike
		}
	case "not":
		switch n := p.peek(1); {
		case n.is("between"), n.is("in"), n.is("like"), n.is("ilike"), n.is("similar"):
			return powerLike
		}
	case "at":
		if p.peek(1).is("time") {
			return powerAt
		}
	case "collate":
		return powerCollate
	}
	return 0
}

// wordOperator reads the rest of an operator that is a word.
func (p *parser) wordOperator(left ast.Expr, own int) (e ast.Expr, chained int) {
	t := p.advance()
	switch t.text {
	case "or":
		right := p.exprFrom(powerOr+1, full)
		if or, ok := left.(*ast.Or); ok {
			or.Args = append(or.Args, right)
			return or, 0
		}
		return at(t, &ast.Or{Args: []ast.Expr{left, right}}), 0
	case "and":
		right := p.exprFrom(powerAnd+1, full)
		if and, ok := left.(*ast.And); ok {
			and.Args = append(and.Args, right)
			return and, 0
		}
		return at(t, &ast.And{Args: []ast.Expr{left, right}}), 0
	case "isnull":
		return at(t, &ast.IsNull{Arg: left}), 0
	case "notnull":
		return at(t, &ast.IsNull{Arg: left, Not: true}), 0
	case "at":
		p.expect("time", "zone")
		zone := p.exprFrom(powerAt+1, full)
		return sqlCall(t, "timezone", zone, left), 0
	case "collate":
		return at(t, &ast.Collate{Arg: left, Name: p.anyName()}), 0
	}
	not := t.text == "not"
	word := t
	if not {
		word = p.advance()
	}
	switch word.text {
	case "between":
		return p.between(t, left, not), powerLike
	case "in":
		return p.in(t, left, not), 0
	}
	return p.like(t, word, left, not)
}

func (p *parser) between(t token, left ast.Expr, not bool) ast.Expr {
	b := at(t, &ast.Between{Arg: left, Not: not})
	if p.oneOf("symmetric", "asymmetric") == "symmetric" {
		b.Symmetric = true
	}
	b.Low = p.exprFrom(0, restricted)
	p.expect("and")
	b.High = p.exprFrom(powerLike+1, full)
	return b
}

func (p *parser) in(t token, left ast.Expr, not bool) ast.Expr {
	in := at(t, &ast.In{Arg: left, Not: not})
	p.expectKind('(')
	if in.Query = p.subqueryAhead(); in.Query == nil {
		in.List = p.exprs()
		if q, ok := in.List[0].(*ast.Subquery); ok && len(in.List) == 1 {
			in.Query, in.List = p.restOfQuery(q), nil
		}
	}
	p.expectKind(')')
	return in
}

var likeOperators = map[string][2]string{"like": {"~~", "!~~"}, "ilike": {"~~*", "!~~*"}}

func (p *parser) like(t, word token, left ast.Expr, not bool) (ast.Expr, int) {
	if word.text == "similar" {
		p.expect("to")
	} else if p.is("any") || p.is("some") || p.is("all") {
		name := likeOperators[word.text][0]
		if not {
			name = likeOperators[word.text][1]
		}
		return p.anyAll(t, ast.OpName{Name: name}, left), 0
	}
	l := at(t, &ast.Like{Arg: left, Not: not})
	switch word.text {
	case "ilike":
		l.Kind = ast.ILikePattern
	case "similar":
		l.Kind = ast.SimilarPattern
	}
	l.Pattern = p.exprFrom(powerLike+1, full)
	if p.accept("escape") {
		l.Escape = p.exprFrom(powerLike+1, full)
	}
	return l, powerLike
}

// anyAll reads ANY (...) after an operator.
func (p *parser) anyAll(t token, op ast.OpName, left ast.Expr) ast.Expr {
	e := at(t, &ast.AnyAll{Op: op, L: left, All: p.advance().text == "all"})
	p.expectKind('(')
	if e.Query = p.subqueryAhead(); e.Query == nil {
		e.R = p.expr()
		if q, ok := e.R.(*ast.Subquery); ok {
			e.Query, e.R = p.restOfQuery(q), nil
		}
	}
	p.expectKind(')')
	return e
}

// isTest reads what follows IS.
func (p *parser) isTest(t token, left ast.Expr, m mode) (ast.Expr, int) {
	not := p.accept("not")
	word := p.advance()
	if word.kind != tKeyword || m == restricted && word.text != "distinct" && word.text != "document" {
		p.failAt(word)
	}
	switch word.text {
	case "null":
		return at(t, &ast.IsNull{Arg: left, Not: not}), 0
	case "true":
		return at(t, &ast.BoolTest{Arg: left, Test: ast.IsTrue, Not: not}), 0
	case "false":
		return at(t, &ast.BoolTest{Arg: left, Test: ast.IsFalse, Not: not}), 0
	case "unknown":
		return at(t, &ast.BoolTest{Arg: left, Test: ast.IsUnknown, Not: not}), 0
	case "document":
		return at(t, &ast.IsDocument{Arg: left, Not: not}), 0
	case "distinct":
		p.expect("from")
		return at(t, &ast.IsDistinct{L: left, R: p.exprFrom(powerIs+1, m), Not: not}), powerIs
	case "nfc", "nfd", "nfkc", "nfkd":
		p.expect("normalized")
		return at(t, &ast.IsNormalized{Arg: left, Form: strings.ToUpper(word.text), Not: not}), 0
	case "normalized":
		return at(t, &ast.IsNormalized{Arg: left, Not: not}), 0
	}
	p.failAt(word)
	return nil, 0
}

// qualifiedOperator reads OPERATOR(schema.op).
func (p *parser) qualifiedOperator() ast.OpName {
	p.advance()
	p.expectKind('(')
	op := p.operatorName()
	p.expectKind(')')
	return op
}

// operatorName reads [schema.]op.
func (p *parser) operatorName() ast.OpName {
	var op ast.OpName
	for p.t.isColID() {
		if op.Schema != "" {
			p.errorf(p.t.pos, pgerr.SyntaxError, "improper qualified name (too many dotted names)")
		}
		op.Schema = p.advance().text
		p.expectKind('.')
	}
	op.Name = p.expectKind(tOp).text
	return op
}

// sqlCall makes the call that stands for a syntax of its own.
func sqlCall(t token, name string, args ...ast.Expr) *ast.FuncCall {
	return at(t, &ast.FuncCall{Name: []string{"pg_catalog", name}, Args: args, SQLSyntax: true})
}
