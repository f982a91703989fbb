package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestKeysThatAreEqual inserts rows whose keys are equal and not the same, and
// such that are nearly equal, in each mode, in buffers and in chunks, with each
// kind of partitioning.
func TestKeysThatAreEqual(t *testing.T) {
	cases := []struct {
		typ  datum.OID
		a, b string
		same bool
	}{
		{datum.Numeric, "1.0", "1.00", true}, {datum.Numeric, "0", "-0.00", true}, {datum.Numeric, "NaN", "NaN", true}, {datum.Numeric, "1.0", "1.01", false},
		{datum.Numeric, "1e3", "1000", true}, {datum.Float8, "-0", "0", true}, {datum.Float8, "NaN", "NaN", true}, {datum.Float8, "Infinity", "NaN", false},
		{datum.Float4, "-0", "0", true}, {datum.BPChar, "a", "a  ", true}, {datum.BPChar, "", " ", true}, {datum.BPChar, " a", "a", false},
		{datum.Text, "a", "a ", false}, {datum.Text, "", " ", false}, {datum.Varchar, "a", "a ", false},
		{datum.TimestampTZ, "infinity", "infinity", true}, {datum.TimestampTZ, "-infinity", "infinity", false},
		{datum.TimestampTZ, "294240-12-31 23:59:59.999999+00", "infinity", false}, {datum.TimestampTZ, "2020-01-01 00:00+00", "2020-01-01 01:00+01", true},
		{datum.Date, "infinity", "-infinity", false}, {datum.Interval, "24:00", "1 day", true}, {datum.Interval, "1 mon", "30 days", true},
		{datum.Interval, "1 mon", "31 days", false}, {datum.JSONB, `{"a":1}`, `{"a":1.0}`, true}, {datum.Bytea, `\x00`, `\x0000`, false},
		{datum.Numeric, "-1", "1", false}, {datum.Bool, "t", "f", false}, {datum.UUID, "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001", true},
	}
	p := &memPlace{}
	db := p.open(t, engine.Options{SealAge: time.Hour, Router: newTestRouter})
	for _, c := range cases {
		key := datum.Of(c.typ)
		for _, kind := range []schema.PartitionKind{schema.PartitionNone, schema.PartitionHash, schema.PartitionList} {
			k := &keyCase{t: t, db: db, key: key, a: values(key, c.a)[0], b: values(key, c.b)[0], same: c.same}
			for _, chunks := range []bool{false, true} {
				k.what = fmt.Sprintf("%v %q and %q, partitioning %v, in chunks %v", key, c.a, c.b, kind, chunks)
				k.chunks = chunks
				k.modes(kind)
			}
		}
	}
	settled(t, db)
	p.close(t)
}

type keyCase struct {
	t      *testing.T
	db     *engine.DB
	what   string
	key    datum.Type
	a, b   datum.Value
	same   bool
	chunks bool
}

// table makes a table with a row of key a and v = 0.
func (k *keyCase) table(kind schema.PartitionKind, dup schema.OnDuplicate) datum.OID {
	ctx := context.Background()
	tx := begin(k.t, k.db, engine.TxnOptions{})
	defer tx.Rollback()
	oid, err := tx.TakeOIDs(ctx, 5)
	if err != nil {
		k.t.Fatal(err)
	}
	def := anyTable(oid, k.key, kind, "k")
	def.Name, def.PrimaryKey, def.PrimaryKeyName, def.OnDuplicate = fmt.Sprint("t", oid), []schema.ColumnID{1}, "pkey", dup
	def.PrimaryKeyOID, def.IndexOID, def.Slice, def.TimeColumn = oid+3, oid+4, 0, 0
	if err := tx.Apply(ctx, schema.Change{PutTable: def}); err != nil {
		k.t.Fatalf("%s: %v", k.what, err)
	}
	if err := tx.Commit(ctx); err != nil {
		k.t.Fatal(err)
	}
	k.insert(oid, k.a, 0, chunk.InsertDefault, "", 1)
	if k.chunks {
		checkpoint(k.t, k.db)
	}
	return oid
}

func (k *keyCase) insert(table datum.OID, key datum.Value, v int, mode chunk.InsertMode, code string, rows int64) {
	k.t.Helper()
	tx := begin(k.t, k.db, engine.TxnOptions{})
	defer tx.Rollback()
	n, _, err := tx.Insert(context.Background(), table, anyBatch(k.key, []anyRow{{key, nil}}, v), mode)
	if codeOf(err) != code || n != rows {
		k.t.Errorf("%s: insert in mode %v of v=%d: %d rows, %v", k.what, mode, v, n, err)
	}
	if err == nil {
		err = tx.Commit(context.Background())
	}
	if err != nil && code == "" {
		k.t.Fatalf("%s: %v", k.what, err)
	}
}

