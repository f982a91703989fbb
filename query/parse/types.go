package parse

import "github.com/phyllodb/phyllo/query/ast"

// createType reads CREATE TYPE after its first two words.
func (p *parser) createType(t token) ast.Stmt {
	s := at(t, &ast.CreateType{Name: p.qualifiedName()})
	switch {
	case p.accept("as", "enum"):
		s.Kind = ast.EnumType
		p.expectKind('(')
		if p.t.kind != ')' {
			s.Labels = p.strings()
		}
		p.expectKind(')')
	case p.is("as") && p.peek(1).is("range"):
		p.skipStatement(t, "CREATE TYPE")
		s.Kind = ast.RangeType
	case p.accept("as"):
		s.Kind = ast.CompositeType
		p.expectKind('(')
		for p.t.kind != ')' {
			s.Attributes = append(s.Attributes, p.attribute())
			if !p.acceptKind(',') {
				break
			}
		}
		p.expectKind(')')
	case p.t.kind == '(':
		p.skipStatement(t, "CREATE TYPE")
		s.Kind = ast.BaseType
	}
	return s
}

func (p *parser) strings() (list []string) {
	for {
		list = append(list, p.str())
		if !p.acceptKind(',') {
			return list
		}
	}
}

// attribute reads an attribute of a composite type.
func (p *parser) attribute() *ast.ColumnDef {
	c := &ast.ColumnDef{Pos: pos(p.t), Name: p.colID(), Type: p.typeName()}
	if p.accept("collate") {
		c.Collation = p.anyName()
	}
	return c
}

// createDomain reads CREATE DOMAIN after its first two words.
func (p *parser) createDomain(t token) ast.Stmt {
	s := at(t, &ast.CreateDomain{Name: p.qualifiedName()})
	p.accept("as")
	s.Type = p.typeName()
	for {
		if p.accept("collate") {
			s.Collation = p.anyName()
			continue
		}
		k := p.columnConstraint()
		if k == nil {
			return s
		}
		s.Constraints = append(s.Constraints, k)
	}
}

// alterType reads ALTER TYPE and ALTER DOMAIN after their first two words.
func (p *parser) alterType(t token, kind ast.ObjectKind) ast.Stmt {
	s := at(t, &ast.AlterType{Kind: kind, Name: p.qualifiedName()})
	for {
		a := ast.AlterAction{Pos: pos(p.t)}
		start := p.t
		if kind == ast.TypeObject {
			p.typeAction(&a)
		} else {
			p.domainAction(&a)
		}
		a.Text = p.source(start)
		s.Actions = append(s.Actions, a)
		if !attributeAction(a.Kind) || !p.acceptKind(',') {
			return s
		}
		if !p.is("add") && !p.is("drop") && !p.is("alter") {
			p.fail() // the others stand alone
		}
	}
}

func attributeAction(k ast.AlterKind) bool {
	return k == ast.AddColumn || k == ast.DropColumn || k == ast.AlterColumnType
}

func (p *parser) typeAction(a *ast.AlterAction) {
	switch {
	case p.accept("add", "value"):
		a.Kind, a.IfNotExists, a.NewName = ast.AddLabel, p.ifNotExists(), p.str()
		if where := p.oneOf("before", "after"); where != "" {
			a.After, a.Column = where == "after", p.str()
			a.Beside = true
		}
	case p.accept("add", "attribute"):
		a.Kind, a.Def = ast.AddColumn, p.attribute()
		a.Column, a.Cascade = a.Def.Name, p.cascade()
	case p.accept("drop", "attribute"):
		a.Kind, a.IfExists = ast.DropColumn, p.accept("if", "exists")
		a.Column, a.Cascade = p.colID(), p.cascade()
	case p.accept("alter", "attribute"):
		a.Kind, a.Column = ast.AlterColumnType, p.colID()
		p.accept("set", "data")
		p.expect("type")
		a.Def = &ast.ColumnDef{Pos: a.Pos, Name: a.Column, Type: p.typeName()}
		if p.accept("collate") {
			a.Def.Collation = p.anyName()
		}
		a.Cascade = p.cascade()
	case p.accept("rename", "value"):
		a.Kind, a.Column = ast.RenameLabel, p.str()
		p.expect("to")
		a.NewName = p.str()
	case p.accept("rename", "attribute"):
		a.Kind, a.Column = ast.RenameColumn, p.colID()
		p.expect("to")
		a.NewName, a.Cascade = p.colID(), p.cascade()
	case p.is("set") && p.peek(1).kind == '(':
		p.skipAction()
		a.Kind = ast.OtherAlter
	default:
		p.objectAction(a)
	}
}

func (p *parser) domainAction(a *ast.AlterAction) {
	switch {
	case p.accept("set", "default"):
		a.Kind, a.Expr = ast.SetDefault, p.expr()
	case p.accept("drop", "default"):
		a.Kind = ast.DropDefault
	case p.accept("set", "not", "null"):
		a.Kind = ast.SetNotNull
	case p.accept("drop", "not", "null"):
		a.Kind = ast.DropNotNull
	case p.accept("add"):
		a.Kind, a.Constraint = ast.AddConstraint, p.tableConstraint()
	case p.accept("drop", "constraint"):
		a.Kind, a.IfExists = ast.DropConstraint, p.accept("if", "exists")
		a.NewName, a.Cascade = p.colID(), p.cascade()
	case p.accept("validate", "constraint"):
		a.Kind, a.NewName = ast.ValidateConstraint, p.colID()
	case p.accept("rename", "constraint"):
		a.Kind, a.Column = ast.RenameConstraint, p.colID()
		p.expect("to")
		a.NewName = p.colID()
	default:
		p.objectAction(a)
	}
}

// objectAction reads what is done to any object.
func (p *parser) objectAction(a *ast.AlterAction) {
	switch {
	case p.accept("rename"):
		p.expect("to")
		a.Kind, a.NewName = ast.RenameTable, p.colID()
	case p.accept("set", "schema"):
		a.Kind, a.NewName = ast.SetSchema, p.colID()
	case p.accept("owner"):
		p.expect("to")
		a.Kind, a.NewName = ast.OwnerTo, p.roleName()
	default:
		p.fail()
	}
}
