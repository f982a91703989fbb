package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A source is a bound part of FROM: a plan and the items over its columns.
type source struct {
	node  plan.Node
	items []*item
}

// oneRow is FROM nothing: one row without columns.
func oneRow() plan.Node { return &plan.Values{Rows: [][]expr.Expr{{}}} }

// from binds a FROM list.
func (b *binder) from(list []ast.TableExpr, q *query) (*source, error) {
	src, err := b.fromAfter(nil, list, q)
	if src == nil && err == nil {
		src = &source{node: oneRow()}
	}
	return src, err
}

// fromAfter binds a FROM list and joins it to what stands before it, if that is not nil.
func (b *binder) fromAfter(acc *source, list []ast.TableExpr, q *query) (*source, error) {
	for _, t := range list {
		seen := &frame{parent: q.frame.parent, corr: q.frame.corr}
		if acc != nil {
			seen.items = acc.items
		}
		corr := &correlation{b: b}
		src, err := b.tableExpr(t, q, seen, corr)
		if err != nil {
			return nil, err
		}
		if acc == nil {
			acc = src
			continue
		}
		if err := checkAliases(acc.items, src.items, t.Position()); err != nil {
			return nil, err
		}
		if acc, err = b.combine(plan.InnerJoin, acc, src, corr, nil); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// checkAliases refuses two items of one name.
func checkAliases(l, r []*item, pos int) error {
	for _, x := range r {
		for _, y := range l {
			if !x.relVisible || !y.relVisible || x.alias != y.alias || x.alias == "" {
				continue
			}
			if x.oid != 0 && y.oid != 0 && x.oid != y.oid && x.namespace != "" && y.namespace != "" {
				continue // different tables of one name in different schemas
			}
			return pgerr.New(pgerr.DuplicateAlias, "table name %q specified more than once", x.alias)
		}
	}
	return nil
}

// maxJoined bounds the columns of all joins of a statement, which grow with the square of their
// number: each join has those of the ones below.
const maxJoined = 1 << 20

// combine joins two sources; the right one is run for each left row if it uses it.
func (b *binder) combine(kind plan.JoinKind, l, r *source, corr *correlation, cond expr.Expr) (*source, error) {
	shift := len(l.node.Fields())
	if b.joined += shift + len(r.node.Fields()) + 1; b.joined > maxJoined {
		return nil, pgerr.New(pgerr.StatementTooComplex, "the statement joins too many tables").
			WithHint("Join fewer tables, or subqueries with fewer columns.")
	}
	out := append(append([]plan.Field(nil), l.node.Fields()...), r.node.Fields()...)
	shiftItems(r.items, shift)
	s := &source{items: append(l.items[:len(l.items):len(l.items)], r.items...)}
	if corr != nil && len(corr.outer) > 0 {
		s.node = &plan.Apply{Kind: kind, Left: l.node, Right: r.node, Outer: corr.outer, FirstParam: corr.number(), Cond: cond, Out: out}
	} else {
		s.node = &plan.Join{Kind: kind, Left: l.node, Right: r.node, Cond: cond, Out: out}
	}
	return s, nil
}

// shiftItems moves the columns of items to the right.
func shiftItems(items []*item, by int) {
	for _, it := range items {
		for i := range it.cols {
			it.cols[i].e = plan.Shift(it.cols[i].e, by)
		}
	}
}

// setNullable marks items that an outer join may fill with NULLs.
func setNullable(items []*item) {
	for _, it := range items {
		it.nullable = true
	}
}

// tableExpr binds one item of FROM. A lateral item's outer frame is seen: the
// items to its left over what lies around the query; corr collects what it uses
// of them.
func (b *binder) tableExpr(t ast.TableExpr, q *query, seen *frame, corr *correlation) (*source, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	switch t := t.(type) {
	case *ast.TableRef:
		return b.tableRef(t, q)
	case *ast.SubqueryRef:
		return b.subqueryRef(t, q, seen, corr)
	case *ast.FunctionRef:
		return b.functionRef(t, q, seen, corr)
	case *ast.Join:
		return b.join(t, q, seen, corr)
	}
	return nil, pgerr.Unsupported("this item of FROM is not supported").At(t.Position())
}

// aliasColumns renames the columns of an item.
func aliasColumns(it *item, a *ast.Alias, pos int) error {
	if a == nil {
		return nil
	}
	it.alias, it.namespace = a.Name, ""
	visible := 0
	for i := range it.cols {
		if it.cols[i].hidden {
			continue
		}
		if visible < len(a.Columns) {
			it.cols[i].name = a.Columns[visible]
		}
		visible++
	}
	if len(a.Columns) > visible {
		return pgerr.New(pgerr.InvalidColumnReference, "table %q has %d columns available but %d columns specified",
			a.Name, visible, len(a.Columns))
	}
	return nil
}

// itemOver makes an item of all columns of a node.
func itemOver(alias string, fields []plan.Field) *item {
	it := &item{alias: alias, relVisible: true, colsVisible: true}
	for i, f := range fields {
		it.cols = append(it.cols, itemCol{
			name: f.Name, e: &expr.Column{Index: i, Name: f.Name, T: f.Type, Record: f.Record}, table: f.Table, attnum: f.Column,
		})
	}
	return it
}

func (b *binder) tableRef(t *ast.TableRef, q *query) (*source, error) {
	pos := t.Name.Position()
	if pos == 0 {
		pos = t.Position()
	}
	if t.Name.Schema == "" {
		if c := q.ctes.find(t.Name.Name); c != nil && t.AsOf == nil {
			if t.Sample != nil {
				return nil, errNotSampled(pos)
			}
			return b.cteRef(c, t, pos)
		}
	}
	rel, err := b.relation(t.Name, pos, q.ctes)
	if err != nil {
		return nil, err
	}
	b.meanings.relation(t, b.schemaOf(rel))
	alias := t.Name.Name
	if t.Alias != nil {
		alias = t.Alias.Name
	}
	if t.AsOf != nil && rel.table == nil {
		return nil, pgerr.Unsupported("AS OF of %q, which is not a table, is not supported", t.Name.Name).At(position(t.AsOf)).
			WithHint("Give the tables of a view or a WITH query their AS OF there.")
	}
	var src *source
	lock := q.lockOf(alias)
	switch {
	case t.Sample != nil && rel.view != nil:
		return nil, errNotSampled(pos)
	case lock != nil && (t.AsOf != nil || rel.virtual != nil):
		return nil, pgerr.Unsupported("%s of rows of the past or of system catalogs is not supported", Strength(*lock)).At(pos)
	case rel.table != nil:
		asOf, err := b.asOf(t.AsOf, q)
		if err != nil {
			return nil, err
		}
		src = b.scanTable(rel.table, alias)
		src.node.(*plan.Scan).AsOf = asOf
	case rel.virtual != nil:
		src = scanVirtual(rel.virtual, alias)
	default:
		if src, err = b.expandView(rel.view, alias, pos, lock); err != nil {
			return nil, err
		}
	}
	src.items[0].lock = lock
	if t.Sample != nil {
		if err := b.sample(src, t.Sample, q); err != nil {
			return nil, err
		}
	}
	return src, aliasColumns(src.items[0], t.Alias, pos)
}

// asOf binds the time or the position of AS OF, nil if there is none.
func (b *binder) asOf(e ast.Expr, q *query) (expr.Expr, error) {
	if e == nil {
		return nil, nil
	}
	x, err := b.expr(e, &scope{frame: &frame{}, clause: clauseAsOf, ctes: q.ctes})
	if err != nil {
		return nil, err
	}
	if plan.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.Subquery); return ok }) {
		return nil, pgerr.Unsupported("a subquery in AS OF is not supported").At(position(e))
	}
	want := datum.TimestampTZ
	switch x.Type().OID {
	case datum.Int2, datum.Int4, datum.Int8:
		want = datum.Int8
	}
	return b.specific(x, want, "AS OF", position(e))
}

