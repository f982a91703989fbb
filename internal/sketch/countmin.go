package sketch

import (
	"encoding/binary"
	"math"
)

// A CountMin estimates how often a value occurs (Cormode, Muthukrishnan 2005): never too low, and with
// a high probability at most a small part of all values too high.
type CountMin struct {
	width, depth int
	counts       cells // depth rows
}

const maxCounters = 1 << 22

// NewCountMin makes an empty sketch whose estimates are too high by more than part of all
// values with the probability failure at most.
func NewCountMin(part, failure float64) (*CountMin, error) {
	if !(part > 0 && part < 1 && failure > 0 && failure < 1) {
		return nil, invalid("the error and the probability of failure of a count_min sketch must be between 0 and 1")
	}
	w, d := math.Ceil(math.E/part), math.Ceil(-math.Log(failure))
	if w*d > maxCounters {
		return nil, invalid("a count_min sketch of %.0f counters is too large (at most %d)", w*d, maxCounters)
	}
	return newCountMin(int(w), max(int(d), 1)), nil
}

func newCountMin(w, d int) *CountMin {
	return &CountMin{width: w, depth: d, counts: cells{n: w * d}}
}

func (s *CountMin) kind() kind { return kindCountMin }

// cell is the counter of a value in a row.
func (s *CountMin) cell(h uint64, row int) uint32 {
	return uint32(row*s.width + int(nth(h, row)%uint64(s.width)))
}

// nth is one of many hashes that are made of one.
func nth(h uint64, i int) uint64 {
	h += uint64(i) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Add adds a value by its hash.
func (s *CountMin) Add(h uint64) {
	for row := range s.depth {
		c := s.cell(h, row)
		s.counts.set(c, addCounts(s.counts.at(c), 1))
	}
}

// Count estimates how often the value of a hash was added.
func (s *CountMin) Count(h uint64) int64 {
	n := uint64(math.MaxUint64)
	for row := range s.depth {
		n = min(n, s.counts.at(s.cell(h, row)))
	}
	return toInt64(n)
}

// Merge implements Sketch.
func (s *CountMin) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	if o.width != s.width || o.depth != s.depth {
		return differs(s)
	}
	o.counts.each(false, func(i uint32, n uint64) { s.counts.set(i, addCounts(s.counts.at(i), n)) })
	return nil
}

// SizeBytes implements Sketch.
func (s *CountMin) SizeBytes() int64 { return 64 + s.counts.bytes() }

func (s *CountMin) appendBody(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(s.width)), uint64(s.depth))
	return s.counts.append(dst, binary.AppendUvarint)
}

func readCountMin(r *reader) Sketch {
	w, d := r.uvarint(), r.uvarint()
	if !r.check(w > 0 && d > 0 && w <= maxCounters && d <= maxCounters && w*d <= maxCounters) {
		return nil
	}
	s := newCountMin(int(w), int(d))
	s.counts.read(r, 1, r.uvarint)
	return s
}
