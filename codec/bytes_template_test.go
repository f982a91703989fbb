package codec

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// templateShapes generates text that has something in common, with a few strings
// that have not.
func templateShapes(r *rand.Rand, n int) map[string]*Strings {
	start := time.Date(2024, 2, 28, 23, 0, 0, 0, time.UTC)
	at := func(i int) time.Time { return start.Add(time.Duration(i)*40*time.Second + time.Duration(r.IntN(1e9))) }
	uuid := func() string {
		return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), 0x8000+r.IntN(1<<14), r.Uint64N(1<<48))
	}
	odd := func(i int, s, other string) string {
		if i%37 == 5 {
			return other
		}
		return s
	}
	level := []string{"INFO", "WARN", "ERROR"}
	word := []string{"alpha", "beta", "", "g d"}
	out := map[string]*Strings{}
	for name, f := range map[string]func(i int) string{
		"decimal fixed":   func(int) string { return fmt.Sprintf("%.2f", r.NormFloat64()*100) },
		"decimal trimmed": func(i int) string { return odd(i, fmt.Sprint(math.Round(r.NormFloat64()*1e4)/1e3), "NA") },
		"negative zero":   func(i int) string { return []string{"-0.0", "0.0", "-0.5", "-1.5", "00.5", "1.", ".5"}[i%7] },
		"padded":          func(i int) string { return fmt.Sprintf("%07d", i*3) },
		"host":            func(i int) string { return odd(i, fmt.Sprintf("host_%d.example.com", r.IntN(1e6)), "localhost") },
		"user":            func(i int) string { return fmt.Sprintf("user%d", r.IntN(1e9)) },
		"uuid":            func(i int) string { return odd(i, uuid(), "") },
		"uuid odd":        func(i int) string { return odd(i, uuid(), "0123456789-1234-1234-1234-1234567890") },
		"hex":             func(i int) string { return fmt.Sprintf("%016x%08X", r.Uint64(), r.Uint32()) },
		"hash":            func(i int) string { return fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32()) },
		"HASH":            func(i int) string { return fmt.Sprintf("%016X", r.Uint64()) },
		"time":            func(i int) string { return at(i).Format("2006-01-02T15:04:05Z") },
		"time micros": func(i int) string {
			return odd(i, at(i).Format("2006/01/02 15:04:05.000000"), "2024/02/30 00:00:00.000000")
		},
		"time nanos": func(i int) string { return at(i).Format("2006-01-02 15:04:05,000000000 -07:00") },
		"time old":   func(i int) string { return fmt.Sprintf("%04d-01-31", i%10000) },
		"clock":      func(i int) string { return at(i).Format("15:04:05") },
		"apache": func(i int) string {
			return odd(i, fmt.Sprintf("10.0.%d.%d - - [%s] %q %d", r.IntN(9), r.IntN(99), at(i).Format("02/Jan/2006:15:04:05 -0700"), "GET /"+word[r.IntN(4)], r.IntN(9999)), "\x00\xff")
		},
		"syslog": func(i int) string {
			return at(i*9999).Format(time.Stamp) + " host sshd[" + fmt.Sprint(r.IntN(9999)) + "]: " + word[r.IntN(4)] + word[r.IntN(4)]
		},
		"log": func(i int) string {
			return at(i).Format(time.DateTime) + " " + level[r.IntN(3)] + " id=" + fmt.Sprint(r.IntN(1e6)) + " " + word[r.IntN(4)]
		},
		"json": func(i int) string {
			return fmt.Sprintf(`{"id":%d,"name":%q,"at":"%s","v":[%d,%.1f]}`, i, word[r.IntN(4)], at(i).Format(time.RFC3339), r.IntN(9), r.Float64())
		},
		"late": func(i int) string { return fmt.Sprintf("x%d", i%100*b2i(i < n-n/20)) + string(rune('a'+i%3)) },
		"interval": func(i int) string {
			return string([]byte{byte(i % 3), 0, 0, 0, 255, 255, 255, 255, byte(r.IntN(200)), byte(r.IntN(200)), 1, 0, 0, 0, 0, 0})
		},
		"uuid 7": func(i int) string {
			return string([]byte{1, 2, byte(i >> 16), byte(i >> 8), byte(i), 0, 0x70, byte(r.IntN(256)), 0x80, byte(r.IntN(256)), 3, 4, 5, 6, 7, 8})
		},
		"numeric": func(i int) string {
			return string([]byte{1, byte(i % 4), 0, byte(r.IntN(255)), 1 + byte(r.IntN(255))}[:3+i%3])
		},
	} {
		s := &Strings{Offsets: []int64{0}}
		for i := range n {
			s.Append([]byte(f(i)))
		}
		out[name] = s
	}
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkBytes decodes vectors from the last to the first.
func checkBytes(t *testing.T, name string, b []byte, s *Strings) *Bytes {
	t.Helper()
	n := s.Len()
	d, err := cleared().OpenBytes(b, n)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for v := Vectors(n) - 1; v >= 0; v-- {
		got, err := d.Vector(v)
		if err != nil {
			t.Fatalf("%s: %d strings: vector %d: %v", name, n, v, err)
		}
		if got.Len() != VectorLen(n, v) {
			t.Fatalf("%s: vector %d has %d strings", name, v, got.Len())
		}
		for i := range got.Len() {
			if !bytes.Equal(got.At(i), s.At(v*VectorRows+i)) {
				t.Fatalf("%s: %d strings: row %d: got %q, want %q", name, n, v*VectorRows+i, got.At(i), s.At(v*VectorRows+i))
			}
		}
	}
	d.Describe()
	checkEqual(t, name, b, s)
	return d
}

