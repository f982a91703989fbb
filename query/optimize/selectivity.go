package optimize

import (
	"math"
	"strconv"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
)

// selectivity guesses which part of rows passes a condition.
func (c *Context) selectivity(e expr.Expr, in *estimated) float64 {
	switch x := e.(type) {
	case *expr.AnyAll:
		return listShare
	case *expr.IsNull:
		share := nullShare
		if s := statisticsOf(x.Arg, in); s.Distinct > 0 {
			share = s.Nulls
		}
		if x.Not {
			return 1 - share
		}
		return share
	case *expr.Or:
		p := 1.0
		for _, a := range x.Args {
			p *= 1 - c.selectivity(a, in)
		}
		return 1 - p
	}
	op, call := c.operator(e)
	if op == nil {
		return otherShare
	}
	left, right := statisticsOf(call.Args[0], in), statisticsOf(call.Args[1], in)
	if value, ok := constant(call.Args[1]); ok {
		return compareShare(op.Name, left, value)
	}
	if value, ok := constant(call.Args[0]); ok {
		return compareShare(op.Commutator, right, value)
	}
	if op.Name == "=" && left.Distinct+right.Distinct > 0 {
		return equalityShare(left, right, in.rows, in.rows)
	}
	return compareShare(op.Name, chunk.ColumnStatistics{}, nil)
}

// pairs guesses which part of the pairs of rows of two sides passes conditions over the columns of
// both, beside equalities between the sides that were found before.
func (c *Context) pairs(l, r, both *estimated, equal []float64, conds []expr.Expr) float64 {
	var rest []expr.Expr
	for _, e := range conds {
		if x, y, ok := c.compared(e); ok {
			equal = append(equal, equalityShare(statisticsOf(x, both), statisticsOf(y, both), l.rows, r.rows))
		} else {
			rest = append(rest, e)
		}
	}
	share := 1.0
	for _, of := range equal {
		share *= of
	}
	if len(equal) > 0 { // keys of several columns have no more values than there are rows
		share = max(share, 1/max(l.rows, r.rows, 1))
	}
	return share * c.shareOf(rest, both)
}

// compared returns the sides of an equality neither of which is a constant.
func (c *Context) compared(e expr.Expr) (x, y expr.Expr, ok bool) {
	op, call := c.operator(e)
	if op == nil || op.Name != "=" {
		return nil, nil, false
	}
	_, ok0 := constant(call.Args[0])
	_, ok1 := constant(call.Args[1])
	return call.Args[0], call.Args[1], !ok0 && !ok1
}

// shareOf guesses which part of rows passes all conditions.
func (c *Context) shareOf(conds []expr.Expr, in *estimated) float64 {
	share, ranges := 1.0, ranges{}
	for _, e := range conds {
		if col, op, value, ok := c.bound(e); ok && ranges.add(col, op, statisticsOf(&expr.Column{Index: col}, in), value) {
			continue
		}
		share *= c.selectivity(e, in)
	}
	return share * ranges.share()
}

// bound returns what a comparison of a column with a constant consists of.
func (c *Context) bound(e expr.Expr) (col int, op chunk.PredicateOp, value datum.Value, ok bool) {
	o, call := c.operator(e)
	if o == nil {
		return 0, 0, nil, false
	}
	x, y, name := call.Args[0], call.Args[1], o.Name
	if _, isColumn := y.(*expr.Column); isColumn {
		x, y, name = y, x, o.Commutator
	}
	column, isColumn := x.(*expr.Column)
	value, isConstant := constant(y)
	op, known := compareOps[name]
	if !isColumn || !isConstant || !known {
		return 0, 0, nil, false
	}
	return column.Index, op, value, true
}

// ranges are bounds of columns, of which a lower and an upper one belong together.
type ranges map[int]*spread

// A spread is between which shares of a column's values those that pass are.
type spread struct{ from, to, filled float64 }

