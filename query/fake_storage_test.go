package query_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/storage"
)

// A fakeStore is a storage in memory. Transactions see its rows as of their
// statements; one at a time changes rows of a table, though all may insert.
type fakeStore struct {
	storage.Sequences // none

	mu      sync.Mutex // guards the fields below
	catalog *schema.Catalog
	rows    map[datum.OID][]*fakeRow    // by table; the slices are never modified
	locks   map[datum.OID]chan struct{} // by table: full while a transaction changes rows of it

	// beforeChange and beforeDelete, if they are set, are called once, by BeginChange
	// and Delete: another transaction can be quicker.
	beforeChange, beforeDelete func()
	begun                      int // calls of BeginChange
}

// A fakeRow is a version of a row: a changed one is another.
type fakeRow struct{ values []datum.Value }

func newFakeStore() *fakeStore {
	return &fakeStore{catalog: schema.NewCatalog("phyllo"), rows: map[datum.OID][]*fakeRow{}, locks: map[datum.OID]chan struct{}{}}
}

func (s *fakeStore) Checkpoint(context.Context) error { return nil }
func (s *fakeStore) TableSize(datum.OID) int64        { return 0 }
func (s *fakeStore) Vacuum(context.Context, datum.OID, bool) (chunk.VacuumInfo, error) {
	return chunk.VacuumInfo{}, nil
}
func (s *fakeStore) Compactions() []chunk.CompactionInfo { return nil }
func (s *fakeStore) PauseCompaction(bool)                {}
func (s *fakeStore) CompactionPaused() bool              { return false }

func (s *fakeStore) NewLocks(int32) storage.Locks { return fakeLocks{} }
func (s *fakeStore) LockList() []locking.Info     { return nil }
func (s *fakeStore) Blocking(int32) []int32       { return nil }

func (s *fakeStore) Begin(_ context.Context, opt storage.TxnOptions) (storage.Txn, error) {
	t := &fakeTxn{store: s, fixed: opt.Isolation == storage.RepeatableRead, readOnly: opt.ReadOnly}
	t.work.deleted = map[*fakeRow]bool{}
	t.work.added = map[datum.OID][]*fakeRow{}
	t.refresh()
	return t, nil
}

// fakeWork is what a transaction has done.
type fakeWork struct {
	added   map[datum.OID][]*fakeRow
	deleted map[*fakeRow]bool // rows of others
	changes []schema.Change
}

func (w fakeWork) clone() fakeWork {
	return fakeWork{maps.Clone(w.added), maps.Clone(w.deleted), slices.Clip(w.changes)}
}

// of returns the rows of a table with the work done.
func (w fakeWork) of(rows []*fakeRow, table datum.OID) []*fakeRow {
	var out []*fakeRow
	for _, r := range rows {
		if !w.deleted[r] {
			out = append(out, r)
		}
	}
	return append(out, w.added[table]...)
}

type fakeTxn struct {
	store           *fakeStore
	fixed, readOnly bool
	catalog         *schema.Catalog
	snap            map[datum.OID][]*fakeRow
	visible         fakeWork // when the statement began
	work            fakeWork
	marks           []fakeWork
	locked          map[datum.OID]chan struct{}
}

func (t *fakeTxn) refresh() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.snap = maps.Clone(t.store.rows)
	t.rebase(t.store.catalog)
}

func (t *fakeTxn) rebase(base *schema.Catalog) {
	t.catalog = base
	if len(t.work.changes) > 0 {
		c, err := base.Apply(base.Seq+1, t.work.changes...)
		if err != nil {
			panic(err)
		}
		t.catalog = c
	}
}

func (t *fakeTxn) Snapshot(context.Context) error {
	if !t.fixed {
		t.refresh()
	}
	t.visible = t.work.clone()
	return nil
}

func (t *fakeTxn) BeginChange(ctx context.Context, table datum.OID, _ locking.Strength) error {
	t.store.mu.Lock()
	t.store.begun++
	hook := t.store.beforeChange
	t.store.beforeChange = nil
	t.store.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err := t.lock(ctx, table); err != nil {
		return err
	}
	return t.Snapshot(ctx)
}

