package function

import (
	"io"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonSets are the functions that return a row for each part of a value.
func jsonSets(k kernels) {
	for _, prefix := range []string{"json", "jsonb"} {
		k.addSet(jsonMembers(prefix+"_each", false), prefix+"_each")
		k.addSet(jsonMembers(prefix+"_each_text", true), prefix+"_each_text")
		k.addSet(jsonKeys(prefix+"_object_keys"), prefix+"_object_keys")
		k.addSet(jsonElements(prefix+"_array_elements", false), prefix+"_array_elements")
		k.addSet(jsonElements(prefix+"_array_elements_text", true), prefix+"_array_elements_text")
	}
}

// jsonb says whether a function is one of jsonb, which words its errors otherwise.
func jsonb(name string) bool { return len(name) > 4 && name[4] == 'b' }

func badJSONCall(format string, args ...any) error {
	return pgerr.New(pgerr.InvalidParameterValue, format, args...)
}

// jsonParts yields the rows that row makes of the parts of a value.
func jsonParts(s string, row func(key, value string) ([]datum.Value, error)) (SetResult, error) {
	type part struct{ key, value string }
	var parts []part
	eachJSON(s, func(k, v string) bool {
		parts = append(parts, part{k, v})
		return true
	})
	return rowsFunc(func() ([]datum.Value, error) {
		if len(parts) == 0 {
			return nil, io.EOF
		}
		p := parts[0]
		parts = parts[1:]
		return row(p.key, p.value)
	}), nil
}

func jsonMembers(name string, text bool) setFunc {
	return func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		s := trimJSON(args[0].(string))
		switch kind := jsonKind(s); {
		case kind == datum.KindObject:
		case jsonb(name):
			return nil, badJSONCall("cannot call %s on a non-object", name)
		case kind == datum.KindArray:
			return nil, badJSONCall("cannot deconstruct an array as an object")
		default:
			return nil, badJSONCall("cannot deconstruct a scalar")
		}
		return jsonParts(s, func(key, value string) ([]datum.Value, error) {
			k, err := jsonText(key)
			if err != nil {
				return nil, err
			}
			v, err := partValue(value, text)
			return []datum.Value{k, v}, err
		})
	}
}

// partValue is a part as JSON or as text.
func partValue(value string, text bool) (datum.Value, error) {
	if !text {
		return value, nil
	}
	s, ok, err := asText(value)
	if err != nil || !ok {
		return nil, err
	}
	return s, nil
}

func jsonKeys(name string) setFunc {
	return func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		s := trimJSON(args[0].(string))
		switch jsonKind(s) {
		case datum.KindObject:
		case datum.KindArray:
			return nil, badJSONCall("cannot call %s on an array", name)
		default:
			return nil, badJSONCall("cannot call %s on a scalar", name)
		}
		return jsonParts(s, func(key, _ string) ([]datum.Value, error) {
			k, err := jsonText(key)
			return []datum.Value{k}, err
		})
	}
}

func jsonElements(name string, text bool) setFunc {
	return func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		s := trimJSON(args[0].(string))
		switch kind := jsonKind(s); {
		case kind == datum.KindArray:
		case jsonb(name) && kind == datum.KindObject:
			return nil, badJSONCall("cannot extract elements from an object")
		case jsonb(name):
			return nil, badJSONCall("cannot extract elements from a scalar")
		case kind == datum.KindObject:
			return nil, badJSONCall("cannot call %s on a non-array", name)
		default:
			return nil, badJSONCall("cannot call %s on a scalar", name)
		}
		return jsonParts(s, func(_, value string) ([]datum.Value, error) {
			v, err := partValue(value, text)
			return []datum.Value{v}, err
		})
	}
}
