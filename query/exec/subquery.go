package exec

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// subqueries are what a frame's subquery expressions have been found to be. It is
// safe for concurrent use.
type subqueries struct {
	mu     sync.Mutex
	states map[*expr.Subquery]*subqueryState // guarded by mu
}

func newSubqueries() *subqueries {
	return &subqueries{states: make(map[*expr.Subquery]*subqueryState)}
}

// A subqueryState is the results of one subquery by the values of its outer
// columns. mu is held while the subquery runs: two workers never run it twice.
type subqueryState struct {
	mu    sync.Mutex
	acct  *account                // guarded by mu, as are all below
	runs  map[string]*subqueryRun // by the outer values
	bytes int64
}

// A subqueryRun is the rows of one run, or how it failed: an error counts only
// once a row needs the value.
type subqueryRun struct {
	rows arrow.RecordBatch
	err  error
	set  *subquerySet // made when first needed
}

// maxCachedRuns and maxCachedBytes bound the results kept of a correlated
// subquery.
const (
	maxCachedRuns  = 10_000
	maxCachedBytes = 16 << 20
)

func (s *subqueries) state(f *frame, q *expr.Subquery) *subqueryState {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.states[q]
	if st == nil {
		st = &subqueryState{acct: f.account(), runs: make(map[string]*subqueryRun)}
		s.states[q] = st
	}
	return st
}

func (s *subqueries) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		st.forget()
	}
	clear(s.states)
}

func (s *subqueryState) forget() {
	for _, r := range s.runs {
		if r.rows != nil {
			r.rows.Release()
		}
		if r.set != nil {
			r.set.table.release()
		}
	}
	clear(s.runs)
	s.bytes = 0
	s.acct.close()
}

// RunSubquery implements expr.SubqueryRunner.
func (f *frame) RunSubquery(c *expr.Context, q *expr.Subquery, l, outer []function.Vec, n int) (function.Vec, error) {
	st := f.subs.state(f, q)
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(q.Outer) == 0 {
		run, err := st.run(c.Context.Context, f, q, nil)
		if err != nil {
			return function.Vec{}, err
		}
		if v, ok := run.test(f.mem(), q, l, n); ok {
			return v, nil
		}
	}
	return expr.SubqueryValues(c, q, l, outer, n, func(values []datum.Value, _ int) (arrow.RecordBatch, error) {
		var args []datum.Value
		if len(q.Outer) > 0 {
			args = values[q.FirstParam : q.FirstParam+len(q.Outer)]
		}
		run, err := st.run(c.Context.Context, f, q, args)
		if err != nil {
			return nil, err
		}
		run.rows.Retain()
		return run.rows, nil
	})
}

// Subqueries runs the subqueries of expressions that are computed outside of plans, as
// they were bound. It is an expr.SubqueryRunner of one goroutine.
type Subqueries struct{ f *frame }

// NewSubqueries returns a runner, which the caller closes.
func NewSubqueries(rt *Runtime) *Subqueries { return &Subqueries{newFrame(rt)} }

// RunSubquery implements expr.SubqueryRunner.
func (s *Subqueries) RunSubquery(c *expr.Context, q *expr.Subquery, l, outer []function.Vec, n int) (function.Vec, error) {
	return s.f.RunSubquery(c, q, l, outer, n)
}

// Close forgets the results.
func (s *Subqueries) Close() { s.f.subs.close() }

// run returns the rows for the given outer values, from the cache if it can.
func (s *subqueryState) run(ctx context.Context, f *frame, q *expr.Subquery, args []datum.Value) (*subqueryRun, error) {
	var key []byte
	for i, v := range args {
		if v == nil {
			key = append(key, 0)
			continue
		}
		key = datum.AppendValue(append(key, 1), q.Outer[i].Type(), v)
	}
	if r := s.runs[string(key)]; r != nil {
		return r, r.err
	}
	if len(s.runs) >= maxCachedRuns || len(args) > 0 && s.bytes > maxCachedBytes {
		s.forget()
	}
	r := &subqueryRun{}
	r.rows, r.err = f.runSubplan(ctx, q, args)
	if r.err != nil {
		if ctx.Err() == nil {
			s.runs[string(key)] = r
		}
		return r, r.err
	}
	size := batchBytes(r.rows) + int64(len(key)) + 128
	if err := s.acct.add(size); err != nil {
		r.rows.Release()
		return nil, err
	}
	s.bytes += size
	s.runs[string(key)] = r
	return r, nil
}