func (k *keyCase) modes(kind schema.PartitionKind) {
	for _, dup := range []schema.OnDuplicate{schema.DuplicateError, schema.DuplicateIgnore, schema.DuplicateReplace} {
		table := k.table(kind, dup)
		want := []int64{0, 1}
		switch {
		case !k.same:
			k.insert(table, k.b, 1, chunk.InsertDefault, "", 1)
		case dup == schema.DuplicateError:
			k.insert(table, k.b, 1, chunk.InsertDefault, pgerr.UniqueViolation, 0)
			want = []int64{0}
		case dup == schema.DuplicateIgnore:
			k.insert(table, k.b, 1, chunk.InsertDefault, "", 0)
			want = []int64{0}
		default:
			k.insert(table, k.b, 1, chunk.InsertDefault, "", 1)
			want = []int64{1}
		}
		k.check(table, want)
		if k.chunks {
			checkpoint(k.t, k.db)
			k.check(table, want)
		}
		drop(k.t, k.db, table)
	}
}

func (k *keyCase) check(table datum.OID, want []int64) {
	k.t.Helper()
	tx := begin(k.t, k.db, engine.TxnOptions{})
	defer tx.Rollback()
	p := &pruner{t: k.t, key: k.key}
	if got := p.read(tx, table, nil, chunk.PruningOff{}); !slices.Equal(got, want) {
		k.t.Errorf("%s: rows %v, want %v", k.what, got, want)
	}
	if chunk.CanFilter(k.key, chunk.OpEQ) { // by the other form of the key
		byKey := []chunk.Predicate{{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{k.b}}}
		if got := p.read(tx, table, byKey, chunk.PruningOff{}); !slices.Equal(got, want[len(want)-1:]) {
			k.t.Errorf("%s: rows of the second key %v, want %v", k.what, got, want[len(want)-1:])
		}
	}
	sch := arrow.NewSchema([]arrow.Field{datum.Field("k", k.key)}, nil)
	rows, at, err := tx.Lookup(context.Background(), table, array.NewRecordBatch(sch, anyBatch(k.key, []anyRow{{k.b, nil}}, 0).Columns()[:1], 1))
	if err != nil || at[0] < 0 || rows.Column(2).(*array.Int64).Value(int(at[0])) != want[len(want)-1] {
		k.t.Errorf("%s: looked up %v in %v, %v", k.what, at, rows, err)
	}
}

// TestPrefixOfPaddedKey asks for a prefix with blanks of a char(n) key, of which
// only the newer version's chunk can be left out.
func TestPrefixOfPaddedKey(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		key := datum.Of(datum.BPChar)
		k := &keyCase{t: t, db: db, key: key, a: "a   ", chunks: true}
		table := k.table(schema.PartitionNone, schema.DuplicateReplace)
		k.insert(table, "a", 1, chunk.InsertDefault, "", 1)
		checkpoint(t, db)
		tx := begin(t, db, engine.TxnOptions{})
		prefix := []chunk.Predicate{{Column: 1, Op: chunk.OpPrefix, Values: []datum.Value{"a  "}}}
		for _, off := range []chunk.PruningOff{{}, {Chunks: true}} {
			if got := (&pruner{t: t, key: key}).read(tx, table, prefix, off); len(got) > 0 {
				t.Errorf("without %+v: an old version comes back: %v", off, got)
			}
		}
		tx.Rollback()
		p.close(t)
	})
}

// TestExpressionOverLooseKey refuses partitions by an expression that tells equal
// keys apart: rows of one key would lie in several partitions.
func TestExpressionOverLooseKey(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, engine.Options{SealAge: time.Hour, Router: newTestRouter})
	for typ, code := range map[datum.OID]string{datum.Numeric: pgerr.FeatureNotSupported, datum.BPChar: pgerr.FeatureNotSupported, datum.Text: ""} {
		tx := begin(t, db, engine.TxnOptions{})
		oid, err := tx.TakeOIDs(context.Background(), 5)
		if err != nil {
			t.Fatal(err)
		}
		def := anyTable(oid, datum.Of(typ), schema.PartitionList, "text(k)")
		def.PrimaryKey, def.PrimaryKeyName, def.Slice, def.TimeColumn = []schema.ColumnID{1}, "pkey", 0, 0
		if err := tx.Apply(context.Background(), schema.Change{PutTable: def}); codeOf(err) != code {
			t.Errorf("type %d: %v, want %q", typ, err, code)
		}
		tx.Rollback()
	}
	p.close(t)
}
