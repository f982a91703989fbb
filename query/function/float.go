package function

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

type float interface{ float32 | float64 }

var (
	errOverflow  = pgerr.New(pgerr.NumericOutOfRange, "value out of range: overflow")
	errUnderflow = pgerr.New(pgerr.NumericOutOfRange, "value out of range: underflow")
	errInput     = pgerr.New(pgerr.NumericOutOfRange, "input is out of range")
)

func floatKernels(k kernels) {
	addFloatArithmetic[float32, float32, float32](k, "float4")
	addFloatArithmetic[float64, float64, float64](k, "float8")
	addFloatArithmetic[float32, float64, float64](k, "float48")
	addFloatArithmetic[float64, float32, float64](k, "float84")
	addFloatOnly[float32](k, "float4")
	addFloatOnly[float64](k, "float8")
	roundings(k)
	powers(k)
	trigonometry(k)
	hyperbolics(k)
}

func addFloatArithmetic[A, B, R float](k kernels, prefix string) {
	k.add(finite(addFloats[A, B, R], map2Err(func(a A, b B) (R, error) {
		x, y := R(a), R(b)
		r := x + y
		if isInf(r) && !isInf(x) && !isInf(y) {
			return 0, errOverflow
		}
		return r, nil
	})), prefix+"pl")
	k.add(finite(subFloats[A, B, R], map2Err(func(a A, b B) (R, error) {
		x, y := R(a), R(b)
		r := x - y
		if isInf(r) && !isInf(x) && !isInf(y) {
			return 0, errOverflow
		}
		return r, nil
	})), prefix+"mi")
	k.add(map2Err(func(a A, b B) (R, error) {
		x, y := R(a), R(b)
		r := x * y
		switch {
		case isInf(r) && !isInf(x) && !isInf(y):
			return 0, errOverflow
		case r == 0 && x != 0 && y != 0:
			return 0, errUnderflow
		}
		return r, nil
	}), prefix+"mul")
	k.add(map2Err(func(a A, b B) (R, error) { return divFloat(R(a), R(b)) }), prefix+"div")
}

func divFloat[R float](x, y R) (R, error) {
	if y == 0 && x == x {
		return 0, errDivisionByZero
	}
	r := x / y
	switch {
	case isInf(r) && !isInf(x):
		return 0, errOverflow
	case r == 0 && x != 0 && !isInf(y):
		return 0, errUnderflow
	}
	return r, nil
}

// finite computes by loop, which says whether all results are finite. If they are
// not, which is rare, checked does it again and looks at each.
func finite[A, B, R float](loop func(a col[A], b col[B], out []R) bool, checked evalFunc) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		out := newOut[R](c.Mem, args[:2], n)
		if loop(colOf[A](args[0]), colOf[B](args[1]), out.v) {
			return out.array(ret), nil
		}
		out.release()
		return checked(c, args, n, ret)
	}
}

func addFloats[A, B, R float](a col[A], b col[B], out []R) bool {
	var odd0, odd1, odd2, odd3 R // one is NaN as soon as a result is infinite or NaN
	i := 0
	if a, ok := any(&a).(*col[float64]); ok {
		if b, ok := any(&b).(*col[float64]); ok {
			if out, ok := any(&out).(*[]float64); ok {
				done, odd := sumFloats(a, b, *out)
				i, odd0 = done, R(odd)
			}
		}
	}
	as, bs := a.eight(), b.eight()
	for ; i+8 <= len(out); i += 8 {
		x, y, o := a.eightAt(i, &as), b.eightAt(i, &bs), (*[8]R)(out[i:])
		r0, r1, r2, r3 := R(x[0])+R(y[0]), R(x[1])+R(y[1]), R(x[2])+R(y[2]), R(x[3])+R(y[3])
		o[0], o[1], o[2], o[3] = r0, r1, r2, r3
		r4, r5, r6, r7 := R(x[4])+R(y[4]), R(x[5])+R(y[5]), R(x[6])+R(y[6]), R(x[7])+R(y[7])
		o[4], o[5], o[6], o[7] = r4, r5, r6, r7
		odd0 += (r0 - r0) + (r1 - r1)
		odd1 += (r2 - r2) + (r3 - r3)
		odd2 += (r4 - r4) + (r5 - r5)
		odd3 += (r6 - r6) + (r7 - r7)
	}
	for ; i < len(out); i++ {
		r := R(a.v[i&a.mask]) + R(b.v[i&b.mask])
		out[i] = r
		odd0 += r - r
	}
	return odd0+odd1+odd2+odd3 == 0
}

func subFloats[A, B, R float](a col[A], b col[B], out []R) bool {
	var odd R
	for i := range out {
		r := R(a.v[i&a.mask]) - R(b.v[i&b.mask])
		out[i] = r
		odd += r - r
	}
	return odd == 0
}

func isInf[T float](x T) bool { return math.IsInf(float64(x), 0) }

func addFloatOnly[T float](k kernels, prefix string) {
	k.add(map1(func(a T) T { return -a }), prefix+"um")
	k.add(map1(func(a T) T { return a }), prefix+"up")
	k.add(map1(func(a T) T { return T(math.Abs(float64(a))) }), prefix+"abs")
}