// relation finds a relation by a name as written.
func (b *binder) relation(n ast.Name, pos int, ctes *cteScope) (*relation, error) {
	if n.Catalog != "" && n.Catalog != b.env.Catalog.Database {
		return nil, pgerr.Unsupported("cross-database references are not implemented: %q",
			n.Catalog+"."+n.Schema+"."+n.Name).At(pos)
	}
	rel := b.findRelation(n.Schema, n.Name)
	if rel == nil {
		shown := n.Name
		if n.Schema != "" {
			shown = n.Schema + "." + n.Name
		}
		if t := function.UserTypeByName(b.functionContext(), n.Schema, n.Name); b.env.Catalog.Types[t] != nil && isRow(t) {
			return nil, pgerr.New(pgerr.WrongObjectType, "%q is a composite type", n.Name).At(pos)
		}
		e := pgerr.New(pgerr.UndefinedTable, "relation %q does not exist", shown).At(pos)
		if n.Schema == "" && ctes.forward(n.Name) {
			e = e.WithDetail("There is a WITH item named %q, but it cannot be referenced from this part of the query.", n.Name).
				WithHint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references.")
		}
		return nil, e
	}
	return rel, b.ownTemporary(rel, pos)
}

// schemaOf is the name of a relation's schema.
func (b *binder) schemaOf(rel *relation) string {
	switch {
	case rel.table != nil:
		return b.namespaceName(rel.table.Namespace)
	case rel.view != nil:
		return b.namespaceName(rel.view.Namespace)
	}
	return rel.virtual.Namespace
}

