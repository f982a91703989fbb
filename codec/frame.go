package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// FOR, delta and linear nodes share a frame: values are brought to a common
// unit first (timestamps that are whole seconds are divided by 1,000,000), a
// directory says where each vector's body ends, and each body ends in a packed
// block. What precedes the block differs by scheme.

// maxUnitRange bounds the range of values that are divided by a unit; beyond it
// differences of values may not fit and are no multiples of the unit any more.
const maxUnitRange = 1 << 62

// linearBits is the number of fraction bits of a linear frame's slope.
const linearBits = 16

type frameScratch struct {
	res    [VectorRows]int64
	alt    [VectorRows]int64
	packed [VectorRows]uint64
}

// appendFrame appends a node of the scheme, which is FOR, Delta or Linear.
func appendFrame(dst []byte, scheme Scheme, v []int64, st *intStats) []byte {
	s := new(frameScratch)
	dst = append(dst, byte(scheme))
	dst = binary.AppendUvarint(dst, st.unit)
	var unitValues []int64
	if st.unit > 1 {
		dst = appendZigzag(dst, st.min)
		unitValues = make([]int64, VectorRows)
	}
	by := newDivisor(st.unit)
	vectors := Vectors(len(v))
	dir := len(dst)
	dst = append(dst, make([]byte, 4*(vectors-1))...)
	start := len(dst)
	for i := range vectors {
		part := v[i*VectorRows:][:VectorLen(len(v), i)]
		if st.unit > 1 {
			for j, x := range part {
				unitValues[j] = int64(by.exact(uint64(x - st.min)))
			}
			part = unitValues[:len(part)]
		}
		dst = s.append(dst, scheme, part)
		if i < vectors-1 {
			binary.LittleEndian.PutUint32(dst[dir+4*i:], uint32(len(dst)-start))
		}
	}
	return dst
}

// append appends the body of one vector.
func (s *frameScratch) append(dst []byte, scheme Scheme, v []int64) []byte {
	res := s.res[:len(v)]
	switch scheme {
	case Delta:
		dst = appendZigzag(dst, v[0])
		deltas(res, v)
	case Linear:
		slope := linearSlope(v)
		dst = appendZigzag(dst, slope)
		linearResiduals(res, v, slope)
	default:
		copy(res, v)
	}
	base, width, _ := s.rebase(res)
	if scheme == Delta {
		res[0] = 0 // the first value is not a difference; its slot is never read
	}
	dst = appendZigzag(dst, base)
	return appendBlock(dst, res, width, s.packed[:])
}

// size returns the bytes that append would take, nearly.
func (s *frameScratch) size(scheme Scheme, v []int64) int {
	res := s.res[:len(v)]
	switch scheme {
	case Delta:
		deltas(res, v)
	case Linear:
		linearResiduals(res, v, linearSlope(v))
	default:
		copy(res, v)
	}
	_, _, size := s.rebase(res)
	return size + 10
}

func deltas(res, v []int64) {
	for i := len(v) - 1; i > 0; i-- {
		res[i] = v[i] - v[i-1]
	}
	if len(v) > 1 {
		res[0] = res[1]
	} else {
		res[0] = 0
	}
}

// linearSlope returns the slope of v in units of 2^-linearBits, 0 where a line
// would overflow.
func linearSlope(v []int64) int64 {
	if len(v) < 2 {
		return 0
	}
	first, last := v[0], v[len(v)-1]
	d := last - first
	if (d < 0) != (last < first) || d >= 1<<(62-linearBits) || d <= -1<<(62-linearBits) {
		return 0
	}
	return (d << linearBits) / int64(len(v)-1)
}

func linearResiduals(res, v []int64, slope int64) {
	for i, x := range v {
		res[i] = x - slope*int64(i)>>linearBits
	}
}

// rebase chooses a base, subtracts it from the residuals and returns the width
// for the rest. The least value is the base unless outliers below would widen
// everything: then the window that holds most of a sample decides.
func (s *frameScratch) rebase(res []int64) (base int64, width, size int) {
	lo, hi := slices.Min(res), slices.Max(res)
	spread := bits.Len64(uint64(hi - lo))
	alt := s.alt[:len(res)]
	window, ok := likelyBase(res, lo, hi, spread)
	for i, x := range res {
		alt[i] = x - window
		res[i] = x - lo
	}
	width, size = blockWidth(res)
	if ok {
		if w, n := blockWidth(alt); n < size {
			copy(res, alt)
			return window, w, n
		}
	}
	return lo, width, size
}

