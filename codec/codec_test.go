package codec

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

var seedFlag = flag.Uint64("seed", 1, "seed of the random tests")

func newRand(t testing.TB) *rand.Rand {
	t.Logf("seed %d", *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 7))
}

var lengthsToTry = []int{1, 2, 15, 16, 17, 63, 64, 65, 1000, 1023, 1024, 1025, 2048, 3000, 10000}

// intShapes generates columns of integers as they occur, and some that do not.
func intShapes(r *rand.Rand, n int) map[string][]int64 {
	gen := func(f func(i int) int64) []int64 {
		v := make([]int64, n)
		for i := range v {
			v[i] = f(i)
		}
		return v
	}
	acc := int64(1425708022000000)
	accs := acc
	few := []int64{math.MinInt64, -5, 0, 7, 1 << 40, math.MaxInt64}
	shapes := map[string][]int64{
		"constant": gen(func(int) int64 { return -17 }),
		"extremes": gen(func(int) int64 { return few[r.IntN(len(few))] }),
		"noise":    gen(func(int) int64 { return int64(r.Uint64()) }),
		"small":    gen(func(int) int64 { return r.Int64N(100) }),
		"regular":  gen(func(i int) int64 { return 15_000_000 * int64(i) }),
		"jittered": gen(func(i int) int64 { return 1e15 + 15_000_000*int64(i) + r.Int64N(3000) }),
		"seconds":  gen(func(int) int64 { acc += 1e6 * (30 + r.Int64N(5)); return acc }),
		"restarts": gen(func(i int) int64 {
			accs += 1e6 * (30 * (1 + r.Int64N(3)))
			if r.IntN(200) == 0 {
				accs -= 1e6 * 86400 * 20
			}
			return accs
		}),
		"runs": gen(func(i int) int64 { return int64(i / 97 * 31337) }),
		"outliers": gen(func(int) int64 {
			if r.IntN(100) == 0 {
				return int64(r.Uint64())
			}
			return r.Int64N(200) - 100
		}),
		"wide few":  gen(func(int) int64 { return int64(hash64(uint64(r.IntN(20)))) }),
		"walk":      gen(func(int) int64 { acc += r.Int64N(2001) - 1000; return acc }),
		"wrap":      gen(func(i int) int64 { return int64(uint64(i) * 0x9000000000000001) }),
		"alternate": gen(func(i int) int64 { return int64(i&1) * math.MinInt64 }),
	}
	addTails(r, n, shapes)
	return shapes
}

func TestIntsRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for name, v := range intShapes(r, n) {
			for scheme, b := range forcedInts(v) {
				checkInts(t, name+"/"+scheme, b, v, r)
			}
		}
	}
}

func checkInts(t *testing.T, name string, b []byte, v []int64, r *rand.Rand) {
	t.Helper()
	d, err := cleared().OpenInts(b, len(v))
	if err != nil {
		t.Fatalf("%s: %d values: %v", name, len(v), err)
	}
	var buf [VectorRows]int64
	for k := range Vectors(len(v)) {
		want := v[k*VectorRows:][:VectorLen(len(v), k)]
		got, err := d.Vector(k, buf[:])
		if err != nil {
			t.Fatalf("%s: vector %d: %v", name, k, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: %d values: row %d: got %d, want %d", name, len(v), k*VectorRows+i, got[i], want[i])
			}
		}
		a, b := v[r.IntN(len(v))], v[r.IntN(len(v))]
		for _, f := range []*IntFilter{
			{Lo: min(a, b), Hi: max(a, b)}, {Lo: a, Hi: a, Not: true}, {Lo: 1, Hi: 0}, {Lo: 1, Hi: 0, Not: true},
			{Lo: math.MinInt64, Hi: math.MaxInt64}, {Set: []int64{min(a, b), max(a, b)}}, {Lo: math.MinInt64, Hi: a}, {Lo: a, Hi: math.MaxInt64, Not: true},
		} {
			var out Bits
			if err := d.Filter(k, f, &out); err != nil {
				t.Fatalf("%s: filter: %v", name, err)
			}
			for i := range VectorRows {
				if want := i < len(want) && f.keeps(want[i]); out.Has(i) != want {
					t.Fatalf("%s: %d values, vector %d: filter %+v row %d: got %v, want %v", name, len(v), k, *f, i, !want, want)
				}
			}
			d.decoded = 0
		}
	}
	d.Describe()
}

