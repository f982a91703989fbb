package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/phyllodb/phyllo/internal/schema"
)

// maxGroupBytes bounds the rows that share one entry of the source log; a
// larger transaction has an entry of its own.
const maxGroupBytes = 8 << 20

// A commitRequest is a transaction on its way into the log.
type commitRequest struct {
	record *ingest.Record // nil: no rows
	// parts are what the record is of; those of gone are not in it, for the
	// transaction removed their tables.
	parts map[chunk.PartitionID]*ownPart
	gone  []chunk.PartitionID
	bytes int64 // of its rows
	// changes are of the catalogue, made of its entry catalogueSeq-1.
	changes      []schema.Change
	catalogueSeq uint64
	// claimedAs is what our source was when the transaction took its claims.
	claimedAs commitlog.Source
	alone     bool // one of them is not only shared
	// check looks whether what the transaction read still holds, with those that
	// go before it in its group.
	check func(s *state, before []*commitRequest) error
	// release lets go of what the transaction has locked and claimed. It is for
	// the committer to call if open, because the outcome was unknown, else for the
	// transaction.
	release func()
	open    bool
	done    chan error // gets one value
}

// A committer appends transactions to this process's source log, one group at a
// time, and publishes them in the order of the log. What waits while a group is
// being written becomes the next group.
type committer struct {
	db   *DB
	log  store.LogID
	next uint64 // source position of the next entry; the goroutine's
	// open, if not nil, is to be done before anything else is appended: it finds
	// out what became of a commit of which that was unknown. In a cluster only.
	open func() error
	// undecided are the requests that open is of.
	undecided []*commitRequest
	// flying is the source position of an entry that may be in the log and is not in
	// the state yet; 0: none is. For others: the follower.
	flying atomic.Uint64
	// stamped is a row version that those of that entry are not below, and all before are;
	// 0: there is none.
	stamped atomic.Int64
	// sealed says that our log has been taken over; in a cluster only.
	sealed bool
	// stuck says that the journal could not be forwarded the last time.
	stuck bool

	mu     sync.Mutex // guards the fields below
	queue  []*commitRequest
	closed bool
	failed error // why no commit is possible any more

	wake chan struct{} // of one token
	done chan struct{}
}

