package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// An assignment is one column of SET and its value, converted to the column's type.
type assignment struct {
	plan.Assignment
	element bool // only elements of the column are set
}

// A setSource is the value of a column of SET.
type setSource struct {
	target ast.ColumnTarget
	at     int // the column, as an index into those of the face
	set    ast.SetClause
	value  expr.Expr // nil for DEFAULT
	pos    int
}

// A setBinder binds the values of SET.
type setBinder struct {
	*binder
	scope *scope
	// old returns the live column of that number as it is before.
	old func(i int) expr.Expr
	// records are the rows of subqueries of several columns: each is computed once, as a
	// column after those of the row, of which there are width. A negative width: there is no place for them.
	records []expr.Expr
	width   int
}

// assignments binds SET: first all values, then the columns, which is the order in which
// PostgreSQL finds errors.
func (b *setBinder) assignments(list []ast.SetClause, d *destination) ([]assignment, error) {
	var sources []setSource
	var err error
	for _, set := range list {
		var more []setSource
		more, err = b.sources(set)
		if err != nil {
			return nil, err
		}
		sources = append(sources, more...)
	}
	for i := range sources {
		src := &sources[i]
		if src.at, err = setColumn(d.face, src.target); err != nil {
			return nil, err
		}
		if c := &d.face.Columns[src.at]; src.value != nil && src.target.Indirection == nil {
			if src.value, err = b.assign(src.value, c.Type, c.Name, src.pos); err != nil {
				return nil, err
			}
		}
	}
	if err := d.allowed(updating); err != nil {
		return nil, err
	}
	t, live := d.table, liveColumns(d.table)
	var out []assignment
	for _, src := range sources {
		at, err := d.base(src.at, updating)
		if err != nil {
			return nil, err
		}
		c := &t.Columns[at]
		a := assignment{element: src.target.Indirection != nil}
		a.Column = slices.Index(live, at)
		switch {
		case a.element:
			if out, err = b.element(out, a, src, c); err != nil {
				return nil, err
			}
			continue
		case src.value == nil:
			a.Value, err = b.updateDefault(d, src.at, c)
		default:
			a.Value, err = src.value, updatable(c)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	for i := range out {
		for j := range i {
			if out[i].Column == out[j].Column {
				return nil, pgerr.New(pgerr.SyntaxError, "multiple assignments to same column %q", t.Columns[live[out[i].Column]].Name)
			}
		}
	}
	return out, nil
}

// element binds an assignment to an element of a column, of which there may be several.
func (b *setBinder) element(out []assignment, a assignment, src setSource, c *schema.Column) ([]assignment, error) {
	if src.value == nil {
		what := "an array element"
		if _, field := src.target.Indirection.(*ast.FieldSelect); field {
			what = "a subfield"
		}
		return nil, pgerr.Unsupported("cannot set %s to DEFAULT", what).At(src.target.Position())
	}
	if err := updatable(c); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(out, func(o assignment) bool { return o.Column == a.Column && o.element })
	old := b.old(a.Column)
	if i >= 0 {
		old = out[i].Value
	}
	var err error
	if a.Value, err = b.assignElement(old, src, c); err != nil {
		return nil, err
	}
	if i >= 0 {
		out[i].Value = a.Value
		return out, nil
	}
	return append(out, a), nil
}

// setColumn finds a column that SET names, as an index into Table.Columns.
func setColumn(t *schema.Table, c ast.ColumnTarget) (int, error) {
	if systemColumns[c.Name] {
		return 0, pgerr.Unsupported("cannot assign to system column %q", c.Name).At(c.Position())
	}
	cols, err := targetColumns(t, []string{c.Name}, []int{c.Position()})
	if err != nil {
		return 0, err
	}
	return cols[0], nil
}

// sources binds the values of col = value or (a, b) = (x, y).
func (b *setBinder) sources(set ast.SetClause) ([]setSource, error) {
	if !set.Multi {
		src := setSource{target: set.Columns[0], set: set, pos: position(set.Value)}
		if _, ok := set.Value.(*ast.Default); ok {
			return []setSource{src}, nil
		}
		var err error
		src.value, err = b.expr(set.Value, b.scope)
		return []setSource{src}, err
	}
	var out []setSource
	var err error
	switch v := set.Value.(type) {
	case *ast.Row:
		out, err = b.row(v)
	case *ast.Subquery:
		out, err = b.subquery(v, len(set.Columns))
	default:
		err = pgerr.Unsupported("source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression").At(position(v))
	}
	if err != nil {
		return nil, err
	}
	if len(out) != len(set.Columns) {
		return nil, wrongWidth(set.Value)
	}
	for i := range out {
		out[i].target, out[i].set = set.Columns[i], set
	}
	return out, nil
}

func wrongWidth(e ast.Expr) error {
	return pgerr.New(pgerr.SyntaxError, "number of columns does not match number of values").At(position(e))
}

func (b *setBinder) row(row *ast.Row) ([]setSource, error) {
	var out []setSource
	for _, f := range row.Fields {
		if _, ok := f.(*ast.Default); ok {
			out = append(out, setSource{pos: position(f)})
			continue
		}
		if ref, ok := f.(*ast.ColumnRef); ok && ref.Star {
			cols, err := b.star(ref, b.scope)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				out = append(out, setSource{value: c.e, pos: position(f)})
			}
			continue
		}
		x, err := b.expr(f, b.scope)
		if err != nil {
			return nil, err
		}
		out = append(out, setSource{value: x, pos: position(f)})
	}
	return out, nil
}

// subquery binds a subquery of several columns.
func (b *setBinder) subquery(q *ast.Subquery, columns int) ([]setSource, error) {
	n, corr, err := b.nested(q.Query, b.scope, q.Position())
	if err != nil {
		return nil, err
	}
	fields := n.Fields()
	switch {
	case len(fields) != columns:
		return nil, wrongWidth(q)
	case columns == 1:
		return []setSource{{value: b.subqueryOf(expr.ScalarSubquery, n, corr, fields[0].Type), pos: b.outputPos(n, 0)}}, nil
	case b.width < 0:
		return nil, pgerr.Unsupported("a subquery of several columns is not supported in ON CONFLICT DO UPDATE").At(q.Position())
	}
	t := datum.Of(datum.Record)
	row := &expr.RowCtor{T: t}
	for i, f := range fields {
		row.Fields, row.Names = append(row.Fields, fieldColumn(fields, i)), append(row.Names, f.Name)
	}
	one := &plan.Project{Input: n, Exprs: []expr.Expr{row}, Out: []plan.Field{{Name: "row", Type: t}}}
	record := &expr.Column{Index: b.width + len(b.records), Name: "row", T: t, Record: recordOf(row)}
	b.records = append(b.records, b.subqueryOf(expr.ScalarSubquery, one, corr, t))
	out := make([]setSource, len(fields))
	for i, x := range selectFields(record, record.Record) {
		out[i] = setSource{value: x, pos: b.outputPos(n, i)}
	}
	return out, nil
}
