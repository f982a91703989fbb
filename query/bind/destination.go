package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A destination is what a command writes to: a table, or a view whose rows are those of one.
type destination struct {
	table *schema.Table // nil: a view that cannot be written to
	// face has the columns that the command sees: it is the table, or stands for the view.
	face *schema.Table
	view *viewRows // nil: it is the table itself
	// inner is what a view reads, if that is a view, too.
	inner *destination
}

// writing is what a command does with a table, for errors.
type writing uint8

const (
	inserting writing = iota
	updating
	deleting
)

// refusal is the error of a view that cannot be written to.
func (w writing) refusal(view, why string) *pgerr.Error {
	words := [...][3]string{inserting: {"insert into", "inserting into", "INSERT"}, updating: {"update", "updating", "UPDATE"}, deleting: {"delete from", "deleting from", "DELETE"}}[w]
	return pgerr.New(pgerr.ObjectNotInState, "cannot %s view %q", words[0], view).WithDetail("%s", why).
		WithHint("To enable %s the view, provide an INSTEAD OF %s trigger or an unconditional ON %[2]s DO INSTEAD rule.", words[1], words[2])
}

// destination finds what a command writes to; pos is for errors.
func (b *binder) destination(n ast.Name, pos int) (*destination, error) {
	rel, err := b.relation(n, pos, nil)
	if err != nil {
		return nil, err
	}
	if rel.view != nil {
		return b.viewDestination(rel.view)
	}
	t, err := rel.writable()
	return &destination{table: t, face: t}, err
}

// writable is a relation as a table that can be written to.
func (r *relation) writable() (*schema.Table, error) {
	switch {
	case r.sequence != nil:
		return nil, pgerr.New(pgerr.WrongObjectType, "cannot change sequence %q", r.sequence.Name)
	case r.virtual != nil:
		return nil, pgerr.New(pgerr.InsufficientPrivilege, "permission denied: %q is a system catalog", r.virtual.Name)
	case r.table.Materialized != nil:
		return nil, pgerr.New(pgerr.WrongObjectType, "cannot change materialized view %q", r.table.Name)
	}
	return r.table, nil
}

// allowed says whether the command can write at all.
func (d *destination) allowed(w writing) error {
	if d.view == nil {
		return nil
	}
	refused := d.view.refused
	if refused == nil && w != deleting {
		refused = d.view.noColumns
	}
	if refused == nil {
		return nil
	}
	return w.refusal(refused.view.Name, refused.why)
}

// base is the column of the table that a column of the face is, as indexes into Columns.
func (d *destination) base(at int, w writing) (int, error) {
	if d.view == nil {
		return at, nil
	}
	c := &d.view.columns[at]
	if c.base >= 0 {
		return c.base, nil
	}
	do := "insert into"
	if w == updating {
		do = "update"
	}
	return 0, pgerr.Unsupported("cannot %s column %q of view %q", do, c.name, c.view).WithDetail("%s", c.why)
}

// bases are the columns of the table that columns of the face are, for INSERT.
func (d *destination) bases(cols []insertColumn) ([]int, error) {
	out := make([]int, len(cols))
	for i, c := range cols {
		base, err := d.base(c.at, inserting)
		if err != nil {
			return nil, err
		}
		if j := slices.Index(out[:i], base); j >= 0 && (c.element == nil || cols[j].element == nil) {
			return nil, pgerr.New(pgerr.SyntaxError, "multiple assignments to same column %q", d.table.Columns[base].Name)
		}
		out[i] = base
	}
	return out, nil
}

// insertDefault binds what INSERT puts into a column of the face that it has no value for: the
// default of the outermost view that has one, or the table's.
func (b *binder) insertDefault(d *destination, at int) (expr.Expr, error) {
	base, err := d.base(at, inserting)
	if err != nil {
		return nil, err
	}
	for v := d; v != nil && v.view != nil; v = v.inner {
		if v != d {
			at = slices.IndexFunc(v.view.columns, func(c viewColumn) bool { return c.base == base })
		}
		if c := &v.face.Columns[at]; c.Default != "" {
			return b.defaultOf(v.face, c)
		}
	}
	return b.defaultOf(d.table, &d.table.Columns[base])
}

// updateDefault binds what SET ... = DEFAULT puts into a column of the face, which is c of the
// table: views that have no default have NULL.
func (b *binder) updateDefault(d *destination, at int, c *schema.Column) (expr.Expr, error) {
	if d.view == nil {
		return b.defaultOf(d.table, c)
	}
	if err := updatable(c); err != nil {
		return nil, err
	}
	return b.defaultOf(d.face, &d.face.Columns[at])
}

// defaults are, by columns of the table, those of columns of views that are not given: a view's own
// come before those of what it reads.
func (d *destination) defaults(b *binder, given []insertColumn) (map[int]expr.Expr, error) {
	if d.view == nil {
		return nil, nil
	}
	bases, err := d.bases(given)
	if err != nil {
		return nil, err
	}
	out := map[int]expr.Expr{}
	for v := d; v != nil && v.view != nil; v = v.inner {
		for at := range v.face.Columns {
			c := &v.face.Columns[at]
			if c.Default == "" {
				continue
			}
			base, err := v.base(at, inserting)
			if err != nil {
				return nil, err
			}
			if _, has := out[base]; has || slices.Contains(bases, base) {
				continue
			}
			if out[base], err = b.defaultOf(v.face, c); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// item is the face over rows of the table that start at a column.
func (d *destination) item(b *binder, alias string, from int) *item {
	if d.view == nil {
		return b.tableItem(d.table, alias, from)
	}
	it := &item{alias: alias, namespace: b.namespaceName(d.face.Namespace), oid: d.face.OID, relVisible: true, colsVisible: true}
	for i, c := range d.view.columns {
		it.cols = append(it.cols, itemCol{name: d.face.Columns[i].Name, e: plan.Shift(c.e, from), table: d.face.OID, attnum: int16(i + 1)})
	}
	return it
}

// scan reads the rows that a command may change: the columns of the table, of which the item
// shows the face.
func (d *destination) scan(b *binder, alias string) *source {
	if d.view == nil {
		return b.scanTable(d.table, alias)
	}
	if d.view.refused != nil {
		it := itemOver(alias, d.view.source.Fields())
		for i := range it.cols {
			it.cols[i].name = d.face.Columns[i].Name
		}
		return &source{node: d.view.source, items: []*item{it}}
	}
	src := b.scanTable(d.table, alias)
	for _, c := range d.view.conditions {
		src.node = &plan.Filter{Input: src.node, Cond: c.Cond}
	}
	src.items = []*item{d.item(b, alias, 0)}
	return src
}

// width is how many columns the rows have that scan yields.
func (d *destination) width() int {
	if d.table == nil {
		return len(d.face.Columns)
	}
	return len(liveColumns(d.table))
}

// rules binds what is asked of each row that goes in.
func (d *destination) rules(b *binder) (*plan.Rules, error) {
	out, err := b.rules(d.table)
	if err != nil || d.view == nil || d.view.checks == nil {
		return out, err
	}
	if out == nil {
		out = &plan.Rules{}
	}
	out.Views = d.view.checks
	return out, nil
}
