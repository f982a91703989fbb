package sketch

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// A Quantile is a DDSketch (Masson et al., VLDB 2019): values are counted in buckets whose width is
// a part of the value, so that a quantile differs from the exact one by at most that part. 4,096 buckets
// of each sign are kept, which are 35 powers of ten with an accuracy of 0.01: those of the smallest absolute values
// beyond become one.
type Quantile struct {
	accuracy, logGamma float64
	positive, negative map[int32]uint64
	zero, nan          uint64
	inf, negInf        uint64
	low, high          float64 // of the finite values
}

const maxBuckets = 4096

// MinAccuracy and MaxAccuracy bound the accuracy of a Quantile.
const (
	MinAccuracy = 0.0005
	MaxAccuracy = 0.2
)

// NewQuantile makes an empty sketch of a relative accuracy.
func NewQuantile(accuracy float64) (*Quantile, error) {
	if !(accuracy >= MinAccuracy && accuracy <= MaxAccuracy) {
		return nil, invalid("the accuracy of a percentile sketch must be from %v to %v", MinAccuracy, MaxAccuracy)
	}
	return &Quantile{
		accuracy: accuracy, logGamma: math.Log((1 + accuracy) / (1 - accuracy)),
		positive: map[int32]uint64{}, negative: map[int32]uint64{}, low: math.Inf(1), high: math.Inf(-1),
	}, nil
}

func (s *Quantile) kind() kind { return kindQuantile }

