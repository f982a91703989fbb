package bind

import (
	"slices"
	"strings"
	"unicode"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
)

// ViewDef checks CREATE VIEW and returns the definition without OID and
// namespace. Its query is stored as it is understood now: with the schemas of what it
// reads, with columns where * stands, and with the tables of columns of outer queries,
// whatever the search path and the tables become.
func ViewDef(env *Env, s *ast.CreateView) (*schema.View, error) {
	if s.Query.With.Changing() != nil {
		return nil, pgerr.Unsupported("views must not contain data-modifying statements in WITH")
	}
	v, err := settledView(env, s)
	if err != nil {
		return nil, err
	}
	options := s.Options
	if s.CheckOption != "" {
		options = append(options[:len(options):len(options)], ast.Option{Name: "check_option", Kind: ast.OptionWord, Value: s.CheckOption})
	}
	return v, SetViewOptions(env, v, options, false)
}

// settledView is a view without options.
func settledView(env *Env, s *ast.CreateView) (*schema.View, error) {
	b := newBinder(env)
	if env.Parse == nil {
		return nil, pgerr.Unsupported("views are not supported here")
	}
	stmt, err := env.Parse(s.QueryText) // whose positions are those in the text
	if err != nil {
		return nil, err
	}
	alone := *s
	alone.Query = stmt.(*ast.Select)
	b.meanings = &meanings{of: map[any]bool{}}
	ast.Walk(alone.Query, func(node any) { b.meanings.of[node] = true })
	if _, err := newBinder(env).viewDef(s); err != nil {
		return nil, err // with positions in the statement
	}
	v, err := b.viewDef(&alone)
	if err != nil {
		return nil, err
	}
	ast.Walk(alone.Query, b.literalRelation)
	ast.Walk(alone.Query, b.typeMeaning)
	v.SQL, err = b.settledText(s, v)
	return v, err
}

// settledText writes what its names mean into the text of a view's query. If that means
// something else, for it has two columns of one name or two tables, some stay as they are.
func (b *binder) settledText(s *ast.CreateView, v *schema.View) (string, error) {
	for _, without := range [][]editKind{nil, {outerEdit}, {starEdit}, {outerEdit, starEdit}} {
		again := *s
		again.QueryText = b.meanings.into(s.QueryText, without)
		stmt, err := b.env.Parse(again.QueryText)
		if err != nil {
			continue
		}
		again.Query = stmt.(*ast.Select)
		now, err := newBinder(b.env).viewDef(&again)
		if err == nil && slices.Equal(now.Columns, v.Columns) {
			return again.QueryText, nil
		}
	}
	return s.QueryText, nil
}

// meanings are what names of a query mean. A nil one notes nothing.
type meanings struct {
	of    map[any]bool // the nodes of the query: views that it reads have names too
	edits []edit
}

// An edit of a text puts something in the place of characters: from is the position of the
// first, from 1 on; none are replaced if to is from.
type edit struct {
	from, to int
	text     string
	kind     editKind
}

type editKind uint8

const (
	schemaEdit  editKind = iota // of a table or type
	starEdit                    // columns for *
	outerEdit                   // the table of a column that a subquery has from outside
	literalEdit                 // a relation named in a literal
)

// relation notes which schema a name without one was found in.
func (m *meanings) relation(t *ast.TableRef, schema string) {
	if m == nil || !m.of[t] || t.Name.Schema != "" {
		return
	}
	pos := t.Name.Position()
	if pos == 0 {
		pos = t.Position()
	}
	m.edits = append(m.edits, edit{from: pos, to: pos, text: ast.QuoteIdent(schema) + "."})
}

// RelationLiteral is the literal by which a node names a relation as regclass; nil if it does not.
func RelationLiteral(node any) *ast.Literal {
	var arg ast.Expr
	switch n := node.(type) {
	case *ast.Cast:
		if isRegClass(n.Type) {
			arg = n.Arg
		}
	case *ast.FuncCall:
		if takesSequence(n) {
			arg = n.Args[0]
		}
	}
	if lit, ok := arg.(*ast.Literal); ok && lit.Kind == ast.String {
		return lit
	}
	return nil
}

// literalRelation notes the schema of a relation that a node names in a literal.
func (b *binder) literalRelation(node any) {
	lit := RelationLiteral(node)
	if lit == nil || lit.Position() == 0 {
		return
	}
	oid, _, err := b.regInput(datum.Of(datum.RegClass), lit.Text)
	if name := b.fullName(oid); err == nil && name != "" {
		b.meanings.edits = append(b.meanings.edits, edit{from: lit.Position(), text: "'" + strings.ReplaceAll(name, "'", "''") + "'", kind: literalEdit})
	}
}

// typeMeaning notes the schema of a user's type that a node names without one.
func (b *binder) typeMeaning(node any) {
	t, ok := node.(*ast.TypeName)
	if !ok || len(t.Names) != 1 || t.Position() == 0 {
		return
	}
	if ns := b.userTypeSchema(t); ns != "" {
		b.meanings.edits = append(b.meanings.edits, edit{from: t.Position(), to: t.Position(), text: ast.QuoteIdent(ns) + "."})
	}
}

