package codec

// Sums of selected floats. Row i of a vector is added in sum i%8, and the eight
// are added at the end, so that a vector's sum depends on nothing but its rows:
// neither on how they were encoded nor on how they were found, nor on the CPU.
// What is not selected counts as 0.0, which changes no sum, for none of them is
// ever -0.0.

// sums are those of the rows i%8.
type sums struct{ s0, s1, s2, s3, s4, s5, s6, s7 float64 }

// add adds a row.
func (s *sums) add(row int, x float64) {
	switch row & 7 {
	case 0:
		s.s0 += x
	case 1:
		s.s1 += x
	case 2:
		s.s2 += x
	case 3:
		s.s3 += x
	case 4:
		s.s4 += x
	case 5:
		s.s5 += x
	case 6:
		s.s6 += x
	default:
		s.s7 += x
	}
}

func (s *sums) total() float64 {
	return (s.s0 + s.s1 + (s.s2 + s.s3)) + (s.s4 + s.s5 + (s.s6 + s.s7))
}

// byteMasks has the masks of eight neighbouring rows by their eight bits.
var byteMasks = func() (m [256][8]int64) {
	for bits := range m {
		for i := range m[bits] {
			m[bits][i] = -int64(bits >> i & 1)
		}
	}
	return m
}()

// SumFloats adds the selected floats of one vector. v holds up to VectorRows
// values, sel no row beyond them.
func SumFloats[F Float](v []F, sel *Bits) float64 {
	s := sumWords(v, sel)
	for i := len(v) &^ 63; i < len(v); i++ {
		if sel.Has(i) {
			s.add(i, float64(v[i]))
		}
	}
	return s.total()
}

// sumWordsPlain is sumWords, portably.
func sumWordsPlain[F Float](v []F, sel *Bits) sums {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64 // a struct would live in memory
	for w := range len(v) / 64 {
		m := sel[w]
		p := (*[64]F)(v[w*64:])
		for i := 0; m != 0; i += 8 {
			q, k := (*[8]F)(p[i:]), &byteMasks[m&255]
			m >>= 8
			s0 += float64(maskedFloat(&q[0], k[0]))
			s1 += float64(maskedFloat(&q[1], k[1]))
			s2 += float64(maskedFloat(&q[2], k[2]))
			s3 += float64(maskedFloat(&q[3], k[3]))
			s4 += float64(maskedFloat(&q[4], k[4]))
			s5 += float64(maskedFloat(&q[5], k[5]))
			s6 += float64(maskedFloat(&q[6], k[6]))
			s7 += float64(maskedFloat(&q[7], k[7]))
		}
	}
	return sums{s0, s1, s2, s3, s4, s5, s6, s7}
}

// maskedFloat is x, or 0.0 if the mask is 0: also for infinities and NaNs,
// because their bits are cleared.
func maskedFloat[F Float](x *F, mask int64) F { return floatOf[F](bitsOf(x) & uint64(mask)) }

// sumScaled is SumFloats of the floats that ALP makes of d.
func sumScaled[F Float](d []int64, fac, inv float64, sel *Bits) float64 {
	s := sumScaledWords[F](d, fac, inv, sel)
	for i := len(d) &^ 63; i < len(d); i++ {
		if sel.Has(i) {
			s.add(i, float64(F(float64(d[i])*fac*inv)))
		}
	}
	return s.total()
}

// sumScaledWordsPlain is sumScaledWords, portably.
func sumScaledWordsPlain[F Float](d []int64, fac, inv float64, sel *Bits) sums {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64 // a struct would live in memory
	for w := range len(d) / 64 {
		m := sel[w]
		p := (*[64]int64)(d[w*64:])
		for i := 0; m != 0; i += 8 {
			q, k := (*[8]int64)(p[i:]), &byteMasks[m&255]
			m >>= 8
			s0 += float64(F(float64(q[0]&k[0]) * fac * inv))
			s1 += float64(F(float64(q[1]&k[1]) * fac * inv))
			s2 += float64(F(float64(q[2]&k[2]) * fac * inv))
			s3 += float64(F(float64(q[3]&k[3]) * fac * inv))
			s4 += float64(F(float64(q[4]&k[4]) * fac * inv))
			s5 += float64(F(float64(q[5]&k[5]) * fac * inv))
			s6 += float64(F(float64(q[6]&k[6]) * fac * inv))
			s7 += float64(F(float64(q[7]&k[7]) * fac * inv))
		}
	}
	return sums{s0, s1, s2, s3, s4, s5, s6, s7}
}

// sumCodes is SumFloats of the values that codes stand for. It reports false if
// a code that it looks at lies outside of the values.
func sumCodes[F Float](codes []int64, values []F, sel *Bits) (sum float64, ok bool) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64
	n := uint64(len(values))
	for w := range len(codes) / 64 {
		m := sel[w]
		p := (*[64]int64)(codes[w*64:])
		for i := 0; m != 0; i += 8 {
			q, k := (*[8]int64)(p[i:]), &byteMasks[m&255]
			m >>= 8
			c0, c1, c2, c3 := uint64(q[0]), uint64(q[1]), uint64(q[2]), uint64(q[3])
			c4, c5, c6, c7 := uint64(q[4]), uint64(q[5]), uint64(q[6]), uint64(q[7])
			if max(c0, c1, c2, c3, c4, c5, c6, c7) >= n {
				return 0, false
			}
			s0 += float64(maskedFloat(&values[c0], k[0]))
			s1 += float64(maskedFloat(&values[c1], k[1]))
			s2 += float64(maskedFloat(&values[c2], k[2]))
			s3 += float64(maskedFloat(&values[c3], k[3]))
			s4 += float64(maskedFloat(&values[c4], k[4]))
			s5 += float64(maskedFloat(&values[c5], k[5]))
			s6 += float64(maskedFloat(&values[c6], k[6]))
			s7 += float64(maskedFloat(&values[c7], k[7]))
		}
	}
	s := sums{s0, s1, s2, s3, s4, s5, s6, s7}
	for i := len(codes) &^ 63; i < len(codes); i++ {
		if !sel.Has(i) {
			continue
		}
		c := uint64(codes[i])
		if c >= n {
			return 0, false
		}
		s.add(i, float64(values[c]))
	}
	return s.total(), true
}
