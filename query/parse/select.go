package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// selectStmt reads a query, in parentheses or not, with all that may follow it.
func (p *parser) selectStmt() *ast.Select {
	p.enter()
	defer p.leave()
	var with *ast.With
	if p.is("with") {
		with = p.with()
	}
	return p.selectTail(p.setOperations(p.simpleSelect(), 0), with)
}

// simpleSelect reads a query without set operations of its own.
func (p *parser) simpleSelect() *ast.Select {
	t := p.t
	switch {
	case t.kind == '(':
		return p.parenthesizedQuery()
	case t.is("select"):
		return p.plainSelect()
	case t.is("values"):
		p.advance()
		q := at(t, &ast.Select{})
		for {
			p.expectKind('(')
			q.Values = append(q.Values, p.exprs())
			p.expectKind(')')
			if !p.acceptKind(',') {
				return q
			}
		}
	case t.is("table"):
		p.advance()
		star := ast.Target{Pos: pos(t), Expr: at(t, &ast.ColumnRef{Star: true})}
		return at(t, &ast.Select{Targets: []ast.Target{star}, From: []ast.TableExpr{p.relation()}})
	}
	p.fail()
	return nil
}

// setOperations extends left by UNION, EXCEPT (power 1) and INTERSECT (2).
func (p *parser) setOperations(left *ast.Select, power int) *ast.Select {
	for {
		kind, own := ast.Union, 1
		switch {
		case p.is("union"):
		case p.is("except"):
			kind = ast.Except
		case p.is("intersect"):
			kind, own = ast.Intersect, 2
		default:
			return left
		}
		if own < power {
			return left
		}
		op := p.advance()
		all := p.oneOf("all", "distinct") == "all"
		right := p.setOperations(p.simpleSelect(), own+1)
		q := &ast.Select{SetOp: &ast.SetOp{Pos: pos(op), Kind: kind, All: all, Left: left, Right: right}}
		q.SetPos(left.Position())
		left = q
	}
}

// plainSelect reads SELECT up to before ORDER BY.
func (p *parser) plainSelect() *ast.Select {
	q := at(p.advance(), &ast.Select{})
	if !p.accept("all") && p.accept("distinct") {
		q.Distinct = true
		if p.accept("on") {
			p.expectKind('(')
			q.DistinctOn = p.exprs()
			p.expectKind(')')
		}
	}
	if q.Distinct || p.targetAhead() {
		q.Targets = p.targets()
	}
	if p.is("into") {
		q.Into = p.into()
	}
	if p.accept("from") {
		q.From = p.fromList()
	}
	q.Where = p.where()
	if p.accept("group") {
		p.expect("by")
		if p.oneOf("all", "distinct") == "distinct" {
			q.GroupDistinct = true
		}
		q.GroupBy = p.groupItems()
	}
	if p.accept("having") {
		q.Having = p.expr()
	}
	if p.accept("window") {
		for {
			n := p.colID()
			p.expect("as")
			w := p.windowSpec()
			w.Name = n
			q.Windows = append(q.Windows, w)
			if !p.acceptKind(',') {
				break
			}
		}
	}
	return q
}

func (p *parser) where() ast.Expr {
	if p.accept("where") {
		return p.expr()
	}
	return nil
}

// targetAhead says whether a select list begins here; it may be empty.
func (p *parser) targetAhead() bool {
	switch p.t.kind {
	case tEOF, ';', ')':
		return false
	case tKeyword:
		switch p.t.text {
		case "from", "into", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for",
			"union", "intersect", "except", "on", "with", "returning":
			return false
		}
	}
	return true
}

func (p *parser) targets() []ast.Target {
	list := make([]ast.Target, 0, 8)
	for {
		list = append(list, p.target())
		if !p.acceptKind(',') {
			return list
		}
	}
}

func (p *parser) target() ast.Target {
	t := ast.Target{Pos: pos(p.t)}
	if star := p.t; p.acceptOp("*") {
		t.Expr = at(star, &ast.ColumnRef{Star: true})
		return t
	}
	t.Expr = p.expr()
	switch {
	case p.accept("as"):
		t.Alias = p.label()
	case p.t.kind == tIdent, p.t.kind == tKeyword && p.t.bare:
		t.Alias = p.advance().text
	}
	return t
}

