package sketch

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// A TopK finds the most frequent values (Misra, Gries 1982; merged as in Agarwal et al., PODS 2012). While
// there are few different values counts are exact; beyond, they are too low by Error at most, and which values of nearly equal counts
// are kept depends on the order in which they come.
type TopK struct {
	k      int
	err    uint64
	counts map[string]*uint64 // a value is kept that is not the caller's: Go's maps take over the key of what is assigned
	bytes  int64
}

// itemBytes is what a value takes beside its text.
const itemBytes = 64

// MaxTopK bounds how many values are asked for.
const MaxTopK = 10_000

// NewTopK makes an empty sketch of the k most frequent values.
func NewTopK(k int) (*TopK, error) {
	if k < 1 || k > MaxTopK {
		return nil, invalid("the number of values of a top_k sketch must be from 1 to %d", MaxTopK)
	}
	return &TopK{k: k, counts: map[string]*uint64{}}, nil
}

// kept is how many values are counted.
func (s *TopK) kept() int { return max(8*s.k, 256) }

func (s *TopK) kind() kind { return kindTopK }

// Add adds a value.
func (s *TopK) Add(v string) { s.add(v, 1) }

func (s *TopK) add(v string, n uint64) {
	c := s.counts[v]
	if c == nil {
		c = new(uint64)
		s.counts[strings.Clone(v)] = c
		s.bytes += int64(len(v)) + itemBytes
	}
	*c = addCounts(*c, n)
	if len(s.counts) >= 2*s.kept() {
		s.shrink()
	}
}

// shrink takes as much from all counts that no more than kept are left.
func (s *TopK) shrink() {
	if len(s.counts) <= s.kept() {
		return
	}
	all := make([]uint64, 0, len(s.counts))
	for _, n := range s.counts {
		all = append(all, *n)
	}
	slices.Sort(all)
	less := all[len(all)-s.kept()-1]
	for v, n := range s.counts {
		if *n > less {
			*n -= less
		} else {
			delete(s.counts, v)
			s.bytes -= int64(len(v)) + itemBytes
		}
	}
	s.err = addCounts(s.err, less)
}

// Merge implements Sketch.
func (s *TopK) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	if o.k != s.k {
		return differs(s)
	}
	for _, it := range o.items() {
		s.add(it.Value, it.n)
	}
	s.err = addCounts(s.err, o.err)
	s.shrink()
	return nil
}

// A Frequent is a value of a TopK: it occurs Count times at least, and Error times more at most.
type Frequent struct {
	Value        string
	Count, Error int64
	n            uint64
}

// items are all values counted, the most frequent ones first, and of equal counts in their order.
func (s *TopK) items() []Frequent {
	s.shrink()
	out := make([]Frequent, 0, len(s.counts))
	for v, n := range s.counts {
		out = append(out, Frequent{Value: v, Count: toInt64(*n), Error: toInt64(s.err), n: *n})
	}
	slices.SortFunc(out, func(a, b Frequent) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.Value, b.Value)) })
	return out
}

// Values returns the most frequent values.
func (s *TopK) Values() []Frequent {
	items := s.items()
	return items[:min(len(items), s.k)]
}

// SizeBytes implements Sketch.
func (s *TopK) SizeBytes() int64 { return 64 + s.bytes }

func (s *TopK) appendBody(dst []byte) []byte {
	items := s.items()
	for _, n := range []uint64{uint64(s.k), s.err, uint64(len(items))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, it := range items {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, it.n), uint64(len(it.Value)))
		dst = append(dst, it.Value...)
	}
	return dst
}

func readTopK(r *reader) Sketch {
	s, err := NewTopK(int(min(r.uvarint(), MaxTopK+1)))
	if err != nil {
		r.fail()
		return nil
	}
	s.err = r.uvarint()
	n := r.count(2)
	if !r.check(n <= s.kept()) {
		return nil
	}
	for range n {
		c := r.uvarint()
		v := string(r.bytes(r.uvarint()))
		_, twice := s.counts[v]
		if !r.check(c > 0 && !twice && utf8.ValidString(v) && !strings.Contains(v, "\x00")) {
			return nil
		}
		s.add(v, c)
	}
	return s
}
