package function

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// maxText is the most bytes of one value. PostgreSQL's limit is 1 GB less its header; a
// value is here several times in memory: as it is made, in its array, on its way to the client.
const maxText = 128 << 20

var errTextTooLong = pgerr.New(pgerr.ProgramLimitExceeded, "requested length too large")

// textLength counts characters: those of text in ASCII without looking at each value.
func textLength(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	v := args[0]
	if anyNull(args[:1]) {
		return allNull(c.Mem, ret, n), nil
	}
	out := newOut[int32](c.Mem, args[:1], n)
	if out.mask.all() || n == 0 {
		return out.array(ret), nil
	}
	a := v.Array.(*array.String)
	offsets, plain := a.ValueOffsets(), isASCII(a.ValueBytes())
	for i := range out.v {
		j := v.At(i)
		if plain {
			out.v[i] = offsets[j+1] - offsets[j]
		} else {
			out.v[i] = int32(utf8.RuneCountInString(a.Value(j)))
		}
	}
	return out.array(ret), nil
}

// isASCII says whether no byte has its highest bit set.
func isASCII(b []byte) bool {
	var all uint64
	for ; len(b) >= 8; b = b[8:] {
		all |= binary.LittleEndian.Uint64(b)
	}
	for _, x := range b {
		all |= uint64(x)
	}
	return all&0x8080808080808080 == 0
}

func textBasics(k kernels) {
	k.add(fn2(func(a, b string) (string, error) {
		if len(a)+len(b) > maxText {
			return "", errTextTooLong
		}
		return a + b, nil
	}), "textcat")
	k.add(fn1(func(s string) (string, error) { return strings.ToLower(s), nil }), "lower")
	k.add(fn1(func(s string) (string, error) { return strings.ToUpper(s), nil }), "upper")
	k.add(textLength, "textlen")
	k.add(fn1(func(s string) (int32, error) {
		return int32(utf8.RuneCountInString(strings.TrimRight(s, " "))), nil
	}), "bpcharlen")
	k.add(fn1(func(s string) (int32, error) { return int32(len(s)), nil }), "textoctetlen", "bpcharoctetlen")
	k.add(fn1(func(s string) (int32, error) { return int32(len(s)) * 8, nil }), "oid1811")
	k.add(fn1(func(s []byte) (int32, error) { return int32(len(s)) * 8, nil }), "oid1810")
	k.add(fn1(func(s []byte) (int32, error) { return int32(len(s)), nil }), "byteaoctetlen")
	k.add(fn3(func(s string, from, count int32) (string, error) {
		if count < 0 {
			return "", errNegativeSubstring
		}
		return substring(s, int64(from), int64(from)+int64(count)), nil
	}), "text_substr")
	k.add(fn2(func(s string, from int32) (string, error) {
		return substring(s, int64(from), math.MaxInt64), nil
	}), "text_substr_no_len")
	k.add(fn2(func(s string, n int32) (string, error) {
		if n < 0 {
			n = max(0, int32(utf8.RuneCountInString(s))+max(n, -math.MaxInt32))
		}
		return substring(s, 1, int64(n)+1), nil
	}), "text_left")
	k.add(fn2(func(s string, n int32) (string, error) {
		if n == math.MinInt32 {
			return s, nil // its negation overflows, in PostgreSQL too
		}
		skip := int64(utf8.RuneCountInString(s)) - int64(n)
		if n < 0 {
			skip = -int64(n)
		}
		return substring(s, max(skip, 0)+1, math.MaxInt64), nil
	}), "text_right")
	k.add(fn3(func(s, from, to string) (string, error) { return replaceText(s, from, to) }), "replace_text")
	k.add(fn2(func(s, prefix string) (bool, error) { return strings.HasPrefix(s, prefix), nil }), "text_starts_with")
	k.add(fn2(func(s, sub string) (int32, error) { return textPosition(s, sub), nil }), "textpos")
}

var errNegativeSubstring = pgerr.New(pgerr.SubstringError, "negative substring length not allowed")

// substring returns the characters numbered from (from 1) to before to; both may
// lie outside of the string.
func substring(s string, from, to int64) string {
	if to <= from || to <= 1 {
		return ""
	}
	from = max(from, 1)
	if from > int64(len(s)) {
		return ""
	}
	start := runeOffset(s, from-1)
	rest := s[start:]
	if to-from >= int64(len(rest)) {
		return rest
	}
	return rest[:runeOffset(rest, to-from)]
}

// runeOffset is the byte offset of the character with 0-based number n, at most len(s).
func runeOffset(s string, n int64) int {
	off := 0
	for ; n > 0 && off < len(s); n-- {
		if s[off] < utf8.RuneSelf {
			off++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[off:])
		off += size
	}
	return off
}

// textPosition is the 1-based character position of sub, 0 if absent.
func textPosition(s, sub string) int32 {
	i := strings.Index(s, sub)
	if i < 0 {
		return 0
	}
	return int32(utf8.RuneCountInString(s[:i])) + 1
}

func replaceText(s, from, to string) (string, error) {
	if from == "" {
		return s, nil
	}
	if extra := len(to) - len(from); extra > 0 {
		if len(s)+strings.Count(s, from)*extra > maxText {
			return "", errTextTooLong
		}
	}
	return strings.ReplaceAll(s, from, to), nil
}
