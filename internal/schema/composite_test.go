package schema

import (
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

func TestStoredRows(t *testing.T) {
	inner, outer := datum.UserType(datum.CompositeClass, 20001), datum.UserType(datum.CompositeClass, 20002)
	list, _ := datum.ArrayOf(datum.Of(inner))
	c := NewCatalog("test")
	c.Types[inner] = &Type{OID: inner, Name: "inner", Attributes: []datum.Attribute{{Name: "a", Type: datum.Of(datum.Int4)}}}
	c.Types[outer] = &Type{OID: outer, Name: "outer", Attributes: []datum.Attribute{{Name: "l", Type: list}}}
	if in, _ := c.StoredRows(inner); in != nil {
		t.Errorf("table %s has rows", in.Name)
	}
	c.Tables[30000] = &Table{OID: 30000, Name: "t", Columns: []Column{{ID: 1, Name: "x", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "o", Type: datum.Of(outer)}}}
	for _, row := range []datum.OID{inner, outer} {
		if in, column := c.StoredRows(row); in == nil || in.Name != "t" || column.Name != "o" {
			t.Errorf("no table has rows of %d", row)
		}
	}
	whole := datum.Of(c.Tables[30000].RowType())
	if got := c.RowDepth(whole); got != 3 {
		t.Errorf("rows of the table are %d deep", got)
	}
	if !c.Holds(whole, inner) || c.Holds(datum.Of(inner), outer) {
		t.Error("wrong rows in rows")
	}
}

// TestRowsInThemselves: definitions that are wrong do not make the walk endless.
func TestRowsInThemselves(t *testing.T) {
	row := datum.UserType(datum.CompositeClass, 20001)
	c := NewCatalog("test")
	c.Types[row] = &Type{OID: row, Attributes: []datum.Attribute{{Name: "self", Type: datum.Of(row)}}}
	if got := c.RowDepth(datum.Of(row)); got <= datum.MaxRowDepth {
		t.Errorf("rows in themselves are %d deep", got)
	}
}
