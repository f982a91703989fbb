package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
)

// errGone ends a compaction of a table that was dropped or truncated.
var errGone = errors.New("the table is gone")

// A replacement is a commit that removes chunks, and may add others.
type replacement struct {
	seen    uint64 // the log was at least there when it was made
	commit  *commitlog.Commit
	removed []*chunk.Entry
}

// errUnsettled is what commits wait for: an earlier one whose outcome is unknown.
var errUnsettled = errors.New("it is not known yet whether an earlier commit was made")

// replace makes a replacement's commit and shows what follows from it. The caller holds
// part.compacting. After an error that wraps commitlog.ErrUnknown the chunks that it adds
// have to stay, and part.doubtful is tried again before the next one.
func (db *DB) replace(ctx context.Context, part *partition, r *replacement) error {
	// Who gives up waiting does not leave behind what nobody knows the outcome of.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replaceWait)
	defer cancel()
	err := db.commitPublished(ctx, part, r.commit)
	switch {
	case errors.Is(err, commitlog.ErrUnknown):
		part.doubtful = r
	case err == nil || errors.Is(err, commitlog.ErrPrecondition) || errors.Is(err, errGone):
		part.doubtful = nil
	case part.doubtful == r: // it is as unknown as it was
		return fmt.Errorf("%w: %w", commitlog.ErrUnknown, err)
	}
	if err != nil {
		return err
	}
	if db.cluster != nil {
		return nil // what was removed is freed when it is old enough, by whoever compacts then
	}
	db.snapshots.remove(db.current.Load().number, db.opt.Now(), func() { db.freeRemoved(part, r.removed) })
	return nil
}

// replaceWait bounds how long a commit of a compaction is tried.
const replaceWait = 30 * time.Second

// commitPublished makes a commit that is no flush and publishes the manifest that it
// makes. In a cluster a round does so, as the log may have flushes of others whose rows
// are in our state too.
func (db *DB) commitPublished(ctx context.Context, part *partition, c *commitlog.Commit) error {
	if db.cluster != nil {
		if _, err := part.log.Commit(ctx, c); err != nil {
			return err
		}
		if err := db.cluster.follower.once(ctx, part); err != nil { // a later round will see it
			db.opt.Logger.Debug("a compaction is not in the state yet", slog.String("error", err.Error()))
		}
		return nil
	}
	// Of a flush that is on its way the manifest has to come with its delta's going.
	part.flush.Lock()
	defer part.flush.Unlock()
	if part.freed {
		return errGone
	}
	if part.unsettled != nil {
		if err := db.commitFlush(ctx, part, part.unsettled); err != nil {
			return fmt.Errorf("%w: %w", errUnsettled, err)
		}
	}
	m, err := part.log.Commit(ctx, c)
	if err != nil {
		return err
	}
	db.updatePart(part.id, func(_ *state, p *partState) { p.manifest = m })
	return nil
}

// settleDoubtful finds out what became of a replacement whose outcome is unknown. The
// caller holds part.compacting.
func (db *DB) settleDoubtful(ctx context.Context, part *partition) error {
	r := part.doubtful
	if r == nil {
		return nil
	}
	err := db.replace(ctx, part, r)
	switch {
	case errors.Is(err, commitlog.ErrPrecondition):
		db.deleteChunks(part.id, r.commit.Adds)
		return nil
	case errors.Is(err, commitlog.ErrUnknown) && part.log.Manifest().Seq() > r.seen+forgetAfter:
		part.doubtful = nil // the log forgot it; the sweep of the next start decides about its chunks
		return nil
	}
	return err
}

// A compactionJob merges chunks of one slice.
type compactionJob struct {
	db     *DB
	part   *partition
	in     *tableInfo
	slice  int64
	seq    uint64 // of the manifest that has the inputs
	choice choice
	inputs []*chunk.Entry // of the choice
	runs   []sortedRun    // of the inputs
	pace   *pace          // nil: as fast as it goes
	record *compactionRecord

	mem                    *meter
	replaced, pastReplaced uint64 // chunk.Entry.Replaced of what rows and past make
	together               []chunk.VersionRange
	rows, past             compactionOutput
	ready                  []*chunk.Sealed
	size                   int64 // of ready
	adds                   []*chunk.Entry
}

// A compactionOutput is rows on their way into chunks.
type compactionOutput struct {
	builder *chunk.Builder
	pending int64 // bytes in builder, about
	count   int64 // of rows that came
}

