// Package citybus simulates the buses of a city: routes with stops, vehicles
// that move along them, and the events that their trackers send, with GPS
// noise, gaps, late arrivals and repetitions. The same seed gives the same city
// and the same events.
package citybus

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Centre is the middle of the city.
var Centre = Point{30.2672, -97.7431}

// metersPerDegree is the length of a degree of latitude.
const metersPerDegree = 111_320.0

// A Point is a place in degrees.
type Point struct{ Latitude, Longitude float64 }

// A Stop is a place on a route; Meters is how far along the route it lies.
type Stop struct {
	ID, Name, RouteID string
	At                Point
	Meters            float64
}

// A Route is a closed line that buses follow round and round.
type Route struct {
	ID     string
	Name   string
	Meters float64 // length of the whole round
	Stops  []Stop
	points []Point
	along  []float64 // metres from the start to each point
}

// A City has routes.
type City struct{ Routes []Route }

var streets = []string{"Lamar", "Congress", "Guadalupe", "Riverside", "Burnet", "Airport", "Oltorf", "Manor", "Cesar Chavez", "Barton Springs",
	"Rundberg", "Slaughter", "Parmer", "Duval", "Red River", "Pleasant Valley", "Exposition", "Enfield", "Stassney", "Anderson"}

// NewCity makes a city of n routes.
func NewCity(seed uint64, n int) *City {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &City{}
	for i := range n {
		c.Routes = append(c.Routes, newRoute(rng, i))
	}
	return c
}

// newRoute lays a loop of streets: a wobbly ring around a point of the city.
func newRoute(rng *rand.Rand, i int) Route {
	r := Route{ID: fmt.Sprint(1 + i*3), Name: streets[i%len(streets)] + " / " + streets[(i*7+3)%len(streets)]}
	centre := offset(Centre, rng.NormFloat64()*3500, rng.NormFloat64()*3500)
	radius := 1500 + rng.Float64()*4500
	corners := 10 + rng.IntN(10)
	stretch := 0.4 + rng.Float64()
	for k := range corners {
		a := 2 * math.Pi * float64(k) / float64(corners)
		d := radius * (0.75 + 0.5*rng.Float64())
		r.points = append(r.points, offset(centre, d*math.Sin(a)*stretch, d*math.Cos(a)))
	}
	r.points = append(r.points, r.points[0])
	r.along = make([]float64, len(r.points))
	for k := 1; k < len(r.points); k++ {
		r.along[k] = r.along[k-1] + Distance(r.points[k-1], r.points[k])
	}
	r.Meters = r.along[len(r.along)-1]
	stops := int(r.Meters / 600)
	for k := range stops {
		m := r.Meters * float64(k) / float64(stops)
		r.Stops = append(r.Stops, Stop{
			ID: fmt.Sprintf("%s-%02d", r.ID, k+1), RouteID: r.ID, At: r.Position(m), Meters: m,
			Name: streets[(i+k)%len(streets)] + " & " + streets[(i*5+k*3+1)%len(streets)],
		})
	}
	return r
}

// Position is the place m metres along the route.
func (r *Route) Position(m float64) Point {
	m = math.Mod(m, r.Meters)
	k := 1
	for k < len(r.along)-1 && r.along[k] < m {
		k++
	}
	part := (m - r.along[k-1]) / (r.along[k] - r.along[k-1])
	a, b := r.points[k-1], r.points[k]
	return Point{a.Latitude + part*(b.Latitude-a.Latitude), a.Longitude + part*(b.Longitude-a.Longitude)}
}

func offset(p Point, north, east float64) Point {
	return Point{p.Latitude + north/metersPerDegree, p.Longitude + east/(metersPerDegree*math.Cos(p.Latitude*math.Pi/180))}
}

// Distance is the distance of two near points in metres.
func Distance(a, b Point) float64 {
	dy := (a.Latitude - b.Latitude) * metersPerDegree
	dx := (a.Longitude - b.Longitude) * metersPerDegree * math.Cos((a.Latitude+b.Latitude)/2*math.Pi/180)
	return math.Hypot(dx, dy)
}
