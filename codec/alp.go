package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// ALP (Afroozeh, Kuffo and Boncz, "ALP: Adaptive Lossless floating-Point
// Compression", SIGMOD 2024): a float that was a decimal is the integer
// d = round(x * 10^e * 10^-f), and comes back as d * 10^f * 10^-e. The integers
// are a node of their own; values that do not come back bit for bit are
// exceptions, kept whole beside it. All arithmetic is in float64, also for
// float32, whose results are rounded once more at the end.

// maxALPExponent is the greatest power of ten in use: 10^18 fits int64.
const maxALPExponent = 18

// maxALPInteger bounds the integers, so that each of them is a float64.
const maxALPInteger = 1 << 51

var pow10 = [maxALPExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
	1e15, 1e16, 1e17, 1e18}

var invPow10 = [maxALPExponent + 1]float64{1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12,
	1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18}

// alpInteger returns the integer of x; ok is false if x does not come back from it.
func alpInteger[F Float](x *F, e, f int) (d int64, ok bool) {
	s := float64(*x) * pow10[e] * invPow10[f]
	if !(s >= -maxALPInteger && s <= maxALPInteger) {
		return 0, false
	}
	d = int64(math.RoundToEven(s))
	back := F(float64(d) * pow10[f] * invPow10[e])
	return d, bitsOf(&back) == bitsOf(x)
}

// alpChoice is what sampling found.
type alpChoice struct {
	ok   bool
	e, f int
}

// chooseALP tries exponents on 32 values, and the best ones on about 1,024.
func chooseALP[F Float](v []F) (best alpChoice) {
	const few = 32
	var probe [few]F
	for i := range probe {
		probe[i] = v[i*len(v)/few]
	}
	bestCost := math.Inf(1)
	w := float64(8 * width[F]())
	for e := maxALPExponent; e >= 0; e-- {
		for f := e; f >= 0; f-- {
			lo, hi, misses := int64(math.MaxInt64), int64(math.MinInt64), 0
			for i := range probe {
				d, ok := alpInteger(&probe[i], e, f)
				if !ok {
					if misses++; misses > few/2 {
						break
					}
					continue
				}
				lo, hi = min(lo, d), max(hi, d)
			}
			if misses > few/2 {
				continue
			}
			cost := few*float64(bits.Len64(uint64(hi-lo))) + float64(misses)*(w+16)
			// Small exponents decode no slower, and a factor of 1 saves a multiplication.
			if cost < bestCost || cost == bestCost && f == 0 {
				bestCost = cost
				best.ok, best.e, best.f = true, e, f
			}
		}
	}
	if !best.ok {
		return best
	}
	misses, total := 0, 0
	for i := 0; i < len(v); i += max(len(v)/1024, 1) {
		if _, ok := alpInteger(&v[i], best.e, best.f); !ok {
			misses++
		}
		total++
	}
	best.ok = misses < total/2+total&1
	return best
}

// alpSplit are floats as integers and exceptions.
type alpSplit[F Float] struct {
	e, f      int
	ints      []int64
	counts    []uint16 // exceptions of each vector
	positions []uint16
	raw       []byte
}

func (a *alpSplit[F]) exceptionBytes() int {
	if len(a.positions) == 0 {
		return 0
	}
	return 2*len(a.counts) + 2*len(a.positions) + len(a.raw)
}

func splitALP[F Float](v []F, e, f int) *alpSplit[F] {
	a := &alpSplit[F]{e: e, f: f, ints: make([]int64, len(v)), counts: make([]uint16, Vectors(len(v)))}
	last, pending := int64(0), 0
	for i := range v {
		d, ok := alpInteger(&v[i], e, f)
		if !ok {
			a.counts[i/VectorRows]++
			a.positions = append(a.positions, uint16(i%VectorRows))
			a.raw = appendFloat(a.raw, &v[i])
			d = last // a neighbour's value widens nothing
			if pending == i {
				pending++
			}
		} else if pending == i && i > 0 {
			for j := range i {
				a.ints[j] = d
			}
		}
		a.ints[i], last = d, d
	}
	return a
}

func (a *alpSplit[F]) append(dst []byte, ints *plan) []byte {
	dst = append(dst, byte(ALP), byte(a.e), byte(a.f))
	dst = binary.AppendUvarint(dst, uint64(len(a.positions)))
	if len(a.positions) > 0 {
		for _, c := range a.counts {
			dst = binary.LittleEndian.AppendUint16(dst, c)
		}
		for _, p := range a.positions {
			dst = binary.LittleEndian.AppendUint16(dst, p)
		}
		dst = append(dst, a.raw...)
	}
	return ints.append(dst)
}

// alp reads an ALP node.
type alp[F Float] struct {
	n         int
	e, f      int
	starts    []int32 // first exception of each vector, and their number; nil if none
	positions []byte
	raw       []byte
	ints      *Ints
	size      int

	filtered *FloatFilter
	asInts   *IntFilter
}

