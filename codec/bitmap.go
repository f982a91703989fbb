package codec

import (
	"encoding/binary"
)

// Bits as they are (a bitmap), all alike (constant), as the rows at which they
// change (toggles), counted within each vector so that vectors stay independent,
// eight by eight as integers (packed), or as a value that other values are (marks).

// A Bitmap reads encoded bits: booleans or null masks. It is used by one goroutine.
type Bitmap struct {
	n      int
	scheme Scheme
	on     bool
	words  []byte
	bytes  *Ints  // packed
	of     marked // marks
	// toggles: rows of change by vector; start has the first toggle of each.
	start []int32
	rows  *Ints
	at    []int64
	size  int
}

// AppendBits appends a node that holds the n bits of words, bit i being bit
// i%64 of word i/64.
func AppendBits(dst []byte, words []uint64, n int) []byte {
	toggles, ones := 0, 0
	bit := func(i int) uint64 { return words[i>>6] >> (i & 63) & 1 }
	for i := range n {
		b := bit(i)
		ones += int(b)
		if i%VectorRows == 0 {
			toggles += int(b)
		} else if b != bit(i-1) {
			toggles++
		}
	}
	if ones == 0 || ones == n {
		return append(dst, byte(Constant), byte(b2u(ones > 0)))
	}
	if toggles*10 < n && toggles < n/8 {
		return appendToggles(dst, n, toggles, bit)
	}
	raw := make([]byte, 0, (n+7)/8)
	for i := 0; i < n; i += 8 {
		b := byte(words[i>>6] >> (i & 63))
		if n-i < 8 {
			b &= 1<<(n-i) - 1
		}
		raw = append(raw, b)
	}
	if len(raw) >= minPackedBytes {
		ints := make([]int64, len(raw))
		for i, b := range raw {
			ints[i] = int64(b)
		}
		if p := planInts(ints, 2); p.cost(p.best()) < 0.95*float64(len(raw)) {
			return p.append(append(dst, byte(PackedBits)))
		}
	}
	return append(append(dst, byte(RawBits)), raw...)
}

// minPackedBytes is the size of a bitmap from which on its bytes can be worth
// encoding.
const minPackedBytes = 128

func appendToggles(dst []byte, n, toggles int, bit func(i int) uint64) []byte {
	counts := make([]byte, 2*Vectors(n))
	rows := make([]int64, 0, toggles)
	for i := range n {
		prev := uint64(0)
		if i%VectorRows != 0 {
			prev = bit(i - 1)
		}
		if bit(i) != prev {
			p := counts[i/VectorRows*2:]
			binary.LittleEndian.PutUint16(p, binary.LittleEndian.Uint16(p)+1)
			rows = append(rows, int64(i%VectorRows))
		}
	}
	dst = append(dst, byte(Toggles))
	dst = append(dst, counts...)
	return appendInts(dst, rows, 2)
}

// OpenBits returns a reader of n bits encoded by AppendBits, which keeps src.
// Errors wrap ErrCorrupt.
func OpenBits(src []byte, n int) (*Bitmap, error) { return new(Room).OpenBits(src, n) }

// OpenBits is OpenBits of a reader that lies in the room.
func (room *Room) OpenBits(src []byte, n int) (*Bitmap, error) {
	if len(src) == 0 || n < 0 || n > MaxValues {
		return nil, corrupt("bits: %d values in %d bytes", n, len(src))
	}
	b := room.bitmaps.put(Bitmap{n: n, scheme: Scheme(src[0]), size: len(src)})
	src = src[1:]
	switch b.scheme {
	case Constant:
		if len(src) != 1 || src[0] > 1 {
			return nil, corrupt("bits: bad constant")
		}
		b.on = src[0] == 1
	case RawBits:
		if len(src) != (n+7)/8 {
			return nil, corrupt("bits: %d values in %d bytes", n, len(src))
		}
		b.words = src
	case Toggles:
		c := cursor{b: src}
		counts := c.take(2 * Vectors(n))
		if c.bad {
			return nil, corrupt("bits: %d values in %d bytes", n, len(src))
		}
		b.start = room.places.take(Vectors(n) + 1)
		b.start[0] = 0
		for v := range Vectors(n) {
			k := int(binary.LittleEndian.Uint16(counts[2*v:]))
			if k > VectorLen(n, v) {
				return nil, corrupt("bits: %d toggles in vector %d", k, v)
			}
			b.start[v+1] = b.start[v] + int32(k)
		}
		var err error
		if b.rows, err = room.openInts(c.b, int(b.start[Vectors(n)]), 2); err != nil {
			return nil, err
		}
	case PackedBits:
		var err error
		if b.bytes, err = room.openInts(src, (n+7)/8, 2); err != nil {
			return nil, err
		}
	default:
		return nil, corrupt("bits: %v", b.scheme)
	}
	return b, nil
}

// Len returns the number of bits.
func (b *Bitmap) Len() int { return b.n }

// Vector sets out to the bits of vector v.
func (b *Bitmap) Vector(v int, out *Bits) error {
	n := VectorLen(b.n, v)
	switch b.scheme {
	case Constant:
		out.fill(n, b.on)
	case RawBits:
		*out = Bits{}
		src := b.words[v*VectorRows/8:]
		if n == VectorRows {
			for i := range out {
				out[i] = binary.LittleEndian.Uint64(src[8*i:])
			}
			return nil
		}
		for i := range (n + 7) / 8 {
			out[i>>3] |= uint64(src[i]) << (i & 7 * 8)
		}
		if r := n & 63; r != 0 {
			out[n>>6] &= 1<<r - 1
		}
	case PackedBits:
		return b.unpack(v, out)
	case Marks:
		return b.of.marks(v, out)
	default:
		*out = Bits{}
		if b.at == nil {
			at, err := b.rows.all()
			if err != nil {
				return err
			}
			b.at = at
		}
		prev := int64(-1)
		on := false
		for _, p := range b.at[b.start[v]:b.start[v+1]] {
			if p <= prev || p >= int64(n) {
				return corrupt("bits: toggle at %d after %d in vector %d", p, prev, v)
			}
			if on {
				out.setRange(int(prev), int(p))
			}
			prev, on = p, !on
		}
		if on {
			out.setRange(int(prev), n)
		}
	}
	return nil
}

// unpack sets out to the bits of vector v, whose bytes are 128 numbers of a vector.
func (b *Bitmap) unpack(v int, out *Bits) error {
	*out = Bits{}
	from := v * VectorRows / 8
	src, err := b.bytes.Shared(from / VectorRows)
	if err != nil {
		return err
	}
	src = src[from%VectorRows:]
	n := VectorLen(b.n, v)
	for i, x := range src[:(n+7)/8] {
		if uint64(x) > 255 {
			return corrupt("bits: %d as a byte in vector %d", x, v)
		}
		out[i>>3] |= uint64(x) << (i & 7 * 8)
	}
	if r := n & 63; r != 0 {
		out[n>>6] &= 1<<r - 1
	}
	return nil
}

// Describe returns the tree of encodings.
func (b *Bitmap) Describe() Node {
	n := Node{Scheme: b.scheme, Values: b.n, Size: b.size}
	if b.scheme == Toggles {
		rows := b.rows.Describe()
		rows.Role = "rows"
		n.Child = []Node{rows}
	}
	if b.bytes != nil {
		bytes := b.bytes.Describe()
		bytes.Role = "bytes"
		n.Child = []Node{bytes}
	}
	return n
}
