package exec

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
)

// Columns with few distinct values come from scans as chunk.Coded where a stage, or
// what a pipeline is folded into, computes something over them. They are spelt out
// where a column as such is wanted, and before a batch leaves the pipeline.

// A codedSink is what a pipeline is folded into and takes chunk.CodedBatches.
type codedSink interface {
	// codedExprs are the expressions that it computes over its input, and those for
	// which a column itself may be coded.
	codedExprs() (exprs, columns []expr.Expr)
}

// codedColumns returns the columns of the scan that are wanted as chunk.Coded.
func (p *pipeline) codedColumns() []schema.ColumnID {
	columns := p.scan.node.Spec.Columns
	var out []schema.ColumnID
	want := func(i int) {
		if i < len(columns) && !slices.Contains(out, columns[i]) {
			out = append(out, columns[i])
		}
	}
	for _, s := range p.stages {
		for _, e := range s.exprs {
			expr.OverValues(e, want)
		}
		if !s.passes {
			return out
		}
	}
	if p.sink == nil {
		return out
	}
	exprs, alone := p.sink.codedExprs()
	for _, e := range exprs {
		expr.OverValues(e, want)
	}
	for _, e := range alone {
		if c, ok := e.(*expr.Column); ok {
			want(c.Index)
		}
	}
	return out
}

// spellOut returns a batch of arrays, which may be b. It takes over the caller's
// reference.
func spellOut(b arrow.RecordBatch) arrow.RecordBatch {
	c, ok := b.(*chunk.CodedBatch)
	if !ok {
		return b
	}
	defer c.Release()
	return c.Flat()
}

// selectRows returns some rows of b, each once.
func selectRows(mem memory.Allocator, b arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	c, ok := b.(*chunk.CodedBatch)
	if !ok {
		return gatherBatch(mem, b, rows), nil
	}
	return c.Select(rows, func(a arrow.Array, rows []int32) arrow.Array { return gather(mem, a, rows) })
}
