//go:build goexperiment.simd

package codec

import (
	"math/bits"
	"simd/archsimd"
	"unsafe"
)

// What kernels_amd64.go says of kernels holds here too. These want instructions that spread
// short numbers as well, which CPUs with AVX-512 have from Ice Lake and Zen 4 on.

var avx512Expand = archsimd.X86.AVX512VBMI() && archsimd.X86.AVX512VBMI2()

// reorder puts the numbers of all nodes in order, those of the root last.
func (w *wavelet) reorder(src []byte) {
	if !avx512 || !avx512Expand {
		w.reorderPlain(src)
		return
	}
	m := w.memory
	// That each node's bits lie in src, and a register of bytes more, arrange has seen to.
	first := unsafe.Pointer(unsafe.SliceData(src))
	for i := len(w.nodes) - 1; i >= 0; i-- {
		k, n, at := &w.nodes[i], int(m.count[i]), int(m.bit[i])
		if k.right == 0 {
			if n > 0 && !k.constant() {
				w.places(i, unsafe.Add(first, at>>3), at&7, n)
			}
			continue
		}
		to, left, right := w.at(i), w.at(i+1), w.at(int(k.right))
		leftStep, rightStep := w.move(i+1), w.move(int(k.right))
		switch w.step {
		case 2:
			for ; n > 0; n -= 32 {
				m := *(*uint32)(unsafe.Add(first, at>>3)) >> (at & 7)
				m |= uint32(*(*uint8)(unsafe.Add(first, at>>3+4))) << 1 << (31 - at&7)
				x := archsimd.LoadUint16x32((*[32]uint16)(left)).Expand(archsimd.Mask16x32FromBits(^m))
				y := archsimd.LoadUint16x32((*[32]uint16)(right)).Expand(archsimd.Mask16x32FromBits(m))
				x.Or(y).Store((*[32]uint16)(to))
				ones := bits.OnesCount32(m)
				left, right = unsafe.Add(left, (32-ones)*leftStep), unsafe.Add(right, ones*rightStep)
				to, at = unsafe.Add(to, waveBlock), at+32
			}
		case 4:
			for ; n > 0; n -= 16 {
				m := uint16(*(*uint32)(unsafe.Add(first, at>>3)) >> (at & 7))
				x := archsimd.LoadUint32x16((*[16]uint32)(left)).Expand(archsimd.Mask32x16FromBits(^m))
				y := archsimd.LoadUint32x16((*[16]uint32)(right)).Expand(archsimd.Mask32x16FromBits(m))
				x.Or(y).Store((*[16]uint32)(to))
				ones := bits.OnesCount16(m)
				left, right = unsafe.Add(left, (16-ones)*leftStep), unsafe.Add(right, ones*rightStep)
				to, at = unsafe.Add(to, waveBlock), at+16
			}
		default:
			for ; n > 0; n -= 8 {
				m := uint8(*(*uint16)(unsafe.Add(first, at>>3)) >> (at & 7))
				x := load64(left).Expand(archsimd.Mask64x8FromBits(^m))
				y := load64(right).Expand(archsimd.Mask64x8FromBits(m))
				x.Or(y).Store((*[8]uint64)(to))
				ones := bits.OnesCount8(m)
				left, right = unsafe.Add(left, (8-ones)*leftStep), unsafe.Add(right, ones*rightStep)
				to, at = unsafe.Add(to, waveBlock), at+8
			}
		}
	}
	archsimd.ClearAVXUpperBits()
}

// What is added to the places of the bytes of numbers in lanes of 4 and of 8 bytes: the
// number of the byte in the lane; and where the least byte of each lane is.
var upTo15, next4, least4 = func() (lanes [16]uint32, next, least [64]uint8) {
	for i := range lanes {
		lanes[i] = uint32(i)
	}
	for i := range next {
		next[i], least[i] = uint8(i&3), uint8(i&^3)
	}
	return lanes, next, least
}()

// maxWave4 is the greatest width of which a number lies in the four bytes from its first
// bit on, and sixteen of them in a register.
const maxWave4 = 25

