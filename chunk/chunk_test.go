package chunk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var seedFlag = flag.Uint64("seed", 1, "seed of the random tests")

func newRand(t testing.TB) *rand.Rand {
	t.Logf("seed %d", *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 11))
}

// everyType is a layout with a column of every type that can be stored.
func everyType() *Layout {
	l := &Layout{TimeColumn: 1, Slice: 24 * time.Hour}
	for i, t := range []datum.Type{
		datum.Of(datum.TimestampTZ), datum.Of(datum.Text), datum.Of(datum.Bool), datum.Of(datum.Int2), datum.Of(datum.Int4),
		datum.Of(datum.Int8), datum.Of(datum.Float4), datum.Of(datum.Float8), {OID: datum.Numeric, Mod: (12<<16 | 2) + 4}, datum.Of(datum.Numeric),
		{OID: datum.Varchar, Mod: 24}, {OID: datum.BPChar, Mod: 12}, datum.Of(datum.Bytea), datum.Of(datum.Date), datum.Of(datum.Time),
		datum.Of(datum.TimeTZ), datum.Of(datum.Timestamp), datum.Of(datum.Interval), datum.Of(datum.UUID), datum.Of(datum.JSONB),
		datum.Of(datum.JSON), datum.Of(datum.Int4Array), datum.Of(datum.TextArray), datum.Of(datum.Float8Array), datum.Of(datum.NumericArray),
		datum.Of(datum.BoolArray), datum.Of(datum.OIDType), datum.Of(datum.UUIDArray), datum.Of(datum.Name),
		datum.Of(datum.UserType(datum.CompositeClass, 20000)),
	} {
		l.Columns = append(l.Columns, Column{ID: schema.ColumnID(i + 1), Name: fmt.Sprintf("c%d", i+1), Type: t})
	}
	l.SortKey = []schema.ColumnID{2, 1}
	return l
}

