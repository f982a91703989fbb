package parse

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// createTable reads CREATE TABLE in all its forms but LIKE's body, which is an
// element, and tells CREATE TABLE AS by what follows the name.
func (p *parser) createTable(t token, persistence ast.Persistence) ast.Stmt {
	p.expect("table")
	if p.tableAsAhead() {
		return p.createTableAs(t, persistence, false)
	}
	s := at(t, &ast.CreateTable{Persistence: persistence, IfNotExists: p.ifNotExists(), Name: p.qualifiedName()})
	switch {
	case p.accept("of"):
		s.OfType = &ast.TypeName{Pos: pos(p.t), Names: p.anyName()}
		if p.t.kind == '(' {
			p.tableElements(s, true)
		}
	case p.accept("partition"):
		p.expect("of")
		parent := p.qualifiedName()
		s.PartitionOf = &parent
		if p.t.kind == '(' {
			p.tableElements(s, true)
		}
		p.partitionBound()
	default:
		p.tableElements(s, false)
		if p.accept("inherits") {
			p.expectKind('(')
			s.Inherits = p.qualifiedNames()
			p.expectKind(')')
		}
	}
	p.tableTail(&s.PartitionBy, &s.AccessMethod, &s.Options, &s.OnCommit, &s.Tablespace)
	return s
}

// tableAsAhead looks for AS before the columns or after a list of bare names.
func (p *parser) tableAsAhead() bool {
	saved := *p
	defer func() { *p = saved }()
	p.ifNotExists()
	p.qualifiedName()
	if p.t.kind == '(' {
		p.advance()
		for p.t.isColID() {
			p.advance()
			if p.t.kind == ')' {
				return true // no type after a name: only AS has this
			}
			if !p.acceptKind(',') {
				return false
			}
		}
		return false
	}
	return !p.is("of") && !(p.is("partition") && p.peek(1).is("of"))
}

func (p *parser) createTableAs(t token, persistence ast.Persistence, materialized bool) ast.Stmt {
	s := at(t, &ast.CreateTableAs{Persistence: persistence, Materialized: materialized,
		IfNotExists: p.ifNotExists(), Name: p.qualifiedName(), Columns: p.columnList()})
	p.tableTail(&s.PartitionBy, &s.AccessMethod, &s.Options, &s.OnCommit, &s.Tablespace)
	p.expect("as")
	if p.is("execute") {
		s.Query = p.execute()
	} else {
		body := p.t
		s.Query = p.selectStmt()
		s.QueryText = p.source(body)
	}
	if p.accept("with") {
		s.NoData = p.accept("no")
		p.expect("data")
	}
	return s
}

// tableTail reads what may follow the columns.
func (p *parser) tableTail(by **ast.PartitionBy, method *string, options *[]ast.Option, onCommit, tablespace *string) {
	if t := p.t; p.accept("partition") {
		p.expect("by")
		*by = &ast.PartitionBy{Pos: pos(t), Strategy: p.colID(), Elems: p.indexElems()}
	}
	if p.accept("using") {
		*method = p.colID()
	}
	if p.accept("with") {
		*options = p.relOptions()
	} else if p.accept("without") {
		p.expect("oids")
	}
	if p.accept("on") {
		p.expect("commit")
		switch {
		case p.accept("drop"):
			*onCommit = "drop"
		case p.accept("delete", "rows"):
			*onCommit = "delete rows"
		default:
			p.expect("preserve", "rows")
			*onCommit = "preserve rows"
		}
	}
	if p.accept("tablespace") {
		*tablespace = p.colID()
	}
}

