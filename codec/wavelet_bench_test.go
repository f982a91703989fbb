package codec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkWavelet decodes skewed values in Huffman codes one after the other, in a wavelet
// tree, and in frames.
func BenchmarkWavelet(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 64 * VectorRows
	shapes := map[string][]int64{}
	mk := func(name string, f func(i int) int64) {
		v := make([]int64, n)
		for i := range v {
			v[i] = f(i)
		}
		shapes[name] = v
	}
	mk("geometric", func(int) int64 { return int64(r.ExpFloat64() * 2) })
	mk("normal 10", func(int) int64 { return int64(r.NormFloat64() * 10) })
	mk("normal 1e6", func(int) int64 { return int64(r.NormFloat64() * 1e6) })
	mk("zero or laplace", func(int) int64 {
		if r.IntN(3) == 0 {
			return 0
		}
		return int64(r.NormFloat64() * r.ExpFloat64() * 1000)
	})
	z := rand.NewZipf(r, 1.3, 3, 400)
	mk("zipf 400", func(int) int64 { return int64(z.Uint64()) })
	for name, v := range shapes {
		st := measureInts(v)
		c := planClasses(v, &st, classVectorBits)
		w := newWavePlan(c)
		for _, k := range []struct {
			codec string
			src   []byte
		}{{"entropy", appendEntropy(nil, c, &st)}, {"wavelet", w.append(nil, &st)}, {"FOR", appendFrame(nil, FOR, v, &st)}} {
			d, err := OpenInts(k.src, n)
			if err != nil {
				b.Fatal(err)
			}
			var buf [VectorRows]int64
			b.Run(fmt.Sprintf("data=%s/codec=%s/classes=%d/nodes=%d", name, k.codec, len(c.classes), len(w.nodes)), func(b *testing.B) {
				values(b, n, func() {
					for k := range Vectors(n) {
						if _, err := d.Vector(k, buf[:]); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(float64(len(k.src))*8/float64(n), "bits/value")
			})
		}
	}
}
