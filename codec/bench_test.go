package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkUnpack(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]uint64, VectorRows)
	for i := range v {
		v[i] = r.Uint64()
	}
	for _, w := range []int{1, 3, 7, 8, 13, 19, 32, 47, 64} {
		src := appendPacked(nil, v, w)
		var dst [VectorRows]int64
		b.Run(fmt.Sprintf("width=%d", w), func(b *testing.B) {
			for b.Loop() {
				unpack(dst[:], src, w, 5, allGroups)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*VectorRows), "ns/value")
		})
	}
	src := appendPacked(nil, v[:1000], 13)
	var dst [1000]int64
	b.Run("width=13/short", func(b *testing.B) {
		for b.Loop() {
			unpack(dst[:], src, 13, 5, allGroups)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/value")
	})
}

func BenchmarkIntsDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, v := range intShapes(r, 64*VectorRows) {
		src := AppendInts(nil, v)
		d, err := OpenInts(src, len(v))
		if err != nil {
			b.Fatal(err)
		}
		var buf [VectorRows]int64
		b.Run("data="+name+"/codec="+d.Describe().String(), func(b *testing.B) {
			values(b, len(v), func() {
				for k := range Vectors(len(v)) {
					if _, err := d.Vector(k, buf[:]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(len(src))*8/float64(len(v)), "bits/value")
		})
	}
}

func BenchmarkFloatsDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	shapes := floatShapes[float64](r, 64*VectorRows)
	addDecimals(r, shapes)
	for name, v := range shapes {
		src := AppendFloats(nil, v)
		d, err := OpenFloats[float64](src, len(v))
		if err != nil {
			b.Fatal(err)
		}
		var buf [VectorRows]float64
		b.Run("data="+name+"/codec="+d.Describe().String(), func(b *testing.B) {
			values(b, len(v), func() {
				for k := range Vectors(len(v)) {
					if _, err := d.Vector(k, buf[:]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(len(src))*8/float64(len(v)), "bits/value")
		})
	}
}

func BenchmarkFloatsFilter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, v := range floatShapes[float64](r, 64*VectorRows) {
		src := AppendFloats(nil, v)
		d, err := OpenFloats[float64](src, len(v))
		if err != nil {
			b.Fatal(err)
		}
		f := &FloatFilter{Lo: 10, Hi: math.Inf(1), NaN: true}
		b.Run("data="+name+"/codec="+d.Describe().String(), func(b *testing.B) {
			var out Bits
			for b.Loop() {
				for k := range Vectors(len(v)) {
					if err := d.Filter(k, f, &out); err != nil {
						b.Fatal(err)
					}
					d.decoded = 0
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)), "ns/value")
		})
	}
}

func BenchmarkUnpackShort(b *testing.B) {
	for _, width := range []int{1, 5, 8, 13, 30} {
		for _, n := range []int{20, 300, 900} {
			v := make([]uint64, n)
			src := appendPacked(nil, v, width)
			dst := make([]int64, n)
			b.Run(fmt.Sprintf("width=%d/values=%d", width, n), func(b *testing.B) {
				for b.Loop() {
					unpack(dst, src, width, 3, allGroups)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/value")
			})
		}
	}
}

func BenchmarkIntsEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, v := range intShapes(r, 64*VectorRows) {
		for effort, e := range efforts {
			var dst []byte
			b.Run("data="+name+"/effort="+effort, func(b *testing.B) {
				values(b, len(v), func() { dst = e.AppendInts(dst[:0], v) })
				b.ReportMetric(float64(len(dst))*8/float64(len(v)), "bits/value")
			})
		}
	}
}

func BenchmarkFloatsEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	shapes := floatShapes[float64](r, 64*VectorRows)
	addDecimals(r, shapes)
	for name, v := range shapes {
		for effort, e := range efforts {
			var dst []byte
			b.Run("data="+name+"/effort="+effort, func(b *testing.B) {
				values(b, len(v), func() { dst = AppendFloatsBy(e, dst[:0], v) })
				b.ReportMetric(float64(len(dst))*8/float64(len(v)), "bits/value")
			})
		}
	}
}

var efforts = map[string]Effort{"quick": Quick, "thorough": Thorough}

// addDecimals adds doubles of two decimals.
func addDecimals(r *rand.Rand, shapes map[string][]float64) {
	any, walk := make([]float64, 64*VectorRows), make([]float64, 64*VectorRows)
	at := 50.0
	for i := range any {
		any[i] = math.Round(r.Float64()*1e4) / 100
		at += r.NormFloat64()
		walk[i] = math.Round(at*100) / 100
	}
	shapes["2 decimals"], shapes["walk of 2"] = any, walk
}

// values runs f, which handles n values, and reports the speed of the fastest time, which
// says most on a busy machine.
func values(b *testing.B, n int, f func()) {
	least := time.Hour
	for b.Loop() {
		begin := time.Now()
		f()
		least = min(least, time.Since(begin))
	}
	b.ReportMetric(float64(least.Nanoseconds())/float64(n), "ns/value")
	b.ReportMetric(float64(n)/least.Seconds()/1e6, "Mvalues/s")
}
