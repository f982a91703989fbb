package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/plan"
)

// maxBatchRows is the most rows of a batch that an operator hands on.
const maxBatchRows = chunk.MaxBatchRows

// An Operator makes batches for its parent. It is used by one goroutine.
type Operator interface {
	// Schema is constant. It carries Arrow types; PostgreSQL's are in the
	// plan's Fields.
	Schema() *arrow.Schema
	// Next returns a batch of 1 to chunk.MaxBatchRows rows that the caller releases,
	// or io.EOF after the last one. After any error only Close may be called.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close releases what is held and closes the inputs; repeat calls do nothing.
	Close() error
}

// schemaOf returns the Arrow schema of a node's rows.
func schemaOf(fields []plan.Field) *arrow.Schema {
	fs := make([]arrow.Field, len(fields))
	for i, f := range fields {
		fs[i] = datum.Field(f.Name, f.Type)
	}
	return arrow.NewSchema(fs, nil)
}

// typesOf returns the types of a node's columns.
func typesOf(fields []plan.Field) []datum.Type {
	ts := make([]datum.Type, len(fields))
	for i, f := range fields {
		ts[i] = f.Type
	}
	return ts
}

// newBatch makes a batch of the columns and gives up the caller's references to
// them. A column whose Arrow type differs from the schema's is a bug upstream
// that would surface as a wrong value, so it is refused here.
func newBatch(s *arrow.Schema, cols []arrow.Array, rows int) (arrow.RecordBatch, error) {
	defer releaseAll(cols)
	for i, c := range cols {
		if want := s.Field(i).Type; c.DataType().ID() != want.ID() {
			return nil, fmt.Errorf("exec: bug: column %q is %s, not %s", s.Field(i).Name, c.DataType(), want)
		}
		if c.Len() != rows {
			return nil, fmt.Errorf("exec: bug: column %q has %d rows, not %d", s.Field(i).Name, c.Len(), rows)
		}
	}
	return batchOf(s, cols, int64(rows)), nil
}

// batchOf is array.NewRecordBatch for columns among which may be records, whose
// Arrow types only the values know: they take the place of the schema's.
func batchOf(s *arrow.Schema, cols []arrow.Array, rows int64) arrow.RecordBatch {
	var fields []arrow.Field
	for i, c := range cols {
		switch c.DataType().ID() {
		case arrow.STRUCT, arrow.LIST:
		default:
			continue
		}
		if f := s.Field(i); !arrow.TypeEqual(f.Type, c.DataType()) {
			if fields == nil {
				fields = slices.Clone(s.Fields())
			}
			fields[i].Type = c.DataType()
		}
	}
	if fields != nil {
		s = arrow.NewSchema(fields, nil)
	}
	return array.NewRecordBatch(s, cols, rows)
}

// relabel gives a batch another schema of the same types. It takes over the
// caller's reference.
func relabel(s *arrow.Schema, b arrow.RecordBatch) arrow.RecordBatch {
	if b.Schema() == s {
		return b
	}
	if c, ok := b.(*chunk.CodedBatch); ok {
		c.Relabel(s) // it comes from a scan, and nobody else has it
		return c
	}
	out := batchOf(s, b.Columns(), b.NumRows())
	b.Release()
	return out
}

func releaseAll[T interface{ Release() }](rs []T) {
	for _, r := range rs {
		if any(r) != nil {
			r.Release()
		}
	}
}

// Drain reads an operator to its end and hands every batch to f, which must
// retain what it keeps. It does not close the operator.
func Drain(ctx context.Context, op Operator, f func(arrow.RecordBatch) error) error {
	for {
		b, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
}

// closeAll closes operators and joins their errors.
func closeAll(ops ...Operator) error {
	var errs []error
	for _, op := range ops {
		if op != nil {
			errs = append(errs, op.Close())
		}
	}
	return errors.Join(errs...)
}

// batchBytes estimates the memory that a batch keeps alive for its own rows.
func batchBytes(b arrow.RecordBatch) int64 {
	n := int64(96)
	for _, c := range b.Columns() {
		n += arrayBytes(c)
	}
	return n
}

func arrayBytes(a arrow.Array) int64 {
	n := int64(160 + a.Len()/8)
	switch a := a.(type) {
	case array.BinaryLike:
		offsets, _ := binaryParts(a)
		n += int64(offsets[a.Len()]-offsets[0]) + 4*int64(a.Len())
	case *array.List:
		n += 4 * int64(a.Len())
		if a.Len() > 0 {
			from, _ := a.ValueOffsets(0)
			_, to := a.ValueOffsets(a.Len() - 1)
			if values := a.ListValues(); values.Len() > 0 {
				n += arrayBytes(values) * (to - from) / int64(values.Len())
			}
		}
	case *array.Struct:
		for i := range a.NumField() {
			n += arrayBytes(a.Field(i))
		}
	default:
		if w, ok := a.DataType().(arrow.FixedWidthDataType); ok {
			n += int64(a.Len()) * int64(w.BitWidth()+7) / 8
		}
	}
	return n
}

// An emptyOperator has no rows.
type emptyOperator struct{ schema *arrow.Schema }

func (e *emptyOperator) Schema() *arrow.Schema                           { return e.schema }
func (e *emptyOperator) Next(context.Context) (arrow.RecordBatch, error) { return nil, io.EOF }
func (e *emptyOperator) Close() error                                    { return nil }
