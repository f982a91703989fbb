package chunk

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A Column is a column of a table as chunks and batches hold it.
type Column struct {
	ID   schema.ColumnID
	Name string // of the fields of batches
	Type datum.Type
	// Missing is what rows of chunks without the column read as; nil is NULL.
	Missing datum.Value
	// Path is set for a column of a scan that documents are asked for (Layout.WithPaths).
	Path *documentPath
}

// A Layout is what chunks need to know of a table. It is not modified.
type Layout struct {
	Columns    []Column          // live and hidden ones, in the order of written batches
	SortKey    []schema.ColumnID // as schema.Table.SortKey
	TimeColumn schema.ColumnID   // 0: none
	Slice      time.Duration     // length of a slice; 0: one slice
	// History keeps rows that were replaced or deleted for reads of earlier states
	// (schema.Table.History): rows have a version in tables without a key too, and runs
	// of keyed ones may have several versions of a key.
	History bool
	keyless bool // there is no primary key, though rows have versions
}

// Keyed says whether the newest version of a key is the row.
func (l *Layout) Keyed() bool { return !l.keyless && l.Index(schema.RowVersionColumn) >= 0 }

// NewLayout returns the layout of a table: its live columns (those with a type)
// in definition order, the hidden mark of deleted rows and, if it has a primary
// key or keeps its history, the row version. It fails if the text of a missing value is not one of its
// column's type.
func NewLayout(t *schema.Table) (*Layout, error) {
	l := &Layout{SortKey: t.SortKey(), TimeColumn: t.TimeColumn, Slice: t.Slice, History: t.History > 0, keyless: !t.Keyed()}
	for _, c := range t.Columns {
		if c.Type.OID == 0 {
			continue
		}
		out := Column{ID: c.ID, Name: c.Name, Type: c.Type}
		if c.Missing != nil {
			v, err := datum.Parse(c.Type, *c.Missing, &datum.Env{})
			if err != nil {
				return nil, fmt.Errorf("column %s: value of old rows: %w", c.Name, err)
			}
			out.Missing = v
		}
		l.Columns = append(l.Columns, out)
	}
	l.Columns = append(l.Columns, Column{ID: schema.RowDeletedColumn, Name: "row_deleted", Type: datum.Of(datum.Bool), Missing: false})
	if t.Keyed() || l.History {
		l.Columns = append(l.Columns, Column{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)})
	}
	return l, nil
}

// Index returns the place of the column in Columns, or -1.
func (l *Layout) Index(id schema.ColumnID) int {
	for i := range l.Columns {
		if l.Columns[i].ID == id {
			return i
		}
	}
	return -1
}

// absent returns column number k as chunks that do not list it have it: the row
// version is the entry's. An entry of several versions that does not say which
// row has which is corrupt.
func (l *Layout) absent(k int, e *Entry) (Column, error) {
	c := l.Columns[k]
	if c.ID == schema.RowVersionColumn {
		if e.VersionMin != e.VersionMax {
			return c, corrupt("chunk %v: row versions %d to %d without their column", e.ID, e.VersionMin, e.VersionMax)
		}
		c.Missing = int64(e.VersionMin)
	}
	return c, nil
}

// Schema returns the Arrow schema of batches with the given columns.
func (l *Layout) Schema(ids []schema.ColumnID) (*arrow.Schema, error) {
	fields := make([]arrow.Field, len(ids))
	for i, id := range ids {
		k := l.Index(id)
		if k < 0 {
			return nil, pgerr.New(pgerr.InternalError, "chunk: no column %d in the layout", id)
		}
		fields[i] = datum.Field(l.Columns[k].Name, l.Columns[k].Type)
	}
	return arrow.NewSchema(fields, nil), nil
}

// form is how a column's values lie in a blob.
type form uint8

// The forms. Numbers are part of the format.
const (
	formInts    form = 1 // integers, dates, times
	formFloat32 form = 2
	formFloat64 form = 3
	formBits    form = 4
	formBytes   form = 5 // text, bytea, uuid, interval, numeric that fits neither formScaled nor formWide
	formScaled  form = 6 // numeric of one scale as integers
	formList    form = 7
	formWide    form = 8 // numeric of one scale as integers of 128 bits; read as formBytes
	formShaped  form = 9 // lists, some with dimensions of their own; read as formList
)

func (f form) String() string {
	names := [...]string{"?", "integers", "float32", "float64", "bits", "bytes", "scaled integers", "lists", "wide integers", "shaped lists"}
	if int(f) < len(names) {
		return names[f]
	}
	return "?"
}

