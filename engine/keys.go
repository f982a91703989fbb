package engine

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// keyColumns returns the primary key's columns of a batch of live columns.
func (in *tableInfo) keyColumns(batch arrow.RecordBatch) []arrow.Array {
	cols := make([]arrow.Array, len(in.key))
	for i, at := range in.key {
		cols[i] = batch.Column(at)
	}
	return cols
}

// encodeKeys returns the encoded primary key of each row.
func (in *tableInfo) encodeKeys(cols []arrow.Array, rows int) [][]byte {
	out := make([][]byte, rows)
	buf := make([]byte, 0, 24*rows)
	for row := range rows {
		from := len(buf)
		for i, at := range in.key {
			buf = datum.AppendKey(buf, in.layout.Columns[at].Type, cols[i], row, datum.KeyOrder{})
		}
		out[row] = buf[from:len(buf):len(buf)]
	}
	return out
}

// unique keeps a batch's keys unique: it locks them and sees which exist. A row
// whose key does is an error (InsertError) or left out (InsertIgnore), also if
// the other row is earlier in the batch. kept are the rows to insert, nil: all.
func (t *Txn) unique(ctx context.Context, in *tableInfo, batch arrow.RecordBatch, mode chunk.InsertMode) (kept []int32, err error) {
	cols := in.keyColumns(batch)
	n := int(batch.NumRows())
	keys := in.encodeKeys(cols, n)
	seen := make(map[string]struct{}, n)
	fresh := make([]int32, 0, n)
	for row, k := range keys {
		if _, again := seen[string(k)]; again {
			if mode == chunk.InsertError {
				return nil, in.duplicateKey(cols, row, pgerr.UniqueViolation, "Key (%s)=(%s) already exists.", t.catalog)
			}
			continue
		}
		seen[string(k)] = struct{}{}
		fresh = append(fresh, int32(row))
	}
	if err := t.owner.Keys(ctx, in.def.OID, keys, lock.Key); err != nil {
		return nil, err
	}
	if err := t.claim(ctx, in.def.OID); err != nil {
		return nil, err
	}
	found, err := t.find(ctx, in, cols, keys, false)
	if err != nil {
		return nil, err
	}
	defer found.release()
	if mode != chunk.InsertError { // which says 23505, as in PostgreSQL
		if err := t.checkFixed(found); err != nil {
			return nil, err
		}
	}
	kept = fresh[:0]
	for _, row := range fresh {
		switch at := found.at[row]; {
		case at.source < 0:
			kept = append(kept, row)
		case mode == chunk.InsertError:
			return nil, in.duplicateKey(cols, int(row), pgerr.UniqueViolation, "Key (%s)=(%s) already exists.", t.catalog)
		}
	}
	if err := t.noteReads(in, found); err != nil {
		return nil, err
	}
	if len(kept) == n {
		return nil, nil
	}
	return kept, nil
}

// Lookup locks the primary keys in keys (columns in key order) until the
// transaction ends and returns the rows that exist, all live columns, with for
// each key the index of its row or -1, as for a key with a NULL.
func (t *Txn) Lookup(ctx context.Context, table datum.OID, keys arrow.RecordBatch) (arrow.RecordBatch, []int32, error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	in, err := t.lockRows(ctx, table)
	if err != nil {
		return nil, nil, err
	}
	if !in.keyed() || int(keys.NumCols()) != len(in.key) {
		return nil, nil, pgerr.New(pgerr.InternalError, "engine: look-up of %d columns in table %s", keys.NumCols(), in.name())
	}
	encoded := in.encodeKeys(keys.Columns(), int(keys.NumRows()))
	if err := t.owner.Keys(ctx, table, encoded, lock.Key|lock.ForNoKeyUpdate); err != nil {
		return nil, nil, err
	}
	if err := t.claim(ctx, in.def.OID); err != nil {
		return nil, nil, err
	}
	found, err := t.find(ctx, in, keys.Columns(), encoded, true)
	if err != nil {
		return nil, nil, err
	}
	defer found.release()
	if err := t.checkFixed(found); err != nil {
		return nil, nil, err
	}
	if err := t.noteReads(in, found); err != nil {
		return nil, nil, err
	}
	return found.rows(t, in)
}

// finding is the result of find.
type finding struct {
	whole   bool                // the rows are wanted, not only whether they exist
	sources []arrow.RecordBatch // live columns and the version; none unless whole
	at      []foundRow          // by key
	groups  []keyGroup
	clock   int64 // upTo of the state that was looked at
	// generations are how many of the table were looked in.
	generations int
}

