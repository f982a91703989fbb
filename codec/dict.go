package codec

import (
	"encoding/binary"
	"slices"
)

// Dictionaries of integers: the distinct values, rising, and codes that point
// into them, both nodes of integers.

// maxDictEntries bounds what an encoder collects; a decoder takes any number
// up to the number of values.
const maxDictEntries = 1 << 15

// intDict maps values to their codes while encoding.
type intDict struct {
	values []int64 // rising
	slots  []int32 // hash table of indexes plus one
	shift  uint
}

func hash64(x uint64) uint64 {
	x ^= x >> 32
	x *= 0x9E3779B97F4A7C15
	x ^= x >> 29
	return x * 0xBF58476D1CE4E5B9
}

// collectInts returns the distinct values, or nil if a dictionary cannot pay.
func collectInts(v []int64, st intStats) *intDict {
	if uint64(st.max-st.min)/st.unit < 8 || st.runs < 4 {
		return nil
	}
	limit := min(len(v)/2, maxDictEntries)
	d := &intDict{}
	for size := 256; ; size *= 4 {
		d.reset(size)
		full := false
		for i, x := range v {
			if i > 0 && x == v[i-1] {
				continue
			}
			if d.insert(x) && len(d.values) > size/2 {
				full = true
				break
			}
		}
		if len(d.values) > limit {
			return nil
		}
		if !full {
			break
		}
	}
	slices.Sort(d.values)
	values := d.values
	d.reset(len(d.slots))
	for _, x := range values {
		d.insert(x)
	}
	return d
}

// fewDistinct looks at 16 runs of 64 values and says whether values repeat.
func fewDistinct(n int, key func(i int) uint64) bool {
	_, ok := distinctOf(n, key)
	return ok
}

// distinctOf is fewDistinct that tells how many values of the sample are different.
func distinctOf(n int, key func(i int) uint64) (distinct int, ok bool) {
	const span, groups = 64, 16
	if n < span*groups {
		return 0, true
	}
	var seen intDict
	seen.reset(2 * span * groups)
	for g := range groups {
		at := g * (n - span) / (groups - 1)
		for i := range span {
			if seen.insert(int64(key(at+i))) && len(seen.values) > span*groups*3/4 {
				return 0, false
			}
		}
	}
	return len(seen.values), true
}

func (d *intDict) reset(size int) {
	d.values = make([]int64, 0, size/2+2)
	d.slots = make([]int32, size)
	d.shift = 64
	for s := size; s > 1; s >>= 1 {
		d.shift--
	}
}

func (d *intDict) insert(x int64) bool {
	mask := len(d.slots) - 1
	for i := int(hash64(uint64(x)) >> d.shift); ; i = (i + 1) & mask {
		s := d.slots[i]
		if s == 0 {
			d.values = append(d.values, x)
			d.slots[i] = int32(len(d.values))
			return true
		}
		if d.values[s-1] == x {
			return false
		}
	}
}

func (d *intDict) code(x int64) int64 {
	mask := len(d.slots) - 1
	for i := int(hash64(uint64(x)) >> d.shift); ; i = (i + 1) & mask {
		if s := d.slots[i]; d.values[s-1] == x {
			return int64(s - 1)
		}
	}
}

// appendDict appends a dictionary node of which the nodes below are planned.
func appendDict(dst []byte, entries int, values, codes *plan) []byte {
	dst = append(dst, byte(Dictionary))
	dst = binary.AppendUvarint(dst, uint64(entries))
	dst = appendPart(dst, values.append(nil))
	return codes.append(dst)
}

func (d *intDict) codes(v []int64) []int64 {
	codes := make([]int64, len(v))
	for i, x := range v {
		if i > 0 && x == v[i-1] {
			codes[i] = codes[i-1]
			continue
		}
		codes[i] = d.code(x)
	}
	return codes
}

// openDict parses what all dictionaries share.
func (room *Room) openDict(src []byte, n, depth int) (entries int, values []byte, codes *Ints, err error) {
	c := cursor{b: src}
	entries = c.count(n)
	values = c.part()
	if c.bad || entries == 0 {
		return 0, nil, nil, corrupt("dictionary: %d entries for %d values in %d bytes", entries, n, len(src))
	}
	codes, err = room.openInts(c.b, n, depth+1)
	return entries, values, codes, err
}

// intDictionary reads a dictionary of integers.
type intDictionary struct {
	values *Ints
	codes  *Ints
	loaded []int64
	size   int

	keep     *TableFilter // of the entries that filtered keeps
	filtered *IntFilter
}

func (room *Room) openIntDictionary(src []byte, n, depth int) (*intDictionary, error) {
	entries, values, codes, err := room.openDict(src, n, depth)
	if err != nil {
		return nil, err
	}
	d := room.intDicts.put(intDictionary{codes: codes, size: 1 + len(src)})
	d.values, err = room.openInts(values, entries, depth+1)
	return d, err
}

func (d *intDictionary) load() (err error) {
	if d.loaded == nil {
		d.loaded, err = d.values.all()
	}
	return err
}

func (d *intDictionary) vector(v int, dst []int64) error {
	if err := d.load(); err != nil {
		return err
	}
	if _, err := d.codes.Vector(v, dst[:len(dst):len(dst)]); err != nil {
		return err
	}
	if !lookup(dst, dst, d.loaded) {
		return corrupt("dictionary: code beyond %d entries in vector %d", len(d.loaded), v)
	}
	return nil
}

// lookup sets dst[i] to values[codes[i]]; false if a code lies outside.
func lookup[T any](dst []T, codes []int64, values []T) bool {
	dst = dst[:len(codes)]
	for i, c := range codes {
		if uint64(c) >= uint64(len(values)) {
			return false
		}
		dst[i] = values[c]
	}
	return true
}

func (d *intDictionary) filter(v int, f *IntFilter, out *Bits) (bool, error) {
	if d.filtered != f {
		keep, err := filterEntries(d.values.Len(), func(v int, out *Bits) error { return d.values.Filter(v, f, out) })
		if err != nil {
			return true, err
		}
		d.keep, d.filtered = NewTableFilter(keep), f
	}
	return true, d.codes.FilterTable(v, d.keep, out)
}

// filterEntries marks the entries of a dictionary that pass; filter is the
// entries' own, so that they need not be decoded for it.
func filterEntries(n int, filter func(v int, out *Bits) error) ([]uint8, error) {
	keep := make([]uint8, n)
	var some Bits
	for v := range Vectors(n) {
		if err := filter(v, &some); err != nil {
			return nil, err
		}
		part := keep[v*VectorRows:][:VectorLen(n, v)]
		for i := range part {
			part[i] = uint8(some[i>>6] >> (i & 63) & 1)
		}
	}
	return keep, nil
}

func (d *intDictionary) describe() Node {
	return describeDict(d.values.Describe(), d.codes.Describe(), d.size)
}

func describeDict(values, codes Node, size int) Node {
	values.Role, codes.Role = "values", "codes"
	return Node{Scheme: Dictionary, Detail: detail("%d entries", values.Values), Values: codes.Values, Size: size,
		Child: []Node{values, codes}}
}
