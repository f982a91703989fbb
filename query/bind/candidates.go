package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// A candidate is a function, aggregate, window function or operator that a call may mean.
type candidate struct {
	fn     *function.Function
	agg    *function.Aggregate
	op     *function.Operator
	window bool
	// args are the declared types, one for each argument given: variadic ones
	// are repeated.
	args     []datum.OID
	order    []int // for calls with named arguments: given argument i is declared argument order[i]
	variadic int   // how many of the arguments were made from the variadic one
	defaults int   // how many declared arguments were not given
}

// maxTries bounds nothing but documents that the steps below run once each:
// they follow documentation sections 10.2 and 10.3 (func_select_candidate).
func (b *binder) selectCandidate(in []datum.OID, cands []candidate) *candidate {
	base := in // domains would be reduced here
	keep := func(score func(c *candidate) (int, bool)) {
		best, kept := 0, cands[:0:0]
		for i := range cands {
			n, ok := score(&cands[i])
			if !ok {
				continue
			}
			switch {
			case len(kept) == 0 || n > best:
				best, kept = n, append(kept[:0:0], cands[i])
			case n == best:
				kept = append(kept, cands[i])
			}
		}
		if len(kept) > 0 {
			cands = kept
		}
	}
	unknowns := 0
	for _, t := range base {
		if t == datum.Unknown {
			unknowns++
		}
	}
	// Most exact matches.
	keep(func(c *candidate) (int, bool) {
		n := 0
		for i, t := range base {
			if t != datum.Unknown && c.args[i] == t {
				n++
			}
		}
		return n, true
	})
	if len(cands) == 1 {
		return &cands[0]
	}
	// Most exact matches or preferred types of the input's category.
	keep(func(c *candidate) (int, bool) {
		n := 0
		for i, t := range base {
			if t != datum.Unknown && (c.args[i] == t || preferredIn(category(t), c.args[i])) {
				n++
			}
		}
		return n, true
	})
	if len(cands) == 1 {
		return &cands[0]
	}
	if unknowns == 0 {
		return nil
	}
	cands = b.byCategory(base, cands)
	if len(cands) == 1 {
		return &cands[0]
	}
	return b.sameAsKnown(base, cands, unknowns)
}

// preferredIn is IsPreferredType: the type is the preferred one of the category.
func preferredIn(cat byte, t datum.OID) bool {
	info, ok := datum.Lookup(t)
	return ok && info.Category == cat && info.Preferred
}

// byCategory decides by the category that the candidates accept for the unknown
// arguments; string wins if any accepts it.
func (b *binder) byCategory(in []datum.OID, cands []candidate) []candidate {
	slot := make([]byte, len(in))
	prefer := make([]bool, len(in))
	resolved := false
	for i, t := range in {
		if t != datum.Unknown {
			continue
		}
		cat, pref, have, conflict := byte(0), false, false, false
		for j := range cands {
			at := cands[j].args[i]
			cc, cp := category(at), preferred(at)
			switch {
			case !have:
				cat, pref, have = cc, cp, true
			case cc == cat:
				pref = pref || cp
			case cc == 'S':
				cat, pref = cc, cp
			case cat == 'S':
			default:
				conflict = true
			}
		}
		if conflict && cat != 'S' {
			return cands // no category fits them all
		}
		slot[i], prefer[i], resolved = cat, pref, true
	}
	if !resolved {
		return cands
	}
	var kept []candidate
	for _, c := range cands {
		ok := true
		for i, t := range in {
			if t != datum.Unknown {
				continue
			}
			cc, cp := category(c.args[i]), preferred(c.args[i])
			if cc != slot[i] || prefer[i] && !cp {
				ok = false
				break
			}
		}
		if ok {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return cands
	}
	return kept
}

// sameAsKnown assumes that the unknown arguments have the type of the known
// ones, if these agree.
func (b *binder) sameAsKnown(in []datum.OID, cands []candidate, unknowns int) *candidate {
	if unknowns == len(in) {
		return nil
	}
	known := datum.OID(0)
	for _, t := range in {
		if t == datum.Unknown {
			continue
		}
		if known != 0 && known != t {
			return nil
		}
		known = t
	}
	assumed := make([]datum.OID, len(in))
	for i := range assumed {
		assumed[i] = known
	}
	var found *candidate
	for i := range cands {
		if b.canCoerce(assumed, cands[i].args, function.ImplicitCast) {
			if found != nil {
				return nil
			}
			found = &cands[i]
		}
	}
	return found
}

// matching returns the candidates that the arguments can be coerced to.
func (b *binder) matching(in []datum.OID, cands []candidate) []candidate {
	var kept []candidate
	for _, c := range cands {
		if len(c.args) == len(in) && b.canCoerce(in, c.args, function.ImplicitCast) {
			kept = append(kept, c)
		}
	}
	return kept
}

// exact returns the candidate that declares exactly the types.
func exact(in []datum.OID, cands []candidate) *candidate {
	for i := range cands {
		if len(cands[i].args) != len(in) {
			continue
		}
		same := true
		for j, t := range in {
			same = same && cands[i].args[j] == t
		}
		if same {
			return &cands[i]
		}
	}
	return nil
}
