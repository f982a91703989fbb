package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpath"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A pathBase is the document that a path's values lie in. keyvalue numbers an object by where
// PostgreSQL's form of a jsonb has it in there, and by the number of the document.
type pathBase struct {
	root    *datum.JSONValue
	id      int64
	offsets map[*datum.JSONValue]int64 // made when first asked for
}

// idsPerDocument separates the numbers of objects of one document from those of the next.
const idsPerDocument = 10_000_000_000

// rebase sets the document and returns what sets it back.
func (r *pathRun) rebase(b pathBase) func() {
	was := r.base
	if b.root == was.root {
		b.offsets = was.offsets
	}
	r.base = b
	return func() { r.base = was }
}

func (b *pathBase) number(v *datum.JSONValue) int64 {
	if b.offsets == nil {
		b.offsets = map[*datum.JSONValue]int64{}
		layJSONB(b.root, 0, b.offsets)
	}
	return b.offsets[v] + b.id*idsPerDocument
}

// layJSONB notes where the objects and arrays of a jsonb lie in PostgreSQL's form of it, and returns
// where it ends: a header and a word for each part, keys, and values, of which all but strings and
// booleans begin at a multiple of four.
func layJSONB(v *datum.JSONValue, at int64, offsets map[*datum.JSONValue]int64) int64 {
	const word = 4
	aligned := func() { at = (at + word - 1) / word * word }
	switch v.Kind {
	case datum.KindString:
		return at + int64(len(v.Text))
	case datum.KindNumber:
		aligned()
		return at + numericSize(v.Number())
	case datum.KindArray, datum.KindObject:
		aligned()
		offsets[v] = at
		at += word + word*int64(len(v.Elems)+len(v.Keys))
		for _, k := range v.Keys {
			at += int64(len(k))
		}
		for i := range v.Elems {
			at = layJSONB(&v.Elems[i], at, offsets)
		}
	}
	return at
}

// numericSize is the size of a numeric in PostgreSQL's memory: two headers, and two bytes for four digits.
func numericSize(d datum.Decimal) int64 {
	const header, groupDigits = 4, 4
	wire := datum.AppendBinary(nil, datum.Of(datum.Numeric), d, nil) // 8 bytes before the groups
	groups := int64(len(wire)-8) / 2
	weight := int16(uint16(wire[2])<<8 | uint16(wire[3]))
	kind := int64(2)
	if d.Scale > 63 || weight < -64 || weight > 63 {
		kind = 4
	}
	return header + kind + 2*groups
}

// keyValue gives an object of key, value and the number of the object for each member.
func (r *pathRun) keyValue(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	if !v.is(datum.KindObject) {
		return false, pathError(pgerr.JSONObjectNotFound, "jsonpath item method .keyvalue() can only be applied to an object")
	}
	id := datum.JSONValue{Kind: datum.KindNumber, Text: datum.DecimalFromInt(r.base.number(v.JSONValue)).String()}
	for i := range v.Elems {
		object := datum.NewJSONObject([]string{"key", "value", "id"},
			[]datum.JSONValue{{Kind: datum.KindString, Text: v.Keys[i]}, v.Elems[i], id})
		restore := r.rebase(pathBase{root: &object, id: r.objects})
		r.objects++
		more, err := r.next(it, pathItem{JSONValue: &object}, out)
		restore()
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}
