package codec

import (
	"math/rand/v2"
	"testing"
)

// TestUnpack packs at every width, whole vectors and short ones, and looks at
// all rows and at those of some groups.
func TestUnpack(t *testing.T) {
	r := newRand(t)
	for width := range 65 {
		for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 24, 63, 64, 71, 100, 517, 1000, 1023, 1024} {
			v := make([]uint64, n)
			for i := range v {
				if width > 0 {
					v[i] = r.Uint64() >> (64 - width)
				}
			}
			src := appendPacked(nil, v, width)
			for _, want := range []groups{allGroups, 0, 1, 1 << 15, groups(r.Uint32())} {
				add := r.Uint64()
				dst := make([]int64, n)
				unpack(dst, src, width, add, want)
				for i, x := range v {
					if want>>(i/64)&1 != 0 && uint64(dst[i]) != x+add {
						t.Fatalf("width %d, %d values, groups %b: row %d: got %d, want %d", width, n, want, i, uint64(dst[i]), x+add)
					}
				}
			}
		}
	}
}

// TestPatches packs residuals at every width, some of which do not fit.
func TestPatches(t *testing.T) {
	r := newRand(t)
	var scratch [VectorRows]uint64
	for width := range 65 {
		for _, n := range []int{1, 5, 64, 900, 1024} {
			for _, rest := range []int{1, 9, 40, 58, 63} {
				res := make([]int64, n)
				for i := range res {
					if width > 0 {
						res[i] = int64(r.Uint64() >> (64 - width))
					}
					if r.IntN(9) == 0 {
						res[i] = int64(r.Uint64()) >> (63 - rest)
					}
				}
				src := appendBlock(nil, res, width, scratch[:])
				c := cursor{b: src}
				b := c.block(n)
				got := make([]int64, n)
				if c.bad || !b.decode(got, 7, allGroups) {
					t.Fatalf("width %d, %d values: block refused", width, n)
				}
				for i := range res {
					if got[i] != res[i]+7 {
						t.Fatalf("width %d, %d values, %d bits more: row %d: got %d, want %d", width, n, rest, i, got[i], res[i]+7)
					}
				}
			}
		}
	}
}

// TestFrameFilter filters frames of values of every width, with and without
// outliers and a unit.
func TestFrameFilter(t *testing.T) {
	r := newRand(t)
	for width := 1; width < 62; width++ {
		for _, unit := range []int64{1, 60, 1_000_000} {
			if width > 40 && unit > 1 {
				continue
			}
			v := make([]int64, 1500)
			for i := range v {
				v[i] = (int64(r.Uint64()>>(64-width)) - 1<<(width-1)) * unit
				if r.IntN(50) == 0 {
					v[i] *= 3
				}
			}
			st := measureInts(v)
			for _, scheme := range []Scheme{FOR, Delta, Linear} {
				checkInts(t, scheme.String(), appendFrame(nil, scheme, v, &st), v, r)
				checkPicked(t, appendFrame(nil, scheme, v, &st), v, r)
			}
		}
	}
}

// checkPicked compares the picked rows with the values.
func checkPicked(t *testing.T, b []byte, v []int64, r *rand.Rand) {
	t.Helper()
	d, err := OpenInts(b, len(v))
	if err != nil {
		t.Fatal(err)
	}
	var buf [VectorRows]int64
	for k := range Vectors(len(v)) {
		part := v[k*VectorRows:][:VectorLen(len(v), k)]
		for _, sel := range selections(r, len(part)) {
			got, err := d.picked(k, &sel, &buf)
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range part {
				if sel.Has(i) && got[i] != x {
					t.Fatalf("%v: vector %d: row %d: got %d, want %d", d.Describe(), k, i, got[i], x)
				}
			}
		}
	}
}

// TestFollow filters and decodes the same vectors in turn, as who sums what is
// filtered does, and then only filters again.
func TestFollow(t *testing.T) {
	r := newRand(t)
	for name, v := range intShapes(r, 5000) {
		d, err := OpenInts(AppendInts(nil, v), len(v))
		if err != nil {
			t.Fatal(err)
		}
		f := &IntFilter{Lo: min(v[7], v[70]), Hi: max(v[7], v[70])}
		for step := range 30 {
			k := r.IntN(Vectors(len(v)))
			part := v[k*VectorRows:][:VectorLen(len(v), k)]
			var got, want Bits
			if err := d.Filter(k, f, &got); err != nil {
				t.Fatal(err)
			}
			for i, x := range part {
				if f.keeps(x) {
					want.Set(i)
				}
			}
			if got != want {
				t.Fatalf("%s: step %d: filter of vector %d: got %x, want %x", name, step, k, got, want)
			}
			if step%3 > 0 {
				x, err := d.Shared(k)
				if err != nil {
					t.Fatal(err)
				}
				for i := range part {
					if x[i] != part[i] {
						t.Fatalf("%s: step %d: row %d of vector %d: got %d, want %d", name, step, i, k, x[i], part[i])
					}
				}
			}
		}
	}
}

// TestPrefixSums adds up differences and brings stored numbers to their unit, of
// every length, with sums and products that overflow.
func TestPrefixSums(t *testing.T) {
	r := newRand(t)
	for n := range 130 {
		v := someInts(r, n)
		sums := append([]int64(nil), v...)
		prefixSums(sums)
		acc := int64(0)
		for i, x := range v {
			if acc += x; sums[i] != acc {
				t.Fatalf("%d values: sum %d is %d, want %d", n, i, sums[i], acc)
			}
		}
		unit, origin := int64(r.Uint64()), int64(r.Uint64())
		scaled := append([]int64(nil), v...)
		affine(scaled, unit, origin)
		for i, x := range v {
			if scaled[i] != x*unit+origin {
				t.Fatalf("%d values: %d*%d+%d is %d", n, x, unit, origin, scaled[i])
			}
		}
	}
}