// foundRow is a row of one of the sources; source is -1 if the key has none, and
// means nothing else if the rows are not wanted.
type foundRow struct {
	source  int
	row     int32
	version int64 // neverWritten if there is no row and was none
	gone    bool  // it is a mark: there is no row
}

// neverWritten is below all row versions.
const neverWritten = math.MinInt64

// keyGroup are the keys that lie, if they do, in one slice of a partition: in a table with
// several generations each key is in a group of each.
type keyGroup struct {
	id    chunk.PartitionID
	slice int64
	rows  []int32           // among the keys
	keys  arrow.RecordBatch // the key's columns
}

// chunkRange says which chunks may have one of the group's keys, given all.
func (g *keyGroup) chunkRange(encoded [][]byte) commitlog.ChunkRange {
	compare := func(a, b int32) int { return bytes.Compare(encoded[a], encoded[b]) }
	return commitlog.ChunkRange{Slice: g.slice, KeyMin: encoded[slices.MinFunc(g.rows, compare)], KeyMax: encoded[slices.MaxFunc(g.rows, compare)]}
}

func (f *finding) release() {
	for _, s := range f.sources {
		s.Release()
	}
	for _, g := range f.groups {
		g.keys.Release()
	}
}

// rows makes one batch of the rows found.
func (f *finding) rows(t *Txn, in *tableInfo) (arrow.RecordBatch, []int32, error) {
	at := make([]int32, len(f.at))
	take := make([][]int32, len(f.sources))
	for i, r := range f.at {
		at[i] = -1
		if r.source >= 0 {
			at[i] = int32(len(take[r.source]))
			take[r.source] = append(take[r.source], r.row)
		}
	}
	var parts []arrow.RecordBatch
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	start := make([]int32, len(f.sources))
	total := int32(0)
	for i, rows := range take {
		start[i] = total
		if len(rows) == 0 {
			continue
		}
		live := in.liveBatch(f.sources[i])
		p, err := in.take(t.db.mem, live, rows)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
		total += int32(len(rows))
	}
	for i, r := range f.at {
		if r.source >= 0 {
			at[i] += start[r.source]
		}
	}
	out, err := in.concatenate(t, parts)
	return out, at, err
}

