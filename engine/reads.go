package engine

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// readKeys are keys that a transaction looked up, and up to which row version it
// saw them. In tables where plain inserts replace rows these do not lock their
// keys, so that a transaction that builds on what it read (ON CONFLICT) has to
// see, at its commit, that nobody replaced it.
type readKeys struct {
	in    *tableInfo
	group keyGroup // with keys of its own
	// generations are how many of the table were looked in.
	generations int
	clock       int64
	min         []byte // of the encoded keys
	max         []byte
}

// maxReadRows bounds the keys that a transaction remembers.
const maxReadRows = 1 << 20

// noteReads remembers what was looked up, where that is needed.
func (t *Txn) noteReads(in *tableInfo, f *finding) error {
	if in.def.OnDuplicate != schema.DuplicateReplace {
		return nil // all writers lock their keys
	}
	for _, g := range f.groups {
		t.work.readRows += len(g.rows)
		if t.work.readRows > maxReadRows {
			return pgerr.New(pgerr.ProgramLimitExceeded, "ON CONFLICT, UPDATE and DELETE look up more than %d rows of table %q in one transaction", maxReadRows, in.name()).
				WithHint("Change fewer rows at a time.")
		}
		g.keys.Retain()
		r := readKeys{in: in, group: g, generations: f.generations, clock: f.clock}
		for _, k := range in.encodeKeys(g.keys.Columns(), int(g.keys.NumRows())) {
			if r.min == nil || bytes.Compare(k, r.min) < 0 {
				r.min = k
			}
			if r.max == nil || bytes.Compare(k, r.max) > 0 {
				r.max = k
			}
		}
		t.work.reads = append(t.work.reads, r)
	}
	return nil
}

// checkReads says whether what the transaction looked up is unchanged in s and by
// the transactions that commit just before it. The committer calls it when
// nothing else can come in between.
func (t *Txn) checkReads(s *state, before []*commitRequest) error {
	looked := map[datum.OID]int{} // in how many generations, by storage
	for i := range t.work.reads {
		r := &t.work.reads[i]
		changed, err := r.changedIn(s)
		if err != nil {
			return err
		}
		storage := r.group.id.Table
		if n, ok := looked[storage]; !ok || r.generations < n {
			looked[storage] = r.generations
			changed = changed || slices.ContainsFunc(before, func(o *commitRequest) bool { return o.wroteBeyond(storage, r.generations) })
		}
		if changed || slices.ContainsFunc(before, r.changedBy) {
			return r.conflict()
		}
	}
	return nil
}

func (r *readKeys) conflict() error {
	return pgerr.New(pgerr.SerializationFailure, "could not serialize access due to concurrent update of table %q", r.in.name()).
		WithHint("Try the transaction again.")
}

// settleReads looks for the keys in the chunks that came since they were looked up, whose
// ranges of keys and versions alone would make checkReads, which reads no chunk, refuse the
// transaction. What comes after it is little.
func (t *Txn) settleReads(ctx context.Context) error {
	for i := range t.work.reads {
		r := &t.work.reads[i]
		s := t.db.current.Load()
		changed, err := r.changedIn(s)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		newest, err := t.newestOf(ctx, r, s)
		if err != nil {
			return err
		}
		if newest > r.clock {
			return r.conflict()
		}
		r.clock = s.upTo
	}
	return nil
}

// newestOf returns the greatest row version that one of the keys has in a state.
func (t *Txn) newestOf(ctx context.Context, r *readKeys, s *state) (int64, error) {
	st := s.storages[r.group.id.Table]
	in := r.in.knowing(st.info)
	if in.count() > r.generations {
		return math.MaxInt64, nil // they may lie where nobody looked
	}
	p := st.part(r.group.id.Key)
	if p == nil {
		return neverWritten, nil
	}
	g := r.group
	n := int(g.keys.NumRows())
	f := &finding{at: make([]foundRow, n)}
	g.rows = make([]int32, n)
	for i := range n {
		g.rows[i] = int32(i)
		f.at[i] = foundRow{source: -1, version: neverWritten}
	}
	encoded := in.encodeKeys(g.keys.Columns(), n)
	listed, err := entries(p.manifest.ChunksIn(ctx, g.chunkRange(encoded)))
	if err != nil {
		return 0, in.unread(err)
	}
	listed = slices.DeleteFunc(listed, func(e *chunk.Entry) bool { return !r.newer(e) })
	deltas, err := conformed(t.db.mem, p.deltas(), st.info.layout, in.layout)
	if err != nil {
		return 0, err
	}
	if err := t.findIn(ctx, in, f, &g, encoded, listed, deltas...); err != nil {
		return 0, err
	}
	newest := int64(neverWritten)
	for _, at := range f.at {
		newest = max(newest, at.version)
	}
	return newest, nil
}

// changedIn says whether s has a row of one of the keys that is newer than the
// look-up. For chunks it may say so without need. Of the manifest only what was
// flushed since is looked at, which is in memory more often than not.
func (r *readKeys) changedIn(s *state) (bool, error) {
	st := s.storages[r.group.id.Table]
	if st == nil || s.clock <= r.clock {
		return false, nil
	}
	if st.info.count() > r.generations {
		return true, nil // they may lie where nobody looked
	}
	p := st.part(r.group.id.Key)
	if p == nil {
		return false, nil
	}
	in := commitlog.ChunkRange{Slice: r.group.slice, KeyMin: r.min, KeyMax: r.max, Newer: uint64(r.clock)}
	for e, err := range p.manifest.ChunksIn(context.Background(), in) {
		if err != nil {
			return false, r.in.unread(err)
		}
		if r.newer(e) {
			return true, nil
		}
	}
	return slices.ContainsFunc(p.deltas(), func(d *delta) bool { return r.inDelta(st.info, d) }), nil
}

// changedBy says whether a transaction wrote one of the keys.
func (r *readKeys) changedBy(other *commitRequest) bool {
	p := other.parts[r.group.id]
	return p != nil && slices.ContainsFunc(p.deltas, func(d *delta) bool { return r.inDelta(p.info, d) })
}

// wroteBeyond says whether a transaction wrote to other generations of a table than the
// first ones.
func (r *commitRequest) wroteBeyond(storage datum.OID, generations int) bool {
	for id := range r.parts {
		if g, _ := schema.SplitPartitionKey(id.Key); id.Table == storage && g >= generations {
			return true
		}
	}
	return false
}

func (r *readKeys) newer(e *chunk.Entry) bool {
	return !e.History() && e.Slice == r.group.slice && e.VersionMax > uint64(r.clock) &&
		bytes.Compare(e.KeyMin, r.max) <= 0 && bytes.Compare(e.KeyMax, r.min) >= 0
}

func (r *readKeys) inDelta(in *tableInfo, d *delta) bool {
	if d == nil {
		return false
	}
	if slices.ContainsFunc(d.staged, r.newer) {
		return true
	}
	for _, run := range d.slice(r.group.slice).Runs() {
		versions := run.Column(int(run.NumCols()) - 1).(*array.Int64)
		for _, row := range chunk.LookupRun(in.layout, run, r.group.keys) {
			if row >= 0 && versions.Value(int(row)) > r.clock {
				return true
			}
		}
	}
	return false
}
