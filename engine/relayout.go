package engine

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// When a table's columns change, chunks stay as they are: they name their columns,
// and readers put in what is missing. Rows in memory are made anew, which mostly
// shares the columns that stay.

// sameColumns says whether runs of one layout are runs of another.
func sameColumns(a, b *chunk.Layout) bool {
	return a == b || slices.EqualFunc(a.Columns, b.Columns, func(x, y chunk.Column) bool { return x.ID == y.ID && x.Type == y.Type })
}

// columnIDs are those of a layout's runs.
func columnIDs(l *chunk.Layout) []schema.ColumnID {
	ids := make([]schema.ColumnID, len(l.Columns))
	for i := range ids {
		ids[i] = l.Columns[i].ID
	}
	return ids
}

// conformed returns a delta, whose runs are of one layout, with runs of another.
func (d *delta) conformed(mem memory.Allocator, from, to *chunk.Layout) (*delta, error) {
	if d == nil || len(d.slices) == 0 || sameColumns(from, to) {
		return d, nil
	}
	ids := columnIDs(from)
	conformer := ingest.NewConformer(to)
	out := *d
	out.slices = make([]deltaSlice, len(d.slices))
	for i, s := range d.slices {
		out.slices[i].slice = s.slice
		for _, run := range s.rows.Runs() {
			next, err := conformer.Conform(mem, ids, run, 0)
			if err != nil {
				return nil, err
			}
			out.slices[i].rows, err = out.slices[i].rows.Add(mem, to, next)
			next.Release()
			if err != nil {
				return nil, err
			}
		}
	}
	return &out, nil
}

// conformed is delta.conformed for several.
func conformed(mem memory.Allocator, deltas []*delta, from, to *chunk.Layout) ([]*delta, error) {
	if sameColumns(from, to) {
		return deltas, nil
	}
	out := make([]*delta, len(deltas))
	for i, d := range deltas {
		var err error
		if out[i], err = d.conformed(mem, from, to); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// conformed returns what a transaction added under another definition of the table.
func (p *ownPart) conformed(mem memory.Allocator, in *tableInfo) (*ownPart, error) {
	if p == nil || p.info == nil || p.info == in {
		return p, nil
	}
	deltas, err := conformed(mem, p.deltas, p.info.layout, in.layout)
	if err != nil {
		return nil, err
	}
	return &ownPart{info: in, deltas: deltas}, nil
}

// relayout gives the rows in memory, of a state that follows another with other
// definitions, the columns that their tables have now. It returns by how many bytes
// what counts as buffered grew, and what counts as followed.
func (s *state) relayout(mem memory.Allocator, old *state) (buffered, followed int64) {
	own := map[datum.OID]bool{}
	for oid, st := range s.storages {
		before := old.storages[oid]
		if before == nil || sameColumns(before.info.layout, st.info.layout) {
			continue
		}
		st = s.storage(oid, own)
		for i, p := range st.parts {
			next, err := p.conformed(mem, before.info.layout, st.info.layout)
			if err != nil {
				panic(fmt.Sprintf("engine: rows of table %s under its new definition: %v", st.info.name(), err))
			}
			buffered += next.buffered() - p.buffered()
			followed += next.followedBytes() - p.followedBytes()
			st.parts[i] = next
		}
	}
	return buffered, followed
}

// relayout is state.relayout of a state that is being published.
func (db *DB) relayout(s, old *state) {
	buffered, followed := s.relayout(db.mem, old)
	db.buffered.Add(buffered)
	db.followed.Add(followed)
}

func (p *partState) conformed(mem memory.Allocator, from, to *chunk.Layout) (*partState, error) {
	next := *p
	var err error
	for _, d := range []**delta{&next.flushing, &next.pending, &next.journaled.delta} {
		if *d, err = (*d).conformed(mem, from, to); err != nil {
			return nil, err
		}
	}
	next.others = slices.Clone(p.others)
	for i := range next.others {
		f := &next.others[i]
		if f.delta, err = f.delta.conformed(mem, from, to); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// buffered are the bytes of this node's rows that are not in chunks.
func (p *partState) buffered() int64 {
	n := p.pending.bytes() + p.journaled.bytes()
	if p.flushing != nil {
		n += p.flushing.bytes()
	}
	return n
}

// followedBytes are those of other nodes.
func (p *partState) followedBytes() int64 {
	n := int64(0)
	for _, f := range p.others {
		n += f.bytes()
	}
	return n
}

// readable says whether what was written under one definition of a table can be read
// under another: columns come, go, and get types that hold all values of the old ones.
func readable(old, next *schema.Table) bool {
	for _, c := range old.Columns {
		n := next.Column(c.ID)
		if n == nil || n.Type.OID != 0 && c.Type.OID == 0 || n.Type.OID != 0 && !widens(c.Type, n.Type) {
			return false
		}
	}
	return slices.Equal(old.PrimaryKey, next.PrimaryKey) && old.PartitionKind == next.PartitionKind &&
		slices.Equal(old.PartitionColumns, next.PartitionColumns) && slices.Equal(old.PartitionExprs, next.PartitionExprs) &&
		old.TimeColumn == next.TimeColumn && !dropsUsed(next)
}

// stricter returns the columns that might have been NULL and may not be any more.
func stricter(old, next *schema.Table) (out []schema.ColumnID) {
	for _, c := range next.Columns {
		was := old.Column(c.ID)
		if c.NotNull && (was == nil && c.Missing == nil || was != nil && !was.NotNull) {
			out = append(out, c.ID)
		}
	}
	return out
}

// widens says whether all values of one type are those of another, as they lie in
// memory and in chunks.
func widens(from, to datum.Type) bool {
	if from == to {
		return true
	}
	a, b := from.Arrow().ID(), to.Arrow().ID()
	switch {
	case from.OID == datum.BPChar || to.OID == datum.BPChar:
		return false
	case a == arrow.STRING && b == arrow.STRING:
		return isText(from.OID) && isText(to.OID)
	case from.OID == datum.Numeric && to.OID == datum.Numeric:
		return true // the caller sees to precision and scale
	case from.OID == to.OID:
		return true
	}
	return a == arrow.INT16 && (b == arrow.INT32 || b == arrow.INT64) || a == arrow.INT32 && b == arrow.INT64 || a == arrow.FLOAT32 && b == arrow.FLOAT64
}

func isText(oid datum.OID) bool { return oid == datum.Text || oid == datum.Varchar }

// dropsUsed says whether a column that rows are found by is gone.
func dropsUsed(t *schema.Table) bool {
	gone := func(id schema.ColumnID) bool { c := t.Column(id); return c == nil || c.Type.OID == 0 }
	return slices.ContainsFunc(t.PrimaryKey, gone) || slices.ContainsFunc(t.PartitionColumns, gone) || t.TimeColumn != 0 && gone(t.TimeColumn)
}
