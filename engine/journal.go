package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A journal is the log on a node's own disk in which its transactions are durable
// when they are acknowledged (ClusterOptions.Journal). The committer forwards what
// is in it to the source log, in the order of the journal, several transactions
// at a time: from then on all is as if they had been committed there. Its methods
// are safe for concurrent use.
//
// Row versions have to rise in a source log. So who stamps and appends, to the
// journal or past it, holds the gate until the next one that is stamped comes
// later in the source log, too; and what goes past the journal is appended when
// nothing is left to forward. That makes what others see of a node a prefix of what it
// committed.
type journal struct {
	db     *DB
	logs   store.Logs
	source commitlog.Source // names it: the node, and a random epoch
	log    store.LogID
	inUse  bool // transactions are committed to it; else it is being drained
	gate   sync.Mutex

	next uint64 // position of the next entry; the goroutine's
	// unsure says that an entry may come to light at a restart of which nobody knows.
	unsure atomic.Bool
	// forwarded is the position up to which records are in source logs.
	forwarded atomic.Uint64
	due       atomic.Bool // to be forwarded now

	mu      sync.Mutex // guards the fields below
	queue   []*commitRequest
	closed  bool
	failed  bool           // the disk has: commits go past the journal
	waiting []journalEntry // to be forwarded, by rising position
	bytes   int64          // of their data

	wake chan struct{} // of one token
	done chan struct{}
}

// A journalEntry is one group of transactions.
type journalEntry struct {
	pos     uint64
	data    []byte
	records []*ingest.Record
}

// forwardBytes is from how much on a journal is forwarded before it is time, and at
// a 64th of the buffers: others get it at once, and rows take more memory than log.
// At a sixteenth the journal takes nothing more.
const forwardBytes = 1 << 20

func newJournal(db *DB, logs store.Logs, src commitlog.Source) *journal {
	return &journal{db: db, logs: logs, source: src, log: sourceLog(src), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// take takes a transaction on, which is answered later, or leaves it to the
// committer: what others must know of at once, or may not know of later than other
// rows of the same key, and what is too large for a log or for memory; and all of
// it while the journal cannot be used.
func (j *journal) take(r *commitRequest) bool {
	if r.record == nil || r.changes != nil || r.check != nil || r.alone || !j.db.cluster.members.leased() {
		return false
	}
	s := j.db.current.Load()
	for i := range r.record.Parts {
		p := &r.record.Parts[i]
		st := s.storages[p.Partition.Table]
		if len(p.Staged) > 0 || st == nil || st.part(p.Partition.Key) == nil {
			return false
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.failed || j.bytes > j.db.opt.BufferBytes/16 {
		return false
	}
	j.queue = append(j.queue, r)
	poke(j.wake)
	return true
}

// close has transactions go past the journal from now on, and waits for those that
// are on their way into it.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	poke(j.wake)
	<-j.done
}

func (j *journal) run() {
	defer close(j.done)
	for {
		j.mu.Lock()
		group, closed := nextGroup(&j.queue), j.closed
		j.mu.Unlock()
		switch {
		case len(group) > 0:
			j.write(group)
		case closed:
			return
		default:
			<-j.wake
		}
	}
}

// write commits a group and answers each of its requests.
func (j *journal) write(group []*commitRequest) {
	j.gate.Lock()
	defer j.gate.Unlock()
	c := j.db.committer
	if err := c.stopped(); err != nil {
		answer(group, err)
		return
	}
	s := j.db.current.Load()
	live := group[:0]
	for _, r := range group {
		if err := c.checkShared(r, s); err != nil {
			r.done <- err
			continue
		}
		live = append(live, r)
	}
	if len(live) == 0 {
		return
	}
	data, live := c.encode(live)
	if len(live) == 0 {
		return
	}
	err := j.append(data)
	if err == nil {
		e := journalEntry{pos: j.next, data: data, records: records(live)}
		j.next++
		j.db.metrics.commits.Add(float64(len(live)))
		j.db.applyJournaled(e)
		j.wait(e)
	}
	answer(live, err)
}

// append writes one entry. After an error that says that it is void the next one
// takes its place; what the disk does not tell ends the use of the journal.
func (j *journal) append(data []byte) error {
	ctx := context.Background()
	failure := j.logs.Append(ctx, j.log, j.next, data)
	if failure == nil {
		j.unsure.Store(false) // it has the place of what was in doubt
		return nil
	}
	head, err := j.logs.Head(ctx, j.log)
	if err == nil && head < j.next {
		if pgerr.Code(failure) == pgerr.OutcomeUnknown {
			j.unsure.Store(true)
		}
		return failure
	}
	for e, err := range j.logs.Read(ctx, j.log, j.next) {
		if err == nil && e.Seq == j.next && bytes.Equal(e.Data, data) {
			return nil
		}
		break
	}
	j.unsure.Store(true)
	j.fail(errors.Join(failure, err))
	return outcomeUnknown(failure)
}

// fail has transactions go past the journal for good.
func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed = true
	j.db.opt.Logger.Error("the journal of this node cannot be written; commits go to the cluster until it is restarted", slog.String("error", err.Error()))
}

// wait has an entry forwarded when it is time.
func (j *journal) wait(e journalEntry) {
	j.mu.Lock()
	j.waiting = append(j.waiting, e)
	j.bytes += int64(len(e.data))
	much := j.bytes > min(forwardBytes, j.db.opt.BufferBytes/64)
	j.mu.Unlock()
	if much {
		j.forwardSoon()
	}
}

// waits says whether something is to be forwarded.
func (j *journal) waits() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiting) > 0
}

