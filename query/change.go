package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A changer runs one UPDATE, DELETE or MERGE once.
type changer struct {
	outcome
	session *Session
	name    string
	table   *schema.Table
	checks  *plan.Rules
	source  plan.Node
	set     []int // the columns that may be changed
	// write changes the rows of a batch; again says that another transaction was there first.
	write func(ctx context.Context, in arrow.RecordBatch) (again bool, err error)

	fields []plan.Field // live columns
	rules  rowRules
	schema *arrow.Schema
	keys   []int       // live columns of the primary key, if UPDATE may change them
	moved  *exec.Spool // new rows with another key than the old ones
}

func (c *changer) command() string { return c.name }

// run changes the rows; again says that another transaction was there first.
func (c *changer) run(ctx context.Context, rt *exec.Runtime) (again bool, err error) {
	c.fields = liveFields(c.table)
	c.schema = arrowSchema(c.fields)
	eval := c.session.evalContext(ctx, rt.Params)
	subqueries := exec.NewSubqueries(rt)
	defer subqueries.Close()
	eval.Subqueries = subqueries
	c.rules = c.session.rowRules(c.checks, c.table, c.fields, eval)
	c.keys = c.changedKeys()
	op, err := c.open(rt, c.session, c.source)
	if err != nil {
		return false, err
	}
	defer op.Close()
	c.moved = exec.NewSpool(rt)
	defer c.moved.Close()
	err = exec.DrainJoined(ctx, rt, op, func(b arrow.RecordBatch) error {
		if again, err = c.write(ctx, b); again {
			return exec.ErrAgain
		}
		return err
	})
	if again {
		return true, nil
	}
	if err == nil {
		err = op.Close()
	}
	if err != nil {
		return false, err
	}
	// Keys are compared with those of all other rows when these are as they will be.
	return false, c.moved.Each(ctx, func(b arrow.RecordBatch) error { return c.insert(ctx, b, chunk.InsertError) })
}

// changedKeys are the columns of the primary key, if SET names one of them.
func (c *changer) changedKeys() []int {
	var keys []int
	hit := false
	for i, col := range c.table.Live() {
		for _, id := range c.table.PrimaryKey {
			if col.ID == id {
				keys = append(keys, i)
				for _, set := range c.set {
					hit = hit || set == i
				}
			}
		}
	}
	if !hit {
		return nil
	}
	return keys
}

// delete takes the rows of a batch away, and keeps what is returned.
func (c *changer) delete(ctx context.Context, in arrow.RecordBatch) (again bool, err error) {
	old := array.NewRecordBatch(c.schema, in.Columns()[:len(c.fields)], in.NumRows())
	defer old.Release()
	if again, err = c.takeAway(ctx, old); again || err != nil {
		return again, err
	}
	return false, c.returning(in, len(c.fields))
}

// update puts the new rows of a batch in the place of the old ones, and keeps what is
// returned.
func (c *changer) update(ctx context.Context, in arrow.RecordBatch) (again bool, err error) {
	width := len(c.fields)
	old := array.NewRecordBatch(c.schema, in.Columns()[:width], in.NumRows())
	defer old.Release()
	if again, err = c.takeAway(ctx, old); again || err != nil {
		return again, err
	}
	changed := array.NewRecordBatch(c.schema, in.Columns()[width:2*width], in.NumRows())
	defer changed.Release()
	if err := c.rules.check(changed); err != nil {
		return false, err
	}
	if err := c.replace(ctx, old, changed); err != nil {
		return false, err
	}
	return false, c.returning(in, 2*width)
}

func (c *changer) takeAway(ctx context.Context, old arrow.RecordBatch) (again bool, err error) {
	c.rows += old.NumRows()
	return c.session.txn.Delete(ctx, c.table.OID, old)
}

// replace puts new rows in the place of old ones, those with another key later.
func (c *changer) replace(ctx context.Context, old, changed arrow.RecordBatch) error {
	if c.keys == nil {
		return c.insert(ctx, changed, chunk.InsertReplace)
	}
	var same, moved []int32
	var before, after []byte
	for row := range int(old.NumRows()) {
		before, after = before[:0], after[:0]
		for _, i := range c.keys {
			before = datum.AppendKey(before, c.fields[i].Type, old.Column(i), row, datum.KeyOrder{})
			after = datum.AppendKey(after, c.fields[i].Type, changed.Column(i), row, datum.KeyOrder{})
		}
		if string(before) == string(after) {
			same = append(same, int32(row))
		} else {
			moved = append(moved, int32(row))
		}
	}
	if len(moved) == 0 {
		return c.insert(ctx, changed, chunk.InsertReplace)
	}
	if len(same) > 0 {
		part := takeRows(changed, same, c.fields)
		defer part.Release()
		if err := c.insert(ctx, part, chunk.InsertReplace); err != nil {
			return err
		}
	}
	part := takeRows(changed, moved, c.fields)
	defer part.Release()
	return c.moved.Add(part)
}

func (c *changer) insert(ctx context.Context, rows arrow.RecordBatch, mode chunk.InsertMode) error {
	if _, _, err := c.session.txn.Insert(ctx, c.table.OID, rows, mode); err != nil {
		return err
	}
	return c.rules.checkViews(rows)
}

// returning keeps the columns of a batch from one on until they are sent.
func (c *changer) returning(in arrow.RecordBatch, from int) error {
	fields := in.Schema().Fields()[from:] // records have the types of their values
	if len(fields) == 0 {
		return nil
	}
	out := array.NewRecordBatch(arrow.NewSchema(fields, nil), in.Columns()[from:], in.NumRows())
	defer out.Release()
	return c.returned.Add(out)
}
