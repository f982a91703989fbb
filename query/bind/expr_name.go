package bind

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
)

func (b *binder) columnRef(e *ast.ColumnRef, s *scope) (expr.Expr, error) {
	if e.Star && len(e.Names) == 0 {
		return nil, pgerr.New(pgerr.SyntaxError, "row expansion via \"*\" is not supported here").At(e.Position())
	}
	pos := e.Position()
	if err := columnsAllowed(s, pos); err != nil {
		return nil, err
	}
	if e.Star { // where no list of columns can be: the row
		it, g, err := b.starItem(e, s)
		if err != nil {
			return nil, err
		}
		return b.wholeRow(s, g, it, pos), nil
	}
	if len(e.Names) == 1 {
		name := e.Names[0]
		hit, err := b.findColumn(s, name, pos)
		if err != nil {
			return nil, err
		}
		if hit != nil {
			if !hit.local {
				b.meanings.outer(e, hit.in.items, hit.it, hit.col)
			}
			return hit.e, nil
		}
		it, g, err := b.findItem(s, "", name, pos)
		if err != nil {
			return nil, err
		}
		if it != nil {
			return b.wholeRow(s, g, it, pos), nil
		}
		if x, ok, err := b.systemColumn(s, nil, name, pos); ok {
			return x, err
		}
		return nil, b.missingColumn(s, "", name, pos)
	}
	ns, rel, col, err := b.splitName(e.Names, pos)
	if err != nil {
		return nil, err
	}
	it, g, err := b.itemNamed(s, ns, rel, pos)
	if err != nil {
		return nil, err
	}
	c, ambiguous := it.column(col)
	if ambiguous {
		return nil, pgerr.New(pgerr.AmbiguousColumn, "column reference %q is ambiguous", col).At(pos)
	}
	if c == nil {
		if x, ok, err := b.systemColumn(s, it, col, pos); ok {
			if err == nil {
				x = lift(s.frame, g, x)
			}
			return x, err
		}
		return nil, b.missingColumn(s, rel, col, pos)
	}
	return lift(s.frame, g, b.columnOf(c, pos)), nil
}

// starItem is the t of t.*.
func (b *binder) starItem(e *ast.ColumnRef, s *scope) (*item, *frame, error) {
	ns, rel, _, err := b.splitName(append(e.Names[:len(e.Names):len(e.Names)], "*"), e.Position())
	if err != nil {
		return nil, nil, err
	}
	return b.itemNamed(s, ns, rel, e.Position())
}

// itemNamed is findItem for what must be there.
func (b *binder) itemNamed(s *scope, ns, rel string, pos int) (*item, *frame, error) {
	it, g, err := b.findItem(s, ns, rel, pos)
	if err == nil && it == nil {
		shown := rel
		if ns != "" {
			shown = ns + "." + rel
		}
		err = b.missingTable(s, shown, pos)
	}
	return it, g, err
}

// columnsAllowed refuses column references where there is no row.
func columnsAllowed(s *scope, pos int) error {
	if s.clause == clauseDefault {
		return pgerr.Unsupported("cannot use column reference in DEFAULT expression").At(pos)
	}
	return nil
}

func (b *binder) splitName(n []string, pos int) (ns, rel, col string, err error) {
	switch len(n) {
	case 2:
		return "", n[0], n[1], nil
	case 3:
		return n[0], n[1], n[2], nil
	case 4:
		if n[0] != b.env.Catalog.Database {
			return "", "", "", pgerr.Unsupported("cross-database references are not implemented: %s", strings.Join(n, ".")).At(pos)
		}
		return n[1], n[2], n[3], nil
	}
	return "", "", "", pgerr.New(pgerr.SyntaxError, "improper qualified name (too many dotted names): %s", strings.Join(n, ".")).At(pos)
}

// wholeRow is a reference to an item as a value.
func (b *binder) wholeRow(s *scope, g *frame, it *item, pos int) expr.Expr {
	if it.scalar && len(it.cols) == 1 {
		return lift(s.frame, g, b.columnOf(&it.cols[0], pos))
	}
	r := &expr.RowCtor{T: datum.Of(datum.Record)}
	for i := range it.cols {
		r.Fields = append(r.Fields, lift(s.frame, g, b.columnOf(&it.cols[i], pos)))
		r.Names = append(r.Names, it.cols[i].name)
	}
	return b.typedRow(it, r)
}

// typedRow makes the row of a relation one of its row type, whose names it has even if the statement has
// others. Rows with columns of domains stay records.
func (b *binder) typedRow(it *item, r *expr.RowCtor) expr.Expr {
	t := it.row
	if t == 0 && it.oid != 0 {
		t = datum.UserType(datum.CompositeClass, it.oid)
	}
	attrs, err := b.attributes(t)
	if err != nil || len(attrs) != len(r.Fields) {
		return r
	}
	names := make([]string, len(attrs))
	for i, a := range attrs {
		if a.Type.Domain != 0 || r.Fields[i].Type() != a.Type {
			return r
		}
		names[i] = a.Name
	}
	r.Names = names
	return b.pack(r, t)
}

var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

// systemColumn binds a system column of an item, or with it nil of the only
// relation in sight.
func (b *binder) systemColumn(s *scope, it *item, name string, pos int) (expr.Expr, bool, error) {
	if !systemColumns[name] {
		return nil, false, nil
	}
	if it == nil {
		for _, x := range s.frame.items {
			if x.oid == 0 || !x.colsVisible {
				continue
			}
			if it != nil {
				return nil, true, pgerr.New(pgerr.AmbiguousColumn, "column reference %q is ambiguous", name).At(pos)
			}
			it = x
		}
	}
	if it == nil || it.oid == 0 {
		return nil, false, nil
	}
	if name != "tableoid" || it.nullable {
		return nil, true, pgerr.Unsupported("system column %q is not supported", name).At(pos)
	}
	return &expr.Const{Value: it.oid, T: datum.Of(datum.OIDType)}, true, nil
}

