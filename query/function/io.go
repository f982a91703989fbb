package function

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// AppendText appends the output function's text of element i of an array, which
// is not NULL. It is datum.AppendTextAt, but for the reg* types, whose names
// only the catalogue knows.
func AppendText(dst []byte, c *Context, t datum.Type, a arrow.Array, i int) []byte {
	if isReg(t.OID) {
		return append(dst, regOut(c, t.OID, datum.OID(a.(*array.Uint32).Value(i)))...)
	}
	if e, ok := t.Elem(); ok && isReg(e.OID) {
		return appendRegArray(dst, c, datum.ValueAt(t, a, i).(datum.Array))
	}
	return datum.AppendTextAt(dst, t, a, i, c.Env)
}

// NamesObjects says that values of the type are written as names that only the
// catalogue knows: those of AppendText, not datum.AppendTextAt.
func NamesObjects(t datum.Type) bool {
	if isReg(t.OID) {
		return true
	}
	e, ok := t.Elem()
	return ok && isReg(e.OID)
}

// ParseText is the input function of a type: datum.Parse, and names for the reg* types, patterns for jsonpath.
func ParseText(c *Context, t datum.Type, s string) (datum.Value, error) {
	if isReg(t.OID) {
		return regIn(c, t.OID, s)
	}
	if t.OID == datum.JSONPath {
		return ParseJSONPath(s)
	}
	if e, ok := t.Elem(); ok && isReg(e.OID) {
		return parseRegArray(c, e, s)
	}
	return datum.Parse(t, s, c.Env)
}

// ValueText is AppendText of a boxed value.
func ValueText(c *Context, t datum.Type, v datum.Value) string {
	if oid, ok := v.(datum.OID); ok && isReg(t.OID) {
		return regOut(c, t.OID, oid)
	}
	if arr, ok := v.(datum.Array); ok && isReg(arr.Elem.OID) {
		return string(appendRegArray(nil, c, arr))
	}
	return string(datum.AppendText(nil, t, v, c.Env))
}

func appendRegArray(dst []byte, c *Context, a datum.Array) []byte {
	names := make([]datum.Value, len(a.Values))
	for i, e := range a.Values {
		if e != nil {
			names[i] = regOut(c, a.Elem.OID, e.(datum.OID))
		}
	}
	return datum.AppendText(dst, datum.Of(datum.TextArray), a.With(datum.Of(datum.Text), names), c.Env)
}

func parseRegArray(c *Context, elem datum.Type, s string) (datum.Value, error) {
	v, err := datum.Parse(datum.Of(datum.TextArray), s, c.Env)
	if err != nil {
		return nil, err
	}
	names := v.(datum.Array)
	out := names.With(elem, make([]datum.Value, len(names.Values)))
	for i, name := range names.Values {
		if name == nil {
			continue
		}
		if out.Values[i], err = regIn(c, elem.OID, name.(string)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ioKernel makes the input, output, send and receive functions of types, which
// pg_type refers to. Their calls by hand are rare: textin, int4out.
func ioKernel(f *Function, name string) (kernel, bool) {
	switch {
	case len(f.Args) > 0 && f.Args[0] == datum.CString && f.Ret != datum.CString:
		return kernel{eval: inputFunction}, true
	case len(f.Args) == 1 && f.Ret == datum.CString:
		return kernel{eval: outputFunction(f.Args[0])}, true
	case len(f.Args) == 1 && f.Ret == datum.Bytea && (strings.HasSuffix(name, "send") || strings.HasSuffix(name, "_send")):
		return kernel{eval: sendFunction(f.Args[0])}, true
	case len(f.Args) > 0 && f.Args[0] == internalType:
		return kernel{eval: notCallable}, true
	}
	return kernel{}, false
}

// internalType is PostgreSQL's type of C pointers; SQL has no values of it.
const internalType datum.OID = 2281

func notCallable(*Context, []Vec, int, datum.Type) (arrow.Array, error) {
	panic("function: bug: call of a function with internal arguments")
}

func inputFunction(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	return strictBoxed(func(c *Context, v []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
		return ParseText(c, ret, v[0].(string))
	}, datum.CString)(c, args[:1], n, ret)
}

func outputFunction(declared datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		t := argType(args[0], declared)
		var buf []byte
		return rows(c, args, n, ret, func(i int) (string, error) {
			buf = AppendText(buf[:0], c, t, args[0].Array, args[0].At(i))
			return string(buf), nil
		})
	}
}

func sendFunction(declared datum.OID) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		t := argType(args[0], declared)
		return rows(c, args, n, ret, func(i int) ([]byte, error) {
			return datum.AppendBinaryAt(nil, t, args[0].Array, args[0].At(i), c.Env), nil
		})
	}
}
