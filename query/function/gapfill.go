package function

import (
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// GapfillName, LocfName and InterpolateName are the functions that the binder takes out of
// queries that fill gaps; nothing evaluates them elsewhere.
const (
	GapfillName     = "time_bucket_gapfill"
	LocfName        = "locf"
	InterpolateName = "interpolate"
)

// gapfillFunctions are time_bucket_gapfill, locf and interpolate, as TimescaleDB has them.
func gapfillFunctions() []*Function {
	next := datum.OID(9800)
	var fns []*Function
	add := func(name string, misplaced evalFunc, ret datum.OID, defaults int, names []string, args ...datum.OID) {
		fns = append(fns, &Function{OID: next, Name: name, Args: args, ArgNames: names, Ret: ret, Defaults: defaults, Volatility: Stable, Eval: misplaced})
		next++
	}
	asKey := misplaced("time_bucket_gapfill must be an item of GROUP BY by itself")
	for _, t := range []datum.OID{datum.Timestamp, datum.TimestampTZ, datum.Date} {
		add(GapfillName, asKey, t, 2, []string{"bucket_width", "ts", "start", "finish"}, datum.Interval, t, t, t)
	}
	for _, t := range []datum.OID{datum.Int2, datum.Int4, datum.Int8} {
		add(GapfillName, asKey, t, 2, []string{"bucket_width", "ts", "start", "finish"}, t, t, t, t)
	}
	tz := datum.TimestampTZ
	add(GapfillName, asKey, tz, 2, []string{"bucket_width", "ts", "timezone", "start", "finish"}, datum.Interval, tz, datum.Text, tz, tz)
	add(LocfName, misplaced("locf can be used only in the select list and ORDER BY of a query that groups by time_bucket_gapfill"),
		datum.AnyElement, 2, []string{"value", "prev", "treat_null_as_missing"}, datum.AnyElement, datum.AnyElement, datum.Bool)
	for _, t := range []datum.OID{datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Numeric} {
		add(InterpolateName, misplaced("interpolate can be used only in the select list and ORDER BY of a query that groups by time_bucket_gapfill"),
			t, 2, []string{"value", "prev", "next"}, t, datum.Record, datum.Record)
	}
	return fns
}

// misplaced fails where a word stands that means something to the whole query alone.
func misplaced(message string) evalFunc {
	return func(*Context, []Vec, int, datum.Type) (arrow.Array, error) {
		return nil, pgerr.Unsupported("%s", message)
	}
}

// A BucketGrid is what time_bucket rounds down to: the beginnings of buckets in order, as microseconds, days
// or integers, whatever the type's values are made of.
type BucketGrid struct {
	typ   datum.OID
	width datum.IntervalValue
	step  int64 // of integers
	zone  *datum.ZoneSpec
}

// NewBucketGrid makes the grid of buckets of a type of times; the zone is "" for none.
func NewBucketGrid(typ datum.OID, width datum.Value, zone string) (*BucketGrid, error) {
	g := &BucketGrid{typ: typ}
	switch w := width.(type) {
	case datum.IntervalValue:
		g.width = w
		if zone != "" {
			z, err := zoneSpec(zone)
			if err != nil {
				return nil, err
			}
			g.zone = &z
		}
		return g, nil
	default:
		v, ok := IntegerValue(w)
		if !ok {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "bucket width cannot be NULL")
		}
		g.step = v
		return g, positiveWidth(v)
	}
}