func (p *parser) into() *ast.Into {
	into := &ast.Into{Pos: pos(p.advance())}
	if p.oneOf("local", "global") != "" && !p.is("temp") && !p.is("temporary") {
		p.fail()
	}
	switch p.oneOf("temp", "temporary", "unlogged") {
	case "temp", "temporary":
		into.Temp = true
	case "unlogged":
		into.Unlogged = true
	}
	p.accept("table")
	into.Table = p.qualifiedName()
	return into
}

func (p *parser) groupItems() []ast.Expr {
	var list []ast.Expr
	for {
		list = append(list, p.groupItem())
		if !p.acceptKind(',') {
			return list
		}
	}
}

func (p *parser) groupItem() ast.Expr {
	t := p.t
	p.enter()
	defer p.leave()
	switch {
	case t.kind == '(' && p.peek(1).kind == ')':
		p.advance()
		p.advance()
		return at(t, &ast.GroupingSet{Kind: ast.EmptySet})
	case (t.is("rollup") || t.is("cube")) && p.peek(1).kind == '(':
		p.advance()
		p.advance()
		g := at(t, &ast.GroupingSet{Kind: ast.Rollup, Items: p.exprs()})
		if t.text == "cube" {
			g.Kind = ast.Cube
		}
		p.expectKind(')')
		return g
	case t.is("grouping") && p.peek(1).is("sets"):
		p.advance()
		p.advance()
		p.expectKind('(')
		g := at(t, &ast.GroupingSet{Kind: ast.GroupingSets, Items: p.groupItems()})
		p.expectKind(')')
		return g
	}
	return p.expr()
}

// orderBy reads ORDER BY and its keys.
func (p *parser) orderBy() []ast.OrderItem {
	p.expect("order", "by")
	var list []ast.OrderItem
	for {
		o := ast.OrderItem{Pos: pos(p.t), Expr: p.expr()}
		switch p.oneOf("asc", "desc", "using") {
		case "desc":
			o.Desc = true
		case "using":
			op := ast.OpName{}
			if p.is("operator") {
				op = p.qualifiedOperator()
			} else {
				op.Name = p.expectKind(tOp).text
			}
			o.Using = &op
		}
		o.Nulls = p.nullsOrder()
		list = append(list, o)
		if !p.acceptKind(',') {
			return list
		}
	}
}

func (p *parser) nullsOrder() ast.NullsOrder {
	if p.accept("nulls", "first") {
		return ast.NullsFirst
	}
	if p.accept("nulls", "last") {
		return ast.NullsLast
	}
	return ast.NullsDefault
}

// selectTail reads ORDER BY, LIMIT, OFFSET, FETCH and FOR after q. They belong
// to q itself even if it was in parentheses, so none may come twice.
func (p *parser) selectTail(q *ast.Select, with *ast.With) *ast.Select {
	if p.is("order") {
		list := p.orderBy()
		if q.OrderBy != nil {
			p.errorf(int32(list[0].Position()), pgerr.SyntaxError, "multiple ORDER BY clauses not allowed")
		}
		q.OrderBy = list
	}
	limited := p.limits(q)
	locked := false
	for p.is("for") && p.lockingItem(q) {
		locked = true
	}
	if locked && !limited {
		p.limits(q)
	}
	return p.finishSelect(q, with)
}

// limits reads LIMIT or FETCH and OFFSET, each once, in either order.
func (p *parser) limits(q *ast.Select) bool {
	count := func() bool {
		switch {
		case p.is("limit"):
			p.limit(q)
		case p.is("fetch"):
			p.fetchFirst(q)
		default:
			return false
		}
		return true
	}
	if count() {
		if p.is("offset") {
			p.offset(q)
		}
		return true
	}
	if !p.is("offset") {
		return false
	}
	p.offset(q)
	count()
	return true
}

func (p *parser) finishSelect(q *ast.Select, with *ast.With) *ast.Select {
	if with != nil {
		if q.With != nil {
			p.errorf(int32(with.Position()), pgerr.SyntaxError, "multiple WITH clauses not allowed")
		}
		q.With = with
	}
	if q.WithTies {
		if q.OrderBy == nil {
			p.errorf(0, pgerr.SyntaxError, "WITH TIES cannot be specified without ORDER BY clause")
		}
		for _, l := range q.Locking {
			if l.SkipLocked {
				p.errorf(0, pgerr.SyntaxError, "SKIP LOCKED and WITH TIES options cannot be used together")
			}
		}
	}
	return q
}

func (p *parser) setLimit(q *ast.Select, limit ast.Expr) {
	if q.Limit != nil {
		p.errorf(int32(limit.Position()), pgerr.SyntaxError, "multiple LIMIT clauses not allowed")
	}
	q.Limit = limit
}

