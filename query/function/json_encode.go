package function

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A jsonEncoder writes SQL values as JSON, for to_json and its like.
type jsonEncoder struct {
	c *Context
	// canonical: the text becomes a jsonb, whose numbers and nested values are checked.
	canonical bool
	lines     bool // line feeds between the outermost parts
}

// append appends a value of a type.
func (e *jsonEncoder) append(dst []byte, t datum.Type, v datum.Value) ([]byte, error) {
	if v == nil {
		return append(dst, "null"...), nil
	}
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v), nil
	case datum.Array:
		return e.appendArray(dst, v)
	case datum.Row:
		return e.appendRow(dst, v.Named(t, e.c.Env))
	}
	switch t.OID {
	case datum.JSON, datum.JSONB:
		return append(dst, v.(string)...), nil
	case datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Numeric:
		text := ValueText(e.c, t, v)
		if isJSONNumber(text) {
			return append(dst, text...), nil
		}
		return datum.AppendJSONString(dst, text), nil // NaN and the infinities
	case datum.Date, datum.Timestamp, datum.TimestampTZ:
		return datum.AppendJSONString(dst, isoText(t, v, e.c.Env)), nil
	}
	return datum.AppendJSONString(dst, ValueText(e.c, t, v)), nil
}

func isJSONNumber(s string) bool {
	last := s[len(s)-1]
	return last >= '0' && last <= '9' || last == '.'
}

// isoText writes a date or a timestamp as XML Schema has it, whatever DateStyle is.
func isoText(t datum.Type, v datum.Value, env *datum.Env) string {
	iso := datum.Env{}
	if env != nil {
		iso.Zone, iso.ZoneName = env.Zone, env.ZoneName
	}
	s := string(datum.AppendText(nil, datum.Of(t.OID), v, &iso))
	date, clock, ok := strings.Cut(s, " ")
	if t.OID == datum.Date || !ok {
		return s
	}
	clock, era, _ := strings.Cut(clock, " ")
	if i := strings.LastIndexAny(clock, "+-"); i >= 0 && len(clock)-i == 3 {
		clock += ":00" // zones have minutes
	}
	if era != "" {
		clock += " " + era
	}
	return date + "T" + clock
}

func (e *jsonEncoder) appendArray(dst []byte, a datum.Array) ([]byte, error) {
	inner := *e
	inner.lines = false
	dst = append(dst, '[')
	for i, v := range a.Items() {
		if i > 0 {
			dst = append(dst, e.separator()...)
		}
		var err error
		if dst, err = inner.append(dst, a.Elem, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (e *jsonEncoder) separator() string {
	if e.lines {
		return ",\n "
	}
	return ","
}

func (e *jsonEncoder) appendRow(dst []byte, r datum.Row) ([]byte, error) {
	inner := *e
	inner.lines = false
	dst = append(dst, '{')
	for i, v := range r.Values {
		if i > 0 {
			dst = append(dst, e.separator()...)
		}
		dst = append(datum.AppendJSONString(dst, r.Name(i)), ':')
		var err error
		if dst, err = inner.append(dst, r.Types[i], v); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendKey appends a value as the key of an object.
func (e *jsonEncoder) appendKey(dst []byte, t datum.Type, v datum.Value) ([]byte, error) {
	switch v.(type) {
	case datum.Array, datum.Row:
		return nil, badJSONKey()
	}
	if t.OID == datum.JSON || t.OID == datum.JSONB {
		return nil, badJSONKey()
	}
	text := ValueText(e.c, t, v)
	if b, ok := v.(bool); ok {
		text = strconv.FormatBool(b)
	}
	switch t.OID {
	case datum.Date, datum.Timestamp, datum.TimestampTZ:
		text = isoText(t, v, e.c.Env)
	}
	return datum.AppendJSONString(dst, text), nil
}

func badJSONKey() error {
	return pgerr.New(pgerr.InvalidParameterValue, "key value must be scalar, not array, composite, or json")
}

// finish makes the result of the text: canonical if it is a jsonb.
func (e *jsonEncoder) finish(text []byte) (datum.Value, error) {
	if !e.canonical {
		return string(text), nil
	}
	return datum.CanonicalJSON(string(text))
}
