package chunk

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/recycle"
)

// Numerics of one scale that are too large for an int64, and fit 128 bits with a
// sign, are written as two integers: value = high * base + low, with low from 0 to
// base - 1. A base of 10^18 keeps zeros at the end together (amounts with many
// digits after the point mostly end in them), one of 2^64 takes any number. Readers
// see them as strings, the in-memory form of numerics.

// A stringReader reads strings: of a node of strings, or made of wide numerics.
type stringReader interface {
	Vector(v int) (*codec.Strings, error)
	Lengths(v int) ([]int64, error)
	Dictionary() (entries *codec.Strings, codes *codec.Ints, err error)
	FilterEqual(v int, x []byte, out *codec.Bits) (done bool, err error)
	Describe() codec.Node
}

const wideBase = 1_000_000_000_000_000_000

// The bases as blobs have them.
const (
	baseBinary  = 0 // 2^64
	baseDecimal = 1 // 10^18
)

// wide are the integers of numerics, encoded.
type wide struct {
	scale     int32
	base      byte
	high, low []byte
}

// extractWide takes numerics as two integers each if all are finite, of one scale
// and small enough, unless strings save a twentieth of that.
func (v *values) extractWide(a *array.Binary) bool {
	his, los := make([]int64, v.rows), make([]int64, v.rows)
	seen, decimal := false, true
	var scale int32
	for i := range his {
		if v.isNull(i) {
			continue
		}
		hi, lo, s, ok := datum.NumericWide(a.Value(i))
		if !ok || seen && s != scale || !bytes.Equal(datum.AppendNumericWide(nil, hi, lo, s), a.Value(i)) {
			return false
		}
		if _, _, fits := divideWide(hi, lo); !fits {
			decimal = false
		}
		his[i], los[i], scale, seen = hi, int64(lo), s, true
	}
	if !seen {
		return false
	}
	w := &wide{scale: scale}
	if decimal {
		w.base = baseDecimal
		for i := range his {
			q, r, _ := divideWide(his[i], uint64(los[i]))
			his[i], los[i] = q, int64(r)
		}
	}
	fillNulls(v, his)
	fillNulls(v, los)
	w.high, w.low = codec.AppendInts(nil, his), codec.AppendInts(nil, los)
	if 19*(len(w.high)+len(w.low)) > 20*len(codec.AppendBytes(nil, &v.strs)) {
		return false
	}
	v.form, v.wide = formWide, w
	return true
}

// divideWide divides by 10^18, rounding down; fits is false if the quotient is no int64.
func divideWide(hi int64, lo uint64) (q int64, r uint64, fits bool) {
	neg := hi < 0
	h, l := uint64(hi), lo
	if neg {
		h, l = negate128(h, l)
	}
	if h >= wideBase/2 { // the quotient would not fit
		return 0, 0, false
	}
	u, r := bits.Div64(h, l, wideBase)
	if u >= 1<<63-1 {
		return 0, 0, false
	}
	q = int64(u)
	if neg {
		if q = -q; r > 0 {
			q, r = q-1, wideBase-r
		}
	}
	return q, r, true
}

func negate128(hi, lo uint64) (uint64, uint64) {
	l, borrow := bits.Sub64(0, lo, 0)
	h, _ := bits.Sub64(0, hi, borrow)
	return h, l
}

func (w *wide) appendTo(dst []byte) []byte {
	dst = binary.AppendVarint(dst, int64(w.scale))
	dst = append(dst, w.base)
	dst = binary.AppendUvarint(dst, uint64(len(w.high)))
	return append(append(dst, w.high...), w.low...)
}

// A wideReader reads wide numerics as strings. It is used by one goroutine.
type wideReader struct {
	scale     int32
	base      byte
	high, low *codec.Ints
	strs      codec.Strings // of one vector; its memory is used again
	decoded   int           // vector in strs, plus one
	size      int
}

func (room *chunkRoom) openWide(src []byte, rows int) (*wideReader, error) {
	r := reader{b: src}
	scale := r.varint()
	w := room.wide()
	w.base, w.size = r.byte(), len(src)
	high := r.part()
	if r.bad || scale < 0 || scale > maxNumericScale || w.base > baseDecimal {
		return nil, corrupt("wide numeric of scale %d, base %d", scale, w.base)
	}
	w.scale = int32(scale)
	var err error
	if w.high, err = room.codec.OpenInts(high, rows); err != nil {
		return nil, err
	}
	w.low, err = room.codec.OpenInts(r.b, rows)
	return w, err
}

// reset ends the reader and keeps the memory of its strings.
func (w *wideReader) reset() {
	s := w.strs
	if recycle.Poison {
		recycle.Spoil(s.Data[:cap(s.Data)])
		clear(s.Offsets)
	}
	*w = wideReader{strs: s}
}

func (w *wideReader) Vector(v int) (*codec.Strings, error) {
	if w.decoded == v+1 {
		return &w.strs, nil
	}
	w.decoded = 0
	his, err := w.high.Shared(v)
	if err != nil {
		return nil, err
	}
	los, err := w.low.Shared(v)
	if err != nil {
		return nil, err
	}
	w.strs.Reset()
	for i, hi := range his {
		lo := uint64(los[i])
		if w.base == baseDecimal {
			hi, lo = multiplyWide(hi, lo)
		}
		w.strs.Data = datum.AppendNumericWide(w.strs.Data, hi, lo, w.scale)
		w.strs.Offsets = append(w.strs.Offsets, int64(len(w.strs.Data)))
	}
	w.decoded = v + 1
	return &w.strs, nil
}

// multiplyWide returns q * 10^18 + r, modulo 2^128.
func multiplyWide(q int64, r uint64) (hi int64, lo uint64) {
	h, l := bits.Mul64(uint64(q), wideBase)
	if q < 0 {
		h -= wideBase
	}
	l, carry := bits.Add64(l, r, 0)
	return int64(h + carry), l
}

// Lengths returns nothing: they are not kept apart.
func (w *wideReader) Lengths(int) ([]int64, error) { return nil, nil }

// Dictionary returns nothing: there is none.
func (w *wideReader) Dictionary() (*codec.Strings, *codec.Ints, error) { return nil, nil, nil }

// FilterEqual does nothing: numerics are not compared as bytes.
func (w *wideReader) FilterEqual(int, []byte, *codec.Bits) (bool, error) { return false, nil }

func (w *wideReader) Describe() codec.Node {
	high, low := w.high.Describe(), w.low.Describe()
	high.Role, low.Role = "high", "low"
	return codec.Node{Scheme: codec.Halves, Values: w.high.Len(), Size: w.size, Child: []codec.Node{high, low}}
}
