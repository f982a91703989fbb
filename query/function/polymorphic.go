package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// IsPolymorphic says whether a declared type stands for an actual one.
func IsPolymorphic(t datum.OID) bool {
	switch t {
	case datum.AnyElement, datum.AnyArray, datum.AnyNonArray, datum.AnyEnum,
		datum.AnyCompatible, datum.AnyCompatibleArray, datum.AnyCompatibleNonArray:
		return true
	}
	return false
}

// ResolvePolymorphic finds the actual argument types and the actual result type
// of a function declared with declared and ret, when called with arguments of
// the types actual (datum.Unknown for untyped literals and NULLs). Declared
// types that are not polymorphic are returned as declared, but for "any", which
// takes the argument's type. There is one declared type for each argument: the
// caller repeats that of a variadic argument. The errors are PostgreSQL's.
func (r *Registry) ResolvePolymorphic(declared []datum.OID, ret datum.OID, actual []datum.Type) ([]datum.Type, datum.Type, error) {
	p := polymorph{registry: r}
	for i, d := range declared {
		if err := p.bind(d, actual[i]); err != nil {
			return nil, datum.Type{}, err
		}
	}
	if err := p.finish(); err != nil {
		return nil, datum.Type{}, err
	}
	args := make([]datum.Type, len(declared))
	for i, d := range declared {
		t, err := p.actual(d, actual[i])
		if err != nil {
			return nil, datum.Type{}, err
		}
		args[i] = t
	}
	rt, err := p.actual(ret, datum.Type{})
	return args, rt, err
}

// A polymorph is the state of one resolution: the types that anyelement and
// anycompatible stand for.
type polymorph struct {
	registry *Registry
	elem     datum.Type // of the anyelement family; OID 0 if not known yet
	array    datum.Type
	usesElem bool
	nonArray bool

	compatible         []datum.OID // of the anycompatible family, elements of arrays
	usesCompatible     bool
	compatibleNonArray bool
	compatibleType     datum.Type
}

func (p *polymorph) bind(d datum.OID, t datum.Type) error {
	unknown := t.OID == datum.Unknown || t.OID == 0
	switch d {
	case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
		p.usesElem = true
		p.nonArray = p.nonArray || d == datum.AnyNonArray
		if unknown {
			return nil
		}
		if p.elem.OID != 0 && p.elem.OID != t.OID {
			return pgerr.New(pgerr.DatatypeMismatch, "arguments declared %q are not all alike", "anyelement").
				WithDetail("%s versus %s", p.elem, t)
		}
		p.elem = datum.Of(t.OID)
	case datum.AnyArray:
		p.usesElem = true
		if unknown {
			return nil
		}
		if p.array.OID != 0 && p.array.OID != t.OID {
			return pgerr.New(pgerr.DatatypeMismatch, "arguments declared %q are not all alike", "anyarray").
				WithDetail("%s versus %s", p.array, t)
		}
		p.array = datum.Of(t.OID)
	case datum.AnyCompatible, datum.AnyCompatibleNonArray:
		p.usesCompatible = true
		p.compatibleNonArray = p.compatibleNonArray || d == datum.AnyCompatibleNonArray
		if !unknown {
			p.compatible = append(p.compatible, t.OID)
		}
	case datum.AnyCompatibleArray:
		p.usesCompatible = true
		if unknown {
			return nil
		}
		e, ok := elemOf(t)
		if !ok {
			return pgerr.New(pgerr.DatatypeMismatch, "argument declared %s is not an array but type %s", "anycompatiblearray", t)
		}
		p.compatible = append(p.compatible, e.OID)
	}
	return nil
}

// elemOf is datum.Type.Elem without a modifier; oidvector and int2vector count as arrays.
func elemOf(t datum.Type) (datum.Type, bool) {
	switch t.OID {
	case datum.OIDVector:
		return datum.Of(datum.OIDType), true
	case datum.Int2Vector:
		return datum.Of(datum.Int2), true
	}
	return datum.Of(t.OID).Elem()
}

