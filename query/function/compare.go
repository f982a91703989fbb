package function

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A cmpOp is a comparison operator.
type cmpOp uint8

const (
	opEQ cmpOp = iota
	opNE
	opLT
	opLE
	opGT
	opGE
)

// holds says whether a three-way comparison satisfies the operator.
func (op cmpOp) holds(c int) bool {
	switch op {
	case opEQ:
		return c == 0
	case opNE:
		return c != 0
	case opLT:
		return c < 0
	case opLE:
		return c <= 0
	case opGT:
		return c > 0
	default:
		return c >= 0
	}
}

// cmpNames are the kernel names of the six operators in the order of cmpOp:
// "int4" gives int4eq, "date_" date_eq, and "text?" texteq but text_lt.
func cmpNames(prefix string) [6]string {
	ordered := prefix
	if p, ok := strings.CutSuffix(prefix, "?"); ok {
		prefix, ordered = p, p+"_"
	}
	return [6]string{prefix + "eq", prefix + "ne", ordered + "lt", ordered + "le", ordered + "gt", ordered + "ge"}
}

// addCompare adds the six operators made by f under the names of a prefix.
func (k kernels) addCompare(prefix string, f func(op cmpOp) evalFunc) {
	for op, name := range cmpNames(prefix) {
		k[name] = kernel{eval: f(cmpOp(op)), total: true}
	}
}

func comparisonKernels(k kernels) {
	intComparisons(k)
	floatComparisons(k)
	textComparisons(k)
	datetimeComparisons(k)
	boxedComparisons(k)
	recordComparisons(k)
}

func intComparisons(k kernels) {
	k.addCompare("int2", compareFixed[int16, int16, int16])
	k.addCompare("int4", compareFixed[int32, int32, int32])
	k.addCompare("int8", compareFixed[int64, int64, int64])
	k.addCompare("int24", compareFixed[int16, int32, int32])
	k.addCompare("int42", compareFixed[int32, int16, int32])
	k.addCompare("int28", compareFixed[int16, int64, int64])
	k.addCompare("int82", compareFixed[int64, int16, int64])
	k.addCompare("int48", compareFixed[int32, int64, int64])
	k.addCompare("int84", compareFixed[int64, int32, int64])
	k.addCompare("oid", compareFixed[uint32, uint32, uint32])
	k.add(compareFixed[uint32, uint32, uint32](opEQ), "xideq", "cideq")
	k.add(compareFixed[uint32, uint32, uint32](opNE), "xidneq")
	addThreeWay[int16, int16, int16](k, "btint2cmp")
	addThreeWay[int32, int32, int32](k, "btint4cmp")
	addThreeWay[int64, int64, int64](k, "btint8cmp")
	addThreeWay[int16, int32, int32](k, "btint24cmp")
	addThreeWay[int32, int16, int32](k, "btint42cmp")
	addThreeWay[int16, int64, int64](k, "btint28cmp")
	addThreeWay[int64, int16, int64](k, "btint82cmp")
	addThreeWay[int32, int64, int64](k, "btint48cmp")
	addThreeWay[int64, int32, int64](k, "btint84cmp")
	addThreeWay[uint32, uint32, uint32](k, "btoidcmp")
	addExtremes[int16](k, "int2larger", "int2smaller")
	addExtremes[int32](k, "int4larger", "int4smaller")
	addExtremes[int64](k, "int8larger", "int8smaller")
	addExtremes[uint32](k, "oidlarger", "oidsmaller")
}

func addThreeWay[A, B, W fixed](k kernels, name string) {
	k.add(map2(func(a A, b B) int32 { return int32(cmp.Compare(W(a), W(b))) }), name)
}

func addExtremes[T fixed](k kernels, larger, smaller string) {
	k.add(map2(func(a, b T) T { return max(a, b) }), larger)
	k.add(map2(func(a, b T) T { return min(a, b) }), smaller)
}

// compareFixed compares integers, or what is stored as such, as W.
func compareFixed[A, B, W fixed](op cmpOp) evalFunc {
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		a, b := colOf[A](args[0]), colOf[B](args[1])
		switch op {
		case opEQ, opNE:
			equalLoop[A, B, W](a, b, out.Bytes(), n)
		case opLT, opGE:
			lessLoop[A, B, W](a, b, out.Bytes(), n)
		default:
			lessLoop[B, A, W](b, a, out.Bytes(), n)
		}
		if op == opNE || op == opGE || op == opLE {
			invert(out.Bytes())
		}
		return boolArray(out, mask), nil
	}
}

