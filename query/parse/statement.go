package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/query/ast"
)

// statement reads one statement up to its semicolon.
func (p *parser) statement() ast.Stmt {
	if p.t.kind == '(' {
		return p.preparable()
	}
	if p.t.kind == tIdent && p.t.text == "backup" { // which is no keyword of PostgreSQL's
		return p.backup()
	}
	if p.t.kind != tKeyword {
		p.fail()
	}
	if read := statements[p.t.text]; read != nil {
		return read(p)
	}
	p.fail()
	return nil
}

// statements maps a statement's first keyword to its reader.
var statements map[string]func(*parser) ast.Stmt

func init() { // a literal would be an initialisation cycle
	statements = map[string]func(*parser) ast.Stmt{
		"select": (*parser).preparable, "with": (*parser).preparable, "values": (*parser).preparable,
		"table": (*parser).preparable, "insert": (*parser).preparable, "update": (*parser).preparable,
		"delete": (*parser).preparable, "merge": (*parser).preparable,
		"copy": (*parser).copyStmt, "explain": (*parser).explain,
		"create": (*parser).create, "alter": (*parser).alter, "drop": (*parser).drop,
		"truncate": (*parser).truncate, "comment": (*parser).comment,
		"grant": (*parser).grant, "revoke": (*parser).grant,
		"begin": (*parser).transaction, "start": (*parser).transaction, "commit": (*parser).transaction,
		"end": (*parser).transaction, "rollback": (*parser).transaction, "abort": (*parser).transaction,
		"savepoint": (*parser).transaction, "release": (*parser).transaction,
		"set": (*parser).set, "reset": (*parser).reset, "show": (*parser).show,
		"prepare": (*parser).prepare, "execute": (*parser).execute, "deallocate": (*parser).deallocate,
		"declare": (*parser).declare, "fetch": (*parser).fetch, "move": (*parser).fetch, "close": (*parser).closeCursor,
		"discard": (*parser).discard, "checkpoint": (*parser).checkpoint,
		"vacuum": (*parser).vacuum, "analyze": (*parser).vacuum, "analyse": (*parser).vacuum,
		"lock": (*parser).lock, "listen": (*parser).listen, "notify": (*parser).notify, "unlisten": (*parser).unlisten,
		"call": (*parser).call, "do": (*parser).do,
		"cluster": (*parser).otherStatement, "reindex": (*parser).reindex, "refresh": (*parser).refresh,
		"import": (*parser).otherStatement, "load": (*parser).otherStatement, "reassign": (*parser).otherStatement,
		"security": (*parser).otherStatement,
	}
}

// otherStatement reads a statement that is not offered, naming it by its first words.
func (p *parser) otherStatement() ast.Stmt {
	t := p.t
	words := []string{strings.ToUpper(p.advance().text)}
	for len(words) < 3 && p.t.kind == tKeyword && p.t.class != ast.Reserved {
		words = append(words, strings.ToUpper(p.advance().text))
	}
	return p.skipStatement(t, strings.Join(words, " "))
}

// skipStatement passes the rest of a statement. The body of an SQL function
// (BEGIN ATOMIC ... END) may have semicolons.
func (p *parser) skipStatement(start token, command string) ast.Stmt {
	parens, blocks := 0, 0
	for ; ; p.advance() {
		switch t := p.t; {
		case t.kind == tEOF:
			if parens > 0 || blocks > 0 {
				p.fail()
			}
			return at(start, &ast.Unsupported{Command: command})
		case t.kind == ';' && blocks == 0:
			if parens > 0 {
				p.fail()
			}
			return at(start, &ast.Unsupported{Command: command})
		case t.kind == '(':
			parens++
		case t.kind == ')':
			if parens--; parens < 0 {
				p.fail()
			}
		case t.is("begin") && p.peek(1).is("atomic"), blocks > 0 && t.is("case"):
			blocks++
		case blocks > 0 && t.is("end"):
			blocks--
		}
	}
}

func (p *parser) explain() ast.Stmt {
	s := at(p.advance(), &ast.Explain{})
	if p.t.kind == '(' && !p.queryInParens() {
		p.advance()
		for {
			o := ast.Option{Pos: pos(p.t)}
			if p.oneOf("analyze", "analyse") != "" {
				o.Name = "analyze"
			} else {
				o.Name = p.nonReserved()
			}
			p.optionValue(&o)
			s.Options = append(s.Options, o)
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	} else {
		if t := p.t; p.oneOf("analyze", "analyse") != "" {
			s.Options = append(s.Options, ast.Option{Pos: pos(t), Name: "analyze"})
		}
		if t := p.t; p.accept("verbose") {
			s.Options = append(s.Options, ast.Option{Pos: pos(t), Name: "verbose"})
		}
	}
	switch {
	case p.is("declare"):
		s.Stmt = p.declare()
	case p.is("execute"):
		s.Stmt = p.execute()
	case p.is("create"):
		s.Stmt = p.create()
		switch s.Stmt.(type) {
		case *ast.CreateTableAs, *ast.Unsupported:
		default:
			p.fail()
		}
	default:
		s.Stmt = p.preparable()
	}
	return s
}

// optionValue reads the value of a generic option, if there is one.
func (p *parser) optionValue(o *ast.Option) {
	switch t := p.t; {
	case t.kind == tString:
		o.Kind, o.Value = ast.OptionString, p.advance().text
	case t.kind == tInt || t.kind == tFloat || p.isOp("-") || p.isOp("+"):
		o.Kind, o.Value = ast.OptionNumber, p.signedNumber()
	case p.isOp("*"):
		p.advance()
		o.Kind = ast.OptionStar
	case t.is("true"), t.is("false"), t.is("on"), t.isWord() && t.class != ast.Reserved:
		o.Kind, o.Value = ast.OptionWord, p.advance().text
	}
}

func (p *parser) signedNumber() string {
	sign := ""
	if p.acceptOp("-") {
		sign = "-"
	} else {
		p.acceptOp("+")
	}
	if p.t.kind != tInt && p.t.kind != tFloat {
		p.fail()
	}
	return sign + p.advance().text
}
