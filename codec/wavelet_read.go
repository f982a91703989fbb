package codec

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// waveBlock is the bytes of a vector register, of which each array of numbers is a multiple,
// and has one more behind it.
const waveBlock = 64

// A wavelet reads a wavelet tree.
type wavelet struct {
	waveShape
	n      int
	unit   int64
	origin int64
	memory *waveMemory
	step   int     // bytes of a number in memory: 2, 4 or 8
	starts []int64 // of each vector in bodies, and the end of the last
	bodies []byte  // padding included
	size   int
}

// waveMemory is what a reader needs that is too large for a shelf.
type waveMemory struct {
	nodes   [maxWaveNodes]waveNode
	order   [maxClasses]uint8
	classes [maxClasses]class
	// Of each node, in the vector being read: how many values it has, the bit at which it
	// begins, and where in scratch its numbers are put in order.
	count [maxWaveNodes]int32
	bit   [maxWaveNodes]int32
	place [maxWaveNodes]int32
	// scratch begins with a block of a register for each class by its code. At the first
	// one of a leaf is, over and over, its number, if it is but one. Then come the nodes'.
	scratch []uint64
	// tail is the last body, if a register of bytes from its end on is not all there.
	tail []byte
}

func (room *Room) openWavelet(src []byte, n int) (*wavelet, error) {
	c := cursor{b: src}
	w := room.wavelets.put(wavelet{n: n, unit: int64(c.uvarint()), origin: c.varint(), size: 1 + len(src)})
	w.memory = room.waveMemory.take()
	classes, end := c.classes(w.memory.classes[:])
	var lengths [maxClasses + 1]uint8
	for i, b := range c.take((len(classes) + 1) / 2) {
		lengths[2*i], lengths[2*i+1] = b&15, b>>4
	}
	sizes := c.take(2 * Vectors(n))
	w.bodies = c.b
	if c.bad || n == 0 || w.unit == 0 || lengths[len(classes)] != 0 {
		return nil, corrupt("wavelet: %d values in %d bytes", n, len(src))
	}
	w.waveShape = waveShape{w.memory.nodes[:0], w.memory.order[:0]}
	if len(classes) < 2 || !w.of(classes, lengths[:len(classes)]) {
		return nil, corrupt("wavelet: the lengths of %d codes make no tree", len(classes))
	}
	for _, k := range w.nodes {
		if k.fan+k.bits > maxClassBits {
			return nil, corrupt("wavelet: places of %d bits in %d classes", k.bits, 1<<k.fan)
		}
	}
	w.step = waveStep(end)
	w.starts = room.numbers.take(Vectors(n) + 1)
	w.starts[0] = 0
	for v := range Vectors(n) {
		w.starts[v+1] = w.starts[v] + int64(binary.LittleEndian.Uint16(sizes[2*v:]))
	}
	if w.starts[Vectors(n)]+wavePadding != int64(len(w.bodies)) {
		return nil, corrupt("wavelet: bodies of %d bytes in %d", w.starts[Vectors(n)], len(w.bodies))
	}
	w.want(len(classes)*waveBlock + 16*VectorRows)
	w.constants()
	return w, nil
}

// want makes scratch of at least so many bytes. It says whether that is other than before.
func (w *wavelet) want(size int) bool {
	if size <= 8*len(w.memory.scratch) {
		return false
	}
	w.memory.scratch = make([]uint64, size/8+VectorRows)
	return true
}

// constants writes the blocks of leaves that are one number.
func (w *wavelet) constants() {
	for _, k := range w.nodes {
		if k.constant() {
			block := unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.memory.scratch)), int(k.first)*waveBlock)
			for i := range waveBlock / w.step {
				putNumber(block, w.step, i, w.memory.classes[w.order[k.first]].start)
			}
		}
	}
}

func putNumber(to unsafe.Pointer, step, i int, x uint64) {
	switch to = unsafe.Add(to, i*step); step {
	case 2:
		*(*uint16)(to) = uint16(x)
	case 4:
		*(*uint32)(to) = uint32(x)
	default:
		*(*uint64)(to) = x
	}
}

// at returns where the numbers of a node are put in order.
func (w *wavelet) at(i int) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.memory.scratch)), w.memory.place[i])
}

// move returns how many bytes behind a number of a node the next one is: 0 if all are equal,
// of which there is a block.
func (w *wavelet) move(i int) int {
	if w.nodes[i].constant() {
		return 0
	}
	return w.step
}

// arrange finds how many values each node has in a vector of n whose body begins src, where
// their bits are, and where its numbers go. It returns the bytes of scratch that this takes.
func (w *wavelet) arrange(src []byte, body, n int) (scratch int, err error) {
	m := w.memory
	limit, at := 8*body, 0
	m.count[0], scratch = int32(n), len(w.order)*waveBlock
	for i := range w.nodes {
		k, count := &w.nodes[i], int(m.count[i])
		m.bit[i], m.place[i] = int32(at), int32(scratch)
		if k.constant() {
			m.place[i] = int32(k.first) * waveBlock
			continue
		}
		scratch += (count*w.step + 2*waveBlock - 1) &^ (waveBlock - 1) // all, and a block more
		if k.right == 0 {
			at += count * int(k.fan+k.bits)
			continue
		}
		ones := 0
		if at+count <= limit {
			ones = countBits(src, at, count)
		}
		at += count
		m.count[k.right], m.count[i+1] = int32(ones), int32(count-ones)
	}
	if (at+7)/8 != body {
		return 0, corrupt("wavelet: %d bits in a body of %d bytes", at, body)
	}
	return scratch, nil
}

// countBits counts the ones among n bits from a bit of src on.
func countBits(src []byte, at, n int) (ones int) {
	for ; n > 56; at, n = at+56, n-56 {
		ones += bits.OnesCount64(bitsAt(src, at) << 8)
	}
	return ones + bits.OnesCount64(bitsAt(src, at)<<(64-n)) // 0 of no bits
}

// bitsAt returns the 56 bits from a bit of src on, and any above.
func bitsAt(src []byte, at int) uint64 {
	return binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7)
}

func (w *wavelet) vector(v int, dst []int64) error {
	src := w.bodies[w.starts[v]:]
	scratch, err := w.arrange(src, int(w.starts[v+1]-w.starts[v]), len(dst))
	if err != nil {
		return err
	}
	if w.want(scratch) {
		w.constants()
	}
	if end := int(w.starts[v+1] - w.starts[v]); end+waveBlock > len(src) {
		w.memory.tail = append(append(w.memory.tail[:0], src...), make([]byte, waveBlock)...)
		src = w.memory.tail
	}
	w.reorder(src)
	waveIntegers(dst, w.at(0), w.step, w.unit, w.origin)
	return nil
}

func (w *wavelet) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (w *wavelet) describe() Node {
	d := detail("%d classes", len(w.order))
	if w.unit != 1 {
		d += detail(", unit %d", w.unit)
	}
	return Node{Scheme: Wavelet, Detail: d, Values: w.n, Size: w.size}
}
