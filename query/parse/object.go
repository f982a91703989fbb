package parse

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// objectKinds are the classes of objects by their words; longer ones first.
var objectKinds = [][]string{
	{"access", "method"}, {"event", "trigger"}, {"foreign", "data", "wrapper"}, {"foreign", "table"},
	{"materialized", "view"}, {"operator", "class"}, {"operator", "family"}, {"procedural", "language"},
	{"text", "search", "configuration"}, {"text", "search", "dictionary"}, {"text", "search", "parser"},
	{"text", "search", "template"}, {"user", "mapping"}, {"large", "object"}, {"owned"},
	{"table"}, {"view"}, {"index"}, {"sequence"}, {"schema"}, {"database"}, {"extension"}, {"role"}, {"user"},
	{"group"}, {"type"}, {"domain"}, {"function"}, {"procedure"}, {"routine"}, {"aggregate"}, {"column"},
	{"constraint"}, {"cast"}, {"collation"}, {"conversion"}, {"language"}, {"operator"}, {"policy"},
	{"publication"}, {"subscription"}, {"rule"}, {"server"}, {"statistics"}, {"tablespace"}, {"transform"}, {"trigger"},
}

func (p *parser) objectKind() ast.ObjectKind {
	for _, words := range objectKinds {
		if p.accept(words...) {
			kind := strings.ToUpper(strings.Join(words, " "))
			if kind == "USER" || kind == "GROUP" {
				kind = "ROLE"
			}
			return ast.ObjectKind(kind)
		}
	}
	p.fail()
	return ""
}

func (p *parser) drop() ast.Stmt {
	t := p.advance()
	s := at(t, &ast.Drop{Kind: p.objectKind()})
	switch s.Kind {
	case ast.TableObject, ast.ViewObject, ast.MatViewObject, ast.IndexObject, ast.SequenceObject, ast.TypeObject, ast.DomainObject,
		ast.SchemaObject, ast.DatabaseObject, ast.ExtensionObject, ast.RoleObject:
	default:
		return p.skipStatement(t, "DROP "+string(s.Kind))
	}
	s.Concurrently = s.Kind == ast.IndexObject && p.accept("concurrently")
	s.IfExists = p.accept("if", "exists")
	if s.Kind == ast.DatabaseObject {
		return p.dropDatabase(s)
	}
	s.Names = p.qualifiedNames()
	s.Cascade = p.cascade()
	return s
}

// dropDatabase reads what comes after DROP DATABASE IF EXISTS.
func (p *parser) dropDatabase(s *ast.Drop) ast.Stmt {
	t := p.t
	s.Names = []ast.Name{p.nameOf(t, []string{p.colID()})}
	p.accept("with")
	if !p.acceptKind('(') {
		return s
	}
	for {
		p.expect("force")
		s.Force = true
		if !p.acceptKind(',') {
			break
		}
	}
	p.expectKind(')')
	return s
}

func (p *parser) truncate() ast.Stmt {
	s := at(p.advance(), &ast.Truncate{})
	p.accept("table")
	for {
		s.Tables = append(s.Tables, p.relation())
		if !p.acceptKind(',') {
			break
		}
	}
	if s.RestartIdentity = p.accept("restart", "identity"); !s.RestartIdentity {
		p.accept("continue", "identity")
	}
	s.Cascade = p.cascade()
	return s
}

func (p *parser) comment() ast.Stmt {
	t := p.advance()
	p.expect("on")
	s := at(t, &ast.Comment{Kind: p.objectKind()})
	switch s.Kind {
	case ast.ColumnObject:
		start := p.t
		parts := p.anyName()
		if len(parts) < 2 {
			p.errorf(start.pos, pgerr.SyntaxError, "column name must be qualified")
		}
		s.Column = parts[len(parts)-1]
		s.Name = p.nameOf(start, parts[:len(parts)-1])
	case ast.ConstraintKindO:
		s.Column = p.colID()
		p.expect("on")
		p.accept("domain")
		s.Name = p.qualifiedName()
	case ast.TableObject, ast.ViewObject, ast.MatViewObject, ast.IndexObject, ast.SequenceObject, ast.TypeObject, ast.DomainObject,
		ast.SchemaObject, ast.DatabaseObject, ast.ExtensionObject, ast.RoleObject:
		s.Name = p.qualifiedName()
	default:
		return p.skipStatement(t, "COMMENT ON "+string(s.Kind))
	}
	p.expect("is")
	if p.accept("null") {
		return s
	}
	text := p.str()
	s.Text = &text
	return s
}

// grant reads GRANT and REVOKE of privileges and of roles.
func (p *parser) grant() ast.Stmt {
	t := p.advance()
	s := at(t, &ast.Grant{Revoke: t.text == "revoke"})
	if s.Revoke && (p.accept("grant", "option", "for") || p.accept("admin", "option", "for")) {
		return p.skipStatement(t, "REVOKE GRANT OPTION")
	}
	if p.accept("all") {
		p.accept("privileges")
		p.columnList()
	} else {
		s.Privileges = p.privileges()
	}
	if p.accept("on") {
		p.grantObjects(t, s)
	}
	if s.Revoke {
		p.expect("from")
	} else {
		p.expect("to")
	}
	for {
		p.accept("group")
		s.Grantees = append(s.Grantees, p.roleName())
		if !p.acceptKind(',') {
			break
		}
	}
	if p.accept("with") {
		if p.oneOf("grant", "admin") == "" {
			p.fail()
		}
		p.expect("option")
	}
	if p.accept("granted") {
		p.expect("by")
		p.roleName()
	}
	s.Cascade = s.Revoke && p.cascade()
	return s
}

func (p *parser) privileges() []string {
	var list []string
	for {
		list = append(list, p.label())
		p.columnList()
		if !p.acceptKind(',') {
			return list
		}
	}
}

// grantObjects reads what privileges are granted on.
func (p *parser) grantObjects(t token, s *ast.Grant) {
	s.Kind = ast.TableObject
	if p.accept("all") {
		s.AllIn = true
		s.Kind = ast.ObjectKind(strings.ToUpper(strings.TrimSuffix(p.label(), "s")))
		p.expect("in", "schema")
		s.Objects = p.qualifiedNames()
		return
	}
	for _, words := range objectKinds {
		if p.is(words[0]) && p.accept(words...) {
			s.Kind = ast.ObjectKind(strings.ToUpper(strings.Join(words, " ")))
			break
		}
	}
	for {
		s.Objects = append(s.Objects, p.qualifiedName())
		if p.t.kind == '(' { // the argument types of a function
			for depth := 0; ; {
				switch p.t.kind {
				case '(':
					depth++
				case ')':
					depth--
				case tEOF, ';':
					p.fail()
				}
				if p.advance(); depth == 0 {
					break
				}
			}
		}
		if !p.acceptKind(',') {
			return
		}
	}
}