// waitingBytes is how much that is.
func (j *journal) waitingBytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes
}

// tick forwards at intervals, until ctx ends.
func (j *journal) tick(ctx context.Context) {
	every(ctx, j.db.cluster.opt.Forward, nil, func() {
		if j.waits() {
			j.forwardSoon()
		}
	})
}

func (j *journal) forwardSoon() {
	j.due.Store(true)
	poke(j.db.committer.wake)
}

// last returns the position of the last entry that waits, 0 if none does.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		return 0
	}
	return j.waiting[len(j.waiting)-1].pos
}

// batch returns the first entries that wait, up to a position, as many as one entry of a
// source log should hold, none if nothing waits.
func (j *journal) batch(last uint64) []journalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, 0
	for ; n < len(j.waiting) && j.waiting[n].pos <= last; n++ {
		if size += len(j.waiting[n].data); n > 0 && size > maxGroupBytes {
			break
		}
	}
	return slices.Clone(j.waiting[:n])
}

// reach notes that the entries up to a position are in source logs.
func (j *journal) reach(pos uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for ; n < len(j.waiting) && j.waiting[n].pos <= pos; n++ {
		j.bytes -= int64(len(j.waiting[n].data))
	}
	clear(j.waiting[:n])
	j.waiting = j.waiting[n:]
	j.forwarded.Store(max(j.forwarded.Load(), pos))
}

// trim forgets what is in source logs. It goes before any of them is trimmed: the
// journal or an entry of a source log must tell what was forwarded.
func (j *journal) trim(ctx context.Context) error {
	return j.logs.Trim(ctx, j.log, j.forwarded.Load()+1)
}

// applyJournaled publishes an entry of the journal.
func (db *DB) applyJournaled(e journalEntry) {
	db.publish(func(s *state) *state {
		s = s.clone()
		own := map[datum.OID]bool{}
		for _, r := range e.records {
			for i := range r.Parts {
				part := &r.Parts[i]
				st := s.storage(part.Partition.Table, own)
				if st == nil {
					continue
				}
				p := *st.part(part.Partition.Key)
				before := p.journaled.bytes()
				p.journaled = db.follow(p.journaled, st.info.of(part.Partition.Key), e.pos, r, part)
				db.buffered.Add(p.journaled.bytes() - before)
				st.put(&p)
			}
			s.clock = max(s.clock, r.Version+int64(r.Versions)-1)
		}
		return s
	})
}

// cutJournaled takes from a partition, which is the caller's own, the rows of the
// journal up to a position.
func (db *DB) cutJournaled(p *partState, in *tableInfo, pos uint64) {
	if p.journaled.delta == nil {
		return
	}
	rest, err := p.journaled.after(db.mem, in, pos)
	if err != nil {
		panic("engine: rows of the journal: " + err.Error())
	}
	db.buffered.Add(rest.bytes() - p.journaled.bytes())
	if rest.delta.empty() {
		rest = followed{}
	}
	p.journaled = rest
}

// cutForwarded takes from a state under construction the rows of the journal up to
// a position, 0 for none.
func (db *DB) cutForwarded(s *state, own map[datum.OID]bool, pos uint64) {
	if pos == 0 {
		return
	}
	for oid, st := range s.storages {
		for i := range st.parts {
			if s.storages[oid].parts[i].journaled.delta == nil {
				continue
			}
			st := s.storage(oid, own)
			p := *st.parts[i]
			db.cutJournaled(&p, st.info, pos)
			st.parts[i] = &p
		}
	}
}

// applyForwarded publishes entries of the journal that are in the source log now,
// at position seq.
func (db *DB) applyForwarded(seq uint64, batch []journalEntry) {
	j := db.cluster.journal
	pos := batch[len(batch)-1].pos
	j.reach(pos) // before the source log can be trimmed
	var touched []chunk.PartitionID
	db.metrics.forwarded.Inc()
	s := db.publish(func(s *state) *state {
		s = s.clone()
		own := map[datum.OID]bool{}
		for _, e := range batch {
			for _, r := range e.records {
				for i := range r.Parts {
					part := &r.Parts[i]
					st := s.storage(part.Partition.Table, own)
					if st == nil {
						continue
					}
					p := *st.part(part.Partition.Key)
					db.cutJournaled(&p, st.info, pos)
					st.put(&p)
					db.applyPart(s, own, seq, db.own(), r, part)
					touched = append(touched, part.Partition)
				}
			}
		}
		s.head = seq
		return s
	})
	db.flusher.added(s, touched)
}
