package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
	"github.com/phyllodb/phyllo/query"
)

// fixtureTime is when all was written, so that chunk IDs tell nothing but their
// order.
var fixtureTime = time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC)

// openEngine opens the engine on a folder as the server does, but that it
// flushes only when told to.
func openEngine(dir string) (*engine.DB, func() error, error) {
	s, err := local.Open(local.Options{FS: vfs.OS{}, Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	db, err := engine.Open(context.Background(), s, engine.Options{SealAge: time.Hour, Now: func() time.Time { return fixtureTime },
		Router: func(t *schema.Table) (engine.Router, error) { return query.Router(t) }})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return db, func() error { return errors.Join(db.Close(), s.Close()) }, nil
}

// inTxn runs f in a transaction.
func inTxn(db *engine.DB, f func(tx *engine.Txn) error) error {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := errors.Join(tx.Snapshot(ctx), f(tx)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// makeTable makes a table and gives it its OIDs.
func makeTable(db *engine.DB, t *schema.Table) error {
	t.Namespace, t.Owner = schema.PublicOID, "ann"
	return inTxn(db, func(tx *engine.Txn) (err error) {
		if t.OID, err = tx.TakeOIDs(context.Background(), 5); err != nil {
			return err
		}
		t.PrimaryKeyOID, t.IndexOID = t.OID+3, t.OID+4
		return tx.Apply(context.Background(), schema.Change{PutTable: t})
	})
}

// insertRows inserts rows in a transaction of their own.
func insertRows(db *engine.DB, t *schema.Table, rows int, row func(i int) []datum.Value) error {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = datum.Field(c.Name, c.Type)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i := range rows {
		for k, v := range row(i) {
			datum.Append(b.Field(k), t.Columns[k].Type, v)
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	return inTxn(db, func(tx *engine.Txn) error {
		_, _, err := tx.Insert(context.Background(), t.OID, batch, chunk.InsertDefault)
		return err
	})
}

func columns(defs ...any) []schema.Column {
	var out []schema.Column
	for i := 0; i < len(defs); i += 2 {
		out = append(out, schema.Column{ID: schema.ColumnID(i/2 + 1), Name: defs[i].(string), Type: defs[i+1].(datum.Type)})
	}
	return out
}

// micros is a time of 2024-03-01 and after, in seconds.
func micros(seconds int) datum.Micros {
	return datum.Micros(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second).UnixMicro())
}

// fixtureTables are a keyed table of sensors, one of trips in LIST partitions,
// and one of notes with odd text.
func fixtureTables() (readings, trips, notes *schema.Table) {
	of := datum.Of
	readings = &schema.Table{Name: "readings", PrimaryKey: []schema.ColumnID{1, 2}, PrimaryKeyName: "readings_pkey", OnDuplicate: schema.DuplicateReplace,
		PartitionKind: schema.PartitionHash, PartitionColumns: []schema.ColumnID{1}, Partitions: 2, TimeColumn: 2, Slice: 24 * time.Hour, Retention: 90 * 24 * time.Hour,
		Columns: columns("sensor", of(datum.Text), "ts", of(datum.TimestampTZ), "value", of(datum.Float8), "level", of(datum.Int4),
			"ok", of(datum.Bool), "price", datum.Type{OID: datum.Numeric, Mod: 8<<16 | 2 + 4})}
	readings.Columns[0].NotNull, readings.Columns[1].NotNull, readings.Columns[4].Default = true, true, "true"
	trips = &schema.Table{Name: "trips", PartitionKind: schema.PartitionList, PartitionColumns: []schema.ColumnID{1, 2},
		PartitionExprs: []string{"city", "date_trunc('month', ts)"}, TimeColumn: 2, Slice: 24 * time.Hour,
		Columns: columns("city", of(datum.Text), "ts", of(datum.TimestampTZ), "tags", of(datum.TextArray), "extra", of(datum.JSONB), "id", of(datum.UUID))}
	notes = &schema.Table{Name: "notes", Columns: columns("id", of(datum.Int8), "note", of(datum.Text), "raw", of(datum.Bytea), "nothing", of(datum.Date))}
	return readings, trips, notes
}

func readingsRow(r *rand.Rand) func(i int) []datum.Value {
	return func(i int) []datum.Value {
		row := []datum.Value{fmt.Sprintf("sensor %d", i%5), micros(i / 5 * 60), float64(r.IntN(4000)) / 100, nil, i%7 > 0, datum.DecimalFromInt(int64(i % 9))}
		if i%4 == 0 {
			row[3] = int32(r.IntN(100) + i/50)
		}
		return row
	}
}

func fillFixture(db *engine.DB) error {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(7, 7))
	readings, trips, notes := fixtureTables()
	cities := []datum.Value{"Lisbon", "Oslo", nil}
	odd := []datum.Value{"plain", "\x1b[31mred\x07", "東京", "a\tb\nc", "é", nil, "a note that is much longer than what a listing has room for"}
	steps := []func() error{
		func() error { return makeTable(db, readings) },
		func() error { return makeTable(db, trips) },
		func() error { return makeTable(db, notes) },
		func() error { return insertRows(db, readings, 9000, readingsRow(r)) },
		func() error { return db.Checkpoint(ctx) },
		func() error {
			return insertRows(db, trips, 300, func(i int) []datum.Value {
				tags := datum.Array{Elem: datum.Of(datum.Text), Values: []datum.Value{"tag", fmt.Sprint(i % 3)}}
				return []datum.Value{cities[i%3], micros((i/100 - 1) * 20 * 86400), tags, fmt.Sprintf(`{"n": %d}`, i), datum.UUIDValue{15: byte(i)}}
			})
		},
		func() error { return db.Checkpoint(ctx) },
		func() error {
			return insertRows(db, notes, len(odd), func(i int) []datum.Value { return []datum.Value{int64(i), odd[i], []byte{byte(i), 0}, nil} })
		},
		func() error { return db.Checkpoint(ctx) },
		func() error { return insertRows(db, readings, 25, readingsRow(r)) },
		func() error {
			return insertRows(db, trips, 4, func(i int) []datum.Value {
				return []datum.Value{"Berlin", micros(i), nil, nil, nil}
			})
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

var fixtureRoot string // set by buildFixture

// buildFixture makes the folder once: as a kill of the process would leave it,
// with rows that are not in chunks.
var buildFixture = sync.OnceValues(func() (dir string, err error) {
	if fixtureRoot, err = os.MkdirTemp("", "inspect"); err != nil {
		return "", err
	}
	live, dir := filepath.Join(fixtureRoot, "live"), filepath.Join(fixtureRoot, "data")
	db, closeAll, err := openEngine(live)
	if err != nil {
		return "", err
	}
	err = fillFixture(db)
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(live))
	}
	return dir, errors.Join(err, closeAll())
})

// fixture returns a copy of the folder that the test may damage.
func fixture(t testing.TB) string {
	t.Helper()
	dir, err := buildFixture()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(own, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return own
}

func TestMain(m *testing.M) {
	code := m.Run()
	if fixtureRoot != "" {
		os.RemoveAll(fixtureRoot)
	}
	os.Exit(code)
}
