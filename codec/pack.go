package codec

import (
	"encoding/binary"
	"math/bits"
)

// Bit packing. A full vector is packed in 16 lanes, after FastLanes (Afroozeh
// and Boncz, VLDB 2023): value i lies in lane i%16 at bit (i/16)*width of that
// lane's stream of 64-bit words, and word k of lane l is word k*16+l of the
// vector. All lanes of one row share shift and mask, which keeps the loop body
// free of anything but loads, one shift, one mask and a store, and is what SIMD
// registers want too. A shorter vector is packed value after value.

const lanes = 16

// packedLen returns the bytes that n values of width bits take.
func packedLen(n, width int) int {
	if n == VectorRows {
		return width * lanes * 8
	}
	return (n*width + 7) / 8
}

// appendPacked appends the low width bits of each of the values.
func appendPacked(dst []byte, v []uint64, width int) []byte {
	if len(v) != VectorRows || width == 0 {
		return appendShort(dst, v, width)
	}
	at := len(dst)
	dst = append(dst, make([]byte, packedLen(len(v), width))...)
	out := dst[at:]
	mask := ^uint64(0) >> (64 - width)
	for r := range VectorRows / lanes {
		k, sh := r*width>>6, r*width&63
		for l := range lanes {
			x := v[r*lanes+l] & mask
			p := out[(k*lanes+l)*8:]
			binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)|x<<sh)
			if sh+width > 64 {
				p = out[((k+1)*lanes+l)*8:]
				binary.LittleEndian.PutUint64(p, x>>(64-sh))
			}
		}
	}
	return dst
}

// appendShort packs value after value, however many there are.
func appendShort(dst []byte, v []uint64, width int) []byte {
	if width == 0 || len(v) == 0 {
		return dst
	}
	at := len(dst)
	dst = append(dst, make([]byte, (len(v)*width+7)/8)...)
	out := dst[at:]
	mask := ^uint64(0) >> (64 - width)
	bit := 0
	for _, x := range v {
		x &= mask
		for left := width; left > 0; {
			n := min(8-bit&7, left)
			out[bit>>3] |= byte(x << (bit & 7))
			x >>= n
			bit += n
			left -= n
		}
	}
	return dst
}

// groups is a set of groups of 64 rows of a vector, the words of Bits.
type groups uint16

const allGroups = ^groups(0)

// unpack decodes len(dst) values, each plus add (modulo 2^64); outside of want it
// may leave anything. src holds exactly packedLen bytes and width is at most 64.
func unpack(dst []int64, src []byte, width int, add uint64, want groups) {
	switch {
	case width == 0:
		for i := range dst {
			dst[i] = int64(add)
		}
	case len(dst) == VectorRows:
		unpackVector((*[VectorRows]int64)(dst), src, width, add, want)
	default:
		unpackShort(dst, src, width, add)
	}
}

