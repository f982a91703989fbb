package datum

import (
	"cmp"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// JSONKind is the kind of a JSON value, in the order in which jsonb sorts them.
type JSONKind uint8

const (
	KindNull JSONKind = iota
	KindString
	KindNumber
	KindBool
	KindArray
	KindObject
)

// JSONValue is a parsed JSON value. Values that ParseJSON returns are canonical:
// the keys of objects are sorted (shorter ones first, then by bytes) and unique.
// A parsed value is immutable and may share the text's memory.
type JSONValue struct {
	Kind  JSONKind
	Bool  bool
	Text  string      // a string's characters, or a number in numeric's text form
	Keys  []string    // of an object, beside Elems
	Elems []JSONValue // of an array or object
}

// maxJSONDepth stands for PostgreSQL's stack depth limit.
const maxJSONDepth = 6000

// ParseJSON is jsonb's input function: the last of duplicate keys wins, numbers
// keep their scale. Errors are PostgreSQL's.
func ParseJSON(s string) (JSONValue, error) {
	p := jsonParser{jsonLexer: jsonLexer{src: s, line: 1, unescape: true}, canonical: true}
	return p.document()
}

// ParseJSONText parses type json: keys stay in order and duplicates are kept,
// numbers keep their text.
func ParseJSONText(s string) (JSONValue, error) {
	p := jsonParser{jsonLexer: jsonLexer{src: s, line: 1, unescape: true}}
	return p.document()
}

// CheckJSON is json's input function: it only checks.
func CheckJSON(s string) error {
	p := jsonParser{jsonLexer: jsonLexer{src: s, line: 1}, check: true}
	_, err := p.document()
	return err
}

// CanonicalJSON returns the text in which jsonb values are kept.
func CanonicalJSON(s string) (string, error) {
	v, err := ParseJSON(s)
	if err != nil {
		return "", err
	}
	return string(v.AppendText(make([]byte, 0, len(s)+len(s)/8))), nil
}

// mustParseJSONB parses canonical text.
func mustParseJSONB(s string) JSONValue {
	v, err := ParseJSON(s)
	if err != nil {
		panic("datum: bug: jsonb: " + err.Error())
	}
	return v
}

type jsonParser struct {
	jsonLexer
	canonical bool // sort and unique keys, numbers as numeric
	check     bool // build nothing
	depth     int
}

func (p *jsonParser) document() (JSONValue, error) {
	if err := p.next(); err != nil {
		return JSONValue{}, err
	}
	v, err := p.value()
	if err != nil {
		return JSONValue{}, err
	}
	if p.token != jsonEnd {
		return JSONValue{}, p.unexpected("end of input")
	}
	return v, nil
}

// value parses from the current token to the one after the value.
func (p *jsonParser) value() (JSONValue, error) {
	var v JSONValue
	switch p.token {
	case jsonObjectStart, jsonArrayStart:
		if p.depth++; p.depth > maxJSONDepth {
			return v, pgerr.New(pgerr.StatementTooComplex, "stack depth limit exceeded")
		}
		defer func() { p.depth-- }()
		if p.token == jsonObjectStart {
			return p.object()
		}
		return p.array()
	case jsonStringToken:
		v = JSONValue{Kind: KindString, Text: p.str}
	case jsonNumberToken:
		v = JSONValue{Kind: KindNumber, Text: p.src[p.start:p.end]}
		if p.canonical {
			// What follows is looked at before the number is.
			err := p.next()
			if err == nil {
				v.Text, err = canonicalNumber(v.Text)
			}
			return v, err
		}
	case jsonTrue, jsonFalse:
		v = JSONValue{Kind: KindBool, Bool: p.token == jsonTrue}
	case jsonNullToken:
	default:
		return v, p.unexpected("JSON value")
	}
	return v, p.next()
}

// canonicalNumber is what numeric's input and output make of a number.
func canonicalNumber(s string) (string, error) {
	if !strings.ContainsAny(s, "eE") && s[0] != '-' && len(s) < 1000 {
		return s, nil
	}
	d, err := ParseDecimal(s)
	if err != nil {
		return "", err
	}
	return d.String(), nil
}

func (p *jsonParser) array() (JSONValue, error) {
	v := JSONValue{Kind: KindArray}
	if err := p.next(); err != nil {
		return v, err
	}
	if p.token == jsonArrayEnd {
		return v, p.next()
	}
	for {
		e, err := p.value()
		if err != nil {
			return v, err
		}
		if !p.check {
			v.Elems = append(v.Elems, e)
		}
		switch p.token {
		case jsonArrayEnd:
			return v, p.next()
		case jsonComma:
			if err := p.next(); err != nil {
				return v, err
			}
		default:
			return v, p.unexpected(`"," or "]"`)
		}
	}
}

func (p *jsonParser) object() (JSONValue, error) {
	v := JSONValue{Kind: KindObject}
	if err := p.next(); err != nil {
		return v, err
	}
	switch p.token {
	case jsonObjectEnd:
		return v, p.next()
	case jsonStringToken:
	default:
		return v, p.unexpected(`string or "}"`)
	}
	for {
		if err := p.field(&v); err != nil {
			return v, err
		}
		switch p.token {
		case jsonObjectEnd:
			if p.canonical {
				v.sortKeys()
			}
			return v, p.next()
		case jsonComma:
			if err := p.next(); err != nil {
				return v, err
			}
		default:
			return v, p.unexpected(`"," or "}"`)
		}
	}
}

func (p *jsonParser) field(v *JSONValue) error {
	if p.token != jsonStringToken {
		return p.unexpected("string")
	}
	key := p.str
	if err := p.next(); err != nil {
		return err
	}
	if p.token != jsonColon {
		return p.unexpected(`":"`)
	}
	if err := p.next(); err != nil {
		return err
	}
	e, err := p.value()
	if err == nil && !p.check {
		v.Keys = append(v.Keys, key)
		v.Elems = append(v.Elems, e)
	}
	return err
}

// CompareJSONKeys is the order of the keys of a jsonb object.
func CompareJSONKeys(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// sortKeys makes an object canonical; the last of equal keys wins.
func (v *JSONValue) sortKeys() {
	sorted := true
	for i := 1; i < len(v.Keys) && sorted; i++ {
		sorted = CompareJSONKeys(v.Keys[i-1], v.Keys[i]) < 0
	}
	if sorted {
		return
	}
	order := make([]int, len(v.Keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return CompareJSONKeys(v.Keys[i], v.Keys[j]) })
	keys, elems := make([]string, 0, len(order)), make([]JSONValue, 0, len(order))
	for n, i := range order {
		if n+1 < len(order) && v.Keys[order[n+1]] == v.Keys[i] {
			continue
		}
		keys, elems = append(keys, v.Keys[i]), append(elems, v.Elems[i])
	}
	v.Keys, v.Elems = keys, elems
}

// NewJSONObject makes a canonical object of keys and values, which it keeps.
func NewJSONObject(keys []string, elems []JSONValue) JSONValue {
	v := JSONValue{Kind: KindObject, Keys: keys, Elems: elems}
	v.sortKeys()
	return v
}

// Field returns the value of a key of a canonical object.
func (v *JSONValue) Field(key string) (JSONValue, bool) {
	i, ok := v.FieldIndex(key)
	if !ok {
		return JSONValue{}, false
	}
	return v.Elems[i], true
}

// FieldIndex returns where the value of a key of a canonical object is among Elems.
func (v *JSONValue) FieldIndex(key string) (int, bool) {
	if v.Kind != KindObject {
		return 0, false
	}
	return slices.BinarySearchFunc(v.Keys, key, CompareJSONKeys)
}

// AppendText appends jsonb's text form: ", " and ": " between parts.
func (v *JSONValue) AppendText(dst []byte) []byte {
	switch v.Kind {
	case KindNull:
		return append(dst, "null"...)
	case KindString:
		return AppendJSONString(dst, v.Text)
	case KindNumber:
		return append(dst, v.Text...)
	case KindBool:
		if v.Bool {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case KindArray:
		dst = append(dst, '[')
		for i := range v.Elems {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = v.Elems[i].AppendText(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i := range v.Elems {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(AppendJSONString(dst, v.Keys[i]), ": "...)
		dst = v.Elems[i].AppendText(dst)
	}
	return append(dst, '}')
}

// AppendJSONString appends a string in quotes, with escapes as PostgreSQL writes them.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '"':
			dst = append(dst, `\"`...)
		case '\\':
			dst = append(dst, `\\`...)
		default:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