// lock waits until no other transaction changes rows of a table.
func (t *fakeTxn) lock(ctx context.Context, table datum.OID) error {
	if t.locked[table] != nil {
		return ctx.Err()
	}
	t.store.mu.Lock()
	l := t.store.locks[table]
	if l == nil {
		l = make(chan struct{}, 1)
		t.store.locks[table] = l
	}
	t.store.mu.Unlock()
	select {
	case l <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if t.locked == nil {
		t.locked = map[datum.OID]chan struct{}{}
	}
	t.locked[table] = l
	return ctx.Err()
}

func (t *fakeTxn) unlock() {
	for _, l := range t.locked {
		<-l
	}
	t.locked = nil
}

func (t *fakeTxn) Catalog() *schema.Catalog { return t.catalog }

func (t *fakeTxn) Statement() storage.Reader {
	return &fakeReader{catalog: t.catalog, snap: t.snap, own: t.visible}
}

func (t *fakeTxn) Position() int64 { return 0 }

func (t *fakeTxn) Statistics(context.Context, datum.OID) *chunk.Statistics { return nil }

func (t *fakeTxn) TableRows(table datum.OID) int64 { return int64(len(t.snap[table])) }

func (t *fakeTxn) Partitions(context.Context, datum.OID) ([]chunk.PartitionInfo, error) {
	return nil, nil
}

func (t *fakeTxn) Define(context.Context) error { return nil }

func (t *fakeTxn) TakeOIDs(_ context.Context, n int) (datum.OID, error) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	c := *t.store.catalog
	first := c.NextOID
	c.NextOID += datum.OID(n)
	t.store.catalog = &c
	return first, nil
}

func (t *fakeTxn) Apply(_ context.Context, c schema.Change) error {
	t.work.changes = append(t.work.changes, c)
	next, err := t.catalog.Apply(t.catalog.Seq+1, c)
	if err == nil {
		t.catalog = next
	}
	return err
}

func (t *fakeTxn) Truncate(context.Context, datum.OID) error { return errors.New("no TRUNCATE") }

// now are the rows of a table that a write meets.
func (t *fakeTxn) now(table datum.OID) []*fakeRow {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return t.work.of(t.store.rows[table], table)
}

func (t *fakeTxn) remove(table datum.OID, r *fakeRow) {
	if i := slices.Index(t.work.added[table], r); i >= 0 {
		t.work.added[table] = slices.Delete(slices.Clone(t.work.added[table]), i, i+1)
		return
	}
	t.work.deleted[r] = true
}

func (t *fakeTxn) LockRows(context.Context, datum.OID) error { return nil }

func (t *fakeTxn) BeginRowLocks(context.Context, datum.OID, locking.Strength, locking.Wait) (bool, error) {
	return false, errors.New("no row locks")
}

func (t *fakeTxn) LockVersions(context.Context, datum.OID, arrow.RecordBatch, locking.Strength, locking.Wait) ([]int32, bool, error) {
	return nil, false, errors.New("no row locks")
}

func (t *fakeTxn) LockReads(context.Context, []datum.OID) (bool, error) { return false, nil }

func (t *fakeTxn) LockTable(context.Context, datum.OID, locking.TableMode, bool, bool) error {
	return errors.New("no LOCK TABLE")
}

func (t *fakeTxn) LockAdvisory(context.Context, locking.Advisory, bool, bool) (bool, error) {
	return false, errors.New("no advisory locks")
}

func (t *fakeTxn) SetLockTimeout(time.Duration) {}

func (t *fakeTxn) Retry(ctx context.Context, mark int) error { return t.RollbackTo(ctx, mark) }

// fakeLocks are none.
type fakeLocks struct{}

func (fakeLocks) LockAdvisory(context.Context, locking.Advisory, bool, bool, time.Duration) (bool, error) {
	return false, errors.New("no advisory locks")
}
func (fakeLocks) UnlockAdvisory(locking.Advisory, bool) bool { return false }
func (fakeLocks) UnlockAll()                                 {}

