package exec

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// asofJoin joins by nearest times: both sides are sorted by keys and time, the right one is
// read along with the left one. Times of a join that looks forward are sorted from the last
// to the first, so that what a left row finds always comes before it.
type asofJoin struct {
	fr          *frame
	node        *plan.AsofJoin
	schema      *arrow.Schema
	pair        *arrow.Schema // what Cond is over
	ev          *evaluator
	left, right asofSide
	begun       bool

	// held are the right batches that have been read since rows were last emitted, and columns their
	// columns; nil are those that nothing refers to. The right side stands in the last of them. live
	// are the others' numbers, used says which of them rows to be emitted refer to. best is the row
	// that left rows find now.
	held    []arrow.RecordBatch
	columns [][]arrow.Array
	live    []int
	used    []bool
	best    asofRow
	acct    *account
	tie     []byte // scratch
}

// An asofRow is the right row that has been found for the keys and the time in key.
type asofRow struct {
	ref  rowRef // noRow if there is none
	key  []byte
	equi int // length of the keys' part of key
	tie  []byte
}

// An asofSide is a sorted input and the row that it stands at.
type asofSide struct {
	in     Operator
	sorter *sorter
	keys   *sortKeys
	b      arrow.RecordBatch
	vs     []function.Vec
	row    int
	key    []byte
	equi   int
	null   bool // a NULL is among the keys and the time
}

// maxAsofBatches is from how many right batches in memory on the rows found so far are emitted.
const maxAsofBatches = 8

func (f *frame) buildAsofJoin(n *plan.AsofJoin) (Operator, error) {
	l, err := f.build(n.Left)
	if err != nil {
		return nil, err
	}
	r, err := f.build(n.Right)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	side := func(in Operator, equi []expr.Expr, time expr.Expr) asofSide {
		var keys []plan.SortKey
		for _, e := range equi {
			keys = append(keys, plan.SortKey{Expr: e})
		}
		keys = append(keys, plan.SortKey{Expr: time, Desc: n.Op.Forward()})
		return asofSide{in: in, keys: f.sortKeys(keys), sorter: newSorter(f, in.Schema(), f.rt.Stats.node(n))}
	}
	return &asofJoin{
		fr: f, node: n, schema: schemaOf(n.Out), pair: pairSchema(n.Left, n.Right), ev: f.evaluator(), acct: f.account(),
		left: side(l, n.EquiLeft, n.TimeLeft), right: side(r, n.EquiRight, n.TimeRight),
		columns: make([][]arrow.Array, len(n.Right.Fields())), best: asofRow{ref: noRow},
	}, nil
}

func (j *asofJoin) Schema() *arrow.Schema { return j.schema }

func (j *asofJoin) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !j.begun {
		j.begun = true
		if err := j.begin(ctx); err != nil {
			return nil, err
		}
	}
	for j.left.b != nil {
		from := j.left.row
		refs, err := j.find(ctx)
		if err != nil {
			return nil, err
		}
		out, err := j.emit(ctx, from, refs)
		if err != nil {
			return nil, err
		}
		j.forget()
		if j.left.row == int(j.left.b.NumRows()) {
			if err := j.left.load(ctx); err != nil {
				if out != nil {
					out.Release()
				}
				return nil, err
			}
		}
		if out != nil {
			return out, nil
		}
	}
	return nil, io.EOF
}

// begin sorts both sides and goes to their first rows.
func (j *asofJoin) begin(ctx context.Context) error {
	for _, s := range []*asofSide{&j.left, &j.right} {
		err := Drain(ctx, s.in, func(b arrow.RecordBatch) error { return s.sorter.addBatch(ctx, b, s.keys) })
		if err == nil {
			err = s.in.Close()
		}
		if err == nil {
			err = s.sorter.sorted(ctx)
		}
		if err == nil {
			err = s.load(ctx)
		}
		if err != nil {
			return err
		}
	}
	j.hold()
	j.right.read()
	return nil
}

