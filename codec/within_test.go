package codec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// edges are integers at which comparisons go wrong first.
var edges = []int64{math.MinInt64, math.MinInt64 + 1, -1 << 32, -2, -1, 0, 1, 2, 1 << 32, math.MaxInt64 - 1, math.MaxInt64}

func someInts(r *rand.Rand, n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		switch r.IntN(3) {
		case 0:
			v[i] = edges[r.IntN(len(edges))]
		case 1:
			v[i] = r.Int64N(7) - 3
		default:
			v[i] = int64(r.Uint64())
		}
	}
	return v
}

func TestWithin(t *testing.T) {
	r := newRand(t)
	for _, n := range []int{0, 1, 7, 63, 64, 65, 500, 1000, 1023, 1024} {
		for range 60 {
			v := someInts(r, n)
			bounds := someInts(r, 2)
			lo, hi := min(bounds[0], bounds[1]), max(bounds[0], bounds[1])
			span := uint64(hi) - uint64(lo)
			out, sums := Bits{0: 1, 15: 1}, Bits{0: 1, 15: 1}
			within(v, lo, span, &out)
			sumsWithin(v, lo, span, &sums)
			acc := int64(0)
			for i := range VectorRows {
				want, wantSum := false, false
				if i < n {
					acc += v[i]
					want, wantSum = lo <= v[i] && v[i] <= hi, lo <= acc && acc <= hi
				}
				if out.Has(i) != want || sums.Has(i) != wantSum {
					t.Fatalf("%d values in %d..%d: row %d: got %v and by sums %v, want %v and %v", n, lo, hi, i, out.Has(i), sums.Has(i), want, wantSum)
				}
			}
		}
	}
}

func TestFloatsWithin(t *testing.T) {
	testFloatsWithin[float64](t)
	testFloatsWithin[float32](t)
}

func testFloatsWithin[F Float](t *testing.T) {
	r := newRand(t)
	negZero := F(math.Copysign(0, -1))
	inf, nan := F(math.Inf(1)), F(math.NaN())
	some := []F{negZero, 0, 1, -1, inf, -inf, nan, F(math.Copysign(math.NaN(), -1)), F(math.SmallestNonzeroFloat32), -F(math.SmallestNonzeroFloat32), F(math.MaxFloat32), -F(math.MaxFloat32), 1.5}
	for _, n := range []int{0, 1, 63, 64, 65, 1000, 1024} {
		v := make([]F, n)
		for i := range v {
			v[i] = some[r.IntN(len(some))]
		}
		for _, lo := range some {
			for _, hi := range some {
				if !(lo <= hi) {
					continue
				}
				for _, withNaN := range []bool{false, hi == inf} {
					out := Bits{0: 1, 15: 1}
					floatsWithin(v, lo, hi, withNaN, &out)
					for i := range VectorRows {
						if want := i < n && (lo <= v[i] && v[i] <= hi || withNaN && v[i] != v[i]); out.Has(i) != want {
							t.Fatalf("%d values in %v..%v, NaN %v: row %d: got %v", n, lo, hi, withNaN, i, out.Has(i))
						}
					}
				}
			}
		}
	}
}

func BenchmarkWithin(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]int64, VectorRows)
	f := make([]float64, VectorRows)
	for i := range v {
		v[i] = r.Int64N(1000)
		f[i] = r.Float64()
	}
	var out Bits
	for _, c := range []struct {
		name string
		call func()
	}{
		{"ints", func() { within(v, 0, 500, &out) }},
		{"sums", func() { sumsWithin(v, 5, 250000, &out) }},
		{"floats", func() { floatsWithin(f, 0.2, 0.7, false, &out) }},
	} {
		b.Run("kernel="+c.name, func(b *testing.B) {
			for b.Loop() {
				c.call()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*VectorRows), "ns/value")
		})
	}
}
