package function

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// assignOID is the OID of the functions of this file, which pg_proc does not list.
const assignOID datum.OID = 9948

// AssignJSONB returns the function that sets the value at a path of a jsonb, as col['a'][1] = value in
// SET does. Its arguments are the jsonb, the value and the steps of the path as text. first says that
// the first step is a number, which makes an array of a NULL.
func AssignJSONB(steps int, first bool) *Function {
	args := []datum.OID{datum.JSONB, datum.JSONB}
	for range steps {
		args = append(args, datum.Text)
	}
	empty := "{}"
	if first {
		empty = "[]"
	}
	return &Function{OID: assignOID, Name: "jsonb_subscript_handler", Args: args, Ret: datum.JSONB, Volatility: Immutable,
		Eval: boxed(func(_ *Context, v []datum.Value) (datum.Value, error) { return assignJSONB(empty, v) }, args...)}
}

// AssignElement returns the function that sets an element of an array. Its arguments are the array, the
// element and its subscripts.
func AssignElement(array datum.Type, subscripts int) *Function {
	elem, _ := array.Elem()
	types := []datum.Type{array, elem}
	for range subscripts {
		types = append(types, datum.Of(datum.Int4))
	}
	return arrayAssignment(func(v []datum.Value) (datum.Value, error) {
		at := make([]int32, subscripts)
		for i, s := range v[2:] {
			if s == nil {
				return nil, nullSubscript()
			}
			at[i] = s.(int32)
		}
		return arrayOrEmpty(elem, v[0]).WithElement(at, v[1], mostNulls)
	}, types...)
}

// AssignSlice returns the function that sets several elements of an array. Its arguments are the array, an
// array, and the bounds that HasLower and HasUpper of bounds say are given.
func AssignSlice(array datum.Type, bounds []datum.Bounds) *Function {
	types := []datum.Type{array, array}
	for _, b := range bounds {
		for _, given := range []bool{b.HasLower, b.HasUpper} {
			if given {
				types = append(types, datum.Of(datum.Int4))
			}
		}
	}
	elem, _ := array.Elem()
	return arrayAssignment(func(v []datum.Value) (datum.Value, error) {
		given := v[2:]
		if slices.Contains(given, nil) {
			return nil, nullSubscript()
		}
		at := slices.Clone(bounds)
		for i := range at {
			if at[i].HasLower {
				at[i].Lower, given = given[0].(int32), given[1:]
			}
			if at[i].HasUpper {
				at[i].Upper, given = given[0].(int32), given[1:]
			}
		}
		if v[1] == nil {
			return arrayOrEmpty(elem, v[0]), nil
		}
		return arrayOrEmpty(elem, v[0]).WithSlice(at, v[1].(datum.Array), mostNulls)
	}, types...)
}

func arrayOrEmpty(elem datum.Type, v datum.Value) datum.Array {
	if a, ok := v.(datum.Array); ok {
		return a
	}
	return datum.Array{Elem: elem}
}

func arrayAssignment(set func(v []datum.Value) (datum.Value, error), types ...datum.Type) *Function {
	f := &Function{OID: assignOID, Name: "array_subscript_handler", Ret: types[0].OID, Volatility: Immutable}
	for _, t := range types {
		f.Args = append(f.Args, t.OID)
	}
	f.Eval = func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		typed := make([]Vec, len(args))
		for i, a := range args {
			a.T = types[i]
			typed[i] = a
		}
		return boxed(func(_ *Context, v []datum.Value) (datum.Value, error) { return set(v) })(c, typed, n, ret)
	}
	return f
}

