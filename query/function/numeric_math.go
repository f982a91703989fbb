package function

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// This file holds the inexact functions of numeric. PostgreSQL chooses how many
// digits a result shows by estimates in base 10000, which are repeated here to
// the letter; the digits themselves are computed with some to spare and rounded.

func numericMathKernels(k kernels) {
	k.add(fn1(sqrtDecimal), "numeric_sqrt")
	k.add(fn1(expDecimal), "numeric_exp")
	k.add(fn1(lnDecimal), "numeric_ln")
	k.add(fn2(logDecimal), "numeric_log")
	log10 := func(a datum.Decimal) (datum.Decimal, error) { return logDecimal(datum.DecimalFromInt(10), a) }
	k.add(fn1(log10), "oid1481", "oid1741")
	k.add(fn2(powerDecimal), "numeric_power")
	k.add(fn4(widthBucketNumeric), "width_bucket_numeric")
	k.add(fn4(widthBucketFloat), "width_bucket_float8")
}

// apdOf returns a finite decimal for apd's functions.
func apdOf(d *datum.Decimal) *apd.Decimal {
	r := &apd.Decimal{Exponent: -d.Scale, Negative: d.Neg}
	r.Coeff.Set(&d.Coeff)
	return r
}

// decimalOf rounds apd's result to a scale.
func decimalOf(d *apd.Decimal, scale int32) (datum.Decimal, error) {
	c := new(apd.BigInt).Set(&d.Coeff)
	if d.Negative {
		c.Neg(c)
	}
	if shift := int64(d.Exponent) + int64(scale); shift >= 0 {
		c.Mul(c, pow10(shift))
	} else if -shift > apd.NumDigits(c)+1 {
		c = new(apd.BigInt)
	} else {
		c = divRound(c, pow10(-shift))
	}
	return bounded(datum.MakeDecimal(c, scale))
}

// precise returns apd's context with so many digits.
func precise(digits int) *apd.Context {
	ctx := apd.BaseContext.WithPrecision(uint32(max(digits, 20)))
	ctx.Traps = 0
	ctx.MaxExponent, ctx.MinExponent = apd.MaxExponent, apd.MinExponent
	return ctx
}

func sqrtDecimal(a datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind == datum.NaN:
		return a, nil
	case a.Neg:
		return a, pgerr.New(pgerr.InvalidPowerArgument, "cannot take square root of a negative number")
	case a.Kind == datum.Infinite:
		return a, nil
	}
	w, _ := leadingGroup(&a)
	scale := displayScale(minSigDigits-((w+1)*4/2-1), a.Scale)
	return sqrtAt(&a, scale), nil
}

// sqrtAt is the root of a number that is not negative, rounded to scale: the
// root of an integer is found exactly, with some digits to spare.
func sqrtAt(a *datum.Decimal, scale int32) datum.Decimal {
	const guard = 3
	c := new(apd.BigInt).Set(&a.Coeff)
	if shift := 2*(int64(scale)+guard) - int64(a.Scale); shift >= 0 {
		c.Mul(c, pow10(shift))
	} else {
		c.Quo(c, pow10(-shift))
	}
	c.Sqrt(c)
	return datum.MakeDecimal(divRound(c, pow10(guard)), scale)
}

func expDecimal(a datum.Decimal) (datum.Decimal, error) {
	switch {
	case a.Kind == datum.NaN:
		return a, nil
	case a.Kind == datum.Infinite:
		if a.Neg {
			return decimalZero, nil
		}
		return a, nil
	}
	x := decimalToFloat(&a)
	weight := x * 0.434294481903252
	weight = min(max(weight, -2000), 2000)
	scale := displayScale(minSigDigits-int(weight), a.Scale)
	switch {
	case x >= expLimit:
		return a, errNumericOverflow
	case x <= -expLimit:
		return datum.MakeDecimal(new(apd.BigInt), scale), nil
	}
	r, err := expPrecise(apdOf(&a), int(scale)+max(int(x*0.4343), 0)+12)
	if err != nil {
		return a, err
	}
	return decimalOf(r, scale)
}

// expLimit is three times PostgreSQL's NUMERIC_MAX_RESULT_SCALE: beyond it exp
// overflows or is zero.
const expLimit = 6000