func openALP[F Float](room *Room, src []byte, n, depth int) (*alp[F], error) {
	c := cursor{b: src}
	a := floatShelvesOf[F](room).alps.put(alp[F]{n: n, size: 1 + len(src)})
	a.e, a.f = int(c.byte()), int(c.byte())
	exceptions := c.count(n)
	if c.bad || n == 0 || a.e > maxALPExponent || a.f > maxALPExponent {
		return nil, corrupt("ALP: exponents %d, %d, %d exceptions", a.e, a.f, exceptions)
	}
	if exceptions > 0 {
		counts := c.take(2 * Vectors(n))
		a.positions = c.take(2 * exceptions)
		a.raw = c.take(width[F]() * exceptions)
		if c.bad {
			return nil, corrupt("ALP: %d exceptions in %d bytes", exceptions, len(src))
		}
		a.starts = room.places.take(Vectors(n) + 1)
		a.starts[0] = 0
		for v := range Vectors(n) {
			a.starts[v+1] = a.starts[v] + int32(binary.LittleEndian.Uint16(counts[2*v:]))
		}
		if int(a.starts[Vectors(n)]) != exceptions {
			return nil, corrupt("ALP: %d exceptions, not %d", a.starts[Vectors(n)], exceptions)
		}
	}
	var err error
	a.ints, err = room.openInts(c.b, n, depth+1)
	return a, err
}

func (a *alp[F]) vector(v int, dst []F) error {
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	d, err := a.ints.look(v, buf)
	if err != nil {
		return err
	}
	dst = dst[:len(d)]
	scaled(dst, d, pow10[a.f], invPow10[a.e]) // a factor of 1.0 changes no value
	if !a.hasExceptions(v) {
		return nil
	}
	for i := a.starts[v]; i < a.starts[v+1]; i++ {
		p := a.position(i)
		if p >= len(dst) {
			return a.outside(p, v)
		}
		dst[p] = a.exception(i)
	}
	return nil
}

// scaledPlain is scaled, portably.
func scaledPlain[F Float](dst []F, d []int64, fac, inv float64) {
	dst = dst[:len(d)]
	for i, x := range d {
		dst[i] = F(float64(x) * fac * inv)
	}
}

// hasExceptions says whether a value of vector v is an exception.
func (a *alp[F]) hasExceptions(v int) bool { return a.starts != nil && a.starts[v] < a.starts[v+1] }

// sum adds the selected rows of a vector without exceptions.
func (a *alp[F]) sum(v int, sel *Bits) (float64, error) {
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	d, err := a.ints.picked(v, sel, buf)
	if err != nil {
		return 0, err
	}
	return sumScaled[F](d, pow10[a.f], invPow10[a.e], sel), nil
}

// position returns the row of exception i in its vector.
func (a *alp[F]) position(i int32) int { return int(binary.LittleEndian.Uint16(a.positions[2*i:])) }

func (a *alp[F]) exception(i int32) F {
	if width[F]() == 4 {
		return floatOf[F](uint64(binary.LittleEndian.Uint32(a.raw[4*i:])))
	}
	return floatOf[F](binary.LittleEndian.Uint64(a.raw[8*i:]))
}

func (a *alp[F]) outside(p, v int) error {
	return corrupt("ALP: exception at %d of %d values in vector %d", p, VectorLen(a.n, v), v)
}

// filter turns the bounds into bounds of the integers, which works because
// decoding is monotone; exceptions are looked at one by one.
func (a *alp[F]) filter(v int, f *FloatFilter, out *Bits) (bool, error) {
	if f.Set != nil {
		return false, nil
	}
	if a.filtered != f {
		a.filtered, a.asInts = f, a.intFilter(f)
	}
	if err := a.ints.Filter(v, a.asInts, out); err != nil {
		return true, err
	}
	if !a.hasExceptions(v) {
		return true, nil
	}
	n := VectorLen(a.n, v)
	for i := a.starts[v]; i < a.starts[v+1]; i++ {
		p := a.position(i)
		if p >= n {
			return true, a.outside(p, v)
		}
		out[p>>6] = out[p>>6]&^(1<<(p&63)) | b2u(f.keeps(float64(a.exception(i))))<<(p&63)
	}
	return true, nil
}

func (a *alp[F]) decode(d int64) float64 { return float64(F(float64(d) * pow10[a.f] * invPow10[a.e])) }

func (a *alp[F]) intFilter(f *FloatFilter) *IntFilter {
	out := &IntFilter{Lo: 1, Hi: 0, Not: f.Not}
	// first finds the least integer for which ok holds, given that it goes from
	// false to true once; limit+1 if it never does.
	const limit = 1 << 53
	first := func(ok func(x float64) bool) int64 {
		lo, hi := int64(-limit), int64(limit+1)
		for lo < hi {
			mid := lo + (hi-lo)/2
			if ok(a.decode(mid)) {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		return lo
	}
	out.Lo = first(func(x float64) bool { return x >= f.Lo })
	out.Hi = first(func(x float64) bool { return x > f.Hi }) - 1
	if out.Lo == -limit {
		out.Lo = math.MinInt64
	}
	if out.Hi == limit {
		out.Hi = math.MaxInt64
	}
	if out.Lo > limit {
		out.Lo, out.Hi = 1, 0
	}
	return out
}

func (a *alp[F]) describe() Node {
	ints := a.ints.Describe()
	ints.Role = "integers"
	return Node{Scheme: ALP, Detail: detail("e %d, f %d, %d exceptions", a.e, a.f, len(a.positions)/2), Values: a.n, Size: a.size,
		Child: []Node{ints}}
}

func bitLen(x int) int { return bits.Len(uint(x)) }
