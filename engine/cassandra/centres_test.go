package cassandra

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestAwaitCentres asks a contact point that learns where another server is only
// after a while, and one that never does.
func TestAwaitCentres(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ask := func() (centres, error) {
			found := centres{local: "east", nodes: map[string]int{"east": 1}}
			if time.Since(start) > centreWait/2 {
				found.nodes["west"] = 1
			}
			return found, nil
		}
		if found, err := awaitCentres(t.Context(), []string{"east", "west"}, ask); err != nil || found.nodes["west"] != 1 {
			t.Errorf("late: %v, %v", found, err)
		}
		start = time.Now()
		_, err := awaitCentres(t.Context(), []string{"north"}, ask)
		if !errors.Is(err, ErrDataCentre) {
			t.Errorf("never: %v", err)
		}
		if d := time.Since(start); d < centreWait || d > 2*centreWait {
			t.Errorf("gave up after %v", d)
		}
	})
}