// ownTemporary refuses temporary tables of other sessions.
func (b *binder) ownTemporary(rel *relation, pos int) error {
	var oid datum.OID
	switch {
	case rel.table != nil:
		oid = rel.table.Namespace
	case rel.view != nil:
		oid = rel.view.Namespace
	}
	if ns := b.env.Catalog.Namespaces[oid]; ns != nil && ns.Temporary && ns.Name != b.env.TempSchema {
		return pgerr.Unsupported("cannot access temporary tables of other sessions").At(pos)
	}
	return nil
}

// liveColumns returns the indexes of the columns that are not dropped.
func liveColumns(t *schema.Table) []int {
	var live []int
	for i := range t.Columns {
		if !dropped(&t.Columns[i]) {
			live = append(live, i)
		}
	}
	return live
}

// dropped says whether a column has been dropped: it keeps its place, without a type.
func dropped(c *schema.Column) bool { return c.Name == "" || c.Type.OID == 0 }

// scanTable reads all live columns of a table; the optimiser leaves out what is not used.
func (b *binder) scanTable(t *schema.Table, alias string) *source {
	n := &plan.Scan{Table: t, Alias: alias}
	it := &item{alias: alias, namespace: b.namespaceName(t.Namespace), table: t, oid: t.OID, relVisible: true, colsVisible: true}
	for i := range t.Columns {
		c := &t.Columns[i]
		if dropped(c) {
			continue
		}
		attnum := int16(i + 1)
		it.cols = append(it.cols, itemCol{
			name: c.Name, e: &expr.Column{Index: len(n.Out), Name: c.Name, T: c.Type}, table: t.OID, attnum: attnum,
		})
		n.Out = append(n.Out, plan.Field{Name: c.Name, Type: c.Type, Table: t.OID, Column: attnum})
		n.Spec.Columns = append(n.Spec.Columns, c.ID)
	}
	return &source{node: n, items: []*item{it}}
}

