package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// coalesceRows is from how many rows on a batch is large enough to be handed on.
const coalesceRows = 1024

// A coalescer joins small batches. It is used by one goroutine.
type coalescer struct {
	mem    memory.Allocator
	schema *arrow.Schema
	emit   emitFunc
	parts  []arrow.RecordBatch
	rows   int64
}

// add takes over a batch.
func (c *coalescer) add(b arrow.RecordBatch) error {
	if c.rows+b.NumRows() > maxBatchRows {
		if err := c.flush(); err != nil {
			b.Release()
			return err
		}
	}
	c.parts = append(c.parts, b)
	c.rows += b.NumRows()
	if c.rows >= coalesceRows {
		return c.flush()
	}
	return nil
}

func (c *coalescer) flush() error {
	if len(c.parts) == 0 {
		return nil
	}
	b, err := concatBatches(c.mem, c.schema, c.parts)
	c.release()
	if err != nil {
		return err
	}
	return c.emit(b)
}

func (c *coalescer) release() {
	releaseAll(c.parts)
	c.parts, c.rows = c.parts[:0], 0
}

// DrainJoined is Drain where small batches are joined, for a receiver that has work to do
// for each batch.
func DrainJoined(ctx context.Context, rt *Runtime, op Operator, f func(arrow.RecordBatch) error) error {
	c := &coalescer{mem: rt.Function.Mem, schema: op.Schema(), emit: func(b arrow.RecordBatch) error {
		defer b.Release()
		return f(b)
	}}
	defer c.release()
	err := Drain(ctx, op, func(b arrow.RecordBatch) error {
		b.Retain()
		return c.add(b)
	})
	if err != nil {
		return err
	}
	return c.flush()
}