func (t *fakeTxn) Insert(_ context.Context, table datum.OID, batch arrow.RecordBatch, mode chunk.InsertMode) (int64, []int32, error) {
	if t.readOnly {
		return 0, nil, pgerr.New(pgerr.InternalError, "a read-only transaction writes")
	}
	def := t.catalog.Tables[table]
	kept := []int32{}
	for row := range int(batch.NumRows()) {
		r := &fakeRow{rowOf(def, batch, row)}
		for i, c := range def.Columns {
			if r.values[i] == nil && (c.NotNull || slices.Contains(def.PrimaryKey, c.ID)) {
				return 0, nil, pgerr.New(pgerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", c.Name, def.Name)
			}
		}
		if old := find(def, t.now(table), r); old != nil {
			if mode == chunk.InsertError || mode == chunk.InsertDefault && def.OnDuplicate != schema.DuplicateReplace {
				return 0, nil, pgerr.New(pgerr.UniqueViolation, "duplicate key value violates unique constraint %q", def.PrimaryKeyName)
			}
			if mode == chunk.InsertIgnore {
				continue
			}
			t.remove(table, old)
		}
		t.work.added[table] = append(slices.Clip(t.work.added[table]), r)
		kept = append(kept, int32(row))
	}
	return int64(len(kept)), kept, nil
}

// Delete insists on what its callers promise: rows of the snapshot, each once.
func (t *fakeTxn) Delete(_ context.Context, table datum.OID, rows arrow.RecordBatch) (bool, error) {
	t.store.mu.Lock()
	hook := t.store.beforeDelete
	t.store.beforeDelete = nil
	t.store.mu.Unlock()
	if hook != nil {
		hook()
	}
	def := t.catalog.Tables[table]
	seen := t.visible.of(t.snap[table], table)
	for row := range int(rows.NumRows()) {
		values := rowOf(def, rows, row)
		same := func(r *fakeRow) bool { return slices.Equal(textOf(def, r.values), textOf(def, values)) }
		if !slices.ContainsFunc(seen, same) {
			return false, pgerr.New(pgerr.InternalError, "deleted row %v is not in the snapshot", textOf(def, values))
		}
		now := t.now(table)
		at := slices.IndexFunc(now, func(r *fakeRow) bool { return same(r) && slices.Contains(seen, r) })
		switch {
		case at >= 0:
			t.remove(table, now[at])
		case t.gone(table, same):
			return false, pgerr.New(pgerr.InternalError, "row %v is deleted twice", textOf(def, values))
		case t.fixed:
			return false, pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update")
		default:
			return true, nil
		}
	}
	return false, nil
}

// gone says whether the transaction itself has deleted such a row of the present state.
func (t *fakeTxn) gone(table datum.OID, same func(*fakeRow) bool) bool {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return slices.ContainsFunc(t.store.rows[table], func(r *fakeRow) bool { return t.work.deleted[r] && same(r) })
}

func (t *fakeTxn) Lookup(ctx context.Context, table datum.OID, keys arrow.RecordBatch) (arrow.RecordBatch, []int32, error) {
	if err := t.lock(ctx, table); err != nil {
		return nil, nil, err
	}
	def := t.catalog.Tables[table]
	var found []*fakeRow
	at := make([]int32, keys.NumRows())
	for row := range at {
		want := &fakeRow{make([]datum.Value, len(def.Columns))}
		for i, id := range def.PrimaryKey {
			c := slices.IndexFunc(def.Columns, func(c schema.Column) bool { return c.ID == id })
			want.values[c] = datum.ValueAt(def.Columns[c].Type, keys.Column(i), row)
		}
		at[row] = -1
		if r := find(def, t.now(table), want); r != nil {
			at[row] = int32(len(found))
			found = append(found, r)
		}
	}
	var all []schema.ColumnID
	for _, c := range def.Columns {
		all = append(all, c.ID)
	}
	split := &fakeSplit{def: def, rows: found, spec: chunk.ScanSpec{Columns: all}}
	return split.batch(memory.DefaultAllocator), at, nil
}

func (t *fakeTxn) Backup(_ context.Context, out io.Writer) error {
	_, err := io.WriteString(out, "all")
	return err
}

func (t *fakeTxn) BackupChunks(_ context.Context, names []byte, out io.Writer) error {
	_, err := out.Write(names)
	return err
}

func (t *fakeTxn) Savepoint() int {
	t.marks = append(t.marks, t.work.clone())
	return len(t.marks) - 1
}

func (t *fakeTxn) RollbackTo(_ context.Context, mark int) error {
	t.work = t.marks[mark].clone()
	t.marks = t.marks[:mark+1]
	t.visible = t.work.clone()
	return nil
}

func (t *fakeTxn) Release(mark int) { t.marks = t.marks[:mark] }

func (t *fakeTxn) Commit(context.Context) error {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	for _, table := range slices.Concat(slices.Collect(maps.Keys(t.store.rows)), slices.Collect(maps.Keys(t.work.added))) {
		t.store.rows[table] = t.work.of(t.store.rows[table], table)
		delete(t.work.added, table)
	}
	if len(t.work.changes) > 0 {
		c, err := t.store.catalog.Apply(t.store.catalog.Seq+1, t.work.changes...)
		if err != nil {
			return err
		}
		t.store.catalog = c
	}
	t.unlock()
	return nil
}

func (t *fakeTxn) Rollback() { t.unlock() }

func rowOf(def *schema.Table, b arrow.RecordBatch, row int) []datum.Value {
	out := make([]datum.Value, len(def.Columns))
	for i, c := range def.Columns {
		if !b.Column(i).IsNull(row) {
			out[i] = datum.ValueAt(c.Type, b.Column(i), row)
		}
	}
	return out
}

// textOf is the values as text, to compare them.
func textOf(def *schema.Table, values []datum.Value) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			out[i] = "NULL"
		} else {
			out[i] = "=" + string(datum.AppendText(nil, def.Columns[i].Type, v, &datum.Env{}))
		}
	}
	return out
}

