package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// viewRows are the rows of a view as rows of the table that it reads, through other views
// maybe.
type viewRows struct {
	columns []viewColumn
	// conditions are those of the views, over the live columns of the table, inner ones
	// first: rows of the view obey all of them. New rows must obey the checks.
	conditions, checks []plan.Check
	// refused says why the view cannot be written to, nil if it can; noColumns: why it can
	// only be deleted from.
	refused, noColumns *refusal
	source             plan.Node // reads the view, if refused
}

// A refusal says which view cannot be written to, and why.
type refusal struct {
	view *schema.View
	why  string
}

// A viewColumn is a column of a view, over the live columns of the table.
type viewColumn struct {
	e    expr.Expr
	base int // index into the table's Columns; -1: the column is not one of the table
	// view and name say which column of which view is the one that is not, and why.
	view, name, why string
}

// Why views, or columns of them, cannot be written to.
const (
	notOneTable   = "Views that do not select from a single table or view are not automatically updatable."
	noBaseColumns = "Views that have no updatable columns are not automatically updatable."
	notBaseColumn = "View columns that are not columns of their base relation are not updatable."
	systemColumn  = "View columns that refer to system columns are not updatable."
	wholeRow      = "View columns that return whole-row references are not updatable."
)

// notUpdatable says why no view that has a query can be written to; empty if one may.
func notUpdatable(q *ast.Select) string {
	has := ""
	switch {
	case q.Distinct:
		has = "DISTINCT"
	case q.GroupBy != nil:
		has = "GROUP BY"
	case q.Having != nil:
		has = "HAVING"
	case q.SetOp != nil:
		has = "UNION, INTERSECT, or EXCEPT"
	case q.With != nil:
		has = "WITH"
	case q.Limit != nil || q.Offset != nil:
		has = "LIMIT or OFFSET"
	case sampled(q):
		has = "TABLESAMPLE"
	case q.Values != nil:
		return notOneTable
	default:
		return ""
	}
	return "Views containing " + has + " are not automatically updatable."
}

// sampled says whether the only item of FROM has TABLESAMPLE.
func sampled(q *ast.Select) bool {
	if len(q.From) != 1 {
		return false
	}
	t, ok := q.From[0].(*ast.TableRef)
	return ok && t.Sample != nil
}

// returnsMore says that a plan computes what no single row of a table has; empty if it does not.
func returnsMore(n plan.Node) string {
	for {
		switch x := n.(type) {
		case *plan.Aggregate, *plan.ScanAggregate:
			return "Views that return aggregate functions are not automatically updatable."
		case *plan.Window:
			return "Views that return window functions are not automatically updatable."
		case *plan.ProjectSet:
			return "Views that return set-returning functions are not automatically updatable."
		case *plan.Project:
			n = x.Input
		case *plan.Filter:
			n = x.Input
		case *plan.Sort:
			n = x.Input
		default:
			return ""
		}
	}
}

// viewDestination is a view that a command writes to.
func (b *binder) viewDestination(v *schema.View) (*destination, error) {
	q, leave, err := b.enterView(v, 0)
	if err != nil {
		return nil, err
	}
	defer leave()
	n, err := b.selectStmt(q, &level{}, nil)
	if err != nil {
		return nil, err
	}
	d := &destination{face: ViewFace(v), view: &viewRows{source: n}}
	why := notUpdatable(q)
	if why == "" {
		why = returnsMore(n)
	}
	if why != "" {
		d.view.refused = &refusal{v, why}
		return d, nil
	}
	return d, b.baseRows(d, v, q)
}

// ViewFace is a table with the columns of a view, and its defaults.
func ViewFace(v *schema.View) *schema.Table {
	return &schema.Table{OID: v.OID, Namespace: v.Namespace, Name: v.Name, Columns: v.Columns}
}

// baseRows finds the rows of a view among those of what its query reads.
func (b *binder) baseRows(d *destination, v *schema.View, q *ast.Select) error {
	base, alias, err := b.baseOf(q)
	switch {
	case err != nil:
		return err
	case base == nil:
		d.view.refused = &refusal{v, notOneTable}
		return nil
	case base.view != nil && base.view.refused != nil:
		d.view.refused = base.view.refused
		return nil
	}
	d.table = base.table
	if base.view != nil {
		d.inner = base
	}
	it := base.item(b, alias.Name, 0)
	if alias.Columns != nil {
		if err := aliasColumns(it, alias, 0); err != nil {
			return err
		}
	}
	s := &scope{frame: &frame{items: []*item{it}}, clause: clauseTarget}
	targets, err := b.targets(q.Targets, s)
	if err != nil {
		return err
	}
	updatable := false
	for i, t := range targets {
		x, err := b.resolveUnknown(t.e)
		if err != nil {
			return err
		}
		if x, err = b.settleRow(x); err != nil {
			return err
		}
		c := viewColumn{e: x, base: -1, view: v.Name, name: v.Columns[i].Name}
		if t.attnum > 0 && t.table == base.face.OID {
			updatable = true
			at := int(t.attnum) - 1
			if c.base = at; base.view != nil {
				c = base.view.columns[at]
				c.e = x
			}
		} else {
			c.why = whyNotBase(q, i, x)
		}
		d.view.columns = append(d.view.columns, c)
	}
	switch {
	case !updatable:
		d.view.noColumns = &refusal{v, noBaseColumns}
	case base.view != nil:
		d.view.noColumns = base.view.noColumns
	}
	if base.view != nil {
		d.view.conditions, d.view.checks = base.view.conditions, base.view.checks
	}
	if q.Where != nil {
		where, err := b.condition(q.Where, s.with(clauseWhere), "WHERE")
		if err != nil {
			return err
		}
		own := plan.Check{Name: v.Name, Cond: where}
		d.view.conditions = append(slices.Clone(d.view.conditions), own)
		if v.CheckOption() == schema.CheckLocal {
			d.view.checks = append(slices.Clone(d.view.checks), own)
		}
	}
	if v.CheckOption() == schema.CheckCascaded {
		d.view.checks = d.view.conditions
	}
	return nil
}

// whyNotBase says why an item of a view's select list is not a column of what it reads.
func whyNotBase(q *ast.Select, i int, x expr.Expr) string {
	if i < len(q.Targets) {
		if ref, ok := q.Targets[i].Expr.(*ast.ColumnRef); ok && !ref.Star {
			if systemColumns[ref.Names[len(ref.Names)-1]] {
				return systemColumn
			}
			if _, row := x.(*expr.RowCtor); row {
				return wholeRow
			}
		}
	}
	return notBaseColumn
}

// baseOf is the one table or view that a query reads, and what it is called there; nil if it
// reads something else.
func (b *binder) baseOf(q *ast.Select) (*destination, *ast.Alias, error) {
	if len(q.From) != 1 {
		return nil, nil, nil
	}
	ref, ok := q.From[0].(*ast.TableRef)
	if !ok || ref.AsOf != nil {
		return nil, nil, nil
	}
	rel, err := b.relation(ref.Name, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	alias := ref.Alias
	if alias == nil {
		alias = &ast.Alias{Name: ref.Name.Name}
	}
	switch {
	case rel.view != nil:
		d, err := b.viewDestination(rel.view)
		return d, alias, err
	case rel.table != nil && rel.table.Materialized == nil:
		return &destination{table: rel.table, face: rel.table}, alias, nil
	}
	return nil, nil, nil
}
