package datum

import (
	"bytes"
	"cmp"
	"math/bits"

	"github.com/cockroachdb/apd/v3"
)

// rank orders the kinds: -Infinity, finite, Infinity, NaN.
func (d *Decimal) rank() int {
	switch {
	case d.Kind == NaN:
		return 3
	case d.Kind == Infinite && d.Neg:
		return 0
	case d.Kind == Infinite:
		return 2
	}
	return 1
}

// Cmp compares by value: 1.0 equals 1.00, and NaN equals itself and is greatest.
func (d *Decimal) Cmp(e *Decimal) int {
	if dr, er := d.rank(), e.rank(); dr != er || dr != 1 {
		return cmp.Compare(dr, er)
	}
	if ds, es := d.Sign(), e.Sign(); ds != es || ds == 0 {
		return cmp.Compare(ds, es)
	}
	c := cmpMagnitude(d, e)
	if d.Neg {
		return -c
	}
	return c
}

// cmpMagnitude compares the absolute values of finite numbers.
func cmpMagnitude(d, e *Decimal) int {
	if d.Scale == e.Scale {
		return d.Coeff.Cmp(&e.Coeff)
	}
	if d.Scale > e.Scale {
		return -cmpMagnitude(e, d)
	}
	var scaled apd.BigInt
	scaled.Mul(&d.Coeff, pow10(e.Scale-d.Scale))
	return scaled.Cmp(&e.Coeff)
}

// CompareNumeric compares two numerics in their in-memory form.
func CompareNumeric(a, b []byte) int {
	ac, as, aok := NumericInt(a)
	bc, bs, bok := NumericInt(b)
	if aok && bok {
		if as == bs {
			return cmp.Compare(ac, bc)
		}
		if c, ok := compareScaled(ac, as, bc, bs); ok {
			return c
		}
	}
	if bytes.Equal(a, b) {
		return 0
	}
	d, e := mustDecodeNumeric(a), mustDecodeNumeric(b)
	return d.Cmp(&e)
}

// compareScaled compares a x 10^-as with b x 10^-bs if their scales are not
// more than 18 apart.
func compareScaled(a int64, as int32, b int64, bs int32) (c int, ok bool) {
	if as > bs {
		c, ok = compareScaled(b, bs, a, as)
		return -c, ok
	}
	if bs-as > 18 {
		return 0, false
	}
	if (a < 0) != (b < 0) || a == 0 || b == 0 {
		return cmp.Compare(a, b), true
	}
	ua, ub := uint64(a), uint64(b)
	if a < 0 {
		ua, ub = -ua, -ub
	}
	hi, lo := bits.Mul64(ua, uint64(pow10s[bs-as]))
	if hi != 0 {
		c = 1
	} else {
		c = cmp.Compare(lo, ub)
	}
	if a < 0 {
		c = -c
	}
	return c, true
}

// pow10s are the powers of ten that fit an int64.
var pow10s = [19]int64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// pow10 returns 10^n, which the caller must not change.
func pow10(n int32) *apd.BigInt {
	if n < int32(len(pow10s)) {
		return apd.NewBigInt(pow10s[n])
	}
	var z apd.BigInt
	return z.Exp(bigTen, apd.NewBigInt(int64(n)), nil)
}

var (
	bigOne = apd.NewBigInt(1)
	bigTwo = apd.NewBigInt(2)
	bigTen = apd.NewBigInt(10)
)