func floatShapes[F Float](r *rand.Rand, n int) map[string][]F {
	gen := func(f func(i int) float64) []F {
		v := make([]F, n)
		for i := range v {
			v[i] = F(f(i))
		}
		return v
	}
	lat := 30.2
	odd := gen(func(i int) float64 { return float64(i) / 4 })
	for i := range odd {
		switch r.IntN(8) {
		case 0:
			odd[i] = F(math.Copysign(0, -1))
		case 1:
			odd[i] = F(math.Inf(1 - 2*r.IntN(2)))
		case 2: // NaNs with payloads, signalling ones included
			if width[F]() == 4 {
				odd[i] = floatOf[F](0x7f800001 + uint64(r.IntN(1<<20)))
			} else {
				odd[i] = floatOf[F](0xfff0000000000001 + uint64(r.IntN(1<<20)))
			}
		}
	}
	return map[string][]F{
		"constant": gen(func(int) float64 { return -1.5 }),
		"negzero":  gen(func(int) float64 { return math.Copysign(0, -1) }),
		"decimal":  gen(func(int) float64 { lat += float64(r.IntN(2001)-1000) / 1e6; return math.Round(lat*1e6) / 1e6 }),
		"speeds":   gen(func(int) float64 { return float64(r.IntN(60)) * 0.44704 }),
		"noise":    gen(func(int) float64 { return r.NormFloat64() }),
		"integers": gen(func(int) float64 { return float64(r.IntN(1e6)) }),
		"runs":     gen(func(i int) float64 { return float64(i/50) * 0.1 }),
		"huge":     gen(func(int) float64 { return math.Float64frombits(r.Uint64() &^ (1 << 62)) }),
		"odd":      odd,
		"sums":     gen(func(int) float64 { lat += float64(r.IntN(2001)-1000) / 1e3; return lat }),
		"reals":    gen(func(int) float64 { return r.Float64() + 1 }),
		"mostly": gen(func(int) float64 {
			if r.IntN(30) == 0 {
				return r.NormFloat64()
			}
			return 0
		}),
		"pattern": gen(func(i int) float64 { return math.Sqrt(float64(i % 130)) }),
	}
}

func TestFloatsRoundTrip(t *testing.T) {
	testFloats[float64](t)
	testFloats[float32](t)
}

func testFloats[F Float](t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for name, v := range floatShapes[F](r, n) {
			for scheme, b := range forcedFloats(v) {
				checkFloats(t, name+"/"+scheme, b, v, r)
			}
		}
	}
}

func checkFloats[F Float](t *testing.T, name string, b []byte, v []F, r *rand.Rand) {
	t.Helper()
	d, err := openFloats[F](cleared(), b, len(v), 1)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var buf [VectorRows]F
	for k := range Vectors(len(v)) {
		want := v[k*VectorRows:][:VectorLen(len(v), k)]
		got, err := d.Vector(k, buf[:])
		if err != nil {
			t.Fatalf("%s: vector %d: %v", name, k, err)
		}
		for i := range want {
			if bitsOf(&got[i]) != bitsOf(&want[i]) {
				t.Fatalf("%s: %d values: row %d: got %x, want %x", name, len(v), k*VectorRows+i, bitsOf(&got[i]), bitsOf(&want[i]))
			}
		}
		x, y := float64(v[r.IntN(len(v))]), float64(v[r.IntN(len(v))])
		if x != x {
			x = 0
		}
		if y != y {
			y = 1
		}
		for _, f := range []*FloatFilter{
			{Lo: min(x, y), Hi: max(x, y)}, {Lo: x, Hi: x, Not: true}, {Lo: x, Hi: math.Inf(1), NaN: true},
			{Lo: math.Inf(1), Hi: math.Inf(-1)}, {Lo: math.Inf(1), Hi: math.Inf(-1), NaN: true}, {Set: []float64{min(x, y), max(x, y)}},
			{Lo: math.Inf(-1), Hi: math.Nextafter(x, math.Inf(-1))}, {Lo: math.Nextafter(x, math.Inf(1)), Hi: math.Inf(1), NaN: true, Not: true},
		} {
			var out Bits
			if err := d.Filter(k, f, &out); err != nil {
				t.Fatalf("%s: filter: %v", name, err)
			}
			for i := range VectorRows {
				if want := i < len(want) && f.keeps(float64(want[i])); out.Has(i) != want {
					t.Fatalf("%s: %d values, vector %d: filter %+v row %d (%v): got %v, want %v", name, len(v), k, *f, i, v[k*VectorRows+i], !want, want)
				}
			}
			d.decoded = 0
		}
	}
	d.Describe()
}

func TestBitsRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for _, p := range []int{0, 1, 2, 10, 500, 990, 999, 1000} {
			words := make([]uint64, (n+63)/64)
			for i := range n {
				if r.IntN(1000) < p {
					words[i>>6] |= 1 << (i & 63)
				}
			}
			b, err := cleared().OpenBits(AppendBits(nil, words, n), n)
			if err != nil {
				t.Fatal(err)
			}
			for v := range Vectors(n) {
				var out Bits
				if err := b.Vector(v, &out); err != nil {
					t.Fatal(err)
				}
				for i := range VectorRows {
					row := v*VectorRows + i
					if want := row < n && words[row>>6]>>(row&63)&1 != 0; out.Has(i) != want {
						t.Fatalf("%d bits, %d per mille: row %d: got %v", n, p, row, !want)
					}
				}
			}
		}
	}
}

func textShapes(r *rand.Rand, n int) map[string]*Strings {
	gen := func(f func(i int) string) *Strings {
		s := &Strings{}
		s.Reset()
		for i := range n {
			s.Append([]byte(f(i)))
		}
		return s
	}
	words := []string{"NORTHBOUND", "550 TO LEANDER", "", "ünï", "x"}
	long := bytes.Repeat([]byte("a long string "), 9000)
	return map[string]*Strings{
		"constant": gen(func(int) string { return "same" }),
		"empty":    gen(func(int) string { return "" }),
		"few":      gen(func(int) string { return words[r.IntN(len(words))] }),
		"decimal":  gen(func(int) string { return string(rune('1'+r.IntN(9))) + "00" + string(rune('0'+r.IntN(10))) }),
		"almost":   gen(func(i int) string { return []string{"0", "-1", "00", "+1", "-0", "18446744073709551615"}[i%6] }),
		"serial": gen(func(i int) string {
			return "user-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
		}),
		"text": gen(func(i int) string {
			var b []byte
			for range r.IntN(12) {
				b = append(b, words[r.IntN(len(words))]...)
				b = append(b, byte(r.IntN(256)))
			}
			return string(b)
		}),
		"huge": gen(func(i int) string {
			if i == n/2 {
				return string(long)
			}
			return string(long[:i%7])
		}),
		"noise": gen(func(i int) string {
			b := make([]byte, 16)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return string(b)
		}),
	}
}

func must[T, U any](x T, _ U) T { return x }

func sortedStrings(s *Strings) *Strings {
	var all []string
	for i := range s.Len() {
		all = append(all, string(s.At(i)))
	}
	slices.Sort(all)
	out := &Strings{}
	for _, x := range all {
		out.Append([]byte(x))
	}
	return out
}

// checkLengths compares what Lengths says, if anything, of what holds no numbers.
func checkLengths(t *testing.T, name string, d *Bytes, s *Strings) {
	t.Helper()
	for v := range Vectors(s.Len()) {
		l, err := d.Lengths(v)
		if err != nil {
			t.Fatalf("%s: lengths of vector %d: %v", name, v, err)
		}
		if _, numbers := d.node.(*templateText); l == nil || numbers {
			continue
		}
		for i, n := range l {
			if row := v*VectorRows + i; n != int64(len(s.At(row))) {
				t.Fatalf("%s: row %d: %d bytes long, not %d", name, row, len(s.At(row)), n)
			}
		}
	}
}

func TestBytesRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for name, s := range textShapes(r, n) {
			for scheme, b := range map[string][]byte{
				"chosen": AppendBytes(nil, s), "plain": appendBytesPlain(nil, s, 1),
				"lz4": appendBlocks(nil, LZ4, s, 1), "zstd": appendBlocks(nil, Zstd, s, 1), "FSST": appendFSST(nil, s, 1),
				"front": must(encodeFront(sortedStrings(s), must(sharedPrefixes(sortedStrings(s))), 1)),
			} {
				s := s
				if scheme == "front" {
					s = sortedStrings(s)
				}
				d := checkBytes(t, name+"/"+scheme, b, s)
				checkLengths(t, name+"/"+scheme, d, s)
			}
		}
	}
}