func newCommitter(db *DB) *committer {
	return &committer{db: db, log: sourceLog(db.own()), next: 1, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// commit makes a transaction durable and visible. Once it has been handed over
// it is not cut short by ctx, for its outcome must be known.
func (c *committer) commit(r *commitRequest) error {
	r.done = make(chan error, 1)
	c.mu.Lock()
	if err := c.refusal(); err != nil {
		c.mu.Unlock()
		return err
	}
	if j := c.db.journal(); j == nil || !j.take(r) {
		c.queue = append(c.queue, r)
	}
	c.mu.Unlock()
	poke(c.wake)
	return <-r.done
}

// close waits for the transactions handed over and ends the committer.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	poke(c.wake)
	<-c.done
}

func (c *committer) run() {
	defer close(c.done)
	defer c.settled() // what is open then is decided by who takes over
	for {
		group, more := c.group()
		if len(group) > 0 || c.open != nil || c.lostLog() || c.db.journal().isDue() {
			c.write(group)
		}
		if more {
			continue
		}
		c.mu.Lock()
		over := c.closed && len(c.queue) == 0
		c.mu.Unlock()
		if over {
			return
		}
		<-c.wake
	}
}

// group takes the next transactions from the queue.
func (c *committer) group() (group []*commitRequest, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	group = nextGroup(&c.queue)
	return group, len(c.queue) > 0
}

// nextGroup takes from a queue the transactions that share the next entry of a log.
// One that changes the catalogue is alone.
func nextGroup(queue *[]*commitRequest) []*commitRequest {
	n, size := 0, int64(0)
	for _, r := range *queue {
		if n > 0 && (r.changes != nil || size+r.bytes > maxGroupBytes) {
			break
		}
		n, size = n+1, size+r.bytes
		if r.changes != nil {
			break
		}
	}
	group := slices.Clone((*queue)[:n])
	clear((*queue)[:n])
	*queue = (*queue)[n:]
	return group
}

// write commits a group and answers each of its requests.
func (c *committer) write(group []*commitRequest) {
	defer c.landed()
	if err := c.stopped(); err != nil {
		answer(group, err)
		return
	}
	if c.db.cluster != nil {
		if err := c.ready(group); err != nil {
			answer(group, err)
			return
		}
	}
	if j := c.db.journal(); j != nil {
		// Most of it, while transactions go on committing to the journal; then, for the
		// group comes after all of it, what came meanwhile.
		err := c.forward(j)
		if err == nil && len(group) > 0 {
			j.gate.Lock()
			defer j.gate.Unlock()
			err = c.forward(j)
		}
		if err != nil {
			answer(group, errSilent(err))
			return
		}
	}
	live := group[:0]
	for _, r := range group {
		if err := c.check(r, live); err != nil {
			r.done <- err
			continue
		}
		if r.record == nil && r.changes == nil { // only to be behind the journal
			r.done <- nil
			continue
		}
		live = append(live, r)
	}
	if len(live) == 0 {
		return
	}
	if live[0].changes != nil {
		answer(live, c.writeDefinition(live[0]))
		return
	}
	c.writeRows(live)
}

// check says why a transaction cannot commit, if those before it do.
func (c *committer) check(r *commitRequest, before []*commitRequest) error {
	s := c.db.current.Load()
	if c.db.cluster != nil {
		if err := c.checkShared(r, s); err != nil {
			return err
		}
	}
	if r.check == nil {
		return nil
	}
	return r.check(s, before)
}

func answer(group []*commitRequest, err error) {
	for _, r := range group {
		r.done <- err
	}
}

// writeRows commits transactions that only wrote rows.
func (c *committer) writeRows(group []*commitRequest) {
	c.stamped.Store(c.db.clock.Last() + 1)
	data, group := c.encode(group)
	if len(group) == 0 {
		return
	}
	made := records(group)
	seq, err := c.append(data)
	if errors.Is(err, errUndecided) {
		c.leaveOpen(group, func() error {
			seq, err := c.append(data)
			if err == nil {
				c.db.apply(seq, c.db.own(), made, nil)
			}
			return err
		})
		err = outcomeUnknown(err)
	}
	if err == nil {
		c.db.metrics.commits.Add(float64(len(group)))
		c.db.apply(seq, c.db.own(), made, nil)
	}
	answer(group, err)
}

func records(group []*commitRequest) []*ingest.Record {
	out := make([]*ingest.Record, len(group))
	for i, r := range group {
		out[i] = r.record
	}
	return out
}

// encode makes one entry of a group and returns it with the requests that are in
// it. Those whose rows cannot be stored, such as texts that are not UTF-8, are
// answered and left out.
func (c *committer) encode(group []*commitRequest) ([]byte, []*commitRequest) {
	for _, r := range group {
		c.stamp(r.record)
	}
	data, err := ingest.AppendRecords(nil, records(group))
	if err == nil {
		return data, group
	}
	good := make([]*commitRequest, 0, len(group))
	for _, r := range group {
		if _, err := ingest.AppendRecords(nil, []*ingest.Record{r.record}); err != nil {
			r.done <- err
			continue
		}
		good = append(good, r)
	}
	switch len(good) {
	case 0:
		return nil, nil
	case len(group): // each fits, all do not
		answer(group, err)
		return nil, nil
	}
	return c.encode(good)
}

// stamp gives a transaction its row versions.
func (c *committer) stamp(r *ingest.Record) {
	before := r.Version // if it is stamped a second time
	r.Version = c.db.clock.Take(r.Versions)
	stampStaged(r, uint64(before))
}

// stampStaged gives staged chunks the versions that their record took for
// them: in the order of staging, all before that of the rows. before is the version of
// an earlier stamp, 0 if there was none.
func stampStaged(r *ingest.Record, before uint64) {
	for i := range r.Parts {
		for j, e := range r.Parts[i].Staged {
			stage := uint64(j)
			switch {
			case e.VersionMin >= ownStagedVersion:
				stage = e.VersionMin - ownStagedVersion
			case before > 0:
				stage = e.VersionMin - before
			}
			v := *e
			v.VersionMin, v.VersionMax = uint64(r.Version)+stage, uint64(r.Version)+stage
			v.Schema = min(v.Schema, r.Schema) // ALTER TABLE may have been undone since
			if r.Parts[i].History {
				v.Together = []chunk.VersionRange{{First: uint64(r.Version), Last: uint64(r.Version) + uint64(r.Versions) - 1}}
			}
			r.Parts[i].Staged[j] = &v
		}
	}
}

// append writes one entry and returns its position.
func (c *committer) append(data []byte) (uint64, error) {
	ctx := context.Background()
	if c.db.cluster != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, c.db.cluster.opt.Insist)
		defer cancel()
	}
	c.flying.Store(c.next)
	err := c.db.store.Append(ctx, c.log, c.next, data)
	if err != nil && c.db.cluster != nil {
		err = c.insist(ctx, data, err)
	} else if err != nil {
		err = c.settle(ctx, data, err)
	}
	if err != nil {
		return 0, err
	}
	c.next++
	return c.next - 1, nil
}

