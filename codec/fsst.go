package codec

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
)

// FSST (Boncz, Neumann and Leis, "FSST: Fast Random Access String Compression", VLDB
// 2020) replaces up to 8 bytes at a time by a code of one: a symbol of a table that is
// trained on a sample, or an escape and the byte. A string is decoded without those
// before it.

const (
	fsstEscape    = 255
	fsstSymbols   = 255
	fsstLongest   = 8
	fsstRounds    = 5
	fsstSampleLen = 8 << 10
	// fsstLeast bytes make a table worth while, and of those that blocks leave more
	// than fsstHope: it leaves two fifths at best.
	fsstLeast = 1024
	fsstHope  = 0.45
)

// A symbol is up to 8 bytes, the first in the low bits.
type symbol struct {
	bytes uint64
	n     int
}

func (s symbol) mask() uint64 { return ^uint64(0) >> (64 - 8*s.n) }

// loadSymbol returns the first bytes of b.
func loadSymbol(b []byte) symbol {
	if len(b) >= fsstLongest {
		return symbol{binary.LittleEndian.Uint64(b), fsstLongest}
	}
	var w [fsstLongest]byte
	copy(w[:], b)
	return symbol{binary.LittleEndian.Uint64(w[:]), len(b)}
}

// A symbolTable is the symbols of a node.
type symbolTable struct {
	symbols []symbol
	// first lists the codes of symbols by their first byte, the longest first.
	first [256][]uint8
}

func newSymbolTable(symbols []symbol) *symbolTable {
	t := &symbolTable{symbols: symbols}
	slices.SortFunc(t.symbols, func(a, b symbol) int { return cmp.Or(b.n-a.n, cmp.Compare(a.bytes, b.bytes)) })
	for code, s := range t.symbols {
		t.first[byte(s.bytes)] = append(t.first[byte(s.bytes)], uint8(code))
	}
	return t
}

// find returns the code of the longest symbol that b starts with.
func (t *symbolTable) find(b symbol) (code uint8, n int) {
	for _, c := range t.first[byte(b.bytes)] {
		if s := t.symbols[c]; s.n <= b.n && (b.bytes^s.bytes)&s.mask() == 0 {
			return c, s.n
		}
	}
	return fsstEscape, 1
}

func (t *symbolTable) append(dst, b []byte) []byte {
	for len(b) > 0 {
		c, n := t.find(loadSymbol(b))
		dst = append(dst, c)
		if c == fsstEscape {
			dst = append(dst, b[0])
		}
		b = b[n:]
	}
	return dst
}

// symbolCounts counts how often symbols occur, in a hash table.
type symbolCounts struct {
	slots [1 << 14]struct {
		symbol symbol
		count  int
	}
	used []int
}

var symbolScratch = sync.Pool{New: func() any { return new(symbolCounts) }}

func (h *symbolCounts) add(s symbol) {
	s.bytes &= s.mask()
	for i := int(hash64(s.bytes+uint64(s.n)) >> (64 - 14)); ; i = (i + 1) % len(h.slots) {
		x := &h.slots[i]
		if x.count == 0 {
			if len(h.used) > len(h.slots)/2 {
				return
			}
			x.symbol = s
			h.used = append(h.used, i)
		}
		if x.symbol == s {
			x.count++
			return
		}
	}
}

// best returns the symbols that cover most bytes, each met more than once.
func (h *symbolCounts) best() (out []symbol) {
	type candidate struct {
		symbol
		gain int
	}
	list := make([]candidate, 0, len(h.used))
	for _, i := range h.used {
		x := &h.slots[i]
		gain := x.count * x.symbol.n
		if x.symbol.n == 1 {
			gain *= 8 // an escape costs a byte more
		}
		if x.count > 1 {
			list = append(list, candidate{x.symbol, gain})
		}
		x.count = 0
	}
	h.used = h.used[:0]
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(b.gain-a.gain, b.n-a.n, cmp.Compare(a.bytes, b.bytes))
	})
	for _, c := range list[:min(len(list), fsstSymbols)] {
		out = append(out, c.symbol)
	}
	return out
}

// trainSymbols finds symbols for the strings of a sample. Each round counts how often
// the symbols of the last one, bytes without one and pairs of these occur.
func trainSymbols(sample *Strings) *symbolTable {
	t := newSymbolTable(nil)
	counts := symbolScratch.Get().(*symbolCounts)
	defer symbolScratch.Put(counts)
	for range fsstRounds {
		for i := range sample.Len() {
			b := sample.At(i)
			before := 0 // bytes of the symbol before
			for at := 0; at < len(b); {
				_, n := t.find(loadSymbol(b[at:]))
				counts.add(symbol{loadSymbol(b[at:]).bytes, n})
				if before > 0 && before+n <= fsstLongest {
					counts.add(symbol{loadSymbol(b[at-before:]).bytes, before + n})
				}
				before, at = n, at+n
			}
		}
		t = newSymbolTable(counts.best())
	}
	return t
}