// IntegerValue is a time as BucketGrid counts it; ok is false if v is none.
func IntegerValue(v datum.Value) (n int64, ok bool) {
	switch v := v.(type) {
	case datum.Micros:
		return int64(v), true
	case datum.Days:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// Finite says whether a time can be in a bucket.
func (g *BucketGrid) Finite(v int64) bool {
	switch g.typ {
	case datum.Timestamp, datum.TimestampTZ:
		return datum.Micros(v).Finite()
	case datum.Date:
		return datum.Days(v).Finite()
	}
	return true
}

// Floor returns the beginning of the bucket that v lies in.
func (g *BucketGrid) Floor(v int64) (int64, error) {
	switch {
	case g.step != 0:
		r := v - floorMod(v, g.step)
		if r > v {
			return 0, timestampRange()
		}
		return r, nil
	case g.typ == datum.Date:
		d, err := bucketDay(g.width, datum.Days(v), timestampToDate(defaultOrigin(g.width)))
		return int64(d), err
	case g.zone != nil:
		local, err := g.zone.ToLocal(datum.Micros(v))
		if err != nil {
			return 0, err
		}
		if local, err = bucket(g.width, local, defaultOrigin(g.width)); err != nil {
			return 0, err
		}
		m, err := g.zone.ToUTC(local)
		return int64(m), err
	}
	m, err := bucket(g.width, datum.Micros(v), defaultOrigin(g.width))
	return int64(m), err
}

// Next returns the beginning of the bucket after the one that begins at v. By the clocks of a zone
// that is the next one which is later: clocks that are put back show some beginnings twice, and those
// that are put forward leave some out.
func (g *BucketGrid) Next(v int64) (int64, error) {
	switch {
	case g.step != 0:
		if addOverflows(v, g.step) {
			return 0, timestampRange()
		}
		return v + g.step, nil
	case g.typ == datum.Date:
		m, err := dateToTimestamp(datum.Days(v))
		if err == nil {
			m, err = addToTimestamp(m, g.width)
		}
		return int64(timestampToDate(m)), err
	case g.zone == nil:
		m, err := addToTimestamp(datum.Micros(v), g.width)
		return int64(m), err
	}
	local, err := g.zone.ToLocal(datum.Micros(v))
	if err != nil {
		return 0, err
	}
	for {
		if local, err = addToTimestamp(local, g.width); err != nil {
			return 0, err
		}
		m, err := g.zone.ToUTC(local)
		if err != nil || int64(m) > v {
			return int64(m), err
		}
	}
}

// Buckets estimates how many buckets there are from one time to another.
func (g *BucketGrid) Buckets(from, to int64) float64 {
	step := float64(g.step)
	if step == 0 {
		step = (float64(g.width.Months)*30+float64(g.width.Days))*float64(microsPerDay) + float64(g.width.Micros)
		if g.typ == datum.Date {
			step /= float64(microsPerDay)
		}
	}
	return (float64(to) - float64(from)) / step
}

// Interpolate returns the value at x of the line from (x0, y0) to (x1, y1), of y0's type: integers are cut
// towards zero as division does, numerics are rounded as PostgreSQL's division does.
func Interpolate(x, x0, x1 int64, y0, y1 datum.Value) (datum.Value, error) {
	switch y := y0.(type) {
	case float64:
		return line(x, x0, x1, y, y1.(float64)), nil
	case float32:
		return float32(line(x, x0, x1, float64(y), float64(y1.(float32)))), nil
	case datum.Decimal:
		return decimalLine(x, x0, x1, y, y1.(datum.Decimal))
	}
	a, _ := IntegerValue(y0)
	b, _ := IntegerValue(y1)
	n := integerLine(x, x0, x1, a, b)
	switch y0.(type) {
	case int16:
		return int16(n), nil
	case int32:
		return int32(n), nil
	}
	return n, nil
}

func line(x, x0, x1 int64, y0, y1 float64) float64 {
	t := (float64(x) - float64(x0)) / (float64(x1) - float64(x0))
	return y0*(1-t) + y1*t
}

// integerLine lies between y0 and y1, and so fits.
func integerLine(x, x0, x1, y0, y1 int64) int64 {
	sub := func(a, b int64) *big.Int { return new(big.Int).Sub(big.NewInt(a), big.NewInt(b)) }
	a, b := sub(x1, x), sub(x, x0)
	a.Mul(a, big.NewInt(y0))
	a.Add(a, b.Mul(b, big.NewInt(y1)))
	return a.Quo(a, sub(x1, x0)).Int64()
}

func decimalLine(x, x0, x1 int64, y0, y1 datum.Decimal) (datum.Decimal, error) {
	sub := func(a, b int64) datum.Decimal {
		d := apd.NewBigInt(a)
		return datum.MakeDecimal(d.Sub(d, apd.NewBigInt(b)), 0)
	}
	a, err := mulDecimal(y0, sub(x1, x))
	if err != nil {
		return a, err
	}
	b, err := mulDecimal(y1, sub(x, x0))
	if err != nil {
		return b, err
	}
	if a, err = addDecimal(a, b); err != nil {
		return a, err
	}
	return divDecimal(a, sub(x1, x0))
}
