package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
)

// An insertColumn is a column that INSERT lists, or an element of one.
type insertColumn struct {
	at     int           // index into the columns of the face
	column schema.Column // as values are assigned to it: of an element with the type of elements
	// element is how an element is listed; nil: it is the whole column.
	element *ast.ColumnTarget
}

// insertColumns are the columns that INSERT lists, all if it lists none.
func (b *binder) insertColumns(t *schema.Table, list []ast.ColumnTarget) ([]insertColumn, error) {
	var out []insertColumn
	if list == nil {
		for _, at := range liveColumns(t) {
			out = append(out, insertColumn{at: at, column: t.Columns[at]})
		}
		return out, nil
	}
	for i := range list {
		target := &list[i]
		found, err := targetColumns(t, []string{target.Name}, []int{target.Position()})
		if err != nil {
			return nil, err
		}
		c := insertColumn{at: found[0], column: t.Columns[found[0]]}
		if target.Indirection != nil {
			c.element = target
			if c.column.Type, err = b.elementType(c); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(out, func(o insertColumn) bool { return o.at == c.at && (o.element == nil || c.element == nil) }) {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", target.Name).At(target.Position())
		}
		out = append(out, c)
	}
	return out, nil
}

// elementType is the type of what is assigned to an element of a column.
func (b *binder) elementType(c insertColumn) (datum.Type, error) {
	t := sliceType(c.column.Type)
	_, part, err := b.partOf(c, &expr.Const{T: datum.Of(datum.Unknown)}, &c.column).set(&expr.Const{T: t}, t, partSteps(c.element.Indirection))
	return part, err
}

// withPart is old, a value of a column, with an element changed.
func (b *binder) withPart(old expr.Expr, c insertColumn, value expr.Expr, of *schema.Column) (expr.Expr, error) {
	p := b.partOf(c, value, of)
	return p.assignElement(old, p.src, of)
}

// partOf sets the part of a column that INSERT lists to a value.
func (b *binder) partOf(c insertColumn, value expr.Expr, of *schema.Column) *partSetter {
	set := &setBinder{binder: b, scope: &scope{frame: &frame{}, clause: clauseInsertTarget}}
	return &partSetter{setBinder: set, src: setSource{target: *c.element, value: value, pos: c.element.Position()}, column: of}
}
