package chunk

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// TestReadsVersion1 reads blobs as version 1 wrote them.
func TestReadsVersion1(t *testing.T) {
	for _, c := range []struct {
		typ    datum.Type
		values []datum.Value
		blob   string
	}{
		{datum.Of(datum.Int4), []datum.Value{int32(1), nil, int32(300)}, "5068010117000000ffffffff03000000010000000002080204ab020280800400008ee3f136"},
		{datum.Of(datum.Float8), []datum.Value{1.5, math.Copysign(0, -1)}, "50680103bd020000ffffffff0200000000000000000009000000000000f83f0000000000000080c738bc9b"},
		{datum.Of(datum.Text), []datum.Value{"NORTH", "SOUTH", nil, "NORTH"}, "5068010519000000ffffffff0400000001000000000208040602160902010a0a000000000000004e4f525448534f5554480201000106765f0bd2"},
		{datum.Of(datum.Bool), []datum.Value{true, false, true, nil}, "5068010410000000ffffffff040000000100000000020808080de53122c8"},
		{datum.Of(datum.Numeric), []datum.Value{must(datum.ParseDecimal("1.50")), must(datum.ParseDecimal("-2.25"))}, "50680106a4060000ffffffff020000000000000000000403f702c103020100c982450e"},
		{datum.Of(datum.Int4Array), []datum.Value{datum.Array{Elem: datum.Of(datum.Int4), Values: []datum.Value{int32(5), nil}}, nil}, "50680107ef030000ffffffff02000000010000000002080206030200020100020101020802010abdf8ac88"},
		{datum.Of(datum.Date), []datum.Value{nil, nil}, "506801013a040000ffffffff020000000200000000007327886d"},
		{datum.Of(datum.Int4), steps(2100, func(k int) datum.Value { return int32(k) }), "5068010117000000ffffffff34080000000000000901000101020201060000050200030001000b0204680008895d1f89310003010000011ae902e469"},
		{datum.Of(datum.Float4), steps(2100, func(k int) datum.Value { return float32(k) }), "50680102bc020000ffffffff34080000000000001b01000000000000803f010000803f0000404001000040400000404000050200030001000b0204680008895d1f8931000700000003010000011a111cf19c"},
		{datum.Of(datum.Text), steps(2100, func(k int) datum.Value { return fmt.Sprint("value ", k) }), "5068010519000000ffffffff340800000000000033010776616c756520300776616c75652031010776616c756520310776616c75652033010776616c756520330776616c75652033000604280902010e1c0000000000000076616c7565203076616c7565203176616c7565203276616c75652033050200030001000b0204680008895d1f89310003010000011a73124d3e"},
	} {
		blob, err := hex.DecodeString(c.blob)
		if err != nil {
			t.Fatal(err)
		}
		col, err := openBlob(blob, c.typ)
		if err != nil {
			t.Errorf("%v: %v", c.typ, err)
			continue
		}
		row := 0
		for v := range codec.Vectors(col.rows) {
			a, err := col.array(memory.DefaultAllocator, c.typ, v)
			if err != nil {
				t.Fatalf("%v: %v", c.typ, err)
			}
			for i := range a.Len() {
				var got datum.Value
				if !a.IsNull(i) {
					got = datum.ValueAt(c.typ, a, i)
				}
				if got, want := fmt.Sprint(got), fmt.Sprint(c.values[row]); got != want {
					t.Errorf("%v: row %d: got %v, want %v", c.typ, row, got, want)
				}
				row++
			}
			a.Release()
			if col.index != nil && (!col.index[v].any || col.index[v].unknown) {
				t.Errorf("%v: vector %d has no bounds", c.typ, v)
			}
		}
		if row != len(c.values) {
			t.Errorf("%v: %d rows of %d", c.typ, row, len(c.values))
		}
	}
}

// TestNewerBlob refuses what this program does not know, and tells it from damage.
func TestNewerBlob(t *testing.T) {
	blob := append([]byte{'P', 'h', BlobVersion + 1}, make([]byte, 40)...)
	if err := checkHeader(blob); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged blob of a later version: %v", err)
	}
	blob = binary.LittleEndian.AppendUint32(blob, crc32.Checksum(blob, castagnoli))
	if err := checkHeader(blob); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("a blob of a later version: %v", err)
	}
}
