package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Copies: sequences of values that were there before, however far back, as where they
// were and how many values they are, after Ziv and Lempel (1977). What lies between them,
// the literals, is a node of its own, and so are the lengths and distances: they get
// the encodings of other integers, where zstd would have its own, and a sequence is
// copied as numbers, where zstd copies bytes that are still to be made numbers of.
// Sequences reach over vectors, so the first one that is wanted decodes all.

const (
	// copyBits is about what a copy takes: how many literals lie before it, its length
	// and its distance.
	copyBits = 28
	// minCopy and maxCopyWindow bound the values that a copy begins with at least, which
	// are looked for together.
	minCopy       = 3
	maxCopyWindow = 64
	// copyTries is how many earlier places are compared.
	copyTries = 8

	nanosCopies = 0.3
	nanosCopy   = 5.0 // each of them
)

// A copyPlan is values as literals and copies.
type copyPlan struct {
	literals []int64
	before   []int64 // literals before each copy
	lengths  []int64
	back     []int64 // distance of each copy
}

// windows calls f with a hash of each window of values, and the place at which the
// window begins.
func windows(v []int64, length int, f func(at int, hash uint64)) {
	power := uint64(1)
	for range length {
		power *= rolling
	}
	sum := uint64(0)
	for i, x := range v {
		sum = sum*rolling + hash64(uint64(x))
		if i >= length {
			sum -= hash64(uint64(v[i-length])) * power
		}
		if i+1 >= length {
			f(i+1-length, hash64(sum))
		}
	}
}

// comesAgain says whether an eighth of the windows was there before, by those that begin
// with a pair of different values that one in sixteen is: they are the same ones wherever a
// sequence is. Of few values all are looked at.
func comesAgain(v []int64, length int) bool {
	const tableBits, pairBits = 13, 4
	all := len(v) < manyValues/2
	var seen [1 << tableBits]uint32
	hits, looked := 0, 0
	for at := 0; at+length <= len(v); at++ {
		pair := (uint64(v[at])*rolling + uint64(v[at+1]) + 1) * rolling
		if (pair>>(64-pairBits) != 0 || v[at] == v[at+1]) && !all {
			continue
		}
		hash := uint64(0)
		for _, x := range v[at : at+length] {
			hash = (hash + uint64(x)) * rolling
			hash ^= hash >> 32
		}
		looked++
		mark, tag := &seen[hash64(hash)>>(64-tableBits)], uint32(hash)|1
		if *mark == tag {
			hits++
		}
		*mark = tag
	}
	return hits > looked/8
}

// findCopies takes the longest of some copies wherever there is one.
func findCopies(v []int64, length int) *copyPlan {
	shift := 64 - bits.Len(uint(len(v)))
	head := make([]int32, 1<<(64-shift)) // the last place of a hash, plus one
	earlier := make([]int32, len(v))     // the one before it
	slots := make([]uint32, len(v))
	windows(v, length, func(at int, hash uint64) { slots[at] = uint32(hash >> shift) })
	note := func(at int) {
		if at+length <= len(v) {
			earlier[at] = head[slots[at]]
			head[slots[at]] = int32(at + 1)
		}
	}
	p := &copyPlan{}
	literal := 0
	for at := 0; at < len(v); {
		best, from := 0, 0
		if at+length <= len(v) {
			for c, tries := head[slots[at]], 0; c > 0 && tries < copyTries; c, tries = earlier[c-1], tries+1 {
				k := int(c - 1)
				if v[k+best] != v[at+best] {
					continue
				}
				n := 0
				for at+n < len(v) && v[k+n] == v[at+n] {
					n++
				}
				if n > best {
					best, from = n, k
				}
				if at+best == len(v) {
					break
				}
			}
		}
		if best < length {
			note(at)
			at++
			continue
		}
		p.literals = append(p.literals, v[literal:at]...)
		p.before, p.lengths, p.back = append(p.before, int64(at-literal)), append(p.lengths, int64(best)), append(p.back, int64(at-from))
		for range best {
			note(at)
			at++
		}
		literal = at
	}
	p.literals = append(p.literals, v[literal:]...)
	return p
}

