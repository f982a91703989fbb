package commitlog

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// run is the life of a process.
func (p *process) run() {
	if p.last {
		p.finish()
		return
	}
	for !p.dead && !p.open() {
		p.pause()
	}
	for !p.dead {
		p.w.ops++
		p.operate()
		if !p.dead {
			p.pause()
		}
	}
}

func (p *process) operate() {
	w := p.w
	switch n := w.rng.IntN(100); {
	case n < 26:
		p.insert()
	case n < 46:
		p.flush()
	case n < 54:
		p.takeOver()
	case n < 67:
		p.compact()
	case n < 73:
		p.retain()
	case n < 77:
		p.truncate()
	case n < 81:
		w.expect("checkpoint", p.log.Checkpoint(p.ctx))
	case n < 85:
		swept, err := p.log.Sweep(p.ctx, w.now.Add(-time.Duration(w.rng.IntN(40))*time.Millisecond))
		w.expect("sweep", err)
		w.counts["swept"] += swept.Removed + swept.Unnamed
	case n < 88:
		p.retry()
	case n < 91:
		p.trimSource()
	case n < 94:
		p.endSource()
	default:
		p.snapshot()
	}
}

// restart makes the process one with a new epoch: its own was taken over.
func (p *process) restart() {
	w := p.w
	w.tracef("%s has been sealed and begins anew", p.source)
	p.source = Source{Writer: p.source.Writer, Epoch: w.rng.Uint64()}
	p.owned, p.head, p.unknown = map[Source]*owned{p.source: {}}, 0, nil
	p.open() // else it goes on with the old log
}

// insert appends a record to the process's source log. What it does not know
// the fate of it tries again, until the process is stopped.
func (p *process) insert() {
	w := p.w
	var values []int
	for range w.rng.IntN(4) {
		values = append(values, w.values)
		w.values++
	}
	p.inserting = true
	defer func() { p.inserting = false }()
	data, pos := rowsRecord(values), p.head+1
	st := modelStore{p}
	for !p.dead {
		err := st.Append(p.ctx, sourceLog(p.source), pos, data)
		if errors.Is(err, store.ErrConflict) {
			found, ok := p.record(p.source, pos)
			if !ok {
				continue
			}
			if found != string(data) {
				p.restart()
				return
			}
			err = nil
		}
		if err == nil {
			p.head = pos
			p.own(p.source, pos, values)
			return
		}
	}
}

func (p *process) own(s Source, pos uint64, values []int) {
	o := p.owned[s]
	o.head = max(o.head, pos)
	for _, v := range values {
		o.rows = append(o.rows, row{source: s, pos: pos, value: v})
	}
}

// record reads an entry of a source log, "" if it is gone; ok is false if that failed.
func (p *process) record(s Source, pos uint64) (data string, ok bool) {
	for e, err := range (modelStore{p}).Read(p.ctx, sourceLog(s), pos) {
		switch {
		case errors.Is(err, store.ErrTrimmed):
			return "", true
		case err != nil:
			return "", false
		}
		return string(e.Data), true
	}
	return "", true
}

// flush folds some positions of some of the sources that the process flushes.
func (p *process) flush() {
	w, m := p.w, p.log.Manifest()
	c := &Commit{Kind: Flush, By: p.source}
	var values []int
	for _, s := range p.sources() {
		o := p.owned[s]
		folded := m.Folded(s)
		if o.head <= folded || w.rng.IntN(4) == 0 {
			continue
		}
		to := o.head
		if w.rng.IntN(3) == 0 {
			to = folded + 1 + w.rng.Uint64N(o.head-folded)
		}
		c.Sources = append(c.Sources, Interval{Source: s, From: folded, To: to})
		values = append(values, o.flushable(folded, to)...)
	}
	if len(c.Sources) > 0 {
		p.write(c, values, m)
	}
}

func (o *owned) flushable(folded, to uint64) (values []int) {
	for _, r := range o.rows {
		if r.pos > folded && r.pos <= to {
			values = append(values, r.value)
		}
	}
	return values
}

// sources returns the sources that the process flushes, in one order.
func (p *process) sources() (out []Source) {
	for s := range p.owned {
		out = append(out, s)
	}
	slices.SortFunc(out, Source.Compare)
	return out
}

