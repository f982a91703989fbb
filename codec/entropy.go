package codec

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

// Entropy coding of classes by Huffman codes that follow each other, as programs wrote it
// that knew format version 2; wavelet trees have taken its place. One table serves the
// node, and each vector is coded by itself.

// entropyPadding follows the last body, so that eight bytes can be read wherever
// there is a bit.
const entropyPadding = 8

// huffmanStreams is the number of values from which on symbols are in four streams.
const huffmanStreams = 256

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
	var memory [maxClasses]class
	classes, _ := c.classes(memory[:])
	e.classes = len(classes)
	for s := range e.memory.table {
		if s >= len(classes) {
			e.memory.table[s] = readClass{bits: noClass}
			continue
		}
		k := classes[s]
		e.memory.table[s] = readClass{value: e.origin + int64(k.start)*e.unit, mask: 1<<k.bits - 1, bits: uint64(k.bits)}
		e.widest = max(e.widest, k.bits)
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
