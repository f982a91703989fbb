package datum

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// benchRows makes rows as of the bus feed: vehicle, time, speed, route, two
// coordinates, a count and a flag.
func benchRows(n int) ([]Type, [][][]byte) {
	types := []Type{Of(Text), Of(TimestampTZ), Of(Float4), Of(Text), Of(Float8), Of(Float8), Of(Int4), Of(Bool)}
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([][][]byte, n)
	for i := range rows {
		for _, s := range []string{
			fmt.Sprint(2000 + r.IntN(500)),
			fmt.Sprintf("2019-03-%02dT%02d:%02d:%02d-05:00", 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60)),
			fmt.Sprintf("%.2f", r.Float64()*30), fmt.Sprint(r.IntN(900)),
			fmt.Sprintf("%.6f", 30+r.Float64()), fmt.Sprintf("%.6f", -97-r.Float64()), fmt.Sprint(r.IntN(100000)), "t",
		} {
			rows[i] = append(rows[i], []byte(s))
		}
	}
	return types, rows
}

func BenchmarkTextAppenderRows(b *testing.B) {
	types, rows := benchRows(4096)
	builders := make([]array.Builder, len(types))
	appenders := make([]TextAppender, len(types))
	for i, t := range types {
		builders[i] = array.NewBuilder(memory.DefaultAllocator, t.Arrow())
		appenders[i] = NewTextAppender(t, builders[i], nil)
	}
	n := 0
	for b.Loop() {
		for _, row := range rows {
			for i, f := range row {
				if err := appenders[i](f); err != nil {
					b.Fatal(err)
				}
			}
		}
		n += len(rows)
		for _, bl := range builders {
			bl.NewArray().Release()
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkTextAppender(b *testing.B) {
	for _, c := range []struct {
		t    Type
		text string
	}{
		{Of(Int4), "123456"}, {Of(Int8), "1234567890123"}, {Of(Float8), "30.267153"}, {Of(Float8), "30.26715312345678901"},
		{Of(Float4), "12.50"}, {Of(Numeric), "12345.67"}, {Type{OID: Numeric, Mod: 10<<16 + 2 + 4}, "12345.6"}, {Of(Text), "route 801"},
		{Of(Date), "2019-03-02"}, {Of(Timestamp), "2019-03-02 10:11:12.5"}, {Of(TimestampTZ), "2019-03-02T10:11:12-05:00"},
		{Of(TimestampTZ), "2019-03-02 10:11:12"}, {Of(TimestampTZ), "Mar 2 2019 10:11:12 EST"}, {Of(JSONB), `{"a": 1, "b": [1, 2]}`},
	} {
		b.Run(fmt.Sprintf("type=%v/text=%s", c.t, c.text), func(b *testing.B) {
			loc, name, _ := LoadZone("America/Chicago")
			bl := array.NewBuilder(memory.DefaultAllocator, c.t.Arrow())
			app := NewTextAppender(c.t, bl, &Env{Zone: loc, ZoneName: name})
			text := bytes.Clone([]byte(c.text))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := app(text); err != nil {
					b.Fatal(err)
				}
				if n++; n%10000 == 0 {
					bl.NewArray().Release()
				}
			}
		})
	}
}

func BenchmarkAppendTextAt(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, t := range []Type{Of(Int8), Of(Float8), Of(Numeric), Of(Timestamp), Of(TimestampTZ), Of(Date), Of(Interval), Of(Text)} {
		b.Run(fmt.Sprintf("type=%v", t), func(b *testing.B) {
			var vals []Value
			for range 1000 {
				vals = append(vals, randomValue(r, t))
			}
			a := arrayOf(memory.DefaultAllocator, t, vals)
			loc, name, _ := LoadZone("America/Chicago")
			env := &Env{Zone: loc, ZoneName: name, ExtraFloatDigits: 1}
			var buf []byte
			i := 0
			for b.Loop() {
				buf = AppendTextAt(buf[:0], t, a, i%1000, env)
				i++
			}
		})
	}
}
