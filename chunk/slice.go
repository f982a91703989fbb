package chunk

import (
	"math"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
)

// Numbers of the slices that hold rows without a place on the line of time.
// They lie outside of the numbers that any finite time has, since a slice is at
// least a microsecond long.
const (
	SliceNull        = math.MinInt64
	SliceNegInfinity = math.MinInt64 + 1
	SliceInfinity    = math.MaxInt64
)

// SliceOf returns the number of the slice that holds t: floor(t / length), where
// length is that of the table's slices, 0 for one slice; isNull is for a NULL
// time. In a table of one slice all rows are in slice 0.
func SliceOf(length time.Duration, t datum.Micros, isNull bool) int64 {
	micros := length.Microseconds()
	if micros <= 0 {
		return 0
	}
	switch {
	case isNull:
		return SliceNull
	case t == datum.NegInfinityMicros:
		return SliceNegInfinity
	case t == datum.InfinityMicros:
		return SliceInfinity
	}
	n := int64(t) / micros
	if int64(t)%micros < 0 {
		n--
	}
	return min(max(n, SliceNegInfinity+1), SliceInfinity-1)
}

// A SliceFinder is SliceOf for one time after the other, of which most lie in the
// slice of the one before: then it divides nothing. Only Length is to be set.
type SliceFinder struct {
	Length time.Duration // of the table's slices
	slice  int64
	from   datum.Micros // the times from..to lie in slice
	to     datum.Micros // 0 as from: nothing is known
}

// Find is SliceOf.
func (f *SliceFinder) Find(t datum.Micros, isNull bool) int64 {
	if t >= f.from && t < f.to && !isNull {
		return f.slice
	}
	return f.divide(t, isNull)
}

func (f *SliceFinder) divide(t datum.Micros, isNull bool) int64 {
	s := SliceOf(f.Length, t, isNull)
	if r := SliceRange(f.Length, s); r.Min <= r.Max {
		f.slice, f.from, f.to = s, r.Min, r.Max
	}
	return s
}

// SliceRange returns the finite times that slice holds; Min > Max for the slices
// of NULL and the infinities. With length 0 it is all times.
func SliceRange(length time.Duration, slice int64) TimeRange {
	micros := length.Microseconds()
	if micros <= 0 {
		return TimeRange{Min: datum.NegInfinityMicros + 1, Max: datum.InfinityMicros - 1}
	}
	if slice == SliceNull || slice == SliceNegInfinity || slice == SliceInfinity {
		return TimeRange{Min: 1, Max: 0}
	}
	r := TimeRange{Min: datum.NegInfinityMicros + 1, Max: datum.InfinityMicros - 1}
	if slice >= math.MinInt64/micros {
		r.Min = max(r.Min, datum.Micros(slice*micros))
	}
	if slice < math.MaxInt64/micros {
		r.Max = min(r.Max, datum.Micros((slice+1)*micros-1))
	}
	return r
}
