package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Scan plans the reading of a table: its splits, in the order of partitions,
// slices and sort keys, and what was pruned so far.
func (t *Txn) Scan(ctx context.Context, table datum.OID, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error) {
	return t.Statement().Scan(ctx, table, spec)
}

func (s *Statement) scan(ctx context.Context, in *tableInfo, spec chunk.ScanSpec) ([]chunk.Split, chunk.ScanStats, error) {
	p := &scanPlan{db: s.txn.db, in: in, spec: spec, asOf: s.asOf}
	if err := p.prepare(ctx); err != nil {
		return nil, p.stats, err
	}
	parts, err := s.partsOf(in)
	if err != nil {
		return nil, p.stats, err
	}
	for _, part := range parts {
		if err := ctx.Err(); err != nil {
			return nil, p.stats, context.Cause(ctx)
		}
		if err := p.partition(ctx, part); err != nil {
			return nil, p.stats, err
		}
	}
	if spec.Descending {
		slices.Reverse(p.splits)
	}
	return p.splits, p.stats, nil
}

// scanPart is what a transaction sees of one partition.
type scanPart struct {
	id       chunk.PartitionID
	manifest *commitlog.Manifest // nil if it has none
	deltas   []*delta            // from old to new
}

// partsOf returns the partitions of a table by rising key.
func (s *Statement) partsOf(in *tableInfo) ([]scanPart, error) {
	mem := s.txn.db.mem
	var out []scanPart
	if st := s.snap.storages[in.def.Storage]; st != nil {
		for _, p := range st.parts {
			deltas, err := conformed(mem, p.deltas(), st.info.layout, in.layout)
			if err != nil {
				return nil, err
			}
			out = append(out, scanPart{id: p.part.id, manifest: p.manifest, deltas: deltas})
		}
	}
	for id, own := range s.own {
		if id.Table != in.def.Storage || own.empty() {
			continue
		}
		at, found := slices.BinarySearchFunc(out, id.Key, func(s scanPart, k string) int { return bytes.Compare([]byte(s.id.Key), []byte(k)) })
		if !found {
			out = slices.Insert(out, at, scanPart{id: id})
		}
		deltas, err := conformed(mem, own.deltas, own.info.layout, in.layout)
		if err != nil {
			return nil, err
		}
		out[at].deltas = append(out[at].deltas, deltas...)
	}
	return out, nil
}

// scanPlan is a scan being planned.
type scanPlan struct {
	db     *DB
	in     *tableInfo
	spec   chunk.ScanSpec
	asOf   time.Time
	stats  chunk.ScanStats
	splits []chunk.Split

	partitions partitionFilter
	times      sliceFilter
	keyFilter  []chunk.Predicate // those of the filter that are on key columns
}

func (p *scanPlan) prepare(ctx context.Context) error {
	for _, pred := range p.spec.Filter {
		at := p.in.layout.Index(pred.Column)
		if at < 0 {
			return pgerr.New(pgerr.InternalError, "engine: filter on unknown column %d of table %s", pred.Column, p.in.name())
		}
		if p.in.keyPlace(at) >= 0 {
			p.keyFilter = append(p.keyFilter, pred)
		}
	}
	if !p.spec.Pruning.Slices {
		p.times = p.in.sliceFilter(p.spec.Filter)
	}
	if p.spec.Pruning.Partitions {
		return nil
	}
	var err error
	p.partitions, err = p.in.partitionFilter(ctx, p.db.mem, p.spec.Filter)
	return err
}

// sliceInputs are what a partition holds of one slice: chunks that its manifest
// lists, and from deltas staged chunks and runs, from old to new.
type sliceInputs struct {
	slice  int64
	listed commitlog.SliceInfo
	staged []*chunk.Entry
	runs   []arrow.RecordBatch
}

func (s *sliceInputs) rows() int64 {
	n := s.listed.Rows
	for _, e := range s.staged {
		n += int64(e.Rows)
	}
	for _, r := range s.runs {
		n += r.NumRows()
	}
	return n
}

func (s *sliceInputs) bytes() int64 {
	n := s.listed.Bytes
	for _, e := range s.staged {
		for i := range e.Columns {
			n += e.Columns[i].Size
		}
	}
	return n
}

