package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A change is what UPDATE and DELETE have in common: the rows that they change, with
// what FROM or USING joins to each.
type change struct {
	b     *binder
	with  *ast.With
	ctes  *cteScope
	dest  *destination
	table *schema.Table
	// node yields the table's live columns, then those of FROM, of which items are; each row
	// of the table comes once at most.
	node  plan.Node
	items []*item
}

// changed finds what a command changes, and what it is called.
func (b *binder) changed(ref *ast.TableRef) (d *destination, alias string, err error) {
	pos := ref.Name.Position()
	if pos == 0 {
		pos = ref.Position()
	}
	if d, err = b.destination(ref.Name, pos); err != nil {
		return nil, "", err
	}
	if ref.Alias != nil {
		return d, ref.Alias.Name, nil
	}
	return d, d.face.Name, nil
}

// scanChanged reads the rows that are to be changed.
func (b *binder) scanChanged(d *destination, alias string, ref *ast.TableRef) *source {
	src := d.scan(b, alias)
	if ref.Alias != nil {
		src.items[0].namespace = ""
	}
	return src
}

// numbered adds a column with a number for each row, so that a row can be told from others
// behind a join.
func numbered(n plan.Node) plan.Node {
	fields := n.Fields()
	return &plan.Number{Input: n, Out: append(fields[:len(fields):len(fields)], plan.Field{Name: "row_number", Type: datum.Of(datum.Int8)})}
}

// change binds the table, FROM and WHERE.
func (b *binder) change(lv *level, with *ast.With, ref *ast.TableRef, from []ast.TableExpr, where ast.Expr) (*change, error) {
	ctes, err := b.with(with, lv)
	if err != nil {
		return nil, err
	}
	d, alias, err := b.changed(ref)
	if err != nil {
		return nil, err
	}
	c := &change{b: b, with: with, ctes: ctes, dest: d, table: d.table}
	src := b.scanChanged(d, alias, ref)
	target := src.items[0]
	number := len(src.node.Fields())
	if len(from) > 0 {
		src.node = numbered(src.node)
		target.lateralBad, target.changed = true, true
		if src, err = b.fromAfter(src, from, &query{frame: &frame{}, ctes: ctes}); err != nil {
			return nil, err
		}
		target.lateralBad = false
	}
	c.node, c.items = src.node, src.items
	if where != nil {
		w, err := b.condition(where, c.scope(clauseWhere), "WHERE")
		if err != nil {
			return nil, err
		}
		c.node = &plan.Filter{Input: c.node, Cond: w}
	}
	if len(from) > 0 {
		c.node = &plan.FirstOf{Input: c.node, Column: number}
	}
	return c, nil
}

func (c *change) scope(in clause) *scope {
	return &scope{frame: &frame{items: c.items}, clause: in, ctes: c.ctes}
}

// returning binds RETURNING, over rows in which all columns are moved to the right.
func (c *change) returning(list []ast.Target, by int) ([]expr.Expr, []plan.Field, error) {
	if list == nil {
		return nil, nil, nil
	}
	items := make([]*item, len(c.items))
	for i, it := range c.items {
		moved := *it
		moved.cols = append([]itemCol(nil), it.cols...)
		items[i] = &moved
	}
	shiftItems(items, by)
	return c.b.returning(list, items, c.ctes)
}

// source is the plan of the statement: the first columns of n, then what RETURNING wants.
func (c *change) source(n plan.Node, columns int, returning []expr.Expr, out []plan.Field) plan.Node {
	if returning != nil || len(n.Fields()) > columns {
		fields := n.Fields()
		p := &plan.Project{Input: n, Out: append(fields[:columns:columns], out...)}
		for i := range columns {
			p.Exprs = append(p.Exprs, fieldColumn(fields, i))
		}
		p.Exprs = append(p.Exprs, returning...)
		n = p
	}
	if c.with != nil {
		n = c.ctes.wrap(n)
	}
	return n
}

// delete binds DELETE.
func (b *binder) delete(s *ast.Delete, lv *level) (plan.Statement, error) {
	c, err := b.change(lv, s.With, s.Table, s.Using, s.Where)
	if err != nil {
		return nil, err
	}
	returning, out, err := c.returning(s.Returning, 0)
	if err != nil {
		return nil, err
	}
	if err := c.dest.allowed(deleting); err != nil {
		return nil, err
	}
	live := len(liveColumns(c.table))
	return &plan.Delete{Table: c.table, Source: c.source(c.node, live, returning, out), Out: out}, nil
}

// update binds UPDATE. RETURNING comes before SET, as errors do in PostgreSQL.
func (b *binder) update(s *ast.Update, lv *level) (plan.Statement, error) {
	c, err := b.change(lv, s.With, s.Table, s.From, s.Where)
	if err != nil {
		return nil, err
	}
	live := c.dest.width()
	returning, out, err := c.returning(s.Returning, live)
	if err != nil {
		return nil, err
	}
	set := &setBinder{binder: b, scope: c.scope(clauseUpdateSource), width: len(c.node.Fields()),
		old: func(i int) expr.Expr { return fieldColumn(c.node.Fields(), i) }}
	list, err := set.assignments(s.Set, c.dest)
	if err != nil {
		return nil, err
	}
	n := c.node
	if set.records != nil {
		p := &plan.Project{Input: n, Out: n.Fields()}
		for i := range n.Fields() {
			p.Exprs = append(p.Exprs, fieldColumn(n.Fields(), i))
		}
		for _, r := range set.records {
			p.Exprs = append(p.Exprs, r)
			p.Out = append(p.Out[:len(p.Out):len(p.Out)], plan.Field{Name: "row", Type: r.Type()})
		}
		n = p
	}
	if n, err = b.compute(changedRows(n, live, set.width, list), c.table, live); err != nil {
		return nil, err
	}
	st := &plan.Update{Table: c.table, Source: c.source(n, 2*live, returning, out), Out: out}
	for _, a := range list {
		st.Set = append(st.Set, a.Column)
	}
	for i, li := range liveColumns(c.table) {
		if c.table.Columns[li].Generated != "" {
			st.Set = append(st.Set, i)
		}
	}
	st.Rules, err = c.dest.rules(b)
	return st, err
}

// changedRows yields the old row, the new row, and what else there is beside the table's
// columns.
func changedRows(n plan.Node, live, width int, set []assignment) plan.Node {
	fields := n.Fields()
	p := &plan.Project{Input: n, Out: append(append(fields[:live:live], fields[:live]...), fields[live:width]...)}
	for i := range live {
		p.Exprs = append(p.Exprs, fieldColumn(fields, i))
	}
	for i := range width {
		p.Exprs = append(p.Exprs, fieldColumn(fields, i))
	}
	for _, a := range set {
		p.Exprs[live+a.Column] = a.Value
	}
	return p
}
