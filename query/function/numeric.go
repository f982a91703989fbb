package function

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// PostgreSQL's limits of numeric results: the least significant digits that
// inexact operations give, and the most digits after the point that they show.
const (
	minSigDigits    = 16
	maxDisplayScale = 1000
)

var errNumericOverflow = pgerr.New(pgerr.NumericOutOfRange, "value overflows numeric format")

func numericKernels(k kernels) {
	k.add(numericFast(addSmall, addDecimal), "numeric_add")
	k.add(numericFast(subSmall, subDecimal), "numeric_sub")
	k.add(numericFast(mulSmall, mulDecimal), "numeric_mul")
	k.add(fn2(divDecimal), "numeric_div")
	k.add(fn2(modDecimal), "numeric_mod")
	k.add(fn2(divTrunc), "numeric_div_trunc")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return negDecimal(a), nil }), "numeric_uminus")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return a, nil }), "numeric_uplus")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { a.Neg = false; return a, nil }), "numeric_abs")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) {
		if a.Kind == datum.NaN {
			return a, nil
		}
		return datum.DecimalFromInt(int64(a.Sign())), nil
	}), "numeric_sign")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return a.Ceil(), nil }), "numeric_ceil")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return a.Floor(), nil }), "numeric_floor")
	round := func(a datum.Decimal, scale int32) (datum.Decimal, error) { return bounded(a.Round(clampScale(scale))) }
	trunc := func(a datum.Decimal, scale int32) (datum.Decimal, error) { return bounded(a.Trunc(clampScale(scale))) }
	k.add(fn2(round), "numeric_round")
	k.add(fn2(trunc), "numeric_trunc")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return round(a, 0) }), "oid1708")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return trunc(a, 0) }), "oid1710")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return addDecimal(a, datum.DecimalFromInt(1)) }), "numeric_inc")
	k.add(fn1(func(a datum.Decimal) (datum.Decimal, error) { return trimScale(a), nil }), "numeric_trim_scale")
	numericScales(k)
	k.add(fn2(gcdDecimal), "numeric_gcd")
	k.add(fn2(lcmDecimal), "numeric_lcm")
	k.add(fn1c(factorial), "numeric_fac")
}

// numericScales are the functions that give NULL for NaN and the infinities.
func numericScales(k kernels) {
	of := func(f func(d datum.Decimal) int32) evalFunc {
		return strictBoxed(func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			d := args[0].(datum.Decimal)
			if d.Kind != datum.Finite {
				return nil, nil
			}
			return f(d), nil
		}, datum.Numeric)
	}
	k.add(of(func(d datum.Decimal) int32 { return d.Scale }), "numeric_scale")
	k.add(of(func(d datum.Decimal) int32 { return trimScale(d).Scale }), "numeric_min_scale")
}

// clampScale bounds round's and trunc's second argument as PostgreSQL does.
func clampScale(scale int32) int32 { return min(max(scale, -131073), 16383) }

// numericFast runs small on numbers whose coefficients fit 64 bits and slow on
// the others and where small gives up.
func numericFast(small func(a int64, as int32, b int64, bs int32) (int64, int32, bool), slow func(a, b datum.Decimal) (datum.Decimal, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		mask := strictNulls(c.Mem, args[:2], n)
		defer mask.release()
		x, y := args[0].Array.(*array.Binary), args[1].Array.(*array.Binary)
		xm, ym := rowMask(args[0]), rowMask(args[1])
		b := array.NewBinaryBuilder(c.Mem, arrow.BinaryTypes.Binary)
		defer b.Release()
		b.Reserve(n)
		var buf []byte
		for i := range n {
			if mask.null(i) {
				b.AppendNull()
				continue
			}
			av, as, aok := datum.NumericInt(x.Value(i & xm))
			bv, bs, bok := datum.NumericInt(y.Value(i & ym))
			if aok && bok {
				if v, s, ok := small(av, as, bv, bs); ok {
					buf = datum.AppendNumericInt(buf[:0], v, s)
					b.Append(buf)
					continue
				}
			}
			d, err := slow(decimalAt(x, i&xm), decimalAt(y, i&ym))
			if err == nil {
				err = c.poll(i)
			}
			if err != nil {
				return nil, err
			}
			buf = datum.AppendNumeric(buf[:0], d)
			b.Append(buf)
			if b.DataLen() > maxBytes {
				return nil, pgerr.New(pgerr.ProgramLimitExceeded, "result of a batch exceeds %d bytes", maxBytes)
			}
		}
		return b.NewArray(), nil
	}
}

func decimalAt(a *array.Binary, i int) datum.Decimal {
	d, err := datum.DecodeNumeric(a.Value(i))
	if err != nil {
		panic("function: bug: " + err.Error())
	}
	return d
}

func addSmall(a int64, as int32, b int64, bs int32) (int64, int32, bool) {
	if as != bs {
		return 0, 0, false
	}
	r := a + b
	return r, as, (a^r)&(b^r) >= 0 && r != math.MinInt64
}

