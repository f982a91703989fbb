package datum

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// DecodeKey reads the key of one value from the front of src and returns the
// value and the rest. The value is one that is equal to the encoded one by
// Compare, not always the same: 1.50 comes back as 1.5, -0.0 as 0.0, '1 month'
// as '30 days', char(n) without trailing blanks.
//
// Keys of jsonb and records do not hold what is needed (0A000). Bytes that
// AppendKey cannot have written give an error that wraps ErrCorrupt.
func DecodeKey(t Type, src []byte, o KeyOrder) (v Value, rest []byte, err error) {
	if len(src) == 0 {
		return nil, nil, corruptKey(t, "no bytes")
	}
	null := byte(keyNullLast)
	if o.NullsFirst {
		null = keyNullFirst
	}
	switch src[0] {
	case null:
		return nil, src[1:], nil
	case keyValue:
	default:
		return nil, nil, corruptKey(t, fmt.Sprintf("it begins with byte %d", src[0]))
	}
	r := keyReader{b: src[1:]}
	if o.Desc {
		r.b = slices.Clone(r.b)
		invert(r.b)
	}
	v, err = r.value(t)
	if err != nil {
		return nil, nil, err
	}
	return v, src[len(src)-len(r.b):], nil
}

func corruptKey(t Type, what string) error {
	return fmt.Errorf("%w: key of type %v: %s", ErrCorrupt, t, what)
}

// keyReader takes keys off the front of b.
type keyReader struct{ b []byte }

// take returns the next n bytes, nil if there are less.
func (r *keyReader) take(n int) []byte {
	if len(r.b) < n {
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *keyReader) value(t Type) (Value, error) {
	switch k := t.kind(); k {
	case kBool, kInt16, kInt32, kInt64, kLabel, kUint32, kFloat32, kFloat64, kDate, kTime, kTimestamp, kTimestampTZ, kTimeTZ, kInterval, kUUID:
		b := r.take(keyWidth(k))
		if b == nil {
			return nil, corruptKey(t, "cut off")
		}
		v, ok := fixedKey(k, b)
		if !ok {
			return nil, corruptKey(t, fmt.Sprintf("bytes %x", b))
		}
		return v, nil
	case kNumeric:
		return r.numeric(t)
	case kBytes:
		return r.bytes(t)
	case kArray:
		return r.list(t)
	case kJSONB, kRecord, kRow, kVoid:
		return nil, pgerr.Unsupported("a key of type %v cannot be read back", t)
	}
	b, err := r.bytes(t)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(b) {
		return nil, corruptKey(t, "not UTF-8")
	}
	return string(b), nil
}

// keyWidth is the length of keys that all have the same.
func keyWidth(k kind) int {
	switch k {
	case kBool:
		return 1
	case kInt16:
		return 2
	case kInt32, kUint32, kFloat32, kDate:
		return 4
	case kTimeTZ:
		return 12
	case kInterval, kUUID:
		return 16
	}
	return 8
}

func fixedKey(k kind, b []byte) (v Value, ok bool) {
	int32At := func(b []byte) int32 { return int32(binary.BigEndian.Uint32(b) ^ 1<<31) }
	int64At := func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }
	switch k {
	case kBool:
		return b[0] == 1, b[0] <= 1
	case kInt16:
		return int16(binary.BigEndian.Uint16(b) ^ 1<<15), true
	case kInt32:
		return int32At(b), true
	case kInt64:
		return int64At(b), true
	case kLabel:
		return Label(int64At(b)), true
	case kUint32:
		return OID(binary.BigEndian.Uint32(b)), true
	case kFloat32:
		u := binary.BigEndian.Uint32(b)
		if u == math.MaxUint32 {
			return float32(math.NaN()), true
		}
		if u>>31 == 0 {
			u = ^u
		} else {
			u &^= 1 << 31
		}
		f := math.Float32frombits(u)
		return f, f == f
	case kFloat64:
		u := binary.BigEndian.Uint64(b)
		if u == math.MaxUint64 {
			return math.NaN(), true
		}
		if u>>63 == 0 {
			u = ^u
		} else {
			u &^= 1 << 63
		}
		f := math.Float64frombits(u)
		return f, f == f
	case kDate:
		return Days(int32At(b)), true
	case kTime, kTimestamp, kTimestampTZ:
		return Micros(int64At(b)), true
	case kTimeTZ:
		v := TimeTZValue{Zone: int32At(b[8:])}
		v.Micros = int64At(b) - int64(v.Zone)*microsPerSecond
		return v, v.Micros >= 0 && v.Micros <= microsPerDay
	case kUUID:
		return UUIDValue(b), true
	}
	return intervalOfSpan(int64At(b), binary.BigEndian.Uint64(b[8:]))
}

// intervalOfSpan returns the interval of a length that has the fewest months.
func intervalOfSpan(hi int64, lo uint64) (v IntervalValue, ok bool) {
	h, l := uint64(hi), lo
	if hi < 0 {
		var borrow uint64
		l, borrow = bits.Sub64(0, l, 0)
		h, _ = bits.Sub64(0, h, borrow)
	}
	if h >= microsPerDay {
		return v, false
	}
	q, rest := bits.Div64(h, l, microsPerDay)
	sign, limit := int64(1), uint64(math.MaxInt32)
	if hi < 0 {
		sign, limit = -1, limit+1
	}
	months := uint64(0)
	if q > limit {
		months = min(q/30, limit)
		q -= 30 * months
	}
	days := min(q, limit)
	q -= days // what no months and days can hold goes to the microseconds
	if q >= math.MaxInt64/microsPerDay+1 {
		return v, false
	}
	v = IntervalValue{Months: int32(sign * int64(months)), Days: int32(sign * int64(days)), Micros: sign * int64(q*microsPerDay+rest)}
	gotHi, gotLo := v.span()
	return v, gotHi == hi && gotLo == lo
}