// find returns the row with the key of r, nil if there is none or no key.
func find(def *schema.Table, rows []*fakeRow, r *fakeRow) *fakeRow {
	for _, o := range rows {
		same := len(def.PrimaryKey) > 0
		for i, c := range def.Columns {
			if slices.Contains(def.PrimaryKey, c.ID) {
				same = same && datum.Compare(c.Type, o.values[i], r.values[i]) == 0
			}
		}
		if same {
			return o
		}
	}
	return nil
}

// A fakeReader is a statement's view; its splits have few rows each.
type fakeReader struct {
	catalog *schema.Catalog
	snap    map[datum.OID][]*fakeRow
	own     fakeWork
}

func (r *fakeReader) Scan(_ context.Context, table datum.OID, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error) {
	var out []chunk.Split
	def := r.catalog.Tables[table]
	for part := range slices.Chunk(r.own.of(r.snap[table], table), 7) {
		wide, rows, err := withPaths(def, part, spec.Paths)
		if err != nil {
			return nil, chunk.ScanStats{}, err
		}
		out = append(out, &fakeSplit{def: wide, rows: rows, spec: spec})
	}
	return out, chunk.ScanStats{}, nil
}

// withPaths appends what documents have at paths to a table and rows of it.
func withPaths(def *schema.Table, rows []*fakeRow, paths []chunk.PathColumn) (*schema.Table, []*fakeRow, error) {
	if len(paths) == 0 {
		return def, rows, nil
	}
	wide, out := *def, make([]*fakeRow, len(rows))
	wide.Columns = slices.Clip(def.Columns)
	for i, r := range rows {
		out[i] = &fakeRow{values: slices.Clip(r.values)}
	}
	for i := range paths {
		p := &paths[i]
		at := slices.IndexFunc(def.Columns, func(c schema.Column) bool { return c.ID == p.Column })
		wide.Columns = append(wide.Columns, schema.Column{ID: p.ID, Name: p.Name, Type: p.Type()})
		for _, r := range out {
			var v datum.Value
			if doc, ok := r.values[at].(string); ok {
				text, found, err := p.Value(doc)
				if err != nil {
					return nil, nil, err
				}
				if found {
					v = text
				}
			}
			r.values = append(r.values, v)
		}
	}
	return &wide, out, nil
}

