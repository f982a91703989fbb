package exec

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
	"golang.org/x/sync/errgroup"
)

// A pipeline is a source of batches (a scan's splits, or any operator) and the
// stages that each batch passes. Over splits every worker has its own instances
// of the stages, so that the whole chain runs in the workers.
type pipeline struct {
	fr     *frame
	scan   *scanSource // one of scan and input is set
	input  Operator
	stages []stageSpec
	schema *arrow.Schema // of what comes out
	sink   codedSink     // nil: wants its batches spelt out
}

// A stage turns batches into batches. An instance is used by one goroutine.
type stage interface {
	// apply handles one batch, which stays its caller's; emit takes over the
	// batches it is given, which have at least one row.
	apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error
}

// emitFunc hands a batch on and takes over the caller's reference, also when it
// fails.
type emitFunc func(arrow.RecordBatch) error

// A stageSpec makes the instances of one stage.
type stageSpec struct {
	node   plan.Node
	schema *arrow.Schema
	make   func() stage
	shared sharedStage // nil for stages that share nothing
	stats  *OperatorStats
	exprs  []expr.Expr // over its input, those that know chunk.Coded
	passes bool        // the columns of its input are those of its output
}

// A sharedStage is what the instances of a stage have in common, such as the hash
// table of a join.
type sharedStage interface {
	// prepare runs once, before any instance gets a batch.
	prepare(ctx context.Context) error
	// finish runs after all batches have passed all instances, and may emit more.
	finish(ctx context.Context, emit emitFunc) error
	close() error
}

// errStopped ends a producer whose consumer wants no more.
var errStopped = errors.New("exec: consumer stopped")

// then returns the pipeline with one more stage.
func (p *pipeline) then(s stageSpec) *pipeline {
	s.stats = p.fr.rt.Stats.node(s.node)
	p.stages = append(p.stages, s)
	p.schema = s.schema
	return p
}

func (p *pipeline) prepare(ctx context.Context) error {
	for _, s := range p.stages {
		if s.shared != nil {
			if err := s.shared.prepare(ctx); err != nil {
				return err
			}
		}
		if s.stats != nil {
			s.stats.loops.Add(1)
		}
	}
	if p.scan != nil {
		p.scan.coded = p.codedColumns()
		return p.scan.prepare(ctx)
	}
	return nil
}

func (p *pipeline) close() error {
	var errs []error
	if p.input != nil {
		errs = append(errs, p.input.Close())
	}
	for _, s := range p.stages {
		if s.shared != nil {
			errs = append(errs, s.shared.close())
		}
	}
	if p.scan != nil {
		p.scan.close()
	}
	return errors.Join(errs...)
}

// A chain is one worker's instances of a pipeline's stages.
type chain struct {
	specs  []stageSpec
	stages []stage
	flat   bool // what comes out is spelt out
	turn   *Turn
}

func (p *pipeline) chain() *chain {
	c := &chain{specs: p.stages, stages: make([]stage, len(p.stages)), flat: p.sink == nil, turn: p.fr.rt.Turn}
	for i, s := range p.stages {
		c.stages[i] = s.make()
	}
	return c
}

// push sends a batch, which it takes over, through the stages from i on.
func (c *chain) push(ctx context.Context, i int, b arrow.RecordBatch, sink emitFunc) error {
	if i == 0 {
		if err := c.turn.yield(ctx); err != nil {
			b.Release()
			return err
		}
	}
	if i == len(c.stages) {
		if c.flat {
			b = spellOut(b)
		}
		return sink(b)
	}
	defer b.Release()
	if err := ctx.Err(); err != nil {
		return err
	}
	st := c.specs[i].stats
	if st == nil {
		return c.stages[i].apply(ctx, b, func(out arrow.RecordBatch) error {
			return c.push(ctx, i+1, out, sink)
		})
	}
	begin, above := time.Now(), time.Duration(0)
	err := c.stages[i].apply(ctx, b, func(out arrow.RecordBatch) error {
		st.addOutput(out.NumRows())
		t := time.Now()
		defer func() { above += time.Since(t) }()
		return c.push(ctx, i+1, out, sink)
	})
	st.nanos.Add(int64(time.Since(begin) - above))
	return err
}

