package exec

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/panics"
	"golang.org/x/sync/errgroup"
)

// An exchange is the operator that hands up what a pipeline makes, in the order of
// the splits: an answer without ORDER BY is then the same each time.
type exchange struct {
	p       *pipeline
	serial  *puller // the whole pipeline, or what its stages emit at the end
	fan     *fan    // the workers
	started bool
	closed  bool
}

func (e *exchange) Schema() *arrow.Schema { return e.p.schema }

func (e *exchange) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !e.started {
		e.started = true
		if err := e.p.prepare(ctx); err != nil {
			return nil, err
		}
		if e.p.input == nil && e.p.scan.parallel() {
			e.fan = e.p.startFan(ctx)
		} else {
			e.serial = newPuller(e.p.runSerial)
		}
	}
	if e.serial == nil {
		b, err := e.fan.next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		e.serial = newPuller(func(ctx func() context.Context, emit emitFunc) error {
			return e.p.finish(ctx(), emit)
		})
	}
	return e.serial.pull(ctx)
}

func (e *exchange) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.fan.close()
	e.serial.close()
	return e.p.close()
}

const (
	// splitBatches is how many batches of a split wait for the consumer at most:
	// enough for a chunk, so that a worker can go on with the next one.
	splitBatches = 16
	// splitsAhead is how many splits more than workers are in work or waiting.
	splitsAhead = 2
)

// A fan is a pipeline's workers and the batches on their way to the consumer:
// one queue for each split in work, in a ring, so that what is ahead is bounded.
type fan struct {
	p      *pipeline
	cancel context.CancelFunc
	group  *errgroup.Group
	ctx    context.Context // of the workers
	ring   []chan arrow.RecordBatch
	tokens chan struct{} // one for each split that may be started
	at     int           // split that the consumer reads

	mu   sync.Mutex
	take int // guarded by mu: the next split to start
}

// startFan starts the workers, which live until close whatever becomes of the
// context of the first Next: a portal asks for its rows in several calls.
func (p *pipeline) startFan(ctx context.Context) *fan {
	workers := min(p.fr.rt.Workers, len(p.scan.splits))
	f := &fan{p: p}
	f.ring = make([]chan arrow.RecordBatch, workers+splitsAhead)
	f.tokens = make(chan struct{}, len(f.ring))
	for i := range f.ring {
		f.ring[i] = make(chan arrow.RecordBatch, splitBatches)
		f.tokens <- struct{}{}
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.group, f.ctx = errgroup.WithContext(ctx)
	for range workers {
		f.group.Go(f.work)
	}
	return f
}

func (f *fan) work() (err error) {
	defer panics.Catch(&err)
	c, room := f.p.chain(), f.p.scan.room()
	for {
		i, err := f.claim()
		if err != nil || i < 0 {
			return err
		}
		out := f.ring[i%len(f.ring)]
		send := func(b arrow.RecordBatch) error {
			select {
			case out <- b:
				return nil
			case <-f.ctx.Done():
				if b != nil {
					b.Release()
				}
				return f.ctx.Err()
			}
		}
		err = f.p.scan.readSplits(f.ctx, room, f.p.scan.splits[i:i+1], func(b arrow.RecordBatch) error {
			return c.push(f.ctx, 0, b, send)
		})
		if err != nil {
			return err
		}
		if err := send(nil); err != nil { // the end of the split
			return err
		}
	}
}

// claim returns the next split to read, -1 after the last.
func (f *fan) claim() (int, error) {
	select {
	case <-f.tokens:
	case <-f.ctx.Done():
		return 0, f.ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.take == len(f.p.scan.splits) {
		f.tokens <- struct{}{} // for the other workers, which end likewise
		return -1, nil
	}
	f.take++
	return f.take - 1, nil
}

func (f *fan) next(ctx context.Context) (arrow.RecordBatch, error) {
	for f.at < len(f.p.scan.splits) {
		select {
		case b := <-f.ring[f.at%len(f.ring)]:
			if b != nil {
				return b, nil
			}
			f.at++
			f.tokens <- struct{}{}
		case <-f.ctx.Done():
			if err := f.group.Wait(); err != nil {
				return nil, err
			}
			return nil, f.ctx.Err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := f.group.Wait(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// close stops the workers, waits for them and releases what they left.
func (f *fan) close() {
	if f == nil {
		return
	}
	f.cancel()
	_ = f.group.Wait() // an error was or would have been returned by next
	for _, q := range f.ring {
		for len(q) > 0 {
			if b := <-q; b != nil {
				b.Release()
			}
		}
	}
}
