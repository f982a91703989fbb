package datum

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// appendArray is array_out: {1,NULL,"a b"}; int2vector and oidvector are
// numbers with blanks between.
func appendArray(dst []byte, t Type, v Array, env *Env) []byte {
	return appendElements(dst, t, v.Dims, len(v.Values), func(dst []byte, i int) []byte {
		if v.Values[i] == nil {
			return append(dst, "NULL"...)
		}
		base := len(dst)
		return quoteElement(AppendText(dst, v.Elem, v.Values[i], env), base)
	})
}

func appendArrayAt(dst []byte, t Type, l Lists, i int, env *Env) []byte {
	elem, _ := t.Elem()
	from, to := l.Range(i)
	values := l.Values()
	return appendElements(dst, t, l.Dims(i), to-from, func(dst []byte, i int) []byte {
		if values.IsNull(from + i) {
			return append(dst, "NULL"...)
		}
		base := len(dst)
		return quoteElement(AppendTextAt(dst, elem, values, from+i, env), base)
	})
}

// appendElements writes n elements, each with put, in the braces of their dimensions.
func appendElements(dst []byte, t Type, dims []Dim, n int, put func(dst []byte, i int) []byte) []byte {
	if t.OID == Int2Vector || t.OID == OIDVector {
		for i := range n {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = put(dst, i)
		}
		return dst
	}
	if n == 0 {
		return append(dst, "{}"...)
	}
	if slices.ContainsFunc(dims, func(d Dim) bool { return d.Lower != 1 }) {
		dst = append(AppendDims(dst, dims), '=')
	}
	dims = shapeOf(dims, n)
	for i := range n {
		// Braces open where an element is the first of a dimension, and close after the last.
		dst = appendBraces(dst, dims, i, '{')
		dst = appendBraces(put(dst, i), dims, i+1, '}')
		if i+1 < n {
			dst = append(dst, ',')
		}
	}
	return dst
}

// appendBraces appends a brace for each dimension that begins, or ends, at element i.
func appendBraces(dst []byte, dims []Dim, i int, brace byte) []byte {
	size := 1
	for d := len(dims) - 1; d >= 0; d-- {
		if size *= int(dims[d].Len); i%size != 0 {
			break
		}
		dst = append(dst, brace)
	}
	return dst
}

// AppendDims is array_dims: [1:2][0:3].
func AppendDims(dst []byte, dims []Dim) []byte {
	for _, d := range dims {
		dst = strconv.AppendInt(append(dst, '['), int64(d.Lower), 10)
		dst = append(strconv.AppendInt(append(dst, ':'), int64(d.Upper()), 10), ']')
	}
	return dst
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

// parseArray is array_in.
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
	if err := p.parse(); err != nil {
		return nil, err
	}
	if _, err := CheckDims(p.dims); err != nil {
		return nil, err
	}
	values := make([]Value, len(p.elements))
	for i, e := range p.elements {
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
		values[i] = x
	}
	return NewArrayOf(elem, values, p.dims), nil
}

type arrayElement struct {
	text  string
	null  bool
	depth int // how many braces are open
}

type arrayParser struct {
	src      string
	pos      int
	elements []arrayElement
	dims     []Dim
	lengths  [MaxDimensions]int // of what was closed last at each depth
	depth    int                // the greatest so far
}

// parse reads [1:n]={a,b,...}.
func (p *arrayParser) parse() error {
	p.blanks()
	bounded := p.at() == '['
	if bounded {
		if err := p.bounds(); err != nil {
			return err
		}
	}
	if p.at() != '{' {
		if bounded {
			return malformedArray(p.src, `Array contents must start with "{".`)
		}
		return malformedArray(p.src, `Array value must start with "{" or dimension information.`)
	}
	whole := p.src
	p.src, p.pos = p.src[p.pos:], 0 // errors show the contents alone
	if err := p.level(0); err != nil {
		return err
	}
	if p.blanks(); p.pos < len(p.src) {
		return malformedArray(p.src, "Junk after closing right brace.")
	}
	if bounded && !p.asDeclared() {
		return malformedArray(whole, "Specified array dimensions do not match array contents.")
	}
	if !bounded {
		p.dims = make([]Dim, p.depth)
		for i := range p.dims {
			p.dims[i] = Dim{Len: int32(p.lengths[i]), Lower: 1}
		}
	}
	for _, e := range p.elements {
		if e.depth != p.depth {
			return pgerr.New(pgerr.InvalidText, `malformed array literal: "%s"`, p.src)
		}
	}
	return nil
}

func (p *arrayParser) asDeclared() bool {
	if len(p.dims) != p.depth {
		return false
	}
	for i, d := range p.dims {
		if int(d.Len) != p.lengths[i] {
			return false
		}
	}
	return true
}

// level reads from an opening brace, before which depth are open, to the closing one.
func (p *arrayParser) level(depth int) error {
	if depth >= MaxDimensions {
		return TooManyDimensions(depth + 1)
	}
	p.depth = max(p.depth, depth+1)
	p.pos++
	n, nested := 0, false
	for p.blanks(); p.at() != '}' || n > 0 || depth > 0; p.blanks() {
		switch c := p.at(); {
		case c == '{' && (n == 0 || nested):
			nested = true
			if err := p.level(depth + 1); err != nil {
				return err
			}
		case c == 0 || c == ',' || c == '{' || c == '}':
			return p.unexpected()
		case nested:
			return malformedArray(p.src, "Unexpected array element.")
		default:
			text, null, err := p.element()
			if err != nil {
				return err
			}
			p.elements = append(p.elements, arrayElement{text, null, depth + 1})
		}
		n++
		if p.blanks(); p.at() == '}' {
			break
		}
		if p.at() != ',' {
			return p.afterItem()
		}
		p.pos++
	}
	p.pos++
	if last := p.lengths[depth]; last != 0 && last != n {
		return malformedArray(p.src, "Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	p.lengths[depth] = n
	return nil
}

// afterItem is the error for what is neither a comma nor a brace after a level or an element.
func (p *arrayParser) afterItem() error {
	if c := p.at(); c != 0 && c != '{' {
		return malformedArray(p.src, "Unexpected array element.")
	}
	return p.unexpected()
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

// bounds reads [lower:upper]... and = before the braces.
func (p *arrayParser) bounds() error {
	for ; p.at() == '['; p.blanks() {
		if len(p.dims) >= MaxDimensions {
			return TooManyDimensions(len(p.dims) + 1)
		}
		p.pos++
		lower, upper := int64(1), p.bound()
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
		p.dims = append(p.dims, Dim{Len: int32(min(to-lower+1, math.MaxInt32)), Lower: int32(lower)})
	}
	if p.at() != '=' {
		return malformedArray(p.src, `Missing "=" after array dimensions.`)
	}
	p.pos++
	p.blanks()
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
		return int64(int32(-atoi(s[1:])))
	}
	return atoi(strings.TrimPrefix(s, "+"))
}

// element reads one element up to the comma or brace after it.
func (p *arrayParser) element() (text string, null bool, err error) {
	if p.at() == '"' {
		return p.quoted()
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
	values := []Value{}
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
		values = append(values, e)
		rest = trimSpace(rest[end:])
	}
	return Vector(elem, values), nil
}
