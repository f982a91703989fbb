package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

func (p *parser) transaction() ast.Stmt {
	t := p.advance()
	s := at(t, &ast.Transaction{})
	switch t.text {
	case "begin":
		p.oneOf("work", "transaction")
		s.Modes = p.transactionModes(false)
	case "start":
		p.expect("transaction")
		s.Kind, s.Modes = ast.Start, p.transactionModes(false)
	case "commit", "end":
		s.Kind = ast.Commit
		if t.text == "commit" && p.accept("prepared") {
			s.Kind, s.Name = ast.CommitPrepared, p.str()
			break
		}
		p.oneOf("work", "transaction")
		s.Chain = p.chain()
	case "rollback", "abort":
		p.rollback(t, s)
	case "savepoint":
		s.Kind, s.Name = ast.Savepoint, p.colID()
	case "release":
		p.accept("savepoint")
		s.Kind, s.Name = ast.Release, p.colID()
	}
	return s
}

func (p *parser) rollback(t token, s *ast.Transaction) {
	s.Kind = ast.Rollback
	if t.text == "rollback" && p.accept("prepared") {
		s.Kind, s.Name = ast.RollbackPrepared, p.str()
		return
	}
	p.oneOf("work", "transaction")
	if t.text == "rollback" && p.accept("to") {
		p.accept("savepoint")
		s.Kind, s.Name = ast.RollbackTo, p.colID()
		return
	}
	s.Chain = p.chain()
}

func (p *parser) chain() bool {
	if !p.accept("and") {
		return false
	}
	no := p.accept("no")
	p.expect("chain")
	return !no
}

// transactionModes reads modes with or without commas; one at least if required.
func (p *parser) transactionModes(required bool) ast.TransactionModes {
	var m ast.TransactionModes
	yes, no := true, false
	for {
		switch {
		case p.accept("isolation"):
			p.expect("level")
			m.Isolation = p.isolationLevel()
		case p.accept("read", "only"):
			m.ReadOnly = &yes
		case p.accept("read", "write"):
			m.ReadOnly = &no
		case p.accept("deferrable"):
			m.Deferrable = &yes
		case p.accept("not", "deferrable"):
			m.Deferrable = &no
		default:
			if required {
				p.fail()
			}
			return m
		}
		required = p.acceptKind(',')
	}
}

func (p *parser) isolationLevel() string {
	switch {
	case p.accept("read", "committed"):
		return "read committed"
	case p.accept("read", "uncommitted"):
		return "read uncommitted"
	case p.accept("repeatable", "read"):
		return "repeatable read"
	}
	p.expect("serializable")
	return "serializable"
}

// set reads SET in its many forms.
func (p *parser) set() ast.Stmt {
	t := p.advance()
	if p.accept("constraints") {
		return p.setConstraints(t)
	}
	s := at(t, &ast.Set{})
	switch {
	case p.is("local") && !p.settingAhead():
		p.advance()
		s.Scope = ast.SetLocal
	case p.is("session") && !p.settingAhead():
		if p.accept("session", "characteristics", "as", "transaction") {
			return at(t, &ast.SetTransaction{Session: true, Modes: p.transactionModes(true)})
		}
		if !p.peek(1).is("authorization") {
			p.advance()
		}
	}
	switch {
	case p.accept("transaction", "snapshot"):
		return at(t, &ast.SetTransaction{Modes: ast.TransactionModes{Snapshot: p.str()}})
	case p.is("transaction") && !p.settingAhead():
		p.advance()
		return at(t, &ast.SetTransaction{Modes: p.transactionModes(true)})
	}
	if !p.namedSetting(s) {
		s.Name = p.settingName()
		if p.is("from") && p.peek(1).is("current") {
			p.unsupported(p.t, "SET ... FROM CURRENT")
		}
		if !p.accept("to") {
			p.expectOp("=")
		}
		s.Values = p.settingValues()
	}
	return s
}

// settingAhead says whether the word here is the name of a setting itself.
func (p *parser) settingAhead() bool {
	n := p.peek(1)
	return n.is("to") || n.kind == tOp && n.text == "=" || n.kind == '.'
}

