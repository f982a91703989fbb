package datum

import (
	"strconv"
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
	p := arrayParser{src: s, pos: 0}
	p.blanks()
	if p.at() == '[' {
		if err := p.bounds(); err != nil {
			return nil, err
		}
	}
	if p.at() != '{' {
		return nil, malformedArray(s, `Array value must start with "{" or dimension information.`)
	}
	p.pos++
	v := Array{Elem: elem, Values: []Value{}}
	for p.blanks(); p.at() != '}' || len(v.Values) > 0; p.blanks() {
		text, null, err := p.element()
		if err != nil {
			return nil, err
		}
		var e Value
		if !null {
			if e, err = parse(elem, text, env, depth+1); err == nil {
				e, err = Coerce(elem, e, false)
			}
			if err != nil {
				return nil, err
			}
		}
		v.Values = append(v.Values, e)
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
	if p.blanks(); p.pos < len(s) {
		return nil, malformedArray(s, "Junk after closing right brace.")
	}
	if p.declared >= 0 && p.hasBounds && p.declared != len(v.Values) {
		return nil, malformedArray(s, "Specified array dimensions do not match array contents.")
	}
	return v, nil
}

type arrayParser struct {
	src       string
	pos       int
	hasBounds bool
	declared  int
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

// bounds reads [lower:upper]= before the braces; only a lower bound of 1 is kept.
func (p *arrayParser) bounds() error {
	end := strings.IndexByte(p.src[p.pos:], ']')
	if end < 0 {
		return malformedArray(p.src, `Missing "]" after array dimensions.`)
	}
	lower, upper, colon := strings.Cut(p.src[p.pos+1:p.pos+end], ":")
	if !colon {
		lower, upper = "1", lower
	}
	lo, err := strconv.Atoi(trimSpace(lower))
	hi, err2 := strconv.Atoi(trimSpace(upper))
	if err != nil || err2 != nil {
		return malformedArray(p.src, `"[" must introduce explicitly-specified array dimensions.`)
	}
	if hi < lo {
		return pgerr.New(pgerr.ArraySubscript, "upper bound cannot be less than lower bound")
	}
	p.pos += end + 1
	p.blanks()
	if p.at() == '[' {
		return multiDimensional()
	}
	if p.at() != '=' {
		return malformedArray(p.src, `Missing "=" after array dimensions.`)
	}
	p.pos++
	p.blanks()
	if lo != 1 {
		return pgerr.Unsupported("arrays with a lower bound other than 1 are not supported")
	}
	p.hasBounds, p.declared = true, hi
	return nil
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
				if c == 0 {
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
	for _, f := range strings.Fields(s) {
		e, err := parse(elem, f, zeroEnv, 0)
		if err != nil {
			return nil, err
		}
		v.Values = append(v.Values, e)
	}
	return v, nil
}
