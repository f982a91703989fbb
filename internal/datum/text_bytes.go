package datum

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// parseBytea is byteain: \x and hexadecimal digits, or the escape format.
func parseBytea(s string) ([]byte, error) {
	if strings.HasPrefix(s, `\x`) {
		return parseHex(s[2:])
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		switch {
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		default:
			return nil, pgerr.New(pgerr.InvalidText, "invalid input syntax for type bytea")
		}
	}
	return out, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

func parseHex(s string) ([]byte, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); i++ {
		if isSpace(s[i]) && s[i] != '\v' && s[i] != '\f' {
			continue
		}
		hi := hexDigit(s[i])
		if hi < 0 {
			return nil, badHex(s[i:])
		}
		i++
		if i >= len(s) {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		lo := hexDigit(s[i])
		if lo < 0 {
			return nil, badHex(s[i:])
		}
		out = append(out, byte(hi<<4|lo))
	}
	return out, nil
}

func badHex(s string) error {
	_, n := utf8.DecodeRuneInString(s)
	return pgerr.New(pgerr.InvalidParameterValue, `invalid hexadecimal digit: "%s"`, s[:n])
}

// appendBytea is byteaout.
func appendBytea(dst, b []byte, escape bool) []byte {
	const digits = "0123456789abcdef"
	if !escape {
		dst = append(dst, '\\', 'x')
		for _, c := range b {
			dst = append(dst, digits[c>>4], digits[c&15])
		}
		return dst
	}
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// parseUUID is uuid_in: 32 hexadecimal digits with a hyphen after any group of
// four, in braces or not.
func parseUUID(s string) (UUIDValue, error) {
	var u UUIDValue
	t := s
	braces := strings.HasPrefix(t, "{")
	if braces {
		t = t[1:]
	}
	for i := range u {
		if len(t) < 2 || hexDigit(t[0]) < 0 || hexDigit(t[1]) < 0 {
			return u, invalidInput("uuid", s)
		}
		u[i] = byte(hexDigit(t[0])<<4 | hexDigit(t[1]))
		t = t[2:]
		if i%2 == 1 && i < 15 && strings.HasPrefix(t, "-") {
			t = t[1:]
		}
	}
	if braces {
		if !strings.HasPrefix(t, "}") {
			return u, invalidInput("uuid", s)
		}
		t = t[1:]
	}
	if t != "" {
		return u, invalidInput("uuid", s)
	}
	return u, nil
}

func appendUUID(dst, u []byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}