type fakeSplit struct {
	def  *schema.Table
	rows []*fakeRow
	spec chunk.ScanSpec
}

func (s *fakeSplit) Rows() int64                   { return int64(len(s.rows)) }
func (s *fakeSplit) Time() (chunk.TimeRange, bool) { return chunk.TimeRange{}, false }

func (s *fakeSplit) column(id schema.ColumnID) int {
	return slices.IndexFunc(s.def.Columns, func(c schema.Column) bool { return c.ID == id })
}

func (s *fakeSplit) passes(r *fakeRow) bool {
	for _, p := range s.spec.Filter {
		c := s.column(p.Column)
		if !fakePass(p, s.def.Columns[c].Type, r.values[c]) {
			return false
		}
	}
	return true
}

func fakePass(p chunk.Predicate, t datum.Type, v datum.Value) bool {
	if p.Op == chunk.OpIsNull || p.Op == chunk.OpIsNotNull || v == nil {
		return v == nil == (p.Op == chunk.OpIsNull) && (v != nil || p.Op == chunk.OpIsNull)
	}
	switch p.Op {
	case chunk.OpPrefix:
		return strings.HasPrefix(v.(string), p.Values[0].(string))
	case chunk.OpIn:
		return slices.ContainsFunc(p.Values, func(x datum.Value) bool { return datum.Compare(t, v, x) == 0 })
	}
	c := datum.Compare(t, v, p.Values[0])
	return map[chunk.PredicateOp]bool{
		chunk.OpEQ: c == 0, chunk.OpNE: c != 0, chunk.OpLT: c < 0, chunk.OpLE: c <= 0, chunk.OpGT: c > 0, chunk.OpGE: c >= 0,
	}[p.Op]
}

func (s *fakeSplit) Scan(_ context.Context, room *chunk.Room, stats *chunk.ScanStats) (chunk.BatchReader, error) {
	b := s.batch(room.Allocator())
	if b.NumRows() == 0 {
		b.Release()
		return &oneBatch{}, nil
	}
	stats.RowsReturned += b.NumRows()
	return &oneBatch{b}, nil
}

// batch is the rows that pass.
func (s *fakeSplit) batch(mem memory.Allocator) arrow.RecordBatch {
	var fields []arrow.Field
	var at []int
	for _, id := range s.spec.Columns {
		i := s.column(id)
		at, fields = append(at, i), append(fields, datum.Field(s.def.Columns[i].Name, s.def.Columns[i].Type))
	}
	b := array.NewRecordBuilder(mem, arrow.NewSchema(fields, nil))
	defer b.Release()
	n := int64(0)
	for _, r := range s.rows {
		if !s.passes(r) {
			continue
		}
		n++
		for k, i := range at {
			datum.Append(b.Field(k), s.def.Columns[i].Type, r.values[i])
		}
	}
	if len(fields) == 0 { // the builder does not count rows without columns
		return array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, n)
	}
	return b.NewRecordBatch()
}

func (s *fakeSplit) Aggregate(context.Context, *chunk.Room, []chunk.Aggregate, *chunk.ScanStats) ([]chunk.Partial, bool, error) {
	return nil, false, nil
}

type oneBatch struct{ b arrow.RecordBatch }

func (o *oneBatch) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if o.b == nil {
		return nil, io.EOF
	}
	b := o.b
	o.b = nil
	return b, ctx.Err()
}

func (o *oneBatch) Close() error {
	if o.b != nil {
		o.b.Release()
		o.b = nil
	}
	return nil
}
