package exec

import (
	"bytes"
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// distinctOn is DISTINCT ON (k) .. ORDER BY k, t without sorting the input: the
// best row of each key is kept, per worker, and only those are sorted. It is how
// the last value per key is asked for.
type distinctOn struct {
	fr     *frame
	node   *plan.Distinct
	sort   *plan.Sort
	rest   []plan.SortKey
	in     *pipeline
	best   *bestRows
	sorter *sorter
	sorted Operator // used instead when the keys do not fit in memory
	begun  bool
	closed bool
}

func (f *frame) newDistinctOn(n *plan.Distinct, s *plan.Sort, rest []plan.SortKey) (Operator, error) {
	in, err := f.input(s.Input)
	if err != nil {
		return nil, err
	}
	if in.scan != nil && len(rest) > 0 {
		in.scan.descending = rest[0].Desc
		in.scan.edge = edgeOf(n.On, s.Input, rest)
	}
	return &distinctOn{fr: f, node: n, sort: s, rest: rest, in: in}, nil
}

// edgeOf says whether of each run of equal keys in a chunk only the last row (or
// the first) matters: if the keys are those that the table is sorted by first and
// the order is by the next of them. Nothing may filter between the scan and here.
func edgeOf(on []expr.Expr, input plan.Node, rest []plan.SortKey) chunk.Edge {
	if len(rest) != 1 || rest[0].NullsFirst != rest[0].Desc {
		return chunk.Edge{}
	}
	var table *schema.Table
	columns := map[schema.ColumnID]bool{}
	column := func(e expr.Expr) schema.ColumnID {
		c, ok := e.(*expr.Column)
		if !ok {
			return 0
		}
		scan, at, ok := traceProjected(input, c.Index)
		if !ok || len(scan.Filter) > 0 {
			return 0
		}
		table = scan.Table
		return scan.Spec.Columns[at]
	}
	for _, e := range on {
		id := column(e)
		if id == 0 {
			return chunk.Edge{}
		}
		columns[id] = true
	}
	next := column(rest[0].Expr)
	if next == 0 {
		return chunk.Edge{}
	}
	key := table.SortKey()
	if len(key) <= len(columns) || key[len(columns)] != next {
		return chunk.Edge{}
	}
	for _, id := range key[:len(columns)] {
		if !columns[id] {
			return chunk.Edge{}
		}
	}
	return chunk.Edge{Columns: len(columns), First: !rest[0].Desc}
}

func (d *distinctOn) Schema() *arrow.Schema { return d.in.schema }

func (d *distinctOn) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !d.begun {
		d.begun = true
		err := d.run(ctx)
		if err != nil && pgerr.Code(err) == pgerr.OutOfMemory && d.fr.rt.Temp != nil {
			err = d.fallBack()
		}
		if err != nil {
			return nil, err
		}
	}
	if d.sorted != nil {
		return d.sorted.Next(ctx)
	}
	return d.sorter.next(ctx)
}

func (d *distinctOn) run(ctx context.Context) error {
	newPart := func() part { return newBestRows(d.fr, d.in.schema, d.node.On, d.rest) }
	err := d.in.fold(ctx, newPart, func(_ context.Context, p part) error {
		rows := p.(*bestRows)
		if d.best == nil {
			d.best = rows
			return nil
		}
		defer rows.discard()
		return d.best.merge(rows)
	})
	if err != nil {
		return err
	}
	d.sorter = newSorter(d.fr, d.in.schema, d.fr.rt.Stats.node(d.node))
	keys := d.fr.sortKeys(d.sort.Keys)
	err = d.best.rows.each(d.best.refs, func(b arrow.RecordBatch) error {
		return d.sorter.addBatch(ctx, b, keys)
	})
	d.best.discard()
	if err != nil {
		return err
	}
	return d.sorter.sorted(ctx)
}

// fallBack starts again with a sort, which can spill. The snapshot is the same.
func (d *distinctOn) fallBack() error {
	if d.best != nil {
		d.best.discard()
		d.best = nil
	}
	if d.sorter != nil {
		if err := d.sorter.close(); err != nil {
			return err
		}
	}
	if err := d.in.close(); err != nil {
		return err
	}
	var err error
	d.sorted, err = d.fr.buildFirstOfRun(d.node)
	return err
}

func (d *distinctOn) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	errs := []error{d.in.close()}
	if d.best != nil {
		d.best.discard()
	}
	if d.sorter != nil {
		errs = append(errs, d.sorter.close())
	}
	if d.sorted != nil {
		errs = append(errs, d.sorted.Close())
	}
	return errors.Join(errs...)
}

// bestRows are, by key, the rows of a part of the input that come first in the
// order of the rest of the sort keys; among equals the first.
type bestRows struct {
	ev    *evaluator
	on    []expr.Expr
	table *keyTable
	rest  *sortKeys
	acct  *account
	rows  *heldRows
	refs  []heldRef // by group

	// What orders the best row of a group: class (0 for NULL first, 2 for NULL
	// last, else 1) and rank if there is one sort key that has ranks, else key.
	ranked bool
	ranker ranker
	class  []uint8
	rank   []uint64
	keys   [][]byte

	groups  []int32
	ranks   []uint64
	touched []int32 // groups whose best row is of the present batch
	stamp   []int32 // by group: number of the batch it was last touched in
	batches int32
}

