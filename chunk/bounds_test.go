package chunk

import (
	"reflect"
	"testing"
)

// TestStringIndex writes bounds of strings that share what they can, and reads them.
func TestStringIndex(t *testing.T) {
	b := func(lo, hi string, cut ...bool) bounds {
		x := bounds{any: true, minB: []byte(lo), maxB: []byte(hi)}
		if len(cut) == 2 {
			x.minCut, x.maxCut = cut[0], cut[1]
		}
		if hi == "none" {
			x.maxB = nil
		}
		return x
	}
	for _, c := range []struct {
		name    string
		index   []bounds
		size    int
		version byte
	}{
		{"sorted", []bounds{b("a", "c"), b("c", "e"), b("e", "e"), b("f", "f")}, 5 + 3 + 1 + 3, 2},
		{"same", []bounds{b("a", "c"), b("a", "c"), {}, b("a", "c")}, 5 + 1 + 1 + 5, 2},
		{"empty", []bounds{b("", ""), b("", ""), b("", "x")}, 2 + 1 + 3, 2},
		{"cut", []bounds{b("a", "c", true, true), b("a", "c", true, true), b("c", "c", false, true), b("d", "d", true, true), b("d", "d")}, 5 + 1 + 1 + 3 + 1, 2},
		{"unbounded", []bounds{b("a", "none", false, true), b("a", "none", false, true), b("b", "none", true, true)}, 3 + 3 + 3, 1},
		{"nothing", []bounds{{}, b("a", "b"), b("c", "d")}, 1 + 5 + 5, 1},
	} {
		src, version := appendIndex(nil, orderBytes, formBytes, c.index)
		got, ok := decodeIndex(src, orderBytes, formBytes, len(c.index))
		if !ok || len(src) != c.size || version != c.version {
			t.Errorf("%s: %v, %x is %d bytes of version %d, want %d of %d", c.name, ok, src, len(src), version, c.size, c.version)
		}
		for i := range got {
			if want := c.index[i]; !reflect.DeepEqual(got[i], want) {
				t.Errorf("%s: vector %d: got %+v, want %+v", c.name, i, got[i], want)
			}
		}
	}
	for _, bad := range []string{"\x11\x01a", "\x41\x01a", "\x81\x01a", "\x09\x00\x11\x01a", "\x0d\x01a\x41\x01a", "\x01\x01a\x01b\x51\x01a", "\x01\x01a\x01b\x29\x01a"} {
		if got, ok := decodeIndex([]byte(bad), orderBytes, formBytes, 2); ok {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}