// run merges and commits. After an error nothing has changed, or if it wraps
// commitlog.ErrUnknown it is not known yet.
func (j *compactionJob) run(ctx context.Context) error {
	c, err := j.merge(ctx)
	if err == nil {
		err = j.db.replace(ctx, j.part, &replacement{commit: c, removed: j.inputs, seen: j.seq})
	}
	if err != nil {
		if !errors.Is(err, commitlog.ErrUnknown) {
			j.db.deleteChunks(j.part.id, j.adds)
		}
	}
	return err
}

// merge writes the merged chunks and returns the commit that is to be made.
func (j *compactionJob) merge(ctx context.Context) (*commitlog.Commit, error) {
	ctx = reading.With(ctx, reading.Options{Once: true})
	budget := j.db.opt.CompactionBytes
	j.mem = newMeter(j.db.mem)
	m, inputs, err := newMerging(ctx, j.in, j.mem, j.runs, func(e *chunk.Entry) chunk.Fetch { return j.db.fetch(j.part.id, j.in, e) }, budget/4)
	if err != nil {
		return nil, err
	}
	defer m.close()
	j.inputs = inputs
	j.keepPast(m)
	if m.marks != nil && j.in.keyed() {
		if m.marks.below, err = j.db.marksBelow(ctx, j.part, j.slice, inputs); err != nil {
			return nil, err
		}
		if m.past != nil { // other generations' rows went to history by then
			j.pastReplaced = max(j.pastReplaced, uint64(j.db.current.Load().clock))
		}
	}
	j.record.began(inputs)
	j.rows.builder, j.past.builder = j.newBuilder(j.replaced), j.newBuilder(j.pastReplaced)
	defer j.rows.builder.Release()
	defer j.past.builder.Release()
	read := int64(0)
	for {
		batch, err := m.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		err = j.add(ctx, &j.rows, batch)
		if err == nil {
			if batch, err = m.past.next(); batch != nil {
				err = j.add(ctx, &j.past, batch)
			}
		}
		if err == nil {
			err = j.rest(ctx, m.read-read)
			read = m.read
		}
		if err != nil {
			return nil, err
		}
	}
	for _, o := range []*compactionOutput{&j.rows, &j.past} {
		if err := j.seal(ctx, o, true); err != nil {
			return nil, err
		}
	}
	if err := j.put(ctx); err != nil {
		return nil, err
	}
	j.record.peak(j.mem.peak.Load())
	c := &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Compaction, By: j.db.own(), Schema: j.in.def.Version, Adds: j.adds}
	had := int64(0)
	for _, e := range inputs {
		c.Removes = append(c.Removes, e.ID)
		had += int64(e.Rows)
	}
	rows := j.rows.count + j.past.count
	if m.marks != nil && m.past == nil {
		rows += 2 * m.marks.pairs
	}
	if len(m.streams) == 1 && len(j.adds) >= len(inputs) && j.rows.count == had && len(quick(inputs)) == 0 {
		return nil, errNoGain // they were cut because of their bytes in memory, and no mark found its row
	}
	if rows > had || !j.in.keyed() && rows != had {
		return nil, fmt.Errorf("%w: %d rows of chunks merge to %d", chunk.ErrCorrupt, had, rows)
	}
	return c, nil
}

func (j *compactionJob) newBuilder(replaced uint64) *chunk.Builder {
	return chunk.NewBuilder(j.in.layout, chunk.SealOptions{
		Slice: j.slice, Schema: j.in.def.Version, From: j.seq, IDs: j.db.ids, Mem: j.mem, Replaced: replaced, Together: j.together,
	})
}

// add takes rows in, which it releases, and puts away what is filled by them.
func (j *compactionJob) add(ctx context.Context, o *compactionOutput, batch arrow.RecordBatch) error {
	defer batch.Release()
	if batch.NumRows() == 0 {
		return nil
	}
	if err := o.builder.Add(batch); err != nil {
		return err
	}
	o.count += batch.NumRows()
	o.pending += chunk.BatchBytes(batch)
	return j.seal(ctx, o, false)
}

// seal takes the chunks that are filled, or whose rows take too much memory; last says
// that there are no rows to come.
func (j *compactionJob) seal(ctx context.Context, o *compactionOutput, last bool) error {
	chunks := o.builder.Take()
	if len(chunks) > 0 {
		o.pending = 0
	}
	if last || o.pending > j.db.opt.CompactionBytes/4 {
		rest, err := o.builder.Finish()
		if err != nil {
			return err
		}
		chunks, o.pending = append(chunks, rest...), 0
	}
	for _, c := range chunks {
		j.ready = append(j.ready, c)
		for _, b := range c.Blobs {
			j.size += int64(len(b))
		}
	}
	if j.size >= min(maxSegmentBytes/4, j.db.opt.CompactionBytes/8) {
		return j.put(ctx)
	}
	return nil
}

