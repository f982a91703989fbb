package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func jsonAggregates(m map[string]aggregateKernel) {
	m["json_agg"] = aggregateKernel{new: newJSONArray(false), ordered: true}
	m["jsonb_agg"] = aggregateKernel{new: newJSONArray(true), ordered: true}
	m["json_object_agg"] = aggregateKernel{new: newJSONObjectAgg(false), ordered: true}
	m["jsonb_object_agg"] = aggregateKernel{new: newJSONObjectAgg(true), ordered: true}
}

// newJSONArray makes json_agg and jsonb_agg: NULLs are elements too.
func newJSONArray(canonical bool) func([]datum.Type, datum.Type) Accumulator {
	return func(types []datum.Type, _ datum.Type) Accumulator {
		return &fold[joined]{
			size: 32, held: joinedBytes, merge: mergeOrdered[joined],
			prepare: func(c *Context, args []Vec) func(j *joined, row int) error {
				e := jsonEncoder{c: c, canonical: canonical}
				var buf []byte
				return func(j *joined, row int) error {
					v := valueAt(types[0], args[0], row)
					var err error
					if buf, err = e.append(buf[:0], types[0], v); err != nil {
						return err
					}
					return j.add(jsonBreak(v), string(buf))
				}
			},
			result: jsonResult(canonical, '[', ']'),
		}
	}
}

// jsonBreak stands between the elements of json_agg: structures begin a line.
func jsonBreak(v datum.Value) string {
	switch v.(type) {
	case datum.Row, datum.Array:
		return ", \n "
	}
	return ", "
}

func jsonResult(canonical bool, open, end byte) func(*Context, *joined, datum.Type) (datum.Value, error) {
	return func(c *Context, j *joined, _ datum.Type) (datum.Value, error) {
		if !j.any {
			return nil, nil
		}
		e := jsonEncoder{c: c, canonical: canonical}
		text := append([]byte{open}, j.text...)
		if !canonical && open == '{' {
			text = append(append([]byte("{ "), j.text...), ' ')
		}
		return e.finish(append(text, end))
	}
}

// newJSONObjectAgg makes json_object_agg and jsonb_object_agg.
func newJSONObjectAgg(canonical bool) func([]datum.Type, datum.Type) Accumulator {
	return func(types []datum.Type, _ datum.Type) Accumulator {
		return &fold[joined]{
			size: 32, held: joinedBytes, merge: mergeOrdered[joined],
			prepare: func(c *Context, args []Vec) func(j *joined, row int) error {
				e := jsonEncoder{c: c, canonical: canonical}
				var buf []byte
				return func(j *joined, row int) error {
					key := valueAt(types[0], args[0], row)
					if key == nil {
						return pgerr.New(pgerr.InvalidParameterValue, "field name must not be null")
					}
					var err error
					if buf, err = e.appendKey(buf[:0], types[0], key); err != nil {
						return err
					}
					if buf, err = e.append(append(buf, " : "...), types[1], valueAt(types[1], args[1], row)); err != nil {
						return err
					}
					return j.add(", ", string(buf))
				}
			},
			result: jsonResult(canonical, '{', '}'),
		}
	}
}
