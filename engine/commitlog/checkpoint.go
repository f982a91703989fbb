package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Checkpoint writes the folded state, so that readers need not fold the
// entries up to it, which it trims. It forgets the sources that are not live
// (Options.Live). If hardly anything was appended since the last checkpoint it
// does no more than to remove what that one replaced. An error leaves the log
// as good as it was.
//
// The way of a checkpoint: the pages that have changed are written, then what
// names them and the others, under a name of its own; a Checkpoint commit makes it
// the one to begin with; only then the entries that it covers and the checkpoint
// before it are removed. So whatever is slow or fails, the last entry of the log
// names a checkpoint that is there, with all its pages. Pages that it does not need
// any more go with a checkpoint that is Options.PageLifetime later.
func (l *Log) Checkpoint(ctx context.Context) error {
	if err := l.checkpointing.take(ctx); err != nil {
		return err
	}
	defer l.checkpointing.give()
	return l.checkpoint(ctx)
}

// checkpointIfDue writes a checkpoint if there are enough entries after the
// last one and nobody is at it. It returns the latest state.
func (l *Log) checkpointIfDue(ctx context.Context, m *Manifest) *Manifest {
	if !l.due(m) || !l.checkpointing.tryTake() {
		return m
	}
	defer l.checkpointing.give()
	if m.seq < l.retryAt {
		return m
	}
	if err := l.checkpoint(ctx); err != nil {
		l.retryAt = m.seq + uint64(l.opt.CheckpointEvery)/4 + 1
		l.opt.Logger.Warn("a checkpoint of a commit log failed", slog.Uint64("table", uint64(l.part.Table)),
			slog.String("partition", fmt.Sprintf("%x", l.part.Key)), slog.Uint64("seq", m.seq), slog.Any("error", err))
	}
	return l.Manifest()
}

// due weighs the cost of a checkpoint, which is of the pages that have changed and
// of a few bytes a chunk, against that of folding entries when the log is opened,
// and the memory that chunks take until they are in the store.
func (l *Log) due(m *Manifest) bool {
	every := l.opt.CheckpointEvery
	if every < 0 {
		return false
	}
	entries := min(max(every, (m.count+m.garbage.n)/chunksPerCommit), maxTailFactor*every)
	return m.seq-m.base.seq >= uint64(entries) || m.loose >= maxLoose
}

func (l *Log) checkpoint(ctx context.Context) error {
	m := l.Manifest()
	if m.anchor != m.base { // another process has written a checkpoint
		if err := l.anchor(ctx); err != nil {
			return err
		}
		m = l.Manifest()
	}
	dead := l.dead(m)
	// The last entry has to stay in any case, often it is a Checkpoint commit.
	if m.seq-m.base.seq > 1 || m.loose >= maxLoose || m.seq > 0 && len(dead) > 0 {
		if err := l.writeCheckpoint(ctx, m, dead); err != nil {
			return err
		}
	}
	return l.removeOld(ctx)
}

// dead returns the sources that are not live. One whose rows are still being
// folded by a taker is: the taker knows it as its own.
func (l *Log) dead(m *Manifest) []Source {
	var dead []Source
	for _, s := range m.sources {
		if !l.opt.Live(s.Source) {
			dead = append(dead, s.Source)
		}
	}
	return dead
}

// An attempted checkpoint was written; whether it came into use is not known yet.
type attempted struct {
	checkpoint storedName
	pages      []storedName // written for it
}

// writeCheckpoint writes a checkpoint of m and makes it the one to begin with. A
// checkpoint that another process made meanwhile makes it void: the pages of this
// one may be among those that it let go.
func (l *Log) writeCheckpoint(ctx context.Context, m *Manifest, dead []Source) error {
	m, err := l.freePages(ctx, m)
	if err != nil {
		return err
	}
	l.tried = append(l.tried, attempted{checkpoint: storedName{seq: m.seq}})
	try := &l.tried[len(l.tried)-1]
	next, err := l.writePages(ctx, m, try)
	if errors.Is(err, errMoved) {
		return nil // so has another process
	}
	if err != nil {
		return err
	}
	data := appendCheckpoint(nil, l.id, next)
	try.checkpoint = nameOf(m.seq, data)
	if err := l.st.PutCheckpoint(ctx, try.checkpoint.id(l.part), data); err != nil {
		return fmt.Errorf("checkpoint %v of the commit log of %s: %w", try.checkpoint, partName(l.part), err)
	}
	next.anchor = try.checkpoint
	c := &Commit{Kind: Checkpoint, Base: m.seq, BaseHash: try.checkpoint.hash, Forget: dead, anchor: m.anchor}
	l.complete(c)
	if _, err = l.commit(ctx, c); errors.Is(err, ErrPrecondition) {
		return nil // another process has gone on
	}
	if err != nil {
		return err
	}
	return l.adopt(ctx, next)
}

