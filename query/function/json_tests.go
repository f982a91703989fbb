package function

import (
	"math"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonTests are @>, ? and their like, of jsonb.
func jsonTests(k kernels) {
	k.add(fn2(jsonContains), "jsonb_contains")
	k.add(fn2(func(a, b string) (bool, error) { return jsonContains(b, a) }), "jsonb_contained")
	k.add(fn2(jsonExists), "jsonb_exists")
	k.add(fn2(func(s string, keys datum.Array) (bool, error) {
		for _, key := range keys.Values {
			if key == nil {
				continue
			}
			if ok, err := jsonExists(s, key.(string)); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}), "jsonb_exists_any")
	k.add(fn2(func(s string, keys datum.Array) (bool, error) {
		for _, key := range keys.Values {
			if key == nil {
				continue
			}
			if ok, err := jsonExists(s, key.(string)); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}), "jsonb_exists_all")
}

// jsonExists says whether a string is a key of an object, an element of an
// array, or the value itself.
func jsonExists(s, key string) (found bool, err error) {
	switch s[0] {
	case '{':
		_, found, err = jsonField(s, key)
	case '[':
		eachJSON(s, func(_, v string) bool {
			if v[0] == '"' {
				var text string
				text, err = jsonText(v)
				found = err == nil && text == key
			}
			return !found && err == nil
		})
	case '"':
		var text string
		text, err = jsonText(s)
		found = text == key
	}
	return found, err
}

func jsonContains(a, b string) (bool, error) {
	x, err := datum.ParseJSON(a)
	if err != nil {
		return false, err
	}
	y, err := datum.ParseJSON(b)
	if err != nil {
		return false, err
	}
	// An array contains a scalar as if that were an array of one.
	if x.Kind == datum.KindArray && y.Kind != datum.KindArray && y.Kind != datum.KindObject {
		return arrayHas(&x, &y), nil
	}
	return contains(&x, &y), nil
}

// contains says whether b is found in a: objects with these members, arrays with
// these elements in any order, equal scalars.
func contains(a, b *datum.JSONValue) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case datum.KindObject:
		for i := range b.Keys {
			v, ok := a.Field(b.Keys[i])
			if !ok || !contains(&v, &b.Elems[i]) {
				return false
			}
		}
		return true
	case datum.KindArray:
		for i := range b.Elems {
			if !arrayHas(a, &b.Elems[i]) {
				return false
			}
		}
		return true
	}
	return a.Compare(b) == 0
}

func arrayHas(a, b *datum.JSONValue) bool {
	for i := range a.Elems {
		if contains(&a.Elems[i], b) {
			return true
		}
	}
	return false
}

// jsonCasts are the casts of jsonb to booleans and numbers.
func jsonCasts(k kernels) {
	k.add(fn1(func(s string) (bool, error) {
		if jsonKind(s) != datum.KindBool {
			return false, cannotCastJSON(s, datum.Bool)
		}
		return s == "true", nil
	}), "jsonb_bool")
	k.add(fn1(func(s string) (datum.Decimal, error) { return jsonNumber(s, datum.Numeric) }), "jsonb_numeric")
	k.add(fn1(jsonToInt[int16](datum.Int2)), "jsonb_int2")
	k.add(fn1(jsonToInt[int32](datum.Int4)), "jsonb_int4")
	k.add(fn1(jsonToInt[int64](datum.Int8)), "jsonb_int8")
	k.add(fn1(func(s string) (float64, error) {
		d, err := jsonNumber(s, datum.Float8)
		if err != nil {
			return math.NaN(), err
		}
		return numericToFloat8(d)
	}), "jsonb_float8")
	k.add(fn1(func(s string) (float32, error) {
		d, err := jsonNumber(s, datum.Float4)
		if err != nil {
			return 0, err
		}
		return numericToFloat4(d)
	}), "jsonb_float4")
}

func cannotCastJSON(s string, t datum.OID) error {
	what := map[datum.JSONKind]string{datum.KindNull: "null", datum.KindString: "string", datum.KindNumber: "numeric",
		datum.KindBool: "boolean", datum.KindArray: "array", datum.KindObject: "object"}[jsonKind(s)]
	return pgerr.New(pgerr.InvalidParameterValue, "cannot cast jsonb %s to type %s", what, datum.Of(t))
}

func jsonNumber(s string, t datum.OID) (datum.Decimal, error) {
	if jsonKind(s) != datum.KindNumber {
		return datum.Decimal{}, cannotCastJSON(s, t)
	}
	return datum.ParseDecimal(s)
}

func jsonToInt[T integer](t datum.OID) func(string) (T, error) {
	return func(s string) (T, error) {
		d, err := jsonNumber(s, t)
		if err != nil {
			return 0, err
		}
		return numericToInt[T](d)
	}
}
