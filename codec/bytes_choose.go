package codec

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

// chooseBytes chooses among what can hold the strings. runs is the number of runs of
// equal ones; a dictionary is not considered if it is 0.
func chooseBytes(s *Strings, runs, depth int) *bytesChoice {
	return cheapest(bytesChoices(s, runs, depth))
}

func cheapest(choices []*bytesChoice) (best *bytesChoice) {
	for _, c := range choices {
		if best == nil || c.cost() < best.cost() {
			best = c
		}
	}
	return best
}

func bytesChoices(s *Strings, runs, depth int) (out []*bytesChoice) {
	n := float64(s.Len())
	if depth < MaxDepth && runs >= 2 {
		if d := collectStrings(s); d != nil {
			total := float64(len(d.entries.Data))
			if total < float64(len(s.Data))*2/3 {
				c := tried(Dictionary, n*(nanosBytes+nanosDictionary), d.append(nil, s, depth))
				if 16*d.entries.Len() <= s.Len() {
					// It is decoded without touching each value: groups and filters work on its codes.
					return []*bytesChoice{c}
				}
				out = append(out, c)
			}
		}
	}
	if depth < MaxDepth {
		if ints := decimals(s); ints != nil {
			return append(out, tried(Decimal, n*nanosText, appendDecimal(nil, ints, depth)))
		}
		if t, p := inferTemplate(s); t != nil {
			out = append(out, tried(Template, n*(nanosText+nanosField*float64(len(t.fields))), t.append(nil, s, p, depth)))
		} else if t, p := wordTemplate(s, depth); p != nil {
			out = append(out, tried(Template, n*(nanosText+nanosField*float64(len(t.fields))), t.append(nil, s, p, depth)))
		}
	}
	out = append(out, leafChoices(s, depth)...)
	if depth < MaxDepth {
		if shared, total := sharedPrefixes(s); total > len(s.Data)/8 && total > 16 {
			nanos := n*(nanosFront+nanosBytes) + nanosZstdByte*float64(len(s.Data)-total)
			out = append(out, tried(Front, nanos, appendFront(nil, s, shared, depth)))
		}
	}
	return out
}

const fsstHope = 0.45

// leafChoices are those of strings that have nothing in common.
func leafChoices(s *Strings, depth int) []*bytesChoice {
	n := s.Len()
	plain := &bytesChoice{scheme: Plain, size: float64(len(s.Data) + 8*Vectors(n) + 8), nanos: float64(n) * nanosBytes,
		encode: func(dst []byte) []byte { return appendBytesPlain(dst, s, depth) }}
	out := []*bytesChoice{plain}
	largest := int64(0) // block of one vector
	for v := range Vectors(n) {
		largest = max(largest, s.Offsets[v*VectorRows+VectorLen(n, v)]-s.Offsets[v*VectorRows])
	}
	if len(s.Data) < 64 || largest+blockTarget > maxBlock {
		return out
	}
	sample := blockSample(s)
	scale := float64(len(s.Data)) / float64(len(sample))
	for _, scheme := range []Scheme{LZ4, Zstd} {
		nanos := nanosLZ4Byte
		if scheme == Zstd {
			nanos = nanosZstdByte
		}
		out = append(out, &bytesChoice{scheme: scheme, size: float64(len(compress(scheme, nil, sample)))*scale + 16,
			nanos: float64(n)*nanosBytes + nanos*float64(len(s.Data)), encode: func(dst []byte) []byte { return appendBlocks(dst, scheme, s, depth) }})
	}
	// It leaves two fifths at best: where blocks do better it need not be trained.
	if cheapest(out).cost() > fsstHope*float64(len(s.Data)) && len(s.Data) >= 1024 && len(s.Data) <= maxRepeat {
		part := fsstTrial(s)
		size := float64(len(appendFSST(nil, part, depth))) * float64(len(s.Data)) / float64(max(1, len(part.Data)))
		out = append(out, &bytesChoice{scheme: FSST, size: size, nanos: float64(n)*nanosBytes + nanosFSSTByte*float64(len(s.Data)),
			encode: func(dst []byte) []byte { return appendFSST(dst, s, depth) }})
	}
	return out
}
