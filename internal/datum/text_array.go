package datum

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// appendArray is array_out: {1,NULL,"a b"}; int2vector and oidvector are
// numbers with blanks between.
func appendArray(dst []byte, t Type, v Array, env *Env) []byte {
	if t.OID == Int2Vector || t.OID == OIDVector {
		for i, e := range v.Values {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = AppendText(dst, v.Elem, e, env)
		}
		return dst
	}
	dst = append(dst, '{')
	for i, e := range v.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if e == nil {
			dst = append(dst, "NULL"...)
			continue
		}
		base := len(dst)
		dst = quoteElement(AppendText(dst, v.Elem, e, env), base)
	}
	return append(dst, '}')
}

func appendArrayAt(dst []byte, t Type, l *array.List, i int, env *Env) []byte {
	elem, _ := t.Elem()
	from, to := l.ValueOffsets(i)
	vals := l.ListValues()
	vector := t.OID == Int2Vector || t.OID == OIDVector
	if !vector {
		dst = append(dst, '{')
	}
	for j := int(from); j < int(to); j++ {
		if j > int(from) {
			if vector {
				dst = append(dst, ' ')
			} else {
				dst = append(dst, ',')
			}
		}
		if vals.IsNull(j) {
			dst = append(dst, "NULL"...)
			continue
		}
		base := len(dst)
		dst = quoteElement(AppendTextAt(dst, elem, vals, j, env), base)
	}
	if vector {
		return dst
	}
	return append(dst, '}')
}

// quoteElement puts the element at dst[base:] in quotes if it must be.
func quoteElement(dst []byte, base int) []byte {
	s := dst[base:]
	quote := len(s) == 0 || len(s) == 4 && strings.EqualFold(string(s), "NULL")
	escapes := 0
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			escapes++
			quote = true
		case c == '{' || c == '}' || c == ',' || isSpace(c):
			quote = true
		}
	}
	if !quote {
		return dst
	}
	return quoteAt(dst, base, escapes, false)
}

// quoteAt puts dst[base:] in quotes, with a backslash before the characters to
// escape, or doubling them.
func quoteAt(dst []byte, base, escapes int, double bool) []byte {
	end := len(dst)
	for range escapes + 2 {
		dst = append(dst, '"')
	}
	to := len(dst) - 2
	for from := end - 1; from >= base; from-- {
		c := dst[from]
		dst[to] = c
		to--
		if c == '"' || c == '\\' {
			if double {
				dst[to] = c
			} else {
				dst[to] = '\\'
			}
			to--
		}
	}
	dst[base] = '"'
	return dst
}

// appendRow is record_out: (1,,"a b").
func appendRow(dst []byte, v Row, env *Env) []byte {
	dst = append(dst, '(')
	for i, e := range v.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if e == nil {
			continue
		}
		base := len(dst)
		dst = AppendText(dst, v.Types[i], e, env)
		quote, escapes := len(dst) == base, 0
		for _, c := range dst[base:] {
			switch {
			case c == '"' || c == '\\':
				escapes++
				quote = true
			case c == '(' || c == ')' || c == ',' || isSpace(c):
				quote = true
			}
		}
		if quote {
			dst = quoteAt(dst, base, escapes, true)
		}
	}
	return append(dst, ')')
}

func malformedArray(s, detail string) error {
	return pgerr.New(pgerr.InvalidText, `malformed array literal: "%s"`, s).WithDetail("%s", detail)
}

// parseArray is array_in for one dimension with lower bound 1.
func parseArray(t Type, s string, env *Env, depth int) (Value, error) {
	elem, _ := t.Elem()
	if t.OID == Int2Vector || t.OID == OIDVector {
		return parseVector(t, elem, s)
	}
	if depth > maxNesting {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "arrays are nested too deep")
	}
	// All of the text is checked before any element is.
	p := arrayParser{src: s}
	elements, err := p.elements()
	if err != nil {
		return nil, err
	}
	v := Array{Elem: elem, Values: make([]Value, len(elements))}
	for i, e := range elements {
		if e.null {
			continue
		}
		x, err := parse(elem, e.text, env, depth+1)
		if err == nil {
			x, err = Coerce(elem, x, false)
		}
		if err != nil {
			return nil, err
		}
		v.Values[i] = x
	}
	return v, nil
}

type arrayElement struct {
	text string
	null bool
}

// elements reads [1:n]={a,b,...}.
func (p *arrayParser) elements() ([]arrayElement, error) {
	p.blanks()
	bounded := p.at() == '['
	if bounded {
		if err := p.bounds(); err != nil {
			return nil, err
		}
	}
	if p.at() != '{' {
		if bounded {
			return nil, malformedArray(p.src, `Array contents must start with "{".`)
		}
		return nil, malformedArray(p.src, `Array value must start with "{" or dimension information.`)
	}
	whole := p.src
	p.src, p.pos = p.src[p.pos:], 0 // errors show the contents alone
	p.pos++
	var all []arrayElement
	for p.blanks(); p.at() != '}' || len(all) > 0; p.blanks() {
		text, null, err := p.element()
		if err != nil {
			return nil, err
		}
		all = append(all, arrayElement{text, null})
		p.blanks()
		if p.at() == '}' {
			break
		}
		if p.at() != ',' {
			return nil, p.unexpected()
		}
		p.pos++
	}
	p.pos++
	if p.blanks(); p.pos < len(p.src) {
		return nil, malformedArray(p.src, "Junk after closing right brace.")
	}
	if bounded && p.declared != len(all) {
		return nil, malformedArray(whole, "Specified array dimensions do not match array contents.")
	}
	return all, nil
}

