package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// alter reads ALTER.
func (p *parser) alter() ast.Stmt {
	t := p.advance()
	kind := ast.ObjectKind("")
	switch {
	case p.accept("table"):
		kind = ast.TableObject
	case p.accept("materialized", "view"):
		kind = ast.MatViewObject
	case p.accept("view"):
		kind = ast.ViewObject
	case p.accept("index"):
		kind = ast.IndexObject
	case p.accept("sequence"):
		kind = ast.SequenceObject
	case p.accept("type"):
		return p.alterType(t, ast.TypeObject)
	case p.accept("domain"):
		return p.alterType(t, ast.DomainObject)
	case p.is("database"):
		return p.alterDatabase(t)
	case p.is("role"), p.is("user") && !p.peek(1).is("mapping"), p.is("group"):
		return p.alterRole(t)
	default:
		return p.alterOther(t)
	}
	if p.is("all") {
		return p.skipStatement(t, "ALTER "+string(kind))
	}
	s := at(t, &ast.AlterTable{Kind: kind, IfExists: p.accept("if", "exists"), Table: p.relation()})
	if kind == ast.SequenceObject && p.sequenceOptionAhead() {
		s.Actions = []ast.AlterAction{{Pos: pos(p.t), Kind: ast.SequenceOptions, Options: p.sequenceOptions()}}
		return s
	}
	for {
		if len(s.Actions) > 0 && (p.is("rename") || p.is("set") && p.peek(1).is("schema")) {
			p.fail() // they stand alone
		}
		a := p.alterAction()
		s.Actions = append(s.Actions, a)
		if alone(a.Kind) || !p.acceptKind(',') {
			return s
		}
	}
}

// alone says whether an action is a statement of its own.
func alone(k ast.AlterKind) bool {
	return k == ast.RenameTable || k == ast.RenameColumn || k == ast.RenameConstraint || k == ast.SetSchema
}

func (p *parser) alterDatabase(t token) ast.Stmt {
	p.advance()
	s := at(t, &ast.AlterDatabase{Name: p.colID()})
	switch {
	case p.accept("rename", "to"):
		s.NewName = p.colID()
	case p.accept("owner", "to"):
		s.Owner = p.roleName()
	default:
		return p.skipStatement(t, "ALTER DATABASE")
	}
	return s
}

func (p *parser) alterRole(t token) ast.Stmt {
	kind := p.advance().text
	if p.is("all") {
		return p.skipStatement(t, "ALTER "+strings.ToUpper(kind))
	}
	s := at(t, &ast.AlterRole{Name: p.roleName()})
	if p.is("rename") || p.is("set") || p.is("reset") || p.is("in") || p.is("add") || p.is("drop") {
		return p.skipStatement(t, "ALTER "+strings.ToUpper(kind))
	}
	p.accept("with")
	s.Options = p.wordOptions()
	return s
}

// alterOther reads ALTER of the objects that cannot be altered here.
func (p *parser) alterOther(t token) ast.Stmt {
	words := []string{"ALTER", strings.ToUpper(p.t.text)}
	switch p.t.text {
	case "aggregate", "collation", "conversion", "extension", "function", "language", "operator",
		"policy", "procedure", "publication", "routine", "rule", "schema", "server", "statistics", "subscription",
		"system", "tablespace", "trigger":
		p.advance()
	case "default", "event", "foreign", "large", "text", "user", "procedural":
		p.advance()
		words = append(words, strings.ToUpper(p.t.text))
	default:
		p.fail()
	}
	return p.skipStatement(t, strings.Join(words, " "))
}

// alterAction reads one action of ALTER TABLE.
func (p *parser) alterAction() ast.AlterAction {
	a := ast.AlterAction{Pos: pos(p.t)}
	start := p.t
	switch {
	case p.accept("add"):
		p.alterAdd(&a)
	case p.accept("drop"):
		p.alterDrop(&a)
	case p.accept("alter"):
		p.accept("column")
		p.alterColumn(&a)
	case p.accept("rename"):
		p.alterRename(&a)
	case p.accept("owner"):
		p.expect("to")
		a.Kind, a.NewName = ast.OwnerTo, p.roleName()
	case p.accept("validate"):
		p.expect("constraint")
		a.Kind, a.NewName = ast.ValidateConstraint, p.colID()
	case p.accept("set", "schema"):
		a.Kind, a.NewName = ast.SetSchema, p.colID()
	case p.is("set") && p.peek(1).kind == '(':
		p.advance()
		a.Kind, a.Options = ast.SetOptions, p.relOptions()
	case p.is("reset") && p.peek(1).kind == '(':
		p.advance()
		a.Kind, a.Options = ast.ResetOptions, p.relOptions()
	default:
		p.otherAction(&a)
	}
	a.Text = p.source(start)
	return a
}