// write puts the chunks of the values and commits them.
func (p *process) write(c *Commit, values []int, m *Manifest) bool {
	sealed := p.sealed(values, m.Seq())
	for _, s := range sealed {
		c.Adds = append(c.Adds, &s.Entry)
	}
	if len(sealed) > 0 {
		var err error
		for range 4 {
			if err = (modelStore{p}).PutChunks(p.ctx, modelPart, sealed); err == nil || p.dead {
				break
			}
		}
		if err != nil {
			return false
		}
	}
	return p.commit(c)
}

// commit commits and notes what the process was told.
func (p *process) commit(c *Commit) bool {
	w := p.w
	p.log.complete(c)
	delete(w.void, c.ID)
	m, err := p.log.Commit(p.ctx, c)
	w.tracef("%s: %v %v -> %v", p.source, c.Kind, c.ID, err)
	var unmet *PreconditionError
	switch {
	case err == nil:
		if seq := w.seen[c.ID]; seq == 0 || seq > m.Seq() {
			w.failf("%v commit %v is said to be in the log at %d, it is at %d", c.Kind, c.ID, m.Seq(), seq)
		}
	case errors.Is(err, ErrUnknown):
		w.counts["unknown"]++
		p.unknown = append(p.unknown, c)
	default:
		if errors.As(err, &unmet) {
			w.counts["unmet "+unmet.Which.String()]++
		}
		w.expect("commit", err)
		w.void[c.ID] = err
		if seq := w.seen[c.ID]; seq > 0 {
			w.failf("%v commit %v is in the log at %d, its writer is told: %v", c.Kind, c.ID, seq, err)
		}
	}
	p.learn()
	return err == nil
}

// learn drops what the log says is not the process's any more.
func (p *process) learn() {
	m := p.log.Manifest()
	if p.dead {
		return
	}
	if m.Owner(p.source) != p.source || m.Ended(p.source) {
		if p.w.rng.IntN(3) > 0 { // else a zombie, for a while
			p.restart()
		}
		return
	}
	for s, o := range p.owned {
		if s != p.source && (m.Owner(s) != p.source || m.Ended(s)) && p.w.rng.IntN(3) > 0 {
			delete(p.owned, s)
		}
		o.rows = slices.DeleteFunc(o.rows, func(r row) bool { return r.pos <= m.Folded(s) })
	}
}

// retry commits again what had an unknown outcome.
func (p *process) retry() {
	if len(p.unknown) == 0 {
		return
	}
	i := p.w.rng.IntN(len(p.unknown))
	c := p.unknown[i]
	p.unknown = slices.Delete(p.unknown, i, i+1)
	p.w.counts["retried"]++
	p.commit(c)
}

// compact replaces some chunks of a slice.
func (p *process) compact() {
	w, m := p.w, p.log.Manifest()
	if m.Len() == 0 {
		return
	}
	c := &Commit{Kind: Compaction, By: p.source}
	var values []int
	slice := int64(w.rng.IntN(2))
	for e, err := range m.ChunksOf(p.ctx, slice) {
		if err != nil {
			p.unreadable(err)
			return
		}
		if len(c.Removes) == 3 || w.rng.IntN(3) == 0 {
			continue
		}
		blob, _, err := modelStore{p}.Column(p.ctx, modelPart, e, 0)
		if errors.Is(err, store.ErrNotFound) && w.live(e.ID) {
			w.failf("live chunk %v: %v", e.ID, err)
		}
		if err != nil {
			_, _ = p.log.Refresh(p.ctx) // it may have been replaced
			return
		}
		c.Removes = append(c.Removes, e.ID)
		values = append(values, recordValues(blob)...)
	}
	if len(c.Removes) > 0 {
		p.write(c, values, m)
	}
}

// unreadable judges why a walk over chunks failed. Their pages may be gone if that
// is allowed to happen at once.
func (p *process) unreadable(err error) {
	if w := p.w; pgerr.Code(err) == pgerr.SnapshotTooOld && w.lifetime < 0 {
		w.counts["too old"]++
		_, _ = p.log.Refresh(p.ctx)
		return
	}
	p.w.expect("walk", err)
}

// live tells whether the log says that a chunk is.
func (w *world) live(id chunk.ID) bool {
	e, _ := w.manifest.Chunk(context.Background(), id)
	return e != nil
}