// freePages deletes the pages that checkpoints have done without for long, and
// returns a manifest that does not list them.
func (l *Log) freePages(ctx context.Context, m *Manifest) (*Manifest, error) {
	before := l.opt.Now().Add(-l.opt.PageLifetime)
	next := *m
	next.retired = nil
	for _, p := range m.retired {
		if !p.at.Before(before) {
			next.retired = append(next.retired, p)
			continue
		}
		if err := l.remove(ctx, p.storedName); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// remove deletes a checkpoint or a page.
func (l *Log) remove(ctx context.Context, n storedName) error {
	if err := l.st.DeleteCheckpoint(ctx, n.id(l.part)); err != nil {
		return fmt.Errorf("checkpoint or page %v of the commit log of %s: %w", n, partName(l.part), err)
	}
	return nil
}

// writePages writes the pages that have changed and returns the manifest as the
// checkpoint has it.
func (l *Log) writePages(ctx context.Context, m *Manifest, try *attempted) (*Manifest, error) {
	next := *m
	next.loose, next.dropped, next.pages = 0, nil, nil
	replaced := slices.Clip(m.dropped)
	for i := 0; i < len(m.pages); {
		if m.pages[i].clean() {
			next.pages = append(next.pages, m.pages[i])
			i++
			continue
		}
		d := divider{most: l.opt.pages.most, emit: func(entries []*chunk.Entry) error {
			p := newPage(entries)
			if len(entries) >= l.opt.pages.least {
				if err := l.storePage(ctx, p, m.seq, try); err != nil {
					return err
				}
			}
			next.pages = append(next.pages, p)
			return nil
		}}
		for ; i < len(m.pages) && !m.pages[i].clean(); i++ {
			p := m.pages[i]
			entries, err := p.entries(ctx, m.pager)
			if err != nil {
				return nil, err
			}
			if p.stored != nil {
				replaced = append(replaced, p.stored)
			}
			if err := d.add(entries); err != nil {
				return nil, err
			}
		}
		if err := d.end(i == len(m.pages)); err != nil {
			return nil, err
		}
	}
	now := time.UnixMicro(l.opt.Now().UnixMicro()).UTC()
	for _, p := range replaced {
		next.retired = append(slices.Clip(next.retired), retiredPage{*p, now})
	}
	return &next, nil
}

// storePage writes a page, which is not published yet, and leaves of it in memory
// what is enough to find it again.
func (l *Log) storePage(ctx context.Context, p *page, seq uint64, try *attempted) error {
	data := appendPage(nil, seq, p.added)
	name := nameOf(seq, data)
	try.pages = append(try.pages, name)
	if err := l.st.PutCheckpoint(ctx, name.id(l.part), data); err != nil {
		return fmt.Errorf("page %v of the manifest of %s: %w", name, partName(l.part), err)
	}
	p.stored, p.added = &name, nil
	return nil
}

// divider makes pages of the chunks of a run of pages that have changed.
type divider struct {
	most    int // chunks of a page
	emit    func(entries []*chunk.Entry) error
	entries []*chunk.Entry
}

func (d *divider) add(entries []*chunk.Entry) error {
	d.entries = append(d.entries, entries...)
	for len(d.entries) >= 2*d.most {
		if err := d.cut(d.most); err != nil {
			return err
		}
	}
	return nil
}

// end makes pages of what is left. Where chunks come in at the end pages are
// filled, elsewhere there is room in both halves.
func (d *divider) end(last bool) error {
	if n := len(d.entries); n > d.most {
		at := (n + 1) / 2
		if last {
			at = d.most
		}
		if err := d.cut(at); err != nil {
			return err
		}
	}
	return d.cut(len(d.entries))
}

func (d *divider) cut(n int) error {
	if n == 0 {
		return nil
	}
	first := slices.Clone(d.entries[:n])
	d.entries = d.entries[n:]
	return d.emit(first)
}

// adopt makes of the checkpoint that came into use the state that readers get,
// with what the log has after it. What comes meanwhile waits.
func (l *Log) adopt(ctx context.Context, m *Manifest) error {
	release, err := l.stand(ctx)
	if err != nil {
		return err
	}
	defer release()
	for e, err := range l.st.Read(ctx, l.id, m.seq+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return nil // another process has gone on; the next checkpoint begins with its
		}
		if err != nil {
			return wrapLog(l.part, err)
		}
		if m, err = l.read(ctx, m, e); err != nil {
			return err
		}
	}
	l.publish(m)
	return nil
}

// anchor makes the manifest one that descends from the checkpoint in use.
func (l *Log) anchor(ctx context.Context) error {
	release, err := l.stand(ctx)
	if err != nil {
		return err
	}
	defer release()
	return l.skip(ctx)
}

// stand keeps the log from being written and folded until release is called.
func (l *Log) stand(ctx context.Context) (release func(), err error) {
	if err := l.writing.take(ctx); err != nil {
		return nil, err
	}
	if err := l.folding.take(ctx); err != nil {
		l.writing.give()
		return nil, err
	}
	return func() {
		l.folding.give()
		l.writing.give()
	}, nil
}

// removeOld trims the entries that the checkpoint in use covers and deletes
// the checkpoints before it. One that is later may yet come into use.
func (l *Log) removeOld(ctx context.Context) error {
	m := l.Manifest()
	if m.base.seq == 0 {
		return nil
	}
	if err := l.st.Trim(ctx, l.id, m.base.seq+1); err != nil {
		return wrapLog(l.part, err)
	}
	if m.previous.seq > 0 {
		if err := l.remove(ctx, m.previous); err != nil {
			return err
		}
	}
	if m.anchor != m.base {
		return nil // it is not known which pages are in use
	}
	for len(l.tried) > 0 && l.tried[0].checkpoint.seq <= m.base.seq {
		if err := l.removeTried(ctx, m, &l.tried[0]); err != nil {
			return err
		}
		l.tried = l.tried[1:]
	}
	return nil
}

// removeTried deletes a checkpoint that is not in use, and the pages written for it
// but for those that m has, which descends from the checkpoint in use. No later
// checkpoint will have others of them, for it begins with those of m, and what it
// writes has its own sequence number.
func (l *Log) removeTried(ctx context.Context, m *Manifest, try *attempted) error {
	if n := try.checkpoint; n != m.base && n != m.previous && n.hash != [16]byte{} {
		if err := l.remove(ctx, n); err != nil {
			return err
		}
	}
	for _, p := range try.pages {
		if m.needs(p) || m.lists(p) {
			continue
		}
		if err := l.remove(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Drop removes all that a store has of a partition: blobs, checkpoints and, at
// last, the log, so that a Drop that failed can be repeated. Nobody may have the
// log open. It does not need the log to be readable.
func Drop(ctx context.Context, st store.Store, part chunk.PartitionID) error {
	ids, err := st.Chunks(ctx, part)
	if err != nil {
		return fmt.Errorf("chunks of %s: %w", partName(part), err)
	}
	if err := st.DeleteChunks(ctx, part, entriesOf(ids)); err != nil {
		return fmt.Errorf("chunks of %s: %w", partName(part), err)
	}
	names, err := checkpointsOf(ctx, st, part)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := st.DeleteCheckpoint(ctx, name); err != nil {
			return fmt.Errorf("checkpoints of the commit log of %s: %w", partName(part), err)
		}
	}
	return wrapLog(part, st.Drop(ctx, LogID(part)))
}

// checkpointsOf returns the names of the checkpoint in use and the one before it,
// and first those of their pages, as far as they can be read.
func checkpointsOf(ctx context.Context, st store.Store, part chunk.PartitionID) ([]store.LogID, error) {
	base, _, err := lastBase(ctx, st, part)
	if errors.Is(err, chunk.ErrCorrupt) || err == nil && base.seq == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := readCheckpoint(ctx, st, part, base)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, chunk.ErrCorrupt) {
		return []store.LogID{base.id(part)}, nil // a damaged one goes as well
	}
	if err != nil {
		return nil, err
	}
	var names []store.LogID
	for _, p := range m.pages {
		if p.stored != nil {
			names = append(names, p.stored.id(part))
		}
	}
	for _, p := range m.retired {
		names = append(names, p.id(part))
	}
	if m.base.seq > 0 {
		names = append(names, m.base.id(part))
	}
	return append(names, base.id(part)), nil
}

// readCheckpoint reads a checkpoint of a log, without what reads its pages.
func readCheckpoint(ctx context.Context, st store.Store, part chunk.PartitionID, name storedName) (*Manifest, error) {
	data, err := st.Checkpoint(ctx, name.id(part))
	if err != nil {
		return nil, fmt.Errorf("checkpoint %v of the commit log of %s: %w", name, partName(part), err)
	}
	m, err := parseCheckpoint(LogID(part), name, data)
	if err != nil {
		return nil, unreadable(err, "checkpoint %v of the commit log of %s", name, partName(part))
	}
	return m, nil
}

// entriesOf makes entries that name chunks wherever they lie.
func entriesOf(ids []chunk.ID) []*chunk.Entry {
	entries := make([]*chunk.Entry, len(ids))
	for i, id := range ids {
		entries[i] = &chunk.Entry{ID: id}
	}
	return entries
}
