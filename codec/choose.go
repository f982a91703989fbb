package codec

import (
	"math/bits"
	"slices"

	"github.com/phyllodb/phyllo/internal/forced"
)

// The choice of an encoding. Each node considers a fixed list of candidates; what
// statistics rule out is left aside, and the size of the rest is estimated, on a
// sample or by planning the nodes below. The cheapest one is taken:
//
//	cost = bytes + values * (nanoseconds to decode one * bytesPerNano +
//		those of them in zstd * bytesPerSlowNano)
//
// Integers that take longer than frames do have to save a share of the bytes as well.

const (
	// bytesPerNano is how many bytes a nanosecond of decoding has to save: 0.08 is
	// what a core reads in a nanosecond from storage that gives it 80 MB/s.
	bytesPerNano = 0.08
	// bytesPerSlowNano comes on top of it for loops that know no kernel, neither for
	// decoding nor for filters and sums, so that blobs in memory are scanned at the
	// speed of memory. Codes of strings are spared, as making strings takes longer,
	// and so are nodes of few values.
	bytesPerSlowNano = 0.42
	// bytesPerCodeNano is for codes that come in runs, of which every nanosecond counts
	// more: who groups by them does little else.
	bytesPerCodeNano = 0.12
	// worthwhile is the share of a frame's bytes that a nanosecond more than it takes has
	// to save.
	worthwhile = 0.15
	// small is the share from which on slow loops are no slower than others.
	small = 0.4
)

// Rough costs of decoding a value, in nanoseconds on one core.
const (
	nanosConstant    = 0.1
	nanosFOR         = 0.15
	nanosDelta       = 0.25
	nanosLinear      = 0.4
	nanosUnit        = 0.05
	nanosRLE         = 0.12
	nanosDictionary  = 0.3
	nanosDifferences = 0.15
	nanosSparse      = 0.3
	nanosWavelet     = 0.3 // at least
	nanosALP         = 0.15
	nanosALPRD       = 0.4
	nanosALPUlp      = 0.4
	nanosPlain       = 0.15
	nanosZstd        = 1.1 // a byte
	nanosRanked      = 2.2
)

// An Effort says how much is tried to find the best encoding of values.
type Effort uint8

const (
	// Thorough is for values that stay as they are written.
	Thorough Effort = iota
	// Quick leaves aside what takes long to weigh, as templates of strings and wavelet
	// trees: for values that are soon written again.
	Quick
)

// AppendInts is AppendInts with an effort.
func (e Effort) AppendInts(dst []byte, v []int64) []byte {
	return planIntsExcept(&plan{n: len(v), quick: e == Quick}, v, 1, 0).append(dst)
}

// AppendFloatsBy is AppendFloats with an effort.
func AppendFloatsBy[F Float](e Effort, dst []byte, v []F) []byte {
	return planFloatsInto(&plan{n: len(v), quick: e == Quick}, v, 1).append(dst)
}

// AppendBytes is AppendBytes with an effort.
func (e Effort) AppendBytes(dst []byte, s *Strings) []byte { return appendBytes(dst, s, 1, e) }

// A Candidate is an encoding that was considered for a node.
type Candidate struct {
	// Scheme and those of the nodes below, as Node.String; the scheme alone of strings
	// of which only the size was estimated.
	Encoding string
	Size     int     // estimated bytes
	Nanos    float64 // estimated, to decode a value
	Cost     int     // Size and what decoding all values is worth, in bytes
}

// ExplainInts returns what AppendInts considers for v, the cheapest first, which is
// what it takes; what is slower than a frame and saves little of its bytes is last.
func ExplainInts(v []int64) []Candidate { return planInts(v, 1).explain() }

// ExplainFloats returns what AppendFloats considers for v, the cheapest first, which
// is what it takes.
func ExplainFloats[F Float](v []F) []Candidate { return planFloats(v, 1).explain() }

// A plan is a node that has been decided upon and not been written yet.
type plan struct {
	n          int
	spared     bool        // from what slow loops cost
	codes      bool        // of strings in runs, and what is below
	quick      bool        // for Quick
	candidates []candidate // the cheapest first once decided
}

// A candidate is a way to write a node.
type candidate struct {
	scheme Scheme
	size   float64
	nanos  float64
	slow   float64 // of nanos
	tight  bool    // saves too little to be taken
	below  []*plan
	append func(dst []byte) []byte
}

