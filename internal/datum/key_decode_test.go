package datum

import (
	"bytes"
	"errors"
	"testing"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

var keyOrders = []KeyOrder{{}, {Desc: true}, {NullsFirst: true}, {Desc: true, NullsFirst: true}}

// opaqueKey says whether keys of the type cannot be read back.
func opaqueKey(t Type) bool {
	if elem, ok := t.Elem(); ok {
		t = elem
	}
	return t.kind() == kJSONB || t.kind() == kRecord
}

func TestDecodeKey(t *testing.T) {
	r := newRand(t)
	for _, typ := range testedTypes {
		for range 500 {
			v := randomValue(r, typ)
			if r.IntN(10) == 0 {
				v = nil
			}
			for _, o := range keyOrders {
				key := AppendValueKey(nil, typ, v, o)
				got, rest, err := DecodeKey(typ, append(bytes.Clone(key), "rest"...), o)
				if opaqueKey(typ) && pgerr.Code(err) == pgerr.FeatureNotSupported {
					continue
				}
				if err != nil || string(rest) != "rest" || (got == nil) != (v == nil) {
					t.Fatalf("%v %+v: key %x of %v reads as %v, rest %x, %v", typ, o, key, v, got, rest, err)
				}
				if v != nil && typ.OID != JSON && Compare(typ, v, got) != 0 {
					t.Fatalf("%v %+v: key %x of %v reads as %v", typ, o, key, v, got)
				}
				if again := AppendValueKey(nil, typ, got, o); !bytes.Equal(again, key) {
					t.Fatalf("%v %+v: key %x of %v reads as %v, whose key is %x", typ, o, key, v, got, again)
				}
			}
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	r := newRand(f)
	for n, typ := range testedTypes {
		for range 3 {
			f.Add(uint8(n), false, AppendValueKey(nil, typ, randomValue(r, typ), KeyOrder{}))
		}
	}
	f.Add(uint8(8), false, []byte{1, keyNumericPositive, 0xff, 0xff, 0xff, 0xff, 2, 0})
	f.Fuzz(func(t *testing.T, n uint8, desc bool, src []byte) {
		typ, o := fuzzType(n), KeyOrder{Desc: desc}
		v, rest, err := DecodeKey(typ, src, o)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && pgerr.Code(err) != pgerr.FeatureNotSupported {
				t.Fatalf("refused by %v", err)
			}
			return
		}
		key := src[:len(src)-len(rest)]
		if typ.kind() == kFloat32 || typ.kind() == kFloat64 || typ.kind() == kPadded || typ.kind() == kArray {
			return // bytes that AppendKey does not write may read as a value: -0.0, trailing blanks
		}
		if again := AppendValueKey(nil, typ, v, o); !bytes.Equal(again, key) {
			t.Fatalf("%v: %x reads as %v, whose key is %x", typ, key, v, again)
		}
	})
}