func roundings(k kernels) {
	k.add(map1(math.RoundToEven), "dround")
	k.add(map1(math.Trunc), "dtrunc")
	k.add(map1(math.Ceil), "dceil")
	k.add(map1(math.Floor), "dfloor")
	k.add(map1(func(a float64) float64 {
		switch {
		case a > 0:
			return 1
		case a < 0:
			return -1
		}
		return 0 // NaN as well
	}), "dsign")
}

// checked refuses an infinite result of a finite argument.
func checked(f func(float64) float64) func(float64) (float64, error) {
	return func(a float64) (float64, error) {
		r := f(a)
		if math.IsInf(r, 0) && !math.IsInf(a, 0) {
			return 0, errOverflow
		}
		return r, nil
	}
}

func powers(k kernels) {
	k.add(map1Err(func(a float64) (float64, error) {
		if a < 0 {
			return 0, pgerr.New(pgerr.InvalidPowerArgument, "cannot take square root of a negative number")
		}
		return math.Sqrt(a), nil
	}), "dsqrt")
	k.add(map1(math.Cbrt), "dcbrt")
	k.add(map2Err(powFloat), "dpow")
	k.add(map1Err(func(a float64) (float64, error) {
		r := math.Exp(a)
		switch {
		case math.IsInf(r, 0) && !math.IsInf(a, 0):
			return 0, errOverflow
		case r == 0 && !math.IsInf(a, 0):
			return 0, errUnderflow
		}
		return r, nil
	}), "dexp")
	k.add(map1Err(func(a float64) (float64, error) { return logFloat(a, naturalLog) }), "dlog1")
	k.add(map1Err(func(a float64) (float64, error) { return logFloat(a, decimalLog) }), "dlog10")
}

// Package math's logarithm in assembly takes subnormal numbers for larger ones: they are made normal.
const (
	leastNormal = 0x1p-1022
	toNormal    = 54 // the power of two that makes any number normal
)

func naturalLog(a float64) float64 {
	if a < leastNormal {
		return math.Log(math.Ldexp(a, toNormal)) - toNormal*math.Ln2
	}
	return math.Log(a)
}

func decimalLog(a float64) float64 {
	if a < leastNormal {
		return math.Log10(math.Ldexp(a, toNormal)) - toNormal*(math.Ln2/math.Ln10)
	}
	return math.Log10(a)
}

func pow(a, b float64) float64 {
	if 0 < a && a < leastNormal {
		return math.Pow(math.Ldexp(a, toNormal), b) * math.Exp2(-toNormal*b)
	}
	return math.Pow(a, b)
}

func logFloat(a float64, f func(float64) float64) (float64, error) {
	switch {
	case a == 0:
		return 0, pgerr.New(pgerr.InvalidLogArgument, "cannot take logarithm of zero")
	case a < 0:
		return 0, pgerr.New(pgerr.InvalidLogArgument, "cannot take logarithm of a negative number")
	}
	return f(a), nil
}

func powFloat(a, b float64) (float64, error) {
	switch {
	case math.IsNaN(a):
		if b == 0 {
			return 1, nil
		}
		return math.NaN(), nil
	case math.IsNaN(b):
		if a == 1 {
			return 1, nil
		}
		return math.NaN(), nil
	case a == 0 && b < 0:
		return 0, pgerr.New(pgerr.InvalidPowerArgument, "zero raised to a negative power is undefined")
	case a < 0 && math.Floor(b) != b:
		return 0, pgerr.New(pgerr.InvalidPowerArgument, "a negative number raised to a non-integer power yields a complex result")
	case a == -1 && math.IsInf(b, 0):
		return 1, nil
	}
	r := pow(a, b)
	finite := !math.IsInf(a, 0) && !math.IsInf(b, 0)
	switch {
	case finite && math.IsInf(r, 0):
		return 0, errOverflow
	case finite && r == 0 && a != 0:
		return 0, errUnderflow
	}
	return r, nil
}