func scanVirtual(v *VirtualRelation, alias string) *source {
	n := &plan.VirtualScan{Namespace: v.Namespace, Name: v.Name, Alias: alias}
	for i, c := range v.Columns {
		c.Table, c.Column = v.OID, int16(i+1)
		n.Columns = append(n.Columns, i)
		n.Out = append(n.Out, c)
	}
	it := itemOver(alias, n.Out)
	it.namespace, it.oid = v.Namespace, v.OID
	return &source{node: n, items: []*item{it}}
}

// enterView parses the query of a view, which is being bound until leave is called.
func (b *binder) enterView(v *schema.View, pos int) (q *ast.Select, leave func(), err error) {
	if slices.Contains(b.views, v.OID) {
		return nil, nil, pgerr.New(pgerr.InvalidObjectDefinition, "infinite recursion detected in rules for relation %q", v.Name)
	}
	if b.env.Parse == nil {
		return nil, nil, pgerr.Unsupported("views are not supported here").At(pos)
	}
	stmt, err := b.env.Parse(v.SQL)
	if err != nil {
		return nil, nil, err
	}
	q, ok := stmt.(*ast.Select)
	if !ok {
		return nil, nil, pgerr.New(pgerr.DataCorrupted, "view %q is not a query", v.Name)
	}
	b.views = append(b.views, v.OID)
	return q, func() { b.views = b.views[:len(b.views)-1] }, nil
}

// expandView binds the query of a view in place.
func (b *binder) expandView(v *schema.View, alias string, pos int, lock *ast.Locking) (*source, error) {
	sel, leave, err := b.enterView(v, pos)
	if err != nil {
		return nil, err
	}
	defer leave()
	n, err := b.selectStmt(locked(sel, lock), &level{}, nil)
	if err != nil {
		return nil, err
	}
	if len(n.Fields()) != len(v.Columns) {
		return nil, pgerr.New(pgerr.ObjectNotInState, "view %q no longer matches its query", v.Name).At(pos)
	}
	it := itemOver(alias, n.Fields())
	it.namespace, it.oid = b.namespaceName(v.Namespace), v.OID
	for i := range it.cols {
		it.cols[i].name = v.Columns[i].Name
		it.cols[i].table, it.cols[i].attnum = v.OID, int16(i+1)
	}
	return &source{node: n, items: []*item{it}}, nil
}

func (b *binder) subqueryRef(t *ast.SubqueryRef, q *query, seen *frame, corr *correlation) (*source, error) {
	lv := &level{parent: q.frame.parent, corr: q.frame.corr, ctes: q.ctes}
	if t.Lateral {
		lv = &level{parent: seen, corr: corr, ctes: q.ctes}
	}
	alias := aliasOf(t.Alias, "")
	lock := q.lockOf(alias)
	if t.Query.Values != nil {
		lock = nil
	}
	n, err := b.selectStmt(locked(t.Query, lock), lv, nil)
	if err != nil {
		return nil, err
	}
	it := itemOver(alias, n.Fields())
	it.lock = lock
	it.relVisible = alias != ""
	return &source{node: n, items: []*item{it}}, aliasColumns(it, t.Alias, t.Position())
}

// setsOnTop refuses set-returning functions inside of what stands in FROM.
func setsOnTop(x expr.Expr) error {
	inside := []expr.Expr{x}
	if top, ok := x.(*setRef); ok {
		inside = top.call.Args
	}
	for _, e := range inside {
		var found *setRef
		plan.Walk(e, func(y expr.Expr) bool {
			if s, ok := y.(*setRef); ok && found == nil {
				found = s
			}
			return found == nil
		})
		if found != nil {
			return pgerr.Unsupported("set-returning functions must appear at top level of FROM").At(found.pos)
		}
	}
	return nil
}

