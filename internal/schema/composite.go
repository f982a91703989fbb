package schema

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
)

// Holds says whether values of a type hold rows of a composite type: they are such rows, or
// arrays, domains or rows of what holds them.
func (c *Catalog) Holds(t datum.Type, row datum.OID) bool {
	found := false
	c.walkRows(t, 0, func(oid datum.OID, _ int) { found = found || oid == row })
	return found
}

// RowDepth is how deep composite types are nested in values of a type, 0 if they hold no rows.
func (c *Catalog) RowDepth(t datum.Type) (depth int) {
	c.walkRows(t, 0, func(_ datum.OID, d int) { depth = max(depth, d) })
	return depth
}

// walkRows calls visit for the composite types in values of a type with how deep they are. It
// ends below what may be, so that it does so whatever definitions say.
func (c *Catalog) walkRows(t datum.Type, depth int, visit func(oid datum.OID, depth int)) {
	oid := t.OID
	if oid.IsUserArray() {
		elem, _ := t.Elem()
		oid = elem.OID
	}
	if oid.Class() != datum.CompositeClass || depth > datum.MaxRowDepth {
		return
	}
	depth++
	visit(oid, depth)
	attrs, _ := c.Attributes(oid)
	for _, a := range attrs {
		c.walkRows(a.Type, depth, visit)
	}
}

// StoredRows returns a column of a table, by OID, whose values hold rows of a composite type;
// nil if there is none.
func (c *Catalog) StoredRows(row datum.OID) (*Table, *Column) {
	var in *Table
	var at *Column
	for _, t := range c.Tables {
		if in != nil && in.OID < t.OID {
			continue
		}
		for i := range t.Columns {
			if c.Holds(t.Columns[i].Type, row) {
				in, at = t, &t.Columns[i]
				break
			}
		}
	}
	return in, at
}

// SameAttributes says whether rows of one definition are rows of another, whatever their fields
// are called.
func SameAttributes(a, b []datum.Attribute) bool {
	return slices.EqualFunc(a, b, func(x, y datum.Attribute) bool { return x.Type == y.Type })
}

// SameRows says whether the rows of a table as values are those of another definition of it.
func (t *Table) SameRows(next *Table) bool {
	return SameAttributes(attributesOf(t.Columns), attributesOf(next.Columns))
}

// HasRows says whether a table has columns of composite types.
func (t *Table) HasRows() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Type.OID.Class() == datum.CompositeClass })
}
