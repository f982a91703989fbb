package function

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func byteKernels(k kernels) {
	k.add(fn2(func(a, b []byte) ([]byte, error) {
		if len(a)+len(b) > maxText {
			return nil, errTextTooLong
		}
		return append(append(make([]byte, 0, len(a)+len(b)), a...), b...), nil
	}), "byteacat")
	k.add(fn3(func(s []byte, from, count int32) ([]byte, error) {
		if count < 0 {
			return nil, errNegativeSubstring
		}
		return subbytes(s, int64(from), int64(from)+int64(count)), nil
	}), "bytea_substr")
	k.add(fn2(func(s []byte, from int32) ([]byte, error) { return subbytes(s, int64(from), math.MaxInt64), nil }), "bytea_substr_no_len")
	k.add(fn2(func(s, sub []byte) (int32, error) { return int32(bytes.Index(s, sub)) + 1, nil }), "byteapos")
	k.add(fn2(func(s, cut []byte) ([]byte, error) { return trimBytes(s, cut, true, true), nil }), "byteatrim")
	k.add(fn2(func(s, cut []byte) ([]byte, error) { return trimBytes(s, cut, true, false), nil }), "bytealtrim")
	k.add(fn2(func(s, cut []byte) ([]byte, error) { return trimBytes(s, cut, false, true), nil }), "byteartrim")
	k.add(fn4(overlayBytes), "byteaoverlay")
	k.add(fn3(func(s, with []byte, from int32) ([]byte, error) {
		return overlayBytes(s, with, from, int32(len(with)))
	}), "byteaoverlay_no_len")
	k.add(fn1(func(s []byte) (int64, error) {
		n := 0
		for _, b := range s {
			n += bits.OnesCount8(b)
		}
		return int64(n), nil
	}), "bytea_bit_count")
	byteAccess(k)
	digests(k)
	encodings(k)
}

func trimBytes(s, cut []byte, left, right bool) []byte {
	for left && len(s) > 0 && bytes.IndexByte(cut, s[0]) >= 0 {
		s = s[1:]
	}
	for right && len(s) > 0 && bytes.IndexByte(cut, s[len(s)-1]) >= 0 {
		s = s[:len(s)-1]
	}
	return s
}

func subbytes(s []byte, from, to int64) []byte {
	from, to = max(from, 1), min(to, int64(len(s))+1)
	if to <= from {
		return nil
	}
	return s[from-1 : to-1]
}

func overlayBytes(s, with []byte, from, count int32) ([]byte, error) {
	if from <= 0 {
		return nil, errNegativeSubstring
	}
	end, err := addInt(from, count)
	if err != nil {
		return nil, err
	}
	r := append([]byte(nil), subbytes(s, 1, int64(from))...)
	r = append(r, with...)
	return append(r, subbytes(s, int64(end), math.MaxInt64)...), nil
}

func byteAccess(k kernels) {
	outside := func(i int64, n int64) error {
		return pgerr.New(pgerr.ArraySubscript, "index %d out of valid range, 0..%d", i, n-1)
	}
	k.add(fn2(func(s []byte, i int32) (int32, error) {
		if i < 0 || int(i) >= len(s) {
			return 0, outside(int64(i), int64(len(s)))
		}
		return int32(s[i]), nil
	}), "byteaGetByte")
	k.add(fn2(func(s []byte, i int64) (int32, error) {
		if i < 0 || i >= int64(len(s))*8 {
			return 0, outside(i, int64(len(s))*8)
		}
		return int32(s[i/8] >> (i % 8) & 1), nil
	}), "byteaGetBit")
	k.add(fn3(func(s []byte, i, v int32) ([]byte, error) {
		if i < 0 || int(i) >= len(s) {
			return nil, outside(int64(i), int64(len(s)))
		}
		r := bytes.Clone(s)
		r[i] = byte(v)
		return r, nil
	}), "byteaSetByte")
	k.add(fn3(func(s []byte, i int64, v int32) ([]byte, error) {
		if i < 0 || i >= int64(len(s))*8 {
			return nil, outside(i, int64(len(s))*8)
		}
		if v != 0 && v != 1 {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "new bit must be 0 or 1")
		}
		r := bytes.Clone(s)
		r[i/8] = r[i/8]&^(1<<(i%8)) | byte(v)<<(i%8)
		return r, nil
	}), "byteaSetBit")
}

