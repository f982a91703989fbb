// Package sketch holds small summaries of sets of values that can be merged: how many different values there are (HLL),
// which ones are in quantiles (Quantile), how often they occur (CountMin, TopK), whether one is among them (Bloom), how
// alike two sets are (MinHash). All but TopK are functions of the set: neither the order of the values nor that of
// merging can be told from their bytes.
package sketch

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Sketch is one of the package's types. It is used by one goroutine.
type Sketch interface {
	// Merge adds the values of another sketch, which stays, or fails (22023) if that is of
	// another kind or has other parameters.
	Merge(other Sketch) error
	// SizeBytes estimates the memory held.
	SizeBytes() int64

	kind() kind
	appendBody(dst []byte) []byte
}

type kind byte

const (
	kindHLL      kind = 'h'
	kindQuantile kind = 'q'
	kindCountMin kind = 'c'
	kindTopK     kind = 't'
	kindBloom    kind = 'b'
	kindMinHash  kind = 'm'
)

var kindNames = map[kind]string{
	kindHLL: "hll", kindQuantile: "percentile", kindCountMin: "count_min", kindTopK: "top_k", kindBloom: "bloom", kindMinHash: "minhash",
}

// Bytes of a sketch: magic, version, kind, body, and the low 32 bits of xxHash64 of what comes before.
const (
	magic     = "PhSk"
	version   = 1
	headBytes = len(magic) + 2
	sumBytes  = 4
)

// Encode returns the bytes of a sketch, which Decode reads.
func Encode(s Sketch) []byte {
	b := s.appendBody(append([]byte(magic), version, byte(s.kind())))
	return binary.BigEndian.AppendUint32(b, uint32(xxhash.Sum64(b)))
}

// Decode reads the bytes of a sketch, which may come from anywhere: what is none fails with 22023.
func Decode(b []byte) (Sketch, error) {
	if len(b) < headBytes+sumBytes || string(b[:len(magic)]) != magic {
		return nil, invalid("these bytes are no sketch")
	}
	if v := b[len(magic)]; v != version {
		return nil, invalid("sketches of version %d are not known", v)
	}
	body := b[headBytes : len(b)-sumBytes]
	if uint32(xxhash.Sum64(b[:len(b)-sumBytes])) != binary.BigEndian.Uint32(b[len(b)-sumBytes:]) {
		return nil, invalid("the bytes of a sketch are damaged")
	}
	r := &reader{b: body}
	var s Sketch
	switch kind(b[len(magic)+1]) {
	case kindHLL:
		s = readHLL(r)
	case kindQuantile:
		s = readQuantile(r)
	case kindCountMin:
		s = readCountMin(r)
	case kindTopK:
		s = readTopK(r)
	case kindBloom:
		s = readBloom(r)
	case kindMinHash:
		s = readMinHash(r)
	default:
		return nil, invalid("sketches of kind %q are not known", b[len(magic)+1])
	}
	if r.bad || len(r.b) > 0 {
		return nil, invalid("the bytes of a sketch are damaged")
	}
	return s, nil
}

// Clone returns a copy that shares nothing.
func Clone[S Sketch](s S) S {
	c, err := Decode(Encode(s))
	if err != nil {
		panic("sketch: bug: what was written is not read: " + err.Error())
	}
	return c.(S)
}

// As returns a sketch as one of its type, or an error that says what it is.
func As[S Sketch](s Sketch) (S, error) {
	if t, ok := s.(S); ok {
		return t, nil
	}
	var want S
	return want, invalid("this is a %s sketch, not a %s sketch", kindNames[s.kind()], kindNames[want.kind()])
}

func invalid(format string, args ...any) error {
	return pgerr.New(pgerr.InvalidParameterValue, format, args...)
}

// same returns other as a sketch of s's type.
func same[S Sketch](s S, other Sketch) (S, error) {
	o, ok := other.(S)
	if !ok {
		return o, invalid("a %s sketch cannot be merged with a %s sketch", kindNames[s.kind()], kindNames[other.kind()])
	}
	return o, nil
}

func differs(s Sketch) error {
	return invalid("two %s sketches with different parameters cannot be merged", kindNames[s.kind()])
}

// A reader reads a body; bad is set where it is not as it should be, and then all that is read is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.bad, r.b = true, nil
}

// check makes the body bad unless ok.
func (r *reader) check(ok bool) bool {
	if !ok {
		r.fail()
	}
	return !r.bad
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) float64() float64 { return math.Float64frombits(r.uint64()) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many things follow, which take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// ascending reads n different hashes in order.
func (r *reader) ascending(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.uint64()
		r.check(i == 0 || out[i] > out[i-1])
	}
	return out
}

func appendHashes(dst []byte, hs []uint64) []byte {
	for _, h := range hs {
		dst = binary.BigEndian.AppendUint64(dst, h)
	}
	return dst
}

// addCounts adds counts, which stay at the largest number there is.
func addCounts(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// toInt64 is a count as SQL has it.
func toInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
