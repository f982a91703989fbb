package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// Entropy coding of integers. The range of the values is cut into at most 256
// classes, intervals of a power of two in length; a value is the symbol of its
// class, in Huffman code, and its place in the class, in plain bits. A value that
// is frequent is a class by itself; where values are rare a class is wide. So one
// coder serves dictionary codes, small differences and those with long tails.
// One table serves the node, and each vector is coded by itself.

const (
	maxClasses = 256
	// maxClassBits is so that a place in a class lies in the eight bytes from its
	// first one on.
	maxClassBits = 56
	// classTableBits is about what a class takes in the table.
	classTableBits = 18
	// minEntropy is the number of values from which on a table can pay.
	minEntropy = 256
	// entropyOverhead is what a vector takes besides codes: its size, those of its
	// symbols and of four streams, what is left of their last bytes.
	entropyOverhead = 13
)

// A class is an interval of the numbers that a node stores.
type class struct {
	start uint64
	bits  uint8 // the interval has 1<<bits numbers
}

// A tally is a number and how often it occurs.
type tally struct {
	x uint64
	n uint32
}

// classPlan is what an entropy node needs to be written.
type classPlan struct {
	classes []class
	table   *huff0.Scratch
	x       []uint64 // stored numbers
	symbols []uint8  // of them
	size    int      // estimate
}

// planClasses returns classes for v, or nil if none can do.
func planClasses(v []int64, st *intStats) *classPlan {
	span := uint64(st.max-st.min) / st.unit
	if len(v) < minEntropy || bits.Len64(span) > maxClassBits {
		return nil
	}
	p := &classPlan{x: make([]uint64, len(v))}
	if st.unit > 1 {
		for i, x := range v {
			p.x[i] = uint64(x-st.min) / st.unit
		}
	} else {
		for i, x := range v {
			p.x[i] = uint64(x - st.min)
		}
	}
	b := classBuilder{tallies: tallies(p.x, span), total: float64(len(v)), perClass: classTableBits}
	for {
		b.build(bits.Len64(span))
		if len(b.classes) <= maxClasses {
			break
		}
		b.perClass *= 2
	}
	if p.classes = b.classes; len(p.classes) < 2 {
		return nil
	}
	p.assign(span)
	var count [maxClasses]uint32
	for _, s := range p.symbols {
		count[s]++
	}
	p.table = &huff0.Scratch{Reuse: huff0.ReusePolicyMust}
	if p.table.BuildCTable(&count) != nil {
		return nil
	}
	extra := 0
	for s, c := range p.classes {
		extra += int(count[s]) * int(c.bits)
	}
	p.size = p.table.EstimateSize(&count) + extra/8 + 2*len(p.classes) + 20 + Vectors(len(v))*entropyOverhead
	return p
}

// sampleEntropy returns about the bytes a value that classes take, by a sample. A
// class of a sample has to save many bits, so that chance is not taken for order.
func sampleEntropy(v []int64, st *intStats) float64 {
	span := uint64(st.max-st.min) / st.unit
	if bits.Len64(span) > maxClassBits {
		return 8
	}
	x := make([]uint64, len(v))
	for i := range v {
		x[i] = uint64(v[i]-st.min) / st.unit
	}
	sorted := radixSorted(x, bits.Len64(span))
	b := classBuilder{tallies: tallied(sorted), total: float64(len(v)), perClass: 16}
	cost := b.build(bits.Len64(span))
	return (cost - b.perClass*float64(len(b.classes))) / 8 / float64(len(v))
}

// tallies returns the numbers, rising, with their counts; none is above span.
func tallies(x []uint64, span uint64) []tally {
	const few = 1 << 16
	if span < few {
		counts := make([]uint32, span+1)
		for _, k := range x {
			counts[k]++
		}
		var t []tally
		for k, n := range counts {
			if n > 0 {
				t = append(t, tally{uint64(k), n})
			}
		}
		return t
	}
	return tallied(radixSorted(x, bits.Len64(span)))
}

func tallied(sorted []uint64) []tally {
	t := make([]tally, 0, 1024)
	for i := 0; i < len(sorted); {
		j := i + 1
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t = append(t, tally{sorted[i], uint32(j - i)})
		i = j
	}
	return t
}

