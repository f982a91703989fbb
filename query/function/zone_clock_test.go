package function

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

var zoneSeed = flag.Uint64("zone-seed", 1, "seed of the moments that zone clocks are tested with")

// A zoneClock must say what datum's conversions say, whatever it was asked before.
func TestZoneClock(t *testing.T) {
	t.Logf("zone-seed %d", *zoneSeed)
	r := rand.New(rand.NewPCG(*zoneSeed, 0))
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
		"Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca", "America/St_Johns", "Asia/Tehran"} {
		loc, _, ok := datum.LoadZone(name)
		if !ok {
			t.Fatal("no zone ", name)
		}
		moments := zoneMoments(r, loc)
		clock := newZoneClock(loc)
		for _, m := range moments {
			got, err1 := clock.local(m)
			want, err2 := datum.ToLocal(m, loc)
			if got != want || (err1 == nil) != (err2 == nil) {
				t.Fatalf("%s: local(%d) = %d, %v; want %d, %v", name, m, got, err1, want, err2)
			}
			local := m + datum.Micros(r.Int64N(7200)-3600)*datum.MicrosPerSecond
			if !m.Finite() || local < datum.MinMicros {
				continue
			}
			got, err1 = clock.utc(local)
			want, err2 = datum.ToUTC(local, loc)
			if got != want || (err1 == nil) != (err2 == nil) {
				t.Fatalf("%s: utc(%d) = %d, %v; want %d, %v", name, local, got, err1, want, err2)
			}
		}
	}
}

// What date_trunc remembers of one row must not change the next.
func TestTruncatedRemembers(t *testing.T) {
	t.Logf("zone-seed %d", *zoneSeed)
	r := rand.New(rand.NewPCG(*zoneSeed, 1))
	for _, name := range []string{"", "UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "America/Sao_Paulo"} {
		loc, _, _ := datum.LoadZone(name)
		moments := zoneMoments(r, cmp.Or(loc, time.UTC))
		slices.Sort(moments)
		for u := unitMicrosecond; u <= unitMillennium; u++ {
			var last truncated
			var z zoneOffsets
			if loc != nil {
				z = newZoneClock(loc)
			}
			for _, m := range moments {
				if !m.Finite() {
					continue
				}
				var want datum.Micros
				var err1 error
				if loc == nil {
					want, err1 = truncLocal(m, u)
				} else {
					want, err1 = truncMoment(m, u, newZoneClock(loc))
				}
				got, err2 := last.cut(m, u, z)
				if got != want || (err1 == nil) != (err2 == nil) {
					t.Fatalf("zone %q, unit %d: cut(%d) = %d, %v; want %d, %v", name, u, m, got, err2, want, err1)
				}
			}
		}
	}
}

// zoneMoments are moments near the changes of a zone, far from them and at the
// ends of time.
func zoneMoments(r *rand.Rand, loc *time.Location) []datum.Micros {
	ms := []datum.Micros{datum.InfinityMicros, datum.NegInfinityMicros, datum.MinMicros, datum.MaxMicros, 0}
	for at, i := time.Date(1880, 1, 1, 0, 0, 0, 0, loc), 0; i < 300; i++ {
		_, end := at.ZoneBounds()
		if end.IsZero() {
			break
		}
		for range 6 {
			ms = append(ms, datum.Micros(end.UnixMicro()+(r.Int64N(8*86400)-4*86400)*datum.MicrosPerSecond+r.Int64N(3)-1))
		}
		ms = append(ms, datum.Micros(end.UnixMicro()), datum.Micros(end.UnixMicro()-1))
		at = end.Add(time.Second)
	}
	for range 500 {
		ms = append(ms, datum.Micros(r.Int64N(8e15)-4e15))
	}
	r.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
	return ms
}

func BenchmarkTruncate(b *testing.B) {
	loc, _, _ := datum.LoadZone("Europe/Berlin")
	for _, bench := range []struct {
		name string
		unit timeUnit
		zone *time.Location
	}{{"unit=hour/zone=none", unitHour, nil}, {"unit=month/zone=none", unitMonth, nil}, {"unit=hour/zone=Berlin", unitHour, loc}, {"unit=day/zone=Berlin", unitDay, loc}} {
		b.Run(bench.name, func(b *testing.B) {
			var z zoneOffsets
			if bench.zone != nil {
				z = newZoneClock(bench.zone)
			}
			m := datum.Micros(1715953556789012)
			var last truncated
			b.ReportAllocs()
			for b.Loop() {
				if _, err := last.cut(m, bench.unit, z); err != nil {
					b.Fatal(err)
				}
				m += 15 * datum.MicrosPerSecond
			}
		})
	}
}