// settle finds out what became of an append that failed. If that is not to be
// known, no later one may follow on it.
func (c *committer) settle(ctx context.Context, data []byte, failure error) error {
	head, err := c.db.store.Head(ctx, c.log)
	if err != nil {
		return c.unknown(errors.Join(failure, err))
	}
	if head < c.next {
		return failure
	}
	for e, err := range c.db.store.Read(ctx, c.log, c.next) {
		if err != nil {
			return c.unknown(errors.Join(failure, err))
		}
		if e.Seq == c.next && bytes.Equal(e.Data, data) {
			return nil
		}
		break
	}
	// Somebody sealed our log, and his entry has the place of ours.
	return c.stop(pgerr.New(pgerr.CannotConnectNow, "another process has taken over the source log %s", c.db.own()))
}

// unknown ends all commits for good: nobody knows what became of one.
func (c *committer) unknown(err error) error {
	c.stop(pgerr.New(pgerr.CannotConnectNow, "no transaction can commit any more, since the outcome of one is unknown").
		WithDetail("%v", err).WithHint("Restart the server."))
	e := pgerr.New(pgerr.OutcomeUnknown, "the outcome of a commit is unknown: %v", err).
		WithHint("Restart the server; then see whether the rows are there.")
	e.Cause = err
	return e
}

// stop ends all commits for good: later ones fail with err, which it returns.
func (c *committer) stop(err error) error {
	c.mu.Lock()
	c.failed = err
	c.mu.Unlock()
	c.db.opt.Logger.Error("no more commits", slog.String("error", err.Error()))
	return err
}

// stopped returns why no commit is possible any more, nil if one is.
func (c *committer) stopped() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// refusal returns why a transaction is not taken into the queue; c.mu is held.
func (c *committer) refusal() error {
	if c.failed == nil && c.closed {
		return errClosed
	}
	return c.failed
}

// writeDefinition commits a transaction that changes the catalogue. The
// catalogue's entry is the commit point: the record of its rows, written before,
// counts only if that entry is this transaction's.
func (c *committer) writeDefinition(r *commitRequest) error {
	catalogue := c.db.catalogue
	catalogue.writing.Lock()
	entry := catalogueEntry{ID: newTxnID()}
	var rows []*ingest.Record
	var data []byte
	if r.record != nil {
		entry.ID = r.record.ID
		r.record.Condition = &ingest.Condition{Seq: r.catalogueSeq}
		c.stamped.Store(c.db.clock.Last() + 1)
		c.stamp(r.record)
		rows = []*ingest.Record{r.record}
		var err error
		if data, err = ingest.AppendRecords(nil, rows); err != nil {
			catalogue.writing.Unlock()
			return err
		}
	}
	entry.Changes = c.beginHistory(r)
	var seq uint64 // of the record, once it is there
	write := func() error {
		if data != nil && seq == 0 {
			at := sourcePosition{c.db.own(), c.next}
			catalogue.need(at, r.catalogueSeq)
			var err error
			if seq, err = c.append(data); err != nil {
				catalogue.drop(at)
				return err
			}
		}
		// From here on the position seq is taken, whether the record counts or not. Nobody
		// builds on it before the catalogue has the entry, which followers look at.
		c.flying.Store(0)
		next, err := catalogue.append(context.Background(), r.catalogueSeq, entry)
		switch {
		case err == nil:
			c.db.apply(seq, c.db.own(), rows, next)
		case errors.Is(err, errCatalogueUnknown) && c.db.cluster != nil:
			return errors.Join(errUndecided, err)
		case errors.Is(err, errCatalogueUnknown):
			return c.unknown(err)
		case seq > 0:
			c.db.apply(seq, c.db.own(), nil, nil)
		}
		return err
	}
	err := write()
	if errors.Is(err, errUndecided) {
		c.leaveOpen([]*commitRequest{r}, func() error {
			err := write()
			if !errors.Is(err, errUndecided) {
				catalogue.writing.Unlock()
			}
			return err
		})
		return outcomeUnknown(err)
	}
	catalogue.writing.Unlock()
	return err
}

