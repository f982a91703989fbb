//go:build !(goexperiment.simd && amd64)

package codec

import "unsafe"

// KernelsName tells which kernels this process runs on.
func KernelsName() string { return "plain Go" }

// What kernels_amd64.go says of them holds here too.

func unpackVector(dst *[VectorRows]int64, src []byte, width int, add uint64, want groups) {
	unpackVectorPlain(dst, src, width, add, want)
}

func unpackShort(dst []int64, src []byte, width int, add uint64) {
	unpackShortPlain(dst, src, width, add)
}

func within(v []int64, lo int64, span uint64, out *Bits) { withinPlain(v, lo, span, out) }

func sumsWithin(v []int64, lo int64, span uint64, out *Bits) { sumsWithinPlain(v, lo, span, out) }

func prefixSums(v []int64) { prefixSumsPlain(v, 0) }

func affine(v []int64, unit, origin int64) { affinePlain(v, unit, origin) }

func sumWords[F Float](v []F, sel *Bits) sums { return sumWordsPlain(v, sel) }

func sumScaledWords[F Float](d []int64, fac, inv float64, sel *Bits) sums {
	return sumScaledWordsPlain[F](d, fac, inv, sel)
}

func scaled[F Float](dst []F, d []int64, fac, inv float64) { scaledPlain(dst, d, fac, inv) }

func (w *wavelet) reorder(src []byte) { w.reorderPlain(src) }

func waveIntegers(dst []int64, from unsafe.Pointer, step int, unit, origin int64) {
	waveIntegersPlain(dst, from, step, unit, origin)
}
