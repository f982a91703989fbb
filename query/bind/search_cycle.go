package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
)

// SEARCH and CYCLE of a recursive WITH query add columns that it computes on the way: one to
// order the rows by; the path that led to a row and whether the row is on it already, where the
// query goes no further. Both are rewritten into what they stand for.

// An addedColumn is a column that SEARCH or CYCLE adds: its first value, and that in the recursive
// term, where the name of the column stands for its value in the row that led there.
type addedColumn struct {
	name        string
	first, next ast.Expr
}

// rewritten is a recursive query with what its SEARCH and CYCLE clauses stand for, and how many
// columns they add.
func (b *binder) rewritten(c *ast.CTE, q *ast.Select, lv *level) (*ast.Select, int, error) {
	if c.Search == nil && c.Cycle == nil {
		return q, 0, nil
	}
	op := q.SetOp
	switch {
	case op == nil || op.Kind != ast.Union || !refersTo(op.Right, c.Name):
		return nil, 0, pgerr.New(pgerr.SyntaxError, "WITH query is not recursive").At(c.Position())
	case op.Left.SetOp != nil:
		return nil, 0, pgerr.Unsupported("with a SEARCH or CYCLE clause, the left side of the UNION must be a SELECT")
	case op.Right.SetOp != nil:
		return nil, 0, pgerr.New(pgerr.SyntaxError, "with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT")
	}
	fields, err := b.recursiveFields(c, op.Left, lv)
	if err != nil {
		return nil, 0, err
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if err := checkSearchCycle(c, names); err != nil {
		return nil, 0, err
	}
	if err := b.checkPath(c, fields); err != nil {
		return nil, 0, err
	}
	self := selfReference(op.Right.From, c.Name)
	if self == "" {
		return nil, 0, pgerr.Unsupported("with a SEARCH or CYCLE clause, the recursive reference to WITH query %q must be at the top level of its right-hand SELECT", c.Name)
	}
	added := addedColumns(c)
	left := &ast.Select{Targets: []ast.Target{{Expr: &ast.ColumnRef{Star: true}}}, From: derived(op.Left, "*TLOCRN*", names)}
	inner := *op.Right
	inner.Targets = slices.Clone(inner.Targets)
	right := &ast.Select{}
	for _, name := range names {
		right.Targets = append(right.Targets, ast.Target{Expr: columnRef(name)})
	}
	for _, a := range added {
		left.Targets = append(left.Targets, ast.Target{Expr: a.first, Alias: a.name})
		inner.Targets = append(inner.Targets, ast.Target{Expr: columnRef(self, a.name)})
		right.Targets = append(right.Targets, ast.Target{Expr: a.next})
		names = append(names[:len(names):len(names)], a.name)
	}
	right.From = derived(&inner, "*TROCRN*", names)
	if y := c.Cycle; y != nil {
		right.Where = &ast.Binary{Op: ast.OpName{Name: "<>"}, L: columnRef(y.Mark), R: markOf(y.To, "true")}
	}
	out := *q
	out.SetOp = &ast.SetOp{Pos: op.Pos, Kind: op.Kind, All: op.All, Left: left, Right: right}
	return &out, len(added), nil
}

// refersTo says whether a query reads a relation of a name.
func refersTo(q *ast.Select, name string) (yes bool) {
	ast.Walk(q, func(node any) {
		ref, ok := node.(*ast.TableRef)
		yes = yes || ok && ref.Name.Schema == "" && ref.Name.Name == name
	})
	return yes
}

// checkPath refuses a CYCLE clause that begins with a column whose values cannot be compared. Those
// of further ones are only where the ones before are the same.
func (b *binder) checkPath(c *ast.CTE, fields []plan.Field) error {
	for _, f := range fields {
		if c.Cycle == nil || c.Cycle.Columns[0] != f.Name {
			continue
		}
		if err := b.needEqual(f.Type.OID, 0); err != nil {
			return err
		}
	}
	return nil
}

// recursiveFields are the columns of a recursive query, as its first term has them.
func (b *binder) recursiveFields(c *ast.CTE, first *ast.Select, lv *level) ([]plan.Field, error) {
	n, err := b.selectStmt(first, lv, nil)
	if err != nil {
		return nil, err
	}
	d := &cteDef{fields: n.Fields()}
	if err := d.rename(c); err != nil {
		return nil, err
	}
	return d.fields, nil
}

// checkSearchCycle checks the names in the clauses of a query that has some columns.
func checkSearchCycle(c *ast.CTE, names []string) error {
	s, y := c.Search, c.Cycle
	if s != nil {
		fail := func(format string, args ...any) error {
			return pgerr.New(pgerr.SyntaxError, format, args...).At(s.Position())
		}
		if err := checkListed("search", s.Columns, names, s.Position()); err != nil {
			return err
		}
		if slices.Contains(names, s.Sequence) {
			return fail("search sequence column name %q already used in WITH query column list", s.Sequence)
		}
	}
	if y == nil {
		return nil
	}
	if err := checkListed("cycle", y.Columns, names, y.Position()); err != nil {
		return err
	}
	fail := func(format string, args ...any) error {
		return pgerr.New(pgerr.SyntaxError, format, args...).At(y.Position())
	}
	switch {
	case slices.Contains(names, y.Mark):
		return fail("cycle mark column name %q already used in WITH query column list", y.Mark)
	case slices.Contains(names, y.Path):
		return fail("cycle path column name %q already used in WITH query column list", y.Path)
	case y.Mark == y.Path:
		return fail("cycle mark column name and cycle path column name are the same")
	case s != nil && s.Sequence == y.Mark:
		return pgerr.New(pgerr.SyntaxError, "search sequence column name and cycle mark column name are the same").At(s.Position())
	case s != nil && s.Sequence == y.Path:
		return pgerr.New(pgerr.SyntaxError, "search sequence column name and cycle path column name are the same").At(s.Position())
	}
	return nil
}

func checkListed(clause string, list, names []string, pos int) error {
	for i, name := range list {
		switch {
		case !slices.Contains(names, name):
			return pgerr.New(pgerr.SyntaxError, "%s column %q not in WITH query column list", clause, name).At(pos)
		case slices.Contains(list[:i], name):
			return pgerr.New(pgerr.DuplicateColumn, "%s column %q specified more than once", clause, name).At(pos)
		}
	}
	return nil
}

// selfReference is what a FROM clause calls the recursive query; empty if it is not there.
func selfReference(from []ast.TableExpr, name string) string {
	for _, t := range from {
		switch t := t.(type) {
		case *ast.TableRef:
			if t.Name.Schema != "" || t.Name.Name != name {
				continue
			}
			if t.Alias != nil {
				return t.Alias.Name
			}
			return name
		case *ast.Join:
			if found := selfReference([]ast.TableExpr{t.Left, t.Right}, name); found != "" {
				return found
			}
		}
	}
	return ""
}

// addedColumns are what the clauses add.
func addedColumns(c *ast.CTE) (out []addedColumn) {
	if s := c.Search; s != nil {
		if s.DepthFirst {
			out = append(out, pathColumn(s.Sequence, s.Columns))
		} else {
			level := &ast.FieldSelect{Arg: columnRef(s.Sequence), Field: "f1"}
			out = append(out, addedColumn{s.Sequence, rowOf(integer("0"), s.Columns),
				rowOf(&ast.Binary{Op: ast.OpName{Name: "+"}, L: level, R: integer("1")}, s.Columns)})
		}
	}
	if y := c.Cycle; y != nil {
		onPath := &ast.AnyAll{Op: ast.OpName{Name: "="}, L: rowOf(nil, y.Columns), R: columnRef(y.Path)}
		out = append(out, addedColumn{y.Mark, chooseMark(y, boolean("false")), chooseMark(y, onPath)},
			pathColumn(y.Path, y.Columns))
	}
	return out
}

// chooseMark is the mark of a cycle if a condition is true, else the other one. Both values of a
// column choose, so that they are of one type.
func chooseMark(y *ast.CTECycle, cond ast.Expr) ast.Expr {
	return &ast.Case{Whens: []ast.When{{Cond: cond, Then: markOf(y.To, "true")}}, Else: markOf(y.Default, "false")}
}

func markOf(e ast.Expr, otherwise string) ast.Expr {
	if e == nil {
		return boolean(otherwise)
	}
	return e
}

func boolean(text string) ast.Expr { return &ast.Literal{Kind: ast.Boolean, Text: text} }

func integer(text string) ast.Expr { return &ast.Literal{Kind: ast.Number, Text: text} }

// pathColumn collects rows of columns in an array.
func pathColumn(name string, columns []string) addedColumn {
	row := rowOf(nil, columns)
	return addedColumn{name, &ast.ArrayExpr{Elems: []ast.Expr{row}}, &ast.Binary{Op: ast.OpName{Name: "||"}, L: columnRef(name), R: row}}
}

func rowOf(first ast.Expr, columns []string) ast.Expr {
	row := &ast.Row{Explicit: true}
	if first != nil {
		row.Fields = append(row.Fields, first)
	}
	for _, c := range columns {
		row.Fields = append(row.Fields, columnRef(c))
	}
	return row
}

func columnRef(names ...string) *ast.ColumnRef { return &ast.ColumnRef{Names: names} }

func derived(q *ast.Select, alias string, columns []string) []ast.TableExpr {
	return []ast.TableExpr{&ast.SubqueryRef{Query: q, Alias: &ast.Alias{Name: alias, Columns: columns}}}
}