func (p *polymorph) finish() error {
	if p.usesElem {
		if err := p.finishElem(); err != nil {
			return err
		}
	}
	if !p.usesCompatible {
		return nil
	}
	p.compatibleType = datum.Of(datum.Text)
	if len(p.compatible) > 0 {
		oid, ok := p.registry.CommonType(p.compatible)
		if !ok {
			return pgerr.New(pgerr.DatatypeMismatch, "arguments of anycompatible family cannot be cast to a common type")
		}
		p.compatibleType = datum.Of(oid)
	}
	if _, isArray := elemOf(p.compatibleType); isArray && p.compatibleNonArray {
		return pgerr.New(pgerr.DatatypeMismatch, "type matched to anynonarray is an array type: %s", p.compatibleType)
	}
	return nil
}

func (p *polymorph) finishElem() error {
	if p.array.OID != 0 {
		e, ok := elemOf(p.array)
		if !ok {
			return pgerr.New(pgerr.DatatypeMismatch, "argument declared %s is not an array but type %s", "anyarray", p.array)
		}
		if p.elem.OID != 0 && p.elem.OID != e.OID {
			return pgerr.New(pgerr.DatatypeMismatch, "argument declared %s is not consistent with argument declared %s", "anyarray", "anyelement").
				WithDetail("%s versus %s", p.array, p.elem)
		}
		p.elem = e
	}
	if p.elem.OID == 0 {
		return pgerr.New(pgerr.DatatypeMismatch, "could not determine polymorphic type because input has type %s", "unknown")
	}
	if _, isArray := elemOf(p.elem); isArray && p.nonArray {
		return pgerr.New(pgerr.DatatypeMismatch, "type matched to anynonarray is an array type: %s", p.elem)
	}
	return nil
}

// actual returns the type that a declared type stands for.
func (p *polymorph) actual(d datum.OID, arg datum.Type) (datum.Type, error) {
	switch d {
	case datum.AnyElement, datum.AnyNonArray, datum.AnyEnum:
		if p.elem.OID == 0 {
			return datum.Type{}, pgerr.New(pgerr.DatatypeMismatch, "could not determine polymorphic type because input has type %s", "unknown")
		}
		return p.elem, nil
	case datum.AnyArray:
		if p.array.OID != 0 {
			return p.array, nil
		}
		return arrayOf(p.elem)
	case datum.AnyCompatible, datum.AnyCompatibleNonArray:
		return p.compatibleType, nil
	case datum.AnyCompatibleArray:
		return arrayOf(p.compatibleType)
	case datum.AnyOID:
		return arg, nil
	}
	return datum.Of(d), nil
}

func arrayOf(elem datum.Type) (datum.Type, error) {
	t, ok := datum.ArrayOf(elem)
	if !ok {
		return datum.Type{}, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", elem)
	}
	return t, nil
}

// CommonType finds the type that UNION, CASE, VALUES and anycompatible choose
// for operands of several types, by PostgreSQL's rules; ok is false if there is
// none. datum.Unknown operands do not count; if all are, it is text.
func (r *Registry) CommonType(types []datum.OID) (common datum.OID, ok bool) {
	var category byte
	preferred := false
	for _, t := range types {
		if t == datum.Unknown || t == common {
			continue
		}
		info, known := datum.Lookup(t)
		if !known {
			info.Category = 'U'
		}
		switch {
		case common == 0:
			common, category, preferred = t, info.Category, info.Preferred
		case info.Category != category:
			return 0, false
		case !preferred && r.ImplicitlyCoercible(common, t) && !r.ImplicitlyCoercible(t, common):
			common, category, preferred = t, info.Category, info.Preferred
		}
	}
	if common == 0 {
		return datum.Text, true
	}
	for _, t := range types {
		if t != datum.Unknown && !r.ImplicitlyCoercible(t, common) {
			return 0, false
		}
	}
	return common, true
}

// ImplicitlyCoercible says whether a value of one type may stand where another
// is expected without an explicit cast. Unknown literals may stand anywhere.
func (r *Registry) ImplicitlyCoercible(source, target datum.OID) bool {
	if source == target || source == datum.Unknown || target == datum.AnyOID {
		return true
	}
	if c, ok := r.Cast(source, target); ok {
		return c.Context == ImplicitCast
	}
	se, ok1 := datum.Of(source).Elem()
	te, ok2 := datum.Of(target).Elem()
	return ok1 && ok2 && r.ImplicitlyCoercible(se.OID, te.OID)
}
