package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestCopyDropped copies a table of which a column was dropped.
func TestCopyDropped(t *testing.T) {
	from, to := fixture(t), filepath.Join(t.TempDir(), "to")
	change(t, from, func(db *engine.DB) error {
		return inTxn(db, func(tx *engine.Txn) error {
			def := *findTable(tx.Catalog(), "public", "notes")
			def.Columns = slices.Clone(def.Columns)
			def.Columns[2] = schema.Column{ID: 3, Name: "........pg.dropped.3........"}
			return tx.Apply(t.Context(), schema.Change{PutTable: &def})
		})
	})
	out, err := runCopy(t, copyCommand{From: from, To: to})
	if err != nil {
		t.Fatal(out, err)
	}
}
