package function

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// The functions of PostgreSQL's hash operator classes. Clients spread rows by them, as by
// hashtext(key) % 16, so that the values must be PostgreSQL's: those of Bob Jenkins' lookup3.

// hashKernels are the hash functions, each with a seed as well.
func hashKernels(k kernels) {
	for _, h := range []struct {
		name, extended string
		t              datum.OID
		of             func(v datum.Value, seed uint64) uint64
	}{
		{"hashint2", "hashint2extended", datum.Int2, func(v datum.Value, seed uint64) uint64 { return hashWord(uint32(int32(v.(int16))), seed) }},
		{"hashint4", "hashint4extended", datum.Int4, func(v datum.Value, seed uint64) uint64 { return hashWord(uint32(v.(int32)), seed) }},
		{"hashint8", "hashint8extended", datum.Int8, func(v datum.Value, seed uint64) uint64 { return hashLong(v.(int64), seed) }},
		{"hashoid", "hashoidextended", datum.OIDType, func(v datum.Value, seed uint64) uint64 { return hashWord(uint32(v.(datum.OID)), seed) }},
		{"hashfloat4", "hashfloat4extended", datum.Float4, func(v datum.Value, seed uint64) uint64 { return hashDouble(float64(v.(float32)), seed) }},
		{"hashfloat8", "hashfloat8extended", datum.Float8, func(v datum.Value, seed uint64) uint64 { return hashDouble(v.(float64), seed) }},
		{"hashchar", "hashcharextended", datum.Char, func(v datum.Value, seed uint64) uint64 {
			if s := v.(string); s != "" {
				return hashWord(uint32(s[0]), seed)
			}
			return hashWord(0, seed)
		}},
		{"hashtext", "hashtextextended", datum.Text, func(v datum.Value, seed uint64) uint64 { return hashText(v.(string), seed) }},
		{"hashname", "hashnameextended", datum.Name, func(v datum.Value, seed uint64) uint64 { return hashText(v.(string), seed) }},
		{"hashbpchar", "hashbpcharextended", datum.BPChar, func(v datum.Value, seed uint64) uint64 { return hashText(strings.TrimRight(v.(string), " "), seed) }},
		{"uuid_hash", "uuid_hash_extended", datum.UUID, func(v datum.Value, seed uint64) uint64 {
			u := v.(datum.UUIDValue)
			return hashBytes(u[:], seed)
		}},
		{"time_hash", "time_hash_extended", datum.Time, func(v datum.Value, seed uint64) uint64 { return hashLong(int64(v.(datum.Micros)), seed) }},
		{"timestamp_hash", "timestamp_hash_extended", datum.Timestamp, func(v datum.Value, seed uint64) uint64 { return hashLong(since2000(v.(datum.Micros)), seed) }},
		{"timetz_hash", "timetz_hash_extended", datum.TimeTZ, func(v datum.Value, seed uint64) uint64 {
			t := v.(datum.TimeTZValue)
			return hashLong(t.Micros, seed) ^ hashWord(uint32(t.Zone), seed)
		}},
		{"interval_hash", "interval_hash_extended", datum.Interval, func(v datum.Value, seed uint64) uint64 {
			i := v.(datum.IntervalValue)
			const day = 24 * 3600 * 1e6
			return hashLong((int64(i.Months)*30+int64(i.Days))*day+i.Micros, seed) // the lower 64 bits, as in PostgreSQL
		}},
	} {
		k.add(strictBoxed(func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			return int32(h.of(args[0], 0)), nil
		}, h.t), h.name)
		k.add(strictBoxed(func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			return int64(h.of(args[0], uint64(args[1].(int64)))), nil
		}, h.t, datum.Int8), h.extended)
	}
}

// since2000 counts a timestamp from where PostgreSQL does.
func since2000(m datum.Micros) int64 {
	if m == math.MaxInt64 || m == math.MinInt64 {
		return int64(m)
	}
	return int64(m) - 946684800*1e6
}

// hashLong is such that equal integers of all widths hash alike.
func hashLong(v int64, seed uint64) uint64 {
	high := uint32(v >> 32)
	if v < 0 {
		high = ^high
	}
	return hashWord(uint32(v)^high, seed)
}

// hashDouble is such that zeros and all NaNs hash alike.
func hashDouble(v float64, seed uint64) uint64 {
	switch {
	case v == 0:
		return seed
	case math.IsNaN(v):
		v = math.Float64frombits(0x7ff8 << 48)
	}
	return hashBytes(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), seed)
}

func hashText(s string, seed uint64) uint64 { return hashBytes([]byte(s), seed) }

// A jenkins is the state of a hash.
type jenkins struct{ a, b, c uint32 }

// startHash is the state for so many bytes.
func startHash(n int, seed uint64) jenkins {
	start := uint32(0x9e3779b9 + n + 3923095)
	h := jenkins{start, start, start}
	if seed != 0 {
		h.a += uint32(seed >> 32)
		h.b += uint32(seed)
		h.mix()
	}
	return h
}

func hashWord(v uint32, seed uint64) uint64 {
	h := startHash(4, seed)
	h.a += v
	return h.end()
}

// hashBytes returns the hash in the lower half, and more bits of it in the upper one.
func hashBytes(p []byte, seed uint64) uint64 {
	h := startHash(len(p), seed)
	for ; len(p) >= 12; p = p[12:] {
		h.a += binary.LittleEndian.Uint32(p)
		h.b += binary.LittleEndian.Uint32(p[4:])
		h.c += binary.LittleEndian.Uint32(p[8:])
		h.mix()
	}
	for i, x := range p {
		switch shift := 8 * (i % 4); {
		case i < 4:
			h.a += uint32(x) << shift
		case i < 8:
			h.b += uint32(x) << shift
		default: // whose lowest byte is for the length
			h.c += uint32(x) << (shift + 8)
		}
	}
	return h.end()
}

func (h *jenkins) mix() {
	for _, r := range [][2]int{{4, 6}, {8, 16}, {19, 4}} {
		h.a -= h.c
		h.a ^= bits.RotateLeft32(h.c, r[0])
		h.c += h.b
		h.b -= h.a
		h.b ^= bits.RotateLeft32(h.a, r[1])
		h.a += h.c
		h.a, h.b, h.c = h.c, h.a, h.b
	}
}

func (h *jenkins) end() uint64 {
	step := func(x *uint32, y uint32, r int) {
		*x ^= y
		*x -= bits.RotateLeft32(y, r)
	}
	step(&h.c, h.b, 14)
	step(&h.a, h.c, 11)
	step(&h.b, h.a, 25)
	step(&h.c, h.b, 16)
	step(&h.a, h.c, 4)
	step(&h.b, h.a, 14)
	step(&h.c, h.b, 24)
	return uint64(h.b)<<32 | uint64(h.c)
}