func trigonometry(k kernels) {
	finite := func(f func(float64) float64) func(float64) (float64, error) {
		return func(a float64) (float64, error) {
			if math.IsInf(a, 0) {
				return 0, errInput
			}
			r := f(a)
			if math.IsInf(r, 0) {
				return 0, errOverflow
			}
			return r, nil
		}
	}
	within := func(f func(float64) float64) func(float64) (float64, error) {
		return func(a float64) (float64, error) {
			if a < -1 || a > 1 {
				return 0, errInput
			}
			return f(a), nil
		}
	}
	k.add(map1Err(finite(math.Sin)), "dsin")
	k.add(map1Err(finite(math.Cos)), "dcos")
	k.add(map1Err(finite(math.Tan)), "dtan")
	k.add(map1Err(func(a float64) (float64, error) {
		if math.IsInf(a, 0) {
			return 0, errInput
		}
		return 1 / math.Tan(a), nil // cot(0) is infinite, and allowed
	}), "dcot")
	k.add(map1Err(within(math.Asin)), "dasin")
	k.add(map1Err(within(math.Acos)), "dacos")
	k.add(map1(math.Atan), "datan")
	k.add(map2(math.Atan2), "datan2")
	k.add(map1Err(finite(sinDegrees)), "dsind")
	k.add(map1Err(finite(cosDegrees)), "dcosd")
	k.add(map1Err(func(a float64) (float64, error) {
		if math.IsInf(a, 0) {
			return 0, errInput
		}
		return tanDegrees(a), nil
	}), "dtand")
	k.add(map1Err(func(a float64) (float64, error) {
		if math.IsInf(a, 0) {
			return 0, errInput
		}
		return cotDegrees(a), nil
	}), "dcotd")
	k.add(map1Err(within(asinDegrees)), "dasind")
	k.add(map1Err(within(acosDegrees)), "dacosd")
	k.add(map1(func(a float64) float64 { return math.Atan(a) / math.Atan(1) * 45 }), "datand")
	k.add(map2(func(a, b float64) float64 { return math.Atan2(a, b) / math.Atan(1) * 45 }), "datan2d")
	k.add(map1Err(checked(func(a float64) float64 { return a / (math.Pi / 180) })), "degrees")
	k.add(map1(func(a float64) float64 { return a * (math.Pi / 180) }), "radians")
	k.add(fn0(func(*Context) (float64, error) { return math.Pi, nil }), "dpi")
}

func hyperbolics(k kernels) {
	k.add(map1(math.Sinh), "dsinh") // overflow gives infinity, as in PostgreSQL
	k.add(map1(math.Cosh), "dcosh")
	k.add(map1(math.Tanh), "dtanh")
	k.add(map1(math.Asinh), "dasinh")
	k.add(map1Err(func(a float64) (float64, error) {
		if a < 1 {
			return 0, errInput
		}
		return math.Acosh(a), nil
	}), "dacosh")
	k.add(map1Err(func(a float64) (float64, error) {
		if a < -1 || a > 1 {
			return 0, errInput
		}
		return math.Atanh(a), nil
	}), "datanh")
}

// The functions of degrees are exact at the multiples of 30, 45 and 60 degrees:
// they scale by the results at these points, as PostgreSQL's do.

// degree is a variable so that products with it are computed at run time, in
// double precision: the quotients below must be of equal numbers to be exact.
var degree = 0.0174532925199432957692

func sinQuadrant(x float64) float64 { // 0 <= x <= 90
	if x <= 30 {
		return math.Sin(x*degree) / math.Sin(30*degree) / 2
	}
	return cosTo60(90 - x)
}

func cosQuadrant(x float64) float64 { // 0 <= x <= 90
	if x <= 60 {
		return cosTo60(x)
	}
	return math.Sin((90-x)*degree) / math.Sin(30*degree) / 2
}

func cosTo60(x float64) float64 {
	return 1 - (1-math.Cos(x*degree))/(1-math.Cos(60*degree))/2
}

func sinDegrees(x float64) float64 {
	x = math.Mod(x, 360)
	sign := 1.0
	if x < 0 {
		x, sign = -x, -sign
	}
	if x > 180 {
		x, sign = 360-x, -sign
	}
	if x > 90 {
		x = 180 - x
	}
	return sign * sinQuadrant(x)
}

func cosDegrees(x float64) float64 {
	x = math.Abs(math.Mod(x, 360))
	sign := 1.0
	if x > 180 {
		x = 360 - x
	}
	if x > 90 {
		x, sign = 180-x, -sign
	}
	return sign * cosQuadrant(x)
}

func tanDegrees(x float64) float64 {
	x, sign := foldTangent(x)
	r := sign * (sinQuadrant(x) / cosQuadrant(x) / (sinQuadrant(45) / cosQuadrant(45)))
	if r == 0 {
		return 0 // not -0
	}
	return r
}

func cotDegrees(x float64) float64 {
	x, sign := foldTangent(x)
	r := sign * (cosQuadrant(x) / sinQuadrant(x) / (cosQuadrant(45) / sinQuadrant(45)))
	if r == 0 {
		return 0
	}
	return r
}

func foldTangent(x float64) (float64, float64) {
	x = math.Mod(x, 360)
	sign := 1.0
	if x < 0 {
		x, sign = -x, -sign
	}
	if x > 180 {
		x, sign = 360-x, -sign
	}
	if x > 90 {
		x, sign = 180-x, -sign
	}
	return x, sign
}

func asinDegrees(x float64) float64 {
	if x < 0 {
		return -asinQuadrant(-x)
	}
	return asinQuadrant(x)
}

func acosDegrees(x float64) float64 {
	if x < 0 {
		return 90 + asinQuadrant(-x)
	}
	return acosQuadrant(x)
}

func asinQuadrant(x float64) float64 { // 0 <= x <= 1
	if x <= 0.5 {
		return math.Asin(x) / math.Asin(0.5) * 30
	}
	return 90 - math.Acos(x)/math.Acos(0.5)*60
}

func acosQuadrant(x float64) float64 { // 0 <= x <= 1
	if x <= 0.5 {
		return 90 - math.Asin(x)/math.Asin(0.5)*30
	}
	return math.Acos(x) / math.Acos(0.5) * 60
}
