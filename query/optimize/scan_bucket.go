package optimize

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
)

// bucketOf recognises date_trunc, time_bucket and date_bin over a column, and
// returns the column and the grid.
func (c *Context) bucketOf(call *expr.Call) (*expr.Column, bucket) {
	switch call.Fn.Name {
	case "date_trunc":
		unit, ok := stringConst(call.Args[0])
		col := plainColumn(call.Args[1])
		if !ok || col == nil || len(call.Args) != 2 || col.T.OID != call.T.OID {
			return nil, bucket{}
		}
		return c.truncation(col, strings.ToLower(unit))
	case "time_bucket":
		col := plainColumn(call.Args[1])
		if col == nil || len(call.Args) != 2 || col.T.OID != call.T.OID {
			return nil, bucket{}
		}
		// Without an origin buckets count from Monday 2000-01-03.
		return fixedBucket(col, call.Args[0], mondayOrigin)
	case "date_bin":
		col := plainColumn(call.Args[1])
		if col == nil || len(call.Args) != 3 {
			return nil, bucket{}
		}
		v, ok := constant(call.Args[2])
		origin, isMicros := v.(datum.Micros)
		if !ok || !isMicros || origin == datum.InfinityMicros || origin == datum.NegInfinityMicros {
			return nil, bucket{}
		}
		return fixedBucket(col, call.Args[0], int64(origin))
	}
	return nil, bucket{}
}

// mondayOrigin is Monday 2000-01-03 00:00.
const mondayOrigin = 10959 * dayMicros

func stringConst(e expr.Expr) (string, bool) {
	v, ok := constant(e)
	s, isString := v.(string)
	return s, ok && isString
}

func isTimestamp(t datum.OID) bool { return t == datum.Timestamp || t == datum.TimestampTZ }

// fixedBucket is a grid of equal steps; those of months are left alone.
func fixedBucket(col *expr.Column, width expr.Expr, origin int64) (*expr.Column, bucket) {
	v, ok := constant(width)
	iv, isInterval := v.(datum.IntervalValue)
	if !ok || !isInterval || iv.Months != 0 || !isTimestamp(col.T.OID) {
		return nil, bucket{}
	}
	micros := int64(iv.Days)*dayMicros + iv.Micros
	if micros <= 0 || micros > 1000*366*dayMicros {
		return nil, bucket{}
	}
	return col, bucket{micros: micros, origin: origin}
}

// truncation is the grid of date_trunc.
func (c *Context) truncation(col *expr.Column, unit string) (*expr.Column, bucket) {
	if !isTimestamp(col.T.OID) {
		return nil, bucket{}
	}
	fixed := map[string]int64{"microseconds": 1, "milliseconds": 1000, "second": 1000000, "minute": 60 * 1000000, "hour": 3600 * 1000000}
	zoned := col.T.OID == datum.TimestampTZ && !fixedZone(c.zone())
	if m, ok := fixed[unit]; ok {
		// Zones stand off by parts of an hour: be careful there.
		return col, bucket{micros: m, zoned: zoned}
	}
	switch unit {
	case "day":
		return col, c.calendar(col.T.OID, 0, 1)
	case "week":
		return col, bucket{micros: 7 * dayMicros, origin: mondayOrigin, zoned: zoned}
	case "month":
		return col, c.calendar(col.T.OID, 1, 0)
	case "quarter":
		return col, c.calendar(col.T.OID, 3, 0)
	case "year":
		return col, c.calendar(col.T.OID, 12, 0)
	}
	return nil, bucket{}
}
