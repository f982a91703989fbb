package query

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/copyformat"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/plan"
	"golang.org/x/sync/errgroup"
)

// copyBatchRows and copyBatchBytes bound the batches that COPY hands to storage.
const (
	copyBatchRows  = chunk.MaxBatchRows
	copyBatchBytes = 8 << 20
)

// copyAhead is how many batches are read while storage is busy with one.
const copyAhead = 4

// checkRows is after how many rows a cancelled COPY notices it.
const checkRows = 64

// copyFrom inserts the client's rows. Reading and inserting run side by side,
// with a few batches between them.
func (s *Session) copyFrom(ctx context.Context, p *Portal, c *plan.Copy, opt copyformat.Options, names []string) (n int64, err error) {
	in, err := s.client.CopyIn(ctx, opt.Format == copyformat.Binary, len(c.Columns))
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if c.Refused != nil {
		return 0, c.Refused
	}
	opt.MaxRowBytes = s.engine.opt.MaxRowBytes
	done, err := s.newCompleter(ctx, p, c)
	if err != nil {
		return 0, err
	}
	r := newCopyReader(c, copyformat.NewReader(in, opt), names, s.Env())
	defer r.release()
	if opt.Header != copyformat.NoHeader {
		if err := r.header(opt.Header); err != nil {
			return 0, err
		}
	}
	batches := make(chan copyBatch, copyAhead)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		defer panics.Catch(&err)
		defer func() {
			for b := range batches {
				b.rows.Release()
			}
		}()
		for b := range batches {
			rows, err := done.insert(gctx, b.rows)
			b.rows.Release()
			n += rows
			if err != nil {
				return b.where(err, c.Table.Name)
			}
		}
		return nil
	})
	readErr := r.readAll(gctx, batches)
	if err := g.Wait(); err != nil {
		return n, err
	}
	return n, readErr
}

// A copyBatch is rows with the lines that they came from.
type copyBatch struct {
	rows  arrow.RecordBatch
	lines []int64
}

// where says which line an error about a row is about.
func (b copyBatch) where(err error, table string) error {
	e, ok := err.(*pgerr.Error)
	if !ok || e.Where != "" || e.Row < 1 || e.Row > len(b.lines) {
		return err
	}
	located := *e
	located.Where = fmt.Sprintf("COPY %s, line %d", table, b.lines[e.Row-1])
	return &located
}

// A copyReader parses COPY data into batches of the copied columns.
type copyReader struct {
	rows    *copyformat.Reader
	table   *schema.Table
	names   []string
	types   []datum.Type
	binary  bool
	env     *datum.Env
	builder *array.RecordBuilder
	parse   []datum.TextAppender
}

func newCopyReader(c *plan.Copy, rows *copyformat.Reader, names []string, env *datum.Env) *copyReader {
	r := &copyReader{rows: rows, table: c.Table, names: names, binary: isBinary(c), env: env}
	fields := make([]arrow.Field, len(c.Columns))
	for i, col := range c.Columns {
		r.types = append(r.types, c.Table.Columns[col].Type)
		fields[i] = datum.Field(names[i], r.types[i])
	}
	r.builder = array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i, t := range r.types {
		r.parse = append(r.parse, datum.NewTextAppender(t, r.builder.Field(i), env))
	}
	return r
}

func isBinary(c *plan.Copy) bool {
	f, _ := copyFormat(c.Stmt)
	return f == copyformat.Binary
}

func (r *copyReader) release() { r.builder.Release() }

// header reads the first line, and with MatchHeader compares it.
func (r *copyReader) header(mode copyformat.Header) error {
	fields, err := r.rows.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil || mode != copyformat.MatchHeader {
		return err
	}
	if len(fields) != len(r.names) {
		return r.where(pgerr.New(pgerr.BadCopyFormat, "wrong number of fields in header line: got %d, expected %d", len(fields), len(r.names)), -1, nil)
	}
	for i, f := range fields {
		if string(f) != r.names[i] {
			return r.where(pgerr.New(pgerr.BadCopyFormat, "column name mismatch in header line field %d: got %q, expected %q", i+1, f, r.names[i]), -1, nil)
		}
	}
	return nil
}