// add adds a bound to a column's; false if nothing is known of it, or if it is none.
func (r ranges) add(col int, op chunk.PredicateOp, s chunk.ColumnStatistics, value datum.Value) bool {
	if op != chunk.OpLT && op != chunk.OpLE && op != chunk.OpGT && op != chunk.OpGE {
		return false
	}
	below, ok := shareBelow(s, value)
	if !ok {
		return false
	}
	if r[col] == nil {
		r[col] = &spread{0, 1, 1 - s.Nulls}
	}
	if op == chunk.OpLT || op == chunk.OpLE {
		r[col].to = min(r[col].to, below)
	} else {
		r[col].from = max(r[col].from, below)
	}
	return true
}

func (r ranges) share() float64 {
	share := 1.0
	for _, s := range r {
		share *= max(s.to-s.from, 0) * s.filled
	}
	return share
}

// equalityShare is which part of the pairs of rows from two sides has equal values.
func equalityShare(l, r chunk.ColumnStatistics, lrows, rrows float64) float64 {
	if l.Distinct == 0 && r.Distinct == 0 {
		// As though the smaller side had each value once.
		return 1 / max(min(lrows, rrows), 1)
	}
	return (1 - l.Nulls) * (1 - r.Nulls) / max(l.Distinct, r.Distinct, 1)
}

var compareOps = map[string]chunk.PredicateOp{"=": chunk.OpEQ, "<>": chunk.OpNE, "<": chunk.OpLT, "<=": chunk.OpLE, ">": chunk.OpGT, ">=": chunk.OpGE}

// compareShare is which part of the rows passes a comparison with a value, nil for one that is
// not known yet.
func compareShare(op string, s chunk.ColumnStatistics, value datum.Value) float64 {
	if of, ok := compareOps[op]; ok {
		return predicateShare(of, s, []datum.Value{value})
	}
	return otherShare
}

// predicateShare is which part of the rows passes a predicate on a column.
func predicateShare(op chunk.PredicateOp, s chunk.ColumnStatistics, values []datum.Value) float64 {
	equal := equalShare
	if s.Distinct > 0 {
		equal = (1 - s.Nulls) / s.Distinct
	}
	switch op {
	case chunk.OpEQ:
		if len(values) == 1 && beyond(s, values[0]) {
			return 0
		}
		return equal
	case chunk.OpNE:
		return 1 - s.Nulls - equal
	case chunk.OpIn:
		return min(equal*float64(len(values)), 1)
	case chunk.OpIsNull, chunk.OpIsNotNull:
		share := s.Nulls
		if s.Distinct == 0 {
			share = nullShare
		}
		if op == chunk.OpIsNotNull {
			return 1 - share
		}
		return share
	case chunk.OpLT, chunk.OpLE, chunk.OpGT, chunk.OpGE:
		if one := (ranges{}); one.add(0, op, s, values[0]) {
			return one.share()
		}
	}
	return otherShare
}

// shareBelow is which part of a column's values is less than one, if they were spread evenly
// between the bounds.
func shareBelow(s chunk.ColumnStatistics, value datum.Value) (float64, bool) {
	from, ok1 := position(s.Min)
	to, ok2 := position(s.Max)
	at, ok3 := position(value)
	if !ok1 || !ok2 || !ok3 {
		return 0, false
	}
	switch {
	case at <= from:
		return 0, true
	case at >= to:
		return 1, true
	}
	return (at - from) / (to - from), true
}

// beyond says that a value is certainly not between the bounds of what was looked at.
func beyond(s chunk.ColumnStatistics, value datum.Value) bool {
	from, ok1 := position(s.Min)
	to, ok2 := position(s.Max)
	at, ok3 := position(value)
	return ok1 && ok2 && ok3 && (at < from || at > to)
}

// position maps a value to a number such that order and distances stay about the same.
func position(v datum.Value) (float64, bool) {
	switch x := v.(type) {
	case int16:
		return float64(x), true
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case float32:
		return finite(float64(x))
	case float64:
		return finite(x)
	case datum.Micros:
		return float64(x), true
	case datum.Days:
		return float64(x), true
	case datum.Label:
		return float64(x), true
	case datum.Decimal:
		f, err := strconv.ParseFloat(x.String(), 64)
		if err != nil {
			return 0, false
		}
		return finite(f)
	}
	return 0, false
}

func finite(x float64) (float64, bool) { return x, !math.IsNaN(x) && !math.IsInf(x, 0) }
