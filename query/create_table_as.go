package query

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
)

// createTableAs is CREATE TABLE AS.
func (s *Session) createTableAs(ctx context.Context, p *Portal, st *plan.CreateTableAs) error {
	if err := s.writable("CREATE TABLE AS"); err != nil {
		return err
	}
	name := p.stmt.stmt.(*ast.CreateTableAs).Name
	exists, ns, err := s.checkNew(name, st.IfNotExists)
	if err != nil {
		return err
	}
	p.tag = "CREATE TABLE AS"
	if exists {
		return nil
	}
	def := *st.Def
	if err := s.putTable(ctx, &def, ns); err != nil || st.NoData {
		return err
	}
	op, err := s.open(ctx, st.Source, p.params, nil)
	if err != nil {
		return err
	}
	defer op.Close()
	schema := arrowSchema(liveFields(&def))
	var total int64
	for {
		in, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			p.tag = "SELECT " + strconv.FormatInt(total, 10)
			return nil
		}
		if err != nil {
			return err
		}
		batch := array.NewRecordBatch(schema, in.Columns(), in.NumRows())
		n, _, err := s.txn.Insert(ctx, def.OID, batch, chunk.InsertDefault)
		batch.Release()
		in.Release()
		if err != nil {
			return err
		}
		total += n
	}
}