// radixSorted returns the numbers, of at most width bits, in order.
func radixSorted(x []uint64, width int) []uint64 {
	const digit = 11
	from, to := slices.Clone(x), make([]uint64, len(x))
	for shift := 0; shift < width; shift += digit {
		var at [1 << digit]int
		for _, k := range from {
			at[k>>shift&(1<<digit-1)]++
		}
		sum := 0
		for d, n := range at {
			at[d] = sum
			sum += n
		}
		for _, k := range from {
			d := k >> shift & (1<<digit - 1)
			to[at[d]] = k
			at[d]++
		}
		from, to = to, from
	}
	return from
}

// A classBuilder finds the dyadic intervals that code all numbers in the fewest
// bits, with perClass bits for each interval: an interval is cut in halves if these
// are cheaper.
type classBuilder struct {
	tallies  []tally
	total    float64
	perClass float64
	classes  []class
}

func (b *classBuilder) build(width int) (cost float64) {
	b.classes = b.classes[:0]
	n := 0.0
	for _, t := range b.tallies {
		n += float64(t.n)
	}
	return b.cut(b.tallies, n, 0, width)
}

// cut appends the classes of the numbers start..start+1<<width-1, of which t lists
// the n that occur, and returns their bits.
func (b *classBuilder) cut(t []tally, n float64, start uint64, width int) float64 {
	for {
		if len(t) == 1 {
			start, width = t[0].x, 0
		}
		if width == 0 {
			break
		}
		// Empty halves cost nothing to cut off.
		mid := start + 1<<(width-1)
		if t[len(t)-1].x < mid {
			width--
			continue
		}
		if t[0].x >= mid {
			start, width = mid, width-1
			continue
		}
		break
	}
	whole := n*max(1, math.Log2(b.total/n)) + n*float64(width) + b.perClass
	// Few values that hardly repeat are not worth the search.
	if width > 0 && n*float64(width) > b.perClass && (n >= 64 || 2*float64(len(t)) <= n) {
		mid := start + 1<<(width-1)
		at, _ := slices.BinarySearchFunc(t, mid, func(t tally, x uint64) int {
			if t.x < x {
				return -1
			}
			return 1
		})
		left := 0.0
		if at <= len(t)/2 {
			for _, x := range t[:at] {
				left += float64(x.n)
			}
		} else {
			left = n
			for _, x := range t[at:] {
				left -= float64(x.n)
			}
		}
		mark := len(b.classes)
		halves := b.cut(t[:at], left, start, width-1)
		if halves < whole || width > maxClassBits {
			halves += b.cut(t[at:], n-left, mid, width-1)
		}
		if halves < whole || width > maxClassBits {
			return halves
		}
		b.classes = b.classes[:mark]
	}
	b.classes = append(b.classes, class{start, uint8(width)})
	return whole
}

// assign finds the class of each number.
func (p *classPlan) assign(span uint64) {
	p.symbols = make([]uint8, len(p.x))
	const few = 1 << 16
	if span < few {
		of := make([]uint8, span+1)
		for s, c := range p.classes {
			for x := c.start; x < min(c.start+1<<c.bits, span+1); x++ {
				of[x] = uint8(s)
			}
		}
		for i, x := range p.x {
			p.symbols[i] = of[x]
		}
		return
	}
	var starts [maxClasses]uint64
	for s := range starts {
		starts[s] = math.MaxUint64
		if s < len(p.classes) {
			starts[s] = p.classes[s].start
		}
	}
	for i, x := range p.x {
		s := 0
		for step := maxClasses / 2; step > 0; step /= 2 {
			s += step & -int(b2u(starts[s+step] <= x))
		}
		p.symbols[i] = uint8(s)
	}
}

// appendEntropy appends a node.
func appendEntropy(dst []byte, p *classPlan, st *intStats) []byte {
	dst = append(dst, byte(Entropy))
	dst = binary.AppendUvarint(dst, st.unit)
	dst = appendZigzag(dst, st.min)
	dst = binary.AppendUvarint(dst, uint64(len(p.classes)-1))
	end := uint64(0)
	for _, c := range p.classes {
		dst = binary.AppendUvarint(dst, (c.start-end)<<6|uint64(c.bits))
		end = c.start + 1<<c.bits
	}
	table, err := p.table.AppendTable(nil)
	if err != nil {
		panic("codec: bug: " + err.Error())
	}
	dst = appendPart(dst, table)
	n := len(p.x)
	vectors := Vectors(n)
	dir := len(dst)
	dst = append(dst, make([]byte, 2*vectors)...)
	for v := range vectors {
		at, to, start := v*VectorRows, v*VectorRows+VectorLen(n, v), len(dst)
		dst = p.appendVector(dst, p.x[at:to], p.symbols[at:to])
		binary.LittleEndian.PutUint16(dst[dir+2*v:], uint16(len(dst)-start))
	}
	return append(dst, make([]byte, entropyPadding)...)
}

