package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

func (p *parser) fromList() []ast.TableExpr {
	list := []ast.TableExpr{p.tableExpr()}
	for p.acceptKind(',') {
		list = append(list, p.tableExpr())
	}
	return list
}

// tableExpr reads one item of FROM with its joins.
func (p *parser) tableExpr() ast.TableExpr { return p.joins(p.tablePrimary()) }

// joinAhead tells the join that begins here.
func (p *parser) joinAhead() (kind ast.JoinKind, natural, ok bool) {
	if p.t.kind == tIdent { // asof is no keyword in PostgreSQL
		if p.asofAhead() {
			if p.peek(1).is("left") {
				return ast.AsofLeftJoin, false, true
			}
			return ast.AsofJoin, false, true
		}
		return 0, false, false
	}
	if p.t.kind != tKeyword {
		return 0, false, false
	}
	word := p.t.text
	if natural = word == "natural"; natural {
		word = p.peek(1).text
	}
	switch word {
	case "join", "inner":
		return ast.InnerJoin, natural, true
	case "left":
		return ast.LeftJoin, natural, true
	case "right":
		return ast.RightJoin, natural, true
	case "full":
		return ast.FullJoin, natural, true
	case "cross":
		return ast.CrossJoin, false, !natural
	}
	return 0, false, natural
}

// asofAhead says whether ASOF [INNER | LEFT] JOIN comes here.
func (p *parser) asofAhead() bool {
	if p.t.kind != tIdent || p.t.text != "asof" || p.lex.src[p.t.off] == '"' {
		return false
	}
	return p.peek(1).is("join") || p.peek(1).is("inner") && p.peek(2).is("join") || p.peek(1).is("left") && (p.peek(2).is("join") || p.peek(2).is("outer"))
}

// joins extends left by the joins after it. The right side of a qualified join
// may be joins itself, as in a JOIN b JOIN c ON .. ON ..
func (p *parser) joins(left ast.TableExpr) ast.TableExpr {
	p.enter()
	defer p.leave()
	for {
		kind, natural, ok := p.joinAhead()
		if !ok {
			return left
		}
		j := at(p.t, &ast.Join{Kind: kind, Left: left, Natural: natural})
		if natural || p.t.kind == tIdent {
			p.advance()
		}
		switch p.oneOf("inner", "left", "right", "full", "cross") {
		case "left", "right", "full":
			p.accept("outer")
		}
		p.expect("join")
		j.Right = p.tablePrimary()
		if kind != ast.CrossJoin && !natural {
			if !p.is("on") && !p.is("using") {
				j.Right = p.joins(j.Right)
			}
			p.joinCondition(j)
		}
		left = j
	}
}

func (p *parser) joinCondition(j *ast.Join) {
	if p.accept("using") {
		p.expectKind('(')
		j.Using = p.colIDs()
		p.expectKind(')')
		if p.accept("as") {
			j.UsingAlias = p.colID()
		}
		return
	}
	p.expect("on")
	j.On = p.expr()
}

// tablePrimary reads an item of FROM without joins.
func (p *parser) tablePrimary() ast.TableExpr {
	t := p.t
	lateral := p.accept("lateral")
	switch {
	case p.t.kind == '(':
		if lateral {
			return p.subqueryRef(t, p.parenthesizedQuery(), true)
		}
		return p.parenthesizedTable()
	case p.is("rows") && p.peek(1).is("from") && p.peek(2).kind == '(':
		return p.rowsFrom(t, lateral)
	case p.is("xmltable") && p.peek(1).kind == '(':
		p.unsupported(p.t, "XMLTABLE")
	}
	if lateral || p.functionAhead() {
		return p.functionRef(t, lateral)
	}
	r := p.relation()
	if p.asOf() {
		r.AsOf = p.expr()
	}
	r.Alias = p.alias()
	if p.accept("tablesample") {
		r.Sample = p.tableSample()
	}
	return r
}