// randomValue makes values with many repeats and the extremes of each type.
func randomValue(r *rand.Rand, t datum.Type) datum.Value {
	pick := func(v ...datum.Value) datum.Value { return v[r.IntN(len(v))] }
	few := int64(r.IntN(12))
	rare := r.IntN(50) == 0
	switch t.OID {
	case datum.Bool:
		return r.IntN(3) == 0
	case datum.Int2:
		if rare {
			return pick(int16(math.MinInt16), int16(math.MaxInt16))
		}
		return int16(few)
	case datum.Int4:
		if rare {
			return pick(int32(math.MinInt32), int32(math.MaxInt32))
		}
		return int32(r.IntN(1000))
	case datum.Int8:
		if rare {
			return pick(int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64+1))
		}
		return few * 1e6
	case datum.OIDType:
		return datum.OID(r.Uint32N(100) * 40000000)
	case datum.Float4:
		if rare {
			return pick(float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Copysign(0, -1)), float32(0), float32(math.MaxFloat32))
		}
		return float32(few) * 0.44704
	case datum.Float8:
		if rare {
			return pick(math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.0, 1e300, 5e-324)
		}
		return float64(r.IntN(100000)) / 1000
	case datum.Numeric:
		s := fmt.Sprintf("%d.%02d", r.IntN(50)-25, r.IntN(100))
		if t.Mod < 0 && rare {
			s = pick("NaN", "Infinity", "-Infinity", "0", "123456789012345678901234567890.5", "1e-20", "-7").(string)
		}
		return must(datum.Parse(t, s, &datum.Env{}))
	case datum.Text, datum.Varchar, datum.Name:
		if rare && t.OID == datum.Text {
			return pick("", strings.Repeat("long ", 20), strings.Repeat("long ", 20)+"x", "\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff")
		}
		return pick("NORTHBOUND", "SOUTHBOUND", "320", "7", "550 TO LEANDER", "ü", fmt.Sprint(r.IntN(300)))
	case datum.BPChar:
		s := fmt.Sprint(few)
		return s + strings.Repeat(" ", 8-len(s))
	case datum.Bytea:
		if rare {
			return pick([]byte{}, []byte{0xff, 0xff, 0xff}, []byte(strings.Repeat("\xff", 20)))
		}
		return []byte{byte(few), byte(r.IntN(256))}
	case datum.Date:
		if rare {
			return pick(datum.InfinityDays, datum.NegInfinityDays, datum.Days(-1000000))
		}
		return datum.Days(20000 + few)
	case datum.Time:
		return datum.Micros(r.Int64N(86400e6 + 1))
	case datum.TimeTZ:
		return datum.TimeTZValue{Micros: r.Int64N(24) * 3600e6, Zone: int32(r.IntN(25)-12) * 3600}
	case datum.Timestamp, datum.TimestampTZ:
		if rare {
			return pick(datum.InfinityMicros, datum.NegInfinityMicros, datum.Micros(-1e15))
		}
		return datum.Micros(1425708022000000 + r.Int64N(40*3600)*1e6)
	case datum.Interval:
		return datum.IntervalValue{Months: int32(r.IntN(3)), Days: int32(r.IntN(40)), Micros: r.Int64N(3) * 3600e6}
	case datum.UUID:
		var u datum.UUIDValue
		u[0], u[15] = byte(few), byte(r.IntN(8))
		return u
	case datum.JSONB, datum.JSON:
		return pick(`{"a": 1}`, `[1, 2]`, `"x"`, `null`, fmt.Sprintf(`{"n": %d}`, few))
	}
	if t.IsRow() {
		types := []datum.Type{datum.Of(datum.Int4), datum.Of(datum.Numeric), datum.Of(datum.TextArray)}
		return datum.Row{Types: types, Values: []datum.Value{randomValue(r, types[0]), randomValue(r, types[1]), nil}}
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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// randomBatch makes rows; nulls in a thousand are NULL.
func randomBatch(r *rand.Rand, mem memory.Allocator, l *Layout, rows, nulls int) arrow.RecordBatch {
	columns := make([]arrow.Array, len(l.Columns))
	for i, c := range l.Columns {
		b := array.NewBuilder(mem, c.Type.Arrow())
		for range rows {
			if r.IntN(1000) < nulls {
				b.AppendNull()
			} else {
				datum.Append(b, c.Type, randomValue(r, c.Type))
			}
		}
		columns[i] = b.NewArray()
		defer columns[i].Release()
		b.Release()
	}
	ids := make([]schema.ColumnID, len(l.Columns))
	for i := range ids {
		ids[i] = l.Columns[i].ID
	}
	return array.NewRecordBatch(must(l.Schema(ids)), columns, int64(rows))
}

func boxed(l *Layout, b arrow.RecordBatch) [][]datum.Value {
	out := make([][]datum.Value, b.NumRows())
	for i := range out {
		for k, c := range l.Columns {
			var v datum.Value
			if b.Column(k).IsValid(i) {
				v = datum.ValueAt(c.Type, b.Column(k), i)
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

// text renders a value so that equal text means the same bits.
func text(t datum.Type, v datum.Value) string { return fmt.Sprintf("%x", datum.AppendValue(nil, t, v)) }

func rowText(l *Layout, row []datum.Value) string {
	var b strings.Builder
	for k, v := range row {
		b.WriteString(text(l.Columns[k].Type, v))
		b.WriteByte(' ')
	}
	return b.String()
}

func fetcher(s *Sealed) Fetch {
	return func(_ context.Context, i int) ([]byte, bool, error) { return s.Blobs[i], false, nil }
}

func scanAll(t *testing.T, mem memory.Allocator, s Split, stats *ScanStats) []arrow.RecordBatch {
	t.Helper()
	r, err := s.Scan(context.Background(), roomFor(mem), stats)
	if err != nil {
		t.Fatal(err)
	}
	var out []arrow.RecordBatch
	for {
		b, err := r.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.NumRows() < 1 || b.NumRows() > MaxBatchRows {
			t.Fatalf("batch of %d rows", b.NumRows())
		}
		checkCoded(t, b)
		out = append(out, b)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	r := newRand(t)
	for _, c := range []struct{ rows, nulls int }{{1, 0}, {1, 1000}, {3, 300}, {1024, 0}, {1500, 100}, {2500, 0}, {2100, 990}, {1100, 1000}} {
		t.Run(fmt.Sprintf("rows=%d/nulls=%d", c.rows, c.nulls), func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			l := everyType()
			batch := randomBatch(r, mem, l, c.rows, c.nulls)
			defer batch.Release()
			parts := []arrow.RecordBatch{batch.NewSlice(0, int64(c.rows/3)), batch.NewSlice(int64(c.rows/3), int64(c.rows))}
			defer parts[0].Release()
			defer parts[1].Release()
			sorted, err := SortRows(mem, l, parts)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sorted {
				checkOrder(t, l, s)
				sealed, err := Seal(l, SealOptions{Slice: s.Slice, IDs: NewIDs(nil), MaxRows: 2000, Mem: mem}, s.Batch)
				if err != nil {
					t.Fatal(err)
				}
				want := boxed(l, s.Batch)
				for _, x := range sealed {
					checkEntry(t, l, x)
					spec := ScanSpec{}
					for _, c := range l.Columns {
						spec.Columns = append(spec.Columns, c.ID)
					}
					for _, b := range scanAll(t, mem, NewSplit(&x.Entry, l, spec, fetcher(x)), &ScanStats{}) {
						for _, row := range boxed(l, b) {
							if a, b := rowText(l, row), rowText(l, want[0]); a != b {
								t.Fatalf("got  %v\nwant %v", row, want[0])
							}
							want = want[1:]
							got = append(got, rowText(l, row))
						}
						b.Release()
					}
				}
				if len(want) > 0 {
					t.Fatalf("%d rows missing", len(want))
				}
				s.Batch.Release()
			}
			var in []string
			for _, row := range boxed(l, batch) {
				in = append(in, rowText(l, row))
			}
			slices.Sort(in)
			slices.Sort(got)
			if !slices.Equal(in, got) {
				t.Fatal("the rows that came out are not those that went in")
			}
		})
	}
}

func checkOrder(t *testing.T, l *Layout, s SliceRows) {
	t.Helper()
	var last []byte
	for i := range int(s.Batch.NumRows()) {
		key := l.AppendSortKey(nil, s.Batch, i)
		if i > 0 && slices.Compare(last, key) > 0 {
			t.Fatalf("row %d of slice %d is out of order", i, s.Slice)
		}
		last = key
	}
}

// checkEntry has the entry verified, and sent through its encoding.
func checkEntry(t testing.TB, l *Layout, s *Sealed) {
	t.Helper()
	if err := Verify(context.Background(), &s.Entry, fetcher(s)); err != nil {
		t.Fatal(err)
	}
	b := AppendEntry(nil, &s.Entry)
	e, rest, err := DecodeEntry(append(b, 1, 2, 3))
	if err != nil || len(rest) != 3 {
		t.Fatalf("entry: %v, %d bytes left", err, len(rest))
	}
	if again := AppendEntry(nil, e); !slices.Equal(again, b) {
		t.Fatalf("entry: got %+v, want %+v", e, s.Entry)
	}
}

func randomPredicate(r *rand.Rand, l *Layout, rows [][]datum.Value) Predicate {
	for {
		k := r.IntN(len(l.Columns))
		c := l.Columns[k]
		p := Predicate{Column: c.ID, Op: PredicateOp(r.IntN(int(OpIsNotNull) + 1))}
		if !CanFilter(c.Type, p.Op) {
			continue
		}
		value := func() datum.Value {
			if v := rows[r.IntN(len(rows))][k]; v != nil && r.IntN(3) > 0 {
				return v
			}
			return randomValue(r, c.Type)
		}
		switch p.Op {
		case OpIsNull, OpIsNotNull:
		case OpIn:
			for range r.IntN(5) {
				p.Values = append(p.Values, value())
			}
		case OpPrefix:
			s := value().(string)
			n := r.IntN(len(s) + 1)
			p.Values = []datum.Value{s[:n]}
		default:
			p.Values = []datum.Value{value()}
		}
		return p
	}
}

// passes is the plain meaning of a predicate.
func passes(l *Layout, p Predicate, row []datum.Value) bool {
	k := l.Index(p.Column)
	v, t := row[k], l.Columns[k].Type
	if p.Op == OpIsNull {
		return v == nil
	}
	if v == nil {
		return false
	}
	switch p.Op {
	case OpIsNotNull:
		return true
	case OpIn:
		return slices.ContainsFunc(p.Values, func(x datum.Value) bool { return datum.Compare(t, v, x) == 0 })
	case OpPrefix:
		return strings.HasPrefix(v.(string), p.Values[0].(string))
	}
	c := datum.Compare(t, v, p.Values[0])
	return []bool{c == 0, c != 0, c < 0, c <= 0, c > 0, c >= 0}[p.Op]
}

func TestFilterAndAggregate(t *testing.T) {
	r := newRand(t)
	l := everyType()
	l.SortKey, l.Slice = []schema.ColumnID{1}, 0
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for round := range 12 {
		rows := []int{1, 40, 1024, 3000}[round%4]
		batch := randomBatch(r, mem, l, rows, []int{0, 50, 500}[round%3])
		sorted := must(SortRows(mem, l, []arrow.RecordBatch{batch}))
		sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch))
		all := boxed(l, sorted[0].Batch)
		for range 12 {
			spec := ScanSpec{}
			for range r.IntN(3) {
				spec.Filter = append(spec.Filter, randomPredicate(r, l, all))
			}
			for range r.IntN(4) {
				spec.Columns = append(spec.Columns, l.Columns[r.IntN(len(l.Columns))].ID)
			}
			spec.Coded = someOf(r, spec.Columns)
			for bits := range 16 {
				if bits > 0 && r.IntN(6) > 0 {
					continue
				}
				spec.Pruning = PruningOff{Manifest: bits&1 != 0, Vectors: bits&2 != 0, Encoded: bits&4 != 0, Late: bits&8 != 0}
				checkSplit(t, mem, l, spec, NewSplit(&sealed[0].Entry, l, spec, fetcher(sealed[0])), all)
			}
			spec.Descending = r.IntN(2) == 0
			checkSplit(t, mem, l, spec, NewBatchSplit(sorted[0].Batch, l, spec), all)
			checkSplit(t, mem, l, spec, NewSplit(&sealed[0].Entry, l, spec, fetcher(sealed[0])), all)
		}
		sorted[0].Batch.Release()
		batch.Release()
	}
}

// checkSplit compares a scan and the aggregates of a split with the rows.
func checkSplit(t *testing.T, mem memory.Allocator, l *Layout, spec ScanSpec, s Split, rows [][]datum.Value) {
	t.Helper()
	var want []string
	var kept [][]datum.Value
	for _, row := range rows {
		if slices.ContainsFunc(spec.Filter, func(p Predicate) bool { return !passes(l, p, row) }) {
			continue
		}
		kept = append(kept, row)
		line := ""
		for _, id := range spec.Columns {
			k := l.Index(id)
			line += text(l.Columns[k].Type, row[k]) + " "
		}
		want = append(want, line)
	}
	if spec.Descending {
		slices.Reverse(want)
	}
	var got []string
	var stats ScanStats
	for _, b := range scanAll(t, mem, s, &stats) {
		for i := range int(b.NumRows()) {
			line := ""
			for k, id := range spec.Columns {
				typ := l.Columns[l.Index(id)].Type
				var v datum.Value
				if b.Column(k).IsValid(i) {
					v = datum.ValueAt(typ, b.Column(k), i)
				}
				line += text(typ, v) + " "
			}
			got = append(got, line)
		}
		b.Release()
	}
	if !slices.Equal(got, want) {
		t.Fatalf("spec %+v: got %d rows, want %d\n%v\n%v", spec, len(got), len(want), got[:min(len(got), 5)], want[:min(len(want), 5)])
	}
	if stats.RowsReturned != int64(len(want)) {
		t.Fatalf("spec %+v: %d rows returned by the statistics, %d in truth", spec, stats.RowsReturned, len(want))
	}
	checkAggregates(t, mem, l, spec, s, kept)
}

func checkAggregates(t *testing.T, mem memory.Allocator, l *Layout, spec ScanSpec, s Split, kept [][]datum.Value) {
	t.Helper()
	for k, c := range l.Columns {
		for _, f := range []AggregateFunc{AggCountStar, AggCount, AggSum, AggMin, AggMax} {
			p, ok, err := s.Aggregate(context.Background(), roomFor(mem), []Aggregate{{Func: f, Column: c.ID}}, &ScanStats{})
			if err != nil {
				t.Fatalf("aggregate %d of %v: %v", f, c.Type, err)
			}
			if ok != canFold(f, c.Type) {
				t.Fatalf("aggregate %d of %v: ok is %v", f, c.Type, ok)
			}
			if !ok {
				continue
			}
			var count int64
			sum := 0.0
			var extreme datum.Value
			for _, row := range kept {
				v := row[k]
				if f == AggCountStar {
					count++
				}
				if v == nil || f == AggCountStar {
					continue
				}
				count++
				if x, ok := floatOf(v); ok {
					sum += x
				} else if x, ok := intOf(v); ok {
					sum += float64(x)
				}
				if extreme == nil || f == AggMin && datum.Compare(c.Type, v, extreme) < 0 || f == AggMax && datum.Compare(c.Type, v, extreme) > 0 {
					extreme = v
				}
			}
			if p[0].Count != count {
				t.Fatalf("spec %+v: aggregate %d of %v: count %d, want %d", spec, f, c.Type, p[0].Count, count)
			}
			switch f {
			case AggSum:
				got := p[0].Float
				if orderOf(c.Type) == orderInts {
					x := new(big.Int).Lsh(big.NewInt(p[0].Hi), 64)
					got, _ = x.Add(x, new(big.Int).SetUint64(p[0].Lo)).Float64()
				}
				if !(math.Abs(got-sum) <= 1e-9*math.Abs(sum)+1e5*bias(c.Type)) && !(got != got && sum != sum) && got != sum {
					t.Fatalf("spec %+v: sum of %v: got %v, want %v", spec, c.Type, got, sum)
				}
			case AggMin, AggMax:
				if (p[0].Value == nil) != (extreme == nil) || extreme != nil && datum.Compare(c.Type, p[0].Value, extreme) != 0 {
					t.Fatalf("spec %+v: aggregate %d of %v: got %v, want %v", spec, f, c.Type, p[0].Value, extreme)
				}
			}
		}
	}
}

// bias is how far the float64 sum of the reference may be off for wide integers.
func bias(t datum.Type) float64 {
	if t.OID == datum.Int8 {
		return 1
	}
	return 1e-12
}

func TestMissingAndWidened(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	r := newRand(t)
	old := &Layout{Columns: []Column{{ID: 1, Name: "a", Type: datum.Of(datum.Int2)}, {ID: 2, Name: "b", Type: datum.Of(datum.Float4)},
		{ID: 3, Name: "c", Type: datum.Type{OID: datum.Varchar, Mod: 24}}}, SortKey: []schema.ColumnID{1}}
	batch := randomBatch(r, mem, old, 2000, 100)
	defer batch.Release()
	sorted := must(SortRows(mem, old, []arrow.RecordBatch{batch}))
	defer sorted[0].Batch.Release()
	sealed := must(Seal(old, SealOptions{IDs: NewIDs(nil)}, sorted[0].Batch))
	now := &Layout{Columns: []Column{{ID: 1, Name: "a", Type: datum.Of(datum.Int8)}, {ID: 2, Name: "b", Type: datum.Of(datum.Float8)},
		{ID: 3, Name: "c", Type: datum.Of(datum.Text)}, {ID: 4, Name: "d", Type: datum.Of(datum.Text), Missing: "new"},
		{ID: 5, Name: "e", Type: datum.Of(datum.Float8)}, {ID: 6, Name: "f", Type: datum.Of(datum.Int4), Missing: int32(7)},
		{ID: 7, Name: "g", Type: datum.Of(datum.Int4Array), Missing: datum.Array{Elem: datum.Of(datum.Int4), Values: []datum.Value{int32(1), nil}}}}}
	rows := boxed(old, sorted[0].Batch)
	for i := range rows {
		if x, ok := intOf(rows[i][0]); ok {
			rows[i][0] = x
		}
		if x, ok := floatOf(rows[i][1]); ok {
			rows[i][1] = x
		}
		rows[i] = append(rows[i], "new", nil, int32(7), now.Columns[6].Missing)
	}
	for range 100 {
		spec := ScanSpec{Columns: []schema.ColumnID{1, 2, 3, 4, 5, 6, 7}}
		for range r.IntN(3) {
			spec.Filter = append(spec.Filter, randomPredicate(r, now, rows))
		}
		spec.Pruning = PruningOff{Manifest: r.IntN(2) == 0, Encoded: r.IntN(2) == 0}
		checkSplit(t, mem, now, spec, NewSplit(&sealed[0].Entry, now, spec, fetcher(sealed[0])), rows)
	}
}

func TestCorruptBlobs(t *testing.T) {
	r := newRand(t)
	l := everyType()
	mem := memory.NewGoAllocator()
	batch := randomBatch(r, mem, l, 1500, 100)
	sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil)}, batch))[0]
	for i := range sealed.Blobs {
		for range 20 {
			bad := *sealed
			bad.Blobs = slices.Clone(sealed.Blobs)
			bad.Blobs[i] = slices.Clone(sealed.Blobs[i])
			bad.Blobs[i][r.IntN(len(bad.Blobs[i]))] ^= 1 << r.IntN(8)
			err := Verify(context.Background(), &bad.Entry, fetcher(&bad))
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("column %d: %v", i, err)
			}
			if !strings.Contains(err.Error(), sealed.Entry.ID.String()) {
				t.Fatalf("error does not name the chunk: %v", err)
			}
		}
	}
}

