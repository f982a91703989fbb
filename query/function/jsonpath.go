package function

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpath"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonPaths are the functions of type jsonpath. Those of which the name ends in _tz may use the
// session's time zone; operators are silent.
func jsonPaths(k kernels) {
	for suffix, zones := range map[string]bool{"": false, "_tz": true} {
		k.add(pathKernel(zones, false, pathExists), "jsonb_path_exists"+suffix)
		k.add(pathKernel(zones, false, pathMatch), "jsonb_path_match"+suffix)
		k.add(pathKernel(zones, false, pathQueryArray), "jsonb_path_query_array"+suffix)
		k.add(pathKernel(zones, false, pathQueryFirst), "jsonb_path_query_first"+suffix)
		k.addSet(pathQuery(zones), "jsonb_path_query"+suffix)
	}
	k.add(pathKernel(false, true, pathExists), "jsonb_path_exists_opr")
	k.add(pathKernel(false, true, pathMatch), "jsonb_path_match_opr")
}

// ParseJSONPath is the input function of jsonpath: datum.Parse, which does not look into the patterns of
// like_regex, and these.
func ParseJSONPath(s string) (datum.Value, error) {
	p, err := datum.ParseJSONPath(s)
	if err != nil {
		return nil, err
	}
	if _, err := pathRegexes(p); err != nil {
		return nil, err
	}
	return string(p.Append(nil, datum.AppendJSONString)), nil
}

// pathRegexes compiles the patterns of a path.
func pathRegexes(p *jsonpath.Path) (map[*jsonpath.Item]*regex, error) {
	var out map[*jsonpath.Item]*regex
	return out, p.Walk(func(it *jsonpath.Item) error {
		if it.Op != jsonpath.LikeRegex {
			return nil
		}
		re, err := compileRegex(it.Text, regexFlags{fold: it.Flags.Fold, newlineDot: it.Flags.DotAll, multiline: it.Flags.Lines, literal: it.Flags.Literal})
		if err != nil {
			return err
		}
		if out == nil {
			out = map[*jsonpath.Item]*regex{}
		}
		out[it] = re
		return nil
	})
}

// A pathCall is a call of one of the functions.
type pathCall struct {
	pathRun
	path   *jsonpath.Path
	silent bool
}

// A pathCache keeps the last path parsed, which mostly is the only one.
type pathCache struct {
	text    string
	path    *jsonpath.Path
	regexes map[*jsonpath.Item]*regex
}

func (p *pathCache) get(text string) error {
	if p.path != nil && p.text == text {
		return nil
	}
	path, err := datum.ParseJSONPath(text)
	if err != nil {
		return err
	}
	regexes, err := pathRegexes(path)
	if err != nil {
		return err
	}
	*p = pathCache{text, path, regexes}
	return nil
}

// call prepares a call with arguments document, path and maybe variables and silent.
func (p *pathCache) call(c *Context, args []datum.Value, zones bool) (*pathCall, error) {
	if err := p.get(args[1].(string)); err != nil {
		return nil, err
	}
	doc, err := datum.ParseJSON(args[0].(string))
	if err != nil {
		return nil, err
	}
	call := &pathCall{pathRun: pathRun{c: c, zones: zones, root: &doc, regexes: p.regexes}, path: p.path}
	if len(args) > 2 {
		vars, err := datum.ParseJSON(args[2].(string))
		if err != nil {
			return nil, err
		}
		if vars.Kind != datum.KindObject {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "\"vars\" argument is not an object").
				WithDetail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.")
		}
		call.vars = &vars
	}
	if len(args) > 3 {
		call.silent = args[3].(bool)
	}
	return call, nil
}

func pathKernel(zones, silent bool, f func(*pathCall) (datum.Value, error)) evalFunc {
	types := []datum.OID{datum.JSONB, datum.JSONPath, datum.JSONB, datum.Bool}
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		var cache pathCache
		return strictBoxed(func(c *Context, v []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			call, err := cache.call(c, v, zones)
			if err != nil {
				return nil, err
			}
			call.silent = call.silent || silent
			return f(call)
		}, types...)(c, args, n, ret)
	}
}

// suppressed is an error that a silent call passes on.
func (p *pathCall) suppressed(err error) error {
	if f, ok := err.(pathFault); ok {
		if p.silent {
			return nil
		}
		return f.error
	}
	return err
}

// find returns all values, or those before an error that is suppressed.
func (p *pathCall) find() ([]pathItem, error) {
	var found []pathItem
	err := p.run(p.path, p.all(&found))
	return found, p.suppressed(err)
}

// pathExists stops at the first value in lax mode; in strict mode there must be no error.
func pathExists(p *pathCall) (datum.Value, error) {
	found := false
	err := p.run(p.path, sink{exists: !p.path.Strict, take: func(pathItem) (bool, error) {
		found = true
		return p.path.Strict, nil
	}})
	if isFault(err) {
		return nil, p.suppressed(err)
	}
	return found, err
}

func pathMatch(p *pathCall) (datum.Value, error) {
	found, err := p.find()
	if err != nil {
		return nil, err
	}
	if len(found) == 1 && found[0].is(datum.KindBool) {
		return found[0].Bool, nil
	}
	if len(found) == 1 && found[0].is(datum.KindNull) || p.silent {
		return nil, nil
	}
	return nil, pgerr.New(pgerr.JSONNotSingleton, "single boolean result is expected")
}

func pathQueryArray(p *pathCall) (datum.Value, error) {
	found, err := p.find()
	if err != nil {
		return nil, err
	}
	v := datum.JSONValue{Kind: datum.KindArray}
	for _, f := range found {
		v.Elems = append(v.Elems, f.value())
	}
	return string(v.AppendText(nil)), nil
}

func pathQueryFirst(p *pathCall) (datum.Value, error) {
	found, err := p.find()
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].json(), nil
}

// value is an item as JSON, in which dates and times are strings.
func (v pathItem) value() datum.JSONValue {
	if v.at != nil {
		return datum.JSONValue{Kind: datum.KindString, Text: v.at.text()}
	}
	return *v.JSONValue
}

func (v pathItem) json() string {
	value := v.value()
	return string(value.AppendText(nil))
}

func pathQuery(zones bool) setFunc {
	return func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		var cache pathCache
		call, err := cache.call(c, args, zones)
		if err != nil {
			return nil, err
		}
		found, err := call.find()
		if err != nil {
			return nil, err
		}
		return rowsFunc(func() ([]datum.Value, error) {
			if len(found) == 0 {
				return nil, io.EOF
			}
			v := found[0].json()
			found = found[1:]
			return []datum.Value{v}, nil
		}), nil
	}
}
