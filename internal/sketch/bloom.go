package sketch

import (
	"encoding/binary"
	"math"
)

// A Bloom filter says of a value that it was added perhaps, or surely not (Bloom, 1970).
type Bloom struct {
	hashes int
	words  cells
}

const (
	maxBloomWords  = 1 << 22 // 32 MiB
	maxBloomHashes = 32
)

// NewBloom makes an empty filter that says perhaps of a value that was not added with the probability failure, if
// as many different values were added as are expected.
func NewBloom(expected int64, failure float64) (*Bloom, error) {
	if expected < 1 || !(failure > 0 && failure < 1) {
		return nil, invalid("a bloom filter needs a positive number of values that are expected, and a probability of failure between 0 and 1")
	}
	bits := math.Ceil(-float64(expected) * math.Log(failure) / (math.Ln2 * math.Ln2))
	words := math.Ceil(bits / 64)
	if words > maxBloomWords {
		return nil, invalid("a bloom filter of %.0f bytes is too large (at most %d)", 8*words, 8*maxBloomWords)
	}
	hashes := int(math.Round(bits / float64(expected) * math.Ln2))
	return &Bloom{hashes: min(max(hashes, 1), maxBloomHashes), words: cells{n: int(max(words, 1))}}, nil
}

func (s *Bloom) kind() kind { return kindBloom }

func (s *Bloom) bit(h uint64, i int) (word uint32, mask uint64) {
	b := nth(h, i) % (64 * uint64(s.words.n))
	return uint32(b / 64), 1 << (b % 64)
}

// Add adds a value by its hash.
func (s *Bloom) Add(h uint64) {
	for i := range s.hashes {
		w, m := s.bit(h, i)
		s.words.set(w, s.words.at(w)|m)
	}
}

// Contains says whether the value of a hash was perhaps added.
func (s *Bloom) Contains(h uint64) bool {
	for i := range s.hashes {
		if w, m := s.bit(h, i); s.words.at(w)&m == 0 {
			return false
		}
	}
	return true
}

// Merge implements Sketch.
func (s *Bloom) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	if o.hashes != s.hashes || o.words.n != s.words.n {
		return differs(s)
	}
	o.words.each(false, func(i uint32, w uint64) { s.words.set(i, s.words.at(i)|w) })
	return nil
}

// SizeBytes implements Sketch.
func (s *Bloom) SizeBytes() int64 { return 56 + s.words.bytes() }

func (s *Bloom) appendBody(dst []byte) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(s.words.n)), byte(s.hashes))
	return s.words.append(dst, binary.BigEndian.AppendUint64)
}

func readBloom(r *reader) Sketch {
	n := r.uvarint()
	s := &Bloom{hashes: int(r.byte())}
	if !r.check(n > 0 && n <= maxBloomWords && s.hashes > 0 && s.hashes <= maxBloomHashes) {
		return nil
	}
	s.words.n = int(n)
	s.words.read(r, 8, r.uint64)
	return s
}
