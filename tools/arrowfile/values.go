package arrowfile

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// valueAt returns element i, which its array does not say is NULL, as a value of
// the type that typeOf says; nil if it is NULL all the same, as those of a
// dictionary may be. It may share the array's memory.
func valueAt(a arrow.Array, i int, o Options) (datum.Value, error) {
	switch a := a.(type) {
	case *array.Null:
		return nil, nil
	case *array.Boolean:
		return a.Value(i), nil
	case *array.Int8:
		return int16(a.Value(i)), nil
	case *array.Int16:
		return a.Value(i), nil
	case *array.Int32:
		return a.Value(i), nil
	case *array.Int64:
		return a.Value(i), nil
	case *array.Uint8:
		return int16(a.Value(i)), nil
	case *array.Uint16:
		return int32(a.Value(i)), nil
	case *array.Uint32:
		return int64(a.Value(i)), nil
	case *array.Uint64:
		return decimal(new(big.Int).SetUint64(a.Value(i)), 0), nil
	case *array.Float16:
		return a.Value(i).Float32(), nil
	case *array.Float32:
		return a.Value(i), nil
	case *array.Float64:
		return a.Value(i), nil
	case *array.Decimal32:
		return decimal(big.NewInt(int64(a.Value(i))), scaleOf(a)), nil
	case *array.Decimal64:
		return decimal(big.NewInt(int64(a.Value(i))), scaleOf(a)), nil
	case *array.Decimal128:
		return decimal(a.Value(i).BigInt(), scaleOf(a)), nil
	case *array.Decimal256:
		return decimal(a.Value(i).BigInt(), scaleOf(a)), nil
	case array.StringLike:
		return a.Value(i), nil
	case *array.Binary:
		return a.Value(i), nil
	case *array.LargeBinary:
		return a.Value(i), nil
	case *array.BinaryView:
		return a.Value(i), nil
	case *array.FixedSizeBinary:
		return a.Value(i), nil
	case *array.Dictionary:
		v := a.Dictionary()
		at := a.GetValueIndex(i)
		if at < 0 || at >= v.Len() {
			return nil, fmt.Errorf("%w: value %d of a dictionary of %d", ErrCorrupt, at, v.Len())
		}
		if v.IsNull(at) {
			return nil, nil
		}
		return valueAt(v, at, o)
	case *array.RunEndEncoded:
		v, at := a.Values(), a.GetPhysicalIndex(i)
		if v.IsNull(at) {
			return nil, nil
		}
		return valueAt(v, at, o)
	case *extensions.UUIDArray:
		return datum.UUIDValue(a.Value(i)), nil
	case *extensions.JSONArray:
		return datum.CanonicalJSON(a.ValueStr(i))
	case array.ExtensionArray:
		return valueAt(a.Storage(), i, o)
	case *array.Struct, *array.Map:
		return jsonAt(a, i)
	case array.ListLike:
		return listAt(a, i, o)
	}
	return timeAt(a, i, o)
}

func scaleOf(a arrow.Array) int32 { return a.DataType().(arrow.DecimalType).GetScale() }

