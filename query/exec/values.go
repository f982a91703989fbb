package exec

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// values yields rows of expressions without columns.
type values struct {
	ev     *evaluator
	node   *plan.Values
	schema *arrow.Schema
	next   int
}

func newValues(f *frame, n *plan.Values) *values {
	return &values{ev: f.evaluator(), node: n, schema: schemaOf(n.Out)}
}

func (v *values) Schema() *arrow.Schema { return v.schema }

func (v *values) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows := v.node.Rows[v.next:min(v.next+maxBatchRows, len(v.node.Rows))]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	v.next += len(rows)
	if len(rows) == 1 {
		return v.oneRow(ctx, rows[0])
	}
	b := newRowBuilder(v.ev.fr.mem(), v.schema, typesOf(v.node.Out))
	defer b.release()
	for _, r := range rows {
		for i, e := range r {
			x, err := v.ev.scalar(ctx, e)
			if err != nil {
				return nil, err
			}
			b.append(i, x)
		}
		b.rows++
	}
	return b.batch(), nil
}

func (v *values) oneRow(ctx context.Context, row []expr.Expr) (arrow.RecordBatch, error) {
	in := oneRow()
	defer in.Release()
	cols, err := v.ev.columns(ctx, row, in)
	if err != nil {
		return nil, err
	}
	return newBatch(v.schema, cols, 1)
}

func (v *values) Close() error { return nil }

// A rowBuilder makes batches of single values.
type rowBuilder struct {
	mem      memory.Allocator
	schema   *arrow.Schema
	types    []datum.Type
	builders []array.Builder
	rows     int
}

func newRowBuilder(mem memory.Allocator, s *arrow.Schema, types []datum.Type) *rowBuilder {
	b := &rowBuilder{mem: mem, schema: s, types: types}
	for _, f := range s.Fields() {
		b.builders = append(b.builders, array.NewBuilder(mem, f.Type))
	}
	return b
}

func (b *rowBuilder) append(col int, v datum.Value) {
	b.builders[col] = appendValue(b.mem, b.builders[col], b.types[col], v)
}

// appendValue is datum.Append; it may put another builder into the place of
// one of records, as what records are made of only the first value tells.
func appendValue(mem memory.Allocator, b array.Builder, t datum.Type, v datum.Value) array.Builder {
	if v != nil && ofUnknownRecords(b) {
		known := array.NewBuilder(mem, datum.ArrowOf(t, v))
		before := b.NewArray()
		for i := range before.Len() {
			datum.Append(known, t, datum.ValueAt(t, before, i))
		}
		before.Release()
		b.Release()
		b = known
	}
	datum.Append(b, t, v)
	return b
}

// ofUnknownRecords says whether a builder is for records, or arrays of records, whose fields are
// not known yet: it has NULLs only, or arrays of nothing else.
func ofUnknownRecords(b array.Builder) bool {
	t := b.Type()
	if elem, ok := datum.ElementsOf(t); ok {
		t = elem
	}
	s, ok := t.(*arrow.StructType)
	return ok && s.NumFields() == 0
}

// batch returns the rows so far and starts anew.
func (b *rowBuilder) batch() arrow.RecordBatch {
	cols := make([]arrow.Array, len(b.builders))
	for i, x := range b.builders {
		cols[i] = x.NewArray()
	}
	defer releaseAll(cols)
	out := batchOf(b.schema, cols, int64(b.rows))
	b.rows = 0
	return out
}

func (b *rowBuilder) release() { releaseAll(b.builders) }