// fsstSample returns strings from all over s.
func fsstSample(s *Strings) *Strings {
	if len(s.Data) <= fsstSampleLen {
		return s
	}
	out := &Strings{}
	sampledRows(s.Len(), 64, max(1, fsstSampleLen*s.Len()/len(s.Data)/64), func(row int) {
		if len(out.Data) < fsstSampleLen {
			b := s.At(row)
			out.Append(b[:min(len(b), fsstSampleLen/16)])
		}
	})
	return out
}

// fsstTrial returns what is encoded to know how well the strings are.
func fsstTrial(s *Strings) *Strings {
	if len(s.Data) <= 4*fsstSampleLen {
		return s
	}
	out := &Strings{}
	sampledRows(s.Len(), sampleGroups, max(1, 2*fsstSampleLen*s.Len()/len(s.Data)/sampleGroups), func(row int) { out.Append(s.At(row)) })
	return out
}

func appendFSST(dst []byte, s *Strings, depth int) []byte {
	t := trainSymbols(fsstSample(s))
	dst = append(dst, byte(FSST), byte(len(t.symbols)))
	for _, x := range t.symbols {
		dst = append(dst, byte(x.n))
	}
	for _, x := range t.symbols {
		dst = binary.LittleEndian.AppendUint64(dst, x.bytes)[:len(dst)+x.n]
	}
	coded := &Strings{Offsets: make([]int64, 1, s.Len()+1)}
	for i := range s.Len() {
		coded.Data = t.append(coded.Data, s.At(i))
		coded.Offsets = append(coded.Offsets, int64(len(coded.Data)))
	}
	return appendBytesPlain(dst, coded, depth)
}

// fsstText reads FSST.
type fsstText struct {
	size    int
	symbols [256][fsstLongest]byte
	lengths [256]uint8 // 0: no symbol
	coded   *bytesPlain
	count   int
	room    *Room
	buf     *Strings // the codes of a vector; nil at first
}

func (room *Room) openFSST(src []byte, n, depth int) (*fsstText, error) {
	c := cursor{b: src}
	f := room.symbols.put(fsstText{room: room, size: 1 + len(src), count: int(c.byte())})
	for i, l := range c.take(f.count) {
		if l < 1 || l > fsstLongest {
			return nil, corrupt("FSST: symbol of %d bytes", l)
		}
		f.lengths[i] = l
	}
	for i := range f.count {
		copy(f.symbols[i][:], c.take(int(f.lengths[i])))
	}
	if c.bad || len(c.b) == 0 || Scheme(c.b[0]) != Plain {
		return nil, corrupt("FSST: %d symbols in %d bytes", f.count, len(src))
	}
	var err error
	f.coded, err = room.openBytesPlain(c.b[1:], n, depth)
	return f, err
}

// codes decodes the codes of vector v.
func (f *fsstText) codes(v int) error {
	if f.buf == nil {
		f.buf = f.room.texts.take()
	}
	f.buf.Reset()
	return f.coded.vector(v, f.buf)
}

func (f *fsstText) vector(v int, dst *Strings) error {
	if err := f.codes(v); err != nil {
		return err
	}
	n := f.buf.Len()
	// A code makes at most 8 bytes, and all 8 are written.
	at := len(dst.Data)
	dst.Data = slices.Grow(dst.Data, fsstLongest*(len(f.buf.Data)+1))
	out := dst.Data[:cap(dst.Data)]
	for i := range n {
		codes := f.buf.At(i)
		for k := 0; k < len(codes); k++ {
			c := codes[k]
			l := f.lengths[c]
			if l == 0 {
				if k++; c != fsstEscape || k == len(codes) {
					return corrupt("FSST: code %d of string %d of vector %d", c, i, v)
				}
				out[at] = codes[k]
				at++
				continue
			}
			binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(f.symbols[c][:]))
			at += int(l)
		}
		dst.Offsets = append(dst.Offsets, int64(at))
	}
	dst.Data = out[:at]
	return nil
}

// addLengths adds the lengths of vector v.
func (f *fsstText) addLengths(v int, out []int64) error {
	if err := f.codes(v); err != nil {
		return err
	}
	for i := range out {
		codes := f.buf.At(i)
		for k := 0; k < len(codes); k++ {
			l := f.lengths[codes[k]]
			if l == 0 { // an escape, and its byte
				l = 1
				k++
			}
			out[i] += int64(l)
		}
	}
	return nil
}

func (f *fsstText) describe() Node {
	l := f.coded.lens.Describe()
	l.Role = "lengths"
	return Node{Scheme: FSST, Detail: detail("%d symbols", f.count), Values: f.coded.n, Size: f.size, Child: []Node{l}}
}
