package bind

import (
	"cmp"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A merge is MERGE while it is being bound: the rows of the source, each joined to the
// rows of the table that it matches, or to none.
type merge struct {
	b      *binder
	ctes   *cteScope
	dest   *destination
	table  *schema.Table
	target *item
	items  []*item // the source's, then the target
	node   plan.Node
	from   int // where the table's columns begin; behind them stands the row's number
	out    *plan.Merge
	// rows has, for each action, the values of the new row.
	rows [][]expr.Expr
	// matched and others choose an action, for rows of the source that match and for others.
	matched, others expr.Case
}

var actionType = datum.Of(datum.Int4)

// merge binds MERGE.
func (b *binder) merge(s *ast.Merge, lv *level) (plan.Statement, error) {
	if s.With != nil && s.With.Recursive {
		return nil, pgerr.New(pgerr.SyntaxError, "WITH RECURSIVE is not supported for MERGE statement")
	}
	if err := checkReachable(s.Whens); err != nil {
		return nil, err
	}
	ctes, err := b.with(s.With, lv)
	if err != nil {
		return nil, err
	}
	m := &merge{b: b, ctes: ctes, matched: expr.Case{T: actionType}, others: expr.Case{T: actionType}}
	if err := m.join(s); err != nil {
		return nil, err
	}
	for i := range s.Whens {
		if err := m.when(&s.Whens[i]); err != nil {
			return nil, err
		}
	}
	if m.out.Source, err = b.compute(m.changes(), m.table, len(liveColumns(m.table))); err != nil {
		return nil, err
	}
	for i, c := range liveColumns(m.table) {
		if m.table.Columns[c].Generated != "" {
			m.out.Set = append(m.out.Set, i)
		}
	}
	if m.out.Rules, err = b.rules(m.table); err != nil {
		return nil, err
	}
	if s.With != nil {
		m.out.Source = ctes.wrap(m.out.Source)
	}
	return m.out, nil
}

// checkReachable refuses a WHEN clause behind one of its kind that has no condition.
func checkReachable(whens []ast.MergeWhen) error {
	last := map[bool]bool{}
	for _, w := range whens {
		if last[w.Matched] {
			return pgerr.New(pgerr.SyntaxError, "unreachable WHEN clause specified after unconditional WHEN clause")
		}
		last[w.Matched] = w.Cond == nil
	}
	return nil
}

// join joins the source to the table.
func (m *merge) join(s *ast.Merge) error {
	b := m.b
	rel, err := b.relation(s.Table.Name, cmp.Or(s.Table.Name.Position(), s.Table.Position()), nil)
	if err != nil {
		return err
	}
	switch refused := pgerr.Unsupported("cannot execute MERGE on relation %q", s.Table.Name.Name); {
	case rel.view != nil:
		return refused.WithDetail("This operation is not supported for views.")
	case rel.table != nil && rel.table.Materialized != nil:
		return refused.WithDetail("This operation is not supported for materialized views.")
	}
	d, alias, err := b.changed(s.Table)
	if err != nil {
		return err
	}
	m.dest, m.table, m.out = d, d.table, &plan.Merge{Table: d.table}
	q := &query{frame: &frame{}, ctes: m.ctes}
	src, err := b.tableExpr(s.Source, q, &frame{}, &correlation{b: b})
	if err != nil {
		return err
	}
	for _, it := range src.items {
		if it.relVisible && it.alias == alias {
			return pgerr.New(pgerr.DuplicateAlias, "name %q specified more than once", alias).
				WithDetail("The name is used both as MERGE target table and data source.")
		}
	}
	target := b.scanChanged(d, alias, s.Table)
	target.node = numbered(target.node)
	m.target, m.from = target.items[0], len(src.node.Fields())
	kind := plan.InnerJoin
	for _, w := range s.Whens {
		if !w.Matched {
			kind = plan.LeftJoin
		}
	}
	both, err := b.combine(kind, src, target, nil, nil)
	if err != nil {
		return err
	}
	m.items = both.items
	cond, err := b.condition(s.On, m.scope(clauseJoinOn), "JOIN/ON")
	both.node.(*plan.Join).Cond = cond
	m.node = both.node
	return err
}

func (m *merge) scope(in clause) *scope {
	return &scope{frame: &frame{items: m.items}, clause: in, ctes: m.ctes}
}

// sourceScope sees what a row of the source that matches nothing has.
func (m *merge) sourceScope(in clause) *scope {
	hidden := *m.target
	hidden.relVisible, hidden.colsVisible = false, false
	s := m.scope(in)
	s.frame.items = append(m.items[:len(m.items)-1:len(m.items)-1], &hidden)
	return s
}

// when binds a WHEN clause.
func (m *merge) when(w *ast.MergeWhen) error {
	scope := m.scope
	choice := &m.matched
	if !w.Matched {
		scope, choice = m.sourceScope, &m.others
	}
	then := expr.When{Cond: &expr.Const{T: datum.Of(datum.Bool), Value: true}, Then: &expr.Const{T: actionType}}
	if w.Cond != nil {
		cond, err := m.b.condition(w.Cond, scope(clauseMergeWhen), "WHEN")
		if err != nil {
			return err
		}
		then.Cond = cond
	}
	if w.Action != ast.MergeNothing {
		row, set, err := m.newRow(w, scope)
		if err != nil {
			return err
		}
		then.Then = &expr.Const{T: actionType, Value: int32(len(m.rows))}
		m.rows = append(m.rows, row)
		m.out.Actions = append(m.out.Actions, w.Action)
		for _, c := range set {
			if !contains(m.out.Set, c) {
				m.out.Set = append(m.out.Set, c)
			}
		}
	}
	choice.Whens = append(choice.Whens, then)
	return nil
}

// newRow binds the columns of the row that an action leaves, and says which of them SET
// names.
func (m *merge) newRow(w *ast.MergeWhen, scope func(clause) *scope) (row []expr.Expr, set []int, err error) {
	if w.Action == ast.MergeInsert {
		row, err = m.inserted(w, scope(clauseValues))
		return row, nil, err
	}
	fields := m.node.Fields()
	for i := range liveColumns(m.table) {
		row = append(row, fieldColumn(fields, m.from+i))
	}
	if w.Action == ast.MergeUpdate {
		list, err := (&setBinder{binder: m.b, scope: scope(clauseUpdateSource), width: -1,
			old: func(i int) expr.Expr { return fieldColumn(fields, m.from+i) }}).assignments(w.Set, m.dest)
		if err != nil {
			return nil, nil, err
		}
		for _, a := range list {
			row[a.Column], set = a.Value, append(set, a.Column)
		}
	}
	return row, set, nil
}

// inserted binds the values of INSERT, completed with defaults.
func (m *merge) inserted(w *ast.MergeWhen, s *scope) ([]expr.Expr, error) {
	names, pos, err := columnNames(w.Columns)
	if err != nil {
		return nil, err
	}
	cols, err := targetColumns(m.table, names, pos)
	if err != nil {
		return nil, err
	}
	if w.Values == nil {
		cols = nil
	}
	if len(w.Values) > len(cols) {
		return nil, pgerr.New(pgerr.SyntaxError, "INSERT has more expressions than target columns").At(position(w.Values[len(cols)]))
	}
	if len(w.Values) < len(cols) && names != nil {
		return nil, pgerr.New(pgerr.SyntaxError, "INSERT has more target columns than expressions").At(pos[len(w.Values)])
	}
	cols = cols[:len(w.Values)]
	ignored, err := givenColumns(w.Overriding, m.table, cols, allDefault([][]ast.Expr{w.Values}))
	if err != nil {
		return nil, err
	}
	given := map[int]expr.Expr{}
	for i, v := range w.Values {
		x, err := m.b.insertValue(v, m.dest, &insertColumn{at: cols[i], column: m.table.Columns[cols[i]]}, s)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ignored, i) {
			given[cols[i]] = x
		}
	}
	var row []expr.Expr
	for _, c := range liveColumns(m.table) {
		x := given[c]
		if x == nil {
			if x, err = m.b.defaultOf(m.table, &m.table.Columns[c]); err != nil {
				return nil, err
			}
		}
		row = append(row, x)
	}
	return row, nil
}

