package ast

import "strings"

func (d *deparser) query(q *Select) {
	if q.With != nil {
		d.with(q.With)
	}
	switch {
	case q.SetOp != nil:
		d.setOp(q.SetOp)
	case q.Values != nil:
		d.s("VALUES ")
		for i, row := range q.Values {
			if i > 0 {
				d.s(", ")
			}
			d.s("(")
			d.exprs(row)
			d.s(")")
		}
	default:
		d.plainSelect(q)
	}
	d.queryTail(q)
}

func (d *deparser) with(w *With) {
	d.s("WITH ")
	if w.Recursive {
		d.s("RECURSIVE ")
	}
	for i, c := range w.CTEs {
		if i > 0 {
			d.s(", ")
		}
		d.s(QuoteIdent(c.Name))
		d.columnList(c.Columns)
		d.s(" AS ")
		if c.Materialized != nil {
			d.s(not(!*c.Materialized), "MATERIALIZED ")
		}
		d.s("(")
		d.statement(c.Stmt)
		d.s(")")
		if s := c.Search; s != nil {
			d.s(" SEARCH ", map[bool]string{true: "DEPTH", false: "BREADTH"}[s.DepthFirst], " FIRST BY ")
			d.idents(s.Columns)
			d.s(" SET ", QuoteIdent(s.Sequence))
		}
		if y := c.Cycle; y != nil {
			d.s(" CYCLE ")
			d.idents(y.Columns)
			d.s(" SET ", QuoteIdent(y.Mark))
			if y.To != nil {
				d.s(" TO ")
				d.expr(y.To)
				d.s(" DEFAULT ")
				d.expr(y.Default)
			}
			d.s(" USING ", QuoteIdent(y.Path))
		}
	}
	d.s(" ")
}

func (d *deparser) setOp(o *SetOp) {
	d.setOperand(o.Left, o.Kind == Intersect, true)
	d.s(" ", [...]string{"UNION", "INTERSECT", "EXCEPT"}[o.Kind])
	if o.All {
		d.s(" ALL")
	}
	d.s(" ")
	d.setOperand(o.Right, o.Kind == Intersect, false)
}

// setOperand puts a side in parentheses unless it is a simple query, or a
// chain that continues to the left.
func (d *deparser) setOperand(q *Select, tight, left bool) {
	bare := q.With == nil && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && q.Locking == nil &&
		(q.SetOp == nil || left && (!tight || q.SetOp.Kind == Intersect))
	if bare {
		d.query(q)
		return
	}
	d.sub("(", q)
}

func (d *deparser) plainSelect(q *Select) {
	d.s("SELECT")
	if q.Distinct {
		d.s(" DISTINCT")
		if q.DistinctOn != nil {
			d.s(" ON (")
			d.exprs(q.DistinctOn)
			d.s(")")
		}
	}
	d.targets(q.Targets)
	if into := q.Into; into != nil {
		d.s(" INTO ")
		if into.Temp {
			d.s("TEMPORARY ")
		}
		if into.Unlogged {
			d.s("UNLOGGED ")
		}
		d.s(into.Table.String())
	}
	d.fromList(" FROM ", q.From)
	d.clause(" WHERE ", q.Where)
	if q.GroupBy != nil {
		d.s(" GROUP BY ")
		if q.GroupDistinct {
			d.s("DISTINCT ")
		}
		d.exprs(q.GroupBy)
	}
	d.clause(" HAVING ", q.Having)
	for i, w := range q.Windows {
		if i == 0 {
			d.s(" WINDOW ")
		} else {
			d.s(", ")
		}
		d.s(QuoteIdent(w.Name), " AS ")
		d.window(w)
	}
}

func (d *deparser) clause(word string, e Expr) {
	if e != nil {
		d.s(word)
		d.expr(e)
	}
}

func (d *deparser) targets(list []Target) {
	for i, t := range list {
		if i > 0 {
			d.s(",")
		}
		d.s(" ")
		d.expr(t.Expr)
		if t.Alias != "" {
			d.s(" AS ", QuoteIdent(t.Alias))
		}
	}
}

func (d *deparser) queryTail(q *Select) {
	if q.OrderBy != nil {
		d.s(" ORDER BY ")
		d.orderItems(q.OrderBy)
	}
	if q.Offset != nil {
		d.s(" OFFSET ")
		d.expr(q.Offset)
	}
	switch lit, _ := q.Limit.(*Literal); {
	case q.Limit == nil:
	case q.WithTies:
		d.s(" FETCH FIRST (")
		d.expr(q.Limit)
		d.s(") ROWS WITH TIES")
	case lit != nil && lit.Kind == Null:
		d.s(" LIMIT ALL")
	default:
		d.clause(" LIMIT ", q.Limit)
	}
	for _, l := range q.Locking {
		d.s(" FOR ", [...]string{"UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"}[l.Strength])
		for i, n := range l.Of {
			d.s(map[bool]string{true: " OF ", false: ", "}[i == 0], n.String())
		}
		if l.NoWait {
			d.s(" NOWAIT")
		}
		if l.SkipLocked {
			d.s(" SKIP LOCKED")
		}
	}
}

