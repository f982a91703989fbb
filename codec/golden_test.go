package codec

import (
	"encoding/hex"
	"math"
	"testing"
)

// TestGolden pins the bytes of every encoding: a change here is a new version
// of the format.
func TestGolden(t *testing.T) {
	ints := []int64{1000, 1003, 1006, 1010, 1012, 99999}
	st := measureInts(ints)
	seconds := []int64{5e6, 7e6, 9e6, 4e6}
	st2 := measureInts(seconds)
	runs := []int64{7, 7, 7, 9, 9}
	words := []uint64{0b1011}
	texts := &Strings{}
	for _, s := range []string{"bb", "a", "", "bb", "bb", "a", "bb", "a"} {
		texts.Append([]byte(s))
	}
	floats := []float64{1.5, 2.25, math.Inf(1), -0.75}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"constant", AppendInts(nil, []int64{-3, -3}), "0105"},
		{"FOR", appendFrame(nil, FOR, ints, &st), "0201d00f840e01000500563030a67c"},
		{"delta", appendFrame(nil, Delta, ints, &st), "0301d00f0482100100050054c19404"},
		{"linear", appendFrame(nil, Linear, ints, &st), "040198b3bed509d5c509115335ffcfa96ab26a020080aa26"},
		{"FOR unit", appendFrame(nil, FOR, seconds, &st2), "02c0843d80a4e80300035901"},
		{"RLE", appendIntRLE(nil, runs, 2, 1), "05020005030106010003020e000200"},
		{"dictionary", collectInts(append(runs, 7, 9, 100, 7, 9, 7, 7, 7), intStats{max: 100, unit: 1, runs: 9}).append(nil, append(runs, 7, 9, 100, 7, 9, 7, 7, 7), 1), "06030702010e070041170201000240910400"},
		{"bitmap", AppendBits(nil, words, 4), "080b"},
		{"bits constant", AppendBits(nil, []uint64{3}, 2), "0101"},
		{"toggles", AppendBits(nil, []uint64{0, 0xff0, 0, 0}, 256), "0d020003088801000200"},
		{"float constant", AppendFloats(nil, []float32{1.5, 1.5}), "010000c03f"},
		{"plain floats", appendFloatPlain(nil, []float32{1, -2}), "090000803f000000c0"},
		{"ALP", appendALP(nil, floats, 2, 0, 1), "0702000101000200000000000000f07f044b9501ffff07060238"},
		{"float RLE", appendFloatRLE(nil, []float64{1, 1, 2}, 2, 1), "050200050301040100070000000301020200"},
		{"string constant", AppendBytes(nil, &Strings{Offsets: []int64{0, 2}, Data: []byte("hi")}), "016869"},
		{"plain strings", appendBytesPlain(nil, texts, 1), "09060201000286660b000000000000006262616262626261626261"},
		{"string dictionary", collectStrings(texts).append(nil, texts, 1), "060312090503010002000300000000000000616262020100028666"},
		{"decimal", appendDecimal(nil, []int64{12, -5, 7}, 1), "0c020109051130"},
		{"LZ4", appendBlocks(nil, LZ4, texts, 1), "0a0602010002866601010b0cb06262616262626261626261"},
		{"zstd", appendBlocks(nil, Zstd, texts, 1), "0b0602010002866601010b1428b52ffd00005900006262616262626261626261"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	full := make([]uint64, VectorRows)
	for i := range full {
		full[i] = uint64(i)
	}
	// Lane 0 holds 0, 16, 32 … at 10 bits each.
	b := appendPacked(nil, full, 10)
	if got, want := hex.EncodeToString(b[:16]), "004000020c404001014410420c414411"; len(b) != 1280 || got != want {
		t.Errorf("packed vector: %d bytes, got %s, want %s", len(b), got, want)
	}
}
