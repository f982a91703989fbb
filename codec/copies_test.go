package codec

import (
	"errors"
	"slices"
	"testing"
)

// TestCopiesFarApart wants sequences found that come again after tens of thousands of other
// values, and told in a small part of what the values take.
func TestCopiesFarApart(t *testing.T) {
	r := newRand(t)
	v := make([]int64, 64*VectorRows)
	for i := range v {
		v[i] = r.Int64N(1 << 40)
	}
	for at := len(v) / 2; at < len(v); at += 100 {
		from := r.IntN(len(v)/2 - 100)
		copy(v[at:], v[from:from+100])
	}
	b := AppendInts(nil, v)
	d, err := OpenInts(b, len(v))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Describe(); got.Scheme != Copies || got.FormatVersion() != 4 || len(b) > 6*len(v)*5/8 {
		t.Errorf("%v in %d bytes", got, len(b))
	}
	checkInts(t, "copies", b, v, r)
}

// TestCopiesOfNothing refuses copies that reach before the first value, literals that are
// missing or left, and counts that do not fit.
func TestCopiesOfNothing(t *testing.T) {
	part := func(v ...int64) []byte { return appendPart(nil, AppendInts(nil, v)) }
	node := func(literals []int64, before, length, back int64) []byte {
		b := []byte{byte(Copies), 1, byte(len(literals))}
		return AppendInts(slices.Concat(b, part(before), part(length), part(back)), literals)
	}
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"a copy", node([]int64{4, 5}, 2, 6, 2), true},
		{"a copy between literals", node([]int64{4, 5}, 1, 6, 1), true},
		{"from before the first value", node([]int64{4, 5}, 1, 6, 2), false},
		{"of itself", node([]int64{4, 5}, 1, 6, 0), false},
		{"from behind", node([]int64{4, 5}, 1, 6, -1), false},
		{"too long", node([]int64{4, 5}, 2, 7, 1), false},
		{"too short", node([]int64{4, 5}, 2, 5, 1), false},
		{"of no values", node([]int64{4, 5, 6, 7, 8, 9, 10, 11}, 2, 0, 1), false},
		{"longer than any", node([]int64{4, 5}, 2, 1<<63-1, 1), false},
		{"after more literals than there are", node([]int64{4, 5}, 3, 6, 2), false},
		{"after fewer than none", node([]int64{4, 5}, -1, 6, 1), false},
		{"no copies", append([]byte{byte(Copies), 0, 8, 0, 0, 0}, AppendInts(nil, make([]int64, 8))...), false},
		{"more literals than values", node(make([]int64, 9), 2, 6, 2), false},
	} {
		d, err := OpenInts(c.b, 8)
		if err == nil {
			_, err = d.Vector(0, make([]int64, 8))
		}
		if c.ok && err != nil || !c.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