func (d *deparser) orderItems(items []OrderItem) {
	for i, o := range items {
		if i > 0 {
			d.s(", ")
		}
		d.expr(o.Expr)
		if o.Using != nil {
			d.s(" USING ")
			d.op(*o.Using)
		}
		if o.Desc {
			d.s(" DESC")
		}
		d.s([...]string{"", " NULLS FIRST", " NULLS LAST"}[o.Nulls])
	}
}

func (d *deparser) window(w *Window) {
	sep := ""
	d.s("(")
	if w.Base != "" {
		d.s(QuoteIdent(w.Base))
		sep = " "
	}
	if w.PartitionBy != nil {
		d.s(sep, "PARTITION BY ")
		d.exprs(w.PartitionBy)
		sep = " "
	}
	if w.OrderBy != nil {
		d.s(sep, "ORDER BY ")
		d.orderItems(w.OrderBy)
		sep = " "
	}
	if f := w.Frame; f != nil {
		d.s(sep, [...]string{"RANGE", "ROWS", "GROUPS"}[f.Mode], " BETWEEN ")
		d.frameBound(f.Start)
		d.s(" AND ")
		d.frameBound(f.End)
		d.s([...]string{"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"}[f.Exclude])
	}
	d.s(")")
}

func (d *deparser) frameBound(b FrameBound) {
	switch b.Kind {
	case UnboundedPreceding:
		d.s("UNBOUNDED PRECEDING")
	case UnboundedFollowing:
		d.s("UNBOUNDED FOLLOWING")
	case CurrentRow:
		d.s("CURRENT ROW")
	case OffsetPreceding:
		d.expr(b.Offset)
		d.s(" PRECEDING")
	case OffsetFollowing:
		d.expr(b.Offset)
		d.s(" FOLLOWING")
	}
}

func (d *deparser) fromList(word string, from []TableExpr) {
	for i, t := range from {
		if i == 0 {
			d.s(word)
		} else {
			d.s(", ")
		}
		d.table(t)
	}
}

func (d *deparser) table(t TableExpr) {
	switch t := t.(type) {
	case *TableRef:
		if t.Only {
			d.s("ONLY ")
		}
		d.s(t.Name.String())
		if t.AsOf != nil {
			d.s(" FOR SYSTEM_TIME AS OF ")
			d.expr(t.AsOf)
		}
		d.alias(t.Alias)
		if s := t.Sample; s != nil {
			d.s(" TABLESAMPLE ")
			d.dotted(s.Method)
			d.s("(")
			d.exprs(s.Args)
			d.s(")")
			if s.Seed != nil {
				d.named(" REPEATABLE", s.Seed)
			}
		}
	case *SubqueryRef:
		d.lateral(t.Lateral)
		d.sub("(", t.Query)
		d.alias(t.Alias)
	case *FunctionRef:
		d.functionRef(t)
	case *Join:
		d.join(t)
	}
}

func (d *deparser) lateral(l bool) {
	if l {
		d.s("LATERAL ")
	}
}

func (d *deparser) functionRef(t *FunctionRef) {
	d.lateral(t.Lateral)
	if t.RowsFrom {
		d.s("ROWS FROM(")
	}
	for i, f := range t.Funcs {
		if i > 0 {
			d.s(", ")
		}
		if c, ok := f.Call.(*Cast); ok { // the only form of a cast that FROM takes
			d.s("CAST(")
			d.expr(c.Arg)
			d.s(" AS ")
			d.typeName(c.Type)
			d.s(")")
		} else {
			d.expr(f.Call)
		}
		if f.ColumnDefs != nil {
			d.s(" AS ")
			d.columnDefs(f.ColumnDefs)
		}
	}
	if t.RowsFrom {
		d.s(")")
	}
	if t.Ordinality {
		d.s(" WITH ORDINALITY")
	}
	if t.ColumnDefs == nil {
		d.alias(t.Alias)
		return
	}
	d.s(" AS ")
	if t.Alias != nil {
		d.s(QuoteIdent(t.Alias.Name))
	}
	d.columnDefs(t.ColumnDefs)
}

func (d *deparser) columnDefs(defs []*ColumnDef) {
	d.s("(")
	for i, c := range defs {
		if i > 0 {
			d.s(", ")
		}
		d.s(QuoteIdent(c.Name), " ")
		d.typeName(c.Type)
		if c.Collation != nil {
			d.s(" COLLATE ")
			d.dotted(c.Collation)
		}
	}
	d.s(")")
}

func (d *deparser) columnList(columns []string) {
	if columns != nil {
		d.s("(")
		d.idents(columns)
		d.s(")")
	}
}

