package codec

import (
	"encoding/hex"
	"math"
	"math/bits"
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
	dict := []int64{7, 7, 7, 9, 9, 7, 9, 100, 7, 9, 7, 7, 7}
	words := []uint64{0b1011}
	texts := &Strings{}
	for _, s := range []string{"bb", "a", "", "bb", "bb", "a", "bb", "a"} {
		texts.Append([]byte(s))
	}
	lines := &Strings{}
	for _, s := range []string{"a 1.5 2024-01-31 007", "b -2 2024-02-29 008", "?", "c 10.25 1969-12-31 009"} {
		lines.Append([]byte(s))
	}
	line := &template{fields: []field{{kind: fieldText}, {before: []byte(" "), kind: fieldDecimal, scale: 2},
		{before: []byte(" "), kind: fieldTime, layout: []byte("Y-m-d")}, {before: []byte(" 0"), kind: fieldPadded, width: 2}}}
	fixed := &Strings{}
	fixed.Append([]byte("\x01\x02\xff\xfe\x05"))
	word := &template{after: []byte("\x05"), fields: []field{{kind: fieldBig, width: 2}, {kind: fieldLittle, width: 2}}}
	sorted := &Strings{}
	for _, s := range []string{"a", "abc", "abd", "b"} {
		sorted.Append([]byte(s))
	}
	shared, _ := sharedPrefixes(sorted)
	floats := []float64{1.5, 2.25, math.Inf(1), -0.75}
	most, mostly := make([]int64, 70), make([]float64, 70)
	most[3], most[69], mostly[5] = 1, 2, 0.5
	for i := range most {
		if most[i] == 0 {
			most[i] = 7
		}
	}
	skewed := make([]int64, 1030)
	for i := range skewed {
		skewed[i] = int64(bits.TrailingZeros(uint(i)|64)) * 10
		if i%100 == 99 {
			skewed[i] = int64(i) * 1000
		}
	}
	st3, st4 := measureInts(skewed), measureInts(runs)
	classes := planClasses(skewed, &st3, 0)
	repeated := make([]uint64, 32)
	for i := range repeated {
		repeated[i] = 0x5555555555555555
	}
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
		{"dictionary", appendIntDict(nil, collectInts(dict, intStats{max: 100, unit: 1, runs: 9}), dict, 1), "06030702010e070041170201000240910400"},
		{"bitmap", AppendBits(nil, words, 4), "080b"},
		{"bits constant", AppendBits(nil, []uint64{3}, 2), "0101"},
		{"toggles", AppendBits(nil, []uint64{0, 0xff0, 0, 0}, 256), "0d020003088801000200"},
		{"float constant", AppendFloats(nil, []float32{1.5, 1.5}), "010000c03f"},
		{"plain floats", appendFloatPlain(nil, []float32{1, -2}), "090000803f000000c0"},
		{"ALP", appendALP(nil, floats, 2, 0, 1), "0702000101000200000000000000f07f044b9501ffff07060238"},
		{"float RLE", appendFloatRLE(nil, []float64{1, 1, 2}, 2, 1), "050200050301040100070000000301020200"},
		{"string constant", AppendBytes(nil, &Strings{Offsets: []int64{0, 2}, Data: []byte("hi")}), "016869"},
		{"plain strings", appendBytesPlain(nil, texts, 1), "09060201000286660b000000000000006262616262626261626261"},
		{"string dictionary", must(collectStrings(texts).encode(1, Thorough)), "060312090503010002000300000000000000616262020100028666"},
		{"decimal", planInts([]int64{12, -5, 7}, 2).append([]byte{byte(Decimal)}), "0c020109051130"},
		{"differences", appendDifferences(nil, planInts([]int64{5}, 2), planInts([]int64{3, 3, 3, 4}, 2)), "0e02010a0201060108"},
		{"sparse", appendIntSparse(most, 7), "100e020006033e060002000301020200"},
		{"sparse floats", forcedFloats(mostly)["sparse"], "100000000000000000010002010a01000000000000e03f"},
		{"entropy", appendEntropy(nil, classes, &st3)[:110], "110a00080000010100c0d226cea9190f100587876541122b010500f9003d003d003c009bcd6663b3d96c6c369b8dcd26a0d9b0d96c36369bcdc666b3d9d86c361b369bcdc666b301686c369b8dcd66b361b3d96c6c369b8dcd66b3b1d96c36049bcd26d0d86c361b9bcd6663b3d9"},
		{"wavelet", newWavePlan(classes).append(nil, &st3)[:60], "180a00080000010100c0d226cea9190f102143857806210102005555555555555555555555555d5555555555555555555555d5555555555555555555"},
		{"ints in zstd", appendIntZstd(runs, &st4), "0b01020e400e28b52ffd00002900000000000101"},
		{"marks", AppendIntMarks(nil, -3), "1a05"},
		{"float marks", AppendFloatMarks(nil, float32(1.5)), "1a0000c03f"},
		{"copies", appendIntCopies([]int64{7, 9, 11, 20, 7, 9, 11, 20, 20, 20, 20, 1}, minCopy), "19020506030400020100050301080100060303020201000201020506a90900"},
		{"ranked", newRanked([]int64{300, 300, 7, 300}, &intStats{min: 7, max: 300}).append(nil), "1701050201d8040001000402010e00400d28b52ffd000021000001010001"},
		{"floats in zstd", newFloatBlocks(floats, false).append(nil), "0b00102428b52ffd0000dd0000040100f83f000240f07f000000000000e8bf03002b33540e691d1b"},
		{"planes in zstd", newFloatBlocks(floats, true).append(nil), "0b01101928b52ffd00008500004800f802f0e83f407fbf015401021404"},
		{"ALP-RD", newRealDoubles(floats, 52, 1).append(nil), "0f340b0301fe0f020a0000e0bfff0280808080808080010000030c08"},
		{"ALP-ulp", newALPUlp([]float64{1.1, 2.2, 3.3000000000000003}, 2, 1, 1).append(nil), "12020106030b160002000100"},
		{"packed bits", AppendBits(nil, repeated, 64*len(repeated)), "1301aa01"},
		{"template", must(line.encode(lines, line.split(lines, 1), 1)), "14040000012003020001200405592d6d2d64022030020200010100020002013f10090201020400000000000000616262630902af018f030003020e170480a305ffc50ad3aac59b03d4b4020e008075f63803000502010e0294"},
		{"template of words", must(word.encode(fixed, word.split(fixed, 0), 1)), "14020008020009020105000301840403018104"},
		{"FSST", appendFSST(nil, texts, 1), "15020201626261090502010001fb070000000000000000010000010001"},
		{"front", must(encodeFront(sorted, shared, 1)), "160502010002240905020102010205000000000000006162636462"},
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