// checkEqual looks for some strings, and for some that are like them.
func checkEqual(t *testing.T, name string, b []byte, s *Strings) {
	t.Helper()
	d, err := OpenBytes(b, s.Len())
	if err != nil {
		t.Fatal(err)
	}
	for v := range Vectors(s.Len()) {
		for _, row := range []int{0, 5, 42, VectorLen(s.Len(), v) - 1} {
			if row >= VectorLen(s.Len(), v) {
				continue
			}
			x := s.At(v*VectorRows + row)
			for _, x := range [][]byte{x, append(bytes.Clone(x), '0'), x[:len(x)/2], append([]byte{'0'}, x...)} {
				var out Bits
				done, err := d.FilterEqual(v, x, &out)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i := range VectorRows {
					want := i < VectorLen(s.Len(), v) && bytes.Equal(s.At(v*VectorRows+i), x)
					if done && out.Has(i) != want {
						t.Fatalf("%s: vector %d row %d, equal to %q: got %v, want %v", name, v, i, x, !want, want)
					}
				}
			}
		}
	}
}

func TestTemplateRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, n := range lengthsToTry {
		for name, s := range templateShapes(r, n) {
			checkBytes(t, name, AppendBytes(nil, s), s)
			if p, q := inferTemplate(s); p != nil {
				checkBytes(t, name+"/template", must(p.encode(s, q, 1)), s)
			} else if n >= 1000 && !slices.Contains([]string{"interval", "uuid 7", "numeric", "negative zero", "hex", "late"}, name) {
				t.Errorf("%s: %d strings: no template", name, n)
			}
			if p, q := wordTemplate(s, 1); q != nil {
				checkBytes(t, name+"/words", must(p.encode(s, q, 1)), s)
			}
		}
	}
}

