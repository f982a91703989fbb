package function

import (
	"cmp"
	"io"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

func setKernels(k kernels) {
	k.addSet(seriesOf[int32], "generate_series_int4", "generate_series_step_int4")
	k.addSet(seriesOf[int64], "generate_series_int8", "generate_series_step_int8")
	k.addSet(numericSeries, "generate_series_numeric", "generate_series_step_numeric")
	k.addSet(timestampSeries(func(c *Context) timestampPlus {
		return addToTimestamp
	}), "generate_series_timestamp")
	k.addSet(timestampSeries(func(c *Context) timestampPlus {
		return func(m datum.Micros, v datum.IntervalValue) (datum.Micros, error) {
			return addToTimestampTZ(m, v, c.Env.Location())
		}
	}), "generate_series_timestamptz")
	k.addSet(unnest, "array_unnest")
	k.addSet(subscripts, "generate_subscripts", "generate_subscripts_nodir")
	k.addSet(keywordRows, "pg_get_keywords")
}

var errZeroStep = pgerr.New(pgerr.InvalidParameterValue, "step size cannot equal zero")

// rowsFunc makes a SetResult of a function that returns io.EOF at the end.
type rowsFunc func() ([]datum.Value, error)

func (f rowsFunc) Next() ([]datum.Value, error) { return f() }

// seriesOf is generate_series over integers; it ends, too, where the next number
// would overflow.
func seriesOf[T int32 | int64](c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	at, stop, step := args[0].(T), args[1].(T), T(1)
	if len(args) > 2 {
		step = args[2].(T)
	}
	if step == 0 {
		return nil, errZeroStep
	}
	done := false
	return rowsFunc(func() ([]datum.Value, error) {
		if done || step > 0 && at > stop || step < 0 && at < stop {
			return nil, io.EOF
		}
		v := at
		next, err := addInt(at, step)
		at, done = next, err != nil
		return []datum.Value{v}, nil
	}), nil
}

func numericSeries(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	for i, name := range []string{"start", "stop", "step size"} {
		if i == len(args) {
			break
		}
		if name != "step size" {
			name += " value"
		}
		switch args[i].(datum.Decimal).Kind {
		case datum.NaN:
			return nil, pgerr.New(pgerr.InvalidParameterValue, "%s cannot be NaN", name)
		case datum.Infinite:
			return nil, pgerr.New(pgerr.InvalidParameterValue, "%s cannot be infinity", name)
		}
	}
	at, stop, step := args[0].(datum.Decimal), args[1].(datum.Decimal), decimalOne
	if len(args) > 2 {
		step = args[2].(datum.Decimal)
	}
	if step.IsZero() {
		return nil, errZeroStep
	}
	return rowsFunc(func() ([]datum.Value, error) {
		if at.Cmp(&stop)*step.Sign() > 0 {
			return nil, io.EOF
		}
		v := at
		next, err := addDecimal(at, step)
		if err != nil {
			return nil, err
		}
		at = next
		return []datum.Value{v}, nil
	}), nil
}

// A timestampPlus adds an interval to a timestamp.
type timestampPlus func(datum.Micros, datum.IntervalValue) (datum.Micros, error)

// timestampSeries is generate_series over timestamps. The sign of the step is
// that of its length, with months of 30 days.
func timestampSeries(plus func(*Context) timestampPlus) setFunc {
	return func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		at, stop, step := args[0].(datum.Micros), args[1].(datum.Micros), args[2].(datum.IntervalValue)
		sign := step.Compare(datum.IntervalValue{})
		if sign == 0 {
			return nil, errZeroStep
		}
		next := plus(c)
		return rowsFunc(func() ([]datum.Value, error) {
			if cmp.Compare(at, stop)*sign > 0 {
				return nil, io.EOF
			}
			v := at
			var err error
			if at, err = next(at, step); err != nil {
				return nil, err
			}
			return []datum.Value{v}, nil
		}), nil
	}
}

func unnest(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	return &valueRows{vals: args[0].(datum.Array).Values}, nil
}

func subscripts(c *Context, args []datum.Value, _ []datum.Type, ret datum.Type) (SetResult, error) {
	dims, i := args[0].(datum.Array).Shape(), int(args[1].(int32))
	if i < 1 || i > len(dims) {
		return &valueRows{}, nil
	}
	first, last := dims[i-1].Lower, dims[i-1].Upper()
	if len(args) > 2 && args[2].(bool) {
		return seriesOf[int32](c, []datum.Value{last, first, int32(-1)}, nil, ret)
	}
	return seriesOf[int32](c, []datum.Value{first, last}, nil, ret)
}

// expandArray is information_schema._pg_expandarray: each element with its number.
func expandArray(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	vals, i := args[0].(datum.Array).Values, 0
	return rowsFunc(func() ([]datum.Value, error) {
		if i == len(vals) {
			return nil, io.EOF
		}
		i++
		return []datum.Value{vals[i-1], int32(i)}, nil
	}), nil
}

// keywordRows is pg_get_keywords.
func keywordRows(*Context, []datum.Value, []datum.Type, datum.Type) (SetResult, error) {
	all := ast.Keywords()
	i := 0
	return rowsFunc(func() ([]datum.Value, error) {
		if i == len(all) {
			return nil, io.EOF
		}
		k := all[i]
		i++
		classes := map[ast.KeywordClass]string{
			ast.Unreserved: "unreserved", ast.ColumnKeyword: "unreserved (cannot be function or type name)",
			ast.TypeFunction: "reserved (can be function or type name)", ast.Reserved: "reserved",
		}
		bare := "requires AS"
		if k.BareLabel {
			bare = "can be bare label"
		}
		return []datum.Value{k.Word, string(rune(k.Class)), k.BareLabel, classes[k.Class], bare}, nil
	}), nil
}
