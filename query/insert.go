package query

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// liveFields are a table's columns as batches for Insert have them.
func liveFields(t *schema.Table) []plan.Field {
	var fields []plan.Field
	for _, c := range t.Live() {
		fields = append(fields, plan.Field{Name: c.Name, Type: c.Type})
	}
	return fields
}

// An inserter runs one INSERT.
type inserter struct {
	outcome
	session *Session
	stmt    *plan.Insert
	eval    *expr.Context
	fields  []plan.Field
	schema  *arrow.Schema
	rules   rowRules
	touched *exec.KeySet // what ON CONFLICT DO UPDATE has written
}

func (w *inserter) command() string { return "INSERT" }

// run inserts the rows; it has never to begin again.
func (w *inserter) run(ctx context.Context, rt *exec.Runtime) (again bool, err error) {
	w.fields = liveFields(w.stmt.Table)
	w.schema = arrowSchema(w.fields)
	w.eval = w.session.evalContext(ctx, rt.Params)
	w.rules = w.session.rowRules(w.stmt.Rules, w.stmt.Table, w.fields, w.eval)
	subqueries := exec.NewSubqueries(rt)
	defer subqueries.Close()
	w.eval.Subqueries = subqueries
	if w.stmt.OnConflict != nil {
		w.touched = exec.NewKeySet(rt)
		defer w.touched.Close()
	}
	op, err := w.open(rt, w.session, w.stmt.Source)
	if err != nil {
		return false, err
	}
	defer op.Close()
	for {
		batch, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err == nil {
			err = w.write(ctx, batch)
			batch.Release()
		}
		if err != nil {
			return false, err
		}
	}
}

func (w *inserter) write(ctx context.Context, in arrow.RecordBatch) error {
	batch := array.NewRecordBatch(w.schema, in.Columns(), in.NumRows())
	defer batch.Release()
	if err := w.rules.check(batch); err != nil {
		return err
	}
	if w.stmt.OnConflict != nil {
		return w.upsert(ctx, batch)
	}
	n, kept, err := w.session.txn.Insert(ctx, w.stmt.Table.OID, batch, w.stmt.Mode)
	if err != nil {
		return err
	}
	w.rows += n
	if kept == nil {
		return w.written(batch)
	}
	part := takeRows(batch, kept, w.fields)
	defer part.Release()
	return w.written(part)
}

// written is what follows when rows are in the table.
func (w *inserter) written(rows arrow.RecordBatch) error {
	if err := w.rules.checkViews(rows); err != nil {
		return err
	}
	return w.returning(rows)
}

// returning computes RETURNING over rows that were written.
func (w *inserter) returning(batch arrow.RecordBatch) error {
	if w.stmt.Returning == nil || batch.NumRows() == 0 {
		return nil
	}
	out, err := project(w.eval, w.stmt.Returning, w.stmt.Out, batch)
	if err != nil {
		return err
	}
	defer out.Release()
	return w.returned.Add(out)
}

// upsert is ON CONFLICT DO UPDATE for one batch: rows whose key is new go in,
// the others become updated versions of what is there.
func (w *inserter) upsert(ctx context.Context, batch arrow.RecordBatch) error {
	keys, columns := w.keyBatch(batch)
	defer keys.Release()
	if err := w.touch(keys, columns); err != nil {
		return err
	}
	old, at, err := w.session.txn.Lookup(ctx, w.stmt.Table.OID, keys)
	if err != nil {
		return err
	}
	defer func() {
		if old != nil {
			old.Release()
		}
	}()
	var fresh, clash, match []int32
	for i, j := range at {
		if j < 0 {
			fresh = append(fresh, int32(i))
		} else {
			clash, match = append(clash, int32(i)), append(match, j)
		}
	}
	var written []arrow.RecordBatch
	defer func() {
		for _, b := range written {
			b.Release()
		}
	}()
	var rows []int32 // of batch, for each row written
	if len(fresh) > 0 {
		written = append(written, takeRows(batch, fresh, w.fields))
		rows = fresh
		if err := w.put(ctx, written[0], chunk.InsertError); err != nil {
			return err
		}
	}
	if len(clash) > 0 {
		part, changed, err := w.updated(batch, clash, old, match)
		if err != nil {
			return err
		}
		if part != nil {
			written = append(written, part)
			rows = append(rows, changed...)
			if err := w.put(ctx, part, chunk.InsertReplace); err != nil {
				return err
			}
		}
	}
	return w.returnInOrder(written, rows)
}

func (w *inserter) put(ctx context.Context, part arrow.RecordBatch, mode chunk.InsertMode) error {
	n, _, err := w.session.txn.Insert(ctx, w.stmt.Table.OID, part, mode)
	w.rows += n
	if err != nil {
		return err
	}
	return w.rules.checkViews(part)
}

// returnInOrder computes RETURNING over parts of a batch in the batch's order;
// rows says which row of the batch each row of the parts was.
func (w *inserter) returnInOrder(parts []arrow.RecordBatch, rows []int32) error {
	if w.stmt.Returning == nil || len(parts) == 0 {
		return nil
	}
	if len(parts) == 1 {
		return w.returning(parts[0])
	}
	cols := make([]arrow.Array, 0, len(w.fields))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i := range w.fields {
		c, err := array.Concatenate([]arrow.Array{parts[0].Column(i), parts[1].Column(i)}, memory.DefaultAllocator)
		if err != nil {
			return err
		}
		cols = append(cols, c)
	}
	all := array.NewRecordBatch(w.schema, cols, int64(len(rows)))
	defer all.Release()
	order := make([]int32, len(rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return int(rows[a] - rows[b]) })
	sorted := takeRows(all, order, w.fields)
	defer sorted.Release()
	return w.returning(sorted)
}

