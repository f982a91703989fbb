package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// compareWith makes a comparison operator of a three-way comparison of
// fixed-width values of two types.
func compareWith[A, B fixed](op cmpOp, compare func(*Context, A, B) int) evalFunc {
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		if mask.all() {
			return boolArray(out, mask), nil
		}
		a, b, bits := colOf[A](args[0]), colOf[B](args[1]), out.Bytes()
		for i := range n {
			bits[i>>3] |= bit(op.holds(compare(c, a.v[i&a.mask], b.v[i&b.mask]))) << (i & 7)
		}
		return boolArray(out, mask), nil
	}
}

// threeWayWith makes the function of a B-tree's order, such as date_cmp_timestamp.
func threeWayWith[A, B fixed](compare func(*Context, A, B) int) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		a, b, out := colOf[A](args[0]), colOf[B](args[1]), newOut[int32](c.Mem, args[:2], n)
		for i := range out.v {
			out.v[i] = int32(compare(c, a.v[i&a.mask], b.v[i&b.mask]))
		}
		return out.array(ret), nil
	}
}
