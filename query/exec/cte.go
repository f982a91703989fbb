package exec

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A cteSource makes readers of a CTE's rows.
type cteSource interface {
	reader(s *arrow.Schema) Operator
}

// cte is WITH. Each query runs at most once and only as far as its readers ask:
// WITH RECURSIVE without an end is fine below a LIMIT, as in PostgreSQL.
type cte struct {
	body   Operator
	stores []*cteStore
	subs   *subqueries // of the body
	closed bool
}

func (f *frame) buildCTE(n *plan.CTE) (Operator, error) {
	c := &cte{}
	for _, d := range n.Defs {
		store := &cteStore{fr: f, def: d, rows: newSpool(f, f.rt.Stats.node(d.Init))}
		c.stores = append(c.stores, store)
		f = f.withCTE(d.ID, store)
	}
	f = f.withSubqueries()
	c.subs = f.subs
	body, err := f.build(n.Body)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.body = body
	return c, nil
}

// withSubqueries returns a frame whose subqueries are its own: those of a frame
// outside do not see its CTEs.
func (f *frame) withSubqueries() *frame {
	c := *f
	c.subs = newSubqueries()
	return &c
}

func (c *cte) Schema() *arrow.Schema { return c.body.Schema() }

func (c *cte) Next(ctx context.Context) (arrow.RecordBatch, error) { return c.body.Next(ctx) }

func (c *cte) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	var errs []error
	if c.body != nil {
		errs = append(errs, c.body.Close())
	}
	if c.subs != nil {
		c.subs.close()
	}
	for i := len(c.stores) - 1; i >= 0; i-- { // readers before what they read
		errs = append(errs, c.stores[i].close())
	}
	return errors.Join(errs...)
}

// A cteStore is the rows of a CTE as far as they have been asked for. It is used
// by one goroutine.
type cteStore struct {
	fr   *frame
	def  plan.CTEDef
	rows *spool
	from *puller // nil before the first row is asked for
	op   Operator
	done bool
	busy bool // running: a reader inside of it would wait for itself
	err  error
}

// batch returns batch i, or io.EOF.
func (s *cteStore) batch(ctx context.Context, i int) (arrow.RecordBatch, error) {
	for i >= s.rows.batches() {
		if s.err != nil {
			return nil, s.err
		}
		if s.done {
			return nil, io.EOF
		}
		if s.busy {
			return nil, fmt.Errorf("exec: bug: CTE %q reads itself", s.def.Name)
		}
		if err := s.more(ctx); err != nil {
			return nil, err
		}
	}
	return s.rows.batch(ctx, i)
}

// more runs the query for one more batch.
func (s *cteStore) more(ctx context.Context) error {
	s.busy = true
	defer func() { s.busy = false }()
	if s.from == nil {
		s.from = newPuller(s.run)
	}
	b, err := s.from.pull(ctx)
	if errors.Is(err, io.EOF) {
		s.done = true
		return nil
	}
	if err == nil {
		err = s.rows.add(b)
		b.Release()
	}
	s.err = err
	return err
}

// run produces the rows.
func (s *cteStore) run(ctx func() context.Context, emit emitFunc) error {
	if s.def.Step == nil {
		return s.runPlan(ctx, s.fr, s.def.Init, emit)
	}
	return s.runRecursive(ctx, emit)
}

func (s *cteStore) runPlan(ctx func() context.Context, f *frame, n plan.Node, emit emitFunc) (err error) {
	f = f.withSubqueries()
	defer f.subs.close()
	op, err := f.build(n)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := op.Close(); err == nil {
			err = cerr
		}
	}()
	for {
		b, err := op.Next(ctx())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := emit(b); err != nil {
			return err
		}
	}
}