// formOf returns the form that values of the type are written in (numeric may
// become formScaled or formWide, formList formShaped); ok is false for types that cannot be stored.
func formOf(t datum.Type) (f form, ok bool) {
	switch t.Arrow().ID() {
	case arrow.BOOL:
		return formBits, true
	case arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT32, arrow.DATE32, arrow.TIME64, arrow.TIMESTAMP:
		return formInts, true
	case arrow.FLOAT32:
		return formFloat32, true
	case arrow.FLOAT64:
		return formFloat64, true
	case arrow.STRING, arrow.BINARY, arrow.FIXED_SIZE_BINARY:
		return formBytes, true
	case arrow.STRUCT: // arrays; records cannot be stored
		elem, ok := t.Elem()
		if !ok {
			return 0, false
		}
		if f, ok := formOf(elem); !ok || f == formList {
			return 0, false
		}
		return formList, true
	}
	return 0, false
}

// order is how values of a type are compared.
type order uint8

const (
	orderNone    order = iota // json, arrays, rows: no bounds are kept
	orderInts                 // by the integer in the blob
	orderFloats               // NaN greatest, -0.0 equal to 0.0
	orderBits                 // false before true
	orderBytes                // byte by byte
	orderPadded               // so, without trailing blanks
	orderNumeric              // numeric
	orderValues               // as datum.Compare says: interval, timetz, jsonb
)

func orderOf(t datum.Type) order {
	if t.IsRow() {
		return orderNone // equal rows need not have equal bytes
	}
	switch t.OID {
	case datum.BPChar:
		return orderPadded
	case datum.Numeric:
		return orderNumeric
	case datum.Interval, datum.TimeTZ, datum.JSONB:
		return orderValues
	case datum.JSON, datum.Record:
		return orderNone
	}
	switch f, _ := formOf(t); f {
	case formInts:
		return orderInts
	case formFloat32, formFloat64:
		return orderFloats
	case formBits:
		return orderBits
	case formBytes:
		return orderBytes
	}
	return orderNone
}

// intOf returns the integer that a value of an integer-like type lies in a blob as.
func intOf(v datum.Value) (int64, bool) {
	switch x := v.(type) {
	case int16:
		return int64(x), true
	case int32:
		return int64(x), true
	case int64:
		return x, true
	case datum.OID:
		return int64(x), true
	case datum.Days:
		return int64(x), true
	case datum.Micros:
		return int64(x), true
	case datum.Label:
		return int64(x), true
	}
	return 0, false
}

// intValue is the inverse of intOf for a type.
func intValue(t datum.Type, x int64) datum.Value {
	if t.OID.Class() == datum.EnumClass {
		return datum.Label(x)
	}
	switch t.Arrow().ID() {
	case arrow.INT16:
		return int16(x)
	case arrow.INT32:
		return int32(x)
	case arrow.UINT32:
		return datum.OID(uint32(x))
	case arrow.DATE32:
		return datum.Days(int32(x))
	case arrow.TIME64, arrow.TIMESTAMP:
		return datum.Micros(x)
	}
	return x
}

func floatOf(v datum.Value) (float64, bool) {
	switch x := v.(type) {
	case float32:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// bytesOf returns the bytes that a value of a byte-ordered type lies in a blob as.
func bytesOf(v datum.Value) ([]byte, bool) {
	switch x := v.(type) {
	case string:
		return []byte(x), true
	case []byte:
		return x, true
	case datum.UUIDValue:
		return x[:], true
	}
	return nil, false
}

func bytesValue(t datum.Type, b []byte) datum.Value {
	switch {
	case t.OID == datum.UUID && len(b) == 16:
		return datum.UUIDValue(b)
	case t.Arrow().ID() == arrow.BINARY:
		return append([]byte(nil), b...)
	}
	return string(b)
}

// readable says whether a column written as one type can be read as another:
// the widenings that ALTER TABLE makes without rewriting.
func readable(stored, wanted datum.Type) bool {
	if stored.OID == wanted.OID {
		return true
	}
	s, w := stored.Arrow().ID(), wanted.Arrow().ID()
	switch {
	case s == w && s == arrow.STRING:
		return orderOf(stored) == orderOf(wanted)
	case s == arrow.INT16:
		return w == arrow.INT32 || w == arrow.INT64
	case s == arrow.INT32:
		return w == arrow.INT64
	case s == arrow.FLOAT32:
		return w == arrow.FLOAT64
	}
	return false
}

// widen converts a bound of a stored type to the wanted type, which is readable.
func widen(v datum.Value, stored, wanted datum.Type) datum.Value {
	if v == nil || stored.OID == wanted.OID {
		return v
	}
	if x, ok := intOf(v); ok {
		return intValue(wanted, x)
	}
	if x, ok := floatOf(v); ok {
		return x
	}
	return v
}
