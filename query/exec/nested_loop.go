package exec

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// nestedLoop joins without equal keys: every left row with every right one. It is
// a stage of one instance.
type nestedLoop struct {
	fr      *frame
	node    *plan.Join
	right   Operator
	ev      *evaluator
	schema  *arrow.Schema
	pair    *arrow.Schema
	rows    *spool
	matched []bool // by right row, for right and full joins
}

func (f *frame) buildNestedLoop(n *plan.Join) (Operator, error) {
	for i, l := range n.EquiLeft {
		if n.Kind != plan.NullAntiJoin || l.Type().OID != n.EquiRight[i].Type().OID {
			return nil, errors.New("exec: bug: join keys of types that cannot be compared: " +
				l.Type().String() + " and " + n.EquiRight[i].Type().String())
		}
	}
	right, err := f.build(n.Right)
	if err != nil {
		return nil, err
	}
	l := &nestedLoop{
		fr: f, node: n, right: right, ev: f.evaluator(),
		schema: schemaOf(n.Out), pair: pairSchema(n.Left, n.Right),
		rows: newSpool(f, f.rt.Stats.node(n)),
	}
	op, err := f.over(n.Left, stageSpec{node: n, schema: l.schema, shared: l, make: func() stage { return l }})
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return op, nil
}

func (l *nestedLoop) prepare(ctx context.Context) error {
	if err := Drain(ctx, l.right, l.rows.add); err != nil {
		return err
	}
	if l.node.Kind == plan.RightJoin || l.node.Kind == plan.FullJoin {
		l.matched = make([]bool, l.rows.rows)
	}
	return l.right.Close()
}

func (l *nestedLoop) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	found := make([]bool, in.NumRows())
	base := 0
	for i := range l.rows.batches() {
		r, err := l.rows.batch(ctx, i)
		if err != nil {
			return err
		}
		err = l.joinBatch(ctx, in, r, base, found, emit)
		base += int(r.NumRows())
		r.Release()
		if err != nil {
			return err
		}
	}
	switch l.node.Kind {
	case plan.SemiJoin:
		return l.emitLeft(in, found, true, emit)
	case plan.AntiJoin, plan.NullAntiJoin:
		return l.emitLeft(in, found, false, emit)
	case plan.LeftJoin, plan.FullJoin:
		return l.emitUnmatched(in, found, emit)
	}
	return nil
}

// joinBatch joins two batches, as many pairs at a time as a batch may have.
func (l *nestedLoop) joinBatch(ctx context.Context, in, r arrow.RecordBatch, base int, found []bool, emit emitFunc) error {
	n, m := int(in.NumRows()), int(r.NumRows())
	leftOnly := l.node.Kind == plan.SemiJoin || l.node.Kind == plan.AntiJoin || l.node.Kind == plan.NullAntiJoin
	step := max(1, maxBatchRows/m)
	li := make([]int32, 0, step*m)
	ri := make([]int32, 0, step*m)
	for i := 0; i < n; {
		li, ri = li[:0], ri[:0]
		for ; i < n && len(li)+m <= max(maxBatchRows, m); i++ {
			if leftOnly && found[i] {
				continue
			}
			for k := range m {
				li, ri = append(li, int32(i)), append(ri, int32(k))
			}
		}
		if len(li) == 0 {
			continue
		}
		if err := l.fr.yield(ctx); err != nil {
			return err
		}
		if err := l.joinPairs(ctx, in, r, li, ri, base, found, leftOnly, emit); err != nil {
			return err
		}
	}
	return nil
}

func (l *nestedLoop) joinPairs(ctx context.Context, in, r arrow.RecordBatch, li, ri []int32, base int, found []bool, leftOnly bool, emit emitFunc) error {
	b := l.pairs(in, r, li, ri)
	defer func() { b.Release() }()
	rows, all := []int32(nil), true
	if l.node.Cond != nil {
		var err error
		if rows, all, err = l.ev.keep(ctx, l.node.Cond, b); err != nil {
			return err
		}
	}
	if l.node.Kind == plan.NullAntiJoin && len(l.node.EquiLeft) > 0 {
		var err error
		if rows, err = l.mightBeEqual(ctx, in, r, li, ri, rows, all); err != nil {
			return err
		}
		all = false
	}
	if all {
		rows = nil
		for k := range li {
			l.match(found, li[k], base+int(ri[k]))
		}
	}
	for _, k := range rows {
		l.match(found, li[k], base+int(ri[k]))
	}
	if leftOnly || !all && len(rows) == 0 {
		return nil
	}
	if !all {
		out := gatherBatch(l.fr.mem(), b, rows)
		b.Release()
		b = out
	}
	b.Retain()
	return emit(relabel(l.schema, b))
}

