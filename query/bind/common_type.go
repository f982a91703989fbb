package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// commonType finds the type of UNION, CASE and similar constructs
// (documentation, section 10.5; select_common_type). construct is for the
// message; with construct empty it returns 0 where there is none.
func (b *binder) commonType(es []expr.Expr, construct string, pos []int) (datum.OID, error) {
	types := make([]datum.OID, len(es))
	for i, e := range es {
		types[i] = e.Type().OID
	}
	return b.commonTypeOf(types, construct, pos)
}

func (b *binder) commonTypeOf(types []datum.OID, construct string, pos []int) (datum.OID, error) {
	pick := types[0]
	if pick != datum.Unknown {
		same := true
		for _, t := range types[1:] {
			same = same && t == pick
		}
		if same {
			return pick, nil
		}
	}
	cat, pref := category(pick), preferred(pick)
	for i := 1; i < len(types); i++ {
		t := types[i]
		if t == datum.Unknown || t == pick {
			continue
		}
		nc, np := category(t), preferred(t)
		switch {
		case pick == datum.Unknown:
			pick, cat, pref = t, nc, np
		case nc != cat:
			if construct == "" {
				return 0, nil
			}
			return 0, pgerr.New(pgerr.DatatypeMismatch, "%s types %s and %s cannot be matched",
				construct, b.typeText(pick), b.typeText(t)).At(posAt(pos, i))
		case !pref && b.canCoerce([]datum.OID{pick}, []datum.OID{t}, function.ImplicitCast) &&
			!b.canCoerce([]datum.OID{t}, []datum.OID{pick}, function.ImplicitCast):
			pick, cat, pref = t, nc, np
		}
	}
	if pick == datum.Unknown {
		pick = datum.Text
	}
	return pick, nil
}

// commonMod is the modifier that all the expressions share, or -1.
func commonMod(es []expr.Expr, t datum.OID) int32 {
	mod := int32(-1)
	for i, e := range es {
		if e.Type().OID != t {
			return -1
		}
		if i == 0 {
			mod = e.Type().Mod
		} else if e.Type().Mod != mod {
			return -1
		}
	}
	return mod
}

// commonDomain is the domain that all the expressions are of, 0 if there is none.
func commonDomain(es []expr.Expr) datum.OID {
	for _, e := range es[1:] {
		if e.Type().Domain != es[0].Type().Domain {
			return 0
		}
	}
	return es[0].Type().Domain
}

// toCommon converts one expression to the common type.
func (b *binder) toCommon(e expr.Expr, t datum.OID, construct string, pos int) (expr.Expr, error) {
	source := e.Type().OID
	if source == t {
		return e, nil
	}
	if !b.canCoerce([]datum.OID{source}, []datum.OID{t}, function.ImplicitCast) {
		return nil, pgerr.New(pgerr.CannotCoerce, "%s could not convert type %s to %s",
			construct, b.typeText(source), b.typeText(t)).At(pos)
	}
	return b.coerceType(e, t, function.ImplicitCast, pos)
}

// unify converts all the expressions to their common type.
func (b *binder) unify(es []expr.Expr, construct string, pos []int) ([]expr.Expr, datum.Type, error) {
	t, err := b.commonType(es, construct, pos)
	if err != nil {
		return nil, datum.Type{}, err
	}
	if err := b.sameCollation(es); err != nil {
		return nil, datum.Type{}, err
	}
	typ := datum.Type{OID: t, Mod: commonMod(es, t), Domain: commonDomain(es)}
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		if out[i], err = b.toCommon(e, t, construct, posAt(pos, i)); err != nil {
			return nil, datum.Type{}, err
		}
		if have := out[i].Type(); have.Domain != typ.Domain {
			out[i] = relabel(out[i], undomained(have))
		}
		b.keepCollation(e, out[i])
	}
	return out, typ, nil
}

func posAt(pos []int, i int) int {
	if i < len(pos) {
		return pos[i]
	}
	return 0
}
