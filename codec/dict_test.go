package codec

import (
	"slices"
	"testing"
)

// fewDistinct must count as sorting does: what is encoded depends on it.
func TestFewDistinct(t *testing.T) {
	r := newRand(t)
	for range 300 {
		n := 1024 + r.IntN(5000)
		v := make([]uint64, n)
		for i, limit := 0, 1+r.Uint64N(3000); i < n; i++ {
			v[i] = r.Uint64N(limit)
		}
		var sample []uint64
		for g := range 16 {
			at := g * (n - 64) / 15
			sample = append(sample, v[at:at+64]...)
		}
		slices.Sort(sample)
		want := len(slices.Compact(sample)) <= 768
		if got := fewDistinct(n, func(i int) uint64 { return v[i] }); got != want {
			t.Fatalf("%d values: got %v, want %v", n, got, want)
		}
	}
}
