package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
)

// polymorphic says whether a declared type stands for others.
func polymorphic(t datum.OID) bool {
	switch t {
	case datum.AnyElement, datum.AnyArray, datum.AnyNonArray, datum.AnyEnum,
		datum.AnyCompatible, datum.AnyCompatibleArray, datum.AnyCompatibleNonArray:
		return true
	}
	return false
}

// genericConsistent says whether actual types fit polymorphic declarations
// (check_generic_type_consistency).
func genericConsistent(actual, declared []datum.OID, b *binder) bool {
	var elem, array datum.OID
	haveElem, nonArray, enum, compatNonArray := false, false, false, false
	var compat []datum.OID
	haveCompat := false
	for i, d := range declared {
		a := actual[i]
		switch d {
		case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
			haveElem = true
			nonArray = nonArray || d == datum.AnyNonArray
			enum = enum || d == datum.AnyEnum
			if a == datum.Unknown {
				continue
			}
			if elem != 0 && a != elem {
				return false
			}
			elem = a
		case datum.AnyArray:
			if a == datum.Unknown {
				continue
			}
			if array != 0 && a != array {
				return false
			}
			array = a
		case datum.AnyCompatible, datum.AnyCompatibleNonArray:
			haveCompat = true
			compatNonArray = compatNonArray || d == datum.AnyCompatibleNonArray
			if a != datum.Unknown {
				compat = append(compat, a)
			}
		case datum.AnyCompatibleArray:
			haveCompat = true
			if a == datum.Unknown {
				continue
			}
			e := elemOf(a)
			if e == 0 {
				return false
			}
			compat = append(compat, e)
		}
	}
	if array != 0 {
		if array == datum.AnyArray {
			return !haveElem
		}
		e := elemOf(array)
		if e == 0 || elem != 0 && e != elem {
			return false
		}
		elem = e
	}
	if nonArray && elem != 0 && trueArray(elem) {
		return false
	}
	if enum && category(elem) != 'E' {
		return false
	}
	if haveCompat && len(compat) > 0 {
		t, err := b.commonTypeOf(compat, "", nil)
		if err != nil || t == 0 {
			return false
		}
		for _, a := range compat {
			if !b.canCoerce([]datum.OID{a}, []datum.OID{t}, function.ImplicitCast) {
				return false
			}
		}
		if compatNonArray && trueArray(t) {
			return false
		}
		for i, d := range declared {
			// Arrays of other element types must be coercible as arrays.
			if d == datum.AnyCompatibleArray && actual[i] != datum.Unknown {
				if !b.canCoerce([]datum.OID{actual[i]}, []datum.OID{arrayOf(t)}, function.ImplicitCast) {
					return false
				}
			}
		}
	}
	return true
}

// resolveGeneric replaces the polymorphic types of declared by the actual ones and
// returns the result type (enforce_generic_type_consistency).
func (b *binder) resolveGeneric(actual, declared []datum.OID, ret datum.OID) ([]datum.OID, datum.OID, error) {
	g := generic{b: b, actual: actual, declared: declared}
	if err := g.collect(); err != nil {
		return nil, 0, err
	}
	out := make([]datum.OID, len(declared))
	for i, d := range declared {
		out[i] = d
		var err error
		switch d {
		case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
			out[i] = g.elem
		case datum.AnyArray:
			if out[i] = g.array; out[i] == 0 {
				out[i], err = g.needArray(g.elem)
			}
		case datum.AnyCompatible, datum.AnyCompatibleNonArray:
			out[i] = g.compat
		case datum.AnyCompatibleArray:
			out[i], err = g.needArray(g.compat)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	switch ret {
	case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
		if g.elem == 0 {
			return nil, 0, undetermined()
		}
		return out, g.elem, nil
	case datum.AnyArray:
		if g.array != 0 {
			return out, g.array, nil
		}
		t, err := g.needArray(g.elem)
		return out, t, err
	case datum.AnyCompatible, datum.AnyCompatibleNonArray:
		return out, g.compat, nil
	case datum.AnyCompatibleArray:
		t, err := g.needArray(g.compat)
		return out, t, err
	}
	return out, ret, nil
}

type generic struct {
	b                   *binder
	actual, declared    []datum.OID
	elem, array, compat datum.OID
}

func undetermined() error {
	return pgerr.New(pgerr.DatatypeMismatch, "could not determine polymorphic type because input has type unknown")
}

func (g *generic) needArray(elem datum.OID) (datum.OID, error) {
	if elem == 0 {
		return 0, undetermined()
	}
	t := arrayOf(elem)
	if t == 0 {
		return 0, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", g.b.typeText(elem))
	}
	return t, nil
}

func (g *generic) collect() error {
	var compat []datum.OID
	any1, anyCompat := false, false
	for i, d := range g.declared {
		a := g.actual[i]
		switch d {
		case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
			any1 = true
			if a != datum.Unknown {
				if g.elem != 0 && g.elem != a {
					return pgerr.New(pgerr.DatatypeMismatch, "arguments declared \"anyelement\" are not all alike").
						WithDetail("%s versus %s", g.b.typeText(g.elem), g.b.typeText(a))
				}
				g.elem = a
			}
		case datum.AnyArray:
			any1 = true
			if a != datum.Unknown {
				if g.array != 0 && g.array != a {
					return pgerr.New(pgerr.DatatypeMismatch, "arguments declared \"anyarray\" are not all alike").
						WithDetail("%s versus %s", g.b.typeText(g.array), g.b.typeText(a))
				}
				g.array = a
			}
		case datum.AnyCompatible, datum.AnyCompatibleNonArray:
			anyCompat = true
			if a != datum.Unknown {
				compat = append(compat, a)
			}
		case datum.AnyCompatibleArray:
			anyCompat = true
			if a != datum.Unknown {
				compat = append(compat, elemOf(a))
			}
		}
	}
	if g.array != 0 && g.array != datum.AnyArray {
		e := elemOf(g.array)
		if e == 0 {
			return pgerr.New(pgerr.DatatypeMismatch, "argument declared %s is not an array but type %s", "anyarray", g.b.typeText(g.array))
		}
		g.elem = e
	}
	if any1 && g.elem == 0 && g.array == 0 {
		return undetermined()
	}
	if anyCompat {
		if len(compat) == 0 {
			g.compat = datum.Text
			return nil
		}
		t, err := g.b.commonTypeOf(compat, "arguments of anycompatible family", nil)
		if err != nil {
			return err
		}
		g.compat = t
	}
	return nil
}
