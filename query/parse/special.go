package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

var sqlValues = map[string]ast.SQLValueKind{
	"current_date": ast.CurrentDate, "current_time": ast.CurrentTime,
	"current_timestamp": ast.CurrentTimestamp, "localtime": ast.LocalTime,
	"localtimestamp": ast.LocalTimestamp, "current_role": ast.CurrentRole,
	"current_user": ast.CurrentUser, "user": ast.User, "session_user": ast.SessionUser,
	"current_catalog": ast.CurrentCatalog, "current_schema": ast.CurrentSchema,
}

// specialFunction reads the functions that have a syntax of their own, or
// returns nil if the keyword here begins none.
func (p *parser) specialFunction() ast.Expr {
	t := p.t
	if kind, ok := sqlValues[t.text]; ok {
		if kind == ast.CurrentSchema && p.peek(1).kind == '(' {
			return nil // an ordinary function as well
		}
		return p.sqlValue(kind)
	}
	if t.text == "collation" && p.peek(1).is("for") {
		p.advance()
		p.advance()
		p.expectKind('(')
		e := p.expr()
		p.expectKind(')')
		return sqlCall(t, "pg_collation_for", e)
	}
	if t.class != ast.ColumnKeyword || p.peek(1).kind != '(' {
		return nil
	}
	read := p.specialReader(t.text)
	if read == nil {
		return nil
	}
	p.advance()
	p.expectKind('(')
	e := read(t)
	p.expectKind(')')
	return e
}

func (p *parser) specialReader(word string) func(token) ast.Expr {
	switch word {
	case "coalesce":
		return func(t token) ast.Expr { return at(t, &ast.Coalesce{Args: p.exprs()}) }
	case "greatest", "least":
		return func(t token) ast.Expr { return at(t, &ast.Greatest{Args: p.exprs(), Least: word == "least"}) }
	case "grouping":
		return func(t token) ast.Expr { return at(t, &ast.Grouping{Args: p.exprs()}) }
	case "nullif":
		return func(t token) ast.Expr {
			n := at(t, &ast.NullIf{L: p.expr()})
			p.expectKind(',')
			n.R = p.expr()
			return n
		}
	case "extract":
		return p.extract
	case "position":
		return p.positionOf
	case "overlay":
		return p.overlay
	case "substring":
		return p.substring
	case "trim":
		return p.trim
	case "normalize":
		return p.normalize
	case "treat":
		return func(t token) ast.Expr {
			p.expr()
			p.expect("as")
			p.typeName()
			p.unsupported(t, "TREAT")
			return nil
		}
	case "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize":
		return func(t token) ast.Expr { p.unsupported(t, strings.ToUpper(word)); return nil }
	}
	return nil
}

func (p *parser) unsupported(t token, what string) {
	panic(bailout{pgerr.Unsupported("%s is not supported", what).At(int(t.pos))})
}

func (p *parser) sqlValue(kind ast.SQLValueKind) ast.Expr {
	v := at(p.advance(), &ast.SQLValue{Kind: kind, Precision: -1})
	if kind >= ast.CurrentTime && kind <= ast.LocalTimestamp && p.acceptKind('(') {
		v.Precision = p.integer()
		p.expectKind(')')
	}
	return v
}

// extract reads field FROM value.
func (p *parser) extract(t token) ast.Expr {
	field := p.t
	switch {
	case field.kind == tIdent || field.kind == tString:
	case field.kind == tKeyword && strings.Contains(" year month day hour minute second ", " "+field.text+" "):
	default:
		p.fail()
	}
	p.advance()
	p.expect("from")
	return sqlCall(t, "extract", at(field, &ast.Literal{Kind: ast.String, Text: field.text}), p.expr())
}

// positionOf reads part IN whole.
func (p *parser) positionOf(t token) ast.Expr {
	part := p.exprFrom(0, restricted)
	p.expect("in")
	return sqlCall(t, "position", p.exprFrom(0, restricted), part)
}

// plainArgs reads the arguments of the form that is an ordinary call of a
// function with the name of the keyword.
func (p *parser) plainArgs(t token, first ast.Expr) ast.Expr {
	c := at(t, &ast.FuncCall{Name: []string{t.text}})
	if first != nil {
		c.Args = append(c.Args, first)
		for p.acceptKind(',') {
			c.Args = append(c.Args, p.arg())
		}
	}
	return c
}

func (p *parser) overlay(t token) ast.Expr {
	if p.t.kind == ')' {
		return p.plainArgs(t, nil)
	}
	s := p.arg()
	if !p.accept("placing") {
		return p.plainArgs(t, s)
	}
	args := []ast.Expr{s, p.expr()}
	p.expect("from")
	args = append(args, p.expr())
	if p.accept("for") {
		args = append(args, p.expr())
	}
	return sqlCall(t, "overlay", args...)
}

func (p *parser) substring(t token) ast.Expr {
	if p.t.kind == ')' {
		return p.plainArgs(t, nil)
	}
	s := p.arg()
	switch {
	case p.accept("similar"):
		pattern := p.expr()
		p.expect("escape")
		return sqlCall(t, "substring", s, pattern, p.expr())
	case p.accept("from"):
		from := p.expr()
		if p.accept("for") {
			return sqlCall(t, "substring", s, from, p.expr())
		}
		return sqlCall(t, "substring", s, from)
	case p.accept("for"):
		length := p.expr()
		if p.accept("from") {
			return sqlCall(t, "substring", s, p.expr(), length)
		}
		// As if FROM 1 had been written; the cast keeps out text patterns.
		one := at(t, &ast.Literal{Kind: ast.Number, Text: "1"})
		return sqlCall(t, "substring", s, one, at(t, &ast.Cast{Arg: length, Type: systemType("int4")}))
	}
	return p.plainArgs(t, s)
}

func (p *parser) trim(t token) ast.Expr {
	name := "btrim"
	switch p.oneOf("both", "leading", "trailing") {
	case "leading":
		name = "ltrim"
	case "trailing":
		name = "rtrim"
	}
	if p.accept("from") {
		return sqlCall(t, name, p.exprs()...)
	}
	first := p.expr()
	if p.accept("from") {
		return sqlCall(t, name, append(p.exprs(), first)...)
	}
	args := []ast.Expr{first}
	for p.acceptKind(',') {
		args = append(args, p.expr())
	}
	return sqlCall(t, name, args...)
}

func (p *parser) normalize(t token) ast.Expr {
	args := []ast.Expr{p.expr()}
	if p.acceptKind(',') {
		form := p.t
		if p.oneOf("nfc", "nfd", "nfkc", "nfkd") == "" {
			p.fail()
		}
		args = append(args, at(form, &ast.Literal{Kind: ast.String, Text: strings.ToUpper(form.text)}))
	}
	return sqlCall(t, "normalize", args...)
}
