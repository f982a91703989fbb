package chunk

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// numerics makes a column of numerics; "" is NULL.
func numerics(t *testing.T, n int, at func(i int) string) arrow.Array {
	t.Helper()
	b := array.NewBuilder(memory.DefaultAllocator, datum.Of(datum.Numeric).Arrow())
	defer b.Release()
	for i := range n {
		s := at(i)
		if s == "" {
			b.AppendNull()
			continue
		}
		d, err := datum.ParseDecimal(s)
		if err != nil {
			t.Fatal(err)
		}
		datum.Append(b, datum.Of(datum.Numeric), d)
	}
	return b.NewArray()
}

func TestWideNumerics(t *testing.T) {
	r := newRand(t)
	digits := func(n int) string {
		var b strings.Builder
		b.WriteByte(byte('1' + r.IntN(9)))
		for range n - 1 {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		return b.String()
	}
	signed := func(s string) string { return []string{"", "-"}[r.IntN(2)] + s }
	edges := []string{"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "0",
		"18446744073709551615", "18446744073709551616", "-18446744073709551616", "99999999999999999999999999999999999999",
		"-99999999999999999999999999999999999999", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105727",
		"1000000000000000000", "-1000000000000000000", "-999999999999999999", "-1000000000000000001", "1", "-1"}
	for name, c := range map[string]struct {
		form string
		at   func(i int) string
	}{
		"20 digits":     {"wide integers", func(int) string { return signed(digits(20)) }},
		"amounts":       {"wide integers", func(int) string { return digits(4) + "000000000000000000" }},
		"38 digits":     {"wide integers", func(int) string { return signed(digits(38)) }},
		"28.10":         {"wide integers", func(int) string { return signed(digits(28)) + "." + digits(10) }},
		"with NULLs":    {"wide integers", func(i int) string { return []string{"", digits(25)}[b2i(i%10 > 0)] }},
		"edges":         {"wide integers", func(i int) string { return edges[r.IntN(len(edges))] }},
		"beyond":        {"bytes", func(int) string { return digits(40) }},
		"NaN":           {"bytes", func(i int) string { return []string{digits(25), "NaN"}[b2i(i == 700)] }},
		"mixed scales":  {"bytes", func(i int) string { return digits(25) + []string{"", ".5"}[i%2] }},
		"few different": {"bytes", func(int) string { return []string{"12345678901234567890123", "98765432109876543210987"}[r.IntN(2)] }},
		"small":         {"scaled integers", func(int) string { return digits(12) }},
	} {
		a := numerics(t, 2500, c.at)
		blob, e, err := encodeColumn(&Column{ID: 1, Type: datum.Of(datum.Numeric)}, a, codec.Thorough)
		if err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(blob)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if info.Form != c.form && name != "edges" {
			t.Errorf("%s: form %s, want %s: %s", name, info.Form, c.form, info.Tree)
		}
		checkColumn(t, name, a, blob)
		if err := verifyColumn(t.Context(), &e, a.Len(), blob); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		a.Release()
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkColumn compares what a blob holds with an array.
func checkColumn(t *testing.T, name string, a arrow.Array, blob []byte) {
	t.Helper()
	typ := datum.Of(datum.Numeric)
	c, err := openBlob(blob, typ)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	row := 0
	for v := range codec.Vectors(c.rows) {
		got, err := c.array(memory.DefaultAllocator, typ, v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range got.Len() {
			want := "NULL"
			if !a.IsNull(row) {
				want = fmt.Sprint(datum.ValueAt(typ, a, row))
			}
			have := "NULL"
			if !got.IsNull(i) {
				have = fmt.Sprint(datum.ValueAt(typ, got, i))
			}
			if have != want {
				t.Fatalf("%s: row %d: got %s, want %s", name, row, have, want)
			}
			row++
		}
		got.Release()
	}
}

// TestDivideWide takes 128-bit numbers apart and puts them together again.
func TestDivideWide(t *testing.T) {
	r := newRand(t)
	for range 100000 {
		hi, lo := int64(r.Uint64())>>r.IntN(64), r.Uint64()>>r.IntN(64)
		q, rest, fits := divideWide(hi, lo)
		if !fits {
			continue
		}
		if h, l := multiplyWide(q, rest); h != hi || l != lo || rest >= wideBase {
			t.Fatalf("%d:%d is %d rest %d, which is %d:%d", hi, lo, q, rest, h, l)
		}
	}
}

// TestDamagedWide reads wide numerics with bytes flipped and cut off.
func TestDamagedWide(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	a := numerics(t, 1100, func(int) string { return fmt.Sprintf("%d%018d", 1+r.IntN(1000), r.Int64N(1e18)) })
	defer a.Release()
	v, err := extract(datum.Of(datum.Numeric), a)
	if err != nil || v.form != formWide {
		t.Fatalf("form %v: %v", v.form, err)
	}
	src := v.appendTo(nil, codec.Thorough)
	for range 2000 {
		b := append([]byte(nil), src...)
		if b[r.IntN(min(len(b), 40))] ^= byte(1 << r.IntN(8)); r.IntN(3) == 0 {
			b = b[:r.IntN(len(b))]
		}
		c, err := newChunkRoom().openValues(datum.Of(datum.Numeric), formWide, a.Len(), 0, b)
		if err != nil {
			continue
		}
		for k := range codec.Vectors(c.rows) {
			if got, err := c.array(memory.DefaultAllocator, c.typ, k); err == nil {
				got.Release()
			}
		}
	}
}
