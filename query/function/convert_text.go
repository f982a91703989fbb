package function

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// nameBytes is the most bytes of a value of type name.
const nameBytes = 63

func textConversions(k kernels) {
	same := fn1(func(s string) (string, error) { return s, nil })
	k.add(same, "name_text", "char_text")
	k.add(same, "name_bpchar", "char_bpchar")
	k.add(fn1(func(s string) (string, error) { return cutName(s), nil }), "text_name")
	k.add(fn1(func(s string) (string, error) { return cutName(strings.TrimRight(s, " ")), nil }), "bpchar_name")
	k.add(fn1(func(s string) (string, error) { return firstByte(s), nil }), "text_char")
	k.add(fn1(func(s string) (int32, error) {
		if s == "" {
			return 0, nil
		}
		return int32(int8(s[0])), nil
	}), "chartoi4")
	k.add(fn1(func(n int32) (string, error) {
		if n < -128 || n > 127 {
			return "", pgerr.New(pgerr.NumericOutOfRange, `"char" out of range`)
		}
		if n == 0 {
			return "", nil
		}
		if n < 0 {
			return "", pgerr.Unsupported(`"char" values beyond ASCII are not supported`)
		}
		return string(rune(n)), nil
	}), "i4tochar")
	fit := func(oid datum.OID) evalFunc {
		return fn3(func(s string, mod int32, explicit bool) (string, error) {
			v, err := datum.Coerce(datum.Type{OID: oid, Mod: mod}, s, explicit)
			if err != nil {
				return "", err
			}
			return v.(string), nil
		})
	}
	k.add(fit(datum.Varchar), "varchar")
	k.add(fit(datum.BPChar), "bpchar")
}

// cutName cuts a text to what a name holds, between characters.
func cutName(s string) string {
	if len(s) <= nameBytes {
		return s
	}
	n := nameBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// firstByte is a "char" of a text; a character beyond ASCII has no one byte
// that is text, and gives the empty "char".
func firstByte(s string) string {
	if c, ok := datum.CharOctal(s); ok {
		return c
	}
	if s == "" || s[0] >= utf8.RuneSelf {
		return ""
	}
	return s[:1]
}
