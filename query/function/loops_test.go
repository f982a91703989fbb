package function

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
)

// TestFloatLoops compares the loops over eight rows with one row after the other, for
// columns and constants of every length.
func TestFloatLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1, math.MaxFloat64}
	values := func(n int, finite bool) (out []float64) {
		for range n {
			x := r.NormFloat64()
			if !finite && r.IntN(3) == 0 {
				x = odd[r.IntN(len(odd))]
			}
			out = append(out, x)
		}
		return out
	}
	for n := range 70 {
		for k := range 12 {
			finite := k >= 6
			a, b := col[float64]{values(n, finite), -1}, col[float64]{values(n, finite), -1}
			switch k % 3 {
			case 1:
				a = col[float64]{values(1, finite), 0}
			case 2:
				b = col[float64]{values(1, finite), 0}
			}
			less, sums := make([]byte, (n+7)/8), make([]float64, n)
			floatLessLoop[float64, float64, float64](a, b, less, n)
			allFinite := true
			ok := addFloats(a, b, sums)
			for i := range n {
				x, y := a.v[i&a.mask], b.v[i&b.mask]
				if got, want := less[i/8]>>(i%8)&1 != 0, cmpFloat(x, y) < 0; got != want {
					t.Fatalf("row %d of %d: %v < %v is %v", i, n, x, y, got)
				}
				if math.Float64bits(sums[i]) != math.Float64bits(x+y) && !math.IsNaN(x+y) {
					t.Fatalf("row %d of %d: %v + %v is %v", i, n, x, y, sums[i])
				}
				allFinite = allFinite && !math.IsInf(x+y, 0) && !math.IsNaN(x+y)
			}
			if ok != allFinite {
				t.Fatalf("%d sums of %v and %v are finite: %v", n, a, b, ok)
			}
			if n%8 != 0 && less[n/8]>>(n%8) != 0 {
				t.Fatalf("bits beyond %d rows: %b", n, less)
			}
		}
	}
}

func TestExtremeLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 40; n++ {
		for range 20 {
			x := make([]int64, n)
			for i := range x {
				x[i] = r.Int64() >> r.IntN(64)
				if r.IntN(2) == 0 {
					x[i] = -x[i]
				}
			}
			if g, l := greatest(x), least(x); g != slices.Max(x) || l != slices.Min(x) {
				t.Fatalf("%v: %d and %d", x, g, l)
			}
		}
	}
}

func TestTextLength(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	values := []string{"", "a", "NULL", "Süd", "日本", "plain", "NULL", "a longer one in ASCII", "é"}
	b := array.NewStringBuilder(mem)
	defer b.Release()
	for _, s := range values {
		if s == "NULL" {
			b.AppendNull()
		} else {
			b.Append(s)
		}
	}
	all := b.NewArray()
	defer all.Release()
	for from := range len(values) + 1 {
		for to := from; to <= len(values); to++ {
			part := array.NewSlice(all, int64(from), int64(to))
			got, err := textLength(&Context{Mem: mem}, []Vec{{Array: part, T: datum.Of(datum.Text)}}, to-from, datum.Of(datum.Int4))
			if err != nil {
				t.Fatal(err)
			}
			if got.Len() != to-from {
				t.Fatalf("%d rows, want %d", got.Len(), to-from)
			}
			for i := range got.Len() {
				s := values[from+i]
				if got.IsNull(i) != (s == "NULL") || s != "NULL" && got.(*array.Int32).Value(i) != int32(utf8.RuneCountInString(s)) {
					t.Fatalf("values %d to %d: length(%q) is %v", from, to, s, got)
				}
			}
			got.Release()
			part.Release()
		}
	}
	one := array.NewSlice(all, 3, 4)
	defer one.Release()
	got, err := textLength(&Context{Mem: mem}, []Vec{{Array: one, T: datum.Of(datum.Text), Const: true}}, 3, datum.Of(datum.Int4))
	if err != nil || got.Len() != 3 || got.(*array.Int32).Value(2) != 3 {
		t.Fatalf("length of a constant: %v, %v", got, err)
	}
	got.Release()
}
