// Package codec turns the values of one column into bytes and back.
//
// Values come in four kinds: integers (int64, which also hold dates, times,
// scaled numerics and dictionary codes), floats (float32 and float64), bits
// (booleans and null masks) and byte strings. Each kind has encodings, one a
// file; AppendInts, AppendFloats, AppendBits and AppendBytes choose among them by
// statistics and sampling, and encodings nest up to MaxDepth deep (a dictionary's
// codes are integers, which may be runs, whose lengths are integers again).
//
// Encoded values are divided into vectors of VectorRows values. A vector is
// decoded by itself; OpenInts and its like check what they can without
// decoding and return a decoder that is used by one goroutine. Who opens many columns
// one after the other opens them in a Room, which uses the memory again.
//
// Encoders trust their callers. Decoders trust no one: any bytes give values
// or an error wrapping ErrCorrupt, and allocate in proportion to the number
// of values asked for or the bytes given, whichever is larger. A node does
// not hold its number of values: the caller keeps that, with a checksum.
//
// The layouts are drawn in format.md.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// VectorRows is the number of values of every vector but the last of a column.
const VectorRows = 1024

// MaxDepth is how deep encodings nest; deeper input is corrupt.
const MaxDepth = 4

// MaxValues bounds the values of one node.
const MaxValues = 1 << 26

// ErrCorrupt reports bytes that no encoder wrote.
var ErrCorrupt = errors.New("corrupt column data")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// Vectors returns the number of vectors that n values make.
func Vectors(n int) int { return (n + VectorRows - 1) / VectorRows }

// VectorLen returns the number of values in vector v of n values.
func VectorLen(n, v int) int { return min(VectorRows, n-v*VectorRows) }

// Bits is a set of the rows of one vector: row i is bit i%64 of word i/64.
type Bits [VectorRows / 64]uint64

// Scheme names an encoding; it is the first byte of a node.
type Scheme uint8

// The schemes. Numbers are part of the format.
const (
	Constant   Scheme = 1
	FOR        Scheme = 2 // frame of reference, bit packed, with patches
	Delta      Scheme = 3 // differences, as FOR
	Linear     Scheme = 4 // differences to a line, as FOR
	RLE        Scheme = 5
	Dictionary Scheme = 6
	ALP        Scheme = 7
	RawBits    Scheme = 8 // a bitmap
	Plain      Scheme = 9
	LZ4        Scheme = 10
	Zstd       Scheme = 11
	Decimal    Scheme = 12 // text that spells integers
	Toggles    Scheme = 13 // bits as the positions at which they change

	Differences Scheme = 14 // differences in any encoding
	ALPRD       Scheme = 15 // floats as their upper and their lower bits
	Sparse      Scheme = 16 // one value and the exceptions from it
	Entropy     Scheme = 17 // Huffman codes of classes of values
	ALPUlp      Scheme = 18 // ALP with corrections in the last places
	PackedBits  Scheme = 19 // a bitmap's bytes in any encoding

	Template Scheme = 20 // strings as what they have in common, and fields
	FSST     Scheme = 21 // strings as codes of symbols of up to 8 bytes
	Front    Scheme = 22 // sorted strings without what they share with the one before
	Ranked   Scheme = 23 // integers as how frequent they are

	Wavelet Scheme = 24 // Huffman codes of classes of values, by their bits

	Copies Scheme = 25 // integers as copies of sequences before them, and literals
	Marks  Scheme = 26 // bits of the values that are one value

	// Halves is in no blob: it describes wide numerics, which are two nodes.
	Halves Scheme = 0
)

var schemeNames = map[Scheme]string{
	Constant: "constant", FOR: "FOR", Delta: "delta", Linear: "linear", RLE: "RLE", Dictionary: "dict",
	ALP: "ALP", RawBits: "bitmap", Plain: "plain", LZ4: "LZ4", Zstd: "zstd", Decimal: "decimal", Toggles: "toggles",
	Differences: "differences", ALPRD: "ALP-RD", Sparse: "sparse", Entropy: "entropy",
	ALPUlp: "ALP-ulp", PackedBits: "packed", Halves: "halves",
	Template: "template", FSST: "FSST", Front: "front", Ranked: "ranked",
	Wavelet: "wavelet", Copies: "copies", Marks: "marks",
}

func (s Scheme) String() string {
	if n, ok := schemeNames[s]; ok {
		return n
	}
	return fmt.Sprintf("scheme(%d)", uint8(s))
}

// A Node describes one node of an encoded column, for people.
type Node struct {
	Scheme Scheme
	Role   string // what the node is to its parent: "codes", "values"; empty at the root
	Detail string // parameters, such as "8 bit + 3 patches"
	Values int
	Size   int // bytes, children included
	Child  []Node
}

// String renders the tree in one line: "dict(FOR, RLE(delta, FOR))".
func (n Node) String() string {
	s := n.Scheme.String()
	if n.Scheme == Template && len(n.Child) > 3 { // a line of a log has dozens
		return s + detail("(%d fields)", len(n.Child))
	}
	if n.Scheme == Copies { // the others are small, and much alike
		return s + "(" + n.Child[0].String() + ")"
	}
	for i, c := range n.Child {
		if i == 0 {
			s += "("
		} else {
			s += ", "
		}
		s += c.String()
	}
	if len(n.Child) > 0 {
		s += ")"
	}
	return s
}

// FormatVersion returns the version of the format that has all encodings of the tree.
func (n Node) FormatVersion() int { return n.formatVersion(1) }

func (n Node) formatVersion(depth int) int {
	v := 1
	// Before version 2 only strings were compressed with zstd; these have lengths below.
	if n.Scheme > Toggles || n.Scheme == Halves || n.Scheme == Zstd && len(n.Child) == 0 {
		v = 2
	}
	switch {
	case n.Scheme == Copies || n.Scheme == Marks || depth > 3 && n.Role != "lengths": // those of strings went deeper before
		v = 4
	case n.Scheme == Wavelet:
		v = 3
	}
	if n.Scheme == Halves { // which is no node
		depth--
	}
	for _, c := range n.Child {
		v = max(v, c.formatVersion(depth+1))
	}
	return v
}

// A cursor reads the parts of a node; the first failure sticks.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad = true
		c.b = nil
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.bad = true
		return 0
	}
	x := c.b[0]
	c.b = c.b[1:]
	return x
}

func (c *cursor) uvarint() uint64 {
	x, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad = true
		c.b = nil
		return 0
	}
	c.b = c.b[n:]
	return x
}

func (c *cursor) varint() int64 { return unzigzag(c.uvarint()) }

// count reads a number that may not pass limit.
func (c *cursor) count(limit int) int {
	x := c.uvarint()
	if x > uint64(limit) {
		c.bad = true
		return 0
	}
	return int(x)
}

// part reads a length and as many bytes.
func (c *cursor) part() []byte { return c.take(c.count(len(c.b))) }

// done says whether all was read without failure and nothing is left.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }

func appendPart(dst, part []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(part)))
	return append(dst, part...)
}

func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(x uint64) int64 { return int64(x>>1) ^ -int64(x&1) }

func appendZigzag(dst []byte, x int64) []byte { return binary.AppendUvarint(dst, zigzag(x)) }
