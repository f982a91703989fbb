package chunk

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/phyllodb/phyllo/internal/datum"
)

// maxBoundBytes is where bounds of text and bytea are cut.
const maxBoundBytes = 16

// bounds enclose the non-NULL values of a vector or a chunk, in the terms of
// the column's order. Which fields count depends on that.
type bounds struct {
	any            bool // there is a non-NULL value
	minI, maxI     int64
	minF, maxF     float64
	minB, maxB     []byte
	minV, maxV     datum.Value // orderValues, orderNumeric in bytes
	minCut, maxCut bool        // not values themselves; maxB nil: unbounded
	unknown        bool        // nothing is known but any
}

// boundsOf measures rows from..to-1. The byte strings point into v.
func boundsOf(o order, v *values, from, to int) (b bounds) {
	switch o {
	case orderInts, orderBits, orderNumeric:
		if v.form == formBytes || v.form == formWide {
			b.unknown = true
			break
		}
		for i := from; i < to; i++ {
			if v.isNull(i) {
				continue
			}
			var x int64
			if v.form == formBits {
				x = int64(v.bits[i>>6] >> (i & 63) & 1)
			} else {
				x = v.ints[i]
			}
			if !b.any {
				b.any, b.minI, b.maxI = true, x, x
			}
			b.minI, b.maxI = min(b.minI, x), max(b.maxI, x)
		}
		return b
	case orderFloats:
		for i := from; i < to; i++ {
			if v.isNull(i) {
				continue
			}
			var x float64
			if v.form == formFloat32 {
				x = float64(v.f32[i])
			} else {
				x = v.f64[i]
			}
			b.addFloat(x)
		}
		return b
	case orderBytes, orderPadded:
		for i := from; i < to; i++ {
			if !v.isNull(i) && !(i > from && v.repeats(i)) {
				b.addBytes(o, v.strs.At(i))
			}
		}
		return b
	default:
		b.unknown = true
	}
	for i := from; i < to && !b.any; i++ {
		b.any = !v.isNull(i)
	}
	return b
}

func (b *bounds) addFloat(x float64) {
	switch {
	case !b.any:
		b.any, b.minF, b.maxF = true, x, x
	case x < b.minF || b.minF != b.minF && x == x:
		b.minF = x
	case x > b.maxF || x != x && b.maxF == b.maxF:
		b.maxF = x
	}
}

func (b *bounds) addBytes(o order, s []byte) {
	if o == orderPadded {
		s = bytes.TrimRight(s, " ")
	}
	switch {
	case !b.any:
		b.any, b.minB, b.maxB = true, s, s
	case bytes.Compare(s, b.minB) < 0:
		b.minB = s
	case bytes.Compare(s, b.maxB) > 0:
		b.maxB = s
	}
}

// merge extends b by c, neither cut.
func (b *bounds) merge(o order, c bounds) {
	if !c.any {
		return
	}
	if !b.any {
		*b = c
		return
	}
	switch o {
	case orderInts, orderBits, orderNumeric:
		b.minI, b.maxI = min(b.minI, c.minI), max(b.maxI, c.maxI)
	case orderFloats:
		b.addFloat(c.minF)
		b.addFloat(c.maxF)
	case orderBytes, orderPadded:
		b.addBytes(o, c.minB)
		b.addBytes(o, c.maxB)
	}
}

// cut shortens byte bounds to about maxBoundBytes; those of text stay valid UTF-8.
func (b *bounds) cut(text bool) {
	if len(b.minB) > maxBoundBytes {
		b.minB, b.minCut = cutAt(b.minB, text), true
	}
	if len(b.maxB) > maxBoundBytes {
		p := cutAt(b.maxB, text)
		b.maxCut = true
		if text {
			b.maxB = afterText(p)
		} else {
			b.maxB = after(p)
		}
	}
}

