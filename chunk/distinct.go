package chunk

import "math"

// estimate evaluates a HyperLogLog (Flajolet et al., 2007, with linear counting
// for small numbers), never above limit.
func estimate(reg []uint8, limit int) int {
	m := float64(len(reg))
	sum, zeros := 0.0, 0
	for _, r := range reg {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/float64(zeros))
	}
	return max(1, min(int(math.Round(e)), limit))
}

// float64bits gives floats that compare equal equal bits.
func float64bits(x float64) uint64 {
	switch {
	case x != x:
		return math.Float64bits(math.NaN())
	case x == 0:
		return 0
	}
	return math.Float64bits(x)
}
