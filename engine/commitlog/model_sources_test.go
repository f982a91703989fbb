package commitlog

import (
	"slices"

	"github.com/phyllodb/phyllo/engine/store"
)

// takeOver seals the log of another source, reads it to its end and makes the
// process its owner.
func (p *process) takeOver() {
	ids, err := modelStore{p}.List(p.ctx, store.SourceLog)
	if err != nil || len(ids) == 0 {
		return
	}
	s, err := ParseSource(ids[p.w.rng.IntN(len(ids))].Key)
	if err != nil {
		p.w.failf("source log: %v", err)
		return
	}
	if p.seal(s) && p.load(s) {
		c := &Commit{Kind: Flush, By: p.source, Seals: []Source{s}}
		if p.w.rng.IntN(2) == 0 {
			p.commit(c)
			return
		}
		m, o := p.log.Manifest(), p.owned[s]
		if folded := m.Folded(s); folded < o.head {
			c.Sources = []Interval{{Source: s, From: folded, To: o.head}}
			p.write(c, o.flushable(folded, o.head), m)
		}
	}
}

// takeOverAll takes over every source log that there is.
func (p *process) takeOverAll() {
	ids, err := modelStore{p}.List(p.ctx, store.SourceLog)
	if err != nil {
		p.w.failf("list: %v", err)
	}
	c := &Commit{Kind: Flush, By: p.source}
	for _, id := range ids {
		s, err := ParseSource(id.Key)
		if err != nil || !p.seal(s) {
			p.w.failf("cannot seal %v: %v", id, err)
			return
		}
		p.owned[s] = &owned{}
		c.Seals = append(c.Seals, s)
	}
	if len(c.Seals) > 0 && !p.commit(c) {
		p.w.failf("cannot take over %v", c.Seals)
	}
}

// flushAll folds all that the process owns.
func (p *process) flushAll() {
	m := p.log.Manifest()
	c := &Commit{Kind: Flush, By: p.source}
	var values []int
	for _, s := range p.sources() {
		if o, folded := p.owned[s], m.Folded(s); folded < o.head {
			c.Sources = append(c.Sources, Interval{Source: s, From: folded, To: o.head})
			values = append(values, o.flushable(folded, o.head)...)
		}
	}
	if len(c.Sources) > 0 && !p.write(c, values, m) {
		p.w.failf("cannot flush %v", c.Sources)
	}
}

// seal makes sure that the last record of a source log is a seal; false if
// that failed, or if it is the process's own.
func (p *process) seal(s Source) bool {
	st := modelStore{p}
	for range 8 {
		if s == p.source || p.dead {
			return false
		}
		head, err := st.Head(p.ctx, sourceLog(s))
		if err != nil {
			continue
		}
		if head == 0 { // dropped
			return false
		}
		data, ok := p.record(s, head)
		switch {
		case !ok || data == "":
		case data[0] == recordSeal:
			return true
		default:
			_ = st.Append(p.ctx, sourceLog(s), head+1, []byte{recordSeal}) // looked at in the next round
		}
	}
	return false
}

// load reads what is not folded of a sealed source.
func (p *process) load(s Source) bool {
	for range 6 {
		m, err := p.log.Refresh(p.ctx)
		if err != nil {
			p.w.expect("refresh", err)
			continue
		}
		if m.Ended(s) {
			return false
		}
		o := &owned{head: m.Folded(s)}
		for e, rerr := range (modelStore{p}).Read(p.ctx, sourceLog(s), m.Folded(s)+1) {
			if err = rerr; err != nil {
				break
			}
			o.head = e.Seq
			for _, v := range recordValues(e.Data) {
				o.rows = append(o.rows, row{source: s, pos: e.Seq, value: v})
			}
		}
		if err == nil {
			p.owned[s] = o
			return true
		}
	}
	return false
}

// trimSource removes from a source log what is folded, but not its last record.
func (p *process) trimSource() {
	st, m := modelStore{p}, p.log.Manifest()
	for _, s := range p.sources() {
		head, err := st.Head(p.ctx, sourceLog(s))
		if err == nil && head > 0 {
			_ = st.Trim(p.ctx, sourceLog(s), min(m.Folded(s)+1, head))
		}
	}
}

// endSource drops the log of a sealed source that is folded to its end. While
// a snapshot is being taken, or an append may still arrive, it has to wait.
func (p *process) endSource() {
	w, st, m := p.w, modelStore{p}, p.log.Manifest()
	for _, s := range p.sources() {
		head, err := st.Head(p.ctx, sourceLog(s))
		if err != nil || head < 2 || s == p.source || m.Folded(s) != head {
			continue
		}
		data, ok := p.record(s, head)
		if !ok || data == "" || data[0] != recordSeal || !w.quietSource(s) {
			continue
		}
		if p.dead || w.readers > 0 {
			return
		}
		if st.Drop(p.ctx, sourceLog(s)) == nil {
			w.gone[s] = true
			w.counts["ended"]++
			delete(p.owned, s)
		}
	}
}

// quietSource tells whether nothing can append to a source's log at position 1 any more.
func (w *world) quietSource(s Source) bool {
	for _, p := range w.procs {
		if p.source == s && !p.dead && (p.inserting || p.head == 0) {
			return false
		}
	}
	return !slices.ContainsFunc(w.late, func(c lateCall) bool { return c.log == sourceLog(s) })
}
