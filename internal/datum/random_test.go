package datum

import (
	"flag"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

var seedFlag = flag.Uint64("seed", 1, "seed of random values")

func newRand(t testing.TB) *rand.Rand {
	t.Logf("seed %d", *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 7))
}

// testedTypes are types of every kind.
var testedTypes = []Type{
	Of(Bool), Of(Int2), Of(Int4), Of(Int8), Of(OIDType), Of(RegClass), Of(Float4), Of(Float8), Of(Numeric),
	Of(Text), Of(Varchar), Of(BPChar), Of(Name), Of(JSON), Of(JSONB), Of(Bytea), Of(Date), Of(Time), Of(TimeTZ),
	Of(Timestamp), Of(TimestampTZ), Of(Interval), Of(UUID), Of(VarBit), Of(Record),
	Of(Int4Array), Of(TextArray), Of(NumericArray), Of(BPCharArray), Of(JSONBArray), Of(IntervalArray), Of(Int2Vector),
}

// pick returns one of the values, or f's.
func pick[T any](r *rand.Rand, f func() T, special ...T) T {
	if i := r.IntN(len(special) + 4); i < len(special) {
		return special[i]
	}
	return f()
}

func randomInt(r *rand.Rand) int64 {
	return pick(r, func() int64 { return int64(r.Uint64()) >> r.IntN(64) }, 0, 1, -1, math.MaxInt64, math.MinInt64)
}

func randomText(r *rand.Rand) string {
	words := []string{"a", "b", "ab", "é", " ", "  ", "\x01", "\x7f", "z", "null", "\"", "\\", "{", ",", "\U0001F600", "aa"}
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

func randomDecimal(r *rand.Rand) Decimal {
	switch r.IntN(12) {
	case 0:
		return Decimal{Kind: NaN}
	case 1:
		return Decimal{Kind: Infinite, Neg: r.IntN(2) == 0}
	case 2:
		d, _ := ParseDecimal(strings.Repeat("9", 1+r.IntN(60)) + "." + strings.Repeat("0", r.IntN(30)) + "1")
		d.Neg = r.IntN(2) == 0
		return d
	case 3:
		return decimalFromParts(int64(r.IntN(5)-2), int32(r.IntN(40)))
	}
	c := randomInt(r)
	for range r.IntN(4) {
		if c < math.MaxInt64/10 && c > math.MinInt64/10 {
			c *= 10
		}
	}
	return decimalFromParts(c, int32(r.IntN(20)))
}

func randomJSON(r *rand.Rand, depth int) string {
	n := 6
	if depth > 2 {
		n = 4
	}
	switch r.IntN(n) {
	case 0:
		return pick(r, func() string { return "null" }, "true", "false")
	case 1, 2:
		d := randomDecimal(r)
		if d.Kind == Finite {
			return d.String()
		}
		return "0.00"
	case 3:
		return string(AppendJSONString(nil, randomText(r)))
	}
	var parts []string
	object := r.IntN(2) == 0
	for range r.IntN(3) {
		e := randomJSON(r, depth+1)
		if object {
			e = string(AppendJSONString(nil, randomText(r))) + ":" + e
		}
		parts = append(parts, e)
	}
	if object {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func randomMicros(r *rand.Rand) Micros {
	return pick(r, func() Micros {
		lo := int64(MinMicros)
		return Micros(lo + r.Int64N(int64(MaxMicros)>>r.IntN(30)))
	}, 0, InfinityMicros, NegInfinityMicros, MinMicros, MaxMicros, -1)
}

// randomValue returns a value that is not NULL.
func randomValue(r *rand.Rand, t Type) Value {
	switch t.kind() {
	case kBool:
		return r.IntN(2) == 0
	case kInt16:
		return int16(randomInt(r))
	case kInt32:
		return int32(randomInt(r))
	case kInt64:
		return randomInt(r)
	case kUint32:
		return OID(randomInt(r))
	case kFloat32:
		return pick(r, func() float32 { return math.Float32frombits(r.Uint32()) }, 0, float32(math.Copysign(0, -1)),
			float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1, math.SmallestNonzeroFloat32)
	case kFloat64:
		return pick(r, func() float64 { return math.Float64frombits(r.Uint64()) }, 0, math.Copysign(0, -1), math.Inf(1),
			math.Inf(-1), math.NaN(), math.Copysign(math.NaN(), -1), 1, math.SmallestNonzeroFloat64)
	case kNumeric:
		return randomDecimal(r)
	case kBytes:
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = pick(r, func() byte { return byte(r.Uint32()) }, 0, 1, 0xff)
		}
		return b
	case kDate:
		return pick(r, func() Days { return Days(r.IntN(4000000) - 2000000) }, 0, InfinityDays, NegInfinityDays, MinDays, MaxDays)
	case kTime:
		return Micros(r.Int64N(microsPerDay + 1))
	case kTimeTZ:
		return TimeTZValue{Micros: r.Int64N(24) * microsPerHour, Zone: int32(r.IntN(9)-4) * 3600}
	case kTimestamp, kTimestampTZ:
		return randomMicros(r)
	case kInterval:
		return IntervalValue{
			Months: pick(r, func() int32 { return int32(r.IntN(5) - 2) }, math.MaxInt32, math.MinInt32),
			Days:   pick(r, func() int32 { return int32(r.IntN(130) - 65) }, math.MaxInt32, math.MinInt32),
			Micros: pick(r, func() int64 { return r.Int64N(5)*microsPerDay - 2*microsPerDay }, math.MaxInt64, math.MinInt64, 1),
		}
	case kUUID:
		var u UUIDValue
		u[r.IntN(16)] = byte(r.Uint32())
		return u
	case kJSONB:
		s, err := CanonicalJSON(randomJSON(r, 0))
		if err != nil {
			panic(err)
		}
		return s
	case kArray:
		elem, _ := t.Elem()
		v := Array{Elem: elem, Values: []Value{}}
		for range r.IntN(4) {
			var e Value
			if r.IntN(4) > 0 || t.OID == Int2Vector {
				e = randomValue(r, elem)
			}
			v.Values = append(v.Values, e)
		}
		return v
	case kRecord:
		row := Row{Types: []Type{Of(Int4), Of(Text), Of(Numeric)}, Values: []Value{nil, randomText(r), randomDecimal(r)}}
		if r.IntN(3) > 0 {
			row.Values[0] = int32(r.IntN(3))
		}
		return row
	}
	switch t.OID {
	case JSON:
		return randomJSON(r, 0)
	case VarBit:
		return strings.Repeat("01", r.IntN(4)) + strings.Repeat("1", r.IntN(3))
	}
	return randomText(r)
}
