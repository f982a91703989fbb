package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

// Text that spells integers (route "320", trip "1388007") is kept as integers.
// Only the one canonical spelling counts: no leading zeros, no plus, no "-0".

// decimals returns the integers that the strings spell, or nil if one does not.
func decimals(s *Strings) []int64 {
	n := s.Len()
	if _, ok := parseDecimal(s.At(0)); !ok {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		x, ok := parseDecimal(s.At(i))
		if !ok {
			return nil
		}
		out[i] = x
	}
	return out
}

func parseDecimal(b []byte) (int64, bool) {
	d := b
	neg := len(d) > 1 && d[0] == '-'
	if neg {
		d = d[1:]
	}
	if len(d) == 0 || len(d) > 18 || d[0] == '0' && (len(d) > 1 || neg) {
		return 0, false
	}
	var x int64
	for _, c := range d {
		if c < '0' || c > '9' {
			return 0, false
		}
		x = x*10 + int64(c-'0')
	}
	if neg {
		x = -x
	}
	return x, true
}

// decimalText reads text that spells integers.
type decimalText struct {
	ints *Ints
	size int
}

func (room *Room) openDecimal(src []byte, n, depth int) (*decimalText, error) {
	ints, err := room.openInts(src, n, depth+1)
	return room.decimals.put(decimalText{ints: ints, size: 1 + len(src)}), err
}

func (d *decimalText) vector(v int, dst *Strings) error {
	buf := scratch.Get().(*[VectorRows]int64)
	defer scratch.Put(buf)
	ints, err := d.ints.look(v, buf)
	if err != nil {
		return err
	}
	dst.Offsets, dst.Data = slices.Grow(dst.Offsets, len(ints)), slices.Grow(dst.Data, 8*len(ints))
	for _, x := range ints {
		dst.Data = appendInt(dst.Data, x)
		dst.Offsets = append(dst.Offsets, int64(len(dst.Data)))
	}
	return nil
}

// appendInt is strconv.AppendInt to the base 10, several times as fast for up to eight
// digits.
func appendInt(dst []byte, x int64) []byte {
	if x < 0 || x >= 1e8 {
		return strconv.AppendInt(dst, x, 10)
	}
	digits := eightDigits(uint64(x))
	zeros := min(bits.TrailingZeros64(digits)/8, 7) // before the first digit
	dst = binary.LittleEndian.AppendUint64(dst, (digits|0x3030303030303030)>>(8*zeros))
	return dst[:len(dst)-zeros]
}

// eightDigits returns the decimal digits of x, which is less than 10^8, in a byte each:
// the first is the lowest byte. Halves, then quarters, then digits are divided side by
// side, by multiplying with reciprocals that are exact enough.
func eightDigits(x uint64) uint64 {
	x = x/10000 | x%10000<<32
	hundreds := x * 10486 >> 20 & 0x7f0000007f
	x = hundreds | (x-100*hundreds)<<16
	tens := x * 103 >> 10 & 0x000f000f000f000f
	return tens | (x-10*tens)<<8
}

func (d *decimalText) describe() Node {
	ints := d.ints.Describe()
	ints.Role = "integers"
	return Node{Scheme: Decimal, Values: d.ints.n, Size: d.size, Child: []Node{ints}}
}