func subSmall(a int64, as int32, b int64, bs int32) (int64, int32, bool) {
	if as != bs {
		return 0, 0, false
	}
	r := a - b
	return r, as, (a^b)&(a^r) >= 0 && r != math.MinInt64
}

func mulSmall(a int64, as int32, b int64, bs int32) (int64, int32, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > math.MaxInt64 || as+bs > datum.MaxDecimalScale {
		return 0, 0, false
	}
	if a < 0 != (b < 0) {
		return -int64(lo), as + bs, true
	}
	return int64(lo), as + bs, true
}

// signed returns the coefficient with its sign, as a copy.
func signed(d *datum.Decimal) *apd.BigInt {
	c := new(apd.BigInt).Set(&d.Coeff)
	if d.Neg {
		c.Neg(c)
	}
	return c
}

// signedAt returns the signed coefficient for a scale that is not below d's.
func signedAt(d *datum.Decimal, scale int32) *apd.BigInt {
	c := signed(d)
	if scale > d.Scale {
		c.Mul(c, pow10(int64(scale-d.Scale)))
	}
	return c
}

func pow10(n int64) *apd.BigInt {
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

// bounded refuses numbers with more digits than numeric holds.
func bounded(d datum.Decimal) (datum.Decimal, error) {
	if d.Kind == datum.Finite && d.Coeff.BitLen() > 400000 && int64(apd.NumDigits(&d.Coeff))-int64(d.Scale) > datum.MaxDecimalDigits {
		return d, errNumericOverflow
	}
	return d, nil
}

var (
	decimalNaN  = datum.Decimal{Kind: datum.NaN}
	decimalZero = datum.DecimalFromInt(0)
	decimalOne  = datum.DecimalFromInt(1)
)

func decimalInf(neg bool) datum.Decimal { return datum.Decimal{Kind: datum.Infinite, Neg: neg} }

func negDecimal(a datum.Decimal) datum.Decimal {
	if a.Kind != datum.NaN && !a.IsZero() {
		a.Neg = !a.Neg
	}
	return a
}

func addDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind == datum.NaN || b.Kind == datum.NaN:
		return decimalNaN, nil
	case a.Kind == datum.Infinite && b.Kind == datum.Infinite && a.Neg != b.Neg:
		return decimalNaN, nil
	case a.Kind == datum.Infinite:
		return a, nil
	case b.Kind == datum.Infinite:
		return b, nil
	}
	scale := max(a.Scale, b.Scale)
	c := signedAt(&a, scale)
	return bounded(datum.MakeDecimal(c.Add(c, signedAt(&b, scale)), scale))
}

func subDecimal(a, b datum.Decimal) (datum.Decimal, error) { return addDecimal(a, negDecimal(b)) }

func mulDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind == datum.NaN || b.Kind == datum.NaN:
		return decimalNaN, nil
	case a.Kind == datum.Infinite || b.Kind == datum.Infinite:
		if a.IsZero() || b.IsZero() {
			return decimalNaN, nil
		}
		return decimalInf(a.Neg != b.Neg), nil
	}
	c := signed(&a)
	return bounded(fromScaled(c.Mul(c, signed(&b)), a.Scale+b.Scale))
}

// fromScaled makes a decimal of a coefficient whose scale may be beyond the limit.
func fromScaled(c *apd.BigInt, scale int32) datum.Decimal {
	if scale > datum.MaxDecimalScale {
		c = divRound(c, pow10(int64(scale-datum.MaxDecimalScale)))
		scale = datum.MaxDecimalScale
	}
	return datum.MakeDecimal(c, scale)
}

// divRound is num/den, rounded half away from zero.
func divRound(num, den *apd.BigInt) *apd.BigInt {
	q, r := new(apd.BigInt), new(apd.BigInt)
	q.QuoRem(num, den, r)
	r.Abs(r)
	r.Lsh(r, 1)
	if r.CmpAbs(den) >= 0 {
		q.Add(q, apd.NewBigInt(int64(num.Sign()*den.Sign())))
	}
	return q
}

// specialQuotient handles division with NaN, the infinities and zero.
func specialQuotient(a, b datum.Decimal) (d datum.Decimal, special bool, err error) {
	switch {
	case a.Kind == datum.NaN || b.Kind == datum.NaN:
		return decimalNaN, true, nil
	case a.Kind == datum.Infinite && b.Kind == datum.Infinite:
		return decimalNaN, true, nil
	case b.IsZero():
		return d, true, errDivisionByZero
	case a.Kind == datum.Infinite:
		return decimalInf(a.Neg != b.Neg), true, nil
	case b.Kind == datum.Infinite:
		return decimalZero, true, nil
	}
	return d, false, nil
}

func divDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	if d, special, err := specialQuotient(a, b); special {
		return d, err
	}
	return divScaled(&a, &b, divScale(&a, &b))
}

