package parse

import (
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/query/ast"
)

// source returns the text from a token to the last one consumed.
func (p *parser) source(from token) string { return p.lex.src[from.off:p.last] }

func (p *parser) prepare() ast.Stmt {
	t := p.advance()
	if p.is("transaction") && p.peek(1).kind == tString {
		p.advance()
		return at(t, &ast.Transaction{Kind: ast.PrepareTransaction, Name: p.str()})
	}
	s := at(t, &ast.Prepare{Name: p.colID()})
	if p.acceptKind('(') {
		for {
			s.Types = append(s.Types, p.typeName())
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	}
	p.expect("as")
	s.Stmt = p.preparable()
	return s
}

func (p *parser) execute() ast.Stmt {
	s := at(p.advance(), &ast.Execute{Name: p.colID()})
	if p.acceptKind('(') {
		s.Args = p.exprs()
		p.expectKind(')')
	}
	return s
}

func (p *parser) deallocate() ast.Stmt {
	s := at(p.advance(), &ast.Deallocate{})
	if p.is("prepare") && (p.peek(1).isColID() || p.peek(1).is("all")) {
		p.advance()
	}
	if s.All = p.accept("all"); !s.All {
		s.Name = p.colID()
	}
	return s
}

func (p *parser) declare() ast.Stmt {
	s := at(p.advance(), &ast.DeclareCursor{Name: p.colID()})
	yes, no := true, false
	for {
		switch {
		case p.accept("no", "scroll"):
			s.Scroll = &no
			continue
		case p.accept("scroll"):
			s.Scroll = &yes
			continue
		case p.accept("binary"):
			s.Binary = true
			continue
		case p.accept("asensitive"):
			s.Asensitive = true
			continue
		case p.accept("insensitive"):
			s.Insensitive = true
			continue
		}
		break
	}
	p.expect("cursor")
	if p.accept("with") {
		p.expect("hold")
		s.Hold = true
	} else if p.accept("without") {
		p.expect("hold")
	}
	p.expect("for")
	s.Query = p.selectStmt()
	return s
}

// fetch reads FETCH or MOVE.
func (p *parser) fetch() ast.Stmt {
	t := p.advance()
	f := at(t, &ast.Fetch{Move: t.text == "move", Count: 1})
	if p.cursorAhead() {
		f.Cursor = p.cursorName()
		return f
	}
	switch word := p.oneOf("next", "prior", "first", "last", "absolute", "relative", "all", "forward", "backward"); word {
	case "prior":
		f.Direction = ast.FetchBackward
	case "first", "last":
		f.Direction = ast.FetchAbsolute
		if word == "last" {
			f.Count = -1
		}
	case "absolute", "relative":
		f.Direction = ast.FetchAbsolute
		if word == "relative" {
			f.Direction = ast.FetchRelative
		}
		f.Count = p.signedInteger()
	case "all":
		f.Count = ast.FetchAll
	case "forward", "backward":
		if word == "backward" {
			f.Direction = ast.FetchBackward
		}
		if p.accept("all") {
			f.Count = ast.FetchAll
		} else if p.t.kind == tInt || p.t.kind == tOp {
			f.Count = p.signedInteger()
		}
	case "":
		f.Count = p.signedInteger()
	}
	f.Cursor = p.cursorName()
	return f
}

// cursorAhead says whether a cursor's name comes next, which may be a word
// that also names a direction.
func (p *parser) cursorAhead() bool {
	if p.is("from") || p.is("in") {
		return true
	}
	end := p.peek(1).kind
	return p.t.isColID() && (end == tEOF || end == ';')
}

func (p *parser) cursorName() string {
	p.oneOf("from", "in")
	return p.colID()
}

func (p *parser) signedInteger() int64 {
	t := p.t
	n, err := strconv.ParseInt(p.signedNumber(), 10, 64)
	if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		p.failAt(t)
	}
	return n
}

func (p *parser) closeCursor() ast.Stmt {
	s := at(p.advance(), &ast.CloseCursor{})
	if s.All = p.accept("all"); !s.All {
		s.Name = p.colID()
	}
	return s
}