func cutAt(b []byte, text bool) []byte {
	n := maxBoundBytes
	for text && n > maxBoundBytes-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// after returns the least string greater than all that start with p, nil if
// there is none.
func after(p []byte) []byte {
	p = append([]byte(nil), p...)
	for len(p) > 0 {
		if p[len(p)-1] != 0xff {
			p[len(p)-1]++
			return p
		}
		p = p[:len(p)-1]
	}
	return nil
}

// afterText is after among valid UTF-8, whose byte order is that of code points.
func afterText(p []byte) []byte {
	for len(p) > 0 {
		r, n := utf8.DecodeLastRune(p)
		p = p[:len(p)-n]
		switch {
		case r == utf8.RuneError && n == 1:
			return nil
		case r == utf8.MaxRune:
			continue
		case r == 0xd7ff: // the surrogates follow
			r = 0xe000
		default:
			r++
		}
		return utf8.AppendRune(append([]byte(nil), p...), r)
	}
	return nil
}

// values sets the bounds of an entry.
func (b *bounds) values(o order, v *values, t datum.Type, e *ColumnEntry) {
	e.MinCut, e.MaxCut = b.minCut, b.maxCut
	switch {
	case !b.any:
	case b.unknown && b.minV == nil:
		e.MinCut, e.MaxCut = true, true
	case b.unknown:
		e.Min, e.Max = b.minV, b.maxV
	case o == orderInts:
		e.Min, e.Max = intValue(t, b.minI), intValue(t, b.maxI)
	case o == orderBits:
		e.Min, e.Max = b.minI != 0, b.maxI != 0
	case o == orderNumeric:
		e.Min, e.Max = scaledValue(b.minI, v.scale), scaledValue(b.maxI, v.scale)
	case o == orderFloats && v.form == formFloat32:
		e.Min, e.Max = float32(b.minF), float32(b.maxF)
	case o == orderFloats:
		e.Min, e.Max = b.minF, b.maxF
	default:
		if isText(t) && !(utf8.Valid(b.minB) && utf8.Valid(b.maxB)) {
			e.MinCut, e.MaxCut = true, true // not from PostgreSQL; a manifest holds no such text
			return
		}
		e.Min = bytesValue(t, b.minB)
		if b.maxB != nil || !b.maxCut {
			e.Max = bytesValue(t, b.maxB)
		}
	}
}

func isText(t datum.Type) bool { return t.Arrow().ID() == arrow.STRING }

// scaledValue returns x * 10^-scale.
func scaledValue(x int64, scale int32) datum.Value {
	var buf [16]byte
	d, err := datum.DecodeNumeric(datum.AppendNumericInt(buf[:0], x, scale))
	if err != nil {
		panic("chunk: bug: " + err.Error())
	}
	return d
}

// The vector index of a blob: bounds of each vector.

const (
	indexAny    = 1
	indexMinCut = 2
	indexMaxCut = 4
	indexNoMax  = 8 // the cut maximum is unbounded
	// Since version 2:
	indexFollows = 16  // the minimum is the maximum of the vector before
	indexOne     = 32  // the maximum is the minimum
	indexSameMin = 64  // the minimum is that of the vector before
	indexSameMax = 128 // the maximum is that of the vector before
)

// appendIndex appends the index, and returns the version of the format that it takes;
// forms without bounds have none.
func appendIndex(dst []byte, o order, f form, index []bounds) (out []byte, version byte) {
	version = 1
	var before *bounds // the vector before, if it has a maximum
	for i := range index {
		b := &index[i]
		if b.unknown {
			return dst, version
		}
		flags := byte(0)
		if b.any {
			flags |= indexAny
		}
		if b.minCut {
			flags |= indexMinCut
		}
		if b.maxCut {
			flags |= indexMaxCut
			if b.maxB == nil {
				flags |= indexNoMax
			}
		}
		if !b.any {
			dst = append(dst, flags)
			before = nil
			continue
		}
		switch {
		case before == nil:
		case sameBound(o, b, false, before, true):
			flags |= indexFollows
		case sameBound(o, b, false, before, false):
			flags |= indexSameMin
		}
		switch {
		case flags&indexNoMax != 0:
		case sameBound(o, b, false, b, true):
			flags |= indexOne
		case before != nil && sameBound(o, b, true, before, true):
			flags |= indexSameMax
		}
		if flags >= indexFollows {
			version = 2
		}
		dst = append(dst, flags)
		if flags&(indexFollows|indexSameMin) == 0 {
			dst = appendMin(dst, o, f, b)
		}
		if flags&(indexOne|indexSameMax|indexNoMax) == 0 {
			dst = appendMax(dst, o, f, b)
		}
		before = b
		if flags&indexNoMax != 0 {
			before = nil
		}
	}
	return dst, version
}

// sameBound says whether a bound of a and one of b have the same bits.
func sameBound(o order, a *bounds, aMax bool, b *bounds, bMax bool) bool {
	x, y := a.bound(aMax), b.bound(bMax)
	switch o {
	case orderInts, orderBits, orderNumeric:
		return x.minI == y.minI
	case orderFloats:
		return math.Float64bits(x.minF) == math.Float64bits(y.minF)
	}
	return bytes.Equal(x.minB, y.minB)
}

// bound returns one of the bounds as a minimum.
func (b *bounds) bound(max bool) bounds {
	if max {
		return bounds{minI: b.maxI, minF: b.maxF, minB: b.maxB}
	}
	return bounds{minI: b.minI, minF: b.minF, minB: b.minB}
}

func appendMin(dst []byte, o order, f form, b *bounds) []byte {
	switch o {
	case orderInts, orderBits, orderNumeric:
		return binary.AppendVarint(dst, b.minI)
	case orderFloats:
		return appendFloatBound(dst, f, b.minF)
	}
	return append(append(dst, byte(len(b.minB))), b.minB...)
}

func appendMax(dst []byte, o order, f form, b *bounds) []byte {
	switch o {
	case orderInts, orderBits, orderNumeric:
		return binary.AppendUvarint(dst, uint64(b.maxI)-uint64(b.minI))
	case orderFloats:
		return appendFloatBound(dst, f, b.maxF)
	}
	return append(append(dst, byte(len(b.maxB))), b.maxB...)
}

func appendFloatBound(dst []byte, f form, x float64) []byte {
	if f == formFloat32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x)))
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

