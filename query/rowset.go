package query

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/plan"
)

// A rowSet is an operator over batches in memory: results of utility
// statements, RETURNING and held cursors.
type rowSet struct {
	schema  *arrow.Schema
	batches []arrow.RecordBatch
}

// newRowSet makes a rowSet of boxed values; it suits few rows.
func newRowSet(fields []plan.Field, rows [][]datum.Value) *rowSet {
	schema := arrowSchema(fields)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range rows {
		for i, v := range row {
			datum.Append(b.Field(i), fields[i].Type, v)
		}
	}
	return &rowSet{schema: schema, batches: []arrow.RecordBatch{b.NewRecordBatch()}}
}

func arrowSchema(fields []plan.Field) *arrow.Schema {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		out[i] = datum.Field(f.Name, f.Type)
	}
	return arrow.NewSchema(out, nil)
}

// Schema is the rows' schema.
func (r *rowSet) Schema() *arrow.Schema { return r.schema }

// Next hands the next batch over.
func (r *rowSet) Next(context.Context) (arrow.RecordBatch, error) {
	for len(r.batches) > 0 {
		b := r.batches[0]
		r.batches = r.batches[1:]
		if b.NumRows() > 0 {
			return b, nil
		}
		b.Release()
	}
	return nil, io.EOF
}

// Close releases what was not handed over.
func (r *rowSet) Close() error {
	for _, b := range r.batches {
		b.Release()
	}
	r.batches = nil
	return nil
}
