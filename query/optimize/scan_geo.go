package optimize

import (
	"math"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A geoBox is a range of latitudes and one of longitudes, in degrees.
type geoBox struct{ south, west, north, east float64 }

// predicates bound two columns by the box; whole longitudes are no bounds.
func (b geoBox) predicates(s *plan.Scan, lat, lon *expr.Column) (preds []chunk.Predicate) {
	bound := func(col *expr.Column, low, high float64) {
		id := s.Spec.Columns[col.Index]
		preds = append(preds, compareFloat(id, col.T.OID, ">=", low).preds...)
		preds = append(preds, compareFloat(id, col.T.OID, "<=", high).preds...)
	}
	bound(lat, b.south, b.north)
	if b.west > -180 || b.east < 180 {
		bound(lon, b.west, b.east)
	}
	return preds
}

// floatColumn is a column of floats, or of reals as double precision.
func (c *Context) floatColumn(e expr.Expr) *expr.Column {
	if call, ok := e.(*expr.Call); ok && len(call.Args) == 1 {
		if cast, known := c.Registry.Cast(datum.Float4, datum.Float8); known && cast.Fn == call.Fn {
			e = call.Args[0]
		}
	}
	col, _ := e.(*expr.Column)
	if col == nil || !isFloat(col.T.OID) {
		return nil
	}
	return col
}

// floatConsts are the values of constants.
func floatConsts(es ...expr.Expr) (out []float64, ok bool) {
	for _, e := range es {
		v, isConst := constant(e)
		f, isFloat := v.(float64)
		if !isConst || !isFloat {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

// distancePredicate bounds the columns of places of which the distance to one place is bounded. The
// condition stays: corners of the box are farther.
func (c *Context) distancePredicate(s *plan.Scan, call *expr.Call, op string, k *expr.Const) pushed {
	radius, ok := k.Value.(float64)
	if !ok || op != "<" && op != "<=" || math.IsNaN(radius) {
		return pushed{}
	}
	a := call.Args
	at, ok := floatConsts(a[2], a[3])
	lat, lon := c.floatColumn(a[0]), c.floatColumn(a[1])
	if !ok {
		at, ok = floatConsts(a[0], a[1])
		lat, lon = c.floatColumn(a[2]), c.floatColumn(a[3])
	}
	if !ok || lat == nil || lon == nil {
		return pushed{}
	}
	if !function.IsPlace(at[0], at[1]) || radius < 0 {
		return never()
	}
	return pushed{preds: boxAround(at[0], at[1], radius).predicates(s, lat, lon)}
}

// boxAround is a box that has all places within a radius in metres in it. Where it would go over a pole or the
// date line it has all longitudes.
func boxAround(lat, lon, radius float64) geoBox {
	const rad = math.Pi / 180
	d := radius/function.EarthRadius*(1+1e-9) + 1e-9 // distances are rounded
	box := geoBox{south: lat - d/rad, north: lat + d/rad, west: -180, east: 180}
	if box.south <= -90 || box.north >= 90 {
		return box
	}
	dlon := math.Asin(min(math.Sin(d)/math.Cos(lat*rad), 1))/rad + 1e-9
	if lon-dlon > -180 && lon+dlon < 180 {
		box.west, box.east = lon-dlon, lon+dlon
	}
	return box
}

// boxPredicate is in_box with constant corners.
func (c *Context) boxPredicate(s *plan.Scan, call *expr.Call) pushed {
	corners, ok := floatConsts(call.Args[2:]...)
	lat, lon := c.floatColumn(call.Args[0]), c.floatColumn(call.Args[1])
	if !ok || lat == nil || lon == nil {
		return pushed{}
	}
	b := geoBox{corners[0], corners[1], corners[2], corners[3]}
	if !function.IsPlace(b.south, b.west) || !function.IsPlace(b.north, b.east) {
		return never()
	}
	if b.west <= b.east && (b.west > -180 || b.east < 180) {
		return exactly(b.predicates(s, lat, lon)...)
	}
	b.west, b.east = -180, 180 // over the date line, or all around
	return pushed{preds: b.predicates(s, lat, lon)}
}

// isGeo says whether a call is one of a function of places.
func isGeo(call *expr.Call, name string) bool { return call.Fn.Name == name && call.Fn.Namespace == 0 }
