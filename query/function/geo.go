package function

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// EarthRadius is the mean radius of the earth in metres (IUGG), that of the sphere on which distances are taken.
const EarthRadius = 6371008.8

// DistanceName and BoxName are functions of places that scans can skip rows by.
const (
	DistanceName = "distance_m"
	BoxName      = "in_box"
)

// geoFunctions are distance_m(lat1, lon1, lat2, lon2) and in_box(lat, lon, south, west, north, east), of degrees. Both
// are NULL of what is no place: a latitude beyond 90 degrees, a longitude beyond 180.
func geoFunctions() []*Function {
	f8 := datum.Float8
	return []*Function{
		{OID: 9860, Name: DistanceName, Args: []datum.OID{f8, f8, f8, f8}, Ret: f8, Volatility: Immutable, Strict: true, Total: true, Eval: distances},
		{OID: 9861, Name: BoxName, Args: []datum.OID{f8, f8, f8, f8, f8, f8}, Ret: datum.Bool, Volatility: Immutable, Strict: true, Total: true, Eval: boxes},
	}
}

// IsPlace says whether there is such a place.
func IsPlace(lat, lon float64) bool { return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180 }

// Distance is that of two places in metres, by the haversine formula.
func Distance(lat1, lon1, lat2, lon2 float64) float64 {
	const rad = math.Pi / 180
	s, t := math.Sin((lat2-lat1)*rad/2), math.Sin((lon2-lon1)*rad/2)
	h := s*s + math.Cos(lat1*rad)*math.Cos(lat2*rad)*t*t
	return 2 * EarthRadius * math.Asin(math.Sqrt(min(h, 1)))
}

func distances(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	lat1, lon1, lat2, lon2 := colOf[float64](args[0]), colOf[float64](args[1]), colOf[float64](args[2]), colOf[float64](args[3])
	out := newOut[float64](c.Mem, args, n)
	at := func(c col[float64], i int) float64 { return c.v[i&c.mask] }
	isPlaces := func(i int) bool { return IsPlace(at(lat1, i), at(lon1, i)) && IsPlace(at(lat2, i), at(lon2, i)) }
	for i := range out.v {
		out.v[i] = Distance(at(lat1, i), at(lon1, i), at(lat2, i), at(lon2, i))
	}
	out.mask.setNulls(func(i int) bool { return !out.mask.null(i) && !isPlaces(i) })
	return out.array(ret), nil
}

// boxes is in_box: a box whose west is east of its east goes over the date line.
func boxes(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	var read [6]func(int) float64
	for k := range read {
		read[k] = reader[float64](args[k])
	}
	mask := strictNulls(c.Mem, args, n)
	defer mask.release()
	b := array.NewBooleanBuilder(c.Mem)
	defer b.Release()
	b.Reserve(n)
	for i := range n {
		if mask.all() || mask.null(i) {
			b.AppendNull()
			continue
		}
		lat, lon, south, west, north, east := read[0](i), read[1](i), read[2](i), read[3](i), read[4](i), read[5](i)
		if !IsPlace(lat, lon) || !IsPlace(south, west) || !IsPlace(north, east) {
			b.AppendNull()
			continue
		}
		between := lon >= west && lon <= east
		if west > east {
			between = lon >= west || lon <= east
		}
		b.UnsafeAppend(lat >= south && lat <= north && between)
	}
	return b.NewArray(), nil
}
