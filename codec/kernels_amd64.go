//go:build goexperiment.simd

package codec

import (
	"simd/archsimd"
	"unsafe"
)

// Kernels in AVX-512, each beside its twin in plain Go, which has Plain in its
// name, gives the same bits, and runs where the CPU or the build (GOEXPERIMENT
// without simd) has no AVX-512. A kernel ends with ClearAVXUpperBits, for what
// comes after it may use SSE.

// avx512 is a variable so that tests reach both twins.
var avx512 = archsimd.X86.AVX512()

// KernelsName tells which kernels this process runs on.
func KernelsName() string {
	if avx512 {
		return "AVX-512"
	}
	return "plain Go"
}

func load64(p unsafe.Pointer) archsimd.Uint64x8 { return archsimd.LoadUint64x8((*[8]uint64)(p)) }

// unpackVector is unpack of a whole vector of at least one bit a value.
func unpackVector(dst *[VectorRows]int64, src []byte, width int, add uint64, want groups) {
	if !avx512 {
		unpackVectorPlain(dst, src, width, add, want)
		return
	}
	mask, base := archsimd.BroadcastUint64x8(^uint64(0)>>(64-width)), archsimd.BroadcastUint64x8(add)
	step, low6 := archsimd.BroadcastUint64x8(uint64(width)), archsimd.BroadcastUint64x8(63)
	all, down := archsimd.BroadcastUint64x8(64), archsimd.BroadcastUint64x8(0)
	// What follows stays in src, which the compiler does not see.
	from := unsafe.Pointer(unsafe.SliceData(src[:width*lanes*8]))
	for r := range VectorRows / lanes {
		if want>>(r/(64/lanes))&1 != 0 {
			bit := r * width
			p := unsafe.Add(from, bit>>6*lanes*8)
			x, y := load64(p).ShiftRight(down), load64(unsafe.Add(p, 64)).ShiftRight(down)
			if bit&63+width > 64 {
				up := all.Sub(down)
				x = x.Or(load64(unsafe.Add(p, 128)).ShiftLeft(up))
				y = y.Or(load64(unsafe.Add(p, 192)).ShiftLeft(up))
			}
			o := (*[lanes]int64)(dst[r*lanes:])
			x.And(mask).Add(base).AsInt64x8().Store((*[8]int64)(o[:8]))
			y.And(mask).Add(base).AsInt64x8().Store((*[8]int64)(o[8:]))
		}
		down = down.Add(step).And(low6)
	}
	archsimd.ClearAVXUpperBits()
}

// maxShort is the greatest width of which a value lies in the eight bytes from its
// first bit on, wherever in a byte that is.
const maxShort = 57

// shortBytes has, by width, the numbers of the bytes that eight values lie in, eight of
// each. Eight values take as many bytes as one has bits, so that the numbers are the
// same for the eight after them.
var shortBytes = func() (t [maxShort + 1][64]uint8) {
	for width := range t {
		for i := range t[width] {
			t[width][i] = uint8(i/8*width/8 + i%8)
		}
	}
	return t
}()

// unpackShort unpacks values of at least one bit that follow each other.
func unpackShort(dst []int64, src []byte, width int, add uint64) {
	if !avx512 || !archsimd.X86.AVX512VBMI() || width > maxShort || len(dst) < 16 {
		unpackShortPlain(dst, src, width, add)
		return
	}
	var shifts [8]uint64
	for i := range shifts {
		shifts[i] = uint64(i * width & 7)
	}
	places, down := archsimd.LoadUint8x64(&shortBytes[width]), archsimd.LoadUint64x8(&shifts)
	mask, base := archsimd.BroadcastUint64x8(^uint64(0)>>(64-width)), archsimd.BroadcastUint64x8(add)
	var last [128]byte // what is left of src, and more to load
	for len(dst) >= 8 {
		if len(src) < 64 {
			copy(last[:], src)
			src = last[:]
		}
		x := archsimd.LoadUint8x64((*[64]uint8)(src)).Permute(places).AsUint64x8()
		x.ShiftRight(down).And(mask).Add(base).AsInt64x8().Store((*[8]int64)(dst))
		dst, src = dst[8:], src[width:]
	}
	archsimd.ClearAVXUpperBits()
	if len(dst) > 0 {
		unpackShortPlain(dst, src, width, add)
	}
}

