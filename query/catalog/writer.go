package catalog

import (
	"fmt"
	"math"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A writer collects the rows of a relation. Fillers name the columns that they
// set; others are NULL, or the type's zero if they must not be.
type writer struct {
	rel  *Relation
	at   []int // columns that add sets
	base Row   // a row without them
	rows []Row
}

// columns says which columns the values of add are for.
func (w *writer) columns(names ...string) {
	w.at = w.at[:0]
	w.base = make(Row, len(w.rel.Columns))
	for i, c := range w.rel.Columns {
		if c.NotNull {
			w.base[i] = zeroValue(c.Type)
		}
	}
	for _, n := range names {
		w.at = append(w.at, w.column(n))
	}
}

func (w *writer) column(name string) int {
	for i, c := range w.rel.Columns {
		if c.Name == name {
			return i
		}
	}
	panic(fmt.Sprintf("catalog: bug: %s has no column %s", w.rel.Name, name))
}

// add appends a row. Values are datum values or plain Go ones that convert
// without loss: int, string, []string, []int, []datum.OID, time.Time.
func (w *writer) add(values ...any) {
	if len(values) != len(w.at) {
		panic(fmt.Sprintf("catalog: bug: %s: %d values for %d columns", w.rel.Name, len(values), len(w.at)))
	}
	row := make(Row, len(w.base))
	copy(row, w.base)
	for i, v := range values {
		row[w.at[i]] = w.value(v, &w.rel.Columns[w.at[i]])
	}
	w.rows = append(w.rows, row)
}

func (w *writer) value(v any, c *Column) datum.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case int:
		return intValue(v, c)
	case int64:
		return intValue(int(v), c)
	case int16:
		return intValue(int(v), c)
	case byte:
		return string(v) // "char"
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return datum.Micros(v.UnixMicro())
	case []string:
		return arrayOf(c, v, func(s string) datum.Value { return s })
	case []int:
		elem := Column{Name: c.Name, Type: elemType(c)}
		return arrayOf(c, v, func(n int) datum.Value { return intValue(n, &elem) })
	case []datum.OID:
		return arrayOf(c, v, func(o datum.OID) datum.Value { return o })
	}
	return v
}

func elemType(c *Column) datum.Type {
	elem, ok := c.Type.Elem()
	if !ok {
		panic("catalog: bug: list for column " + c.Name)
	}
	return elem
}

// arrayOf makes an array; a nil list is NULL.
func arrayOf[T any](c *Column, list []T, value func(T) datum.Value) datum.Value {
	if list == nil {
		return nil
	}
	a := datum.Array{Elem: elemType(c), Values: make([]datum.Value, len(list))}
	for i, v := range list {
		a.Values[i] = value(v)
	}
	if c.Type.OID == datum.Int2Vector || c.Type.OID == datum.OIDVector {
		return datum.Vector(a.Elem, a.Values)
	}
	return a
}

func intValue(n int, c *Column) datum.Value {
	switch c.Type.OID {
	case datum.Int2:
		return int16(n)
	case datum.Int4:
		return int32(n)
	case datum.Int8:
		return int64(n)
	case datum.Float4:
		return float32(n)
	case datum.Float8:
		return float64(n)
	}
	if n < 0 || n > math.MaxUint32 {
		panic("catalog: bug: integer for column " + c.Name)
	}
	return datum.OID(n)
}

// zeroValue is what a column that must not be NULL holds when there is nothing
// to say.
func zeroValue(t datum.Type) datum.Value {
	switch t.OID {
	case datum.Bool:
		return false
	case datum.Int2:
		return int16(0)
	case datum.Int4:
		return int32(0)
	case datum.Int8:
		return int64(0)
	case datum.Float4:
		return float32(0)
	case datum.Float8:
		return float64(0)
	case datum.OIDType, datum.RegProc, datum.RegType, datum.RegClass, datum.XID:
		return datum.OID(0)
	case datum.TimestampTZ:
		return datum.Micros(0)
	}
	if elem, ok := t.Elem(); ok {
		return datum.Array{Elem: elem}
	}
	return ""
}
