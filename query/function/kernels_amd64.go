//go:build goexperiment.simd

package function

import "simd/archsimd"

// Kernels in AVX-512, as docs/design/kernels.md describes them. They do whole groups
// of eight rows from the first one on, and say how many: their twins in plain Go, which
// give the same, do the rest, and all where there is no AVX-512.

// avx512 is a variable so that tests reach both twins.
var avx512 = archsimd.X86.AVX512()

// lessFloats sets bits where a comes before b in PostgreSQL's order.
func lessFloats(a, b *col[float64], bits []byte, n int) (done int) {
	if !avx512 {
		return 0
	}
	as, bs := a.eight(), b.eight()
	for ; done+8 <= n; done += 8 {
		x, y := archsimd.LoadFloat64x8(a.eightAt(done, &as)), archsimd.LoadFloat64x8(b.eightAt(done, &bs))
		bits[done>>3] = ^x.GreaterEqual(y).ToBits() & x.Equal(x).ToBits()
	}
	archsimd.ClearAVXUpperBits()
	return done
}

// sumFloats sets out to a+b. odd is NaN if one of the sums is infinite or NaN, else 0.
func sumFloats(a, b *col[float64], out []float64) (done int, odd float64) {
	if !avx512 {
		return 0, 0
	}
	as, bs := a.eight(), b.eight()
	odds := archsimd.BroadcastFloat64x8(0)
	for ; done+8 <= len(out); done += 8 {
		r := archsimd.LoadFloat64x8(a.eightAt(done, &as)).Add(archsimd.LoadFloat64x8(b.eightAt(done, &bs)))
		r.Store((*[8]float64)(out[done:]))
		odds = odds.Add(r.Sub(r))
	}
	var each [8]float64
	odds.Store(&each)
	archsimd.ClearAVXUpperBits()
	for _, x := range each {
		odd += x
	}
	return done, odd
}
