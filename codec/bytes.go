package codec

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Strings holds byte strings end to end: string i is Data[Offsets[i]:Offsets[i+1]].
type Strings struct {
	Offsets []int64 // one more than there are strings; the first is 0
	Data    []byte
}

// Len returns the number of strings.
func (s *Strings) Len() int { return max(len(s.Offsets)-1, 0) }

// At returns string i.
func (s *Strings) At(i int) []byte { return s.Data[s.Offsets[i]:s.Offsets[i+1]:s.Offsets[i+1]] }

// Append adds a string.
func (s *Strings) Append(b []byte) {
	if len(s.Offsets) == 0 {
		s.Offsets = append(s.Offsets, 0)
	}
	s.Data = append(s.Data, b...)
	s.Offsets = append(s.Offsets, int64(len(s.Data)))
}

// Reset empties s and keeps its memory.
func (s *Strings) Reset() {
	s.Offsets = append(s.Offsets[:0], 0)
	s.Data = s.Data[:0]
}

// A bytesNode reads one node of byte strings.
type bytesNode interface {
	// vector appends the strings of vector v to dst.
	vector(v int, dst *Strings) error
	describe() Node
}

// Bytes reads encoded byte strings. It is used by one goroutine.
type Bytes struct {
	n       int
	room    *Room
	node    bytesNode
	buf     *Strings // nil as long as no vector was asked for
	decoded int
	lens    []int64 // what Lengths returns, if it is not stored so
}

// OpenBytes returns a reader of n strings encoded by AppendBytes, which keeps
// src. Errors wrap ErrCorrupt.
func OpenBytes(src []byte, n int) (*Bytes, error) { return new(Room).OpenBytes(src, n) }

// OpenBytes is OpenBytes of a reader that lies in the room.
func (room *Room) OpenBytes(src []byte, n int) (*Bytes, error) { return room.openBytes(src, n, 1) }

