package bind

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// viewOptions are the options of a view, with what reads their values. security_barrier asks that the
// view's conditions come before those of queries, as they do anyway; security_invoker says whose
// rights count, where nobody has others.
var viewOptions = map[string]func(o ast.Option) (string, error){
	"security_barrier": viewFlag, "security_invoker": viewFlag, "check_option": checkOption,
}

func viewFlag(o ast.Option) (string, error) {
	value := optionText(o)
	switch strings.ToLower(value) {
	case "true", "tru", "tr", "t", "yes", "ye", "y", "on", "1", "false", "fals", "fal", "fa", "f", "no", "n", "off", "of", "0":
		return value, nil
	}
	return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for boolean option %q: %s", o.Name, value)
}

// optionText is an option's value as it is kept: one without a value is true.
func optionText(o ast.Option) string {
	if o.Kind == ast.OptionNone {
		return "true"
	}
	return o.Value
}

func checkOption(o ast.Option) (string, error) {
	value := optionText(o)
	switch c := schema.CheckOption(strings.ToLower(value)); c {
	case schema.CheckLocal, schema.CheckCascaded:
		return string(c), nil
	}
	return "", pgerr.New(pgerr.InvalidParameterValue, "invalid value for enum option %q: %s", o.Name, value).
		WithDetail("Valid values are \"local\" and \"cascaded\".")
}

// SetViewOptions sets options of a view, in the order in which they are given, or resets them.
func SetViewOptions(env *Env, v *schema.View, options []ast.Option, reset bool) error {
	seen := map[string]bool{}
	var values []string
	for _, o := range options {
		name := strings.ToLower(o.Name)
		read := viewOptions[name]
		switch {
		case o.Namespace != "":
			return pgerr.New(pgerr.InvalidParameterValue, "unrecognized parameter namespace %q", o.Namespace)
		case reset && o.Kind != ast.OptionNone:
			return pgerr.New(pgerr.SyntaxError, "RESET must not include values for parameters")
		case read == nil && reset:
			continue
		case read == nil:
			return pgerr.New(pgerr.InvalidParameterValue, "unrecognized parameter %q", name)
		case seen[name]:
			return pgerr.New(pgerr.InvalidParameterValue, "parameter %q specified more than once", name)
		}
		seen[name] = true
		if !reset {
			value, err := read(o)
			if err != nil {
				return err
			}
			values = append(values, name+"="+value)
		}
	}
	v.Options = append(slices.DeleteFunc(slices.Clone(v.Options), func(o string) bool {
		name, _, _ := strings.Cut(o, "=")
		return seen[name]
	}), values...)
	return checkViewOptions(env, v)
}

// WritableColumns says which columns of a view can be written to; nil if no rows can be inserted,
// updated or deleted through it.
func WritableColumns(env *Env, v *schema.View) []bool {
	d, err := newBinder(env).viewDestination(v)
	if err != nil || d.view.refused != nil {
		return nil
	}
	out := make([]bool, len(d.view.columns))
	for i, c := range d.view.columns {
		out[i] = c.base >= 0
	}
	return out
}

// checkViewOptions checks that the options of a view go with its query.
func checkViewOptions(env *Env, v *schema.View) error {
	if v.CheckOption() == schema.NoCheck {
		return nil
	}
	d, err := newBinder(env).viewDestination(v)
	if err != nil {
		return err
	}
	for _, r := range []*refusal{d.view.refused, d.view.noColumns} {
		if r != nil && r.view == v {
			return pgerr.Unsupported("WITH CHECK OPTION is supported only on automatically updatable views").WithHint("%s", r.why)
		}
	}
	return nil
}
