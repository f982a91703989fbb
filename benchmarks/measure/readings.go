package measure

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

// Metrics are those of a CPU in the Time Series Benchmark Suite.
var Metrics = []string{"usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait", "usage_irq", "usage_softirq",
	"usage_steal", "usage_guest", "usage_guest_nice"}

// A Reading is of one host.
type Reading struct {
	Host   string
	At     time.Time
	Values []int64 // of Metrics; valid until the next reading
}

// Readings makes readings of 100 hosts every 10 seconds, as the suite does: each metric
// walks between 0 and 100 in normally distributed steps and is cut to an integer.
func Readings(seed uint64, rows int) iter.Seq[Reading] {
	const hosts, step = 100, 10 * time.Second
	start := time.Unix(1451606400, 0).UTC()
	return func(yield func(Reading) bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		var state [hosts][]float64
		for h := range state {
			for range Metrics {
				state[h] = append(state[h], r.Float64()*100)
			}
		}
		values := make([]int64, len(Metrics))
		for i := range rows {
			h := i % hosts
			for m := range Metrics {
				x := min(max(state[h][m]+r.NormFloat64(), 0), 100)
				state[h][m], values[m] = x, int64(x)
			}
			if !yield(Reading{fmt.Sprintf("host_%d", h), start.Add(time.Duration(i/hosts) * step), values}) {
				return
			}
		}
	}
}
