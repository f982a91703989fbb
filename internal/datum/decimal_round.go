package datum

import (
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// digitCount returns the number of decimal digits of a positive coefficient.
func digitCount(c *apd.BigInt) int {
	if c.IsUint64() {
		var buf [20]byte
		return len(strconv.AppendUint(buf[:0], c.Uint64(), 10))
	}
	return int(apd.NumDigits(c))
}

// wholeDigits returns the number of digits before the point, without leading
// zeros; 0.05 has -1.
func (d *Decimal) wholeDigits() int {
	if d.Coeff.Sign() == 0 {
		return 0
	}
	return digitCount(&d.Coeff) - int(d.Scale)
}

// Round rounds half away from zero to scale digits after the point; a negative
// scale rounds before it. The result's scale is scale, at least 0.
func (d Decimal) Round(scale int32) Decimal { return d.rescale(scale, true) }

// Trunc cuts towards zero to scale digits after the point.
func (d Decimal) Trunc(scale int32) Decimal { return d.rescale(scale, false) }

func (d Decimal) rescale(scale int32, round bool) Decimal {
	if d.Kind != Finite || scale == d.Scale {
		return d
	}
	scale = min(max(scale, -MaxDecimalDigits-1), MaxDecimalScale)
	r := Decimal{Scale: max(scale, 0)}
	if scale > d.Scale {
		r.Neg = d.Neg
		r.Coeff.Mul(&d.Coeff, pow10(scale-d.Scale))
		return r
	}
	drop := d.Scale - scale
	if int(drop) > digitCount(&d.Coeff) {
		return r // also after rounding: it is below 0.1 of the last place
	}
	var rem apd.BigInt
	p := pow10(drop)
	r.Coeff.QuoRem(&d.Coeff, p, &rem)
	if round && rem.Add(&rem, &rem).Cmp(p) >= 0 {
		r.Coeff.Add(&r.Coeff, bigOne)
	}
	if scale < 0 {
		r.Coeff.Mul(&r.Coeff, pow10(-scale))
	}
	r.Neg = d.Neg && r.Coeff.Sign() != 0
	return r
}

// Ceil returns the smallest integer not below d, of scale 0.
func (d Decimal) Ceil() Decimal {
	t := d.Trunc(0)
	if d.Kind == Finite && !d.Neg && t.Cmp(&d) < 0 {
		t.Coeff.Add(&t.Coeff, bigOne)
	}
	return t
}

// Floor returns the greatest integer not above d, of scale 0.
func (d Decimal) Floor() Decimal {
	t := d.Trunc(0)
	if d.Kind == Finite && d.Neg && t.Cmp(&d) > 0 {
		t.Coeff.Add(&t.Coeff, bigOne)
		t.Neg = true
	}
	return t
}
