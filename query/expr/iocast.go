package expr

import (
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// ioCast converts through text, as the types' output and input functions do.
func (c *Context) ioCast(e *IOCast, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	defer v.Release()
	from, n := e.Arg.Type(), v.Len()
	b := array.NewBuilder(c.Mem, e.T.Arrow())
	defer b.Release()
	b.Reserve(n)
	texts, _ := v.Array.(*array.String)
	toText, isText := b.(*array.StringBuilder)
	plain := isText && isPlainText(e.T)
	var buf []byte
	for i := range n {
		if isNullAt(v.Array, i) {
			b.AppendNull()
			continue
		}
		var s string
		if texts != nil && from.OID != datum.BPChar {
			s = texts.Value(i)
		} else {
			buf = function.AppendText(buf[:0], c.Context, from, v.Array, i)
			s = string(buf)
		}
		if plain {
			toText.Append(s)
			continue
		}
		x, err := function.ParseText(c.Context, e.T, s)
		if err != nil {
			return function.Vec{}, err
		}
		datum.Append(b, e.T, x)
	}
	return function.Vec{Array: b.NewArray(), Const: v.Const, T: e.T}, nil
}

// isPlainText says that any text is a value of the type.
func isPlainText(t datum.Type) bool {
	return t.OID == datum.Text || (t.OID == datum.Varchar || t.OID == datum.BPChar) && t.Mod < 0
}