func (l *nestedLoop) match(found []bool, left int32, right int) {
	found[left] = true
	if l.matched != nil {
		l.matched[right] = true
	}
}

// mightBeEqual returns the pairs among rows (or all) whose keys are equal or
// would be but for a NULL.
func (l *nestedLoop) mightBeEqual(ctx context.Context, in, r arrow.RecordBatch, li, ri, rows []int32, all bool) ([]int32, error) {
	var lk, rk []function.Vec
	lk, err := l.ev.evalAll(ctx, l.node.EquiLeft, in)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(lk)
	if rk, err = l.ev.evalAll(ctx, l.node.EquiRight, r); err != nil {
		return nil, err
	}
	defer releaseVecs(rk)
	types := exprTypes(l.node.EquiLeft)
	out := make([]int32, 0, len(rows))
	test := func(k int32) {
		if !definitelyDiffers(types, lk, int(li[k]), rk, int(ri[k])) {
			out = append(out, k)
		}
	}
	if all {
		for k := range li {
			test(int32(k))
		}
	} else {
		for _, k := range rows {
			test(k)
		}
	}
	return out, nil
}

func (l *nestedLoop) pairs(in, r arrow.RecordBatch, li, ri []int32) arrow.RecordBatch {
	cols := make([]arrow.Array, 0, l.pair.NumFields())
	for _, c := range in.Columns() {
		cols = append(cols, gather(l.fr.mem(), c, li))
	}
	for _, c := range r.Columns() {
		cols = append(cols, gather(l.fr.mem(), c, ri))
	}
	defer releaseAll(cols)
	return batchOf(l.pair, cols, int64(len(li)))
}

// emitLeft emits the left rows whose found is want.
func (l *nestedLoop) emitLeft(in arrow.RecordBatch, found []bool, want bool, emit emitFunc) error {
	var idx []int32
	for i, f := range found {
		if f == want {
			idx = append(idx, int32(i))
		}
	}
	if len(idx) == 0 {
		return nil
	}
	return emit(relabel(l.schema, gatherBatch(l.fr.mem(), in, idx)))
}

// emitUnmatched emits the left rows without a match beside NULLs.
func (l *nestedLoop) emitUnmatched(in arrow.RecordBatch, found []bool, emit emitFunc) error {
	var idx []int32
	for i, f := range found {
		if !f {
			idx = append(idx, int32(i))
		}
	}
	if len(idx) == 0 {
		return nil
	}
	cols := make([]arrow.Array, 0, l.schema.NumFields())
	for _, c := range in.Columns() {
		cols = append(cols, gather(l.fr.mem(), c, idx))
	}
	for _, f := range l.schema.Fields()[len(cols):] {
		cols = append(cols, array.MakeArrayOfNull(l.fr.mem(), f.Type, len(idx)))
	}
	b, err := newBatch(l.schema, cols, len(idx))
	if err != nil {
		return err
	}
	return emit(b)
}

// finish emits the right rows without a match beside NULLs.
func (l *nestedLoop) finish(ctx context.Context, emit emitFunc) error {
	if l.matched == nil {
		return nil
	}
	base := 0
	for i := range l.rows.batches() {
		r, err := l.rows.batch(ctx, i)
		if err != nil {
			return err
		}
		var idx []int32
		for k := range int(r.NumRows()) {
			if !l.matched[base+k] {
				idx = append(idx, int32(k))
			}
		}
		base += int(r.NumRows())
		err = l.emitRight(r, idx, emit)
		r.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *nestedLoop) emitRight(r arrow.RecordBatch, idx []int32, emit emitFunc) error {
	if len(idx) == 0 {
		return nil
	}
	cols := make([]arrow.Array, 0, l.schema.NumFields())
	left := l.schema.NumFields() - int(r.NumCols())
	for _, f := range l.schema.Fields()[:left] {
		cols = append(cols, array.MakeArrayOfNull(l.fr.mem(), f.Type, len(idx)))
	}
	for _, c := range r.Columns() {
		cols = append(cols, gather(l.fr.mem(), c, idx))
	}
	b, err := newBatch(l.schema, cols, len(idx))
	if err != nil {
		return err
	}
	return emit(b)
}

func (l *nestedLoop) close() error { return errors.Join(l.right.Close(), l.rows.close()) }