func invert(bits []byte) {
	for i := range bits {
		bits[i] = ^bits[i]
	}
}

func equalLoop[A, B, W fixed](a col[A], b col[B], bits []byte, n int) {
	for base := 0; base < n; base += 8 {
		var m byte
		for j := range min(8, n-base) {
			m |= bit(W(a.v[(base+j)&a.mask]) == W(b.v[(base+j)&b.mask])) << j
		}
		bits[base>>3] = m
	}
}

func lessLoop[A, B, W fixed](a col[A], b col[B], bits []byte, n int) {
	for base := 0; base < n; base += 8 {
		var m byte
		for j := range min(8, n-base) {
			m |= bit(W(a.v[(base+j)&a.mask]) < W(b.v[(base+j)&b.mask])) << j
		}
		bits[base>>3] = m
	}
}

func floatComparisons(k kernels) {
	k.addCompare("float4", compareFloat[float32, float32, float32])
	k.addCompare("float8", compareFloat[float64, float64, float64])
	k.addCompare("float48", compareFloat[float32, float64, float64])
	k.addCompare("float84", compareFloat[float64, float32, float64])
	k.add(map2(func(a, b float32) int32 { return int32(cmpFloat(a, b)) }), "btfloat4cmp")
	k.add(map2(func(a, b float64) int32 { return int32(cmpFloat(a, b)) }), "btfloat8cmp")
	k.add(map2(func(a float32, b float64) int32 { return int32(cmpFloat(float64(a), b)) }), "btfloat48cmp")
	k.add(map2(func(a float64, b float32) int32 { return int32(cmpFloat(a, float64(b))) }), "btfloat84cmp")
	addFloatExtremes[float32](k, "float4larger", "float4smaller")
	addFloatExtremes[float64](k, "float8larger", "float8smaller")
}

func addFloatExtremes[T float32 | float64](k kernels, larger, smaller string) {
	k.add(map2(func(a, b T) T {
		if cmpFloat(a, b) > 0 {
			return a
		}
		return b
	}), larger)
	k.add(map2(func(a, b T) T {
		if cmpFloat(a, b) < 0 {
			return a
		}
		return b
	}), smaller)
}

// cmpFloat is PostgreSQL's order: NaN is equal to itself and above all else.
func cmpFloat[T float32 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return int(bit(a != a)) - int(bit(b != b))
}

func compareFloat[A, B, W float32 | float64](op cmpOp) evalFunc {
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		a, b := colOf[A](args[0]), colOf[B](args[1])
		switch op {
		case opEQ, opNE:
			floatEqualLoop[A, B, W](a, b, out.Bytes(), n)
		case opLT, opGE:
			floatLessLoop[A, B, W](a, b, out.Bytes(), n)
		default:
			floatLessLoop[B, A, W](b, a, out.Bytes(), n)
		}
		if op == opNE || op == opGE || op == opLE {
			invert(out.Bytes())
		}
		return boolArray(out, mask), nil
	}
}

func floatEqualLoop[A, B, W float32 | float64](a col[A], b col[B], bits []byte, n int) {
	for base := 0; base < n; base += 8 {
		var m byte
		for j := range min(8, n-base) {
			x, y := W(a.v[(base+j)&a.mask]), W(b.v[(base+j)&b.mask])
			m |= (bit(x == y) | bit(x != x)&bit(y != y)) << j
		}
		bits[base>>3] = m
	}
}

func floatLessLoop[A, B, W float32 | float64](a col[A], b col[B], bits []byte, n int) {
	base := 0
	if a, ok := any(&a).(*col[float64]); ok {
		if b, ok := any(&b).(*col[float64]); ok {
			base = lessFloats(a, b, bits, n)
		}
	}
	as, bs := a.eight(), b.eight()
	for ; base+8 <= n; base += 8 {
		x, y := a.eightAt(base, &as), b.eightAt(base, &bs)
		m := floatLess(W(x[0]), W(y[0])) | floatLess(W(x[1]), W(y[1]))<<1
		m |= floatLess(W(x[2]), W(y[2]))<<2 | floatLess(W(x[3]), W(y[3]))<<3
		m |= floatLess(W(x[4]), W(y[4]))<<4 | floatLess(W(x[5]), W(y[5]))<<5
		bits[base>>3] = m | floatLess(W(x[6]), W(y[6]))<<6 | floatLess(W(x[7]), W(y[7]))<<7
	}
	if base < n {
		var m byte
		for j := range n - base {
			m |= floatLess(W(a.v[(base+j)&a.mask]), W(b.v[(base+j)&b.mask])) << j
		}
		bits[base>>3] = m
	}
}

