package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// All collations compare bytes, so all that COLLATE does is to contradict another one.

// A collation is what COLLATE says, and where.
type collation struct {
	name string
	pos  int
}

// withCollation remembers the COLLATE of an expression. Columns and constants may stand elsewhere
// without it, so they become others.
func (b *binder) withCollation(e expr.Expr, c collation) expr.Expr {
	out := e
	switch x := e.(type) {
	case *expr.Column:
		y := *x
		out = &y
	case *expr.Const:
		y := *x
		out = &y
	case *expr.Call, *expr.Case, *expr.ArrayCtor, *expr.Subquery, *aggRef, *winRef, *setRef:
	default:
		return e
	}
	if at, ok := b.pos[e]; ok {
		b.pos[out] = at
	}
	if b.collations == nil {
		b.collations = map[expr.Expr]collation{}
	}
	b.collations[out] = c
	return out
}

// keepCollation gives an expression that was made of another one its collation.
func (b *binder) keepCollation(of, made expr.Expr) {
	if of == made {
		return
	}
	if c, ok := b.collationOf(of); ok {
		b.collations[made] = c
	}
}

// collationOf returns the collation that an expression was given, or that its parts were.
func (b *binder) collationOf(e expr.Expr) (collation, bool) {
	if len(b.collations) == 0 {
		return collation{}, false
	}
	if c, ok := b.collations[e]; ok {
		return c, true
	}
	if !collatable(e.Type().OID) {
		return collation{}, false
	}
	parts := plan.Children(e)
	switch x := e.(type) {
	case *expr.Subquery:
		return collation{}, false
	case *aggRef:
		parts = x.call.Args
	}
	for _, p := range parts {
		if c, ok := b.collationOf(p); ok {
			return c, true
		}
	}
	return collation{}, false
}

func collatable(t datum.OID) bool {
	return t == datum.Name || category(t) == 'S' || category(elemOf(t)) == 'S'
}

// sameCollation refuses arguments of which two were given different collations.
func (b *binder) sameCollation(args []expr.Expr) error {
	var first collation
	for _, a := range args {
		c, ok := b.collationOf(a)
		switch {
		case !ok:
		case first.name == "":
			first = c
		case c.name != first.name:
			if c.pos < first.pos { // ELSE is looked at before what stands before it
				first, c = c, first
			}
			return pgerr.New(pgerr.CollationMismatch, "collation mismatch between explicit collations %q and %q", first.name, c.name).At(c.pos)
		}
	}
	return nil
}
