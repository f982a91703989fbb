package ingest

import (
	"bytes"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// What both directions know of rows in a record. format.md has the picture.

// A column's head says how its body lies.
const (
	headNulls   = 1 << 0 // a validity bitmap comes first
	headAllNull = 1 << 1 // every row is NULL: no body
	headWidth   = 3 << 2 // bytes of a length: 1, 2 or 4
	headShaped  = 1 << 4 // of lists: their dimensions come before the elements, as a column of bytes
	headKnown   = headNulls | headAllNull | headWidth | headShaped

	headWidthShift = 2
)

// maxAllNull is the most rows that headAllNull may stand for: more would be
// memory that no byte of the entry pays for.
const maxAllNull = 64

// maxColumns bounds the columns of a part; PostgreSQL allows 1,600.
const maxColumns = 4096

// shape is how the values of a column lie in Arrow's buffers.
type shape uint8

const (
	shapeBits  shape = iota + 1
	shapeFixed       // values of one width
	shapeBytes       // offsets and bytes
	shapeList        // offsets and a child of another shape
)

// shapeOf returns the shape of a type's arrays and the width of shapeFixed; ok
// is false for types that cannot be stored.
func shapeOf(t datum.Type) (s shape, width int, ok bool) {
	switch dt := t.Arrow().(type) {
	case *arrow.BooleanType:
		return shapeBits, 0, true
	case *arrow.StringType, *arrow.BinaryType:
		return shapeBytes, 0, true
	case *arrow.StructType: // arrays; records cannot be stored
		elem, ok := t.Elem()
		if !ok {
			return 0, 0, false
		}
		if s, _, ok := shapeOf(elem); !ok || s == shapeList {
			return 0, 0, false
		}
		return shapeList, 0, true
	case *arrow.NullType:
		return 0, 0, false
	case arrow.FixedWidthDataType:
		return shapeFixed, dt.Bytes(), true
	}
	return 0, 0, false
}

// checkText returns nil if each text in data is valid UTF-8 without NUL; text i
// ends at ends[i+1].
func checkText(ends []int32, data []byte) error {
	if utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		// The whole is valid: its parts are if none starts inside of a character.
		for _, e := range ends[:len(ends)-1] {
			if int(e-ends[0]) < len(data) && !utf8.RuneStart(data[e-ends[0]]) {
				return pgerr.New(pgerr.CharacterNotInRepertoire, "a text ends inside of a character")
			}
		}
		return nil
	}
	for i := range len(ends) - 1 {
		if err := datum.CheckText(string(data[ends[i]-ends[0] : ends[i+1]-ends[0]])); err != nil {
			return err
		}
	}
	return nil
}

// checkValues returns nil if values in data are of a form that package datum
// reads without a panic.
func checkValues(t datum.Type, ends []int32, data []byte, isNull func(i int) bool) error {
	if t.Arrow().ID() == arrow.STRING {
		if err := checkText(ends, data); err != nil || t.OID != datum.JSONB {
			return err
		}
	} else if t.OID != datum.Numeric && !t.IsRow() {
		return nil
	}
	for i := range len(ends) - 1 {
		if isNull(i) {
			continue
		}
		b := data[ends[i]-ends[0] : ends[i+1]-ends[0]]
		var err error
		switch {
		case t.IsRow():
			err = datum.CheckRow(t, b)
		case t.OID == datum.Numeric:
			_, err = datum.DecodeNumeric(b)
		default:
			_, err = datum.ParseJSON(string(b))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
