package bind

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// insert binds INSERT.
func (b *binder) insert(s *ast.Insert) (plan.Statement, error) {
	t, err := b.writable(s.Table, s.Table.Position(), insertingInto)
	if err != nil {
		return nil, err
	}
	if s.Overriding != ast.OverridingNone {
		return nil, pgerr.Unsupported("OVERRIDING is not supported: there are no identity columns").At(s.Position())
	}
	ctes, err := b.with(s.With, &level{})
	if err != nil {
		return nil, err
	}
	var names []string
	var pos []int
	for _, c := range s.Columns {
		if c.Indirection != nil {
			return nil, pgerr.Unsupported("assignment to an element of a column is not supported").At(c.Position())
		}
		names, pos = append(names, c.Name), append(pos, c.Position())
	}
	cols, err := targetColumns(t, names, pos)
	if err != nil {
		return nil, err
	}
	out := &plan.Insert{Table: t}
	lv := &level{ctes: ctes}
	if out.Source, err = b.insertSource(s, t, cols, names != nil, lv); err != nil {
		return nil, err
	}
	if s.With != nil {
		out.Source = ctes.wrap(out.Source)
	}
	alias := t.Name
	if s.Alias != nil {
		alias = s.Alias.Name
	}
	used := ctes.references()
	if s.OnConflict != nil {
		if err := b.onConflict(out, s.OnConflict, alias, lv); err != nil {
			return nil, err
		}
	}
	if s.Returning != nil {
		if out.Returning, out.Out, err = b.returning(s.Returning, []*item{b.tableItem(t, alias, 0)}, ctes); err != nil {
			return nil, err
		}
	}
	if ctes.references() > used {
		return nil, pgerr.Unsupported("queries of WITH are not supported in ON CONFLICT and RETURNING of INSERT").At(s.With.Position())
	}
	return out, nil
}

// insertSource binds what is inserted, completed to the table's live columns.
func (b *binder) insertSource(s *ast.Insert, t *schema.Table, cols []int, listed bool, lv *level) (plan.Node, error) {
	var n plan.Node
	var err error
	switch {
	case s.Query == nil:
		n, cols = oneRow(), nil
	case s.Query.Values != nil && s.Query.With == nil && s.Query.OrderBy == nil && s.Query.Limit == nil && s.Query.Offset == nil:
		width := len(s.Query.Values[0])
		if err := checkWidth(s, width, len(cols), listed); err != nil {
			return nil, err
		}
		cols = cols[:width]
		n, err = b.valuesNode(s.Query, lv, func(_, c int, e ast.Expr, sc *scope) (expr.Expr, error) {
			return b.insertValue(e, &t.Columns[cols[c]], sc)
		})
	default:
		if n, err = b.selectStmt(s.Query, lv, keepUnknowns); err != nil {
			return nil, err
		}
		if err := checkWidth(s, len(n.Fields()), len(cols), listed); err != nil {
			return nil, err
		}
		cols = cols[:len(n.Fields())]
		n, err = b.assignOutput(n, t, cols)
	}
	if err != nil {
		return nil, err
	}
	return b.complete(n, t, cols)
}

// checkWidth compares the numbers of values and of columns.
func checkWidth(s *ast.Insert, values, columns int, listed bool) error {
	switch {
	case values > columns:
		pos := 0
		if s.Query.Values != nil {
			pos = position(s.Query.Values[0][columns])
		} else if columns < len(s.Query.Targets) {
			pos = position(s.Query.Targets[columns].Expr)
		}
		return pgerr.New(pgerr.SyntaxError, "INSERT has more expressions than target columns").At(pos)
	case values < columns && listed:
		return pgerr.New(pgerr.SyntaxError, "INSERT has more target columns than expressions").At(s.Columns[values].Position())
	}
	return nil
}

// insertValue binds one value of VALUES for a column.
func (b *binder) insertValue(e ast.Expr, c *schema.Column, s *scope) (expr.Expr, error) {
	if _, ok := e.(*ast.Default); ok {
		return b.defaultOf(c)
	}
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	return b.assign(x, c.Type, c.Name, position(e))
}