func (room *Room) openBytes(src []byte, n, depth int) (*Bytes, error) {
	if len(src) == 0 || depth > MaxDepth || n < 0 || n > MaxValues {
		return nil, corrupt("strings: %d values in %d bytes at depth %d", n, len(src), depth)
	}
	r := room.bytes.put(Bytes{n: n, room: room})
	var err error
	switch s := Scheme(src[0]); s {
	case Constant:
		r.node = room.byteConstants.put(bytesConstant{n: n, value: src[1:]})
	case Plain:
		r.node, err = room.openBytesPlain(src[1:], n, depth)
	case Dictionary:
		r.node, err = room.openBytesDictionary(src[1:], n, depth)
	case Decimal:
		r.node, err = room.openDecimal(src[1:], n, depth)
	case LZ4, Zstd:
		r.node, err = room.openBlocks(s, src[1:], n, depth)
	case Template:
		r.node, err = room.openTemplate(src[1:], n, depth)
	case FSST:
		r.node, err = room.openFSST(src[1:], n, depth)
	case Front:
		r.node, err = room.openFront(src[1:], n, depth)
	default:
		return nil, corrupt("strings: %v", s)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Len returns the number of strings.
func (r *Bytes) Len() int { return r.n }

// Vector decodes vector v. The result is overwritten by the next call; asking
// for the same vector again costs nothing.
func (r *Bytes) Vector(v int) (*Strings, error) {
	if r.decoded != v+1 {
		if r.buf == nil {
			r.buf = r.room.texts.take()
		}
		r.decoded = 0
		r.buf.Reset()
		if err := r.node.vector(v, r.buf); err != nil {
			return nil, err
		}
		r.decoded = v + 1
	}
	return r.buf, nil
}

// Lengths returns the lengths of the strings of vector v without decoding them,
// about, where they hold numbers; nil if the encoding does not have them apart. They
// are as they are stored: nothing has been checked yet. The result is overwritten by
// the next call that asks for anything of another vector.
func (r *Bytes) Lengths(v int) ([]int64, error) {
	switch n := r.node.(type) {
	case *bytesPlain:
		return n.lens.Shared(v)
	case *textBlocks:
		return n.lens.Shared(v)
	case interface {
		addLengths(v int, out []int64) error
	}:
		if r.lens == nil {
			r.lens = r.room.numbers.take(min(VectorRows, r.n))
		}
		out := r.lens[:VectorLen(r.n, v)]
		clear(out)
		return out, n.addLengths(v, out)
	}
	return nil, nil
}

// all decodes every string, those of the entries of a dictionary.
func (r *Bytes) all() (*Strings, error) {
	out := r.room.texts.take()
	for v := range Vectors(r.n) {
		if err := r.node.vector(v, out); err != nil {
			return nil, err
		}
		if r.n > 1 && len(out.Data) > maxRepeat {
			return nil, corrupt("dictionary: entries of more than %d bytes", maxRepeat)
		}
	}
	return out, nil
}

// Dictionary returns the distinct strings and their codes if the column is a
// dictionary (a constant is one of one entry, with nil codes), else nil. The
// codes are checked by no one: those beyond the entries are corrupt.
func (r *Bytes) Dictionary() (entries *Strings, codes *Ints, err error) {
	switch d := r.node.(type) {
	case *bytesDictionary:
		if err := d.load(); err != nil {
			return nil, nil, err
		}
		return d.loaded, d.codes, nil
	case *bytesConstant:
		d.offsets = [2]int64{0, int64(len(d.value))}
		d.entries = Strings{Offsets: d.offsets[:], Data: d.value}
		return &d.entries, nil, nil
	}
	return nil, nil, nil
}

// Codes decodes the codes of vector v of a dictionary; the result is
// overwritten by the next call.
func (r *Ints) Codes(v, entries int) ([]int64, error) {
	c, err := r.Shared(v)
	if err != nil {
		return nil, err
	}
	for _, x := range c {
		if uint64(x) >= uint64(entries) {
			return nil, corrupt("dictionary: code %d of %d entries in vector %d", x, entries, v)
		}
	}
	return c, nil
}

// Describe returns the tree of encodings.
func (r *Bytes) Describe() Node { return r.node.describe() }

// AppendBytes appends a node that holds the strings.
func AppendBytes(dst []byte, s *Strings) []byte { return appendBytes(dst, s, 1, Thorough) }

func appendBytes(dst []byte, s *Strings, depth int, e Effort) []byte {
	n := s.Len()
	if n > MaxValues {
		panic("codec: bug: too many values in a node")
	}
	if n == 0 {
		return append(dst, byte(Constant))
	}
	runs := stringRuns(s)
	if runs == Vectors(n) && (n == 1 || len(s.Data) <= maxRepeat) && sameStrings(s) {
		return append(append(dst, byte(Constant)), s.At(0)...)
	}
	return cheapest(bytesChoices(s, runs, depth, e, false)).append(dst)
}

// stringRuns counts the runs of equal strings, cut at vectors.
func stringRuns(s *Strings) int {
	runs := 1
	for i := 1; i < s.Len(); i++ {
		if i%VectorRows == 0 || !bytes.Equal(s.At(i), s.At(i-1)) {
			runs++
		}
	}
	return runs
}

func sameStrings(s *Strings) bool {
	for i := 0; i < s.Len(); i += VectorRows {
		if !bytes.Equal(s.At(i), s.At(0)) {
			return false
		}
	}
	return true
}

// constant

type bytesConstant struct {
	n     int
	value []byte
	// entries are those of the dictionary that it is.
	entries Strings
	offsets [2]int64
}

// maxRepeat bounds the bytes that a constant or a dictionary may spread over
// one vector: more is refused, since few bytes would take all memory. Larger
// columns are written without them.
const maxRepeat = 128 << 20

func (c *bytesConstant) vector(v int, dst *Strings) error {
	n := VectorLen(c.n, v)
	if c.n > 1 && n*len(c.value) > maxRepeat {
		return corrupt("constant: %d bytes repeated", len(c.value))
	}
	for range n {
		dst.Append(c.value)
	}
	return nil
}

func (c *bytesConstant) describe() Node {
	return Node{Scheme: Constant, Detail: detail("%.32q", c.value), Values: c.n, Size: 1 + len(c.value)}
}

// Plain strings and blocks of strings share the node of the strings' lengths.

func appendLengths(dst []byte, s *Strings, depth int) []byte {
	l := make([]int64, s.Len())
	for i := range l {
		l[i] = s.Offsets[i+1] - s.Offsets[i]
	}
	return appendPart(dst, appendInts(nil, l, min(depth+1, MaxDepth)))
}

func (c *cursor) lengths(room *Room, n, depth int) (*Ints, error) {
	p := c.part()
	if c.bad {
		return nil, corrupt("strings: lengths are cut off")
	}
	return room.openInts(p, n, min(depth+1, MaxDepth))
}

// cut appends strings of the given lengths, which must use up data.
func (s *Strings) cut(lengths []int64, data []byte) error {
	left := int64(len(data))
	at := int64(len(s.Data))
	for _, l := range lengths {
		if l < 0 || l > left {
			return corrupt("strings: length %d with %d bytes left", l, left)
		}
		left -= l
		at += l
		s.Offsets = append(s.Offsets, at)
	}
	if left != 0 {
		return corrupt("strings: %d bytes too many", left)
	}
	s.Data = append(s.Data, data...)
	return nil
}

// plain

type bytesPlain struct {
	n    int
	lens *Ints
	ends []byte
	data []byte
	size int
}

func appendBytesPlain(dst []byte, s *Strings, depth int) []byte {
	dst = append(dst, byte(Plain))
	dst = appendLengths(dst, s, depth)
	for v := range Vectors(s.Len()) {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Offsets[min((v+1)*VectorRows, s.Len())]))
	}
	return append(dst, s.Data[:s.Offsets[s.Len()]]...)
}

