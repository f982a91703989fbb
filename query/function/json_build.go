package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonConstructors make json and jsonb of SQL values.
func jsonConstructors(k kernels) {
	whole := func(canonical bool) evalFunc {
		return boxedTyped(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
			if args[0] == nil {
				return nil, nil
			}
			e := jsonEncoder{c: c, canonical: canonical, lines: len(args) > 1 && args[1] == true}
			if len(args) > 1 && args[1] == nil {
				return nil, nil
			}
			text, err := e.append(nil, types[0], args[0])
			if err != nil {
				return nil, err
			}
			return e.finish(text)
		})
	}
	k.add(whole(false), "to_json", "row_to_json", "row_to_json_pretty", "array_to_json", "array_to_json_pretty")
	k.add(whole(true), "to_jsonb")
	for prefix, canonical := range map[string]bool{"json": false, "jsonb": true} {
		object := boxedTyped(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
			return buildObject(&jsonEncoder{c: c, canonical: canonical}, prefix, args, types)
		})
		array := boxedTyped(func(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
			return buildArray(&jsonEncoder{c: c, canonical: canonical}, args, types)
		})
		k.add(object, prefix+"_build_object", prefix+"_build_object_noargs")
		k.add(array, prefix+"_build_array", prefix+"_build_array_noargs")
		k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
			a := args[0].(datum.Array)
			switch dims := a.Shape(); {
			case len(dims) > 2:
				return nil, errSubscripts()
			case len(dims) == 2 && dims[1].Len != 2:
				return nil, pgerr.New(pgerr.ArraySubscript, "array must have two columns")
			}
			return objectOfPairs(&jsonEncoder{c: c, canonical: canonical}, a.Values)
		}, datum.TextArray), prefix+"_object")
		k.add(nullable(func(c *Context, args []datum.Value) (datum.Value, error) {
			a, b := args[0].(datum.Array), args[1].(datum.Array)
			if dims := a.Shape(); len(dims) > 1 || len(dims) != len(b.Shape()) {
				return nil, errSubscripts()
			}
			keys, values := a.Values, b.Values
			if len(keys) != len(values) {
				return nil, pgerr.New(pgerr.ArraySubscript, "mismatched array dimensions")
			}
			var pairs []datum.Value
			for i := range keys {
				pairs = append(pairs, keys[i], values[i])
			}
			return objectOfPairs(&jsonEncoder{c: c, canonical: canonical}, pairs)
		}, datum.TextArray), prefix+"_object_two_arg")
	}
}

func errSubscripts() error {
	return pgerr.New(pgerr.ArraySubscript, "wrong number of array subscripts")
}

// buildObject is json_build_object and jsonb_build_object.
func buildObject(e *jsonEncoder, prefix string, args []datum.Value, types []datum.Type) (datum.Value, error) {
	if len(args)%2 != 0 {
		return nil, pgerr.New(pgerr.InvalidParameterValue, "argument list must have even number of elements").
			WithHint("The arguments of %s_build_object() must consist of alternating keys and values.", prefix)
	}
	dst := []byte{'{'}
	for i := 0; i < len(args); i += 2 {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if args[i] == nil {
			err := pgerr.New(pgerr.InvalidParameterValue, "argument %d cannot be null", i+1).WithHint("Object keys should be text.")
			if e.canonical {
				err = pgerr.New(pgerr.InvalidParameterValue, "argument %d: key must not be null", i+1)
			}
			return nil, err
		}
		var err error
		if dst, err = e.appendKey(dst, types[i], args[i]); err != nil {
			return nil, err
		}
		if dst, err = e.append(append(dst, " : "...), types[i+1], args[i+1]); err != nil {
			return nil, err
		}
	}
	return e.finish(append(dst, '}'))
}

func buildArray(e *jsonEncoder, args []datum.Value, types []datum.Type) (datum.Value, error) {
	dst := []byte{'['}
	for i := range args {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		var err error
		if dst, err = e.append(dst, types[i], args[i]); err != nil {
			return nil, err
		}
	}
	return e.finish(append(dst, ']'))
}

// objectOfPairs is json_object: keys and values in turn, all texts.
func objectOfPairs(e *jsonEncoder, pairs []datum.Value) (datum.Value, error) {
	if len(pairs)%2 != 0 {
		return nil, pgerr.New(pgerr.ArraySubscript, "array must have even number of elements")
	}
	dst := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if pairs[i] == nil {
			return nil, pgerr.New(pgerr.NullNotAllowed, "null value not allowed for object key")
		}
		dst = append(datum.AppendJSONString(dst, pairs[i].(string)), " : "...)
		if pairs[i+1] == nil {
			dst = append(dst, "null"...)
		} else {
			dst = datum.AppendJSONString(dst, pairs[i+1].(string))
		}
	}
	return e.finish(append(dst, '}'))
}
