package function

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// Hypothetical-set aggregates say where a row would stand among those of a group. They get two sorting keys (HypotheticalKey):
// that of the row in question, and that of a row of the group.
func hypotheticalAggregates(m map[string]aggregateKernel) {
	m["rank"] = aggregateKernel{new: newHypothetical(func(p *hypothetical) datum.Value { return p.before + 1 })}
	m["dense_rank"] = aggregateKernel{new: newHypothetical(func(p *hypothetical) datum.Value { return p.different + 1 }), ordered: true}
	m["percent_rank"] = aggregateKernel{new: newHypothetical(func(p *hypothetical) datum.Value {
		if p.rows == 0 {
			return 0.0
		}
		return float64(p.before) / float64(p.rows)
	})}
	m["cume_dist"] = aggregateKernel{new: newHypothetical(func(p *hypothetical) datum.Value {
		return float64(p.before+p.peers+1) / float64(p.rows+1)
	})}
}

// A hypothetical counts the rows of a group: all, those that come before the row in question, and its peers.
type hypothetical struct {
	rows, before, peers int64
	different           int64 // of those before, which come in order, how many differ
	last                []byte
}

func newHypothetical(result func(p *hypothetical) datum.Value) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[hypothetical]{
			size: 56, merge: mergeOrdered[hypothetical],
			held: func(p *hypothetical) int64 { return int64(cap(p.last)) },
			prepare: func(_ *Context, args []Vec) func(p *hypothetical, row int) error {
				return func(p *hypothetical, row int) error {
					key := valueAt(datum.Of(datum.Bytea), args[0], row).([]byte)
					p.add(bytes.Compare(valueAt(datum.Of(datum.Bytea), args[1], row).([]byte), key), args[1], row)
					return nil
				}
			},
			result: func(_ *Context, p *hypothetical, _ datum.Type) (datum.Value, error) { return result(p), nil },
		}
	}
}

// add counts a row by how it compares with the one in question.
func (p *hypothetical) add(order int, keys Vec, row int) {
	p.rows++
	switch {
	case order == 0:
		p.peers++
	case order < 0:
		p.before++
		key := valueAt(datum.Of(datum.Bytea), keys, row).([]byte)
		if p.before == 1 || !bytes.Equal(p.last, key) {
			p.different++
			p.last = key
		}
	}
}

// HypotheticalKey returns the function that makes a key of values, whose order as bytes is that of the rows of them.
func HypotheticalKey(types []datum.Type, orders []datum.KeyOrder) *Function {
	f := &Function{OID: assignOID, Name: "sort_key", Ret: datum.Bytea, Volatility: Immutable}
	for _, t := range types {
		f.Args = append(f.Args, t.OID)
	}
	f.Eval = func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		return rows(c, args[:0], n, ret, func(i int) ([]byte, error) {
			var key []byte
			for k, a := range args {
				key = datum.AppendValueKey(key, types[k], valueAt(types[k], a, i), orders[k])
			}
			return key, nil
		})
	}
	return f
}