func TestSliceOf(t *testing.T) {
	day := 24 * time.Hour
	us := datum.Micros(day.Microseconds())
	for _, c := range []struct {
		t      datum.Micros
		isNull bool
		want   int64
	}{
		{0, false, 0}, {us - 1, false, 0}, {us, false, 1}, {-1, false, -1}, {-us, false, -1}, {-us - 1, false, -2},
		{datum.InfinityMicros, false, SliceInfinity}, {datum.NegInfinityMicros, false, SliceNegInfinity}, {0, true, SliceNull},
	} {
		if got := SliceOf(day, c.t, c.isNull); got != c.want {
			t.Errorf("SliceOf(%d, %v) = %d, want %d", c.t, c.isNull, got, c.want)
		}
		if r := SliceRange(day, c.want); c.want > SliceNegInfinity && c.want < SliceInfinity && (c.t < r.Min || c.t > r.Max) {
			t.Errorf("SliceRange(%d) = %v does not hold %d", c.want, r, c.t)
		}
	}
	for _, v := range []datum.Micros{datum.InfinityMicros - 1, datum.NegInfinityMicros + 1} {
		s := SliceOf(time.Microsecond, v, false)
		if s == SliceNull || s == SliceNegInfinity || s == SliceInfinity {
			t.Errorf("finite time %d is in slice %d", v, s)
		}
		if r := SliceRange(day, SliceOf(day, v, false)); v < r.Min || v > r.Max {
			t.Errorf("time %d outside of %v", v, r)
		}
	}
}