// divScaled is the quotient of finite numbers, rounded to scale.
func divScaled(a, b *datum.Decimal, scale int32) (datum.Decimal, error) {
	num, den := signed(a), signed(b)
	if shift := int64(scale) + int64(b.Scale) - int64(a.Scale); shift >= 0 {
		num.Mul(num, pow10(shift))
	} else {
		den.Mul(den, pow10(-shift))
	}
	return bounded(datum.MakeDecimal(divRound(num, den), scale))
}

// divScale is PostgreSQL's select_div_scale: at least 16 significant digits, in
// groups of four, and no fewer decimals than either operand.
func divScale(a, b *datum.Decimal) int32 {
	wa, fa := leadingGroup(a)
	wb, fb := leadingGroup(b)
	w := wa - wb
	if fa <= fb {
		w--
	}
	return displayScale(minSigDigits-w*4, a.Scale, b.Scale)
}

// displayScale is the scale of an inexact result that has want decimals for its
// significant digits.
func displayScale(want int, scales ...int32) int32 {
	s := int32(min(max(want, 0), maxDisplayScale))
	for _, x := range scales {
		s = max(s, x)
	}
	return min(s, maxDisplayScale)
}

// leadingGroup returns the weight and the value of the first base-10000 digit.
func leadingGroup(d *datum.Decimal) (weight, digit int) {
	if d.Coeff.Sign() == 0 {
		return 0, 0
	}
	digits := d.Coeff.String()
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

func modDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind == datum.NaN || b.Kind == datum.NaN:
		return decimalNaN, nil
	case b.IsZero():
		return decimalNaN, errDivisionByZero
	case a.Kind == datum.Infinite:
		return decimalNaN, nil
	case b.Kind == datum.Infinite:
		return a, nil
	}
	scale := max(a.Scale, b.Scale)
	c := new(apd.BigInt)
	return datum.MakeDecimal(c.Rem(signedAt(&a, scale), signedAt(&b, scale)), scale), nil
}

// divTrunc is div(): the quotient cut to an integer.
func divTrunc(a, b datum.Decimal) (datum.Decimal, error) {
	if d, special, err := specialQuotient(a, b); special {
		return d, err
	}
	scale := max(a.Scale, b.Scale)
	c := new(apd.BigInt)
	return bounded(datum.MakeDecimal(c.Quo(signedAt(&a, scale), signedAt(&b, scale)), 0))
}

// trimScale removes trailing zeros after the point.
func trimScale(d datum.Decimal) datum.Decimal {
	if d.Kind != datum.Finite || d.Scale == 0 {
		return d
	}
	if d.IsZero() {
		return decimalZero
	}
	ten, q, r := apd.NewBigInt(10), new(apd.BigInt), new(apd.BigInt)
	c, scale := signed(&d), d.Scale
	for scale > 0 {
		q.QuoRem(c, ten, r)
		if r.Sign() != 0 {
			break
		}
		c, q, scale = q, c, scale-1
	}
	return datum.MakeDecimal(c, scale)
}

func gcdDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind != datum.Finite || b.Kind != datum.Finite:
		return decimalNaN, nil
	}
	scale := max(a.Scale, b.Scale)
	x, y := signedAt(&a, scale), signedAt(&b, scale)
	x.Abs(x)
	y.Abs(y)
	for y.Sign() != 0 {
		r := new(apd.BigInt)
		r.Rem(x, y)
		x, y = y, r
	}
	return datum.MakeDecimal(x, scale), nil
}

func lcmDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	if a.Kind != datum.Finite || b.Kind != datum.Finite {
		return decimalNaN, nil
	}
	scale := max(a.Scale, b.Scale)
	if a.IsZero() || b.IsZero() {
		return datum.MakeDecimal(new(apd.BigInt), scale), nil
	}
	g, _ := gcdDecimal(a, b)
	x, y := signedAt(&a, scale), signedAt(&b, scale)
	x.Quo(x, signedAt(&g, scale))
	x.Mul(x, y)
	x.Abs(x)
	return bounded(datum.MakeDecimal(x, scale))
}

// factorial is bounded by what numeric holds: 32177! has 131 072 digits.
func factorial(c *Context, n int64) (datum.Decimal, error) {
	switch {
	case n < 0:
		return decimalNaN, pgerr.New(pgerr.NumericOutOfRange, "factorial of a negative number is undefined")
	case n > 32177:
		return decimalNaN, errNumericOverflow
	}
	f := apd.NewBigInt(1)
	for i := int64(2); i <= n; i++ {
		if i%1024 == 0 && c.Err() != nil {
			return decimalNaN, canceled(c)
		}
		f.Mul(f, apd.NewBigInt(i))
	}
	return datum.MakeDecimal(f, 0), nil
}

// canceled is the error of a statement that was cancelled.
func canceled(c *Context) error {
	return pgerr.New(pgerr.QueryCanceled, "canceling statement due to user request")
}
