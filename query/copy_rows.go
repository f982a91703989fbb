package query

import (
	"context"
	"slices"

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
	whole   bool        // the copied columns are all live ones, in their order
	rules   rowRules
}

func (s *Session) newCompleter(ctx context.Context, p *Portal, c *plan.Copy) (*completer, error) {
	d := &completer{session: s, stmt: c, eval: s.evalContext(ctx, p.params), fields: liveFields(c.Table), whole: true}
	d.schema = arrowSchema(d.fields)
	d.rules = s.rowRules(c.Rules, c.Table, d.fields, d.eval)
	d.exprs = make([]expr.Expr, len(d.fields))
	at := 0 // among the live columns
	for i, col := range c.Table.Columns {
		if col.Type.OID == 0 {
			continue
		}
		if from := slices.Index(c.Columns, i); from >= 0 {
			d.exprs[at] = &expr.Column{Index: from, Name: col.Name, T: col.Type}
			d.whole = d.whole && from == at
		} else if d.exprs[at], d.whole = c.Defaults[i], false; d.exprs[at] == nil {
			d.exprs[at] = &expr.Const{T: col.Type}
		}
		at++
	}
	return d, nil
}

// insert writes one batch and returns how many rows went in.
func (d *completer) insert(ctx context.Context, in arrow.RecordBatch) (int64, error) {
	given, err := d.complete(in)
	if err != nil {
		return 0, err
	}
	defer given.Release()
	batch, err := d.rules.complete(given)
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
		n, err := d.put(ctx, part)
		return n, ofRow(err, rows)
	}
	return d.put(ctx, batch)
}

func (d *completer) put(ctx context.Context, batch arrow.RecordBatch) (int64, error) {
	if err := d.rules.check(batch); err != nil {
		return 0, err
	}
	n, _, err := d.session.txn.Insert(ctx, d.stmt.Table.OID, batch, chunk.InsertDefault)
	return n, err
}

func (d *completer) complete(in arrow.RecordBatch) (arrow.RecordBatch, error) {
	if d.whole {
		return array.NewRecordBatch(d.schema, in.Columns(), in.NumRows()), nil
	}
	return project(d.eval, d.exprs, d.fields, in)
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
