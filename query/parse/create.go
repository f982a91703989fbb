package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// create reads CREATE and sends each kind of object on its way.
func (p *parser) create() ast.Stmt {
	t := p.advance()
	replace := p.accept("or", "replace")
	if p.oneOf("global", "local") != "" && !p.is("temp") && !p.is("temporary") {
		p.fail()
	}
	persistence := ast.Permanent
	switch p.oneOf("temp", "temporary", "unlogged") {
	case "temp", "temporary":
		persistence = ast.Temporary
	case "unlogged":
		persistence = ast.Unlogged
	}
	switch {
	case p.is("recursive") && p.peek(1).is("view"), p.is("view"):
		return p.createView(t, replace, persistence)
	case p.is("sequence"):
		return p.createSequence(t, persistence)
	case p.is("table"):
		return p.createTable(t, persistence)
	case p.accept("materialized", "view"):
		return p.createTableAs(t, persistence, true)
	case p.accept("schema"):
		return p.createSchema(t)
	case p.accept("type"):
		return p.createType(t)
	case p.accept("domain"):
		return p.createDomain(t)
	case p.is("unique"), p.is("index"):
		return p.createIndex(t)
	case p.accept("extension"):
		return p.createExtension(t)
	case p.accept("database"):
		s := at(t, &ast.CreateDatabase{Name: p.colID()})
		p.accept("with")
		s.Options = p.wordOptions()
		return s
	case p.is("role"), p.is("user") && !p.peek(1).is("mapping"), p.is("group"):
		kind := p.advance().text
		s := at(t, &ast.CreateRole{Login: kind == "user", Name: p.roleName()})
		p.accept("with")
		s.Options = p.wordOptions()
		return s
	}
	if !p.t.isWord() {
		p.fail()
	}
	words := []string{"CREATE", strings.ToUpper(p.t.text)}
	object := p.t
	switch p.advance().text {
	case "foreign", "text", "access", "event", "default", "user", "procedural", "trusted", "constraint", "operator":
		if p.t.kind == tKeyword {
			words = append(words, strings.ToUpper(p.t.text))
		}
	case "function", "procedure", "aggregate", "trigger", "rule", "policy", "cast", "collation",
		"conversion", "language", "publication", "subscription", "server", "statistics", "tablespace", "transform":
	default:
		p.failAt(object)
	}
	return p.skipStatement(t, strings.Join(words, " "))
}

func (p *parser) ifNotExists() bool { return p.accept("if", "not", "exists") }

// roleName reads a role: a name or one of the words for the current one.
func (p *parser) roleName() string {
	switch p.t.text {
	case "current_user", "session_user", "current_role":
		return p.label()
	}
	return p.nonReserved()
}

// wordOptions reads the loose options of CREATE ROLE and its like up to the
// end: a word, perhaps "=" and a value that is no option's name by itself.
func (p *parser) wordOptions() []ast.Option {
	var list []ast.Option
	for p.t.isWord() {
		o := ast.Option{Pos: pos(p.t), Name: p.label()}
		switch o.Name {
		case "encrypted", "unencrypted", "valid", "connection", "in", "allow_connections":
			if p.is("password") || p.is("until") || p.is("limit") || p.is("role") || p.is("group") {
				o.Name += " " + p.label()
			}
		}
		equals := p.acceptOp("=")
		switch {
		case equals, p.t.kind == tString, p.t.kind == tInt, p.isOp("-"), p.is("default"), p.is("null"), optionTakesName[o.Name]:
			if p.oneOf("default", "null") != "" {
				o.Kind, o.Value = ast.OptionWord, "default"
				break
			}
			p.optionValue(&o)
			for optionTakesName[o.Name] && p.acceptKind(',') {
				o.Kind = ast.OptionList
				o.List = append(o.List, p.roleName())
			}
			if o.Kind == ast.OptionList {
				o.List = append([]string{o.Value}, o.List...)
			}
		}
		list = append(list, o)
	}
	return list
}

