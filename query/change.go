package query

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A changeStmt is UPDATE or DELETE.
type changeStmt struct {
	command string
	table   *schema.Table
	source  plan.Node
	set     []int
	out     []plan.Field
}

// changeOf returns the UPDATE or DELETE that a statement is or explains, or nil.
func changeOf(st plan.Statement) *changeStmt {
	switch st := st.(type) {
	case *plan.Update:
		return &changeStmt{"UPDATE", st.Table, st.Source, st.Set, st.Out}
	case *plan.Delete:
		return &changeStmt{"DELETE", st.Table, st.Source, nil, st.Out}
	case *plan.Explain:
		return changeOf(st.Stmt)
	}
	return nil
}

// change is UPDATE and DELETE.
func (s *Session) change(ctx context.Context, p *Portal, st *changeStmt) error {
	c, err := s.runChange(ctx, p, st, false)
	if err != nil {
		return err
	}
	p.tag = fmt.Sprintf("%s %d", st.command, c.rows)
	if c.stmt.out != nil {
		p.fields, p.rows = c.stmt.out, c.returned.operator(c.stmt.out)
	}
	return nil
}

// runChange runs UPDATE or DELETE, again and again while others change the rows that it
// has seen. What it returns needs no release if it is to be used.
func (s *Session) runChange(ctx context.Context, p *Portal, st *changeStmt, analyze bool) (*changer, error) {
	if err := s.writable(st.command); err != nil {
		return nil, err
	}
	catalog := s.txn.Catalog()
	mark := s.txn.Savepoint()
	for {
		if err := s.txn.BeginChange(ctx, st.table.OID); err != nil {
			return nil, err
		}
		if now := s.txn.Catalog(); now != catalog {
			table := st.table.OID
			again, err := s.bindChange(ctx, p)
			if err != nil {
				return nil, err
			}
			if st, catalog = again, now; st.table.OID != table {
				continue
			}
		}
		c := &changer{session: s, stmt: st, fields: liveFields(st.table)}
		if analyze {
			c.stats = exec.NewStats()
		}
		again, err := c.run(ctx, p.params)
		if err == nil && !again {
			s.txn.Release(mark)
			return c, nil
		}
		c.returned.release()
		if err == nil {
			err = s.txn.RollbackTo(ctx, mark)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
}

// bindChange binds a portal's statement again, to a catalogue that has changed.
func (s *Session) bindChange(ctx context.Context, p *Portal) (*changeStmt, error) {
	bound, err := bind.Statement(s.bindEnv(ctx, p.stmt.params, true), p.stmt.stmt)
	if err != nil {
		return nil, err
	}
	return changeOf(bound), sameFields(p, bound.Fields())
}

// A changer runs one UPDATE or DELETE once.
type changer struct {
	session *Session
	stmt    *changeStmt
	fields  []plan.Field // live columns
	schema  *arrow.Schema
	keys    []int       // live columns of the primary key, if UPDATE may change them
	moved   *exec.Spool // new rows with another key than the old ones
	root    plan.Node   // as it was run
	stats   *exec.Stats // nil: not wanted

	planning time.Duration

	rows     int64
	returned batchList
}

// run changes the rows; again says that another transaction was there first.
func (c *changer) run(ctx context.Context, params []datum.Value) (again bool, err error) {
	s := c.session
	c.schema = arrowSchema(c.fields)
	c.keys = c.changedKeys()
	rt := s.runtime(ctx, params, c.stats)
	begin := time.Now()
	c.root = s.optimize(rt, c.stmt.source)
	c.planning = time.Since(begin)
	op, err := exec.Build(rt, c.root)
	if err != nil {
		return false, err
	}
	defer op.Close()
	c.moved = exec.NewSpool(rt)
	defer c.moved.Close()
	err = exec.DrainJoined(ctx, rt, op, func(b arrow.RecordBatch) error {
		if again, err = c.write(ctx, b); again {
			return errAgain
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

// errAgain ends the reading of rows that have been changed since.
var errAgain = pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update")

// changedKeys are the columns of the primary key, if SET names one of them.
func (c *changer) changedKeys() []int {
	var keys []int
	hit := false
	for i, col := range c.stmt.table.Live() {
		for _, id := range c.stmt.table.PrimaryKey {
			if col.ID == id {
				keys = append(keys, i)
				for _, set := range c.stmt.set {
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

// write changes the rows of a batch: the old rows' columns, for UPDATE the new rows', and
// what is returned.
func (c *changer) write(ctx context.Context, in arrow.RecordBatch) (again bool, err error) {
	width := len(c.fields)
	old := array.NewRecordBatch(c.schema, in.Columns()[:width], in.NumRows())
	defer old.Release()
	if again, err = c.session.txn.Delete(ctx, c.stmt.table.OID, old); again || err != nil {
		return again, err
	}
	c.rows += in.NumRows()
	rest := width
	if c.stmt.set != nil {
		rest = 2 * width
		changed := array.NewRecordBatch(c.schema, in.Columns()[width:rest], in.NumRows())
		defer changed.Release()
		if err := c.replace(ctx, old, changed); err != nil {
			return false, err
		}
	}
	return false, c.returning(in, rest)
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
	_, _, err := c.session.txn.Insert(ctx, c.stmt.table.OID, rows, mode)
	return err
}

// returning keeps the columns of a batch from one on until they are sent.
func (c *changer) returning(in arrow.RecordBatch, from int) error {
	if c.stmt.out == nil {
		return nil
	}
	fields := in.Schema().Fields()[from:] // records have the types of their values
	c.returned.batches = append(c.returned.batches, array.NewRecordBatch(arrow.NewSchema(fields, nil), in.Columns()[from:], in.NumRows()))
	return c.returned.checkReturning()
}