// runSubplan runs a subquery's plan and returns its rows as one batch.
func (f *frame) runSubplan(ctx context.Context, q *expr.Subquery, args []datum.Value) (_ arrow.RecordBatch, err error) {
	sub := f
	if len(args) > 0 {
		sub = f.withOuter(q.FirstParam, args)
		defer sub.subs.close()
	}
	op, err := sub.build(q.Plan.(plan.Node))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	limit := int64(1 << 62)
	switch q.Kind {
	case expr.ExistsSubquery:
		limit = 1
	case expr.ScalarSubquery:
		limit = 2
	}
	var parts []arrow.RecordBatch
	defer func() { releaseAll(parts) }()
	acct := f.account()
	defer acct.close()
	for rows := int64(0); rows < limit; {
		b, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, b)
		rows += b.NumRows()
		if err := acct.add(batchBytes(b)); err != nil {
			return nil, err
		}
	}
	if len(parts) == 0 {
		return emptyBatch(f.mem(), op.Schema()), nil
	}
	return concatBatches(f.mem(), op.Schema(), parts)
}

// emptyBatch returns a batch without rows.
func emptyBatch(mem memory.Allocator, s *arrow.Schema) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, s)
	defer b.Release()
	return b.NewRecordBatch()
}

// A subquerySet answers IN and NOT IN for one column without comparing with
// each row.
type subquerySet struct {
	table *keyTable
	nulls bool // a row is NULL
}

// test evaluates l = ANY (rows) or l <> ALL (rows) through a hash table; ok is
// false if the subquery is something else.
func (r *subqueryRun) test(mem memory.Allocator, q *expr.Subquery, l []function.Vec, n int) (v function.Vec, ok bool) {
	if len(l) != 1 || len(q.Ops) != 1 || r.rows.NumCols() != 1 {
		return v, false
	}
	in := q.Kind == expr.AnySubquery && function.Builtins().IsEquality(q.Ops[0])
	notIn := q.Kind == expr.AllSubquery && function.Builtins().IsInequality(q.Ops[0])
	t := q.L[0].Type()
	right := datum.Of(q.Plan.(plan.Node).Fields()[0].Type.OID)
	if !in && !notIn || !comparable(t, right) {
		return v, false
	}
	if r.set == nil {
		r.set = newSubquerySet(mem, right, r.rows.Column(0))
	}
	b := array.NewBooleanBuilder(mem)
	defer b.Release()
	rows := n
	if l[0].Const {
		rows = 1
	}
	b.Reserve(rows)
	at := make([]int32, rows)
	r.set.table.lookup(l, rows, at)
	for i := range rows {
		switch {
		case r.rows.NumRows() == 0:
			b.Append(notIn)
		case l[0].IsNull(l[0].At(i)):
			b.AppendNull()
		case at[i] >= 0:
			b.Append(in)
		case r.set.nulls:
			b.AppendNull()
		default:
			b.Append(notIn)
		}
	}
	return function.Vec{Array: b.NewArray(), Const: l[0].Const, T: datum.Of(datum.Bool)}, true
}

func newSubquerySet(mem memory.Allocator, t datum.Type, rows arrow.Array) *subquerySet {
	s := &subquerySet{table: newKeyTable(mem, []datum.Type{t}), nulls: rows.NullN() > 0}
	at := make([]int32, rows.Len())
	s.table.groups([]function.Vec{{Array: rows}}, rows.Len(), at)
	return s
}

// comparable says that keys of two types are equal where PostgreSQL's = of the
// types says so.
func comparable(a, b datum.Type) bool {
	if a.OID == b.OID {
		return a.OID != datum.Record && a.OID != datum.JSON
	}
	ka, kb := kindOf(a), kindOf(b)
	return ka == kb && (ka == keyFloat || ka == keyInt && isInteger(a) && isInteger(b) ||
		ka == keyBytes && a.Arrow().ID() == arrow.STRING && b.Arrow().ID() == arrow.STRING)
}

func isInteger(t datum.Type) bool {
	switch t.Arrow().ID() {
	case arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT32:
		return true
	}
	return false
}

// preparedSubqueries runs uncorrelated subqueries before workers need them, in
// the goroutine that may use the transaction.
type preparedSubqueries struct {
	fr   *frame
	list []*expr.Subquery
}

func (p *preparedSubqueries) prepare(ctx context.Context) error {
	for _, q := range p.list {
		st := p.fr.subs.state(p.fr, q)
		st.mu.Lock()
		_, _ = st.run(ctx, p.fr, q, nil) // a failure is kept for the row that needs the value
		st.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (p *preparedSubqueries) finish(context.Context, emitFunc) error { return nil }
func (p *preparedSubqueries) close() error                           { return nil }

// prepareSubqueries does the same for expressions outside of stages.
func (f *frame) prepareSubqueries(ctx context.Context, es ...expr.Expr) error {
	if s := f.subqueriesIn(es...); s != nil {
		return s.prepare(ctx)
	}
	return nil
}