// TestFields reads and spells each kind of field, at the edges.
func TestFields(t *testing.T) {
	for _, c := range []struct {
		field   field
		yes, no []string
	}{
		{field{kind: fieldInt}, []string{"0", "-1", "999999999999999999"}, []string{"", "-", "-0", "01", "1234567890123456789"}},
		{field{kind: fieldPadded, width: 3}, []string{"000", "042", "999"}, []string{"", "00", "-01", "1 2"}},
		{field{kind: fieldPadded, width: 18}, []string{"000000000000000000", "999999999999999999"}, nil},
		{field{kind: fieldDecimal, scale: 2, least: 2}, []string{"0.00", "-0.01", "10.50", "-1.00"}, []string{"", "-0.00", "1", "1.5", "1.234", "01.00", ".50", "1."}},
		{field{kind: fieldDecimal, scale: 3, least: 0}, []string{"0", "-1", "10.5", "0.001"}, []string{"1.0", "1.", "-0", "0.0001", "1234567890123456"}},
		{field{kind: fieldDecimal, scale: 3, least: 1}, []string{"0.0", "-1.0", "10.5", "0.001"}, []string{"1", "1.50", "1.", "-0.0"}},
		{field{kind: fieldDecimal, scale: 17, least: 0}, []string{"0.00000000000000001", "9.99999999999999999"}, []string{"10"}},
		{field{kind: fieldHex, width: 16}, []string{"0000000000000000", "ffffffffffffffff"}, []string{"FFFFFFFFFFFFFFFF", "fff", "fffffffffffffffg"}},
		{field{kind: fieldHexUpper, width: 2}, []string{"FF", "0A"}, []string{"fF", "G0", "@0"}},
		{field{kind: fieldUUID}, []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}, []string{"", "00000000-0000-0000-0000-00000000000", "00000000x0000-0000-0000-000000000000"}},
		{field{kind: fieldBig, width: 8}, []string{"\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\x00\x00\x00\x01"}, []string{"1234567"}},
		{field{kind: fieldLittle, width: 3}, []string{"\xff\xff\xff", "\x00\x00\x80", "\x01\x00\x00"}, []string{"12"}},
		{field{kind: fieldRest}, []string{"", "\x01", "\x00\x01", "12345678"}, []string{"\x00", "1\x00", "123456789"}},
		{field{kind: fieldTime, layout: []byte("Y-m-dTH:M:S.fff")}, []string{"1970-01-01T00:00:00.000", "0000-02-29T23:59:59.999", "9999-12-31T23:59:59.001", "2000-02-29T00:00:00.000"},
			[]string{"1900-02-29T00:00:00.000", "1970-00-01T00:00:00.000", "1970-01-32T00:00:00.000", "1970-01-01T24:00:00.000", "1970-01-01T00:60:00.000", "1970-01-01T00:00:60.000", "1970-01-01 00:00:00.000"}},
		{field{kind: fieldTime, layout: []byte("b e")}, []string{"Jan  1", "Dec 31"}, []string{"anF  1", "Jan 01", "Jan 1 ", "Feb 29", "jan  1"}},
		{field{kind: fieldTime, layout: []byte("Y-m-d H:M:S.fffffffff")}, []string{"2262-04-11 23:47:15.999999999"}, []string{"2300-01-01 00:00:00.000000000"}},
	} {
		for _, s := range c.yes {
			tpl := &template{fields: []field{c.field}}
			m := tpl.matcher()
			if !m.match([]byte(s)) {
				t.Errorf("%s does not match %q", c.field.name(), s)
				continue
			}
			one := &Strings{Offsets: []int64{0}}
			one.Append([]byte(s))
			checkBytes(t, c.field.name(), must(tpl.encode(one, tpl.split(one, 0), 1)), one)
		}
		for _, s := range c.no {
			if (&template{fields: []field{c.field}}).matcher().match([]byte(s)) {
				t.Errorf("%s matches %q", c.field.name(), s)
			}
		}
	}
}

// TestTimes compares with package time.
func TestTimes(t *testing.T) {
	layout := []byte("Y-m-d")
	for day := int64(-719528); day <= 2932896; day += 1 + day&3 {
		want := time.Unix(day*86400, 0).UTC()
		text := newTimeText(layout)
		b, ok := text.append(nil, day*86400)
		if !ok || string(b) != want.Format(time.DateOnly) {
			t.Fatalf("day %d: got %q, want %v", day, b, want)
		}
		if x, ok := parseTime(layout, b); !ok || x != day*86400 {
			t.Fatalf("%q: got %d, want %d", b, x, day*86400)
		}
	}
	for _, x := range []int64{-719529 * 86400, 2932897 * 86400, math.MinInt64, math.MaxInt64} {
		text := newTimeText(layout)
		if b, ok := text.append(nil, x); ok {
			t.Errorf("%d is %q", x, b)
		}
	}
	for layout, x := range map[string]int64{"Y-m-d": 3600, "H:M:S": 86400, "H:M": 59, "b d": -86400, "Y": 31 * 86400, "m-d": 365 * 86400} {
		text := newTimeText([]byte(layout))
		if b, ok := text.append(nil, x); ok {
			t.Errorf("%d is %q in layout %s, which does not show all of it", x, b, layout)
		}
	}
	for layout, want := range map[string]int{"Y-m-dTH:M:S.ffffff": 26, "d/b/Y": 11, "": 0, "YY": 0, "m b": 0, "d e": 0, "S.f.f": 0, "S.ffffffffff": 0, "TZTZ": 4,
		string(make([]byte, 33)): 0} {
		if got := timeWidth([]byte(layout)); got != want {
			t.Errorf("width of %q: got %d, want %d", layout, got, want)
		}
	}
}

