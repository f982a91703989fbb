package citybus

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestFleetIsSeeded(t *testing.T) {
	run := func() []Event {
		f := NewFleet(NewCity(7, 20), 7, Options{Vehicles: 50})
		var all []Event
		for s := range 300 {
			all = append(all, f.Step(time.Unix(1_700_000_000+int64(s), 0))...)
		}
		return all
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Fatal("the same seed gave different events")
	}
}

// The stream must have what the store is to cope with: gaps, late events and
// repetitions, in about the share that was asked for.
func TestFleetIsAwkward(t *testing.T) {
	f := NewFleet(NewCity(1, 20), 1, Options{})
	const seconds = 900
	seen := map[string]int{}
	var late, total int
	var oldest time.Duration
	for s := range seconds {
		now := time.Unix(1_700_000_000+int64(s), 0)
		for _, e := range f.Step(now) {
			total++
			seen[e.VehicleID+e.Time.String()]++
			if d := now.Sub(e.Time); d > 2*time.Second {
				late++
				oldest = max(oldest, d)
			}
		}
	}
	repeats := total - len(seen)
	if share := float64(repeats) / float64(total); share < 0.005 || share > 0.02 {
		t.Errorf("%.4f of the events are repeated, want about 0.01", share)
	}
	if late == 0 || oldest < time.Minute || oldest > 10*time.Minute {
		t.Errorf("%d late events, the oldest by %s", late, oldest)
	}
	if n := len(seen); n < 400*seconds || n >= 500*seconds {
		t.Errorf("%d events of 500 buses in %d s", n, seconds)
	}
	var decoded map[string]any
	if err := json.Unmarshal(f.Step(time.Unix(1_700_001_000, 0))[0].AppendJSON(nil), &decoded); err != nil || len(decoded) != 7 {
		t.Errorf("event as JSON: %v, %v", decoded, err)
	}
}