// load goes to the beginning of the next batch; b is nil at the end.
func (s *asofSide) load(ctx context.Context) error {
	s.release()
	b, err := s.sorter.next(ctx)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	s.b, s.row = b, 0
	s.vs, err = s.keys.eval(ctx, b)
	return err
}

func (s *asofSide) release() {
	releaseVecs(s.vs)
	if s.b != nil {
		s.b.Release()
	}
	s.b, s.vs = nil, nil
}

// read computes the key of the row at which the side stands.
func (s *asofSide) read() {
	if s.b == nil {
		return
	}
	s.key, s.null = s.key[:0], false
	for k, v := range s.vs {
		if k == len(s.vs)-1 {
			s.equi = len(s.key)
		}
		s.null = s.null || v.Array.IsNull(v.At(s.row))
		s.key = datum.AppendKey(s.key, s.keys.types[k], v.Array, v.At(s.row), s.keys.order[k])
	}
}

// find returns what the left rows from the current one on find, up to the end of their batch
// or as far as the right batches that are held may go.
func (j *asofJoin) find(ctx context.Context) ([]rowRef, error) {
	l := &j.left
	refs := make([]rowRef, 0, int(l.b.NumRows())-l.row)
	for ; l.row < int(l.b.NumRows()); l.row++ {
		if len(j.live) > maxAsofBatches && len(refs) > 0 {
			break
		}
		l.read()
		ref := noRow
		if !l.null {
			if err := j.catchUp(ctx); err != nil {
				return nil, err
			}
			if j.best.ref != noRow && bytes.Equal(j.best.key[:j.best.equi], l.key[:l.equi]) {
				ref = j.best.ref
				j.used[ref.batch()] = true
			}
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// catchUp reads the right side as far as its rows come before the left row.
func (j *asofJoin) catchUp(ctx context.Context) error {
	r := &j.right
	for r.b != nil {
		c := bytes.Compare(r.key, j.left.key)
		if c > 0 || c == 0 && j.node.Op.Strict() {
			return nil
		}
		if !r.null {
			j.consider()
		}
		r.row++
		if r.row == int(r.b.NumRows()) {
			if err := r.load(ctx); err != nil {
				return err
			}
			j.hold()
		}
		r.read()
	}
	return nil
}

// consider makes the right row the best one, unless one of the same time is and comes later in
// the order of all columns.
func (j *asofJoin) consider() {
	r := &j.right
	same := j.best.ref != noRow && bytes.Equal(j.best.key, r.key)
	if same {
		if len(j.best.tie) == 0 {
			j.best.tie = j.appendTie(j.best.tie[:0], j.best.ref)
		}
		j.tie = j.appendTie(j.tie[:0], j.current())
		if bytes.Compare(j.tie, j.best.tie) <= 0 {
			return
		}
		j.tie, j.best.tie = j.best.tie, j.tie
	} else {
		j.best.tie = j.best.tie[:0]
	}
	j.best.ref, j.best.key, j.best.equi = j.current(), append(j.best.key[:0], r.key...), r.equi
}

// current refers to the row at which the right side stands.
func (j *asofJoin) current() rowRef { return makeRef(len(j.held)-1, j.right.row) }

// appendTie appends the key of all columns of a right row.
func (j *asofJoin) appendTie(dst []byte, r rowRef) []byte {
	for i, f := range j.node.Right.Fields() {
		dst = datum.AppendKey(dst, f.Type, j.columns[i][r.batch()], r.row(), datum.KeyOrder{})
	}
	return dst
}

// hold keeps the batch in which the right side stands, and of the earlier ones those that are used.
func (j *asofJoin) hold() {
	if len(j.held) >= maxRefBatches {
		panic(tooLarge(len(j.held)))
	}
	live := j.live[:0]
	for _, i := range j.live {
		if j.used[i] || j.best.ref != noRow && j.best.ref.batch() == i {
			live = append(live, i)
		} else {
			j.drop(i)
		}
	}
	j.live = live
	if j.right.b != nil {
		j.right.b.Retain()
		j.keep(j.right.b)
	}
}

// keep takes over a batch.
func (j *asofJoin) keep(b arrow.RecordBatch) {
	j.live = append(j.live, len(j.held))
	j.held, j.used = append(j.held, b), append(j.used, false)
	for i := range j.columns {
		j.columns[i] = append(j.columns[i], b.Column(i))
	}
	j.acct.force(j.acct.held + batchBytes(b))
}

func (j *asofJoin) drop(i int) {
	j.acct.force(j.acct.held - batchBytes(j.held[i]))
	j.held[i].Release()
	j.held[i] = nil
	for c := range j.columns {
		j.columns[c][i] = nil
	}
}

// forget lets go of the batches that emitted rows referred to, and numbers the others anew.
func (j *asofJoin) forget() {
	var best, current arrow.RecordBatch
	for _, i := range j.live {
		if j.best.ref != noRow && j.best.ref.batch() == i {
			best = j.held[i]
			best.Retain()
		}
		if j.right.b != nil && i == len(j.held)-1 {
			current = j.held[i]
			current.Retain()
		}
	}
	j.dropAll()
	if best != nil {
		j.keep(best)
		j.best.ref = makeRef(0, j.best.ref.row())
	}
	if current == best && current != nil {
		current.Release()
	} else if current != nil {
		j.keep(current)
	}
}

func (j *asofJoin) dropAll() {
	for _, i := range j.live {
		j.drop(i)
	}
	j.held, j.used, j.live = j.held[:0], j.used[:0], j.live[:0]
	for c := range j.columns {
		j.columns[c] = j.columns[c][:0]
	}
}

// emit makes a batch of left rows and what they found; nil if there are none.
func (j *asofJoin) emit(ctx context.Context, from int, refs []rowRef) (arrow.RecordBatch, error) {
	if j.node.Cond != nil {
		if err := j.check(ctx, from, refs); err != nil {
			return nil, err
		}
	}
	left := make([]int32, 0, len(refs))
	right := refs[:0]
	for i, r := range refs {
		if r != noRow || j.node.Kind == plan.LeftJoin {
			left, right = append(left, int32(from+i)), append(right, r)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	return j.rows(j.schema, left, right), nil
}

// check makes refs noRow where Cond is not true.
func (j *asofJoin) check(ctx context.Context, from int, refs []rowRef) error {
	var left []int32
	var right []rowRef
	for i, r := range refs {
		if r != noRow {
			left, right = append(left, int32(from+i)), append(right, r)
			refs[i] = noRow
		}
	}
	if len(left) == 0 {
		return nil
	}
	b := j.rows(j.pair, left, right)
	defer b.Release()
	rows, _, err := j.ev.keep(ctx, j.node.Cond, b)
	for _, k := range rows {
		refs[int(left[k])-from] = right[k]
	}
	return err
}

// rows are left rows, by number in their batch, beside right ones.
func (j *asofJoin) rows(schema *arrow.Schema, left []int32, right []rowRef) arrow.RecordBatch {
	cols := make([]arrow.Array, 0, schema.NumFields())
	for _, c := range j.left.b.Columns() {
		cols = append(cols, gather(j.fr.mem(), c, left))
	}
	for i, srcs := range j.columns {
		cols = append(cols, gatherRefs(j.fr.mem(), schema.Field(len(j.left.b.Columns())+i).Type, srcs, right))
	}
	defer releaseAll(cols)
	return batchOf(schema, cols, int64(len(left)))
}

func (j *asofJoin) Close() error {
	j.dropAll()
	j.acct.close()
	var errs []error
	for _, s := range []*asofSide{&j.left, &j.right} {
		s.release()
		errs = append(errs, s.in.Close(), s.sorter.close())
	}
	return errors.Join(errs...)
}