func unpackVectorPlain(dst *[VectorRows]int64, src []byte, width int, add uint64, want groups) {
	mask := ^uint64(0) >> (64 - width)
	for r := range VectorRows / lanes {
		if want>>(r/(64/lanes))&1 == 0 {
			continue
		}
		bit := r * width
		k, sh := bit>>6*lanes*8, uint(bit&63)
		o := (*[lanes]int64)(dst[r*lanes:])
		sh &= 63
		if int(sh)+width <= 64 {
			p := (*[lanes * 8]byte)(src[k:])
			o[0] = int64(binary.LittleEndian.Uint64(p[0:8])>>sh&mask + add)
			o[1] = int64(binary.LittleEndian.Uint64(p[8:16])>>sh&mask + add)
			o[2] = int64(binary.LittleEndian.Uint64(p[16:24])>>sh&mask + add)
			o[3] = int64(binary.LittleEndian.Uint64(p[24:32])>>sh&mask + add)
			o[4] = int64(binary.LittleEndian.Uint64(p[32:40])>>sh&mask + add)
			o[5] = int64(binary.LittleEndian.Uint64(p[40:48])>>sh&mask + add)
			o[6] = int64(binary.LittleEndian.Uint64(p[48:56])>>sh&mask + add)
			o[7] = int64(binary.LittleEndian.Uint64(p[56:64])>>sh&mask + add)
			o[8] = int64(binary.LittleEndian.Uint64(p[64:72])>>sh&mask + add)
			o[9] = int64(binary.LittleEndian.Uint64(p[72:80])>>sh&mask + add)
			o[10] = int64(binary.LittleEndian.Uint64(p[80:88])>>sh&mask + add)
			o[11] = int64(binary.LittleEndian.Uint64(p[88:96])>>sh&mask + add)
			o[12] = int64(binary.LittleEndian.Uint64(p[96:104])>>sh&mask + add)
			o[13] = int64(binary.LittleEndian.Uint64(p[104:112])>>sh&mask + add)
			o[14] = int64(binary.LittleEndian.Uint64(p[112:120])>>sh&mask + add)
			o[15] = int64(binary.LittleEndian.Uint64(p[120:128])>>sh&mask + add)
		} else {
			p := (*[2 * lanes * 8]byte)(src[k:])
			up := (64 - sh) & 63
			o[0] = int64((binary.LittleEndian.Uint64(p[0:8])>>sh|binary.LittleEndian.Uint64(p[128:136])<<up)&mask + add)
			o[1] = int64((binary.LittleEndian.Uint64(p[8:16])>>sh|binary.LittleEndian.Uint64(p[136:144])<<up)&mask + add)
			o[2] = int64((binary.LittleEndian.Uint64(p[16:24])>>sh|binary.LittleEndian.Uint64(p[144:152])<<up)&mask + add)
			o[3] = int64((binary.LittleEndian.Uint64(p[24:32])>>sh|binary.LittleEndian.Uint64(p[152:160])<<up)&mask + add)
			o[4] = int64((binary.LittleEndian.Uint64(p[32:40])>>sh|binary.LittleEndian.Uint64(p[160:168])<<up)&mask + add)
			o[5] = int64((binary.LittleEndian.Uint64(p[40:48])>>sh|binary.LittleEndian.Uint64(p[168:176])<<up)&mask + add)
			o[6] = int64((binary.LittleEndian.Uint64(p[48:56])>>sh|binary.LittleEndian.Uint64(p[176:184])<<up)&mask + add)
			o[7] = int64((binary.LittleEndian.Uint64(p[56:64])>>sh|binary.LittleEndian.Uint64(p[184:192])<<up)&mask + add)
			o[8] = int64((binary.LittleEndian.Uint64(p[64:72])>>sh|binary.LittleEndian.Uint64(p[192:200])<<up)&mask + add)
			o[9] = int64((binary.LittleEndian.Uint64(p[72:80])>>sh|binary.LittleEndian.Uint64(p[200:208])<<up)&mask + add)
			o[10] = int64((binary.LittleEndian.Uint64(p[80:88])>>sh|binary.LittleEndian.Uint64(p[208:216])<<up)&mask + add)
			o[11] = int64((binary.LittleEndian.Uint64(p[88:96])>>sh|binary.LittleEndian.Uint64(p[216:224])<<up)&mask + add)
			o[12] = int64((binary.LittleEndian.Uint64(p[96:104])>>sh|binary.LittleEndian.Uint64(p[224:232])<<up)&mask + add)
			o[13] = int64((binary.LittleEndian.Uint64(p[104:112])>>sh|binary.LittleEndian.Uint64(p[232:240])<<up)&mask + add)
			o[14] = int64((binary.LittleEndian.Uint64(p[112:120])>>sh|binary.LittleEndian.Uint64(p[240:248])<<up)&mask + add)
			o[15] = int64((binary.LittleEndian.Uint64(p[120:128])>>sh|binary.LittleEndian.Uint64(p[248:256])<<up)&mask + add)
		}
	}
}

// unpackShortPlain is unpackShort, portably.
func unpackShortPlain(dst []int64, src []byte, width int, add uint64) {
	mask := ^uint64(0) >> (64 - width)
	i, bit := 0, 0
	if width <= 64-7 && len(src) >= 8 {
		// A value lies in the eight bytes from its first one on, as long as there
		// are so many.
		n := min(len(dst), ((len(src)-8)*8+7)/width+1)
		for ; i < n; i++ {
			dst[i] = int64(binary.LittleEndian.Uint64(src[bit>>3:])>>(bit&7)&mask + add)
			bit += width
		}
	}
	for ; i < len(dst); i++ {
		dst[i] = int64(packedAt(src, bit, width) + add)
		bit += width
	}
}

// packedAt returns the number of width bits, at least 1, at a bit of src.
func packedAt(src []byte, bit, width int) uint64 {
	mask := ^uint64(0) >> (64 - width)
	b, sh := bit>>3, uint(bit&7)
	if b+9 <= len(src) {
		x := binary.LittleEndian.Uint64(src[b:]) >> sh
		if int(sh)+width > 64 {
			x |= uint64(src[b+8]) << (64 - sh)
		}
		return x & mask
	}
	x := uint64(src[b]) >> sh
	for j := len(src) - 1; j > b; j-- {
		if s := uint(j-b)*8 - sh; s < 64 {
			x |= uint64(src[j]) << s
		}
	}
	return x & mask
}

