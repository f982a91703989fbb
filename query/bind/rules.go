package bind

import (
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// rules binds what a table asks of each row that goes in; nil if it asks nothing.
func (b *binder) rules(t *schema.Table) (*plan.Rules, error) {
	out := &plan.Rules{}
	var err error
	if out.Generated, err = b.generatedColumns(t, 0); err != nil {
		return nil, err
	}
	for _, c := range t.Checks {
		e, err := b.parseExpr(c.Expr)
		if err != nil {
			return nil, err
		}
		x, err := b.checkExpr(e, t)
		if err != nil {
			return nil, err
		}
		out.Checks = append(out.Checks, plan.Check{Name: c.Name, Cond: x})
	}
	slices.SortFunc(out.Checks, func(a, b plan.Check) int { return strings.Compare(a.Name, b.Name) })
	if out.Generated == nil && out.Checks == nil {
		return nil, nil
	}
	return out, nil
}

// checkExpr binds the condition of a CHECK constraint, over the live columns.
func (b *binder) checkExpr(e ast.Expr, t *schema.Table) (expr.Expr, error) {
	s := &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: clauseCheck}
	x, err := b.condition(e, s, "CHECK")
	if err != nil {
		return nil, err
	}
	if plan.HasSubquery(x) {
		return nil, pgerr.Unsupported("cannot use subquery in check constraint").At(subqueryPosition(e))
	}
	return x, nil
}

// generatedColumns binds the expressions of the generated columns of a table whose live
// columns start at a column of the row; nil stands for other columns, and for all if none is
// generated.
func (b *binder) generatedColumns(t *schema.Table, from int) ([]expr.Expr, error) {
	var out []expr.Expr
	live := liveColumns(t)
	for i, li := range live {
		c := &t.Columns[li]
		if c.Generated == "" {
			continue
		}
		e, err := b.parseExpr(c.Generated)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make([]expr.Expr, len(live))
		}
		if out[i], err = b.generatedExpr(e, t, c, from); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// generatedExpr binds the expression of a generated column.
func (b *binder) generatedExpr(e ast.Expr, t *schema.Table, c *schema.Column, from int) (expr.Expr, error) {
	it := b.tableItem(t, t.Name, from)
	x, err := b.expr(e, &scope{frame: &frame{items: []*item{it}}, clause: clauseGenerated})
	if err != nil {
		return nil, err
	}
	used := map[int]bool{}
	plan.Columns(x, used)
	for i, li := range liveColumns(t) {
		if o := &t.Columns[li]; used[from+i] && o.Generated != "" {
			return nil, pgerr.New(pgerr.InvalidObjectDefinition, "cannot use generated column %q in column generation expression", o.Name).
				WithDetail("A generated column cannot reference another generated column.").At(columnPosition(e, o.Name))
		}
	}
	if plan.HasSubquery(x) {
		return nil, pgerr.Unsupported("cannot use subquery in column generation expression").At(subqueryPosition(e))
	}
	given := x.Type()
	if x, err = b.assign(x, c.Type, c.Name, 0); pgerr.Code(err) == pgerr.DatatypeMismatch {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "column %q is of type %s but default expression is of type %s", c.Name, c.Type, given).
			WithHint("You will need to rewrite or cast the expression.")
	}
	if err != nil {
		return nil, err
	}
	if !plan.IsImmutable(x) {
		return nil, pgerr.New(pgerr.InvalidObjectDefinition, "generation expression is not immutable")
	}
	return x, nil
}

// columnPosition is where an expression names a column.
func columnPosition(e ast.Expr, name string) (pos int) {
	ast.Walk(e, func(node any) {
		if ref, ok := node.(*ast.ColumnRef); ok && pos == 0 && len(ref.Names) > 0 && ref.Names[len(ref.Names)-1] == name {
			pos = ref.Position()
		}
	})
	return pos
}

// subqueryPosition is where an expression has a subquery.
func subqueryPosition(e ast.Expr) (pos int) {
	ast.Walk(e, func(node any) {
		if q, ok := node.(*ast.Subquery); ok && pos == 0 {
			pos = q.Position()
		}
	})
	if pos == 0 {
		pos = position(e)
	}
	return pos
}

// compute adds a step to a plan that computes the generated columns of a table whose live
// columns start at a column of its rows.
func (b *binder) compute(n plan.Node, t *schema.Table, from int) (plan.Node, error) {
	generated, err := b.generatedColumns(t, from)
	if err != nil || generated == nil {
		return n, err
	}
	fields := n.Fields()
	p := &plan.Project{Input: n, Out: fields}
	for i := range fields {
		p.Exprs = append(p.Exprs, fieldColumn(fields, i))
	}
	for i, x := range generated {
		if x != nil {
			p.Exprs[from+i] = x
		}
	}
	return p, nil
}

// buildGenerated binds the generated columns of a table whose columns are known.
func (d *tableDef) buildGenerated(t *schema.Table) error {
	at := 0
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Generated == "" {
			continue
		}
		if err := d.b.setGenerated(t, c, d.generated[at].Expr); err != nil {
			return err
		}
		at++
	}
	return nil
}

