package optimize

import (
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

const dayMicros = 24 * 3600 * 1000000

// compareTime compares a column of dates or timestamps with a constant of another
// of these types.
func (c *Context) compareTime(id schema.ColumnID, t datum.Type, op string, k *expr.Const) pushed {
	if t.OID == datum.Date {
		if k.T.OID != datum.Timestamp {
			return pushed{}
		}
		m := k.Value.(datum.Micros)
		if m == datum.InfinityMicros || m == datum.NegInfinityMicros {
			return pushed{}
		}
		day := floorDiv(int64(m), dayMicros)
		if day >= int64(datum.InfinityDays) || day <= int64(datum.NegInfinityDays) {
			return pushed{}
		}
		return stepped(id, op, datum.Days(day), datum.Days(day+1), int64(m)%dayMicros == 0)
	}
	if k.T.OID == datum.TimestampTZ {
		// The column is what is converted, and not in order where clocks go back.
		return pushed{}
	}
	cast, ok := c.Registry.Cast(k.T.OID, t.OID)
	if !ok || cast.Fn == nil || c.Eval == nil {
		return pushed{}
	}
	v, err := expr.Value(c.Eval, &expr.Call{Fn: cast.Fn, Args: []expr.Expr{k}, T: datum.Of(t.OID)})
	if err != nil || v == nil {
		return pushed{}
	}
	return exactly(chunk.Predicate{Column: id, Op: predicateOps[op], Values: []datum.Value{v}})
}

// stepped compares a column with a value between floor and next, two neighbouring
// values of its type, or with floor itself if aligned.
func stepped(id schema.ColumnID, op string, floor, next datum.Value, aligned bool) pushed {
	one := func(op string, v datum.Value) pushed {
		return exactly(chunk.Predicate{Column: id, Op: predicateOps[op], Values: []datum.Value{v}})
	}
	if aligned {
		return one(op, floor)
	}
	switch op {
	case "=":
		return never()
	case "<>":
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIsNotNull})
	case "<", "<=":
		return one("<=", floor)
	}
	return one(">=", next)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// compareFunction compares a function of a column with a constant, where the
// function rises with the column.
func (c *Context) compareFunction(s *plan.Scan, l expr.Expr, op string, k *expr.Const) pushed {
	call, ok := l.(*expr.Call)
	if !ok {
		return pushed{}
	}
	if len(call.Args) == 1 {
		if col := plainColumn(call.Args[0]); col != nil {
			return c.compareCast(s, col, call, op, k)
		}
		return pushed{}
	}
	if isGeo(call, function.DistanceName) {
		return c.distancePredicate(s, call, op, k)
	}
	col, b := c.bucketOf(call)
	if col == nil {
		return pushed{}
	}
	m, isMicros := k.Value.(datum.Micros)
	if !isMicros || k.T.OID != call.T.OID || m == datum.InfinityMicros || m == datum.NegInfinityMicros {
		return pushed{}
	}
	return b.compare(s.Spec.Columns[col.Index], op, m)
}

// compareCast compares a column under a cast function with a constant.
func (c *Context) compareCast(s *plan.Scan, col *expr.Column, call *expr.Call, op string, k *expr.Const) pushed {
	cast, ok := c.Registry.Cast(col.T.OID, call.T.OID)
	if !ok || cast.Fn != call.Fn {
		return pushed{}
	}
	id := s.Spec.Columns[col.Index]
	from, to := col.T.OID, call.T.OID
	switch {
	case isInt(from) && isInt(to) && intBits[from] < intBits[to] && isInt(k.T.OID):
		return compareInt(id, from, op, intValue(k.Value))
	case from == datum.Float4 && to == datum.Float8 && isFloat(k.T.OID):
		return compareFloat(id, from, op, floatValue(k.Value))
	case (from == datum.Int2 || from == datum.Int4) && to == datum.Float8 && isFloat(k.T.OID):
		return compareCastInt(id, from, op, floatValue(k.Value))
	case isInt(from) && to == datum.Numeric && k.T.OID == datum.Numeric:
		return compareNumeric(id, from, op, k.Value.(datum.Decimal))
	case to == datum.Date && k.T.OID == datum.Date && (from == datum.Timestamp || from == datum.TimestampTZ):
		d := k.Value.(datum.Days)
		if d == datum.InfinityDays || d == datum.NegInfinityDays {
			return pushed{}
		}
		b := c.calendar(from, 0, 1)
		return b.compare(id, op, b.toColumn(int64(d)*dayMicros))
	}
	return pushed{}
}

// compareNumeric compares a column of integers, converted to numeric.
func compareNumeric(id schema.ColumnID, t datum.OID, op string, d datum.Decimal) pushed {
	switch d.Kind {
	case datum.NaN:
		return outside(id, op, true)
	case datum.Infinite:
		return outside(id, op, !d.Neg)
	}
	floor, aligned, fits := floorDecimal(d)
	if !fits {
		return outside(id, op, !d.Neg)
	}
	if aligned {
		return compareInt(id, t, op, floor)
	}
	switch op {
	case "=":
		return never()
	case "<>":
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIsNotNull})
	case "<", "<=":
		return compareInt(id, t, "<=", floor)
	}
	return compareInt(id, t, ">=", floor+1)
}