func newBestRows(f *frame, s *arrow.Schema, on []expr.Expr, rest []plan.SortKey) *bestRows {
	b := &bestRows{
		ev: f.evaluator(), on: on, rest: f.sortKeys(rest),
		table: newKeyTable(f.mem(), exprTypes(on)),
		acct:  f.account(), rows: newHeldRows(f, s),
	}
	if r, ok := b.rest.ranker(); ok && len(rest) == 1 {
		b.ranker, b.ranked = r, true
	}
	return b
}

func (d *bestRows) add(ctx context.Context, b arrow.RecordBatch) error {
	n := int(b.NumRows())
	on, err := d.ev.evalAll(ctx, d.on, b)
	if err != nil {
		return err
	}
	defer releaseVecs(on)
	vs, err := d.rest.eval(ctx, b)
	if err != nil {
		return err
	}
	defer releaseVecs(vs)
	if cap(d.groups) < n {
		d.groups, d.ranks = make([]int32, n), make([]uint64, n)
	}
	groups := d.groups[:n]
	before := d.table.len()
	d.table.groups(on, n, groups)
	d.growGroups(d.table.len(), before)
	d.batches++
	d.touched = d.touched[:0]
	if d.ranked && d.ranker.ranks(vs[0], n, d.ranks[:n]) {
		d.addRanked(groups, vs[0])
	} else {
		d.addKeyed(groups, vs)
	}
	if len(d.touched) == 0 {
		return nil
	}
	idx := make([]int32, len(d.touched))
	for i, g := range d.touched {
		idx[i] = d.refs[g].row
	}
	slot := d.rows.hold(b, idx)
	for i, g := range d.touched {
		d.refs[g] = heldRef{slot, int32(i)}
	}
	if d.rows.count > 2*len(d.refs)+2*maxBatchRows {
		d.rows.compact(d.refs)
	}
	return d.acct.set(d.sizeBytes())
}

func (d *bestRows) sizeBytes() int64 {
	n := d.rows.bytes + d.table.sizeBytes() + int64(32*len(d.refs))
	for _, k := range d.keys {
		n += int64(24 + cap(k))
	}
	return n
}

func (d *bestRows) growGroups(n, before int) {
	for range n - before {
		d.refs = append(d.refs, heldRef{-1, -1})
		d.stamp = append(d.stamp, -1)
		if d.ranked {
			d.class = append(d.class, 3) // after everything
			d.rank = append(d.rank, ^uint64(0))
		} else {
			d.keys = append(d.keys, nil)
		}
	}
}

func (d *bestRows) win(g int32, row int) {
	d.refs[g] = heldRef{-1, int32(row)}
	if d.stamp[g] != d.batches {
		d.stamp[g] = d.batches
		d.touched = append(d.touched, g)
	}
}

func (d *bestRows) addRanked(groups []int32, v function.Vec) {
	nulls := v.NullN() > 0
	for i, g := range groups {
		class := uint8(1)
		if nulls && v.IsNull(v.At(i)) {
			class = 2
			if d.ranker.nullsFirst {
				class = 0
			}
		}
		if d.class[g] < class || d.class[g] == class && d.rank[g] <= d.ranks[i] {
			continue
		}
		d.class[g], d.rank[g] = class, d.ranks[i]
		d.win(g, i)
	}
}

func (d *bestRows) addKeyed(groups []int32, vs []function.Vec) {
	var key []byte
	for i, g := range groups {
		key = d.rest.append(key[:0], vs, i)
		if old := d.keys[g]; old != nil && bytes.Compare(old, key) <= 0 {
			continue
		}
		d.keys[g] = append(append(d.keys[g][:0], key...), 0)[:len(key)] // never nil
		d.win(g, i)
	}
}

// merge takes over the rows of a part that comes after this one.
func (d *bestRows) merge(o *bestRows) error {
	before := d.table.len()
	to := d.table.merge(o.table)
	d.growGroups(d.table.len(), before)
	base := d.rows.absorb(o.rows)
	for og, g := range to {
		if d.ranked {
			if d.class[g] < o.class[og] || d.class[g] == o.class[og] && d.rank[g] <= o.rank[og] {
				continue
			}
			d.class[g], d.rank[g] = o.class[og], o.rank[og]
		} else {
			if d.keys[g] != nil && bytes.Compare(d.keys[g], o.keys[og]) <= 0 {
				continue
			}
			d.keys[g] = o.keys[og]
		}
		d.refs[g] = heldRef{o.refs[og].slot + base, o.refs[og].row}
	}
	d.rows.compact(d.refs)
	d.acct.force(d.sizeBytes())
	return nil
}

func (d *bestRows) discard() {
	d.rows.release()
	d.table.release()
	d.acct.close()
}
