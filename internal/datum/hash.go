package datum

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cespare/xxhash/v2"
)

const (
	hashPrime = 0x9e3779b97f4a7c15
	hashMix   = 0xd6e8feb86659fd93
	hashNull  = 0x5bd1e9955bd1e995
)

// mix folds a 64-bit value into a seed by one multiplication to 128 bits.
func mix(seed, v uint64) uint64 {
	hi, lo := bits.Mul64(v^hashPrime, seed^hashMix^bits.RotateLeft64(v, 32))
	return hi ^ lo
}

// Hash hashes element i so that elements equal by Compare hash equally; NULL
// has a hash of its own. Hashes of integers of different widths agree, and so
// do those of real and double precision. Hashes are stored (they choose
// partitions): the function never changes.
func Hash(t Type, a arrow.Array, i int, seed uint64) uint64 {
	if a.IsNull(i) {
		return mix(seed, hashNull)
	}
	switch t.kind() {
	case kBool:
		if a.(*array.Boolean).Value(i) {
			return mix(seed, 1)
		}
		return mix(seed, 0)
	case kInt16:
		return mix(seed, uint64(a.(*array.Int16).Value(i)))
	case kInt32:
		return mix(seed, uint64(a.(*array.Int32).Value(i)))
	case kInt64, kLabel:
		return mix(seed, uint64(a.(*array.Int64).Value(i)))
	case kUint32:
		return mix(seed, uint64(a.(*array.Uint32).Value(i)))
	case kFloat32:
		return hashFloat(seed, float64(a.(*array.Float32).Value(i)))
	case kFloat64:
		return hashFloat(seed, a.(*array.Float64).Value(i))
	case kBytes:
		return mix(seed, xxhash.Sum64(a.(*array.Binary).Value(i)))
	case kPadded:
		return mix(seed, xxhash.Sum64String(trimBlanks(a.(*array.String).Value(i))))
	case kString:
		return mix(seed, xxhash.Sum64String(a.(*array.String).Value(i)))
	case kDate:
		return mix(seed, uint64(a.(*array.Date32).Value(i)))
	case kTime:
		return mix(seed, uint64(a.(*array.Time64).Value(i)))
	case kTimestamp, kTimestampTZ:
		return mix(seed, uint64(a.(*array.Timestamp).Value(i)))
	case kInterval:
		hi, lo := DecodeInterval(a.(*array.FixedSizeBinary).Value(i)).span()
		return mix(mix(seed, uint64(hi)), lo)
	case kUUID:
		return mix(seed, xxhash.Sum64(a.(*array.FixedSizeBinary).Value(i)))
	case kArray:
		elem, _ := t.Elem()
		l := mustLists(a)
		from, to := l.Range(i)
		h := mix(seed, uint64(to-from))
		for j := from; j < to; j++ {
			h = Hash(elem, l.Values(), j, h)
		}
		return hashShape(l.Dims(i), h)
	}
	// Numbers of any scale, jsonb, timetz and records have one form only as keys.
	var buf [128]byte
	return mix(seed, xxhash.Sum64(appendKeyAt(buf[:0], t, a, i, storedMarks)))
}

// HashValue hashes a value as Hash does an element.
func HashValue(t Type, v Value, seed uint64) uint64 {
	switch v := v.(type) {
	case nil:
		return mix(seed, hashNull)
	case bool:
		if v {
			return mix(seed, 1)
		}
		return mix(seed, 0)
	case int16:
		return mix(seed, uint64(v))
	case int32:
		return mix(seed, uint64(v))
	case int64:
		return mix(seed, uint64(v))
	case Label:
		return mix(seed, uint64(v))
	case OID:
		return mix(seed, uint64(v))
	case float32:
		return hashFloat(seed, float64(v))
	case float64:
		return hashFloat(seed, v)
	case []byte:
		return mix(seed, xxhash.Sum64(v))
	case string:
		switch t.kind() {
		case kPadded:
			return mix(seed, xxhash.Sum64String(trimBlanks(v)))
		case kString:
			return mix(seed, xxhash.Sum64String(v))
		}
	case Days:
		return mix(seed, uint64(v))
	case Micros:
		return mix(seed, uint64(v))
	case IntervalValue:
		hi, lo := v.span()
		return mix(mix(seed, uint64(hi)), lo)
	case UUIDValue:
		return mix(seed, xxhash.Sum64(v[:]))
	case Array:
		h := mix(seed, uint64(len(v.Values)))
		for _, e := range v.Values {
			h = HashValue(v.Elem, e, h)
		}
		return hashShape(v.Dims, h)
	}
	var buf [128]byte
	return mix(seed, xxhash.Sum64(appendValueKey(buf[:0], t, v, storedMarks)))
}

func hashShape(dims []Dim, h uint64) uint64 {
	for _, d := range dims {
		h = mix(h, uint64(d.Len)<<32|uint64(uint32(d.Lower)))
	}
	return h
}

func hashFloat(seed uint64, v float64) uint64 {
	if v != v {
		return mix(seed, math.MaxUint64)
	}
	if v == 0 {
		return mix(seed, 0) // also -0.0
	}
	return mix(seed, math.Float64bits(v))
}
