package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// placeFunctions are ours, for PostgreSQL.
const placeFunctions = `
CREATE FUNCTION is_place(lat float8, lon float8) RETURNS bool LANGUAGE sql AS 'SELECT lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180';
CREATE FUNCTION distance_m(a float8, b float8, c float8, d float8) RETURNS float8 STRICT LANGUAGE sql AS $$
	SELECT CASE WHEN is_place(a, b) AND is_place(c, d) THEN 2 * 6371008.8 * asin(sqrt(least(1,
		power(sin(radians(c - a) / 2), 2) + cos(radians(a)) * cos(radians(c)) * power(sin(radians(d - b) / 2), 2)))) END $$;
CREATE FUNCTION in_box(lat float8, lon float8, s float8, w float8, n float8, e float8) RETURNS bool STRICT LANGUAGE sql AS $$
	SELECT CASE WHEN is_place(lat, lon) AND is_place(s, w) AND is_place(n, e) THEN
		lat BETWEEN s AND n AND CASE WHEN w <= e THEN lon BETWEEN w AND e ELSE lon >= w OR lon <= e END END $$;`

// TestPlaces finds places in radii and boxes, by double and single precision, around poles and the date line, with
// stages of pruning switched off, and those that are nearest.
func TestPlaces(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	rng := rand.New(rand.NewPCG(*seed, 4))
	p := open(t)
	if _, err := p.pg.Exec(t.Context(), placeFunctions); err != nil {
		t.Fatal(err)
	}
	p.both(t, "CREATE TABLE places (id int, lat double precision, lon double precision, la real, lo real)", "")
	near := func(around float64, spread float64) float64 { return around + (rng.Float64()-0.5)*spread }
	id := 0
	for range 6 {
		// Each chunk has a neighbourhood of its own, and some places that are anywhere or nowhere.
		lat, lon := near(0, 190), near(0, 370)
		var rows []string
		for range 200 {
			a, o := fmt.Sprint(near(lat, 3)), fmt.Sprint(near(lon, 3))
			switch rng.IntN(25) {
			case 0:
				a, o = "NULL", fmt.Sprint(near(0, 370))
			case 1:
				a, o = "'NaN'", "'-infinity'"
			case 2:
				a, o = []string{"90", "-90", "0", "90.5"}[rng.IntN(4)], []string{"180", "-180", "0", "181"}[rng.IntN(4)]
			}
			id++
			rows = append(rows, fmt.Sprintf("(%d, %s, %s, %s, %s)", id, a, o, a, o))
		}
		p.both(t, "INSERT INTO places VALUES "+strings.Join(rows, ", "), "")
		p.checkpoint(t)
		for range 12 {
			lat, lon := near(lat, 6), near(lon, 6)
			if rng.IntN(3) == 0 {
				lat, lon = []float64{89.9, -89.99, 90, 0, 91}[rng.IntN(5)], []float64{179.99, -180, 180, 0.5}[rng.IntN(4)]
			}
			radius := []float64{0, -1, 1000, 50e3, 300e3, 3e6, 1.1e7, 2.1e7}[rng.IntN(8)]
			cond := []string{
				fmt.Sprintf("distance_m(lat, lon, %v, %v) < %v", lat, lon, radius),
				fmt.Sprintf("distance_m(%v, %v, lat, lon) <= %v", lat, lon, radius),
				fmt.Sprintf("%v >= distance_m(la, lo, %v, %v)", radius, lat, lon),
				fmt.Sprintf("in_box(lat, lon, %v, %v, %v, %v)", lat, lon, near(lat, 9), near(lon, 9)),
				fmt.Sprintf("in_box(la, lo, %v, %v, %v, %v)", near(lat, 3), near(lon, 3), lat, lon),
				fmt.Sprintf("NOT in_box(lat, lon, -90, %v, 90, %v)", lon, near(lon, 9)),
			}[rng.IntN(6)]
			for _, stages := range []string{"all", "none"} {
				if _, err := p.ours.Exec(context.Background(), fmt.Sprintf("SET phyllo.pruning = '%s'", stages)); err != nil {
					t.Fatal(err)
				}
				p.compare(t, "SELECT id FROM places WHERE "+cond+" ORDER BY id")
				if t.Failed() {
					t.Fatalf("with phyllo.pruning = '%s'", stages)
				}
			}
			p.compare(t, fmt.Sprintf("SELECT id, distance_m(lat, lon, %v, %v) AS d FROM places ORDER BY d, id LIMIT 7", lat, lon))
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}
