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
	table *schema.Table
	// node yields the table's live columns, then those of FROM, of which items are; each row
	// of the table comes once at most.
	node  plan.Node
	items []*item
}

// change binds the table, FROM and WHERE.
func (b *binder) change(with *ast.With, ref *ast.TableRef, command writing, from []ast.TableExpr, where ast.Expr) (*change, error) {
	ctes, err := b.with(with, &level{})
	if err != nil {
		return nil, err
	}
	pos := ref.Name.Position()
	if pos == 0 {
		pos = ref.Position()
	}
	t, err := b.writable(ref.Name, pos, command)
	if err != nil {
		return nil, err
	}
	c := &change{b: b, with: with, ctes: ctes, table: t}
	alias := t.Name
	if ref.Alias != nil {
		alias = ref.Alias.Name
	}
	src := b.scanTable(t, alias)
	target := src.items[0]
	if ref.Alias != nil {
		target.namespace = ""
	}
	number := len(target.cols)
	if len(from) > 0 {
		fields := src.node.Fields()
		out := append(fields[:number:number], plan.Field{Name: "row_number", Type: datum.Of(datum.Int8)})
		src.node = &plan.Number{Input: src.node, Out: out}
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
func (b *binder) delete(s *ast.Delete) (plan.Statement, error) {
	c, err := b.change(s.With, s.Table, deletingFrom, s.Using, s.Where)
	if err != nil {
		return nil, err
	}
	returning, out, err := c.returning(s.Returning, 0)
	if err != nil {
		return nil, err
	}
	live := len(liveColumns(c.table))
	return &plan.Delete{Table: c.table, Source: c.source(c.node, live, returning, out), Out: out}, nil
}

// update binds UPDATE. RETURNING comes before SET, as errors do in PostgreSQL.
func (b *binder) update(s *ast.Update) (plan.Statement, error) {
	c, err := b.change(s.With, s.Table, updating, s.From, s.Where)
	if err != nil {
		return nil, err
	}
	live := len(liveColumns(c.table))
	returning, out, err := c.returning(s.Returning, live)
	if err != nil {
		return nil, err
	}
	set := &setBinder{binder: b, scope: c.scope(clauseUpdateSource), width: len(c.node.Fields())}
	list, err := set.assignments(s.Set, c.table)
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
	st := &plan.Update{Table: c.table, Source: c.source(changedRows(n, live, set.width, list), 2*live, returning, out), Out: out}
	for _, a := range list {
		st.Set = append(st.Set, a.Column)
	}
	return st, nil
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