// Packed blocks: signed residuals of which nearly all lie in 0..2^width-1. The
// others are patches: the block holds their low bits, and beside it their
// positions and the rest, (residual >> width) in zigzag form.

const (
	positionBits = 10
	patchFlag    = 0x80
)

// blockWidth chooses the width of a block and returns its size in bytes.
func blockWidth(res []int64) (width, size int) {
	var hist [65]int // by bit length; negative residuals have 64
	var lo, hi int64
	for _, x := range res {
		hist[bits.Len64(uint64(x))]++
		lo, hi = min(lo, x), max(hi, x)
	}
	size = 1 << 62
	exceptions := len(res)
	for w := 0; w <= 64; w++ {
		exceptions -= hist[w]
		s := 1 + packedLen(len(res), w)
		if exceptions > 0 {
			s += 3 + packedLen(exceptions, positionBits) + packedLen(exceptions, patchBits(lo, hi, w))
		}
		if s < size {
			width, size = w, s
		}
		if exceptions == 0 {
			break
		}
	}
	return width, size
}

func patchBits(lo, hi int64, width int) int {
	return bits.Len64(max(zigzag(hi>>width), zigzag(lo>>width)))
}

// appendBlock appends a block: width, patches, packed low bits. scratch has
// room for len(res) values.
func appendBlock(dst []byte, res []int64, width int, scratch []uint64) []byte {
	var positions, rest []uint64
	var restBits int
	for i, x := range res {
		scratch[i] = uint64(x)
		if width < 64 && uint64(x)>>width != 0 {
			positions = append(positions, uint64(i))
			z := zigzag(x >> width)
			rest = append(rest, z)
			restBits = max(restBits, bits.Len64(z))
		}
	}
	if len(positions) == 0 {
		dst = append(dst, byte(width))
	} else {
		dst = append(dst, byte(width)|patchFlag, byte(restBits))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(positions)))
		dst = appendShort(dst, positions, positionBits)
		dst = appendShort(dst, rest, restBits)
	}
	return appendPacked(dst, scratch[:len(res)], width)
}

// A block is the parsed form of a packed block.
type block struct {
	width     int
	restBits  int
	patches   int
	positions []byte
	rest      []byte // and whatever follows it
	packed    []byte
}

// block reads a block of n values, which must be the last of the cursor.
func (c *cursor) block(n int) (b block) {
	w := c.byte()
	b.width = int(w &^ patchFlag)
	if w&patchFlag != 0 {
		b.restBits = int(c.byte())
		if p := c.take(2); p != nil {
			b.patches = int(binary.LittleEndian.Uint16(p))
		}
		if b.restBits > 64 || b.patches > n {
			c.bad = true
			return b
		}
		b.positions = c.take(packedLen(b.patches, positionBits))
		b.rest = c.b
		c.take(packedLen(b.patches, b.restBits))
	}
	if b.width > 64 {
		c.bad = true
		return b
	}
	b.packed = c.take(packedLen(n, b.width))
	if !c.done() {
		c.bad = true
	}
	return b
}

// decode writes the residuals plus add to dst, outside of want anything. It
// reports false if a patch lies outside of dst.
func (b *block) decode(dst []int64, add uint64, want groups) bool {
	unpack(dst, b.packed, b.width, add, want)
	if b.patches == 0 {
		return true
	}
	return b.patch(dst)
}

// patch adds what the packed bits have no room for.
func (b *block) patch(dst []int64) bool {
	i, n := 0, 0
	if b.restBits <= 64-7 && len(b.rest) >= 8 && b.restBits > 0 {
		n = min(b.patches, ((len(b.rest)-8)*8+7)/b.restBits+1) // those with eight bytes to read
	}
	mask, at := uint64(1)<<b.restBits-1, 0
	for ; i < n; i++ {
		z := binary.LittleEndian.Uint64(b.rest[at>>3:]) >> (at & 7) & mask
		at += b.restBits
		p := b.position(i)
		if p >= len(dst) {
			return false
		}
		dst[p] += unzigzag(z) << b.width
	}
	for ; i < b.patches; i++ {
		p := b.position(i)
		if p >= len(dst) {
			return false
		}
		if b.restBits > 0 {
			dst[p] += unzigzag(packedAt(b.rest, i*b.restBits, b.restBits)) << b.width
		}
	}
	return true
}

// position returns the row of patch i: its ten bits always lie in two bytes.
func (b *block) position(i int) int {
	at := i * positionBits
	return int(binary.LittleEndian.Uint16(b.positions[at>>3:]) >> (at & 7) & (1<<positionBits - 1))
}
