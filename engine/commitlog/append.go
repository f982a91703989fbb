package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Commit appends c and returns a state that has it. If others have appended
// meanwhile it reads that, checks the preconditions again and tries the next
// sequence number. A commit whose ID is in the log already is done. If enough
// commits have been made since the last checkpoint it writes one.
//
// After an error that wraps ErrPrecondition c is not in the log and never will
// be; after ErrUnknown (40003) it may be, now or later; after any other error it
// is not, and may be committed again. ctx and Options.Retries bound the time.
func (l *Log) Commit(ctx context.Context, c *Commit) (*Manifest, error) {
	l.complete(c)
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Kind == Checkpoint {
		return nil, malformed("checkpoints are made by Checkpoint, which writes them first")
	}
	m, err := l.commit(ctx, c)
	if err != nil {
		return nil, err
	}
	return l.checkpointIfDue(ctx, m), nil
}

// complete gives a commit an ID and a time, for good.
func (l *Log) complete(c *Commit) {
	if c.ID == (CommitID{}) {
		c.ID = NewCommitID()
	}
	if c.Time.IsZero() {
		c.Time = l.opt.Now()
	}
}

func (l *Log) commit(ctx context.Context, c *Commit) (*Manifest, error) {
	if err := l.writing.take(ctx); err != nil {
		return nil, l.giveUp(c, err)
	}
	defer l.writing.give()
	a := attempt{log: l, commit: c}
	for failures := 0; ; {
		m, done, err := a.step(ctx)
		if done {
			return m, err
		}
		if err == nil {
			continue
		}
		failures++
		if failures > l.opt.Retries || ctx.Err() != nil || hopeless(err) {
			return nil, l.giveUp(c, err)
		}
		if werr := l.opt.Wait(ctx, backoff(failures)); werr != nil {
			return nil, l.giveUp(c, fmt.Errorf("%w, after: %w", werr, err))
		}
	}
}

// attempt is a commit on its way into the log.
type attempt struct {
	log      *Log
	commit   *Commit
	caughtUp bool // the manifest is not older than the call

	record []byte // of the last append
	seq    uint64 // its sequence number
}

// step appends once, or reads what the log has. It returns done with the final
// answer; else the error, if any, of a call to the store that may be repeated.
func (a *attempt) step(ctx context.Context) (m *Manifest, done bool, err error) {
	l, c := a.log, a.commit
	m = l.Manifest()
	known, err := l.known(ctx, m, c)
	if err != nil {
		return nil, false, err
	}
	if known {
		return m, true, nil
	}
	if l.lost(m, c) {
		return nil, true, unknown(c, errors.New("the entry at its place is gone"))
	}
	if c.Kind == Checkpoint && c.anchor != m.base {
		return nil, true, unmet(CheckpointNewer, "checkpoint %d has the pages of %v, %v is in use", c.Base, c.anchor, m.base)
	}
	next, err := m.Apply(ctx, m.seq+1, c)
	switch {
	case err == nil:
		err = a.append(ctx, next)
		if err == nil {
			l.publish(next)
			return next, true, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, false, err
		}
	case errors.Is(err, errPage):
		if a.caughtUp && m.anchor == m.base {
			return nil, false, err
		} // else the pages of a later checkpoint may serve
	case a.caughtUp || !errors.Is(err, ErrPrecondition):
		return nil, true, err
	}
	// The manifest is old.
	if rerr := l.catchUp(ctx); rerr != nil {
		return nil, false, rerr
	}
	a.caughtUp = true
	if errors.Is(err, errPage) && l.Manifest() == m {
		return nil, false, err
	}
	if errors.Is(err, store.ErrConflict) && l.Manifest().seq == m.seq {
		return nil, false, err // the log holds nothing, and takes nothing
	}
	return nil, false, nil
}

