package codec

// Sums of selected floats. Row i of a vector is added in sum i%4, and the four
// are added at the end, so that a vector's sum depends on nothing but its rows:
// neither on how they were encoded nor on how they were found. What is not
// selected counts as 0.0, which changes no sum, for none of them is ever -0.0.

// nibbleMasks has the masks of four neighbouring rows by their four bits.
var nibbleMasks = func() (m [16][4]int64) {
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
	var s0, s1, s2, s3 float64 // not an array, which would live in memory
	for w := range len(v) / 64 {
		m := sel[w]
		p := (*[64]F)(v[w*64:])
		switch m {
		case 0:
		case ^uint64(0):
			for i := 0; i < len(p); i += 4 {
				q := (*[4]F)(p[i:])
				s0 += float64(q[0])
				s1 += float64(q[1])
				s2 += float64(q[2])
				s3 += float64(q[3])
			}
		default:
			for i := 0; i < len(p); i += 4 {
				q, k := (*[4]F)(p[i:]), &nibbleMasks[m&15]
				m >>= 4
				s0 += float64(maskedFloat(&q[0], k[0]))
				s1 += float64(maskedFloat(&q[1], k[1]))
				s2 += float64(maskedFloat(&q[2], k[2]))
				s3 += float64(maskedFloat(&q[3], k[3]))
			}
		}
	}
	for i := len(v) &^ 63; i < len(v); i++ {
		if !sel.Has(i) {
			continue
		}
		switch x := float64(v[i]); i & 3 {
		case 0:
			s0 += x
		case 1:
			s1 += x
		case 2:
			s2 += x
		default:
			s3 += x
		}
	}
	return s0 + s1 + (s2 + s3)
}

// maskedFloat is x, or 0.0 if the mask is 0: also for infinities and NaNs,
// because their bits are cleared.
func maskedFloat[F Float](x *F, mask int64) F { return floatOf[F](bitsOf(x) & uint64(mask)) }

// sumScaled is SumFloats of the floats that ALP makes of d.
func sumScaled[F Float](d []int64, fac, inv float64, sel *Bits) float64 {
	var s0, s1, s2, s3 float64
	for w := range len(d) / 64 {
		m := sel[w]
		p := (*[64]int64)(d[w*64:])
		switch m {
		case 0:
		case ^uint64(0):
			for i := 0; i < len(p); i += 4 {
				q := (*[4]int64)(p[i:])
				s0 += float64(F(float64(q[0]) * fac * inv))
				s1 += float64(F(float64(q[1]) * fac * inv))
				s2 += float64(F(float64(q[2]) * fac * inv))
				s3 += float64(F(float64(q[3]) * fac * inv))
			}
		default:
			for i := 0; i < len(p); i += 4 {
				q, k := (*[4]int64)(p[i:]), &nibbleMasks[m&15]
				m >>= 4
				s0 += float64(F(float64(q[0]&k[0]) * fac * inv))
				s1 += float64(F(float64(q[1]&k[1]) * fac * inv))
				s2 += float64(F(float64(q[2]&k[2]) * fac * inv))
				s3 += float64(F(float64(q[3]&k[3]) * fac * inv))
			}
		}
	}
	for i := len(d) &^ 63; i < len(d); i++ {
		if !sel.Has(i) {
			continue
		}
		switch x := float64(F(float64(d[i]) * fac * inv)); i & 3 {
		case 0:
			s0 += x
		case 1:
			s1 += x
		case 2:
			s2 += x
		default:
			s3 += x
		}
	}
	return s0 + s1 + (s2 + s3)
}

// sumCodes is SumFloats of the values that codes stand for. It reports false if
// a code that it looks at lies outside of the values.
func sumCodes[F Float](codes []int64, values []F, sel *Bits) (sum float64, ok bool) {
	var s0, s1, s2, s3 float64
	n := uint64(len(values))
	for w := range len(codes) / 64 {
		m := sel[w]
		if m == 0 {
			continue
		}
		p := (*[64]int64)(codes[w*64:])
		for i := 0; i < len(p); i += 4 {
			q, k := (*[4]int64)(p[i:]), &nibbleMasks[m&15]
			m >>= 4
			c0, c1, c2, c3 := uint64(q[0]), uint64(q[1]), uint64(q[2]), uint64(q[3])
			if c0 >= n || c1 >= n || c2 >= n || c3 >= n {
				return 0, false
			}
			s0 += float64(maskedFloat(&values[c0], k[0]))
			s1 += float64(maskedFloat(&values[c1], k[1]))
			s2 += float64(maskedFloat(&values[c2], k[2]))
			s3 += float64(maskedFloat(&values[c3], k[3]))
		}
	}
	for i := len(codes) &^ 63; i < len(codes); i++ {
		if !sel.Has(i) {
			continue
		}
		c := uint64(codes[i])
		if c >= n {
			return 0, false
		}
		switch x := float64(values[c]); i & 3 {
		case 0:
			s0 += x
		case 1:
			s1 += x
		case 2:
			s2 += x
		default:
			s3 += x
		}
	}
	return s0 + s1 + (s2 + s3), true
}
