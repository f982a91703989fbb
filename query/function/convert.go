package function

import (
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// convertKernels are the functions of casts between numbers, texts and the like.
func convertKernels(k kernels) {
	intConversions(k)
	floatConversions(k)
	numericConversions(k)
	textConversions(k)
}

func intConversions(k kernels) {
	k.add(map1(func(a int16) int32 { return int32(a) }), "i2toi4")
	k.add(map1(func(a int16) int64 { return int64(a) }), "int28")
	k.add(map1(func(a int32) int64 { return int64(a) }), "int48")
	k.add(map1Err(narrow[int32, int16]), "i4toi2")
	k.add(map1Err(narrow[int64, int16]), "int82")
	k.add(map1Err(narrow[int64, int32]), "int84")
	k.add(map1(func(a int16) float32 { return float32(a) }), "i2tof")
	k.add(map1(func(a int16) float64 { return float64(a) }), "i2tod")
	k.add(map1(func(a int32) float32 { return float32(a) }), "i4tof")
	k.add(map1(func(a int32) float64 { return float64(a) }), "i4tod")
	k.add(map1(func(a int64) float32 { return float32(a) }), "i8tof")
	k.add(map1(func(a int64) float64 { return float64(a) }), "i8tod")
	k.add(map1Err(func(a int64) (uint32, error) {
		if a < 0 || a > math.MaxUint32 {
			return 0, pgerr.New(pgerr.NumericOutOfRange, "OID out of range")
		}
		return uint32(a), nil
	}), "i8tooid")
	k.add(map1(func(a uint32) int64 { return int64(a) }), "oidtoi8")
}

func narrow[A, R integer](a A) (R, error) {
	r := R(a)
	if A(r) != a {
		return 0, outOfRange[R]()
	}
	return r, nil
}

func floatConversions(k kernels) {
	k.add(map1(func(a float32) float64 { return float64(a) }), "ftod")
	k.add(map1Err(func(a float64) (float32, error) {
		r := float32(a)
		switch {
		case isInf(r) && !isInf(a):
			return 0, errOverflow
		case r == 0 && a != 0:
			return 0, errUnderflow
		}
		return r, nil
	}), "dtof")
	k.add(map1Err(floatToInt[float32, int16]), "ftoi2")
	k.add(map1Err(floatToInt[float32, int32]), "ftoi4")
	k.add(map1Err(floatToInt[float32, int64]), "ftoi8")
	k.add(map1Err(floatToInt[float64, int16]), "dtoi2")
	k.add(map1Err(floatToInt[float64, int32]), "dtoi4")
	k.add(map1Err(floatToInt[float64, int64]), "dtoi8")
}

// floatToInt rounds half to even, as the processor does and PostgreSQL with it.
func floatToInt[F float, R integer](f F) (R, error) {
	r := math.RoundToEven(float64(f))
	var limit float64 // 2^(bits-1)
	var z R
	switch any(z).(type) {
	case int16:
		limit = 1 << 15
	case int32:
		limit = 1 << 31
	default:
		limit = 1 << 63
	}
	if !(r >= -limit && r < limit) { // NaN as well
		return 0, outOfRange[R]()
	}
	return R(r), nil
}

func numericConversions(k kernels) {
	k.add(fn1(func(a int16) (datum.Decimal, error) { return datum.DecimalFromInt(int64(a)), nil }), "int2_numeric")
	k.add(fn1(func(a int32) (datum.Decimal, error) { return datum.DecimalFromInt(int64(a)), nil }), "int4_numeric")
	k.add(fn1(func(a int64) (datum.Decimal, error) { return datum.DecimalFromInt(a), nil }), "int8_numeric")
	k.add(fn1(numericToInt[int16]), "numeric_int2")
	k.add(fn1(numericToInt[int32]), "numeric_int4")
	k.add(fn1(numericToInt[int64]), "numeric_int8")
	k.add(fn1(func(a float32) (datum.Decimal, error) { return floatToNumeric(float64(a), 6) }), "float4_numeric")
	k.add(fn1(func(a float64) (datum.Decimal, error) { return floatToNumeric(a, 15) }), "float8_numeric")
	k.add(fn1(numericToFloat4), "numeric_float4")
	k.add(fn1(numericToFloat8), "numeric_float8")
	k.add(fn2(func(a datum.Decimal, mod int32) (datum.Decimal, error) {
		v, err := datum.Coerce(datum.Type{OID: datum.Numeric, Mod: mod}, a, true)
		if err != nil {
			return a, err
		}
		return v.(datum.Decimal), nil
	}), "numeric")
}

// numericToInt rounds half away from zero.
func numericToInt[R integer](d datum.Decimal) (R, error) {
	var z R
	name := "bigint"
	switch any(z).(type) {
	case int16:
		name = "smallint"
	case int32:
		name = "integer"
	}
	switch d.Kind {
	case datum.NaN:
		return 0, pgerr.New(pgerr.FeatureNotSupported, "cannot convert NaN to %s", name)
	case datum.Infinite:
		return 0, pgerr.New(pgerr.FeatureNotSupported, "cannot convert infinity to %s", name)
	}
	d = d.Round(0)
	if v, ok := d.Small(); ok && int64(R(v)) == v {
		return R(v), nil
	}
	if d.Neg && d.Coeff.IsUint64() && d.Coeff.Uint64() == 1<<63 && name == "bigint" {
		lowest := int64(math.MinInt64)
		return R(lowest), nil
	}
	return 0, outOfRange[R]()
}

// floatToNumeric keeps the digits that every float of its width has.
func floatToNumeric(f float64, digits int) (datum.Decimal, error) {
	switch {
	case math.IsNaN(f):
		return decimalNaN, nil
	case math.IsInf(f, 0):
		return decimalInf(f < 0), nil
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', digits-1, 64), "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return datum.ParseDecimal(mantissa + "e" + exponent)
}

func specialFloat(d *datum.Decimal) (float64, bool) {
	switch {
	case d.Kind == datum.NaN:
		return math.NaN(), true
	case d.Kind == datum.Infinite && d.Neg:
		return math.Inf(-1), true
	case d.Kind == datum.Infinite:
		return math.Inf(1), true
	}
	return 0, false
}

func numericToFloat8(d datum.Decimal) (float64, error) {
	if f, ok := specialFloat(&d); ok {
		return f, nil
	}
	s := d.String()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f == 0 && !d.IsZero() {
		return 0, pgerr.New(pgerr.NumericOutOfRange, "%q is out of range for type double precision", s)
	}
	return f, nil
}

func numericToFloat4(d datum.Decimal) (float32, error) {
	if f, ok := specialFloat(&d); ok {
		return float32(f), nil
	}
	s := d.String()
	f, err := strconv.ParseFloat(s, 32)
	if err != nil || f == 0 && !d.IsZero() {
		return 0, pgerr.New(pgerr.NumericOutOfRange, "%q is out of range for type real", s)
	}
	return float32(f), nil
}