// partitionBound passes FOR VALUES ... or DEFAULT.
func (p *parser) partitionBound() {
	if p.accept("default") {
		return
	}
	p.expect("for", "values")
	list := func() {
		p.expectKind('(')
		p.exprs()
		p.expectKind(')')
	}
	switch {
	case p.accept("in"):
		list()
	case p.accept("from"):
		list()
		p.expect("to")
		list()
	default:
		p.expect("with")
		p.expectKind('(')
		for {
			p.nonReserved()
			p.integer()
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	}
}

// tableElements reads the columns and constraints in parentheses. Typed ones
// have columns without a type.
func (p *parser) tableElements(s *ast.CreateTable, typed bool) {
	p.expectKind('(')
	if p.acceptKind(')') {
		return
	}
	for {
		switch {
		case p.is("like"):
			l := p.tableLike()
			l.Before = len(s.Columns)
			s.Likes = append(s.Likes, l)
		case p.tableConstraintAhead():
			s.Constraints = append(s.Constraints, p.tableConstraint())
		default:
			s.Columns = append(s.Columns, p.columnDef(typed))
		}
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
}

func (p *parser) tableLike() ast.TableLike {
	l := ast.TableLike{Pos: pos(p.advance()), Source: p.qualifiedName()}
	for {
		which := p.oneOf("including", "excluding")
		if which == "" {
			return l
		}
		what := p.t.text
		switch what {
		case "all", "comments", "compression", "constraints", "defaults", "generated", "identity", "indexes", "statistics", "storage":
			p.advance()
		default:
			p.fail()
		}
		in, out := &l.Including, &l.Excluding
		if which == "excluding" {
			in, out = out, in
		}
		if what == "all" {
			l.Including, l.Excluding = nil, nil
		}
		*out = slices.DeleteFunc(*out, func(o string) bool { return o == what })
		*in = append(*in, what)
	}
}

func (p *parser) tableConstraintAhead() bool {
	switch p.t.text {
	case "constraint", "check", "unique", "primary", "foreign", "exclude":
		return p.t.kind == tKeyword && !(p.t.class == ast.Unreserved && p.peek(1).kind != '(' && !p.peek(1).is("using"))
	}
	return false
}

// columnDef reads a column with its constraints.
func (p *parser) columnDef(typed bool) *ast.ColumnDef {
	c := &ast.ColumnDef{Pos: pos(p.t), Name: p.colID()}
	if typed {
		p.accept("with", "options")
	} else {
		c.Type = p.typeName()
	}
	if p.accept("storage") {
		c.Storage = p.colID()
	}
	if p.accept("compression") {
		c.Compression = p.label()
	}
	for {
		if t := p.t; p.accept("collate") {
			if c.Collation != nil {
				p.errorf(t.pos, pgerr.SyntaxError, "multiple COLLATE clauses not allowed")
			}
			c.Collation = p.anyName()
			continue
		}
		k := p.columnConstraint()
		if k == nil {
			return c
		}
		c.Constraints = append(c.Constraints, k)
	}
}

func (p *parser) constraintName() string {
	if p.accept("constraint") {
		return p.colID()
	}
	return ""
}

// columnConstraint reads one constraint of a column, nil if none follows.
func (p *parser) columnConstraint() *ast.Constraint {
	t := p.t
	k := &ast.Constraint{Pos: pos(t), Name: p.constraintName()}
	switch {
	case p.is("not"):
		p.expect("not", "null")
		k.Kind = ast.NotNullConstraint
	case p.accept("null"):
		k.Kind = ast.NullConstraint
	case p.accept("unique"):
		k.Kind = ast.UniqueConstraint
		k.NullsNotDistinct = p.nullsNotDistinct()
		p.indexParameters(k)
	case p.accept("primary"):
		p.expect("key")
		k.Kind = ast.PrimaryKeyConstraint
		p.indexParameters(k)
	case p.accept("check"):
		k.Kind = ast.CheckConstraint
		k.Expr = p.inParens()
		k.NoInherit = p.accept("no", "inherit")
	case p.accept("default"):
		k.Kind = ast.DefaultConstraint
		k.Expr = p.exprFrom(0, restricted)
	case p.accept("generated"):
		p.generated(k)
	case p.accept("references"):
		k.Kind = ast.ForeignKeyConstraint
		p.references(k)
	default:
		if k.Name != "" {
			p.fail()
		}
		return nil
	}
	p.constraintAttributes(k)
	return k
}

func (p *parser) inParens() ast.Expr {
	p.expectKind('(')
	e := p.expr()
	p.expectKind(')')
	return e
}

func (p *parser) generated(k *ast.Constraint) {
	when := p.t
	if k.Always = p.accept("always"); !k.Always {
		p.expect("by", "default")
	}
	p.expect("as")
	if p.accept("identity") {
		k.Kind = ast.IdentityConstraint
		if p.acceptKind('(') {
			k.Options = p.sequenceOptions()
			p.expectKind(')')
		}
		return
	}
	k.Kind = ast.GeneratedConstraint
	k.Expr = p.inParens()
	p.expect("stored")
	if !k.Always {
		panic(bailout{pgerr.New(pgerr.SyntaxError, "for a generated column, GENERATED ALWAYS must be specified").At(int(when.pos))})
	}
}

// indexParameters reads what may follow UNIQUE and PRIMARY KEY.
func (p *parser) indexParameters(k *ast.Constraint) {
	if p.accept("include") {
		k.Include = p.columnList()
	}
	if p.accept("with") {
		k.Options = p.relOptions()
	}
	if p.accept("using", "index", "tablespace") {
		p.colID()
	}
}

func (p *parser) references(k *ast.Constraint) {
	k.RefTable = p.qualifiedName()
	k.RefColumns = p.columnList()
	if p.accept("match") {
		if k.Match = p.oneOf("full", "partial", "simple"); k.Match == "" {
			p.fail()
		}
	}
	for p.is("on") && (p.peek(1).is("delete") || p.peek(1).is("update")) {
		on := p.advance()
		action, columns := &k.OnDelete, &k.OnDeleteColumns
		if p.advance().text == "update" {
			action, columns = &k.OnUpdate, new([]string)
		}
		switch {
		case p.accept("no", "action"):
			*action = "no action"
		case p.accept("set", "null"):
			*action, *columns = "set null", p.columnList()
		case p.accept("set", "default"):
			*action, *columns = "set default", p.columnList()
		default:
			if *action = p.oneOf("restrict", "cascade"); *action == "" {
				p.fail()
			}
		}
		if columns != &k.OnDeleteColumns && *columns != nil {
			panic(bailout{pgerr.Unsupported("a column list with %s is only supported for ON DELETE actions", strings.ToUpper(*action)).At(int(on.pos))})
		}
	}
}

// constraintAttributes reads DEFERRABLE and its like.
func (p *parser) constraintAttributes(k *ast.Constraint) {
	yes, no := true, false
	for {
		switch {
		case p.accept("not", "deferrable"):
			k.Deferrable = &no
		case p.accept("deferrable"):
			k.Deferrable = &yes
		case p.accept("initially", "deferred"):
			k.Initially = &yes
		case p.accept("initially", "immediate"):
			k.Initially = &no
		case p.accept("not", "valid"):
			k.NotValid = true
		case p.accept("no", "inherit"):
			k.NoInherit = true
		default:
			return
		}
	}
}

func (p *parser) tableConstraint() *ast.Constraint {
	k := &ast.Constraint{Pos: pos(p.t), Name: p.constraintName()}
	switch {
	case p.accept("check"):
		k.Kind, k.Expr = ast.CheckConstraint, p.inParens()
	case p.is("unique"), p.is("primary"):
		k.Kind = ast.UniqueConstraint
		if p.advance().text == "primary" {
			p.expect("key")
			k.Kind = ast.PrimaryKeyConstraint
		} else {
			k.NullsNotDistinct = p.nullsNotDistinct()
		}
		if p.accept("using", "index") {
			k.Index = p.colID()
			break
		}
		if k.Columns = p.columnList(); k.Columns == nil {
			p.fail()
		}
		p.indexParameters(k)
	case p.accept("foreign"):
		p.expect("key")
		k.Kind = ast.ForeignKeyConstraint
		if k.Columns = p.columnList(); k.Columns == nil {
			p.fail()
		}
		p.expect("references")
		p.references(k)
	case p.accept("exclude"):
		p.exclude(k)
	default:
		p.fail()
	}
	p.constraintAttributes(k)
	return k
}

func (p *parser) exclude(k *ast.Constraint) {
	k.Kind = ast.ExcludeConstraint
	if p.accept("using") {
		k.AccessMethod = p.colID()
	}
	p.expectKind('(')
	for {
		k.ExcludeElems = append(k.ExcludeElems, p.indexElem())
		p.expect("with")
		if p.is("operator") {
			k.ExcludeOps = append(k.ExcludeOps, p.qualifiedOperator())
		} else {
			k.ExcludeOps = append(k.ExcludeOps, p.operatorName())
		}
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	p.indexParameters(k)
	if p.accept("where") {
		k.Where = p.inParens()
	}
}