// functionRef binds functions in FROM, which see the items to their left.
func (b *binder) functionRef(t *ast.FunctionRef, q *query, seen *frame, corr *correlation) (*source, error) {
	s := &scope{frame: &frame{parent: seen, corr: corr}, clause: clauseFromFunction, ctes: q.ctes}
	n := &plan.FunctionScan{Ordinality: t.Ordinality}
	alias := ""
	scalar := true
	funcs := expandUnnest(t.Funcs)
	for _, f := range funcs {
		if len(t.ColumnDefs) > 0 {
			if err := oneDefinition(t, funcs); err != nil {
				return nil, err
			}
			f.ColumnDefs = t.ColumnDefs
		}
		x, err := b.expr(f.Call, s)
		if err != nil {
			return nil, err
		}
		if x, err = b.resolveUnknown(x); err != nil {
			return nil, err
		}
		if err := setsOnTop(x); err != nil {
			return nil, err
		}
		name := ast.ColumnName(f.Call)
		if alias == "" {
			alias = name
		}
		call, err := b.fromCall(x, name, f.ColumnDefs, f.Call.Position())
		if err != nil {
			return nil, err
		}
		if len(call.Cols) != 1 || composite(call.T.OID) || call.Defined {
			scalar = false
		} else if named := call.Fn != nil && len(call.Fn.OutNames) > 0; t.Alias != nil && !t.RowsFrom && len(funcs) == 1 && !named {
			call.Cols[0].Name = t.Alias.Name
		}
		n.Calls = append(n.Calls, call)
		n.Out = append(n.Out, call.Cols...)
	}
	if t.Ordinality {
		n.Out = append(n.Out, plan.Field{Name: "ordinality", Type: datum.Of(datum.Int8)})
		scalar = false
	}
	it := itemOver(alias, n.Out)
	it.scalar, it.unlockable = scalar && len(n.Calls) == 1, "a function"
	if t := n.Calls[0].T.OID; isRow(t) && len(n.Calls) == 1 {
		it.row = t
	}
	return &source{node: n, items: []*item{it}}, aliasColumns(it, t.Alias, t.Position())
}

// oneDefinition checks that a column definition list stands where it may.
func oneDefinition(t *ast.FunctionRef, funcs []ast.RowsFunc) error {
	first := t.ColumnDefs[0].Position()
	switch {
	case t.RowsFrom && len(funcs) > 1:
		return pgerr.New(pgerr.SyntaxError, "ROWS FROM() with multiple functions cannot have a column definition list").
			WithHint("Put a separate column definition list for each function inside ROWS FROM().").At(first)
	case len(funcs) > 1:
		return pgerr.New(pgerr.SyntaxError, "UNNEST() with multiple arguments cannot have a column definition list").
			WithHint("Use separate UNNEST() calls inside ROWS FROM(), and attach a column definition list to each one.").At(first)
	case t.Ordinality:
		return pgerr.New(pgerr.SyntaxError, "WITH ORDINALITY cannot be used with a column definition list").
			WithHint("Put the column definition list inside ROWS FROM().").At(first)
	}
	return nil
}

// defineColumns gives a call the columns of a column definition list, which are for functions that return
// records of which nothing else says what they are.
func (b *binder) defineColumns(call *plan.SetCall, defs []*ast.ColumnDef) error {
	first := defs[0].Position()
	switch {
	case call.Fn != nil && len(call.Fn.OutNames) > 0:
		return pgerr.New(pgerr.SyntaxError, "a column definition list is redundant for a function with OUT parameters").At(first)
	case call.Fn != nil && isRow(call.T.OID):
		return pgerr.New(pgerr.SyntaxError, "a column definition list is redundant for a function returning a named composite type").At(first)
	case call.Fn == nil || call.T.OID != datum.Record:
		return pgerr.New(pgerr.SyntaxError, "a column definition list is only allowed for functions returning \"record\"").At(first)
	case call.Fn.EvalRecord == nil:
		return pgerr.Unsupported("function %s with a column definition list is not supported", call.Fn.Name).At(first)
	}
	call.Cols, call.Defined = nil, true
	seen := map[string]bool{}
	for _, d := range defs {
		if seen[d.Name] {
			return pgerr.New(pgerr.DuplicateColumn, "column name %q specified more than once", d.Name)
		}
		seen[d.Name] = true
		t, err := b.plainType(d.Type)
		if err != nil {
			return err
		}
		if category(t.OID) == 'P' {
			return pgerr.New(pgerr.InvalidTableDefinition, "column %q has pseudo-type %s", d.Name, t)
		}
		call.Cols = append(call.Cols, plan.Field{Name: d.Name, Type: t})
	}
	return nil
}

