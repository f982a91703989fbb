package codec

import (
	"encoding/binary"
	"math/bits"
)

// Numbers in zstd blocks: the last resort, for columns in which sequences of values
// come again that no other encoding sees. Integers are cut to the bytes that they
// need; floats are whole, one after the other or as planes: the first bytes of all,
// the second ones and so on. A block holds 16 vectors or more, and is decompressed
// for the first of them that is wanted.

const (
	minVectorsPerBlock = 16
	// maxVectorsPerBlock bounds a block to half a megabyte.
	maxVectorsPerBlock = 64
	numberBlockTarget  = 128 << 10
)

// blockVectors is the number of vectors of numbers of width bytes in a block.
func blockVectors(width int) int {
	return min(max(numberBlockTarget/VectorRows/width, minVectorsPerBlock), maxVectorsPerBlock)
}

// appendNumberBlocks compresses raw, n numbers of width bytes, or of one plane for
// each byte in each block.
func appendNumberBlocks(dst, raw []byte, n, width int, planes bool) []byte {
	vectors := blockVectors(width)
	dst = binary.AppendUvarint(dst, uint64(vectors))
	var data, plane []byte
	for at := 0; at < n; at += vectors * VectorRows {
		part := raw[at*width : min(at+vectors*VectorRows, n)*width]
		if planes {
			plane = toPlanes(plane, part, width)
			part = plane
		}
		before := len(data)
		data = compress(Zstd, data, part)
		dst = binary.AppendUvarint(dst, uint64(len(data)-before))
	}
	return append(dst, data...)
}

func toPlanes(dst, src []byte, width int) []byte {
	n := len(src) / width
	dst = append(dst[:0], src...)
	for k := range width {
		to := dst[k*n:][:n]
		for i := range to {
			to[i] = src[i*width+k]
		}
	}
	return dst
}

// sampleOfBlocks returns the values of which a compressed sample stands for all.
func sampleOfBlocks[T any](v []T) []T {
	if most := minVectorsPerBlock / 2 * VectorRows; len(v) > most {
		return v[len(v)/4:][:min(most, len(v)-len(v)/4)]
	}
	return v
}

// numberBlocks reads compressed blocks of numbers.
type numberBlocks struct {
	n, width int
	vectors  int // of each block but the last
	planes   bool
	room     *Room
	starts   []int64 // of each block in data, and the end of the last
	data     []byte
	current  int      // block in raw, plus one
	raw      *Strings // its bytes; nil at first
}

// parse reads what follows the header of a node.
func (b *numberBlocks) parse(c *cursor) error {
	b.vectors = c.count(maxVectorsPerBlock)
	if c.bad || b.vectors == 0 || b.n == 0 {
		return corrupt("zstd: %d numbers in blocks of %d vectors", b.n, b.vectors)
	}
	count := (Vectors(b.n) + b.vectors - 1) / b.vectors
	if count > len(c.b) {
		return corrupt("zstd: %d blocks in %d bytes", count, len(c.b))
	}
	b.starts = b.room.numbers.take(count + 1)
	b.starts[0] = 0
	for i := range count {
		b.starts[i+1] = b.starts[i] + int64(c.count(len(c.b)))
	}
	b.data = c.b
	if c.bad || b.starts[count] != int64(len(b.data)) {
		return corrupt("zstd: %d blocks are not what is there", count)
	}
	return nil
}

// blocks returns how many there are.
func (b *numberBlocks) blocks() int { return len(b.starts) - 1 }

// bytes returns the bytes of vector v; number i lies at i*step, its next bytes
// plane bytes apart.
func (b *numberBlocks) bytes(v int) (src []byte, step, plane int, err error) {
	k := v / b.vectors
	first := k * b.vectors * VectorRows
	n := min(b.n-first, b.vectors*VectorRows)
	if b.current != k+1 {
		b.current = 0
		if b.raw == nil {
			b.raw = b.room.texts.take()
		}
		raw, err := decompress(Zstd, b.raw.Data, b.data[b.starts[k]:b.starts[k+1]], n*b.width)
		if err != nil {
			return nil, 0, 0, err
		}
		b.raw.Data = raw
		b.current = k + 1
	}
	at := v*VectorRows - first
	if b.planes {
		return b.raw.Data[at:], 1, n, nil
	}
	return b.raw.Data[at*b.width:], b.width, 1, nil
}