func (d *deparser) alias(a *Alias) {
	if a != nil {
		d.s(" AS ", QuoteIdent(a.Name))
		d.columnList(a.Columns)
	}
}

func (d *deparser) join(j *Join) {
	// Parentheses keep the shape whatever stands around it.
	d.s("(")
	d.table(j.Left)
	if j.Natural {
		d.s(" NATURAL")
	}
	d.s(" ", [...]string{"", "LEFT ", "RIGHT ", "FULL ", "CROSS ", "ASOF ", "ASOF LEFT "}[j.Kind], "JOIN ")
	d.table(j.Right)
	if j.Using != nil {
		d.s(" USING ")
		d.columnList(j.Using)
		if j.UsingAlias != "" {
			d.s(" AS ", QuoteIdent(j.UsingAlias))
		}
	}
	d.clause(" ON ", j.On)
	d.s(")")
	d.alias(j.Alias)
}

// statement writes a query or a data-modifying statement of WITH.
func (d *deparser) statement(s Stmt) {
	switch s := s.(type) {
	case *Select:
		d.query(s)
	case *Insert:
		d.insert(s)
	case *Update:
		d.update(s)
	case *Delete:
		d.delete(s)
	}
}

func (d *deparser) insert(s *Insert) {
	if s.With != nil {
		d.with(s.With)
	}
	d.s("INSERT INTO ", s.Table.String())
	d.alias(s.Alias)
	if s.Columns != nil {
		d.s(" (")
		d.columnTargets(s.Columns)
		d.s(")")
	}
	d.s([...]string{"", " OVERRIDING USER VALUE", " OVERRIDING SYSTEM VALUE"}[s.Overriding])
	if s.Query == nil {
		d.s(" DEFAULT VALUES")
	} else {
		d.s(" ")
		d.query(s.Query)
	}
	if c := s.OnConflict; c != nil {
		d.onConflict(c)
	}
	d.returning(s.Returning)
}

func (d *deparser) onConflict(c *OnConflict) {
	d.s(" ON CONFLICT")
	if c.Constraint != "" {
		d.s(" ON CONSTRAINT ", QuoteIdent(c.Constraint))
	}
	for i, e := range c.Target {
		d.s(map[bool]string{true: " (", false: ", "}[i == 0])
		if e.Expr != nil {
			d.named("", e.Expr)
		} else {
			d.s(QuoteIdent(e.Column))
		}
		if e.Collation != nil {
			d.s(" COLLATE ")
			d.dotted(e.Collation)
		}
		if e.OpClass != nil {
			d.s(" ")
			d.dotted(e.OpClass)
		}
	}
	if c.Target != nil {
		d.s(")")
	}
	d.clause(" WHERE ", c.Where)
	if !c.DoUpdate {
		d.s(" DO NOTHING")
		return
	}
	d.s(" DO UPDATE SET ")
	d.setClauses(c.Set)
	d.clause(" WHERE ", c.SetWhere)
}

func (d *deparser) columnTargets(list []ColumnTarget) {
	for i, c := range list {
		if i > 0 {
			d.s(", ")
		}
		if c.Indirection == nil {
			d.s(QuoteIdent(c.Name))
		} else {
			d.targetPath(c.Indirection)
		}
	}
}

// targetPath writes col.field[1] as an assignment's left side, without the
// parentheses of an expression.
func (d *deparser) targetPath(e Expr) {
	switch e := e.(type) {
	case *FieldSelect:
		d.targetPath(e.Arg)
		d.s(".", QuoteIdent(e.Field))
	case *Subscript:
		d.targetPath(e.Arg)
		whole := *e
		whole.Arg = &ColumnRef{Names: []string{"x"}}
		d.s(strings.TrimPrefix(Deparse(&whole), "x"))
	default:
		d.expr(e)
	}
}

func (d *deparser) setClauses(list []SetClause) {
	for i, c := range list {
		if i > 0 {
			d.s(", ")
		}
		if c.Multi {
			d.s("(")
		}
		d.columnTargets(c.Columns)
		if c.Multi {
			d.s(")")
		}
		d.s(" = ")
		d.expr(c.Value)
	}
}

func (d *deparser) returning(list []Target) {
	if list != nil {
		d.s(" RETURNING")
		d.targets(list)
	}
}

func (d *deparser) update(s *Update) {
	if s.With != nil {
		d.with(s.With)
	}
	d.s("UPDATE ")
	d.table(s.Table)
	d.s(" SET ")
	d.setClauses(s.Set)
	d.fromList(" FROM ", s.From)
	d.clause(" WHERE ", s.Where)
	d.returning(s.Returning)
}

func (d *deparser) delete(s *Delete) {
	if s.With != nil {
		d.with(s.With)
	}
	d.s("DELETE FROM ")
	d.table(s.Table)
	d.fromList(" USING ", s.Using)
	d.clause(" WHERE ", s.Where)
	d.returning(s.Returning)
}