type arrayParser struct {
	src      string
	pos      int
	declared int // number of elements that bounds announce
}

func (p *arrayParser) blanks() {
	for p.pos < len(p.src) && isSpace(p.src[p.pos]) {
		p.pos++
	}
}

// at returns the next byte, 0 at the end (values hold no NUL).
func (p *arrayParser) at() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *arrayParser) unexpected() error {
	if p.pos >= len(p.src) {
		return malformedArray(p.src, "Unexpected end of input.")
	}
	return malformedArray(p.src, `Unexpected "`+p.src[p.pos:p.pos+1]+`" character.`)
}

// bounds reads [lower:upper]= before the braces; the lower bound must be 1.
func (p *arrayParser) bounds() error {
	lower, dims := int64(1), 0
	for ; p.at() == '['; p.blanks() {
		p.pos++
		upper := p.bound()
		if upper == "" {
			return malformedArray(p.src, `"[" must introduce explicitly-specified array dimensions.`)
		}
		if p.at() == ':' {
			lower = boundValue(upper)
			p.pos++
			if upper = p.bound(); upper == "" {
				return malformedArray(p.src, "Missing array dimension value.")
			}
		}
		if p.at() != ']' {
			return malformedArray(p.src, `Missing "]" after array dimensions.`)
		}
		p.pos++
		to := boundValue(upper)
		if to < lower {
			return pgerr.New(pgerr.ArraySubscript, "upper bound cannot be less than lower bound")
		}
		p.declared = int(to)
		dims++
	}
	if p.at() != '=' {
		return malformedArray(p.src, `Missing "=" after array dimensions.`)
	}
	p.pos++
	p.blanks()
	if dims > 1 {
		return multiDimensional()
	}
	if lower != 1 {
		return pgerr.Unsupported("arrays with a lower bound other than 1 are not supported")
	}
	return nil
}

// bound takes digits and signs.
func (p *arrayParser) bound() string {
	from := p.pos
	for isDigit(p.at()) || p.at() == '-' || p.at() == '+' {
		p.pos++
	}
	return p.src[from:p.pos]
}

// boundValue is C's atoi.
func boundValue(s string) int64 {
	if s[0] == '-' {
		return -atoi(s[1:])
	}
	return atoi(strings.TrimPrefix(s, "+"))
}

func multiDimensional() error {
	return pgerr.Unsupported("multidimensional arrays are not supported")
}

// element reads one element up to the comma or brace after it.
func (p *arrayParser) element() (text string, null bool, err error) {
	switch p.at() {
	case '{':
		return "", false, multiDimensional()
	case '"':
		return p.quoted()
	case 0, ',', '}':
		return "", false, p.unexpected()
	}
	var b strings.Builder
	escaped := false
	end := 0 // of the text without the blanks after it
	for ; p.pos < len(p.src); p.pos++ {
		c := p.src[p.pos]
		switch c {
		case ',', '}':
			text = b.String()[:end]
			return text, !escaped && strings.EqualFold(text, "NULL"), nil
		case '{':
			return "", false, p.unexpected()
		case '"':
			return "", false, malformedArray(p.src, "Unexpected array element.")
		case '\\':
			escaped = true
			if p.pos++; p.pos >= len(p.src) {
				return "", false, p.unexpected()
			}
			b.WriteByte(p.src[p.pos])
			end = b.Len()
		default:
			b.WriteByte(c)
			if !isSpace(c) {
				end = b.Len()
			}
		}
	}
	return "", false, p.unexpected()
}

func (p *arrayParser) quoted() (text string, null bool, err error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; c {
		case '"':
			p.pos++
			p.blanks()
			if c := p.at(); c != ',' && c != '}' {
				if c == 0 || c == '{' {
					return "", false, p.unexpected()
				}
				return "", false, malformedArray(p.src, "Unexpected array element.")
			}
			return b.String(), false, nil
		case '\\':
			if p.pos++; p.pos < len(p.src) {
				b.WriteByte(p.src[p.pos])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false, p.unexpected()
}

// parseVector is int2vectorin and oidvectorin: numbers with blanks between.
func parseVector(t, elem Type, s string) (Value, error) {
	v := Array{Elem: elem, Values: []Value{}}
	rest := trimSpace(s)
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
		if end < 0 {
			end = len(rest)
		}
		word := rest[:end]
		if digits := leadingDigits(word); t.OID == OIDVector && digits > 0 && digits < end && isDigit(word[0]) {
			word = rest[:digits] // what follows is looked at as the next number
			end = digits
		}
		e, err := parse(elem, word, zeroEnv, 0)
		if err != nil {
			return nil, err
		}
		v.Values = append(v.Values, e)
		rest = trimSpace(rest[end:])
	}
	return v, nil
}
