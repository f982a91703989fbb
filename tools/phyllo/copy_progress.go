package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// The table of progress, in the destination while a copy is under way.
const copyProgressName = "phyllo_copy"

func isCopyProgress(namespace, name string) bool {
	return namespace == "public" && name == copyProgressName
}

// copyProgressTable is its definition. That duplicates are errors is what makes
// steps happen once: see copy.go.
func copyProgressTable() *schema.Table {
	t := &schema.Table{Name: copyProgressName, PrimaryKeyName: copyProgressName + "_pkey", PrimaryKey: []schema.ColumnID{1, 2},
		OnDuplicate: schema.DuplicateError, Comment: "How far phyllo copy has come; it goes when the copy is complete."}
	for i, c := range []struct {
		name string
		oid  datum.OID
	}{
		{"table_name", datum.Text}, {"step", datum.Int8}, {"oid", datum.Int8}, {"finished", datum.Bool}, {"source", datum.Text}, {"fingerprint", datum.Text},
		{"splits", datum.Int8}, {"rows_of_split", datum.Int8}, {"rows", datum.Int8}, {"bytes", datum.Int8}, {"checksum", datum.Text}, {"at", datum.TimestampTZ},
	} {
		t.Columns = append(t.Columns, schema.Column{ID: schema.ColumnID(i + 1), Name: c.name, Type: datum.Of(c.oid), NotNull: true})
	}
	return t
}

// position is how far the scan of a table has come: splits that are done, and
// rows of the next one.
type position struct{ splits, rows int64 }

// A copyStep is a row of progress.
type copyStep struct {
	table       string
	step        int64
	oid         datum.OID // of the table in the destination
	finished    bool
	source      string // as it was given, for people
	fingerprint string // of the source's table
	at          position
	sum         contentSum // of the rows so far
}

func (s *copyStep) values() []datum.Value {
	return []datum.Value{s.table, s.step, int64(s.oid), s.finished, s.source, s.fingerprint, s.at.splits, s.at.rows,
		s.sum.rows, s.sum.bytes, s.sum.hash(), datum.Micros(time.Now().UnixMicro())}
}

// copyProgress is the table of progress. It is used by one goroutine.
type copyProgress struct {
	db     *engine.DB
	source string
	oid    datum.OID
	steps  map[string]*copyStep // the last one of each table
	found  bool                 // an earlier run left steps
}

// openCopyProgress makes the table of progress, or finds that of an earlier run
// and reads it when that one cannot commit any more.
func openCopyProgress(ctx context.Context, db *engine.DB, source string) (*copyProgress, error) {
	p := &copyProgress{db: db, source: source, steps: map[string]*copyStep{}}
	if err := p.transaction(ctx, func(tx *engine.Txn) error { return p.make(ctx, tx) }); err != nil {
		return nil, err
	}
	err := p.transaction(ctx, func(tx *engine.Txn) error {
		// To look whether a key exists claims the table: whoever had the claim has
		// given it back, or its log is sealed. Then a new snapshot has all of it.
		begun := copyStep{source: source}
		if err := p.insert(ctx, tx, &begun, chunk.InsertIgnore); err != nil {
			return err
		}
		if err := tx.Snapshot(ctx); err != nil {
			return err
		}
		return p.read(ctx, tx)
	})
	return p, err
}

// transaction runs f in a transaction of the destination.
func (p *copyProgress) transaction(ctx context.Context, f func(tx *engine.Txn) error) error {
	tx, err := p.db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// make makes the table unless it is there.
func (p *copyProgress) make(ctx context.Context, tx *engine.Txn) error {
	want := copyProgressTable()
	if have := findTable(tx.Catalog(), "public", want.Name); have != nil {
		if !sameDefinition(have, want) {
			return fmt.Errorf("the destination has a table public.%s that is not one of phyllo copy", want.Name)
		}
		p.oid = have.OID
		return nil
	}
	t := &tableCopy{namespace: "public", def: want}
	want.Owner = "phyllo"
	if err := t.create(ctx, tx); err != nil {
		return err
	}
	p.oid = t.target.OID
	return nil
}

// insert adds a step.
func (p *copyProgress) insert(ctx context.Context, tx *engine.Txn, s *copyStep, mode chunk.InsertMode) error {
	t := copyProgressTable()
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = datum.Field(c.Name, c.Type)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i, v := range s.values() {
		datum.Append(b.Field(i), t.Columns[i].Type, v)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	_, _, err := tx.Insert(ctx, p.oid, batch, mode)
	if pgerr.Code(err) == pgerr.UniqueViolation {
		return fmt.Errorf("another copy to the same store is at work: %w", err)
	}
	return err
}

// put adds the step after the last one of a table, to become the last one when
// the transaction has been committed: then the caller calls reached.
func (p *copyProgress) put(ctx context.Context, tx *engine.Txn, s copyStep) (*copyStep, error) {
	s.source, s.step = p.source, 1
	if last := p.steps[s.table]; last != nil {
		s.step = last.step + 1
	}
	return &s, p.insert(ctx, tx, &s, chunk.InsertError)
}

func (p *copyProgress) reached(s *copyStep) { p.steps[s.table] = s }

// last is what is done of a table; nil if nothing is.
func (p *copyProgress) last(table string) *copyStep { return p.steps[table] }

// read finds the last step of each table.
func (p *copyProgress) read(ctx context.Context, tx *engine.Txn) error {
	def := tx.Catalog().Tables[p.oid]
	if def == nil {
		return fmt.Errorf("the table of progress is gone")
	}
	return readTable(ctx, tx, def, position{}, func(b readBatch) error {
		defer b.batch.Release()
		for row := range int(b.batch.NumRows()) {
			s, err := readStep(def, b.batch, row)
			if err != nil {
				return fmt.Errorf("public.%s: %w", copyProgressName, err)
			}
			if s.table == "" {
				continue
			}
			p.found = true
			if last := p.steps[s.table]; last == nil || last.step < s.step {
				p.steps[s.table] = s
			}
		}
		return nil
	})
}

func readStep(def *schema.Table, b arrow.RecordBatch, row int) (*copyStep, error) {
	at := func(i int) datum.Value { return datum.ValueAt(def.Columns[i].Type, b.Column(i), row) }
	text := func(i int) string { s, _ := at(i).(string); return s }
	number := func(i int) int64 { n, _ := at(i).(int64); return n }
	s := &copyStep{table: text(0), step: number(1), oid: datum.OID(number(2)), source: text(4), fingerprint: text(5),
		at: position{number(6), number(7)}, sum: contentSum{rows: number(8), bytes: number(9)}}
	s.finished, _ = at(3).(bool)
	var err error
	s.sum.a, s.sum.b, err = parseHash(text(10))
	return s, err
}

// drop removes the table of progress.
func (p *copyProgress) drop(ctx context.Context) error {
	return p.transaction(ctx, func(tx *engine.Txn) error { return tx.Apply(ctx, schema.Change{DropTable: p.oid}) })
}

// dropUnused removes it if nothing was copied yet.
func (p *copyProgress) dropUnused(ctx context.Context) error {
	if p.found {
		return nil
	}
	return p.drop(ctx)
}
