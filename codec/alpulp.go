package codec

import (
	"math"
	"math/bits"
)

// ALP with corrections: decimals that went through arithmetic (31.881999999999998)
// are a few units in the last place off the float that their integer gives. Instead
// of exceptions the node holds that difference for each value, a node of integers
// that are 0 for the most part. What is no decimal at all has a large difference,
// which the encodings of integers keep apart.

// alpNearest returns the integer of x, or of its neighbour if x has none, and what
// the bits of x are beyond those of the float that it gives.
func alpNearest[F Float](x *F, e, f int, last int64) (d, off int64) {
	d = last
	if s := float64(*x) * pow10[e] * invPow10[f]; s >= -maxALPInteger && s <= maxALPInteger {
		d = int64(math.RoundToEven(s))
	}
	back := F(float64(d) * pow10[f] * invPow10[e])
	return d, int64(bitsOf(x) - bitsOf(&back))
}

// chooseALPUlp returns the exponents under which integers and differences of 64
// values are smallest, and about the bits a value that they take.
func chooseALPUlp[F Float](v []F) (bestE, bestF int, best float64) {
	const few = 64
	best = math.Inf(1)
	for e := maxALPExponent; e >= 0; e-- {
		for f := e; f >= 0; f-- {
			lo, hi, offBits, d := int64(math.MaxInt64), int64(math.MinInt64), 0, int64(0)
			for i := range few {
				var off int64
				d, off = alpNearest(&v[i*len(v)/few], e, f, d)
				lo, hi = min(lo, d), max(hi, d)
				offBits += bits.Len64(zigzag(off))
				if float64(offBits)/few > best {
					break
				}
			}
			if cost := float64(bits.Len64(uint64(hi-lo))) + float64(offBits)/few; cost < best || cost == best && f == 0 {
				bestE, bestF, best = e, f, cost
			}
		}
	}
	return bestE, bestF, best
}

func planALPUlp[F Float](p *plan, v []F, depth int) {
	e, f, cost := chooseALPUlp(v)
	if !p.worth(cost/2*float64(len(v))/8, nanosALPUlp+2*nanosFOR) {
		return
	}
	a := newALPUlp(v, e, f, depth)
	p.add(candidate{scheme: ALPUlp, size: 6, nanos: nanosALPUlp, below: []*plan{a.ints, a.offs}, append: a.append})
}

// ulpSplit are floats as integers and differences.
type ulpSplit struct {
	e, f       int
	ints, offs *plan
}

func newALPUlp[F Float](v []F, e, f, depth int) *ulpSplit {
	ints, offs := make([]int64, len(v)), make([]int64, len(v))
	last := int64(0)
	for i := range v {
		ints[i], offs[i] = alpNearest(&v[i], e, f, last)
		last = ints[i]
	}
	return &ulpSplit{e: e, f: f, ints: planInts(ints, depth+1), offs: planInts(offs, depth+1)}
}

func (a *ulpSplit) append(dst []byte) []byte {
	dst = append(dst, byte(ALPUlp), byte(a.e), byte(a.f))
	dst = appendPart(dst, a.ints.append(nil))
	return a.offs.append(dst)
}

// alpUlp reads an ALP node with corrections.
type alpUlp[F Float] struct {
	e, f       int
	ints, offs *Ints
	size       int
}

func openALPUlp[F Float](room *Room, src []byte, n, depth int) (*alpUlp[F], error) {
	c := cursor{b: src}
	a := floatShelvesOf[F](room).corrected.put(alpUlp[F]{size: 1 + len(src)})
	a.e, a.f = int(c.byte()), int(c.byte())
	part := c.part()
	if c.bad || n == 0 || a.e > maxALPExponent || a.f > maxALPExponent {
		return nil, corrupt("ALP-ulp: %d values, exponents %d, %d", n, a.e, a.f)
	}
	var err error
	if a.ints, err = room.openInts(part, n, depth+1); err != nil {
		return nil, err
	}
	a.offs, err = room.openInts(c.b, n, depth+1)
	return a, err
}

func (a *alpUlp[F]) vector(v int, dst []F) error {
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	d, err := a.ints.look(v, buf)
	if err != nil {
		return err
	}
	dst = dst[:len(d)]
	scaled(dst, d, pow10[a.f], invPow10[a.e])
	if d, err = a.offs.look(v, buf); err != nil {
		return err
	}
	for i, off := range d[:len(dst)] {
		dst[i] = floatOf[F](bitsOf(&dst[i]) + uint64(off))
	}
	return nil
}

func (a *alpUlp[F]) filter(int, *FloatFilter, *Bits) (bool, error) { return false, nil }

func (a *alpUlp[F]) describe() Node {
	ints, offs := a.ints.Describe(), a.offs.Describe()
	ints.Role, offs.Role = "integers", "corrections"
	return Node{Scheme: ALPUlp, Detail: detail("e %d, f %d", a.e, a.f), Values: a.ints.n, Size: a.size, Child: []Node{ints, offs}}
}
