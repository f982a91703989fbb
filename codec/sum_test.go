package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// selections are sets of the first n rows: none, all, runs, and noise.
func selections(r *rand.Rand, n int) []Bits {
	var all, runs, noise, one Bits
	all.Fill(n)
	for from := 0; from < n; {
		to := min(n, from+1+r.IntN(200))
		if r.IntN(2) == 0 {
			runs.setRange(from, to)
		}
		from = to
	}
	for i := range n {
		if r.IntN(2) == 0 {
			noise.Set(i)
		}
	}
	one.Set(r.IntN(n))
	return []Bits{{}, all, runs, noise, one}
}

// plainSum says what a sum is.
func plainSum[F Float](v []F, sel *Bits) float64 {
	var s [8]float64
	for i, x := range v {
		if sel.Has(i) {
			s[i%8] += float64(x)
		}
	}
	return (s[0] + s[1] + (s[2] + s[3])) + (s[4] + s[5] + (s[6] + s[7]))
}

func TestSum(t *testing.T) {
	testSum[float64](t)
	testSum[float32](t)
}

func testSum[F Float](t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for name, v := range floatShapes[F](r, n) {
			encoded := map[string][]byte{
				"chosen": AppendFloats(nil, v), "plain": appendFloatPlain(nil, v), "alp": appendALP(nil, v, 8, 2, 1),
				"alp e": appendALP(nil, v, 6, 0, 1), "rle": appendFloatRLE(nil, v, n, 1),
			}
			for scheme, b := range encoded {
				d, err := OpenFloats[F](b, n)
				if err != nil {
					t.Fatal(err)
				}
				for k := range Vectors(n) {
					part := v[k*VectorRows:][:VectorLen(n, k)]
					for i, sel := range selections(r, len(part)) {
						d.decoded = r.IntN(2) * d.decoded
						got, err := d.Sum(k, &sel)
						if err != nil {
							t.Fatal(err)
						}
						if want := plainSum(part, &sel); math.Float64bits(got) != math.Float64bits(want) && !(got != got && want != want) {
							t.Fatalf("%s/%s: %d values, vector %d, selection %d: sum %v, want %v", name, scheme, n, k, i, got, want)
						}
					}
				}
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	benchmarkSum[float32](b)
	benchmarkSum[float64](b)
}

func benchmarkSum[F Float](b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]F, 64*VectorRows)
	for i := range v {
		v[i] = F(r.IntN(7000)) / 100
	}
	d, err := OpenFloats[F](AppendFloats(nil, v), len(v))
	if err != nil {
		b.Fatal(err)
	}
	sets := selections(r, VectorRows)
	for i, name := range []string{"none", "all", "runs", "noise", "one"} {
		for _, decoded := range []bool{false, true} {
			b.Run(fmt.Sprintf("width=%d/rows=%s/decoded=%v/codec=%v", 8*width[F](), name, decoded, d.Describe()), func(b *testing.B) {
				var x []F
				if decoded {
					x, _ = d.Shared(0)
				}
				for b.Loop() {
					for k := range Vectors(len(v)) {
						if decoded {
							SumFloats(x, &sets[i])
							continue
						}
						d.decoded = 0
						d.node.(*alp[F]).ints.decoded = 0
						if _, err := d.Sum(k, &sets[i]); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)), "ns/value")
			})
		}
	}
}

func TestScaled(t *testing.T) {
	testScaled[float64](t)
	testScaled[float32](t)
}

func testScaled[F Float](t *testing.T) {
	r := newRand(t)
	for _, n := range []int{0, 1, 7, 8, 9, 1000, 1023, 1024} {
		for e := range maxALPExponent + 1 {
			d, got := make([]int64, n), make([]F, n+1)
			for i := range d {
				d[i] = r.Int64N(2*maxALPInteger+1) - maxALPInteger
			}
			f := r.IntN(e + 1)
			got[n] = 7
			scaled(got[:n], d, pow10[f], invPow10[e])
			for i, x := range d {
				if want := F(float64(x) * pow10[f] * invPow10[e]); bitsOf(&got[i]) != bitsOf(&want) {
					t.Fatalf("%d of %d with exponents %d, %d: got %v, want %v", x, n, e, f, got[i], want)
				}
			}
			if got[n] != 7 {
				t.Fatalf("%d values: wrote beyond them", n)
			}
		}
	}
}
