package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A level is what lies around a query: what it sees of outer queries, and WITH.
type level struct {
	parent *frame
	corr   *correlation
	ctes   *cteScope
	// top: it is no query inside of another statement.
	top bool
}

// A query is a plain SELECT while it is being bound.
type query struct {
	frame *frame
	ctes  *cteScope
	// aggregated: it groups; hasSets: it has set-returning functions.
	aggregated, hasSets bool
	windows             []*ast.Window // WINDOW clause
	locking             []ast.Locking
}

// selectStmt binds a query in any form. With keepUnknown columns that are bare
// literals keep type unknown, for INSERT and set operations, which know better.
func (b *binder) selectStmt(sel *ast.Select, lv *level, keepUnknown *bool) (plan.Node, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	if sel.SetOp != nil || sel.Values != nil {
		if err := checkLocking(sel, false, false, false); err != nil {
			return nil, err
		}
	}
	if sel.Into != nil {
		return nil, pgerr.New(pgerr.SyntaxError, "SELECT ... INTO is not allowed here").At(sel.Into.Position())
	}
	ctes, err := b.with(sel.With, lv)
	if err != nil {
		return nil, err
	}
	inner := &level{parent: lv.parent, corr: lv.corr, ctes: ctes}
	var n plan.Node
	switch {
	case sel.SetOp != nil:
		n, err = b.setOperation(sel, inner, keepUnknown)
	case sel.Values != nil:
		n, err = b.values(sel, inner, keepUnknown)
	default:
		n, err = b.plainSelect(sel, inner, keepUnknown != nil)
	}
	if err != nil {
		return nil, err
	}
	if sel.With == nil {
		return n, nil
	}
	return ctes.wrap(n), nil
}

// A target is an output column of a plain SELECT; hidden ones are there for
// ORDER BY and DISTINCT ON alone.
type target struct {
	name   string
	e      expr.Expr
	pos    int
	hidden bool
	table  datum.OID
	attnum int16
}

// plainSelect binds SELECT without WITH.
func (b *binder) plainSelect(sel *ast.Select, lv *level, keepUnknown bool) (plan.Node, error) {
	q := &query{ctes: lv.ctes, frame: &frame{parent: lv.parent, corr: lv.corr}, windows: sel.Windows, locking: sel.Locking}
	for i, w := range sel.Windows {
		if slices.ContainsFunc(sel.Windows[:i], func(o *ast.Window) bool { return o.Name == w.Name }) {
			return nil, pgerr.New(pgerr.WindowingError, "window %q is already defined", w.Name).At(w.Position())
		}
	}
	src, err := b.from(sel.From, q)
	if err != nil {
		return nil, err
	}
	q.frame.items = src.items
	if err := q.checkOf(); err != nil {
		return nil, err
	}
	s := &scope{frame: q.frame, q: q, ctes: q.ctes}
	p := &selectPlan{b: b, q: q, node: src.node, scope: s}
	if p.targets, err = b.targets(sel.Targets, s.with(clauseTarget)); err != nil {
		return nil, err
	}
	if sel.Where != nil {
		w, err := b.condition(sel.Where, s.with(clauseWhere), "WHERE")
		if err != nil {
			return nil, err
		}
		p.node, p.where = &plan.Filter{Input: p.node, Cond: w}, w
	}
	if sel.Having != nil {
		q.aggregated = true
		if p.having, err = b.condition(sel.Having, s.with(clauseHaving), "HAVING"); err != nil {
			return nil, err
		}
	}
	if p.order, err = p.orderBy(sel.OrderBy); err != nil {
		return nil, err
	}
	if err := p.groupBy(sel); err != nil {
		return nil, err
	}
	if err := p.distinctOn(sel); err != nil {
		return nil, err
	}
	if err := p.limitOf(sel, s); err != nil {
		return nil, err
	}
	for i := range p.targets {
		t := &p.targets[i]
		if keepUnknown && !t.hidden && !p.usedForOrder(i) {
			continue
		}
		if t.e, err = b.resolveUnknown(t.e); err != nil {
			return nil, err
		}
	}
	for i := range p.targets {
		if p.targets[i].e, err = b.settleRow(p.targets[i].e); err != nil {
			return nil, err
		}
	}
	if err := checkLocking(sel, q.aggregated, p.windowed(), q.hasSets); err != nil {
		return nil, err
	}
	if err := p.lockTargets(); err != nil {
		return nil, err
	}
	return p.build(sel)
}