var optionTakesName = map[string]bool{
	"owner": true, "template": true, "encoding": true, "in role": true, "in group": true, "role": true,
	"admin": true, "user": true, "tablespace": true, "locale": true, "lc_collate": true, "lc_ctype": true,
}

func (p *parser) createExtension(t token) ast.Stmt {
	s := at(t, &ast.CreateExtension{IfNotExists: p.ifNotExists(), Name: p.nonReserved()})
	p.accept("with")
	for p.t.isWord() {
		o := ast.Option{Pos: pos(p.t), Name: p.label()}
		if o.Name != "cascade" {
			p.optionValue(&o)
		}
		s.Options = append(s.Options, o)
	}
	return s
}

func (p *parser) createSchema(t token) ast.Stmt {
	s := at(t, &ast.CreateSchema{IfNotExists: p.ifNotExists()})
	if !p.is("authorization") {
		s.Name = p.colID()
	}
	if p.accept("authorization") {
		s.Authorization = p.roleName()
	} else if s.Name == "" {
		p.fail()
	}
	for p.is("create") || p.is("grant") {
		if p.is("create") {
			s.Elements = append(s.Elements, p.create())
		} else {
			s.Elements = append(s.Elements, p.grant())
		}
	}
	return s
}

func (p *parser) createView(t token, replace bool, persistence ast.Persistence) ast.Stmt {
	s := at(t, &ast.CreateView{OrReplace: replace, Persistence: persistence, Recursive: p.accept("recursive")})
	p.expect("view")
	s.Name = p.qualifiedName()
	s.Columns = p.columnList()
	if s.Recursive && s.Columns == nil {
		p.fail()
	}
	if p.accept("with") {
		s.Options = p.relOptions()
	}
	p.expect("as")
	body := p.t
	s.Query = p.selectStmt()
	s.QueryText = p.source(body)
	if t := p.t; p.accept("with") {
		s.CheckOption = "cascaded"
		if s.Recursive {
			p.errorf(t.pos, pgerr.FeatureNotSupported, "WITH CHECK OPTION not supported on recursive views")
		}
		if p.oneOf("cascaded", "local") == "local" {
			s.CheckOption = "local"
		}
		p.expect("check", "option")
	}
	return s
}

func (p *parser) refresh() ast.Stmt {
	t := p.advance()
	p.expect("materialized", "view")
	s := at(t, &ast.RefreshView{Concurrently: p.accept("concurrently"), Name: p.qualifiedName()})
	if p.accept("with") {
		s.NoData = p.accept("no")
		p.expect("data")
	}
	return s
}

func (p *parser) createSequence(t token, persistence ast.Persistence) ast.Stmt {
	p.expect("sequence")
	s := at(t, &ast.CreateSequence{Persistence: persistence, IfNotExists: p.ifNotExists()})
	s.Name = p.qualifiedName()
	s.Options = p.sequenceOptions()
	return s
}

// sequenceOptionAhead says whether an option of a sequence follows.
func (p *parser) sequenceOptionAhead() bool {
	if p.is("owned") { // and not OWNER TO
		return true
	}
	saved := *p
	defer func() { *p = saved }()
	var o ast.Option
	return p.t.kind == tKeyword && p.sequenceOption(&o)
}

func (p *parser) sequenceOptions() []ast.Option {
	var list []ast.Option
	for p.t.kind == tKeyword {
		o := ast.Option{Pos: pos(p.t)}
		if !p.sequenceOption(&o) {
			return list
		}
		list = append(list, o)
	}
	return list
}

