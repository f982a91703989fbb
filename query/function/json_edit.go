package function

import (
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonEdits make changed copies of jsonb values.
func jsonEdits(k kernels) {
	k.add(fn2(jsonConcat), "jsonb_concat")
	k.add(fn2(func(s, key string) (string, error) { return jsonDelete(s, []string{key}) }), "jsonb_delete")
	k.add(jsonDeleteAll, "jsonb_delete_array")
	k.add(fn2(jsonDeleteIndex), "jsonb_delete_idx")
	k.add(fn2(func(s string, path datum.Array) (string, error) {
		return editPath(s, path, nil, deleteAt, "cannot delete path in scalar")
	}), "jsonb_delete_path")
	k.add(nullable(func(_ *Context, args []datum.Value) (datum.Value, error) {
		how := replaceAt | createAt
		if len(args) > 3 && !args[3].(bool) {
			how = replaceAt
		}
		return setPath(args, how)
	}, datum.JSONB, datum.TextArray, datum.JSONB, datum.Bool), "jsonb_set")
	k.add(nullable(func(_ *Context, args []datum.Value) (datum.Value, error) {
		how := insertBefore
		if len(args) > 3 && args[3].(bool) {
			how = insertAfter
		}
		return setPath(args, how)
	}, datum.JSONB, datum.TextArray, datum.JSONB, datum.Bool), "jsonb_insert")
	k.add(boxed(jsonSetLax, datum.JSONB, datum.TextArray, datum.JSONB, datum.Bool, datum.Text), "jsonb_set_lax")
	k.add(fn1(func(s string) (string, error) {
		v, err := datum.ParseJSON(s)
		return string(appendPretty(nil, &v, 0)), err
	}), "jsonb_pretty")
	k.add(fn1(func(s string) (string, error) {
		v, err := datum.ParseJSON(s)
		stripNulls(&v)
		return string(v.AppendText(nil)), err
	}), "jsonb_strip_nulls")
	k.add(fn1(func(s string) (string, error) {
		dst, err := appendStripped(nil, trimJSON(s))
		return string(dst), err
	}), "json_strip_nulls")
}

// jsonConcat merges two objects, and makes one array of all else.
func jsonConcat(a, b string) (string, error) {
	x, err := datum.ParseJSON(a)
	if err != nil {
		return "", err
	}
	y, err := datum.ParseJSON(b)
	if err != nil {
		return "", err
	}
	if x.Kind == datum.KindObject && y.Kind == datum.KindObject {
		v := datum.NewJSONObject(append(x.Keys, y.Keys...), append(x.Elems, y.Elems...)) // the last of equal keys wins
		return string(v.AppendText(nil)), nil
	}
	v := datum.JSONValue{Kind: datum.KindArray, Elems: append(elementsOf(x), elementsOf(y)...)}
	return string(v.AppendText(nil)), nil
}

// elementsOf are the elements of an array, or the value itself.
func elementsOf(v datum.JSONValue) []datum.JSONValue {
	if v.Kind == datum.KindArray {
		return v.Elems
	}
	return []datum.JSONValue{v}
}

// jsonDelete takes keys out of an object, or equal strings out of an array.
func jsonDelete(s string, keys []string) (string, error) {
	v, err := datum.ParseJSON(s)
	if err != nil {
		return "", err
	}
	switch v.Kind {
	case datum.KindObject:
		removeParts(&v, func(i int) bool { return slices.Contains(keys, v.Keys[i]) })
	case datum.KindArray:
		removeParts(&v, func(i int) bool { return v.Elems[i].Kind == datum.KindString && slices.Contains(keys, v.Elems[i].Text) })
	default:
		return "", badJSONCall("cannot delete from scalar")
	}
	return string(v.AppendText(nil)), nil
}

// removeParts takes out the parts for which drop is true.
func removeParts(v *datum.JSONValue, drop func(i int) bool) {
	kept := datum.JSONValue{Kind: v.Kind}
	for i := range v.Elems {
		if drop(i) {
			continue
		}
		kept.Elems = append(kept.Elems, v.Elems[i])
		if v.Kind == datum.KindObject {
			kept.Keys = append(kept.Keys, v.Keys[i])
		}
	}
	*v = kept
}

// jsonDeleteAll is jsonb - text[], whose second argument is an array, and
// jsonb_delete, which has several.
func jsonDeleteAll(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	docs := reader[string](args[0])
	var keys func(i int) []string
	if _, isArray := datum.ElementsOf(args[1].DataType()); isArray && len(args) == 2 {
		arrays := reader[datum.Array](args[1])
		keys = func(i int) (out []string) {
			for _, v := range arrays(i).Values {
				if v != nil {
					out = append(out, v.(string))
				}
			}
			return out
		}
	} else {
		path := pathReader(args[1:])
		keys = func(i int) []string { steps, _ := path(i); return steps }
	}
	return rows(c, args, n, ret, func(i int) (string, error) { return jsonDelete(docs(i), keys(i)) })
}

func jsonDeleteIndex(s string, index int32) (string, error) {
	v, err := datum.ParseJSON(s)
	if err != nil {
		return "", err
	}
	switch v.Kind {
	case datum.KindObject:
		return "", badJSONCall("cannot delete from object using integer index")
	case datum.KindArray:
	default:
		return "", badJSONCall("cannot delete from scalar")
	}
	at := int(index)
	if at < 0 {
		at += len(v.Elems)
	}
	removeParts(&v, func(i int) bool { return i == at })
	return string(v.AppendText(nil)), nil
}

// A pathEdit is what happens at the end of a path.
type pathEdit uint8

const (
	replaceAt pathEdit = 1 << iota
	createAt           // add what is not there
	insertBefore
	insertAfter
	deleteAt
)

const adds = createAt | insertBefore | insertAfter

func setPath(args []datum.Value, how pathEdit) (datum.Value, error) {
	value, err := datum.ParseJSON(args[2].(string))
	if err != nil {
		return nil, err
	}
	return editPath(args[0].(string), args[1].(datum.Array), &value, how, "cannot set path in scalar")
}

// editPath changes the value at a path; what the path does not lead to stays.
func editPath(s string, path datum.Array, value *datum.JSONValue, how pathEdit, scalar string) (string, error) {
	if len(path.Shape()) > 1 {
		return "", errSubscripts()
	}
	v, err := datum.ParseJSON(s)
	if err != nil {
		return "", err
	}
	if v.Kind != datum.KindObject && v.Kind != datum.KindArray {
		return "", badJSONCall("%s", scalar)
	}
	if len(path.Values) == 0 || len(v.Elems) == 0 && how&adds == 0 {
		return s, nil
	}
	e := pathEditor{path: path.Values, value: value, how: how}
	if v, err = e.edit(v, 0); err != nil {
		return "", err
	}
	return string(v.AppendText(nil)), nil
}

type pathEditor struct {
	path  []datum.Value
	value *datum.JSONValue
	how   pathEdit
}

func (e *pathEditor) edit(v datum.JSONValue, level int) (datum.JSONValue, error) {
	if e.path[level] == nil {
		return v, pgerr.New(pgerr.NullNotAllowed, "path element at position %d is null", level+1)
	}
	switch v.Kind {
	case datum.KindObject:
		return e.editObject(v, level)
	case datum.KindArray:
		return e.editArray(v, level)
	}
	return v, nil
}

func (e *pathEditor) editObject(v datum.JSONValue, level int) (datum.JSONValue, error) {
	key, last := e.path[level].(string), level == len(e.path)-1
	i := slices.Index(v.Keys, key)
	switch {
	case i < 0 && last && e.how&adds != 0:
		return datum.NewJSONObject(append(slices.Clone(v.Keys), key), append(slices.Clone(v.Elems), *e.value)), nil
	case i < 0:
		return v, nil
	case last && e.how&(insertBefore|insertAfter) != 0:
		return v, pgerr.New(pgerr.InvalidParameterValue, "cannot replace existing key").
			WithHint("Try using the function jsonb_set to replace key value.")
	case last && e.how&deleteAt != 0:
		removeParts(&v, func(j int) bool { return i == j })
		return v, nil
	}
	elems := slices.Clone(v.Elems)
	if last {
		elems[i] = *e.value
	} else {
		var err error
		if elems[i], err = e.edit(elems[i], level+1); err != nil {
			return v, err
		}
	}
	v.Elems = elems
	return v, nil
}

func (e *pathEditor) editArray(v datum.JSONValue, level int) (datum.JSONValue, error) {
	step, last := e.path[level].(string), level == len(e.path)-1
	index, ok := pathIndex(step)
	if !ok {
		return v, pgerr.New(pgerr.InvalidText, "path element at position %d is not an integer: \"%s\"", level+1, step)
	}
	n := len(v.Elems)
	before := index < 0 && -index > n // of the first element
	if index < 0 {
		index += n
	}
	index = min(index, n)
	if before || index == n {
		if !last || e.how&adds == 0 {
			return v, nil
		}
		at := index
		if before {
			at = 0
		}
		v.Elems = slices.Insert(slices.Clone(v.Elems), at, *e.value)
		return v, nil
	}
	elems := slices.Clone(v.Elems)
	switch {
	case !last:
		var err error
		if elems[index], err = e.edit(elems[index], level+1); err != nil {
			return v, err
		}
	case e.how&insertBefore != 0:
		elems = slices.Insert(elems, index, *e.value)
	case e.how&insertAfter != 0:
		elems = slices.Insert(elems, index+1, *e.value)
	case e.how&deleteAt != 0:
		elems = slices.Delete(elems, index, index+1)
	default:
		elems[index] = *e.value
	}
	v.Elems = elems
	return v, nil
}

// jsonSetLax is jsonb_set that says what a NULL does.
func jsonSetLax(_ *Context, args []datum.Value) (datum.Value, error) {
	if args[0] == nil || args[1] == nil || len(args) > 3 && args[3] == nil {
		return nil, nil
	}
	treatment := datum.Value("use_json_null")
	if len(args) > 4 {
		treatment = args[4]
	}
	how := replaceAt | createAt
	if len(args) > 3 && !args[3].(bool) {
		how = replaceAt
	}
	bad := pgerr.New(pgerr.InvalidParameterValue,
		"null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"")
	switch {
	case treatment == nil:
		return nil, bad
	case args[2] != nil:
		return setPath(args, how)
	}
	switch treatment.(string) {
	case "raise_exception":
		return nil, pgerr.New(pgerr.NullNotAllowed, "JSON value must not be null").
			WithDetail("Exception was raised because null_value_treatment is \"raise_exception\".").
			WithHint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")
	case "use_json_null":
		return setPath([]datum.Value{args[0], args[1], "null"}, how)
	case "delete_key":
		return editPath(args[0].(string), args[1].(datum.Array), nil, deleteAt, "cannot delete path in scalar")
	case "return_target":
		return args[0], nil
	}
	return nil, bad
}

func appendPretty(dst []byte, v *datum.JSONValue, depth int) []byte {
	object := v.Kind == datum.KindObject
	if !object && v.Kind != datum.KindArray {
		return v.AppendText(dst)
	}
	brackets := "[]"
	if object {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	line := func(depth int) { dst = append(dst, "\n"+strings.Repeat("    ", depth)...) }
	for i := range v.Elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		line(depth + 1)
		if object {
			dst = append(datum.AppendJSONString(dst, v.Keys[i]), ": "...)
		}
		dst = appendPretty(dst, &v.Elems[i], depth+1)
	}
	line(depth)
	return append(dst, brackets[1])
}

// stripNulls takes the members that are null out of objects, all the way down.
func stripNulls(v *datum.JSONValue) {
	if v.Kind == datum.KindObject {
		removeParts(v, func(i int) bool { return v.Elems[i].Kind == datum.KindNull })
	}
	elems := slices.Clone(v.Elems)
	for i := range elems {
		stripNulls(&elems[i])
	}
	v.Elems = elems
}

// appendStripped does the same to json's text, of which it leaves out blanks.
func appendStripped(dst []byte, s string) ([]byte, error) {
	if s[0] != '{' && s[0] != '[' {
		if s[0] != '"' {
			return append(dst, s...), nil
		}
		text, err := jsonText(s)
		return datum.AppendJSONString(dst, text), err
	}
	var failed error
	dst = append(dst, s[0])
	first := true
	eachJSON(s, func(key, value string) bool {
		if key != "" && value == "null" {
			return true
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if key != "" {
			var text string
			if text, failed = jsonText(key); failed != nil {
				return false
			}
			dst = append(datum.AppendJSONString(dst, text), ':')
		}
		dst, failed = appendStripped(dst, value)
		return failed == nil
	})
	return append(dst, s[len(s)-1]), failed
}
