package datum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/cockroachdb/apd/v3"
)

// A Decimal is PostgreSQL's numeric: Kind, and for finite ones Coeff x
// 10^-Scale with the display scale kept (1.50 is 150, scale 2). Immutable:
// copies share the coefficient's memory. Coeff is never negative, Scale is 0 to
// MaxDecimalScale, and zero is never Neg.
type Decimal struct {
	Kind  DecimalKind
	Neg   bool
	Coeff apd.BigInt
	Scale int32
}

// DecimalKind tells finite numbers from the others.
type DecimalKind uint8

const (
	Finite DecimalKind = iota
	NaN
	Infinite // sign in Neg
)

// PostgreSQL's limits of numeric: digits before and after the point.
const (
	MaxDecimalDigits = 131072
	MaxDecimalScale  = 16383
)

// ErrCorrupt is wrapped by errors about stored bytes that no encoder wrote.
var ErrCorrupt = errors.New("corrupt value")

// DecimalFromInt returns an integer as a numeric of scale 0.
func DecimalFromInt(v int64) Decimal { return decimalFromParts(v, 0) }

// decimalFromParts returns v x 10^-scale.
func decimalFromParts(v int64, scale int32) Decimal {
	d := Decimal{Scale: scale}
	u := uint64(v)
	if v < 0 {
		d.Neg = true
		u = -u
	}
	d.Coeff.SetUint64(u)
	return d
}

func decimalFromUint(u uint64, neg bool, scale int32) Decimal {
	d := Decimal{Scale: scale, Neg: neg && u != 0}
	d.Coeff.SetUint64(u)
	return d
}

// MakeDecimal returns coeff x 10^-scale; scale must be in Decimal's limits.
// The coefficient may be negative and is copied.
func MakeDecimal(coeff *apd.BigInt, scale int32) Decimal {
	d := Decimal{Scale: scale, Neg: coeff.Sign() < 0}
	d.Coeff.Abs(coeff)
	return d
}

// Small returns the signed coefficient if it fits an int64.
func (d *Decimal) Small() (coeff int64, ok bool) {
	if d.Kind != Finite || !d.Coeff.IsUint64() {
		return 0, false
	}
	u := d.Coeff.Uint64()
	if u > 1<<63-1 {
		return 0, false
	}
	if d.Neg {
		return -int64(u), true
	}
	return int64(u), true
}

// IsZero says whether d is a finite zero of any scale.
func (d *Decimal) IsZero() bool { return d.Kind == Finite && d.Coeff.Sign() == 0 }

// Sign returns -1, 0 or 1; 0 also for NaN.
func (d *Decimal) Sign() int {
	switch {
	case d.Kind == NaN || d.IsZero():
		return 0
	case d.Neg:
		return -1
	}
	return 1
}

// The in-memory form of a numeric is a head byte, and, for finite ones, the
// scale in two bytes, little endian, and the magnitude of the coefficient,
// little endian without leading zeros (so zero has none).
const (
	numericPositive = iota
	numericNegative
	numericNaN
	numericInfinity
	numericNegInfinity
)

// maxCoeffBytes bounds the magnitude: 10^(131072+16383) has 489 837 bits.
const maxCoeffBytes = 61300

// AppendNumeric appends the in-memory form of a numeric; DecodeNumeric reads it.
// Equal numbers of different display scales have different forms.
func AppendNumeric(dst []byte, d Decimal) []byte {
	switch {
	case d.Kind == NaN:
		return append(dst, numericNaN)
	case d.Kind == Infinite && d.Neg:
		return append(dst, numericNegInfinity)
	case d.Kind == Infinite:
		return append(dst, numericInfinity)
	}
	head := byte(numericPositive)
	if d.Neg {
		head = numericNegative
	}
	dst = append(dst, head, byte(d.Scale), byte(d.Scale>>8))
	if d.Coeff.IsUint64() {
		return appendMagnitude(dst, d.Coeff.Uint64())
	}
	big := d.Coeff.Bytes()
	for i := len(big) - 1; i >= 0; i-- {
		dst = append(dst, big[i])
	}
	return dst
}

// AppendNumericInt appends the in-memory form of coeff x 10^-scale.
func AppendNumericInt(dst []byte, coeff int64, scale int32) []byte {
	head, u := byte(numericPositive), uint64(coeff)
	if coeff < 0 {
		head, u = numericNegative, -u
	}
	return appendMagnitude(append(dst, head, byte(scale), byte(scale>>8)), u)
}

