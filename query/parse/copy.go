package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// copyStmt reads COPY with the options in parentheses or in the old form.
func (p *parser) copyStmt() ast.Stmt {
	c := at(p.advance(), &ast.Copy{})
	if t := p.t; p.accept("binary") {
		c.Options = append(c.Options, wordOption(t, "format", "binary"))
	}
	if p.acceptKind('(') {
		c.Query = p.preparable()
		p.expectKind(')')
		p.expect("to")
	} else {
		name := p.qualifiedName()
		c.Table = &name
		c.Columns = p.columnList()
		if c.From = p.accept("from"); !c.From {
			p.expect("to")
		}
	}
	p.copyFile(c)
	if t := p.t; p.is("using") || p.is("delimiters") {
		p.accept("using")
		p.expect("delimiters")
		c.Options = append(c.Options, ast.Option{Pos: pos(t), Name: "delimiter", Kind: ast.OptionString, Value: p.str()})
	}
	p.accept("with")
	if p.acceptKind('(') {
		for {
			c.Options = append(c.Options, p.copyOption())
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	} else {
		for p.oldCopyOption(c) {
		}
	}
	if where := p.t; c.Query == nil && p.is("where") {
		if c.Where = p.where(); !c.From {
			p.errorf(where.pos, pgerr.SyntaxError, "WHERE clause not allowed with COPY TO")
		}
	}
	return c
}

func wordOption(t token, name, value string) ast.Option {
	return ast.Option{Pos: pos(t), Name: name, Kind: ast.OptionWord, Value: value}
}

func (p *parser) copyFile(c *ast.Copy) {
	switch t := p.t; {
	case p.accept("program"):
		c.Program = p.str()
	case t.kind == tString:
		c.File = p.advance().text
	case p.oneOf("stdin", "stdout") != "":
		c.Stdio = true // PostgreSQL takes either word either way
	default:
		p.fail()
	}
}

func (p *parser) copyOption() ast.Option {
	o := ast.Option{Pos: pos(p.t), Name: p.label()}
	if !p.acceptKind('(') {
		p.optionValue(&o)
		return o
	}
	o.Kind = ast.OptionList
	for {
		if p.t.kind == tString {
			o.List = append(o.List, p.advance().text)
		} else {
			o.List = append(o.List, p.label())
		}
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	return o
}

// oldCopyOption reads one option of the form without parentheses.
func (p *parser) oldCopyOption(c *ast.Copy) bool {
	t := p.t
	add := func(o ast.Option) {
		o.Pos = pos(t)
		c.Options = append(c.Options, o)
	}
	quoted := func(name string) {
		p.accept("as")
		add(ast.Option{Name: name, Kind: ast.OptionString, Value: p.str()})
	}
	switch word := p.oneOf("binary", "freeze", "delimiter", "null", "csv", "header", "quote", "escape", "force", "encoding"); word {
	case "":
		return false
	case "binary", "csv":
		add(wordOption(t, "format", word))
	case "freeze", "header":
		add(wordOption(t, word, "true"))
	case "encoding":
		add(ast.Option{Name: word, Kind: ast.OptionString, Value: p.str()})
	case "force":
		name := "force_quote"
		switch {
		case p.accept("not"):
			p.expect("null")
			name = "force_not_null"
		case p.accept("null"):
			name = "force_null"
		default:
			p.expect("quote")
			if p.acceptOp("*") {
				add(ast.Option{Name: name, Kind: ast.OptionStar})
				return true
			}
		}
		add(ast.Option{Name: name, Kind: ast.OptionList, List: p.colIDs()})
	default:
		quoted(word)
	}
	return true
}
