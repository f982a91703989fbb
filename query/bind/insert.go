package bind

import (
	"maps"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// insert binds INSERT.
func (b *binder) insert(s *ast.Insert, outer *level) (plan.Statement, error) {
	d, err := b.destination(s.Table, s.Table.Position())
	if err != nil {
		return nil, err
	}
	ctes, err := b.with(s.With, outer)
	if err != nil {
		return nil, err
	}
	cols, err := b.insertColumns(d.face, s.Columns)
	if err != nil {
		return nil, err
	}
	out := &plan.Insert{Table: d.table}
	lv := &level{ctes: ctes}
	if out.Source, err = b.insertSource(s, d, cols, lv); err != nil {
		return nil, err
	}
	if out.Rules, err = d.rules(b); err != nil {
		return nil, err
	}
	if s.With != nil {
		out.Source = ctes.wrap(out.Source)
	}
	alias := d.face.Name
	if s.Alias != nil {
		alias = s.Alias.Name
	}
	used := ctes.references()
	if s.OnConflict != nil {
		if err := b.onConflict(out, d, s.OnConflict, alias, lv); err != nil {
			return nil, err
		}
	}
	if s.Returning != nil {
		if out.Returning, out.Out, err = b.returning(s.Returning, []*item{d.item(b, alias, 0)}, ctes); err != nil {
			return nil, err
		}
	}
	if s.With != nil && ctes.references() > used && !b.allSteps {
		// What ON CONFLICT and RETURNING read is not part of the source's plan.
		b.allSteps, b.steps = true, nil
		return b.insert(s, outer)
	}
	return out, nil
}

// columnNames are the names of the columns that INSERT of MERGE lists, nil if it lists none.
func columnNames(list []ast.ColumnTarget) (names []string, pos []int, err error) {
	for _, c := range list {
		if c.Indirection != nil {
			return nil, nil, pgerr.Unsupported("assignment to an element of a column is not supported").At(c.Position())
		}
		names, pos = append(names, c.Name), append(pos, c.Position())
	}
	return names, pos, nil
}

// insertSource binds what is inserted, completed to the table's live columns.
func (b *binder) insertSource(s *ast.Insert, d *destination, cols []insertColumn, lv *level) (n plan.Node, err error) {
	isDefault := func(int) bool { return false }
	switch {
	case s.Query == nil:
		n, cols = oneRow(), nil
	case s.Query.Values != nil && s.Query.With == nil && s.Query.OrderBy == nil && s.Query.Limit == nil && s.Query.Offset == nil:
		full, query := *s, *s.Query
		full.Query = &query
		if query.Values, err = b.valueLists(s.Query, valuesScope(lv)); err != nil {
			return nil, err
		}
		width := len(query.Values[0])
		if err := checkWidth(&full, width, len(cols)); err != nil {
			return nil, err
		}
		cols, isDefault = cols[:width], allDefault(query.Values)
		one := len(query.Values) == 1
		var rows *plan.Values
		rows, err = b.valuesNode(&query, lv, func(_, c int, e ast.Expr, sc *scope) (expr.Expr, error) {
			if one {
				sc = sc.with(clauseInsertedRow)
			}
			return b.insertValue(e, d, &cols[c], sc)
		})
		n = rows
		if err == nil && one {
			n = expandRow(rows)
		}
	default:
		if n, err = b.selectStmt(s.Query, lv, keepUnknowns); err != nil {
			return nil, err
		}
		if err := checkWidth(s, len(n.Fields()), len(cols)); err != nil {
			return nil, err
		}
		cols = cols[:len(n.Fields())]
		n, err = b.assignOutput(n, cols)
	}
	if err == nil {
		err = d.allowed(inserting)
	}
	if err != nil {
		return nil, err
	}
	bases, err := d.bases(cols)
	if err != nil {
		return nil, err
	}
	ignored, err := givenColumns(s.Overriding, d.table, bases, isDefault)
	if err != nil {
		return nil, err
	}
	return b.complete(n, d, cols, without(bases, ignored))
}

// expandRow makes one row as many as its set-returning functions return.
func expandRow(n *plan.Values) plan.Node {
	row := slices.Clone(n.Rows[0])
	p := &selectPlan{node: oneRow()}
	p.expandSets(nil, row)
	if len(p.node.Fields()) == 0 {
		return n
	}
	return &plan.Project{Input: p.node, Exprs: row, Out: n.Out}
}

// without marks the columns whose values do not count, which complete then does not find.
func without(cols, ignored []int) []int {
	if ignored == nil {
		return cols
	}
	cols = slices.Clone(cols)
	for _, i := range ignored {
		cols[i] = -1
	}
	return cols
}

// checkWidth compares the numbers of values and of columns.
func checkWidth(s *ast.Insert, values, columns int) error {
	switch {
	case values > columns:
		pos := 0
		if s.Query.Values != nil {
			pos = position(s.Query.Values[0][columns])
		} else if columns < len(s.Query.Targets) {
			pos = position(s.Query.Targets[columns].Expr)
		}
		return pgerr.New(pgerr.SyntaxError, "INSERT has more expressions than target columns").At(pos)
	case values < columns && s.Columns != nil:
		return pgerr.New(pgerr.SyntaxError, "INSERT has more target columns than expressions").At(s.Columns[values].Position())
	}
	return nil
}

// insertValue binds one value of VALUES for a column.
func (b *binder) insertValue(e ast.Expr, d *destination, to *insertColumn, s *scope) (expr.Expr, error) {
	c := &to.column
	if _, ok := e.(*ast.Default); ok {
		if to.element != nil {
			return nil, pgerr.Unsupported("cannot set an array element to DEFAULT").At(to.element.Position())
		}
		return b.insertDefault(d, to.at)
	}
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	return b.assign(x, c.Type, c.Name, position(e))
}

// assignOutput converts the columns of a query to those of a table.
func (b *binder) assignOutput(n plan.Node, cols []insertColumn) (plan.Node, error) {
	fields := n.Fields()
	p, direct := n.(*plan.Project)
	es := make([]expr.Expr, len(fields))
	same := true
	for i := range fields {
		c := &cols[i].column
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

// complete brings the columns that are given, of which bases says which ones of the table they
// are, into definition order, and adds defaults for the others.
func (b *binder) complete(n plan.Node, d *destination, cols []insertColumn, bases []int) (plan.Node, error) {
	live := liveColumns(d.table)
	fields := n.Fields()
	es := make([]expr.Expr, len(live))
	same := len(live) == len(bases)
	defaults, err := d.defaults(b, cols)
	if err != nil {
		return nil, err
	}
	for i, li := range live {
		if at := slices.Index(bases, li); at >= 0 && cols[at].element == nil {
			es[i] = fieldColumn(fields, at)
			same = same && at == i
			continue
		} else if at >= 0 {
			same = false
			if es[i], err = b.elements(&d.table.Columns[li], li, fields, cols, bases); err != nil {
				return nil, err
			}
			continue
		}
		if same = false; defaults[li] != nil {
			es[i] = defaults[li]
		} else if es[i], err = b.defaultOf(d.table, &d.table.Columns[li]); err != nil {
			return nil, err
		}
	}
	if !same {
		n = &plan.Project{Input: n, Exprs: es, Out: liveFields(d.table)}
	}
	return b.compute(n, d.table, 0)
}

// elements is the value of a column of which INSERT lists elements.
func (b *binder) elements(c *schema.Column, at int, fields []plan.Field, cols []insertColumn, bases []int) (x expr.Expr, err error) {
	x = &expr.Const{T: c.Type}
	for i, base := range bases {
		if base != at {
			continue
		}
		if x, err = b.withPart(x, cols[i], fieldColumn(fields, i), c); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// onConflict binds ON CONFLICT, whose target can only be the primary key.
func (b *binder) onConflict(ins *plan.Insert, d *destination, c *ast.OnConflict, alias string, lv *level) error {
	t := d.table
	if err := b.conflictTarget(d, c, alias); err != nil {
		return err
	}
	if !c.DoUpdate {
		if t.Keyed() {
			ins.Mode = chunk.InsertIgnore
		}
		return nil
	}
	existing := d.item(b, alias, 0)
	excluded := d.item(b, "excluded", len(liveColumns(t)))
	excluded.table, excluded.oid, excluded.namespace = nil, 0, ""
	f := &frame{items: []*item{existing, excluded}}
	s := &scope{frame: f, clause: clauseUpdateSource, ctes: lv.ctes}
	out := &plan.OnConflict{}
	set, err := (&setBinder{binder: b, scope: s, width: -1, old: func(i int) expr.Expr { return fieldColumn(liveFields(t), i) }}).assignments(c.Set, d)
	if err != nil {
		return err
	}
	for _, a := range set {
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
func (b *binder) conflictTarget(d *destination, c *ast.OnConflict, alias string) error {
	t := d.table
	if c.Constraint != "" {
		if d.view != nil {
			return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", c.Constraint, d.face.Name)
		}
		if x := t.Index(c.Constraint); x != nil && x.Constraint != 0 {
			return declaredOnly(x).At(c.Position())
		}
		if !t.Keyed() || c.Constraint != t.PrimaryKeyName {
			return pgerr.New(pgerr.UndefinedObject, "constraint %q for table %q does not exist", c.Constraint, t.Name)
		}
		return nil
	}
	if c.Target == nil {
		if c.DoUpdate {
			return pgerr.New(pgerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
				WithHint("For example, ON CONFLICT (column_name).").At(c.Position())
		}
		if i := slices.IndexFunc(t.Indexes, func(x schema.Index) bool { return x.Unique }); i >= 0 {
			return declaredOnly(&t.Indexes[i]).At(c.Position())
		}
		return nil
	}
	return b.arbiter(d, c, alias)
}

// arbiter finds the unique index that ON CONFLICT (...) means, which must be that of the primary key.
func (b *binder) arbiter(d *destination, c *ast.OnConflict, alias string) error {
	t := d.table
	noMatch := pgerr.New(pgerr.InvalidColumnReference, "there is no unique or exclusion constraint matching the ON CONFLICT specification")
	columns, exprs := map[schema.ColumnID]bool{}, map[string]bool{}
	for _, e := range c.Target {
		name := e.Column
		if ref, ok := e.Expr.(*ast.ColumnRef); ok && name == "" && len(ref.Names) == 1 {
			name = ref.Names[0]
		}
		if name != "" {
			cols, err := targetColumns(d.face, []string{name}, []int{e.Position()})
			if err != nil {
				return pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", name).At(c.TargetPos)
			}
			base, err := d.base(cols[0], inserting)
			if err != nil {
				return noMatch
			}
			columns[t.Columns[base].ID] = true
			continue
		}
		if d.view != nil {
			return pgerr.Unsupported("expressions in ON CONFLICT are not supported for a view").At(e.Position())
		}
		k, _, err := b.indexKey(t, e)
		if err != nil {
			return err
		}
		exprs[k.Expr] = true
	}
	if c.Where != nil {
		s := &scope{frame: &frame{items: []*item{d.item(b, alias, 0)}}, clause: clauseIndexWhere}
		if _, err := b.expr(c.Where, s); err != nil { // of any type, as in PostgreSQL
			return err
		}
	}
	var declared *schema.Index
	for _, x := range t.AllIndexes() {
		cols, es := map[schema.ColumnID]bool{}, map[string]bool{}
		for _, k := range x.Keys {
			if k.Column != 0 {
				cols[k.Column] = true
			} else {
				es[k.Expr] = true
			}
		}
		switch {
		case !x.Unique || !maps.Equal(cols, columns) || !maps.Equal(es, exprs) || x.Where != "" && c.Where == nil:
		case x.Primary:
			return nil
		default:
			declared = &x
		}
	}
	if declared != nil {
		return declaredOnly(declared).At(c.Position())
	}
	return noMatch
}

// declaredOnly is the error for relying on a unique index that is not enforced.
func declaredOnly(x *schema.Index) *pgerr.Error {
	return pgerr.Unsupported("ON CONFLICT by %q is not supported: it is declared and not enforced", x.Name).
		WithHint("Name the columns of the primary key: ON CONFLICT (columns).")
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
		return b.copyQuery(s, out)
	}
	if !s.From {
		return b.copyTo(s, out)
	}
	rel, err := b.relation(*s.Table, 0, nil)
	if err != nil {
		return nil, err
	}
	if rel.view != nil {
		out.Refused = pgerr.New(pgerr.WrongObjectType, "cannot copy to view %q", rel.view.Name).
			WithHint("To enable copying to a view, provide an INSTEAD OF INSERT trigger.")
		out.Table = ViewFace(rel.view)
	}
	if rel.table != nil && rel.table.Materialized != nil {
		out.Refused, out.Table = pgerr.New(pgerr.WrongObjectType, "cannot copy to materialized view %q", rel.table.Name), rel.table
	}
	if out.Refused != nil {
		out.Columns, err = targetColumns(out.Table, s.Columns, nil)
		return out, err
	}
	t, err := rel.writable()
	if err != nil {
		return nil, err
	}
	columns, err := targetColumns(t, s.Columns, nil)
	if err != nil {
		return nil, err
	}
	if s.Columns == nil {
		columns = slices.DeleteFunc(columns, func(i int) bool { return t.Columns[i].Generated != "" })
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

// copyQuery is COPY of a query, or of a statement that changes rows and returns them.
func (b *binder) copyQuery(s *ast.Copy, out *plan.Copy) (plan.Statement, error) {
	if sel, ok := s.Query.(*ast.Select); ok && leftmostInto(sel) != nil {
		return nil, pgerr.Unsupported("COPY (SELECT INTO) is not supported")
	}
	bound, err := b.chain(s.Query)
	if err != nil {
		return nil, err
	}
	if q, ok := bound.(*plan.Query); ok {
		out.Query = q.Root
		return out, nil
	}
	if bound.Fields() == nil {
		return nil, pgerr.Unsupported("COPY query must have a RETURNING clause")
	}
	out.Change = bound
	return out, nil
}

// copyTo reads a table's columns, as they are.
func (b *binder) copyTo(s *ast.Copy, out *plan.Copy) (plan.Statement, error) {
	rel, err := b.relation(*s.Table, 0, nil)
	if err != nil {
		return nil, err
	}
	var src *source
	switch {
	case rel.table != nil && rel.table.Materialized != nil:
		return nil, pgerr.New(pgerr.WrongObjectType, "cannot copy from materialized view %q", rel.table.Name).
			WithHint("Try the COPY (SELECT ...) TO variant.")
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
			if rel.table == nil || rel.table.Columns[fields[i].Column-1].Generated == "" {
				pick = append(pick, i)
			}
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
		if rel.table != nil && rel.table.Columns[fields[at].Column-1].Generated != "" {
			return nil, generatedInCopy(n)
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