// append tries to make the commit the entry that next ends with. A repetition
// at the same sequence number is of the same bytes.
func (a *attempt) append(ctx context.Context, next *Manifest) error {
	l, c := a.log, a.commit
	if a.seq != next.seq {
		a.record, a.seq = appendRecord(nil, l.id, next.seq, next.base, c), next.seq
	}
	before := l.doubt(c.ID, next.seq)
	err := l.st.Append(ctx, l.id, next.seq, a.record)
	if err == nil || errors.Is(err, store.ErrConflict) && !before {
		l.clear(c.ID) // it is certain what became of it
	}
	return wrapLog(l.part, err)
}

// hopeless tells whether a repetition would fail in the same way.
func hopeless(err error) bool {
	if errors.Is(err, fs.ErrClosed) {
		return true
	}
	switch pgerr.Code(err) {
	case pgerr.DataCorrupted, pgerr.ProgramLimitExceeded, pgerr.ReadOnlyTransaction:
		return true
	}
	return false
}

// giveUp returns the error for a commit that is not followed any more.
func (l *Log) giveUp(c *Commit, err error) error {
	l.mu.Lock()
	_, open := l.doubts[c.ID]
	l.mu.Unlock()
	if open {
		return unknown(c, err)
	}
	return fmt.Errorf("%v commit %v was not made: %w", c.Kind, c.ID, err)
}

// unknown returns a 40003 error that wraps ErrUnknown and err.
func unknown(c *Commit, err error) error {
	e := pgerr.New(pgerr.OutcomeUnknown, "it is not known whether %v commit %v was made: %v", c.Kind, c.ID, err)
	e.Cause = fmt.Errorf("%w: %w", ErrUnknown, err)
	return e
}

// A doubt is an append whose outcome is not known. It is void if another entry
// has its place, so only the last append of a commit counts.
type doubt struct {
	seq       uint64
	committed bool // it was found in the log
}

// maxDoubts bounds the commits that a log keeps in mind because nobody came
// back for them; the oldest go first.
const maxDoubts = 256

// doubt notes that a commit is about to be appended, and tells whether the
// outcome of an earlier append of it at the same place is open.
func (l *Log) doubt(id CommitID, seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.doubts[id]
	if ok && d.seq == seq {
		return true
	}
	if !ok && len(l.doubts) >= maxDoubts {
		oldest, least := CommitID{}, uint64(math.MaxUint64)
		for id, d := range l.doubts {
			if d.seq < least {
				oldest, least = id, d.seq
			}
		}
		delete(l.doubts, oldest)
	}
	l.doubts[id] = doubt{seq: seq}
	return false
}

func (l *Log) clear(id CommitID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.doubts, id)
}

// settle decides the doubts that m decides; l.mu is held.
func (l *Log) settle(m *Manifest) {
	for id, d := range l.doubts {
		if d.committed || !m.remembers(d.seq) {
			continue
		}
		if d.committed = m.Recent(id); d.committed {
			l.doubts[id] = d
		} else {
			delete(l.doubts, id)
		}
	}
}

// known tells whether a commit is in the log: by its ID or, if it was in doubt, by
// what only it can have added.
func (l *Log) known(ctx context.Context, m *Manifest, c *Commit) (bool, error) {
	if m.Recent(c.ID) {
		return true, nil
	}
	l.mu.Lock()
	d, ok := l.doubts[c.ID]
	l.mu.Unlock()
	if !ok || d.seq > m.seq {
		return false, nil
	}
	if d.committed {
		return true, nil
	}
	for _, e := range c.Adds {
		if there, err := m.knows(ctx, e.ID); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// lost tells whether the place of a commit in doubt is so far back that the
// log does not remember which commit has it. A flush whose positions are not folded in
// was not made, for sure.
func (l *Log) lost(m *Manifest, c *Commit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.doubts[c.ID]
	return ok && d.seq <= m.seq && !m.remembers(d.seq) && (c.Kind != Flush || m.Has(c))
}