func decimal(coeff *big.Int, scale int32) datum.Decimal {
	if scale < 0 {
		coeff = new(big.Int).Mul(coeff, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		scale = 0
	}
	return datum.MakeDecimal(new(apd.BigInt).SetMathBigInt(coeff), scale)
}

// timeAt is valueAt of dates, times and spans of time.
func timeAt(a arrow.Array, i int, o Options) (datum.Value, error) {
	switch a := a.(type) {
	case *array.Date32:
		return days(int64(a.Value(i)))
	case *array.Date64:
		ms := int64(a.Value(i))
		d, rest := floorDiv(ms, 86_400_000)
		if rest != 0 && !o.RoundTimes {
			return nil, finer(fmt.Sprintf("%d ms", ms), "a day")
		}
		return days(d)
	case *array.Time32:
		return timeOfDay(int64(a.Value(i)), a.DataType().(*arrow.Time32Type).Unit, o)
	case *array.Time64:
		return timeOfDay(int64(a.Value(i)), a.DataType().(*arrow.Time64Type).Unit, o)
	case *array.Timestamp:
		return timestamp(int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit, o)
	case *array.Duration:
		m, err := micros(int64(a.Value(i)), a.DataType().(*arrow.DurationType).Unit, o)
		return datum.IntervalValue{Micros: m}, err
	case *array.MonthInterval:
		return datum.IntervalValue{Months: int32(a.Value(i))}, nil
	case *array.DayTimeInterval:
		v := a.Value(i)
		return datum.IntervalValue{Days: v.Days, Micros: int64(v.Milliseconds) * 1000}, nil
	case *array.MonthDayNanoInterval:
		v := a.Value(i)
		m, err := micros(v.Nanoseconds, arrow.Nanosecond, o)
		return datum.IntervalValue{Months: v.Months, Days: v.Days, Micros: m}, err
	}
	return nil, pgerr.Unsupported("type %s of the file has no counterpart in a table", a.DataType())
}

func days(d int64) (datum.Value, error) {
	v := datum.Days(d)
	if d != int64(v) || v.Finite() && (v < datum.MinDays || v > datum.MaxDays) {
		return nil, pgerr.New(pgerr.DatetimeOverflow, "date out of range: day %d since 1970-01-01", d)
	}
	return v, nil
}

func timeOfDay(v int64, u arrow.TimeUnit, o Options) (datum.Value, error) {
	m, err := micros(v, u, o)
	if err == nil && (m < 0 || m > datum.MicrosPerDay) {
		err = pgerr.New(pgerr.DatetimeOverflow, "time out of range: %d %s since midnight", v, u)
	}
	return datum.Micros(m), err
}

func timestamp(v int64, u arrow.TimeUnit, o Options) (datum.Value, error) {
	n, err := micros(v, u, o)
	m := datum.Micros(n)
	if err == nil && (u != arrow.Microsecond || m.Finite()) && (m < datum.MinMicros || m > datum.MaxMicros) {
		err = pgerr.New(pgerr.DatetimeOverflow, "timestamp out of range: %d %s since 1970-01-01", v, u)
	}
	return m, err
}

// micros converts a number of units to microseconds. What is finer than that is
// refused unless it may be rounded, half away from zero.
func micros(v int64, u arrow.TimeUnit, o Options) (int64, error) {
	factor := int64(1)
	switch u {
	case arrow.Second:
		factor = 1_000_000
	case arrow.Millisecond:
		factor = 1000
	case arrow.Nanosecond:
		if v%1000 != 0 && !o.RoundTimes {
			return 0, finer(fmt.Sprintf("%d ns", v), "a microsecond")
		}
		q, r := v/1000, v%1000
		if r >= 500 {
			q++
		} else if r <= -500 {
			q--
		}
		return q, nil
	}
	if v > math.MaxInt64/factor || v < math.MinInt64/factor {
		return 0, pgerr.New(pgerr.DatetimeOverflow, "out of range: %d %s", v, u)
	}
	return v * factor, nil
}

func finer(v, unit string) error {
	return pgerr.New(pgerr.DatetimeOverflow, "%s is finer than %s, which is all that a column keeps", v, unit).
		WithHint("--round-times rounds such values.")
}

func floorDiv(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// listAt returns a list as an array, or as JSON if its elements are lists or
// structs.
func listAt(a array.ListLike, i int, o Options) (datum.Value, error) {
	t, err := typeOf(a.DataType())
	if err != nil {
		return nil, err
	}
	elem, ok := t.Elem()
	if !ok {
		return jsonAt(a, i)
	}
	begin, end := a.ValueOffsets(i)
	values := a.ListValues()
	if begin < 0 || end < begin || end > int64(values.Len()) {
		return nil, fmt.Errorf("%w: elements %d to %d of a list of %d", ErrCorrupt, begin, end, values.Len())
	}
	out := datum.Array{Elem: elem, Values: make([]datum.Value, 0, end-begin)}
	for j := begin; j < end; j++ {
		if values.IsNull(int(j)) {
			out.Values = append(out.Values, nil)
			continue
		}
		v, err := valueAt(values, int(j), o)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", j-begin+1, err)
		}
		out.Values = append(out.Values, v)
	}
	return out, nil
}

// jsonAt returns a value in jsonb's text form.
func jsonAt(a arrow.Array, i int) (datum.Value, error) {
	text, err := json.Marshal(a.GetOneForMarshal(i))
	if err != nil {
		return nil, pgerr.New(pgerr.InvalidText, "cannot be written as JSON: %v", err)
	}
	return datum.CanonicalJSON(string(text))
}