// keyBatch returns the primary key's columns, in key order.
func (w *inserter) keyBatch(batch arrow.RecordBatch) (arrow.RecordBatch, []int) {
	t := w.stmt.Table
	var fields []plan.Field
	var cols []arrow.Array
	var index []int
	live := t.Live()
	for _, id := range t.PrimaryKey {
		for i := range live {
			if live[i].ID == id {
				fields, cols, index = append(fields, w.fields[i]), append(cols, batch.Column(i)), append(index, i)
			}
		}
	}
	return array.NewRecordBatch(arrowSchema(fields), cols, batch.NumRows()), index
}

// touch refuses to write a key twice in one statement, as PostgreSQL does.
func (w *inserter) touch(keys arrow.RecordBatch, columns []int) error {
	var key []byte
	for row := range int(keys.NumRows()) {
		key = key[:0]
		for i, c := range columns {
			key = datum.AppendKey(key, w.fields[c].Type, keys.Column(i), row, datum.KeyOrder{})
		}
		fresh, err := w.touched.Add(key)
		if err != nil {
			return err
		}
		if !fresh {
			return pgerr.New(pgerr.CardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time").
				WithHint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
		}
	}
	return nil
}

// updated makes the new versions of existing rows: the rows old[match] changed
// by SET, whose expressions see the existing row and the proposed one. It also
// returns which rows of the batch proposed them; nil if WHERE keeps them all as they are.
func (w *inserter) updated(batch arrow.RecordBatch, clash []int32, old arrow.RecordBatch, match []int32) (arrow.RecordBatch, []int32, error) {
	existing := takeRows(old, match, w.fields)
	defer existing.Release()
	proposed := takeRows(batch, clash, w.fields)
	defer proposed.Release()
	cols := append(append([]arrow.Array(nil), existing.Columns()...), proposed.Columns()...)
	both := append(append([]plan.Field(nil), w.fields...), w.fields...)
	joined := array.NewRecordBatch(arrowSchema(both), cols, existing.NumRows())
	defer joined.Release()
	source := joined
	if w.stmt.OnConflict.Where != nil {
		rows, err := expr.Filter(w.eval, w.stmt.OnConflict.Where, joined)
		if err != nil || len(rows) == 0 {
			return nil, nil, err
		}
		source = takeRows(joined, rows, both)
		defer source.Release()
		kept := make([]int32, len(rows))
		for i, r := range rows {
			kept[i] = clash[r]
		}
		clash = kept
	}
	exprs := make([]expr.Expr, len(w.fields))
	for i, f := range w.fields {
		exprs[i] = &expr.Column{Index: i, Name: f.Name, T: f.Type}
	}
	for _, a := range w.stmt.OnConflict.Set {
		exprs[a.Column] = a.Value
	}
	set, err := project(w.eval, exprs, w.fields, source)
	if err != nil {
		return nil, nil, err
	}
	defer set.Release()
	out, err := w.rules.complete(set)
	if err != nil {
		return nil, nil, err
	}
	if err = w.rules.check(out); err == nil {
		err = w.sameKeys(source, out)
	}
	if err != nil {
		out.Release()
		return nil, nil, err
	}
	return out, clash, nil
}

// sameKeys checks that an update leaves primary keys alone.
func (w *inserter) sameKeys(before, after arrow.RecordBatch) error {
	for i, c := range w.stmt.Table.Live() {
		for _, id := range w.stmt.Table.PrimaryKey {
			if c.ID != id {
				continue
			}
			for row := range int(after.NumRows()) {
				if after.Column(i).IsNull(row) || datum.CompareAt(c.Type, before.Column(i), row, after.Column(i), row) != 0 {
					return pgerr.Unsupported("changing the primary key column %q is not supported", c.Name)
				}
			}
		}
	}
	return nil
}

// project computes expressions over a batch.
func project(c *expr.Context, exprs []expr.Expr, fields []plan.Field, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, len(exprs))
	defer func() {
		for _, col := range cols {
			col.Release()
		}
	}()
	for _, e := range exprs {
		col, err := expr.EvalArray(c, e, in)
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
	}
	shown := arrowSchema(fields).Fields()
	for i, col := range cols {
		shown[i].Type = col.DataType() // records have the types of their values
	}
	return array.NewRecordBatch(arrow.NewSchema(shown, nil), cols, in.NumRows()), nil
}

// evalContext is what expressions outside of plans are evaluated in.
func (s *Session) evalContext(ctx context.Context, params []datum.Value) *expr.Context {
	return &expr.Context{Context: s.functionContext(ctx, memory.DefaultAllocator), Params: params}
}

// scalar evaluates an expression without columns to a value of type t; outer
// are the parameters that it may refer to.
func (s *Session) scalar(ctx context.Context, e ast.Expr, t datum.Type, outer []datum.Value, types []datum.OID) (datum.Value, error) {
	bound, err := bind.Scalar(s.bindEnv(ctx, types, true), e, t)
	if err != nil {
		return nil, err
	}
	return expr.Value(s.evalContext(ctx, outer), bound)
}