// positions returns how far the source logs reach, those that the log has
// forgotten left out; false if that failed. m must be older than the call.
func (p *process) positions(m *Manifest) ([]Position, bool) {
	st := modelStore{p}
	ids, err := st.List(p.ctx, store.SourceLog)
	if err != nil {
		return nil, false
	}
	reach := map[Source]uint64{}
	for _, s := range m.Sources() {
		reach[s.Source] = s.Folded
	}
	for _, id := range ids {
		s, err := ParseSource(id.Key)
		if err != nil {
			p.w.failf("source log: %v", err)
			return nil, false
		}
		head, err := st.Head(p.ctx, id)
		if err != nil {
			return nil, false
		}
		if !m.Ended(s) {
			reach[s] = max(reach[s], head)
		}
	}
	var out []Position
	for s, pos := range reach {
		out = append(out, Position{Source: s, Pos: pos})
	}
	slices.SortFunc(out, func(a, b Position) int { return a.Source.Compare(b.Source) })
	return out, true
}

// covered tells whether a row is at or below the positions; of ended sources all are.
func (w *world) covered(m *Manifest, saw []Position, r refRow) bool {
	if m.Ended(r.source) {
		return true
	}
	i, ok := slices.BinarySearchFunc(saw, r.source, func(p Position, s Source) int { return p.Source.Compare(s) })
	return ok && r.pos <= saw[i].Pos
}

// retain removes a slice.
func (p *process) retain() {
	m, slice := p.log.Manifest(), int64(p.w.rng.IntN(2))
	c := &Commit{Kind: Retention, By: p.source}
	for e, err := range m.ChunksOf(p.ctx, slice) {
		if err != nil {
			p.unreadable(err)
			return
		}
		c.Removes = append(c.Removes, e.ID)
	}
	if len(c.Removes) == 0 {
		return
	}
	p.log.complete(c)
	p.w.intents[c.ID] = func(r refRow) bool {
		return sliceOf(r.value) == slice && (m.Ended(r.source) || r.pos <= m.Folded(r.source))
	}
	p.commit(c)
}

// truncate removes all that a snapshot of now sees.
func (p *process) truncate() {
	m, err := p.log.Refresh(p.ctx)
	if err != nil {
		p.w.expect("refresh", err)
		return
	}
	saw, ok := p.positions(m)
	if !ok {
		return
	}
	c := &Commit{Kind: Retention, By: p.source}
	for _, s := range saw {
		c.Sources = append(c.Sources, Interval{Source: s.Source, From: m.Folded(s.Source), To: s.Pos})
	}
	for e, err := range m.Chunks(p.ctx) {
		if err != nil {
			p.unreadable(err)
			return
		}
		c.Removes = append(c.Removes, e.ID)
	}
	if len(c.Sources) == 0 {
		return
	}
	p.log.complete(c)
	p.w.intents[c.ID] = func(r refRow) bool { return p.w.covered(m, saw, r) }
	p.commit(c)
}

// snapshot reads all rows as a query would: first the commit log, then the
// heads of the source logs, then the rows.
func (p *process) snapshot() {
	w := p.w
	w.readers++
	defer func() { w.readers-- }()
	m, err := p.log.Refresh(p.ctx)
	if err != nil {
		w.expect("refresh", err)
		return
	}
	saw, ok := p.positions(m)
	if !ok {
		return
	}
	heads := map[Source]uint64{}
	for s, head := range w.heads {
		if m.Ended(s) {
			heads[s] = head
		}
	}
	var got []int
	for _, s := range saw {
		heads[s.Source] = s.Pos
		for e, err := range (modelStore{p}).Read(p.ctx, sourceLog(s.Source), m.Folded(s.Source)+1) {
			if err != nil {
				if errors.Is(err, store.ErrTrimmed) && w.manifest.Seq() == m.Seq() {
					w.failf("source %v, folded up to %d: %v", s.Source, m.Folded(s.Source), err)
				}
				return
			}
			for _, v := range recordValues(e.Data) {
				if e.Seq <= s.Pos {
					got = append(got, v)
				}
			}
		}
	}
	for e, err := range m.Chunks(p.ctx) {
		if err != nil {
			p.unreadable(err)
			return
		}
		blob, _, err := modelStore{p}.Column(p.ctx, modelPart, e, 0)
		if err != nil {
			if errors.Is(err, store.ErrNotFound) && w.live(e.ID) {
				w.failf("live chunk %v: %v", e.ID, err)
			}
			return
		}
		got = append(got, recordValues(blob)...)
	}
	w.counts["snapshots"]++
	w.same("a snapshot", got, snapshot{seq: m.Seq(), heads: heads})
}
