package codec

import (
	"encoding/binary"
	"fmt"
	"sync"
)

func detail(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// An intNode reads one node of integers.
type intNode interface {
	// vector decodes vector v; dst has exactly its length.
	vector(v int, dst []int64) error
	// filter evaluates f on encoded data if that is worth it.
	filter(v int, f *IntFilter, out *Bits) (done bool, err error)
	describe() Node
}

// Ints reads encoded integers. It is used by one goroutine.
type Ints struct {
	n    int
	room *Room
	node intNode
	buf  []int64
	// decoded is the number of the vector in buf, plus one.
	decoded int
	// filtered is the vector that Filter was last asked for, plus one; follows
	// says that such a vector was then asked for itself.
	filtered int
	follows  bool
}

// OpenInts returns a reader of n integers encoded by AppendInts, which keeps
// src. Errors wrap ErrCorrupt.
func OpenInts(src []byte, n int) (*Ints, error) { return new(Room).OpenInts(src, n) }

// OpenInts is OpenInts of a reader that lies in the room.
func (room *Room) OpenInts(src []byte, n int) (*Ints, error) { return room.openInts(src, n, 1) }

func (room *Room) openInts(src []byte, n, depth int) (*Ints, error) {
	if len(src) == 0 || depth > MaxDepth || n < 0 || n > MaxValues {
		return nil, corrupt("integers: %d values in %d bytes at depth %d", n, len(src), depth)
	}
	r := room.ints.put(Ints{n: n, room: room})
	var err error
	switch s := Scheme(src[0]); s {
	case Constant:
		r.node, err = room.openIntConstant(src[1:], n)
	case FOR, Delta, Linear:
		r.node, err = room.openFrame(s, src[1:], n)
	case RLE:
		r.node, err = room.openIntRLE(src[1:], n, depth)
	case Dictionary:
		r.node, err = room.openIntDictionary(src[1:], n, depth)
	case Differences:
		r.node, err = room.openDifferences(src[1:], n, depth)
	case Sparse:
		r.node, err = room.openIntSparse(src[1:], n, depth)
	case Entropy:
		r.node, err = room.openEntropy(src[1:], n)
	case Wavelet:
		r.node, err = room.openWavelet(src[1:], n)
	case Copies:
		r.node, err = room.openCopies(src[1:], n, depth)
	case Zstd:
		r.node, err = room.openIntZstd(src[1:], n)
	case Ranked:
		r.node, err = room.openRanked(src[1:], n)
	default:
		return nil, corrupt("integers: %v", s)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Len returns the number of values.
func (r *Ints) Len() int { return r.n }

// Vector decodes vector v into dst, which has room for it, and returns it cut to the
// vector's length.
func (r *Ints) Vector(v int, dst []int64) ([]int64, error) {
	dst = dst[:VectorLen(r.n, v)]
	if r.decoded == v+1 {
		copy(dst, r.buf)
		return dst, nil
	}
	r.follows = r.follows || r.filtered == v+1
	return dst, r.node.vector(v, dst)
}

// look is Vector for who does not change the result: dst holds it unless it is
// decoded already.
func (r *Ints) look(v int, dst *[VectorRows]int64) ([]int64, error) {
	if r.decoded == v+1 {
		return r.buf[:VectorLen(r.n, v)], nil
	}
	return r.Vector(v, dst[:])
}

// Shared decodes vector v into a buffer that the next call overwrites; asking
// for the same vector again costs nothing.
func (r *Ints) Shared(v int) ([]int64, error) {
	n := VectorLen(r.n, v)
	if r.decoded != v+1 {
		if r.buf == nil {
			r.buf = r.room.numbers.take(min(VectorRows, r.n))
		}
		r.follows = r.follows || r.filtered == v+1
		r.decoded = 0
		if err := r.node.vector(v, r.buf[:n]); err != nil {
			return nil, err
		}
		r.decoded = v + 1
	}
	return r.buf[:n], nil
}

// scratch has room for a vector that is looked at within one call.
var scratch = sync.Pool{New: func() any { return new([VectorRows]int64) }}

// picked is Vector for who looks at the rows of sel only: other rows of groups
// without one of them hold anything.
func (r *Ints) picked(v int, sel *Bits, dst *[VectorRows]int64) ([]int64, error) {
	n := VectorLen(r.n, v)
	if r.decoded == v+1 {
		return r.buf[:n], nil
	}
	if f, ok := r.node.(*frame); ok && f.scheme == FOR {
		return dst[:n], f.picked(v, dst[:n], sel.groups())
	}
	return dst[:n], r.node.vector(v, dst[:n])
}

// all decodes every value.
func (r *Ints) all() ([]int64, error) {
	out := r.room.numbers.take(r.n)
	for v := range Vectors(r.n) {
		if _, err := r.Vector(v, out[v*VectorRows:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Filter sets out to the rows of vector v that f keeps.
func (r *Ints) Filter(v int, f *IntFilter, out *Bits) error {
	if r.decoded != v+1 && !(r.follows && chained(r.node)) {
		if done, err := r.node.filter(v, f, out); done || err != nil {
			r.filtered = v + 1
			return err
		}
	}
	x, err := r.Shared(v)
	if err != nil {
		return err
	}
	FilterInts(x, f, out)
	return nil
}

// chained says whether to filter a node takes most of the work of decoding it,
// so that decoding comes first if the values are wanted as well.
func chained(n intNode) bool {
	f, ok := n.(*frame)
	return ok && f.scheme != FOR
}

// FilterTable sets out to the rows of vector v whose code the filter keeps, by
// runs where the codes are runs. Codes beyond the table are dropped or corrupt.
func (r *Ints) FilterTable(v int, f *TableFilter, out *Bits) error {
	if f.run != nil {
		return r.Filter(v, f.run, out)
	}
	if rle, ok := r.node.(*intRLE); ok {
		return rle.filterTable(v, f.keep, out)
	}
	x, err := r.Shared(v)
	if err != nil {
		return err
	}
	if !filterTable(x, f.keep, out) {
		return corrupt("dictionary: code beyond %d entries in vector %d", len(f.keep), v)
	}
	return nil
}

// Describe returns the tree of encodings.
func (r *Ints) Describe() Node { return r.node.describe() }

// intStats is what the choice of an encoding is based on.
type intStats struct {
	min, max int64
	runs     int    // of equal values, cut at vectors
	unit     uint64 // greatest common divisor of the differences to min, 1 if useless
}

func measureInts(v []int64) intStats {
	st := intStats{min: v[0], max: v[0], runs: 1, unit: 1}
	prev := v[0]
	for i, x := range v[1:] {
		if x != prev || (i+1)%VectorRows == 0 {
			st.runs++
		}
		st.min, st.max = min(st.min, x), max(st.max, x)
		prev = x
	}
	if span := uint64(st.max - st.min); span != 0 && span < maxUnitRange {
		g, by := span, newDivisor(span)
		for _, x := range v {
			if g == 1 {
				break
			}
			if d := uint64(x - st.min); !by.divides(d) {
				g = gcd(g, d)
				by = newDivisor(g)
			}
		}
		st.unit = g
	}
	return st
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// AppendInts appends a node that holds v.
func AppendInts(dst []byte, v []int64) []byte { return appendInts(dst, v, 1) }

func appendInts(dst []byte, v []int64, depth int) []byte { return planInts(v, depth).append(dst) }

// constant

type intConstant struct {
	n     int
	value int64
}

func appendIntConstant(dst []byte, x int64) []byte {
	return appendZigzag(append(dst, byte(Constant)), x)
}

func (room *Room) openIntConstant(src []byte, n int) (*intConstant, error) {
	x, k := binary.Uvarint(src)
	if k <= 0 || k != len(src) {
		return nil, corrupt("constant: %d bytes", len(src))
	}
	return room.intConstants.put(intConstant{n: n, value: unzigzag(x)}), nil
}

func (c *intConstant) vector(_ int, dst []int64) error {
	for i := range dst {
		dst[i] = c.value
	}
	return nil
}

func (c *intConstant) filter(v int, f *IntFilter, out *Bits) (bool, error) {
	out.fill(VectorLen(c.n, v), f.keeps(c.value))
	return true, nil
}

func (c *intConstant) describe() Node {
	return Node{Scheme: Constant, Detail: detail("%d", c.value), Values: c.n, Size: 1 + len(appendZigzag(nil, c.value))}
}
