package datum

import (
	"cmp"
	"encoding/binary"
	"strings"
)

func compareJSONB(a, b string) int {
	if a == b {
		return 0
	}
	v, w := mustParseJSONB(a), mustParseJSONB(b)
	return v.Compare(&w)
}

// Compare is jsonb's order: Object > Array > Boolean > Number > String > null,
// containers by their number of parts first. An empty array at the top is less
// than everything, because PostgreSQL takes a scalar there as an array of one.
func (v *JSONValue) Compare(w *JSONValue) int {
	if ve, we := v.emptyArray(), w.emptyArray(); ve || we {
		return compareBool(we, ve)
	}
	return v.compare(w)
}

func (v *JSONValue) emptyArray() bool { return v.Kind == KindArray && len(v.Elems) == 0 }

func (v *JSONValue) compare(w *JSONValue) int {
	if c := cmp.Compare(v.Kind, w.Kind); c != 0 {
		return c
	}
	switch v.Kind {
	case KindString:
		return strings.Compare(v.Text, w.Text)
	case KindNumber:
		d, e := v.Number(), w.Number()
		return d.Cmp(&e)
	case KindBool:
		return compareBool(v.Bool, w.Bool)
	}
	if c := cmp.Compare(len(v.Elems), len(w.Elems)); c != 0 {
		return c
	}
	for i := range v.Elems {
		if v.Kind == KindObject {
			if c := strings.Compare(v.Keys[i], w.Keys[i]); c != 0 {
				return c
			}
		}
		if c := v.Elems[i].compare(&w.Elems[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Number returns a number's value.
func (v *JSONValue) Number() Decimal {
	d, err := ParseDecimal(v.Text)
	if err != nil {
		panic("datum: bug: jsonb number: " + err.Error())
	}
	return d
}

// Keys of jsonb: a class byte in the order of the kinds, with the empty array at
// the top below all; containers have their number of parts, then the parts.
const keyEmptyArray = 0

func appendJSONBKey(dst []byte, s string) []byte {
	v := mustParseJSONB(s)
	if v.emptyArray() {
		return append(dst, keyEmptyArray)
	}
	return v.appendKey(dst)
}

func (v *JSONValue) appendKey(dst []byte) []byte {
	dst = append(dst, byte(v.Kind)+1)
	switch v.Kind {
	case KindNull:
		return dst
	case KindString:
		return appendStringKey(dst, v.Text)
	case KindNumber:
		return appendDecimalKey(dst, v.Number())
	case KindBool:
		return appendBoolKey(dst, v.Bool)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Elems)))
	for i := range v.Elems {
		if v.Kind == KindObject {
			dst = appendStringKey(dst, v.Keys[i])
		}
		dst = v.Elems[i].appendKey(dst)
	}
	return dst
}