// within sets out to the values in lo..lo+span.
func within(v []int64, lo int64, span uint64, out *Bits) {
	if !avx512 {
		withinPlain(v, lo, span, out)
		return
	}
	*out = Bits{}
	least, reach := archsimd.BroadcastUint64x8(uint64(lo)), archsimd.BroadcastUint64x8(span)
	for w := range len(v) / 64 {
		p := (*[64]int64)(v[w*64:])
		in := uint64(0)
		for i := 0; i < len(p); i += 8 {
			x := archsimd.LoadInt64x8((*[8]int64)(p[i:])).AsUint64x8()
			in |= uint64(x.Sub(least).LessEqual(reach).ToBits()) << i
		}
		out[w] = in
	}
	archsimd.ClearAVXUpperBits()
	withinRest(v, lo, span, out)
}

// The rows of eight that follow zeros, one, two and four places further on, and
// the last one.
var (
	further1 = [8]uint64{0, 8, 9, 10, 11, 12, 13, 14}
	further2 = [8]uint64{0, 0, 8, 9, 10, 11, 12, 13}
	further4 = [8]uint64{0, 0, 0, 0, 8, 9, 10, 11}
	lastOf8  = [8]uint64{7, 7, 7, 7, 7, 7, 7, 7}
)

// sumsWithin is within of the running sums of v: v[0], v[0] + v[1] and so on.
func sumsWithin(v []int64, lo int64, span uint64, out *Bits) {
	if !avx512 {
		sumsWithinPlain(v, lo, span, out)
		return
	}
	*out = Bits{}
	f1, f2, f4 := archsimd.LoadUint64x8(&further1), archsimd.LoadUint64x8(&further2), archsimd.LoadUint64x8(&further4)
	last, zero := archsimd.LoadUint64x8(&lastOf8), archsimd.BroadcastUint64x8(0)
	sum, reach := archsimd.BroadcastUint64x8(-uint64(lo)), archsimd.BroadcastUint64x8(span)
	for w := range len(v) / 64 {
		p := (*[64]int64)(v[w*64:])
		in := uint64(0)
		for i := 0; i < len(p); i += 8 {
			x := archsimd.LoadInt64x8((*[8]int64)(p[i:])).AsUint64x8()
			x = x.Add(zero.ConcatPermute(x, f1))
			x = x.Add(zero.ConcatPermute(x, f2))
			x = x.Add(zero.ConcatPermute(x, f4))
			in |= uint64(x.Add(sum).LessEqual(reach).ToBits()) << i
			sum = sum.Add(x.Permute(last))
		}
		out[w] = in
	}
	var acc [8]uint64
	sum.Store(&acc)
	archsimd.ClearAVXUpperBits()
	sumsWithinRest(v, acc[0], span, out)
}

// prefixSums adds up v in place.
func prefixSums(v []int64) {
	if !avx512 {
		prefixSumsPlain(v, 0)
		return
	}
	f1, f2, f4 := archsimd.LoadUint64x8(&further1), archsimd.LoadUint64x8(&further2), archsimd.LoadUint64x8(&further4)
	last, zero := archsimd.LoadUint64x8(&lastOf8), archsimd.BroadcastUint64x8(0)
	sum := zero
	for ; len(v) >= 8; v = v[8:] {
		p := (*[8]int64)(v)
		x := archsimd.LoadInt64x8(p).AsUint64x8()
		x = x.Add(zero.ConcatPermute(x, f1))
		x = x.Add(zero.ConcatPermute(x, f2))
		x = x.Add(zero.ConcatPermute(x, f4))
		x.Add(sum).AsInt64x8().Store(p)
		sum = sum.Add(x.Permute(last))
	}
	var acc [8]uint64
	sum.Store(&acc)
	archsimd.ClearAVXUpperBits()
	prefixSumsPlain(v, int64(acc[0]))
}

// affine makes of each x in v x*unit + origin.
func affine(v []int64, unit, origin int64) {
	if !avx512 {
		affinePlain(v, unit, origin)
		return
	}
	u, o := archsimd.BroadcastInt64x8(unit), archsimd.BroadcastInt64x8(origin)
	for ; len(v) >= 8; v = v[8:] {
		p := (*[8]int64)(v)
		archsimd.LoadInt64x8(p).Mul(u).Add(o).Store(p)
	}
	archsimd.ClearAVXUpperBits()
	affinePlain(v, unit, origin)
}