func (p *plan) add(c candidate) {
	for _, b := range c.below {
		c.size += b.best().size
		share := float64(b.n) / float64(max(p.n, 1))
		c.nanos += b.best().nanos * share
		if !b.spared {
			c.slow += b.best().slow * share
		}
	}
	p.judge(&c)
	p.candidates = append(p.candidates, c)
}

// frame says whether a scheme is one of the frames.
func (s Scheme) frame() bool { return s == FOR || s == Delta || s == Linear }

// judge compares an encoding of integers with the frames, which come first.
func (p *plan) judge(c *candidate) {
	if p.spared || c.scheme.frame() {
		return
	}
	least, frames := 0.0, 0
	for i := range p.candidates {
		f := &p.candidates[i]
		if f.scheme.frame() {
			frames++
			if c.size > f.size*(1-worthwhile*(c.nanos-f.nanos)) {
				c.tight = true
			}
		}
		if f.slow == 0 && (least == 0 || f.size < least) {
			least = f.size
		}
	}
	if frames > 0 && c.size <= small*least {
		c.slow = 0
	}
}

func (p *plan) cost(c *candidate) float64 {
	nanos := c.nanos * bytesPerNano
	switch {
	case p.codes:
		nanos += c.nanos * bytesPerCodeNano
	case !p.spared:
		nanos += c.slow * bytesPerSlowNano
	}
	return c.size + float64(p.n)*nanos
}

// least returns the cost of the cheapest candidate so far.
func (p *plan) least() float64 {
	least := 1e300
	for i := range p.candidates {
		if c := &p.candidates[i]; !c.tight {
			least = min(least, p.cost(c))
		}
	}
	return least
}

