package parse

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// primary reads an operand: PostgreSQL's c_expr.
func (p *parser) primary() ast.Expr {
	t := p.t
	switch t.kind {
	case tInt, tFloat:
		p.advance()
		return at(t, &ast.Literal{Kind: ast.Number, Text: t.text})
	case tString:
		p.advance()
		return at(t, &ast.Literal{Kind: ast.String, Text: t.text})
	case tBits:
		p.advance()
		return at(t, &ast.Literal{Kind: ast.BitString, Text: t.text})
	case tHex:
		p.advance()
		return at(t, &ast.Literal{Kind: ast.HexString, Text: t.text})
	case tParam:
		p.advance()
		n, err := strconv.ParseInt(t.text, 10, 32)
		if err != nil {
			n = 0 // $99999999999: the binder says that there is no such parameter
		}
		return p.indirection(at(t, &ast.Param{Index: int(n)}))
	case '(':
		return p.parenthesis()
	case tIdent:
		return p.named()
	case tKeyword:
		return p.keywordPrimary()
	}
	p.fail()
	return nil
}

// parenthesis reads (expr), (a, b), or (subquery), and what is selected from it.
func (p *parser) parenthesis() ast.Expr {
	open := p.advance()
	if q := p.subqueryAhead(); q != nil {
		p.expectKind(')')
		return p.indirection(at(open, &ast.Subquery{Query: q}))
	}
	e := p.expr()
	if q, ok := e.(*ast.Subquery); ok && p.t.kind == tKeyword {
		e = at(open, &ast.Subquery{Query: p.restOfQuery(q)})
	}
	if p.acceptKind(',') {
		fields := append([]ast.Expr{e}, p.exprs()...)
		p.expectKind(')')
		return p.overlaps(at(open, &ast.Row{Fields: fields}))
	}
	p.expectKind(')')
	return p.indirection(e)
}

// subqueryAhead reads a query if one begins here, else returns nil.
func (p *parser) subqueryAhead() *ast.Select {
	if p.queryAhead() {
		return p.selectStmt()
	}
	return nil
}

// queryAhead says whether the current token begins a query that is not in parentheses.
func (p *parser) queryAhead() bool {
	if p.t.kind != tKeyword {
		return false
	}
	switch p.t.text {
	case "select", "with", "table":
		return true
	case "values": // may name a column
		return p.peek(1).kind == '('
	}
	return false
}

// restOfQuery reads what follows a parenthesised query that turned out to be
// the beginning of a larger one.
func (p *parser) restOfQuery(q *ast.Subquery) *ast.Select {
	return p.selectTail(p.setOperations(q.Query, 0), nil)
}

// overlaps reads OVERLAPS and the second row after the first.
func (p *parser) overlaps(left *ast.Row) ast.Expr {
	if !p.is("overlaps") {
		return left
	}
	t := p.advance()
	right, ok := p.primary().(*ast.Row)
	if !ok {
		p.fail()
	}
	if len(left.Fields) != 2 {
		p.errorf(int32(left.Position()), pgerr.SyntaxError, "wrong number of parameters on left side of OVERLAPS expression")
	}
	if len(right.Fields) != 2 {
		p.errorf(int32(right.Position()), pgerr.SyntaxError, "wrong number of parameters on right side of OVERLAPS expression")
	}
	return sqlCall(t, "overlaps", left.Fields[0], left.Fields[1], right.Fields[0], right.Fields[1])
}

// indirection reads .field, .* and [subscript] after an operand.
func (p *parser) indirection(e ast.Expr) ast.Expr {
	for {
		switch p.t.kind {
		case '.':
			dot := p.advance()
			if p.acceptOp("*") {
				p.starIsLast()
				return at(dot, &ast.FieldSelect{Arg: e, Star: true})
			}
			e = at(dot, &ast.FieldSelect{Arg: e, Field: p.label()})
		case '[':
			open := p.t
			s := at(open, &ast.Subscript{Arg: e})
			for p.t.kind == '[' {
				s.Subs = append(s.Subs, p.subscript())
			}
			e = s
		default:
			return e
		}
	}
}

// starIsLast refuses a path that goes on after a star; like PostgreSQL it
// points at what follows the path.
func (p *parser) starIsLast() {
	if p.t.kind != '.' && p.t.kind != '[' {
		return
	}
	p.indirection(&ast.ColumnRef{})
	p.failWith("improper use of \"*\"")
}