// sequenceOption reads one option of a sequence; it returns false if none follows.
func (p *parser) sequenceOption(o *ast.Option) bool {
	number := func() { o.Kind, o.Value = ast.OptionNumber, p.signedNumber() }
	switch word := p.oneOf("as", "increment", "minvalue", "maxvalue", "cache", "start", "restart", "cycle", "no", "owned", "sequence"); word {
	case "":
		return false
	case "as":
		o.Name, o.Kind, o.Value = word, ast.OptionWord, p.typeName().String()
	case "increment":
		o.Name = word
		p.accept("by")
		number()
	case "minvalue", "maxvalue", "cache":
		o.Name = word
		number()
	case "start":
		o.Name = word
		p.accept("with")
		number()
	case "restart":
		o.Name = word
		if p.accept("with") || p.t.kind == tInt || p.t.kind == tOp {
			number()
		}
	case "cycle":
		o.Name = word
	case "no":
		o.Name = "no " + p.label()
	case "owned":
		p.expect("by")
		o.Name, o.Kind, o.List = "owned by", ast.OptionList, p.anyName()
	case "sequence":
		p.expect("name")
		o.Name, o.Kind, o.List = "sequence name", ast.OptionList, p.anyName()
	}
	return true
}

func (p *parser) reindex() ast.Stmt {
	s := at(p.advance(), &ast.Reindex{})
	if p.t.kind == '(' {
		for _, o := range p.relOptions() {
			s.Concurrently = s.Concurrently || o.Name == "concurrently"
		}
	}
	word := p.oneOf("index", "table", "schema", "database", "system")
	if word == "" {
		p.fail()
	}
	s.Kind = ast.ObjectKind(strings.ToUpper(word))
	s.Concurrently = p.accept("concurrently") || s.Concurrently
	s.Name = p.qualifiedName()
	return s
}

func (p *parser) createIndex(t token) ast.Stmt {
	s := at(t, &ast.CreateIndex{Unique: p.accept("unique")})
	p.expect("index")
	s.Concurrently = p.accept("concurrently")
	s.IfNotExists = p.ifNotExists()
	if !p.is("on") {
		s.Name = p.qualifiedName().Name
	} else if s.IfNotExists {
		p.fail()
	}
	p.expect("on")
	r := p.relation()
	s.Table, s.Only = r.Name, r.Only
	if p.accept("using") {
		s.Method = p.colID()
	}
	s.Elems = p.indexElems()
	if p.accept("include") {
		s.Include = p.columnList()
	}
	s.NullsNotDistinct = p.nullsNotDistinct()
	if p.accept("with") {
		s.Options = p.relOptions()
	}
	if p.accept("tablespace") {
		s.Tablespace = p.colID()
	}
	s.Where = p.where()
	return s
}

func (p *parser) nullsNotDistinct() bool {
	if p.accept("nulls", "not", "distinct") {
		return true
	}
	p.accept("nulls", "distinct")
	return false
}

// indexElems reads (column | call | (expression) ..., ...).
func (p *parser) indexElems() []ast.IndexElem {
	p.expectKind('(')
	var list []ast.IndexElem
	for {
		list = append(list, p.indexElem())
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	return list
}

func (p *parser) indexElem() ast.IndexElem {
	e := ast.IndexElem{Pos: pos(p.t)}
	switch next := p.peek(1).kind; {
	case p.acceptKind('('):
		e.Expr = p.expr()
		p.expectKind(')')
	case p.t.isColID() && next != '(' && next != '.':
		e.Column = p.advance().text
	default:
		e.Expr = p.tableFunction()
	}
	if p.accept("collate") {
		e.Collation = p.anyName()
	}
	if p.t.isColID() && !p.is("nulls") {
		e.OpClass = p.anyName()
		if p.t.kind == '(' {
			p.relOptions()
		}
	}
	if p.oneOf("asc", "desc") == "desc" {
		e.Desc = true
	}
	e.Nulls = p.nullsOrder()
	return e
}

// relOptions reads (name [= value], ...).
func (p *parser) relOptions() []ast.Option {
	p.expectKind('(')
	var list []ast.Option
	for {
		o := ast.Option{Pos: pos(p.t), Name: p.label()}
		if p.acceptKind('.') {
			o.Namespace, o.Name = o.Name, p.label()
		}
		if p.acceptOp("=") {
			if p.optionValue(&o); o.Kind == ast.OptionNone {
				if p.t.kind != tKeyword {
					p.fail()
				}
				o.Kind, o.Value = ast.OptionWord, p.advance().text
			}
		}
		list = append(list, o)
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	return list
}