// expandUnnest makes unnest(a, b) ROWS FROM (unnest(a), unnest(b)).
func expandUnnest(fs []ast.RowsFunc) []ast.RowsFunc {
	var out []ast.RowsFunc
	for _, f := range fs {
		c, ok := f.Call.(*ast.FuncCall)
		if !ok || len(c.Args) < 2 || c.Name[len(c.Name)-1] != "unnest" {
			out = append(out, f)
			continue
		}
		for _, a := range c.Args {
			one := *c
			one.Args = []ast.Expr{a}
			out = append(out, ast.RowsFunc{Call: &one})
		}
	}
	return out
}

// fromCall makes a call of FROM of a bound expression.
func (b *binder) fromCall(x expr.Expr, name string, defs []*ast.ColumnDef, pos int) (*plan.SetCall, error) {
	switch f := x.(type) {
	case *setRef:
		call := f.call
		for _, a := range call.Args {
			if hasSet(a) {
				return nil, pgerr.Unsupported("set-returning functions must appear at top level of FROM").At(pos)
			}
		}
		call.Cols = append([]plan.Field(nil), call.Cols...)
		if len(defs) > 0 {
			return &call, b.defineColumns(&call, defs)
		}
		if len(call.Fn.OutNames) == 0 {
			if call.T.OID == datum.Record {
				return nil, errNoDefinition(pos)
			}
			call.Cols[0].Name = name
			call.Cols = b.rowColumns(call.T, call.Cols)
		}
		return &call, nil
	case *expr.Call:
		cols := b.setColumns(f.Fn, f.Args, f.T)
		if len(f.Fn.OutNames) == 0 {
			cols = []plan.Field{{Name: name, Type: f.T}}
		}
		call := &plan.SetCall{Fn: f.Fn, Args: f.Args, T: f.T, Cols: b.rowColumns(f.T, cols)}
		switch {
		case len(defs) > 0:
			return call, b.defineColumns(call, defs)
		case f.T.OID == datum.Record && f.Fn.EvalRecord != nil:
			return nil, errNoDefinition(pos)
		}
		return call, nil
	}
	if hasSet(x) {
		return nil, pgerr.Unsupported("set-returning functions must appear at top level of FROM").At(pos)
	}
	// Any other expression is its own value, once.
	call := &plan.SetCall{Args: []expr.Expr{x}, T: x.Type(), Cols: b.rowColumns(x.Type(), []plan.Field{{Name: name, Type: x.Type()}})}
	if len(defs) > 0 {
		return nil, b.defineColumns(call, defs)
	}
	return call, nil
}

// rowColumns are the columns of a call in FROM: the fields of a composite type that it returns.
func (b *binder) rowColumns(t datum.Type, cols []plan.Field) []plan.Field {
	if !isRow(t.OID) {
		return cols
	}
	attrs, err := b.attributes(t.OID)
	if err != nil {
		return cols
	}
	cols = nil
	for _, a := range attrs {
		cols = append(cols, plan.Field{Name: a.Name, Type: a.Type})
	}
	return cols
}

func errNoDefinition(pos int) error {
	return pgerr.New(pgerr.SyntaxError, "a column definition list is required for functions returning \"record\"").At(pos)
}

