package chunk

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestGoldenBlobs pins the bytes of blobs: a change here is a new version of
// the format.
func TestGoldenBlobs(t *testing.T) {
	for _, c := range []struct {
		typ    datum.Type
		values []datum.Value
		want   string
	}{
		{datum.Of(datum.Int4), []datum.Value{int32(1), nil, int32(300)}, "5068010117000000ffffffff03000000010000000002080204ab020280800400008ee3f136"},
		{datum.Of(datum.Float8), []datum.Value{1.5, math.Copysign(0, -1)}, "50680103bd020000ffffffff0200000000000000000009000000000000f83f0000000000000080c738bc9b"},
		{datum.Of(datum.Text), []datum.Value{"NORTH", "SOUTH", nil, "NORTH"}, "5068010519000000ffffffff0400000001000000000208040602160902010a0a000000000000004e4f525448534f5554480201000106765f0bd2"},
		{datum.Of(datum.Bool), []datum.Value{true, false, true, nil}, "5068010410000000ffffffff040000000100000000020808080de53122c8"},
		{datum.Of(datum.Numeric), []datum.Value{must(datum.ParseDecimal("1.50")), must(datum.ParseDecimal("-2.25"))}, "50680106a4060000ffffffff020000000000000000000403f702c103020100c982450e"},
		{datum.Of(datum.Int4Array), []datum.Value{datum.Array{Elem: datum.Of(datum.Int4), Values: []datum.Value{int32(5), nil}}, nil}, "50680107ef030000ffffffff02000000010000000002080206030200020100020101020802010abdf8ac88"},
		{datum.Of(datum.Int4), steps(2100, func(k int) datum.Value { return int32(k) }), "5068020117000000ffffffff34080000000000000601000111023100050200030001000b0204680008895d1f89310003010000011af7111022"},
		{datum.Of(datum.Text), steps(2100, func(k int) datum.Value { return fmt.Sprint("value ", k) }), "5068020519000000ffffffff34080000000000001b010776616c756520300776616c75652031110776616c75652033310006041214010676616c756520010000050301000200050200030001000b0204680008895d1f89310003010000011a544fc182"},
		{datum.Of(datum.Numeric), steps(300, func(k int) datum.Value {
			return must(datum.ParseDecimal(fmt.Sprintf("%d000000000000000000.5", k*k*7919-40)))
		}), "50680208a4060000ffffffff2c01000000000000000002011f0564000201060e0301a1060301aed509d8aa138013020001080057d50c000002f6ff8fbbbad6adf00d0a0080020300000420002ab748befb"},
		{datum.Of(datum.Date), []datum.Value{nil, nil}, "506801013a040000ffffffff020000000200000000007327886d"},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, c.typ.Arrow())
		for _, v := range c.values {
			if v == nil {
				b.AppendNull()
			} else {
				datum.Append(b, c.typ, v)
			}
		}
		blob, _, err := encodeColumn(&Column{ID: 1, Type: c.typ}, b.NewArray(), codec.Thorough)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(blob); got != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.typ, got, c.want)
		}
	}
}

// steps are n values of which 600 neighbours, or 3 of few, are the same.
func steps(n int, value func(k int) datum.Value) []datum.Value {
	out := make([]datum.Value, n)
	for i := range out {
		if n < 600 {
			out[i] = value(i / 3)
		} else {
			out[i] = value(i / 600)
		}
	}
	return out
}

// TestGoldenEntry pins the bytes of a manifest entry.
func TestGoldenEntry(t *testing.T) {
	e := &Entry{ID: ID{1, 2, 15: 9}, Version: 1, Slice: -3, Rows: 100, Schema: 7, Location: Location{Segment: ID{4}, Offset: 4096},
		Time: TimeRange{Min: 10, Max: 500}, TimeNulls: 1, KeyMin: []byte("abc1"), KeyMax: []byte("abd"), VersionMin: 3, VersionMax: 900,
		From: 12, Columns: []ColumnEntry{
			{ID: 1, Type: datum.Of(datum.Int8), Size: 321, Codec: "FOR", Nulls: 2, Min: int64(-5), Max: int64(1 << 40), SumHi: -1, SumLo: 1<<64 - 9, Distinct: 40},
			{ID: 2, Type: datum.Type{OID: datum.Varchar, Mod: 14}, Size: 77, Codec: "FOR", Min: "a", MaxCut: true, Distinct: 3},
			{ID: 3, Type: datum.Of(datum.Float8), Size: 50, Codec: "ALP(FOR)", Min: -1.5, Max: math.NaN(), SumFloat: math.Inf(1)},
		}}
	const want = "0101010200000000000000000000000000090564070004000000000000000000000000000000804014d4070104616263310201640384070c0314011401820503464f5202050905808080808040110028020293081c9a01000a016100031803bd05016408414c5028464f52290008000000000000f8bf08010000000000f87f000000000000f07f00"
	b := AppendEntry(nil, e)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// One with marks is of a version that older programs refuse.
	e.Columns = []ColumnEntry{{ID: schema.RowDeletedColumn, Type: datum.Of(datum.Bool), Size: 30, Codec: "bitmap", Min: false, Max: true}}
	const marked = "0201010200000000000000000000000000090564070004000000000000000000000000000000804014d4070104616263310201640384070c0110feffffff071001"
	b = AppendEntry(nil, e)
	if got := hex.EncodeToString(b); !strings.HasPrefix(got, marked) {
		t.Errorf("\n got %s\nwant %s", got, marked)
	}
	if back, rest, err := DecodeEntry(b); err != nil || len(rest) > 0 || !reflect.DeepEqual(back, e) {
		t.Errorf("read back: %v, %v", back, err)
	}
	// So is one of history.
	e.Replaced, e.Together = 901, []VersionRange{{3, 5}, {9, 300}}
	const history = "0301010200000000000000000000000000090564070004000000000000000000000000000000804014d4070104616263310201640384070c8507020302" + "04a302" + "0110feffffff071001"
	b = AppendEntry(nil, e)
	if got := hex.EncodeToString(b); !strings.HasPrefix(got, history) {
		t.Errorf("\n got %s\nwant %s", got, history)
	}
	if back, rest, err := DecodeEntry(b); err != nil || len(rest) > 0 || !reflect.DeepEqual(back, e) {
		t.Errorf("read back: %v, %v", back, err)
	}
	b[0] = partedEntry + 1
	if _, _, err := DecodeEntry(b); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("of a later version: %v", err)
	}
}
