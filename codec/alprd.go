package codec

import (
	"math"
	"math/bits"
	"slices"
)

// ALP-RD, "real doubles" (Afroozeh, Kuffo and Boncz, SIGMOD 2024, section 3.4):
// floats that never were decimals have few different signs, exponents and upper
// bits of the fraction, and noise below. The upper bits are a node of integers, in
// whatever encoding is cheapest; the lower ones another, packed as a rule.

// chooseCut returns how many lower bits to cut off, by the entropy of the upper ones
// in a sample, and about the bits a value that this takes.
func chooseCut[F Float](v []F) (cut int, cost float64) {
	const samples = 1024
	w := 8 * width[F]()
	n := min(len(v), samples)
	all := make([]uint64, n)
	var ones uint64
	for i := range all {
		all[i] = bitsOf(&v[i*len(v)/n])
		ones |= all[i]
	}
	if ones == 0 {
		return 0, 1
	}
	slices.Sort(all)
	zeros := bits.TrailingZeros64(ones) // what no value has costs nothing
	cost = math.Inf(1)
	for c := max(w-16, 1); c < w; c++ {
		entropy, entries := 0.0, 0
		for i := 0; i < n; {
			j := i + 1
			for j < n && all[j]>>c == all[i]>>c {
				j++
			}
			entropy -= float64(j-i) / float64(n) * math.Log2(float64(j-i)/float64(n))
			entries++
			i = j
		}
		// An entry of the upper bits costs as well, the more so the fewer values.
		total := max(entropy, 1) + float64(max(c-zeros, 0)) + float64(entries*(w-c))/float64(len(v))
		if total < cost {
			cut, cost = c, total
		}
	}
	return cut, cost
}

func planALPRD[F Float](p *plan, v []F, depth int) {
	cut, cost := chooseCut(v)
	if !p.worth(cost*float64(len(v))/8, nanosALPRD+nanosFOR) {
		return
	}
	d := newRealDoubles(v, cut, depth)
	p.add(candidate{scheme: ALPRD, size: 6, nanos: nanosALPRD, below: []*plan{d.upper, d.lower}, append: d.append})
}

// realDoubles are floats cut in two.
type realDoubles struct {
	cut          int
	upper, lower *plan
}

func newRealDoubles[F Float](v []F, cut, depth int) *realDoubles {
	upper, lower := make([]int64, len(v)), make([]int64, len(v))
	for i := range v {
		b := bitsOf(&v[i])
		upper[i], lower[i] = int64(b>>cut), int64(b&(1<<cut-1))
	}
	return &realDoubles{cut: cut, upper: planInts(upper, depth+1), lower: planInts(lower, depth+1)}
}

func (d *realDoubles) append(dst []byte) []byte {
	dst = append(dst, byte(ALPRD), byte(d.cut))
	dst = appendPart(dst, d.upper.append(nil))
	return d.lower.append(dst)
}

// alprd reads an ALP-RD node.
type alprd[F Float] struct {
	cut          int
	upper, lower *Ints
	size         int
}

func openALPRD[F Float](room *Room, src []byte, n, depth int) (*alprd[F], error) {
	c := cursor{b: src}
	a := floatShelvesOf[F](room).realDoubles.put(alprd[F]{cut: int(c.byte()), size: 1 + len(src)})
	part := c.part()
	if c.bad || n == 0 || a.cut == 0 || a.cut >= 8*width[F]() {
		return nil, corrupt("ALP-RD: %d values, cut at bit %d", n, a.cut)
	}
	var err error
	if a.upper, err = room.openInts(part, n, depth+1); err != nil {
		return nil, err
	}
	a.lower, err = room.openInts(c.b, n, depth+1)
	return a, err
}

func (a *alprd[F]) vector(v int, dst []F) error {
	bufs := [2]*[VectorRows]int64{scratch.Get().(*[VectorRows]int64), scratch.Get().(*[VectorRows]int64)}
	defer scratch.Put(bufs[0])
	defer scratch.Put(bufs[1])
	upper, err := a.upper.look(v, bufs[0])
	if err != nil {
		return err
	}
	lower, err := a.lower.look(v, bufs[1])
	if err != nil {
		return err
	}
	cut := a.cut & 63
	lower = lower[:len(dst)]
	for i, x := range upper[:len(dst)] {
		dst[i] = floatOf[F](uint64(x)<<cut | uint64(lower[i]))
	}
	return nil
}

func (a *alprd[F]) filter(int, *FloatFilter, *Bits) (bool, error) { return false, nil }

func (a *alprd[F]) describe() Node {
	upper, lower := a.upper.Describe(), a.lower.Describe()
	upper.Role, lower.Role = "upper bits", "lower bits"
	return Node{Scheme: ALPRD, Detail: detail("cut at bit %d", a.cut), Values: a.upper.n, Size: a.size, Child: []Node{upper, lower}}
}