func digests(k kernels) {
	k.add(fn1(func(s string) (string, error) { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]), nil }), "md5_text")
	k.add(fn1(func(s []byte) (string, error) { h := md5.Sum(s); return hex.EncodeToString(h[:]), nil }), "md5_bytea")
	k.add(fn1(func(s []byte) ([]byte, error) { h := sha256.Sum224(s); return h[:], nil }), "sha224_bytea")
	k.add(fn1(func(s []byte) ([]byte, error) { h := sha256.Sum256(s); return h[:], nil }), "sha256_bytea")
	k.add(fn1(func(s []byte) ([]byte, error) { h := sha512.Sum384(s); return h[:], nil }), "sha384_bytea")
	k.add(fn1(func(s []byte) ([]byte, error) { h := sha512.Sum512(s); return h[:], nil }), "sha512_bytea")
	k.add(fn1(func(n int32) (string, error) { return strconv.FormatUint(uint64(uint32(n)), 16), nil }), "to_hex32")
	k.add(fn1(func(n int64) (string, error) { return strconv.FormatUint(uint64(n), 16), nil }), "to_hex64")
}

func encodings(k kernels) {
	k.add(fn2(encodeBytes), "binary_encode")
	k.add(fn2(decodeBytes), "binary_decode")
	k.add(fn2(convertFrom), "pg_convert_from")
	k.add(fn2(convertTo), "pg_convert_to")
	k.add(fn3(func(s []byte, from, to string) ([]byte, error) {
		text, err := convertFrom(s, from)
		if err != nil {
			return nil, err
		}
		return convertTo(text, to)
	}), "pg_convert")
	k.add(fn2(func(s []byte, name string) (int32, error) {
		text, err := convertFrom(s, name)
		return int32(utf8.RuneCountInString(text)), err
	}), "length_in_encoding")
	k.add(withForm(fn2(func(s, form string) (string, error) {
		f, err := normalForm(form)
		return f.String(s), err
	})), "unicode_normalize_func")
	k.add(withForm(fn2(func(s, form string) (bool, error) {
		f, err := normalForm(form)
		return f.IsNormalString(s), err
	})), "unicode_is_normalized")
}

// withForm completes calls that leave the normal form out: it is NFC.
func withForm(f evalFunc) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if len(args) > 1 {
			return f(c, args, n, ret)
		}
		form := Vec{Array: datum.NewArray(c.Mem, datum.Of(datum.Text), "NFC", 1), Const: true, T: datum.Of(datum.Text)}
		defer form.Release()
		return f(c, []Vec{args[0], form}, n, ret)
	}
}

func normalForm(name string) (norm.Form, error) {
	switch strings.ToUpper(name) {
	case "NFC":
		return norm.NFC, nil
	case "NFD":
		return norm.NFD, nil
	case "NFKC":
		return norm.NFKC, nil
	case "NFKD":
		return norm.NFKD, nil
	}
	return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid normalization form: %s", name)
}

func unknownEncoding(name string) error {
	return pgerr.New(pgerr.InvalidParameterValue, "unrecognized encoding: %q", name)
}

func encodeBytes(s []byte, name string) (string, error) {
	switch strings.ToLower(name) {
	case "hex":
		return hex.EncodeToString(s), nil
	case "base64":
		text := base64.StdEncoding.EncodeToString(s)
		var b strings.Builder
		for len(text) > 76 {
			b.WriteString(text[:76] + "\n")
			text = text[76:]
		}
		b.WriteString(text)
		return b.String(), nil
	case "escape":
		var b strings.Builder
		for _, c := range s {
			switch {
			case c == 0 || c >= utf8.RuneSelf:
				b.WriteByte('\\')
				b.WriteByte('0' + c>>6)
				b.WriteByte('0' + c>>3&7)
				b.WriteByte('0' + c&7)
			case c == '\\':
				b.WriteString(`\\`)
			default:
				b.WriteByte(c)
			}
		}
		return b.String(), nil
	}
	return "", unknownEncoding(name)
}

func decodeBytes(s, name string) ([]byte, error) {
	switch strings.ToLower(name) {
	case "hex":
		return decodeHex(s)
	case "base64":
		return decodeBase64(s)
	case "escape":
		return decodeEscape(s)
	}
	return nil, unknownEncoding(name)
}

