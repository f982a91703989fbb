package citybus

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// WriteHistory writes CSV with a header: positions of city buses every one to
// two minutes, as transit agencies publish them, by day and vehicle. Columns are
// vehicle_id, timestamp (ISO 8601 with the city's UTC offset), speed, route_id,
// trip_id, latitude, longitude, trip_headsign. About one row in 35 repeats a
// vehicle and time with other values, and some headsigns are empty.
func WriteHistory(w io.Writer, seed uint64, rows int) error {
	out := bufio.NewWriterSize(w, 1<<20)
	fmt.Fprintln(out, "vehicle_id,timestamp,speed,route_id,trip_id,latitude,longitude,trip_headsign")
	city := NewCity(seed, 40)
	rng := rand.New(rand.NewPCG(seed, 3))
	zone := time.FixedZone("", -6*3600)
	headsigns := []string{"NORTHBOUND", "SOUTHBOUND", "EASTBOUND", "WESTBOUND", ""}
	day := time.Date(2015, 3, 1, 4, 0, 0, 0, zone)
	for n := 0; n < rows; day = day.AddDate(0, 0, 1) {
		for v := 0; v < 300 && n < rows; v++ {
			r := &city.Routes[rng.IntN(len(city.Routes))]
			trip := 1388000 + rng.IntN(4000)
			head := headsigns[rng.IntN(len(headsigns))]
			at := day.Add(time.Duration(rng.IntN(6*3600)) * time.Second)
			m, speed := rng.Float64()*r.Meters, 0.0
			for k := 0; k < 200 && n < rows; k++ {
				if rng.IntN(4) > 0 {
					speed = math.Round(rng.Float64()*2000) / 100
				}
				p := r.Position(m)
				fmt.Fprintf(out, "%d,%s,%g,%s,%d,%g,%g,%s\n", 2000+v, at.Format("2006-01-02T15:04:05-07:00"), speed, r.ID, trip,
					math.Round(p.Latitude*1e6)/1e6, math.Round(p.Longitude*1e5)/1e5, head)
				n++
				if rng.IntN(35) > 0 {
					step := 60 + rng.IntN(61)
					at = at.Add(time.Duration(step) * time.Second)
					m += speed * float64(step)
				}
				if rng.IntN(60) == 0 {
					trip++
					head = headsigns[rng.IntN(len(headsigns))]
				}
			}
		}
	}
	return out.Flush()
}