// A selectPlan puts the nodes of a plain SELECT on top of each other.
type selectPlan struct {
	b       *binder
	q       *query
	scope   *scope
	node    plan.Node
	targets []target
	where   expr.Expr
	having  expr.Expr
	order   []orderKey
	on      []int // targets of DISTINCT ON
	sets    [][]int
	keys    []expr.Expr
	keyOf   map[int]int // of targets, with grouping sets
	locks   []rowLock
	grouped bool

	distinct, isOn bool
	limit, offset  expr.Expr
	withTies       bool
}

// An orderKey sorts by a target.
type orderKey struct {
	target           int
	desc, nullsFirst bool
}

func (p *selectPlan) usedForOrder(i int) bool {
	for _, k := range p.order {
		if k.target == i {
			return true
		}
	}
	return p.distinct
}

// targets binds a select list.
func (b *binder) targets(list []ast.Target, s *scope) ([]target, error) {
	var out []target
	for _, t := range list {
		if ref, ok := t.Expr.(*ast.ColumnRef); ok && ref.Star {
			cols, err := b.star(ref, s)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				out = append(out, target{name: c.name, e: c.e, pos: ref.Position(), table: c.table, attnum: c.attnum})
			}
			continue
		}
		if f, ok := t.Expr.(*ast.FieldSelect); ok && f.Star {
			more, err := b.expandRecord(f, s)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		x, err := b.expr(t.Expr, s)
		if err != nil {
			return nil, err
		}
		name := t.Alias
		if name == "" {
			name = ast.ColumnName(t.Expr)
		}
		tg := target{name: name, e: x, pos: position(t.Expr)}
		if c, ok := uncast(t.Expr).(*ast.ColumnRef); ok {
			if col := b.origin(c, s); col != nil && b.changesNothing(t.Expr, col.e.Type()) {
				tg.table, tg.attnum = col.table, col.attnum
			}
		}
		out = append(out, tg)
	}
	if len(out) > 1664 {
		return nil, pgerr.New(pgerr.TooManyColumns, "target lists can have at most 1664 entries")
	}
	return out, nil
}

// changesNothing says whether casts in an expression are all to the type that the value has.
func (b *binder) changesNothing(e ast.Expr, t datum.Type) bool {
	for {
		c, ok := e.(*ast.Cast)
		if !ok {
			return true
		}
		if to, err := b.typeName(c.Type); err != nil || to != t {
			return false
		}
		e = c.Arg
	}
}

// uncast is an expression without casts around it.
func uncast(e ast.Expr) ast.Expr {
	for {
		c, ok := e.(*ast.Cast)
		if !ok {
			return e
		}
		e = c.Arg
	}
}

// origin returns the column that a reference is to, nil if it is none of those that are in sight.
func (b *binder) origin(c *ast.ColumnRef, s *scope) *itemCol {
	for g := s.frame; g != nil; g = g.parent {
		for _, it := range g.items {
			name := c.Names[len(c.Names)-1]
			switch {
			case len(c.Names) == 1 && !it.colsVisible:
				continue
			case len(c.Names) > 1 && (it.alias != c.Names[len(c.Names)-2] || !it.relVisible):
				continue
			}
			if col, _ := it.column(name); col != nil {
				return col
			}
		}
	}
	return nil
}

// expandRecord expands (x).*.
func (b *binder) expandRecord(f *ast.FieldSelect, s *scope) ([]target, error) {
	x, err := b.expr(f.Arg, s)
	if err != nil {
		return nil, err
	}
	fields, names, err := b.fieldsOf(x, "*", f.Position())
	if err != nil {
		return nil, err
	}
	out := make([]target, len(fields))
	for i := range fields {
		out[i] = target{name: names[i], e: fields[i], pos: f.Position()}
	}
	return out, nil
}