// expPrecise is exp(x) with so many significant digits. The argument is halved
// until it is small, where the series is short, and the result squared as often.
func expPrecise(x *apd.Decimal, digits int) (*apd.Decimal, error) {
	f, _ := x.Float64()
	halvings := 16
	if f != 0 {
		halvings = max(0, math.Ilogb(f)+16)
	}
	digits += 10 + halvings/3
	ctx, r := precise(digits), new(apd.Decimal)
	one := pow10(int64(digits))
	small := fixedPoint(x, digits)
	small.Quo(small, new(apd.BigInt).Lsh(apd.NewBigInt(1), uint(halvings)))
	sum, term := new(apd.BigInt).Set(one), new(apd.BigInt).Set(one)
	for n := int64(1); term.Sign() != 0; n++ {
		term.Mul(term, small)
		term.Quo(term, one)
		term.Quo(term, apd.NewBigInt(n))
		sum.Add(sum, term)
	}
	r.Coeff.Set(sum)
	r.Exponent = int32(-digits)
	for range halvings {
		if _, err := ctx.Mul(r, r, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// fixedPoint returns x times 10^digits, cut to an integer.
func fixedPoint(x *apd.Decimal, digits int) *apd.BigInt {
	c := new(apd.BigInt).Set(&x.Coeff)
	if shift := int64(x.Exponent) + int64(digits); shift >= 0 {
		c.Mul(c, pow10(shift))
	} else {
		c.Quo(c, pow10(-shift))
	}
	if x.Negative {
		c.Neg(c)
	}
	return c
}

func decimalToFloat(d *datum.Decimal) float64 {
	f, _ := apdOf(d).Float64()
	return f
}

// lnWeight is PostgreSQL's estimate_ln_dweight: the decimal weight of ln(a).
func lnWeight(a *datum.Decimal) int {
	if a.Sign() <= 0 {
		return 0
	}
	low, high := datum.MakeDecimal(apd.NewBigInt(9), 1), datum.MakeDecimal(apd.NewBigInt(11), 1)
	if a.Cmp(&low) >= 0 && a.Cmp(&high) <= 0 {
		x, _ := subDecimal(*a, decimalOne)
		if x.IsZero() {
			return 0
		}
		w, digit := leadingGroup(&x)
		return w*4 + int(math.Log10(float64(digit)))
	}
	w, digits := leadingGroup(a)
	weight := w * 4
	if next, more := secondGroup(a, w, digits); more {
		digits, weight = digits*10000+next, weight-4
	}
	return int(math.Log10(math.Abs(math.Log(float64(digits)) + float64(weight)*2.302585092994046)))
}

// secondGroup returns the second base-10000 digit, if there is one.
func secondGroup(a *datum.Decimal, weight, first int) (digit int, ok bool) {
	rest := signed(a)
	rest.Abs(rest)
	if e := int64(weight)*4 + int64(a.Scale); e >= 0 {
		rest.Sub(rest, new(apd.BigInt).Mul(apd.NewBigInt(int64(first)), pow10(e)))
	} else {
		return 0, false // all digits are in the first group
	}
	if rest.Sign() == 0 {
		return 0, false
	}
	d := datum.MakeDecimal(rest, a.Scale)
	if w, g := leadingGroup(&d); w == weight-1 {
		return g, true
	}
	return 0, true
}

func checkLog(a *datum.Decimal) error {
	switch {
	case a.Neg:
		return pgerr.New(pgerr.InvalidLogArgument, "cannot take logarithm of a negative number")
	case a.IsZero():
		return pgerr.New(pgerr.InvalidLogArgument, "cannot take logarithm of zero")
	}
	return nil
}

func lnDecimal(a datum.Decimal) (datum.Decimal, error) {
	if a.Kind == datum.NaN {
		return a, nil
	}
	if err := checkLog(&a); err != nil || a.Kind == datum.Infinite {
		return a, err
	}
	scale := displayScale(minSigDigits-lnWeight(&a), a.Scale)
	r, err := lnPrecise(&a, int(scale)+12)
	if err != nil {
		return a, err
	}
	return decimalOf(r, scale)
}

// maxLogged is the power of ten up to which lnPrecise tries exponents: apd's end at 100,000.
const maxLogged = 90_000

// lnBeyond is ln(a) of a number of more digits: ln(a / 10^k) + k ln(10). Of a's digits only those
// count that the result shows.
func lnBeyond(a *datum.Decimal, k int64, digits int) (*apd.Decimal, error) {
	cut := max(k-int64(digits)-32, 0)
	leading := signed(a)
	leading.Quo(leading, pow10(cut+int64(a.Scale)))
	small := datum.MakeDecimal(leading, int32(k-cut))
	ten := datum.MakeDecimal(apd.NewBigInt(10), 0)
	rest, err := lnPrecise(&small, digits)
	if err != nil {
		return nil, err
	}
	powers, err := lnPrecise(&ten, digits+6)
	if err != nil {
		return nil, err
	}
	ctx := precise(digits + 16)
	if _, err := ctx.Mul(powers, powers, apd.New(k, 0)); err != nil {
		return nil, err
	}
	_, err = ctx.Add(rest, rest, powers)
	return rest, err
}

// lnPrecise is ln(a) with so many digits after the point, by Halley's method,
// which triples the correct digits with each round.
func lnPrecise(a *datum.Decimal, digits int) (*apd.Decimal, error) {
	digits += 8
	if k := int64(log10Of(a)); k > maxLogged {
		return lnBeyond(a, k, digits)
	}
	ctx := precise(digits + 8)
	x := apdOf(a)
	y, err := new(apd.Decimal).SetFloat64(log10Of(a) * math.Ln10)
	if err != nil {
		return nil, err
	}
	if near, _ := x.Float64(); near > 0.5 && near < 2 {
		t := new(apd.Decimal)
		if _, err := ctx.Sub(t, x, apd.New(1, 0)); err != nil {
			return nil, err
		}
		if t.IsZero() || 2*(int64(t.Exponent)+t.NumDigits()) < -int64(digits) { // ln(1 + t) is t - t^2/2 + ...
			half := new(apd.Decimal)
			ctx.Mul(half, t, t)
			ctx.Mul(half, half, apd.New(5, -1))
			_, err := ctx.Sub(t, t, half)
			return t, err
		}
		if y, err = new(apd.Decimal).SetFloat64(math.Log(near)); err != nil {
			return nil, err
		}
	}
	for good := 8; ; good *= 3 {
		e, err := expPrecise(y, min(digits, 3*good)+8)
		if err != nil {
			return nil, err
		}
		num, den := new(apd.Decimal), new(apd.Decimal)
		ctx.Sub(num, x, e)
		ctx.Mul(num, num, apd.New(2, 0))
		ctx.Add(den, x, e)
		if _, err := ctx.Quo(num, num, den); err != nil {
			return nil, err
		}
		if _, err := ctx.Add(y, y, num); err != nil {
			return nil, err
		}
		if good >= digits {
			return y, nil
		}
	}
}

func logDecimal(base, a datum.Decimal) (datum.Decimal, error) {
	if base.Kind == datum.NaN || a.Kind == datum.NaN {
		return decimalNaN, nil
	}
	if err := checkLog(&base); err != nil {
		return a, err
	}
	if err := checkLog(&a); err != nil {
		return a, err
	}
	switch {
	case base.Kind == datum.Infinite && a.Kind == datum.Infinite:
		return decimalNaN, nil
	case base.Kind == datum.Infinite:
		return decimalZero, nil
	case a.Kind == datum.Infinite:
		return a, nil
	}
	scale := displayScale(minSigDigits-(lnWeight(&a)-lnWeight(&base)), base.Scale, a.Scale)
	digits := int(scale) + 12 + max(0, -2*lnWeight(&base))
	lb, err := lnPrecise(&base, digits)
	if err != nil {
		return a, err
	}
	if lb.IsZero() {
		return a, errDivisionByZero
	}
	la, err := lnPrecise(&a, digits)
	if err != nil {
		return a, err
	}
	r := new(apd.Decimal)
	if _, err := precise(digits+12).Quo(r, la, lb); err != nil {
		return a, err
	}
	return decimalOf(r, scale)
}

var (
	errZeroToNegative  = pgerr.New(pgerr.InvalidPowerArgument, "zero raised to a negative power is undefined")
	errNegativeToFract = pgerr.New(pgerr.InvalidPowerArgument, "a negative number raised to a non-integer power yields a complex result")
)

func powerDecimal(a, b datum.Decimal) (datum.Decimal, error) {
	if a.Kind != datum.Finite || b.Kind != datum.Finite {
		return powerSpecial(a, b)
	}
	whole := isWhole(&b)
	switch {
	case a.IsZero() && b.Neg:
		return a, errZeroToNegative
	case a.Neg && !whole:
		return a, errNegativeToFract
	}
	if t := trimScale(b); whole {
		if e, ok := t.Small(); ok && e >= math.MinInt32 && e <= math.MaxInt32 {
			return powerInt(&a, e)
		}
	}
	if a.IsZero() {
		return datum.MakeDecimal(new(apd.BigInt), minSigDigits), nil
	}
	return powerFraction(a, b)
}

func isWhole(d *datum.Decimal) bool {
	t := trimScale(*d)
	return t.Kind == datum.Finite && t.Scale == 0
}

func isOdd(d *datum.Decimal) bool {
	t := trimScale(*d)
	return t.Kind == datum.Finite && t.Scale == 0 && t.Coeff.Bit(0) == 1
}

// powerSpecial follows POSIX for NaN and the infinities.
func powerSpecial(a, b datum.Decimal) (datum.Decimal, error) {
	one := decimalOne
	switch {
	case a.Kind == datum.NaN:
		if b.IsZero() {
			return one, nil
		}
		return a, nil
	case b.Kind == datum.NaN:
		if a.Cmp(&one) == 0 {
			return one, nil
		}
		return b, nil
	case a.IsZero() && b.Neg:
		return a, errZeroToNegative
	case a.Neg && b.Kind == datum.Finite && !isWhole(&b):
		return a, errNegativeToFract
	case a.Cmp(&one) == 0 || b.IsZero():
		return one, nil
	case a.IsZero():
		return decimalZero, nil
	case b.Kind == datum.Infinite:
		return powerToInfinity(a, b), nil
	case !a.Neg: // infinite
		if b.Neg {
			return decimalZero, nil
		}
		return a, nil
	case b.Neg:
		return decimalZero, nil
	}
	return decimalInf(isOdd(&b)), nil
}

func powerToInfinity(a, b datum.Decimal) datum.Decimal {
	abs, one := a, decimalOne
	abs.Neg = false
	c := abs.Cmp(&one)
	switch {
	case c == 0:
		return one // (-1) ^ infinity
	case c > 0 != b.Neg:
		return decimalInf(false)
	}
	return decimalZero
}

// powerInt is a^e for an integer, with at least 16 digits after the point.
func powerInt(a *datum.Decimal, e int64) (datum.Decimal, error) {
	scale := displayScale(minSigDigits, a.Scale)
	switch e {
	case 0:
		return datum.MakeDecimal(pow10(int64(scale)), scale), nil
	case 1:
		return a.Round(scale), nil
	case -1:
		if a.IsZero() {
			return *a, errDivisionByZero
		}
		one := decimalOne
		return divScaled(&one, a, scale)
	case 2:
		c := signed(a)
		sq := datum.Decimal{Scale: 0}
		c.Mul(c, c)
		sq, err := decimalOf(&apd.Decimal{Coeff: *c, Exponent: -2 * a.Scale}, scale)
		return sq, err
	}
	if a.IsZero() {
		if e < 0 {
			return *a, errDivisionByZero
		}
		return datum.MakeDecimal(new(apd.BigInt), scale), nil
	}
	weight := float64(e) * log10Of(a)
	switch {
	case weight > datum.MaxDecimalDigits+8:
		return *a, errNumericOverflow
	case weight+1 < -float64(scale)-8:
		return datum.MakeDecimal(new(apd.BigInt), scale), nil
	}
	if t := trimScale(*a); t.Scale == 0 && e > 0 { // which may be longer than apd's exponents
		r := signed(&t)
		r.Exp(r, apd.NewBigInt(e), nil)
		return bounded(datum.MakeDecimal(r.Mul(r, pow10(int64(scale))), scale))
	}
	r := new(apd.Decimal)
	ctx := precise(int(max(weight, 0)) + int(scale) + 16)
	if _, err := ctx.Pow(r, apdOf(a), apd.New(e, 0)); err != nil {
		return *a, err
	}
	return decimalOf(r, scale)
}

// log10Of estimates log10(|a|), also of numbers beyond double precision.
func log10Of(a *datum.Decimal) float64 {
	digits := a.Coeff.String()
	n := min(len(digits), 16)
	f := 0.0
	for _, c := range digits[:n] {
		f = f*10 + float64(c-'0')
	}
	return math.Log10(f) + float64(len(digits)-n) - float64(a.Scale)
}

// powerFraction is exp(b * ln(a)).
func powerFraction(a, b datum.Decimal) (datum.Decimal, error) {
	neg := a.Neg && isOdd(&b)
	a.Neg = false
	// How large the result is, is known from some digits of the logarithm: floats would overflow.
	rough, err := lnPrecise(&a, max(8-lnWeight(&a), 0))
	if err != nil {
		return a, err
	}
	if _, err := precise(20).Mul(rough, rough, apdOf(&b)); err != nil {
		return a, err
	}
	val, _ := rough.Float64()
	if math.Abs(val) > 2000*3.01 || math.IsInf(val, 0) {
		if val > 0 {
			return a, errNumericOverflow
		}
		return datum.MakeDecimal(new(apd.BigInt), maxDisplayScale), nil
	}
	val *= 0.434294481903252
	scale := displayScale(minSigDigits-int(val), a.Scale, b.Scale)
	digits := int(scale) + int(math.Abs(val)) + 20
	ln, err := lnPrecise(&a, digits+int(math.Abs(log10Of(&b)))+1)
	if err != nil {
		return a, err
	}
	ctx, r := precise(digits+10), new(apd.Decimal)
	if _, err := ctx.Mul(r, ln, apdOf(&b)); err != nil {
		return a, err
	}
	if r, err = expPrecise(r, digits); err != nil {
		return a, err
	}
	r.Negative = neg
	return decimalOf(r, scale)
}

var (
	errBucketCount  = pgerr.New("2201G", "count must be greater than zero")
	errBucketNaN    = pgerr.New("2201G", "operand, lower bound, and upper bound cannot be NaN")
	errBucketBounds = pgerr.New("2201G", "lower and upper bounds must be finite")
	errBucketEqual  = pgerr.New("2201G", "lower bound cannot equal upper bound")
)

func widthBucketFloat(x, low, high float64, count int32) (int32, error) {
	switch {
	case count <= 0:
		return 0, errBucketCount
	case math.IsNaN(x) || math.IsNaN(low) || math.IsNaN(high):
		return 0, errBucketNaN
	case math.IsInf(low, 0) || math.IsInf(high, 0):
		return 0, errBucketBounds
	case low == high:
		return 0, errBucketEqual
	}
	sign := 1.0
	if low > high {
		sign = -1
	}
	switch {
	case sign*(x-low) < 0:
		return 0, nil
	case sign*(x-high) >= 0:
		if count == math.MaxInt32 {
			return 0, outOfRange[int32]()
		}
		return count + 1, nil
	}
	var f float64
	if r := high - low; math.IsInf(r, 0) { // halve to stay finite
		f = (x/2 - low/2) / (high/2 - low/2)
	} else {
		f = (x - low) / r
	}
	b := int32(float64(count) * f)
	return min(b, count-1) + 1, nil
}

func widthBucketNumeric(x, low, high datum.Decimal, count int32) (int32, error) {
	switch {
	case count <= 0:
		return 0, errBucketCount
	case x.Kind == datum.NaN || low.Kind == datum.NaN || high.Kind == datum.NaN:
		return 0, errBucketNaN
	case low.Kind != datum.Finite || high.Kind != datum.Finite:
		return 0, errBucketBounds
	}
	c := low.Cmp(&high)
	switch {
	case c == 0:
		return 0, errBucketEqual
	case x.Cmp(&low)*c > 0:
		return 0, nil
	case x.Cmp(&high)*c <= 0:
		if count == math.MaxInt32 {
			return 0, outOfRange[int32]()
		}
		return count + 1, nil
	}
	scale := max(x.Scale, low.Scale, high.Scale)
	num := signedAt(&x, scale)
	num.Sub(num, signedAt(&low, scale))
	num.Mul(num, apd.NewBigInt(int64(count)))
	den := signedAt(&high, scale)
	den.Sub(den, signedAt(&low, scale))
	return int32(num.Quo(num, den).Int64()) + 1, nil
}
