package function

import (
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

func textFormats(k kernels) {
	k.add(fn1(func(s string) (string, error) { return ast.QuoteIdent(s), nil }), "quote_ident")
	k.add(fn1(func(s string) (string, error) { return ast.QuoteLiteral(s), nil }), "quote_literal")
	quoteAny := func(c *Context, args []datum.Value, types []datum.Type) datum.Value {
		return ast.QuoteLiteral(castText(c, types[0], args[0]))
	}
	k.add(strictBoxed(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
		return quoteAny(c, args, types), nil
	}), "oid1285")
	k.add(boxedTyped(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
		if args[0] == nil {
			return "NULL", nil
		}
		return quoteAny(c, args, types), nil
	}, datum.Text), "quote_nullable", "oid1290")
	k.add(boxedTyped(concat), "text_concat")
	k.add(boxedTyped(concatWS), "text_concat_ws")
	k.add(boxedTyped(format, datum.Text), "text_format", "text_format_nv")
	k.add(strictBoxed(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
		return args[0].(string) + castText(c, types[1], args[1]), nil
	}, datum.Text), "oid2003")
	k.add(strictBoxed(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
		return castText(c, types[0], args[0]) + args[1].(string), nil
	}, datum.Text), "oid2004")
	k.add(boxed(func(_ *Context, args []datum.Value) (datum.Value, error) {
		return int32(len(args)) - countNulls(args), nil
	}, datum.Text), "pg_num_nonnulls")
	k.add(boxed(func(_ *Context, args []datum.Value) (datum.Value, error) { return countNulls(args), nil }, datum.Text), "pg_num_nulls")
	k.add(boxed(parseIdent, datum.Text, datum.Bool), "parse_ident")
}

func countNulls(args []datum.Value) int32 {
	n := int32(0)
	for _, a := range args {
		if a == nil {
			n++
		}
	}
	return n
}

// castText is a value's text as a cast to text gives it: the output function's,
// but for boolean and the trailing blanks of char(n).
func castText(c *Context, t datum.Type, v datum.Value) string {
	switch x := v.(type) {
	case bool:
		if x {
			return "true"
		}
		return "false"
	case string:
		if t.OID == datum.BPChar {
			return strings.TrimRight(x, " ")
		}
		return x
	}
	return ValueText(c, t, v)
}

// outText is the output function's text.
func outText(c *Context, t datum.Type, v datum.Value) string {
	if s, ok := v.(string); ok && t.OID != datum.BPChar {
		return s
	}
	return ValueText(c, t, v)
}

func concat(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
	return joinTexts(c, "", args, types)
}

func concatWS(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
	if args[0] == nil {
		return nil, nil
	}
	return joinTexts(c, args[0].(string), args[1:], types[1:])
}

func joinTexts(c *Context, sep string, args []datum.Value, types []datum.Type) (datum.Value, error) {
	var b strings.Builder
	first := true
	for i, a := range args {
		if a == nil {
			continue
		}
		if !first {
			b.WriteString(sep)
		}
		first = false
		b.WriteString(outText(c, types[i], a))
		if b.Len() > maxText {
			return nil, errTextTooLong
		}
	}
	return b.String(), nil
}

var errFormatArgs = pgerr.New(pgerr.InvalidParameterValue, "too few arguments for format()")

// A formatter walks over the directives of format().
type formatter struct {
	c     *Context
	args  []datum.Value // after the template
	types []datum.Type
	next  int // the argument that a directive without a number takes
	b     strings.Builder
}

func format(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
	if args[0] == nil {
		return nil, nil
	}
	f := &formatter{c: c, args: args[1:], types: types[1:]}
	s := args[0].(string)
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			f.b.WriteString(s)
			return f.b.String(), nil
		}
		f.b.WriteString(s[:i])
		rest, err := f.directive(s[i+1:])
		if err != nil {
			return nil, err
		}
		s = rest
		if f.b.Len() > maxText {
			return nil, errTextTooLong
		}
	}
}

var errFormatEnd = pgerr.New(pgerr.InvalidParameterValue, "unterminated format() type specifier").
	WithHint(`For a single "%%" use "%%%%".`)

// directive handles what follows a percent sign: [n$][-][width]type.
func (f *formatter) directive(s string) (rest string, err error) {
	if s == "" {
		return "", errFormatEnd
	}
	if s[0] == '%' {
		f.b.WriteByte('%')
		return s[1:], nil
	}
	arg, width := -1, int32(0)
	left, hasWidth := false, false
	if n, after, ok, err := formatNumber(s); err != nil {
		return "", err
	} else if ok && after != "" && after[0] == '$' {
		if n == 0 {
			return "", pgerr.New(pgerr.InvalidParameterValue, "format specifies argument 0, but arguments are numbered from 1")
		}
		arg, s = int(n)-1, after[1:]
	} else if ok && after == "" {
		return "", errFormatEnd
	} else if ok {
		width, hasWidth, s = n, true, after
	}
	for !hasWidth && s != "" && s[0] == '-' {
		left, s = true, s[1:]
	}
	if !hasWidth && s != "" && s[0] == '*' {
		if width, s, err = f.widthArgument(s[1:]); err != nil {
			return "", err
		}
	} else if n, after, ok, err := formatNumber(s); err != nil {
		return "", err
	} else if ok && !hasWidth {
		width, s = n, after
	}
	if s == "" {
		return "", errFormatEnd
	}
	r, size := utf8.DecodeRuneInString(s)
	if r != 's' && r != 'I' && r != 'L' {
		return "", pgerr.New(pgerr.InvalidParameterValue, "unrecognized format() type specifier %q", string(r)).
			WithHint(`For a single "%%" use "%%%%".`)
	}
	if arg < 0 {
		arg = f.next
	}
	if arg >= len(f.args) {
		return "", errFormatArgs
	}
	f.next = arg + 1
	text, err := f.convert(r, arg)
	if err != nil {
		return "", err
	}
	return s[size:], f.pad(text, width, left)
}