// floatLess is 1 if x comes before y in PostgreSQL's order. What is not at least as
// great as x is greater, or a NaN.
func floatLess[T float32 | float64](x, y T) byte { return bit(!(x >= y)) & bit(x == x) }

func textComparisons(k kernels) {
	k.addCompare("text?", compareText)
	k.addCompare("name", compareText)
	for op, names := range map[cmpOp][]string{
		opEQ: {"nameeqtext", "texteqname"},
		opNE: {"namenetext", "textnename"},
		opLT: {"namelttext", "textltname", "text_pattern_lt"},
		opLE: {"nameletext", "textlename", "text_pattern_le"},
		opGT: {"namegttext", "textgtname", "text_pattern_gt"},
		opGE: {"namegetext", "textgename", "text_pattern_ge"},
	} {
		k.add(compareText(op), names...)
	}
	k.add(fn2(func(a, b string) (int32, error) { return int32(cmp.Compare(a, b)), nil }),
		"bttextcmp", "btnamecmp", "bttextnamecmp", "btnametextcmp", "bttext_pattern_cmp")
	k.add(fn2(func(a, b string) (string, error) { return max(a, b), nil }), "text_larger")
	k.add(fn2(func(a, b string) (string, error) { return min(a, b), nil }), "text_smaller")

	k.addCompare("bpchar", compareBPChar)
	for op, name := range []string{opLT: "lt", opLE: "le", opGT: "gt", opGE: "ge"} {
		if name != "" {
			k.add(compareBPChar(cmpOp(op)), "bpchar_pattern_"+name)
		}
	}
	k.add(fn2(func(a, b string) (int32, error) { return int32(cmpBPChar(a, b)), nil }), "bpcharcmp", "btbpchar_pattern_cmp")
	k.add(fn2(func(a, b string) (string, error) {
		if cmpBPChar(a, b) >= 0 {
			return a, nil
		}
		return b, nil
	}), "bpchar_larger")
	k.add(fn2(func(a, b string) (string, error) {
		if cmpBPChar(a, b) <= 0 {
			return a, nil
		}
		return b, nil
	}), "bpchar_smaller")
	k.addCompare("char", compareText)
	k.add(fn2(func(a, b string) (int32, error) { return int32(cmp.Compare(a, b)), nil }), "btcharcmp")
	k.addCompare("bytea", compareBytes)
	k.add(fn2(func(a, b []byte) (int32, error) { return int32(bytes.Compare(a, b)), nil }), "byteacmp")
}

// compareText compares strings in byte order; equality looks at lengths first.
func compareText(op cmpOp) evalFunc {
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		if mask.all() {
			return boolArray(out, mask), nil
		}
		a, b := args[0].Array.(*array.String), args[1].Array.(*array.String)
		am, bm, bits := rowMask(args[0]), rowMask(args[1]), out.Bytes()
		switch op {
		case opEQ, opNE:
			for i := range n {
				bits[i>>3] |= bit(a.Value(i&am) == b.Value(i&bm)) << (i & 7)
			}
		case opLT, opGE:
			for i := range n {
				bits[i>>3] |= bit(a.Value(i&am) < b.Value(i&bm)) << (i & 7)
			}
		default:
			for i := range n {
				bits[i>>3] |= bit(b.Value(i&bm) < a.Value(i&am)) << (i & 7)
			}
		}
		if op == opNE || op == opGE || op == opLE {
			invert(bits)
		}
		return boolArray(out, mask), nil
	}
}

func compareBPChar(op cmpOp) evalFunc {
	return fn2(func(a, b string) (bool, error) { return op.holds(cmpBPChar(a, b)), nil })
}

// cmpBPChar ignores trailing blanks, as char(n) does.
func cmpBPChar(a, b string) int {
	return cmp.Compare(strings.TrimRight(a, " "), strings.TrimRight(b, " "))
}

