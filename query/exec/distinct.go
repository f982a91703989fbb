package exec

import (
	"bytes"
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// buildDistinct builds DISTINCT, which is grouping by all columns, and DISTINCT ON.
func (f *frame) buildDistinct(n *plan.Distinct) (Operator, error) {
	if len(n.On) == 0 {
		return f.buildAggregate(&plan.Aggregate{Input: n.Input, Keys: columnsOf(n.Fields()), Out: n.Fields()})
	}
	if s, ok := n.Input.(*plan.Sort); ok && s.TopK == nil {
		if rest, ok := afterPrefix(s.Keys, n.On); ok {
			return f.newDistinctOn(n, s, rest)
		}
	}
	return f.buildFirstOfRun(n)
}

// buildFirstOfRun builds DISTINCT ON over sorted input.
func (f *frame) buildFirstOfRun(n *plan.Distinct) (Operator, error) {
	var on []plan.SortKey
	for _, e := range n.On {
		on = append(on, plan.SortKey{Expr: e})
	}
	schema := schemaOf(n.Fields())
	return f.over(n.Input, stageSpec{node: n, schema: schema, make: func() stage {
		return &firstOfRun{keys: f.sortKeys(on)}
	}})
}

// columnsOf returns expressions for all columns of a node.
func columnsOf(fields []plan.Field) []expr.Expr {
	es := make([]expr.Expr, len(fields))
	for i, f := range fields {
		es[i] = &expr.Column{Index: i, Name: f.Name, T: f.Type}
	}
	return es
}

// afterPrefix returns the sort keys after those that are the expressions on, in
// any order; ok is false if the sort does not begin with them.
func afterPrefix(keys []plan.SortKey, on []expr.Expr) (rest []plan.SortKey, ok bool) {
	found := make([]bool, len(on))
	missing := len(on)
	for i, k := range keys {
		at := -1
		for j, e := range on {
			if plan.Equal(k.Expr, e) {
				at = j
				if !found[j] {
					break
				}
			}
		}
		if missing == 0 && at < 0 {
			return keys[i:], true
		}
		if at < 0 {
			return nil, false
		}
		if !found[at] {
			found[at] = true
			missing--
		}
	}
	return nil, missing == 0
}

// firstOfRun is a stage that keeps the first row of each run of equal keys.
type firstOfRun struct {
	keys *sortKeys
	last []byte
	some bool
}

func (s *firstOfRun) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	vs, err := s.keys.eval(ctx, in)
	if err != nil {
		return err
	}
	defer releaseVecs(vs)
	var idx []int32
	var key []byte
	for i := range int(in.NumRows()) {
		key = s.keys.append(key[:0], vs, i)
		if s.some && bytes.Equal(key, s.last) {
			continue
		}
		s.some = true
		key, s.last = s.last, key
		idx = append(idx, int32(i))
	}
	if len(idx) == 0 {
		return nil
	}
	return emit(gatherBatch(s.keys.ev.fr.mem(), in, idx))
}

// exprTypes returns the types of expressions.
func exprTypes(es []expr.Expr) []datum.Type {
	ts := make([]datum.Type, len(es))
	for i, e := range es {
		ts[i] = e.Type()
	}
	return ts
}