// namedSetting reads the forms that have words of their own for a setting.
func (p *parser) namedSetting(s *ast.Set) bool {
	word := func(t token) []ast.Expr { return []ast.Expr{at(t, &ast.Literal{Kind: ast.String, Text: t.text})} }
	nameOrString := func() []ast.Expr {
		t := p.t
		if t.kind != tString {
			p.nonReserved()
		} else {
			p.advance()
		}
		return word(t)
	}
	switch {
	case p.accept("time", "zone"):
		s.Name, s.Values = "timezone", p.zoneValue()
	case p.is("catalog") && p.peek(1).kind == tString:
		p.unsupported(p.t, "SET CATALOG")
	case p.is("schema") && p.peek(1).kind == tString:
		p.advance()
		s.Name, s.Values = "search_path", word(p.advance())
	case p.is("names") && !p.settingAhead():
		p.advance()
		s.Name = "client_encoding"
		if p.t.kind == tString {
			s.Values = word(p.advance())
		} else {
			p.accept("default")
		}
	case p.is("role") && !p.settingAhead():
		p.advance()
		s.Name, s.Values = "role", nameOrString()
	case p.accept("session", "authorization"):
		s.Name = "session_authorization"
		if !p.accept("default") {
			s.Values = nameOrString()
		}
	case p.is("xml") && p.peek(1).is("option"):
		p.unsupported(p.t, "SET XML OPTION")
	default:
		return false
	}
	return true
}

// settingName reads name or prefix.name.
func (p *parser) settingName() string {
	name := p.colID()
	for p.acceptKind('.') {
		name += "." + p.colID()
	}
	return name
}

// settingValues reads the values of SET, nil for DEFAULT.
func (p *parser) settingValues() []ast.Expr {
	if p.accept("default") {
		return nil
	}
	var list []ast.Expr
	for {
		t := p.t
		o := ast.Option{}
		p.optionValue(&o)
		switch o.Kind {
		case ast.OptionString, ast.OptionWord:
			list = append(list, at(t, &ast.Literal{Kind: ast.String, Text: o.Value}))
		case ast.OptionNumber:
			list = append(list, at(t, &ast.Literal{Kind: ast.Number, Text: o.Value}))
		default:
			p.failAt(t)
		}
		if !p.acceptKind(',') {
			return list
		}
	}
}

// zoneValue reads the value of SET TIME ZONE.
func (p *parser) zoneValue() []ast.Expr {
	t := p.t
	switch {
	case p.oneOf("default", "local") != "":
		return nil
	case t.is("interval"):
		e := p.typedLiteral()
		if e == nil {
			p.advance()
			p.fail()
		}
		c := e.(*ast.Cast)
		if len(c.Type.Mods) > 0 {
			mask := c.Type.Mods[0].(*ast.Literal).Text
			hour, minute := intLiteral(ast.IntervalHour), intLiteral(ast.IntervalHour|ast.IntervalMinute)
			if len(c.Type.Mods) == 1 && mask != hour.(*ast.Literal).Text && mask != minute.(*ast.Literal).Text {
				p.errorf(int32(c.Type.Mods[0].Position()), pgerr.SyntaxError, "time zone interval must be HOUR or HOUR TO MINUTE")
			}
		}
		return []ast.Expr{e}
	case t.kind == tString || t.kind == tIdent:
		p.advance()
		return []ast.Expr{at(t, &ast.Literal{Kind: ast.String, Text: t.text})}
	}
	return []ast.Expr{at(t, &ast.Literal{Kind: ast.Number, Text: p.signedNumber()})}
}

func (p *parser) setConstraints(t token) ast.Stmt {
	s := at(t, &ast.SetConstraints{})
	if !p.accept("all") {
		s.Names = p.qualifiedNames()
	}
	if s.Deferred = p.accept("deferred"); !s.Deferred {
		p.expect("immediate")
	}
	return s
}

// wordySetting reads the settings that RESET and SHOW know by several words.
func (p *parser) wordySetting() string {
	switch {
	case p.accept("time", "zone"):
		return "timezone"
	case p.accept("transaction", "isolation", "level"):
		return "transaction_isolation"
	case p.accept("session", "authorization"):
		return "session_authorization"
	}
	return p.settingName()
}

func (p *parser) reset() ast.Stmt {
	s := at(p.advance(), &ast.Reset{})
	if s.All = p.accept("all"); !s.All {
		s.Name = p.wordySetting()
	}
	return s
}

func (p *parser) show() ast.Stmt {
	s := at(p.advance(), &ast.Show{})
	if p.accept("all") {
		s.Name = "all"
	} else {
		s.Name = p.wordySetting()
	}
	return s
}