func isBlank(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' }

func decodeHex(s string) ([]byte, error) {
	var out []byte
	for s = strings.TrimLeftFunc(s, isBlank); s != ""; s = strings.TrimLeftFunc(s, isBlank) {
		hi, err := decodeHexDigit(s)
		if err != nil {
			return nil, err
		}
		if s = s[1:]; s == "" {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		lo, err := decodeHexDigit(s)
		if err != nil {
			return nil, err
		}
		out, s = append(out, hi<<4|lo), s[1:]
	}
	return out, nil
}

func decodeHexDigit(s string) (byte, error) {
	d, ok := hexDigit(s[0])
	if !ok {
		r, _ := utf8.DecodeRuneInString(s)
		return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid hexadecimal digit: \"%c\"", r)
	}
	return d, nil
}

func decodeBase64(s string) ([]byte, error) {
	var out []byte
	var buf uint32
	pos, end := 0, 0
	for i, r := range s {
		if isBlank(r) {
			continue
		}
		var v uint32
		switch c := strings.IndexRune(base64Digits, r); {
		case r == '=':
			if end == 0 {
				switch pos {
				case 2:
					end = 1
				case 3:
					end = 2
				default:
					return nil, pgerr.New(pgerr.InvalidParameterValue, "unexpected \"=\" while decoding base64 sequence")
				}
			}
		case c < 0:
			return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid symbol \"%c\" found while decoding base64 sequence", []rune(s[i:])[0])
		default:
			v = uint32(c)
		}
		buf = buf<<6 | v
		if pos++; pos == 4 {
			out = append(out, byte(buf>>16))
			if end == 0 || end > 1 {
				out = append(out, byte(buf>>8))
			}
			if end == 0 || end > 2 {
				out = append(out, byte(buf))
			}
			buf, pos = 0, 0
		}
	}
	if pos != 0 {
		return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid base64 end sequence").
			WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
	}
	return out, nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func decodeEscape(s string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(s); {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
			i++
		case strings.HasPrefix(s[i+1:], `\`):
			out = append(out, '\\')
			i += 2
		case len(s) >= i+4 && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 4
		default:
			return nil, pgerr.New(pgerr.InvalidText, "invalid input syntax for type %s", "bytea")
		}
	}
	return out, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// charsets are the single-byte encodings, by PostgreSQL's names without
// punctuation.
var charsets = map[string]*charmap.Charmap{
	"LATIN1": charmap.ISO8859_1, "ISO88591": charmap.ISO8859_1,
	"LATIN2": charmap.ISO8859_2, "ISO88592": charmap.ISO8859_2,
	"LATIN9": charmap.ISO8859_15, "ISO885915": charmap.ISO8859_15,
	"WIN1250": charmap.Windows1250, "WIN1251": charmap.Windows1251, "WIN1252": charmap.Windows1252,
	"KOI8R": charmap.KOI8R,
}

// charsetNamed returns nil for UTF-8 and for bytes that stay as they are.
func charsetNamed(name string) (cs *charmap.Charmap, ascii bool, err error) {
	n := strings.ToUpper(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
	switch n {
	case "UTF8", "UNICODE":
		return nil, false, nil
	case "SQLASCII":
		return nil, true, nil
	}
	if cs, ok := charsets[n]; ok {
		return cs, false, nil
	}
	return nil, false, pgerr.New(pgerr.InvalidParameterValue, "invalid encoding name %q", name)
}

func convertFrom(s []byte, name string) (string, error) {
	cs, _, err := charsetNamed(name)
	if err != nil {
		e := err.(*pgerr.Error)
		e.Message = strings.Replace(e.Message, "invalid encoding", "invalid source encoding", 1)
		return "", e
	}
	if cs != nil {
		out, err := cs.NewDecoder().Bytes(s)
		if err != nil {
			return "", err
		}
		s = out
	}
	if i := invalidUTF8(s); i >= 0 {
		return "", badSequence(s[i:])
	}
	return string(s), nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8 text, or -1; a
// zero byte is no text.
func invalidUTF8(s []byte) int {
	for i := 0; i < len(s); {
		if s[i] == 0 {
			return i
		}
		r, size := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// badSequence names the bytes of the sequence that s begins with, as many as its
// first byte announces.
func badSequence(s []byte) error {
	n := 1
	switch {
	case s[0] >= 0xF0 && s[0] < 0xF8:
		n = 4
	case s[0] >= 0xE0 && s[0] < 0xF0:
		n = 3
	case s[0] >= 0xC0 && s[0] < 0xE0:
		n = 2
	}
	var b strings.Builder
	for i, c := range s[:min(n, len(s))] {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("0x" + hex.EncodeToString([]byte{c}))
	}
	return pgerr.New(pgerr.CharacterNotInRepertoire, "invalid byte sequence for encoding %q: %s", "UTF8", b.String())
}

func convertTo(s, name string) ([]byte, error) {
	cs, _, err := charsetNamed(name)
	if err != nil {
		e := err.(*pgerr.Error)
		e.Message = strings.Replace(e.Message, "invalid encoding", "invalid destination encoding", 1)
		return nil, e
	}
	if cs == nil {
		return []byte(s), nil
	}
	out := make([]byte, 0, len(s))
	for i, r := range s {
		b, ok := cs.EncodeRune(r)
		if !ok || b == encoding.ASCIISub && r != encoding.ASCIISub {
			seq := []byte(s[i : i+utf8.RuneLen(r)])
			var hexes []string
			for _, c := range seq {
				hexes = append(hexes, "0x"+hex.EncodeToString([]byte{c}))
			}
			return nil, pgerr.New(pgerr.UntranslatableCharacter, "character with byte sequence %s in encoding %q has no equivalent in encoding %q",
				strings.Join(hexes, " "), "UTF8", strings.ToUpper(name))
		}
		out = append(out, b)
	}
	return out, nil
}
