package engine_test

import (
	"fmt"
	"testing"

	"github.com/phyllodb/phyllo/engine"
)

// TestStatistics asks for those of a table whose rows are in a buffer, then in chunks, then many more.
func TestStatistics(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	defer p.close(t)
	table := createTable(t, db, "events", false, 0)
	add := func(n int) {
		rows := make([]row, n)
		for i := range rows {
			rows[i] = row{fmt.Sprint(i % 3), int64(i), int64(i)}
		}
		insert(t, db, table, rows...)
	}
	ask := func() (rows int64, known int) {
		tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
		defer tx.Rollback()
		if s := tx.Statistics(ctx0, table); s != nil {
			return s.Rows, len(s.Columns)
		}
		return 0, 0
	}
	if rows, known := ask(); rows != 0 || known != 0 {
		t.Errorf("empty: %d rows, %d columns", rows, known)
	}
	add(100)
	if _, known := ask(); known != 0 {
		t.Errorf("in a buffer: %d columns", known)
	}
	checkpoint(t, db)
	if rows, known := ask(); rows != 100 || known == 0 {
		t.Errorf("in chunks: %d rows, %d columns", rows, known)
	}
	add(10)
	if rows, _ := ask(); rows != 100 {
		t.Errorf("a few rows more: %d rows", rows)
	}
	add(100)
	checkpoint(t, db)
	if rows, _ := ask(); rows != 210 {
		t.Errorf("many rows more: %d rows", rows)
	}
}