func TestIDsRise(t *testing.T) {
	now := time.UnixMilli(1700000000000)
	ids := NewIDs(func() time.Time { now = now.Add(-time.Microsecond); return now })
	last := ids.Next()
	for range 10000 {
		id := ids.Next()
		if slices.Compare(last[:], id[:]) >= 0 {
			t.Fatalf("%v after %v", id, last)
		}
		last = id
	}
}

// TestLargeRows has chunks cut by bytes: no chunk but that of a single row holds
// more than maxChunkBytes.
func TestLargeRows(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l := &Layout{Columns: []Column{{ID: 1, Name: "k", Type: datum.Of(datum.Int4)}, {ID: 2, Name: "v", Type: datum.Of(datum.Text)}}, SortKey: []schema.ColumnID{1}}
	b := array.NewRecordBuilder(mem, must(l.Schema([]schema.ColumnID{1, 2})))
	for i := range 40 {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		size := 3 << 20
		if i == 17 {
			size = maxChunkBytes + 10
		}
		b.Field(1).(*array.StringBuilder).Append(strings.Repeat(string(rune('a'+i%3)), size))
	}
	batch := b.NewRecordBatch()
	b.Release()
	defer batch.Release()
	sealed := must(Seal(l, SealOptions{IDs: NewIDs(nil), Mem: mem}, batch))
	row := 0
	for _, s := range sealed {
		size := 0
		for _, out := range scanAll(t, mem, NewSplit(&s.Entry, l, ScanSpec{Columns: []schema.ColumnID{1, 2}}, fetcher(s)), &ScanStats{}) {
			for i := range int(out.NumRows()) {
				v := out.Column(1).(*array.String).Value(i)
				if got := out.Column(0).(*array.Int32).Value(i); got != int32(row) || v[0] != byte('a'+row%3) || strings.Trim(v, v[:1]) != "" {
					t.Fatalf("row %d: got key %d and %d bytes", row, got, len(v))
				}
				size += len(v)
				row++
			}
			out.Release()
		}
		if size > maxChunkBytes && s.Entry.Rows > 1 {
			t.Errorf("chunk of %d rows holds %d bytes", s.Entry.Rows, size)
		}
		if err := Verify(context.Background(), &s.Entry, fetcher(s)); err != nil {
			t.Error(err)
		}
	}
	if row != 40 {
		t.Errorf("%d rows", row)
	}
}
