package cassandra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// maxEntryBytes bounds an entry: what a transaction's record may have, and
// something for its frame.
const maxEntryBytes = 64<<20 + 64<<10

// Append implements store.Logs. An append whose outcome is unknown, because an
// answer was lost or a server was slow, is repeated as it is until its place is
// filled, by itself or by another, or until Options.AppendTimeout or ctx ends.
// Only then is the error one of unknown outcome (40003).
func (s *Store) Append(ctx context.Context, id store.LogID, seq uint64, data []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := checkKind(id); err != nil {
		return err
	}
	if len(data) > maxEntryBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "a log entry of %d bytes is too large: the most is %d", len(data), maxEntryBytes)
	}
	if seq == 0 || seq >= endSeq {
		return conflict(seq, "it is out of range")
	}
	l := s.log(id)
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	p, err := s.newPayload(data)
	if err != nil {
		return err
	}
	a := &appending{s: s, log: l, seq: int64(seq), data: data, payload: p}
	return a.run(ctx)
}

func conflict(seq uint64, why string, args ...any) error {
	return fmt.Errorf("%w: append of entry %d: %s", store.ErrConflict, seq, fmt.Sprintf(why, args...))
}

// appending is one Append. Its payload's ID is in the row, so that it can be
// told whose an entry is, even if two are of the same bytes.
type appending struct {
	s       *Store
	log     *log
	seq     int64
	data    []byte
	payload payload

	name   gocql.UUID
	partIn int64 // the bucket that the parts were written for
	stored bool  // the parts are written
	sent   bool  // a conditional write was sent
	doubt  bool  // of one that was sent the outcome is unknown
}

// run takes steps until one of them is the last.
func (a *appending) run(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, a.s.opts.AppendTimeout)
	defer cancel()
	failures := 0
	for {
		done, err := a.step(within)
		switch {
		case done:
			return err
		case err == nil:
			if within.Err() != nil {
				return a.giveUp(within.Err())
			}
			continue
		}
		if isDoubtful(err) && !a.doubt {
			a.doubt = a.sent
			a.s.metrics.doubts.Inc()
		}
		if !a.doubt && !isDoubtful(err) || within.Err() != nil {
			return a.giveUp(err)
		}
		failures++
		if perr := pause(within, failures); perr != nil {
			return a.giveUp(errors.Join(perr, err))
		}
	}
}

// giveUp returns the error of an append that is not followed any more.
func (a *appending) giveUp(err error) error {
	if a.doubt {
		return outcomeUnknown(err, "entry %d of %v", a.seq, a.log)
	}
	if errors.Is(err, context.DeadlineExceeded) { // ours, or ctx's: ask later
		e := pgerr.New(pgerr.IOError, "Cassandra: append: no answer in time: %v", err)
		e.Cause = err
		err = e
	}
	return fmt.Errorf("append of entry %d of %v: %w", a.seq, a.log, err)
}

// step gets an append nearer to its end: it returns done with the answer, or
// an error after which the same may be tried again, or neither.
func (a *appending) step(ctx context.Context) (done bool, err error) {
	s, l := a.s, a.log
	if a.name, err = s.lookUp(ctx, l); err != nil {
		return false, err
	}
	if a.name == (gocql.UUID{}) {
		if a.doubt {
			return true, a.giveUp(errDropped)
		}
		if a.seq != 1 {
			return true, conflict(uint64(a.seq), "there is no entry yet")
		}
		a.name, err = s.create(ctx, l)
		return false, err // and begin the log
	}
	t, next, err := a.place(ctx)
	switch {
	case errors.Is(err, errDropped):
		return a.afterDrop(ctx)
	case err != nil:
		return false, err
	case t.head >= a.seq:
		return a.decide(ctx)
	case !next && a.doubt:
		return false, doubtful{fmt.Errorf("the last entry is %d", t.head)} // it may still come to be the next one
	case !next:
		return true, conflict(uint64(a.seq), "the last is %d", t.head)
	}
	if err := a.store(ctx, t); err != nil {
		return false, err
	}
	return a.send(ctx, t)
}

// place returns the tail, and whether the entry is the next one by it.
func (a *appending) place(ctx context.Context) (t tail, next bool, err error) {
	l := a.log
	l.mu.Lock()
	t, known := l.tail, l.known && l.name == a.name
	l.mu.Unlock()
	if !known || t.head != a.seq-1 {
		if t, err = a.s.findTail(ctx, l, a.name, a.s.levels.serial); err != nil {
			return t, false, err
		}
	}
	return t, t.head == a.seq-1, nil
}

// store writes the parts of a large entry, for the bucket that it goes to.
func (a *appending) store(ctx context.Context, t tail) error {
	if a.payload.parts == 0 || a.stored && a.partIn == t.bucket {
		return nil
	}
	a.dropParts(ctx)
	a.partIn = t.bucket
	if err := a.s.writeParts(ctx, &a.payload, a.data, a.partPlace()); err != nil {
		return err
	}
	a.stored = true
	return nil
}

