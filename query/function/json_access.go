package function

import (
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonKernels are the functions of json and jsonb.
func jsonKernels(k kernels) {
	jsonAccess(k)
	jsonSets(k)
	jsonEdits(k)
	jsonTests(k)
	jsonCasts(k)
	jsonConstructors(k)
	jsonPaths(k)
	jsonRecords(k)
}

// jsonAccess takes values apart.
func jsonAccess(k kernels) {
	field := func(s, key string) (string, bool, error) { return jsonField(trimJSON(s), key) }
	element := func(s string, i int32) (string, bool, error) {
		v, ok := jsonElement(trimJSON(s), int(i))
		return v, ok, nil
	}
	// To jsonb a scalar is an array of one.
	elementOrScalar := func(s string, i int32) (string, bool, error) {
		if s[0] != '[' && s[0] != '{' {
			return s, i == 0 || i == -1, nil
		}
		return element(s, i)
	}
	for prefix, element := range map[string]func(string, int32) (string, bool, error){"json": element, "jsonb": elementOrScalar} {
		k.add(jsonLookup(field, false), prefix+"_object_field")
		k.add(jsonLookup(field, true), prefix+"_object_field_text")
		k.add(jsonLookup(element, false), prefix+"_array_element")
		k.add(jsonLookup(element, true), prefix+"_array_element_text")
		k.add(jsonPath(false), prefix+"_extract_path")
		k.add(jsonPath(true), prefix+"_extract_path_text")
		k.add(fn1(jsonArrayLength), prefix+"_array_length")
		k.add(fn1(func(s string) (string, error) { return jsonTypeNames[jsonKind(trimJSON(s))], nil }), prefix+"_typeof")
	}
}

var jsonTypeNames = [...]string{datum.KindNull: "null", datum.KindString: "string", datum.KindNumber: "number",
	datum.KindBool: "boolean", datum.KindArray: "array", datum.KindObject: "object"}

// jsonLookup makes a kernel that finds a part of a value by a key or an index,
// NULL if there is none.
func jsonLookup[K string | int32](find func(s string, key K) (string, bool, error), text bool) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args[:2]) {
			return allNull(c.Mem, ret, n), nil
		}
		docs, keys := reader[string](args[0]), keyReader[K](args[1])
		return jsonRows(c, args[:2], n, ret, func(i int) (string, bool, error) {
			v, ok, err := find(docs(i), keys(i))
			if err != nil || !ok || !text {
				return v, ok, err
			}
			return asText(v)
		})
	}
}

func keyReader[K string | int32](v Vec) func(int) K {
	var z K
	switch any(z).(type) {
	case string:
		return any(reader[string](v)).(func(int) K)
	default:
		return any(reader[int32](v)).(func(int) K)
	}
}

// jsonRows builds a text result of which rows may be NULL.
func jsonRows(c *Context, args []Vec, n int, ret datum.Type, f func(i int) (string, bool, error)) (arrow.Array, error) {
	mask := strictNulls(c.Mem, args, n)
	defer mask.release()
	w := newWriter[string](c, n, ret)
	defer w.Release()
	poll := c.poller(args, n)
	for i := range n {
		if mask.null(i) {
			w.AppendNull()
			continue
		}
		s, ok, err := f(i)
		if err == nil {
			err = poll(i)
		}
		switch {
		case err != nil:
			return nil, err
		case !ok:
			w.AppendNull()
			continue
		}
		w.append(s)
		if err := w.full(c); err != nil {
			return nil, err
		}
	}
	return w.NewArray(), nil
}

// jsonPath makes the kernel of #> and #>>, whose path is an array, and of
// json_extract_path, whose path is the arguments.
func jsonPath(text bool) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		docs, path := reader[string](args[0]), pathReader(args[1:])
		return jsonRows(c, args, n, ret, func(i int) (string, bool, error) {
			v := trimJSON(docs(i))
			steps, known := path(i)
			if !known {
				return "", false, nil
			}
			for _, step := range steps {
				var ok bool
				var err error
				if v, ok, err = jsonStep(v, step); err != nil || !ok {
					return "", false, err
				}
			}
			if !text {
				return v, true, nil
			}
			return asText(v)
		})
	}
}

// pathReader reads a path from one array or several texts; known is false if a
// step is NULL.
func pathReader(args []Vec) func(i int) (steps []string, known bool) {
	if lists, ok := datum.ListsOf(args[0].Array); ok && len(args) == 1 {
		texts := lists.Values().(*array.String)
		return func(i int) ([]string, bool) {
			from, to := lists.Range(args[0].At(i))
			steps := make([]string, 0, to-from)
			for j := from; j < to; j++ {
				if texts.IsNull(j) {
					return nil, false
				}
				steps = append(steps, texts.Value(j))
			}
			return steps, true
		}
	}
	return func(i int) ([]string, bool) {
		steps := make([]string, len(args))
		for j, a := range args {
			steps[j] = a.Array.(*array.String).Value(a.At(i))
		}
		return steps, true
	}
}

// jsonStep goes one step down: into an object by a key, into an array by a number.
func jsonStep(v, step string) (string, bool, error) {
	switch v[0] {
	case '{':
		return jsonField(v, step)
	case '[':
		i, ok := pathIndex(step)
		if !ok {
			return "", false, nil
		}
		e, ok := jsonElement(v, i)
		return e, ok, nil
	}
	return "", false, nil
}

// pathIndex reads a step as an index, as C's strtoint does.
func pathIndex(step string) (int, bool) {
	i, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimLeft(step, " \t\n\v\f\r"), "+"), 10, 32)
	return int(i), err == nil
}

func jsonArrayLength(s string) (int32, error) {
	s = trimJSON(s)
	switch jsonKind(s) {
	case datum.KindArray:
		return int32(jsonLength(s)), nil
	case datum.KindObject:
		return 0, pgerr.New(pgerr.InvalidParameterValue, "cannot get array length of a non-array")
	}
	return 0, pgerr.New(pgerr.InvalidParameterValue, "cannot get array length of a scalar")
}
