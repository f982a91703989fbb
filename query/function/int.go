package function

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var errDivisionByZero = pgerr.New(pgerr.DivisionByZero, "division by zero")

// outOfRange is the overflow error of an integer type.
func outOfRange[T integer]() error {
	var z T
	switch any(z).(type) {
	case int16:
		return pgerr.New(pgerr.NumericOutOfRange, "smallint out of range")
	case int32:
		return pgerr.New(pgerr.NumericOutOfRange, "integer out of range")
	default:
		return pgerr.New(pgerr.NumericOutOfRange, "bigint out of range")
	}
}

func intKernels(k kernels) {
	addIntArithmetic[int16, int16, int16](k, "int2")
	addIntArithmetic[int32, int32, int32](k, "int4")
	addIntArithmetic[int64, int64, int64](k, "int8")
	addIntArithmetic[int16, int32, int32](k, "int24")
	addIntArithmetic[int32, int16, int32](k, "int42")
	addIntArithmetic[int16, int64, int64](k, "int28")
	addIntArithmetic[int64, int16, int64](k, "int82")
	addIntArithmetic[int32, int64, int64](k, "int48")
	addIntArithmetic[int64, int32, int64](k, "int84")
	addIntOnly[int16](k, "int2")
	addIntOnly[int32](k, "int4")
	addIntOnly[int64](k, "int8")
	k.add(map2Err(gcd[int32]), "int4gcd")
	k.add(map2Err(gcd[int64]), "int8gcd")
	k.add(map2Err(lcm[int32]), "int4lcm")
	k.add(map2Err(lcm[int64]), "int8lcm")
	k.add(map1Err(func(a int64) (int64, error) { return addInt(a, 1) }), "int8inc")
	k.add(map1Err(func(a int64) (int64, error) { return addInt(a, -1) }), "int8dec")
}

func addIntArithmetic[A, B, R integer](k kernels, prefix string) {
	k.add(intLoop[A, B](addLoop[A, B, R], addInt[R]), prefix+"pl")
	k.add(intLoop[A, B](subLoop[A, B, R], subInt[R]), prefix+"mi")
	k.add(map2Err(func(a A, b B) (R, error) { return mulInt(R(a), R(b)) }), prefix+"mul")
	k.add(map2Err(func(a A, b B) (R, error) { return divInt(R(a), R(b)) }), prefix+"div")
}

func addIntOnly[T integer](k kernels, prefix string) {
	k.add(map2Err(func(a, b T) (T, error) {
		if b == 0 {
			return 0, errDivisionByZero
		}
		if b == -1 {
			return 0, nil // the smallest value % -1 would trap in hardware
		}
		return a % b, nil
	}), prefix+"mod")
	k.add(map1Err(func(a T) (T, error) { return subInt(0, a) }), prefix+"um")
	k.add(map1(func(a T) T { return a }), prefix+"up")
	k.add(map1Err(func(a T) (T, error) {
		if a < 0 {
			return subInt(0, a)
		}
		return a, nil
	}), prefix+"abs")
	k.add(map2(func(a, b T) T { return a & b }), prefix+"and")
	k.add(map2(func(a, b T) T { return a | b }), prefix+"or")
	k.add(map2(func(a, b T) T { return a ^ b }), prefix+"xor")
	k.add(map1(func(a T) T { return ^a }), prefix+"not")
	// C shifts by the count modulo the register's width, and so does PostgreSQL;
	// smallint is shifted as int.
	k.add(map2(func(a T, n int32) T { return shift(a, n, true) }), prefix+"shl")
	k.add(map2(func(a T, n int32) T { return shift(a, n, false) }), prefix+"shr")
}

func shift[T integer](a T, n int32, left bool) T {
	switch x := any(a).(type) {
	case int64:
		if left {
			return T(x << (uint32(n) & 63))
		}
		return T(x >> (uint32(n) & 63))
	default:
		if left {
			return T(int32(a) << (uint32(n) & 31))
		}
		return T(int32(a) >> (uint32(n) & 31))
	}
}

// intLoop runs a loop that reports overflow anywhere; only then it looks with
// check for the row, which may be a NULL one.
func intLoop[A, B, R integer](loop func(a col[A], b col[B], out []R) bool, check func(a, b R) (R, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		a, b, out := colOf[A](args[0]), colOf[B](args[1]), newOut[R](c.Mem, args[:2], n)
		if loop(a, b, out.v) {
			return out.array(ret), nil
		}
		for i := range n {
			if out.mask.null(i) {
				continue
			}
			if _, err := check(R(a.v[i&a.mask]), R(b.v[i&b.mask])); err != nil {
				out.release()
				return nil, err
			}
		}
		return out.array(ret), nil
	}
}

func addLoop[A, B, R integer](a col[A], b col[B], out []R) bool {
	var overflow R
	for i := range out {
		x, y := R(a.v[i&a.mask]), R(b.v[i&b.mask])
		r := x + y
		overflow |= (x ^ r) & (y ^ r)
		out[i] = r
	}
	return overflow >= 0
}

func subLoop[A, B, R integer](a col[A], b col[B], out []R) bool {
	var overflow R
	for i := range out {
		x, y := R(a.v[i&a.mask]), R(b.v[i&b.mask])
		r := x - y
		overflow |= (x ^ y) & (x ^ r)
		out[i] = r
	}
	return overflow >= 0
}

func addInt[T integer](a, b T) (T, error) {
	r := a + b
	if (a^r)&(b^r) < 0 {
		return 0, outOfRange[T]()
	}
	return r, nil
}

func subInt[T integer](a, b T) (T, error) {
	r := a - b
	if (a^b)&(a^r) < 0 {
		return 0, outOfRange[T]()
	}
	return r, nil
}

func mulInt[T integer](a, b T) (T, error) {
	hi, lo := mul128(int64(a), int64(b))
	r := T(lo)
	if hi != int64(lo)>>63 || int64(r) != int64(lo) {
		return 0, outOfRange[T]()
	}
	return r, nil
}

// mul128 is the signed 128-bit product.
func mul128(a, b int64) (hi int64, lo uint64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	h -= uint64((a >> 63) & b)
	h -= uint64((b >> 63) & a)
	return int64(h), l
}

func divInt[T integer](a, b T) (T, error) {
	switch b {
	case 0:
		return 0, errDivisionByZero
	case -1:
		return subInt(0, a)
	}
	return a / b, nil
}

func gcd[T integer](a, b T) (T, error) {
	x, y := magnitude(a), magnitude(b)
	for y != 0 {
		x, y = y, x%y
	}
	r := T(x)
	if r < 0 || uint64(r) != x {
		return 0, outOfRange[T]()
	}
	return r, nil
}

func magnitude[T integer](a T) uint64 {
	if a < 0 {
		return -uint64(int64(a))
	}
	return uint64(a)
}

func lcm[T integer](a, b T) (T, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	g, err := gcd(a, b)
	if err != nil {
		return 0, err
	}
	hi, lo := bits.Mul64(magnitude(a/g), magnitude(b))
	r := T(lo)
	if hi != 0 || lo > math.MaxInt64 || r < 0 || uint64(r) != lo {
		return 0, outOfRange[T]()
	}
	return r, nil
}
