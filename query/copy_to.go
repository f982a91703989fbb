package query

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/copyformat"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// copyTo sends the rows of a table or query.
func (s *Session) copyTo(ctx context.Context, p *Portal, c *plan.Copy, opt copyformat.Options, names []string) (n int64, err error) {
	if err := errLocksRows(c, "COPY"); err != nil {
		return 0, err
	}
	op, err := s.copied(ctx, p, c)
	if err != nil {
		return 0, err
	}
	defer op.Close()
	fields := copiedFields(c)
	out, err := s.client.CopyOut(opt.Format == copyformat.Binary, len(fields))
	if err != nil {
		return 0, err
	}
	w := copyWriter{opt: opt, fields: fields, output: s.Output(), out: out, named: make([]bool, len(fields))}
	for i, f := range fields {
		w.named[i] = function.NamesObjects(f.Type)
	}
	w.buf = opt.AppendHeader(w.buf, names)
	if opt.Format != copyformat.Binary { // whose header goes with the first row
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	for {
		batch, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			n += batch.NumRows()
			err = w.write(batch)
			batch.Release()
		}
		if err != nil {
			return n, err
		}
	}
	w.buf = opt.AppendTrailer(w.buf)
	if err := w.flush(); err != nil {
		return n, err
	}
	return n, out.Close()
}

// copied opens what COPY TO sends.
func (s *Session) copied(ctx context.Context, p *Portal, c *plan.Copy) (exec.Operator, error) {
	if c.Change == nil {
		return s.open(ctx, c.Query, p.params, nil)
	}
	inner := &Portal{stmt: &Prepared{text: p.stmt.text, stmt: c.Stmt.Query, params: p.stmt.params}, params: p.params}
	err := s.write(ctx, inner, c.Change)
	return inner.rows, err
}

func copiedFields(c *plan.Copy) []plan.Field {
	if c.Change != nil {
		return c.Change.Fields()
	}
	return c.Query.Fields()
}

// A copyWriter turns batches into COPY data.
type copyWriter struct {
	opt    copyformat.Options
	fields []plan.Field
	named  []bool // columns of types that are written as names of objects
	output *function.Context
	out    io.Writer
	buf    []byte
	value  []byte // of one field
}

// write sends one message a row, as PostgreSQL does: clients count on it.
func (w *copyWriter) write(batch arrow.RecordBatch) error {
	columns := batch.Columns()
	for row := range int(batch.NumRows()) {
		w.buf = w.opt.BeginRow(w.buf, len(columns))
		for i, col := range columns {
			null := col.IsNull(row)
			w.value = w.value[:0]
			if !null {
				switch {
				case w.opt.Format == copyformat.Binary:
					w.value = datum.AppendBinaryAt(w.value, w.fields[i].Type, col, row, w.output.Env)
				case w.named[i]:
					w.value = function.AppendText(w.value, w.output, w.fields[i].Type, col, row)
				default:
					w.value = datum.AppendTextAt(w.value, w.fields[i].Type, col, row, w.output.Env)
				}
			}
			w.buf = w.opt.AppendField(w.buf, i, len(columns), w.value, null)
		}
		w.buf = w.opt.EndRow(w.buf)
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (w *copyWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}