// planCopies adds copies to the candidates, where a value takes so much that they can pay.
func planCopies(p *plan, v []int64, depth int) {
	if len(v) < 64 || !p.worth(float64(len(v))/32, nanosCopies) {
		return
	}
	// What a literal takes is not known before there are any; it is no less than with
	// the encodings that see no sequences.
	least := p.candidates[0].size
	for i := range p.candidates {
		if c := &p.candidates[i]; c.scheme != Zstd && (c.scheme != Differences || c.below[0].best().scheme != Copies) {
			least = min(least, c.size)
		}
	}
	length := max(minCopy, int(math.Ceil(copyBits*float64(len(v))/(8*least))))
	if length > maxCopyWindow || !comesAgain(v, length) {
		return
	}
	c := findCopies(v, length)
	if len(c.lengths) == 0 {
		return
	}
	below := make([]*plan, 4)
	size := 12.0
	for i, part := range [][]int64{c.literals, c.before, c.lengths, c.back} {
		below[i] = planIntsExcept(p.under(len(part)), part, depth+1, Copies)
		if size += below[i].best().size; !p.worth(size, nanosCopies) {
			return
		}
	}
	p.add(candidate{scheme: Copies, size: 12, nanos: nanosCopies + nanosCopy*float64(len(c.lengths))/float64(len(v)), below: below,
		append: func(dst []byte) []byte { return c.append(dst, below) }})
}

// append appends the node; below are those of the literals, what lies before copies,
// lengths and distances.
func (c *copyPlan) append(dst []byte, below []*plan) []byte {
	dst = append(dst, byte(Copies))
	dst = binary.AppendUvarint(dst, uint64(len(c.lengths)))
	dst = binary.AppendUvarint(dst, uint64(len(c.literals)))
	for _, b := range below[1:] {
		dst = appendPart(dst, b.append(nil))
	}
	return below[0].append(dst)
}

// copyNode reads copies.
type copyNode struct {
	n                     int
	literals              *Ints
	before, lengths, back *Ints
	decoded               []int64
	size                  int
}

func (room *Room) openCopies(src []byte, n, depth int) (*copyNode, error) {
	c := cursor{b: src}
	copies, literals := c.count(n), c.count(n)
	parts := [3][]byte{c.part(), c.part(), c.part()}
	if c.bad || copies == 0 || literals == 0 {
		return nil, corrupt("copies: %d values in %d bytes", n, len(src))
	}
	r := room.copies.put(copyNode{n: n, size: 1 + len(src)})
	for i, to := range []**Ints{&r.before, &r.lengths, &r.back} {
		var err error
		if *to, err = room.openInts(parts[i], copies, depth+1); err != nil {
			return nil, err
		}
	}
	var err error
	r.literals, err = room.openInts(c.b, literals, depth+1)
	return r, err
}

// load decodes all values.
func (c *copyNode) load() error {
	literals, err := c.literals.all()
	if err != nil {
		return err
	}
	before, err := c.before.all()
	if err != nil {
		return err
	}
	lengths, err := c.lengths.all()
	if err != nil {
		return err
	}
	back, err := c.back.all()
	if err != nil {
		return err
	}
	out, at := c.literals.room.numbers.take(c.n), 0
	for i, k := range before {
		length, from := lengths[i], back[i]
		if k < 0 || k > int64(len(literals)) || length < 1 || length > int64(c.n-at)-k || from < 1 || from > int64(at)+k {
			return corrupt("copies: copy %d, of %d from %d before row %d", i, length, from, int64(at)+k)
		}
		at += copy(out[at:], literals[:k])
		literals = literals[k:]
		copyBack(out[at:at+int(length)], out[at-int(from):])
		at += int(length)
	}
	if len(literals) != c.n-at {
		return corrupt("copies: %d literals for the last %d values", len(literals), c.n-at)
	}
	copy(out[at:], literals)
	c.decoded = out
	return nil
}

// copyBack fills dst from src, which begins before it in the same memory: what has been
// copied may be copied again.
func copyBack(dst, src []int64) {
	for i, x := range src[:len(dst)] {
		dst[i] = x
	}
}

func (c *copyNode) vector(v int, dst []int64) error {
	if c.decoded == nil {
		if err := c.load(); err != nil {
			return err
		}
	}
	copy(dst, c.decoded[v*VectorRows:])
	return nil
}

func (c *copyNode) filter(int, *IntFilter, *Bits) (bool, error) { return false, nil }

func (c *copyNode) describe() Node {
	n := Node{Scheme: Copies, Detail: detail("%d copies", c.lengths.n), Values: c.n, Size: c.size}
	for _, b := range []struct {
		role string
		of   *Ints
	}{{"literals", c.literals}, {"literals before copies", c.before}, {"lengths", c.lengths}, {"distances", c.back}} {
		d := b.of.Describe()
		d.Role = b.role
		n.Child = append(n.Child, d)
	}
	return n
}
