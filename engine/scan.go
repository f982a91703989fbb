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
	if spec.AsOf != 0 {
		earlier, err := s.earlier(ctx, in, spec.AsOf)
		if err != nil {
			return nil, chunk.ScanStats{}, err
		}
		s = earlier
	}
	if st := s.snap.storages[in.def.Storage]; st != nil {
		in = in.knowing(st.info) // of which rows may be known that in is older than
	}
	p := &scanPlan{db: s.txn.db, in: in, spec: spec, asOf: s.asOf}
	var err error
	if p.layout, err = in.layout.WithPaths(spec.Paths); err != nil {
		return nil, p.stats, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, p.stats, err
	}
	parts, err := s.partsOf(in)
	if err != nil {
		return nil, p.stats, err
	}
	for _, region := range in.regions(parts) {
		if err := ctx.Err(); err != nil {
			return nil, p.stats, context.Cause(ctx)
		}
		if err := p.region(ctx, region); err != nil {
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
	layout *chunk.Layout // of the scan: the table's, and columns of paths
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
		at := p.layout.Index(pred.Column)
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
	part   *scanPart
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

// region plans the reading of partitions of different generations that may share keys,
// mostly of one partition.
func (p *scanPlan) region(ctx context.Context, parts []scanPart) error {
	if len(parts) > 1 {
		return p.several(ctx, parts)
	}
	for _, s := range p.wanted(&parts[0]) {
		if err := p.slices(ctx, []sliceInputs{s}); err != nil {
			return err
		}
	}
	return nil
}

// wanted returns what a partition holds of the slices that may have rows that pass.
func (p *scanPlan) wanted(part *scanPart) []sliceInputs {
	inputs, in := part.bySlice(), p.in.of(part.id.Key)
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
	return slices.DeleteFunc(inputs, func(s sliceInputs) bool {
		skip := in.outdated(s.slice, p.asOf) || !p.times.mayHold(in.layout.Slice, s.slice)
		if skip {
			p.stats.SlicesSkipped++
			p.stats.RowsSkippedSlices += s.rows()
		}
		return skip
	})
}

// bySlice divides a partition's content by slice, in rising order.
func (part *scanPart) bySlice() []sliceInputs {
	var out []sliceInputs
	if part.manifest != nil {
		for info := range part.manifest.Slices() {
			out = append(out, sliceInputs{part: part, slice: info.Slice, listed: info})
		}
	}
	at := func(slice int64) *sliceInputs {
		i, found := slices.BinarySearchFunc(out, slice, func(s sliceInputs, k int64) int { return cmp.Compare(s.slice, k) })
		if !found {
			out = slices.Insert(out, i, sliceInputs{part: part, slice: slice})
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

// A scanInput is a chunk or a run, with the partition that it is of.
type scanInput struct {
	id    chunk.PartitionID
	entry *chunk.Entry
	run   arrow.RecordBatch
}

// inputs adds the chunks and runs of a slice, from old to new. Only here entries of the
// manifest are read.
func (p *scanPlan) inputs(ctx context.Context, out []scanInput, s *sliceInputs) ([]scanInput, error) {
	id := s.part.id
	if s.listed.Chunks > 0 {
		for e, err := range s.part.manifest.ChunksOf(ctx, s.slice) {
			if err != nil {
				return nil, p.in.unread(err)
			}
			if p.asked(e) {
				out = append(out, scanInput{id: id, entry: e})
			}
		}
	}
	for _, e := range s.staged {
		out = append(out, scanInput{id: id, entry: e})
	}
	for _, r := range s.runs {
		out = append(out, scanInput{id: id, run: r})
	}
	return out, nil
}

// slices plans the reading of a slice, or of those of several generations that overlap.
func (p *scanPlan) slices(ctx context.Context, together []sliceInputs) error {
	var inputs []scanInput
	var err error
	for i := range together {
		if inputs, err = p.inputs(ctx, inputs, &together[i]); err != nil {
			return err
		}
	}
	spec := p.spec
	if slices.ContainsFunc(inputs, p.in.marked) {
		if !p.in.keyed() {
			return p.markedSlice(inputs)
		}
		spec.Filter = append(slices.Clip(spec.Filter), chunk.IsMark(false)) // asked of the newest version
	}
	if p.in.keyed() && (len(inputs) > 1 || p.in.versions()) {
		return p.keyedSlice(spec, inputs)
	}
	for _, in := range inputs {
		if err := p.alone(spec, in); err != nil {
			return err
		}
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

// alone plans the reading of a chunk, or a run, that nothing overlaps.
func (p *scanPlan) alone(spec chunk.ScanSpec, in scanInput) error {
	if in.entry == nil {
		p.splits = append(p.splits, chunk.NewBatchSplit(in.run, p.layout, spec))
		return nil
	}
	may, err := p.mayMatch(in.entry, spec.Filter)
	if err != nil || !may {
		return err
	}
	p.splits = append(p.splits, chunk.NewSplit(in.entry, p.layout, spec, p.fetch(in)))
	return nil
}

// fetch reads a chunk's blobs.
func (p *scanPlan) fetch(in scanInput) chunk.Fetch { return p.db.fetch(in.id, p.in, in.entry) }

// mayMatch judges a chunk by its entry, and counts it if it is skipped.
func (p *scanPlan) mayMatch(e *chunk.Entry, filter []chunk.Predicate) (bool, error) {
	if p.spec.Pruning.Chunks {
		return true, nil
	}
	may, err := p.layout.MayMatch(e, filter)
	if err == nil && !may {
		p.stats.ChunksSkipped++
		p.stats.RowsSkippedChunks += int64(e.Rows)
	}
	return may, err
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