// repeats says whether sequences of values come again more than by chance, in a
// sample: three values, or eight if there are few different ones. Runs of one value
// do not count.
func repeats(n int, key func(i int) uint64) bool {
	const sample, tableBits, few, long = 4096, 13, 256, 8
	from, to := 0, n
	if n > sample {
		from = (n - sample) / 2
		to = from + sample
	}
	length := 3
	if distinct, ok := distinctOf(n, key); ok && distinct < few {
		length = long
	}
	var seen [1 << tableBits]uint32
	var window [long]uint64 // hashes of values
	hits, filled := 0, 0
	var a, b, sum uint64
	for i := from; i < to; i++ {
		c := key(i)
		if c == b && b == a {
			continue
		}
		a, b = b, c
		// The hash of a sequence is a sum of the values' own, each multiplied as often
		// as values follow.
		h := hash64(c)
		slot := &window[filled%length]
		sum = sum*rolling + h - *slot*rollingPower[length]
		*slot = h
		if filled++; filled < length {
			continue
		}
		s := hash64(sum)
		mark := &seen[s>>(64-tableBits)]
		if *mark == uint32(s)|1 {
			hits++
		}
		*mark = uint32(s) | 1
	}
	return hits > (to-from)/16
}

const rolling = 0x9E3779B97F4A7C15

// rollingPower has rolling to the power of its index.
var rollingPower = func() (p [9]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * rolling
	}
	return p
}()

// planIntZstd adds blocks of integers.
func planIntZstd(p *plan, v []int64, st *intStats) {
	width := (bits.Len64(uint64(st.max-st.min)/st.unit) + 7) / 8
	if len(v) < 64 || !p.worth(float64(len(v)*width)/64, nanosZstd*float64(width)) ||
		!repeats(len(v), func(i int) uint64 { return uint64(v[i]) }) {
		return
	}
	sample := sampleOfBlocks(v)
	size := float64(len(compress(Zstd, nil, newIntBlocks(sample, st).raw))) / float64(len(sample))
	p.add(candidate{scheme: Zstd, size: size*float64(len(v)) + 16, nanos: nanosZstd * float64(width), slow: nanosZstd * float64(width),
		append: func(dst []byte) []byte { return newIntBlocks(v, st).append(dst) }})
}

// intBlocks are integers to be compressed.
type intBlocks struct {
	n, width int
	st       *intStats
	raw      []byte
}

func newIntBlocks(v []int64, st *intStats) *intBlocks {
	b := &intBlocks{n: len(v), width: max((bits.Len64(uint64(st.max-st.min)/st.unit)+7)/8, 1), st: st}
	b.raw = make([]byte, 0, b.n*b.width+8)
	by := newDivisor(st.unit)
	for _, x := range v {
		b.raw = binary.LittleEndian.AppendUint64(b.raw, by.exact(uint64(x-st.min)))
		b.raw = b.raw[:len(b.raw)-8+b.width]
	}
	return b
}

func (b *intBlocks) append(dst []byte) []byte {
	dst = append(dst, byte(Zstd), byte(b.width))
	dst = binary.AppendUvarint(dst, b.st.unit)
	return appendNumberBlocks(appendZigzag(dst, b.st.min), b.raw, b.n, b.width, false)
}

// intZstd reads blocks of integers.
type intZstd struct {
	numberBlocks
	unit, origin int64
	size         int
}

func (room *Room) openIntZstd(src []byte, n int) (*intZstd, error) {
	c := cursor{b: src}
	z := room.intBlocks.put(intZstd{numberBlocks: numberBlocks{n: n, width: int(c.byte()), room: room}, size: 1 + len(src)})
	z.unit, z.origin = int64(c.uvarint()), c.varint()
	if c.bad || z.width < 1 || z.width > 8 || z.unit == 0 {
		return nil, corrupt("zstd: integers of %d bytes, unit %d", z.width, z.unit)
	}
	return z, z.parse(&c)
}

