package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// isRow says whether values of a type are rows of a composite type, not anonymous records.
func isRow(t datum.OID) bool { return datum.Of(t).IsRow() }

// attributes are the fields of a composite type.
func (b *binder) attributes(t datum.OID) ([]datum.Attribute, error) {
	return b.env.Catalog.Attributes(t)
}

// usable refuses composite types of which there cannot be values.
func (b *binder) usable(oid datum.OID, pos int) error {
	if !isRow(oid) {
		return nil
	}
	attrs, err := b.attributes(oid)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if a.Type.Domain != 0 {
			return pgerr.Unsupported("composite type %s with a field of domain %s is not supported", b.typeText(oid), b.typeText(a.Type.Domain)).At(pos)
		}
	}
	if b.env.Catalog.RowDepth(datum.Of(oid)) > datum.MaxRowDepth {
		return pgerr.New(pgerr.ProgramLimitExceeded, "composite types can be nested %d deep", datum.MaxRowDepth).At(pos)
	}
	return nil
}

// rowFunctions are the functions on rows of composite types that a statement uses: two calls of
// one are the same expression.
type rowFunctions struct {
	pack, unpack map[datum.OID]*function.Function
}

func (f *rowFunctions) packer(t datum.OID) *function.Function {
	if f.pack == nil {
		f.pack = map[datum.OID]*function.Function{}
	}
	if f.pack[t] == nil {
		f.pack[t] = function.PackRow(datum.Of(t))
	}
	return f.pack[t]
}

func (f *rowFunctions) unpacker(t datum.OID, attrs []datum.Attribute) *function.Function {
	if f.unpack == nil {
		f.unpack = map[datum.OID]*function.Function{}
	}
	if f.unpack[t] == nil {
		f.unpack[t] = function.UnpackRow(datum.Of(t), attrs)
	}
	return f.unpack[t]
}

// pack makes a row of a composite type of a record with fields of the types of its attributes.
func (b *binder) pack(record expr.Expr, t datum.OID) expr.Expr {
	return &expr.Call{Fn: b.rows.packer(t), Args: []expr.Expr{record}, T: datum.Of(t)}
}

// unpacked is what a row of a composite type is made of, e itself if it is not made here.
func unpacked(e expr.Expr) expr.Expr {
	if c, ok := e.(*expr.Call); ok && function.IsPacked(c.Fn) {
		return c.Args[0]
	}
	return e
}

// toRecord makes a record of a row of a composite type.
func (b *binder) toRecord(e expr.Expr) (expr.Expr, error) {
	if r := unpacked(e); r != e {
		return r, nil
	}
	t := e.Type().OID
	attrs, err := b.attributes(t)
	if err != nil {
		return nil, err
	}
	return &expr.Call{Fn: b.rows.unpacker(t, attrs), Args: []expr.Expr{e}, T: datum.Of(datum.Record)}, nil
}

// toRow converts the fields of ROW(...) to those of a composite type, as coerce_record_to_complex does.
func (b *binder) toRow(e expr.Expr, target datum.OID, ctx function.CastContext, pos int) (expr.Expr, error) {
	cannot := func() *pgerr.Error {
		return pgerr.New(pgerr.CannotCoerce, "cannot cast type %s to %s", b.typeText(e.Type().OID), b.typeText(target)).At(pos)
	}
	r, ok := e.(*expr.RowCtor)
	if !ok {
		return nil, cannot()
	}
	if err := b.usable(target, pos); err != nil {
		return nil, err
	}
	attrs, err := b.attributes(target)
	if err != nil {
		return nil, err
	}
	out := &expr.RowCtor{T: r.T, Fields: make([]expr.Expr, len(attrs)), Names: make([]string, len(attrs))}
	for i, a := range attrs {
		if i >= len(r.Fields) {
			return nil, cannot().WithDetail("Input has too few columns.")
		}
		x, err := b.coerceTo(r.Fields[i], a.Type, ctx, pos)
		switch {
		case err != nil:
			return nil, err
		case x == nil:
			return nil, cannot().WithDetail("Cannot cast type %s to %s in column %d.", b.typeText(r.Fields[i].Type().OID), b.typeText(a.Type.OID), i+1)
		}
		out.Fields[i], out.Names[i] = x, a.Name
	}
	if len(r.Fields) > len(attrs) {
		return nil, cannot().WithDetail("Input has too many columns.")
	}
	return b.pack(out, target), nil
}

// shapeOf returns what a row of a composite type consists of.
func (b *binder) shapeOf(t datum.OID) *expr.RecordFields {
	attrs, err := b.attributes(t)
	if err != nil {
		return nil
	}
	shape := &expr.RecordFields{}
	for _, a := range attrs {
		shape.Names, shape.Types = append(shape.Names, a.Name), append(shape.Types, a.Type)
	}
	return shape
}

// CompositeType checks CREATE TYPE ... AS (...) and returns the attributes.
func CompositeType(env *Env, list []*ast.ColumnDef) ([]datum.Attribute, error) {
	var out []datum.Attribute
	for _, d := range list {
		a, err := NewAttribute(env, d, out)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// NewAttribute checks an attribute of a composite type, which has others already.
func NewAttribute(env *Env, d *ast.ColumnDef, others []datum.Attribute) (datum.Attribute, error) {
	c, err := attributeColumn(env, d)
	if err != nil {
		return datum.Attribute{}, err
	}
	if attributeAt(others, d.Name) >= 0 {
		return datum.Attribute{}, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", d.Name)
	}
	return c, nil
}

func attributeColumn(env *Env, d *ast.ColumnDef) (datum.Attribute, error) {
	def := &tableDef{b: newBinder(env)}
	if err := def.attribute(d); err != nil {
		return datum.Attribute{}, err
	}
	c := def.columns[0]
	if c.Type.Domain != 0 {
		return datum.Attribute{}, pgerr.Unsupported("attributes of domain %s are not supported", def.b.typeText(c.Type.Domain)).
			WithHint("Use the type that the domain is over.").At(d.Position())
	}
	return datum.Attribute{Name: c.Name, Type: c.Type}, checkColumn(&c)
}

func attributeAt(list []datum.Attribute, name string) int {
	for i, a := range list {
		if a.Name == name {
			return i
		}
	}
	return -1
}