// decide orders the candidates, those that save too little last; of equal ones those
// that were added first win.
func (p *plan) decide() *plan {
	slices.SortStableFunc(p.candidates, func(a, b candidate) int {
		if x, y := forced.Is(uint8(a.scheme)), forced.Is(uint8(b.scheme)); x != y {
			return int(b2u(y)) - int(b2u(x))
		}
		if a.tight != b.tight {
			return int(b2u(a.tight)) - int(b2u(b.tight))
		}
		switch x, y := p.cost(&a), p.cost(&b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	forced.Take(uint8(p.best().scheme))
	return p
}

func (p *plan) best() *candidate { return &p.candidates[0] }

// nanos returns what it takes to decode all.
func (p *plan) nanos() float64 { return p.best().nanos * float64(p.n) }

func (p *plan) append(dst []byte) []byte { return p.best().append(dst) }

func (c *candidate) node() Node {
	n := Node{Scheme: c.scheme}
	for _, b := range c.below {
		n.Child = append(n.Child, b.best().node())
	}
	return n
}

func (p *plan) explain() []Candidate {
	out := make([]Candidate, len(p.candidates))
	for i := range out {
		c := &p.candidates[i]
		out[i] = Candidate{Encoding: c.node().String(), Size: int(c.size), Nanos: c.nanos, Cost: int(p.cost(c))}
	}
	return out
}

// planInts decides how v is written at a depth.
func planInts(v []int64, depth int) *plan { return planIntsExcept(&plan{n: len(v)}, v, depth, 0) }

// planSpelt is planInts of integers that strings are made of, which takes longer than
// slow loops do.
func planSpelt(v []int64, depth int) *plan {
	return planIntsExcept(&plan{n: len(v), spared: true}, v, depth, 0)
}

// few is how many times fewer values than the node above a node has that is spared
// from what slow loops cost: it is little of what decoding takes.
const few = 8

// under returns an empty plan of a node of n values below p.
func (p *plan) under(n int) *plan {
	return &plan{n: n, quick: p.quick, codes: p.codes, spared: p.spared || !p.codes && n*few <= p.n}
}

// intsBelow is planInts of a node below p.
func (p *plan) intsBelow(v []int64, depth int) *plan {
	return planIntsExcept(p.under(len(v)), v, depth, 0)
}

// planIntsExcept decides p without a scheme.
func planIntsExcept(p *plan, v []int64, depth int, without Scheme) *plan {
	if len(v) > MaxValues {
		panic("codec: bug: too many values in a node")
	}
	if len(v) == 0 {
		p.add(candidate{scheme: Constant, append: func(dst []byte) []byte { return appendIntConstant(dst, 0) }})
		return p
	}
	st := measureInts(v)
	if st.min == st.max {
		p.add(candidate{scheme: Constant, size: 6, nanos: nanosConstant,
			append: func(dst []byte) []byte { return appendIntConstant(dst, st.min) }})
		return p
	}
	planFrames(p, v, &st)
	if p.deepest(depth) {
		depth = MaxDepth
	}
	if depth < MaxDepth {
		planRLE(p, v, &st, depth)
	}
	if depth < MaxDepth {
		planDictionary(p, v, &st, depth)
	}
	if p.quick && !forced.Any() {
		return p.decide()
	}
	if depth < MaxDepth {
		planSparse(p, v, depth)
		if without != Differences {
			planDifferences(p, v, depth)
		}
	}
	planWavelet(p, v, &st)
	if depth < MaxDepth && without != Copies {
		planCopies(p, v, depth)
	}
	planIntZstd(p, v, &st)
	return p.decide()
}

// manyValues is the number from which on values are at most three nodes deep: each
// level takes as long again to weigh.
const manyValues = 32 * VectorRows

// deepest says whether a node at a depth has none below it.
func (p *plan) deepest(depth int) bool {
	return depth == MaxDepth-1 && p.n >= manyValues && !forced.Any()
}

// planFrames adds FOR, delta and linear frames. Their sizes are those of up to four
// whole vectors spread over the values: a frame's size depends on its neighbours,
// so single values cannot stand for it.
func planFrames(p *plan, v []int64, st *intStats) {
	s := new(frameScratch)
	vectors := Vectors(len(v))
	picked := min(vectors, 4)
	var sizes [3]int
	schemes := [3]Scheme{FOR, Delta, Linear}
	sampled := 0
	var unit [VectorRows]int64
	by := newDivisor(st.unit)
	for i := range picked {
		k := i * vectors / picked
		part := v[k*VectorRows:][:VectorLen(len(v), k)]
		if st.unit > 1 {
			for j, x := range part {
				unit[j] = int64(by.exact(uint64(x - st.min)))
			}
			part = unit[:len(part)]
		}
		sampled += len(part)
		for j, scheme := range schemes {
			sizes[j] += s.size(scheme, part)
		}
	}
	scale := float64(len(v)) / float64(sampled)
	for j, nanos := range [3]float64{nanosFOR, nanosDelta, nanosLinear} {
		if st.unit > 1 {
			nanos += nanosUnit
		}
		scheme := schemes[j]
		p.add(candidate{scheme: scheme, size: float64(sizes[j]) * scale, nanos: nanos,
			append: func(dst []byte) []byte { return appendFrame(dst, scheme, v, st) }})
	}
}

// worth says whether something of about a size is worth planning.
func (p *plan) worth(size, nanos float64) bool {
	return size+float64(p.n)*nanos*bytesPerNano < p.least() || forced.Any()
}

func planRLE(p *plan, v []int64, st *intStats, depth int) {
	if st.runs >= len(v)/2 || !p.worth(float64(2*Vectors(len(v))), nanosRLE) {
		return
	}
	lengths, perVector := runLengths(len(v), st.runs, func(i int) bool { return v[i] == v[i-1] })
	values := make([]int64, 0, len(lengths))
	at := 0
	for _, k := range lengths {
		values = append(values, v[at])
		at += int(k)
	}
	below := []*plan{p.intsBelow(values, depth+1), p.intsBelow(lengths, depth+1)}
	p.add(candidate{scheme: RLE, size: float64(2*len(perVector) + 4), nanos: nanosRLE, below: below,
		append: func(dst []byte) []byte { return below[0].append(appendRuns(dst, perVector, below[1])) }})
}

func planDictionary(p *plan, v []int64, st *intStats, depth int) {
	if !p.worth(16, nanosDictionary) {
		return
	}
	// What codes save that are hardly narrower entropy coding saves as well.
	valueBits := bits.Len64(uint64(st.max-st.min) / st.unit)
	useless := func(entries int) bool { return bits.Len(uint(entries-1))+1 >= valueBits && st.runs > len(v)/2 }
	switch distinct, ok := distinctOf(len(v), func(i int) uint64 { return uint64(v[i]) }); {
	case !ok || useless(distinct):
		return
	case distinct > 512 && (useless(len(v)/8) || st.runs > len(v)/2 && len(v) >= manyValues):
		return // half of a sample: there are more, and what their codes save classes save too
	}
	d := collectInts(v, *st)
	if d == nil || useless(len(d.values)) {
		return
	}
	codes := p.intsBelow(d.codes(v), depth+1)
	if !p.worth(codes.best().size, codes.best().nanos+nanosDictionary) {
		return
	}
	below := []*plan{p.intsBelow(d.values, depth+1), codes}
	p.add(candidate{scheme: Dictionary, size: 8, nanos: nanosDictionary, below: below,
		append: func(dst []byte) []byte { return appendDict(dst, len(d.values), below[0], below[1]) }})
}

func planDifferences(p *plan, v []int64, depth int) {
	if len(v) < 64 || !p.worth(16, nanosDifferences) {
		return
	}
	if len(v) >= minSampled && !promising(p, v) {
		return
	}
	firsts, d := differences(v)
	below := []*plan{planIntsExcept(p.under(len(d)), d, depth+1, Differences), p.intsBelow(firsts, depth+1)}
	if below[0].best().scheme == FOR {
		return // as a delta frame is
	}
	p.add(candidate{scheme: Differences, size: 12, nanos: nanosDifferences, below: below,
		append: func(dst []byte) []byte { return appendDifferences(dst, below[1], below[0]) }})
}

// promising looks at differences in a sample: whether they are few, or repeat, or
// change slowly.
func promising(p *plan, v []int64) bool {
	n := float64(len(v))
	_, second := differences(v[:VectorRows])
	if size := new(frameScratch).size(Delta, second); p.worth(n*float64(size)/VectorRows, nanosDelta) {
		return true
	}
	sample := sampled(v)
	_, d := differences(sample)
	st := measureInts(d)
	// Runs of values are runs of differences too, but shorter ones.
	return st.runs < len(d)/2 && st.runs < measureInts(sample).runs || p.worth(n*sampleEntropy(d, &st), nanosWavelet) ||
		repeats(len(v), func(i int) uint64 { return uint64(v[i]) })
}

// minSampled is the number of values from which on a sample stands for them.
const minSampled = 2 * VectorRows

// sampled returns 16 runs of 64 neighbours.
func sampled(v []int64) []int64 {
	const span, groups = 64, 16
	sample := make([]int64, 0, span*groups)
	for g := range groups {
		at := g * (len(v) - span) / (groups - 1)
		sample = append(sample, v[at:at+span]...)
	}
	return sample
}

func planSparse(p *plan, v []int64, depth int) {
	x, ok := dominant(len(v), func(i int) int64 { return v[i] })
	if !ok || !p.worth(16, nanosSparse) {
		return
	}
	counts, gaps := exceptionGaps(len(v), func(i int) bool { return v[i] != x })
	values := make([]int64, 0, len(gaps))
	for _, y := range v {
		if y != x {
			values = append(values, y)
		}
	}
	below := []*plan{p.intsBelow(values, depth+1), p.intsBelow(gaps, depth+1)}
	p.add(candidate{scheme: Sparse, size: float64(12 + 2*len(counts)), nanos: nanosSparse, below: below,
		append: func(dst []byte) []byte {
			return below[0].append(appendExceptions(appendZigzag(append(dst, byte(Sparse)), x), counts, below[1]))
		}})
}

func planWavelet(p *plan, v []int64, st *intStats) {
	if len(v) < minEntropy || !p.worth(float64(len(v))/8, nanosWavelet) {
		return
	}
	if len(v) >= minSampled && !p.worth(sampleEntropy(sampled(v), st)*float64(len(v)), nanosWavelet) {
		return
	}
	perVector := classVectorBits
	if p.spared {
		perVector /= 4
	}
	c := planClasses(v, st, perVector)
	if c == nil {
		return
	}
	w := newWavePlan(c)
	p.add(candidate{scheme: Wavelet, size: float64(w.size), nanos: w.nanos,
		append: func(dst []byte) []byte { return w.append(dst, st) }})
}