// distinctOn binds DISTINCT and DISTINCT ON.
func (p *selectPlan) distinctOn(sel *ast.Select) error {
	if !sel.Distinct {
		return nil
	}
	p.distinct = true
	if len(sel.DistinctOn) == 0 {
		for _, k := range p.order {
			if p.targets[k.target].hidden {
				return pgerr.New(pgerr.InvalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list").
					At(p.targets[k.target].pos)
			}
		}
		for i := range p.targets {
			t := p.targets[i].e.Type().OID
			if t == datum.Unknown {
				t = datum.Text
			}
			if err := p.b.needEqual(t, p.targets[i].pos); err != nil {
				return err
			}
		}
		return nil
	}
	p.isOn = true
	for _, e := range sel.DistinctOn {
		i, err := p.targetOf(e, "DISTINCT ON", clauseDistinctOn)
		if err != nil {
			return err
		}
		p.on = appendNew(p.on, i)
	}
	// The expressions of ON must be the first ones of ORDER BY, in any order.
	matched := map[int]bool{}
	for _, k := range p.order {
		if len(matched) == len(p.on) {
			break
		}
		if !contains(p.on, k.target) {
			first := slices.IndexFunc(p.on, func(i int) bool { return !matched[i] })
			return pgerr.New(pgerr.InvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions").
				At(position(sel.DistinctOn[first]))
		}
		matched[k.target] = true
	}
	for _, i := range p.on {
		if !matched[i] {
			p.order = append(p.order, orderKey{target: i})
		}
	}
	return nil
}

func contains(list []int, x int) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

func appendNew(list []int, x int) []int {
	if contains(list, x) {
		return list
	}
	return append(list, x)
}

func (p *selectPlan) limitOf(sel *ast.Select, s *scope) (err error) {
	p.limit, p.offset, err = p.b.limits(sel, s)
	p.withTies = sel.WithTies
	return err
}

// limits binds LIMIT and OFFSET.
func (b *binder) limits(sel *ast.Select, s *scope) (limit, offset expr.Expr, err error) {
	one := func(e ast.Expr, c clause, name string) (expr.Expr, error) {
		if e == nil {
			return nil, nil
		}
		outside := &scope{frame: s.frame, clause: c, ctes: s.ctes}
		x, err := b.expr(e, outside)
		if err != nil {
			return nil, err
		}
		if x, err = b.specific(x, datum.Int8, name, position(e)); err != nil {
			return nil, err
		}
		if plan.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.Column); return ok }) {
			return nil, pgerr.New(pgerr.InvalidColumnReference, "argument of %s must not contain variables", name).At(position(e))
		}
		if k, ok := x.(*expr.Const); ok && k.Value == nil {
			return nil, nil
		}
		return x, nil
	}
	if offset, err = one(sel.Offset, clauseOffset, "OFFSET"); err != nil {
		return nil, nil, err
	}
	if limit, err = one(sel.Limit, clauseLimit, "LIMIT"); err != nil {
		return nil, nil, err
	}
	if sel.WithTies {
		if l, ok := sel.Limit.(*ast.Literal); ok && l.Kind == ast.Null {
			return nil, nil, pgerr.New(pgerr.InvalidRowCountLimit, "row count cannot be null in FETCH FIRST ... WITH TIES clause")
		}
		if len(sel.OrderBy) == 0 {
			return nil, nil, pgerr.New(pgerr.SyntaxError, "WITH TIES cannot be specified without ORDER BY clause")
		}
	}
	return limit, offset, nil
}

// build makes the plan of a SELECT whose parts are all bound.
func (p *selectPlan) build(sel *ast.Select) (plan.Node, error) {
	if p.q.aggregated || p.grouped {
		if err := p.aggregate(); err != nil {
			return nil, err
		}
	}
	if err := p.window(); err != nil {
		return nil, err
	}
	late := p.lateSets(sel)
	if late == nil {
		p.projectSets()
	}
	visible := 0
	out := make([]plan.Field, len(p.targets))
	es := make([]expr.Expr, len(p.targets))
	for i, t := range p.targets {
		es[i] = t.e
		out[i] = plan.Field{Name: t.name, Type: t.e.Type(), Table: t.table, Column: t.attnum, Record: recordOf(t.e)}
		if !t.hidden {
			visible++
		}
	}
	p.node = &plan.Project{Input: p.node, Exprs: es, Out: out}
	keys := make([]plan.SortKey, len(p.order))
	for i, k := range p.order {
		keys[i] = plan.SortKey{Expr: fieldColumn(out, k.target), Desc: k.desc, NullsFirst: k.nullsFirst}
	}
	if p.distinct && !p.isOn {
		p.node = &plan.Distinct{Input: p.node}
	}
	if len(keys) > 0 {
		p.node = &plan.Sort{Input: p.node, Keys: keys}
	}
	if p.isOn {
		on := make([]expr.Expr, len(p.on))
		for i, t := range p.on {
			on[i] = fieldColumn(out, t)
		}
		p.node = &plan.Distinct{Input: p.node, On: on}
	}
	if late != nil {
		p.node = late(p.node)
	}
	p.lockRows(out)
	if p.limit != nil || p.offset != nil {
		l := &plan.Limit{Input: p.node, Count: p.limit, Offset: p.offset}
		if p.withTies {
			l.WithTies = keys
		}
		p.node = l
	}
	if visible < len(out) {
		p.node = firstColumns(p.node, visible)
	}
	return p.node, nil
}

