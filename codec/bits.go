package codec

import "math/bits"

// fill sets the first n bits to on and clears the rest.
func (b *Bits) fill(n int, on bool) {
	*b = Bits{}
	if !on {
		return
	}
	for i := range n / 64 {
		b[i] = ^uint64(0)
	}
	if r := n % 64; r != 0 {
		b[n/64] = 1<<r - 1
	}
}

// Fill makes b the set of the first n rows.
func (b *Bits) Fill(n int) { b.fill(n, true) }

// invert complements the first n bits.
func (b *Bits) invert(n int) {
	var all Bits
	all.fill(n, true)
	for i := range b {
		b[i] = all[i] &^ b[i]
	}
}

// Invert complements the set within the first n rows.
func (b *Bits) Invert(n int) { b.invert(n) }

// And keeps the rows that are in o as well.
func (b *Bits) And(o *Bits) {
	for i := range b {
		b[i] &= o[i]
	}
}

// AndNot drops the rows that are in o.
func (b *Bits) AndNot(o *Bits) {
	for i := range b {
		b[i] &^= o[i]
	}
}

// groups returns the words that hold a row.
func (b *Bits) groups() (g groups) {
	for i, w := range b {
		g |= groups(b2u(w != 0)) << i
	}
	return g
}

// Count returns the number of rows in the set.
func (b *Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Has says whether row i is in the set.
func (b *Bits) Has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }

// Set adds row i.
func (b *Bits) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// setRange adds the rows from..to-1.
func (b *Bits) setRange(from, to int) {
	for from < to {
		w, s := from>>6, from&63
		n := min(64-s, to-from)
		b[w] |= ^uint64(0) >> (64 - n) << s
		from += n
	}
}

// Rows appends the rows of the set to dst, rising.
func (b *Bits) Rows(dst []int32) []int32 {
	for i, w := range b {
		for w != 0 {
			dst = append(dst, int32(i<<6+bits.TrailingZeros64(w)))
			w &= w - 1
		}
	}
	return dst
}

func b2u(b bool) uint64 {
	var x uint64
	if b {
		x = 1
	}
	return x
}
