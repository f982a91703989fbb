package exec

import (
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
