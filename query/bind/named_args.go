package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// argumentNames are the argument names of a function (pg_proc.proargnames), and
// what the arguments that may be left out default to; those of no entry are NULL.
type argumentNames struct {
	names    []string
	defaults map[string]string
}

// argNames has PostgreSQL's functions that are called with names; ours say
// themselves.
var argNames = map[string]argumentNames{
	"make_interval": {
		names: []string{"years", "months", "weeks", "days", "hours", "mins", "secs"},
		defaults: map[string]string{"years": "0", "months": "0", "weeks": "0", "days": "0",
			"hours": "0", "mins": "0", "secs": "0.0"},
	},
	"make_date":      {names: []string{"year", "month", "day"}},
	"make_time":      {names: []string{"hour", "min", "sec"}},
	"make_timestamp": {names: []string{"year", "month", "mday", "hour", "min", "sec"}},
	"make_timestamptz": {
		names: []string{"year", "month", "mday", "hour", "min", "sec", "timezone"},
	},
	"jsonb_set": {
		names:    []string{"jsonb_in", "path", "replacement", "create_if_missing"},
		defaults: map[string]string{"create_if_missing": "true"},
	},
	"jsonb_insert": {
		names:    []string{"jsonb_in", "path", "replacement", "insert_after"},
		defaults: map[string]string{"insert_after": "false"},
	},
	"jsonb_set_lax": {
		names:    []string{"jsonb_in", "path", "replacement", "create_if_missing", "null_value_treatment"},
		defaults: map[string]string{"create_if_missing": "true", "null_value_treatment": "use_json_null"},
	},
	"jsonb_path_exists":         pathArguments,
	"jsonb_path_exists_tz":      pathArguments,
	"jsonb_path_match":          pathArguments,
	"jsonb_path_match_tz":       pathArguments,
	"jsonb_path_query":          pathArguments,
	"jsonb_path_query_tz":       pathArguments,
	"jsonb_path_query_array":    pathArguments,
	"jsonb_path_query_array_tz": pathArguments,
	"jsonb_path_query_first":    pathArguments,
	"jsonb_path_query_first_tz": pathArguments,
	"json_populate_record":      populateArguments,
	"json_populate_recordset":   populateArguments,
	"parse_ident":               {names: []string{"str", "strict"}, defaults: map[string]string{"strict": "true"}},
}

var (
	pathArguments     = argumentNames{names: []string{"target", "path", "vars", "silent"}, defaults: map[string]string{"vars": "{}", "silent": "false"}}
	populateArguments = argumentNames{names: []string{"base", "from_json", "use_json_as_text"}, defaults: map[string]string{"use_json_as_text": "false"}}
)

// matchNames maps given arguments to declared ones; ok is false if the function
// does not take these names.
func matchNames(fn *function.Function, names []string, given int) ([]int, bool) {
	if fn == nil || given > len(fn.Args) {
		return nil, false
	}
	known, ok := argNames[fn.Name]
	if len(fn.ArgNames) > 0 {
		known, ok = argumentNames{names: fn.ArgNames}, true
	}
	if !ok {
		return nil, false
	}
	order := make([]int, given)
	used := make([]bool, len(fn.Args))
	for i := range order {
		j := i
		if names[i] != "" {
			j = -1
			for k, n := range known.names {
				if n == names[i] && k < len(fn.Args) {
					j = k
				}
			}
		}
		if j < 0 || used[j] {
			return nil, false
		}
		order[i], used[j] = j, true
	}
	for j, u := range used {
		if _, optional := known.defaults[known.names[j]]; !u && !optional && j < len(fn.Args)-fn.Defaults {
			return nil, false
		}
	}
	return order, true
}

// reorder brings named arguments into declared order and fills in defaults.
func (b *binder) reorder(c *resolved, args []expr.Expr, pos int) ([]expr.Expr, error) {
	if c.fn == nil || c.order == nil {
		return args, nil
	}
	known := argNames[c.fn.Name]
	if len(c.fn.ArgNames) > 0 {
		known = argumentNames{names: c.fn.ArgNames}
	}
	out := make([]expr.Expr, len(c.fn.Args))
	for i, j := range c.order {
		out[j] = args[i]
	}
	last := 0
	for i, x := range out {
		if x != nil {
			last = i + 1
		}
	}
	for i := range out[:last] {
		if out[i] != nil {
			continue
		}
		if len(c.fn.ArgNames) > 0 {
			t := c.fn.Args[i]
			if t == datum.AnyElement {
				t = datum.Unknown // it is of the type that the others have
			}
			out[i] = &expr.Const{T: datum.Of(t)}
			continue
		}
		text, ok := known.defaults[known.names[i]]
		if !ok {
			return nil, pgerr.Unsupported("argument %q of function %s must be given", known.names[i], c.fn.Name).At(pos)
		}
		x, err := b.literalOf(&expr.Const{Value: text, T: datum.Of(datum.Unknown)}, datum.Of(c.fn.Args[i]), pos)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	c.args = c.fn.Args[:last]
	return out[:last], nil
}