func (b *binder) join(t *ast.Join, q *query, seen *frame, corr *correlation) (*source, error) {
	l, err := b.tableExpr(t.Left, q, seen, corr)
	if err != nil {
		return nil, err
	}
	kind := map[ast.JoinKind]plan.JoinKind{
		ast.InnerJoin: plan.InnerJoin, ast.CrossJoin: plan.InnerJoin, ast.LeftJoin: plan.LeftJoin,
		ast.RightJoin: plan.RightJoin, ast.FullJoin: plan.FullJoin,
		ast.AsofJoin: plan.InnerJoin, ast.AsofLeftJoin: plan.LeftJoin,
	}[t.Kind]
	bad := kind == plan.RightJoin || kind == plan.FullJoin
	for _, it := range l.items {
		it.lateralBad = bad
	}
	// The right side sees the left one, and through it what the join sees.
	inner := &correlation{b: b}
	r, err := b.tableExpr(t.Right, q, &frame{items: l.items, parent: seen, corr: corr}, inner)
	for _, it := range l.items {
		it.lateralBad = false
	}
	if err != nil {
		return nil, err
	}
	if err := checkAliases(l.items, r.items, t.Position()); err != nil {
		return nil, err
	}
	if kind == plan.RightJoin || kind == plan.FullJoin {
		setNullable(l.items)
	}
	if kind == plan.LeftJoin || kind == plan.FullJoin {
		setNullable(r.items)
	}
	nl, nr := len(l.items), len(r.items)
	src, err := b.combine(kind, l, r, inner, nil)
	if err != nil {
		return nil, err
	}
	li, ri := src.items[:nl], src.items[nl:nl+nr]
	var cond expr.Expr
	f := &frame{items: src.items, parent: q.frame.parent, corr: q.frame.corr}
	switch {
	case t.Natural || len(t.Using) > 0:
		if cond, src.items, err = b.using(t, li, ri, kind); err != nil {
			return nil, err
		}
	case t.On != nil:
		s := &scope{frame: f, clause: clauseJoinOn, ctes: q.ctes}
		if cond, err = b.condition(t.On, s, "JOIN/ON"); err != nil {
			return nil, err
		}
	}
	switch n := src.node.(type) {
	case *plan.Join:
		n.Cond = cond
		if t.Kind.Asof() {
			if src.node, err = b.asofJoin(n, t.Position()); err != nil {
				return nil, err
			}
		}
	case *plan.Apply:
		n.Cond = cond
		if t.Kind.Asof() {
			return nil, pgerr.Unsupported("the right side of an ASOF JOIN cannot refer to the left one").At(t.Position())
		}
	}
	if t.Alias != nil {
		return b.joinAlias(src, t)
	}
	return src, nil
}

// joinAlias hides the parts of a join behind its alias.
func (b *binder) joinAlias(src *source, t *ast.Join) (*source, error) {
	all := &item{alias: t.Alias.Name, relVisible: true, colsVisible: true}
	for _, it := range src.items {
		if it.colsVisible {
			for _, c := range it.cols {
				if !c.hidden {
					all.cols = append(all.cols, c)
				}
			}
		}
	}
	all.unlockable = "a join"
	items := []*item{all}
	for _, it := range src.items {
		if it.lock != nil { // its key is needed
			it.relVisible, it.colsVisible = false, false
			items = append(items, it)
		}
	}
	return &source{node: src.node, items: items}, aliasColumns(all, t.Alias, t.Alias.Position())
}