func appendMagnitude(dst []byte, u uint64) []byte {
	n := (bits.Len64(u) + 7) / 8
	return binary.LittleEndian.AppendUint64(dst, u)[:len(dst)+n]
}

func readMagnitude(b []byte) uint64 {
	var u uint64
	for i, c := range b {
		u |= uint64(c) << (8 * uint(i))
	}
	return u
}

// NumericInt reads a numeric's in-memory form if it is finite and its
// coefficient fits an int64; it trusts b to be such a form.
func NumericInt(b []byte) (coeff int64, scale int32, ok bool) {
	if len(b) < 3 || len(b) > 11 {
		return 0, 0, false
	}
	u := readMagnitude(b[3:])
	if u > 1<<63-1 {
		return 0, 0, false
	}
	coeff = int64(u)
	if b[0] == numericNegative {
		coeff = -coeff
	}
	return coeff, int32(b[1]) | int32(b[2])<<8, true
}

// AppendNumericWide appends the in-memory form of coeff x 10^-scale, where coeff has
// 128 bits with a sign.
func AppendNumericWide(dst []byte, hi int64, lo uint64, scale int32) []byte {
	head, h := byte(numericPositive), uint64(hi)
	if hi < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		h, _ = bits.Sub64(0, h, borrow)
		head = numericNegative
	}
	dst = append(dst, head, byte(scale), byte(scale>>8))
	if h == 0 {
		return appendMagnitude(dst, lo)
	}
	return appendMagnitude(binary.LittleEndian.AppendUint64(dst, lo), h)
}

// NumericWide reads a numeric's in-memory form if it is finite and its coefficient
// fits 128 bits with a sign; it trusts b to be such a form.
func NumericWide(b []byte) (hi int64, lo uint64, scale int32, ok bool) {
	if len(b) < 3 || len(b) > 3+16 {
		return 0, 0, 0, false
	}
	lo = readMagnitude(b[3:min(11, len(b))])
	h := uint64(0)
	if len(b) > 11 {
		h = readMagnitude(b[11:])
	}
	if h > 1<<63-1 {
		return 0, 0, 0, false
	}
	hi = int64(h)
	if b[0] == numericNegative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		h, _ = bits.Sub64(0, h, borrow)
		hi = int64(h)
	}
	return hi, lo, int32(b[1]) | int32(b[2])<<8, true
}

// DecodeNumeric reads what AppendNumeric wrote, and nothing else: other bytes
// give an error that wraps ErrCorrupt.
func DecodeNumeric(b []byte) (Decimal, error) {
	if len(b) == 1 {
		switch b[0] {
		case numericNaN:
			return Decimal{Kind: NaN}, nil
		case numericInfinity:
			return Decimal{Kind: Infinite}, nil
		case numericNegInfinity:
			return Decimal{Kind: Infinite, Neg: true}, nil
		}
	}
	if len(b) < 3 || b[0] > numericNegative {
		return Decimal{}, fmt.Errorf("%w: numeric: %d bytes with head %x", ErrCorrupt, len(b), b[:min(1, len(b))])
	}
	scale := int32(b[1]) | int32(b[2])<<8
	mag := b[3:]
	if scale > MaxDecimalScale || len(mag) > maxCoeffBytes {
		return Decimal{}, fmt.Errorf("%w: numeric: scale %d, %d bytes", ErrCorrupt, scale, len(mag))
	}
	if len(mag) > 0 && mag[len(mag)-1] == 0 || len(mag) == 0 && b[0] == numericNegative {
		return Decimal{}, fmt.Errorf("%w: numeric: not in canonical form", ErrCorrupt)
	}
	return decodeFinite(b[0] == numericNegative, scale, mag), nil
}

func decodeFinite(neg bool, scale int32, mag []byte) Decimal {
	d := Decimal{Neg: neg, Scale: scale}
	if len(mag) <= 8 {
		d.Coeff.SetUint64(readMagnitude(mag))
		return d
	}
	big := make([]byte, len(mag))
	for i, c := range mag {
		big[len(mag)-1-i] = c
	}
	d.Coeff.SetBytes(big)
	return d
}

// mustDecodeNumeric reads a value of an array, which is of our own making.
func mustDecodeNumeric(b []byte) Decimal {
	d, err := DecodeNumeric(b)
	if err != nil {
		panic("datum: bug: " + err.Error())
	}
	return d
}