func compareBytes(op cmpOp) evalFunc {
	return fn2(func(a, b []byte) (bool, error) { return op.holds(bytes.Compare(a, b)), nil })
}

// datetimeComparisons compares within one type; the stored infinities are the
// extremes, so that integers tell the order.
func datetimeComparisons(k kernels) {
	k.addCompare("date_", compareFixed[int32, int32, int32])
	k.addCompare("time_", compareFixed[int64, int64, int64])
	k.addCompare("timestamp_", compareFixed[int64, int64, int64])
	addThreeWay[int32, int32, int32](k, "date_cmp")
	addThreeWay[int64, int64, int64](k, "time_cmp")
	addThreeWay[int64, int64, int64](k, "timestamp_cmp")
	addExtremes[int32](k, "date_larger", "date_smaller")
	addExtremes[int64](k, "time_larger", "time_smaller")
	addExtremes[int64](k, "timestamp_larger", "timestamp_smaller")
}

// boxedComparisons are those that datum.CompareAt makes.
func boxedComparisons(k kernels) {
	for prefix, t := range map[string]datum.OID{
		"bool":     datum.Bool,
		"numeric_": datum.Numeric,
		"timetz_":  datum.TimeTZ, "interval_": datum.Interval, "uuid_": datum.UUID,
		"jsonb_": datum.JSONB, "array_": datum.AnyArray,
		"oidvector": datum.OIDVector, "tid": datum.TID,
	} {
		k.addCompare(prefix, func(op cmpOp) evalFunc { return compareAt(op, t) })
	}
	for name, t := range map[string]datum.OID{
		"btboolcmp": datum.Bool, "numeric_cmp": datum.Numeric, "timetz_cmp": datum.TimeTZ,
		"interval_cmp": datum.Interval, "uuid_cmp": datum.UUID, "jsonb_cmp": datum.JSONB,
		"btarraycmp": datum.AnyArray, "btoidvectorcmp": datum.OIDVector,
	} {
		k.add(threeWayAt(t), name)
	}
	for name, t := range map[string]datum.OID{
		"numeric": datum.Numeric, "timetz": datum.TimeTZ, "interval": datum.Interval, "array": datum.AnyArray,
	} {
		k.add(extremeAt(t, 1), name+"_larger")
		k.add(extremeAt(t, -1), name+"_smaller")
	}
}

// argType is the type to compare an argument as: its own, if that is known, for
// the types that stand for many.
func argType(v Vec, declared datum.OID) datum.Type {
	if v.T.OID != 0 {
		return v.T
	}
	return datum.Of(declared)
}

func compareAt(op cmpOp, declared datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, _ datum.Type) (arrow.Array, error) {
		mask := strictNulls(c.Mem, args[:2], n)
		out := newBitmap(c.Mem, n)
		t, bits := argType(args[0], declared), out.Bytes()
		for i := range n {
			if !mask.null(i) {
				order := datum.CompareAt(t, args[0].Array, args[0].At(i), args[1].Array, args[1].At(i))
				bits[i>>3] |= bit(op.holds(order)) << (i & 7)
			}
		}
		return boolArray(out, mask), nil
	}
}

func threeWayAt(declared datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		out, t := newOut[int32](c.Mem, args[:2], n), argType(args[0], declared)
		for i := range n {
			out.v[i] = 0
			if !out.mask.null(i) {
				out.v[i] = int32(datum.CompareAt(t, args[0].Array, args[0].At(i), args[1].Array, args[1].At(i)))
			}
		}
		return out.array(ret), nil
	}
}

// extremeAt returns the first argument if it compares as sign with the second,
// else the second.
func extremeAt(declared datum.OID, sign int) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		t := argType(args[0], declared)
		b := array.NewBuilder(c.Mem, ret.Arrow())
		defer b.Release()
		b.Reserve(n)
		for i := range n {
			x, y := args[0].At(i), args[1].At(i)
			switch {
			case args[0].IsNull(x) || args[1].IsNull(y):
				b.AppendNull()
			case datum.CompareAt(t, args[0].Array, x, args[1].Array, y)*sign > 0:
				datum.Append(b, ret, datum.ValueAt(ret, args[0].Array, x))
			default:
				datum.Append(b, ret, datum.ValueAt(ret, args[1].Array, y))
			}
		}
		return b.NewArray(), nil
	}
}
