package rows

import (
	"errors"
	"io"
	"strings"

	"github.com/phyllodb/phyllo/internal/copyformat"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// CSV decodes CSV with a header line that names the columns. An empty unquoted
// field is NULL, as with COPY. maxRow bounds a row in bytes. It returns how
// many rows it handed to sink.
func CSV(src io.Reader, table *schema.Table, env *datum.Env, maxRow int, sink Sink) (int64, error) {
	opt := copyformat.DefaultOptions(copyformat.CSV)
	opt.MaxRowBytes = maxRow
	r := copyformat.NewReader(src, opt)
	b := newBatcher(table, env, sink)
	defer b.release()
	header, err := r.Next()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err != nil {
		return 0, rowError(0, "", nil, err)
	}
	columns, err := csvHeader(header, table)
	if err != nil {
		return 0, rowError(0, "", nil, err)
	}
	if err := b.use(columns); err != nil {
		return 0, err
	}
	var row int64
	for {
		fields, err := r.Next()
		if errors.Is(err, io.EOF) {
			return row, b.send()
		}
		row++
		if err != nil {
			return 0, rowError(row, "", nil, err)
		}
		if err := csvRow(b, fields, row); err != nil {
			return 0, err
		}
		if err := b.endRow(); err != nil {
			return 0, err
		}
	}
}

// csvHeader resolves the names of the first line. A byte-order mark, which
// spreadsheets write, is passed over.
func csvHeader(header [][]byte, table *schema.Table) ([]int, error) {
	columns := make([]int, 0, len(header))
	seen := map[int]bool{}
	for i, h := range header {
		name := string(h)
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff")
		}
		c, err := findColumn(table, name)
		if err != nil {
			return nil, err
		}
		if seen[c] {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q specified more than once", name)
		}
		seen[c] = true
		columns = append(columns, c)
	}
	return columns, nil
}

func csvRow(b *batcher, fields [][]byte, row int64) error {
	if len(fields) > len(b.columns) {
		return rowError(row, "", nil, pgerr.New(pgerr.BadCopyFormat, "extra data after last expected column"))
	}
	if len(fields) < len(b.columns) {
		missing := b.table.Columns[b.columns[len(fields)]].Name
		return rowError(row, missing, nil, pgerr.New(pgerr.BadCopyFormat, "missing data for column %q", missing))
	}
	for i, f := range fields {
		if f == nil {
			b.null(b.columns[i])
		} else if err := b.text(b.columns[i], f); err != nil {
			return rowError(row, b.table.Columns[b.columns[i]].Name, f, err)
		}
	}
	return nil
}
