package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// enumKernels are the functions of enums, whose values are compared as the numbers that
// they are.
func enumKernels(k kernels) {
	k.addCompare("enum_", compareFixed[int64, int64, int64])
	addThreeWay[int64, int64, int64](k, "enum_cmp")
	addExtremes[int64](k, "enum_larger", "enum_smaller")
	k.add(enumEnd("enum_first", func(labels []datum.Label) datum.Label { return labels[0] }), "enum_first")
	k.add(enumEnd("enum_last", func(labels []datum.Label) datum.Label { return labels[len(labels)-1] }), "enum_last")
	k.add(boxedTyped(enumRange, datum.AnyEnum), "enum_range_all", "enum_range_bounds")
}

// enumEnd is enum_first and enum_last: what counts is the type of the argument.
func enumEnd(name string, pick func([]datum.Label) datum.Label) evalFunc {
	return boxedTyped(func(c *Context, _ []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
		labels, err := labelsOf(c, ret)
		if err != nil {
			return nil, err
		}
		if len(labels) == 0 {
			return nil, pgerr.New(pgerr.ObjectNotInState, "enum %s contains no values", TypeText(c, ret))
		}
		l := pick(labels)
		return l, c.Env.Types.Usable(ret.OID, l)
	}, datum.AnyEnum)
}

// enumRange returns the labels between two, or between one and an end if the other is NULL.
func enumRange(c *Context, args []datum.Value, _ []datum.Type, ret datum.Type) (datum.Value, error) {
	elem, _ := ret.Elem()
	labels, err := labelsOf(c, elem)
	if err != nil {
		return nil, err
	}
	out := datum.Array{Elem: elem, Values: []datum.Value{}}
	for _, l := range labels {
		if len(args) == 2 && (args[0] != nil && l < args[0].(datum.Label) || args[1] != nil && l > args[1].(datum.Label)) {
			continue
		}
		if err := c.Env.Types.Usable(elem.OID, l); err != nil {
			return nil, err
		}
		out.Values = append(out.Values, l)
	}
	return out, nil
}

func labelsOf(c *Context, t datum.Type) ([]datum.Label, error) {
	if c.Env.Types == nil {
		return nil, pgerr.New(pgerr.UndefinedObject, "type with OID %d does not exist", t.OID)
	}
	return c.Env.Types.Labels(t.OID)
}
