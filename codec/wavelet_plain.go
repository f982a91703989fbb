package codec

import "unsafe"

// The kernels of wavelet trees in plain Go.

// reorderPlain puts the numbers of all nodes of the vector that arrange has looked at in
// order, those of the root last. After the body src has a register of bytes more.
func (w *wavelet) reorderPlain(src []byte) {
	m := w.memory
	for i := len(w.nodes) - 1; i >= 0; i-- {
		k, n, at := &w.nodes[i], int(m.count[i]), int(m.bit[i])
		switch {
		case k.constant():
		case k.right == 0:
			w.placesPlain(i, src, at, n)
		case w.step == 2:
			mergePlain[uint16](w, i, src, at, n)
		case w.step == 4:
			mergePlain[uint32](w, i, src, at, n)
		default:
			mergePlain[uint64](w, i, src, at, n)
		}
	}
}

// mergePlain takes each number of a node from the right if its bit is set, else from the
// left.
func mergePlain[T uint16 | uint32 | uint64](w *wavelet, i int, src []byte, at, n int) {
	k := int(w.nodes[i].right)
	left, leftStep, right, rightStep := w.at(i+1), w.move(i+1), w.at(k), w.move(k)
	for to := unsafe.Slice((*T)(w.at(i)), n); len(to) > 0; at += 56 {
		word, k := bitsAt(src, at), min(56, len(to))
		for i := range to[:k] {
			bit := int(word & 1)
			word >>= 1
			x, y := *(*T)(left), *(*T)(right)
			to[i] = x ^ (x^y)&-T(bit)
			left, right = unsafe.Add(left, leftStep&(bit-1)), unsafe.Add(right, rightStep&-bit)
		}
		to = to[k:]
	}
}

// placesPlain makes the n numbers of a leaf of their places, which begin at a bit of src.
func (w *wavelet) placesPlain(i int, src []byte, at, n int) {
	k, to := &w.nodes[i], w.at(i)
	width, bits := int(k.fan+k.bits), k.bits
	mask, field := uint64(1)<<bits-1, uint64(1)<<k.fan-1
	classes, order := &w.memory.classes, w.order[k.first:][:1<<k.fan]
	for i := range n {
		x := bitsAt(src, at+i*width)
		putNumber(to, w.step, i, classes[order[x>>bits&field]].start+x&mask)
	}
}

// waveIntegersPlain makes of each number x the integer x*unit + origin.
func waveIntegersPlain(dst []int64, from unsafe.Pointer, step int, unit, origin int64) {
	switch step {
	case 2:
		for i, x := range unsafe.Slice((*uint16)(from), len(dst)) {
			dst[i] = int64(x)*unit + origin
		}
	case 4:
		for i, x := range unsafe.Slice((*uint32)(from), len(dst)) {
			dst[i] = int64(x)*unit + origin
		}
	default:
		for i, x := range unsafe.Slice((*int64)(from), len(dst)) {
			dst[i] = x*unit + origin
		}
	}
}
