package ingest

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var (
	seedFlag    = flag.Uint64("seed", 1, "seed of the random tests")
	rewriteFlag = flag.Bool("rewrite", false, "rewrite the golden files")
)

func newRand(t testing.TB) *rand.Rand {
	t.Logf("seed %d", *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 17))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// storableTypes are all types that a column can have, and arrays of most.
var storableTypes = []datum.Type{
	datum.Of(datum.Bool), datum.Of(datum.Int2), datum.Of(datum.Int4), datum.Of(datum.Int8), datum.Of(datum.Float4),
	datum.Of(datum.Float8), {OID: datum.Numeric, Mod: (12<<16 | 2) + 4}, datum.Of(datum.Numeric), datum.Of(datum.Text),
	{OID: datum.Varchar, Mod: 24}, {OID: datum.BPChar, Mod: 12}, datum.Of(datum.Char), datum.Of(datum.Name), datum.Of(datum.Bytea),
	datum.Of(datum.Date), datum.Of(datum.Time), datum.Of(datum.TimeTZ), datum.Of(datum.Timestamp), datum.Of(datum.TimestampTZ),
	datum.Of(datum.Interval), datum.Of(datum.UUID), datum.Of(datum.JSON), datum.Of(datum.JSONB), datum.Of(datum.OIDType),
	datum.Of(datum.RegClass), datum.Of(datum.BoolArray), datum.Of(datum.Int2Array), datum.Of(datum.Int4Array),
	datum.Of(datum.Int8Array), datum.Of(datum.Float4Array), datum.Of(datum.Float8Array), datum.Of(datum.NumericArray),
	datum.Of(datum.TextArray), datum.Of(datum.VarcharArray), datum.Of(datum.ByteaArray), datum.Of(datum.DateArray),
	datum.Of(datum.TimestampTZArray), datum.Of(datum.IntervalArray), datum.Of(datum.TimeTZArray), datum.Of(datum.UUIDArray),
	datum.Of(datum.JSONBArray), datum.Of(datum.OIDArray), rowType, rowArray,
}

// rowType is a composite type; whose fields it has, its values say.
var (
	rowType     = datum.Of(datum.UserType(datum.CompositeClass, 20000))
	rowArray, _ = datum.ArrayOf(rowType)
)

