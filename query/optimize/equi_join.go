package optimize

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// equiJoins takes the equalities between the two sides out of join conditions, so
// that the join can hash.
func (c *Context) equiJoins(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		j, ok := m.(*plan.Join)
		if !ok || j.Cond == nil || j.Kind == plan.NullAntiJoin {
			return m
		}
		width := len(j.Left.Fields())
		out := *j
		var rest []expr.Expr
		for _, e := range plan.Conjuncts(j.Cond) {
			l, r, ok := c.equality(e, width)
			if !ok {
				rest = append(rest, e)
				continue
			}
			out.EquiLeft = append(out.EquiLeft[:len(out.EquiLeft):len(out.EquiLeft)], l)
			out.EquiRight = append(out.EquiRight[:len(out.EquiRight):len(out.EquiRight)], r)
		}
		out.Cond = plan.And(rest...)
		return &out
	})
}

// equality splits l = r between the sides of a join.
func (c *Context) equality(e expr.Expr, width int) (l, r expr.Expr, ok bool) {
	op, call := c.operator(e)
	if op == nil || op.Name != "=" || plan.IsVolatile(e) || plan.HasSubquery(e) {
		return nil, nil, false
	}
	l, r = call.Args[0], call.Args[1]
	ll, lr := sides(l, width)
	rl, rr := sides(r, width)
	switch {
	case ll && !lr && rr && !rl:
	case lr && !ll && rl && !rr:
		l, r = r, l
	default:
		return nil, nil, false
	}
	r = plan.Shift(r, -width)
	if sameKind(l.Type(), r.Type()) {
		return l, r, true
	}
	return nil, nil, false
}

// sameKind says whether values of two types are equal exactly where the order
// of the type says so: hashing compares by that.
func sameKind(l, r datum.Type) bool {
	if l.OID != r.OID {
		return isText(l.OID) && isText(r.OID) || isInt(l.OID) && isInt(r.OID) || isFloat(l.OID) && isFloat(r.OID)
	}
	switch l.OID {
	case datum.Bool, datum.Bytea, datum.Name, datum.Int2, datum.Int4, datum.Int8, datum.Text, datum.Varchar, datum.BPChar,
		datum.OIDType, datum.Char, datum.Float4, datum.Float8, datum.Date, datum.Time, datum.TimeTZ, datum.Timestamp,
		datum.TimestampTZ, datum.Interval, datum.Numeric, datum.UUID, datum.RegClass, datum.RegType, datum.RegProc, datum.XID:
		return true
	}
	return false
}

func isInt(t datum.OID) bool   { return t == datum.Int2 || t == datum.Int4 || t == datum.Int8 }
func isFloat(t datum.OID) bool { return t == datum.Float4 || t == datum.Float8 }
func isText(t datum.OID) bool  { return t == datum.Text || t == datum.Varchar }
