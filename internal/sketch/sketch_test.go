package sketch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// hashOf is a hash of a number that is not mixed well, as hashes of integers are.
func hashOf(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }

// kinds makes an empty sketch of each kind, and adds number i to one.
var kinds = map[string]struct {
	empty func() Sketch
	add   func(s Sketch, i int)
}{
	"hll":        {func() Sketch { return &HLL{} }, func(s Sketch, i int) { s.(*HLL).Add(hashOf(i)) }},
	"percentile": {func() Sketch { return must(NewQuantile(0.001)) }, func(s Sketch, i int) { s.(*Quantile).Add(oddFloat(i)) }},
	"count_min":  {func() Sketch { return must(NewCountMin(0.01, 0.05)) }, func(s Sketch, i int) { s.(*CountMin).Add(hashOf(i % 50)) }},
	"top_k":      {func() Sketch { return must(NewTopK(20)) }, func(s Sketch, i int) { s.(*TopK).Add(fmt.Sprint("v", i%200)) }},
	"bloom":      {func() Sketch { return must(NewBloom(1000, 0.01)) }, func(s Sketch, i int) { s.(*Bloom).Add(hashOf(i)) }},
	"minhash":    {func() Sketch { return must(NewMinHash(64)) }, func(s Sketch, i int) { s.(*MinHash).Add(hashOf(i)) }},
}

func must[S Sketch](s S, err error) S {
	if err != nil {
		panic(err)
	}
	return s
}

// oddFloat has all sizes, so that there are more buckets than are kept, and values that are no numbers.
func oddFloat(i int) float64 {
	switch i % 97 {
	case 3:
		return math.NaN()
	case 5:
		return math.Inf(1 - i%2*2)
	case 7:
		return math.Copysign(0, float64(i%2)-0.5)
	}
	return math.Exp(float64(i*7919%14000)/10-700) * float64(1-i%3)
}

// TestMonoid builds sketches of one set in many ways: their bytes are the same.
func TestMonoid(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 1, 10, 1023, 1024, 1025, 5000, 60000} {
				rng := rand.New(rand.NewPCG(uint64(n), 1))
				all := k.empty()
				for i := range n {
					k.add(all, i)
				}
				want := Encode(all)
				for range 4 {
					parts := make([]Sketch, 1+rng.IntN(9))
					for i := range parts {
						parts[i] = k.empty()
					}
					for _, i := range rng.Perm(n) {
						k.add(parts[rng.IntN(len(parts))], i)
					}
					for len(parts) > 1 {
						i := rng.IntN(len(parts) - 1)
						other, err := Decode(Encode(parts[i+1]))
						if err != nil {
							t.Fatal(err)
						}
						if err := parts[i].Merge(other); err != nil {
							t.Fatal(err)
						}
						parts = slices.Delete(parts, i+1, i+2)
					}
					if !bytes.Equal(Encode(parts[0]), want) {
						t.Fatalf("%d values: bytes depend on the order", n)
					}
				}
			}
		})
	}
}

func TestHLLCount(t *testing.T) {
	for _, n := range []int{0, 1, 1024, 1025, 3000, 20000, 45000, 80000, 500000, 3000000} {
		s := &HLL{}
		for i := range n {
			s.Add(hashOf(i))
			s.Add(hashOf(i / 2))
		}
		if e := math.Abs(float64(s.Count())-float64(n)) / max(float64(n), 1); e > 0.03 || n <= 1024 && e != 0 {
			t.Errorf("%d values: %d (%.3f)", n, s.Count(), e)
		}
	}
}

func TestQuantileAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := must(NewQuantile(0.01))
	var vs []float64
	if _, ok := s.At(0.5); ok {
		t.Error("a quantile of nothing")
	}
	for range 20000 {
		v := rng.NormFloat64() * math.Exp(rng.Float64()*20)
		if rng.IntN(50) == 0 {
			v = 0
		}
		s.Add(v)
		vs = append(vs, v)
	}
	slices.Sort(vs)
	for _, q := range []float64{0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.9999, 1} {
		got, _ := s.At(q)
		want := vs[max(int(math.Ceil(q*float64(len(vs))))-1, 0)]
		if math.Abs(got-want) > 0.0101*math.Abs(want) {
			t.Errorf("quantile %v: %v, not %v", q, got, want)
		}
		if r, _ := s.Rank(want); math.Abs(r-q) > 0.02 {
			t.Errorf("rank of %v: %v, not %v", want, r, q)
		}
	}
	for q, want := range map[float64]float64{0: vs[0], 1: vs[len(vs)-1]} {
		if got, _ := s.At(q); math.Abs(got-want) > 0.01*math.Abs(want) {
			t.Errorf("the extreme at %v: %v, not %v", q, got, want)
		}
	}
}