// likelyBase looks for the window of some power of two that would make the
// smallest block, in a sample.
func likelyBase(v []int64, lo, hi int64, spread int) (base int64, ok bool) {
	const samples = 64
	if len(v) < samples || spread < 4 {
		return 0, false
	}
	var s [samples]int64
	for i := range s {
		s[i] = v[i*len(v)/samples]
	}
	slices.Sort(s[:])
	if mid := bits.Len64(uint64(s[samples*9/10] - s[samples/10])); mid+2 > spread {
		return 0, false
	}
	best := len(v) * spread
	for w := 0; w < spread && w < 62 && len(v)*w < best; w++ {
		start, covered := 0, 0
		for i, j := 0, 0; j < samples; j++ {
			for uint64(s[j]-s[i])>>w != 0 {
				i++
			}
			if j-i+1 > covered {
				start, covered = i, j-i+1
			}
		}
		far := max(uint64(hi-s[start]), uint64(s[start]-lo))
		cost := len(v)*w + (samples-covered)*len(v)/samples*(positionBits+1+bits.Len64(far>>w))
		if cost < best {
			slack := int64(1)<<w - (s[start+covered-1] - s[start]) - 1
			best, base, ok = cost, s[start]-min(slack/2, s[start]-lo), true
		}
	}
	return base, ok
}

// A frame reads a FOR, delta or linear node.
type frame struct {
	scheme Scheme
	n      int
	unit   uint64
	origin int64
	dir    []byte
	bodies []byte
}

func (room *Room) openFrame(scheme Scheme, src []byte, n int) (*frame, error) {
	c := cursor{b: src}
	f := room.frames.put(frame{scheme: scheme, n: n, unit: c.uvarint()})
	if f.unit > 1 {
		f.origin = c.varint()
	}
	if n == 0 || f.unit == 0 {
		return nil, corrupt("%v: %d values of unit %d", scheme, n, f.unit)
	}
	f.dir = c.take(4 * (Vectors(n) - 1))
	f.bodies = c.b
	if c.bad {
		return nil, corrupt("%v: %d values in %d bytes", scheme, n, len(src))
	}
	return f, nil
}

// A frameBody is the parsed body of one vector.
type frameBody struct {
	first, slope, base int64
	block              block
}

func (f *frame) body(v int) (b frameBody, err error) {
	var start, end uint32
	if v > 0 {
		start = binary.LittleEndian.Uint32(f.dir[4*(v-1):])
	}
	end = uint32(len(f.bodies))
	if v < Vectors(f.n)-1 {
		end = binary.LittleEndian.Uint32(f.dir[4*v:])
	}
	if start > end || uint64(end) > uint64(len(f.bodies)) {
		return b, corrupt("%v: vector %d lies at %d to %d of %d bytes", f.scheme, v, start, end, len(f.bodies))
	}
	c := cursor{b: f.bodies[start:end]}
	switch f.scheme {
	case Delta:
		b.first = c.varint()
	case Linear:
		b.slope = c.varint()
	}
	b.base = c.varint()
	b.block = c.block(VectorLen(f.n, v))
	if c.bad {
		return b, corrupt("%v: bad body of vector %d", f.scheme, v)
	}
	return b, nil
}

func (f *frame) vector(v int, dst []int64) error {
	b, err := f.body(v)
	if err != nil {
		return err
	}
	if err := f.stored(v, &b, dst, allGroups); err != nil {
		return err
	}
	if f.scheme == Delta {
		prefixSums(dst)
	}
	f.scale(dst)
	return nil
}

// scale turns stored numbers into values.
func (f *frame) scale(v []int64) {
	if f.unit <= 1 {
		return
	}
	affine(v, int64(f.unit), f.origin)
}

// picked decodes the groups of a FOR vector that are wanted, and leaves anything
// in the others.
func (f *frame) picked(v int, dst []int64, want groups) error {
	b, err := f.body(v)
	if err != nil {
		return err
	}
	if err := f.stored(v, &b, dst, want); err != nil {
		return err
	}
	if f.unit > 1 {
		for from := 0; from < len(dst); from += 64 {
			if want>>(from/64)&1 != 0 {
				f.scale(dst[from:min(from+64, len(dst))])
			}
		}
	}
	return nil
}