func (a *appending) partPlace() partAddress {
	name, bucket := a.name, a.partIn
	return func(int) (gocql.UUID, int64) { return name, bucket }
}

// dropParts frees parts that no row will ever name; if it fails they go with
// their bucket.
func (a *appending) dropParts(ctx context.Context) {
	if !a.stored {
		return
	}
	a.stored = false
	if err := a.s.write(ctx, "part_delete", 0, a.s.text.partDelete, a.name, a.partIn, a.payload.id); err != nil {
		a.s.opts.Logger.Debug("parts of an entry that came second stay until their bucket goes", slog.String("error", err.Error()))
	}
}

// send does the conditional write.
func (a *appending) send(ctx context.Context, t tail) (done bool, err error) {
	s := a.s
	after := tail{bucket: t.bucket, base: t.base, head: a.seq, bytes: t.bytes + a.payload.size, exists: true}
	closes := int(after.head-after.base)+1 >= s.opts.Limits.LogEntries || after.bytes >= s.opts.Limits.LogBytes
	st := statement{text: s.text.logAppend, args: []any{a.seq, after.bytes, closes}}
	if !t.exists {
		st = statement{text: s.text.logOpen, args: []any{a.seq, t.base, t.base, after.bytes, closes}}
	}
	st.args = append(append(st.args, a.payload.columns()...), a.name, t.bucket, a.seq)
	if t.exists {
		st.args = append(st.args, t.head)
	}
	all := []statement{st}
	if closes {
		all = append(all, statement{s.text.logEnd, []any{a.name, t.bucket, int64(endSeq)}})
	}
	a.sent = true
	applied, _, err := s.swap(ctx, "log_append", all...)
	if err != nil {
		return false, err
	}
	if !applied {
		s.metrics.conflicts.Inc()
		return a.look(ctx)
	}
	a.settled()
	if closes {
		s.metrics.rolls.Inc()
		a.log.mark(a.name, mark{after.bucket, after.base})
		after = tail{bucket: t.bucket + 1, base: a.seq + 1, head: a.seq}
		a.hint(ctx, t.bucket)
	}
	a.log.see(a.name, after)
	return true, nil
}

// look goes on after a conditional write was refused: what was remembered of
// the tail was old.
func (a *appending) look(ctx context.Context) (done bool, err error) {
	t, err := a.s.findTail(ctx, a.log, a.name, a.s.levels.serial)
	switch {
	case errors.Is(err, errDropped):
		return a.afterDrop(ctx)
	case err != nil:
		return false, err
	case t.head >= a.seq:
		return a.decide(ctx)
	}
	return false, nil // the next bucket, or the last entry is another
}

// decide tells whose the entry at the place is. Even a conditional write that
// was refused may have been one's own, done by another server that found it
// begun, so it is the row that tells.
func (a *appending) decide(ctx context.Context) (done bool, err error) {
	if !a.sent {
		return true, conflict(uint64(a.seq), "there is one")
	}
	bucket, err := a.s.locate(ctx, a.log, a.name, a.seq, a.s.levels.serial)
	if errors.Is(err, errDropped) {
		return a.afterDrop(ctx)
	}
	if err != nil {
		return false, err
	}
	var id *gocql.UUID
	found, err := a.s.row(ctx, read{op: "log_row", text: a.s.text.logRow, args: []any{a.name, bucket, a.seq}, level: a.s.levels.serial}, &id)
	switch {
	case err != nil:
		return false, err
	case found && id != nil && *id == a.payload.id:
		a.settled()
		return true, nil
	case !found && a.doubt:
		return true, a.giveUp(fmt.Errorf("the entry at its place was trimmed"))
	}
	a.settled()
	a.dropParts(ctx)
	return true, conflict(uint64(a.seq), "another has its place")
}

func (a *appending) settled() {
	if a.doubt {
		a.s.metrics.settled.Inc()
	}
}

// afterDrop goes on after it was found that the log was dropped. If its name is
// still there whoever dropped it did not come to the end.
func (a *appending) afterDrop(ctx context.Context) (done bool, err error) {
	if a.doubt {
		return true, a.giveUp(errDropped)
	}
	if err := a.s.unname(ctx, a.log, a.name); err != nil {
		return false, err
	}
	a.sent, a.stored = false, false
	return false, nil
}

// hintTimeout bounds what is only for speed.
const hintTimeout = 2 * time.Second

// hint notes a bucket near the end for those who do not know the log.
func (a *appending) hint(ctx context.Context, bucket int64) {
	ctx, cancel := context.WithTimeout(ctx, hintTimeout)
	defer cancel()
	if err := a.s.write(ctx, "log_hint", 0, a.s.text.hintWrite, a.name, bucket); err != nil {
		a.s.opts.Logger.Debug("a hint was not written", slog.String("error", err.Error()))
	}
}