// bytes reads a string up to its end mark.
func (r *keyReader) bytes(t Type) ([]byte, error) {
	var out []byte
	for {
		i := bytes.IndexByte(r.b, keyEscape)
		if i < 0 || i+1 == len(r.b) {
			return nil, corruptKey(t, "a string without an end")
		}
		out = append(out, r.b[:i]...)
		mark := r.b[i+1]
		r.b = r.b[i+2:]
		switch mark {
		case keyEnd:
			if out == nil {
				out = []byte{}
			}
			return out, nil
		case keyNUL:
			out = append(out, 0)
		default:
			return nil, corruptKey(t, fmt.Sprintf("byte %d after an escape", mark))
		}
	}
}

func (r *keyReader) list(t Type) (Value, error) {
	elem, _ := t.Elem()
	out := Array{Elem: elem, Values: []Value{}}
	for {
		mark := r.take(1)
		switch {
		case mark == nil:
			return nil, corruptKey(t, "a list without an end")
		case mark[0] == keyListEnd:
			return out, nil
		case mark[0] == keyShapedEnd:
			var err error
			out.Dims, err = r.shape(t, len(out.Values))
			return out, err
		case mark[0] == keyNullElement:
			out.Values = append(out.Values, nil)
		case mark[0] == keyElement:
			v, err := r.value(elem)
			if err != nil {
				return nil, err
			}
			out.Values = append(out.Values, v)
		default:
			return nil, corruptKey(t, fmt.Sprintf("element with mark %d", mark[0]))
		}
	}
}

// shape reads the dimensions of an array of n elements.
func (r *keyReader) shape(t Type, n int) ([]Dim, error) {
	count := r.take(1)
	if count == nil || count[0] == 0 || count[0] > MaxDimensions {
		return nil, corruptKey(t, "bad dimensions")
	}
	dims := make([]Dim, count[0])
	b := r.take(8 * len(dims))
	if b == nil {
		return nil, corruptKey(t, "cut off")
	}
	for i := range dims {
		dims[i].Len = int32(binary.BigEndian.Uint32(b[4*i:]) ^ 1<<31)
		dims[i].Lower = int32(binary.BigEndian.Uint32(b[4*(len(dims)+i):]) ^ 1<<31)
	}
	if CheckShape(appendShape(nil, dims), n) != nil {
		return nil, corruptKey(t, "bad dimensions")
	}
	return dims, nil
}

func (r *keyReader) numeric(t Type) (Value, error) {
	class := r.take(1)
	if class == nil {
		return nil, corruptKey(t, "cut off")
	}
	switch class[0] {
	case keyNumericNegInfinity:
		return Decimal{Kind: Infinite, Neg: true}, nil
	case keyNumericZero:
		return Decimal{}, nil
	case keyNumericInfinity:
		return Decimal{Kind: Infinite}, nil
	case keyNumericNaN:
		return Decimal{Kind: NaN}, nil
	case keyNumericPositive, keyNumericNegative:
		return r.finite(t, class[0] == keyNumericNegative)
	}
	return nil, corruptKey(t, fmt.Sprintf("class %d", class[0]))
}

func (r *keyReader) finite(t Type, neg bool) (Value, error) {
	var flip byte
	if neg {
		flip = 0xff
	}
	head := r.take(4)
	n := bytes.IndexByte(r.b, keyDigitsEnd^flip)
	if head == nil || n <= 0 || n > (MaxDecimalDigits+MaxDecimalScale)/2+1 {
		return nil, corruptKey(t, "cut off")
	}
	exponent := binary.BigEndian.Uint32(head)
	if neg {
		exponent = ^exponent
	}
	digits := make([]byte, 0, 2*n)
	for _, b := range r.take(n) {
		pair := b ^ flip - 1
		if pair > 99 {
			return nil, corruptKey(t, fmt.Sprintf("pair of digits %d", pair))
		}
		digits = append(digits, '0'+pair/10, '0'+pair%10)
	}
	r.take(1)
	if bytes.HasSuffix(digits, []byte("00")) {
		return nil, corruptKey(t, "trailing zeros")
	}
	digits = bytes.TrimSuffix(digits, []byte("0"))
	scale := int64(len(digits)) - int64(int32(exponent^1<<31))
	if len(digits) == 0 || digits[0] == '0' || scale > MaxDecimalScale || scale < -MaxDecimalDigits {
		return nil, corruptKey(t, fmt.Sprintf("%d digits and a scale of %d", len(digits), scale))
	}
	if scale < 0 {
		digits = append(digits, bytes.Repeat([]byte("0"), int(-scale))...)
		scale = 0
	}
	var coeff apd.BigInt
	if _, ok := coeff.SetString(string(digits), 10); !ok {
		return nil, corruptKey(t, "bad digits")
	}
	d := MakeDecimal(&coeff, int32(scale))
	d.Neg = neg
	return d, nil
}