// partition plans the reading of one partition.
func (p *scanPlan) partition(ctx context.Context, part scanPart) error {
	inputs := part.bySlice()
	total := int64(0)
	for i := range inputs {
		total += inputs[i].rows()
		p.stats.BytesTotal += inputs[i].bytes()
		p.stats.ChunksTotal += int64(inputs[i].listed.Chunks + len(inputs[i].staged))
	}
	p.stats.RowsTotal += total
	p.stats.PartitionsTotal++
	p.stats.SlicesTotal += int64(len(inputs))
	if !p.partitions.mayHold(part.id.Key) {
		p.stats.PartitionsSkipped++
		p.stats.RowsSkippedPartitions += total
		return nil
	}
	for i := range inputs {
		if p.in.outdated(inputs[i].slice, p.asOf) || !p.times.mayHold(inputs[i].slice) {
			p.stats.SlicesSkipped++
			p.stats.RowsSkippedSlices += inputs[i].rows()
			continue
		}
		if err := p.slice(ctx, part, &inputs[i]); err != nil {
			return err
		}
	}
	return nil
}

// bySlice divides a partition's content by slice, in rising order.
func (part *scanPart) bySlice() []sliceInputs {
	var out []sliceInputs
	if part.manifest != nil {
		for info := range part.manifest.Slices() {
			out = append(out, sliceInputs{slice: info.Slice, listed: info})
		}
	}
	at := func(slice int64) *sliceInputs {
		i, found := slices.BinarySearchFunc(out, slice, func(s sliceInputs, k int64) int { return cmp.Compare(s.slice, k) })
		if !found {
			out = slices.Insert(out, i, sliceInputs{slice: slice})
		}
		return &out[i]
	}
	for _, d := range part.deltas {
		for _, e := range d.staged {
			s := at(e.Slice)
			s.staged = append(s.staged, e)
		}
		for _, sl := range d.slices {
			s := at(sl.slice)
			s.runs = append(s.runs, sl.rows.Runs()...)
		}
	}
	return out
}

// slice plans the reading of one slice. Only here entries of the manifest are read.
func (p *scanPlan) slice(ctx context.Context, part scanPart, s *sliceInputs) error {
	chunks := s.staged
	if s.listed.Chunks > 0 {
		listed, err := entries(part.manifest.ChunksOf(ctx, s.slice))
		if err != nil {
			return p.in.unread(err)
		}
		chunks = append(listed, s.staged...)
	}
	spec := p.spec
	if p.in.marked(chunks, s.runs) {
		if !p.in.keyed() {
			return p.markedSlice(part.id, chunks, s.runs)
		}
		spec.Filter = append(slices.Clip(spec.Filter), chunk.IsMark(false)) // asked of the newest version
	}
	if p.in.keyed() && len(chunks)+len(s.runs) > 1 {
		return p.keyedSlice(part.id, spec, chunks, s.runs)
	}
	for _, e := range chunks {
		if err := p.chunk(part.id, spec, e); err != nil {
			return err
		}
	}
	for _, r := range s.runs {
		p.splits = append(p.splits, chunk.NewBatchSplit(r, p.in.layout, spec))
	}
	return nil
}

