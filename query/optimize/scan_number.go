package optimize

import (
	"math"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

func intValue(v datum.Value) int64 {
	switch n := v.(type) {
	case int16:
		return int64(n)
	case int32:
		return int64(n)
	case int64:
		return n
	}
	panic("optimize: bug: not an integer")
}

func floatValue(v datum.Value) float64 {
	if f, ok := v.(float32); ok {
		return float64(f)
	}
	return v.(float64)
}

// intOf is an integer as a value of a type that it fits in.
func intOf(t datum.OID, n int64) datum.Value {
	switch t {
	case datum.Int2:
		return int16(n)
	case datum.Int4:
		return int32(n)
	}
	return n
}

func intRange(t datum.OID) (lo, hi int64) {
	switch t {
	case datum.Int2:
		return math.MinInt16, math.MaxInt16
	case datum.Int4:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// compareInt compares a column of integers with a number that its type may not hold.
func compareInt(id schema.ColumnID, t datum.OID, op string, n int64) pushed {
	lo, hi := intRange(t)
	if n >= lo && n <= hi {
		return exactly(chunk.Predicate{Column: id, Op: predicateOps[op], Values: []datum.Value{intOf(t, n)}})
	}
	return outside(id, op, n > hi)
}

// outside compares a column with what is above (or below) all its values.
func outside(id schema.ColumnID, op string, above bool) pushed {
	pass := op == "<>" || above && (op == "<" || op == "<=") || !above && (op == ">" || op == ">=")
	if pass {
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIsNotNull})
	}
	return never()
}

// compareFloat compares a column of floats with a double; for a column of
// reals the bound becomes the nearest real on the right side.
func compareFloat(id schema.ColumnID, t datum.OID, op string, f float64) pushed {
	one := func(op string, v datum.Value) pushed {
		return exactly(chunk.Predicate{Column: id, Op: predicateOps[op], Values: []datum.Value{v}})
	}
	if t == datum.Float8 {
		return one(op, f)
	}
	near := float32(f)
	if math.IsNaN(f) || float64(near) == f {
		return one(op, near)
	}
	lower, upper := near, near // the reals around f
	if float64(near) > f {
		lower = math.Nextafter32(near, float32(math.Inf(-1)))
	} else {
		upper = math.Nextafter32(near, float32(math.Inf(1)))
	}
	switch op {
	case "=":
		return never()
	case "<>":
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIsNotNull})
	case "<", "<=":
		return one("<=", lower)
	}
	return one(">=", upper)
}

// compareCastInt compares a column of integers, converted to double or numeric,
// with a number: only whole numbers matter.
func compareCastInt(id schema.ColumnID, t datum.OID, op string, f float64) pushed {
	lo, hi := intRange(t)
	switch {
	case math.IsNaN(f), f > float64(hi):
		return outside(id, op, true) // NaN is above all numbers
	case f < float64(lo):
		return outside(id, op, false)
	case f == math.Trunc(f):
		return compareInt(id, t, op, int64(f))
	}
	switch op {
	case "=":
		return never()
	case "<>":
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIsNotNull})
	case "<", "<=":
		return compareInt(id, t, "<=", int64(math.Floor(f)))
	}
	return compareInt(id, t, ">=", int64(math.Ceil(f)))
}
