package query

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
)

// createTableAs is CREATE TABLE AS and CREATE MATERIALIZED VIEW.
func (s *Session) createTableAs(ctx context.Context, p *Portal, st *plan.CreateTableAs) error {
	p.tag = "CREATE TABLE AS"
	if m := st.Def.Materialized; m != nil {
		p.tag = "CREATE MATERIALIZED VIEW"
		if err := s.checkMaterialized(m, st); err != nil {
			return err
		}
	}
	if err := s.writable(p.tag); err != nil {
		return err
	}
	if err := errLocksRows(st, p.tag); err != nil {
		return err
	}
	exists, ns, err := s.checkNew(ctx, st.Name, st.Persistence, st.IfNotExists)
	if err != nil || exists {
		return err
	}
	def := *st.Def
	if err := s.putTable(ctx, &def, ns, &bind.TableParts{}); err != nil {
		return err
	}
	s.noteOnCommit(def.OID, st.OnCommit)
	if st.NoData {
		return nil
	}
	n, err := s.fill(ctx, p, &def, st.Rows)
	p.tag = "SELECT " + strconv.FormatInt(n, 10)
	return err
}

// fill inserts the rows of a statement into a table, and counts them.
func (s *Session) fill(ctx context.Context, p *Portal, def *schema.Table, rows plan.Statement) (total int64, err error) {
	op, err := s.rowsOf(ctx, p, rows)
	if err != nil {
		return 0, err
	}
	defer op.Close()
	columns := arrowSchema(liveFields(def))
	for {
		in, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return 0, err
		}
		batch := array.NewRecordBatch(columns, in.Columns(), in.NumRows())
		n, _, err := s.txn.Insert(ctx, def.OID, batch, chunk.InsertDefault)
		batch.Release()
		in.Release()
		if err != nil {
			return 0, err
		}
		total += n
	}
}

// createTableExecute is CREATE TABLE AS EXECUTE: it runs as CREATE TABLE AS of the query that was
// prepared.
func (s *Session) createTableExecute(ctx context.Context, p *Portal, st *ast.CreateTableAs) error {
	inner, err := s.execution(ctx, p, st.Query.(*ast.Execute))
	if err != nil {
		return err
	}
	query, ok := inner.stmt.stmt.(*ast.Select)
	if !ok {
		return pgerr.New(pgerr.WrongObjectType, "prepared statement is not a SELECT")
	}
	as := *st
	as.Query = query
	inner.stmt = &Prepared{text: p.stmt.text, stmt: &as, params: inner.stmt.params}
	inner.fields = nil
	before := s.txn.Catalog()
	err = s.start(ctx, inner)
	if p.tag = inner.tag; st.NoData && s.txn.Catalog() != before {
		p.tag = "SELECT 0" // as if the statement had been executed for no rows
	}
	return err
}
