package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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
	bytes  int64          // of its rows
	// changes are of the catalogue, made of its entry catalogueSeq-1.
	changes      []schema.Change
	catalogueSeq uint64
	// check looks whether what the transaction read still holds.
	check func(s *state) error
	done  chan error // gets one value
}

// A committer appends transactions to this process's source log, one group at a
// time, and publishes them in the order of the log. What waits while a group is
// being written becomes the next group.
type committer struct {
	db     *DB
	source commitlog.Source
	log    store.LogID
	next   uint64 // source position of the next entry; the goroutine's

	mu     sync.Mutex // guards the fields below
	queue  []*commitRequest
	closed bool
	failed error // no commit is possible any more

	wake chan struct{} // of one token
	done chan struct{}
}

func newCommitter(db *DB, src commitlog.Source) *committer {
	return &committer{db: db, source: src, log: store.LogID{Kind: store.SourceLog, Key: src.String()},
		next: 1, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// commit makes a transaction durable and visible. Once it has been handed over
// it is not cut short by ctx, for its outcome must be known.
func (c *committer) commit(r *commitRequest) error {
	r.done = make(chan error, 1)
	c.mu.Lock()
	if c.closed || c.failed != nil {
		err := c.failed
		c.mu.Unlock()
		if err == nil {
			err = errClosed
		}
		return err
	}
	c.queue = append(c.queue, r)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return <-r.done
}

// close waits for the transactions handed over and ends the committer.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	<-c.done
}

func (c *committer) run() {
	defer close(c.done)
	for {
		group, more := c.group()
		if len(group) > 0 {
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

// group takes the next transactions from the queue. One that changes the
// catalogue is alone.
func (c *committer) group() (group []*commitRequest, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := int64(0)
	n := 0
	for ; n < len(c.queue); n++ {
		r := c.queue[n]
		if n > 0 && (r.changes != nil || size+r.bytes > maxGroupBytes) {
			break
		}
		size += r.bytes
		if r.changes != nil {
			n++
			break
		}
	}
	group = append(group, c.queue[:n]...)
	clear(c.queue[:n])
	c.queue = c.queue[n:]
	return group, len(c.queue) > 0
}

func (c *committer) write(group []*commitRequest) {
	live := group[:0]
	for _, r := range group {
		if r.check != nil {
			if err := r.check(c.db.current.Load()); err != nil {
				r.done <- err
				continue
			}
		}
		live = append(live, r)
	}
	if len(live) == 0 {
		return
	}
	err := c.writeChecked(live)
	for _, r := range live {
		r.done <- err
	}
}

func (c *committer) writeChecked(group []*commitRequest) error {
	if group[0].changes != nil {
		return c.writeDefinition(group[0])
	}
	records := make([]*ingest.Record, len(group))
	for i, r := range group {
		c.stamp(r.record)
		records[i] = r.record
	}
	seq, err := c.append(records)
	if err != nil {
		return err
	}
	c.db.metrics.commits.Add(float64(len(group)))
	return c.db.applyRecords(seq, c.source, records)
}

// stamp gives a transaction its row versions.
func (c *committer) stamp(r *ingest.Record) {
	r.Version = c.db.clock.Take(r.Versions)
	stampStaged(r)
}

// stampStaged gives staged chunks the versions that their record took for
// them: in the order of staging, all before that of the rows.
func stampStaged(r *ingest.Record) {
	for i := range r.Parts {
		for j, e := range r.Parts[i].Staged {
			v := *e
			v.VersionMin, v.VersionMax = uint64(r.Version)+uint64(j), uint64(r.Version)+uint64(j)
			r.Parts[i].Staged[j] = &v
		}
	}
}

// append writes one entry and returns its position.
func (c *committer) append(records []*ingest.Record) (uint64, error) {
	data, err := ingest.AppendRecords(nil, records)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	err = c.db.store.Append(ctx, c.log, c.next, data)
	if err != nil {
		if err = c.settle(ctx, data, err); err != nil {
			return 0, err
		}
	}
	c.next++
	return c.next - 1, nil
}

// settle finds out what became of an append that failed. If that is not to be
// known, no later one may follow on it.
func (c *committer) settle(ctx context.Context, data []byte, failure error) error {
	head, err := c.db.store.Head(ctx, c.log)
	if err != nil {
		return c.fail(errors.Join(failure, err))
	}
	if head < c.next {
		return failure
	}
	for e, err := range c.db.store.Read(ctx, c.log, c.next) {
		if err != nil {
			return c.fail(errors.Join(failure, err))
		}
		if head == c.next && bytes.Equal(e.Data, data) {
			return nil
		}
		break
	}
	// Somebody sealed our log: another process has taken over.
	return c.fail(pgerr.New(pgerr.CannotConnectNow, "another process has taken over the source log %s", c.source))
}

// fail ends all commits for good.
func (c *committer) fail(err error) error {
	e := pgerr.New(pgerr.OutcomeUnknown, "the outcome of a commit is unknown: %v", err).
		WithHint("Restart the server; then see whether the rows are there.")
	e.Cause = err
	c.mu.Lock()
	c.failed = e
	c.mu.Unlock()
	c.db.opt.Logger.Error("no more commits", slog.String("error", err.Error()))
	return e
}

// writeDefinition commits a transaction that changes the catalogue. The
// catalogue's entry is the commit point: the record of its rows, written before,
// counts only if that entry is this transaction's.
func (c *committer) writeDefinition(r *commitRequest) error {
	ctx := context.Background()
	entry := catalogueEntry{Changes: r.changes}
	var seq uint64
	if r.record != nil {
		entry.ID = r.record.ID
		r.record.Condition = &ingest.Condition{Seq: r.catalogueSeq}
		c.stamp(r.record)
		var err error
		c.db.catalogue.need(sourcePosition{c.source, c.next}, r.catalogueSeq)
		if seq, err = c.append([]*ingest.Record{r.record}); err != nil {
			return err
		}
	} else {
		entry.ID = newTxnID()
	}
	// From here on the position seq is taken, whether the record counts or not.
	next, err := c.db.catalogue.append(ctx, r.catalogueSeq, entry)
	if err != nil {
		if errors.Is(err, errCatalogueUnknown) {
			return c.fail(err)
		}
		if seq > 0 {
			c.db.publish(func(s *state) *state { s = s.clone(); s.head = seq; return s })
		}
		return err
	}
	var gone []*storageState
	var applyErr error
	c.db.publish(func(s *state) *state {
		out, went, err := s.withCatalog(c.db, next)
		if err != nil {
			applyErr = err
			return s
		}
		gone = went
		return out
	})
	if applyErr != nil {
		// The catalogue was checked before it was appended.
		panic(fmt.Sprintf("engine: bug: catalogue entry %d does not apply: %v", r.catalogueSeq, applyErr))
	}
	c.db.reclaimStorages(gone)
	if seq > 0 {
		return c.db.applyRecords(seq, c.source, []*ingest.Record{r.record})
	}
	return nil
}

// applyRecords publishes records that are durable at a source position. They are
// ours or were read back, so that a failure is a bug: the log says that these
// rows are there.
func (db *DB) applyRecords(seq uint64, src commitlog.Source, records []*ingest.Record) error {
	for _, r := range records {
		for _, p := range r.Parts {
			if _, err := db.ensurePartition(p.Partition); err != nil {
				panic(fmt.Sprintf("engine: partition of a durable record: %v", err))
			}
		}
	}
	var touched []chunk.PartitionID
	s := db.publish(func(s *state) *state {
		s = s.clone()
		own := map[datum.OID]bool{}
		for _, r := range records {
			for i := range r.Parts {
				if db.applyPart(s, own, seq, src, r, &r.Parts[i]) {
					touched = append(touched, r.Parts[i].Partition)
				}
			}
			s.clock = max(s.clock, r.Version+int64(r.Versions)-1)
		}
		if src == db.committer.source {
			s.head = seq
		}
		return s
	})
	db.flusher.added(s, touched)
	return nil
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
	d := old.pending
	before := d.bytes()
	if p.Rows != nil {
		l := st.info.layout
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
	if src != db.committer.source {
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