func (p *parser) limit(q *ast.Select) {
	t := p.advance()
	if all := p.t; p.accept("all") {
		p.setLimit(q, at(all, &ast.Literal{Kind: ast.Null}))
	} else {
		p.setLimit(q, p.expr())
	}
	if p.t.kind == ',' {
		panic(bailout{pgerr.New(pgerr.SyntaxError, "LIMIT #,# syntax is not supported").
			WithHint("Use separate LIMIT and OFFSET clauses.").At(int(t.pos))})
	}
}

func (p *parser) offset(q *ast.Select) {
	p.advance()
	e := p.expr()
	p.oneOf("row", "rows")
	if q.Offset != nil {
		p.errorf(int32(e.Position()), pgerr.SyntaxError, "multiple OFFSET clauses not allowed")
	}
	q.Offset = e
}

func (p *parser) fetchFirst(q *ast.Select) {
	t := p.advance()
	if p.oneOf("first", "next") == "" {
		p.fail()
	}
	var count ast.Expr = at(t, &ast.Literal{Kind: ast.Number, Text: "1"})
	if !p.is("row") && !p.is("rows") {
		count = p.prefixValue()
	}
	if p.oneOf("row", "rows") == "" {
		p.fail()
	}
	if p.accept("with") {
		p.expect("ties")
		q.WithTies = true
	} else {
		p.expect("only")
	}
	p.setLimit(q, count)
}

// prefixValue reads a signed number or an operand.
func (p *parser) prefixValue() ast.Expr {
	if t := p.t; p.isOp("+") || p.isOp("-") {
		p.advance()
		if p.t.kind != tInt && p.t.kind != tFloat {
			p.fail()
		}
		lit := p.primary().(*ast.Literal)
		if t.text == "-" {
			return at(t, negate(lit))
		}
		return lit
	}
	return p.primary()
}

// lockingItem reads FOR UPDATE and so on, or FOR READ ONLY, which says nothing.
// It returns false if FOR belongs to something else.
func (p *parser) lockingItem(q *ast.Select) bool {
	t := p.t
	if p.accept("for", "read", "only") {
		return true
	}
	l := ast.Locking{Pos: pos(t)}
	switch {
	case p.accept("for", "update"):
	case p.accept("for", "no", "key", "update"):
		l.Strength = ast.ForNoKeyUpdate
	case p.accept("for", "share"):
		l.Strength = ast.ForShare
	case p.accept("for", "key", "share"):
		l.Strength = ast.ForKeyShare
	default:
		return false
	}
	if p.accept("of") {
		l.Of = p.qualifiedNames()
	}
	if p.accept("nowait") {
		l.NoWait = true
	} else if p.accept("skip") {
		p.expect("locked")
		l.SkipLocked = true
	}
	q.Locking = append(q.Locking, l)
	return true
}

// with reads a WITH clause.
func (p *parser) with() *ast.With {
	w := &ast.With{Pos: pos(p.advance())}
	w.Recursive = p.accept("recursive")
	for {
		w.CTEs = append(w.CTEs, p.cte())
		if !p.acceptKind(',') {
			return w
		}
	}
}

func (p *parser) cte() *ast.CTE {
	c := &ast.CTE{Pos: pos(p.t), Name: p.colID()}
	c.Columns = p.columnList()
	p.expect("as")
	if not := p.is("not"); not || p.is("materialized") {
		if not {
			p.advance()
		}
		p.expect("materialized")
		yes := !not
		c.Materialized = &yes
	}
	p.expectKind('(')
	c.Stmt = p.preparable()
	p.expectKind(')')
	if t := p.t; p.accept("search") {
		s := &ast.CTESearch{Pos: pos(t)}
		if s.DepthFirst = p.accept("depth"); !s.DepthFirst {
			p.expect("breadth")
		}
		p.expect("first", "by")
		s.Columns = p.colIDs()
		p.expect("set")
		s.Sequence = p.colID()
		c.Search = s
	}
	if t := p.t; p.accept("cycle") {
		y := &ast.CTECycle{Pos: pos(t), Columns: p.colIDs()}
		p.expect("set")
		y.Mark = p.colID()
		if p.accept("to") {
			y.To = p.primary()
			p.expect("default")
			y.Default = p.primary()
		}
		p.expect("using")
		y.Path = p.colID()
		c.Cycle = y
	}
	return c
}