// decodeIndex reads the index of n vectors, nil if there is none.
func decodeIndex(src []byte, o order, f form, vectors int) ([]bounds, bool) {
	if len(src) == 0 {
		return nil, true
	}
	r := reader{b: src}
	out := make([]bounds, vectors)
	for i := range out {
		b := &out[i]
		flags := r.byte()
		b.any = flags&indexAny != 0
		b.minCut, b.maxCut = flags&indexMinCut != 0, flags&indexMaxCut != 0
		if !b.any {
			continue
		}
		if !b.fillFrom(out[:i], flags, o) {
			return nil, false
		}
		readMin, readMax := flags&(indexFollows|indexSameMin) == 0, flags&(indexOne|indexSameMax|indexNoMax) == 0
		switch o {
		case orderInts, orderBits, orderNumeric:
			if readMin {
				b.minI = r.varint()
			}
			if readMax {
				b.maxI = int64(uint64(b.minI) + r.uvarint())
			} else if flags&indexOne != 0 {
				b.maxI = b.minI
			}
			if b.maxI < b.minI {
				r.bad = true
			}
		case orderFloats:
			if readMin {
				b.minF = r.float(f)
			}
			if readMax {
				b.maxF = r.float(f)
			} else if flags&indexOne != 0 {
				b.maxF = b.minF
			}
		case orderBytes, orderPadded:
			if readMin {
				b.minB = r.take(int(r.byte()))
			}
			if readMax {
				b.maxB = r.take(int(r.byte()))
			} else if flags&indexOne != 0 {
				b.maxB = b.minB
			}
		default:
			return nil, false
		}
	}
	return out, !r.bad && len(r.b) == 0
}

// fillFrom takes the bounds that flags say are those of the vector before. It
// reports false if flags contradict each other, or there are no such bounds.
func (b *bounds) fillFrom(before []bounds, flags byte, o order) bool {
	mins, maxes := flags&(indexFollows|indexSameMin), flags&(indexOne|indexSameMax|indexNoMax)
	if mins&(mins-1) != 0 || maxes&(maxes-1) != 0 {
		return false
	}
	if mins == 0 && maxes != indexSameMax {
		return true
	}
	if len(before) == 0 || !before[len(before)-1].any {
		return false
	}
	last := &before[len(before)-1]
	if (o == orderBytes || o == orderPadded) && last.maxB == nil {
		return false
	}
	switch mins {
	case indexFollows:
		b.minI, b.minF, b.minB = last.maxI, last.maxF, last.maxB
	case indexSameMin:
		b.minI, b.minF, b.minB = last.minI, last.minF, last.minB
	}
	if maxes == indexSameMax {
		b.maxI, b.maxF, b.maxB = last.maxI, last.maxF, last.maxB
	}
	return true
}

// float reads a bound of a form of floats.
func (r *reader) float(f form) float64 {
	if f == formFloat32 {
		return float64(math.Float32frombits(r.uint32()))
	}
	return math.Float64frombits(r.uint64())
}

// A reader reads the parts of a header; the first failure sticks.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *reader) varint() int64 {
	x, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

// count reads a number of at most limit.
func (r *reader) count(limit int) int {
	x := r.uvarint()
	if x > uint64(limit) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(x)
}

func (r *reader) part() []byte { return r.take(r.count(len(r.b))) }