// places is placesPlain of at least one number, from a bit of the byte at src on.
func (w *wavelet) places(i int, src unsafe.Pointer, at, n int) {
	k := &w.nodes[i]
	width := int(k.fan + k.bits)
	if width > maxWave4 || w.step == 8 {
		w.longPlaces(i, src, at, n)
		return
	}
	// The first bits of sixteen numbers; the next begin twice as many bytes further on as
	// a number has bits.
	first := archsimd.LoadUint32x16(&upTo15).Mul(archsimd.BroadcastUint32x16(uint32(width))).Add(archsimd.BroadcastUint32x16(uint32(at)))
	bytes := first.ShiftRight(archsimd.BroadcastUint32x16(3)).AsUint8x64().Permute(archsimd.LoadUint8x64(&least4)).Add(archsimd.LoadUint8x64(&next4))
	down := first.And(archsimd.BroadcastUint32x16(7))
	mask, field := archsimd.BroadcastUint32x16(1<<k.bits-1), archsimd.BroadcastUint32x16(1<<k.fan-1)
	bits := archsimd.BroadcastUint32x16(uint32(k.bits))
	var table [16]uint32
	for j, s := range w.order[k.first:][:1<<k.fan] {
		table[j] = uint32(w.memory.classes[s].start)
	}
	starts := archsimd.LoadUint32x16(&table)
	for to := w.at(i); n > 0; n -= 16 {
		x := archsimd.LoadUint8x64((*[64]uint8)(src)).Permute(bytes).AsUint32x16().ShiftRight(down)
		x = starts.Permute(x.ShiftRight(bits).And(field)).Add(x.And(mask))
		if w.step == 2 {
			x.TruncateToUint16().Store((*[16]uint16)(to))
			to = unsafe.Add(to, 32)
		} else {
			x.Store((*[16]uint32)(to))
			to = unsafe.Add(to, 64)
		}
		src = unsafe.Add(src, 2*width)
	}
}

// upTo7 are the places in a vector.
var upTo7 = [8]uint64{0, 1, 2, 3, 4, 5, 6, 7}

// longPlaces is places of any width.
func (w *wavelet) longPlaces(i int, src unsafe.Pointer, at, n int) {
	k := &w.nodes[i]
	width := int(k.fan + k.bits)
	first := archsimd.LoadUint64x8(&upTo7).Mul(archsimd.BroadcastUint64x8(uint64(width))).Add(archsimd.BroadcastUint64x8(uint64(at)))
	bytes := first.ShiftRight(archsimd.BroadcastUint64x8(3)).Mul(archsimd.BroadcastUint64x8(0x0101010101010101))
	places := bytes.Add(archsimd.BroadcastUint64x8(0x0706050403020100)).AsUint8x64()
	down := first.And(archsimd.BroadcastUint64x8(7))
	mask, field := archsimd.BroadcastUint64x8(1<<k.bits-1), archsimd.BroadcastUint64x8(1<<k.fan-1)
	bits := archsimd.BroadcastUint64x8(uint64(k.bits))
	var table [16]uint64
	for j, s := range w.order[k.first:][:1<<k.fan] {
		table[j] = w.memory.classes[s].start
	}
	low, high := archsimd.LoadUint64x8((*[8]uint64)(table[:])), archsimd.LoadUint64x8((*[8]uint64)(table[8:]))
	for to := w.at(i); n > 0; n -= 8 {
		x := archsimd.LoadUint8x64((*[64]uint8)(src)).Permute(places).AsUint64x8().ShiftRight(down)
		x = low.ConcatPermute(high, x.ShiftRight(bits).And(field)).Add(x.And(mask))
		switch w.step {
		case 2:
			x.TruncateToUint16().Store((*[8]uint16)(to))
		case 4:
			x.TruncateToUint32().Store((*[8]uint32)(to))
		default:
			x.Store((*[8]uint64)(to))
		}
		to, src = unsafe.Add(to, 8*w.step), unsafe.Add(src, width)
	}
}

// waveIntegers is waveIntegersPlain.
func waveIntegers(dst []int64, from unsafe.Pointer, step int, unit, origin int64) {
	if !avx512 || step == 8 {
		waveIntegersPlain(dst, from, step, unit, origin)
		return
	}
	by, add := archsimd.BroadcastInt64x8(unit), archsimd.BroadcastInt64x8(origin)
	for ; len(dst) >= 8; dst = dst[8:] {
		var x archsimd.Int64x8
		if step == 2 {
			x = archsimd.LoadUint16x8((*[8]uint16)(from)).ExtendToUint64().AsInt64x8()
		} else {
			x = archsimd.LoadUint32x8((*[8]uint32)(from)).ExtendToUint64().AsInt64x8()
		}
		if unit != 1 {
			x = x.Mul(by)
		}
		x.Add(add).Store((*[8]int64)(dst))
		from = unsafe.Add(from, 8*step)
	}
	archsimd.ClearAVXUpperBits()
	waveIntegersPlain(dst, from, step, unit, origin)
}