// randomValue makes values with repeats and the extremes of each type.
func randomValue(r *rand.Rand, t datum.Type) datum.Value {
	pick := func(v ...datum.Value) datum.Value { return v[r.IntN(len(v))] }
	few := int64(r.IntN(12))
	rare := r.IntN(20) == 0
	switch t.OID {
	case datum.Bool:
		return r.IntN(3) == 0
	case datum.Int2:
		return pick(int16(few), int16(few), int16(math.MinInt16), int16(math.MaxInt16))
	case datum.Int4:
		return pick(int32(few), int32(r.Uint32()), int32(math.MinInt32), int32(math.MaxInt32))
	case datum.Int8:
		return pick(few, int64(r.Uint64()), int64(math.MinInt64), int64(math.MaxInt64))
	case datum.OIDType, datum.RegClass:
		return datum.OID(r.Uint32())
	case datum.Float4:
		return pick(float32(few)*0.44704, float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1)))
	case datum.Float8:
		return pick(float64(few)/7, math.Float64frombits(0x7ff8000000001234), math.Inf(-1), math.Copysign(0, -1), 5e-324)
	case datum.Numeric:
		s := fmt.Sprintf("%d.%02d", r.IntN(50)-25, r.IntN(100))
		if t.Mod < 0 && rare {
			s = pick("NaN", "Infinity", "-Infinity", "0", "123456789012345678901234567890.5", "1e-20", "-7").(string)
		}
		return must(datum.Parse(t, s, &datum.Env{}))
	case datum.Text, datum.Varchar, datum.Name:
		if rare && t.OID == datum.Text {
			return pick("", strings.Repeat("long ", 60), strings.Repeat("ü", 40000))
		}
		return pick("NORTHBOUND", "320", "", "ü", "\U0010ffff", fmt.Sprint(r.IntN(300)))
	case datum.BPChar:
		s := fmt.Sprint(few)
		return s + strings.Repeat(" ", 8-len(s))
	case datum.Char:
		return pick("a", "b", "")
	case datum.Bytea:
		if rare {
			return []byte(strings.Repeat("\xff\x00", 200))
		}
		return pick([]byte{}, []byte{0, byte(few)}, []byte{0xff})
	case datum.Date:
		return pick(datum.Days(20000+few), datum.InfinityDays, datum.NegInfinityDays)
	case datum.Time:
		return datum.Micros(r.Int64N(86400e6 + 1))
	case datum.TimeTZ:
		return datum.TimeTZValue{Micros: r.Int64N(24) * 3600e6, Zone: int32(r.IntN(25)-12) * 3600}
	case datum.Timestamp, datum.TimestampTZ:
		if rare {
			return pick(datum.InfinityMicros, datum.NegInfinityMicros, datum.Micros(-1e15))
		}
		return datum.Micros(1425708022000000 + r.Int64N(80*3600)*1e6)
	case datum.Interval:
		return datum.IntervalValue{Months: int32(r.IntN(3)), Days: int32(r.IntN(40)), Micros: r.Int64N(3) * 3600e6}
	case datum.UUID:
		return datum.UUIDValue{byte(few), 15: byte(r.IntN(8))}
	case datum.JSONB, datum.JSON:
		return pick(`{"a": 1}`, `[1, 2]`, `"x"`, `null`, fmt.Sprintf(`{"n": %d}`, few))
	}
	if t.IsRow() {
		row := datum.Row{Types: []datum.Type{datum.Of(datum.Int4), datum.Of(datum.Numeric), datum.Of(datum.TextArray)}, Values: make([]datum.Value, 3)}
		for i, f := range row.Types {
			if r.IntN(4) > 0 {
				row.Values[i] = randomValue(r, f)
			}
		}
		return row
	}
	if e, ok := t.Elem(); ok {
		a := datum.Array{Elem: e, Values: []datum.Value{}}
		for range r.IntN(4) {
			if r.IntN(6) == 0 {
				a.Values = append(a.Values, nil)
			} else {
				a.Values = append(a.Values, randomValue(r, e))
			}
		}
		return a
	}
	panic(fmt.Sprint("no values of type ", t))
}

// randomArray makes an array in which one in nullEvery values is NULL: 0 is
// none, 1 all.
func randomArray(r *rand.Rand, mem memory.Allocator, t datum.Type, rows, nullEvery int) arrow.Array {
	b := array.NewBuilder(mem, t.Arrow())
	defer b.Release()
	for range rows {
		if nullEvery > 0 && r.IntN(nullEvery) == 0 {
			b.AppendNull()
		} else {
			datum.Append(b, t, randomValue(r, t))
		}
	}
	return b.NewArray()
}

// sliced returns a copy of the array's rows that starts within larger buffers.
func sliced(r *rand.Rand, mem memory.Allocator, t datum.Type, a arrow.Array) arrow.Array {
	before, after := randomArray(r, mem, t, 1+r.IntN(20), 3), randomArray(r, mem, t, r.IntN(5), 3)
	defer before.Release()
	defer after.Release()
	parts := []arrow.Array{before, a, after}
	if after.Len() == 0 {
		parts = parts[:2]
	}
	if a.Len() == 0 {
		return array.NewSlice(before, 1, 1)
	}
	whole := must(array.Concatenate(parts, mem))
	defer whole.Release()
	return array.NewSlice(whole, int64(before.Len()), int64(before.Len()+a.Len()))
}

// hidden returns the array with some values turned NULL whose bytes are still there.
func hidden(r *rand.Rand, a arrow.Array) arrow.Array {
	d := a.Data()
	bits := make([]byte, bitmapBytes(d.Offset()+d.Len()))
	for i := range bits {
		bits[i] = byte(r.Uint32())
	}
	if a.NullN() > 0 {
		for i := range a.Len() {
			if a.IsNull(i) {
				bits[(d.Offset()+i)/8] &^= 1 << ((d.Offset() + i) % 8)
			}
		}
	}
	buffers := append([]*memory.Buffer{memory.NewBufferBytes(bits)}, d.Buffers()[1:]...)
	out := array.NewData(d.DataType(), d.Len(), buffers, d.Children(), array.UnknownNullCount, d.Offset())
	defer out.Release()
	return array.MakeFromData(out)
}