// allBytes decodes whatever src may be; it fails the test if an error is not ErrCorrupt.
func allBytes(t *testing.T, src []byte, n int) {
	check := func(err error) bool {
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("not ErrCorrupt: %v", err)
		}
		return err == nil
	}
	var bits Bits
	if d, err := cleared().OpenInts(src, n); check(err) {
		_, err := d.all()
		check(err)
		for v := range Vectors(n) {
			check(d.Filter(v, &IntFilter{Lo: 5, Hi: 90}, &bits))
		}
		d.Describe()
	}
	if d, err := OpenFloats[float64](src, n); check(err) {
		_, err := d.all()
		check(err)
		for v := range Vectors(n) {
			check(d.Filter(v, &FloatFilter{Lo: 5, Hi: 90}, &bits))
			d.decoded = 0
			_, err := d.Sum(v, &bits)
			check(err)
		}
		d.Describe()
	}
	if d, err := OpenFloats[float32](src, n); check(err) {
		_, err := d.all()
		check(err)
		for v := range Vectors(n) {
			bits.Fill(VectorLen(n, v))
			d.decoded = 0
			_, err := d.Sum(v, &bits)
			check(err)
		}
	}
	if d, err := cleared().OpenBits(src, n); check(err) {
		for v := range Vectors(n) {
			check(d.Vector(v, &bits))
		}
		d.Describe()
	}
	if d, err := cleared().OpenBytes(src, n); check(err) {
		for v := range Vectors(n) {
			_, err := d.Vector(v)
			check(err)
			_, err = d.Lengths(v)
			check(err)
			d.decoded = 0
			_, err = d.FilterEqual(v, []byte("2024-02-29"), &bits)
			check(err)
		}
		_, codes, err := d.Dictionary()
		check(err)
		if codes != nil {
			check(codes.FilterTable(0, NewTableFilter([]uint8{1, 0, 1}), &bits))
		}
		d.Describe()
	}
}

func addSeeds(f *testing.F) {
	r := newRand(f)
	for _, n := range []int{1, 70, 1500} {
		for _, v := range intShapes(r, n) {
			for _, b := range forcedInts(v) {
				f.Add(b, n)
			}
		}
		for _, v := range floatShapes[float64](r, n) {
			for _, b := range forcedFloats(v) {
				f.Add(b, n)
			}
		}
		for _, v := range floatShapes[float32](r, n) {
			for _, b := range forcedFloats(v) {
				f.Add(b, n)
			}
		}
		for name, s := range textShapes(r, n) {
			if name != "huge" {
				f.Add(AppendBytes(nil, s), n)
				f.Add(appendBlocks(nil, LZ4, s, 1), n)
				f.Add(appendFSST(nil, s, 1), n)
				f.Add(must(encodeFront(sortedStrings(s), must(sharedPrefixes(sortedStrings(s))), 1)), n)
			}
		}
		for _, s := range templateShapes(r, n) {
			f.Add(AppendBytes(nil, s), n)
		}
		words := make([]uint64, (n+63)/64)
		words[0] = 0xf0f
		f.Add(AppendBits(nil, words, n), n)
	}
}

func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, src []byte, n int) {
		if n < 0 || n > 5000 {
			return
		}
		allBytes(t, src, n)
	})
}

// TestDamaged flips, cuts and repeats bytes of what encoders write.
func TestDamaged(t *testing.T) {
	r := newRand(t)
	damage := func(b []byte, n int) {
		for range 30 {
			c := bytes.Clone(b)
			switch r.IntN(3) {
			case 0:
				c[r.IntN(len(c))] ^= byte(1 << r.IntN(8))
			case 1:
				c = c[:r.IntN(len(c))]
			default:
				c[r.IntN(min(len(c), 20))] = byte(r.Uint32())
			}
			allBytes(t, c, n)
		}
	}
	for _, n := range []int{1, 70, 1500} {
		for _, v := range intShapes(r, n) {
			for _, b := range forcedInts(v) {
				damage(b, n)
			}
		}
		for _, v := range floatShapes[float64](r, n) {
			for _, b := range forcedFloats(v) {
				damage(b, n)
			}
		}
		for _, s := range textShapes(r, n) {
			damage(AppendBytes(nil, s), n)
			damage(appendBlocks(nil, Zstd, s, 1), n)
			damage(appendFSST(nil, s, 1), n)
			damage(must(encodeFront(sortedStrings(s), must(sharedPrefixes(sortedStrings(s))), 1)), n)
		}
		for _, s := range templateShapes(r, n) {
			damage(AppendBytes(nil, s), n)
		}
	}
}

func TestAppendInt(t *testing.T) {
	r := newRand(t)
	check := func(x int64) {
		if got, want := string(appendInt([]byte("."), x)), "."+strconv.FormatInt(x, 10); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for x := int64(1); x <= 1e18; x *= 10 {
		for d := int64(-2); d <= 2; d++ {
			check(x + d)
			check(-x + d)
		}
	}
	for range 20000 {
		check(r.Int64() >> r.IntN(63))
	}
}
