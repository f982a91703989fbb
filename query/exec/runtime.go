package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/storage"
)

// A Runtime is what a statement runs with. Its fields do not change while
// operators made with it live.
type Runtime struct {
	// Reader is read through. Nil is allowed for plans that read no stored table.
	Reader storage.Reader
	// Function has the statement's allocator, session and catalogue. Its
	// context.Context is not used: the one passed to Next is.
	Function *function.Context
	// Params are the values of $1, $2 and so on.
	Params []datum.Value
	// Budget limits the memory of the query; nil: no limit.
	Budget *Budget
	// Temp makes the files that operators spill to; nil: they fail with 53200
	// where they would spill.
	Temp TempFiles
	// Workers is how many goroutines read a scan; 0 and 1 mean the caller's own.
	Workers int
	// Pruning switches stages of pruning off.
	Pruning chunk.PruningOff
	// Relations makes the rows of catalogue tables.
	Relations Relations
	// Stats collects what operators did, for EXPLAIN ANALYZE; nil: not collected.
	Stats *Stats
	// Returned are the rows of queries of WITH that have run already, by the IDs of CTEScan;
	// they are the caller's, who closes them after the operators.
	Returned map[int]*Spool
	// Turn is when the query may run, beside others that take long; nil: always.
	Turn *Turn
	// Locker locks rows; nil for plans that lock none.
	Locker Locker
}

// Relations makes the rows of the tables of pg_catalog, information_schema and
// phyllo_catalog. It is safe for concurrent use.
type Relations interface {
	// Relation returns the rows of a table, with the columns that are wanted (by
	// index into its definition) in that order, as batches of at least one row,
	// which the caller releases.
	Relation(ctx context.Context, c *function.Context, namespace, name string, columns []int) ([]arrow.RecordBatch, error)
}

// A frame is the surroundings in which operators are built: the values of outer
// queries' columns and the CTEs that can be read. Frames are not modified; a
// subquery's is a copy with more in it.
type frame struct {
	rt    *Runtime
	outer []datum.Value
	ctes  map[int]cteSource
	subs  *subqueries
}

func newFrame(rt *Runtime) *frame {
	f := &frame{rt: rt, subs: newSubqueries()}
	if len(rt.Returned) > 0 {
		f.ctes = make(map[int]cteSource, len(rt.Returned))
		for id, s := range rt.Returned {
			f.ctes[id] = spoolSource{s.s}
		}
	}
	return f
}

func (f *frame) mem() memory.Allocator { return f.rt.Function.Mem }

func (f *frame) account() *account { return &account{budget: f.rt.Budget} }

// yield is called where something may go on for long: it fails when the statement is cancelled, and
// waits while it is the turn of others.
func (f *frame) yield(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.rt.Turn.yield(ctx)
}

// withOuter returns a frame in which outer parameters first, first+1... have
// the values. Subqueries below are run anew.
func (f *frame) withOuter(first int, values []datum.Value) *frame {
	outer := make([]datum.Value, max(len(f.outer), first+len(values)))
	copy(outer, f.outer)
	copy(outer[first:], values)
	return &frame{rt: f.rt, outer: outer, ctes: f.ctes, subs: newSubqueries()}
}

// withCTE returns a frame in which one more CTE can be read.
func (f *frame) withCTE(id int, s cteSource) *frame {
	c := *f
	c.ctes = make(map[int]cteSource, len(f.ctes)+1)
	for k, v := range f.ctes {
		c.ctes[k] = v
	}
	c.ctes[id] = s
	return &c
}

// Build makes the operators of a plan. The caller closes the result, also if it
// never calls Next. Nothing is read before the first Next.
func Build(rt *Runtime, n plan.Node) (Operator, error) {
	f := newFrame(rt)
	op, err := f.build(n)
	if err != nil {
		return nil, err
	}
	return &root{input: op, frame: f}, nil
}

// root is the operator that callers of Build hold: it turns panics into errors.
type root struct {
	input  Operator
	frame  *frame
	closed bool
}

func (r *root) Schema() *arrow.Schema { return r.input.Schema() }

func (r *root) Next(ctx context.Context) (b arrow.RecordBatch, err error) {
	defer panics.Catch(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a, ok := r.frame.mem().(*Allocator); ok {
		defer a.During(ctx)()
	}
	return r.input.Next(ctx)
}

func (r *root) Close() (err error) {
	if r.closed {
		return nil
	}
	r.closed = true
	defer panics.Catch(&err)
	defer r.frame.rt.Turn.close()
	err = r.input.Close()
	r.frame.subs.close()
	return err
}

// Run builds and runs a plan and hands each batch to f, which must retain what it
// keeps.
func Run(ctx context.Context, rt *Runtime, n plan.Node, f func(arrow.RecordBatch) error) (err error) {
	op, err := Build(rt, n)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := op.Close(); err == nil {
			err = cerr
		}
	}()
	return Drain(ctx, op, f)
}

// Collect runs a plan and returns its batches, which the caller releases.
func Collect(ctx context.Context, rt *Runtime, n plan.Node) ([]arrow.RecordBatch, error) {
	var out []arrow.RecordBatch
	err := Run(ctx, rt, n, func(b arrow.RecordBatch) error {
		b.Retain()
		out = append(out, b)
		return nil
	})
	if err != nil {
		releaseAll(out)
		return nil, err
	}
	return out, nil
}
