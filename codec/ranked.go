package codec

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Ranked integers: each of the most frequent values is a byte, its rank, compressed
// with zstd; others are a frame by themselves. It is for codes of words, of which there
// are more than a byte can tell, a few make up most rows, and sequences come again.

const maxRanks = 255

// rankedInts are integers to be written as ranks.
type rankedInts struct {
	values []int64  // from rank 1 on, the most frequent first
	ranks  []byte   // of each integer, 0 for others
	counts []uint16 // others of each vector
	others []int64
}

// newRanked returns nil unless the integers are from st.min to 65,535 above.
func newRanked(v []int64, st *intStats) *rankedInts {
	span := uint64(st.max - st.min)
	if span >= 1<<16 {
		return nil
	}
	counts := make([]int32, span+1)
	for _, x := range v {
		counts[x-st.min]++
	}
	r := &rankedInts{ranks: make([]byte, len(v)), counts: make([]uint16, Vectors(len(v)))}
	for i, n := range counts {
		if n > 1 {
			r.values = append(r.values, int64(i)+st.min)
		}
	}
	slices.SortFunc(r.values, func(a, b int64) int {
		return cmp.Or(cmp.Compare(counts[b-st.min], counts[a-st.min]), cmp.Compare(a, b))
	})
	r.values = r.values[:min(len(r.values), maxRanks)]
	rank := make([]byte, span+1)
	for i, x := range r.values {
		rank[x-st.min] = byte(i + 1)
	}
	for i, x := range v {
		if r.ranks[i] = rank[x-st.min]; r.ranks[i] == 0 {
			r.counts[i/VectorRows]++
			r.others = append(r.others, x)
		}
	}
	return r
}

// appendLeaf appends a part that is a frame of integers, empty if there are none.
func appendLeaf(dst []byte, v []int64) []byte {
	if len(v) == 0 {
		return appendPart(dst, nil)
	}
	st := measureInts(v)
	return appendPart(dst, appendFrame(nil, FOR, v, &st))
}

func (r *rankedInts) append(dst []byte) []byte {
	dst = append(dst, byte(Ranked), byte(len(r.values)))
	dst = appendLeaf(dst, r.values)
	for _, k := range r.counts {
		dst = binary.LittleEndian.AppendUint16(dst, k)
	}
	dst = appendLeaf(dst, r.others)
	return appendNumberBlocks(dst, r.ranks, len(r.ranks), 1, false)
}

// planCodes is planInts of codes of strings. Who groups or filters by a column's own
// codes works run by run where they come in runs, which slow loops would double;
// other codes are spared, for strings take longer than these.
func planCodes(v []int64, depth int, e Effort) *plan {
	st := measureInts(v)
	inRuns := depth == 2 && st.runs*4 < len(v)
	p := planIntsExcept(&plan{n: len(v), quick: e == Quick, codes: inRuns, spared: !inRuns}, v, depth, 0)
	if e == Quick {
		return p
	}
	planRanked(p, v, &st)
	return p.decide()
}

// planRanked adds ranks to the candidates where a byte does not tell the values apart.
func planRanked(p *plan, v []int64, st *intStats) {
	if len(v) < 64 || st.max-st.min < 1<<8 || st.max-st.min >= 1<<16 || !p.worth(float64(len(v))/16, nanosRanked) {
		return
	}
	r := newRanked(v, st)
	rest := appendLeaf(appendLeaf(nil, r.values), r.others)
	sample := sampleOfBlocks(r.ranks)
	size := float64(len(compress(Zstd, nil, sample))) / float64(len(sample))
	p.add(candidate{scheme: Ranked, size: size*float64(len(v)) + float64(len(rest)+2*len(r.counts)+16), nanos: nanosRanked, slow: nanosRanked, append: r.append})
}

// rankedNode reads ranks.
type rankedNode struct {
	numberBlocks
	size   int
	values *Ints
	start  []int32 // first of the others of each vector, and their number
	others *Ints
	// decoded are the values and the others, once they are.
	decoded, rest []int64
}

// leaf opens a part that is a frame of n integers.
func (c *cursor) leaf(room *Room, n int) (*Ints, error) {
	p := c.part()
	if c.bad || n == 0 && len(p) > 0 || n > 0 && (len(p) == 0 || Scheme(p[0]) != FOR) {
		return nil, corrupt("ranked: bad frame of %d integers", n)
	}
	if n == 0 {
		return nil, nil
	}
	return room.openInts(p, n, MaxDepth)
}

func (room *Room) openRanked(src []byte, n int) (*rankedNode, error) {
	c := cursor{b: src}
	z := room.ranked.put(rankedNode{numberBlocks: numberBlocks{n: n, width: 1, room: room}, size: 1 + len(src)})
	var err error
	if z.values, err = c.leaf(room, int(c.byte())); err != nil {
		return nil, err
	}
	counts := c.take(2 * Vectors(n))
	if c.bad {
		return nil, corrupt("ranked: %d values in %d bytes", n, len(src))
	}
	z.start = append(room.places.take(Vectors(n) + 1)[:0], 0)
	for v := range Vectors(n) {
		k := int(binary.LittleEndian.Uint16(counts[2*v:]))
		if k > VectorLen(n, v) {
			return nil, corrupt("ranked: %d others in vector %d", k, v)
		}
		z.start = append(z.start, z.start[v]+int32(k))
	}
	if z.others, err = c.leaf(room, int(z.start[Vectors(n)])); err != nil {
		return nil, err
	}
	return z, z.parse(&c)
}

// load decodes what all vectors need.
func (z *rankedNode) load() (err error) {
	if z.decoded == nil && z.values != nil {
		if z.decoded, err = z.values.all(); err != nil {
			return err
		}
	}
	if z.rest == nil && z.others != nil {
		z.rest, err = z.others.all()
	}
	return err
}

func (z *rankedNode) vector(v int, dst []int64) error {
	if err := z.load(); err != nil {
		return err
	}
	src, _, _, err := z.bytes(v)
	if err != nil {
		return err
	}
	rest := z.rest[z.start[v]:z.start[v+1]]
	for i, r := range src[:len(dst)] {
		switch k := int(r) - 1; {
		case k >= 0 && k < len(z.decoded):
			dst[i] = z.decoded[k]
		case k < 0 && len(rest) > 0:
			dst[i], rest = rest[0], rest[1:]
		default:
			return corrupt("ranked: rank %d of row %d of vector %d", r, i, v)
		}
	}
	if len(rest) > 0 {
		return corrupt("ranked: %d more others in vector %d", len(rest), v)
	}
	return nil
}

func (z *rankedNode) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (z *rankedNode) describe() Node {
	return Node{Scheme: Ranked, Detail: detail("%d others", z.start[Vectors(z.n)]), Values: z.n, Size: z.size}
}