func TestFrequencies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	cms, top := must(NewCountMin(0.001, 0.01)), must(NewTopK(10))
	counts := map[int]int64{}
	const n = 100000
	for range n {
		i := int(math.Exp(rng.Float64() * 10))
		counts[i]++
		cms.Add(hashOf(i))
		top.Add(fmt.Sprint(i))
	}
	tooHigh := 0
	for i, c := range counts {
		switch got := cms.Count(hashOf(i)); {
		case got < c:
			t.Fatalf("%d occurs %d times, not %d", i, c, got)
		case got > c+n/1000:
			tooHigh++
		}
	}
	if tooHigh > len(counts)/50 {
		t.Errorf("%d of %d estimates are too high", tooHigh, len(counts))
	}
	for _, f := range top.Values() {
		var i int
		fmt.Sscan(f.Value, &i)
		if c := counts[i]; f.Count > c || c > f.Count+f.Error {
			t.Errorf("%v occurs %d times", f, c)
		}
	}
	best := slices.SortedFunc(func(yield func(int) bool) {
		for i := range counts {
			if !yield(i) {
				return
			}
		}
	}, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	for _, i := range best[:5] {
		if !slices.ContainsFunc(top.Values(), func(f Frequent) bool { return f.Value == fmt.Sprint(i) }) {
			t.Errorf("%d, which occurs %d times, is not among the most frequent", i, counts[i])
		}
	}
}

func TestBloomContains(t *testing.T) {
	s := must(NewBloom(10000, 0.01))
	for i := range 10000 {
		s.Add(hashOf(i))
	}
	wrong := 0
	for i := range 10000 {
		if !s.Contains(hashOf(i)) {
			t.Fatal("a value is missing")
		}
		if s.Contains(hashOf(i + 1000000)) {
			wrong++
		}
	}
	if wrong > 200 {
		t.Errorf("%d of 10000 are said to be there", wrong)
	}
}

func TestMinHashSimilarity(t *testing.T) {
	a, b := must(NewMinHash(1024)), must(NewMinHash(1024))
	if _, ok, _ := a.Similarity(b); ok {
		t.Error("empty sets are alike")
	}
	for i := range 30000 {
		a.Add(hashOf(i))
		b.Add(hashOf(i + 10000))
	}
	if got, _, _ := a.Similarity(b); math.Abs(got-0.5) > 0.06 {
		t.Errorf("similarity %v, not 0.5", got)
	}
}

func TestRefused(t *testing.T) {
	for _, err := range []error{
		second(NewQuantile(0)), second(NewQuantile(math.NaN())), second(NewCountMin(1e-9, 0.1)), second(NewCountMin(0, 1)), second(NewTopK(0)),
		second(NewBloom(1<<40, 0.1)), second(NewBloom(0, 0.1)), second(NewMinHash(1 << 20)),
		(&HLL{}).Merge(must(NewMinHash(1))), must(NewMinHash(2)).Merge(must(NewMinHash(1))), must(NewTopK(2)).Merge(must(NewTopK(1))),
		must(NewQuantile(0.01)).Merge(must(NewQuantile(0.02))), must(NewBloom(9, 0.1)).Merge(must(NewBloom(9000, 0.1))),
		second(As[*HLL](must(NewTopK(1)))),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
	for name, k := range kinds {
		s := k.empty()
		for i := range 300 {
			k.add(s, i)
		}
		b := Encode(s)
		for i := range b {
			c := slices.Clone(b)
			c[i] ^= 0x40
			if _, err := Decode(c); err == nil {
				t.Errorf("%s: byte %d is not checked", name, i)
			}
			if _, err := Decode(b[:i]); err == nil {
				t.Errorf("%s: cut at %d it is read", name, i)
			}
		}
	}
}

// TestSmall says that few values take little, however large the parameters are.
func TestSmall(t *testing.T) {
	for _, s := range []Sketch{must(NewBloom(5e7, 0.1)), must(NewCountMin(1e-5, 0.01)), must(NewMinHash(MaxMinHash)), must(NewTopK(MaxTopK)), must(NewQuantile(MinAccuracy)), &HLL{}} {
		switch s := s.(type) {
		case *Bloom:
			s.Add(1)
		case *CountMin:
			s.Add(1)
		case *MinHash:
			s.Add(1)
		case *TopK:
			s.Add("x")
		case *Quantile:
			s.Add(1)
		case *HLL:
			s.Add(1)
		}
		b := Encode(s)
		again, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if s.SizeBytes() > 1000 || again.SizeBytes() > 1000 || len(b) > 300 {
			t.Errorf("%T of one value holds %d and %d bytes and is written as %d", s, s.SizeBytes(), again.SizeBytes(), len(b))
		}
	}
}

func second[T any](_ T, err error) error { return err }

// FuzzDecode reads bytes with a checksum that is right: what is read has to be written as it was, and can be used.
func FuzzDecode(f *testing.F) {
	for _, k := range kinds {
		for _, n := range []int{0, 3, 1500} {
			s := k.empty()
			for i := range n {
				k.add(s, i)
			}
			b := Encode(s)
			f.Add(b[:len(b)-sumBytes])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(binary.BigEndian.AppendUint32(slices.Clone(b), uint32(xxhash.Sum64(b))))
		if err != nil {
			return
		}
		again, err := Decode(Encode(s))
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Merge(s); err != nil {
			t.Fatal(err)
		}
		switch s := again.(type) {
		case *HLL:
			s.Count()
		case *Quantile:
			s.At(0.5)
			s.Rank(1)
		case *CountMin:
			s.Count(1)
		case *TopK:
			s.Values()
		case *Bloom:
			s.Contains(1)
		case *MinHash:
			if _, _, err := s.Similarity(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}