// A bucket is a function that rounds times down to the beginning of the steps of a
// regular or a calendar grid, on the clock of zone.
type bucket struct {
	// Fixed steps of size micros counted from origin, or steps of months, days.
	micros, origin int64
	months         int
	days           int
	zone           *time.Location
	zoned          bool // the column is a timestamptz seen on a clock that may jump
}

// fixedZone says whether clocks never jump in a zone and stand at UTC.
func fixedZone(z *time.Location) bool {
	if z == nil || z == time.UTC {
		return true
	}
	switch z.String() {
	case "UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Zulu", "Etc/UCT", "Etc/Zulu", "Universal", "Etc/Universal":
		return true
	}
	return false
}

// calendar is the grid of days and months of the session.
func (c *Context) calendar(t datum.OID, months, days int) bucket {
	b := bucket{months: months, days: days, zone: time.UTC}
	if t == datum.TimestampTZ && !fixedZone(c.zone()) {
		b.zone, b.zoned = c.zone(), true
	}
	if months == 0 && !b.zoned {
		b.micros, b.days = int64(days)*dayMicros, 0
	}
	return b
}

// toColumn turns micros on the clock of the grid into a value of the column.
func (b bucket) toColumn(local int64) datum.Micros {
	if !b.zoned {
		return datum.Micros(local)
	}
	t := time.UnixMicro(local).UTC()
	return datum.Micros(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), b.zone).UnixMicro())
}

// minCalendar and maxCalendar bound the times for which grids are computed (years 1 to 9998).
const (
	minCalendar = -62135596800 * 1000000
	maxCalendar = 253370764800 * 1000000
)

// around returns the beginning of the step that m lies in, and that of the next.
func (b bucket) around(m int64) (floor, next int64, ok bool) {
	if m < minCalendar || m > maxCalendar {
		return 0, 0, false
	}
	if b.micros > 0 {
		floor = floorDiv(m-b.origin, b.micros)*b.micros + b.origin
		return floor, floor + b.micros, true
	}
	t := time.UnixMicro(m).In(b.zone)
	if b.months > 0 {
		n := t.Year()*12 + int(t.Month()) - 1
		n -= ((n % b.months) + b.months) % b.months
		first := func(n int) int64 { return time.Date(n/12, time.Month(n%12+1), 1, 0, 0, 0, 0, b.zone).UnixMicro() }
		return first(n), first(n + b.months), true
	}
	y, mo, d := t.Date()
	return time.Date(y, mo, d, 0, 0, 0, 0, b.zone).UnixMicro(), time.Date(y, mo, d+b.days, 0, 0, 0, 0, b.zone).UnixMicro(), true
}

// slack is how far off the edges of steps may be where clocks jump.
const slack = dayMicros

// longest is the length of the longest step.
func (b bucket) longest() int64 {
	switch {
	case b.micros > 0:
		return b.micros
	case b.months > 0:
		return int64(b.months) * 31 * dayMicros
	}
	return int64(b.days) * dayMicros
}

// compareLoosely bounds the column where the grid is that of a clock that jumps:
// f(column) <= column < f(column) + a step, but for the jumps. The condition stays.
func (b bucket) compareLoosely(id schema.ColumnID, op string, v datum.Micros) pushed {
	lower := chunk.Predicate{Column: id, Op: chunk.OpGE, Values: []datum.Value{v - slack}}
	upper := chunk.Predicate{Column: id, Op: chunk.OpLT, Values: []datum.Value{v + datum.Micros(b.longest()) + slack}}
	switch op {
	case "=":
		return pushed{preds: []chunk.Predicate{lower, upper}}
	case "<", "<=":
		return pushed{preds: []chunk.Predicate{upper}}
	case ">", ">=":
		return pushed{preds: []chunk.Predicate{lower}}
	}
	return pushed{}
}

// compare turns f(column) op v into bounds of the column.
func (b bucket) compare(id schema.ColumnID, op string, v datum.Micros) pushed {
	floor, next, ok := b.around(int64(v))
	if !ok {
		return pushed{}
	}
	if b.zoned {
		return b.compareLoosely(id, op, v)
	}
	aligned := floor == int64(v)
	bound := func(op chunk.PredicateOp, m int64) chunk.Predicate {
		return chunk.Predicate{Column: id, Op: op, Values: []datum.Value{datum.Micros(m)}}
	}
	ceil := next // the first value whose step begins at v or later
	if aligned {
		ceil = floor
	}
	switch op {
	case "=":
		if !aligned {
			return never()
		}
		return exactly(bound(chunk.OpGE, floor), bound(chunk.OpLT, next))
	case "<":
		return exactly(bound(chunk.OpLT, ceil))
	case "<=":
		return exactly(bound(chunk.OpLT, next))
	case ">":
		return exactly(bound(chunk.OpGE, next))
	case ">=":
		return exactly(bound(chunk.OpGE, ceil))
	}
	return pushed{}
}
