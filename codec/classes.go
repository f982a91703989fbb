package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Classes of integers. The range of the values is cut into at most 256 classes, intervals
// of a power of two in length; of a value its class is in Huffman code, and its place in
// the class in plain bits. A value that is frequent is a class by itself; where values are
// rare a class is wide. So one coder serves dictionary codes, small differences and those
// with long tails.

const (
	maxClasses = 256
	// maxClassBits is so that a place in a class lies in the eight bytes from its
	// first one on.
	maxClassBits = 56
	// classTableBits is about what a class takes in a node.
	classTableBits = 20
	// classVectorBits is about what the time is worth that a class takes in a vector.
	classVectorBits = 8
	// minEntropy is the number of values from which on classes can pay.
	minEntropy = 256
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

// A classPlan is values and their classes.
type classPlan struct {
	classes []class
	x       []uint64 // stored numbers
	symbols []uint8  // of them
}

// planClasses returns classes for v, each of which saves at least perVector bits in every
// vector, or nil if none can do.
func planClasses(v []int64, st *intStats, perVector int) *classPlan {
	span := uint64(st.max-st.min) / st.unit
	if len(v) < minEntropy || bits.Len64(span) > maxClassBits {
		return nil
	}
	p := &classPlan{x: make([]uint64, len(v))}
	if st.unit > 1 {
		by := newDivisor(st.unit)
		for i, x := range v {
			p.x[i] = by.exact(uint64(x - st.min))
		}
	} else {
		for i, x := range v {
			p.x[i] = uint64(x - st.min)
		}
	}
	b := classBuilder{tallies: tallies(p.x, span), total: float64(len(v)), perClass: float64(classTableBits + perVector*Vectors(len(v)))}
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

// appendClasses appends what tells the classes, which rise.
func appendClasses(dst []byte, classes []class) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(classes)-1))
	end := uint64(0)
	for _, c := range classes {
		dst = binary.AppendUvarint(dst, (c.start-end)<<6|uint64(c.bits))
		end = c.start + 1<<c.bits
	}
	return dst
}

// classes reads what appendClasses wrote into memory for maxClasses. It also returns the
// number after the last class.
func (c *cursor) classes(into []class) (classes []class, end uint64) {
	classes = into[:c.count(maxClasses-1)+1]
	for s := range classes {
		x := c.uvarint()
		start, width := end+x>>6, uint8(x&63)
		if width > maxClassBits || start < end || start+1<<width < start {
			c.bad = true
		}
		if c.bad {
			return nil, 0
		}
		classes[s] = class{start, width}
		end = start + 1<<width
	}
	return classes, end
}
