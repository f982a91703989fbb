package function

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// spreads has the function that Spread returned for one, so that equal calls stay equal.
var spreads sync.Map

// Spread returns a variadic function as it is called with VARIADIC: the elements of the array
// that comes last are the arguments, in each row as many as there are.
func Spread(fn *Function) *Function {
	if known, ok := spreads.Load(fn); ok {
		return known.(*Function)
	}
	f := *fn
	f.Variadic = false
	f.Args = append([]datum.OID(nil), fn.Args...)
	last := &f.Args[len(f.Args)-1]
	*last = variadicArray(*last)
	f.Eval = func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		b := array.NewBuilder(c.Mem, ret.Arrow())
		defer b.Release()
		b.Reserve(n)
		for i := range n {
			v, err := spreadRow(c, fn, args, i, ret)
			if err != nil {
				return nil, err
			}
			datum.Append(b, ret, v)
		}
		return b.NewArray(), nil
	}
	known, _ := spreads.LoadOrStore(fn, &f)
	return known.(*Function)
}

// spreadRow calls a function for one row. It is NULL for an array that is, but format then has
// nothing to insert.
func spreadRow(c *Context, fn *Function, args []Vec, row int, ret datum.Type) (datum.Value, error) {
	head := args[:len(args)-1]
	list, _ := valueAt(args[len(args)-1].T, args[len(args)-1], row).(datum.Array)
	elem, _ := args[len(args)-1].T.Elem()
	if valueAt(args[len(args)-1].T, args[len(args)-1], row) == nil && fn.Source != "text_format" {
		return nil, nil
	}
	call := make([]Vec, 0, len(head)+len(list.Values))
	add := func(t datum.Type, v datum.Value) {
		call = append(call, Vec{Array: datum.NewArray(c.Mem, t, v, 1), Const: true, T: t})
	}
	defer func() {
		for _, v := range call {
			v.Release()
		}
	}()
	for _, a := range head {
		add(a.T, valueAt(a.T, a, row))
	}
	for _, v := range list.Values {
		add(elem, v)
	}
	if fn.Strict {
		for _, v := range call {
			if v.IsNull(0) {
				return nil, nil
			}
		}
	}
	out, err := fn.Eval(c, call, 1, ret)
	if err != nil {
		return nil, err
	}
	defer out.Release()
	if out.IsNull(0) {
		return nil, nil
	}
	return datum.ValueAt(ret, out, 0), nil
}