// assignOutput converts the columns of a query to those of a table.
func (b *binder) assignOutput(n plan.Node, t *schema.Table, cols []int) (plan.Node, error) {
	fields := n.Fields()
	p, direct := n.(*plan.Project)
	es := make([]expr.Expr, len(fields))
	same := true
	for i := range fields {
		c := &t.Columns[cols[i]]
		x := expr.Expr(fieldColumn(fields, i))
		if direct {
			x = p.Exprs[i]
		}
		y, err := b.assign(x, c.Type, c.Name, b.pos[x])
		if err != nil {
			return nil, err
		}
		es[i] = y
		same = same && y == x
	}
	if same {
		return n, nil
	}
	if direct {
		out := make([]plan.Field, len(fields))
		for i := range out {
			out[i] = plan.Field{Name: fields[i].Name, Type: es[i].Type()}
		}
		return &plan.Project{Input: p.Input, Exprs: es, Out: out}, nil
	}
	return projectAs(n, es), nil
}

// complete adds defaults for the columns that are not given and brings all into
// definition order.
func (b *binder) complete(n plan.Node, t *schema.Table, cols []int) (plan.Node, error) {
	live := liveColumns(t)
	fields := n.Fields()
	es := make([]expr.Expr, len(live))
	same := len(live) == len(cols)
	for i, li := range live {
		at := -1
		for j, c := range cols {
			if c == li {
				at = j
			}
		}
		if at >= 0 {
			es[i] = fieldColumn(fields, at)
			same = same && at == i
			continue
		}
		x, err := b.defaultOf(&t.Columns[li])
		if err != nil {
			return nil, err
		}
		es[i] = x
	}
	if same {
		return n, nil
	}
	return &plan.Project{Input: n, Exprs: es, Out: liveFields(t)}, nil
}

// onConflict binds ON CONFLICT, whose target can only be the primary key.
func (b *binder) onConflict(ins *plan.Insert, c *ast.OnConflict, alias string, lv *level) error {
	t := ins.Table
	if err := b.conflictTarget(t, c); err != nil {
		return err
	}
	if !c.DoUpdate {
		if t.Keyed() {
			ins.Mode = chunk.InsertIgnore
		}
		return nil
	}
	existing := b.tableItem(t, alias, 0)
	excluded := b.tableItem(t, "excluded", len(existing.cols))
	excluded.table, excluded.oid, excluded.namespace = nil, 0, ""
	f := &frame{items: []*item{existing, excluded}}
	s := &scope{frame: f, clause: clauseUpdateSource, ctes: lv.ctes}
	out := &plan.OnConflict{}
	set, err := (&setBinder{binder: b, scope: s, width: -1}).assignments(c.Set, t)
	if err != nil {
		return err
	}
	for i := range set {
		a := &set[i]
		for _, id := range t.PrimaryKey {
			if col := &t.Columns[liveColumns(t)[a.Column]]; id == col.ID {
				return pgerr.Unsupported("ON CONFLICT DO UPDATE of the primary key column %q is not supported", col.Name).At(a.pos)
			}
		}
		out.Set = append(out.Set, a.Assignment)
	}
	if c.SetWhere != nil {
		w, err := b.condition(c.SetWhere, s.with(clauseWhere), "WHERE")
		if err != nil {
			return err
		}
		out.Where = w
	}
	ins.OnConflict = out
	return nil
}