func (in *tableInfo) concatenate(t *Txn, parts []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(parts) == 0 {
		b := array.NewRecordBuilder(t.db.mem, in.schema)
		defer b.Release()
		return b.NewRecordBatch(), nil
	}
	if len(parts) == 1 {
		parts[0].Retain()
		return parts[0], nil
	}
	cols := make([]arrow.Array, 0, len(in.live))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	rows := int64(0)
	for _, p := range parts {
		rows += p.NumRows()
	}
	for i := range in.live {
		pieces := make([]arrow.Array, len(parts))
		for j, p := range parts {
			pieces[j] = p.Column(i)
		}
		c, err := array.Concatenate(pieces, t.db.mem)
		if err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(in.schema, cols, rows), nil
}

// find looks for the newest row of each key: in what the transaction did so
// far, and in what is committed now, which may be newer than the snapshot. The
// keys are locked, so that nobody who also locks them changes them.
func (t *Txn) find(ctx context.Context, in *tableInfo, cols []arrow.Array, encoded [][]byte, whole bool) (*finding, error) {
	return t.findAt(ctx, t.db.current.Load(), in, cols, encoded, whole)
}

// findAt is find for what is committed in a state, which may have more generations of the
// table than its definition here.
func (t *Txn) findAt(ctx context.Context, now *state, in *tableInfo, cols []arrow.Array, encoded [][]byte, whole bool) (_ *finding, err error) {
	f := &finding{whole: whole, at: make([]foundRow, len(encoded)), clock: now.upTo}
	for i := range f.at {
		f.at[i] = foundRow{source: -1, version: neverWritten}
	}
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	st := now.storages[in.def.Storage]
	if st != nil {
		in = in.knowing(st.info)
	}
	f.generations = in.count()
	if f.groups, err = t.keyGroups(ctx, in, cols, len(encoded)); err != nil {
		return nil, err
	}
	for i := range f.groups {
		g := &f.groups[i]
		if st != nil {
			if p := st.part(g.id.Key); p != nil {
				listed, err := entries(p.manifest.ChunksIn(ctx, g.chunkRange(encoded)))
				if err != nil {
					return nil, in.unread(err)
				}
				listed = slices.DeleteFunc(listed, (*chunk.Entry).History)
				deltas, err := conformed(t.db.mem, p.deltas(), st.info.layout, in.layout)
				if err != nil {
					return nil, err
				}
				if err := t.findIn(ctx, in, f, g, encoded, listed, deltas...); err != nil {
					return nil, err
				}
			}
		}
		if own := t.work.parts[g.id]; own != nil {
			deltas, err := conformed(t.db.mem, own.deltas, own.info.layout, in.layout)
			if err != nil {
				return nil, err
			}
			if err := t.findIn(ctx, in, f, g, encoded, nil, deltas...); err != nil {
				return nil, err
			}
		}
	}
	for i := range f.at {
		if f.at[i].gone {
			f.at[i].source = -1
		}
	}
	return f, nil
}

// newer says whether a row, or its mark, was committed after a state.
func (r *foundRow) newer(s *state) bool { return r.version > s.upTo && !r.own() }

// own says whether the transaction itself wrote the row, or its mark.
func (r *foundRow) own() bool { return r.version >= int64(ownStagedVersion) }

// checkFixed fails if a row that was found is newer than the snapshot of a
// REPEATABLE READ transaction.
func (t *Txn) checkFixed(f *finding) error {
	if !t.opt.RepeatableRead {
		return nil
	}
	for _, r := range f.at {
		if r.source >= 0 && r.newer(t.snap) {
			return pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update")
		}
	}
	return nil
}

// keyGroups divides keys by partition and slice. Those with a NULL, which no row
// has, are left out.
func (t *Txn) keyGroups(ctx context.Context, in *tableInfo, cols []arrow.Array, n int) ([]keyGroup, error) {
	// Routing looks at columns by their places in rows.
	all := make([]arrow.Array, len(in.live))
	for i := range all {
		if k := in.keyPlace(i); k >= 0 {
			cols[k].Retain()
			all[i] = cols[k]
		} else {
			all[i] = datum.NewArray(t.db.mem, in.types[i], nil, n)
		}
	}
	rows := array.NewRecordBatch(in.schema, all, int64(n))
	defer rows.Release()
	for _, a := range all {
		a.Release()
	}
	hasNull := func(row int32) bool {
		return slices.ContainsFunc(cols, func(c arrow.Array) bool { return c.IsNull(int(row)) })
	}
	var out []keyGroup
	add := func(in *tableInfo) error {
		groups, err := in.groups(ctx, t.db.mem, rows)
		if err != nil {
			return err
		}
		for _, g := range groups {
			g.rows = slices.DeleteFunc(g.rows, hasNull)
			if len(g.rows) == 0 {
				continue
			}
			for slice, at := range in.sliceGroups(rows, g.rows) {
				keys, err := in.takeKeys(t, cols, at)
				if err != nil {
					return err
				}
				out = append(out, keyGroup{id: g.id, slice: slice, rows: at, keys: keys})
			}
		}
		return nil
	}
	for _, of := range in.all() {
		if err := add(of); err != nil {
			for _, k := range out {
				k.keys.Release()
			}
			return nil, err
		}
	}
	return out, nil
}

// sliceGroups divides rows of a batch of live columns by slice.
func (in *tableInfo) sliceGroups(batch arrow.RecordBatch, rows []int32) map[int64][]int32 {
	if in.layout.Slice == 0 || in.timeAt < 0 {
		return map[int64][]int32{0: rows}
	}
	out := map[int64][]int32{}
	times := batch.Column(in.timeAt).(*array.Timestamp)
	for _, row := range rows {
		s := chunk.SliceOf(in.layout.Slice, datum.Micros(times.Value(int(row))), times.IsNull(int(row)))
		out[s] = append(out[s], row)
	}
	return out
}

func (in *tableInfo) takeKeys(t *Txn, cols []arrow.Array, rows []int32) (arrow.RecordBatch, error) {
	out := make([]arrow.Array, 0, len(cols))
	defer func() {
		for _, c := range out {
			c.Release()
		}
	}()
	fields := make([]arrow.Field, len(cols))
	for i, at := range in.key {
		c := in.layout.Columns[at]
		fields[i] = datum.Field(c.Name, c.Type)
		a, err := chunk.Take(t.db.mem, c.Type, cols[i], rows)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), out, int64(len(rows))), nil
}