// widthArgument reads the width from an argument: * or *n$.
func (f *formatter) widthArgument(s string) (width int32, rest string, err error) {
	arg := f.next
	if n, after, ok, err := formatNumber(s); err != nil {
		return 0, "", err
	} else if ok {
		if n == 0 {
			return 0, "", pgerr.New(pgerr.InvalidParameterValue, "format specifies argument 0, but arguments are numbered from 1")
		}
		if after == "" || after[0] != '$' {
			return 0, "", pgerr.New(pgerr.InvalidParameterValue, "width argument position must be ended by \"$\"")
		}
		arg, s = int(n)-1, after[1:]
	}
	if arg >= len(f.args) {
		return 0, "", errFormatArgs
	}
	f.next = arg + 1
	v := f.args[arg]
	if v == nil {
		return 0, s, nil
	}
	n, err := ParseText(f.c, datum.Of(datum.Int4), outText(f.c, f.types[arg], v))
	if err != nil {
		return 0, "", err
	}
	return n.(int32), s, nil
}

// formatNumber reads decimal digits, if there are any.
func formatNumber(s string) (n int32, rest string, ok bool, err error) {
	i, v := 0, int64(0)
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		if v = v*10 + int64(s[i]-'0'); v > 1<<31-1 {
			return 0, "", false, pgerr.New(pgerr.NumericOutOfRange, "number is out of range")
		}
		i++
	}
	return int32(v), s[i:], i > 0, nil
}

func (f *formatter) convert(kind rune, arg int) (string, error) {
	v := f.args[arg]
	if v == nil {
		switch kind {
		case 'I':
			return "", pgerr.New(pgerr.NullNotAllowed, "null values cannot be formatted as an SQL identifier")
		case 'L':
			return "NULL", nil
		}
		return "", nil
	}
	text := outText(f.c, f.types[arg], v)
	switch kind {
	case 'I':
		return ast.QuoteIdent(text), nil
	case 'L':
		return ast.QuoteLiteral(text), nil
	}
	return text, nil
}

func (f *formatter) pad(text string, width int32, left bool) error {
	if width < 0 {
		if width == -1<<31 {
			return pgerr.New(pgerr.NumericOutOfRange, "number is out of range")
		}
		width, left = -width, true
	}
	missing := int(width) - utf8.RuneCountInString(text)
	if missing+f.b.Len() > maxText {
		return errTextTooLong
	}
	blanks := strings.Repeat(" ", max(missing, 0))
	if left {
		f.b.WriteString(text + blanks)
	} else {
		f.b.WriteString(blanks + text)
	}
	return nil
}

// parseIdent splits a qualified name; unless strict, what follows it is ignored.
func parseIdent(_ *Context, args []datum.Value) (datum.Value, error) {
	strict := true
	for _, a := range args {
		if a == nil {
			return nil, nil
		}
	}
	if len(args) > 1 {
		strict = args[1].(bool)
	}
	whole := args[0].(string)
	names, rest, err := splitIdentifier(whole)
	if err != nil {
		return nil, err
	}
	if rest != "" && strict {
		return nil, badIdentifier(whole)
	}
	arr := datum.Array{Elem: datum.Of(datum.Text)}
	for _, n := range names {
		arr.Values = append(arr.Values, n)
	}
	return arr, nil
}

func badIdentifier(s string) *pgerr.Error {
	return pgerr.New(pgerr.InvalidParameterValue, "string is not a valid identifier: %q", s)
}

const identSpace = " \t\n\r\f\v"

// splitIdentifier reads a qualified name from the start of s, folding what is not quoted.
func splitIdentifier(s string) (names []string, rest string, err error) {
	whole := s
	s = strings.TrimLeft(s, identSpace)
	for afterDot := false; ; afterDot = true {
		name, after, ok := cutIdentifier(s)
		if !ok {
			e := badIdentifier(whole)
			switch {
			case strings.HasPrefix(s, `"`) && !strings.Contains(s[1:], `"`):
				e = e.WithDetail("String has unclosed double quotes.")
			case strings.HasPrefix(s, `""`):
				e = e.WithDetail("Quoted identifier must not be empty.")
			case strings.HasPrefix(s, "."):
				e = e.WithDetail(`No valid identifier before ".".`)
			case afterDot:
				e = e.WithDetail(`No valid identifier after ".".`)
			}
			return nil, "", e
		}
		names = append(names, name)
		s = strings.TrimLeft(after, identSpace)
		if !strings.HasPrefix(s, ".") {
			return names, s, nil
		}
		s = strings.TrimLeft(s[1:], identSpace)
	}
}

// cutIdentifier reads one identifier.
func cutIdentifier(s string) (name, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for s = s[1:]; ; {
			i := strings.IndexByte(s, '"')
			if i < 0 {
				return "", "", false
			}
			b.WriteString(s[:i])
			s = s[i+1:]
			if !strings.HasPrefix(s, `"`) {
				return b.String(), s, b.Len() > 0
			}
			b.WriteByte('"')
			s = s[1:]
		}
	}
	i := 0
	for i < len(s) && isIdentByte(s[i], i == 0) {
		i++
	}
	return strings.ToLower(s[:i]), s[i:], i > 0
}

func isIdentByte(c byte, first bool) bool {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c >= utf8.RuneSelf:
		return true
	}
	return !first && (c >= '0' && c <= '9' || c == '$')
}