// conflictTarget checks that what ON CONFLICT names is the primary key.
func (b *binder) conflictTarget(t *schema.Table, c *ast.OnConflict) error {
	if c.Constraint != "" {
		if !t.Keyed() || c.Constraint != t.PrimaryKeyName {
			return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", c.Constraint, t.Name).At(c.Position())
		}
		return nil
	}
	if c.Target == nil {
		if c.DoUpdate {
			return pgerr.New(pgerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
				WithHint("For example, ON CONFLICT (column_name).").At(c.Position())
		}
		return nil
	}
	noMatch := pgerr.New(pgerr.InvalidColumnReference,
		"there is no unique or exclusion constraint matching the ON CONFLICT specification")
	given := map[schema.ColumnID]bool{}
	for _, e := range c.Target {
		name := e.Column
		if ref, ok := e.Expr.(*ast.ColumnRef); ok && name == "" && len(ref.Names) == 1 {
			name = ref.Names[0]
		}
		if name == "" {
			return noMatch
		}
		cols, err := targetColumns(t, []string{name}, []int{e.Position()})
		if err != nil {
			return pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", name).At(e.Position())
		}
		given[t.Columns[cols[0]].ID] = true
	}
	if c.Where != nil {
		return pgerr.Unsupported("WHERE in the target of ON CONFLICT is not supported: there are no partial indexes").At(c.Position())
	}
	if !t.Keyed() || len(given) != len(t.PrimaryKey) {
		return noMatch
	}
	for _, id := range t.PrimaryKey {
		if !given[id] {
			return noMatch
		}
	}
	return nil
}

// returning binds RETURNING over the row of some items.
func (b *binder) returning(list []ast.Target, items []*item, ctes *cteScope) ([]expr.Expr, []plan.Field, error) {
	s := &scope{frame: &frame{items: items}, clause: clauseReturning, ctes: ctes}
	targets, err := b.targets(list, s)
	if err != nil {
		return nil, nil, err
	}
	var es []expr.Expr
	var out []plan.Field
	for _, t := range targets {
		x, err := b.resolveUnknown(t.e)
		if err != nil {
			return nil, nil, err
		}
		if x, err = b.settleRow(x); err != nil {
			return nil, nil, err
		}
		es = append(es, x)
		out = append(out, plan.Field{Name: t.name, Type: x.Type(), Table: t.table, Column: t.attnum})
	}
	return es, out, nil
}

// copy binds COPY, whose errors have no position in PostgreSQL.
func (b *binder) copy(s *ast.Copy) (plan.Statement, error) {
	out := &plan.Copy{Stmt: s}
	if s.Query != nil {
		sel, ok := s.Query.(*ast.Select)
		if !ok {
			return nil, pgerr.Unsupported("COPY of a data-modifying statement is not supported")
		}
		q, err := b.selectStatement(sel)
		if err != nil {
			return nil, err
		}
		sq, ok := q.(*plan.Query)
		if !ok {
			return nil, pgerr.Unsupported("COPY (SELECT INTO) is not supported")
		}
		out.Query = sq.Root
		return out, nil
	}
	if !s.From {
		return b.copyTo(s, out)
	}
	t, err := b.writable(*s.Table, 0, insertingInto)
	if err != nil {
		return nil, err
	}
	columns, err := targetColumns(t, s.Columns, nil)
	if err != nil {
		return nil, err
	}
	if err := b.copyInto(out, t, columns); err != nil {
		return nil, err
	}
	if s.Where != nil {
		sc := &scope{frame: &frame{items: []*item{b.tableItem(t, t.Name, 0)}}, clause: clauseCopyWhere}
		out.Where, err = b.condition(s.Where, sc, "WHERE")
	}
	return out, err
}

// copyTo reads a table's columns, as they are.
func (b *binder) copyTo(s *ast.Copy, out *plan.Copy) (plan.Statement, error) {
	rel, err := b.relation(*s.Table, 0, nil)
	if err != nil {
		return nil, err
	}
	var src *source
	switch {
	case rel.table != nil:
		out.Table = rel.table
		src = b.scanTable(rel.table, rel.table.Name)
	case rel.virtual != nil:
		src = scanVirtual(rel.virtual, rel.virtual.Name)
	default:
		return nil, pgerr.New(pgerr.WrongObjectType, "cannot copy from view %q", rel.view.Name).
			WithHint("Try the COPY (SELECT ...) TO variant.")
	}
	it := src.items[0]
	fields := src.node.Fields()
	var pick []int
	if s.Columns == nil {
		for i := range fields {
			pick = append(pick, i)
		}
	}
	for _, n := range s.Columns {
		at := -1
		for i := range it.cols {
			if it.cols[i].name == n {
				at = i
			}
		}
		if at < 0 {
			return nil, pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", n, s.Table.Name)
		}
		if contains(pick, at) {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", n)
		}
		pick = append(pick, at)
	}
	p := &plan.Project{Input: src.node}
	for _, i := range pick {
		p.Exprs = append(p.Exprs, fieldColumn(fields, i))
		p.Out = append(p.Out, fields[i])
		out.Columns = append(out.Columns, int(fields[i].Column)-1)
	}
	out.Query = p
	return out, nil
}