// apply publishes in one step the records that are durable at a source position,
// and the catalogue that their transaction made unless it is nil; seq is 0 if
// there is a catalogue only. All of it was checked before it became durable, or
// was read back, so that a failure is a bug: the logs say that it is there.
func (db *DB) apply(seq uint64, src commitlog.Source, records []*ingest.Record, catalog *schema.Catalog) {
	for _, r := range records {
		for _, p := range r.Parts {
			if _, err := db.ensurePartition(context.Background(), p.Partition); err != nil {
				panic(fmt.Sprintf("engine: partition of a durable record: %v", err))
			}
		}
	}
	var touched []chunk.PartitionID
	var gone []*storageState
	s := db.publish(func(old *state) *state {
		s := old.clone()
		if catalog != nil {
			var err error
			if s, gone, err = s.withCatalog(db, catalog); err != nil {
				panic(fmt.Sprintf("engine: bug: catalogue entry %d does not apply: %v", catalog.Seq, err))
			}
			db.relayout(s, old)
		}
		own := map[datum.OID]bool{}
		for _, r := range records {
			for i := range r.Parts {
				if db.applyPart(s, own, seq, src, r, &r.Parts[i]) {
					touched = append(touched, r.Parts[i].Partition)
				}
			}
			s.clock = max(s.clock, r.Version+int64(r.Versions)-1)
		}
		if seq > 0 && src == db.own() {
			db.committer.stamped.Store(0)
			s.head = seq
		}
		return s
	})
	db.reclaimStorages(s.number, gone)
	db.flusher.added(s, touched)
}

// applyPart adds a part of a record to a state under construction. It reports
// false if the part's table is gone.
func (db *DB) applyPart(s *state, own map[datum.OID]bool, seq uint64, src commitlog.Source, r *ingest.Record, p *ingest.Part) bool {
	st := s.storage(p.Partition.Table, own)
	if st == nil {
		return false
	}
	old := st.part(p.Partition.Key)
	if old == nil {
		old = db.newPartState(p.Partition)
	}
	if marksRows(p) {
		st.changed = max(st.changed, r.Version+int64(r.Versions)-1)
	}
	d := old.pending
	before := d.bytes()
	if p.Rows != nil {
		l := st.info.of(p.Partition.Key).layout
		rows, err := ingest.Conform(db.mem, l, p.Columns, p.Rows, r.Version+int64(r.Versions)-1)
		if err == nil {
			d, err = d.add(db.mem, l, rows)
			rows.Release()
		}
		if err != nil {
			panic(fmt.Sprintf("engine: rows of a durable record of table %s: %v", st.info.name(), err))
		}
	}
	if len(p.Staged) > 0 {
		d = d.attach(p.Staged)
	}
	c := *d
	if old.pending.empty() {
		c.since = db.opt.Now()
	}
	if src != db.own() {
		c.replayed = true
	} else if c.first == 0 {
		c.first = seq
	}
	d = &c
	db.buffered.Add(d.bytes() - before)
	next := *old
	next.pending = d
	st.put(&next)
	return true
}
