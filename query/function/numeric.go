package function

import (
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
)

func divDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	if b.IsZero() {
		return datum.Decimal{}, errDivisionByZero
	}
	scale := divScale(a, b)
	num, q, r := new(apd.BigInt), new(apd.BigInt), new(apd.BigInt)
	num.Mul(&a.Coeff, pow10(int64(scale)+int64(b.Scale)-int64(a.Scale)))
	q.QuoRem(num, &b.Coeff, r)
	r.Abs(r)
	r.Lsh(r, 1)
	if r.CmpAbs(&b.Coeff) >= 0 {
		q.Add(q, apd.NewBigInt(int64(num.Sign()*b.Coeff.Sign())))
	}
	return datum.MakeDecimal(q, scale), nil
}

func pow10(n int64) *apd.BigInt {
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

// divScale is PostgreSQL's select_div_scale: at least 16 significant digits, in
// groups of four, and no fewer decimals than either operand.
func divScale(a, b datum.Decimal) int32 {
	wa, fa := leadingGroup(a)
	wb, fb := leadingGroup(b)
	w := wa - wb
	if fa <= fb {
		w--
	}
	return min(max(16-int32(w)*4, a.Scale, b.Scale, 0), 1000)
}

// leadingGroup returns the weight and the value of the first base-10000 digit.
func leadingGroup(d datum.Decimal) (weight, digit int) {
	if d.Coeff.Sign() == 0 {
		return 0, 0
	}
	digits := d.Coeff.String()
	if digits[0] == '-' {
		digits = digits[1:]
	}
	e := len(digits) - 1 - int(d.Scale)
	weight = e >> 2
	for i := range e - weight*4 + 1 {
		digit *= 10
		if i < len(digits) {
			digit += int(digits[i] - '0')
		}
	}
	return weight, digit
}