// lateSets leaves set-returning functions to be computed of the rows that DISTINCT ON chooses, as PostgreSQL
// does if there is an ORDER BY that has none of them: until then their targets are NULL, and the rows have their
// arguments as hidden columns. It returns what computes them, nil if they must not wait.
func (p *selectPlan) lateSets(sel *ast.Select) func(plan.Node) plan.Node {
	if !p.isOn || len(sel.OrderBy) == 0 {
		return nil
	}
	var waiting []int
	for i, t := range p.targets {
		if !hasSet(t.e) {
			continue
		}
		if p.usedForSorting(i) {
			return nil
		}
		waiting = append(waiting, i)
	}
	if len(waiting) == 0 {
		return nil
	}
	fields, first := p.node.Fields(), len(p.targets)
	es := make([]expr.Expr, len(waiting))
	for i, w := range waiting {
		t := &p.targets[w]
		es[i] = plan.Shift(t.e, first)
		t.e = &expr.Const{T: t.e.Type()}
	}
	for i := range fields {
		p.targets = append(p.targets, target{name: fields[i].Name, e: fieldColumn(fields, i), hidden: true})
	}
	return func(n plan.Node) plan.Node {
		q := &selectPlan{node: n}
		q.expandSets(nil, es)
		out := make([]expr.Expr, len(n.Fields()))
		for i := range out {
			out[i] = fieldColumn(n.Fields(), i)
		}
		for i, w := range waiting {
			out[w] = es[i]
		}
		return &plan.Project{Input: q.node, Exprs: out, Out: n.Fields()}
	}
}

func (p *selectPlan) usedForSorting(i int) bool {
	return slices.ContainsFunc(p.order, func(k orderKey) bool { return k.target == i }) || contains(p.on, i)
}

func fieldColumn(fields []plan.Field, i int) *expr.Column {
	return &expr.Column{Index: i, Name: fields[i].Name, T: fields[i].Type, Record: fields[i].Record}
}

// firstColumns cuts the hidden columns off.
func firstColumns(n plan.Node, k int) plan.Node {
	fields := n.Fields()[:k:k]
	es := make([]expr.Expr, k)
	for i := range es {
		es[i] = fieldColumn(fields, i)
	}
	return &plan.Project{Input: n, Exprs: es, Out: fields}
}

// projectSets adds the nodes that compute what is left of the set-returning functions of
// the targets.
func (p *selectPlan) projectSets() {
	if p.q.hasSets {
		p.expandSets(nil, nil)
	}
}

// setsIn returns the set-returning functions of expressions.
func setsIn(es ...expr.Expr) []expr.Expr {
	in := []expr.Expr{}
	for _, e := range es {
		plan.Walk(e, func(x expr.Expr) bool {
			if _, ok := x.(*setRef); ok {
				in = append(in, x)
			}
			return true
		})
	}
	return in
}

// expandSets adds the nodes that compute those set-returning functions of the targets and of more that
// are wanted, or like one that is (nil: all), the innermost ones first, and puts their columns in their places.
func (p *selectPlan) expandSets(wanted, more []expr.Expr) {
	for {
		x := &setExpansion{wanted: wanted, in: p.node.Fields()}
		for i := range more {
			more[i] = plan.Replace(more[i], x.replace)
		}
		for i := range p.targets {
			p.targets[i].e = plan.Replace(p.targets[i].e, x.replace)
		}
		if len(x.refs) == 0 {
			return
		}
		p.node = x.node(p.node)
		next := slices.Clone(wanted)
		for i := range wanted {
			next[i] = plan.Replace(wanted[i], x.replace)
		}
		wanted = next
	}
}

// A setExpansion is a ProjectSet that is being put together.
type setExpansion struct {
	wanted []expr.Expr
	in     []plan.Field
	refs   []*setRef
}

func (x *setExpansion) wants(s *setRef) bool {
	return x.wanted == nil || slices.ContainsFunc(x.wanted, func(w expr.Expr) bool { return plan.Equal(w, s) })
}

func (x *setExpansion) replace(e expr.Expr) (expr.Expr, bool) {
	s, ok := e.(*setRef)
	if !ok || !x.wants(s) || slices.ContainsFunc(s.call.Args, hasSet) { // its arguments come first
		return nil, false
	}
	at := slices.Index(x.refs, s)
	if at < 0 {
		at = len(x.refs)
		x.refs = append(x.refs, s)
	}
	return &expr.Column{Index: len(x.in) + at, Name: s.call.Fn.Name, T: s.call.T, Record: recordOf(s)}, true
}

func (x *setExpansion) node(input plan.Node) plan.Node {
	n := &plan.ProjectSet{Input: input, Out: slices.Clone(x.in)}
	for i := range x.in {
		n.Exprs = append(n.Exprs, fieldColumn(x.in, i))
		n.Sets = append(n.Sets, nil)
	}
	for _, s := range x.refs {
		call := s.call
		n.Exprs = append(n.Exprs, nil)
		n.Sets = append(n.Sets, &call)
		n.Out = append(n.Out, plan.Field{Name: call.Fn.Name, Type: call.T})
	}
	return n
}