func (p *parser) alterAdd(a *ast.AlterAction) {
	if p.tableConstraintAhead() {
		a.Kind, a.Constraint = ast.AddConstraint, p.tableConstraint()
		return
	}
	p.accept("column")
	a.Kind = ast.AddColumn
	a.IfNotExists = p.ifNotExists()
	a.Def = p.columnDef(false)
	a.Column = a.Def.Name
}

func (p *parser) alterDrop(a *ast.AlterAction) {
	a.Kind = ast.DropColumn
	if p.accept("constraint") {
		a.Kind = ast.DropConstraint
	} else {
		p.accept("column")
	}
	a.IfExists = p.accept("if", "exists")
	if name := p.colID(); a.Kind == ast.DropConstraint {
		a.NewName = name
	} else {
		a.Column = name
	}
	a.Cascade = p.cascade()
}

func (p *parser) cascade() bool { return p.oneOf("cascade", "restrict") == "cascade" }

func (p *parser) alterColumn(a *ast.AlterAction) {
	if p.t.kind == tInt { // a column of an index
		p.advance()
	} else {
		a.Column = p.colID()
	}
	switch {
	case p.accept("set", "data", "type"), p.accept("type"):
		a.Kind = ast.AlterColumnType
		a.Def = &ast.ColumnDef{Pos: a.Pos, Name: a.Column, Type: p.typeName()}
		if p.accept("collate") {
			a.Def.Collation = p.anyName()
		}
		if p.accept("using") {
			a.Expr = p.expr()
		}
	case p.accept("set", "default"):
		a.Kind, a.Expr = ast.SetDefault, p.expr()
	case p.accept("drop", "default"):
		a.Kind = ast.DropDefault
	case p.accept("set", "not", "null"):
		a.Kind = ast.SetNotNull
	case p.accept("drop", "not", "null"):
		a.Kind = ast.DropNotNull
	case p.is("add") && p.peek(1).is("generated"):
		p.advance()
		t := p.advance()
		a.Kind, a.Constraint = ast.AddIdentity, &ast.Constraint{Pos: pos(t)}
		if p.generated(a.Constraint); a.Constraint.Kind != ast.IdentityConstraint {
			p.errorf(t.pos, pgerr.SyntaxError, "syntax error at or near \"(\"")
		}
	case p.accept("drop", "expression"):
		a.Kind, a.IfExists = ast.DropExpression, p.accept("if", "exists")
	case p.accept("drop", "identity"):
		a.Kind, a.IfExists = ast.DropIdentity, p.accept("if", "exists")
	case p.is("restart"), p.is("set") && p.identityOptionAhead():
		a.Kind, a.Options = ast.SetIdentity, p.identityOptions()
	case p.is("set"), p.is("reset"), p.is("add"), p.is("drop"):
		a.Kind = ast.AlterColumnOther
		p.skipAction()
	default:
		p.fail()
	}
}

// identityOptionAhead looks for an option of a sequence, or GENERATED, after SET.
func (p *parser) identityOptionAhead() bool {
	switch next := p.peek(1).text; next {
	case "generated", "increment", "minvalue", "maxvalue", "cache", "start", "restart", "cycle", "no", "sequence", "as", "owned":
		return p.peek(1).kind == tKeyword
	}
	return false
}

// identityOptions reads RESTART, SET GENERATED and SET with options of the sequence.
func (p *parser) identityOptions() (list []ast.Option) {
	for p.is("restart") || p.is("set") {
		p.accept("set")
		o := ast.Option{Pos: pos(p.t)}
		switch {
		case p.accept("generated", "always"):
			o.Name, o.Kind, o.Value = "generated", ast.OptionWord, "always"
		case p.accept("generated"):
			p.expect("by", "default")
			o.Name, o.Kind, o.Value = "generated", ast.OptionWord, "by default"
		case !p.sequenceOption(&o):
			p.fail()
		}
		list = append(list, o)
	}
	return list
}

func (p *parser) alterRename(a *ast.AlterAction) {
	switch {
	case p.accept("to"):
		a.Kind = ast.RenameTable
	case p.accept("constraint"):
		a.Kind, a.Column = ast.RenameConstraint, p.colID()
		p.expect("to")
	default:
		p.accept("column")
		a.Kind, a.Column = ast.RenameColumn, p.colID()
		p.expect("to")
	}
	a.NewName = p.colID()
}

// otherAction reads an action that is not offered.
func (p *parser) otherAction(a *ast.AlterAction) {
	switch p.t.text {
	case "enable", "disable", "cluster", "set", "inherit", "no", "of", "not", "replica", "force", "attach", "detach",
		"validate", "options", "as", "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle", "owned",
		"depends":
	default:
		p.fail()
	}
	a.Kind = ast.OtherAlter
	p.skipAction()
}

// skipAction passes tokens up to the end of an action.
func (p *parser) skipAction() {
	for depth := 0; ; p.advance() {
		switch p.t.kind {
		case tEOF, ';':
			if depth > 0 {
				p.fail()
			}
			return
		case ',':
			if depth == 0 {
				return
			}
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				p.fail()
			}
		}
	}
}
