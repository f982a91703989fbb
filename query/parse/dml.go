package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// preparable reads a query or a data-modifying statement, with WITH.
func (p *parser) preparable() ast.Stmt {
	if !p.is("with") {
		return p.preparableAfter(nil)
	}
	p.enter()
	defer p.leave()
	return p.preparableAfter(p.with())
}

func (p *parser) preparableAfter(with *ast.With) ast.Stmt {
	switch {
	case p.is("insert"):
		return p.insert(with)
	case p.is("update"):
		return p.update(with)
	case p.is("delete"):
		return p.delete(with)
	case p.is("merge"):
		return p.merge(with)
	}
	p.enter()
	defer p.leave()
	return p.selectTail(p.setOperations(p.simpleSelect(), 0), with)
}

func (p *parser) insert(with *ast.With) ast.Stmt {
	s := at(p.advance(), &ast.Insert{With: with})
	p.expect("into")
	s.Table = p.qualifiedName()
	if p.accept("as") {
		s.Alias = &ast.Alias{Pos: pos(p.t), Name: p.colID()}
	}
	if p.t.kind == '(' && !p.queryInParens() {
		p.advance()
		s.Columns = p.columnTargets()
		p.expectKind(')')
	}
	s.Overriding = p.overriding()
	if p.is("default") && p.peek(1).is("values") && s.Overriding == ast.OverridingNone && s.Columns == nil {
		p.advance()
		p.advance()
	} else {
		s.Query = p.selectStmt()
	}
	if p.is("on") && p.peek(1).is("conflict") {
		s.OnConflict = p.onConflict()
	}
	s.Returning = p.returning()
	return s
}

// queryInParens says whether the parenthesis here begins a query.
func (p *parser) queryInParens() bool {
	switch t := p.peek(1); {
	case t.kind == '(', t.is("select"), t.is("with"), t.is("table"):
		return true
	case t.is("values"):
		return p.peek(2).kind == '('
	}
	return false
}

func (p *parser) overriding() ast.Overriding {
	if !p.accept("overriding") {
		return ast.OverridingNone
	}
	o := ast.OverridingUser
	if p.accept("system") {
		o = ast.OverridingSystem
	} else {
		p.expect("user")
	}
	p.expect("value")
	return o
}

func (p *parser) columnTargets() []ast.ColumnTarget {
	list := []ast.ColumnTarget{p.columnTarget()}
	for p.acceptKind(',') {
		list = append(list, p.columnTarget())
	}
	return list
}

func (p *parser) columnTarget() ast.ColumnTarget {
	t := p.t
	c := ast.ColumnTarget{Pos: pos(t), Name: p.colID()}
	if p.t.kind == '.' || p.t.kind == '[' {
		c.Indirection = p.indirection(at(t, &ast.ColumnRef{Names: []string{c.Name}}))
		if f, ok := c.Indirection.(*ast.FieldSelect); ok && f.Star {
			p.fail()
		}
	}
	return c
}

func (p *parser) onConflict() *ast.OnConflict {
	c := &ast.OnConflict{Pos: pos(p.expect("on", "conflict"))}
	if p.accept("on") {
		p.expect("constraint")
		c.Constraint = p.colID()
	} else if p.t.kind == '(' {
		c.TargetPos = int(p.t.pos)
		c.Target = p.indexElems()
		c.Where = p.where()
	}
	p.expect("do")
	if p.accept("nothing") {
		return c
	}
	p.expect("update", "set")
	c.DoUpdate = true
	c.Set = p.setClauses()
	c.SetWhere = p.where()
	if c.Target == nil && c.Constraint == "" {
		panic(bailout{pgerr.New(pgerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
			WithHint("For example, ON CONFLICT (column_name).").At(c.Position())})
	}
	return c
}

func (p *parser) setClauses() []ast.SetClause {
	var list []ast.SetClause
	for {
		c := ast.SetClause{Pos: pos(p.t)}
		if p.acceptKind('(') {
			c.Multi = true
			c.Columns = p.columnTargets()
			p.expectKind(')')
		} else {
			c.Columns = []ast.ColumnTarget{p.columnTarget()}
		}
		p.expectOp("=")
		c.Value = p.expr()
		list = append(list, c)
		if !p.acceptKind(',') {
			return list
		}
	}
}

func (p *parser) returning() []ast.Target {
	if p.accept("returning") {
		return p.targets()
	}
	return nil
}

// changedTable reads the table of UPDATE, DELETE or MERGE with its alias,
// which may not be SET without AS.
func (p *parser) changedTable() *ast.TableRef {
	r := p.relation()
	t := p.t
	if p.accept("as") {
		t = p.t
	} else if !p.t.isColID() || p.is("set") {
		return r
	}
	r.Alias = &ast.Alias{Pos: pos(t), Name: p.colID()}
	return r
}

func (p *parser) whereOrCurrent() ast.Expr {
	if p.is("where") && p.peek(1).is("current") && p.peek(2).is("of") {
		p.advance()
		t := p.expect("current", "of")
		return at(t, &ast.CurrentOf{Cursor: p.colID()})
	}
	return p.where()
}

func (p *parser) update(with *ast.With) ast.Stmt {
	s := at(p.advance(), &ast.Update{With: with, Table: p.changedTable()})
	p.expect("set")
	s.Set = p.setClauses()
	if p.accept("from") {
		s.From = p.fromList()
	}
	s.Where = p.whereOrCurrent()
	s.Returning = p.returning()
	return s
}

func (p *parser) delete(with *ast.With) ast.Stmt {
	s := at(p.advance(), &ast.Delete{With: with})
	p.expect("from")
	s.Table = p.changedTable()
	if p.accept("using") {
		s.Using = p.fromList()
	}
	s.Where = p.whereOrCurrent()
	s.Returning = p.returning()
	return s
}

func (p *parser) merge(with *ast.With) ast.Stmt {
	s := at(p.advance(), &ast.Merge{With: with})
	p.expect("into")
	s.Table = p.changedTable()
	p.expect("using")
	s.Source = p.tableExpr()
	p.expect("on")
	s.On = p.expr()
	for p.is("when") || len(s.Whens) == 0 {
		s.Whens = append(s.Whens, p.mergeWhen())
	}
	return s
}

func (p *parser) mergeWhen() ast.MergeWhen {
	w := ast.MergeWhen{Pos: pos(p.expect("when"))}
	w.Matched = !p.accept("not")
	p.expect("matched")
	if p.accept("and") {
		w.Cond = p.expr()
	}
	p.expect("then")
	switch {
	case p.accept("do"):
		p.expect("nothing")
	case w.Matched && p.accept("update"):
		p.expect("set")
		w.Action, w.Set = ast.MergeUpdate, p.setClauses()
	case w.Matched && p.accept("delete"):
		w.Action = ast.MergeDelete
	case !w.Matched && p.accept("insert"):
		w.Action = ast.MergeInsert
		if p.acceptKind('(') {
			w.Columns = p.columnTargets()
			p.expectKind(')')
		}
		w.Overriding = p.overriding()
		if p.accept("default") {
			p.expect("values")
			break
		}
		p.expect("values")
		p.expectKind('(')
		w.Values = p.exprs()
		p.expectKind(')')
	default:
		p.fail()
	}
	return w
}