// finish lets the stages emit what they held back, from the first to the last.
func (p *pipeline) finish(ctx context.Context, sink emitFunc) error {
	var c *chain
	for i, s := range p.stages {
		if s.shared == nil {
			continue
		}
		if c == nil {
			c = p.chain()
		}
		err := s.shared.finish(ctx, func(out arrow.RecordBatch) error {
			s.stats.addOutput(out.NumRows())
			return c.push(ctx, i+1, out, sink)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// runSerial produces everything in the caller's goroutine. ctx is asked for
// before each batch: it may change between the calls of Next.
func (p *pipeline) runSerial(ctx func() context.Context, sink emitFunc) error {
	c := p.chain()
	push := func(b arrow.RecordBatch) error { return c.push(ctx(), 0, b, sink) }
	if p.input != nil {
		for {
			b, err := p.input.Next(ctx())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if err := push(b); err != nil {
				return err
			}
		}
	} else if err := p.scan.readAll(ctx, push); err != nil {
		return err
	}
	return p.finish(ctx(), sink)
}

// A part is the state of a fold over a run of splits.
type part interface {
	// add folds in a batch, which stays its caller's.
	add(ctx context.Context, b arrow.RecordBatch) error
	// discard releases what a part holds that will not be merged.
	discard()
}

// runsPerWorker is how many runs of splits a fold makes for each worker: enough to
// even out their load, few enough that merging costs little.
const runsPerWorker = 4

// fold folds all batches: into one part in the caller's goroutine, or into one
// per run of splits. merge is called with the parts in the order of the splits,
// one call at a time; it takes them over.
func (p *pipeline) fold(ctx context.Context, newPart func() part, merge func(context.Context, part) error) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if p.input != nil || !p.scan.parallel() {
		return p.foldSerial(ctx, newPart, merge)
	}
	if err := p.foldParallel(ctx, newPart, merge); err != nil {
		return err
	}
	last := newPart()
	used := false
	err := p.finish(ctx, func(b arrow.RecordBatch) error {
		defer b.Release()
		used = true
		return last.add(ctx, b)
	})
	if err != nil || !used {
		last.discard()
		return err
	}
	return merge(ctx, last)
}

func (p *pipeline) foldSerial(ctx context.Context, newPart func() part, merge func(context.Context, part) error) error {
	one := newPart()
	err := p.runSerial(func() context.Context { return ctx }, func(b arrow.RecordBatch) error {
		defer b.Release()
		return one.add(ctx, b)
	})
	if err != nil {
		one.discard()
		return err
	}
	return merge(ctx, one)
}

func (p *pipeline) foldParallel(ctx context.Context, newPart func() part, merge func(context.Context, part) error) error {
	runs := p.scan.runs(p.fr.rt.Workers * runsPerWorker)
	m := &orderedMerge{parts: make([]part, len(runs)), merge: merge}
	defer m.discard()
	queue := make(chan int, len(runs))
	for i := range runs {
		queue <- i
	}
	close(queue)
	g, gctx := errgroup.WithContext(ctx)
	for range min(p.fr.rt.Workers, len(runs)) {
		g.Go(func() (err error) {
			defer panics.Catch(&err)
			c, room := p.chain(), p.scan.room()
			for i := range queue {
				one := newPart()
				err := p.scan.readSplits(gctx, room, runs[i], func(b arrow.RecordBatch) error {
					return c.push(gctx, 0, b, func(out arrow.RecordBatch) error {
						defer out.Release()
						return one.add(gctx, out)
					})
				})
				if err != nil {
					one.discard()
					return err
				}
				if err := m.deliver(gctx, i, one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// An orderedMerge merges parts in their order as soon as all before are there.
type orderedMerge struct {
	merge func(context.Context, part) error

	mu    sync.Mutex
	parts []part // guarded by mu
	next  int    // guarded by mu: the first that is not merged
}

func (m *orderedMerge) deliver(ctx context.Context, i int, p part) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts[i] = p
	for m.next < len(m.parts) && m.parts[m.next] != nil {
		one := m.parts[m.next]
		m.parts[m.next] = nil
		m.next++
		if err := m.merge(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (m *orderedMerge) discard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.parts {
		if p != nil {
			p.discard()
		}
	}
	m.parts = nil
}

// A puller turns a producer that pushes batches into one that is pulled, by
// running it as a coroutine: never at the same time as its consumer.
type puller struct {
	ctx  context.Context // of the Next that waits; read only by the producer
	next func() (arrow.RecordBatch, error, bool)
	stop func()
}

func newPuller(produce func(ctx func() context.Context, emit emitFunc) error) *puller {
	p := &puller{}
	seq := func(yield func(arrow.RecordBatch, error) bool) {
		err := produce(func() context.Context { return p.ctx }, func(b arrow.RecordBatch) error {
			if !yield(b, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
	p.next, p.stop = iter.Pull2(iter.Seq2[arrow.RecordBatch, error](seq))
	return p
}

func (p *puller) pull(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.ctx = ctx
	b, err, ok := p.next()
	if !ok {
		return nil, io.EOF
	}
	return b, err
}

// close stops the producer, which must not wait for anything but emit.
func (p *puller) close() {
	if p == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.ctx = ctx
	p.stop()
}