// asOf reads FOR SYSTEM_TIME AS OF, as in the standard, or AS OF in short. That an alias of PostgreSQL may
// be "of" is told by what follows: no alias is followed by a value.
func (p *parser) asOf() bool {
	if p.is("for") && p.peek(1).text == "system_time" && p.peek(2).is("as") && p.peek(3).is("of") {
		p.advance()
		p.advance()
	} else if !p.is("as") || !p.peek(1).is("of") || !p.peek(2).beginsValue() {
		return false
	}
	p.advance()
	p.advance()
	return true
}

// beginsValue says whether a token begins a value and cannot come after a table's alias.
func (t token) beginsValue() bool {
	switch t.kind {
	case tString, tInt, tFloat, tParam, tIdent:
		return true
	case tKeyword:
		if _, ok := sqlValues[t.text]; ok {
			return true
		}
		switch t.text {
		case "timestamp", "cast", "interval":
			return true
		}
	}
	return false
}

// functionAhead says whether a call stands here, and not a table's name.
func (p *parser) functionAhead() bool {
	if p.t.kind == tKeyword {
		if _, ok := sqlValues[p.t.text]; ok {
			return true
		}
		switch p.t.text {
		case "cast", "collation":
			return true
		case "only":
			return false
		}
	}
	if p.t.isWord() && p.peek(1).kind == '(' {
		return true
	}
	if p.t.isColID() && p.peek(1).kind == '.' {
		// One or two more names.
		return p.peek(3).kind == '(' || p.peek(3).kind == '.' && p.pathIsCall()
	}
	return false
}

// pathIsCall looks past a.b.c for a parenthesis.
func (p *parser) pathIsCall() bool {
	saved := *p
	for p.t.isWord() {
		p.advance()
		if p.t.kind != '.' {
			break
		}
		p.advance()
	}
	call := p.t.kind == '('
	*p = saved
	return call
}

// relation reads [ONLY] name [*].
func (p *parser) relation() *ast.TableRef {
	r := at(p.t, &ast.TableRef{})
	if p.accept("only") {
		r.Only = true
		if p.acceptKind('(') {
			r.Name = p.qualifiedName()
			p.expectKind(')')
			return r
		}
	}
	r.Name = p.qualifiedName()
	if !r.Only {
		p.acceptOp("*")
	}
	return r
}

// alias reads [AS] name [(columns)], nil if absent.
func (p *parser) alias() *ast.Alias {
	t := p.t
	switch {
	case p.accept("as"):
		t = p.t
	case p.t.isColID() && !p.asofAhead():
	default:
		return nil
	}
	a := &ast.Alias{Pos: pos(t), Name: p.colID()}
	a.Columns = p.columnList()
	return a
}

func (p *parser) subqueryRef(t token, q *ast.Select, lateral bool) ast.TableExpr {
	r := at(t, &ast.SubqueryRef{Lateral: lateral, Query: q, Alias: p.alias()})
	if r.Alias == nil {
		what, name := "subquery", "(SELECT ...) [AS] foo"
		if q.Values != nil {
			what, name = "VALUES", "(VALUES ...) [AS] foo"
		}
		panic(bailout{pgerr.New(pgerr.SyntaxError, "%s in FROM must have an alias", what).
			WithHint("For example, FROM %s.", name).At(int(t.pos))})
	}
	return r
}

// parenthesizedTable reads (query) alias or (joined table) [alias].
func (p *parser) parenthesizedTable() ast.TableExpr {
	open := p.t
	q, t := p.queryOrTable()
	if q != nil {
		return p.subqueryRef(open, q, false)
	}
	if j, ok := t.(*ast.Join); ok {
		if a := p.alias(); a != nil {
			j.Alias = a
		}
	}
	return t
}