// entries collects what a walk over a manifest yields.
func entries(walk iter.Seq2[*chunk.Entry, error]) ([]*chunk.Entry, error) {
	var out []*chunk.Entry
	for e, err := range walk {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// unread says which table is hurt by a manifest that could not be read.
func (in *tableInfo) unread(err error) error { return fmt.Errorf("table %q: %w", in.name(), err) }

// chunk plans the reading of a chunk that nothing overlaps.
func (p *scanPlan) chunk(id chunk.PartitionID, spec chunk.ScanSpec, e *chunk.Entry) error {
	may, err := p.mayMatch(e, spec.Filter)
	if err != nil || !may {
		return err
	}
	p.splits = append(p.splits, chunk.NewSplit(e, p.in.layout, spec, p.db.fetch(id, p.in, e)))
	return nil
}

// mayMatch judges a chunk by its entry, and counts it if it is skipped.
func (p *scanPlan) mayMatch(e *chunk.Entry, filter []chunk.Predicate) (bool, error) {
	if p.spec.Pruning.Chunks {
		return true, nil
	}
	may, err := p.in.layout.MayMatch(e, filter)
	if err == nil && !may {
		p.stats.ChunksSkipped++
		p.stats.RowsSkippedChunks += int64(e.Rows)
	}
	return may, err
}

// keyedInput is a chunk or a run with the range of its keys.
type keyedInput struct {
	min, max []byte
	rank     int
	entry    *chunk.Entry
	run      arrow.RecordBatch
}

// keyedSlice plans the reading of a slice whose chunks and runs may hold several
// versions of a row: those whose key ranges overlap are merged. Before the merge
// only predicates on the key may leave anything out, or an old version that
// passes would come back in place of a newer one that does not.
func (p *scanPlan) keyedSlice(id chunk.PartitionID, spec chunk.ScanSpec, chunks []*chunk.Entry, runs []arrow.RecordBatch) error {
	var inputs []keyedInput
	for i, e := range chunks {
		may, err := p.mayMatch(e, p.keyFilter)
		if err != nil {
			return err
		}
		if may {
			inputs = append(inputs, keyedInput{e.KeyMin, e.KeyMax, i, e, nil})
		}
	}
	for i, r := range runs {
		first := p.in.layout.AppendSortKey(nil, r, 0)
		last := p.in.layout.AppendSortKey(nil, r, int(r.NumRows())-1)
		inputs = append(inputs, keyedInput{first, last, len(chunks) + i, nil, r})
	}
	for overlapping := range overlaps(inputs) {
		if err := p.overlap(id, spec, overlapping); err != nil {
			return err
		}
	}
	return nil
}

// overlaps sorts inputs by their keys, and yields by rising keys those whose ranges
// hang together.
func overlaps(inputs []keyedInput) iter.Seq[[]keyedInput] {
	slices.SortStableFunc(inputs, func(a, b keyedInput) int { return bytes.Compare(a.min, b.min) })
	return func(yield func([]keyedInput) bool) {
		for len(inputs) > 0 {
			n, reach := 1, inputs[0].max
			for n < len(inputs) && bytes.Compare(inputs[n].min, reach) <= 0 {
				if bytes.Compare(inputs[n].max, reach) > 0 {
					reach = inputs[n].max
				}
				n++
			}
			if !yield(inputs[:n]) {
				return
			}
			inputs = inputs[n:]
		}
	}
}

// overlap plans the reading of inputs whose key ranges overlap.
func (p *scanPlan) overlap(id chunk.PartitionID, spec chunk.ScanSpec, inputs []keyedInput) error {
	if len(inputs) == 1 {
		if in := inputs[0]; in.entry != nil {
			return p.chunk(id, spec, in.entry)
		}
		p.splits = append(p.splits, chunk.NewBatchSplit(inputs[0].run, p.in.layout, spec))
		return nil
	}
	merge := make([]chunk.MergeInput, len(inputs))
	for i, in := range inputs {
		merge[i] = chunk.MergeInput{Entry: in.entry, Batch: in.run, Rank: in.rank}
		if in.entry != nil {
			merge[i].Fetch = p.db.fetch(id, p.in, in.entry)
		}
	}
	p.splits = append(p.splits, chunk.NewMergeSplit(merge, p.in.layout, spec))
	return nil
}

// fetch reads a chunk's blobs from the store; errors say which table is hurt.
func (db *DB) fetch(id chunk.PartitionID, in *tableInfo, e *chunk.Entry) chunk.Fetch {
	return func(ctx context.Context, column int) ([]byte, bool, error) {
		blob, checked, err := db.store.Column(ctx, id, e, column)
		if err == nil {
			return blob, checked, nil
		}
		if errors.Is(err, store.ErrNotFound) {
			freed, ferr := db.freed(ctx, id, e.ID)
			if ferr != nil {
				return nil, false, in.unread(ferr)
			}
			if freed {
				return nil, false, pgerr.New(pgerr.SnapshotTooOld, "snapshot too old").
					WithDetail("Chunk %v of table %q was removed more than %v ago.", e.ID, in.name(), db.opt.SnapshotLifetime)
			}
			return nil, false, in.corrupt(id, e, err)
		}
		if errors.Is(err, chunk.ErrCorrupt) {
			return nil, false, in.corrupt(id, e, err)
		}
		return nil, false, err
	}
}

func (in *tableInfo) corrupt(id chunk.PartitionID, e *chunk.Entry, err error) error {
	c := pgerr.New(pgerr.DataCorrupted, "table %q, partition %x, chunk %v: %v", in.name(), id.Key, e.ID, err).
		WithHint("Other chunks can be read; see phyllo inspect --verify.")
	c.Table, c.Cause = in.name(), err
	return c
}

// freed says whether a chunk that cannot be found was removed since.
func (db *DB) freed(ctx context.Context, id chunk.PartitionID, c chunk.ID) (bool, error) {
	st := db.current.Load().storages[id.Table]
	if st == nil || st.part(id.Key) == nil {
		return true, nil
	}
	p := st.part(id.Key)
	e, err := p.manifest.Chunk(ctx, c)
	if e != nil && err == nil && db.cluster != nil { // another node may have compacted it longer ago than we looked
		if _, err = p.part.log.Refresh(ctx); err == nil {
			e, err = p.part.log.Manifest().Chunk(ctx, c)
		}
		if e == nil && err == nil {
			err = db.cluster.follower.once(ctx, p.part) // so that the next statement knows
		}
	}
	if e != nil || err != nil {
		return false, err
	}
	staged := func(d *delta) bool {
		return slices.ContainsFunc(d.staged, func(e *chunk.Entry) bool { return e.ID == c })
	}
	return !slices.ContainsFunc(p.deltas(), staged), nil
}