// TestFilterEqual checks that what should be filtered as integers is.
func TestFilterEqual(t *testing.T) {
	r := newRand(t)
	shapes := templateShapes(r, 3000)
	for name, want := range map[string]bool{"uuid": true, "uuid 7": true, "hash": true, "host": true, "time micros": true, "padded": true,
		"decimal trimmed": true, "log": false, "json": false} {
		s := shapes[name]
		d, err := OpenBytes(AppendBytes(nil, s), s.Len())
		if err != nil {
			t.Fatal(err)
		}
		var out Bits
		if done, err := d.FilterEqual(1, s.At(1500), &out); done != want || err != nil {
			t.Errorf("%s, %v: got %v, %v, want %v", name, d.Describe(), done, err, want)
		}
	}
}

// TestExplain checks that the first candidate is what is written.
func TestExplain(t *testing.T) {
	r := newRand(t)
	for name, s := range templateShapes(r, 3000) {
		list := ExplainBytes(s)
		b := AppendBytes(nil, s)
		d, err := OpenBytes(b, s.Len())
		if err != nil {
			t.Fatal(err)
		}
		got := d.Describe()
		if c := list[0]; c.Encoding != got.String() && c.Encoding != got.Scheme.String() || c.Nanos <= 0 || float64(c.Cost) < float64(c.Size)/codesWorth-2 {
			t.Errorf("%s: %+v explains %v", name, list, got)
		}
		for i := range list[1:] {
			if list[i].Cost > list[i+1].Cost {
				t.Errorf("%s: not in order: %+v", name, list)
			}
		}
	}
	same := &Strings{}
	for range 10 {
		same.Append([]byte("same"))
	}
	if list := ExplainBytes(same); len(list) != 1 || list[0].Encoding != "constant" {
		t.Errorf("%+v", list)
	}
}

// TestTextDensity holds the line on the bytes that strings take.
func TestTextDensity(t *testing.T) {
	r := newRand(t)
	shapes := templateShapes(r, 20000)
	for name, limit := range map[string]float64{"apache": 3.7, "log": 3.2, "syslog": 3, "json": 1.4, "uuid": 15.6, "uuid 7": 2.1, "hash": 20.2, "host": 2.8,
		"decimal fixed": 2.2, "time": 0.1, "time micros": 3, "padded": 0.1, "interval": 2.6} {
		s := shapes[name]
		if got := float64(len(AppendBytes(nil, s))) / float64(s.Len()); got > limit {
			t.Errorf("%s: %.3f bytes a string of %.1f, the limit is %.1f", name, got, float64(len(s.Data))/float64(s.Len()), limit)
		}
	}
}

func BenchmarkBytesDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	shapes := templateShapes(r, 64*VectorRows)
	for name, s := range textShapes(r, 64*VectorRows) {
		shapes[name] = s
	}
	for name, s := range shapes {
		src := AppendBytes(nil, s)
		d, err := OpenBytes(src, s.Len())
		if err != nil {
			b.Fatal(err)
		}
		b.Run("data="+name+"/codec="+d.Describe().String(), func(b *testing.B) {
			b.SetBytes(int64(len(s.Data)))
			for b.Loop() {
				for k := range Vectors(s.Len()) {
					if _, err := d.Vector(k); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Len()), "ns/value")
			b.ReportMetric(float64(len(src))*8/float64(s.Len()), "bits/value")
		})
	}
}

func BenchmarkBytesEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	shapes := templateShapes(r, 64*VectorRows)
	for name, s := range textShapes(r, 64*VectorRows) {
		shapes[name] = s
	}
	for name, s := range shapes {
		b.Run("data="+name, func(b *testing.B) {
			b.SetBytes(int64(len(s.Data)))
			for b.Loop() {
				AppendBytes(nil, s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Len()), "ns/value")
		})
	}
}
