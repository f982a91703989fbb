package codec

import "testing"

func TestDivisor(t *testing.T) {
	r := newRand(t)
	for i := range 20_000 {
		g := r.Uint64() >> r.IntN(64)
		if i < 100 {
			g = uint64(i) + 1
		}
		g = max(g, 1)
		d := newDivisor(g)
		x := r.Uint64() >> r.IntN(64)
		if got := d.divides(x); got != (x%g == 0) {
			t.Fatalf("%d divides %d: %v", g, x, got)
		}
		x -= x % g
		if !d.divides(x) || d.exact(x) != x/g {
			t.Fatalf("%d / %d is %d, not %d", x, g, d.exact(x), x/g)
		}
	}
}