// fullName is the name of a stored relation with its schema; empty for others.
func (b *binder) fullName(oid datum.Value) string {
	id, _ := oid.(datum.OID)
	c := b.env.Catalog
	var namespace datum.OID
	var name string
	if t := c.Tables[id]; t != nil {
		namespace, name = t.Namespace, t.Name
	} else if v := c.Views[id]; v != nil {
		namespace, name = v.Namespace, v.Name
	} else if q := c.Sequences[id]; q != nil {
		namespace, name = q.Namespace, q.Name
	} else {
		return ""
	}
	return ast.QuoteIdent(b.namespaceName(namespace)) + "." + ast.QuoteIdent(name)
}

// star notes a column that * stands for.
func (m *meanings) star(e *ast.ColumnRef, items []*item, it *item, c *itemCol) {
	if m == nil || !m.of[e] {
		return
	}
	name := qualifier(items, it, c) + ast.QuoteIdent(c.name)
	if last := len(m.edits) - 1; last >= 0 && m.edits[last].kind == starEdit && m.edits[last].from == e.Position() {
		m.edits[last].text += ", " + name
		return
	}
	m.edits = append(m.edits, edit{from: e.Position(), text: name, kind: starEdit})
}

// outer notes which table of an outer query has a column: those of the subquery may get one
// of the same name.
func (m *meanings) outer(e *ast.ColumnRef, items []*item, it *item, c *itemCol) {
	if m == nil || !m.of[e] {
		return
	}
	if text := qualifier(items, it, c); text != "" {
		m.edits = append(m.edits, edit{from: e.Position(), to: e.Position(), text: text, kind: outerEdit})
	}
}

// qualifier is what stands before the name of a column to say whose it is; empty if nothing
// can.
func qualifier(items []*item, it *item, c *itemCol) string {
	if !it.relVisible { // a join: the column may be that of a table in it
		for _, other := range items {
			if col, _ := other.column(c.name); col != nil && other.relVisible && plan.Equal(col.e, c.e) {
				it = other
			}
		}
	}
	if !it.relVisible {
		return ""
	}
	return ast.QuoteIdent(it.alias) + "."
}

// into writes the meanings into the query's text, without those of some kinds.
func (m *meanings) into(text string, without []editKind) string {
	slices.SortStableFunc(m.edits, func(a, b edit) int { return a.from - b.from })
	chars := []rune(text)
	var out []rune
	done := 0 // characters of text
	for i, e := range m.edits {
		if slices.Contains(without, e.kind) || e.from-1 < done || i > 0 && e == m.edits[i-1] {
			continue // or bound twice
		}
		if e.kind == starEdit {
			e = e.overStar(chars)
		} else if e.kind == literalEdit {
			e = e.overLiteral(chars)
		}
		out = append(append(out, chars[done:e.from-1]...), []rune(e.text)...)
		done = e.to - 1
	}
	return string(append(out, chars[done:]...))
}

// overStar puts columns in the place of "a".b.*, or of the * that TABLE stands for.
func (e edit) overStar(chars []rune) edit {
	const table = "table"
	if rest := chars[e.from-1:]; len(rest) > len(table) && strings.EqualFold(string(rest[:len(table)]), table) && unicode.IsSpace(rest[len(table)]) {
		e.to, e.text = e.from+len(table), "SELECT "+e.text+" FROM"
		return e
	}
	quoted := false
	for i := e.from - 1; i < len(chars); i++ {
		switch {
		case chars[i] == '"':
			quoted = !quoted
		case chars[i] == '*' && !quoted:
			e.to = i + 2
			return e
		}
	}
	e.to = e.from
	return e
}

// overLiteral puts a literal in the place of another one, unless that is an E” or the like.
func (e edit) overLiteral(chars []rune) edit {
	if chars[e.from-1] == '\'' {
		for i := e.from; i < len(chars); i++ {
			if chars[i] != '\'' {
				continue
			}
			if i+1 < len(chars) && chars[i+1] == '\'' {
				i++
				continue
			}
			e.to = i + 2
			return e
		}
	}
	e.to, e.text = e.from, ""
	return e
}

func (b *binder) viewDef(s *ast.CreateView) (*schema.View, error) {
	n, err := b.selectStmt(s.Query, &level{}, nil)
	if err != nil {
		return nil, err
	}
	if n, err = b.resolveOutput(n); err != nil {
		return nil, err
	}
	if len(b.params) > 0 {
		return nil, pgerr.New(pgerr.UndefinedParameter, "there is no parameter $%d", 1)
	}
	fields := n.Fields()
	if len(s.Columns) > len(fields) {
		return nil, pgerr.New(pgerr.SyntaxError, "CREATE VIEW specifies more column names than columns")
	}
	v := &schema.View{Name: s.Name.Name, Owner: b.env.User, SQL: s.QueryText}
	seen := map[string]bool{}
	for i, f := range fields {
		c := schema.Column{ID: schema.ColumnID(i + 1), Name: f.Name, Type: f.Type}
		if i < len(s.Columns) {
			c.Name = s.Columns[i]
		}
		if seen[c.Name] {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", c.Name)
		}
		seen[c.Name] = true
		if category(f.Type.OID) == 'P' && f.Type.OID >= 2200 {
			return nil, pgerr.New(pgerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, f.Type)
		}
		v.Columns = append(v.Columns, c)
	}
	return v, nil
}
