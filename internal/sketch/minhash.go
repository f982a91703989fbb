package sketch

import (
	"encoding/binary"
	"slices"
)

// A MinHash keeps the k smallest hashes of a set, of which follows how alike it is to others (Broder 1997; one
// permutation, Bar-Yossef et al. 2002): the standard error is about 1/sqrt(k).
type MinHash struct {
	k      int
	hashes []uint64 // up to 2k; the first sorted ones are in order and different
	sorted int
}

// MaxMinHash bounds the hashes of a MinHash.
const MaxMinHash = 1 << 16

// NewMinHash makes an empty sketch of k hashes.
func NewMinHash(k int) (*MinHash, error) {
	if k < 1 || k > MaxMinHash {
		return nil, invalid("the number of hashes of a minhash sketch must be from 1 to %d", MaxMinHash)
	}
	return &MinHash{k: k}, nil
}

func (s *MinHash) kind() kind { return kindMinHash }

// Add adds a value by its hash.
func (s *MinHash) Add(h uint64) { s.add(nth(h, 1)) }

func (s *MinHash) add(h uint64) {
	if s.sorted == s.k && h >= s.hashes[s.k-1] {
		return
	}
	s.hashes = append(s.hashes, h)
	if len(s.hashes) >= 2*s.k+16 {
		s.settle()
	}
}

// settle leaves the k smallest different hashes, in order.
func (s *MinHash) settle() {
	if s.sorted == len(s.hashes) {
		return
	}
	slices.Sort(s.hashes)
	s.hashes = slices.Compact(s.hashes)
	s.hashes = s.hashes[:min(len(s.hashes), s.k)]
	s.sorted = len(s.hashes)
}

// Merge implements Sketch.
func (s *MinHash) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	if o.k != s.k {
		return differs(s)
	}
	o.settle()
	for _, h := range o.hashes {
		s.add(h)
	}
	return nil
}

// Similarity estimates which part of the values of two sets both have (Jaccard); ok is false if both are empty.
func (s *MinHash) Similarity(o *MinHash) (part float64, ok bool, err error) {
	if o.k != s.k {
		return 0, false, differs(s)
	}
	s.settle()
	o.settle()
	seen, both := 0, 0
	for i, j := 0, 0; seen < s.k && (i < len(s.hashes) || j < len(o.hashes)); seen++ {
		switch {
		case j == len(o.hashes) || i < len(s.hashes) && s.hashes[i] < o.hashes[j]:
			i++
		case i == len(s.hashes) || o.hashes[j] < s.hashes[i]:
			j++
		default:
			i, j, both = i+1, j+1, both+1
		}
	}
	if seen == 0 {
		return 0, false, nil
	}
	return float64(both) / float64(seen), true, nil
}

// SizeBytes implements Sketch.
func (s *MinHash) SizeBytes() int64 { return 48 + 8*int64(cap(s.hashes)) }

func (s *MinHash) appendBody(dst []byte) []byte {
	s.settle()
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(s.k)), uint64(len(s.hashes)))
	return appendHashes(dst, s.hashes)
}

func readMinHash(r *reader) Sketch {
	s, err := NewMinHash(int(min(r.uvarint(), MaxMinHash+1)))
	if err != nil {
		r.fail()
		return nil
	}
	n := r.count(8)
	if !r.check(n <= s.k) {
		return nil
	}
	s.hashes, s.sorted = r.ascending(n), n
	return s
}