func (z *intZstd) vector(v int, dst []int64) error {
	src, w, _, err := z.bytes(v)
	if err != nil {
		return err
	}
	switch w {
	case 1:
		for i, x := range src[:len(dst)] {
			dst[i] = int64(x)
		}
	case 2:
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case 4:
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case 8:
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint64(src[8*i:]))
		}
	default:
		for i := range dst {
			var b [8]byte
			copy(b[:w], src[w*i:])
			dst[i] = int64(binary.LittleEndian.Uint64(b[:]))
		}
	}
	affine(dst, z.unit, z.origin)
	return nil
}

func (z *intZstd) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (z *intZstd) describe() Node {
	return Node{Scheme: Zstd, Detail: detail("%d byte, %d blocks", z.width, z.blocks()), Values: z.n, Size: z.size}
}

// floatZstd reads blocks of floats.
type floatZstd[F Float] struct {
	numberBlocks
	size int
}

// planFloatZstd adds blocks of floats, if they come again or nothing else has helped.
func planFloatZstd[F Float](p *plan, v []F) {
	w := width[F]()
	n := float64(len(v))
	large := p.worth(n*float64(w)*0.35, 0)
	if len(v) < 64 || !p.worth(n*float64(w)/64, nanosZstd*float64(w)) || !large && !repeats(len(v), func(i int) uint64 { return bitsOf(&v[i]) }) {
		return
	}
	sample := newFloatBlocks(sampleOfBlocks(v), false)
	size, planes := len(compress(Zstd, nil, sample.raw)), false
	if s := len(compress(Zstd, nil, toPlanes(nil, sample.raw, w))); s < size {
		size, planes = s, true
	}
	p.add(candidate{scheme: Zstd, size: float64(size)/float64(sample.n)*n + 12, nanos: nanosZstd * float64(w), slow: nanosZstd * float64(w),
		append: func(dst []byte) []byte { return newFloatBlocks(v, planes).append(dst) }})
}

// floatBlocks are floats to be compressed.
type floatBlocks[F Float] struct {
	n      int
	planes bool
	raw    []byte
}

func newFloatBlocks[F Float](v []F, planes bool) *floatBlocks[F] {
	b := &floatBlocks[F]{n: len(v), planes: planes, raw: make([]byte, 0, len(v)*width[F]())}
	for i := range v {
		b.raw = appendFloat(b.raw, &v[i])
	}
	return b
}

func (b *floatBlocks[F]) append(dst []byte) []byte {
	return appendNumberBlocks(append(dst, byte(Zstd), byte(b2u(b.planes))), b.raw, b.n, width[F](), b.planes)
}

func openFloatZstd[F Float](room *Room, src []byte, n int) (*floatZstd[F], error) {
	c := cursor{b: src}
	planes := c.byte()
	if planes > 1 {
		return nil, corrupt("zstd: floats laid out as %d", planes)
	}
	z := floatShelvesOf[F](room).blocks.put(floatZstd[F]{size: 1 + len(src),
		numberBlocks: numberBlocks{n: n, width: width[F](), planes: planes == 1, room: room}})
	return z, z.parse(&c)
}

func (z *floatZstd[F]) vector(v int, dst []F) error {
	src, _, plane, err := z.bytes(v)
	if err != nil {
		return err
	}
	if !z.planes {
		readFloats(dst, src)
		return nil
	}
	for i := range dst {
		var x uint64
		for k := range z.width {
			x |= uint64(src[k*plane+i]) << (8 * k)
		}
		dst[i] = floatOf[F](x)
	}
	return nil
}

func (z *floatZstd[F]) filter(int, *FloatFilter, *Bits) (bool, error) { return false, nil }

func (z *floatZstd[F]) describe() Node {
	d := detail("%d blocks", z.blocks())
	if z.planes {
		d += " of planes"
	}
	return Node{Scheme: Zstd, Detail: d, Values: z.n, Size: z.size}
}
