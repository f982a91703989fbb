package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuick writes values that have better encodings with Quick: those that take long to
// find are not used, and what was written is read back.
func TestQuick(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	const n = 5000
	walk, sparse := make([]int64, n), make([]int64, n)
	noise := make([]float64, n)
	lines := &Strings{}
	for i := range n {
		walk[i] = int64(rng.NormFloat64() * 1000)
		if i > 0 {
			walk[i] += walk[i-1]
		}
		if rng.IntN(50) == 0 {
			sparse[i] = rng.Int64()
		}
		noise[i] = math.Sqrt(rng.Float64())
		lines.Append(fmt.Appendf(nil, "host-%04d at 2026-03-%02dT10:%02d:%02dZ", rng.IntN(9999), 1+rng.IntN(30), rng.IntN(60), rng.IntN(60)))
	}
	slow := []Scheme{Differences, Sparse, Wavelet, ALPRD, ALPUlp, Template, Front, FSST, Ranked, Copies}
	found := map[Scheme]bool{}
	var walkNode func(n Node, quick bool)
	walkNode = func(n Node, quick bool) {
		if slices.Contains(slow, n.Scheme) {
			if found[n.Scheme] = true; quick {
				t.Errorf("quickly chosen: %v", n)
			}
		}
		for _, c := range n.Child {
			walkNode(c, quick)
		}
	}
	for _, e := range []Effort{Thorough, Quick} {
		for _, v := range [][]int64{walk, sparse} {
			r, err := OpenInts(e.AppendInts(nil, v), n)
			if err != nil {
				t.Fatal(err)
			}
			walkNode(r.Describe(), e == Quick)
			for k := range Vectors(n) {
				got, err := r.Vector(k, make([]int64, VectorRows))
				if err != nil || !slices.Equal(got, v[k*VectorRows:][:len(got)]) {
					t.Fatalf("vector %d: %v", k, err)
				}
			}
		}
		f, err := OpenFloats[float64](AppendFloatsBy(e, nil, noise), n)
		if err != nil {
			t.Fatal(err)
		}
		walkNode(f.Describe(), e == Quick)
		s, err := OpenBytes(e.AppendBytes(nil, lines), n)
		if err != nil {
			t.Fatal(err)
		}
		walkNode(s.Describe(), e == Quick)
		var got Strings
		for k := range Vectors(n) {
			v, err := s.Vector(k)
			if err != nil {
				t.Fatal(err)
			}
			for i := range v.Len() {
				got.Append(v.At(i))
			}
		}
		if string(got.Data) != string(lines.Data) {
			t.Error("lines are others")
		}
	}
	if !found[Template] || !found[Wavelet] || !found[ALPRD] {
		t.Errorf("with all effort only %v were found: the test does not test", found)
	}
}
