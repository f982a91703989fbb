// Package rows decodes streams of rows (NDJSON, CSV) into batches of a table's
// columns. Memory is bounded whatever the stream's size; the first bad value ends
// decoding with an error that says where it is.
package rows

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An Error says what is wrong in which row (from 1), column and value.
type Error struct {
	Row    int64
	Column string // empty if the row as a whole is wrong
	Value  string // cut to 100 bytes
	Cause  error
}

func (e *Error) Error() string {
	where := fmt.Sprintf("row %d", e.Row)
	if e.Column != "" {
		where += fmt.Sprintf(", column %q", e.Column)
	}
	if e.Value != "" {
		where += fmt.Sprintf(", value %q", e.Value)
	}
	return where + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// maxShown is the most of a bad value that an error repeats.
const maxShown = 100

func rowError(row int64, column string, value []byte, cause error) error {
	var e *Error
	if errors.As(cause, &e) {
		return cause
	}
	text := string(value)
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	return &Error{Row: row, Column: column, Value: text, Cause: cause}
}

// A Sink takes batches: columns are indexes into the table's columns, in the
// order of the batch's. What is not among them gets its default. The batch is
// only read during the call.
type Sink func(columns []int, batch arrow.RecordBatch) error

// batchRows and batchBytes bound a batch.
const (
	batchRows  = chunk.MaxBatchRows
	batchBytes = 8 << 20
)

// A batcher gathers rows of one set of columns.
type batcher struct {
	table   *schema.Table
	columns []int
	builder *array.RecordBuilder
	parse   []datum.TextAppender // by table column; nil if not in columns
	at      []int                // by table column: its place in columns, or -1
	rows    int
	size    int
	sent    int64 // rows of earlier batches
	sink    Sink
	env     *datum.Env
}

func newBatcher(table *schema.Table, env *datum.Env, sink Sink) *batcher {
	return &batcher{table: table, env: env, sink: sink}
}

// use starts batches of these columns, after sending what there is.
func (b *batcher) use(columns []int) error {
	if err := b.send(); err != nil {
		return err
	}
	b.release()
	b.columns = append([]int(nil), columns...)
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = datum.Field(b.table.Columns[c].Name, b.table.Columns[c].Type)
	}
	b.builder = array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	b.parse = make([]datum.TextAppender, len(b.table.Columns))
	b.at = make([]int, len(b.table.Columns))
	for i := range b.at {
		b.at[i] = -1
	}
	for i, c := range columns {
		b.parse[c] = datum.NewTextAppender(b.table.Columns[c].Type, b.builder.Field(i), b.env)
		b.at[c] = i
	}
	return nil
}

func (b *batcher) release() {
	if b.builder != nil {
		b.builder.Release()
		b.builder = nil
	}
}

// null adds NULL to a column, text a value in its text form.
func (b *batcher) null(column int) { b.builder.Field(b.at[column]).AppendNull() }
func (b *batcher) text(column int, text []byte) error {
	b.size += len(text)
	return b.parse[column](text)
}

// endRow counts a row in whose columns all have a value, and sends full batches.
func (b *batcher) endRow() error {
	b.rows++
	b.size += 8 * len(b.columns)
	if b.rows == batchRows || b.size >= batchBytes {
		return b.send()
	}
	return nil
}

func (b *batcher) send() error {
	if b.rows == 0 {
		return nil
	}
	batch := b.builder.NewRecordBatch()
	defer batch.Release()
	first := b.sent
	b.sent += int64(b.rows)
	b.rows, b.size = 0, 0
	err := b.sink(b.columns, batch)
	var pe *pgerr.Error
	if errors.As(err, &pe) && pe.Row > 0 {
		return rowError(first+int64(pe.Row), pe.Column, b.valueOf(batch, pe), err)
	}
	return err
}

// valueOf is the text of the value that an error is about, nil for NULL or if it
// is about no column of the batch.
func (b *batcher) valueOf(batch arrow.RecordBatch, e *pgerr.Error) []byte {
	for i, c := range b.columns {
		if row := e.Row - 1; b.table.Columns[c].Name == e.Column && row < int(batch.NumRows()) && !batch.Column(i).IsNull(row) {
			return datum.AppendTextAt(nil, b.table.Columns[c].Type, batch.Column(i), row, b.env)
		}
	}
	return nil
}

// findColumn resolves a name, or says which names there are.
func findColumn(t *schema.Table, name string) (int, error) {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i, nil
		}
	}
	var names []string
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return 0, pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name).
				WithHint("There is a column %q: names are matched as they are written.", t.Columns[i].Name)
		}
		names = append(names, t.Columns[i].Name)
	}
	return 0, pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name).
		WithHint("The columns are %s.", strings.Join(names, ", "))
}
