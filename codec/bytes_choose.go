package codec

import (
	"cmp"
	"slices"

	"github.com/phyllodb/phyllo/internal/forced"
)

// How strings are encoded is chosen by size and by what it costs to decode them.

// Costs of decoding strings, in nanoseconds, as measured for 65,536 rows.
const (
	nanosBytes    = 4.0  // a string by its length
	nanosText     = 10.0 // a string of a template
	nanosField    = 5.0  // each of its fields
	nanosLZ4Byte  = 0.25 // a byte of text
	nanosZstdByte = 0.8
	nanosFSSTByte = 0.4
	nanosFront    = 6.0 // a string put together with the one before
	// textBytesPerNano is lower than for numbers: who reads text pays for the
	// text itself many times over.
	textBytesPerNano = 0.05
)

// A bytesChoice is a way to encode strings.
type bytesChoice struct {
	scheme  Scheme
	size    float64 // bytes, maybe estimated
	nanos   float64 // of decoding all
	encoded []byte  // nil if it has not been done yet
	encode  func(dst []byte) []byte
}

// codesWorth is what a dictionary may cost more than others, for groups and filters
// work on its codes.
const codesWorth = 1.1

func (c *bytesChoice) cost() float64 {
	if forced.Is(uint8(c.scheme)) {
		return 0
	}
	cost := c.size + c.nanos*textBytesPerNano
	if c.scheme == Dictionary {
		cost /= codesWorth
	}
	return cost
}

func (c *bytesChoice) append(dst []byte) []byte {
	if c.encoded != nil {
		return append(dst, c.encoded...)
	}
	return c.encode(dst)
}

// tried is a choice that has been encoded to know its size.
func tried(scheme Scheme, nanos float64, encoded []byte) *bytesChoice {
	return &bytesChoice{scheme: scheme, size: float64(len(encoded)), nanos: nanos, encoded: encoded}
}

func cheapest(choices []*bytesChoice) (best *bytesChoice) {
	for _, c := range choices {
		if best == nil || c.cost() < best.cost() {
			best = c
		}
	}
	if best != nil {
		forced.Take(uint8(best.scheme))
	}
	return best
}

// bytesChoices returns what can hold the strings. runs is the number of runs of equal
// ones; a dictionary is not considered if it is 0. Unless all are wanted, what is
// clearly worse is left out.
func bytesChoices(s *Strings, runs, depth int, e Effort, all bool) (out []*bytesChoice) {
	n := float64(s.Len())
	if forced.Any() {
		e, all = Thorough, true
	}
	if s.Len() > 1 && len(s.Data) > maxRepeat {
		return leafChoices(s, depth, e) // for decoders refuse to repeat so much
	}
	if depth < MaxDepth && runs >= 2 {
		if d := collectStrings(s); d != nil && len(d.entries.Data) < len(s.Data)*2/3 {
			b, nanos := d.encode(depth, e)
			out = append(out, tried(Dictionary, n*(nanosBytes+nanosDictionary)+nanos, b))
			if 16*d.entries.Len() <= s.Len() && !all {
				// It is decoded without touching each value: groups and filters work on its codes.
				return out
			}
		}
	}
	if depth < MaxDepth {
		if ints := decimals(s); ints != nil {
			below := planSpelt(ints, depth+1)
			out = append(out, tried(Decimal, n*nanosText+below.nanos(), below.append([]byte{byte(Decimal)})))
			if !all {
				return out
			}
		}
		if e == Thorough {
			if c := templateChoice(s, depth); c != nil {
				out = append(out, c)
			}
		}
	}
	out = append(out, leafChoices(s, depth, e)...)
	if depth < MaxDepth && e == Thorough {
		if shared, total := sharedPrefixes(s); total > len(s.Data)/8 && total > 16 {
			b, nanos := encodeFront(s, shared, depth)
			out = append(out, tried(Front, n*(nanosFront+nanosBytes)+nanos, b))
		}
	}
	return out
}

func templateChoice(s *Strings, depth int) *bytesChoice {
	t, p := inferTemplate(s)
	if t == nil {
		t, p = wordTemplate(s, depth)
	}
	if p == nil {
		return nil
	}
	b, nanos := t.encode(s, p, depth)
	return tried(Template, float64(s.Len())*(nanosText+nanosField*float64(len(t.fields)))+nanos, b)
}

// leafChoices are those of strings that have nothing in common.
func leafChoices(s *Strings, depth int, e Effort) []*bytesChoice {
	n, size := s.Len(), float64(len(s.Data))
	lengths := float64(len(appendLengths(nil, s, depth)))
	choice := func(scheme Scheme, size, nanosByte float64, encode func(dst []byte) []byte) *bytesChoice {
		return &bytesChoice{scheme: scheme, size: size, nanos: float64(n)*nanosBytes + nanosByte*float64(len(s.Data)), encode: encode}
	}
	out := []*bytesChoice{choice(Plain, lengths+size+float64(8*Vectors(n)), 0, func(dst []byte) []byte { return appendBytesPlain(dst, s, depth) })}
	largest := int64(0) // block of one vector
	for v := range Vectors(n) {
		largest = max(largest, s.Offsets[v*VectorRows+VectorLen(n, v)]-s.Offsets[v*VectorRows])
	}
	if len(s.Data) < 64 || largest+blockTarget > maxBlock {
		return out
	}
	sample := blockSample(s)
	scale := size / float64(len(sample))
	for _, scheme := range []Scheme{LZ4, Zstd} {
		nanos := nanosLZ4Byte
		if scheme == Zstd {
			nanos = nanosZstdByte
		}
		out = append(out, choice(scheme, lengths+8+float64(len(compress(scheme, nil, sample)))*scale, nanos,
			func(dst []byte) []byte { return appendBlocks(dst, scheme, s, depth) }))
	}
	if forced.Any() || e == Thorough && len(s.Data) >= fsstLeast && cheapest(out).size > fsstHope*size {
		part := fsstTrial(s)
		coded := float64(len(appendFSST(nil, part, depth))) * size / float64(max(1, len(part.Data)))
		out = append(out, choice(FSST, coded, nanosFSSTByte, func(dst []byte) []byte { return appendFSST(dst, s, depth) }))
	}
	return out
}

// ExplainBytes returns the encodings that AppendBytes can choose from for the strings,
// the cheapest first, also those that it does not try where others are clearly better.
func ExplainBytes(s *Strings) []Candidate {
	n := s.Len()
	if n == 0 || stringRuns(s) == Vectors(n) && sameStrings(s) {
		b := AppendBytes(nil, s)
		return []Candidate{{Encoding: Constant.String(), Size: len(b), Cost: len(b)}}
	}
	var out []Candidate
	for _, c := range bytesChoices(s, stringRuns(s), 1, Thorough, true) {
		x := Candidate{Encoding: c.scheme.String(), Size: int(c.size), Nanos: c.nanos / float64(n), Cost: int(c.cost())}
		if c.encoded != nil {
			d, err := OpenBytes(c.encoded, n)
			if err != nil {
				panic("codec: bug: a node just written is refused: " + err.Error())
			}
			x.Encoding = d.Describe().String()
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b Candidate) int { return cmp.Compare(a.Cost, b.Cost) })
	return out
}
