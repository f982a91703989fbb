package codec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestWavelet writes and reads values of all widths in vectors that are whole and not.
func TestWavelet(t *testing.T) {
	r := newRand(t)
	for _, n := range []int{300, 1024, 1025, 3000} {
		for name, next := range map[string]func(i int) int64{
			"two":          func(int) int64 { return int64(r.IntN(2)) },
			"few":          func(int) int64 { return int64(r.ExpFloat64() * 3) },
			"equal counts": func(i int) int64 { return int64(i % 64) },
			"bytes":        func(int) int64 { return int64(r.NormFloat64() * 40) },
			"words":        func(int) int64 { return int64(r.NormFloat64() * 1e6) },
			"long":         func(int) int64 { return int64(math.Exp(r.ExpFloat64()*5)) % (1 << 55) },
			"units":        func(int) int64 { return -7 + 1000*int64(r.ExpFloat64()*50) },
			"sorted": func(i int) int64 {
				if i < n/2 {
					return 5
				}
				return int64(i)
			},
		} {
			v := make([]int64, n)
			for i := range v {
				v[i] = next(i)
			}
			v[n-1]++
			st := measureInts(v)
			c := planClasses(v, &st, 0)
			if c == nil {
				t.Fatalf("%s: no classes", name)
			}
			w := newWavePlan(c)
			src := w.append(nil, &st)
			if len(src) > w.size*5/4+40 || len(src) < w.size*3/4-40 {
				t.Errorf("%s: %d bytes, %d were planned", name, len(src), w.size)
			}
			d, err := OpenInts(src, n)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, k := range r.Perm(Vectors(n)) { // in any order
				got, err := d.Vector(k, make([]int64, VectorRows))
				if err != nil || !slices.Equal(got, v[k*VectorRows:][:len(got)]) {
					t.Errorf("%s: vector %d of %d values: %v", name, k, n, err)
				}
			}
		}
	}
}

// TestCodeLengths: codes are no longer than they may be, fill the tree, and are as short
// as those of frequent symbols let them be.
func TestCodeLengths(t *testing.T) {
	fibonacci := []uint32{1, 1}
	for len(fibonacci) < 30 {
		fibonacci = append(fibonacci, fibonacci[len(fibonacci)-1]+fibonacci[len(fibonacci)-2])
	}
	same := slices.Repeat([]uint32{9}, 256)
	for _, c := range []struct {
		counts []uint32
		want   string
	}{
		{[]uint32{5, 1}, "[1 1]"}, {[]uint32{1, 1, 2, 4}, "[3 3 2 1]"}, {[]uint32{3, 3, 3, 3, 3}, "[3 3 2 2 2]"}, {fibonacci, ""}, {same, ""},
	} {
		lengths := codeLengths(c.counts)
		if got := fmt.Sprint(lengths); c.want != "" && got != c.want {
			t.Errorf("%v: %s, want %s", c.counts, got, c.want)
		}
		sum := 0
		for _, d := range lengths {
			if d == 0 || d > maxWaveDepth {
				t.Fatalf("%d symbols: a code of %d bits", len(lengths), d)
			}
			sum += 1 << (maxWaveDepth - d)
		}
		if sum != 1<<maxWaveDepth {
			t.Errorf("%d symbols: codes fill %d of %d", len(lengths), sum, 1<<maxWaveDepth)
		}
		var w waveShape
		if classes := make([]class, len(lengths)); !w.of(classes, lengths) {
			t.Errorf("%d symbols: no tree", len(lengths))
		}
	}
}

// TestWaveletCorrupt damages what has no bits to spare.
func TestWaveletCorrupt(t *testing.T) {
	v := make([]int64, 2000)
	for i := range v {
		v[i] = int64(i * i % 50)
	}
	st := measureInts(v)
	w := newWavePlan(planClasses(v, &st, 0))
	whole := w.append(nil, &st)
	for name, change := range map[string]func(){
		"too few codes":  func() { w.lengths[0]++ },
		"too many codes": func() { w.lengths[0]-- },
		"no code":        func() { w.lengths[0] = 0 },
	} {
		was := w.lengths[0]
		change()
		if _, err := OpenInts(w.append(nil, &st), len(v)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		w.lengths[0] = was
	}
	if _, err := OpenInts(whole[:len(whole)-1], len(v)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cut off: %v", err)
	}
	d, err := OpenInts(whole, len(v)+VectorRows/2) // within the same vectors, more values
	if err == nil {
		_, err = d.Vector(1, make([]int64, VectorRows))
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("another number of values: %v", err)
	}
}