// entropyPadding follows the last body, so that eight bytes can be read wherever
// there is a bit.
const entropyPadding = 8

// huffmanStreams is the number of values from which on symbols are in four streams.
const huffmanStreams = 256

func (p *classPlan) appendVector(dst []byte, x []uint64, symbols []uint8) []byte {
	coded := symbols
	if !slices.ContainsFunc(symbols, func(s uint8) bool { return s != symbols[0] }) {
		coded = symbols[:1]
	} else {
		coder := huff0.Compress1X
		if len(symbols) >= huffmanStreams {
			coder = huff0.Compress4X
		}
		if out, _, err := coder(symbols, p.table); err == nil && len(out) < len(symbols) {
			coded = out
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(coded)))
	dst = append(dst, coded...)
	var acc uint64
	used := 0
	for i, s := range symbols {
		c := p.classes[s]
		acc |= (x[i] - c.start) << used
		used += int(c.bits)
		for ; used >= 8; used -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	if used > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// A readClass is a class as decoding needs it: the value of its first number and
// the bits of a place.
type readClass struct {
	value int64
	mask  uint64
	bits  uint64
}

// noClass is the bits of symbols without a class: no vector has so many.
const noClass = 1 << 40

// An entropy reads an entropy node.
type entropy struct {
	n       int
	unit    int64
	origin  int64
	memory  *entropyMemory
	classes int
	widest  uint8 // class, in bits
	codes   []byte
	decoder *huff0.Decoder // made when first needed
	starts  []int64        // of each vector in bodies, and the end of the last
	bodies  []byte         // padding included
	size    int
}

// entropyMemory is what an entropy reader needs that is too large for a shelf.
type entropyMemory struct {
	table   [maxClasses]readClass
	symbols [VectorRows]uint8 // of a vector
	huffman *huff0.Scratch    // nil at first
}

func (room *Room) openEntropy(src []byte, n int) (*entropy, error) {
	c := cursor{b: src}
	e := room.entropies.put(entropy{n: n, unit: int64(c.uvarint()), origin: c.varint(), size: 1 + len(src)})
	e.memory = room.entropyMemory.take()
	e.classes = c.count(maxClasses-1) + 1
	for s := e.classes; s < maxClasses; s++ {
		e.memory.table[s] = readClass{bits: noClass}
	}
	next := uint64(0)
	for s := range e.classes {
		x := c.uvarint()
		start, width := next+x>>6, uint8(x&63)
		if width > maxClassBits || start < next {
			c.bad = true
		}
		if c.bad {
			break
		}
		e.memory.table[s] = readClass{value: e.origin + int64(start)*e.unit, mask: 1<<width - 1, bits: uint64(width)}
		e.widest = max(e.widest, width)
		next = start + 1<<width
	}
	e.codes = c.part()
	sizes := c.take(2 * Vectors(n))
	e.bodies = c.b
	if c.bad || n == 0 || e.unit == 0 {
		return nil, corrupt("entropy: %d values in %d bytes", n, len(src))
	}
	e.starts = room.numbers.take(Vectors(n) + 1)
	e.starts[0] = 0
	for v := range Vectors(n) {
		e.starts[v+1] = e.starts[v] + int64(binary.LittleEndian.Uint16(sizes[2*v:]))
	}
	if e.starts[Vectors(n)]+entropyPadding != int64(len(e.bodies)) {
		return nil, corrupt("entropy: bodies of %d bytes in %d", e.starts[Vectors(n)], len(e.bodies))
	}
	return e, nil
}

// body returns the coded symbols of a vector, and what follows them, the places of
// its values, up to the end of the node; placeBytes of that are the vector's.
func (e *entropy) body(v int) (symbols, places []byte, placeBytes int, err error) {
	start, end := e.starts[v], e.starts[v+1]
	if end-start < 2 {
		return nil, nil, 0, corrupt("entropy: vector %d has %d bytes", v, end-start)
	}
	size := int64(binary.LittleEndian.Uint16(e.bodies[start:]))
	if size == 0 || size > end-start-2 {
		return nil, nil, 0, corrupt("entropy: %d bytes of symbols in vector %d", size, v)
	}
	at := start + 2
	return e.bodies[at : at+size], e.bodies[at+size:], int(end - at - size), nil
}

// symbols decodes the symbols of a vector into dst, which has exactly its length.
func (e *entropy) symbols(dst, src []byte) error {
	switch len(src) {
	case 1:
		for i := range dst {
			dst[i] = src[0]
		}
		return nil
	case len(dst):
		copy(dst, src)
		return nil
	}
	if e.decoder == nil {
		s, rest, err := huff0.ReadTable(e.codes, e.memory.huffman)
		if err != nil || len(rest) > 0 {
			return corrupt("entropy: table: %v", err)
		}
		e.memory.huffman = s
		e.decoder = s.Decoder()
	}
	decode := e.decoder.Decompress1X
	if len(dst) >= huffmanStreams {
		decode = e.decoder.Decompress4X
	}
	out, err := decode(dst[:0:len(dst)], src)
	if err != nil || len(out) != len(dst) {
		return corrupt("entropy: %d of %d symbols: %v", len(out), len(dst), err)
	}
	return nil
}

func (e *entropy) vector(v int, dst []int64) error {
	coded, places, placeBytes, err := e.body(v)
	if err != nil {
		return err
	}
	symbols := e.memory.symbols[:len(dst)]
	if err := e.symbols(symbols, coded); err != nil {
		return err
	}
	if e.widest == 0 {
		odd, table := uint64(placeBytes), &e.memory.table
		for i, s := range symbols {
			c := &table[s]
			dst[i] = c.value
			odd |= c.bits
		}
		if odd != 0 {
			return corrupt("entropy: symbol beyond %d classes in vector %d, or %d bytes of places", e.classes, v, placeBytes)
		}
		return nil
	}
	if bits, ok := e.places(dst, symbols, places); !ok || (bits+7)/8 != uint(placeBytes) {
		return corrupt("entropy: symbol beyond %d classes in vector %d, or bits unlike %d bytes of places", e.classes, v, placeBytes)
	}
	return nil
}

// places adds what the places say to the values of the classes and returns the bits
// that it read, far too many if there is a symbol without a class; ok is false if
// src has too few.
func (e *entropy) places(dst []int64, symbols, src []uint8) (bit uint, ok bool) {
	unit, table, i := uint64(e.unit), &e.memory.table, 0
	dst = dst[:len(symbols)]
	if e.widest <= maxClassBits/4 {
		for ; i+4 <= len(symbols); i += 4 {
			at := bit >> 3
			if at+8 > uint(len(src)) {
				return 0, false
			}
			s, d := (*[4]uint8)(symbols[i:]), (*[4]int64)(dst[i:])
			c0, c1, c2, c3 := &table[s[0]], &table[s[1]], &table[s[2]], &table[s[3]]
			x := binary.LittleEndian.Uint64(src[at:]) >> (bit & 7)
			d[0] = c0.value + int64(x&c0.mask*unit)
			x >>= c0.bits & 63
			d[1] = c1.value + int64(x&c1.mask*unit)
			x >>= c1.bits & 63
			d[2] = c2.value + int64(x&c2.mask*unit)
			x >>= c2.bits & 63
			d[3] = c3.value + int64(x&c3.mask*unit)
			bit += uint(c0.bits + c1.bits + (c2.bits + c3.bits))
		}
	}
	for ; i < len(symbols); i++ {
		at := bit >> 3
		if at+8 > uint(len(src)) {
			return 0, false
		}
		c := &table[symbols[i]]
		dst[i] = c.value + int64(binary.LittleEndian.Uint64(src[at:])>>(bit&7)&c.mask*unit)
		bit += uint(c.bits)
	}
	return bit, true
}

func (e *entropy) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (e *entropy) describe() Node {
	d := detail("%d classes", e.classes)
	if e.unit != 1 {
		d += detail(", unit %d", e.unit)
	}
	return Node{Scheme: Entropy, Detail: d, Values: e.n, Size: e.size}
}