// changes yields, for each row of the join that something is done for, the old row, the
// new row, the action as an index and the number of the old row. Values are computed for
// the rows of their action only.
func (m *merge) changes() plan.Node {
	fields := m.node.Fields()
	live := len(liveColumns(m.table))
	number := fieldColumn(fields, m.from+live)
	width := len(fields)

	chosen := &plan.Project{Input: m.node, Out: append(fields[:width:width], plan.Field{Name: "action", Type: actionType})}
	for i := range width {
		chosen.Exprs = append(chosen.Exprs, fieldColumn(fields, i))
	}
	chosen.Exprs = append(chosen.Exprs, choose(number, &m.others, &m.matched))
	action := fieldColumn(chosen.Out, width)
	done := &plan.Filter{Input: chosen, Cond: &expr.IsNull{Arg: action, Not: true}}

	out := &plan.Project{Input: done}
	for i := range live {
		out.Exprs = append(out.Exprs, fieldColumn(fields, m.from+i))
	}
	eq, _ := m.b.equality(datum.Int4)
	for i := range live {
		c := expr.Case{T: fields[m.from+i].Type}
		for a, row := range m.rows {
			is := &expr.Call{Fn: eq.Fn, Args: []expr.Expr{action, &expr.Const{T: actionType, Value: int32(a)}}, T: datum.Of(datum.Bool)}
			c.Whens = append(c.Whens, expr.When{Cond: is, Then: row[i]})
		}
		out.Exprs = append(out.Exprs, &c)
	}
	out.Exprs = append(out.Exprs, action, number)
	out.Out = append(append(append(out.Out, fields[m.from:m.from+live]...), fields[m.from:m.from+live]...), chosen.Out[width], fields[m.from+live])
	return out
}

// choose is others for rows without a number and matched for rows that have one.
func choose(number expr.Expr, others, matched *expr.Case) expr.Expr {
	branch := func(c *expr.Case) expr.Expr {
		if len(c.Whens) == 0 {
			return &expr.Const{T: actionType}
		}
		return c
	}
	return &expr.Case{Whens: []expr.When{{Cond: &expr.IsNull{Arg: number}, Then: branch(others)}}, Else: branch(matched), T: actionType}
}