// Add adds a value.
func (s *Quantile) Add(v float64) {
	switch {
	case math.IsNaN(v):
		s.nan++
		return
	case math.IsInf(v, 1):
		s.inf++
		return
	case math.IsInf(v, -1):
		s.negInf++
		return
	case v == 0:
		s.zero++
		v = 0 // not -0, which would show in the bounds
	case v > 0:
		addTo(s.positive, s.bucket(v), 1)
	default:
		addTo(s.negative, s.bucket(-v), 1)
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// bucket is the one of a positive value.
func (s *Quantile) bucket(v float64) int32 { return int32(math.Ceil(math.Log(v) / s.logGamma)) }

// value is the one that stands for those of a bucket.
func (s *Quantile) value(bucket int32) float64 {
	return math.Exp(float64(bucket)*s.logGamma) * (1 - s.accuracy)
}

// addTo adds to a bucket; there are twice as many as are kept before the lowest become one: which ones are kept in
// the end does not depend on when that is done.
func addTo(m map[int32]uint64, bucket int32, n uint64) {
	m[bucket] = addCounts(m[bucket], n)
	if len(m) >= 2*maxBuckets {
		collapse(m)
	}
}

// collapse makes the lowest buckets beyond maxBuckets one.
func collapse(m map[int32]uint64) {
	if len(m) <= maxBuckets {
		return
	}
	keys := slices.Sorted(maps.Keys(m))
	over := len(keys) - maxBuckets
	for _, k := range keys[:over] {
		m[keys[over]] = addCounts(m[keys[over]], m[k])
		delete(m, k)
	}
}

// Merge implements Sketch.
func (s *Quantile) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	if o.accuracy != s.accuracy {
		return differs(s)
	}
	for k, n := range o.positive {
		addTo(s.positive, k, n)
	}
	for k, n := range o.negative {
		addTo(s.negative, k, n)
	}
	s.zero, s.nan = addCounts(s.zero, o.zero), addCounts(s.nan, o.nan)
	s.inf, s.negInf = addCounts(s.inf, o.inf), addCounts(s.negInf, o.negInf)
	s.low, s.high = min(s.low, o.low), max(s.high, o.high)
	return nil
}

// A quantileStep is a value and how often it occurs.
type quantileStep struct {
	value float64
	n     uint64
}

// steps are the values in order, as PostgreSQL orders them: NaN is the largest.
func (s *Quantile) steps() []quantileStep {
	collapse(s.positive)
	collapse(s.negative)
	out := []quantileStep{{math.Inf(-1), s.negInf}}
	clamp := func(v float64) float64 { return max(s.low, min(s.high, v)) }
	neg := slices.Sorted(maps.Keys(s.negative))
	slices.Reverse(neg)
	for _, k := range neg {
		out = append(out, quantileStep{clamp(-s.value(k)), s.negative[k]})
	}
	out = append(out, quantileStep{0, s.zero})
	for _, k := range slices.Sorted(maps.Keys(s.positive)) {
		out = append(out, quantileStep{clamp(s.value(k)), s.positive[k]})
	}
	return append(out, quantileStep{math.Inf(1), s.inf}, quantileStep{math.NaN(), s.nan})
}

func total(steps []quantileStep) float64 {
	n := 0.0
	for _, st := range steps {
		n += float64(st.n)
	}
	return n
}

// At returns the first value in order that has a fraction of the values up to it, as percentile_disc
// does; ok is false if there are none.
func (s *Quantile) At(fraction float64) (v float64, ok bool) {
	steps := s.steps()
	n := total(steps)
	if n == 0 {
		return 0, false
	}
	before := 0.0
	for _, st := range steps {
		if st.n == 0 {
			continue
		}
		v = st.value
		if before += float64(st.n); before >= fraction*n {
			break
		}
	}
	return v, true
}

// Rank returns which fraction of the values is at most v; ok is false if there are none.
func (s *Quantile) Rank(v float64) (fraction float64, ok bool) {
	steps := s.steps()
	n := total(steps)
	if n == 0 {
		return 0, false
	}
	if math.IsNaN(v) {
		return 1, true
	}
	if v > 0 && !math.IsInf(v, 0) {
		v = max(v, s.value(s.bucket(v))) // all of the bucket
	} else if v < 0 && !math.IsInf(v, 0) {
		v = max(v, -s.value(s.bucket(-v)))
	}
	below := 0.0
	for _, st := range steps {
		if st.value <= v {
			below += float64(st.n)
		}
	}
	return below / n, true
}

// SizeBytes implements Sketch.
func (s *Quantile) SizeBytes() int64 { return 96 + 24*int64(len(s.positive)+len(s.negative)) }

func (s *Quantile) appendBody(dst []byte) []byte {
	collapse(s.positive)
	collapse(s.negative)
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(s.accuracy))
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(s.low))
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(s.high))
	for _, n := range []uint64{s.zero, s.nan, s.inf, s.negInf} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, m := range []map[int32]uint64{s.positive, s.negative} {
		dst = binary.AppendUvarint(dst, uint64(len(m)))
		last := int32(math.MinInt32)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			dst = binary.AppendUvarint(dst, uint64(uint32(k-last)))
			dst = binary.AppendUvarint(dst, m[k])
			last = k
		}
	}
	return dst
}

func readQuantile(r *reader) Sketch {
	s, err := NewQuantile(r.float64())
	if err != nil {
		r.fail()
		return nil
	}
	s.low, s.high = r.float64(), r.float64()
	s.zero, s.nan, s.inf, s.negInf = r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	// No finite value lies in a bucket beyond these.
	most := int64(s.bucket(math.MaxFloat64)) + 1
	for _, m := range []map[int32]uint64{s.positive, s.negative} {
		n := r.count(2)
		if !r.check(n <= maxBuckets) {
			return nil
		}
		last := int64(math.MinInt32)
		for range n {
			step, c := r.uvarint(), r.uvarint()
			k := last + int64(min(step, 1<<33))
			if !r.check(step > 0 && c > 0 && k >= -2*most && k <= most) {
				return nil
			}
			m[int32(k)] = c
			last = k
		}
	}
	empty := s.zero == 0 && len(s.positive)+len(s.negative) == 0
	if empty {
		r.check(math.IsInf(s.low, 1) && math.IsInf(s.high, -1))
	} else {
		r.check(s.low <= s.high && !math.IsInf(s.low, 0) && !math.IsInf(s.high, 0))
	}
	return s
}