// scaled sets dst to the floats that ALP makes of d.
func scaled[F Float](dst []F, d []int64, fac, inv float64) {
	if !avx512 {
		scaledPlain(dst, d, fac, inv)
		return
	}
	by, of := archsimd.BroadcastFloat64x8(fac), archsimd.BroadcastFloat64x8(inv)
	n := len(d) &^ 7
	if width[F]() == 4 {
		for i := 0; i < n; i += 8 {
			x := archsimd.LoadInt64x8((*[8]int64)(d[i:])).ConvertToFloat64().Mul(by).Mul(of).ConvertToFloat32()
			x.Store((*[8]float32)(unsafe.Pointer((*[8]F)(dst[i:]))))
		}
	} else {
		for i := 0; i < n; i += 8 {
			x := archsimd.LoadInt64x8((*[8]int64)(d[i:])).ConvertToFloat64().Mul(by).Mul(of)
			x.Store((*[8]float64)(unsafe.Pointer((*[8]F)(dst[i:]))))
		}
	}
	archsimd.ClearAVXUpperBits()
	scaledPlain(dst[n:], d[n:], fac, inv)
}

// sumWords adds the selected floats of each 64 rows that are whole.
func sumWords[F Float](v []F, sel *Bits) sums {
	if !avx512 {
		return sumWordsPlain(v, sel)
	}
	if len(v) < 64 {
		return sums{}
	}
	if width[F]() == 4 {
		return sumWords32(unsafe.Slice((*float32)(unsafe.Pointer(&v[0])), len(v)), sel)
	}
	return sumWords64(unsafe.Slice((*float64)(unsafe.Pointer(&v[0])), len(v)), sel)
}

func sumWords32(v []float32, sel *Bits) sums {
	s := archsimd.BroadcastFloat64x8(0)
	for w := range len(v) / 64 {
		p := (*[64]float32)(v[w*64:])
		for i, m := 0, sel[w]; m != 0; i, m = i+8, m>>8 {
			x := archsimd.LoadFloat32x8((*[8]float32)(p[i:])).ConvertToFloat64()
			s = s.Add(x.Masked(archsimd.Mask64x8FromBits(uint8(m))))
		}
	}
	return sumsOf(s)
}

func sumWords64(v []float64, sel *Bits) sums {
	s := archsimd.BroadcastFloat64x8(0)
	for w := range len(v) / 64 {
		p := (*[64]float64)(v[w*64:])
		for i, m := 0, sel[w]; m != 0; i, m = i+8, m>>8 {
			x := archsimd.LoadFloat64x8((*[8]float64)(p[i:]))
			s = s.Add(x.Masked(archsimd.Mask64x8FromBits(uint8(m))))
		}
	}
	return sumsOf(s)
}

// sumScaledWords is sumWords of the floats that ALP makes of d.
func sumScaledWords[F Float](d []int64, fac, inv float64, sel *Bits) sums {
	if !avx512 {
		return sumScaledWordsPlain[F](d, fac, inv, sel)
	}
	if width[F]() == 4 {
		return sumScaledWords32(d, fac, inv, sel)
	}
	return sumScaledWords64(d, fac, inv, sel)
}

func sumScaledWords32(d []int64, fac, inv float64, sel *Bits) sums {
	s, by, of := archsimd.BroadcastFloat64x8(0), archsimd.BroadcastFloat64x8(fac), archsimd.BroadcastFloat64x8(inv)
	for w := range len(d) / 64 {
		p := (*[64]int64)(d[w*64:])
		for i, m := 0, sel[w]; m != 0; i, m = i+8, m>>8 {
			x := archsimd.LoadInt64x8((*[8]int64)(p[i:])).Masked(archsimd.Mask64x8FromBits(uint8(m))).ConvertToFloat64()
			s = s.Add(x.Mul(by).Mul(of).ConvertToFloat32().ConvertToFloat64())
		}
	}
	return sumsOf(s)
}

func sumScaledWords64(d []int64, fac, inv float64, sel *Bits) sums {
	s, by, of := archsimd.BroadcastFloat64x8(0), archsimd.BroadcastFloat64x8(fac), archsimd.BroadcastFloat64x8(inv)
	for w := range len(d) / 64 {
		p := (*[64]int64)(d[w*64:])
		for i, m := 0, sel[w]; m != 0; i, m = i+8, m>>8 {
			x := archsimd.LoadInt64x8((*[8]int64)(p[i:])).Masked(archsimd.Mask64x8FromBits(uint8(m))).ConvertToFloat64()
			s = s.Add(x.Mul(by).Mul(of))
		}
	}
	return sumsOf(s)
}

func sumsOf(x archsimd.Float64x8) sums {
	var a [8]float64
	x.Store(&a)
	archsimd.ClearAVXUpperBits()
	return sums{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]}
}