// readAll hands on all batches of the input; its end or failure is the channel's end.
func (r *copyReader) readAll(ctx context.Context, out chan<- copyBatch) (err error) {
	defer panics.Catch(&err)
	defer close(out)
	return r.read(ctx, out)
}

// read sends batches until the data end; the channel stays open.
func (r *copyReader) read(ctx context.Context, out chan<- copyBatch) error {
	rows, sizeBytes := 0, 0
	lines := make([]int64, 0, copyBatchRows)
	send := func() error {
		if rows == 0 {
			return nil
		}
		batch := copyBatch{r.builder.NewRecordBatch(), lines}
		if rows == copyBatchRows {
			r.reserve(batch.rows)
		}
		rows, sizeBytes, lines = 0, 0, make([]int64, 0, copyBatchRows)
		select {
		case out <- batch:
			return nil
		case <-ctx.Done():
			batch.rows.Release()
			return context.Cause(ctx)
		}
	}
	for {
		if rows%checkRows == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fields, err := r.rows.Next()
		if errors.Is(err, io.EOF) {
			return send()
		}
		if err != nil {
			return r.where(err, -1, nil)
		}
		if err := r.append(fields); err != nil {
			return err
		}
		rows++
		lines = append(lines, r.rows.Line())
		for _, f := range fields {
			sizeBytes += len(f)
		}
		if rows == copyBatchRows || sizeBytes >= copyBatchBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

// reserve makes room for another batch like the last one, so that the builders do
// not grow step by step.
func (r *copyReader) reserve(last arrow.RecordBatch) {
	r.builder.Reserve(int(last.NumRows()))
	for i, a := range last.Columns() {
		if b, ok := r.builder.Field(i).(*array.StringBuilder); ok {
			used := a.(*array.String).ValueBytes()
			b.ReserveData(len(used) + len(used)/8)
		}
	}
}

// append adds a row to the builders.
func (r *copyReader) append(fields [][]byte) error {
	if len(fields) != len(r.names) {
		return r.wrongCount(len(fields))
	}
	for i, f := range fields {
		if f == nil {
			r.builder.Field(i).AppendNull()
			continue
		}
		var err error
		if r.binary {
			var v datum.Value
			if v, err = datum.ParseBinary(r.types[i], f, r.env); err == nil {
				datum.Append(r.builder.Field(i), r.types[i], v)
			}
		} else {
			err = r.parse[i](f)
		}
		if err != nil {
			return r.where(err, i, f)
		}
	}
	return nil
}

func (r *copyReader) wrongCount(got int) error {
	if r.binary {
		return r.where(pgerr.New(pgerr.BadCopyFormat, "row field count is %d, expected %d", got, len(r.names)), -1, nil)
	}
	if got > len(r.names) {
		return r.where(pgerr.New(pgerr.BadCopyFormat, "extra data after last expected column"), -1, r.rows.Raw())
	}
	return r.where(pgerr.New(pgerr.BadCopyFormat, "missing data for column %q", r.names[got]), -1, r.rows.Raw())
}

// maxShown bounds the data shown in an error.
const maxShown = 100

// where says which line and column an error is about.
func (r *copyReader) where(err error, column int, data []byte) error {
	// Errors of the connection are wrapped and stay as they are.
	e, ok := err.(*pgerr.Error)
	if !ok || e.Where != "" {
		return err
	}
	c := *e
	c.Where = fmt.Sprintf("COPY %s, line %d", r.table.Name, max(1, r.rows.Line()))
	if column >= 0 {
		c.Where += ", column " + r.names[column]
	}
	if data != nil {
		text := string(data)
		if len(text) > maxShown {
			text = text[:maxShown] + "..."
		}
		c.Where += fmt.Sprintf(": \"%s\"", text)
	}
	return &c
}
