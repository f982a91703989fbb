package citybus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// An Event is one message of a bus's tracker.
type Event struct {
	VehicleID string
	Time      time.Time
	RouteID   string
	At        Point
	Speed     float64 // metres a second
	Meters    float64 // along the route
}

// Options say how a fleet behaves; the zero value of each field means its default.
type Options struct {
	Vehicles int           // default 500
	Gap      float64       // chance that a second's message is never sent; default 0.02
	Outage   float64       // chance a second that a tracker loses its network; default 0.0002
	Longest  time.Duration // of an outage, after which all is sent late; default 10 min
	Repeat   float64       // chance that a message is sent again; default 0.01
}

func (o Options) withDefaults() Options {
	if o.Vehicles == 0 {
		o.Vehicles = 500
	}
	if o.Gap == 0 {
		o.Gap = 0.02
	}
	if o.Outage == 0 {
		o.Outage = 0.0002
	}
	if o.Longest == 0 {
		o.Longest = 10 * time.Minute
	}
	if o.Repeat == 0 {
		o.Repeat = 0.01
	}
	return o
}

// A Fleet is the vehicles of a city. It is used by one goroutine.
type Fleet struct {
	city  *City
	opt   Options
	rng   *rand.Rand
	buses []bus
	again []Event // sent a second time with the next step
}

type bus struct {
	id      string
	route   *Route
	meters  float64
	speed   float64
	wanted  float64
	waiting int       // seconds left at a stop
	offline time.Time // until when the tracker has no network
	backlog []Event
}

// NewFleet puts vehicles on the city's routes.
func NewFleet(city *City, seed uint64, opt Options) *Fleet {
	f := &Fleet{city: city, opt: opt.withDefaults(), rng: rand.New(rand.NewPCG(seed, 2))}
	for i := range f.opt.Vehicles {
		r := &city.Routes[i%len(city.Routes)]
		f.buses = append(f.buses, bus{id: fmt.Sprint(2000 + i), route: r, meters: f.rng.Float64() * r.Meters, wanted: 8 + 4*f.rng.Float64()})
	}
	return f
}

// Step moves every bus by a second and returns the events that arrive at that
// time: those of this second, what was held back, and repetitions.
func (f *Fleet) Step(now time.Time) []Event {
	events := append([]Event(nil), f.again...)
	f.again = f.again[:0]
	for i := range f.buses {
		b := &f.buses[i]
		f.move(b)
		events = f.report(events, b, now)
	}
	for _, e := range events {
		if f.rng.Float64() < f.opt.Repeat {
			f.again = append(f.again, e)
		}
	}
	return events
}

// report sends a bus's event, or holds it back while the tracker is offline.
func (f *Fleet) report(events []Event, b *bus, now time.Time) []Event {
	if f.rng.Float64() < f.opt.Outage && !now.Before(b.offline) {
		b.offline = now.Add(time.Duration(f.rng.Float64() * float64(f.opt.Longest)))
	}
	if f.rng.Float64() >= f.opt.Gap {
		b.backlog = append(b.backlog, f.event(b, now))
	}
	if now.Before(b.offline) {
		return events
	}
	events = append(events, b.backlog...)
	b.backlog = b.backlog[:0]
	return events
}

// move drives a bus for one second: towards its speed, with halts at stops.
func (f *Fleet) move(b *bus) {
	if b.waiting > 0 {
		b.waiting--
		b.speed = 0
		return
	}
	if f.rng.Float64() < 0.02 {
		b.wanted = 5 + 10*f.rng.Float64()
	}
	b.speed += math.Max(-2.5, math.Min(1.2, b.wanted-b.speed))
	before := b.meters
	b.meters += b.speed
	for _, s := range b.route.Stops {
		if before < s.Meters && s.Meters <= b.meters {
			b.meters, b.waiting = s.Meters, 8+f.rng.IntN(20)
		}
	}
	if b.meters >= b.route.Meters {
		b.meters -= b.route.Meters
	}
}

// event is what the tracker sees: the place with some metres of noise.
func (f *Fleet) event(b *bus, now time.Time) Event {
	p := offset(b.route.Position(b.meters), f.rng.NormFloat64()*4, f.rng.NormFloat64()*4)
	round := func(v, step float64) float64 { return math.Round(v/step) * step }
	return Event{
		VehicleID: b.id, Time: now, RouteID: b.route.ID, Speed: round(b.speed, 0.01), Meters: math.Round(b.meters),
		At: Point{math.Round(p.Latitude*1e6) / 1e6, math.Round(p.Longitude*1e6) / 1e6},
	}
}

// AppendJSON appends the event as a line of NDJSON.
func (e Event) AppendJSON(dst []byte) []byte {
	return fmt.Appendf(dst, `{"vehicle_id":%q,"ts":%q,"route_id":%q,"latitude":%.6f,"longitude":%.6f,"speed":%.2f,"meters":%.0f}`+"\n",
		e.VehicleID, e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), e.RouteID, e.At.Latitude, e.At.Longitude, e.Speed, e.Meters)
}