func (p *parser) discard() ast.Stmt {
	s := at(p.advance(), &ast.Discard{})
	switch word := p.oneOf("all", "plans", "sequences", "temp", "temporary"); word {
	case "":
		p.fail()
	case "temporary":
		s.What = "TEMP"
	default:
		s.What = strings.ToUpper(word)
	}
	return s
}

func (p *parser) checkpoint() ast.Stmt { return at(p.advance(), &ast.Checkpoint{}) }

// backup reads BACKUP, which is no keyword.
func (p *parser) backup() ast.Stmt {
	s := at(p.advance(), &ast.Backup{})
	if p.t.kind == tString {
		s.Chunks = p.str()
	}
	p.expect("to", "stdout")
	return s
}

// vacuum reads VACUUM and ANALYZE.
func (p *parser) vacuum() ast.Stmt {
	t := p.advance()
	v := at(t, &ast.Vacuum{Vacuum: t.text == "vacuum"})
	if p.acceptKind('(') {
		for {
			o := ast.Option{Pos: pos(p.t)}
			if p.oneOf("analyze", "analyse") != "" {
				o.Name = "analyze"
			} else {
				o.Name = p.nonReserved()
			}
			p.optionValue(&o)
			v.Options = append(v.Options, o)
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	} else {
		for word := p.t; ; word = p.t {
			name := p.oneOf("full", "freeze", "verbose", "analyze", "analyse")
			if name == "" {
				break
			}
			if name == "analyse" {
				name = "analyze"
			}
			v.Options = append(v.Options, ast.Option{Pos: pos(word), Name: name})
		}
	}
	if p.t.kind == tEOF || p.t.kind == ';' {
		return v
	}
	for {
		v.Tables = append(v.Tables, ast.VacuumTable{Name: p.qualifiedName(), Columns: p.columnList()})
		if !p.acceptKind(',') {
			return v
		}
	}
}

func (p *parser) lock() ast.Stmt {
	s := at(p.advance(), &ast.Lock{Mode: "ACCESS EXCLUSIVE"})
	p.accept("table")
	for {
		s.Tables = append(s.Tables, p.relation())
		if !p.acceptKind(',') {
			break
		}
	}
	if p.accept("in") {
		s.Mode = p.lockMode()
		p.expect("mode")
	}
	s.NoWait = p.accept("nowait")
	return s
}

func (p *parser) lockMode() string {
	for _, mode := range [][]string{{"access", "share"}, {"row", "share"}, {"row", "exclusive"},
		{"share", "update", "exclusive"}, {"share", "row", "exclusive"}, {"share"}, {"exclusive"}, {"access", "exclusive"}} {
		if p.accept(mode...) {
			return strings.ToUpper(strings.Join(mode, " "))
		}
	}
	p.fail()
	return ""
}

func (p *parser) listen() ast.Stmt { return at(p.advance(), &ast.Listen{Channel: p.colID()}) }

func (p *parser) notify() ast.Stmt {
	s := at(p.advance(), &ast.Notify{Channel: p.colID()})
	if p.acceptKind(',') {
		s.Payload = p.str()
	}
	return s
}

func (p *parser) unlisten() ast.Stmt {
	s := at(p.advance(), &ast.Unlisten{})
	if !p.acceptOp("*") {
		s.Channel = p.colID()
	}
	return s
}

func (p *parser) call() ast.Stmt {
	s := at(p.advance(), &ast.Call{})
	t := p.t
	if !t.isFuncName() && !(t.isColID() && p.peek(1).kind == '.') {
		p.fail()
	}
	names := []string{p.advance().text}
	for p.acceptKind('.') {
		names = append(names, p.label())
	}
	s.Func = p.callArgs(t, names)
	return s
}

func (p *parser) do() ast.Stmt {
	s := at(p.advance(), &ast.Do{Language: "plpgsql"})
	for code := false; ; {
		switch {
		case p.t.kind == tString:
			s.Code, code = p.advance().text, true
		case p.accept("language"):
			s.Language = p.t.text
			if p.t.kind == tString {
				p.advance()
			} else {
				p.nonReserved()
			}
		case !code:
			p.fail()
		default:
			return s
		}
	}
}
