package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// What the committer does in a cluster, where its log can be sealed by others, and
// where the store may be out of reach for a while: that ends by itself, and until
// then the outcome of an append may be unknown.

// errUndecided says that the place of an append is not filled, as far as is known.
var errUndecided = errors.New("engine: the outcome of an append is not known yet")

// insistWait is the first pause between tries; it is doubled up to a second.
const insistWait = 10 * time.Millisecond

// insist repeats an append that failed until its place is filled, by it or by a
// seal; then its outcome is certain. When ctx ends it gives up with errUndecided.
func (c *committer) insist(ctx context.Context, data []byte, failure error) error {
	if errors.Is(failure, store.ErrConflict) && c.open == nil {
		c.sealed = true
		return errSealed
	}
	for pause := insistWait; ; pause = min(2*pause, time.Second) {
		if errors.Is(failure, store.ErrConflict) {
			var err error
			if err = c.placed(ctx, data); err == nil || c.sealed {
				return err
			}
			failure = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(errUndecided, failure)
		case <-time.After(pause):
		}
		if failure = c.db.store.Append(ctx, c.log, c.next, data); failure == nil {
			return nil
		}
	}
}

// placed returns nil if an append that was tried more than once has its place. If
// something else has it, or that is not to be known any more, our log is sealed.
func (c *committer) placed(ctx context.Context, data []byte) error {
	for e, err := range c.db.store.Read(ctx, c.log, c.next) {
		switch {
		case errors.Is(err, store.ErrTrimmed):
			return c.forgotten()
		case err != nil:
			return err
		case e.Seq == c.next && bytes.Equal(e.Data, data): // their random IDs make records differ
			return nil
		}
		c.sealed = true
		return errSealed
	}
	logs, err := c.db.store.List(ctx, store.SourceLog)
	if err == nil && !slices.Contains(logs, c.log) {
		return c.forgotten()
	}
	return errors.Join(errors.New("the log moved on, but its entry cannot be read yet"), err)
}

// forgotten is for an append whose log was taken over, written to chunks and
// dropped before its outcome could be seen.
func (c *committer) forgotten() error {
	c.sealed = true
	return outcomeUnknown(errors.New("another node has taken over from this one, which was not heard of for too long"))
}

// outcomeUnknown is what the client of an append hears that is not decided yet.
func outcomeUnknown(err error) error {
	e := pgerr.New(pgerr.OutcomeUnknown, "the outcome of a commit is unknown: %v", err).
		WithHint("See whether the rows are there once the cluster answers again.")
	e.Cause = err
	return e
}

// retryOpen is how often a commit whose outcome is unknown is tried again.
const retryOpen = time.Second

// again has the committer go on with what it could not settle.
func (c *committer) again() {
	time.AfterFunc(retryOpen, func() { poke(c.wake) })
}

// leaveOpen is for a group of which the outcome is unknown: decide finds it out, and
// what its transactions have locked and claimed stays so until then, for it may be
// that they commit.
func (c *committer) leaveOpen(group []*commitRequest, decide func() error) {
	for _, r := range group {
		r.open = true
	}
	c.open, c.undecided = decide, group
	c.again()
}

// settled ends what leaveOpen began.
func (c *committer) settled() {
	for _, r := range c.undecided {
		r.release()
	}
	c.open, c.undecided = nil, nil
}

// landed notes that every entry of our log of which that is certain is in the state.
func (c *committer) landed() {
	if c.open != nil {
		return
	}
	c.flying.Store(0)
	if c.stamped.Swap(0) > 0 { // of what was not made
		c.db.publish((*state).clone)
	}
}

// lostLog says whether our log has been taken over.
func (c *committer) lostLog() bool {
	return c.db.cluster != nil && (c.sealed || c.db.cluster.taken.Load())
}

// ready settles what earlier commits left before anything else is written: one
// whose outcome is unknown, or a log that was taken over.
func (c *committer) ready(group []*commitRequest) error {
	if c.open != nil {
		err := c.open()
		if errors.Is(err, errUndecided) {
			c.again()
			return errSilent(err)
		}
		if err != nil && !errors.Is(err, errSealed) {
			c.db.opt.Logger.Warn("a commit whose outcome was unknown was not made", slog.String("error", err.Error()))
		}
		c.settled()
		c.landed()
	}
	if c.lostLog() {
		if err := c.db.cluster.rejoin(context.Background()); err != nil {
			c.again()
			return err
		}
		c.log, c.next, c.sealed = sourceLog(c.db.own()), firstCommit, false
	}
	var unseen []*commitRequest
	for _, r := range group {
		if r.record != nil {
			unseen = append(unseen, r)
		}
	}
	return c.db.cluster.meet(unseen)
}

// errSilent is what transactions hear that wait for an append before theirs.
func errSilent(err error) error {
	e := pgerr.New(pgerr.CannotConnectNow, "the cluster does not answer: %v", err).
		WithDetail("Nothing of this transaction was written.").WithHint("Try the transaction again.")
	e.Cause = err
	return e
}

// maxStagedAge is how long a chunk may wait for its transaction to commit: those
// that are older than sweepAge and in no log are swept.
const (
	maxStagedAge = 12 * time.Hour
	sweepAge     = 24 * time.Hour
)

// checkShared says why a transaction cannot commit that other nodes got in the
// way of.
func (c *committer) checkShared(r *commitRequest, s *state) error {
	if r.claimedAs != (commitlog.Source{}) && r.claimedAs != c.db.own() {
		return errSealed
	}
	if r.record == nil {
		return nil
	}
	for i := range r.record.Parts {
		p := &r.record.Parts[i]
		def := r.definition(s, p.Partition.Table)
		if def == nil {
			return pgerr.New(pgerr.SerializationFailure, "another node has changed or dropped a table that the transaction wrote to").
				WithHint("Try the transaction again.")
		}
		if err := checkNulls(def, p); err != nil {
			return err
		}
		for _, e := range p.Staged {
			if e.ID.Time().Before(c.db.opt.Now().Add(-maxStagedAge)) {
				return pgerr.New(pgerr.ProgramLimitExceeded, "the transaction began to write more than %v ago", maxStagedAge)
			}
		}
	}
	return nil
}

// definition returns that of a storage's table as it is once the transaction has
// committed, nil if there is no such table.
func (r *commitRequest) definition(s *state, storage datum.OID) (def *schema.Table) {
	if st := s.storages[storage]; st != nil {
		def = st.info.def
	}
	for _, ch := range r.changes {
		if ch.PutTable != nil && ch.PutTable.Storage == storage {
			def = ch.PutTable
		}
	}
	return def
}

// meet makes sure that partitions which transactions write to for the first time
// are in the state, with all that their commit logs tell of other nodes.
func (c *cluster) meet(group []*commitRequest) error {
	s := c.db.current.Load()
	f := c.follower
	var fresh []chunk.PartitionID
	for _, r := range group {
		for i := range r.record.Parts {
			id := r.record.Parts[i].Partition
			st := s.storages[id.Table]
			if st == nil || st.part(id.Key) != nil {
				continue
			}
			if _, err := c.db.ensurePartition(context.Background(), id); err != nil {
				return err
			}
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return f.add(context.Background(), fresh...)
}

var errSealed = pgerr.New(pgerr.SerializationFailure, "another node has taken over from this one, which was not heard of for too long").
	WithDetail("Nothing of this transaction was written.").WithHint("Try the transaction again.")