func (p *parser) subscript() ast.Sub {
	p.advance()
	var s ast.Sub
	if p.t.kind != ':' {
		s.Upper = p.expr()
	}
	if p.acceptKind(':') {
		s.Slice, s.Lower, s.Upper = true, s.Upper, nil
		if p.t.kind != ']' {
			s.Upper = p.expr()
		}
	}
	p.expectKind(']')
	return s
}

// named reads what begins with a name: a column, a call, or a typed literal.
func (p *parser) named() ast.Expr {
	start := p.advance()
	names := append(make([]string, 0, 2), start.text)
	for p.t.kind == '.' {
		p.advance()
		if p.acceptOp("*") {
			p.starIsLast()
			return at(start, &ast.ColumnRef{Names: names, Star: true})
		}
		names = append(names, p.label())
	}
	switch {
	case p.t.kind == '(' && (len(names) > 1 || start.isFuncName()):
		return p.callOrLiteral(start, names)
	case p.t.kind == tString && (len(names) > 1 || start.isFuncName()):
		lit := p.advance()
		return p.typed(start, lit, &ast.TypeName{Pos: pos(start), Names: names})
	case !start.isColID():
		p.fail()
	}
	return p.indirection(at(start, &ast.ColumnRef{Names: names}))
}

// typed makes the cast of type 'literal'.
func (p *parser) typed(start, lit token, t *ast.TypeName) ast.Expr {
	return at(start, &ast.Cast{Arg: at(lit, &ast.Literal{Kind: ast.String, Text: lit.text}), Type: t})
}

// keywordPrimary reads an operand that begins with a keyword.
func (p *parser) keywordPrimary() ast.Expr {
	t := p.t
	switch t.text {
	case "null":
		p.advance()
		return at(t, &ast.Literal{Kind: ast.Null})
	case "true", "false":
		p.advance()
		return at(t, &ast.Literal{Kind: ast.Boolean, Text: t.text})
	case "case":
		return p.caseExpr()
	case "cast":
		return p.castExpr()
	case "array":
		return p.array()
	case "row":
		if p.peek(1).kind == '(' {
			return p.row()
		}
	case "exists":
		if p.peek(1).kind == '(' {
			p.advance()
			return at(t, &ast.Exists{Query: p.parenthesizedQuery()})
		}
	case "default":
		p.advance()
		return at(t, &ast.Default{})
	}
	if e := p.specialFunction(); e != nil {
		return e
	}
	if t.class == ast.ColumnKeyword || t.text == "double" {
		if e := p.typedLiteral(); e != nil {
			return e
		}
	}
	if t.class == ast.Reserved {
		p.fail()
	}
	return p.named()
}

// parenthesizedQuery reads a query in parentheses.
func (p *parser) parenthesizedQuery() *ast.Select {
	p.expectKind('(')
	q := p.selectStmt()
	p.expectKind(')')
	return q
}

func (p *parser) caseExpr() ast.Expr {
	c := at(p.advance(), &ast.Case{})
	if !p.is("when") {
		c.Operand = p.expr()
	}
	for p.is("when") || len(c.Whens) == 0 {
		w := ast.When{Pos: pos(p.expect("when"))}
		w.Cond = p.expr()
		p.expect("then")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if p.accept("else") {
		c.Else = p.expr()
	}
	p.expect("end")
	return c
}

func (p *parser) castExpr() ast.Expr {
	c := at(p.advance(), &ast.Cast{})
	p.expectKind('(')
	c.Arg = p.expr()
	p.expect("as")
	c.Type = p.typeName()
	p.expectKind(')')
	return c
}

// array reads ARRAY[...] or ARRAY(subquery).
func (p *parser) array() ast.Expr {
	t := p.advance()
	if p.t.kind == '(' {
		return at(t, &ast.ArrayQuery{Query: p.parenthesizedQuery()})
	}
	return p.arrayElements(t)
}

func (p *parser) arrayElements(t token) ast.Expr {
	p.enter()
	defer p.leave()
	a := at(t, &ast.ArrayExpr{})
	p.expectKind('[')
	nested := p.t.kind == '['
	for p.t.kind != ']' {
		if nested {
			a.Elems = append(a.Elems, p.arrayElements(p.t))
		} else {
			a.Elems = append(a.Elems, p.expr())
		}
		if !p.acceptKind(',') {
			break
		}
		if p.t.kind == ']' {
			p.fail()
		}
	}
	p.expectKind(']')
	return a
}

func (p *parser) row() ast.Expr {
	r := at(p.advance(), &ast.Row{Explicit: true})
	p.expectKind('(')
	if p.t.kind != ')' {
		r.Fields = p.exprs()
	}
	p.expectKind(')')
	return p.overlaps(r)
}
