package datum

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Parse is the type's input function; errors are *pgerr.Error as PostgreSQL's.
// The modifier is applied (varchar(3) refuses 'abcd', numeric(5,2) rounds).
// Names (of tables in regclass and so on) are the caller's business: here the
// reg types take numbers only.
func Parse(t Type, s string, env *Env) (Value, error) {
	if err := CheckText(s); err != nil {
		return nil, err
	}
	v, err := parse(t, s, env.orDefault(), 0)
	if err != nil || t.Mod < 0 || t.kind() == kArray {
		return v, err
	}
	return Coerce(t, v, false)
}

func parse(t Type, s string, env *Env, depth int) (Value, error) {
	switch t.kind() {
	case kBool:
		return box(parseBool(s))
	case kInt16:
		v, err := parseInt(s, 16, "smallint")
		return box(int16(v), err)
	case kInt32:
		v, err := parseInt(s, 32, "integer")
		return box(int32(v), err)
	case kInt64:
		return box(parseInt(s, 64, "bigint"))
	case kLabel:
		return box(parseLabel(t, s, env))
	case kUint32:
		return box(parseReg(t, s))
	case kFloat32:
		v, err := parseFloat(s, 32, "real")
		return box(float32(v), err)
	case kFloat64:
		return box(parseFloat(s, 64, "double precision"))
	case kNumeric:
		return box(parseDecimal(s, t.Mod))
	case kBytes:
		return box(parseBytea(s))
	case kDate:
		return box(parseDate(s, env))
	case kTime:
		return box(parseTime(s, env))
	case kTimeTZ:
		return box(parseTimeTZ(s, env))
	case kTimestamp:
		return box(parseTimestamp(s, false, env))
	case kTimestampTZ:
		return box(parseTimestamp(s, true, env))
	case kInterval:
		return box(ParseInterval(s, t.Mod, env))
	case kUUID:
		return box(parseUUID(s))
	case kJSONB:
		return box(CanonicalJSON(s))
	case kArray:
		return parseArray(t, s, env, depth)
	case kRecord:
		return nil, pgerr.Unsupported("input of anonymous composite types is not implemented")
	case kRow:
		return parseRow(t, s, env, depth)
	case kVoid:
		return nil, nil
	}
	return box(parseString(t, s))
}

// box keeps a typed value out of the interface when there is an error.
func box[T any](v T, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func parseReg(t Type, s string) (OID, error) {
	info, _ := Lookup(t.OID)
	if strings.HasPrefix(info.Name, "reg") && s == "-" {
		return 0, nil
	}
	return parseOID(s, info.Name)
}

func parseString(t Type, s string) (string, error) {
	switch t.OID {
	case JSON:
		return s, CheckJSON(s)
	case Name:
		return cutName(s), nil
	case Char:
		return parseChar(s)
	case Bit, VarBit:
		return parseBits(t, s)
	case TID:
		return parseTID(s)
	case JSONPath:
		return CanonicalJSONPath(s)
	case AnyOID, AnyArray, AnyElement, AnyNonArray, AnyEnum, AnyCompatible, AnyCompatibleArray, AnyCompatibleNonArray:
		return "", pgerr.Unsupported("cannot accept a value of type %s", strings.Trim(t.String(), `"`))
	}
	return s, nil
}

// cutName cuts to the 63 bytes of a name, between characters.
func cutName(s string) string {
	const limit = 63
	if len(s) <= limit {
		return s
	}
	n := limit
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// CharOctal reads a "char" that is written as \ooo, whose byte is a character by itself.
func CharOctal(s string) (string, bool) {
	if len(s) != 4 || s[0] != '\\' {
		return "", false
	}
	n, err := strconv.ParseUint(s[1:], 8, 8)
	switch {
	case err != nil || n >= utf8.RuneSelf:
		return "", false
	case n == 0:
		return "", true
	}
	return string(rune(n)), true
}

// parseChar is charin of a UTF-8 database: the first byte, which must be a
// character by itself here because values are UTF-8.
func parseChar(s string) (string, error) {
	if c, ok := CharOctal(s); ok || s == "" {
		return c, nil
	}
	if s[0] >= utf8.RuneSelf {
		return "", pgerr.New(pgerr.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x%02x`, s[0])
	}
	return s[:1], nil
}

// parseBits is bit_in and varbit_in: binary digits after b or none, or
// hexadecimal ones after x. The length is checked before the digits.
func parseBits(t Type, s string) (string, error) {
	digits, perDigit := s, 1
	if s != "" && s[0]|0x20 == 'x' {
		digits, perDigit = s[1:], 4
	} else if s != "" && s[0]|0x20 == 'b' {
		digits = s[1:]
	}
	if err := checkBits(t, len(digits)*perDigit); err != nil {
		return "", err
	}
	for _, r := range digits {
		if perDigit == 4 && (r > 0x7f || hexDigit(byte(r)) < 0) {
			return "", pgerr.New(pgerr.InvalidText, `"%c" is not a valid hexadecimal digit`, r)
		}
		if perDigit == 1 && r != '0' && r != '1' {
			return "", pgerr.New(pgerr.InvalidText, `"%c" is not a valid binary digit`, r)
		}
	}
	if perDigit == 1 {
		return digits, nil
	}
	out := make([]byte, 0, 4*len(digits))
	for i := range len(digits) {
		for bit := 3; bit >= 0; bit-- {
			out = append(out, '0'+byte(hexDigit(digits[i])>>bit&1))
		}
	}
	return string(out), nil
}

func parseTID(s string) (string, error) {
	inner, ok := strings.CutPrefix(trimSpace(s), "(")
	block, offset, comma := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
	b, err := parseInt(block, 64, "tid")
	o, err2 := parseInt(offset, 64, "tid")
	if !ok || !comma || !strings.HasSuffix(inner, ")") || err != nil || err2 != nil || o < 0 || o > 65535 || b < 0 || b > 1<<32-1 {
		return "", invalidInput("tid", s)
	}
	return "(" + DecimalFromInt(b).String() + "," + DecimalFromInt(o).String() + ")", nil
}
