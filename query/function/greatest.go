package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// extremeFunctions are GREATEST and LEAST, which PostgreSQL has as expressions.
func extremeFunctions() []*Function {
	extreme := func(oid datum.OID, name string, sign int) *Function {
		return &Function{OID: oid, Name: name, Args: []datum.OID{datum.AnyElement}, Variadic: true, Ret: datum.AnyElement,
			Volatility: Immutable, Eval: extremeOf(sign)}
	}
	return []*Function{extreme(9920, "greatest", 1), extreme(9921, "least", -1)}
}

// extremeOf returns the argument that compares as sign with all others; NULLs
// do not count.
func extremeOf(sign int) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		b := array.NewBuilder(c.Mem, ret.Arrow())
		defer b.Release()
		b.Reserve(n)
		for i := range n {
			best := -1
			for j, a := range args {
				at := a.At(i)
				if a.DataType().ID() == arrow.NULL || a.IsNull(at) {
					continue
				}
				if best < 0 || datum.CompareAt(ret, a.Array, at, args[best].Array, args[best].At(i))*sign > 0 {
					best = j
				}
			}
			if best < 0 {
				b.AppendNull()
				continue
			}
			datum.Append(b, ret, datum.ValueAt(ret, args[best].Array, args[best].At(i)))
		}
		return b.NewArray(), nil
	}
}
