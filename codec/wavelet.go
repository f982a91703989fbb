package codec

import (
	"encoding/binary"
)

// A wavelet tree of integers (Grossi, Gupta and Vitter, SODA 2003), of the shape of a
// Huffman code of the classes that entropy.go makes of the values. Instead of the codes of
// the values one after the other there are, for each node of the tree, the bits at which
// the values that pass through it go to the left or to the right, and for each leaf the
// places of its values in their class, side by side in as many bits each. The bits are
// those of a Huffman code. But they are read from the leaves up: what lies left and right
// of a node is put in order by its bits, many values in a step, which takes vector
// registers a third of the time that following one code after the other does.

const (
	// wavePadding follows the last body, so that eight bytes can be read wherever there
	// is a bit.
	wavePadding = 8
	// nanosWave, nanosWaveByte and nanosWaveNode are about what it takes to decode a value:
	// itself, each byte of it in each node on its way, and each node of the tree, in each
	// vector.
	nanosWave     = 0.2
	nanosWaveByte = 0.02
	nanosWaveNode = 8.0
)

// A wavePlan is a node that is to be written.
type wavePlan struct {
	*classPlan
	waveShape
	lengths []uint8
	paths   []uint16 // of each class: bit d says where it goes at depth d
	fields  []uint8  // of each class: its place among those of its leaf
	depths  []uint8  // of each node
	size    int      // estimate
	nanos   float64
}

func newWavePlan(c *classPlan) *wavePlan {
	counts := make([]uint32, len(c.classes))
	for _, s := range c.symbols {
		counts[s]++
	}
	w := &wavePlan{classPlan: c, lengths: codeLengths(counts)}
	if !w.of(c.classes, w.lengths) {
		panic("codec: bug: the codes of classes make no tree")
	}
	w.routes()
	total, steps := 0, 0
	for s, n := range counts {
		total += int(n) * int(w.lengths[s]+c.classes[s].bits)
	}
	for i, k := range w.nodes {
		if k.right == 0 {
			for _, s := range w.order[k.first:][:1<<k.fan] {
				steps += int(counts[s]) * int(w.depths[i])
			}
		}
	}
	w.size = total/8 + Vectors(len(c.x))*5/2 + len(counts)*5/2 + 20
	last := c.classes[len(c.classes)-1]
	w.nanos = nanosWave + nanosWaveByte*float64(waveStep(last.start+1<<last.bits))*float64(steps)/float64(len(c.x)) +
		nanosWaveNode*float64(len(w.nodes))/VectorRows
	return w
}

// waveStep returns the bytes of numbers below an end.
func waveStep(end uint64) int {
	switch {
	case end <= 1<<16:
		return 2
	case end <= 1<<32:
		return 4
	}
	return 8
}

// routes finds the ways to the classes.
func (w *wavePlan) routes() {
	w.paths, w.fields, w.depths = make([]uint16, len(w.classes)), make([]uint8, len(w.classes)), make([]uint8, len(w.nodes))
	paths := make([]uint16, len(w.nodes))
	for i, k := range w.nodes {
		if k.right == 0 {
			for field, s := range w.order[k.first:][:1<<k.fan] {
				w.paths[s], w.fields[s] = paths[i], uint8(field)
			}
			continue
		}
		w.depths[i+1], paths[i+1] = w.depths[i]+1, paths[i]
		w.depths[k.right], paths[k.right] = w.depths[i]+1, paths[i]|1<<w.depths[i]
	}
}

func (w *wavePlan) append(dst []byte, st *intStats) []byte {
	dst = append(dst, byte(Wavelet))
	dst = binary.AppendUvarint(dst, st.unit)
	dst = appendZigzag(dst, st.min)
	dst = appendClasses(dst, w.classes)
	for s := 0; s < len(w.lengths); s += 2 {
		b := w.lengths[s]
		if s+1 < len(w.lengths) {
			b |= w.lengths[s+1] << 4
		}
		dst = append(dst, b)
	}
	n := len(w.x)
	dir := len(dst)
	dst = append(dst, make([]byte, 2*Vectors(n))...)
	b := &waveBits{wavePlan: w, dst: dst}
	for v := range Vectors(n) {
		start := len(b.dst)
		b.vector(v*VectorRows, VectorLen(n, v))
		binary.LittleEndian.PutUint16(b.dst[dir+2*v:], uint16(len(b.dst)-start))
	}
	return append(b.dst, make([]byte, wavePadding)...)
}

// waveBits writes the bits of vectors.
type waveBits struct {
	*wavePlan
	from  int // first row of the vector
	rows  [VectorRows]uint16
	spare [VectorRows]uint16
	dst   []byte
	acc   uint64
	used  int
}

func (b *waveBits) vector(from, n int) {
	b.from = from
	for i := range n {
		b.rows[i] = uint16(i)
	}
	b.node(0, b.rows[:n])
	for ; b.used > 0; b.used -= 8 {
		b.dst = append(b.dst, byte(b.acc))
		b.acc >>= 8
	}
	b.acc, b.used = 0, 0
}

// node writes a node, whose values are those of the rows, and all that is below.
func (b *waveBits) node(i int, rows []uint16) {
	k, x, symbols := b.nodes[i], b.x[b.from:], b.symbols[b.from:]
	if k.right == 0 {
		if k.fan+k.bits > 0 {
			for _, r := range rows {
				s := symbols[r]
				b.put(uint64(b.fields[s])<<k.bits|(x[r]-b.classes[s].start), int(k.fan+k.bits))
			}
		}
		return
	}
	left, right := 0, 0
	for _, r := range rows {
		bit := b.paths[symbols[r]] >> b.depths[i] & 1
		b.put(uint64(bit), 1)
		rows[left], b.spare[right] = r, r
		left, right = left+1-int(bit), right+int(bit)
	}
	copy(rows[left:], b.spare[:right])
	b.node(i+1, rows[:left])
	b.node(int(k.right), rows[left:])
}

// put appends the least bits of a number, at most 57.
func (b *waveBits) put(x uint64, width int) {
	b.acc |= x << b.used
	if b.used += width; b.used >= 64 {
		b.dst = binary.LittleEndian.AppendUint64(b.dst, b.acc)
		b.used -= 64
		b.acc = x >> (width - b.used)
	}
}