// setGenerated binds the expression of a generated column, and keeps it as its SQL.
func (b *binder) setGenerated(t *schema.Table, c *schema.Column, e ast.Expr) error {
	if _, err := b.generatedExpr(e, t, c, 0); err != nil {
		return err
	}
	sql, err := b.storedRowExpr(e, t)
	c.Generated = sql
	return err
}

// buildChecks binds the CHECK constraints of a table whose columns are known.
func (d *tableDef) buildChecks(t *schema.Table) error {
	for _, k := range d.checks {
		c, err := d.b.newCheck(t, k)
		if err != nil {
			return err
		}
		t.Checks = append(t.Checks, *c)
	}
	return nil
}

// newCheck binds a CHECK constraint of a table, and gives it a name if it has none.
func (b *binder) newCheck(t *schema.Table, k *ast.Constraint) (*schema.Check, error) {
	x, err := b.checkExpr(k.Expr, t)
	if err != nil {
		return nil, err
	}
	c := &schema.Check{Name: k.Name, NotValid: k.NotValid}
	used := map[int]bool{}
	plan.Columns(x, used)
	for i, li := range liveColumns(t) {
		if used[i] {
			c.Columns = append(c.Columns, t.Columns[li].ID)
		}
	}
	if c.Expr, err = b.storedRowExpr(k.Expr, t); err != nil {
		return nil, err
	}
	switch {
	case c.Name == "":
		column := ""
		if len(c.Columns) == 1 {
			column = t.Column(c.Columns[0]).Name
		}
		c.Name = FreeConstraint(t, column, "check")
	case t.Check(c.Name) != nil:
		return nil, pgerr.New(pgerr.DuplicateObject, "check constraint %q already exists", c.Name)
	case t.HasConstraint(c.Name):
		return nil, pgerr.New(pgerr.DuplicateObject, "constraint %q for relation %q already exists", c.Name, t.Name)
	}
	return c, nil
}

// storedRowExpr is storedExpr for an expression over the columns of a table, which are named
// without the table, so that this can be renamed.
func (b *binder) storedRowExpr(e ast.Expr, t *schema.Table) (string, error) {
	whole := 0
	ast.Walk(e, func(node any) {
		ref, ok := node.(*ast.ColumnRef)
		if !ok {
			return
		}
		if ref.Names = ref.Names[max(0, len(ref.Names)-1):]; ref.Star || columnNamed(t, ref.Names[0]) == nil {
			whole = ref.Position()
		}
	})
	if whole > 0 {
		return "", pgerr.Unsupported("whole rows in constraints and generated columns are not supported").At(whole)
	}
	return b.storedExpr(e)
}

// NewCheck is a CHECK constraint that ALTER TABLE adds, without OID.
func NewCheck(env *Env, t *schema.Table, k *ast.Constraint) (*schema.Check, error) {
	if k.Name != "" && t.HasConstraint(k.Name) {
		return nil, pgerr.New(pgerr.DuplicateObject, "constraint %q for relation %q already exists", k.Name, t.Name)
	}
	return newBinder(env).newCheck(t, k)
}

// RecheckTable checks that the expressions of a definition that has changed can still be bound.
func RecheckTable(env *Env, t *schema.Table) error {
	b := newBinder(env)
	if _, err := b.rules(t); err != nil {
		return err
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Default != "" {
			if _, err := b.defaultOf(t, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// RenamedColumn is an expression of a definition after a column has got another name.
func RenamedColumn(env *Env, sql, from, to string) (string, error) {
	e, err := newBinder(env).parseExpr(sql)
	if err != nil {
		return "", err
	}
	ast.Walk(e, func(node any) {
		if ref, ok := node.(*ast.ColumnRef); ok && len(ref.Names) > 0 && ref.Names[len(ref.Names)-1] == from {
			ref.Names[len(ref.Names)-1] = to
		}
	})
	return ast.Deparse(e), nil
}

// FreeConstraint makes a name for a constraint of a table.
func FreeConstraint(t *schema.Table, column, label string) string {
	for i := 0; ; i++ {
		word := label
		if i > 0 {
			word += strconv.Itoa(i)
		}
		if name := ObjectName(t.Name, column, word); !t.HasConstraint(name) {
			return name
		}
	}
}

// ColumnsIn are the names of columns that an expression of a definition uses.
func ColumnsIn(env *Env, sql string) []string {
	e, err := newBinder(env).parseExpr(sql)
	if err != nil {
		return nil
	}
	var out []string
	ast.Walk(e, func(node any) {
		if ref, ok := node.(*ast.ColumnRef); ok {
			out = append(out, ref.Names[len(ref.Names)-1])
		}
	})
	return out
}

// SetGenerated binds the expression of a generated column of a table, and keeps it as its SQL.
func SetGenerated(env *Env, t *schema.Table, c *schema.Column, e ast.Expr) error {
	return newBinder(env).setGenerated(t, c, e)
}