func (room *Room) openBytesPlain(src []byte, n, depth int) (*bytesPlain, error) {
	c := cursor{b: src}
	lens, err := c.lengths(room, n, depth)
	if err != nil {
		return nil, err
	}
	p := room.bytesPlain.put(bytesPlain{n: n, lens: lens, ends: c.take(8 * Vectors(n)), size: 1 + len(src)})
	p.data = c.b
	if c.bad || n == 0 {
		return nil, corrupt("plain: %d strings in %d bytes", n, len(src))
	}
	return p, nil
}

func (p *bytesPlain) vector(v int, dst *Strings) error {
	var start uint64
	if v > 0 {
		start = binary.LittleEndian.Uint64(p.ends[8*(v-1):])
	}
	end := binary.LittleEndian.Uint64(p.ends[8*v:])
	if start > end || end > uint64(len(p.data)) || v == Vectors(p.n)-1 && end != uint64(len(p.data)) {
		return corrupt("plain: vector %d lies at %d to %d of %d bytes", v, start, end, len(p.data))
	}
	l, err := p.lens.Shared(v)
	if err != nil {
		return err
	}
	return dst.cut(l, p.data[start:end])
}

func (p *bytesPlain) describe() Node {
	l := p.lens.Describe()
	l.Role = "lengths"
	return Node{Scheme: Plain, Values: p.n, Size: p.size, Child: []Node{l}}
}

// dictionary

type bytesDictionary struct {
	entries *Bytes
	codes   *Ints
	loaded  *Strings
	size    int
}

// stringDict maps strings to codes while encoding.
type stringDict struct {
	entries Strings // in byte order
	index   map[string]int64
	rank    []int64 // code of the strings by first appearance
	seen    []int64 // by row, order of first appearance
}

// collectStrings returns the distinct strings and their codes, or nil if a
// dictionary cannot pay.
func collectStrings(s *Strings) *stringDict {
	n := s.Len()
	if !fewDistinct(n, func(i int) uint64 { return xxhash.Sum64(s.At(i)) }) {
		return nil
	}
	limit := max(min(n*2/3, maxDictEntries*2), 1)
	d := &stringDict{index: make(map[string]int64), seen: make([]int64, n)}
	var order []string
	for i := range n {
		if i > 0 && bytes.Equal(s.At(i), s.At(i-1)) {
			d.seen[i] = d.seen[i-1]
			continue
		}
		k, ok := d.index[string(s.At(i))]
		if !ok {
			if len(order) == limit {
				return nil
			}
			k = int64(len(order))
			x := string(s.At(i))
			d.index[x] = k
			order = append(order, x)
		}
		d.seen[i] = k
	}
	sorted := slices.Clone(order)
	slices.Sort(sorted)
	d.rank = make([]int64, len(order))
	for i, x := range sorted {
		d.entries.Append([]byte(x))
		d.rank[d.index[x]] = int64(i)
	}
	return d
}

// encode returns the node, and the nanoseconds that the nodes below take.
func (d *stringDict) encode(depth int, e Effort) (dst []byte, nanos float64) {
	codes := d.seen
	for i, k := range codes {
		codes[i] = d.rank[k]
	}
	values, below := cheapest(bytesChoices(&d.entries, 0, depth+1, e, false)), planCodes(codes, depth+1, e)
	dst = binary.AppendUvarint([]byte{byte(Dictionary)}, uint64(d.entries.Len()))
	dst = appendPart(dst, values.append(nil))
	return below.append(dst), values.nanos + below.nanos()
}

func (room *Room) openBytesDictionary(src []byte, n, depth int) (*bytesDictionary, error) {
	entries, values, codes, err := room.openDict(src, n, depth)
	if err != nil {
		return nil, err
	}
	d := room.byteDicts.put(bytesDictionary{codes: codes, size: 1 + len(src)})
	d.entries, err = room.openBytes(values, entries, depth+1)
	return d, err
}

func (d *bytesDictionary) load() (err error) {
	if d.loaded == nil {
		d.loaded, err = d.entries.all()
	}
	return err
}

func (d *bytesDictionary) vector(v int, dst *Strings) error {
	if err := d.load(); err != nil {
		return err
	}
	codes, err := d.codes.Codes(v, d.loaded.Len())
	if err != nil {
		return err
	}
	total := 0
	for _, c := range codes {
		total += len(d.loaded.At(int(c)))
	}
	if total > maxRepeat {
		return corrupt("dictionary: %d bytes in vector %d", total, v)
	}
	for _, c := range codes {
		dst.Append(d.loaded.At(int(c)))
	}
	return nil
}

func (d *bytesDictionary) describe() Node {
	return describeDict(d.entries.Describe(), d.codes.Describe(), d.size)
}
