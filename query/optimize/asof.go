package optimize

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// pushAsofJoin gives conditions on the left side to it, and to the right side what follows
// from them for the rows that can be joined: the same keys, and times on one side of the left
// ones, within the tolerance. Conditions on the right side stay above: another row is not to
// be found instead of one that they refuse.
func (c *Context) pushAsofJoin(j *plan.AsofJoin, conds []expr.Expr) plan.Node {
	out := *j
	out.Kind = c.reduceOuter(j.Kind, conds, len(j.Left.Fields()))
	toLeft, above := split(conds, func(e expr.Expr) bool {
		_, r := sides(e, len(j.Left.Fields()))
		return !r && !plan.IsVolatile(e)
	})
	var toRight []expr.Expr
	for _, e := range toLeft {
		toRight = append(toRight, c.asofKeys(j, e)...)
		toRight = append(toRight, c.asofTimes(j, e)...)
	}
	out.Left, out.Right = c.push(j.Left, toLeft), c.push(j.Right, toRight)
	return filtered(&out, above)
}

// asofKeys is a condition on keys of the left side, as one on those of the right side.
func (c *Context) asofKeys(j *plan.AsofJoin, e expr.Expr) []expr.Expr {
	if plan.HasSubquery(e) || !columnsAre(e, func(col int) bool { return asofKey(j, col) != nil }) {
		return nil
	}
	return []expr.Expr{plan.MapColumns(e, func(col *expr.Column) expr.Expr { return asofKey(j, col.Index) })}
}

// asofKey is the right side's key that is equal to a column of the left side, nil if there is none.
func asofKey(j *plan.AsofJoin, col int) expr.Expr {
	for i, l := range j.EquiLeft {
		if k, ok := l.(*expr.Column); ok && k.Index == col && identical(k.T.OID) {
			return j.EquiRight[i]
		}
	}
	return nil
}

// identical says whether equal values of a type cannot be told apart.
func identical(t datum.OID) bool {
	switch t {
	case datum.Bool, datum.Date, datum.Timestamp, datum.TimestampTZ, datum.UUID:
		return true
	}
	return isInt(t) || isText(t)
}

// asofTimes is a bound of the left side's times, as bounds of the right side's.
func (c *Context) asofTimes(j *plan.AsofJoin, e expr.Expr) []expr.Expr {
	op, call := c.operator(e)
	if op == nil || !plan.Equal(call.Args[0], j.TimeLeft) {
		return nil
	}
	k, ok := call.Args[1].(*expr.Const)
	if !ok || k.Value == nil || k.T.OID != j.TimeRight.Type().OID {
		return nil
	}
	// A later row is bounded from below by the left one's lower bound, and an earlier one from above
	// by its upper bound; the tolerance bounds them on the other side.
	near, far := "<=", ">="
	if j.Op.Forward() {
		near, far = far, near
	}
	var out []expr.Expr
	if op.Name == "=" || op.Name == near || op.Name == near[:1] {
		out = append(out, c.asofBound(j, near, k.Value)...)
	}
	if op.Name == "=" || op.Name == far || op.Name == far[:1] {
		if v, ok := c.asofFar(j, k.Value); ok {
			out = append(out, c.asofBound(j, far, v)...)
		}
	}
	return out
}

func (c *Context) asofBound(j *plan.AsofJoin, op string, v datum.Value) []expr.Expr {
	t := j.TimeRight.Type()
	o := c.find(op, t.OID, t.OID)
	if o == nil {
		return nil
	}
	return []expr.Expr{&expr.Call{Fn: o.Fn, Args: []expr.Expr{j.TimeRight, &expr.Const{Value: v, T: datum.Of(t.OID)}}, T: boolType}}
}

// asofFar is the farthest time that the tolerance lets a row be joined with one at v.
func (c *Context) asofFar(j *plan.AsofJoin, v datum.Value) (datum.Value, bool) {
	m, ok := v.(datum.Micros)
	if !ok || m < minCalendar || m > maxCalendar {
		return nil, false
	}
	for _, e := range plan.Conjuncts(j.Cond) {
		span, ok := c.asofTolerance(e, len(j.Left.Fields()))
		if !ok || span < 0 || span > maxCalendar {
			continue
		}
		if j.Op.Forward() {
			return m + datum.Micros(span), true
		}
		return m - datum.Micros(span), true
	}
	return nil, false
}

// asofTolerance is the constant of a condition that bounds the distance of the times, which is
// all that conditions on both sides can be (as differences of timestamps are counted: days have
// 24 hours), in microseconds.
func (c *Context) asofTolerance(e expr.Expr, width int) (int64, bool) {
	op, call := c.operator(e)
	if op == nil {
		return 0, false
	}
	d, bound := call.Args[0], call.Args[1]
	if op.Name == ">" || op.Name == ">=" {
		d, bound = bound, d
	} else if op.Name != "<" && op.Name != "<=" {
		return 0, false
	}
	minus, _ := c.operator(d)
	k, ok := bound.(*expr.Const)
	if minus == nil || minus.Name != "-" || !ok {
		return 0, false
	}
	if l, r := sides(d, width); !l || !r {
		return 0, false
	}
	iv, ok := k.Value.(datum.IntervalValue)
	if !ok || iv.Months > 1<<16 || iv.Days > 1<<20 || iv.Micros > maxCalendar {
		return 0, false
	}
	return (int64(iv.Months)*30+int64(iv.Days))*dayMicros + iv.Micros, true
}