// stored decodes the stored numbers of vector v, for delta the first one and
// the differences that follow. Groups are for FOR; others want all.
func (f *frame) stored(v int, b *frameBody, dst []int64, want groups) error {
	if !b.block.decode(dst, uint64(b.base), want) {
		return corrupt("%v: patch outside of vector %d", f.scheme, v)
	}
	switch f.scheme {
	case Delta:
		dst[0] = b.first
	case Linear:
		at := int64(0)
		for i := range dst {
			dst[i] += at >> linearBits
			at += b.slope
		}
	}
	return nil
}

// prefixSumsPlain is prefixSums, portably, of what follows numbers with a sum.
func prefixSumsPlain(v []int64, acc int64) {
	for len(v) >= 8 {
		p := (*[8]int64)(v)
		// Pairs first: the chain from group to group is one addition long.
		a1 := p[0] + p[1]
		a2 := p[2] + p[3]
		a3 := p[4] + p[5]
		a4 := p[6] + p[7]
		b1, b2 := a1+a2, a3+a4
		p[0] += acc
		p[2] += a1 + acc
		p[4] += b1 + acc
		p[6] += b1 + a3 + acc
		p[1] = a1 + acc
		p[3] = b1 + acc
		p[5] = b1 + a3 + acc
		acc += b1 + b2
		p[7] = acc
		v = v[8:]
	}
	for i, x := range v {
		acc += x
		v[i] = acc
	}
}

// affinePlain is affine, portably.
func affinePlain(v []int64, unit, origin int64) {
	for i, x := range v {
		v[i] = x*unit + origin
	}
}

// filter evaluates a range on the stored numbers, which saves multiplying by
// the unit and, for delta, writing down the sums. If a FOR block's reach decides
// it, nothing is unpacked.
func (f *frame) filter(v int, flt *IntFilter, out *Bits) (done bool, err error) {
	if flt.Set != nil {
		return false, nil
	}
	b, err := f.body(v)
	if err != nil {
		return true, err
	}
	n := VectorLen(f.n, v)
	lo, hi, some := f.bounds(flt)
	if !some {
		out.fill(n, flt.Not)
		return true, nil
	}
	if f.scheme == FOR && b.block.patches == 0 && b.block.width < 62 {
		if top := b.base + int64(1)<<b.block.width - 1; top >= b.base {
			none, all := b.base > hi || top < lo, lo <= b.base && top <= hi
			if none || all {
				out.fill(n, all != flt.Not)
				return true, nil
			}
		}
	}
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	x := buf[:n]
	if err := f.stored(v, &b, x, allGroups); err != nil {
		return true, err
	}
	span := uint64(hi) - uint64(lo)
	if f.scheme == Delta {
		sumsWithin(x, lo, span, out)
	} else {
		within(x, lo, span, out)
	}
	if flt.Not {
		out.invert(n)
	}
	return true, nil
}

// bounds returns the range of a filter in stored numbers; some is false if no
// number is in it.
func (f *frame) bounds(flt *IntFilter) (lo, hi int64, some bool) {
	if flt.Hi < flt.Lo || f.unit <= 1 {
		return flt.Lo, flt.Hi, flt.Lo <= flt.Hi
	}
	// Values are origin + unit*x with x from 0 on, and x*unit is below maxUnitRange.
	if flt.Hi < f.origin {
		return 0, 0, false
	}
	top := uint64(maxUnitRange) / f.unit
	last := min((uint64(flt.Hi)-uint64(f.origin))/f.unit, top)
	first := uint64(0)
	if flt.Lo > f.origin {
		d := uint64(flt.Lo) - uint64(f.origin)
		first = d / f.unit
		if d%f.unit != 0 {
			first++
		}
	}
	return int64(first), int64(last), first <= last
}

func (f *frame) describe() Node {
	var width, patches int
	vectors := Vectors(f.n)
	for v := range vectors {
		if b, err := f.body(v); err == nil {
			width += b.block.width
			patches += b.block.patches
		}
	}
	d := detail("%.1f bit", float64(width)/float64(vectors))
	if patches > 0 {
		d += detail(", %d patches", patches)
	}
	if f.unit > 1 {
		d += detail(", unit %d", f.unit)
	}
	return Node{Scheme: f.scheme, Detail: d, Values: f.n, Size: 1 + len(f.dir) + len(f.bodies)}
}
