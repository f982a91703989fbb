package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// apply is a lateral join: the right side is run for each left row. Results are
// kept for left rows with the same outer values. It is a stage of one instance.
type apply struct {
	fr     *frame
	node   *plan.Apply
	ev     *evaluator
	schema *arrow.Schema
	pair   *arrow.Schema
	acct   *account
	cache  map[string][]arrow.RecordBatch
	bytes  int64
}

func (f *frame) buildApply(n *plan.Apply) (Operator, error) {
	switch n.Kind {
	case plan.InnerJoin, plan.LeftJoin, plan.SemiJoin, plan.AntiJoin:
	default:
		return nil, pgerr.Unsupported("a lateral join of this kind is not supported")
	}
	a := &apply{
		fr: f, node: n, ev: f.evaluator(), schema: schemaOf(n.Out), pair: pairSchema(n.Left, n.Right),
		acct: f.account(), cache: make(map[string][]arrow.RecordBatch),
	}
	return f.over(n.Left, stageSpec{node: n, schema: a.schema, shared: a, make: func() stage { return a }})
}

func (a *apply) prepare(context.Context) error          { return nil }
func (a *apply) finish(context.Context, emitFunc) error { return nil }

func (a *apply) close() error {
	a.forget()
	return nil
}

func (a *apply) forget() {
	for _, bs := range a.cache {
		releaseAll(bs)
	}
	clear(a.cache)
	a.bytes = 0
	a.acct.close()
}

func (a *apply) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	outer, err := a.ev.evalAll(ctx, a.node.Outer, in)
	if err != nil {
		return err
	}
	defer releaseVecs(outer)
	out := &coalescer{mem: a.fr.mem(), schema: a.schema, emit: emit}
	defer out.release()
	for i := range int(in.NumRows()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.row(ctx, in, i, outer, out); err != nil {
			return err
		}
	}
	return out.flush()
}

// row joins one left row.
func (a *apply) row(ctx context.Context, in arrow.RecordBatch, i int, outer []function.Vec, out *coalescer) error {
	values := make([]datum.Value, len(outer))
	var key []byte
	for j, v := range outer {
		t := a.node.Outer[j].Type()
		if v.DataType().ID() == arrow.NULL || v.IsNull(v.At(i)) {
			key = append(key, 0)
			continue
		}
		values[j] = datum.ValueAt(t, v.Array, v.At(i))
		key = datum.AppendValue(append(key, 1), t, values[j])
	}
	found := false
	join := func(r arrow.RecordBatch) error {
		f, err := a.join(ctx, in, i, r, out)
		found = found || f
		return err
	}
	if err := a.eachRight(ctx, string(key), values, join); err != nil {
		return err
	}
	switch a.node.Kind {
	case plan.LeftJoin:
		if !found {
			return a.emitAlone(in, i, out)
		}
	case plan.SemiJoin, plan.AntiJoin:
		if found == (a.node.Kind == plan.SemiJoin) {
			return out.add(relabel(a.schema, gatherBatch(a.fr.mem(), in, []int32{int32(i)})))
		}
	}
	return nil
}

// eachRight runs the right side, or takes its rows from the cache.
func (a *apply) eachRight(ctx context.Context, key string, values []datum.Value, f func(arrow.RecordBatch) error) (err error) {
	if bs, ok := a.cache[key]; ok {
		for _, b := range bs {
			if err := f(b); err != nil {
				return err
			}
		}
		return nil
	}
	sub := a.fr.withOuter(a.node.FirstParam, values)
	defer sub.subs.close()
	op, err := sub.build(a.node.Right)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	var kept []arrow.RecordBatch
	defer func() { releaseAll(kept) }()
	keep, size := !volatilePlan(a.node.Right), int64(len(key)+128)
	for {
		b, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if keep {
			if size += batchBytes(b); size > maxCachedBytes/4 {
				keep = false
				releaseAll(kept)
				kept = nil
			} else {
				b.Retain()
				kept = append(kept, b)
			}
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	if !keep {
		return nil
	}
	if len(a.cache) >= maxCachedRuns || a.bytes+size > maxCachedBytes {
		a.forget()
	}
	if a.acct.add(size) == nil { // else memory is short: not kept
		a.cache[key], kept = kept, nil
		a.bytes += size
	}
	return nil
}

// join emits the left row beside those of r that Cond passes; found says whether
// there was one.
func (a *apply) join(ctx context.Context, in arrow.RecordBatch, i int, r arrow.RecordBatch, out *coalescer) (found bool, err error) {
	idx := make([]int32, r.NumRows())
	for k := range idx {
		idx[k] = int32(i)
	}
	cols := make([]arrow.Array, 0, a.pair.NumFields())
	for _, c := range in.Columns() {
		cols = append(cols, gather(a.fr.mem(), c, idx))
	}
	for _, c := range r.Columns() {
		c.Retain()
		cols = append(cols, c)
	}
	b, err := newBatch(a.pair, cols, len(idx))
	if err != nil {
		return false, err
	}
	if a.node.Cond != nil {
		rows, all, err := a.ev.keep(ctx, a.node.Cond, b)
		if err != nil || len(rows) == 0 {
			b.Release()
			return false, err
		}
		if !all {
			sub := gatherBatch(a.fr.mem(), b, rows)
			b.Release()
			b = sub
		}
	}
	if a.node.Kind == plan.SemiJoin || a.node.Kind == plan.AntiJoin {
		b.Release()
		return true, nil
	}
	return true, out.add(relabel(a.schema, b))
}

// emitAlone emits a left row beside NULLs.
func (a *apply) emitAlone(in arrow.RecordBatch, i int, out *coalescer) error {
	cols := make([]arrow.Array, 0, a.schema.NumFields())
	for _, c := range in.Columns() {
		cols = append(cols, gather(a.fr.mem(), c, []int32{int32(i)}))
	}
	for _, f := range a.schema.Fields()[len(cols):] {
		cols = append(cols, array.MakeArrayOfNull(a.fr.mem(), f.Type, 1))
	}
	b, err := newBatch(a.schema, cols, 1)
	if err != nil {
		return err
	}
	return out.add(b)
}
