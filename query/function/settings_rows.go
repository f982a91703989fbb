package function

import (
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/setting"
)

// allSettings is pg_show_all_settings: the rows of pg_settings.
func allSettings(c *Context, _ []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	s, err := session(c)
	if err != nil {
		return nil, err
	}
	all := setting.All()
	return rowsFunc(func() ([]datum.Value, error) {
		if len(all) == 0 {
			return nil, io.EOF
		}
		d := all[0]
		all = all[1:]
		value, source := d.Default, "default"
		if shown, ok := s.Setting(d.Name); ok && shown != d.Show(d.Default) {
			source = "session"
			if value, err = d.Canonical(shown); err != nil { // in base units
				return nil, err
			}
		}
		var enum datum.Value
		if len(d.Enum) > 0 {
			words := datum.Array{Elem: datum.Of(datum.Text)}
			for _, w := range d.Enum {
				words.Values = append(words.Values, w)
			}
			enum = words
		}
		low, high := settingLimits(d)
		return []datum.Value{d.Name, value, textOrNull(d.Unit), textOrNull(d.Category), textOrNull(d.Desc), nil, string(d.Scope),
			string(d.Kind), source, low, high, enum, d.Default, d.Default, nil, nil, false}, nil
	}), nil
}

func textOrNull(s string) datum.Value {
	if s == "" {
		return nil
	}
	return s
}

// settingLimits are the limits of numbers, as PostgreSQL writes them.
func settingLimits(d *setting.Def) (low, high datum.Value) {
	if d.Kind != setting.Integer && d.Kind != setting.Real {
		return nil, nil
	}
	text := func(f float64) datum.Value {
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return text(d.Min), text(d.Max)
}

// optionRows is pg_options_to_table: options written name=value.
func optionRows(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	options := args[0].(datum.Array).Values
	return rowsFunc(func() ([]datum.Value, error) {
		if len(options) == 0 {
			return nil, io.EOF
		}
		option, _ := options[0].(string)
		options = options[1:]
		name, value, ok := strings.Cut(option, "=")
		if !ok {
			return []datum.Value{name, nil}, nil
		}
		return []datum.Value{name, value}, nil
	}), nil
}
