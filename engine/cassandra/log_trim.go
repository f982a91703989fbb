package cassandra

import (
	"context"
	"errors"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/store"
)

// First implements store.Logs.
func (s *Store) First(ctx context.Context, id store.LogID) (uint64, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	first := int64(1)
	l := s.log(id)
	err := s.named(ctx, l, func(name gocql.UUID) error {
		t, err := s.findTail(ctx, l, name, s.levels.read)
		if err != nil {
			return err
		}
		b, err := s.firstBucket(ctx, l, name, t, s.levels.read)
		first = b.trimmed
		return err
	}, func() { first = 1 })
	return uint64(first), err
}

// firstBucket finds the first bucket that is not spent. Buckets are spent in
// their order. If the tail is not there yet it is that, with its base as what
// it is trimmed to.
func (s *Store) firstBucket(ctx context.Context, l *log, name gocql.UUID, t tail, level gocql.Consistency) (bucketState, error) {
	l.mu.Lock()
	lo := l.first // all before it are spent
	if l.name != name {
		lo = 0
	}
	l.mu.Unlock()
	hi := t.bucket // it is not spent, or all before it are
	found := bucketState{bucket: -1}
	for at := lo; lo < hi; at = lo + (hi-lo)/2 { // the likeliest first
		b, err := s.state(ctx, name, at, level)
		if err != nil {
			return b, err
		}
		if !b.exists {
			return b, corrupt("%v: bucket %d is missing, the last is %d", l, at, t.bucket)
		}
		if b.spent() {
			lo = at + 1
		} else {
			hi, found = at, b
		}
	}
	l.mu.Lock()
	if l.name == name {
		l.first = max(l.first, lo)
	}
	l.mu.Unlock()
	if found.bucket == lo {
		return found, nil
	}
	b, err := s.state(ctx, name, lo, level)
	if err == nil && !b.exists {
		b.base, b.trimmed, b.head = t.base, t.base, t.head
	}
	return b, err
}

// Trim implements store.Logs. The rows of a closed bucket go with its last
// entry, those of the open one stay, unseen, until it is closed.
func (s *Store) Trim(ctx context.Context, id store.LogID, seq uint64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	l := s.log(id)
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	return s.named(ctx, l, func(name gocql.UUID) error {
		t, err := s.findTail(ctx, l, name, s.levels.serial)
		if err != nil {
			return err
		}
		return s.trim(ctx, l, name, t, int64(min(seq, uint64(t.head)+1)))
	}, nil)
}

// trim forgets the entries below seq, which is at most one above the tail's head.
func (s *Store) trim(ctx context.Context, l *log, name gocql.UUID, t tail, seq int64) error {
	b, err := s.firstBucket(ctx, l, name, t, s.levels.serial)
	if err != nil {
		return err
	}
	if seq <= b.trimmed {
		return nil
	}
	if b.bucket > 0 { // whoever trimmed it may not have come to free it
		before, err := s.state(ctx, name, b.bucket-1, s.levels.serial)
		if err != nil {
			return err
		}
		if before.spent() {
			if err := s.free(ctx, name, before); err != nil {
				return err
			}
		}
	}
	for b.exists && b.base < seq {
		if b, err = s.trimBucket(ctx, name, b, seq); err != nil {
			return err
		}
		if !b.spent() {
			break
		}
		l.mu.Lock()
		if l.name == name {
			l.first = max(l.first, b.bucket+1)
		}
		l.mu.Unlock()
		if err := s.free(ctx, name, b); err != nil {
			return err
		}
		if b, err = s.state(ctx, name, b.bucket+1, s.levels.serial); err != nil {
			return err
		}
	}
	return nil
}

// trimBucket notes in a bucket which of its entries is the first one retained.
func (s *Store) trimBucket(ctx context.Context, name gocql.UUID, b bucketState, seq int64) (bucketState, error) {
	for {
		to := min(seq, b.head+1)
		if b.trimmed >= to {
			return b, nil
		}
		applied, _, err := s.swap(ctx, "log_trim", statement{s.text.logTrim, []any{to, name, b.bucket, b.trimmed}})
		if err != nil {
			return b, err // it may be done; the next Trim finds out
		}
		if applied {
			b.trimmed = to
			return b, nil
		}
		if b, err = s.state(ctx, name, b.bucket, s.levels.serial); err != nil {
			return b, err
		}
	}
}

// free deletes the entries of a closed bucket. No conditional write to it can
// be done any more, and those that were are not younger than the one that
// closed it: a plain deletion as of then takes all entries and nothing else,
// whatever the clocks say.
func (s *Store) free(ctx context.Context, name gocql.UUID, b bucketState) error {
	if b.head >= b.base {
		if err := s.write(ctx, "log_free", 0, s.text.logFree, b.closedAt, name, b.bucket, b.base, b.head); err != nil {
			return err
		}
	}
	return s.write(ctx, "log_free", 0, s.text.partDeleteAll, name, b.bucket)
}

// Drop implements store.Logs. It marks the last bucket, so that whoever still
// uses the log finds out, frees all entries, and takes away the name. After an
// error it may be done in part; repeat it.
func (s *Store) Drop(ctx context.Context, id store.LogID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	l := s.log(id)
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	name, err := s.lookUp(ctx, l)
	if err != nil || name == (gocql.UUID{}) {
		return err
	}
	last, err := s.seal(ctx, l, name)
	if err != nil {
		return err
	}
	t := tail{bucket: last.bucket, base: last.base, head: last.head, bytes: last.bytes, exists: true}
	if err := s.trim(ctx, l, name, t, last.head+1); err != nil {
		return err
	}
	if err := s.free(ctx, name, last); err != nil { // whoever trimmed it may not have come to that
		return err
	}
	if err := s.write(ctx, "log_hint", 0, s.text.hintDelete, name); err != nil {
		return err
	}
	if err := s.unname(ctx, l, name); err != nil {
		return err
	}
	s.mu.Lock()
	if s.logs[id] == l {
		delete(s.logs, id)
	}
	s.mu.Unlock()
	return nil
}

// seal marks the last bucket as one that takes no more entries, because the log
// is dropped, and returns it.
func (s *Store) seal(ctx context.Context, l *log, name gocql.UUID) (bucketState, error) {
	for {
		t, err := s.findTail(ctx, l, name, s.levels.serial)
		if errors.Is(err, errDropped) {
			return s.sealed(ctx, l, name)
		}
		if err != nil {
			return bucketState{}, err
		}
		st := statement{s.text.logDrop, []any{name, t.bucket, t.head}}
		if !t.exists {
			st = statement{s.text.logDropEmpty, []any{t.base - 1, t.base, t.base, name, t.bucket}}
		}
		if _, _, err := s.swap(ctx, "log_drop", st, statement{s.text.logEnd, []any{name, t.bucket, int64(endSeq)}}); err != nil {
			return bucketState{}, err
		}
	}
}

// sealed finds the bucket that says that the log is dropped.
func (s *Store) sealed(ctx context.Context, l *log, name gocql.UUID) (bucketState, error) {
	l.mu.Lock()
	from := l.tail.bucket
	if !l.known || l.name != name {
		from = 0
	}
	l.mu.Unlock()
	b, err := s.state(ctx, name, from, s.levels.serial)
	if err == nil && b.closed && !b.dropped {
		b, err = s.gallop(ctx, l, name, b, s.levels.serial)
	}
	if err == nil && !b.dropped {
		err = corrupt("%v: no bucket says that it is dropped", l)
	}
	return b, err
}
