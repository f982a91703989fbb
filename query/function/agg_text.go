package function

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func collectingAggregates(m map[string]aggregateKernel) {
	m["string_agg(25,25)"] = aggregateKernel{new: newStringAgg, ordered: true}
	m["string_agg(17,17)"] = aggregateKernel{new: newBytesAgg, ordered: true}
	m["array_agg(2776)"] = aggregateKernel{new: newArrayAgg, ordered: true}
	m["array_agg(2277)"] = aggregateKernel{new: newArrayStack, ordered: true}
}

// A joined is the text of a string_agg; any is false before the first value.
type joined struct {
	text []byte
	any  bool
}

func (j *joined) add(sep string, text string) error {
	if j.any {
		j.text = append(j.text, sep...)
	}
	j.text, j.any = append(j.text, text...), true
	if len(j.text) > maxText {
		return errTextTooLong
	}
	return nil
}

func joinedBytes(j *joined) int64 { return int64(cap(j.text)) }

func mergeOrdered[S any](*Context, *S, *S) error {
	panic("function: bug: parts of an aggregate that depends on the order were merged")
}

// newStringAgg leaves out NULL values; a NULL delimiter is empty.
func newStringAgg([]datum.Type, datum.Type) Accumulator {
	return &fold[joined]{
		size: 32, held: joinedBytes, merge: mergeOrdered[joined],
		prepare: func(_ *Context, args []Vec) func(j *joined, row int) error {
			return func(j *joined, row int) error {
				v := valueAt(datum.Of(datum.Text), args[0], row)
				if v == nil {
					return nil
				}
				sep, _ := valueAt(datum.Of(datum.Text), args[1], row).(string)
				return j.add(sep, v.(string))
			}
		},
		result: func(_ *Context, j *joined, _ datum.Type) (datum.Value, error) {
			if !j.any {
				return nil, nil
			}
			return string(j.text), nil
		},
	}
}

func newBytesAgg([]datum.Type, datum.Type) Accumulator {
	return &fold[joined]{
		size: 32, held: joinedBytes, merge: mergeOrdered[joined],
		prepare: func(_ *Context, args []Vec) func(j *joined, row int) error {
			return func(j *joined, row int) error {
				v := valueAt(datum.Of(datum.Bytea), args[0], row)
				if v == nil {
					return nil
				}
				sep, _ := valueAt(datum.Of(datum.Bytea), args[1], row).([]byte)
				return j.add(string(sep), string(v.([]byte)))
			}
		},
		result: func(_ *Context, j *joined, _ datum.Type) (datum.Value, error) {
			if !j.any {
				return nil, nil
			}
			return append([]byte{}, j.text...), nil
		},
	}
}

// collected is the values of an array_agg or of an ordered-set aggregate.
type collected struct {
	vals  []datum.Value
	bytes int64
}

func (c *collected) add(v datum.Value) error {
	if len(c.vals) == datum.MaxElements || c.bytes > 2*maxText {
		return datum.ArrayTooLarge()
	}
	c.vals = append(c.vals, v)
	c.bytes += 16 + valueBytes(&v)
	return nil
}

func collectedBytes(c *collected) int64 { return c.bytes }

func newArrayAgg(args []datum.Type, ret datum.Type) Accumulator {
	return &fold[collected]{
		size: 32, held: collectedBytes, merge: mergeOrdered[collected],
		prepare: func(_ *Context, vs []Vec) func(s *collected, row int) error {
			return func(s *collected, row int) error { return s.add(valueAt(args[0], vs[0], row)) }
		},
		result: func(_ *Context, s *collected, _ datum.Type) (datum.Value, error) {
			if len(s.vals) == 0 {
				return nil, nil
			}
			return datum.Array{Elem: args[0], Values: s.vals}, nil
		},
	}
}

// newArrayStack is array_agg of arrays, which become an array of one dimension more.
func newArrayStack(args []datum.Type, _ datum.Type) Accumulator {
	return &fold[collected]{
		size: 32, held: collectedBytes, merge: mergeOrdered[collected],
		prepare: func(_ *Context, vs []Vec) func(s *collected, row int) error {
			return func(s *collected, row int) error {
				v := valueAt(args[0], vs[0], row)
				first := v
				if len(s.vals) > 0 {
					first = s.vals[0]
				}
				if err := checkStackable(first, v); err != nil {
					return err
				}
				return s.add(v)
			}
		},
		result: func(_ *Context, s *collected, _ datum.Type) (datum.Value, error) {
			if len(s.vals) == 0 {
				return nil, nil
			}
			return StackArrays(elemTypeOf(args[0]), s.vals)
		},
	}
}

// checkStackable returns an error if an array cannot be put beside the first one, whose dimensions it must have.
func checkStackable(first, v datum.Value) error {
	switch a, _ := v.(datum.Array); {
	case v == nil:
		return pgerr.New(pgerr.NullNotAllowed, "cannot accumulate null arrays")
	case !slices.Equal(first.(datum.Array).Shape(), a.Shape()):
		return pgerr.New(pgerr.ArraySubscript, "cannot accumulate arrays of different dimensionality")
	case len(a.Values) == 0:
		return pgerr.New(pgerr.ArraySubscript, "cannot accumulate empty arrays")
	}
	return nil
}

// StackArrays puts arrays of the same dimensions into one of one dimension more.
func StackArrays(elem datum.Type, arrays []datum.Value) (datum.Value, error) {
	stack := datum.Stack{Elem: elem}
	for _, a := range arrays {
		if err := checkStackable(arrays[0], a); err != nil {
			return nil, err
		}
		if err := stack.Add(a.(datum.Array)); err != nil {
			return nil, err
		}
	}
	return stack.Array()
}
