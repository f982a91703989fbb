package codec

import (
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

func appendDecimal(dst []byte, ints []int64, depth int) []byte {
	return appendInts(append(dst, byte(Decimal)), ints, depth+1)
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

// twoDigits has the numbers below 100 as two digits each.
const twoDigits = "00010203040506070809101112131415161718192021222324" +
	"25262728293031323334353637383940414243444546474849" +
	"50515253545556575859606162636465666768697071727374" +
	"75767778798081828384858687888990919293949596979899"

// appendInt is strconv.AppendInt to the base 10, faster for up to eight digits: they
// are written where they belong, from the last one on.
func appendInt(dst []byte, x int64) []byte {
	if x < 0 || x >= 1e8 {
		return strconv.AppendInt(dst, x, 10)
	}
	var buf [8]byte
	at, y := len(buf), uint32(x)
	for y >= 100 {
		at -= 2
		z := y % 100 * 2
		y /= 100
		buf[at], buf[at+1] = twoDigits[z], twoDigits[z+1]
	}
	at--
	buf[at] = twoDigits[y*2+1]
	if y >= 10 {
		at--
		buf[at] = twoDigits[y*2]
	}
	return append(dst, buf[at:]...)
}

func (d *decimalText) describe() Node {
	ints := d.ints.Describe()
	ints.Role = "integers"
	return Node{Scheme: Decimal, Values: d.ints.n, Size: d.size, Child: []Node{ints}}
}