func assignJSONB(empty string, args []datum.Value) (datum.Value, error) {
	text, value := empty, "null"
	if args[0] != nil {
		text = args[0].(string)
	}
	if args[1] != nil {
		value = args[1].(string)
	}
	for _, step := range args[2:] {
		if step == nil {
			return nil, pgerr.New(pgerr.NullNotAllowed, "jsonb subscript in assignment must not be null")
		}
	}
	doc, err := datum.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	v, err := datum.ParseJSON(value)
	if err != nil {
		return nil, err
	}
	a := pathAssigner{path: args[2:], value: v}
	if doc, err = a.assign(doc, 0); err != nil {
		return nil, err
	}
	return string(doc.AppendText(nil)), nil
}

// A pathAssigner sets a value: it makes what the path does not find, with nulls before it in arrays.
type pathAssigner struct {
	path  []datum.Value
	value datum.JSONValue
}

func (a *pathAssigner) step(level int) string { return a.path[level].(string) }

func (a *pathAssigner) assign(v datum.JSONValue, level int) (datum.JSONValue, error) {
	if level == len(a.path) {
		return a.value, nil
	}
	switch v.Kind {
	case datum.KindObject:
		return a.assignMember(v, level)
	case datum.KindArray:
		return a.assignElement(v, level)
	}
	return v, pgerr.New(pgerr.InvalidParameterValue, "cannot replace existing key").
		WithDetail("The path assumes key is a composite object, but it is a scalar value.")
}

func (a *pathAssigner) assignMember(v datum.JSONValue, level int) (datum.JSONValue, error) {
	key := a.step(level)
	keys := append([]string(nil), v.Keys...)
	elems := append([]datum.JSONValue(nil), v.Elems...)
	var err error
	if i, ok := v.FieldIndex(key); ok {
		elems[i], err = a.assign(elems[i], level+1)
		return datum.NewJSONObject(keys, elems), err
	}
	made, err := a.make(level + 1)
	return datum.NewJSONObject(append(keys, key), append(elems, made)), err
}

func (a *pathAssigner) assignElement(v datum.JSONValue, level int) (datum.JSONValue, error) {
	index, ok := pathIndex(a.step(level))
	if !ok {
		return v, pgerr.New(pgerr.InvalidText, "path element at position %d is not an integer: \"%s\"", level+1, a.step(level))
	}
	at := index
	if at < 0 {
		if at += len(v.Elems); at < 0 {
			return v, pgerr.New(pgerr.InvalidParameterValue, "path element at position %d is out of range: %d", level+1, index)
		}
	}
	elems := append([]datum.JSONValue(nil), v.Elems...)
	var err error
	if at < len(elems) {
		elems[at], err = a.assign(elems[at], level+1)
	} else if elems, err = withNulls(elems, at); err == nil {
		var made datum.JSONValue
		made, err = a.make(level + 1)
		elems = append(elems, made)
	}
	v.Elems = elems
	return v, err
}

// make makes what the rest of the path leads through: arrays where a step is a number, else objects.
func (a *pathAssigner) make(level int) (datum.JSONValue, error) {
	if level == len(a.path) {
		return a.value, nil
	}
	inner, err := a.make(level + 1)
	if err != nil {
		return inner, err
	}
	at, ok := pathIndex(a.step(level))
	if !ok {
		return datum.NewJSONObject([]string{a.step(level)}, []datum.JSONValue{inner}), nil
	}
	elems, err := withNulls(nil, at)
	return datum.JSONValue{Kind: datum.KindArray, Elems: append(elems, inner)}, err
}

// mostNulls bounds the elements that an assignment makes before the one that it sets.
const mostNulls = 1 << 20

// withNulls appends nulls until there are n elements.
func withNulls(elems []datum.JSONValue, n int) ([]datum.JSONValue, error) {
	if n-len(elems) > mostNulls {
		return nil, tooManyNulls()
	}
	for len(elems) < n {
		elems = append(elems, datum.JSONValue{})
	}
	return elems, nil
}

func tooManyNulls() error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "an assignment to an element cannot add more than %d elements before it", mostNulls)
}

func nullSubscript() error {
	return pgerr.New(pgerr.NullNotAllowed, "array subscript in assignment must not be null")
}