// runRecursive runs Init, then Step over the rows of the last round until there
// are none.
func (s *cteStore) runRecursive(ctx func() context.Context, emit emitFunc) error {
	r := &recursion{store: s, work: newSpool(s.fr, nil), next: newSpool(s.fr, nil), acct: s.fr.account()}
	defer r.close()
	if !s.def.UnionAll {
		r.seen = newKeyTable(s.fr.mem(), typesOf(s.def.Init.Fields()))
	}
	schema := schemaOf(s.def.Init.Fields())
	take := func(b arrow.RecordBatch) error { return r.take(relabel(schema, b), emit) }
	if err := s.runPlan(ctx, s.fr, s.def.Init, take); err != nil {
		return err
	}
	for r.next.rows > 0 {
		if err := ctx().Err(); err != nil {
			return err
		}
		if err := r.work.close(); err != nil {
			return err
		}
		r.work, r.next = r.next, newSpool(s.fr, nil)
		f := s.fr.withCTE(s.def.ID, spoolSource{r.work})
		if err := s.runPlan(ctx, f, s.def.Step, take); err != nil {
			return err
		}
	}
	return nil
}

func (s *cteStore) close() error {
	s.from.close()
	return s.rows.close()
}

// A recursion is the state of a recursive CTE.
type recursion struct {
	store  *cteStore
	work   *spool // the last round
	next   *spool // this round
	seen   *keyTable
	acct   *account
	groups []int32
}

// take adds the rows of b, which it takes over, that are new.
func (r *recursion) take(b arrow.RecordBatch, emit emitFunc) error {
	if r.seen != nil {
		fresh, err := r.fresh(b)
		b.Release()
		if err != nil || fresh == nil {
			return err
		}
		b = fresh
	}
	if err := r.next.add(b); err != nil {
		b.Release()
		return err
	}
	return emit(b)
}

// fresh returns the rows of b that have not been met, nil if there are none.
func (r *recursion) fresh(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	n := int(b.NumRows())
	if cap(r.groups) < n {
		r.groups = make([]int32, n)
	}
	vs := make([]function.Vec, b.NumCols())
	for i := range vs {
		vs[i] = function.Vec{Array: b.Column(i)}
	}
	next := int32(r.seen.len())
	r.seen.groups(vs, n, r.groups[:n])
	var idx []int32
	for i, g := range r.groups[:n] {
		if g == next {
			next++
			idx = append(idx, int32(i))
		}
	}
	if err := r.acct.set(r.seen.sizeBytes()); err != nil || len(idx) == 0 {
		return nil, err
	}
	return gatherBatch(r.store.fr.mem(), b, idx), nil
}

func (r *recursion) close() {
	_ = r.work.close() // closing nameless temporary files loses nothing
	_ = r.next.close()
	if r.seen != nil {
		r.seen.release()
	}
	r.acct.close()
}

func (f *frame) buildCTEScan(n *plan.CTEScan) (Operator, error) {
	s := f.ctes[n.ID]
	if s == nil {
		return nil, fmt.Errorf("exec: bug: CTE %q (%d) is not in scope", n.Name, n.ID)
	}
	return s.reader(schemaOf(n.Out)), nil
}

func (s *cteStore) reader(schema *arrow.Schema) Operator {
	return &cteReader{batch: s.batch, schema: schema}
}

// A spoolSource is a CTE whose rows are all there.
type spoolSource struct{ rows *spool }

func (s spoolSource) reader(schema *arrow.Schema) Operator {
	return &cteReader{schema: schema, batch: func(ctx context.Context, i int) (arrow.RecordBatch, error) {
		if i >= s.rows.batches() {
			return nil, io.EOF
		}
		return s.rows.batch(ctx, i)
	}}
}

// cteReader reads the rows of a CTE from the start.
type cteReader struct {
	batch  func(ctx context.Context, i int) (arrow.RecordBatch, error)
	next   int
	schema *arrow.Schema
}

func (r *cteReader) Schema() *arrow.Schema { return r.schema }

func (r *cteReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := r.batch(ctx, r.next)
	if err != nil {
		return nil, err
	}
	r.next++
	return relabel(r.schema, b), nil
}

func (r *cteReader) Close() error { return nil }