// using binds JOIN USING and NATURAL JOIN: it returns the condition and the
// items with the merged columns first.
func (b *binder) using(t *ast.Join, l, r []*item, kind plan.JoinKind) (expr.Expr, []*item, error) {
	names := t.Using
	if t.Natural {
		names = commonNames(l, r)
	}
	merged := &item{colsVisible: true, alias: t.UsingAlias, relVisible: false}
	var conds []expr.Expr
	used := map[string]bool{}
	for i, name := range names {
		if used[name] {
			return nil, nil, pgerr.New(pgerr.DuplicateColumn, "column name %q appears more than once in USING clause", name).At(t.Position())
		}
		used[name] = true
		lc, err := usingColumn(l, name, "left", t.Position())
		if err != nil {
			return nil, nil, err
		}
		rc, err := usingColumn(r, name, "right", t.Position())
		if err != nil {
			return nil, nil, err
		}
		if _, err := b.commonTypeOf([]datum.OID{lc.e.Type().OID, rc.e.Type().OID}, "JOIN/USING", nil); err != nil {
			return nil, nil, err
		}
		op := "="
		if t.Kind.Asof() && i == len(names)-1 {
			op = ">="
		}
		c, err := b.binaryOp(ast.OpName{Name: op}, lc.e, rc.e, t.Position())
		if err != nil {
			return nil, nil, err
		}
		conds = append(conds, c)
		col, err := b.mergeColumn(name, lc, rc, kind, t.Position())
		if err != nil {
			return nil, nil, err
		}
		merged.cols = append(merged.cols, col)
	}
	hide := func(items []*item) {
		for _, it := range items {
			if it.colsVisible {
				for _, c := range it.cols {
					if !c.hidden && !used[c.name] {
						merged.cols = append(merged.cols, c)
					}
				}
			}
			it.colsVisible = false
		}
	}
	hide(l)
	hide(r)
	items := append([]*item{merged}, append(l[:len(l):len(l)], r...)...)
	if t.UsingAlias != "" {
		named := &item{alias: t.UsingAlias, relVisible: true, cols: merged.cols[:len(names):len(names)]}
		if err := checkAliases(items, []*item{named}, t.Position()); err != nil {
			return nil, nil, err
		}
		items = append(items, named)
		merged.alias = ""
	}
	return plan.And(conds...), items, nil
}

func commonNames(l, r []*item) []string {
	right := map[string]bool{}
	for _, it := range r {
		if it.colsVisible {
			for _, c := range it.cols {
				right[c.name] = right[c.name] || !c.hidden
			}
		}
	}
	var names []string
	seen := map[string]bool{}
	for _, it := range l {
		if !it.colsVisible {
			continue
		}
		for _, c := range it.cols {
			if !c.hidden && right[c.name] && !seen[c.name] {
				seen[c.name] = true
				names = append(names, c.name)
			}
		}
	}
	return names
}

func usingColumn(items []*item, name, side string, pos int) (*itemCol, error) {
	var hit *itemCol
	for _, it := range items {
		if !it.colsVisible {
			continue
		}
		for i := range it.cols {
			if it.cols[i].name != name || it.cols[i].hidden {
				continue
			}
			if hit != nil {
				return nil, pgerr.New(pgerr.AmbiguousColumn, "common column name %q appears more than once in %s table", name, side).At(pos)
			}
			hit = &it.cols[i]
		}
	}
	if hit == nil {
		return nil, pgerr.New(pgerr.UndefinedColumn, "column %q specified in USING clause does not exist in %s table", name, side)
	}
	return hit, nil
}

// mergeColumn makes the one column that USING leaves of two (buildMergedJoinVar).
func (b *binder) mergeColumn(name string, l, r *itemCol, kind plan.JoinKind, pos int) (itemCol, error) {
	es, t, err := b.unify([]expr.Expr{l.e, r.e}, "JOIN/USING", []int{pos, pos})
	if err != nil {
		return itemCol{}, err
	}
	col := itemCol{name: name}
	switch kind {
	case plan.FullJoin:
		col.e = &expr.Coalesce{Args: es, T: t}
	case plan.RightJoin:
		col.e = es[1]
		if es[1] == r.e {
			col.table, col.attnum = r.table, r.attnum
		}
	default:
		col.e = es[0]
		if es[0] == l.e {
			col.table, col.attnum = l.table, l.attnum
		}
	}
	return col, nil
}