// queryOrTable reads a parenthesis that holds a query or joined tables; which
// of them is known only inside.
func (p *parser) queryOrTable() (*ast.Select, ast.TableExpr) {
	p.enter()
	defer p.leave()
	p.expectKind('(')
	if p.queryAhead() {
		q := p.selectStmt()
		p.expectKind(')')
		return q, nil
	}
	if p.t.kind != '(' {
		t := p.tableExpr()
		if _, ok := t.(*ast.Join); !ok {
			p.fail()
		}
		p.expectKind(')')
		return nil, t
	}
	inner := p.t
	q, t := p.queryOrTable()
	if q != nil {
		q = p.selectTail(p.setOperations(q, 0), nil)
		if p.acceptKind(')') {
			return q, nil
		}
		t = p.subqueryRef(inner, q, false)
	} else if j, ok := t.(*ast.Join); ok {
		if a := p.alias(); a != nil {
			j.Alias = a
		}
	}
	t = p.joins(t)
	if _, ok := t.(*ast.Join); !ok {
		p.fail()
	}
	p.expectKind(')')
	return nil, t
}

func (p *parser) rowsFrom(t token, lateral bool) ast.TableExpr {
	f := at(t, &ast.FunctionRef{Lateral: lateral, RowsFrom: true})
	p.expect("rows", "from")
	p.expectKind('(')
	for {
		fn := ast.RowsFunc{Call: p.tableFunction()}
		if p.accept("as") {
			fn.ColumnDefs = p.columnDefs()
		}
		f.Funcs = append(f.Funcs, fn)
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	p.functionTail(f)
	return f
}

func (p *parser) functionRef(t token, lateral bool) ast.TableExpr {
	f := at(t, &ast.FunctionRef{Lateral: lateral, Funcs: []ast.RowsFunc{{Call: p.tableFunction()}}})
	p.functionTail(f)
	return f
}

// tableFunction reads a call without FILTER and OVER.
func (p *parser) tableFunction() ast.Expr {
	t := p.t
	if t.kind == tKeyword {
		if t.text == "cast" {
			return p.castExpr()
		}
		if e := p.specialFunction(); e != nil {
			return e
		}
	}
	if !t.isFuncName() && !(t.isColID() && p.peek(1).kind == '.') {
		p.fail()
	}
	names := []string{p.advance().text}
	for p.acceptKind('.') {
		names = append(names, p.label())
	}
	return p.callArgs(t, names)
}

// functionTail reads WITH ORDINALITY and the alias, which may be a column
// definition list.
func (p *parser) functionTail(f *ast.FunctionRef) {
	if p.is("with") && p.peek(1).is("ordinality") {
		p.advance()
		p.advance()
		f.Ordinality = true
	}
	as := p.accept("as")
	if as && p.t.kind == '(' {
		f.ColumnDefs = p.columnDefs()
		return
	}
	if !as && (!p.t.isColID() || p.asofAhead()) {
		return
	}
	f.Alias = &ast.Alias{Pos: pos(p.t), Name: p.colID()}
	if p.t.kind != '(' {
		return
	}
	if k := p.peek(2).kind; k == ',' || k == ')' {
		f.Alias.Columns = p.columnList()
		return
	}
	f.ColumnDefs = p.columnDefs()
}

// columnDefs reads (name type, ...).
func (p *parser) columnDefs() []*ast.ColumnDef {
	p.expectKind('(')
	var list []*ast.ColumnDef
	for {
		c := &ast.ColumnDef{Pos: pos(p.t), Name: p.colID(), Type: p.typeName()}
		if p.accept("collate") {
			c.Collation = p.anyName()
		}
		list = append(list, c)
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	return list
}

func (p *parser) tableSample() *ast.TableSample {
	s := &ast.TableSample{Pos: pos(p.t)}
	if !p.t.isFuncName() {
		p.fail()
	}
	s.Method = []string{p.advance().text}
	for p.acceptKind('.') {
		s.Method = append(s.Method, p.label())
	}
	p.expectKind('(')
	s.Args = p.exprs()
	p.expectKind(')')
	if p.accept("repeatable") {
		p.expectKind('(')
		s.Seed = p.expr()
		p.expectKind(')')
	}
	return s
}