// put makes chunks durable.
func (j *compactionJob) put(ctx context.Context) error {
	if len(j.ready) == 0 {
		return nil
	}
	err := j.db.store.PutChunks(ctx, j.part.id, j.ready)
	for _, c := range j.ready {
		e := c.Entry // by itself, as in seal
		j.adds = append(j.adds, &e)
	}
	j.record.wrote(j.ready, j.size)
	if err == nil && j.pace != nil {
		err = j.pace.spend(ctx, j.size)
	}
	j.ready, j.size = nil, 0
	return err
}

// rest gives way to what is more urgent, and ends the work if it is of no use any more.
func (j *compactionJob) rest(ctx context.Context, read int64) error {
	j.record.read(read)
	if st := j.db.current.Load().storages[j.part.id.Table]; st == nil {
		return errGone
	}
	if j.pace == nil {
		return ctx.Err()
	}
	if err := j.pace.spend(ctx, read); err != nil {
		return err
	}
	return j.db.giveWay(ctx)
}

// giveWay waits while buffers are being written to chunks, but not for long: there are
// loads under which they always are.
func (db *DB) giveWay(ctx context.Context) error {
	for range 20 {
		if db.sealing.Load() == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return ctx.Err()
}

// compactable returns the table of a partition and the manifest to choose from: in a cluster
// that of the log as it is now.
func (db *DB) compactable(ctx context.Context, part *partition) (*tableInfo, *commitlog.Manifest, error) {
	if db.cluster != nil {
		if _, err := part.log.Refresh(ctx); err != nil {
			return nil, nil, err
		}
	}
	s := db.current.Load()
	st := s.storages[part.id.Table]
	if st == nil || st.part(part.id.Key) == nil {
		return nil, nil, errGone
	}
	if db.cluster != nil {
		return st.info.of(part.id.Key), part.log.Manifest(), nil
	}
	return st.info.of(part.id.Key), st.part(part.id.Key).manifest, nil
}

// definitionOf returns the table of chunks as it was when they were written, or later: who
// does not know a column yet that they have would lose it. In a cluster another node may be
// ahead in the catalogue.
func (db *DB) definitionOf(ctx context.Context, part *partition, chunks []*chunk.Entry) (*tableInfo, error) {
	newest := uint64(0)
	for _, e := range chunks {
		newest = max(newest, e.Schema)
	}
	if db.cluster != nil && newest > db.current.Load().catalog.Seq {
		if err := db.cluster.follower.wait(ctx, time.Now()); err != nil {
			return nil, err
		}
	}
	s := db.current.Load()
	st := s.storages[part.id.Table]
	switch {
	case st == nil:
		return nil, errGone
	case newest > s.catalog.Seq:
		return nil, pgerr.New(pgerr.ObjectInUse, "chunks of table %q were written under a definition that this node does not know yet", st.info.name()).
			WithHint("Try again in a moment.")
	}
	return st.info.of(part.id.Key), nil
}

// errNoGain ends a compaction whose outcome would be what is there.
var errNoGain = errors.New("merging these chunks makes no fewer")

// compactSlice merges chunks of a slice once, if there are some to be merged. It returns
// whether it did, and else when to ask again, 0 if only after a change. The caller holds
// part.compacting, and in a cluster the lease.
func (db *DB) compactSlice(ctx context.Context, part *partition, slice int64, to aim, p *pace) (did bool, wait time.Duration, err error) {
	if err := db.settleDoubtful(ctx, part); err != nil {
		return false, 0, err
	}
	in, m, err := db.compactable(ctx, part)
	if err != nil {
		return false, 0, err
	}
	list, err := entries(m.ChunksOf(ctx, slice))
	if err != nil {
		return false, 0, in.unread(err)
	}
	found, wait := db.compactor.choose(in, list, to)
	if len(found.inputs) == 0 {
		return false, wait, nil
	}
	if in, err = db.definitionOf(ctx, part, found.inputs); err != nil {
		return false, 0, err
	}
	j := &compactionJob{db: db, part: part, in: in, slice: slice, seq: m.Seq(), choice: found, inputs: slices.Clone(found.inputs), pace: p}
	if ch := db.compactor.chooser(in); found.past {
		j.runs = ch.pastRuns(found.inputs)
	} else {
		j.runs = ch.streams(found.inputs)
		smallestFirst(j.runs)
	}
	j.record = db.compactor.begin(part.id, slice, "compaction")
	err = j.run(ctx)
	if errors.Is(err, errNoGain) {
		j.record.end(nil)
		return false, 0, err
	}
	j.record.end(err)
	if errors.Is(err, commitlog.ErrPrecondition) && db.cluster != nil {
		return true, 0, nil // another node was faster; what there is now is another matter
	}
	return err == nil, 0, err
}
