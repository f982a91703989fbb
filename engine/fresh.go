package engine

import (
	"context"
	"errors"
	"time"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
)

// fresh waits until what we know of other nodes is as new as a statement needs.
func (db *DB) fresh(ctx context.Context) error {
	if db.cluster == nil {
		return nil
	}
	relaxed := relaxed(store.ReadConsistency(ctx))
	latest := reading.From(ctx).Latest
	if latest && !relaxed {
		if err := db.cluster.asks.all(ctx); err != nil {
			return err
		}
	}
	since := time.Now()
	if !latest && db.cluster.members.leased() {
		since = since.Add(-db.cluster.opt.Staleness)
	}
	if !relaxed {
		return db.cluster.follower.wait(ctx, since)
	}
	// What we have is what a replica that lags may have: no more than a moment is
	// spent on something newer.
	moment, cancel := context.WithTimeout(ctx, db.cluster.opt.Staleness)
	defer cancel()
	if err := db.cluster.follower.wait(moment, since); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// relaxed says whether a level of consistency does with one replica.
func relaxed(level string) bool { return level == "ONE" || level == "LOCAL_ONE" }

var (
	// errBehind is why a round is not up to date that has not read all there is.
	errBehind = pgerr.New(pgerr.OutOfMemory, "other nodes have more rows that are not in chunks yet than this node has memory for").
			WithHint("Try again in a moment, or raise memory.buffers_mib.")
	// errDefining is why a round ended early that could not read the catalogue.
	errDefining = pgerr.New(pgerr.CannotConnectNow, "a change of the catalogue by this node is not decided yet").WithHint("Try again in a moment.")
	// errCommitting is why a round ended early that may have met what builds on a commit
	// of ours.
	errCommitting = pgerr.New(pgerr.CannotConnectNow, "a commit of this node is in the cluster and not confirmed yet").WithHint("Try again in a moment.")
	// errTaken is what a round ends with that finds our log taken over.
	errTaken = pgerr.New(pgerr.CannotConnectNow, "another node has taken over from this one, which begins anew").WithHint("Try again in a moment.")
)

// passes says whether the next round may go well without anybody's doing.
func passes(err error) bool {
	return errors.Is(err, errBehind) || errors.Is(err, errTaken) || errors.Is(err, errDefining) || errors.Is(err, errCommitting)
}

// wait returns once a round that began at since or later has ended well. It fails
// if one fails that began after the call, but gives those time that say that they
// only need some. Who has waited for long takes the failure of one that was under
// way at the call: without a quorum a round takes all that its requests may take,
// and a statement should not wait for two.
func (f *follower) wait(ctx context.Context, since time.Time) error {
	called := time.Now()
	for {
		f.mu.Lock()
		began, tried, done, ended, err := f.began, f.tried, f.done, f.ended, f.err
		f.mu.Unlock()
		if !began.Before(since) {
			return nil
		}
		if lost := f.c.members.failed(); lost != nil {
			return lost
		}
		long := time.Since(called) > f.c.opt.Insist
		if err != nil && (!tried.Before(called) || long && !done.Before(called)) {
			if !passes(err) || long {
				return err
			}
		}
		poke(f.wake)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.c.running.Done(): // there are no more rounds
			return errClosed
		case <-ended:
		}
	}
}
