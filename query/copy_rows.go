package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// A completer turns batches of COPY's columns into whole rows of the table and
// inserts them.
type completer struct {
	session *Session
	stmt    *plan.Copy
	eval    *expr.Context
	fields  []plan.Field
	schema  *arrow.Schema
	exprs   []expr.Expr // of each live column, over the copied columns
}

func (s *Session) newCompleter(ctx context.Context, p *Portal, c *plan.Copy) (*completer, error) {
	d := &completer{session: s, stmt: c, eval: s.evalContext(ctx, p.params), fields: liveFields(c.Table)}
	d.schema = arrowSchema(d.fields)
	d.exprs = make([]expr.Expr, len(d.fields))
	for i, f := range d.fields {
		d.exprs[i] = &expr.Const{T: f.Type}
		if def := c.Defaults[i]; def != nil {
			d.exprs[i] = def
		}
	}
	for i, col := range c.Columns {
		d.exprs[col] = &expr.Column{Index: i, Name: d.fields[col].Name, T: d.fields[col].Type}
	}
	return d, nil
}

// insert writes one batch and returns how many rows went in.
func (d *completer) insert(ctx context.Context, in arrow.RecordBatch) (int64, error) {
	batch, err := d.complete(in)
	if err != nil {
		return 0, err
	}
	defer batch.Release()
	if d.stmt.Where != nil {
		rows, err := expr.Filter(d.eval, d.stmt.Where, batch)
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		part := takeRows(batch, rows, d.fields)
		defer part.Release()
		n, _, err := d.session.txn.Insert(ctx, d.stmt.Table.OID, part, chunk.InsertDefault)
		return n, ofRow(err, rows)
	}
	n, _, err := d.session.txn.Insert(ctx, d.stmt.Table.OID, batch, chunk.InsertDefault)
	return n, err
}

func (d *completer) complete(in arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(d.stmt.Columns) == len(d.fields) && inOrder(d.stmt.Columns) {
		return array.NewRecordBatch(d.schema, in.Columns(), in.NumRows()), nil
	}
	return project(d.eval, d.exprs, d.fields, in)
}

func inOrder(columns []int) bool {
	for i, c := range columns {
		if i != c {
			return false
		}
	}
	return true
}

// ofRow makes an error about a row of a part of a batch one about the batch's.
func ofRow(err error, rows []int32) error {
	e, ok := err.(*pgerr.Error)
	if !ok || e.Row < 1 || e.Row > len(rows) {
		return err
	}
	moved := *e
	moved.Row = int(rows[e.Row-1]) + 1
	return &moved
}