// A starCol is a column that * stands for.
type starCol struct {
	name   string
	e      expr.Expr
	table  datum.OID
	attnum int16
}

// star expands * and t.*.
func (b *binder) star(e *ast.ColumnRef, s *scope) ([]starCol, error) {
	pos := e.Position()
	var out []starCol
	add := func(g *frame, it *item, all bool) {
		for i := range it.cols {
			c := &it.cols[i]
			if c.added || c.hidden && !all {
				continue
			}
			b.meanings.star(e, g.items, it, c)
			out = append(out, starCol{name: c.name, e: lift(s.frame, g, b.columnOf(c, pos)), table: c.table, attnum: c.attnum})
		}
	}
	if len(e.Names) == 0 {
		if len(s.frame.items) == 0 {
			return nil, pgerr.New(pgerr.SyntaxError, "SELECT * with no tables specified is not valid").At(pos)
		}
		for _, it := range s.frame.items {
			if it.colsVisible {
				add(s.frame, it, false)
			}
		}
		return out, nil
	}
	it, g, err := b.starItem(e, s)
	if err != nil {
		return nil, err
	}
	add(g, it, true)
	return out, nil
}

// fieldSelect is (x).field.
func (b *binder) fieldSelect(e *ast.FieldSelect, s *scope) (expr.Expr, error) {
	if e.Star {
		return nil, pgerr.New(pgerr.SyntaxError, "row expansion via \"*\" is not supported here").At(e.Position())
	}
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	fields, names, err := b.fieldsOf(x, e.Field, position(e))
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		if n == e.Field {
			return fields[i], nil
		}
	}
	if x.Type().OID == datum.Record {
		return nil, pgerr.New(pgerr.UndefinedColumn, "could not identify column %q in record data type", e.Field).At(position(e))
	}
	return nil, pgerr.New(pgerr.UndefinedColumn, "column %q not found in data type %s", e.Field, b.typeText(x.Type().OID)).At(position(e))
}

// expandStars makes (x).a, (x).b of each (x).* in a list.
func (b *binder) expandStars(list []ast.Expr, s *scope) ([]ast.Expr, error) {
	var out []ast.Expr
	for i, e := range list {
		f, ok := e.(*ast.FieldSelect)
		if !ok || !f.Star {
			if out != nil {
				out = append(out, e)
			}
			continue
		}
		x, err := b.expr(f.Arg, s)
		if err != nil {
			return nil, err
		}
		_, names, err := b.fieldsOf(x, "*", f.Position())
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = append(make([]ast.Expr, 0, len(list)+len(names)), list[:i]...)
		}
		for _, name := range names {
			one := *f
			one.Star, one.Field = false, name
			out = append(out, &one)
		}
	}
	if out == nil {
		return list, nil
	}
	return out, nil
}

// fieldsOf returns the fields of a record whose shape is known; field is which
// was asked for, for errors.
func (b *binder) fieldsOf(x expr.Expr, field string, pos int) ([]expr.Expr, []string, error) {
	switch r := x.(type) {
	case *expr.RowCtor:
		if r.Names != nil {
			return r.Fields, r.Names, nil
		}
		names := make([]string, len(r.Fields))
		for i := range names {
			names[i] = "f" + itoa(i+1)
		}
		return r.Fields, names, nil
	}
	if r := unpacked(x); r != x {
		return b.fieldsOf(r, field, pos)
	}
	if shape := b.recordOf(x); shape != nil {
		return selectFields(x, shape), shape.Names, nil
	}
	if x.Type().OID == datum.Record {
		return nil, nil, pgerr.Unsupported("fields of this record cannot be told apart").At(pos)
	}
	return nil, nil, pgerr.New(pgerr.WrongObjectType, "column notation .%s applied to type %s, which is not a composite type", field, b.typeText(x.Type().OID)).At(pos)
}

// recordOf returns what a record or a row consists of, nil if x is none or that is not known.
func (b *binder) recordOf(x expr.Expr) *expr.RecordFields {
	if t := x.Type().OID; isRow(t) {
		return b.shapeOf(t)
	}
	return recordOf(x)
}

// recordOf returns what an anonymous record consists of, nil if x is none or that is not known.
func recordOf(x expr.Expr) *expr.RecordFields {
	if x.Type().OID != datum.Record {
		return nil
	}
	shape := &expr.RecordFields{}
	switch r := x.(type) {
	case *expr.Column:
		return r.Record
	case *expr.RowCtor:
		for i, f := range r.Fields {
			name := "f" + itoa(i+1)
			if r.Names != nil {
				name = r.Names[i]
			}
			shape.Names, shape.Types = append(shape.Names, name), append(shape.Types, f.Type())
		}
	case *expr.Call:
		for i, name := range r.Fn.OutNames {
			shape.Names, shape.Types = append(shape.Names, name), append(shape.Types, datum.Of(r.Fn.OutTypes[i]))
		}
	case *setRef:
		if len(r.call.Fn.OutNames) > 0 {
			for _, f := range r.call.Cols {
				shape.Names, shape.Types = append(shape.Names, f.Name), append(shape.Types, f.Type)
			}
		}
	}
	if len(shape.Names) == 0 {
		return nil
	}
	return shape
}

func selectFields(x expr.Expr, shape *expr.RecordFields) []expr.Expr {
	out := make([]expr.Expr, len(shape.Names))
	for i, t := range shape.Types {
		out[i] = &expr.FieldSelect{Arg: x, Index: i, T: t}
	}
	return out
}