// randomPart makes rows with a column of each type.
func randomPart(r *rand.Rand, mem memory.Allocator, types []datum.Type, rows int) Part {
	p := Part{Partition: chunk.PartitionID{Table: datum.OID(16384 + r.IntN(9)), Key: string(make([]byte, r.IntN(3)))}, Types: types}
	arrays := make([]arrow.Array, len(types))
	fields := make([]arrow.Field, len(types))
	for i, t := range types {
		a := randomArray(r, mem, t, rows, []int{0, 0, 1, 2, 10}[r.IntN(5)])
		switch r.IntN(4) {
		case 0:
			s := sliced(r, mem, t, a)
			a.Release()
			a = s
		case 1:
			if rows > 0 {
				h := hidden(r, a)
				a.Release()
				a = h
			}
		}
		arrays[i] = a
		fields[i] = datum.Field(fmt.Sprint("c", i), t)
		p.Columns = append(p.Columns, schema.ColumnID(i+1))
	}
	p.Rows = array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(rows))
	for _, a := range arrays {
		a.Release()
	}
	return p
}

// sameArrays fails unless the arrays hold the same values, bit for bit.
func sameArrays(t testing.TB, typ datum.Type, got, want arrow.Array) {
	t.Helper()
	if got.Len() != want.Len() || got.NullN() != want.NullN() {
		t.Fatalf("%v: %d rows with %d NULLs, want %d with %d", typ, got.Len(), got.NullN(), want.Len(), want.NullN())
	}
	for i := range want.Len() {
		g, w := datum.AppendValue(nil, typ, datum.ValueAt(typ, got, i)), datum.AppendValue(nil, typ, datum.ValueAt(typ, want, i))
		if string(g) != string(w) {
			t.Fatalf("%v: row %d is %v, want %v", typ, i, datum.ValueAt(typ, got, i), datum.ValueAt(typ, want, i))
		}
	}
}

// busLayout is a table of buses with 8 columns; a keyed one has the row version too.
func busLayout(keyed bool) *chunk.Layout {
	l := &chunk.Layout{
		Columns: []chunk.Column{
			{ID: 1, Name: "vehicle_id", Type: datum.Of(datum.Text)}, {ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)},
			{ID: 3, Name: "speed", Type: datum.Of(datum.Float4)}, {ID: 4, Name: "route", Type: datum.Of(datum.Text)},
			{ID: 5, Name: "lat", Type: datum.Of(datum.Float8)}, {ID: 6, Name: "lon", Type: datum.Of(datum.Float8)},
			{ID: 7, Name: "stopped", Type: datum.Of(datum.Bool)}, {ID: 8, Name: "seq", Type: datum.Of(datum.Int8)},
		},
		SortKey: []schema.ColumnID{1, 2}, TimeColumn: 2, Slice: 24 * time.Hour,
	}
	if keyed {
		l.Columns = append(l.Columns, chunk.Column{ID: schema.RowVersionColumn, Name: "row_version", Type: datum.Of(datum.Int8)})
	}
	return l
}

// busBatch makes rows of busLayout. Keys repeat; seq counts from first on, so
// that each row can be told from all others.
func busBatch(r *rand.Rand, mem memory.Allocator, l *chunk.Layout, rows int, first, version int64) arrow.RecordBatch {
	ids := make([]schema.ColumnID, len(l.Columns))
	for i, c := range l.Columns {
		ids[i] = c.ID
	}
	b := array.NewRecordBuilder(mem, must(l.Schema(ids)))
	defer b.Release()
	for i := range rows {
		for k, c := range l.Columns {
			var v datum.Value
			switch c.ID {
			case 1:
				v = fmt.Sprint("bus ", r.IntN(20))
			case 2:
				v = datum.Micros(1425708022000000 + r.Int64N(100)*3600*1e6)
			case 3:
				v = float32(r.IntN(60))
			case 4:
				v = fmt.Sprint(r.IntN(300))
			case 5, 6:
				v = r.Float64()
			case 7:
				if r.IntN(4) > 0 {
					v = r.IntN(2) == 0
				}
			case 8:
				v = first + int64(i)
			default:
				v = version
			}
			datum.Append(b.Field(k), c.Type, v)
		}
	}
	return b.NewRecordBatch()
}
